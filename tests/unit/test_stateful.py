import numpy as np
import pytest

from glmstat.errors import DataError, FormulaError
from glmstat.formula.functions import FUNCTIONS
from glmstat.formula.stateful import Moments
from tests.unit.learned import R, learn, value

CLOSE = 1e-12


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("scale", {}),
        ("scale without center", {"center": False}),
        ("scale without scale", {"scale": False}),
        ("scale center 2", {"center": 2.0}),
        ("scale center 2 scale 3", {"center": 2.0, "scale": 3.0}),
    ],
)
@pytest.mark.parametrize("blocks", [1, 3, 20])
def test_scale_is_that_of_r(case, options, blocks):
    x = np.array(R[case]["x"])
    assert value("scale", x, blocks=blocks, **options) == pytest.approx(np.array(R[case]["fit"]), abs=CLOSE)


@pytest.mark.parametrize(
    ("case", "values", "options"),
    [
        ("poly 1", (1.0,), {}),
        ("poly 3", (3.0,), {}),
        ("poly 5", (), {"degree": 5.0}),
        ("poly 4 of years", (4.0,), {}),
        ("poly 3 raw", (3.0,), {"raw": True}),
    ],
)
def test_poly_is_that_of_r_on_old_and_new_rows(case, values, options):
    x = np.array(R[case]["x"])
    made = value("poly", x, *values, **options)
    assert made.labels == tuple(str(k + 1) for k in range(len(R[case]["fit"])))
    assert np.allclose(made.columns, R[case]["fit"], rtol=CLOSE, atol=CLOSE)
    later = value("poly", x, *values, new=np.array(R[case]["new"]), blocks=4, **options)
    assert np.allclose(later.columns, R[case]["predict"], rtol=CLOSE, atol=CLOSE)


def test_poly_remembers_what_r_calls_coefs():
    case = R["coefs of poly 3"]
    state = learn("poly", np.array(case["x"]), 3.0)
    assert state["alpha"] == pytest.approx(case["alpha"], rel=CLOSE)
    assert state["norm2"] == pytest.approx(case["norm2"], rel=CLOSE)


def test_poly_is_orthonormal_far_from_zero():
    x = 1e7 + np.arange(50.0)
    columns = value("poly", x, 6.0).columns
    assert np.allclose(columns @ columns.T, np.eye(6), atol=1e-11)
    assert np.allclose(columns.sum(axis=1), 0, atol=1e-11)


def test_center_subtracts_the_mean():
    assert value("center", np.array([1.0, 2.0, 6.0])).tolist() == [-2.0, -1.0, 3.0]


def test_a_row_alone_gets_what_it_got_among_others():
    x = np.random.default_rng(1).normal(size=40)
    for name, arguments in (("scale", ()), ("poly", (3.0,)), ("bs", (5.0,)), ("ns", (4.0,))):
        state = learn(name, x, *arguments)
        together = FUNCTIONS[name].apply(x, *arguments, state=state)
        alone = [FUNCTIONS[name].apply(x[i : i + 1], *arguments, state=state) for i in range(40)]
        if name == "scale":
            assert np.concatenate(alone).tobytes() == together.tobytes()
        else:
            assert np.hstack([basis.columns for basis in alone]).tobytes() == together.columns.tobytes()


def test_values_that_are_not_finite_teach_nothing():
    x = np.array([1.0, np.nan, 3.0, np.inf, 2.0])
    assert learn("scale", x) == learn("scale", np.array([1.0, 3.0, 2.0]))
    assert learn("poly", x, 2.0) == learn("poly", np.array([1.0, 3.0, 2.0]), 2.0)


def test_moments_of_blocks_are_the_moments_of_all():
    x = 1e8 + np.random.default_rng(2).normal(size=1000)
    parts = [Moments.of(part) for part in np.array_split(x, 17)]
    total = sum(parts[1:], start=parts[0])
    assert total.count == 1000
    assert total.mean == pytest.approx(x.mean(), rel=1e-15)
    assert total.squares == pytest.approx(float(((x - x.mean()) ** 2).sum()), rel=1e-12)


def test_an_empty_block_adds_nothing():
    some, none = Moments.of(np.array([1.0, 2.0])), Moments.of(np.array([np.nan]))
    assert none + some == some
    assert some + none == some
    assert none + none == none


@pytest.mark.parametrize(
    ("name", "x", "values", "options", "error", "words"),
    [
        (
            "poly",
            [1.0, 2, 3, 1],
            (5.0,),
            {},
            DataError,
            "poly() of degree 5 needs 6 distinct values: 'x' has 3",
        ),
        (
            "poly",
            [1.0, 2, 3],
            (2.5,),
            {},
            FormulaError,
            "degree to be a whole number from 1 to 100: it is 2.5",
        ),
        ("poly", [1.0, 2, 3], (0.0,), {}, FormulaError, "it is 0"),
        ("poly", [1.0, 2, 3], (1.0,), {"raw": "yes"}, FormulaError, "raw to be True or False: it is 'yes'"),
        ("poly", [np.nan, np.inf], (1.0,), {}, DataError, "poly() has nothing to learn from"),
        ("poly", [1e200, 2e200, 3e200], (2.0,), {}, DataError, "leaves the range of numbers"),
        ("scale", [0.1] * 10, (), {}, DataError, "'x' does not vary"),
        ("scale", [1.0], (), {}, DataError, "'x' does not vary"),
        ("scale", [1.0, 2], (), {"scale": 0.0}, DataError, "cannot divide by 0"),
        ("scale", [1.0, 2], (), {"center": "mean"}, FormulaError, "center to be True or False"),
        ("center", [np.nan], (), {}, DataError, "nothing to learn from"),
    ],
)
def test_what_cannot_be_learned(name, x, values, options, error, words):
    with pytest.raises(error) as caught:
        learn(name, np.array(x), *values, **options)
    assert words in str(caught.value)


def test_a_number_is_not_a_column():
    with pytest.raises(DataError, match=r"poly\(\) needs a column: '3' is one number"):
        FUNCTIONS["poly"].learner.gather(3.0, 2.0, text="3")
