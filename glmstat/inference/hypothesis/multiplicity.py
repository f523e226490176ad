"""Several tests at once: adjusted p-values, and intervals that hold together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from scipy.special import gammaincinv, ndtr, ndtri

from glmstat.errors import ArgumentError, near, one_of
from glmstat.inference.reference import Reference
from glmstat.matrix import Array

__all__ = ["ADJUSTMENTS", "MaxT", "adjusted", "as_adjustment", "correlation", "simultaneous_level"]

_SAME = 1e-9  # 1 - |correlation| below which two statistics are one up to sign
_DEPENDENT = 1e-8  # share of a unit variance that is left of a statistic that others determine
_SHIFTS = 12  # Genz (1993) takes 8 to 12 shifts for the error
_POINTS = 8192


def _nothing(p: Array) -> Array:
    return p


def _bonferroni(p: Array) -> Array:
    return np.minimum(1.0, len(p) * p)


def _sidak(p: Array) -> Array:
    with np.errstate(divide="ignore"):
        return -np.expm1(len(p) * np.log1p(-p))


def _holm(p: Array) -> Array:
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    return _placed(np.minimum(1.0, stepped), order)


def _step_up(p: Array, factors: Array) -> Array:
    """Least of factor times p over this and all larger p-values."""
    order = np.argsort(-p, kind="stable")
    return _placed(np.minimum(1.0, np.minimum.accumulate(factors * p[order])), order)


def _hochberg(p: Array) -> Array:
    return _step_up(p, np.arange(1.0, len(p) + 1))


def _benjamini_hochberg(p: Array) -> Array:
    return _step_up(p, len(p) / np.arange(len(p), 0.0, -1.0))


def _benjamini_yekutieli(p: Array) -> Array:
    sum_of_inverses = float(np.sum(1.0 / np.arange(1.0, len(p) + 1)))
    return _step_up(p, sum_of_inverses * len(p) / np.arange(len(p), 0.0, -1.0))


def _placed(values: Array, order: np.ndarray) -> Array:
    out = np.empty_like(values)
    out[order] = values
    return out


SINGLE_STEP = "single-step"
ADJUSTMENTS: Mapping[str, Callable[[Array], Array]] = {
    "none": _nothing,
    "holm": _holm,
    "hochberg": _hochberg,
    "bonferroni": _bonferroni,
    "sidak": _sidak,
    "BH": _benjamini_hochberg,
    "BY": _benjamini_yekutieli,
}


def as_adjustment(word: str) -> str:
    """Return the name of an adjustment of p-values, in its usual letters.

    Raises
    ------
    ArgumentError : no such adjustment.

    >>> as_adjustment("bh"), as_adjustment("fdr")
    ('BH', 'BH')
    """
    known = {name.lower(): name for name in (*ADJUSTMENTS, SINGLE_STEP)}
    known |= {"fdr": "BH", "single step": SINGLE_STEP, "max-t": SINGLE_STEP}
    if not isinstance(word, str) or word.lower() not in known:
        names = (*ADJUSTMENTS, SINGLE_STEP)
        raise ArgumentError(f"Unknown adjust: {word!r}. Known: {one_of(names)}.{near(str(word), names)}")
    return known[word.lower()]


def adjusted(p_values: Array, word: str) -> Array:
    """Return p-values (k,) adjusted for their number; NaN stay, and are not counted.

    Source: Holm (1979), Hochberg (1988), Benjamini & Hochberg (1995), Benjamini & Yekutieli (2001); numbers
    as R's p.adjust.

    >>> adjusted(np.array([0.01, 0.04, np.nan]), "holm").tolist()
    [0.02, 0.04, nan]
    """
    out, known = np.array(p_values, dtype=np.float64), np.isfinite(p_values)
    if known.any():
        out[known] = ADJUSTMENTS[word](out[known])
    return out


def simultaneous_level(level: float, count: int, word: str) -> float:
    """Return the level of each of `count` intervals that together cover with `level`, at least.

    Only "bonferroni" and "sidak" say which; other words leave the level as it is.

    >>> round(simultaneous_level(0.95, 5, "bonferroni"), 4)
    0.99
    """
    if word == "bonferroni":
        return 1.0 - (1.0 - level) / count
    return level ** (1.0 / count) if word == "sidak" else level


def correlation(spread: Array) -> Array:
    """Return the correlation (k, k) of statistics with covariance A A', A (k, m)."""
    unit = spread / np.sqrt(np.einsum("ij,ij->i", spread, spread))[:, None]
    return unit @ unit.T


