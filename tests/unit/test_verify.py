"""Certificates: what is right is verified, what is wrong is caught, and digits are those that there are."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, datasets, glm
from glmstat.errors import ArgumentError, ComparisonError, DataError
from glmstat.inference.verify.certificate import Certificate
from tests.reference import hard

D = pd.read_csv(Path(__file__).parent / "data" / "features_check_data.csv")
CASES = hard.cases()


def quietly(formula, data, family="gaussian", **words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return glm(formula, data, family, **words)


def hard_fit(case):
    data = {name: np.array(values) for name, values in hard.columns(case).items()}
    return quietly(case["formula"], data, case["family"], link=case["link"], weights=case.get("weights"))


def moved(fit, slot, by):
    """The fit with an estimate that is wrong by some standard errors."""
    theta = np.array(fit.estimate.theta)
    theta[slot] += by * float(np.asarray(fit.stderror())[slot])
    return replace(fit, estimate=replace(fit.estimate, theta=theta))


@pytest.mark.parametrize(
    ("formula", "family", "words"),
    [
        ("y ~ x + f + offset(log(t))", "poisson", {}),
        ("g ~ x + f", "gamma", {"link": "log"}),
        ("g ~ x * f", "gaussian", {"weights": "w"}),
        ("y ~ x", "negative_binomial(2)", {"freq_weights": np.arange(40) % 3}),
        ("I(y > 1) ~ x", "binomial", {"link": "probit"}),
        ("g ~ x", "inverse_gaussian", {"link": "log", "sampling_weights": "w"}),
        ("y ~ x", "quasipoisson", {}),
        ("y ~ 0 + f", "poisson", {"subset": "x > -1"}),
    ],
)
def test_fits_are_verified(formula, family, words):
    fit = glm(formula, D, family, **words)
    found = fit.verify()
    assert isinstance(found, Certificate) and found.verified and not found.objections
    assert found.digits.min() > 9 and found.deviance_digits > 11 and found.error_digits > 9
    assert found.decrement < 1e-8 and (found.apart < 1e-7).all() and (found.measured.score < 1e-8).all()
    np.testing.assert_allclose(found.coef, fit.coef, rtol=0)
    np.testing.assert_allclose(
        found.measured.std_error,
        fit.stderror("classical" if "sampling_weights" not in words else None),
        rtol=1,
    )
    assert found.verdict.startswith("Verified: two solvers agree")


def test_numbers_by_hand():
    fit = glm("y ~ x + f", D, "poisson")
    X = np.column_stack([np.ones(40), D.x, D.f == "b"])
    mu = np.exp(X @ fit.coef)
    Q = X * np.sqrt(mu)[:, None]
    values = np.linalg.svd(Q / np.linalg.norm(Q, axis=0), compute_uv=False)
    found = fit.verify()
    assert found.condition == pytest.approx(values[0] / values[-1], rel=1e-10)
    np.testing.assert_allclose(found.measured.std_error, fit.stderror(), rtol=1e-10)
    off = moved(fit, 1, 0.01)
    score = X.T @ (D.y - np.exp(X @ off.estimate.theta))
    mu = np.exp(X @ off.estimate.theta)
    expected = math.sqrt(score @ np.linalg.solve((X.T * mu) @ X, score))
    wrong = off.verify()
    assert wrong.decrement == pytest.approx(expected, rel=1e-9)
    each = X * np.asarray(D.y - mu)[:, None]
    np.testing.assert_allclose(
        wrong.measured.score, np.abs(each.sum(axis=0)) / np.abs(each).sum(axis=0), rtol=1e-9
    )


@pytest.mark.parametrize("by", [1e-4, 0.1, 5.0])
@pytest.mark.parametrize("family", ["poisson", "gaussian", "negative_binomial(2)"])
def test_a_wrong_estimate_is_caught(family, by):
    found = moved(glm("y ~ x + f", D, family), 1, by).verify()
    assert not found.verified and found.verdict.startswith("NOT verified")
    assert any("score is not 0" in text for text in found.objections)
    assert any("standard errors away" in text for text in found.objections)
    assert found.apart.max() > 0.1 * by


def test_a_wrong_deviance_or_error_is_caught():
    fit = glm("y ~ x + f", D, "poisson")
    found = replace(fit, estimate=replace(fit.estimate, deviance=fit.deviance * 1.01)).verify()
    assert any("the rows have deviance" in text for text in found.objections)
    root = 1.001 * fit.estimate.information.root
    information = replace(fit.estimate.information, root=root)
    found = replace(fit, estimate=replace(fit.estimate, information=information)).verify()
    assert found.error_digits == pytest.approx(3, abs=0.1)


def test_a_fit_that_did_not_converge_is_caught():
    found = quietly("y ~ x + f", D, "poisson", control=Control(max_iterations=1)).verify()
    assert not found.verified and "has not converged" in found.verdict


NIST = {"norris": 12, "pontius": 11, "noint1": 14, "longley": 9, "filip": 5, "wampler1": 8, "wampler5": 4}


@pytest.mark.parametrize("name", NIST)
def test_trusted_digits_are_no_more_than_there_are(name):
    facts = datasets.describe(name).model
    fit = quietly(facts["formula"], datasets.load(name))
    found = fit.verify()
    assert found.verified, found.verdict
    certified = np.array(list(datasets.describe(name).certified["coef"].values()))
    true = -np.log10(np.maximum(np.abs(found.coef - certified) / np.abs(certified), 1e-16))
    assert (np.floor(found.trusted) <= np.ceil(true)).all()
    assert found.trusted.min() >= NIST[name]


def test_condition_tells_ill_from_well():
    assert glm("y ~ x", D, "poisson").verify().condition < 5
    fit = quietly(datasets.describe("filip").model["formula"], datasets.load("filip"))
    assert 1e9 < fit.verify().condition < 1e11


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_hard_cases(case):
    fit = hard_fit(case)
    found = fit.verify()
    assert not found.objections, found.verdict
    assert found.verified == (fit.status != "boundary")
    if (
        found.verified
        and found.columns
        and case["id"] not in ("h29-poisson-years-cubic", "h30-poisson-years-quartic")
    ):
        assert found.digits.min() > 5


def test_separated_fits_certify_what_is_finite_and_the_way_to_infinity():
    data = {"y": [0, 0, 1, 1, 0, 1, 1, 1], "x": [0, 0, 0, 0, 0, 0, 1, 1], "z": [1, 2, 3, 1, 3, 2, 2, 1]}
    fit = quietly("y ~ x + z", data, "binomial")
    found = fit.verify()
    assert fit.status == "separated" and found.verified and found.columns == ("Intercept", "z")
    assert found.directions == (True,) and "directions hold on all rows" in str(found)
    wrong = replace(fit.estimate, directions=(-fit.estimate.directions[0],))
    caught = replace(fit, estimate=wrong).verify()
    assert caught.directions == (False,) and not caught.verified


def test_aliased_columns_are_left_out():
    fit = glm("y ~ x + x2 + f", D.assign(x2=2 * D.x), "poisson")
    found = fit.verify()
    assert found.verified and found.columns == ("Intercept", "x", "f[T.b]")


def test_boundary_fits_have_a_score_but_no_second_maximum():
    fit = quietly("y ~ x", {"y": [0, 0, 1, 3, 5, 6], "x": [0, 1, 2, 3, 4, 5]}, "poisson", link="identity")
    found = fit.verify()
    assert not found.verified and not found.objections and "at its bound" in found.verdict
    assert found.second is None and np.isnan(found.digits).all()


def test_perfect_fits():
    found = quietly("y ~ x", {"y": [1.0, 2.0, 3.0, 4.0], "x": [1.0, 2.0, 3.0, 4.0]}).verify()
    assert found.verified and np.isnan(found.error_digits)


def test_streams_and_blocks(tmp_path):
    rng = np.random.default_rng(4)
    x = rng.normal(size=150_000)
    data = pd.DataFrame(
        {"x": x, "y": rng.poisson(np.exp(0.2 + 0.3 * x)), "f": rng.choice(["a", "b"], 150_000)}
    )
    data.to_parquet(tmp_path / "rows.parquet")
    for source in (data, str(tmp_path / "rows.parquet")):
        fit = glm("y ~ x + f", source, "poisson", control=Control(memory=0))
        found = fit.verify()
        assert found.verified and found.digits.min() > 7
        assert found.rows_read_again % 150_000 == 0 and f"{found.rows_read_again:,} by" in str(found)
        wrong = moved(fit, 1, 0.5).verify()
        assert not wrong.verified and wrong.decrement == pytest.approx(0.5, rel=0.2)


def test_a_saved_fit_needs_its_rows(tmp_path):
    fit = glm("y ~ x", D, "poisson")
    fit.save(tmp_path / "fit")
    saved = glmstat.load(tmp_path / "fit")
    with pytest.raises(DataError, match="needs the rows"):
        saved.verify()
    assert saved.verify(data=D).verified


def test_absorbed_effects_are_refused():
    with pytest.raises(ArgumentError, match="beside the absorbed f"):
        glm("y ~ x | f", D, "poisson").verify()


def test_statements_are_refused():
    fit = glm("y ~ x", D, "poisson")
    stated = glmstat.statement.Statement("naive", "features as if given", refused="use another")
    with pytest.raises(ComparisonError, match="does not hold"):
        replace(fit, spec=replace(fit.spec, statement=stated)).verify()


SEPARATED = pd.DataFrame({"y": [0, 0, 0, 1, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6, 8], "z": [1, 0, 2, 1, 3, 0, 2]})


@pytest.mark.parametrize("method", ["firth", "jeffreys", "median_br"])
@pytest.mark.parametrize(
    ("formula", "family", "words"),
    [
        ("y ~ x + z", "binomial", {}),
        ("I(y > 1) ~ x", "binomial", {"link": "cloglog", "freq_weights": np.arange(40) % 3}),
        ("g ~ x + f", "gamma", {"link": "log", "weights": "w"}),
        ("g ~ x", "inverse_gaussian", {"link": "log"}),
        ("y ~ x", "negative_binomial(2)", {}),
    ],
)
def test_adjusted_scores_are_0_and_have_no_other_root(method, formula, family, words):
    data = SEPARATED if formula == "y ~ x + z" else D
    fit = quietly(formula, data, family, method=method, **words)
    found = fit.verify()
    assert found.verified, found.verdict
    assert found.decrement < 1e-9 and found.digits.min() > 8
    assert "adjusted score: coefficients can still move" in str(found)
    wrong = moved(fit, 1, 0.01).verify()
    assert not wrong.verified and wrong.decrement > 0.003


@pytest.mark.parametrize(("family", "method"), [("inverse_gaussian", "jeffreys"), ("gamma", "firth")])
def test_slow_scoring_ends_at_the_root_too(family, method):
    for seed in range(4):  # some take more than 30 steps of scoring
        draws = np.random.default_rng(seed)
        x = draws.normal(size=40)
        data = pd.DataFrame({"x": x, "f": [*"abcd"] * 10, "u": draws.gamma(1.5, np.exp(0.3 + 0.4 * x) / 1.5)})
        found = glm("u ~ x + f", data, family, link="log", method=method).verify()
        assert found.verified, found.verdict


@pytest.mark.parametrize("prior", ["weak", "normal(0, 0.5)", "t(3, 0, 1)", {"x": "cauchy(1, 0.3)"}])
@pytest.mark.parametrize(
    ("formula", "family", "words"),
    [
        ("y ~ x + z", "binomial", {}),
        ("g ~ x + f", "gamma", {"link": "log", "weights": "w"}),
        ("g ~ x + f", "gaussian", {"dispersion": "deviance"}),
    ],
)
def test_the_score_of_a_posterior_is_0(prior, formula, family, words):
    flat = isinstance(prior, dict) and family == "binomial"
    data = SEPARATED.assign(x=[1, 2, 5, 4, 3, 6, 8]) if flat else SEPARATED if family == "binomial" else D
    fit = quietly(formula, data, family, prior=prior, **words)
    found = fit.verify()
    assert found.verified, found.verdict
    assert found.decrement < 1e-8 and found.digits.min() > 7
    assert not moved(fit, 1, 0.01).verify().verified


def test_coefficients_at_the_kink_of_a_prior():
    wide, narrow = (glm("g ~ x + f", D, prior={"x": f"laplace(0.5, {scale})"}) for scale in (2, 1e-4))
    for fit in (wide, narrow):
        found = fit.verify()
        assert not found.objections and not found.verified
        assert found.verdict.startswith("The score of the posterior is 0 where it should be")
        assert "the posterior has kinks" in found.verdict
    assert "x" not in narrow.verify().columns and narrow.coef.iloc[1] == 0.5
    mixed = replace(narrow, spec=replace(narrow.spec, estimator=wide.spec.estimator))
    assert any("push them off: x" in text for text in mixed.verify().objections)


def test_theta_is_certified():
    fit = glm("y ~ x + f", D, "negative_binomial")
    assert fit.verify().verified and "theta: its score, too, is 0" in str(fit.verify())
    family = fit.spec.likelihood.family
    likelihood = replace(fit.spec.likelihood, family=replace(family, theta=1.05 * family.theta))
    found = replace(fit, spec=replace(fit.spec, likelihood=likelihood)).verify()
    assert any("the score of theta is not 0" in text for text in found.objections)
    zeros = D.assign(g=np.where(D.x > 0.4, 0.0, D.g))
    assert "p of the family is taken as it is" in str(glm("g ~ x", zeros, "tweedie").verify())


@pytest.mark.parametrize(
    ("formula", "family", "words"),
    [
        ("y ~ x", "poisson", {"weights": "w"}),
        ("g ~ x", "gamma", {"weights": "w", "link": "log"}),
        ("g ~ x", "gaussian", {"weights": "w"}),
        ("g ~ x", "inverse_gaussian", {"freq_weights": np.arange(40) % 3, "link": "log"}),
        ("I(y > 1) ~ x", "binomial", {"freq_weights": np.arange(40) % 3}),
        ("y ~ x", "negative_binomial", {"offset": "x"}),
    ],
)
@pytest.mark.parametrize("what", ["error", "deviance", "loglik", "pearson", "dispersion"])
def test_other_numbers_that_are_wrong_are_caught(formula, family, words, what):
    fit = glm(formula, D, family, **words)
    assert fit.verify().verified
    estimate, information = fit.estimate, fit.estimate.information
    tampered = {
        "error": {"information": replace(information, root=1.001 * information.root)},
        "deviance": {"deviance": estimate.deviance * (1 + 1e-6)},
        "loglik": {"loglik": estimate.loglik + 1e-3},
        "pearson": {"pearson": estimate.pearson * 1.0001},
        "dispersion": {"dispersion": replace(estimate.dispersion, value=1.001 * estimate.dispersion.value)},
    }[what]
    words_of = {
        "error": "standard errors of the fit are not those of the rows",
        "deviance": "the rows have deviance",
        "loglik": "the rows have log-likelihood",
        "pearson": "the rows have Pearson",
        "dispersion": "the rows have dispersion",
    }[what]
    found = replace(fit, estimate=replace(estimate, **tampered)).verify()
    assert not found.verified and any(words_of in text for text in found.objections)


def test_coefficients_that_are_0_have_the_digits_of_their_errors():
    found = quietly("y ~ x", {"y": [2.0] * 5, "x": [0.3, 1.2, -0.4, 2.2, 0.9]}).verify()
    assert found.verified and found.trusted[0] > 12 and np.isnan(found.trusted[1])
    assert "0 but for rounding: x" in str(found) and "about 0 digits" not in str(found)
    found = quietly("y ~ x", {"y": [1.0, 2.0, 4.0, 4.0, 2.0, 1.0], "x": [-3, -2, -1, 1, 2, 3]}).verify()
    assert found.verified and found.trusted.min() > 10 and "12 digits or more" in found.verdict


def test_where_no_coefficient_is_finite_the_directions_are_certified():
    for formula in ("y ~ x", "y ~ x + z"):
        fit = quietly(formula, SEPARATED, "binomial")
        found = fit.verify()
        assert found.verified and found.columns == () and all(found.directions)
        assert found.verdict.startswith("Verified: every coefficient is infinite")
        assert "directions hold on all rows" in str(found)
        wrong = replace(fit.estimate, directions=tuple(-one for one in fit.estimate.directions))
        assert not replace(fit, estimate=wrong).verify().verified
    with pytest.raises(ArgumentError, match="the model has no coefficient"):
        glm("y ~ 0 + offset(x)", D, "poisson").verify()


def test_fits_of_other_scores_are_refused():
    with pytest.raises(ComparisonError, match="theta is not at the maximum"):
        glm("y ~ x", D, "negative_binomial", method="moments").verify()
    with pytest.raises(ArgumentError, match="one predictor"):
        quietly("y ~ x", D, "negative_binomial", predictors={"theta": "~ x"}).verify()


def test_penalised_fits_are_held_against_the_penalised_score():
    from glmstat.solve.estimate import fit_estimate

    fit = glm("y ~ x + f", D, "poisson")
    penalty = np.diag([0.0, 3.0, 5.0])
    estimate = fit_estimate(fit.frame, fit.spec.likelihood, penalty=penalty)
    found = replace(fit, estimate=estimate).verify()
    assert found.verified and found.digits.min() > 9
    assert not replace(fit, estimate=replace(fit.estimate, penalty=penalty)).verify().verified


def test_print():
    found = glm("y ~ x + f", D, "poisson").verify()
    text = str(found)
    assert text.splitlines()[0] == "Numerical certificate · 40 rows · 3 coefficients"
    assert "12+" in text and "< 1e-9" in text and "second solver: IRLS by QR" in text
    assert max(map(len, text.splitlines())) <= 80 and "<table" in found._repr_html_()
    assert found.to_dict()["rows"][0]["term"] == "Intercept"
