"""How far a combination of the coefficients can go inside the domain of the means."""

from __future__ import annotations

import warnings
from math import inf
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.fit import Fit
from glmstat.inference.profile.edge import reach

X = np.arange(6.0)


def ends(fit: Fit, combination: list[float]) -> tuple[float, float]:
    row = np.array(combination)
    return reach(fit, row, -1, fit.frame), reach(fit, row, 1, fit.frame)


def fitted(*args: Any, **words: Any) -> Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return glm(*args, **words)


def test_links_without_bounds_have_no_edge():
    assert ends(glm("y ~ x", {"x": X, "y": X + 1}, "poisson"), [0, 1]) == (-inf, inf)


def test_identity_poisson():
    fit = fitted("y ~ x", {"x": X, "y": [0, 2, 1, 4, 6, 5]}, "poisson", link="identity")
    assert ends(fit, [1, 0]) == (pytest.approx(0.0, abs=1e-12), inf)  # the mean at x = 0
    assert ends(fit, [0, 1]) == (-inf, inf)
    assert ends(fit, [1, 2.5]) == (pytest.approx(0.0, abs=1e-9), inf)
    assert ends(fit, [-1, 0]) == (-inf, pytest.approx(0.0, abs=1e-12))


def test_offsets_and_units_move_the_edge():
    data = {"x": 1e6 * X, "y": [1, 2, 1, 4, 6, 5], "o": np.full(6, 0.5)}
    fit = fitted("y ~ x + offset(o)", data, "poisson", link="identity")
    assert ends(fit, [1, 0]) == (pytest.approx(-0.5, rel=1e-9), inf)


def test_log_binomial():
    fit = fitted(
        "cbind(s, n - s) ~ x", {"x": X[:4], "n": [10] * 4, "s": [2, 4, 7, 10]}, "binomial", link="log"
    )
    assert ends(fit, [1, 3]) == (-inf, pytest.approx(0.0, abs=1e-9))
    assert ends(fit, [1, 0]) == (-inf, pytest.approx(0.0, abs=1e-9))


def test_constraints_are_added_as_they_are_violated():
    from scipy.optimize import linprog

    rng = np.random.default_rng(2)
    x, offset = rng.normal(size=(3000, 2)), rng.uniform(-1.0, 0.0, 3000)
    data = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "o": offset, "y": rng.random(3000) < 0.1})
    fit = fitted("y ~ a + b + offset(o)", data, "binomial", link="log")
    rows, target = np.column_stack([np.ones(3000), x]), np.array([1.0, 0.3, -0.2])
    whole = linprog(-target, A_ub=rows, b_ub=-offset, bounds=(None, None))
    assert whole.status == 0
    assert ends(fit, target.tolist()) == (-inf, pytest.approx(-whole.fun, rel=1e-7))
