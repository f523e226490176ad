"""Verbs for a parameter of the family that was estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.inference.shape.boundary import PoissonTest

__all__ = ["given", "test_poisson"]


def given(self: Fit, name: str) -> Fit:
    """Return the same fit with an estimated parameter of the family taken as known from here on.

    No number of the fit changes but those that count parameters. Every refit, and so every likelihood ratio
    within it, holds the parameter, as R's anova of a glm.nb fit does; without this it is estimated in each
    model again.

    Parameters
    ----------
    name : of the parameter: "theta", "p".

    Raises
    ------
    ArgumentError : nothing of that name was estimated.

    >>> import glmstat
    >>> data = {"y": [0, 1, 0, 9, 2, 14, 3, 30], "x": [0, 0, 1, 1, 2, 2, 3, 3]}
    >>> fit = glmstat.negbin("y ~ x", data)
    >>> print(round(fit.test("x = 0", method="lr").tests[0].statistic, 3))
    4.206
    >>> print(round(fit.given("theta").test("x = 0", method="lr").tests[0].statistic, 3))
    5.614
    """
    from glmstat.inference.shape.given import given

    return given(self, name)


def test_poisson(self: Fit, data: Any = None) -> PoissonTest:
    """Return the likelihood ratio test of Poisson in a negative binomial fit with estimated theta.

    Under Poisson theta is infinite, at the end of its values: the statistic is 0 with probability a half,
    else chi-squared(1).

    Parameters
    ----------
    data : the data of the fit, where the fit holds none.

    Raises
    ------
    ArgumentError : theta was not estimated by maximum likelihood.
    ComparisonError : sampling weights.

    Source: Self & Liang (1987), Journal of the American Statistical Association 82.
    """
    from glmstat.inference.shape.boundary import poisson_test

    return poisson_test(self, data)
