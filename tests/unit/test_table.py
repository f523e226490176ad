"""Results in the caller's library."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from glmstat.table import Native, frame, series


def test_pandas_results_stand_on_the_callers_index():
    like = Native("pandas", pd.Index(["r", "s"], name="id"))
    mu = series(np.array([1.0, np.nan]), like, "mu")
    pd.testing.assert_series_equal(mu, pd.Series([1.0, np.nan], index=like.index, name="mu"))
    assert frame({"a": [1, 2]}, like).index.name == "id"


def test_an_index_of_another_length_is_left_out():
    like = Native("pandas", pd.Index(["r", "s"]))
    assert series(np.arange(3.0), like).index.tolist() == [0, 1, 2]
    assert frame({"a": [1, 2, 3]}, like, index=["x", "y", "z"]).index.tolist() == ["x", "y", "z"]


def test_the_index_of_some_rows():
    like = Native("pandas", pd.Index(["r", "s", "t"]))
    assert like.take(np.array([True, False, True])).index.tolist() == ["r", "t"]
    assert like.take(np.array([2])).index.tolist() == ["t"]
    assert Native("polars").take(np.array([2])).index is None


@pytest.mark.parametrize(
    ("library", "kind", "table"),
    [("polars", pl.Series, pl.DataFrame), ("pyarrow", pa.ChunkedArray, pa.Table)],
)
def test_other_libraries_get_their_own_types(library, kind, table):
    mu = series(np.array([1.0, 2.0]), Native(library), "mu")
    assert isinstance(mu, kind)
    assert list(mu.to_pylist() if library == "pyarrow" else mu) == [1.0, 2.0]
    found = frame({"term": ["x", "z"], "estimate": np.array([1.0, 2.0])}, Native(library), index=["x", "z"])
    assert isinstance(found, table)
    assert found.shape == (2, 2)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_results_are_copies(library):
    values = np.array([1.0, 2.0])
    one = series(values, Native(library))
    many = frame({"a": values}, Native(library))
    values[0] = 9.0
    assert one[0] == 1.0
    assert many["a"][0] == 1.0