@dataclass(frozen=True, eq=False)
class MaxT:
    """The largest of k statistics in absolute value, jointly normal or t.

    Probabilities by randomised lattice points, separated variable by variable; the correlation may be
    singular, as that of all pairs of levels is: there scipy 1.17's multivariate t is wrong (0.706 for 0.880
    on four levels) and its normal holds to 1e-4 only. The same seed always: the same numbers on every call.

    Parameters
    ----------
    correlation : (k, k).
    df : degrees of freedom of t; infinite for the normal.

    Source: Genz (1992, 1993); Genz & Kwong (2000) for singular correlations; numbers as multcomp's
    adjusted("single-step").

    >>> single = MaxT(np.eye(2), np.inf)
    >>> round(single.p_value(1.959964)[0], 4)
    0.0975
    """

    correlation: Array
    df: float

    def p_value(self, statistic: float) -> tuple[float, float]:
        """Return P(max |T| >= |statistic|) and its numerical error (three standard errors)."""
        inside, error = self.inside(abs(statistic))
        single = float(Reference(np.array([self.df]), "").p_value(np.array([statistic]))[0])
        return float(np.clip(1.0 - inside, single, min(1.0, len(self.correlation) * single))), error

    def quantile(self, level: float) -> tuple[float, float]:
        """Return c with P(max |T| <= c) = level, and the numerical error of that probability."""
        from scipy.optimize import brentq

        alone = Reference(np.array([self.df]), "")
        low, high = float(alone.quantile(level)[0]), self._bonferroni_quantile(level)
        if len(self._factor) == 1 or high <= low:
            return low, 0.0
        found = brentq(lambda c: self.inside(c)[0] - level, 0.95 * low, 1.05 * high, xtol=1e-7)
        return float(found), self.inside(float(found))[1]  # pyright: ignore[reportArgumentType]

    def inside(self, limit: float) -> tuple[float, float]:
        """Return P(max |T| <= limit) and its numerical error."""
        if len(self._factor) == 1:
            single = Reference(np.array([self.df]), "").p_value(np.array([limit]))[0]
            return 1.0 - float(single), 0.0
        means = np.array([self._one_shift(limit, shift) for shift in self._shifts])
        return float(means.mean()), 3.0 * float(means.std(ddof=1)) / np.sqrt(len(means))

    def _bonferroni_quantile(self, level: float) -> float:
        each = simultaneous_level(level, len(self.correlation), "bonferroni")
        return float(Reference(np.array([self.df]), "").quantile(each)[0])

    @cached_property
    def _factor(self) -> Array:
        """L (k', r) with L L' the correlation of the distinct statistics; each column begins with a pivot."""
        left = np.array(self.correlation)
        distinct = [row for row in range(len(left)) if not (np.abs(left[row, :row]) > 1.0 - _SAME).any()]
        left = left[np.ix_(distinct, distinct)]
        columns = []
        while len(left) and (pivot := int(np.argmax(np.diag(left)))) >= 0 and left[pivot, pivot] > _DEPENDENT:
            column = left[:, pivot] / np.sqrt(left[pivot, pivot])
            columns.append(column)
            left = left - np.outer(column, column)
        factor = np.array(columns).T
        return np.where(np.abs(factor) > _DEPENDENT, factor, 0.0)

    @cached_property
    def _last(self) -> np.ndarray:
        """The last variable (k',) that each statistic depends on."""
        r = self._factor.shape[1]
        return r - 1 - np.argmax(self._factor[:, ::-1] != 0, axis=1)

    @cached_property
    def _shifts(self) -> Array:
        dimensions = self._factor.shape[1] + np.isfinite(self.df)
        return np.random.default_rng(20_031_993).random((_SHIFTS, int(dimensions)))

    @cached_property
    def _lattice(self) -> Array:
        """Richtmyer's lattice (dimensions, points)."""
        roots = np.sqrt(np.array(list(islice(_primes(), self._shifts.shape[1])), dtype=np.float64))
        return np.mod(roots[:, None] * np.arange(1.0, _POINTS + 1), 1.0)

    def _one_shift(self, limit: float, shift: Array) -> float:
        points = np.abs(2.0 * np.mod(self._lattice + shift[:, None], 1.0) - 1.0)
        factor, last = self._factor, self._last
        scale = np.ones(_POINTS)
        if np.isfinite(self.df):
            scale = np.sqrt(2.0 * gammaincinv(0.5 * self.df, points[-1]) / self.df)
        probability, drawn = np.ones(_POINTS), np.zeros((factor.shape[1], _POINTS))
        for place in range(factor.shape[1]):
            rows = np.flatnonzero(last == place)
            if not len(rows):
                drawn[place] = ndtri(np.clip(points[place], 1e-16, 1 - 1e-16))
                continue
            slope = factor[rows, place][:, None]
            middle = -(factor[rows, :place] @ drawn[:place]) / slope
            half = limit * scale / np.abs(slope)
            low, high = ndtr((middle - half).max(axis=0)), ndtr((middle + half).min(axis=0))
            width = np.maximum(high - low, 0.0)
            probability *= width
            drawn[place] = ndtri(np.clip(low + points[place] * width, 1e-16, 1 - 1e-16))
        return float(probability.mean())


def _primes() -> Iterator[int]:
    found: list[int] = []
    number = 2
    while True:
        if all(number % prime for prime in found):
            found.append(number)
            yield number
        number += 1
