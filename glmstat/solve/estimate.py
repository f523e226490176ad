"""One call from a model frame to an estimate: `fit_estimate`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from glmstat.array import silence
from glmstat.compute import Counts, Facts
from glmstat.control import Control
from glmstat.data.reduce import single_blas_thread
from glmstat.eliminated import Eliminated
from glmstat.errors import ArgumentError
from glmstat.estimate import Estimate, Null
from glmstat.frame import ModelFrame
from glmstat.information import BorderedInformation, DenseInformation, Information
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.solve.chord import PASSES
from glmstat.solve.dispersion import Saturated, choose_dispersion, log_likelihood, saturated_sum
from glmstat.solve.ending import after_ladder, how_it_ended, steps_of
from glmstat.solve.growing import growing_row
from glmstat.solve.ladder import LARGE, SAME, Closing, Ladder, climb_ladder, climb_near, wants_ladder
from glmstat.solve.linear import factor
from glmstat.solve.maximum import Maximum, maximise
from glmstat.solve.newton import Ascent, Verdict, perfect_deviance
from glmstat.solve.null import closed_null, has_closed_null, null_from, null_intercept
from glmstat.solve.rank import Rank, full_rank, settle_rank
from glmstat.solve.refine import refine_linear
from glmstat.solve.rungs import Sampled
from glmstat.solve.scaling import open_workspace
from glmstat.solve.start import (
    Start,
    given_coefficients,
    inside,
    null_start,
    start_at,
    starting_points,
    weighted_start,
)
from glmstat.solve.together import together
from glmstat.workspace import Workspace

__all__ = [
    "TWICE",
    "Found",
    "at_work",
    "begin",
    "estimate_at",
    "fit_estimate",
    "fit_near",
    "left_open",
    "totals",
    "usable_null",
]

UNTHREADED = 10_000  # cells below which BLAS starts no threads of its own
_FIXED = 1e-7  # share of a row's length below which its part in the loose coordinates is rounding
TWICE = 2_000_000  # cells up to which a likelihood that may have several maxima is climbed from two starts
REFINED = 200_000  # cells up to which a linear model's last digits are worth their doubled precision


def fit_estimate(
    frame: ModelFrame,
    likelihood: GLM,
    *,
    start: Array | None = None,
    control: Control | None = None,
    dispersion: Literal["pearson", "deviance", "ml"] | float | None = None,
    penalty: Array | None = None,
) -> Estimate:
    """Return the maximum likelihood estimate of a model frame, or the penalised one.

    Parameters
    ----------
    start : coefficients (p,) to start from; None starts from the family's rule.
    dispersion : estimator or value; None is 1 where the family says so and Pearson's otherwise.
    penalty : S (p, p), positive semi-definite: the objective is the log-likelihood for dispersion 1 less
        coef'S coef / 2. Separation is not certified then, and the information holds S.

    Raises
    ------
    DomainError : no coefficients keep every mean inside its domain.
    ArgumentError : `start` of another length or outside the domain.
    """
    if isinstance(frame, ModelFrame) and frame.design.absorbed:
        from glmstat.solve.absorb.fit import fit_absorbed

        with _told_gaps(frame), single_blas_thread():
            return fit_absorbed(
                frame,
                likelihood,
                start=start,
                control=control or Control(),
                dispersion=dispersion,
                penalty=penalty,
            )
    with at_work(frame):
        return _fit(frame, likelihood, start, control or Control(), dispersion, penalty)


@contextmanager
def at_work(frame: ModelFrame) -> Iterator[None]:
    """Hold the rows; meanwhile threads are those of blocks, and a value that went missing is told."""
    few = frame.rows * len(frame.columns) < UNTHREADED
    held = frame.holding() if isinstance(frame, ModelFrame) and not few else nullcontext()
    with _told_gaps(frame), silence() if few else single_blas_thread(), held:
        yield


@contextmanager
def _told_gaps(frame: ModelFrame) -> Iterator[None]:
    """Where the fit fails, say so if a value is missing that was there."""
    try:
        yield
    except ValueError:
        _check_gaps(frame)
        raise


def _check_gaps(frame: ModelFrame) -> None:
    """Tell a value that is missing now, and was not, from numbers that overflow."""
    if isinstance(frame, ModelFrame):
        frame.check_gaps()


def _fit(
    frame: ModelFrame,
    likelihood: GLM,
    start: Array | None,
    control: Control,
    dispersion: Literal["pearson", "deviance", "ml"] | float | None,
    penalty: Array | None,
) -> Estimate:
    ladder = None
    if start is None and wants_ladder(frame, control):
        ladder = climb_ladder(frame, likelihood, control, penalty)
        found = _by_ladder(frame, ladder, dispersion)
        if found is not None:
            return found
    whole = open_workspace(frame, likelihood, penalty) if ladder is None else ladder.workspace
    counts, intercept = totals(whole, frame, ladder)
    workspace, rank, points = begin(whole, frame, intercept, start, ladder)
    null = null_start(workspace, _clipped(workspace, intercept))
    finite = ladder is not None and ladder.certified == "finite"
    taken = 0 if ladder is None else steps_of(ladder.trace)
    maximum = maximise(workspace, points, null, control, counts, finite=finite, taken=taken)
    found = estimate_at(frame, Found(workspace, rank, maximum, counts, intercept, ladder), dispersion)
    if control.solver != "ladder" or start is not None or control.max_iterations >= PASSES:
        return found
    return replace(found, convergence=replace(found.convergence, ladder=f"max_iterations is below {PASSES}"))


def fit_near(
    frame: ModelFrame,
    likelihood: GLM,
    rung: Sampled,
    coef: Array,
    verdict: Verdict,
    *,
    control: Control,
    dispersion: Literal["pearson", "deviance", "ml"] | float | None = None,
) -> Estimate | None:
    """Return the maximum likelihood estimate of many rows from coefficients near it.

    Parameters
    ----------
    rung : a subsample that has its maximum near by; its information leads the way.
    coef : (p,).
    verdict : what it says of separation.

    Returns
    -------
    None where a guard of the ladder doubts the way.
    """
    with _told_gaps(frame), single_blas_thread(), frame.holding():
        return _by_ladder(frame, climb_near(frame, likelihood, rung, coef, verdict, control), dispersion)


def _by_ladder(
    frame: ModelFrame, ladder: Ladder, dispersion: Literal["pearson", "deviance", "ml"] | float | None
) -> Estimate | None:
    """The estimate where the ladder reached the maximum, else None."""
    if ladder.ascent is None or ladder.counts is None:
        return None
    everything = Rank(np.arange(ladder.workspace.size))
    found = Found(ladder.workspace, everything, Maximum(ladder.ascent), ladder.counts, np.nan, ladder)
    return estimate_at(frame, found, dispersion)


def totals(whole: Workspace, frame: ModelFrame, ladder: Ladder | None) -> tuple[Counts, float]:
    """Return totals of response and weights, and the intercept of the null model."""
    has_offset = frame.has_offset
    if ladder is not None and ladder.counts is not None:
        if ladder.intercept is not None:
            return ladder.counts, ladder.intercept
        return ladder.counts, null_intercept(whole, ladder.counts, has_offset=has_offset)
    if frame.small or not (has_offset and has_closed_null(whole)):
        counts = whole.counts()
        return counts, null_intercept(whole, counts, has_offset=has_offset)
    counts, closed = together(whole, Workspace.counts, closed_null)
    known = null_from(whole, counts, closed, has_offset=True)
    return counts, null_intercept(whole, counts, has_offset=True) if known is None else known


@dataclass(frozen=True, eq=False)
class Found:
    """A point of the coefficients, which a solver ended at, and what was summed on the way."""

    workspace: Workspace
    rank: Rank
    maximum: Maximum
    counts: Counts
    intercept: float
    ladder: Ladder | None

    @property
    def closing(self) -> Closing | None:
        """The last pass of the ladder, where there was one."""
        return None if self.ladder is None else self.ladder.closing


def begin(
    whole: Workspace, frame: ModelFrame, intercept: float, start: Array | None, ladder: Ladder | None
) -> tuple[Workspace, Rank, list[Start]]:
    """Return the workspace of the columns that are not aliased, their rank, and where an ascent starts."""
    everything = Rank(np.arange(whole.size))
    point = None if ladder is None else ladder.point
    if point is not None and point.sums is not None and not _below_null(whole, intercept, point):
        information = point.sums.information
        if information is not None and full_rank(information):
            return whole, everything, [point]
    first = whole.start_pass()
    workspace, rank = whole, everything
    assert first.expected is not None
    if not np.isfinite(first.expected).all():
        _check_gaps(frame)
    found = factor(first.expected)
    if found is None or not full_rank(first.expected, found):
        rank = settle_rank(whole, frame.columns)
        if len(rank.kept) < whole.size:
            workspace = whole.kept(rank.kept)
            first, found = workspace.start_pass(), None
    if start is not None:
        return workspace, rank, [_given(workspace, start, rank)]
    points = starting_points(workspace, weighted_start(first, found), usable_null(workspace, intercept))
    large = not frame.small and frame.rows * whole.size >= TWICE
    return workspace, rank, points[:1] if large else points


def _below_null(workspace: Workspace, intercept: float, point: Start) -> bool:
    """Whether the null model is likelier than a point: a subsample that misleads so far is no start."""
    null = usable_null(workspace, intercept)
    return null is not None and workspace.pass_(null, "none").objective > point.objective


def usable_null(workspace: Workspace, intercept: float) -> Array | None:
    """Return the null model's coefficients where they are inside the domain."""
    null = null_start(workspace, _clipped(workspace, intercept))
    return null if null is not None and inside(workspace, null) else None


