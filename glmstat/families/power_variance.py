"""Variance functions mu**p: Gaussian, Poisson, gamma, inverse Gaussian, Tweedie.

Nothing here takes log(mu) or a ratio of means where it would underflow or cancel; the link supplies them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from glmstat.array import namespace
from glmstat.families.variance import Information, Slopes, divergence, log_series, wants
from glmstat.links import Link, Log, Softplus

__all__ = ["PowerVariance"]


def _power(mu: Any, log_mu: Any, exponent: float) -> Any:
    """Mu ** exponent, by the cheapest way."""
    if exponent == 0:
        return 1.0
    if exponent == 1:
        return mu
    if exponent == -1:
        return 1.0 / mu
    return namespace(mu).exp(exponent * log_mu)


CONCAVE_EXPONENTS = {1.0: (0.5, 1.0), 2.0: (0.0,), 3.0: (-1.0,)}  # of mu in eta, by variance power


@dataclass(frozen=True)
class PowerVariance:
    """V(mu) = mu ** power: constant 0, Poisson 1, gamma 2, inverse Gaussian 3, Tweedie between."""

    power: float

    def canonical(self, link: Link) -> bool:
        """Return whether eta is mu ** (1 - power)."""
        return link.exponent == 1.0 - self.power

    def concave(self, link: Link) -> bool:
        """Return whether the link is canonical or one of the other pairs proved concave."""
        others = CONCAVE_EXPONENTS.get(self.power, (0.0,) if 1.0 < self.power < 2.0 else ())
        smooth = self.power == 1.0 and isinstance(link, Softplus)  # log(1 + exp) is convex, its log concave
        return self.canonical(link) or link.exponent in others or smooth

    def value(self, mu: Any) -> Any:
        """Return mu ** power."""
        return namespace(mu).ones_like(mu) if self.power == 0 else mu**self.power

    def derivative(self, mu: Any) -> Any:
        """Return power * mu ** (power - 1)."""
        if self.power == 0:
            return namespace(mu).zeros_like(mu)
        return self.power * namespace(mu).ones_like(mu) * mu ** (self.power - 1.0)

    def growth(self, eta: Any, link: Link) -> Any:
        """Return power * mu'/mu."""
        return namespace(eta).zeros_like(eta) if self.power == 0 else self.power * link.relative(eta)[0]

    def unit_deviance(self, y: Any, mu: Any) -> Any:
        """Return the deviance of rows from their means."""
        return self._deviance(y, mu, None if self.power == 0 else namespace(mu).log(mu))

    def deviance(self, y: Any, eta: Any, link: Link) -> Any:
        """Return the deviance of rows from their predictors."""
        return self._deviance(y, link.mean(eta), None if self.power == 0 else link.log_mean(eta))

    def _deviance(self, y: Any, mu: Any, log_mu: Any) -> Any:
        difference = y - mu
        if self.power == 0:
            return difference * difference
        if self.power == 1:
            return 2.0 * divergence(y, mu, log_mu, difference)
        if self.power == 2:
            return 2.0 * _gamma_divergence(y, mu, log_mu, difference)
        ratio = difference / mu
        if self.power == 3:
            return ratio * ratio / y
        return 2.0 * _power(mu, log_mu, 2.0 - self.power) * _tweedie_divergence(y, ratio, log_mu, self.power)

    def residual(self, y: Any, eta: Any, link: Link) -> Any:
        """Return y - mu."""
        return y - link.mean(eta)

    def pearson(self, y: Any, eta: Any, link: Link) -> Any:
        """Return (y - mu)**2 / mu**power."""
        mu = link.mean(eta)
        difference = y - mu
        if self.power == 0:
            return difference * difference
        ratio = difference / mu
        return ratio * ratio * _power(mu, link.log_mean(eta), 2.0 - self.power)

    def slopes(self, y: Any, eta: Any, link: Link, information: Information) -> Slopes:
        """Return objective, gradient and information in eta."""
        if self.power == 1 and type(link) is Log:
            return _poisson_log(y, eta, information)
        if self.power == 2 and type(link) is Log:
            return _gamma_log(y, eta, information)
        if self.power == 0:
            return _gaussian(y, eta, link, information)
        mu, log_mu = link.mean(eta), link.log_mean(eta)
        rise, bend = link.relative(eta)
        objective = self._objective(y, mu, log_mu)
        scaled = rise * _power(mu, log_mu, 1.0 - self.power)
        gradient = scaled * (y - mu)
        wants_expected, wants_observed = wants(information)
        expected = _power(mu, log_mu, 2.0 - self.power) * (rise * rise) if wants_expected else None
        if not wants_observed:
            return Slopes(objective, gradient, expected)
        observed = scaled * (y * (self.power * rise - bend) + mu * ((1.0 - self.power) * rise + bend))
        return Slopes(objective, gradient, expected, observed)

    def _objective(self, y: Any, mu: Any, log_mu: Any) -> Any:
        if self.power == 1:
            return y * log_mu - mu
        if self.power == 2:
            return -(y / mu) - log_mu
        if self.power == 3:
            ratio = (y - mu) / mu
            return ratio * ratio / (-2.0 * y)
        below, above = 1.0 - self.power, 2.0 - self.power
        return y * _power(mu, log_mu, below) / below - _power(mu, log_mu, above) / above


