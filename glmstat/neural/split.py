"""Features learned on half of the rows, coefficients from the other half: `inference="split"`.

Given the learned features the output layer is an ordinary GLM on rows that the networks have not seen. Its
coefficients are those of the projection on these features; another seed gives other features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.control import Control
from glmstat.errors import DataError
from glmstat.estimate import Estimate
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Block
from glmstat.neural.beside import arrays_of, restricted, rows_of
from glmstat.neural.folds import stream
from glmstat.neural.nuisance import Trainer, torch_trainer
from glmstat.neural.pooled import LEAST_ROWS
from glmstat.neural.problem import Member, Problem, Trained, Training
from glmstat.solve.estimate import fit_estimate

__all__ = ["fit_half", "learn_half", "split_lines"]


def learn_half(
    problem: Problem,
    learning: NDArray[np.bool_],
    *,
    nets: int,
    prior: float,
    seed: int,
    training: Training,
    control: Control,
    trainer: Trainer | None = None,
    progress: Any = None,
) -> tuple[Trained, ...]:
    """Return networks that are trained on some rows only, from the linear model of these.

    Parameters
    ----------
    problem : rows, columns, networks and likelihood.
    learning : which rows (n,).
    nets, prior, seed : of the networks.
    training, control, progress : passed to the trainer.
    trainer : what trains; None is `neural.train.train`, which needs torch.
    """
    factor = learning.astype(np.float64)
    start = fit_estimate(
        restricted(problem.frame, problem.linear, factor), problem.likelihood, control=control
    )
    members = [
        Member(stream(seed, "halves", net), start.theta[:, None], factor, prior) for net in range(nets)
    ]
    trainer = torch_trainer if trainer is None else trainer
    return trainer(problem, members, training, control, progress=progress)


def fit_half(
    frame: ModelFrame,
    likelihood: GLM,
    learning: NDArray[np.bool_],
    *,
    control: Control | None = None,
    dispersion: Any = None,
) -> tuple[ModelFrame, Estimate]:
    """Return the ordinary GLM of the rows that the networks have not seen, and the frame that it is of.

    The frame holds all rows, those that learned with weight 0. There is no penalty.

    Parameters
    ----------
    frame : rows whose columns are linear columns and learned features.
    likelihood : of the response.
    learning : rows on which the features were learned (n,).
    control, dispersion : as in `glm`.

    Raises
    ------
    DataError : fewer than 5 rows for each column.
    """
    rows, columns = int((~learning & (arrays_of(frame).total > 0)).sum()), len(frame.columns)
    if rows < LEAST_ROWS * columns:
        raise DataError(
            f'inference="split" needs {LEAST_ROWS} rows for each column: {rows:,} rows have {columns} linear '
            'and learned columns. Use narrower networks, more rows, or inference="debiased".'
        )

    def change(block: Block) -> Block:
        return replace(block, weights=np.where(learning[rows_of(frame, block)], 0.0, block.weights))

    other = frame.changed(change)
    return other, fit_estimate(other, likelihood, control=control, dispersion=dispersion)


def split_lines(learning: NDArray[np.bool_], used: NDArray[np.bool_], seed: int) -> tuple[str, ...]:
    """Return what a table of the other half says below.

    Parameters
    ----------
    learning : rows on which the features were learned (n,).
    used : rows that count (n,).
    seed : of halves and networks.

    >>> split_lines(np.array([True, True, False]), np.ones(3, dtype=bool), 1)[0]
    'inference: split, features learned on 2 rows, coefficients from 1 other row (seed 1)'
    """
    first, second = int((learning & used).sum()), int((~learning & used).sum())
    rows = "row" if second == 1 else "rows"
    return (
        f"inference: split, features learned on {first:,} rows, coefficients from {second:,} other {rows} "
        f"(seed {seed})",
        "conditional on these features, which are collinear by nature: another seed gives other ones",
    )
