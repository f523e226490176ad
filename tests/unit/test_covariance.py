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


@pytest.fixture(scope="module")
def grouped(data):
    return data.assign(g=np.arange(len(data)) % 8, one=1.0)


def test_every_text_is_also_a_kind(fit):
    for word in ("oim", "eim", "IID", "hc3"):
        np.testing.assert_array_equal(fit.stderror(Covariance(word)), fit.stderror(word))
    assert as_covariance(Covariance("oim")) == Covariance("classical", information="observed")


@pytest.mark.parametrize(
    ("vcov", "words"),
    [
        ("HC9", "Unknown vcov: 'HC9'"),
        ("", "Unknown vcov"),
        ("~", "vcov names no cluster"),
        ("~g +", "vcov names no cluster"),
        ("DK ~ g + t", "DK takes one variable of time"),
        (3, "vcov must be a text or a Covariance: got int"),
        (Covariance("HC3", cluster="g"), 'HC3 has no use for cluster=.*Use kind="CR3"'),
        (Covariance("CR1", cluster="g", fpc="x"), "CR1 has no use for fpc=: it takes cluster"),
        (Covariance("classical", lag=2), "classical has no use for lag="),
        (Covariance("HC1", small_sample="eviews"), "Unknown small_sample: 'eviews'"),
        (Covariance("classical", small_sample="stata"), "classical has no small-sample factor"),
    ],
)
def test_choices_without_a_meaning_are_refused(fit, vcov, words):
    with pytest.raises(glmstat.ArgumentError, match=words):
        fit.vcov(vcov)


def test_a_covariance_that_is_not_defined_does_not_cost_the_fit(grouped):
    with pytest.warns(glmstat.CovarianceWarning, match="No standard errors.*one"):
        fit = glm(FORMULA, grouped, "poisson", vcov="~one")
    assert fit.stderror().isna().all()
    assert fit.coef.equals(glm(FORMULA, grouped, "poisson").coef)
    assert "CR1 (no standard errors)" in str(fit)
    assert "cluster" in fit.notes[-1].text
    assert fit.summary("HC0").to_frame().std_error.notna().all()


def test_a_perfect_fit_has_labels_and_no_standard_errors(grouped):
    with pytest.warns(glmstat.PerfectFitWarning):
        fit = glm("line ~ x", grouped.assign(line=2 * grouped.x))
    for vcov in ("classical", "HC1", "bootstrap", "jackknife"):
        assert "no standard errors: perfect fit" in str(fit.summary(vcov))
    with pytest.raises(glmstat.ColumnError):
        fit.with_vcov("~nope")


def test_data_that_are_not_those_of_the_fit_are_refused_everywhere(fit, data):
    for verb in (fit.vcov, fit.stderror, fit.confint, fit.summary):
        with pytest.raises(glmstat.DataError):
            verb(data=data.iloc[:5])


def test_missing_clusters_leave_the_fit_where_the_call_names_them(grouped):
    holed = grouped.assign(g=grouped.g.where(np.arange(len(grouped)) != 3))
    with pytest.warns(glmstat.FewClustersWarning):
        fit = glm(FORMULA, holed, "poisson", vcov="~g")
    assert fit.nobs == len(holed) - 1
    later = glm(FORMULA, holed, "poisson")
    with pytest.raises(glmstat.DataError, match="cluster 'g' is missing in row 3"):
        later.vcov("~g")


def test_update_keeps_the_covariance_and_the_rows(grouped):
    holed = grouped.assign(g=grouped.g.where(np.arange(len(grouped)) != 3))
    with pytest.warns(glmstat.FewClustersWarning):
        fit = glm(FORMULA, holed, "poisson", vcov="~g").with_vcov("HC3")
        new = fit.update(". ~ . - f")
    assert new.covariance == Covariance("HC3")
    assert new.nobs == fit.nobs
    assert fit.update(vcov="HC0").covariance == Covariance("HC0")


def test_a_covariance_survives_a_file_and_a_copy(grouped, tmp_path):
    fit = glm(FORMULA, grouped, "poisson").with_vcov("HC3")
    fit.save(tmp_path / "fit.glmstat")
    loaded = glmstat.load(tmp_path / "fit.glmstat")
    assert str(loaded.summary()) == str(fit.summary())
    np.testing.assert_array_equal(loaded.stderror("HC1", data=grouped), fit.stderror("HC1"))
    by_array = glm(FORMULA, grouped, "poisson").with_vcov(Covariance("CR2", cluster=grouped.g.to_numpy()))
    with pytest.raises(glmstat.FileError, match="cannot hold the array that cluster= was given"):
        by_array.save(tmp_path / "array.glmstat")


