"""NIST's certified regressions: digits of the worst coefficient, on the data sets that ship."""

from __future__ import annotations

import math
import warnings
from functools import cache

import numpy as np
import pytest

from glmstat import datasets, glm
from glmstat.errors import PerfectFitWarning
from glmstat.fit import Fit

# set → digits wanted of the worst coefficient and of the worst standard error (None: residuals are 0)
DIGITS = {
    "norris": (12.5, 12),
    "pontius": (12.5, 11),
    "noint1": (14, 14),
    "longley": (12, 11.5),
    "filip": (7, 7),
    "wampler1": (9.5, None),
    "wampler2": (13, None),
    "wampler5": (6, 6),
}


@cache
def fit(name: str) -> tuple[Fit, list[type[Warning]]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = glm(datasets.describe(name).model["formula"], datasets.load(name))
    return found, [warning.category for warning in caught]


def worst(found: dict[str, float], certified: dict[str, float]) -> float:
    assert list(found) == list(certified)
    errors = [abs(found[term] - value) / abs(value) for term, value in certified.items()]
    return 16.0 if max(errors) == 0 else -math.log10(max(errors))


@pytest.mark.parametrize("name", DIGITS)
def test_coefficients(name):
    assert worst(fit(name)[0].coef.to_dict(), datasets.describe(name).certified["coef"]) >= DIGITS[name][0]


@pytest.mark.parametrize("name", [name for name, digits in DIGITS.items() if digits[1] is not None])
def test_standard_errors(name):
    assert (
        worst(fit(name)[0].stderror().to_dict(), datasets.describe(name).certified["se"]) >= DIGITS[name][1]
    )


@pytest.mark.parametrize("name", DIGITS)
def test_nothing_is_aliased_and_the_verdict_is_right(name):
    found, caught = fit(name)
    certified = datasets.describe(name).certified
    assert not found.estimate.aliased
    assert found.df_residual == certified["df_resid"]
    assert found.status == ("perfect fit" if certified["residual_sd"] == 0 else "converged")
    assert caught == ([PerfectFitWarning] if certified["residual_sd"] == 0 else [])


@pytest.mark.parametrize("name", [name for name, digits in DIGITS.items() if digits[1] is not None])
def test_residual_deviation(name):
    found, certified = fit(name)[0], datasets.describe(name).certified
    assert math.sqrt(found.dispersion) == pytest.approx(certified["residual_sd"], rel=1e-7)
    if found.df_null == found.df_residual + len(found.columns) - 1:
        r_squared = 1 - found.deviance / found.null_deviance
        assert r_squared == pytest.approx(certified["r_squared"], rel=1e-9)


@pytest.mark.parametrize("name", [name for name, digits in DIGITS.items() if digits[1] is None])
def test_perfect_fit_has_no_standard_errors_to_trust(name):
    found = fit(name)[0]
    table = found.summary().to_frame()
    assert np.isnan(table["statistic"]).all()
    assert np.isnan(table["p_value"]).all()
