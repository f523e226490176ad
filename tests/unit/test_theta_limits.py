"""Theta at its limits: several maxima, infinite theta in refits, separation, sampling weights."""

from __future__ import annotations

import warnings
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln

import glmstat
from glmstat import Fit, glm, negbin
from glmstat.errors import (
    ArgumentError,
    ComparisonError,
    DataError,
    FewClustersWarning,
    FormulaError,
    SeparationWarning,
)
from glmstat.families import NegativeBinomial
from glmstat.links import Log


def scattered(seed: int, low: int = 6, high: int = 15) -> pd.DataFrame:
    """A few counts of means that are far apart."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(low, high))
    x, theta = rng.normal(size=rows), 10 ** rng.uniform(-1, 1.5)
    mean = np.exp(rng.uniform(-1, 3) + x * (rng.normal(size=1) * rng.choice([0.5, 1, 2])))
    mean = np.minimum(mean, 1e6)
    return pd.DataFrame({"x": x, "y": rng.negative_binomial(theta, theta / (theta + mean)).astype(float)})


def grouped() -> pd.DataFrame:
    """Counts that are all 0 in the first level of f; g has the same groups, that one the last."""
    rng = np.random.default_rng(5)
    x, f = rng.normal(size=120), rng.choice(list("abc"), 120)
    mean = np.exp(0.6 + 0.4 * x)
    y = np.where(f == "a", 0, rng.negative_binomial(1.5, 1.5 / (1.5 + mean))).astype(float)
    data = pd.DataFrame({"x": x, "f": f, "y": y, "hit": (y > 0) * 1.0, "cl": np.arange(120) % 15})
    return data.assign(g=data["f"].map({"a": "z", "b": "b", "c": "c"}), w=rng.uniform(0.5, 2, 120))


def shifted() -> pd.DataFrame:
    """Counts that vary more than Poisson counts only where a factor is left out."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.normal(size=80), "z": rng.normal(size=80), "g": rng.choice(list("ab"), 80)})
    mean = np.exp(0.5 + 0.5 * data["x"] + 0.6 * (data["g"] == "b"))
    return data.assign(y=rng.poisson(mean * rng.gamma(12, 1 / 12, 80)).astype(float))


# ---------------------------------------------------------------- several maxima


def likeliest(data: pd.DataFrame) -> tuple[float, float]:
    """The highest log-likelihood over finite theta, from many starts; its theta."""
    y, X = data["y"].to_numpy(), np.column_stack([np.ones(len(data)), data["x"]])

    def loss(at: Any) -> float:
        theta, eta = np.exp(at[2]), np.clip(X @ at[:2], -50, 50)
        mean = np.exp(eta)
        inside = gammaln(y + theta) - gammaln(theta) - gammaln(y + 1)
        return -float(np.sum(inside + y * np.log(mean / theta) - (y + theta) * np.log1p(mean / theta)))

    start = np.linalg.lstsq(X, np.log(y + 0.5), rcond=None)[0]
    found = [minimize(loss, [*start, place], method="BFGS", tol=1e-10) for place in np.arange(-3.0, 6.0, 1.0)]
    best = min(found, key=lambda one: one.fun)
    return -best.fun, float(np.exp(best.x[2]))


@pytest.mark.parametrize("seed", [23, 148, 220, 482])
def test_the_likeliest_theta_is_found_where_large_theta_is_not_it(seed: int) -> None:
    data = scattered(seed)
    fit, (loglik, theta) = negbin("y ~ x", data), likeliest(data)
    assert fit.loglik > glm("y ~ x", data, "poisson").loglik + 0.05
    assert fit.loglik == pytest.approx(loglik, abs=1e-6)
    assert fit.shape is not None
    assert fit.shape.value == pytest.approx(theta, rel=1e-2)
    with_formula = glm("y ~ x", data, "negative_binomial", predictors={"theta": "~ 1"})
    assert with_formula.loglik == pytest.approx(fit.loglik, abs=1e-8)


def test_a_refit_that_starts_at_a_lower_maximum_does_not_stay_there() -> None:
    data = scattered(148)
    fit = negbin("y ~ x", data)
    one = fit.test("x = 0", method="lr")["statistic"][0]
    alone = negbin("y ~ 1", data)
    assert one == pytest.approx(2 * (fit.loglik - alone.loglik), abs=1e-6)


