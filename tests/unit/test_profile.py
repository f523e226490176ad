"""Profile and score intervals against roots found in R, closed forms, and what must be refused."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import brentq
from scipy.special import logit
from scipy.stats import norm, t

from glmstat import glm
from glmstat.control import Control
from glmstat.errors import (
    ArgumentError,
    BoundaryWarning,
    ComparisonError,
    ConvergenceWarning,
    PerfectFitWarning,
    SeparationWarning,
)
from glmstat.fit import Fit
from glmstat.inference.profile import curve as module

HERE = Path(__file__).parent
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
R = json.loads((HERE.parent / "reference" / "inference" / "profile.json").read_text("utf-8"))
Z = norm.ppf(0.975)
RATE = "y ~ x + f + offset(log(t))"
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "poisson": (RATE, "poisson", {}),
    "poisson_90": (RATE, "poisson", {}),
    "poisson_weighted": ("y ~ x + f", "poisson", {"weights": "w"}),
    "gamma": ("g ~ x", "gamma", {"link": "log"}),
    "logit": ("cbind(s, 10 - s) ~ x + f", "binomial", {}),
    "probit": ("cbind(s, 10 - s) ~ x + f", "binomial", {"link": "probit"}),
    "cloglog": ("cbind(s, 10 - s) ~ x", "binomial", {"link": "cloglog"}),
    "quasipoisson": ("y ~ x", "quasipoisson", {}),
    "gaussian_log": ("g ~ x", "gaussian", {"link": "log"}),
    "gaussian_log_weighted": ("g ~ x + f", "gaussian", {"link": "log", "weights": "w"}),
    "sqrt": ("y ~ t + f", "poisson", {"link": "sqrt"}),
    "cauchit": ("cbind(s, 10 - s) ~ x + f", "binomial", {"link": "cauchit"}),
}
SEPARATED = pd.DataFrame({"n": [12, 9, 7], "s": [5, 9, 3], "f": ["a", "b", "c"]})
EMPTY = pd.DataFrame(
    {
        "y": [3, 5, 4, 0, 0, 0, 2, 6],
        "f": list("aaabbbaa"),
        "x": [0.1, 0.4, -0.3, 0.2, 0.9, -0.5, 1.1, 0.6],
    }
)
COMPLETE = pd.DataFrame({"x": range(1, 9), "y": [0] * 4 + [1] * 4})


def quiet(*args: Any, **kwargs: Any) -> Fit:
    """A fit whose own warnings are not the subject."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return glm(*args, **kwargs)


def exact(value: Any, size: float = 0.0) -> Any:
    """Equal to ten digits, of a standard error where the value is near 0."""
    return pytest.approx(value, rel=1e-10, abs=1e-10 * size + 1e-13)


def ends(fit: Fit, of: Any = None, method: str = "profile", level: float = 0.95) -> list[float]:
    """Both ends of one combination."""
    return fit.confint(level, of=of, method=method).iloc[0].tolist()


# ---------------------------------------------------------------- R's numbers


@pytest.mark.parametrize("statistic", ["deviance", "score"])
@pytest.mark.parametrize("name", CASES)
def test_roots_are_those_of_refits_in_R(name, statistic):
    formula, family, words = CASES[name]
    expected = R[name]
    for cut, rows in expected[statistic].items():
        compat = "glmstat" if cut == "t" else "R"
        fit = glm(formula, D, family, compat=compat, **words)
        method = "profile" if statistic == "deviance" else "score"
        own = fit.confint(expected["level"], method=method)
        for place, (term, values) in enumerate(rows.items()):
            combined = place >= len(fit.columns)
            got = ends(fit, term, method, expected["level"]) if combined else own.iloc[place].tolist()
            assert got == exact(values, 0.1)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("mtcars", "am ~ wt"),
        ("birthwt", "low ~ age + lwt + C(race, contr.treatment('white')) + smoke + ht + ui"),
    ],
)
def test_logits_whose_refits_need_good_starts(name, formula):
    data = pd.read_csv(HERE.parent / "reference" / "data" / f"{name}.csv")
    got = glm(formula, data, "binomial").confint(method="profile").to_numpy()
    np.testing.assert_allclose(got, list(R[name]["deviance"]["normal"].values()), rtol=1e-10, atol=1e-11)


