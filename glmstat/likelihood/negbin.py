"""Negative binomial counts with a predictor for the mean and one for the logarithm of theta."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from glmstat.array import Array, quiet, stirling_error
from glmstat.families import Information, NegativeBinomial, Poisson
from glmstat.families.count_variance import NegativeBinomialVariance
from glmstat.likelihood.base import GLM, Cone, Rows
from glmstat.links import Link, Log

__all__ = ["NegativeBinomialTheta"]

_Rule = Callable[[Array, Array], Array]

_SERIES = 30.0  # theta from which differences of gamma functions are taken between their series
_FARTHEST = 150.0  # |log theta| beyond which squares would overflow, and nothing changes
_POISSON = 1e8  # theta, in units of 1 + mu, from which a row is Poisson to the last digit of its score
# trapezoids on the whole line: error exp(-pi**2 / step), and e**-30 of the integral beyond the ends
_NODES = np.arange(-30.0, 4.2, 0.3)


@dataclass(frozen=True)
class NegativeBinomialTheta(GLM):
    """Counts with variance mu + mu**2 / theta: g(mu) and log theta are linear predictors.

    Parameters
    ----------
    family : negative binomial, with its link and theta open.

    Source: Lawless (1987), Negative binomial and mixed Poisson regression; Hilbe (2011), chapter 10.

    >>> from glmstat.families import NegativeBinomial
    >>> model = NegativeBinomialTheta(NegativeBinomial(None))
    >>> rows = model.rows(np.array([2.0]), np.array([[0.0, 0.0]]), None, information="expected")
    >>> rows.gradient.round(6).tolist(), rows.expected.round(6).tolist()
    ([[0.5, 0.306853]], [[[0.5, 0.0], [0.0, 0.082241]]])
    """

    predictors = ("mean", "theta")
    canonical = False  # pyright: ignore[reportAssignmentType]
    concave = False  # pyright: ignore[reportAssignmentType]

    @property
    def constant_information(self) -> bool:
        """False."""
        return False

    @cached_property
    def first(self) -> GLM:
        """A model of the mean alone: where a fit starts, and whose infinite coefficients are its own."""
        return GLM(Poisson(link=self.family.link))

    def held(self, level: tuple[float, ...]) -> GLM:
        """Return the model of the mean alone, for one value of log theta."""
        return GLM(NegativeBinomial(float(np.exp(level[0])), link=self.family.link))

    @property
    def links(self) -> tuple[Link, ...]:
        """The link of the mean, and that of theta."""
        return self.family.link, Log()

    @property
    def levels(self) -> tuple[tuple[float, ...], ...]:
        """Values of log theta of which the likeliest is a start."""
        return tuple((float(value),) for value in range(-4, 9, 2))

    @quiet
    def rows(self, y: Any, eta: Any, weights: Any, *, information: Information) -> Rows:
        """Return objective, gradient and information of n rows; parameters as `GLM.rows`, eta (n, 2)."""
        theta, kernel = self._theta(eta), self._kernel(eta)
        mean = kernel.slopes(y, eta[:, 0], self.family.link, information)
        mu = self.family.link.mean(eta[:, 0])
        gap = (y - mu) / (theta + mu)
        objective = mean.objective + _by_size(_log_gamma, _log_gamma_series, y, theta)
        gradient = np.empty((len(y), 2))
        gradient[:, 0] = mean.gradient
        gradient[:, 1] = theta * (_log1p_less(gap) + _by_size(_digamma, _digamma_series, y, theta))
        expected = observed = None
        if mean.expected is not None:
            expected = np.zeros((len(y), 2, 2))
            expected[:, 0, 0] = mean.expected
            expected[:, 1, 1] = _on_pairs(_expected, mu, theta)
        if mean.observed is not None:
            observed = np.empty((len(y), 2, 2))
            observed[:, 0, 0] = mean.observed
            cross = -mean.gradient * (mu / (theta + mu))
            observed[:, 0, 1] = observed[:, 1, 0] = cross
            bend = _by_size(_trigamma, _trigamma_series, y, theta) - gap * gap / (theta + y)
            observed[:, 1, 1] = theta * (theta * bend) - gradient[:, 1]
        if weights is None:
            return Rows(objective, gradient, expected, observed)
        cells = weights[:, None, None]
        return Rows(
            weights * objective,
            weights[:, None] * gradient,
            None if expected is None else cells * expected,
            None if observed is None else cells * observed,
        )

    def constant(self, y: Array, weights: Array) -> Array:
        """Return what the log-likelihood of each row has that depends on no predictor (n,)."""
        return -weights * gammaln(y + 1.0)

    def simulate(self, rng: np.random.Generator, eta: Array) -> Array:
        """Return negative binomial draws, each row with its own mean and theta."""
        theta = self._theta(eta)
        return rng.negative_binomial(theta, theta / (theta + self.mean(eta))).astype(np.float64)

    def at_limit(self, eta: Array) -> Array:
        """Return 1 where theta is so large, -1 where it is so small that nothing changes any more (n, 2)."""
        theta, out = self._theta(eta), np.zeros(eta.shape)
        out[:, 1] = np.where(theta > _POISSON * (1.0 + self.mean(eta)), 1.0, 0.0) - (theta < 1.0 / _POISSON)
        return out

    def unlimited(self, predictor: str, sign: int) -> tuple[str, str]:
        """Return what an infinite log theta says of the rows, and what to do."""
        if sign > 0:
            return (
                "their counts vary no more than Poisson counts",
                'Fit these rows by family="poisson", or take terms out of the formula of theta',
            )
        return (
            "their counts are 0 and their means are not",
            "Leave these rows out by subset=, or take terms out of the formula of theta",
        )

    def cone(self, y: Any, weights: Any) -> Cone | None:
        """Return the rows whose mean can go to 0; parameters as `GLM.cone`."""
        alone = self.first.cone(y, weights)
        if alone is None:
            return None
        return Cone(np.concatenate([alone.bound, np.zeros_like(alone.bound)], axis=2), alone.free)

    @quiet
    def start(self, y: Any, weights: Any) -> Any:
        """Return first predictors (n, 2): that of the mean as a family's, theta 1."""
        eta = super().start(y, weights)
        return np.column_stack([eta, np.zeros_like(eta)])

    @quiet
    def deviance(self, y: Any, eta: Any, weights: Any) -> Any:
        """Return the weighted deviance of each row (n,), at its theta."""
        rows = self._kernel(eta).deviance(y, eta[:, 0], self.family.link)
        return weights * self._exact_at_mean(rows, y, eta)

    @quiet
    def pearson(self, y: Any, eta: Any, weights: Any) -> Any:
        """Return weight * (y - mu)**2 / V(mu) of each row (n,), at its theta."""
        rows = self._kernel(eta).pearson(y, eta[:, 0], self.family.link)
        return weights * self._exact_at_mean(rows, y, eta)

    def _theta(self, eta: Array) -> Array:
        return np.exp(np.clip(eta[:, 1], -_FARTHEST, _FARTHEST))

    def _kernel(self, eta: Array) -> NegativeBinomialVariance:
        return NegativeBinomialVariance(self._theta(eta))  # pyright: ignore[reportArgumentType]


