"""Links that are a power of the mean, with the logarithm as their limit."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite
from typing import Any

from glmstat.array import TINY, namespace, quiet
from glmstat.errors import ArgumentError
from glmstat.links.base import Link, Side, Tails, log_complement_exp

__all__ = ["Identity", "Inverse", "InverseSquared", "Log", "Power", "Sqrt"]


def _power_ratios(exponent: float, eta: Any) -> tuple[Any, Any]:
    """mu'/mu and mu''/mu' of mu = eta ** exponent."""
    return exponent / eta, (exponent - 1.0) / eta


@dataclass(frozen=True)
class Identity(Link):
    """The predictor is the mean: eta = mu."""

    name = "identity"
    exponent = 1.0

    def eta(self, mu: Any) -> Any:
        """Return mu."""
        return mu

    def mean(self, eta: Any) -> Any:
        """Return eta."""
        return eta

    def derivative(self, eta: Any) -> Any:
        """Return ones."""
        return namespace(eta).ones_like(eta)

    def second_derivative(self, eta: Any) -> Any:
        """Return zeros."""
        return namespace(eta).zeros_like(eta)

    def relative(self, eta: Any) -> tuple[Any, Any]:
        """Return 1/eta and 0."""
        return _power_ratios(1.0, eta)

    def bounds(self, low: float, high: float) -> tuple[float, float]:
        """Return the interval itself."""
        return low, high


@dataclass(frozen=True)
class Log(Link):
    """The predictor is the logarithm of the mean: eta = log(mu)."""

    name = "log"
    means = (0.0, inf)
    exponent = 0.0

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return log(mu)."""
        return namespace(mu).log(mu)

    @quiet
    def mean(self, eta: Any) -> Any:
        """Return exp(eta), at least the smallest normal double."""
        xp = namespace(eta)
        return xp.clip(xp.exp(eta), TINY, None)

    @quiet
    def derivative(self, eta: Any) -> Any:
        """Return exp(eta)."""
        return namespace(eta).exp(eta)

    @quiet
    def second_derivative(self, eta: Any) -> Any:
        """Return exp(eta)."""
        return namespace(eta).exp(eta)

    def log_mean(self, eta: Any) -> Any:
        """Return eta."""
        return eta

    def relative(self, eta: Any) -> tuple[Any, Any]:
        """Return 1 and 1."""
        return 1.0, 1.0

    @quiet
    def tails(self, eta: Any) -> Tails:
        """Return mean and complement of a log-binomial model, eta < 0."""
        xp = namespace(eta)
        mean, rest = xp.exp(eta), -xp.expm1(eta)
        odds = mean / rest
        return Tails(Side(mean, eta, 1.0, 0.0), Side(rest, log_complement_exp(eta), odds, odds / rest))


@dataclass(frozen=True)
class Sqrt(Link):
    """The predictor is the square root of the mean, eta > 0."""

    name = "sqrt"
    means = (0.0, inf)
    exponent = 0.5

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return the root of mu."""
        return namespace(mu).sqrt(mu)

    def mean(self, eta: Any) -> Any:
        """Return eta squared."""
        return eta * eta

    def derivative(self, eta: Any) -> Any:
        """Return 2 eta."""
        return 2.0 * eta

    def second_derivative(self, eta: Any) -> Any:
        """Return twos."""
        return 2.0 * namespace(eta).ones_like(eta)

    @quiet
    def log_mean(self, eta: Any) -> Any:
        """Return 2 log(eta)."""
        return 2.0 * namespace(eta).log(eta)

    def relative(self, eta: Any) -> tuple[Any, Any]:
        """Return 2/eta and 1/eta."""
        return _power_ratios(2.0, eta)


@dataclass(frozen=True)
class Inverse(Link):
    """The predictor is the reciprocal of the mean: eta = 1/mu, falling in mu."""

    name = "inverse"
    exponent = -1.0

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return 1/mu."""
        return 1.0 / mu

    @quiet
    def mean(self, eta: Any) -> Any:
        """Return 1/eta."""
        return 1.0 / eta

    @quiet
    def derivative(self, eta: Any) -> Any:
        """Return -1/eta**2."""
        return -1.0 / (eta * eta)

    @quiet
    def second_derivative(self, eta: Any) -> Any:
        """Return 2/eta**3."""
        return 2.0 / (eta * eta * eta)

    @quiet
    def log_mean(self, eta: Any) -> Any:
        """Return -log(eta)."""
        return -namespace(eta).log(eta)

    def relative(self, eta: Any) -> tuple[Any, Any]:
        """Return -1/eta and -2/eta."""
        return _power_ratios(-1.0, eta)

    def bounds(self, low: float, high: float) -> tuple[float, float]:
        """Return eta > 0 for positive means; means of both signs leave it unbounded."""
        if low < 0.0 < high:
            return -inf, inf
        return 1.0 / high, (1.0 / low if low else inf)


