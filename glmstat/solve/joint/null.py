"""The null model of a joint fit: the mean's intercept and offset, every other predictor held."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np

from glmstat.array import silence
from glmstat.control import Control
from glmstat.frame import Coordinates, ModelFrame
from glmstat.likelihood.base import Several
from glmstat.matrix import Array, Block, Dense
from glmstat.solve.joint.ascent import ascend
from glmstat.solve.joint.space import open_space

__all__ = ["null_deviance"]


def null_deviance(
    frame: ModelFrame, likelihood: Several, coef: Array, control: Control, *, intercept: bool
) -> float:
    """Return the deviance of the null model, NaN where its maximum was not found.

    Parameters
    ----------
    coef : coefficients (p,) at which the predictors besides the first are held.
    intercept : whether the model has one; else the mean's predictor is its offset.
    """
    slots = frame.slots

    def held(block: Block) -> Block:
        offset = np.array(block.offset, order="F")
        for k in range(1, len(slots)):
            offset[:, k] += block.X[k].dot(coef[slots[k]])
        rows = len(block.y)
        nothing = tuple(Dense(np.zeros((0, rows))) for _ in slots[1:])
        return replace(block, X=(Dense(np.ones((int(intercept), rows))), *nothing), offset=offset)

    columns = ("Intercept",) * intercept
    own = (tuple(range(len(columns))), *(() for _ in slots[1:]))
    alone = frame.changed(held, Coordinates(columns, 0 if intercept else None, True, own))
    space = open_space(alone, likelihood)
    start = _mean_predictor(alone, likelihood)
    gamma = space.projected(
        lambda block: np.column_stack([np.full(len(block.y), start), block.offset[:, 1:]])
    )
    with silence():
        found = ascend(space, gamma, space.pass_(gamma, "observed"), control)
    if found.ending != "converged":
        return nan

    def deviance(block: Block) -> float:
        total = 0.0
        for run in space.runs(block, found.gamma):
            rows = likelihood.deviance(run.y, run.eta, run.weights)
            total += float(rows[run.weights > 0].sum())
        return total

    return alone.reduce(deviance)


def _mean_predictor(frame: ModelFrame, likelihood: Several) -> float:
    """The predictor of the mean response, 0 where there is none."""
    total = frame.reduce(lambda block: np.array([block.total @ block.y, block.total.sum()]))
    with np.errstate(all="ignore"):
        eta = float(likelihood.family.link.eta(total[:1] / total[1])[0])
    return eta if np.isfinite(eta) else 0.0
