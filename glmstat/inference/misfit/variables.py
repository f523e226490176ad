"""The variables of a score test: columns of the data, standardised over the rows of the fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import functions
from glmstat.data.beside import with_columns
from glmstat.data.columns import Column
from glmstat.data.source import BoolArray, Categorical, Frame, Level, MemorySource, Source
from glmstat.errors import ArgumentError, ComparisonError, DataError
from glmstat.formula.check import Offences, merge, offence, raise_first
from glmstat.formula.context import Scope, split_context
from glmstat.formula.expression import Expression, columns_needed, parse_expression
from glmstat.formula.missing import frame_of as rows_of
from glmstat.formula.roles import value_of
from glmstat.formula.states import learn_calls
from glmstat.formula.syntax import column
from glmstat.formula.value import level_label
from glmstat.inference.score import finite_predictor, moved_by
from glmstat.inference.variable import REMEDY, refuse_changed
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["VERB", "Spread", "Standardised", "counted", "standardised"]

VERB = "score_test_nn"
_STILL = 1e-12  # share of the largest value below which a standard deviation is rounding


@dataclass(frozen=True)
class Spread:
    """Weighted mean and sum of squares about it; those of two sets of rows can be added.

    >>> both = Spread.of(np.array([1.0, 2.0]), np.ones(2)) + Spread.of(np.array([6.0]), np.ones(1))
    >>> both.mean, both.squares
    (3.0, 14.0)
    """

    weight: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, values: Array, weights: Array) -> Spread:
        """Return the moments of values (n,); rows of weight 0 need not be numbers."""
        used = weights > 0
        values, weights = values[used], weights[used]
        total = float(weights.sum())
        if not total > 0:
            return cls()
        mean = float(weights @ values) / total
        return cls(total, mean, float(weights @ (values - mean) ** 2))

    def __add__(self, other: Spread) -> Spread:
        total = self.weight + other.weight
        if total == 0:
            return self
        gap, share = other.mean - self.mean, other.weight / total
        return Spread(
            total, self.mean + gap * share, self.squares + other.squares + gap * gap * self.weight * share
        )

    @property
    def deviation(self) -> float:
        """Standard deviation; 0 where it is rounding."""
        found = sqrt(self.squares / self.weight) if self.weight > 0 else 0.0
        return found if found > _STILL * (abs(self.mean) + found) else 0.0


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What a block teaches: moments of the predictor, of numbers, weights of levels; rows without a value."""

    predictor: Spread
    numbers: Mapping[str, Spread]
    levels: Mapping[str, Mapping[Level, float]]
    offences: Offences

    def __add__(self, other: _Lesson) -> _Lesson:
        return _Lesson(
            self.predictor + other.predictor,
            {text: found + other.numbers[text] for text, found in self.numbers.items()},
            {text: _added(found, other.levels[text]) for text, found in self.levels.items()},
            merge(self.offences, other.offences),
        )


def _added(left: Mapping[Level, float], right: Mapping[Level, float]) -> dict[Level, float]:
    return {level: left.get(level, 0.0) + right.get(level, 0.0) for level in dict.fromkeys((*left, *right))}


@dataclass(frozen=True, eq=False)
class _Reader:
    """Values of expressions in the rows of a block.

    Parameters
    ----------
    calls : what stateful calls in them have learned.
    columns : arrays (n,) of the context that the frame does not hold, by name.
    """

    frame: ModelFrame
    source: Source
    context: Mapping[str, Any]
    calls: Mapping[str, Any]
    roles: tuple[Expression, ...]
    columns: Mapping[str, Column]

    def rows(self, block: Block) -> Frame:
        """Return the rows of the data behind a block."""
        if not isinstance(self.source, MemorySource):
            return with_columns(block.frame, self.columns)
        start, stop = block.start, block.start + len(block.y)
        if block.rows is not None:
            start, stop = int(block.rows[0]), int(block.rows[-1]) + 1
        return rows_of(self.source, self.frame.selection.kept, start, stop)

    def value(self, role: Expression, rows: Frame) -> Array | Categorical:
        """Return the values of one expression."""
        value = value_of(role, Scope(rows, dict(self.context), dict(self.calls)))
        if isinstance(value, Categorical):
            return value
        if not isinstance(value, np.ndarray) or value.ndim != 1:
            raise DataError(
                f"{role.text} is not one value per row. Give a column, or an expression in columns."
            )
        return value.astype(np.float64)


