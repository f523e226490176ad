"""Every reference case at default settings, one test for each part of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import anova, glm, negbin
from glmstat.errors import FewClustersWarning
from glmstat.fit import Covariance, Fit
from tests.reference import reference

KINDS = ("glm", "aliased", "negbin", "firth")
CASES = [case for case in reference.cases() if case["kind"] in KINDS]

# part → why no verb gives it yet; exact: a part that is neither made below nor listed here fails
NOT_COVERED = {
    "emmeans.*": "marginal means",
}


@cache
def data(name: str) -> pd.DataFrame:
    """The case's table."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The 'float_precision' argument", DeprecationWarning)
        return reference.data(reference.case(name))


def spelled(what: dict[str, Any] | str) -> str:
    """A family or link with its parameter: "negative_binomial(2)", "quasi(mu^2)"."""
    if isinstance(what, str):
        return what
    number = next(iter(what["params"].values()), None)
    return what["name"] if number is None else f"{what['name']}({number})"


def weights(case: dict[str, Any]) -> dict[str, str]:
    """The case's weights as the argument that means them."""
    given = case.get("weights", {"kind": "none"})
    word = {"prior": "weights", "trials": "weights", "freq": "freq_weights"}.get(given["kind"])
    return {word: given["expr"]} if word else {}


def method(case: dict[str, Any]) -> str:
    """How the case estimates: brglm2's AS_mean is "firth"."""
    return {"AS_mean": "firth"}[case["type"]] if case["kind"] == "firth" else "ml"


def fit_to(case: dict[str, Any], table: Any, **words: Any) -> Fit:
    """The case's fit to a table. Compat R cuts intervals at normal quantiles, as the cases do; no other
    number moves."""
    if case["kind"] == "negbin":
        return negbin(case["formula"], table, compat="R", **words)
    words |= {"link": spelled(case["link"]), "method": method(case), "compat": "R", **weights(case)}
    return glm(case["formula"], table, spelled(case["family"]), **words)


@cache
def fit(name: str) -> Fit:
    """The case's fit to the table in memory."""
    return fit_to(reference.case(name), data(name))


@cache
def predicted(name: str, type: str) -> pd.DataFrame:
    """Predictions at the case's rows, from the table without the response's own columns kept apart."""
    rows = reference.case(name)["expected"]["predict"]["rows"]
    return fit(name).predict(data(name).iloc[rows], type=type, se_fit=True)


def residuals(case: dict[str, Any], type: str) -> pd.Series:
    """Residuals of the rows in the fit, on the table's index."""
    return fit(case["id"]).residuals(type)


def at_rows(case: dict[str, Any], type: str) -> list[float]:
    """Residuals at the rows that the case lists."""
    return residuals(case, type).loc[case["expected"]["resid"]["rows"]].tolist()


def columns(case: dict[str, Any]) -> tuple[str, ...]:
    """The coefficients by the names of the cases, which are the default ones and not R's."""
    return fit(case["id"]).spec.design.default_columns


def estimable(values: pd.Series, case: dict[str, Any]) -> dict[str, float]:
    """A vector by name, without the aliased coefficients."""
    aliased = case["expected"].get("aliased", [])
    named = zip(columns(case), values.tolist(), strict=True)
    return {name: value for name, value in named if name not in aliased}


def column(name: str) -> Callable[[dict[str, Any]], dict[str, float]]:
    """A column of the printed table."""
    return lambda case: dict(
        zip(columns(case), fit(case["id"]).summary().to_frame()[name].tolist(), strict=True)
    )


def intervals(case: dict[str, Any]) -> dict[str, list[float]]:
    """Wald intervals by name."""
    return dict(zip(columns(case), fit(case["id"]).confint().to_numpy().tolist(), strict=True))


def errors(kind: str, information: str = "expected") -> Callable[[dict[str, Any]], dict[str, float]]:
    """Standard errors of a kind."""
    choice = Covariance(kind, information=information)
    return lambda case: estimable(fit(case["id"]).stderror(choice), case)


def clustered(kind: str, place: str = "cluster") -> Callable[[dict[str, Any]], dict[str, float]]:
    """Standard errors of a kind with the clusters that the case names."""

    def make(case: dict[str, Any]) -> dict[str, float]:
        known = case["expected"].get(place, case["expected"]["cluster"])
        ways = tuple(known["columns"]) if "columns" in known else case["expected"]["cluster"]["column"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewClustersWarning)
            found = fit(case["id"]).stderror(Covariance(kind, ways))
        return dict(zip(columns(case), found.tolist(), strict=True))

    return make


