"""Whether the likelihood never falls along a direction of recession: what separation rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glmstat.matrix import Block

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["runs_along"]

_STILL = 1e-7  # share of Σ|x_j d_j| below which a row's move is rounding


@dataclass(frozen=True)
class _Moves:
    """Rows that a direction moves the right way, and the wrong way."""

    right: int
    wrong: int

    def __add__(self, other: _Moves) -> _Moves:
        return _Moves(self.right + other.right, self.wrong + other.wrong)


def runs_along(fit: Fit, frame: ModelFrame, place: int) -> bool:
    """Return whether a direction moves rows at an end of the domain towards it, and no other row.

    Rows that an earlier direction moves are out: directions are of falling speed.

    Parameters
    ----------
    place : of the direction among those of the fit.

    Source: Albert & Anderson (1984), Biometrika 71, 1-10.
    """
    directions, likelihood = fit.estimate.directions, fit.spec.likelihood

    def kernel(block: Block) -> _Moves:
        cone = likelihood.cone(block.y, block.total)
        if cone is None:
            return _Moves(0, 1)
        sign, used = cone.bound[:, 0, 0], block.total > 0
        right = wrong = 0
        for rows, run in block.X[0].runs():
            alive, move = used[rows], np.zeros(run.shape[1])
            for k in range(place + 1):
                alive = alive & (move == 0)
                move = directions[k] @ run
                move[np.abs(move) <= _STILL * (np.abs(directions[k]) @ np.abs(run))] = 0.0
            towards = sign[rows] * move
            right += int(np.sum(alive & (towards > 0)))
            wrong += int(np.sum(alive & (move != 0) & ~(towards > 0)))
        return _Moves(right, wrong)

    moves = frame.reduce(kernel)
    return moves.right > 0 and moves.wrong == 0
