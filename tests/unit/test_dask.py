"""Fits of Dask data frames: on threads, and on a cluster of two processes."""

import copy
import os
import pickle
import signal
import threading
import warnings
from pathlib import Path

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import glmstat
from glmstat import Control, Covariance, glm
from glmstat.data.partition import Stop, add
from glmstat.data.source import MemorySource, open_source
from glmstat.errors import ColumnError, DataError, DependencyError
from tests.reference import test_reference as reference

STREAM = Control(memory=0)
FORMULA = "y ~ x + scale(z) + f + offset(log(t))"
ROWS = 1200


def claims() -> pd.DataFrame:
    rng = np.random.default_rng(2718)
    data = pd.DataFrame({
        "x": rng.normal(size=ROWS),
        "z": rng.normal(size=ROWS),
        "f": rng.choice(["b", "a", "ä", "C"], ROWS),
        "t": rng.uniform(0.2, 1, ROWS),
        "w": rng.integers(1, 4, ROWS),
        "g": rng.integers(0, 30, ROWS),
    })  # fmt: skip
    data["y"] = rng.poisson(data.t * np.exp(0.3 * data.x - 0.2 * data.z + 0.4 * (data.f == "b")))
    data.loc[rng.choice(ROWS, 40, replace=False), "z"] = np.nan
    return data


def cut_at(data: pd.DataFrame, *ends: int) -> list[pd.DataFrame]:
    starts = (0, *ends)
    return [data.iloc[start:stop] for start, stop in zip(starts, (*ends, len(data)), strict=True)]


class Tables:
    """Partitions by number, for `dask.dataframe.from_map`."""

    def __init__(self, tables):
        self.tables = tables

    def __call__(self, number):
        return self.tables[number]


def framed(tables, meta=None):
    """A Dask frame of these partitions, as they are."""
    with dask.config.set({"dataframe.convert-string": False}):
        meta = tables[0].iloc[:0] if meta is None else meta
        return dd.from_map(Tables(tables), range(len(tables)), meta=meta, enforce_metadata=False)


def assert_same_fit(one, other, digits=1e-12):
    assert one.columns == other.columns
    assert_allclose(np.asarray(one.coef), np.asarray(other.coef), rtol=digits, atol=digits)
    assert_allclose(np.diag(one.vcov()), np.diag(other.vcov()), rtol=10 * digits)
    assert_allclose(one.loglik, other.loglik, rtol=digits)
    assert one.estimate.fingerprint == other.estimate.fingerprint
    assert one.notes == other.notes
    assert one.nobs == other.nobs


@pytest.fixture(scope="module")
def data():
    return claims()


@pytest.fixture(scope="module")
def memory(data):
    return glm(FORMULA, data, "poisson", control=STREAM)


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.parametrize("ends", [(), (1,), (400, 401, 1000), (700, 700, 700)], ids=str)
def test_same_numbers_as_memory_for_any_partitions(ends, data, memory):
    fit = glm(FORMULA, framed(cut_at(data, *ends)), "poisson", control=STREAM)
    assert fit.frame.large
    assert_same_fit(fit, memory)


def test_empty_partitions_first_and_last(data, memory):
    fit = glm(FORMULA, framed(cut_at(data, 0, 500, ROWS, ROWS)), "poisson", control=STREAM)
    assert_same_fit(fit, memory)


@pytest.mark.parametrize(
    "words",
    [
        {"subset": "x > -1"},
        {"weights": "w"},
        {"freq_weights": "w"},
        {"vcov": "HC1"},
        {"offset": "0.1 * z"},
        {"context": {"shift": 2.0, "twice": lambda v: 2 * v}, "formula": "y ~ twice(x) + I(z + shift)"},
        {"formula": "y ~ ns(x, 3) + f:z"},
        {"formula": "y ~ x", "na_action": "raise"},
    ],
    ids=lambda words: " ".join(words),
)
def test_same_numbers_as_memory_for_any_call(words, data):
    words = {"formula": FORMULA, "family": "poisson", "control": STREAM, **words}
    formula = words.pop("formula")
    parts = framed(cut_at(data, 100, 650))
    assert_same_fit(glm(formula, parts, **words), glm(formula, data, **words))


