"""Checks of assumptions: R's numbers, weights as repetition, rows in blocks, and what is refused."""

from __future__ import annotations

import json
import warnings
from itertools import pairwise
from math import isnan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

import glmstat
from glmstat import Control, glm
from glmstat.errors import ArgumentError, ComparisonError, DataError, PerfectFitWarning
from glmstat.inference.check import order
from glmstat.inference.check.quadratic import sign_probabilities

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "check.json").read_text("utf-8"))
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
S = pd.DataFrame(R["rows"]).assign(half=lambda rows: rows.k / 2)
NAMES = ["condition number", "Breusch-Pagan", "Durbin-Watson", "Jarque-Bera"]
CASES = {
    "small": ("g ~ x + f", D, {}),
    "offset": ("g ~ x + f + offset(t)", D, {}),
    "simulated": ("y ~ x + z + t + f", S, {}),
    "poly": ("y ~ poly(x, 2) + t + f", S, {}),
    "plain": ("y ~ z + t", S, {}),
    "repeated": ("y ~ x + z + f", S, {"freq_weights": "k"}),
    "part": ("y ~ x + z + f", S, {"subset": "(f != 'a') | (x > 0)"}),
    "weighted": ("y ~ x + z + f", S, {"weights": "half"}),
}


def fit_of(name: str):
    formula, data, words = CASES[name]
    return glm(formula, data, **words)


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_those_of_r(name):
    found, expected = fit_of(name).check(), R[name]
    assert list(found.index[1:]) == NAMES
    np.testing.assert_allclose(found.inflation["GVIF"], expected["gvif"], rtol=1e-12)
    tests = [expected[test]["statistic"] for test in ("bp", "dw", "jb")]
    np.testing.assert_allclose(found["statistic"][1:], [expected["condition"], *tests], rtol=1e-12)
    assert [found["df"][2], found["df"][4]] == [expected["bp"]["df"], 2]
    p_values = [expected["bp"]["p_value"], expected["jb"]["p_value"]]
    np.testing.assert_allclose([found["p_value"][2], found["p_value"][4]], p_values, rtol=1e-10)


@pytest.mark.parametrize("name", ["small", "offset", "simulated", "poly", "plain"])
def test_durbin_watson_is_the_exact_distribution(name):
    assert fit_of(name).check()["p_value"][3] == pytest.approx(R[name]["imhof"], rel=1e-8)


@pytest.mark.parametrize("name", ["part", "weighted"])
def test_durbin_watson_is_exact_far_in_the_tail(name):  # R by the rule of Pan with 60 nodes
    assert fit_of(name).check()["p_value"][3] == pytest.approx(R[name]["dw"]["p_value"], rel=1e-7, abs=0)


@pytest.mark.parametrize("name", ["small", "simulated", "repeated", "part"])
def test_durbin_watson_of_many_rows_is_the_normal_approximation(name, monkeypatch):
    monkeypatch.setattr(order, "_EXACT", 0)
    found = fit_of(name).check()
    assert found["p_value"][3] == pytest.approx(R[name]["dw_normal"]["p_value"], rel=1e-10, abs=0)
    assert "normal approximation" in str(found)


def test_the_approximation_is_close_where_it_takes_over(monkeypatch):
    rng = np.random.default_rng(5)
    data = {"y": rng.normal(size=1000), "x": rng.normal(size=1000), "t": np.arange(1000.0)}
    exact = glm("y ~ x + t", data).check()["p_value"][3]
    monkeypatch.setattr(order, "_EXACT", 0)
    assert glm("y ~ x + t", data).check()["p_value"][3] == pytest.approx(exact, abs=1e-4)


@pytest.mark.parametrize("exact", [0, 1000])
def test_frequencies_are_repetition(exact, monkeypatch):
    monkeypatch.setattr(order, "_EXACT", exact)
    counts = np.tile([1, 0, 4, 2, 7], 60)
    whole = glm("y ~ x + z + f", S.loc[np.repeat(S.index, counts)]).check()
    counted = glm("y ~ x + z + f", S.assign(n=counts), freq_weights="n").check()
    for column in ("statistic", "df", "p_value"):
        np.testing.assert_allclose(counted[column], whole[column], rtol=1e-9)
    np.testing.assert_allclose(counted.inflation["GVIF"], whole.inflation["GVIF"], rtol=1e-10)


