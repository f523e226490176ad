"""Absorbed effects: the same numbers as dummies, pyfixest's numbers, and a hundred thousand levels."""

from __future__ import annotations

import pickle
import resource
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, Covariance, FitInterrupted, absorbed, glm, load
from glmstat.errors import (
    ArgumentError,
    ColumnError,
    ComparisonError,
    CovarianceWarning,
    DataError,
    FewClustersWarning,
    FileError,
    FormulaError,
    GlmstatError,
    GlmstatWarning,
    SeparationWarning,
)
from glmstat.fit import Fit
from glmstat.formula.parse import parse, update_formula
from glmstat.solve.absorb import redundant, system

pytestmark = pytest.mark.filterwarnings(f"ignore::{FewClustersWarning.__module__}.FewClustersWarning")


def panel(rows: int = 600, seed: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    firm, year = rng.integers(0, 40, rows), rng.integers(2001, 2009, rows)
    x1 = rng.normal(size=rows) + 0.02 * firm
    x2 = rng.normal(size=rows)
    eta = 0.4 * x1 - 0.3 * x2 + 0.02 * firm - 0.05 * (year - 2001)
    return pd.DataFrame(
        {
            "x1": x1,
            "x2": x2,
            "firm": firm,
            "year": year,
            "y": eta + rng.normal(size=rows),
            "count": rng.poisson(np.exp(0.5 * eta)).astype(float),
            "weight": rng.uniform(0.5, 2.0, rows),
        }
    )


def mixed(rows: int = 400) -> pd.DataFrame:
    """Factors as whole numbers, as text and as fractions; a response for each family."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "x1": rng.normal(size=rows),
            "x2": rng.normal(size=rows),
            "f": rng.integers(0, 12, rows),
            "g": rng.choice(list("abcde"), rows),
            "h": rng.integers(1, 8, rows) * 1.5,
            "q": rng.choice(list("uvw"), rows),
            "t": rng.uniform(0.5, 2.0, rows),
            "w": rng.uniform(0.5, 2.0, rows),
            "times": rng.integers(0, 4, rows),
        }
    )
    data["x1"] += 0.3 * data["f"]
    eta = 0.3 * data["x1"] - 0.2 * data["x2"] + 0.1 * data["f"] - 0.05 * data["h"]
    data["gaussian"] = eta + rng.normal(size=rows)
    data["poisson"] = rng.poisson(np.exp(0.7 * eta))
    data["binomial"] = (rng.uniform(size=rows) < 1 / (1 + np.exp(0.5 - eta))).astype(int)
    data["gamma"] = rng.gamma(2.0, np.exp(eta) / 2.0)
    return data


MIXED = mixed()
SHARED = ["x1", "x2", "q[T.v]", "q[T.w]"]


def both(family: str, behind: str, dummies: str, **words: Any) -> tuple[Fit, Fit]:
    link = "log" if family == "gamma" else None
    left = f"{family} ~ x1 + x2 + q"
    return (
        glm(f"{left} | {behind}", MIXED, family, link=link, **words),
        glm(f"{left} + {dummies}", MIXED, family, link=link, **words),
    )


def near(left: Any, right: Any, digits: float = 1e-9) -> None:
    np.testing.assert_allclose(np.asarray(left), np.asarray(right), rtol=digits, atol=digits)


# ---------------------------------------------------------------- the same as dummies


@pytest.mark.parametrize("words", [{}, {"weights": "w"}, {"offset": "t"}, {"freq_weights": "times"}], ids=str)
@pytest.mark.parametrize(
    ("behind", "dummies"), [("f", "C(f)"), ("f + g", "C(f) + g"), ("g + f + h", "C(f) + g + C(h)")]
)
@pytest.mark.parametrize("family", ["gaussian", "poisson", "binomial", "gamma"])
def test_numbers_are_those_of_dummies(family: str, behind: str, dummies: str, words: dict[str, str]):
    if family == "binomial" and words == {"weights": "w"}:
        words = {"freq_weights": "times", "offset": "t"}  # shares need whole weights
    ours, theirs = both(family, behind, dummies, control=Control(tolerance=1e-11), **words)
    near(ours.coef[SHARED], theirs.coef[SHARED])
    for vcov in ("classical", "HC0", "HC1", "CR1 ~ g", "CR1S ~ f"):
        near(ours.stderror(vcov)[SHARED], theirs.stderror(vcov)[SHARED])
    facts = ("deviance", "null_deviance", "pearson", "dispersion", "loglik", "aic", "bic", "nobs")
    for fact in (*facts, "df_residual", "df_null", "parameters"):
        near(getattr(ours, fact), getattr(theirs, fact))
    near(ours.fitted, theirs.fitted)
    near(ours.predict(MIXED), theirs.fitted)
    near(ours.residuals("pearson"), theirs.residuals("pearson"))


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_combinations_are_levels(family: str):
    ours, theirs = both(family, "g^q", "g:q")
    near(ours.coef[["x1", "x2"]], theirs.coef[["x1", "x2"]])
    assert ours.df_residual == theirs.df_residual
    same = glm(f"{family} ~ x1 + x2 + q | g:q", MIXED, family)
    assert list(same.estimate.aliased) == ["q[T.v]", "q[T.w]"]
    near(same.coef[["x1", "x2"]], theirs.coef[["x1", "x2"]])


@pytest.mark.parametrize("family", ["gaussian", "poisson", "gamma"])
@pytest.mark.parametrize("method", ["wald", "lr", "score"])
def test_tests_are_those_of_dummies(family: str, method: Any):
    ours, theirs = both(family, "f + g", "C(f) + g")
    question = "x1 = 0.1, q[T.v] = 0"
    near(*(fit.test(question, method=method).to_frame()["statistic"] for fit in (ours, theirs)), 1e-7)
    robust = [fit.with_vcov("HC1").test(question, method=method).to_frame() for fit in (ours, theirs)]
    near(*(table["statistic"] for table in robust), 1e-7)


@pytest.mark.parametrize("test", ["LRT", "Rao"])
def test_terms_dropped_and_added_are_those_of_dummies(test: Any):
    ours, theirs = both("poisson", "f + g", "C(f) + g")
    tables = [fit.drop1(test=test).to_frame().loc[["x1", "x2", "q"]] for fit in (ours, theirs)]
    near(tables[0].to_numpy(), tables[1].to_numpy(), 1e-7)
    near(*(fit.add1("t", test=test).to_frame().to_numpy()[-1] for fit in (ours, theirs)), 1e-7)


def test_profiles_and_resamples_fit_the_effects_again():
    ours, theirs = both("poisson", "f + g", "C(f) + g")
    near(ours.confint(method="profile").loc["x1"], theirs.confint(method="profile").loc["x1"], 1e-7)
    bootstrap = Covariance("bootstrap", reps=10, seed=1)
    near(ours.stderror(bootstrap)["x1"], theirs.stderror(bootstrap)["x1"], 1e-7)


def test_analysis_of_deviance_begins_at_the_effects():
    ours, _ = both("poisson", "f + g", "C(f) + g")
    first = glm("poisson ~ C(f) + g", MIXED, "poisson")
    table = ours.anova().to_frame()
    near(table["resid_dev"].iloc[[0, -1]], [first.deviance, ours.deviance])
    assert table["resid_df"].iloc[0] == first.df_residual
    smaller = ours.update(". ~ . - x1")
    assert smaller.formula == "poisson ~ x2 + q | f + g"
    near(glmstat.anova(smaller, ours).to_frame()["deviance"].iloc[-1], smaller.deviance - ours.deviance)


@pytest.mark.parametrize("family", ["gaussian", "poisson", "binomial"])
@pytest.mark.parametrize("test", ["LRT", "Wald", "Rao"])
def test_fits_of_other_tables_are_compared_as_with_dummies(family: str, test: Any):
    rights = ("x1", "x1 + x2 + q", "x1 + I(x1 + 3 * x2) + t + w + q")
    tables = [
        glmstat.anova(
            *(glm(f"{family} ~ {right}{tail}", MIXED.copy(), family) for right in rights), test=test
        )
        for tail in (" | f + g", " + C(f) + g")
    ]
    words = ["df", "deviance", "statistic", "p_value"]
    near(*(table.to_frame()[words].iloc[1:] for table in tables), 1e-7)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_absorbed_factors_are_tested_as_dummies(family: str):
    def fits(*rights: str) -> list[Fit]:
        return [glm(f"{family} ~ {right}", MIXED.copy(), family) for right in rights]

    for ours, theirs in (
        (fits("x1 | f", "x1 + x2 | f + g"), fits("x1 + C(f)", "x1 + x2 + C(f) + g")),
        (fits("x1", "x1 + x2 | f + g"), fits("x1", "x1 + x2 + C(f) + g")),
    ):
        near(
            *(
                glmstat.anova(*each).to_frame()[["df", "statistic", "p_value"]].iloc[1:]
                for each in (ours, theirs)
            )
        )
        with pytest.raises(ComparisonError, match="Wald test of absorbed effects is not defined"):
            glmstat.anova(*ours, test="Wald")
    for smaller, larger in (("x1 | g", "x1 + x2 + t + w + times | q"), ("x1 + t | f", "x1 + x2 + w | f")):
        with pytest.raises(ComparisonError, match="not nested"):
            glmstat.anova(*fits(smaller, larger))
    data = MIXED.assign(x2=0.0)
    one, two = (
        glm(f"{family} ~ x1 | g", data, family),
        glm(f"{family} ~ x1 + t + w + times | q", data, family),
    )
    with pytest.raises(ComparisonError, match="not nested: absorbed g"):
        glmstat.anova(one, two)


def test_effects_alone():
    fit = glm("poisson ~ 1 | f", MIXED, "poisson")
    means = MIXED.groupby("f")["poisson"].mean()
    near(fit.absorbed["f"].set_index("f")["effect"], np.log(means))
    assert fit.df_residual == len(MIXED) - len(means)


def test_missing_rows_leave_together():
    data = MIXED.copy()
    data.loc[5, "f"], data.loc[7, "g"], data.loc[9, "x1"] = np.nan, None, np.nan
    ours = glm("poisson ~ x1 | f + g", data, "poisson", na_action="exclude")
    theirs = glm("poisson ~ x1 + C(f) + g", data, "poisson")
    near(ours.coef["x1"], theirs.coef["x1"])
    assert ours.nobs == theirs.nobs == len(data) - 3
    assert list(np.flatnonzero(ours.fitted.isna())) == [5, 7, 9]
    with pytest.raises(DataError, match="f in row 5"):
        glm("poisson ~ x1 | f + g", data, "poisson", na_action="raise")


# ---------------------------------------------------------------- another program's numbers

PYFIXEST = {
    # feols("y ~ x1 + x2 | firm + year", data, vcov="iid", fixef_tol=1e-13), pyfixest 0.60.0
    ("y ~ x1 + x2 | firm + year", "classical", ""): (
        (0.468452937817, -0.320522048953),
        (0.0434624960513, 0.0402277686458),
    ),
    # the same with weights="weight"
    ("y ~ x1 + x2 | firm + year", "classical", "weight"): (
        (0.466163734245, -0.303075443382),
        (0.0437495676261, 0.0404205233588),
    ),
    # feols(…, vcov={"CRV1": "firm"}, ssc=ssc(k_adj=True, k_fixef="nonnested", G_adj=True, G_df="min"))
    ("y ~ x1 + x2 | firm", "firm", ""): (
        (0.471478468348, -0.324322273269),
        (0.0497801084649, 0.0428329632393),
    ),
    ("y ~ x1 + x2 | firm + year", "firm", ""): (
        (0.468452937817, -0.320522048953),
        (0.0502123446355, 0.0419041509952),
    ),
    # and with fixef_rm="none": rows alone in their level stay
    ("y ~ x1 + x2 | firm^year", "firm", ""): (
        (0.480080205266, -0.344215060824),
        (0.0559333470766, 0.0488468905027),
    ),
    # fepois("count ~ …", vcov="hetero", ssc=ssc(k_adj=False, G_adj=False), iwls_tol=1e-13, fixef_tol=1e-13)
    ("count ~ x1 + x2 | firm", "HC0", ""): (
        (0.201088069487, -0.190949034134),
        (0.0348680596577, 0.0353000669361),
    ),
    ("count ~ x1 + x2 | firm + year", "HC0", ""): (
        (0.204769525912, -0.191696310123),
        (0.0355415509281, 0.035321089443),
    ),
}


@pytest.mark.parametrize(("formula", "vcov", "weights"), PYFIXEST, ids=str)
def test_numbers_are_those_of_pyfixest(formula: str, vcov: str, weights: str):
    coef, errors = PYFIXEST[formula, vcov, weights]
    family = "poisson" if formula.startswith("count") else "gaussian"
    asked: Any = vcov
    if vcov == "firm":
        asked = Covariance("CR1", cluster="firm", small_sample="fixest")
    fit = glm(formula, panel(), family, vcov=asked, weights=weights or None)
    near(fit.coef, coef, 1e-10)
    near(fit.stderror(), errors, 1e-9)


def test_levels_without_events_are_left_out_with_their_rows():
    data = panel()
    data.loc[data["firm"].isin([3, 11]), "count"] = 0.0
    fit = glm("count ~ x1 + x2 | firm + year", data, "poisson", vcov="HC0")
    # fepois as above; it keeps 573 rows of 600
    near(fit.coef, (0.199725885671, -0.200858178904), 1e-10)
    near(fit.stderror(), (0.0357435320178, 0.0357786261427), 1e-9)
    assert fit.nobs == 573
    assert "left out 27 rows of 2 levels with an infinite effect" in fit.notes[-1].text
    effects = fit.absorbed["firm"].set_index("firm")
    assert (effects.loc[[3, 11], "effect"] == -np.inf).all() and (effects.loc[[3, 11], "rows"] == 0).all()
    gone = data["firm"].isin([3, 11])
    assert fit.fitted[gone].max() < 1e-15 and (fit.predict(data)[gone] == 0).all()
    near(fit.predict(data), fit.fitted)
    for method in ("lr", "score"):
        assert fit.with_vcov("classical").test("x1 = 0", method=method).to_frame()["statistic"].iloc[0] > 10


def test_levels_are_left_out_until_none_is():
    data = MIXED.copy()
    data["y"] = data["binomial"]
    data.loc[data["f"] == 2, "y"] = 1
    data.loc[(data["g"] == "c") & (data["f"] != 2), "y"] = 0  # all 0 once the rows of f = 2 are out
    fit = glm("y ~ x1 | f + g", data, "binomial")
    rest = data[(data["f"] != 2) & (data["g"] != "c")]
    near(fit.coef["x1"], glm("y ~ x1 + C(f) + g", rest, "binomial").coef["x1"])
    assert fit.nobs == len(rest)
    effects = fit.absorbed["f"].set_index("f")["effect"], fit.absorbed["g"].set_index("g")["effect"]
    assert effects[0][2] == np.inf and effects[1]["c"] == -np.inf
    near(fit.fitted[data["f"] == 2], 1.0, 1e-15)
    near(fit.predict(data), fit.fitted)


# ---------------------------------------------------------------- many levels


def test_a_hundred_thousand_levels():
    """The within transformation in closed form; n x k and dummies would be 240 GB."""
    rows, size = 300_000, 100_000
    rng = np.random.default_rng(1)
    firm, year = rng.integers(0, size, rows), rng.integers(2000, 2020, rows)
    x1, x2 = rng.normal(size=rows) + firm / size, rng.normal(size=rows)
    effect = rng.normal(size=size)[firm]
    data = pd.DataFrame({"x1": x1, "x2": x2, "firm": firm, "year": year})
    data["y"] = 0.5 * x1 - 0.25 * x2 + effect + rng.normal(size=rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fit = glm("y ~ x1 + x2 | firm", data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    count = np.maximum(np.bincount(firm, minlength=size), 1)
    X, y = (_within(np.column_stack(v), firm, count) for v in ((x1, x2), (data["y"],)))
    coef = np.linalg.solve(X.T @ X, X.T @ y)[:, 0]
    left = rows - 2 - len(np.unique(firm))
    errors = np.sqrt(np.diag(np.linalg.inv(X.T @ X)) * np.sum((y[:, 0] - X @ coef) ** 2) / left)
    near(fit.coef, coef, 1e-11)
    near(fit.stderror(), errors, 1e-11)
    assert fit.df_residual == left
    # with a second factor: that of y, x1, x2 and 19 years within firms
    years = np.eye(20)[year - 2000][:, 1:]
    wide = _within(np.column_stack([x1, x2, years]), firm, count)
    two = glm("y ~ x1 + x2 | firm + year", data)
    near(two.coef, np.linalg.solve(wide.T @ wide, wide.T @ y[:, 0])[:2], 1e-9)
    assert two.df_residual == left - 19


def _within(values: np.ndarray, codes: np.ndarray, count: np.ndarray) -> np.ndarray:
    means = [np.bincount(codes, column, len(count)) / count for column in values.T]
    return values - np.column_stack(means)[codes]


def test_two_large_factors_by_conjugate_gradients(monkeypatch: pytest.MonkeyPatch):
    from glmstat.solve.absorb import sums

    dense = [glm("count ~ x1 + x2 | firm + year", panel(), "poisson"), glm("y ~ x1 | year + firm", panel())]
    monkeypatch.setattr(system, "DENSE", 0)
    monkeypatch.setattr(sums, "DENSE_PAIR", 0)
    for known in dense:
        again = glm(known.formula, panel(), known.spec.likelihood.family)
        near(again.coef, known.coef, 1e-10)
        near(again.stderror(), known.stderror(), 1e-10)
        assert again.df_residual == known.df_residual
    three = [glm("count ~ x1 | firm + year + half", panel().assign(half=_half), "poisson")]
    monkeypatch.undo()
    three.append(glm("count ~ x1 | firm + year + half", panel().assign(half=_half), "poisson"))
    near(three[0].coef, three[1].coef, 1e-9)
    near(three[0].stderror(), three[1].stderror(), 1e-9)


def _half(data: pd.DataFrame) -> Any:
    return (np.arange(len(data)) * 7) % 5


def test_sets_of_rows_that_nothing_joins_count_once_each():
    data = panel()
    data["team"] = data["firm"] // 10 * 3 + data["year"] % 3  # firms 0-9 meet teams 0-2 only, and so on
    fit = glm("y ~ x1 | firm + team", data)
    assert fit.estimate.absorbed is not None and fit.estimate.absorbed.redundant == 4
    dummies = glm("y ~ x1 + C(firm) + C(team)", data)
    near(fit.coef["x1"], dummies.coef["x1"])
    near(fit.stderror()["x1"], dummies.stderror()["x1"])
    assert fit.df_residual == dummies.df_residual


def test_redundant_effects_of_three_factors_are_counted():
    data = panel()
    data["decade"] = data["firm"] // 10  # nested in firm: 3 more than one for each factor
    fit = glm("y ~ x1 | firm + year + decade", data)
    dummies = glm("y ~ x1 + C(firm) + C(year)", data)
    assert fit.df_residual == dummies.df_residual
    near(fit.stderror()["x1"], dummies.stderror()["x1"])


def test_a_factor_that_merges_levels_of_another_changes_nothing():
    data = panel()
    data["decade"] = data["firm"] // 10
    for words in ({"family": "poisson"}, {"family": "quasipoisson"}, {"weights": "weight"}, {}):
        fits = [glm(f"count ~ x1 | firm + {more}year", data, **words) for more in ("decade + ", "")]
        assert fits[0].df_residual == fits[1].df_residual
        near(fits[0].deviance, fits[1].deviance)
        near(fits[0].stderror(), fits[1].stderror())


def test_thousands_of_levels_of_three_factors_are_counted():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"firm": rng.integers(0, 6_000, 20_000), "plant": rng.integers(0, 2_500, 20_000)})
    data["county"], data["x"], data["y"] = data.firm % 1_200, *rng.normal(size=(2, 20_000))
    fits = [glm(f"y ~ x | firm + {more}plant", data) for more in ("county + ", "")]
    assert fits[0].df_residual == fits[1].df_residual == 11_697
    near(fits[0].stderror(), fits[1].stderror())


def test_three_way_gravity_has_as_many_redundant_effects_as_its_margins():
    exporter, importer, year = (each.ravel() for each in np.indices((60, 60, 40)))
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"e": exporter, "i": importer, "t": year, "x": rng.normal(size=len(year))})
    data["trade"] = rng.poisson(3.0, len(data)) + 1
    fit = glm("trade ~ x | e:t + i:t + e:i", data, "poisson")
    assert fit.estimate.absorbed is not None and fit.estimate.absorbed.exact
    assert fit.estimate.absorbed.redundant == 60 + 60 + 40 - 1


def test_effects_that_cannot_be_counted_are_said_with_what_follows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redundant, "DENSE", 0)
    monkeypatch.setattr(redundant, "NUMBERS", 0)
    monkeypatch.setattr(system, "DENSE", 0)
    data = panel().assign(half=_half)
    with pytest.warns(GlmstatWarning, match="At least 2 absorbed effects are redundant, perhaps more"):
        fit = glm("y ~ x1 | firm + year + half", data)
    assert "df_residual may be too small" in " ".join(str(fit).split())


def test_large_data_are_read_in_place_and_sampled():
    rng = np.random.default_rng(3)
    rows = 260_000
    data = pd.DataFrame({f"x{j}": rng.normal(size=rows) for j in range(1, 8)})
    data["a"], data["b"] = rng.integers(0, 10, rows), rng.integers(0, 20, rows)
    data["y"] = rng.poisson(np.exp(0.2 + 0.1 * data["x1"] + 0.01 * data["a"]))
    right = " + ".join(f"x{j}" for j in range(1, 8))
    fits = [glm(f"y ~ {right} | a + b", data, "poisson", control=Control(workers=n)) for n in (1, 2, 5)]
    assert fits[0] == fits[1] == fits[2] and fits[0].frame is not None and fits[0].frame.large
    exact = glm(f"y ~ {right} + C(a) + C(b)", data, "poisson", control=Control(tolerance=1e-12))
    names = list(data.columns[:7])
    near(fits[0].coef, exact.coef[names], 1e-10)
    near(fits[0].stderror(), exact.stderror()[names], 1e-7)
    near(fits[0].stderror("HC1"), exact.stderror("HC1")[names], 1e-7)
    near(fits[0].predict(data.head(50)), exact.fitted[:50], 1e-9)


# ---------------------------------------------------------------- columns


def test_columns_that_the_effects_explain_are_aliased():
    data = MIXED.assign(z=2.0 * MIXED["f"] + 1.0, k=3.0, s=lambda d: 2 * d["x1"] - d["x2"] + d["f"])
    fit = glm("poisson ~ x1 + z + x2 + k + s | f", data, "poisson")
    assert dict(fit.estimate.aliased) == {
        "z": "explained by the absorbed f",
        "k": "constant, as an effect of f can be",
        "s": "= 2*x1 - x2 beside the absorbed effects",
    }
    near(fit.coef[["x1", "x2"]], glm("poisson ~ x1 + x2 + C(f)", data, "poisson").coef[["x1", "x2"]])


def test_columns_far_from_zero_lose_no_digits():
    data = MIXED.assign(far=1e6 + MIXED["x1"] + 1e4 * MIXED["f"])
    near(glm("gaussian ~ far | f", data).coef["far"], glm("gaussian ~ x1 | f", data).coef["x1"], 1e-8)
    near(
        glm("gaussian ~ far | f", data).stderror()["far"],
        glm("gaussian ~ x1 | f", data).stderror()["x1"],
        1e-8,
    )


def test_factors_before_the_bar_keep_their_reference_level():
    fit = glm("poisson ~ q + x1 | f", MIXED, "poisson")
    assert fit.columns == ("q[T.v]", "q[T.w]", "x1")
    assert "q: reference level u" in str(fit)


# ---------------------------------------------------------------- what the fit says


def test_summary_says_what_was_absorbed():
    text = str(glm("poisson ~ x1 | f + g", MIXED, "poisson"))
    assert "absorbed: f 12 levels · g 5 levels (16 df, 1 redundant)" in text
    assert "400 rows · 1 coefficient" in text


def test_effects_are_those_of_dummies_up_to_their_level():
    fit = glm("poisson ~ x1 | f + g", MIXED, "poisson")
    dummies = glm("poisson ~ 0 + x1 + C(f) + g", MIXED, "poisson")
    first, second = (fit.absorbed[name].set_index(name) for name in "fg")
    assert abs(second["effect"] @ second["rows"]) < 1e-8
    near(first["effect"].diff()[1:], np.diff([dummies.coef[f"C(f)[{k}]"] for k in range(12)]), 1e-8)
    near(second["effect"]["b"] - second["effect"]["a"], dummies.coef["g[T.b]"], 1e-8)
    assert first["rows"].sum() == second["rows"].sum() == len(MIXED)
    assert glm("poisson ~ x1", MIXED, "poisson").absorbed == {}


def test_new_levels():
    fit = glm("poisson ~ x1 | f", MIXED, "poisson")
    new = MIXED.head(3).astype({"f": float})
    new.loc[1, "f"], new.loc[2, "f"] = 99.0, np.nan
    with pytest.raises(DataError, match=r"'f' has level '99', not seen in the fit: 1 row"):
        fit.predict(new)
    with pytest.raises(ArgumentError, match="no reference level"):
        fit.predict(new, new_levels="reference")
    found = fit.predict(new, new_levels="na")
    near(found[0], fit.fitted[0])
    assert found[1:].isna().all()
    with pytest.raises(ColumnError, match="predict needs column 'f'"):
        fit.predict(MIXED[["x1"]])
    with pytest.raises(DataError, match="'f' is no number here"):
        fit.predict(new.assign(f="a"))
    pairs = glm("gaussian ~ x1 | f:g", MIXED)
    never = MIXED.iloc[[0]].assign(f=99)
    with pytest.raises(DataError, match="'f:g' has level '99:"):
        pairs.predict(never)


def apart(three: bool = False) -> pd.DataFrame:
    """Two sets of rows that no shared level of i and j joins; k is in both."""
    data = pd.DataFrame(
        {
            "y": [1.0, 2, 3, 5, 4, 6, 7, 9],
            "x": [1.0, 0, 2, 1, 3, 2, 5, 4],
            "i": [0, 0, 0, 0, 1, 1, 1, 1],
            "j": [0, 1, 0, 1, 2, 3, 2, 3],
        }
    )
    return pd.concat([data.assign(k=0), data.assign(k=1, y=data["y"][::-1].to_numpy())]) if three else data


@pytest.mark.parametrize("behind", ["i + j", "j + i", "i + j + k", "k + j + i"])
def test_levels_that_no_rows_join_have_no_prediction(tmp_path: Any, behind: str):
    data = apart("k" in behind).reset_index(drop=True)
    fit = glm(f"y ~ x | {behind}", data)
    new = data.iloc[[0, 5, 0]].assign(j=[1, 2, 2])
    with pytest.raises(
        DataError, match=r"Prediction is not estimable: row 2 \(1 row\)\. No rows of the fit join"
    ):
        fit.predict(new)
    dummies = glm("y ~ x + " + " + ".join(f"C({name})" for name in behind.split(" + ")), data)
    with pytest.raises(DataError, match="Prediction is not estimable: row 2"):
        dummies.predict(new)
    near(fit.predict(new[:2]), dummies.predict(new[:2]))
    near(fit.predict(data), fit.fitted)
    fit.save(tmp_path / "fit.glm")
    with pytest.raises(DataError, match="not estimable: row 2"):
        load(tmp_path / "fit.glm").predict(new)


def test_copies_and_files_keep_the_effects(tmp_path: Any):
    fit = glm("poisson ~ x1 | f + g", MIXED, "poisson")
    fit.save(tmp_path / "fit.glmstat")
    again = load(tmp_path / "fit.glmstat")
    assert again == fit and str(again) == str(fit)
    near(again.predict(MIXED), fit.fitted, 1e-14)
    near(again.with_data(MIXED).stderror("HC1"), fit.stderror("HC1"), 1e-14)
    near(pickle.loads(pickle.dumps(fit)).stderror("HC1"), fit.stderror("HC1"), 1e-14)
    near(fit.refit(MIXED).coef, fit.coef, 0.0)


@pytest.mark.parametrize(
    "ask",
    [
        lambda fit: fit.stderror("HC3"),
        lambda fit: fit.stderror("CR2 ~ f"),
        lambda fit: fit.stderror("opg"),
        lambda fit: fit.predict(MIXED, se_fit=True),
        lambda fit: fit.predict(interval="confidence"),
        lambda fit: fit.predict(type="terms"),
        lambda fit: fit.residuals("partial"),
        lambda fit: fit.influence(),
        lambda fit: fit.check(),
        lambda fit: fit.score_test_nn(["x1"]),
    ],
)
def test_what_needs_the_effects_as_columns_is_refused(ask: Any):
    fit = glm("gaussian ~ x1 + x2 | f + g", MIXED)
    with pytest.raises(ArgumentError, match=r"not defined beside the absorbed f \+ g"):
        ask(fit)


def test_a_covariance_that_is_not_defined_leaves_no_errors():
    with pytest.warns(CovarianceWarning, match="HC3: not defined beside the absorbed f"):
        fit = glm("gaussian ~ x1 | f", MIXED, vcov="HC3")
    assert fit.stderror().isna().all()
    with pytest.raises(ArgumentError, match="observed information"):
        glm("binomial ~ x1 | f", MIXED, "binomial", link="probit").stderror("oim")


# ---------------------------------------------------------------- text and wrong input


def test_text_reads_back():
    formula = parse("y ~ x * z + offset(t) | firm^year + C(g)", absorbing=True)
    assert [str(term) for term in formula.absorbed] == ["firm:year", "C(g)"]
    assert not formula.intercept and formula.names == ("y", "x", "z", "t", "firm", "year", "g")
    assert parse("y ~ . | f", ("y", "f", "a", "b"), absorbing=True).text == "y ~ a + b | f"
    assert (
        update_formula(formula, ". ~ . - x:z", absorbing=True).text
        == "y ~ x + z + offset(t) | firm:year + C(g)"
    )
    assert update_formula(formula, ". ~ x | h", absorbing=True).text == "y ~ x | h"
    assert update_formula(formula, ". ~ x | 0", absorbing=True).text == "y ~ x"


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ x1 |", "Nothing stands behind '|'"),
        ("y ~ x1 | offset(firm)", "offset() cannot stand behind '|'"),
        ("y ~ x1 | nn(firm)", "nn() cannot stand behind '|'"),
        ("y ~ x1 | firm + firm", "'firm' stands twice behind '|'"),
        ("y ~ x1 | firm | year", "more than one '|'"),
        ("y ~ x1 | 1", "'1' is no factor"),
        ("y ~ x1 | firm * year", "'firm * year' cannot stand behind '|'"),
        ("y ~ x1 | firm +", "A factor is missing behind '|'"),
        ("y ~ x1 | bs(x2)", "'bs(x2)' has no levels"),
        ("y ~ x1 | nobody", "No column 'nobody'"),
        ("y ~ x1 | x2", "'x2' has a level for each of the 600 rows"),
        ("y ~ x1 + (1 | firm)", "glm has no random effects"),
    ],
)
def test_wrong_formulas(formula: str, words: str):
    with pytest.raises(GlmstatError) as caught:
        glm(formula, panel())
    assert words in str(caught.value)


def test_other_models_have_no_bar():
    with pytest.raises(FormulaError, match="rglm has no part behind"):
        glmstat.rglm("y ~ nn(x1) | firm", panel())


def test_no_row_left():
    with pytest.raises(DataError, match="No row is left: all 600 have levels of firm"):
        glm("count ~ x1 | firm", panel().assign(count=0.0), "poisson")


def test_levels_that_are_left_out_are_counted_in_what_is_said():
    data = panel().assign(alone=np.arange(600), event=[1.0, 0.0, 2.0] * 200)
    with pytest.raises(DataError, match="a level for each of the 400 rows that are left of 600, those with"):
        glm("event ~ x1 | alone", data, "poisson")
    with pytest.raises(DataError, match=r"one value of the response only \(all 0\), whose effects"):
        glm("count ~ x1 | firm", panel().assign(count=0.0), "poisson")
    with pytest.raises(DataError, match=r"\(all 0, or all 1\)"):
        glm("count ~ x1 | firm", panel().assign(count=1.0), "binomial")


@pytest.mark.parametrize("words", [{}, {"weights": "weight"}, {"subset": "x2 > -1"}], ids=str)
@pytest.mark.parametrize("behind", ["firm", "text + firm", "text:year", "cut(x2, [-9, 0, 9]) + year"])
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_rows_that_are_read_in_every_pass_give_the_same_fit(
    tmp_path: Any, family: str, behind: str, words: dict[str, Any]
):
    data = panel().assign(text=lambda data: "t" + (data["firm"] % 7).astype(str))
    path, formula = tmp_path / "rows.parquet", f"{'y' if family == 'gaussian' else 'count'} ~ x1 | {behind}"
    data.to_parquet(path, row_group_size=170)
    streams = Control(memory=0)
    held = glm(formula, data, family, **words)
    large = glm(formula, data, family, control=streams, **words)
    file = glm(formula, str(path), family, control=streams, **words)
    assert file == large
    near(
        [file.coef["x1"], file.deviance, file.df_residual], [held.coef["x1"], held.deviance, held.df_residual]
    )
    near(file.stderror("HC1"), held.stderror("HC1"), 1e-6)
    near(file.fitted, held.fitted, 1e-8)


def test_partitions_give_the_same_fit():
    frames = pytest.importorskip("dask.dataframe")
    data = panel().assign(text=lambda data: "t" + (data["firm"] % 7).astype(str))
    formula, streams = "count ~ x1 | text + year", Control(memory=0)
    parts = glm(formula, frames.from_pandas(data, npartitions=4), "poisson", control=streams)
    held = glm(formula, data, "poisson")
    near(
        [parts.coef["x1"], parts.deviance, parts.df_residual],
        [held.coef["x1"], held.deviance, held.df_residual],
    )
    near(parts.stderror("HC1"), held.stderror("HC1"), 1e-6)


@pytest.mark.parametrize("behind", ["f", "f + g"])
@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_columns_that_run_to_infinity_are_named_as_with_dummies(tmp_path: Any, family: str, behind: str):
    draws = np.random.default_rng(4).uniform(size=len(MIXED))
    first = (MIXED[family] == 0) & (draws < 0.1)
    data = MIXED.assign(s=first.astype(float), t=((MIXED[family] == 0) & (draws > 0.9)) * -2.0)
    dummies = "C(f) + g" if "g" in behind else "C(f)"
    with pytest.warns(SeparationWarning, match="^Separation, s → -inf, t → inf: rows"):
        ours = glm(f"{family} ~ x1 + s + t | {behind}", data, family)
    with pytest.warns(SeparationWarning, match="^Separation, s → -inf, t → inf: rows"):
        theirs = glm(f"{family} ~ x1 + s + t + {dummies}", data, family)
    assert ours.status == theirs.status == "separated"
    assert ours.estimate.convergence.separated_rows == theirs.estimate.convergence.separated_rows
    assert ours.coef["s"] == -np.inf
    assert ours.coef["t"] == np.inf
    near(ours.coef["x1"], theirs.coef["x1"], 1e-9)
    near(ours.stderror(), theirs.stderror()[["x1", "s", "t"]], 1e-8)
    near(ours.stderror("HC1"), theirs.stderror("HC1")[["x1", "s", "t"]], 1e-6)
    near(ours.fitted, theirs.fitted, 1e-8)
    near([ours.deviance, ours.df_residual], [theirs.deviance, theirs.df_residual])
    assert ours.estimate.df_beside_separated == theirs.estimate.df_beside_separated < ours.df_residual
    for null in ("x1 = 0", "s = 0"):
        scores = [fit.test(null, method="score").tests[0].statistic for fit in (ours, theirs)]
        near(scores[0], scores[1], 1e-6)
    ours.save(tmp_path / "fit.glm")
    assert load(tmp_path / "fit.glm").estimate.convergence == ours.estimate.convergence
    assert not glm(f"{family} ~ x1 | {behind}", data, family).estimate.convergence.runaway


def test_coefficients_that_effects_follow_to_infinity_are_named():
    data = MIXED.assign(s=1.0 + ((MIXED["poisson"] == 0) & (MIXED["x2"] < 0)))
    with pytest.warns(
        SeparationWarning, match="^Separation, s → -inf beside the absorbed effects: these num"
    ):
        ours = glm("poisson ~ x1 + s | f", data, "poisson")
    with pytest.warns(SeparationWarning, match="^Separation, .*s → -inf"):
        theirs = glm("poisson ~ x1 + s + C(f)", data, "poisson")
    near(ours.coef["x1"], theirs.coef["x1"], 1e-6)
    near(ours.stderror()["x1"], theirs.stderror()["x1"], 1e-6)


def test_standard_errors_of_a_stream_are_those_of_the_maximum():
    rng = np.random.default_rng(2)
    for rows, levels in ((700, 60), (3000, 200)):
        data = pd.DataFrame(
            {"x": rng.normal(size=rows), "z": rng.standard_t(4, rows), "g": rng.integers(0, levels, rows)}
        )
        data["y"] = rng.poisson(np.exp(0.3 * data["x"] - 0.3)).astype(float)
        ours = glm("y ~ x + z | g", data, "poisson", control=Control(memory=0))
        theirs = glm("y ~ x + z + C(g)", data, "poisson", control=Control(tolerance=1e-14))
        near(ours.stderror(), theirs.stderror()[["x", "z"]], 1e-8)
        near(ours.estimate.pearson, theirs.estimate.pearson, 2e-8)


def test_an_interrupted_fit_tells_the_coefficients_from_its_first_step_on():
    data, calls, last = panel(6000), 0, 0

    def counted(values: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == last:
            raise KeyboardInterrupt
        return values

    def fitted(start: Any = None) -> Fit:
        nonlocal calls
        calls = 0
        words: dict[str, Any] = {"context": {"counted": counted}, "control": Control(memory=0)}
        return glm("count ~ counted(x1) + flat | firm + year", data, "poisson", start=start, **words)

    data["flat"] = data["firm"] % 2  # aliased
    whole, known = fitted(), []
    for number in range(1, calls + 1):
        last = number
        with pytest.raises(FitInterrupted) as caught:
            fitted()
        known.append(caught.value.coef)
    first = next(place for place, coef in enumerate(known) if coef is not None)
    assert first < len(known) - 4
    assert None not in known[first:]
    near(known[-1]["counted(x1)"], whole.coef["counted(x1)"], 1e-4)
    last = 0
    near(fitted(known[first]).coef.dropna(), whole.coef.dropna(), 1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_no_effect_is_left_where_the_likelihood_is_flat(seed: int):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": rng.integers(0, 10, 300), "y": rng.gamma(1.2, 1.0, 300)})
    fit = glm("y ~ 1 | g", data, "inverse_gaussian", link="log")
    assert fit.status == "converged"
    near(fit.fitted, data.groupby("g")["y"].transform("mean"), 1e-9)


def test_a_file_of_an_earlier_version_is_read_or_refused_in_words(tmp_path: Any, monkeypatch: Any):
    monkeypatch.setattr(absorbed, "_ARRAYS", absorbed._ARRAYS[:-1])
    one, two = (glm(f"count ~ x1 | {behind}", panel(), "poisson") for behind in ("firm", "firm + year"))
    one.save(tmp_path / "one")
    two.save(tmp_path / "two")
    monkeypatch.undo()
    near(load(tmp_path / "one").predict(panel().head(5)), one.predict(panel().head(5)), 0)
    with pytest.raises(FileError, match=r"earlier version.* firm \+ year determine. Fit and save again"):
        load(tmp_path / "two")


@pytest.mark.parametrize("file", [False, True])
def test_a_kept_fit_is_the_fit(tmp_path: Any, file: bool):
    data: Any = panel(6000)
    if file:
        data.to_parquet(tmp_path / "rows.parquet")
        data = str(tmp_path / "rows.parquet")
    control = Control(memory=0, checkpoint=str(tmp_path / "kept"))
    first, again = (glm("count ~ x1 | firm + year", data, "poisson", control=control) for _ in range(2))
    assert first == again
    near(again.coef["x1"], glm("count ~ x1 + C(firm) + C(year)", panel(6000), "poisson").coef["x1"], 1e-8)


def test_perfect_fit_is_said():
    data = MIXED.assign(exact=2.0 * MIXED["x1"] + MIXED["f"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = glm("exact ~ x1 | f", data)
    assert fit.status == "perfect fit"
    near(fit.coef["x1"], 2.0, 1e-12)
