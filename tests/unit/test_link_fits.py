"""Fits with the softplus and atanh links: R's numbers, half the logit, and maxima at infinity."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import SeparationWarning

HERE = Path(__file__).parent
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
R = json.loads((HERE.parent / "reference" / "inference" / "softplus.json").read_text("utf-8"))
FORMULAS = {
    "poisson": "y ~ x + f",
    "offset": "y ~ x + offset(t)",
    "gamma": "g ~ x + f",
    "inverse_gaussian": "g ~ x",
    "gaussian": "g ~ x + f",
    "negative_binomial(2)": "y ~ x + f",
}


@pytest.mark.parametrize("name", FORMULAS)
def test_softplus_is_r(name):
    fit = glm(FORMULAS[name], D, "poisson" if name == "offset" else name, link="softplus")
    assert fit.status == "converged"
    np.testing.assert_allclose(fit.coef, R[name]["coef"], rtol=1e-8)
    np.testing.assert_allclose(fit.stderror(), R[name]["std_error"], rtol=1e-7)
    assert fit.deviance == pytest.approx(R[name]["deviance"], rel=1e-10)
    assert fit.null_deviance == pytest.approx(R[name]["null"], rel=1e-10)


def test_softplus_of_a_group_is_its_mean():
    fit = glm("y ~ f", D, "tweedie(1.5)", link="softplus")
    means = D.groupby("f").y.mean()
    np.testing.assert_allclose(
        fit.predict(pd.DataFrame({"f": means.index}), type="response"), means, rtol=1e-12
    )


@pytest.mark.parametrize("response", ["b", "cbind(s, 10 - s)"])
def test_atanh_is_half_the_logit(response):
    data = D.assign(b=(D.g > 1.2).astype(float), half=np.log(D.t) / 2, whole=np.log(D.t))
    atanh = glm(f"{response} ~ x + f + offset(half)", data, "binomial", link="atanh")
    logit = glm(f"{response} ~ x + f + offset(whole)", data, "binomial")
    np.testing.assert_allclose(2 * atanh.coef, logit.coef, rtol=1e-10)
    np.testing.assert_allclose(2 * atanh.stderror(), logit.stderror(), rtol=1e-10)
    np.testing.assert_allclose(4 * atanh.vcov("HC3"), logit.vcov("HC3"), rtol=1e-8)
    for fact in ("deviance", "null_deviance", "loglik", "aic"):
        assert getattr(atanh, fact) == pytest.approx(getattr(logit, fact), rel=1e-12)
    np.testing.assert_allclose(atanh.fitted, logit.fitted, rtol=1e-10)


def test_atanh_models_the_mean_of_minus_one_and_one():
    data = D.assign(b=(D.g > 1.2).astype(float))
    fit = glm("b ~ x + f", data, "binomial", link="atanh")
    np.testing.assert_allclose(2 * fit.fitted - 1, np.tanh(fit.predict(type="link")), rtol=1e-12)


@pytest.mark.parametrize(
    "data",
    [
        {"b": [0, 0, 0, 1, 1, 1, 0, 1, 0], "f": list("aaabbbccc")},
        {"b": [0, 0, 0, 0, 1, 1, 1, 1], "f": [0.1, 0.5, 0.7, 1.0, 1.4, 1.5, 2.0, 4.0]},
    ],
    ids=["levels", "line"],
)
def test_atanh_is_separated_where_the_logit_is(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)
        atanh, logit = (glm("b ~ f", data, "binomial", link=link) for link in ("atanh", "logit"))
    assert atanh.status == logit.status == "separated"
    np.testing.assert_array_equal(np.isinf(atanh.coef), np.isinf(logit.coef))
    assert atanh.deviance == pytest.approx(logit.deviance, rel=1e-9, abs=1e-6)


def test_a_level_without_counts_is_separated_with_softplus():
    data = {"y": [0, 0, 0, 3, 1, 2, 0, 4, 1], "f": list("aaabbbccc")}
    with pytest.warns(SeparationWarning):
        fit = glm("y ~ f", data, "poisson", link="softplus")
    assert np.isneginf(fit.coef.iloc[0]) and fit.status == "separated"
