"""The root of an adjusted score: Fisher scoring, its steps combined by Anderson's rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from glmstat.control import Control
from glmstat.estimate import Pass
from glmstat.matrix import Array
from glmstat.solve.bias.problem import Point, Problem
from glmstat.solve.lap import Lap
from glmstat.solve.start import inside
from glmstat.triangular import triangular_inverse

__all__ = ["Climb", "climb"]

MEMORY = 10  # steps that are combined
HALVINGS = 20
FALL = 0.7  # share of the step before that a combined step must fall below
EXACT = 1e-3  # share of the tolerance that is tried for: the step is not Newton's, what is left may be more
POLISH = 6  # steps that are taken beyond the tolerance
NEAR = 0.02  # decrement below which an ascent is near its end
PATIENCE = 40  # iterations without a new least decrement, after which scoring goes in circles
FLOOR = 1e-6  # decrement below which a standstill is rounding
SLOW = 15  # steps from which on, at every EVERYth, Newton's own is tried
EVERY = 3
LATE = 40  # steps from which on it is tried though the decrement does not fall steadily
STEADY = 4  # falls of the decrement in turn, from which steps are combined where no likelihood says more
SMALLEST = 2.0**-11  # share of a step of scoring, as brglm2's max_step_factor
FAR = 1e3  # times the decrement before, beyond which a step has left all sense
DIFFERENCE = 1e-5  # in standard errors, of the derivatives
LEAST = 1e-3  # curvature, as a share of the information's, that a step divides by
ARMIJO = 1e-4  # Nocedal & Wright (2006), section 3.1
ROUNDING = 1e-13  # share of the objective below which its change is rounding

Ending = Literal["converged", "stuck", "iterations"]


@dataclass(eq=False)
class Climb:
    """An ascent as far as it has gone.

    Parameters
    ----------
    taken : iterations of the ascents before it, which count towards those that are allowed.
    guarded : whether a step is taken only where it is better.
    least, since : the least decrement met, and at which iteration.
    """

    problem: Problem
    point: Point
    rows: int
    taken: int = 0
    ending: Ending = "iterations"
    iterations: int = 0
    halvings: int = 0
    guarded: bool = True
    share: float = 1.0
    falls: int = 0
    least: float = np.inf
    since: int = 0
    floor: bool = False
    edge: bool = False
    trace: list[Pass] = field(default_factory=list)
    places: list[Array] = field(default_factory=list)
    steps: list[Array] = field(default_factory=list)
    lap: Lap = field(default_factory=Lap)

    @property
    def likely(self) -> bool:
        """Whether there is a penalised likelihood that tells which of two points is better."""
        return self.problem.ratio and self.problem.spread.fixed

    def length(self, point: Point) -> float:
        """Return the sum of the sizes of a step's coefficients, by which brglm2 shortens steps."""
        return float(np.abs(self.problem.moved(point.step)).sum())


def climb(
    problem: Problem, point: Point, control: Control, rows: int, *, guarded: bool = True, taken: int = 0
) -> Climb:
    """Return the end of an ascent from a point.

    Parameters
    ----------
    guarded : take only steps that are better; else scoring goes on whatever it meets, for the decrement may
        rise on the way.
    taken : iterations before it, which count towards those that `control` allows.

    Source: Walker & Ni (2011), SIAM Journal on Numerical Analysis 49, 1715-1735, for the combination.
    """
    state, left = Climb(problem, point, rows, taken), POLISH
    state.guarded = guarded or state.likely
    while True:
        here = state.point.decrement
        problem.workspace.note(problem.gamma(state.point.place), here)
        left -= here <= control.tolerance
        if here <= EXACT * control.tolerance or (here <= control.tolerance and left <= 0):
            state.ending = "converged"
            return state
        if taken + state.iterations >= control.max_iterations:
            state.ending = "converged" if here <= control.tolerance else "iterations"
            return state
        if _is_circling(state) or not _step(state):
            state.floor = control.tolerance < here <= FLOOR
            state.ending = "converged" if here <= max(control.tolerance, FLOOR) else "stuck"
            return state


def _is_circling(state: Climb) -> bool:
    """Whether the decrement has had no new least for long."""
    lower = state.point.decrement < state.least
    state.since = state.iterations if lower else state.since
    state.least = min(state.least, state.point.decrement)
    return not state.likely and state.iterations - state.since > PATIENCE


def _step(state: Climb) -> bool:
    """Take a step; whether there was one."""
    here, problem = state.point, state.problem
    combined = _combined(state) if state.guarded or _is_steady(state) else None
    if combined is not None:
        found = problem.at(combined)
        if found is not None and _shorter(state, found):
            _move(state, found, 1.0, 0, "combined")
            return True
        state.places.clear()
        state.steps.clear()
    state.edge = not inside(problem.workspace, problem.gamma(here.place + here.step))
    if _is_slow(state):
        newton = _newton(state)
        if newton is not None and _along(state, newton):
            return True
    return _along(state, here.step) if state.guarded else _onward(state)


def _is_steady(state: Climb) -> bool:
    """Whether scoring nears a root at a steady rate."""
    return state.falls >= STEADY and state.point.decrement < NEAR


