"""Short blocks of a subsample in blocks as long as a run of a pass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from glmstat.copies import joined
from glmstat.matrix import Block, Dense

__all__ = ["first_part", "gathered"]

ROWS = 8192


def gathered(blocks: list[Block]) -> tuple[Block, ...]:
    """Return the rows of some blocks in fewer, in the same order; blocks that are not written out stay.

    Parameters
    ----------
    blocks : emptied on the way, so that no more than one block is held twice.
    """
    blocks.reverse()
    return tuple(_longer(blocks))


def _longer(blocks: list[Block]) -> Iterator[Block]:
    while blocks:
        group, rows = [blocks.pop()], 0
        if isinstance(group[0].X[0], Dense):
            rows = len(group[0].y)
            while blocks and isinstance(blocks[-1].X[0], Dense) and rows + len(blocks[-1].y) <= ROWS:
                group.append(blocks.pop())
                rows += len(group[-1].y)
        yield group[0] if len(group) == 1 else joined(group)


def first_part(block: Block, share: int) -> Block:
    """Return the first of so many equal parts of a block's rows, its columns written out where they are."""
    rows = slice(0, -(-len(block.y) // share))
    matrix = block.X[0]
    return Block(
        block.number,
        (Dense(matrix.values[:, rows]) if isinstance(matrix, Dense) else matrix.take(np.arange(rows.stop)),),
        block.y[rows],
        block.offset[rows],
        block.weights[rows],
        None if block.frequency is None else block.frequency[rows],
        None if block.rows is None else block.rows[rows],
        block.start,
    )
