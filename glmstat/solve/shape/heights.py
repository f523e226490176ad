"""The log-likelihood of Tweedie families for several powers at once, the means held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, nan
from typing import NamedTuple

import numpy as np

from glmstat.array import quiet
from glmstat.estimate import Estimate
from glmstat.families.power_variance import PowerVariance
from glmstat.frame import ModelFrame
from glmstat.links import Link
from glmstat.matrix import Array, Block
from glmstat.solve.likeliest import HILLS, Spread, likeliest_of, panel_width, spread_kernel, spread_of
from glmstat.solve.shape.counts import predictor

__all__ = ["Heights"]


class _Sums(NamedTuple):
    """Deviances (m,), and for each power how the places of the rows are spread, where that was asked."""

    deviances: Array
    spreads: tuple[Spread, ...] = ()

    def __add__(self, other: _Sums) -> _Sums:  # pyright: ignore[reportIncompatibleMethodOverride]
        spreads = tuple(one + two for one, two in zip(self.spreads, other.spreads, strict=True))
        return _Sums(self.deviances + other.deviances, spreads)


class _Weights(NamedTuple):
    """The least and the greatest prior weight of positive responses."""

    low: float
    high: float

    def __add__(self, other: _Weights) -> _Weights:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Weights(min(self.low, other.low), max(self.high, other.high))

    @classmethod
    def of(cls, block: Block) -> _Weights:
        weights = block.weights[(block.total > 0) & (block.y > 0)]
        return cls(float(weights.min(initial=np.inf)), float(weights.max(initial=0.0)))


@dataclass(frozen=True, eq=False)
class Heights:
    """The log-likelihood at means that are held.

    Where all rows weigh the same, one pass notes how log(y) is spread, which serves every power.

    Parameters
    ----------
    frame : the rows.
    link : of the means.
    dispersion : where it is given; None takes the likeliest for each power.
    """

    frame: ModelFrame
    link: Link
    dispersion: float | None = None

    @quiet
    def at(self, estimate: Estimate, powers: Sequence[float], *, hills: int = HILLS) -> Array:
        """Return the log-likelihood for some powers (m,), 1 < p < 2, at the means of an estimate.

        NaN where it has no maximum in the dispersion.

        Parameters
        ----------
        hills : as in `likeliest_of`.
        """
        widths = [panel_width(p, self.frame.rows) for p in powers]
        weight = self._weight
        spreads = None
        if weight is not None:
            spreads = [self._of_logs(width, weight, p) for width, p in zip(widths, powers, strict=True)]
        asked = tuple(powers), tuple(widths) if spreads is None else ()
        found = self.frame.reduce(_sums(estimate, self.link, *asked))
        guess = max(estimate.pearson / estimate.weight, 1e-300) if estimate.weight else 1.0
        pairs = zip(found.deviances.tolist(), spreads or found.spreads, powers, strict=True)
        return np.array([self._height(spread, deviance, guess, p, hills) for deviance, spread, p in pairs])

    def _height(self, spread: Spread, deviance: float, guess: float, p: float, hills: int) -> float:
        if not deviance > 0:
            return nan
        if self.dispersion is None:
            return likeliest_of(spread, deviance, guess, p, hills=hills).loglik
        return spread.at(log(self.dispersion), p).value - deviance / (2.0 * self.dispersion)

    @cached_property
    def _weight(self) -> float | None:
        """The prior weight of all positive responses; None where they differ."""
        low, high = self.frame.reduce(_Weights.of)
        return low if low == high else None

    @cached_property
    def _logs(self) -> dict[float, Spread]:
        return {}

    def _of_logs(self, width: float, weight: float, p: float) -> Spread:
        """How the places are spread, from how log(y) is."""
        if width not in self._logs:
            self._logs[width] = self.frame.reduce(_log_kernel(width))
        logs = self._logs[width]
        nodes, counts = logs.points()
        return Spread(0.0, (p - 2.0) * nodes - log(weight), counts[:, None], logs.constant)


def _log_kernel(width: float) -> Callable[[Block], Spread]:
    def kernel(block: Block) -> Spread:
        rows = (block.total > 0) & (block.y > 0)
        logs = np.log(block.y[rows])
        return spread_of(logs, block.frequencies[rows], width, logs)

    return kernel


def _sums(
    estimate: Estimate, link: Link, powers: tuple[float, ...], widths: tuple[float, ...]
) -> Callable[[Block], _Sums]:
    def kernel(block: Block) -> _Sums:
        eta, weights = predictor(estimate, block)
        rows = weights > 0
        if not rows.all():
            eta, weights = eta[rows], weights[rows]
        y = block.y if rows.all() else block.y[rows]
        deviances = [float(weights @ PowerVariance(p).deviance(y, eta, link)) for p in powers]
        spreads = tuple(spread_kernel(p, width)(block) for p, width in zip(powers, widths, strict=False))
        return _Sums(np.array(deviances), spreads)

    return kernel
