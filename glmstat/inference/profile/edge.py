"""How far a combination of the coefficients can go before some mean leaves its domain."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["reach", "sizes"]

ROUNDS = 40
_FAR = 1e7  # standard units: beyond, the domain is unbounded


class _Sides(NamedTuple):
    """Constraints rows @ theta <= room, the most violated of each block."""

    rows: Array
    room: Array

    def __add__(self, other: _Sides) -> _Sides:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Sides(np.vstack([self.rows, other.rows]), np.concatenate([self.room, other.room]))


def reach(fit: Fit, combination: Array, side: int, frame: ModelFrame) -> float:
    """Return the largest (side 1) or least (side -1) value of a combination in the closed domain.

    A linear programme whose constraints are added as they are violated, so that few rows are held.

    Parameters
    ----------
    combination : (p,), 0 at aliased coefficients.

    Returns
    -------
    Signed infinity where nothing stops it, as with every link that is not bounded.
    """
    if not fit.spec.likelihood.bounded:
        return side * inf
    from scipy.optimize import linprog

    kept = np.flatnonzero(~np.isnan(fit.estimate.theta))
    scale = sizes(fit, frame, kept)
    cost = -side * combination[kept] / scale
    limit = max(200, 20 * len(kept))
    sides = frame.reduce(lambda block: _violated(fit, block, None, kept, limit))
    for _ in range(ROUNDS):
        found = linprog(
            cost,
            A_ub=sides.rows / scale,
            b_ub=sides.room,
            bounds=[(-_FAR, _FAR)] * len(kept),
            method="highs-ds",
        )
        if found.x is None:
            return side * inf
        point = found.x / scale
        more = frame.reduce(lambda block, point=point: _violated(fit, block, point, kept, limit))
        if not len(more.room):
            free = abs(found.fun) > 1e-3 * _FAR * np.abs(cost).max(initial=0.0)
            return side * inf if free else -side * float(found.fun)
        sides = sides + more
    return side * inf


def sizes(fit: Fit, frame: ModelFrame, kept: IntArray) -> Array:
    """Root mean square of each column (q,)."""
    predictors = fit.spec.design.predictors

    def kernel(block: Block) -> Array:
        total = np.zeros(len(fit.columns) + 1)
        for X, predictor in zip(block.X, predictors, strict=True):
            for _, run in X.runs():
                total[:-1][predictor.slots] += np.square(run).sum(axis=1)
        total[-1] = len(block.y)
        return total

    total = frame.reduce(kernel)
    size = np.sqrt(total[:-1][kept] / max(total[-1], 1.0))
    return np.where(size > 0, size, 1.0)


def _violated(fit: Fit, block: Block, point: Array | None, kept: IntArray, limit: int) -> _Sides:
    """Up to `limit` constraints of a block: spread over its rows, or those that `point` violates most."""
    edges = fit.spec.likelihood.slack(block.offset)
    assert edges is not None
    theta = np.zeros(len(fit.columns))
    theta[kept] = 0.0 if point is None else point
    found = _Sides(np.zeros((0, len(kept))), np.zeros(0))
    for k, (X, predictor) in enumerate(zip(block.X, fit.spec.design.predictors, strict=True)):
        eta = X.dot(theta[predictor.slots])
        for sign, edge in zip((-1.0, 1.0), edges, strict=True):
            room = edge[:, k]
            usable = np.isfinite(room) & (block.total > 0)
            if point is None:
                places = np.flatnonzero(usable)
                places = places[:: max(1, len(places) // limit)]
            else:
                left = room - sign * eta
                bad = np.flatnonzero(usable & (left < -1e-9 * (1.0 + np.abs(room))))
                places = bad[np.argsort(left[bad])[:limit]]
            if len(places):
                rows = np.zeros((len(places), len(theta)))
                rows[:, predictor.slots] = X.take(places).to_array()
                found = found + _Sides(sign * rows[:, kept], room[places])
    return found
