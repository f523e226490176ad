"""The ascent over many rows: by subsamples, by steps that sum the score alone, and one information.

A subsample's information, multiplied up, serves as that of all rows while it makes every step at most
three tenths as long as the one before. Whatever else happens, plain Newton goes on from the best point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glmstat.array import quiet
from glmstat.compute import Counts, Facts
from glmstat.control import Control
from glmstat.estimate import Pass, PassKind
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Dense
from glmstat.solve.chord import (
    PASSES,
    RATE,
    ROUNDED,
    Climb,
    Multiplied,
    Solves,
    Step,
    check_rate,
    looked,
    note,
    rate_of,
    read,
    step_from,
)
from glmstat.solve.dispersion import Saturated
from glmstat.solve.gathered import first_part
from glmstat.solve.linear import factor
from glmstat.solve.newton import Ascent, Verdict, proves_finite
from glmstat.solve.null import null_intercept
from glmstat.solve.reading import AllRows, Reading
from glmstat.solve.rungs import Moves, Sampled, take_rungs
from glmstat.solve.scaling import open_workspace
from glmstat.solve.separation import has_cone
from glmstat.solve.start import Start, needed, start_at, weighted_start
from glmstat.solve.subsample import (
    Collinear,
    Doubt,
    Stand,
    climb_rungs,
    sound,
    without_collinear,
    without_levels,
)
from glmstat.solve.untold import untold
from glmstat.workspace import Need, Workspace

__all__ = ["Closing", "Ladder", "climb_ladder", "climb_near", "wants_ladder"]

LARGE = 2_000_000  # numbers of a design from which on subsamples save more passes than they cost
RENEWED = 3  # times that the information of all rows serves for further steps
WEAK = 0.2  # rate of the steps from which on another one saves passes
SLOWEST = 0.9  # rate of a step that another one follows
SPARE = 0.01  # of the tolerance, which steps that shrink by a rate must reach: Newton's leave far less
MARGIN = 3.0  # by which the rows may be moved further than those of the subsample
SMALL = 1e-2  # standard errors: a longer step is no last one
SAME = 3e-3  # of the root of the tolerance: share of the information that the last step may change, 3e-7
ROWS, FEWEST = 12_000, 100  # of a subsample, and for each coefficient, that tell so much of a small change
UNTOLD = 1e-3  # of that root: share of the information that the last step may change unseen, 1e-7
SPREAD = 5.0  # times that where factors stay codes: no coefficient has all of the change
TOLD = 10.0  # times that share, of which the subsample tells all but a tenth
SAME_NULL = 1e-5  # by which the null intercept may be off: its third power is lost in the deviance
LENIENT = 4.0  # for a step that turned out longer than foreseen


@dataclass(frozen=True, eq=False)
class Closing:
    """Totals at the estimate that the last pass over the rows has brought.

    `information` is the expected one, `intercept` that of the null model behind the facts; None for the
    saturated log-likelihood where it needs the dispersion first.
    """

    information: Array
    facts: Facts
    intercept: float
    saturated: Saturated | None


@dataclass(frozen=True, eq=False)
class Ladder:
    """Where the ladder led, and why it ended.

    `ascent` and `closing` are there where it reached the maximum. Else `reason` says what made it give up,
    and plain Newton goes on from `point`, or from its own start where that is None. `certified` holds for all
    rows; `counts` are there once all rows were read, and the null model's `intercept` where that told it.
    """

    workspace: Workspace
    trace: tuple[Pass, ...]
    reason: str = ""
    certified: Verdict = "undecided"
    counts: Counts | None = None
    intercept: float | None = None
    point: Start | None = None
    ascent: Ascent | None = None
    closing: Closing | None = None


def wants_ladder(frame: Any, control: Control) -> bool:
    """Whether the rows of a frame are climbed by subsamples."""
    if control.solver == "newton" or not hasattr(frame, "sample") or control.max_iterations < PASSES:
        return False
    return control.solver == "ladder" or (not frame.small and frame.rows * len(frame.columns) >= LARGE)


@quiet
def climb_ladder(frame: Any, likelihood: GLM, control: Control, penalty: Array | None) -> Ladder:
    """Return the maximum over the rows of a frame, or how far its subsamples led.

    Source: chord steps: Ortega & Rheinboldt (1970), section 10.2.
    """
    constant = likelihood.constant_information and not likelihood.bounded
    coded = frame.coded
    rungs = () if constant and len(coded) else take_rungs(frame, forced=control.solver == "ladder")
    seen = None if frame.small or not rungs else rungs[0]
    workspace = open_workspace(frame, likelihood, penalty, seen)
    over = AllRows(workspace, frame.intercept is not None, frame.has_offset)
    trace: list[Pass] = []
    try:
        stand = _stand(workspace, frame, rungs, control, trace)
    except Doubt as doubt:
        if not constant:
            return _part_of(over, frame, rungs, control, doubt, trace)
        stand = None
    if likelihood.bounded and stand is not None:
        point = start_at(workspace, stand.gamma)
        why = "the predictors have an edge, which every step must look for"
        return Ladder(workspace, tuple(trace), why, stand.verdict, point=_usable(point))
    climb = Climb(over, control, frame.rows, stand, trace, coded)
    if stand is not None:
        over.intercept, over.dispersion = stand.intercept, stand.dispersion
    try:
        return _reached(climb, *(_by_constant(climb) if constant else _by_chord(climb)))
    except Doubt as doubt:
        return _given_up(climb, str(doubt))


@quiet
def climb_near(
    frame: Any, likelihood: GLM, rung: Sampled, coef: Array, verdict: Verdict, control: Control
) -> Ladder:
    """Return the maximum over the rows of a frame from coefficients (p,) near it.

    Parameters
    ----------
    rung : a subsample whose information leads the way.
    verdict : what it says of separation.
    """
    workspace = open_workspace(frame, likelihood, None, rung)
    over = AllRows(workspace, frame.intercept is not None, frame.has_offset)
    sample, gamma = replace(workspace, frame=rung), workspace.to_gamma(coef)
    need = needed(sample)
    sums, counts = sample.pass_(gamma, need), sample.counts()
    information = sums.expected if sums.observed is None else sums.observed
    climb = Climb(over, control, frame.rows, None, [], frame.coded)
    try:
        if information is None or not sound(information):
            raise Doubt("the information of the subsample is close to singular")
        if frame.intercept is not None:
            over.intercept = null_intercept(sample, counts, has_offset=frame.has_offset)
        climb.stand = Stand(sample, gamma, information, counts.weight, 1.0, over.intercept, verdict)
        over.look()
        here = Reading(gamma, sums)
        return _reached(climb, *_by_newton(climb, Step(here, np.zeros_like(gamma), 0.0, 0.0, Moves())))
    except Doubt as doubt:
        return _given_up(climb, str(doubt))


def _stand(
    workspace: Workspace,
    frame: Any,
    rungs: tuple[Sampled, ...],
    control: Control,
    trace: list[Pass],
) -> Stand:
    """The maximum of the last subsample, in the other columns where it lacks levels."""
    stand = None
    if rungs and len(frame.coded) and workspace.penalty is None and not workspace.likelihood.bounded:
        stand = without_levels(workspace, frame, rungs[-1], control, trace)
    return climb_rungs(workspace, frame, rungs, control, trace) if stand is None else stand


def _by_chord(climb: Climb) -> tuple[Step, Array]:
    """Scores of all rows with the subsample's information, and one information of all rows at the end.

    Where factors stay codes an information costs little more than a score, and the subsample has few rows of
    a level: the second pass brings the information that serves from there on.
    """
    stand = climb.stand
    assert stand is not None
    step, chord = _by_sample(climb, stand)
    renew, left = True, RENEWED if len(climb.coded) else 0
    while not _newton_ends(climb, step, rate_of(climb)):
        if left and renew:
            step, chord = _renewed(climb, step.target)
            renew, left = False, left - 1
            continue
        step = step_from(climb, read(climb, step.target, "none"), chord)
        check_rate(climb, step, SLOWEST if left else RATE)
        note(climb, step, "chord", "score")
        renew = rate_of(climb) >= WEAK
    return _by_newton(climb, step)


def _by_sample(climb: Climb, stand: Stand) -> tuple[Step, Solves]:
    """The first step over all rows, and the information that it comes from."""
    if stand.information is None:
        return _renewed(climb, stand.gamma)
    reading = read(climb, stand.gamma, "none")
    chord = _of_all_rows(climb, stand, stand.information)
    step = step_from(climb, reading, chord)
    check_rate(climb, step)
    note(climb, step, "chord", "score")
    return step, chord


def _renewed(climb: Climb, gamma: Array) -> tuple[Step, Solves]:
    """The step of the information of all rows, and that information."""
    reading = read(climb, gamma, needed(climb.over.workspace))
    sums = reading.sums
    information = sums.expected if sums.observed is None else sums.observed
    chord = None if information is None or not sound(information) else factor(information)
    if chord is None:
        raise Doubt("the information of all rows is close to singular")
    step = step_from(climb, reading, chord, secant=False)
    check_rate(climb, step, SLOWEST)
    note(climb, step, "newton", "information")
    return step, chord


def _by_newton(climb: Climb, step: Step) -> tuple[Step, Array]:
    """Steps of the information of all rows: one, unless it turned out too long to be the last."""
    while True:
        reading = read(climb, step.target, "both", last=True)
        sums = reading.sums
        expected, observed = sums.expected, sums.expected if sums.observed is None else sums.observed
        if expected is None or observed is None or not (sound(expected) and sound(observed)):
            raise Doubt("the information of all rows is close to singular")
        newton, fisher = factor(observed), factor(expected)
        assert newton is not None and fisher is not None
        step = step_from(climb, reading, newton, secant=False)
        limit = UNTOLD * float(np.sqrt(climb.control.tolerance)) * (SPREAD if len(climb.coded) else 1.0)
        short = untold(climb, step, observed, newton, limit) <= limit
        check_rate(climb, step)
        note(climb, step, "newton", "information")
        scoring = fisher.solve(sums.score)
        flat = float(sums.score @ scoring) > 1e-6 * climb.over.dispersion
        if short and not flat and _newton_ends(climb, step, 1.0, slack=LENIENT):
            _certify(climb, step, scoring)
            return replace(step, decrement=_newton_left(step, 1.0)), _moved_on(climb, step, expected)


def _certify(climb: Climb, step: Step, scoring: Array) -> None:
    """Prove that the maximum is finite, where the subsample could not: some of its levels show one outcome.

    Raises
    ------
    Doubt : it is not proved.
    """
    stand, workspace = climb.stand, climb.over.workspace
    if stand is None or stand.verdict != "undecided":
        return
    need: Need = "observed" if workspace.likelihood.canonical else "expected"
    delta = step.delta if need == "observed" else scoring
    if not proves_finite(workspace.extremes(step.reading.gamma, delta, need)):
        raise Doubt("the maximum is not proved to be finite")
    climb.stand = replace(stand, verdict="finite")
    looked(climb, step)


def _moved_on(climb: Climb, step: Step, expected: Array) -> Array:
    """The information where the last step ends: what that step adds to it, by the subsample."""
    stand = climb.stand
    if stand is None or not _long(climb, step):
        return expected
    sample, weight = _thinned(stand)
    before, after = (sample.pass_(at, "expected").expected for at in (step.reading.gamma, step.target))
    if before is None or after is None:
        return expected
    after -= before
    after *= climb.over.counts.weight / weight
    after += expected
    return after if np.isfinite(after.sum()) else expected


def _thinned(stand: Stand) -> tuple[Workspace, float]:
    """A part of every block of a subsample, enough to tell a small change of the information to a tenth.

    Returns
    -------
    Its workspace and its weight; those of the whole subsample where the part has little of that.
    """
    sample, frame = stand.sample, stand.sample.frame
    if not isinstance(frame, Sampled) or not all(isinstance(block.X[0], Dense) for block in frame.blocks):
        return sample, stand.weight
    every = frame.rows // max(ROWS, FEWEST * sample.size)
    if every < 2:
        return sample, stand.weight
    some = tuple(first_part(block, every) for block in frame.blocks)
    weight = sum(float(block.total.sum()) for block in some)
    if weight * every < 0.5 * stand.weight:
        return sample, stand.weight
    return replace(sample, frame=Sampled(some, small=False)), weight


def _long(climb: Climb, step: Step) -> bool:
    """Whether a last step changes more than the digits that nobody asked for."""
    return step.change > 0.1 * SAME * float(np.sqrt(climb.control.tolerance))


def _newton_ends(climb: Climb, step: Step, rate: float, slack: float = 1.0) -> bool:
    """Whether a Newton step that is `rate` times as long leaves less than the tolerance.

    The information that it comes from must do for the standard errors too: the typical move of a predictor
    bounds what the step changes in it, and that of the level that moves most where factors stay codes; the
    subsample tells most of that.
    """
    tolerance = climb.control.tolerance
    same = rate * step.change <= slack * TOLD * SAME * np.sqrt(tolerance)
    return same and rate * step.decrement <= SMALL and _newton_left(step, rate) <= tolerance


def _newton_left(step: Step, rate: float) -> float:
    """The decrement after a Newton step that is `rate` times as long: the third derivatives' share of it."""
    return 0.5 * MARGIN * rate * step.decrement * rate * step.moves.curved