def test_rows_without_weight_are_passed_over():
    some = S.assign(w=np.where(np.arange(len(S)) % 3, 1.0, 0.0))
    found = glm("y ~ x + f", some, weights="w").check()
    kept = glm("y ~ x + f", some[some.w > 0]).check()
    np.testing.assert_allclose(found["statistic"], kept["statistic"], rtol=1e-10)
    np.testing.assert_allclose(found["p_value"][2:], kept["p_value"][2:], rtol=1e-9)


@pytest.mark.parametrize(
    ("words", "rows"), [({}, 2), ({"freq_weights": "k"}, 1), ({"freq_weights": "k"}, 7)], ids=["2", "1", "7"]
)
def test_blocks_do_not_matter(words, rows, monkeypatch):
    expected = glm("y ~ x + z + f", S, **words).check()
    monkeypatch.setattr(order, "_EXACT", 0)
    approximate = glm("y ~ x + z + f", S, **words).check()
    monkeypatch.setattr("glmstat.frame.block_rows", lambda columns: rows)
    fit = glm("y ~ x + z + f", S, **words, control=Control(memory=0))
    assert fit.frame.large
    for limit, whole in ((0, approximate), (1000, expected)):
        monkeypatch.setattr(order, "_EXACT", limit)
        found = fit.check()
        np.testing.assert_allclose(found["statistic"], whole["statistic"], rtol=1e-10)
        np.testing.assert_allclose(found["p_value"], whole["p_value"], rtol=1e-8)


def test_prior_weights_of_one_size_do_not_matter():
    plain = glm("y ~ x + z", S).check()
    scaled = glm("y ~ x + z", S.assign(w=7.0), weights="w").check()
    np.testing.assert_allclose(scaled["statistic"], plain["statistic"], rtol=1e-10)
    np.testing.assert_allclose(scaled["p_value"], plain["p_value"], rtol=1e-9)


def test_aliased_columns_stand_outside():
    fit = glm("y ~ x + z + I(2 * x - z)", S)
    found, plain = fit.check(), glm("y ~ x + z", S).check()
    np.testing.assert_allclose(found["statistic"], plain["statistic"], rtol=1e-9)
    assert found["df"][2] == 2
    assert "without aliased columns: I(2 * x - z)" in str(found)


def test_collinearity_of_one_column_is_r_squared():
    r_squared = np.corrcoef(S.x, S.z)[0, 1] ** 2
    fit = glm("y ~ x + z", S)
    np.testing.assert_allclose(fit.check().inflation["GVIF"], 1 / (1 - r_squared), rtol=1e-12)


def test_strong_collinearity_is_named():
    near = S.assign(v=S.x + 1e-4 * S.z)
    found = glm("y ~ x + v + t", near).check()
    assert found.doubtful[0] == "collinearity"
    assert found["statistic"][1] > 1e3
    exact = 1 / (1 - np.corrcoef(near.x - near.x.mean(), near.v)[0, 1] ** 2)
    assert found.inflation["GVIF"][0] == pytest.approx(exact, rel=0.2)
    assert "collinearity: strong, related columns widen standard errors" in str(found)


def test_a_condition_number_does_not_depend_on_units():
    fits = glm("y ~ x + z", S), glm("y ~ I(1e6 * x) + z", S)
    one, other = (fit.check()["statistic"][1] for fit in fits)
    assert one == pytest.approx(other, rel=1e-9)


def test_models_of_few_columns():
    found = glm("y ~ 1", S).check()
    assert len(found.inflation) == 0 and found["statistic"][1] == 1.0
    assert isnan(found["statistic"][2]) and np.isfinite(found["p_value"][3:]).all()
    assert "equal variance: not checked: no column that the variance could change with" in str(found)
    through = glm("y ~ x + t - 1", S).check()
    assert through["df"][2] == 2
    assert "no intercept" in str(through.inflation)
    levels = glm("y ~ f - 1", S).check(), glm("y ~ f", S).check()
    np.testing.assert_allclose(levels[0]["statistic"][2:], levels[1]["statistic"][2:], rtol=1e-10)
    assert levels[0]["df"][2] == 2


