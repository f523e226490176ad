"""One call from a model frame with absorbed effects to an estimate: `fit_absorbed`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Literal

import numpy as np

from glmstat.absorbed import Absorbed, Effect
from glmstat.compute import Counts, Facts
from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.estimate import Convergence, Estimate, Null
from glmstat.frame import ModelFrame
from glmstat.information import DenseInformation
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, IntArray
from glmstat.solve.absorb.climb import Climb, climb, first_point, sampled_point, solved
from glmstat.solve.absorb.levels import Levels, Numbered, number_levels
from glmstat.solve.absorb.redundant import find_redundant
from glmstat.solve.absorb.runaway import at_infinity, runaway, without
from glmstat.solve.absorb.sums import Point, Problem, Sums
from glmstat.solve.absorb.system import Redundant, System
from glmstat.solve.dispersion import choose_dispersion, log_likelihood
from glmstat.solve.linear import factor
from glmstat.solve.newton import perfect_deviance
from glmstat.solve.null import null_intercept
from glmstat.solve.rank import Rank, full_rank, settle_rank
from glmstat.solve.scaling import open_workspace, power_of_two
from glmstat.solve.separation import weightless
from glmstat.solve.start import given_coefficients
from glmstat.workspace import Workspace

__all__ = ["beside_at", "fit_absorbed"]

CANCELLED = 1e-5  # share of a column's square that its means over levels leave: below, it is summed again
SAMPLED = 200_000  # rows from which a sample leads to the start
EXPLAINED = 1e-9  # share of a column's size below which the effects leave only rounding of it
FAR = (40.0, 750.0, 1e17)  # predictors at which means reach their limit in double precision
Estimator = Literal["pearson", "deviance", "ml"]


def fit_absorbed(
    frame: ModelFrame,
    likelihood: GLM,
    *,
    start: Array | None,
    control: Control,
    dispersion: Estimator | float | None,
    penalty: Array | None,
) -> Estimate:
    """Return the maximum likelihood estimate of coefficients and absorbed effects; words as `fit_estimate`.

    The information of the coefficients is that beside the effects: the Schur complement.

    Raises
    ------
    ArgumentError : a penalty, or `start` of another length.
    DataError : no row is left beside infinite effects, or a factor has a level for each row.
    DomainError : no likelihood where the fit starts.
    """
    if penalty is not None:
        raise ArgumentError("A penalty cannot go with absorbed effects. Write them as a term instead.")
    levels = number_levels(frame, likelihood)
    entered = _entered(frame, levels)
    plain = Workspace(
        entered, likelihood, np.arange(0), 0, np.zeros(0), np.ones(0), None
    )  # the rows that enter, without columns
    null = _null(plain, frame, levels.counts)
    begun = _begin(_opened(frame, likelihood, levels), start, control)
    problem, redundant, rank = begun.problem, begun.redundant, begun.rank
    df = levels.counts.rows - problem.size - sum(problem.sizes) + redundant.count
    point, sums = _first(begun, null, start)
    state = climb(problem, redundant, point, sums, control, df, null if isfinite(null) else 0.0)
    if state is None:
        raise ArgumentError("The information of the coefficients is singular. Leave columns out.")
    state = _precise(state, null)
    return _estimate(frame, plain, state, rank, null, df, dispersion)


def beside_at(
    frame: ModelFrame,
    likelihood: GLM,
    theta: Array,
    absorbed: Absorbed,
    directions: tuple[Array, ...] = (),
) -> tuple[ModelFrame, tuple[str, ...]]:
    """Return the frame less effects and means over levels at a point, and the columns that these explain.

    Parameters
    ----------
    theta : coefficients (p,) of the frame's columns.
    absorbed : effects in the same rows, added to theirs.
    directions : of recession (p,); rows that one moves are predicted perfectly and count nothing.
    """
    frame = weightless(frame, directions)
    problem = _opened(frame, likelihood, number_levels(frame, likelihood))
    effects = []
    for known in problem.levels.factors:
        effect = absorbed.effects[known.place]
        effects.append(effect.values[effect.places(known.cells)])
    first, *others = effects
    beta = np.nan_to_num(theta)
    point = Point(beta / problem.scale, (first + float(problem.centre @ beta), *others))
    information = problem.pass_(point, "information").information
    assert information is not None
    redundant = find_redundant(problem, information)
    means = System.of(information, redundant).solve(information.border)
    found = _absorbed(problem, Point(beta, tuple(effects)), means, redundant, likelihood)
    infinite = np.any(directions, axis=0) if directions else np.zeros(len(beta), dtype=bool)
    found = without(found, infinite)
    left = replace(problem, means=means).pass_(_shifted(point, means), "information").information
    assert left is not None
    gone = ~infinite & (left.gram.diagonal() <= EXPLAINED**2 * information.gram.diagonal())
    names = tuple(frame.columns[k] for k in np.flatnonzero(gone))
    return frame.changed(found.change(theta)), names


def _entered(frame: ModelFrame, levels: Levels) -> ModelFrame:
    """The frame with weight 0 in the rows of infinite effects."""
    if all(known.whole for known in levels.factors):
        return frame

    def change(block: Block) -> Block:
        out = np.any([known.codes(block) < 0 for known in levels.factors], axis=0)
        return replace(block, weights=np.where(out, 0.0, block.weights))

    return frame.changed(change)


def _null(plain: Workspace, frame: ModelFrame, counts: Counts) -> float:
    """The null model's predictor less the offset; of a frame that stands for another, that of the mean."""
    has_offset = frame.has_offset and frame.coordinates is None
    return null_intercept(plain, counts, has_offset=has_offset)