@dataclass(frozen=True, eq=False)
class Standardised:
    """The predictor and the variables as standardised columns, block by block.

    Parameters
    ----------
    texts : the variables, sorted: their order as given makes no difference.
    variable : (d,) which variable each column belongs to.
    numeric : (d,) whether it is that variable itself; else an indicator of one of its levels.
    """

    fit: Fit
    frame: ModelFrame
    texts: tuple[str, ...]
    variable: IntArray
    numeric: BoolArray
    _reader: _Reader
    _predictor: Spread
    _levels: tuple[tuple[Level, ...], ...]
    _centre: Array
    _scale: Array

    def predictor(self, eta: Array, used: BoolArray) -> Array:
        """Return predictors (n,) with mean 0 and variance 1; 0 where they are constant, or not used."""
        scale = self._predictor.deviation or np.inf
        return np.where(used, (eta - self._predictor.mean) / scale, 0.0).astype(np.float64)

    def columns(self, block: Block, used: BoolArray) -> Callable[[slice], Array]:
        """Return what makes columns (n, d) of some rows, with mean 0 and variance 1; 0 where not used."""
        rows = self._reader.rows(block)
        values = [
            _coded(self._reader.value(role, rows), levels)
            for role, levels in zip(self._reader.roles, self._levels, strict=True)
        ]

        def written(some: slice) -> Array:
            parts = [
                _indicators(value[some], len(levels)) if levels else value[some, None]
                for value, levels in zip(values, self._levels, strict=True)
            ]
            return np.where(used[some, None], (np.hstack(parts) - self._centre) / self._scale, 0.0)

        return written


def _coded(value: Array | Categorical, levels: tuple[Level, ...]) -> Array:
    """Numbers, or places in levels; one behind the last for a level that no row of the fit takes."""
    if not isinstance(value, Categorical):
        return value
    place = {level: k for k, level in enumerate(levels)}
    return np.array([place.get(level, len(levels)) for level in value.levels], dtype=np.float64)[value.codes]


def _indicators(places: Array, count: int) -> Array:
    """A column (n,) of 0 and 1 for each of `count` places."""
    return np.eye(count + 1, count)[places.astype(np.intp)]


def counted(fit: Fit, block: Block) -> BoolArray:
    """Return which rows (n,) count: of positive weight, and not predicted perfectly by separation."""
    used = block.total > 0
    signs = moved_by(fit.estimate.directions, block.X, fit.spec.design)
    return used if signs is None else used & ~(signs != 0).any(axis=1)


def standardised(fit: Fit, frame: ModelFrame, variables: Sequence[str]) -> Standardised:
    """Return the predictor and some variables, standardised by weighted moments of the rows that count.

    Parameters
    ----------
    variables : names of columns, or expressions in columns; none stands for all columns that the terms read.

    Raises
    ------
    ArgumentError : no variable, one that is not a text, the response.
    ColumnError : a name that the data do not have.
    DataError : values that are missing, infinite or all the same in the rows of the fit.
    ComparisonError : no row that counts.
    """
    reader = _read(fit, frame, variables)
    lesson = frame.reduce(lambda block: _lesson(fit, reader, block))
    raise_first(lesson.offences)
    if not lesson.predictor.weight:
        raise ComparisonError(
            f"{VERB} is not defined: separation predicts every row perfectly. Use a model with residuals."
        )
    roles, found = [], []
    for role in reader.roles:
        learned = _learned(role, lesson)
        if learned is not None:
            roles.append(role)
            found.append(learned)
        elif variables:
            raise DataError(f"'{role.text}' is constant in the rows of the fit. Leave it out.")
    if not found:
        raise ArgumentError(f'{VERB} needs variables: the terms read none that varies. Write {VERB}("x").')
    sizes = [len(centre) for _, centre, _ in found]
    return Standardised(
        fit,
        frame,
        tuple(role.text for role in roles),
        np.repeat(np.arange(len(roles)), sizes),
        np.repeat([not levels for levels, _, _ in found], sizes),
        replace(reader, roles=tuple(roles)),
        lesson.predictor,
        tuple(levels for levels, _, _ in found),
        np.concatenate([centre for _, centre, _ in found]),
        np.concatenate([scale for _, _, scale in found]),
    )


