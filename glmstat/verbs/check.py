"""The verbs that hold a fit's assumptions, and its numbers, against its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.inference.check.verb import Checks
    from glmstat.inference.overdispersion.verb import Overdispersion
    from glmstat.inference.verify.certificate import Certificate

__all__ = ["check", "overdispersion", "verify"]


def check(self: Fit, data: Any = None) -> Checks:
    """Return what the rows say of the assumptions of a gaussian fit with identity link.

    Collinearity (generalised variance inflation and condition number), equal variance (Breusch-Pagan,
    studentised), independence (Durbin-Watson, rows in the order of the data) and normal errors (Jarque-Bera).
    Prior weights are in the residuals, frequencies count as repetition.

    Parameters
    ----------
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Table with a row for each check: statistic, df, p_value, NaN where there is none; below it a line on each
    assumption. `inflation` has all terms, `doubtful` the assumptions that the numbers speak against.

    Raises
    ------
    ArgumentError : another family or link.
    ComparisonError : sampling weights.
    """
    from glmstat.inference.check.verb import check

    return check(self, data)


def overdispersion(self: Fit, *, alternative: str = "greater", data: Any = None) -> Overdispersion:
    """Return tests of whether counts, or shares of trials, vary more than their family says.

    Pearson's chi-squared and the deviance over their degrees of freedom; score tests against a quadratic and
    a proportional variance (Dean 1992; for shares Tarone 1979), which allow for estimated coefficients,
    weights and offsets; for Poisson counts the regressions of Cameron and Trivedi (1990). Of quasi families
    Pearson's alone. Where theta of a negative binomial was estimated, from the same counts, there are the
    ratios without p-values.

    Parameters
    ----------
    alternative : "greater" (overdispersed), "less" or "two-sided".
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Table with a row for each test: statistic, df (of chi-squared; none for z), p_value, estimate of the
    parameter that the row names. `verdict` at 5 % ("not tested" where theta was estimated), `ratio`
    Pearson's; the lines below say what to do.

    Raises
    ------
    ArgumentError : a family whose dispersion is a parameter of its own; a mean at its bound; a prior.
    ComparisonError : sampling weights, single trials, no residual degrees of freedom.
    """
    from glmstat.inference.overdispersion.verb import overdispersion

    return overdispersion(self, alternative=alternative, data=data)


def verify(self: Fit, *, data: Any = None) -> Certificate:
    """Return a numerical certificate of the fit, which prints.

    The score is summed anew from the rows, and a second solver that shares no step with the first
    (iteratively reweighted least squares by QR of the rows, from the family's start) goes to the maximum
    again. Its cost is that of about ten fits; nothing is kept.

    Parameters
    ----------
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Certificate: `verified`, `verdict` in one line, `objections`; for each coefficient `digits` in which both
    solvers agree, `apart` in standard errors, relative score, `trusted` digits after rounding of the data;
    `decrement`, `condition`, agreement of deviance and standard errors, steps and rows read.

    Raises
    ------
    ArgumentError : absorbed effects, several predictors.
    ComparisonError : coefficients that solve no score that is known here: output layers of networks, theta by
        moments.
    """
    from glmstat.inference.verify.verb import verify

    return verify(self, data)
