from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln

import glmstat
from glmstat import glm
from glmstat.call import Call, NotKept
from tests.unit.sample import frame

FORMULA = "y ~ x + f + offset(log(t))"


@pytest.fixture(scope="module")
def data():
    return frame()


@pytest.fixture(scope="module")
def fit(data):
    return glm(FORMULA, data, "poisson")


def matrix(data: pd.DataFrame) -> np.ndarray:
    return np.column_stack([np.ones(len(data)), data.x, data.f == "b", data.f == "c"]).astype(float)


def test_coefficients_solve_the_score_equations(fit, data):
    mean = data.t * np.exp(matrix(data) @ fit.coef.to_numpy())
    np.testing.assert_allclose(matrix(data).T @ (data.y - mean), 0, atol=1e-12)
    assert list(fit.coef.index) == ["Intercept", "x", "f[T.b]", "f[T.c]"]


def test_facts_are_those_of_the_definition(fit, data):
    mean = data.t * np.exp(matrix(data) @ fit.coef.to_numpy())
    loglik = np.sum(data.y * np.log(mean) - mean - gammaln(data.y + 1))
    null = data.y.sum() / data.t.sum() * data.t
    logs = np.log(np.where(data.y > 0, data.y, 1) / np.where(data.y > 0, null, 1))
    assert (fit.nobs, fit.df_residual, fit.df_null, fit.parameters) == (40, 36, 39, 4)
    assert fit.loglik == pytest.approx(loglik, rel=1e-13)
    assert fit.aic == pytest.approx(8 - 2 * loglik, rel=1e-13)
    assert fit.bic == pytest.approx(4 * np.log(40) - 2 * loglik, rel=1e-13)
    assert fit.null_deviance == pytest.approx(2 * np.sum(data.y * logs - (data.y - null)), rel=1e-12)
    assert (fit.dispersion, fit.status, fit.converged) == (1.0, "converged", True)


def test_dispersion_counts_in_aic_where_it_is_estimated(data):
    fit = glm("g ~ x", data, "gaussian")
    rss = fit.deviance
    aic = 40 * (np.log(2 * np.pi * rss / 40) + 1) + 2 + 2 * 2
    assert fit.aic == pytest.approx(aic, rel=1e-12)
    assert fit.parameters == 3
    assert fit.dispersion == pytest.approx(rss / 38, rel=1e-13)


def test_quasi_families_have_no_likelihood(data):
    fit = glm(FORMULA, data, "quasipoisson")
    assert np.isnan(fit.loglik)
    assert np.isnan(fit.aic)


def test_tables_carry_the_names_of_the_coefficients(fit):
    names = ["Intercept", "x", "f[T.b]", "f[T.c]"]
    assert list(fit.vcov().index) == list(fit.vcov().columns) == names
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov())), fit.stderror(), rtol=1e-14)
    assert list(fit.confint().columns) == ["conf_low", "conf_high"]


def test_intervals_use_t_where_the_dispersion_is_estimated(data):
    from scipy.stats import norm, t

    fit = glm("g ~ x", data, "gamma", link="log")
    half = (fit.confint(0.9).conf_high - fit.coef) / fit.stderror()
    np.testing.assert_allclose(half, t.ppf(0.95, 38), rtol=1e-12)
    as_r = glm("g ~ x", data, "gamma", link="log", compat="R")
    half = (as_r.confint(0.9).conf_high - as_r.coef) / as_r.stderror()
    np.testing.assert_allclose(half, norm.ppf(0.95), rtol=1e-12)
    np.testing.assert_array_equal(as_r.summary().to_frame().p_value, fit.summary().to_frame().p_value)


def test_results_keep_the_callers_labels(fit, data):
    assert fit.fitted.index.equals(data.index)
    assert fit.residuals().index.equals(data.index)


def test_polars_callers_get_polars(data):
    polars = pytest.importorskip("polars")
    fit = glm(FORMULA, polars.from_pandas(data), "poisson")
    assert isinstance(fit.coef, polars.DataFrame)
    assert fit.coef.columns == ["term", "estimate"]
    assert fit.vcov().columns == ["term", "Intercept", "x", "f[T.b]", "f[T.c]"]
    assert isinstance(fit.fitted, polars.Series)


