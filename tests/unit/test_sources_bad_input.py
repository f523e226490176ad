"""Data that cannot be read, or not again: one clear error each, and no other library's words."""

from __future__ import annotations

import gzip
import os
import re
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from glmstat import Control, glm
from glmstat.data.source import open_memory, open_source
from glmstat.errors import ColumnError, DataError, DependencyError

STREAM = Control(memory=0)


def table(rows=10, **columns):
    return pd.DataFrame({"y": np.arange(rows) % 3 + 1.0, "x": np.arange(rows) ** 0.5, **columns})


def refused(data, words, formula="y ~ x", error=DataError):
    with pytest.raises(error, match=words) as caught:
        glm(formula, data, control=STREAM)
    assert caught.value.__cause__ is None or caught.value.__suppress_context__


@pytest.fixture
def folder(tmp_path):
    table().to_parquet(tmp_path / "claims.parquet")
    return tmp_path


def test_a_path_that_is_not_there_names_its_neighbour(folder):
    words = (
        r"No such file: '.*clams.parquet', folder '.*' has no 'clams.parquet'. Check .* Did you mean 'claims"
    )
    refused(folder / "clams.parquet", words)
    refused(str(folder / "clams.parquet"), words)
    refused(folder / "nowhere" / "deeper" / "a.csv", "has no 'nowhere'. Check the path.$")


def claims_with_labels():
    rng = np.random.default_rng(1)
    data = table(60, w=rng.uniform(1, 2, 60))
    return data.set_axis(rng.permutation(60))


@pytest.mark.parametrize("control", [STREAM, Control()], ids=["streamed", "collected"])
@pytest.mark.parametrize("form", ["parquet", "batches", "dataset", "duckdb", "polars"])
def test_a_series_with_labels_meets_no_rows_without(form, control, tmp_path):
    data = claims_with_labels()
    path = tmp_path / "a.parquet"
    data.to_parquet(path)
    forms = {
        "parquet": lambda: path,
        "batches": lambda: lambda: iter([data[:25], data[25:]]),
        "dataset": lambda: ds.dataset(path).filter(ds.field("x") >= 0),
        "duckdb": lambda: duckdb.sql(f"SELECT * FROM '{path}'"),
        "polars": lambda: pl.scan_parquet(path),
    }
    source = forms[form]()
    words = r"Index of (weights|subset|k) differs from that of the rows: .* Give a column, or .to_numpy\(\)"
    for given in ({"weights": data.w}, {"subset": data.w > 1.2}, {"context": {"k": data.w}}):
        formula = "y ~ x + k" if "context" in given else "y ~ x"
        with pytest.raises(DataError, match=words):
            glm(formula, source, control=control, **given)
    x, w = np.column_stack([np.ones(60), data.x]), data.w.to_numpy()
    expected = np.linalg.solve(x.T * w @ x, x.T * w @ data.y)
    for weights in ("w", w, data.w.reset_index(drop=True), list(w)):
        fit = glm("y ~ x", source, weights=weights, control=control)
        np.testing.assert_allclose(fit.estimate.coef, expected, rtol=1e-10)


def test_a_file_counts_once(folder):
    file, pattern = str(folder / "claims.parquet"), str(folder / "*.parquet")
    (folder / "link.parquet").symlink_to(folder / "claims.parquet")
    for paths in ([file, pattern], [file, file], pattern):
        with pytest.raises(DataError, match=r"'(claims|link)\.parquet' is named twice: .* Name every file"):
            glm("y ~ x", paths)


def test_rows_of_batches_are_counted_from_the_first():
    data = table(500, z=np.arange(500.0))
    data["z"] = data.z.astype(object)
    data.loc[397, "z"] = "q"
    words = "Column 'z' mixes numbers and text: first in row 397"
    for form in (lambda part: part, lambda part: part.to_dict("list")):
        refused(lambda form=form: (form(data[k : k + 370]) for k in (0, 370)), words, "y ~ z")


