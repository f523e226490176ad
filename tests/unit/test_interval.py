"""Wald intervals of coefficients and combinations, and the words of `confint`."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import norm, t

from glmstat import glm
from glmstat.errors import ArgumentError, BoundaryWarning
from glmstat.inference.hypothesis.linear import linear
from glmstat.inference.interval import wald

HERE = Path(__file__).parent
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
R = json.loads((HERE.parent / "reference" / "inference" / "profile.json").read_text("utf-8"))
FIT = glm("y ~ x + f + offset(log(t))", D, "poisson")


@pytest.mark.parametrize("term", ["x", "f[T.b]", "x + f[T.b]", "x - 2*f[T.b]"])
def test_combinations_have_the_standard_errors_of_R(term):
    expected = R["poisson"]["se"]["fb" if term == "f[T.b]" else term]
    low, high = FIT.confint(of=term).iloc[0]
    assert (high - low) / 2 == pytest.approx(norm.ppf(0.975) * expected, rel=1e-8)
    table = wald(FIT, of=linear(FIT, term))
    assert table.std_error[0] == pytest.approx(expected, rel=1e-8)
    assert table.statistic[0] == pytest.approx(table.estimate[0] / expected, rel=1e-8)


def test_combinations_of_an_estimated_dispersion_use_t_and_normal_under_compat_R():
    for compat, quantile in (("glmstat", t.ppf(0.975, 38)), ("R", norm.ppf(0.975))):
        fit = glm("g ~ x", D, "gamma", link="log", compat=compat)
        low, high = fit.confint(of="Intercept + x").iloc[0]
        assert high - low == pytest.approx(2 * quantile * R["gamma"]["se"]["Intercept + x"], rel=1e-8)


def test_all_coefficients_are_the_default():
    table = FIT.confint()
    assert table.index.tolist() == list(FIT.columns)
    assert list(table.columns) == ["conf_low", "conf_high"]
    one_by_one = pd.concat([FIT.confint(of=name) for name in FIT.columns])
    pd.testing.assert_frame_equal(table, one_by_one, rtol=1e-12)


def test_of_takes_names_terms_lists_and_commas():
    assert FIT.confint(of=["x", "f"]).index.tolist() == ["x", "f[T.b]"]
    assert FIT.confint(of="x, x + f[T.b]").index.tolist() == ["x", "x + f[T.b]"]
    np.testing.assert_allclose(FIT.confint(of="-x"), -FIT.confint(of="x").to_numpy()[:, ::-1])
    np.testing.assert_allclose(FIT.confint(of="2*(x - f[T.b])/2"), FIT.confint(of="x - f[T.b]"), rtol=1e-12)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("zz", "No coefficient 'zz'"),
        ("x = 1", "takes no '='"),
        ("x + 1", "has a constant"),
        ("x - x", "has no coefficient left"),
        ("exp(x)", "not linear in the coefficients"),
        ([], "must name coefficients"),
        ([1], "must name coefficients"),
    ],
)
@pytest.mark.parametrize("method", ["wald", "profile"])
def test_what_is_no_combination_is_refused(of, message, method):
    with pytest.raises(ArgumentError, match=message):
        FIT.confint(of=of, method=method)


def test_methods_by_name():
    with pytest.raises(ArgumentError, match="Unknown method: 'profil'"):
        FIT.confint(method="profil")
    with pytest.raises(ArgumentError, match="level must lie strictly between"):
        FIT.confint(95)


def test_any_covariance_in_wald_intervals_of_combinations():
    table = FIT.confint(of="x + f[T.b]", vcov="HC0")
    V = FIT.vcov("HC0").to_numpy()
    c = np.array([0.0, 1, 1])
    centre, half = c @ FIT.estimate.theta, norm.ppf(0.975) * np.sqrt(c @ V @ c)
    np.testing.assert_allclose(table.iloc[0], [centre - half, centre + half], rtol=1e-12)
    assert "HC0" in table.attrs["notes"][0]


def test_a_covariance_has_no_part_in_profiles():
    for method in ("profile", "score"):
        with pytest.raises(ArgumentError, match="assumes the variance of the family"):
            FIT.confint(method=method, vcov="HC0")
    robust = FIT.with_vcov("HC0").confint(method="profile")
    assert robust.equals(FIT.confint(method="profile"))
    assert any("vcov HC0" in note and "not used" in note for note in robust.attrs["notes"])
    assert FIT.confint(method="profile", vcov="classical").equals(FIT.confint(method="profile"))


def test_aliased_and_infinite_coefficients():
    fit = glm("y ~ x + x2", D.assign(x2=2 * D.x), "poisson")
    assert fit.confint().loc["x2"].isna().all()
    assert fit.confint(of="x2").isna().all(axis=None)
    assert fit.confint(of="x + 2*x2").iloc[0].tolist() == pytest.approx(fit.confint().loc["x"].tolist())
    with pytest.raises(ArgumentError, match="'x2 - x' cannot be estimated: x2 is aliased"):
        fit.confint(of="x2 - x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = pd.DataFrame({"n": [12, 9, 7], "s": [5, 9, 3], "f": ["a", "b", "c"]})
        apart = glm("cbind(s, n - s) ~ f", cells, "binomial")
    assert apart.confint(of="f[T.b] - f[T.c]").isna().all(axis=None)
    assert linear(apart, "f[T.c] - f[T.b]").estimates(apart).tolist() == [-np.inf]
    assert np.isfinite(apart.confint(of="f[T.c]").to_numpy()).all()


def test_tables_in_polars():
    fit = glm("y ~ x", pl.from_pandas(D), "poisson")
    table = fit.confint(of="Intercept + x")
    assert isinstance(table, pl.DataFrame)
    assert table["term"].to_list() == ["Intercept + x"]


@pytest.mark.parametrize("of", [3, 3.5, [3], ()])
def test_of_that_is_no_text_is_one_error(of):
    fit = glm("y ~ x", D, "poisson")
    for verb in (fit.confint, fit.profile, lambda of: fit.bootstrap(40, of=of)):
        with pytest.raises(ArgumentError, match="of must name coefficients"):
            verb(of=of)


def test_wald_intervals_at_a_boundary_say_so():
    data = pd.DataFrame({"x": range(4), "n": 10, "s": [2, 4, 7, 10]})
    with pytest.warns(BoundaryWarning):
        fit = glm("cbind(s, n - s) ~ x", data, "binomial", link="log")
    assert any("Wald intervals are not valid here" in note for note in fit.confint().attrs["notes"])
