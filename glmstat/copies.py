"""What is kept of rows that are not: copies of a few of them, and a number by which all are known again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from glmstat.matrix import Block, Dense

__all__ = ["Copies", "Fingerprint"]


class Fingerprint(NamedTuple):
    """Sums of products of the response's bits with odd numbers drawn from the row's: a linear hash.

    Source: multilinear hashing modulo 2^64, Carter & Wegman (1979).
    """

    first: int = 0
    second: int = 0

    @classmethod
    def of(cls, block: Block) -> Fingerprint:
        """Return the sums of one block."""
        bits = np.ascontiguousarray(block.y).view(np.uint64)
        rows = np.arange(block.start, block.start + len(bits)) if block.rows is None else block.rows
        odd = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C16) + np.uint64(0xD1B54A32D192ED03)
        mixed = bits ^ (bits >> np.uint64(29))
        return cls(int((mixed * odd).sum()), int(((mixed >> np.uint64(3)) * odd + odd).sum()))

    def __add__(self, other: Fingerprint) -> Fingerprint:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Fingerprint((self.first + other.first) % 2**64, (self.second + other.second) % 2**64)

    @property
    def text(self) -> str:
        """The sums in hexadecimal digits."""
        return f"{self.first:016x}{self.second:016x}"


@dataclass(frozen=True, eq=False)
class Copies:
    """Copies of some rows, in their order."""

    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, block: Block, runs: Sequence[slice]) -> Copies:
        """Return the rows of a block that lie in some runs of source row numbers, one block for each run."""
        copied = (_copy(block, run) for run in runs)
        return cls(tuple(found for found in copied if found is not None))

    def __add__(self, other: Copies) -> Copies:
        return Copies(self.blocks + other.blocks)


def _copy(block: Block, run: slice) -> Block | None:
    if block.rows is None:
        low, high = (min(max(end - block.start, 0), len(block.y)) for end in (run.start, run.stop))
    else:
        low, high = np.searchsorted(block.rows, [run.start, run.stop]).tolist()
    if low >= high:
        return None
    columns = np.empty((block.X[0].shape[1], high - low))
    block.X[0].fill(columns, low, high)
    rows = slice(low, high)
    return Block(
        run.start,
        (Dense(columns),),
        block.y[rows].copy(),
        block.offset[rows].copy(),
        block.weights[rows].copy(),
        None if block.frequency is None else block.frequency[rows].copy(),
        None if block.rows is None else block.rows[rows].copy(),
        block.start + low if block.rows is None else int(block.rows[low]),
    )