def _clipped(workspace: Workspace, intercept: float) -> float:
    """The null intercept moved inside the domain where the mean lies on its edge or beyond."""
    likelihood = workspace.likelihood
    if likelihood.bounded and likelihood.family.name == "binomial" and likelihood.family.link.name == "log":
        highest = workspace.frame.reduce(_Highest.of).offset
        return min(intercept, -highest - 0.1)
    return intercept


class _Highest:
    """Largest offset."""

    def __init__(self, offset: float) -> None:
        self.offset = offset

    @classmethod
    def of(cls, block: Block) -> _Highest:
        return cls(float(block.offset.max(initial=-np.inf)))

    def __add__(self, other: _Highest) -> _Highest:
        return _Highest(max(self.offset, other.offset))


def _given(workspace: Workspace, start: Array, rank: Rank) -> Start:
    """The point that the user gave."""
    given = given_coefficients(start, workspace.width, rank.kept)
    point = start_at(workspace, workspace.to_gamma(given[rank.kept]))
    if point.sums is None:
        raise ArgumentError("start gives a mean outside the domain of the family. Leave start= out.")
    return point


def estimate_at(
    frame: ModelFrame, found: Found, dispersion: Literal["pearson", "deviance", "ml"] | float | None
) -> Estimate:
    """Return the estimate at the end of an ascent: its totals, dispersion, information and words."""
    workspace, maximum, counts, closing = found.workspace, found.maximum, found.counts, found.closing
    final, gamma = maximum.ascent.workspace, maximum.ascent.gamma
    beta = final.to_beta(gamma)
    penalty_free = final.penalty is None
    if (
        _linear(final)
        and penalty_free
        and frame.rows * final.size <= REFINED
        and maximum.interior is None
        and final.size
    ):
        beta = refine_linear(final, beta)
        gamma = final.to_gamma(beta)
    facts, null, saturated = _facts(frame, final, gamma, found)
    df_residual = counts.rows - workspace.size
    slots = final.columns
    theta = np.full(workspace.width, np.nan)
    theta[workspace.columns] = 0.0
    theta[slots] = beta
    perfect = final.likelihood.family.dispersion is None and facts.pearson <= perfect_deviance(final, counts)
    chosen = choose_dispersion(final, gamma, facts, counts, df_residual, dispersion)
    theta.flags.writeable = False
    rank = replace(found.rank, notes=(*found.rank.notes, *left_open(frame, workspace, maximum)))
    information = _information(frame, final, gamma, maximum, closing)
    growing = None
    if closing is None and not maximum.directions and maximum.ascent.certified == "not needed":
        growing = growing_row(final, gamma, information, chosen.value, _natural(final, counts))
    convergence = how_it_ended(maximum, rank, perfect, facts, df_residual, growing)
    fingerprint, passes = frame.fingerprint, getattr(frame, "passes", None)
    if passes is not None:
        convergence = replace(convergence, readings=passes.number)
    return Estimate(
        theta=theta,
        directions=maximum.directions,
        rows=counts.rows,
        weight=counts.weight,
        fingerprint=fingerprint,
        information=information,
        loglik=log_likelihood(final, facts, counts, chosen, saturated),
        deviance=facts.deviance,
        null=null,
        pearson=facts.pearson,
        dispersion=chosen,
        aliased={frame.columns[int(workspace_place)]: why for workspace_place, why in rank.reasons.items()},
        convergence=convergence
        if found.ladder is None
        else after_ladder(convergence, found.ladder, facts, maximum),
        df_residual=df_residual,
        penalty=final.penalty,
    )


