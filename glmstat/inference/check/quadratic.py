"""The exact distribution of a quadratic form in normal variables, at 0."""

from __future__ import annotations

import numpy as np

from glmstat.matrix import Array

__all__ = ["sign_probabilities"]

_STEP = 0.04  # of the trapezoidal rule: its error is exp(-2 pi 0.4 / 0.04)
_LOST = 42.0  # exp(-42) is rounding


def sign_probabilities(weights: Array) -> tuple[float, float]:
    """Return P(Q < 0) and P(Q > 0) of Q = Σ weights_j z_j², z independent standard normal.

    The integral of exp(K(s)) / s, K the cumulant generating function, along the line through its saddlepoint:
    the smaller of the two has full relative accuracy, however small it is.

    Parameters
    ----------
    weights : (m,) of any sign.

    Source: Helstrom & Rice (1984), IEEE Transactions on Information Theory 30; the rule of Imhof (1961) moved
    to the saddlepoint.

    >>> low, high = sign_probabilities(np.array([1.0, -1.0, 2.0, -2.0]))
    >>> round(low, 12), round(high, 12)
    (0.5, 0.5)
    """
    weights = weights[weights != 0] / max(float(np.abs(weights).max(initial=0.0)), 1e-300)
    if not (weights < 0).any():
        return (0.0, 1.0) if len(weights) else (0.0, 0.0)
    if not (weights > 0).any():
        return 1.0, 0.0
    low, high = 0.5 / float(weights.min()), 0.5 / float(weights.max())
    point = _saddlepoint(weights, low, high)
    edge = high if point >= 0 else low
    least = 0.5 * min(1.0 / np.sqrt(2.0 * np.square(weights).sum()), abs(edge))
    point = np.copysign(max(abs(point), least), point if point else 1.0)
    tail = abs(_integral(weights, point))
    return (1.0 - tail, tail) if point > 0 else (tail, 1.0 - tail)


def _saddlepoint(weights: Array, low: float, high: float) -> float:
    """Root of K'(s) = Σ w / (1 - 2 s w) between its poles, which it rises from end to end."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if float((weights / (1.0 - 2.0 * middle * weights)).sum()) < 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _integral(weights: Array, point: float) -> float:
    """(1 / pi) ∫ Re exp(K(s)) / s dy over y > 0, s = point + i y, by y = width sinh(t)."""
    bend = 2.0 * float(np.square(weights / (1.0 - 2.0 * point * weights)).sum())
    width = 1.0 / np.sqrt(bend)
    reach = 4.0 + 2.0 * _LOST / len(weights)
    t = _STEP * np.arange(int(reach / _STEP) + 1)
    s = point + 1j * width * np.sinh(t)
    exponent = np.zeros(len(t), dtype=np.complex128)
    for weight in weights:
        exponent -= 0.5 * np.log(1.0 - 2.0 * weight * s)
    values = np.real(np.exp(exponent) / s) * width * np.cosh(t)
    values[0] *= 0.5
    return float(_STEP * values.sum() / np.pi)
