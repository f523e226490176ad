"""What the table of a bias-reduced fit says."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

from glmstat.estimate import Estimate
from glmstat.statement import Statement

__all__ = ["statement"]

_TITLES = {
    "firth": "scores adjusted to reduce the mean bias (Firth)",
    "median_br": "scores adjusted to reduce the median bias",
    "jeffreys": "likelihood penalised by Jeffreys' prior, log|information| / 2",
}
_COVARIANCES = (
    *("classical", "HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5", "opg"),
    *("CR0", "CR1", "CR1S", "CR2", "CR3", "HAC", "NW", "DK", "bootstrap", "jackknife"),
)
_RATIO = "likelihood ratios and profiles: penalised by log|information| / 2 of all columns of the fit"
_WITHOUT = (
    "the estimates solve adjusted scores, which are the slope of no penalised likelihood. Use Wald tests and "
    'intervals or the bootstrap, or fit with method="jeffreys", whose likelihood ratios are penalised.'
)
_WITH = (
    'the scores themselves are not 0 at the estimates. Use penalised likelihood ratios (method="lr", '
    'confint(method="profile")) or Wald.'
)
_NO_ROOT = "no standard errors, tests or likelihood: these coefficients solve nothing"
_FAILED = (
    "the solver has not converged. Give start= or Control(max_iterations=), or take another link or a prior."
)


def statement(method: str, estimate: Estimate, *, ratio: bool, unit: bool) -> Statement:
    """Return the statement of a bias-reduced fit.

    Parameters
    ----------
    ratio : whether there is a penalised likelihood.
    unit : whether the scores were adjusted for dispersion 1.
    """
    argument = f'method="{method}"'
    if estimate.convergence.status == "not converged":
        return Statement(
            method, _TITLES[method], (_NO_ROOT,), _COVARIANCES, argument=argument, refused=_FAILED
        )
    holds = ("loglik", "criteria", "goodness", "bootstrap")
    return Statement(
        method,
        _TITLES[method],
        lines=tuple(_lines(estimate, ratio=ratio, unit=unit)),
        covariances=_COVARIANCES,
        refused=_WITH if ratio else _WITHOUT,
        argument=argument,
        holds=("ratio", *holds) if ratio else holds,
        ratio=_RATIO if ratio else "",
    )


def _lines(estimate: Estimate, *, ratio: bool, unit: bool) -> Iterator[str]:
    how = estimate.dispersion.estimator
    if ratio:
        yield _RATIO
    if unit and how != "fixed":
        yield "scores adjusted as for dispersion 1: the dispersion scales standard errors and tests alone"
    elif not unit and how != "adjusted":
        yield "scores adjusted at this dispersion" + ("" if how == "given" else ", estimated along with them")
    if not isnan(estimate.loglik) and not (unit and how != "fixed"):
        yield "loglik, AIC and BIC: of the likelihood without penalty, at these estimates"
