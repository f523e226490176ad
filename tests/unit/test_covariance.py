from __future__ import annotations

import numpy as np
import pytest

import glmstat
from glmstat import Covariance, glm
from glmstat.errors import SeparationWarning
from glmstat.inference.covariance import as_covariance, label
from glmstat.inference.score import bread, meat, scores
from tests.unit.sample import frame

FORMULA = "y ~ x + f + offset(log(t))"


@pytest.fixture(scope="module")
def data():
    return frame()


@pytest.fixture(scope="module")
def fit(data):
    return glm(FORMULA, data, "poisson")


def matrix(data):
    return np.column_stack([np.ones(len(data)), data.x, data.f == "b", data.f == "c"]).astype(float)


def test_classical_is_the_inverse_information(fit, data):
    X, mean = matrix(data), fit.fitted.to_numpy()
    np.testing.assert_allclose(fit.vcov(), np.linalg.inv(X.T @ (X * mean[:, None])), rtol=1e-11)


def test_hc0_is_the_sandwich_of_the_scores(fit, data):
    X, mean = matrix(data), fit.fitted.to_numpy()
    inverse = np.linalg.inv(X.T @ (X * mean[:, None]))
    U = X * (data.y.to_numpy() - mean)[:, None]
    np.testing.assert_allclose(fit.vcov("HC0"), inverse @ U.T @ U @ inverse, rtol=1e-10)


def test_hc0_does_not_depend_on_the_dispersion(data):
    fits = [glm("g ~ x", data, "gamma", link="log", dispersion=phi) for phi in ("pearson", 3.0)]
    np.testing.assert_allclose(fits[0].vcov("HC0"), fits[1].vcov("HC0"), rtol=1e-13)


def test_observed_information_is_another_bread(data):
    fit = glm("g ~ x", data, "gamma", link="log")
    X, mean, g = matrix(data)[:, :2], fit.fitted.to_numpy(), data.g.to_numpy()
    observed = np.linalg.inv(X.T @ (X * (g / mean)[:, None]))
    U = X * (g / mean - 1)[:, None]
    np.testing.assert_allclose(
        fit.vcov(Covariance("HC0", information="observed")), observed @ U.T @ U @ observed, rtol=1e-10
    )
    classical = fit.vcov(Covariance("classical", information="observed"))
    np.testing.assert_allclose(classical, fit.dispersion * observed, rtol=1e-10)


def test_frequency_weights_repeat_rows(data):
    repeated = data.loc[data.index.repeat(data.w.astype(int))].reset_index(drop=True)
    counted, expanded = glm(FORMULA, data, "poisson", freq_weights="w"), glm(FORMULA, repeated, "poisson")
    np.testing.assert_allclose(counted.vcov("HC0"), expanded.vcov("HC0"), rtol=1e-10)
    np.testing.assert_allclose(meat(counted), meat(expanded), rtol=1e-10)
    assert counted.nobs == expanded.nobs == len(repeated)


def test_scores_bread_and_meat_make_the_sandwich(fit):
    U = np.vstack(list(scores(fit)))
    np.testing.assert_allclose(U.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(meat(fit), U.T @ U / fit.nobs, rtol=1e-10)
    np.testing.assert_allclose(bread(fit) @ meat(fit) @ bread(fit) / fit.nobs, fit.vcov("HC0"), rtol=1e-9)


def test_separated_rows_have_no_score(data):
    with pytest.warns(glmstat.SeparationWarning):
        fit = glm("y ~ f", data.assign(y=np.where(data.f == "c", 0, data.y)), "poisson")
    rest = glm("y ~ f", data[data.f != "c"], "poisson")
    np.testing.assert_allclose(fit.stderror("HC0")[:2], rest.stderror("HC0"), rtol=1e-10)
    assert np.isnan(fit.stderror("HC0").iloc[2])


def test_aliased_columns_have_no_covariance(data):
    fit = glm("y ~ x + double", data.assign(double=2 * data.x), "poisson")
    plain = glm("y ~ x", data, "poisson")
    for kind in ("classical", "HC0"):
        np.testing.assert_allclose(fit.vcov(kind).iloc[:2, :2], plain.vcov(kind), rtol=1e-10)
        assert fit.vcov(kind)["double"].isna().all()


def test_with_vcov_changes_every_table(fit):
    robust = fit.with_vcov("HC0")
    assert robust.covariance == Covariance("HC0")
    np.testing.assert_array_equal(robust.stderror(), fit.stderror("HC0"))
    assert fit.with_vcov("iid") is fit
    assert fit.covariance == Covariance("classical")


@pytest.mark.parametrize("alias", ["nonrobust", "iid", "const", "eim", "classical"])
def test_aliases_of_classical(alias):
    assert as_covariance(alias) == Covariance("classical")


def test_unknown_kinds_are_refused_with_the_near_one():
    with pytest.raises(glmstat.ArgumentError, match=r"Unknown vcov: 'classic'.*Did you mean 'classical'"):
        as_covariance("classic")
    with pytest.raises(glmstat.ArgumentError, match="Unknown information: 'sandwich'"):
        as_covariance(Covariance("HC0", information="sandwich"))


def test_labels_name_the_recipe(fit):
    assert label(fit) == "classical (expected information)"
    assert label(fit.with_vcov("HC0")) == "HC0 (scores, no small-sample factor)"


def test_numbers_are_those_of_r():
    trips = glmstat.datasets.load("trips")
    fit = glm("y ~ x + f", trips, "poisson")
    np.testing.assert_allclose(fit.stderror(), [0.168212, 0.161665, 0.252372], atol=3e-6)
    np.testing.assert_allclose(fit.stderror("HC0"), [0.195000, 0.173096, 0.261203], atol=3e-6)


def test_sampling_weights_refuse_the_classical_covariance(data):
    fit = glm("y ~ x", data, "poisson", sampling_weights="w")
    with pytest.raises(glmstat.ArgumentError, match="sandwich"):
        fit.stderror("classical")


def test_a_coefficient_that_separation_leaves_open_spoils_no_other():
    data = {
        "y": [0, 0, 0, 2, 1, 3, 1, 4, 2],
        "x": [0.1, 0.5, -0.3, 0.2, 1, 0.8, -0.4, 1.1, 0.3],
        "f": list("bbbaaaaaa"),
    }
    with pytest.warns(SeparationWarning):
        whole = glm("y ~ f * x", data, "poisson").stderror("HC0")
    rest = glm("y ~ x", {name: values[3:] for name, values in data.items()}, "poisson").stderror("HC0")
    np.testing.assert_allclose(whole[["Intercept", "x"]], rest, rtol=1e-9)
    assert whole[["f[T.b]", "f[T.b]:x"]].isna().all()
