"""Data that are read piece by piece, as often as a fit passes over them; no row is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np

from glmstat.data.columns import Column, Kind, Level
from glmstat.data.cut import CutRows, Loader, NoRows, NotRead, Piece
from glmstat.data.frame import Frame
from glmstat.data.known import FoundLevels, Marks
from glmstat.data.reduce import Addable, Tree, run_tasks
from glmstat.data.source import BLOCK_ROWS, MemorySource, no_column, numbered
from glmstat.data.tail import Gathered, Tail
from glmstat.errors import DataError
from glmstat.table import Library, Native, row_labels

__all__ = ["Reader", "StreamSource"]

S = TypeVar("S", bound=Addable)
TEXT = ("categorical", "ordered")
_THREADS = 4  # of a pass that nobody set: more would hold blocks and wait for those two that decode


class Reader(Protocol):
    """Where pieces of data come from: a file, a folder of files, a query, a function that yields batches."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        ...

    @property
    def rows(self) -> int | None:
        """Number of rows, where it is known without reading them."""
        ...

    @property
    def library(self) -> Library:
        """Library that results come back in."""
        ...

    @property
    def text(self) -> str:
        """What messages call the data: "claims.parquet"."""
        ...

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        ...

    def declared(self, name: str) -> tuple[Level, ...] | None:
        """Return the levels that the data declare for a column, in their order, or None."""
        ...

    def pieces(self, columns: Sequence[str], workers: int = 1) -> Iterator[Piece]:
        """Yield the rows in order, in pieces of any length that hold these columns.

        Parameters
        ----------
        columns : no others need be read.
        workers : threads of the pass; 1 decodes in the caller's.
        """
        ...

    def stamp(self) -> Hashable:
        """Return what changes when the data do: sizes and times of files.

        None where nothing can tell; then the values of each pass are compared with those of passes before.
        """
        ...