def _learned(role: Expression, lesson: _Lesson) -> tuple[tuple[Level, ...], Array, Array] | None:
    """Levels, centres and scales of the columns of a variable; None where it is constant."""
    if role.text in lesson.numbers:
        spread = lesson.numbers[role.text]
        scale = spread.deviation
        return ((), np.array([spread.mean]), np.array([scale])) if scale else None
    weights = {level: weight for level, weight in lesson.levels[role.text].items() if weight > 0}
    if len(weights) < 2:
        return None
    levels = tuple(sorted(weights, key=level_label))
    share = np.array([weights[level] for level in levels]) / sum(weights.values())
    return levels, share, np.sqrt(share * (1.0 - share))


def _lesson(fit: Fit, reader: _Reader, block: Block) -> _Lesson:
    rows, weights = reader.rows(block), np.where(counted(fit, block), block.total, 0.0)
    eta = finite_predictor(fit.estimate, block.X, block.offset, fit.spec.design)[:, 0]
    numbers: dict[str, Spread] = {}
    levels: dict[str, dict[Level, float]] = {}
    offences: Offences = {}
    for role in reader.roles:
        value = reader.value(role, rows)
        codes = value.codes if isinstance(value, Categorical) else value
        lost = codes < 0 if isinstance(value, Categorical) else ~np.isfinite(codes)
        shown = np.where(lost, np.nan, codes) if isinstance(value, Categorical) else codes
        rule = f"{VERB} needs finite values"
        offences = merge(offences, offence(lost, shown, rows, rule, f"'{role.text}'", REMEDY))
        if isinstance(value, Categorical):
            sums = np.bincount(value.codes[~lost], weights[~lost], len(value.levels))
            levels[role.text] = dict(zip(value.levels, sums.tolist(), strict=True))
        else:
            numbers[role.text] = Spread.of(np.where(lost, 0.0, codes), weights)
    return _Lesson(Spread.of(eta, weights), numbers, levels, offences)


def _read(fit: Fit, frame: ModelFrame, variables: Sequence[str]) -> _Reader:
    refuse_changed(frame)
    context = fit.spec.call["context"] or {}
    roles = _roles(fit, frame, variables)
    source, rest = split_context(frame.joined, roles, context)
    for role in roles:
        columns_needed(role, source.names, rest)
    calls = learn_calls(roles, source, frame.selection.asked, rest, frequency=frame.roles.freq_weights)
    new = [name for name in source.names if name not in frame.joined]
    columns = {name: frame.joined.align_column(context[name], name) for name in new}
    return _Reader(frame, source, rest, calls, tuple(roles), columns)


def _roles(fit: Fit, frame: ModelFrame, variables: Sequence[str]) -> list[Expression]:
    """The expressions, by text; the columns of the terms where none is named."""
    call, formula = fit.spec.call, fit.spec.design.formula
    if not variables:
        names = {name for part in formula.parts.values() for name in part.names}
        return [column(name) for name in sorted(names) if name in frame.joined]
    known = functions(call["context"])
    roles: dict[str, Expression] = {}
    for text in variables:
        if not isinstance(text, str):
            raise ArgumentError(
                f'{VERB} takes names or expressions of columns: got {type(text).__name__}. Write "age".'
            )
        role = (
            column(text)
            if text in frame.joined
            else parse_expression(text, allow_python=bool(call["allow_python"]), functions=known)
        )
        if formula.response is not None and set(role.names) & set(formula.response.names):
            raise ArgumentError(f"{VERB} cannot test '{text}': it is the response. Name other columns.")
        roles[role.text] = role
    return [roles[text] for text in sorted(roles)]
