from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import glmstat
from glmstat import glm
from glmstat.errors import ColumnError, DataError
from tests.unit.sample import frame

FORMULA = "y ~ x + f + offset(log(t))"


@pytest.fixture(scope="module")
def data():
    return frame()


@pytest.fixture(scope="module")
def fit(data):
    return glm(FORMULA, data, "poisson")


@pytest.fixture
def new():
    return pd.DataFrame(
        {"x": [0.0, 1.0, -0.5], "f": ["a", "c", "b"], "t": [1.0, 2.0, 3.0]}, index=["p", "q", "r"]
    )


def matrix(new):
    return np.column_stack([np.ones(len(new)), new.x, new.f == "b", new.f == "c"]).astype(float)


def test_predicting_the_data_gives_the_fitted_means(fit, data):
    np.testing.assert_array_equal(fit.predict(data), fit.fitted)
    np.testing.assert_array_equal(fit.predict(), fit.fitted)


def test_the_offset_is_evaluated_again(fit, new):
    eta = matrix(new) @ fit.coef.to_numpy() + np.log(new.t)
    predicted = fit.predict(new, type="link")
    np.testing.assert_allclose(predicted, eta, rtol=1e-13)
    np.testing.assert_allclose(fit.predict(new), np.exp(eta), rtol=1e-13)
    assert list(predicted.index) == ["p", "q", "r"]
    assert predicted.name == "link"


def test_standard_errors_and_transformed_ends(fit, new):
    X = matrix(new)
    se = np.sqrt(np.einsum("ij,jk,ik->i", X, fit.vcov().to_numpy(), X))
    link = fit.predict(new, type="link", se_fit=True, interval="confidence", level=0.9)
    mean = fit.predict(new, se_fit=True, interval="confidence", level=0.9)
    np.testing.assert_allclose(link.std_error, se, rtol=1e-12)
    np.testing.assert_allclose(mean.std_error, mean.estimate * se, rtol=1e-12)
    np.testing.assert_allclose(link.conf_low, link.estimate - ndtri(0.95) * se, rtol=1e-12)
    np.testing.assert_allclose(mean.conf_high, np.exp(link.conf_high), rtol=1e-12)
    assert list(mean.columns) == ["estimate", "std_error", "conf_low", "conf_high"]


def test_ends_are_in_order_under_a_decreasing_link(data):
    fit = glm("g ~ x", data, "gamma")
    ends = fit.predict(data, interval="confidence")
    assert (ends.conf_low < ends.estimate).all()
    assert (ends.estimate < ends.conf_high).all()


def test_vcov_of_the_call_is_used(fit, new):
    robust = fit.predict(new, se_fit=True, vcov="HC0").std_error
    np.testing.assert_array_equal(robust, fit.with_vcov("HC0").predict(new, se_fit=True).std_error)
    assert not np.allclose(robust, fit.predict(new, se_fit=True).std_error)


def test_missing_values_are_nan_in_their_place(fit, new):
    new.loc["q", "x"] = np.nan
    new.loc["r", "t"] = np.nan
    predicted = fit.predict(new, se_fit=True)
    assert predicted.isna().all(axis=1).tolist() == [False, True, True]


def test_terms_add_up_to_the_link(fit, new):
    terms = fit.predict(new, type="terms")
    total = terms.sum(axis=1) + terms.attrs["constant"] + np.log(new.t)
    np.testing.assert_allclose(total, fit.predict(new, type="link"), rtol=1e-12)
    np.testing.assert_allclose(fit.predict(type="terms").mean(), 0, atol=1e-14)


def test_terms_without_intercept_are_not_centred(data):
    fit = glm("y ~ 0 + x", data, "poisson")
    np.testing.assert_allclose(fit.predict(type="terms")["x"], data.x * fit.coef["x"], rtol=1e-14)


def test_unseen_levels_are_refused_by_name(fit, new):
    new.loc["q", "f"] = "d"
    with pytest.raises(glmstat.DataError, match="'f' has level 'd', not seen in the fit: 1 row"):
        fit.predict(new)
    assert fit.predict(new, new_levels="na").isna().tolist() == [False, True, False]


