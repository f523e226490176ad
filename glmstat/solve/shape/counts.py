"""Sums over rows in 1/theta of the negative binomial, with every digit down to its limit, Poisson."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from glmstat.array import quiet, silence
from glmstat.estimate import Estimate
from glmstat.families import Family, NegativeBinomial
from glmstat.frame import ModelFrame
from glmstat.matrix import Array, Block
from glmstat.workspace import moved

__all__ = [
    "Excess",
    "Information",
    "Pearson",
    "Scores",
    "Slopes",
    "cross",
    "excess",
    "joint_information",
    "pearson",
    "predictor",
    "scores",
    "slopes",
]

NEAR = 0.02  # mu / theta below which the closed forms lose digits
TERMS = 12  # of the series there


class Slopes(NamedTuple):
    """First and second derivative of the log-likelihood in alpha = 1 / theta, at given means."""

    first: float
    second: float

    def __add__(self, other: Slopes) -> Slopes:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Slopes(self.first + other.first, self.second + other.second)


class Excess(NamedTuple):
    """How far the variance lies above the mean.

    Parameters
    ----------
    score : of alpha at 0: half the sum of (y - mu)^2 - y.
    size : the sum of the sizes of its parts, of which rounding is a share.
    pearson : the sum of (y - mu)^2 / mu.
    response : the sum of y.
    squares : the sum of mu^2.
    """

    score: float = 0.0
    size: float = 0.0
    pearson: float = 0.0
    response: float = 0.0
    squares: float = 0.0

    def __add__(self, other: Excess) -> Excess:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Excess(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def guess(self) -> float:
        """Log theta at which the mean squared residual is the mean variance; 0 where there is none."""
        theta = self.squares / (2.0 * self.score) if self.score > 0 else 1.0
        return log(theta) if 1e-6 < theta < 1e12 else 0.0


class Scores(NamedTuple):
    """The slopes, with the score of the coefficients (p,) and the sum of the weights."""

    first: float
    second: float
    score: Array
    weight: float

    def __add__(self, other: Scores) -> Scores:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Scores(
            self.first + other.first,
            self.second + other.second,
            self.score + other.score,
            self.weight + other.weight,
        )


class Pearson(NamedTuple):
    """Pearson's chi-squared, and its derivative in log theta."""

    value: float
    slope: float

    def __add__(self, other: Pearson) -> Pearson:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Pearson(self.value + other.value, self.slope + other.slope)


def predictor(estimate: Estimate, block: Block) -> tuple[Array, Array]:
    """Return the linear predictor (n,) of the finite coefficients, and weights (n,).

    Rows that a direction of recession moves are predicted perfectly: their weight is 0.
    """
    eta = block.offset[:, 0] + block.X[0].dot(np.nan_to_num(estimate.theta))
    weights = block.total
    for direction in estimate.directions:
        weights = np.where(moved(direction, block.X[0], slice(0, len(eta))) != 0, 0.0, weights)
    return eta, weights


def slopes(frame: ModelFrame, family: Family, estimate: Estimate, theta: float) -> Slopes:
    """Return the derivatives in alpha at the means of an estimate, for one theta."""
    alpha = 1.0 / theta

    def kernel(block: Block) -> Slopes:
        eta, weights = predictor(estimate, block)
        return _slopes(family, eta, block, weights, alpha)

    return frame.reduce(kernel)


def scores(frame: ModelFrame, family: Family, coef: Array, theta: float) -> Scores:
    """Return the derivatives in alpha and in the coefficients (p,), for any theta and coefficients."""
    alpha = 1.0 / theta

    def kernel(block: Block) -> Scores:
        with silence():
            eta = block.offset[:, 0] + block.X[0].dot(coef)
            mu, weights = family.link.mean(eta), block.total
            found = _slopes_at(mu, block, weights, alpha)
            residual = (block.y - mu) / (1.0 + alpha * mu) * family.link.relative(eta)[0]
            residual = residual if block.unweighted else weights * residual
            return Scores(*found, block.X[0].transpose_dot(residual), float(weights.sum()))

    return frame.reduce(kernel)


