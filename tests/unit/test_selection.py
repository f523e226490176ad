"""drop1, add1 and step against R's, by refits, and on bad input."""

from __future__ import annotations

import json
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import glm
from glmstat.errors import ArgumentError, ComparisonError, DataError, SeparationWarning
from glmstat.fit import Fit
from glmstat.inference.deviance import stepwise
from glmstat.inference.deviance.anova import Anova, anova
from glmstat.inference.deviance.selection import add1, drop1
from glmstat.inference.deviance.stepwise import step

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
COARSE = (
    2e-7  # R stops when the deviance stands still: what depends on coefficients alone has half its digits
)
GAMMA: dict[str, Any] = {"family": "gamma", "link": "log"}


@cache
def fitted(name: str, **words: Any) -> Fit:
    calls: dict[str, Any] = {
        "poisson": lambda: glm("y ~ x * f + h + offset(log(t))", D, "poisson", **words),
        "gamma": lambda: glm("g ~ x * f + h", D, **GAMMA, **words),
        "gaussian": lambda: glm("g ~ x + f * h", D, weights="w", **words),
        "logit": lambda: glm("cbind(s, 10 - s) ~ x + f + h", D, "binomial", **words),
        "probit": lambda: glm("low ~ age + lwt + race * smoke", BIRTHS, "binomial", link="probit", **words),
        "warpbreaks": lambda: glm("breaks ~ wool * tension", WOOL, "quasipoisson", **words),
        "no_intercept": lambda: glm("g ~ 0 + x + I(x^2)", D, **GAMMA, **words),
    }
    return calls[name]()


def near(value: Any, rel: float = 1e-9) -> Any:
    return pytest.approx(value, rel=rel, abs=1e-10)


def row(table: Anova, term: str) -> dict[str, Any]:
    place = table.index.index(term)
    return {name: values[place] for name, values in table.columns.items()}


def check_rows(table: Anova, expected: dict[str, Any], rel: float) -> None:
    for term, numbers in expected.items():
        found = row(table, term)
        wanted = {key: value for key, value in numbers.items() if value is not None}
        assert {key: found[key] for key in wanted} == near(wanted, rel)


# ---------------------------------------------------------------- drop1 against R


@pytest.mark.parametrize(
    ("name", "test"),
    # without an intercept R's score statistic is measured from the mean, which the model does not have
    [
        *((name, "LRT") for name in (*CASES, "no_intercept")),
        *((name, "F") for name in (*ESTIMATED, "no_intercept")),
        *((name, "Rao") for name in CASES),
    ],
)
def test_drop1_is_that_of_r(name: str, test: str) -> None:
    check_rows(drop1(fitted(name, compat="R"), test=test), R[name]["drop1"][test], COARSE)


@pytest.mark.parametrize("name", [name for name in CASES if name != "warpbreaks"])
def test_aic_is_that_of_the_fits(name: str) -> None:
    fit = fitted(name)
    table = drop1(fit)
    assert row(table, "none")["aic"] == near(fit.aic)
    for term, numbers in R[name]["drop1"]["fits"].items():
        assert row(table, term)["aic"] == near(numbers["aic"])
    assert any("-2 loglik + 2 parameters of each fit" in line for line in table.notes)


def test_r_compares_another_criterion_for_an_estimated_dispersion() -> None:
    ours = drop1(glm("g ~ x", D, **GAMMA))["aic"]
    theirs = drop1(glm("g ~ x", D, compat="R", **GAMMA))["aic"]
    assert ours[1] - ours[0] == pytest.approx(11.425, abs=5e-4)
    assert theirs[1] - theirs[0] == pytest.approx(16.829, abs=5e-4)
    assert any("as R's drop1" in line for line in drop1(glm("g ~ x", D, compat="R", **GAMMA)).notes)