def _by_constant(climb: Climb) -> tuple[Step, Array]:
    """One information of all rows for good, where it does not depend on the coefficients."""
    stand, linear = climb.stand, _linear(climb.over.workspace)
    if stand is None:
        first = climb.over.workspace.start_pass()
        gamma, expected = weighted_start(first), first.expected
        seconds = climb.lap.seconds()
        climb.trace.append(Pass(np.nan, np.nan, 1.0, 0, "newton", "start", climb.rows, seconds))
        if gamma is None or expected is None or not sound(expected):
            raise Doubt("the information of all rows is close to singular")
        reading = read(climb, gamma, "none", last=True)
    else:
        reading = read(climb, stand.gamma, "expected", last=linear)
        expected = reading.sums.expected
        if expected is None or not sound(expected):
            raise Doubt("the information of all rows is close to singular")
    root = factor(expected)
    assert root is not None
    kind: PassKind = "score" if stand is None else "information"
    while True:
        if climb.stand is None and reading.facts is not None:
            climb.over.dispersion = _dispersion(climb, reading)
        step = step_from(climb, reading, root)
        if linear and reading.facts is not None:
            note(climb, step, "newton", kind)
            return replace(step, decrement=1e-16 * step.decrement), expected
        check_rate(climb, step)
        note(climb, step, "newton" if kind == "information" else "chord", kind)
        rate, kind = rate_of(climb), "score"
        if reading.facts is not None and _left(step.decrement, rate) <= _enough(climb):
            return replace(step, decrement=_left(step.decrement, rate)), expected
        soon = _left(step.decrement * rate, rate) <= _enough(climb)
        reading = read(climb, step.target, "none", last=soon)