# ---------------------------------------------------------------- columns


@dataclass(frozen=True, eq=False)
class _Begun:
    """The problem of the columns that are not aliased, with its first sums.

    `sums` are those of the pass "start", or of `point` where a sample has led there.
    """

    problem: Problem
    sums: Sums
    redundant: Redundant
    rank: Rank
    point: Point | None = None


def _begin(problem: Problem, start: Array | None, control: Control) -> _Begun:
    frame, point, sums = problem.frame, None, None
    if start is None and frame.large and frame.rows >= SAMPLED and _is_curved(problem):
        point = sampled_point(problem)
        sums = None if point is None else problem.pass_(point, "information")
    if sums is None or not sums.finite:
        point, sums = None, problem.pass_(problem.origin(), "start")
    assert sums.information is not None
    redundant = find_redundant(problem, sums.information)
    everything = Rank(np.arange(problem.size))
    found = solved(sums, redundant)
    left = None if found is None else found.root.pivots
    if left is not None and (left > CANCELLED * sums.information.gram.diagonal()).all():
        return _Begun(problem, sums, redundant, everything, point)
    rank = _rank(problem, sums, redundant)
    if len(rank.kept) == problem.size:
        return _Begun(problem, sums, redundant, rank, point)
    smaller = problem.kept(rank.kept)
    return _Begun(smaller, smaller.pass_(smaller.origin(), "start"), redundant, rank)


def _is_curved(problem: Problem) -> bool:
    """Whether one weighted least squares is not the answer."""
    family = problem.likelihood.family
    return not (problem.constant and family.link.name == "identity")


def _opened(frame: ModelFrame, likelihood: GLM, levels: Levels) -> Problem:
    """The problem, its columns centred where they lie far from 0 for their spread in the first block."""
    X = frame.block(0).X[0]
    count, total, square = X.shape[0], np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for _, run in X.runs():
        total += run.sum(axis=1)
    mean = total / count
    for _, run in X.runs():
        square += np.square(run - mean[:, None]).sum(axis=1)
    spread = np.sqrt(square / count)
    far = np.abs(mean) > spread
    centre, size = np.where(far, mean, 0.0), np.where(far, spread, np.hypot(mean, spread))
    usual = (size > 1e-60) & (size < 1e60)
    scale = power_of_two(np.where(usual, 1.0, size))
    return Problem(frame, likelihood, levels, np.arange(len(centre)), centre, scale)


