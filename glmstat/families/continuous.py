"""Families of continuous responses: Gaussian, gamma, inverse Gaussian, Tweedie."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite, nan, pi
from typing import Any

import numpy as np

from glmstat.array import Array, namespace, quiet, stirling_error
from glmstat.errors import ArgumentError
from glmstat.families.base import Family, Interval
from glmstat.families.power_variance import PowerVariance
from glmstat.families.tweedie_density import saturated
from glmstat.links import Identity, Inverse, InverseSquared, Link, Log

__all__ = ["Gamma", "Gaussian", "InverseGaussian", "Tweedie"]

POSITIVE = Interval(0.0, inf)
CLOSEST = 1.001  # power of Tweedie nearest to 1 with a likelihood: below, it is that of a law on multiples
_FAR = 1e4  # shape from which differences of digamma and logarithm lose digits
POWER_LINKS = ("identity", "log", "inverse", "inverse_squared", "sqrt", "power", "softplus")


@dataclass(frozen=True)
class Gaussian(Family):
    """Normal response, constant variance; the identity link by default.

    >>> Gaussian().link.name
    'identity'
    """

    link: Link = field(default=Identity(), kw_only=True)

    name = "gaussian"
    title = "Gaussian regression"
    domain = Interval()
    links = POWER_LINKS
    kernel = PowerVariance(0.0)
    counts_dispersion = 1

    def start(self, y: Any, weights: Any) -> Any:
        """Return the responses."""
        return y

    @quiet
    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return log(weight / (2 pi dispersion)) / 2, 0 for weight 0."""
        return np.where(weights > 0, 0.5 * (np.log(weights) - np.log(2.0 * pi * dispersion)), 0.0)

    def simulate(self, rng: np.random.Generator, mu: Array, weights: Array, dispersion: float) -> Array:
        """Return normal draws of variance dispersion / weight."""
        return rng.normal(mu, np.sqrt(dispersion / weights))

    def dispersion_moments(self, weights: Array, dispersion: float) -> tuple[Array, Array, Array] | None:
        """Return dispersion, dispersion**2 and 2 dispersion**3: a is -log(-zeta)."""
        return _of_chi_squared(weights, dispersion)

    def loglik_dispersion(self, deviance: float, rows: float, weight: float) -> float:
        """Return the maximum likelihood variance, deviance / rows."""
        return deviance / rows


@dataclass(frozen=True)
class Gamma(Family):
    """Positive response with variance proportional to the squared mean; R's inverse link by default.

    >>> Gamma(link=Log()).link.name
    'log'
    """

    link: Link = field(default=Inverse(), kw_only=True)

    name = "gamma"
    title = "Gamma regression"
    domain = POSITIVE
    links = POWER_LINKS
    kernel = PowerVariance(2.0)
    counts_dispersion = 1

    def start(self, y: Any, weights: Any) -> Any:
        """Return the responses."""
        return y

    @quiet
    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return weight times the log density of shape 1/dispersion at mean y."""
        shape = np.float64(1.0) / dispersion
        constant = 0.5 * np.log(shape / (2.0 * pi)) - stirling_error(shape)
        return weights * (constant - np.log(y))

    def simulate(self, rng: np.random.Generator, mu: Array, weights: Array, dispersion: float) -> Array:
        """Return gamma draws of shape weight / dispersion."""
        shape = weights / dispersion
        return rng.gamma(shape, mu / shape)

    @quiet
    def dispersion_moments(self, weights: Array, dispersion: float) -> tuple[Array, Array, Array] | None:
        """Return the moments of a = 2 log Gamma(-zeta) + 2 zeta log(-zeta) - 2 zeta."""
        from scipy.special import digamma, polygamma

        shape = weights / dispersion
        near = np.minimum(shape, _FAR)
        first = 2.0 * (np.log(near) - digamma(near))
        second = 2.0 * (polygamma(1, near) - 1.0 / near)
        third = -2.0 * (polygamma(2, near) + 1.0 / near**2)
        far = shape > _FAR
        first = np.where(far, (1.0 + 1.0 / (6.0 * shape)) / shape, first)
        second = np.where(far, (1.0 + 1.0 / (3.0 * shape)) / shape**2, second)
        third = np.where(far, (2.0 + 1.0 / shape) / shape**3, third)
        used = weights > 0
        return (
            np.where(used, weights * first, 0.0),
            np.where(used, weights**2 * second, 0.0),
            np.where(used, weights**3 * third, 0.0),
        )

    def loglik_dispersion(self, deviance: float, rows: float, weight: float) -> float:
        """Return R's plug-in value, deviance / sum of weights."""
        return deviance / weight


