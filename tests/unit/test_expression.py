"""Expressions: their values on rows, the calls that learn, the columns they need."""

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest

from glmstat.data.source import Categorical, open_source
from glmstat.errors import ColumnError, DataError, FormulaError
from glmstat.formula.expression import (
    Environment,
    columns_needed,
    evaluate,
    gather,
    parse_expression,
    stateful_calls,
)
from glmstat.formula.functions import FUNCTIONS

DATA = {
    "x": np.array([1.0, 2.0, 4.0, -3.0]),
    "n": np.array([1, 2, 3, 4]),
    "u": np.array([1, 2, 3, 250], dtype=np.uint8),
    "b": np.array([True, False, True, True]),
    "f": pd.Series(pd.Categorical(["lo", "hi", "lo", "mid"], ["lo", "mid", "hi"], ordered=True)),
    "g": np.array(["a", "b", "a", "c"]),
    "my col": np.array([1.0, 1.0, 2.0, 2.0]),
    "log": np.array([10.0, 20.0, 30.0, 40.0]),
    "C": np.array([0.0, 1.0, 2.0, 3.0]),
    "s": np.array([5.0, 6.0, 7.0, 8.0]),
    "I": np.array([1.0, 0.0, 1.0, 0.0]),
    "x.1": np.array([9.0, 9.0, 8.0, 8.0]),
    "class": np.array([2.0, 3.0, 2.0, 3.0]),
}
FRAME = open_source(DATA).frame()
x, n = DATA["x"], DATA["n"].astype(float)


def value(text, context=None, states=None, **options):
    functions = tuple(name for name, entry in (context or {}).items() if callable(entry))
    expression = parse_expression(text, functions=functions, **options)
    return evaluate(expression, Environment(FRAME, context or {}, states or {}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", x),
        ("`my col`", [1, 1, 2, 2]),
        ("x.1", [9, 9, 8, 8]),
        ("class", [2, 3, 2, 3]),
        ("log(class)", np.log([2, 3, 2, 3])),
        ("x + n", x + n),
        ("-x", -x),
        ("+n", n),
        ("-u", [-1, -2, -3, -250]),
        ("u + 10", [11, 12, 13, 260]),
        ("n * 2 - x / 4", n * 2 - x / 4),
        ("x^2", x**2),
        ("x ** 2", x**2),
        ("-x^2", -(x**2)),
        ("2^n", [2, 4, 8, 16]),
        ("2^-n", [0.5, 0.25, 0.125, 0.0625]),
        ("2^3^2 + 0*n", [512.0] * 4),
        ("x %% 3", [1, 2, 1, 0]),
        ("x %/% 2", [0, 1, 2, -2]),
        ("x // 2", [0, 1, 2, -2]),
        ("b + b", [2, 0, 2, 2]),
        ("b * n", [1, 0, 3, 4]),
        ("I(x^2)", x**2),
        ("log(n)", np.log(n)),
        ("np.log(n)", np.log(n)),
        ("log(n, 2)", np.log(n) / np.log(2)),
        ("log10(n) + log2(n) + log1p(n) + expm1(n) + sqrt(n) + abs(x) + exp(x)",
         np.log10(n) + np.log2(n) + np.log1p(n) + np.expm1(n) + np.sqrt(n) + np.abs(x) + np.exp(x)),
        ("cos(2 * pi * n)", np.cos(2 * math.pi * n)),
        ("log(log)", np.log(DATA["log"])),
        ("C + I + s", DATA["C"] + DATA["I"] + DATA["s"]),
        ("I(I)", DATA["I"]),
        ("ifelse(x > 0, 1, 0)", [1, 1, 1, 0]),
        ("pmin(x, n)", np.minimum(x, n)),
    ],
)  # fmt: skip
def test_numbers(text, expected):
    found = value(text)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.asarray(expected, dtype=float))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x > 1", [0, 1, 1, 0]),
        ("1 < x", [0, 1, 1, 0]),
        ("1 <= x < 4", [1, 1, 0, 0]),
        ("x == n", [1, 1, 0, 0]),
        ("x != n", [0, 0, 1, 1]),
        ("b", [1, 0, 1, 1]),
        ("b == True", [1, 0, 1, 1]),
        ("b == TRUE", [1, 0, 1, 1]),
        ("!b", [0, 1, 0, 0]),
        ("not b", [0, 1, 0, 0]),
        ("~b", [0, 1, 0, 0]),
        ("!x > 1", [1, 0, 0, 1]),
        ("x > 1 & n < 3", [0, 1, 0, 0]),
        ("(x > 1) & (n < 3)", [0, 1, 0, 0]),
        ("x > 1 && n < 3 || b", [1, 1, 1, 1]),
        ("x > 1 and n < 3 or n == 4", [0, 1, 0, 1]),
        ("x > 3 | n == 1 & b", [1, 0, 1, 0]),
        ("g == 'a'", [1, 0, 1, 0]),
        ('"a" == g', [1, 0, 1, 0]),
        ("g != 'a'", [0, 1, 0, 1]),
        ("g == 'nobody'", [0, 0, 0, 0]),
        ("g %in% c('a', 'c')", [1, 0, 1, 1]),
        ("g in ('a', 'c')", [1, 0, 1, 1]),
        ("g not in ['a', 'c']", [0, 1, 0, 0]),
        ("n in (1, 4)", [1, 0, 0, 1]),
        ("n %in% picked", [0, 1, 0, 0]),
        ("f < 'hi'", [1, 0, 1, 1]),
        ("'mid' <= f", [0, 1, 0, 1]),
        ("x > cutoff", [0, 1, 1, 0]),
    ],
)
def test_truth(text, expected):
    found = value(text, {"cutoff": 1, "picked": [2, 7]})
    assert found.dtype == np.bool_
    assert found.tolist() == [bool(one) for one in expected]


