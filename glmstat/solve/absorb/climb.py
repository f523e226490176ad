"""Fisher scoring in coefficients and absorbed effects together, with halving, until nothing can move.

A step solves the bordered information: the largest factor is eliminated exactly, the others by their Schur
complement. Where a step was short the next ones use the same information, and a pass that costs a third.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from glmstat.control import Control
from glmstat.errors import DomainError
from glmstat.estimate import Pass as Record
from glmstat.matrix import Array
from glmstat.solve.absorb.redundant import find_redundant
from glmstat.solve.absorb.sums import Pass, Point, Problem, Sums
from glmstat.solve.absorb.system import ENOUGH, PRECISION, Redundant, System
from glmstat.solve.linear import Factored, factor

__all__ = ["Climb", "Solved", "climb", "first_point", "sampled_point", "solved"]

ARMIJO = 1e-4  # Nocedal & Wright (2006), section 3.1
SHORT = 0.2  # root mean square change of the predictors after which the information may stay
NEAR = 1e-5  # decrement from which errors and deviance are those of the maximum to eight digits and more
SAME = 3e-3  # of the root of the tolerance: share of the information that the last step may change
CLOSE = 2e-8  # twice what it may change standard errors by, the dispersion in them
LEAST_CHANGE = (
    0.25  # change of the information by a step, in its way, below which another may still be larger
)
RATE = 0.3  # share of the decrement that a step with a kept information must not leave
SHARE, ROUNDS = 8, 8  # of a sample: one row in so many, and steps that it may take
GOAL = 0.01  # gain for each parameter below which a sample's noise is larger than what is left
LEAST = 5.0  # information of a level in a sample, as from so many counts
PRICE = 2.5  # what an information costs besides, in passes for a score
LEAP = 2.0  # of a predictor in one step, where the likelihood is flat far off and not concave
STAYED = 1e-3  # change of an effect by the last step, where it is at rest
ROUNDING = 1e-14  # share of the objective below which a gain cannot be seen in it
Ending = Literal["converged", "stuck", "iterations", "singular", "flat"]


@dataclass(frozen=True, eq=False)
class Solved:
    """An information, factored.

    Parameters
    ----------
    system : of the effects.
    means : Z (k, L) by factor: the columns' weighted means over levels.
    root : factor of the information of the coefficients beside the effects.
    weight : total of the weights.
    """

    system: System
    means: tuple[Array, ...]
    root: Factored
    schur: Array
    weight: float

    def step(self, sums: Sums) -> tuple[Point, float]:
        """Return the step that a score asks for, and score times step."""
        levels = tuple(each[None, :] for each in sums.levels)
        effects = [each[0] for each in self.system.solve(levels)]
        score = sums.score - sum(z @ u for z, u in zip(self.means, sums.levels, strict=True))
        beta = self.root.solve(np.asarray(score)) if len(score) else np.zeros(0)
        moved = tuple(a - beta @ z for a, z in zip(effects, self.means, strict=True))
        gain = float(sums.score @ beta) + sum(float(u @ a) for u, a in zip(sums.levels, moved, strict=True))
        return Point(beta, moved), gain


def solved(sums: Sums, redundant: Redundant, precision: float = PRECISION) -> Solved | None:
    """Return the information of a pass, factored; None where the coefficients' part is singular."""
    information = sums.information
    assert information is not None
    system = System.of(information, redundant, precision)
    k = len(information.gram)
    means = (
        system.solve(information.border) if k else tuple(np.zeros((0, len(w))) for w in information.weights)
    )
    schur = information.gram - sum(b @ z.T for b, z in zip(information.border, means, strict=True))
    schur = 0.5 * (schur + schur.T)
    root = factor(schur)
    weight = float(information.weights[0].sum())
    return None if root is None else Solved(system, means, root, schur, weight)


@dataclass(eq=False)
class Climb:
    """What changes from step to step, and how it ended.

    `since` is the decrement where the information was summed, and `path` the way from there; `change` is by
    what share of itself the information of a coefficient changed last, over the way; `whole` says that the
    last pass gave all totals.
    """

    problem: Problem
    redundant: Redundant
    point: Point
    sums: Sums
    information: Solved
    since: float = np.inf
    path: float = 0.0
    change: float = 1.0
    ending: Ending = "iterations"
    decrement: float = np.inf
    halvings: int = 0
    whole: bool = False
    trace: list[Record] = field(default_factory=list)