def _rank(problem: Problem, begun: Sums, redundant: Redundant) -> Rank:
    """Which columns the effects and the columns before leave something of, from what is left itself."""
    assert begun.information is not None
    means = System.of(begun.information, redundant).solve(begun.information.border)
    left = replace(problem, means=means).pass_(problem.origin(), "start").information
    assert left is not None
    whole, rest = begun.information.gram.diagonal(), left.gram.diagonal()
    gone = rest <= EXPLAINED**2 * np.maximum(whole, 1e-300)
    behind = " + ".join(known.text for known in problem.frame.design.absorbed)
    weight = float(begun.information.weights[0].sum())
    still = whole <= weight * np.square(1e-14 * problem.centre * problem.scale)
    reasons = {int(k): _why(bool(still[k]), behind) for k in np.flatnonzero(gone)}
    kept = np.flatnonzero(~gone)
    if len(kept) and not full_rank(left.gram[np.ix_(kept, kept)]):
        inner = _beside_effects(problem, means, kept)
        reasons |= {int(kept[k]): f"{why} beside the absorbed effects" for k, why in inner.reasons.items()}
        kept = kept[inner.kept]
    return Rank(kept, dict(sorted(reasons.items())))


def _why(constant: bool, behind: str) -> str:
    return f"constant, as an effect of {behind} can be" if constant else f"explained by the absorbed {behind}"


def _beside_effects(problem: Problem, means: tuple[Array, ...], kept: IntArray) -> Rank:
    """The rank of what the effects leave of some columns."""
    absorbed = _absorbed(
        problem, problem.origin(), means, Redundant(0, True, np.zeros(0, dtype=np.intp)), None
    )
    frame = problem.frame.changed(absorbed.change(np.zeros(len(problem.frame.columns))))
    names = [problem.frame.columns[k] for k in kept]
    whole = open_workspace(frame, problem.likelihood)
    return settle_rank(whole.kept(kept), names)


# ---------------------------------------------------------------- the ascent


def _first(begun: _Begun, null: float, start: Array | None) -> tuple[Point, Sums]:
    """Where the ascent starts, and the sums there."""
    problem = begun.problem
    at = 0.0 if problem.frame.coordinates is not None or not isfinite(null) else null
    if begun.point is not None:
        return begun.point, begun.sums
    if start is None:
        return first_point(problem, begun.redundant, begun.sums, at)
    beta = given_coefficients(start, len(problem.frame.columns), problem.columns)[problem.columns]
    first, *others = problem.origin().effects
    point = Point(beta / problem.scale, (first + float(problem.centre @ beta) + at, *others))
    sums = problem.pass_(point, "information")
    return (point, sums) if sums.finite else first_point(problem, begun.redundant, begun.sums, at)


def _precise(state: Climb, null: float) -> Climb:
    """The state with the information of the coefficients summed from what the effects leave of the columns.

    The Schur complement of sums loses the digits by which a column's means over levels exceed the rest.
    """
    information = state.sums.information
    assert information is not None
    left, whole = state.information.schur.diagonal(), information.gram.diagonal()
    if not state.problem.size or (left > CANCELLED * whole).all():
        return state
    means = state.information.means
    point = _shifted(state.point, means)
    again = replace(state.problem, means=means).pass_(point, "last", null if isfinite(null) else 0.0)
    found = solved(again, state.redundant)
    if found is None:
        return state
    both = tuple(a + b for a, b in zip(means, found.means, strict=True))
    state.information = replace(found, means=both)
    return state


def _shifted(point: Point, means: tuple[Array, ...]) -> Point:
    """The same predictors from columns less their means."""
    effects = tuple(a + point.beta @ z for a, z in zip(point.effects, means, strict=True))
    return Point(point.beta, effects)


# ---------------------------------------------------------------- the estimate