def test_a_function_that_needs_arguments_says_which():
    refused(lambda a, *, b: iter([table()]), "Function <lambda> needs arguments: a, b. Give a function")
    glm("y ~ x", lambda size=5, *more: iter([table(size)]))


@pytest.mark.parametrize("control", [STREAM, Control()], ids=["streamed", "collected"])
def test_a_typo_in_a_number_of_a_csv_is_no_level(control, tmp_path):
    rng = np.random.default_rng(1)
    good = pd.DataFrame({
        "y": rng.poisson(3, 3000),
        "k": rng.integers(1, 6, 3000).astype(str),
        "x": rng.normal(size=3000).astype(str),
        "area": rng.choice([f"{code:02}" for code in range(60)] + ["2A"], 3000),
        "class": rng.choice(["1", "2", "3", "A"], 3000),
    })  # fmt: skip
    bad = good.copy()
    bad.loc[2899, ["k", "x"]] = "4x"
    bad["s"] = bad.x.where(np.arange(3000) % 7 > 1, ".")  # a word for missing values, in many rows
    bad.to_csv(tmp_path / "bad.csv", index=False)
    words = "Column '{}' of 'bad.csv' mixes numbers and text: '{}' in row {}. Correct it"
    for name, word, row in (("k", "4x", "2,899"), ("x", "4x", "2,899"), ("s", ".", "0")):
        with pytest.raises(DataError, match=re.escape(words.format(name, word, row))):
            glm(f"y ~ {name}", tmp_path / "bad.csv", "poisson", control=control)
    fit = glm("y ~ area + class", tmp_path / "bad.csv", "poisson", control=control)
    assert len(fit.coef) == 1 + 60 + 3


def test_text_that_is_no_path_is_no_data():
    for text in ("claims", "y ~ x", "y ~ x*z", "y ~ a/b", "", "x\n/", "a" * 5000):
        with pytest.raises(DataError, match="data must be a data frame or a mapping of arrays: got str"):
            open_source(text)
    for values in (["a", "b"], [], [1, 2]):
        with pytest.raises(DataError, match="data must be a data frame or a mapping of arrays: got list"):
            open_source(values)


def test_folders_and_patterns_without_data(tmp_path):
    (tmp_path / "_hidden.parquet").write_bytes(b"")
    refused(tmp_path, "Folder '.*' has no data files: known are .parquet, .pq, .csv")
    refused(f"{tmp_path}/*.parquet/x", "No file matches '.*': nothing to read. Check the pattern")
    refused(f"{tmp_path}/[a-c]*.csv", "No file matches")


def test_folders_that_keep_a_column_in_their_names(tmp_path):
    (tmp_path / "year=2020").mkdir()
    table().to_parquet(tmp_path / "year=2020" / "a.parquet")
    refused(
        tmp_path, r"keeps columns in names of folders: 'year=2020'. Give pyarrow.dataset.dataset\(path, p"
    )
    fit = glm("y ~ x + year", ds.dataset(tmp_path, partitioning="hive"), control=STREAM)
    assert fit.nobs == 10


def test_files_of_two_formats(folder):
    table().to_csv(folder / "b.csv", index=False)
    refused(folder, "Files have different formats: .*. Give files of one format.")


def test_files_that_are_no_tables(tmp_path):
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK")
    refused(path, "'a.xlsx' is no data file that is known: suffixes are .parquet")
    refused("s3://bucket/a.parquet", "is not on this machine: only paths are opened by name")
    refused("/dev/null", "cannot be read again and again: it is no file")


def test_damaged_parquet_files(folder):
    whole = (folder / "claims.parquet").read_bytes()
    for bytes_ in (b"", b"PAR1", whole[:-8], whole[:50], b"text" + whole[4:-4] + b"text"):
        (folder / "bad.parquet").write_bytes(bytes_)
        refused(folder / "bad.parquet", "'bad.parquet' cannot be read: .*. Write it again, or leave it out.$")
    middle = np.frombuffer(whole, dtype=np.uint8).copy()
    middle[4:200] = 255
    (folder / "bad.parquet").write_bytes(middle.tobytes())
    refused(folder / "bad.parquet", "'bad.parquet' cannot be read: .*. Write it again, or leave it out.$")


