"""The left side: numbers, events, counts, and what lies outside a family's domain."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from glmstat.errors import ArgumentError, DataError, DomainError, FormulaError, ResponseWarning
from glmstat.formula.design import Design
from tests.unit.framed import COUNTS, changed, column, framed

BINARY = {
    "x": [0.5, -1.0, 2.0, 0.0],
    "yes": [True, False, True, True],
    "word": ["no", "yes", "no", "yes"],
    "four": ["a", "b", "c", "d"],
    "s": [1.0, 0.0, 4.0, 0.0],
    "n": [2.0, 3.0, 4.0, 0.0],
    "share": [0.5, 0.25, 1.0, 0.0],
}


def y_of(formula, family="binomial", **given):
    frame = framed(f"{formula} ~ x", BINARY, family, **given)
    return column(frame, "y").tolist(), frame.design.modelled


@pytest.mark.parametrize(
    ("formula", "given", "y", "modelled"),
    [
        ("yes", {}, [1, 0, 1, 1], "P(yes)"),
        ("yes", {"event": False}, [0, 1, 0, 0], "P(not yes)"),
        ("word", {}, [0, 1, 0, 1], "P(word == 'yes')"),
        ("word", {"event": "no"}, [1, 0, 1, 0], "P(word == 'no')"),
        ("four", {"event": "c"}, [0, 0, 1, 0], "P(four == 'c')"),
        ("s > 0", {}, [1, 0, 1, 0], "P(s > 0)"),
        ("yes", {"event": "False"}, [0, 1, 0, 0], "P(not yes)"),
        ("yes", {"event": np.bool_(False)}, [0, 1, 0, 0], "P(not yes)"),
        ("s", {"event": 4}, [0, 0, 1, 0], "P(s == 4)"),
        ("s", {"event": "4"}, [0, 0, 1, 0], "P(s == 4)"),
        ("factor(s)", {"event": "4"}, [0, 0, 1, 0], "P(factor(s) == 4)"),
        ("factor(s)", {"event": 4, "subset": "x != 0"}, [0, 0, 1], "P(factor(s) == 4)"),
        ("cbind(s, n - s)", {}, [0.5, 0, 1, 0], "share of s in cbind(s, n - s)"),
        ("share", {"weights": "n * 2", "subset": "n > 0 and n != 3"}, [0.5, 1], None),
    ],
)
def test_values(formula, given, y, modelled):
    assert y_of(formula, **given) == (y, modelled)


def test_first_level_of_a_categorical_is_failure():
    data = {"y": pd.Series(pd.Categorical(["v", "u"] * 2, categories=["v", "u", "w"])), "x": [1.0, 2, 3, 4]}
    frame = framed("y ~ x", data, "binomial")
    assert column(frame, "y").tolist() == [0, 1, 0, 1] and frame.design.modelled == "P(y == 'u')"


def test_note_tells_the_event():
    assert framed("word ~ x", BINARY, "binomial").notes[0].text == "modelled: P(word == 'yes')"


def test_trials_multiply_the_weights_and_frequencies_do_not():
    frame = framed("cbind(s, n - s) ~ x", BINARY, "binomial", weights=[1, 2, 3, 4], freq_weights=[1, 1, 2, 2])
    assert column(frame, "weights").tolist() == [2, 6, 12, 0]
    assert column(frame, "frequency").tolist() == [1, 1, 2, 2]


def test_booleans_are_numbers_for_other_families():
    assert y_of("yes", "gaussian") == ([1, 0, 1, 1], None)


def test_coding_survives_json():
    design = framed("word ~ x", BINARY, "binomial").design
    again = Design.from_json(json.loads(json.dumps(design.to_json())))
    assert again.schema.response == design.schema.response


@pytest.mark.parametrize(
    ("formula", "family", "given", "error", "words"),
    [
        (
            "x",
            "poisson",
            {},
            DomainError,
            "Poisson response must be >= 0: x is -1 in row 1 (1 row). Drop or correct it, ",
        ),
        ("s", "gamma", {}, DomainError, "Gamma response must be > 0: s is 0 in rows 1, 3 (2 rows)."),
        (
            "n",
            "binomial",
            {},
            DomainError,
            "Binomial response must be between 0 and 1: n is 2 in rows 0, 1, 2 (3 rows).",
        ),
        ("cbind(x, n)", "binomial", {}, DomainError, "Counts must be >= 0: x is -1 in row 1 (1 row)."),
        (
            "cbind(s, n)",
            "poisson",
            {},
            FormulaError,
            "cbind() on the left needs a binomial family: family is poisson.",
        ),
        (
            "cbind(s, n)",
            "binomial",
            {"subset": "n == 0"},
            DataError,
            "No row has a trial: cbind(s, n) is 0 in",
        ),
        (
            "cbind(s, n)",
            "binomial",
            {"event": 1},
            ArgumentError,
            "event= names a level: cbind(s, n) has none.",
        ),
        ("word", "poisson", {}, DataError, "Poisson response must be numbers: word has levels no, yes."),
        (
            "four",
            "binomial",
            {},
            ArgumentError,
            "Response has 4 levels: four takes 'a', 'b', 'c', 'd'. Name the event",
        ),
        (
            "four",
            "binomial",
            {"event": "z"},
            DataError,
            "event='z' never happens: four takes 'a', 'b', 'c', 'd'.",
        ),
        ("s", "binomial", {"event": 7}, DataError, "event=7 never happens: s never takes that value."),
        ("s", "poisson", {"event": 4}, ArgumentError, "event= needs a binomial family: family is poisson."),
        ("word", "binomial", {"event": ["no"]}, ArgumentError, "event must be one level: got list."),
        (
            "word",
            "binomial",
            {"subset": "word == 'no'"},
            DataError,
            "Response has one level: word is 'no' in every row.",
        ),
        ("poly(x, 2)", "gaussian", {}, FormulaError, "Response must be one column: poly(x, 2) has 2."),
        (
            "log(s)",
            "gaussian",
            {},
            DataError,
            "A formula must give finite numbers: log(s) is -inf in rows 1, 3 (2 rows).",
        ),
    ],
)
def test_refused(formula, family, given, error, words):
    with pytest.raises(error) as raised:
        y_of(formula, family, **given)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("formula", "family", "given", "words"),
    [
        ("share", "poisson", {}, "Poisson response should be counts: share is 0.5 in rows 0, 1 (2 rows)."),
        (
            "share",
            "negative_binomial(2)",
            {},
            "Negative binomial response should be counts: share is 0.5 in rows",
        ),
        (
            "share",
            "binomial",
            {},
            "Binomial response should be shares of whole numbers: share times weights is 0.5 in",
        ),
        ("share", "binomial", {"weights": "n"}, "share times weights is 0.75 in row 1 (1 row)"),
        (
            "cbind(share, n)",
            "binomial",
            {},
            "Binomial response should be counts: share is 0.5 in rows 0, 1 (2 rows).",
        ),
    ],
)
def test_doubts_are_warnings(formula, family, given, words):
    with pytest.warns(ResponseWarning) as caught:
        y_of(formula, family, **given)
    assert words in str(caught[0].message) and len(caught) == 1


@pytest.mark.parametrize(
    ("formula", "family", "given"),
    [
        ("share", "quasipoisson", {}),
        ("share", "quasibinomial", {}),
        ("share", "binomial", {"weights": [2, 4, 1, 1]}),
        ("cbind(s, n)", "binomial", {}),
        ("n", "poisson", {}),
        ("n", "poisson", {"freq_weights": [1, 2, 3, 4]}),
    ],
)
def test_no_doubt(formula, family, given):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y_of(formula, family, **given)


def test_no_response():
    with pytest.raises(FormulaError, match=r"Formula has no response: '~ x'"):
        framed("~ x", COUNTS)


def test_rows_of_the_message_are_those_of_the_data():
    y = np.array([1.0, np.nan, 2.0, -1.0, 0.0, 1.0, 1.0, -3.0])
    with pytest.raises(DomainError, match=r"y is -1 in rows 3, 7 \(2 rows\)"):
        framed("y ~ x", changed(y=y), subset=np.arange(8) != 4)
