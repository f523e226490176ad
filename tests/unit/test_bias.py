"""Bias-reduced fits: numbers of brglm2, of brute force, and what is refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, minimize

import glmstat
from glmstat import anova, glm
from glmstat.errors import ArgumentError, ComparisonError, ConvergenceWarning
from glmstat.families import as_family
from tests.unit.pairs import pairs, rows

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "bias.json").read_text("utf-8"))
METHODS = ("firth", "median_br", "jeffreys")


def shipped(name: str) -> pd.DataFrame:
    """A table of the reference cases."""
    return pd.read_csv(HERE.parent / "reference" / "data" / f"{name}.csv")


D = pd.read_csv(HERE / "data" / "features_check_data.csv")
CLOTTING = shipped("clotting").assign(w=[1, 2, 3] * 3)
TREES = shipped("trees").assign(w=lambda t: 1 + (np.arange(1, len(t) + 1) % 3) / 2)
TREE_LOGS = "Volume ~ log(Girth) + log(Height)"

CASES: dict[str, tuple[str, pd.DataFrame, str, str, str | None]] = {
    "sep_logit": ("y ~ x + g", shipped("sep_quasi"), "binomial", "logit", None),
    "full_probit": ("y ~ x", shipped("sep_full"), "binomial", "probit", None),
    "birthwt_cauchit": ("low ~ lwt + smoke", shipped("birthwt"), "binomial", "cauchit", None),
    "birthwt_cloglog": (
        "low ~ age + lwt + race + smoke + ht + ui",
        shipped("birthwt"),
        "binomial",
        "cloglog",
        None,
    ),
    "budworm_probit": (
        "cbind(numdead, n - numdead) ~ sex * ldose",
        shipped("budworm"),
        "binomial",
        "probit",
        None,
    ),
    "zero_poisson": ("y ~ g + x", shipped("zero_cell"), "poisson", "log", None),
    "insurance_offset": (
        "Claims ~ District + offset(log(Holders))",
        shipped("Insurance"),
        "poisson",
        "log",
        None,
    ),
    "features_sqrt": ("y ~ x + f", D, "poisson", "sqrt", None),
    "clotting_log": ("lot1 ~ log(u)", CLOTTING, "gamma", "log", None),
    "clotting_inverse": ("lot1 ~ log(u)", CLOTTING, "gamma", "inverse", None),
    "clotting_weights": ("lot2 ~ log(u)", CLOTTING, "gamma", "log", "w"),
    "trees_normal_log": (TREE_LOGS, TREES, "gaussian", "log", None),
    "trees_normal": ("Volume ~ Girth + Height", TREES, "gaussian", "identity", None),
    "trees_inverse_gaussian": (TREE_LOGS, TREES, "inverse_gaussian", "log", "w"),
    "trees_gamma_identity": ("Volume ~ Girth + Height", TREES, "gamma", "identity", "w"),
}


def test_every_case_of_r_is_compared() -> None:
    assert set(R) == set(CASES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_estimates_are_those_of_brglm2(name: str, method: str) -> None:
    formula, data, family, link, weights = CASES[name]
    known = R[name][method]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = glm(formula, data, family, link=link, weights=weights, method=method)
    assert fit.status == "converged"
    np.testing.assert_allclose(fit.coef.to_numpy(), known["coef"], rtol=1e-9)
    np.testing.assert_allclose(fit.stderror().to_numpy(), known["se"], rtol=1e-9)
    assert fit.dispersion == pytest.approx(known["dispersion"], rel=1e-9)
    assert fit.deviance == pytest.approx(known["deviance"], rel=1e-10)
    assert fit.loglik == pytest.approx(known["loglik"], rel=1e-10)
    assert fit.aic == pytest.approx(known["aic"], rel=1e-10)
    estimated = family not in ("binomial", "poisson")
    assert fit.estimate.dispersion.estimator == ("adjusted" if estimated else "fixed")


def test_separated_data_of_features() -> None:
    fit = glm("I(x > 0) ~ x", D, "binomial", method="firth")
    np.testing.assert_allclose(fit.coef.to_numpy(), [-1.16753, 13.73915], atol=5e-6)


# pairs whose adjusted score has no root for these rows: a mean is pulled to the edge of its domain
ROOTLESS = {("tweedie(1.5)", "inverse_squared", "median_br")}


@pytest.mark.parametrize("method", METHODS)
def test_every_pair_solves_its_adjusted_score(method: str) -> None:
    ends = {}
    for family, link in pairs():
        if method == "median_br" and family.startswith("quasi"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = glm(
                "y ~ x0 + x1 + x2 + offset(o)",
                rows(family, link),
                family,
                link=link,
                weights="w",
                method=method,
            )
        ends[family, link, method] = fit.status
        if fit.status == "converged":
            score, size = adjusted_score(fit, method)
            assert np.abs(score / size).max() < 1e-6, (family, link)
    assert {pair for pair, status in ends.items() if status != "converged"} <= ROOTLESS


def adjusted_score(fit: Any, method: str) -> tuple[np.ndarray, np.ndarray]:
    """The adjusted score from dense matrices, derivatives by central differences, and its standard errors."""
    (block,) = fit.frame.blocks()
    X = block.X[0].dot(np.eye(len(fit.columns)))
    beta, family = fit.coef.to_numpy(), fit.spec.likelihood.family
    eta, weights = X @ beta + block.offset[:, 0], block.total
    g = family.link
    step = 1e-4 * (np.abs(eta) + 0.1)
    mu = g.mean(eta)
    first = (g.mean(eta + step) - g.mean(eta - step)) / (2 * step)
    second = (g.mean(eta + step) - 2 * mu + g.mean(eta - step)) / step**2
    variance = family.variance(mu)
    growth = (np.log(family.variance(g.mean(eta + step))) - np.log(family.variance(g.mean(eta - step)))) / (
        2 * step
    )
    information = weights * g.derivative(eta) ** 2 / variance
    J = X.T @ (X * information[:, None])
    F = np.linalg.inv(J)
    hat = information * np.einsum("ij,jk,ik->i", X, F, X)
    score = X.T @ (weights * (block.y - mu) * g.derivative(eta) / variance)
    ratio = second / first
    adjustment = X.T @ (0.5 * hat * (2 * ratio - growth if method == "jeffreys" else ratio))
    if method == "median_br":
        shift = [
            (F[j] @ (X.T @ (information * (X @ F[j]) ** 2 * (growth / 6 - ratio / 2)))) / F[j, j]
            for j in range(len(beta))
        ]
        adjustment = adjustment + J @ np.array(shift)
    unit = family.dispersion is not None or family.name in ("quasibinomial", "quasipoisson")
    phi = 1.0 if unit else fit.dispersion
    return score + phi * adjustment, np.sqrt(phi * np.diag(J))


# ---------------------------------------------------------------- penalised likelihood


def penalised(X: np.ndarray, y: np.ndarray, offset: np.ndarray | float = 0.0) -> Callable[[Any], float]:
    """-2 times the logistic likelihood penalised by Jeffreys' prior."""

    def value(beta: Any) -> float:
        eta = np.clip(X @ np.asarray(beta) + offset, -300, 300)
        small = np.exp(-np.abs(eta))
        loglik = np.sum((y - (eta > 0)) * eta - np.log1p(small))
        found = -2 * (loglik + 0.5 * np.linalg.slogdet(X.T @ (X * (small / (1 + small) ** 2)[:, None]))[1])
        return float(found) if np.isfinite(found) else 1e9

    return value