def _estimate(
    frame: ModelFrame,
    plain: Workspace,
    state: Climb,
    rank: Rank,
    null: float,
    df: int,
    dispersion: Estimator | float | None,
) -> Estimate:
    problem, totals, counts = state.problem, state.sums.totals, state.problem.levels.counts
    beta = state.point.beta * problem.scale
    theta = np.full(len(frame.columns), np.nan)
    theta[problem.columns] = beta
    theta.flags.writeable = False
    first, *others = state.point.effects
    moved = Point(beta, (first - float(problem.centre @ beta), *others))
    means, free = state.information.means, _free(state)
    absorbed = _absorbed(problem, moved, means, state.redundant, state.problem.likelihood, free)
    facts = Facts(totals.deviance, totals.pearson, totals.null)
    nothing = np.zeros(0)
    perfect = plain.likelihood.family.dispersion is None and totals.pearson <= perfect_deviance(plain, counts)
    chosen = choose_dispersion(plain, nothing, facts, counts, df, dispersion)
    found = factor(state.information.schur)
    assert found is not None
    estimate = Estimate(
        theta=theta,
        directions=(),
        rows=counts.rows,
        weight=counts.weight,
        fingerprint=frame.fingerprint,
        information=DenseInformation(
            found.triangle, np.diag(problem.scale), problem.columns, len(frame.columns)
        ),
        loglik=log_likelihood(plain, facts, counts, chosen),
        deviance=facts.deviance,
        null=Null(facts.null if isfinite(null) else 0.0, counts.rows - 1),
        pearson=facts.pearson,
        dispersion=chosen,
        aliased={frame.columns[place]: why for place, why in rank.reasons.items()},
        convergence=replace(
            _convergence(state, rank, perfect), readings=0 if frame.passes is None else frame.passes.number
        ),
        df_residual=df,
        absorbed=absorbed,
    )
    convergence = estimate.convergence
    proved = convergence.status == "converged" and convergence.runaway
    return at_infinity(estimate, state) if proved else estimate


def _absorbed(
    problem: Problem,
    point: Point,
    means: tuple[Array, ...],
    redundant: Redundant,
    likelihood: GLM | None,
    free: tuple[Array, ...] | None = None,
) -> Absorbed:
    """The effects by factor as written; `point` in the columns as given, `means` in those of the problem."""
    free = problem.origin().effects if free is None else free
    values = _normalised(problem.levels, point.effects, redundant)
    width, back = len(problem.frame.columns), problem.centre
    effects: list[Effect] = []
    parts = zip(problem.levels.factors, values, means, free, strict=True)
    for place, (known, own, mean, loose) in enumerate(parts):
        whole = np.zeros((width, mean.shape[1]))
        whole[problem.columns] = mean / problem.scale[:, None] + (back[:, None] if place == 0 else 0.0)
        effects.append(_effect(problem.frame, known, own, whole, loose))
    order = np.argsort([known.place for known in problem.levels.factors])
    return Absorbed(
        tuple(effects[k] for k in order),
        redundant.count,
        redundant.exact,
        problem.levels.rows_out,
        sum(len(known.infinite.codes) for known in problem.levels.factors),
        problem.levels.single,
        None if likelihood is None else _far(likelihood),
    )


def _effect(frame: ModelFrame, known: Numbered, values: Array, means: Array, free: Array) -> Effect:
    """The effect with the levels that were left out among the others."""
    infinite, signs, rounds = known.infinite
    text = frame.design.absorbed[known.place].text
    cells = np.concatenate([known.cells, infinite, known.lost])
    order = np.argsort(cells, kind="stable")
    more = len(cells) - len(known.cells)
    whole = np.concatenate([values, signs * inf, np.full(len(known.lost), nan)])
    wide = np.column_stack([means, np.zeros((len(means), more))])
    counts = np.concatenate([known.counts, np.zeros(more, dtype=np.int64)])
    turns = np.concatenate([np.zeros(len(known.cells)), rounds, np.zeros(len(known.lost))]).astype(np.int64)
    loose = np.concatenate([free, np.zeros(more)])
    arrays = cells[order], whole[order], wide[:, order], counts[order], turns[order], loose[order]
    for array in arrays:
        array.flags.writeable = False
    return Effect(text, *arrays)


