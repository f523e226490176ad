"""`compat="stata"` and `"sas"` against their published formulas, and against output that SAS published.

Stata: StataCorp, Base Reference Manual, [R] glm, "Methods and formulas": Newton-Raphson with the observed
information, scale(x2) for continuous and scale(1) for discrete families, z tests, AIC = (-2 lnL + 2k) / n,
BIC = D - (n - k) ln(n), robust variances with the factor n / (n - 1), clustered ones with G / (G - 1);
log-likelihoods of gamma and inverse Gaussian without a dispersion.

SAS: SAS/STAT User's Guide, The GENMOD Procedure, "Generalized Linear Models Theory" and examples 1 (logistic
regression) and 2 (normal regression, log link).
"""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln
from scipy.stats import chi2, norm

import glmstat
from glmstat import glm
from glmstat.errors import FewClustersWarning
from glmstat.families import Custom, Interval

D = pd.read_csv(Path(__file__).parent / "data" / "features_check_data.csv")
D = D.assign(c=np.tile(np.arange(1, 9), 5), r=np.where(D["s"] > 5, "yes", "no"))
N = len(D)
X = np.column_stack([np.ones(N), D["x"], D["f"] == "b"])
G, Y = D["g"].to_numpy(), D["y"].to_numpy()
GAMMA: dict[str, Any] = {"family": "gamma", "link": "log"}


def near(value: Any, rel: float = 1e-9) -> Any:
    return pytest.approx(value, rel=rel)


