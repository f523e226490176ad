"""Negative binomial fits on many drawn data sets: coverage of intervals, size of the test of Poisson.

python -m tests.simulation.negbin           2,000 data sets for each line
python -m tests.simulation.negbin 10000 7   10,000 data sets, with random seed 7
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from glmstat import Fit, negbin
from glmstat.errors import DataError

REPS, ROWS, THETA, SLOPE = 2000, 200, 2.0, 0.3
Data = dict[str, Any]

__all__ = ["COVERAGES", "covered", "error", "rejected"]


def error(rate: float, reps: int) -> float:
    """Monte-Carlo standard error of a rate."""
    return float(np.sqrt(rate * (1.0 - rate) / reps))


def overdispersed(rng: np.random.Generator) -> Data:
    """Counts of variance mu + mu^2 / THETA with an exposure."""
    x, t = rng.normal(size=ROWS), rng.uniform(0.5, 2.0, ROWS)
    mean = t * np.exp(1.0 + SLOPE * x)
    return {"y": rng.poisson(mean * rng.gamma(THETA, 1.0 / THETA, ROWS)).astype(float), "x": x, "t": t}


def poisson(rng: np.random.Generator) -> Data:
    """Counts without overdispersion."""
    x, t = rng.normal(size=ROWS), rng.uniform(0.5, 2.0, ROWS)
    return {"y": rng.poisson(t * np.exp(1.5 + SLOPE * x)).astype(float), "x": x, "t": t}


def wald(vcov: str) -> Callable[[Fit], tuple[float, float]]:
    """The Wald interval of the slope."""
    return lambda fit: tuple(fit.confint(of="x", vcov=vcov).to_numpy()[0])


def profile(fit: Fit) -> tuple[float, float]:
    """The profile interval of the slope."""
    return tuple(fit.confint(of="x", method="profile").to_numpy()[0])


def of_theta(method: str) -> Callable[[Fit], tuple[float, float]]:
    """An interval of theta."""

    def ends(fit: Fit) -> tuple[float, float]:
        assert fit.shape is not None
        return fit.shape.ends(method=method)

    return ends


# line → the interval, and the true value
COVERAGES: dict[str, tuple[Callable[[Fit], tuple[float, float]], float]] = {
    "Wald of the slope, given theta": (wald("classical"), SLOPE),
    "Wald of the slope, joint": (wald("joint"), SLOPE),
    "profile of the slope": (profile, SLOPE),
    "profile of theta": (of_theta("profile"), THETA),
    "Wald of log theta": (of_theta("wald"), THETA),
}


def covered(reps: int, seed: int, lines: tuple[str, ...] = tuple(COVERAGES)) -> dict[str, float]:
    """Share of 95 % intervals that hold the true value."""
    hits = dict.fromkeys(lines, 0)
    for rng in np.random.default_rng(seed).spawn(reps):
        fit = negbin("y ~ x + offset(log(t))", overdispersed(rng))
        for line in lines:
            interval, true = COVERAGES[line]
            low, high = interval(fit)
            hits[line] += low <= true <= high
    return {line: count / reps for line, count in hits.items()}


def rejected(reps: int, seed: int, size: float = 0.05) -> tuple[float, float]:
    """Share of Poisson data sets in which Poisson is rejected, and in which theta is infinite."""
    hits = infinite = 0
    for rng in np.random.default_rng(seed).spawn(reps):
        try:
            hits += negbin("y ~ x + offset(log(t))", poisson(rng)).test_poisson().p_value < size
        except DataError:  # the statistic is 0
            infinite += 1
    return hits / reps, infinite / reps


def main() -> None:
    """Print the rates with their Monte-Carlo errors."""
    reps = int(sys.argv[1]) if len(sys.argv) > 1 else REPS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 51
    warnings.simplefilter("error")
    for line, rate in covered(reps, seed).items():
        print(f"{line:34}{100 * rate:6.1f} % ± {100 * error(0.95, reps):.1f}", flush=True)
    size, infinite = rejected(reps, seed + 1)
    print(f"{'test of Poisson at 5 %':34}{100 * size:6.1f} % ± {100 * error(0.05, reps):.1f}")
    print(f"{'theta infinite under Poisson':34}{100 * infinite:6.1f} %")


if __name__ == "__main__":
    main()