def least(function: Callable[[Any], float], start: Any) -> float:
    found = minimize(function, start, method="BFGS", options={"gtol": 1e-9})
    return float(
        minimize(function, found.x, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13}).fun
    )


def brute(X: np.ndarray, y: np.ndarray, column: int) -> tuple[float, float, float]:
    """The likelihood ratio of one column, and the ends of its 95 % profile, by maximisation."""
    value, width = penalised(X, y), X.shape[1]
    start = np.zeros(width)
    best = least(value, start)
    middle = minimize(value, start, method="BFGS").x[column]
    rest = [k for k in range(width) if k != column]

    def profile(held: float) -> float:
        return least(lambda free: value(np.insert(free, column, held)), start[rest]) - best

    cut = 3.841458820694124
    ends = []
    for side in (-1.0, 1.0):
        far = middle + side
        while profile(far) < cut:
            far += side * abs(far - middle)
        ends.append(brentq(lambda v: profile(v) - cut, *sorted((middle, far)), xtol=1e-9))
    return profile(0.0), *ends


@pytest.mark.parametrize(
    ("name", "formula", "column", "term"),
    [
        ("sep_full", "y ~ x", 1, "x"),
        ("sep_quasi", "y ~ x + g", 2, "g[T.b]"),
        ("birthwt", "low ~ smoke + ht", 2, "ht"),
    ],
)
def test_penalised_ratio_and_profile_by_brute_force(name: str, formula: str, column: int, term: str) -> None:
    data = shipped(name)
    fit = glm(formula, data, "binomial", method="firth")
    (block,) = fit.frame.blocks()
    ratio, low, high = brute(block.X[0].dot(np.eye(len(fit.columns))), block.y, column)
    assert fit.test(term, method="lr").tests[0].statistic == pytest.approx(ratio, rel=1e-7)
    found = fit.confint(of=term, method="profile").to_numpy()[0]
    np.testing.assert_allclose(found, [low, high], rtol=1e-6)
    assert np.isfinite(found).all()


