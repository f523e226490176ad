"""The last rows of a file, kept decoded while a fit lasts, so that a pass decodes only those before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glmstat.data.cut import Piece

__all__ = ["Gathered", "Tail"]


@dataclass(frozen=True, eq=False)
class Tail:
    """The last pieces of the data.

    Parameters
    ----------
    names : the columns that they hold.
    first : source row number of their first row.
    """

    names: frozenset[str]
    first: int
    pieces: tuple[Piece, ...]

    def serves(self, columns: Iterable[str]) -> bool:
        """Return whether they hold some columns."""
        return self.names.issuperset(columns)


class Gathered:
    """The last pieces of a pass, as far as there is room.

    Parameters
    ----------
    names : the columns that it reads.
    room : bytes that they may take.
    rows : number of rows of the data, where it is known: then none is kept that would have to go again.
    """

    def __init__(self, names: Sequence[str], room: float, rows: int | None) -> None:
        self.names = frozenset(names)
        self.room, self.rows = room, rows
        self.kept: deque[tuple[Piece, int]] = deque()
        self.size, self.row_bytes = 0, 0.0

    def add(self, piece: Piece, first: int) -> None:
        """Take in a copy of the next piece, whose first row has a source row number."""
        copied = getattr(piece, "copied", None)
        if copied is None or not self._lasts(piece, first):
            self.kept.clear()
            self.size = 0
            return
        own, size = copied()
        self.row_bytes = max(self.row_bytes, size / max(piece.rows, 1))
        self.kept.append((own, size))
        self.size += size
        while self.size > self.room:
            self.size -= self.kept.popleft()[1]

    def _lasts(self, piece: Piece, first: int) -> bool:
        """Whether a piece will still be kept at the end, if the rows after it are like those before."""
        if self.rows is None:
            return True
        least = self.row_bytes or 8.0 * len(self.names)
        return least * (self.rows - first) <= self.room

    def tail(self, rows: int) -> Tail | None:
        """Return what was kept of so many rows; None where that is nothing."""
        pieces = tuple(piece for piece, _ in self.kept)
        return Tail(self.names, rows - sum(piece.rows for piece in pieces), pieces) if pieces else None
