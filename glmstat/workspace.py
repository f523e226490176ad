"""Kernels: a block of rows in, sums out. Solvers see nothing else of the data.

Columns are centred and scaled run by run in a buffer; the coefficients `gamma` that solvers handle belong
to those columns, `Workspace.transform` maps them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from glmstat.accumulate import Accumulator, Look, without_empty
from glmstat.array import silence
from glmstat.compute import Counts, Extremes, Facts, Sums, Totals, Triangle
from glmstat.data.reduce import Addable
from glmstat.extremes import certificate, room, row_extremes, terms_of
from glmstat.information import Scaling
from glmstat.likelihood.base import GLM, Rows
from glmstat.matrix import Array, Block, DesignMatrix, IntArray, run_length
from glmstat.parts import hold_memory
from glmstat.pieces import Split, of_array, times
from glmstat.triangular import triangle
from glmstat.whole import CELLS, Whole

if TYPE_CHECKING:
    from glmstat.device import Device, Placed

__all__ = ["FactsAsked", "Need", "Rowwise", "Run", "Workspace", "moved", "summed"]

Need = Literal["none", "expected", "observed", "both"]
S = TypeVar("S", bound=Addable)
_SCORE_RUN = 8192
_SMALLEST = 1e-290  # expected information by which a squared gradient can be divided
_STILL = 1e-6  # step, relative to eta, above which rounding of the terms of eta is not asked for


class Rowwise(Protocol):
    """What kernels need of a model frame: sums over its blocks, and whether these are kept."""

    @property
    def small(self) -> bool:
        """Whether the blocks are kept, so that their columns may be kept centred and scaled too."""
        ...

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        """Return the sum of `kernel(block)` over all blocks."""
        ...


class FactsAsked(NamedTuple):
    """That the facts are wanted.

    null : the null model's intercept; None where its objective is not wanted.
    deviance : whether the deviance is.
    """

    null: float | None
    deviance: bool = True


class Run(NamedTuple):
    """A cache-sized run of rows: columns (q, m) centred and scaled, linear predictor (m, 1), weights."""

    rows: slice
    columns: Array
    eta: Array
    y: Array
    weights: Array


@dataclass(frozen=True, eq=False)
class Workspace:
    """A model frame seen through centred and scaled columns.

    Parameters
    ----------
    columns : the columns in use (q,) of the predictor's design.
    centre, scale : of each column in use (q,); z = (x - centre) * scale.
    intercept : place of the constant column among those in use, or None.
    directions : recession directions (p,) of all columns as given: rows they move are left out.
    penalty : S (p, p) of all columns as given: beta'S beta / 2 is taken off the objective, for dispersion 1.
    device : where the sums of a large frame are made; None makes them here.
    """

    frame: Rowwise
    likelihood: GLM
    columns: IntArray
    width: int
    centre: Array
    scale: Array
    intercept: int | None
    directions: tuple[Array, ...] = ()
    penalty: Array | None = None
    device: Device | None = None
    _kept: dict[int, Array] = field(default_factory=dict, init=False, repr=False)
    _splits: dict[int, Split] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def size(self) -> int:
        """Number of coefficients."""
        return len(self.columns)

    @property
    def concave(self) -> bool:
        """Whether the objective is, in the coefficients."""
        return self.likelihood.canonical or self.likelihood.concave

    @property
    def dispersion(self) -> float | None:
        """The dispersion of the objective where it is known."""
        return self.likelihood.family.dispersion

    @property
    def flat(self) -> IntArray | None:
        """Places, among the columns in use, of those that nothing but the rows determines; None is all."""
        return None if self.penalty is None else np.zeros(0, dtype=np.intp)

    @cached_property
    def transform(self) -> Array:
        """T (q, q): coefficients of the columns as given = T gamma."""
        return self.scaling.dense()

    @property
    def scaling(self) -> Scaling:
        """The transform by its parts."""
        return Scaling(self.scale, self.intercept, self.centre * self.scale)

    def to_beta(self, gamma: Array) -> Array:
        """Coefficients of the columns as given for those of the centred and scaled columns."""
        return self.scaling.times(gamma)

    def to_gamma(self, beta: Array) -> Array:
        """Coefficients of the centred and scaled columns for those of the columns as given."""
        gamma = beta / self.scale
        if self.intercept is not None:
            gamma[self.intercept] += self.centre @ beta
        return gamma

    def note(self, gamma: Array, decrement: float) -> None:
        """Tell who watches the fit where the solver stands; columns not in use have coefficient 0."""
        passes = getattr(self.frame, "passes", None)
        if passes is not None:
            coef = np.zeros(self.width)
            coef[self.columns] = self.to_beta(gamma)
            passes.note(coef, decrement)

    def uncentred(self) -> Workspace:
        """The same columns scaled only."""
        return replace(self, centre=np.zeros(self.size))

    def kept(self, places: IntArray) -> Workspace:
        """The workspace of some of the columns in use."""
        intercept = None
        if self.intercept is not None and self.intercept in places:
            intercept = int(np.flatnonzero(places == self.intercept)[0])
        centre = self.centre[places] if intercept is not None else np.zeros(len(places))
        return replace(
            self,
            columns=self.columns[places],
            centre=centre,
            scale=self.scale[places],
            intercept=intercept,
        )

    def matrix(self, block: Block) -> DesignMatrix:
        """The columns in use of a block."""
        return block.X[0] if self.size == self.width else block.X[0].take(None, self.columns)

    def columns_of(self, block: Block, step: int | None = None) -> Iterator[tuple[slice, Array]]:
        """Yield runs of rows and their columns, centred and scaled (q, m); they are only to be read."""
        total, step = len(block.y), step or run_length(self.size)
        if self.frame.small:
            columns = self._columns(block)
            for start in range(0, total, step):
                rows = slice(start, min(start + step, total))
                yield rows, columns if step >= total else columns[:, rows]
            return
        matrix, buffer = self.matrix(block), np.empty((self.size, min(step, total)))
        for start in range(0, total, step):
            rows = slice(start, min(start + step, total))
            yield rows, self._fill(matrix, buffer, rows)

    def _columns(self, block: Block) -> Array:
        kept = self._kept.get(block.number)
        if kept is None:
            rows = slice(0, len(block.y))
            kept = self._fill(self.matrix(block), np.empty((self.size, rows.stop)), rows)
            self._kept[block.number] = kept
        return kept

    def _fill(self, matrix: DesignMatrix, buffer: Array, rows: slice) -> Array:
        run = buffer[:, : rows.stop - rows.start]
        matrix.fill(run, rows.start, rows.stop)
        for place in self._centred:
            run[place] -= self.centre[place]
        for place in self._scaled:
            run[place] *= self.scale[place]
        return run

    @cached_property
    def _centred(self) -> IntArray:
        return np.flatnonzero(self.centre)

    @cached_property
    def _scaled(self) -> IntArray:
        return np.flatnonzero(self.scale != 1.0)

    def runs(self, block: Block, gamma: Array, step: int | None = None) -> Iterator[Run]:
        """Yield the runs of a block with their linear predictor."""
        total = block.total
        for rows, columns in self.columns_of(block, step):
            eta = (gamma @ columns + block.offset[rows, 0])[:, None]
            yield Run(rows, columns, eta, block.y[rows], self._weights(total, block, rows))

    def _weights(self, total: Array, block: Block, rows: slice) -> Array:
        weights = total[rows]
        if not self.directions:
            return weights
        for direction in self.directions:
            weights = np.where(moved(direction, block.X[0], rows) != 0, 0.0, weights)
        return weights

    @cached_property
    def _penalty(self) -> Array | None:
        """The penalty of the centred and scaled columns (q, q)."""
        if self.penalty is None:
            return None
        return self.transform.T @ self.penalty[np.ix_(self.columns, self.columns)] @ self.transform

    def _penalty_rows(self, gamma: Array | None = None) -> Array:
        """Rows R with R'R the penalty, beside them the residual -R gamma where gamma is given; else none."""
        columns = self.size + (gamma is not None)
        if self._penalty is None:
            return np.zeros((0, columns))
        values, vectors = np.linalg.eigh(self._penalty)
        rows = (vectors * np.sqrt(np.maximum(values, 0.0))).T
        return rows if gamma is None else np.column_stack([rows, -rows @ gamma])

    def split(self, block: Block) -> Split:
        """The columns in use of a block, centred and scaled: in place, or as codes of levels."""
        if self.frame.small:
            split = self._splits.get(block.number)
            if split is None:
                split = self._splits[block.number] = of_array(self._columns(block))
            return split
        hold_memory()
        return self.matrix(block).split(self.centre, self.scale)

    def _looks(self, split: Split, block: Block, gamma: Array, step: int) -> Iterator[Look]:
        """Yield the runs of a block with their linear predictor, no column copied without need."""
        total, written = block.total, gamma[split.places]
        base, by_codes = block.offset[:, 0], split.by_codes(gamma)
        if by_codes is not None:
            base = by_codes + base
        for rows, pieces in split.runs(len(block.y), step):
            eta = times(written, pieces) if pieces else np.zeros(rows.stop - rows.start)
            eta += base[rows]
            yield Look(rows, pieces, eta[:, None], block.y[rows], self._weights(total, block, rows))

    def _away(self, block: Block, *, exact: bool = False) -> Placed | None:
        """The rows of a block on the device; None where the sums are made here."""
        device = self.device
        if device is None or block.frame is None or not device.serves(self.likelihood):
            return None
        from glmstat.device import place

        weights = self._weights(block.total, block, slice(0, len(block.y)))
        return place(device, self.split(block), block, weights, exact=exact)

    def pass_(self, gamma: Array, need: Need) -> Sums:
        """One pass: objective and score, and the information asked for, less the penalty."""
        sums = None if self._whole is None else self._whole.sums(self.likelihood, gamma, need)
        if sums is None:
            sums = summed(self.frame.reduce(lambda block: self._totals(block, gamma, need)), need)
        return sums if self._penalty is None else sums.penalised(self._penalty, gamma)

    @cached_property
    def _whole(self) -> Whole | None:
        """The rows where they are few, kept in one piece, and all count."""
        kept = getattr(self.frame, "kept", None)
        if kept is None or len(kept) != 1 or self.directions or not self.size:
            return None
        block: Block = kept[0]
        few = len(block.y) * (self.width + 1) <= CELLS
        return Whole(self._columns(block), block) if few and block.total.all() else None

    def totals(self, gamma: Array, need: Need, facts: FactsAsked | None = None) -> Totals:
        """One pass, its sums as blocks have them and without the penalty, with the facts if asked."""
        return self.frame.reduce(lambda block: self._totals(block, gamma, need, facts))

    def _totals(self, block: Block, gamma: Array, need: Need, facts: FactsAsked | None = None) -> Totals:
        away = self._away(block)
        if away is not None:
            totals = away.totals(self.likelihood, gamma, need)
            return (
                totals
                if facts is None
                else _with_facts(totals, away.facts(self.likelihood, gamma, facts.null))
            )
        split = self.split(block)
        grams = 0 if need == "none" else 1 + (need == "both" and not self.likelihood.canonical)
        step = _SCORE_RUN if need == "none" else run_length(split.plain)
        sums = Accumulator(split, len(block.y), step, grams)
        same, found = not self.directions and block.unweighted, np.zeros(3)
        full = same or (not self.directions and bool(block.total.all()))
        with silence():
            for look in self._looks(split, block, gamma, step):
                weights = None if same else look.weights
                rows = self.likelihood.rows(look.y, look.eta, weights, information=need)
                rows = rows if full else without_empty(rows, look.weights)
                weights = (rows.expected, rows.observed)[: 2 if grams == 2 else 1]
                if grams == 1 and need == "observed":
                    weights = (rows.observed,)
                sums.objective += float(rows.objective.sum())
                sums.magnitude += float(np.abs(rows.objective).sum())
                wanted = [weight[:, 0, 0] for weight in weights[:grams]]
                squares = sums.add(look, rows.gradient[:, 0], *wanted)
                if facts is not None:
                    squares = squares if grams and weights[0] is rows.expected else None
                    found += self._facts_of(look, block, rows, facts, squares)
        totals = sums.totals()
        return totals if facts is None else replace(totals, facts=Facts(*found.tolist()))

    def _facts_of(
        self, look: Look, block: Block, rows: Rows, asked: FactsAsked, squares: float | None
    ) -> Array:
        """Deviance and Pearson chi-squared of a run, and the objective of the null model.

        `squares` is the second where the products have told it.
        """
        null, deviance, pearson = 0.0, 0.0, squares
        if asked.deviance:
            deviance = _sum(self.likelihood.deviance(look.y, look.eta, look.weights), look.weights)
        expected = rows.expected
        if pearson is None and expected is not None and expected.min(initial=np.inf) > _SMALLEST:
            pearson = float(np.square(rows.gradient[:, 0]) @ (1.0 / expected[:, 0, 0]))
        if pearson is None:
            pearson = _sum(self.likelihood.pearson(look.y, look.eta, look.weights), look.weights)
        if asked.null is not None:
            weights = block.total[look.rows]
            eta = block.offset[look.rows] + asked.null
            there = self.likelihood.rows(look.y, eta, weights, information="none")
            null = _sum(there.objective, weights)
        return np.array([deviance, pearson, null])

    def start_pass(self) -> Sums:
        """Weighted least squares of the working response at the family's starting means, as sums.

        `score` is Z'Wz and `expected` Z'WZ, with the offset taken off z; rows whose start is not finite
        are left out.
        """
        totals = self.frame.reduce(self._start)
        (expected,) = totals.matrices()
        return Sums(0.0, 0.0, totals.score, expected if self._penalty is None else expected + self._penalty)

    def _start(self, block: Block) -> Totals:
        away = self._away(block, exact=True)
        if away is not None:
            return away.start(self.likelihood, self.likelihood.start(block.y, block.total))
        split = self.split(block)
        step = run_length(split.plain)
        sums = Accumulator(split, len(block.y), step, 1)
        total, with_start = block.total, self.likelihood.start(block.y, block.total)
        with np.errstate(all="ignore"):
            for rows, pieces in split.runs(len(block.y), step):
                y, offset, eta = block.y[rows], block.offset[rows, 0], with_start[rows]
                weights = self._weights(total, block, rows)
                values = self.likelihood.rows(y, eta, weights, information="expected")
                weight = values.expected[:, 0, 0] if values.expected is not None else np.ones(len(y))
                moment = weight * (eta[:, 0] - offset) + values.gradient[:, 0]
                usable = np.isfinite(moment) & np.isfinite(weight) & (weights > 0)
                if not usable.all():
                    weight, moment = np.where(usable, weight, 0.0), np.where(usable, moment, 0.0)
                sums.add(Look(rows, pieces, eta, y, weights), moment, weight)
        return sums.totals()

    def extremes(self, gamma: Array, delta: Array, need: Need) -> Extremes:
        """Largest and least values over rows of the step delta from gamma."""
        if self._whole is not None:
            return self._whole.extremes(self.likelihood, gamma, delta, need)
        return self.frame.reduce(lambda block: self._extremes(block, gamma, delta, need))

    def _extremes(self, block: Block, gamma: Array, delta: Array, need: Need) -> Extremes:
        found, signs = Extremes(), None if need == "none" else self._signs(block)
        split = self.split(block)
        written, by_codes = delta[split.places], split.by_codes(delta)
        with np.errstate(all="ignore"):
            for look in self._looks(split, block, gamma, _SCORE_RUN):
                move = times(written, look.pieces) if look.pieces else np.zeros(len(look.y))
                if by_codes is not None:
                    move += by_codes[look.rows]
                at = row_extremes(look, move, block)
                if need == "none" and (self.frame.small or at.step <= _STILL * (1.0 + at.eta)):
                    at = at._replace(terms=terms_of(split, look, gamma, block))
                edges = self.likelihood.slack(look.eta)
                if edges is not None:
                    at = at._replace(**room(edges, move, look.weights))
                if signs is not None:
                    values = self.likelihood.rows(look.y, look.eta, look.weights, information=need)
                    at = at._replace(**certificate(values, signs[look.rows], move, look.weights))
                found = found + at
        return found

    def _signs(self, block: Block) -> Array | None:
        cone = self.likelihood.cone(block.y, block.total)
        return None if cone is None else cone.bound[:, 0, 0]

    def triangle(self, gamma: Array, need: Need) -> Array:
        """R (q + 1, q + 1) of the rows sqrt(W) z with the working residual as last column."""
        factor = self.frame.reduce(lambda block: self._triangle(block, gamma, need)).factor
        return (
            triangle(np.vstack([factor, self._penalty_rows(gamma)])) if self.penalty is not None else factor
        )

    def _triangle(self, block: Block, gamma: Array, need: Need) -> Triangle:
        factor = np.zeros((0, self.size + 1))
        with np.errstate(all="ignore"):
            for run in self.runs(block, gamma):
                values = without_empty(
                    self.likelihood.rows(run.y, run.eta, run.weights, information=need), run.weights
                )
                weight = _positive_weight(values)
                root = np.sqrt(weight)
                stack = np.empty((len(root), self.size + 1))
                stack[:, :-1] = (run.columns * root).T
                stack[:, -1] = np.where(root > 0, values.gradient[:, 0] / root, 0.0)
                factor = triangle(np.vstack([factor, stack]))
        return Triangle(factor)

    def design_triangle(self, *, free_only: bool = False) -> Array:
        """R (q, q) of the rows with weight, scaled columns times sqrt(weight); or of the free rows."""
        factor = self.frame.reduce(lambda block: self._design_triangle(block, free_only)).factor
        return triangle(np.vstack([factor, self._penalty_rows()])) if self.penalty is not None else factor

    def _design_triangle(self, block: Block, free_only: bool) -> Triangle:
        factor, total = np.zeros((0, self.size)), block.total
        cone = self.likelihood.cone(block.y, total) if free_only else None
        for rows, columns in self.columns_of(block):
            weights = self._weights(total, block, rows)
            root = np.sqrt(weights)
            if cone is not None:
                root = (cone.free[rows] & (weights > 0)).astype(np.float64)
            factor = triangle(np.vstack([factor, (columns * root).T]))
        return Triangle(factor)

    def counts(self) -> Counts:
        """Totals of response and weights."""
        return self.frame.reduce(self._counts)

    def _counts(self, block: Block) -> Counts:
        weights, y = block.total, block.y
        if len(y) and block.unweighted:
            return Counts(len(y), float(len(y)), float(y.sum()), float(y.min()), float(y.max()))
        used = weights > 0
        rows = np.count_nonzero(used) if block.frequency is None else float(block.frequency[used].sum())
        if not len(y) or not rows:
            return Counts()
        seen = y if used.all() else y[used]
        return Counts(
            int(rows),
            float(weights.sum()),
            float(weights @ (y if used.all() else np.where(used, y, 0.0))),
            float(seen.min()),
            float(seen.max()),
        )

    def facts(self, gamma: Array, null: float | None) -> Facts:
        """Deviance and Pearson chi-squared at gamma, and the deviance of eta = null + offset."""
        return self.frame.reduce(lambda block: self._facts(block, gamma, null))

    def _facts(self, block: Block, gamma: Array, null: float | None) -> Facts:
        away = self._away(block, exact=True)
        if away is not None:
            return away.facts(self.likelihood, gamma, null)
        deviance = pearson = null_deviance = 0.0
        total, all_used = block.total, block.unweighted and not self.directions
        with silence():
            for run in self._looks(self.split(block), block, gamma, _SCORE_RUN):
                counted = None if all_used else run.weights
                deviance += _sum(self.likelihood.deviance(run.y, run.eta, run.weights), counted)
                pearson += _sum(self.likelihood.pearson(run.y, run.eta, run.weights), counted)
                if null is not None:
                    weights = total[run.rows]
                    eta = block.offset[run.rows] + null
                    counted = None if all_used else weights
                    null_deviance += _sum(self.likelihood.deviance(run.y, eta, weights), counted)
        return Facts(deviance, pearson, null_deviance)