def test_damage_to_a_column_that_is_not_used_does_no_harm(tmp_path):
    path = tmp_path / "a.parquet"
    table(5000, bad=np.random.default_rng(1).normal(size=5000)).to_parquet(path, compression="snappy")
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(2)
    assert chunk.path_in_schema == "bad"
    content = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)
    refused(path, "'a.parquet' cannot be read", "y ~ x + bad")
    for control in (STREAM, Control()):
        assert glm("y ~ x", path, control=control).nobs == 5000


def test_columns_of_no_use_do_no_harm(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"y": [1.0, 2, 3], "x": [1.0, 2, 4], "v": [[1], [2, 3], []]}), path)
    assert glm("y ~ x", path, control=STREAM).nobs == 3
    refused(path, r"Column 'v' holds list<.*> values. Convert it to numbers or text first", "y ~ x + v")


def parts(folder, **changes):
    for number in range(4):
        data = table()
        change = changes.get(f"part{number}")
        (data if change is None else change(data)).to_parquet(folder / f"part-{number}.parquet")
    return folder


def test_schemas_that_differ_name_file_and_column(tmp_path):
    parts(tmp_path, part2=lambda data: data.drop(columns="x"))
    refused(tmp_path, "Column 'x' is not in every file: 'part-2.parquet' lacks it, 'part-0.parquet' has it.")
    assert glm("y ~ 1", tmp_path, control=STREAM).nobs == 40
    parts(tmp_path, part2=lambda data: data.assign(x=data["x"].astype(str)))
    refused(
        tmp_path, "Column 'x' is numeric in 'part-0.parquet' and categorical in 'part-2.parquet'. Convert"
    )
    parts(tmp_path, part3=lambda data: data.assign(x=data["y"].astype(int), extra="a"))
    assert glm("y ~ x", tmp_path, control=STREAM).nobs == 40
    refused(tmp_path, "Column 'extra' is not in every file: 'part-0.parquet' lacks it", "y ~ x + extra")


def test_datasets_are_as_strict_as_their_folder(tmp_path):
    parts(tmp_path, part2=lambda data: data.drop(columns="x"), part3=lambda data: data.assign(z="a"))
    schema = pa.schema([("y", pa.float64()), ("x", pa.float64()), ("z", pa.string()), ("v", pa.string())])
    whole, declared = ds.dataset(tmp_path), ds.dataset(tmp_path, schema=schema)
    forms = whole, declared, whole.filter(ds.field("y") > 0), ds.UnionDataset(whole.schema, [whole])
    words = "Column 'x' is not in every file: 'part-2.parquet' lacks it, 'part-0.parquet' has it."
    for data in (tmp_path, *forms):
        refused(data, words)
        assert glm("y ~ 1", data, control=STREAM).nobs == 40
    refused(declared, "'part-0.parquet' lacks it, 'part-3.parquet' has it", "y ~ z")
    refused(declared, "'part-0.parquet' lacks it, none has it", "y ~ v")
    parts(tmp_path, part2=lambda data: data.assign(x=data["x"] > 1))
    filtered = ds.dataset(tmp_path).filter(ds.field("y") > 0)
    for data in (tmp_path, ds.dataset(tmp_path), filtered):
        refused(data, "Column 'x' is numeric in 'part-0.parquet' and boolean in 'part-2.parquet'. Convert")


def test_a_type_that_a_dataset_declares_and_a_file_does_not_hold(tmp_path):
    parts(tmp_path)
    data = ds.dataset(tmp_path, schema=pa.schema([("x", pa.int64()), ("y", pa.float64())]))
    words = "Column 'x' of 'part-0.parquet' is double, the dataset says int64: Float value 1.4.* Give the"
    refused(data, words)
    refused(data.filter(ds.field("y") > 0), words)
    assert glm("y ~ 1", data, control=STREAM).nobs == 40


