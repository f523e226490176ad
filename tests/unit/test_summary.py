from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import glm
from glmstat.text.number import coefficient_texts, figure, p_text, statistic_text
from tests.unit.sample import frame

FORMULA = "y ~ x + f + offset(log(t))"


@pytest.fixture(scope="module")
def data():
    return frame()


@pytest.fixture(scope="module")
def fit(data):
    return glm(FORMULA, data, "poisson")


def lines(fit, **words):
    return str(fit.summary(**words)).splitlines()


def test_the_table_is_that_of_the_house(fit):
    shown = lines(fit)
    assert shown[0] == "Poisson regression, log link                     40 rows · 4 coefficients"
    assert shown[1:3] == [FORMULA, ""]
    assert shown[3].split() == ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    assert [line.split()[0] for line in shown[4:8]] == ["Intercept", "x", "f[T.b]", "f[T.c]"]
    assert shown[9] == "vcov: classical (expected information) · intervals: 95 % Wald, z"
    assert shown[10].startswith("deviance ")
    assert shown[10].endswith("dispersion 1 (fixed)")
    assert "(4 parameters)" in shown[11]
    assert shown[12] == "f: reference level a"
    assert len(shown) == 13


def test_numbers_are_those_of_the_fit(fit):
    row = lines(fit)[5].split()
    table = fit.summary().to_frame().loc["x"]
    np.testing.assert_allclose([float(text) for text in row[1:]], table, rtol=0.01, atol=1e-3)


def test_only_two_lines_change_with_the_covariance(fit):
    plain, robust = lines(fit), lines(fit, vcov="HC0")
    different = [k for k, (a, b) in enumerate(zip(plain, robust, strict=True)) if a != b]
    assert set(different) <= {4, 5, 6, 7, 9}
    assert robust[9] == "vcov: HC0 (scores, no small-sample factor) · intervals: 95 % Wald, z"


def test_t_is_named_where_the_dispersion_is_estimated(data):
    shown = str(glm("g ~ x", data, "gamma", link="log").summary(level=0.9))
    assert "intervals: 90 % Wald, t(38)" in shown
    assert "(Pearson)" in shown
    assert "(3 parameters, dispersion counted)" in shown
    as_r = str(glm("g ~ x", data, "gamma", link="log", compat="R").summary())
    assert "95 % Wald, z; tests: t(38)" in as_r


def test_a_given_dispersion_is_not_claimed_in_the_likelihood(data):
    plain = glm("g ~ x", data, "gamma", link="log")
    given = glm("g ~ x", data, "gamma", link="log", dispersion=0.3)
    shown = str(given)
    assert "dispersion 0.3 (given)" in shown
    assert "dispersion counted" not in shown
    assert "(3 parameters; at R's own dispersion, not the given)" in shown
    assert (given.loglik, given.aic, given.bic) == (plain.loglik, plain.aic, plain.bic)


def test_lines_in_ascii_keep_to_the_width(data):
    named = data.rename(columns={"x": "größe_größe_größe_größe"})
    shown = glm("g ~ größe_größe_größe_größe", named, "gamma", link="log", subset="t > 0.6").summary()
    assert shown.ascii().isascii()
    assert max(map(len, shown.ascii().splitlines())) <= 80
    assert shown.ascii().splitlines()[0] == str(shown).splitlines()[0].replace("·", "-")


def test_event_weights_and_dropped_rows_are_named(data):
    holes = data.copy()
    holes.loc[holes.index[:3], "x"] = np.nan
    shown = lines(glm("won ~ x", holes, "binomial", weights="w", subset="t > 0.6"))
    assert "modelled: P(won == 'yes')" in shown
    assert any("dropped" in line and "x" in line for line in shown[:6])
    assert "weights: w · subset: t > 0.6" in shown


def test_likelihood_is_explained_where_there_is_none(data):
    assert "no likelihood" in str(glm("y ~ x", data, "quasipoisson"))
    assert "sampling weights" in str(glm("y ~ x", data, "poisson", sampling_weights="w"))


