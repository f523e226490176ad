import json

import numpy as np
import pandas as pd
import pytest

from glmstat import glm, load
from glmstat.errors import DataError, FormulaError
from glmstat.formula.contrast import Contrast, as_contrast, coding
from tests.unit.learned import R

LETTERS = tuple("abcdefghi")


@pytest.mark.parametrize(
    ("case", "contrast", "levels"),
    [
        ("contr.treatment 4", None, 4),
        ("contr.treatment 4", Contrast("treatment"), 4),
        ("contr.treatment 4 base 2", Contrast("treatment", base="b"), 4),
        ("contr.sum 4", Contrast("sum"), 4),
        ("contr.helmert 4", Contrast("helmert"), 4),
        ("contr.sdif 4", Contrast("sdif"), 4),
        ("contr.sdif 5", Contrast("sdif"), 5),
        ("contr.poly 2", Contrast("poly"), 2),
        ("contr.poly 5", Contrast("poly"), 5),
        ("contr.poly 9", Contrast("poly"), 9),
        ("contr.poly 4 scores", Contrast("poly", scores=(1.0, 2.0, 4.0, 8.0)), 4),
    ],
)
def test_matrix_is_that_of_r(case, contrast, levels):
    matrix, labels = coding(LETTERS[:levels], contrast, False)
    assert len(labels) == levels - 1
    assert np.abs(matrix.T - R[case]["fit"]).max() < 1e-14


@pytest.mark.parametrize(
    ("contrast", "labels"),
    [
        (None, ("T.b", "T.c", "T.d", "T.e")),
        (Contrast("treatment", base="c"), ("T.a", "T.b", "T.d", "T.e")),
        (Contrast("sum"), ("S.a", "S.b", "S.c", "S.d")),
        (Contrast("helmert"), ("H.b", "H.c", "H.d", "H.e")),
        (Contrast("sdif"), ("D.b", "D.c", "D.d", "D.e")),
        (Contrast("poly"), (".L", ".Q", ".C", "^4")),
        (as_contrast(np.eye(5)[:, :2]), ("1", "2")),
        (as_contrast({"u": [1, 0, 0, 0, 0], "v": [0, 1, 1, 1, 1]}), ("u", "v")),
    ],
)
def test_labels(contrast, labels):
    assert coding(tuple("abcde"), contrast, False)[1] == labels


@pytest.mark.parametrize(
    "contrast", [None, Contrast("sum"), Contrast("poly"), as_contrast([[1.0], [0.0], [2.0]])]
)
def test_full_coding_has_an_indicator_per_level(contrast):
    matrix, labels = coding((1.0, 2.0, 2.5), contrast, True)
    assert np.array_equal(matrix, np.eye(3))
    assert labels == ("1", "2", "2.5")


def test_booleans_and_a_single_level():
    assert coding((False, True), None, False)[1] == ("T.True",)
    for kind in ("treatment", "sum", "helmert", "poly", "sdif"):
        matrix, labels = coding(("a",), Contrast(kind), False)
        assert matrix.shape == (1, 0)
        assert labels == ()


def test_the_word_r_is_poly_for_ordered_factors_only():
    assert coding(("a", "b", "c"), Contrast("R"), False, ordered=True)[1] == (".L", ".Q")
    assert coding(("a", "b", "c"), Contrast("R"), False)[1] == ("T.b", "T.c")
    assert coding(("a", "b", "c"), None, False, ordered=True)[1] == ("T.b", "T.c")


def test_a_reference_may_be_written_as_text():
    assert coding((4.0, 6.0, 8.0), Contrast("treatment", base="6"), False)[1] == ("T.4", "T.8")


def test_polynomials_of_many_levels_stay_orthonormal():
    matrix, _ = coding(tuple(map(float, range(60))), Contrast("poly"), False)
    assert np.allclose(matrix.T @ matrix, np.eye(59), atol=1e-13)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("sum", "sum"), ("contr.helmert", "helmert"), ("Poly", "poly"), ("diff", "sdif"), ("R", "R")],
)
def test_words(value, kind):
    contrast = as_contrast(value)
    assert contrast is not None
    assert contrast.kind == kind