def test_f_divides_by_pearson_and_in_r_by_deviance() -> None:
    assert row(drop1(glm("g ~ x", D, **GAMMA), test="F"), "x")["statistic"] == pytest.approx(
        18.8285, rel=1e-5
    )
    old = drop1(glm("g ~ x", D, compat="R", **GAMMA), test="F")
    assert row(old, "x")["statistic"] == pytest.approx(13.788, abs=5e-4)
    assert any("deviance / df of the fit, as R" in line for line in old.notes)


@pytest.mark.parametrize("test", ["LRT", "Rao", "Wald"])
@pytest.mark.parametrize("vcov", [None, "HC3"])
def test_dropping_is_comparing_with_the_smaller_fit(test: str, vcov: str | None) -> None:
    fit = fitted("poisson")
    table = drop1(fit, test=test, vcov=vcov)
    for term in ("h", "x:f"):
        smaller = fit.update(f". ~ . - {term}")
        both = anova(smaller, fit, test=test, vcov=vcov)
        found = row(table, term)
        assert (found["df"], found["statistic"], found["p_value"]) == near(
            (both["df"][1], both["statistic"][1], both["p_value"][1]), 1e-8
        )
        if test == "LRT":
            assert found["deviance"] == near(smaller.deviance)


def test_scope_of_drop1() -> None:
    fit = fitted("poisson")
    assert drop1(fit).index == ("none", "h", "x:f")
    assert drop1(fit, "h").index == drop1(fit, "~ h").index == drop1(fit, ["h"]).index == ("none", "h")
    with pytest.raises(ArgumentError, match="'x' cannot be dropped while 'x:f' contains it"):
        drop1(fit, "x")
    with pytest.raises(ArgumentError, match=r"no term 'hh': its terms are x, f, h, x:f\. Did you mean 'h'"):
        drop1(fit, ["hh"])
    with pytest.raises(ArgumentError, match="scope names no term"):
        drop1(fit, [])


def test_drop1_without_likelihood_has_no_aic() -> None:
    assert "aic" not in drop1(fitted("warpbreaks")).columns
    weighted = glm("y ~ x + f", D, "poisson", sampling_weights="w")
    assert set(drop1(weighted, test="Wald").columns) == {"df", "statistic", "p_value"}
    with pytest.raises(ComparisonError, match="sampling weights"):
        drop1(weighted)


def test_frequencies_are_expanded_rows() -> None:
    counts = np.array([1, 2, 3, 1] * 10)
    table = D.assign(n=counts)
    long = table.loc[table.index.repeat(counts)].reset_index(drop=True)
    one, two = glm("g ~ x + f", table, freq_weights="n", **GAMMA), glm("g ~ x + f", long, **GAMMA)
    for test in ("LRT", "F", "Rao", "Wald"):
        for left, right in (
            (drop1(one, test=test), drop1(two, test=test)),
            (add1(one, "h", test=test), add1(two, "h", test=test)),
        ):
            for name in left.columns:
                assert [v or 0 for v in left[name]] == near([v or 0 for v in right[name]], 1e-8)


# ---------------------------------------------------------------- add1


def test_add1_is_that_of_r() -> None:
    fit = glm("y ~ x + offset(log(t))", D, "poisson")
    check_rows(add1(fit, "~ . + f * h + x:f"), R["add1"]["poisson"]["LRT"], 1e-9)
    old = glm("g ~ x", D, compat="R", **GAMMA)
    for test in ("LRT", "Rao", "F"):
        table = add1(old, ". + f + h + w", test=test)
        expected = R["add1"]["gamma"][test]
        check_rows(
            table,
            {t: {k: v for k, v in n.items() if k in table.columns} for t, n in expected.items()},
            COARSE,
        )
    for test in ("LRT", "F"):
        check_rows(add1(glm("g ~ x", D, compat="R"), "f + h", test=test), R["add1"]["gaussian"][test], COARSE)


def test_aic_of_add1_is_that_of_the_fits() -> None:
    table = add1(glm("g ~ x", D, **GAMMA), "f + h + w")
    for term, aic in R["add1"]["gamma_fits"].items():
        assert row(table, term)["aic"] == near(aic)


