"""What estimators add to the score of the rows: adjustments that reduce bias, and slopes of priors.

Written once more from the formulas, of the columns as they are given, and not taken from the solvers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from glmstat.array import silence
from glmstat.inference.verify.reading import Reading, Rowwise
from glmstat.matrix import Array, Block, IntArray
from glmstat.solve.prior.density import LogPrior
from glmstat.triangular import triangle, triangular_inverse

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Adjustment", "Pull", "beyond_of", "held_off"]

_SAME = 1e-6


@dataclass(frozen=True, eq=False)
class Adjustment:
    """What is added to the score so that its root has less bias.

    Parameters
    ----------
    method : "firth", "median_br", "jeffreys".
    phi : dispersion that the score is adjusted for.

    Source: Firth (1993), Biometrika 80, 27-38; Kenne Pagui, Salvan & Sartori (2017), Biometrika 104, 923-938;
    Kosmidis, Kenne Pagui & Sartori (2020), Statistics and Computing 30, 43-59.
    """

    method: str
    phi: float

    @property
    def words(self) -> str:
        """What the score is called."""
        return "adjusted score"

    def __call__(self, rows: Rowwise, beta: Array, reading: Reading) -> Reading:
        """Return the sums with the adjusted score; there is no objective."""
        with silence():
            inverse = triangular_inverse(reading.root)
        if inverse is None or not np.isfinite(inverse).all():
            return replace(reading, score=np.full(len(beta), np.nan), penalty=np.nan)
        added, moved = rows.reduce(lambda block: _Pair(*self._block(rows, block, beta, inverse))).both
        added = self.phi * (added + reading.root.T @ (reading.root @ moved))
        score = reading.score + added
        factor = reading.factor.copy()
        factor[:-1, -1] = inverse.T @ score
        return replace(reading, score=score, size=reading.size + np.abs(added), factor=factor, penalty=np.nan)

    def _block(self, rows: Rowwise, block: Block, beta: Array, inverse: Array) -> tuple[Array, Array]:
        family, link = rows.likelihood.family, rows.likelihood.family.link
        added, moved = np.zeros(len(beta)), np.zeros(len(beta))
        columns = inverse @ inverse.T
        with silence():
            for part, whole in block.X[0].runs():
                run = whole[rows.slots] * rows.scale[:, None]
                weights = rows.weights(block, part, run)
                eta = rows.eta(block, part, whole, beta)
                mean, slope, bend = link.mean(eta), link.derivative(eta), link.second_derivative(eta)
                information = np.where(weights > 0, weights * np.square(slope) / family.variance(mean), 0.0)
                hat = information * np.square(inverse.T @ run).sum(axis=0)
                curve = bend / slope
                growth = family.variance_derivative(mean) * slope / family.variance(mean)
                factor = 2.0 * curve - growth if self.method == "jeffreys" else curve
                added += run @ np.where(hat > 0, 0.5 * hat * factor, 0.0)
                if self.method == "median_br":
                    along = columns @ run
                    third = np.where(information > 0, information * (growth / 6.0 - curve / 2.0), 0.0)
                    moved += along**3 @ third / np.diag(columns)
        return added, moved


@dataclass(frozen=True)
class _Pair:
    """Two vectors that add up by block."""

    one: Array
    other: Array

    def __add__(self, other: _Pair) -> _Pair:
        return _Pair(self.one + other.one, self.other + other.other)

    @property
    def both(self) -> tuple[Array, Array]:
        return self.one, self.other


@dataclass(frozen=True, eq=False)
class Pull:
    """The slope of a prior's log density.

    Parameters
    ----------
    prior : of the coefficients of the columns, unscaled.
    phi : dispersion: sums are for dispersion 1.
    """

    prior: LogPrior
    phi: float

    @property
    def words(self) -> str:
        """What the score is called."""
        return "score of the posterior"

    def map(self, rows: Rowwise) -> Array:
        """Return what the scaled columns are in the values that have priors (r, k)."""
        return self.prior.rows[:, rows.slots] * rows.scale

    def values(self, rows: Rowwise, beta: Array) -> Array:
        """Return the values that have priors, coefficients that are held among them."""
        rest = 0.0 if rows.rest is None else self.prior.rows @ rows.rest
        return self.prior.at + rest + self.map(rows) @ beta

    def __call__(self, rows: Rowwise, beta: Array, reading: Reading) -> Reading:
        """Return the sums with the score of the posterior, and its curvature from below."""
        values, map_ = self.values(rows, beta), self.map(rows)
        slope, weight = self.prior.slope(values), np.sqrt(self.phi * self.prior.majorant(values))
        pull = self.phi * (map_.T @ slope)
        own = np.column_stack([weight[:, None] * map_, np.zeros(len(values))])
        smooth = weight > 0
        own[smooth, -1] = self.phi * slope[smooth] / weight[smooth]
        return replace(
            reading,
            score=reading.score + pull,
            size=reading.size + self.phi * (np.abs(map_).T @ np.abs(slope)),
            factor=triangle(np.vstack([reading.factor, own])),
            penalty=-2.0 * self.phi * self.prior.total(values),
        )

    def effective(self, rows: Rowwise, beta: Array) -> float:
        """Return how many coefficients the rows decide: k less the share that the prior does, if any."""
        root, map_ = self.root(rows, beta), self.map(rows)
        inverse = None if root is None else triangular_inverse(root)
        if inverse is None or self.prior.kinked.any():
            return np.nan
        bend = self.phi * self.prior.curvature(self.values(rows, beta))
        return min(len(beta) - float((bend * np.square(map_ @ inverse).sum(axis=1)).sum()), float(len(beta)))

    def root(self, rows: Rowwise, beta: Array) -> Array | None:
        """Return R (k, k) with R'R the curvature of the posterior; None where it bends upwards."""
        map_ = self.map(rows)
        bend = self.phi * self.prior.curvature(self.values(rows, beta))
        whole = rows.observed(beta) + (map_.T * bend) @ map_
        size = np.sqrt(np.maximum(np.diag(whole), np.finfo(float).tiny))
        try:
            return np.asarray(np.linalg.cholesky(whole / size / size[:, None]).T * size, dtype=np.float64)
        except np.linalg.LinAlgError:
            return None


