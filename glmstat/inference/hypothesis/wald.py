"""Combinations of coefficients under the covariance of a fit: spread, and the Wald statistic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glmstat.errors import ComparisonError, one_of
from glmstat.inference.covariance import covariance_root
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["refuse_infinite", "spread", "wald_statistic"]

_RANK = 1e-9  # singular values below this share of the largest are rounding of the covariance


def spread(fit: Fit, matrix: Array) -> Array:
    """Return A (m, k) with A A' the covariance of matrix @ coef; aliased coefficients count as 0.

    Raises
    ------
    ComparisonError : a coefficient in it is infinite, or the fit has no standard errors.
    """
    refuse_infinite(fit, (matrix != 0).any(axis=0), "Wald")
    used = np.isfinite(fit.estimate.coef) & (matrix != 0).any(axis=0)
    root = covariance_root(fit)[used]
    if not np.isfinite(root).all():
        raise ComparisonError(
            f"Wald is not defined: the fit has no standard errors, its status is '{fit.status}'. "
            "Use a model with residuals."
        )
    return matrix[:, used] @ root


def refuse_infinite(fit: Fit, used: Array, what: str) -> None:
    """Refuse a test in which an infinite coefficient takes part.

    Raises
    ------
    ComparisonError : with the names of the infinite coefficients.
    """
    infinite = [name for slot, name in enumerate(fit.columns) if used[slot] and fit.estimate.infinite[slot]]
    if infinite:
        be = "is" if len(infinite) == 1 else "are"
        raise ComparisonError(
            f'{what} is not defined: {one_of(infinite)} {be} infinite. Use method="lr" or "score".'
        )


def wald_statistic(root: Array, difference: Array) -> float:
    """Return d' (A A')^-1 d for A (m, k) and d (m,).

    Raises
    ------
    ComparisonError : A A' is singular: more restrictions than the covariance has independent parts.
    """
    size = np.sqrt(np.einsum("ij,ij->i", root, root))
    if not (size > 0).all():
        raise ComparisonError("Wald is not defined: a combination has standard error 0. Leave it out.")
    values = np.linalg.svd(scaled := root / size[:, None], compute_uv=False)
    rank = int(np.sum(values > _RANK * values[0]))
    if rank < len(root):
        raise ComparisonError(
            f"Wald is not defined: the covariance of {len(root)} restrictions has rank {rank}. "
            "Test fewer at once, or use more clusters."
        )
    solution = np.linalg.lstsq(scaled, difference / size, rcond=None)[0]
    return float(solution @ solution)
