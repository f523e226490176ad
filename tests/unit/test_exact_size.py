"""Exact tests never exceed their level and intervals hold theirs: by all outcomes of small designs."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
from scipy.stats import barnard_exact, binom, boschloo_exact, poisson

from glmstat import glm
from glmstat.errors import ArgumentError
from glmstat.inference.exact.blyth_still import blyth_still
from glmstat.inference.exact.outcome import Asked
from glmstat.inference.exact.proportion import one_proportion
from glmstat.inference.exact.rate import one_rate
from glmstat.inference.exact.unconditional import two_proportions

LEVELS = np.array([0.01, 0.025, 0.05, 0.1, 0.2])
GRID = np.linspace(0.0, 1.0, 501)


def asked(**words) -> Asked:
    plain = {
        "test": None,
        "null": None,
        "midp": False,
        "alternative": "two-sided",
        "level": 0.95,
        "interval": None,
        "eform": True,
        "method": "auto",
        "reps": 1000,
        "seed": 1,
        "limit": 10**6,
    }
    return Asked(**{**plain, **words})


def quiet(formula, data, family="binomial", **words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return glm(formula, data, family, **words)


def two_groups(n1, n2):
    """Probabilities (tables, GRID) of every table under a common proportion."""
    first, second = (
        binom.pmf(np.arange(n1 + 1)[:, None], n1, GRID),
        binom.pmf(np.arange(n2 + 1)[:, None], n2, GRID),
    )
    return (first[:, None] * second).reshape(-1, len(GRID))


def size(p_values, chances):
    """The largest probability, over the grid, of a p-value up to each level."""
    return {level: chances[p_values <= level * (1 + 1e-12)].sum(axis=0).max() for level in LEVELS}


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("test", ["fisher", "score", "barnard", "boschloo"])
def test_two_proportions_keep_their_level(test, alternative):
    n1, n2 = 6, 5
    tables = list(product(range(n1 + 1), range(n2 + 1)))
    p_values, doubled = [], []
    for a, b in tables:
        fit = quiet("cbind(s, f) ~ g", {"s": [a, b], "f": [n1 - a, n2 - b], "g": [0, 1]})
        found = fit.exact(test=test, alternative=alternative)
        p_values.append(found.p_value)
        doubled.append(found.tests[0].p_doubled)
    chances = two_groups(n1, n2)
    found = size(np.array(p_values), chances)
    assert all(found[level] <= level + 1e-10 for level in LEVELS), found
    if alternative == "two-sided":
        found = size(np.array(doubled), chances)
        assert all(found[level] <= level + 1e-10 for level in LEVELS), found


def test_boschloo_rejects_whatever_fisher_rejects():
    n1, n2 = 5, 7
    for a, b in product(range(n1 + 1), range(n2 + 1)):
        boschloo = two_proportions("g", (a, b), (n1, n2), asked(test="boschloo")).p_value
        fit = quiet("cbind(s, f) ~ g", {"s": [a, b], "f": [n1 - a, n2 - b], "g": [0, 1]})
        assert boschloo <= fit.exact(test="fisher").p_value + 1e-12


@pytest.mark.parametrize(
    ("n1", "n2", "a", "b"), [(30, 5, 2, 1), (20, 20, 11, 7), (40, 7, 3, 2), (35, 25, 14, 15)]
)
def test_the_largest_probability_is_found(n1, n2, a, b):
    """Peaks that a coarse search misses: 30 against 5 has one of 0.445 beside one of 0.385."""
    first, second = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)
    common = (first + second) / (n1 + n2)
    with np.errstate(all="ignore"):
        z = (second / n2 - first / n1) / np.sqrt(common * (1 - common) * (1 / n1 + 1 / n2))
    extreme = (abs(np.nan_to_num(z)) >= abs(z[a, b]) * (1 - 1e-9)).ravel()
    grid = np.concatenate([np.linspace(0, 1, 20_001), np.logspace(-6, -3, 500)])
    chances = binom.pmf(first, n1, grid)[:, None] * binom.pmf(second[:, None], n2, grid)
    largest = chances.reshape(-1, len(grid))[extreme].sum(axis=0).max()
    found = two_proportions("g", (a, b), (n1, n2), asked(test="barnard"))
    assert largest - 1e-12 <= found.p_value <= largest * (1 + 1e-6)


@pytest.mark.parametrize("table", [(3, 1, 4, 4), (1, 5, 6, 7), (6, 2, 8, 5)])
def test_one_sided_tests_are_those_of_scipy(table):
    """SciPy's search for the largest probability finds it for these tables."""
    a, b, n1, n2 = table
    columns = [[b, a], [n2 - b, n1 - a]]
    for side in ("less", "greater"):
        barnard = two_proportions("g", (a, b), (n1, n2), asked(test="barnard", alternative=side)).p_value
        boschloo = two_proportions("g", (a, b), (n1, n2), asked(test="boschloo", alternative=side)).p_value
        assert barnard == pytest.approx(barnard_exact(columns, alternative=side).pvalue, rel=1e-6)
        assert boschloo == pytest.approx(boschloo_exact(columns, alternative=side).pvalue, rel=1e-6)


def test_boschloo_is_that_of_statxact():
    """StatXact 11 for 10 of 35 against 24 of 61, as exact2x2's tests record it."""
    assert two_proportions("g", (10, 24), (35, 61), asked(test="boschloo")).p_value == pytest.approx(
        0.3381, abs=5e-5
    )
    greater = two_proportions("g", (10, 24), (35, 61), asked(test="boschloo", alternative="greater"))
    assert greater.p_value == pytest.approx(0.1513, abs=5e-5)


