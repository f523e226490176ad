"""Blocks of rows cut out of pieces of any length, with codes of levels that mean the same in every block."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glmstat.data.columns import BoolArray, Booleans, Column, Kind, Level, Levels, Numbers, Times, Values
from glmstat.data.source import no_column
from glmstat.errors import DataError

__all__ = ["CutRows", "Loader", "NoRows", "NotRead", "Piece", "missing_column"]


class NotRead(Exception):
    """A column was asked for that this pass does not read."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Piece(Protocol):
    """Some rows as they were read."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that were read."""
        ...

    @property
    def rows(self) -> int:
        """Number of rows."""
        ...

    def column(self, name: str) -> Column:
        """Return a column; the levels are those of the piece, in any order."""
        ...

    def declares(self, name: str) -> bool:
        """Return whether the order of a column's levels is the order that they have in the data."""
        ...


@dataclass(frozen=True, eq=False)
class NoRows:
    """A piece without rows, of columns that are known by kind."""

    kinds: Mapping[str, Kind]
    rows: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.kinds)

    def column(self, name: str) -> Column:
        """Return a column without values."""
        return missing_column(self.kinds[name], 0, f"Column '{name}'")

    def declares(self, name: str) -> bool:
        """Return False: nothing is declared."""
        return False


@dataclass(frozen=True, eq=False)
class CutRows:
    """A block of rows.

    Parameters
    ----------
    names : of all columns of the data, read or not.
    parts : pieces with the run of their rows, one after the other.
    rows : number of rows.
    levels : of each text column, in all rows of the data.
    beside : columns of all rows, in memory.
    first : source row number of the first row.
    """

    names: tuple[str, ...]
    parts: tuple[tuple[Piece, int, int], ...]
    rows: int
    levels: Mapping[str, tuple[Level, ...]]
    beside: Mapping[str, Column]
    first: int
    _made: dict[str, Column] = field(default_factory=dict, repr=False)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def column(self, name: str) -> Column:
        """Return a column of the block.

        Raises
        ------
        ColumnError : the data have no such column.
        NotRead : they have, but this pass does not read it.
        """
        made = self._made.get(name)
        if made is None:
            if name not in self.names:
                raise no_column(name, self.names)
            if name in self.beside:
                made = Part(self.beside[name], self.first, self.first + self.rows)
            elif name not in self.parts[0][0].names:
                raise NotRead(name)
            else:
                known = self.levels.get(name)
                made = self._join(
                    name, [(_column(piece, name, known), start, stop) for piece, start, stop in self.parts]
                )
            self._made[name] = made
        return made

    def _join(self, name: str, parts: list[tuple[Column, int, int]]) -> Column:
        kinds = {type(column) for column, _, _ in parts}
        if len(kinds) > 1:
            raise _mixed(name, [(column.kind, self.first + start) for column, start, _ in parts])
        if isinstance(parts[0][0], Levels):
            known = self.levels.get(name)
            if known is None:
                raise NotRead(name)
            return _joined_levels(name, parts, known)
        return _JOINS[kinds.pop()](parts)


def _column(piece: Piece, name: str, known: tuple[Level, ...] | None) -> Column:
    """A column of a piece; of many levels with the codes of those known, where the piece can find them."""
    coded = None if known is None else getattr(piece, "coded", None)
    return piece.column(name) if coded is None else coded(name, known)


def _mixed(name: str, found: Sequence[tuple[Kind, int]]) -> DataError:
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    return DataError(
        f"Column '{name}' is {kinds[0]} in some rows and {kinds[1]} in others: near row {found[1][1]:,}. "
        "Convert it to one type."
    )


