"""Design matrices as columns in place: factors stay codes, numeric columns stay where they are.

A matrix knows how to write any run of its rows, transposed, into a buffer; everything else is built on
that, in runs short enough to stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.coded import Coded, coded, is_coded
from glmstat.gram import Products, level_gram
from glmstat.parts import (
    Array,
    Constant,
    Factor,
    Features,
    Hidden,
    IntArray,
    Numeric,
    Part,
    Product,
    Wide,
    merge,
    restrict,
    write,
)
from glmstat.pieces import Split, arranged, times

__all__ = [
    "Array",
    "Block",
    "Columns",
    "Combined",
    "Constant",
    "Dense",
    "DesignMatrix",
    "Factor",
    "Features",
    "Hidden",
    "IntArray",
    "Numeric",
    "Part",
    "Product",
    "Taken",
    "Wide",
    "run_length",
    "zeros",
]


_RUN = 4096


@lru_cache(maxsize=4)
def zeros(rows: int, columns: int) -> Array:
    """What is added to the predictors where nothing is (rows, columns)."""
    nothing = np.zeros((rows, columns), order="F")
    nothing.flags.writeable = False
    return nothing


def run_length(width: int) -> int:
    """Rows of a run: what keeps a run of `width` columns inside the cache."""
    if width < 8:
        return 16384
    if width < 16:
        return 8192
    return 4096 if width < 300 else 1024


class DesignMatrix:
    """n rows and p columns that can be multiplied; subclasses say how a run of rows is written."""

    shape: tuple[int, int]

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write rows start:stop, transposed, into out (p, stop - start)."""
        raise NotImplementedError

    def split(self, centre: Array | None = None, scale: Array | None = None) -> Split:
        """Return the columns as kernels read them: (column - centre) * scale."""
        width = self.shape[1]
        return arranged(width, np.arange(width), (_Written(self),), (), centre, scale)

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


@dataclass(frozen=True, eq=False)
class _Written:
    """All columns of a matrix as one part."""

    matrix: DesignMatrix

    @property
    def width(self) -> int:
        return self.matrix.shape[1]

    def fill(self, out: Array, start: int, stop: int) -> None:
        self.matrix.fill(out, start, stop)


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
        write(self._merged, out, start, stop)

    @cached_property
    def _merged(self) -> tuple[Part, ...]:
        return merge(self.parts)

    def split(self, centre: Array | None = None, scale: Array | None = None) -> Split:
        """Return factors of many levels as codes, the other columns in place."""
        known = self.__dict__.get("_known")
        if known is not None and known[0] is centre and known[1] is scale:
            return known[2]
        found = _split(self, None, centre, scale)
        if not found.coded:
            self.__dict__["_known"] = centre, scale, found
        return found

    @cached_property
    def _coded(self) -> Split | None:
        """The columns, where some are codes."""
        return self.split() if any(map(is_coded, self.parts)) else None

    def dot(self, beta: Array) -> Array:
        """Return X beta, shape (n,) or (n, k)."""
        split = self._coded
        if split is None:
            return super().dot(beta)
        out = split.by_codes(beta)
        assert out is not None
        if split.plain:
            written = beta[split.places].T
            for rows, pieces in split.runs(self.rows, _RUN):
                out[rows] += times(written, pieces).T
        return out

    def transpose_dot(self, v: Array) -> Array:
        """Return X'v, shape (p,) or (p, k)."""
        split = self._coded
        if split is None:
            return super().transpose_dot(v)
        if v.ndim > 1:
            return np.column_stack([self.transpose_dot(column) for column in v.T])
        out = np.zeros(self.shape[1])
        products = Products(split.plain, 0, 0)
        for rows, pieces in split.runs(self.rows, _RUN):
            products.add_score(pieces, v[rows])
        out[split.places] = products.score
        for one in split.coded:
            out[one.places] = one.transposed(v)
        return out

    def sandwich(self, w: Array, other: DesignMatrix | None = None) -> Array:
        """Return X' diag(w) X, or X' diag(w) Z with `other` as Z."""
        split = self._coded
        if split is None or other is not None:
            return super().sandwich(w, other)
        products = Products(split.plain, min(_RUN, self.rows), 1)
        for rows, pieces in split.runs(self.rows, _RUN):
            products.add(pieces, None, w[rows])
        return level_gram(split, w, products.grams[0]).matrix()

    def row_norms(self, root: Array) -> Array:
        """Return the diagonal of X A X', shape (n,), for A = root root'."""
        split = self._coded
        if split is None:
            return super().row_norms(root)
        out, width = np.empty(self.rows), root.shape[1]
        written = root[split.places].T
        levelled = [one.coding.levelled(root[one.places]) for one in split.coded]
        for rows, pieces in split.runs(self.rows, run_length(width)):
            whole = times(written, pieces).T if pieces else np.zeros((rows.stop - rows.start, width))
            for one, table in zip(split.coded, levelled, strict=True):
                added = np.take(table, one.codes[rows], axis=0, mode="clip")
                whole += added if one.multiplier is None else added * one.multiplier[rows, None]
            np.einsum("ij,ij->i", whole, whole, out=out[rows])
        return out

    def dense(self) -> Dense:
        """Return the same matrix with its numbers written out."""
        values = np.empty((self.shape[1], self.rows))
        write(self.parts, values, 0, self.rows)
        return Dense(values)