def left_open(frame: ModelFrame, workspace: Workspace, maximum: Maximum) -> tuple[str, ...]:
    """Return a remark on the finite coefficients that no row determines once separated rows are out."""
    if not maximum.directions:
        return ()
    moving = np.any([direction != 0 for direction in maximum.directions], axis=0)
    out = np.setdiff1d(workspace.columns, maximum.ascent.workspace.columns)
    names = [frame.columns[slot] for slot in out if not moving[slot]]
    if not names:
        return ()
    return (f"the rows that are not separated do not determine {', '.join(names)}: shown as 0",)


def _natural(workspace: Workspace, counts: Counts) -> float:
    """The size of the predictor at the mean response; 1 where that says nothing."""
    with np.errstate(all="ignore"):
        mean = np.array([counts.response / counts.weight if counts.weight else np.nan])
        size = float(np.abs(workspace.likelihood.family.link.eta(mean))[0])
    return size if np.isfinite(size) and size > 0 else 1.0


def _linear(workspace: Workspace) -> bool:
    family = workspace.likelihood.family
    return family.power == 0 and family.link.name == "identity"


def _facts(
    frame: ModelFrame, final: Workspace, gamma: Array, found: Found
) -> tuple[Facts, Null, Saturated | None]:
    """Totals at the estimate, and the null model: intercept if there is one, offset, nothing else."""
    closing, has_intercept = found.closing, frame.intercept is not None
    intercept = found.intercept if closing is None else closing.intercept
    at = intercept if has_intercept else 0.0
    at = at if np.isfinite(at) else None
    saturated = None if closing is None else closing.saturated
    if closing is not None:
        facts = closing.facts
    elif frame.small or final.likelihood.family.dispersion is None:
        facts = final.facts(gamma, at)
    else:
        phi = final.likelihood.family.dispersion
        facts, value = together(final, lambda one: one.facts(gamma, at), lambda one: saturated_sum(one, phi))
        saturated = Saturated(value, phi)
    return facts, Null(0.0 if at is None else facts.null, found.counts.rows - int(has_intercept)), saturated


