"""Which root of an adjusted score is reported, what is said where there is none, and what a fit advises."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glmstat import Control, anova, glm, negbin
from glmstat.errors import (
    ArgumentError,
    BoundaryWarning,
    ComparisonError,
    ConvergenceWarning,
    GlmstatWarning,
    SeparationWarning,
)

HERE = Path(__file__).parent.parent / "reference" / "inference"
ROOTS = json.loads((HERE / "roots.json").read_text("utf-8"))
SETS = pd.read_csv(HERE / "roots.csv")
METHODS = {"AS_mean": "firth", "AS_median": "median_br", "MPL_Jeffreys": "jeffreys"}


@pytest.mark.parametrize("case", ROOTS, ids=[f"{case['link']} {case['type']}" for case in ROOTS])
def test_of_several_roots_that_of_brglm2_is_reported(case: dict[str, Any]) -> None:
    assert case["converged"]
    data = SETS[SETS["set"] == case["set"]]
    fit = glm("y ~ x + z", data, "binomial", link=case["link"], method=METHODS[case["type"]])
    assert fit.status == "converged"
    np.testing.assert_allclose(fit.coef, case["coef"], rtol=1e-6)


def cauchit(data: pd.DataFrame, beta: Any) -> float:
    """The cauchit likelihood penalised by Jeffreys' prior."""
    X = np.column_stack([np.ones(len(data)), data.x, data.z])
    eta = X @ np.asarray(beta)
    mu, slope = np.arctan(eta) / np.pi + 0.5, 1 / (np.pi * (1 + eta**2))
    information = X.T @ (X * (slope**2 / (mu * (1 - mu)))[:, None])
    return float(np.sum(np.log(np.where(data.y == 1, mu, 1 - mu))) + 0.5 * np.linalg.slogdet(information)[1])


def test_the_likelier_root_is_reported_and_the_other_named() -> None:
    data = SETS[SETS["set"] == 5]
    fit = glm("y ~ x + z", data, "binomial", link="cauchit", method="jeffreys")
    other = glm(
        "y ~ x + z", data, "binomial", link="cauchit", method="jeffreys", start=[-0.2228, 1.0849, -0.0293]
    )
    (note,) = (note.text for note in fit.notes if "several maxima" in note.text)
    gap = 2 * (cauchit(data, fit.coef) - cauchit(data, other.coef))
    assert other.status == "converged"
    assert gap > 0
    assert float(re.search(r"differs by ([\d.]+)", note)[1]) == pytest.approx(gap, rel=1e-4)  # type: ignore[index]


def wide() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.normal(size=60) * 3 + 5, "f": np.tile(list("abc"), 20)})
    return data.assign(y=(data.x - 5 + rng.logistic(size=60) > 0).astype(int))


@pytest.mark.parametrize(
    ("link", "method"), [("cauchit", "median_br"), ("cloglog", "firth"), ("logit", "firth")]
)
def test_too_few_iterations_are_said_and_give_no_other_answer(link: str, method: str) -> None:
    whole = glm("y ~ x + f", wide(), "binomial", link=link, method=method)
    assert whole.status == "converged"
    for allowed in (1, 2, 4, whole.estimate.convergence.iterations):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            control = Control(max_iterations=allowed)
            fit = glm("y ~ x + f", wide(), "binomial", link=link, method=method, control=control)
        assert fit.estimate.convergence.iterations <= allowed
        if fit.status == "converged":
            np.testing.assert_allclose(fit.coef, whole.coef, rtol=1e-6)
    one = Control(max_iterations=1)
    with pytest.warns(ConvergenceWarning, match="1 iteration did not reach a root"):
        glm("y ~ x + f", wide(), "binomial", link=link, method=method, control=one)