def _free(state: Climb) -> tuple[Array, ...]:
    """Effects that change no row of the fit, drawn at random: they change every row that is not determined.

    Constants of whole factors, which change no row at all, may be among them.
    """
    redundant, sums = state.redundant, state.sums
    nothing = state.problem.origin().effects
    assert sums.information is not None
    if redundant.sets is not None and len(nothing) == 2:
        first, second = redundant.sets
        return first.astype(np.float64), -second.astype(np.float64)
    if len(nothing) < 3 or (redundant.exact and redundant.count == len(nothing) - 1):
        return nothing
    draws = np.random.default_rng(0)
    drawn = tuple(draws.normal(size=len(each)) for each in nothing)
    again = System.of(sums.information, redundant).solve(
        tuple(r[None] for r in sums.information.times(drawn))
    )
    return tuple(a - b[0] for a, b in zip(drawn, again, strict=True))


def _normalised(levels: Levels, effects: tuple[Array, ...], redundant: Redundant) -> tuple[Array, ...]:
    """The effects with mean 0 over the rows, in all factors but the first that is written.

    Of two factors in each set of rows that hang together.
    """
    lead = int(np.argmin([known.place for known in levels.factors]))
    out, total = [np.array(each) for each in effects], 0.0
    if redundant.sets is not None and len(out) == 2:
        other = 1 - lead
        sets, rows = redundant.sets[other], levels.factors[other].counts
        means = np.bincount(sets, out[other] * rows) / np.bincount(sets, rows)
        out[other] -= means[sets]
        out[lead] += means[redundant.sets[lead]]
        return tuple(out)
    for place, known in enumerate(levels.factors):
        if place != lead:
            mean = float(out[place] @ known.counts) / float(known.counts.sum())
            out[place] -= mean
            total += mean
    out[lead] += total
    return tuple(out)


def _far(likelihood: GLM) -> dict[float, float]:
    """A predictor at which the mean has reached its limit, for each infinite sign."""
    limits = zip((-1.0, 1.0), likelihood.family.link.means, strict=True)
    return {
        sign: next((at for at in FAR if _reached(likelihood, sign * at, limit)), FAR[0]) * sign
        for sign, limit in limits
    }


def _reached(likelihood: GLM, at: float, limit: float) -> bool:
    """Whether the mean is its limit but for rounding, and the row has a score there."""
    eta = np.array([[at]])
    with np.errstate(all="ignore"):
        rows = likelihood.rows(np.array([limit]), eta, np.zeros(1), information="expected")
        near = abs(float(likelihood.mean(eta)[0]) - limit) < 1e-16
    return bool(near and np.isfinite(rows.gradient).all() and np.isfinite(rows.expected).all())


def _convergence(state: Climb, rank: Rank, perfect: bool) -> Convergence:
    totals = state.sums.totals
    cone = state.problem.likelihood.cone(np.ones(1), np.ones(1)) is not None
    # multipliers of bound rows that are all positive leave no separating direction
    finite = totals.least > 1e-10 * totals.largest or totals.largest == 0.0
    words = {
        "iterations": f"{len(state.trace)} iterations did not reach the maximum",
        "stuck": f"stuck: no step raises the likelihood, decrement {state.decrement:.1e}",
        "singular": "the information became singular",
        "flat": "an absorbed effect is still growing, where the likelihood is flat",
    }
    done = state.ending == "converged"
    level = totals.deviance + 2.0 * state.sums.objective
    trace = tuple(replace(step, deviance=step.deviance + level) for step in state.trace)
    before = trace[-1].deviance if trace else totals.deviance
    undecided = cone and not finite
    return Convergence(
        status="perfect fit" if perfect else "converged" if done else "not converged",
        reason="" if done or perfect else words[state.ending],
        separation="not needed" if not cone else "finite" if finite else "undecided",
        decrement=state.decrement,
        iterations=len(state.trace),
        halvings=state.halvings,
        r_criterion=abs(before - totals.deviance) / (0.1 + abs(totals.deviance)),
        trace=trace,
        notes=rank.notes,
        runaway=runaway(state) if undecided else (),
    )
