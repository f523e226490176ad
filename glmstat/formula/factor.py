"""Functions whose value is categorical: `C`, `factor`, `relevel`, `cut`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from glmstat.array import Array
from glmstat.data.columns import Categorical, Level
from glmstat.errors import DataError, FormulaError, near, one_of
from glmstat.formula.call import Function, Learner, Signature
from glmstat.formula.contrast import Contrast, as_contrast
from glmstat.formula.stateful import Extent, as_column, nothing_to_learn, summary_of
from glmstat.formula.value import (
    JSON,
    Value,
    as_categorical,
    as_flag,
    as_levels,
    as_numbers,
    as_whole,
    level_label,
    match_level,
)

__all__ = ["FACTORS", "Levels", "recode"]


@dataclass(frozen=True)
class Levels:
    """Levels met or declared, in order, and those that some row takes."""

    levels: tuple[Level, ...]
    present: frozenset[Level]
    ordered: bool
    contrast: Contrast | None

    @classmethod
    def of(cls, value: Categorical) -> Levels:
        """Return the levels of one block."""
        counts = np.bincount(value.codes + 1, minlength=len(value.levels) + 1)[1:]
        present = frozenset(
            level for level, count in zip(value.levels, counts.tolist(), strict=True) if count
        )
        return cls(value.levels, present, value.ordered, value.contrast)

    def __add__(self, other: Levels) -> Levels:
        """Return the levels of both: sorted if either side's are, else in order of appearance."""
        present = self.present | other.present
        if self.levels == other.levels:
            return replace(self, present=present)
        known = set(self.levels)
        joined = self.levels + tuple(level for level in other.levels if level not in known)
        if _is_sorted(self.levels) and _is_sorted(other.levels):
            joined = tuple(sorted(joined))
        return replace(self, levels=joined, present=present)


def _is_sorted(levels: Sequence[Any]) -> bool:
    return all(a < b for a, b in pairwise(levels))


def recode(value: Categorical, levels: tuple[Level, ...]) -> Categorical:
    """Return the same rows with the given levels first; levels that rows take beyond them come behind.

    >>> recode(Categorical(np.array([0, 1]), ("b", "z")), ("a", "b")).levels
    ('a', 'b', 'z')
    """
    if value.levels == levels:
        return value
    place = {level: code for code, level in enumerate(levels)}
    unseen = [level for level in value.levels if level not in place]
    if unseen:
        taken = Levels.of(value).present
        place.update((level, len(place)) for level in [level for level in unseen if level in taken])
    codes = np.array([place.get(level, -1) for level in value.levels] + [-1], dtype=np.intp)
    return replace(value, codes=codes[value.codes], levels=tuple(place))


def _levels_of(user: str) -> Callable[[Value, str], Levels]:
    def summarise(value: Value, text: str) -> Levels:
        return Levels.of(as_categorical(value, text, f"{user}()"))

    return summarise


def _factor_state(found: Levels, contrast: Contrast | None, **changes: Any) -> JSON:
    contrast = contrast or found.contrast
    return {
        "levels": list(found.levels),
        "labels": None,
        "ordered": found.ordered,
        "contrast": contrast and contrast.to_json(),
        **changes,
    }


def _with_levels(name: str, found: Levels, text: str, given: Value) -> Levels:
    """Return the levels in the order given; every level that a row takes must be among them."""
    if given is None:
        return found
    wanted = tuple(_known(level, found.levels) for level in as_levels(given, "levels", name))
    lost = [level_label(level) for level in found.levels if level in found.present and level not in wanted]
    if lost:
        raise DataError(
            f"{name}() would lose rows: '{text}' has level {one_of(lost[:5])}, which levels= leaves out. "
            "Name it too, or drop its rows with subset=."
        )
    return replace(found, levels=wanted)


def _known(wanted: Level, levels: tuple[Level, ...]) -> Level:
    found = match_level(wanted, levels)
    return wanted if found is None else found


def _conclude_c(
    found: Levels, text: str, contrast: Value = None, levels: Value = None, ordered: Value = None
) -> JSON:
    if isinstance(contrast, Function) and contrast.signature.required == 0:
        contrast = contrast.apply()
    found = _with_levels("C", found, text, levels)
    flag = found.ordered if ordered is None else as_flag(ordered, "ordered", "C")
    return _factor_state(found, as_contrast(contrast, f"C({text})"), ordered=flag)


def _conclude_factor(
    name: str, found: Levels, text: str, levels: Value = None, labels: Value = None, ordered: Value = None
) -> JSON:
    found = _with_levels(name, found, text, levels)
    flag = found.ordered if ordered is None else as_flag(ordered, "ordered", name)
    if labels is None:
        return _factor_state(found, None, ordered=flag)
    named = as_levels(labels, "labels", name)
    if len(named) != len(found.levels):
        shown = one_of([level_label(level) for level in found.levels])
        raise FormulaError(
            f"{name}() needs a label for each level: {len(named)} labels, and '{text}' has levels {shown}. "
            "Give as many labels."
        )
    return _factor_state(found, None, labels=list(named), ordered=flag)


def _conclude_relevel(found: Levels, text: str, ref: Value = None) -> JSON:
    names = [level_label(level) for level in found.levels]
    first = match_level(ref, found.levels)
    if first is None:
        shown = repr(level_label(ref) if isinstance(ref, float) else ref)
        hint = near(str(ref), names)
        raise DataError(f"relevel() cannot put {shown} first: '{text}' has levels {one_of(names)}.{hint}")
    rest = [level for level in found.levels if level != first]
    return _factor_state(found, None, levels=[first, *rest])


