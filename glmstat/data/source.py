"""Data in any common form, opened once: names, kinds, rows, and frames of named columns by run of rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from glmstat.data.columns import Array, BoolArray, Categorical, Column, IntArray, Kind, Level, Values
from glmstat.data.reader import count_values, read_pandas, read_series, read_values
from glmstat.data.reduce import Addable, run_blocks
from glmstat.errors import ColumnError, DataError, near
from glmstat.table import Library, Native

__all__ = [
    "Array",
    "BoolArray",
    "Categorical",
    "Frame",
    "IntArray",
    "Kind",
    "Level",
    "MemorySource",
    "Source",
    "Values",
    "open_source",
]

S = TypeVar("S", bound=Addable)
_ONE_EACH = "Give one value per row"
BLOCK_ROWS = 65_536  # few enough to share among threads, enough that Python costs nothing


class Source(Protocol):
    """Rows in a fixed order that can be read again and again, wherever they are kept."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        ...

    @property
    def rows(self) -> int | None:
        """Number of rows, where it is known before a pass."""
        ...

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        ...

    def map_reduce(
        self, map: Callable[[Frame, int], S], *, block_rows: int = ..., workers: int | None = ...
    ) -> S:
        """Return the sum of `map(frame, number)` over blocks of rows, in the fixed tree of `data.reduce`."""
        ...


@dataclass(frozen=True, eq=False)
class Frame:
    """Named columns of a run of rows, or of some rows of a run; a column is read when it is asked for.

    Parameters
    ----------
    source : where the columns are.
    start, stop : the run, in positions of the data as given.
    chosen : positions within the run that are kept, or None for all of them.

    >>> frame = open_source({"x": [1, 2, 3], "f": ["b", "a", "b"]}).frame(1, 3)
    >>> frame["x"], frame["f"].levels, frame.rows
    (array([2., 3.]), ('a', 'b'), 2)
    """

    source: MemorySource
    start: int
    stop: int
    chosen: IntArray | None = None
    _read: dict[str, Values] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.source.names

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stop - self.start if self.chosen is None else len(self.chosen)

    @property
    def numbers(self) -> IntArray:
        """Source row numbers (n,) of the rows."""
        return np.arange(self.start, self.stop) if self.chosen is None else self.chosen + self.start

    def kind(self, name: str) -> Kind:
        """Return the kind of a column."""
        return self.source.column(name).kind

    def __contains__(self, name: object) -> bool:
        return name in self.source

    def __getitem__(self, name: str) -> Values:
        values = self._read.get(name)
        if values is None:
            values = self._pick(self.source.column(name).values(self.start, self.stop))
            self._read[name] = values
        return values

    def _pick(self, values: Values) -> Values:
        if self.chosen is None:
            return values
        return values.take(self.chosen)

    def missing(self, name: str) -> BoolArray | None:
        """Return where a column's values are missing (n,), or None where all are present."""
        absent = self.source.column(name).missing(self.start, self.stop)
        if absent is None or self.chosen is None:
            return absent
        absent = absent[self.chosen]
        return absent if absent.any() else None

    def take(self, rows: NDArray[Any]) -> Frame:
        """Return the frame of some rows, given as positions or as a mask."""
        places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        chosen = places if self.chosen is None else self.chosen[places]
        return Frame(self.source, self.start, self.stop, chosen)


