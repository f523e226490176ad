"""Coefficients that run to infinity beside absorbed effects, read off the last step of the ascent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glmstat.matrix import Array, Block
from glmstat.solve.absorb.climb import Climb
from glmstat.solve.absorb.levels import ends
from glmstat.solve.absorb.sums import Point, Problem, changes

__all__ = ["runaway"]

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
