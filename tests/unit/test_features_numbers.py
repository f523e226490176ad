"""R's numbers on a table of 40 rows, for conventions on which packages differ.

Where another package is known to give something else, that number stands beside R's as `wrong`.
The figures are R's at its default tolerance, so they hold to five or six digits.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import (
    ArgumentError,
    ComparisonError,
    DataError,
    DomainError,
    FewClustersWarning,
    FormulaError,
    ResponseWarning,
    SeparationWarning,
)
from glmstat.inference.reference import f_p_value

D = pd.read_csv(Path(__file__).parent / "data" / "features_check_data.csv")
N = len(D)
RATE = "y ~ x + offset(log(t))"
TWO = np.full(N, 2.0)


def near(value: float, rel: float = 1e-5) -> Any:
    """Equal to the six or so digits that are printed."""
    return pytest.approx(value, rel=rel)


def values(table: Any) -> list[float]:
    return np.asarray(table, dtype=float).ravel().tolist()


# ---------------------------------------------------------------- tests


def test_the_dispersion_inside_aic_is_the_deviance_over_rows():
    fit = glm("g ~ x", D, "gamma", link="log")
    assert fit.deviance / fit.nobs == near(0.441567)
    assert fit.dispersion == near(0.340386)


def test_wald_tests_of_a_poisson_fit_are_chi_squared_not_f():
    tests = glm("y ~ x + f", D, "poisson").test("f[T.b] = 0", method="all")
    wald, lr, score = (tests["statistic"][place] for place in range(3))
    assert wald**2 == near(6.98768)
    assert lr == near(7.483784)
    assert score == near(7.238062)
    assert tests["p_value"][1] == near(0.006226, 1e-3)
    wrong = f_p_value(6.98768, 1, 37)  # lmtest's waldtest takes F although the dispersion is known
    assert wrong == near(0.01197, 1e-3)
    assert tests["p_value"][0] == near(0.008207, 1e-3)


# ---------------------------------------------------------------- names, data, missing values


def test_names_are_columns_first_then_context_then_unknown():
    w = np.full(N, 5.0)
    fit = glm("g ~ x", D, "gamma", link="log", weights="w", context={"w": w})
    assert fit.aic == near(96.704461)
    assert glm("g ~ x + shift(x)", D, context={"shift": lambda v: (v - 1) ** 2}).df_residual == 37
    assert w.sum() == 200


def missing() -> pd.DataFrame:
    data = D.copy()
    data.loc[0, "x"] = data.loc[1, "t"] = data.loc[2, "w"] = np.nan
    return data


def test_missing_values_of_every_role_drop_the_row_once():
    fit = glm(RATE, missing(), "poisson", weights="w")
    assert fit.nobs == 37
    assert len(fit.fitted) == len(fit.residuals()) == 37
    assert list(fit.fitted.index) == list(range(3, N))
    assert dict(fit.frame.missing.by) == {"x": 1, "t": 1, "w": 1}


def test_exclude_pads_results_to_all_rows():
    fit = glm(RATE, missing(), "poisson", weights="w", na_action="exclude")
    residuals, fitted = fit.residuals(), fit.fitted
    assert fit.nobs == 37
    assert len(residuals) == len(fitted) == N
    assert list(np.flatnonzero(np.isnan(residuals))) == [0, 1, 2]


def test_predict_keeps_rows_and_needs_no_weight():
    data = missing()
    predicted = glm(RATE, data, "poisson", weights="w").predict(data)
    assert len(predicted) == N
    assert list(np.flatnonzero(np.isnan(predicted))) == [0, 1]


def test_series_are_aligned_on_the_index_not_by_position():
    offset = np.log(D["t"])
    fit = glm("y ~ x", D, "poisson", offset=offset.sample(frac=1, random_state=1))
    assert values(fit.coef) == values(glm("y ~ x", D, "poisson", offset="log(t)").coef)
    with pytest.raises(DataError, match="offset"):
        glm("y ~ x", D, "poisson", offset=offset.set_axis(range(100, 100 + N)))


def test_an_absent_first_level_is_no_reference():
    data = D.assign(f=pd.Categorical(D["f"], categories=["z", "a", "b"]))
    fit = glm("y ~ x + f", data, "poisson")
    assert fit.columns == ("Intercept", "x", "f[T.b]")
    assert any("z" in note.text for note in fit.notes)


def test_text_levels_sort_by_code_point():
    words = ["B", "a", "10", "9", "_z", "A", "b", "A"]
    fit = glm("y ~ v", {"y": np.arange(8.0), "v": words})
    assert fit.columns == ("Intercept", *(f"v[T.{word}]" for word in ("9", "A", "B", "_z", "a", "b")))
    assert "v: reference level 10" in str(fit)


def test_a_power_is_a_square_only_inside_brackets():
    assert glm("y ~ x^2", D).columns == ("Intercept", "x")
    squares = [glm(f"y ~ x + {text}", D, "poisson") for text in ("I(x^2)", "I(x**2)", "I(x*x)")]
    assert len({fit.deviance for fit in squares}) == 1
    assert squares[0].columns == squares[1].columns


def test_left_side_is_arithmetic():
    shares = glm("s/10 ~ x", D, "binomial", weights=np.full(N, 10.0))
    assert shares.deviance == near(47.648468)


def test_interaction_without_main_effects_is_the_same_fit():
    data = D.assign(h=np.where(np.arange(N) % 3 == 0, "u", "v"))
    full, cells = glm("y ~ f * h", data, "poisson"), glm("y ~ f:h", data, "poisson")
    assert len(full.columns) == len(cells.columns) == 4
    assert full.deviance == pytest.approx(cells.deviance, rel=1e-12)
    assert values(full.fitted) == pytest.approx(values(cells.fitted), rel=1e-10)


def test_empty_cell_is_nan_with_its_reason():
    data = D.assign(h=np.where(D["f"] == "a", "u", np.where(np.arange(N) % 3 == 0, "u", "v")))
    fit = glm("y ~ f * h", data, "poisson")
    assert math.isnan(fit.coef["f[T.b]:h[T.v]"])
    assert "f[T.b]:h[T.v]" in fit.estimate.aliased
    assert fit.df_residual == 37


def test_subset_comes_before_levels_and_stateful_functions():
    part = D["x"] > 0
    data = D.assign(f=D["f"].where(part, "c"))
    by_word = glm("y ~ scale(x) + poly(t, 2) + f", data, "poisson", subset="x > 0")
    by_hand = glm("y ~ scale(x) + poly(t, 2) + f", data[part], "poisson")
    assert by_word.columns == by_hand.columns
    assert values(by_word.coef) == pytest.approx(values(by_hand.coef), rel=1e-12)


def test_boolean_predictor_has_two_levels():
    fit = glm("y ~ b", D.assign(b=D["x"] > 0), "poisson")
    assert fit.columns == ("Intercept", "b[T.True]")


def test_formula_runs_no_code():
    with pytest.raises(FormulaError):
        glm("y ~ {__import__('os').getpid()}", D)


# ---------------------------------------------------------------- response


def test_text_response_models_the_second_level():
    text = np.where(D["s"] > 5, "yes", "no")
    fit = glm("r ~ x", D.assign(r=text), "binomial")
    assert fit.coef["x"] == near(0.7573016)  # wrong: -0.757
    assert "P(r == 'yes')" in str(fit).replace('"', "'")
    other = glm("r ~ x", D.assign(r=text), "binomial", event="no")
    assert other.coef["x"] == near(-0.7573016)


@pytest.mark.parametrize("kind", ["boolean", "categorical", "number", "expression"])
def test_every_spelling_of_a_binary_response_is_the_same_fit(kind):
    high = D["s"] > 5
    response = {
        "boolean": high,
        "categorical": pd.Categorical(np.where(high, "high", "low"), categories=["low", "high"]),
        "number": high.astype(int),
    }.get(kind)
    formula = "s > 5 ~ x" if kind == "expression" else "r ~ x"
    fit = glm(formula, D if response is None else D.assign(r=response), "binomial")
    assert values(fit.coef) == [near(-0.41390079), near(0.7573016)]


def test_three_levels_need_an_event():
    data = D.assign(r=np.where(D["s"] > 6, "c", np.where(D["s"] > 4, "b", "a")))
    with pytest.raises(ArgumentError, match="event"):
        glm("r ~ x", data, "binomial")
    fit = glm("r ~ x", data, "binomial", event="c")
    assert fit.nobs == N


def test_two_column_response_is_a_share_with_trials():
    fit = glm("cbind(s, 10 - s) ~ x", D, "binomial")
    assert (fit.deviance, fit.aic, fit.df_residual) == (
        near(47.648468),
        near(157.637184),
        38,
    )  # wrong: 380.78
    assert fit.fitted.iloc[0] == near(0.463403216)
    assert fit.residuals("response").iloc[0] == near(0.0365967841)  # wrong: 0.366
    assert fit.predict(D.head(1)).iloc[0] == near(0.463403216)


def test_rows_without_trials_have_no_weight():
    data = D.assign(n=10.0)
    data.loc[:1, ["s", "n"]] = 0.0
    fit = glm("cbind(s, n - s) ~ x", data, "binomial")
    assert fit.nobs == N - 2
    assert values(fit.coef) == pytest.approx(
        values(glm("cbind(s, n - s) ~ x", data[2:], "binomial").coef), rel=1e-12
    )


def test_counts_that_are_not_whole_warn_but_not_for_quasi():
    data = D.assign(h=D["y"] + 0.5, c=D["s"] - 0.25)
    with pytest.warns(ResponseWarning, match="row"):
        glm("h ~ x", data, "poisson")
    with pytest.warns(ResponseWarning, match="row"):
        glm("cbind(c, 10 - c) ~ x", data, "binomial")
    glm("h ~ x", data, "quasipoisson")
    glm("cbind(c, 10 - c) ~ x", data, "quasibinomial")


@pytest.mark.parametrize(
    ("family", "value", "bound"),
    [
        ("poisson", -2.0, ">= 0"),
        ("negative_binomial(2)", -1.0, ">= 0"),
        ("gamma", 0.0, "> 0"),
        ("inverse_gaussian", 0.0, "> 0"),
        ("inverse_gaussian", -1.0, "> 0"),
        ("binomial", 8.0, "0"),
        ("quasipoisson", -1.0, ">= 0"),
        ("tweedie(1.5)", -1.0, ">= 0"),
    ],
)
def test_values_outside_the_domain_are_refused(family, value, bound):
    data = D.assign(r=0.5 if family == "binomial" else 1.0)
    data.loc[17, "r"] = value
    with pytest.raises(DomainError, match="row 17") as caught:
        glm("r ~ x", data, family)
    assert bound in str(caught.value)


# ---------------------------------------------------------------- weights


def test_constant_prior_weights_move_the_dispersion_not_the_errors():
    fit = glm("g ~ x", D, "gamma", link="log", weights=TWO)
    assert values(fit.stderror()) == [near(0.092756), near(0.105364)]
    assert fit.dispersion == near(0.68077)


def test_frequency_weights_are_repeated_rows():
    fit = glm("g ~ x", D, "gamma", link="log", freq_weights=TWO)
    assert values(fit.stderror()) == [near(0.064742), near(0.073542)]
    assert fit.dispersion == near(0.33166)
    assert (fit.nobs, fit.df_residual) == (80, 78)


def test_prior_and_frequency_weights_differ_in_counts_where_the_dispersion_is_known():
    prior = glm("y ~ x", D, "poisson", weights=TWO)
    frequency = glm("y ~ x", D, "poisson", freq_weights=TWO)
    assert values(prior.stderror()) == [near(0.101451), near(0.113726)]
    assert values(frequency.stderror()) == pytest.approx(values(prior.stderror()), rel=1e-13)
    assert (prior.df_residual, frequency.df_residual) == (38, 78)
    assert frequency.bic - prior.bic == pytest.approx(2 * math.log(2), rel=1e-10)
    assert frequency.aic == pytest.approx(prior.aic, rel=1e-13)


def test_sandwich_knows_the_kind_of_weight():
    assert values(glm("y ~ x", D, "poisson").stderror("HC0")) == [near(0.159678), near(0.191214)]
    assert values(glm("y ~ x", D, "poisson", weights=TWO).stderror("HC0")) == [near(0.159678), near(0.191214)]
    assert values(glm("y ~ x", D, "poisson", freq_weights=TWO).stderror("HC0")) == [
        near(0.112909),
        near(0.135209),
    ]


def test_zero_weights_stay_in_the_results_but_not_in_the_counts():
    weights = np.r_[np.zeros(3), np.ones(N - 3)]
    fit = glm("y ~ x", D, "poisson", weights=weights)
    assert (fit.nobs, fit.df_residual, fit.df_null) == (37, 35, 36)
    assert len(fit.fitted) == len(fit.residuals()) == N
    assert np.isfinite(values(fit.fitted)).all()
    rest = glm("y ~ x", D[3:], "poisson")
    assert fit.bic == pytest.approx(rest.bic, rel=1e-12)
    assert values(fit.stderror()) == pytest.approx(values(rest.stderror()), rel=1e-12)


def test_shares_counts_and_rows_agree_where_they_must():
    shares = glm("s/n ~ x", D.assign(n=10.0), "binomial", weights="n")
    counts = glm("cbind(s, 10 - s) ~ x", D, "binomial")
    bernoulli = D.loc[D.index.repeat(10)].assign(r=[float(k < s) for s in D["s"] for k in range(10)])
    expanded = glm("r ~ x", bernoulli, "binomial")
    for fit in (shares, counts):
        assert (fit.deviance, fit.aic, fit.df_residual) == (near(47.648468), near(157.637184), 38)
    assert (expanded.deviance, expanded.aic, expanded.df_residual) == (near(544.70565), near(548.70565), 398)
    for fit in (counts, expanded):
        assert values(fit.coef) == pytest.approx(values(shares.coef), rel=1e-12)
        assert values(fit.stderror()) == pytest.approx(values(shares.stderror()), rel=1e-12)


def test_sampling_weights_have_sandwich_errors_and_no_likelihood():
    fit = glm("y ~ x", D, "poisson", sampling_weights="w")
    prior = glm("y ~ x", D, "poisson", weights="w")
    assert values(fit.coef) == pytest.approx(values(prior.coef), rel=1e-13)
    assert values(fit.stderror()) == pytest.approx(values(prior.stderror("HC0")), rel=1e-12)
    for fact in ("loglik", "aic", "bic"):
        with pytest.raises(ComparisonError, match="sampling weights"):
            getattr(fit, fact)


def test_frequency_weights_must_be_whole():
    with pytest.raises(DataError, match="freq_weights"):
        glm("y ~ x", D, "poisson", freq_weights="w")


def test_weighted_likelihood():
    assert glm(RATE, D, "poisson", weights="w").aic == near(120.737143)
    assert glm("g ~ x", D, weights="w").aic == near(114.908215)


# ---------------------------------------------------------------- likelihood


@pytest.mark.parametrize(
    ("formula", "family", "link", "aic", "wrong"),
    [
        ("g ~ x", "gaussian", None, 116.612320, (114.612320,)),
        ("g ~ x", "gamma", "log", 98.455018, (97.270352, 97.538634)),
        ("g ~ x", "inverse_gaussian", "log", 105.241640, ()),
        (RATE, "poisson", None, 121.219999, ()),
        ("y ~ x + f + offset(log(t))", "poisson", None, 119.487106, ()),
        ("cbind(s, 10 - s) ~ x", "binomial", None, 157.637184, (380.78,)),
    ],
)
def test_aic(formula, family, link, aic, wrong):
    found = glm(formula, D, family, link=link).aic
    assert found == pytest.approx(aic, rel=1e-8)
    assert all(found != pytest.approx(other, rel=1e-4) for other in wrong)


@pytest.mark.parametrize(
    ("family", "link", "aic"), [("gaussian", None, 114.612320), ("gamma", "log", 97.270352)]
)
def test_aic_of_statsmodels(family, link, aic):
    assert glm("g ~ x", D, family, link=link, compat="statsmodels").aic == pytest.approx(aic, rel=1e-8)


def test_aic_and_bic_of_stata():
    fit = glm(RATE, D, "poisson", compat="stata")
    assert fit.aic == pytest.approx(121.219999 / 40, rel=1e-8)
    assert fit.bic == pytest.approx(39.981083 - 38 * math.log(40), rel=1e-8)


def test_weighted_gamma_aic():
    assert glm("g ~ x", D, "gamma", link="log", weights="w").aic == near(96.704461)


def test_bic_is_of_the_likelihood():
    assert glm(RATE, D, "poisson").bic == near(124.598)
    assert glm("g ~ x", D).bic == near(121.678958)


def test_quasi_has_no_likelihood():
    fit = glm("y ~ x", D, "quasipoisson")
    assert math.isnan(fit.loglik) and math.isnan(fit.aic) and math.isnan(fit.bic)  # wrong: 97.656


def test_given_theta_is_not_counted():
    fit = glm("y ~ x", D, "negative_binomial(2)")
    assert fit.aic == pytest.approx(-2 * fit.loglik + 4, rel=1e-14)
    assert fit.dispersion == 1


# ---------------------------------------------------------------- dispersion


def test_the_estimates_of_the_dispersion():
    gamma = {
        word: glm("g ~ x", D, "gamma", link="log", dispersion=word) for word in ("pearson", "deviance", "ml")
    }
    assert gamma["pearson"].dispersion == near(0.340386)
    assert gamma["deviance"].dispersion == near(0.464808)
    assert gamma["ml"].dispersion == near(0.413521)
    assert glm("g ~ x", D, "gamma", link="log").dispersion == gamma["pearson"].dispersion
    for word, fit in gamma.items():
        assert fit.estimate.dispersion.estimator == word
        ratio = np.array(values(fit.stderror())) / values(gamma["pearson"].stderror())
        np.testing.assert_allclose(ratio, math.sqrt(fit.dispersion / gamma["pearson"].dispersion), rtol=1e-12)
    assert len({fit.aic for fit in gamma.values()}) == 1


def test_tests_are_t_where_the_dispersion_is_estimated():
    table = glm("g ~ x", D, "gamma", link="log").summary().to_frame()
    assert table.loc["x", "statistic"] == near(4.43774901)
    assert table.loc["x", "p_value"] == pytest.approx(7.55244838e-05, rel=1e-4)
    assert glm("y ~ x + f", D, "poisson").summary().to_frame().loc["f[T.b]", "p_value"] == pytest.approx(
        0.00820726981, rel=1e-4
    )


def test_intervals_are_t_and_with_compat_r_normal():
    interval = values(glm("g ~ x", D, "gamma", link="log", compat="R").confint())[2:]
    assert interval == [near(0.2610698), near(0.6740899)]
    wider = values(glm("g ~ x", D, "gamma", link="log").confint())[2:]
    quantile = 2.024394163911969  # qt(.975, 38)
    assert wider == [
        near(0.4675798438 - quantile * 0.1053641931),
        near(0.4675798438 + quantile * 0.1053641931),
    ]


@pytest.mark.parametrize("compat", ["stata", "statsmodels", "sas"])
def test_other_systems_take_z_though_the_dispersion_is_estimated(compat):
    table = glm("g ~ x", D, "gamma", link="log", compat=compat).summary().to_frame().loc["x"]
    z = table["estimate"] / table["std_error"]
    assert table["p_value"] == near(math.erfc(abs(z) / math.sqrt(2)))
    assert table["conf_high"] == near(table["estimate"] + 1.959963984540054 * table["std_error"])


def test_clusters_of_statsmodels():
    data = D.assign(c=np.tile(np.arange(1, 9), 5))
    with pytest.warns(FewClustersWarning):
        theirs = glm("y ~ x + f", data, "poisson", compat="statsmodels").stderror("~c")
        ours = glm("y ~ x + f", data, "poisson").stderror("~c")
        bare = glm("y ~ x + f", data, "poisson").stderror("CR0 ~ c")
    assert values(ours) == [near(value, 2e-5) for value in (0.103197, 0.163802, 0.187661)]
    assert values(theirs) == [near(value, 2e-5) for value in (0.105949, 0.168171, 0.192667)]
    assert values(bare) == [near(0.096531), near(0.153222), near(0.175542)]


def test_poisson_errors_are_not_scaled():
    fit = glm("y ~ x", D, "poisson")
    reference = glm("y ~ x + f", D, "poisson")
    assert fit.dispersion == 1
    assert values(reference.stderror())[0] == near(0.168212420)  # wrong: .19503, .1727
    assert math.isclose(
        glm("y ~ x", D, "quasipoisson").stderror().iloc[0],
        fit.stderror().iloc[0] * fit_scale(),
        rel_tol=1e-12,
    )


def fit_scale() -> float:
    return math.sqrt(glm("y ~ x", D, "quasipoisson").dispersion)


def test_a_given_dispersion_where_the_family_has_its_own_leaves_no_likelihood():
    fit = glm("y ~ x", D, "poisson", dispersion=2.0)
    assert values(fit.stderror()) == pytest.approx(
        [math.sqrt(2) * v for v in values(glm("y ~ x", D, "poisson").stderror())]
    )
    with pytest.raises(ComparisonError, match="dispersion"):
        _ = fit.loglik
    with pytest.raises(ComparisonError, match="dispersion"):
        _ = fit.aic


# ---------------------------------------------------------------- deviance, null model, offset


def test_null_model_keeps_the_offset():
    fit = glm(RATE, D, "poisson")
    assert (fit.deviance, fit.null_deviance) == (near(39.981083), near(60.808113))
    assert (fit.df_residual, fit.df_null) == (38, 39)


def test_null_model_without_intercept():
    fit = glm("y ~ 0 + x", D, "poisson")
    assert (fit.null_deviance, fit.df_null) == (near(105.6033), 40)  # wrong: 81.3120
    with_offset = glm("y ~ 0 + x + offset(log(t))", D, "poisson")
    assert (with_offset.null_deviance, with_offset.df_null) == (near(72.3340238), 40)


def test_offset_is_in_the_predictions():
    fit = glm(RATE, D, "poisson")
    assert fit.predict({"x": [1.0], "t": [3.0]}).iloc[0] == pytest.approx(7.168, abs=5e-4)  # wrong: 2.389
    assert np.mean(values(fit.fitted)) == near(1.875)  # wrong: 1.517
    assert np.mean(values(fit.predict(D))) == near(1.875)


@pytest.mark.parametrize(
    "words",
    [{"offset": "log(t)"}, {"exposure": "t"}, {"offset": np.log(D["t"])}, {"exposure": D["t"]}],
    ids=str,
)
def test_every_spelling_of_the_offset_is_the_same_fit(words):
    fit, formula = glm("y ~ x", D, "poisson", **words), glm(RATE, D, "poisson")
    assert values(fit.coef) == pytest.approx(values(formula.coef), rel=1e-14)
    assert (fit.deviance, fit.null_deviance) == (near(39.981083), near(60.808113))


def test_several_offsets_are_summed():
    split = glm("y ~ x + offset(log(t)/4) + offset(3*log(t)/4)", D, "poisson")
    mixed = glm("y ~ x + offset(log(t)/4)", D, "poisson", offset="log(t)/4", exposure="sqrt(t)")
    for fit in (split, mixed):
        assert fit.deviance == near(39.981083)
        assert fit.predict({"x": [1.0], "t": [3.0]}).iloc[0] == pytest.approx(7.168, abs=5e-4)


def test_exposure_needs_a_log_link_and_positive_values():
    with pytest.raises(ArgumentError, match="log link"):
        glm("y ~ x", D, "gaussian", exposure="t")
    data = D.assign(t=D["t"].where(~D.index.isin([3, 8, 21]), 0.0))
    with pytest.raises(DataError, match=r"exposure must be > 0: t is 0 in rows 3, 8, 21 \(3 rows\)"):
        glm("y ~ x", data, "poisson", exposure="t")


# ---------------------------------------------------------------- algorithm


def test_criterion_of_r_is_recorded_but_does_not_stop():
    convergence = glm(RATE, D, "poisson").estimate.convergence
    assert convergence.r_criterion < 1e-8
    assert convergence.decrement < 1e-8
    assert convergence.status == "converged"


def test_separated_data_say_so():
    with pytest.warns(SeparationWarning, match="x → inf"):
        fit = glm("x > 0 ~ x", D, "binomial")
    assert fit.status == "separated"
    assert fit.coef["x"] == math.inf  # wrong: 420, 464.5 "converged"
    assert math.isnan(fit.stderror()["x"])


def test_quasi_separation_by_an_empty_cell_says_so():
    data = D.assign(r=np.where(D["f"] == "a", 0, D["s"] > 5))
    with pytest.warns(SeparationWarning, match="Intercept → -inf"):
        fit = glm("r ~ f", data, "binomial")
    assert fit.status == "separated"  # wrong: -24.3, SE 16506


def test_collinear_columns_are_named():
    fit = glm("y ~ x + x2", D.assign(x2=2 * D["x"]), "poisson")
    assert math.isnan(fit.coef["x2"]) and math.isnan(fit.stderror()["x2"])
    assert "2*x" in fit.estimate.aliased["x2"]
    assert fit.coef["x"] == near(glm("y ~ x", D, "poisson").coef["x"])  # wrong: .127
    assert fit.df_residual == 38


# ---------------------------------------------------------------- covariance, residuals, prediction


def test_classical_and_sandwich_errors():
    fit = glm("y ~ x + f", D, "poisson")
    assert values(fit.stderror()) == [near(0.168212420), near(0.161665154), near(0.252371976)]
    assert values(fit.stderror("HC0")) == pytest.approx([0.195000, 0.173096, 0.261203], abs=6e-7)
    gamma = glm("g ~ x", D, "gamma", link="log")
    assert values(gamma.stderror("HC0")) == pytest.approx([0.088489, 0.084326], abs=6e-7)


def test_residuals_with_prior_weights():
    fit = glm("g ~ x", D, "gamma", link="log", weights="w")
    found = {type: fit.residuals(type).iloc[0] for type in ("deviance", "pearson", "working", "response")}
    assert found == {
        "deviance": near(-0.583981),
        "pearson": near(-0.453558),
        "working": near(-0.556939),
        "response": near(-0.548536),
    }


def test_partial_residuals():
    fit = glm("y ~ x + f", D, "poisson")
    partial = fit.residuals("partial")
    assert list(partial.columns) == ["x", "f"]
    assert partial.attrs["constant"] == near(0.413137)
    terms = fit.predict(D, type="terms")
    assert values(terms.mean()) == pytest.approx([0.0, 0.0], abs=1e-12)
    np.testing.assert_allclose(partial["x"] - terms["x"], fit.residuals("working"), rtol=1e-10)


def test_errors_and_interval_of_a_prediction():
    fit = glm("y ~ x + f", D, "poisson")
    mean = fit.predict(D.head(1), se_fit=True, interval="confidence").iloc[0]
    assert mean["std_error"] == near(0.321458)
    assert (mean["conf_low"], mean["conf_high"]) == (near(0.834279), near(2.141564))
    assert fit.predict(D.head(1), type="link", se_fit=True).iloc[0]["std_error"] == near(0.240493)