def test_restriction_of_a_sum_holds_the_penalty_of_all_columns() -> None:
    data = shipped("birthwt")
    fit = glm("low ~ lwt + smoke + ht", data, "binomial", method="jeffreys")
    X = np.column_stack([np.ones(len(data)), data.lwt / 100, data.smoke, data.ht])
    value = penalised(X, data.low.to_numpy(float))
    free = least(value, np.zeros(4))
    held = least(lambda b: value([b[0], b[1], b[2], 2.0 - b[2]]), np.zeros(3))
    found = fit.test("smoke + ht = 2", method="lr").tests[0].statistic
    assert found == pytest.approx(held - free, rel=1e-6)


def test_tables_of_ratios_agree() -> None:
    data = shipped("birthwt")
    fit = glm("low ~ age + lwt + race + smoke", data, "binomial", method="firth")
    small = glm("low ~ age + lwt + smoke", data, "binomial", method="firth")
    by_test = fit.test("race", method="lr").tests[0]
    assert by_test.df == 2
    for table, row in ((fit.drop1(), "race"), (fit.anova("II"), "race"), (anova(small, fit), fit.formula)):
        assert table.to_frame().loc[row, "statistic"] == pytest.approx(by_test.statistic, rel=1e-9)
        assert "penalised by log|information| / 2" in str(table)
    assert "aic" not in fit.drop1().to_frame()


def test_jeffreys_profile_with_an_estimated_dispersion() -> None:
    fit = glm("lot1 ~ log(u)", CLOTTING, "gamma", link="log", method="jeffreys")
    X = np.column_stack([np.ones(9), np.log(CLOTTING.u)])
    y, phi = CLOTTING.lot1.to_numpy(float), fit.dispersion

    def value(beta: Any) -> float:  # the information of a gamma fit with log link does not depend on beta
        mu = np.exp(X @ np.asarray(beta))
        return float(2 * np.sum((y - mu) / mu - np.log(y / mu)))

    best = least(value, fit.coef.to_numpy())
    held = least(lambda b: value([b[0], -0.5]), [5.0])
    found = fit.test("log(u) = -0.5", method="lr").tests[0]
    assert found.statistic == pytest.approx((held - best) / phi, rel=1e-6)
    assert found.reference == "F(1, 7)"


