"""Combinations of coefficients under the covariance of a fit: spread, and the Wald statistic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glmstat.errors import ComparisonError, one_of, row_list
from glmstat.inference.covariance import covariance_root, is_perfect
from glmstat.matrix import Array
from glmstat.verdict import remarks

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = [
    "boundary_reason",
    "refuse_boundary",
    "refuse_infinite",
    "refuse_perfect",
    "spread",
    "wald_statistic",
    "without_covariance",
]

_RANK = 1e-7  # singular values of a root below this share of the largest are rounding of the covariance


def spread(fit: Fit, matrix: Array, what: str = "Wald") -> Array:
    """Return A (m, k) with A A' the covariance of matrix @ coef; aliased coefficients count as 0.

    Parameters
    ----------
    what : the test that needs it, for messages.

    Raises
    ------
    ComparisonError : a coefficient in it is infinite, or the fit has no standard errors.
    """
    refuse_infinite(fit, (matrix != 0).any(axis=0), what)
    refuse_perfect(fit, what)
    if reason := without_covariance(fit):
        raise ComparisonError(f"{what} is not defined: {reason}")
    used = np.isfinite(fit.estimate.coef) & (matrix != 0).any(axis=0)
    root = covariance_root(fit)[used]
    if not np.isfinite(root).all():
        instead = 'Use method="lr".' if fit.estimate.directions else "Use a model with residuals."
        raise ComparisonError(
            f"{what} is not defined: the fit has no standard errors, its status is '{fit.status}'. {instead}"
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
    reason = boundary_reason(fit)
    if not reason:
        return
    weighted = fit.spec.call["sampling_weights"] is not None
    instead = "Use a link without bounds." if weighted else 'Use method="lr" or "score".'
    raise ComparisonError(f"{what} is not valid: {reason}. {instead}")


def boundary_reason(fit: Fit) -> str:
    """Return which means lie at their bound, '' where the maximum is inside the domain."""
    if fit.status != "boundary":
        return ""
    rows = fit.estimate.convergence.bound_rows
    return "mean at its bound" + (f" in {row_list(rows.rows, rows.count)}" if rows else "")


def refuse_perfect(fit: Fit, what: str) -> None:
    """Refuse a test whose covariance would be made of rounding.

    Raises
    ------
    ComparisonError : the residuals are rounding, and the dispersion is theirs.
    """
    if is_perfect(fit):
        raise ComparisonError(
            f"{what} is not defined: the fit has no standard errors, its status is '{fit.status}'. "
            "Use a model with residuals."
        )


def without_covariance(fit: Fit) -> str:
    """Return why the covariance of the call could not be made, '' where the fit has standard errors."""
    if is_perfect(fit) or not np.isnan(covariance_root(fit)).all():
        return ""
    forced = remarks(fit.estimate, sandwich=True)
    texts = [note.text for note in fit.notes if note.kind == "vcov" and note not in forced]
    return f"no standard errors: {texts[-1]}" if texts else ""


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