def _is_slow(state: Climb) -> bool:
    """Whether it is time for a Jacobian: it costs as many scores as there are coordinates."""
    late = state.iterations >= LATE and state.point.decrement < NEAR
    sound = state.likely or late or _is_steady(state)
    return sound and state.iterations >= SLOW and (state.iterations - SLOW) % EVERY == 0


def _shorter(state: Climb, found: Point) -> bool:
    """Whether a point is likelier by the penalised likelihood, where there is one, else its step shorter."""
    here = state.point
    if state.likely:
        gain = found.penalised - here.penalised
        if abs(gain) > ROUNDING * (found.magnitude + abs(found.penalised)):
            return gain > 0
        return found.decrement < FALL * here.decrement
    shorter = state.guarded or state.length(found) < FALL * state.length(here)
    return shorter and found.decrement < FALL * here.decrement


def _onward(state: Climb) -> bool:
    """Take the step of scoring whatever it finds, half of it where steps have got longer.

    Source: the steps of `brglmFit` in R's brglm2, whose second is a half in any case.
    """
    here = state.point
    for halvings in range(HALVINGS):
        share = state.share * 0.5**halvings
        found = state.problem.at(here.place + share * here.step)
        if found is not None and found.decrement < FAR * (1.0 + here.decrement):
            longer = not state.iterations or state.length(found) > state.length(here)
            _move(state, found, share, halvings, "scoring")
            state.share = 0.5 * state.share if longer and state.share > SMALLEST else 1.0
            return True
    return False


def _along(state: Climb, step: Array) -> bool:
    """Go along a direction, as far as that is better; whether anything was."""
    here, problem = state.point, state.problem
    slope = float((here.root.T @ here.white) @ step) * np.sqrt(here.phi)
    best: tuple[Point, float] | None = None
    for halvings in range(HALVINGS):
        share = 0.5**halvings
        found = problem.at(here.place + share * step)
        if found is None:
            continue
        if _accepted(state, found, share * slope):
            _move(state, found, share, halvings, "scoring" if step is here.step else "newton")
            return True
        best = (found, share) if best is None or found.decrement < best[0].decrement else best
    if best is None or step is not here.step or not best[0].decrement < here.decrement:
        return False
    _move(state, *best, HALVINGS, "scoring")
    return True


def _accepted(state: Climb, found: Point, rise: float) -> bool:
    """Whether a step is taken: the penalised likelihood rises as the slope promises, or a root is nearer."""
    here = state.point
    if not state.likely:
        return found.decrement < here.decrement
    gain = found.penalised - here.penalised
    if abs(gain) > ROUNDING * (found.magnitude + abs(found.penalised)):
        return bool(gain >= ARMIJO * rise > 0)
    return found.decrement < here.decrement


def _newton(state: Climb) -> Array | None:
    """The step by the Jacobian of the adjusted score, from differences; an ascent where that is known."""
    here, problem = state.point, state.problem
    back = triangular_inverse(here.root)
    if back is None:
        return None
    white, columns = here.white * np.sqrt(here.phi), []
    for direction in back.T:
        near = problem.at(here.place + DIFFERENCE * direction)
        if near is None:
            return None
        score = near.root.T @ near.white * np.sqrt(near.phi)
        columns.append((back.T @ score - white) / DIFFERENCE)
    jacobian = -np.array(columns).reshape(-1, len(white)).T
    if not np.isfinite(jacobian).all():
        return None
    with np.errstate(all="ignore"):
        if not state.likely:
            step, *_ = np.linalg.lstsq(jacobian, white, rcond=1e-10)
            return back @ step
        values, vectors = np.linalg.eigh(0.5 * (jacobian + jacobian.T))
        return back @ (vectors @ ((vectors.T @ white) / np.maximum(np.abs(values), LEAST)))


def _combined(state: Climb) -> Array | None:
    """The place where the last steps, taken as linear in where they began, would be 0."""
    if not state.places:
        return None
    here = state.point
    places = np.array([*state.places, here.place])
    steps = np.array([*state.steps, here.step])
    moved, changed = np.diff(places, axis=0).T, np.diff(steps, axis=0).T
    with np.errstate(all="ignore"):
        weighted, target = here.root @ changed, here.root @ here.step
        size = np.linalg.norm(weighted, axis=0)
        if not (np.isfinite(weighted).all() and np.isfinite(size).all() and (size > 0).all()):
            return None
        shares, *_ = np.linalg.lstsq(weighted / size, target, rcond=1e-12)
    shares = shares / size
    place = here.place + here.step - (moved + changed) @ shares
    return place if np.isfinite(place).all() else None


def _move(state: Climb, found: Point, share: float, halvings: int, name: str) -> None:
    here = state.point
    state.places.append(here.place)
    state.steps.append(here.step)
    keep = min(MEMORY, len(here.place) + 1)
    del state.places[:-keep], state.steps[:-keep]
    seconds = state.lap.seconds()
    state.trace.append(
        Pass(-2.0 * here.objective, here.decrement, share, halvings, name, "information", state.rows, seconds)
    )
    state.falls = state.falls + 1 if found.decrement < here.decrement else 0
    state.point = found
    again = not state.guarded and name == "scoring" and state.share < 1.0  # of the same iteration
    state.iterations += not again
    state.halvings += halvings + again
