"""Readers: decide once per column of any library what it is.

Text of every library means the same: levels sorted by code point, unless the library declares an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.data.columns import Booleans, Column, IntArray, Level, Levels, Numbers, Times, as_level
from glmstat.errors import DataError

__all__ = ["count_values", "read_array", "read_pandas", "read_series", "read_values"]

_FEW = 1_000  # values of text from which the library's own codes cost less than Python's


def read_values(values: Any, label: str, first: int = 0) -> Column:
    """Return an array, series, list or tuple (n,) of any library as a column.

    Parameters
    ----------
    values : numpy array, pandas, Polars or Arrow series, list or tuple.
    label : what messages call it, such as "Column 'x'" or "weights".
    first : source row number of the first value, for messages.

    Raises
    ------
    DataError : a scalar, more than one dimension, or values that are no column (text among numbers, complex).

    >>> read_values([1, None, 3], "x").values(0, 3)
    array([ 1., nan,  3.])
    """
    count_values(values, label)
    if isinstance(values, np.ndarray):
        return read_array(values, label, first)
    if isinstance(values, Sequence):
        return read_array(_from_list(values), label, first)
    root = type(values).__module__.partition(".")[0]
    if root == "pandas":
        return read_pandas(getattr(values, "values", values), label, first)
    if root in ("polars", "pyarrow", "narwhals", "modin", "cudf"):
        return read_series(values, label)
    return read_array(np.asarray(values), label)


def count_values(values: Any, label: str) -> int:
    """Return the length of a data-like argument.

    Raises
    ------
    DataError : a scalar, which has none.
    """
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__") or getattr(values, "ndim", 1) == 0:
        raise DataError(f"{label} is a single value: {values!r}. Give one value per row.")
    return len(values)


def _from_list(values: Sequence[Any]) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:  # rows of unequal length
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "USO" and len(array) == len(values):
        return array
    whole = np.empty(len(values), dtype=object)
    whole[:] = values
    return whole


def read_array(values: NDArray[Any], label: str, first: int = 0) -> Column:
    """Return a numpy array (n,) as a column; real numbers and booleans stay in place.

    Parameters
    ----------
    values : any numbers, booleans, times or objects.
    label : what messages call it.
    first : source row number of the first value, for messages.
    """
    if values.ndim != 1:
        raise DataError(f"{label} has shape {values.shape}. Give one value per row.")
    kind = values.dtype.kind
    if isinstance(values, np.ma.MaskedArray):
        return _read_masked(values, label)
    if kind in "iuf":
        return Numbers(_locked(values))
    if kind == "b":
        return Booleans(_locked(values))
    if kind in "mM":
        return Times(label, values)
    if kind in "UTO":
        return _read_objects(values.astype(object) if kind != "O" else values, label, first)
    raise _unsupported(label, str(values.dtype))


def _read_masked(values: np.ma.MaskedArray[Any, Any], label: str) -> Column:
    if values.dtype.kind in "iuf":
        return Numbers(np.where(np.ma.getmaskarray(values), np.nan, values.data))
    objects = np.array(values.data, dtype=object)
    objects[np.ma.getmaskarray(values)] = None
    return read_array(objects, label)


def _locked(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view


def read_pandas(values: Any, label: str, first: int = 0) -> Column:
    """Return the array of a pandas column (numpy, nullable, Arrow-backed, text, category) as a column.

    Parameters
    ----------
    values : the array.
    label : what messages call it.
    first : source row number of the first value, for messages.
    """
    if isinstance(values, np.ndarray):
        return read_array(values, label, first)
    dtype = values.dtype
    if hasattr(dtype, "categories"):
        levels = tuple(as_level(value, label) for value in values.categories.tolist())
        return _levels(values.codes, levels, bool(dtype.ordered))
    if dtype.kind in "mM":
        return Times(label, values)
    if dtype.kind in "iuf":
        return Numbers(_locked(_extension_numbers(values)))
    if dtype.kind == "b":
        absent = np.asarray(values.isna())
        return Booleans(values.to_numpy(dtype=bool, na_value=False), absent if absent.any() else None)
    if dtype.type is str and len(values) > _FEW:
        return _factorized(*values.factorize())
    if dtype.type is str:
        return _encode_text(np.asarray(values, dtype=object).tolist())
    return _read_objects(np.asarray(values, dtype=object), label, first)


def _extension_numbers(values: Any) -> NDArray[Any]:
    if values.isna().any():
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(values.to_numpy(dtype=getattr(values.dtype, "numpy_dtype", np.float64)))


def read_series(values: Any, label: str, declared: Sequence[str] | None = None) -> Column:
    """Return a Polars, Arrow or narwhals series as a column; `declared` is the known order of its levels."""
    import narwhals.stable.v2 as nw

    series: Any = nw.from_native(values, series_only=True, pass_through=False)
    dtype = series.dtype
    if dtype == nw.Boolean:
        absent = series.is_null().to_numpy() if series.null_count() else None
        return Booleans(series.fill_null(False).to_numpy(), absent)
    if dtype.is_integer() or dtype.is_float():
        return Numbers(_locked(series.to_numpy()))
    if dtype.is_decimal() or (dtype == nw.Unknown and series.null_count() == len(series)):
        return Numbers(series.cast(nw.Float64).to_numpy())
    if dtype in (nw.String, nw.Categorical) or isinstance(dtype, nw.Enum):
        found, ordered = _declared(series)
        return _encode_series(series, declared or found, ordered)
    if dtype.is_temporal():
        return Times(label, series.to_numpy())
    if dtype == nw.Object:
        return read_array(_from_list(series.to_list()), label)
    raise _unsupported(label, str(dtype))


def _encode_series(series: Any, levels: Sequence[str] | None, ordered: bool) -> Levels:
    import narwhals.stable.v2 as nw

    text = series.cast(nw.String)
    levels = sorted(text.drop_nulls().unique().to_list()) if levels is None else list(levels)
    if not levels:
        return _levels(np.full(len(series), -1), (), ordered)
    codes = text.replace_strict(levels, list(range(len(levels))), return_dtype=nw.Int64)
    return _levels(codes.fill_null(-1).to_numpy(), tuple(levels), ordered)


def _declared(series: Any) -> tuple[Sequence[str] | None, bool]:
    declared = getattr(series.dtype, "categories", None)
    kind = getattr(series.to_native(), "type", None)
    if getattr(kind, "ordered", False):
        native = series.to_native().unify_dictionaries()
        return native.chunk(0).dictionary.to_pylist() if native.num_chunks else [], True
    return declared, False


def _read_objects(values: NDArray[Any], label: str, first: int = 0) -> Column:
    listed = values.tolist()
    present = _present(listed)
    meanings = set(present.values())
    if len(meanings) > 1:
        raise _mixed(listed, present, label, first)
    meaning = meanings.pop() if meanings else "numbers"
    if meaning == "text":
        return _encode_text(listed)
    if meaning == "numbers":
        return Numbers(np.array([float(v) if type(v) in present else np.nan for v in listed]))
    if meaning == "booleans":
        absent = np.array([type(v) not in present for v in listed])
        data = np.array([type(v) in present and bool(v) for v in listed])
        return Booleans(data, absent if absent.any() else None)
    if meaning == "times":
        return Times(label, values)
    raise _unsupported(label, meaning)


def _present(listed: list[Any]) -> dict[type, str]:
    """Types of the values that are there, and what each means; NaN among other things is absence."""
    present = {kind: _meaning(kind) for kind in set(map(type, listed)) if not _is_absent(kind)}
    if (
        float in present
        and len(set(present.values())) > 1
        and all(v != v for v in listed if type(v) is float)
    ):
        del present[float]
    return present


def _is_absent(kind: type) -> bool:
    from_pandas = kind.__module__.startswith("pandas.") and kind.__name__ in ("NAType", "NaTType")
    return kind is type(None) or from_pandas


def _meaning(kind: type) -> str:
    for meaning, bases in _MEANINGS:
        if issubclass(kind, bases):
            return meaning
    return kind.__name__


_MEANINGS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("text", (str,)),
    ("booleans", (bool, np.bool_)),
    ("times", (date, time, timedelta, np.datetime64, np.timedelta64)),
    ("numbers", (int, float, np.integer, np.floating, Decimal)),
)


def _encode_text(listed: list[Any]) -> Levels:
    seen = dict.fromkeys(listed)
    levels = sorted(value for value in seen if isinstance(value, str))
    code = dict.fromkeys(seen, -1) | {value: place for place, value in enumerate(levels)}
    kind = np.min_scalar_type(-len(levels) - 1)
    codes = np.fromiter(map(code.__getitem__, listed), kind, len(listed))
    return Levels(codes, tuple(map(str, levels)), False, holes=-1 in code.values())


def _factorized(codes: IntArray, uniques: Any) -> Levels:
    found = uniques.tolist()
    levels = sorted(found)
    rank = {value: place for place, value in enumerate(levels)}
    place = np.array([rank[value] for value in found] + [-1])
    return _levels(place[codes], tuple(levels), False)


def _levels(codes: NDArray[Any], levels: tuple[Level, ...], ordered: bool) -> Levels:
    small = codes.astype(np.min_scalar_type(-len(levels) - 1), copy=False)
    return Levels(small, levels, ordered, holes=bool(len(small)) and bool(small.min() < 0))


def _mixed(listed: Iterable[Any], present: dict[type, str], label: str, first: int) -> DataError:
    before = ""
    for row, value in enumerate(listed, first):
        meaning = present.get(type(value), "")
        if meaning and not before:
            before = meaning
        elif meaning and meaning != before:
            return DataError(
                f"{label} mixes {before} and {meaning}: first in row {row}. Convert it to one type."
            )
    raise AssertionError(label)


def _unsupported(label: str, type_name: str) -> DataError:
    return DataError(f"{label} holds {type_name} values. Convert it to numbers or text first.")
