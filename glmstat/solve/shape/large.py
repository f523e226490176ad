"""Coefficients and theta of many rows: from a subsample by joint steps that sum scores alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp, log, sqrt
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from glmstat.data.reduce import Addable
from glmstat.errors import GlmstatError
from glmstat.estimate import Estimate, Pass, PassKind
from glmstat.families import Family, NegativeBinomial, Poisson
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, IntArray
from glmstat.solve.estimate import fit_estimate
from glmstat.solve.ladder import wants_ladder
from glmstat.solve.lap import Lap
from glmstat.solve.rungs import Sampled, take_rungs
from glmstat.solve.shape.counts import excess, joint_information, scores, slopes
from glmstat.solve.shape.search import search
from glmstat.solve.shape.shaped import Fitting

__all__ = ["Near", "approach", "subsample"]

S = TypeVar("S", bound=Addable)
ROUGH = 0.01  # standard errors of the subsample: all rows have their maximum several of these away
CLOSE = 1e-6  # standard errors: the step that is so long leaves a hundredth of that
STEPS = 8
OVERDISPERSED = 0.01  # share of a sum that is excess: below, all rows are asked
SLOW = 0.5  # by which a step must shorten the next one
FAR = 1.0  # the longest step of log theta
SOUND = 1e-8  # least eigenvalue of a scaled information that leads anywhere


class Near(NamedTuple):
    """A place near the maximum of all rows.

    Parameters
    ----------
    rung : the subsample that led there.
    verdict : what it says of separation, of all rows too.
    coef : (p,).
    place : log theta.
    trace : the passes that led there.
    """

    rung: Sampled
    verdict: Literal["finite", "not needed"]
    coef: Array
    place: float
    trace: tuple[Pass, ...]


@dataclass(frozen=True, eq=False)
class _Some:
    """The rows of a subsample, standing for a frame."""

    rung: Sampled
    columns: tuple[str, ...]
    intercept: int | None
    has_offset: bool
    small = False
    fingerprint = ""
    kept = None

    @property
    def rows(self) -> int:
        return self.rung.rows

    @property
    def coded(self) -> IntArray:
        return np.zeros(0, dtype=np.intp)

    def block(self, number: int) -> Block:
        return self.rung.blocks[number]

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        return self.rung.reduce(kernel)


def approach(fitting: Fitting) -> Near | None:
    """Return a place near the maximum of a large frame; None where its rows are not climbed by subsamples.

    The steps come from the subsample's joint information, multiplied up, corrected by the scores at their
    ends.
    """
    frame: Any = fitting.frame
    if not wants_ladder(frame, fitting.control) or len(frame.coded) or GLM(fitting.family).bounded:
        return None
    rungs = take_rungs(frame, forced=fitting.control.solver == "ladder")
    if not rungs:
        return None
    try:
        found = _rough(fitting, rungs[0])
    except GlmstatError:  # all rows will say what is wrong, or that nothing is
        return None
    if found is None:
        return None
    at, verdict = found
    trace: list[Pass] = []
    some, before = [_some(fitting, rung) for rung in rungs], _some(fitting, rungs[0])
    for rows, enough in [*((one, ROUGH) for one in some[1:]), (frame, CLOSE)]:
        root = _root(before, fitting.family, at)
        climbed = None if root is None else _climbed(rows, fitting.family, at, root, enough, trace)
        if climbed is None:
            return None
        at, before = climbed, rows
    return Near(rungs[-1], verdict, at[:-1], float(at[-1]), tuple(trace))


def subsample(fitting: Fitting) -> Fitting | None:
    """Return the same task for a subsample of a large frame; None where its rows are not climbed by these."""
    frame: Any = fitting.frame
    if not wants_ladder(frame, fitting.control) or len(frame.coded):
        return None
    rungs = take_rungs(frame, forced=fitting.control.solver == "ladder")
    control = replace(fitting.control, solver="newton")
    return replace(fitting, frame=_some(fitting, rungs[0]), control=control) if rungs else None


def _some(fitting: Fitting, rung: Sampled) -> Any:
    frame = fitting.frame
    return _Some(rung, frame.columns, frame.intercept, frame.has_offset)


def _rough(fitting: Fitting, rung: Sampled) -> tuple[Array, Literal["finite", "not needed"]] | None:
    """Coefficients and log theta (p + 1,) of a subsample, not to the last digit; None where doubtful."""
    some, link = _some(fitting, rung), fitting.family.link
    control = replace(fitting.control, tolerance=ROUGH, solver="newton", max_iterations=25)
    poisson = Poisson(link=link)
    estimate = fit_estimate(some, GLM(poisson), control=control)
    seen = excess(some, poisson, estimate)
    if not seen.score > OVERDISPERSED * seen.size:
        return None
    family = NegativeBinomial(exp(_theta(some, poisson, estimate, seen.guess)), link=link)
    estimate = fit_estimate(some, GLM(family), start=np.nan_to_num(estimate.theta), control=control)
    end = estimate.convergence
    if end.status != "converged" or end.separation not in ("finite", "not needed") or estimate.aliased:
        return None
    assert family.theta is not None
    place = _theta(some, family, estimate, log(family.theta))
    verdict: Literal["finite", "not needed"] = "finite" if end.separation == "finite" else "not needed"
    return np.append(estimate.theta, place), verdict


def _theta(some: Any, family: Family, estimate: Estimate, guess: float) -> float:
    def look(place: float) -> _Slope:
        alpha = exp(-place)
        seen = slopes(some, family, estimate, 1.0 / alpha)
        return _Slope.of(seen.first, seen.second, alpha)

    return search(look, guess, tolerance=ROUGH).place


class _Slope(NamedTuple):
    """Score and information of log theta."""

    score: float
    information: float
    distance: float

    @classmethod
    def of(cls, first: float, second: float, alpha: float) -> _Slope:
        score, information = -alpha * first, -alpha * (alpha * second + first)
        far = abs(score) / sqrt(information) if information > 0 else np.inf
        return cls(score, information, far)


def _root(some: Any, family: Family, at: Array) -> Array | None:
    """L with L L' the inverse of the joint observed information (p + 1, p + 1) per weight, or None."""
    seen = joint_information(some, family, at[:-1], exp(at[-1]))
    information = seen.matrix / seen.weight
    size = np.sqrt(np.maximum(np.diag(information), 0.0))
    if not (np.isfinite(size).all() and (size > 0).all()):
        return None
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    return vectors / np.sqrt(values) / size[:, None] if values[0] > SOUND else None


