"""Parquet files, read batch by batch: a row group is never decoded whole, whatever its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from glmstat.data.ahead import together
from glmstat.data.arrow import ArrowPiece, Fields, NoColumns, is_text
from glmstat.data.columns import Kind, Level
from glmstat.data.cut import Piece
from glmstat.data.files import Files
from glmstat.data.optional import need, reading
from glmstat.errors import DataError
from glmstat.table import Library

__all__ = ["ParquetReader"]

BATCH_ROWS = 65_536
_BUFFER = 1 << 18  # bytes of a column chunk in memory at a time; without it chunks are read whole


class _Footer(NamedTuple):
    path: Path
    fields: Fields
    rows: int
    groups: int


class ParquetReader:
    """Parquet files that hold the same columns.

    Parameters
    ----------
    files : in the order of their rows.

    Raises
    ------
    DataError : a file is damaged or no Parquet file, or names repeat in it.
    """

    library: Library = "pandas"

    def __init__(self, files: Files) -> None:
        self.files = files
        self.text = files.text
        self._footers = _footers(files.paths)
        self.names = tuple(dict.fromkeys(name for footer in self._footers for name in footer.fields.names))
        self.rows = sum(footer.rows for footer in self._footers)
        self.stamp = files.stamp

    @cached_property
    def _kinds(self) -> dict[str, Kind]:
        return {}

    def kind(self, name: str) -> Kind:
        """Return what a column holds.

        Raises
        ------
        DataError : a file lacks it or holds something else, or its values are no column.
        """
        kind = self._kinds.get(name)
        if kind is None:
            kind = self._kinds[name] = self._find_kind(name)
        return kind

    def _find_kind(self, name: str) -> Kind:
        first: tuple[Kind, _Footer] | None = None
        for footer in self._footers:
            if name not in footer.fields.types:
                has = next(other for other in self._footers if name in other.fields.types)
                raise DataError(
                    f"Column '{name}' is not in every file: '{footer.path.name}' lacks it, "
                    f"'{has.path.name}' has it. Leave one of the files out, or add the column."
                )
            if footer.fields.empty(name):
                continue
            kind = footer.fields.kind(name)
            if first is not None and kind != first[0]:
                raise DataError(
                    f"Column '{name}' is {first[0]} in '{first[1].path.name}' and {kind} in "
                    f"'{footer.path.name}'. Convert it to one type."
                )
            first = first or (kind, footer)
        return "numeric" if first is None else first[0]

    def declared(self, name: str) -> tuple[Level, ...] | None:
        """Return None: what a file declares is in the dictionaries of its row groups."""
        return None

    def pieces(self, columns: Sequence[str], workers: int = 1) -> Iterator[Piece]:
        """Yield the record batches, row group by row group; two threads decode where several work."""
        kinds: dict[str, Kind] = {name: self.kind(name) for name in columns}
        for footer in self._footers:
            if not columns and footer.rows:
                yield NoColumns(footer.rows)
            elif footer.rows:
                yield from _file_pieces(footer, kinds, workers)

    def pieces_after(self, columns: Sequence[str], skip: int, workers: int = 1) -> Iterator[Piece]:
        """Yield what `pieces` does, without reading the files and row groups of the first `skip` rows."""
        kinds: dict[str, Kind] = {name: self.kind(name) for name in columns}
        for footer in self._footers:
            start, passed = _groups_before(footer, skip if columns else footer.rows)
            if passed:
                yield NoColumns(passed)
            if passed < footer.rows:
                yield from _file_pieces(footer, kinds, workers, start)
            skip = max(skip - footer.rows, 0)


def _footers(paths: Sequence[Path]) -> tuple[_Footer, ...]:
    arrow, parquet = need("pyarrow", "A Parquet file"), need("pyarrow.parquet", "A Parquet file")
    footers: list[_Footer] = []
    latest: tuple[Any, Fields] | None = None
    for path in paths:
        with reading(f"'{path.name}'", arrow.ArrowException), parquet.ParquetFile(path) as file:
            schema, facts = file.schema_arrow, file.metadata
            if latest is None or not latest[0].equals(schema, check_metadata=True):
                latest = schema, Fields(schema)
            footers.append(_Footer(path, latest[1], facts.num_rows, facts.num_row_groups))
    return tuple(footers)


def _groups_before(footer: _Footer, rows: int) -> tuple[int, int]:
    """Row groups that lie within the first rows of a file, and how many rows they have."""
    if rows >= footer.rows:
        return footer.groups, footer.rows
    from pyarrow import parquet

    passed, facts = 0, parquet.read_metadata(footer.path)
    for group in range(footer.groups):
        more = facts.row_group(group).num_rows
        if passed + more > rows:
            return group, passed
        passed += more
    return footer.groups, passed


def _file_pieces(
    footer: _Footer, kinds: Mapping[str, Kind], workers: int, start: int = 0
) -> Iterator[ArrowPiece]:
    names = list(kinds)
    if workers > 1 and len(names) > 1 and footer.rows >= footer.groups * BATCH_ROWS:
        halves = [_group_batches(footer, names[half::2], start) for half in (0, 1)]
        with closing(together(halves)) as pairs:
            for pair in pairs:
                yield ArrowPiece(_side_by_side(pair), footer.fields, kinds)
        return
    for batch in _batches(footer, names, list(range(start, footer.groups)) if start else None):
        yield ArrowPiece(batch, footer.fields, kinds)


def _side_by_side(batches: Sequence[Any]) -> Any:
    import pyarrow

    arrays = [array for batch in batches for array in batch.columns]
    return pyarrow.RecordBatch.from_arrays(arrays, [name for batch in batches for name in batch.schema.names])


def _group_batches(footer: _Footer, names: list[str], start: int) -> Iterator[Any]:
    """Batches that end where row groups end, so that those of other columns have the same rows."""
    for group in range(start, footer.groups):
        yield from _batches(footer, names, [group])


def _batches(footer: _Footer, names: list[str], groups: list[int] | None = None) -> Iterator[Any]:
    import pyarrow
    from pyarrow import parquet

    text = [name for name in names if is_text(footer.fields.types[name])]
    # Mapped or buffered ahead, pages of the whole file count as memory.
    options = {"memory_map": False, "pre_buffer": False, "buffer_size": _BUFFER, "read_dictionary": text}
    with (
        reading(f"'{footer.path.name}'", pyarrow.ArrowException),
        parquet.ParquetFile(footer.path, **options) as file,
    ):
        batches = file.iter_batches(BATCH_ROWS, columns=names, row_groups=groups, use_threads=False)
        yield from (batch for batch in batches if batch.num_rows)
