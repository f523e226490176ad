"""Score tests that train nothing hold their size, and find an interaction that no term writes.

Seeds are fixed. A rate over REPS data sets has a Monte-Carlo standard error of sqrt(p (1 - p) / REPS). Bounds
are the accepted range, 3 to 7.5 % for tests of size 5 %, and four standard errors of a rate at its ends.
GLMSTAT_SIMULATION_REPS=2000 runs the long form.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glmstat import glm

REPS = int(os.environ.get("GLMSTAT_SIMULATION_REPS", "400"))
ROWS, SIZE, LOW, HIGH = 500, 0.05, 0.03, 0.075
FORMULA = "y ~ z1 + z2 + z3 + z4 + z5"

Draw = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def error(rate: float, reps: int = REPS) -> float:
    """Monte-Carlo standard error of a rate."""
    return float(np.sqrt(rate * (1 - rate) / reps))


def rates(draw: Draw, family: str, seed: int, reps: int = REPS, **words: Any) -> dict[str, float]:
    """Share of data sets in which each row of the table rejects at 5 %."""
    found: dict[str, list[bool]] = {}
    for rng in np.random.default_rng(seed).spawn(reps):
        Z = rng.uniform(-np.sqrt(3), np.sqrt(3), (ROWS, 5))
        data = {f"z{k + 1}": Z[:, k] for k in range(5)} | {"y": draw(rng, Z)}
        if "firm" in str(words.get("vcov")):
            data["firm"] = np.arange(ROWS) // 5
        for row in glm(FORMULA, data, family).score_test_nn(**words).tests:
            found.setdefault(row.name, []).append(row.p_value < SIZE)
    return {name: float(np.mean(hits)) for name, hits in found.items()}


def linear(Z: np.ndarray) -> np.ndarray:
    return 0.2 + 0.3 * Z[:, 0] - 0.2 * Z[:, 1]


def gaussian(rng: np.random.Generator, Z: np.ndarray) -> np.ndarray:
    return linear(Z) + rng.standard_normal(ROWS)


def poisson(rng: np.random.Generator, Z: np.ndarray) -> np.ndarray:
    return rng.poisson(np.exp(linear(Z))).astype(float)


def binomial(rng: np.random.Generator, Z: np.ndarray) -> np.ndarray:
    return (rng.random(ROWS) < 1 / (1 + np.exp(-linear(Z)))).astype(float)


def overdispersed(rng: np.random.Generator, Z: np.ndarray) -> np.ndarray:
    """Negative binomial counts of theta 2: variance mu + mu² / 2."""
    return rng.poisson(np.exp(linear(Z)) * rng.gamma(2.0, 0.5, ROWS)).astype(float)


def crossed(rng: np.random.Generator, Z: np.ndarray) -> np.ndarray:
    """Poisson counts with an interaction of two variables that have no effect of their own."""
    return rng.poisson(np.exp(linear(Z) + 0.24 * Z[:, 2] * Z[:, 3])).astype(float)


def shared(rng: np.random.Generator, Z: np.ndarray) -> np.ndarray:
    """Poisson counts whose clusters of five rows share an effect and their variables."""
    Z[:] = np.repeat(Z[::5], 5, axis=0)
    effect = np.repeat(rng.gamma(2.0, 0.5, ROWS // 5), 5)
    return rng.poisson(np.exp(linear(Z)) * effect).astype(float)


NULLS: dict[str, tuple[Draw, str, str | None]] = {
    "gaussian": (gaussian, "gaussian", None),
    "gaussian, classical": (gaussian, "gaussian", "classical"),
    "poisson": (poisson, "poisson", None),
    "poisson, classical": (poisson, "poisson", "classical"),
    "binomial": (binomial, "binomial", None),
    "overdispersed": (overdispersed, "poisson", None),
    "overdispersed, quasi": (overdispersed, "quasipoisson", None),
}


@pytest.mark.slow
@pytest.mark.parametrize("null", NULLS)
def test_the_omnibus_test_holds_its_size(null: str) -> None:
    draw, family, vcov = NULLS[null]
    found = rates(draw, family, seed=61, method="all", vcov=vcov)
    assert LOW - 4 * error(LOW) <= found["omnibus"] <= HIGH + 4 * error(HIGH)
    for name in ("RESET", "quadratic", "Lee–White–Granger", "kernel tanh", "kernel relu"):
        assert found[name] <= HIGH + 4 * error(HIGH), name


@pytest.mark.slow
def test_the_model_is_not_to_be_trusted_with_overdispersion() -> None:
    """The control of the robust default: the same data, the variance of the family."""
    assert rates(overdispersed, "poisson", seed=61, vcov="classical")["omnibus"] > 0.3


@pytest.mark.slow
def test_clusters_hold_the_size_where_rows_do_not() -> None:
    bad = rates(shared, "poisson", seed=62, vcov="HC0", method="reset")
    good = rates(shared, "poisson", seed=62, vcov="CR0 ~ firm")
    assert bad["RESET"] > 0.15
    assert good["omnibus"] <= HIGH + 4 * error(HIGH)


@pytest.mark.slow
def test_an_interaction_is_found() -> None:
    found = rates(crossed, "poisson", seed=63, method="all")
    assert found["omnibus"] > 0.7
    assert found["RESET"] < 0.2  # its directions are functions of the predictor, which knows nothing of z3 z4
    assert found["Lee–White–Granger"] < found["omnibus"]
