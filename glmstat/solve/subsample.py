"""The ascent over subsamples: the point from which all rows are climbed, and what it proves of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glmstat.coded import Coded
from glmstat.compute import Counts
from glmstat.control import Control
from glmstat.errors import DomainError
from glmstat.estimate import Pass
from glmstat.matrix import Array, Block
from glmstat.solve.linear import factor
from glmstat.solve.newton import ILL, PATIENCE, Ascent, Verdict, ascend
from glmstat.solve.null import null_intercept
from glmstat.solve.rank import settle_rank
from glmstat.solve.rungs import Sampled, SampledFrame
from glmstat.solve.separation import has_cone
from glmstat.solve.start import start_at, starting_points, weighted_start
from glmstat.workspace import Workspace

__all__ = [
    "Collinear",
    "Doubt",
    "Stand",
    "climb_rungs",
    "sound",
    "without_collinear",
    "without_levels",
]

STEPS = 15  # of an ascent: more say that this is no easy maximum
PIVOT = 1e-10  # of an information, relative to its diagonal: below, all rows may see what the few do not
CLOSE = 0.5  # standard errors of the subsample: a step so short ends at a hundredth of one
ROUGH = 0.75  # the same for each root of the coefficients, where factors stay codes
WIDE = 64  # coefficients from which on that is longer by far


class Doubt(Exception):
    """A guard said no; the words say which."""


class Collinear(Doubt):
    """The subsample does not tell all coefficients: it lacks a level, or all rows do not tell them either."""


@dataclass(frozen=True, eq=False)
class Stand:
    """The maximum of a subsample.

    Parameters
    ----------
    gamma, information : where it is, and the information (q, q) that led there, with the sample's penalty;
        None where the subsample does not tell all coefficients.
    weight : sum of the weights, by which the information is multiplied up.
    dispersion, intercept : of the subsample; the intercept is that of the null model, 0 if it has none.
    verdict : on separation; "finite" holds for all rows, since more rows only narrow the cone.
    """

    sample: Workspace
    gamma: Array
    information: Array | None
    weight: float
    dispersion: float
    intercept: float
    verdict: Verdict


def climb_rungs(
    workspace: Workspace,
    frame: SampledFrame,
    rungs: tuple[Sampled, ...],
    control: Control,
    trace: list[Pass],
) -> Stand:
    """Return the maximum of the last subsample, each ascent beginning where the one before ended.

    Parameters
    ----------
    trace : takes the steps.

    Raises
    ------
    Doubt : the last subsample has no maximum from which to climb all rows.
    """
    verdict: Verdict = "undecided" if has_cone(workspace) else "not needed"
    coded = frame.stored < len(frame.columns)
    why, stand = Doubt("the rows are too few for subsamples"), None
    for rung in rungs:
        share = frame.rows / rung.rows
        penalty = None if workspace.penalty is None else workspace.penalty / share
        sample = replace(workspace, frame=rung, penalty=penalty)
        try:
            end, counts = _ascent(sample, None if stand is None else stand.gamma, control, verdict, coded)
            deviance = sample.facts(end.gamma, None).deviance
            trace += _steps(end, deviance, share)
            stand = _stand(sample, frame, end, counts, deviance)
            verdict = stand.verdict
        except Doubt as doubt:
            why, stand = doubt, None
    if stand is None:
        raise why
    return stand


def without_levels(
    workspace: Workspace, frame: SampledFrame, rung: Sampled, control: Control, trace: list[Pass]
) -> Stand | None:
    """Return the maximum of a subsample in all columns but those of levels that it does not tell.

    These have no row in it, or rows of one outcome only, and get the mean coefficient of the others. None
    where there is no such maximum; nothing is proved of all rows.
    """
    (block,), share = rung.blocks, frame.rows / rung.rows
    penalty = None if workspace.penalty is None else workspace.penalty / share
    sample = replace(workspace, frame=rung, penalty=penalty)
    levels = [_Levels.of(sample, one, block) for one in sample.split(block).coded if _plain(one)]
    found = np.ones(workspace.size, dtype=bool)
    for one in levels:
        found[one.coded.places] = one.kept
    kept = np.flatnonzero(found)
    if len(kept) == workspace.size:
        return None
    part = sample.kept(kept)
    try:
        end, counts = _ascent(part, None, control, "not needed", True)
    except Doubt:
        return None
    if end.ending != "converged" or end.qr:
        return None
    deviance = part.facts(end.gamma, None).deviance
    trace += _steps(end, deviance, share)
    gamma = np.zeros(workspace.size)
    gamma[kept] = end.gamma
    for one in levels:
        gamma[one.coded.places] = one.filled(gamma[one.coded.places])
    verdict: Verdict = "undecided" if has_cone(workspace) else "not needed"
    return _standing(sample, frame, gamma, None, counts, deviance, verdict)


def _plain(one: Coded) -> bool:
    return one.coding.chosen is not None and one.multiplier is None


@dataclass(frozen=True, eq=False)
class _Levels:
    """The levels of a factor in a subsample.

    Parameters
    ----------
    rows : of each level that has some whose response could be higher, and lower; 0 for the others.
    kept : whether a column (k,) is one of those, less one that takes the place of the level left out.
    """

    coded: Coded
    rows: Array
    kept: NDArray[np.bool]

    @classmethod
    def of(cls, sample: Workspace, coded: Coded, block: Block) -> _Levels:
        """Return those of one factor."""
        used, cone = block.total > 0, sample.likelihood.cone(block.y, block.total)
        bound = np.zeros(len(used)) if cone is None else cone.bound[:, 0, 0]
        could = [coded.sums((used & where).astype(np.float64)) for where in (bound <= 0, bound >= 0)]
        rows = np.where(np.minimum(*could) > 0, coded.sums(used.astype(np.float64)), 0.0)
        chosen = coded.coding.chosen
        assert chosen is not None
        others, kept = np.setdiff1d(np.arange(len(rows)), chosen), rows[chosen] > 0
        if len(others) and not rows[others].any():
            kept[np.argmax(kept)] = False
        return cls(coded, rows, kept)

    def filled(self, beta: Array) -> Array:
        """Return the coefficients (k,) with their mean over rows where a level is not told."""
        coding = self.coded.coding
        mean = float(coding.levelled(beta) @ self.rows) / max(float(self.rows.sum()), 1.0)
        return np.where(coding.collected(self.rows) > 0, beta, mean)


def without_collinear(
    workspace: Workspace, frame: SampledFrame, rung: Sampled, control: Control
) -> Array | None:
    """Return where an ascent may begin: the maximum in the columns that a subsample tells apart, or None.

    The others have the coefficient 0. None where there is no such maximum; nothing is proved of all rows.
    """
    sample = replace(workspace, frame=rung, penalty=None)
    kept = settle_rank(sample, frame.columns).kept
    if len(kept) == workspace.size:
        return None
    try:
        end, _ = _ascent(sample.kept(kept), None, control, "not needed")
    except Doubt:
        return None
    if end.ending != "converged" or end.qr:
        return None
    gamma = np.zeros(workspace.size)
    gamma[kept] = end.gamma
    return gamma


def _ascent(
    sample: Workspace, gamma: Array | None, control: Control, verdict: Verdict, coded: bool = False
) -> tuple[Ascent, Counts]:
    """The end of the ascent of a subsample; where factors stay codes, as near as its maximum is worth.

    That of all rows lies about a standard error away in each coefficient.
    """
    counts = sample.counts()
    if not counts.low < counts.high:
        raise Doubt("the response is constant in the subsample")
    if gamma is None:
        first = sample.start_pass()
        if first.expected is None or not sound(first.expected):
            raise Collinear("the columns of the subsample are close to collinear")
        try:
            point = starting_points(sample, weighted_start(first), None)[0]
        except DomainError:
            raise Doubt("the subsample has no point inside the domain") from None
    else:
        point = start_at(sample, gamma)
    if point.sums is None:
        raise Doubt("the subsample has no likelihood where its ascent starts")
    quick = replace(control, max_iterations=STEPS)
    if coded and sample.size > WIDE:
        end = ascend(sample, point, quick, counts, verdict, ROUGH * float(np.sqrt(sample.size)))
        if end.ending != "ask" or end.iterations >= PATIENCE:
            return end, counts
        point = start_at(sample, end.gamma)
    return ascend(sample, point, quick, counts, verdict, CLOSE), counts


def sound(information: Array) -> bool:
    """Whether an information has full rank and is well enough conditioned for its factor to be used."""
    found = factor(information)
    if found is None or found.rcond < ILL:
        return False
    return bool((found.pivots > PIVOT * np.diag(information)).all())


def _stand(sample: Workspace, frame: SampledFrame, end: Ascent, counts: Counts, deviance: float) -> Stand:
    """The end of an ascent, where nothing speaks against it."""
    if end.ending == "ask" or (end.ending == "converged" and end.certified == "undecided"):
        raise Doubt("the subsample may be separated")
    if end.ending == "iterations":
        raise Doubt(f"the subsample took more than {STEPS} steps")
    information = end.curvature
    if end.ending != "converged" or end.qr or information is None or not sound(information):
        raise Doubt("the information of the subsample is close to singular")
    return _standing(sample, frame, end.gamma, information, counts, deviance, end.certified)


def _standing(
    sample: Workspace,
    frame: SampledFrame,
    gamma: Array,
    information: Array | None,
    counts: Counts,
    deviance: float,
    verdict: Verdict,
) -> Stand:
    fixed = sample.likelihood.family.dispersion
    free = max(counts.rows - sample.size, 1)
    dispersion = max(deviance / free, 1e-300) if fixed is None else fixed
    intercept = 0.0
    if frame.intercept is not None:
        intercept = null_intercept(sample, counts, has_offset=frame.has_offset)
    return Stand(sample, gamma, information, counts.weight, dispersion, intercept, verdict)


def _steps(end: Ascent, deviance: float, share: float) -> list[Pass]:
    """The steps of an ascent, with the deviance of all rows as the subsample estimates it."""
    level = deviance + 2.0 * end.objective
    steps = (step for step in end.trace if step.direction)
    return [replace(step, deviance=share * (step.deviance + level), kind="sample") for step in steps]
