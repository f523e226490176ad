"""Long fits: kept pass by pass, taken up again with the same bits, refused where anything is not the same."""

from __future__ import annotations

import errno
import functools
import io
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, Fit, glm
from glmstat.compute import Sums, Totals
from glmstat.data import journal as journals
from glmstat.data import passes
from glmstat.data.digest import column_digest, described, digest
from glmstat.data.journal import Facts, Journal, Record
from glmstat.data.source import open_source
from glmstat.data.stream import StreamSource
from glmstat.errors import ArgumentError, FileError, FitInterrupted
from glmstat.frame import _Run
from glmstat.progress import Meter
from tests.simulation import kills

FORMULA = "y ~ x + scale(z) + f + offset(log(t))"
ROWS = 6000
BLOCK = 1000
NEVER = 10**9


def sample(rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(5)
    x, z, t = random.normal(size=rows), random.normal(2.0, 3.0, rows), random.uniform(0.5, 2.0, rows)
    f = random.choice(list("abc"), rows)
    z[random.choice(rows, 40, replace=False)] = np.nan
    y = random.poisson(t * np.exp(0.1 + 0.4 * x - 0.05 * np.nan_to_num(z) + 0.3 * (f == "b")))
    return pd.DataFrame({"x": x, "z": z, "t": t, "f": f, "y": y})


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glmstat.frame.block_rows", lambda columns: BLOCK)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    sample().to_parquet(path, row_group_size=700)
    return path


@pytest.fixture(params=["memory", "parquet", "function"])
def data(request: pytest.FixtureRequest, parquet: Path) -> Any:
    """The same rows in memory, in a file whose stamp tells of changes, and where nothing does."""
    frame = sample()
    pieces = [frame.iloc[start : start + 900] for start in range(0, ROWS, 900)]
    return {"memory": frame, "parquet": str(parquet), "function": lambda: iter(pieces)}[request.param]


def fitted(data: Any, checkpoint: Path | None = None, formula: str = FORMULA, **words: Any) -> Fit:
    path = None if checkpoint is None else str(checkpoint)
    control = {"memory": 0, "workers": 1, "checkpoint": path, **words.pop("control", {})}
    return glm(formula, data, words.pop("family", "poisson"), control=Control(**control), **words)


class Blocks:
    """Counts the blocks that the passes of a fit make, and stops it at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made, self.stop = 0, NEVER
        make = _Run.__call__

        def counted(run: Any, whole: Any, number: int) -> Any:
            self.made += 1
            if self.made >= self.stop:
                raise KeyboardInterrupt
            return make(run, whole, number)

        monkeypatch.setattr(_Run, "__call__", counted)

    def of(self, action: Callable[[], Fit], stop: int = NEVER) -> tuple[Fit, int]:
        self.made, self.stop = 0, stop
        try:
            return action(), self.made
        finally:
            self.stop = NEVER


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Blocks:
    return Blocks(monkeypatch)


# ---------------------------------------------------------------- the same bits


def test_a_fit_that_is_kept_is_the_fit_that_is_not(data: Any, tmp_path: Path):
    assert fitted(data, tmp_path / "c") == fitted(data)


def test_a_finished_fit_is_answered_from_the_file(data: Any, tmp_path: Path, blocks: Blocks):
    whole, everything = blocks.of(lambda: fitted(data, tmp_path / "c"))
    size = (tmp_path / "c").stat().st_size
    again, made = blocks.of(lambda: fitted(data, tmp_path / "c"))
    assert again == whole
    assert (everything > 20, made) == (True, 0)
    assert (tmp_path / "c").stat().st_size == size


def test_a_finished_fit_passes_over_no_data(parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = fitted(parquet, tmp_path / "c")

    def read(*_: Any) -> Any:
        raise AssertionError("a pass over the data")

    monkeypatch.setattr(StreamSource, "map_reduce", read)
    monkeypatch.setattr(StreamSource, "_learn", read)
    assert fitted(parquet, tmp_path / "c") == whole


def test_every_interrupt_is_taken_up_where_it_was(data: Any, tmp_path: Path, blocks: Blocks):
    whole, everything = blocks.of(lambda: fitted(data))
    for stop in range(1, everything + 1, 3):
        path = tmp_path / f"{stop}"
        with pytest.raises(FitInterrupted):
            blocks.of(lambda path=path: fitted(data, path), stop)
        again, made = blocks.of(lambda path=path: fitted(data, path))
        assert again == whole
        assert made == everything - stop + 1


def test_threads_may_differ_between_the_runs(parquet: Path, tmp_path: Path, blocks: Blocks):
    whole = fitted(parquet)
    with pytest.raises(FitInterrupted):
        blocks.of(lambda: fitted(parquet, tmp_path / "c", control={"workers": 2}), 31)
    assert blocks.of(lambda: fitted(parquet, tmp_path / "c"))[0] == whole


def test_threads_stop_at_an_interrupt(
    parquet: Path, tmp_path: Path, blocks: Blocks, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("glmstat.frame.THREADED_CELLS", 0)
    whole, everything = blocks.of(lambda: fitted(parquet))
    for stop in (9, everything // 2, everything - 8):
        path = tmp_path / f"{stop}"
        with pytest.raises(FitInterrupted):
            blocks.of(lambda path=path: fitted(parquet, path, control={"workers": 2}), stop)
        assert blocks.made <= stop + 4  # what two threads have begun or are waiting for
        again, made = blocks.of(lambda path=path: fitted(parquet, path, control={"workers": 2}))
        assert again == whole
        assert made < everything


def test_robust_covariances_are_kept_too(parquet: Path, tmp_path: Path, blocks: Blocks):
    whole, _ = blocks.of(lambda: fitted(parquet, tmp_path / "c", vcov="HC0"))
    again, made = blocks.of(lambda: fitted(parquet, tmp_path / "c", vcov="HC0"))
    assert (again == whole, made) == (True, 0)
    assert np.array_equal(np.asarray(again.stderror()), np.asarray(whole.stderror()))


@pytest.mark.parametrize(
    ("formula", "family", "words"),
    [
        ("y ~ x + bs(z, df=4)", "poisson", {}),
        ("y ~ C(f, Sum) * x", "poisson", {"subset": "x > -1"}),
        ("y ~ x + f", "gaussian", {"weights": "t"}),
        ("y ~ x + f", "quasipoisson", {"freq_weights": "y"}),
        ("(y > 1) ~ x + poly(t, 2)", "binomial", {}),
        ("t ~ x + f", "gamma", {"link": "log"}),
    ],
)
def test_every_result_of_a_fit_can_be_kept(
    parquet: Path, tmp_path: Path, blocks: Blocks, formula: str, family: str, words: dict[str, Any]
):
    whole, _ = blocks.of(lambda: fitted(parquet, tmp_path / "c", formula, family=family, **words))
    again, made = blocks.of(lambda: fitted(parquet, tmp_path / "c", formula, family=family, **words))
    assert (again == whole, made) == (True, 0)


def test_separation_is_kept_too(tmp_path: Path, blocks: Blocks):
    frame = sample().assign(w=lambda rows: (rows.x > 0.2).astype(float))

    def action() -> Fit:
        with pytest.warns(glmstat.errors.SeparationWarning):
            return fitted(frame, tmp_path / "c", "w ~ x", family="binomial")

    whole, _ = blocks.of(action)
    again, made = blocks.of(action)
    assert (again == whole, made) == (True, 0)


def test_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()  # blocks of the usual length, as in the processes that are killed
    found = kills.campaign(tmp_path, kills=8, seed=11, rows=80_000)
    assert [equal for *_, equal in found] == [True] * 8


# ---------------------------------------------------------------- Ctrl-C


def test_an_interrupt_tells_how_to_go_on(parquet: Path, tmp_path: Path, blocks: Blocks):
    whole, everything = blocks.of(lambda: fitted(parquet))
    with pytest.raises(FitInterrupted, match=r"after \d+ passes, decrement .* start=error.coef") as caught:
        blocks.of(lambda: fitted(parquet, tmp_path / "c"), everything - 3)
    assert str(tmp_path / "c") in str(caught.value)
    coef = caught.value.coef
    assert coef is not None
    assert list(coef) == list(whole.columns)
    near = np.abs(np.array(list(coef.values())) - np.asarray(whole.coef))
    assert (near < 0.1 * np.asarray(whole.stderror())).all()
    assert fitted(parquet, start=coef).converged


def test_an_interrupt_without_a_checkpoint(blocks: Blocks):
    with pytest.raises(FitInterrupted, match="Repeat the call") as caught:
        blocks.of(lambda: fitted(sample()), 2)
    assert caught.value.coef is None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_the_pass(parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int):
    """Ctrl-C itself, wherever the thread of the caller stands."""
    monkeypatch.setattr("glmstat.frame.THREADED_CELLS", 0)
    whole, make, made = fitted(parquet), _Run.__call__, count(1)

    def signalled(run: Any, frame: Any, number: int) -> Any:
        if next(made) == 20:
            signal.raise_signal(signal.SIGINT)
        return make(run, frame, number)

    with monkeypatch.context() as patch:
        patch.setattr(_Run, "__call__", signalled)
        with pytest.raises(FitInterrupted):
            fitted(parquet, tmp_path / "c", control={"workers": workers})
    assert next(made) <= 27
    assert fitted(parquet, tmp_path / "c") == whole


def test_an_interrupt_is_a_keyboard_interrupt():
    assert issubclass(FitInterrupted, KeyboardInterrupt)


def test_an_interrupt_between_two_halves_of_a_sum(
    parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The sums on the file are those before a block or those after it, wherever the interrupt falls."""
    whole, add = fitted(parquet), Totals.__add__

    def interrupting(stop: int) -> Callable[[Totals, Totals], Totals]:
        made = count()

        def added(self: Totals, other: Totals) -> Totals:
            if next(made) == stop:
                raise KeyboardInterrupt
            return add(self, other)

        return added

    for stop in (0, 3, 7):
        with monkeypatch.context() as patch:
            patch.setattr(Totals, "__add__", interrupting(stop))
            with pytest.raises(FitInterrupted):
                fitted(parquet, tmp_path / "c")
    assert fitted(parquet, tmp_path / "c") == whole


# ---------------------------------------------------------------- what is refused


def test_another_call_is_refused_by_name(parquet: Path, tmp_path: Path):
    fitted(parquet, tmp_path / "c")
    others: list[tuple[str, dict[str, Any]]] = [
        ("formula is 'y ~ x'", {"formula": "y ~ x"}),
        ("family is 'negative_binomial, log", {"family": "negative_binomial(2)"}),
        ("control.tolerance is 1e-10, was 1e-08", {"control": {"tolerance": 1e-10}}),
        ("subset is 'x > 0', was None", {"subset": "x > 0"}),
        ("weights is ndarray", {"weights": np.ones(ROWS)}),
        ("na_action is 'exclude'", {"na_action": "exclude"}),
        ("dispersion is 2.0", {"dispersion": 2.0}),
        ("vcov is 'HC1'", {"vcov": "HC1"}),
        ("coding is 'last treatment first'", {"compat": "sas"}),
    ]
    for text, words in others:
        with pytest.raises(FileError, match="belongs to another call") as caught:
            fitted(parquet, tmp_path / "c", **words)
        assert text in str(caught.value)
    fitted(parquet, tmp_path / "c", compat="stata", control={"workers": 2, "progress": False})


def test_arrays_and_functions_of_the_call_are_compared(parquet: Path, tmp_path: Path):
    ones = np.ones(ROWS)
    fitted(parquet, tmp_path / "c", weights=ones)
    fitted(parquet, tmp_path / "c", weights=ones.copy())
    ones[7] = 2.0
    with pytest.raises(FileError, match="weights is"):
        fitted(parquet, tmp_path / "c", weights=ones)
    fitted(parquet, tmp_path / "d", "y ~ g(x)", context={"g": lambda x: x + 1.0})
    with pytest.raises(FileError, match="context is"):
        fitted(parquet, tmp_path / "d", "y ~ g(x)", context={"g": lambda x: x + 2.0})


def test_files_that_changed_are_refused(tmp_path: Path):
    data = tmp_path / "rows.parquet"
    sample().to_parquet(data)
    fitted(data, tmp_path / "c")
    sample().assign(x=0.0).to_parquet(data)
    with pytest.raises(FileError, match="Data changed since the checkpoint was written"):
        fitted(data, tmp_path / "c")


def test_values_in_memory_that_changed_are_refused(tmp_path: Path):
    data = sample()
    fitted(data, tmp_path / "c")
    fitted(data.assign(other=1.0), tmp_path / "c")
    for name in ("x", "z", "t", "f", "y"):
        changed = data.copy()
        changed.loc[4321, name] = changed.loc[
            0 if changed.loc[0, name] != changed.loc[4321, name] else 1, name
        ]
        with pytest.raises(FileError, match=f"Column '{name}' has other values"):
            fitted(changed, tmp_path / "c")
    with pytest.raises(FileError, match="number of rows is 5,000, was 6,000"):
        fitted(data.iloc[:5000], tmp_path / "c")


def test_first_rows_that_changed_are_refused_where_nothing_else_can_tell(tmp_path: Path):
    data = sample()
    fitted(lambda: iter([data]), tmp_path / "c")
    with pytest.raises(FileError, match="digest of the first rows"):
        fitted(lambda: iter([data.assign(z=data.z + 1.0)]), tmp_path / "c")


def test_later_rows_that_changed_are_refused_once_they_are_read(tmp_path: Path, blocks: Blocks):
    data = sample(70_000)
    whole = data.copy()
    whole.loc[69_000, "x"] = 9.0
    with pytest.raises(FitInterrupted):
        blocks.of(lambda: fitted(lambda: iter([data]), tmp_path / "c"), 300)
    with pytest.raises(FileError, match="Column 'x' has other values"):
        blocks.of(lambda: fitted(lambda: iter([whole]), tmp_path / "c"))


def without_stamp(frame: pd.DataFrame, form: str) -> Any:
    """Data of which nothing but their values tells whether they changed."""
    if form == "function":
        return lambda: iter([frame])
    if form == "lazy":
        return pytest.importorskip("polars").from_pandas(frame).lazy()
    if form == "dask":
        return pytest.importorskip("dask.dataframe").from_pandas(frame, npartitions=3)
    connection = pytest.importorskip("duckdb").connect()
    connection.register("rows", frame)
    return connection.sql("select * from rows")


@pytest.mark.parametrize("form", ["function", "lazy", "duckdb", "dask"])
def test_a_finished_file_answers_for_its_own_data_alone(tmp_path: Path, form: str):
    data, path = sample(140_000), tmp_path / "c"
    whole = fitted(without_stamp(data, form), path, "y ~ x + f")
    raw = path.read_bytes()
    assert fitted(without_stamp(data, form), path, "y ~ x + f") == whole
    last = data.index == 139_000
    others = {
        "y": data.y.where(~last, data.y + 3),
        "x": data.x.where(~last, 0.0),
        "f": data.f.where(~last, data.f.map({"a": "b", "b": "c", "c": "a"})),
    }
    for name, values in others.items():
        with pytest.raises(FileError, match=f"Column '{name}' has other values"):
            fitted(without_stamp(data.assign(**{name: values}), form), path, "y ~ x + f")
    longer = pd.concat([data, data.assign(y=data.y + 1)], ignore_index=True)
    with pytest.raises(FileError, match="Data changed"):
        fitted(without_stamp(longer, form), path, "y ~ x + f")
    assert path.read_bytes() == raw


@pytest.mark.parametrize("form", ["memory", "function"])
def test_a_level_that_is_gone_is_refused_and_the_file_stays(tmp_path: Path, form: str):
    data, path = sample(), tmp_path / "c"
    give = (lambda frame: frame) if form == "memory" else (lambda frame: lambda: iter([frame]))
    data.loc[: BLOCK - 1, "f"] = "a"
    whole = fitted(give(data), path, "y ~ x + f")
    raw = path.read_bytes()
    with pytest.raises(FileError, match="Data changed since the checkpoint was written"):
        fitted(give(data.assign(f=data.f.replace({"c": "b"}))), path, "y ~ x + f")
    assert path.read_bytes() == raw
    assert fitted(give(data), path, "y ~ x + f") == whole


class Times:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, values: Any) -> Any:
        return values * self.factor


