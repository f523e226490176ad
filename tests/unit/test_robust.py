"""Sandwich covariances of single rows against R's sandwich, their factors, laws and refusals."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import ArgumentError, PerfectFitWarning, SeparationWarning
from glmstat.fit import Covariance, Fit
from glmstat.inference.covariance import label
from tests.unit.sample import frame

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "robust.json").read_text("utf-8"))
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
D["few"], D["times"] = [1, 0, 2, 3] * 10, [1, 3, 2, 1, 4] * 8
CASES: dict[str, tuple[Any, ...]] = {
    "poisson": ("y ~ x + f", D, "poisson", {}),
    "gamma_weighted": ("g ~ x + f", D, "gamma", {"link": "log", "weights": "w"}),
    "gaussian": ("g ~ x + f", D, "gaussian", {}),
    "poisson_offset": ("y ~ x + offset(log(t))", D, "poisson", {}),
    "trials": ("cbind(numdead, n - numdead) ~ sex + ldose", "budworm", "binomial", {}),
    "quasi": ("y ~ x + f", D, "quasipoisson", {}),
    "zero_weights": ("g ~ x + f", D, "gamma", {"link": "log", "weights": "few"}),
    "repeated": ("y ~ x + f", D, "poisson", {"freq_weights": "times"}),
    "repeated_gamma": ("g ~ x", D, "gamma", {"link": "log", "freq_weights": "times"}),
}
KINDS = ("HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5")
HATTED = KINDS[2:]


@cache
def fit_of(name: str) -> Fit:
    """The case's fit."""
    formula, data, family, words = CASES[name]
    if isinstance(data, str):
        data = pd.read_csv(HERE.parent / "reference" / "data" / f"{data}.csv")
    return glm(formula, data, family, **words)


def close(fit: Fit, vcov: Any, triangle: list[float], digits: int = 10) -> None:
    """Compare with the lower triangle by columns, in the covariance's own units."""
    found = fit.vcov(vcov).to_numpy()
    expected = np.zeros_like(found)
    expected.T[np.triu_indices(len(found))] = triangle
    expected = np.tril(expected) + np.tril(expected, -1).T
    unit = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs((found - expected) / unit).max() < 10.0**-digits


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_covariances_are_those_of_sandwich(name: str, kind: str) -> None:
    close(fit_of(name), kind, R[name]["vcov"][kind])


@pytest.mark.parametrize("name", CASES)
def test_outer_products_are_r_scores(name: str) -> None:
    close(fit_of(name), "opg", R[name]["opg"])


@pytest.mark.parametrize("name", ["poisson", "trials"])
def test_outer_products_are_vcov_opg_where_the_dispersion_is_1(name: str) -> None:
    close(fit_of(name), "opg", R[name]["vcovOPG"])


# features.md's figures on the same table: R at its default tolerance
PRINTED = {
    "classical": (0.168212, 0.161665, 0.252372),
    "HC0": (0.195000, 0.173096, 0.261203),
    "HC1": (0.202751, 0.179976, 0.271586),
    "HC2": (0.203003, 0.183597, 0.274040),
    "HC3": (0.211496, 0.195289, 0.288228),
    "HC4": (0.205674, 0.197524, 0.288027),
    "HC4m": (0.211550, 0.198925, 0.290333),
    "HC5": (0.199974, 0.183909, 0.272967),
}


@pytest.mark.parametrize("kind", PRINTED)
def test_standard_errors_that_are_often_printed(kind: str) -> None:
    assert fit_of("poisson").stderror(kind).tolist() == pytest.approx(PRINTED[kind], rel=2e-5)


def test_kinds_differ() -> None:
    found = {kind: fit_of("poisson").stderror(kind)["x"] for kind in KINDS}
    assert len({round(value, 6) for value in found.values()}) == len(KINDS)


def test_zero_weights_count_nowhere() -> None:
    fit, used = fit_of("zero_weights"), D[D.few > 0]
    same = glm("g ~ x + f", used, "gamma", link="log", weights="few")
    for kind in (*KINDS, "opg"):
        np.testing.assert_allclose(fit.vcov(kind), same.vcov(kind), rtol=1e-12)


@pytest.mark.parametrize("family", ["gaussian", "gamma", "poisson"])
@pytest.mark.parametrize("kind", [*KINDS, "opg"])
def test_frequencies_are_repeated_rows(family: str, kind: str) -> None:
    response = "y" if family == "poisson" else "g"
    words = {"link": "log"} if family == "gamma" else {}
    counted = glm(f"{response} ~ x + f", D, family, freq_weights="times", **words)
    rows = D.loc[D.index.repeat(D.times)].reset_index(drop=True)
    repeated = glm(f"{response} ~ x + f", rows, family, **words)
    np.testing.assert_allclose(counted.vcov(kind), repeated.vcov(kind), rtol=1e-9)


@pytest.mark.parametrize("kind", HATTED)
def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    whole = fit_of("poisson").stderror(kind)
    monkeypatch.setattr("glmstat.frame.block_rows", lambda columns: 7)
    np.testing.assert_allclose(glm("y ~ x + f", D, "poisson").stderror(kind), whole, rtol=1e-12)


