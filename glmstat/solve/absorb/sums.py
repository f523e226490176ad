"""Sums over rows of coefficients and absorbed effects together: arrays by level, never dummies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM, Rows
from glmstat.matrix import Array, Block, IntArray
from glmstat.solve.absorb.levels import Levels, ends

__all__ = ["DENSE_PAIR", "Bordered", "Pass", "Point", "Problem", "Totals", "changes", "incidence"]

Codes = NDArray[np.int64]
Cross = Any
"""Sums of weights by the levels of two factors (L, M): an array, or a scipy.sparse matrix."""
Pass = Literal["score", "information", "start", "last"]
DENSE_PAIR = 1 << 20  # pairs of levels up to which a table of all is added up; above, of those that occur


@dataclass(frozen=True, eq=False)
class Point:
    """Coefficients (k,) of the centred and scaled columns, and effects by factor."""

    beta: Array
    effects: tuple[Array, ...]

    def moved(self, step: Point, size: float = 1.0) -> Point:
        """Return the point `size` steps further."""
        effects = tuple(a + size * b for a, b in zip(self.effects, step.effects, strict=True))
        return Point(self.beta + size * step.beta, effects)


@dataclass(frozen=True, eq=False)
class Bordered:
    """The information of coefficients and effects, in blocks; adds up.

    Parameters
    ----------
    gram : (k, k) of the columns.
    border : (k, L) of columns and effects, by factor.
    weights : (L,) sums of weights by level: the diagonal blocks of the effects.
    crosses : of the effects of every pair of factors, (0, 1), (0, 2), …, (1, 2), …
    """

    gram: Array
    border: tuple[Array, ...]
    weights: tuple[Array, ...]
    crosses: tuple[Cross, ...]

    def __add__(self, other: Bordered) -> Bordered:
        return Bordered(
            self.gram + other.gram,
            _added(self.border, other.border),
            _added(self.weights, other.weights),
            _added(self.crosses, other.crosses),
        )

    def times(self, effects: tuple[Array, ...]) -> tuple[Array, ...]:
        """Return the effects' part (L, L) times effects by factor."""
        out = [weights * own for weights, own in zip(self.weights, effects, strict=True)]
        pairs = [(f, g) for f in range(len(out)) for g in range(f + 1, len(out))]
        for (f, g), table in zip(pairs, self.crosses, strict=True):
            out[f] = out[f] + table @ effects[g]
            out[g] = out[g] + table.T @ effects[f]
        return tuple(out)


def _added(left: Sequence[Any], right: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(a + b for a, b in zip(left, right, strict=True))


@dataclass(frozen=True)
class Totals:
    """Deviances and Pearson's chi-squared, and the least and largest multiplier of a row at its bound."""

    deviance: float = 0.0
    pearson: float = 0.0
    null: float = 0.0
    least: float = np.inf
    largest: float = 0.0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.deviance + other.deviance,
            self.pearson + other.pearson,
            self.null + other.null,
            min(self.least, other.least),
            max(self.largest, other.largest),
        )


@dataclass(frozen=True, eq=False)
class Sums:
    """One pass over the rows: objective, score, and what else was asked for."""

    objective: float
    magnitude: float
    score: Array
    levels: tuple[Array, ...]
    information: Bordered | None
    totals: Totals

    def __add__(self, other: Sums) -> Sums:
        ours, theirs = self.information, other.information
        return Sums(
            self.objective + other.objective,
            self.magnitude + other.magnitude,
            self.score + other.score,
            _added(self.levels, other.levels),
            None if ours is None or theirs is None else ours + theirs,
            self.totals + other.totals,
        )

    @property
    def finite(self) -> bool:
        """Whether the pass met only numbers."""
        numbers = (self.score, *self.levels)
        return bool(np.isfinite(self.objective) and all(np.isfinite(each).all() for each in numbers))


