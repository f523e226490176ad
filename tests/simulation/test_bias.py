"""Bias-reduced fits where the truth is known: the studies of `tests.simulation.bias`, reduced.

Seeds are fixed. GLMSTAT_SIMULATION_REPS=10000 runs the long form; bounds are widened by three Monte-Carlo
standard errors of the number of data sets that was drawn.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.simulation import bias

REPS = int(os.environ.get("GLMSTAT_SIMULATION_REPS", "300"))

# of completely separated rows: in 4 % of them no root was found
WITHOUT_ROOT = {("complete, cauchit", "median_br")}


@pytest.mark.parametrize("name", bias.SEPARATED)
def test_every_replicate_is_finite_under_separation(name: str) -> None:
    reps = REPS // 5
    assert bias.separated(name, reps) == 1.0
    for method in bias.METHODS:
        if (name, method) not in WITHOUT_ROOT:
            assert bias.failures(name, method, reps) == [], method


@pytest.mark.parametrize("name", bias.BIAS)
def test_mean_bias_is_less_than_that_of_maximum_likelihood(name: str) -> None:
    found, slope = bias.biases(name, REPS), bias.BIAS[name][3]
    assert abs(found["firth"].value) < 0.05 * slope + 3 * found["firth"].error
    assert found["ml"].value > found["firth"].value
    assert found["firth"].number == REPS


@pytest.mark.parametrize("name", bias.BIAS)
def test_half_of_the_median_bias_reduced_slopes_are_too_small(name: str) -> None:
    share = bias.below(name, REPS)
    assert abs(share.value - 0.5) < 0.02 + 3 * share.error


@pytest.mark.parametrize("name", bias.COVERAGE)
def test_penalised_profile_intervals_cover(name: str) -> None:
    share = bias.coverage(name, REPS)
    error = np.sqrt(0.95 * 0.05 / share.number)
    assert 0.93 - 3 * error < share.value < 0.97 + 3 * error
