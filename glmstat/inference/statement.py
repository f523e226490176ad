"""Refusal of what a fit's statement does not cover."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from glmstat.errors import ArgumentError, ComparisonError, NetworkWarning, one_of, outside

if TYPE_CHECKING:
    from glmstat.call import Covariance
    from glmstat.fit import Fit
    from glmstat.statement import Statement

__all__ = [
    "check_covered",
    "compared_within",
    "need_covariance",
    "need_effects",
    "need_errors",
    "need_likelihood",
    "need_moments",
    "need_neighbours",
    "need_tests",
    "ratio_note",
]


def need_likelihood(fit: Fit, what: str, *of: str) -> None:
    """Refuse `what` where the coefficients are not at the maximum of a likelihood in them alone.

    Parameters
    ----------
    of : what it rests on, as `Statement.holds` names it; any of several will do.

    Raises
    ------
    ComparisonError : the reason, and what to use instead.
    """
    statement = fit.spec.statement
    if statement is not None and not set(of) & set(statement.holds):
        raise _refusal(statement, what, "hold")


def need_tests(fit: Fit, what: str) -> None:
    """Refuse `what` where the covariance is not that of the coefficients.

    Raises
    ------
    ComparisonError : the reason, and the valid call.
    """
    statement = fit.spec.statement
    if statement is not None and not statement.tests:
        raise _refusal(statement, what, "hold")


def need_errors(fit: Fit, what: str) -> None:
    """Refuse `what` where no covariance of the coefficients was asked for.

    Raises
    ------
    ComparisonError : the reason, and the valid call.
    """
    statement = fit.spec.statement
    if statement is not None and not statement.covariances:
        raise _refusal(statement, what, "exist")


def compared_within(fit: Fit) -> bool:
    """Return whether what was made least holds a penalty made of the columns of the fit.

    Such numbers of two fits differ by their penalties too: smaller models are fitted within the larger.
    """
    return getattr(fit.spec.estimator, "of_columns", False)


def need_neighbours(fit: Fit, what: str) -> None:
    """Refuse what compares fits of different columns, each with its own penalty.

    Raises
    ------
    ComparisonError : what to use instead.
    """
    if compared_within(fit):
        choice = "this estimator" if fit.spec.statement is None else fit.spec.statement.choice
        raise ComparisonError(
            f"{what} does not hold for {choice}: the penalties of models with other columns are not "
            "comparable. Fit the largest model and take its drop1() or anova()."
        )


def ratio_note(fit: Fit) -> tuple[str, ...]:
    """Return the line under tables of likelihood ratios of a fit, where these are no plain ones."""
    statement = fit.spec.statement
    return () if statement is None or not statement.ratio else (statement.ratio,)


def _refusal(statement: Statement, what: str, verb: str) -> ComparisonError:
    return ComparisonError(f"{what} does not {verb} for {statement.choice}: {statement.refused}")


def need_moments(fit: Fit) -> None:
    """Warn of errors of predictions of an output layer: they take the features as given.

    Warns
    -----
    NetworkWarning : the reason, and the valid call.
    """
    statement = fit.spec.statement
    if statement is not None and not statement.tests and statement.interval == "Wald":
        warnings.warn(
            "Errors of predictions by an output layer alone are too small: its features were learned. "
            'Use predict(interval="confidence") of the fit of rglm.',
            NetworkWarning,
            stacklevel=outside(),
        )


def need_effects(fit: Fit, what: str, instead: str) -> None:
    """Refuse what would need absorbed effects as columns: their covariance, and the leverage of rows.

    Raises
    ------
    ArgumentError : the fit has absorbed effects.
    """
    if fit.spec.design.absorbed:
        names = " + ".join(factor.text for factor in fit.spec.design.absorbed)
        raise ArgumentError(
            f"{what}: not defined beside the absorbed {names}, whose effects are no columns. {instead}"
        )


def need_covariance(fit: Fit, covariance: Covariance) -> None:
    """Refuse a covariance that the statement does not cover.

    Raises
    ------
    ArgumentError : the kinds that hold.
    """
    if fit.spec.statement is not None:
        check_covered(fit.spec.statement, covariance)


def check_covered(statement: Statement, covariance: Covariance) -> None:
    """Refuse a covariance that a statement does not cover; errors as `need_covariance`."""
    kind = covariance.kind
    if kind in statement.covariances and covariance.information == "expected":
        return
    if kind in statement.covariances:
        kind = f"{kind}, observed information"
    known = one_of(statement.covariances) or "none holds"
    raise ArgumentError(f'vcov "{kind}" does not hold for {statement.choice}. Known: {known}.')
