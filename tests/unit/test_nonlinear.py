"""The delta method and Fieller's interval: R's numbers, closed forms, and what has no value."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import ArgumentError
from glmstat.inference.hypothesis.combination import evaluate
from glmstat.inference.hypothesis.names import Names, names_of
from glmstat.inference.hypothesis.nonlinear import ratio_of
from glmstat.inference.hypothesis.text import read

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "hypothesis.json").read_text())
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
POISSON = glm("y ~ x + f", D, "poisson")
GAMMA = glm("g ~ x + f", D, "gamma", link="log")


def near(value: float, rel: float = 1e-9) -> Any:
    return pytest.approx(value, rel=rel)


def in_words(text: str) -> str:
    """R's names a and fb as those of the fit."""
    return text.replace("fb", "f[T.b]").replace("(a+", "(Intercept+")


@pytest.mark.parametrize("text", [text for text in R["poisson"]["delta"] if text != "HC3"])
def test_delta_method(text):
    expected = R["poisson"]["delta"][text]
    row = POISSON.test(in_words(text)).tests[0]
    assert row.name == "delta method"
    assert (row.estimate, row.std_error) == (near(expected["estimate"]), near(expected["std_error"]))
    assert row.statistic == near(expected["estimate"] / expected["std_error"])


def test_delta_method_with_a_sandwich_and_with_t():
    expected = R["poisson"]["delta"]["HC3"]
    row = POISSON.test("x/f[T.b]", vcov="HC3").tests[0]
    assert (row.name, row.std_error) == ("robust delta method", near(expected["std_error"]))
    row = GAMMA.test("exp(x) = 2").tests[0]
    gamma = R["gamma"]["delta"]["exp(x)"]
    assert (row.estimate, row.std_error) == (near(gamma["estimate"]), near(gamma["std_error"]))
    assert (row.statistic, row.reference) == (near((gamma["estimate"] - 2) / gamma["std_error"]), "t(37)")


def test_a_value_on_either_side_is_the_same_test():
    for text in ("exp(x) = 2", "2 = exp(x)", "exp(x) - 2", "exp(x) - 2 = 0"):
        assert POISSON.test(text)["statistic"] == [near(POISSON.test("exp(x) = 2")["statistic"][0])]
    assert POISSON.test("exp(x) = 2")["estimate"][0] == near(math.exp(POISSON.coef["x"]))


def test_joint_nonlinear_hypotheses():
    row = POISSON.test("exp(x) = 2, x*f[T.b] = -0.5").tests[0]
    b, V = POISSON.coef.to_numpy(), POISSON.vcov().to_numpy()
    G = np.array([[0, math.exp(b[1]), 0], [0, b[2], b[1]]])
    d = np.array([math.exp(b[1]) - 2, b[1] * b[2] + 0.5])
    assert row.statistic == near(float(d @ np.linalg.solve(G @ V @ G.T, d)))
    assert (row.df, row.reference) == (2, "chi-squared(2)")
    mixed = POISSON.test("exp(x) = 2, f[T.b] = 0").tests[0]
    assert mixed.df == 2


@pytest.mark.parametrize(
    ("fit", "text", "expected", "words"),
    [
        (POISSON, "x / f[T.b]", R["poisson"]["fieller"], {}),
        (POISSON, "x / f[T.b]", R["poisson"]["fieller_HC3"], {"vcov": "HC3"}),
        (POISSON, "Intercept / x", R["poisson"]["fieller_intercept"], {}),
        (GAMMA, "f[T.b] / x", R["gamma"]["fieller_x"], {}),
    ],
)
def test_fieller(fit, text, expected, words):
    row = fit.test(text, **words).tests[1]
    assert row.name.endswith("Fieller")
    assert row.estimate == near(expected["estimate"])
    assert (row.conf_low, row.conf_high) == (near(expected["roots"][0]), near(expected["roots"][1]))


def test_fieller_may_leave_out_an_interval_only():
    expected = R["gamma"]["fieller"]
    assert expected["quadratic"][0] < 0 < expected["discriminant"]
    row = GAMMA.test("x / f[T.b]").tests[1]
    assert (row.conf_low, row.conf_high) == (-math.inf, math.inf)
    low, high = (f"{root:.6g}" for root in expected["roots"])
    assert row.note == f"outside the interval are only the values from {low} to {high}"
    assert row.note in " ".join(str(GAMMA.test("x / f[T.b]")).split())