def test_a_missing_level_is_never_true():
    frame = open_source({"g": ["a", None, "b"]}).frame()
    for text, expected in {
        "g == 'a'": [True, False, False],
        "g != 'a'": [False, False, True],
        "g not in ('a',)": [False, False, True],
    }.items():
        assert evaluate(parse_expression(text), Environment(frame)).tolist() == expected


def test_values_that_do_not_exist_are_left_to_the_caller():
    with np.errstate(all="raise"):
        assert np.isnan(value("log(x)")).tolist() == [False, False, False, True]
        assert np.isinf(value("1 / (x - 1)")).tolist() == [True, False, False, False]
        assert np.isinf(value("n * 9**9**9")).all()
        assert value("9**9**9") == math.inf
        assert math.isnan(value("0 / 0"))
        assert math.isnan(value("(-8)^(1/3)"))


def test_factors_stay_factors():
    assert isinstance(value("g"), Categorical)
    assert value("f").levels == ("lo", "mid", "hi")
    assert value("f").ordered


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("g + 1", DataError, "Arithmetic needs numbers: 'g' is categorical with levels a, b, c."),
        ("-g", DataError, "'g' is categorical"),
        ("x + 'a'", DataError, "'a' is text"),
        ("log(g)", DataError, "log() needs numbers: 'g' is categorical"),
        ("g < 'b'", DataError, "Factor 'g' has no order: 'g < 'b''. Use ==, != or in."),
        ("f < 'huge'", DataError, "Factor 'f' has no level 'huge': its levels are lo, mid, hi."),
        ("g == 1", DataError, "Factor 'g' has levels a, b, c: it is compared with 1. Write text in quotes."),
        ("x == 'a'", DataError, "Text is compared with a number: 'x == 'a''."),
        ("g == f", DataError, "A factor is compared with one of its levels"),
        ("x & b", DataError, "'and', 'or' and 'not' need true or false: 'x' is neither. Write x != 0"),
        ("!n", DataError, "'n' is neither"),
        ("x in 3", DataError, "'in' needs a list"),
        ("zz", ColumnError, "No column 'zz' in data: columns are x, n, u, b"),
        ("Log + 1", ColumnError, "Did you mean 'log'?"),
        ("x.values", FormulaError, "Attribute access is not allowed in a formula: 'x.values'."),
        ("half + 1", FormulaError, "'half' is a function of the context: it is used as a value. Call it."),
    ],
)
def test_errors_say_what_does_not_fit(text, error, words):
    with pytest.raises(error) as caught:
        value(text, {"half": lambda column: column / 2})
    assert words in str(caught.value)


def test_context_gives_numbers_arrays_texts_and_functions():
    context = {
        "k": 3,
        "w": np.array([1, 2, 3, 4]),
        "ref": "b",
        "half": lambda column, by=2.0: column / by,
        "upper": lambda labels: [label.upper() for label in labels],
        "x": "hidden by the column",
    }
    np.testing.assert_array_equal(value("x + k", context), x + 3)
    np.testing.assert_array_equal(value("x + w", context), x + n)
    np.testing.assert_array_equal(value("half(x) + half(n, by=k)", context), x / 2 + n / 3)
    assert value("g == ref", context).tolist() == [False, True, False, False]
    assert value("upper(g)", context).levels == ("A", "B", "C")
    assert value("k + 1", context) == 4.0