def _gaussian(y: Any, eta: Any, link: Link, information: Information) -> Slopes:
    difference = y - link.mean(eta)
    slope = link.derivative(eta)
    wants_expected, wants_observed = wants(information)
    expected = slope * slope if wants_expected or wants_observed else None
    observed = expected - difference * link.second_derivative(eta) if wants_observed else None
    return Slopes(
        -0.5 * difference * difference, difference * slope, expected if wants_expected else None, observed
    )


def _poisson_log(y: Any, eta: Any, information: Information) -> Slopes:
    mu = namespace(eta).exp(eta)
    objective = y * eta
    objective -= mu
    needed = mu if information != "none" else None
    return Slopes(objective, y - mu, needed, needed)


def _gamma_log(y: Any, eta: Any, information: Information) -> Slopes:
    ratio = y * namespace(eta).exp(-eta)
    wants_expected, wants_observed = wants(information)
    objective = -ratio
    objective -= eta
    return Slopes(objective, ratio - 1.0, 1.0 if wants_expected else None, ratio if wants_observed else None)


def _gamma_divergence(y: Any, mu: Any, log_mu: Any, difference: Any) -> Any:
    """(y - mu)/mu - log(y/mu); y = 0 counts as 1 in the logarithm, as in R's quasi."""
    xp = namespace(mu)
    v = difference / (y + mu)
    ratio = difference / mu
    far = ratio - (xp.log(xp.where(y > 0, y, 1.0)) - log_mu)
    return xp.where(xp.abs(v) < 0.1, ratio * v - log_series(v), far)


def _tweedie_divergence(y: Any, ratio: Any, log_mu: Any, power: float) -> Any:
    """((y/mu)**(2-p) - 1 - (2-p)(y/mu - 1)) / ((1-p)(2-p)), with ratio = y/mu - 1."""
    xp = namespace(ratio)
    a, b = 2.0 - power, 1.0 - power
    factors = [0.5]
    for term in range(3, 9):
        factors.append(factors[-1] * (a - (term - 1)) / term)
    series = 0.0
    for factor in reversed(factors):
        series = (series * ratio) + factor
    series = series * ratio * ratio
    close = xp.abs(ratio) < 0.5
    apart = xp.log(xp.where(y > 0, y, 1.0)) - log_mu
    log_ratio = xp.where(close, xp.log1p(xp.where(close, ratio, 0.0)), apart)
    if power < 1.5:  # p = 1 and p = 2 are limits; each form is sound near one of them
        far = ((1.0 + ratio) * xp.expm1(b * log_ratio) / b - ratio) / a
    else:
        far = (xp.expm1(a * log_ratio) / a - ratio) / b
    return xp.where(xp.abs(ratio) < 0.01, series, xp.where(y > 0, far, 1.0 / a))
