"""Profile intervals of the Tweedie power cover, reduced: `python -m tests.simulation.tweedie` is the study.

120 tables give a coverage of 95 % a Monte-Carlo standard error of 2 %; the bounds are 93 and 97 % with two
of them on each side. Seeds are fixed.
"""

import pytest

from tests.simulation.tweedie import study

REPS = 120


@pytest.mark.slow
@pytest.mark.parametrize(("p", "phi"), [(1.5, 1.0), (1.8, 2.0)])
def test_profile_interval_of_the_power_covers(p, phi):
    found = study(p, phi, REPS, seed=5)
    assert found.refused == 0
    assert 0.93 - 2 * found.error(0.93) <= found.covered <= 0.97 + 2 * found.error(0.97)
    assert found.size <= 0.05 + 4 * found.error(0.05)
    assert found.power == pytest.approx(p, abs=0.015)