@cache
def influential(name: str) -> pd.DataFrame:
    """What each row does to the fit."""
    return fit(name).influence().to_frame()


def scaled(type: str) -> Callable[[dict[str, Any]], list[float]]:
    """Standardised residuals at the rows that the case lists."""
    return lambda case: (
        fit(case["id"]).residuals(type, standardized=True).loc[case["expected"]["resid"]["rows"]].tolist()
    )


def beside_residuals(name: str) -> Callable[[dict[str, Any]], list[float]]:
    """A column of the influence at the labels that the case lists."""
    return lambda case: influential(case["id"]).loc[case["expected"]["resid"]["rows"], name].tolist()


def influence(name: str) -> Callable[[dict[str, Any]], list[float]]:
    """A column of the influence at the places that the case lists."""
    return lambda case: influential(case["id"])[name].iloc[case["expected"]["influence"]["rows"]].tolist()


def changes(case: dict[str, Any]) -> dict[str, list[float]]:
    """Changes of the coefficients without each row."""
    rows = influential(case["id"]).iloc[case["expected"]["influence"]["rows"]]
    own = dict(zip(columns(case), fit(case["id"]).columns, strict=True))
    asked = case["expected"]["influence"]["dfbeta_R_onestep"]
    return {name: rows[f"dfbeta_{own[name]}"].tolist() for name in asked}


TESTS = ("wald_stat", "F_stat", "F_p", "scaled_lr_stat", "lr_stat", "lr_p", "score_stat", "score_p")


@cache
def hypotheses(name: str) -> list[dict[str, float]]:
    """Each reduced model of the case, as the hypothesis that the coefficients it lacks are 0."""
    full, rows = fit(name), []
    by_f = full.update(compat="glmstat")
    for entry in reference.case(name)["expected"]["tests"]:
        kept = full.update(entry["reduced"]).spec.design.default_columns
        names = full.spec.design.default_columns
        text = ", ".join(f"{column} = 0" for column in names if column not in kept)
        wald, score = (full.test(text, method=word).tests[0] for word in ("wald", "score"))
        lr = by_f.test(text, method="lr").tests[0]
        # R's anova divides by Pearson's dispersion although that of this family is 1
        theta = full.spec.likelihood.family.name == "negative_binomial"
        by_r = full.update(dispersion="pearson").test(text, method="score").tests[0] if theta else score
        chi_squared = wald.statistic**2 if wald.df == 1 else wald.statistic
        rows.append(
            {
                "wald_stat": chi_squared * (wald.df if wald.reference.startswith("F") else 1),
                "F_stat": lr.statistic,
                "F_p": lr.p_value,
                "scaled_lr_stat": lr.statistic * lr.df,
                "lr_stat": lr.statistic,
                "lr_p": lr.p_value,
                "score_stat": score.statistic,
                "score_p": by_r.p_value,
            }
        )
    return rows


def part_of_tests(word: str) -> Callable[[dict[str, Any]], list[float]]:
    """One number of each test."""
    return lambda case: [row[word] for row in hypotheses(case["id"])]


def profiles(case: dict[str, Any]) -> dict[str, list[float]]:
    """Profile intervals by name."""
    found = fit(case["id"]).confint(method="profile")
    return dict(zip(columns(case), found.to_numpy().tolist(), strict=True))