def test_printed_numbers_of_the_feature_map():
    fit = glm(RATE, D, "poisson")
    assert ends(fit, "Intercept") == pytest.approx([0.0548112, 0.7242557], abs=5e-8)
    gamma = glm("g ~ x", D, "gamma", link="log", compat="R")
    assert ends(gamma, "x") == pytest.approx([0.26145, 0.66592], abs=1e-5)
    assert gamma.confint().loc["x"].to_list() == pytest.approx([0.26107, 0.67409], abs=1e-5)
    student = ends(glm("g ~ x", D, "gamma", link="log"), "x")
    assert student[0] < 0.26145
    assert student[1] > 0.66593


def test_the_interpolated_profile_of_MASS_is_near():
    got = glm(RATE, D, "poisson").confint(method="profile").to_numpy()
    np.testing.assert_allclose(got, R["mass"]["poisson"], rtol=3e-3, atol=2e-5)


# ---------------------------------------------------------------- closed forms


@pytest.mark.parametrize(("s", "n"), [(3, 10), (1, 25), (9, 10)])
def test_score_interval_of_a_share_is_wilsons(s, n):
    fit = glm("y ~ 1", {"y": [1] * s + [0] * (n - s)}, "binomial")
    centre, half = (s + Z**2 / 2) / (n + Z**2), Z / (n + Z**2) * np.sqrt(s * (n - s) / n + Z**2 / 4)
    assert ends(fit, method="score") == exact(logit([centre - half, centre + half]).tolist())


def test_all_successes_have_one_finite_end():
    with pytest.warns(SeparationWarning):
        fit = glm("y ~ 1", {"y": [1] * 7}, "binomial")
    assert ends(fit, method="score") == [exact(logit(7 / (7 + Z**2))), np.inf]
    assert ends(fit) == [exact(logit(np.exp(-(Z**2) / 14))), np.inf]


def test_no_events_have_one_finite_end():
    with pytest.warns(SeparationWarning):
        fit = glm("y ~ 1", {"y": [0] * 5}, "poisson")
    assert ends(fit) == [-np.inf, exact(np.log(Z**2 / 10))]  # 2 n mu = z²
    assert ends(fit, method="score") == [-np.inf, exact(np.log(Z**2 / 5))]  # n mu = z²


def test_profile_and_score_of_a_poisson_mean():
    y = [3, 0, 4, 2, 6]
    fit = glm("y ~ 1", {"y": y}, "poisson")
    total, n = sum(y), len(y)

    def rise(mu):
        return 2 * (total * np.log(total / (n * mu)) - (total - n * mu)) - Z**2

    roots = [brentq(rise, low, high, xtol=1e-15) for low, high in ((0.1, 3.0), (3.0, 9.0))]
    assert ends(fit) == exact(np.log(roots).tolist())
    square = np.sqrt((total + Z**2 / 2) ** 2 - total**2)
    score = np.log([(total + Z**2 / 2 - square) / n, (total + Z**2 / 2 + square) / n])
    assert ends(fit, method="score") == exact(score.tolist())


def test_gaussian_profile_is_students_interval():
    fit = glm("g ~ x + f", D)
    np.testing.assert_allclose(
        fit.confint(method="profile").to_numpy(), fit.confint().to_numpy(), rtol=1e-9, atol=1e-10
    )
    np.testing.assert_allclose(
        fit.confint(of="x - f[T.b]", method="profile"), fit.confint(of="x - f[T.b]"), rtol=1e-9
    )


# ---------------------------------------------------------------- infinite ends


@pytest.mark.parametrize("of", ["f[T.b]", "f[T.b] - f[T.c]"])
def test_separated_coefficients_have_their_finite_end_in_binomial_fits(of):
    fit = quiet("cbind(s, n - s) ~ f", SEPARATED, "binomial")
    key = {"f[T.b]": "low_fb", "f[T.b] - f[T.c]": "low_fb_minus_fc"}[of]
    assert ends(fit, of) == [exact(R["separated_binomial"][key]), np.inf]
    turned = "-f[T.b]" if of == "f[T.b]" else "f[T.c] - f[T.b]"
    assert ends(fit, turned) == [-np.inf, exact(-R["separated_binomial"][key])]