@dataclass(frozen=True, eq=False)
class Problem:
    """A model frame with absorbed effects, as the solver sees it.

    Parameters
    ----------
    columns : the columns in use (k,).
    centre, scale : of each; z = (x - centre) * scale.
    means : what is taken off these columns in the rows of each level (k, L), by factor; () for nothing.
    share : one row in so many is read, in runs spread over the data.
    """

    frame: ModelFrame
    likelihood: GLM
    levels: Levels
    columns: IntArray
    centre: Array
    scale: Array
    means: tuple[Array, ...] = ()
    share: int = 1

    @property
    def size(self) -> int:
        """Number of columns in use."""
        return len(self.columns)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of levels by factor, the largest first."""
        return tuple(len(factor.cells) for factor in self.levels.factors)

    @cached_property
    def constant(self) -> bool:
        """Whether the information is the same everywhere."""
        return self.likelihood.constant_information

    def kept(self, places: IntArray) -> Problem:
        """Return the problem with some of its columns."""
        means = tuple(each[places] for each in self.means)
        return replace(
            self,
            columns=self.columns[places],
            centre=self.centre[places],
            scale=self.scale[places],
            means=means,
        )

    def origin(self) -> Point:
        """Return the point of nothing but zeros."""
        return Point(np.zeros(self.size), tuple(np.zeros(size) for size in self.sizes))

    def note(self, point: Point, decrement: float) -> None:
        """Tell who watches the fit where the solver stands; columns not in use have coefficient 0."""
        if self.frame.passes is not None:
            coef = np.zeros(len(self.frame.columns))
            coef[self.columns] = point.beta * self.scale
            self.frame.passes.note(coef, decrement)

    def pass_(self, point: Point, need: Pass, null: float | None = None) -> Sums:
        """Return the sums of one pass over the rows.

        Parameters
        ----------
        need : "score"; "information", of the same rows besides; "start", least squares of the working
            response at the family's starting means, from the point 0; "last", information and all totals.
        null : predictor of the null model but for the offset, for its deviance.
        """
        return self.frame.reduce(lambda block: _sums(self, block, point, need, null))


class _Run(NamedTuple):
    """The rows of a block that a pass reads, with their weights, 0 in rows that are left out."""

    rows: slice
    y: Array
    offset: Array
    total: Array
    codes: list[Codes]


def _sums(problem: Problem, block: Block, point: Point, need: Pass, null: float | None) -> Sums:
    with np.errstate(all="ignore"):
        run = _run(problem, block)
        X = _columns(problem, block, run)
        rows, eta = _working(problem, run) if need == "start" else _rows(problem, run, X, point, need)
        gradient = rows.gradient[:, 0]
        information = None
        if need != "score":
            assert rows.expected is not None
            information = _information(problem, X, run.codes, rows.expected[:, 0, 0])
        return Sums(
            float(rows.objective.sum()),
            float(np.abs(rows.objective).sum()),
            X @ gradient,
            _by_level(problem, run.codes, gradient),
            information,
            _totals(problem, run, rows, eta, need, null),
        )


def changes(problem: Problem, block: Block, step: Point) -> tuple[_Run, Array, Array]:
    """Return rows of a block, their columns (k, n), and what a step adds to their predictors (n,)."""
    run = _run(problem, block)
    X = _columns(problem, block, run)
    total = step.beta @ X
    for at, effects in zip(run.codes, step.effects, strict=True):
        total += effects.take(at)
    return run, X, total


def incidence(problem: Problem) -> Bordered:
    """Return the information of the effects alone if every row that counts had weight 1."""
    alone = problem.kept(np.arange(0))
    return problem.frame.reduce(lambda block: _counted(alone, block))


def _counted(alone: Problem, block: Block) -> Bordered:
    run = _run(alone, block)
    once = (run.total > 0).astype(np.float64)
    return _information(alone, np.empty((0, len(once))), run.codes, once)


def _run(problem: Problem, block: Block) -> _Run:
    total, rows, codes = block.total, _rows_read(problem, block), []
    for factor in problem.levels.factors:
        at = factor.codes(block)
        if not factor.whole:
            out = at < 0
            total, at = np.where(out, 0.0, total), np.where(out, 0, at)
        codes.append(at[rows])
    return _Run(rows, block.y[rows], block.offset[rows, 0], total[rows], codes)


def _rows_read(problem: Problem, block: Block) -> slice:
    """All rows, or a run of a share of them, elsewhere in each block."""
    rows = len(block.y)
    if problem.share == 1:
        return slice(0, rows)
    length = -(-rows // problem.share)
    start = (5 * block.number % problem.share) * length
    return slice(min(start, rows), min(start + length, rows))


def _columns(problem: Problem, block: Block, run: _Run) -> Array:
    """The columns (k, n) centred, scaled, and less their means over levels."""
    matrix = block.X[0]
    if problem.size < matrix.shape[1]:
        matrix = matrix.take(None, problem.columns)
    X = np.empty((problem.size, len(run.y)))
    matrix.fill(X, run.rows.start, run.rows.stop)
    for column, centre, scale in zip(X, problem.centre, problem.scale, strict=True):
        if centre:
            column -= centre
        if scale != 1.0:
            column *= scale
    for at, means in zip(run.codes, problem.means, strict=False):
        for column, mean in zip(X, means, strict=True):
            column -= mean.take(at)
    return X


def _rows(problem: Problem, run: _Run, X: Array, point: Point, need: Pass) -> tuple[Rows, Array]:
    eta = run.offset + point.beta @ X if problem.size else run.offset.copy()
    for at, effects in zip(run.codes, point.effects, strict=True):
        eta += effects.take(at)
    information = "none" if need == "score" else "expected"
    rows = problem.likelihood.rows(run.y, eta[:, None], run.total, information=information)
    return _without_empty(rows, run.total), eta[:, None]


def _working(problem: Problem, run: _Run) -> tuple[Rows, Array]:
    """The working response at the starting means in the place of the gradient, less the offset."""
    likelihood, total = problem.likelihood, run.total
    eta = likelihood.start(run.y, total)
    rows = likelihood.rows(run.y, eta, total, information="expected")
    assert rows.expected is not None
    weight = rows.expected[:, 0, 0]
    moment = weight * (eta[:, 0] - run.offset) + rows.gradient[:, 0]
    usable = np.isfinite(moment) & np.isfinite(weight) & (total > 0)
    if not usable.all():
        weight, moment = np.where(usable, weight, 0.0), np.where(usable, moment, 0.0)
    nothing = np.zeros(len(weight))
    return Rows(nothing, moment[:, None], weight[:, None, None], None), eta


def _without_empty(rows: Rows, total: Array) -> Rows:
    """Rows of weight 0 count nothing, whatever their predictor."""
    if total.all():
        return rows
    empty = total == 0
    for values in (rows.objective, rows.gradient, rows.expected):
        if values is not None:
            values[empty] = 0.0
    return rows


def _information(problem: Problem, X: Array, codes: list[Codes], weight: Array) -> Bordered:
    weighted = X * weight
    border = []
    for at, size in zip(codes, problem.sizes, strict=True):
        own = np.empty((problem.size, size))
        for row, column in zip(own, weighted, strict=True):
            row[:] = np.bincount(at, column, size)
        border.append(own)
    crosses = [
        _cross(codes[f], codes[g], weight, problem.sizes[f], problem.sizes[g])
        for f in range(len(codes))
        for g in range(f + 1, len(codes))
    ]
    return Bordered(weighted @ X.T, tuple(border), _by_level(problem, codes, weight), tuple(crosses))


def _by_level(problem: Problem, codes: list[Codes], values: Array) -> tuple[Array, ...]:
    sums = (np.bincount(at, values, size) for at, size in zip(codes, problem.sizes, strict=True))
    return tuple(np.asarray(each, dtype=np.float64) for each in sums)


def _cross(left: Codes, right: Codes, weight: Array, rows: int, columns: int) -> Cross:
    if rows * columns <= DENSE_PAIR:
        return np.bincount(left * columns + right, weight, rows * columns).reshape(rows, columns)
    from scipy import sparse

    return sparse.csr_array((weight, (left, right)), shape=(rows, columns))


def _totals(problem: Problem, run: _Run, rows: Rows, eta: Array, need: Pass, null: float | None) -> Totals:
    """Totals of the last pass; of others the deviance where the dispersion is estimated from it."""
    likelihood, last = problem.likelihood, need == "last"
    if need == "start" or not (last or likelihood.family.dispersion is None):
        return Totals()
    used = run.total > 0
    deviance = _sum(likelihood.deviance(run.y, eta, run.total), used)
    if not last:
        return Totals(deviance)
    pearson, alone = _sum(likelihood.pearson(run.y, eta, run.total), used), 0.0
    if null is not None:
        at = likelihood.rows(run.y, (run.offset + null)[:, None], run.total, information="none").objective
        alone = deviance + 2.0 * (float(rows.objective.sum()) - _sum(at, used))
    bound = np.zeros(len(used), dtype=bool)
    for end, sign in ends(likelihood).items():
        if sign:
            bound |= run.y == end
    found = np.abs(rows.gradient[bound & used, 0])
    return Totals(deviance, pearson, alone, float(found.min(initial=np.inf)), float(found.max(initial=0.0)))


def _sum(values: Array, used: NDArray[np.bool_]) -> float:
    return float(values.sum() if used.all() else values[used].sum())
