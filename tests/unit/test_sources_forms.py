"""The same rows in every form that data come in give the same fit, to the bit."""

from __future__ import annotations

import pickle
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from glmstat import Control, glm
from glmstat.data.duckdb import RelationReader
from glmstat.data.source import open_memory, open_source
from glmstat.data.stream import StreamSource

ROWS = 1500
FORMULA = "y ~ x + scale(z) + i + f + b + k + q + offset(log(t))"
DECLARED = "y ~ x + f + c + o"
STREAM, HELD = Control(memory=0), Control()


class Exporter:
    """An object that has nothing but the Arrow C stream, as often as it is asked."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class Once:
    """An object whose stream can be read once."""

    def __init__(self, table):
        self.reader = table.to_reader(max_chunksize=200)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.reader.__arrow_c_stream__(requested_schema)


def plain() -> pd.DataFrame:
    """Columns that every library holds without loss, with missing values among them."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=ROWS),
            "z": rng.normal(size=ROWS),
            "i": rng.integers(0, 9, ROWS),
            "f": rng.choice(["b", "c", "a"], ROWS),
            "b": rng.random(ROWS) < 0.5,
            "t": rng.uniform(0.5, 1, ROWS),
            "k": pd.array(np.where(rng.random(ROWS) < 0.01, None, rng.integers(0, 5, ROWS)), dtype="Int64"),
            "q": pd.array(np.where(rng.random(ROWS) < 0.01, None, rng.random(ROWS) < 0.4), dtype="boolean"),
        }
    )
    data["y"] = rng.poisson(np.exp(0.3 * data["x"]))
    for name in ("x", "f"):
        data.loc[rng.choice(ROWS, 20, replace=False), name] = None
    data.loc[ROWS - 1, "f"] = "rare"  # a level of the last row alone
    return data


def declared() -> pd.DataFrame:
    """Categories in an order of their own, one of them unused."""
    rng, data = np.random.default_rng(4), plain()
    data["c"] = pd.Categorical(rng.choice(["b", "a"], ROWS), ["z", "b", "a"])
    data["o"] = pd.Categorical(rng.choice(["lo", "hi", "mid"], ROWS), ["lo", "mid", "hi"], ordered=True)
    data.loc[rng.choice(ROWS, 20, replace=False), "c"] = None
    return data


def runs(data, size):
    return lambda: (data[start : start + size] for start in range(0, ROWS, size))


def written(data, path, **options):
    data.to_parquet(path, **options)
    return path


def split(data, folder):
    folder.mkdir()
    for number, start in enumerate(range(0, ROWS, 400)):
        data[start : start + 400].to_parquet(folder / f"part-{number}.parquet", row_group_size=150)
    return folder


def arrow(data):
    return pa.Table.from_pandas(data, preserve_index=False)


def as_type(table, name, kind):
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, table.column(name).cast(kind))


def csv(data, path):
    data.to_csv(path, index=False)
    return path


