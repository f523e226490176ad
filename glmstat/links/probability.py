"""Links of probabilities, each with both tails free of cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, pi, sqrt
from typing import Any

from glmstat.array import EPSILON, TINY, namespace, quiet
from glmstat.links.base import Link, Side, Tails, log_complement_exp

__all__ = ["Atanh", "CLogLog", "Cauchit", "LogComplement", "LogLog", "Logit", "Probit"]

FAR = 700.0  # exp(700) and exp(-700) are still ordinary doubles


def _inside(mean: Any) -> Any:
    return namespace(mean).clip(mean, TINY, 1.0 - EPSILON / 2)


def _two_sided(right: Any, big: Side, small: Side) -> Tails:
    """Tails of a symmetric link from the larger probability and the smaller one."""
    where = namespace(right).where
    mean = Side(*(where(right, b, s) for b, s in zip(big, small, strict=True)))
    rest = Side(*(where(right, s, b) for b, s in zip(big, small, strict=True)))
    return Tails(mean, rest)


@dataclass(frozen=True)
class Logit(Link):
    """The predictor is the log odds: eta = log(mu / (1 - mu))."""

    name = "logit"
    means = (0.0, 1.0)

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return log(mu) - log(1 - mu)."""
        xp = namespace(mu)
        return xp.log(mu) - xp.log1p(-mu)

    @quiet
    def mean(self, eta: Any) -> Any:
        """Return 1/(1 + exp(-eta)), inside (0, 1)."""
        return _inside(1.0 / (1.0 + namespace(eta).exp(-eta)))

    def derivative(self, eta: Any) -> Any:
        """Return mu (1 - mu)."""
        xp = namespace(eta)
        small = xp.exp(-xp.abs(eta))
        return small / (1.0 + small) ** 2

    def second_derivative(self, eta: Any) -> Any:
        """Return mu (1 - mu) (1 - 2 mu)."""
        tails = self.tails(eta)
        return tails.mean.curvature * (tails.complement.value - tails.mean.value)

    def log_mean(self, eta: Any) -> Any:
        """Return -log(1 + exp(-eta))."""
        return self.tails(eta).mean.log

    @quiet
    def tails(self, eta: Any) -> Tails:
        """Return mean and complement from exp(-|eta|)."""
        xp = namespace(eta)
        size = xp.where(eta > 0, eta, -eta)
        small = xp.exp(-size)
        big = 1.0 / (1.0 + small)
        low = small * big
        log_big = -xp.log1p(small)
        information = low * big
        return _two_sided(
            eta > 0, Side(big, log_big, low, information), Side(low, log_big - size, big, information)
        )


@dataclass(frozen=True)
class Atanh(Link):
    """The predictor is half the log odds, eta = atanh(2 mu - 1): of -1 and 1 the mean is tanh(eta)."""

    name = "atanh"
    means = (0.0, 1.0)

    def eta(self, mu: Any) -> Any:
        """Return (log(mu) - log(1 - mu)) / 2."""
        return 0.5 * Logit().eta(mu)

    def mean(self, eta: Any) -> Any:
        """Return (1 + tanh(eta)) / 2, inside (0, 1)."""
        return Logit().mean(2.0 * eta)

    def derivative(self, eta: Any) -> Any:
        """Return 2 mu (1 - mu)."""
        return 2.0 * Logit().derivative(2.0 * eta)

    def second_derivative(self, eta: Any) -> Any:
        """Return 4 mu (1 - mu) (1 - 2 mu)."""
        return 4.0 * Logit().second_derivative(2.0 * eta)

    def log_mean(self, eta: Any) -> Any:
        """Return -log(1 + exp(-2 eta))."""
        return Logit().log_mean(2.0 * eta)

    def tails(self, eta: Any) -> Tails:
        """Return the logit's tails at 2 eta, their derivatives in eta."""
        mean, rest = Logit().tails(2.0 * eta)
        return Tails(_twice(mean), _twice(rest))


