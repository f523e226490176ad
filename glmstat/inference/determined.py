"""Which coefficients separated rows determine, where infinity can be reached in many directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glmstat.errors import GlmstatError
from glmstat.estimate import Estimate
from glmstat.inference.score import at_infinity
from glmstat.matrix import Array, Block
from glmstat.triangular import triangle

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["determined", "loses_column"]

_NOTHING = 1e-9  # share of the largest singular value, of columns of length 1, that is rounding
_STILL = 1e-7  # cosine between a coefficient and a direction that is rounding


def loses_column(fit: Fit, estimate: Estimate) -> bool:
    """Return whether some coefficient of a fit is aliased in the estimate on changed rows."""
    return bool((np.isnan(estimate.theta) & ~np.isnan(fit.estimate.theta)).any())


def determined(fit: Fit, frame: ModelFrame, estimate: Estimate) -> Array:
    """Return the coefficients (p,) of an estimate on some rows, NaN where these do not determine them.

    N, what the rows at finite predictors do not see, is spanned by the recession directions. A coefficient
    with no part in N is finite. In one dimension there is one direction. In more, as in complete separation,
    there is a cone of them, and an infinite coefficient is determined if it has the same sign in the whole
    cone: a linear programme for each.

    Parameters
    ----------
    frame : the rows of the estimate.

    Source: Geyer (2009), for directions of constancy and recession.
    """
    if not estimate.directions:
        return estimate.coef
    kept = np.flatnonzero(~np.isnan(estimate.theta))
    still, moved = _rows(fit, frame, estimate)
    factor = still[:, kept]
    size = np.linalg.norm(factor, axis=0)
    size[size == 0] = 1.0
    _, values, vectors = np.linalg.svd(factor / size)
    space = vectors[np.sum(values > _NOTHING * values.max(initial=0.0)) :].T
    if space.shape[1] < 2:
        return estimate.coef
    sides = moved[:, kept] / size @ space
    lengths = np.linalg.norm(sides, axis=1)
    sides = sides[lengths > 0] / lengths[lengths > 0, None]
    coef = estimate.coef.copy()
    for slot, part in zip(kept, space, strict=True):
        length, sign = np.linalg.norm(part), estimate.infinite[slot]
        if length > _STILL and (sign == 0 or _falls(sign * part / length, sides)):
            coef[slot] = np.nan
    return coef


def _rows(fit: Fit, frame: ModelFrame, estimate: Estimate) -> _Split:
    """The triangle (p, p) of rows that no direction moves; the different others (m, p), signed to rise."""
    width, design = len(estimate.theta), fit.spec.design

    def kernel(block: Block) -> _Split:
        factor, moved = np.zeros((0, width)), [np.zeros((0, width))]
        signs = at_infinity(estimate, block.X, design)
        assert signs is not None
        for k, (X, predictor) in enumerate(zip(block.X, design.predictors, strict=True)):
            for rows, run in X.runs():
                used, sign = block.total[rows] > 0, signs[rows, k]
                placed = np.zeros((int(used.sum()), width))
                placed[:, predictor.slots] = run[:, used].T
                sign = sign[used]
                factor = triangle(np.vstack([factor, placed[sign == 0]]))
                moved.append(np.unique(placed[sign != 0] * sign[sign != 0, None], axis=0))
        return _Split(factor, np.unique(np.vstack(moved), axis=0))

    return frame.reduce(kernel)


class _Split(NamedTuple):
    """Triangle of some rows, and the different ones among others."""

    still: Array
    moved: Array

    def __add__(self, other: _Split) -> _Split:  # pyright: ignore[reportIncompatibleMethodOverride]
        moved = np.unique(np.vstack([self.moved, other.moved]), axis=0)
        return _Split(triangle(np.vstack([self.still, other.still])), moved)


def _falls(part: Array, sides: Array) -> bool:
    """Whether some d, |d_i| <= 1, with sides d >= 0 has part d < 0."""
    from scipy.optimize import linprog

    zeros = np.zeros(len(sides))
    found = linprog(part, A_ub=-sides, b_ub=zeros, bounds=(-1.0, 1.0), method="highs-ds")
    if found.x is None:
        raise GlmstatError(f"Separation: the programme of a direction ended with {found.message!r}.")
    return bool(found.fun < -_STILL)