def test_other_families(data):
    parts = dd.from_pandas(data.assign(ok=data.y > 0), npartitions=4)
    for formula, family in (("ok ~ x + f", "binomial"), ("t ~ x + z", "gaussian"), ("t ~ x + f", "gamma")):
        one = glm(formula, parts, family, control=STREAM)
        assert_same_fit(one, glm(formula, data.assign(ok=data.y > 0), family, control=STREAM))


@pytest.mark.parametrize("case", reference.CASES, ids=lambda case: case["id"])
def test_reference_cases(case):
    """As from memory, which R's numbers are compared with; the partitions are uneven, one is empty."""
    table = reference.data(case["id"]).reset_index(drop=True)
    third = len(table) // 3
    parts = framed(cut_at(table, third, third, len(table) // 2))
    one, other = (reference.fit_to(case, data, control=STREAM).estimate for data in (parts, table))
    assert one.aliased == other.aliased
    assert_allclose(one.coef, other.coef, rtol=1e-12)


def test_same_bits_for_any_number_of_threads(data):
    parts = dd.from_pandas(data, npartitions=7)
    fits = []
    for setting in ({"scheduler": "sync"}, {"scheduler": "threads", "num_workers": 3}, {}):
        with dask.config.set(setting):
            fits.append(glm(FORMULA, parts, "poisson", control=STREAM))
    assert fits[0] == fits[1] == fits[2]


def test_small_data_are_collected_and_other_columns_read_on_demand(data):
    parts = framed(cut_at(data, 100, 650))
    fit = glm(FORMULA, parts, "poisson")
    assert fit.frame.small
    assert isinstance(fit.frame.source, MemorySource)
    again = glm(FORMULA, data, "poisson")
    assert fit == again
    clusters = Covariance("CR1", cluster="w:g")
    assert_allclose(fit.vcov(clusters), again.vcov(clusters))


def test_predictions_for_new_data(data):
    """Also for data without rows, and from a fit of Dask data."""
    fit, own = (glm(FORMULA, table, "poisson", control=STREAM) for table in (framed(cut_at(data, 100)), data))
    new = dd.from_pandas(data, npartitions=3)
    assert_allclose(fit.predict(new), own.predict(data), rtol=1e-12)
    assert len(fit.predict(new[new.x > 100])) == 0


def test_frames_are_the_rows_in_their_order(data):
    source = open_source(framed(cut_at(data, 0, 10, 25, 500)))
    frames = list(source.frames(["x", "f"], block_rows=20))
    assert_allclose(np.concatenate([frame["x"] for frame in frames]), data.x)
    assert np.concatenate([frame.numbers for frame in frames]).tolist() == list(range(ROWS))
    levels = source.levels("f")
    assert levels == ("C", "a", "b", "ä")
    assert [levels[code] for frame in frames for code in frame["f"].codes] == data.f.tolist()
    assert max(frame.rows for frame in frames) == 20


def test_column_that_the_pass_was_not_told_of_is_read(data):
    source = open_source(framed(cut_at(data, 300)))
    total = source.map_reduce(lambda frame, number: frame["x"].sum() + (frame["f"].codes == 1).sum())
    assert_allclose(total, data.x.sum() + (data.f == "a").sum())


def test_blocks_are_numbered_through_all_partitions(data):
    source = open_source(framed(cut_at(data, 0, 10, 35, 35)))
    numbers = source.map_reduce(lambda frame, number: ((number, frame.rows),), ["x"], block_rows=600)
    assert numbers == ((0, 10), (1, 25), (2, 600), (3, 565))


# Kinds and levels


@pytest.mark.parametrize(
    "text",
    [
        lambda f: f.astype(object),
        lambda f: f.astype("str"),
        lambda f: f.astype("string[python]"),
        lambda f: f.astype("string[pyarrow]"),
        lambda f: f.astype(pd.CategoricalDtype(["ä", "b", "a", "C", "none"])),
        lambda f: f.astype(pd.CategoricalDtype(["ä", "b", "a", "C"], ordered=True)),
        lambda f: f.map({"b": 3.0, "a": 1.0, "ä": 2.0, "C": 0.5}).astype("category"),
    ],
    ids=["object", "str", "string", "arrow", "category", "ordered", "numbers"],
)
@pytest.mark.parametrize("absent", [False, True])
def test_text_of_every_type(text, absent, data):
    f = data.f.where(np.arange(ROWS) % 50 > 0) if absent else data.f
    data = data.assign(f=text(f))
    one = glm(FORMULA, framed(cut_at(data, 100, 650)), "poisson", control=STREAM)
    assert_same_fit(one, glm(FORMULA, data, "poisson", control=STREAM))


def test_as_dask_makes_them(data):
    """Text becomes string[pyarrow]; categories known, unknown, and guessed wrong from made-up rows."""
    plain = dd.from_pandas(data, npartitions=5)
    expected = glm(FORMULA, data, "poisson", control=STREAM)
    known = dd.from_pandas(data.assign(f=data.f.astype("category")), npartitions=5)
    unknown = plain.assign(f=plain.f.astype("category"))
    guessed = plain.map_partitions(lambda part: part.assign(f=part.f.astype("category")))
    assert (known.f.cat.known, unknown.f.cat.known, guessed.f.cat.known) == (True, False, True)
    for parts in (plain, known, unknown, guessed):
        assert_same_fit(glm(FORMULA, parts, "poisson", control=STREAM), expected)


def test_nullable_numbers_and_truth(data):
    data = data.assign(
        x=data.x.astype("Float64"),
        w=data.w.astype("Int64").where(data.w < 3),
        b=(data.z > 0).astype("boolean").where(np.arange(ROWS) % 70 > 0),
        o=pd.Series(np.where(data.z > 0, True, False), dtype=object),
    )
    formula = "y ~ x + w + b + o"
    one = glm(formula, framed(cut_at(data, 100, 650)), "poisson", control=STREAM)
    assert_same_fit(one, glm(formula, data, "poisson", control=STREAM))


def test_level_that_appears_in_the_last_partition_alone(data):
    data = data.assign(f=["a"] * (ROWS - 20) + ["Z"] * 20)
    one = glm("y ~ f", framed(cut_at(data, 400, 800, 1180)), "poisson", control=STREAM)
    assert one.columns == ("Intercept", "f[T.a]")
    assert_same_fit(one, glm("y ~ f", data, "poisson", control=STREAM))


def test_partition_in_which_a_column_has_no_value(data):
    f, z = data.f.astype(object), data.z.copy()
    f.iloc[100:300] = None
    z.iloc[300:400] = np.nan
    data = data.assign(f=f, z=z)
    parts = cut_at(data, 100, 300, 400)
    parts[1] = parts[1].assign(f=np.nan)
    parts[2] = parts[2].assign(z=pd.Series([None] * 100, index=parts[2].index, dtype=object))
    expected = glm(FORMULA, data, "poisson", control=STREAM)
    assert_same_fit(glm(FORMULA, framed(parts), "poisson", control=STREAM), expected)


def test_orders_that_differ(data):
    parts = [part.assign(f=part.f.astype("category")) for part in cut_at(data, 3, 100)]
    expected = glm(FORMULA, data, "poisson", control=STREAM)
    assert_same_fit(glm(FORMULA, framed(parts), "poisson", control=STREAM), expected)
    parts = [part.assign(f=part.f.cat.as_ordered()) for part in parts]
    with pytest.raises(DataError, match="'f' is ordered, but its categories differ between partitions"):
        glm(FORMULA, framed(parts), "poisson", control=STREAM)


# What is refused


def test_partition_of_another_type_is_refused_with_its_rows(data):
    parts = cut_at(data, 100, 650)
    parts[1] = parts[1].assign(x=["one"] * 550)
    where = r"Column 'x' is categorical in partition 1 \(rows 100 to 649\), numeric elsewhere\."
    with pytest.raises(DataError, match=where) as caught:
        glm(FORMULA, framed(parts), "poisson", control=STREAM)
    assert caught.value.__cause__ is None
    parts = [part.assign(f=part.f.astype(object)) for part in cut_at(data, 100, 650)]
    parts[2] = parts[2].assign(f=np.arange(550) / 2)
    with pytest.raises(DataError, match=r"'f' is numeric in partition 2 \(rows 650 to 1,199\), categorical"):
        glm(FORMULA, framed(parts), "poisson", control=STREAM)


@pytest.mark.parametrize("name", ["x", "f"])
def test_value_of_another_type_is_refused_with_its_row(name, data):
    parts = [part.assign(f=part.f.astype(object), x=part.x.astype(object)) for part in cut_at(data, 100)]
    parts[1].iloc[7, parts[1].columns.get_loc(name)] = 3.5 if name == "f" else "three"
    with pytest.raises(DataError, match=rf"^Column '{name}' mixes \w+ and \w+: first in row 107\."):
        glm(FORMULA, framed(parts), "poisson", control=STREAM)


def test_bad_values_are_refused_with_their_rows(data):
    bad = data.copy()
    bad.loc[[150, 900], "y"] = -1
    bad.loc[700, "x"] = np.inf
    parts = framed(cut_at(bad, 100, 650))
    with pytest.raises(DataError, match=r"row 700 \(1 row\)"):
        glm("t ~ x", parts, "gaussian", control=STREAM)
    with pytest.raises(ValueError, match=r"rows 150, 900 \(2 rows\)"):
        glm("y ~ z", parts, "poisson", control=STREAM)
    with pytest.raises(DataError, match="Values are missing: z in rows"):
        glm(FORMULA, framed(cut_at(data, 100)), "poisson", control=STREAM, na_action="raise")


@pytest.mark.parametrize(
    "words",
    [
        {"weights": np.ones(ROWS)},
        {"subset": np.ones(ROWS, dtype=bool)},
        {"offset": np.zeros(ROWS)},
        {"vcov": None},
        {"context": {"c": np.ones(ROWS)}, "formula": "y ~ x + c"},
    ],
    ids=lambda words: next(iter(words)),
)
@pytest.mark.parametrize("control", [STREAM, Control()], ids=["streamed", "collected"])
def test_arrays_are_refused(words, control, data):
    if "vcov" in words:
        words = {"vcov": Covariance("CR1", cluster=np.arange(ROWS) % 20)}
    words = {"formula": FORMULA, "family": "poisson", "control": control, **words}
    with pytest.raises(
        DataError, match=r"is an array, which cannot be matched .* Put it into the data frame"
    ):
        glm(data=framed(cut_at(data, 100)), **words)


@pytest.mark.parametrize("control", [STREAM, Control()], ids=["streamed", "collected"])
@pytest.mark.parametrize("projected", [False, True])
def test_a_partition_without_a_column_is_named(control, projected, data):
    def make(tables):
        if not projected:
            return framed(tables)
        lazy = [dask.delayed(one) for one in tables]
        with dask.config.set({"dataframe.convert-string": False}):
            return dd.from_delayed(lazy, meta=tables[0].iloc[:0], verify_meta=False)

    first, second = cut_at(data, 500)
    words = "Column '(w|f)' is not in every partition: partition 1.* lacks it. Add the column"
    for formula, weights, lost in (("y ~ x", "w", "w"), ("y ~ x + w", None, "w"), ("y ~ x + f", None, "f")):
        parts = make([first, second.drop(columns=lost)])
        with pytest.raises(DataError, match=words):
            glm(formula, parts, "poisson", weights=weights, control=control)


@pytest.mark.parametrize("control", [STREAM, Control()], ids=["streamed", "collected"])
def test_what_dask_uses_of_pandas_warns_nobody(control, data):
    # Dask 2026.8 sets the index of what it reads with a keyword that pandas is about to drop.
    def read(table):
        warnings.warn("The inplace keyword is deprecated", DeprecationWarning, stacklevel=1)
        return table

    parts = framed(cut_at(data, 500)).map_partitions(read, meta=data.iloc[:0])
    fit = glm("y ~ x + z", parts, "poisson", control=control)
    assert_same_fit(fit, glm("y ~ x + z", data, "poisson"))


def test_a_delayed_frame_is_no_dask_frame(data):
    with pytest.raises(DataError, match="data must be a Dask DataFrame: got a Dask Delayed"):
        glm("y ~ x", dask.delayed(data))


def test_unknown_names_and_other_collections(data):
    parts = framed(cut_at(data, 100))
    with pytest.raises(ColumnError, match="No column 'zz' in data"):
        glm("y ~ zz", parts, "poisson", control=STREAM)
    with pytest.raises(DataError, match="data must be a Dask DataFrame: got a Dask Series"):
        glm("y ~ x", parts.x, "poisson")
    with pytest.raises(DataError, match="data has no rows"):
        glm("y ~ x", parts[parts.x > 100], "poisson")
    repeated = pd.concat([data[["y", "x"]], data[["x"]]], axis=1)
    with pytest.raises(DataError, match="Column names repeat in data: x"):
        glm("y ~ x", framed([repeated]), "poisson")


class Restless:
    """Partitions of which one changes after some readings."""

    def __init__(self, tables, folder, change):
        self.tables, self.folder, self.change = tables, folder, change

    def __call__(self, number):
        table = self.tables[number]
        if number == 1:
            (self.folder / str(len(list(self.folder.iterdir())))).touch()
            if len(list(self.folder.iterdir())) > 4:
                return self.change(table)
        return table


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda part: part.iloc[:-5], r"partition 1 has 545 rows, had 550"),
        (lambda part: part.assign(x=part.x + 1), "column 'x' has other values than in the pass before"),
        (
            lambda part: part.assign(f=part.f.str.upper()),
            "'f' changed since its levels were read: 'A' is new",
        ),
    ],
    ids=["rows", "values", "levels"],
)
def test_partitions_that_change_are_refused(change, words, data, tmp_path):
    tables = cut_at(data, 100, 650)
    parts = dd.from_map(Restless(tables, tmp_path, change), range(3), meta=tables[0].iloc[:0])
    with pytest.raises(DataError, match=words):
        glm(FORMULA, parts, "poisson", control=STREAM)