class MemorySource:
    """Data held in memory, read in place.

    Made by `open_source`. A column is looked at when it is first asked for, and its kind and levels are kept.
    """

    def __init__(
        self, names: tuple[str, ...], rows: int, read: Callable[[str], Column], native: Native
    ) -> None:
        self.names = names
        self.rows = rows
        self.native = native
        self._read = read
        self._known = frozenset(names)
        self._columns: dict[str, Column] = {}

    @property
    def index(self) -> Any:
        """The caller's pandas Index, or None."""
        return self.native.index

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def column(self, name: str) -> Column:
        """Return a column.

        Raises
        ------
        ColumnError : the data have no such column.
        DataError : its values are no column: text among numbers, complex numbers, nested values.
        """
        column = self._columns.get(name)
        if column is None:
            if name not in self._known:
                raise _no_column(name, self.names)
            column = self._columns[name] = self._read(name)
        return column

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        return self.column(name).kind

    def levels(self, name: str) -> tuple[Level, ...]:
        """Return the levels of a column in the order its library declares; text by code point."""
        return self.column(name).levels

    def frame(self, start: int = 0, stop: int | None = None) -> Frame:
        """Return rows start:stop."""
        return Frame(self, start, self.rows if stop is None else min(stop, self.rows))

    def map_reduce(
        self, map: Callable[[Frame, int], S], *, block_rows: int = BLOCK_ROWS, workers: int | None = 1
    ) -> S:
        """Return the sum of `map(frame, number)` over blocks of rows.

        Parameters
        ----------
        map : called with each block's frame and number; its results can be added.
        block_rows : rows of a block.
        workers : threads; None uses every core. The result has the same bits for any number.
        """
        count = -(-self.rows // block_rows)

        def one(number: int) -> S:
            return map(self.frame(number * block_rows, (number + 1) * block_rows), number)

        return run_blocks(one, count, workers)

    def align(self, value: Any, what: str) -> Values:
        """Return one value per row for an argument given as an array, a series or a list.

        Parameters
        ----------
        value : (n,) values; a pandas Series is put in the order of the data's index.
        what : name of the argument, for messages.

        Returns
        -------
        float64 (n,), bool (n,) (missing reads as False) or Categorical.

        Raises
        ------
        DataError : a scalar, another length, or an index with other labels.
        """
        return self.align_column(value, what).values(0, self.rows)

    def align_column(self, value: Any, what: str) -> Column:
        """Return what `align` returns, as a column: with its kind and its missing values."""
        rows = count_values(value, what)
        if rows != self.rows:
            raise DataError(
                f"Length of {what} differs from data: {rows} values, {self.rows} rows. {_ONE_EACH}."
            )
        return read_values(_on_index(value, self.index, what), what)


def _on_index(value: Any, index: Any, what: str) -> Any:
    if index is None or not _is_pandas_series(value) or index.equals(value.index):
        return value
    return value.reindex(_same_labels(index, value.index, what))


def _same_labels(wanted: Any, given: Any, what: str) -> Any:
    remedy = f"Align it with the data first, or pass {what}.to_numpy()"
    if not (wanted.is_unique and given.is_unique):
        raise DataError(f"Index of {what} differs from the index of data, and labels repeat. {remedy}.")
    foreign = given.difference(wanted)
    if len(foreign):
        shown = ", ".join(repr(label) for label in foreign[:3].tolist())
        where = f"{len(foreign)} labels are not in data ({shown})"
        raise DataError(f"Index of {what} differs from the index of data: {where}. {remedy}.")
    return wanted


def open_source(data: Any, what: str = "data", *, least: int = 1) -> MemorySource:
    """Return the data as a source of rows, without copying them.

    Parameters
    ----------
    data : pandas or Polars DataFrame, Polars LazyFrame (collected), pyarrow Table, DuckDB relation, or a
        mapping from names to arrays, series or lists of one length.
    what : what messages call it.
    least : fewest rows that it may have; new data may have none.

    Returns
    -------
    MemorySource; float64 columns are served as views of the caller's memory.

    Raises
    ------
    DataError : anything else, too few rows, names that repeat, columns of different lengths.

    >>> source = open_source({"y": [0, 2], "f": ["b", "a"]})
    >>> source.names, source.kind("f"), source.levels("f")
    (('y', 'f'), 'categorical', ('a', 'b'))
    """
    source = data if isinstance(data, MemorySource) else _open(data, what)
    if source.rows < least:
        raise DataError(f"{what} has no rows. Check how it was filtered.")
    return source


def _open(data: Any, what: str) -> MemorySource:
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _open_pandas(data)
    if isinstance(data, Mapping):
        return _open_mapping(data)
    return _open_foreign(data, what)


# Readers are classes, not closures, so that a fit that keeps its data can be pickled.
@dataclass(frozen=True, eq=False)
class _PandasReader:
    data: Any
    places: Mapping[str, int]

    def __call__(self, name: str) -> Column:
        # A Series costs 8 µs, the array behind it 0.4: worth it in a fit of 1 ms.
        array = getattr(self.data, "_get_column_array", None)
        place = self.places[name]
        return read_pandas(array(place) if array else self.data.iloc[:, place].values, _label(name))


@dataclass(frozen=True, eq=False)
class _MappingReader:
    columns: Mapping[str, Any]
    index: Any

    def __call__(self, name: str) -> Column:
        return read_values(_on_index(self.columns[name], self.index, _label(name)), _label(name))


@dataclass(frozen=True, eq=False)
class _SeriesReader:
    columns: Mapping[str, Any]
    declared: Mapping[str, Any]

    def __call__(self, name: str) -> Column:
        return read_series(self.columns[name], _label(name), self.declared.get(name))


def _open_pandas(data: Any) -> MemorySource:
    names = _unique(data.columns.tolist())
    places = {name: place for place, name in enumerate(names)}
    data = data.copy(deep=False)  # what the caller does to the frame later is none of the source's business
    return MemorySource(names, len(data), _PandasReader(data, places), Native("pandas", data.index))


def _open_mapping(data: Mapping[Any, Any]) -> MemorySource:
    names = _unique(list(data))
    columns = dict(zip(names, data.values(), strict=True))
    lengths = {name: count_values(values, _label(name)) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"Columns differ in length: {listed}. {_ONE_EACH}.")
    indexes = (values.index for values in columns.values() if _is_pandas_series(values))
    index = next(indexes, None)
    rows = next(iter(lengths.values()), 0)
    return MemorySource(names, rows, _MappingReader(columns, index), Native("pandas", index))


def _open_foreign(data: Any, what: str) -> MemorySource:
    import narwhals.stable.v2 as nw

    opened: Any = nw.from_native(data, pass_through=True)
    if not isinstance(opened, (nw.DataFrame, nw.LazyFrame)):
        found = f"got {type(data).__name__}"
        raise DataError(
            f"{what} must be a data frame or a mapping of arrays: {found}. Convert or read it first."
        )
    schema = opened.collect_schema()
    table = opened.collect() if isinstance(opened, nw.LazyFrame) else opened
    native = table.to_native()
    if type(native).__module__.partition(".")[0] == "pandas":
        return _open_pandas(native)
    names = _unique(table.columns)
    columns = {name: native[name] for name in names}
    declared = {name: kind.categories for name, kind in schema.items() if isinstance(kind, nw.Enum)}
    root = type(data).__module__.partition(".")[0]
    library: Library = root if root in ("polars", "pyarrow") else "pandas"
    return MemorySource(names, len(table), _SeriesReader(columns, declared), Native(library))


def _label(name: str) -> str:
    return f"Column '{name}'"


def _is_pandas_series(column: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(column, pandas.Series)


def _unique(labels: list[Any]) -> tuple[str, ...]:
    names = tuple([str(label) for label in labels])
    if len(set(names)) < len(names):
        repeated = ", ".join(sorted({name for name in names if names.count(name) > 1}))
        raise DataError(f"Column names repeat in data: {repeated}. Rename or drop the copies.")
    return names


def _no_column(name: str, names: tuple[str, ...]) -> ColumnError:
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return ColumnError(f"No column '{name}' in data: columns are {shown}.{near(name, names)}")
