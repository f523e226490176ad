"""The highest of several modes, with or without a dispersion of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from glmstat.matrix import Array
from glmstat.solve.prior.joint import At, height_of, settle
from glmstat.solve.prior.mode import starts
from glmstat.solve.prior.road import Road
from glmstat.solve.start import inside, start_at

__all__ = ["find_highest"]

CROSSINGS = 3
WIDE = 1e8  # times the dispersion of the null model: from where on the prior outweighs the rows
CLOSE = 0.5  # scales of the prior within which a coefficient is not exchanged


def find_highest(road: Road, *, thorough: bool = True) -> At:
    """Return the highest of the modes that ascents from the prior, from the data and from `start` reach.

    With an estimated dispersion they are compared by the log posterior of both, each at its own. Coefficients
    with a t prior are then exchanged one by one, between modes and with the data, for further ascents.

    Parameters
    ----------
    thorough : whether they are.
    """
    phi = WIDE * _of_null(road) if road.fixed is None else road.fixed
    around = replace(road.workspace, phi=phi)
    points, data = starts(around, road.null, road.given, dispersion=road.fixed is None)
    if road.fixed is None and road.spare <= 0:  # the rows alone leave no residuals
        points, data = points[:1], None
    found = _Found(road)
    for beta in points:
        found.add(beta)
    for _ in range(CROSSINGS if thorough else 0):
        best = found.best
        for beta in found.crossed(data):
            found.add(beta)
        if found.best is best:
            break
    return found.highest()


def _of_null(road: Road) -> float:
    """The dispersion of the null model."""
    zero = np.zeros(road.workspace.size) if road.null is None else road.null
    return road.pearson(road.workspace.to_beta(zero)) if inside(road.workspace, zero) else 1.0


@dataclass(eq=False)
class _Found:
    """Modes, and their heights where there are several."""

    road: Road
    modes: list[At] = field(default_factory=list)
    _heights: dict[int, float] = field(default_factory=dict)

    def add(self, beta: Array) -> None:
        """Look for a mode from a start."""
        phi = self.road.pearson(beta) if self.road.fixed is None else self.road.fixed
        found = settle(self.road, beta, phi, self.modes)
        self.modes += [] if found is None else [found]

    def height(self, place: int) -> float:
        """The log posterior of a mode."""
        if place not in self._heights:
            self._heights[place] = height_of(self.road, self.modes[place])
        return self._heights[place]

    @property
    def place(self) -> int:
        """Which is the highest."""
        if len(self.modes) == 1:
            return 0
        return max(range(len(self.modes)), key=lambda one: (self.modes[one].sound, self.height(one)))

    @property
    def best(self) -> At:
        """The highest."""
        return self.modes[self.place]

    def crossed(self, data: Array | None) -> Iterator[Array]:
        """Yield the highest mode with a coefficient of another mode or of the data, if it has a t prior."""
        best, workspace = self.best.mode.beta, self.best.workspace
        others = [one.mode.beta for one in self.modes if one.sound] + ([] if data is None else [data])
        for column, scale in _heavy(self.road) if len(others) > 1 else ():
            for value in {float(other[column]) for other in others}:
                beta = best.copy()
                beta[column] = value
                if (
                    abs(value - best[column]) > CLOSE * scale
                    and start_at(workspace, workspace.to_gamma(beta)).sums
                ):
                    yield beta

    def highest(self) -> At:
        """Return the highest, with its distance from the lowest."""
        best = self.best
        if len(self.modes) == 1 or not best.sound:
            return best
        heights = [self.height(place) for place, one in enumerate(self.modes) if one.sound]
        finite = [height for height in heights if np.isfinite(height)]
        gap = max(heights) - min(finite, default=np.nan)
        return replace(best, gap=gap) if len(heights) > 1 and not np.isnan(gap) else best


def _heavy(road: Road) -> list[tuple[int, float]]:
    """Places of the columns with a t prior and its scale, where there are several."""
    prior = road.workspace.prior
    heavy = np.isfinite(prior.df)
    rows = np.abs(prior.rows[heavy][:, road.workspace.columns])
    places = np.flatnonzero(rows.any(axis=0))
    with np.errstate(divide="ignore"):
        scales = [float((prior.scale[heavy] / rows[:, place]).min()) for place in places]
    return list(zip(places.tolist(), scales, strict=True)) if len(places) > 1 else []
