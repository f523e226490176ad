"""Adjacent columns of a design in place: each part writes any run of its rows into a buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Array",
    "Chosen",
    "Constant",
    "Factor",
    "Features",
    "Hidden",
    "IntArray",
    "Numeric",
    "Part",
    "Product",
    "Wide",
    "hold_memory",
    "merge",
    "restrict",
    "write",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]


@cache
def hold_memory() -> None:
    """Make the C library keep the memory of freed temporaries.

    By default it gives small pieces back to the system at once, and a run of rows pays more for getting
    them again than for its arithmetic; freeing one large piece, never touched, moves that limit.
    """
    np.empty(1 << 21)


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
        write(self.parts, inputs, start, stop)
        out[...] = self.towers.features(inputs.T).T


def merge(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts with neighbouring columns of one array read through one strided view.

    >>> columns = np.zeros((5, 3)).T
    >>> merge([Constant(), *(Numeric(column) for column in columns)])[1].width
    3
    """
    out: list[Part] = []
    pending: list[NDArray[Any]] = []
    last = step = 0
    for part in parts:
        values = part.values if isinstance(part, Numeric) else None
        place = 0 if values is None else values.__array_interface__["data"][0]
        alike = values is not None and bool(pending) and _alike(pending[-1], values)
        if values is not None and alike and (len(pending) == 1 or place - last == step):
            pending.append(values)
            last, step = place, place - last
            continue
        out += _one_view(pending, step)
        pending, last = ([], 0) if values is None else ([values], place)
        if values is None:
            out.append(part)
    return (*out, *_one_view(pending, step))


def _alike(last: NDArray[Any], values: NDArray[Any]) -> bool:
    """Whether two columns lie in the same array in the same way."""
    return (
        last.base is not None
        and last.base is values.base
        and last.dtype == values.dtype == np.float64
        and last.strides == values.strides
        and last.shape == values.shape
    )


def _one_view(pending: list[NDArray[Any]], step: int) -> list[Part]:
    if len(pending) < 2:
        return [Numeric(values) for values in pending]
    first = pending[0]
    shape, strides = (len(pending), len(first)), (step, *first.strides)
    return [Wide(np.lib.stride_tricks.as_strided(first, shape, strides, writeable=False))]


def _products(done: Array, part: Part, start: int, stop: int, out: Array) -> Array:
    columns = np.empty((part.width, stop - start))
    part.fill(columns, start, stop)
    for place, column in enumerate(columns):
        np.multiply(done, column, out=out[place * len(done) : (place + 1) * len(done)])
    return out


def write(parts: Sequence[Part], out: Array, start: int, stop: int) -> None:
    """Write rows start:stop of the parts, side by side and transposed, into out (width, stop - start)."""
    place = 0
    for part in parts:
        width = part.width
        part.fill(out[place : place + width], start, stop)
        place += width


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some columns of a part: `places` among them."""

    part: Part
    places: IntArray

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.places)

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write all columns aside and copy the chosen ones."""
        whole = np.empty((self.part.width, stop - start))
        self.part.fill(whole, start, stop)
        np.take(whole, self.places, axis=0, out=out)


def restrict(part: Part, places: IntArray) -> list[Part]:
    """Return parts that make some columns of a part."""
    if not len(places):
        return []
    if len(places) == part.width:
        return [part]
    if isinstance(part, Wide):
        return [Numeric(part.values[place]) for place in places]
    return [Chosen(part, places)]