def test_a_balanced_design_has_closed_forms() -> None:
    data = {"y": [1.0, 2.0, 4.0, 2.0, 7.0, 9.0], "f": list("aaabbb")}
    fit = glm("y ~ 0 + f", data)
    residual = fit.residuals("response").to_numpy().reshape(2, 3)
    meat = (residual**2).sum(axis=1) / 9.0  # h = 1/3 everywhere
    share = 1.0 - 1.0 / 3.0
    powers = {"HC0": 0.0, "HC2": 1.0, "HC3": 2.0, "HC4": 1.0, "HC4m": 2.0, "HC5": 0.5}
    for kind, power in powers.items():
        np.testing.assert_allclose(fit.stderror(kind) ** 2, meat / share**power, rtol=1e-12)
    np.testing.assert_allclose(fit.stderror("HC1") ** 2, meat * 6 / 4, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "preset", "factor"),
    [
        ("HC0", "default", 1.0),
        ("HC0", "sandwich", 1.0),
        ("HC0", "stata", 40 / 39),
        ("HC0", "statsmodels", 1.0),
        ("HC1", "default", 40 / 37),
        ("HC1", "sandwich", 40 / 37),
        ("HC1", "stata", 40 / 39),
        ("HC1", "statsmodels", 1.0),
        ("HC1", "fixest", 40 / 37),
    ],
)
def test_factors(kind: str, preset: str, factor: float) -> None:
    fit = fit_of("poisson")
    found = fit.vcov(Covariance(kind, small_sample=preset)).to_numpy()
    np.testing.assert_allclose(found, factor * fit.vcov("HC0").to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", HATTED)
@pytest.mark.parametrize("preset", ["sandwich", "stata", "fixest", "statsmodels"])
def test_kinds_with_hat_values_have_no_factor(kind: str, preset: str) -> None:
    with pytest.raises(ArgumentError, match=f"{kind} has no small-sample factor"):
        fit_of("poisson").vcov(Covariance(kind, small_sample=preset))


def test_presets_without_the_kind_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"'fixest' has no factor for HC0\. Known: default, "):
        fit_of("poisson").vcov(Covariance("HC0", small_sample="fixest"))


def test_scores_of_a_perfect_fit_are_rounding_under_opg_too() -> None:
    with pytest.warns(PerfectFitWarning):
        fit = glm("y ~ x", {"x": [0.0, 1, 2, 3, 4, 5], "y": [1.0, 3, 5, 7, 9, 11]})
    assert np.isnan(fit.stderror("opg")).all()


def test_stata_counts_coefficients_in_least_squares() -> None:
    fit = fit_of("gaussian")
    np.testing.assert_allclose(
        fit.vcov(Covariance("HC1", small_sample="stata")), fit.vcov("HC0") * 40 / 37, rtol=1e-12
    )


def test_labels_say_the_factor() -> None:
    fit = fit_of("poisson")
    texts = {
        "HC0": "HC0 (scores, no small-sample factor)",
        "HC1": "HC1 (scores, factor n/(n-k) = 1.081)",
        "HC3": "HC3 (scores / (1-h), no small-sample factor)",
        "HC4": "HC4 (scores / (1-h)^(d/2), d = min(4, h / mean h)",
        "opg": "opg (inverse of the scores' outer products)",
    }
    for kind, text in texts.items():
        assert text in str(fit.summary(kind))
    assert "Stata's factor = 1.026" in str(fit.summary(Covariance("HC1", small_sample="stata")))


def test_observed_information_is_the_bread_only() -> None:
    fit = glm("y ~ x + f", D, "poisson", link="sqrt")
    outer = fit.vcov(Covariance("HC3", information="observed")).to_numpy()
    bread = fit.vcov(Covariance(information="observed")).to_numpy()
    plain, expected = fit.vcov("HC3").to_numpy(), fit.vcov().to_numpy()
    change = bread @ np.linalg.inv(expected)
    np.testing.assert_allclose(outer, change @ plain @ change.T, rtol=1e-9)


def test_a_hat_value_of_1_is_refused_and_named() -> None:
    data = frame().assign(f=lambda d: np.where(np.arange(len(d)) == 7, "z", d.f))
    fit = glm("y ~ x + f", data, "poisson")
    for kind in HATTED:
        with pytest.raises(
            ArgumentError, match=rf'vcov "{kind}" is not defined: hat value 1 in row 7 \(1 row'
        ):
            fit.stderror(kind)
    assert np.isfinite(fit.stderror("HC1")).all()


def test_rows_that_separation_predicts_drop_out() -> None:
    data = frame().assign(y=lambda d: np.where(d.f == "c", 0, d.y))
    with pytest.warns(SeparationWarning):
        fit = glm("y ~ x + f", data, "poisson")
    finite = glm("y ~ x + f", data[data.f != "c"], "poisson")
    for kind in ("HC0", "HC2", "HC3", "opg"):
        found = fit.stderror(kind)
        assert np.isnan(found["f[T.c]"])
        np.testing.assert_allclose(found[:3].dropna(), finite.stderror(kind), rtol=1e-8)


def test_aliased_columns_change_nothing() -> None:
    one, two = (glm(formula, D.assign(twice=2 * D.x), "poisson") for formula in ("y ~ x", "y ~ x + twice"))
    for kind in (*KINDS, "opg"):
        np.testing.assert_allclose(two.stderror(kind)[:2], one.stderror(kind), rtol=1e-11)
        assert np.isnan(two.stderror(kind)["twice"])


def test_a_sandwich_needs_degrees_of_freedom() -> None:
    fit = glm("y ~ x", {"y": [1, 3], "x": [0, 1]}, "poisson")
    for kind in ("HC0", "HC1", "HC3"):
        assert fit.stderror(kind).isna().all()
        assert label(fit.with_vcov(kind)) == f"{kind} (no standard errors: no residual degrees of freedom)"


def test_outer_products_need_scores() -> None:
    fit = glm("y ~ x", {"y": [1, 3], "x": [0, 1]}, "poisson")
    with pytest.raises(ArgumentError, match=r'vcov "opg" is not defined: the scores .* do not span'):
        fit.stderror("opg")


def test_a_model_without_columns_has_none() -> None:
    fit = glm("y ~ 0", D, "poisson")
    for kind in (*KINDS, "opg"):
        assert fit.vcov(kind).shape == (0, 0)
