"""Overlap: how much of the targets is left once their controls are given."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glmstat.errors import DataError, OverlapWarning, outside
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.neural.beside import row_information
from glmstat.neural.instruments import Score

__all__ = [
    "WEAK",
    "Overlap",
    "check_information",
    "check_overlap",
    "share_idle",
    "share_left",
    "squares",
    "warn_weak",
]

WEAK = 0.05  # share of a target's weighted variance that its controls leave, below which a warning is due
_NONE = 1e-4  # share below which the rest is the error of a network, not the target
_MOST = 1.5  # share above which m is no mean of the target at the weights of the estimate
_SMALL = 0.01  # share of the mean squared residual below which a row tells nothing


@dataclass(frozen=True, eq=False)
class Overlap:
    """How much of each target its controls leave.

    Parameters
    ----------
    left : (q,) weighted variance of the target given controls and other targets, as a share of its own.
    idle : (q,) share of rows whose squared residual target is below 1 % of its mean.
    """

    left: Array
    idle: Array


def share_left(frame: ModelFrame, likelihood: GLM, score: Score, theta: Array, jacobian: Array) -> Array:
    """Return what controls and other targets leave of each target's weighted variance (q,), as a share.

    By the Jacobian of the score: below 0, or far above 1, m is no mean of the target at the weights there.

    Parameters
    ----------
    theta : where the weights are taken.
    jacobian : A (q, q) there.
    """
    centre = score.targets(frame.block(0)).mean(axis=0)

    def kernel(block: Block) -> Array:
        eta = score.predictor(frame, block, theta)
        weight = row_information(likelihood, block.y, eta, block.total) * (block.total > 0)
        d = score.targets(block) - centre
        return np.vstack([np.full(len(theta), weight.sum()), weight @ d, weight @ np.square(d)])

    total, first, second = frame.reduce(kernel)
    variance = second - np.square(first) / total
    try:
        own = np.diag(np.linalg.inv(jacobian))
    except np.linalg.LinAlgError:
        return np.zeros(len(theta))
    with np.errstate(all="ignore"):
        return np.where((variance > 0) & (own != 0), 1.0 / (own * variance), 0.0)


def squares(frame: ModelFrame, score: Score) -> tuple[Array, float]:
    """Return the mean squared residual target (q,), and the number of rows."""

    def kernel(block: Block) -> Array:
        times = block.counted
        return np.append(times @ np.square(score.residual(frame, block)), times.sum())

    sums = frame.reduce(kernel)
    return sums[:-1] / sums[-1], float(sums[-1])


def share_idle(frame: ModelFrame, score: Score) -> Array:
    """Return the share of rows whose squared residual target is below 1 % of its mean (q,)."""
    mean, rows = squares(frame, score)

    def kernel(block: Block) -> Array:
        return block.counted @ (np.square(score.residual(frame, block)) < _SMALL * mean)

    return frame.reduce(kernel) / rows


def check_overlap(names: Sequence[str], left: Array) -> None:
    """Refuse targets of which no more is left than a network's error.

    Raises
    ------
    DataError : a target that its controls determine.
    """
    for name, share in zip(names, left, strict=True):
        if not abs(share) > _NONE:
            raise DataError(
                f"Target '{name}' is determined by its controls: they leave less than {_NONE:.2%} of its "
                "weighted variance. Leave it out of targets=, or take what determines it out of the formula."
            )


def check_information(names: Sequence[str], left: Array) -> None:
    """Refuse a root of the score at which its Jacobian is no information on the targets.

    Raises
    ------
    DataError : a target whose share is negative, or far above 1.
    """
    for name, share in zip(names, left, strict=True):
        if not 0.0 <= share <= _MOST:
            raise DataError(
                f"Target '{name}' has no estimate: the orthogonal score ends where rows tell next to nothing "
                f"of it ({share:.0%} of its weighted variance left by the controls), as under separation. "
                "Merge its level with another, use a larger prior, or leave it out of targets=."
            )


def warn_weak(names: Sequence[str], left: Array) -> None:
    """Warn of targets of which less than 5 % of the weighted variance is left."""
    weak = [f"{share:.1%} of {name}" for name, share in zip(names, left, strict=True) if share < WEAK]
    if weak:
        warnings.warn(
            f"Weak overlap: the controls leave {', '.join(weak)} (weighted variance), so that errors of the "
            "networks weigh much. Use fewer controls, or more rows.",
            OverlapWarning,
            stacklevel=outside(),
        )