def keyword(factor: float) -> Callable[..., Any]:
    def times(values: Any, *, factor: float = factor) -> Any:
        return values * factor

    return times


def enclosing(factor: float) -> Callable[..., Any]:
    times = Times(factor)
    return lambda values: times(values)


def interpolating(factor: float) -> Callable[..., Any]:
    from scipy.interpolate import interp1d

    return interp1d([-9.0, 9.0], [-9.0 * factor, 9.0 * factor])


FACTOR = 1.0


def reading(values: Any) -> Any:
    return values * FACTOR


@pytest.mark.parametrize(
    "make",
    [
        Times,
        lambda factor: Times(factor).__call__,
        keyword,
        enclosing,
        interpolating,
        lambda factor: np.poly1d([factor, 0.0]),
        lambda factor: np.vectorize(keyword(factor)),
        lambda factor: functools.lru_cache(keyword(factor)),
        lambda factor: np.log1p if factor == 1.0 else np.expm1,
    ],
)
def test_what_the_context_holds_is_compared(make: Callable[[float], Any]):
    def told(factor: float) -> str:
        return described({"k": make(factor)})

    assert told(1.0) == told(1.0)
    assert told(1.0) != told(2.0)


def test_another_object_in_the_context_is_refused(parquet: Path, tmp_path: Path):
    one = fitted(parquet, tmp_path / "c", "y ~ k(x)", context={"k": Times(1.0)})
    assert fitted(parquet, tmp_path / "c", "y ~ k(x)", context={"k": Times(1.0)}) == one
    with pytest.raises(FileError, match=r"belongs to another call: .* context is"):
        fitted(parquet, tmp_path / "c", "y ~ k(x)", context={"k": Times(2.0)})


