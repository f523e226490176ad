"""Laws of absorbed effects, on factors that are drawn: the numbers are those of the model with dummies."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from glmstat import Control, glm
from glmstat.solve.absorb import redundant, system
from tests.property.test_source_laws import LAWS


@st.composite
def panels(draw: Any) -> pd.DataFrame:
    """Rows of two factors, uneven and perhaps without a row that joins some levels; values may be missing."""
    rows = draw(st.integers(40, 250))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    f = np.floor(draw(st.integers(2, 12)) * rng.random(rows) ** draw(st.sampled_from([1, 3])))
    g = rng.integers(0, draw(st.integers(2, 7)), rows)
    if draw(st.booleans()):
        g = 2 * g + f % 2  # two sets of rows that no level joins
    data = pd.DataFrame(
        {"f": f, "g": g.astype(int), "x": rng.normal(size=rows) + f, "w": rng.uniform(0.5, 2, rows)}
    )
    data["z"] = rng.normal(size=rows) - 0.5 * data.x
    data["y"] = np.exp(0.2 * data.z) * rng.gamma(3.0, 0.5, rows)
    data["n"] = 1.0 + rng.poisson(data.y)
    for name in ("x", "g"):
        data.loc[rng.random(rows) < draw(st.sampled_from([0, 0.05])), name] = None
    return data


@LAWS
@given(
    data=panels(),
    model=st.sampled_from([("y", "gaussian"), ("y", "gamma"), ("n", "poisson")]),
    weights=st.sampled_from([None, "w"]),
    memory=st.sampled_from([0, 16e6]),
)
def test_effects_are_dummies_that_are_not_written(
    data: pd.DataFrame, model: tuple[str, str], weights: str | None, memory: float
) -> None:
    assume(data.dropna()[["f", "g"]].nunique().min() > 1)
    response, family = model
    words: dict[str, Any] = {"weights": weights, "link": "identity" if family == "gaussian" else "log"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        absorbed = glm(
            f"{response} ~ x + z | f + g",
            data,
            family,
            control=Control(memory=memory, tolerance=1e-12),
            **words,
        )
        dummies = glm(f"{response} ~ C(f) + C(g) + x + z", data, family, **words)
    assume(dummies.status == "converged" and dummies.df_residual > 0)
    assert absorbed.status == "converged"
    assert (absorbed.nobs, absorbed.df_residual) == (dummies.nobs, dummies.df_residual)
    assert set(absorbed.estimate.aliased) == set(dummies.estimate.aliased) & {"x", "z"}
    for number in ("deviance", "dispersion", "loglik"):
        np.testing.assert_allclose(getattr(absorbed, number), getattr(dummies, number), rtol=1e-9)
    same = {"rtol": 1e-8, "atol": 1e-10}
    np.testing.assert_allclose(absorbed.coef, dummies.coef[["x", "z"]], **same)
    for kind in ("classical", "HC1"):
        found, expected = absorbed.stderror(kind), dummies.stderror(kind)
        np.testing.assert_allclose(found, expected[["x", "z"]], **same)


KINDS = ["crossed", "nested", "combined", "partly combined", "apart", "few", "many"]


@st.composite
def tangles(draw: Any) -> tuple[pd.DataFrame, str]:
    """Rows of three to five factors, crossed, nested, interacted or apart, with single rows and weights 0."""
    rows = draw(st.integers(12, 150))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.tuples(*[st.integers(2, max(3, rows // 2))] * 3))
    base = [rng.integers(0, size, rows) for size in sizes]
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=3, max_size=5))
    data = pd.DataFrame(
        {"x": rng.normal(size=rows), "y": rng.normal(size=rows), "n": 1 + rng.poisson(2, rows)}
    )
    data["w"] = rng.uniform(0.01, 5, rows) * (rng.random(rows) > draw(st.sampled_from([0, 0.2])))
    for k, kind in enumerate(kinds):
        a, b = (base[j] for j in draw(st.permutations([0, 1, 2]))[:2])
        data[f"f{k}"] = {
            "crossed": a,
            "nested": a // 3,
            "combined": a * 1000 + b,
            "partly combined": a // 2 * 1000 + b,
            "apart": 2 * a + b % 2,
            "few": rng.integers(0, 3, rows),
            "many": rng.integers(0, rows, rows),
        }[kind]
    return data, " + ".join(f"f{k}" for k in range(len(kinds)))


@LAWS
@given(
    tangle=tangles(),
    model=st.sampled_from([("y", "gaussian"), ("n", "poisson")]),
    weights=st.sampled_from([None, "w"]),
    dense=st.booleans(),
)
def test_degrees_of_freedom_are_those_of_the_rank_of_dummies(
    tangle: tuple[pd.DataFrame, str], model: tuple[str, str], weights: str | None, dense: bool
) -> None:
    data, behind = tangle
    names = behind.split(" + ")
    used = data if weights is None else data[data.w > 0]
    assume(len(used) > 0 and used[names].nunique().max() < len(used))
    codes = [np.unique(used[name], return_inverse=True)[1] for name in names]
    dummies = np.hstack([np.eye(code.max() + 1)[code] for code in codes])
    rank = int(np.linalg.matrix_rank(dummies))
    assume(rank + 8 < len(used))
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        if not dense:
            patch.setattr(system, "DENSE", 0)
            patch.setattr(redundant, "DENSE", 0)
        fit = glm(f"{model[0]} ~ x | {behind}", data, model[1], weights=weights)
    known = fit.estimate.absorbed
    assert known is not None and known.exact and known.df == rank
    assert fit.df_residual == len(used) - rank - 1
