"""The mode of a posterior with its dispersion, each given the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glmstat.compute import Facts
from glmstat.estimate import Dispersion
from glmstat.matrix import Array
from glmstat.solve.dispersion import choose_dispersion
from glmstat.solve.linear import factor
from glmstat.solve.newton import perfect_deviance
from glmstat.solve.prior.height import log_posterior
from glmstat.solve.prior.mode import Mode, find_mode
from glmstat.solve.prior.road import Road
from glmstat.solve.prior.workspace import Posterior

__all__ = ["At", "height_of", "is_perfect", "settle"]

SETTLED = 1e-11  # relative change of the dispersion below which it is found
BY_SEARCH = 1e-7  # that of one found by maximising the likelihood
ROUNDS = 60
WORN = 1e-8  # the same where rounding ends the search
JUMP = 1e-9  # width of the bounds of a log dispersion between which its estimate jumps
NEAR = 1e-2  # posterior standard deviations, and change of the log dispersion, of one and the same mode


@dataclass(frozen=True, eq=False)
class At:
    """Totals at a mode.

    Parameters
    ----------
    workspace : the columns in use, with the dispersion.
    point, gamma : the workspace of the columns that are neither held nor separated, and the mode there.
    information : J + phi S of these columns, J the observed information, S the prior's curvature.
    effective : coefficients that the data determine: the trace of (J + phi S)^-1 J, or all.
    gap : by how much another mode's log posterior lies below; None where none was found.
    settled : whether dispersion and coefficients belong to each other.
    below : the estimate of the dispersion where it counts as more; None where it is the dispersion.
    """

    workspace: Posterior
    mode: Mode
    point: Posterior
    gamma: Array
    facts: Facts
    information: Array
    effective: float
    dispersion: Dispersion
    gap: float | None = None
    settled: bool = True
    below: float | None = None

    @property
    def sound(self) -> bool:
        """Whether it is a mode, and belongs to its dispersion."""
        return self.settled and self.mode.sound


def settle(road: Road, beta: Array, phi: float, known: Sequence[At]) -> At | None:
    """Return the mode near some coefficients, with its dispersion; None where that is known already.

    An estimated dispersion and the coefficients are found each given the other, until both stay.

    Parameters
    ----------
    beta : (q,).
    phi : the dispersion to start from, or the one that is given.
    """
    log_phi, search, rounds = float(np.log(phi)), _Search(), 0
    while True:
        workspace = replace(road.workspace, phi=phi)
        found = _at(road, workspace, find_mode(workspace, beta, road.null, road.control, road.counts))
        if any(_near(one, found) for one in known):
            return None
        value = found.dispersion.value
        if road.fixed is not None or is_perfect(road, found) or not value > 0:
            return found
        off = float(np.log(value)) - log_phi
        if abs(off) <= (BY_SEARCH if road.asked == "ml" else SETTLED):
            return found
        log_phi, rounds = search.next(log_phi, off), rounds + 1
        if rounds == ROUNDS or search.width <= JUMP:
            return replace(found, settled=abs(off) <= WORN)
        beta, phi = found.mode.beta, float(np.exp(log_phi))


@dataclass(eq=False)
class _Search:
    """Where to look next for a zero of off(place) that falls through it: by secants, between bounds."""

    low: float = -np.inf
    high: float = np.inf
    before: tuple[float, float] | None = None
    width: float = np.inf

    def next(self, place: float, off: float) -> float:
        """Return the next place."""
        self.low, self.high = (place, self.high) if off > 0 else (self.low, place)
        rate = 0.0 if self.before is None else _slope(self.before, (place, off)) + 1.0
        self.before, width = (place, off), self.high - self.low
        wide, self.width = width > 0.7 * self.width, width
        step = place + off / (1.0 - min(max(rate, -3.0), 0.9))
        safe = not np.isfinite(width) or (self.low < step < self.high and not wide)
        return step if safe else 0.5 * (self.low + self.high)


def _slope(one: tuple[float, float], other: tuple[float, float]) -> float:
    return (other[1] - one[1]) / (other[0] - one[0])


def _near(known: At, found: At) -> bool:
    """Whether an iteration is on its way to what is known."""
    apart = abs(float(np.log(known.workspace.phi / found.workspace.phi)))
    return apart <= NEAR and _apart(known, found.mode) <= NEAR


def _apart(found: At, mode: Mode) -> float:
    """The distance of another mode, in posterior standard deviations."""
    workspace, point = found.workspace, found.point
    delta = mode.beta - found.mode.beta
    places = np.searchsorted(workspace.columns, point.columns)
    if np.delete(delta, places).any():  # held at its location by one of the two
        return np.inf
    step = point.to_gamma(delta[places])
    return float(np.sqrt(abs(step @ found.information @ step) / workspace.phi))


def _at(road: Road, workspace: Posterior, mode: Mode) -> At:
    ascent = mode.maximum.ascent
    point = ascent.workspace
    assert isinstance(point, Posterior)
    sums = point.by_rows(ascent.gamma, "observed" if workspace.likelihood.canonical else "both")
    assert sums.observed is not None
    curvature = point.curved(point.prior.curvature(point.values(ascent.gamma)))
    information = sums.observed + curvature
    effective = _effective(workspace, mode) if mode.held else _trace(information, curvature)
    facts = point.facts(ascent.gamma, None)
    spare = road.counts.rows - effective
    asked = road.asked if road.asked is not None or point.likelihood.family.dispersion else "pearson"
    dispersion = choose_dispersion(point, ascent.gamma, facts, road.counts, spare, asked)  # pyright: ignore[reportArgumentType]
    below = dispersion.value if dispersion.estimated and 0 <= dispersion.value < road.least else None
    if below is not None:
        dispersion = replace(dispersion, value=road.least)
    return At(*(workspace, mode, point, ascent.gamma, facts, information, effective, dispersion), below=below)


def _effective(workspace: Posterior, mode: Mode) -> float:
    """Effective coefficients where some are held, which count as one each: no jump where one comes free."""
    gamma = workspace.to_gamma(mode.beta)
    curvature = workspace.curved(workspace.prior.curvature(workspace.values(gamma)))
    sums = workspace.by_rows(gamma, "observed" if workspace.likelihood.canonical else "both")
    assert sums.observed is not None
    return _trace(sums.observed + curvature, curvature)


def _trace(information: Array, curvature: Array) -> float:
    """Trace of (J + phi S)^-1 J, no more than the coefficients where S is negative."""
    found, size = factor(information), float(len(information))
    if found is None:
        return size
    return min(size - float(sum(found.solve(column)[k] for k, column in enumerate(curvature.T))), size)


def height_of(road: Road, found: At) -> float:
    """Return the log posterior of a mode, of the dispersion too where that is estimated."""
    if road.fixed is not None:
        return found.mode.objective / road.fixed
    if is_perfect(road, found):
        return np.inf
    if not found.dispersion.value > 0:
        return -np.inf
    height = log_posterior(found.workspace, found.mode.beta, found.facts.deviance, road.counts)
    return -np.inf if np.isnan(height) else height


def is_perfect(road: Road, found: At) -> bool:
    """Return whether the residuals are rounding."""
    own = road.workspace.likelihood.family.dispersion
    return (
        own is None
        and not road.least
        and found.facts.pearson <= perfect_deviance(road.workspace, road.counts)
    )
