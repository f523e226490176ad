"""Dense solves of the size of the coefficients: equilibrated Cholesky, with its condition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glmstat.array import remembered
from glmstat.eliminated import Eliminated, eliminate, exclusive, reciprocal_of_swept
from glmstat.matrix import Array
from glmstat.triangular import cholesky, cholesky_solve, reciprocal_condition, triangle, triangular_inverse

__all__ = ["Factored", "factor", "positive_direction"]

_MANY = 64  # coefficients from which some are the levels of a large factor
_CLEAR = 1e-4  # reciprocal condition from which nobody asks how much of it is the intercept's
_ROWS = 128  # whose absolute values are summed at a time


@dataclass(frozen=True, eq=False)
class Factored:
    """`root` with root'root = J, and the reciprocal condition of the equilibrated J.

    The root is upper triangular, or has the largest factor's levels eliminated first.
    """

    root: Array | Eliminated
    rcond: float

    def solve(self, score: Array) -> Array:
        """Return J⁻¹ score."""
        if isinstance(self.root, Eliminated):
            return self.root.solve(score)
        if not len(score):
            return score.copy()
        return cholesky_solve(self.root, score)

    @property
    def pivots(self) -> Array:
        """What each column keeps of its square (q,) when those eliminated before are taken out of it."""
        return self.root.pivots if isinstance(self.root, Eliminated) else np.square(self.root.diagonal())

    @property
    def triangle(self) -> Array:
        """The root as an upper triangular matrix (q, q)."""
        if not isinstance(self.root, Eliminated):
            return self.root
        return triangle(self.root.dense()[:, np.argsort(self.root.order)])


def factor(information: Array) -> Factored | None:
    """Return the Cholesky factor of J, scaled to a unit diagonal on the way; None if J has none."""
    if len(information) < _MANY:
        return _factor(information)
    return _factor_of_many(information)


def _factor(information: Array) -> Factored | None:
    if not len(information):
        return Factored(np.zeros((0, 0)), 1.0)
    size = _sizes(information)
    if size is None:
        return None
    scaled = information / size / size[:, None]
    root = cholesky(scaled)
    if root is None:
        return None
    return Factored(root * size, _reciprocal(root, scaled))


def _sizes(information: Array) -> Array | None:
    """Roots of the diagonal; None where they cannot be those of a positive definite matrix."""
    diagonal = information.diagonal()
    return np.sqrt(diagonal) if diagonal.min() > 0 and np.isfinite(information.sum()) else None


@remembered  # guards, steps and standard errors ask for it in turn
def _factor_of_many(information: Array) -> Factored | None:
    size = _sizes(information)
    if size is None:
        return None
    run = exclusive(information)
    if run is not None:
        found = eliminate(information, size, run)
        if found is None:
            return None
        root, rcond = found
        if rcond < _CLEAR and run.start > 0:
            rcond = max(rcond, reciprocal_of_swept(root))
        root.scale(size)
        return Factored(root, rcond)
    scaled = _scaled(information, size)
    norm = max(
        float(np.abs(scaled[row : row + _ROWS]).sum(axis=1).max()) for row in range(0, len(size), _ROWS)
    )
    root = cholesky(scaled.T, overwrite=True)
    if root is None:
        return None
    rcond = reciprocal_condition(root, norm)
    if rcond < _CLEAR:
        rcond = max(rcond, _without_first(root, _scaled(information, size)))
    root *= size
    return Factored(root, rcond)


def _scaled(information: Array, size: Array) -> Array:
    scaled = information / size[:, None]
    scaled /= size
    return scaled


def _reciprocal(root: Array, matrix: Array) -> float:
    return reciprocal_condition(root, float(np.abs(matrix).sum(axis=0).max()))


def _without_first(root: Array, scaled: Array) -> float:
    """Return the reciprocal condition of J with its first column swept out, 0 where that would cancel.

    The intercept makes the columns of a factor's levels look collinear, which costs a solve no digits.
    """
    row = root[0, 1:]
    left = 1.0 - row * row
    if left.min() < 0.5:
        return 0.0
    size = np.sqrt(left)
    return _reciprocal(root[1:, 1:] / size, (scaled[1:, 1:] - np.outer(row, row)) / size / size[:, None])


def positive_direction(expected: Array, observed: Array, score: Array) -> tuple[Array, str] | None:
    """Return an ascent direction and its name, or None where neither information has a factor.

    The step of the observed information where that is positive definite and the step not twice as long
    as Fisher's; else the step of its spectrum made positive in Fisher's metric.

    Source: the saddle-free modification of Dauphin et al. (2014), with the expected information as metric.
    """
    fisher = factor(expected)
    if fisher is None:
        newton = factor(observed)
        return None if newton is None else (newton.solve(score), "observed")
    newton = factor(observed)
    if newton is not None:
        step, scoring = newton.solve(score), fisher.solve(score)
        if _norm(fisher, step) < 2.0 * _norm(fisher, scoring):
            return step, "observed"
    return _modified(fisher, observed, score), "modified"


def _norm(metric: Factored, step: Array) -> float:
    root = metric.root
    return float(np.linalg.norm(root.times(step) if isinstance(root, Eliminated) else root @ step))


def _modified(fisher: Factored, observed: Array, score: Array) -> Array:
    inverse = triangular_inverse(fisher.triangle)
    assert inverse is not None
    values, vectors = np.linalg.eigh(inverse.T @ observed @ inverse)
    values = np.maximum(np.abs(values), 0.05)
    return inverse @ (vectors @ ((vectors.T @ (inverse.T @ score)) / values))
