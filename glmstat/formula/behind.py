"""The part of a right side behind `|`: factors whose effects are absorbed, and the levels of their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from glmstat.data.source import BoolArray, Categorical, Frame, Level
from glmstat.errors import DataError, FormulaError
from glmstat.formula.check import Offences, merge
from glmstat.formula.expression import Environment, Expression, evaluate
from glmstat.formula.piece import MISSING, NEW, recode
from glmstat.formula.roles import rows_checked
from glmstat.formula.survey import without_level
from glmstat.formula.syntax import Grammar, read
from glmstat.formula.terms import Absorb
from glmstat.formula.tokens import Token, partners, shorten, split_at
from glmstat.formula.value import Value, refuse_merged

__all__ = [
    "AbsorbedFactor",
    "LevelSurvey",
    "RowLevels",
    "read_absorbed",
    "role",
    "split_bar",
    "survey_levels",
]

IntArray = NDArray[np.int64]
_SPAN = 4_000_000  # whole numbers this far apart are looked up in a table; others are searched for
_MOST_CELLS = 2**62  # combinations of levels are numbered by machine integers
_ALONE = ("offset", "nn", "cbind")


# ---------------------------------------------------------------- text


def split_bar(tokens: list[Token], source: str, grammar: Grammar) -> tuple[list[Token], list[Token] | None]:
    """Return the tokens before and behind the bar that stands outside all brackets; None without one.

    Raises
    ------
    FormulaError : nothing on a side of the bar, or a second bar.
    """
    sides = split_at(tokens, "|") if grammar.absorbing else [tokens]
    if len(sides) == 1:
        return tokens, None
    if len(sides) > 2:
        raise FormulaError(
            f"Formula has more than one '|': '{shorten(source)}'. Write all absorbed factors behind one."
        )
    before, behind = sides
    if not before or not behind:
        where = "before" if not before else "behind"
        instead = "Write 1 there for effects alone." if not before else "Name factors, as in y ~ x | firm."
        raise FormulaError(f"Nothing stands {where} '|': '{shorten(source)}'. {instead}")
    return before, behind


def read_absorbed(tokens: list[Token] | None, source: str, grammar: Grammar) -> tuple[Absorb, ...]:
    """Return the factors that stand behind the bar.

    Parameters
    ----------
    tokens : behind the bar; None without one.
    source : the text of the formula.
    grammar : functions of the context, and whether Python is allowed.

    Raises
    ------
    FormulaError : what is no sum of factors and of their combinations `a:b`, `a^b`.

    Source: R's fixest for the meaning of the bar and of `^`.
    """
    terms: list[Absorb] = []
    for run in split_at(tokens, "+") if tokens else []:
        if not run:
            raise FormulaError(f"A factor is missing behind '|': '{shorten(source)}'. Write a + b.")
        pieces = [piece for part in split_at(run, ":") for piece in split_at(part, "^")]
        term = Absorb(tuple(_factor(piece, source, grammar) for piece in pieces))
        if any(set(term.parts) == set(other.parts) for other in terms):
            raise FormulaError(f"'{term}' stands twice behind '|': position {run[0].start}. Write it once.")
        terms.append(term)
    return tuple(terms)


def _factor(tokens: list[Token], source: str, grammar: Grammar) -> Expression:
    if not tokens:
        raise FormulaError(f"A factor is missing behind '|': '{shorten(source)}'. Write a:b, or a^b.")
    head, last = tokens[0], tokens[-1]
    text, where = shorten(source[head.start : last.end]), f"position {head.start}"
    if len(tokens) > 1 and head.text in _ALONE and partners(tokens).get(1) == len(tokens) - 1:
        raise FormulaError(
            f"{head.text}() cannot stand behind '|': '{text}' at {where}. Write it before the bar, with +."
        )
    if head.kind in ("number", "text", "dot") and len(tokens) == 1:
        raise FormulaError(f"'{text}' is no factor: {where}, behind '|'. Name columns there, as in | firm.")
    plain = head.kind in ("word", "quoted") and _is_one(tokens)
    if not plain:
        raise FormulaError(
            f"'{text}' cannot stand behind '|': {where}. Write factors with +, and a:b for combinations; "
            "compute other columns first."
        )
    return read(tokens, source, grammar)


def _is_one(tokens: list[Token]) -> bool:
    """Whether tokens are a name, or one call."""
    return len(tokens) == 1 or (tokens[1].text == "(" and partners(tokens).get(1) == len(tokens) - 1)


# ---------------------------------------------------------------- levels


@dataclass(frozen=True, eq=False)
class LevelSurvey:
    """What blocks tell about one part of an absorbed effect; adds up.

    Parameters
    ----------
    levels : those met: sorted numbers (L,), or the levels of a factor with `counts` (L,).
    offences : rows where it has no level.
    """

    levels: NDArray[np.float64] | tuple[Level, ...]
    counts: NDArray[np.intp] | None = None
    offences: Offences = field(default_factory=dict)

    def __add__(self, other: LevelSurvey) -> LevelSurvey:
        offences = merge(self.offences, other.offences)
        if isinstance(self.levels, np.ndarray):
            met = [side.levels for side in (self, other) if isinstance(side.levels, np.ndarray)]
            return LevelSurvey(np.unique(np.concatenate(met)), None, offences)
        assert not isinstance(other.levels, np.ndarray)
        assert self.counts is not None and other.counts is not None
        if self.levels is other.levels or self.levels == other.levels:
            return LevelSurvey(self.levels, self.counts + other.counts, offences)
        held = dict(zip(self.levels, self.counts.tolist(), strict=True))
        for level, count in zip(other.levels, other.counts.tolist(), strict=True):
            held[level] = held.get(level, 0) + count
        return LevelSurvey(tuple(held), np.array(list(held.values()), dtype=np.intp), offences)

    def taken(self) -> tuple[Level, ...]:
        """Return the levels that rows take."""
        if isinstance(self.levels, np.ndarray):
            return tuple(self.levels.tolist())
        assert self.counts is not None
        if self.counts.all():
            return self.levels
        return tuple(level for level, count in zip(self.levels, self.counts.tolist(), strict=True) if count)


def survey_levels(
    parts: Mapping[str, Expression], environment: Environment, counted: BoolArray | None = None
) -> dict[str, LevelSurvey]:
    """Return what one block tells about the parts of absorbed effects, by text.

    Only rows that are `counted` need a level; None counts all.
    """
    return {text: _survey(part, environment, counted) for text, part in parts.items()}


def _survey(part: Expression, environment: Environment, counted: BoolArray | None) -> LevelSurvey:
    value, frame = _column(evaluate(part, environment), part.text, environment.frame), environment.frame
    if isinstance(value, Categorical):
        absent = value.codes < 0
        offences = without_level(absent if counted is None else absent & counted, part.text, frame)
        counts = np.bincount(
            value.codes[~absent] if absent.any() else value.codes, minlength=len(value.levels)
        )
        return LevelSurvey(value.levels, counts, offences)
    absent = ~np.isfinite(value)
    offences = without_level(absent if counted is None else absent & counted, part.text, frame)
    levels = _distinct(value[~absent] if absent.any() else value)
    refuse_merged(levels, part.text)
    return LevelSurvey(levels, None, offences)


def _column(value: Value, text: str, frame: Frame) -> NDArray[np.float64] | Categorical:
    """The levels of rows: a factor, or numbers (n,)."""
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype == np.bool_:
        value = Categorical(value.astype(np.intp), (False, True))
    if isinstance(value, Categorical) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return rows_checked(value, text, frame)
    raise DataError(f"'{text}' has no levels: it cannot stand behind '|'. Name a column there.")


def _distinct(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sorted distinct numbers."""
    whole = _whole(values)
    if whole is None:
        return np.unique(values)
    low = int(whole.min())
    return (np.flatnonzero(np.bincount(whole - low)) + low).astype(np.float64)


