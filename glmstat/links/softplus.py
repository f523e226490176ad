"""The link of a smooth positive mean: straight where the mean is large, logarithmic where it is small."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from glmstat.array import TINY, namespace, quiet
from glmstat.links.base import Link, log_complement_exp

__all__ = ["Softplus"]

_LOW = -30.0  # below, mu = exp(eta) - exp(2 eta)/2 to a double


@dataclass(frozen=True)
class Softplus(Link):
    """The mean is log(1 + exp(eta)): eta = log(exp(mu) - 1), near mu for large means, near log(mu) for small.

    >>> round(float(Softplus().mean(0.0)), 12)
    0.69314718056
    """

    name = "softplus"
    means = (0.0, inf)

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return mu + log(1 - exp(-mu))."""
        return mu + log_complement_exp(-mu)

    @quiet
    def mean(self, eta: Any) -> Any:
        """Return log(1 + exp(eta)), at least the smallest normal double."""
        xp = namespace(eta)
        right = eta > 0
        small = xp.exp(xp.where(right, -eta, eta))
        return xp.clip(xp.where(right, eta, 0.0) + xp.log1p(small), TINY, None)

    @quiet
    def derivative(self, eta: Any) -> Any:
        """Return 1 / (1 + exp(-eta))."""
        return _sigmoid(eta)

    def second_derivative(self, eta: Any) -> Any:
        """Return the slope of the logistic function."""
        return _sigmoid(eta) * _sigmoid(-eta)

    @quiet
    def log_mean(self, eta: Any) -> Any:
        """Return log(log(1 + exp(eta)))."""
        xp = namespace(eta)
        low = eta < _LOW
        return xp.where(low, eta - 0.5 * _low_exp(eta), xp.log(self.mean(xp.where(low, 0.0, eta))))

    @quiet
    def relative(self, eta: Any) -> tuple[Any, Any]:
        """Return mu'/mu, which is 1 where mu underflows, and mu''/mu' = 1 / (1 + exp(eta))."""
        xp = namespace(eta)
        low = eta < _LOW
        inner = xp.where(low, 0.0, eta)
        rise = xp.where(low, 1.0 - 0.5 * _low_exp(eta), _sigmoid(inner) / self.mean(inner))
        return rise, _sigmoid(-eta)


def _low_exp(eta: Any) -> Any:
    """Return exp(eta) where it is used, finite elsewhere."""
    xp = namespace(eta)
    return xp.exp(xp.clip(eta, None, _LOW))


def _sigmoid(eta: Any) -> Any:
    """1 / (1 + exp(-eta)), to full relative accuracy at both ends."""
    xp = namespace(eta)
    right = eta > 0
    small = xp.exp(xp.where(right, -eta, eta))
    return xp.where(right, 1.0, small) / (1.0 + small)
