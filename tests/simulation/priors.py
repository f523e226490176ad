"""Coverage of credible intervals under their own prior: the full study.

    python -m tests.simulation.priors --reps 4000

Coefficients are drawn from the prior, data from the model at these coefficients; over both, an exact 95 %
credible interval covers exactly 95 %. The posterior of gaussian rows with normal priors is normal, so that
there the rate is 0.95 up to Monte-Carlo error; elsewhere Laplace's approximation is what is measured. The
Monte-Carlo standard error is that of the mean over data sets of the share of coefficients covered.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from glmstat import Fit, glm
from glmstat.errors import GlmstatWarning
from glmstat.priors import Prior, cauchy, normal, t

LEVEL = 0.95
Draw = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Study:
    """A model whose coefficients have a prior.

    Parameters
    ----------
    rows : of each data set.
    priors : of Intercept, x and z.
    family, draw : the model and its responses, from generator, predictor and weights.
    words : further arguments of the call.
    method : of the intervals.
    off : by how much theory lets the rate differ from 0.95: 0 where the posterior is normal.
    """

    rows: int
    priors: tuple[Prior, Prior, Prior]
    family: str
    draw: Draw
    words: dict[str, Any]
    method: str = "wald"
    off: float = 0.015


def _gaussian(rng: np.random.Generator, eta: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return eta + rng.standard_normal(len(eta)) / np.sqrt(weights)


def _binary(rng: np.random.Generator, eta: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (rng.random(len(eta)) < expit(eta)).astype(float)


def _counts(rng: np.random.Generator, eta: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return rng.poisson(np.exp(eta)).astype(float)


def _costs(rng: np.random.Generator, eta: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return rng.gamma(2.0, np.exp(eta) / 2.0)


NORMAL = (normal(0, 1), normal(0.2, 0.5), normal(0, 0.3))
STUDIES = {
    "gaussian, known dispersion": Study(12, NORMAL, "gaussian", _gaussian, {"dispersion": 1.0}, off=0.0),
    "gaussian, weights": Study(
        12, NORMAL, "gaussian", _gaussian, {"dispersion": 1.0, "weights": "w"}, off=0.0
    ),
    "gaussian, estimated dispersion": Study(30, NORMAL, "gaussian", _gaussian, {}),
    "binomial": Study(60, (normal(0, 1), normal(0, 1), normal(0, 1)), "binomial", _binary, {}),
    "binomial, profile": Study(60, (normal(0, 1),) * 3, "binomial", _binary, {}, method="profile"),
    # coefficients far out separate the data: the posterior has a long tail, which a normal has not
    "binomial, cauchy": Study(200, (cauchy(0, 0.5),) * 3, "binomial", _binary, {}, off=0.05),
    "binomial, cauchy, profile": Study(200, (cauchy(0, 0.5),) * 3, "binomial", _binary, {}, "profile"),
    "poisson, t": Study(40, (t(5, 0, 0.5),) * 3, "poisson", _counts, {}),
    "gamma, estimated dispersion": Study(60, NORMAL, "gamma", _costs, {"link": "log"}),
}


def one(study: Study, rng: np.random.Generator) -> float:
    """Return the share of coefficients that are covered in one data set."""
    x, z, w = rng.standard_normal(study.rows), rng.uniform(-1, 1, study.rows), rng.uniform(0.5, 2, study.rows)
    weights = w if "weights" in study.words else np.ones(study.rows)
    truth = np.array([prior.draw(rng, 1)[0] for prior in study.priors])
    y = study.draw(rng, truth[0] + truth[1] * x + truth[2] * z, weights)
    fit: Fit = glm(
        "y ~ x + z",
        {"y": y, "x": x, "z": z, "w": w},
        study.family,
        prior=dict(zip(("Intercept", "x", "z"), study.priors, strict=True)),
        **study.words,
    )
    ends = fit.confint(LEVEL, method=study.method).to_numpy()
    return float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))


def coverage(name: str, reps: int, seed: int = 20_260) -> tuple[float, float]:
    """Return the rate of covered coefficients and its Monte-Carlo standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlmstatWarning)
        shares = [one(STUDIES[name], rng) for rng in np.random.default_rng(seed).spawn(reps)]
    return float(np.mean(shares)), float(np.std(shares, ddof=1) / np.sqrt(reps))


def table(reps: int) -> Iterator[str]:
    """Yield the lines of the study."""
    yield f"{'study':<32} {'rows':>5} {'coverage':>9} {'MC error':>9}"
    for name, study in STUDIES.items():
        rate, error = coverage(name, reps)
        yield f"{name:<32} {study.rows:>5} {rate:>9.4f} {error:>9.4f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=4000)
    for line in table(parser.parse_args().reps):
        print(line, flush=True)
