from __future__ import annotations

import numpy as np
import pytest

import glmstat
from glmstat import glm
from glmstat.errors import BoundaryWarning, SeparationWarning
from glmstat.inference.influence.verb import influence
from tests.unit.sample import frame


@pytest.fixture(scope="module")
def data():
    return frame()


@pytest.fixture(scope="module")
def fit(data):
    return glm("g ~ x + f", data, "gamma", link="log", weights="w")


def test_types_by_their_definition(fit, data):
    g, mean, w = data.g.to_numpy(), fit.fitted.to_numpy(), data.w.to_numpy()
    unit = 2 * ((g - mean) / mean - np.log(g / mean))
    expected = {
        "deviance": np.sign(g - mean) * np.sqrt(w * unit),
        "pearson": np.sqrt(w) * (g - mean) / mean,
        "working": (g - mean) / mean,
        "response": g - mean,
    }
    for type, values in expected.items():
        np.testing.assert_allclose(fit.residuals(type), values, rtol=1e-9, atol=1e-12)


def test_deviance_residuals_square_to_the_deviance(fit):
    assert np.sum(fit.residuals() ** 2) == pytest.approx(fit.deviance, rel=1e-12)
    assert np.sum(fit.residuals("pearson") ** 2) == pytest.approx(fit.pearson, rel=1e-12)


def test_partial_residuals_are_working_plus_terms(fit):
    partial = fit.residuals("partial")
    terms = fit.predict(type="terms")
    assert list(partial.columns) == ["x", "f"]
    np.testing.assert_allclose(
        partial.to_numpy(), terms.to_numpy() + fit.residuals("working").to_numpy()[:, None], rtol=1e-12
    )
    assert partial.attrs["constant"] == pytest.approx(terms.attrs["constant"])


def test_missing_rows_are_left_out_or_nan(data):
    holes = data.copy()
    holes.loc[holes.index[[3, 5]], "x"] = np.nan
    dropped = glm("y ~ x", holes, "poisson").residuals()
    padded = glm("y ~ x", holes, "poisson", na_action="exclude").residuals()
    assert len(dropped) == 38
    assert padded.index.equals(holes.index)
    assert np.flatnonzero(padded.isna()).tolist() == [3, 5]
    np.testing.assert_array_equal(padded.dropna(), dropped)


def test_zero_weights_keep_their_residual(data):
    fit = glm("y ~ x", data.assign(w=np.where(data.w == 1, 0, data.w)), "poisson", weights="w")
    assert len(fit.residuals("response")) == 40
    assert (fit.residuals("deviance")[data.w == 1] == 0).all()
    assert fit.nobs == int((data.w != 1).sum())


def test_unknown_types_are_refused(fit):
    with pytest.raises(glmstat.ArgumentError, match=r"Unknown type: 'devianc'.*Did you mean 'deviance'"):
        fit.residuals("devianc")


def test_numbers_are_those_of_r():
    fit = glm("g ~ x", glmstat.datasets.load("trips"), "gamma", link="log", weights="w")
    expected = {"deviance": -0.583981, "pearson": -0.453558, "working": -0.556939, "response": -0.548536}
    for type, value in expected.items():
        assert fit.residuals(type)[0] == pytest.approx(value, abs=3e-6)


def test_rows_that_separation_predicts_have_the_limit(data):
    with pytest.warns(glmstat.SeparationWarning):
        fit = glm("y ~ f", data.assign(y=np.where(data.f == "c", 0, data.y)), "poisson")
    far = (data.f == "c").to_numpy()
    for type, limit in {"deviance": 0.0, "pearson": 0.0, "response": 0.0, "working": -1.0}.items():
        np.testing.assert_array_equal(fit.residuals(type)[far], limit)
    assert np.sum(fit.residuals() ** 2) == pytest.approx(fit.deviance, rel=1e-12)


def test_large_predictors_are_not_limits():
    rows = {"y": [1e5, 2e5, 4e5], "x": [1.0, 2.0, 3.0]}
    fit = glm("y ~ x", rows)
    np.testing.assert_allclose(fit.residuals("response"), rows["y"] - fit.fitted, rtol=1e-9)