def _split(matrix: Columns, columns: IntArray | None, centre: Array | None, scale: Array | None) -> Split:
    """The split of all columns, or of some of them, rising."""
    place = np.full(matrix.shape[1], -1)
    place[slice(None) if columns is None else columns] = np.arange(len(place if columns is None else columns))
    width = int(place.max(initial=-1)) + 1
    parts: list[Part] = []
    places: list[IntArray] = []
    codes: list[Coded] = []
    known: dict[tuple[int, ...], IntArray] = {}
    at = 0
    for part in matrix.parts:
        own = place[at : at + part.width]
        kept = None if columns is None else np.flatnonzero(own >= 0)
        if is_coded(part) and not (_multiplied(part) and _moves(centre, own[own >= 0])):
            codes += _restricted(coded(part, at, matrix.rows, known), place)
        elif kept is None:
            parts.append(part)
            places.append(own)
        else:
            parts += restrict(part, kept)
            places.append(own[kept])
        at += part.width
    written = np.concatenate(places) if places else np.zeros(0, np.intp)
    return arranged(width, written, merge(parts), codes, centre, scale)


def _multiplied(part: Part) -> bool:
    return isinstance(part, Product) and not all(isinstance(one, Factor) for one in part.parts)


def _moves(centre: Array | None, places: IntArray) -> bool:
    return centre is not None and bool(centre[places].any())


def _restricted(found: list[Coded], place: IntArray) -> Iterator[Coded]:
    """Those of the columns that have a place, with that place."""
    for one in found:
        now = place[one.places]
        kept = np.flatnonzero(now >= 0)
        if len(kept):
            yield Coded(now[kept], one.codes, one.coding.take(kept), one.multiplier)


@dataclass(frozen=True, eq=False)
class Dense(DesignMatrix):
    """Numbers written out, stored transposed: `values` (p, n)."""

    values: Array

    @cached_property
    def shape(self) -> tuple[int, int]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(n, p)."""
        return self.values.shape[1], self.values.shape[0]

    def split(self, centre: Array | None = None, scale: Array | None = None) -> Split:
        """Return the columns in place."""
        known = self.__dict__.get("_known")
        if known is not None and known[0] is centre and known[1] is scale:
            return known[2]
        width = len(self.values)
        found = arranged(width, np.arange(width), (Wide(self.values),), (), centre, scale)
        self.__dict__["_known"] = centre, scale, found
        return found

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

    def split(self, centre: Array | None = None, scale: Array | None = None) -> Split:
        """Return the columns as the whole matrix has them, where they keep their order."""
        if isinstance(self.whole, Columns) and (np.diff(self.columns) > 0).all():
            return _split(self.whole, self.columns, centre, scale)
        return super().split(centre, scale)

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

    @property
    def frequencies(self) -> Array:
        """How often each row is counted (n,): once where no frequencies were given."""
        return np.ones(len(self.y)) if self.frequency is None else self.frequency

    @property
    def counted(self) -> Array:
        """How often each row is counted (n,), 0 where its weight is 0."""
        return np.where(self.total > 0, self.frequencies, 0.0)

    @cached_property
    def unweighted(self) -> bool:
        """Whether every row weighs 1 and counts once."""
        return self.frequency is None and bool((self.weights == 1.0).all())

    @property
    def numbers(self) -> IntArray:
        """Source row numbers (n,)."""
        return np.arange(self.start, self.start + len(self.y)) if self.rows is None else self.rows

    def source_row(self, place: int) -> int:
        """Source row number of one place in the block."""
        return self.start + place if self.rows is None else int(self.rows[place])

    def source_rows(self, places: NDArray[Any]) -> IntArray:
        """Source row numbers of some places (positions or a mask) in the block."""
        return self.numbers[places]
