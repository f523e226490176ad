"""A block of rows with further columns, given as arrays of all rows, beside its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from glmstat.data.columns import Column
from glmstat.data.cut import Part
from glmstat.data.frame import Frame, Holder

__all__ = ["with_columns"]


def with_columns(frame: Frame, columns: Mapping[str, Column]) -> Frame:
    """Return the same rows with further columns; those hide columns of the same name.

    Parameters
    ----------
    frame : some rows of a block.
    columns : of all rows of the data (n,), by name.

    >>> import numpy as np
    >>> from glmstat.data.columns import Numbers
    >>> from glmstat.data.source import open_source
    >>> block = next(iter(open_source({"x": [1, 2, 3]}).frames()))
    >>> with_columns(block, {"z": Numbers(np.array([4.0, 5.0, 6.0]))}).take(np.array([2]))["z"]
    array([6.])
    """
    if not columns:
        return frame
    return replace(frame, holder=_Beside(frame.holder, columns, frame.first), _read={})


@dataclass(frozen=True, eq=False)
class _Beside:
    """What a block holds, and columns of all rows.

    Parameters
    ----------
    first : source row number of the block's first row.
    """

    holder: Holder
    columns: Mapping[str, Column]
    first: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(dict.fromkeys((*self.holder.names, *self.columns)))

    @property
    def rows(self) -> int:
        """Number of rows held."""
        return self.holder.rows

    def __contains__(self, name: object) -> bool:
        return name in self.columns or name in self.holder

    def column(self, name: str) -> Column:
        """Return a column of the block."""
        if name not in self.columns:
            return self.holder.column(name)
        return Part(self.columns[name], self.first, self.first + self.rows)
