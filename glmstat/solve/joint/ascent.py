"""Newton's method in all predictors at once, to a maximum in units of standard errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from glmstat.compute import Sums
from glmstat.control import Control
from glmstat.estimate import Pass
from glmstat.matrix import Array
from glmstat.solve.joint.space import Space
from glmstat.solve.lap import Lap
from glmstat.solve.linear import factor, positive_direction

__all__ = ["Ascent", "ascend"]

ARMIJO = 1e-4  # Nocedal & Wright (2006), section 3.1
ROUNDING = 1e-14  # share of the objective below which a gain cannot be seen in it
CLOSE = 1e-3  # standard errors within which rounding may end an ascent
FAR = 0.5  # change of a predictor that a converged step stays below
EPS = float(np.finfo(np.float64).eps)
Ending = Literal["converged", "stuck", "iterations", "singular"]


@dataclass(frozen=True, eq=False)
class Ascent:
    """Where an ascent ended, and why.

    `delta` is the last step, `row` the row that it moved most, `floor` whether rounding ended it.
    """

    space: Space
    gamma: Array
    sums: Sums
    ending: Ending
    decrement: float
    iterations: int
    halvings: int
    trace: tuple[Pass, ...]
    delta: Array
    row: int = -1
    floor: bool = False


@dataclass(eq=False)
class _Climb:
    space: Space
    gamma: Array
    sums: Sums
    tolerance: float
    delta: Array
    decrement: float = np.inf
    row: int = -1
    halvings: int = 0
    floor: bool = False
    trace: list[Pass] = field(default_factory=list)
    lap: Lap = field(default_factory=Lap)


def ascend(space: Space, gamma: Array, sums: Sums, control: Control) -> Ascent:
    """Return the end of the ascent from a point.

    Parameters
    ----------
    sums : with the observed information, at that point.
    """
    climb = _Climb(space, gamma, sums, control.tolerance, np.zeros_like(gamma))
    ending: Ending | None = None if space.width else "converged"
    climb.decrement = climb.decrement if space.width else 0.0
    for _ in range(control.max_iterations):
        if ending is not None:
            break
        ending = _step(climb)
    return Ascent(
        space,
        climb.gamma,
        climb.sums,
        ending or "iterations",
        climb.decrement,
        len(climb.trace),
        climb.halvings,
        tuple(climb.trace),
        climb.delta,
        climb.row,
        climb.floor,
    )


def _step(climb: _Climb) -> Ending | None:
    """Take one step; return how the ascent ends if it does."""
    found = _direction(climb)
    if found is None:
        return "singular"
    delta, name = found
    previous, gain = climb.decrement, float(climb.sums.score @ delta)
    climb.delta, climb.decrement = delta, float(np.sqrt(max(gain, 0.0)))
    exempt = gain < ROUNDING * climb.sums.magnitude
    if climb.decrement <= climb.tolerance or exempt:
        look = climb.space.look(climb.gamma, delta)
        climb.row = look.row
        done = climb.decrement <= climb.tolerance and look.step < FAR
        climb.floor = not done and (climb.decrement > 0.5 * previous or look.step <= 4 * EPS * look.terms)
        if done or climb.floor:
            close = climb.decrement <= CLOSE and look.step < FAR
            return _finish(climb, delta, name) if close else "stuck"
    return _advance(climb, delta, gain, exempt, name)


def _direction(climb: _Climb) -> tuple[Array, str] | None:
    """The step of the observed information where that is positive definite, else of one made so."""
    observed, score = climb.sums.observed, climb.sums.score
    assert observed is not None
    found = factor(observed)
    if found is not None:
        return found.solve(score), "observed"
    expected = climb.space.pass_(climb.gamma, "expected").expected
    return None if expected is None else positive_direction(expected, observed, score)


def _finish(climb: _Climb, delta: Array, name: str) -> Ending:
    """Take the last step, whose digits are free."""
    sums = climb.space.pass_(climb.gamma + delta, "observed")
    if sums.finite:
        _record(climb, 1.0, 0, name)
        climb.gamma, climb.sums = climb.gamma + delta, sums
    return "converged"


def _advance(climb: _Climb, delta: Array, gain: float, exempt: bool, name: str) -> Ending | None:
    step, halvings = 1.0, 0
    while True:
        sums = climb.space.pass_(climb.gamma + step * delta, "observed")
        if sums.finite and (exempt or sums.objective >= climb.sums.objective + ARMIJO * step * gain):
            break
        step, halvings = 0.5 * step, halvings + 1
        if halvings > 50:
            climb.halvings += halvings
            return "stuck"
    climb.halvings += halvings
    _record(climb, step, halvings, name)
    climb.gamma, climb.sums = climb.gamma + step * delta, sums
    return None


def _record(climb: _Climb, step: float, halvings: int, name: str) -> None:
    rows, seconds = climb.space.frame.rows, climb.lap.seconds()
    deviance = -2.0 * climb.sums.objective
    climb.trace.append(Pass(deviance, climb.decrement, step, halvings, name, "information", rows, seconds))
