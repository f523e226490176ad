"""The log-likelihood of a fit, where it has one."""

from __future__ import annotations

from math import inf, isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from glmstat.errors import ComparisonError
from glmstat.inference.score import frame_of
from glmstat.inference.statement import need_likelihood
from glmstat.solve.dispersion import saturated_kernel

if TYPE_CHECKING:
    from glmstat.convention import Convention
    from glmstat.estimate import Estimate
    from glmstat.fit import Fit
    from glmstat.likelihood.base import GLM

__all__ = ["loglik", "parameters", "plugged_in", "takes_given"]


def parameters(estimate: Estimate, likelihood: GLM, convention: Convention) -> int:
    """Return how many parameters a criterion counts: coefficients, dispersion, a shape where it does."""
    dispersion = likelihood.family.counts_dispersion if convention.counts_dispersion else 0
    if takes_given(estimate, likelihood):
        dispersion = 0
    shape = estimate.shape is not None and convention.counts_shape
    return estimate.rank + dispersion + shape


def takes_given(estimate: Estimate, likelihood: GLM) -> bool:
    """Whether the log-likelihood is that at a given dispersion: in Tweedie families, where R has no rule."""
    return estimate.dispersion.estimator == "given" and likelihood.family.name == "tweedie"


def loglik(fit: Fit) -> float:
    """Return the log-likelihood, constant included; NaN where the family has none.

    Where the dispersion is estimated, it stands at the value that R's `AIC` plugs in, or at the one that the
    convention says; of Tweedie families at the likeliest one, or at a given. It is infinite where the fit is
    perfect, whose dispersion is rounding.

    Raises
    ------
    ComparisonError : sampling weights, or a dispersion given to a family whose dispersion is 1.
    """
    need_likelihood(fit, "loglik", "loglik")
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError("loglik is not defined with sampling weights: rows are not independent draws.")
    if fit.spec.likelihood.family.name == "tweedie" and fit.convention.tweedie_likelihood == "none":
        return nan
    phi = fit.estimate.dispersion
    if fit.spec.likelihood.family.dispersion == 1.0 and phi.estimator != "fixed" and phi.value != 1.0:
        raise ComparisonError(
            "loglik is not defined: dispersion= is given, that of the family is 1. Leave it out."
        )
    if fit.status == "perfect fit" and phi.estimated and not isnan(fit.estimate.loglik):
        return inf
    other = plugged_in(fit)
    return fit.estimate.loglik if other is None else _at(fit, other)


def plugged_in(fit: Fit) -> float | None:
    """Return the dispersion at which the convention evaluates the log-likelihood; None is R's own."""
    family, rule = fit.spec.likelihood.family, fit.convention.likelihood_dispersion
    if rule == "own" or family.dispersion is not None or not family.has_likelihood:
        return None
    if family.name == "gaussian" and (rule == "one" or family.link.name == "identity"):
        return None
    return 1.0 if rule == "one" else fit.dispersion


def _at(fit: Fit, phi: float) -> float:
    """The log-likelihood for one dispersion; kept, for it takes a pass over the rows."""
    weighted = fit.spec.call["weights"] is not None and fit.spec.likelihood.family.name != "tweedie"
    apart = weighted and fit.convention.weighted_likelihood == "dispersion"
    key = f"loglik at {phi!r}" + (" / weight" if apart else "")
    if key not in fit.kept:
        frame = frame_of(fit, "The log-likelihood")
        saturated = frame.reduce(saturated_kernel(fit.spec.likelihood, phi, apart=apart))
        fall = fit.deviance / (2.0 * phi) if fit.deviance else 0.0
        found = np.array([saturated - fall])
        found.flags.writeable = False
        fit.kept[key] = found
    return float(fit.kept[key][0])