def test_the_other_coefficients_of_a_separated_fit():
    fit = quiet("cbind(s, n - s) ~ f", SEPARATED, "binomial")
    assert ends(fit, "f[T.c]") == exact(R["separated_binomial"]["fc"])
    rest = glm("cbind(s, n - s) ~ f", SEPARATED.iloc[[0, 2]], "binomial")
    assert ends(fit, "f[T.c]", "score") == exact(ends(rest, "f[T.c]", "score"))


def test_an_empty_cell_in_a_poisson_fit():
    fit = quiet("y ~ f + x", EMPTY, "poisson")
    assert ends(fit, "f[T.b]") == [-np.inf, exact(R["separated_poisson"]["high_fb"])]
    assert ends(fit, "x") == exact(R["separated_poisson"]["x"])
    rest = glm("y ~ x", EMPTY[EMPTY.f == "a"], "poisson")
    assert ends(fit, "x", "score") == exact(ends(rest, "x", "score"))


def test_complete_separation():
    fit = quiet("y ~ x", COMPLETE, "binomial")
    assert ends(fit, "x") == [exact(R["complete"]["low_x"]), np.inf]
    assert ends(fit, "Intercept") == [-np.inf, exact(R["complete"]["high_intercept"])]
    assert ends(fit, "Intercept + 4.5*x") == [-np.inf, np.inf]  # any value is attained in the limit


def test_infinite_ends_are_explained():
    table = quiet("y ~ x", COMPLETE, "binomial").confint(of="x", method="profile")
    assert "x: upper end inf, where the likelihood has its maximum" in table.attrs["notes"]


def test_a_deviance_that_levels_off_below_the_cut_has_an_infinite_end():
    expected = R["inverse_gaussian"]
    fit = glm("y ~ 1", {"y": [0.8, 1.4, 3.1, 0.6, 2.2, 5.0]}, "inverse_gaussian", link="log")
    assert fit.dispersion == exact(expected["dispersion"])
    assert t.ppf(0.975, 5) ** 2 < expected["limit"] < t.ppf(0.995, 5) ** 2
    assert ends(fit)[0] == pytest.approx(expected["low"], rel=1e-9)
    assert np.isfinite(ends(fit)[1])
    assert ends(fit, level=0.6) == pytest.approx([expected["low_60"], expected["high_60"]], rel=1e-9)
    table = fit.confint(0.99, method="profile")
    assert table.iloc[0, 1] == np.inf
    assert "Intercept: upper end inf, where the deviance levels off below the cut" in table.attrs["notes"]


def test_score_that_levels_off():
    y = np.array([0.8, 1.4, 3.1, 0.6, 2.2, 5.0])
    fit = glm("y ~ 1", {"y": y}, "gamma", link="log")
    assert len(y) / fit.dispersion < t.ppf(0.9999, 5) ** 2  # the limit: ((y - mu) / mu)² → 1
    assert ends(fit, method="score", level=0.9998)[1] == np.inf


# ---------------------------------------------------------------- bounded links


def test_identity_poisson_with_a_mean_at_zero():
    data = pd.DataFrame({"x": range(6), "y": [0, 2, 1, 4, 6, 5]})
    with pytest.warns(BoundaryWarning):
        fit = glm("y ~ x", data, "poisson", link="identity")
    assert fit.deviance == exact(R["identity_poisson"]["deviance"])
    with pytest.warns(BoundaryWarning, match="Estimate on the boundary") as caught:
        assert ends(fit, "x") == exact(R["identity_poisson"]["x"])
    assert len(caught) == 1
    with pytest.warns(BoundaryWarning, match="Intercept: lower end .* edge of the domain"):
        low, high = ends(fit, "Intercept")
    assert low == pytest.approx(0.0, abs=1e-10)
    assert high > 1


def test_an_interval_that_meets_the_edge_of_the_domain():
    x, y = np.array([0.0, 1, 2, 3, 4]), np.array([0, 5, 3, 6, 4])
    fit = glm("y ~ x", {"x": x, "y": y}, "poisson", link="identity")
    assert fit.coef["Intercept"] > 0.1
    slope = y.sum() / x.sum()  # the best with the intercept at 0
    part = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / np.where(x > 0, slope * x, 1.0)), 0.0)
    assert 2 * (part - (y - slope * x)).sum() - fit.deviance < Z**2
    with pytest.warns(BoundaryWarning):
        assert ends(fit, "Intercept")[0] == pytest.approx(0.0, abs=1e-10)


