"""Arrow data: pieces of rows as columns, and files and folders that are read as such."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

from glmstat.data.columns import Column, Kind, Level
from glmstat.data.cut import Piece
from glmstat.data.reader import read_series
from glmstat.errors import DataError
from glmstat.table import Library

__all__ = ["ArrowPiece", "DatasetReader", "arrow_kind"]


class ArrowPiece:
    """Rows of an Arrow table or record batch; a column is made when it is first asked for."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.names: tuple[str, ...] = tuple(table.schema.names)
        self.rows: int = table.num_rows
        self._made: dict[str, Column] = {}

    def column(self, name: str) -> Column:
        """Return a column; the levels of text are those of the piece."""
        made = self._made.get(name)
        if made is None:
            import pyarrow

            values = self.table.column(name)
            chunked = values if isinstance(values, pyarrow.ChunkedArray) else pyarrow.chunked_array([values])
            made = self._made[name] = read_series(chunked, f"Column '{name}'")
        return made


def arrow_kind(kind: Any, name: str) -> Kind:
    """Return what a column of an Arrow type holds.

    Raises
    ------
    DataError : values that are no column, such as lists.
    """
    from pyarrow import types

    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
        return "numeric"
    if types.is_dictionary(kind):
        return "ordered" if kind.ordered else "categorical"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "categorical"
    if types.is_temporal(kind):
        return "time"
    raise DataError(f"Column '{name}' holds {kind} values. Convert it to numbers or text first.")


class DatasetReader:
    """A pyarrow Dataset: one or many files, read batch by batch."""

    library: Library = "pandas"

    def __init__(self, dataset: Any, text: str) -> None:
        self.dataset = dataset
        self.text = text
        self.names: tuple[str, ...] = tuple(dataset.schema.names)
        self.rows: int | None = None if text.endswith(".csv") else dataset.count_rows()

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        return arrow_kind(self.dataset.schema.field(name).type, name)

    def declared(self, name: str) -> tuple[Level, ...] | None:
        """Return None: files declare no levels."""
        return None

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        """Yield the record batches in the order of the files."""
        for batch in self.dataset.to_batches(columns=list(columns), batch_readahead=2, use_threads=False):
            if batch.num_rows:
                yield ArrowPiece(batch)

    def stamp(self) -> Hashable:
        """Return size and time of each file."""
        found = []
        for file in getattr(self.dataset, "files", ()):
            facts = Path(file).stat()
            found.append((file, facts.st_size, facts.st_mtime_ns))
        return tuple(found)