def test_an_array_of_the_context_follows_the_rows():
    source = open_source({"x": np.arange(5.0)})
    frame = source.frame(1, 5).take(np.array([0, 3]))
    found = evaluate(parse_expression("x + w"), Environment(frame, {"w": np.arange(5.0) * 10}))
    assert found.tolist() == [11.0, 44.0]


def test_a_function_of_the_context_must_give_rows():
    with pytest.raises(FormulaError, match=r"'bad\(x\)' gives dict"):
        value("bad(x)", {"bad": lambda column: {"a": 1}})
    with pytest.raises(FormulaError, match="mixture of types"):
        value("bad(x)", {"bad": lambda column: np.array(["a", 1, 2, 3], dtype=object)})
    with pytest.raises(FormulaError, match=r"Function 'f' is missing: 'f\(x\)'"):
        evaluate(parse_expression("f(x)", functions=("f",)), Environment(FRAME))


def test_python_is_run_only_where_it_was_allowed():
    expression = parse_expression("{np.clip(x, 0, `my col`) + len('ab')}", allow_python=True)
    assert expression.python
    assert expression.text == "{np.clip(x, 0, `my col`) + len('ab')}"
    assert columns_needed(expression, FRAME.names, {}) == ("x", "my col")
    assert evaluate(expression, Environment(FRAME)).tolist() == [3.0, 3.0, 4.0, 2.0]
    assert parse_expression("x.clip(0)", allow_python=True).python
    assert value("x.clip(k)", {"k": 2}, allow_python=True).tolist() == [2.0, 2.0, 4.0, 2.0]
    assert value("{[label * 2 for label in g]}", allow_python=True).levels == ("aa", "bb", "cc")
    assert not parse_expression("log(x)", allow_python=True).python
    with pytest.raises(FormulaError, match=r"Python code failed: '1 / 0' gave ZeroDivisionError"):
        value("{1/0}", allow_python=True)
    with pytest.raises(FormulaError, match=r"`lgo\(\)` is not a formula function"):
        parse_expression("lgo(x)", allow_python=True)


def learned(text):
    states = {}
    for call in stateful_calls(parse_expression(text)):
        gathered = gather(call, Environment(FRAME, {}, states))
        states[call.text] = FUNCTIONS[call.function].learner.finish(gathered)
    return states


def test_calls_that_learn_come_innermost_first():
    calls = stateful_calls(parse_expression("scale(scale(x) * center(n) + log(C)) + center(n)"))
    assert [(call.depth, call.text) for call in calls] == [
        (0, "scale(x)"),
        (0, "center(n)"),
        (1, "scale(scale(x) * center(n) + log(C))"),
    ]
    assert calls[0].function == "scale"
    assert calls[0].arguments == (parse_expression("x"),)
    assert stateful_calls(parse_expression("x")) == []
    assert stateful_calls(parse_expression("log(x) + scale")) == []


def test_what_was_learned_is_used():
    text = "scale(center(n)^2)"
    states = learned(text)
    squares = (n - n.mean()) ** 2
    expected = (squares - squares.mean()) / squares.std(ddof=1)
    np.testing.assert_allclose(value(text, states=states), expected, rtol=1e-14)
    with pytest.raises(FormulaError, match="learns from the data"):
        value(text)


def test_options_reach_the_function():
    (call,) = stateful_calls(parse_expression("poly(x, degree=2, raw=TRUE)"))
    assert call.options == (("degree", parse_expression("2")), ("raw", parse_expression("True")))
    basis = value("poly(x, degree=2, raw=TRUE)", states=learned("poly(x, degree=2, raw=TRUE)"))
    np.testing.assert_allclose(basis.columns, [x, x**2])


def test_contrasts_may_go_by_word_call_or_quotes():
    kinds = {
        text: value(text, states=learned(text)).contrast.kind
        for text in ("C(g, contr.sum)", "C(g, Sum)", "C(g, sum)", "C(g, 'sum')", "C(g, contr.sum())")
    }
    assert set(kinds.values()) == {"sum"}
    text = "C(g, Treatment('b'))"
    assert value(text, states=learned(text)).contrast.base == "b"