def test_files_without_a_value_or_a_row_do_no_harm(tmp_path):
    parts(
        tmp_path,
        part0=lambda data: data.assign(f=None),
        part1=lambda data: data.assign(f=["a", "b"] * 5),
        part2=lambda data: data[:0].assign(f=pd.Series([], dtype=str)),
        part3=lambda data: data.assign(f=["c"] * 10),
    )
    whole = pd.concat([pd.read_parquet(path) for path in sorted(tmp_path.iterdir())], ignore_index=True)
    for control in (STREAM, Control()):
        fit = glm("y ~ x + f", tmp_path, control=control)
        assert fit == glm("y ~ x + f", whole, control=control)
        assert fit.nobs == 20
    blocks = list(open_source(tmp_path).frames(["f"], block_rows=10))
    assert [block.kind("f") for block in blocks] == ["categorical"] * 3


def test_no_rows_at_all(tmp_path):
    table().iloc[:0].to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("y,x\n")
    empty = pl.LazyFrame({"y": [], "x": []}, schema={"y": pl.Float64, "x": pl.Float64})
    for data in (
        tmp_path / "a.parquet",
        tmp_path / "a.csv",
        empty,
        lambda: [table()[:0]],
        duckdb.sql("SELECT 1.0 AS y, 2.0 AS x WHERE false"),
        ds.dataset(pa.table({"y": [], "x": []})),
    ):
        refused(data, ".* has no rows. Check how it was filtered")
        assert open_memory(data, least=0).rows == 0
    refused(lambda: [], r"Function <lambda> yields no batch: there are no rows. Check what it reads")


def test_names_that_repeat(tmp_path):
    pq.write_table(
        pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], ["a", "a"]), tmp_path / "a.parquet"
    )
    (tmp_path / "a.csv").write_text("y,x,x\n1,2,3\n")
    refused(tmp_path / "a.parquet", "Column names repeat in data: a")
    refused(tmp_path / "a.csv", "Column names repeat in data: x")


def test_a_column_that_is_nowhere(folder):
    refused(folder, "No column 'z' in data: columns are y, x", "y ~ x + z", ColumnError)


def test_files_that_change_are_refused(folder):
    source = open_source(folder)
    assert source.rows == 10
    table(11).to_parquet(folder / "claims.parquet")
    with pytest.raises(DataError, match=r"'claims.parquet' changed since it was opened. Fit it again"):
        list(source.frames(["x"]))
    (folder / "claims.parquet").unlink()
    with pytest.raises(DataError, match=r"File 'claims.parquet' is gone"):
        list(source.frames(["x"]))


def test_a_file_that_changes_in_the_last_pass_is_noticed(folder):
    source = open_source(folder)
    with pytest.raises(DataError, match=r"'claims.parquet' changed since it was opened"):
        for _ in source.frames(["x"]):
            os.utime(folder / "claims.parquet", (1, 1))


def test_a_fit_notices_files_that_change_between_its_passes(folder, monkeypatch):
    from glmstat.data.parquet import ParquetReader

    passes, pieces = [], ParquetReader.pieces

    def changing(self, columns, workers=1):
        passes.append(columns)
        if len(passes) == 3:
            os.utime(folder / "claims.parquet", (1, 1))
        return pieces(self, columns, workers)

    monkeypatch.setattr(ParquetReader, "pieces", changing)
    with pytest.raises(DataError, match="changed since it was opened"):
        glm("y ~ x", folder / "claims.parquet", "poisson", control=STREAM)


CSV = {
    "text among numbers": (
        "y,x\n" + "1,2\n2,4\n3,3\n" * 400_000 + "3,abc\n",
        "Column 'x' of 'a.csv' is numeric at first, but 'abc' in row 1,200,000. Correct the file",
    ),
    "text at once": ("y,x\n1,2\n2,abc\n", None),
    "value missing": (
        "y,x\n1,2\n2\n",
        "Row 1 of 'a.csv' has 1 values for 2 columns: 'x' has none. Correct it",
    ),
    "value too many": ("y,x\n1,2\n2,3,4\n", "Row 1 of 'a.csv' has 3 values for 2 columns. Correct it"),
    "empty": ("", "'a.csv' cannot be read: Empty CSV file. Write it again, or leave it out"),
}


