"""Quasi-likelihoods: estimates and tests from a mean and a variance, without a distribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any

from glmstat.errors import ArgumentError, near, one_of
from glmstat.families.base import Family, Interval
from glmstat.families.count import COUNT_LINKS, COUNTS, PROBABILITY, PROBABILITY_LINKS
from glmstat.families.count_variance import BinomialVariance
from glmstat.families.custom import TRIAL, FreeVariance, mapped, nudged
from glmstat.families.power_variance import PowerVariance
from glmstat.families.variance import Variance
from glmstat.links import Link, Log, Logit, as_link
from glmstat.links.custom import call_vectorised

__all__ = ["Quasi", "QuasiBinomial", "QuasiPoisson"]

VARIANCES: Mapping[str, tuple[Variance, Interval]] = {
    "constant": (PowerVariance(0.0), Interval()),
    "mu": (PowerVariance(1.0), COUNTS),
    "mu^2": (PowerVariance(2.0), COUNTS),
    "mu^3": (PowerVariance(3.0), Interval(0.0, inf)),
    "mu(1-mu)": (BinomialVariance(), PROBABILITY),
}


@dataclass(frozen=True, init=False)
class Quasi(Family):
    """Quasi-likelihood of a variance function; the identity link by default, as in R.

    Parameters
    ----------
    variance : "constant", "mu", "mu^2", "mu^3", "mu(1-mu)", or a function of arrays.
    link : link function; every link is allowed.
    domain : the values that the response may take; by default those of the word, or what the link maps.

    Raises
    ------
    ArgumentError : an unknown word, or a function that is not vectorised.

    >>> Quasi("mu^2", link="log").text
    'quasi(mu^2)'
    """

    law: str | Callable[[Any], Any]
    link: Link
    domain: Interval

    name = "quasi"
    has_likelihood = False

    def __init__(
        self,
        variance: str | Callable[[Any], Any] = "constant",
        link: Link | str = "identity",
        *,
        domain: Interval | None = None,
    ) -> None:
        kernel, natural = _resolve(variance, domain, link)
        ends = ((natural.low, natural.low_inclusive), (natural.high, natural.high_inclusive))
        fields = {
            "law": variance.replace(" ", "").replace("**", "^") if isinstance(variance, str) else variance,
            "link": link,
            "domain": natural,
            "kernel": kernel,
            "attainable": tuple(end for end, inclusive in ends if inclusive) if kernel in SEPARABLE else (),
        }
        for word, value in fields.items():
            object.__setattr__(self, word, value)
        super().__post_init__()

    @property
    def title(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """First words of the summary."""
        return f"Quasi-likelihood regression (variance {self._word})"

    @property
    def text(self) -> str:
        """Spelling that `family=` reads back; not for a variance given as a function."""
        return f"quasi({self._word})"

    @property
    def user_defined(self) -> bool:
        """Whether variance or link is the user's function."""
        return callable(self.law) or self.link.user_defined

    @property
    def _word(self) -> str:
        return self.law if isinstance(self.law, str) else getattr(self.law, "__name__", "function")

    def start(self, y: Any, weights: Any) -> Any:
        """Return the responses, moved off the ends of the domain."""
        return nudged(y, self.domain)

    def loglik_dispersion(self, deviance: float, rows: float, weight: float) -> float:
        """Return NaN: there is no likelihood."""
        return nan


SEPARABLE = (VARIANCES["mu"][0], VARIANCES["mu(1-mu)"][0])


def _resolve(
    variance: str | Callable[[Any], Any], domain: Interval | None, link: Link | str
) -> tuple[Variance, Interval]:
    if callable(variance):
        call_vectorised(variance, TRIAL, "the variance of family 'quasi'")
        natural = domain or mapped(as_link(link))
        return FreeVariance(variance, natural), natural
    word = str(variance).replace(" ", "").replace("**", "^")
    if word not in VARIANCES:
        raise ArgumentError(
            f"Unknown variance: {variance!r}. Known: {one_of(tuple(VARIANCES))}, or a function."
            f"{near(word, VARIANCES)}"
        )
    kernel, natural = VARIANCES[word]
    return kernel, domain or natural


@dataclass(frozen=True)
class QuasiBinomial(Family):
    """Proportions with variance phi mu (1 - mu) / weight; the logit link by default.

    >>> QuasiBinomial().dispersion is None
    True
    """

    link: Link = field(default=Logit(), kw_only=True)

    name = "quasibinomial"
    title = "Quasi-binomial regression"
    domain = PROBABILITY
    links = PROBABILITY_LINKS
    kernel = BinomialVariance()
    attainable = (0.0, 1.0)
    has_likelihood = False
    binary = True

    def start(self, y: Any, weights: Any) -> Any:
        """Return (successes + 1/2) / (trials + 1)."""
        return (weights * y + 0.5) / (weights + 1.0)

    def loglik_dispersion(self, deviance: float, rows: float, weight: float) -> float:
        """Return NaN: there is no likelihood."""
        return nan


@dataclass(frozen=True)
class QuasiPoisson(Family):
    """Non-negative response with variance phi mu / weight; the log link by default.

    >>> QuasiPoisson().has_likelihood
    False
    """

    link: Link = field(default=Log(), kw_only=True)

    name = "quasipoisson"
    title = "Quasi-Poisson regression"
    domain = COUNTS
    links = COUNT_LINKS
    kernel = PowerVariance(1.0)
    attainable = (0.0,)
    has_likelihood = False

    def start(self, y: Any, weights: Any) -> Any:
        """Return y + 0.1."""
        return y + 0.1

    def loglik_dispersion(self, deviance: float, rows: float, weight: float) -> float:
        """Return NaN: there is no likelihood."""
        return nan
