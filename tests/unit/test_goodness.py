"""Goodness of fit: R's pchisq, and where no such test holds."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

import glmstat
from glmstat import glm
from glmstat.errors import ComparisonError, SeparationWarning
from glmstat.inference.goodness import goodness_of_fit
from tests.unit.test_features_numbers import D

COUNTS = {"y": [12, 21, 32, 54, 97], "x": [0, 1, 2, 3, 4]}


def test_p_values_are_those_of_r() -> None:
    found = goodness_of_fit(glm("y ~ x", COUNTS, "poisson"))
    assert found["p_value"] == pytest.approx([0.9646791, 0.9646756], abs=1e-7)  # pchisq(, 3, lower = FALSE)
    assert found["df"] == [3, 3]
    assert found.holds
    assert found.small_share == 0.0


def test_the_budworm_groups() -> None:
    data = {
        "dead": [1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16],
        "sex": ["M"] * 6 + ["F"] * 6,
        "ldose": [0, 1, 2, 3, 4, 5] * 2,
    }
    found = goodness_of_fit(glm("cbind(dead, 20 - dead) ~ sex + ldose", data, "binomial"))
    assert found["statistic"] == pytest.approx([6.757064232, 5.306017059], rel=1e-8)
    assert found["p_value"] == pytest.approx([0.662395750, 0.806857844], rel=1e-7)


def test_small_counts_are_doubted() -> None:
    found = goodness_of_fit(glm("y ~ x", D, "poisson"))
    assert not found.holds
    assert found.small_share == 1.0
    assert "expected counts are below 5 in 100 % of the rows" in str(found)
    assert np.isfinite(found["p_value"]).all()


def test_the_smaller_of_successes_and_failures_counts() -> None:
    data = {"s": [19, 18, 20, 17, 19], "n": [20] * 5, "x": range(5)}
    found = goodness_of_fit(glm("cbind(s, n - s) ~ x", data, "binomial"))
    assert found.small_share == 1.0
    assert "below 5" in str(found)


def test_single_zeros_and_ones_have_no_test() -> None:
    found = goodness_of_fit(glm("b ~ x", D.assign(b=(D.y > 1).astype(int)), "binomial"))
    assert all(map(isnan, found["p_value"]))
    assert np.isfinite(found["statistic"]).all()
    assert not found.holds
    assert "single 0s and 1s" in str(found)


def test_grouping_makes_a_test_of_the_same_model() -> None:
    data = {"b": [0, 1, 1, 0, 1, 1, 0, 0, 1], "g": list("aaabbbccc"), "z": [0, 0, 0, 1, 1, 1, 2, 2, 2]}
    single = glm("b ~ z", data, "binomial")
    grouped = glm("cbind(s, 3 - s) ~ z", {"s": [2, 2, 1], "z": [0, 1, 2]}, "binomial")
    assert isnan(goodness_of_fit(single)["p_value"][0])
    assert np.isfinite(goodness_of_fit(grouped)["p_value"]).all()
    np.testing.assert_allclose(single.coef, grouped.coef, rtol=1e-8)


@pytest.mark.parametrize("family", ["gaussian", "gamma", "quasipoisson"])
def test_an_estimated_dispersion_leaves_nothing_to_test(family: str) -> None:
    fit = glm(
        "y ~ x" if family == "quasipoisson" else "g ~ x", D, family, link=None if family != "gamma" else "log"
    )
    found = goodness_of_fit(fit)
    assert all(map(isnan, found["p_value"]))
    assert isnan(goodness_of_fit(glm("y ~ x", D, "poisson", dispersion="pearson"))["p_value"][0])
    assert "the dispersion is estimated" in str(found)


def test_a_given_dispersion_divides() -> None:
    fit = glm("g ~ x", D, dispersion=0.9)
    found = goodness_of_fit(fit)
    assert found["statistic"] == pytest.approx([fit.deviance / 0.9] * 2)
    assert isnan(found.small_share)
    assert found.holds
    assert "divided by the given dispersion 0.9" in str(found)


def test_saturated_models_have_no_test() -> None:
    found = goodness_of_fit(glm("y ~ x", {"y": [1, 3], "x": [0, 1]}, "poisson"))
    assert all(map(isnan, found["p_value"]))
    assert "no residual degrees of freedom" in str(found)


def test_frequencies_are_repeated_rows() -> None:
    data = D.assign(times=[1, 3, 2, 1, 4] * 8)
    counted = goodness_of_fit(glm("y ~ x", data, "poisson", freq_weights="times"))
    repeated = goodness_of_fit(glm("y ~ x", data.loc[data.index.repeat(data.times)], "poisson"))
    np.testing.assert_allclose(counted["p_value"], repeated["p_value"], rtol=1e-8)
    assert counted.small_share == repeated.small_share
    assert counted["df"] == repeated["df"]


def test_separation_keeps_the_test() -> None:
    data = D.assign(y=np.where(D.f == "b", 0, D.y))
    with pytest.warns(SeparationWarning):
        fit = glm("y ~ x + f", data, "poisson")
    found, apart = goodness_of_fit(fit), goodness_of_fit(glm("y ~ x", data[data.f != "b"], "poisson"))
    assert found["df"] == apart["df"]
    np.testing.assert_allclose(found["p_value"], apart["p_value"], rtol=1e-9)
    assert np.isfinite(found["p_value"]).all()


def test_sampling_weights_are_refused() -> None:
    with pytest.raises(ComparisonError, match="Goodness of fit is not defined with sampling weights"):
        goodness_of_fit(glm("y ~ x", D, "poisson", sampling_weights="w"))


def test_rows_are_needed(tmp_path) -> None:
    glm("y ~ x", D, "poisson").save(tmp_path / "fit")
    fit = glmstat.load(tmp_path / "fit")
    with pytest.raises(glmstat.DataError, match="Goodness of fit needs the rows"):
        goodness_of_fit(fit)
    assert goodness_of_fit(fit.with_data(D)).to_dict()["rows"][0]["df"] == 38


def test_polars_tables_keep_the_names() -> None:
    polars = pytest.importorskip("polars")
    found = goodness_of_fit(glm("y ~ x", polars.DataFrame(COUNTS), "poisson")).to_frame()
    assert found.columns == ["of", "statistic", "df", "p_value"]
    assert found["of"].to_list() == ["deviance", "Pearson"]
