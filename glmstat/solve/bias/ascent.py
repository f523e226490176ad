"""The root of an adjusted score: Fisher scoring, its steps combined by Anderson's rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.estimate import Pass
from glmstat.matrix import Array
from glmstat.solve.bias.problem import Point, Problem
from glmstat.solve.lap import Lap
from glmstat.solve.start import inside
from glmstat.triangular import triangular_inverse

__all__ = ["Climb", "best_climb"]

MEMORY = 10  # steps that are combined
HALVINGS = 20
FALL = 0.7  # share of the step before that a combined step must fall below
EXACT = 1e-3  # share of the tolerance that is tried for: the step is not Newton's, what is left may be more
POLISH = 6  # steps that are taken beyond the tolerance
NEAR = 0.02  # decrement from which another method's end is taken up
OUTSIDE = 1e3  # decrement that stands for none
FLOOR = 1e-6  # decrement below which a standstill is rounding
SLOW = 15  # steps from which on, at every EVERYth, Newton's own is tried
EVERY = 3
STEADY = 4  # falls of the decrement in turn, from which steps are combined where no likelihood says more
SMALLEST = 1 / 8  # share of a step of scoring
FAR = 1e3  # times the decrement before, beyond which a step has left all sense
DIFFERENCE = 1e-5  # in standard errors, of the derivatives
LEAST = 1e-3  # curvature, as a share of the information's, that a step divides by
ARMIJO = 1e-4  # Nocedal & Wright (2006), section 3.1
ROUNDING = 1e-13  # share of the objective below which its change is rounding

Ending = Literal["converged", "stuck", "iterations"]


@dataclass(eq=False)
class Climb:
    """An ascent as far as it has gone."""

    problem: Problem
    point: Point
    rows: int
    ending: Ending = "iterations"
    iterations: int = 0
    halvings: int = 0
    guarded: bool = True
    share: float = 1.0
    falls: int = 0
    floor: bool = False
    edge: bool = False
    trace: list[Pass] = field(default_factory=list)
    places: list[Array] = field(default_factory=list)
    steps: list[Array] = field(default_factory=list)
    lap: Lap = field(default_factory=Lap)

    def __post_init__(self) -> None:
        self._metric = self.point.root / np.sqrt(max(self.point.phi, 1e-300))

    @property
    def likely(self) -> bool:
        """Whether there is a penalised likelihood that tells which of two points is better."""
        return self.problem.ratio and self.problem.spread.fixed

    def length(self, point: Point) -> float:
        """Return the length of the step at a point, in the standard errors where the ascent began."""
        return float(np.linalg.norm(self._metric @ point.step))


def best_climb(problem: Problem, starts: Sequence[Array], control: Control, rows: int) -> Climb:
    """Return the first ascent that arrives, else the one that came nearest.

    Without a penalised likelihood scoring goes on whatever it meets, as brglm2, for the decrement may rise
    on the way; where that fails it goes only to where the decrement falls, and at last by Powell's method.

    Parameters
    ----------
    starts : where to begin, the best first.
    rows : that a pass reads.

    Raises
    ------
    ArgumentError : the adjusted score has no value at any of them.
    """
    ends: list[Climb] = []
    for place in starts:
        point = problem.at(place)
        if point is None:
            continue
        for guarded in (False, True):
            ends.append(_climb(problem, point, control, rows, guarded=guarded))
            if ends[-1].ending == "converged":
                return ends[-1]
            if ends[-1].likely:
                break
    if not ends:
        raise ArgumentError(
            "Bias reduction found no coefficients at which the adjusted score has a value. Give start=."
        )
    ends.sort(key=lambda end: end.point.decrement)
    begun = [ends[0].point, *(point for point in map(problem.at, starts) if point is not None)]
    for point in begun:
        found = _by_powell(problem, point)
        if found is not None and found.decrement < NEAR:
            end = _climb(problem, found, control, rows)
            if end.ending == "converged":
                return end
    return ends[0]


def _by_powell(problem: Problem, begun: Point) -> Point | None:
    """Where Powell's hybrid method with differences ends, for roots that scoring circles about."""
    from scipy.optimize import root

    back = triangular_inverse(begun.root)
    if back is None or not len(begun.place):
        return None

    def score(white: Array) -> Array:
        found = problem.at(begun.place + back @ white)
        return np.full(len(white), OUTSIDE) if found is None else found.white

    found: Any = root(score, np.zeros(len(begun.place)), method="hybr")
    return problem.at(begun.place + back @ found.x)


def _climb(problem: Problem, point: Point, control: Control, rows: int, *, guarded: bool = True) -> Climb:
    """Return the end of an ascent from a point.

    Source: Walker & Ni (2011), SIAM Journal on Numerical Analysis 49, 1715-1735, for the combination.
    """
    state, left = Climb(problem, point, rows), POLISH
    state.guarded = guarded or state.likely
    while True:
        here = state.point.decrement
        problem.workspace.note(problem.gamma(state.point.place), here)
        left -= here <= control.tolerance
        if here <= EXACT * control.tolerance or (here <= control.tolerance and left <= 0):
            state.ending = "converged"
            return state
        if state.iterations >= control.max_iterations:
            state.ending = "converged" if here <= control.tolerance else "iterations"
            return state
        if not _step(state):
            state.floor = control.tolerance < here <= FLOOR
            state.ending = "converged" if here <= max(control.tolerance, FLOOR) else "stuck"
            return state


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
    sound = state.likely or _is_steady(state)
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
    """Take the step of scoring whatever it finds, half of it where steps have got longer, as brglm2 does."""
    here = state.point
    for halvings in range(HALVINGS):
        share = state.share * 0.5**halvings
        found = state.problem.at(here.place + share * here.step)
        if found is not None and found.decrement < FAR * (1.0 + here.decrement):
            longer = state.length(found) > state.length(here)
            _move(state, found, share, halvings, "scoring")
            state.share = 0.5 * share if longer and share > SMALLEST else 1.0
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
    state.iterations += 1
    state.halvings += halvings
