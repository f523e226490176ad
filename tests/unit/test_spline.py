import warnings

import numpy as np
import pytest

from glmstat.errors import DataError, ExtrapolationWarning, FormulaError
from glmstat.formula.functions import FUNCTIONS
from glmstat.formula.spline import bspline, bspline_derivative
from tests.unit.learned import R, learn

CASES = [
    ("bs", (), {}),
    ("bs df=5", (5.0,), {}),
    ("bs df=6 intercept", (), {"df": 6.0, "intercept": True}),
    ("bs knots", (), {"knots": [1.0, 4.5]}),
    ("bs degree 2", (), {"knots": (4.5, 1.0), "degree": 2.0}),
    ("bs degree 1", (4.0,), {"degree": 1.0}),
    ("bs boundary", (6.0,), {"Boundary_knots": (-5.0, 9.0)}),
    ("bs narrow boundary", (5.0,), {"boundary_knots": np.array([5.0, 0.0])}),
    ("bs double knot", (), {"knots": [2.0, 2.0, 4.0]}),
    ("ns", (), {}),
    ("ns df=2", (2.0,), {}),
    ("ns df=4", (4.0,), {}),
    ("ns df=5 intercept", (5.0,), {"intercept": True}),
    ("ns knots", (), {"knots": [1.0, 4.5]}),
    ("ns boundary", (3.0,), {"Boundary.knots": (-5.0, 9.0)}),
    ("ns narrow boundary", (4.0,), {"boundary_knots": (0.0, 5.0)}),
]


def columns(case, rows, values, options, blocks=1):
    name = case.split()[0]
    state = learn(name, np.array(R[case]["x"]), *values, blocks=blocks, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return FUNCTIONS[name].apply(np.array(R[case][rows]), *values, state=state, **options)


@pytest.mark.parametrize(("case", "values", "options"), CASES, ids=[case[0] for case in CASES])
def test_basis_is_that_of_r(case, values, options):
    made = columns(case, "x", values, options)
    assert made.labels == tuple(str(k + 1) for k in range(len(R[case]["fit"])))
    assert np.abs(made.columns - R[case]["fit"]).max() < 1e-12


@pytest.mark.parametrize(("case", "values", "options"), CASES, ids=[case[0] for case in CASES])
def test_new_rows_inside_and_outside_are_those_of_r(case, values, options):
    made = columns(case, "new", values, options, blocks=3).columns
    expected = np.array(R[case]["predict"])
    assert (np.abs(made - expected) < 1e-12 * np.maximum(1, np.abs(expected))).all()


def test_knots_at_the_boundary_leave_an_empty_column():
    x = np.r_[np.zeros(10), np.arange(1.0, 6)]
    state = learn("bs", x, 5.0)
    basis = FUNCTIONS["bs"].apply(x, 5.0, state=state).columns
    assert state["knots"][0] == state["boundary"][0]
    assert np.isfinite(basis).all()
    assert basis[0].tolist() == [1.0] * 10 + [0.0] * 5


def test_ns_goes_on_in_straight_lines():
    state = learn("ns", np.linspace(0, 1, 30), 4.0)
    basis = FUNCTIONS["ns"].apply(np.array([1.0, 2.0, 3.0, 4.0]), state=state).columns
    assert np.allclose(np.diff(basis, 2, axis=1), 0, atol=1e-13)


def test_bs_warns_outside_and_ns_does_not():
    x = np.linspace(0, 1, 30)
    with pytest.warns(ExtrapolationWarning, match=r"'x' leaves the boundary knots 0 and 1"):
        FUNCTIONS["bs"].apply(np.array([1.5]), state=learn("bs", x), text="x")
    FUNCTIONS["ns"].apply(np.array([1.5]), state=learn("ns", x))
    FUNCTIONS["bs"].apply(x, state=learn("bs", x))


def test_missing_values_stay_missing():
    for name in ("bs", "ns"):
        state = learn(name, np.linspace(0, 1, 30), 4.0)
        basis = FUNCTIONS[name].apply(np.array([np.nan, 0.5]), state=state).columns
        assert np.isnan(basis[:, 0]).any()
        assert np.isfinite(basis[:, 1]).all()


def test_bsplines_sum_to_one_and_their_derivatives_to_zero():
    knots = np.array([0.0, 0, 0, 0, 0.2, 0.5, 0.5, 1, 1, 1, 1])
    x = np.linspace(0, 1, 41)
    assert np.allclose(bspline(knots, 3, x).sum(axis=0), 1, atol=1e-15)
    step = 1e-6
    inner = x[(x > step) & (x < 1 - step) & (np.abs(x - 0.5) > step) & (np.abs(x - 0.2) > step)]
    difference = (bspline(knots, 3, inner + step) - bspline(knots, 3, inner - step)) / (2 * step)
    slope = bspline_derivative(knots, 3, inner, 1)
    assert np.allclose(slope, difference, atol=1e-8)
    assert np.allclose(slope.sum(axis=0), 0, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("bs", {"df": 2.0}, FormulaError, "bs() needs df >= 3 here: df is 2"),
        ("bs", {"df": 3.0, "intercept": True}, FormulaError, "df >= 4"),
        ("ns", {"df": 0.0}, FormulaError, "df to be a whole number"),
        ("bs", {"df": 1e6}, FormulaError, "from 1 to 1,000"),
        ("bs", {"df": "5"}, FormulaError, "it is '5'"),
        ("bs", {"degree": 0.0}, FormulaError, "degree to be a whole number from 1 to 20"),
        ("ns", {"degree": 3.0}, FormulaError, "ns() has no argument 'degree'"),
        ("bs", {"knots": [0.5, 1.0]}, FormulaError, "inside the boundary knots 0 and 1: 1 is not"),
        ("ns", {"knots": [-1.0]}, FormulaError, "-1 is not"),
        ("bs", {"knots": "median"}, FormulaError, "knots to be numbers"),
        ("bs", {"df": 5.0, "knots": [0.5]}, FormulaError, "df or knots: both are given"),
        ("bs", {"boundary_knots": [0.0]}, FormulaError, "two different numbers as Boundary_knots"),
        ("ns", {"boundary_knots": [1.0, 1.0]}, FormulaError, "two different numbers"),
        ("ns", {"df": 4.0, "boundary_knots": [5.0, 9.0]}, DataError, "ns() has nothing to learn from"),
        ("bs", {"intercept": 1.0}, FormulaError, "intercept to be True or False: it is 1"),
    ],
)
def test_arguments_that_do_not_fit(name, options, error, words):
    with pytest.raises(error) as caught:
        learn(name, np.linspace(0, 1, 9), **options)
    assert words in str(caught.value)


def test_a_constant_column_has_no_spline():
    with pytest.raises(DataError, match="'x' is constant"):
        learn("ns", np.ones(5))
