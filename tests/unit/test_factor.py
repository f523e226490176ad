import numpy as np
import pytest

from glmstat.data.columns import Categorical
from glmstat.errors import DataError, FormulaError
from glmstat.formula.contrast import Contrast
from glmstat.formula.factor import recode
from glmstat.formula.functions import FUNCTIONS
from tests.unit.learned import R, learn, value

F = Categorical(np.array([2, 0, -1, 2]), ("a", "b", "c"))
K = np.array([6.0, 4.0, 8.0, 6.0, np.nan])


def shown(made):
    return [None if code < 0 else made.levels[code] for code in made.codes]


@pytest.mark.parametrize("name", ["C", "factor", "as.factor"])
@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_numbers_get_their_distinct_values_as_levels(name, blocks):
    made = value(name, K, blocks=blocks)
    assert made.levels == (4.0, 6.0, 8.0)
    assert shown(made) == [6.0, 4.0, 8.0, 6.0, None]


def test_declared_levels_keep_their_order_and_those_without_rows():
    made = value("C", Categorical(np.array([0, 0]), ("z", "a"), ordered=True))
    assert made.levels == ("z", "a")
    assert made.ordered


def test_blocks_that_know_different_levels():
    learner = FUNCTIONS["C"].learner
    one, two = Categorical(np.array([0]), ("b",)), Categorical(np.array([0, 1]), ("a", "c"))
    assert learner.finish(learner.gather(one) + learner.gather(two))["levels"] == ["a", "b", "c"]
    unsorted = Categorical(np.array([0, 1]), ("z", "c"))
    assert learner.finish(learner.gather(unsorted) + learner.gather(two))["levels"] == ["z", "c", "a"]


def test_new_rows_use_the_levels_of_the_old_and_show_what_is_unseen():
    state = learn("factor", K)
    made = FUNCTIONS["factor"].apply(np.array([8.0, 5.0, np.nan]), state=state)
    assert made.levels == (4.0, 6.0, 8.0, 5.0)
    assert shown(made) == [8.0, 5.0, None]
    other = FUNCTIONS["C"].apply(Categorical(np.array([1, 0]), ("c", "x", "never")), state=learn("C", F))
    assert other.levels == ("a", "b", "c", "x")
    assert shown(other) == ["x", "c"]


def test_a_boolean_column_may_come_back_as_numbers():
    state = learn("C", np.array([True, False]))
    assert state["levels"] == [False, True]
    assert shown(FUNCTIONS["C"].apply(np.array([1.0, 0.0]), state=state)) == [True, False]


def test_relevel_puts_a_level_first():
    made = value("relevel", F, "c")
    assert made.levels == ("c", "a", "b")
    assert shown(made) == ["c", "a", None, "c"]
    assert value("relevel", K, ref="6").levels == (6.0, 4.0, 8.0)
    state = learn("relevel", F, ref="c")
    assert FUNCTIONS["relevel"].apply(
        Categorical(np.array([0]), ("a",)), "c", state=state
    ).codes.tolist() == [1]


@pytest.mark.parametrize(
    ("written", "contrast"),
    [
        ((), None),
        (("sum",), Contrast("sum")),
        ((FUNCTIONS["contr.helmert"],), Contrast("helmert")),
        ((FUNCTIONS["Treatment"].apply("b"),), Contrast("treatment", base="b")),
        ((FUNCTIONS["Treatment"].apply(reference="b"),), Contrast("treatment", base="b")),
        ((FUNCTIONS["contr.treatment"].apply(base="b"),), Contrast("treatment", base="b")),
        ((FUNCTIONS["contr.poly"].apply((1.0, 2.0, 4.0)),), Contrast("poly", scores=(1.0, 2.0, 4.0))),
        (([[1.0], [0.0], [-1.0]],), Contrast("custom", matrix=((1.0,), (0.0,), (-1.0,)))),
    ],
)
def test_contrasts_travel_with_the_factor(written, contrast):
    made = value("C", F, *written)
    assert made.contrast == contrast
    assert value("relevel", made, "b").contrast == contrast


