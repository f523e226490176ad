"""Intervals of p of Tweedie fits hold their coverage, and so do tests of coefficients: the study.

    python -m tests.simulation.tweedie --reps 2000

A replicate is a table of 250 rows with half a unit of log mean on x, none on z, and a known p; the profile
interval of p covers it where twice the fall of the log-likelihood there, dispersion and coefficients at their
maximum, is below the quantile of chi-squared. Rates are printed with their Monte-Carlo standard error.
"""

from __future__ import annotations

import argparse
import warnings
from typing import NamedTuple

import numpy as np

from glmstat import glm
from glmstat.errors import DataError
from glmstat.families import Tweedie

ROWS = 250
CUT = 3.841458820694124  # chi-squared(1), 95 %
CASES = ((1.2, 1.0), (1.5, 1.0), (1.8, 2.0))  # p and phi


class Study(NamedTuple):
    """What came of one case.

    Parameters
    ----------
    reps : replicates with an estimate.
    refused : replicates where p ran to its end.
    covered : share whose profile interval covers p.
    size : share that a likelihood-ratio test of z rejects at 5 %.
    power : mean of the estimated p.
    """

    reps: int
    refused: int
    covered: float
    size: float
    power: float

    def error(self, rate: float) -> float:
        """Return the Monte-Carlo standard error of a rate."""
        return float(np.sqrt(rate * (1.0 - rate) / self.reps))


def draw(rng: np.random.Generator, p: float, phi: float) -> dict[str, np.ndarray]:
    """Return one table."""
    x, z = rng.normal(size=ROWS), rng.normal(size=ROWS)
    y = Tweedie(p).simulate(rng, np.exp(0.5 + 0.5 * x), np.ones(ROWS), phi)
    return {"y": y, "x": x, "z": z}


def study(p: float, phi: float, reps: int, seed: int) -> Study:
    """Return the rates of one case."""
    seen: list[tuple[float, float, float]] = []
    refused = 0
    for rng in np.random.default_rng(seed).spawn(reps):
        table = draw(rng, p, phi)
        try:
            fit = glm("y ~ x + z", table, "tweedie")
        except DataError:
            refused += 1
            continue
        best = fit.loglik
        at_truth = glm("y ~ x + z", table, Tweedie(p)).loglik
        rejected = 2.0 * (best - glm("y ~ x", table, "tweedie").loglik) > CUT
        shape = fit.estimate.shape
        assert shape is not None
        seen.append((2.0 * (best - at_truth) <= CUT, rejected, shape.value))
    covered, size, power = np.mean(np.array(seen, dtype=float), axis=0)
    return Study(len(seen), refused, float(covered), float(size), float(power))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'p':>5} {'phi':>5} {'mean p':>8}   covered           size of the ratio test   refused")
    for p, phi in CASES:
        found = study(p, phi, asked.reps, asked.seed)
        print(
            f"{p:5} {phi:5} {found.power:8.4f}   {found.covered:.4f} ± {found.error(found.covered):.4f}   "
            f"{found.size:.4f} ± {found.error(found.size):.4f}          {found.refused}"
        )


if __name__ == "__main__":
    main()
