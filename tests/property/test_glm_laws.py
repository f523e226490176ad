"""Laws that hold for every fit, on data that hypothesis draws."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from glmstat import Control, Fit, glm, load

LAWS = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
KNOWN = ("poisson", "binomial", "negative_binomial(2)")
MODELS = [
    ("gaussian", "identity"),
    ("poisson", "log"),
    ("binomial", "logit"),
    ("binomial", "cloglog"),
    ("gamma", "log"),
    ("gamma", "inverse"),
    ("inverse_gaussian", "log"),
    ("negative_binomial(2)", "log"),
    ("poisson", "sqrt"),
    ("quasipoisson", "log"),
]
FORMULA = "y ~ x + z + f + offset(o)"


@dataclass(frozen=True)
class Case:
    """A drawn table with its family and link."""

    data: pd.DataFrame
    family: str
    link: str

    def fit(self, formula: str = FORMULA, data: pd.DataFrame | None = None, **words: Any) -> Fit:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return glm(formula, self.data if data is None else data, self.family, link=self.link, **words)

    def with_data(self, **columns: Any) -> Case:
        return Case(self.data.assign(**columns), self.family, self.link)


def table(seed: int, n: int, family: str, link: str) -> pd.DataFrame:
    """Columns and a response of the family, means well inside its domain."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "x": rng.uniform(-1, 1, n),
            "z": rng.normal(2, 0.5, n),
            "f": pd.Categorical(rng.permutation(np.resize(["a", "b", "c"], n))),
            "o": rng.uniform(0, 0.2, n),
            "k": rng.integers(1, 4, n).astype(float),
        }
    )
    eta = 1.2 + 0.4 * data["x"] + 0.2 * data["z"] + data["o"]
    mean = {"identity": eta, "log": np.exp(eta), "inverse": 1 / eta, "sqrt": eta**2}.get(link)
    if family == "binomial":
        data["y"] = rng.binomial(8, rng.uniform(0.2, 0.8, n)) / 8
        data["w"] = 8.0
        return data
    draw: dict[str, Callable[[], Any]] = {
        "gaussian": lambda: mean + rng.normal(0, 1, n),
        "gamma": lambda: mean * rng.gamma(4, 1 / 4, n),
        "inverse_gaussian": lambda: mean * rng.wald(1, 6, n),
    }
    data["y"] = draw.get(family, lambda: rng.poisson(mean).astype(float))()
    data["w"] = rng.integers(1, 5, n) / 2
    return data


@st.composite
def cases(draw: st.DrawFn, wanted: Callable[[str, str], bool] = lambda family, link: True) -> Case:
    """A case of the models that are wanted, with a maximum inside."""
    family, link = draw(st.sampled_from([model for model in MODELS if wanted(*model)]))
    data = table(draw(st.integers(0, 10**6)), draw(st.integers(20, 50)), family, link)
    case = Case(data, family, link)
    assume(case.fit().status == "converged")
    return case


def close(left: Any, right: Any, rel: float = 1e-9) -> None:
    left, right = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
    np.testing.assert_allclose(
        left, right, rtol=rel, atol=rel * max(1e-8, np.nanmax(np.abs(right), initial=0.0))
    )


def facts(fit: Fit) -> list[float]:
    return [fit.deviance, fit.null_deviance, fit.loglik, fit.aic, fit.bic, fit.dispersion, fit.pearson]


def counts(fit: Fit) -> tuple[int, ...]:
    return fit.nobs, fit.df_residual, fit.df_null


def same(left: Fit, right: Fit, rel: float = 1e-9) -> None:
    """Equal in everything that does not depend on the order of rows or the names of columns."""
    assert counts(left) == counts(right)
    close(facts(left), facts(right), rel)
    close(left.coef, right.coef, rel)
    close(left.stderror(), right.stderror(), rel)
    close(left.stderror("HC0"), right.stderror("HC0"), rel)


@LAWS
@given(cases(), st.randoms(use_true_random=False))
def test_row_order(case: Case, random: Any) -> None:
    order = list(range(len(case.data)))
    random.shuffle(order)
    shuffled = case.data.iloc[order]
    left, right = case.fit(weights="w"), case.fit(data=shuffled, weights="w")
    same(left, right)
    close(left.fitted.loc[shuffled.index], right.fitted)
    close(left.residuals().loc[shuffled.index], right.residuals())
    assert right.fitted.index.equals(shuffled.index)


@LAWS
@given(cases())
def test_column_order(case: Case) -> None:
    left, right = case.fit(), case.fit("y ~ f + offset(o) + z + x")
    assert sorted(left.columns) == sorted(right.columns)
    names = list(left.columns)
    close(left.coef, right.coef[names])
    close(left.stderror(), right.stderror()[names])
    close(facts(left), facts(right))