def test_aliased_infinite_and_unfinished_fits_say_so(data):
    aliased = lines(glm("y ~ x + double", data.assign(double=2 * data.x), "poisson"))
    assert any(line.split() == ["double", "aliased", "=", "2*x"] for line in aliased)
    with pytest.warns(glmstat.SeparationWarning):
        separated = glm("y ~ f", data.assign(y=np.where(data.f == "c", 0, data.y)), "poisson")
    shown = lines(separated)
    assert shown[0].startswith("Separation")
    assert any(line.split() == ["f[T.c]", "-inf", "NaN"] for line in shown)
    with pytest.warns(glmstat.ConvergenceWarning):
        short = glm("y ~ x", data, "poisson", control=glmstat.Control(max_iterations=1))
    assert lines(short)[0].startswith("Not converged")


def test_no_line_is_wider_than_eighty_columns(data):
    wide = data.rename(columns={"x": "a_name_that_goes_on_and_on_for_more_than_forty_letters"})
    wide["b"] = 1e7 * wide.t
    fit = glm(
        "y ~ `a_name_that_goes_on_and_on_for_more_than_forty_letters` * C(f) + I(b ** 2) + b", wide, "poisson"
    )
    assert max(map(len, lines(fit))) <= 80


def test_control_characters_are_not_printed(data):
    fit = glm("y ~ f", data.assign(f=np.where(data.f == "b", "b\x1b[31m", data.f)), "poisson")
    assert "\x1b" not in str(fit)


def test_html_is_the_same_content_escaped(data):
    fit = glm("y ~ f", data.assign(f=np.where(data.f == "b", "<script>", data.f)), "poisson")
    html = fit._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "Poisson regression" in html


def test_the_same_fit_prints_the_same_bytes(fit, data):
    assert str(glm(FORMULA, data, "poisson")) == str(fit)


def test_to_frame_has_brooms_names(fit):
    table = fit.summary().to_frame()
    assert list(table.columns) == ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    assert isinstance(table, pd.DataFrame)


def test_to_dict_is_json(fit, data):
    read = json.loads(json.dumps(fit.summary().to_dict(), allow_nan=False))
    assert read["coefficients"][1]["term"] == "x"
    assert read["coefficients"][1]["estimate"] == fit.coef["x"]
    assert read["aic"] == fit.aic
    weighted = glm("y ~ x", data, "poisson", sampling_weights="w").summary().to_dict()
    assert weighted["aic"] is None


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "1.000"),
        (0.0996, "0.100"),
        (0.00996, "0.0100"),
        (1.63e-4, "0.00016"),
        (9e-5, "9.0e-05"),
        (0.0, "<1e-300"),
    ],
)
def test_p_values_keep_significant_digits(p, text):
    assert p_text(p) == text


def test_no_value_prints_as_zero_unless_it_is():
    assert coefficient_texts((1e-9, 0.0), 0.17) == ["1.0e-09", "0.0000"]
    assert coefficient_texts((12345.678, 0.2), 123.4) == ["12345.7", "0.2"]
    assert coefficient_texts((1.5e-12,), 1e-13) == ["1.5000e-12"]
    assert statistic_text(1e-5) == "1e-05"
    assert figure(0.0) == "0"


def test_a_perfect_fit_has_no_standard_errors(data):
    with pytest.warns(glmstat.PerfectFitWarning):
        fit = glm("z ~ x", data.assign(z=3 + 2 * data.x))
    shown = lines(fit)
    assert shown[0].startswith("Perfect fit")
    assert [line.split() for line in shown if line.startswith("x ")] == [["x", "2", "NaN"]]


def test_numbers_far_apart_fit_into_the_width():
    data = {"y": [0.5, 1.5, 0.7, 1.1, 2.2, 0.9], "f": list("abcabb"), "h": list("uuvvvv")}
    fit = glm("y ~ f:h", data, "gamma", link="log")
    assert max(map(len, str(fit.summary("HC0")).splitlines())) <= 80