def test_too_many_tables_of_two_groups():
    with pytest.raises(ArgumentError, match="too large to enumerate: 251,001 tables"):
        two_proportions("g", (250, 1), (500, 500), asked(test="barnard"))


@pytest.mark.parametrize("kind", ["conditional", "score"])
def test_conditional_logistic_regression_keeps_its_level(kind):
    """Every outcome of 3, 2, 2 and 2 trials, under several values of what is conditioned on."""
    trials, x, z = [3, 2, 2, 2], [0, 1, 2, 1], [0, 0, 1, 1]
    tables = np.array(list(product(*[range(m + 1) for m in trials])))
    p_values = np.array(
        [
            quiet("cbind(s, f) ~ x + z", {"s": s, "f": np.array(trials) - s, "x": x, "z": z})
            .exact("x", test=kind)
            .p_value
            for s in tables
        ]
    )
    for intercept, slope in product((-2.0, -0.5, 0.0, 1.0), (-1.0, 0.0, 2.0)):
        p = 1 / (1 + np.exp(-(intercept + slope * np.array(z))))
        chances = binom.pmf(tables, trials, p).prod(axis=1)
        for level in LEVELS:
            assert chances[p_values <= level * (1 + 1e-12)].sum() <= level + 1e-12


@pytest.mark.parametrize("trials", [1, 4, 9, 16])
def test_intervals_of_a_proportion_cover(trials):
    for level, interval in product((0.8, 0.95), ("clopper-pearson", "blyth-still")):
        rows = [
            one_proportion("p", k, trials, asked(level=level, interval=interval))[0]
            for k in range(trials + 1)
        ]
        low, high = np.array([row.conf_low for row in rows]), np.array([row.conf_high for row in rows])
        grid = np.unique(np.clip(np.concatenate([GRID, low - 1e-9, low, high, high + 1e-9]), 0, 1))
        covers = (low[:, None] <= grid + 1e-13) & (grid <= high[:, None] + 1e-13)
        coverage = (binom.pmf(np.arange(trials + 1)[:, None], trials, grid) * covers).sum(axis=0)
        assert coverage.min() >= level - 1e-9


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_blyth_still_is_shorter_in_all_and_cannot_be_shortened(level):
    for trials in (5, 10, 17, 24):
        ends = np.array([blyth_still(k, trials, level) for k in range(trials + 1)])
        classic = [one_proportion("p", k, trials, asked(level=level))[0] for k in range(trials + 1)]
        assert np.diff(ends, axis=1).sum() < sum(row.conf_high - row.conf_low for row in classic)
        assert (np.diff(ends, axis=0) >= 0).all()
        assert ends[:, 0] == pytest.approx(1 - ends[::-1, 1])
        counts = np.arange(trials + 1)[:, None]
        for k in range(1, trials + 1):
            shorter = ends.copy()
            shorter[k, 0] += 1e-4  # one lower end and its mirror image
            shorter[trials - k, 1] -= 1e-4
            grid = np.concatenate(
                [ends.ravel() - 1e-9, ends.ravel() + 1e-9, shorter[k] - 1e-9, 1 - shorter[k] + 1e-9]
            )
            grid = np.clip(grid, 0, 1)
            covers = (shorter[:, :1] <= grid) & (grid <= shorter[:, 1:])
            assert (binom.pmf(counts, trials, grid) * covers).sum(axis=0).min() < level


def test_tests_of_a_proportion_and_a_rate_keep_their_level():
    for null, kind in product((0.1, 0.5, 0.73), ("conditional", "score")):
        p_values = np.array(
            [one_proportion("p", k, 11, asked(null=null, test=kind))[0].p_value for k in range(12)]
        )
        chances = binom.pmf(np.arange(12), 11, null)
        assert all(chances[p_values <= level].sum() <= level + 1e-12 for level in LEVELS)
    for null, kind in product((0.3, 2.0, 7.7), ("conditional", "score")):
        counts = np.arange(60)
        p_values = np.array(
            [one_rate("r", k, 1.0, asked(null=null, test=kind))[0].p_value for k in counts.tolist()]
        )
        chances = poisson.pmf(counts, null)
        assert all(chances[p_values <= level].sum() <= level + 1e-12 for level in LEVELS)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_garwood_covers(level):
    counts = np.arange(80)
    rows = [one_rate("r", k, 2.0, asked(level=level))[0] for k in counts.tolist()]
    low, high = (np.array([getattr(row, end) for row in rows]) for end in ("conf_low", "conf_high"))
    grid = np.unique(np.concatenate([np.linspace(0.01, 15, 400), low[:30] - 1e-9, high[:30] + 1e-9]))
    grid = grid[(grid > 0) & (grid < 15)]
    covers = (low[:, None] <= grid) & (grid <= high[:, None])
    assert (poisson.pmf(counts[:, None], 2 * grid) * covers).sum(axis=0).min() >= level - 1e-9


def test_conditional_intervals_cover():
    """Ends of the odds ratio of 5 and 4 trials, over a grid of both proportions."""
    n1, n2 = 5, 4
    tables = list(product(range(n1 + 1), range(n2 + 1)))
    ends = []
    for a, b in tables:
        found = quiet("cbind(s, f) ~ g", {"s": [a, b], "f": [n1 - a, n2 - b], "g": [0, 1]}).exact(level=0.9)
        ends.append((found["conf_low"][0], found["conf_high"][0]))
    low, high = np.array(ends).T
    for p, q in product(np.linspace(0.02, 0.98, 25), repeat=2):
        chances = np.array([binom.pmf(a, n1, p) * binom.pmf(b, n2, q) for a, b in tables])
        ratio = q / (1 - q) / (p / (1 - p))
        assert chances[(low <= ratio) & (ratio <= high)].sum() >= 0.9
