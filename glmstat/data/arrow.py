"""Arrow data as columns: what a schema says of them, and record batches read in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.data.columns import Array, Booleans, Column, Kind, Level, Levels, Numbers, Times, as_level
from glmstat.data.cut import missing_column
from glmstat.data.known import used_levels
from glmstat.data.optional import need
from glmstat.data.source import MemorySource, unique_names
from glmstat.errors import DataError
from glmstat.table import Native

__all__ = ["ArrowPiece", "Fields", "NoColumns", "arrow_kind", "open_table", "read_arrow"]

_MANY = 256  # levels, from where on they are looked up by Arrow
_INDEX = re.compile(r"__index_level_\d+__")  # pandas' name for labels of rows that have none


class Fields:
    """What the columns of an Arrow schema hold.

    Parameters
    ----------
    schema : pyarrow Schema.
    """

    def __init__(self, schema: Any) -> None:
        kept = [place for place, name in enumerate(schema.names) if not _INDEX.fullmatch(name)]
        self.names = unique_names([schema.names[place] for place in kept])
        self.types = {name: schema.field(place).type for name, place in zip(self.names, kept, strict=True)}
        self._schema = schema
        self._latest: dict[str, tuple[Any, tuple[Any, ...]]] = {}
        self._kinds: dict[str, tuple[Kind, str]] = {}
        self._arrays: dict[int, tuple[tuple[Level, ...], Any]] = {}

    def levels(self, name: str, dictionary: Any) -> tuple[Any, ...]:
        """Return the values of a dictionary; batches of one file mostly share it."""
        latest = self._latest.get(name)
        if latest is None or not latest[0].equals(dictionary):
            listed = dictionary.to_pylist()
            levels = tuple(
                value if value is None or type(value) is str else _level(value, name) for value in listed
            )
            latest = self._latest[name] = dictionary, levels
        return latest[1]

    def array(self, levels: tuple[Level, ...], kind: Any) -> Any:
        """Return levels of text as an Arrow array."""
        import pyarrow

        latest = self._arrays.get(id(levels))
        if latest is None or latest[0] is not levels or latest[1].type != kind:
            latest = self._arrays[id(levels)] = levels, pyarrow.array(levels, kind)
        return latest[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_latest": {}, "_arrays": {}}

    def same(self, schema: Any) -> bool:
        """Return whether another schema says the same."""
        return schema is self._schema or self._schema.equals(schema, check_metadata=True)

    def kind(self, name: str) -> Kind:
        """Return what a column holds.

        Raises
        ------
        DataError : values that are no column, such as lists.
        """
        return self.form(name)[0]

    def empty(self, name: str) -> bool:
        """Return whether a column has no type, because it has no value."""
        return self.form(name)[1] == "null"

    def form(self, name: str) -> tuple[Kind, str]:
        """Return what a column holds, and how: "plain", "decimal", "null" or "text"."""
        found = self._kinds.get(name)
        if found is None:
            kind = arrow_kind(self.types[name], name)
            kind = "categorical" if kind == "ordered" and name in self._enums else kind
            found = self._kinds[name] = kind, _form(self.types[name])
        return found

    def declares(self, name: str) -> bool:
        """Return whether a dictionary's order is that of the levels, and not of their first rows."""
        return name in self._declared or bool(getattr(self.types[name], "ordered", False))

    @cached_property
    def _enums(self) -> frozenset[str]:
        """Columns that Polars wrote with a closed set of levels: in an order that carries no meaning."""
        facts = [(name, self._schema.field(name).metadata or {}) for name in self.names]
        return frozenset(
            name for name, words in facts if any(word.startswith(b"_PL_ENUM_VALUES") for word in words)
        )

    @cached_property
    def _declared(self) -> frozenset[str]:
        try:
            columns = (self._schema.pandas_metadata or {}).get("columns", [])
            categories = [one["field_name"] for one in columns if one["pandas_type"] == "categorical"]
        except (ValueError, KeyError, TypeError, AttributeError):  # metadata that are not pandas' own
            categories = []
        return self._enums.union(name for name in categories if isinstance(name, str))


