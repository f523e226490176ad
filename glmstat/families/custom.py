"""Families made of the user's own functions; the deviance is integrated from the variance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import cosh, exp, isfinite, nan, pi, sinh
from typing import Any, TypeAlias

import numpy as np

from glmstat.array import EPSILON, Array, namespace, quiet
from glmstat.errors import ArgumentError
from glmstat.families.base import Family, Interval
from glmstat.families.variance import Information, Slopes
from glmstat.links import Link, as_link
from glmstat.links.custom import call_vectorised

__all__ = ["Custom", "FreeVariance", "mapped", "nudged"]

Function: TypeAlias = Callable[[Any], Any]
Density: TypeAlias = Callable[[Any, Any, float], Any]

TRIAL = np.array([0.25, 0.5, 0.625])


@lru_cache(maxsize=1)
def _inner_nodes() -> tuple[tuple[float, float], ...]:
    """Places and weights of Gauss-Legendre quadrature on (0, 1)."""
    places, weights = np.polynomial.legendre.leggauss(48)
    return tuple(zip((0.5 + 0.5 * places).tolist(), (0.5 * weights).tolist(), strict=True))


@lru_cache(maxsize=1)
def _edge_nodes(step: float = 0.05, reach: float = 3.6) -> tuple[tuple[float, float], ...]:
    """Places and weights of tanh-sinh quadrature on (0, 1), where the lower end may be singular."""
    count = round(reach / step)
    ratios = [(k * step, exp(pi * sinh(k * step))) for k in range(-count, count + 1)]
    return tuple((r / (1.0 + r), step * pi * cosh(u) * r / (1.0 + r) ** 2) for u, r in ratios)


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

    def growth(self, eta: Any, link: Link) -> Any:
        """Return V'(mu) mu' / V(mu)."""
        mu = link.mean(eta)
        return self.derivative(mu) * link.derivative(eta) / self.function(mu)

    def unit_deviance(self, y: Any, mu: Any) -> Any:
        """Return twice the integral of (y - t)/V(t) from mu to y, by quadrature."""
        edge = (y <= self.domain.low) | (y >= self.domain.high)
        if not bool(edge.any()):
            return self._from_inside(y, mu)
        if bool(edge.all()):
            return self._from_edge(y, mu)
        total = y + mu
        total[edge] = self._from_edge(y[edge], mu[edge])
        total[~edge] = self._from_inside(y[~edge], mu[~edge])
        return total

    def _from_edge(self, y: Any, mu: Any) -> Any:
        difference = mu - y
        total = 0.0
        for place, weight in _edge_nodes():
            variance = self.function(y + place * difference)
            total = total + namespace(mu).where(variance > 0, weight * place / variance, 0.0)
        return 2.0 * difference * difference * total

    def _from_inside(self, y: Any, mu: Any) -> Any:
        """Integrate along s, where t - y = move(s), so that edges of the domain are infinitely far."""
        length, path = _path(y, mu, self.domain)
        total = 0.0
        for place, weight in _inner_nodes():
            move, speed = path(place * length)
            total = total + weight * move * speed / self.function(y + move)
        return 2.0 * length * total

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


Path: TypeAlias = Callable[[Any], tuple[Any, Any]]


def _path(y: Any, mu: Any, domain: Interval) -> tuple[Any, Path]:
    """Length of the way from y to mu and, at s along it, the distance t - y and the speed dt/ds."""
    xp = namespace(mu)
    below, above = y - domain.low, domain.high - y
    if isfinite(domain.low) and isfinite(domain.high):
        share = below / (domain.high - domain.low)

        def logistic(s: Any) -> tuple[Any, Any]:
            growth = xp.expm1(s)
            scale = 1.0 / (1.0 + share * growth)
            return below * (1.0 - share) * growth * scale, below * (1.0 - share) * (
                1.0 + growth
            ) * scale * scale

        return xp.log1p((mu - y) / below) - xp.log1p((y - mu) / above), logistic
    if isfinite(domain.low):
        return xp.log1p((mu - y) / below), lambda s: (below * xp.expm1(s), below * xp.exp(s))
    if isfinite(domain.high):
        return -xp.log1p((y - mu) / above), lambda s: (-above * xp.expm1(-s), above * xp.exp(-s))
    return mu - y, lambda s: (s, 1.0)


def mapped(link: Link) -> Interval:
    """Return the means that a link maps, finite ends included, as the domain of a response."""
    low, high = link.means
    return Interval(low, high, isfinite(low), isfinite(high))


def _check_positive(name: str, variance: Function, domain: Interval) -> None:
    """Refuse a variance that is not positive at means inside the domain."""
    means = nudged(np.array([0.01, 0.1, 0.5, 1.0, 2.0, 10.0]), domain)
    values = np.asarray(variance(means), dtype=np.float64)
    bad = np.flatnonzero(~(values > 0))
    if len(bad):
        raise ArgumentError(
            f"The variance of family '{name}' must be > 0: it is {values[bad[0]]:.6g} at mean "
            f"{means[bad[0]]:.6g}. Correct the function, or give its domain=."
        )


def _attainable(variance: Function, domain: Interval) -> tuple[float, ...]:
    """Ends 0 and 1 of the domain that a mean can approach while the deviance of y there stays finite.

    So where the variance vanishes at the end like a power p of the distance, 1 <= p < 2: then the
    deviance of every other response grows without bound.
    """
    found = []
    for end, inside, inclusive in (
        (domain.low, 1.0, domain.low_inclusive),
        (domain.high, -1.0, domain.high_inclusive),
    ):
        if not inclusive or end not in (0.0, 1.0):
            continue
        near, nearer = variance(end + inside * np.array([1e-6, 1e-8]))
        power = np.log(near / nearer) / np.log(1e2) if nearer > 0 else 0.0
        if 0.99 <= power < 1.99:
            found.append(end)
    return tuple(found)


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
    domain : the values that the response may take; by default what the link maps, ends included.
    dispersion : the dispersion where it is known; None estimates it.

    Raises
    ------
    ArgumentError : the variance function is not vectorised, or not positive inside the domain.

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
        domain: Interval | None = None,
        dispersion: float | None = None,
    ) -> None:
        call_vectorised(variance, TRIAL, f"the variance of family '{name}'")
        natural = mapped(as_link(link)) if domain is None else domain
        _check_positive(name, variance, natural)
        fields = {
            "name": name,
            "law": variance,
            "kernel": FreeVariance(variance, natural),
            "link": link,
            "density": density,
            "domain": natural,
            "dispersion": dispersion,
            "attainable": _attainable(variance, natural),
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
