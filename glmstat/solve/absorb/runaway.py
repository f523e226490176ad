"""Coefficients that run to infinity beside absorbed effects, read off the last step of the ascent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from glmstat.absorbed import Absorbed
from glmstat.data.source import BoolArray
from glmstat.estimate import Estimate, Separated
from glmstat.information import DenseInformation
from glmstat.matrix import Array, Block
from glmstat.solve.absorb.climb import Climb
from glmstat.solve.absorb.levels import ends
from glmstat.solve.absorb.sums import Point, Problem, changes
from glmstat.solve.linear import factor

__all__ = ["at_infinity", "runaway", "without"]

MOVED = 0.1  # change of a predictor by one step: at a finite maximum there is none left
STILL = 1e-3  # share of the largest change that counts as none


@dataclass(frozen=True, eq=False)
class _Moved:
    """What a step does to predictors: of rows at an end of the domain, towards it and back; of the others.

    `own` (k,) is the largest change by each column alone.
    """

    towards: float
    back: float
    free: float
    own: Array

    def __add__(self, other: _Moved) -> _Moved:
        return _Moved(
            max(self.towards, other.towards),
            max(self.back, other.back),
            max(self.free, other.free),
            np.maximum(self.own, other.own),
        )


@dataclass(frozen=True, eq=False)
class _Infinity:
    """What rows say of infinite coefficients.

    `held` (k,) are the columns of which a row forbids it, `others` the largest change by the last step of
    predictors beside them, `rows` those that they separate.
    """

    held: BoolArray
    others: float
    rows: Separated

    def __add__(self, other: _Infinity) -> _Infinity:
        return _Infinity(self.held | other.held, max(self.others, other.others), self.rows + other.rows)


def runaway(state: Climb) -> tuple[str, ...]:
    """Return the coefficients that are infinite, with their sign: "s → -inf"; () where the step shows none.

    On the way to infinity each step of Fisher scoring moves predictors by about 1 along a recession
    direction, and hardly otherwise. Where every row at an end of the domain moves towards it or not at all,
    and no other row moves, the maximum is not finite, and the columns that take part are known.

    Source: Albert & Anderson (1984) for the condition on the rows.
    """
    problem, step = state.problem, state.information.step(state.sums)[0]
    if not problem.size or not all(np.isfinite(part).all() for part in (step.beta, *step.effects)):
        return ()
    found = problem.frame.reduce(lambda block: _moved(problem, block, step))
    if found.towards < MOVED or max(found.back, found.free) > STILL * found.towards:
        return ()
    names = [problem.frame.columns[k] for k in problem.columns]
    return tuple(
        f"{names[k]} → {'inf' if step.beta[k] > 0 else '-inf'}"
        for k in np.flatnonzero(found.own > STILL * found.towards)
    )


def _moved(problem: Problem, block: Block, step: Point) -> _Moved:
    run, X, change = changes(problem, block, step)
    signs = np.zeros(len(change))
    for end, sign in ends(problem.likelihood).items():
        signs[run.y == end] = sign
    used = run.total > 0
    rise, free = (signs * change)[used], np.abs(change[used & (signs == 0)])
    own = np.abs(step.beta) * np.abs(X[:, used]).max(axis=1, initial=0.0)
    back = -float(rise.min(initial=0.0))
    return _Moved(float(rise.max(initial=0.0)), back, float(free.max(initial=0.0)), own)


def at_infinity(estimate: Estimate, state: Climb) -> Estimate:
    """Return the estimate with infinite coefficients where the rows prove those that run away.

    Proof is that a column is not 0 in rows at an end of the domain only, and moves all of them there. Where
    nothing else moves, effects stay as they are, and the other rows tell what is known of other coefficients.
    """
    problem, step = state.problem, state.information.step(state.sums)[0]
    named = {name.rsplit(" → ", 1)[0] for name in estimate.convergence.runaway}
    among = [problem.frame.columns[k] in named for k in problem.columns]
    signs = np.where(among, np.sign(step.beta), 0.0)
    found = problem.frame.reduce(lambda block: _proved(problem, block, signs, step))
    schur = state.information.schur
    finite = np.flatnonzero(signs == 0)
    root = factor(schur[np.ix_(finite, finite)])
    if found.held.any() or found.others > STILL or root is None or estimate.absorbed is None:
        return estimate
    width = len(estimate.theta)
    direction = np.zeros(width)
    direction[problem.columns] = signs
    theta = np.where(direction == 0, estimate.theta, 0.0)
    theta.flags.writeable = False
    transform, columns = np.diag(problem.scale[finite]), problem.columns[finite]
    return replace(
        estimate,
        theta=theta,
        directions=(direction,),
        information=DenseInformation(root.triangle, transform, columns, width),
        absorbed=without(estimate.absorbed, direction != 0),
        convergence=replace(
            estimate.convergence,
            status="separated",
            separation="separated",
            separated_rows=found.rows,
            runaway=(),
        ),
    )


def without(absorbed: Absorbed, infinite: BoolArray) -> Absorbed:
    """Return the effects with nothing taken out of some columns."""
    effects = []
    for effect in absorbed.effects:
        means = np.where(infinite[:, None], 0.0, effect.means)
        means.flags.writeable = False
        effects.append(replace(effect, means=means))
    return replace(absorbed, effects=tuple(effects))


def _proved(problem: Problem, block: Block, signs: Array, step: Point) -> _Infinity:
    run, _, change = changes(problem, block, step)
    plain = replace(problem, centre=np.zeros(problem.size), means=())
    moves = signs[:, None] * changes(plain, block, step)[1]
    towards, used = np.zeros(len(run.y)), run.total > 0
    for end, sign in ends(problem.likelihood).items():
        towards[run.y == end] = sign
    held = ((moves != 0) & used & (towards * moves <= 0)).any(axis=1)
    gone = (moves != 0).any(axis=0)
    others = float(np.abs(change[used & ~gone]).max(initial=0.0))
    places = run.rows.start + np.flatnonzero(gone & used)
    rows = Separated.named(block.source_rows(places), float(block.counted[places].sum()))
    return _Infinity(held, others, rows)
