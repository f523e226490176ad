"""Hypotheses as text: names, arithmetic, what they resolve to, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import ArgumentError
from glmstat.inference.hypothesis.combination import affine, evaluate
from glmstat.inference.hypothesis.names import Names, names_of
from glmstat.inference.hypothesis.resolve import Linear, Nonlinear, hypotheses, resolve
from glmstat.inference.hypothesis.text import read

D = pd.read_csv(Path(__file__).parent / "data" / "features_check_data.csv")
D["my z"], D["x2"] = D["g"], 2 * D["x"]
D["c"] = [("a", "b c", "d-e", "f.g")[(k // 2 + k // 5) % 4] for k in range(len(D))]
FIT = glm("y ~ x*f + poly(t,2) + I(w^2) + log(t) + `my z`*c", D, "poisson")
NAMES = names_of(FIT)
ALIASED = glm("y ~ x + x2 + f", D, "poisson")


def weights(text: str) -> dict[str, float]:
    """Weights by name of a text with one linear equation, right side subtracted."""
    resolved = resolve(FIT, read(text, NAMES))
    assert isinstance(resolved, Linear) and len(resolved.matrix) == 1
    return {name: w for name, w in zip(FIT.columns, resolved.matrix[0].tolist(), strict=True) if w}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", {"x": 1}),
        ("Intercept = 2", {"Intercept": 1}),
        ("(Intercept) == 2", {"Intercept": 1}),
        ("f[T.b] = x:f[T.b]", {"f[T.b]": 1, "x:f[T.b]": -1}),
        ("x : f[ T.b ]", {"x:f[T.b]": 1}),
        ("poly(t,2)[1] - poly(t, 2)[2]", {"poly(t, 2)[1]": 1, "poly(t, 2)[2]": -1}),
        ("I(w^2)", {"I(w ** 2)": 1}),
        ("I(w**2) = log(t)", {"I(w ** 2)": 1, "log(t)": -1}),
        ("`my z` = x", {"my z": 1, "x": -1}),
        ("my z = x", {"my z": 1, "x": -1}),
        ("`my z`:c[T.b c]", {"my z:c[T.b c]": 1}),
        ("c[T.d-e] - c[T.f.g]", {"c[T.d-e]": 1, "c[T.f.g]": -1}),
        ("c[T.d-e] − c[T.b c]", {"c[T.d-e]": 1, "c[T.b c]": -1}),
        ("2*(x - 3*log(t))/4 + 1 = 2^3", {"x": 0.5, "log(t)": -1.5}),
        ("-x^1", {"x": -1}),
        ("--x + exp(0)*x*pi", {"x": 1 + np.pi}),
        ("1 = x", {"x": 1}),
    ],
)
def test_names_and_arithmetic(text, expected):
    assert weights(text) == pytest.approx(expected)


def test_what_is_shown_is_the_side_with_coefficients():
    resolved = resolve(FIT, read("x + 1 = 3, 4 = x - 2*log(t), x = my z + 1", NAMES))
    assert isinstance(resolved, Linear)
    assert resolved.shift.tolist() == [1, 0, -1]
    assert resolved.value.tolist() == [3, 4, 0]
    assert resolved.restriction.value.tolist() == [2, 4, 1]
    assert resolved.texts == ("x + 1 = 3", "4 = x - 2*log(t)", "x = my z + 1")


@pytest.mark.parametrize(
    "text", ["x = 1, f[T.b] = 2", "x = 1; f[T.b] == 2", "x=1\nf[T.b] = 2\n", "\nx = 1,\n\nf[T.b]=2"]
)
def test_separators(text):
    assert [equation.text for equation in read(text, NAMES).equations] == ["x = 1", "f[T.b] = 2"]


@pytest.mark.parametrize("text", ["x = 0 , , f[T.b] = 0", ", x = 0", "x = 0,", "x;;log(t)"])
def test_empty_parts_are_refused(text):
    with pytest.raises(ArgumentError, match="is empty: a comma stands alone"):
        read(text, NAMES)


def test_a_line_end_inside_brackets_is_a_blank():
    assert len(read("(x +\n f[T.b]) / 2", NAMES).equations) == 1


def test_chains_are_several_restrictions():
    assert [e.text for e in read("x = f[T.b] = 0", NAMES).equations] == ["x = f[T.b]", "f[T.b] = 0"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("c", 3),
        ("c = 0", 3),
        ("poly(t, 2)", 2),
        ("poly(t,2)", 2),
        ("x:f", 1),
        ("f:x", 1),
        ("c:`my z`", 3),
        ("f", 1),
    ],
)
def test_a_term_stands_for_all_its_coefficients(text, count):
    hypothesis = read(text, NAMES)
    assert len(hypothesis.equations) == count
    assert all(equation.text.endswith(" = 0") for equation in hypothesis.equations)


def test_a_coefficient_wins_over_a_function_and_the_backtick_over_the_coefficient():
    names = Names(("Intercept", "t", "log(t)", "exp"))
    coef = np.array([0.0, 0.5, 7.0, 3.0])
    assert evaluate(read("log(t)", names).equations[0].left, coef)[0] == 7.0
    assert evaluate(read("log(`t`)", names).equations[0].left, coef)[0] == np.log(0.5)
    assert evaluate(read("exp(exp)", names).equations[0].left, coef)[0] == np.exp(3.0)


def test_the_longest_name_is_taken():
    names = Names(("x", "x1", "x:z", "x.1", "z", "xz"))
    hypothesis = read("x1 + x:z - x.1 + xz", names)
    form = affine(hypothesis.equations[0].left)
    assert form is not None and form.weights == {1: 1.0, 2: 1.0, 3: -1.0, 5: 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The hypothesis is empty"),
        (" , ", "The hypothesis is empty"),
        ("zz = 0", "No coefficient 'zz'"),
        (
            "f[T.c] = 0",
            r"No coefficient 'f\[T.c\]' in the fit: coefficients are Intercept, x.*Did you mean 'f\[T.b\]'",
        ),
        ("poly(t,3)[1]", r"No coefficient 'poly\(t,3\)\[1\]'.*Did you mean 'poly\(t, 2\)\[1\]'"),
        ("x:c[T.b c]", "No coefficient 'x:c"),
        ("2x", "No coefficient '2x'"),
        ("x(2)", "No coefficient 'x"),
        ("sin(x)", "No coefficient 'sin"),
        ("x = y = 2", "No coefficient 'y'"),
        ("`no`", "No coefficient 'no'"),
        ("`x", "No coefficient"),
        ("1 = 2", "No coefficient in '1 = 2'"),
        ("x = 1, 1 = 1", "No coefficient in '1 = 1'"),
        ("x <= 2", "equalities"),
        ("x != 2", "equalities"),
        ("x = ", "A side of '=' is empty"),
        ("x == == 2", "A side of '=' is empty"),
        ("(x", "is not closed"),
        ("x)", "closes nothing"),
        ("x +", "ends too early"),
        ("x * / 2", "stands where"),
        ("x 2", "operator is missing"),
        ("c - 1", r"'c' is a term with 3 coefficients: c\[T.b c\]"),
        ("c = 1", "is a term with 3 coefficients"),
        ("x @ 2", "'@' is not part"),
        ("(" * 60 + "x" + ")" * 60, "nested too deep"),
        ("x" * 30_000, "too long"),
    ],
)
def test_text_that_cannot_be_read(text, message):
    with pytest.raises(ArgumentError, match=message):
        read(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "x.__class__",
        "[x for x in y]",
        "lambda: x",
        "x if x else 1",
        "x; import os",
        '"x"',
        "f(x)",
    ],
)
def test_no_python(text):
    with pytest.raises(ArgumentError):
        read(text, NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1, x = 2", "contradicts itself"),
        ("x = f[T.b], f[T.b] = 1, x = 2", "contradicts itself"),
        ("x - x", "restricts nothing"),
        ("x = x", "restricts nothing"),
        ("x = 1/0", "not a finite number"),
        ("x = log(0)", "not a finite number"),
    ],
)
def test_restrictions_that_make_no_sense(text, message):
    with pytest.raises(ArgumentError, match=message):
        resolve(FIT, read(text, NAMES))


def test_restrictions_that_follow_from_others_are_dropped_and_told():
    resolved = resolve(FIT, read("x = f[T.b], f[T.b] = 0.1, 3*x = 0.3, log(t)", NAMES))
    assert isinstance(resolved, Linear)
    assert resolved.texts == ("x = f[T.b]", "f[T.b] = 0.1", "log(t) = 0")
    assert resolved.notes == ("follows from the others, not counted: 3*x = 0.3",)


@pytest.mark.parametrize(
    "text", ["exp(x) = 2", "x / log(t)", "x*log(t) - 1", "x^2", "2^x", "abs(x)", "x = exp(f[T.b])"]
)
def test_what_is_not_linear(text):
    assert isinstance(resolve(FIT, read(text, NAMES)), Nonlinear)


def test_the_forms_a_hypothesis_can_have():
    p = len(FIT.columns)
    rows = np.zeros((2, p))
    rows[0, 1], rows[1, 2], rows[1, 1] = 1, 1, -2
    single, apart = hypotheses(FIT, (rows, [1, 2]))
    assert not apart and [e.text for e in single[0].equations] == ["x = 1", "-2*x + f[T.b] = 2"]
    assert len(hypotheses(FIT, rows)[0]) == 1
    assert len(hypotheses(FIT, rows.tolist())[0]) == 1
    assert len(hypotheses(FIT, pd.DataFrame(rows))[0]) == 1
    assert len(hypotheses(FIT, rows[0].tolist())[0][0].equations) == 1
    mapped, _ = hypotheses(FIT, {"x": 1, "f[T.b]": -1})
    assert mapped[0].text == "x - f[T.b] = 0"
    several, apart = hypotheses(FIT, ["x", {"x": 1, "my z": 2}, rows[1]])
    assert apart and [h.text for h in several] == ["x", "x + 2*my z = 0", "-2*x + f[T.b] = 0"]
    named, apart = hypotheses(FIT, {"slope": "x = 0", "both": "x = log(t) = 0"})
    assert apart and [h.text for h in named] == ["slope", "both"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "A hypothesis is a text"),
        (None, "A hypothesis is a text"),
        ([], "list of hypotheses is empty"),
        ({}, "is empty"),
        ({"zz": 1}, "No coefficient 'zz'"),
        ({"c": 1}, "No coefficient 'c'"),
        ({"x": np.nan}, "finite"),
        (np.eye(3), "needs 15 columns"),
        (np.zeros((1, 15)), "restricts nothing"),
        (np.full((1, 15), np.nan), "not finite"),
        ((np.eye(15)[:2], [1, 2, 3]), "value needs 2 numbers"),
        (np.array([["a"] * 15]), "A hypothesis is a text"),
        ([["x"]], "A hypothesis is a text"),
    ],
)
def test_other_forms_that_cannot_be_read(given, message):
    with pytest.raises(ArgumentError, match=message):
        hypotheses(FIT, given)


def test_aliased_coefficients_are_refused_unless_the_data_determine_the_combination():
    for text in ("x2", "x = x2", "exp(x2) = 1"):
        with pytest.raises(ArgumentError, match=r"cannot be estimated: x2 is aliased \(= 2\*x\)"):
            ALIASED.test(text)
    assert ALIASED.test("x + 2*x2")["estimate"][0] == pytest.approx(ALIASED.coef["x"], rel=1e-14)
    assert ALIASED.test("x")["estimate"][0] == ALIASED.coef["x"]
    with pytest.raises(ArgumentError, match="contradicts"):
        ALIASED.test("x = 1, x + 2*x2 = 2")


def test_an_aliased_coefficient_of_a_term_is_left_out_and_told():
    data = D.assign(q=np.where(D["f"] == "b", "v", "u"), k=[("r", "s", "t")[k % 3] for k in range(len(D))])
    data.loc[(data["f"] == "b") & (data["k"] == "t"), "k"] = "s"
    fit = glm("y ~ f*k", data, "poisson")
    assert fit.estimate.aliased
    tests = fit.test("f:k", method="all")
    assert set(tests["df"]) == {1}
    assert all("aliased, not tested: f[T.b]:k[T.t] = 0" in row.note for row in tests.tests)
    main = fit.update("y ~ f + k")
    assert tests["statistic"][1] == pytest.approx(main.deviance - fit.deviance, rel=1e-10)


@pytest.mark.parametrize(
    "text",
    [
        "exp(x)*log(w + 3)^2 / sqrt(z^2 + 1)",
        "expit(x) - plogis(-z) + logit(0.3 + x/10)*qlogis(0.5 - x/9)",
        "x^z - 2^x + (w^2)^0.5",
        "log1p(x)*expm1(z) - log2(w)/log10(3 + x)",
        "tanh(x*z) + abs(-w)*-x",
    ],
)
def test_gradients_are_exact(text):
    names, coef = Names(("x", "z", "w")), np.array([0.7, -0.4, 1.3])
    node = read(text, names).equations[0].left
    value, gradient = evaluate(node, coef)
    for slot in range(3):
        step = np.zeros(3)
        step[slot] = 1e-5
        ahead, behind = evaluate(node, coef + step)[0], evaluate(node, coef - step)[0]
        assert gradient[slot] == pytest.approx((ahead - behind) / 2e-5, rel=1e-7, abs=1e-9)
    assert np.isfinite(value)


def test_a_power_of_a_negative_base_has_a_slope_where_the_exponent_is_a_number():
    value, gradient = evaluate(read("x^2", Names(("x",))).equations[0].left, np.array([-3.0]))
    assert (value, gradient[0]) == (9.0, -6.0)