class StreamSource:
    """Rows that are read again in every pass.

    Parameters
    ----------
    reader : where they come from.
    beside : further columns (n,) in memory, by name.
    hidden : names that are as if they were not there.
    least : fewest rows that there may be.

    Raises
    ------
    DataError : there are fewer rows.
    """

    held = False

    def __init__(
        self,
        reader: Reader,
        beside: Mapping[str, Column] | None = None,
        hidden: frozenset[str] = frozenset(),
        least: int = 1,
    ) -> None:
        self.reader = reader
        self.beside = beside or {}
        own = tuple(name for name in reader.names if name not in hidden and name not in self.beside)
        self.names = (*own, *self.beside)
        self.hidden = hidden
        self.native = Native(reader.library)
        self.least = least
        self.known = _Known(None, reader.stamp())
        if reader.rows is not None:
            self._count(reader.rows)
        self._known_names = frozenset(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._known_names

    @property
    def rows(self) -> int:
        """Number of rows; counted in a pass where the data do not tell."""
        if self.known.rows is None:
            self._learn(())
        assert self.known.rows is not None
        return self.known.rows

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        if name in self.beside:
            return self.beside[name].kind
        if name not in self:
            raise no_column(name, self.names)
        return self.reader.kind(name)

    def levels(self, name: str) -> tuple[Level, ...]:
        """Return the levels of a column, of all rows: in the order the data declare, text by code point."""
        if name in self.beside:
            return self.beside[name].levels
        if self.kind(name) not in TEXT:
            return (False, True) if self.kind(name) == "boolean" else ()
        self._prepare([name])
        return self.known.levels[name]

    def joined(self, columns: Mapping[str, Column]) -> StreamSource:
        """Return the source with further columns (n,) beside its own."""
        return self._changed({**self.beside, **columns}, self.hidden) if columns else self

    def without(self, names: Iterable[str]) -> StreamSource:
        """Return the source without some columns."""
        hidden = frozenset(names)
        return self if hidden.isdisjoint(self.names) else self._changed(self.beside, self.hidden | hidden)

    def _changed(self, beside: Mapping[str, Column], hidden: frozenset[str]) -> StreamSource:
        other = StreamSource(self.reader, beside, hidden, self.least)
        other.known = self.known
        return other

    def align_column(self, value: Any, what: str) -> Column:
        """Return an argument given as an array, one value per row, as a column.

        A pandas Series needs the numbers of the rows as its labels, for the rows have no others.
        """
        return numbered(value, what, self.rows)

    def collect(self, names: Iterable[str]) -> MemorySource:
        """Return the data as those in memory; columns beside `names` are read when they are asked for."""
        wanted = [name for name in names if name in self]
        native = replace(
            self.native, index=row_labels(self.rows) if self.native.library == "pandas" else None
        )
        return MemorySource(self.names, self.rows, Loader(self, self.whole(wanted)), native, self)

    def whole(self, names: Sequence[str]) -> CutRows:
        """Return all rows of some columns, in memory."""
        frames = list(self.frames(names, block_rows=max(self.rows, 1)))
        holder = frames[0].holder if frames else self._empty(names)
        assert isinstance(holder, CutRows)
        return holder

    def _empty(self, names: Sequence[str]) -> CutRows:
        piece = NoRows({name: self.reader.kind(name) for name in names if name not in self.beside})
        return CutRows(self.names, ((piece, 0, 0),), 0, self.known.levels, self.beside, 0)

    def frames(
        self, columns: Sequence[str] = (), *, block_rows: int = BLOCK_ROWS, workers: int = 1, skip: int = 0
    ) -> Generator[Frame]:
        """Yield the blocks in the order of their rows, with these columns.

        Parameters
        ----------
        skip : rows of the first blocks, whose columns nobody asks for; they need not be read.

        Raises
        ------
        DataError : the data changed since they were opened, or since the pass before.
        """
        own = [name for name in columns if name not in self.beside]
        self._prepare(own)
        self._check_stamp()
        if self.known.stamp is not None:
            yield from self._cut(own, block_rows, workers, skip)
            self._check_stamp()
            return
        marks = Marks()
        for frame in self._cut(own, block_rows, workers):
            marks.add(frame, own)
            yield frame
        marks.compare(self.known.marks, self.reader.text)

    def _cut(self, own: Sequence[str], block_rows: int, workers: int, skip: int = 0) -> Generator[Frame]:
        first, waiting, held = 0, [], 0
        with closing(self._pieces(own, workers, skip)) as pieces:
            for piece, rows in pieces:
                start = 0
                while start < rows:
                    stop = min(start + block_rows - held, rows)
                    waiting.append((piece, start, stop))
                    held, start = held + stop - start, stop
                    if held == block_rows:
                        yield self._frame(waiting, first, held)
                        first, waiting, held = first + held, [], 0
        if held:
            yield self._frame(waiting, first, held)
        self._count(first + held)

    def _pieces(self, own: Sequence[str], workers: int, skip: int) -> Generator[tuple[Piece, int]]:
        """Yield the pieces of a pass, and how many of their rows are wanted: kept ones may follow sooner."""
        known, done = self.known, 0
        tail = known.tail if known.tail is not None and own and known.tail.serves(own) else None
        room = 0.0 if tail is not None or not known.stamp or not own else known.room
        if room:
            known.tail = None  # before another one is gathered
        gathered = Gathered(own, room, known.rows)
        end = inf if tail is None else tail.first
        if end:
            with closing(self._read(own, workers, skip)) as read:
                for piece in read:
                    rows = int(min(piece.rows, end - done))
                    if room:
                        gathered.add(piece, done)
                    yield piece, rows
                    done += rows
                    if done == end:
                        break
        if tail is None:
            known.tail = gathered.tail(done) if room else known.tail
        elif done < end:
            self._count(done)
        else:
            yield from ((piece, piece.rows) for piece in tail.pieces)

    def _read(self, own: Sequence[str], workers: int, skip: int) -> Generator[Piece]:
        after = getattr(self.reader, "pieces_after", None) if skip else None
        yield from self.reader.pieces(own, workers) if after is None else after(own, skip, workers)

    def keep(self, room: float) -> None:
        """Keep the last rows that a pass decodes for those after it; 0 keeps none, and drops what there is.

        Only rows of which a stamp tells whether they changed are kept.

        Parameters
        ----------
        room : bytes that they may take.
        """
        self.known.room = room
        if not room:
            self.known.tail = None

    def _frame(self, parts: list[tuple[Piece, int, int]], first: int, rows: int) -> Frame:
        holder = CutRows(self.names, tuple(parts), rows, self.known.levels, self.beside, first)
        return Frame(holder, 0, rows, first=first)

    def map_reduce(
        self,
        map: Callable[[Frame, int], S | None],
        columns: Sequence[str] = (),
        *,
        block_rows: int = BLOCK_ROWS,
        workers: int | None = 1,
        tree: Tree[S] | None = None,
    ) -> S | None:
        """Return the sum of `map(frame, number)` over blocks of rows, as every `Source` does.

        Parameters
        ----------
        tree : holds the sum of the first blocks, as many as it counts, and takes in the others.
        """
        wanted = list(dict.fromkeys(columns))
        threads, tree = workers or min(os.cpu_count() or 1, _THREADS), Tree() if tree is None else tree
        while True:
            try:
                done = tree.count * block_rows
                with closing(
                    self.frames(wanted, block_rows=block_rows, workers=threads, skip=done)
                ) as frames:
                    left = islice(enumerate(frames), tree.count, None)
                    return run_tasks(_numbered(map), left, threads, tree)
            except NotRead as unread:
                wanted.append(unread.name)

    def _prepare(self, names: Iterable[str]) -> None:
        """Learn the levels of the text among some columns, in one pass."""
        new = []
        for name in names:
            if name in self.known.levels or self.kind(name) not in TEXT:
                continue
            declared = self.reader.declared(name)
            if declared is None:
                new.append(name)
            else:
                self.known.levels[name] = declared
        if new:
            self._learn(tuple(new))

    def _learn(self, names: tuple[str, ...]) -> None:
        """One pass over some columns of text, for their levels and the number of rows."""
        with self.known.lock:
            self._check_stamp()
            found = {name: FoundLevels(name) for name in names}
            rows = 0
            for piece in self.reader.pieces(names):
                for name in names:
                    found[name].add(piece, rows)
                rows += piece.rows
            self._count(rows)
            self.known.levels.update({name: levels.ordered for name, levels in found.items()})

    def _count(self, rows: int) -> None:
        """Note the number of rows; the same in every pass."""
        if self.known.rows is not None and self.known.rows != rows:
            raise DataError(
                f"{self.reader.text} changed since it was opened: it has {rows:,} rows, had "
                f"{self.known.rows:,}. Open and fit it again."
            )
        if rows < self.least:
            raise DataError(f"{self.reader.text} has no rows. Check how it was filtered.")
        self.known.rows = rows

    def _check_stamp(self) -> None:
        if self.reader.stamp() != self.known.stamp:
            raise DataError(
                f"{self.reader.text} changed since it was opened. Fit it again; or take fit.with_data(path), "
                "which compares the values."
            )


@dataclass(eq=False)
class _Known:
    """What passes have told: shared by all views of the same data."""

    rows: int | None
    stamp: Hashable

    def __post_init__(self) -> None:
        self.levels: dict[str, tuple[Level, ...]] = {}
        self.marks: dict[str, int] = {}
        self.room = 0.0
        self.tail: Tail | None = None
        self.lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        kept = {word: value for word, value in self.__dict__.items() if word != "lock"}
        return {**kept, "room": 0.0, "tail": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.lock = Lock()


def _numbered(map: Callable[[Frame, int], S | None]) -> Callable[[tuple[int, Frame]], S | None]:
    def one(task: tuple[int, Frame]) -> S | None:
        with np.errstate(all="ignore"):
            return map(task[1], task[0])

    return one
