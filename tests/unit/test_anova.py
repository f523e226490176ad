"""Analysis of deviance against R's anova.glm, car's Anova and lmtest, and by identities."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glmstat import glm
from glmstat.errors import ArgumentError, ComparisonError, CovarianceWarning
from glmstat.fit import Fit
from glmstat.inference.deviance.anova import Anova, analysis, anova
from glmstat.inference.deviance.selection import add1, drop1

HERE = Path(__file__).parent
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
D["h"] = (["u", "v", "w"] * 14)[: len(D)]
TABLES = HERE.parent / "reference" / "data"
R = json.loads((HERE.parent / "reference" / "inference" / "anova.json").read_text().replace("x^2", "x ** 2"))
WOOL = pd.read_csv(TABLES / "warpbreaks.csv")
WOOL["tension"] = pd.Categorical(WOOL["tension"], ["L", "M", "H"])
BIRTHS = pd.read_csv(TABLES / "birthwt.csv")
BIRTHS["race"] = pd.Categorical(BIRTHS["race"], ["white", "black", "other"])
CASES = ["poisson", "gamma", "gaussian", "logit", "probit", "warpbreaks"]
ESTIMATED = ["gamma", "gaussian", "warpbreaks"]
DIGITS = 1e-9
COARSE = (
    2e-7  # R stops when the deviance stands still: what depends on coefficients alone has half its digits
)


@cache
def fitted(name: str, **words: Any) -> Fit:
    calls: dict[str, Any] = {
        "poisson": lambda: glm("y ~ x * f + h + offset(log(t))", D, "poisson", **words),
        "gamma": lambda: glm("g ~ x * f + h", D, "gamma", link="log", **words),
        "gaussian": lambda: glm("g ~ x + f * h", D, weights="w", **words),
        "logit": lambda: glm("cbind(s, 10 - s) ~ x + f + h", D, "binomial", **words),
        "probit": lambda: glm("low ~ age + lwt + race * smoke", BIRTHS, "binomial", link="probit", **words),
        "warpbreaks": lambda: glm("breaks ~ wool * tension", WOOL, "quasipoisson", **words),
        "no_intercept": lambda: glm("g ~ 0 + x + I(x^2)", D, "gamma", link="log", **words),
    }
    return calls[name]()


def near(value: Any, rel: float = DIGITS) -> Any:
    return pytest.approx(value, rel=rel, abs=1e-10)


def row(table: Anova, term: str) -> dict[str, Any]:
    place = table.index.index(term)
    return {name: values[place] for name, values in table.columns.items()}


def estimated(fit: Fit) -> bool:
    return fit.estimate.dispersion.estimated


# ---------------------------------------------------------------- against R


@pytest.mark.parametrize("name", [*CASES, "no_intercept"])
def test_sequential_is_that_of_r(name: str) -> None:
    fit, expected = fitted(name, compat="R"), R[name]["I"]
    table = analysis(fit)
    labels = list(expected["LRT"])
    assert table.index == ("null", *labels)
    assert row(table, "null")["resid_df"] == expected["null"]["resid_df"]
    assert row(table, "null")["resid_dev"] == near(expected["null"]["resid_dev"])
    for term, numbers in expected["LRT"].items():
        found = row(table, term)
        assert {key: found[key] for key in numbers} == near(numbers)
    assert ("statistic" in table.columns) == estimated(fit)


@pytest.mark.parametrize(
    ("name", "test"),
    # without an intercept R's score statistic is measured from the mean, which the model does not have
    [*((name, "F") for name in (*ESTIMATED, "no_intercept")), *((name, "Rao") for name in CASES)],
)
def test_sequential_f_and_score_are_those_of_r(name: str, test: str) -> None:
    table = analysis(fitted(name, compat="R"), test=test)
    for term, numbers in R[name]["I"][test].items():
        found = row(table, term)
        assert {key: found[key] for key in numbers} == near(numbers, COARSE)


@pytest.mark.parametrize(
    ("name", "test"), [*((name, "LRT") for name in CASES), *((name, "F") for name in ESTIMATED)]
)
@pytest.mark.parametrize("type", ["II", "III"])
def test_types_two_and_three_are_those_of_car(name: str, type: str, test: str) -> None:
    table = analysis(fitted(name, compat="R"), type, test=test)
    assert list(table.index) == list(R[name][type][test])
    for term, numbers in R[name][type][test].items():
        found = row(table, term)
        assert {key: found[key] for key in numbers} == near(numbers, 1e-8)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("type", ["II", "III"])
@pytest.mark.parametrize(("test", "vcov"), [("Wald", None), ("HC3", "HC3")])
def test_wald_tests_are_those_of_car(name: str, type: str, test: str, vcov: str | None) -> None:
    fit = fitted(name)
    table = analysis(fit, type, test="Wald", vcov=vcov)
    for term, numbers in R[name][type][test].items():
        found = row(table, term)
        assert found["df"] == numbers["df"]
        if estimated(fit):
            f = numbers["chi_squared"] / numbers["df"]
            assert found["statistic"] == near(f, COARSE)
            assert found["p_value"] == near(stats.f.sf(f, numbers["df"], fit.df_residual), COARSE)
        else:
            assert found["statistic"] == near(numbers["chi_squared"], COARSE)
            assert found["p_value"] == near(numbers["p_normal"], COARSE)


def test_several_fits_are_those_of_r() -> None:
    poisson = glm("y ~ x + offset(log(t))", D, "poisson")
    gamma = glm("g ~ x", D, "gamma", link="log")
    for small, large, expected in (
        (poisson, poisson.update(". ~ . + f + h"), R["compare"]["poisson"]),
        (gamma, gamma.update(". ~ . * f"), R["compare"]["gamma"]),
    ):
        lrt = row(anova(small, large, test="Chisq"), large.formula)
        assert (lrt["df"], lrt["deviance"]) == near((expected["LRT"]["df"], expected["LRT"]["deviance"]))
        assert lrt["p_value"] == near(expected["LRT"]["p_value"])
        likelihood = small.spec.likelihood
        link = likelihood.family.link.text
        given: dict[str, Any] = {"family": likelihood.family.name, "link": link, "compat": "R"}
        old = [glm(fit.formula, D, **given) for fit in (small, large)]
        assert anova(*old)["p_value"][1] == near(expected["LRT"]["p_value"])
        rao = row(anova(*old, test="Rao"), large.formula)
        assert (rao["statistic"], rao["p_value"]) == near(tuple(expected["Rao"].values()))
        df = lrt["df"]
        for vcov, words in ((None, "waldtest"), ("HC3", "waldtest_HC3")):
            wald = row(anova(small, large, test="Wald", vcov=vcov), large.formula)
            scale = df if estimated(large) else 1
            assert wald["statistic"] * scale == near(expected[words]["chi_squared"], 1e-8)
    assert row(anova(poisson, poisson.update(". ~ . + f + h")), "y ~ x + f + h + offset(log(t))")[
        "statistic"
    ] == near(R["compare"]["poisson"]["lrtest"]["chi_squared"])
    f = row(anova(gamma, gamma.update(". ~ . * f"), test="F"), "g ~ x + f + x:f")
    assert (f["statistic"], f["p_value"]) == near(tuple(R["compare"]["gamma"]["F"].values()))
    wald = row(anova(gamma, gamma.update(". ~ . * f"), test="Wald"), "g ~ x + f + x:f")
    assert (wald["statistic"], wald["p_value"]) == near(
        tuple(R["compare"]["gamma"]["waldtest_F"].values()), 1e-8
    )


def test_three_fits_share_the_dispersion_of_the_largest() -> None:
    first = glm("g ~ x", D, "gamma", link="log")
    fits = [first, first.update(". ~ . * f"), first.update(". ~ . * f + h")]
    table = anova(fits[2], fits[0], fits[1], test="F")
    assert table.index == tuple(fit.formula for fit in fits)
    assert "fits are ordered by their residual degrees of freedom" in table.notes
    for place, numbers in enumerate(R["compare"]["three"], start=1):
        assert {key: table[key][place] for key in numbers} == near(numbers)


def test_columns_decide_what_is_nested_not_names() -> None:
    small = glm("cbind(s, 10 - s) ~ poly(x, 2)", D, "binomial")
    large = glm("cbind(s, 10 - s) ~ x + I(x^2) + I(x^3) + f", D, "binomial")
    expected = R["compare"]["spaces"]
    lrt, rao = anova(small, large), anova(small, large, test="Rao")
    assert (lrt["df"][1], lrt["deviance"][1]) == near((expected["df"], expected["deviance"]))
    assert lrt["p_value"][1] == near(expected["p_value"])
    assert rao["statistic"][1] == near(expected["rao"])
    other = glm("cbind(s, 10 - s) ~ x + I(x^2)", D, "binomial")
    for test in ("LRT", "Rao", "Wald"):
        assert anova(other, large, test=test)["statistic"][1] == near(
            anova(small, large, test=test)["statistic"][1]
        )


def test_an_offset_may_hold_a_coefficient() -> None:
    held, free = glm("y ~ offset(x + log(t))", D, "poisson"), glm("y ~ x + offset(log(t))", D, "poisson")
    expected = R["compare"]["offset"]
    assert anova(held, free)["deviance"][1] == near(expected["deviance"])
    assert anova(held, free, test="Rao")["statistic"][1] == near(expected["rao"])
    assert anova(held, free, test="Wald")["statistic"][1] == near(expected["wald"], 1e-8)
    assert not any("offset" in line for line in anova(held, free).notes)


# ---------------------------------------------------------------- numbers of the check data


def test_one_hypothesis_has_three_statistics() -> None:
    fit = glm("y ~ x + f", D, "poisson")
    found = {test: row(analysis(fit, "II", test=test), "f")["statistic"] for test in ("Rao", "LRT", "Wald")}
    assert found == pytest.approx({"Rao": 7.238062, "LRT": 7.483784, "Wald": 6.98768}, rel=1e-5)
    assert row(analysis(fit, "II"), "f")["p_value"] == pytest.approx(0.0062, abs=5e-5)
    rate = glm("y ~ x + f + offset(log(t))", D, "poisson")
    assert row(analysis(rate, test="Rao"), "f")["statistic"] == pytest.approx(3.6071642, rel=1e-8)
    assert row(analysis(rate), "f")["deviance"] == pytest.approx(3.7328928, rel=1e-8)


def test_type_three_within_an_interaction_is_not_type_two() -> None:
    fit = glm("y ~ x * f", D, "poisson")
    assert row(analysis(fit, "III"), "f")["statistic"] == pytest.approx(2.463, abs=5e-4)
    assert row(analysis(fit, "II"), "f")["statistic"] == pytest.approx(7.484, abs=5e-4)


def test_dispersion_is_pearson_and_the_statistic_is_scaled() -> None:
    fit = glm("g ~ x", D, "gamma", link="log")
    for table in (analysis(fit, test="F"), analysis(fit), analysis(fit, "II")):
        assert row(table, "x")["statistic"] == pytest.approx(18.8285, rel=1e-5)
        assert row(table, "x")["deviance"] == pytest.approx(18.8285 * 0.340386, rel=1e-5)
        assert "dispersion 0.3404 (Pearson)" in table.notes[0]


# ---------------------------------------------------------------- identities


def codings(**contrasts: Any) -> Fit:
    return glm("g ~ x * f + f * h", D, "gamma", link="log", contrasts=contrasts or None)


@pytest.mark.parametrize("test", ["LRT", "F", "Rao", "Wald"])
def test_type_three_does_not_depend_on_coding(test: str) -> None:
    plain = analysis(codings(), "III", test=test)
    own = [[1.0, 0.0], [1.0, 2.0], [0.5, -1.0]]
    for fit in (
        codings(f="sum", h="helmert"),
        codings(h="sdif"),
        codings(h=own),
        glm("g ~ x * C(f, Treatment('b')) + C(f, Treatment('b')) * h", D, "gamma", link="log"),
        glm("g ~ 0 + x * f + f * h", D, "gamma", link="log"),
    ):
        table = analysis(fit, "III", test=test)
        skipped = 1 if fit.formula.startswith("g ~ 0") else 0  # without an intercept f means its levels
        for other, mine in zip(table.index, plain.index, strict=True):
            if skipped and mine == "f":
                continue
            assert row(table, other)["statistic"] == near(row(plain, mine)["statistic"], 1e-7)


def test_a_basis_inside_an_interaction_is_recoded_too() -> None:
    one = analysis(glm("g ~ poly(x, 2) * h", D), "III")
    two = analysis(glm("g ~ poly(x, 2) * h", D, contrasts={"h": "sum"}), "III")
    assert one["statistic"] == near(two["statistic"], 1e-8)
    assert any(line.startswith("h: recoded to sum contrasts") for line in one.notes)
    assert not any("recoded" in line for line in two.notes)


@pytest.mark.parametrize("type", ["I", "II", "III"])
@pytest.mark.parametrize("test", ["LRT", "F", "Rao", "Wald"])
def test_frequencies_are_expanded_rows(type: str, test: str) -> None:
    counts = np.array([1, 2, 3, 1] * 10)
    table = D.assign(n=counts)
    words: dict[str, Any] = {"family": "gamma", "link": "log"}
    weighted = analysis(glm("g ~ x * f + h", table, freq_weights="n", **words), type, test=test)
    expanded = analysis(glm("g ~ x * f + h", table.loc[table.index.repeat(counts)], **words), type, test=test)
    for name in weighted.columns:
        assert [v or 0 for v in weighted[name]] == near([v or 0 for v in expanded[name]], 1e-8)


def test_linear_models_have_the_f_of_least_squares() -> None:
    fit = glm("g ~ x + f", D)
    table, wald = analysis(fit, test="F"), analysis(fit, "II", test="Wald")
    assert row(table, "f")["statistic"] == near(row(wald, "f")["statistic"])
    assert row(table, "f")["p_value"] == near(float(fit.summary().to_frame().loc["f[T.b]", "p_value"]))


def test_all_types_agree_without_interactions_for_the_last_term() -> None:
    for test in ("LRT", "Rao", "Wald"):
        name = "deviance" if test == "LRT" else "statistic"
        found = [row(analysis(fitted("logit"), type, test=test), "h")[name] for type in ("I", "II", "III")]
        assert found == near([found[0]] * 3)


def test_sequential_wald_adds_up() -> None:
    fit = fitted("logit")
    table = analysis(fit, test="Wald")
    assert sum(table["statistic"]) == near(anova(fit.update(". ~ 1"), fit, test="Wald")["statistic"][1])


def test_a_term_without_new_columns_has_no_test() -> None:
    fit = glm("g ~ x + I(2 * x) + f", D)
    for test in ("LRT", "F", "Rao", "Wald"):
        found = analysis(fit, "II", test=test)
        assert row(found, "x")["df"] == 0
        assert np.isnan(row(found, "x")["p_value"])
        assert row(found, "f")["statistic"] == near(
            row(analysis(glm("g ~ x + f", D), "II", test=test), "f")["statistic"]
        )
        assert row(analysis(fit, "I", test=test), "x")["df"] == 1


def test_infinite_coefficients_keep_their_likelihood_ratio() -> None:
    data = {"y": [0, 0, 0, 1, 1, 0, 1, 1], "g": list("aaabbbcc"), "x": [1, 2, 3, 1, 2, 3, 1, 3]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = glm("y ~ x + g", data, "binomial")
    table = analysis(fit)
    assert row(table, "g")["df"] == 2
    assert row(table, "g")["deviance"] == near(glm("y ~ x", data, "binomial").deviance - fit.deviance, 1e-8)
    assert np.isfinite(row(analysis(fit, "II", test="Rao"), "g")["statistic"])
    wald = analysis(fit, "II", test="Wald")
    assert np.isnan(row(wald, "g")["statistic"])
    assert any("infinite" in line for line in wald.notes)


def test_without_an_intercept_a_factor_is_dropped_as_a_term() -> None:
    fit, smaller = glm("g ~ 0 + f + h", D), glm("g ~ 0 + h", D)
    found = row(analysis(fit, "II"), "f")
    assert (found["df"], found["deviance"]) == near((1, smaller.deviance - fit.deviance))


def test_large_frames_give_the_same_table() -> None:
    long = pd.concat([D] * 700, ignore_index=True)
    long["k"] = np.arange(len(long)) % 97 - 48.0
    wide = {f"z{i}": np.sin(long.index * (i + 1.0)) for i in range(80)}
    long = long.assign(**wide)
    terms = " + ".join(wide)
    large = glm(f"y ~ x + f + k + {terms}", long, "poisson")
    small = glm(f"y ~ x + k + {terms}", long, "poisson")
    assert large.frame is not None and large.frame.large
    found = anova(small, large)
    assert found["deviance"][1] == near(small.deviance - large.deviance)
    assert anova(small, large, test="Rao")["statistic"][1] > 0
    assert anova(small, large, test="Wald")["df"][1] == 1


# ---------------------------------------------------------------- print


def test_prints_as_planned() -> None:
    text = str(analysis(glm("y ~ x + f + offset(log(t))", D, "poisson")))
    assert text.splitlines()[0].startswith("Analysis of deviance, sequential")
    assert text.splitlines()[0].endswith("Poisson, log link · 40 rows")
    assert text.splitlines()[2:6] == [
        "      df  deviance  resid_df  resid_dev  p_value",
        "null                      39      60.81",
        "x      1     20.83        38      39.98  5.0e-06",
        "f      1      3.73        37      36.25    0.053",
    ]
    assert "likelihood ratio, chi-squared · dispersion 1 (fixed)" in text
    assert "offset log(t) in every model" in text
    assert max(map(len, text.splitlines())) <= 80


def test_foot_names_weights_and_covariance() -> None:
    fit = glm("g ~ x + f", D, weights="w")
    assert any("prior weights w" in line for line in analysis(fit).notes)
    robust = analysis(fit, test="Wald", vcov="HC3")
    assert any("robust Wald" in line for line in robust.notes)
    assert any(line.startswith("vcov: HC3") for line in robust.notes)
    assert any("vcov HC3 is not used" in line for line in analysis(fit, vcov="HC3").notes)


def test_arrays_are_named_as_such() -> None:
    fit = glm("g ~ x + f", D, offset=np.ones(len(D)), weights=D["w"].to_numpy())
    assert analysis(fit).notes[0].endswith("offset (array) in every model · prior weights (array)")


def test_denominators_of_their_own_have_a_column() -> None:
    data = D.assign(firm=np.repeat(np.arange(8), 5))
    table = analysis(glm("y ~ x * f + h", data, "poisson"), "II", test="Wald", vcov="CR2 ~ firm")
    assert len(set(table["df_denominator"])) == 4
    assert any("F(df, df_denominator)" in line for line in table.notes)


def test_contrasts_that_span_less_are_kept() -> None:
    fit = glm("g ~ h * x", D, contrasts={"h": [[1.0], [0.0], [-1.0]]})
    table = analysis(fit, "III")
    assert row(table, "h")["df"] == 1
    assert not any("recoded" in line for line in table.notes)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        ({"type": "IV"}, ArgumentError, "Unknown type: 'IV'. Known: I, II, III."),
        ({"test": "Welch"}, ArgumentError, "Unknown test: 'Welch'"),
        ({"test": "F"}, ArgumentError, "needs an estimated dispersion: dispersion 1"),
    ],
)
def test_words_that_do_not_exist(words: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        analysis(glm("y ~ x", D, "poisson"), **words)


def test_synonyms() -> None:
    assert analysis(fitted("gamma"), "3")["p_value"] == analysis(fitted("gamma"), "III")["p_value"]
    fit = glm("y ~ x", D, "poisson")
    assert analysis(fit, test="Chisq").test == analysis(fit, test="LRT").test == "LRT"
    assert analysis(fit, test="score")["p_value"] == analysis(fit, test="Rao")["p_value"]


def test_type_three_needs_every_cell() -> None:
    empty = pd.read_csv(TABLES / "empty_cell.csv")
    fit = glm("y ~ f * h", empty, "poisson")
    with pytest.raises(ComparisonError, match=r"need every coefficient: f\[T.c\]:h\[T.v\]: no observation"):
        analysis(fit, "III")
    assert row(analysis(fit, "II"), "f:h")["df"] == 1


def test_sampling_weights_leave_wald() -> None:
    fit = glm("y ~ x + f", D, "poisson", sampling_weights="w")
    for test in ("LRT", "Rao"):
        with pytest.raises(ComparisonError, match="not defined with sampling weights"):
            analysis(fit, test=test)
    assert row(analysis(fit, test="Wald"), "f")["df"] == 1


def test_fewer_clusters_than_restrictions() -> None:
    data = D.assign(firm=np.repeat(["a", "b"], 20))
    fit = glm("y ~ h + x", data, "poisson")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = analysis(fit, "II", test="Wald", vcov="~firm")
    assert np.isnan(row(table, "h")["statistic"])
    assert np.isfinite(row(table, "x")["statistic"])
    assert any("covariance of the restrictions is singular" in line for line in table.notes)


def test_what_is_not_a_fit() -> None:
    with pytest.raises(ArgumentError, match="anova compares fits: got str"):
        anova(glm("y ~ x", D, "poisson"), "y ~ x + f")  # pyright: ignore[reportArgumentType]
    assert anova(glm("y ~ x", D, "poisson")).type == "I"


def test_perfect_fits_have_no_test() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = glm("y ~ x", {"y": [1.0, 2, 3, 4], "x": [1.0, 2, 3, 4]})
    assert np.isnan(row(analysis(fit), "x")["statistic"])
    assert any("no residual variation" in line for line in analysis(fit).notes)


# ---------------------------------------------------------------- separation


DISTANT = D.assign(
    b=np.where(D["h"] == "w", 1, D["y"] > 1).astype(int),
    n=np.where(D["h"] == "w", 0, D["y"]),
    z=np.cos(np.arange(len(D))),
    c=(D["x"] > 0.1).astype(int),
)


@cache
def separated(name: str) -> Fit:
    formula, family = {
        "binomial": ("b ~ x * f + h", "binomial"),
        "poisson": ("n ~ h + x", "poisson"),
        "whole": ("c ~ x", "binomial"),
    }[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return glm(formula, DISTANT, family)


@pytest.mark.parametrize("name", ["binomial", "poisson"])
@pytest.mark.parametrize("type", ["I", "II"])
def test_scores_of_separated_fits_are_those_of_r(name: str, type: str) -> None:
    fit, expected = separated(name), R["separated"][name][type]
    assert fit.status == "separated"
    table = analysis(fit, type, test="Rao")
    for term, statistic in expected.items():
        assert row(table, term)["statistic"] == near(statistic, 1e-8)
    assert not any("no statistic" in line for line in table.notes)


@pytest.mark.parametrize("name", ["binomial", "poisson"])
def test_scores_within_a_separated_fit_are_those_of_r(name: str) -> None:
    fit, expected = separated(name), R["separated"][name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        larger = fit.update(". ~ . + z")
    added = row(add1(fit, ". + z", test="Rao"), "z")
    assert (added["df"], added["statistic"]) == (1, near(expected["add"]["z"], 1e-8))
    both = row(anova(fit, larger, test="Rao"), larger.formula)
    assert (both["df"], both["statistic"]) == (1, near(expected["pair"], 1e-8))
    assert larger.test("z = 0", method="score").tests[0].statistic == near(both["statistic"], 1e-8)
    for term, found in zip(*(drop1(fit, test="Rao")[word][1:] for word in ("statistic", "df")), strict=True):
        assert np.isfinite(term) and found > 0


@pytest.mark.parametrize("type", ["I", "II", "III"])
def test_scores_of_completely_separated_fits(type: str) -> None:
    assert row(analysis(separated("whole"), type, test="Rao"), "x")["statistic"] == near(
        R["separated"]["whole"], 1e-8
    )


def test_a_column_that_only_rows_at_infinity_could_tell_says_nothing() -> None:
    found = row(add1(separated("poisson"), ". + I(z * (h == 'w'))", test="Rao"), "I(z * (h == 'w'))")
    assert found["df"] == 1
    assert found["statistic"] == pytest.approx(0, abs=1e-12)


# ---------------------------------------------------------------- distributions


def test_an_estimated_dispersion_means_f() -> None:
    fit, old = fitted("gamma"), fitted("gamma", compat="R")
    for type in ("I", "II", "III"):
        lrt, f, chi = (analysis(fit, type, test=test) for test in ("LRT", "F", "Chisq"))
        assert lrt["p_value"] == f["p_value"]
        assert lrt["statistic"] == f["statistic"]
        assert chi["p_value"] == analysis(old, type)["p_value"] != lrt["p_value"]
        assert f"likelihood ratio, F(df, {fit.df_residual})" in lrt.notes[0]
        assert "likelihood ratio, chi-squared" in chi.notes[0]
    one = fit.test("h[T.v] = 0, h[T.w] = 0", method="lr").tests[0]
    assert (one.statistic, one.p_value) == near(
        tuple(row(analysis(fit, "II"), "h")[key] for key in ("statistic", "p_value"))
    )
    score = fit.test("h[T.v] = 0, h[T.w] = 0", method="score").tests[0]
    table = analysis(fit, "II", test="Rao")
    assert (score.statistic, score.p_value) == near(
        tuple(row(table, "h")[key] for key in ("statistic", "p_value"))
    )
    assert "score (Rao), F(df," in table.notes[0]
    assert "score (Rao), chi-squared" in analysis(old, "II", test="Rao").notes[0]


def test_fits_of_an_estimated_dispersion_are_compared_by_f() -> None:
    small, large = glm("g ~ x", D), glm("g ~ x + f", D)
    assert anova(small, large)["p_value"][1] == near(
        float(large.summary().to_frame().loc["f[T.b]", "p_value"])
    )
    assert anova(small, large, test="Chisq")["p_value"][1] != anova(small, large)["p_value"][1]


# ---------------------------------------------------------------- what is said


def test_wald_tests_of_fits_with_different_covariances() -> None:
    small, large = glm("y ~ x", D, "poisson"), glm("y ~ x + f", D, "poisson")
    with pytest.raises(ComparisonError, match=r"different covariances: HC3 and classical\. Give vcov=\."):
        anova(small.with_vcov("HC3"), large, test="Wald")
    clustered = [small.with_vcov("CR2 ~ s"), large.with_vcov("CR2 ~ t")]
    with pytest.raises(ComparisonError, match=r"different covariances: CR2 of different clusters or choices"):
        anova(*clustered, test="Wald")
    one = anova(small.with_vcov("HC3"), large, test="Wald", vcov="HC3")
    assert one["p_value"] == anova(small, large, test="Wald", vcov="HC3")["p_value"]
    assert anova(small.with_vcov("HC3"), large)["df"][1] == 1


@pytest.mark.parametrize("type", ["I", "II", "III"])
def test_nothing_to_test_is_said(type: str) -> None:
    assert "no terms to test" in analysis(glm("y ~ 1", D, "poisson"), type).notes


@pytest.mark.parametrize("test", ["LRT", "Rao", "Wald"])
def test_selected_terms_are_marked(test: str) -> None:
    fit = glm("y ~ x + f + h", D, "poisson").step().fit
    text = "terms were selected by AIC: p-values and intervals ignore that"
    for table in (
        *(analysis(fit, type, test=test) for type in ("I", "II", "III")),
        anova(glm("y ~ 1", D, "poisson"), fit, test=test),
        fit.drop1(test=test),
        fit.add1(". + w", test=test),
    ):
        assert table.notes.count(text) == 1


def test_a_mean_at_its_bound_has_no_score() -> None:
    data = {"y": [0, 0, 1, 1, 3, 4], "x": [0.0, 0, 1, 1, 2, 2], "z": [0.0, 1, 0, 1, 0, 1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = glm("y ~ x + z", data, "poisson", link="identity")
        table = analysis(fit, test="Rao")
    assert fit.status == "boundary"
    assert np.isnan(row(table, "z")["statistic"])
    assert any("lies at its bound" in line for line in table.notes)


def test_wald_is_not_printed_for_a_fit_on_the_boundary() -> None:
    data = {"x": [0, 1, 2, 3], "n": [10] * 4, "s": [2, 4, 7, 10]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit, null = (glm(f"cbind(s, n - s) ~ {part}", data, "binomial", link="log") for part in "x1")
        tables = [
            *(analysis(fit, type, test="Wald") for type in ("I", "II", "III")),
            fit.drop1(test="Wald"),
            anova(fit, null, test="Wald"),
            null.add1(". + x", test="Wald"),
        ]
    assert fit.status == "boundary"
    for table in tables:
        assert table["df"][-1] == 1
        assert np.isnan([table["statistic"][-1], table["p_value"][-1]]).all()
        text = 'no statistic, mean at its bound in row 3 (1 row), where Wald is not valid: use test="LRT"'
        assert text in table.notes


def test_wald_without_a_covariance_says_why_there_is_none() -> None:
    data = {"y": [1, 2, 3, 5, 9, 4], "x": [0, 1, 2, 3, 4, 2], "one": [1] * 6}
    with pytest.warns(CovarianceWarning):
        fit = glm("y ~ x", data, "poisson", vcov="~one")
    for table in (*(analysis(fit, type, test="Wald") for type in ("I", "II", "III")), fit.drop1(test="Wald")):
        assert np.isnan(table["statistic"][-1])
        assert any("no standard errors: Clusters must be two or more" in line for line in table.notes)
        assert not any("singular" in line for line in table.notes)