def _twice(side: Side) -> Side:
    """A side at 2 eta with its derivatives in eta."""
    return Side(side.value, side.log, 2.0 * side.slope, 4.0 * side.curvature)


@dataclass(frozen=True)
class Probit(Link):
    """The predictor is the normal quantile of the mean."""

    name = "probit"
    means = (0.0, 1.0)

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return the normal quantile of mu."""
        return namespace(mu).ndtri(mu)

    def mean(self, eta: Any) -> Any:
        """Return the normal distribution function, inside (0, 1)."""
        return _inside(self.tails(eta).mean.value)

    @quiet
    def derivative(self, eta: Any) -> Any:
        """Return the normal density."""
        return namespace(eta).exp(-0.5 * eta * eta) * (1.0 / sqrt(2.0 * pi))

    def second_derivative(self, eta: Any) -> Any:
        """Return -eta times the normal density."""
        return -eta * self.derivative(eta)

    def log_mean(self, eta: Any) -> Any:
        """Return the logarithm of the normal distribution function."""
        return self.tails(eta).mean.log

    @quiet
    def tails(self, eta: Any) -> Tails:
        """Return mean and complement from one scaled complementary error function."""
        xp = namespace(eta)
        size = xp.where(eta > 0, eta, -eta)
        scaled = xp.erfcx(size * sqrt(0.5))
        density = self.derivative(size)
        hazard = sqrt(2.0 / pi) / scaled
        low = density / hazard
        big = 1.0 - low
        rise = density / big
        inverse = 1.0 / xp.clip(size, 1.0, None)
        square = inverse * inverse
        far = inverse * (1.0 - square * (2.0 - 10.0 * square))  # hazard - |eta|, where they cancel
        excess = xp.where(size > 100.0, far, hazard - size)
        return _two_sided(
            eta > 0,
            Side(big, xp.log1p(-low), rise, rise * (rise + size)),
            Side(low, xp.log(0.5 * scaled) - 0.5 * size * size, hazard, hazard * excess),
        )


@dataclass(frozen=True)
class Cauchit(Link):
    """The predictor is the Cauchy quantile of the mean."""

    name = "cauchit"
    means = (0.0, 1.0)

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return -cot(pi mu)."""
        xp = namespace(mu)
        return xp.where(mu < 0.5, -1.0 / xp.tan(pi * mu), 1.0 / xp.tan(pi * (1.0 - mu)))

    def mean(self, eta: Any) -> Any:
        """Return the Cauchy distribution function, inside (0, 1)."""
        xp = namespace(eta)
        return _inside(xp.arctan2(xp.ones_like(eta), -eta) * (1.0 / pi))

    @quiet
    def derivative(self, eta: Any) -> Any:
        """Return the Cauchy density."""
        return (1.0 / pi) / (1.0 + eta * eta)

    @quiet
    def second_derivative(self, eta: Any) -> Any:
        """Return the slope of the Cauchy density."""
        return (-2.0 / pi) * eta / (1.0 + eta * eta) / (1.0 + eta * eta)

    def log_mean(self, eta: Any) -> Any:
        """Return the logarithm of the Cauchy distribution function."""
        return self._side(eta).log

    def tails(self, eta: Any) -> Tails:
        """Return mean and complement, each by the angle that is small there."""
        return Tails(self._side(eta), self._side(-eta))

    @quiet
    def _side(self, eta: Any) -> Side:
        xp = namespace(eta)
        angle = xp.arctan2(xp.ones_like(eta), -eta)
        spread = 1.0 / (1.0 + eta * eta)
        slope = spread / angle
        value = angle * (1.0 / pi)
        return Side(value, xp.log(value), slope, slope * (slope + 2.0 * eta * spread))