def _enough(climb: Climb) -> float:
    """The decrement that steps which shrink by a rate must reach, not below the rounding of a score."""
    tolerance = climb.control.tolerance
    return min(tolerance, max(SPARE * tolerance, ROUNDED))


def _left(decrement: float, rate: float) -> float:
    """What steps that shrink by a rate leave in sum after one of this size."""
    return decrement * rate / (1.0 - rate)


def _dispersion(climb: Climb, reading: Reading) -> float:
    assert reading.facts is not None
    free = max(climb.over.counts.rows - climb.over.workspace.size, 1)
    fixed = climb.over.workspace.likelihood.family.dispersion
    return max(reading.facts.deviance / free, 1e-300) if fixed is None else fixed


def _linear(workspace: Workspace) -> bool:
    family = workspace.likelihood.family
    return family.power == 0 and family.link.name == "identity"


def _of_all_rows(climb: Climb, stand: Stand, information: Array) -> Solves:
    """The information of the subsample, multiplied up."""
    share, sample, penalty = climb.over.counts.weight / stand.weight, stand.sample, climb.over.penalty
    if penalty is None or sample.penalty is None:
        found = factor(information)
        found = None if found is None else Multiplied(found, share)
    else:
        own = sample.transform.T @ sample.penalty @ sample.transform
        found = factor((information - own) * share + penalty)
    if found is None:
        raise Doubt("the information of the subsample is close to singular")
    return found


