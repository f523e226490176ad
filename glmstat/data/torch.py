"""Rows for a training: as tensors on a device, whole or in blocks that are shuffled as they pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import Any, Protocol

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.errors import ArgumentError, DependencyError

__all__ = ["Blocks", "load_torch", "open_device", "shuffled_blocks", "shuffled_rows", "threads"]

BUFFER_BLOCKS = 64
BUFFER_CELLS = 50_000_000  # of shuffled rows in memory: 400 MB


class Matrix(Protocol):
    """A design matrix that can be written out."""

    def to_array(self) -> Array:
        """Return it as an array (n, P)."""
        ...


class Rows(Protocol):
    """A run of rows."""

    @property
    def X(self) -> tuple[Matrix, ...]:
        """Its design matrices."""
        ...


class Blocks(Protocol):
    """What holds rows in blocks that can be asked for in any order, as a model frame does."""

    @property
    def count(self) -> int:
        """Number of blocks."""
        ...

    @property
    def random_access(self) -> bool:
        """Whether blocks can be had in any order."""
        ...

    def block(self, number: int) -> Rows:
        """Return one block."""
        ...

    def blocks(self) -> Iterator[Rows]:
        """Yield the blocks in the order of their rows."""
        ...


@lru_cache(maxsize=1)
def load_torch() -> Any:
    """Return the torch module.

    Raises
    ------
    DependencyError : it is not installed.
    """
    try:
        return import_module("torch")
    except ImportError as error:
        raise DependencyError(
            "Networks and devices need torch: it is not installed. Run pip install 'glmstat[neural]'."
        ) from error


def open_device(name: str) -> Any:
    """Return the torch device of that name.

    Parameters
    ----------
    name : "cpu", "cuda", "cuda:1" and so on.

    Raises
    ------
    ArgumentError : this computer has none.
    """
    torch = load_torch()
    kind, _, number = name.partition(":")
    backend = getattr(torch, kind, None)
    count = 1 if kind == "cpu" else backend.device_count() if backend and backend.is_available() else 0
    if int(number or 0) >= count:
        raise ArgumentError(
            f"torch finds no device {name!r} here: it finds {count} of this kind. "
            'Use Control(device="cpu"), or install a torch that is built for the device.'
        )
    return torch.device(name)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Run the body with so many threads in torch; leave the setting as it was found."""
    torch = load_torch()
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def shuffled_rows(rng: np.random.Generator, rows: IntArray, batch: int) -> Iterator[IntArray]:
    """Yield batches of row numbers without end: one permutation of `rows` after another.

    Parameters
    ----------
    rows : row numbers.
    batch : how many a batch holds; one may hold the end of a permutation and the start of the next.

    >>> batches = shuffled_rows(np.random.default_rng(1), np.arange(4), 2)
    >>> sorted(next(batches).tolist() + next(batches).tolist())
    [0, 1, 2, 3]
    """
    left = rows[:0]
    while True:
        parts = [left]
        held = len(left)
        while held < batch:
            parts.append(rng.permutation(rows))
            held += len(rows)
        queue = np.concatenate(parts)
        full = held // batch * batch
        yield from queue[:full].reshape(-1, batch)
        left = queue[full:]


def shuffled_blocks(
    rng: np.random.Generator, frame: Blocks, starts: IntArray, used: Array, columns: IntArray, batch: int
) -> Iterator[tuple[IntArray, Array]]:
    """Yield batches of row numbers and their columns without end, from a frame that is never held whole.

    Blocks pass in random order, as many at once as memory allows and at most 64; their rows are shuffled
    together. Those of data that can only be read from the start pass in the order of the data.

    Parameters
    ----------
    frame : the rows.
    starts : number of the first row of each block, and of the row after the last (count + 1,).
    used : (n,) rows with 0 are left out.
    columns : which columns are wanted, in which order.
    batch : rows of a batch.

    >>> class Two:
    ...     count = 2
    ...     random_access = True
    ...     def block(self, number):
    ...         return type("Rows", (), {"X": (self,)})
    ...     def to_array(self):
    ...         return np.ones((2, 3))
    >>> rng, starts = np.random.default_rng(1), np.array([0, 2, 4])
    >>> batches = shuffled_blocks(rng, Two(), starts, np.ones(4), np.array([0]), 2)
    >>> sorted(next(batches)[0].tolist() + next(batches)[0].tolist())
    [0, 1, 2, 3]
    """
    largest = int(np.diff(starts).max())
    at_once = max(1, min(BUFFER_BLOCKS, BUFFER_CELLS // max(1, largest * len(columns))))
    rows, values = np.empty(0, dtype=np.int64), np.empty((0, len(columns)))
    while True:
        for read in _groups(_blocks(rng, frame), at_once, starts, used, columns):
            rows = np.concatenate([rows, *(numbers for numbers, _ in read)])
            values = np.concatenate([values, *(columns for _, columns in read)])
            mixed = rng.permutation(len(rows))
            full = len(rows) // batch * batch
            for start in range(0, full, batch):
                places = mixed[start : start + batch]
                yield rows[places], values[places]
            rows, values = rows[mixed[full:]], values[mixed[full:]]


def _blocks(rng: np.random.Generator, frame: Blocks) -> Iterator[tuple[int, Rows]]:
    """Every block once, with its place."""
    if frame.random_access:
        for number in rng.permutation(frame.count).tolist():
            yield number, frame.block(number)
    else:
        yield from enumerate(frame.blocks())


def _groups(
    blocks: Iterator[tuple[int, Rows]], size: int, starts: IntArray, used: Array, columns: IntArray
) -> Iterator[list[tuple[IntArray, Array]]]:
    """Numbers and columns of the rows that are used, of so many blocks at a time."""
    while group := list(islice(blocks, size)):
        found = []
        for number, block in group:
            places = np.flatnonzero(used[starts[number] : starts[number + 1]])
            found.append((places + starts[number], block.X[0].to_array()[np.ix_(places, columns)]))
        yield found
