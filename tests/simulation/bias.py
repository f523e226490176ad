"""Bias-reduced fits where the truth is known: finite under separation, less biased, intervals that cover.

    python -m tests.simulation.bias --reps 10000

prints a table of every study. A rate p of n data sets has a Monte-Carlo standard error of
sqrt(p (1 - p) / n), a mean one of its standard deviation / sqrt(n); both stand in the table.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from glmstat import Fit, glm
from glmstat.errors import GlmstatError, GlmstatWarning

METHODS = ("firth", "median_br", "jeffreys")
CUT = 3.841458820694124  # chi-squared(1), 95 %
SEED = 20_260

Data = dict[str, Any]
Draw = Callable[[np.random.Generator], Data]


def complete(rng: np.random.Generator) -> Data:
    """Eight to thirty answers that a line in x and z parts without exception."""
    n = int(rng.integers(8, 31))
    x, z = rng.normal(size=(2, n))
    side = x + rng.normal() * z
    return {"x": x, "z": z, "y": (side > np.median(side)).astype(float)}


def quasi(rng: np.random.Generator) -> Data:
    """Twenty to forty answers of which one level of a factor has ones only."""
    n = int(rng.integers(20, 41))
    x, level = rng.normal(size=n), rng.permutation(np.arange(n) % 4 == 0)
    y = np.where(level, 1.0, rng.random(n) < 1 / (1 + np.exp(-x)))
    return {"x": x, "z": np.where(level, "b", "a"), "y": np.where(np.arange(n) == np.argmin(level), 0.0, y)}


def no_counts(rng: np.random.Generator) -> Data:
    """Twenty to forty counts of which one level of a factor has zeros only."""
    n = int(rng.integers(20, 41))
    x, level = rng.normal(size=n), rng.permutation(np.arange(n) % 4 == 0)
    y = np.where(level, 0.0, rng.poisson(np.exp(0.5 + 0.3 * x)))
    return {"x": x, "z": np.where(level, "b", "a"), "y": y}


SEPARATED: dict[str, tuple[Draw, str, str]] = {
    **{
        f"complete, {link}": (complete, "binomial", link)
        for link in ("logit", "probit", "cloglog", "cauchit")
    },
    **{f"quasi-complete, {link}": (quasi, "binomial", link) for link in ("logit", "probit", "cloglog")},
    "counts, a level of zeros": (no_counts, "poisson", "log"),
}


def answers(rng: np.random.Generator) -> Data:
    """Forty answers, slope 1."""
    x = rng.normal(size=40)
    return {"x": x, "y": (rng.random(40) < 1 / (1 + np.exp(-(-0.5 + x)))).astype(float)}


def probits(rng: np.random.Generator) -> Data:
    """Forty answers, slope 0.8 in probits."""
    x = rng.normal(size=40)
    return {"x": x, "y": (-0.3 + 0.8 * x + rng.normal(size=40) > 0).astype(float)}


def counts(rng: np.random.Generator) -> Data:
    """Fifteen small counts, slope 1."""
    x = rng.normal(size=15)
    return {"x": x, "y": rng.poisson(np.exp(-0.5 + x)).astype(float)}


BIAS: dict[str, tuple[Draw, str, str, float]] = {
    "logit, n = 40": (answers, "binomial", "logit", 1.0),
    "probit, n = 40": (probits, "binomial", "probit", 0.8),
    "poisson, n = 15": (counts, "poisson", "log", 1.0),
}
COVERAGE: dict[str, tuple[Draw, str, str, float, str]] = {
    "logit, n = 40, firth": (answers, "binomial", "logit", 1.0, "firth"),
    "probit, n = 40, jeffreys": (probits, "binomial", "probit", 0.8, "jeffreys"),
    "poisson, n = 15, firth": (counts, "poisson", "log", 1.0, "firth"),
}


class Mean(NamedTuple):
    """A mean over data sets with its Monte-Carlo standard error, and how many data sets it is of."""

    value: float
    error: float
    number: int

    @classmethod
    def of(cls, values: list[float]) -> Mean:
        return cls(float(np.mean(values)), float(np.std(values) / np.sqrt(len(values))), len(values))


def fitted(data: Data, family: str, link: str, method: str) -> Fit:
    """The fit of every column."""
    formula = "y ~ x + z" if "z" in data else "y ~ x"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlmstatWarning)
        return glm(formula, data, family, link=link, method=method)


def draws(draw: Draw, reps: int, seed: int) -> Iterator[Data]:
    """Data sets, each of a generator of its own."""
    for rng in np.random.default_rng(seed).spawn(reps):
        yield draw(rng)


def failures(name: str, method: str, reps: int, seed: int = SEED) -> list[str]:
    """What is not finite or not converged, of data sets all of which maximum likelihood calls separated."""
    draw, family, link = SEPARATED[name]
    found = []
    for place, data in enumerate(draws(draw, reps, seed)):
        fit = fitted(data, family, link, method)
        errors = fit.stderror()
        if fit.status != "converged" or not (np.isfinite(fit.coef).all() and np.isfinite(errors).all()):
            found.append(f"{place}: {fit.status}, {fit.estimate.convergence.reason}")
    return found


def separated(name: str, reps: int, seed: int = SEED) -> float:
    """Share of the data sets that maximum likelihood calls separated."""
    draw, family, link = SEPARATED[name]
    ends = [fitted(data, family, link, "ml").status for data in draws(draw, reps, seed)]
    return float(np.mean([end == "separated" for end in ends]))


def biases(name: str, reps: int, seed: int = SEED + 1) -> dict[str, Mean]:
    """Bias of the slope: of maximum likelihood where it is finite, which favours it, and of both others."""
    draw, family, link, slope = BIAS[name]
    found: dict[str, list[float]] = {method: [] for method in ("ml", "firth", "median_br")}
    for data in draws(draw, reps, seed):
        for method, values in found.items():
            value = float(np.asarray(fitted(data, family, link, method).estimate.coef)[1])
            values.extend([value - slope] * bool(np.isfinite(value)))
    return {method: Mean.of(values) for method, values in found.items()}


def below(name: str, reps: int, seed: int = SEED + 2) -> Mean:
    """Share of the median bias-reduced slopes that lie below the truth: a half without median bias."""
    draw, family, link, slope = BIAS[name]
    values = [
        float(np.asarray(fitted(data, family, link, "median_br").estimate.coef)[1] < slope)
        for data in draws(draw, reps, seed)
    ]
    return Mean.of(values)


def coverage(name: str, reps: int, seed: int = SEED + 3) -> Mean:
    """Share of the penalised profile intervals that hold the slope: its likelihood ratio is below the cut."""
    draw, family, link, slope, method = COVERAGE[name]
    values = []
    for data in draws(draw, reps, seed):
        try:
            found = fitted(data, family, link, method).test(f"x = {slope}", method="lr").tests[0].statistic
        except GlmstatError:
            found = np.inf
        values.append(float(found <= CUT))
    return Mean.of(values)


def main() -> None:
    """Print every study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=2000)
    reps = parser.parse_args().reps
    for name in SEPARATED:
        lost = {method: len(failures(name, method, reps)) for method in METHODS}
        print(f"{name}: separated {separated(name, min(reps, 500)):.3f}, not finite or not converged {lost}")
    for name in BIAS:
        for method, bias in biases(name, reps).items():
            print(f"{name}, {method}: bias {bias.value:+.4f} ± {bias.error:.4f} of {bias.number}")
        share = below(name, reps)
        print(f"{name}, median_br: below the truth {share.value:.4f} ± {share.error:.4f}")
    for name in COVERAGE:
        share = coverage(name, reps)
        print(f"{name}: coverage {share.value:.4f} ± {share.error:.4f}")


if __name__ == "__main__":
    main()
