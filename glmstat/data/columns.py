"""What a column can be: numbers, booleans, codes of levels, or times; served by run of rows, in place."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import DataError

__all__ = [
    "Array",
    "BoolArray",
    "Booleans",
    "Categorical",
    "Column",
    "IntArray",
    "Kind",
    "Level",
    "Levels",
    "Numbers",
    "Times",
    "Values",
    "as_level",
]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]
Kind = Literal["numeric", "boolean", "categorical", "ordered", "time"]
Level = str | float | bool
LARGEST_WHOLE = 2.0**53  # from here on float64 no longer tells neighbouring integers apart


def as_level(value: Any, label: str) -> Level:
    """Return the value of a library's category as a level.

    Raises
    ------
    DataError : a whole number of 2^53 or more, which float64 merges with its neighbours.

    >>> as_level(3, "Column 'f'"), as_level("a", "Column 'f'")
    (3.0, 'a')
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)) and abs(int(value)) >= LARGEST_WHOLE:
        raise DataError(
            f"{label} has whole numbers of 2^53 or more as levels, which float64 merges with their "
            f"neighbours: {value}. Convert it to text."
        )
    return float(value) if isinstance(value, (int, float, np.number, Decimal)) else str(value)


@dataclass(frozen=True, eq=False)
class Categorical:
    """Values of a factor.

    Parameters
    ----------
    codes : (n,) places in `levels`; -1 is missing.
    levels : in the order that coding uses; the first is the reference of treatment contrasts.
    ordered : whether the order carries meaning.
    contrast : how `C()` asked to code it; None leaves the choice to the model.

    >>> f = Categorical(np.array([1, 0, -1]), ("a", "b"))
    >>> len(f), f.take(np.array([0])).codes
    (3, array([1]))
    """

    codes: IntArray
    levels: tuple[Level, ...]
    ordered: bool = False
    contrast: Any = None

    def take(self, rows: NDArray[Any]) -> Categorical:
        """Return the values of some rows, given as positions or as a mask."""
        return Categorical(self.codes[rows], self.levels, self.ordered, self.contrast)

    def __len__(self) -> int:
        return len(self.codes)


Values = Array | BoolArray | Categorical


class Column(Protocol):
    """What every kind of column can do; rows start:stop are positions in the data as given."""

    @property
    def kind(self) -> Kind:
        """What it holds."""
        ...

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels of a factor in order; those of numbers are not known."""
        ...

    def values(self, start: int, stop: int) -> Values:
        """Return float64, bool (False where missing) or Categorical."""
        ...

    def missing(self, start: int, stop: int) -> BoolArray | None:
        """Return where a value is missing, or None where all are present."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Numbers:
    """Real numbers (n,) of any width, in place; NaN is missing."""

    data: NDArray[Any]
    kind: Kind = "numeric"
    levels: tuple[Level, ...] = ()

    def values(self, start: int, stop: int) -> Array:
        """Return float64: a view of the caller's memory where that is float64 already."""
        part = self.data[start:stop]
        return part if part.dtype == np.float64 else part.astype(np.float64)

    def missing(self, start: int, stop: int) -> BoolArray | None:
        """Return where NaN stands, or None."""
        if self.data.dtype.kind != "f":
            return None
        part = self.data[start:stop]
        return np.isnan(part) if np.isnan(part.min(initial=np.inf)) else None

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, eq=False)
class Booleans:
    """Truth values (n,), False where missing; `absent` (n,) marks the missing ones, None where none is."""

    data: BoolArray
    absent: BoolArray | None = None
    kind: Kind = "boolean"
    levels: tuple[Level, ...] = (False, True)

    def values(self, start: int, stop: int) -> BoolArray:
        """Return a view."""
        return self.data[start:stop]

    def missing(self, start: int, stop: int) -> BoolArray | None:
        """Return where a value is missing, or None."""
        return _some(self.absent, start, stop)

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, eq=False)
class Levels:
    """Codes (n,) of levels in the smallest integer type; `holes` tells whether any is -1, missing."""

    codes: NDArray[np.signedinteger[Any]]
    levels: tuple[Level, ...]
    ordered: bool = False
    holes: bool = True

    @property
    def kind(self) -> Kind:
        """'ordered' where the library declares that the order carries meaning."""
        return "ordered" if self.ordered else "categorical"

    def values(self, start: int, stop: int) -> Categorical:
        """Return codes as machine integers, with their levels."""
        return Categorical(self.codes[start:stop].astype(np.intp), self.levels, self.ordered)

    def missing(self, start: int, stop: int) -> BoolArray | None:
        """Return where a value is missing, or None."""
        return _some(self.codes[start:stop] < 0, 0, stop - start) if self.holes else None

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, eq=False)
class Times:
    """Dates, times or durations: they have an order, but are not yet numbers.

    Parameters
    ----------
    label : for messages.
    raw : values (n,) as the caller's library holds them.
    """

    label: str
    raw: Any
    kind: Kind = "time"
    levels: tuple[Level, ...] = ()

    def values(self, start: int, stop: int) -> Values:
        """Raise: the unit and the origin are the caller's choice."""
        raise DataError(f"{self.label} holds dates or times. Convert it to a number first.")

    def missing(self, start: int, stop: int) -> BoolArray | None:
        """Return where no time is given (m,), or None where all are."""
        return _some(self.sorted.codes < 0, start, stop)

    @cached_property
    def sorted(self) -> Categorical:
        """The distinct times in their order, as text, and the place of each row's."""
        import pandas

        codes, times = pandas.factorize(pandas.Series(self.raw), sort=True)
        return Categorical(codes.astype(np.intp), tuple(str(time) for time in times), ordered=True)

    def __len__(self) -> int:
        return len(self.raw)


def _some(mask: BoolArray | None, start: int, stop: int) -> BoolArray | None:
    if mask is None:
        return None
    part = mask[start:stop]
    return part if part.any() else None
