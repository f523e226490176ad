"""The likeliest dispersion, where no formula gives it, and the log-likelihood there.

The density of a row at its own mean depends on the dispersion through log(phi) + place alone, `place` being a
number of the row. So one pass is enough: it notes how the places are spread, by moments of Chebyshev
polynomials in narrow panels, and every dispersion is then looked at without the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, log, nan
from typing import Any, NamedTuple

import numpy as np

from glmstat.families.continuous import Gamma, Tweedie
from glmstat.families.tweedie_density import at_mean
from glmstat.matrix import Array, Block, IntArray
from glmstat.solve.shape.search import search
from glmstat.workspace import Workspace

__all__ = ["Likeliest", "Spread", "has_exact", "likeliest_dispersion", "spread_places"]

FEW = 500  # rows up to which each keeps its own place; more where panels have to be narrower
DEGREE = 14  # Chebyshev moments of a panel
WAVY = 1.2  # p below which the likelihood may have several maxima in the dispersion
SETTLED = 1e-10  # change of log(phi), in standard errors, at which it stands


class Likeliest(NamedTuple):
    """The dispersion of greatest likelihood, and the log-likelihood there."""

    dispersion: float
    loglik: float


class Seen(NamedTuple):
    """The saturated log-likelihood at one dispersion, and its derivatives in the log of it."""

    value: float
    slope: float
    curvature: float


@dataclass(frozen=True, eq=False)
class Spread:
    """How the places of rows are spread.

    Parameters
    ----------
    width : of a panel; 0 where each row keeps its place.
    panels : (m,) numbers of the panels, rising; (m,) places where `width` is 0.
    moments : (m, 14) sums over the rows of a panel of Chebyshev polynomials; (m, 1) frequencies.
    constant : the part of the saturated log-likelihood without the dispersion.
    """

    width: float
    panels: IntArray | Array
    moments: Array
    constant: float

    def __add__(self, other: Spread) -> Spread:
        constant = self.constant + other.constant
        both: Any = np.concatenate([self.panels, other.panels])
        panels, place = np.unique(both, return_inverse=True)
        moments = np.zeros((len(panels), self.moments.shape[1]))
        np.add.at(moments, place, np.concatenate([self.moments, other.moments]))
        return Spread(self.width, panels, moments, constant)

    def at(self, log_dispersion: float, p: float) -> Seen:
        """Return the saturated log-likelihood of all rows, for one dispersion."""
        with np.errstate(all="ignore"):
            if not self.width:
                found = at_mean(np.exp(log_dispersion + self.panels), p)
                value, slope, curvature = (float(part @ self.moments[:, 0]) for part in found)
            else:
                value, slope, curvature = self._by_panels(log_dispersion, p)
        return Seen(value + self.constant, slope, curvature)

    def _by_panels(self, log_dispersion: float, p: float) -> tuple[float, ...]:
        degree = self.moments.shape[1]
        angles = np.pi * (np.arange(degree) + 0.5) / degree
        nodes = self.width * (self.panels[:, None] + 0.5 * (np.cos(angles) + 1.0))
        found = at_mean(np.exp(log_dispersion + nodes).ravel(), p)
        cosines = np.cos(np.outer(np.arange(degree), angles)) * (2.0 / degree)
        cosines[0] *= 0.5
        weights = self.moments @ cosines
        return tuple(float((part.reshape(weights.shape) * weights).sum()) for part in found)


def has_exact(family: object) -> bool:
    """Whether the likeliest dispersion of a family is found here."""
    return type(family) is Gamma or (isinstance(family, Tweedie) and family.has_likelihood)


def likeliest_dispersion(workspace: Workspace, deviance: float, guess: float, rows: int) -> Likeliest:
    """Return the dispersion of greatest likelihood at an estimate.

    Parameters
    ----------
    deviance : at the estimate.
    guess : another estimate of the dispersion, to begin with.
    rows : how many there are.
    """
    family = workspace.likelihood.family
    p = 2.0 if family.power is None else family.power
    if not deviance > 0:
        return Likeliest(0.0, inf)
    return _likeliest(spread_places(workspace, p, rows, whole=type(family) is Gamma), deviance, guess, p)


def _likeliest(spread: Spread, deviance: float, guess: float, p: float) -> Likeliest:
    def look(place: float) -> _Look:
        seen, rest = spread.at(place, p), 0.5 * deviance * exp(-place)
        return _Look(seen.slope + rest, rest - seen.curvature, seen.value - rest)

    first = log(guess) if 0.0 < guess < inf else 0.0
    if 1.0 < p < WAVY:
        first = max((first + 0.35 * step for step in range(-6, 7)), key=lambda place: look(place).height)
    found = search(look, first, tolerance=SETTLED)
    if not found.settled and found.distance > 1e-4:
        return Likeliest(nan, nan)
    return Likeliest(exp(found.place), found.looked.height)


class _Look(NamedTuple):
    """Slope and curvature of the log-likelihood in log(phi), and its height."""

    score: float
    information: float
    height: float


def spread_places(workspace: Workspace, p: float, rows: int, *, whole: bool = False) -> Spread:
    """Return how the places of all rows are spread; one pass.

    Parameters
    ----------
    rows : how many there are.
    whole : whether weights are numbers of rows, as in R's gamma likelihood, not divisors of the dispersion.
    """
    width = min(0.5, max(p - 1.0, 0.005)) if p > 1.0 else 0.5
    few = rows * width <= 0.5 * FEW
    return workspace.frame.reduce(_spread(p, 0.0 if few else width, whole))


def _spread(p: float, width: float, whole: bool) -> Callable[[Block], Spread]:
    def kernel(block: Block) -> Spread:
        rows = block.total > 0 if p == 0.0 else (block.total > 0) & (block.y > 0)
        count = np.ones(len(block.y)) if block.frequency is None else block.frequency
        y, weights, count = block.y[rows], block.weights[rows], count[rows]
        logs = np.zeros(len(y)) if p == 0.0 else np.log(y)
        if whole:
            return _spread_of(np.zeros(len(y)), weights * count, width, logs)
        return _spread_of((p - 2.0) * logs - np.log(weights), count, width, logs)

    return kernel


def _spread_of(places: Array, count: Array, width: float, logs: Array) -> Spread:
    constant = -float(logs @ count)
    if not width:
        own, index = np.unique(places, return_inverse=True)
        summed = np.bincount(index, count, len(own)).astype(np.float64)
        return Spread(0.0, own, summed[:, None], constant)
    scaled = places / width
    numbers = np.floor(scaled)
    inside = 2.0 * (scaled - numbers) - 1.0
    panels, index = np.unique(numbers.astype(np.int64), return_inverse=True)
    moments = np.empty((len(panels), DEGREE))
    before, now = np.ones_like(inside), inside
    for degree in range(DEGREE):
        moments[:, degree] = np.bincount(index, before * count, len(panels))
        before, now = now, 2.0 * inside * now - before
    return Spread(width, panels, moments, constant)
