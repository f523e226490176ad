"""Variance functions of proportions and overdispersed counts.

Nothing here forms 1 - mu or y - mu where it would cancel; the link supplies both tails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glmstat.array import namespace
from glmstat.families.variance import Information, Slopes, divergence, wants
from glmstat.links import Atanh, CLogLog, Identity, Link, Log, LogComplement, Logit, LogLog, Probit

__all__ = ["BinomialVariance", "NegativeBinomialVariance"]


@dataclass(frozen=True)
class BinomialVariance:
    """V(mu) = mu (1 - mu), for responses in [0, 1]."""

    def canonical(self, link: Link) -> bool:
        """Return whether eta is the log odds."""
        return type(link) is Logit

    def concave(self, link: Link) -> bool:
        """Return whether both log mu and log(1 - mu) are concave in eta."""
        return isinstance(link, Logit | Atanh | Probit | CLogLog | LogLog | Log | LogComplement | Identity)

    def value(self, mu: Any) -> Any:
        """Return mu (1 - mu)."""
        return mu * (1.0 - mu)

    def derivative(self, mu: Any) -> Any:
        """Return 1 - 2 mu."""
        return 1.0 - 2.0 * mu

    def growth(self, eta: Any, link: Link) -> Any:
        """Return mu'/mu - mu'/(1 - mu)."""
        mean, rest = link.tails(eta)
        return mean.slope - rest.slope

    def unit_deviance(self, y: Any, mu: Any) -> Any:
        """Return the deviance of rows from their means."""
        xp = namespace(mu)
        return _binomial_deviance(y, mu, 1.0 - mu, xp.log(mu), xp.log1p(-mu), y - mu)

    def deviance(self, y: Any, eta: Any, link: Link) -> Any:
        """Return the deviance of rows from their predictors."""
        if bool(((y == 0.0) | (y == 1.0)).all()):
            return -2.0 * self.slopes(y, eta, link, "none").objective
        mean, rest = link.tails(eta)
        difference = _binomial_difference(y, mean.value, rest.value)
        return _binomial_deviance(y, mean.value, rest.value, mean.log, rest.log, difference)

    def residual(self, y: Any, eta: Any, link: Link) -> Any:
        """Return y - mu, from the complement where mu is near 1."""
        mean, rest = link.tails(eta)
        return _binomial_difference(y, mean.value, rest.value)

    def pearson(self, y: Any, eta: Any, link: Link) -> Any:
        """Return (y - mu)**2 / (mu (1 - mu))."""
        if type(link) is Logit:
            slopes = _binomial_logit(y, eta, "expected")
            return slopes.gradient * (slopes.gradient / slopes.expected)
        mean, rest = link.tails(eta)
        difference = _binomial_difference(y, mean.value, rest.value)
        return (difference / mean.value) * (difference / rest.value)

    def slopes(self, y: Any, eta: Any, link: Link, information: Information) -> Slopes:
        """Return objective, gradient and information in eta."""
        if type(link) is Logit:
            return _binomial_logit(y, eta, information)
        mean, rest = link.tails(eta)
        failure = 1.0 - y
        objective = _times(y, mean.log) + _times(failure, rest.log)
        gradient = _times(y, mean.slope) - _times(failure, rest.slope)
        wants_expected, wants_observed = wants(information)
        return Slopes(
            objective,
            gradient,
            mean.slope * rest.slope if wants_expected else None,
            y * mean.curvature + failure * rest.curvature if wants_observed else None,
        )


def _times(y: Any, value: Any) -> Any:
    """Y * value, 0 where y is 0 though the value be infinite."""
    return y * namespace(y).where(y > 0, value, 0.0)


def _binomial_logit(y: Any, eta: Any, information: Information) -> Slopes:
    xp = namespace(eta)
    size = xp.abs(eta)
    small = xp.exp(-size)
    big = 1.0 / (1.0 + small)
    objective = (y - 0.5) * eta
    objective -= 0.5 * size
    objective -= xp.log1p(small)
    low = small * big
    right = eta > 0
    gradient = xp.where(right, (y - 1.0) + low, y - low)
    if information == "none":
        return Slopes(objective, gradient)
    variance = low * big
    return Slopes(objective, gradient, variance, variance)


def _binomial_difference(y: Any, mu: Any, rest: Any) -> Any:
    return namespace(mu).where(mu > 0.5, (y - 1.0) + rest, y - mu)


def _binomial_deviance(y: Any, mu: Any, rest: Any, log_mu: Any, log_rest: Any, difference: Any) -> Any:
    return 2.0 * (divergence(y, mu, log_mu, difference) + divergence(1.0 - y, rest, log_rest, -difference))


@dataclass(frozen=True)
class NegativeBinomialVariance:
    """V(mu) = mu + mu**2 / theta."""

    theta: float

    def canonical(self, link: Link) -> bool:
        """Return False: no link here is canonical."""
        return False

    def concave(self, link: Link) -> bool:
        """Return whether the link is the logarithm."""
        return type(link) is Log

    def value(self, mu: Any) -> Any:
        """Return mu + mu**2 / theta."""
        return mu * (1.0 + mu / self.theta)

    def derivative(self, mu: Any) -> Any:
        """Return 1 + 2 mu / theta."""
        return 1.0 + 2.0 * mu / self.theta

    def growth(self, eta: Any, link: Link) -> Any:
        """Return (mu'/mu) (1 + 2 mu / theta) / (1 + mu / theta)."""
        relative = link.mean(eta) / self.theta
        return link.relative(eta)[0] * (2.0 - 1.0 / (1.0 + relative))

    def unit_deviance(self, y: Any, mu: Any) -> Any:
        """Return the deviance of rows from their means."""
        return self._deviance(y, mu, namespace(mu).log(mu))

    def deviance(self, y: Any, eta: Any, link: Link) -> Any:
        """Return the deviance of rows from their predictors."""
        return self._deviance(y, link.mean(eta), link.log_mean(eta))

    def _deviance(self, y: Any, mu: Any, log_mu: Any) -> Any:
        xp = namespace(mu)
        theta = self.theta
        difference = y - mu
        step = difference / (mu + theta)
        near = step > -0.5
        shift = xp.where(near, xp.log1p(xp.where(near, step, 0.0)), xp.log((y + theta) / (mu + theta)))
        ratio = difference / mu * (theta / (y + theta))
        apart = xp.log(xp.where(y > 0, y, 1.0)) - log_mu - shift
        close = (ratio > -0.9) & (ratio < 1.0)
        gap = xp.where(close, xp.log1p(xp.where(close, ratio, 0.0)), apart)
        return xp.clip(2.0 * (y * gap - theta * shift), 0.0, None)

    def residual(self, y: Any, eta: Any, link: Link) -> Any:
        """Return y - mu."""
        return y - link.mean(eta)

    def pearson(self, y: Any, eta: Any, link: Link) -> Any:
        """Return (y - mu)**2 / (mu + mu**2 / theta)."""
        mu = link.mean(eta)
        difference = y - mu
        return difference / mu * (difference / (1.0 + mu / self.theta))

    def _objective(self, y: Any, relative: Any, log_mu: Any) -> Any:
        """Return y log mu - (y + theta) log(1 + mu / theta), without the log that cancels for large mu."""
        xp, theta = namespace(log_mu), self.theta
        log_theta: Any = np.log(theta) if isinstance(theta, np.ndarray) else float(np.log(theta))
        large = relative > 1.0
        rest = xp.log1p(xp.where(large, 1.0 / relative, relative))
        over = xp.where(large, log_mu - log_theta, 0.0)
        return y * (xp.where(large, log_theta, log_mu) - rest) - theta * (rest + over)

    def slopes(self, y: Any, eta: Any, link: Link, information: Information) -> Slopes:
        """Return objective, gradient and information in eta."""
        theta = self.theta
        mu = link.mean(eta)
        rise, bend = link.relative(eta)
        relative = mu / theta
        inflation = 1.0 / (1.0 + relative)
        objective = self._objective(y, relative, link.log_mean(eta))
        scaled = rise * inflation
        gradient = (y - mu) * scaled
        wants_expected, wants_observed = wants(information)
        expected = mu * scaled * rise if wants_expected else None
        if not wants_observed:
            return Slopes(objective, gradient, expected)
        share = relative * inflation
        observed = scaled * (y * (rise * (1.0 + share) - bend) + mu * (bend - rise * share))
        return Slopes(objective, gradient, expected, observed)
