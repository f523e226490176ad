"""What passes over data tell of their columns: levels in order, and marks by which values are known again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.data.columns import Level, Levels
from glmstat.data.cut import Piece
from glmstat.data.frame import Frame
from glmstat.errors import DataError

STEP, START = 0x9E3779B97F4A7C16, 0xD1B54A32D192ED03  # even and odd, so that each row's number is odd

__all__ = ["FoundLevels", "Marks", "used_levels"]


@dataclass(eq=False)
class FoundLevels:
    """Levels of a column, gathered piece by piece.

    Parameters
    ----------
    name : of the column.
    """

    name: str
    seen: dict[Level, None] = field(default_factory=dict)
    order: tuple[Level, ...] | None = None  # declared by the pieces so far
    torn: bool = False  # pieces declare none, or several

    def add(self, piece: Piece, first: int) -> None:
        """Take in a piece whose first row has a source row number.

        Raises
        ------
        DataError : the piece has no levels, or an order that contradicts the order of others.
        """
        column = piece.column(self.name)
        if not isinstance(column, Levels):
            raise DataError(
                f"Column '{self.name}' is categorical in some rows and {column.kind} in others: near row "
                f"{first:,}. Convert it to one type."
            )
        if len(column.levels) == 0:
            return
        self.seen.update(dict.fromkeys(used_levels(column)))
        if not piece.declares(self.name):
            self.torn = True
        elif self.order is None:
            self.order = column.levels
        elif column.levels is not self.order and column.levels != self.order:
            if column.ordered:
                raise _two_orders(self.name, self.order, column.levels, first)
            self.torn = True

    @property
    def ordered(self) -> tuple[Level, ...]:
        """The levels: as declared where all pieces agree, else those used, text by code point."""
        if self.order is not None and not self.torn:
            return self.order
        return tuple(sorted(self.seen))


def used_levels(column: Levels) -> Iterable[Level]:
    """Return the levels that some row has."""
    counts = np.bincount(column.codes.astype(np.intp) + 1, minlength=len(column.levels) + 1)[1:]
    if counts.all():
        return column.levels
    return [column.levels[place] for place in np.flatnonzero(counts)]


def _two_orders(name: str, one: tuple[Level, ...], other: tuple[Level, ...], row: int) -> DataError:
    orders = [" < ".join(str(level) for level in levels[:6]) for levels in (one, other)]
    return DataError(
        f"Column '{name}' has two orders of its levels: {orders[0]}, and from row {row:,} on {orders[1]}. "
        "Declare one."
    )


class Marks:
    """One number for each column: its sum of bits times odd numbers of the row, modulo 2^64.

    Source: multilinear hashing, Carter & Wegman (1979).
    """

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}
        self._odd = np.empty(0, dtype=np.uint64)  # numbers of the rows of a block that begins with row 0

    def add(self, frame: Frame, names: Sequence[str]) -> None:
        """Take in a whole block."""
        if len(self._odd) < frame.rows:
            self._odd = np.arange(frame.rows, dtype=np.uint64) * np.uint64(STEP) + np.uint64(START)
        odd, shift = self._odd[: frame.rows], frame.run.start * STEP
        for name in names:
            bits = _bits(frame, name)
            if bits is not None:
                part = int(bits @ odd) + shift * int(bits.sum())
                self.sums[name] = (self.sums.get(name, 0) + part) % 2**64

    def compare(self, known: dict[str, int], text: str) -> None:
        """Note the marks of a whole pass.

        Raises
        ------
        DataError : a column has another mark than in a pass before.
        """
        for name, total in self.sums.items():
            if known.setdefault(name, total) != total:
                raise DataError(
                    f"{text} gave other rows, or other values, when it was read again: see column '{name}'. "
                    "Give its rows a fixed order, or write it to a Parquet file first."
                )


def _bits(frame: Frame, name: str) -> NDArray[np.uint64] | None:
    if frame.kind(name) == "time":
        return None
    values: Any = frame[name]
    if isinstance(values, np.ndarray):
        exact = values.astype(np.uint64) if values.dtype == np.bool_ else np.ascontiguousarray(values)
        return exact.view(np.uint64)
    return values.codes.astype(np.int64).view(np.uint64)