def test_a_missing_offset_column_is_named(fit, new):
    with pytest.raises(glmstat.ColumnError, match=r"needs column 't' for offset\(log\(t\)\)"):
        fit.predict(new.drop(columns="t"))


def test_offsets_given_as_arrays_are_needed_again(data, new):
    fit = glm("y ~ x", data, "poisson", exposure=data.t)
    with pytest.raises(glmstat.GlmstatError, match="exposure"):
        fit.predict(new)
    np.testing.assert_allclose(
        fit.predict(new, exposure=[1.0, 2.0, 3.0]) / fit.predict(new, exposure=[1, 1, 1]), [1, 2, 3]
    )


def test_rows_that_aliasing_makes_non_estimable_are_refused(data):
    fit = glm("y ~ x + double", data.assign(double=2 * data.x), "poisson")
    plain = glm("y ~ x", data, "poisson")
    good = pd.DataFrame({"x": [0.0, 1.0], "double": [0.0, 2.0]})
    np.testing.assert_allclose(fit.predict(good), plain.predict(good), rtol=1e-12)
    with pytest.raises(glmstat.DataError, match=r"not estimable: row 1 \(1 row\)"):
        fit.predict(good.assign(double=[0.0, 3.0]))


def test_predictions_at_infinity_take_the_limit(data):
    with pytest.warns(glmstat.SeparationWarning):
        fit = glm("y ~ f", data.assign(y=np.where(data.f == "c", 0, data.y)), "poisson")
    new = pd.DataFrame({"f": ["a", "c"]})
    predicted = fit.predict(new, se_fit=True)
    assert predicted.estimate[1] == 0.0
    assert np.isnan(predicted.std_error[1])
    assert np.isfinite(predicted.loc[0]).all()
    assert fit.predict(new, type="link")[1] == -np.inf


def test_intervals_do_not_depend_on_which_level_is_the_reference(data):
    """Infinite coefficients that cancel leave a finite predictor, with its standard error."""
    zero = data.assign(y=np.where(data.f == "a", 0, data.y))
    last = zero.assign(f=pd.Categorical(zero.f, categories=sorted(set(zero.f))[::-1]))
    with pytest.warns(glmstat.SeparationWarning):
        first, other = glm("y ~ f + x", zero, "poisson"), glm("y ~ f + x", last, "poisson")
    assert first.coef["Intercept"] == -np.inf and np.isfinite(other.coef["Intercept"])
    for vcov in (None, "HC1"):
        one, two = (
            fit.predict(interval="confidence", se_fit=True, vcov=vcov).to_numpy() for fit in (first, other)
        )
        np.testing.assert_allclose(one, two, rtol=1e-7)
        np.testing.assert_array_equal(np.isnan(one[:, 1:]).any(axis=1), zero.f == "a")
    new = pd.DataFrame({"f": ["a", "b"], "x": [0.0, 0.3]})
    one, two = (fit.predict(new, se_fit=True).to_numpy() for fit in (first, other))
    np.testing.assert_allclose(one, two, rtol=1e-7)


def test_results_are_in_the_library_of_the_new_data(fit, new):
    polars = pytest.importorskip("polars")
    predicted = fit.predict(polars.from_pandas(new), se_fit=True)
    assert isinstance(predicted, polars.DataFrame)
    np.testing.assert_array_equal(predicted["estimate"].to_numpy(), fit.predict(new).to_numpy())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"type": "reponse"}, r"Unknown type: 'reponse'.*Did you mean 'response'"),
        ({"interval": "prediction"}, "Unknown interval: 'prediction'"),
        ({"level": 95}, "level must lie strictly between 0 and 1"),
        ({"type": "terms", "se_fit": True}, "Leave out se_fit"),
    ],
)
def test_unknown_words_are_refused(fit, new, words, message):
    with pytest.raises(glmstat.ArgumentError, match=message):
        fit.predict(new, **words)


def test_numbers_are_those_of_r():
    fit = glm("y ~ x + f", glmstat.datasets.load("trips"), "poisson")
    first = fit.predict(se_fit=True, interval="confidence").iloc[0]
    np.testing.assert_allclose(
        first[["std_error", "conf_low", "conf_high"]], [0.321458, 0.834279, 2.141564], atol=3e-6
    )
    assert fit.predict(type="link", se_fit=True).std_error[0] == pytest.approx(0.240493, abs=3e-6)
    assert fit.predict(type="terms").attrs["constant"] == pytest.approx(0.413137, abs=3e-6)


