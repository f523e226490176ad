"""Data in any common form, opened once: names, kinds, rows, and frames of named columns by run of rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from glmstat.data.columns import Array, BoolArray, Categorical, Column, IntArray, Kind, Level, Values
from glmstat.data.frame import Frame
from glmstat.data.reader import count_values, read_pandas, read_series, read_values
from glmstat.data.reduce import Addable, Tree, run_blocks
from glmstat.errors import ColumnError, DataError, near
from glmstat.table import Library, Native, row_labels

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
    "aligned",
    "no_column",
    "numbered",
    "open_memory",
    "open_source",
    "unique_names",
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
    def rows(self) -> int:
        """Number of rows; a pass may be needed to count them."""
        ...

    @property
    def native(self) -> Native:
        """Library and labels of the caller's data."""
        ...

    @property
    def held(self) -> bool:
        """Whether the rows are in memory, so that any of them can be read in any order."""
        ...

    def __contains__(self, name: object) -> bool: ...

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        ...

    def levels(self, name: str) -> tuple[Level, ...]:
        """Return the levels of a text or categorical column, of all rows."""
        ...

    def joined(self, columns: Mapping[str, Column]) -> Source:
        """Return the source with further columns (n,) beside its own."""
        ...

    def without(self, names: Iterable[str]) -> Source:
        """Return the source without some columns."""
        ...

    def align_column(self, value: Any, what: str) -> Column:
        """Return an argument given as an array, one value per row, as a column."""
        ...

    def collect(self, names: Iterable[str]) -> MemorySource:
        """Return the data in memory; columns beside `names` are read when they are asked for."""
        ...

    def frames(self, columns: Sequence[str] = (), *, block_rows: int = ...) -> Iterator[Frame]:
        """Yield the blocks in the order of their rows."""
        ...

    def map_reduce(
        self,
        map: Callable[[Frame, int], S | None],
        columns: Sequence[str] = (),
        *,
        block_rows: int = ...,
        workers: int | None = ...,
    ) -> S | None:
        """Return the sum of `map(frame, number)` over blocks of rows, in the fixed tree of `data.reduce`.

        Parameters
        ----------
        map : without side effects, for it may run anywhere, and again; None where a block adds nothing.
        columns : those it is known to read; others are read too, once it asks for them.
        block_rows : rows of a block.
        workers : threads; None uses every core. The result has the same bits for any number.
        """
        ...