def sampled_point(problem: Problem) -> Point | None:
    """Return the maximum for one row in eight, near enough; None where the sample does not determine it well.

    Of every level the sample must hold some information, so that no effect runs away in it.
    """
    part = replace(problem, share=SHARE)
    start = part.pass_(part.origin(), "start")
    assert start.information is not None
    redundant = find_redundant(part, start.information)
    found, point, before = solved(start, redundant), part.origin(), -np.inf
    if found is None:
        return None
    step, goal = found.step(start)[0], GOAL * (part.size + sum(part.sizes))
    for _ in range(ROUNDS):
        point = point.moved(step)
        part.note(point, np.inf)
        sums = part.pass_(point, "information")
        known = sums.information
        enough = known is not None and min(float(each.min()) for each in known.weights) >= LEAST
        found = solved(sums, redundant) if enough and sums.finite and sums.objective > before else None
        if found is None:
            return None
        step, gain = found.step(sums)
        before = sums.objective
        if gain < goal:
            return point.moved(step)
    return None


def first_point(problem: Problem, redundant: Redundant, start: Sums, at: float) -> tuple[Point, Sums]:
    """Return where the ascent starts: least squares of the working response, or no effect of anything.

    Parameters
    ----------
    start : sums of the pass "start".
    at : predictor of the null model less the offset.

    Raises
    ------
    DomainError : neither has a likelihood.
    """
    found = solved(start, redundant)
    points = [] if found is None else [problem.origin().moved(found.step(start)[0])]
    origin = problem.origin()
    first, *others = origin.effects
    points.append(Point(origin.beta, (first + (at if np.isfinite(at) else 0.0), *others)))
    problem.note(points[0], np.inf)  # known before the pass, which may be long
    for point in points:
        sums = problem.pass_(point, "information")
        if sums.finite:
            return point, sums
    raise DomainError("No likelihood where the fit starts: it overflows. Check offset= and exposure=.")


def climb(
    problem: Problem, redundant: Redundant, point: Point, sums: Sums, control: Control, df: int, null: float
) -> Climb | None:
    """Return the end of the ascent from a point; None where the information is singular.

    Parameters
    ----------
    sums : of a pass at the point, with information.
    df : residual degrees of freedom, for the dispersion in the decrement.
    null : predictor of the null model less the offset, for the totals of the last pass.
    """
    found = solved(sums, redundant, ENOUGH)
    if found is None:
        return None
    state, fresh, previous = Climb(problem, redundant, point, sums, found), True, np.inf
    problem.note(point, np.inf)
    for _ in range(control.max_iterations):
        step, gain = state.information.step(state.sums)
        phi = _dispersion(problem, state.sums, df)
        state.decrement = float(np.sqrt(max(gain, 0.0) / phi))
        state.since = state.decrement if fresh else state.since
        worn = gain <= ROUNDING**2 * state.sums.magnitude or _worn(state, gain, previous)
        if _arrived(state, control, worn) or _squared(state, control, gain, fresh):
            return _finished(state, null)
        if not fresh and not problem.constant and state.decrement > RATE * previous:
            fresh = _renew(state)
            if not fresh:
                return state
            continue
        need = _needed(state, control, gain, previous, fresh)
        if not _advance(state, step, gain, need, null):
            state.ending = "stuck"
            return _finished(state, null)
        previous, fresh = state.decrement, state.sums.information is not None
        if fresh:
            again = solved(state.sums, redundant, PRECISION if state.whole else ENOUGH)
            if again is None:
                state.ending = "singular"
                return state
            _replace(state, again)
    return _finished(state, null)


def _dispersion(problem: Problem, sums: Sums, df: int) -> float:
    """Phi for the decrement: fixed, or the deviance of the point over its degrees of freedom."""
    fixed = problem.likelihood.family.dispersion
    return fixed if fixed is not None else max(sums.totals.deviance / max(df, 1), 1e-300)


def _worn(state: Climb, gain: float, previous: float) -> bool:
    """Whether the gain is rounding and the decrement no longer falls."""
    return gain <= ROUNDING * state.sums.magnitude and state.decrement > 0.5 * previous


def _arrived(state: Climb, control: Control, worn: bool) -> bool:
    """Whether the ascent is over; rounding ends it near the maximum, or where residuals are rounding."""
    if not (state.decrement <= _tolerance(state, control) or worn):
        return False
    estimated = state.problem.likelihood.family.dispersion is None
    near = state.decrement <= max(1e-3, control.tolerance) or estimated
    state.ending = "converged" if near else "stuck"
    return True


def _squared(state: Climb, control: Control, gain: float, fresh: bool) -> bool:
    """Whether the step squares what is left to nothing: large data are spared the confirming pass."""
    way = _way(state, gain)
    if not fresh or not _spared(state, control, state.decrement, way):
        return False
    state.ending, state.decrement = "converged", state.decrement * way
    return True


