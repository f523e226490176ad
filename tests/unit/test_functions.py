import numpy as np
import pytest

from glmstat.data.columns import Categorical
from glmstat.errors import DataError, FormulaError
from glmstat.formula.functions import FUNCTIONS
from glmstat.formula.value import Basis, as_categorical, as_number, level_label, match_level

X = np.array([0.25, 1.0, 4.0])
F = Categorical(np.array([0, 1, -1]), ("low", "high"))


def call(name, *values, **options):
    return FUNCTIONS[name].apply(*values, **options)


@pytest.mark.parametrize(
    "name",
    ["log", "sqrt", "exp", "log2", "log10", "log1p", "expm1", "abs", "sin", "cos", "tan", "floor", "ceil"],
)
def test_elementwise_is_numpy_under_both_names(name):
    expected = getattr(np, name)(X)
    assert np.array_equal(call(name, X), expected)
    assert np.array_equal(call(f"np.{name}", X), expected)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_, np.float32])
def test_every_number_becomes_float64(dtype):
    assert call("sqrt", np.array([0, 1, 1], dtype=dtype)).dtype == np.float64


def test_a_single_number_stays_one():
    assert call("log", np.e) == 1.0
    assert type(call("sqrt", 2.0)) is float


def test_outside_the_domain_is_nan_or_inf_without_a_warning():
    assert np.array_equal(call("log", np.array([-1.0, 0.0])), [np.nan, -np.inf], equal_nan=True)
    assert np.isnan(call("sqrt", -1.0))


def test_log_with_a_base():
    assert call("log", np.array([8.0]), 2.0) == pytest.approx([3.0])
    assert call("log", np.array([9.0]), base=3.0) == pytest.approx([2.0])


def test_round_and_extremes_and_choice():
    assert call("round", np.array([1.26]), 1.0) == pytest.approx([1.3])
    assert call("pmin", X, 1.0, np.array([9.0, 0.5, 9.0])).tolist() == [0.25, 0.5, 1.0]
    assert call("maximum", X, 1.0).tolist() == [1.0, 1.0, 4.0]
    assert call("ifelse", X > 1, 5.0, X).tolist() == [0.25, 1.0, 5.0]
    assert call("where", X > 1, "big", "a").levels == ("a", "big")


def test_combine_flattens():
    assert call("c", 1.0, (2.0, 3.0), "a") == (1.0, 2.0, 3.0, "a")


def test_identity_keeps_what_it_is_given():
    assert call("I", F) is F


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("log", (F,), "log() needs numbers: 'f' is categorical with levels low, high"),
        ("log", ("f",), "log() needs numbers: 'f' is text"),
        ("abs", (Basis(np.ones((2, 3)), ("1", "2")),), "'f' has 2 columns"),
        ("pmax", (1.0, F), "pmax() needs numbers"),
    ],
)
def test_values_that_are_not_numbers(name, values, words):
    with pytest.raises(DataError) as caught:
        call(name, *values, text="f")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values", "options", "words"),
    [
        ("log", (X, 2.0, 3.0), {}, "log() takes at most 2 arguments: 3 given"),
        (
            "scale",
            (X,),
            {"centre": True},
            "no argument 'centre': its arguments are x, center, scale, ddof. Did you",
        ),
        ("sqrt", (), {}, "sqrt() needs its argument 'x'"),
        ("sqrt", (X,), {"x": X}, "sqrt() got 'x' twice"),
        ("relevel", (F,), {}, "relevel() needs its argument 'ref'"),
        ("pmin", (), {}, "pmin() takes values only"),
        ("scale", (X,), {}, "scale() learns from the data and cannot be used here"),
        ("cbind", (X, X), {}, "cbind() belongs on the left side"),
        ("round", (X, 1.5), {}, "round() needs digits to be a whole number"),
    ],
)
def test_arguments_that_do_not_fit(name, values, options, words):
    with pytest.raises(FormulaError) as caught:
        call(name, *values, **options)
    assert words in str(caught.value)


def test_names_agree_with_their_keys():
    for name, function in FUNCTIONS.items():
        assert function.name in (name, name.removeprefix("np."))


@pytest.mark.parametrize(
    ("level", "label"),
    [
        ("a b", "a b"),
        (True, "True"),
        (2.0, "2"),
        (-0.5, "-0.5"),
        (1e300, "1e+300"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_labels_of_levels(level, label):
    assert level_label(level) == label


@pytest.mark.parametrize(
    ("wanted", "levels", "found"),
    [
        ("b", ("a", "b"), "b"),
        ("6", (4.0, 6.0), 6.0),
        (6.0, ("4", "6"), "6"),
        (1.0, (False, True), True),
        ("True", (False, True), True),
        ("z", ("a", "b"), None),
        (None, ("a", "b"), None),
    ],
)
def test_the_level_a_user_means(wanted, levels, found):
    assert match_level(wanted, levels) is found or match_level(wanted, levels) == found


def test_numbers_as_categories():
    made = as_categorical(np.array([3.0, np.nan, 1.5, 3.0]))
    assert made.levels == (1.5, 3.0)
    assert made.codes.tolist() == [1, -1, 0, 1]
    assert as_categorical(np.array([True, True])).levels == (False, True)
    with pytest.raises(DataError):
        as_categorical(2.0, "x")


def test_a_float_column_is_not_copied():
    assert as_number(X) is X