def test_a_jackknife_under_separation_has_the_finite_coefficients() -> None:
    data = grouped().iloc[:30]
    for formula in ("y ~ x + f", "y ~ x + g"):
        with pytest.warns(SeparationWarning):
            fit = glm(formula, data, "poisson")
        assert np.isfinite(float(fit.stderror("jackknife")["x"]))


def test_the_stop_is_clear_where_no_finite_theta_is_likelier() -> None:
    data = pd.DataFrame({"x": [0.0, 1, 2, 3, 4, 5], "y": [1.0, 2, 3, 4, 5, 6]})
    with pytest.raises(DataError, match="theta of negative_binomial is infinite"):
        negbin("y ~ x", data)


# ---------------------------------------------------------------- infinite theta in refits


@pytest.mark.parametrize("predictors", [None, {"theta": "~ 1"}])
def test_a_candidate_with_infinite_theta_has_the_numbers_of_poisson(predictors: Any) -> None:
    data = shifted()
    fit = glm("y ~ x", data, "negative_binomial", predictors=predictors)
    with pytest.raises(DataError, match=r"infinite|infinity"):
        fit.update(". ~ . + g")
    table = fit.add1("g + z")
    poisson = glm("y ~ x + g", data, "poisson")
    assert table["statistic"][1] == pytest.approx(2 * (poisson.loglik - fit.loglik), abs=1e-5)
    assert table["aic"][1] == pytest.approx(poisson.aic + 2, abs=1e-5)
    assert "with g: theta is infinite" in str(table)
    assert "with z" not in str(table)
    led = fit.step("x + g + z")
    assert led.fit.formula == "y ~ x"
    assert 'after + g theta is infinite, aic 273.86; family="poisson"' in " ".join(str(led).split())


@pytest.mark.parametrize("predictors", [None, {"theta": "~ 1"}])
def test_score_and_wald_tests_stop_at_infinite_theta_too(predictors: Any) -> None:
    fit = glm("y ~ x", shifted(), "negative_binomial", predictors=predictors)
    by_score = fit.step("x + g + z", criterion="test", test="Rao")
    assert by_score.fit.formula == "y ~ x"
    assert 'after + g theta is infinite, p 2.029e-05; family="poisson"' in " ".join(str(by_score).split())
    by_wald = fit.step("x + g + z", criterion="test", test="Wald")
    assert "not tested, g: with it theta is infinite" in " ".join(str(by_wald).split())
    table = fit.add1("g + z", test="Wald")
    assert np.isnan(table["p_value"][1]) and table["p_value"][2] > 0.05
    assert "g: with it theta is infinite" in str(table)


def test_resamples_with_infinite_theta_take_part() -> None:
    data = shifted()
    drawn = negbin("y ~ x", data).bootstrap(40, seed=1)
    assert "failed" not in str(drawn)
    formula = glm("y ~ x", data, "negative_binomial", predictors={"theta": "~ 1"}).bootstrap(40, seed=1)
    assert formula.confint()["conf_high"][2] == np.inf
    for end in ("conf_low", "conf_high"):
        np.testing.assert_allclose(formula.confint()[end][:2], drawn.confint()[end], rtol=1e-6)
    assert "1 theta infinite" in str(formula) and "separated" not in str(formula)


def test_responses_are_drawn_at_each_row_s_own_theta() -> None:
    """One theta for all rows: the draws are those of the fit without a formula."""
    data = shifted()
    plain = negbin("y ~ x", data).bootstrap(20, seed=1, resample="parametric")
    fit = glm("y ~ x", data, "negative_binomial", predictors={"theta": "~ 1"})
    drawn = fit.bootstrap(20, seed=1, resample="parametric")
    np.testing.assert_allclose(drawn.estimates[:, :2], plain.estimates, atol=1e-6)
    eta = np.column_stack([np.full(200_000, 1.0), np.repeat([-1.0, 2.0], 100_000)])
    y = fit.spec.likelihood.simulate(np.random.default_rng(2), eta).reshape(2, -1)
    mu, theta = np.exp(1.0), np.exp([-1.0, 2.0])
    np.testing.assert_allclose(y.mean(1), mu, rtol=0.03)
    np.testing.assert_allclose(y.var(1), mu + mu**2 / theta, rtol=0.05)


