"""The test of the Poisson distribution, theta infinite, within the negative binomial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, ComparisonError
from glmstat.inference.reference import chi_squared_p_value
from glmstat.inference.score import frame_of
from glmstat.text.layout import count
from glmstat.text.listing import Listing
from glmstat.text.number import p_text

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["PoissonTest", "poisson_test", "summary_line"]

_KEPT = "poisson loglik"
WORDS = "half chi-squared(0), half chi-squared(1)"


@dataclass(frozen=True, eq=False, repr=False)
class PoissonTest(Listing):
    """The likelihood ratio test of Poisson; theta is infinite there, at the end of its values."""

    @property
    def statistic(self) -> float:
        """Twice the difference of the log-likelihoods, >= 0."""
        return float(self["statistic"][0])

    @property
    def p_value(self) -> float:
        """Half the tail of chi-squared(1); 1 where the statistic is 0."""
        return float(self["p_value"][0])


def poisson_test(fit: Fit, data: Any = None) -> PoissonTest:
    """Return the likelihood ratio test of Poisson within a negative binomial fit with estimated theta.

    Under Poisson theta is infinite, at the end of its values: with probability a half the estimate lies
    there, and the statistic is 0; else it is chi-squared(1).

    Parameters
    ----------
    data : the data of the fit, where the fit holds none.

    Raises
    ------
    ArgumentError : theta was not estimated by maximum likelihood.
    ComparisonError : sampling weights.
    DataError : the fit holds no rows, and the Poisson fit was not made with it.

    Source: Self & Liang (1987), Journal of the American Statistical Association 82; Lawless (1987).

    >>> import glmstat
    >>> data = {"y": [0, 1, 0, 9, 2, 14, 3, 30], "x": [0, 0, 1, 1, 2, 2, 3, 3]}
    >>> print(poisson_test(glmstat.negbin("y ~ x", data)))
    Test of Poisson (theta infinite) · 8 rows
    y ~ x
    <BLANKLINE>
                      statistic  p_value
    likelihood ratio      30.59  1.6e-08
    <BLANKLINE>
    reference: half chi-squared(0), half chi-squared(1)
    """
    shape = fit.estimate.shape
    if shape is None or shape.name != "theta" or shape.estimator != "ml":
        raise ArgumentError(
            "The test of Poisson is that of a negative binomial fit with one theta, estimated by maximum "
            f"likelihood: {_otherwise(fit)}."
        )
    if fit.spec.call["sampling_weights"] is not None:
        raise ComparisonError(
            "The test of Poisson is not defined with sampling weights: rows are not independent draws."
        )
    statistic = max(2.0 * (fit.estimate.loglik - _poisson(fit, data)), 0.0)
    return PoissonTest(
        (f"Test of Poisson (theta infinite) · {count(fit.nobs, 'row')}", " ".join(fit.formula.split())),
        ("likelihood ratio",),
        {"statistic": [statistic], "p_value": [_p_value(statistic)]},
        (f"reference: {WORDS}",),
        fit.native,
        "test",
    )


def _otherwise(fit: Fit) -> str:
    """What a fit is instead, and what to do."""
    if fit.spec.call["predictors"]:
        return "this one has a formula for theta. Leave predictors= out"
    if fit.estimate.shape is not None and fit.estimate.shape.estimator == "moments":
        return 'this one estimates it by moments. Fit with method="ml"'
    return f'this is a fit of {fit.spec.family.text}. Fit with family="negative_binomial"'


def _p_value(statistic: float) -> float:
    return 0.5 * chi_squared_p_value(statistic, 1) if statistic > 0 else 1.0


def _known(fit: Fit) -> float | None:
    """The log-likelihood of the Poisson fit, where it was made."""
    shape = fit.estimate.shape
    assert shape is not None
    known = shape.numbers.get("poisson", fit.kept.get(_KEPT))
    return None if known is None else float(np.ravel(known)[0])


def _poisson(fit: Fit, data: Any) -> float:
    known = _known(fit)
    if known is not None:
        return known
    from glmstat.families import Poisson
    from glmstat.likelihood.base import GLM
    from glmstat.solve.estimate import fit_estimate

    rows = frame_of(fit, "The test of Poisson", data)
    likelihood = GLM(Poisson(link=fit.spec.likelihood.family.link))
    found = fit_estimate(rows, likelihood, control=fit.spec.control).loglik
    fit.kept[_KEPT] = np.array([found])
    fit.kept[_KEPT].flags.writeable = False
    return found


def summary_line(fit: Fit) -> Iterator[str]:
    """Yield the test in a few words, where the Poisson fit was made on the way."""
    shape = fit.estimate.shape
    if shape is None or shape.name != "theta" or shape.estimator != "ml":
        return
    known = _known(fit)
    if known is None or not isfinite(known) or fit.spec.call["sampling_weights"] is not None:
        return
    statistic = max(2.0 * (fit.estimate.loglik - known), 0.0)
    yield f"Poisson: LR {statistic:.2f}, p {_equals(p_text(_p_value(statistic)))}"


def _equals(text: str) -> str:
    return text if text.startswith("<") else f"= {text}"