@LAWS
@given(cases(), st.integers(-60, 60), st.floats(-100, 100))
def test_rescaled_and_shifted_predictor(case: Case, power: int, shift: float) -> None:
    scale = 10.0 ** (power / 4)
    left, right = case.fit(), case.with_data(x=scale * case.data["x"], z=case.data["z"] + shift).fit()
    close(left.coef["x"], right.coef["x"] * scale)
    close(left.stderror()["x"], right.stderror()["x"] * scale, 1e-8)
    close(left.coef["z"], right.coef["z"], 1e-7)
    close(left.coef["Intercept"], right.coef["Intercept"] + shift * right.coef["z"], 1e-6)
    close(left.fitted, right.fitted, 1e-8)
    close(facts(left), facts(right), 1e-9)


@LAWS
@given(
    cases(lambda f, k: k == "identity" or (f in ("gamma", "inverse_gaussian") and k == "log")),
    st.floats(0.01, 100),
)
def test_response_in_other_units(case: Case, factor: float) -> None:
    left = case.fit("y ~ x + z + f")
    right = case.with_data(y=case.data["y"] * factor).fit("y ~ x + z + f")
    close(left.fitted * factor, right.fitted)
    if case.link == "log":
        close(left.coef["x"], right.coef["x"])
        close(left.coef["Intercept"] + np.log(factor), right.coef["Intercept"])


@LAWS
@given(cases(), st.booleans())
def test_frequency_weights_are_repeated_rows(case: Case, prior: bool) -> None:
    words = {"weights": "w"} if prior or case.family == "binomial" else {}
    repeated = case.data.loc[case.data.index.repeat(case.data["k"].astype(int))].reset_index(drop=True)
    left, right = case.fit(freq_weights="k", **words), case.fit(data=repeated, **words)
    same(left, right)
    close(left.confint(), right.confint())
    close(left.summary().to_frame(), right.summary().to_frame(), 1e-8)
    close(left.predict(case.data, se_fit=True), right.predict(case.data, se_fit=True))


@LAWS
@given(cases())
def test_frequency_zero_is_a_row_left_out(case: Case) -> None:
    frequency = np.where(np.arange(len(case.data)) % 4 == 0, 0.0, case.data["k"])
    kept = case.data[frequency > 0]
    assume(set(kept["f"]) == {"a", "b", "c"} and case.fit(data=kept).status == "converged")
    same(case.fit(freq_weights=frequency), case.fit(data=kept, freq_weights="k"))


@LAWS
@given(cases(lambda f, k: f not in KNOWN), st.floats(0.1, 50))
def test_prior_weights_scale_the_dispersion_only(case: Case, factor: float) -> None:
    left, right = case.fit(weights="w"), case.fit(weights=factor * case.data["w"])
    close(left.coef, right.coef)
    close(left.stderror(), right.stderror())
    close(left.dispersion * factor, right.dispersion)
    close(left.stderror("HC0"), right.stderror("HC0"))


@LAWS
@given(cases(lambda f, k: f == "gaussian"), st.floats(-5, 5))
def test_offset_is_a_shift_of_a_gaussian_response(case: Case, slope: float) -> None:
    offset = slope * case.data["z"] + case.data["o"]
    left = case.fit("y ~ x + f", offset=offset)
    right = case.with_data(y=case.data["y"] - offset).fit("y ~ x + f")
    close(left.coef, right.coef, 1e-8)
    close(left.stderror(), right.stderror(), 1e-8)
    close([left.deviance, left.null_deviance], [right.deviance, right.null_deviance], 1e-8)
    close(left.fitted - offset, right.fitted, 1e-8)


@LAWS
@given(cases(lambda f, k: k in ("identity", "log", "logit", "cloglog")), st.floats(-2, 2))
def test_offset_is_a_coefficient_held_fixed(case: Case, slope: float) -> None:
    left = case.fit("y ~ x + z + f")
    right = case.fit("y ~ x + z + f", offset=slope * case.data["x"])
    close(left.coef["x"], right.coef["x"] + slope, 1e-8)
    close(left.fitted, right.fitted, 1e-8)
    close(left.deviance, right.deviance, 1e-8)


@LAWS
@given(cases(), st.sampled_from(["sum", "helmert", "poly", "sdif", [[0, 1], [1, 1], [3, -2]]]))
def test_recoded_factor(case: Case, contrast: Any) -> None:
    left, right = case.fit(), case.fit(contrasts={"f": contrast})
    close(facts(left), facts(right))
    close(left.fitted, right.fitted)
    close(left.coef[["x", "z"]], right.coef[["x", "z"]], 1e-8)
    close(left.stderror()[["x", "z"]], right.stderror()[["x", "z"]], 1e-8)
    close(
        left.predict(case.data, type="link", se_fit=True),
        right.predict(case.data, type="link", se_fit=True),
        1e-8,
    )


@LAWS
@given(cases(), st.sampled_from(["b", "c"]))
def test_other_reference_level(case: Case, level: str) -> None:
    left, right = case.fit("y ~ x * f"), case.fit(f"y ~ x * relevel(f, '{level}')")
    close(facts(left), facts(right))
    close(left.fitted, right.fitted)


@LAWS
@given(cases())
def test_no_intercept_is_the_same_space(case: Case) -> None:
    left, right = case.fit("y ~ x + f"), case.fit("y ~ 0 + f + x")
    close(left.fitted, right.fitted)
    close(left.deviance, right.deviance)
    assert left.df_residual == right.df_residual


