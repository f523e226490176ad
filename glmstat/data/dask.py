"""Dask data frames: passes run on the workers, partition by partition; only sums come back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

from glmstat.data.columns import Column, Kind, Level
from glmstat.data.cut import CutRows, Loader, NoRows, NotRead
from glmstat.data.frame import Frame
from glmstat.data.partition import (
    FACTORS,
    Found,
    Look,
    Parcel,
    Partition,
    Pass,
    Place,
    Stop,
    add,
    changed,
    check_columns,
    cut,
    work_on,
)
from glmstat.data.reader import read_pandas
from glmstat.data.reduce import Addable
from glmstat.data.source import BLOCK_ROWS, MemorySource, no_column, unique_names
from glmstat.errors import DataError, DependencyError, GlmstatError
from glmstat.table import Native, row_labels

__all__ = ["DaskSource", "open_dask", "paths_in"]

S = TypeVar("S", bound=Addable)
GRAPHS = 4  # sets of columns whose graph is kept
FEW = 8  # partitions that one task adds up


def open_dask(data: Any, what: str = "data", least: int = 1) -> DaskSource:
    """Return a Dask DataFrame as a source of rows.

    Parameters
    ----------
    data : the data frame; its partitions keep their order, and are cut into blocks where they lie.
    what : what messages call it.
    least : fewest rows that there may be; they are counted when a pass first needs to know.

    Raises
    ------
    DataError : another Dask collection, or names that repeat.

    >>> import pandas, dask.dataframe
    >>> table = pandas.DataFrame({"y": [0.0, 2.0, 1.0], "f": ["b", "a", "c"]})
    >>> source = open_dask(dask.dataframe.from_pandas(table, npartitions=2))
    >>> source.rows, source.kind("y"), source.levels("f")
    (3, 'numeric', ('a', 'b', 'c'))
    """
    form = type(data)  # a delayed object has every attribute, its type has not
    if not (hasattr(form, "to_delayed") and hasattr(form, "dtypes") and data.ndim == 2):
        found = f"got a Dask {type(data).__name__}"
        raise DataError(f"{what} must be a Dask DataFrame: {found}. Convert it with dask.dataframe first.")
    return DaskSource(data, what, least=least)


def paths_in(data: Any) -> list[str]:
    """Return the paths of the Parquet files that a Dask DataFrame reads; of others it does not tell."""
    walk = getattr(getattr(data, "expr", None), "walk", None)
    found: list[str] = []
    for step in () if walk is None else walk():
        path = getattr(step, "path", None) if type(step).__name__.startswith("ReadParquet") else None
        found += path if isinstance(path, list) else [path] if isinstance(path, str) else []
    return found


@dataclass(eq=False)
class _Known:
    """What passes have told: shared by all views of the same data."""

    places: tuple[Place, ...] = ()
    rows: int | None = None
    kinds: dict[str, Kind] = field(default_factory=dict)
    levels: dict[str, tuple[Level, ...]] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    graphs: dict[tuple[str, ...], list[Any]] = field(default_factory=dict)


class DaskSource:
    """Rows in the partitions of a Dask DataFrame, read again in every pass.

    What is pickled of it are names, kinds and levels: work that travels to workers takes no data along.

    Parameters
    ----------
    data : Dask DataFrame.
    what : what messages call it.
    hidden : names that are as if they were not there.
    least : fewest rows that there may be.
    """

    held = False
    native = Native("pandas")

    def __init__(
        self, data: Any, what: str = "data", hidden: frozenset[str] = frozenset(), least: int = 1
    ) -> None:
        self.data = data
        self.what = what
        self.least = least
        self.hidden = hidden
        self.labels = dict(zip(unique_names(list(data.columns)), data.columns, strict=True))
        self.names = tuple(name for name in self.labels if name not in hidden)
        self.known = _Known()

    def __getstate__(self) -> dict[str, Any]:
        known = _Known(rows=self.known.rows, kinds=self.known.kinds, levels=self.known.levels)
        return {**self.__dict__, "data": None, "known": known}

    def __contains__(self, name: object) -> bool:
        return name in self.labels and name not in self.hidden

    @property
    def rows(self) -> int:
        """Number of rows; counted in a pass that reads no column."""
        if self.known.rows is None:
            self._learn([])
        assert self.known.rows is not None
        return self.known.rows

    def kind(self, name: str) -> Kind:
        """Return what a column holds; a pass tells, where the data frame declares no more than objects."""
        if name not in self:
            raise no_column(name, self.names)
        if name not in self.known.kinds:
            declared = _kind(self._here.dtypes[self.labels[name]])
            if declared is None:
                self._learn([name])
            else:
                self.known.kinds[name] = declared
        return self.known.kinds[name]

    def levels(self, name: str) -> tuple[Level, ...]:
        """Return the levels of a column, of all rows: in the order that is declared, text by code point."""
        if self.kind(name) not in FACTORS:
            return (False, True) if self.kind(name) == "boolean" else ()
        if name not in self.known.levels:
            self._prepare([name])
        return self.known.levels[name]

    def joined(self, columns: Mapping[str, Column]) -> DaskSource:
        """Return the source; no column can be put beside those of the partitions.

        Raises
        ------
        DataError : a column is given.
        """
        if columns:
            raise _no_array(next(iter(columns)).rstrip("="))
        return self

    def without(self, names: Iterable[str]) -> DaskSource:
        """Return the source without some columns."""
        hidden = frozenset(names)
        if hidden.isdisjoint(self.names):
            return self
        other = DaskSource(self._here, self.what, self.hidden | hidden, self.least)
        other.known = self.known
        return other

    def align_column(self, value: Any, what: str) -> Column:
        """Refuse an argument given as an array: only a column lies where the rows are.

        Raises
        ------
        DataError : always.
        """
        raise _no_array(what)

    def collect(self, names: Iterable[str]) -> MemorySource:
        """Return the data as those in memory; columns beside `names` are read when they are asked for."""
        wanted = [name for name in names if name in self]
        native = Native(self.native.library, row_labels(self.rows))
        return MemorySource(self.names, self.rows, Loader(self, self.whole(wanted)), native, self)

    def whole(self, names: Sequence[str]) -> CutRows:
        """Return all rows of some columns, in memory."""
        self._prepare(names)
        labels, places = self._labels(names), [place for place in self.known.places if place.rows]
        parts = [(self._partition(labels, place), 0, place.rows) for place in places]
        nothing = NoRows({name: self.kind(name) for name in labels}), 0, 0
        return CutRows(self.names, tuple(parts) or (nothing,), self.rows, self.known.levels, {}, 0)

    def frames(self, columns: Sequence[str] = (), *, block_rows: int = BLOCK_ROWS) -> Generator[Frame]:
        """Yield the blocks in the order of their rows, with these columns; partition by partition."""
        self._prepare(columns)
        labels = self._labels(columns)
        for place in self.known.places:
            if place.rows:
                yield from cut(self._partition(labels, place), self.names, self.known.levels, block_rows)

    def map_reduce(
        self,
        map: Callable[[Frame, int], S | None],
        columns: Sequence[str] = (),
        *,
        block_rows: int = BLOCK_ROWS,
        workers: int | None = 1,
    ) -> S | None:
        """Return the sum of `map(frame, number)` over blocks of rows, as every `Source` does.

        Each partition is summed where it lies, and partitions with their neighbours: the same bits for any
        number of workers, other bits for other partitions. How many work is for Dask to say, not `workers`.
        """
        wanted = list(dict.fromkeys(columns))
        while True:
            try:
                return self._pass(map, wanted, block_rows)
            except NotRead as unread:
                wanted.append(unread.name)

    def _pass(
        self, map: Callable[[Frame, int], S | None], columns: Sequence[str], block_rows: int
    ) -> S | None:
        self._prepare(columns)
        labels = self._labels(columns)
        kinds: dict[str, Kind] = {name: self.kind(name) for name in labels}
        levels = {name: self.known.levels[name] for name in labels if kinds[name] in FACTORS}
        work = Pass(map, self.names, labels, kinds, levels, block_rows, self.what)
        share = self._sum(labels, work, block_rows)
        for name, mark in share.marks.items():
            if self.known.marks.setdefault(name, mark) != mark:
                raise changed(self.what, f"column '{name}' has other values than in the pass before")
        return share.total

    def _labels(self, columns: Iterable[str]) -> dict[str, Any]:
        """Labels of some columns by name, in the order of the data."""
        wanted = set(columns)
        unknown = [name for name in columns if name not in self]
        if unknown:
            raise no_column(unknown[0], self.names)
        return {name: self.labels[name] for name in self.names if name in wanted}

    def _prepare(self, names: Iterable[str]) -> None:
        """Learn the rows of the partitions and what text and objects hold, in one pass."""
        dtypes, labels = self._here.dtypes, self._labels(names)
        kinds = {name: self.known.kinds.get(name) or _kind(dtypes[label]) for name, label in labels.items()}
        new = [name for name, kind in kinds.items() if kind is None or kind in FACTORS]
        new = [name for name in new if name not in self.known.levels]
        if new or not self.known.places:
            self._learn(new)

    def _learn(self, names: Sequence[str]) -> None:
        """One pass over some columns, for what they hold and the rows of each partition."""
        survey = self._sum(self._labels(names), Look(self._labels(names)))
        if self.known.places and survey.rows != tuple(place.rows for place in self.known.places):
            raise changed(self.what, "its partitions have other numbers of rows than in the pass before")
        self._place(survey.rows)
        for name, found in survey.columns.items():
            self._note(name, found)

    def _place(self, lengths: Sequence[int]) -> None:
        if sum(lengths) < self.least:
            raise DataError(f"{self.what} has no rows. Check how it was filtered.")
        places, first = [], 0
        for number, rows in enumerate(lengths):
            places.append(Place(number, first, rows))
            first += rows
        self.known.places, self.known.rows = tuple(places), first

    def _note(self, name: str, found: Found) -> None:
        """Note what a column holds, if its partitions agree."""
        places = self.known.places
        if found.wrong is not None:
            place = places[found.wrong]
            self._partition(self._labels([name]), place).column(name)  # tells in which row
            raise changed(self.what, f"column '{name}' has other values in {place.text}")
        dtype = self._here.dtypes[self.labels[name]]
        kind = found.kind(_kind(dtype), name, places)
        if kind in FACTORS:
            declared = read_pandas(_empty(dtype), name).levels
            self.known.levels[name] = found.order(declared, name, ordered=kind == "ordered")
        self.known.kinds[name] = kind

    @property
    def _here(self) -> Any:
        """The data frame.

        Raises
        ------
        DataError : this is a copy that travelled.
        """
        if self.data is None:
            raise DataError(
                "The Dask data frame did not travel with the work. Ask for it where the data are."
            )
        return self.data

    def _partition(self, labels: Mapping[str, Any], place: Place) -> Partition:
        """Some columns of one partition, brought here."""
        chosen = list(labels.values())
        table = self._computed(lambda: self._here[chosen].partitions[place.number].compute(), labels)
        if len(table) != place.rows:
            raise place.changed(self.what, len(table))
        return Partition(table, labels, place, self.known.kinds, self.known.levels)

    def _computed(self, action: Callable[[], Any], labels: Mapping[str, Any]) -> Any:
        """Return what Dask computes of some columns; one that a partition lacks is named."""
        try:
            return _computed(action)
        except DataError as error:
            if isinstance(error.__cause__, KeyError):
                self._check_columns(labels)
            raise

    def _check_columns(self, labels: Mapping[str, Any]) -> None:
        from dask.base import compute
        from dask.delayed import delayed

        given = [delayed(list)(part) for part in self._here.to_delayed()]
        places = self.known.places or [Place(number) for number in range(len(given))]
        for place, columns in zip(places, _computed(lambda: compute(*given)), strict=True):
            check_columns(labels, columns, place)

    def _sum(self, labels: Mapping[str, Any], work: Any, block_rows: int = BLOCK_ROWS) -> Any:
        """Return the sum of what all partitions give to some work, in the tree of `data.reduce`."""
        total = self._computed(lambda: self._task(labels, work, block_rows).compute(), labels)
        if isinstance(total, Stop):
            raise total.error
        return total

    def _task(self, labels: Mapping[str, Any], work: Any, block_rows: int) -> Any:
        """The sum as one task of Dask: a task per partition, and their tree."""
        from dask.delayed import Delayed
        from dask.highlevelgraph import HighLevelGraph

        from glmstat import __version__

        parts = self._parts(labels)
        places = self.known.places or [Place(number) for number in range(len(parts))]
        layer, parcel = f"glmstat-{uuid4().hex}", f"glmstat-work-{uuid4().hex}"
        tasks: dict[Any, Any] = {parcel: _packed(work)}
        keys, block = [], 0
        for part, place in zip(parts, places, strict=True):
            keys.append((layer, place.number))
            tasks[keys[-1]] = (work_on, part.key, parcel, __version__, *place[:3], block)
            block += -(-max(place.rows, 0) // block_rows)
        while len(keys) > 1:
            # Sums of FEW neighbours, then of these: a power of two, so that the tree is that of pairs.
            groups = [keys[start : start + FEW] for start in range(0, len(keys), FEW)]
            keys = [(layer, len(tasks) + place) for place in range(len(groups))]
            tasks.update({key: (add, __version__, *group) for key, group in zip(keys, groups, strict=True)})
        graph = HighLevelGraph.from_collections(layer, tasks, dependencies=parts[:1])
        return Delayed(keys[0], graph, layer=layer)

    def _parts(self, labels: Mapping[str, Any]) -> list[Any]:
        """Each partition with at least these columns, in order; the same partitions whatever the columns."""
        graphs, names = self.known.graphs, tuple(labels)
        if names not in graphs:
            with _as_cut(), _silent():
                whole, parts = self._here.to_delayed(), self._here[list(labels.values())].to_delayed()
            # Where no file is read for it, to choose columns is no more than one more task per partition.
            graphs[names] = whole if len(whole[0].dask) < len(parts[0].dask) else parts
            if len(graphs) > GRAPHS:
                del graphs[next(iter(graphs))]
        return graphs[names]


def _as_cut() -> Any:
    """A context in which Dask does not join the partitions of files of which it reads few columns."""
    from dask.config import set as configured

    return configured({"optimization.tune.active": False})


@contextmanager
def _silent() -> Generator[None]:
    """Keep what Dask uses of pandas, and should not, from whoever calls us."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        yield


