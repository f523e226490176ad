"""The search for the place where a curve crosses its cut, on curves whose answer is known."""

from math import atan, exp, inf, isinf, isnan, log, nan

import pytest

from glmstat.inference.profile.crossing import Pair, crossing, root


def counted(function):
    def excess(value: float) -> float:
        excess.calls += 1
        return function(value)

    excess.calls = 0
    return excess


@pytest.mark.parametrize("step", [1e-6, 0.3, 2.0, 50.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_straight_curve_costs_few_steps(step, side):
    excess = counted(lambda v: abs(v) - 1.96)
    found = crossing(excess, 0.0, -1.96, side * step)
    assert (found.kind, found.value) == ("root", pytest.approx(side * 1.96, rel=1e-12))
    assert excess.calls < 30


@pytest.mark.parametrize(
    ("curve", "answer"),
    [
        (lambda v: exp(v) - 1 - 2.0, log(3.0)),
        (lambda v: v**3 - 2.0, 2.0 ** (1 / 3)),
        (lambda v: 5 * atan(v) - 7.0, pytest.approx(5.797883715, rel=1e-9)),
        (lambda v: log(1 + v) - 2.0, exp(2.0) - 1),
    ],
)
def test_bent_curves(curve, answer):
    found = crossing(curve, 0.0, curve(0.0), 0.5)
    assert found.kind == "root"
    assert found.value == (answer if not isinstance(answer, float) else pytest.approx(answer, rel=1e-12))
    assert abs(curve(found.value)) < 1e-11


def test_a_curve_that_levels_off_below_the_cut_has_no_end():
    excess = counted(lambda v: 1.5 * (1 - exp(-v)) - 1.96)
    found = crossing(excess, 0.0, -1.96, 1.0)
    assert (found.kind, found.value) == ("level", inf)
    assert excess.calls < 20
    assert crossing(lambda v: -1.0 - v * v / (1 + v * v), 0.0, -1.0, -1.0).value == -inf


def test_a_curve_that_falls_again_has_no_end():
    found = crossing(lambda v: 1.8 * v * exp(1 - v) - 1.96, 0.0, -1.96, 0.1)
    assert (found.kind, found.value) == ("level", inf)


def test_a_curve_below_the_cut_at_the_edge_ends_there():
    found = crossing(lambda v: v - 5.0 if v < 2.0 else inf, 0.0, -5.0, 1.0, edge=2.0)
    assert (found.kind, found.value) == ("edge", 2.0)


def test_a_curve_that_crosses_just_before_the_edge():
    found = crossing(lambda v: -log(1 - v) - 9.0 if v < 1 else inf, 0.0, -9.0, 0.3, edge=1.0)
    assert (found.kind, found.value) == ("root", pytest.approx(1 - exp(-9.0), abs=1e-12))


def test_an_edge_that_nobody_named_is_found():
    found = crossing(lambda v: v - 5.0 if v < 2.0 else inf, 0.0, -5.0, 1.5)
    assert (found.kind, found.value) == ("edge", pytest.approx(2.0, abs=1e-11))


def test_where_a_step_fails_a_shorter_one_is_tried():
    found = crossing(lambda v: v - 1.0 if v < 1.2 else nan, 0.0, -1.0, 5.0)
    assert (found.kind, found.value) == ("root", pytest.approx(1.0))


def test_a_lost_curve_says_so():
    found = crossing(lambda v: nan, 0.0, -1.96, 1.0)
    assert found.kind == "lost"
    assert isnan(found.value)


def test_a_curve_that_creeps_is_given_up():
    excess = counted(lambda v: 1e-3 * log(1 + v) - 1.96)
    found = crossing(excess, 0.0, -1.96, 1.0)
    assert found.kind == "lost"
    assert excess.calls <= 60


def test_root_with_an_infinite_end_bisects():
    value, height = root(lambda v: inf if v > 3 else v - 2.0, Pair(0.0, -2.0, 1000.0, inf), tolerance=1e-12)
    assert value == pytest.approx(2.0, abs=1e-11)
    assert not isinf(height)


@pytest.mark.parametrize("wall", [0.9, 2.0, 7.0])
def test_a_curve_that_is_lost_for_good_does_not_level_off(wall):
    excess = counted(lambda v: 0.1 * v - 1.96 if v < wall else nan)
    assert crossing(excess, 0.0, -1.96, 1.0, edge=10.0).kind == "lost"
    assert excess.calls < 40


def test_a_curve_that_crosses_just_before_it_is_lost():
    found = crossing(lambda v: v - 1.19 if v < 1.2 else nan, 0.0, -1.19, 5.0, edge=6.0)
    assert (found.kind, found.value) == ("root", pytest.approx(1.19))