class Information(NamedTuple):
    """The joint observed information of coefficients and log theta (p + 1, p + 1), and the weights' sum."""

    matrix: Array
    weight: float

    def __add__(self, other: Information) -> Information:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Information(self.matrix + other.matrix, self.weight + other.weight)


def joint_information(frame: ModelFrame, family: Family, coef: Array, theta: float) -> Information:
    """Return the joint observed information at any coefficients (p,) and theta."""
    alpha, known = 1.0 / theta, NegativeBinomial(theta, link=family.link)

    def kernel(block: Block) -> Information:
        with silence():
            X, weights = block.X[0], block.total
            eta = block.offset[:, 0] + X.dot(coef)
            found = _slopes_at(family.link.mean(eta), block, weights, alpha)
            observed = known.slopes(block.y, eta, "observed").observed
            beside = X.transpose_dot(_cross(known, eta, block.y, weights, alpha))
            matrix = np.empty((len(coef) + 1,) * 2)
            matrix[:-1, :-1] = X.sandwich(np.where(weights > 0, weights * observed, 0.0))
            matrix[-1, :-1] = matrix[:-1, -1] = -beside
            matrix[-1, -1] = -alpha * (alpha * found.second + found.first)
            return Information(matrix, float(weights.sum()))

    return frame.reduce(kernel)


@quiet
def _slopes(family: Family, eta: Array, block: Block, weights: Array, alpha: float) -> Slopes:
    return _slopes_at(family.link.mean(eta), block, weights, alpha)


def _slopes_at(mu: Array, block: Block, weights: Array, alpha: float) -> Slopes:
    y, plain = block.y, block.unweighted and weights is block.total
    if not plain:
        mu = np.where(weights > 0, mu, 1.0)
    ratio = alpha * mu
    inverse = 1.0 / (1.0 + ratio)
    shrunk = mu * inverse
    whole = _whole_sums if ratio.mean() > NEAR else _row_sums
    sums = whole(y, mu, ratio, inverse, shrunk, None if plain else weights)
    counted = _of_counts(y, weights, alpha)
    return Slopes(counted[0] - sums[0], counted[1] + sums[1])


def _whole_sums(
    y: Array, mu: Array, ratio: Array, inverse: Array, shrunk: Array, weights: Array | None
) -> tuple[float, float]:
    """Sums of mu^2 h + y mu / (1 + r) and of -mu^3 h' + y mu^2 / (1 + r)^2, where r is not small."""
    alpha = float(ratio[0] / mu[0])
    bend, response = ratio * inverse - np.log1p(ratio), y
    if weights is not None:
        bend, response = weights * bend, weights * y
    squares = shrunk * shrunk
    first, second = (
        float(bend.sum()) / alpha**2,
        float(squares.sum() if weights is None else weights @ squares),
    )
    return first + float(response @ shrunk), (2.0 * first + second) / alpha + float(response @ squares)


def _row_sums(
    y: Array, mu: Array, ratio: Array, inverse: Array, shrunk: Array, weights: Array | None
) -> tuple[float, float]:
    """The same sums, no digit lost where r is small."""
    bend, bent = _bends(ratio)
    first = mu * mu * bend + y * shrunk
    second = mu * mu * mu * bent + y * shrunk * shrunk
    if weights is None:
        return float(first.sum()), float(second.sum())
    return float(weights @ first), float(weights @ second)