def _reached(climb: Climb, step: Step, expected: Array) -> Ladder:
    over, reading = climb.over, step.reading
    assert reading.facts is not None
    facts, intercept = _with_null(climb, step)
    certified: Verdict = "not needed" if climb.stand is None else climb.stand.verdict
    trace = tuple(climb.trace)
    ascent = Ascent(
        over.workspace,
        step.target,
        reading.sums.objective + 0.5 * step.gain,
        reading.sums.magnitude,
        "converged",
        step.decrement,
        certified,
        (),
        sum(found.kind != "sample" for found in trace),
        0,
        information=expected,
        moved=step.moves.largest,
    )
    closing = Closing(expected, facts, intercept, reading.saturated)
    return Ladder(
        over.workspace, trace, "", certified, over.counts, intercept, ascent=ascent, closing=closing
    )


def _with_null(climb: Climb, step: Step) -> tuple[Facts, float]:
    """The facts at the end of the step, and the null intercept that they belong to."""
    over, facts = climb.over, _after(climb, step)
    shift = over.intercept - step.reading.intercept
    if not over.has_intercept or shift == 0.0:
        return facts, over.intercept
    if _linear(over.workspace) and over.known:
        return facts._replace(null=facts.null - shift * shift * over.counts.weight), over.intercept
    if over.bend > 0.0 and abs(shift) <= SAME_NULL:
        return facts._replace(null=facts.null - shift * shift * over.bend), over.intercept
    intercept = null_intercept(over.workspace, over.counts, has_offset=over.has_offset)
    return over.workspace.facts(step.target, intercept), intercept


