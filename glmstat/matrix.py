"""Design matrices as columns in place: factors stay codes, numeric columns stay where they are.

A matrix knows how to write any run of its rows, transposed, into a buffer; everything else is built on
that, in runs short enough to stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Block",
    "Columns",
    "Combined",
    "Constant",
    "Dense",
    "DesignMatrix",
    "Factor",
    "Features",
    "Hidden",
    "Numeric",
    "Part",
    "Product",
    "Taken",
    "Wide",
    "run_length",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]


def run_length(width: int) -> int:
    """Rows of a run: what keeps a run of `width` columns inside the cache."""
    return 4096 if width < 300 else 1024


class Part(Protocol):
    """Adjacent columns of a design."""

    @property
    def width(self) -> int:
        """Number of columns."""
        ...

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write rows start:stop, transposed, into out (width, stop - start)."""
        ...


@dataclass(frozen=True)
class Constant:
    """One column of ones."""

    width: int = 1

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write ones."""
        out[...] = 1.0


@dataclass(frozen=True, eq=False)
class Numeric:
    """One column: a view of the caller's values (n,), of any numeric type."""

    values: NDArray[Any]
    width: int = 1

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write the values as float64."""
        out[0] = self.values[start:stop]


@dataclass(frozen=True, eq=False)
class Wide:
    """Several columns of one expression, as rows of `values` (k, n)."""

    values: NDArray[Any]

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.values)

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write the columns."""
        out[...] = self.values[:, start:stop]


@dataclass(frozen=True, eq=False)
class Factor:
    """A factor: codes (n,) into the rows of a coding matrix (levels, k)."""

    codes: NDArray[Any]
    coding: Array

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.coding.shape[1]

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write the coded levels."""
        np.take(self.coding.T, self.codes[start:stop], axis=1, out=out, mode="clip")


@dataclass(frozen=True, eq=False)
class Product:
    """Row-wise products of parts; the first part's columns vary fastest."""

    parts: tuple[Part, ...]

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(np.prod([part.width for part in self.parts]))

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write the products."""
        rows = stop - start
        done = np.ones((1, rows))
        for part in self.parts[:-1]:
            done = _products(done, part, start, stop, np.empty((len(done) * part.width, rows)))
        _products(done, self.parts[-1], start, stop, out)


class Features(Protocol):
    """Hidden layers: what makes features of inputs."""

    @property
    def width(self) -> int:
        """Number of features."""
        ...

    def features(self, inputs: Array) -> Array:
        """Return the features (m, width) of inputs (m, d)."""
        ...


@dataclass(frozen=True, eq=False)
class Hidden:
    """Features that hidden layers make of the columns of `parts`."""

    parts: tuple[Part, ...]
    towers: Features

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.towers.width

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write the features."""
        inputs = np.empty((sum(part.width for part in self.parts), stop - start))
        _write(self.parts, inputs, start, stop)
        out[...] = self.towers.features(inputs.T).T


