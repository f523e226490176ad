"""The ascent by subsamples ends where plain Newton does, on data that hypothesis draws."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import event, given, settings
from hypothesis import strategies as st

from glmstat import Control, Fit, glm

LAWS = settings(max_examples=60, deadline=None, derandomize=True, database=None)
MODELS = [
    ("gaussian", "identity"),
    ("gaussian", "log"),
    ("poisson", "log"),
    ("poisson", "sqrt"),
    ("binomial", "logit"),
    ("binomial", "probit"),
    ("binomial", "cloglog"),
    ("binomial", "cauchit"),
    ("gamma", "log"),
    ("gamma", "inverse"),
    ("inverse_gaussian", "log"),
    ("negative_binomial(2)", "log"),
    ("quasipoisson", "log"),
    ("tweedie(1.5)", "log"),
]
EQUAL = 1e-8  # standard errors
SAME_ERRORS = 1e-6


@dataclass(frozen=True)
class Case:
    """A drawn table, its model, and what is weighted."""

    data: pd.DataFrame
    formula: str
    family: str
    link: str
    words: dict[str, Any]
    memory: float = 16e6

    def fit(self, solver: str) -> Fit:
        control = Control(solver=solver, memory=self.memory)  # pyright: ignore[reportArgumentType]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return glm(self.formula, self.data, self.family, link=self.link, control=control, **self.words)


def means(eta: np.ndarray, family: str, link: str) -> np.ndarray:
    if family == "binomial":
        return 1 / (1 + np.exp(-(eta - 1.5)))
    return {"identity": eta, "inverse": 1 / eta, "sqrt": eta**2}.get(link, np.exp(eta))


def response(rng: np.random.Generator, mean: np.ndarray, family: str) -> np.ndarray:
    n = len(mean)
    if family == "binomial":
        return (rng.random(n) < mean).astype(float)
    if family == "gaussian":
        return mean + rng.normal(0, 0.5, n)
    if family == "gamma":
        return mean * rng.gamma(4, 1 / 4, n)
    if family == "inverse_gaussian":
        return mean * rng.wald(1, 6, n)
    if family == "tweedie(1.5)":
        return np.where(rng.random(n) < 0.2, 0.0, mean * rng.gamma(3, 1 / 3, n))
    if family == "negative_binomial(2)":
        return rng.poisson(mean * rng.gamma(2, 1 / 2, n)).astype(float)
    return rng.poisson(mean).astype(float)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Random columns, a factor, an offset, weights and an order of the rows."""
    family, link = draw(st.sampled_from(MODELS))
    n, rng = draw(st.integers(400, 3000)), np.random.default_rng(draw(st.integers(0, 10**6)))
    slope, levels = draw(st.sampled_from([0.1, 0.4, 1.0])), draw(st.integers(2, 6))
    data = pd.DataFrame(
        {
            "x": rng.uniform(-1, 1, n),
            "z": draw(st.sampled_from([0.0, 1e4])) + rng.normal(0, 1, n),
            "f": rng.choice([f"l{k}" for k in range(levels)], n),
            "o": rng.uniform(0, 0.3, n),
            "w": rng.integers(1, 5, n) / 2,
            "k": rng.integers(0, 4, n),
        }
    )
    eta = 1.8 + slope * data["x"] + 0.05 * (data["z"] - data["z"].mean()) + data["o"]
    data["y"] = response(rng, means(eta.to_numpy(), family, link), family)
    order = draw(st.sampled_from(["", "x", "y", "f"]))
    if order:
        data = data.sort_values(order, kind="stable", ignore_index=True)
    words = draw(st.sampled_from([{}, {"weights": "w"}, {"freq_weights": "k"}]))
    formula = draw(
        st.sampled_from(["y ~ x + z", "y ~ x + z + f", "y ~ x * f", "y ~ x + f + offset(o)", "y ~ z"])
    )
    return Case(data, formula, family, link, words)


@st.composite
def wide_cases(draw: st.DrawFn) -> Case:
    """A factor of many levels, some of them rare, whose rows keep it as codes."""
    family, link = draw(st.sampled_from([model for model in MODELS if model != ("gaussian", "identity")]))
    n, rng = draw(st.integers(4_000, 12_000)), np.random.default_rng(draw(st.integers(0, 10**6)))
    levels, rare = draw(st.integers(18, 60)), draw(st.integers(0, 4))
    code = rng.integers(0, levels, n)
    code[rng.choice(n, 12 * rare, replace=False)] = np.repeat(levels + np.arange(rare), 12)
    data = pd.DataFrame(
        {
            "x": rng.uniform(-1, 1, n),
            "f": [f"l{k:02d}" for k in code],
            "g": rng.choice([f"m{k:02d}" for k in range(17)], n),
            "o": rng.uniform(0, 0.3, n),
            "w": rng.integers(1, 5, n) / 2,
            "k": rng.integers(0, 4, n),
        }
    )
    eta = 1.8 + 0.3 * data["x"] + rng.normal(0, 0.2, levels + rare)[code] + data["o"]
    data["y"] = response(rng, means(eta.to_numpy(), family, link), family)
    order = draw(st.sampled_from(["", "f", "y"]))
    if order:
        data = data.sort_values(order, kind="stable", ignore_index=True)
    words = draw(st.sampled_from([{}, {"weights": "w"}, {"freq_weights": "k"}]))
    formula = draw(
        st.sampled_from(["y ~ x + f", "y ~ x + f + g + offset(o)", "y ~ 0 + f + x", "y ~ x + f + f:x"])
    )
    return Case(data, formula, family, link, words, memory=0)


@LAWS
@given(wide_cases())
def test_they_agree_where_factors_stay_codes(case: Case) -> None:
    agree(case)


@LAWS
@given(cases())
def test_ladder_and_newton_agree(case: Case) -> None:
    agree(case)


def agree(case: Case) -> None:
    newton, ladder = case.fit("newton"), case.fit("ladder")
    ending = ladder.estimate.convergence.ladder
    event(ending)
    assert ending
    assert ladder.status == newton.status
    assert ladder.estimate.convergence.separation == newton.estimate.convergence.separation
    assert list(ladder.estimate.aliased) == list(newton.estimate.aliased)
    np.testing.assert_array_equal(ladder.estimate.infinite, newton.estimate.infinite)
    assert (ladder.nobs, ladder.df_residual, ladder.df_null) == (
        newton.nobs,
        newton.df_residual,
        newton.df_null,
    )
    errors = np.asarray(newton.stderror())
    free = np.isfinite(errors)
    apart = np.abs(np.asarray(ladder.coef) - np.asarray(newton.coef))[free] / errors[free]
    if newton.status == "converged":
        assert apart.max(initial=0.0) < EQUAL
        np.testing.assert_allclose(np.asarray(ladder.stderror()), errors, rtol=SAME_ERRORS)
        np.testing.assert_allclose(ladder.deviance, newton.deviance, rtol=1e-10)
        np.testing.assert_allclose(ladder.null_deviance, newton.null_deviance, rtol=1e-7)
        np.testing.assert_allclose(ladder.loglik, newton.loglik, rtol=1e-10)