def test_only_columns_that_are_used_are_read(data, tmp_path):
    for number, part in enumerate(cut_at(data, 100, 650)):
        part = part.drop(columns="g") if number == 1 else part
        part.to_parquet(tmp_path / f"part.{number}.parquet")
    parts = dd.read_parquet(tmp_path)
    assert "g" in parts.columns
    frames = list(open_source(parts).frames(["x"]))
    assert [frame.rows for frame in frames] == [100, 550, 550]  # Dask would join them to read one column
    assert_allclose(np.concatenate([frame["x"] for frame in frames]), data.x)
    expected = glm(FORMULA, data, "poisson", control=STREAM)
    assert_same_fit(glm(FORMULA, parts, "poisson", control=STREAM), expected)


def test_failing_partition_gives_one_error(data):
    def broken(part):
        if len(part) == 550:
            raise OSError("disk on fire")
        return part

    parts = framed(cut_at(data, 100, 650)).map_partitions(broken, meta=data.iloc[:0])
    with pytest.raises(DataError, match="Dask cannot compute the data: OSError: disk on fire") as caught:
        glm(FORMULA, parts, "poisson", control=STREAM)
    assert isinstance(caught.value.__cause__, OSError)


def test_error_of_a_function_of_the_caller_is_his(data):
    def odd(values):
        raise ArithmeticError("odd")

    with pytest.raises(ArithmeticError, match="odd") as caught:
        glm("y ~ odd(x)", framed(cut_at(data, 100)), "poisson", context={"odd": odd}, control=STREAM)
    assert "In partition 0" in caught.value.__notes__[0]


