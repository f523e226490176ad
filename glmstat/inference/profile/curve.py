"""The profile of one linear combination of the coefficients: refits with its value held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import copysign, inf, isfinite, isnan, nan, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from glmstat.errors import DomainError
from glmstat.inference.hypothesis.linear import Linear
from glmstat.inference.profile.crossing import Crossing, crossing
from glmstat.inference.profile.edge import reach, sizes
from glmstat.inference.restrict import Restricted, Subspace, default_root, moments
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Curve", "Kind", "Point"]

Kind = Literal["deviance", "score"]
_BEYOND = 0.2  # share of the way to an end by which a profile goes on beyond it
_AT_EDGE = 1e-9  # share of a value by which a linear programme misses it
_BETTER = 1e-3  # R's profile.glm: a deviance lower by more than this is another maximum


@dataclass(frozen=True, eq=False)
class Point:
    """One refit.

    Parameters
    ----------
    value : at which the combination was held.
    statistic : signed root of the deviance or score statistic; NaN where the refit did not converge.
    deviance : that of the refit, for dispersion 1.
    coef : (p,) the other coefficients there; infinite where the refit is separated.
    theta : (p,) their finite part.
    at_bound : whether a mean lies at its bound, where there is no score.
    """

    value: float
    statistic: float
    deviance: float
    coef: Array
    theta: Array
    at_bound: bool = False


class Curve:
    """The profile of `combination` @ coef, made point by point; every refit starts from its neighbours.

    Parameters
    ----------
    fit : whose maximum is the bottom of the curve.
    combination : (p,), 0 at aliased coefficients.
    kind : "deviance" or "score" (Rao).
    """

    def __init__(self, fit: Fit, combination: Array, kind: Kind = "deviance") -> None:
        self.source, self.combination, self.kind = fit, combination, kind
        self.subspace = Subspace(fit, combination[None, :])
        self.estimate = float(Linear(("",), combination[None, :]).estimates(fit)[0])
        self.points: list[Point] = []
        self.better: float | None = None  # deviance below that of the fit
        self._theta = np.nan_to_num(fit.estimate.theta)
        self._root = self._coordinates()
        self.middle = float(combination @ self._theta)
        self.scale, self._tangent = self._wald()

    def _wald(self) -> tuple[float, Array]:
        """The standard error, and how the coefficients move with the value, to first order."""
        tangent = self._root @ (self._root.T @ self.combination)
        spread = float(self.combination @ tangent)
        sizes = np.sqrt(np.einsum("ij,ij->i", self._root, self._root))
        whole = float(np.abs(self.combination) @ sizes)
        if not 0 < whole < inf:
            return 1.0, np.zeros_like(tangent)
        if spread <= 1e-12 * whole**2:  # held at an edge: rounding is left of its standard error
            return whole * sqrt(self.source.dispersion), np.zeros_like(tangent)
        return sqrt(spread * self.source.dispersion), tangent / spread

    def at(self, value: float) -> Point:
        """Return the point at one value, kept from before where it was made.

        Raises
        ------
        DomainError : no coefficients with this value keep every mean inside its domain.
        """
        value = float(value)
        for point in self.points:
            if point.value == value:
                return point
        with np.errstate(all="ignore"):
            found = self.subspace.fit(np.array([value]), start=self._start(value))
            point = self._point(value, found)
        self.points.append(point)
        return point

    def bottom(self) -> Point:
        """Return the fit itself as a point."""
        fit = self.source
        return Point(self.estimate, 0.0, fit.deviance, np.array(fit.estimate.coef), self._theta)

    def end(self, side: int, cut: float) -> Crossing:
        """Return where the statistic crosses `cut` below (side -1) or above (side 1) the estimate."""
        if self.estimate == side * inf:
            return Crossing(side * inf, "level", -cut)
        edge = reach(self.source, self.combination, side, self.subspace.frame)
        at_edge = isfinite(edge) and side * (edge - self.middle) <= _AT_EDGE * abs(edge)
        if at_edge and self.source.status == "boundary":
            return Crossing(edge, "edge", -cut)  # the estimate itself is the last value in the domain
        noise = 1e-15 * abs(self.source.estimate.minimum) / (self.source.estimate.unit * cut)
        inner, below, step = self._inside(side, cut)
        if not below < 0:
            return Crossing(nan, "lost", nan)
        found = crossing(lambda value: self._excess(value, cut), inner, below, step, edge=edge, noise=noise)
        if found.kind == "lost" and isfinite(edge) and isfinite(self.wall(side)):
            return Crossing(edge, "edge", found.height)
        return found

    def wall(self, side: int) -> float:
        """Return the value from which on means lie at their bound and there is no score, or infinity.

        NaN where the points nearest to the estimate that have no statistic are lost for another reason.
        """
        lost = [
            point
            for point in self.points
            if isnan(point.statistic) and side * point.value > side * self.middle
        ]
        if self.kind == "deviance" or not lost:
            return side * inf
        nearest = min(lost, key=lambda point: abs(point.value - self.middle))
        return nearest.value if nearest.at_bound else nan

    def grid(self, low: Crossing, high: Crossing, cut: float, points: int) -> Iterator[Point]:
        """Yield points at even distances on both sides, the estimate and the ends among them."""
        fixed = [float(end.value) for end in (low, high) if end.kind == "root"]
        centre = self._centre(low, high)
        fixed += [centre] if isfinite(self.estimate) else []
        places: list[float] = []
        for end, side in ((low, -1), (high, 1)):
            reach = self._reach(end, side, centre, cut)
            even = centre + (reach - centre) * np.arange(1, points + 1) / points
            places += [
                v for v in even.tolist() if all(abs(v - f) > 1e-6 * abs(reach - centre) for f in fixed)
            ]
        for place in sorted({*fixed, *places}):
            try:
                point = self.bottom() if place == self.estimate else self.at(place)
            except DomainError:
                continue
            if not isnan(point.statistic):
                yield point

    def _centre(self, low: Crossing, high: Crossing) -> float:
        if isfinite(self.estimate):
            return self.estimate
        return next((end.value for end in (low, high) if end.kind == "root"), self.middle)

    def _reach(self, end: Crossing, side: int, centre: float, cut: float) -> float:
        """How far the points go on one side."""
        if end.kind == "edge":
            return centre + (end.value - centre) * (1.0 - 1e-6)
        if end.kind == "root" and end.value != centre:
            return end.value + _BEYOND * (end.value - centre)
        return centre + side * 2.0 * cut * self.scale * (1.0 if self.estimate != -side * inf else _BEYOND)

    def _excess(self, value: float, cut: float) -> float:
        try:
            statistic = self.at(value).statistic
        except DomainError:  # far from any edge only overflow leaves the domain
            return inf if self.source.spec.likelihood.bounded else nan
        return abs(statistic) - cut

    def _inside(self, side: int, cut: float) -> tuple[float, float, float]:
        """A place where the statistic is below the cut, its excess, and the first step outward."""
        step = side * self.scale * cut
        if not np.isinf(self.estimate):
            known = self._nearest_inside(side, cut)
            return (self.middle, -cut, step) if known is None else (*known, 0.1 * step)
        place, move = self.middle, -step  # the bottom lies at infinity on the other side
        for _ in range(60):
            height = self._excess(place, cut)
            if not height >= 0:
                return place, height, step
            place, move = place + move, 2.0 * move
        return place, nan, step

    def _nearest_inside(self, side: int, cut: float) -> tuple[float, float] | None:
        """The kept point that is nearest to the cut from inside, where one is near."""
        inside = [
            (abs(point.statistic) - cut, point.value)
            for point in self.points
            if side * (point.value - self.middle) > 0 and 0.7 * cut < abs(point.statistic) < cut
        ]
        return (max(inside)[1], max(inside)[0]) if inside else None

    def _start(self, value: float) -> Array:
        """Coefficients (p,) near those of the refit: on the line through the two nearest points."""
        known = sorted(self.points, key=lambda point: abs(point.value - value))[:2]
        places = [(point.value, point.theta) for point in known if isfinite(point.statistic)]
        if isfinite(self.estimate) and len(places) < 2:
            places.append((self.middle, self._theta))
        if len(places) == 2 and places[0][0] != places[1][0]:
            (a, first), (b, second) = places
            share = (value - a) / (b - a)
            if abs(share) < 3:
                return first + share * (second - first)
        base, theta = places[0] if places else (self.middle, self._theta)
        return theta + (value - base) * self._tangent

    def _point(self, value: float, found: Restricted) -> Point:
        basis, estimate = self.subspace.basis, found.estimate
        coef = np.array(found.theta)
        directions = [basis @ direction for direction in estimate.directions]
        for direction in reversed(directions):
            coef = np.where(np.abs(direction) > 1e-12, np.copysign(inf, direction), coef)
        coef[np.isnan(self.source.estimate.theta)] = nan
        statistic = nan
        if estimate.convergence.status != "not converged":
            square = self._square(found, tuple(directions))
            statistic = nan if np.isnan(square) else copysign(sqrt(max(square, 0.0)), value - self.estimate)
        at_bound = estimate.convergence.status == "boundary"
        return Point(value, statistic, estimate.deviance, coef, np.array(found.theta), at_bound)

    def _square(self, found: Restricted, directions: tuple[Array, ...]) -> float:
        phi = self.source.estimate.unit
        least = self.source.estimate.minimum
        fall = (found.minimum - least) / phi
        if fall < -_BETTER * max(1.0, 1e-9 * abs(least) / phi):
            self.better = min(self.better or 0.0, found.minimum - least)
            return nan
        return fall if self.kind == "deviance" else self._rao(found, directions) / self.source.dispersion

    def _rao(self, found: Restricted, directions: tuple[Array, ...]) -> float:
        """U'J⁻¹U at the refit, for dispersion 1; rows at infinity are left out."""
        if found.estimate.convergence.status == "boundary":
            return nan
        frame = self.subspace.frame
        own = found.estimate.likelihood
        sums = moments(
            self.source, found.theta, self._root, frame=frame, directions=directions, likelihood=own
        )
        size = np.sqrt(np.maximum(np.diag(sums.information), 0.0))
        used = size > 0
        if not (np.isfinite(sums.information).all() and np.isfinite(sums.score).all()):
            return nan
        if not used.any():  # every row is predicted perfectly in the limit
            return 0.0 if directions else nan
        score = sums.score[used] / size[used]
        scaled = sums.information[np.ix_(used, used)] / np.outer(size[used], size[used])
        solution, *_ = np.linalg.lstsq(scaled, score, rcond=1e-12)
        return float(score @ solution)

    def _coordinates(self) -> Array:
        """L (p, q): that of the fit, or, where the combination is infinite, of all columns at finite ones."""
        if np.isfinite(self.estimate) and not self.source.estimate.directions:
            return default_root(self.source)
        estimate = self.source.estimate
        sound = estimate.informed & (estimate.infinite == 0)
        if not self.combination[~sound].any():
            return default_root(self.source)
        kept = np.flatnonzero(~np.isnan(estimate.theta))
        root = np.eye(len(estimate.theta))[:, kept]
        frame = self.subspace.frame
        with np.errstate(all="ignore"):
            information = moments(self.source, self._theta, root, frame=frame).information
        if not np.isfinite(information).all():  # the finite part lies on an edge of the domain
            return root / (sizes(self.source, frame, kept) * sqrt(max(frame.rows, 1)))
        size = np.sqrt(np.maximum(np.diag(information), 0.0))
        scale = np.where((size > 0) & np.isfinite(size), size, 1.0)
        values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
        good = values > 1e-12 * values.max(initial=0.0)
        return root @ (vectors[:, good] / np.sqrt(values[good]) / scale[:, None])
