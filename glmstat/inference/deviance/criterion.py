"""What single-term tables compare: AIC of the fits, or by R's rule for `drop1` and `step`."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from glmstat.convention import as_convention
from glmstat.errors import ComparisonError
from glmstat.estimate import Estimate
from glmstat.inference.deviance.difference import Inside, Outcome
from glmstat.inference.likelihood import parameters
from glmstat.inference.reference import chi_squared_p_value, f_p_value
from glmstat.inference.restrict import Restricted
from glmstat.inference.statement import compared_within
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["aic_column", "aic_words", "as_r", "criterion_value", "dropped", "is_scaled", "loglik_or_nan"]


def loglik_or_nan(fit: Fit) -> float:
    """Return the log-likelihood of a fit, NaN where AIC has no meaning."""
    try:
        return fit.loglik
    except ComparisonError:
        return nan


_OWN = as_convention("glmstat")  # what models are compared by, whatever is printed


def _penalised(fit: Fit, estimate: Estimate, k: float) -> float:
    return k * parameters(estimate, fit.spec.likelihood, _OWN) - 2.0 * estimate.loglik


def is_scaled(fit: Fit) -> bool:
    """Return whether AIC is compared by deviance / dispersion: as R's drop1, where it differs from AIC()."""
    family = fit.spec.likelihood.family
    return fit.convention.selection == "scaled" and family.dispersion is None and family.power != 0


def criterion_value(fit: Fit, estimate: Estimate, k: float) -> float:
    """Return the criterion, with penalty `k` per parameter, of a model next to a fit."""
    if estimate is fit.estimate or not is_scaled(fit):
        return _penalised(fit, estimate, k)
    change = (estimate.deviance - fit.deviance) / fit.dispersion + k * (estimate.rank - fit.estimate.rank)
    return _penalised(fit, fit.estimate, k) + change


def aic_column(fit: Fit, estimates: Sequence[Estimate]) -> dict[str, list[float]]:
    """Return the column aic of a fit and its neighbours, or nothing where there is no likelihood.

    Nothing too where the neighbours are at the maximum of a penalised likelihood of the fit.
    """
    if compared_within(fit) or np.isnan(loglik_or_nan(fit)):
        return {}
    return {"aic": [criterion_value(fit, estimate, 2.0) for estimate in (fit.estimate, *estimates)]}


def as_r(fit: Fit, outcome: Outcome, kind: str, small: Restricted, large: Restricted) -> Outcome:
    """Return the test as R's drop1 and add1 make it.

    F divides by deviance / df of the larger model; the likelihood ratio by the dispersion of the fit, and
    for the Gaussian family it is n log(deviance ratio).
    """
    df, fall = outcome.df, outcome.deviance
    if df <= 0 or fit.estimate.dispersion.estimator != "pearson" or kind == "Rao":
        return outcome
    if kind == "F":
        rest = fit.nobs - large.rank
        statistic = fall / df / (large.deviance / rest) if rest > 0 else nan
        return Outcome(df, fall, statistic, f_p_value(statistic, df, rest), rest)
    if fit.spec.likelihood.family.power == 0:
        statistic = fit.nobs * float(np.log(small.deviance / large.deviance))
    else:
        statistic = fall / fit.dispersion
    return Outcome(df, fall, statistic, chi_squared_p_value(statistic, df))


def dropped(inside: Inside, rows: Array) -> Outcome:
    """Return the test of the model R coef = 0 within the fit, as drop1 and step print it."""
    fit = inside.fit
    outcome = inside.test(rows, np.zeros((0, len(fit.columns))))
    if inside.kind == "Wald" or fit.convention.selection != "scaled":
        return outcome
    return as_r(fit, outcome, inside.kind, inside.point(rows), Restricted(fit.estimate.theta, fit.estimate))


def aic_words(fit: Fit, k: str = "2") -> str:
    """Return the definition of the criterion that is compared."""
    if is_scaled(fit):
        return f"deviance / dispersion + {k} df, shifted to the AIC of the fit, as R's drop1"
    return f"-2 loglik + {k} parameters of each fit"