def _after(climb: Climb, step: Step) -> Facts:
    """The facts at the end of a step that was not followed by a pass; exact to the third order."""
    facts, penalty = step.reading.facts, climb.over.penalty
    assert facts is not None
    fall = step.gain
    if penalty is not None:
        fall += float((2.0 * step.reading.gamma + step.delta) @ penalty @ step.delta)
    deviance = max(facts.deviance - fall, 0.0)
    pearson = deviance if _linear(climb.over.workspace) else facts.pearson + _shift(climb, step)
    return facts._replace(deviance=deviance, pearson=pearson)


def _shift(climb: Climb, step: Step) -> float:
    """What a last step adds to Pearson's chi-squared by the subsample.

    Nothing where the step is short, unless the dispersion hangs on it.
    """
    stand, fixed = climb.stand, climb.over.workspace.likelihood.family.dispersion is not None
    if stand is None or (fixed and not _long(climb, step)):
        return 0.0
    before, after = (stand.sample.facts(at, None).pearson for at in (step.reading.gamma, step.target))
    return (after - before) * climb.over.counts.weight / stand.weight


def _given_up(climb: Climb, why: str) -> Ladder:
    """Where plain Newton goes on: the highest point that was summed."""
    over, best = climb.over, climb.best
    certified: Verdict = "undecided" if has_cone(over.workspace) else "not needed"
    certified = certified if climb.stand is None else climb.stand.verdict
    point = None
    if best is not None:
        enough = best.sums.expected is not None and best.sums.observed is not None
        point = Start(best.gamma, best.sums) if enough else start_at(over.workspace, best.gamma)
    counts = over.counts if over.counts.rows else None
    return Ladder(over.workspace, tuple(climb.trace), why, certified, counts, _null(over), _usable(point))


def _part_of(
    over: AllRows, frame: Any, rungs: tuple[Sampled, ...], control: Control, doubt: Doubt, trace: list[Pass]
) -> Ladder:
    """The maximum of the last subsample in the columns that it tells apart, as a start over all rows."""
    workspace, gamma = over.workspace, None
    if isinstance(doubt, Collinear) and not workspace.likelihood.bounded and not len(frame.coded):
        gamma = without_collinear(workspace, frame, rungs[-1], control)
    if gamma is None:
        return Ladder(workspace, tuple(trace), str(doubt))
    sums = over.read(gamma, needed(workspace)).sums
    point = Start(gamma, sums) if sums.finite else None
    return Ladder(workspace, tuple(trace), str(doubt), counts=over.counts, intercept=_null(over), point=point)


def _null(over: AllRows) -> float | None:
    """The null intercept where the totals told it to the end."""
    return over.intercept if over.has_intercept and over.drift == 0.0 else None


def _usable(point: Start | None) -> Start | None:
    return None if point is None or point.sums is None else point
