"""Families of counts and proportions: binomial, Poisson, negative binomial."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite, nan, pi
from typing import Any

import numpy as np

from glmstat.array import Array, quiet, stirling_error
from glmstat.errors import ArgumentError
from glmstat.families.base import Family, Interval, on_counts
from glmstat.families.continuous import short
from glmstat.families.count_variance import BinomialVariance, NegativeBinomialVariance
from glmstat.families.power_variance import PowerVariance
from glmstat.links import Link, Log, Logit

__all__ = ["Binomial", "NegativeBinomial", "Poisson"]

PROBABILITY = Interval(0.0, 1.0, low_inclusive=True, high_inclusive=True)
COUNTS = Interval(0.0, inf, low_inclusive=True)
COUNT_LINKS = ("log", "identity", "sqrt", "power", "softplus")
PROBABILITY_LINKS = (
    "logit", "probit", "cauchit", "cloglog", "loglog", "log", "log_complement", "identity", "atanh",
)  # fmt: skip


@dataclass(frozen=True)
class Binomial(Family):
    """Proportion of successes with the number of trials as weight; the logit link by default.

    >>> from glmstat.links import CLogLog
    >>> Binomial(link=CLogLog()).link.name
    'cloglog'
    """

    link: Link = field(default=Logit(), kw_only=True)

    name = "binomial"
    title = "Binomial regression"
    domain = PROBABILITY
    links = PROBABILITY_LINKS
    kernel = BinomialVariance()
    dispersion = 1.0
    attainable = (0.0, 1.0)
    binary = True

    def start(self, y: Any, weights: Any) -> Any:
        """Return (successes + 1/2) / (trials + 1)."""
        return (weights * y + 0.5) / (weights + 1.0)

    @quiet
    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return the log probability of round(weight y) successes in round(weight) trials at mean y.

        Where these are not whole the coefficient is that of the rounded numbers, as in R; the powers
        of y and 1 - y keep the weight.
        """
        if ((y == 0.0) | (y == 1.0)).all():
            return np.zeros(len(y))
        trials, successes = np.rint(weights), np.rint(weights * y)
        failures = trials - successes
        inner = (successes > 0) & (failures > 0)
        errors = on_counts(stirling_error, trials) - on_counts(stirling_error, successes)
        spread = np.log(trials / (2.0 * pi * successes * failures))
        whole = np.where(inner, errors - on_counts(stirling_error, failures) + 0.5 * spread, 0.0)
        if (np.abs(weights * y - successes) < 1e-9 * (1.0 + weights)).all():
            return whole
        return whole + weights * _entropy(y) - trials * _entropy(successes / np.maximum(trials, 1.0))

    def simulate(self, rng: np.random.Generator, mu: Array, weights: Array, dispersion: float) -> Array:
        """Return proportions of successes in round(weight) trials."""
        trials = np.rint(weights).astype(np.int64)
        return rng.binomial(trials, mu) / np.maximum(trials, 1)

    def whole(self, y: Array, weights: Array) -> Array | None:
        """Return the numbers of successes."""
        return weights * y


def _entropy(p: Array) -> Array:
    q = 1.0 - p
    return p * np.log(np.where(p > 0, p, 1.0)) + q * np.log(np.where(q > 0, q, 1.0))


@dataclass(frozen=True)
class Poisson(Family):
    """Counts with variance equal to the mean; the log link by default.

    >>> Poisson().dispersion
    1.0
    """

    link: Link = field(default=Log(), kw_only=True)

    name = "poisson"
    title = "Poisson regression"
    domain = COUNTS
    links = COUNT_LINKS
    kernel = PowerVariance(1.0)
    dispersion = 1.0
    attainable = (0.0,)

    def start(self, y: Any, weights: Any) -> Any:
        """Return y + 0.1."""
        return y + 0.1

    @quiet
    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return weight times the log probability of y at mean y."""
        return weights * on_counts(_saturated_poisson, y)

    def simulate(self, rng: np.random.Generator, mu: Array, weights: Array, dispersion: float) -> Array:
        """Return Poisson draws; weights do not enter."""
        return rng.poisson(mu).astype(np.float64)

    def whole(self, y: Array, weights: Array) -> Array | None:
        """Return the counts."""
        return y


@quiet
def _saturated_poisson(y: Array) -> Array:
    return np.where(y > 0, -0.5 * np.log(2.0 * pi * y) - stirling_error(y), 0.0)


@dataclass(frozen=True)
class NegativeBinomial(Family):
    """Counts with variance mu + mu**2/theta; the log link by default.

    Parameters
    ----------
    theta : size, > 0; the Poisson family is its limit at infinity. None is estimated with the coefficients.
    link : link function.

    Raises
    ------
    ArgumentError : theta not positive or not finite.

    >>> NegativeBinomial(2).text
    'negative_binomial(2)'
    """

    theta: float | None = None
    link: Link = field(default=Log(), kw_only=True)

    name = "negative_binomial"
    domain = COUNTS
    links = COUNT_LINKS
    dispersion = 1.0
    attainable = (0.0,)

    def __post_init__(self) -> None:
        if self.theta is not None and not (self.theta > 0 and isfinite(self.theta)):
            raise ArgumentError(
                f"negative_binomial needs a finite theta > 0: {self.theta!r}. "
                "Its variance is mu + mu**2/theta."
            )
        super().__post_init__()
        theta = nan if self.theta is None else float(self.theta)
        object.__setattr__(self, "kernel", NegativeBinomialVariance(theta))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Whether theta is to be estimated."""
        return ("theta",) if self.theta is None else ()

    @property
    def title(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """First words of the summary."""
        known = "" if self.theta is None else f" (theta {self.theta:.6g})"
        return f"Negative binomial regression{known}"

    @property
    def text(self) -> str:
        """Spelling that `family=` reads back."""
        return "negative_binomial" if self.theta is None else f"negative_binomial({short(self.theta)})"

    def start(self, y: Any, weights: Any) -> Any:
        """Return the counts, 1/6 for zeros."""
        return y + (y == 0) / 6.0

    @quiet
    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return weight times the log probability of y at mean y."""
        return weights * on_counts(self._saturated, y)

    @quiet
    def _saturated(self, y: Array) -> Array:
        theta = nan if self.theta is None else float(self.theta)
        total = y + theta
        errors = stirling_error(total) - stirling_error(y) - stirling_error(np.float64(theta))
        spread = np.log(total / (2.0 * pi * theta * y))
        return np.where(y > 0, np.log(theta / total) + errors + 0.5 * spread, 0.0)

    def simulate(self, rng: np.random.Generator, mu: Array, weights: Array, dispersion: float) -> Array:
        """Return negative binomial draws; weights do not enter."""
        assert self.theta is not None
        return rng.negative_binomial(self.theta, self.theta / (self.theta + mu)).astype(np.float64)

    def whole(self, y: Array, weights: Array) -> Array | None:
        """Return the counts."""
        return y
