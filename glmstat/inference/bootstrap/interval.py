"""Intervals from the estimates of resamples; every number as R's boot.ci gives it for the same resamples."""

from __future__ import annotations

from math import floor
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from glmstat.errors import ArgumentError
from glmstat.matrix import Array

__all__ = ["TYPES", "Interval", "Sample", "interval", "least_reps", "order_quantile"]

TYPES = ("percentile", "basic", "bca", "studentized", "normal")


class Sample(NamedTuple):
    """What the resamples say about one number.

    Parameters
    ----------
    estimate, std_error : of the fit; the standard error is that of the kind resamples have.
    draws, errors : (reps,) of the resamples, NaN where there is none.
    acceleration : skewness of the influence values over 6.
    """

    estimate: float
    std_error: float
    draws: Array
    errors: Array
    acceleration: float


class Interval(NamedTuple):
    """Ends of an interval, and whether one of them is the most extreme resample."""

    low: float
    high: float
    extreme: bool = False


_NONE = Interval(np.nan, np.nan)


def least_reps(level: float) -> int:
    """Return how many resamples put the ends of an interval between two of them.

    >>> least_reps(0.95), least_reps(0.99)
    (40, 200)
    """
    return floor(2.0 / (1.0 - level) - 1.0 + 1e-9) + 1


def order_quantile(draws: Array, share: float, *, upper: bool = False) -> tuple[float, bool]:
    """Return the quantile of sorted draws (R,), and whether it is one of the two ends.

    The (R + 1) share-th order statistic; between two of them interpolated on the scale of normal quantiles,
    but where one of them is infinite: then it is the outer one of the two, seen from the interval.

    Parameters
    ----------
    upper : whether the quantile is the upper end of an interval.

    Source: Davison & Hinkley (1997), equation 5.8.

    >>> order_quantile(np.arange(1.0, 100.0), 0.05)
    (5.0, False)
    >>> draws = np.array([-np.inf, 1.0, 2.0])
    >>> order_quantile(draws, 0.4), order_quantile(draws, 0.4, upper=True)
    ((-inf, False), (1.0, False))
    """
    count = len(draws)
    rank = (count + 1) * share
    whole = int(rank)
    if whole < 1 or whole >= count:
        return float(draws[0] if whole < 1 else draws[-1]), True
    low, high = float(draws[whole - 1]), float(draws[whole])
    if rank == whole or low == high:
        return low, rank <= 1
    if not (np.isfinite(low) and np.isfinite(high)):
        return high if upper else low, False
    ends = ndtri(np.array([share, whole / (count + 1), (whole + 1) / (count + 1)]))
    return low + float((ends[0] - ends[1]) / (ends[2] - ends[1])) * (high - low), False


def interval(kind: str, sample: Sample, level: float) -> Interval:
    """Return the interval of one number; NaN where the fit has no finite estimate of it.

    Percentiles of an infinite estimate are there if enough resamples determine it.

    Parameters
    ----------
    kind : one of TYPES.
    level : coverage.

    Raises
    ------
    ArgumentError : too few usable resamples for the level.

    Source: Davison & Hinkley (1997), chapter 5; Efron (1987) for BCa.
    """
    tails = (0.5 * (1.0 - level), 0.5 * (1.0 + level))
    if kind == "studentized":
        return _studentized(sample, tails, level)
    draws = sample.draws[~np.isnan(sample.draws)]
    if kind == "normal":
        return _normal(sample, draws[np.isfinite(draws)], tails)
    few = len(draws) < least_reps(level)
    if np.isnan(sample.estimate) or (few and np.isinf(sample.estimate)):
        return _NONE
    _refuse_few(len(draws), level)
    draws = np.sort(draws)
    if kind == "bca":
        return _bca(sample, draws, tails)
    (low, first), (high, last) = _ends(draws, tails)
    if kind == "percentile":
        return Interval(low, high, first or last)
    if not np.isfinite(sample.estimate):
        return _NONE
    return Interval(2.0 * sample.estimate - high, 2.0 * sample.estimate - low, first or last)


def _ends(draws: Array, shares: tuple[float, float]) -> tuple[tuple[float, bool], tuple[float, bool]]:
    return order_quantile(draws, shares[0]), order_quantile(draws, shares[1], upper=True)


def _refuse_few(usable: int, level: float) -> None:
    least = least_reps(level)
    if usable < least:
        raise ArgumentError(
            f"A bootstrap interval at level {level:g} needs {least:,} usable resamples: "
            f"there are {usable:,}. Give more reps, or a lower level."
        )


def _normal(sample: Sample, draws: Array, tails: tuple[float, float]) -> Interval:
    if len(draws) < 2 or not np.isfinite(sample.estimate):
        return _NONE
    centre, size = 2.0 * sample.estimate - draws.mean(), draws.std(ddof=1)
    low, high = (float(centre + size * ndtri(share)) for share in tails)
    return Interval(low, high)


def _studentized(sample: Sample, tails: tuple[float, float], level: float) -> Interval:
    if not (np.isfinite(sample.estimate) and np.isfinite(sample.std_error)):
        return _NONE
    with np.errstate(all="ignore"):
        ratios = (sample.draws - sample.estimate) / sample.errors
    ratios = np.sort(ratios[np.isfinite(ratios)])
    _refuse_few(len(ratios), level)
    (low, first), (high, last) = _ends(ratios, tails)
    size = sample.std_error
    return Interval(sample.estimate - size * high, sample.estimate - size * low, first or last)


def _bca(sample: Sample, draws: Array, tails: tuple[float, float]) -> Interval:
    shift = ndtri(np.mean(draws < sample.estimate))
    if not (np.isfinite(shift) and np.isfinite(sample.acceleration) and np.isfinite(sample.estimate)):
        return _NONE
    moved = shift + ndtri(np.array(tails))
    shares = ndtr(shift + moved / (1.0 - sample.acceleration * moved))
    (low, first), (high, last) = _ends(draws, (float(shares[0]), float(shares[1])))
    return Interval(low, high, first or last)
