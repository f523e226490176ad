"""The likeliest dispersion, where no formula gives it, and the log-likelihood there.

The density of a row at its own mean depends on the dispersion through log(phi) + place alone, `place` being a
number of the row. So one pass is enough: it notes how the places are spread, by moments of Chebyshev
polynomials in narrow panels, and every dispersion is then looked at without the rows.

Near p = 1 responses lie near multiples of the dispersion, and the likelihood has a maximum for each way to
see them as such. All dispersions that may be one are tabulated: the slope in log(phi) is D / (2 phi) less the
sum of (E k - l) / (p - 1), k the number of amounts of a positive row and l = y**(2 - p) w / ((2 - p) phi); as
k >= 1 and E k - l < 1, no maximum lies beyond two known ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, isfinite, log, nan
from typing import Any, NamedTuple

import numpy as np

from glmstat.families.continuous import Gamma, Tweedie
from glmstat.families.tweedie_density import at_mean
from glmstat.matrix import Array, Block, IntArray
from glmstat.solve.shape.search import search
from glmstat.workspace import Workspace

__all__ = [
    "HILLS",
    "Likeliest",
    "Spread",
    "has_exact",
    "likeliest_dispersion",
    "likeliest_of",
    "panel_width",
    "spread_kernel",
    "spread_of",
    "spread_places",
]

FEW = 500  # rows up to which each keeps its own place; more where panels have to be narrower
WIDTHS = (0.01, 0.03, 0.1, 0.25, 0.5)  # of panels: powers near each other have the same
DEGREE = 14  # Chebyshev moments of a panel
WAVY = 1.5  # p below which the likelihood may have several maxima in the dispersion
FINE = 0.25  # step of the table, in units of 1/alpha: the shortest waves that matter are 2/alpha
COARSE = 0.05  # its longest step
LEAST = -1e6  # log density of a row below which nothing has to be told apart
ROUGH = 1e-3  # of a row's log density: how far the table may be off
HILLS = 4  # maxima of the table that are looked at closely
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
            places, counts = self.points()
            found = at_mean(np.exp(log_dispersion + places), p)
            value, slope, curvature = (float(part @ counts) for part in found)
        return Seen(value + self.constant, slope, curvature)

    def points(self) -> tuple[Array, Array]:
        """Return places (m,) and how many rows each stands for (m,): sums over them are those over rows."""
        if not self.width:
            return np.asarray(self.panels, dtype=np.float64), self.moments[:, 0]
        degree = self.moments.shape[1]
        angles = np.pi * (np.arange(degree) + 0.5) / degree
        nodes = self.width * (self.panels[:, None] + 0.5 * (np.cos(angles) + 1.0))
        cosines = np.cos(np.outer(np.arange(degree), angles)) * (2.0 / degree)
        cosines[0] *= 0.5
        return nodes.ravel(), (self.moments @ cosines).ravel()


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
    return likeliest_of(spread_places(workspace, p, rows), deviance, guess, p)


def likeliest_of(spread: Spread, deviance: float, guess: float, p: float, *, hills: int = HILLS) -> Likeliest:
    """Return the dispersion of greatest likelihood from how the places are spread; as above, deviance > 0.

    Parameters
    ----------
    hills : how many maxima of the table are looked at closely, where there may be several.
    """

    def look(place: float) -> _Look:
        seen, rest = spread.at(place, p), 0.5 * deviance * exp(-place)
        return _Look(seen.slope + rest, rest - seen.curvature, seen.value - rest)

    if 1.0 < p < WAVY:
        return _highest(spread, deviance, p, look, hills)
    first = log(guess) if 0.0 < guess < inf else 0.0
    found = search(look, first, tolerance=SETTLED)
    if not found.settled and found.distance > 1e-4:
        return Likeliest(nan, nan)
    return Likeliest(exp(found.place), found.looked.height)


def _highest(
    spread: Spread, deviance: float, p: float, look: Callable[[float], _Look], most: int
) -> Likeliest:
    """The highest of all maxima, for 1 < p < 1.5."""
    places, counts = spread.points()
    rows = counts.sum()
    if not rows > 0:
        return Likeliest(nan, nan)
    spare = 0.5 * deviance * (p - 1.0) / rows
    end = log(spare + float(np.exp(-places) @ counts) / (2.0 - p) / rows)
    step = min(FINE * (p - 1.0) / (2.0 - p), COARSE)
    grid = np.arange(log(spare) - step, end + 2.0 * step, step)
    heights = _table(places, counts, grid, p) - 0.5 * deviance * np.exp(-grid)
    hills = np.flatnonzero((heights[1:-1] >= heights[:-2]) & (heights[1:-1] >= heights[2:])) + 1
    tops = {hill: _vertex(heights, hill) for hill in hills.tolist()}
    best = Likeliest(nan, -inf)
    for hill in sorted(tops, key=lambda place: tops[place], reverse=True)[:most]:
        if tops[hill] < best.loglik - ROUGH * (1.0 + rows):
            break
        low, high = float(grid[hill - 1]), float(grid[hill + 1])
        found = search(look, float(grid[hill]), low=low, high=high, tolerance=SETTLED)
        if found.looked.height > best.loglik and (found.settled or found.distance < 1e-4):
            best = Likeliest(exp(found.place), found.looked.height)
    return best if isfinite(best.loglik) else Likeliest(nan, nan)


def _vertex(heights: Array, place: int) -> float:
    """The top of the parabola through three neighbours."""
    before, here, after = (float(height) for height in heights[place - 1 : place + 2])
    bend = 2.0 * here - before - after
    return here + 0.125 * (after - before) ** 2 / bend if bend > 0 else here


def _table(places: Array, counts: Array, grid: Array, p: float) -> Array:
    """The saturated log-likelihood at dispersions exp(grid): places go to a grid of that step, by cubics."""
    step, low = grid[1] - grid[0], places.min()
    scaled = (places - low) / step + 1.0
    number = np.floor(scaled).astype(np.int64)
    ahead = scaled - number
    binned = np.zeros(number.max() + 3)
    for nearby, share in enumerate(_lagrange(ahead), start=-1):
        binned += np.bincount(number + nearby, counts * share, len(binned))
    ends = grid[0] + low - step + step * np.arange(len(grid) + len(binned) - 1)
    with np.errstate(all="ignore"):
        values = np.maximum(at_mean(np.exp(ends), p).value, LEAST)
    size = 1 << (len(ends) - 1).bit_length()
    spectrum = np.fft.rfft(values, size) * np.conj(np.fft.rfft(binned, size))
    return np.fft.irfft(spectrum, size)[: len(grid)]


def _lagrange(ahead: Array) -> tuple[Array, ...]:
    """Shares of the neighbours -1, 0, 1, 2 of a point between 0 and 1."""
    less, more, far = ahead - 1.0, ahead + 1.0, ahead - 2.0
    return (
        -ahead * less * far / 6.0,
        more * less * far / 2.0,
        -more * ahead * far / 2.0,
        more * ahead * less / 6.0,
    )


class _Look(NamedTuple):
    """Slope and curvature of the log-likelihood in log(phi), and its height."""

    score: float
    information: float
    height: float


def spread_places(workspace: Workspace, p: float, rows: int) -> Spread:
    """Return how the places of all rows are spread; one pass.

    Parameters
    ----------
    rows : how many there are.
    """
    return workspace.frame.reduce(spread_kernel(p, panel_width(p, rows)))


def panel_width(p: float, rows: int) -> float:
    """Return the width of panels in which a density is smooth; 0 where the rows are few."""
    narrow = p - 1.0 if p > 1.0 else 0.5
    width = max((known for known in WIDTHS if known <= narrow), default=narrow)
    return 0.0 if rows * width <= 0.5 * FEW else width


def spread_kernel(p: float, width: float) -> Callable[[Block], Spread]:
    """Return what notes the places of the rows of a block for one power: weights divide the dispersion."""

    def kernel(block: Block) -> Spread:
        rows = block.total > 0 if p == 0.0 else (block.total > 0) & (block.y > 0)
        y, weights, count = block.y[rows], block.weights[rows], block.frequencies[rows]
        logs = np.zeros(len(y)) if p == 0.0 else np.log(y)
        return spread_of((p - 2.0) * logs - np.log(weights), count, width, logs)

    return kernel


def spread_of(places: Array, count: Array, width: float, logs: Array) -> Spread:
    """Return how places (n,) are spread, each counted (n,) times, `logs` (n,) the logarithms of responses."""
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