def test_log_binomial_at_its_bound():
    data = pd.DataFrame({"x": range(4), "n": 10, "s": [2, 4, 7, 10]})
    with pytest.warns(BoundaryWarning):
        fit = glm("cbind(s, n - s) ~ x", data, "binomial", link="log")
    with pytest.warns(
        BoundaryWarning, match="mean at its bound in row 3 .1 row.: an interval holds"
    ) as caught:
        profile = fit.profile("x")
    assert len(caught) == 1 and profile.confint().iloc[0].tolist() == exact(R["log_binomial"]["x"])
    assert "Estimate on the boundary" in " ".join(profile.confint().attrs["notes"])
    with pytest.warns(BoundaryWarning):
        assert ends(fit, "Intercept + 3*x")[1] == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ArgumentError, match="inside the domain"):
        fit.confint(method="score")


@pytest.mark.parametrize("cut", ["normal", "t"])
def test_gamma_inverse_stays_inside_its_domain(cut):
    fit = glm("g ~ x", D, "gamma", compat="R" if cut == "normal" else "glmstat")
    assert ends(fit, "x") == pytest.approx(R["gamma_inverse"]["x"][cut], rel=1e-9)


# ---------------------------------------------------------------- what it is of


def test_aliased_coefficients_are_nan_and_the_others_as_without():
    data = D.assign(x2=2 * D.x)
    fit, without = (glm(formula, data, "poisson") for formula in ("y ~ x + x2 + f", "y ~ x + f"))
    table = fit.confint(method="profile")
    assert table.loc["x2"].isna().all()
    np.testing.assert_allclose(table.drop(index="x2"), without.confint(method="profile"), rtol=1e-9)
    assert ends(fit, "x + 2*x2") == exact(ends(without, "x"))
    with pytest.raises(ArgumentError, match="cannot be estimated: x2 is aliased"):
        fit.confint(of="x + x2", method="profile")
    assert fit.profile(["x2", "x"]).ends.low[0] != fit.profile("x").ends.low[0]


@pytest.mark.parametrize("method", ["profile", "score"])
@pytest.mark.parametrize("family", ["poisson", "quasipoisson"])
def test_frequencies_are_repeated_rows(family, method):
    data = D.assign(k=np.arange(40) % 3)
    counted = glm("y ~ x + f", data, family, freq_weights="k")
    repeated = glm("y ~ x + f", data.loc[data.index.repeat(data.k)], family)
    np.testing.assert_allclose(counted.confint(method=method), repeated.confint(method=method), rtol=1e-10)


@pytest.mark.parametrize("method", ["profile", "score"])
def test_reparametrisation_changes_nothing(method):
    fit = glm("y ~ x + f", D, "poisson")
    moved = glm("y ~ I(100 * x + 3) + relevel(f, 'b')", D, "poisson")
    assert ends(fit, "x", method) == exact([100 * v for v in ends(moved, moved.columns[1], method)])
    assert ends(fit, "f[T.b]", method) == exact([-v for v in ends(moved, moved.columns[2], method)][::-1])
    assert ends(fit, "Intercept + f[T.b]", method) == exact(
        ends(glm("y ~ x + relevel(f, 'b')", D, "poisson"), "Intercept", method)
    )


def test_given_dispersion_scales_and_cuts_at_the_normal():
    fit = glm("y ~ x", D, "poisson", dispersion=2.0)
    double = glm("y ~ x", D, "poisson", weights=np.full(40, 0.5))
    assert ends(fit, "x") == exact(ends(double, "x"))


def test_data_of_a_fit_without_rows(tmp_path):
    import glmstat

    fit = glm("y ~ x", D, "poisson")
    fit.save(tmp_path / "fit.safetensors")
    bare = glmstat.load(tmp_path / "fit.safetensors")
    assert bare.confint(of="x", method="profile", data=D).iloc[0].tolist() == ends(fit, "x")
    assert len(bare.profile("x", data=D)) == 1


def test_large_data_are_read_in_passes(monkeypatch):
    fit = glm("y ~ x + f", D, "poisson")
    lazy = replace(fit, frame=replace(fit.frame, kept=None))
    assert lazy.frame.large
    np.testing.assert_allclose(lazy.confint(method="profile"), fit.confint(method="profile"), rtol=1e-10)


