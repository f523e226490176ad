"""Families made of the user's own functions; the deviance is integrated from the variance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cosh, exp, isfinite, nan, pi, sinh
from typing import Any, TypeAlias

import numpy as np

from glmstat.array import EPSILON, Array, namespace, quiet
from glmstat.families.base import Family, Interval
from glmstat.families.variance import Information, Slopes
from glmstat.links import Link
from glmstat.links.custom import call_vectorised

__all__ = ["Custom", "FreeVariance", "nudged"]

Function: TypeAlias = Callable[[Any], Any]
Density: TypeAlias = Callable[[Any, Any, float], Any]

REAL = Interval()
TRIAL = np.array([0.25, 0.5, 0.625])


def _nodes(step: float = 0.1, reach: float = 3.6) -> tuple[tuple[float, float], ...]:
    """Places and weights of tanh-sinh quadrature on (0, 1), where both ends may be singular."""
    count = round(reach / step)
    found = []
    for k in range(-count, count + 1):
        u = k * step
        ratio = exp(pi * sinh(u))
        found.append((ratio / (1.0 + ratio), step * pi * cosh(u) * ratio / (1.0 + ratio) ** 2))
    return tuple(found)


NODES = _nodes()


@dataclass(frozen=True)
class FreeVariance:
    """A variance function given as a callable of the mean."""

    function: Function
    domain: Interval

    def canonical(self, link: Link) -> bool:
        """Return False: unknown."""
        return False

    def concave(self, link: Link) -> bool:
        """Return False: unknown."""
        return False

    def value(self, mu: Any) -> Any:
        """Return V(mu)."""
        return self.function(mu)

    def derivative(self, mu: Any) -> Any:
        """Return V'(mu) by central differences that stay inside the domain."""
        xp = namespace(mu)
        size = xp.clip(xp.abs(mu), 1e-3, None)
        for room in (mu - self.domain.low, self.domain.high - mu):
            size = xp.where(room < size, room, size)
        step = EPSILON ** (1 / 3) * size
        return (self.function(mu + step) - self.function(mu - step)) / (2.0 * step)

    def unit_deviance(self, y: Any, mu: Any) -> Any:
        """Return twice the integral of (y - t)/V(t) from mu to y, by quadrature."""
        difference = mu - y
        total = 0.0
        for place, weight in NODES:
            total = total + weight * place / self.function(y + place * difference)
        return namespace(mu).where(difference == 0, 0.0, 2.0 * difference * difference * total)

    def deviance(self, y: Any, eta: Any, link: Link) -> Any:
        """Return the unit deviance at the link's mean."""
        return self.unit_deviance(y, link.mean(eta))

    def residual(self, y: Any, eta: Any, link: Link) -> Any:
        """Return y - mu."""
        return y - link.mean(eta)

    def pearson(self, y: Any, eta: Any, link: Link) -> Any:
        """Return (y - mu)**2 / V(mu)."""
        mu = link.mean(eta)
        return (y - mu) ** 2 / self.function(mu)

    def slopes(self, y: Any, eta: Any, link: Link, information: Information) -> Slopes:
        """Return objective, gradient and information in eta."""
        mu, slope = link.mean(eta), link.derivative(eta)
        variance = self.function(mu)
        difference = y - mu
        expected = slope * slope / variance
        observed = None
        if information in ("observed", "both"):
            drift = difference * self.derivative(mu) / variance
            observed = expected * (1.0 + drift) - difference * link.second_derivative(eta) / variance
        return Slopes(
            -0.5 * self.unit_deviance(y, mu),
            difference * slope / variance,
            expected if information in ("expected", "both") else None,
            observed,
        )


def nudged(y: Any, domain: Interval) -> Any:
    """Return the responses moved off the ends of their domain."""
    xp = namespace(y)
    if isfinite(domain.low) and isfinite(domain.high):
        margin = 1e-3 * (domain.high - domain.low)
        return xp.clip(y, domain.low + margin, domain.high - margin)
    if isfinite(domain.low):
        return xp.where(y <= domain.low, domain.low + 0.1, y)
    if isfinite(domain.high):
        return xp.where(y >= domain.high, domain.high - 0.1, y)
    return y


@dataclass(frozen=True, init=False)
class Custom(Family):
    """A family given by its variance function.

    Estimates, deviance, residuals and tests need no more; a density adds log-likelihood and AIC.

    Parameters
    ----------
    name : word for messages and the summary.
    variance : V(mu), a function of arrays.
    link : link function, a name or an instance.
    density : log density, a function of (y, mu, dispersion) with arrays y and mu. It must belong to the
        variance: its change in mu is minus that of the deviance / (2 dispersion).
    domain : the values that the response may take.
    dispersion : the dispersion where it is known; None estimates it.

    Raises
    ------
    ArgumentError : the variance function is not vectorised.

    >>> square = Custom("square", lambda mu: mu**2, "log", domain=Interval(0.0))
    >>> square.unit_deviance(np.array([2.0]), np.array([1.0])).round(6)
    array([0.613706])
    """

    name: str
    law: Function
    link: Link
    density: Density | None
    domain: Interval
    dispersion: float | None

    def __init__(
        self,
        name: str,
        variance: Function,
        link: Link | str,
        density: Density | None = None,
        *,
        domain: Interval = REAL,
        dispersion: float | None = None,
    ) -> None:
        call_vectorised(variance, TRIAL, f"the variance of family '{name}'")
        fields = {
            "name": name,
            "law": variance,
            "kernel": FreeVariance(variance, domain),
            "link": link,
            "density": density,
            "domain": domain,
            "dispersion": dispersion,
        }
        for word, value in fields.items():
            object.__setattr__(self, word, value)
        super().__post_init__()

    @property
    def title(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """First words of the summary."""
        return f"{self.name.capitalize()} regression"

    @property
    def user_defined(self) -> bool:
        """True: a saved fit cannot hold the functions."""
        return True

    @property
    def has_likelihood(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether a density was given."""
        return self.density is not None

    @property
    def counts_dispersion(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """1 where the dispersion is estimated and a density was given."""
        return int(self.dispersion is None and self.has_likelihood)

    def start(self, y: Any, weights: Any) -> Any:
        """Return the responses, moved off the ends of the domain."""
        return nudged(y, self.domain)

    @quiet
    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return weight times the log density at mean y, by way of a mean inside the domain."""
        if self.density is None:
            return np.full(len(y), nan)
        mu = nudged(y, self.domain)
        at_mean = np.asarray(self.density(y, mu, dispersion), dtype=np.float64)
        return weights * (at_mean + self.unit_deviance(y, mu) / (2.0 * dispersion))

    def loglik_dispersion(self, deviance: float, rows: float, weight: float) -> float:
        """Return the known dispersion, else deviance / sum of weights."""
        return deviance / weight if self.dispersion is None else self.dispersion
