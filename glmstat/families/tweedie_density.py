"""The density of Tweedie's laws, exact for every power: series, inversion, closed forms.

With dispersion phi / weight the density at its own mean is f(y; y) = g(xi) / y, xi = phi y**(p - 2) / weight:
a function of one number for each power. At another mean it is that times exp(-weight * deviance / (2 phi)).

Source: Jørgensen (1987), Exponential dispersion models; Dunn & Smyth (2005), Series evaluation of Tweedie
exponential dispersion model densities; Dunn & Smyth (2008), Evaluation of Tweedie exponential dispersion
model densities by Fourier inversion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glmstat.array import Array, silence, stirling_error
from glmstat.families.variance import log_series

__all__ = ["AtMean", "at_mean", "saturated"]

ROWS = 1024  # evaluated together: 256 terms each are 2 MB
NEGLIGIBLE = 45.0  # exponent below which a term of 1 adds nothing: exp(-45) is 3e-20
_SMOOTH = 100.0  # λ(1 + α) from which the sum reaches neither 0 nor its own beginning
_WIDE = 1.7  # standard deviation of the terms, in terms, from which they may be skipped
_STRIDE = 0.6  # of that: the error of a trapezoidal sum of a Gaussian is exp(-2 (π / 0.6)**2), 1e-23
_SPREAD = np.arange(-16.0, 21.0)  # ends at 9.6 and 12 standard deviations


class AtMean(NamedTuple):
    """log g(xi), and its first and second derivative in log(xi)."""

    value: Array
    slope: Array
    curvature: Array


def saturated(y: Array, weights: Array, dispersion: float, p: float) -> Array:
    """Return the log density of rows at their own mean; 0 for zeros, whose log it is, and for weight 0.

    Parameters
    ----------
    y : (n,) responses.
    weights : (n,) prior weights.
    dispersion : phi; a row has variance phi mu**p / weight.
    p : power, 0 or > 1.

    >>> saturated(np.array([0.0, 1.0]), np.ones(2), 1.0, 1.5).round(12).tolist()
    [0.0, -1.028615220342]
    """
    out = np.zeros(len(y))
    rows = np.flatnonzero(weights > 0 if p == 0.0 else (y > 0) & (weights > 0))
    at = np.zeros(len(rows)) if p == 0.0 else np.log(y[rows])
    with silence():
        xi = np.exp(np.log(dispersion) + (p - 2.0) * at - np.log(weights[rows]))
    out[rows] = at_mean(xi, p).value - at
    return out


def at_mean(xi: Array, p: float) -> AtMean:
    """Return the log density at y = mu = 1 of dispersion xi, with two derivatives in log(xi).

    Parameters
    ----------
    xi : (n,) > 0.
    p : power, 0 or > 1.
    """
    if p in (0.0, 3.0):
        half = np.full(len(xi), -0.5)
        return AtMean(-0.5 * np.log(2.0 * np.pi * xi), half, np.zeros(len(xi)))
    if p == 2.0:
        return _gamma(xi)
    rule = _series if p < 2.0 else _inverted
    parts = [rule(xi[start : start + ROWS], p) for start in range(0, len(xi), ROWS)]
    if not parts:
        return AtMean(xi, xi, xi)
    return AtMean(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _gamma(xi: Array) -> AtMean:
    from scipy.special import digamma, polygamma

    shape = 1.0 / xi
    inverse = xi * xi
    far = shape > 30.0
    near = np.where(far, 1.0, shape)
    first = np.where(  # shape times the slope of Stirling's error
        far,
        -xi * (1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse / 240))),
        near * (digamma(near + 1.0) - np.log(near)) - 0.5,
    )
    second = np.where(  # and that of this, in log(shape)
        far,
        xi * (1 / 12 - inverse * (3 / 120 - inverse * (5 / 252 - inverse * 7 / 240))),
        first + 0.5 + near * (near * polygamma(1, near + 1.0) - 1.0),
    )
    return AtMean(0.5 * np.log(shape / (2.0 * np.pi)) - stirling_error(shape), first - 0.5, -second)


def _series(xi: Array, p: float) -> AtMean:
    """The sum over the number k of gamma amounts, for 1 < p < 2.

    Its terms are sqrt(α)/(2π) exp(-δ(k) - δ(kα) - λ(1 + α) ψ(k/λ)), λ = 1/((2 - p) xi), α = (2 - p)/(p - 1),
    δ Stirling's error and ψ(r) = r log r - r + 1: all are positive, and nothing large cancels.
    Where they are smooth and many, a trapezoidal sum over some of them is the sum over all.
    """
    alpha = (2.0 - p) / (p - 1.0)
    rate = 1.0 / ((2.0 - p) * xi)
    width = np.sqrt(rate / (1.0 + alpha))
    smooth = rate * (1.0 + alpha) >= _SMOOTH
    out = np.empty((3, len(xi)))
    for chosen, kind in (
        (smooth & (width >= _WIDE), "some"),
        (smooth & (width < _WIDE), "near"),
        (~smooth, "first"),
    ):
        rows = np.flatnonzero(chosen)
        if len(rows):
            out[:, rows] = _terms(rate[rows, None], alpha, kind)
    return AtMean(*out)


def _terms(rate: Array, alpha: float, kind: str) -> tuple[Array, Array, Array]:
    step = 1.0
    if kind == "some":
        step = _STRIDE * np.sqrt(rate / (1.0 + alpha))
        away = step * _SPREAD
        number = rate + away
    elif kind == "near":
        number = np.rint(rate) + np.arange(-26.0, 27.0)
        away = number - rate
    else:
        number = np.arange(1.0, _last(float(rate.max()), alpha) + 1.0)[None, :]
        away = number - rate
    known = number > 0
    number = np.where(known, number, 1.0)
    exponent = -(1.0 + alpha) * _divergence(number, rate, away)
    exponent -= stirling_error(number) + stirling_error(alpha * number)
    exponent = np.where(known, exponent, -np.inf)
    top = exponent.max(axis=1, keepdims=True)
    share = np.exp(exponent - top)
    total = share.sum(axis=1, keepdims=True)
    share /= total
    away = (1.0 + alpha) * away
    mean = (share * away).sum(axis=1, keepdims=True)
    spread = (share * (away - mean) ** 2).sum(axis=1)
    value = top[:, 0] + np.log(total * step)[:, 0] + 0.5 * np.log(alpha) - np.log(2.0 * np.pi)
    return value, -mean[:, 0], spread - (1.0 + alpha) * rate[:, 0]


def _last(rate: float, alpha: float) -> int:
    """The number of gamma amounts beyond which no term counts beside the largest."""
    rate = max(rate, 1.0)
    last = 2.0 * rate
    while (1.0 + alpha) * (last * np.log(last / rate) - last + rate) < NEGLIGIBLE + 2.0 * np.log(last):
        last *= 1.2
    return int(np.ceil(last))


def _divergence(number: Array, rate: Array, away: Array) -> Array:
    """λψ(k/λ) = k log(k/λ) - k + λ, to full relative accuracy."""
    share = away / (number + rate)
    near = np.abs(share) < 0.1
    close = away * share + number * log_series(np.where(near, share, 0.0))
    return np.where(near, close, number * np.log(number / rate) - away)


def _inverted(xi: Array, p: float) -> AtMean:
    """The inversion integral along the path of steepest descent, for p > 2.

    It is B/π ∫ A exp(-E (A - 1)) dω over (0, π), B = 1/((p - 1) xi), E = B/(p - 2), with A rising from 1 to
    infinity: positive, analytic and even in ω. With ω = π tanh(t) a trapezoidal sum converges exponentially.

    Source: Zolotarev (1986), One-dimensional stable distributions, section 2.5, tilted.
    """
    index = (p - 2.0) / (p - 1.0)
    energy = 1.0 / ((p - 1.0) * (p - 2.0) * xi)
    grid = np.concatenate([np.geomspace(1e-10, 1.0, 300), np.linspace(1.0, 60.0, 600)[1:]])
    rise = np.log(_log_path(grid, index))
    end = np.exp(np.interp(np.log(np.log1p(NEGLIGIBLE / energy)), rise, np.log(grid)))
    out = np.empty((3, len(xi)))
    far = np.maximum(-np.log(energy), 0.0) + 2.0 * max(p - 6.0, 0.0)
    for low, high, nodes in (
        (-1.0, 0.0, 48),
        (0.0, 4.0, 80),
        (4.0, 25.0, 192),
        (25.0, 60.0, 512),
        (60.0, np.inf, 2048),
    ):
        rows = np.flatnonzero((far > low) & (far <= high))
        if len(rows):
            out[:, rows] = _quadrature(energy[rows, None], end[rows, None], index, nodes)
    out[0] += np.log(energy * (p - 2.0))
    return AtMean(*out)


def _quadrature(energy: Array, end: Array, index: float, nodes: int) -> tuple[Array, Array, Array]:
    place = end * (np.arange(nodes + 1.0) / nodes)
    path = np.zeros_like(place)
    path[:, 1:] = _log_path(place[:, 1:], index)
    above = energy * np.expm1(path)
    density = np.exp(path - above) / np.cosh(place) ** 2
    density[:, 0] *= 0.5
    total = density.sum(axis=1, keepdims=True)
    density /= total
    mean = (density * above).sum(axis=1, keepdims=True)
    spread = (density * (above - mean) ** 2).sum(axis=1)
    return np.log(total * end / nodes)[:, 0], mean[:, 0] - 1.0, spread - mean[:, 0]


def _log_path(place: Array, index: float) -> Array:
    """Logarithm of A at ω = π tanh(place); no term is larger than the result where that is small."""
    angle = np.pi * np.tanh(place)
    rest = 2.0 * np.pi / (1.0 + np.exp(2.0 * place))
    lower = angle < 0.5 * np.pi
    sine = np.sin(np.where(lower, angle, rest))
    ratio = np.where(lower, np.cos(angle), -np.cos(rest)) / sine * angle
    bend = np.where(angle < 0.3, _one_less_cotangent(np.minimum(angle, 0.3)), 1.0 - ratio)
    inner = _one_less_sinc(index * angle)
    sinc = np.where(angle < 1.0, np.log1p(-_one_less_sinc(np.minimum(angle, 1.0))), np.log(sine / angle))
    shift = index * (bend + ratio * inner) - 2.0 * np.sin(0.5 * index * angle) ** 2
    own = index / (1.0 - index) * (np.log1p(-inner) - sinc)
    return own + np.log1p(shift / (1.0 - index))


def _one_less_sinc(x: Array) -> Array:
    """1 - sin(x)/x."""
    square = np.minimum(x * x, 0.25)
    total = np.ones_like(square)
    for step in (210.0, 156.0, 110.0, 72.0, 42.0, 20.0):
        total = 1.0 - square / step * total
    return np.where(x < 0.5, square / 6.0 * total, 1.0 - np.sinc(x / np.pi))


def _one_less_cotangent(x: Array) -> Array:
    """1 - x cot(x) for x <= 0.3."""
    square = x * x
    total = np.full_like(square, 4 / 18243225)
    for factor in (1382 / 638512875, 2 / 93555, 1 / 4725, 2 / 945, 1 / 45, 1 / 3):
        total = factor + square * total
    return square * total
