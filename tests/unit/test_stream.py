"""Rows that are read again in every pass: cut into blocks, given levels, known again."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from glmstat.data.ahead import together
from glmstat.data.columns import Levels, Numbers
from glmstat.data.cut import NotRead, missing_column
from glmstat.data.known import FoundLevels
from glmstat.data.source import BLOCK_ROWS, open_source
from glmstat.errors import ColumnError, DataError


def parts(data, size):
    return lambda: (data[start : start + size] for start in range(0, len(data), size))


def table(rows=100):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=rows), "i": np.arange(rows), "b": rng.random(rows) < 0.5})
    data["f"] = rng.choice(["c", "a", "b"], rows)
    data.loc[3, "f"] = None
    return data


@pytest.mark.parametrize("size", [1, 7, 30, 64, 100, 1000])
@pytest.mark.parametrize("block", [1, 10, 64, 1000])
def test_blocks_are_cut_by_row_number_wherever_pieces_end(size, block):
    data = table()
    frames = list(open_source(parts(data, size)).frames(["x", "i", "b", "f"], block_rows=block))
    memory = list(open_source(data).frames(block_rows=block))
    assert [frame.run for frame in frames] == [frame.run for frame in memory]
    for one, other in zip(frames, memory, strict=True):
        for name in ("x", "i", "b"):
            np.testing.assert_array_equal(one[name], other[name])
        assert one["f"].levels == other["f"].levels
        assert one["f"].codes.tolist() == other["f"].codes.tolist()
        gaps = [frame.missing("f") for frame in (one, other)]
        assert (gaps[0] is None) == (gaps[1] is None)


def test_empty_pieces_do_no_harm():
    data = table(20)
    source = open_source(lambda: [data[:0], data[:5], data[5:5], data[5:], data[:0]])
    assert source.rows == 20
    assert [frame.rows for frame in source.frames(["x", "f"], block_rows=8)] == [8, 8, 4]


def test_a_column_that_a_pass_does_not_read_is_asked_for(tmp_path):
    data, asked = table(), []
    data.to_parquet(tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    with pytest.raises(NotRead), closing(source.frames(["x"])) as frames:
        next(frames)["i"]
    with pytest.raises(ColumnError), closing(source.frames(["x"])) as frames:
        next(frames)["z"]

    def total(frame, number):
        asked.append(number)
        return float(frame["x"].sum() + frame["i"].sum() + frame["f"].codes.sum())

    one = source.map_reduce(total, ["x"], block_rows=40)
    assert one == open_source(data).map_reduce(total, block_rows=40)
    assert len(asked) == 2 + 3 + 3  # two blocks were left for a column each, then three of either source


def test_only_the_columns_used_are_decoded(tmp_path, monkeypatch):
    seen = []
    whole = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile,
        "iter_batches",
        lambda self, size, **words: seen.append(words["columns"]) or whole(self, size, **words),
    )
    table().to_parquet(tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    assert source.rows == 100
    assert seen == []
    source.map_reduce(lambda frame, number: float(frame["x"].sum() + frame["f"].codes.sum()), ["x", "f"])
    assert seen == [["f"], ["x", "f"]]


def test_rows_without_columns_are_counted_without_reading(tmp_path):
    table().to_parquet(tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    assert [frame.run for frame in source.frames(block_rows=60)] == [slice(0, 60), slice(60, 100)]


def test_labels_of_rows_that_pandas_wrote_are_no_column(tmp_path):
    data = table().set_axis([f"r{row}" for row in range(100)])
    data.to_parquet(tmp_path / "a.parquet")
    assert open_source(tmp_path / "a.parquet").names == ("x", "i", "b", "f")
    named = data.rename_axis("policy")
    named.to_parquet(tmp_path / "b.parquet")
    assert open_source(tmp_path / "b.parquet").names == ("x", "i", "b", "f", "policy")


def test_columns_beside_and_columns_hidden(tmp_path):
    data = table()
    data.to_parquet(tmp_path / "a.parquet", row_group_size=30)
    source = open_source(tmp_path / "a.parquet").without(["i"])
    assert source.names == ("x", "b", "f")
    joined = source.joined({"w": source.align_column(np.arange(100.0), "weights")})
    assert joined.names == ("x", "b", "f", "w")
    for frame in joined.frames(["x", "w"], block_rows=33):
        np.testing.assert_array_equal(frame["w"], np.arange(100.0)[frame.run])
    with pytest.raises(DataError, match="Length of weights differs from data: 3 values, 100 rows"):
        source.align_column([1, 2, 3], "weights")
    with pytest.raises(ColumnError, match="No column 'i' in data"):
        source.kind("i")


def test_collected_data_read_other_columns_when_they_are_asked_for(tmp_path):
    data = table()
    data.to_parquet(tmp_path / "a.parquet", row_group_size=30)
    held = open_source(tmp_path / "a.parquet").collect(["x"])
    assert held.held
    assert held.frame()["f"].levels == ("a", "b", "c")
    np.testing.assert_array_equal(held.frame(10, 90)["x"], data["x"][10:90])


def test_blocks_that_agree_with_pieces_are_served_in_place():
    values = np.random.default_rng(1).normal(size=2 * BLOCK_ROWS)
    batches = pa.table({"x": values}).to_batches(max_chunksize=BLOCK_ROWS)
    source = open_source(ds.dataset(batches))
    for frame in source.frames(["x"]):
        assert np.shares_memory(frame["x"], values)


def test_memory_is_bounded_by_batches_not_by_row_groups(tmp_path):
    rows, allocated = 1_000_000, []
    rng = np.random.default_rng(2)
    written = pa.table({f"x{place}": rng.normal(size=rows) for place in range(4)})
    pq.write_table(written, tmp_path / "a.parquet", row_group_size=rows)
    del written
    base = pa.total_allocated_bytes()
    source = open_source(tmp_path / "a.parquet")
    for _ in source.frames([f"x{place}" for place in range(4)]):
        allocated.append(pa.total_allocated_bytes() - base)
    assert max(allocated) < 16e6  # the row group has 32 MB; a batch 2 MB


def test_a_column_without_a_value_is_of_the_kind_it_is_told():
    assert missing_column("numeric", 2, "x").missing(0, 2).all()
    for kind in ("numeric", "boolean", "categorical", "ordered", "time"):
        column = missing_column(kind, 3, "x")
        assert column.kind == kind
        assert column.missing(0, 3).all()


class Given:
    def __init__(self, column, declared=False):
        self.given, self.declared, self.names, self.rows = column, declared, ("f",), len(column)

    def column(self, name):
        return self.given

    def declares(self, name):
        return self.declared


def test_levels_are_those_used_unless_they_are_declared():
    codes = np.array([1, -1, 1])
    found = FoundLevels("f")
    found.add(Given(Levels(codes, ("z", "b", "a"))), 0)
    found.add(Given(Levels(codes, ("b", "a"))), 3)
    assert found.ordered == ("a", "b")
    declared = FoundLevels("f")
    declared.add(Given(Levels(codes[:0], ()), declared=True), 0)
    declared.add(Given(Levels(codes, ("z", "b", "a")), declared=True), 0)
    assert declared.ordered == ("z", "b", "a")
    declared.add(Given(Levels(codes, ("b", "c")), declared=True), 3)
    assert declared.ordered == ("b", "c")
    with pytest.raises(DataError, match="'f' is categorical in some rows and numeric in others: near row 6"):
        declared.add(Given(Numbers(codes)), 6)


def test_threads_ahead_end_with_who_takes_from_them():
    def count(stop):
        for number in range(stop):
            if number == 5:
                raise ValueError("five")
            yield number

    assert list(together([range(3), range(3)])) == [(0, 0), (1, 1), (2, 2)]
    taken = []
    with pytest.raises(ValueError, match="five"):
        taken.extend(together([range(9), count(9)]))
    with closing(together([iter(range(10**9)), iter(range(10**9))])) as pairs:
        assert next(pairs) == (0, 0)