# ---------------------------------------------------------------- the profile itself


def test_profile_holds_statistic_deviance_and_coefficients():
    fit = glm(RATE, D, "poisson")
    profile = fit.profile(["x", "x + f[T.b]"], points=6)
    table = profile.to_frame()
    assert list(table.columns[:4]) == ["term", "value", "statistic", "deviance"]
    assert list(table.columns[4:]) == [f"coef[{name}]" for name in fit.columns]
    np.testing.assert_allclose(table.statistic**2, table.deviance - fit.deviance, atol=1e-9)
    for term, group in table.groupby("term"):
        assert group.value.is_monotonic_increasing
        assert group.statistic.is_monotonic_increasing
        held = group["coef[x]"] + (group["coef[f[T.b]]"] if term != "x" else 0.0)
        np.testing.assert_allclose(held, group.value, rtol=1e-9, atol=1e-12)
        row = group[group.statistic == 0.0].iloc[0]
        np.testing.assert_allclose(row.iloc[4:].astype(float), fit.coef, rtol=1e-12)
        assert np.sum(np.isclose(np.abs(group.statistic), Z, rtol=1e-9)) == 2
        assert len(group) >= 13


def test_profile_gives_other_levels_exactly():
    fit = glm(RATE, D, "poisson")
    profile = fit.profile()
    assert profile.confint().equals(fit.confint(method="profile"))
    np.testing.assert_allclose(
        profile.confint(0.9), list(R["poisson_90"]["deviance"]["normal"].values()), rtol=1e-9
    )
    assert profile.confint(0.9).index.tolist() == list(fit.columns)


def test_profile_prints_what_was_used():
    text = str(glm("g ~ x", D, "gamma", link="log").profile("x"))
    assert "Profile of the deviance, 95 % intervals" in text
    assert "deviance / dispersion 0.3404 (Pearson) · cut: t(38) 2.024" in text
    assert "0.2545" in text
    robust = glm("y ~ x", D, "poisson", vcov="HC0").profile("x")
    assert any("assumes the family's variance: vcov HC0" in note for note in robust.notes)
    assert "quasi-likelihood" in str(glm("y ~ x", D, "quasipoisson").profile("x"))
    assert repr(robust) == str(robust)
    assert robust.ascii().isascii() and robust.to_dict()["rows"][0]["term"] == "x"
    assert "<table" in robust._repr_html_()


def test_profile_takes_no_sandwich():
    fit = glm("y ~ x", D, "poisson", vcov="HC0")
    with pytest.raises(ArgumentError, match="A profile assumes the variance of the family"):
        fit.profile("x", vcov="HC3")
    plain = fit.profile("x", vcov="classical")
    assert not any("HC0" in note for note in plain.notes)


def test_levels_near_one_are_told_from_one():
    profile = glm("y ~ x", D, "poisson").profile("x", level=0.999999999999)
    assert "99.9999999999 % intervals" in str(profile)


def test_intervals_after_selection_say_so():
    fit = glm("y ~ x + f", D, "poisson").step().fit
    note = "terms were selected"
    assert note in str(fit.profile("x")) and note in str(fit.test("x"))
    for method in ("wald", "profile"):
        assert note in " ".join(fit.confint(method=method).attrs["notes"])


def test_profile_in_polars():
    fit = glm("y ~ x", pl.from_pandas(D), "poisson")
    table = fit.profile("x").to_frame()
    assert isinstance(table, pl.DataFrame)
    ends = fit.confint(of="x", method="profile")
    assert ends.columns == ["term", "conf_low", "conf_high"]


def test_profile_of_a_separated_coefficient_reaches_along_its_tail():
    profile = quiet("cbind(s, n - s) ~ f", SEPARATED, "binomial").profile("f[T.b]")
    table = profile.to_frame()
    assert (table.statistic < 0).all()
    assert table.statistic.is_monotonic_increasing
    assert table.statistic.iloc[-1] > -1.0


def test_points_are_few_refits(monkeypatch):
    fit = glm(RATE, D, "poisson")
    calls = []
    original = module.Curve.at
    monkeypatch.setattr(module.Curve, "at", lambda self, v: (calls.append(v), original(self, v))[1])
    fit.confint(method="profile")
    assert len(calls) == 0 or len(set(calls)) <= 6 * 2 * 3


