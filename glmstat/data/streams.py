"""Data that are read block by block, whatever form they come in, as a source of rows."""

from __future__ import annotations

from typing import Any

from glmstat.data.stream import Reader, StreamSource
from glmstat.errors import DataError

__all__ = ["open_stream"]

# These have an Arrow stream too, but are read in place, or by narwhals.
_IN_MEMORY = ("pandas", "polars", "narwhals", "modin", "cudf")


def open_stream(data: Any, what: str, least: int = 1) -> Any:
    """Return a source for files, queries, streams and Arrow tables, None for anything else.

    Parameters
    ----------
    data : path, folder, pattern or list of paths of Parquet or CSV files; pyarrow Dataset, Table or
        RecordBatchReader; Polars LazyFrame; DuckDB relation; Dask DataFrame; any object with the Arrow C
        stream; or a function that returns an iterator of batches.
    what : what messages call it.
    least : fewest rows that there may be.

    Returns
    -------
    Source, or None.

    Raises
    ------
    DataError : nothing is there, or it cannot be read, or it can be read only once.
    DependencyError : a package that reads it is not installed.
    """
    from glmstat.data.files import find_files, paths_of

    paths = paths_of(data)
    if paths is not None:
        return StreamSource(_files_reader(find_files(paths)), least=least)
    root = type(data).__module__.partition(".")[0]
    if root == "narwhals" and type(data).__name__ == "LazyFrame":
        data = data.to_native()
        root = type(data).__module__.partition(".")[0]
    if root == "dask":
        from glmstat.data.dask import open_dask

        return open_dask(data, what, least)
    if root == "pyarrow":
        return _open_arrow(data, least)
    reader = _query_reader(data, root)
    if reader is not None:
        return StreamSource(reader, least=least)
    if hasattr(data, "__arrow_c_stream__") and root not in _IN_MEMORY:
        return _open_export(data, least)
    if hasattr(data, "__next__"):
        found = type(data).__name__
        raise DataError(
            f"{what} can be read only once: got {found}, and a fit reads the rows several times. "
            "Give the function that makes it: lambda: make()."
        )
    if callable(data) and not isinstance(data, type) and not hasattr(data, "columns"):
        from glmstat.data.batches import BatchReader, check_callable

        text = f"Function {getattr(data, '__name__', type(data).__name__)}"
        check_callable(data, text)
        return StreamSource(BatchReader(data, text), least=least)
    return None


def _files_reader(files: Any) -> Reader:
    if files.format == "csv":
        from glmstat.data.csv import CSVReader

        return CSVReader(files)
    from glmstat.data.parquet import ParquetReader

    return ParquetReader(files)


def _query_reader(data: Any, root: str) -> Reader | None:
    if root == "polars" and type(data).__name__ == "LazyFrame":
        from glmstat.data.polars import LazyReader

        return LazyReader(data)
    if root in ("duckdb", "_duckdb"):
        if not hasattr(data, "project"):
            raise DataError(
                f"A DuckDB connection holds no rows of its own: got {type(data).__name__}. "
                "Give a relation: connection.sql(query)."
            )
        from glmstat.data.duckdb import RelationReader

        return RelationReader(data)
    return None


def _open_arrow(data: Any, least: int) -> Any:
    import pyarrow

    from glmstat.data.arrow import open_table
    from glmstat.data.batches import read_once

    if isinstance(data, pyarrow.RecordBatch):
        data = pyarrow.Table.from_batches([data])
    if isinstance(data, pyarrow.RecordBatchReader):
        data = read_once(data)
    if isinstance(data, pyarrow.Table):
        return open_table(data)
    if hasattr(data, "to_batches") and hasattr(data, "count_rows"):
        from glmstat.data.dataset import dataset_reader

        return StreamSource(dataset_reader(data), least=least)
    return None


def _open_export(data: Any, least: int) -> Any:
    from glmstat.data.batches import BatchReader, held_or_anew

    table = held_or_anew(data)
    if table is not None:
        return _open_arrow(table, least)
    return StreamSource(BatchReader(_Export(data), f"The {type(data).__name__}"), least=least)


class _Export:
    """A function that exports a stream; a class, so that a fit that keeps it can be pickled."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __call__(self) -> Any:
        import pyarrow

        return iter(pyarrow.RecordBatchReader.from_stream(self.data))
