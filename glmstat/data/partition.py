"""Partitions of a Dask data frame, where they lie: what each holds, and its share of a pass."""

from __future__ import annotations

import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from glmstat.data.columns import Booleans, Column, Kind, Level, Levels, Numbers
from glmstat.data.cut import CutRows, NotRead, missing_column
from glmstat.data.frame import Frame
from glmstat.data.known import START, STEP
from glmstat.data.reader import read_pandas
from glmstat.data.reduce import Addable, single_blas_thread, sum_of_some, tree_sum
from glmstat.errors import DataError, DependencyError, GlmstatError

__all__ = [
    "FACTORS",
    "Found",
    "Look",
    "Parcel",
    "Partition",
    "Pass",
    "Place",
    "Share",
    "Stop",
    "Survey",
    "add",
    "changed",
    "check_columns",
    "cut",
    "work_on",
]

FACTORS: tuple[Kind, Kind] = ("categorical", "ordered")


class Place(NamedTuple):
    """Where a partition stands: its number, first row, rows, and how many blocks lie before it.

    Of partitions that were not counted yet, only the number is known.
    """

    number: int
    first: int = 0
    rows: int = -1
    block: int = 0

    @property
    def text(self) -> str:
        """The place in words."""
        rows = "no rows" if not self.rows else f"rows {self.first:,} to {self.first + self.rows - 1:,}"
        return f"partition {self.number:,}" + (f" ({rows})" if self.rows >= 0 else "")

    def changed(self, what: str, rows: int) -> DataError:
        """Return the error of a partition that came with another number of rows."""
        return changed(what, f"partition {self.number:,} has {rows:,} rows, had {self.rows:,}")


class Partition:
    """Rows of one partition; a column is made when it is first asked for.

    Parameters
    ----------
    data : pandas DataFrame.
    labels : label of each column that is read, by name.
    place : where the partition stands.
    kinds, levels : what the columns hold in all partitions, as far as that is known.
    """

    def __init__(
        self,
        data: Any,
        labels: Mapping[str, Any],
        place: Place,
        kinds: Mapping[str, Kind] | None = None,
        levels: Mapping[str, tuple[Level, ...]] | None = None,
    ) -> None:
        self.data = data
        self.labels = labels
        self.place = place
        self.kinds = kinds or {}
        self.levels = levels or {}
        self.names = tuple(labels)
        self.rows = len(data)
        self._made: dict[str, Column] = {}

    def column(self, name: str) -> Column:
        """Return a column; its levels are those of all partitions, where they are known.

        Raises
        ------
        DataError : values that are no column, of another kind than in other partitions, or new levels.
        """
        made = self._made.get(name)
        if made is None:
            check_columns({name: self.labels[name]}, self.data.columns, self.place)
            made = read_pandas(self.data[self.labels[name]].values, f"Column '{name}'", self.place.first)
            kind = self.kinds.get(name, made.kind)
            if kind != made.kind:
                made = self._as(kind, made, name)
            if isinstance(made, Levels) and name in self.levels:
                made = _recoded(name, made, self.levels[name])
            self._made[name] = made
        return made

    def declares(self, name: str) -> bool:
        """Return whether the data declare the levels of a column and their order."""
        return hasattr(self.data[self.labels[name]].dtype, "categories")

    def _as(self, kind: Kind, column: Column, name: str) -> Column:
        if kind in FACTORS and isinstance(column, Levels):
            return Levels(column.codes, column.levels, kind == "ordered", column.holes)
        if is_absent(column):
            return missing_column(kind, len(column), f"Column '{name}'")
        raise _mixed(name, column.kind, self.place, kind)


def check_columns(labels: Mapping[str, Any], given: Iterable[Any], place: Place) -> None:
    """Refuse a partition that lacks a column.

    Parameters
    ----------
    labels : label of each column that is read, by name.
    given : labels of those that the partition has.
    place : where it stands.

    Raises
    ------
    DataError : one is not there.
    """
    has = set(given)
    for name, label in labels.items():
        if label not in has:
            raise DataError(
                f"Column '{name}' is not in every partition: {place.text} lacks it. "
                "Add the column, or correct the meta of the Dask data frame."
            )


def _mixed(name: str, found: Kind, place: Place, elsewhere: Kind) -> DataError:
    return DataError(
        f"Column '{name}' is {found} in {place.text}, {elsewhere} elsewhere. "
        "Convert it to one type, or correct the meta of the Dask data frame."
    )


def changed(what: str, how: str) -> DataError:
    """Return the error of data that are not the same in two passes."""
    remedy = "Make its partitions the same every time, or persist() it, and fit again"
    return DataError(f"{what} changed since it was opened: {how}. {remedy}.")


