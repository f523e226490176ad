"""Weighted sums of chi-squared variables, and the combination of p-values that depend on each other."""

from __future__ import annotations

from collections.abc import Sequence
from math import copysign, exp, inf, log1p, nan, pi, sqrt, tan

import numpy as np
from scipy.special import chdtrc, ndtr

from glmstat.matrix import Array

__all__ = ["cauchy_combination", "mixture_tail", "ratio_tail"]

_NEGLIGIBLE = 1e-12  # share of the largest weight below which one is rounding
_CENTRE = 1e-4  # |w| below which 1/v - 1/w is a difference of large numbers
_HALVINGS = 200


def mixture_tail(weights: Array, value: float, counts: Array | None = None) -> float:
    """Return P(Σ weights_j χ²(counts_j) > value) by the saddlepoint formula of Lugannani and Rice.

    Exact for one positive weight; else within 5 % of the p-value in the tail.

    Parameters
    ----------
    weights : (m,) of either sign; NaN comes back where all are 0.
    counts : degrees of freedom (m,); default 1.

    Source: Lugannani & Rice (1980), Advances in Applied Probability 12, 475-490; Kuonen (1999).

    >>> round(mixture_tail(np.array([2.0]), 7.682918), 6)
    0.05
    """
    weights = np.asarray(weights, dtype=np.float64)
    df = np.ones(len(weights)) if counts is None else np.asarray(counts, dtype=np.float64)
    largest = float(np.abs(weights).max(initial=0.0))
    kept = (np.abs(weights) > _NEGLIGIBLE * largest) & (df > 0)
    weights, df = weights[kept], df[kept]
    if not len(weights):
        return nan
    weights, value = weights / largest, value / largest
    if len(weights) == 1 and weights[0] > 0:
        return float(chdtrc(df[0], max(value, 0.0)))
    if weights.min() > 0 and value <= 0:
        return 1.0
    if weights.max() < 0 and value >= 0:
        return 0.0
    return min(1.0, max(0.0, _lugannani_rice(weights, df, value)))


def ratio_tail(weights: Array, value: float, df: float) -> float:
    """Return P(Σ weights_j χ²(1) / (Σ χ²(1) + χ²(df - m)) > value), the first sum over the same variables.

    The law of a quadratic form in residuals over their sum of squares on df degrees of freedom, where their
    variance is estimated.

    Parameters
    ----------
    weights : (m,) positive; negligible ones count among the rest of the residuals.
    """
    weights = weights[weights > _NEGLIGIBLE * weights.max(initial=0.0)]
    if not len(weights) or len(weights) > df:
        return nan
    rest = df - len(weights)
    return mixture_tail(np.append(weights - value, -value), 0.0, np.append(np.ones(len(weights)), rest))


def cauchy_combination(p_values: Sequence[float]) -> tuple[float, float]:
    """Return the mean T of tan((0.5 - p) π) and P(Cauchy > T), the p-value of all, dependent or not.

    Source: Liu & Xie (2020), JASA 115, 393-402.

    >>> [round(number, 4) for number in cauchy_combination([0.01, 0.5])]
    [15.9103, 0.02]
    """
    mean = float(np.mean([_cauchy(p) for p in p_values]))
    return mean, float(np.arctan2(1.0, mean) / pi)


def _cauchy(p: float) -> float:
    """tan((0.5 - p) π), exact for small p."""
    if p <= 0.0:
        return inf
    return 1.0 / tan(p * pi) if p < 0.5 else tan((0.5 - p) * pi)


def _lugannani_rice(weights: Array, df: Array, value: float) -> float:
    """The tail of the sum from its cumulant generating function K(t) = -Σ df log(1 - 2 t weight) / 2."""
    t = _saddlepoint(weights, df, value)
    left = 1.0 - 2.0 * t * weights
    cumulant = -0.5 * sum(n * log1p(-2.0 * t * w) for w, n in zip(weights.tolist(), df.tolist(), strict=True))
    second = float(2.0 * (df * weights**2 / left**2).sum())
    third = float(8.0 * (df * weights**3 / left**3).sum())
    w = copysign(sqrt(max(2.0 * (t * value - cumulant), 0.0)), t)
    density = exp(-0.5 * w * w) / sqrt(2.0 * pi)
    if abs(w) < _CENTRE:
        return 0.5 - density * (w + third / (6.0 * second**1.5))
    return float(ndtr(-w)) + density * (1.0 / (t * sqrt(second)) - 1.0 / w)


def _saddlepoint(weights: Array, df: Array, value: float) -> float:
    """The t at which the sum, tilted by exp(t sum), has its mean at `value`: K'(t) = value."""
    largest, least = float(weights.max()), float(weights.min())

    def above(t: float) -> bool:
        return float((df * weights / (1.0 - 2.0 * t * weights)).sum()) > value

    low = 0.5 / least if least < 0 else -1.0
    high = 0.5 / largest if largest > 0 else 1.0
    while least >= 0 and above(low):
        low *= 2.0
    while largest <= 0 and not above(high):
        high *= 2.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (low, middle) if above(middle) else (middle, high)
    return _inner(low, high, weights)


def _inner(low: float, high: float, weights: Array) -> float:
    """The end of the bracket at which the cumulant generating function is finite."""
    return low if (1.0 - 2.0 * low * weights > 0).all() else high