ANY = {
    "Parquet": lambda data, tmp: written(data, tmp / "a.parquet", row_group_size=333),
    "Parquet as text": lambda data, tmp: str(written(data, tmp / "a.parquet")),
    "Parquet folder": lambda data, tmp: split(data, tmp / "parts"),
    "Parquet pattern": lambda data, tmp: f"{split(data, tmp / 'parts')}/part-*.parquet",
    "Parquet list": lambda data, tmp: sorted(split(data, tmp / "parts").iterdir()),
    "Parquet of other suffix": lambda data, tmp: written(data, tmp / "a.data"),
    "dataset": lambda data, tmp: ds.dataset(split(data, tmp / "parts")),
    "dataset in memory": lambda data, tmp: ds.dataset(arrow(data)),
    "dataset filtered": lambda data, tmp: ds.dataset(split(data, tmp / "parts")).filter(ds.field("t") > 0),
    "dataset of Feather": lambda data, tmp: feather(data, tmp / "a.feather"),
    "table": lambda data, tmp: arrow(data),
    "table of chunks": lambda data, tmp: pa.concat_tables(
        [arrow(data[:7]), arrow(data[7:7]), arrow(data[7:])]
    ),
    "record batch reader": lambda data, tmp: arrow(data).to_reader(max_chunksize=100),
    "exported stream": lambda data, tmp: Exporter(arrow(data)),
    "stream read once": lambda data, tmp: Once(arrow(data)),
    "function of pandas": lambda data, tmp: runs(data, 111),
    "function of mappings": lambda data, tmp: lambda: ({**part} for part in runs(data, 400)()),
    "function of batches": lambda data, tmp: lambda: arrow(data).to_batches(max_chunksize=90),
    "function of tables": lambda data, tmp: lambda: [arrow(part) for part in runs(data, 700)()],
}
PLAIN = {
    **ANY,
    "Polars": lambda data, tmp: pl.from_pandas(data),
    "Polars lazy": lambda data, tmp: pl.from_pandas(data).lazy(),
    "Polars scan": lambda data, tmp: pl.scan_parquet(written(data, tmp / "a.parquet")),
    "Polars categories": lambda data, tmp: pl.from_pandas(data).lazy().cast({"f": pl.Categorical}),
    "Polars Parquet": lambda data, tmp: polars_parquet(data, tmp / "a.parquet"),
    "function of Polars": lambda data, tmp: runs(pl.from_pandas(data), 77),
    "narwhals lazy": lambda data, tmp: narwhals_lazy(data),
    "DuckDB query": lambda data, tmp: duckdb.sql(f"SELECT * FROM '{written(data, tmp / 'a.parquet')}'"),
    "DuckDB table": lambda data, tmp: relation(data),
    "CSV": lambda data, tmp: csv(data, tmp / "a.csv"),
    "CSV compressed": lambda data, tmp: csv(data, tmp / "a.csv.gz"),
    "large_string": lambda data, tmp: as_type(arrow(data), "f", pa.large_string()),
    "string_view": lambda data, tmp: as_type(arrow(data), "f", pa.string_view()),
    "dictionary": lambda data, tmp: as_type(arrow(data), "f", pa.dictionary(pa.uint8(), pa.string())),
}


def feather(data, path):
    import pyarrow.feather

    pyarrow.feather.write_feather(arrow(data), path, chunksize=500)
    return ds.dataset(path, format="feather")


def polars_parquet(data, path):
    pl.from_pandas(data).write_parquet(path, row_group_size=200)
    return path


def narwhals_lazy(data):
    import narwhals

    return narwhals.from_native(pl.from_pandas(data).lazy())


def relation(data):
    connection = duckdb.connect()
    connection.register("given", arrow(data))
    return connection.sql("SELECT * FROM given")


@pytest.fixture(scope="module")
def expected():
    """Fits of the pandas frames in memory, small and block by block."""
    return {
        (formula, control.memory): glm(formula, data, "poisson", control=control)
        for formula, data in ((FORMULA, plain()), (DECLARED, declared()))
        for control in (STREAM, HELD)
    }


@pytest.mark.parametrize("control", [STREAM, HELD], ids=["stream", "collected"])
@pytest.mark.parametrize("form", PLAIN)
def test_the_same_rows_give_the_same_fit(form, control, expected, tmp_path):
    fit = glm(FORMULA, PLAIN[form](plain(), tmp_path), "poisson", control=control)
    assert fit == expected[FORMULA, control.memory]
    assert fit.notes == expected[FORMULA, control.memory].notes
    assert fit.estimate.fingerprint == expected[FORMULA, control.memory].estimate.fingerprint


@pytest.mark.parametrize("control", [STREAM, HELD], ids=["stream", "collected"])
@pytest.mark.parametrize("form", [form for form in ANY if "mappings" not in form])
def test_declared_orders_of_levels_are_kept(form, control, expected, tmp_path):
    fit = glm(DECLARED, ANY[form](declared(), tmp_path), "poisson", control=control)
    assert fit == expected[DECLARED, control.memory]
    assert fit.notes == expected[DECLARED, control.memory].notes


WRAPS = {
    "mappings": dict,
    "pandas": lambda buffer: pd.DataFrame(buffer, copy=False),
    "Polars": pl.DataFrame,
    "tables": pa.table,
}


@pytest.mark.parametrize("control", [STREAM, HELD], ids=["stream", "collected"])
@pytest.mark.parametrize("rows", [300, 66_000])
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
def test_a_buffer_that_is_filled_again_and_again(wrap, rows, control):
    rng = np.random.default_rng(9)
    parts = [
        {
            "y": rng.poisson(2, rows) + 1.0 * number,
            "x": rng.normal(number, 1, rows),
            "k": rng.integers(0, 9, rows) * (number + 1),
            "b": rng.random(rows) < 0.2 * (number + 1),
            "f": rng.choice(["a", "b", f"c{number}"], rows).astype(object),
        }
        for number in range(3)
    ]

    def refilled():
        buffer = {name: values.copy() for name, values in parts[0].items()}
        for part in parts:
            for name, values in part.items():
                buffer[name][:] = values
            yield wrap(buffer)

    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    formula = "y ~ x + k + b + f"
    assert glm(formula, refilled, control=control) == glm(formula, whole, control=control)


