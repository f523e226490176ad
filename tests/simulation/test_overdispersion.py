"""Tests of overdispersion hold their size in small samples, and find what they are for.

Seeds are fixed. A rate over REPS data sets has a Monte-Carlo standard error of sqrt(p (1 - p) / REPS), and
bounds are four of them beyond the accepted range, 2.5 to 7.5 % for tests of size 5 %. The regressions are
known to reject too seldom in small samples: only their upper bound is held, and that of chi-squared by the
deviance is not, since expected counts are small. GLMSTAT_SIMULATION_REPS=4000 runs the long form.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from glmstat import glm

REPS = int(os.environ.get("GLMSTAT_SIMULATION_REPS", "400"))
SIZE, LOW, HIGH = 0.05, 0.025, 0.075


def error(rate: float) -> float:
    """Monte-Carlo standard error of a rate."""
    return float(np.sqrt(rate * (1 - rate) / REPS))


def rates(family: str, seed: int, *, tau: float = 0.0, rows: int = 60) -> dict[str, float]:
    """Share of data sets in which each test rejects at 5 %; tau is the relative variance of a row's mean."""
    found: dict[str, list[bool]] = {}
    for rng in np.random.default_rng(seed).spawn(REPS):
        x, z = rng.normal(size=(2, rows))
        data = {"x": x, "z": z}
        mean = np.exp(0.9 + 0.4 * x - 0.2 * z)
        if family == "binomial":
            trials, p = rng.integers(3, 12, rows), 1 / (1 + np.exp(-0.3 * x + 0.2))
            p = rng.beta(p * (1 / tau - 1), (1 - p) * (1 / tau - 1)) if tau else p
            data["s"] = rng.binomial(trials, p)
            data["r"] = trials - data["s"]
        else:
            mean = mean * rng.gamma(1 / tau, tau, rows) if tau else mean
            theta = 2.0 if family.startswith("negative") else 0.0
            mean = mean * rng.gamma(theta, 1 / theta, rows) if theta else mean
            data["y"] = rng.poisson(mean)
        left = "cbind(s, r)" if family == "binomial" else "y"
        table = glm(f"{left} ~ x + z", data, family).overdispersion()
        for name, p_value in zip(table.index, table["p_value"], strict=True):
            found.setdefault(name, []).append(p_value < SIZE)
    return {name: float(np.mean(hits)) for name, hits in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "seed"), [("poisson", 21), ("binomial", 22), ("negative_binomial(2)", 23)]
)
def test_size(family: str, seed: int):
    found = rates(family, seed)
    for name, rate in found.items():
        if name == "deviance / df":
            continue
        assert rate <= HIGH + 4 * error(HIGH), (name, rate)
        if name.startswith("score"):
            assert rate >= LOW - 4 * error(LOW), (name, rate)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "seed", "tau", "least"),
    [("poisson", 24, 0.3, 0.8), ("binomial", 25, 0.2, 0.8), ("negative_binomial(2)", 26, 0.5, 0.4)],
)
def test_power(family: str, seed: int, tau: float, least: float):
    found = rates(family, seed, tau=tau)
    scored = {name: rate for name, rate in found.items() if name.startswith("score")}
    assert min(scored.values()) > least, found
