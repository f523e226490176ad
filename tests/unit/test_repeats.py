"""Frequencies: the fit of counted rows is the fit of the rows written out, whatever the data teach."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import DataError

COUNT = np.tile([1, 2, 3, 1], 10)
FORMULAS = [
    "g ~ bs(x, 4)",
    "g ~ ns(x, 3)",
    "g ~ scale(x)",
    "g ~ poly(x, 2)",
    "g ~ center(x)",
    "g ~ standardize(x)",
    "g ~ bs(scale(x), 4)",
    "g ~ poly(center(x), 2) * f",
    "g ~ x + offset(scale(t))",
    "g ~ x + cut(x, 3)",
]
ROWS = 150_001


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(5)
    made = pd.DataFrame({"x": random.normal(size=40), "t": random.uniform(1, 2, 40)})
    return made.assign(g=made.x**2 + random.normal(size=40), f=np.tile(list("abcc"), 10))


def repeated(data, count):
    return data.loc[data.index.repeat(count)].reset_index(drop=True)


def same(left, right):
    assert left.columns == right.columns
    np.testing.assert_allclose(left.coef, right.coef, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(left.deviance, right.deviance, rtol=1e-11)


@pytest.mark.filterwarnings("ignore:bs.. is extrapolating")  # a row of frequency 0 may lie outside the knots
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("count", [COUNT, np.tile([1, 0, 3, 6], 10)], ids=["positive", "with zeros"])
def test_counted_rows_teach_as_rows_written_out(data, formula, count):
    same(glm(formula, data, freq_weights=count), glm(formula, repeated(data, count)))


def test_one_frequency_for_all_rows(data):
    same(glm("g ~ scale(x)", data, freq_weights=np.full(40, 4)), glm("g ~ scale(x)", repeated(data, 4)))


def test_subset_learns_from_counted_rows(data):
    left = glm("g ~ x", data, freq_weights=COUNT, subset="scale(x) > 0.1")
    same(left, glm("g ~ x", repeated(data, COUNT), subset="scale(x) > 0.1"))


def test_missing_values_and_blocks():
    random = np.random.default_rng(8)
    data = pd.DataFrame({"x": random.normal(size=ROWS), "k": random.integers(0, 9, ROWS)})
    data = data.assign(g=data.x + random.normal(size=ROWS), z=random.normal(size=ROWS))
    data.loc[::7, "z"] = np.nan
    formula = "g ~ scale(x) + poly(z, 2)"
    same(glm(formula, data, freq_weights="k"), glm(formula, repeated(data, data.k)))


def test_enormous_frequencies_are_not_written_out(data):
    fit = glm("g ~ scale(x)", data, freq_weights=COUNT * 10**9)
    ratio = glm("g ~ scale(x, ddof=0)", data, freq_weights=COUNT)
    np.testing.assert_allclose(fit.coef, ratio.coef, rtol=1e-8)


@pytest.mark.parametrize("formula", ["g ~ f", "g ~ C(f)", "g ~ x * f"])
def test_levels_of_rows_never_counted_are_dropped(data, formula):
    count = np.where(data.f == "a", 0, COUNT)
    fit = glm(formula, data, freq_weights=count)
    same(fit, glm(formula, repeated(data, count)))
    assert any("unused levels dropped: a" in note.text for note in fit.notes)
    assert any("left out 10 rows of frequency 0" in note.text for note in fit.notes)
    assert len(fit.fitted) == 30
    with pytest.raises(DataError, match="'a', not seen in the fit"):
        fit.predict(data)


def test_other_rows_of_frequency_zero_keep_their_fitted_values(data):
    fit = glm("g ~ scale(x) + f", data, freq_weights=np.tile([1, 2, 0, 1], 10))
    assert len(fit.fitted) == 40 and np.isfinite(fit.fitted).all()


@pytest.mark.parametrize("wrong", [-1, 1.5, np.inf])
def test_what_is_no_frequency_is_refused(data, wrong):
    with pytest.raises(DataError, match="row 17"):
        glm("g ~ scale(x)", data, freq_weights=np.where(np.arange(40) == 17, wrong, 1))


def test_frequencies_that_are_all_zero_are_refused(data):
    with pytest.raises(DataError, match="weights are 0 in every row"):
        glm("g ~ scale(x)", data, freq_weights=np.zeros(40))