@pytest.mark.parametrize("form", [lambda part: part, arrow, lambda part: part.to_dict("list")])
def test_batches_are_matched_by_name(form):
    data = plain().dropna()
    one, other = data[:700], data[700:]
    fit = glm("y ~ x + f", lambda: [form(one), form(other[other.columns[::-1]])], "poisson", control=STREAM)
    assert fit == glm("y ~ x + f", data, "poisson", control=STREAM)


def partitioned(folder):
    return ds.dataset(folder, partitioning="hive")


UNLIKE = {
    "whole and decimal": ([1, 2, 3, 4], [1.5, 2.0, 3.0, 5.0]),
    "float32 and float64": (np.array([0.1, 2, 3, 4], "f4"), [0.1, 2, 3, 4]),
    "whole and wide": (np.array([1, 2, 3, 4], "i1"), [1000, 2, 3, 4]),
    "no value": ([None] * 4, [1.5, 2, 3, 4]),
    "decimals": ([Decimal("1.1"), 2, 3, 4], [Decimal("1.001"), 2, 3, 5]),
}


@pytest.mark.parametrize("control", [STREAM, HELD], ids=["stream", "collected"])
@pytest.mark.parametrize(("first", "then"), UNLIKE.values(), ids=UNLIKE.keys())
def test_a_dataset_of_files_of_several_types(first, then, control, tmp_path):
    for number, values in enumerate((first, then)):
        part = tmp_path / f"part={number}"
        part.mkdir()
        pq.write_table(pa.table({"y": [1.0, 2, 4, 3], "x": pa.array(values)}), part / "a.parquet")
    files = sorted(tmp_path.rglob("*.parquet"))
    x = [np.nan if value is None else float(value) for value in [*first, *then]]
    expected = glm("y ~ x", {"y": [1.0, 2, 4, 3] * 2, "x": x}, control=control)
    plain_dataset = ds.dataset([str(file) for file in files])
    for data in (files, plain_dataset, plain_dataset.filter(ds.field("y") > 0), partitioned(tmp_path)):
        assert glm("y ~ x", data, control=control) == expected


@pytest.mark.parametrize("formula", [FORMULA, DECLARED])
def test_factors_of_many_levels_are_looked_up_by_arrow(formula, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("glmstat.data.arrow._MANY", 0)
    path = written(declared(), tmp_path / "a.parquet", row_group_size=333)
    assert glm(formula, path, "poisson", control=STREAM) == expected[formula, 0]
    rng = np.random.default_rng(8)
    names = np.array([f"firm {number}" for number in range(3000)], dtype=object)
    data = pd.DataFrame({"f": names[rng.integers(0, 3000, 5000)]})
    data.loc[[5, 4000], "f"] = None
    source = open_source(written(data, tmp_path / "b.parquet", row_group_size=900))
    codes = [code for frame in source.frames(["f"], block_rows=700) for code in frame["f"].codes]
    assert codes == open_source(data).frame()["f"].codes.tolist()


@pytest.mark.parametrize("size", [1, 7, 1000, 65_536, None])
def test_row_groups_of_any_size_give_the_same_bits(size, expected, tmp_path):
    path = written(plain(), tmp_path / "a.parquet", row_group_size=size)
    assert glm(FORMULA, path, "poisson", control=STREAM) == expected[FORMULA, 0]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_that_decode_give_the_same_bits(workers, tmp_path):
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal(size=(150_000, 3)), columns=["y", "x", "z"])
    data["f"] = rng.choice(["a", "b"], len(data))
    path = written(data, tmp_path / "a.parquet", row_group_size=70_000)
    source, one = open_source(path), open_source(data)

    def total(frame, number):
        return float(frame["x"].sum() + frame["z"] @ frame["y"] + frame["f"].codes.sum())

    names = ["y", "x", "z", "f"]
    assert source.map_reduce(total, names, workers=workers) == one.map_reduce(total, names)