def is_absent(column: Column) -> bool:
    """Return whether no value says what a column holds: one without values, and without declared levels."""
    absent = None if isinstance(column, Levels) else column.missing(0, len(column))
    return not len(column) or (absent is not None and bool(absent.all()))


def _recoded(name: str, column: Levels, known: tuple[Level, ...]) -> Levels:
    """A column whose codes are places among the levels of all partitions."""
    if column.levels == known:
        return column
    code = _codes(known)
    codes = np.array([*(code.get(level, -1) for level in column.levels), -1])[column.codes]
    new = np.flatnonzero((codes < 0) & (column.codes >= 0))
    if len(new):
        level = column.levels[column.codes[new[0]]]
        raise DataError(
            f"Column '{name}' changed since its levels were read: '{level}' is new. Fit the data again."
        )
    return Levels(codes.astype(np.min_scalar_type(-len(known) - 1)), known, column.ordered, column.holes)


@lru_cache(maxsize=16)
def _codes(levels: tuple[Level, ...]) -> Mapping[Level, int]:
    return {level: code for code, level in enumerate(levels)}


@dataclass(frozen=True, eq=False)
class Found:
    """What partitions hold in one column; adds up.

    Parameters
    ----------
    kinds : the first partition of each kind.
    levels : all of them, none twice.
    orders : the orders that categories declare, no more than two; () where text has none.
    wrong : the first partition that cannot be read.
    """

    kinds: Mapping[Kind, int]
    levels: Mapping[Level, None]
    orders: tuple[tuple[Level, ...], ...]
    wrong: int | None = None

    @classmethod
    def of(cls, partition: Partition, name: str) -> Found:
        """Return what one partition holds."""
        try:
            column = partition.column(name)
        except DataError:
            return cls({}, {}, (), partition.place.number)
        if is_absent(column):
            return cls({}, {}, ())
        orders = (column.levels if partition.declares(name) else (),)
        return cls({column.kind: partition.place.number}, dict.fromkeys(column.levels), orders)

    def __add__(self, other: Found) -> Found:
        return Found(
            {**self.kinds, **other.kinds, **self.kinds},  # in the order of the partitions
            {**self.levels, **other.levels},
            tuple(dict.fromkeys(self.orders + other.orders))[:2],
            other.wrong if self.wrong is None else self.wrong,
        )

    def kind(self, declared: Kind | None, name: str, places: Sequence[Place]) -> Kind:
        """Return what the column holds in all partitions; numbers, where no value tells.

        Parameters
        ----------
        declared : what the data frame says, where it says more than objects.
        name : of the column.
        places : of the partitions.

        Raises
        ------
        DataError : the partitions do not agree.
        """
        kinds: list[Kind] = list(self.kinds)
        if not kinds:
            return declared or "numeric"
        if set(kinds) <= set(FACTORS) and declared in (None, *FACTORS):
            return declared or ("ordered" if kinds == ["ordered"] else "categorical")
        most = kinds[0] if declared is None else declared
        for kind in kinds:
            if kind != most:
                raise _mixed(name, kind, places[self.kinds[kind]], most)
        return most

    def order(self, declared: tuple[Level, ...], name: str, *, ordered: bool) -> tuple[Level, ...]:
        """Return the levels: in the order of the data frame or of all partitions, else by code point.

        Parameters
        ----------
        declared : what the data frame says; Dask guesses it from made-up rows where it was not told.
        name : of the column.
        ordered : whether the order has a meaning.

        Raises
        ------
        DataError : an order with a meaning that the partitions do not agree on.
        """
        if declared and self.levels.keys() <= set(declared):
            return declared
        if len(self.orders) == 1 and self.orders[0]:
            return self.orders[0]
        if ordered and self.levels:
            raise DataError(
                f"Column '{name}' is ordered, but its categories differ between partitions. "
                "Give it one order with .astype(pandas.CategoricalDtype([…], ordered=True))."
            )
        return tuple(sorted(self.levels, key=lambda level: (isinstance(level, str), level)))


@dataclass(frozen=True, eq=False)
class Survey:
    """Rows of partitions in their order, and what some columns hold; adds up."""

    rows: tuple[int, ...]
    columns: Mapping[str, Found]

    def __add__(self, other: Survey) -> Survey:
        columns = {name: found + other.columns[name] for name, found in self.columns.items()}
        return Survey(self.rows + other.rows, columns)


@dataclass(frozen=True, eq=False)
class Look:
    """The work of counting the rows of a partition, and of learning what some columns hold."""

    labels: Mapping[str, Any]

    def __call__(self, data: Any, place: Place) -> Survey:
        """Return what one partition tells."""
        partition = Partition(data, self.labels, place)
        check_columns(self.labels, data.columns, place)
        return Survey((len(data),), {name: Found.of(partition, name) for name in self.labels})


