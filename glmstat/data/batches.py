"""Functions that yield batches, and objects that export an Arrow stream anew each time they are asked."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from inspect import Parameter, signature
from itertools import count
from typing import Any

from glmstat.data.arrow import ArrowPiece, Fields
from glmstat.data.columns import Booleans, Column, Kind, Level, Levels, Numbers, Times
from glmstat.data.cut import Piece, missing_column
from glmstat.data.optional import need, reading
from glmstat.data.source import BLOCK_ROWS, MemorySource, open_source
from glmstat.errors import DataError
from glmstat.table import Library

__all__ = ["BatchReader", "check_callable", "held_or_anew", "read_once"]

HELD = 256e6  # bytes that an object with an Arrow stream may fill in memory before it is asked again
ONCE = 1e9  # bytes that a stream may fill that is known to be read once


class BatchReader:
    """Batches that a function yields, the same ones each time it is called.

    A function may fill one buffer again and again: what a pass keeps of a batch is a copy.

    Parameters
    ----------
    make : returns an iterator of data frames, Arrow tables or record batches, or mappings of arrays.
    text : what messages call it.

    Raises
    ------
    DataError : it returns no iterator, or one without a batch.
    """

    rows: int | None = None

    def __init__(self, make: Callable[[], Any], text: str) -> None:
        self.make = make
        self.text = text
        self._fields: Fields | None = None
        self._kinds: dict[str, Kind] = {}
        first = next(self._batches(), None)
        if first is None:
            raise DataError(f"{text} yields no batch: there are no rows. Check what it reads.")
        self._first: _Batch | None = first
        self.names = first.names
        self.library: Library = first.library

    def _batches(self) -> Iterator[_Batch]:
        with self._noting("when it was called"):
            made = self.make()
        if not hasattr(made, "__iter__") or hasattr(made, "columns") or isinstance(made, (dict, str)):
            found = type(made).__name__
            raise DataError(
                f"{self.text} must return an iterator of batches: it returns {found}. Yield data frames."
            )
        given, first = iter(made), 0
        for number in count():
            with self._noting(f"when batch {number} was asked for"):
                try:
                    one = next(given)
                except StopIteration:
                    return
            batch = self._open(one, number, first)
            first += batch.rows
            yield batch

    @contextmanager
    def _noting(self, when: str) -> Iterator[None]:
        """Say of an error of the user's function where it comes from."""
        try:
            yield
        except Exception as error:
            error.add_note(f"{self.text} raised this {when}: it is read anew in every pass of a fit.")
            raise

    def _open(self, given: Any, number: int, first: int) -> _Batch:
        if type(given).__module__.startswith("pyarrow") and hasattr(given, "schema"):
            if self._fields is None or not self._fields.same(given.schema):
                self._fields = Fields(given.schema)
            return _Batch(ArrowPiece(given, self._fields), frozenset(), "pyarrow", number)
        try:
            source = open_source(given, f"Batch {number} of {self.text}", least=0, first=first)
        except DataError as error:
            raise DataError(f"{error} (Batch {number} of {self.text}.)") from None
        if not isinstance(source, MemorySource):
            raise DataError(f"Batch {number} of {self.text} is not in memory. Yield data frames.")
        return _Batch(source, _declared(given), source.native.library, number)

    def kind(self, name: str) -> Kind:
        """Return what a column holds; that of the first value that there is."""
        kind = self._kinds.get(name)
        if kind is None:
            kind = self._kinds[name] = self._find_kind(name)
        return kind

    def _find_kind(self, name: str) -> Kind:
        for batch in [] if self._first is None else [self._first]:
            if name in batch.names and batch.rows and not _blank(batch.piece.column(name)):
                return batch.piece.column(name).kind
        for batch in self._batches():
            column = self._column(batch, name)
            if batch.rows and not _blank(column):
                return column.kind
        return "numeric"

    def _column(self, batch: _Batch, name: str) -> Column:
        if name not in batch.names:
            raise self._other_columns(batch)
        return batch.piece.column(name)

    def declared(self, name: str) -> tuple[Level, ...] | None:
        """Return None: what is declared is in the batches."""
        return None

    def pieces(self, columns: Sequence[str], workers: int = 1) -> Iterator[Piece]:
        """Yield these columns of the batches in the order of the function, in pieces of a block at most.

        Raises
        ------
        DataError : a batch has other columns than the first had, or a column of another kind.
        """
        kinds: dict[str, Kind] = {name: self.kind(name) for name in columns}
        for batch in self._batches():
            if set(batch.names) != set(self.names):
                raise self._other_columns(batch)
            made = {name: batch.column(name, kind, self.text) for name, kind in kinds.items()}
            for start in range(0, max(batch.rows, 1), BLOCK_ROWS):
                yield _Part(batch, made, start, min(start + BLOCK_ROWS, batch.rows))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_first": None}

    def _other_columns(self, batch: _Batch) -> DataError:
        return DataError(
            f"Batches of {self.text} differ: batch {batch.number} has columns {', '.join(batch.names)}, the "
            f"first had {', '.join(self.names)}. Yield the same columns."
        )

    def stamp(self) -> Hashable:
        """Return None: nothing tells whether the function yields the same rows again."""
        return None