def test_levels_and_labels_as_written():
    assert value("C", F, levels=["c", "a"]).levels == ("c", "a")
    assert shown(value("C", F, levels=("c", "a"))) == shown(F)
    made = value("factor", K, levels=("8", "6", "4"), labels=("eight", "six", "four"), ordered=True)
    assert made.ordered
    assert shown(made) == ["six", "four", "eight", "six", None]


def test_recode_keeps_a_factor_that_fits():
    assert recode(F, F.levels) is F


CUTS = {
    "cut breaks": {"breaks": (-1.0, 0.0, 2.5, 5.0)},
    "cut left": {"breaks": [2.5, -1.0, 0.0, 5.0], "right": False},
    "cut lowest": {"breaks": (-1.0, 0.0, 2.5, 5.0), "include_lowest": True},
    "cut left lowest": {"breaks": (-1.0, 0.0, 2.5, 5.0), "right": False, "include.lowest": True},
    "cut number": {"breaks": 4.0},
    "cut number constant": {"breaks": 3.0},
    "cut infinite": {"breaks": (-np.inf, 1.5, np.inf)},
    "cut digits": {"breaks": (12345.64, 12345.68, 12350.0, 1e6)},
    "cut labels": {"breaks": (-3.0, 1.0, 8.0), "labels": ("low", "high")},
}


@pytest.mark.parametrize("case", CUTS)
@pytest.mark.parametrize("blocks", [1, 2])
def test_cut_is_that_of_r(case, blocks):
    made = value("cut", np.array(R[case]["x"]), blocks=blocks, **CUTS[case])
    assert list(made.levels) == R[case]["levels"]
    assert shown(made) == R[case]["labels"]


def test_cut_can_give_interval_numbers():
    made = value("cut", np.array([0.5, 1.5, 9.0]), (0.0, 1.0, 2.0), labels=False)
    assert np.array_equal(made, [1.0, 2.0, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("name", "x", "options", "error", "words"),
    [
        (
            "relevel",
            F,
            {"ref": "bb"},
            DataError,
            "cannot put 'bb' first: 'x' has levels a, b, c. Did you mean 'b'?",
        ),
        ("relevel", F, {"ref": 2.0}, DataError, "cannot put '2' first"),
        ("C", F, {"contrast": "smu"}, FormulaError, "'smu' is not a contrast: C(x)"),
        ("C", F, {"contrast": FUNCTIONS["log"]}, FormulaError, "A contrast is a word or a matrix"),
        ("C", F, {"levels": ["a"]}, DataError, "C() would lose rows: 'x' has level c"),
        ("C", F, {"levels": ["a", "a"]}, FormulaError, "C() has a level twice"),
        ("C", F, {"levels": "abc"}, FormulaError, "levels to be a list"),
        ("factor", F, {"labels": ["u"]}, FormulaError, "a label for each level: 1 labels"),
        ("factor", F, {"contr": "sum"}, FormulaError, "factor() has no argument 'contr'"),
        ("factor", F, {"ordered": "yes"}, FormulaError, "ordered to be True or False"),
        ("cut", K, {"breaks": 1.0}, FormulaError, "breaks to be a whole number from 2"),
        ("cut", K, {"breaks": 1e9}, FormulaError, "breaks to be a whole number from 2 to 1,000"),
        ("cut", K, {"breaks": ()}, FormulaError, "at least 2 different breaks"),
        ("cut", K, {"breaks": (1.0, 1.0)}, FormulaError, "at least 2 different breaks"),
        ("cut", K, {"breaks": (1.0, 2.0), "labels": ["a", "b"]}, FormulaError, "2 labels for 1 intervals"),
        ("cut", K, {"breaks": (1.0, 2.0), "labels": True}, FormulaError, "labels to be a list or False"),
        ("cut", K, {"breaks": "all"}, FormulaError, "breaks to be numbers"),
        ("cut", F, {"breaks": 3.0}, DataError, "cut() needs numbers: 'x' is categorical"),
        ("cut", np.array([np.nan]), {"breaks": 3.0}, DataError, "nothing to learn from"),
    ],
)
def test_arguments_that_do_not_fit(name, x, options, error, words):
    with pytest.raises(error) as caught:
        learn(name, x, **options)
    assert words in str(caught.value)