@dataclass(frozen=True, eq=False)
class Share:
    """What partitions add to a pass, and by what their columns are known again; adds up."""

    total: Any
    marks: Mapping[str, int]

    def __add__(self, other: Share) -> Share:
        marks = {name: (mark + other.marks[name]) % 2**64 for name, mark in self.marks.items()}
        return Share(sum_of_some([self.total, other.total]), marks)


@dataclass(frozen=True, eq=False)
class Pass:
    """The work of one pass: a sum over the blocks of a partition, which are cut where it lies.

    Parameters
    ----------
    map : what is summed, of a frame and the number of its block.
    names : all columns of the data.
    labels : of those that are read, by name.
    kinds, levels : of these columns, in all rows.
    block_rows : rows of a block.
    what : what messages call the data.
    """

    map: Callable[[Frame, int], Addable | None]
    names: tuple[str, ...]
    labels: Mapping[str, Any]
    kinds: Mapping[str, Kind]
    levels: Mapping[str, tuple[Level, ...]]
    block_rows: int
    what: str

    def __call__(self, data: Any, place: Place) -> Share:
        """Return what one partition adds.

        Raises
        ------
        DataError : it has another number of rows than it had.
        """
        if len(data) != place.rows:
            raise place.changed(self.what, len(data))
        partition = Partition(data, self.labels, place, self.kinds, self.levels)
        with np.errstate(all="ignore"), single_blas_thread():
            blocks = enumerate(cut(partition, self.names, self.levels, self.block_rows), place.block)
            total = sum_of_some(self.map(frame, number) for number, frame in blocks)
        marks = {name: _mark(partition.column(name), place.first) for name in self.labels}
        return Share(total, marks)


def cut(
    partition: Partition, names: tuple[str, ...], levels: Mapping[str, tuple[Level, ...]], block_rows: int
) -> Iterator[Frame]:
    """Yield the blocks of a partition.

    Parameters
    ----------
    names : all columns of the data.
    levels : of the text among those that are read, in all rows.
    """
    for start in range(0, partition.rows, block_rows):
        stop = min(start + block_rows, partition.rows)
        first = partition.place.first + start
        holder = CutRows(names, ((partition, start, stop),), stop - start, levels, {}, first)
        yield Frame(holder, 0, stop - start, first=first)


def _mark(column: Column, first: int) -> int:
    """The part of a column's mark that a partition adds, as in `data.known.Marks`; of times 0."""
    if isinstance(column, Levels):
        known = [zlib.crc32(repr(level).encode()) for level in (*column.levels, None)]
        bits = np.array(known, dtype=np.uint64)[column.codes]
    elif isinstance(column, (Numbers, Booleans)):
        exact = column.data if column.data.dtype.itemsize == 8 else column.data.astype(np.float64)
        bits = np.ascontiguousarray(exact).view(np.uint64)
    else:
        return 0
    odd = np.arange(first, first + len(bits), dtype=np.uint64)
    odd *= np.uint64(STEP)
    odd += np.uint64(START)
    return int(bits @ odd)


@dataclass(frozen=True)
class Parcel:
    """Work as it travels: pickled once, whatever the number of partitions."""

    content: bytes


@lru_cache(maxsize=2)
def _opened(parcel: Parcel) -> Callable[[Any, Place], Any]:
    import cloudpickle

    return cloudpickle.loads(parcel.content)


@dataclass(frozen=True, eq=False)
class Stop:
    """What a partition gives that cannot be worked on; the first one is what is told."""

    error: Exception


def work_on(data: Any, parcel: Parcel, version: str, *place: int) -> Any:
    """Return what one partition gives: a part of the sum, or what stopped it.

    Parameters
    ----------
    data : the partition.
    parcel : the work; it is not opened by another version of glmstat than packed it.
    version : of glmstat where the work comes from.
    place : where the partition stands.
    """
    stop = _other_version(version)
    if stop is not None:
        return stop
    try:
        return _opened(parcel)(data, Place(*place))
    except (GlmstatError, NotRead) as error:
        return Stop(error.with_traceback(None))
    except Exception as error:
        error.add_note(f"In partition {place[0]:,}:\n{traceback.format_exc()}")
        return Stop(error.with_traceback(None))


def add(version: str, *parts: Any) -> Any:
    """Return the sum of what neighbouring partitions give, to the glmstat of a version."""
    stops = (part for part in parts if isinstance(part, Stop))
    return next(stops, None) or _other_version(version) or tree_sum(parts)


def _other_version(version: str) -> Stop | None:
    """What stops work of another version: it would be done by other code, and nobody would know."""
    from glmstat import __version__

    if version == __version__:
        return None
    return Stop(
        DependencyError(
            f"Workers of the Dask cluster run glmstat {__version__}, and this is {version}. "
            "Install the same version on all of them."
        )
    )
