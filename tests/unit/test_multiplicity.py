"""Adjusted p-values and simultaneous intervals: R's numbers, closed forms, and other integrators."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glmstat import glm
from glmstat.errors import ArgumentError
from glmstat.inference.hypothesis.multiplicity import MaxT, adjusted, as_adjustment

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "hypothesis.json").read_text())
B = pd.read_csv(HERE.parent / "reference" / "data" / "birthwt.csv")
B["race"] = pd.Categorical(B["race"], ["white", "black", "other"])
W = pd.read_csv(HERE.parent / "reference" / "data" / "warpbreaks.csv")
W["tension"] = pd.Categorical(W["tension"], ["L", "M", "H"])
LOGIT = glm("low ~ age + lwt + race + smoke", B, "binomial")
PAIRS = glm("breaks ~ wool + tension", W)
MANY, ALL_PAIRS = R["many"], R["pairs"]
WORDS = ("none", "holm", "hochberg", "bonferroni", "sidak", "BH", "BY")


def near(value: Any, rel: float = 1e-9) -> Any:
    return pytest.approx(value, rel=rel)


@pytest.mark.parametrize("word", WORDS)
def test_adjusted_p_values(word):
    tests = LOGIT.test(MANY["hypotheses"], adjust=word)
    assert tests["statistic"] == near(MANY["statistic"])
    # multcomp's unadjusted p-values come out of its integrator
    assert tests["p_value"] == near(MANY[word], 1e-6)
    np.testing.assert_allclose(adjusted(np.array(MANY["none"]), word), MANY[word], rtol=1e-12)
    if word != "none":
        assert tests["p_unadjusted"] == near(MANY["none"], 1e-6)
        assert f"p-values adjusted: {word}, 5 tests" in str(tests)


def test_single_step():
    tests = LOGIT.test(MANY["hypotheses"], adjust="single-step")
    assert tests["p_value"] == pytest.approx(MANY["single-step"], abs=2e-5)
    assert tests["conf_low"] == pytest.approx(MANY["low"], abs=2e-4)
    assert tests["conf_high"] == pytest.approx(MANY["high"], abs=2e-4)
    text = " ".join(str(tests).split())
    assert "single-step, 5 tests, multivariate normal, numerical error of p below" in text
    assert "intervals: 95 % simultaneous" in text
    robust = LOGIT.test(MANY["hypotheses"], adjust="single-step", vcov="HC3")
    assert robust["p_value"] == pytest.approx(MANY["HC3"]["p"], abs=3e-5)


def test_single_step_is_the_same_every_time():
    first, second = (LOGIT.test(MANY["hypotheses"], adjust="single-step") for _ in range(2))
    assert first["p_value"] == second["p_value"] and first["conf_low"] == second["conf_low"]


def test_all_pairs_are_tukeys_test():
    tests = PAIRS.test(ALL_PAIRS["hypotheses"], adjust="single-step")
    assert tests["statistic"] == near(ALL_PAIRS["statistic"])
    assert tests["p_value"] == pytest.approx(ALL_PAIRS["p"], abs=3e-5)
    # balanced: the studentised range is exact, and its correlation is singular
    assert tests["p_value"] == pytest.approx(ALL_PAIRS["tukey"], abs=3e-5)
    half = (np.array(tests["conf_high"]) - np.array(tests["conf_low"])) / 2 / np.array(tests["std_error"])
    assert half == pytest.approx([ALL_PAIRS["q_tukey"]] * 3, abs=2e-4)
    assert "multivariate t(50)" in str(tests)


def test_intervals_that_hold_together():
    p, names = len(MANY["hypotheses"]), MANY["hypotheses"]
    for word, level in (
        ("bonferroni", 1 - 0.05 / p),
        ("sidak", 0.95 ** (1 / p)),
        ("holm", 0.95),
        ("BH", 0.95),
    ):
        half = stats.norm.ppf(0.5 + level / 2) * np.array(MANY["std_error"])
        tests = LOGIT.test(names, adjust=word)
        np.testing.assert_allclose(tests["conf_low"], np.array(MANY["estimate"]) - half, rtol=1e-8)
        told = (
            "intervals: 95 % simultaneous"
            if word in ("bonferroni", "sidak")
            else "intervals: 95 %, not adjusted"
        )
        assert told in str(tests)
    t = PAIRS.test(ALL_PAIRS["hypotheses"], adjust="bonferroni")
    half = stats.t.ppf(1 - 0.05 / 6, 50) * np.array(t["std_error"])
    np.testing.assert_allclose(t["conf_high"], np.array(t["estimate"]) + half, rtol=1e-9)


def test_other_tests_are_adjusted_each_for_itself():
    names = ["age", "lwt", "race"]
    tests = LOGIT.test(names, method="all", adjust="holm")
    for name in ("Wald", "likelihood ratio", "score (Rao)", "robust Wald"):
        rows = [row for row in tests.tests if row.name == name]
        expected = adjusted(np.array([row.p_unadjusted for row in rows]), "holm")
        assert [row.p_value for row in rows] == expected.tolist()
    assert str(tests).count("p-values adjusted") == 1


def test_nonlinear_hypotheses_and_single_step():
    tests = LOGIT.test(["exp(smoke) = 1", "race[T.black] = race[T.other]"], adjust="single-step")
    assert all(p >= q for p, q in zip(tests["p_value"], tests["p_unadjusted"], strict=True))


@pytest.mark.parametrize(
    ("hypotheses", "words"),
    [(["race", "age"], {}), (["age", "lwt"], {"method": "lr"}), (["age / lwt", "smoke"], {})],
)
def test_single_step_needs_single_wald_tests(hypotheses, words):
    with pytest.raises(ArgumentError, match="one restriction per hypothesis"):
        LOGIT.test(hypotheses, adjust="single-step", **words)


def test_words():
    assert [as_adjustment(word) for word in ("Holm", "bh", "fdr", "single step")] == [
        "holm",
        "BH",
        "BH",
        "single-step",
    ]
    with pytest.raises(ArgumentError, match=r"Unknown adjust: 'bonferoni'.*Did you mean 'bonferroni'"):
        as_adjustment("bonferoni")


@pytest.mark.parametrize("word", WORDS)
def test_missing_p_values_are_not_counted(word):
    p = np.array([0.01, np.nan, 0.04, 0.9])
    found = adjusted(p, word)
    assert np.isnan(found[1])
    np.testing.assert_array_equal(found[[0, 2, 3]], adjusted(p[[0, 2, 3]], word))
    assert np.isnan(adjusted(np.array([np.nan]), word)).all()


@pytest.mark.parametrize("word", WORDS)
def test_adjusted_p_values_keep_the_order(word):
    p = np.random.default_rng(0).random(40) ** 3
    found = adjusted(p, word)
    assert (np.diff(found[np.argsort(p)]) >= 0).all() and (found >= p).all() and (found <= 1).all()


# ---------------------------------------------------------------- the largest statistic


def test_independent_statistics_have_a_closed_form():
    for k in (1, 2, 5):
        inside, error = MaxT(np.eye(k), np.inf).inside(2.0)
        assert inside == pytest.approx((2 * stats.norm.cdf(2) - 1) ** k, abs=1e-12) and error < 1e-12


def test_statistics_that_are_one():
    signs = np.array([1.0, -1.0, 1.0])
    largest = MaxT(np.outer(signs, signs), 7.0)
    assert largest.p_value(2.5)[0] == near(2 * stats.t.sf(2.5, 7))
    assert largest.quantile(0.9)[0] == near(stats.t.ppf(0.95, 7))


def test_two_normal_statistics():
    for rho in (-0.8, 0.3, 0.99):
        correlation = np.array([[1, rho], [rho, 1]])
        law = stats.multivariate_normal(cov=correlation)  # pyright: ignore[reportArgumentType]
        expected = law.cdf([1.7, 1.7], lower_limit=[-1.7, -1.7])
        inside, error = MaxT(correlation, np.inf).inside(1.7)
        assert inside == pytest.approx(float(expected), abs=max(error, 1e-7))


@pytest.mark.parametrize("df", [6.0, math.inf])
def test_against_scipy(df):
    k = 6
    correlation = 0.4 ** np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    limit = np.full(k, 2.2)
    if math.isinf(df):
        expected = stats.multivariate_normal.cdf(limit, cov=correlation, lower_limit=-limit, maxpts=10**6)
    else:
        expected = stats.multivariate_t.cdf(
            limit, shape=correlation, df=df, lower_limit=-limit, maxpts=10**5, random_state=1
        )
    inside, error = MaxT(correlation, df).inside(2.2)
    assert inside == pytest.approx(float(expected), abs=1e-4) and error < 2e-4


def test_a_singular_correlation_against_simulation():
    rng = np.random.default_rng(11)
    directions = rng.normal(size=(9, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    draws = rng.normal(size=(400_000, 3)) @ directions.T
    share = float((np.abs(draws).max(axis=1) <= 2.0).mean())
    inside, error = MaxT(directions @ directions.T, math.inf).inside(2.0)
    monte_carlo = math.sqrt(share * (1 - share) / 400_000)
    assert abs(inside - share) < 4 * monte_carlo + error
    assert MaxT(directions @ directions.T, math.inf).quantile(inside)[0] == pytest.approx(2.0, abs=1e-4)


def test_p_values_far_out_are_between_their_bounds():
    correlation = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    p, _ = MaxT(correlation, math.inf).p_value(12.0)
    single = 2 * stats.norm.sf(12.0)
    assert single <= p <= 4 * single
