"""Verbs on data that are read block by block: the numbers of rows in memory, or a refusal in words."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, glm
from glmstat.call import Covariance
from glmstat.data.parquet_writer import Written
from glmstat.errors import ArgumentError, DataError, FileError
from glmstat.frame import ModelFrame

pq = pytest.importorskip("pyarrow.parquet")

ROWS, GROUP, BLOCK = 3_000, 700, 512
FORMULA = "y ~ x + scale(z) + f + offset(log(t))"
STREAM = Control(memory=0)


def _table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=ROWS),
            "z": rng.normal(size=ROWS),
            "f": rng.choice(list("abcd"), ROWS),
            "t": rng.uniform(0.2, 1.0, ROWS),
            "w": rng.choice([1.0, 2.0, 3.0], ROWS),
            "firm": rng.choice([f"firm{place}" for place in range(48)], ROWS),
            "year": rng.integers(2000, 2044, ROWS).astype(float),
            "number": 500.0,
        }
    )
    data["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 50, ROWS), unit="D")
    data["region"] = data.firm.str[-1]
    mean = data.t * np.exp(0.5 + 0.3 * data.x - 0.2 * data.z + 0.4 * (data.f == "b"))
    data["y"] = rng.poisson(mean).astype(float)
    data["g"] = 1.0 + 0.5 * data.x - data.z + rng.normal(size=ROWS)
    data.loc[rng.choice(ROWS, 60, replace=False), "z"] = np.nan
    data.loc[rng.choice(ROWS, 25, replace=False), "f"] = None
    data.loc[600:1300, "z"] = np.where(np.arange(600, 1301) < 1200, np.nan, 0.3)  # a block without a row
    return data


D = _table()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("streams") / "rows.parquet"
    D.to_parquet(file, row_group_size=GROUP)
    return file


@pytest.fixture(scope="module", autouse=True)
def _short_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glmstat.frame.block_rows", lambda columns: BLOCK)
        yield


@pytest.fixture(scope="module")
def poisson(path: Path) -> tuple[Any, Any, Any]:
    """The same fit: copied, read in place, and read from a file."""
    return _three(path, FORMULA, "poisson", weights="w")


@pytest.fixture(scope="module")
def gaussian(path: Path) -> tuple[Any, Any, Any]:
    return _three(path, "g ~ x + z + f", "gaussian")


def _three(path: Path, formula: str, family: str, **words: Any) -> tuple[Any, Any, Any]:
    small: Any = glm(formula, D, family, **words)
    fits: list[Any] = [glm(formula, data, family, control=STREAM, **words) for data in (D, path)]
    large, streamed = fits
    assert small.frame.small and large.frame.large and streamed.frame.large
    assert not streamed.frame.source.held
    return small, large, streamed


def _numbers(result: Any) -> Any:
    if hasattr(result, "to_frame") and not isinstance(result, pd.Series):
        result = result.to_frame()
    if isinstance(result, (pd.Series, pd.DataFrame)):
        return pd.DataFrame(result).select_dtypes("number").to_numpy(float)
    return result


def _same(one: Any, other: Any) -> None:
    one, other = _numbers(one), _numbers(other)
    if isinstance(one, np.ndarray):
        np.testing.assert_allclose(other, one, rtol=1e-10, atol=1e-10, equal_nan=True)
    else:
        assert one == other


COVARIANCES = (
    *("HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5", "opg"),
    *(f"{kind} ~ firm" for kind in ("CR0", "CR1", "CR1S", "CR2", "CR3")),
    *(
        "CR1 ~ firm + year",
        "CR1 ~ firm:f",
        "CR2 ~ year",
        "CR3 ~ firm:region",
        "CR1 ~ day",
        "CR1 ~ I(year + 1)",
    ),
    *("CR2 ~ cut(x, breaks=[-9, -1, 0, 1, 9])", "DK ~ year", "DK ~ day", "jackknife ~ region"),
)
CHOICES = {
    "vcovCL": Covariance("CR2", cluster="firm", small_sample="sandwich"),
    "array": Covariance("CR1", cluster=D.firm.to_numpy()),
    "array and name": Covariance("CR1", cluster=(D.firm.to_numpy(), "year")),
    "survey": Covariance("survey", strata="region", cluster="firm"),
    "survey of rows": Covariance("survey", strata="region", fpc="number"),
    "bootstrap": Covariance("bootstrap", cluster="firm", reps=9),
}
VERBS: dict[str, Callable[[Any], Any]] = {
    "summary": lambda fit: fit.summary("CR2 ~ firm"),
    "predict": lambda fit: fit.predict(),
    "interval": lambda fit: fit.predict(se_fit=True, interval="confidence", vcov="CR2 ~ year"),
    "terms": lambda fit: fit.predict(type="terms"),
    "new rows": lambda fit: fit.predict(D, se_fit=True, interval="confidence"),
    "fitted": lambda fit: fit.fitted,
    **{
        f"residuals {type}": lambda fit, type=type: fit.residuals(type)
        for type in ("deviance", "pearson", "working", "response", "partial")
    },
    "standardized": lambda fit: fit.residuals(standardized=True),
    "studentized": lambda fit: fit.residuals(studentized=True),
    "influence": lambda fit: fit.influence(),
    "influence of clusters": lambda fit: fit.influence(by="firm"),
    "deletion": lambda fit: fit.influence().deletion("exact", of=[0, 900]),
    "one-step deletion": lambda fit: fit.influence().deletion("one-step", of=[0, 900]),
    "deletion of clusters": lambda fit: fit.influence(by="firm").deletion("exact", of=[0, 5]),
    "Wald": lambda fit: fit.test("x = 0"),
    "likelihood ratio": lambda fit: fit.test("x = 0", method="lr"),
    "score": lambda fit: fit.test("x = 0", method="score"),
    "score by clusters": lambda fit: fit.test("x = 0", method="score", vcov="CR0 ~ firm"),
    "anova": lambda fit: fit.anova(),
    "anova of two": lambda fit: glmstat.anova(fit, fit.update(". ~ . + year")),
    "drop1": lambda fit: fit.drop1(),
    "add1": lambda fit: fit.add1(". + year", test="LRT"),
    "add1 Rao": lambda fit: fit.add1(". + year", test="Rao"),
    "step": lambda fit: fit.refit(subset="(z < 9) & (f != 'none')").step().fit.coef,
    "profile": lambda fit: fit.confint(of="x", method="profile"),
    "score interval": lambda fit: fit.confint(of="x", method="score"),
    "criteria": lambda fit: fit.information_criteria(),
    "goodness of fit": lambda fit: fit.goodness_of_fit(),
    "overdispersion": lambda fit: fit.overdispersion(),
    "certificate": lambda fit: fit.verify().second_coef,
    "pooled": lambda fit: glmstat.pool([fit, fit]).test("f", method="D3"),
    "misfit": lambda fit: fit.score_test_nn("x", "year", method="all"),
    "misfit by clusters": lambda fit: fit.score_test_nn("x", vcov="CR0 ~ firm"),
    "bootstrap of clusters": lambda fit: fit.bootstrap(
        21, resample="cluster", cluster="firm", seed=1, workers=1
    ).confint("studentized", level=0.5),
    "wild scores of clusters": lambda fit: fit.bootstrap(
        21, resample="wild", cluster="firm", seed=1, workers=1
    ).confint("percentile", level=0.5),
    "with_data": lambda fit: fit.with_data(D).coef,
}
GAUSSIAN: dict[str, Callable[[Any], Any]] = {
    "check": lambda fit: fit.check(),
    "wild": lambda fit: fit.bootstrap(21, resample="wild", cluster="firm", seed=1, workers=1).confint(
        "studentized", level=0.5
    ),
    "CR2": lambda fit: fit.vcov("CR2 ~ firm"),
    "RESET": lambda fit: fit.score_test_nn("x", method="reset"),
    "F": lambda fit: fit.anova(test="F"),
}


@pytest.mark.parametrize("kind", COVARIANCES)
def test_covariances(kind: str, poisson: tuple[Any, Any, Any]) -> None:
    small, large, streamed = (fit.vcov(kind) for fit in poisson)
    _same(small, large)
    _same(small, streamed)


@pytest.mark.parametrize("name", CHOICES)
def test_covariances_of_choices(name: str, poisson: tuple[Any, Any, Any]) -> None:
    small, large, streamed = (fit.vcov(CHOICES[name]) for fit in poisson)
    _same(small, large)
    _same(small, streamed)


@pytest.mark.parametrize("name", VERBS)
def test_verbs(name: str, poisson: tuple[Any, Any, Any]) -> None:
    small, large, streamed = (VERBS[name](fit) for fit in poisson)
    _same(small, large)
    _same(small, streamed)


@pytest.mark.parametrize("name", GAUSSIAN)
def test_verbs_of_gaussian_fits(name: str, gaussian: tuple[Any, Any, Any]) -> None:
    small, large, streamed = (GAUSSIAN[name](fit) for fit in gaussian)
    _same(small, large)
    _same(small, streamed)


def test_several_sources_may_be_compared(poisson: tuple[Any, Any, Any], path: Path) -> None:
    held, streamed = poisson[0], poisson[2].update(". ~ . + year")
    _same(glmstat.anova(held, poisson[0].update(". ~ . + year")), glmstat.anova(held, streamed))
    other = glm("y ~ x", path, "poisson", weights="w", control=STREAM)
    with pytest.raises(glmstat.ComparisonError, match=r"rows: 3000 and 2333 \(rows 11, 93, .*first"):
        glmstat.anova(other, poisson[2])


@pytest.mark.parametrize(
    ("verb", "match"),
    [
        (lambda fit: fit.vcov("HAC"), r"HAC needs .* order of time.* block by block.*DK ~ period"),
        (lambda fit: fit.vcov("NW ~ year"), r"NW needs .* block by block"),
        (lambda fit: fit.vcov("jackknife"), r"jackknife fits once without each row.*HC3"),
        (lambda fit: fit.bootstrap(9, resample="residual"), r"residuals of all rows.*resample=\"case\""),
    ],
)
def test_what_needs_rows_says_so(
    verb: Callable[[Any], Any], match: str, gaussian: tuple[Any, Any, Any]
) -> None:
    with pytest.raises(ArgumentError, match=match):
        verb(gaussian[2])


def test_codes_of_all_rows_are_refused(poisson: tuple[Any, Any, Any]) -> None:
    from glmstat.inference.variable import grouping

    with pytest.raises(DataError, match="read block by block"):
        _ = grouping(poisson[2], "firm").codes


def test_missing_clusters_are_named(path: Path) -> None:
    fits = [glm("y ~ x", data, "poisson", control=STREAM) for data in (D, path)]
    said = []
    for fit in fits:
        with pytest.raises(DataError, match="'f' is missing in rows") as refused:
            fit.vcov("CR1 ~ f")
        said.append(str(refused.value))
    assert said[0] == said[1]


# ---------------------------------------------------------------- draws


@pytest.mark.parametrize(
    ("resample", "kind"), [("case", "HC0"), ("wild", "HC0"), ("parametric", "classical")]
)
def test_draws_of_blocks_have_the_spread_that_theory_says(
    resample: str, kind: str, gaussian: tuple[Any, Any, Any]
) -> None:
    # the standard deviation of 100 resamples has a standard error of 1 / sqrt(200) = 0.07 of itself
    fit = gaussian[2]
    drawn = fit.bootstrap(100, resample=resample, seed=1, workers=1)
    ratio = drawn.estimates.std(axis=0) / fit.stderror(kind).to_numpy()
    assert np.abs(ratio - 1.0).max() < 4.5 * 0.07
    again = fit.bootstrap(3, resample=resample, seed=1, workers=1)
    np.testing.assert_array_equal(again.estimates, drawn.estimates[:3])


def _drawn(block: Any) -> float:
    return float(block.frequency.sum())


def test_cases_of_blocks_are_drawn_as_often_as_there_are_rows(poisson: tuple[Any, Any, Any]) -> None:
    from glmstat.inference.bootstrap.blockwise import BlockCases, block_sizes

    frame = poisson[2].frame
    drawn = BlockCases(block_sizes(frame)).frame(frame, np.random.default_rng(2))
    assert drawn.reduce(_drawn) == poisson[2].nobs


@pytest.mark.parametrize("resample", ["case", "parametric", "wild"])
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_the_same_rows_are_drawn_wherever_the_data_are(tmp_path: Path, family: str, resample: str) -> None:
    # two blocks, and rows that are counted several times: the same seed, the same rows
    rng, rows = np.random.default_rng(5), 66_000
    data = pd.DataFrame({"x": rng.normal(size=rows), "n": rng.integers(0, 4, rows)})
    data["y"] = rng.poisson(np.exp(0.3 + 0.1 * data.x))
    data.to_parquet(tmp_path / "d.parquet", row_group_size=7_000)
    words = {"freq_weights": "n"} if resample == "case" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", glmstat.GlmstatWarning)
        held, passed, read = (
            glm("y ~ x", source, family, control=Control(memory=memory), **words)
            for source, memory in ((data, 1e9), (data, 0), (tmp_path / "d.parquet", 0))
        )
    assert held.frame is not None and passed.frame is not None and held.frame.small and passed.frame.large
    drawn = [fit.bootstrap(3, resample=resample, seed=4, workers=1).estimates for fit in (held, passed, read)]
    assert np.ptp(drawn[0], axis=0).min() > 0.0
    np.testing.assert_allclose(drawn[1], drawn[0], rtol=1e-6)
    np.testing.assert_allclose(drawn[2], drawn[0], rtol=1e-6)


def test_draws_of_rows_beside_rows_that_are_left_out(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(6), 66_000
    data = pd.DataFrame({"x": rng.normal(size=rows), "y": rng.normal(size=rows)})
    data.loc[rng.integers(0, rows, 900), "x"] = np.nan
    data.to_parquet(tmp_path / "d.parquet", row_group_size=7_000)
    passed, read = (glm("y ~ x", source, control=STREAM) for source in (data, tmp_path / "d.parquet"))
    drawn = [fit.bootstrap(3, seed=4, workers=1) for fit in (passed, read)]
    np.testing.assert_allclose(drawn[1].estimates, drawn[0].estimates, rtol=1e-9)
    assert "the draws of a seed depend on whether data are copied" in str(drawn[0])
    clusters = passed.bootstrap(3, resample="cluster", cluster=data.index.to_numpy() % 90, seed=4)
    assert "depend on" not in str(clusters)


# ---------------------------------------------------------------- new rows


def test_new_rows_of_a_file(poisson: tuple[Any, Any, Any], path: Path) -> None:
    _same(poisson[0].predict(D, type="terms"), poisson[0].predict(path, type="terms"))
    _same(poisson[0].predict(D), poisson[0].predict(path))


def test_new_rows_are_refused_as_in_memory(poisson: tuple[Any, Any, Any], tmp_path: Path) -> None:
    new = D.assign(f=D.f.where(D.index != 2500, "q"), t=D.t.where(D.index != 1700, 0.0))
    file, out = tmp_path / "new.parquet", tmp_path / "out.parquet"
    for data, match in ((new.assign(t=1.0), "has level 'q'"), (new.assign(f="a"), "row 1700")):
        data.to_parquet(file, row_group_size=GROUP)
        with pytest.raises(glmstat.GlmstatError, match=match) as held:
            poisson[0].predict(data)
        with pytest.raises(type(held.value)) as streamed:
            poisson[0].predict(file, to=out)
        assert str(streamed.value) == str(held.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["new.parquet"]
    kept = new.assign(t=1.0)
    kept.to_parquet(file, row_group_size=GROUP)
    for policy in ("na", "reference"):
        _same(
            poisson[0].predict(kept, new_levels=policy, se_fit=True),
            poisson[0].predict(file, new_levels=policy, se_fit=True),
        )


def test_new_rows_may_be_none(poisson: tuple[Any, Any, Any], tmp_path: Path) -> None:
    file = tmp_path / "none.parquet"
    D.iloc[:0].assign(f=D.f.iloc[:0].astype(str)).to_parquet(file)
    assert len(poisson[0].predict(file)) == 0
    written = poisson[0].predict(file, to=tmp_path / "out.parquet")
    assert written.rows == 0 and written.columns == ("row", "response")


# ---------------------------------------------------------------- files


def _read(written: Written) -> pd.DataFrame:
    return pd.read_parquet(written)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_predictions_are_written(
    which: int, poisson: tuple[Any, Any, Any], path: Path, tmp_path: Path
) -> None:
    fit, file = poisson[which], tmp_path / "out.parquet"
    words = {"se_fit": True, "interval": "confidence"}
    whole = fit.predict(**words)
    written = fit.predict(to=file, **words)
    found = _read(written)
    assert list(found.columns) == ["row", "estimate", "std_error", "conf_low", "conf_high"]
    assert str(written) == f"{file}: {len(whole):,} rows of row, estimate, std_error, conf_low, conf_high"
    np.testing.assert_array_equal(found.row, whole.index)
    np.testing.assert_array_equal(found.drop(columns="row"), whole)
    found = _read(fit.predict(path, to=file, overwrite=True, type="link"))
    np.testing.assert_array_equal(found["link"], fit.predict(path, type="link"))
    np.testing.assert_array_equal(found.row, np.arange(ROWS))
    assert found["link"].isna().sum() == ROWS - fit.nobs


def test_rows_that_were_excluded_are_written_as_nan(path: Path, tmp_path: Path) -> None:
    words: dict[str, Any] = {"na_action": "exclude", "subset": "x > -1"}
    fits = [
        glm(FORMULA, D, "poisson", **words),
        *(glm(FORMULA, data, "poisson", control=STREAM, **words) for data in (D, path)),
    ]
    tables = [_read(fit.residuals(to=tmp_path / f"{place}.parquet")) for place, fit in enumerate(fits)]
    asked = np.flatnonzero(D.x > -1)
    for fit, table in zip(fits, tables, strict=True):
        np.testing.assert_array_equal(table.row, asked)
        np.testing.assert_allclose(table.deviance, tables[0].deviance, atol=1e-10)
        np.testing.assert_array_equal(table.deviance, fit.residuals())
        np.testing.assert_array_equal(fit.residuals().index, asked)
        assert table.deviance.isna().sum() == len(asked) - fit.nobs


def test_residuals_and_influence_are_written(poisson: tuple[Any, Any, Any], tmp_path: Path) -> None:
    streamed = poisson[2]
    for type in ("pearson", "partial"):
        found = _read(streamed.residuals(type, to=tmp_path / f"{type}.parquet"))
        np.testing.assert_array_equal(
            found.drop(columns="row").to_numpy(), _numbers(streamed.residuals(type))
        )
    table = streamed.influence().to_frame()
    found = _read(streamed.influence(to=tmp_path / "influence.parquet"))
    pd.testing.assert_frame_equal(found.drop(columns="row"), table.reset_index(drop=True))
    with pytest.raises(ArgumentError, match="by= groups"):
        streamed.influence(by="firm", to=tmp_path / "by.parquet")


def test_files_are_not_overwritten(poisson: tuple[Any, Any, Any], path: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.parquet"
    file.write_text("kept")
    with pytest.raises(FileError, match=r"File exists: .*overwrite=True"):
        poisson[2].predict(to=file)
    with pytest.raises(FileError, match="file that is read"):
        poisson[2].predict(path, to=path, overwrite=True)
    with pytest.raises(FileError, match=r"No such folder: .*Make it first"):
        poisson[2].predict(to=tmp_path / "none" / "out.parquet")
    with pytest.raises(FileError, match=r"A folder, not a file: .*Give the path of a file"):
        poisson[2].predict(to=tmp_path)
    with pytest.raises(FileError, match="to must name a file"):
        poisson[2].predict(to=3)
    assert file.read_text() == "kept" and len(list(tmp_path.iterdir())) == 1
    assert poisson[2].predict(to=file, overwrite=True).rows == poisson[2].nobs


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_file_leaves_nothing(
    error: Any, poisson: tuple[Any, Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, whole = [], pq.ParquetWriter.write_table
    monkeypatch.setattr("glmstat.data.parquet_writer._GROUP", 600)

    def fail(self: Any, table: Any) -> None:
        if written:
            raise error
        written.append(table.num_rows)
        whole(self, table)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        poisson[2].predict(to=tmp_path / "out.parquet")
    assert written and not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_rows(poisson: tuple[Any, Any, Any], tmp_path: Path) -> None:
    import tracemalloc

    def peak(copies: int) -> int:
        file = tmp_path / f"{copies}.parquet"
        pd.concat([D] * copies).to_parquet(file, row_group_size=GROUP)
        tracemalloc.start()
        poisson[0].predict(file, to=tmp_path / f"out{copies}.parquet", se_fit=True)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(50), peak(150)  # from 65,536 rows on a block is full
    assert many < 1.2 * few


# ---------------------------------------------------------------- kernels


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every kernel works on copies of itself, as it would in other processes; the sizes of what is sent."""
    cloudpickle = pytest.importorskip("cloudpickle")
    plain, sent = ModelFrame.reduce, []

    def reduce(self: ModelFrame, kernel: Any) -> Any:
        words = cloudpickle.dumps(kernel)
        sent.append(len(words))
        return plain(self, cloudpickle.loads(words))

    monkeypatch.setattr(ModelFrame, "reduce", reduce)
    return sent


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        *((kind, lambda fit, kind=kind: fit.vcov(kind)) for kind in COVARIANCES),
        *((name, lambda fit, name=name: fit.vcov(CHOICES[name])) for name in CHOICES),
        *VERBS.items(),
    ],
)
def test_kernels_run_elsewhere(
    name: str, verb: Callable[[Any], Any], path: Path, poisson: tuple[Any, Any, Any], elsewhere: list[int]
) -> None:
    with warnings.catch_warnings():
        fresh = glm(FORMULA, path, "poisson", weights="w", control=STREAM)
    _same(verb(poisson[0]), verb(fresh))
    assert elsewhere


@pytest.mark.parametrize("name", GAUSSIAN)
def test_kernels_of_gaussian_fits_run_elsewhere(
    name: str, path: Path, gaussian: tuple[Any, Any, Any], elsewhere: list[int]
) -> None:
    _same(GAUSSIAN[name](gaussian[0]), GAUSSIAN[name](glm("g ~ x + z + f", path, control=STREAM)))
    assert elsewhere