@dataclass(frozen=True)
class CLogLog(Link):
    """The predictor is the complementary log-log of the mean: mu = 1 - exp(-exp(eta))."""

    name = "cloglog"
    means = (0.0, 1.0)

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return log(-log(1 - mu))."""
        xp = namespace(mu)
        return xp.log(-xp.log1p(-mu))

    @quiet
    def mean(self, eta: Any) -> Any:
        """Return 1 - exp(-exp(eta)), inside (0, 1)."""
        xp = namespace(eta)
        return _inside(-xp.expm1(-xp.exp(eta)))

    def derivative(self, eta: Any) -> Any:
        """Return exp(eta - exp(eta))."""
        xp = namespace(eta)
        eta = xp.clip(eta, -FAR, FAR)
        return xp.exp(eta - xp.exp(eta))

    def second_derivative(self, eta: Any) -> Any:
        """Return exp(eta - exp(eta)) (1 - exp(eta))."""
        xp = namespace(eta)
        return self.derivative(eta) * (1.0 - xp.exp(xp.clip(eta, -FAR, FAR)))

    def log_mean(self, eta: Any) -> Any:
        """Return log(1 - exp(-exp(eta)))."""
        return self.tails(eta).mean.log

    @quiet
    def tails(self, eta: Any) -> Tails:
        """Return mean and complement from the hazard exp(eta)."""
        xp = namespace(eta)
        hazard = xp.exp(xp.clip(eta, -FAR, FAR))
        mean = -xp.expm1(-hazard)
        rise = hazard / xp.expm1(hazard)
        log_mean = xp.where(eta < -30.0, eta - 0.5 * hazard, log_complement_exp(-hazard))
        square = hazard * hazard
        series = hazard * (0.5 + hazard * (1 / 12 - square * (1 / 720 - square / 30240)))
        bend = xp.where(hazard < 0.01, series, rise - 1.0 + hazard)
        return Tails(
            Side(mean, log_mean, rise, rise * bend),
            Side(xp.exp(-hazard), -hazard, hazard, hazard),
        )


@dataclass(frozen=True)
class LogLog(Link):
    """The predictor is the log-log of the mean: mu = exp(-exp(-eta)), cloglog of the complement."""

    name = "loglog"
    means = (0.0, 1.0)

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return -log(-log(mu))."""
        xp = namespace(mu)
        return -xp.log(-xp.log(mu))

    @quiet
    def mean(self, eta: Any) -> Any:
        """Return exp(-exp(-eta)), inside (0, 1)."""
        xp = namespace(eta)
        return _inside(xp.exp(-xp.exp(-eta)))

    def derivative(self, eta: Any) -> Any:
        """Return exp(-eta - exp(-eta))."""
        return CLogLog().derivative(-eta)

    def second_derivative(self, eta: Any) -> Any:
        """Return exp(-eta - exp(-eta)) (exp(-eta) - 1)."""
        return -CLogLog().second_derivative(-eta)

    def log_mean(self, eta: Any) -> Any:
        """Return -exp(-eta)."""
        return self.tails(eta).mean.log

    def tails(self, eta: Any) -> Tails:
        """Return cloglog's tails at -eta, exchanged."""
        mirrored = CLogLog().tails(-eta)
        return Tails(mirrored.complement, mirrored.mean)


@dataclass(frozen=True)
class LogComplement(Link):
    """The predictor is the logarithm of the complement: eta = log(1 - mu), falling in mu."""

    name = "log_complement"
    means = (-inf, 1.0)

    @quiet
    def eta(self, mu: Any) -> Any:
        """Return log(1 - mu)."""
        return namespace(mu).log1p(-mu)

    def mean(self, eta: Any) -> Any:
        """Return 1 - exp(eta)."""
        return -namespace(eta).expm1(eta)

    @quiet
    def derivative(self, eta: Any) -> Any:
        """Return -exp(eta)."""
        return -namespace(eta).exp(eta)

    @quiet
    def second_derivative(self, eta: Any) -> Any:
        """Return -exp(eta)."""
        return -namespace(eta).exp(eta)

    @quiet
    def tails(self, eta: Any) -> Tails:
        """Return mean and complement; the log link's with their places exchanged."""
        xp = namespace(eta)
        mean, rest = -xp.expm1(eta), xp.exp(eta)
        odds = rest / mean
        return Tails(Side(mean, log_complement_exp(eta), -odds, odds / mean), Side(rest, eta, -1.0, 0.0))
