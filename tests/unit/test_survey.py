"""Sampling designs against R's survey, their words and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import Covariance, Fit, glm
from glmstat.errors import ArgumentError, ColumnError, DataError
from glmstat.inference.covariance import covariance_root, facts, label
from glmstat.inference.reference import reference
from glmstat.inference.vcov.recipe import Facts
from glmstat.inference.vcov.survey import SURVEY
from tests.unit.test_cluster import same

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "survey.json").read_text("utf-8"))
P = pd.DataFrame(R["data"])

DESIGNS: dict[str, dict[str, Any]] = {
    "weights": {},
    "units": {"cluster": "unit"},
    "strata": {"strata": "stratum"},
    "strata_units": {"cluster": "unit", "strata": "stratum"},
    "numbered": {"cluster": ("stratum", "number"), "strata": "stratum"},
    "population": {"cluster": "unit", "strata": "stratum", "fpc": "size"},
    "share": {"cluster": "unit", "strata": "stratum", "fpc": "share"},
    "rows_population": {"strata": "stratum", "fpc": "rows_in_population"},
    "equal": {"cluster": "unit", "strata": "stratum"},
}
MODELS: dict[str, tuple[str, str, str | None]] = {
    "poisson": ("y ~ x + f + offset(log(t))", "poisson", None),
    "binomial": ("b ~ x + f", "binomial", None),
    "gaussian": ("g ~ x * f", "gaussian", None),
    "gamma": ("g ~ x", "gamma", "log"),
    "probit": ("b ~ x", "binomial", "probit"),
}


def model(name: str, data: pd.DataFrame = P, **more: Any) -> Fit:
    formula, family, link = MODELS[name]
    return glm(formula, data, family, link=link, **more)


def vcov(fit: Fit, **design: Any) -> np.ndarray:
    root = covariance_root(fit, Covariance("survey", **design))
    return root @ root.T


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("design", DESIGNS)
def test_the_covariance_is_that_of_svyglm(design: str, name: str) -> None:
    fit = model(name, sampling_weights=None if design == "equal" else "weight")
    expected = R["vcov"][design][name]
    np.testing.assert_allclose(fit.coef, expected["coef"], rtol=1e-8)
    same(vcov(fit, **DESIGNS[design]), expected["vcov"], 1e-8)
    assert facts(fit, Covariance("survey", **DESIGNS[design])).df == expected["df"]


def test_a_unit_sampled_with_certainty_adds_nothing() -> None:
    data = P[(P["stratum"] != "west") | (P["number"] == 1)]
    data = data.assign(size=np.where(data["stratum"] == "west", 1, data["size"]))
    fit = model("poisson", data, sampling_weights="weight")
    got = vcov(fit, cluster="unit", strata="stratum", fpc="size")
    same(got, R["certain"]["vcov"], 1e-8)


def test_the_scale_of_the_weights_does_not_matter() -> None:
    fit, scaled = model("gamma", sampling_weights="weight"), model("gamma", sampling_weights="weight / 37")
    same(vcov(scaled, cluster="unit"), vcov(fit, cluster="unit"), 1e-12)


def test_rows_without_strata_are_the_sandwich_with_n_less_one() -> None:
    fit = model("poisson", sampling_weights="weight")
    root = covariance_root(fit, Covariance("HC0"))
    count = len(P)
    same(vcov(fit), root @ root.T * count / (count - 1), 1e-12)


@pytest.mark.parametrize(
    "design", [{}, {"strata": "stratum"}, DESIGNS["population"], DESIGNS["strata_units"]]
)
def test_frequency_weights_are_rows_repeated(design: dict[str, Any]) -> None:
    often = np.arange(len(P)) % 3 + 1
    counted = model("gamma", P.assign(often=often), sampling_weights="weight", freq_weights="often")
    repeated = model("gamma", P.loc[np.repeat(P.index, often)], sampling_weights="weight")
    same(vcov(counted, **design), vcov(repeated, **design), 1e-9)
    choice = Covariance("survey", **design)
    np.testing.assert_array_equal(facts(counted, choice).to_array(), facts(repeated, choice).to_array())


def test_rows_of_weight_zero_are_not_sampled() -> None:
    data = P.assign(v=np.where(P["unit"].isin(["n1", "s2"]), 0.0, P["weight"]))
    weighted = model("poisson", data, sampling_weights="v")
    fewer = model("poisson", data[data["v"] > 0], sampling_weights="v")
    designs: list[dict[str, Any]] = [{}, {"strata": "stratum"}, DESIGNS["strata_units"]]
    for design in designs:
        same(vcov(weighted, **design), vcov(fewer, **design), 1e-10)
        choice = Covariance("survey", **design)
        assert facts(weighted, choice).groups == facts(fewer, choice).groups


def test_missing_values_drop_rows_of_the_design_too() -> None:
    data = P.assign(x=P["x"].mask(P.index.isin([3, 40, 77])), unit=P["unit"].mask(P.index == 5))
    choice = Covariance("survey", **DESIGNS["population"])
    fit = model("poisson", data, sampling_weights="weight", vcov=choice)
    dropped = model("poisson", data.dropna(), sampling_weights="weight", vcov=choice)
    same(fit.vcov().to_numpy(), dropped.vcov().to_numpy(), 1e-12)


def test_words_and_distribution() -> None:
    fit = model("poisson", sampling_weights="weight")
    assert label(fit.with_vcov("survey")) == f"survey (linearisation, {len(P)} sampling units in 1 stratum)"
    robust = fit.with_vcov(Covariance("survey", **DESIGNS["population"]))
    assert label(robust) == "survey (linearisation, 18 sampling units of unit in 4 strata, finite population)"
    assert reference(robust).text == "t(14)"


def test_refusals() -> None:
    fit = model("poisson", sampling_weights="weight")

    def refused(match: str, data: pd.DataFrame | None = None, **design: Any) -> None:
        one = fit if data is None else model("poisson", data, sampling_weights="weight")
        with pytest.raises(DataError, match=match):
            vcov(one, **design)

    west = P[(P["stratum"] != "west") | (P["number"] == 1)]
    refused("1 stratum has one: west", west, cluster="unit", strata="stratum")
    refused("18 strata have one: e1, e2", cluster="unit", strata="unit")
    refused("'number' 1 is in 'stratum' east and west", cluster="number", strata="stratum")
    refused("'weight' varies in 'stratum' east", cluster="unit", strata="stratum", fpc="weight")
    refused("varies in all rows", cluster="unit", fpc="size")
    refused("'size - 12' is 0 in 'stratum' east", cluster="unit", strata="stratum", fpc="size - 12")
    refused("is 1.5 in 'stratum' east, which has 3 units", cluster="unit", strata="stratum", fpc="size / 8")
    with pytest.raises(ColumnError, match="strata"):
        vcov(fit, cluster="unit", strata="strata")
    with pytest.raises(ArgumentError, match="survey has no use for order"):
        fit.vcov(Covariance("survey", order="x"))
    with pytest.raises(ArgumentError, match="no small-sample factor"):
        fit.vcov(Covariance("survey", "unit", "stata"))


def test_a_census_is_named() -> None:
    fit = model("poisson", P.assign(all=1.0), sampling_weights="weight")
    census = fit.with_vcov(Covariance("survey", strata="stratum", fpc="all"))
    assert (census.stderror() == 0).all()
    assert label(census).endswith("finite population, census: no sampling error)")
    part = fit.with_vcov(Covariance("survey", cluster="unit", strata="stratum", fpc="share"))
    assert "census" not in label(part)


@pytest.mark.parametrize("preset", ["sandwich", "stata", "statsmodels", "fixest"])
def test_there_is_no_factor(preset: str) -> None:
    with pytest.raises(ArgumentError, match="survey has no small-sample factor"):
        model("poisson").vcov(Covariance("survey", small_sample=preset))


def test_words_without_facts() -> None:
    assert SURVEY["survey"].words(Covariance("survey", cluster="unit"), Facts()) == (
        "linearisation, sampling units of unit"
    )
