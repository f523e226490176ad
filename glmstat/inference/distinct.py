"""The distinct values of a variable beside the model, united over blocks, and the codes of rows by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, Self

import numpy as np

from glmstat.data.columns import BoolArray, Categorical, Level
from glmstat.formula.value import level_label, refuse_merged
from glmstat.matrix import Array, IntArray

__all__ = ["Combinations", "Distinct", "Moments", "distinct", "is_numeric"]


class Distinct(Protocol):
    """Distinct values in their order; those of two blocks can be united."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What each value is called."""
        ...

    def __len__(self) -> int: ...

    def __or__(self, other: Self, /) -> Self: ...

    def places(self, other: Self) -> IntArray:
        """Return where each value of another lies among these."""
        ...

    def codes(self, value: Any) -> IntArray:
        """Return the place (n,) of each row's value; -1 where it is none of them, or missing."""
        ...


@dataclass(frozen=True, eq=False)
class Moments:
    """Dates, times or durations (n,), as pandas holds them."""

    values: Any

    def take(self, rows: BoolArray) -> Moments:
        """Return those of some rows."""
        return Moments(self.values[rows])

    def missing(self) -> BoolArray:
        """Return where there is none (n,)."""
        return np.asarray(self.values.isna())


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Numbers, sorted."""

    values: Array

    def __len__(self) -> int:
        return len(self.values)

    def __or__(self, other: _Numbers) -> _Numbers:
        return _Numbers(np.union1d(self.values, other.values))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(level_label(float(value)) for value in self.values)

    def places(self, other: _Numbers) -> IntArray:
        return np.searchsorted(self.values, other.values)

    def codes(self, value: Array) -> IntArray:
        place = np.minimum(np.searchsorted(self.values, value), max(len(self) - 1, 0))
        return np.where(self.values[place] == value, place, -1) if len(self) else np.full(len(value), -1)


@dataclass(frozen=True, eq=False)
class _Levels:
    """Levels in the order that the data declare, text by code point."""

    values: tuple[Level, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __or__(self, other: _Levels) -> _Levels:
        return self if self.values == other.values else _Levels(_united(self.values, other.values))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(level_label(level) for level in self.values)

    def places(self, other: _Levels) -> IntArray:
        if self.values == other.values:
            return np.arange(len(self))
        place = {level: number for number, level in enumerate(self.values)}
        return np.array([place.get(level, -1) for level in other.values], dtype=np.intp)

    def codes(self, value: Categorical) -> IntArray:
        if value.levels == self.values:
            return value.codes
        return np.append(self.places(_Levels(value.levels)), -1)[value.codes]


@dataclass(frozen=True, eq=False)
class _Times:
    """Times, as a sorted pandas Index."""

    values: Any

    def __len__(self) -> int:
        return len(self.values)

    def __or__(self, other: _Times) -> _Times:
        return _Times(self.values.union(other.values))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(str(time) for time in self.values)

    def places(self, other: _Times) -> IntArray:
        return self.values.get_indexer(other.values)

    def codes(self, value: Moments) -> IntArray:
        return self.values.get_indexer(value.values)


def distinct(value: Array | Categorical | Moments) -> Distinct:
    """Return the distinct values of some rows, of which none is missing.

    >>> both = distinct(np.array([3.0, 1.0])) | distinct(np.array([2.0, 3.0]))
    >>> both.labels, both.codes(np.array([2.0, 4.0])).tolist()
    (('1', '2', '3'), [1, -1])
    """
    if isinstance(value, Categorical):
        return _Levels(value.levels)
    if isinstance(value, Moments):
        return _Times(value.values.unique().sort_values())
    return _Numbers(np.unique(value))


def is_numeric(table: Distinct) -> bool:
    """Return whether the values are numbers."""
    return isinstance(table, _Numbers)


def _united(left: tuple[Level, ...], right: tuple[Level, ...]) -> tuple[Level, ...]:
    levels = tuple(dict.fromkeys((*left, *right)))
    in_order = all(a < b for side in (left, right) for a, b in pairwise(side))  # type: ignore[operator]
    return tuple(sorted(levels)) if in_order else levels


@dataclass(frozen=True, eq=False)
class Combinations:
    """Combinations of the values of several variables that occur; those of two blocks can be added.

    Parameters
    ----------
    tables : the distinct values of each variable.
    used : the combinations, sorted: numbers in the mixed base of the tables' lengths.
    """

    tables: tuple[Distinct, ...]
    used: IntArray

    @classmethod
    def of(cls, values: list[Any]) -> Combinations:
        """Return the combinations of some rows, of which none is missing."""
        tables = tuple(distinct(value) for value in values)
        places = [table.codes(value) for table, value in zip(tables, values, strict=True)]
        return cls(tables, np.unique(_mixed(tables, places)))

    def __add__(self, other: Combinations) -> Combinations:
        tables = tuple(a | b for a, b in zip(self.tables, other.tables, strict=True))
        both = [_moved(one, tables) for one in (self, other)]
        return Combinations(tables, np.union1d(*both))

    @property
    def labels(self) -> tuple[str, ...]:
        """What each combination is called: 'a:3'."""
        rest, parts = self.used.copy(), []
        for table in reversed(self.tables):
            rest, own = np.divmod(rest, max(len(table), 1))
            names = table.labels
            parts.append([names[place] for place in own])
        return tuple(":".join(names) for names in zip(*reversed(parts), strict=True))

    def check(self, texts: Sequence[str]) -> None:
        """Refuse numbers that tell no groups apart, named by the texts of the variables.

        Raises
        ------
        DataError : whole numbers of 2^53 or more.
        """
        for table, text in zip(self.tables, texts, strict=True):
            if isinstance(table, _Numbers):
                refuse_merged(table.values, text)

    def codes(self, values: list[Any]) -> IntArray:
        """Return which combination each row has (n,); -1 for none of them."""
        places = [table.codes(value) for table, value in zip(self.tables, values, strict=True)]
        known = np.logical_and.reduce([place >= 0 for place in places])
        mixed = _mixed(self.tables, [np.maximum(place, 0) for place in places])
        found = np.minimum(np.searchsorted(self.used, mixed), max(len(self.used) - 1, 0))
        return np.where(known & (self.used[found] == mixed), found, -1)


def _mixed(tables: tuple[Distinct, ...], places: list[IntArray]) -> IntArray:
    total = np.zeros(len(places[0]), dtype=np.intp)
    for table, place in zip(tables, places, strict=True):
        total = total * max(len(table), 1) + place
    return total


def _moved(one: Combinations, tables: tuple[Distinct, ...]) -> IntArray:
    """The combinations as numbers in the base of larger tables."""
    rest, places = one.used.copy(), []
    for old, new in zip(reversed(one.tables), reversed(tables), strict=True):
        rest, own = np.divmod(rest, max(len(old), 1))
        places.append(new.places(old)[own])
    return _mixed(tables, places[::-1])
