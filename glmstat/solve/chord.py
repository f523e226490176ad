"""Steps over all rows by an information that is not theirs at the point: one pass, its step, its guards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from glmstat.control import Control
from glmstat.estimate import Pass, PassKind
from glmstat.matrix import Array, IntArray
from glmstat.solve.lap import Lap
from glmstat.solve.linear import Factored
from glmstat.solve.newton import ROUNDING
from glmstat.solve.reading import AllRows, Reading
from glmstat.solve.rungs import Moves, moves
from glmstat.solve.subsample import Doubt, Stand
from glmstat.workspace import Need

__all__ = [
    "PASSES",
    "RATE",
    "ROUNDED",
    "Climb",
    "Multiplied",
    "Solves",
    "Step",
    "check_rate",
    "looked",
    "note",
    "rate_of",
    "read",
    "step_from",
]

PASSES = 12  # over all rows, after which Newton's steps are fewer
RATE = 0.3  # by which each chord step must shorten the next one
GUESS = 0.05  # that rate before two steps have told it
UNSEEN = 4.0  # by which a level counts more of whose information the subsample tells nothing
ROUNDED = 1e-13  # standard errors: steps so short are rounding
FAR = 30.0  # how far a predictor may move from where the subsample put it


class Solves(Protocol):
    """An information J that steps come from."""

    def solve(self, score: Array) -> Array:
        """Return J⁻¹ score."""
        ...


@dataclass(frozen=True, eq=False)
class Multiplied:
    """An information of some rows, multiplied up."""

    found: Factored
    share: float

    def solve(self, score: Array) -> Array:
        """Return J⁻¹ score."""
        return self.found.solve(score) / self.share


@dataclass(frozen=True, eq=False)
class Step:
    """A step from a reading: how far it moves the coefficients, in standard errors, and the predictors.

    `local` is the most by which it moves a level of those that stay codes.
    """

    reading: Reading
    delta: Array
    gain: float
    decrement: float
    moves: Moves
    local: float = 0.0

    @property
    def change(self) -> float:
        """By how much the step changes the information of a coefficient, relative to it."""
        return max(self.moves.typical, self.local)

    @property
    def target(self) -> Array:
        """Where it leads."""
        return self.reading.gamma + self.delta


@dataclass(eq=False)
class Climb:
    """What changes from pass to pass over all rows; `coded` are the places of columns that stay codes."""

    over: AllRows
    control: Control
    rows: int
    stand: Stand | None
    trace: list[Pass]
    coded: IntArray
    best: Reading | None = None
    moved: float = 0.0
    passes: int = 0
    steps: list[Step] = field(default_factory=list)
    lap: Lap = field(default_factory=Lap)


def read(climb: Climb, gamma: Array, need: Need, *, last: bool = False) -> Reading:
    """A pass at gamma; refused where the objective fell on the way there."""
    if climb.passes >= PASSES:
        raise Doubt(f"{PASSES} passes did not reach the maximum")
    reading = climb.over.read(gamma, need, last=last)
    climb.passes += 1
    if not reading.sums.finite:
        raise Doubt("a step left the likelihood")
    before = climb.best
    if before is not None:
        gain = climb.steps[-1].gain
        seen = gain >= ROUNDING * before.sums.magnitude
        if seen and reading.sums.objective < before.sums.objective:
            raise Doubt("a step lowered the likelihood")
    climb.best = reading
    return reading


def step_from(climb: Climb, reading: Reading, root: Solves, *, secant: bool = True) -> Step:
    """Return the step that an information gives, corrected by the steps before unless it is exact.

    Raises
    ------
    Doubt : the step is not finite.
    """
    delta = _secant(climb.steps, reading.sums.score, root) if secant else root.solve(reading.sums.score)
    gain = max(float(reading.sums.score @ delta), 0.0)
    decrement = float(np.sqrt(gain / climb.over.dispersion)) if climb.over.dispersion > 0 else np.inf
    if not np.isfinite(delta).all():
        raise Doubt("a step left the likelihood")
    moved = Moves() if climb.stand is None else moves(climb.stand.sample, delta)
    local = float(np.abs(delta[climb.coded]).max(initial=0.0))
    if climb.stand is not None and climb.stand.information is None:
        local *= UNSEEN
    return Step(reading, delta, gain, decrement, moved, local)


def _secant(steps: list[Step], score: Array, root: Solves) -> Array:
    """J⁻¹ score with J corrected by what the scores at the ends of the steps before say of it.

    Source: Nocedal & Wright (2006), algorithm 7.4, with that of `root` in the place of the first matrix.
    """
    scores = [*(step.reading.sums.score for step in steps), score]
    pairs = [(step.delta, scores[place] - scores[place + 1]) for place, step in enumerate(steps)]
    pairs = [(s, y, 1.0 / (s @ y)) for s, y in pairs if s @ y > 0.0]
    right, shares = score.copy(), []
    for s, y, inverse in reversed(pairs):
        shares.append(inverse * (s @ right))
        right -= shares[-1] * y
    delta = root.solve(right)
    for (s, y, inverse), share in zip(pairs, reversed(shares), strict=True):
        delta += (share - inverse * (y @ delta)) * s
    return delta


def check_rate(climb: Climb, step: Step, rate: float = RATE) -> None:
    """Leave the chord where it does not shorten its steps, or where it leads far."""
    floor = max(0.01 * climb.control.tolerance, ROUNDED)
    if climb.steps and step.decrement > max(rate * climb.steps[-1].decrement, floor):
        raise Doubt("the steps by another information than that of all rows shorten too slowly")
    climb.moved += step.moves.largest
    if climb.moved > FAR:
        raise Doubt("all rows have their maximum far from that of the subsample")


def rate_of(climb: Climb) -> float:
    """By how much the last step was shorter than the one before."""
    if len(climb.steps) < 2:
        return GUESS
    before, now = climb.steps[-2].decrement, climb.steps[-1].decrement
    return float(np.clip(now / before, 1e-3, RATE)) if before > 0 else 1e-3


def note(climb: Climb, step: Step, direction: str, kind: PassKind) -> None:
    """Record a step in the trace."""
    climb.steps.append(step)
    deviance = -2.0 * step.reading.sums.objective
    seconds = climb.lap.seconds()
    climb.trace.append(Pass(deviance, step.decrement, 1.0, 0, direction, kind, climb.rows, seconds))
    climb.over.workspace.note(step.target, step.decrement)


def looked(climb: Climb, step: Step) -> None:
    """Record a pass that only looks, at the step that was noted last."""
    deviance, seconds = -2.0 * step.reading.sums.objective, climb.lap.seconds()
    climb.trace.append(Pass(deviance, step.decrement, 0.0, 0, "", "certificate", climb.rows, seconds))
