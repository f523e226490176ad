"""Files that are written for the user: results of rows, saved fits, checkpoints. No data are lost to them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import Control, FileError, glm, load
from glmstat.data.target import check_target, replacing
from glmstat.errors import ArgumentError
from glmstat.fit import Fit
from glmstat.report.cli import main

ROWS = 700
ROOT = Path(__file__).parents[2]
STREAM, KEPT = Control(memory=0), Control()
VERBS = ("predict", "residuals", "influence")


def sample() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    return pd.DataFrame({"x": rng.normal(size=ROWS), "y": rng.poisson(1.0, ROWS).astype(float)})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    for name in ("s.parquet", "parts/a.parquet", "parts/b.parquet"):
        sample().to_parquet(name)
    sample().to_csv("s.csv", index=False)
    return tmp_path


def fitted(data: Any, control: Control = STREAM) -> Fit:
    return glm("y ~ x", data, "poisson", control=control)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refuse_all(fit: Fit, to: Any, match: str) -> None:
    for verb in VERBS:
        with pytest.raises(FileError, match=match):
            getattr(fit, verb)(to=to, overwrite=True)
    with pytest.raises(FileError, match=match):
        fit.save(to)


# ---------------------------------------------------------------- data


@pytest.mark.parametrize("control", [STREAM, KEPT], ids=["read", "kept"])
def test_the_file_of_a_fit_is_not_replaced(folder: Path, control: Control) -> None:
    Path("link.parquet").symlink_to("s.parquet")
    os.link("s.parquet", "hard.parquet")
    before, fit = contents(folder), fitted("s.parquet", control)
    for to in ("s.parquet", folder / "s.parquet", "parts/../s.parquet", "link.parquet", "hard.parquet"):
        refuse_all(fit, to, "The file that is read cannot be written")
    with pytest.raises(FileError, match="The file that is read"):
        fitted("s.csv", control).save("s.csv")
    with pytest.raises(FileError, match="The file that is read"):
        fitted("s.parquet", Control(memory=0, checkpoint="link.parquet"))
    assert contents(folder) == before


def test_nor_that_of_data_given_again_nor_of_new_rows(folder: Path) -> None:
    fitted("s.parquet").save("fit")
    before, loaded = contents(folder), load("fit")
    for verb in VERBS:
        with pytest.raises(FileError, match="The file that is read"):
            getattr(loaded, verb)(data="s.parquet", to="s.parquet", overwrite=True)
    for new in ("parts/a.parquet", Path("parts"), ["parts/a.parquet"]):
        with pytest.raises(FileError, match="The file that is read"):
            loaded.predict(new, to="parts/a.parquet", overwrite=True)
    assert contents(folder) == before
    assert loaded.predict("parts", to="s.parquet", overwrite=True).rows == 2 * ROWS  # nothing reads it


@pytest.mark.parametrize("data", ["parts", "other", "p*/*.parquet", "other/[a-z].parquet", "**/parts/*"])
@pytest.mark.parametrize("control", [STREAM, KEPT], ids=["read", "kept"])
def test_no_file_is_put_among_those_that_are_read(folder: Path, data: str, control: Control) -> None:
    Path("other").symlink_to("parts")
    fit, before = fitted(data, control), contents(folder)
    refuse_all(fit, "parts/b.parquet", "The file that is read")
    for to in ("parts/r.parquet", "other/r.parquet"):
        refuse_all(fit, to, "would be read as data: .*Give a path that is not in it")
        with pytest.raises(FileError, match="would be read as data"):
            fitted(data, Control(memory=0, checkpoint=to))
    assert contents(folder) == before
    assert fit.predict(to="r.parquet").rows == fitted(data).nobs == 2 * ROWS


def test_what_no_fit_reads_may_stand_beside_the_data(folder: Path) -> None:
    fit = fitted("parts", Control(memory=0, checkpoint="parts/fit.ckpt"))
    fit.save("parts/fit")
    fit.residuals(to="parts/_residuals.parquet")
    assert fitted("parts") == fit
    one = fitted(["parts/a.parquet"])
    assert one.residuals(to="parts/r.parquet").rows == ROWS
    assert one.residuals(to="parts/b.parquet", overwrite=True).rows == ROWS


def test_files_of_a_dataset_are_not_replaced(folder: Path) -> None:
    arrow = pytest.importorskip("pyarrow.dataset")
    whole = arrow.dataset("parts")
    for data in (whole, whole.filter(arrow.field("x") > 0)):
        refuse_all(fitted(data), "parts/a.parquet", "The file that is read")


def test_files_that_a_query_names_are_not_replaced(folder: Path) -> None:
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    dask = pytest.importorskip("dask.dataframe")
    queries = (
        polars.scan_parquet("parts/a.parquet").filter(polars.col("x") > 0),
        duckdb.sql("SELECT * FROM 'parts/a.parquet' WHERE x > 0"),
        duckdb.read_parquet(["s.parquet", "parts/a.parquet"]).filter("x > 0"),
        dask.read_parquet(["parts/a.parquet", "parts/b.parquet"]),
    )
    fits = [fitted(query, control) for query in queries for control in (STREAM, KEPT)]
    for fit in fits:
        refuse_all(fit, "parts/a.parquet", "The file that is read")
    for query in queries:
        with pytest.raises(FileError, match="The file that is read"):
            fits[0].predict(query, to="parts/a.parquet", overwrite=True)
    for query in (duckdb.read_parquet("parts/*.parquet"), dask.read_parquet("parts")):
        refuse_all(fitted(query), "parts/a.parquet", "would be read as data")
    assert [fit.predict(to="out.parquet", overwrite=True).rows == fit.nobs for fit in fits]


def test_the_command_line_does_not_replace_its_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(folder)
    assert main(["fit", "y ~ x", "--data", "s.csv", "--save", "./s.csv"]) == 2
    assert "The file that is read cannot be written" in capsys.readouterr().err
    assert contents(folder) == before


# ---------------------------------------------------------------- places


def test_only_a_file_can_be_replaced(folder: Path) -> None:
    fit = fitted(sample())
    places = {
        "parts": "A folder, not a file",
        "none/r.parquet": "No such folder: none",
        "": "must name a file",
    }
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe.parquet")
        Path("to_pipe.parquet").symlink_to("pipe.parquet")
        Path("loop.parquet").symlink_to("loop.parquet")
        places |= dict.fromkeys(("pipe.parquet", "to_pipe.parquet"), "A device or a pipe, not a file")
        places["loop.parquet"] = r"cannot be written: loop.parquet \(Too many"
    for to, match in {
        **places,
        "a\0b.parquet": "must name a file",
        "r" * 300 + ".parquet": "too long",
    }.items():
        refuse_all(fit, to, match)
        error = ArgumentError if not to or "\0" in to else FileError
        with pytest.raises(error, match="must be the path" if error is ArgumentError else match):
            fitted("s.parquet", Control(memory=0, checkpoint=to))
    if hasattr(os, "mkfifo"):
        assert Path("pipe.parquet").is_fifo() and Path("loop.parquet").is_symlink()


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no such device here")
def test_a_device_is_no_target() -> None:
    with pytest.raises(FileError, match="A device or a pipe, not a file"):
        check_target("/dev/null")


def test_a_link_stands_for_what_it_names(folder: Path) -> None:
    fit = fitted("s.parquet")
    for name in ("there", "not yet"):
        for verb in ("to", "save", "checkpoint"):
            target, link = Path(f"{name} {verb}.parquet"), folder / "parts" / f"{name} {verb}.lnk.parquet"
            link.symlink_to(folder / target)
            if name == "there" and verb != "checkpoint":
                target.write_text("old")
            if verb == "to":
                assert fit.predict(to=link, overwrite=True).rows == ROWS
            elif verb == "save":
                fit.save(link)
            else:
                fitted("s.parquet", Control(memory=0, checkpoint=link))
            assert link.is_symlink() and target.stat().st_size > 100 and not target.is_symlink()


@pytest.mark.parametrize("name", ["p.csv", "p", "p.parquet.gz"])
def test_results_of_rows_are_parquet_by_name(folder: Path, name: str) -> None:
    for verb in VERBS:
        with pytest.raises(FileError, match=f"to= writes Parquet: {name} .*ends in .parquet"):
            getattr(fitted("s.parquet"), verb)(to=name)
    assert not Path(name).exists()
    assert fitted("s.parquet").predict(to="P.PQ").rows == ROWS


# ---------------------------------------------------------------- no room


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.parametrize("limit", [0, 10, 1000])
@pytest.mark.parametrize("action", ["fit.predict(to=path, overwrite=True)", "fit.save(path)"])
def test_a_file_that_finds_no_room_leaves_the_old_one(folder: Path, limit: int, action: str) -> None:
    Path("out.parquet").write_text("old")
    before = contents(folder)
    code = (
        "import resource, sys; from glmstat import glm\n"
        "fit, path = glm('y ~ x', 's.parquet', 'poisson'), 'out.parquet'\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        f"try:\n    {action}\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout == (
        "FileError File cannot be written: out.parquet (File too large). Make room or give another path.\n"
    )
    assert not done.stderr
    assert contents(folder) == before


def test_errors_of_what_is_written_are_not_those_of_the_file(folder: Path) -> None:
    with pytest.raises(ConnectionError, match=r"^gone$"), replacing(Path("out")) as file:
        file.write(b"half")
        raise ConnectionError("gone")
    assert not list(folder.glob("*out*"))


@pytest.mark.parametrize("error", [ConnectionError("net gone"), RuntimeError("net gone")])
def test_an_error_of_the_users_function_comes_with_its_place(folder: Path, error: Exception) -> None:
    calls, last = [0], [99]

    def batches() -> Any:
        calls[0] += 1
        yield sample().iloc[:100]
        if calls[0] > last[0]:
            raise error
        yield sample().iloc[100:]

    fit = fitted(batches)
    calls[0], last[0] = 0, 4
    with pytest.raises(type(error), match=r"^net gone") as caught:
        fitted(batches)
    source, place = caught.value.__notes__
    assert source.startswith("Function batches raised this when batch 1 was asked for")
    assert place.startswith("This was in pass ")
    with pytest.raises(type(error), match="net gone"):
        fit.predict(to="out.parquet")
    assert not list(folder.glob("*out*"))
