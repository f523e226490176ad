"""Names of coefficients under `compat=`: R's own, and the rules of the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.fit import Fit

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "names.json").read_text("utf-8"))


def table() -> pd.DataFrame:
    """The table of tests/reference/inference/names.R."""
    data = pd.read_csv(HERE / "data" / "features_check_data.csv")
    place = np.arange(len(data))
    levels = ["lo", "mid", "hi", "top"]
    return data.assign(
        h=np.where(place % 3 == 0, "u", "v"),
        b=data["x"] > 0,
        k=place % 4,
        o=pd.Categorical.from_codes(place % 4, levels, ordered=True),
    ).assign(
        **{
            "a b": data["t"],
            "if": data["x"],
            "_u": data["t"] ** 2,
            ".v": data["x"] ** 2,
            "h-1": np.array(["u", "v w", "z"])[place % 3],
        }
    )


D = table()


@pytest.mark.parametrize("formula", R)
def test_names_are_those_of_r(formula: str):
    assert list(glm(formula, D, "poisson", compat="R").columns) == R[formula]


def counts(compat: str) -> Fit:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.normal(size=150), "f": rng.choice(list("abc"), 150)})
    data["y"] = rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(0.6 + 0.3 * data["x"])))
    return glm("y ~ x + f", data, "negative_binomial", compat=compat, predictors={"theta": "~ f * x"})


@pytest.mark.parametrize(
    ("system", "mean", "theta"),
    [
        ("R", "(Intercept) x fb fc", "(Intercept) fb fc x fb:x fc:x"),
        ("stata", "_cons x 2.f 3.f", "_cons 2.f 3.f x 2.f#c.x 3.f#c.x"),
        ("statsmodels", "Intercept x f[T.b] f[T.c]", "Intercept f[T.b] f[T.c] x f[T.b]:x f[T.c]:x"),
    ],
)
def test_a_formula_of_theta_has_the_names_of_the_system(system: str, mean: str, theta: str):
    fit, default = counts(system), counts("glmstat")
    assert fit.columns == (*mean.split(), *(f"theta:{name}" for name in theta.split()))
    for own, usual in zip(fit.columns, default.columns, strict=True):
        assert fit.test(f"`{own}` = 0")["p_value"] == fit.test(f"`{usual}` = 0")["p_value"]
    said = " ".join(" ".join(default.explain_difference(system).notes).split())
    for own, usual in zip(fit.columns, default.columns, strict=True):
        assert (f" {usual} → {own}" in said) == (own != usual)
    assert not any(note.startswith("names:") for note in fit.explain_difference(system).notes)


def test_names_of_sas_of_a_formula_of_theta():
    names = counts("sas").columns
    assert names[:4] == ("Intercept", "x", "f a", "f b")
    assert names[4:] == tuple(f"theta:{name}" for name in ("Intercept", "f a", "f b", "x", "f*x a", "f*x b"))


def test_a_name_in_backticks_is_known_without_them():
    fit = glm("y ~ `a b` + x", D, "poisson", compat="R")
    assert fit.columns == ("(Intercept)", "`a b`", "x")
    assert fit.test("`a b` = 0")["p_value"] == glm("y ~ `a b` + x", D, "poisson").test("`a b` = 0")["p_value"]
