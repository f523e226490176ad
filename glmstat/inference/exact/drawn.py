"""The distribution of one statistic as independent tables drawn from the network tell it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from glmstat.data.columns import BoolArray
from glmstat.inference.exact.network import Network
from glmstat.inference.exact.tails import TIED, Bound, crossing
from glmstat.matrix import Array, IntArray

__all__ = ["Drawn", "error_of"]

_ROUNDS = 100
_LONGEST, _STILL = 1.5, 1e-10  # step of Newton's method and its end, in standard deviations of the statistic
_NEAR = 0.2  # standard deviations that draws are moved by weights: they are worth 96 % of new ones


@dataclass(frozen=True, eq=False)
class Drawn:
    """A law of which tables are drawn; mean and extremes are those of all tables.

    The observed table counts as one of the draws, so that tests keep their level (Besag & Clifford 1989).

    Parameters
    ----------
    network : of the fixed columns alone.
    column : (g,) whole numbers, whose sum is the statistic.
    observed : that sum.
    unit : what 1 of it is.
    rounded : sums this close are the same.
    reps, seed : of the draws.
    kept : the last draws.
    """

    network: Network
    column: IntArray
    observed: int
    unit: float
    rounded: int
    reps: int
    seed: int
    kept: dict[float, Array] = field(default_factory=dict, init=False, repr=False)

    @property
    def at_least(self) -> bool:
        """Whether the observed value is the least possible."""
        return self._extremes[0] >= self.observed - self.rounded

    @property
    def at_most(self) -> bool:
        """Whether the observed value is the largest possible."""
        return self._extremes[1] <= self.observed + self.rounded

    def tail(self, theta: float, side: str, midp: bool) -> float:
        """Return the share of draws at and beyond the observed value, that value among them."""
        sign = 1.0 if side == "greater" else -1.0
        away = sign * self._away(theta)
        return self._share(away > self.rounded, np.abs(away) <= self.rounded, midp)

    def two_sided(self, theta: float, test: str, midp: bool) -> float:
        """Return the share of draws as far from the mean as the observed value, or farther."""
        assert test == "score", "the probability of a value is not known of draws"
        away = self._away(theta)
        centre = self._moments(theta)[0] - self.observed
        distance, own = np.abs(away - centre), abs(centre)
        beyond = distance >= own * (1 - TIED) - self.rounded - TIED * self._range
        same = np.abs(away) <= self.rounded
        return self._share(beyond & ~same, same, midp)

    def likeliest(self) -> float:
        """Return theta at which the mean is the observed value; the mean is that of all tables."""
        if self.at_least or self.at_most:
            return math.nan if self.at_least and self.at_most else -math.inf if self.at_least else math.inf
        return self._likeliest

    @cached_property
    def _likeliest(self) -> float:
        theta = 0.0
        for _ in range(_ROUNDS):
            mean, variance = self._moments(theta)
            step = np.clip((self.observed - mean) / math.sqrt(variance), -_LONGEST, _LONGEST)
            theta += float(step) / math.sqrt(variance) / self.unit
            if abs(step) < _STILL:
                break
        return theta

    def bound(self, side: str, chance: float, midp: bool) -> Bound:
        """Return theta at which the tail has a chance, and what draws leave open of it.

        Draws at one theta are weighed for others nearby, and drawn again where these are too far.
        """
        if side == "greater" and self.at_least:
            return Bound(-math.inf)
        if side == "less" and self.at_most:
            return Bound(math.inf)
        theta = self.likeliest()
        theta = 0.0 if math.isinf(theta) else theta
        sign = 1.0 if side == "greater" else -1.0
        away, counted = self._counted(theta, sign, midp)
        for _ in range(_ROUNDS):
            spread = float(away.std())
            reach = 1.0 / spread if spread > 0 else 1.0
            move = _weighed(away, counted, chance, reach, sign)
            theta += move / self.unit
            if abs(move) <= _NEAR * reach:
                break
            away, counted = self._counted(theta, sign, midp)
        slope = abs(float(np.mean((counted - counted.mean()) * away))) * self.unit
        error = float(counted.std()) / math.sqrt(self.reps) / slope if slope > 0 else math.inf
        return Bound(theta, error)

    def _counted(self, theta: float, sign: float, midp: bool) -> tuple[Array, Array]:
        """Draws (reps + 1,) less the observed value, that value itself last, and how much each counts."""
        away = np.append(self._away(theta), 0.0)
        same = np.abs(away) <= self.rounded
        return away, np.where(same, 0.5 if midp else 1.0, (sign * away > self.rounded).astype(float))

    def _share(self, beyond: BoolArray, same: BoolArray, midp: bool) -> float:
        own = 0.5 if midp else 1.0
        return float((beyond.sum() + own * (same.sum() + 1)) / (self.reps + 1))

    def _away(self, theta: float) -> Array:
        """Sums (reps,) of the drawn tables, less the observed one."""
        if theta not in self.kept:
            slope = theta * self.unit * self.column.astype(float)
            drawn = self.network.draw(self.column[:, None].astype(float), slope, self.reps, self.seed)
            self.kept.clear()
            self.kept[theta] = drawn[:, 0] - self.observed
        return self.kept[theta]

    def _moments(self, theta: float) -> tuple[float, float]:
        """Mean and variance of the sum over all tables."""
        slope = theta * self.unit * self.column.astype(float)
        mean, covariance = self.network.moments(self.column[:, None].astype(float), slope)
        return float(mean[0]), float(covariance[0, 0])

    @cached_property
    def _extremes(self) -> tuple[int, int]:
        return self.network.extremes(self.column)

    @property
    def _range(self) -> float:
        return float(self._extremes[1] - self._extremes[0]) or 1.0


def _weighed(away: Array, counted: Array, chance: float, reach: float, sign: float) -> float:
    """How far the parameter must move for a tail to have a chance, but for a reach: by weighing draws."""

    def excess(move: float) -> float:
        weights = np.exp(move * away - (move * away).max())
        return float(weights @ counted / weights.sum()) - chance

    low, high = sign * excess(-reach), sign * excess(reach)
    if low >= 0 or high <= 0:
        return -reach if low >= 0 else reach
    return crossing(lambda move: sign * excess(move), -reach, reach, 1e-10 * reach)


def error_of(share: float, reps: int) -> float:
    """Return the Monte-Carlo standard error of a share of independent draws."""
    return math.sqrt(max(share * (1.0 - share), 0.0) / reps)