def test_profiles_of_inverse_link_hold_the_dispersion() -> None:
    fit = glm("lot1 ~ log(u)", CLOTTING, "gamma", link="inverse", method="firth")
    X = np.column_stack([np.ones(9), np.log(CLOTTING.u)])
    y, phi = CLOTTING.lot1.to_numpy(float), fit.dispersion

    def value(beta: Any) -> float:
        eta = X @ (np.asarray(beta) / [100, 10])
        if (eta <= 0).any():
            return np.inf
        mu = 1 / eta
        deviance = 2 * np.sum((y - mu) / mu - np.log(y / mu))
        return float(deviance / phi - np.linalg.slogdet(X.T @ (X * (mu**2)[:, None]))[1])

    best = least(value, fit.coef.to_numpy() * [100, 10])
    held = least(lambda b: value([b[0], 0.14]), [-1.6])
    found = fit.test("log(u) = 0.014", method="lr").tests[0]
    assert found.statistic == pytest.approx(held - best, rel=1e-5)


def test_ends_are_finite_where_maximum_likelihood_has_none() -> None:
    data = glmstat.datasets.load("separation")
    fit = glm("cured ~ dose + group", data, "binomial", method="firth")
    assert np.isfinite(fit.confint(method="profile").to_numpy()).all()
    zero = glm("y ~ g + x", shipped("zero_cell"), "poisson", method="firth")
    assert np.isfinite(zero.confint(method="profile").to_numpy()).all()


# ---------------------------------------------------------------- dispersion


@pytest.mark.parametrize(("method", "less"), [("firth", 3), ("median_br", 3 + 2 / 3), ("jeffreys", -5)])
def test_gaussian_dispersion_in_closed_form(method: str, less: float) -> None:
    fit = glm("Volume ~ Girth + Height", TREES, method=method)
    plain = glm("Volume ~ Girth + Height", TREES)
    np.testing.assert_allclose(fit.coef, plain.coef, rtol=1e-11)
    assert fit.dispersion == pytest.approx(plain.deviance / (31 - less), rel=1e-12)


@pytest.mark.parametrize(("quasi", "plain"), [("quasibinomial", "binomial"), ("quasipoisson", "poisson")])
def test_quasi_families_have_the_coefficients_of_their_family(quasi: str, plain: str) -> None:
    data = shipped("birthwt")
    two = [glm("low ~ lwt + smoke", data, family, method="firth") for family in (quasi, plain)]
    np.testing.assert_allclose(two[0].coef, two[1].coef, rtol=1e-12)
    assert two[0].estimate.dispersion.estimator == "pearson"
    assert "scores adjusted as for dispersion 1" in " ".join(str(two[0]).split())


def test_dispersion_as_asked() -> None:
    def fit(dispersion: Any) -> Any:
        return glm(TREE_LOGS, TREES, "gamma", link="log", method="firth", dispersion=dispersion)

    pearson = fit("pearson")
    assert pearson.dispersion == pytest.approx(pearson.pearson / 28, rel=1e-12)
    np.testing.assert_allclose(pearson.coef, fit(pearson.dispersion).coef, rtol=1e-9)
    deviance = fit("deviance")
    assert deviance.dispersion == pytest.approx(deviance.deviance / 28, rel=1e-12)
    assert "scores adjusted at this dispersion, estimated along with them" in " ".join(str(deviance).split())
    most_likely = fit("ml")
    plain = glm(TREE_LOGS, TREES, "gamma", link="log", dispersion="ml")
    assert most_likely.dispersion == pytest.approx(plain.dispersion, rel=1e-3)
    tiny = fit(1e-12)
    np.testing.assert_allclose(tiny.coef, glm(TREE_LOGS, TREES, "gamma", link="log").coef, rtol=1e-9)
    with pytest.raises(ArgumentError, match="dispersion must be > 0"):
        fit(-1.0)


def test_moments_of_the_gamma_dispersion_meet_their_series() -> None:
    gamma = as_family("gamma")
    near, far = (gamma.dispersion_moments(np.ones(1), phi) for phi in (1.0000001e-4, 0.9999999e-4))
    assert near is not None
    assert far is not None
    for one, two, power in zip(near, far, (1, 2, 3), strict=True):
        assert one[0] / 1.0000001**power == pytest.approx(two[0] / 0.9999999**power, rel=1e-10)


