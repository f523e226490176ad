"""Which factors of which terms are coded in full, so that the columns are as many as what they span."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

__all__ = ["Group", "plan_groups"]

Group = tuple[tuple[int, bool], ...]
"""One set of columns of a term: (place of the part in the term, coded in full) for each part in it."""

_Coded = tuple[tuple[str, bool], ...]


@lru_cache(maxsize=512)
def plan_groups(terms: tuple[tuple[str, ...], ...], factors: frozenset[str]) -> tuple[tuple[Group, ...], ...]:
    """Groups of columns of each term: together they span what the terms span, without repetition.

    A factor coded in full spans the constant too; what earlier terms span already is left out of a term,
    and the rest of the term is gathered into as few groups as possible by the rule
    rest + rest:reduced = rest:full.

    Parameters
    ----------
    terms : the parts' texts of each term, in the order of the formula; () is the intercept.
    factors : the texts of those parts that are factors. The others keep all their columns.

    Returns
    -------
    For each term its groups, in the order of their columns; the one group of the intercept is ().

    Source: Chambers and Hastie (1992, section 2.4.1).

    >>> plan_groups(((), ("a",), ("a", "b")), frozenset("ab"))
    (((),), (((0, False),),), (((0, True), (1, False)),))
    """
    spanned: set[frozenset[str]] = set()
    plan = []
    for parts in terms:
        new = [subset for subset in _spans(parts, factors) if frozenset(subset) not in spanned]
        spanned.update(frozenset(subset) for subset in new)
        coded = _gather([tuple((part, part not in factors) for part in subset) for subset in new])
        plan.append(tuple(tuple((parts.index(part), full) for part, full in group) for group in coded))
    return tuple(plan)


def _spans(parts: tuple[str, ...], factors: frozenset[str]) -> list[tuple[str, ...]]:
    """Every choice of the factors, with all the other parts, in order of size."""
    choices = product(*((True, False) if part in factors else (True,) for part in parts))
    subsets = [tuple(part for part, kept in zip(parts, choice, strict=True) if kept) for choice in choices]
    return sorted(subsets, key=len)


def _gather(groups: list[_Coded]) -> list[_Coded]:
    """Merge groups, smallest first, that differ by one reduced factor only."""
    done: dict[frozenset[tuple[str, bool]], tuple[int, _Coded]] = {}
    for place, group in enumerate(groups):
        current = group
        while (found := _smaller(current, done)) is not None:
            del done[found[0]]
            current = tuple((part, full or part == found[1]) for part, full in current)
        done[frozenset(current)] = (place, current)
    return [group for _, group in done.values()]


def _smaller(
    group: _Coded, done: dict[frozenset[tuple[str, bool]], tuple[int, _Coded]]
) -> tuple[frozenset[tuple[str, bool]], str] | None:
    """Earliest finished group that is `group` without one reduced factor, and that factor."""
    items = frozenset(group)
    rests = [(items - {item}, item[0]) for item in group if not item[1]]
    candidates = [(done[rest][0], rest, part) for rest, part in rests if rest in done]
    return min(candidates, key=lambda found: found[0])[1:] if candidates else None
