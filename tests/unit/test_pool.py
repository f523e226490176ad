"""Multiply imputed data: the numbers of mice and mitml, limits, and what is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import glmstat
from glmstat import Control, Covariance, glm, pool
from glmstat.errors import ArgumentError, ComparisonError, ConvergenceWarning, DataError
from glmstat.inference.pool.joint import pooled_statistics

HERE = Path(__file__).parent
REFERENCE = HERE.parent / "reference" / "inference"
R = json.loads((REFERENCE / "pool.json").read_text("utf-8"))
ROWS = pd.read_csv(REFERENCE / "pool.csv")
SETS = [part.reset_index(drop=True) for _, part in ROWS.groupby("imputation")]
COLUMNS = {
    "estimate": "estimate",
    "std_error": "std_error",
    "df": "df",
    "p_value": "p_value",
    "conf_low": "low",
    "conf_high": "high",
    "riv": "riv",
    "lambda": "lambda",
    "fmi": "fmi",
}


def fits(formula="y ~ x + z + f", family="poisson", **words):
    return [glm(formula, data, family, **words) for data in SETS]


@pytest.mark.parametrize(
    ("name", "formula", "family", "df_complete"),
    [
        ("poisson", "y ~ x + z + f", "poisson", None),
        ("poisson_large", "y ~ x + z + f", "poisson", np.inf),
        ("gaussian", "g ~ x + f", "gaussian", None),
        ("binomial", "b ~ x + z", "binomial", None),
        ("gamma", "I(g**2 + 0.1) ~ x + f", glmstat.families.Gamma(link="log"), None),
    ],
)
def test_tables_are_those_of_mice(name, formula, family, df_complete):
    table = pool(fits(formula, family), df_complete=df_complete).tidy()
    for ours, theirs in COLUMNS.items():
        np.testing.assert_allclose(table[ours], R[name][theirs], rtol=1e-8, err_msg=ours)


def test_each_covariance_pools():
    pooled = pool([fit.with_vcov("HC3") for fit in fits()])
    table = pooled.tidy().iloc[:4]
    expected = np.array(R["hc3"])
    np.testing.assert_allclose(table["estimate"], expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(table["std_error"] ** 2, expected[:, 1], rtol=1e-8)
    np.testing.assert_allclose(table[["df", "riv", "fmi"]], expected[:, 2:], rtol=1e-7)
    assert "HC3 (scores / (1-h)" in str(pooled)


def test_clusters_keep_their_degrees_of_freedom():
    sets = [data.assign(firm=np.arange(80) // 2) for data in SETS]
    pooled = pool([glm("y ~ x", data, "poisson", vcov="~firm") for data in sets])
    assert pooled.rubin.df_complete.tolist() == [39.0, 39.0]
    assert (pooled.rubin.df < 39 * 40 / 42).all()
    assert "complete data 39 (the df of each fit's own t)" in str(pooled)


def test_the_covariance_is_that_of_mitml():
    pooled = pool(fits())
    np.testing.assert_allclose(pooled.vcov, R["vcov"], rtol=1e-8)
    np.testing.assert_allclose(pooled.stderror, np.sqrt(np.diag(pooled.vcov)), rtol=1e-14)
    assert pooled.coef.index.tolist() == list(pooled.columns)


CASES = {
    "f": ("y ~ x + z + f", "poisson", "f"),
    "xz": ("y ~ x + z + f", "poisson", "x = 0, z = 0"),
    "gaussian": ("g ~ x + f", "gaussian", "f"),
    "binomial": ("b ~ x + z", "binomial", "x, z"),
}


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name in CASES for method in R["tests"][name] if R["tests"][name][method]],
)
def test_joint_tests_are_those_of_mitml(name, method):
    formula, family, hypothesis = CASES[name]
    expected = R["tests"][name][method]
    hypothesis = "x = 0, z = 0" if name == "binomial" else hypothesis
    pooled = pool(fits(formula, family), df_complete=np.inf if method == "D1" else None)
    found = pooled.test(hypothesis, method=method[:2])
    numbers = [found[word][0] for word in ("statistic", "df", "df_denominator", "p_value", "riv")]
    np.testing.assert_allclose(numbers, expected, rtol=1e-7)


def test_one_restriction_is_the_row_of_the_table():
    pooled = pool(fits())
    table, found = pooled.tidy(), pooled.test(["x = 0", "z = 0.1"])
    assert found["p_value"][0] == pytest.approx(table.loc["x", "p_value"], rel=1e-10)
    assert found["statistic"][0] == pytest.approx(table.loc["x", "statistic"] ** 2, rel=1e-10)
    expected = ((pooled.coef["z"] - 0.1) / pooled.stderror["z"]) ** 2
    assert found["statistic"][1] == pytest.approx(expected, rel=1e-10)


def test_terms_are_tests_of_all_their_coefficients():
    pooled = pool(fits())
    for method in ("D1", "D2", "D3"):
        found = pooled.terms(method=method)
        assert list(found.index) == ["x", "z", "f"] and found["df"] == [1, 1, 2]
        assert found["p_value"][2] == pooled.test("f", method=method)["p_value"][0]
        assert method in str(found)


def test_identical_fits_are_one_fit_with_fewer_degrees_of_freedom():
    fit = glm("g ~ x + f", SETS[0])
    pooled = pool([fit, fit, fit])
    np.testing.assert_allclose(pooled.vcov, fit.vcov(), rtol=1e-13)
    assert (pooled.rubin.proportion == 0).all() and (pooled.rubin.increase == 0).all()
    df = fit.df_residual
    np.testing.assert_allclose(pooled.rubin.df, (df + 1) / (df + 3) * df, rtol=1e-13)
    np.testing.assert_allclose(pooled.rubin.missing, 2 / (pooled.rubin.df + 3), rtol=1e-13)
    large = pool([fit, fit], df_complete=np.inf)
    assert np.isinf(large.rubin.df).all() and (large.rubin.missing == 0).all()
    np.testing.assert_allclose(large.tidy()["p_value"], 2 * stats.norm.sf(abs(large.tidy()["statistic"])))
    wald = fit.test("f")["statistic"][0]
    assert pooled.test("f")["statistic"][0] == pytest.approx(wald, rel=1e-12)
    assert pooled.test("f", method="D2")["statistic"][0] == pytest.approx(wald, rel=1e-12)
    assert pooled.test("f", method="D2")["df_denominator"] == [np.inf]


def test_identical_fits_have_the_likelihood_ratio_of_one():
    fit = glm("y ~ x + z + f", SETS[0], "poisson")
    found = pool([fit, fit]).test("f", method="D3")
    assert found["statistic"][0] == pytest.approx(fit.test("f", method="lr")["statistic"][0] / 2, rel=1e-10)
    assert found["p_value"][0] == pytest.approx(fit.test("f", method="lr")["p_value"][0], rel=1e-9)
    assert found["riv"] == [0.0]


def test_rubin_on_streams_and_in_blocks():
    small, large = pool(fits()), pool(fits(control=Control(memory=0)))
    np.testing.assert_allclose(large.tidy(), small.tidy(), rtol=1e-9)
    for method in ("D1", "D2", "D3"):
        left, right = (one.test("f", method=method)["statistic"][0] for one in (small, large))
        assert left == pytest.approx(right, rel=1e-9)


def test_polars_gets_polars_back():
    import polars as pl

    pooled = pool([glm("y ~ x", pl.from_pandas(data), "poisson") for data in SETS])
    assert isinstance(pooled.tidy(), pl.DataFrame) and pooled.tidy()["term"].to_list() == ["Intercept", "x"]
    assert isinstance(pooled.confint(of="x"), pl.DataFrame)


def test_intervals_of_combinations():
    pooled = pool(fits())
    ends = pooled.confint(0.9, of="x - 2 * z")
    one = pooled.combined(np.array([[0.0, 1.0, -2.0, 0.0, 0.0]]))
    half = stats.t.ppf(0.95, one.df[0]) * np.sqrt(one.total[0, 0])
    np.testing.assert_allclose(ends.iloc[0], [one.estimate[0] - half, one.estimate[0] + half], rtol=1e-12)
    whole = pooled.confint()
    np.testing.assert_allclose(whole["conf_low"], R["poisson"]["low"], rtol=1e-8)


def test_rubin_covers():
    """Means with values missing at random, imputed from their own model: 95 % within Monte-Carlo error."""
    rng, hits, reps = np.random.default_rng(8), 0, 300
    for _ in range(reps):
        x = rng.normal(size=60)
        y = x + rng.normal(size=60)
        seen = rng.random(60) < 0.5 + 0.4 * (x > 0)
        X, n = np.column_stack([np.ones(60), x]), int(seen.sum())
        inverse = np.linalg.inv(X[seen].T @ X[seen])
        beta = inverse @ X[seen].T @ y[seen]
        rest = float(np.sum((y[seen] - X[seen] @ beta) ** 2))
        imputed = []
        for _ in range(5):  # a draw from the posterior, then of the missing values
            sigma = np.sqrt(rest / rng.chisquare(n - 2))
            drawn = beta + sigma * np.linalg.cholesky(inverse) @ rng.normal(size=2)
            filled = np.where(seen, y, X @ drawn + sigma * rng.normal(size=60))
            imputed.append(glm("y ~ 1", {"y": filled}))
        low, high = pool(imputed).confint().iloc[0]
        hits += low <= 0 <= high
    assert abs(hits / reps - 0.95) < 4 * np.sqrt(0.95 * 0.05 / reps)


def changed(**words):
    return [*fits("y ~ x", **words)[:1], *fits("y ~ x")[1:]]


REFUSED = {
    "different families: poisson in the first": lambda: [
        *fits("y ~ x"),
        glm("y ~ x", SETS[0], "negative_binomial(2)"),
    ],
    "different links": lambda: [*fits("y ~ x"), glm("y ~ x", SETS[0], "poisson", link="sqrt")],
    "different formulas": lambda: [*fits("y ~ x"), glm("y ~ z", SETS[0], "poisson")],
    "different coefficients": lambda: [*fits(), glm("y ~ x + z + f", SETS[0].replace("c", "d"), "poisson")],
    "different numbers of rows: 80 in the first, 79 in imputation 6": lambda: [
        *fits("y ~ x"),
        glm("y ~ x", SETS[0].iloc[1:], "poisson"),
    ],
    "different rows": lambda: [
        glm("y ~ x", data.assign(x=data.x.where(data.index != place)), "poisson")
        for place, data in enumerate(SETS)
    ],
    "different kinds of weights: freq_weights in the first": lambda: changed(freq_weights=np.ones(80)),
    "different sums of weights": lambda: [
        glm("y ~ x", data, "poisson", weights=np.full(80, 1.0 + place)) for place, data in enumerate(SETS)
    ],
    "different covariances: HC0 in the first": lambda: changed(vcov="HC0"),
    "different rules for the dispersion": lambda: changed(dispersion="pearson"),
    "different arguments offset=": lambda: changed(offset="0.1 * z"),
    "'scale(x)' is not the same column in imputation 2": lambda: fits("y ~ scale(x)"),
    "Imputation 1 cannot be pooled: x2 aliased": lambda: [
        glm("y ~ x + x2", data.assign(x2=2 * data.x), "poisson") for data in SETS
    ],
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_differs_is_refused(words):
    with pytest.raises(ComparisonError) as error:
        pool(REFUSED[words]())
    assert words in str(error.value)


def test_infinite_coefficients_are_refused():
    data = {"y": [0, 0, 1, 1, 0, 1], "x": [0, 0, 0, 1, 0, 1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = glm("y ~ x", data, "binomial")
    with pytest.raises(ComparisonError, match="Imputation 1 cannot be pooled: x infinite"):
        pool([fit, fit])


def test_perfect_fits_are_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = glm("y ~ x", {"y": [1.0, 2.0, 3.0, 4.0], "x": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(ComparisonError, match="no standard errors"):
        pool([fit, fit])


@pytest.mark.parametrize(
    ("words", "given"), [("at least 2", []), ("at least 2", ["fit"]), ("takes fits: got", ["fit", 3])]
)
def test_what_is_no_list_of_fits_is_refused(words, given):
    fit = glm("y ~ x", SETS[0], "poisson")
    with pytest.raises(ArgumentError, match=words):
        pool([fit if one == "fit" else one for one in given])
    with pytest.raises(ArgumentError, match="takes fits"):
        pool(3)


@pytest.mark.parametrize("value", [0, -1, np.nan, "many", True])
def test_degrees_of_freedom_that_are_none(value):
    with pytest.raises(ArgumentError, match="df_complete"):
        pool(fits("y ~ x"), df_complete=value)


def test_words_that_do_not_exist():
    pooled = pool(fits())
    with pytest.raises(ArgumentError, match="Unknown method: 'D4'"):
        pooled.test("x", method="D4")
    with pytest.raises(ArgumentError, match="not linear"):
        pooled.test("exp(x) = 1")
    with pytest.raises(ArgumentError, match="No coefficient 'w'"):
        pooled.test("w = 0")
    with pytest.raises(ArgumentError, match="no terms"):
        pool(fits("y ~ 1")).terms()


def test_not_converged_warns_and_says_so():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stopped = glm("y ~ x", SETS[0], "poisson", control=Control(max_iterations=1))
    with pytest.warns(ConvergenceWarning, match="imputation 2"):
        pooled = pool([glm("y ~ x", SETS[1], "poisson"), stopped])
    assert "not converged: imputation 2" in str(pooled)


D3_REFUSED = {
    "the quasipoisson family has no likelihood": ("y ~ x", "quasipoisson", {}),
    "the dispersion of the gamma family is estimated": ("I(g**2 + 0.1) ~ x", "gamma", {"link": "log"}),
    "sampling weights": ("y ~ x", "poisson", {"sampling_weights": "w"}),
    "that of the poisson likelihood is 1": ("y ~ x", "poisson", {"dispersion": "pearson"}),
}


@pytest.mark.parametrize("words", D3_REFUSED)
def test_no_likelihood_no_d3(words):
    formula, family, given = D3_REFUSED[words]
    pooled = pool([glm(formula, data.assign(w=1.0 + data.x**2), family, **given) for data in SETS[:1] * 2])
    assert pooled.test("x")["p_value"][0] < 1
    with pytest.raises(ComparisonError, match=words):
        pooled.test("x", method="D3")


def test_d3_needs_rows(tmp_path):
    fit = glm("y ~ x", SETS[0], "poisson")
    fit.save(tmp_path / "one")
    saved = glmstat.load(tmp_path / "one")
    pooled = pool([saved, saved])
    np.testing.assert_allclose(pooled.stderror, fit.stderror())
    with pytest.raises(DataError, match="needs the rows"):
        pooled.test("x", method="D3")


def test_d3_of_a_given_dispersion_is_a_scaled_deviance():
    fit = glm("g ~ x + f", SETS[0], dispersion=2.0)
    small = glm("g ~ x", SETS[0], dispersion=2.0)
    found = pool([fit, fit]).test("f", method="D3")
    assert found["statistic"][0] == pytest.approx((small.deviance - fit.deviance) / 2 / 2, rel=1e-10)


def test_d2_by_hand_and_negative():
    found = pooled_statistics([4.0, 9.0, 1.0], 2)
    root = np.var([2.0, 3.0, 1.0], ddof=1) * 4 / 3
    assert found.statistic == pytest.approx((14 / 3 / 2 - 2 * root) / (1 + root))
    sets = [{"y": [1, 2, 4, 3], "x": [0, 1, 2, last]} for last in (3, -4)]
    pooled = pool([glm("y ~ x", data, "poisson") for data in sets])
    table = pooled.test("x", method="D2")
    assert table["statistic"][0] < 0 and table["p_value"] == [1.0] and "negative" in str(table)


def test_print():
    pooled = pool(fits())
    text = str(pooled)
    assert text == str(pooled.summary()) and "5 imputations" in text
    assert "df: Barnard-Rubin, complete data 75 (df_residual; each fit alone has z)" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "Rubin (1987)" in str(pool(fits(), df_complete=np.inf))
    assert "complete data 30 (given)" in str(pool(fits(), df_complete=30))
    assert pooled.to_dict()["rows"][1]["term"] == "x" and "<table" in pooled._repr_html_()
    assert Covariance().kind in text


def imputed_counts():
    rng = np.random.default_rng(8)
    table = pd.DataFrame({"x": rng.normal(size=150), "z": rng.normal(size=150)})
    table["y"] = rng.negative_binomial(1.5, 1.5 / (1.5 + np.exp(1.0 + 0.3 * table.x)))
    return [table, table.assign(x=table.x + rng.normal(0.0, 0.1, 150))]


def test_each_imputation_estimates_its_own_theta():
    found = pool([glmstat.negbin("y ~ x", table) for table in imputed_counts()])
    text = str(found.summary())
    assert text.startswith("Negative binomial regression, log link")
    assert "theta estimated in each imputation: " in text
    named = pool([glm("y ~ x", table, "negative_binomial") for table in imputed_counts()])
    np.testing.assert_array_equal(found.coef, named.coef)


def test_deviances_at_different_thetas_are_not_compared():
    words = {"family": "negative_binomial", "predictors": {"theta": "~ z"}}
    found = pool([glm("y ~ x", table, **words) for table in imputed_counts()])
    with pytest.raises(ComparisonError, match="theta is estimated in each imputation"):
        found.test("x = 0", method="D3")


def test_terms_of_theta_go_by_its_name():
    words = {"family": "negative_binomial", "predictors": {"theta": "~ x"}}
    found = pool([glm("y ~ x + z", table, **words) for table in imputed_counts()])
    terms = found.terms()
    assert terms.index == ("x", "z", "theta:x")
    assert "denominator df: Barnard-Rubin" in str(terms)
    single = found.test("`theta:x` = 0")
    assert terms["p_value"][2] == single["p_value"][0] != terms["p_value"][0]
    assert "theta ~ x" in str(found) and "theta ~ x" in str(terms)


def test_spaces_and_order_of_words_make_no_other_formula():
    one, two = ("y~x+z+f", "y ~ x + z + f")
    spelled = pool([glm(one if place else two, table, "poisson") for place, table in enumerate(SETS)])
    np.testing.assert_array_equal(spelled.coef, pool(fits()).coef)
    theta = [{"theta": "~x"}, {"theta": "~ x"}, {"theta": "~ 1 + x"}]
    tables = imputed_counts()
    words = [theta[place % 3] for place in range(len(tables))]
    pool([glm("y ~ x", t, "negative_binomial", predictors=w) for t, w in zip(tables, words, strict=True)])
    with pytest.raises(
        ComparisonError, match="different formulas: y ~ x, theta ~ x in the first, y ~ x, theta ~ z"
    ):
        pool(
            [glm("y ~ x", tables[0], "negative_binomial", predictors={"theta": f"~ {name}"}) for name in "xz"]
        )


def test_ratios_are_exponents_of_what_is_pooled():
    found = pool(fits("b ~ x + z", "binomial"))
    plain, ratio = found.tidy(), found.tidy(eform=True)
    for name in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(ratio[name], np.exp(plain[name]), rtol=1e-14)
    np.testing.assert_allclose(ratio["std_error"], np.exp(plain["estimate"]) * plain["std_error"], rtol=1e-14)
    for name in ("statistic", "df", "p_value", "riv", "lambda", "fmi"):
        np.testing.assert_array_equal(ratio[name], plain[name])
    text = str(found.summary(eform=True))
    assert "estimate: odds ratio" in text and "Intercept: baseline odds" in text
    ends = found.confint(eform=True)
    assert list(ends.columns) == ["odds_ratio", "conf_low", "conf_high"]
    np.testing.assert_allclose(ends["conf_low"], ratio["conf_low"], rtol=1e-14)
    of = found.confint(of="x - z", eform=True)
    np.testing.assert_allclose(
        of["odds_ratio"], np.exp(plain["estimate"]["x"] - plain["estimate"]["z"]), rtol=1e-12
    )
    with pytest.raises(ArgumentError, match="not a ratio"):
        pool(fits("g ~ x + f", "gaussian")).summary(eform=True)
    with pytest.raises(ArgumentError, match="eform must be True or False"):
        found.confint(eform="yes")


@pytest.mark.parametrize("value", [[1], (5.0,), {"df": 3}, 2 + 1j, True, np.nan, -3])
def test_degrees_of_freedom_that_are_no_number(value):
    with pytest.raises(ArgumentError, match="df_complete must be a number > 0 or infinite"):
        pool(fits(), df_complete=value)


def test_a_negative_increase_of_likelihood_ratios_is_told():
    from glmstat.inference.pool.joint import pooled_ratio

    found = pooled_ratio(5.8, 6.0, 4, 2)  # r = 5 / 6 * -0.2
    assert (found.increase, found.statistic) == (0.0, 3.0)
    assert "negative, -0.167, and taken as 0" in found.rule