@pytest.mark.parametrize("test", ["LRT", "F", "Wald"])
def test_adding_is_comparing_with_the_larger_fit(test: str) -> None:
    fit = glm("g ~ x", D, **GAMMA)
    table = add1(fit, ". + f + h + poly(w, 2)", test=test)
    for term in ("f", "h", "poly(w, 2)"):
        both = anova(fit, fit.update(f". ~ . + {term}"), test=test)
        found = row(table, term)
        assert (found["df"], found["statistic"], found["p_value"]) == near(
            (both["df"][1], both["statistic"][1], both["p_value"][1]), 1e-8
        )


# with an offset R's add1(test="Rao") counts it twice (6.4346 here); its anova gives what is tested
def test_score_needs_no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    from glmstat.inference.deviance import larger

    fit = glm("y ~ x + offset(log(t))", D, "poisson")
    expected = [anova(fit, fit.update(f". ~ . + {term}"), test="Rao")["statistic"][1] for term in ("f", "h")]
    monkeypatch.setattr(larger, "estimate_or_limit", None)
    monkeypatch.setattr(larger, "refit", None)
    table = add1(fit, "f + h", test="Rao")
    assert table["statistic"][1:] == near(expected)
    assert row(table, "f")["statistic"] == pytest.approx(3.6071642, rel=1e-8)


def test_score_of_columns_that_add_nothing() -> None:
    fit = glm("y ~ x", D, "poisson")
    table = add1(fit, ["I(3 * x)", "f"], test="Rao")
    assert row(table, "I(3 * x)")["df"] == 0
    assert row(table, "f")["statistic"] == near(
        anova(fit, fit.update(". ~ . + f"), test="Rao")["statistic"][1]
    )


def test_score_of_ill_conditioned_columns() -> None:
    years = D.assign(year=2000.0 + np.arange(40) % 11)
    fit = glm("y ~ year", years, "poisson")
    raw, centred = (
        add1(fit, term, test="Rao")["statistic"][1] for term in ("I(year^2)", "I((year - 2005)^2)")
    )
    assert raw == pytest.approx(centred, rel=1e-5)


def test_a_term_that_recodes_others_is_added_right() -> None:
    fit = glm("g ~ 0 + f", D)
    for test in ("LRT", "Wald"):
        assert row(add1(fit, "h", test=test), "h")["df"] == 2
    assert row(add1(fit, "h", test="F"), "h")["statistic"] == near(
        anova(fit, glm("g ~ f + h", D), test="F")["statistic"][1]
    )


def test_scope_of_add1_respects_marginality() -> None:
    fit = glm("y ~ x", D, "poisson")
    assert add1(fit, "~ . + f * h").index == ("none", "f", "h")
    assert add1(fit, "x:f").index == ("none", "x:f")
    with pytest.raises(ArgumentError, match="scope has no term that the fit does not have"):
        add1(fit, "~ .")


def test_new_columns_must_be_complete() -> None:
    data = D.copy()
    data.loc[[3, 7], "w"] = np.nan
    for test in ("LRT", "Rao", "Wald"):
        with pytest.raises(ComparisonError) as error:
            add1(glm("y ~ x", data, "poisson"), "w", test=test)
        assert str(error.value) == (
            "Missing values of w in rows 3, 7 (2 rows) that the fit uses: the models would have "
            "different rows. Refit with subset=, or drop these rows first."
        )
    assert add1(glm("y ~ x", data, "poisson", subset="w > 0"), "w")["df"][1] == 1


def test_start_values_of_the_call_do_not_disturb() -> None:
    fit = glm("y ~ x", D, "poisson", start=[0.1, 0.1])
    assert add1(fit, "f")["deviance"][1] == near(glm("y ~ x + f", D, "poisson").deviance)
    assert add1(fit, "f", test="Wald")["df"][1] == 1