def _information(
    frame: ModelFrame, final: Workspace, gamma: Array, maximum: Maximum, closing: Closing | None
) -> Information:
    transform, root = None, None
    interior = maximum.interior
    if interior is not None and interior.active.count and final.size:
        loose = _null_space(interior.held)
        expected = _without_fixed(frame, final, loose).pass_(gamma, "expected").expected
        found = None if expected is None else factor(loose.T @ expected @ loose)
        root = np.zeros((0, 0)) if found is None else found.triangle
        transform = final.transform
        transform = _without_held(transform, loose) if found is not None else transform[:, :0]
    elif maximum.ascent.qr:
        root = final.triangle(gamma, "expected")[:-1, :-1]
    else:
        expected = _last_information(maximum.ascent, frame.rows) if closing is None else closing.information
        expected = final.pass_(gamma, "expected").expected if expected is None else expected
        found = None if expected is None else factor(expected)
        root = None if found is None else found.root
    if isinstance(root, Eliminated):
        return BorderedInformation(root, final.scaling, final.columns, final.width)
    if root is None:
        root = np.full((final.size, final.size), np.nan)
    transform = final.transform if transform is None else transform
    return DenseInformation(root, transform, final.columns, final.width)


def _without_fixed(frame: ModelFrame, final: Workspace, loose: Array) -> Workspace:
    """The workspace without the rows that no loose coordinate moves: at its bound a weight is rounding."""

    def change(block: Block) -> Block:
        fixed = np.zeros(len(block.y), dtype=bool)
        for rows, columns in final.columns_of(block):
            moved, size = np.linalg.norm(loose.T @ columns, axis=0), np.linalg.norm(columns, axis=0)
            fixed[rows] = moved <= _FIXED * size
        return replace(block, weights=np.where(fixed, 0.0, block.weights))

    return replace(final, frame=frame.changed(change))


def _last_information(ascent: Ascent, rows: int) -> Array | None:
    """The information of the last pass, where another would cost more than the digits it adds."""
    unit = bool(ascent.workspace.likelihood.family.link.exponent)  # a power has the response's unit
    cheap = rows * ascent.workspace.size < LARGE
    short = 1e-8 if unit or cheap else max(1e-8, SAME * float(np.sqrt(ascent.tolerance)))
    done = ascent.ending == "converged" and not ascent.floor and ascent.moved <= short
    return ascent.information if done and not ascent.workspace.frame.small else None


def _without_held(transform: Array, loose: Array) -> Array:
    """The transform of the loose directions; NaN for coefficients that none of them moves."""
    moving = transform @ loose
    size = np.linalg.norm(moving, axis=1)
    return np.where((size > 1e-9 * np.linalg.norm(transform, axis=1))[:, None], moving, np.nan)


def _null_space(held: Array) -> Array:
    """Orthonormal directions that move no held row."""
    norms = np.linalg.norm(held, axis=1, keepdims=True)
    _, values, vectors = np.linalg.svd(held / np.where(norms > 0, norms, 1.0))
    rank = int(np.sum(values > 1e-9 * values.max(initial=1.0)))
    return vectors[rank:].T
