"""Wald tests of single coefficients and their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from glmstat.errors import ArgumentError

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit
    from glmstat.matrix import Array

__all__ = ["Wald", "check_level", "quantile", "reference", "wald"]


class Wald(NamedTuple):
    """Arrays (p,), one value per coefficient: what a table of coefficients shows."""

    estimate: Array
    std_error: Array
    statistic: Array
    p_value: Array
    conf_low: Array
    conf_high: Array


def check_level(level: float) -> float:
    """Return `level` if it is a probability strictly between 0 and 1."""
    if not (isinstance(level, (int, float)) and 0 < level < 1):
        raise ArgumentError(f"level must lie strictly between 0 and 1: {level!r}. The default is 0.95.")
    return float(level)


def reference(fit: Fit) -> str:
    """Return the distribution of a Wald statistic: 't(37)' where the dispersion is estimated, else 'z'."""
    return f"t({fit.df_residual})" if fit.estimate.dispersion.estimated else "z"


def quantile(fit: Fit, level: float) -> float:
    """Return what a standard error is multiplied by to give half an interval of coverage `level`."""
    upper = 0.5 + 0.5 * check_level(level)
    if fit.estimate.dispersion.estimated and fit.convention.wald_quantile == "dispersion":
        return float(stdtrit(fit.df_residual, upper)) if fit.df_residual > 0 else float("nan")
    return float(ndtri(upper))


def wald(fit: Fit, level: float = 0.95, covariance: Covariance | None = None) -> Wald:
    """Return estimates, standard errors, tests of zero and intervals of all coefficients.

    Statistic and p-value use Student's t with `df_residual` where the dispersion is estimated and the
    normal otherwise; so do the intervals, unless the convention cuts them at normal quantiles.

    Parameters
    ----------
    level : coverage of the intervals.
    covariance : default that of the fit.

    Source: McCullagh & Nelder (1989), section 4.4; numbers as R's summary.glm and confint.default.
    """
    from glmstat.inference.covariance import std_errors

    estimate, se = fit.estimate.coef, std_errors(fit, covariance)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, estimate / se, np.nan)
        half = quantile(fit, level) * se
        low, high = estimate - half, estimate + half
    tail = -np.abs(statistic)
    p = 2.0 * (stdtr(fit.df_residual, tail) if fit.estimate.dispersion.estimated else ndtr(tail))
    return Wald(estimate, se, statistic, p, low, high)