def test_moments_have_the_same_limit() -> None:
    drawn = negbin("y ~ x", shifted(), method="moments").bootstrap(40, seed=1)
    assert "failed" not in str(drawn)


# ---------------------------------------------------------------- separation


@pytest.mark.parametrize(
    ("family", "link", "response"),
    [("negative_binomial", "log", "y"), ("poisson", "log", "y"), ("binomial", "probit", "hit")],
)
def test_standard_errors_of_finite_coefficients_do_not_depend_on_the_coding(
    family: str, link: str, response: str
) -> None:
    data = grouped()
    with pytest.warns(SeparationWarning):
        first = glm(f"{response} ~ x + f", data, family, link=link)
    with pytest.warns(SeparationWarning):
        last = glm(f"{response} ~ x + g", data, family, link=link)
    left = glm(f"{response} ~ x + f", data[data["f"] != "a"], family, link=link)
    kinds = ["classical", "oim", "opg", "HC0", "HC3", "CR0 ~ cl", "CR2 ~ cl", "survey"]
    kinds += ["joint"] if family == "negative_binomial" else []
    for kind in kinds:
        warnings.simplefilter("ignore", FewClustersWarning)
        one, two, known = (float(fit.stderror(kind)["x"]) for fit in (first, last, left))
        assert one == pytest.approx(two, rel=1e-6), kind
        if kind != "survey":  # which counts the rows that are separated
            assert one == pytest.approx(known, rel=1e-6), kind
    np.testing.assert_allclose(
        np.asarray(first.influence().hat)[data["f"] != "a"], np.asarray(left.influence().hat), rtol=1e-6
    )


@pytest.mark.parametrize("compat", ["stata", "statsmodels"])
def test_other_systems_have_standard_errors_under_separation(compat: str) -> None:
    with pytest.warns(SeparationWarning):
        fit = negbin("y ~ x + f", grouped(), compat=compat)
    assert np.isfinite(np.asarray(fit.stderror())[list(fit.columns).index("x")])
    with pytest.warns(SeparationWarning):
        plain = negbin("y ~ x + f", grouped())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "se x" in str(plain.explain_difference(compat))


# ---------------------------------------------------------------- sampling weights


@pytest.mark.parametrize("compat", ["glmstat", "statsmodels", "sas", "stata"])
def test_sampling_weights_take_a_sandwich_whatever_the_system(compat: str) -> None:
    data = grouped().query("f != 'a'")
    fit = negbin("y ~ x", data, sampling_weights="w", compat=compat)
    assert fit.covariance.kind == "HC0"
    again = negbin("y ~ x", data, sampling_weights="100 * w", compat=compat)
    np.testing.assert_allclose(np.asarray(again.stderror()), np.asarray(fit.stderror()), rtol=1e-6)
    assert fit.refit(data).covariance == fit.covariance


@pytest.mark.parametrize(("family", "response"), [("negative_binomial", "y"), ("tweedie", "y")])
def test_sampling_weights_leave_a_shape_without_standard_error(family: str, response: str) -> None:
    data = grouped().query("f != 'a'")
    fit = glm(f"{response} ~ x", data, family, sampling_weights="w")
    assert fit.shape is not None
    assert np.isnan(fit.shape.std_error)
    for method in ("profile", "wald"):
        with pytest.raises(ComparisonError, match="sampling weights"):
            fit.shape.confint(method=method)
    with pytest.raises(ComparisonError, match="sampling weights"):
        _ = fit.shape.joint_std_error
    assert "no standard error, no interval" in " ".join(str(fit.shape).split())
    assert "std_error" not in next(line for line in str(fit).splitlines() if "(maximum likelihood)" in line)


# ---------------------------------------------------------------- words


def by_formula(formula: str, data: pd.DataFrame) -> Fit:
    return glm("y ~ x", data, "negative_binomial", predictors={"theta": formula})