def beyond_of(fit: Fit) -> Adjustment | Pull | None:
    """Return what the estimator of a fit adds to the score; None where that is nothing."""
    estimator = fit.spec.estimator
    if estimator is None or estimator.kind not in ("bias", "prior"):
        return None
    phi = float(fit.estimate.dispersion.value)
    if estimator.kind == "bias":
        return Adjustment(estimator.method, 1.0 if estimator.unit else phi)  # pyright: ignore[reportAttributeAccessIssue]
    return Pull(estimator.density(tuple(fit.columns)), phi)  # pyright: ignore[reportAttributeAccessIssue]


def held_off(fit: Fit, rows: Rowwise, pull: Pull, scales: Callable[[IntArray], Array]) -> tuple[str, ...]:
    """Return coefficients at the kink of a prior that the rows push off it.

    Parameters
    ----------
    scales : powers of two for slots.
    """
    slots = np.flatnonzero(~np.isnan(fit.estimate.theta))
    theta = np.nan_to_num(fit.estimate.theta)
    whole = replace(rows, slots=slots, scale=scales(slots), beyond=None, rest=None)
    score = whole.at(theta[slots] / whole.scale).score
    values, prior = pull.prior.values(theta), pull.prior
    near = _SAME * (prior.scale + np.abs(prior.location)) * 1e-3
    kinks = np.flatnonzero(prior.kinked & (np.abs(values - prior.location) <= near))
    slope = np.where(np.isin(np.arange(len(values)), kinks), 0.0, prior.slope(values))
    left = score + pull.phi * (pull.map(whole).T @ slope)
    reach = pull.phi * (pull.map(whole)[kinks] / prior.scale[kinks, None]).T
    sides = np.linalg.lstsq(reach, left, rcond=None)[0]
    wrong = kinks[np.abs(sides) > 1.0 + _SAME]
    return tuple(fit.columns[place] for place in np.flatnonzero((prior.rows[wrong] != 0).any(axis=0)))