def test_many_distinct_weights_are_summed_by_passes() -> None:
    rng = np.random.default_rng(5)
    n = 5000
    data = {"x": rng.normal(size=n), "w": rng.uniform(0.5, 2, n)}
    data["y"] = rng.gamma(3 * data["w"], np.exp(data["x"]) / (3 * data["w"]))
    fit = glm("y ~ x", data, "gamma", link="log", weights="w", method="firth")
    few = glm(
        "y ~ x", {**data, "w": np.round(data["w"], 3)}, "gamma", link="log", weights="w", method="firth"
    )
    assert fit.dispersion == pytest.approx(few.dispersion, rel=1e-3)
    assert fit.dispersion == pytest.approx(1 / 3, rel=0.1)


# ---------------------------------------------------------------- rows


def test_aliased_columns_are_left_out() -> None:
    data = shipped("birthwt").assign(twice=lambda t: 2 * t.lwt)
    fit = glm("low ~ lwt + twice + smoke", data, "binomial", method="firth")
    plain = glm("low ~ lwt + smoke", data, "binomial", method="firth")
    assert list(fit.estimate.aliased) == ["twice"]
    np.testing.assert_allclose(fit.coef.dropna(), plain.coef, rtol=1e-9)
    one, two = (each.test("smoke", method="lr").tests[0].statistic for each in (fit, plain))
    assert one == pytest.approx(two, rel=1e-8)


def test_zero_weights_are_rows_that_are_not_there() -> None:
    data = shipped("sep_quasi")
    extra = pd.concat([data, data.iloc[:3].assign(y=lambda t: 1 - t.y)], ignore_index=True)
    extra["w"] = [1.0] * len(data) + [0.0] * 3
    for method in METHODS:
        with_rows, without = (
            glm("y ~ x + g", extra, "binomial", weights="w", method=method),
            glm("y ~ x + g", data, "binomial", method=method),
        )
        np.testing.assert_allclose(with_rows.coef, without.coef, rtol=1e-8)
        assert with_rows.nobs == without.nobs


def test_saved_and_read_again(tmp_path: Path) -> None:
    fit = glm("y ~ x + g", shipped("sep_quasi"), "binomial", method="firth")
    fit.save(tmp_path / "fit.glmstat")
    again = glmstat.load(tmp_path / "fit.glmstat")
    assert again == fit
    assert str(again) == str(fit)
    np.testing.assert_allclose(
        again.update("y ~ x", data=shipped("sep_quasi")).coef, fit.update("y ~ x").coef
    )


def test_sandwich_clusters_bootstrap_jackknife_and_deletion_follow() -> None:
    data = shipped("birthwt").iloc[::3].reset_index(drop=True)
    fit = glm("low ~ lwt + smoke", data, "binomial", method="firth")
    (block,) = fit.frame.blocks()
    X = block.X[0].dot(np.eye(3))
    p = fit.fitted.to_numpy()
    bread = np.linalg.inv(X.T @ (X * (p * (1 - p))[:, None]))
    meat = X.T @ (X * ((block.y - p) ** 2)[:, None])
    np.testing.assert_allclose(fit.vcov("HC0"), bread @ meat @ bread, rtol=1e-8)
    jackknife = fit.stderror("jackknife").to_numpy()
    np.testing.assert_allclose(jackknife, fit.stderror("HC3"), rtol=0.15)
    deleted = fit.influence().deletion("exact").to_frame()
    gone = glm("low ~ lwt + smoke", data.drop(index=3), "binomial", method="firth")
    np.testing.assert_allclose(
        deleted.loc[3, "dfbeta_smoke"], fit.coef["smoke"] - gone.coef["smoke"], rtol=1e-6
    )
    assert len(fit.bootstrap(20, seed=1).to_frame()) == 20
    with pytest.warns(glmstat.FewClustersWarning):
        assert np.isfinite(fit.stderror(glmstat.Covariance("CR1", "race"))).all()