def test_a_formula_of_theta_without_coefficients_is_printed() -> None:
    data = grouped().query("f != 'a'")
    assert "theta, log link: ~ 0 (no coefficient: theta is 1)" in str(by_formula("~ 0", data))
    assert "(no coefficient: theta is given by the offset)" in " ".join(
        str(by_formula("~ 0 + offset(x)", data)).split()
    )
    with pytest.raises(FormulaError, match=r'The formula of theta is empty. Write "~ z"'):
        by_formula("", data)


def test_exponentiated_theta_is_no_rate() -> None:
    text = str(by_formula("~ f", grouped().query("f != 'a'")).summary(eform=True))
    assert "Intercept: baseline rate\ntheta:Intercept: theta\ntheta:f[T.c]: ratio of thetas" in text


def test_a_null_deviance_that_is_not_defined_is_not_printed() -> None:
    with pytest.warns(SeparationWarning):
        fit = glm("y ~ x + f", grouped(), "negative_binomial", predictors={"theta": "~ f"})
    assert np.isnan(fit.null_deviance)
    assert "null" not in str(fit)


def test_what_to_use_instead_is_named() -> None:
    data = grouped().query("f != 'a'")
    fit = negbin("y ~ x", data)
    with pytest.raises(ComparisonError, match=r"test_poisson\(\)"):
        glmstat.anova(glm("y ~ x", data, "poisson"), fit)
    with pytest.raises(ComparisonError, match="which estimates theta in each"):
        glmstat.anova(negbin("y ~ 1", data, theta=2), fit)
    with pytest.raises(ArgumentError, match="its terms are x, theta:f"):
        by_formula("~ f", data).drop1("f")
    with pytest.raises(ArgumentError, match="the negative_binomial likelihood has dispersion 1"):
        negbin("y ~ x", data, dispersion="ml")  # type: ignore[arg-type]
    assert "theta held at its estimate" in " ".join(str(fit.influence()).split())


def test_large_counts_do_not_hide_the_last_steps() -> None:
    """y log mu - (y + theta) log(1 + mu / theta) cancels: the steps are seen, and the maximum is reached."""
    y = [2163.0, 0, 46, 0, 4, 0, 1710, 31, 4, 20722, 2]
    a = [0.90732536, -0.23263983, 0.35531299, -0.99461, 0.07426792, -0.40628931, 2.33921184]
    a += [-0.38721129, -0.72039043, 1.13251125, -0.22608064]
    b = [-1.35247896, -0.51690436, -0.77017882, 0.93953158, -0.46772589, -1.32836774, -0.41922345]
    b += [0.00574441, 0.54314254, 0.21197629, 1.33374449]
    c = [1.54347741, 0.62562687, 0.49449259, 0.04260877, 0.725885, -1.8253352, -0.06332859]
    c += [-1.3871256, -1.33910916, 0.40465672, 0.44745298]
    fit = negbin("y ~ a + b + c", {"y": y, "a": a, "b": b, "c": c}, theta=1)
    assert fit.converged and fit.estimate.convergence.iterations < 20
    X, mu = np.column_stack([np.ones(11), a, b, c]), np.asarray(fit.fitted)
    score = X.T @ ((np.asarray(y) - mu) / (1 + mu))
    J = X.T @ ((mu / (1 + mu))[:, None] * X)
    assert score @ np.linalg.solve(J, score) < 1e-16


@pytest.mark.parametrize("theta", [1e-3, 0.7, 1.0, 40.0, 1e9])
def test_the_objective_of_a_row_has_all_its_digits(theta: float) -> None:
    y = np.array([0.0, 3.0, 20722.0, 0.0, 5.0])
    eta = np.array([-30.0, 1.0, 9.2, 15.0, -4.0])
    found = NegativeBinomial(theta).kernel.slopes(y, eta, Log(), "none").objective
    with mpmath.workdps(50):
        for one, count, at in zip(found, y, eta, strict=True):
            mu = mpmath.exp(mpmath.mpf(float(at)))
            parts = (count * mpmath.log(mu / (1 + mu / theta)), theta * mpmath.log1p(mu / theta))
            scale = max(abs(parts[0]), abs(parts[1]), abs(count * np.log(theta)))
            assert abs(one - (parts[0] - parts[1])) <= 4e-16 * scale
