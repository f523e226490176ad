"""Information criteria: R's AIC and BIC, closed forms of the others, and where none is defined."""

from __future__ import annotations

from math import isnan, log, nan

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import ArgumentError, ComparisonError
from glmstat.inference.criteria import information_criteria
from tests.unit.test_features_numbers import D


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-6)


# R: AIC, BIC of glm; BIC(fit) counts what logLik's df counts
R = {
    "gaussian": (116.612320, 121.678959),
    "gamma": (98.455018, 103.521656),
    "poisson": (141.3167997, 144.6945586),
}


@pytest.mark.parametrize("family", R)
def test_aic_and_bic_are_those_of_r(family: str) -> None:
    words = {"link": "log"} if family == "gamma" else {}
    fit = glm("y ~ x" if family == "poisson" else "g ~ x", D, family, **words)
    found = information_criteria(fit)
    assert (found.aic, found.bic) == (near(R[family][0]), near(R[family][1]))
    assert (found.aic, found.bic) == (fit.aic, fit.bic)
    k = 2 if family == "poisson" else 3
    assert found.parameters == k
    assert found.aicc == near(R[family][0] + 2 * k * (k + 1) / (40 - k - 1))


def test_qaic_divides_by_pearson_and_counts_it() -> None:
    fit = glm("y ~ x", D, "poisson")
    found = information_criteria(fit)
    assert found.c == near(fit.pearson / 38)
    assert found.qaic == near(-2 * fit.loglik / found.c + 2 * 3)
    assert information_criteria(fit, 2.5).qaic == near(-2 * fit.loglik / 2.5 + 6)
    assert information_criteria(fit, 1).qaic == near(fit.aic + 2)
    assert list(found["parameters"]) == [2, 2, 2, 3]
    assert "c 1.466 (Pearson / df)" in str(found)


@pytest.mark.parametrize(("dispersion", "c"), [("pearson", 55.71 / 38), (1.5, 1.5)])
def test_a_dispersion_of_the_fit_leaves_qaic_alone(dispersion: object, c: float) -> None:
    plain = glm("y ~ x", D, "poisson")
    found = information_criteria(glm("y ~ x", D, "poisson", dispersion=dispersion))
    assert all(map(isnan, (found.aic, found.aicc, found.bic)))
    assert found.c == pytest.approx(c, rel=1e-3)
    assert found.qaic == near(-2 * plain.loglik / found.c + 6)
    assert "QAIC stands in their place" in str(found)


def test_quasi_families_say_where_qaic_is() -> None:
    found = information_criteria(glm("y ~ x", D, "quasipoisson"))
    assert all(map(isnan, found["criterion"]))
    assert 'fit family="poisson"' in str(found).replace("\n  ", " ")
    assert "has no likelihood" in str(found)
    assert 'fit family="' not in str(information_criteria(glm("g ~ x", D, "quasi")))


def test_families_with_a_dispersion_have_no_qaic() -> None:
    found = information_criteria(glm("g ~ x", D, "gamma", link="log"))
    assert isnan(found.qaic)
    assert "a parameter of the gamma likelihood" in str(found)


def test_aicc_needs_rows() -> None:
    found = information_criteria(glm("g ~ x + t", D[:5]))
    assert isnan(found.aicc)
    assert np.isfinite(found.aic)
    assert "AICc: not defined for n - k - 1 = 0" in str(found)


def test_saturated_models_have_no_qaic() -> None:
    fit = glm("y ~ x", {"y": [1, 3], "x": [0, 1]}, "poisson")
    assert isnan(information_criteria(fit).qaic)
    assert np.isfinite(information_criteria(fit, 2.0).qaic)


def test_single_zeros_and_ones_say_nothing_about_c() -> None:
    fit = glm("b ~ x", D.assign(b=(D.y > 1).astype(int)), "binomial")
    assert "c of single 0s and 1s says nothing" in str(information_criteria(fit))
    assert "says nothing" not in str(information_criteria(fit, 1.2))


def test_underdispersion_is_noted() -> None:
    assert "c is below 1" in str(information_criteria(glm("y ~ x", D, "poisson"), 0.8))


def test_frequencies_are_repeated_rows() -> None:
    data = D.assign(times=[1, 3, 2, 1, 4] * 8)
    for family, response in {"poisson": "y", "gaussian": "g"}.items():
        counted = glm(f"{response} ~ x", data, family, freq_weights="times")
        repeated = glm(f"{response} ~ x", data.loc[data.index.repeat(data.times)], family)
        found = [information_criteria(fit)["criterion"] for fit in (counted, repeated)]
        np.testing.assert_allclose(*found, rtol=1e-9)


def test_sampling_weights_are_refused() -> None:
    with pytest.raises(ComparisonError, match="not defined with sampling weights"):
        information_criteria(glm("y ~ x", D, "poisson", sampling_weights="w"))


@pytest.mark.parametrize("dispersion", [0, -1.0, "pearson", nan, float("inf"), True, np.True_])
def test_bad_dispersions_are_refused(dispersion: object) -> None:
    with pytest.raises(ArgumentError, match="dispersion must be a number > 0"):
        information_criteria(glm("y ~ x", D, "poisson"), dispersion)  # pyright: ignore[reportArgumentType]


def test_definitions_are_printed_and_in_the_frame() -> None:
    found = information_criteria(glm("y ~ x", D, "poisson"))
    table = found.to_frame()
    assert isinstance(table, pd.DataFrame)
    assert table.loc["BIC", "definition"] == "-2 loglik + k log n"
    assert "AIC + 2k(k+1) / (n-k-1)" in str(found)
    assert table.loc["BIC", "criterion"] == near(2 * log(40) - 2 * found.loglik)


def test_polars_tables_keep_the_names() -> None:
    polars = pytest.importorskip("polars")
    found = information_criteria(glm("y ~ x", polars.from_pandas(D), "poisson")).to_frame()
    assert found.columns == ["name", "criterion", "parameters", "definition"]
    assert found["name"].to_list() == ["AIC", "AICc", "BIC", "QAIC"]
