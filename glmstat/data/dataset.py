"""pyarrow Datasets: files of any format that Arrow reads, here or far away, filtered and partitioned."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from glmstat.data.arrow import ArrowPiece, Fields, NoColumns, arrow_kind
from glmstat.data.columns import Kind, Level
from glmstat.data.cut import Piece
from glmstat.data.files import Files, lacking
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
    """Files of a dataset that has all of their rows, and the schema of the first; None of any other."""
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
        for number, fragment in enumerate(dataset.get_fragments()):
            whole = len(fragment.row_groups) == fragment.metadata.num_row_groups
            same = number > 0 or fragment.physical_schema.equals(dataset.schema)
            if not (whole and same and fragment.partition_expression.equals(everything)):
                return None
    return [Path(name) for name in dataset.files]


class _File(NamedTuple):
    """What a file of a dataset holds: types by name, and the columns that its folder gives it."""

    name: str
    types: Mapping[str, Any]
    folder: frozenset[str]


def _fragments(dataset: Any) -> list[Any]:
    """The files of a dataset, whatever its filter; one in memory has none."""
    whole = dataset.replace_schema(dataset.schema)
    whole._scan_options = {}  # a filtered dataset does not tell its fragments
    return [fragment for fragment in whole.get_fragments() if hasattr(fragment, "path")]


def _files(fragments: Sequence[Any]) -> tuple[_File, ...]:
    from pyarrow import dataset as arrow

    found: list[_File] = []
    latest: tuple[Any, Mapping[str, Any]] = (None, {})
    for fragment in fragments:
        schema = fragment.physical_schema
        if latest[0] is None or not latest[0].equals(schema):
            latest = schema, dict(zip(schema.names, schema.types, strict=True))
        folder = frozenset(arrow.get_partition_keys(fragment.partition_expression))
        found.append(_File(Path(fragment.path).name, latest[1], folder))
    return tuple(found)


def _widened(dataset: Any, fragments: Sequence[Any], files: Sequence[_File]) -> Any:
    """The dataset, with types that hold the values of all files: Arrow's are mostly those of the first."""
    from pyarrow import dataset as arrow

    if not isinstance(dataset, arrow.FileSystemDataset):
        return dataset
    schema, unlike = dataset.schema, {id(file.types): file.types for file in files}.values()
    for place, field in enumerate(schema):
        kinds = dict.fromkeys(types[field.name] for types in unlike if field.name in types)
        kind = _common(list(kinds)) if len(kinds) > 1 else None
        if kind is not None:
            schema = schema.set(place, field.with_type(kind))
    if schema.equals(dataset.schema):
        return dataset
    root, options = dataset.partition_expression, dataset._scan_options
    dataset = arrow.FileSystemDataset(fragments, schema, dataset.format, dataset.filesystem, root)
    dataset._scan_options = options
    return dataset


def _common(kinds: Sequence[Any]) -> Any:
    """The Arrow type that holds the values of several, None where there is none."""
    import pyarrow

    schemas = [pyarrow.schema([("values", kind)]) for kind in kinds]
    try:
        return pyarrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        return None


class DatasetReader:
    """A pyarrow Dataset, in the order of its fragments.

    Its files hold what files that are named by a path must hold: a column that one lacks is refused.

    Parameters
    ----------
    dataset : pyarrow Dataset, filtered or not.
    """

    library: Library = "pandas"
    text = "The dataset"

    def __init__(self, dataset: Any) -> None:
        import pyarrow

        with reading(self.text, pyarrow.ArrowException, remedy=_REMEDY):
            self.rows: int | None = dataset.count_rows()
            fragments = _fragments(dataset)
            self._files = _files(fragments)
            self.dataset: Any = _widened(dataset, fragments, self._files)
        self.fields = Fields(self.dataset.schema)
        self.names = self.fields.names
        self._agreed: set[str] = set()

    def kind(self, name: str) -> Kind:
        """Return what a column holds.

        Raises
        ------
        DataError : a file lacks it or holds something else, or its values are no column.
        """
        if name not in self._agreed:
            self._check_files(name)
            self._agreed.add(name)
        return self.fields.kind(name)

    def _check_files(self, name: str) -> None:
        first: tuple[Kind, str] | None = None
        for file in self._files:
            kind = file.types.get(name)
            if kind is None and name not in file.folder:
                other = next((one.name for one in self._files if name in one.types), None)
                raise lacking(name, file.name, other)
            if kind is None or str(kind) == "null":
                continue
            found = arrow_kind(kind, name)
            found = "categorical" if found == "ordered" else found
            if first is not None and found != first[0]:
                raise DataError(
                    f"Column '{name}' is {first[0]} in '{first[1]}' and {found} in '{file.name}'. "
                    "Convert it to one type."
                )
            first = first or (found, file.name)

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
            try:
                yield from (ArrowPiece(batch, self.fields) for batch in batches if batch.num_rows)
            except pyarrow.ArrowException:
                self._refuse_type(columns)
                raise

    def _refuse_type(self, columns: Sequence[str]) -> None:
        """Refuse the first column of a file whose values are not of the type that the dataset says."""
        import pyarrow

        schema = self.dataset.schema
        for fragment, file in zip(_fragments(self.dataset), self._files, strict=True):
            for name in columns:
                kind = schema.field(name).type
                if name not in file.types or file.types[name].equals(kind):
                    continue
                try:
                    for _ in fragment.to_batches(schema=schema, columns=[name]):
                        pass
                except pyarrow.ArrowException as error:
                    raise DataError(
                        f"Column '{name}' of '{file.name}' is {file.types[name]}, the dataset says {kind}: "
                        f"{str(error).splitlines()[0].rstrip('.')}. Give the dataset a schema that holds it."
                    ) from None

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
