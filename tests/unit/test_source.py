"""Data of every library opened as a source: the same kinds, levels and missing values from all of them."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from glmstat.data.columns import Categorical
from glmstat.data.source import Frame, MemorySource, open_memory, open_source
from glmstat.errors import ColumnError, DataError


def column_of(values, **options):
    return pd.DataFrame({"v": pd.Series(values, **options)})


TEXT = {
    "pandas str": column_of(["b", "a", None]),
    "pandas object": column_of(["b", "a", None], dtype=object),
    "pandas object with NaN": column_of(["b", "a", np.nan], dtype=object),
    "pandas string": column_of(["b", "a", None], dtype="string"),
    "pandas string[pyarrow]": column_of(["b", "a", None], dtype="string[pyarrow]"),
    "pandas arrow string": column_of(["b", "a", None], dtype=pd.ArrowDtype(pa.string())),
    "pandas arrow dictionary": pd.DataFrame(
        {"v": pd.array(["b", "a", None], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())))}
    ),
    "polars String": pl.DataFrame({"v": ["b", "a", None]}),
    "polars Categorical": pl.DataFrame({"v": pl.Series(["b", "a", None], dtype=pl.Categorical)}),
    "polars lazy": pl.LazyFrame({"v": ["b", "a", None]}),
    "arrow string": pa.table({"v": ["b", "a", None]}),
    "arrow dictionary": pa.table({"v": pa.array(["b", "a", None]).dictionary_encode()}),
    "duckdb": duckdb.sql("SELECT * FROM (VALUES ('b'), ('a'), (NULL)) AS rows(v)"),
    "list": {"v": ["b", "a", None]},
    "list with NaN": {"v": ["b", "a", float("nan")]},
    "tuple": {"v": ("b", "a", None)},
    "array": {"v": np.array(["b", "a", None], dtype=object)},
    "pandas series": {"v": pd.Series(["b", "a", None])},
    "polars series": {"v": pl.Series(["b", "a", None])},
}


@pytest.mark.parametrize("data", TEXT.values(), ids=TEXT.keys())
def test_text_means_the_same_in_every_library(data):
    source = open_memory(data)
    frame = source.frame()
    assert source.kind("v") == "categorical"
    assert source.levels("v") == ("a", "b")
    assert frame["v"].codes.tolist() == [1, 0, -1]
    assert frame["v"].codes.dtype == np.intp
    assert frame.missing("v").tolist() == [False, False, True]


DECLARED = {
    "pandas category": column_of(pd.Categorical(["b", "a", None], ["b", "a", "c"])),
    "polars Enum": pl.DataFrame({"v": pl.Series(["b", "a", None], dtype=pl.Enum(["b", "a", "c"]))}),
    "duckdb ENUM": duckdb.sql(
        "SELECT CAST(v AS ENUM('b', 'a', 'c')) AS v FROM (VALUES ('b'), ('a'), (NULL)) AS rows(v)"
    ),
}


@pytest.mark.parametrize("data", DECLARED.values(), ids=DECLARED.keys())
def test_declared_order_of_levels_is_kept(data):
    source = open_memory(data)
    assert source.kind("v") == "categorical"
    assert source.levels("v") == ("b", "a", "c")
    assert source.frame()["v"].codes.tolist() == [0, 1, -1]


def test_ordered_dtypes_are_ordered():
    values = pd.Categorical(["low", "high"], ["low", "high"], ordered=True)
    indices = pa.array([0, 1])
    arrow = pa.DictionaryArray.from_arrays(indices, pa.array(["low", "high"]), ordered=True)
    for data in (column_of(values), pa.table({"v": arrow})):
        source = open_source(data)
        assert source.kind("v") == "ordered"
        assert source.levels("v") == ("low", "high")
        assert source.frame()["v"].ordered


def test_levels_are_text_numbers_or_booleans():
    whole = open_source(column_of(pd.Categorical([2, 1, 2]))).levels("v")
    assert whole == (1.0, 2.0)
    assert all(isinstance(level, float) for level in whole)
    assert open_source(column_of(pd.Categorical([True, False]))).levels("v") == (False, True)
    assert open_source(column_of(pd.cut([0.5, 1.5], [0, 1, 2]))).levels("v") == ("(0, 1]", "(1, 2]")


NUMBERS = {
    "Int64": column_of([1, None, 3], dtype="Int64"),
    "Float64": column_of([1, None, 3], dtype="Float64"),
    "arrow integer": column_of([1, None, 3], dtype="int64[pyarrow]"),
    "arrow double": column_of([1, None, 3], dtype="double[pyarrow]"),
    "arrow decimal": column_of([Decimal(1), None, Decimal(3)], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
    "object": column_of([1, None, 3.0], dtype=object),
    "Decimal": column_of([Decimal(1), None, Decimal(3)], dtype=object),
    "sparse": column_of(pd.arrays.SparseArray([1.0, np.nan, 3.0])),
    "polars integer": pl.DataFrame({"v": [1, None, 3]}),
    "polars NaN": pl.DataFrame({"v": [1.0, float("nan"), 3.0]}),
    "polars Decimal": pl.DataFrame({"v": [Decimal(1), None, Decimal(3)]}),
    "arrow": pa.table({"v": [1, None, 3]}),
    "duckdb": duckdb.sql("SELECT * FROM (VALUES (1), (NULL), (3)) AS rows(v)"),
    "list": {"v": [1, None, 3]},
    "masked": {"v": np.ma.masked_array([1, 2, 3], [False, True, False])},
}


@pytest.mark.parametrize("data", NUMBERS.values(), ids=NUMBERS.keys())
def test_missing_numbers_are_nan(data):
    frame = open_memory(data).frame()
    assert frame["v"].dtype == np.float64
    np.testing.assert_array_equal(frame["v"], [1, np.nan, 3])
    assert frame.missing("v").tolist() == [False, True, False]


@pytest.mark.parametrize(
    "dtype", ["u1", "i2", "i8", "f2", "f4", "f8", ">f8", ">i4", "Int32", "double[pyarrow]"]
)
def test_numbers_of_any_width_become_float64(dtype):
    frame = open_source(column_of([1, 2, 3], dtype=dtype)).frame()
    assert frame["v"].dtype == np.float64
    assert frame["v"].tolist() == [1, 2, 3]
    assert frame.missing("v") is None


BOOLEANS = {
    "pandas boolean": column_of([True, None, False], dtype="boolean"),
    "pandas object": column_of([True, None, False], dtype=object),
    "pandas object with NA": column_of([True, pd.NA, False], dtype=object),
    "pandas object with NaN": column_of([True, np.nan, False], dtype=object),
    "pandas arrow": column_of([True, None, False], dtype="bool[pyarrow]"),
    "polars": pl.DataFrame({"v": [True, None, False]}),
    "arrow": pa.table({"v": [True, None, False]}),
    "list": {"v": [True, None, False]},
    "masked": {"v": np.ma.masked_array([True, True, False], [False, True, False])},
}


@pytest.mark.parametrize("data", BOOLEANS.values(), ids=BOOLEANS.keys())
def test_missing_booleans_read_as_false_and_are_flagged(data):
    frame = open_source(data).frame()
    assert frame.kind("v") == "boolean"
    assert frame["v"].tolist() == [True, False, False]
    assert frame.missing("v").tolist() == [False, True, False]


def test_a_column_without_a_value_is_missing_numbers():
    for data in (
        column_of([None, None], dtype=object),
        pl.DataFrame({"v": [None, None]}),
        {"v": [None, None]},
    ):
        frame = open_source(data).frame()
        assert frame.kind("v") == "numeric"
        assert frame.missing("v").all()


TIMES = {
    "pandas": column_of(pd.to_datetime(["2020-01-01", None])),
    "pandas zone": column_of(pd.to_datetime(["2020-01-01", None]).tz_localize("UTC")),
    "pandas delta": column_of(pd.to_timedelta([1, 2], unit="s")),
    "dates": column_of([pd.Timestamp("2020-01-01").date(), None], dtype=object),
    "polars": pl.DataFrame({"v": [1, 2]}).cast(pl.Date),
    "numpy": {"v": np.array(["2020", "2021"], dtype="M8[Y]")},
}


@pytest.mark.parametrize("data", TIMES.values(), ids=TIMES.keys())
def test_times_are_recognised_and_refused_when_used(data):
    source = open_source(data)
    assert source.kind("v") == "time"
    with pytest.raises(DataError, match=r"Column 'v' holds dates or times. Convert it to a number first"):
        source.frame()["v"]


@pytest.mark.parametrize("data", TIMES.values(), ids=TIMES.keys())
def test_times_have_an_order_and_may_be_missing(data):
    frame = open_source(data).frame()
    codes = frame.holder.column("v").sorted.codes
    absent = frame.missing("v")
    assert codes.tolist() in ([0, 1], [0, -1])
    assert (absent is None) == (codes >= 0).all()
    assert absent is None or absent.tolist() == (codes < 0).tolist()


REFUSED = {
    "text among numbers": (column_of([1, "a", None], dtype=object), "mixes numbers and text: first in row 1"),
    "booleans among numbers": ({"v": [None, 2, True]}, "mixes numbers and booleans: first in row 2"),
    "complex": (column_of([1j, 2]), "holds complex128 values"),
    "complex objects": ({"v": [1j, None]}, "holds complex values"),
    "bytes": ({"v": [b"a", b"b"]}, "holds bytes values"),
    "lists": ({"v": [[1], [2, 3]]}, "holds list values"),
    "polars lists": (pl.DataFrame({"v": [[1], [2]]}), "holds List"),
    "periods": (column_of(pd.period_range("2020", periods=2, freq="Y")), "holds Period values"),
    "matrix": ({"v": np.ones((2, 2))}, r"has shape \(2, 2\)"),
}


@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_column_is_refused(data, words):
    source = open_source(data)
    with pytest.raises(DataError, match=f"Column 'v' {words}"):
        source.kind("v")


def test_float64_is_served_in_place_and_read_only():
    values = np.arange(8.0)
    for data in (pd.DataFrame({"v": values}), pl.DataFrame({"v": values}), {"v": values}):
        frame = open_source(data).frame(2, 5)
        assert frame["v"].tolist() == [2, 3, 4]
        assert not frame["v"].flags.owndata
        assert not frame["v"].flags.writeable
    data = pd.DataFrame({"u": values, "v": values})
    assert np.shares_memory(open_source(data).frame()["v"], data["v"].to_numpy())


def test_private_shortcut_of_pandas_is_not_needed():
    class Plain(pd.DataFrame):
        _get_column_array = None
        _constructor = property(lambda _: Plain)

    data = Plain({"x": [1.0, 2.0], "f": ["b", "a"], "i": pd.array([1, None], dtype="Int64")})
    frame = open_source(data).frame()
    assert frame["x"].tolist() == [1, 2]
    assert frame["f"].levels == ("a", "b")
    assert frame.missing("i").tolist() == [False, True]


def test_a_source_keeps_the_columns_it_was_opened_with():
    data = pd.DataFrame({"x": [1.0, 2.0], "z": [3.0, 4.0]})
    source = open_source(data)
    data.insert(0, "w", 0.0)
    del data["x"]
    assert source.frame()["x"].tolist() == [1, 2]
    assert source.frame()["z"].tolist() == [3, 4]


def test_names_that_are_no_text_are_named_by_their_text():
    source = open_source(pd.DataFrame({0: [1.0], "my col": [2.0], "größe": [3.0]}))
    assert source.names == ("0", "my col", "größe")
    assert source.frame()["0"].tolist() == [1.0]


def test_an_absent_column_is_named_with_its_neighbour():
    source = open_source({"y": [1], "x": [1], "zz": [1]})
    with pytest.raises(
        ColumnError, match=r"No column 'z' in data: columns are y, x, zz. Did you mean 'zz'\?"
    ):
        source.kind("z")
    with pytest.raises(ColumnError):
        source.frame()["z"]
    assert "z" not in source
    assert "zz" in source.frame()


WRONG = {
    "no rows": (pd.DataFrame({"x": []}), "data has no rows"),
    "no columns": ({}, "data has no rows"),
    "names repeat": (pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]), "names repeat in data: a"),
    "names repeat as text": ({1: [1], "1": [2]}, "names repeat in data: 1"),
    "lengths": ({"a": [1, 2], "b": [1]}, "differ in length: a has 2, b has 1"),
    "single value": ({"a": [1, 2], "b": 3}, "Column 'b' is a single value: 3"),
    "single text": ({"a": "abc"}, "Column 'a' is a single value: 'abc'"),
    "list": ([1, 2], "data must be a data frame or a mapping of arrays: got list"),
    "array": (np.ones((2, 2)), "got ndarray"),
    "text": ("claims", "got str"),
    "nothing": (None, "got NoneType"),
}


@pytest.mark.parametrize(("data", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_table_is_refused(data, words):
    with pytest.raises(DataError, match=words):
        open_source(data)


def test_frames_are_taken_by_position_and_by_mask():
    data = {"x": [0.0, 1, 2, 3, np.nan], "f": list("abcab"), "b": [True, None, True, True, False]}
    frame = open_source(data).frame(1, 5).take(np.array([False, True, True, True]))
    assert frame.rows == 3
    assert frame.numbers.tolist() == [2, 3, 4]
    assert frame["f"].codes.tolist() == [2, 0, 1]
    assert frame.missing("x").tolist() == [False, False, True]
    assert frame.missing("b") is None
    taken = frame.take(np.array([1, 0]))
    assert taken["x"].tolist() == [3, 2]
    assert taken.numbers.tolist() == [3, 2]
    assert taken.missing("x") is None


def test_a_source_is_opened_once():
    source = open_source({"x": [1, 2]})
    assert open_source(source) is source


@pytest.mark.parametrize("data", [*TEXT.values(), *DECLARED.values()], ids=[*TEXT.keys(), *DECLARED.keys()])
def test_a_source_survives_pickling(data):
    source = open_memory(data)
    again = pickle.loads(pickle.dumps(source)).frame(0, 2)
    assert again["v"].levels == source.levels("v")
    assert again["v"].codes.tolist() == source.frame(0, 2)["v"].codes.tolist()


@dataclass
class Total:
    value: float
    blocks: tuple[int, ...]

    def __add__(self, other: Total) -> Total:
        return Total(self.value + other.value, self.blocks + other.blocks)


@pytest.mark.parametrize("workers", [1, 3, None])
def test_map_reduce_visits_every_row_once_in_block_order(workers):
    values = np.random.default_rng(1).normal(size=1001)
    source = open_source({"x": values})

    def total(frame: Frame, number: int) -> Total:
        return Total(float(frame["x"].sum()), (number,))

    one = source.map_reduce(total, block_rows=100)
    many = source.map_reduce(total, block_rows=100, workers=workers)
    assert many == one
    assert one.blocks == tuple(range(11))
    assert one.value == pytest.approx(values.sum(), rel=1e-12)


@pytest.fixture
def labelled() -> MemorySource:
    return open_source(pd.DataFrame({"x": [1.0, 2, 3]}, index=["r", "s", "t"]))


def test_series_are_put_in_the_order_of_the_index(labelled):
    assert labelled.align(pd.Series([1, 2, 3], index=["t", "s", "r"]), "weights").tolist() == [3, 2, 1]
    assert labelled.align([1, 2, 3], "weights").tolist() == [1, 2, 3]
    assert labelled.align(np.array([True, False, True]), "subset").dtype == np.bool_
    assert isinstance(labelled.align(["u", "v", "u"], "cluster"), Categorical)


MISALIGNED = {
    "other labels": (pd.Series([1, 2, 3]), r"Index of weights .*3 labels are not in data \(0, 1, 2\)"),
    "repeated labels": (pd.Series([1, 2, 3], index=["r", "r", "t"]), "labels repeat"),
    "length": ([1, 2], "Length of weights differs from data: 2 values, 3 rows. Give one value per row"),
    "scalar": (2.0, "weights is a single value: 2.0"),
    "matrix": (np.ones((3, 1)), r"weights has shape \(3, 1\)"),
    "mixed": ([1, "a", 2], "weights mixes numbers and text: first in row 1"),
}


@pytest.mark.parametrize(("value", "words"), MISALIGNED.values(), ids=MISALIGNED.keys())
def test_what_cannot_be_aligned_is_refused(labelled, value, words):
    with pytest.raises(DataError, match=words):
        labelled.align(value, "weights")


def test_a_repeated_index_is_fine_where_both_are_the_same():
    data = pd.DataFrame({"x": [1.0, 2]}, index=["r", "r"])
    assert open_source(data).align(data["x"], "offset").tolist() == [1, 2]


def test_series_in_a_mapping_share_one_index():
    first = pd.Series([1.0, 2], index=["r", "s"])
    source = open_source({"x": first, "y": pd.Series([3.0, 4], index=["s", "r"]), "z": [5, 6]})
    assert source.frame()["y"].tolist() == [4, 3]
    assert source.index.tolist() == ["r", "s"]
    with pytest.raises(DataError, match="Index of Column 'y' differs"):
        open_source({"x": first, "y": pd.Series([3.0, 4])}).frame()["y"]


@pytest.mark.parametrize(
    ("data", "library"),
    [
        (pd.DataFrame({"x": [1]}), "pandas"),
        (pl.DataFrame({"x": [1]}), "polars"),
        (pl.LazyFrame({"x": [1]}), "polars"),
        (pa.table({"x": [1]}), "pyarrow"),
        (duckdb.sql("SELECT 1 AS x"), "pandas"),
        ({"x": [1]}, "pandas"),
    ],
)
def test_results_go_back_to_the_library_of_the_data(data, library):
    assert open_source(data).native.library == library


def test_categorical_keeps_its_coding_when_rows_are_taken():
    whole = Categorical(np.array([0, 1, -1]), ("a", "b"), ordered=True, contrast="sum")
    part = whole.take(np.array([True, False, True]))
    assert part.codes.tolist() == [0, -1]
    assert (part.levels, part.ordered, part.contrast, len(part)) == (("a", "b"), True, "sum", 2)