@dataclass(frozen=True)
class InverseGaussian(Family):
    """Positive response with variance proportional to the cubed mean; R's link 1/mu**2 by default.

    >>> InverseGaussian().link.name
    'inverse_squared'
    """

    link: Link = field(default=InverseSquared(), kw_only=True)

    name = "inverse_gaussian"
    title = "Inverse Gaussian regression"
    domain = POSITIVE
    links = POWER_LINKS
    kernel = PowerVariance(3.0)
    counts_dispersion = 1

    def start(self, y: Any, weights: Any) -> Any:
        """Return the responses."""
        return y

    @quiet
    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return -weight log(2 pi dispersion y**3) / 2."""
        return weights * (-0.5 * np.log(2.0 * pi * dispersion) - 1.5 * np.log(y))

    def simulate(self, rng: np.random.Generator, mu: Array, weights: Array, dispersion: float) -> Array:
        """Return inverse Gaussian (Wald) draws of shape weight / dispersion."""
        return rng.wald(mu, weights / dispersion)

    def dispersion_moments(self, weights: Array, dispersion: float) -> tuple[Array, Array, Array] | None:
        """Return dispersion, dispersion**2 and 2 dispersion**3: a is -log(-zeta)."""
        return _of_chi_squared(weights, dispersion)

    def loglik_dispersion(self, deviance: float, rows: float, weight: float) -> float:
        """Return the maximum likelihood value, deviance / sum of weights."""
        return deviance / weight


@dataclass(frozen=True)
class Tweedie(Family):
    """Response with variance proportional to mu**p; the log link by default.

    1 < p < 2 is a Poisson number of gamma amounts, with zeros. p = 0, 1, 2, 3 have the estimates of the
    Gaussian, quasi-Poisson, gamma and inverse Gaussian families. The likelihood is that of the exact density
    with dispersion phi / weight, at its likeliest phi or a given one; p = 1, a law on the multiples of phi,
    has none, nor have powers from there to 1.001, whose mass lies as close to these as data are rounded.

    Parameters
    ----------
    p : variance power, 0 or >= 1; None, between 1 and 2, is estimated with the coefficients.
    link : link function.

    Raises
    ------
    ArgumentError : p between 0 and 1, negative or not finite.

    >>> Tweedie(1.6).text
    'tweedie(1.6)'
    """

    p: float | None = None
    link: Link = field(default=Log(), kw_only=True)

    name = "tweedie"
    links = POWER_LINKS

    def __post_init__(self) -> None:
        if self.p is not None and (not isfinite(self.p) or (self.p < 1.0 and self.p != 0.0)):
            raise ArgumentError(
                f"tweedie needs a power p that is 0 or >= 1: {self.p!r}. "
                "Use 1 < p < 2 for amounts with zeros, p > 2 for positive responses."
            )
        super().__post_init__()
        zeros = self.p is None or 1.0 <= self.p < 2.0
        object.__setattr__(self, "kernel", PowerVariance(nan if self.p is None else float(self.p)))
        domain = Interval() if self.p == 0.0 else Interval(0.0, inf, low_inclusive=zeros)
        object.__setattr__(self, "domain", domain)
        object.__setattr__(self, "attainable", (0.0,) if zeros else ())

    @property
    def unknown(self) -> tuple[str, ...]:
        """Whether p is to be estimated."""
        return ("p",) if self.p is None else ()

    @property
    def has_likelihood(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether there is a density: for every power but 1 and those that differ from it by rounding."""
        return self.p is None or not 1.0 <= self.p < CLOSEST

    @property
    def counts_dispersion(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """1 where there is a likelihood."""
        return int(self.has_likelihood)

    @property
    def title(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """First words of the summary."""
        return "Tweedie regression" if self.p is None else f"Tweedie regression (p {short(self.p)})"

    @property
    def text(self) -> str:
        """Spelling that `family=` reads back."""
        return "tweedie" if self.p is None else f"tweedie({short(self.p)})"

    def start(self, y: Any, weights: Any) -> Any:
        """Return the responses, 0.1 for zeros."""
        return y if self.p == 0.0 else namespace(y).where(y == 0, 0.1, y)

    @quiet
    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return the log density of rows at mean y; 0 for zeros, NaN for p = 1."""
        if self.p is None or self.p == 1.0:
            return np.full(len(y), nan)
        return saturated(y, weights, dispersion, float(self.p))

    def loglik_dispersion(self, deviance: float, rows: float, weight: float) -> float | None:
        """Return None: the maximum likelihood value has no closed form."""
        return None

    def simulate(self, rng: np.random.Generator, mu: Array, weights: Array, dispersion: float) -> Array:
        """Return draws of variance dispersion * mu**p / weight.

        Raises
        ------
        ArgumentError : p > 2 other than 3, whose law has no simple form.
        """
        assert self.p is not None
        if 1.0 < self.p < 2.0:
            return _compound_poisson(rng, mu, dispersion / weights, self.p)
        if self.p == 1.0:
            scale = dispersion / weights
            return scale * rng.poisson(mu / scale)
        known = {0.0: Gaussian(), 2.0: Gamma(), 3.0: InverseGaussian()}
        if self.p not in known:
            raise ArgumentError(f"tweedie cannot simulate this power: {self.p:g}. Use p <= 2, or p = 3.")
        return known[self.p].simulate(rng, mu, weights, dispersion)


def _of_chi_squared(weights: Array, dispersion: float) -> tuple[Array, Array, Array]:
    """The moments where a weighted unit deviance is the dispersion times a chi-squared of 1 df."""
    phi = np.where(weights > 0, dispersion, 0.0)
    return phi, phi**2, 2.0 * phi**3


def _compound_poisson(rng: np.random.Generator, mu: Array, dispersion: Array, p: float) -> Array:
    """Poisson numbers of gamma amounts with mean mu and variance dispersion * mu**p."""
    number = rng.poisson(mu ** (2.0 - p) / (dispersion * (2.0 - p)))
    shape = number * ((2.0 - p) / (p - 1.0))
    scale = dispersion * (p - 1.0) * mu ** (p - 1.0)
    return np.where(number > 0, rng.gamma(np.maximum(shape, 1e-300), scale), 0.0)


def short(value: float) -> str:
    """Return the shortest text that reads back as `value`: '2', '1.6'."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(float(value))