def _form(kind: Any) -> str:
    from pyarrow import types

    if types.is_dictionary(kind) or is_text(kind):
        return "text"
    return "decimal" if types.is_decimal(kind) else "null" if types.is_null(kind) else "plain"


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
    if is_text(kind):
        return "categorical"
    if types.is_temporal(kind):
        return "time"
    raise DataError(f"Column '{name}' holds {kind} values. Convert it to numbers or text first.")


def is_text(kind: Any) -> bool:
    """Return whether an Arrow type is text."""
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


class ArrowPiece:
    """Rows of an Arrow record batch; a column is made when it is first asked for.

    Parameters
    ----------
    batch : pyarrow RecordBatch.
    fields : what its columns hold.
    kinds : what the columns hold in all of the data, where this batch has nothing but missing values.
    """

    def __init__(self, batch: Any, fields: Fields, kinds: Mapping[str, Kind] | None = None) -> None:
        self.batch = batch
        self.fields = fields
        self.kinds = kinds or {}
        self.names: tuple[str, ...] = tuple(batch.schema.names)
        self.rows: int = batch.num_rows
        self._made: dict[str, Column] = {}

    def copied(self) -> tuple[ArrowPiece, int]:
        """Return the piece in memory of its own, and how many bytes that is, once columns are made of it."""
        batch, size = _copied(self.batch)
        made = (column.null_count or not _in_place(column.type) for column in batch.columns)
        return ArrowPiece(batch, self.fields, self.kinds), size + 8 * self.rows * sum(map(bool, made))

    def column(self, name: str) -> Column:
        """Return a column; the levels of text are those of the batch, in any order."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def coded(self, name: str, known: tuple[Level, ...]) -> Column:
        """Return a column; one of many levels of text with codes among those known, if they are all known.

        A Python text for each level of each batch would cost more than all else of a pass.
        """
        made = self._made.get(name)
        if made is None and self.fields.form(name)[1] == "text":
            values = _as_dictionary(self.batch.column(self.names.index(name)))
            if len(values.dictionary) > _MANY and is_text(values.dictionary.type):
                ordered = self.fields.kind(name) == "ordered"
                made = _coded(values, self.fields.array(known, values.dictionary.type), known, ordered)
        if made is None:
            return self.column(name)
        self._made[name] = made
        return made

    def _make(self, name: str) -> Column:
        if self.fields.empty(name) and name in self.kinds:
            return missing_column(self.kinds[name], self.rows, f"Column '{name}'")
        return read_arrow(self.batch.column(self.names.index(name)), name, self.fields)

    def declares(self, name: str) -> bool:
        """Return whether the order of the levels is declared."""
        return self.fields.declares(name)


def _copied(batch: Any) -> tuple[Any, int]:
    """A record batch in one run of memory that the system takes back when it goes, and its bytes."""
    import pyarrow

    length = pyarrow.MockOutputStream()
    _write(batch, length)
    buffer = pyarrow.py_buffer(np.empty(length.size(), dtype=np.uint8))
    _write(batch, pyarrow.FixedSizeBufferWriter(buffer))
    return pyarrow.ipc.open_stream(buffer).read_next_batch(), buffer.size


def _write(batch: Any, sink: Any) -> None:
    import pyarrow

    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)


def _in_place(kind: Any) -> bool:
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind)


class NoColumns:
    """A number of rows of which no column is read."""

    names: tuple[str, ...] = ()

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def column(self, name: str) -> Column:
        """Raise: there is none."""
        raise KeyError(name)

    def declares(self, name: str) -> bool:
        """Return False: there is none."""
        return False


def open_table(table: Any) -> MemorySource:
    """Return a pyarrow Table as a source, read in place where a column is one run of memory."""
    fields = Fields(table.schema)
    return MemorySource(fields.names, table.num_rows, _TableReader(table, fields), Native("pyarrow"))


class _TableReader:
    def __init__(self, table: Any, fields: Fields) -> None:
        self.table = table
        self.fields = fields

    def __call__(self, name: str) -> Column:
        column = read_arrow(self.table.column(self.table.schema.names.index(name)), name, self.fields)
        declared = self.fields.declares(name)
        return sorted_levels(column) if isinstance(column, Levels) and not declared else column


def read_arrow(values: Any, name: str, fields: Fields) -> Column:
    """Return an Arrow array or chunked array (n,) as a column.

    Parameters
    ----------
    values : of a type that `arrow_kind` knows.
    name : of the column.
    fields : what the schema says of it.

    Returns
    -------
    Column; the levels of text are in the order of the dictionary, used or not.
    """
    kind, form = fields.form(name)
    if form == "text":
        values = _as_dictionary(values)
    if hasattr(values, "chunks"):
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    if form == "text":
        return _encoded(values, fields.levels(name, values.dictionary), kind == "ordered")
    if form == "null":
        return missing_column("numeric", len(values), name)
    if form == "decimal":
        return Numbers(_locked(_decimals(values)))
    if kind == "boolean":
        absent = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
        return Booleans(_locked(values.fill_null(False).to_numpy(zero_copy_only=False)), absent)
    if kind == "time":
        return Times(f"Column '{name}'", values.to_numpy(zero_copy_only=False))
    return Numbers(_locked(values.to_numpy(zero_copy_only=False)))


def _as_dictionary(values: Any) -> Any:
    return values if hasattr(values.type, "index_type") else values.dictionary_encode()


def _codes(values: Any) -> tuple[NDArray[Any], bool]:
    """Places in the dictionary, -1 where there is no value, and whether that is anywhere."""
    codes = values.indices
    if str(codes.type).startswith("u"):
        codes = codes.cast("int64" if codes.type.bit_width >= 32 else "int32")
    holes = codes.null_count > 0
    return (codes.fill_null(-1) if holes else codes).to_numpy(zero_copy_only=False), holes


def _coded(values: Any, levels: Any, known: tuple[Level, ...], ordered: bool) -> Levels | None:
    """Text as codes of the levels that are known; None where another one is used."""
    compute = need("pyarrow.compute", "A factor of many levels")
    dictionary, (codes, _) = values.dictionary, _codes(values)
    found = compute.index_in(dictionary, value_set=levels).fill_null(-1).to_numpy(zero_copy_only=False)
    new = (found < 0) & dictionary.is_valid().to_numpy(zero_copy_only=False)
    if new.any() and new[codes[codes >= 0]].any():
        return None
    places = np.append(found, -1).astype(np.min_scalar_type(-len(known) - 1))
    joined = places[codes]
    return Levels(joined, known, ordered, holes=bool(len(joined)) and bool(joined.min() < 0))


def _locked(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view


def _encoded(values: Any, levels: tuple[Any, ...], ordered: bool) -> Levels:
    found, holes = _codes(values)
    if None in levels or len(set(levels)) < len(levels):
        kept = tuple(dict.fromkeys(level for level in levels if level is not None))
        place = {level: code for code, level in enumerate(kept)}
        found = np.array([*(place.get(level, -1) for level in levels), -1])[found]
        return Levels(found, kept, ordered)
    return Levels(_locked(found), levels, ordered, holes=holes)


def _level(value: Any, name: str) -> Level:
    return as_level(value, f"Column '{name}'") if isinstance(value, (int, float)) else str(value)


def sorted_levels(column: Levels) -> Levels:
    """Return a factor with the levels that it takes, in order of their text or numbers."""
    used = used_levels(column)
    order: dict[Level, int] = {level: place for place, level in enumerate(sorted(used))}
    places = np.array([*(order.get(level, -1) for level in column.levels), -1], dtype=np.int64)
    codes = places[column.codes].astype(np.min_scalar_type(-len(order) - 1))
    return Levels(codes, tuple(order), column.ordered, column.holes)


def _decimals(values: Any) -> Array:
    """The nearest float64 of each; NaN where there is none."""
    import pyarrow

    kind, found = values.type, np.full(len(values), np.nan)
    if 0 <= kind.scale <= 22 and kind.bit_width <= 128:  # 10^22 is the last power that a float64 holds
        values = values.cast(pyarrow.decimal128(38, kind.scale))
        words = np.frombuffer(values.buffers()[1], "<i8").reshape(-1, 2)[values.offset :][: len(values)]
        present = values.is_valid().to_numpy(zero_copy_only=False)
        low, high = words[present].T
        if not len(low) or ((high == low >> 63).all() and np.abs(low).max() < 2**53):
            found[present] = low / 10.0**kind.scale  # both are exact, so the quotient is the nearest number
            return found
    return np.array([np.nan if value is None else float(value) for value in values.to_pylist()])