def test_a_fit_is_frozen(fit):
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.notes = ()
    for array in (fit.estimate.theta, fit.estimate.coef):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_what_a_fit_hands_out_is_a_copy(fit):
    coef = fit.coef
    coef.iloc[0] = 99.0
    vcov = fit.vcov()
    vcov.iloc[0, 0] = 99.0
    assert fit.coef.iloc[0] != 99.0
    assert fit.vcov().iloc[0, 0] != 99.0


def test_changing_the_data_later_changes_nothing():
    data = frame()
    fit = glm(FORMULA, data, "poisson")
    before = fit.fitted.to_numpy()
    data.loc[:, "x"] = 0.0
    np.testing.assert_array_equal(fit.fitted.to_numpy(), before)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda fit: pickle.loads(pickle.dumps(fit))])
def test_copies_have_the_same_bits(fit, data, copied):
    other = copied(fit)
    assert other == fit
    assert hash(other) == hash(fit)
    np.testing.assert_array_equal(other.vcov("HC0"), fit.vcov("HC0"))
    np.testing.assert_array_equal(other.predict(data, se_fit=True), fit.predict(data, se_fit=True))
    assert str(other.summary()) == str(fit.summary())


def test_fits_are_equal_when_their_numbers_are(fit, data):
    assert glm(FORMULA, data, "poisson") == fit
    assert glm("y ~ x + f", data, "poisson") != fit
    assert fit != "fit"


def test_refit_without_changes_is_the_same_fit(fit):
    assert fit.refit() == fit


def test_refit_takes_other_rows_and_weights(fit, data):
    assert fit.refit(data.iloc[:30]) == glm(FORMULA, data.iloc[:30], "poisson")
    assert fit.refit(weights="w") == glm(FORMULA, data, "poisson", weights="w")
    assert fit.refit(weights="w").refit(weights=None) == fit


def test_update_changes_the_formula(fit, data):
    assert fit.update(". ~ . - x").columns == ("Intercept", "f[T.b]", "f[T.c]")
    assert fit.update("g ~ .", family="gamma", link="log") == glm(
        "g ~ x + f + offset(log(t))", data, "gamma", link="log"
    )
    assert fit.update(family="gaussian").spec.likelihood.family.link.name == "identity"


def test_arrays_as_arguments_survive_a_refit(data):
    fit = glm("y ~ x", data, "poisson", offset=np.log(data.t.to_numpy()), weights=data.w.to_numpy())
    assert fit.refit() == fit
    assert fit == glm("y ~ x + offset(log(t))", data, "poisson", weights="w")


def test_sampling_weights_force_the_sandwich_and_refuse_the_likelihood(data):
    fit = glm("y ~ x", data, "poisson", sampling_weights="w")
    prior = glm("y ~ x", data, "poisson", weights="w")
    np.testing.assert_allclose(fit.coef, prior.coef, rtol=1e-13)
    np.testing.assert_allclose(fit.stderror(), prior.stderror("HC0"), rtol=1e-12)
    assert fit.covariance.kind == "HC0"
    for fact in ("loglik", "aic", "bic"):
        with pytest.raises(glmstat.ComparisonError, match="sampling weights"):
            getattr(fit, fact)


def test_a_given_dispersion_refuses_the_likelihood_of_poisson(data):
    fit = glm("y ~ x", data, "poisson", dispersion=2.0)
    plain = glm("y ~ x", data, "poisson")
    np.testing.assert_allclose(fit.stderror(), np.sqrt(2.0) * plain.stderror(), rtol=1e-14)
    with pytest.raises(glmstat.ComparisonError, match="dispersion"):
        _ = fit.aic


def test_start_may_be_named(fit, data):
    start = {"f[T.b]": 0.0, "x": 0.0, "Intercept": 0.1, "f[T.c]": 0.0}
    np.testing.assert_allclose(glm(FORMULA, data, "poisson", start=start).coef, fit.coef, rtol=1e-12)
    with pytest.raises(glmstat.ArgumentError, match="every coefficient once"):
        glm(FORMULA, data, "poisson", start={"x": 0.0})
    with pytest.raises(glmstat.ArgumentError, match="4 finite values"):
        glm(FORMULA, data, "poisson", start=[0.0])


