"""Fits on which plain IRLS fails: each converges without options, and says what it reached."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest

from glmstat import Control, glm
from glmstat.errors import (
    BoundaryWarning,
    ConvergenceWarning,
    GlmstatWarning,
    PerfectFitWarning,
    SeparationWarning,
)
from glmstat.fit import Fit
from tests.reference import hard

CASES = hard.cases()
WARNING = {
    "converged": None,
    "perfect fit": PerfectFitWarning,
    "separated": SeparationWarning,
    "boundary": BoundaryWarning,
    "not converged": ConvergenceWarning,
}
ROWS = 819_200


@cache
def fitted(name: str, solver: Any = "auto") -> tuple[Fit, tuple[type[Warning], ...]]:
    """The fit of a case by a solver, at default settings else, and the classes of its warnings."""
    case = next(case for case in CASES if case["id"] == name)
    data = {column: np.array(values) for column, values in hard.columns(case).items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = glm(
            case["formula"],
            data,
            case["family"],
            link=case["link"],
            weights=case.get("weights"),
            control=Control(solver=solver),
        )
    return fit, tuple(warning.category for warning in caught)


def every(**wanted: Any) -> Any:
    """The cases with these values, as parameters named by their ids."""
    found = [case for case in CASES if all(case.get(key) == value for key, value in wanted.items())]
    return pytest.mark.parametrize("case", found, ids=[case["id"] for case in found])


def having(key: str) -> Any:
    """The cases that say something about `key`."""
    found = [case for case in CASES if key in case]
    return pytest.mark.parametrize("case", found, ids=[case["id"] for case in found])


def finite_part(case: dict[str, Any]) -> tuple[list[str], list[float], list[float]]:
    """Names, found and certified values of the coefficients that are not aliased."""
    fit, _ = fitted(case["id"])
    found = dict(zip(fit.columns, np.asarray(fit.coef), strict=True))
    names = [name for name in fit.columns if name not in case.get("aliased", ())]
    assert len(names) == len(case["coef"])
    return names, [float(found[name]) for name in names], [float(v) for v in case["coef"].values()]


@every()
def test_status_and_warning(case: dict[str, Any]) -> None:
    fit, caught = fitted(case["id"])
    assert fit.status == case["status"], fit.estimate.convergence.reason
    expected = WARNING[case["status"]]
    assert caught == (() if expected is None else (expected,))


@every()
def test_coefficients(case: dict[str, Any]) -> None:
    tolerance = case.get("tolerance", 1e-10)
    for name, found, wanted in zip(*finite_part(case), strict=True):
        if math.isinf(wanted) or wanted == 0:
            assert found == wanted or abs(found - wanted) <= tolerance, name
        else:
            allowed = case.get("absolute", 0.0) if abs(wanted) < 1e-6 else 0.0
            assert abs(found - wanted) <= max(tolerance * abs(wanted), allowed), name


@every()
def test_the_ladder_ends_where_newton_does(case: dict[str, Any]) -> None:
    (newton, said), (ladder, told) = fitted(case["id"]), fitted(case["id"], "ladder")
    assert ladder.estimate.convergence.ladder
    assert (ladder.status, told) == (newton.status, said)
    assert list(ladder.estimate.aliased) == list(newton.estimate.aliased)
    tolerance = case.get("tolerance", 1e-10)
    np.testing.assert_allclose(ladder.coef, newton.coef, rtol=tolerance, atol=case.get("absolute", 0.0))
    if case["status"] == "converged":
        np.testing.assert_allclose(ladder.stderror(), newton.stderror(), rtol=max(1e-6, tolerance))


@every(status="converged")
def test_score_is_zero_in_standard_errors(case: dict[str, Any]) -> None:
    score, rounding = hard.decrement(case, finite_part(case)[1])
    assert score < max(1e-6, rounding)


@every(status="converged")
def test_standard_errors(case: dict[str, Any]) -> None:
    fit, _ = fitted(case["id"])
    found = [v for v in np.asarray(fit.stderror()) if not math.isnan(v)]
    digits = case.get("se_tolerance", 1e-8) if case.get("tolerance", 1e-10) <= 1e-10 else 1e-4
    np.testing.assert_allclose(found, list(case["se"].values()), rtol=digits)


@every(status="converged")
def test_deviance(case: dict[str, Any]) -> None:
    fit, _ = fitted(case["id"])
    assert fit.deviance == pytest.approx(case["deviance"], rel=1e-9, abs=case["deviance_noise"])


@having("iterations")
def test_steps(case: dict[str, Any]) -> None:
    fit, _ = fitted(case["id"])
    assert fit.estimate.convergence.iterations <= case["iterations"]


@having("note")
def test_note(case: dict[str, Any]) -> None:
    fit, _ = fitted(case["id"])
    assert any(case["note"] in note.text for note in fit.notes), fit.notes


@having("aliased")
def test_aliased(case: dict[str, Any]) -> None:
    fit, _ = fitted(case["id"])
    assert list(fit.estimate.aliased) == case["aliased"]


@every(status="converged")
def test_nothing_else_is_aliased(case: dict[str, Any]) -> None:
    fit, _ = fitted(case["id"])
    assert list(fit.estimate.aliased) == case.get("aliased", [])


@having("bound_rows")
def test_rows_at_the_bound_are_named(case: dict[str, Any]) -> None:
    bound = fitted(case["id"])[0].estimate.convergence.bound_rows
    assert bound is not None
    assert bound.count == len(case["bound_rows"])
    assert set(bound.rows) <= set(case["bound_rows"])


@having("separated_rows")
def test_separated_rows_are_named(case: dict[str, Any]) -> None:
    separated = fitted(case["id"])[0].estimate.convergence.separated_rows
    assert separated is not None
    assert separated.count == len(case["separated_rows"])
    assert set(separated.rows) <= set(case["separated_rows"])


@every(status="separated")
def test_separated_fit_has_no_standard_error_and_predicts_the_limit(case: dict[str, Any]) -> None:
    fit, _ = fitted(case["id"])
    infinite = np.isinf(np.asarray(fit.coef))
    assert np.isnan(np.asarray(fit.stderror())[infinite]).all()
    assert np.isfinite(np.asarray(fit.stderror())[~infinite]).all()
    data = hard.columns(case)
    limit = np.array(data["g"] if "g" in data else [1.0] * case["n"]) == 1
    np.testing.assert_array_equal(
        np.asarray(fit.predict(data))[limit], 1.0 if case["family"] == "binomial" else 0.0
    )
    assert np.isfinite(fit.deviance)
    assert fit.nobs == case["n"]


def test_own_cases_are_hard_and_enough() -> None:
    own = hard.cases("own")
    assert len(own) >= 14
    assert sum(case["status"] == "converged" for case in own) >= 12
    for case in own:
        others = case["others"].values()
        assert any("error" in o or not o["converged"] or o["digits"] < 8 for o in others), case["id"]


def test_a_step_in_eta_is_what_a_far_start_costs() -> None:
    x = 2 * ((np.arange(1, 51) * math.sqrt(2)) % 1) - 1
    data = {"x": x, "y": np.floor(4 * ((np.arange(1, 51) * math.sqrt(5)) % 1))}
    near = glm("y ~ x", data, "poisson")
    far = glm("y ~ x", data, "poisson", start=[50.0, 0.0])
    np.testing.assert_allclose(np.asarray(far.coef), np.asarray(near.coef), rtol=1e-12)
    assert far.status == "converged"


@pytest.mark.parametrize(
    ("formula", "data", "family", "errors"),
    [
        ("y ~ x", {"y": [1.0, 2.0], "x": [0.0, 1.0]}, "poisson", [1.0, math.sqrt(1.5)]),
        (
            "y ~ f",
            {"y": [1.0, 2.0, 4.0], "f": ["a", "b", "c"]},
            "poisson",
            [1.0, math.sqrt(1.5), math.sqrt(1.25)],
        ),
        ("y ~ 1", {"y": [1.0, 1.0, 1.0]}, "poisson", [math.sqrt(1 / 3)]),
        ("y ~ 1", {"y": [3.0]}, "poisson", [math.sqrt(1 / 3)]),
    ],
    ids=["two rows", "a level a row", "constant", "one row"],
)
def test_a_saturated_fit_with_known_dispersion_has_standard_errors(
    formula: str, data: dict[str, Any], family: str, errors: list[float]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = glm(formula, data, family)
    assert fit.status == "converged"
    assert fit.deviance == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(np.asarray(fit.stderror()), errors, rtol=1e-10)


@pytest.mark.parametrize("family", ["gaussian", "gamma"])
def test_a_constant_response_is_a_perfect_fit_in_one_step(family: str) -> None:
    with pytest.warns(PerfectFitWarning):
        fit = glm("y ~ x", {"y": [2.0] * 5, "x": [0.0, 1.0, 3.0, 4.0, 7.0]}, family, link="identity")
    assert fit.estimate.convergence.iterations <= 1
    np.testing.assert_allclose(np.asarray(fit.coef), [2.0, 0.0], atol=1e-15)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_binary_response_is_separated(value: float) -> None:
    with pytest.warns(SeparationWarning, match="Intercept"):
        fit = glm("y ~ x", {"y": [value] * 6, "x": [0.0, 1.0, 3.0, 4.0, 7.0, 8.0]}, "binomial")
    np.testing.assert_array_equal(fit.fitted, value)
    assert fit.deviance == 0


def test_fewer_rows_than_columns_alias_the_later_ones() -> None:
    with pytest.warns(PerfectFitWarning):
        fit = glm(
            "y ~ a + b + c", {"y": [1.0, 2.0, 4.0], "a": [0.0, 1, 2], "b": [1.0, 0, 3], "c": [2.0, 5, 1]}
        )
    assert list(fit.estimate.aliased) == ["c"]
    assert fit.df_residual == 0
    assert math.isnan(fit.dispersion)


def rare(level: bool) -> tuple[dict[str, np.ndarray], str]:
    """About 90 ones in 819,200 rows, the ones last; with or without a level of 300 rows."""
    rng = np.random.default_rng(33)
    columns = {f"x{k}": rng.standard_normal(ROWS) for k in range(5)}
    eta = -9.5 + sum(0.3 * v for v in columns.values())
    columns["y"] = (rng.random(ROWS) < 1 / (1 + np.exp(-eta))).astype(float)
    if level:
        columns["g"] = np.zeros(ROWS)
        ones = np.flatnonzero(columns["y"])[:2]
        columns["g"][np.r_[ones, np.flatnonzero(columns["y"] == 0)[:298]]] = 1.0
    return columns, "y ~ " + " + ".join(name for name in columns if name != "y")


@pytest.mark.slow
@pytest.mark.parametrize("level", [False, True], ids=["plain", "level of 300 rows"])
def test_rare_ones_at_the_end_equal_the_shuffled_fit(level: bool) -> None:  # case 33
    data, formula = rare(level)
    order = np.argsort(data["y"], kind="stable")
    last = glm(formula, {name: values[order] for name, values in data.items()}, "binomial")
    shuffled = glm(formula, data, "binomial")
    assert last.status == shuffled.status == "converged"
    assert last.estimate.convergence.ladder == "the response is constant in the subsample"
    difference = np.asarray(last.coef) - np.asarray(shuffled.coef)
    assert np.abs(difference / np.asarray(shuffled.stderror())).max() < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["newton", "ladder"])
def test_a_separated_subsample_is_not_a_separated_fit(solver: Any) -> None:  # case 34
    x = np.random.default_rng(34).standard_normal(ROWS)
    y = (x > 0).astype(float)
    y[-1500:] = 1 - y[-1500:]
    with warnings.catch_warnings():
        warnings.simplefilter("error", GlmstatWarning)
        fit = glm("y ~ x", {"x": x, "y": y}, "binomial", control=Control(solver=solver))
    assert fit.status == "converged"
    assert fit.estimate.convergence.ladder == ("the subsample may be separated" if solver == "ladder" else "")
    assert np.isfinite(np.asarray(fit.coef)).all()


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "digits"), [("newton", 1e-9), ("ladder", 1e-8)])
def test_zero_weights_at_the_head_equal_the_fit_of_the_rest(solver: Any, digits: float) -> None:  # case 35
    rng = np.random.default_rng(35)
    data = {f"x{k}": rng.standard_normal(ROWS) for k in range(4)}
    data["y"] = rng.poisson(np.exp(0.2 + 0.1 * data["x0"])).astype(float)
    data["w"] = (np.arange(ROWS) >= int(0.95 * ROWS)).astype(float)
    formula = "y ~ x0 + x1 + x2 + x3"
    weighted = glm(formula, data, "poisson", weights="w", control=Control(solver=solver))
    assert weighted.estimate.convergence.ladder == ("reached the maximum" if solver == "ladder" else "")
    rest = glm(formula, {name: values[data["w"] > 0] for name, values in data.items()}, "poisson")
    assert (weighted.nobs, weighted.df_residual, weighted.df_null) == (
        rest.nobs,
        rest.df_residual,
        rest.df_null,
    )
    apart = np.abs(np.asarray(weighted.coef) - np.asarray(rest.coef)) / np.asarray(rest.stderror())
    assert apart.max() < digits / 100
    np.testing.assert_allclose(np.asarray(weighted.stderror()), np.asarray(rest.stderror()), rtol=digits)
    assert weighted.deviance == pytest.approx(rest.deviance, rel=1e-12)
    assert weighted.bic == pytest.approx(rest.bic, rel=1e-12)
