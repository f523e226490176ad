"""Laws of bias-reduced fits: other codings, counted rows, rows in blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmstat import Control, Fit, glm

LAWS = settings(max_examples=6, deadline=None, derandomize=True, database=None)
MODELS = [("binomial", "logit"), ("binomial", "probit"), ("poisson", "log"), ("gamma", "log")]
METHODS = ("firth", "median_br", "jeffreys")
SEEDS = st.integers(0, 10_000)


def draw(seed: int, family: str, n: int = 40) -> pd.DataFrame:
    """A small table with a factor and counts of rows."""
    rng = np.random.default_rng(seed)
    x, f = rng.normal(size=n), rng.permutation(np.resize(list("abc"), n))
    eta = 0.3 + 0.6 * x - 0.5 * (f == "b")
    y = {
        "binomial": lambda: (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(eta)).astype(float),
        "gamma": lambda: rng.gamma(3.0, np.exp(eta) / 3.0),
    }[family]()
    return pd.DataFrame({"x": x, "f": f, "y": y, "k": rng.permutation(np.resize([1.0, 2.0, 3.0], n))})


def of(
    data: pd.DataFrame, model: tuple[str, str], method: str, formula: str = "y ~ x + f", **more: str
) -> Fit:
    family, link = model
    return glm(formula, data, family, link=link, method=method, **more)


@pytest.mark.parametrize("model", MODELS)
@LAWS
@given(seed=SEEDS)
def test_mean_bias_reduction_is_the_same_fit_in_any_coding(model: tuple[str, str], seed: int) -> None:
    data = draw(seed, model[0])
    for method in ("firth", "jeffreys"):
        one = of(data, model, method)
        other = of(data, model, method, "y ~ I(2 - 3*x) + C(f, sum)")
        np.testing.assert_allclose(one.fitted, other.fitted, rtol=1e-7)
        assert one.dispersion == pytest.approx(other.dispersion, rel=1e-8)


@pytest.mark.parametrize("model", MODELS)
@LAWS
@given(seed=SEEDS)
def test_median_bias_reduction_follows_the_unit_of_a_column(model: tuple[str, str], seed: int) -> None:
    data = draw(seed, model[0])
    one, other = of(data, model, "median_br"), of(data, model, "median_br", "y ~ I(-8*x) + f")
    scale = np.array([1.0, 1.0, 1.0, 1.0])
    scale[one.columns.index("x")] = -8.0
    np.testing.assert_allclose(one.coef.to_numpy(), other.coef.to_numpy() * scale, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
@LAWS
@given(seed=SEEDS)
def test_a_row_that_counts_k_times_is_k_rows(model: tuple[str, str], seed: int) -> None:
    data = draw(seed, model[0])
    repeated = data.loc[data.index.repeat(data.k.astype(int))]
    for method in METHODS:
        one, other = of(data, model, method, freq_weights="k"), of(repeated, model, method)
        np.testing.assert_allclose(one.coef, other.coef, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(one.stderror(), other.stderror(), rtol=1e-7)
        assert one.dispersion == pytest.approx(other.dispersion, rel=1e-8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", MODELS)
def test_rows_in_blocks_are_the_rows_in_memory(tmp_path: Path, model: tuple[str, str], method: str) -> None:
    pytest.importorskip("pyarrow.parquet")
    data = draw(7, model[0], 700)
    data.to_parquet(tmp_path / "rows.parquet", row_group_size=90)
    whole = of(data, model, method)
    family, link = model
    stream = glm(
        "y ~ x + f",
        str(tmp_path / "rows.parquet"),
        family,
        link=link,
        method=method,
        control=Control(memory=0),
    )
    ours, theirs = np.asarray(whole.estimate.coef), np.asarray(stream.estimate.coef)
    np.testing.assert_allclose(ours, theirs, rtol=1e-8)
    assert whole.dispersion == pytest.approx(stream.dispersion, rel=1e-9)
    if whole.spec.estimator.ratio:
        tests = [fit.test("x = 0.5", method="lr").tests[0].statistic for fit in (whole, stream)]
        assert tests[0] == pytest.approx(tests[1], rel=1e-6)