def test_a_level_of_an_enum_keeps_its_place(tmp_path):
    values = pl.Series(["b", "a", None, "b"], dtype=pl.Enum(["z", "b", "a"]))
    frame = pl.DataFrame({"v": values})
    frame.write_parquet(tmp_path / "a.parquet")
    forms = [tmp_path / "a.parquet", frame.lazy(), frame.to_arrow(), lambda: [frame[:2], frame[2:]]]
    for form in forms:
        source = open_source(form)
        assert source.kind("v") == "categorical"
        assert source.levels("v") == ("z", "b", "a")
        assert [code for block in source.frames(["v"]) for code in block["v"].codes] == [1, 2, -1, 1]


def test_an_enum_of_duckdb_keeps_its_order():
    source = open_source(
        duckdb.sql("SELECT CAST(v AS ENUM('b', 'a', 'c')) AS v FROM (VALUES ('b'), ('a'), (NULL)) AS rows(v)")
    )
    assert source.levels("v") == ("b", "a", "c")
    assert next(iter(source.frames(["v"])))["v"].codes.tolist() == [0, 1, -1]


def test_categories_that_differ_from_batch_to_batch_are_sorted():
    parts = [pd.DataFrame({"v": pd.Categorical(given)}) for given in (["b", "c"], ["a"], [None])]
    source = open_source(lambda: parts)
    assert source.levels("v") == ("a", "b", "c")
    assert [code for block in source.frames(["v"]) for code in block["v"].codes] == [1, 2, 0, -1]


NUMBERS = {
    "float32": pa.array([0.1, None, 3], pa.float32()),
    "float16": pa.array(np.array([0.1, np.nan, 3], dtype="f2")),
    "int8 with nulls": pa.array([1, None, 3], pa.int8()),
    "uint64": pa.array([1, 2**63, 3], pa.uint64()),
    "without a value": pa.nulls(3),
    "without a number": pa.array([None, None, None], pa.float64()),
    "decimal": pa.array([Decimal("0.10"), None, Decimal("123456.78")], pa.decimal128(20, 2)),
    "wide decimal": pa.array([Decimal("0.1"), None, Decimal("9" * 30)], pa.decimal128(38, 1)),
}