def _bends(ratio: Array) -> tuple[Array, Array]:
    """h(r) = (r / (1 + r) - log(1 + r)) / r^2 and -h'(r), h(0) = -1/2."""
    inverse = 1.0 / (1.0 + ratio)
    if not ratio.size or ratio.min() > NEAR:
        bend = (ratio * inverse - np.log1p(ratio)) / (ratio * ratio)
        return bend, (2.0 * bend + inverse * inverse) / ratio
    near = ratio < NEAR
    far = np.where(near, 1.0, ratio)
    inverse = np.where(near, 0.5, inverse)
    bend = (far * inverse - np.log1p(far)) / (far * far)
    bent = (2.0 * bend + inverse * inverse) / far
    small, series, slope = np.where(near, ratio, 0.0), np.zeros_like(ratio), np.zeros_like(ratio)
    for power in range(TERMS, 1, -1):
        sign = -1.0 if power % 2 == 0 else 1.0
        series = series * small + sign * (1.0 - 1.0 / power)
        if power > 2:
            slope = slope * small - sign * (1.0 - 1.0 / power) * (power - 2)
    return np.where(near, series, bend), np.where(near, slope, bent)


def _of_counts(y: Array, weights: Array, alpha: float) -> tuple[float, float]:
    """Sums of w times the sum over j < y of j / (1 + alpha j), and of -(j / (1 + alpha j))^2."""
    top = float(y.max(initial=0.0))
    counts = y.astype(np.intp) if top <= max(len(y), 4096) else None
    if counts is None or not np.array_equal(counts, y):
        return _of_others(y, weights, alpha)
    number = np.bincount(counts, weights)
    beyond = number[::-1].cumsum()[::-1][1:]  # weight of the rows with y > j
    below = np.arange(len(beyond), dtype=np.float64)
    terms = below / (1.0 + alpha * below)
    return float(beyond @ terms), -float(beyond @ (terms * terms))


def _of_others(y: Array, weights: Array, alpha: float) -> tuple[float, float]:
    """The same sums for responses that are not whole, or too large to be counted."""
    theta = 1.0 / alpha
    used = (weights > 0) & (y > 0)
    y, weights = y[used], weights[used]
    rise = digamma(y + theta) - digamma(theta)
    curve = polygamma(1, theta) - polygamma(1, y + theta)
    first = theta * (y - theta * rise)
    second = theta * theta * (2.0 * theta * rise - theta * theta * curve - y)
    return float(weights @ first), float(weights @ second)


def cross(frame: ModelFrame, likelihood: Family, estimate: Estimate, theta: float) -> Array:
    """Return the derivative of the score of all coefficients (p,) in log theta."""
    alpha = 1.0 / theta

    def kernel(block: Block) -> Array:
        eta, weights = predictor(estimate, block)
        return block.X[0].transpose_dot(_cross(likelihood, eta, block.y, weights, alpha))

    return frame.reduce(kernel)


@quiet
def _cross(family: Family, eta: Array, y: Array, weights: Array, alpha: float) -> Array:
    ratio = alpha * family.link.mean(eta)
    gradient = family.slopes(y, eta, "none").gradient
    return np.where(weights > 0, weights * gradient * (ratio / (1.0 + ratio)), 0.0)


def excess(frame: ModelFrame, family: Family, estimate: Estimate) -> Excess:
    """Return how far the variance lies above the mean, at the means of an estimate."""

    def kernel(block: Block) -> Excess:
        with silence():
            eta, weights = predictor(estimate, block)
            used = weights > 0
            y, weights = block.y[used], weights[used]
            mu = family.link.mean(eta[used])
            squares = weights * (y - mu) ** 2
            return Excess(
                0.5 * float(squares.sum() - weights @ y),
                0.5 * float(squares.sum() + weights @ y),
                float((squares / mu).sum()),
                float(weights @ y),
                float(weights @ (mu * mu)),
            )

    return frame.reduce(kernel)


def pearson(frame: ModelFrame, family: Family, estimate: Estimate, theta: float) -> Pearson:
    """Return Pearson's chi-squared at the means of an estimate, for one theta."""

    def kernel(block: Block) -> Pearson:
        with silence():
            eta, weights = predictor(estimate, block)
            used = weights > 0
            y, mu = block.y[used], family.link.mean(eta[used])
            squares, inflated = weights[used] * (y - mu) ** 2, 1.0 + mu / theta
            return Pearson(
                float((squares / (mu * inflated)).sum()), float((squares / inflated**2).sum()) / theta
            )

    return frame.reduce(kernel)