def _spared(state: Climb, control: Control, decrement: float, way: float) -> bool:
    problem = state.problem
    short = decrement <= NEAR and decrement * way <= 1e-2 * control.tolerance
    short = short and way <= SAME * np.sqrt(control.tolerance)
    change = state.change + (problem.likelihood.family.dispersion is None)
    return short and change * way <= CLOSE and problem.frame.large and problem.likelihood.canonical


def _way(state: Climb, gain: float) -> float:
    """Root mean square change of the predictors by a step."""
    return float(np.sqrt(max(gain, 0.0) / max(state.information.weight, 1e-300)))


def _tolerance(state: Climb, control: Control) -> float:
    """The decrement to reach; less where the step from it will not square what is left."""
    return control.tolerance if state.problem.likelihood.canonical else 0.01 * control.tolerance


def _needed(state: Climb, control: Control, gain: float, previous: float, fresh: bool) -> Pass:
    """What the next pass is for: the end where that is in sight, else a score where that will do.

    A step leaves a share of the decrement in proportion to the way from where the information was summed;
    a new one is worth its price where it spares more passes.
    """
    problem, goal = state.problem, _tolerance(state, control)
    known = state.decrement / previous if np.isfinite(previous) else 1.0
    way = _way(state, gain)
    rate = way if fresh and problem.likelihood.canonical else known
    left = state.decrement * rate
    if left <= 0.3 * goal or _spared(state, control, left, way * rate):
        return "last"
    if problem.constant:
        return "score"
    slow = fresh and RATE < known < 1.0  # as where something runs to infinity
    if slow or way > SHORT or not 0 < rate < 1:
        return "information"
    digits, better = np.log(left / goal), max(rate * left / state.since, 1e-15)
    return "information" if digits / -np.log(rate) > PRICE + digits / -np.log(better) else "score"


def _renew(state: Climb) -> bool:
    """Sum the information at the point anew."""
    state.sums = state.problem.pass_(state.point, "information")
    again = solved(state.sums, state.redundant, ENOUGH)
    if again is None:
        state.ending = "singular"
        return False
    _replace(state, again)
    return True


def _replace(state: Climb, again: Solved) -> None:
    """Take another information, and note how far it is from the one before."""
    before, after = state.information.schur.diagonal(), again.schur.diagonal()
    if state.path > 0:
        shares = np.abs(np.log(after / before))
        state.change = max(float(shares.max(initial=0.0)) / state.path, LEAST_CHANGE)
    state.information, state.path = again, 0.0


def _advance(state: Climb, step: Point, gain: float, need: Pass, null: float) -> bool:
    """Take the step, halved until the objective rises; False where nothing raises it."""
    size, exempt = _reach(state.problem, step), gain < ROUNDING * state.sums.magnitude
    need = need if size == 1.0 else "information"
    for halvings in range(51):
        point = state.point.moved(step, size)
        sums = state.problem.pass_(point, need, null if need == "last" else None)
        if sums.finite and (exempt or sums.objective >= state.sums.objective + ARMIJO * size * gain):
            state.halvings += halvings
            state.path += size * _way(state, gain)
            deviance = -2.0 * state.sums.objective
            state.trace.append(Record(deviance, state.decrement, size, halvings, _name(need)))
            state.point, state.sums, state.whole = point, sums, need == "last"
            state.problem.note(point, state.decrement)
            return True
        size, need = 0.5 * size, "information"
    state.halvings += 51
    return False


def _flat(problem: Problem) -> bool:
    """Whether the likelihood has no slope far from its maximum, for predictors on a scale of their own."""
    likelihood = problem.likelihood
    return likelihood.family.link.name == "log" and not likelihood.concave


def _reach(problem: Problem, step: Point) -> float:
    """The share of a step at which no effect leaps to where nothing leads back."""
    if not _flat(problem):
        return 1.0
    largest = max(float(np.abs(each).max(initial=0.0)) for each in step.effects)
    return LEAP / largest if largest > LEAP else 1.0


def _name(need: Pass) -> str:
    return "Fisher, then score alone" if need == "score" else "Fisher"


def _finished(state: Climb, null: float) -> Climb | None:
    """The state with information and totals at its point; then one step that no pass has to confirm."""
    if not state.whole:
        state.sums = state.problem.pass_(state.point, "last", null)
        again = solved(state.sums, state.redundant)
        if again is None:
            return None
        state.information = again
    if state.ending == "converged":
        step = state.information.step(state.sums)[0]
        state.point = state.point.moved(step)
        if _flat(state.problem) and any((np.abs(each) > STAYED).any() for each in step.effects):
            state.ending = "flat"
    return state