@pytest.mark.parametrize(
    "contrast",
    [
        Contrast("treatment", base=2.5),
        Contrast("poly", scores=(1.0, 0.1 + 0.2)),
        as_contrast([[1 / 3, 0], [0, 1], [-1, -1]]),
        as_contrast({"u": [1, 0], "v": [0, 1]}),
    ],
)
def test_json_gives_the_same_contrast_back(contrast):
    assert Contrast.from_json(json.loads(json.dumps(contrast.to_json()))) == contrast
    hash(contrast)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "helmet",
            "'helmet' is not a contrast: f. Known: treatment, sum, helmert, poly, sdif, R. Did you mean 'hel",
        ),
        (3.0, "A contrast is a word or a matrix of numbers: f"),
        ([1.0, 2.0], "one row of numbers per level"),
        ([["a"], ["b"]], "A contrast is a word or a matrix"),
        ([[1.0], [np.nan]], "A contrast is a word or a matrix"),
        ([[1.0], [1.0, 2.0]], "A contrast is a word or a matrix"),
        ({"u": [1, 0], "v": [1]}, "A contrast is a word or a matrix"),
    ],
)
def test_what_is_no_contrast(value, words):
    with pytest.raises(FormulaError) as caught:
        as_contrast(value, "f")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("contrast", "words"),
    [
        (
            Contrast("treatment", base="beta"),
            "The reference 'beta' is not a level: f. Its levels are alpha, bet, c",
        ),
        (as_contrast(np.eye(4)), "The contrast matrix has 4 rows: f has 3 levels (alpha, bet, c)"),
        (Contrast("poly", scores=(1.0, 2.0)), "f has 3 levels and 2 scores"),
        (Contrast("poly", scores=(1.0, 2.0, 2.0)), "distinct numbers"),
    ],
)
def test_contrasts_that_do_not_fit_the_levels(contrast, words):
    with pytest.raises(DataError) as caught:
        coding(("alpha", "bet", "c"), contrast, False, text="f")
    assert words in str(caught.value)


def test_polynomials_stop_at_95_levels():
    with pytest.raises(DataError, match="stop at 95 levels: f has 96"):
        coding(tuple(map(float, range(96))), Contrast("poly"), False, text="f")


ROWS = pd.DataFrame({"lin": [1.0, 2.0, 3.0], "quad": [1.0, 4.0, 9.0]}, index=["a", "b", "c"])


@pytest.mark.parametrize(
    "given",
    [ROWS, ROWS.loc[["b", "c", "a"]], dict(ROWS.loc[["c", "a", "b"]]), ROWS.reset_index(drop=True)],
    ids=["in order", "shuffled", "mapping of series", "index that pandas made"],
)
def test_labels_of_a_frame_are_levels_and_coefficients(given):
    contrast = as_contrast(given)
    again = Contrast.from_json(json.loads(json.dumps(contrast.to_json())))
    assert again == contrast
    matrix, labels = coding(("a", "b", "c"), again, False)
    assert labels == ("lin", "quad")
    assert np.array_equal(matrix, ROWS.to_numpy())


def test_a_frame_is_aligned_to_levels_that_are_numbers():
    rows = pd.DataFrame({"k": [3.0, 1.0]}, index=[6, 4])
    assert coding((4.0, 6.0), as_contrast(rows), False)[0].tolist() == [[1.0], [3.0]]
    with pytest.raises(DataError, match="The rows of the contrast matrix are not the levels"):
        coding((4.0, 6.0), as_contrast(rows.reset_index(drop=True)), False)


def test_a_frame_without_names_is_a_plain_matrix():
    assert as_contrast(pd.DataFrame(np.eye(3)[:, :2])).labels is None


@pytest.mark.parametrize("index", [["a", "b", "z"], ["a", "b", "b"], [0, 1, 5], [1, 0, 2]], ids=repr)
def test_rows_that_are_not_the_levels_are_refused(index):
    with pytest.raises(DataError, match=r"h has levels a, b, c, the matrix .*Name each level once"):
        coding(("a", "b", "c"), as_contrast(ROWS.set_axis(index)), False, text="h")


def test_labels_that_contradict_are_refused():
    with pytest.raises(FormulaError, match="two columns of one name"):
        as_contrast(ROWS.set_axis(["k", "k"], axis=1))
    with pytest.raises(FormulaError, match="different indexes"):
        as_contrast({"u": ROWS["lin"], "v": ROWS["quad"].iloc[::-1]})


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]], ids=["in order", "shuffled"])
@pytest.mark.parametrize("place", ["argument", "context"])
def test_a_frame_in_a_fit(order, place, tmp_path):
    data = pd.DataFrame({"y": [1.0, 3.0, 2.0, 5.0, 4.0, 9.0], "h": list("abcacb")})
    given = ROWS[["lin"]].iloc[order]
    if place == "argument":
        fit = glm("y ~ h", data, contrasts={"h": given})
    else:
        fit = glm("y ~ C(h, M)", data, context={"M": given})
    plain = glm("y ~ x", data.assign(x=data["h"].map(ROWS["lin"])))
    assert fit.columns[1] == ("h[lin]" if place == "argument" else "C(h, M)[lin]")
    np.testing.assert_allclose(fit.deviance, plain.deviance)
    fit.save(tmp_path / "fit")
    again = load(tmp_path / "fit")
    assert again == fit
    np.testing.assert_array_equal(again.predict(data), fit.predict(data))
    if place == "context":
        assert glm("y ~ C(h, M)", data, context=again.spec.call["context"]) == fit


def test_a_table_of_the_context_is_an_array_to_functions():
    data = pd.DataFrame({"y": [1.0, 3.0, 2.0], "x": [1.0, 2.0, 4.0]})
    fit = glm("y ~ h(x, M)", data, context={"M": ROWS, "h": lambda x, table: x * table[0, 0]})
    np.testing.assert_allclose(fit.deviance, glm("y ~ x", data).deviance)
