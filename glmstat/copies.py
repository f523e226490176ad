"""What is kept of rows that are not: copies of a few of them, and a number by which all are known again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.coded import is_coded
from glmstat.matrix import (
    Array,
    Block,
    Columns,
    Constant,
    Dense,
    DesignMatrix,
    Factor,
    IntArray,
    Numeric,
    Part,
    Product,
    Wide,
    zeros,
)

__all__ = ["Copies", "Fingerprint", "Held", "Known", "joined", "ones"]

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
            # row numbers that run on differ from those of the first run by one addend, taken out of the sums
            odd, beyond = _odd()[: len(bits)], (block.start + start) * int(_FACTOR)
            if block.rows is not None:
                odd, beyond = block.rows[start : start + _RUN].astype(np.uint64) * _FACTOR + _ADDEND, 0
            mixed = bits >> np.uint64(29)
            mixed ^= bits
            one = int(np.dot(mixed, odd)) + beyond * int(mixed.sum())
            mixed >>= np.uint64(3)
            mixed += np.uint64(1)
            two = int(np.dot(mixed, odd)) + beyond * int(mixed.sum())
            found = found + cls(one, two)
        return found

    def __add__(self, other: Fingerprint) -> Fingerprint:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Fingerprint((self.first + other.first) % 2**64, (self.second + other.second) % 2**64)

    @property
    def text(self) -> str:
        """The sums in hexadecimal digits."""
        return f"{self.first:016x}{self.second:016x}"


@lru_cache(maxsize=1)
def _odd() -> NDArray[np.uint64]:
    """The numbers of the first rows of all."""
    return np.arange(_RUN, dtype=np.uint64) * _FACTOR + _ADDEND


@dataclass(frozen=True, eq=False)
class Copies:
    """Copies of some rows, in their order."""

    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, block: Block, runs: Sequence[slice]) -> Copies:
        """Return the rows of a block that lie in some runs of source row numbers.

        There is one block for each run, or one for all of them where factors stay codes.
        """
        if _has_codes(block.X[0]):
            found = _rows_of(block, runs)
            return cls(() if found is None else (found,))
        copied = (_copy(block, run) for run in runs)
        return cls(tuple(found for found in copied if found is not None))

    def __add__(self, other: Copies) -> Copies:
        return Copies(self.blocks + other.blocks)

    @property
    def gathered(self) -> tuple[Block, ...]:
        """The blocks; in one where there are codes, whose sums by level cost more than short runs of rows."""
        coded = any(_has_codes(block.X[0]) for block in self.blocks)
        return (joined(self.blocks),) if coded else self.blocks


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


def _has_codes(matrix: DesignMatrix) -> bool:
    return isinstance(matrix, Columns) and any(map(is_coded, matrix.parts))


def _rows_of(block: Block, runs: Sequence[slice]) -> Block | None:
    """The rows of a block in some runs: factors of many levels as codes, the other columns written out."""
    matrix, numbers = block.X[0], block.numbers
    low = bisect_right(runs, int(numbers[0]), key=lambda run: run.stop)
    high = bisect_right(runs, int(numbers[-1]), key=lambda run: run.start)
    ends = np.searchsorted(numbers, [[run.start, run.stop] for run in runs[low:high]]).reshape(-1, 2).tolist()
    places = np.concatenate([np.zeros(0, dtype=np.intp), *(np.arange(*end) for end in ends)])
    if not len(places) or not isinstance(matrix, Columns):
        return None
    parts: list[Part] = []
    known: dict[int, IntArray] = {}
    for kept, group in groupby(matrix.parts, key=lambda part: is_coded(part) or isinstance(part, Constant)):
        own = tuple(group)
        parts += [_taken(part, places, known) for part in own] if kept else [_written(own, places)]
    return Block(
        block.start + int(places[0]),
        (Columns(len(places), tuple(parts)),),
        block.y[places],
        block.offset[places],
        block.weights[places],
        None if block.frequency is None else block.frequency[places],
        numbers[places],
        block.start,
    )


def _taken(part: Part, places: IntArray, known: dict[int, IntArray]) -> Part:
    """Some rows of a part; parts of one factor share their codes, which are `known`."""
    if isinstance(part, Constant):
        return part
    if isinstance(part, Product):
        return Product(tuple(_taken(one, places, known) for one in part.parts))
    if not isinstance(part, Factor):
        return _written((part,), places)
    if id(part.codes) not in known:
        known[id(part.codes)] = part.codes[places].astype(np.intp)
    return Factor(known[id(part.codes)], part.coding)


def _written(parts: tuple[Part, ...], places: IntArray) -> Wide:
    """Some rows of adjacent parts, written out."""
    values, at = np.empty((sum(part.width for part in parts), len(places))), 0
    for part in parts:
        out, at = values[at : at + part.width], at + part.width
        if isinstance(part, (Numeric, Wide)):
            out[...] = part.values[..., places]
            continue
        for low in range(int(places[0]), int(places[-1]) + 1, _RUN):
            high = min(low + _RUN, int(places[-1]) + 1)
            buffer = np.empty((part.width, high - low))
            part.fill(buffer, low, high)
            own = slice(*np.searchsorted(places, [low, high]).tolist())
            out[:, own] = buffer[:, places[own] - low]
    return Wide(values)


def joined(blocks: Sequence[Block]) -> Block:
    """Return the rows of some blocks in one; their columns are all written out, or all by parts."""
    first, together = blocks[0], np.concatenate
    counted = first.frequency is not None
    return Block(
        first.number,
        (_joined_columns(blocks),),
        together([block.y for block in blocks]),
        together([block.offset for block in blocks]),
        together([block.weights for block in blocks]),
        together([block.frequency for block in blocks if block.frequency is not None]) if counted else None,
        together([block.numbers for block in blocks]),
        first.start,
    )


def _joined_columns(blocks: Sequence[Block]) -> DesignMatrix:
    written = [block.X[0].values for block in blocks if isinstance(block.X[0], Dense)]
    if written:
        return Dense(np.concatenate(written, axis=1))
    parts = zip(*(block.X[0].parts for block in blocks if isinstance(block.X[0], Columns)), strict=True)
    known: dict[int, IntArray] = {}
    return Columns(sum(len(block.y) for block in blocks), tuple(_appended(part, known) for part in parts))


def _appended(parts: tuple[Part, ...], known: dict[int, IntArray]) -> Part:
    """The rows of one part of all blocks."""
    first = parts[0]
    if isinstance(first, Product):
        groups = zip(*(part.parts for part in parts if isinstance(part, Product)), strict=True)
        return Product(tuple(_appended(group, known) for group in groups))
    if isinstance(first, Wide):
        return Wide(np.hstack([part.values for part in parts if isinstance(part, Wide)]))
    if isinstance(first, Factor):
        own = [part.codes for part in parts if isinstance(part, Factor)]
        return Factor(known.setdefault(id(first.codes), np.concatenate(own)), first.coding)
    return first


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
        kept = offset if offset is zeros(*offset.shape) or self._take(offset) else None
        self.blocks[block.number] = Known(block.X, weights, y if _owned(y) == 0 else None, kept)

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
