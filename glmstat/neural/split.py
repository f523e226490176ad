"""Features learned on half of the rows, coefficients from the other half: `inference="split"`.

Given the learned features the output layer is an ordinary GLM on rows that the networks have not seen. Its
coefficients are those of the projection on these features; another seed gives other features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.compute import Triangle
from glmstat.control import Control
from glmstat.errors import DataError
from glmstat.estimate import Estimate
from glmstat.frame import ModelFrame
from glmstat.layers import Layer, Tower
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.neural.beside import arrays_of, residuals, restricted, rows_of, triangle_of
from glmstat.neural.folds import stream
from glmstat.neural.nuisance import Trainer, torch_trainer
from glmstat.neural.pooled import LEAST_ROWS, SMALL
from glmstat.neural.problem import Member, Problem, Trained, Training, refuse_interrupted
from glmstat.solve.estimate import fit_estimate
from glmstat.text.layout import count as counted

__all__ = ["count_dropped", "fit_half", "learn_half", "split_lines"]

_STILL = 0.01  # share of the largest standard deviation below which a feature hardly varies


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

    Returns
    -------
    Their last layers lack features without a direction of their own: what the linear columns and the other
    features leave of them, on the rows that learned, is below a tenth of the largest such rest. Coefficients
    of nearly the same features would be huge and of opposite sign.

    Raises
    ------
    Interrupted : the user stopped the training.
    """
    factor = learning.astype(np.float64)
    start = fit_estimate(
        restricted(problem.frame, problem.linear, factor), problem.likelihood, control=control
    )
    members = [
        Member(stream(seed, "halves", net), start.theta[:, None], factor, prior) for net in range(nets)
    ]
    trainer = torch_trainer if trainer is None else trainer
    trained = refuse_interrupted(trainer(problem, members, training, control, progress=progress))
    return _distinct(problem, trained, factor * problem.weights)


def count_dropped(problem: Problem, nets: Sequence[Trained]) -> int:
    """Return how many features were dropped for want of a direction of their own.

    Parameters
    ----------
    problem : with the networks as asked for.
    nets : of `learn_half`.
    """
    return sum(
        network.hidden[-1] - len(output)
        for net in nets
        for network, output in zip(problem.networks, net.output, strict=True)
        if network.hidden
    )


def _distinct(problem: Problem, nets: Sequence[Trained], weights: Array) -> tuple[Trained, ...]:
    """The networks without features that linear columns and other features make up, but for a tenth.

    In units of its standard deviation, the feature of which most is left is taken again and again, until less
    than a tenth of the first is left of any. A feature that hardly varies counts in units of a hundredth of
    the largest standard deviation.
    """
    frame, width = problem.frame, 1 + len(problem.linear)

    def kernel(block: Block) -> Triangle:
        whole, rows = block.X[0].to_array(), rows_of(frame, block)
        features = [
            tower.features(whole[:, inputs.slots])
            for net in nets
            for inputs, tower in zip(problem.networks, net.towers, strict=True)
        ]
        constant = np.ones((len(whole), 1))
        return triangle_of(np.column_stack([constant, whole[:, problem.linear], *features]), weights[rows])

    factor = frame.reduce(kernel).factor
    spread = np.linalg.norm(factor[1:, width:], axis=0)
    unit = np.maximum(spread, _STILL * spread.max(initial=0.0))
    left = residuals(factor, width) / np.where(unit > 0, unit, 1.0)
    return _pruned(nets, _independent(left))


def _independent(columns: Array) -> NDArray[np.bool_]:
    """Columns (W,) that pivoted orthogonalisation takes, the first one always."""
    kept, least = np.zeros(columns.shape[1], dtype=bool), 0.0
    for _ in range(columns.shape[1]):
        size = np.linalg.norm(columns, axis=0)
        best = int(np.argmax(np.where(kept, -1.0, size)))
        if kept.any() and not size[best] > least:
            break
        least = least if kept.any() else SMALL * float(size[best])
        kept[best] = True
        if size[best] > 0:
            direction = columns[:, best] / size[best]
            columns = columns - np.outer(direction, direction @ columns)
    return kept


def _pruned(nets: Sequence[Trained], kept: NDArray[np.bool_]) -> tuple[Trained, ...]:
    """The networks with some of their features (W,), in the order of nets, networks and units."""
    flags, found = iter(np.split(kept, np.cumsum([len(v) for net in nets for v in net.output])[:-1])), []
    for net in nets:
        own = [
            flag if tower.layers else np.ones_like(flag)
            for tower, flag in zip(net.towers, flags, strict=False)
        ]
        found.append(
            replace(
                net,
                towers=tuple(_narrowed(tower, some) for tower, some in zip(net.towers, own, strict=True)),
                output=tuple(weights[some] for weights, some in zip(net.output, own, strict=True)),
            )
        )
    return tuple(found)


def _narrowed(tower: Tower, kept: NDArray[np.bool_]) -> Tower:
    if kept.all():
        return tower
    last = tower.layers[-1]
    return replace(
        tower,
        layers=(*tower.layers[:-1], Layer(last.weights[:, kept], last.bias[kept], last.activation)),
    )


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


def split_lines(
    learning: NDArray[np.bool_], used: NDArray[np.bool_], seed: int, dropped: int = 0
) -> tuple[str, ...]:
    """Return what a table of the other half says below.

    Parameters
    ----------
    learning : rows on which the features were learned (n,).
    used : rows that count (n,).
    seed : of halves and networks.
    dropped : number of features without a direction of their own.

    >>> split_lines(np.array([True, True, False]), np.ones(3, dtype=bool), 1)[0]
    'inference: split, features learned on 2 rows, coefficients from 1 other row (seed 1)'
    """
    first, second = int((learning & used).sum()), int((~learning & used).sum())
    rows = "row" if second == 1 else "rows"
    features = counted(dropped, "feature")
    fewer = f"dropped: {features} without a direction beside the others and the linear terms, within a tenth"
    return (
        f"inference: split, features learned on {first:,} rows, coefficients from {second:,} other {rows} "
        f"(seed {seed})",
        "conditional on these features, which are collinear by nature: another seed gives other ones",
        *((fewer,) if dropped else ()),
    )
