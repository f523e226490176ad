"""What rglm says holds: reduced form of `tests/simulation/neural.py`, where the full study stands.

Seeds are fixed. The controls take REPS tables each; a rate has a Monte-Carlo standard error of
sqrt(p (1 - p) / REPS), and bounds are four of them around what is accepted. Few networks are trained here,
one for each function and one division into folds: bounds are what chance leaves to an interval that covers
0.95 of the time.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.simulation.neural import CONTROLS, EFFECT, Case, Finding, Limit, findings, limits, line_of

REPS = 200
NETWORKS = 4  # replicates of each family with networks; tables of 2,000 rows
QUICK = {"reps": 1, "nets": 1}
CHANCE = 1e-3  # of a false alarm of each bound


@cache
def found(family: str, model: str) -> tuple[Finding, ...]:
    """The findings of one model in all replicates of a family."""
    reps, options = (REPS, {}) if model in CONTROLS else (NETWORKS, QUICK)
    if model == "naive":
        options = {}
    cases = (Case(family, 2000, number, options) for number in range(1, reps + 1))
    return tuple(finding for case in cases for finding in findings(case, [model]))


def pooled(model: str, about: str) -> list[Finding]:
    """The findings of all families together."""
    return [one for family in EFFECT for one in found(family, model) if one.about == about]


def least_hits(reps: int, level: float = 0.95) -> int:
    """The number of hits that an interval of this coverage misses with a chance of at most CHANCE."""
    from scipy.stats import binom

    return int(binom.ppf(CHANCE, reps, level))


@pytest.mark.slow
@pytest.mark.parametrize("model", CONTROLS)
@pytest.mark.parametrize("family", EFFECT)
def test_the_controls_are_bad_and_good_as_they_should_be(family: str, model: str) -> None:
    line = line_of(found(family, model))
    limit = next(limit for limit in limits(family) if limit.model == model)
    room = 4 * np.sqrt(0.95 * 0.05 / REPS) if model == "oracle" else 0.0
    assert limit.low - room <= line.covered <= min(1.0, limit.high + room)


@pytest.mark.slow
def test_debiased_intervals_cover_the_effect() -> None:
    pytest.importorskip("torch")
    line = line_of(pooled("debiased", "effect"))
    assert line.covered * line.reps >= least_hits(line.reps)
    assert abs(line.bias) < 0.35 + 3 / np.sqrt(line.reps)


@pytest.mark.slow
def test_the_interval_of_the_mean_covers_it() -> None:
    """Points of one table share its network: a share of covered points varies by 0.05 between tables."""
    pytest.importorskip("torch")
    line = line_of(pooled("debiased", "mean"))
    room = 4 * 0.05 / np.sqrt(line.reps)
    assert 0.92 - room <= line.covered <= 1.0
    assert abs(line.bias) < 0.35


@pytest.mark.slow
def test_the_naive_interval_does_not() -> None:
    pytest.importorskip("torch")
    assert line_of(pooled("naive", "mean")).covered < 0.85


def test_a_verdict_knows_its_monte_carlo_error() -> None:
    few = [
        Finding("debiased", "effect", error, error / 0.02, 0.02, float(abs(error) < 0.04))
        for error in (0.01, 0.05)
    ]
    line = line_of(few)
    assert (line.reps, line.covered, line.covered_error) == (2, 0.5, 0.5)
    assert line.bias == pytest.approx(1.5) and line.ratio == pytest.approx(
        0.02 / np.std([0.01, 0.05], ddof=1)
    )
    assert Limit("debiased", "effect", "covered", 0.91, 0.98).verdict(line).startswith("close")
    assert Limit("debiased", "effect", "covered", 0.4, 0.6).verdict(line).startswith("ok")
    many = line_of(few * 500)
    assert Limit("debiased", "effect", "covered", 0.91, 0.98).verdict(many).startswith("FAILS")