def test_unknown_words_are_refused_by_name(data):
    with pytest.raises(glmstat.ArgumentError, match="Unknown vcov: 'HCO'"):
        glm(FORMULA, data, "poisson", vcov="HCO")
    with pytest.raises(glmstat.ArgumentError, match="Unknown compat: 'S'"):
        glm(FORMULA, data, "poisson", compat="S")
    with pytest.raises(glmstat.ArgumentError, match="level must lie strictly between 0 and 1"):
        glm(FORMULA, data, "poisson").confint(95)


def test_aliased_coefficients_are_nan_with_the_reason(data):
    fit = glm("y ~ x + double", data.assign(double=2 * data.x), "poisson")
    assert np.isnan(fit.coef["double"])
    assert np.isnan(fit.stderror()["double"])
    assert fit.df_residual == 38
    assert any(note.text == "double is aliased: = 2*x" for note in fit.notes)


@pytest.mark.parametrize(
    ("call", "aic"),
    [
        ({"formula": "g ~ x", "family": "gaussian"}, 116.612320),
        ({"formula": "g ~ x", "family": "gaussian", "weights": "w"}, 114.908215),
        ({"formula": "g ~ x", "family": "gamma", "link": "log"}, 98.455018),
        ({"formula": "g ~ x", "family": "gamma", "link": "log", "weights": "w"}, 96.704461),
        ({"formula": "g ~ x", "family": "inverse_gaussian", "link": "log"}, 105.241640),
        ({"formula": "y ~ x + offset(log(t))", "family": "poisson", "weights": "w"}, 120.737143),
    ],
    ids=lambda value: value["family"] if isinstance(value, dict) else None,
)
def test_aic_is_that_of_r(call, aic):
    assert glm(data=glmstat.datasets.load("trips"), **call).aic == pytest.approx(aic, abs=5e-7)


def test_large_data_are_not_copied_and_not_pickled():
    rows = np.arange(700_000)
    data = pd.DataFrame(
        {"y": rows % 3 + (np.sin(rows) > 0), "x": np.sin(rows), "z": np.cos(rows), "t": 1.0 + rows % 5}
    )
    fit = glm("y ~ x + z + offset(log(t))", data, "poisson")
    other = pickle.loads(pickle.dumps(fit))
    assert other == fit
    assert other.frame is None
    assert len(pickle.dumps(fit)) < 100_000
    np.testing.assert_array_equal(other.predict(data), fit.fitted)
    with pytest.raises(glmstat.DataError, match=r"with_data\(data\)"):
        _ = other.fitted
    np.testing.assert_array_equal(other.with_data(data).fitted, fit.fitted)
    data["x"] = 0.0
    np.testing.assert_array_equal(fit.coef, other.coef)
    with pytest.raises(glmstat.DataError, match="another deviance"):
        other.with_data(data)


def test_separation_warns_and_returns(data):
    with pytest.warns(glmstat.SeparationWarning, match=r"f\[T.c\] → -inf"):
        fit = glm("y ~ f", data.assign(y=np.where(data.f == "c", 0, data.y)), "poisson")
    assert fit.coef["f[T.c]"] == -np.inf
    assert np.isnan(fit.stderror()["f[T.c]"])
    assert fit.status == "separated"


def test_perfect_fit_warns(data):
    with pytest.warns(glmstat.PerfectFitWarning, match="rounding"):
        fit = glm("z ~ x", data.assign(z=1 + 2 * data.x))
    assert fit.status == "perfect fit"


def test_non_convergence_warns(data):
    with pytest.warns(glmstat.ConvergenceWarning, match="Not converged"):
        fit = glm("y ~ x", data, "poisson", control=glmstat.Control(max_iterations=1))
    assert not fit.converged


def test_repr_is_the_first_two_lines(fit):
    first, second = repr(fit).splitlines()
    assert first == "Poisson regression, log link                     40 rows · 4 coefficients"
    assert second == FORMULA


def test_a_call_writes_down_words_and_marks_arrays():
    call = Call("glm", {"formula": "y ~ x", "data": object(), "weights": np.ones(3), "offset": "log(t)"})
    assert call.json == {"formula": "y ~ x", "weights": {"array": 3}, "offset": "log(t)"}
    assert call.without_arrays()["weights"] == NotKept()


def test_a_null_model_at_the_edge_has_infinite_deviance():
    fit = glm("y ~ 0 + x", {"x": [1, 2, 3, 4.0], "y": [0, 1, 4, 3]}, "poisson", link="identity")
    assert fit.null_deviance == np.inf