@pytest.mark.parametrize("seed", [5, 7])
def test_points_far_out_have_no_dispersion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = {"x": rng.normal(size=15), "z": rng.normal(size=15), "s": rng.gamma(1, size=15)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = glm("s ~ x + z", data, "inverse_gaussian", link="log", method="jeffreys")
    assert fit.status in ("converged", "not converged")


# ---------------------------------------------------------------- where there is no root


def one_way() -> pd.DataFrame:
    """A group of ones alone, a group of no counts, and a column that parts the responses."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=60), "f": np.tile(list("abc"), 20)})
    return data.assign(
        part=(data.x > 0).astype(int),
        ones=np.where(data.f == "b", 1, (data.x + rng.logistic(size=60) > 0).astype(int)),
        counts=np.where(data.f == "b", 0, rng.negative_binomial(1, 0.3, 60)),
        t=rng.uniform(1, 3, 60),
    )


def test_a_fit_without_a_root_shows_no_errors_tests_or_likelihood() -> None:
    with pytest.warns(ConvergenceWarning, match="The numbers are not a root of the adjusted score"):
        fit = glm("ones ~ x + f", one_way(), "binomial", link="log", method="firth")
    assert np.isnan(fit.stderror()).all()
    assert np.isnan(fit.confint()).all(axis=None)
    assert "AIC" not in str(fit)
    assert "these coefficients solve nothing" in str(fit)
    for call in (
        lambda: fit.aic,
        lambda: fit.test("x", method="lr"),
        lambda: fit.bootstrap(5),
        lambda: fit.confint(method="profile"),
    ):
        with pytest.raises(ComparisonError, match="has not converged"):
            call()
    with pytest.warns(ConvergenceWarning, match="not the maximum of the penalised likelihood"):
        glm("ones ~ x + f", one_way(), "binomial", link="log", method="jeffreys")


def test_jeffreys_prior_that_is_flat_leaves_maximum_likelihood_at_its_boundary() -> None:
    with pytest.warns(BoundaryWarning):
        fit = glm("counts ~ f", one_way(), "poisson", link="sqrt", method="jeffreys")
    with pytest.warns(BoundaryWarning, match='fit with method="firth"'):
        plain = glm("counts ~ f", one_way(), "poisson", link="sqrt")
    assert fit.status == "boundary"
    np.testing.assert_allclose(fit.coef, plain.coef)
    assert "the information does not depend on the coefficients" in " ".join(str(fit).split())


# ---------------------------------------------------------------- dispersion


@pytest.mark.parametrize(
    "arguments", [{"family": "quasibinomial"}, {"family": "binomial", "dispersion": "pearson"}]
)
def test_dispersion_of_separated_rows_is_warned_of(arguments: dict[str, Any]) -> None:
    with pytest.warns(SeparationWarning, match="standard errors with it are too small") as told:
        fit = glm("part ~ x", one_way(), **arguments, method="firth")
    text = " ".join(str(fit).split())
    assert str(told[0].message) in text
    assert "Give dispersion=: 1" in text
    assert ("loglik, AIC and BIC are not defined" in text) + ("loglik, AIC and BIC: of" in text) <= 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = glm("part ~ x", one_way(), **{**arguments, "dispersion": 1}, method="firth")
        plain = glm("part ~ x", one_way(), "binomial", method="firth")
        glm("y ~ x + f", wide(), **arguments, method="firth")
    np.testing.assert_allclose(known.stderror(), plain.stderror())


# ---------------------------------------------------------------- remedies


def told(formula: str, family: str, **arguments: Any) -> tuple[Any, str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = glm(formula, one_way(), family, **arguments)
    (text,) = (str(one.message) for one in caught if one.category in (SeparationWarning, BoundaryWarning))
    assert text in " ".join(str(fit).split())
    return fit, text


ADVICE = [
    (
        "ones ~ x + f",
        "binomial",
        {},
        'Take confint(method="profile"), or fit with method="firth", or merge levels.',
    ),
    ("part ~ x", "binomial", {}, 'Take confint(method="profile"), or fit with method="firth".'),
    ("part ~ x", "quasibinomial", {}, 'Fit with method="firth" and dispersion=1.'),
    ("ones ~ x + f", "binomial", {"sampling_weights": "t"}, "Merge levels."),
    (
        "ones ~ x + f",
        "binomial",
        {"prior": {"x": "normal(0, 1)"}},
        'Take confint(method="profile"), or give f[T.b] a prior, or merge levels.',
    ),
    (
        "counts ~ x + f",
        "negative_binomial",
        {},
        'or hold theta and reduce the bias: fit.given("theta").update(method="firth"), or merge levels.',
    ),
    (
        "counts ~ x + f",
        "negative_binomial",
        {"predictors": {"theta": "~ 1"}},
        'Take confint(method="profile"), or merge levels.',
    ),
    (
        "ones ~ x + f",
        "binomial",
        {"link": "identity"},
        'Take confint(method="profile"), or take a link without an edge, such as link="logit".',
    ),
    (
        "counts ~ x + f",
        "poisson",
        {"link": "identity", "method": "firth"},
        'Take a link without an edge, such as link="log".',
    ),
    *(
        ("ones ~ x + f", "binomial", {"compat": name}, 'or fit with method="firth", or merge levels.')
        for name in ("R", "stata", "sas", "statsmodels")
    ),
]


@pytest.mark.parametrize(("formula", "family", "arguments", "words"), ADVICE)
def test_remedies_are_those_that_the_fit_allows(
    formula: str, family: str, arguments: dict[str, Any], words: str
) -> None:
    fit, text = told(formula, family, **arguments)
    assert text.endswith(words)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlmstatWarning)
        if 'given("theta")' in text:
            again = fit.given("theta").update(method="firth")
        elif 'method="firth"' in text:
            scale = {"dispersion": 1} if "dispersion=1" in text else {}
            again = glm(formula, one_way(), family, **arguments, method="firth", **scale)
        elif "a prior" in text:
            again = glm(formula, one_way(), family, prior={"x": "normal(0, 1)", "f": "normal(0, 1)"})
        else:
            again = None
        if 'method="profile"' in text and "link=" not in text and formula != "counts ~ x + f":
            assert np.isfinite(fit.confint(of=fit.columns[1], method="profile").to_numpy()).any()
    if again is not None:
        assert again.status == "converged"
        assert np.isfinite(again.coef).all()
        assert np.isfinite(again.stderror()).all()


def test_unknown_power_is_asked_for_by_its_own_family() -> None:
    with pytest.raises(ArgumentError, match=r"Give the family its p, as in tweedie\(1.5\)"):
        glm("counts ~ x", one_way(), "tweedie", method="firth")
    with pytest.raises(ArgumentError, match=r"as in negative_binomial\(2\)"):
        negbin("counts ~ x", one_way(), method="firth")


# ---------------------------------------------------------------- tables


def test_tables_of_penalised_ratios_have_no_fall_of_the_deviance() -> None:
    data = one_way()
    small, fit = (glm(text, data, "binomial", method="firth") for text in ("ones ~ f", "ones ~ x + f"))
    by_test = fit.test("x", method="lr").tests[0].statistic
    for table in (anova(small, fit), fit.anova(), fit.anova("II"), fit.anova("III"), fit.drop1()):
        frame = table.to_frame()
        assert "statistic" in frame
        assert "without the penalty" in str(table)
        assert ("deviance" in frame) == (table is not None and "none" in frame.index)
    assert anova(small, fit).to_frame()["statistic"].iloc[-1] == pytest.approx(by_test)
    plain = glm("counts ~ x", data, "poisson").anova().to_frame()
    assert "deviance" in plain


@pytest.mark.parametrize("method", ["firth", "jeffreys"])
def test_a_restriction_may_leave_no_coefficient(method):
    fit = glm("y ~ 1", {"y": [0, 1, 1, 0, 1]}, "binomial", method=method)
    assert fit.coef["Intercept"] == pytest.approx(np.log(3.5 / 2.5), abs=1e-10)

    def fall(eta):  # of twice the likelihood times the root of p (1 - p)
        terms = [2 * (3.5 * np.log(p) + 2.5 * np.log1p(-p)) for p in (3.5 / 6, 1 / (1 + np.exp(-eta)))]
        return terms[0] - terms[1]

    assert fit.test("Intercept = 0", method="lr")["statistic"] == pytest.approx([fall(0.0)], rel=1e-8)
    for end in fit.confint(method="profile").loc["Intercept"]:
        assert fall(end) == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-8)