class MemorySource:
    """Data held in memory, read in place.

    Made by `open_source`. A column is looked at when it is first asked for, and its kind and levels are kept.

    Parameters
    ----------
    names, rows : of the data.
    read : gives a column by name.
    native : library and labels of the caller's data.
    origin : where the rows were collected from; it says how arguments given as arrays are matched.
    """

    held = True

    def __init__(
        self,
        names: tuple[str, ...],
        rows: int,
        read: Callable[[str], Column],
        native: Native,
        origin: Source | None = None,
    ) -> None:
        self.origin = origin
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
                raise no_column(name, self.names)
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

    def frames(self, columns: Sequence[str] = (), *, block_rows: int = BLOCK_ROWS) -> Iterator[Frame]:
        """Yield the blocks in the order of their rows; `columns` need not be told of data in memory."""
        return (self.frame(start, start + block_rows) for start in range(0, self.rows, block_rows))

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

        def one(number: int) -> S | None:
            return map(self.frame(number * block_rows, (number + 1) * block_rows), number)

        return run_blocks(one, -(-self.rows // block_rows), workers, tree)

    def collect(self, names: Iterable[str]) -> MemorySource:
        """Return the source: it is in memory."""
        return self

    def joined(self, columns: Mapping[str, Column]) -> MemorySource:
        """Return the source with further columns (n,) beside its own."""
        if not columns:
            return self
        read = _Join(self, columns)
        return MemorySource((*self.names, *columns), self.rows, read, self.native, self.origin)

    def without(self, names: Iterable[str]) -> MemorySource:
        """Return the source without some columns."""
        hidden = frozenset(names)
        if hidden.isdisjoint(self.names):
            return self
        left = tuple(name for name in self.names if name not in hidden)
        return MemorySource(left, self.rows, self.column, self.native, self.origin)

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
        if self.origin is not None:
            return self.origin.align_column(value, what)
        return aligned(value, what, self.rows, self.index)


def aligned(value: Any, what: str, rows: int, index: Any = None) -> Column:
    """Return an argument as a column of `rows` values, in the order of a pandas index.

    Raises
    ------
    DataError : a scalar, another length, or an index with other labels.
    """
    given = count_values(value, what)
    if given != rows:
        raise DataError(f"Length of {what} differs from data: {given} values, {rows} rows. {_ONE_EACH}.")
    return read_values(_on_index(value, index, what), what)


def numbered(value: Any, what: str, rows: int) -> Column:
    """Return an argument as a column of `rows` values, by row number: the rows have no labels.

    Raises
    ------
    DataError : a scalar, another length, or a pandas Series with labels that are not 0 to rows - 1, in order.
    """
    column = aligned(value, what, rows)
    if _is_pandas_series(value) and not value.index.equals(row_labels(rows)):
        shown = ", ".join(repr(label) for label in value.index[:3].tolist())
        raise DataError(
            f"Index of {what} differs from that of the rows: it begins with {shown}, and rows that are read "
            "block by block are numbered from 0. Give a column, or .to_numpy() in the order of the rows."
        )
    return column


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


def open_source(data: Any, what: str = "data", *, least: int = 1, first: int = 0) -> Source:
    """Return the data as a source of rows, without copying them.

    Parameters
    ----------
    data : pandas or Polars DataFrame, pyarrow Table, or a mapping from names to arrays, series or lists of
        one length, read in place; or data that are read block by block: see `glmstat.data.streams`.
    what : what messages call it.
    least : fewest rows that there may be; new data may have none.
    first : number that messages give to the first row of a pandas frame or a mapping.

    Returns
    -------
    Source; float64 columns in memory are served as views of the caller's.

    Raises
    ------
    DataError : anything else, too few rows, names that repeat, columns of different lengths.

    >>> source = open_source({"y": [0, 2], "f": ["b", "a"]})
    >>> source.names, source.kind("f"), source.levels("f")
    (('y', 'f'), 'categorical', ('a', 'b'))
    """
    # Of the type: some objects, such as Dask's delayed ones, claim to have every attribute.
    source = data if hasattr(type(data), "map_reduce") else _open(data, what, least, first)
    if source.held and source.rows < least:
        raise DataError(f"{what} has no rows. Check how it was filtered.")
    return source


def open_memory(data: Any, what: str = "data", *, least: int = 1) -> MemorySource:
    """Return the data as `open_source` does, read into memory where they are not there."""
    source = open_source(data, what, least=least)
    return source if isinstance(source, MemorySource) else source.collect(source.names)


def _open(data: Any, what: str, least: int, first: int) -> Source:
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _open_pandas(data, first)
    if isinstance(data, Mapping):
        return _open_mapping(data, first)
    from glmstat.data.streams import open_stream

    return open_stream(data, what, least) or _open_foreign(data, what)


# Readers are classes, not closures, so that a fit that keeps its data can be pickled.
@dataclass(frozen=True, eq=False)
class _Join:
    source: MemorySource
    columns: Mapping[str, Column]

    def __call__(self, name: str) -> Column:
        return self.columns[name] if name in self.columns else self.source.column(name)


@dataclass(frozen=True, eq=False)
class _PandasReader:
    data: Any
    places: Mapping[str, int]
    first: int

    def __call__(self, name: str) -> Column:
        # A Series costs 8 µs, the array behind it 0.4: worth it in a fit of 1 ms.
        array = getattr(self.data, "_get_column_array", None)
        place = self.places[name]
        values = array(place) if array else self.data.iloc[:, place].values
        return read_pandas(values, _label(name), self.first)


@dataclass(frozen=True, eq=False)
class _MappingReader:
    columns: Mapping[str, Any]
    index: Any
    first: int

    def __call__(self, name: str) -> Column:
        values = _on_index(self.columns[name], self.index, _label(name))
        return read_values(values, _label(name), self.first)


@dataclass(frozen=True, eq=False)
class _SeriesReader:
    columns: Mapping[str, Any]
    declared: Mapping[str, Any]

    def __call__(self, name: str) -> Column:
        return read_series(self.columns[name], _label(name), self.declared.get(name))


def _open_pandas(data: Any, first: int = 0) -> MemorySource:
    names, places = _named(data.columns)
    data = data.copy(deep=False)  # what the caller does to the frame later is none of the source's business
    return MemorySource(names, len(data), _PandasReader(data, places, first), Native("pandas", data.index))


_last: tuple[Any, tuple[str, ...], dict[str, int]] = (None, (), {})


def _named(columns: Any) -> tuple[tuple[str, ...], dict[str, int]]:
    """The names of the columns of a pandas frame and their places; those of the last index are known."""
    global _last
    known = _last
    if known[0] is not columns:
        names = unique_names(columns.tolist())
        _last = known = columns, names, {name: place for place, name in enumerate(names)}
    return known[1], known[2]


def _open_mapping(data: Mapping[Any, Any], first: int) -> MemorySource:
    names = unique_names(list(data))
    columns = dict(zip(names, data.values(), strict=True))
    lengths = {name: count_values(values, _label(name)) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"Columns differ in length: {listed}. {_ONE_EACH}.")
    indexes = (values.index for values in columns.values() if _is_pandas_series(values))
    index = next(indexes, None)
    rows = next(iter(lengths.values()), 0)
    return MemorySource(names, rows, _MappingReader(columns, index, first), Native("pandas", index))


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
    names = unique_names(table.columns)
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


def unique_names(labels: list[Any]) -> tuple[str, ...]:
    """Return labels of columns as text.

    Raises
    ------
    DataError : two columns have one name.
    """
    names = tuple([str(label) for label in labels])
    if len(set(names)) < len(names):
        repeated = ", ".join(sorted({name for name in names if names.count(name) > 1}))
        raise DataError(f"Column names repeat in data: {repeated}. Rename or drop the copies.")
    return names


def no_column(name: str, names: tuple[str, ...]) -> ColumnError:
    """Return the error of a name that the data do not have."""
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return ColumnError(f"No column '{name}' in data: columns are {shown}.{near(name, names)}")