def test_subset_and_missing_rows_have_their_places(data):
    holes = data.copy()
    holes.loc[holes.index[3], "x"] = np.nan
    words = {"subset": "t > 0.7", "na_action": "exclude"}
    fit = glm("y ~ x", holes, "poisson", **words)
    assert fit.fitted.index.equals(holes.index[holes.t > 0.7])
    assert fit.fitted.isna().sum() == 1


def test_means_outside_the_domain_are_nan(data):
    fit = glm("g ~ x", data, "gamma", link="identity")
    new = pd.DataFrame({"x": [0.0, -100.0]})
    with pytest.warns(glmstat.ExtrapolationWarning, match=r"outside the domain of gamma: row 1 \(1 row\)"):
        predicted = fit.predict(new, interval="confidence")
    assert predicted.isna().all(axis=1).tolist() == [False, True]
    assert fit.predict(new, type="link")[1] < 0


def test_a_bound_has_no_standard_error():
    with pytest.warns(glmstat.BoundaryWarning):
        fit = glm("y ~ x", {"y": [0, 0, 1, 3, 5, 6], "x": [0, 1, 2, 3, 4, 5]}, "poisson", link="identity")
    assert fit.predict({"x": [0.0]}, se_fit=True).std_error.isna().all()


@pytest.fixture(scope="module")
def intervals():
    x = np.linspace(0.1, 3.9, 40)
    return glm("y ~ cut(x, c(0, 1, 2, 4))", pd.DataFrame({"x": x, "y": np.sin(x)}))


def test_a_value_outside_the_breaks_is_refused_as_in_the_fit(intervals):
    with pytest.raises(DataError, match=r"cut\(x, c\(0, 1, 2, 4\)\) is nan in rows 1, 3 \(2 rows\)\. Widen"):
        intervals.predict({"x": [0.5, 9.0, 1.5, -1.0]})
    with pytest.raises(DataError, match="row 1"):
        intervals.predict({"x": [0.5, 9.0]}, new_levels="reference")


def test_missing_values_and_new_levels_left_out_stay_nan_beside_breaks(intervals):
    assert np.isnan(intervals.predict({"x": [0.5, np.nan]})).tolist() == [False, True]
    assert np.isnan(intervals.predict({"x": [0.5, 9.0]}, new_levels="na")).tolist() == [False, True]


@pytest.mark.parametrize("formula", [FORMULA, "y ~ bs(x, 4) * f", "y ~ cut(x, 3) + poly(t, 2)", "y ~ 1"])
@pytest.mark.parametrize("type", ["response", "link", "terms"])
def test_no_rows_give_a_result_of_no_rows(data, formula, type):
    fit = glm(formula, data, "poisson")
    found = fit.predict(data.iloc[:0], type=type)
    full = fit.predict(data, type=type)
    assert len(found) == 0 and found.__class__ is full.__class__
    if type == "terms":
        assert list(found.columns) == list(full.columns)
    else:
        assert found.name == full.name and found.dtype == full.dtype


@pytest.mark.parametrize("words", [{"se_fit": True}, {"interval": "confidence"}])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_no_rows_give_a_table_with_its_columns(fit, data, words, library):
    table = data
    if library != "pandas":
        module = pytest.importorskip(library)
        table = module.from_pandas(data) if library == "polars" else module.Table.from_pandas(data)
    found, full = fit.predict(table[:0], **words), fit.predict(table, **words)
    assert len(found) == 0 and type(found) is type(full)
    names = "column_names" if library == "pyarrow" else "columns"
    assert list(getattr(found, names)) == list(getattr(full, names))


def test_empty_lists_are_no_rows(fit):
    assert len(fit.predict({"x": [], "f": [], "t": []})) == 0
    assert len(fit.predict(pd.DataFrame({"x": [], "f": [], "t": []}))) == 0
    assert len(fit.predict(pd.DataFrame({"x": [], "f": [], "t": []}, dtype=object))) == 0


def test_no_rows_still_need_the_columns(fit):
    with pytest.raises(ColumnError, match="'t'"):
        fit.predict({"x": [], "f": []})