def _by_size(direct: _Rule, series: _Rule, y: Array, theta: Array) -> Array:
    """Values of one formula, of another where theta is large."""
    large = theta >= _SERIES
    if large.all():
        return series(y, theta)
    out = direct(y, theta)
    if large.any():
        out[large] = series(y[large], theta[large])
    return out


def _log_gamma(y: Array, theta: Array) -> Array:
    """Return log Γ(y + θ) - log Γ(θ) - y log θ."""
    return gammaln(y + theta) - gammaln(theta) - y * np.log(theta)


def _log_gamma_series(y: Array, theta: Array) -> Array:
    errors = stirling_error(theta + y) - stirling_error(theta) - np.log1p(y / theta)
    return (theta + y + 0.5) * np.log1p(y / theta) - y + errors


def _digamma(y: Array, theta: Array) -> Array:
    """Return ψ(y + θ) - ψ(θ) - log(1 + y / θ)."""
    return digamma(y + theta) - digamma(theta) - np.log1p(y / theta)


def _digamma_series(y: Array, theta: Array) -> Array:
    inverse, other = 1.0 / theta, 1.0 / (y + theta)
    square = (inverse - other) * (inverse + other)
    return 0.5 * y * inverse * other + square / 12.0 - _tail(inverse * inverse) + _tail(other * other)


def _tail(square: Array) -> Array:
    """Return ψ(x) - log x + 1/(2x) + 1/(12x²), of 1/x²."""
    return square * square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132)))


def _trigamma(y: Array, theta: Array) -> Array:
    """Return ψ'(θ) - ψ'(y + θ) - y / (θ (y + θ))."""
    return polygamma(1, theta) - polygamma(1, y + theta) - y / theta / (y + theta)


def _trigamma_series(y: Array, theta: Array) -> Array:
    inverse, other = 1.0 / theta, 1.0 / (y + theta)
    apart = y * inverse * other
    cube = apart * (inverse * inverse + inverse * other + other * other)
    return 0.5 * apart * (inverse + other) + cube / 6.0 - _slope(inverse) + _slope(other)


def _slope(inverse: Array) -> Array:
    """Return 1/x + 1/(2x²) + 1/(6x³) - ψ'(x), of 1/x."""
    square = inverse * inverse
    return inverse * square * square * (1 / 30 - square * (1 / 42 - square * (1 / 30 - square * 5 / 66)))


def _log1p_less(x: Array) -> Array:
    """Return log(1 + x) - x."""
    near = np.abs(x) < 0.02
    small = np.where(near, x, 0.0)
    series = np.zeros_like(small)
    for power in range(10, 1, -1):
        series = (-1.0) ** (power + 1) / power + small * series
    return np.where(near, small * small * series, np.log1p(x) - x)


def _expected(mu: Array, theta: Array) -> Array:
    """Return the expected information of a row in log theta (n,).

    θ² E[ψ'(θ) - ψ'(θ + Y)] - θ mu / (θ + mu). With ψ'(x) the integral of t exp(-xt) / (1 - exp(-t)) and the
    generating function of Y it is one integral over t, of a difference that loses no digits.
    """
    v = np.exp(_NODES)[:, None]
    t = v / theta
    share = -np.expm1(-t)
    drawn = -np.expm1(-theta * np.log1p(mu / theta * share))
    inside = t / share * drawn + np.expm1(-mu * t)
    return 0.3 * theta * np.sum(v * np.exp(-v) * inside, axis=0)


def _on_pairs(function: Any, mu: Array, theta: Array) -> Array:
    """Values of a function of two numbers; where few pairs of them differ each is computed once."""
    pairs, place = np.unique(mu + 1j * theta, return_inverse=True)
    if 2 * len(pairs) > len(mu):
        return _in_runs(function, mu, theta)
    return _in_runs(function, pairs.real, pairs.imag)[place]


def _in_runs(function: Any, mu: Array, theta: Array) -> Array:
    out, step = np.empty(len(mu)), 1024
    for start in range(0, len(mu), step):
        run = slice(start, start + step)
        out[run] = function(mu[run], theta[run])
    return out