def test_separated_additions() -> None:
    data = {"y": [0, 0, 0, 1, 1, 0, 1, 1], "g": list("aaabbbcc"), "x": [1, 2, 3, 1, 2, 3, 1, 3]}
    fit = glm("y ~ x", data, "binomial")
    lrt, rao, wald = (add1(fit, "g", test=test) for test in ("LRT", "Rao", "Wald"))
    assert lrt["df"][1] == rao["df"][1] == 2
    assert np.isfinite([lrt["statistic"][1], rao["statistic"][1]]).all()
    assert np.isnan(wald["statistic"][1])


# ---------------------------------------------------------------- step against R


LOW = "low ~ age + lwt + race + smoke + ptl + ht + ui + ftv"
SCOPES: dict[str, tuple[str, str, Any, dict[str, Any]]] = {
    "backward": (LOW, "binomial", None, {}),
    "bic": (LOW, "binomial", None, {"criterion": "bic"}),
    "both": (
        "low ~ 1",
        "binomial",
        {"lower": "~ 1", "upper": "~ (age + lwt + race + smoke + ht + ui)^2"},
        {},
    ),
    "forward": (
        "low ~ lwt",
        "binomial",
        "~ . + age + race + smoke + ht + ui",
        {"direction": "forward"},
    ),
    "gaussian": ("bwt ~ age + lwt + race * smoke + ht + ui", "gaussian", None, {}),
}


@pytest.mark.parametrize("name", [*SCOPES, "gamma"])
def test_step_is_that_of_r(name: str) -> None:
    formula, family, scope, words = SCOPES.get(name, SCOPES["gaussian"])
    given: dict[str, Any] = {"family": family} if name != "gamma" else {**GAMMA, "compat": "R"}
    found, expected = step(glm(formula, BIRTHS, **given), scope, **words), R["step"][name]
    assert list(found.path.index[1:]) == expected["step"][1:]
    assert found.path["resid_dev"] == near(expected["deviance"])
    criterion = words.get("criterion", "aic")
    differences = np.diff(found.path[criterion])
    np.testing.assert_allclose(differences, np.diff(expected["aic"]), rtol=1e-7, atol=1e-8)
    assert set(found.fit.formula.split(" ~ ")[1].split(" + ")) == set(
        expected["formula"].split(" ~ ")[1].split(" + ")
    )


def test_the_last_fit_is_a_real_fit_and_is_marked() -> None:
    start = glm(LOW, BIRTHS, "binomial").with_vcov("HC3")
    found = step(start)
    again = glm("low ~ lwt + race + smoke + ptl + ht + ui", BIRTHS, "binomial")
    assert found.fit == again
    assert found.fit.covariance.kind == "HC3"
    text = "terms were selected by AIC: p-values and intervals ignore that"
    assert [note.text for note in found.fit.notes if note.kind == "selection"] == [text]
    assert text in str(found.fit)
    assert text in " ".join(str(found).split())
    assert "compared: aic = -2 loglik + 2 parameters of each fit" in str(found)
    assert [note.kind for note in again.update(". ~ . - ui").notes] == []
    assert any(note.kind == "selection" for note in found.fit.update(". ~ . - ui").notes)


def test_bic_is_that_of_the_fits() -> None:
    found = step(glm(LOW, BIRTHS, "binomial"), criterion="bic")
    assert found.path["bic"][-1] == near(found.fit.bic)
    same = step(glm(LOW, BIRTHS, "binomial"), k=np.log(189))
    assert same.path.index == found.path.index
    assert same.criterion == "AIC with k = 5.24175"


@pytest.mark.parametrize("test", ["LRT", "Rao", "Wald"])
def test_tests_drop_the_weakest_above_alpha(test: str) -> None:
    fit = glm(LOW, BIRTHS, "binomial")
    found = step(fit, criterion="test", test=test, alpha=0.1)
    assert max(drop1(found.fit, test=test)["p_value"][1:]) <= 0.1
    assert all(p > 0.1 for p in found.path["p_value"][1:])
    assert found.path["p_value"][1] == near(max(drop1(fit, test=test)["p_value"][1:]))


