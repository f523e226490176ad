"""The distribution of one statistic in an exponential family: p-values, estimates and ends of intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from glmstat.matrix import Array

__all__ = ["TIED", "Bound", "Law", "Support", "crossing", "median_unbiased", "root"]

TIED = 1e-7  # R's fisher.test: probabilities this close, relative to their size, are the same
_FAR = 1e4  # of a parameter, in the unit of the statistic's range, beyond which nothing changes


@dataclass(frozen=True)
class Bound:
    """A number found by a root, and its Monte-Carlo standard error; 0 where nothing was drawn."""

    value: float
    error: float = 0.0


class Law(Protocol):
    """The distribution of a statistic T with density proportional to exp(theta T)."""

    @property
    def at_least(self) -> bool:
        """Whether the observed value is the least possible."""
        ...

    @property
    def at_most(self) -> bool:
        """Whether the observed value is the largest possible."""
        ...

    def tail(self, theta: float, side: str, midp: bool) -> float:
        """Return P(T >= observed) for "greater", P(T <= observed) for "less"; less half P(T = observed)."""
        ...

    def two_sided(self, theta: float, test: str, midp: bool) -> float:
        """Return the chance of what is as far from the hypothesis as the observed value, or farther."""
        ...

    def likeliest(self) -> float:
        """Return theta of the largest conditional likelihood."""
        ...

    def bound(self, side: str, chance: float, midp: bool) -> Bound:
        """Return theta with `tail` = `chance`; infinite where there is none."""
        ...


@dataclass(frozen=True, eq=False)
class Support:
    """A law whose values are all known.

    Parameters
    ----------
    values : (k,) of the statistic, less the observed one, in increasing order.
    log_weights : (k,) for theta = 0.
    """

    values: Array
    log_weights: Array

    @property
    def at_least(self) -> bool:
        """Whether the observed value is the least possible."""
        return self._place == 0

    @property
    def at_most(self) -> bool:
        """Whether the observed value is the largest possible."""
        return self._place == len(self.values) - 1

    def chances(self, theta: float) -> Array:
        """Return the probability (k,) of each value."""
        logs = self.log_weights + theta * self.values
        weights = np.exp(logs - logs.max())
        return weights / weights.sum()

    def tail(self, theta: float, side: str, midp: bool) -> float:
        """Return the chance of the observed value and all beyond it, less half of its own by mid-p."""
        chances, place = self.chances(theta), self._place
        beyond = chances[place + 1 :] if side == "greater" else chances[:place]
        return float(beyond.sum() + (0.5 if midp else 1.0) * chances[place])

    def two_sided(self, theta: float, test: str, midp: bool) -> float:
        """Return the p-value of the probability test, or of the score test: by distance from the mean."""
        chances, place = self.chances(theta), self._place
        if test == "score":
            distance = np.abs(self.values - chances @ self.values)
            beyond = distance >= distance[place] * (1 - TIED) - TIED * self._range
        else:
            beyond = chances <= chances[place] * (1 + TIED)
        return min(float(chances[beyond].sum() - (0.5 * chances[place] if midp else 0.0)), 1.0)

    def likeliest(self) -> float:
        """Return theta at which the mean is the observed value."""
        if self.at_least or self.at_most:
            return math.nan if self.at_least and self.at_most else -math.inf if self.at_least else math.inf
        return root(lambda theta: float(self.chances(theta) @ self.values), self._range)

    def bound(self, side: str, chance: float, midp: bool) -> Bound:
        """Return theta at which the tail has a chance: the lower end for "greater", the upper for "less"."""
        if side == "greater" and self.at_least:
            return Bound(-math.inf)
        if side == "less" and self.at_most:
            return Bound(math.inf)
        sign = 1.0 if side == "greater" else -1.0
        return Bound(root(lambda theta: sign * (self.tail(theta, side, midp) - chance), self._range))

    @cached_property
    def _place(self) -> int:
        return int(np.argmin(np.abs(self.values)))

    @cached_property
    def _range(self) -> float:
        return float(self.values[-1] - self.values[0]) or 1.0


def median_unbiased(law: Law) -> Bound:
    """Return theta that gives the observed value and all beyond it probability 1/2: where it is the extreme.

    Source: Hirji, Tsiatis & Mehta (1989), The American Statistician 43, 7-11.
    """
    return law.bound("greater" if law.at_most else "less", 0.5, midp=False)


def root(function: Callable[[float], float], size: float, tolerance: float = 1e-13) -> float:
    """Return where an increasing function of a parameter is 0; infinite where it is nowhere.

    Parameters
    ----------
    size : range of the statistic: the parameter is of the order of its inverse.
    """

    def scaled(place: float) -> float:
        return function(place / size)

    far = 1.0
    while scaled(-far) > 0 or scaled(far) < 0:
        far *= 2.0
        if far > _FAR * 1e3:
            return math.inf if scaled(far) < 0 else -math.inf
    return crossing(scaled, -far, far, tolerance) / size


def crossing(function: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Return where a function whose signs at `low` and `high` differ is 0."""
    from scipy.optimize import root_scalar

    found = root_scalar(function, bracket=(low, high), method="brentq", xtol=tolerance, rtol=1e-14)
    return float(found.root)