def test_labels_that_are_numbers():
    table = pd.DataFrame({0: [1.0, 2, 4, 3], 1: [0.0, 1, 2, 3]})
    fit = glm("`0` ~ `1`", framed([table]), control=STREAM)
    assert_allclose(np.asarray(fit.coef), [1.3, 0.8])  # by hand: Sxy / Sxx = 4 / 5, mean 2.5 - 0.8 · 1.5


def test_copies_of_a_fit(data):
    """They hold no data, as those of large data in memory."""
    fit = glm(FORMULA, framed(cut_at(data, 100)), "poisson", control=STREAM)
    assert copy.deepcopy(fit) == fit
    assert pickle.loads(pickle.dumps(fit)) == fit
    assert pickle.loads(pickle.dumps(fit)).frame is None


def test_source_travels_without_its_data(data):
    source = open_source(dd.from_pandas(data, npartitions=3))
    assert source.levels("f") == ("C", "a", "b", "ä")
    sent = pickle.dumps(source)
    assert len(sent) < 2_000
    back = pickle.loads(sent)
    assert (back.names, back.rows, back.levels("f")) == (source.names, ROWS, source.levels("f"))
    with pytest.raises(DataError, match="The Dask data frame did not travel with the work"):
        back.collect(["x"])


# A cluster


