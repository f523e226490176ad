"""Tests of overdispersion: R's numbers, weights as exposures and repetition, blocks, what is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import glmstat
from glmstat import Control, families, glm
from glmstat.errors import ArgumentError, ComparisonError, DataError, ResponseWarning, SeparationWarning
from glmstat.inference.overdispersion.finding import Finding

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "overdispersion.json").read_text("utf-8"))
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
S = pd.DataFrame(R["rows"]).assign(r=lambda rows: rows.n - rows.s)
PEARSON, DEVIANCE, PB, PC, NB1, NB2 = range(6)
CASES = {"small": ("y ~ x + f", D), "offset": ("y ~ x + offset(log(t))", S)}


@pytest.mark.parametrize("name", CASES)
def test_counts_are_those_of_r(name):
    formula, data = CASES[name]
    expected, fit = R[name], glm(formula, data, "poisson")
    found = fit.overdispersion()
    statistic, p_value, estimate = (found[word] for word in ("statistic", "p_value", "estimate"))
    for place, test in ((NB1, "nb1"), (NB2, "nb2")):
        np.testing.assert_allclose(
            [statistic[place], p_value[place], estimate[place]], expected[test], rtol=1e-9
        )
    np.testing.assert_allclose(statistic[PB : PC + 1], [expected["pb"], expected["pc"]], rtol=1e-9)
    np.testing.assert_allclose(estimate[PB : PC + 1], [expected["alpha"], expected["phi"]], rtol=1e-9)
    np.testing.assert_allclose(statistic[:2], [expected["pearson"], expected["deviance"]], rtol=1e-9)
    df = fit.df_residual
    np.testing.assert_allclose(p_value[:2], stats.chi2.sf(statistic[:2], df), rtol=1e-12)
    np.testing.assert_allclose(p_value[PB : PC + 1], stats.norm.sf(statistic[PB : PC + 1]), rtol=1e-12)
    assert found["df"][:2] == [df, df] and np.isnan(found["df"][2:]).all()
    assert found.ratio == estimate[0] == fit.pearson / df


@pytest.mark.parametrize("name", CASES)
def test_alternatives(name):
    formula, data = CASES[name]
    fit = glm(formula, data, "poisson")
    less, two = (fit.overdispersion(alternative=word)["p_value"] for word in ("less", "two-sided"))
    assert less[NB1] == pytest.approx(R[name]["less"], rel=1e-9)
    assert two[NB1] == pytest.approx(R[name]["two"], rel=1e-9)
    greater = fit.overdispersion()["p_value"]
    np.testing.assert_allclose(np.add(greater, less), 1.0, rtol=1e-12)


def test_shares_are_those_of_the_formulas():
    found = glm("cbind(s, r) ~ x", S, "binomial").overdispersion()
    expected = R["binomial"]
    np.testing.assert_allclose(found["statistic"][2:], [expected["beta"], expected["factor"]], rtol=1e-9)
    assert found["estimate"][2] == pytest.approx(expected["rho"], rel=1e-9)
    alone = glm("cbind(s, r) ~ 1", S, "binomial").overdispersion()
    trials, hat = S.n, S.n / S.n.sum()
    shift = float(np.sum(hat * (trials - 1)) / np.sqrt(2 * np.sum(trials * (trials - 1))))
    assert alone["statistic"][2] - shift == pytest.approx(R["tarone"], rel=1e-9)


def test_shares_with_weights_are_trials():
    grouped = glm("cbind(s, r) ~ x", S, "binomial").overdispersion()
    weighted = glm("share ~ x", S.assign(share=S.s / S.n), "binomial", weights="n").overdispersion()
    np.testing.assert_allclose(weighted["statistic"], grouped["statistic"], rtol=1e-9)


def test_exposures_as_offset_and_as_weights_are_the_same():
    counts = glm("y ~ x + offset(log(t))", S, "poisson").overdispersion()
    with pytest.warns(ResponseWarning):
        rates = glm("rate ~ x", S.assign(rate=S.y / S.t), "poisson", weights="t")
    found = rates.overdispersion()
    np.testing.assert_allclose(found["statistic"], counts["statistic"], rtol=1e-8)
    np.testing.assert_allclose(found["estimate"], counts["estimate"], rtol=1e-8)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial(2)"])
def test_frequencies_are_repetition(family):
    S["k"] = np.arange(len(S)) % 3
    whole = S.loc[np.repeat(S.index, S.k)]
    one = glm("y ~ x", S, family, freq_weights="k").overdispersion()
    two = glm("y ~ x", whole, family).overdispersion()
    np.testing.assert_allclose(one["statistic"], two["statistic"], rtol=1e-9)
    np.testing.assert_allclose(one["p_value"], two["p_value"], rtol=1e-8)


def test_negative_binomial_by_hand():
    theta = 2.0
    fit = glm("y ~ x", S, families.NegativeBinomial(theta))
    X = np.column_stack([np.ones(len(S)), S.x])
    mu = np.exp(X @ fit.coef)
    V, slope, bend = mu + mu**2 / theta, 1 + 2 * mu / theta, 2 / theta
    W = mu**2 / V
    hat = W * np.einsum("ij,jk,ik->i", X, np.linalg.inv((X.T * W) @ X), X)
    t = (S.y - mu) ** 2 - V - slope * (S.y - mu) + hat * V * (1 + bend / 2)
    found = fit.overdispersion()
    factor = np.sum(t / V) / np.sqrt(len(S) * (2 + bend))
    quadratic = np.sum(t * mu**2 / V**2) / np.sqrt(np.sum(mu**4 / V**2) * (2 + bend))
    np.testing.assert_allclose(found["statistic"][2:], [quadratic, factor], rtol=1e-9)
    np.testing.assert_allclose(found["estimate"][3], 1 + np.mean(t / V), rtol=1e-9)


def test_moments_of_the_surplus():
    """Variance (V / w)² (2 + V'' / w), and no correlation with the residual, by summing probabilities."""
    k = np.arange(400)
    for density, mu, V, slope, bend in (
        (stats.poisson.pmf(k, 3.0), 3.0, 3.0, 1.0, 0.0),
        (stats.nbinom.pmf(k, 2.0, 2 / 5), 3.0, 3 + 9 / 2, 1 + 3.0, 1.0),
        (stats.binom.pmf(k, 7, 0.3), 2.1, 7 * 0.21, 0.4, -2 / 7),
    ):
        e = k - mu
        t = e**2 - V - slope * e
        assert density @ t == pytest.approx(0, abs=1e-10)
        assert density @ (t * e) == pytest.approx(0, abs=1e-9)
        assert density @ t**2 == pytest.approx(V**2 * (2 + bend), rel=1e-10)


def test_large_theta_is_poisson():
    one = glm("y ~ x", S, "poisson").overdispersion()["statistic"]
    two = glm("y ~ x", S, "negative_binomial(1e9)").overdispersion()["statistic"]
    np.testing.assert_allclose(two[2:4], one[2:4], rtol=1e-6)


def test_quasi_families_have_pearson_alone():
    fit = glm("y ~ x", S, "quasipoisson")
    found = fit.overdispersion()
    assert len(found) == 1 and found["estimate"][0] == pytest.approx(fit.dispersion, rel=1e-12)
    assert found.verdict == "overdispersed" and "the errors of the fit allow for it" in str(found)
    shares = glm("cbind(s, r) ~ x", S, "quasibinomial").overdispersion()
    assert shares["statistic"][0] == pytest.approx(
        glm("cbind(s, r) ~ x", S, "binomial").overdispersion()["statistic"][0], rel=1e-10
    )


ESTIMATED = {
    "by maximum likelihood": lambda: glmstat.negbin("y ~ x", S),
    "of a class": lambda: glm("y ~ x", S, families.NegativeBinomial),
    "held afterwards": lambda: glmstat.negbin("y ~ x", S).given("theta"),
    "by moments": lambda: glmstat.negbin("y ~ x", S, method="moments"),
    "by a formula": lambda: glm("y ~ x", S, "negative_binomial", predictors={"theta": "~ x"}),
}


@pytest.mark.parametrize("how", ESTIMATED)
def test_an_estimated_theta_leaves_nothing_to_test(how):
    fit = ESTIMATED[how]()
    found = fit.overdispersion()
    assert list(found.index) == ["Pearson / df", "deviance / df"] and found.verdict == "not tested"
    assert (
        np.isnan(found["p_value"]).all() and np.isnan(fit.overdispersion(alternative="less")["p_value"]).all()
    )
    assert found["statistic"] == [fit.pearson, fit.deviance] and found.ratio == fit.pearson / fit.df_residual
    assert "no p-values: theta is estimated from the same counts" in str(found)
    if how == "by moments":
        assert found.ratio == pytest.approx(1.0, rel=1e-6)
    else:
        gone = fit.goodness_of_fit()
        assert np.isnan(gone["p_value"]).all() and "theta is estimated" in str(gone)


def test_a_saved_fit_knows_that_theta_was_estimated(tmp_path):
    glmstat.negbin("y ~ x", S).given("theta").save(tmp_path / "fit")
    assert glmstat.load(tmp_path / "fit").overdispersion(data=S).verdict == "not tested"


def test_no_negative_binomial_for_counts_that_vary_less():
    even = glm("y ~ x", {"y": [4, 5, 6] * 20, "x": list(range(60))}, "poisson").overdispersion()
    said = " ".join(str(even).split())
    assert "negative binomial varies more than a Poisson, and cannot fit" in said
    assert 'family="negative_binomial"' not in said and "quasipoisson" in said
    given = glm("y ~ x", {"y": [4, 5, 6] * 20, "x": list(range(60))}, "negative_binomial(3)").overdispersion()
    assert given.verdict == "underdispersed" and "theta may be larger" in str(given)


@pytest.mark.parametrize(
    ("dispersion", "words"),
    [
        ("pearson", "the errors of the fit allow for it, by"),
        (2.0, "multiplies the errors of the fit by 1.41"),
    ],
)
def test_errors_that_are_scaled_already(dispersion, words):
    plain = glm("y ~ x", S, "poisson").overdispersion()
    scaled = glm("y ~ x", S, "poisson", dispersion=dispersion).overdispersion()
    said = " ".join(str(scaled).split())
    assert words in said and "too small" not in said and "what to do" not in said
    assert scaled["p_value"] == plain["p_value"] and scaled.verdict == "overdispersed"


@pytest.mark.parametrize("method", ["firth", "jeffreys", "median_br"])
def test_bias_reduced_means_are_tested_too(method):
    fit = glm("y ~ x", S, "poisson", method=method)
    found = fit.overdispersion()
    assert found["statistic"][0] == fit.pearson and f'at the means of method="{method}"' in str(found)
    plain = glm("y ~ x", S, "poisson").overdispersion()
    np.testing.assert_allclose(found["statistic"], plain["statistic"], rtol=0.05)
    assert found.verdict == plain.verdict


def test_tests_at_bias_reduced_means_hold_their_level():
    """Poisson counts in 15 rows: 5 % ± 3.6 % (two Monte-Carlo standard errors of 150 samples)."""
    rng, rejected = np.random.default_rng(6), 0
    for _ in range(150):
        x = rng.normal(size=15)
        found = glm("y ~ x", {"x": x, "y": rng.poisson(np.exp(1.0 + 0.4 * x))}, "poisson", method="firth")
        rejected += found.overdispersion()["p_value"][PB] < 0.05
    assert rejected / 150 == pytest.approx(0.05, abs=0.036)


def test_words_say_what_to_do():
    over = glm("y ~ x", S, "poisson").overdispersion()
    assert over.verdict == "overdispersed"
    for word in ('"quasipoisson"', '"negative_binomial"', 'vcov="HC3"', "too small", "residuals()"):
        assert word in str(over)
    shares = glm("cbind(s, r) ~ x", S, "binomial").overdispersion()
    assert '"quasibinomial"' in str(shares) and "negative_binomial" not in str(shares)
    robust = glm("y ~ x", S, "poisson", vcov="HC3").overdispersion()
    assert "vcov HC3 allows for it" in str(robust)
    assert glm("y ~ x + f", D, "poisson").overdispersion().verdict == "neither"
    level = {"y": [4, 5, 6] * 20, "x": list(range(60))}
    even = glm("y ~ x", level, "poisson").overdispersion()
    assert even.verdict == "underdispersed" and "too large" in str(even)
    assert "counts are below 5" in str(over) and max(map(len, str(over).splitlines())) <= 80


def test_separated_rows_tell_nothing():
    data = pd.DataFrame({"y": [0, 0, 0, 3, 1, 9, 2, 0, 7, 4], "g": [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = glm("y ~ g", data, "poisson").overdispersion()
    rest = glm("y ~ 1", data.iloc[3:], "poisson").overdispersion()
    np.testing.assert_allclose(whole["statistic"][2:], rest["statistic"][2:], rtol=1e-9)


def test_blocks_streams_and_frames(tmp_path):
    import polars as pl

    rng = np.random.default_rng(2)
    x = rng.normal(size=140_000)
    data = pd.DataFrame({"x": x, "y": rng.poisson(np.exp(0.3 * x) * rng.gamma(2.0, 0.5, len(x)))})
    data.to_parquet(tmp_path / "rows.parquet")
    whole = glm("y ~ x", data, "poisson").overdispersion()
    stream = glm("y ~ x", str(tmp_path / "rows.parquet"), "poisson", control=Control(memory=0))
    np.testing.assert_allclose(stream.overdispersion()["statistic"], whole["statistic"], rtol=1e-8)
    assert isinstance(glm("y ~ x", pl.from_pandas(S), "poisson").overdispersion().to_frame(), pl.DataFrame)


def test_a_saved_fit_needs_its_rows(tmp_path):
    fit = glm("y ~ x", S, "poisson")
    fit.save(tmp_path / "fit")
    saved = glmstat.load(tmp_path / "fit")
    with pytest.raises(DataError, match="needs the rows"):
        saved.overdispersion()


REFUSED = {
    "gaussian has a dispersion of its own": lambda: glm("g ~ x", D),
    "gamma has a dispersion of its own": lambda: glm("g ~ x", D, "gamma", link="log"),
    "tweedie has a dispersion": lambda: glm("y ~ x", D, "tweedie(1.5)"),
    "single trial": lambda: glm("I(y > 1) ~ x", D, "binomial"),
    "sampling weights": lambda: glm("y ~ x", D, "poisson", sampling_weights="w"),
    "no residual degrees of freedom": lambda: glm("y ~ x", D.iloc[:2], "poisson"),
    "beside the absorbed f": lambda: glm("y ~ x | f", D, "poisson"),
    "does not hold for prior=": lambda: glm("y ~ x", D, "poisson", prior="weak"),
    "at the boundary": lambda: glm(
        "y ~ x", {"y": [0, 0, 1, 3, 5, 6], "x": [0, 1, 2, 3, 4, 5]}, "poisson", link="identity"
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused(words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = REFUSED[words]()
    with pytest.raises((ArgumentError, ComparisonError), match=words):
        fit.overdispersion()


def test_a_test_may_bring_its_own_law():
    found = Finding("likelihood ratio", 2.7, 0.3, tail=0.05)
    assert [found.p_value(word) for word in ("greater", "less", "two-sided")] == [0.05, 0.95, 0.1]


def test_unknown_alternative():
    with pytest.raises(ArgumentError, match="Unknown alternative: 'more'"):
        glm("y ~ x", D, "poisson").overdispersion(alternative="more")


def test_rows_predicted_perfectly_are_no_degrees_of_freedom():
    draws = np.random.default_rng(3)
    f, x = np.repeat([*"abc"], 40), draws.normal(size=120)
    y = np.where(f == "b", 0, draws.negative_binomial(1.5, 1.5 / (1.5 + np.exp(1 + 0.3 * x))))
    data = pd.DataFrame({"y": y, "x": x, "f": f, "n": np.where(f == "b", 3, 1)})
    rest = data[data.f != "b"]
    with pytest.warns(SeparationWarning):
        whole = glm("y ~ x + f", data, "poisson", freq_weights="n")
        moments = glmstat.negbin("y ~ x + f", data, freq_weights="n", method="moments")
    apart = glm("y ~ x + f", rest, "poisson")
    for test in ("Pearson / df", "deviance / df"):
        got, expected = (
            whole.overdispersion().to_frame().loc[test],
            apart.overdispersion().to_frame().loc[test],
        )
        np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert "df: of the rows that are not predicted perfectly; 40 rows are" in str(whole.overdispersion())
    assert whole.goodness_of_fit()["df"] == apart.goodness_of_fit()["df"]
    by_hand = glmstat.negbin("y ~ x + f", rest, method="moments")
    assert moments.shape.value == pytest.approx(by_hand.shape.value, rel=1e-8)
    assert by_hand.pearson == pytest.approx(by_hand.df_residual, rel=1e-9)


def test_a_diluted_dispersion_is_named():
    data = pd.DataFrame({"y": [0, 0, 0, 0, 1, 5, 2, 9, 3], "f": [*"bbbbaaaaa"]})
    apart = glm("y ~ 1", data[data.f == "a"], "quasipoisson")
    with pytest.warns(SeparationWarning, match=f"without them it is {apart.dispersion:.3g}") as caught:
        fit = glm("y ~ f", data, "quasipoisson")
    assert fit.dispersion == pytest.approx(apart.dispersion * 4 / 7)  # R counts them
    assert len(caught) == 1
