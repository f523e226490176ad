"""Maximum likelihood where parameters beside the mean have predictors of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.control import Control
from glmstat.data.reduce import single_blas_thread
from glmstat.errors import ArgumentError
from glmstat.estimate import Convergence, Dispersion, Estimate, Null
from glmstat.frame import ModelFrame
from glmstat.information import DenseInformation
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.solve.estimate import TWICE
from glmstat.solve.estimator import Asked, NoFinite, Within
from glmstat.solve.joint.ascent import Ascent, ascend
from glmstat.solve.joint.limit import extreme, infinite, limits, refuse_limits
from glmstat.solve.joint.null import null_deviance
from glmstat.solve.joint.space import Space, open_space
from glmstat.solve.joint.start import First, first_model, given_start, held_starts, own_starts
from glmstat.solve.linear import factor
from glmstat.statement import Statement

if TYPE_CHECKING:
    from glmstat.formula.design import Design

__all__ = ["Joint"]

SAME = 1e-10  # share of the objective by which rounding may part two ascents to one maximum


@dataclass(frozen=True)
class Joint:
    """Joint maximum likelihood of all predictors.

    Parameters
    ----------
    predictors : formulas of those besides the mean's, by name, as given.
    """

    predictors: tuple[tuple[str, str], ...] = ()
    kind = "joint"

    @classmethod
    def asked(cls, asked: Asked, likelihood: GLM, frame: ModelFrame) -> Joint:
        """Return the estimator that a call asks for.

        Raises
        ------
        ArgumentError : a method that is not maximum likelihood.
        """
        if asked.method != "ml":
            raise ArgumentError(
                f'method="{asked.method}" does not go with predictors=, which are estimated by maximum '
                "likelihood. Leave one out."
            )
        return cls(tuple((asked.predictors or {}).items()))

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Joint:
        """Return the estimator that `to_json` wrote."""
        return cls(tuple((name, text) for name, text in plain["predictors"]))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"predictors": [list(pair) for pair in self.predictors]}

    def statement(self, estimate: Estimate, design: Design) -> Statement | None:
        """Return None: the table is that of a maximum of the likelihood."""
        return None

    def estimate(
        self,
        frame: ModelFrame,
        likelihood: Any,
        *,
        start: Array | None = None,
        control: Control | None = None,
        dispersion: Any = None,
        within: Within | None = None,
    ) -> Estimate:
        """Return the joint maximum; parameters as `Estimator.estimate`.

        Raises
        ------
        ArgumentError : a dispersion, where further predictors take its place.
        DataError : a predictor that runs to infinity, named with its columns and rows.
        """
        if dispersion not in (None, 1.0):
            raise ArgumentError(
                f"dispersion={dispersion!r} does not go with predictors=: the variance is modelled by them. "
                "Leave one out."
            )
        control = control or Control()
        with single_blas_thread():
            found = _maximise(frame, likelihood, start, control)
            try:
                refuse_limits(found.ascent)
            except NoFinite as error:
                error.limit = _limit(frame, likelihood, found, control)
                raise
            return _estimate(frame, likelihood, found, control, inside=within is not None)


@dataclass(frozen=True, eq=False)
class _Found:
    """A maximum; `whole` has the rank of all rows, where rows are left out."""

    ascent: Ascent
    first: First | None
    whole: Space
    notes: tuple[str, ...] = ()

    @property
    def directions(self) -> tuple[Array, ...]:
        return () if self.first is None else self.first.directions


def _maximise(frame: ModelFrame, likelihood: Any, start: Array | None, control: Control) -> _Found:
    whole = open_space(frame, likelihood)
    if start is not None:
        found = ascend(whole, *given_start(whole, start), control)
        if found.ending == "converged" and not limits(found):
            return _Found(found, None, whole)
    first = first_model(frame, likelihood.first, control)
    space = open_space(first.left(), likelihood) if first.directions else whole
    best, *others = own_starts(space, likelihood, first)
    ascent, notes = ascend(space, *best, control), ()
    if frame.rows * len(frame.columns) < TWICE:
        for other in others:
            ascent, notes = _better(ascent, ascend(space, *other, control))
        if not _finite(ascent):
            ascent = _higher(ascent, space, likelihood, control)
    return _Found(ascent, first, whole, notes)


def _finite(ascent: Ascent) -> bool:
    return ascent.ending == "converged" and not limits(ascent)


def _higher(ascent: Ascent, space: Space, likelihood: Any, control: Control) -> Ascent:
    """The highest finite maximum above the end of an ascent to infinity; that ascent where there is none."""
    best = ascent
    for start in held_starts(space, likelihood, control):
        found = ascend(space, *start, control)
        if found.sums.objective > best.sums.objective + SAME * (1.0 + best.sums.magnitude) and _finite(found):
            best = found
    return best


def _better(one: Ascent, two: Ascent) -> tuple[Ascent, tuple[str, ...]]:
    """The better of two ascents, and a remark where both are maxima, or the other goes to infinity.

    A maximum that is finite is preferred to a higher value at infinity, which is said.
    """
    finite = [_finite(one), _finite(two)]
    gain = two.sums.objective - one.sums.objective
    if abs(gain) <= SAME * (1.0 + one.sums.magnitude) or not any(finite):
        return (one if finite[0] or not finite[1] else two), ()
    if all(finite):
        words = (
            f"the likelihood has several maxima: loglik differs by {abs(gain):.6g}; the better is reported"
        )
        return (two if gain > 0 else one), (words,)
    chosen, beyond = (one, gain) if finite[0] else (two, -gain)
    if beyond <= 0:
        return chosen, ()
    gone = limits(two if finite[0] else one)
    names = [chosen.space.likelihood.predictors[k] for k, _ in gone] or ["a predictor"]
    return chosen, (
        f"loglik is higher by {beyond:.6g} where {names[0]} runs to infinity: this maximum is local",
    )


def _estimate(
    frame: ModelFrame, likelihood: Any, found: _Found, control: Control, *, inside: bool
) -> Estimate:
    ascent, space = found.ascent, found.ascent.space
    rows, weight = frame.reduce(_counts)
    deviance, pearson, constant = space.frame.reduce(lambda block: _facts(space, block, ascent.gamma))
    theta, aliased = _coefficients(found)
    loglik = ascent.sums.objective + constant
    df_residual = int(rows) - int(np.sum(~np.isnan(theta)))
    unmade = inside or len(aliased) > len(found.whole.rank.reasons)
    return Estimate(
        theta=theta,
        directions=found.directions,
        rows=int(rows),
        weight=float(weight),
        fingerprint=frame.fingerprint,
        information=_information(space, ascent.gamma),
        loglik=loglik,
        deviance=float(deviance),
        null=_null(frame, likelihood, theta, int(rows), control, unmade=unmade),
        pearson=float(pearson),
        dispersion=Dispersion(1.0, "fixed"),
        aliased=aliased,
        convergence=_convergence(frame, found, float(deviance), df_residual),
        df_residual=df_residual,
        criterion=-2.0 * loglik,
    )


def _limit(frame: ModelFrame, likelihood: Any, found: _Found, control: Control) -> Estimate:
    """The end of an ascent to infinity, where nothing changes any more."""
    signs, reached = infinite(found.ascent), replace(found.ascent, ending="converged")
    estimate = _estimate(frame, likelihood, replace(found, ascent=reached), control, inside=True)
    gone = (signs != 0) & ~np.isnan(estimate.theta)
    theta = np.where(gone, np.copysign(np.inf, signs), estimate.theta)
    theta.flags.writeable = False
    return replace(estimate, theta=theta)


def _counts(block: Block) -> Array:
    """How many rows count, and their weight."""
    return np.array([block.counted.sum(), block.total.sum()])


def _facts(space: Space, block: Block, gamma: Array) -> Array:
    """Deviance, Pearson chi-squared, and what the log-likelihood has beside the objective."""
    likelihood, out = space.likelihood, np.zeros(3)
    for run in space.runs(block, gamma):
        used = run.weights > 0
        for place, rows in enumerate(
            (
                likelihood.deviance(run.y, run.eta, run.weights),
                likelihood.pearson(run.y, run.eta, run.weights),
                likelihood.constant(run.y, run.weights),
            )
        ):
            out[place] += rows[used].sum()
    return out


def _coefficients(found: _Found) -> tuple[Array, dict[str, str]]:
    """The finite part of the coefficients (p,), NaN where aliased, and the reasons by name."""
    space, whole = found.ascent.space, found.whole
    names, theta = whole.frame.columns, space.to_coef(found.ascent.gamma)
    reasons = dict(whole.rank.reasons)
    first = set(whole.frame.slots[0].tolist())
    for slot in space.rank.reasons:
        if slot not in reasons and slot not in first:
            reasons[slot] = "not determined: the mean of every row that tells it goes to its limit"
    theta[list(reasons)] = np.nan
    theta.flags.writeable = False
    return theta, {names[slot]: why for slot, why in sorted(reasons.items())}


def _information(space: Space, gamma: Array) -> DenseInformation:
    """The expected information in the coordinates; the observed where a likelihood has no other."""
    sums = space.pass_(gamma, "both")
    known = sums.information
    found = None if known is None else factor(known)
    root = np.full((space.width,) * 2, np.nan) if found is None else found.triangle
    kept = space.rank.kept
    return DenseInformation(root, space.transform[kept], kept, len(space.transform))


def _null(
    frame: ModelFrame, likelihood: Any, theta: Array, rows: int, control: Control, *, unmade: bool
) -> Null:
    """The null model; not made for a refit inside the model, nor where theta is undetermined in some rows."""
    intercept = frame.intercept is not None
    if unmade:
        return Null(np.nan, rows - int(intercept))
    deviance = null_deviance(frame, likelihood, np.nan_to_num(theta), control, intercept=intercept)
    return Null(deviance, rows - int(intercept))


def _convergence(frame: ModelFrame, found: _Found, deviance: float, df_residual: int) -> Convergence:
    ascent, first = found.ascent, found.first
    done, notes = ascent.ending == "converged", [*found.whole.rank.notes, *found.notes]
    if done and first is not None:
        notes += extreme(ascent)
    if done and ascent.floor and df_residual:
        notes.append(f"coefficients accurate to {ascent.decrement:.0e} standard errors (rounding)")
    level = deviance + 2.0 * ascent.sums.objective
    trace = tuple(replace(step, deviance=step.deviance + level) for step in ascent.trace)
    before = trace[-1].deviance if trace else deviance
    passes = frame.passes
    own = None if first is None else first.estimate.convergence
    return Convergence(
        status="not converged" if not done else "separated" if found.directions else "converged",
        reason="" if done else _why(ascent),
        separation="not needed" if own is None else own.separation,
        decrement=ascent.decrement,
        iterations=ascent.iterations,
        halvings=ascent.halvings,
        r_criterion=abs(before - deviance) / (0.1 + abs(deviance)),
        trace=trace,
        notes=tuple(notes),
        separated_rows=None if own is None else own.separated_rows,
        readings=0 if passes is None else passes.number,
    )


def _why(ascent: Ascent) -> str:
    low, high = ascent.space.likelihood.bounds
    if (low, high) != (-np.inf, np.inf) and ascent.trace and ascent.trace[-1].halvings > 4:
        return "a mean reached the edge of its domain, where joint estimation has no method"
    words = {
        "iterations": f"{ascent.iterations} iterations did not reach the maximum",
        "stuck": f"stuck: no step raises the likelihood, decrement {ascent.decrement:.1e}",
        "singular": "the information became singular",
    }
    return words[ascent.ending]