def deviances(type: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The analysis of deviance of a type, in the words of the case."""

    def make(case: dict[str, Any]) -> dict[str, Any]:
        expected, of = case["expected"]["anova"][type], fit(case["id"])
        lrt, rows = of.anova(type).to_frame(), {}
        estimated = "F" in next(iter(expected.values()))
        table = of.anova(type, test="F").to_frame() if estimated else lrt
        for term in expected:
            row = {"df": int(lrt.loc[term, "df"]), "lr": lrt.loc[term, "deviance"]}
            p = table.loc[term, "p_value"]
            if estimated:
                scaled = lrt.loc[term, "statistic"]
                row |= {"F": table.loc[term, "statistic"], "p_F": p, "lr_scaled": scaled}
            else:
                row["p"] = p
            rows[term] = row
        return rows

    return make


def sums_of_squares(case: dict[str, Any]) -> dict[str, float]:
    """Sums over all rows: of squared residuals, and of hat values."""
    sums = {type: float((residuals(case, type) ** 2).sum()) for type in ("response", "pearson")}
    return {**sums, "hat": float(influential(case["id"])["hat"].sum())}


def prediction(type: str, name: str) -> Callable[[dict[str, Any]], list[float]]:
    """A column of the predictions."""
    return lambda case: predicted(case["id"], type)[name].tolist()


def shape(case: dict[str, Any]) -> Any:
    """The estimated theta."""
    return fit(case["id"]).shape


def given_or_joint(case: dict[str, Any]) -> dict[str, float]:
    """Standard errors given theta, once those of the joint information have been looked at."""
    if case["kind"] == "negbin":
        found = estimable(fit(case["id"]).stderror("joint"), case)
        known = case["expected"]["se_any"]["joint_observed"]
        np.testing.assert_allclose([found[name] for name in known], list(known.values()), rtol=1e-9)
    return estimable(fit(case["id"]).stderror(), case)


def error_of_theta(case: dict[str, Any]) -> float:
    """Its standard error at the fitted means, once that of the joint information has been looked at."""
    found = shape(case)
    assert found.joint_std_error == pytest.approx(case["expected"]["theta_se_any"]["joint"], rel=1e-9)
    return found.std_error


def ratio(case: dict[str, Any]) -> Any:
    """The likelihood ratio test of the reduced model, theta estimated in both."""
    return anova(
        negbin(case["expected"]["lr"]["reduced"], data(case["id"])), negbin(case["formula"], data(case["id"]))
    )


# part → what the package gives, in the shape of case["expected"] at that path
MAKE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "coef": lambda case: estimable(fit(case["id"]).coef, case),
    "se": given_or_joint,
    "theta": lambda case: shape(case).value,
    "alpha": lambda case: 1.0 / shape(case).value,
    "theta_se": error_of_theta,
    "lr.stat": lambda case: ratio(case)["statistic"][1],
    "lr.df": lambda case: ratio(case)["df"][1],
    "t": column("statistic"),
    "z": column("statistic"),
    "p_t": column("p_value"),
    "p_z": column("p_value"),
    "wald_ci": intervals,
    "vcov_offdiag": lambda case: fit(case["id"]).vcov().to_numpy()[1, 0],
    "deviance": lambda case: fit(case["id"]).deviance,
    "null_deviance": lambda case: fit(case["id"]).null_deviance,
    "df_resid": lambda case: fit(case["id"]).df_residual,
    "df_null": lambda case: fit(case["id"]).df_null,
    "nobs": lambda case: fit(case["id"]).nobs,
    "rank": lambda case: fit(case["id"]).nobs - fit(case["id"]).df_residual,
    "dispersion": lambda case: fit(case["id"]).dispersion,
    "pearson_chi2": lambda case: fit(case["id"]).pearson,
    "loglik": lambda case: fit(case["id"]).loglik,
    "aic": lambda case: fit(case["id"]).aic,
    "aliased": lambda case: [
        name
        for name, own in zip(columns(case), fit(case["id"]).columns, strict=True)
        if own in fit(case["id"]).estimate.aliased
    ],
    "fitted.values": lambda case: fit(case["id"]).fitted.iloc[case["expected"]["fitted"]["rows"]].tolist(),
    **{f"robust.HC{number}": errors(f"HC{number}") for number in range(4)},
    **{f"robust_more.{kind}": errors(kind) for kind in ("HC4", "HC4m", "HC5")},
    **{f"robust_observed.{kind}": errors(kind, "observed") for kind in ("HC0", "HC1")},
    "predict.link": prediction("link", "estimate"),
    "predict.link_se": prediction("link", "std_error"),
    "predict.response": prediction("response", "estimate"),
    "predict.response_se": prediction("response", "std_error"),
    "resid.response": lambda case: at_rows(case, "response"),
    "resid.pearson": lambda case: at_rows(case, "pearson"),
    "resid.deviance": lambda case: at_rows(case, "deviance"),
    "resid.working": lambda case: at_rows(case, "working"),
    "resid.sumsq": sums_of_squares,
    "cluster.se_CR0": clustered("CR0"),
    "cluster.se_CR0_adj": clustered("CR1"),
    "cluster.se_CR1S": clustered("CR1S"),
    "cluster2.se_CR0": clustered("CR0", "cluster2"),
    **{f"cluster_clubsandwich.{kind}": clustered(kind) for kind in ("CR1", "CR2", "CR3")},
    **{f"tests.{word}": part_of_tests(word) for word in TESTS},
    **{f"anova.{type}": deviances(type) for type in ("I", "II", "III")},
    "profile_ci": profiles,
    "resid.hat": beside_residuals("hat"),
    "resid.cooks": beside_residuals("cooks"),
    "resid.std_pearson": scaled("pearson"),
    "resid.std_deviance": scaled("deviance"),
    **{f"influence.{name}": influence(name) for name in ("hat", "cooks", "dffits")},
    "influence.dfbeta_R_onestep": changes,
    "influence.rstandard_deviance": influence("std_resid_deviance"),
    "influence.rstudent": influence("student_resid"),
}


def shaped(part: str, value: Any) -> dict[str, Any]:
    """The value at its path: "resid.hat" → {"resid": {"hat": value}}."""
    head, _, tail = part.partition(".")
    if head == "tests":
        return {head: [{tail: one} for one in value]}
    return {head: {tail: value}} if tail else {head: value}


def covered() -> list[Any]:
    """Every part of every case that is not listed as not covered, with an id."""
    parts = [(case, part) for case in CASES for part in reference.parts(case) if not excused(part)]
    return [pytest.param(case, part, id=f"{case['id']}-{part}") for case, part in parts]


def excused(part: str) -> bool:
    """Whether the part is listed as not covered."""
    return any(fnmatchcase(part, pattern) for pattern in NOT_COVERED)


@pytest.mark.parametrize(("case", "part"), covered())
def test_part(case: dict[str, Any], part: str) -> None:
    assert part in MAKE, f"{part} is neither made nor listed as not covered"
    reference.check(case, shaped(part, MAKE[part](case)))


@pytest.mark.parametrize("case", [c for c in CASES if c.get("formula_counts")], ids=lambda c: c["id"])
@pytest.mark.parametrize(
    "part", ["coef", "se", "deviance", "null_deviance", "df_resid", "nobs", "loglik", "aic"]
)
def test_counts_on_the_left_are_the_same_fit(case: dict[str, Any], part: str) -> None:
    shares = fit(case["id"])
    counts = glm(
        case["formula_counts"],
        data(case["id"]),
        spelled(case["family"]),
        link=spelled(case["link"]),
        method=method(case),
    )
    of = {
        "coef": lambda f: dict(zip(f.spec.design.default_columns, f.coef.tolist(), strict=True)),
        "se": lambda f: dict(zip(f.spec.design.default_columns, f.stderror().tolist(), strict=True)),
        "df_resid": lambda f: f.df_residual,
    }
    get = of.get(part, lambda f: getattr(f, part))
    if part in case["expected"]:
        reference.check(case, {part: get(counts)})
    assert get(counts) == pytest.approx(get(shares), rel=1e-14)


def test_fits_are_quiet_and_converged() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {case["id"]: fit(case["id"]).status for case in CASES} == {
            case["id"]: "converged" for case in CASES
        }


def test_list_of_parts_not_covered_is_exact() -> None:
    parts = {part for case in CASES for part in reference.parts(case)}
    idle = {pattern for pattern in NOT_COVERED if not any(fnmatchcase(part, pattern) for part in parts)}
    assert not idle, "listed but in no case"
    assert not {part for part in parts if excused(part) and part in MAKE}, "listed and made"
    assert not set(MAKE) - parts, "made but in no case"


def test_default_intervals_use_t_where_the_dispersion_is_estimated() -> None:
    case = reference.case("r01-mtcars-gaussian")
    default = glm(case["formula"], data(case["id"]))
    width = default.confint().to_numpy() @ [-0.5, 0.5]
    np.testing.assert_allclose(
        width, 2.0518305164802833 * default.stderror().to_numpy(), rtol=1e-12
    )  # qt(.975, 27)


def test_quasi_families_and_those_of_statmod_have_no_likelihood_in_r() -> None:
    for case in CASES:
        if case["kind"] != "negbin" and spelled(case["family"]).startswith(("quasi", "tweedie")):
            assert np.isnan(fit(case["id"]).loglik)
            assert np.isnan(fit(case["id"]).aic)
