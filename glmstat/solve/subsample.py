"""A spread of the rows of a large frame, held in memory: where the ascent over all rows can start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from glmstat.compute import Counts
from glmstat.control import Control
from glmstat.data.reduce import Addable, tree_sum
from glmstat.frame import ModelFrame
from glmstat.matrix import Array, Block, Dense
from glmstat.solve.newton import ascend
from glmstat.solve.start import starting_points, weighted_start
from glmstat.workspace import Workspace

__all__ = ["subsample_start"]

S = TypeVar("S", bound=Addable)
RUN = 2048
ROWS = 32768


@dataclass(frozen=True, eq=False)
class _Spread:
    """One run of rows from each of some blocks."""

    blocks: tuple[Block, ...]
    small: bool = True

    def __add__(self, other: _Spread) -> _Spread:
        return _Spread(self.blocks + other.blocks)

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        return tree_sum(kernel(block) for block in self.blocks)


def subsample_start(workspace: Workspace, frame: ModelFrame, control: Control) -> Array | None:
    """Return the maximum over a spread of the rows, or None where it has none worth starting from.

    Only a starting point: whatever the rows hide, the ascent over all of them decides.
    """
    if frame.small or not workspace.size:
        return None
    every = max(1, -(-frame.rows // (65536 * (ROWS // RUN))))
    spread = frame.reduce(lambda block: _run_of(block, every))
    if sum(len(block.y) for block in spread.blocks) < 50 * workspace.size:
        return None
    sample = replace(workspace, frame=spread)
    first = weighted_start(sample.start_pass())
    if first is None:
        return None
    point = starting_points(sample, first, None)[0]
    end = ascend(sample, point, control, Counts(rows=frame.rows), "not needed")
    reached = end.ending == "converged" and end.iterations <= 15 and not end.qr
    return end.gamma if reached and np.abs(end.gamma).max() < 1e3 else None


def _run_of(block: Block, every: int) -> _Spread:
    """A run of the block that moves with its number, copied; of every so many blocks."""
    total = len(block.y)
    if block.number % every or not total:
        return _Spread(())
    start = (block.number * 7919 * RUN) % max(total - RUN, 1)  # 7919: a prime, so that places do not repeat
    rows = slice(start, min(start + RUN, total))
    columns = np.empty((block.X[0].shape[1], rows.stop - start))
    block.X[0].fill(columns, rows.start, rows.stop)
    frequency = None if block.frequency is None else block.frequency[rows].copy()
    return _Spread(
        (
            Block(
                block.number,
                (Dense(columns),),
                block.y[rows].copy(),
                block.offset[rows].copy(),
                block.weights[rows].copy(),
                frequency,
                start=block.start + start,
            ),
        )
    )