def test_arrays_are_variables_too(grouped):
    fit = glm(FORMULA, grouped, "poisson")
    named = fit.stderror("CR2 ~ g")
    np.testing.assert_array_equal(fit.stderror(Covariance("CR2", cluster=grouped.g.to_numpy())), named)
    np.testing.assert_array_equal(fit.stderror(Covariance("CR2", cluster=grouped.g[::-1])), named)
    with pytest.raises(glmstat.DataError, match="Length of cluster differs from data: 5 values"):
        fit.vcov(Covariance("CR2", cluster=np.arange(5)))


def test_r_tests_with_the_normal_under_a_sandwich(data):
    fit = glm("g ~ x", data, "gamma", link="log", compat="R")
    assert "intervals: 95 % Wald, z" in str(fit.summary("HC3"))
    assert "tests: t" in str(fit.summary())


def test_sampling_weights_refuse_what_trusts_the_family_in_the_call_too(data):
    for vcov in ("opg", "oim"):
        with pytest.raises(glmstat.ArgumentError, match="Sampling weights need a sandwich"):
            glm(FORMULA, data, "poisson", sampling_weights="w", vcov=vcov)
    assert glm(FORMULA, data, "poisson", sampling_weights="w").covariance == Covariance("HC0")


def test_a_saturated_fit_has_no_sandwich():
    fit = glm("y ~ factor(t)", {"y": [1, 5, 2, 6, 3, 9.0], "t": range(6)}, "poisson")
    for vcov in ("HC0", "HC3", "~t"):
        assert fit.stderror(vcov).isna().all()
        assert "no residual degrees of freedom" in str(fit.summary(vcov))
    assert fit.stderror().notna().all()


def test_the_likelihood_of_a_perfect_fit_is_infinite():
    x = np.arange(6.0)
    with pytest.warns(glmstat.PerfectFitWarning):
        fit = glm("y ~ x", {"x": x, "y": 3 * x + 0.1})
    assert fit.loglik == np.inf
    assert "loglik is infinite" in str(fit)


def test_frames_carry_the_label(fit):
    new = {"x": [0.0], "f": ["a"], "t": [1.0]}
    prediction = fit.predict(new, se_fit=True, interval="confidence", vcov="HC3")
    assert prediction.attrs == {"type": "response", "vcov": label(fit.with_vcov("HC3")), "level": 0.95}
    assert fit.vcov("HC3").attrs["vcov"] == fit.stderror("HC3").attrs["vcov"] == prediction.attrs["vcov"]
    assert any("HC3" in note for note in fit.summary("HC3").to_frame().attrs["notes"])
    assert any("HC3" in note for note in fit.test("x = 0", vcov="HC3").to_frame().attrs["notes"])


def test_covariances_that_differ_are_kept_apart(data):
    numbered = data.assign(a=np.arange(40) % 8, b=np.arange(40) % 5)
    fit = glm(FORMULA, numbered, "poisson")
    with pytest.warns(glmstat.FewClustersWarning):
        both, total = fit.stderror(Covariance("CR0", ("a", "b"))), fit.stderror(Covariance("CR0", "a+b"))
        alone = glm(FORMULA, numbered.assign(s=numbered.a + numbered.b), "poisson").stderror("CR0 ~ s")
    np.testing.assert_allclose(total, alone, rtol=1e-12)
    assert (both != total).all()


def test_other_data_with_the_same_response_have_their_own_covariance(grouped):
    fit = glm(FORMULA, grouped, "poisson")
    moved = grouped.assign(g=np.roll(grouped.g, 3) // 2)
    before = fit.stderror("CR2 ~ g")
    after = glm(FORMULA, moved, "poisson").stderror("CR2 ~ g")
    np.testing.assert_allclose(fit.stderror("CR2 ~ g", data=moved), after, rtol=1e-12)
    np.testing.assert_array_equal(fit.stderror("CR2 ~ g"), before)


def test_arrays_are_copied(grouped):
    groups = grouped.g.to_numpy().copy()
    fit = glm(FORMULA, grouped, "poisson").with_vcov(Covariance("CR2", cluster=groups))
    before = fit.stderror()
    groups[:] = groups[::-1].copy()
    np.testing.assert_array_equal(fit.stderror(), before)
    assert Covariance("CR2", cluster=groups) != fit.covariance


def test_a_variance_beyond_float64_is_infinite_without_words():
    # Var(b of c x) = Var(b) / c²: 1e400 where c = 1e-200, and 0 where c = 1e200
    rng = np.random.default_rng(1)
    data = {"y": rng.normal(size=50), "a": rng.normal(size=50), "b": rng.normal(size=50)}
    plain = glm("y ~ a + b", data)
    far = glm("y ~ a + b", data | {"a": data["a"] * 1e-200, "b": data["b"] * 1e200})
    table = np.asarray(far.vcov())
    assert table[1, 1] == np.inf and table[2, 2] == 0.0
    own = plain.vcov().to_numpy() if hasattr(plain.vcov(), "to_numpy") else np.asarray(plain.vcov())
    np.testing.assert_allclose(table[1, 2], own[1, 2], rtol=1e-9)
