"""Blocks of rows cut out of pieces of any length, with codes of levels that mean the same in every block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glmstat.data.columns import BoolArray, Booleans, Column, Kind, Level, Levels, Numbers, Times, Values
from glmstat.data.source import no_column
from glmstat.errors import DataError

__all__ = ["CutRows", "NotRead", "Piece"]


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
        """Return a column; the levels are those of the piece."""
        ...


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
                made = self._join(
                    name, [(piece.column(name), start, stop) for piece, start, stop in self.parts]
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
        if len(parts) == 1:
            return Part(*parts[0])
        return _JOINS[kinds.pop()](parts)


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
    joined = codes[0] if len(codes) == 1 else np.concatenate(codes)
    ordered = any(column.kind == "ordered" for column, _, _ in parts)
    return Levels(joined, known, ordered, holes=bool(len(joined)) and bool(joined.min() < 0))


def _codes(name: str, column: Column, start: int, stop: int, known: tuple[Level, ...]) -> NDArray[Any]:
    assert isinstance(column, Levels)
    codes = column.codes[start:stop]
    if column.levels == known:
        return codes
    places, new = _places(column.levels, known)
    if new and np.isin(codes, new).any():
        raise DataError(
            f"Column '{name}' changed since its levels were read: '{column.levels[new[0]]}' is new. "
            "Fit the data again."
        )
    return places[codes]


@lru_cache(maxsize=128)
def _places(old: tuple[Level, ...], known: tuple[Level, ...]) -> tuple[NDArray[Any], tuple[int, ...]]:
    place = {level: code for code, level in enumerate(known)}
    found = np.array([*(place.get(level, -1) for level in old), -1], dtype=np.int32)  # code -1 finds the last
    return found, tuple(np.flatnonzero(found[:-1] < 0).tolist())


def _numbers(parts: list[tuple[Any, int, int]]) -> Column:
    return Numbers(np.concatenate([column.data[start:stop] for column, start, stop in parts]))


def _booleans(parts: list[tuple[Any, int, int]]) -> Column:
    absent = [
        np.zeros(stop - start, dtype=bool) if column.absent is None else column.absent[start:stop]
        for column, start, stop in parts
    ]
    data = np.concatenate([column.data[start:stop] for column, start, stop in parts])
    return Booleans(data, np.concatenate(absent))


def _times(parts: list[tuple[Any, int, int]]) -> Column:
    raw = np.concatenate([np.asarray(column.raw[start:stop]) for column, start, stop in parts])
    return Times(parts[0][0].label, raw)


_JOINS = {Numbers: _numbers, Booleans: _booleans, Times: _times}
