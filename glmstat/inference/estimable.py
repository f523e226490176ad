"""Which new rows have a prediction although some columns are aliased."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from glmstat.compute import Largest, Triangle, triangle
from glmstat.inference.score import at_infinity, frame_of
from glmstat.matrix import Array, Block, DesignMatrix

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.formula.design import Design

__all__ = ["estimable", "null_space"]

# share of 1 + |x||n| below which x'n is rounding: columns alias at 1e-11 of their norm
_TOLERANCE = 1e-8


def null_space(fit: Fit) -> Array:
    """Return N (p, m) with X N = 0 on the rows of the fit, a column for each aliased coefficient; kept.

    The aliased column less its combination of the others, from the triangle of one QR pass, in units of
    the largest value of the aliased column.
    """
    if "null space" not in fit.kept:
        space = _null_space(fit)
        space.flags.writeable = False
        fit.kept["null space"] = space
    return fit.kept["null space"]


def estimable(fit: Fit, matrices: Sequence[DesignMatrix], design: Design | None = None) -> Array | None:
    """Return which rows (n,) have the same linear predictors for every solution; None if all have.

    Parameters
    ----------
    design : of one of the predictors, where the matrices are those of that one.
    """
    if not fit.estimate.aliased:
        return None
    good = np.ones(matrices[0].shape[0], dtype=bool)
    space = null_space(fit)
    for X, predictor in zip(matrices, (design or fit.spec.design).predictors, strict=True):
        part = space[predictor.slots].T
        for rows, run in X.runs():
            size = 1.0 + np.abs(part) @ np.abs(run)
            good[rows] &= (np.abs(part @ run) <= _TOLERANCE * size).all(axis=0)
    return good


def _null_space(fit: Fit) -> Array:
    theta, frame = fit.estimate.theta, frame_of(fit, "A prediction with aliased columns")
    aliased, predictors = np.isnan(theta), fit.spec.design.predictors
    if not aliased.any():
        return np.zeros((len(theta), 0))
    size = frame.reduce(lambda block: _largest(block, fit)).size
    size[size == 0] = 1.0

    def kernel(block: Block) -> Triangle:
        factor, counts = np.zeros((0, len(theta))), block.total > 0
        if len(predictors) > 1 and (signs := at_infinity(fit.estimate, block.X, fit.spec.design)) is not None:
            counts &= ~(signs != 0).any(axis=1)  # rows that say nothing of the other predictors
        for X, predictor in zip(block.X, predictors, strict=True):
            for rows, run in X.runs():
                used = run[:, counts[rows]]
                placed = np.zeros((used.shape[1], len(theta)))
                placed[:, predictor.slots] = used.T / size[predictor.slots]
                factor = triangle(np.vstack([factor, placed]))
        return Triangle(factor)

    factor = frame.reduce(kernel).factor
    combination, *_ = np.linalg.lstsq(factor[:, ~aliased], factor[:, aliased], rcond=None)
    space = np.zeros((len(theta), int(aliased.sum())))
    space[aliased] = np.eye(space.shape[1])
    space[~aliased] = -combination
    return space / size[:, None]


def _largest(block: Block, fit: Fit) -> Largest:
    size = np.zeros(len(fit.columns))
    for X, predictor in zip(block.X, fit.spec.design.predictors, strict=True):
        for _, run in X.runs():
            largest = np.abs(run).max(axis=1, initial=0.0)
            size[predictor.slots] = np.maximum(size[predictor.slots], largest)
    return Largest(size)