def test_tests_add_the_strongest_below_alpha() -> None:
    found = step(
        glm("low ~ 1", BIRTHS, "binomial"), "age + lwt + ht + ui", criterion="test", direction="both"
    )
    assert found.path.index[:2] == ("start", "+ lwt")
    assert min(add1(found.fit, "age + lwt + ht + ui")["p_value"][1:]) >= 0.05


def test_sampling_weights_step_by_wald() -> None:
    fit = glm("y ~ x + f", D, "poisson", sampling_weights="w")
    with pytest.raises(ComparisonError, match="AIC is not defined with sampling weights"):
        step(fit)
    assert step(fit, criterion="test", test="Wald").fit.spec.call["sampling_weights"] == "w"


def test_marginality_and_lower_scope() -> None:
    fit = glm("g ~ x * f + h", D, **GAMMA)
    assert step(fit).path.index == ("start", "- h", "- x:f", "- f")
    held = step(fit, {"lower": "~ f"})
    assert held.path.index == ("start", "- h", "- x:f")
    assert "f" in held.fit.formula
    assert step(fit, {"lower": "~ x:f"}).path.index == ("start", "- h")


def test_rows_stay_the_same() -> None:
    data = D.copy()
    data.loc[[3, 7], "w"] = np.nan
    for fit, scope in ((glm("y ~ x + w", data, "poisson"), None), (glm("y ~ x", data, "poisson"), ". + w")):
        with pytest.raises(ComparisonError) as error:
            step(fit, scope)
        assert str(error.value) == (
            "Rows would change along the way: w missing in rows 3, 7 (2 rows). "
            "Refit with subset=, or drop these rows first."
        )
    whole = glm("y ~ x + w", data, "poisson", subset=data["w"].notna())
    assert step(whole).fit.nobs == 38


def test_interruption_keeps_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, calls, real = glm(LOW, BIRTHS, "binomial"), [], stepwise.quiet_fit

    def stopped(*words: Any) -> Fit:
        calls.append(words)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return real(*words)

    monkeypatch.setattr(stepwise, "quiet_fit", stopped)
    found = step(fit)
    assert found.interrupted
    assert found.path.index == ("start", "- ftv")
    assert found.fit.columns == fit.update(". ~ . - ftv").columns
    assert "interrupted: these are the steps so far" in str(found)


def test_steps_can_be_counted() -> None:
    found = step(glm(LOW, BIRTHS, "binomial"), max_steps=1, progress=False)
    assert found.path.index == ("start", "- ftv")


