"""Columns and names of a design, new rows, and its JSON."""

import json
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix

from glmstat.data.source import open_source
from glmstat.errors import ArgumentError, ColumnError, DataError, ExtrapolationWarning, FormulaError
from glmstat.formula.design import Design
from tests.unit.framed import COUNTS, X, changed, framed, predicted

GENERATOR = np.random.default_rng(1)
TABLE = pd.DataFrame(
    {
        "y": GENERATOR.poisson(1.0, 60),
        "x": GENERATOR.normal(size=60),
        "z": GENERATOR.normal(size=60),
        "a": GENERATOR.choice(list("pqr"), 60),
        "b": GENERATOR.choice(list("uv"), 60),
        "c": GENERATOR.choice(list("klm"), 60),
    }
)
FORMULAS = [
    *(
        "1",
        "0",
        "x",
        "a",
        "0+a",
        "-1+a",
        "0+a+b",
        "a*b",
        "a*b*c",
        "a:b",
        "0+a:b",
        "a/b",
        "a/x",
        "x:a",
        "0+x:a",
    ),
    *(
        "x+x:a",
        "a+x:a",
        "0+x+a",
        "x*z*a",
        "a:b:x",
        "a:b+a",
        "b+a:b",
        "0+b+a:b",
        "x:a+x:b",
        "a*b-a",
        "a*b*x-x",
    ),
    *("(a+b+c)**2", "a*b*c-a:b", "0+(a+b+c)**2", "a:b:c", "0+a:b:c", "x:a:b + x", "0+a:x:b", "I(x**2) + x:z"),
    *("C(a, contr.sum)*b", "C(a, contr.helmert) + x", "0 + C(a, contr.sum)", "C(a, contr.sum):x"),
    *("bs(x, df=4)*b", "a:bs(x, df=4)"),
]


def categorical(values, categories=None, *, ordered=False):
    return pd.Series(pd.Categorical(values, categories=categories, ordered=ordered))