# ---------------------------------------------------------------- refusals and warnings


def test_sampling_weights_are_refused():
    fit = glm("y ~ x", D, "poisson", sampling_weights="w")
    for method in ("profile", "score"):
        with pytest.raises(ComparisonError, match="sampling weights"):
            fit.confint(method=method)


def test_perfect_fits_are_refused():
    with pytest.warns(PerfectFitWarning):
        fit = glm("y ~ x", {"y": [1.0, 2, 3, 4], "x": [0.0, 1, 2, 3]})
    with pytest.raises(ArgumentError, match="the fit is perfect"):
        fit.confint(method="profile")
    with pytest.raises(ArgumentError, match="the fit is perfect"):
        quiet("g ~ x", D.iloc[[0, 1]], "gamma", link="log").profile()


def test_a_fit_that_has_not_converged_has_no_profile():
    fit = quiet(RATE, D, "poisson", control=Control(max_iterations=1))
    assert fit.status == "not converged"
    with pytest.warns(ConvergenceWarning, match="Intercept: the fit has not converged"):
        assert fit.confint(method="profile").isna().all(axis=None)


def test_a_better_maximum_is_reported():
    fit = glm("y ~ x", D, "poisson")
    off = fit.estimate.theta + np.array([0.3, 0.0])
    worse = replace(fit, estimate=replace(fit.estimate, theta=off, deviance=fit.deviance + 5.0))
    with pytest.warns(ConvergenceWarning, match="deviance lower by 5 than the fit"):
        assert worse.confint(of="x", method="profile").isna().all(axis=None)


def test_interruption_keeps_what_is_done(monkeypatch):
    fit = glm(RATE, D, "poisson")
    done = fit.confint(method="profile")
    original = module.Curve.end

    def end(self, side, cut):
        if self.combination[2] == 1.0:
            raise KeyboardInterrupt
        return original(self, side, cut)

    monkeypatch.setattr(module.Curve, "end", end)
    with pytest.warns(ConvergenceWarning, match="interrupted: 1 not profiled, the last was x"):
        table = fit.confint(method="profile")
    assert table.iloc[:2].equals(done.iloc[:2])
    assert table.iloc[2].isna().all()
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        assert fit.profile(points=2).terms == ("Intercept", "x")
    with pytest.raises(KeyboardInterrupt):
        fit.profile("f[T.b]")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"statistic": "wald"}, "Unknown statistic: 'wald'"),
        ({"points": 0}, "points must be a whole number"),
        ({"level": 1.0}, "level must lie strictly between"),
        ({"of": "zz"}, "No coefficient 'zz'"),
    ],
)
def test_wrong_words(words, message):
    with pytest.raises(ArgumentError, match=message):
        glm("y ~ x", D, "poisson").profile(**words)


def risk_difference() -> Fit:
    """A straight line of probabilities, whose restricted maxima soon lie at a bound."""
    x, draw = np.linspace(0, 1, 40), np.random.default_rng(3)
    y = (draw.random(40) < 0.02 + 0.9 * x).astype(float)
    y[0] = 0.0
    return glm("y ~ x", pd.DataFrame({"x": x, "y": y}), "binomial", link="identity")


def test_score_intervals_stop_at_the_edge_of_the_domain():
    fit = risk_difference()
    assert fit.status == "converged"
    with pytest.warns(BoundaryWarning, match="Intercept: lower end 0 .*; x: upper end 1.00 ") as caught:
        table = fit.confint(method="score")
    assert len(caught) == 1
    assert table.loc["Intercept", "conf_low"] == pytest.approx(
        0.0, abs=1e-9
    )  # means at x = 0 and x = 1: a, a + b
    assert table.loc["x", "conf_high"] == pytest.approx(1.0, abs=1e-9)
    assert "no score from 0.033" in " ".join(table.attrs["notes"])


def test_a_score_interval_that_crosses_the_cut_before_the_edge():
    fit = risk_difference()
    with pytest.warns(BoundaryWarning):
        high = fit.profile("Intercept", statistic="score").ends.high[0]
    assert fit.test(f"Intercept = {float(high)!r}", method="score")["p_value"][0] == pytest.approx(
        0.05, rel=1e-8
    )