def _with_facts(totals: Totals, facts: Facts) -> Totals:
    """The totals with their facts, the null model's deviance told as its objective."""
    null = totals.objective + 0.5 * (facts.deviance - facts.null)
    return replace(totals, facts=facts._replace(null=null))


def summed(totals: Totals, need: Need) -> Sums:
    """Return the sums of a pass with the factors coded."""
    grams = totals.matrices()
    expected = grams[0] if need in ("expected", "both") else None
    observed = grams[-1] if need in ("observed", "both") else None
    return Sums(totals.objective, totals.magnitude, totals.score, expected, observed)


def moved(direction: Array, matrix: DesignMatrix, rows: slice) -> Array:
    """Return the sign of x'd for a run of rows (m,), 0 where it is rounding."""
    support = np.flatnonzero(direction)
    columns = np.empty((len(support), rows.stop - rows.start))
    matrix.take(None, support).fill(columns, rows.start, rows.stop)
    change, size = direction[support] @ columns, np.abs(direction[support]) @ np.abs(columns)
    return np.where(np.abs(change) > 1e-9 * size, np.sign(change), 0.0)


def _sum(values: Array, weights: Array | None) -> float:
    """The sum over the rows that count; all do where there are no weights."""
    if weights is None or weights.all():
        return float(values.sum())
    return float(values[weights > 0].sum())


def _positive_weight(values: Rows) -> Array:
    """Weights of a QR step: the observed information, nowhere less than a twentieth of the expected.

    A row without weight would lose its score; any positive weights give an ascent.
    """
    expected, observed = values.expected, values.observed
    if expected is None or observed is None or expected is observed:
        weight = observed if expected is None else expected
        assert weight is not None
        return np.maximum(weight[:, 0, 0], 0.0)
    return np.maximum(observed[:, 0, 0], 0.05 * expected[:, 0, 0])