# ---------------------------------------------------------------- what is refused


def refusals() -> list[Any]:
    return [
        ("lr", lambda fit: fit.test("x", method="lr"), "jeffreys"),
        ("profile", lambda fit: fit.confint(method="profile"), "jeffreys"),
        ("anova", lambda fit: fit.anova(), "jeffreys"),
        ("score", lambda fit: fit.test("x", method="score"), "method="),
        ("step", lambda fit: fit.step(), "drop1"),
    ]


@pytest.mark.parametrize(("what", "call", "instead"), refusals())
def test_what_rests_on_a_likelihood_is_refused_without_one(what: str, call: Any, instead: str) -> None:
    for method, link in (("median_br", "logit"), ("firth", "probit")):
        fit = glm("y ~ x", shipped("sep_full"), "binomial", link=link, method=method)
        with pytest.raises(ComparisonError, match=instead):
            call(fit)


def test_scores_and_neighbours_are_refused_with_a_penalty() -> None:
    fit = glm("y ~ x", shipped("sep_quasi"), "binomial", method="firth")
    plain = glm("y ~ 1", shipped("sep_quasi"), "binomial")
    for call in (
        lambda: fit.test("x", method="score"),
        lambda: fit.drop1(test="Rao"),
        lambda: fit.confint(method="score"),
        lambda: fit.score_test_nn(),
    ):
        with pytest.raises(ComparisonError, match="the scores themselves are not 0"):
            call()
    for call in (lambda: fit.add1(". + g"), lambda: fit.step()):
        with pytest.raises(ComparisonError, match="penalties of models with other columns"):
            call()
    with pytest.raises(ComparisonError, match='different ways: maximum likelihood and method="firth"'):
        anova(plain, fit)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "first"}, "Did you mean 'firth'"),
        ({"method": "firth", "sampling_weights": "x2"}, "does not go with sampling_weights"),
        ({"method": "median_br", "family": "quasibinomial"}, "third moment"),
        ({"method": "firth", "formula": "y ~ x | g"}, "absorbed effects"),
        ({"method": "firth", "prior": "weak"}, "do not go together"),
    ],
)
def test_calls_that_are_refused(arguments: dict[str, Any], words: str) -> None:
    data = shipped("sep_quasi").assign(x2=1.0)
    with pytest.raises(ArgumentError, match=words):
        glm(**{"formula": "y ~ x", "data": data, "family": "binomial", **arguments})


def test_no_dispersion_without_residual_degrees_of_freedom() -> None:
    data = {"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 3.0]}
    with pytest.raises(ArgumentError, match="needs the dispersion"):
        glm("y ~ x + I(x**2)", data, "gamma", link="log", method="firth")


def test_no_root_inside_the_domain_is_said() -> None:
    data = {"y": [0.0, 0, 1, 2, 5, 3, 8, 0], "x": np.arange(8.0)}
    with pytest.warns(ConvergenceWarning, match="no root found inside the domain"):
        fit = glm("y ~ x", data, "poisson", link="identity", method="jeffreys")
    assert (fit.fitted > 0).all()
    with pytest.warns(glmstat.BoundaryWarning, match='Take a link without an edge, such as link="log"'):
        linear = glm("y ~ x", data, "poisson", link="identity", method="firth")
    assert "those of maximum likelihood" in " ".join(str(linear).split())


def test_separation_names_the_remedy() -> None:
    with pytest.warns(
        glmstat.SeparationWarning, match=r'confint\(method="profile"\), or fit with method="firth"'
    ):
        glm("y ~ x", shipped("sep_full"), "binomial")


def test_summary_says_what_the_table_is() -> None:
    text = " ".join(str(glm("y ~ x", shipped("sep_full"), "binomial", method="firth")).split())
    for words in (
        'method="firth": scores adjusted to reduce the mean bias (Firth)',
        "likelihood ratios and profiles: penalised by log|information| / 2 of all columns of the fit",
        "loglik, AIC and BIC: of the likelihood without penalty, at these estimates",
    ):
        assert words in text