def _climbed(
    rows: Any, family: Family, start: Array, root: Array, enough: float, trace: list[Pass]
) -> Array | None:
    """The end (p + 1,) of joint steps over some rows, once they are short; None where they do not shorten.

    Parameters
    ----------
    trace : takes the steps.
    """
    kind: PassKind = "score" if hasattr(rows, "sample") else "sample"
    at, path, last, lap = start, _Path(), np.inf, Lap()
    for _ in range(STEPS):
        alpha = exp(-at[-1])
        seen = scores(rows, family, at[:-1], 1.0 / alpha)
        score = np.append(seen.score, -alpha * seen.first)
        if not np.isfinite(score).all():
            return None
        delta = path.step(score, lambda right, weight=seen.weight: root @ (root.T @ right) / weight)
        decrement = sqrt(max(float(score @ delta), 0.0))
        if decrement > SLOW * last or abs(delta[-1]) > FAR:
            return None
        at, last = at + delta, decrement
        trace.append(Pass(np.nan, decrement, 1.0, 0, "chord", kind, rows.rows, lap.seconds()))
        if decrement <= enough:
            return at
    return None


class _Path:
    """Steps and what they did to the score: an information corrected by both.

    Source: Nocedal & Wright (2006), algorithm 7.4.
    """

    def __init__(self) -> None:
        self.pairs: list[tuple[Array, Array, float]] = []
        self.before: tuple[Array, Array] | None = None

    def step(self, score: Array, solve: Callable[[Array], Array]) -> Array:
        """Return the step from a score, by an information that `solve` inverts as it was first guessed."""
        if self.before is not None:
            delta, old = self.before
            change = old - score
            if delta @ change > 0:
                self.pairs.append((delta, change, 1.0 / float(delta @ change)))
        right, shares = score.copy(), []
        for delta, change, inverse in reversed(self.pairs):
            shares.append(inverse * float(delta @ right))
            right -= shares[-1] * change
        found = solve(right)
        for (delta, change, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            found = found + (share - inverse * float(change @ found)) * delta
        self.before = found, score
        return found
