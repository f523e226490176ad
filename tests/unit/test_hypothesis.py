"""Wald, likelihood-ratio, score and Rao–Scott tests: R's numbers, laws, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import (
    ArgumentError,
    BoundaryWarning,
    ComparisonError,
    CovarianceWarning,
    SeparationWarning,
)
from glmstat.fit import Covariance, Fit

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "hypothesis.json").read_text())
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
D["g8"] = np.tile(np.arange(1, 9), 5)
B = pd.read_csv(HERE.parent / "reference" / "data" / "birthwt.csv")
B["race"] = pd.Categorical(B["race"], ["white", "black", "other"])
S = pd.read_csv(HERE.parent / "reference" / "inference" / "hypothesis_survey.csv")

POISSON = glm("y ~ x + f", D, "poisson")
GAMMA = glm("g ~ x + f", D, "gamma", link="log")
LOGIT = glm("low ~ age + lwt + race + smoke", B, "binomial")


def near(value: float, rel: float = 1e-9) -> Any:
    return pytest.approx(value, rel=rel)


def numbers(fit: Fit, text: str, method: str = "wald", **words: Any) -> tuple[float, float]:
    """Statistic and p-value."""
    row = fit.test(text, method=method, **words)
    assert len(row) == 1
    return row["statistic"][0], row["p_value"][0]


few_clusters = pytest.mark.filterwarnings("ignore::glmstat.errors.FewClustersWarning")


# ---------------------------------------------------------------- R's numbers


@pytest.mark.parametrize(
    ("fit", "text", "expected"),
    [
        (POISSON, "f[T.b] = 0", R["poisson"]["f"]),
        (POISSON, "x = 0.5", R["poisson"]["x_half"]),
        (POISSON, "x = 0.5, f[T.b] = 0", R["poisson"]["joint"]),
        (POISSON, "x = f[T.b]", R["poisson"]["equal"]),
        (LOGIT, "race[T.black] = race[T.other]", R["birthwt"]["equal"]),
        (LOGIT, "race", R["birthwt"]["race"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_hypothesis_by_three_tests(fit, text, expected):
    single = expected["df"] == 1
    wald, p = numbers(fit, text)
    assert wald ** (2 if single else 1) == near(expected["wald"]["statistic"])
    assert p == near(expected["wald"]["p"])
    assert numbers(fit, text, "lr") == (near(expected["lr"]), near(expected["lr_p"]))
    assert numbers(fit, text, "score") == (near(expected["score"]), near(expected["score_p"]))
    assert fit.test(text, method="lr")["df"] == [expected["df"]]


def test_three_numbers_for_one_hypothesis():
    tests = POISSON.test("f", method="all")
    assert tests.index == ("Wald", "likelihood ratio", "score (Rao)", "robust Wald")
    found = [tests["statistic"][0] ** 2, *tests["statistic"][1:3]]
    assert found == [near(6.98768, 1e-5), near(7.483784, 1e-6), near(7.238062, 2e-6)]


def test_lrtest_and_waldtest():
    assert numbers(LOGIT, "race", "lr")[0] == near(R["birthwt"]["race"]["lrtest"]["statistic"])
    assert numbers(LOGIT, "race")[0] == near(R["birthwt"]["race"]["waldtest"]["statistic"])


def test_three_restrictions():
    expected = R["birthwt"]["three"]
    text = "age = 0, smoke = 1, race[T.black] - race[T.other] = 0.2"
    assert numbers(LOGIT, text) == (near(expected["statistic"]), near(expected["p"]))


def test_a_combination_has_estimate_and_interval():
    expected = R["poisson"]["combination"]
    row = POISSON.test("2*x - f[T.b]")
    assert [row[name][0] for name in ("estimate", "std_error", "statistic")] == [
        near(expected[name]) for name in ("estimate", "std_error", "statistic")
    ]
    # multcomp integrates its p-values numerically
    assert row["p_value"][0] == pytest.approx(expected["p"], rel=1e-6)
    half = 1.959963984540054 * expected["std_error"]
    assert (row["conf_low"][0], row["conf_high"][0]) == (
        near(expected["estimate"] - half),
        near(expected["estimate"] + half),
    )


def test_estimated_dispersion_gives_f_and_t():
    expected = R["gamma"]["joint"]
    text = "x = 0.5, f[T.b] = 0"
    wald, lr, score = (GAMMA.test(text, method=method).tests[0] for method in ("wald", "lr", "score"))
    assert (wald.statistic, wald.p_value) == (
        near(expected["wald_F"]["statistic"]),
        near(expected["wald_F"]["p"]),
    )
    assert (lr.statistic, lr.p_value) == (near(expected["lr"]), near(expected["lr_p"]))
    assert score.statistic == near(expected["score"] / 2)
    assert {wald.reference, lr.reference, score.reference} == {"F(2, 37)"}
    t = R["gamma"]["f"]["t"]
    row = GAMMA.test("f").tests[0]
    assert (row.statistic, row.p_value, row.reference) == (near(t["t value"]), near(t["Pr(>|t|)"]), "t(37)")


def test_score_p_values_of_r_are_chi_squared():
    by_r = GAMMA.test("f", method="score").tests[0]
    assert by_r.reference == "F(1, 37)"
    fit = glm("g ~ x + f", D, "gamma", link="log", compat="R")
    for text, expected in (
        ("x = 0.5, f[T.b] = 0", R["gamma"]["joint"]),
        ("f", R["gamma"]["f"]),
    ):
        assert numbers(fit, text, "score") == (near(expected["score"]), near(expected["score_p"]))


def test_the_f_test_divides_by_pearsons_dispersion():
    fit = glm("g ~ x", D, "gamma", link="log")
    assert numbers(fit, "x", "lr") == (
        near(18.8285, 1e-5),
        near(R["gamma"]["x_only"]["lr_p"]),
    )  # drop1: 13.788


def test_gaussian_tests_are_all_the_f_test():
    fit = glm("g ~ x + f + t", D)
    found = [numbers(fit, "f, t = 0.1", method) for method in ("wald", "lr", "score")]
    assert found[1] == (near(found[0][0]), near(found[0][1]))
    assert found[2] == (near(found[0][0]), near(found[0][1]))


@pytest.mark.parametrize("kind", ["HC0", "HC3"])
def test_robust_wald(kind):
    row = POISSON.test("f", vcov=kind).tests[0]
    assert (row.statistic**2, row.p_value) == (
        near(R["poisson"]["f"][kind]["statistic"]),
        near(R["poisson"]["f"][kind]["p"]),
    )
    assert row.name == "robust Wald"
    joint = R["birthwt"]["race"]["HC3"]
    assert numbers(LOGIT, "race", "robust wald", vcov="HC3") == (near(joint["statistic"]), near(joint["p"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f", R["poisson"]["f"]["robust_score"]),
        ("x = 0.5", R["poisson"]["x_half"]["robust_score"]),
        ("x = 0.5, f", R["poisson"]["joint"]["robust_score"]),
    ],
)
def test_robust_score(text, expected):
    for method in ("score", "robust score"):
        assert numbers(POISSON, text, method, vcov="HC0") == (
            near(expected["statistic"]),
            near(expected["p"]),
        )


@few_clusters
def test_robust_score_with_clusters():
    expected = R["poisson"]["joint"]["clusters"]
    found = numbers(POISSON, "x = 0.5, f", "robust score", vcov=Covariance("CR0", cluster="g8"))
    assert found == (near(expected["statistic"]), near(expected["p"]))


# ---------------------------------------------------------------- working likelihoods


def test_rao_scott_under_a_sandwich():
    expected = R["rao_scott_HC0"]
    row = LOGIT.test("race", method="rao-scott", vcov="HC0").tests[0]
    assert (row.statistic, row.df, row.p_value) == (
        near(expected["statistic"]),
        near(expected["df"]),
        near(expected["p"]),
    )


def test_rao_scott_and_robust_score_under_sampling_weights():
    expected = R["survey"]["HC0"]
    fit = glm("y ~ x + f", S, "poisson", sampling_weights="w", vcov="HC0")
    row = fit.test("f", method="rao-scott").tests[0]
    assert (row.statistic, row.df, row.p_value) == (
        near(expected["statistic"]),
        near(expected["df"]),
        near(expected["p"]),
    )
    score = expected["robust_score"]
    assert numbers(fit, "f", "robust score") == (near(score["statistic"]), near(score["p"]))


@pytest.mark.parametrize(("design", "words"), [("rows", {}), ("psu", {"cluster": "psu"})])
def test_rao_scott_of_a_survey(design, words):
    from scipy.stats import f as f_law

    expected = R["survey"][design]
    fit = glm("y ~ x + f", S, "poisson", sampling_weights="w", vcov=Covariance("survey", **words))
    row = fit.test("f", method="rao-scott").tests[0]
    weights = np.array(expected["satterthwaite"]["lambda"])
    df = weights.sum() ** 2 / (weights**2).sum()
    statistic = expected["satterthwaite"]["chisq"] / weights.sum()
    assert (row.statistic, row.df) == (near(statistic, 1e-8), near(df, 1e-8))
    # survey takes its degrees of freedom less the coefficients beside the intercept
    residual = float(row.reference.split(", ")[1].rstrip(")"))
    assert f_law.sf(statistic, df, expected["satterthwaite"]["ddf"]) == near(expected["satterthwaite"]["p"])
    assert row.p_value == near(float(f_law.sf(statistic, df, residual)), 1e-8)
    wald = fit.test("f").tests[0]
    assert wald.statistic == near(expected["wald"]["F"], 1e-8)


def test_rao_scott_of_one_restriction_is_the_likelihood_ratio_over_its_weight():
    fit = POISSON.with_vcov("HC0")
    ratio = (fit.stderror()["x"] / fit.stderror("classical")["x"]) ** 2
    assert numbers(fit, "x", "rao-scott")[0] == near(numbers(POISSON, "x", "lr")[0] / ratio)


def test_likelihoods_are_refused_under_sampling_weights():
    fit = glm("y ~ x + f", S, "poisson", sampling_weights="w")
    for method in ("lr", "score"):
        with pytest.raises(ComparisonError, match=r'sampling weights.*method="wald" or "rao-scott"'):
            fit.test("f", method=method)
        with pytest.raises(ComparisonError, match="sampling weights"):
            fit.test(["f", "x"], method=method)
    tests = fit.test("f", method="all")
    assert tests.index == ("likelihood ratio", "score (Rao)", "robust Wald", "robust score", "Rao–Scott")
    assert [math.isnan(value) for value in tests["statistic"]] == [True, True, False, False, False]
    assert "sampling weights" in tests.tests[0].note


def test_likelihoods_carry_a_note_under_a_sandwich():
    for method, name in (("lr", "likelihood ratio"), ("all", "likelihood ratio"), ("all", "score (Rao)")):
        tests = POISSON.test("f", method=method, vcov="HC3")
        row = next(row for row in tests.tests if row.name == name)
        assert row.note == f"{name} assumes the model's variance; vcov HC3 is not used"
        assert row.note in " ".join(str(tests).split())
    tests = POISSON.test("f", method="all", vcov="HC3")
    assert tests["statistic"][0] == near(POISSON.test("f")["statistic"][0])
    assert "vcov of Wald: classical (expected information)" in str(tests)


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("method", ["wald", "lr", "score"])
def test_a_hypothesis_does_not_depend_on_how_it_is_written(method):
    one = numbers(LOGIT, "race[T.black] = 0.2, race[T.other] = 0.1", method)
    other = numbers(
        LOGIT, "race[T.black] - race[T.other] = 0.1; 3*race[T.other] = 0.3, race[T.black] = 0.2", method
    )
    assert other == (near(one[0]), near(one[1]))
    matrix = np.zeros((2, 6))
    matrix[0, 3:5], matrix[1, 3] = 1, 5
    assert numbers(LOGIT, (matrix, [0.3, 1.0]), method) == (near(one[0]), near(one[1]))  # type: ignore[arg-type]


@few_clusters
@pytest.mark.parametrize("words", [{}, {"vcov": "HC0"}, {"vcov": "HC3"}, {"vcov": "~g8"}])
def test_frequencies_are_repeated_rows(words):
    frequency = np.arange(len(D)) % 3 + 1
    long = D.loc[D.index.repeat(frequency)].reset_index(drop=True)
    for family, response in (("poisson", "y"), ("gamma", "g")):
        few = glm(f"{response} ~ x + f", D.assign(k=frequency), family, link="log", freq_weights="k")
        many = glm(f"{response} ~ x + f", long, family, link="log")
        for text in ("f", "x = 0.5, f = 0", "x / f[T.b]"):
            left, right = few.test(text, method="all", **words), many.test(text, method="all", **words)
            np.testing.assert_allclose(left["statistic"], right["statistic"], rtol=1e-7)
            np.testing.assert_allclose(left["p_value"], right["p_value"], rtol=1e-6)


def test_the_restricted_estimate_is_tested_at_no_distance():
    coef = float(POISSON.coef["x"])
    for method in ("wald", "lr", "score"):
        statistic, p = numbers(POISSON, f"x = {coef!r}", method)
        assert statistic == pytest.approx(0, abs=1e-6) and p == pytest.approx(1, abs=1e-3)


def test_the_intercept_can_be_restricted():
    reduced = glm("y ~ 0 + x", D, "poisson")
    fit = glm("y ~ x", D, "poisson")
    assert numbers(fit, "Intercept", "lr")[0] == near(reduced.deviance - fit.deviance)


def test_all_coefficients_can_be_restricted():
    text = "Intercept = 0.1, x = 0.2, f[T.b] = 0.3"
    lr, _ = numbers(POISSON, text, "lr")
    mu = np.exp(0.1 + 0.2 * D["x"] + 0.3 * (D["f"] == "b"))
    safe = np.where(D["y"] > 0, D["y"], 1)
    deviance = 2 * float(np.sum(np.where(D["y"] > 0, D["y"] * np.log(safe / mu), 0) - (D["y"] - mu)))
    assert lr == near(deviance - POISSON.deviance)
    assert np.isfinite(numbers(POISSON, text, "score")).all()


def test_offset_and_weights_stay():
    fit = glm("y ~ x + f + offset(log(t))", D, "poisson", weights="w")
    reduced = fit.update("y ~ x + offset(log(t))")
    assert numbers(fit, "f", "lr")[0] == near(reduced.deviance - fit.deviance)


@few_clusters
def test_joint_tests_use_the_degrees_of_freedom_of_clusters():
    row = POISSON.test("x = 0.5, f", vcov="~g8").tests[0]
    assert row.reference == "F(2, 7)"
    assert POISSON.test("x", vcov="~g8").tests[0].reference == "t(7)"


@few_clusters
def test_degrees_of_freedom_of_each_row():
    tests = POISSON.test(["x", "f", "x = f[T.b]"], vcov="CR2 ~ g8")
    found = [float(text.removeprefix("t, Satterthwaite df ")) for text in tests["reference"]]
    assert f"reference: t, Satterthwaite df {min(found):g} to {max(found):g}" in str(tests)
    for text, p_value in zip(tests.index, tests["p_value"], strict=True):
        assert numbers(POISSON, text, vcov="CR2 ~ g8")[1] == p_value


# ---------------------------------------------------------------- infinite and aliased


def separated() -> Fit:
    with pytest.warns(SeparationWarning):
        return glm("r ~ x + f", D.assign(r=np.where(D["f"] == "a", 0, D["s"] > 5)), "binomial")


def test_infinite_coefficients_have_a_likelihood_ratio():
    fit = separated()
    with pytest.raises(ComparisonError, match=r'Wald is not defined: f\[T.b\] is infinite. Use method="lr"'):
        fit.test("f")
    with pytest.raises(ComparisonError, match="infinite"):
        fit.test("exp(f[T.b])")
    reduced = fit.update("r ~ x")
    assert numbers(fit, "f", "lr")[0] == near(reduced.deviance - fit.deviance)
    tests = fit.test("f", method="all")
    assert [math.isnan(value) for value in tests["statistic"]] == [True, False, False, True]
    assert np.isfinite(fit.test("x")["statistic"]).all()
    rows = fit.test(["x", "f"])
    assert math.isnan(rows["statistic"][1]) and "infinite" in rows.tests[1].note


def test_the_score_test_does_not_need_the_infinite_estimate():
    fit = separated()
    reduced = fit.update("r ~ x")
    x, b = D["x"].to_numpy(), (D["f"] == "b").to_numpy(dtype=float)
    mu, y = reduced.fitted.to_numpy(), np.where(D["f"] == "a", 0, D["s"] > 5)
    X = np.column_stack([np.ones(len(D)), x, b])
    U, J = X.T @ (y - mu), (X * (mu * (1 - mu))[:, None]).T @ X
    assert numbers(fit, "f", "score")[0] == near(float(U @ np.linalg.solve(J, U)))


@few_clusters
def test_more_restrictions_than_clusters():
    with pytest.raises(ComparisonError, match="has rank 1"):
        POISSON.test("x, f", vcov=Covariance("CR0", cluster=(D.index.to_numpy() % 2,)))


def test_a_perfect_fit_has_no_tests():
    data = {"y": [1.0, 2.0, 3.0, 4.0], "x": [0.0, 1.0, 2.0, 3.0]}
    with pytest.warns(match="rounding|perfect"):
        fit = glm("y ~ x", data)
    for method in ("wald", "lr", "score"):
        with pytest.raises(ComparisonError, match="not defined"):
            fit.test("x", method=method)


EDGE = pd.DataFrame(R["boundary"]["data"])


@pytest.mark.parametrize("link", ["log", "identity"])
def test_tests_of_a_fit_on_the_boundary(link):
    with pytest.warns(BoundaryWarning):
        fit = glm("b ~ x", EDGE, "binomial", link=link)
    assert numbers(fit, "x", "score")[0] == near(R["boundary"][link])
    assert R["boundary"]["log"] == near(R["boundary"]["identity"])  # the score test does not know the link
    null = fit.update("b ~ 1")
    assert numbers(fit, "x", "lr")[0] == near(null.deviance - fit.deviance)
    with pytest.raises(
        ComparisonError, match=r'Wald is not valid: mean at its bound in rows 7, 8, 9 .* "score"'
    ):
        fit.test("x")
    assert np.isnan(fit.test("x", method="all")["statistic"]).tolist() == [True, False, False, True]
    with pytest.raises(ComparisonError, match="a mean of the restricted fit lies at its bound"):
        fit.test("x = 0.8" if link == "log" else "x = 0.33", method="score")


def test_score_tests_beside_a_separated_level():
    with pytest.warns(SeparationWarning):
        fit = glm("s ~ x + z + f", EDGE, "binomial")
    expected = R["separated"]
    found = {name: numbers(fit, text, "score")[0] for name, text in (("z", "z"), ("xz", "x, z"), ("f", "f"))}
    assert found == {name: near(expected[name]) for name in found}
    assert found["z"] == near(expected["drop1_z"], 1e-6)  # R stops near infinity
    robust = numbers(fit, "z", "robust score", vcov="HC0")[0]
    left = glm("s ~ x + z + f", EDGE[EDGE.f != "w"], "binomial")
    assert robust == near(numbers(left, "z", "robust score", vcov="HC0")[0])


def test_complete_separation_has_its_own_advice():
    with pytest.warns(SeparationWarning):
        fit = glm(
            "y ~ x + z", {"y": [0] * 4 + [1] * 4, "x": range(8), "z": [1, 0, 0, 1, 0, 1, 1, 0]}, "binomial"
        )
    with pytest.raises(ComparisonError, match='Use method="lr"'):
        fit.test("z = 0")
    assert fit.test("z = 0", method="lr")["statistic"][0] >= 0


# ---------------------------------------------------------------- the table, and bad words


def test_the_table():
    tests = POISSON.test("x = 0.5, f[T.b] = 0", method="all")
    assert str(tests).splitlines()[0] == "Test of x = 0.5, f[T.b] = 0"
    assert max(map(len, str(tests).splitlines())) <= 80
    frame = tests.to_frame()
    assert list(frame.columns) == ["statistic", "df", "p_value", "p_unadjusted", "reference", "note"]
    assert list(frame.index) == list(tests.index) and frame.index.name == "test"
    assert tests.ascii().isascii() and "<table" in tests._repr_html_()
    assert tests.to_dict()["rows"][0]["df"] == 2
    assert tests["reference"] == ["chi-squared(2)"] * 4


def test_tables_are_no_wider_than_80():
    fit = glm("y ~ x + f", D.assign(f=D.f + " and a long name of a level"), "poisson")
    both = fit.test(["x = 0", "f"], method="all", vcov="HC3")
    ratio = fit.test("exp(300*x) = 1", method="all")
    for table in (both, ratio, fit.test(["x", "f"], method="all"), fit.profile()):
        lines = str(table).splitlines()
        assert max(map(len, lines)) <= 80 and max(map(len, table.ascii().splitlines())) <= 80
    panels = [line for line in str(both).splitlines() if "conf_" in line]
    assert len(panels) == 1 and "conf_low  conf_high" in panels[0]  # the ends stand together
    assert sum(line == "" for line in str(ratio).splitlines()) == 2


def test_each_hypothesis_has_its_reference():
    text = str(POISSON.test({"slope": "x = 0", "both": "x, f"}))
    assert "reference of slope: z" in text and "reference of both: chi-squared(2)" in text
    assert "reference: z" in str(POISSON.test(["x", "f"]))
    gamma = str(GAMMA.test("x, f", method="lr"))
    assert f"{GAMMA.dispersion:.4g} (Pearson)" in gamma


def test_several_hypotheses_have_a_row_each():
    tests = POISSON.test(["x = 0.5", "f", "x = 0.5, f[T.b] = 0"])
    assert tests.index == ("x = 0.5", "f", "x = 0.5, f[T.b] = 0")
    assert tests["df"] == [1, 1, 2]
    assert [row.name for row in tests.tests] == ["Wald"] * 3
    single = [POISSON.test(text)["statistic"][0] for text in tests.index]
    assert tests["statistic"] == single
    assert list(tests.to_frame().index) == list(tests.index)
    both = POISSON.test({"slope": "x = 0.5", "group": "f"}, method="all")
    assert both.index == ("slope",) * 4 + ("group",) * 4
    assert both["test"][:2] == ["Wald", "likelihood ratio"]


def test_other_libraries_get_their_frames():
    polars = pytest.importorskip("polars")
    frame = glm("y ~ x + f", polars.from_pandas(D), "poisson").test("f", method="all").to_frame()
    assert frame.columns[0] == "test" and frame.height == 4


def test_bad_words():
    with pytest.raises(ArgumentError, match=r"Unknown method: 'walt'.*Did you mean 'wald'"):
        POISSON.test("x", method="walt")
    with pytest.raises(ArgumentError, match="Unknown method"):
        POISSON.test("x", method=3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Unknown adjust"):
        POISSON.test(["x", "f"], adjust="homl")
    with pytest.raises(ArgumentError, match="needs several hypotheses"):
        POISSON.test("x, f", adjust="holm")
    with pytest.raises(ArgumentError, match="level"):
        POISSON.test("x", level=95)
    for method in ("robust wald", "robust score", "rao-scott"):
        with pytest.raises(ComparisonError, match='needs a sandwich covariance: vcov is "classical"'):
            POISSON.test("x", method=method)
    for method in ("lr", "score"):
        with pytest.raises(ComparisonError, match="needs linear restrictions"):
            POISSON.test("exp(x) = 2", method=method)
    with pytest.raises(ComparisonError, match="not defined under vcov HAC"):
        POISSON.test("x", method="score", vcov=Covariance("HAC", order="t"))


def test_a_fit_without_rows_takes_them_back(tmp_path):
    from glmstat import load

    POISSON.save(tmp_path / "fit")
    fit = load(tmp_path / "fit")
    assert fit.test("x")["statistic"] == POISSON.test("x")["statistic"]
    with pytest.raises(Exception, match="data="):
        fit.test("f", method="lr")
    assert numbers(fit, "f", "lr", data=D) == numbers(POISSON, "f", "lr")
    assert len(fit.test("f", method="all", data=D, vcov="HC1")) == 6


# ---------------------------------------------------------------- no covariance


def test_one_cluster_has_no_robust_test():
    with pytest.warns(CovarianceWarning):
        fit = glm("y ~ x", D.assign(one=1), "poisson", vcov="~one")
    with pytest.raises(ComparisonError, match="fewer than two clusters, 'one' has 1"):
        fit.test("x = 5", method="robust score")
    with pytest.raises(
        ComparisonError, match="robust Wald is not defined: no standard errors: Clusters must"
    ):
        fit.test("x = 5")
    table = fit.test("x = 5", method="all")
    notes = {row.name: row.note for row in table.tests}
    for row in table.tests:
        assert np.isnan(row.p_value) == (row.name in ("robust Wald", "robust score", "Rao–Scott"))
    assert "Clusters must be two or more" in notes["Rao–Scott"]
    assert "status" not in " ".join(notes.values())
    assert "no standard errors: Clusters" in " ".join(fit.confint().attrs["notes"])


def test_a_perfect_fit_has_no_robust_tests_either():
    with pytest.warns(match="rounding|perfect"):
        fit = glm("y ~ x", {"x": np.arange(10.0), "y": 1 + 2 * np.arange(10.0)})
    for method in ("robust wald", "robust score", "rao-scott", "all"):
        with pytest.raises(
            ComparisonError, match=r"not defined: the fit has no standard errors.*perfect fit"
        ):
            fit.test("x = 0", method=method, vcov="HC3")