def test_what_a_function_reads_of_its_module_is_compared(monkeypatch: pytest.MonkeyPatch):
    before = described({"k": reading})
    assert described({"k": reading}) == before
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    assert described({"k": reading}) != before


def test_an_object_that_refers_to_itself_is_described():
    loop = Times(1.0)
    loop.me = loop  # pyright: ignore[reportAttributeAccessIssue]
    assert described(loop) == described(loop)


def test_a_context_that_cannot_be_described_has_no_checkpoint(parquet: Path, tmp_path: Path):
    hidden = np.frompyfunc(lambda value: 2.0 * value, 1, 1)
    with pytest.raises(ArgumentError, match=r"cannot tell whether context is the same .* it holds a ufunc"):
        fitted(parquet, tmp_path / "c", "y ~ k(x)", context={"k": hidden})
    assert not (tmp_path / "c").exists()


def test_the_ladder_tells_where_it_stands(parquet: Path, monkeypatch: pytest.MonkeyPatch):
    """An interrupt in the ladder's passes carries the coefficients of the step before."""
    noted: list[tuple[Any, float]] = []
    keep = passes.Passes.note

    def seen(self: Any, coef: Any, decrement: float) -> None:
        noted.append((coef, decrement))
        keep(self, coef, decrement)

    monkeypatch.setattr(passes.Passes, "note", seen)
    data = sample(60_000)
    fit = fitted(data, None, "y ~ x + f", control={"solver": "ladder"})
    assert fit.estimate.convergence.ladder == "reached the maximum"
    assert noted
    np.testing.assert_allclose(noted[-1][0], np.asarray(fit.coef), atol=1e-6 * np.max(fit.stderror()))