def test_fieller_may_be_the_whole_line():
    rng = np.random.default_rng(3)
    data = {"y": rng.poisson(3, 30), "a": rng.normal(size=30), "b": rng.normal(size=30)}
    row = glm("y ~ a + b", data, "poisson").test("a / b", level=0.999).tests[1]
    assert (row.conf_low, row.conf_high) == (-math.inf, math.inf)
    assert row.note == "no value of the ratio is rejected"


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_the_ends_are_where_the_test_begins_to_reject(level):
    row = POISSON.test("x / f[T.b]", level=level).tests[1]
    for end in (row.conf_low, row.conf_high):
        at_end = POISSON.test(f"x / f[T.b] = {end!r}").tests[1]
        assert at_end.p_value == near(1 - level, 1e-8)
        assert POISSON.test(f"x = {end!r}*f[T.b]")["p_value"][0] == near(1 - level, 1e-8)


@pytest.mark.parametrize(
    ("text", "top", "bottom"),
    [
        ("x / f[T.b]", [0, 1, 0], [0, 0, 1]),
        ("-x / f[T.b]", [0, -1, 0], [0, 0, 1]),
        ("-(x / f[T.b])", [0, -1, 0], [0, 0, 1]),
        ("100*x / (f[T.b] + x)", [0, 100, 0], [0, 1, 1]),
        ("100*(x / f[T.b])", [0, 100, 0], [0, 0, 1]),
        ("x / f[T.b] * 3", [0, 3, 0], [0, 0, 1]),
        ("x / f[T.b] / 2", [0, 0.5, 0], [0, 0, 1]),
        ("x / f[T.b] - 2", [0, 1, -2], [0, 0, 1]),
        ("2 - x / f[T.b]", [0, -1, 2], [0, 0, 1]),
        ("1 + x / f[T.b]", [0, 1, 1], [0, 0, 1]),
    ],
)
def test_what_is_a_ratio(text, top, bottom):
    ratio = ratio_of(read(text, names_of(POISSON)).equations[0].left, 3)
    assert ratio is not None
    assert (ratio.top.tolist(), ratio.bottom.tolist()) == (top, bottom)
    rows = POISSON.test(text).tests
    assert rows[1].estimate == near(rows[0].estimate)


@pytest.mark.parametrize(
    "text", ["x*f[T.b]", "x / f[T.b] / Intercept", "exp(x) / f[T.b]", "x / f[T.b] + x", "2^x"]
)
def test_what_is_no_ratio_of_linear_forms(text):
    assert len(POISSON.test(text)) == 1


def test_a_number_over_a_coefficient():
    delta, fieller = POISSON.test("1 / x").tests
    ends = sorted(1 / end for end in POISSON.confint().loc["x"])
    assert (fieller.conf_low, fieller.conf_high) == (near(ends[0]), near(ends[1]))
    assert delta.std_error == near(POISSON.stderror()["x"] / POISSON.coef["x"] ** 2)


@pytest.mark.parametrize(
    "text", ["log(f[T.b])", "sqrt(f[T.b]) = 1", "x / (f[T.b] - f[T.b])", "f[T.b]^0.5", "exp(2000*x)"]
)
def test_functions_without_a_value(text):
    with pytest.raises(ArgumentError, match="has no value or no slope at the estimate"):
        POISSON.test(text)


def test_a_function_that_stands_still():
    with pytest.raises(ArgumentError, match="does not change with any coefficient"):
        POISSON.test("x*f[T.b] - x*f[T.b]")


def test_all_methods_tell_what_is_not_defined():
    tests = POISSON.test("exp(x) = 2", method="all")
    assert tests.index == ("delta method", "likelihood ratio", "score (Rao)", "robust delta method")
    assert [math.isnan(value) for value in tests["statistic"]] == [False, True, True, False]
    assert "needs linear restrictions" in tests.tests[1].note


@pytest.mark.parametrize("text", ["x/x", "x/(3*x)", "log(exp(x)) - x = 0.1", "(x + f[T.b])/(x + f[T.b])"])
def test_a_constant_that_names_coefficients_is_refused(text):
    fit = glm("y ~ x + f", pd.read_csv(HERE / "data" / "features_check_data.csv"), "poisson")
    with pytest.raises(ArgumentError, match="does not change with any coefficient"):
        fit.test(text)


def test_what_is_left_of_cancelling_is_no_rounding():
    value, gradient = evaluate(
        read("exp(x) - exp(x - 1e-6)", Names(("x",))).equations[0].left, np.array([0.3])
    )
    assert value == pytest.approx(np.exp(0.3) * -np.expm1(-1e-6), rel=1e-9)
    assert gradient[0] == pytest.approx(value, rel=1e-9)


def test_no_test_defined_is_an_error():
    fit = glm("y ~ x + f", pd.read_csv(HERE / "data" / "features_check_data.csv"), "poisson")
    with pytest.raises(ArgumentError, match="no value or no slope"):
        fit.test("x / 0", method="all")


def test_large_standard_errors_do_not_overflow():
    row = POISSON.test("exp(1000*x) = 1")
    value, error = np.exp(1000 * POISSON.coef["x"]), POISSON.stderror()["x"]
    assert row["std_error"][0] == near(1000 * value * error)
    assert row["statistic"][0] == near(1 / (1000 * error))
