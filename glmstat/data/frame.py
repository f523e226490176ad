"""Named columns of a run of rows: what expressions, designs and kernels see of any data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glmstat.data.columns import BoolArray, Column, IntArray, Kind, Values

__all__ = ["Frame", "Holder"]


class Holder(Protocol):
    """What has columns by name: data in memory, or one block of data that are read piece by piece."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        ...

    @property
    def rows(self) -> int:
        """Number of rows held."""
        ...

    def column(self, name: str) -> Column:
        """Return a column."""
        ...

    def __contains__(self, name: object) -> bool: ...


@dataclass(frozen=True, eq=False)
class Frame:
    """Named columns of a run of rows, or of some rows of a run; a column is read when it is asked for.

    Parameters
    ----------
    holder : where the columns are.
    start, stop : the run, in positions of the holder.
    chosen : positions within the run that are kept, or None for all of them.
    first : source row number of the holder's first row.

    >>> from glmstat.data.source import open_source
    >>> frame = open_source({"x": [1, 2, 3], "f": ["b", "a", "b"]}).frame(1, 3)
    >>> frame["x"], frame["f"].levels, frame.rows
    (array([2., 3.]), ('a', 'b'), 2)
    """

    holder: Holder
    start: int
    stop: int
    chosen: IntArray | None = None
    first: int = 0
    _read: dict[str, Values] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.holder.names

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stop - self.start if self.chosen is None else len(self.chosen)

    @property
    def numbers(self) -> IntArray:
        """Source row numbers (n,) of the rows."""
        run = self.run
        return np.arange(run.start, run.stop) if self.chosen is None else self.chosen + run.start

    @property
    def run(self) -> slice:
        """The run, in source row numbers."""
        return slice(self.first + self.start, self.first + self.stop)

    def kind(self, name: str) -> Kind:
        """Return the kind of a column."""
        return self.holder.column(name).kind

    def __contains__(self, name: object) -> bool:
        return name in self.holder

    def __getitem__(self, name: str) -> Values:
        values = self._read.get(name)
        if values is None:
            values = self._pick(self.holder.column(name).values(self.start, self.stop))
            self._read[name] = values
        return values

    def _pick(self, values: Values) -> Values:
        if self.chosen is None:
            return values
        return values.take(self.chosen)

    def missing(self, name: str) -> BoolArray | None:
        """Return where a column's values are missing (n,), or None where all are present."""
        absent = self.holder.column(name).missing(self.start, self.stop)
        if absent is None or self.chosen is None:
            return absent
        absent = absent[self.chosen]
        return absent if absent.any() else None

    def take(self, rows: NDArray[Any]) -> Frame:
        """Return the frame of some rows, given as positions or as a mask."""
        places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        chosen = places if self.chosen is None else self.chosen[places]
        return Frame(self.holder, self.start, self.stop, chosen, self.first)