LIMITS = {
    "logit": (-1, 1),
    "atanh": (-0.5, 0.5),
    "cloglog": (-1, 0),
    "loglog": (0, 1),
    "probit": (0, 0),
    "cauchit": (-np.inf, np.inf),
}


@pytest.mark.parametrize("link", LIMITS)
def test_working_residuals_of_separated_rows_have_their_limit(link):
    data = {"y": [0, 0, 0, 1, 1, 1, 0, 1, 0], "f": list("aaabbbccc")}
    with pytest.warns(SeparationWarning):
        found = glm("y ~ f", data, "binomial", link=link).residuals("working").to_numpy()
    np.testing.assert_allclose(found[:6], np.repeat(LIMITS[link], 3), atol=1e-12)


def test_a_row_at_its_bound_has_no_residual():
    x = [0.8, 0.9, 2.4, 0.3, 1.8, 2.2, 0.6, 0.2, 0.8, 2.0, 1.7, 0.5]
    data = {"x": x, "b": [0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0]}
    with pytest.warns(BoundaryWarning):
        fit = glm("b ~ x", data, "binomial", link="log")
    assert fit.residuals("pearson").iloc[2] == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(fit.stderror("HC0")).all()


def test_partial_residuals_without_terms_have_no_columns():
    assert glm("y ~ 1", {"y": [1, 2, 3, 4]}, "poisson").residuals("partial").shape[1] == 0


def test_standardised_and_studentised_residuals_are_those_of_r():
    fit = glm("g ~ x", glmstat.datasets.load("trips"), "gamma", link="log", weights="w")
    assert fit.residuals(standardized=True)[0] == pytest.approx(-1.010058, abs=3e-6)
    assert fit.residuals("pearson", standardized=True)[0] == pytest.approx(-0.784478, abs=3e-6)
    assert fit.residuals(studentized=True)[0] == pytest.approx(-0.871862, abs=4e-6)


def test_studentised_residuals_of_fixed_and_given_dispersion(data):
    fixed = glm("y ~ x + f", data, "poisson")
    given = glm("y ~ x + f", data, "poisson", dispersion=4.0)
    np.testing.assert_allclose(given.residuals(studentized=True), fixed.residuals(studentized=True) / 2)
    np.testing.assert_allclose(given.residuals(standardized=True), fixed.residuals(standardized=True) / 2)
    estimated = glm("y ~ x + f", data, "poisson", dispersion="pearson").residuals(studentized=True)
    quasi = glm("y ~ x + f", data, "quasipoisson").residuals(studentized=True)
    np.testing.assert_allclose(estimated, quasi, rtol=1e-9)


def test_deletion_scale_is_that_of_the_refit_in_least_squares(data):
    fit = glm("g ~ x + f", data)
    gone = glm("g ~ x + f", data.drop(data.index[7]))
    row = fit.residuals("response").iloc[7]
    expected = row / np.sqrt(gone.dispersion * (1 - influence(fit).hat[7]))
    assert fit.residuals(studentized=True).iloc[7] == pytest.approx(expected, rel=1e-10)


def test_a_row_that_any_response_fits_has_no_standardised_residual(data):
    fit = glm("y ~ x + f", data.assign(f=np.where(np.arange(40) == 7, "z", data.f)), "poisson")
    for words in ({"standardized": True}, {"studentized": True}):
        found = fit.residuals(**words)
        assert np.flatnonzero(found.isna()).tolist() == [7]


def test_scaled_residuals_need_deviance_or_pearson(fit):
    with pytest.raises(glmstat.ArgumentError, match="standardized residuals have type deviance or pearson"):
        fit.residuals("working", standardized=True)
    with pytest.raises(glmstat.ArgumentError, match="studentized residuals have type deviance; they combine"):
        fit.residuals("pearson", studentized=True)
    with pytest.raises(glmstat.ArgumentError, match="exclude each other"):
        fit.residuals(standardized=True, studentized=True)
