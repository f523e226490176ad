"""`compat="statsmodels"` against statsmodels 0.15.0: tests/reference/inference/make_statsmodels.py."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import FewClustersWarning
from glmstat.fit import Fit

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE.parent / "reference" / "inference" / "statsmodels.json").read_text("utf-8"))

D = pd.read_csv(HERE / "data" / "features_check_data.csv")
D = D.assign(
    c=np.tile(np.arange(1, 9), 5), r=np.where(D["s"] > 5, "yes", "no"), times=np.tile([1, 2, 3, 1], 10)
)
CALLS: dict[str, dict[str, Any]] = {
    "gaussian": {"formula": "g ~ x + f"},
    "gaussian_log": {"formula": "g ~ x", "link": "log"},
    "gaussian_weighted": {"formula": "g ~ x", "weights": "w"},
    "gamma": {"formula": "g ~ x + f", "family": "gamma", "link": "log"},
    "gamma_weighted": {"formula": "g ~ x", "family": "gamma", "link": "log", "weights": "w"},
    "gamma_frequencies": {"formula": "g ~ x", "family": "gamma", "link": "log", "freq_weights": "times"},
    "inverse_gaussian": {"formula": "g ~ x", "family": "inverse_gaussian", "link": "log"},
    "poisson": {"formula": "y ~ x * f + offset(log(t))", "family": "poisson"},
    "binomial": {"formula": "cbind(s, 10 - s) ~ x + f", "family": "binomial"},
    "event": {"formula": "r ~ x + f", "family": "binomial"},
    "probit": {"formula": "r ~ x", "family": "binomial", "link": "probit"},
    "negative_binomial": {"formula": "y ~ x + f", "family": "negative_binomial(2)", "link": "log"},
    "tweedie": {"formula": "g ~ x", "family": "tweedie(1.5)", "link": "log"},
}


@cache
def fitted(name: str) -> Fit:
    return glm(data=D, compat="statsmodels", **CALLS[name])


def by_name(fit: Fit, names: list[str], values: Any) -> list[float]:
    """Values in the order of statsmodels, which puts factors first."""
    places = [fit.columns.index(name) for name in names]
    return np.asarray(values, dtype=float)[places].tolist()


@pytest.mark.parametrize("name", CALLS)
def test_table(name: str):
    fit, expected = fitted(name), EXPECTED[name]
    assert sorted(fit.columns) == sorted(expected["names"])
    kinds = {"classical": "classical", "HC0": "HC0", "cluster": "~c"}
    if name == "gamma_frequencies":
        del kinds["HC0"], kinds["cluster"]
    for word, vcov in kinds.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewClustersWarning)
            table = fit.summary(vcov).to_frame()
        names = expected["names"]
        assert by_name(fit, names, table["estimate"]) == pytest.approx(expected["coef"], rel=1e-7)
        for ours, theirs in {
            "std_error": "se",
            "statistic": "z",
            "conf_low": "low",
            "conf_high": "high",
        }.items():
            scale = max(map(abs, expected[word][theirs]))
            found = by_name(fit, names, table[ours])
            assert found == pytest.approx(expected[word][theirs], rel=1e-7, abs=1e-8 * scale), (word, ours)
        assert by_name(fit, names, table["p_value"]) == pytest.approx(
            expected[word]["p"], rel=1e-5, abs=1e-12
        )


@pytest.mark.parametrize("name", CALLS)
def test_foot(name: str):
    fit, expected = fitted(name), EXPECTED[name]
    assert fit.dispersion == pytest.approx(expected["scale"], rel=1e-9)
    assert fit.deviance == pytest.approx(expected["deviance"], rel=1e-9)
    if np.isnan(fit.loglik):
        pytest.skip("no likelihood here")
    assert fit.loglik == pytest.approx(expected["llf"], rel=1e-9)
    assert fit.aic == pytest.approx(expected["aic"], rel=1e-9)
    assert fit.bic == pytest.approx(expected["bic"], rel=1e-9)