def hessian(objective: Any, at: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Second derivatives by differences of the fourth order."""
    size = len(at)
    weights = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
    out = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            for a, u in weights.items():
                for b, v in weights.items():
                    moved = at.copy()
                    moved[i] += a * step
                    moved[j] += b * step
                    out[i, j] += u * v * objective(moved) / step**2
    return out


# ---------------------------------------------------------------- Stata


def test_stata_gamma_by_its_formulas():
    fit = glm("g ~ x + f", D, **GAMMA, compat="stata")
    beta = fit.coef.to_numpy()
    mu = np.exp(X @ beta)
    k, pearson = 3, np.sum((G - mu) ** 2 / mu**2)
    phi = pearson / (N - k)
    loglik = np.sum(-G / mu + np.log(1 / mu))
    deviance = 2 * np.sum((G - mu) / mu - np.log(G / mu))
    information = (X * (G / mu)[:, None]).T @ X  # -l'' for phi = 1 and the log link
    covariance = phi * np.linalg.inv(information)
    assert list(fit.columns) == ["_cons", "x", "2.f"]
    assert fit.dispersion == near(phi)
    assert fit.loglik == near(loglik)
    assert fit.aic == near((-2 * loglik + 2 * k) / N)
    assert fit.bic == near(deviance - (N - k) * math.log(N))
    table = fit.summary().to_frame()
    se = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(table["std_error"], se, rtol=1e-9)
    np.testing.assert_allclose(table["p_value"], 2 * norm.sf(np.abs(beta / se)), rtol=1e-7)
    np.testing.assert_allclose(table["conf_low"], beta - norm.ppf(0.975) * se, rtol=1e-8)
    scores = X * ((G - mu) / mu)[:, None]
    bread = np.linalg.inv(information)
    robust = N / (N - 1) * bread @ scores.T @ scores @ bread
    np.testing.assert_allclose(fit.stderror("HC0"), np.sqrt(np.diag(robust)), rtol=1e-9)
    sums = pd.DataFrame(scores).groupby(D["c"].to_numpy()).sum().to_numpy()
    clustered = 8 / 7 * bread @ sums.T @ sums @ bread
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewClustersWarning)
        np.testing.assert_allclose(fit.stderror("~c"), np.sqrt(np.diag(clustered)), rtol=1e-9)
        shown = fit.summary("~c").to_frame()
    z = beta / np.sqrt(np.diag(clustered))
    np.testing.assert_allclose(shown["p_value"], 2 * norm.sf(np.abs(z)), rtol=1e-7)


def test_stata_inverse_gaussian_has_the_likelihood_of_dispersion_one():
    fit = glm("g ~ x", D, "inverse_gaussian", link="log", compat="stata")
    mu = fit.fitted.to_numpy()
    loglik = -0.5 * np.sum((G - mu) ** 2 / (G * mu**2) + np.log(G**3) + np.log(2 * np.pi))
    assert fit.loglik == near(loglik)
    assert fit.aic == near((-2 * loglik + 4) / N)


def test_stata_gaussian_has_the_likelihood_of_the_residual_variance():
    fit = glm("g ~ x", D, compat="stata")
    residuals = fit.residuals("response").to_numpy()
    variance = np.mean(residuals**2)
    loglik = -0.5 * np.sum(residuals**2 / variance + np.log(2 * np.pi * variance))
    assert fit.loglik == near(loglik)
    assert fit.aic == near((-2 * loglik + 4) / N)
    assert fit.bic == near(np.sum(residuals**2) - 38 * math.log(N))
    robust = fit.stderror("HC0") / glm("g ~ x", D).stderror("HC0").to_numpy()
    np.testing.assert_allclose(robust, math.sqrt(N / (N - 1)), rtol=1e-12)


def test_stata_probit_takes_the_observed_information():
    text = D.assign(yes=(D["s"] > 5).astype(int))
    fit = glm("yes ~ x", text, "binomial", link="probit", compat="stata")
    A, y = X[:, :2], text["yes"].to_numpy()

    def minus(beta: np.ndarray) -> float:
        eta = A @ beta
        return -float(np.sum(np.where(y == 1, norm.logcdf(eta), norm.logcdf(-eta))))

    observed = hessian(minus, fit.coef.to_numpy())
    np.testing.assert_allclose(fit.stderror(), np.sqrt(np.diag(np.linalg.inv(observed))), rtol=1e-6)
    assert fit.stderror("eim").to_list() == near(
        glm("yes ~ x", text, "binomial", link="probit").stderror().to_list()
    )
    assert fit.aic == near((2 * minus(fit.coef.to_numpy()) + 4) / N)


# ---------------------------------------------------------------- SAS

NORMAL = pd.DataFrame(
    {
        "x": [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 5],
        "y": [5, 7, 9, 7, 10, 8, 11, 9, 16, 13, 14, 25, 24, 34, 32, 30],
    }
)
DRUG = pd.DataFrame(
    {
        "drug": list("AAABBBBCCCCDDDEEEE"),
        "x": [
            0.1,
            0.23,
            0.67,
            0.2,
            0.3,
            0.45,
            0.78,
            0.04,
            0.15,
            0.56,
            0.7,
            0.34,
            0.6,
            0.7,
            0.2,
            0.34,
            0.56,
            0.8,
        ],
        "r": [1, 2, 1, 3, 4, 5, 5, 0, 0, 1, 2, 5, 5, 8, 12, 15, 13, 17],
        "n": [10, 12, 9, 13, 15, 16, 13, 10, 11, 12, 12, 10, 9, 10, 20, 20, 15, 20],
    }
)


def test_sas_prints_its_example_of_a_normal_regression():
    fit = glm("y ~ x", NORMAL, link="log", compat="sas")
    table = fit.summary().to_frame().round(4)
    assert table["estimate"].to_list() == [1.7214, 0.3496]
    assert table["std_error"].to_list() == [0.0894, 0.0206]
    assert table["conf_low"].to_list() == [1.5461, 0.3091]
    assert table["conf_high"].to_list() == [1.8966, 0.3901]
    assert table["statistic"].round(2).to_list() == [370.76, 286.64]
    assert math.sqrt(fit.dispersion) == pytest.approx(1.8080, abs=5e-5)
    assert "scale 1.81" in str(fit)
    assert [round(value, 4) for value in (fit.loglik, fit.aic, fit.aicc, fit.bic)] == [
        *(-32.1783, 70.3566, 72.3566),
        72.6743,
    ]
    assert round(fit.deviance, 4) == 52.3 and round(fit.deviance / fit.dispersion, 4) == 16.0


def test_sas_prints_its_example_of_a_logistic_regression():
    fit = glm("cbind(r, n - r) ~ x + drug", DRUG, "binomial", compat="sas")
    table = fit.summary().to_frame().round(4)
    assert table["estimate"].to_dict() == {
        "Intercept": 0.2792,
        "x": 1.9794,
        "drug A": -2.8955,
        "drug B": -2.0162,
        "drug C": -3.7952,
        "drug D": -0.8548,
    }
    assert table["std_error"].to_list() == [0.4196, 0.7660, 0.6092, 0.4052, 0.6655, 0.4838]
    assert round(fit.deviance, 4) == 5.2751


def test_sas_gamma_by_maximum_likelihood_of_all_parameters():
    fit = glm("g ~ x + f", D, **GAMMA, compat="sas")
    A = np.column_stack([np.ones(N), D["x"], D["f"] == "a"])

    def minus(theta: np.ndarray) -> float:
        mu, shape = np.exp(A @ theta[:3]), math.exp(theta[3])
        rows = shape * np.log(shape * G / mu) - shape * G / mu - np.log(G) - gammaln(shape)
        return -float(np.sum(rows))

    start = np.array([*fit.coef, 0.0])
    at = minimize(minus, start, method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose(fit.coef, at[:3], rtol=1e-5)
    assert 1 / fit.dispersion == near(math.exp(at[3]), 1e-5)
    assert fit.loglik == near(-minus(at), 1e-9)
    assert fit.aic == near(2 * minus(at) + 2 * 4, 1e-9)
    assert fit.aicc == near(2 * minus(at) + 2 * 4 * N / (N - 4 - 1), 1e-9)
    assert fit.bic == near(2 * minus(at) + 4 * math.log(N), 1e-9)
    exact = np.array([*fit.coef, -math.log(fit.dispersion)])
    se = np.sqrt(np.diag(np.linalg.inv(hessian(minus, exact, 1e-3))))
    np.testing.assert_allclose(fit.stderror(), se[:3], rtol=1e-6)
    table = fit.summary().to_frame()
    square = (table["estimate"] / table["std_error"]) ** 2
    np.testing.assert_allclose(table["statistic"], square, rtol=1e-12)
    np.testing.assert_allclose(table["p_value"], chi2.sf(square, 1), rtol=1e-7)


def test_sas_compares_with_the_last_level_and_models_the_first():
    fit = glm("r ~ x + f", D, "binomial", compat="sas")
    ours = glm("r ~ x + f", D, "binomial", event="no")
    assert fit.columns == ("Intercept", "x", "f a")
    assert fit.spec.design.modelled == "P(r == 'no')"
    assert fit.coef["x"] == near(ours.coef["x"])
    assert fit.coef["f a"] == near(-ours.coef["f[T.b]"])
    assert fit.coef["Intercept"] == near(ours.coef["Intercept"] + ours.coef["f[T.b]"])
    chosen = glm("r ~ x + f", D, "binomial", event="yes", contrasts={"f": "treatment"}, compat="sas")
    assert chosen.coef["f b"] == near(-ours.coef["f[T.b]"])


def test_sas_clusters_have_no_small_sample_factor():
    fit = glm("y ~ x", D, "poisson", compat="sas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewClustersWarning)
        ours = glm("y ~ x", D, "poisson").stderror("CR0 ~ c")
        assert fit.stderror("~c").to_list() == near(ours.to_list())
        assert "no small-sample factor" in str(fit.summary("~c"))


# ---------------------------------------------------------------- dispersion by ML, with prior weights

SHAPES = json.loads(
    (Path(__file__).parents[1] / "reference" / "inference" / "gamma_shape.json").read_text("utf-8")
)


@pytest.mark.parametrize("family", SHAPES)
def test_likeliest_dispersion_of_weights_that_divide_it_is_r_s(family):
    motor = glmstat.datasets.load("motor")
    paid = motor[motor["cost"] > 0]
    fit = glm("cost ~ age", paid, family, link="log", weights="exposure", dispersion="ml")
    expected = SHAPES[family]
    assert fit.dispersion == near(expected["dispersion"], 1e-11)
    np.testing.assert_allclose(fit.stderror(), expected["se"], rtol=1e-10)
    assert fit.loglik == near(expected["loglik"], 1e-12)  # at R's own dispersion, weights multiplying rows


@pytest.mark.parametrize("family", ["gamma", "inverse_gaussian", "gaussian", "square"])
@pytest.mark.parametrize("compat", ["glmstat", "sas"])
def test_the_unit_of_prior_weights_moves_nothing(family, compat):
    def density(y: Any, mu: Any, phi: Any) -> Any:
        return -y / mu / phi - np.log(mu * phi) / phi + (1 / phi - 1) * np.log(y) - gammaln(1 / phi)

    law = (
        Custom("square", lambda mu: mu**2, "log", density, domain=Interval(0.0))
        if family == "square"
        else family
    )
    seen = []
    for unit in (1.0, 50.0):
        weighted = D.assign(w=unit * (1.0 + np.arange(N) % 3))
        fit = glm("g ~ x + f", weighted, law, link="log", weights="w", dispersion="ml", compat=compat)
        lr = fit.drop1(test="LRT").to_frame()["statistic"].to_numpy()[1:]
        ends = fit.confint(method="profile").to_numpy().ravel()
        seen.append(np.concatenate([[fit.dispersion / unit], fit.stderror(), lr, ends]))
        if family == "square":
            own = glm("g ~ x + f", weighted, "gamma", link="log", weights="w", dispersion="ml", compat=compat)
            assert fit.dispersion == near(own.dispersion, 1e-6)
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-6 if family == "square" else 1e-9)


@pytest.mark.parametrize("family", ["gamma", "inverse_gaussian"])
def test_sas_evaluates_the_likelihood_at_its_maximum(family):
    weighted = D.assign(w=1.0 + np.arange(N) % 3)
    fit = glm("g ~ x", weighted, family, link="log", weights="w", compat="sas")
    mu, w = fit.fitted.to_numpy(), weighted["w"].to_numpy()

    def height(phi: float) -> float:
        if family == "gamma":
            nu = w / phi
            return float(np.sum(nu * np.log(nu * G / mu) - nu * G / mu - np.log(G) - gammaln(nu)))
        square = w * (G - mu) ** 2 / (phi * G * mu**2)
        return float(-0.5 * np.sum(square + np.log(2 * np.pi * phi * G**3 / w)))

    assert fit.loglik == near(height(fit.dispersion))
    for factor in (0.999, 1.001):
        assert height(factor * fit.dispersion) < fit.loglik
