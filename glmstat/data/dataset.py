"""pyarrow Datasets: files of any format that Arrow reads, here or far away, filtered and partitioned."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

from glmstat.data.arrow import ArrowPiece, Fields, NoColumns
from glmstat.data.columns import Kind, Level
from glmstat.data.cut import Piece
from glmstat.data.files import Files
from glmstat.data.optional import reading
from glmstat.data.parquet import BATCH_ROWS, ParquetReader
from glmstat.data.stream import Reader
from glmstat.errors import DataError
from glmstat.table import Library

__all__ = ["DatasetReader", "dataset_reader"]

_REMEDY = "Check its files"


def dataset_reader(dataset: Any) -> Reader:
    """Return a reader of a pyarrow Dataset; that of its files where it is no more than Parquet files."""
    plain = _plain_files(dataset)
    if plain is None:
        return DatasetReader(dataset)
    return ParquetReader(Files(plain, "The dataset", "parquet"))


def _plain_files(dataset: Any) -> list[Path] | None:
    """Files of a dataset that has every row and column of them and no others; None of any other."""
    import pyarrow
    from pyarrow import dataset as arrow
    from pyarrow import fs

    if (
        not isinstance(dataset, arrow.FileSystemDataset)
        or not isinstance(dataset.format, arrow.ParquetFileFormat)
        or not isinstance(dataset.filesystem, fs.LocalFileSystem)
        or getattr(dataset, "_scan_options", None)
    ):
        return None
    everything = arrow.scalar(True)
    with reading("The dataset", pyarrow.ArrowException, remedy=_REMEDY):
        for fragment in dataset.get_fragments():
            whole = len(fragment.row_groups) == fragment.metadata.num_row_groups
            same = fragment.physical_schema.equals(dataset.schema)
            if not (whole and same and fragment.partition_expression.equals(everything)):
                return None
    return [Path(name) for name in dataset.files]


class DatasetReader:
    """A pyarrow Dataset, in the order of its fragments.

    Parameters
    ----------
    dataset : pyarrow Dataset, filtered or not.
    """

    library: Library = "pandas"
    text = "The dataset"

    def __init__(self, dataset: Any) -> None:
        import pyarrow

        self.dataset: Any = dataset
        self.fields = Fields(dataset.schema)
        self.names = self.fields.names
        with reading(self.text, pyarrow.ArrowException, remedy=_REMEDY):
            self.rows: int | None = dataset.count_rows()

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        return self.fields.kind(name)

    def declared(self, name: str) -> tuple[Level, ...] | None:
        """Return None: what is declared is in the dictionaries of the batches."""
        return None

    def pieces(self, columns: Sequence[str], workers: int = 1) -> Iterator[Piece]:
        """Yield the record batches in order; a filtered dataset may give many short ones."""
        import pyarrow
        from pyarrow import dataset as arrow

        dataset = self._here()
        if not columns:
            yield NoColumns(dataset.count_rows())
            return
        for name in columns:
            self.kind(name)
        options = arrow.ParquetFragmentScanOptions(use_buffered_stream=True, pre_buffer=False)
        parquet = isinstance(getattr(dataset, "format", None), arrow.ParquetFileFormat)
        with reading(self.text, pyarrow.ArrowException, remedy=_REMEDY):
            batches = dataset.to_batches(
                columns=list(columns),
                batch_size=BATCH_ROWS,
                batch_readahead=2,
                fragment_readahead=1,
                fragment_scan_options=options if parquet else None,
                use_threads=workers > 1,
            )
            yield from (ArrowPiece(batch, self.fields) for batch in batches if batch.num_rows)

    def stamp(self) -> Hashable:
        """Return size and time of each file; nothing of data in memory, which do not change.

        Raises
        ------
        DataError : a file is gone.
        """
        dataset = self._here()
        files = list(getattr(dataset, "files", ()))
        found = dataset.filesystem.get_file_info(files) if files else []
        gone = [info.path for info in found if info.size is None]
        if gone:
            raise DataError(f"File '{gone[0]}' is gone: it was there before. Fit it again.")
        return tuple((info.path, info.size, info.mtime_ns) for info in found)

    def _here(self) -> Any:
        if self.dataset is None:
            raise DataError(
                "The dataset did not travel with the fit: it is filtered, or in memory. Fit it again."
            )
        return self.dataset

    def __getstate__(self) -> dict[str, Any]:
        travels = hasattr(self.dataset, "files") and not getattr(self.dataset, "_scan_options", None)
        return {**self.__dict__, "dataset": self.dataset if travels else None}