def _packed(work: Any) -> Parcel:
    import cloudpickle

    try:
        return Parcel(cloudpickle.dumps(work))
    except (TypeError, AttributeError, ValueError, RecursionError) as error:
        raise DataError(
            f"Work cannot be sent to Dask: {error}. Give what can be pickled in context=."
        ) from error


def _computed(action: Callable[[], S]) -> S:
    """Return what Dask computes; what it raises, as one error of ours."""
    try:
        with _as_cut(), _silent():
            return action()
    except GlmstatError:
        raise
    except Exception as error:
        raise _failed(error) from error


def _failed(error: Exception) -> Exception:
    reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "glmstat":
        return DependencyError(
            "Workers of the Dask cluster cannot import glmstat. Install the same version on all of them."
        )
    if type(error).__name__ == "KilledWorker":
        return DataError(
            f"Dask lost one worker after the other on the same partition: {reason}. "
            "It may need more memory than they have: use .repartition() for smaller ones."
        )
    return DataError(
        f"Dask cannot compute the data: {reason}. Find the partition with data.partitions[i].compute()."
    )


def _empty(dtype: Any) -> Any:
    """An array of a dtype without values."""
    import pandas

    return pandas.Series([], dtype=dtype).values


def _kind(dtype: Any) -> Kind | None:
    """What a dtype says that a column holds, or None where it may hold anything."""
    if dtype.kind in "iufbmM" or dtype.type is str or hasattr(dtype, "categories"):
        return read_pandas(_empty(dtype), "").kind
    return None


def _no_array(what: str) -> DataError:
    return DataError(
        f"{what} is an array, which cannot be matched with the partitions of a Dask data frame. "
        f"Put it into the data frame, and give the column's name: {what}='…'."
    )
