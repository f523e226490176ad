"""Columns that come block by block, written to a Parquet file: the whole of it, or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glmstat.data.columns import Array, BoolArray, IntArray
from glmstat.data.files import PARQUET
from glmstat.data.target import check_target, replacing
from glmstat.errors import DependencyError, FileError

__all__ = ["ROW", "Written", "check_parquet", "write_parquet"]

ROW = "row"
_GROUP = 65_536  # rows of a row group, at least
Columns = Mapping[str, Array | BoolArray | IntArray]


@dataclass(frozen=True)
class Written(os.PathLike[str]):
    """A file that was written; can be given wherever a path can.

    Parameters
    ----------
    path : of the file.
    rows : number of rows.
    columns : their names.

    >>> print(Written("predictions.parquet", 1200, ("row", "estimate")))
    predictions.parquet: 1,200 rows of row, estimate
    """

    path: str
    rows: int
    columns: tuple[str, ...]

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        count = f"{self.rows:,} row{'s' * (self.rows != 1)}"
        return f"{self.path}: {count} of {', '.join(self.columns)}"


def check_parquet(to: Any, *, overwrite: bool) -> Path:
    """Return the path of a Parquet file to be written, before any work is done.

    Raises
    ------
    FileError : as `check_target`, another ending, or a file that is there and is not to be overwritten.
    """
    path = check_target(to, "to")
    if not path.name.lower().endswith(PARQUET):
        raise FileError(f"to= writes Parquet: {path} ends otherwise. Give a name that ends in .parquet.")
    if path.exists() and not overwrite:
        raise FileError(f"File exists: {path}. Give another name, or overwrite=True.")
    return path


def write_parquet(
    to: Any,
    blocks: Iterable[tuple[IntArray, Columns]],
    *,
    overwrite: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> Written:
    """Write blocks of rows, as they come, to one file; it stands in its place when all are written.

    Parameters
    ----------
    to : path of the file.
    blocks : source row numbers (m,) and columns (m,) by name, the same in each block; at least one block.
    overwrite : replace a file of that name.
    facts : what goes into the file's metadata under the key `glmstat`, as JSON.

    Raises
    ------
    FileError : as `check_parquet`, or a block that cannot be written.
    DependencyError : pyarrow is not there.
    """
    path = check_parquet(to, overwrite=overwrite)
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise DependencyError(
            "Parquet files need pyarrow: it is not installed. Use pip install 'glmstat[stream]'."
        ) from None
    with replacing(path) as file:
        rows, names = _write(file, blocks, facts or {})
        check_parquet(path, overwrite=overwrite)
    return Written(str(path), rows, names)


def _write(
    file: Any, blocks: Iterable[tuple[IntArray, Columns]], facts: Mapping[str, Any]
) -> tuple[int, tuple[str, ...]]:
    """Number of rows and names of the columns."""
    import pyarrow
    from pyarrow import parquet

    writer, waiting, held, rows = None, [], 0, 0
    try:
        for numbers, columns in blocks:
            arrays = {ROW: pyarrow.array(numbers.astype("int64"))}
            arrays |= {name: pyarrow.array(values, from_pandas=False) for name, values in columns.items()}
            table = pyarrow.table(arrays)
            if writer is None:
                about = {b"glmstat": json.dumps(dict(facts)).encode()}
                writer = parquet.ParquetWriter(file, table.schema.with_metadata(about))
            waiting.append(table)
            held, rows = held + table.num_rows, rows + table.num_rows
            if held >= _GROUP:
                writer.write_table(pyarrow.concat_tables(waiting))
                waiting, held = [], 0
        assert writer is not None
        if held:
            writer.write_table(pyarrow.concat_tables(waiting))
        return rows, tuple(writer.schema.names)
    finally:
        if writer is not None:
            writer.close()