def on(client, *words, **named):
    with client.as_current():
        return glm(*words, **named)


def test_cluster_gives_the_bits_of_threads(client, data, memory):
    parts = dd.from_pandas(data, npartitions=3)
    with client.as_current():
        persisted = parts.persist()
    fit = on(client, FORMULA, persisted, "poisson", control=STREAM)
    assert fit == glm(FORMULA, parts, "poisson", control=STREAM)
    assert_same_fit(fit, memory)


def test_cluster_names_rows(client, data):
    bad = data.assign(f=data.f.astype(object))
    bad.loc[1000, "f"] = 7
    with pytest.raises(DataError, match=r"^Column 'f' mixes text and numbers: first in row 1000\.") as caught:
        on(client, FORMULA, framed(cut_at(bad, 100, 650)), "poisson", control=STREAM)
    assert caught.value.__cause__ is None


def test_workers_of_another_version_are_refused(client, data):
    def become(version):
        import glmstat

        glmstat.__version__ = version

    parts = framed(cut_at(data, 200, 700))
    words = r"Workers of the Dask cluster run glmstat 0\.0\.7, and this is .*\. Install the same version"
    client.run(become, "0.0.7")
    try:
        for control in (STREAM, Control()):
            with pytest.raises(DependencyError, match=words) as caught:
                on(client, FORMULA, parts, "poisson", control=control)
            assert caught.value.__cause__ is None
    finally:
        client.run(become, glmstat.__version__)
    assert on(client, "y ~ x", parts, "poisson", control=STREAM).nobs == ROWS


