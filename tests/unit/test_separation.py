"""Separation against the full linear programme, on small random designs of every kind."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy.optimize import linprog

from glmstat import Fit, glm
from glmstat.errors import SeparationWarning

COUNT = 400
EDGE = 1e-7


@dataclass(frozen=True)
class Design:
    """A response and columns with the intercept first."""

    family: str
    link: str
    y: np.ndarray
    X: np.ndarray
    weights: np.ndarray

    @property
    def bound(self) -> np.ndarray:
        """Sign s with s·x'd ≥ 0 along a recession direction; 0 where x'd must be 0; NaN without weight."""
        if self.family == "poisson":
            sign = np.where(self.y == 0, -1.0, 0.0)
        else:
            sign = np.where(self.y == 1, 1.0, np.where(self.y == 0, -1.0, 0.0))
        return np.where(self.weights > 0, sign, np.nan)

    @property
    def data(self) -> dict[str, np.ndarray]:
        columns = {f"x{k}": column for k, column in enumerate(self.X.T[1:], start=1)}
        return {"y": self.y, "w": self.weights, **columns}

    @property
    def formula(self) -> str:
        return "y ~ " + " + ".join(["1", *(f"x{k}" for k in range(1, self.X.shape[1]))])


@dataclass(frozen=True)
class Oracle:
    """Rows that leave to the limit along some recession direction, by one linear programme each way."""

    separated: np.ndarray

    @classmethod
    def of(cls, design: Design) -> Oracle:
        """Maximise how many rows a direction separates: a sum of directions separates all of theirs."""
        sign, X = design.bound, design.X
        bound, free = sign[np.isfinite(sign) & (sign != 0)], X[sign == 0]
        A = bound[:, None] * X[np.isfinite(sign) & (sign != 0)]
        rows, p = A.shape
        out = np.zeros(len(sign), dtype=bool)
        if rows == 0:
            return cls(out)
        # variables: d, and 0 ≤ s ≤ 1 with s ≤ A d; the sum of s counts the separated rows
        inequality = np.hstack([-A, np.eye(rows)])
        objective = np.r_[np.zeros(p), -np.ones(rows)]
        equality = (
            {"A_eq": np.hstack([free, np.zeros((len(free), rows))]), "b_eq": np.zeros(len(free))}
            if len(free)
            else {}
        )
        found = linprog(
            objective,
            A_ub=inequality,
            b_ub=np.zeros(rows),
            bounds=[(None, None)] * p + [(0, 1)] * rows,
            method="highs",
            **equality,
        )
        assert found.status == 0, found.message
        out[np.flatnonzero(np.isfinite(sign) & (sign != 0))] = found.x[p:] > 0.5
        return cls(out)


def columns(rng: np.random.Generator, kind: str, n: int, p: int) -> np.ndarray:
    if kind == "integer":
        return rng.integers(-2, 3, (n, p)).astype(float)
    if kind == "sparse":
        return np.where(rng.random((n, p)) < 0.2, rng.integers(1, 3, (n, p)), 0).astype(float)
    if kind == "levels":
        return np.eye(p + 1)[rng.integers(0, p + 1, n)][:, 1:]
    return rng.standard_normal((n, p))


def designs() -> Iterator[Design]:
    """Designs of known shape; about half are separated."""
    rng = np.random.default_rng(9)
    kinds = ("integer", "sparse", "levels", "normal")
    for k in range(COUNT):
        kind, n, p = kinds[k % 4], int(rng.integers(8, 45)), int(rng.integers(1, 5))
        X = np.column_stack([np.ones(n), columns(rng, kind, n, p)])
        eta = X @ rng.normal(0, rng.choice([0.5, 2.0, 5.0]), p + 1)
        weights = np.where(rng.random(n) < 0.1, 0.0, 1.0) if k % 5 == 0 else np.ones(n)
        if k % 3 == 2:
            y = rng.poisson(np.exp(np.clip(eta - 1, -8, 3))).astype(float)
            yield Design("poisson", "log", y, X, weights)
        else:
            y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
            if k % 7 == 0:
                weights, y = 4 * weights, np.where(rng.random(n) < 0.3, 0.5, y)
            yield Design(
                "binomial", ("logit", "probit", "cloglog")[k // 4 % 3] if k % 2 else "logit", y, X, weights
            )


CASES = list(designs())


@cache
def oracle_of(number: int) -> Oracle:
    return Oracle.of(CASES[number])


def fitted(design: Design) -> tuple[Fit, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = glm(design.formula, design.data, design.family, link=design.link, weights="w")
    return fit, [str(w.message) for w in caught if issubclass(w.category, SeparationWarning)]


def at_bound(fit: Fit, design: Design) -> np.ndarray:
    """Sign of the first recession direction that moves each row, 0 where none does."""
    sign = np.zeros(len(design.y))
    for direction in fit.estimate.directions:
        move = design.X @ direction
        scale = np.abs(design.X) @ np.abs(direction)
        sign = np.where((sign == 0) & (np.abs(move) > EDGE * scale), np.sign(move), sign)
    return sign


@pytest.mark.parametrize("number", range(COUNT))
def test_verdict_rows_and_limit(number: int) -> None:
    design, oracle = CASES[number], oracle_of(number)
    if design.weights.sum() == 0:
        pytest.skip("no rows")
    fit, words = fitted(design)
    separated = oracle.separated.any()
    assert (fit.status == "separated") == separated, fit.estimate.convergence
    assert len(words) == separated
    assert (fit.estimate.convergence.separation == "separated") == separated
    if not separated:
        assert fit.status == "converged"
        assert np.isfinite(fit.estimate.coef[fit.estimate.free]).all()
        return
    check_rows(fit, design, oracle)
    check_limit(fit, design)
    check_words(fit, words[0], design, oracle)


def check_rows(fit: Fit, design: Design, oracle: Oracle) -> None:
    """The separated rows are those of the oracle, each on the side of its response."""
    sign = at_bound(fit, design)
    counted = design.weights > 0
    np.testing.assert_array_equal(sign[counted] != 0, oracle.separated[counted])
    np.testing.assert_array_equal(sign[oracle.separated], design.bound[oracle.separated])
    assert (sign[design.bound == 0] == 0).all()


def check_limit(fit: Fit, design: Design) -> None:
    """Predictions take the limit on the separated rows; the rest is the fit without them."""
    sign = at_bound(fit, design)
    mean = np.asarray(fit.predict(design.data))
    if design.family == "binomial":
        np.testing.assert_array_equal(mean[sign != 0], (sign[sign != 0] > 0).astype(float))
    else:
        np.testing.assert_array_equal(mean[sign < 0], 0.0)
    rest = sign == 0
    if (design.weights[rest] > 0).any():
        data = {name: values[rest] for name, values in design.data.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = glm(design.formula, data, design.family, link=design.link, weights="w")
        assert again.status != "separated"
        np.testing.assert_allclose(mean[rest], np.asarray(again.predict(data)), rtol=1e-7, atol=1e-12)
        assert fit.deviance == pytest.approx(again.deviance, rel=1e-9, abs=1e-9)
    else:
        assert fit.deviance == pytest.approx(0.0, abs=1e-12)
    assert fit.nobs == (design.weights > 0).sum()


def check_words(fit: Fit, words: str, design: Design, oracle: Oracle) -> None:
    """The message names the infinite terms with their sign, and the rows."""
    infinite = {
        name: value for name, value in zip(fit.columns, fit.estimate.coef, strict=True) if np.isinf(value)
    }
    assert infinite
    for name, value in infinite.items():
        assert f"{name} → {'inf' if value > 0 else '-inf'}" in words
    count = int(oracle.separated.sum())
    word = "row" if count == 1 else "rows"
    assert f"({count} {word})" in words, words
    errors = np.asarray(fit.stderror())
    assert np.isnan(errors[np.isinf(fit.estimate.coef)]).all()


def test_the_designs_are_of_both_kinds() -> None:
    for family in ("binomial", "poisson"):
        numbers = [number for number, design in enumerate(CASES) if design.family == family]
        found = [oracle_of(number).separated.any() for number in numbers]
        assert 0.2 < np.mean(found) < 0.8


@pytest.mark.parametrize(("family", "sign", "value"), [("poisson", "-inf", 0.0), ("binomial", "inf", 1.0)])
def test_a_pure_level_of_a_factor_is_named(family: str, sign: str, value: float) -> None:
    levels = np.array(["a", "b", "c"] * 8)
    y = np.where(levels == "b", value, np.arange(24) // 3 % 2)
    with pytest.warns(
        SeparationWarning, match=rf"Separation, f\[T.b\] → {sign}: rows 1, 4, 7, 10, 13, … \(8 rows\)"
    ):
        fit = glm("y ~ f", {"y": y, "f": levels}, family)
    assert fit.status == "separated"
    assert str(fit.coef["f[T.b]"]) == sign
    assert np.isnan(fit.stderror()["f[T.b]"])
    assert np.isfinite(fit.stderror()[["Intercept", "f[T.c]"]]).all()
    assert fit.predict({"f": ["b"]}).iloc[0] == value


def test_separation_along_a_sum_of_columns_is_found() -> None:
    rng = np.random.default_rng(5)
    x, z = rng.standard_normal((2, 60))
    y = (x + 2 * z > 0.3).astype(float)
    with pytest.warns(SeparationWarning, match=r"x → inf, z → inf: .*\(60 rows\)"):
        fit = glm("y ~ x + z", {"y": y, "x": x, "z": z}, "binomial")
    assert fit.deviance == 0


def test_two_speeds_of_separation() -> None:
    """Rows that leave first, and rows that leave only once those are out."""
    x = np.array([-2.0, -1, 0, 0, 0, 0, 1, 2])
    z = np.array([0.0, 0, -1, -1, 1, 1, 0, 0])
    y = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    with pytest.warns(SeparationWarning, match=r"\(8 rows\)"):
        fit = glm("y ~ x + z", {"y": y, "x": x, "z": z}, "binomial")
    assert fit.deviance == 0
    np.testing.assert_array_equal(fit.predict({"x": x, "z": z}), y)


def test_offsets_and_interior_shares_do_not_separate() -> None:
    x = np.arange(10.0)
    y = (x > 4).astype(float)
    shares = np.clip(y, 0.1, 0.9)
    fit = glm("y ~ x + offset(o)", {"y": shares, "x": x, "o": 300 * (x - 4.5)}, "quasibinomial")
    assert fit.estimate.convergence.separation != "separated"


def test_a_direction_that_is_rounding_of_a_column_ends_the_search():
    x = 1e6 + np.array([3, 1, 2, 2, 0, 3]) / 1000
    data = {"x": x, "z": [1.0, 0, 0, 2, 1, 1], "f": [*"ccbcca"], "y": [1, 0, 1, 1, 0, 1]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = glm("y ~ x + z + f", data, "binomial")
    assert fit.status == "not converged"
    assert any("separation is not excluded" in str(one.message) for one in caught)