@dataclass(frozen=True)
class InverseSquared(Link):
    """The predictor is the reciprocal of the squared mean: eta = 1/mu**2, falling in mu."""

    name = "inverse_squared"
    means = (0.0, inf)
    exponent = -2.0

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return 1/mu**2."""
        return 1.0 / (mu * mu)

    @quiet
    def mean(self, eta: Any) -> Any:
        """Return eta ** (-1/2)."""
        return 1.0 / namespace(eta).sqrt(eta)

    @quiet
    def derivative(self, eta: Any) -> Any:
        """Return -eta ** (-3/2) / 2."""
        return -0.5 / (eta * namespace(eta).sqrt(eta))

    @quiet
    def second_derivative(self, eta: Any) -> Any:
        """Return 3/4 eta ** (-5/2)."""
        return 0.75 / (eta * eta * namespace(eta).sqrt(eta))

    @quiet
    def log_mean(self, eta: Any) -> Any:
        """Return -log(eta)/2."""
        return -0.5 * namespace(eta).log(eta)

    def relative(self, eta: Any) -> tuple[Any, Any]:
        """Return -1/(2 eta) and -3/(2 eta)."""
        return _power_ratios(-0.5, eta)


@dataclass(frozen=True)
class Power(Link):
    """The predictor is a power of the mean: eta = mu ** k, eta > 0.

    Parameters
    ----------
    k : exponent, not 0 (that limit is the log link).

    Raises
    ------
    ArgumentError : k is 0 or not finite.

    >>> Power(1 / 3).text
    'power(1/3)'
    """

    k: float

    name = "power"
    means = (0.0, inf)

    def __post_init__(self) -> None:
        if not isfinite(self.k) or self.k == 0:
            raise ArgumentError(f'power(k) needs a finite k that is not 0: {self.k!r}. Use "log" for k = 0.')

    @property
    def exponent(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The power k."""
        return float(self.k)

    @property
    def text(self) -> str:
        """Spelling that `link=` reads back, as a fraction where that is exact."""
        fraction = Fraction(self.k).limit_denominator(1000)
        return f"power({fraction if float(fraction) == self.k else repr(float(self.k))})"

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return mu ** k."""
        return mu**self.k

    @quiet
    def mean(self, eta: Any) -> Any:
        """Return eta ** (1/k)."""
        return eta ** (1.0 / self.k)

    @quiet
    def derivative(self, eta: Any) -> Any:
        """Return eta ** (1/k - 1) / k."""
        return eta ** (1.0 / self.k - 1.0) / self.k

    @quiet
    def second_derivative(self, eta: Any) -> Any:
        """Return (1/k - 1) eta ** (1/k - 2) / k."""
        return (1.0 / self.k - 1.0) / self.k * eta ** (1.0 / self.k - 2.0)

    @quiet
    def log_mean(self, eta: Any) -> Any:
        """Return log(eta)/k."""
        return namespace(eta).log(eta) / self.k

    def relative(self, eta: Any) -> tuple[Any, Any]:
        """Return 1/(k eta) and (1/k - 1)/eta."""
        return _power_ratios(1.0 / self.k, eta)