def test_sums_of_another_version_are_refused():
    stopped = add("0.0.7", 1, 2)
    assert isinstance(stopped, Stop)
    assert isinstance(stopped.error, DependencyError)
    assert add(glmstat.__version__, 1, 2) == 3
    assert add("0.0.7", stopped, 2) is stopped


class Deadly:
    """Partitions of which one kills the worker that reads it for the nth time, or every time from then on."""

    def __init__(self, tables, folder, nth, *, once):
        self.tables, self.folder, self.nth, self.once = tables, folder, nth, once

    def __call__(self, number):
        if number == 1:
            (self.folder / str(len(list(self.folder.iterdir())))).touch()
            count = len(list(self.folder.iterdir()))
            if count == self.nth or (count > self.nth and not self.once):
                os.kill(os.getpid(), signal.SIGKILL)
        return self.tables[number]


def test_lost_worker_costs_no_more_than_its_work(client, data, memory, tmp_path):
    tables = cut_at(data, 200, 700)
    parts = dd.from_map(Deadly(tables, tmp_path, 4, once=True), range(3), meta=tables[0].iloc[:0])
    fit = on(client, FORMULA, parts, "poisson", control=STREAM)
    assert len(list(tmp_path.iterdir())) > 4
    assert_same_fit(fit, memory)


def test_partition_that_kills_every_worker(client, data, tmp_path):
    tables = cut_at(data, 200, 400)
    parts = dd.from_map(Deadly(tables, tmp_path, 2, once=False), range(3), meta=tables[0].iloc[:0])
    scheduler = client.cluster.scheduler
    before, scheduler.allowed_failures = scheduler.allowed_failures, 0
    try:
        with pytest.raises(DataError, match=r"Dask lost one worker after the other .* use \.repartition\(\)"):
            on(client, FORMULA, parts, "poisson", control=STREAM)
    finally:
        scheduler.allowed_failures = before


class Slow:
    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self, part):
        import time

        (self.folder / "started").touch()
        time.sleep(0.3)
        return part


def test_interrupt_leaves_nothing_to_do(client, data, tmp_path):
    parts = framed(cut_at(data, *range(40, ROWS, 40))).map_partitions(Slow(tmp_path), meta=data.iloc[:0])

    def interrupt():
        while not (tmp_path / "started").exists():
            threading.Event().wait(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    timer = threading.Thread(target=interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        on(client, FORMULA, parts, "poisson", control=STREAM)
    timer.join()
    tasks = client.cluster.scheduler.tasks
    for _ in range(100):
        if not tasks:
            break
        threading.Event().wait(0.05)
    assert not tasks