@dataclass(frozen=True, eq=False)
class Part:
    """The rows start:stop of a column."""

    column: Column
    start: int
    stop: int

    @property
    def kind(self) -> Kind:
        """What it holds."""
        return self.column.kind

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels of a factor."""
        return self.column.levels

    def values(self, start: int, stop: int) -> Values:
        """Return the values of a run of its rows."""
        return self.column.values(self.start + start, min(self.start + stop, self.stop))

    def missing(self, start: int, stop: int) -> BoolArray | None:
        """Return where a value is missing, or None."""
        return self.column.missing(self.start + start, min(self.start + stop, self.stop))

    def __len__(self) -> int:
        return self.stop - self.start


def _joined_levels(name: str, parts: list[tuple[Column, int, int]], known: tuple[Level, ...]) -> Column:
    codes = [_codes(name, column, start, stop, known) for column, start, stop in parts]
    joined = _concatenated(codes)
    ordered = any(column.kind == "ordered" for column, _, _ in parts)
    return Levels(joined, known, ordered, holes=bool(len(joined)) and bool(joined.min() < 0))


def _codes(name: str, column: Column, start: int, stop: int, known: tuple[Level, ...]) -> NDArray[Any]:
    assert isinstance(column, Levels)
    codes = column.codes[start:stop]
    if column.levels == known:
        return codes
    places, new = _PLACES.of(column.levels, known)
    if new and np.isin(codes, new).any():
        level = column.levels[next(code for code in new if (codes == code).any())]
        raise DataError(
            f"Column '{name}' changed since its levels were read: '{level}' is new. Fit the data again."
        )
    return places[codes]


class _Places:
    """Places of some levels among others; pieces mostly share them, and then they are one object."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int], tuple[Any, Any, NDArray[Any], tuple[int, ...]]] = {}
        self.places: dict[int, tuple[tuple[Level, ...], dict[Level, int]]] = {}

    def of(self, old: tuple[Level, ...], known: tuple[Level, ...]) -> tuple[NDArray[Any], tuple[int, ...]]:
        """Return the place of each code, -1 where a level is not known, and the codes of such levels."""
        found = self.found.get((id(old), id(known)))
        if found is None:
            place = self._place(known)
            dtype = np.min_scalar_type(-len(known) - 1)
            places = np.array(
                [*(place.get(level, -1) for level in old), -1], dtype=dtype
            )  # -1 finds the last
            found = old, known, places, tuple(np.flatnonzero(places[:-1] < 0).tolist())
            if len(self.found) >= 128:
                self.found = {}
            self.found[id(old), id(known)] = found  # it holds both, so that no other gets their id
        return found[2], found[3]

    def _place(self, known: tuple[Level, ...]) -> dict[Level, int]:
        """Place of each level; kept, for a factor of many levels has other ones in every piece."""
        made = self.places.get(id(known))
        if made is None:
            made = known, {level: code for code, level in enumerate(known)}
            if len(self.places) >= 16:
                self.places = {}
            self.places[id(known)] = made
        return made[1]


_PLACES = _Places()


def missing_column(kind: Kind, rows: int, label: str) -> Column:
    """Return a column (rows,) without any value.

    Parameters
    ----------
    kind : what it would hold.
    label : for messages.

    >>> missing_column("boolean", 2, "x").missing(0, 2)
    array([ True,  True])
    """
    if kind == "boolean":
        return Booleans(np.zeros(rows, dtype=bool), np.ones(rows, dtype=bool))
    if kind == "time":
        return Times(label, np.full(rows, "NaT", dtype="M8[ns]"))
    if kind in ("categorical", "ordered"):
        return Levels(np.full(rows, -1, dtype=np.int8), (), kind == "ordered")
    return Numbers(np.full(rows, np.nan))


def _numbers(parts: list[tuple[Any, int, int]]) -> Column:
    return Numbers(_concatenated([column.data[start:stop] for column, start, stop in parts]))


def _concatenated(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """The parts (n,) one after the other, in memory that Arrow keeps mapped from block to block.

    The system maps a fresh array page by page, which costs ten times the copy.
    """
    if len(parts) == 1:
        return parts[0]
    arrow = sys.modules.get("pyarrow")
    if arrow is None:
        return np.concatenate(parts)
    dtype = np.result_type(*parts)
    buffer = arrow.allocate_buffer(dtype.itemsize * sum(map(len, parts)))
    return np.concatenate(parts, out=np.frombuffer(buffer, dtype))


def _booleans(parts: list[tuple[Any, int, int]]) -> Column:
    data = _concatenated([column.data[start:stop] for column, start, stop in parts])
    if all(column.absent is None for column, _, _ in parts):
        return Booleans(data)
    absent = [
        np.zeros(stop - start, dtype=bool) if column.absent is None else column.absent[start:stop]
        for column, start, stop in parts
    ]
    return Booleans(data, _concatenated(absent))


def _times(parts: list[tuple[Any, int, int]]) -> Column:
    raw = [column.raw[start:stop] for column, start, stop in parts]
    return Times(parts[0][0].label, raw[0] if len(raw) == 1 else np.concatenate(list(map(np.asarray, raw))))


_JOINS = {Numbers: _numbers, Booleans: _booleans, Times: _times}


class Whole(Protocol):
    """Data that can be read into memory, some columns at a time."""

    def whole(self, names: Sequence[str]) -> CutRows:
        """Return all rows of some columns."""
        ...


@dataclass(frozen=True, eq=False)
class Loader:
    """Columns in memory: those that were read, others when they are asked for."""

    source: Whole
    read: CutRows

    def __call__(self, name: str) -> Column:
        """Return a column, read now if it was not."""
        try:
            return self.read.column(name)
        except NotRead:
            return self.source.whole([name]).column(name)