def _merge(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts with neighbouring columns of one array read through one strided view."""
    out: list[Part] = []
    pending: list[NDArray[Any]] = []
    for part in parts:
        values = part.values if isinstance(part, Numeric) else None
        if values is not None and pending and _follows(pending, values):
            pending.append(values)
            continue
        out += _one_view(pending)
        pending = [] if values is None else [values]
        if values is None:
            out.append(part)
    return (*out, *_one_view(pending))


def _follows(pending: list[NDArray[Any]], values: NDArray[Any]) -> bool:
    """Whether values lie in the same array as the columns before, at the distance these have."""
    last = pending[-1]
    alike = last.dtype == values.dtype == np.float64 and last.strides == values.strides
    if not alike or last.base is None or last.base is not values.base or last.shape != values.shape:
        return False
    return len(pending) == 1 or _distance(last, values) == _distance(pending[-2], last)


def _distance(first: NDArray[Any], second: NDArray[Any]) -> int:
    return second.__array_interface__["data"][0] - first.__array_interface__["data"][0]


def _one_view(pending: list[NDArray[Any]]) -> list[Part]:
    if len(pending) < 2:
        return [Numeric(values) for values in pending]
    first, strides = pending[0], (_distance(*pending[:2]), *pending[0].strides)
    view = np.lib.stride_tricks.as_strided(first, (len(pending), len(first)), strides, writeable=False)
    return [Wide(view)]


def _products(done: Array, part: Part, start: int, stop: int, out: Array) -> Array:
    columns = np.empty((part.width, stop - start))
    part.fill(columns, start, stop)
    for place, column in enumerate(columns):
        np.multiply(done, column, out=out[place * len(done) : (place + 1) * len(done)])
    return out


class DesignMatrix:
    """n rows and p columns that can be multiplied; subclasses say how a run of rows is written."""

    shape: tuple[int, int]

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write rows start:stop, transposed, into out (p, stop - start)."""
        raise NotImplementedError

    def runs(self) -> Iterator[tuple[slice, Array]]:
        """Yield (rows, columns (p, m)); the buffer is reused from run to run."""
        rows, width = self.shape
        step = run_length(width)
        buffer = np.empty((width, min(step, rows)))
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            run = buffer[:, : stop - start]
            self.fill(run, start, stop)
            yield slice(start, stop), run

    def dot(self, beta: Array) -> Array:
        """Return X beta, shape (n,) or (n, k)."""
        out = np.empty((self.shape[0], *np.shape(beta)[1:]))
        for rows, run in self.runs():
            out[rows] = run.T @ beta
        return out

    def transpose_dot(self, v: Array) -> Array:
        """Return X'v, shape (p,) or (p, k)."""
        out = np.zeros((self.shape[1], *v.shape[1:]))
        for rows, run in self.runs():
            out += run @ v[rows]
        return out

    def sandwich(self, w: Array, other: DesignMatrix | None = None) -> Array:
        """Return X' diag(w) X, or X' diag(w) Z with `other` as Z."""
        right = self if other is None else other
        out = np.zeros((self.shape[1], right.shape[1]))
        for (rows, left), (_, other_run) in zip(self.runs(), _matching(right, self), strict=True):
            out += (left * w[rows]) @ other_run.T
        return out

    def row_norms(self, root: Array) -> Array:
        """Return the diagonal of X A X', shape (n,), for A = root root'."""
        out = np.empty(self.shape[0])
        for rows, run in self.runs():
            np.sum(np.square(root.T @ run), axis=0, out=out[rows])
        return out

    def take(self, rows: NDArray[Any] | None = None, columns: IntArray | None = None) -> DesignMatrix:
        """Return the matrix of some rows (a copy) or some columns (a view)."""
        if rows is not None:
            return Dense(np.ascontiguousarray(self.to_array().T[:, rows])).take(None, columns)
        return self if columns is None else Taken(self, columns)

    def to_array(self) -> Array:
        """Return the matrix as a new array (n, p)."""
        out = np.empty((self.shape[1], self.shape[0]))
        self.fill(out, 0, self.shape[0])
        return out.T


def _matching(matrix: DesignMatrix, leader: DesignMatrix) -> Iterator[tuple[slice, Array]]:
    if matrix is leader:
        yield from leader.runs()
        return
    step = run_length(leader.shape[1])
    for start in range(0, leader.shape[0], step):
        stop = min(start + step, leader.shape[0])
        run = np.empty((matrix.shape[1], stop - start))
        matrix.fill(run, start, stop)
        yield slice(start, stop), run


@dataclass(frozen=True, eq=False)
class Columns(DesignMatrix):
    """Parts side by side, evaluated run by run: no dummies and no copy of the data are kept."""

    rows: int
    parts: tuple[Part, ...]

    @cached_property
    def shape(self) -> tuple[int, int]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(n, p)."""
        return self.rows, sum(part.width for part in self.parts)

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write each part in its place."""
        _write(self._merged, out, start, stop)

    @cached_property
    def _merged(self) -> tuple[Part, ...]:
        return _merge(self.parts)

    def dense(self) -> Dense:
        """Return the same matrix with its numbers written out."""
        values = np.empty((self.shape[1], self.rows))
        _write(self.parts, values, 0, self.rows)
        return Dense(values)


def _write(parts: tuple[Part, ...], out: Array, start: int, stop: int) -> None:
    place = 0
    for part in parts:
        width = part.width
        part.fill(out[place : place + width], start, stop)
        place += width


@dataclass(frozen=True, eq=False)
class Dense(DesignMatrix):
    """Numbers written out, stored transposed: `values` (p, n)."""

    values: Array

    @cached_property
    def shape(self) -> tuple[int, int]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(n, p)."""
        return self.values.shape[1], self.values.shape[0]

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Copy a run."""
        out[...] = self.values[:, start:stop]

    def take(self, rows: NDArray[Any] | None = None, columns: IntArray | None = None) -> DesignMatrix:
        """Return a copy of some rows and columns."""
        values = self.values if columns is None else self.values[columns]
        return Dense(values if rows is None else values[:, rows])


@dataclass(frozen=True, eq=False)
class Taken(DesignMatrix):
    """Some columns of another matrix."""

    whole: DesignMatrix
    columns: IntArray

    @cached_property
    def shape(self) -> tuple[int, int]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(n, p)."""
        return self.whole.shape[0], len(self.columns)

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write the whole run aside and copy the chosen columns."""
        run = np.empty((self.whole.shape[1], stop - start))
        self.whole.fill(run, start, stop)
        np.take(run, self.columns, axis=0, out=out)


@dataclass(frozen=True, eq=False)
class Combined(DesignMatrix):
    """Linear combinations X N of the columns of another matrix: `combination` N (p, q)."""

    whole: DesignMatrix
    combination: Array

    @cached_property
    def shape(self) -> tuple[int, int]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(n, q)."""
        return self.whole.shape[0], self.combination.shape[1]

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write the whole run aside and combine its columns."""
        run = np.empty((self.whole.shape[1], stop - start))
        self.whole.fill(run, start, stop)
        np.matmul(self.combination.T, run, out=out)

    def dense(self) -> Dense:
        """Return the same matrix with its numbers written out."""
        values = np.empty((self.shape[1], self.shape[0]))
        self.fill(values, 0, self.shape[0])
        return Dense(values)


@dataclass(frozen=True, eq=False)
class Block:
    """A fixed run of rows, ready for a kernel.

    Parameters
    ----------
    number : place among the blocks.
    X : one design matrix (n, p_k) for each of K predictors.
    y : response (n,).
    offset : (n, K).
    weights : prior weights times trials times sampling weights (n,).
    frequency : how often each row is counted (n,), or None for once.
    rows : source row numbers (n,), or None where they run on from `start`.
    roles : further arrays (n,) by role: clusters, strata.
    frame : the rows of the data behind the block, where it was made from them for this pass.
    """

    number: int
    X: tuple[DesignMatrix, ...]
    y: Array
    offset: Array
    weights: Array
    frequency: Array | None = None
    rows: IntArray | None = None
    start: int = 0
    roles: Mapping[str, NDArray[Any]] | None = None
    frame: Any = None

    @cached_property
    def total(self) -> Array:
        """Weights times frequencies (n,): what multiplies each row's log-likelihood."""
        return self.weights if self.frequency is None else self.weights * self.frequency

    def source_row(self, place: int) -> int:
        """Source row number of one place in the block."""
        return self.start + place if self.rows is None else int(self.rows[place])

    def source_rows(self, places: NDArray[Any]) -> IntArray:
        """Source row numbers of some places (positions or a mask) in the block."""
        numbers = np.arange(self.start, self.start + len(self.y)) if self.rows is None else self.rows
        return numbers[places]