@pytest.mark.parametrize("values", NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_are_the_nearest_float64(values, tmp_path):
    pq.write_table(pa.table({"v": values}), tmp_path / "a.parquet", row_group_size=2)
    wanted = np.array([np.nan if value is None else float(value) for value in values.to_pylist()])
    for data in (tmp_path / "a.parquet", pa.table({"v": values}), lambda: [pa.table({"v": values})]):
        source = open_source(data)
        frame = next(iter(source.frames(["v"])))
        assert source.kind("v") == frame.kind("v") == "numeric"
        np.testing.assert_array_equal(frame["v"], wanted)


def test_decimals_of_every_scale_are_the_nearest_float64():
    rng = np.random.default_rng(6)
    for scale in (0, 2, 9, 18):
        whole = rng.integers(-(10**15), 10**15, 500)
        values = [Decimal(int(value)).scaleb(-scale) for value in whole]
        table = pa.table({"v": pa.array(values, pa.decimal128(30, scale))}).slice(3)
        found = open_memory(table).frame()["v"]
        assert found.tolist() == [float(value) for value in values[3:]]


def test_times_stay_times(tmp_path):
    data = pd.DataFrame({"y": [1.0, 2.0, 3.0], "d": pd.to_datetime(["2021-03-01", None, "2020-01-01"])})
    source = open_source(written(data, tmp_path / "a.parquet", row_group_size=1))
    frame = next(iter(source.frames(["d"])))
    assert source.kind("d") == frame.kind("d") == "time"
    assert frame.missing("d").tolist() == [False, True, False]
    assert frame.holder.column("d").sorted.codes.tolist() == [1, -1, 0]


@pytest.mark.parametrize("control", [STREAM, HELD], ids=["stream", "collected"])
def test_hexadecimal_text_of_a_csv_is_a_factor(control, tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"{i % 7},0x{i % 3 + 10:x},0X{i % 4},{i}" for i in range(60)]
    path.write_text("\n".join(["y,h,k,x", *rows, "3"]) + ",0xa,0X1,5\n")
    fit = glm("y ~ h + k + x", path, control=control)
    assert fit.columns[1:3] == ("h[T.0xb]", "h[T.0xc]")
    assert fit == glm("y ~ h + k + x", pd.read_csv(path), control=control)


def test_a_csv_that_was_saved_twice_with_its_index(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",,y,x\n" + "".join(f"{i},{i},{i % 3},{i % 5}\n" for i in range(20)))
    source = open_source(path)
    assert source.names == ("y", "x")
    assert glm("y ~ x", path) == glm("y ~ x", pd.read_csv(path))


LIBRARIES = {
    "Parquet": (lambda data, tmp: written(data, tmp / "a.parquet"), "pandas"),
    "lazy": (lambda data, tmp: pl.from_pandas(data).lazy(), "polars"),
    "function of Polars": (lambda data, tmp: runs(pl.from_pandas(data), 500), "polars"),
    "function of tables": (lambda data, tmp: lambda: arrow(data).to_batches(), "pyarrow"),
    "reader": (lambda data, tmp: arrow(data).to_reader(), "pyarrow"),
    "DuckDB": (lambda data, tmp: relation(data), "pandas"),
}


@pytest.mark.parametrize(("make", "library"), LIBRARIES.values(), ids=LIBRARIES.keys())
def test_results_per_row_come_back_in_the_library_of_the_data(make, library, tmp_path):
    fit = glm("y ~ x", make(plain(), tmp_path), "poisson")
    assert type(fit.fitted).__module__.partition(".")[0] == library


def test_streams_survive_pickling(tmp_path):
    path = written(plain(), tmp_path / "a.parquet")
    for data in (path, pl.scan_parquet(path), ds.dataset(path)):
        source = open_source(data)
        assert source.levels("f") == ("a", "b", "c", "rare")
        again = pickle.loads(pickle.dumps(source))
        assert again.rows == ROWS
        assert again.levels("f") == source.levels("f")


def test_a_fit_of_a_query_survives_pickling_but_not_its_connection():
    fit = glm("y ~ x", relation(plain()), "poisson")
    assert pickle.loads(pickle.dumps(fit)) == fit
    source = pickle.loads(pickle.dumps(open_source(relation(plain()))))
    with pytest.raises(ValueError, match="DuckDB relation did not travel"):
        next(iter(source.frames(["x"])))


def test_datasets_that_arrow_cannot_send_do_not_travel(tmp_path):
    filtered = ds.dataset(written(plain(), tmp_path / "a.parquet")).filter(ds.field("t") > 0)
    for data in (filtered, ds.dataset(arrow(plain()))):
        source = pickle.loads(pickle.dumps(open_source(data)))
        with pytest.raises(ValueError, match="The dataset did not travel with the fit"):
            next(iter(source.frames(["x"])))


@pytest.mark.parametrize("limit", [1.0, 10_000.0])
def test_large_streams_are_read_again_where_they_can_be(limit, monkeypatch):
    monkeypatch.setattr("glmstat.data.batches.HELD", limit)
    monkeypatch.setattr("glmstat.data.batches.ONCE", limit)
    data, table = plain(), arrow(plain())
    source = open_source(Exporter(table))
    assert not source.held
    assert source.rows == ROWS
    assert glm("y ~ x + f", Exporter(table), "poisson") == glm("y ~ x + f", data, "poisson")
    with pytest.raises(
        ValueError, match=r"The Once can be read only once, and fills more than 256 MB. Give a"
    ):
        open_source(Once(table))
    with pytest.raises(
        ValueError, match=r"The stream can be read only once, and fills more than 1 GB. Give a"
    ):
        open_source(table.to_reader())


def test_a_polars_without_batches_is_collected(monkeypatch, expected):
    monkeypatch.delattr(pl.LazyFrame, "collect_batches", raising=False)
    monkeypatch.delattr(pl, "CompatLevel", raising=False)
    fit = glm(FORMULA, pl.from_pandas(plain()).lazy(), "poisson", control=STREAM)
    assert fit == expected[FORMULA, 0]


class OlderRelation:
    """The words that DuckDB had before 1.4."""

    def __init__(self, relation):
        self.relation = relation
        self.columns, self.types = relation.columns, relation.types

    def project(self, text):
        return OlderRelation(self.relation.project(text))

    def aggregate(self, text):
        return OlderRelation(self.relation.aggregate(text))

    def limit(self, rows):
        return OlderRelation(self.relation.limit(rows))

    def fetch_arrow_table(self):
        return self.relation.to_arrow_table()

    def fetch_record_batch(self, rows):
        return self.relation.to_arrow_reader(rows)


def test_relations_of_an_older_duckdb(expected):
    source = StreamSource(RelationReader(OlderRelation(relation(plain()))))
    assert source.rows == ROWS
    assert sum(float(np.nansum(frame["x"])) for frame in source.frames(["x"])) == np.nansum(plain()["x"])
