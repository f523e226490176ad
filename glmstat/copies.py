"""What is kept of rows that are not: copies of a few of them, and a number by which all are known again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from glmstat.matrix import (
    Array,
    Block,
    Columns,
    Constant,
    Dense,
    DesignMatrix,
    Factor,
    Numeric,
    Part,
    Wide,
)

__all__ = ["Copies", "Fingerprint", "Held", "Known", "ones"]

HELD = 8.4e6  # bytes that blocks of data in memory may own while a fit passes over them
_RUN = 8192  # rows whose numbers stay in the cache
_FACTOR, _ADDEND = np.uint64(0x9E3779B97F4A7C16), np.uint64(0xD1B54A32D192ED03)


class Fingerprint(NamedTuple):
    """Sums of products of the response's bits with odd numbers drawn from the row's: a linear hash.

    Source: multilinear hashing modulo 2^64, Carter & Wegman (1979).
    """

    first: int = 0
    second: int = 0

    @classmethod
    def of(cls, block: Block) -> Fingerprint:
        """Return the sums of one block."""
        whole = np.ascontiguousarray(block.y).view(np.uint64)
        found = cls()
        for start in range(0, len(whole), _RUN):
            bits = whole[start : start + _RUN]
            first = block.start + start
            odd = np.arange(first, first + len(bits), dtype=np.uint64)
            if block.rows is not None:
                odd = block.rows[start : start + _RUN].astype(np.uint64)
            odd *= _FACTOR
            odd += _ADDEND
            mixed = bits >> np.uint64(29)
            mixed ^= bits
            one = int(np.dot(mixed, odd))
            mixed >>= np.uint64(3)
            mixed += np.uint64(1)
            found = found + cls(one, int(np.dot(mixed, odd)))
        return found

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
    first = block.start + low if block.rows is None else int(block.rows[low])
    return Block(
        first,  # a run that crosses the end of a block is two blocks
        (Dense(columns),),
        block.y[rows].copy(),
        block.offset[rows].copy(),
        block.weights[rows].copy(),
        None if block.frequency is None else block.frequency[rows].copy(),
        None if block.rows is None else block.rows[rows].copy(),
        first,
    )


class Known(NamedTuple):
    """What of a block is kept: None where it is made again."""

    X: tuple[DesignMatrix, ...]
    weights: Array
    y: Array | None
    offset: Array | None


@dataclass(eq=False)
class Held:
    """What is kept of blocks of data in memory while a fit passes over them, as far as there is room."""

    room: float = HELD
    blocks: dict[int, Known] = field(default_factory=dict)

    def keep(self, block: Block) -> None:
        """Keep the columns of a block where they are views, and the rest as far as there is room."""
        parts = [part for X in block.X if isinstance(X, Columns) for part in X.parts]
        if block.rows is not None or block.frequency is not None or not all(map(_is_view, parts)):
            return
        weights, y, offset = block.weights, block.y, block.offset
        if weights is not ones(len(y)) and not self._take(weights):
            return
        self.blocks[block.number] = Known(
            block.X, weights, y if _owned(y) == 0 else None, offset if self._take(offset) else None
        )

    def _take(self, values: Array) -> bool:
        own = _owned(values)
        if own > self.room:
            return False
        self.room -= own
        return True


def _is_view(part: Part) -> bool:
    """Whether a part takes no memory of its own."""
    values = part.codes if isinstance(part, Factor) else getattr(part, "values", None)
    return isinstance(part, Constant) or (
        isinstance(part, (Factor, Numeric, Wide)) and values is not None and _owned(values) == 0
    )


def _owned(values: Any) -> int:
    """Bytes that an array keeps from being freed: 0 for views of what is held elsewhere."""
    if not isinstance(values, np.ndarray):
        return 0
    whole = values
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    return 0 if whole.base is not None or whole.nbytes >= 2 * values.nbytes else whole.nbytes


@lru_cache(maxsize=4)
def ones(rows: int) -> Array:
    """The weights of rows that have none."""
    weights = np.ones(rows)
    weights.flags.writeable = False
    return weights
