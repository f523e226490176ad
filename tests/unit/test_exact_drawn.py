"""Tables drawn where there are too many: against enumeration, within the error that is stated."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import ArgumentError
from glmstat.inference.exact.lattice import lattice
from glmstat.inference.exact.network import TooLarge, network
from glmstat.inference.exact.room import Problem, plain, tight

_random = np.random.default_rng(3)
ROWS = pd.DataFrame(
    {
        "y": _random.binomial(1, 0.4, 24),
        "x": _random.integers(0, 8, 24),
        "h": list("abc") * 8,
        "z": _random.integers(0, 3, 24),
        "n": _random.poisson(1.5, 24),
        "t": _random.uniform(0.5, 3, 24).round(1),
    }
)


def quiet(formula, data, family="binomial", **words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return glm(formula, data, family, **words)


def within(drawn, known, error, times=4.0):
    assert abs(drawn - known) <= times * error


FITS = {
    "logistic": lambda: quiet("y ~ x + h + z", ROWS),
    "poisson": lambda: quiet("n ~ x + h", ROWS[:12], "poisson", exposure="t"),
}


@pytest.mark.parametrize("model", FITS)
@pytest.mark.parametrize("midp", [False, True])
def test_draws_agree_with_enumeration_within_their_error(model, midp):
    fit = FITS[model]()
    words = {"test": "score", "midp": midp, "eform": False}
    drawn = fit.exact(method="monte carlo", reps=20_000, **words)
    known = fit.exact(method="enumerate", **words)
    assert all(row.drawn == 20_000 for row in drawn.tests)
    for mine, whole in zip(drawn.tests, known.tests, strict=True):
        within(mine.p_value, whole.p_value, mine.p_error + 1 / 20_000)
        assert mine.tables == whole.tables
        if math.isnan(whole.estimate):
            assert mine.statistic == pytest.approx(whole.statistic, rel=1e-9)
            continue
        if math.isinf(whole.conf_low) or math.isinf(whole.conf_high):
            within(mine.estimate, whole.estimate, mine.estimate_error)
        else:
            assert mine.estimate == pytest.approx(whole.estimate, rel=1e-8)  # no draws in it
            assert mine.estimate_error == 0
        for end in ("low", "high"):
            known_end = getattr(whole, f"conf_{end}")
            if math.isinf(known_end):
                assert getattr(mine, f"conf_{end}") == known_end
            else:
                within(getattr(mine, f"conf_{end}"), known_end, getattr(mine, f"{end}_error"))
        within(mine.p_doubled, whole.p_doubled, 2 * mine.p_error + 1 / 10_000)
        for side in ("less", "greater"):
            one, all_of_them = (
                fit.exact(mine.name, alternative=side, method=method, **words).tests[0]
                for method in ("monte carlo", "enumerate")
            )
            within(one.p_value, all_of_them.p_value, one.p_error + 1 / 10_000)


def test_the_stated_errors_are_those_of_other_seeds():
    fit = FITS["logistic"]()
    rows = [
        fit.exact("x", method="monte carlo", reps=1000, seed=seed, eform=False).tests[0] for seed in range(60)
    ]
    known = fit.exact("x", test="score", eform=False).tests[0]
    for value, error in (("p_value", "p_error"), ("conf_low", "low_error"), ("conf_high", "high_error")):
        found = np.array([getattr(row, value) for row in rows])
        stated = np.mean([getattr(row, error) for row in rows])
        assert 0.7 < found.std(ddof=1) / stated < 1.35  # 60 values know their spread to 9 %
        within(found.mean(), getattr(known, value), stated / np.sqrt(60) + 1 / 1000)


def test_a_draw_is_a_table_of_the_reference_set_with_its_probability():
    fixed = np.column_stack([np.ones(6, dtype=int), [0, 1, 2, 0, 1, 2]])
    free = np.array([[0], [0], [0], [1], [1], [1]])
    observed, trials = np.array([1, 2, 0, 2, 1, 1]), np.array([2, 3, 1, 2, 2, 3])
    offset, nothing = np.linspace(-0.5, 0.5, 6), free[:, :0]
    problem = Problem(observed, fixed, nothing, trials, offset, trials.astype(float))
    whole = network(problem, free, plain(problem), 10**6)
    chances = np.exp(whole.log_weights() - whole.log_weights().max())
    chances /= chances.sum()
    small = network(problem, nothing, tight(problem), 10**6)
    reps = 40_000
    draws = small.draw(np.hstack([free, fixed]).astype(float), np.zeros(6), reps, 5)
    assert (draws[:, 1:] == observed @ fixed).all()
    for (value,), chance in zip(whole.ends, chances, strict=True):
        within((draws[:, 0] == value).mean(), chance, np.sqrt(chance * (1 - chance) / reps))
    mean, covariance = small.moments(free.astype(float), np.zeros(6))
    assert mean[0] == pytest.approx(chances @ whole.ends[:, 0])
    assert covariance[0, 0] == pytest.approx(chances @ (whole.ends[:, 0] - mean[0]) ** 2)
    assert small.extremes(free[:, 0]) == (whole.ends.min(), whole.ends.max())
    assert small.tables == whole.tables


def test_the_same_seed_gives_the_same_table():
    fit = FITS["logistic"]()
    one, two, other = (fit.exact("x", method="monte carlo", reps=500, seed=seed) for seed in (7, 7, 8))
    assert one.to_dict() == two.to_dict() != other.to_dict()
    assert "500 tables drawn independently" in str(one)


def test_auto_draws_where_enumeration_is_too_large():
    fit = quiet("y ~ x", ROWS.assign(x=np.sqrt(ROWS.index + 2.0)))
    with pytest.raises(ArgumentError, match=r"'x' is too large to enumerate: .* arcs after"):
        fit.exact("x", method="enumerate", limit=10_000)
    found = fit.exact("x", limit=10_000)
    assert found.tests[0].drawn == 10_000
    assert "score test" in str(found)
    with pytest.raises(ArgumentError, match="draws do not tell it"):
        fit.exact("x", test="conditional", limit=10_000)


def test_nothing_is_feasible():
    data = ROWS.assign(x=np.sqrt(ROWS.index + 2.0))
    fit = quiet("y ~ x + h", data)
    with pytest.raises(ArgumentError, match=r"too large, to draw tables of too: .* Raise limit="):
        fit.exact("h", limit=2000)
    found = fit.exact(limit=2000)  # the rows that can be had
    assert found.index == ("x",)
    assert "left out: h, h[T.b], h[T.c]." in str(found)


def test_a_separated_column_of_which_tables_are_drawn():
    data = pd.DataFrame({"y": [0] * 6 + [1] * 5, "x": np.sqrt(np.arange(2, 13.0)), "z": [0, 1] * 5 + [0]})
    fit = quiet("y ~ x + z", data)
    drawn, known = (
        fit.exact("x", method=method, test="score", eform=False) for method in ("monte carlo", "enumerate")
    )
    assert drawn["conf_high"] == known["conf_high"] == [math.inf]
    within(drawn["conf_low"][0], known["conf_low"][0], drawn.tests[0].low_error)
    within(drawn["estimate"][0], known["estimate"][0], drawn.tests[0].estimate_error)


def test_a_lattice_has_the_span_of_its_columns():
    X = np.column_stack([np.ones(5), [0.1, 0.2, 0.4, 0.4, 0.7], [1, 0, 0, 1, 1]])
    found = lattice(X[:, :2], X[:, 2:])
    assert found is not None
    assert found.exact_fixed
    assert found.exact_free
    joined = np.hstack([X, found.fixed, found.cuts])
    assert np.linalg.matrix_rank(np.hstack([X[:, :2], found.fixed, found.cuts])) == 2
    assert np.linalg.matrix_rank(np.hstack([joined, found.free])) == 3
    assert lattice(X, X[:, 1:2]) is None


def test_rounded_columns_are_told():
    found = lattice(
        np.column_stack([np.ones(4), np.sqrt([2.0, 3.0, 5.0, 7.0])]), np.array([[0.0], [1.0], [1.0], [0.0]])
    )
    assert found is not None
    assert not found.exact_fixed


def test_a_network_says_where_it_stopped():
    count = np.ones(30, dtype=np.int64)
    problem = Problem(
        np.arange(30) % 2, count[:, None], count[:, None][:, :0], count, np.zeros(30), np.ones(30)
    )
    with pytest.raises(TooLarge, match=r"\d+ arcs after \d+ of 30 distinct rows"):
        network(problem, 2 ** np.arange(30)[:, None], plain(problem), 1000)