@LAWS
@given(cases(lambda f, k: f == "binomial"))
def test_trials_are_rows(case: Case) -> None:
    data = case.data.assign(n=8.0, s=8 * case.data["y"])
    rows = data.loc[data.index.repeat(8)].assign(
        y=np.concatenate([[1.0] * int(s) + [0.0] * (8 - int(s)) for s in data["s"]])
    )
    shares, expanded = case.fit(weights="w"), case.fit(data=rows)
    counted = case.fit(FORMULA.replace("y", "cbind(s, n - s)", 1), data=data)
    same(shares, counted)
    close(shares.coef, expanded.coef)
    close(shares.stderror(), expanded.stderror())
    close(shares.null_deviance - shares.deviance, expanded.null_deviance - expanded.deviance, 1e-8)
    assert expanded.df_residual - shares.df_residual == 7 * len(data)


@LAWS
@given(cases())
def test_score_is_zero_and_fit_predicts_itself(case: Case) -> None:
    fit = case.fit(weights="w")
    close(fit.predict(case.data), fit.fitted, 1e-13)
    link = fit.predict(case.data, type="link")
    close(
        fit.residuals("working"),
        (case.data["y"] - fit.fitted) / fit.spec.likelihood.family.link.derivative(link.to_numpy()),
        1e-9,
    )
    close((fit.residuals("deviance") ** 2).sum(), fit.deviance)
    close((fit.residuals("pearson") ** 2).sum(), fit.pearson)
    if fit.spec.likelihood.canonical:
        residual = (case.data["w"] * fit.residuals("response")).to_numpy()
        scale = np.abs(residual).sum() + 1e-12
        assert abs(residual.sum()) < 1e-10 * scale * len(residual)
        assert abs(residual @ case.data["x"]) < 1e-10 * scale * len(residual)


@LAWS
@given(cases())
def test_more_terms_never_raise_the_deviance(case: Case) -> None:
    deviances = [
        case.fit(f"y ~ {terms} + offset(o)").deviance for terms in ("1", "x", "x + z", "x * z", "x * z + f")
    ]
    assert all(more <= less * (1 + 1e-10) for less, more in pairwise(deviances))
    close(deviances[0], case.fit().null_deviance)


@LAWS
@given(cases())
def test_saved_fit_has_the_same_bits(tmp_path: Path, case: Case) -> None:
    fit = case.fit("y ~ poly(x, 2) + scale(z) + f + offset(o)", weights="w")
    fit.save(tmp_path / "fit")
    again = load(tmp_path / "fit")
    new = case.data.drop(columns="y").iloc[::-1]
    assert again == fit
    assert str(again) == str(fit)
    for type in ("response", "link"):
        left, right = (f.predict(new, type=type, se_fit=True, interval="confidence") for f in (fit, again))
        pd.testing.assert_frame_equal(left, right, check_exact=True)


@LAWS
@given(cases())
def test_missing_rows_are_left_out_once(case: Case) -> None:
    data = case.data.copy()
    data.loc[[0, 1], "x"], data.loc[[1, 2], "o"], data.loc[3, "w"] = np.nan, np.nan, np.nan
    assume(case.fit(data=data[4:], weights="w").status == "converged")
    left, right = case.fit(data=data, weights="w"), case.fit(data=data[4:], weights="w")
    same(left, right, 1e-12)
    assert left.fitted.index.equals(right.fitted.index)


@pytest.fixture(scope="module")
def large() -> dict[str, np.ndarray]:
    """Two million cells: several blocks, several threads."""
    rng = np.random.default_rng(2)
    n = 300_000
    data = {f"x{k}": rng.standard_normal(n) for k in range(7)}
    data["y"] = rng.poisson(np.exp(0.1 * data["x0"])).astype(float)
    return data


@pytest.mark.parametrize("workers", [2, 7])
def test_number_of_threads_leaves_the_bits(large: dict[str, np.ndarray], workers: int) -> None:
    formula = "y ~ " + " + ".join(name for name in large if name != "y")
    one = glm(formula, large, "poisson", control=Control(workers=1))
    several = glm(formula, large, "poisson", control=Control(workers=workers))
    assert several == one
    np.testing.assert_array_equal(one.stderror("HC0"), several.stderror("HC0"))


def test_threads_fitting_at_once_equal_the_serial_fits() -> None:
    drawn = [Case(table(k, 40, *MODELS[k % len(MODELS)]), *MODELS[k % len(MODELS)]) for k in range(48)]

    def run(case: Case) -> tuple[Fit, str]:
        fit = glm(FORMULA, case.data, case.family, link=case.link, weights="w")
        return fit, str(fit.summary("HC0"))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        serial = [run(case) for case in drawn]
        with ThreadPoolExecutor(16) as pool:
            parallel = list(pool.map(run, drawn))
    for (left, left_text), (right, right_text) in zip(serial, parallel, strict=True):
        assert left == right
        assert left_text == right_text
