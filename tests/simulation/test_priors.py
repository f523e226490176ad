"""Credible intervals cover under their own prior; the full study is tests/simulation/priors.py.

Bounds are four Monte-Carlo standard errors around 0.95, and what the study allows more where Laplace's
approximation stands in the place of a posterior that is not normal.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.priors import LEVEL, STUDIES, coverage

REPS = int(os.environ.get("GLMSTAT_SIMULATION_REPS", "2000")) // 5


@pytest.mark.parametrize("name", STUDIES)
def test_credible_intervals_cover_under_their_own_prior(name):
    reps = REPS // 4 if STUDIES[name].method == "profile" else REPS
    rate, error = coverage(name, reps)
    bound = 4 * error + STUDIES[name].off
    assert abs(rate - LEVEL) < bound, f"{name}: {rate:.4f}, Monte-Carlo error {error:.4f}"
