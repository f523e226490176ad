"""Negative binomial intervals hold their coverage and the test of Poisson its size.

Seeds are fixed; bounds are the 93 to 97 % that intervals should keep, and four Monte-Carlo standard errors of
these few data sets. `python -m tests.simulation.negbin` runs the long form.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.negbin import covered, error, rejected

REPS = int(os.environ.get("GLMSTAT_SIMULATION_REPS", "2000")) // 10


@pytest.mark.slow
def test_intervals_cover() -> None:
    bound = 4 * error(0.95, REPS)
    for line, rate in covered(REPS, seed=51).items():
        assert 0.93 - bound <= rate <= 0.97 + bound, line


@pytest.mark.slow
def test_the_test_of_poisson_holds_its_size() -> None:
    """In small samples theta is infinite in more than half of the data sets, so that the test is cautious."""
    size, infinite = rejected(2 * REPS, seed=52)
    assert size <= 0.05 + 4 * error(0.05, 2 * REPS)
    assert size >= 0.05 - 0.02 - 4 * error(0.05, 2 * REPS)
    assert 0.45 <= infinite <= 0.75