def test_columns_needed():
    context = {"k": 1, "f": math.sqrt}
    expression = parse_expression("f(x) + k * pi + x + `my col`", functions=("f",))
    assert columns_needed(expression, FRAME.names, context) == ("x", "my col")
    assert columns_needed(parse_expression("pi"), ["pi"], {}) == ("pi",)
    with pytest.raises(FormulaError, match="Function 'f' is missing"):
        columns_needed(expression, FRAME.names, {"k": 1})
    with pytest.raises(ColumnError, match="No column 'k' in data: columns are x"):
        columns_needed(parse_expression("k + x"), ["x"], {})
    with pytest.raises(FormulaError, match="Attribute access"):
        columns_needed(parse_expression("x.mean"), ["x"], {})


def test_equal_when_the_texts_are():
    assert parse_expression("log( x )") == parse_expression("log(x)")
    assert hash(parse_expression("x+1")) == hash(parse_expression("x + 1"))
    assert parse_expression("x") != parse_expression("log(x)")


DEEP = "+".join(["x"] * 190)
COPIED = ["x", "1", "log(x) + `my col`", "C(g, contr.sum)", "C(g, sum)", "x > 1 & n < 3", f"I({DEEP})"]


@pytest.mark.parametrize("text", COPIED)
def test_survives_pickle_and_copy(text):
    expression = parse_expression(text)
    for copied in (pickle.loads(pickle.dumps(expression)), copy.deepcopy(expression)):
        assert copied == expression
        assert copied.names == expression.names
        assert copied.operands == expression.operands
        assert type(copied.tree) is type(expression.tree)
    for operand in expression.operands:
        assert pickle.loads(pickle.dumps(operand)).tree == operand.tree


def test_a_function_of_the_context_survives_pickle():
    expression = parse_expression("f(x)", functions=("f",))
    assert pickle.loads(pickle.dumps(expression)).functions == ("f",)
    assert pickle.loads(pickle.dumps(parse_expression("{x + 1}", allow_python=True))).python


def test_a_column_is_not_copied():
    assert value("x") is value("x")
    assert np.shares_memory(value("I(x)"), x)


@pytest.mark.parametrize("text", [None, 1, ["x"]])
def test_an_expression_is_a_text(text):
    with pytest.raises(FormulaError, match="An expression must be a text"):
        parse_expression(text)


def test_an_empty_expression_is_refused():
    with pytest.raises(FormulaError, match="Expression is empty"):
        parse_expression("  ")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("I(x.clip(0))", "I(pmax(x, 0))"),
        ("log(x.clip(1) + 1)^2", "log(pmax(x, 1) + 1)^2"),
        ("(x if len(x) > 2 else n) * 2", "x * 2"),
        ("I(x[::-1][::-1] > 1 & x < 3)", "I(x > 1 & x < 3)"),
        ("np.flip(np.flip(sqrt(abs(x))))", "sqrt(abs(x))"),
        ("np.negative(log(`my col` + 9))", "-log(`my col` + 9)"),
        ("log(x.clip(1))[::-1][::-1]", "log(pmax(x, 1))"),
        ("{np.array([sqrt(abs(v)) for v in x])}", "sqrt(abs(x))"),
        ("h(x, {'k': 2}['k'])", "x * 2"),
    ],
)
def test_python_takes_only_what_is_refused(text, plain):
    context = {"h": lambda column, k: column * k}
    found = parse_expression(text, allow_python=True, functions=("h",))
    assert found.python
    again = parse_expression(found.text, allow_python=True, functions=("h",))
    assert again == found
    assert pickle.loads(pickle.dumps(found)) == found
    columns_needed(found, FRAME.names, context)
    for expression in (found, again):
        np.testing.assert_allclose(
            np.asarray(evaluate(expression, Environment(FRAME, context)), float),
            np.asarray(value(plain), float),
        )
    with pytest.raises(FormulaError):
        parse_expression(found.text, functions=("h",))


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("scale(np.cumsum(x))", ["scale(np.cumsum(x))"]),
        ("np.cumsum(scale(x))", ["scale(x)"]),
        ("bs(scale(x.clip(0)), 4)", ["scale(x.clip(0))", "bs(scale(x.clip(0)), 4)"]),
        ("poly(x, 2)[:, 0]", ["poly(x, 2)"]),
    ],
)
def test_calls_around_and_inside_python_learn(text, calls):
    assert [call.text for call in stateful_calls(parse_expression(text, allow_python=True))] == calls


def test_calls_cannot_learn_from_the_variables_of_python():
    for text in ("{[scale(v) for v in x]}", "scale(*x)"):
        with pytest.raises(FormulaError, match=r"scale\(\) learns from the data, and cannot do so inside"):
            parse_expression(text, allow_python=True)
