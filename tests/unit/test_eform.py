"""Exponentiated coefficients: their names by family and link, and their numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import ArgumentError
from glmstat.inference.eform import baseline_name, exponentiated, ratio_column, ratio_name, ratio_notes
from glmstat.inference.interval import wald

HERE = Path(__file__).parent
D = pd.read_csv(HERE / "data" / "features_check_data.csv").assign(b=lambda d: (d.g > 1.2).astype(float))
R = json.loads((HERE.parent / "reference" / "inference" / "profile.json").read_text("utf-8"))
FIT = glm("y ~ x + f + offset(log(t))", D, "poisson")


@pytest.mark.parametrize(
    ("response", "family", "link", "name", "baseline"),
    [
        ("cbind(s, 10 - s)", "binomial", "logit", "odds ratio", "baseline odds"),
        ("b", "quasibinomial", "logit", "odds ratio", "baseline odds"),
        ("cbind(s, 10 - s)", "binomial", "log", "risk ratio", "baseline risk"),
        ("cbind(s, 10 - s)", "binomial", "cloglog", "hazard ratio", "baseline cumulative hazard"),
        ("y", "poisson", "log", "rate ratio", "baseline rate"),
        ("y", "quasipoisson", "log", "rate ratio", "baseline rate"),
        ("y", "negative_binomial(2)", "log", "rate ratio", "baseline rate"),
        ("g", "gamma", "log", "mean ratio", "baseline mean"),
        ("g", "inverse_gaussian", "log", "mean ratio", "baseline mean"),
        ("g", "tweedie(1.5)", "log", "mean ratio", "baseline mean"),
        ("g", "gaussian", "log", "mean ratio", "baseline mean"),
        ("g", "quasi(mu^2)", "log", "mean ratio", "baseline mean"),
    ],
)
def test_names_by_family_and_link(response, family, link, name, baseline):
    fit = glm(f"{response} ~ x", D, family, link=link)
    assert (ratio_name(fit), baseline_name(fit)) == (name, baseline)
    table = fit.confint(eform=True)
    assert list(table.columns) == [name.replace(" ", "_"), "conf_low", "conf_high"]
    np.testing.assert_allclose(np.log(table[ratio_column(fit)]), fit.coef, rtol=1e-12)
    np.testing.assert_allclose(np.log(table.iloc[:, 1:]), fit.confint(), rtol=1e-12)
    assert table.attrs["notes"][:2] == [f"{name}: exp(coefficient)", f"Intercept: {baseline}"]


@pytest.mark.parametrize(
    ("response", "family", "link", "reason"),
    [
        ("g", "gaussian", "identity", "differences of means"),
        ("g", "gamma", "inverse", "1 / mean"),
        ("g", "inverse_gaussian", "inverse_squared", "1 / mean squared"),
        ("y", "poisson", "sqrt", "square root of the mean"),
        ("cbind(s, 10 - s)", "binomial", "probit", "normal quantiles"),
        ("cbind(s, 10 - s)", "binomial", "cauchit", "Cauchy quantiles"),
        ("cbind(s, 10 - s)", "binomial", "atanh", "half the log odds ratios"),
        ("g", "gamma", "softplus", "add to a mean that is large"),
        ("cbind(s, 10 - s)", "binomial", "loglog", "other outcome"),
        ("g", "gamma", "power(1/3)", "power of the mean"),
    ],
)
def test_links_without_a_ratio_say_why(response, family, link, reason):
    fit = glm(f"{response} ~ x", D, family, link=link)
    with pytest.raises(ArgumentError, match=rf"exp\(coefficient\) is not a ratio .* link: .*{reason}"):
        fit.confint(eform=True)
    with pytest.raises(ArgumentError):
        exponentiated(fit, wald(fit))


def test_standard_errors_are_those_of_the_delta_method_and_tests_stay():
    table, ratios = wald(FIT), exponentiated(FIT, wald(FIT))
    expected = np.array([R["poisson"]["ratio"][term] for term in ("(Intercept)", "x", "fb")])
    np.testing.assert_allclose(ratios.estimate, expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(ratios.std_error, expected[:, 1], rtol=1e-8)
    np.testing.assert_array_equal(ratios.statistic, table.statistic)
    np.testing.assert_array_equal(ratios.p_value, table.p_value)
    np.testing.assert_array_equal(ratios.conf_low, np.exp(table.conf_low))


@pytest.mark.parametrize("method", ["profile", "score"])
def test_ratios_of_profile_intervals_and_of_combinations(method):
    plain, ratios = (FIT.confint(of="x + f[T.b]", method=method, eform=eform) for eform in (False, True))
    np.testing.assert_allclose(ratios[["conf_low", "conf_high"]], np.exp(plain), rtol=1e-12)
    assert not any("baseline" in note for note in ratios.attrs["notes"])


def test_infinite_and_aliased_coefficients():
    cells = pd.DataFrame({"n": [12, 9, 7], "s": [5, 9, 3], "f": ["a", "b", "c"]})
    with pytest.warns(UserWarning, match="Separation"):
        fit = glm("cbind(s, n - s) ~ f", cells, "binomial")
    table = fit.confint(method="profile", eform=True)
    assert table.loc["f[T.b]", "odds_ratio"] == np.inf
    assert table.loc["f[T.b]", "conf_low"] == pytest.approx(np.exp(R["separated_binomial"]["low_fb"]))
    assert table.loc["f[T.b]", "conf_high"] == np.inf
    aliased = glm("y ~ x + I(2 * x)", D, "poisson").confint(eform=True)
    assert aliased.iloc[2].isna().all()


def test_notes_name_what_is_shown():
    assert ratio_notes(FIT) == (
        "estimate: rate ratio, exp(coefficient) · std_error: delta method · "
        "statistic, p_value: of the coefficient (ratio = 1)",
        "Intercept: baseline rate",
    )
    assert len(ratio_notes(glm("y ~ x - 1", D, "poisson"))) == 1


def test_columns_of_factors_coded_in_full_are_baselines():
    def line(formula):
        return ratio_notes(glm(formula, D.assign(h=np.tile(["u", "v"], 20)), "poisson"))[1:]

    assert line("y ~ 0 + f") == ("f[a], f[b]: baseline rate",)
    assert line("y ~ 0 + x + f + h") == ("f[a], f[b]: baseline rate",)
    assert line("y ~ 0 + f:h") == ("f[a]:h[u], f[b]:h[u], f[a]:h[v], f[b]:h[v]: baseline rate",)
    assert line("y ~ 0 + f:x") == ()
    assert line("y ~ f") == ("Intercept: baseline rate",)
    notes = glm("y ~ 0 + f", D, "poisson").confint(of="f[b]", eform=True).attrs["notes"]
    assert notes[1] == "f[b]: baseline rate"


@pytest.mark.parametrize("eform", ["x", 1, None])
def test_eform_is_true_or_false(eform):
    with pytest.raises(ArgumentError, match="eform must be True or False"):
        FIT.confint(eform=eform)