def check_callable(make: Callable[..., Any], text: str) -> None:
    """Refuse a function that cannot be called without arguments.

    Parameters
    ----------
    make : the function.
    text : what messages call it.

    Raises
    ------
    DataError : it needs one.

    >>> check_callable(lambda size=10: iter(()), "Function make")
    """
    try:
        parameters = signature(make).parameters.values()
    except (ValueError, TypeError):  # some that are not written in Python do not tell
        return
    several = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    needed = [one.name for one in parameters if one.default is Parameter.empty and one.kind not in several]
    if needed:
        raise DataError(
            f"{text} needs arguments: {', '.join(needed)}. Give a function without any: lambda: make(…)."
        )


class _Batch:
    def __init__(self, piece: Any, declared: frozenset[str], library: Library, number: int) -> None:
        self.piece = piece
        self.names: tuple[str, ...] = piece.fields.names if isinstance(piece, ArrowPiece) else piece.names
        self.rows: int = piece.rows
        self.declared = declared
        self.library: Library = library
        self.number = number

    def column(self, name: str, kind: Kind, text: str) -> Column:
        """Return a column of a kind; one without a value is of the kind of the others.

        Raises
        ------
        DataError : it is of another kind.
        """
        column = self.piece.column(name)
        if column.kind == kind:
            return column
        if _blank(column):
            return missing_column(kind, self.rows, f"Column '{name}'")
        raise DataError(
            f"Column '{name}' of {text} is {kind} at first, and {column.kind} in batch {self.number}. "
            "Convert it to one type."
        )

    def declares(self, name: str) -> bool:
        """Return whether the order of a column's levels is declared."""
        return self.piece.declares(name) if isinstance(self.piece, ArrowPiece) else name in self.declared


class _Part:
    """Rows start:stop of some columns (n,) of a batch, copied: the next batch may use the same memory."""

    def __init__(self, batch: _Batch, columns: Mapping[str, Column], start: int, stop: int) -> None:
        self.names = tuple(columns)
        self.rows = stop - start
        self._declared = frozenset(name for name in columns if batch.declares(name))
        self._columns = {name: _copied(column, start, stop) for name, column in columns.items()}

    def column(self, name: str) -> Column:
        """Return a column."""
        return self._columns[name]

    def declares(self, name: str) -> bool:
        """Return whether the order of a column's levels is declared."""
        return name in self._declared


def _copied(column: Any, start: int, stop: int) -> Column:
    if isinstance(column, Levels):
        return replace(column, codes=column.codes[start:stop].copy())
    if isinstance(column, Booleans):
        absent = None if column.absent is None else column.absent[start:stop].copy()
        return Booleans(column.data[start:stop].copy(), absent)
    if isinstance(column, Times):
        return Times(column.label, column.raw[start:stop].copy())
    return Numbers(column.data[start:stop].copy())


def _blank(column: Column) -> bool:
    """Whether a column may be of any kind, for it has no value."""
    return isinstance(column, Numbers) and column.data.dtype.kind == "f" and _all_missing(column)


def _all_missing(column: Column) -> bool:
    absent = column.missing(0, len(column))
    return not len(column) or (absent is not None and bool(absent.all()))


def _declared(frame: Any) -> frozenset[str]:
    """Columns of a data frame whose library declares an order of the levels."""
    root, columns = type(frame).__module__.partition(".")[0], getattr(frame, "columns", ())
    if root == "pandas":
        return frozenset(str(name) for name, kind in frame.dtypes.items() if hasattr(kind, "categories"))
    if root == "polars":
        names = zip(columns, frame.dtypes, strict=True)
        return frozenset(name for name, kind in names if str(kind).startswith("Enum"))
    if isinstance(frame, dict):
        kinds = {name: getattr(values, "dtype", None) for name, values in frame.items()}
        return frozenset(str(name) for name, kind in kinds.items() if hasattr(kind, "categories"))
    return frozenset()


_FUNCTION = "Give a function that makes it: lambda: make()."


def read_once(data: Any) -> Any:
    """Return a stream that can be read once as a pyarrow Table.

    Parameters
    ----------
    data : pyarrow RecordBatchReader, not yet read.

    Raises
    ------
    DataError : it fills more than a gigabyte, or it was read before.
    """
    arrow = need("pyarrow", "An Arrow stream")
    with reading("The stream", arrow.ArrowException, remedy="Make it anew"):
        batches, whole = _taken(data, ONCE)
        if not whole:
            raise DataError(f"The stream can be read only once, and fills more than 1 GB. {_FUNCTION}")
        return arrow.Table.from_batches(batches, data.schema)


def held_or_anew(data: Any) -> Any:
    """Return a pyarrow Table of an object with the Arrow C stream, None where it is large and gives it again.

    Raises
    ------
    DataError : it is large, and does not give the same first batch again.
    """
    arrow = need("pyarrow", "An Arrow stream")
    text = f"The {type(data).__name__}"
    with reading(text, arrow.ArrowException, remedy="Make it anew"):
        stream = arrow.RecordBatchReader.from_stream(data)
        batches, whole = _taken(stream, HELD)
        if whole:
            return arrow.Table.from_batches(batches, stream.schema)
        try:
            again = next(iter(arrow.RecordBatchReader.from_stream(data)), None)
        except Exception:  # whatever it raises, it cannot be asked twice
            again = None
    if again is None or not again.equals(batches[0]):
        raise DataError(f"{text} can be read only once, and fills more than 256 MB. {_FUNCTION}")
    return None


def _taken(stream: Any, limit: float) -> tuple[list[Any], bool]:
    """The batches of a stream, and whether they are all: it is left where they fill more than `limit`."""
    batches, size = [], 0
    for batch in stream:
        batches.append(batch)
        size += batch.nbytes
        if size > limit:
            return batches, False
    return batches, True