def _factor(value: Value, state: JSON, text: str) -> Categorical:
    levels = tuple(state["levels"])
    coded = recode(as_categorical(value, text), levels)
    if state["labels"] is not None:
        coded = replace(coded, levels=tuple(state["labels"]) + coded.levels[len(levels) :])
    contrast = state["contrast"] and Contrast.from_json(state["contrast"])
    return Categorical(coded.codes, coded.levels, state["ordered"], contrast)


def _conclude_cut(
    extent: Extent,
    text: str,
    breaks: Value = None,
    labels: Value = None,
    right: Value = True,
    include_lowest: Value = False,
    ordered_result: Value = False,
) -> JSON:
    given = as_numbers(breaks, "breaks", "cut")
    edges = _even_breaks(extent, text, given[0]) if len(given) == 1 else sorted(given)
    if len(set(edges)) < len(edges) or len(edges) < 2:
        raise FormulaError(
            f"cut() needs at least 2 different breaks, none of them twice: breaks={list(given)}. "
            "Write breaks=[0, 10, 20], or the number of intervals."
        )
    right, lowest = as_flag(right, "right", "cut"), as_flag(include_lowest, "include_lowest", "cut")
    return {
        "breaks": [_edge_json(edge) for edge in edges],
        "labels": _cut_labels(labels, edges, right, lowest),
        "right": right,
        "include_lowest": lowest,
        "ordered": as_flag(ordered_result, "ordered_result", "cut"),
    }


def _even_breaks(extent: Extent, text: str, count: float) -> list[float]:
    """Return the edges of intervals of equal length over the extent, the outer ones moved out by 1/1000."""
    intervals = as_whole(count, "breaks", "cut", least=2)
    low, high = extent.low, extent.high
    if low > high:
        raise nothing_to_learn("cut", text)
    length = high - low
    if length == 0:
        margin = (abs(low) or 1.0) / 1000
        return np.linspace(low - margin, high + margin, intervals + 1).tolist()
    inner = np.linspace(low, high, intervals + 1)[1:-1].tolist()
    return [low - length / 1000, *inner, high + length / 1000]


def _edge_json(edge: float) -> float | str:
    return edge if math.isfinite(edge) else _edge_text(edge, 3)


def _edge_text(edge: float, digits: int) -> str:
    return f"{edge + 0.0:.{digits}g}".replace("inf", "Inf")


def _cut_labels(given: Value, edges: list[float], right: bool, lowest: bool) -> list[Level] | None:
    """Return the labels of the intervals; None stands for labels=False, plain interval numbers."""
    if given is not None and not isinstance(given, (list, tuple, np.ndarray)):
        if as_flag(given, "labels", "cut"):
            raise FormulaError("cut() needs labels to be a list or False: it is True. Leave it out.")
        return None
    if given is None:
        return _interval_labels(edges, right, lowest)
    labels = as_levels(given, "labels", "cut")
    if len(labels) != len(edges) - 1:
        raise FormulaError(
            f"cut() needs a label for each interval: {len(labels)} labels for {len(edges) - 1} intervals. "
            f"Give {len(edges) - 1} labels."
        )
    return list(labels)


def _interval_labels(edges: list[float], right: bool, lowest: bool) -> list[Level]:
    """Return labels such as "(0,10]" with as few significant digits, 3 to 12, as tell the edges apart."""
    shown: list[str] = []
    for digits in range(3, 13):
        shown = [_edge_text(edge, digits) for edge in edges]
        if edges[0] == -math.inf and edges[-1] == math.inf:
            shown[-1] = " Inf"  # as R prints it beside -Inf
        if len(set(shown)) == len(shown):
            break
    left_mark, right_mark = ("(", "]") if right else ("[", ")")
    labels = [f"{left_mark}{a},{b}{right_mark}" for a, b in pairwise(shown)]
    if lowest and right:
        labels[0] = "[" + labels[0][1:]
    elif lowest:
        labels[-1] = labels[-1][:-1] + "]"
    return list(labels)


def _cut(value: Value, state: JSON, text: str) -> Categorical | Array:
    x = as_column(value, text, "cut")
    edges = np.array([float(edge) for edge in state["breaks"]])
    codes = np.searchsorted(edges, x, side="left" if state["right"] else "right") - 1
    last = len(edges) - 2
    codes[(codes > last) | np.isnan(x)] = -1
    if state["include_lowest"]:
        codes[x == (edges[0] if state["right"] else edges[-1])] = 0 if state["right"] else last
    if state["labels"] is None:
        return np.where(codes < 0, np.nan, codes + 1.0)
    return Categorical(codes, tuple(state["labels"]), state["ordered"])


def _entry(
    name: str,
    parameters: tuple[str, ...],
    conclude: Callable[..., JSON],
    *,
    required: int = 1,
    body: Callable[..., Value] = _factor,
    summarise: Callable[[Value, str], Any] | None = None,
) -> Function:
    signature = Signature(name, parameters, required)
    return Function(signature, body, Learner(signature, summarise or _levels_of(name), conclude))


_FACTOR = ("x", "levels", "labels", "ordered")
_CUT = ("x", "breaks", "labels", "right", "include_lowest", "ordered_result")

FACTORS: dict[str, Function] = {
    "C": _entry("C", ("x", "contrast", "levels", "ordered"), _conclude_c),
    "factor": _entry("factor", _FACTOR, partial(_conclude_factor, "factor")),
    "as.factor": _entry("as.factor", _FACTOR, partial(_conclude_factor, "as.factor")),
    "relevel": _entry("relevel", ("x", "ref"), _conclude_relevel, required=2),
    "cut": _entry("cut", _CUT, _conclude_cut, required=2, body=_cut, summarise=summary_of("cut", Extent)),
}
"""The functions of this module by name."""
