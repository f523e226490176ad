"""Combinations of coefficients under the covariance of a fit: spread, and the Wald statistic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glmstat.errors import ComparisonError, one_of, row_list
from glmstat.inference.covariance import covariance_root
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["refuse_boundary", "refuse_infinite", "spread", "wald_statistic"]

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
        instead = 'Use method="lr".' if fit.estimate.directions else "Use a model with residuals."
        raise ComparisonError(
            f"Wald is not defined: the fit has no standard errors, its status is '{fit.status}'. {instead}"
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


def refuse_boundary(fit: Fit, what: str) -> None:
    """Refuse a test that takes the likelihood for quadratic at a maximum that lies at an edge.

    Raises
    ------
    ComparisonError : with the rows whose mean is at its bound.
    """
    if fit.status != "boundary":
        return
    rows = fit.estimate.convergence.bound_rows
    where = f" in {row_list(rows.rows, rows.count)}" if rows else ""
    weighted = fit.spec.call["sampling_weights"] is not None
    instead = "Use a link without bounds." if weighted else 'Use method="lr" or "score".'
    raise ComparisonError(f"{what} is not valid: mean at its bound{where}. {instead}")


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
