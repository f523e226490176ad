"""Penalised Fisher scoring and Newton: the ascent, its step control, and when it may stop.

A fit has converged when no coefficient can move by `tolerance` standard errors (the Newton decrement) and
a certificate says that the maximum is finite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from glmstat.compute import Counts, Extremes, Sums
from glmstat.control import Control
from glmstat.errors import DomainError
from glmstat.estimate import Pass, PassKind
from glmstat.matrix import Array
from glmstat.solve.lap import Lap
from glmstat.solve.linear import factor, positive_direction
from glmstat.solve.start import Start, needed
from glmstat.triangular import triangular_solve
from glmstat.workspace import Need, Workspace

__all__ = ["Ascent", "Verdict", "ascend", "perfect_deviance", "proves_finite"]

ARMIJO = 1e-4  # Nocedal & Wright (2006), section 3.1
ILL = 1e-5  # reciprocal condition of the scaled information below which rows are reduced by QR
ROUNDING = 1e-14  # share of the objective below which a gain cannot be seen in it
NOISE = 1e-11  # share below which a decrement that rises again is rounding of the predictors
PATIENCE = 6  # steps before an ascent over rows read anew is asked whether its maximum is finite
NEAR = 1.0  # standard errors from which on, at every hundredth, an ascent by QR tries the information again
EPS = float(np.finfo(np.float64).eps)
Verdict = Literal["finite", "undecided", "not needed"]
Ending = Literal["converged", "ask", "edge", "stuck", "iterations", "growing", "singular"]


@dataclass(frozen=True, eq=False)
class Ascent:
    """Where an ascent ended, and why.

    `floor` says that rounding, not the tolerance, ended it. `certified` is the verdict on separation.
    `information` is the expected information one step before the end, where a pass has summed it;
    `curvature` the one of which that step came, where it did; `moved` how far that step moved the linear
    predictor of any row. `tolerance` is that of the decrement.
    """

    workspace: Workspace
    gamma: Array
    objective: float
    magnitude: float
    ending: Ending
    decrement: float
    certified: Verdict
    trace: tuple[Pass, ...]
    iterations: int
    halvings: int
    floor: bool = False
    qr: bool = False
    row: int = -1
    information: Array | None = None
    moved: float = np.inf
    curvature: Array | None = None
    tolerance: float = 0.0


@dataclass(eq=False)
class _Climb:
    """What changes from step to step."""

    workspace: Workspace
    gamma: Array
    sums: Sums
    control: Control
    tolerance: float
    dispersion: _Dispersion
    qr: bool = False
    look: float = NEAR
    certified: Verdict = "undecided"
    decrement: float = np.inf
    previous: float = np.inf
    gain: float = 0.0
    jams: int = 0
    worn: bool = False
    moved: float = np.inf
    rises: int = 0
    far: int = 0
    halvings: int = 0
    steps: int = 0
    taken: int = 0
    rows: int = 0
    trace: list[Pass] = field(default_factory=list)
    lap: Lap = field(default_factory=Lap)


@dataclass(frozen=True)
class _Dispersion:
    """phi for the decrement: fixed, or the deviance of the current point over its degrees of freedom."""

    fixed: float | None
    deviance: float = 0.0
    objective: float = 0.0
    df: int = 1
    perfect: float = 0.0

    def at(self, objective: float) -> float:
        if self.fixed is not None:
            return self.fixed
        deviance = self.deviance - 2.0 * (objective - self.objective)
        return max(deviance / self.df, 1e-300)


def ascend(
    workspace: Workspace,
    start: Start,
    control: Control,
    counts: Counts,
    certified: Verdict = "undecided",
    tolerance: float | None = None,
    taken: int = 0,
) -> Ascent:
    """Return the end of the ascent from a starting point.

    Parameters
    ----------
    counts : totals of the rows that count, for the dispersion in the decrement.
    certified : what is known of separation; where nothing is, the ending "ask" demands a verdict.
    tolerance : None takes that of `control`.
    taken : iterations before, which count towards those that `control` allows.
    """
    need, gamma, sums = needed(workspace), start.gamma, start.sums
    if sums is None:
        raise DomainError("No likelihood where the fit starts: it overflows. Check offset= and exposure=.")
    fixed = workspace.dispersion
    deviance = workspace.facts(gamma, None).deviance if fixed is None else 0.0
    df = max(counts.rows - workspace.size, 1)
    dispersion = _Dispersion(fixed, deviance, sums.objective, df, perfect_deviance(workspace, counts))
    rows = getattr(workspace.frame, "rows", counts.rows)
    close = control.tolerance if tolerance is None else tolerance
    climb = _Climb(workspace, gamma, sums, control, close, dispersion, certified=certified, rows=rows)
    climb.taken = taken
    if not workspace.size:
        climb.decrement = 0.0
        return _end(climb, "converged")
    workspace.note(gamma, climb.decrement)
    for _ in range(control.max_iterations - taken):
        ending = _step(climb, need)
        workspace.note(climb.gamma, climb.decrement)
        if ending is not None:
            return _end(climb, ending)
    return _end(climb, "iterations")


def perfect_deviance(workspace: Workspace, counts: Counts) -> float:
    """Return the deviance below which residuals are rounding, 0 where the dispersion is fixed."""
    family = workspace.likelihood.family
    if family.dispersion is not None or not counts.rows:
        return 0.0
    size = max(abs(counts.low), abs(counts.high))
    scale = size ** (2.0 - family.power) if family.power is not None and size > 0 else float(size > 0)
    return (16 * EPS) ** 2 * counts.weight * scale


def _end(climb: _Climb, ending: Ending | tuple[Ending, int]) -> Ascent:
    ending, row = ending if isinstance(ending, tuple) else (ending, -1)
    return Ascent(
        climb.workspace,
        climb.gamma,
        climb.sums.objective,
        climb.sums.magnitude,
        ending,
        climb.decrement,
        climb.certified,
        tuple(climb.trace),
        climb.taken + climb.steps,
        climb.halvings,
        floor=climb.worn,
        qr=climb.qr,
        row=row,
        moved=climb.moved,
        information=climb.sums.observed if climb.workspace.likelihood.canonical else climb.sums.expected,
        curvature=climb.sums.expected if climb.sums.observed is None else climb.sums.observed,
        tolerance=climb.tolerance,
    )


def _step(climb: _Climb, need: Need) -> Ending | tuple[Ending, int] | None:
    """Take one step; return how the ascent ends if it does."""
    found = _direction(climb, need)
    if found is None:
        return "edge" if climb.workspace.likelihood.bounded else "singular"
    delta, name = found
    gain = climb.gain if climb.qr else float(climb.sums.score @ delta)
    climb.previous, climb.decrement = (
        climb.decrement,
        float(np.sqrt(max(gain, 0.0) / climb.dispersion.at(climb.sums.objective))),
    )
    exempt = gain < max(ROUNDING * climb.sums.magnitude, climb.dispersion.perfect)
    extremes = _look(climb, delta, need, exempt)
    ending = _ending(climb, extremes, exempt, gain)
    if ending is not None:
        if ending == "converged" and extremes is not None:
            climb.gamma, climb.moved = climb.gamma + delta, extremes.step
            _record(climb, 1.0, 0, name)
        return ending
    return _advance(climb, delta, gain, exempt, extremes, need, name)


def _direction(climb: _Climb, need: Need) -> tuple[Array, str] | None:
    sums = climb.sums
    if climb.qr and not _well(sums):
        return _qr_direction(climb, need)
    climb.qr = False
    if need == "both" and sums.expected is not None and sums.observed is not None:
        found = positive_direction(sums.expected, sums.observed, sums.score)
        ill = factor(sums.expected)
        if ill is not None and ill.rcond >= ILL:
            return found
    else:
        information = sums.observed if sums.observed is not None else sums.expected
        assert information is not None
        whole = factor(information)
        if whole is not None and whole.rcond >= ILL:
            return whole.solve(sums.score), "newton"
    return _to_qr(climb, need)


def _well(sums: Sums) -> bool:
    """Whether an information that was ill-conditioned far from the maximum no longer is."""
    found = [factor(one) for one in (sums.expected, sums.observed) if one is not None]
    return bool(found) and all(one is not None and one.rcond >= ILL for one in found)


def _to_qr(climb: _Climb, need: Need) -> tuple[Array, str] | None:
    """Go on with rows reduced by QR, whose error grows with the condition and not with its square."""
    climb.qr = True
    return _qr_direction(climb, need)


def _qr_direction(climb: _Climb, need: Need) -> tuple[Array, str] | None:
    step = _qr_step(climb, "observed" if climb.workspace.likelihood.canonical else "both")
    if step is None:
        return None
    delta, climb.gain = step
    return delta, "QR"


def _qr_step(climb: _Climb, need: Need) -> tuple[Array, float] | None:
    """The step, and U'delta as the squared length of Q'z, whose sign rounding cannot turn."""
    triangle = climb.workspace.triangle(climb.gamma, need)
    size = climb.workspace.size
    diagonal = np.abs(np.diag(triangle)[:size])
    norms = np.linalg.norm(triangle[:, :size], axis=0)
    if not np.isfinite(triangle).all() or (diagonal <= 1e-15 * norms).any():
        return None
    right = triangle[:size, size]
    return triangular_solve(triangle[:size, :size], right), float(right @ right)


def _look(climb: _Climb, delta: Array, need: Need, exempt: bool) -> Extremes | None:
    """A pass for the extremes of the step, where a decision needs them."""
    climb.rises += 1e-3 >= climb.decrement >= climb.previous
    near = exempt or climb.decrement > 0.5 * climb.previous
    soon = 1e-6 if climb.workspace.frame.small else 1e-4
    near = near or climb.decrement <= max(soon, climb.tolerance)
    extremes = None
    early = climb.workspace.frame.small or near or climb.steps >= PATIENCE
    if climb.certified == "undecided" and early:
        extremes = _certificate(climb, delta, need)
        _looked(climb, "certificate")
        if extremes is not None:
            climb.certified = "finite" if proves_finite(extremes) else "undecided"
            climb.far = climb.far + 1 if extremes.step >= 0.5 else 0
    if (extremes is None or need == "both") and (near or climb.workspace.likelihood.bounded):
        extremes = climb.workspace.extremes(climb.gamma, delta, "none")
        _looked(climb, "extremes")
    return extremes


def _certificate(climb: _Climb, delta: Array, need: Need) -> Extremes | None:
    """Extremes of the step that one information gives, with the multipliers it leaves."""
    workspace = climb.workspace
    if need == "observed" and (workspace.likelihood.canonical or not climb.qr):
        return workspace.extremes(climb.gamma, delta, "observed")
    if climb.qr:
        step = _qr_step(climb, "expected")
        found = None if step is None else step[0]
    else:
        fisher = None if climb.sums.expected is None else factor(climb.sums.expected)
        found = None if fisher is None else fisher.solve(climb.sums.score)
    return None if found is None else workspace.extremes(climb.gamma, found, "expected")


def proves_finite(extremes: Extremes) -> bool:
    """Strictly positive multipliers of a vanishing sum over the bound rows leave no separating direction."""
    return extremes.margin > 1e-3 and (extremes.least > 1e-10 * extremes.largest or extremes.largest == 0.0)


def _ending(
    climb: _Climb, extremes: Extremes | None, exempt: bool, gain: float
) -> Ending | tuple[Ending, int] | None:
    if extremes is None:
        return None
    undecided = climb.certified == "undecided"
    if _close_enough(climb, extremes) and _seen_by_fisher(climb):
        return "ask" if undecided else "converged"
    noise = climb.rises >= 2 and gain <= NOISE * climb.sums.magnitude
    still = noise or extremes.step <= 4 * EPS * extremes.terms
    worn = (exempt and climb.decrement > 0.5 * climb.previous) or gain <= climb.dispersion.perfect
    if (still or worn) and _seen_by_fisher(climb):
        climb.worn = True
        return "ask" if undecided else _worn_ending(climb)
    if undecided and (climb.steps >= 12 or (climb.far >= 3 and climb.steps >= 6)):
        return "ask"
    if climb.certified == "not needed" and extremes.eta > 1e4 and extremes.step > 1.0 and climb.steps > 30:
        return "growing", extremes.row
    return None


def _close_enough(climb: _Climb, extremes: Extremes) -> bool:
    """Whether no coefficient can move by the tolerance any more, the last step taken.

    Rows that are read anew for each pass are spared the pass that only confirms quadratic convergence.
    """
    tolerance = climb.tolerance
    unit = bool(climb.workspace.likelihood.family.link.exponent)  # a power has the response's unit
    if climb.decrement <= tolerance:
        return unit or extremes.step < 0.5  # half a unit of a log or of a probability's scale
    large = not climb.workspace.frame.small and not climb.qr and not unit
    return large and climb.decrement <= 1e-4 and climb.decrement * extremes.step <= 1e-2 * tolerance


def _seen_by_fisher(climb: _Climb) -> bool:
    """Whether the expected information, which gives the standard errors, calls the score small too."""
    expected, score = climb.sums.expected, climb.sums.score
    if expected is None or climb.qr:
        return True
    fisher = factor(expected)
    if fisher is None:
        return False
    gain = float(score @ fisher.solve(score))
    return gain <= max(1e-6 * climb.dispersion.at(climb.sums.objective), climb.dispersion.perfect)


def _worn_ending(climb: _Climb) -> Ending:
    """Rounding ended the ascent: accept it close to the maximum, or where the residuals are rounding."""
    if climb.decrement <= 1e-3 or climb.dispersion.fixed is None:
        return "converged"
    return "stuck"


def _advance(
    climb: _Climb, delta: Array, gain: float, exempt: bool, extremes: Extremes | None, need: Need, name: str
) -> Ending | None:
    step, room = 1.0, extremes.room if extremes is not None else np.inf
    if room <= 1.0:
        step = 0.9 * room
        climb.jams = climb.jams + 1 if step < 0.05 else 0
    else:
        climb.jams = 0
    halvings = 0
    look_again = climb.qr and climb.decrement <= climb.look
    climb.look = 0.01 * climb.decrement if look_again else climb.look
    pass_need: Need = "none" if climb.qr and not look_again else need
    while True:
        sums = climb.workspace.pass_(climb.gamma + step * delta, pass_need)
        if sums.finite and (exempt or sums.objective >= climb.sums.objective + ARMIJO * step * gain):
            break
        step, halvings = 0.5 * step, halvings + 1
        if halvings > 50:
            climb.halvings += halvings
            return "edge" if climb.workspace.likelihood.bounded else "stuck"
    climb.halvings += halvings
    climb.rises = 0 if halvings else climb.rises
    _record(climb, step, halvings, name)
    climb.gamma, climb.sums = climb.gamma + step * delta, sums
    return "edge" if climb.jams >= 3 else None


def _record(climb: _Climb, step: float, halvings: int, name: str) -> None:
    climb.steps += 1
    deviance, rows = -2.0 * climb.sums.objective, climb.rows
    seconds = climb.lap.seconds()
    climb.trace.append(Pass(deviance, climb.decrement, step, halvings, name, "information", rows, seconds))


def _looked(climb: _Climb, kind: PassKind) -> None:
    """Record a pass that only looks."""
    deviance, seconds = -2.0 * climb.sums.objective, climb.lap.seconds()
    climb.trace.append(Pass(deviance, climb.decrement, 0.0, 0, "", kind, climb.rows, seconds))
