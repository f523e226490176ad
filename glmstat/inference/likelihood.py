"""The log-likelihood of a fit, where it has one."""

from __future__ import annotations

from math import inf, isnan
from typing import TYPE_CHECKING

from glmstat.errors import ComparisonError
from glmstat.inference.statement import need_likelihood

if TYPE_CHECKING:
    from glmstat.estimate import Estimate
    from glmstat.fit import Fit
    from glmstat.likelihood.base import GLM

__all__ = ["loglik", "parameters"]


def parameters(estimate: Estimate, likelihood: GLM) -> int:
    """Return how many parameters were estimated: coefficients, dispersion, a shape of the family."""
    return estimate.rank + likelihood.family.counts_dispersion + (estimate.shape is not None)


def loglik(fit: Fit) -> float:
    """Return the log-likelihood, constant included; NaN where the family has none.

    Where the dispersion is estimated, it stands at the value that R's `AIC` plugs in; it is infinite where
    the fit is perfect, whose dispersion is rounding.

    Raises
    ------
    ComparisonError : sampling weights, or a dispersion given to a family whose dispersion is 1.
    """
    need_likelihood(fit, "loglik", "loglik")
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError("loglik is not defined with sampling weights: rows are not independent draws.")
    phi = fit.estimate.dispersion
    if fit.spec.likelihood.family.dispersion == 1.0 and phi.estimator != "fixed" and phi.value != 1.0:
        raise ComparisonError(
            "loglik is not defined: dispersion= is given, that of the family is 1. Leave it out."
        )
    perfect = fit.status == "perfect fit" and phi.estimated and not isnan(fit.estimate.loglik)
    return inf if perfect else fit.estimate.loglik
