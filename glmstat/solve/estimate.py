"""One call from a model frame to an estimate: `fit_estimate`."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from glmstat.compute import Counts, Facts
from glmstat.control import Control
from glmstat.data.reduce import single_blas_thread
from glmstat.errors import ArgumentError
from glmstat.estimate import Convergence, Estimate, Null, Status
from glmstat.frame import ModelFrame
from glmstat.information import DenseInformation
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.solve.constrained import Interior
from glmstat.solve.dispersion import choose_dispersion, log_likelihood
from glmstat.solve.growing import growing_row
from glmstat.solve.linear import factor
from glmstat.solve.maximum import Maximum, maximise
from glmstat.solve.newton import Ascent, perfect_deviance
from glmstat.solve.null import null_intercept
from glmstat.solve.rank import Rank, full_rank, settle_rank
from glmstat.solve.refine import refine_linear
from glmstat.solve.scaling import open_workspace
from glmstat.solve.start import Start, inside, null_start, start_at, starting_points, weighted_start
from glmstat.solve.subsample import subsample_start
from glmstat.workspace import Workspace

__all__ = ["fit_estimate"]

UNTHREADED = 10_000  # cells below which BLAS starts no threads of its own
_FIXED = 1e-7  # share of a row's length below which its part in the loose coordinates is rounding
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

        return fit_absorbed(
            frame,
            likelihood,
            start=start,
            control=control or Control(),
            dispersion=dispersion,
            penalty=penalty,
        )
    if frame.rows * len(frame.columns) < UNTHREADED:
        return _fit(frame, likelihood, start, control or Control(), dispersion, penalty)
    with single_blas_thread():
        return _fit(frame, likelihood, start, control or Control(), dispersion, penalty)


def _fit(
    frame: ModelFrame,
    likelihood: GLM,
    start: Array | None,
    control: Control,
    dispersion: Literal["pearson", "deviance", "ml"] | float | None,
    penalty: Array | None,
) -> Estimate:
    whole = open_workspace(frame, likelihood, penalty)
    counts = whole.counts()
    intercept = null_intercept(whole, counts, has_offset=frame.has_offset)
    workspace, rank, points = _begin(whole, frame, intercept, start, control)
    null = null_start(workspace, _clipped(workspace, intercept))
    maximum = maximise(workspace, points, null, control, counts)
    return _estimate(frame, workspace, rank, maximum, counts, intercept, dispersion)


def _begin(
    whole: Workspace, frame: ModelFrame, intercept: float, start: Array | None, control: Control
) -> tuple[Workspace, Rank, list[Start]]:
    """The workspace of the columns that are not aliased, and where its ascent starts."""
    everything = Rank(np.arange(whole.size))
    sampled = subsample_start(whole, frame, control) if start is None else None
    if sampled is not None:
        point = start_at(whole, sampled)
        information = None if point.sums is None else point.sums.information
        if information is not None and full_rank(information):
            return whole, everything, [point]
    first = whole.start_pass()
    workspace, rank = whole, everything
    assert first.expected is not None
    if not full_rank(first.expected):
        rank = settle_rank(whole, frame.columns)
        if len(rank.kept) < whole.size:
            workspace = whole.kept(rank.kept)
            first = workspace.start_pass()
    if start is not None:
        return workspace, rank, [_given(workspace, start, rank)]
    return (
        workspace,
        rank,
        starting_points(workspace, weighted_start(first), _usable_null(workspace, intercept)),
    )


def _usable_null(workspace: Workspace, intercept: float) -> Array | None:
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
    given = np.asarray(start, dtype=np.float64)
    if given.shape != (workspace.width,) or not np.isfinite(given[rank.kept]).all():
        raise ArgumentError(
            f"start must be {workspace.width} finite numbers, one per coefficient: got shape {given.shape}."
        )
    point = start_at(workspace, workspace.to_gamma(given[rank.kept]))
    if point.sums is None:
        raise ArgumentError("start gives a mean outside the domain of the family. Leave start= out.")
    return point


def _estimate(
    frame: ModelFrame,
    workspace: Workspace,
    rank: Rank,
    maximum: Maximum,
    counts: Counts,
    intercept: float,
    dispersion: Literal["pearson", "deviance", "ml"] | float | None,
) -> Estimate:
    final, gamma = maximum.ascent.workspace, maximum.ascent.gamma
    beta = final.transform @ gamma
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
    facts, null = _facts(frame, final, gamma, counts, intercept)
    df_residual = counts.rows - workspace.size
    slots = final.columns
    theta = np.full(workspace.width, np.nan)
    theta[workspace.columns] = 0.0
    theta[slots] = beta
    perfect = final.likelihood.family.dispersion is None and facts.pearson <= perfect_deviance(final, counts)
    chosen = choose_dispersion(final, gamma, facts, counts, df_residual, dispersion)
    theta.flags.writeable = False
    rank = replace(rank, notes=(*rank.notes, *_left_open(frame, workspace, maximum)))
    information = _information(frame, final, gamma, maximum)
    growing = None
    if not maximum.directions and maximum.ascent.certified == "not needed":
        growing = growing_row(final, gamma, information, chosen.value, _natural(final, counts))
    return Estimate(
        theta=theta,
        directions=maximum.directions,
        rows=counts.rows,
        weight=counts.weight,
        fingerprint=frame.fingerprint,
        information=information,
        loglik=log_likelihood(final, gamma, facts, counts),
        deviance=facts.deviance,
        null=null,
        pearson=facts.pearson,
        dispersion=chosen,
        aliased={frame.columns[int(workspace_place)]: why for workspace_place, why in rank.reasons.items()},
        convergence=_convergence(maximum, rank, perfect, facts, df_residual, growing),
        df_residual=df_residual,
        penalty=final.penalty,
    )


def _left_open(frame: ModelFrame, workspace: Workspace, maximum: Maximum) -> tuple[str, ...]:
    """Remark on the finite coefficients that no row is left to determine, once separated rows are out."""
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
    frame: ModelFrame, final: Workspace, gamma: Array, counts: Counts, intercept: float
) -> tuple[Facts, Null]:
    """Totals at the estimate, and the null model: intercept if there is one, offset, nothing else."""
    has_intercept = frame.intercept is not None
    at = intercept if has_intercept else 0.0
    facts = final.facts(gamma, at if np.isfinite(at) else None)
    return facts, Null(facts.null if np.isfinite(at) else 0.0, counts.rows - int(has_intercept))


def _information(frame: ModelFrame, final: Workspace, gamma: Array, maximum: Maximum) -> DenseInformation:
    transform, root = final.transform, None
    interior = maximum.interior
    if interior is not None and interior.active.count and final.size:
        loose = _null_space(interior.held)
        expected = _without_fixed(frame, final, loose).pass_(gamma, "expected").expected
        found = None if expected is None else factor(loose.T @ expected @ loose)
        root = np.zeros((0, 0)) if found is None else found.root
        transform = _without_held(transform, loose) if found is not None else transform[:, :0]
    elif maximum.ascent.qr:
        root = final.triangle(gamma, "expected")[:-1, :-1]
    else:
        expected = _last_information(maximum.ascent)
        expected = final.pass_(gamma, "expected").expected if expected is None else expected
        found = None if expected is None else factor(expected)
        root = None if found is None else found.root
    if root is None:
        root = np.full((final.size, final.size), np.nan)
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


def _last_information(ascent: Ascent) -> Array | None:
    """The information of the last pass, where another would cost more than the digits it adds."""
    done = ascent.ending == "converged" and not ascent.floor and ascent.moved <= 1e-8
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


def _convergence(
    maximum: Maximum, rank: Rank, perfect: bool, facts: Facts, df_residual: int, growing: int | None
) -> Convergence:
    ascent = maximum.ascent
    status, reason = _status(maximum, perfect)
    if growing is not None and status in ("converged", "perfect fit"):
        status, reason = "not converged", f"the linear predictor of row {growing} is still growing"
    notes = list(rank.notes)
    if status == "converged" and ascent.floor and df_residual:
        notes.append(f"coefficients accurate to {ascent.decrement:.0e} standard errors (rounding)")
    if maximum.several is not None:
        low, high = sorted(-2.0 * value for value in maximum.several)
        notes.append(
            f"the likelihood has several maxima: deviances differ by {high - low:.6g}; the better is reported"
        )
    level = facts.deviance + 2.0 * ascent.objective
    trace = tuple(replace(step, deviance=step.deviance + level) for step in ascent.trace)
    before = trace[-1].deviance if trace else facts.deviance
    change = abs(before - facts.deviance) / (0.1 + abs(facts.deviance))
    verdict = "separated" if maximum.directions else "undecided" if maximum.undecided else ascent.certified
    return Convergence(
        status=status,
        reason=reason,
        separation=verdict,
        decrement=ascent.decrement,
        iterations=ascent.iterations,
        halvings=ascent.halvings,
        r_criterion=change,
        trace=trace,
        notes=tuple(notes),
        bound_rows=maximum.interior.active
        if maximum.interior is not None and maximum.interior.active.count
        else None,
        separated_rows=maximum.separated,
    )


def _status(maximum: Maximum, perfect: bool) -> tuple[Status, str]:
    ascent, interior = maximum.ascent, maximum.interior
    if maximum.directions:
        done = ascent.ending == "converged" or ascent.workspace.size == 0 or _settled(interior)
        return ("separated", "") if done else ("not converged", _why(maximum))
    if interior is not None:
        if _settled(interior):
            return "boundary", ""
        return "not converged", "the interior point method did not close its gap"
    if perfect:
        return "perfect fit", ""
    return ("converged", "") if ascent.ending == "converged" else ("not converged", _why(maximum))


def _settled(interior: Interior | None) -> bool:
    """Whether the maximum lies on the edge of the domain and was reached."""
    return interior is not None and interior.settled and interior.active.count > 0


def _why(maximum: Maximum) -> str:
    ascent = maximum.ascent
    steps = "1 iteration" if ascent.iterations == 1 else f"{ascent.iterations} iterations"
    words = {
        "iterations": f"{steps} did not reach the maximum",
        "stuck": f"stuck: no step raises the likelihood, decrement {ascent.decrement:.1e}",
        "growing": f"the linear predictor of row {ascent.row} is still growing",
        "singular": "the information became singular",
        "ask": "separation is not excluded",
        "edge": "a mean reached the edge of its domain",
    }
    return words[ascent.ending]
