"""CSV files too large for memory: parsed again in every pass, with types settled by their first rows."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from glmstat.data.arrow import ArrowPiece, Fields, NoColumns, is_text
from glmstat.data.columns import BoolArray, IntArray, Kind, Level
from glmstat.data.cut import Piece
from glmstat.data.files import Files, lacking
from glmstat.data.optional import need, reading
from glmstat.data.source import unique_names
from glmstat.errors import DataError
from glmstat.table import Library

__all__ = ["CSVReader"]

_BLOCK = 1 << 21  # bytes parsed at a time; the first block settles the types
_FEW = 20  # numbers, and numbers for each word, from where on the words are taken for mistakes
_MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)  # the words that pandas.read_csv takes for a missing value
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_WRONG_VALUE = re.compile(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to (\w+).*?: (.*)")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_CODE = re.compile(r"\s*0\d+\s*")  # "01" is no number that anybody writes
_WRONG_LENGTH = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")


class CSVReader:
    """CSV files with one header.

    Whole numbers are read as numbers that may have decimals further down; dates stay text.

    Parameters
    ----------
    files : in the order of their rows; columns are found by name.

    Raises
    ------
    DataError : a file that is empty or cannot be parsed, headers that differ or repeat a name.
    """

    library: Library = "pandas"
    rows: int | None = None

    def __init__(self, files: Files) -> None:
        need("pyarrow.csv", "A CSV file")
        self.files = files
        self.text = files.text
        self.stamp = files.stamp
        self._weighed: set[str] = set()
        self._headers = [_look(path).names for path in files.paths]
        self.names = _named(self._headers[0])
        for path, header in zip(files.paths, self._headers, strict=True):
            lost = [name for name in self.names if name not in header]
            if lost:
                raise lacking(lost[0], path.name, files.paths[0].name)
            _named(header)

    @cached_property
    def _types(self) -> dict[str, Any]:
        """Arrow type of each column; that of numbers where the first rows have no value."""
        from pyarrow import types

        path, header = self.files.paths[0], self._headers[0]
        found = _look(path)
        whole = [name for name in self.names if types.is_integer(found.field(name).type)]
        text = dict.fromkeys(_hexadecimal(path, whole, header), _text())
        return {name: text.get(name) or _settled(found.field(name).type) for name in self.names}

    def kind(self, name: str) -> Kind:
        """Return what a column holds.

        Raises
        ------
        DataError : it is not text in UTF-8, or numbers with a little text among them.
        """
        from pyarrow import types

        if types.is_null(self._types[name]):
            self._types[name] = self._first_value(name)
        if types.is_binary(self._types[name]):
            raise DataError(
                f"Column '{name}' of {self.text} is not UTF-8 text: it has other bytes. Convert the file."
            )
        kind = self._fields.kind(name)
        if kind == "categorical" and name not in self._weighed:
            self._refuse_numbers(name)
            self._weighed.add(name)
        return kind

    def _refuse_numbers(self, name: str) -> None:
        """Refuse text that is one typo, or one word for a missing value, away from a column of numbers."""
        with closing(self._batches(self.files.paths[0], [name])) as batches:
            batch = next(batches, None)
        if batch is None:
            return
        values = batch.column(0)
        words: list[str] = values.dictionary.to_pylist()
        places = values.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
        rows = np.bincount(places, minlength=len(words) + 1)[:-1]
        text = np.array([_NUMBER.fullmatch(word) is None for word in words], dtype=bool)
        if any(_CODE.fullmatch(word) for word in words) or not _typo(text, rows):
            return
        row = int(np.flatnonzero(np.append(text, False)[places])[0])
        raise DataError(
            f"Column '{name}' of '{self.files.paths[0].name}' mixes numbers and text: "
            f"'{words[places[row]]}' in row {row:,}. Correct it, or read it with the types that you mean."
        )

    @property
    def _fields(self) -> Fields:
        import pyarrow

        return Fields(pyarrow.schema(list(self._types.items())))

    def _first_value(self, name: str) -> Any:
        """Type of a column that is empty at first: what its first value further down looks like."""
        import pyarrow

        self._types[name] = pyarrow.string()
        for path in self.files.paths:
            for batch in self._batches(path, [name]):
                present = batch.column(0).drop_null()
                if len(present):
                    return _type_of(present[0].as_py())
        return pyarrow.float64()

    def declared(self, name: str) -> tuple[Level, ...] | None:
        """Return None: files declare no levels."""
        return None

    def pieces(self, columns: Sequence[str], workers: int = 1) -> Iterator[Piece]:
        """Yield the rows in the order of the files, in batches of about two megabytes of text."""
        for name in columns:
            self.kind(name)
        fields = self._fields
        for path in self.files.paths:
            for batch in self._batches(path, columns or self.names[:1], read=bool(columns)):
                yield ArrowPiece(batch, fields) if columns else NoColumns(batch.num_rows)

    def _batches(self, path: Path, names: Sequence[str], *, read: bool = True) -> Generator[Any]:
        import pyarrow
        from pyarrow import csv

        kinds = {name: self._types[name] if read else pyarrow.string() for name in names}
        options = csv.ConvertOptions(include_columns=list(names), column_types=kinds, **_words())
        try:
            with reading(f"'{path.name}'", pyarrow.ArrowNotImplementedError):
                yield from csv.open_csv(path, **_how(path), convert_options=options)
        except pyarrow.ArrowInvalid as error:
            raise self._explain(path, str(error)) from None

    def _explain(self, path: Path, reason: str) -> DataError:
        """What is wrong, by file, column and row: rows count from 0, below the header."""
        header = self._headers[self.files.paths.index(path)]
        if value := _WRONG_VALUE.search(reason):
            name, row = header[int(value[1])], int(value[2]) - 2
            what = value[4].removeprefix("invalid value ").strip()
            return DataError(
                f"Column '{name}' of '{path.name}' is {self._fields.kind(name)} at first, but {what} in row "
                f"{row:,}. Correct the file, or read it with the types that you mean."
            )
        if length := _WRONG_LENGTH.search(reason):
            row, wanted, given = int(length[1]) - 2, int(length[2]), int(length[3])
            lost = f": '{header[given]}' has none" if given < wanted else ""
            return DataError(
                f"Row {row:,} of '{path.name}' has {given} values for {wanted} columns{lost}. Correct it."
            )
        return DataError(f"'{path.name}' cannot be parsed: {reason.splitlines()[0]}. Correct the file.")


def _typo(text: BoolArray, rows: IntArray) -> bool:
    """Whether a few words (K,), in so many rows (K,), stand among numbers by mistake."""
    numbers = int(rows[~text].sum())
    if not text.any() or numbers < _FEW:
        return False
    rare = int(rows[text].sum()) <= max(1, int(rows.sum()) // 100)
    return rare or (~text).sum() >= _FEW * text.sum()


def _words() -> dict[str, Any]:
    return {
        "null_values": list(_MISSING),
        "true_values": list(_TRUE),
        "false_values": list(_FALSE),
        "strings_can_be_null": True,
    }


def _named(header: list[str]) -> tuple[str, ...]:
    """The columns of a header that have a name: an index that pandas saves has none."""
    return unique_names([name for name in header if name])


def _how(path: Path, *, skip: bool = False) -> dict[str, Any]:
    """How Arrow parses a file; whether it may skip rows of another length, for a pass will name them."""
    from pyarrow import csv

    tab = path.name.lower().removesuffix(".gz").endswith(".tsv")
    return {
        "read_options": csv.ReadOptions(block_size=_BLOCK, use_threads=False),
        "parse_options": csv.ParseOptions(
            delimiter="\t" if tab else ",",
            newlines_in_values=True,
            invalid_row_handler=(lambda row: "skip") if skip else None,
        ),
    }


def _look(path: Path) -> Any:
    """The Arrow schema that the first block of a file suggests."""
    import pyarrow
    from pyarrow import csv

    with reading(f"'{path.name}'", pyarrow.ArrowException):
        options = csv.ConvertOptions(**_words())
        schema = csv.open_csv(path, **_how(path, skip=True), convert_options=options).schema
    try:
        foreign = any("\0" in name for name in schema.names)  # every other byte of UTF-16
    except UnicodeDecodeError:
        foreign = True
    if foreign:
        raise DataError(f"'{path.name}' is not UTF-8 text: its header has other bytes. Convert the file.")
    return schema


def _hexadecimal(path: Path, names: Sequence[str], header: list[str]) -> set[str]:
    """Columns among whole numbers of which the first block has some as 0x1f: text, to all but Arrow."""
    import pyarrow
    from pyarrow import csv

    left = list(names)
    while left:
        kinds = dict.fromkeys(left, pyarrow.float64())
        options = csv.ConvertOptions(include_columns=left, column_types=kinds, **_words())
        try:
            csv.open_csv(path, **_how(path, skip=True), convert_options=options)
            break
        except pyarrow.ArrowInvalid as error:
            wrong = _WRONG_VALUE.search(str(error))
            if wrong is None:  # a pass will tell
                break
            left.remove(header[int(wrong[1])])
    return set(names) - set(left)


def _text() -> Any:
    import pyarrow

    return pyarrow.dictionary(pyarrow.int32(), pyarrow.string())


def _settled(kind: Any) -> Any:
    """The type in which a column is read."""
    import pyarrow
    from pyarrow import types

    if types.is_integer(kind) or types.is_floating(kind):
        return pyarrow.float64()
    if is_text(kind) or types.is_temporal(kind):
        return _text()
    return kind


def _type_of(text: str) -> Any:
    import pyarrow

    if text in (*_TRUE, *_FALSE):
        return pyarrow.bool_()
    try:
        float(text)
    except ValueError:
        return _text()
    return pyarrow.float64()