def test_a_perfect_fit_has_nothing_to_check():
    data = {"x": [0.0, 1.0, 2.0, 3.0, 4.0], "z": [0, 1, 0, 1, 1]}
    with pytest.warns(PerfectFitWarning):
        fit = glm("y ~ x + z", {**data, "y": [1.0, 3.0, 5.0, 7.0, 9.0]})
    found = fit.check()
    assert np.isnan(found["p_value"]).all() and "the residuals are rounding error" in str(found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saturated = glm("y ~ C(x)", {**data, "y": [1.0, 3.2, 5.0, 7.1, 9.0]})
    assert "no residual degrees of freedom" in str(saturated.check())


def test_few_degrees_of_freedom():
    found = glm("y ~ x", {"y": [1.0, 3.0, 2.0, 5.0], "x": [0.0, 1.0, 2.0, 3.0]}).check()
    assert isnan(found["p_value"][3]) and found["statistic"][3] > 0
    assert "too few residual degrees of freedom" in str(found)


def test_lines_say_what_the_numbers_speak_against():
    found = fit_of("simulated").check()
    assert found.doubtful == ("equal variance", "independence", "normal errors")
    text = str(found)
    assert "equal variance: doubtful, squared residuals change with the columns" in text
    assert "neighbouring residuals are alike" in text
    assert "rough below 2,000 rows" in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii() or found.ascii().isascii()
    rng = np.random.default_rng(2)
    calm = glm("y ~ x", {"y": rng.normal(size=200), "x": rng.normal(size=200)}).check()
    assert calm.doubtful == () and str(calm).count("nothing speaks against") == 3


def test_opposite_neighbours():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=200)
    found = glm("y ~ x", {"y": np.diff(noise), "x": rng.normal(size=199)}).check()
    assert found["statistic"][3] > 2.5 and "neighbouring residuals are opposite" in str(found)


def test_tables_of_the_result():
    found = fit_of("small").check()
    table = found.to_frame()
    assert list(table.columns) == ["statistic", "df", "p_value"] and table.index.name == "check"
    rows = found.to_dict()["rows"]
    assert rows[3]["df"] is None and rows[3]["statistic"] == found["statistic"][3]
    json.dumps(found.to_dict())


def test_a_fit_without_rows_asks_for_them(tmp_path):
    fit = fit_of("small")
    fit.save(tmp_path / "fit.safetensors")
    loaded = glmstat.load(tmp_path / "fit.safetensors")
    with pytest.raises(DataError, match="needs the rows"):
        loaded.check()
    assert loaded.check(D)["statistic"] == fit.check()["statistic"]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"family": "poisson"}, ArgumentError, "gaussian fits with identity link: this one is poisson"),
        ({"link": "log"}, ArgumentError, "this one is gaussian with log link"),
        ({"sampling_weights": "t"}, ComparisonError, "not defined with sampling weights"),
    ],
)
def test_other_fits_are_refused(words, error, message):
    with pytest.raises(error, match=message):
        glm("y ~ x", D.assign(y=D.y + 0.0), **words).check()


@pytest.mark.parametrize("scale", [0.01, 0.3, 1.0, 2.0, 50.0, 1e4])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 1), (3, 8), (40, 60), (400, 300)])
def test_two_scales_are_an_f_distribution(scale, m, n):
    low, high = sign_probabilities(np.concatenate([np.full(m, 1.0), np.full(n, -scale)]))
    ratio = scale * n / m
    if high < 0.5:
        assert high == pytest.approx(special.fdtrc(m, n, ratio), rel=1e-10, abs=1e-300)
    else:
        assert low == pytest.approx(special.fdtr(m, n, ratio), rel=1e-10, abs=1e-300)
    assert low + high == pytest.approx(1.0, abs=1e-15)


def test_pairs_of_equal_weights_are_exponentials():
    weights = np.array([3.0, 1.7, -0.4, -1.0, -2.5])
    others = [[a / (a - b) for b in weights if b != a] for a in weights]
    expected = sum(np.prod(terms) for a, terms in zip(weights, others, strict=True) if a > 0)
    assert all(a != b for a, b in pairwise(weights))
    assert sign_probabilities(np.repeat(weights, 2))[1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("weights", "expected"), [([1.0, 2.0], (0, 1)), ([-1.0, 0.0], (1, 0)), ([], (0, 0))])
def test_forms_of_one_sign(weights, expected):
    assert sign_probabilities(np.array(weights)) == expected