def _whole(values: NDArray[np.float64]) -> IntArray | None:
    """Whole numbers that are not far apart, as such; None for others."""
    if not len(values) or not values.max() - values.min() < _SPAN or not np.abs(values).max() < 2**52:
        return None
    whole = values.astype(np.int64)
    return whole if (whole == values).all() else None


class _Coder:
    """Places of values among the levels of a fit."""

    def __init__(self, levels: tuple[Level, ...], text: str) -> None:
        self.levels, self.text = levels, text
        self.numeric = bool(levels) and all(type(level) is float for level in levels)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The levels as numbers, sorted."""
        return np.array(self.levels, dtype=np.float64)

    @cached_property
    def table(self) -> tuple[int, IntArray] | None:
        """The least level, and the place of every whole number from there on; None for others."""
        whole = _whole(self.numbers)
        if whole is None:
            return None
        places = np.full(int(whole[-1] - whole[0]) + 2, NEW, dtype=np.int64)
        places[whole - whole[0]] = np.arange(len(whole))
        return int(whole[0]), places

    def codes(self, value: NDArray[np.float64] | Categorical) -> IntArray:
        """Return the places (n,); MISSING without a level, NEW where the fit has not seen it."""
        if not self.numeric:
            return recode(value, self.levels, self.text).astype(np.int64, copy=False)
        if isinstance(value, Categorical):
            if not all(type(level) is float for level in value.levels):
                raise DataError(f"'{self.text}' is no number here, but was in the fit. Convert it first.")
            value = np.array([*value.levels, np.nan], dtype=np.float64)[value.codes]
        codes = self._near(value) if self.table is not None else self._searched(value)
        absent = np.isnan(value)
        if absent.any():
            codes[absent] = MISSING
        return codes

    def _near(self, value: NDArray[np.float64]) -> IntArray:
        assert self.table is not None
        low, places = self.table
        far = len(places) - 1
        inside = np.where((value >= low) & (value < low + far), value - low, far)
        whole = inside.astype(np.int64)
        whole[whole != inside] = far
        return places[whole]

    def _searched(self, value: NDArray[np.float64]) -> IntArray:
        found = np.minimum(np.searchsorted(self.numbers, value), len(self.numbers) - 1)
        return np.where(self.numbers[found] == value, found, NEW).astype(np.int64)


@dataclass(frozen=True, eq=False)
class AbsorbedFactor:
    """An absorbed effect after learning: rows in, numbers of levels out.

    Parameters
    ----------
    term : as written.
    levels : of each of its parts.
    """

    term: Absorb
    levels: tuple[tuple[Level, ...], ...]

    def __post_init__(self) -> None:
        if self.size > _MOST_CELLS:
            raise DataError(f"'{self.term}' has too many combinations of levels to number. Leave a part out.")

    @property
    def text(self) -> str:
        """The effect as the formula writes it."""
        return str(self.term)

    @property
    def size(self) -> int:
        """Number of combinations of levels."""
        return prod(len(levels) for levels in self.levels)

    @cached_property
    def _coders(self) -> tuple[_Coder, ...]:
        return tuple(
            _Coder(levels, part.text) for levels, part in zip(self.levels, self.term.parts, strict=True)
        )

    def codes(self, environment: Environment) -> IntArray:
        """Return the number (n,) of the combination that each row has, the last part's levels fastest.

        MISSING where a row has none, NEW where a part has a level that the fit has not seen.
        """
        total = np.zeros(environment.frame.rows, dtype=np.int64)
        low = total
        for coder, part in zip(self._coders, self.term.parts, strict=True):
            codes = coder.codes(_column(evaluate(part, environment), part.text, environment.frame))
            total = codes if len(self._coders) == 1 else total * len(coder.levels) + codes
            low = np.minimum(low, codes) if len(codes) else low
        return total if len(self._coders) == 1 else np.where(low < 0, low, total)

    def labels(self, cells: IntArray) -> tuple[tuple[Level, ...], ...]:
        """Return the levels of some combinations, one tuple for each part."""
        places = np.unravel_index(cells, tuple(len(levels) for levels in self.levels))
        return tuple(
            tuple(levels[place] for place in at.tolist())
            for levels, at in zip(self.levels, places, strict=True)
        )


class RowLevels(Mapping[str, IntArray]):
    """Codes (n,) of the levels of some rows, by role; found when asked for."""

    def __init__(self, factors: tuple[AbsorbedFactor, ...], environment: Environment) -> None:
        self._factors = {role(number): factor for number, factor in enumerate(factors)}
        self._environment = environment
        self._found: dict[str, IntArray] = {}

    def __getitem__(self, name: str) -> IntArray:
        if name not in self._found:
            self._found[name] = self._factors[name].codes(self._environment)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._factors)

    def __len__(self) -> int:
        return len(self._factors)


def role(number: int) -> str:
    """Return what the codes of an absorbed effect are called in a block.

    >>> role(0)
    'absorbed 0'
    """
    return f"absorbed {number}"