@pytest.mark.parametrize(("content", "words"), CSV.values(), ids=CSV.keys())
def test_csv_files_that_cannot_be_read(content, words, tmp_path):
    (tmp_path / "a.csv").write_text(content)
    if words is None:
        assert open_source(tmp_path / "a.csv").kind("x") == "categorical"
    else:
        refused(tmp_path / "a.csv", words)


def test_csv_numbers_that_turn_out_to_be_decimal(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("y,x,late,f\n" + "1,2,,a\n" * 400_000 + "3,0.1,2.5,\n")
    source = open_source(path)
    last = list(source.frames(["x", "late", "f"]))[-1]
    assert (last["x"][-1], last["late"][-1], last["f"].codes[-1]) == (0.1, 2.5, -1)
    assert [source.kind(name) for name in source.names] == ["numeric"] * 3 + ["categorical"]


@pytest.mark.parametrize(("value", "kind"), [("b", "categorical"), ("TRUE", "boolean"), ("7", "numeric")])
def test_csv_columns_that_begin_empty(value, kind, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("y,late\n" + "1,NA\n" * 500_000 + f"2,{value}\n")
    source = open_source(path)
    assert source.kind("late") == kind
    assert sum(frame.rows - int(frame.missing("late").sum()) for frame in source.frames(["late"])) == 1


def test_csv_files_with_other_headers(tmp_path):
    (tmp_path / "a.csv").write_text("y,x\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n3,4\n")
    assert next(iter(open_source(tmp_path).frames(["x"])))["x"].tolist() == [2, 3]
    (tmp_path / "c.csv").write_text("y,z\n3,4\n")
    refused(tmp_path, "Column 'x' is not in every file: 'c.csv' lacks it, 'a.csv' has it")


def test_csv_files_that_are_cut_short_or_in_another_encoding(tmp_path):
    whole = gzip.compress(b"y,x\n" + b"1,2\n2,3\n" * 300_000)
    (tmp_path / "a.csv.gz").write_bytes(whole[:-500])
    refused(tmp_path / "a.csv.gz", "'a.csv.gz' cannot be (read|parsed): ")
    (tmp_path / "a.csv").write_bytes("y,f\n1,größe\n2,b\n".encode("latin-1"))
    refused(tmp_path / "a.csv", "Column 'f' of 'a.csv' is not UTF-8 text: it has other bytes", "y ~ f")
    assert glm("y ~ 1", tmp_path / "a.csv", control=STREAM).nobs == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_csv_headers_in_another_encoding(encoding, tmp_path):
    (tmp_path / "a.csv").write_text("y,x,größe\n1,2,3\n2,3,4\n3,5,4\n", encoding)
    refused(tmp_path / "a.csv", "'a.csv' is not UTF-8 text: its header has other bytes. Convert the file.$")


def test_hexadecimal_text_among_numbers_of_a_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("y,h\n" + "".join(f"{i % 7},{'0xa' if i == 50 else i}\n" for i in range(60)))
    refused(path, "Column 'h' of 'a.csv' mixes numbers and text: '0xa' in row 50", "y ~ h")


def test_csv_dates_are_text_and_quoted_lines_are_one_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(',y,d,f\n0,1,2020-01-01,"a\nb"\n1,2,2020-01-02,c\n')
    source = open_source(path)
    assert source.names == ("y", "d", "f")
    assert source.levels("d") == ("2020-01-01", "2020-01-02")
    assert source.levels("f") == ("a\nb", "c")
    (tmp_path / "a.tsv").write_text("y\tx\n1\t2\n3\t5\n2\t9\n")
    assert glm("y ~ x", tmp_path / "a.tsv", control=STREAM).nobs == 3


def test_what_can_be_read_once_is_refused(tmp_path):
    words = (
        "data can be read only once: got generator, and a fit reads the rows several times. Give the function"
    )
    refused((batch for batch in [table()]), words)
    table().to_csv(tmp_path / "a.csv")
    with pd.read_csv(tmp_path / "a.csv", chunksize=3) as chunks:
        refused(chunks, "data can be read only once: got TextFileReader")
    connection = duckdb.connect()
    refused(connection, r"A DuckDB connection holds no rows of its own: .* relation: connection.sql\(query\)")
    reader = pa.Table.from_pandas(table()).to_reader()
    assert glm("y ~ x", reader).nobs == 10
    refused(reader, "data has no rows")


BATCHES = {
    "no iterator": (table, "Function table must return an iterator of batches: it returns DataFrame"),
    "nothing": (lambda: None, "must return an iterator of batches: it returns NoneType"),
    "no frames": (lambda: [1, 2], "Batch 0 of Function <lambda> must be a data frame or a mapping"),
    "a path": (lambda: [pl.LazyFrame({"x": [1.0]})], "Batch 0 of Function <lambda> is not in memory"),
    "other columns": (
        lambda: [table(), table().drop(columns="x")],
        "Batches of Function <lambda> differ: batch 1 has columns y, the first had y, x. Yield the same",
    ),
    "text among numbers": (
        lambda: [table(), table().assign(x="a")],
        "Column 'x' of Function <lambda> is numeric at first, and categorical in batch 1. Convert it to one",
    ),
    "mixed": (
        lambda: [{"y": [1.0, 2], "x": [1, "a"]}],
        "Column 'x' mixes numbers and text: first in row 1",
    ),
    "lengths": (lambda: [{"y": [1.0], "x": [1, 2]}], "Columns differ in length"),
}


@pytest.mark.parametrize(("data", "words"), BATCHES.values(), ids=BATCHES.keys())
def test_functions_that_yield_no_table(data, words):
    refused(data, words)


class Changing:
    """A function that yields something else from its n-th call on."""

    def __init__(self, first, then, after):
        self.first, self.then, self.left = first, then, after

    def __call__(self):
        self.left -= 1
        return iter(self.first if self.left >= 0 else self.then)


CHANGES = {
    "rows": ([table(9)], "changed since it was opened: it has 9 rows, had 10. Open and fit it again"),
    "nothing": ([], "changed since it was opened: it has 0 rows, had 10"),
    "columns": ([table(z=1.0)[["x", "z"]]], "batch 0 has columns x, z, the first had y, x"),
    "values": ([table(x2=1.0)[["y", "x"]].assign(x=1.5)], "gave other rows, or other values, .* column 'x'"),
    "order": ([table().iloc[::-1]], "gave other rows, or other values, when it was read again: see column '"),
}


@pytest.mark.parametrize(("then", "words"), CHANGES.values(), ids=CHANGES.keys())
def test_functions_that_change_their_mind(then, words):
    for after in (3, 4, 5):
        with pytest.raises(DataError, match=words):
            glm("y ~ x", Changing([table()], then, after), "poisson", control=STREAM)


def test_a_level_that_is_new_in_a_later_pass():
    first, then = table(f=["a", "b"] * 5), table(f=["a", "c"] * 5)
    source = open_source(Changing([first], [then], 2))
    assert source.levels("f") == ("a", "b")
    with pytest.raises(DataError, match="Column 'f' changed since its levels were read: 'c' is new"):
        list(frame["f"] for frame in source.frames(["f"]))


def test_a_level_that_is_new_among_many(tmp_path, monkeypatch):
    monkeypatch.setattr("glmstat.data.arrow._MANY", 0)
    table(f=["a", "b"] * 5).to_parquet(tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    source.known.levels["f"] = ("a",)
    with pytest.raises(DataError, match="Column 'f' changed since its levels were read: 'b' is new"):
        list(frame["f"] for frame in source.frames(["f"]))


def test_orders_that_contradict_each_other():
    frames = [table(4, o=pd.Categorical(list("abab"), list(order), ordered=True)) for order in ("ab", "ba")]
    words = "Column 'o' has two orders of its levels: a < b, and from row 4 on b < a. Declare one"
    refused(lambda: frames, words, "y ~ x + o")


def test_errors_of_queries_are_told_in_words():
    wrong = pl.LazyFrame({"x": ["a"], "y": [1.0]}).with_columns(pl.col("x").cast(pl.Float64))
    refused(wrong, "The LazyFrame cannot be read: ")
    refused(
        pl.LazyFrame({"x": [1.0]}).select("z"),
        r"The LazyFrame cannot be read: .* Correct the query, or collect it first.$",
    )
    data = duckdb.sql("SELECT x AS y, CAST(chr(65 + x::INT) AS DOUBLE) AS x FROM range(9) AS r(x)")
    refused(data, r"The DuckDB relation cannot be read: .* Correct the query, or write its result")


def test_an_unstable_query_is_noticed():
    data = duckdb.sql("SELECT x::DOUBLE AS y, random() AS x FROM range(50) AS r(x)")
    refused(
        data, "The DuckDB relation gave other rows, or other values, when it was read again: see column 'x'"
    )


@pytest.mark.parametrize("package", ["pyarrow", "polars", "duckdb"])
def test_packages_that_are_not_installed(package, monkeypatch, folder):
    from glmstat.data.optional import need

    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    words = re.escape(f"A test needs {package}: it is not installed. Run pip install 'glmstat[stream]'.")
    with pytest.raises(DependencyError, match=words):
        need(package, "A test")
    if package == "pyarrow":
        refused(folder, "A Parquet file needs pyarrow: it is not installed", error=DependencyError)
        (folder / "a.csv").write_text("y,x\n1,2\n")
        refused(folder / "a.csv", "A CSV file needs pyarrow: it is not installed", error=DependencyError)
        assert glm("y ~ x", table()).nobs == 10


@pytest.mark.parametrize("form", ["held", "passed", "parquet", "csv"])
@pytest.mark.parametrize("base", [2**53, 2**60])
def test_whole_numbers_that_float64_merges_tell_no_rows_apart(tmp_path, form, base):
    ids = base + np.arange(600) % 6
    data = table(600, id=ids, k=pd.Categorical(ids))
    data.to_parquet(tmp_path / "d.parquet", row_group_size=100)
    data.to_csv(tmp_path / "d.csv", index=False)
    source = {"parquet": tmp_path / "d.parquet", "csv": tmp_path / "d.csv"}.get(form, data)
    control = Control() if form == "held" else STREAM
    for formula in ("y ~ x | id", "y ~ x + C(id)", "y ~ x | k"):
        with pytest.raises(DataError, match=r"2\^53 or more.*Convert it to text"):
            glm(formula, source, control=control)
    tests = f"id == {base + 1}", f"id != {base + 1}", f"id in ({base + 1}, 3)", f"id > {base + 1}"
    for subset in tests:
        with pytest.raises(DataError, match=r"2\^53 or more.*'id' has some of.*Convert it to text"):
            glm("y ~ x", source, subset=subset, control=control)
    with pytest.raises(DataError, match=r"2\^53 or more.*'id' has some of.*Convert it to text"):
        glm("y ~ x", source, control=control).vcov("~id")


def test_large_numbers_that_tell_no_rows_apart_stay():
    data = table(60, id=2**60 + np.arange(60) % 6, fill=np.where(np.arange(60) % 5, 1.0, 1e20))
    assert glm("y ~ x", data, subset="fill != 1e20").nobs == 48
    assert glm("y ~ x", data, subset="fill < 1e20").nobs == 48
    assert glm("y ~ x", data, subset="id > 5").nobs == 60
    below = data.assign(id=2**53 - 7 + np.arange(60) % 4)
    assert glm("y ~ x", below, subset=f"id == {2**53 - 6}").nobs == 15
    assert len(glm("y ~ C(id)", below).coef) == 4
    text = below.assign(id=(below.id + 2**53).astype(str))
    assert len(glm("y ~ id", text).coef) == 4