def test_warnings_are_those_of_the_last_fit() -> None:
    data = pd.DataFrame(
        {"y": [0, 0, 0, 1, 1, 0, 1, 1] * 4, "g": list("aaabbbcc") * 4, "x": np.arange(32) % 5}
    )
    with pytest.warns(SeparationWarning) as seen:
        found = step(glm("y ~ x", data, "binomial"), ". + g")
    assert found.fit.status == "separated"
    assert len(seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(glm("y ~ x", data, "binomial"))


def test_without_an_intercept() -> None:
    found = step(glm("g ~ 0 + f + h + x", D), k=8.0)
    for change, df in zip(found.path.index[1:], found.path["df"][1:], strict=True):
        assert df == {"- h": 2, "- f": 1, "- x": 1}.get(change, df)
    assert found.path["resid_dev"][-1] == near(found.fit.deviance)


def test_a_term_without_columns_of_its_own_goes_first() -> None:
    for criterion in ("aic", "test"):
        found = step(glm("y ~ x + I(2 * x) + f", D, "poisson"), criterion=criterion)
        assert found.path.index[:2] == ("start", "- I(2 * x)")
        assert found.path["df"][1] == 0


def test_saved_fits_take_their_data(tmp_path: Path) -> None:
    fit = fitted("gamma")
    fit.save(tmp_path / "fit.glm")
    saved = glmstat.load(tmp_path / "fit.glm")
    for test in ("LRT", "Rao", "Wald"):
        assert drop1(saved, test=test, data=D)["p_value"][1:] == near(drop1(fit, test=test)["p_value"][1:])
        assert add1(saved, "w", test=test, data=D)["df"] == [None, 1]
        assert saved.anova(test=test, data=D)["p_value"][-1] == near(fit.anova(test=test)["p_value"][-1])
    assert step(saved, data=D).path.index == step(fit).path.index
    for call in (lambda: drop1(saved), lambda: add1(saved, "w"), lambda: step(saved)):
        with pytest.raises(DataError, match="rows"):
            call()


def test_an_empty_model_can_be_reached() -> None:
    found = step(glm("g ~ 0 + w", D.assign(g=np.cos(np.arange(40) * 2.0))))
    assert found.fit.columns == ()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"criterion": "aicc"}, "Unknown criterion: 'aicc'. Known: aic, bic, test"),
        ({"direction": "up"}, "Unknown direction: 'up'"),
        ({"direction": "forward"}, "needs a scope"),
        ({"criterion": "test", "alpha": 2}, "alpha must lie strictly between 0 and 1"),
        ({"criterion": "test", "alpha": True}, "alpha must lie strictly between 0 and 1: True"),
        ({"criterion": "test", "test": "foo"}, "Unknown test: 'foo'"),
        ({"test": "foo"}, "criterion=\"aic\" has no use for test=: 'foo'"),
        ({"alpha": 7}, 'criterion="aic" has no use for alpha=: 7'),
        ({"criterion": "bic", "test": "LRT"}, 'criterion="bic" has no use for test='),
        ({"criterion": "test", "k": -3}, 'criterion="test" has no use for k=: -3'),
        ({"k": -1.0}, "k must be > 0"),
        ({"k": float("inf")}, "k must be > 0"),
        ({"k": True}, "k must be > 0"),
        ({"max_steps": 0}, "max_steps must be >= 1"),
        ({"scope": {"low": "~ 1"}}, "Unknown part of scope: 'low'"),
        ({"scope": {"lower": "~ h"}}, "the fit lacks terms of the lower model: h"),
        ({"scope": {"lower": "~ h", "upper": "~ ."}}, "the upper model lacks terms of the lower: h"),
        ({"scope": {"upper": "x"}}, "the upper model lacks terms of the fit: f"),
        ({"scope": "h"}, "the upper model lacks terms of the fit: x, f"),
        ({"scope": ". + offset(w)"}, "scope changes the offset: offset(w)"),
        ({"scope": "log(y) ~ . + w"}, "scope has the response log(y), the fit y"),
        ({"scope": {"lower": "0"}}, "scope takes the intercept away: '0'"),
        ({"scope": 3}, "scope must be a formula or a list of terms"),
    ],
)
def test_bad_words(words: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(text)):
        step(glm("y ~ x + f", D, "poisson"), **words)


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ("offset(log(t))", "scope names no term: 'offset(log(t))'. The terms of the fit are x, f"),
        (". - offset(log(t))", "scope changes the offset: offset(log(t))"),
        ("offset(w)", "scope changes the offset: offset(w)"),
        ("0", "scope takes the intercept away: '0'"),
        ("-1", "scope takes the intercept away: '-1'"),
        ("1", "scope names no term: '1'"),
        ("log(y) ~ x", "scope has the response log(y), the fit y"),
    ],
)
def test_scopes_that_name_more_than_terms(scope: str, text: str) -> None:
    fit = glm("y ~ x + f + offset(log(t))", D, "poisson")
    with pytest.raises(ArgumentError, match=re.escape(text)):
        drop1(fit, scope)


def test_scopes_may_repeat_what_the_fit_has() -> None:
    fit = glm("y ~ x + offset(log(t))", D, "poisson")
    for scope in ("y ~ . + f", "~ x + f + offset(log(t))", "x + f", [".", "f"], ". ~ . + f"):
        assert add1(fit, scope).index == ("none", "f")
    for scope in (". + offset(w) + f", "log(y) ~ . + f"):
        with pytest.raises(ArgumentError, match="scope"):
            add1(fit, scope)