@pytest.mark.parametrize("formula", FORMULAS)
def test_columns_equal_those_of_formulaic(formula):
    frame = framed(f"y ~ {formula}", TABLE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = model_matrix(formula, TABLE)
    assert frame.design.columns == tuple(theirs.columns)
    np.testing.assert_allclose(X(frame), theirs.to_numpy(dtype=float), atol=1e-12)


def test_boolean_is_a_factor_and_a_whole_number_a_number():
    frame = framed("y ~ b + t + I(x > 1)")
    assert frame.design.columns == ("Intercept", "b[T.True]", "t", "I(x > 1)[T.True]")
    np.testing.assert_array_equal(X(frame)[:, 1], COUNTS["b"])


def test_same_column_as_factor_and_as_number():
    frame = framed("y ~ factor(z) + z")
    assert frame.design.columns[-2:] == ("factor(z)[T.5]", "z")
    np.testing.assert_array_equal(X(frame)[:, -1], COUNTS["z"])


def test_names_with_spaces_are_bare_in_columns():
    data = changed(**{"my x": COUNTS["x"], "größe": COUNTS["f"]})
    assert framed("y ~ `my x` + größe", data).design.columns == (
        "Intercept",
        "my x",
        "größe[T.b]",
        "größe[T.c]",
    )


def test_no_column_at_all():
    frame = framed("y ~ 0 + offset(x)")
    assert frame.design.columns == () and frame.design.intercept is None
    assert frame.block(0).X[0].shape == (8, 0)


@pytest.mark.parametrize(
    ("contrasts", "expected"),
    [
        ({"f": "sum"}, ("f[S.a]", "f[S.b]")),
        ({"f": [[1.0], [0.0], [-1.0]]}, ("f[1]",)),
        ("helmert", ("f[H.b]", "f[H.c]")),
        ("R", ("f[T.b]", "f[T.c]")),
    ],
)
def test_contrasts_by_name(contrasts, expected):
    assert framed("y ~ f", contrasts=contrasts).design.columns[1:] == expected


def test_contrasts_R_gives_polynomials_to_ordered_factors():
    ordered = categorical(COUNTS["f"], categories=["a", "b", "c"], ordered=True)
    assert framed("y ~ f", changed(f=ordered), contrasts="R").design.columns[1:] == ("f[.L]", "f[.Q]")


def test_contrasts_inside_the_formula_stand():
    assert (
        framed("y ~ C(f, contr.sum)", contrasts={"f": "helmert"}).design.columns[1] == "C(f, contr.sum)[S.a]"
    )


def test_contrasts_for_a_number_are_refused():
    with pytest.raises(
        ArgumentError, match=r"'x', which is not a factor of the formula: factors are f. Use C\(x\)"
    ):
        framed("y ~ x + f", contrasts={"x": "sum"})


def test_references_of_reduced_factors_only():
    assert framed("y ~ f + b").design.references == {"f": "a", "b": False}
    assert framed("y ~ 0 + f").design.references == {}
    assert framed("y ~ relevel(f, 'b') + C(b, contr.sum)").design.references == {"relevel(f, 'b')": "b"}


def test_unused_levels_are_dropped_and_told():
    data = changed(f=categorical(COUNTS["f"], categories=["z", "a", "b", "c", "d"]))
    frame = framed("y ~ f", data)
    assert frame.design.columns == ("Intercept", "f[T.b]", "f[T.c]")
    assert frame.notes[0].text == "f: unused levels dropped: z, d"


def test_factor_with_one_level():
    with pytest.raises(DataError, match="Factor 'f' has one level: a in every row"):
        framed("y ~ f", subset="f == 'a'")
    assert framed("y ~ 0 + f", subset="f == 'a'").design.columns == ("f[a]",)


@pytest.mark.parametrize("formula", ["a * b", "a:b:c", ":".join(f"v{i}" for i in range(40))])
def test_too_many_columns_are_refused_before_they_are_made(formula):
    rows = 60
    data = {
        name: [f"{name}{i % size}" for i in range(rows)] for name, size in (("a", 60), ("b", 59), ("c", 58))
    }
    data |= {f"v{i}": [i % 2, 1 - i % 2] * 30 for i in range(40)}
    data = {name: categorical(values) for name, values in data.items()} | {"y": [1] * rows}
    if formula == "a * b":
        assert len(framed(f"y ~ {formula}", data).design.columns) == 60 * 59
        return
    with pytest.raises(
        FormulaError, match=r"more than 20,000 columns: .* or let glm absorb the factor: 'y ~ x \| g'"
    ):
        framed(f"y ~ {formula}", data)


CALLS = [
    "x",
    "scale(x) + f",
    "poly(x, 2) * b",
    "bs(x, df=4):f",
    "cut(x, [-2, 0, 3]) + factor(z)",
    "C(f, contr.sum) * z",
]


@pytest.mark.parametrize("formula", CALLS)
def test_json_round_trip_gives_the_same_bits(formula):
    design = framed(f"y ~ {formula} + offset(log(t))", offset="z", exposure="t").design
    again = Design.from_json(json.loads(json.dumps(design.to_json())))
    source = open_source(COUNTS)
    (first,), offset = design.matrices(source.frame())
    (second,), other = again.matrices(source.frame())
    assert again.columns == design.columns
    assert first.to_array().tobytes() == second.to_array().tobytes() and offset.tobytes() == other.tobytes()
    assert again.to_json() == design.to_json()


def test_design_by_blocks_is_the_design_of_the_whole():
    design = framed("y ~ scale(x) + poly(z, 2) * f").design
    source = open_source(COUNTS)
    whole = design.matrices(source.frame())[0][0].to_array()
    parts = [design.matrices(source.frame(start, start + 3))[0][0].to_array() for start in (0, 3, 6)]
    assert np.vstack(parts).tobytes() == np.ascontiguousarray(whole).tobytes()


def test_functions_of_the_context_must_be_given_again():
    design = framed("y ~ h(x) + I(x > cut)", context={"h": np.tanh, "cut": 0.2}).design
    plain = json.loads(json.dumps(design.to_json()))
    with pytest.raises(ArgumentError, match="Functions are not kept in a file: h"):
        Design.from_json(plain)
    again = Design.from_json(plain, {"h": np.tanh})
    np.testing.assert_array_equal(predicted(again, COUNTS), predicted(design, COUNTS))


@pytest.mark.parametrize(
    ("python", "plain"),
    [
        ("I(x.clip(0))", "I(pmax(x, 0))"),
        ("log(x.clip(1))", "log(pmax(x, 1))"),
        ("scale(np.square(x))", "scale(x^2)"),
        ("np.square(scale(x))", "I(scale(x)^2)"),
        ("bs(x.clip(0), 4)", "bs(pmax(x, 0), 4)"),
    ],
)
def test_python_in_a_part_learns_and_predicts(python, plain):
    found = framed(f"y ~ {python} + f", allow_python=True).design
    expected = framed(f"y ~ {plain} + f").design
    new = {"x": [0.5, 1.5], "f": ["a", "b"]}
    np.testing.assert_allclose(predicted(found, COUNTS), predicted(expected, COUNTS))
    np.testing.assert_allclose(predicted(found, new), predicted(expected, new))


def test_python_code_is_never_read_from_json():
    design = framed("y ~ x.clip(0)", allow_python=True).design
    with pytest.raises(FormulaError):
        Design.from_json(json.loads(json.dumps(design.to_json())))


class TestNewRows:
    def test_offset_is_evaluated_again(self):
        design = framed("y ~ x + offset(log(t))", exposure="z").design
        new = {"x": [1.0, 2.0], "t": [1.0, 2.0], "z": [3.0, 1.0]}
        np.testing.assert_allclose(predicted(design, new), [2 + np.log(3), 3 + np.log(2)])

    def test_stateful_calls_keep_what_they_learned(self):
        design = framed("y ~ scale(x)").design
        x = np.array(COUNTS["x"])
        np.testing.assert_allclose(predicted(design, {"x": [7.0]}), 1 + (7 - x.mean()) / x.std(ddof=1))

    def test_missing_rows_are_nan_in_their_place(self):
        design = framed("y ~ x + f + offset(t)").design
        new = {"x": [1.0, np.nan, 1.0, 1.0], "f": ["a", "a", None, "b"], "t": [1.0, 1.0, 1.0, np.nan]}
        np.testing.assert_array_equal(predicted(design, new), [3.0, np.nan, np.nan, np.nan])

    def test_all_rows_missing(self):
        assert np.isnan(predicted(framed("y ~ x").design, {"x": [np.nan, np.nan]})).all()

    @pytest.mark.parametrize(
        ("policy", "expected"), [("na", [np.nan, 2.0, np.nan]), ("reference", [1.0, 2.0, 1.0])]
    )
    def test_new_levels(self, policy, expected):
        design, new = framed("y ~ f").design, {"f": ["k", "b", "k"]}
        with pytest.raises(
            DataError, match=r"Column 'f' has level 'k', not seen in the fit: 2 rows\. Known levels: a, b, c"
        ):
            predicted(design, new)
        np.testing.assert_array_equal(predicted(design, new, new_levels=policy), expected)

    def test_reference_of_a_new_level_is_the_base(self):
        design = framed("y ~ C(f, Treatment('b'))").design
        assert predicted(design, {"f": ["k"]}, [5.0, 1.0, 2.0], new_levels="reference").tolist() == [5.0]

    def test_levels_dropped_in_the_fit_are_new(self):
        data = changed(f=categorical(COUNTS["f"], categories=["a", "b", "c", "d"]))
        with pytest.raises(DataError, match="level 'd', not seen in the fit: 1 row"):
            predicted(
                framed("y ~ f", data).design, {"f": categorical(["d"], categories=["a", "b", "c", "d"])}
            )

    @pytest.mark.parametrize(
        ("formula", "new", "error", "words"),
        [
            ("x", {"xx": [1.0]}, ColumnError, "predict needs column 'x': not in newdata. Did you mean 'xx'?"),
            (
                "x + offset(log(t))",
                {"x": [1.0]},
                ColumnError,
                "predict needs column 't' for offset(log(t)): not in",
            ),
            (
                "log(t)",
                {"t": [-1.0]},
                DataError,
                "A formula must give finite numbers: log(t) is nan in row 0 (1 row)",
            ),
            (
                "f",
                {"f": [1.0]},
                DataError,
                "'f' is a number here, a factor in the fit: its levels are a, b, c",
            ),
            ("x", {"x": ["1"]}, DataError, "A term needs numbers: 'x' is categorical"),
        ],
    )
    def test_refused(self, formula, new, error, words):
        with pytest.raises(error) as raised:
            predicted(framed(f"y ~ {formula}").design, new)
        assert words in str(raised.value)

    def test_array_of_the_fit_is_needed_again(self):
        design = framed("y ~ x", exposure=np.array(COUNTS["t"])).design
        with pytest.raises(
            DataError, match=r"predict needs exposure= again: that of the fit was an array. Give 2"
        ):
            predicted(design, {"x": [1.0, 2.0]})
        np.testing.assert_allclose(
            predicted(design, {"x": [1.0, 2.0]}, exposure=[1.0, 2.0]), [2.0, 3.0 + np.log(2)]
        )
        np.testing.assert_allclose(predicted(design, {"x": [1.0], "v": [5.0]}, offset="v"), [7.0])

    def test_offset_that_the_fit_has_not(self):
        with pytest.raises(ArgumentError, match=r"predict got offset=, but the fit had neither"):
            predicted(framed("y ~ x + offset(t)").design, COUNTS, offset="t")

    def test_unknown_policy(self):
        with pytest.raises(
            ArgumentError, match=r"Unknown new_levels: 'average'\. Known: raise, na, reference"
        ):
            predicted(framed("y ~ x").design, COUNTS, new_levels="average")

    def test_names_of_the_context_stay_those_of_the_context(self):
        design = framed("y ~ I(x > cut)", context={"cut": 0.2}).design
        np.testing.assert_array_equal(predicted(design, {"x": [1.0], "cut": [9.0]}), [2.0])

    def test_array_of_the_context_is_not_cut_to_as_many_rows(self):
        design = framed("y ~ I(z in keep)", context={"keep": np.array([2.0, 3.0, 5.0])}).design
        np.testing.assert_array_equal(predicted(design, {"z": [np.nan, 5.0, 1.0]}), [np.nan, 2.0, 1.0])

    def test_extrapolation_is_told_once(self):
        design = framed("y ~ bs(x, df=4)").design
        with pytest.warns(ExtrapolationWarning) as caught:
            predicted(design, {"x": [9.0, 1.0]})
        assert len(caught) == 1

    def test_more_rows_than_a_block(self):
        design, rows = framed("y ~ x + f").design, 150_000
        x, f = np.arange(rows) / rows, np.array(list("ab") * (rows // 2))
        np.testing.assert_allclose(predicted(design, {"x": x, "f": f}), 1 + x + (f == "b"))


@pytest.mark.parametrize(
    ("formula", "columns", "name"),
    [
        ("y ~ Intercept + x", {"Intercept": COUNTS["z"]}, "Intercept"),
        ("y ~ f + `f[T.b]`", {"f[T.b]": COUNTS["z"]}, "f[T.b]"),
        ("y ~ x * z + `x:z`", {"x:z": COUNTS["t"]}, "x:z"),
    ],
)
def test_two_coefficients_of_one_name_are_refused(formula, columns, name):
    words = f"Two coefficients would be called '{name}'"
    with pytest.raises(FormulaError, match=f"{re.escape(words)}.*Rename the column"):
        framed(formula, {**COUNTS, **columns})


def test_a_column_may_be_called_intercept_where_there_is_none():
    assert framed("y ~ 0 + Intercept", {**COUNTS, "Intercept": COUNTS["z"]}).design.columns == ("Intercept",)