@pytest.mark.parametrize(
    "content", [b"hello", b"PK\x03\x04" * 100, b"glmstat", b"glmstat checkpoint x\n", b"\0" * 99]
)
def test_other_files_are_left_as_they_are(parquet: Path, tmp_path: Path, content: bytes):
    path = tmp_path / "c"
    path.write_bytes(content)
    if content == b"glmstat":  # what a kill in the first write leaves
        assert fitted(parquet, path) == fitted(parquet)
        return
    with pytest.raises(FileError, match="Not a checkpoint"):
        fitted(parquet, path)
    assert path.read_bytes() == content


def test_newer_files_and_other_versions_are_refused(
    parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "c"
    fitted(parquet, path)
    monkeypatch.setattr(glmstat, "__version__", "99.0")
    with pytest.raises(FileError, match=r"written by glmstat 0.*, this is 99.0"):
        fitted(parquet, path)
    path.write_bytes(path.read_bytes().replace(b"checkpoint 1\n", b"checkpoint 2\n", 1))
    with pytest.raises(FileError, match="written by a newer glmstat"):
        fitted(parquet, path)


def test_places_where_no_file_can_be(parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(FileError, match="No such folder: "):
        fitted(parquet, tmp_path / "none" / "c")
    with pytest.raises(FileError, match="A folder, not a file"):
        fitted(parquet, tmp_path)

    def denied(*_: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(journals.os, "open", denied)
    with pytest.raises(FileError, match=r"cannot be written: .* \(Permission denied\)"):
        fitted(parquet, tmp_path / "c")


def test_two_fits_cannot_share_a_file(parquet: Path, tmp_path: Path):
    one = Journal(str(tmp_path / "c"), Facts("", {}, {}))
    with pytest.raises(FileError, match="in use by another fit"):
        fitted(parquet, tmp_path / "c")
    one.close()
    Journal(str(tmp_path / "c"), Facts("", {}, {})).close()


def test_networks_have_no_checkpoint(tmp_path: Path):
    pytest.importorskip("torch")
    with pytest.raises(ArgumentError, match=r"checkpoint keeps the passes of glm\(\)"):
        glmstat.rglm("y ~ nn(x)", sample(), control=Control(checkpoint=str(tmp_path / "c")))


# ---------------------------------------------------------------- no space


@pytest.mark.parametrize("failing", [1, 4, 9])
def test_a_full_device_stops_the_fit_and_spoils_nothing(
    parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
):
    whole, sync, calls = fitted(parquet), os.fsync, count(1)

    def full(number: int) -> None:
        if next(calls) >= failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    monkeypatch.setattr(journals.os, "fsync", full)
    with pytest.raises(FileError, match=r"\(No space left on device\)\. Make room"):
        fitted(parquet, tmp_path / "c")
    monkeypatch.setattr(journals.os, "fsync", sync)
    left = (tmp_path / "c").stat().st_size
    assert (left == 0) == (failing == 1)
    assert fitted(parquet, tmp_path / "c") == whole


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_file_that_may_not_grow(parquet: Path, tmp_path: Path):
    code = (
        "import resource, sys; from glmstat import glm, Control\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "control = Control(memory=0, checkpoint=sys.argv[3])\n"
        "try:\n    glm(sys.argv[1], sys.argv[2], 'poisson', control=control)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    words = [sys.executable, "-c", code, FORMULA, str(parquet), str(tmp_path / "c")]
    environment = {**os.environ, "PYTHONPATH": str(kills.ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.startswith("FileError Checkpoint cannot be written")
    assert (tmp_path / "c").stat().st_size <= 3000


# ---------------------------------------------------------------- the file


def plain_fit(path: Path | None, data: pd.DataFrame) -> Fit:
    return fitted(data, path, "y ~ x")


def test_every_damage_is_refused_or_harmless(tmp_path: Path):
    data, path = sample(), tmp_path / "c"
    whole = plain_fit(path, data)
    raw = path.read_bytes()
    places = [*range(0, 90, 2), *np.linspace(90, len(raw) - 1, 60).astype(int).tolist()]
    refused = 0
    for place in places:
        spoiled = bytearray(raw)
        spoiled[place] ^= 1 << (place % 8)
        path.write_bytes(spoiled)
        try:
            assert plain_fit(path, data) == whole
        except FileError:
            refused += 1
    assert refused >= 20  # in the first line and the header
    assert refused < len(places)


def test_every_truncation_is_harmless(tmp_path: Path):
    data, path = sample(), tmp_path / "c"
    whole = plain_fit(path, data)
    raw = path.read_bytes()
    for length in [*range(0, 60, 3), *np.linspace(60, len(raw), 30).astype(int).tolist()]:
        path.write_bytes(raw[:length])
        assert plain_fit(path, data) == whole
        assert path.read_bytes() == raw


def test_what_stands_behind_the_last_record_is_cut_off(tmp_path: Path):
    data, path = sample(), tmp_path / "c"
    whole = plain_fit(path, data)
    raw = path.read_bytes()
    path.write_bytes(raw + b"\xff" * 1000)
    assert plain_fit(path, data) == whole


class Malicious:
    """Runs a command where it is unpickled."""

    def __init__(self, action: Any) -> None:
        self.action = action

    def __reduce__(self) -> Any:
        return self.action


def hostile(path: Path, payload: Any) -> None:
    """Put a pickle into the first record of a checkpoint, with the checksum that it must have."""
    with path.open("rb") as file:
        line = file.readline()
        header = journals._FRAME.unpack(file.read(journals._FRAME.size))
        text = file.read(header[2])
    salt = journals.hashlib.blake2b(text, digest_size=16).digest()
    raw = pickle.dumps(("", {}, -1, payload, False))
    start = len(line) + journals._FRAME.size + len(text)
    whole = path.read_bytes()[:start]
    path.write_bytes(whole + journals._framed(b"P", 0, raw, salt) + raw)


@pytest.mark.parametrize("name", ["system", "open", "eval", "method", "class"])
def test_a_foreign_checkpoint_runs_no_code(tmp_path: Path, name: str):
    data, path, mark = sample(), tmp_path / "c", tmp_path / "mark"
    plain_fit(path, data)
    actions: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "system": (os.system, (f"touch {mark}",)),
        "open": (io.open, (str(mark), "w")),
        "eval": (eval, (f"open({str(mark)!r}, 'w')",)),
        "method": (Path.touch, (mark,)),
        "class": (Journal, (str(mark), Facts("", {}, {}))),
    }
    hostile(path, Malicious(actions[name]))
    with pytest.raises(FileError, match="holds what glmstat never writes"):
        plain_fit(path, data)
    assert not mark.exists()


def opened(path: Path) -> Journal:
    return Journal(str(path), Facts("1", {"a": "b"}, {}))


def test_journal_gives_back_what_it_kept(tmp_path: Path):
    results = [
        Sums(1.5, 2.0, np.arange(3.0), np.eye(3)),
        {"a": (1, 2.0, "x", None, frozenset({1}))},
        np.float64(np.pi),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        [True, 10**40, b"x"],
    ]
    journal = opened(tmp_path / "c")
    for number, result in enumerate(results):
        assert journal.find(number) is None
        journal.keep(number, Record("r", {}, 3, ((0, result),)))
        journal.keep(number, Record("r", {}, -1, result))
    journal.close()
    journal = opened(tmp_path / "c")
    found = [journal.find(number) for number in range(len(results))]
    journal.close()
    values = [None if record is None else record.value for record in found]
    assert isinstance(values[0], Sums)
    assert np.array_equal(values[0].score, results[0].score)
    assert values[1:3] == results[1:3]
    assert np.array_equal(values[3], results[3])
    assert values[4] == results[4]


def test_journal_keeps_the_newest_partial_sums_in_bounded_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journals, "_GROWTH", 1000)
    journal = opened(tmp_path / "c")
    for blocks in range(1, 200):
        journal.keep(0, Record("r", {}, blocks, ((0, np.full(10, float(blocks))),)))
    journal.close()
    assert (tmp_path / "c").stat().st_size < 3000
    journal = opened(tmp_path / "c")
    found = journal.find(0)
    journal.close()
    assert found is not None
    assert (found.blocks, found.value[0][1][0]) == (199, 199.0)


def test_a_result_that_cannot_be_written_down_is_made_again(tmp_path: Path):
    journal = opened(tmp_path / "c")
    journal.keep(0, Record("r", {}, -1, lambda: 1))
    journal.keep(1, Record("r", {}, -1, 7))
    journal.close()
    journal = opened(tmp_path / "c")
    found = journal.find(0), journal.find(1)
    journal.close()
    assert (found[0].lost, found[1].value) == (True, 7)


def test_a_pass_that_asks_something_else_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As after a change of the machine, whose last bits send the fit another way."""
    data, path = sample(), tmp_path / "c"
    whole = plain_fit(path, data)
    raw = path.read_bytes()
    monkeypatch.setattr(passes, "_asked", lambda *question: "another")
    assert plain_fit(path, data) == whole
    assert path.read_bytes() != raw


# ---------------------------------------------------------------- what is not kept


def test_small_data_leave_no_file(parquet: Path, tmp_path: Path):
    glm(FORMULA, sample(), "poisson", control=Control(checkpoint=str(tmp_path / "c")))
    glm(FORMULA, str(parquet), "poisson", control=Control(checkpoint=str(tmp_path / "c")))
    assert not (tmp_path / "c").exists()


def test_few_rows_are_not_watched():
    source = open_source({"x": np.arange(10.0)})
    with passes.Passes() as watch:
        assert watch.watch(source, Control(), dict) is source
        assert watch.number == 0


def test_the_fit_is_free_of_the_watch(data: Any, tmp_path: Path):
    fit = fitted(data, tmp_path / "c")
    assert fit.frame is not None
    assert passes.bare(fit.frame.joined) is fit.frame.joined
    assert passes.bare(fit.frame.source) is fit.frame.source
    assert fit.spec.control.checkpoint is None
    size = (tmp_path / "c").stat().st_size
    fit.update(". ~ . - f", data=data)
    fit.vcov("HC0")
    assert (tmp_path / "c").stat().st_size == size


def test_an_error_in_the_data_passes_through_and_frees_the_file(tmp_path: Path):
    data = sample()
    data.loc[5, "y"] = -1
    for _ in range(2):
        with pytest.raises(glmstat.errors.DomainError):
            fitted(data, tmp_path / "c")


# ---------------------------------------------------------------- progress


class Terminal(io.StringIO):
    """Standard error that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_passes_are_shown_on_request(data: Any, capsys: pytest.CaptureFixture[str]):
    fitted(data, control={"progress": True})
    shown = capsys.readouterr().err
    assert "pass 3" in shown
    assert "/6.00k" in shown


@pytest.mark.parametrize("progress", [None, False])
def test_short_fits_on_a_terminal_show_nothing(
    data: Any, monkeypatch: pytest.MonkeyPatch, progress: bool | None
):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    fitted(data, control={"progress": progress})
    assert screen.getvalue() == ""


def test_long_fits_show_their_passes_on_a_terminal_only(
    data: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("glmstat.progress.PATIENCE", 1e-9)
    fitted(data)
    assert capsys.readouterr() == ("", "")
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    fitted(data)
    assert "pass" in screen.getvalue()


def test_the_bar_says_what_is_known(monkeypatch: pytest.MonkeyPatch):
    said: list[tuple[str, int | None]] = []
    begin = Meter.begin

    def noted(meter: Meter, what: str, total: int | None) -> None:
        said.append((what, total))
        begin(meter, what, total)

    monkeypatch.setattr(Meter, "begin", noted)
    fitted(sample())
    assert said[0] == ("pass 1", ROWS)
    assert any(re.fullmatch(r"pass \d+, decrement \de-\d+", what) for what, _ in said)
    assert {total for _, total in said} == {ROWS}


# ---------------------------------------------------------------- digests


def test_digests_tell_values_apart():
    a = 1.0

    def enclosed(value: Any) -> Callable[[], Any]:
        return lambda: value

    values: list[Any] = [1, 1.0, "1", b"1", None, True, [1], (1,), {"a": 1}, {1}, np.ones(2), np.ones((2, 1))]
    values += [
        np.ones(2, dtype=np.float32),
        np.array(["a"], dtype=object),
        int,
        len,
        enclosed(a),
        enclosed(2.0),
    ]
    values += [pd.Series([1.0, 2.0]), pd.Series([1.0, 2.0], index=[1, 2]), Control(), Control(tolerance=1e-9)]
    made = [digest(value) for value in values]
    assert len(set(made)) == len(values) - 0
    assert made == [digest(value) for value in values]
    assert digest(enclosed(np.ones(3))) == digest(enclosed(np.ones(3)))


def test_columns_in_memory_are_told_apart():
    frame = pd.DataFrame(
        {
            "x": [1.0, np.nan, 3.0],
            "i": [1, 2, 3],
            "b": [True, False, True],
            "n": pd.array([True, None, True], dtype="boolean"),
            "m": pd.array([True, False, True], dtype="boolean"),
            "f": ["a", "b", "a"],
            "g": ["a", "c", "a"],
            "h": pd.Categorical(["a", "b", "a"], ["b", "a"]),
            "d": pd.to_datetime(["2020-01-01", "2020-01-02", None]),
            "e": pd.to_datetime(["2020-01-01", "2020-01-03", None]),
        }
    )
    source = open_source(frame)
    made = [column_digest(source, name) for name in frame]
    same = {"b": "m"}  # the same values in another type
    assert len(set(made)) == len(made) - len(same)


def test_described_shows_what_is_short():
    assert described("y ~ x") == "'y ~ x'"
    assert described(["a", 1]) == "['a', 1]"
    assert described("x" * 500).startswith("'xxx")
    assert len(described("x" * 500)) < 300
    assert described(np.ones(3)).startswith("ndarray ")