def test_nothing_to_drop_is_said() -> None:
    table = drop1(glm("y ~ 1", D, "poisson"))
    assert table.index == ("none",)
    assert "no terms to test" in table.notes


# ---------------------------------------------------------------- what step says


def test_tests_of_step_name_their_covariance_and_distribution() -> None:
    fit = glm("g ~ x + f + h", D, **GAMMA)
    found = step(fit, criterion="test", test="Wald", vcov="HC3")
    assert found.fit.covariance.kind == "HC3"
    assert found.criterion == "robust Wald tests at level 0.05"
    text = " ".join(str(found).split())
    assert "test: robust Wald, F(df, df_denominator) · dispersion: Pearson, of each fit" in text
    assert "vcov: HC3" in text
    assert found.path["df_denominator"][1:] == [
        f.df_residual for f in (fit, fit.update(". ~ . - h"))[: len(found.path) - 1]
    ]
    first = drop1(fit, test="Wald", vcov="HC3")
    assert found.path["statistic"][1] == near(row(first, found.path.index[1][2:])["statistic"])
    clustered = step(fit, criterion="test", test="Wald", vcov="CR2 ~ s")
    assert "vcov: CR2" in str(clustered) and "clusters" in str(clustered)
    fixed = step(glm("y ~ x + f", D, "poisson"), criterion="test", alpha=0.2)
    assert fixed.path.index == ("start",)
    assert any("test: likelihood ratio, chi-squared" in line for line in fixed.path.notes)


def test_criteria_do_not_use_a_sandwich() -> None:
    fit = glm("y ~ x + f + h", D, "poisson")
    line = "AIC assumes the model's variance: vcov HC3 is not used"
    assert line in step(fit, vcov="HC3").path.notes
    assert line in step(fit.with_vcov("HC3")).path.notes
    assert not any("is not used" in note for note in step(fit).path.notes)
    assert step(fit, vcov="HC3").fit.covariance.kind == "HC3"


def test_the_verb_hands_everything_on() -> None:
    fit = glm("g ~ x + f + h", D, **GAMMA)
    calls: list[dict[str, Any]] = [
        {},
        {"criterion": "test", "alpha": 0.2, "test": "Wald", "vcov": "HC3"},
        {"k": 3.0},
    ]
    for words in calls:
        assert str(fit.step(**words)) == str(step(fit, **words))
    with pytest.raises(ArgumentError, match="no use for alpha="):
        fit.step(alpha=0.05)


def test_the_path_as_values() -> None:
    found = step(glm(LOW, BIRTHS, "binomial"))
    frame = found.to_frame()
    assert list(frame.index) == list(found.path.index)
    assert found.to_dict()["formula"] == found.fit.formula
    assert found.to_dict()["criterion"] == "AIC"
    assert json.loads(json.dumps(found.to_dict()))["rows"][0]["change"] == "start"
    assert found.ascii().isascii()


def test_steps_test_as_drop1_under_r() -> None:
    fit = glm("g ~ x + f + h", D, compat="R")
    found = step(fit, criterion="test", test="LRT", alpha=0.1)
    table = drop1(fit, test="LRT")
    assert found.path["p_value"][1] == near(max(table["p_value"][1:]))


def test_no_likelihood_no_aic() -> None:
    with pytest.raises(ArgumentError, match=r"AIC needs a likelihood: quasipoisson has none"):
        step(fitted("warpbreaks"))
    assert step(fitted("warpbreaks"), criterion="test", test="F").path.index == ("start",)


def test_rows_of_frequency_0_are_no_rows_that_a_step_loses():
    data = pd.DataFrame({"y": [2, 1, 3, 5, 2, 4, 6], "f": [*"cabbaba"], "n": [0, 1, 2, 1, 3, 1, 2]})
    data["x"] = [0.1, 0.5, -0.3, 1, 0.2, 0.9, 1.2]
    found, without = (
        step(glm("y ~ x + f", rows, "poisson", freq_weights="n")) for rows in (data, data[data.n > 0])
    )
    assert str(found) == str(without)
