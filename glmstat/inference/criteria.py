"""Information criteria, each with its definition."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING

import numpy as np

from glmstat.convention import Convention
from glmstat.errors import ArgumentError, ComparisonError
from glmstat.inference.goodness import lacks_trials
from glmstat.inference.likelihood import loglik
from glmstat.inference.statement import need_likelihood
from glmstat.text.layout import count
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["InformationCriteria", "information_criteria"]

# name → definition of printed tables, in the order shown
DEFINITIONS = {
    "AIC": "-2 loglik + 2k",
    "AICc": "AIC + 2k(k+1) / (n-k-1)",
    "BIC": "-2 loglik + k log n",
    "QAIC": "-2 loglik / c + 2(k+1)",
}
_SOURCES = {"given": "given in the fit", "pearson": "Pearson / df", "deviance": "deviance / df"}


@dataclass(frozen=True, eq=False, repr=False)
class InformationCriteria(Listing):
    """AIC, AICc, BIC and QAIC of one fit; NaN where one is not defined, with the reason in the notes.

    Parameters
    ----------
    loglik : the log-likelihood that they use.
    parameters : k, of AIC, AICc and BIC: coefficients, and the dispersion where the family has one.
    c : the dispersion of QAIC, itself counted there.
    """

    loglik: float = nan
    parameters: int = 0
    c: float = nan

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return self["criterion"][0]

    @property
    def aicc(self) -> float:
        """AIC corrected for small samples."""
        return self["criterion"][1]

    @property
    def bic(self) -> float:
        """Schwarz's criterion."""
        return self["criterion"][2]

    @property
    def qaic(self) -> float:
        """AIC of a quasi-likelihood."""
        return self["criterion"][3]


def information_criteria(fit: Fit, dispersion: float | None = None) -> InformationCriteria:
    """Return AIC, AICc, BIC and QAIC with their definitions.

    k counts the coefficients, and the dispersion of families that have one (gaussian, gamma, inverse
    Gaussian), at its value in R's `logLik`. n is `nobs`. QAIC is for families of dispersion 1 whose rows
    vary more than that: c is the given dispersion, else that of the fit if it has another than 1, else
    Pearson's chi-squared over its degrees of freedom, and counts as a parameter.

    Parameters
    ----------
    dispersion : c of QAIC, > 0. Give the same, that of the largest model, to all models that are compared.

    Raises
    ------
    ComparisonError : sampling weights.
    ArgumentError : a dispersion that is not > 0.

    Source: Akaike (1974), Hurvich & Tsai (1989), Schwarz (1978), Burnham & Anderson (2002), section 2.5.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}, "poisson")
    >>> print(information_criteria(fit, dispersion=1.2))
    Information criteria · 5 rows
    y ~ x
    <BLANKLINE>
          criterion  parameters               definition
    AIC       19.18           2           -2 loglik + 2k
    AICc      25.18           2  AIC + 2k(k+1) / (n-k-1)
    BIC       18.40           2      -2 loglik + k log n
    QAIC      18.65           3   -2 loglik / c + 2(k+1)
    <BLANKLINE>
    loglik -7.588 · n = nobs 5 · c 1.2 (given)
    """
    notes: list[str] = []
    value, k, n = _likelihood(fit, notes), fit.parameters, fit.nobs
    c, source, quasi = _quasi(fit, dispersion, notes)
    if isfinite(value) and n - k - 1 <= 0:
        notes.append(f"AICc: not defined for n - k - 1 = {n - k - 1}")
    defined = (fit.aic, fit.aicc, fit.bic) if isfinite(value) else (-2.0 * value,) * 3
    shown = (*defined, quasi)
    facts = [f"loglik {value:.4g}" if isfinite(value) else "no loglik", f"n = nobs {n:,}"]
    if isfinite(c):
        facts.append(f"c {c:.4g} ({source})")
    return InformationCriteria(
        (f"Information criteria · {count(n, 'row')}", fit.formula),
        tuple(DEFINITIONS),
        {
            "criterion": shown,
            "parameters": (k, k, k, k + 1),
            "definition": tuple(_definitions(fit.convention).values()),
        },
        (" · ".join(facts), *notes),
        fit.native,
        "name",
        value,
        k,
        c,
    )


def _definitions(convention: Convention) -> dict[str, str]:
    """The definitions under a convention."""
    changed = dict(DEFINITIONS)
    if convention.aic == "per row":
        changed |= {"AIC": "(-2 loglik + 2k) / n", "AICc": "-2 loglik + 2k + 2k(k+1) / (n-k-1)"}
    if convention.bic == "deviance":
        changed["BIC"] = "deviance - (n-k) log n"
    return changed


def _likelihood(fit: Fit, notes: list[str]) -> float:
    """The log-likelihood, or NaN and the reason."""
    need_likelihood(fit, "An information criterion", "criteria")
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError(
            "Information criteria are not defined with sampling weights: rows are not independent draws. "
            'Compare terms by fit.test(..., method="wald").'
        )
    family = fit.spec.likelihood.family
    try:
        value = loglik(fit)
    except ComparisonError:
        notes.append(
            f"AIC, AICc, BIC: not defined, the dispersion is not that of the {family.name} family, 1; "
            "QAIC stands in their place"
        )
        return nan
    if not family.has_likelihood:
        notes.append(f"AIC, AICc, BIC: family {family.name} has no likelihood")
    return value


def _quasi(fit: Fit, given: float | None, notes: list[str]) -> tuple[float, str, float]:
    """The dispersion c, where it comes from, and QAIC."""
    number = isinstance(given, (int, float, np.integer, np.floating)) and not isinstance(given, bool)
    if given is not None and not (number and 0 < given < float("inf")):
        raise ArgumentError(f"dispersion must be a number > 0: {given!r}. Leave it out to use Pearson's.")
    family = fit.spec.likelihood.family
    if not family.has_likelihood:
        same = family.name.removeprefix("quasi")
        fixed = same in ("poisson", "binomial")
        remedy = f': fit family="{same}", which has the same coefficients, and ask that' if fixed else ""
        notes.append(f"QAIC: needs the likelihood of a family of dispersion 1{remedy}")
        return nan, "", nan
    if family.dispersion != 1.0:
        notes.append(f"QAIC: not defined, the dispersion is a parameter of the {family.name} likelihood")
        return nan, "", nan
    c, source = _dispersion(fit, given)
    if not c > 0:
        notes.append("QAIC: not defined without residual degrees of freedom. Give dispersion=")
        return nan, "", nan
    if given is None and fit.frame is not None and lacks_trials(fit):
        notes.append("QAIC: c of single 0s and 1s says nothing about their dispersion. Give dispersion=")
    elif c < 1.0:
        notes.append("QAIC: c is below 1, rows vary less than the family says; AIC is usual then")
    return c, source, -2.0 * fit.estimate.loglik / c + 2.0 * (fit.parameters + 1)


def _dispersion(fit: Fit, given: float | None) -> tuple[float, str]:
    if given is not None:
        return float(given), "given"
    own = fit.estimate.dispersion
    if own.estimator != "fixed":
        return own.value, _SOURCES[own.estimator]
    return (fit.pearson / fit.df_residual if fit.df_residual > 0 else nan), "Pearson / df"
