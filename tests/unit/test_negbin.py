"""Negative binomial fits with estimated theta: R's numbers, the boundary, refits, streams, bad input."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, glm, negbin
from glmstat.errors import ArgumentError, ComparisonError, DataError, ResponseWarning
from glmstat.families import NegativeBinomial
from glmstat.frame import ModelFrame
from glmstat.solve.shape.counts import _bends, _of_counts, _of_others

HERE = Path(__file__).parent
REFERENCE = json.loads((HERE.parent / "reference" / "inference" / "negbin.json").read_text())
DATA = HERE.parent / "reference" / "data"
QUINE = pd.read_csv(DATA / "quine.csv")
QUINE["v"] = np.round(0.5 + (np.arange(1, len(QUINE) + 1) % 5) / 4, 2)
SIM = pd.read_csv(DATA / "nb_sim.csv")
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
D["k"] = [1, 2, 1, 3] * 10
FULL, SMALL, RATE = "Days ~ Eth + Sex + Age + Lrn", "Days ~ Eth + Age", "y ~ x + offset(log(t))"
CALLS: dict[str, tuple[str, pd.DataFrame, dict[str, Any]]] = {
    "quine": (FULL, QUINE, {}),
    "small": (SMALL, QUINE, {}),
    "weighted": (SMALL, QUINE, {"weights": "v"}),
    "repeated": ("y ~ x + f", D, {"freq_weights": "k"}),
    "sqrt": (SMALL, QUINE, {"link": "sqrt"}),
    "identity": (SMALL, QUINE, {"link": "identity"}),
    "sim": (RATE, SIM, {}),
    "moments": (FULL, QUINE, {"method": "moments"}),
}


def quine(formula: str = FULL, **words: Any) -> glmstat.Fit:
    return negbin(formula, QUINE, **words)


def overdispersed(seed: int = 3, rows: int = 200, theta: float = 1.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, f = rng.normal(size=rows), rng.choice(["a", "b", "c"], rows)
    mean = np.exp(0.5 + 0.4 * x + 0.3 * (f == "b"))
    y = rng.poisson(mean * rng.gamma(theta, 1 / theta, rows)).astype(float)
    return pd.DataFrame({"x": x, "z": rng.normal(size=rows), "f": f, "y": y, "w": rng.uniform(0.5, 2, rows)})


# ---------------------------------------------------------------- the numbers of R


@pytest.mark.parametrize("name", CALLS)
def test_numbers_are_those_of_r_until_nothing_moves(name: str) -> None:
    formula, data, words = CALLS[name]
    fit, known = negbin(formula, data, **words), REFERENCE[name]
    assert fit.shape is not None
    assert fit.shape.value == pytest.approx(known["theta"], rel=1e-9)
    np.testing.assert_allclose(np.asarray(fit.coef), known["coef"], rtol=1e-9)
    np.testing.assert_allclose(np.asarray(fit.stderror()), known["se"], rtol=1e-8)
    np.testing.assert_allclose(np.asarray(fit.stderror("HC0")), known["HC0"], rtol=1e-8)
    assert fit.deviance == pytest.approx(known["deviance"], rel=1e-9)
    assert fit.pearson == pytest.approx(known["pearson"], rel=1e-9)
    if "link" not in words:  # R starts its null model at the coefficients given
        assert fit.null_deviance == pytest.approx(known["null_deviance"], rel=1e-9)
    if known["theta_se"] is None:
        assert np.isnan(fit.shape.std_error)
        assert fit.given("theta").loglik == pytest.approx(known["loglik"], rel=1e-12)
    else:
        assert fit.shape.std_error == pytest.approx(known["theta_se"], rel=1e-8)
        assert fit.loglik == pytest.approx(known["loglik"], rel=1e-12)


def test_moments_with_prior_weights_take_the_rows_for_the_degrees_of_freedom() -> None:
    fit, known = quine(SMALL, weights="v", method="moments"), REFERENCE["moments_weighted"]
    assert fit.shape is not None
    assert fit.shape.value == pytest.approx(known["theta"], rel=1e-9)
    assert fit.pearson == pytest.approx(fit.df_residual, rel=1e-9)


def test_the_numbers_that_glm_nb_prints() -> None:
    fit = quine()
    assert fit.shape is not None
    assert (round(fit.shape.value, 7), round(fit.shape.std_error, 4)) == (1.2748926, 0.1610)
    assert round(fit.aic, 3) == 1109.151
    assert fit.parameters == len(fit.columns) + 1
    assert fit.bic == pytest.approx(np.log(146) * 8 - 2 * fit.loglik)


def test_standard_errors_given_theta_and_joint() -> None:
    fit = glm("y ~ x + f", D.assign(y=D["y"] + 3 * (D["x"] > 1)), "negative_binomial")
    assert float(fit.stderror()["x"]) != pytest.approx(float(fit.stderror("joint")["x"]), rel=1e-6)
    for name, data, formula in (("sim", SIM, RATE), ("quine", QUINE, FULL)):
        fit, known = negbin(formula, data), REFERENCE[f"joint_{name}"]
        assert fit.shape is not None
        np.testing.assert_allclose(np.asarray(fit.stderror("joint")), known[:-1], rtol=1e-7)  # by differences
        assert fit.shape.joint_std_error / fit.shape.value == pytest.approx(known[-1], rel=1e-7)
        assert "joint (observed information of the coefficients" in " ".join(
            str(fit.with_vcov("joint")).split()
        )


@pytest.mark.parametrize("name", ["quine", "sim"])
def test_the_profile_interval_of_theta(name: str) -> None:
    formula, data, _ = CALLS[name]
    shape = negbin(formula, data).shape
    assert shape is not None
    np.testing.assert_allclose(
        np.ravel(shape.confint()), REFERENCE["profile_theta"][name], rtol=1e-7
    )  # uniroot
    low, high = shape.ends(method="wald")
    assert np.log(high / shape.value) == pytest.approx(1.959963984540054 * shape.std_error / shape.value)
    assert low * high == pytest.approx(shape.value**2)


# ---------------------------------------------------------------- tests between models


def test_likelihood_ratios_estimate_theta_again_or_hold_it() -> None:
    full, small = quine(), quine(SMALL)
    again = glmstat.anova(small, full)["statistic"][1]
    assert again == pytest.approx(REFERENCE["lr"], rel=1e-9)
    by_test = full.test("Sex[T.M] = 0, Lrn[T.SL] = 0", method="lr").tests[0].statistic
    assert by_test == pytest.approx(again, rel=1e-8)
    held = full.given("theta")
    fixed = held.test("Sex[T.M] = 0, Lrn[T.SL] = 0", method="lr").tests[0].statistic
    assert fixed == pytest.approx(REFERENCE["lr_given_theta"], rel=1e-9)
    assert glmstat.anova(held.update(SMALL), held)["statistic"][1] == pytest.approx(fixed, rel=1e-9)
    assert "theta estimated in each model" in str(full.anova())
    assert "theta estimated" not in str(held.anova())


def test_a_fit_given_theta_is_that_of_the_family_with_the_number() -> None:
    fit = quine()
    assert fit.shape is not None
    held, direct = fit.given("theta"), negbin(FULL, QUINE, theta=fit.shape.value)
    assert held.shape is None
    assert held.aic == pytest.approx(direct.aic, rel=1e-12)
    assert fit.aic - held.aic == pytest.approx(2.0)
    np.testing.assert_allclose(np.asarray(held.stderror()), np.asarray(direct.stderror()), rtol=1e-9)
    assert held.deviance == fit.deviance
    assert "theta taken as known" in str(held)


def test_score_tests_stand_at_the_theta_of_the_smaller_model() -> None:
    data = overdispersed()
    full, small = negbin("y ~ x + z", data), negbin("y ~ x", data)
    assert small.shape is not None
    score = full.test("z = 0", method="score").tests[0].statistic
    mu, theta = np.asarray(small.fitted), small.shape.value
    X = np.column_stack([np.ones(len(data)), data["x"], data["z"]])
    weight = mu / (1 + mu / theta)
    U = X.T @ ((data["y"].to_numpy() - mu) / (1 + mu / theta))
    by_hand = U @ np.linalg.solve(X.T @ (X * weight[:, None]), U)
    assert score == pytest.approx(by_hand, rel=1e-7)
    assert glmstat.anova(small, full, test="Rao")["statistic"][1] == pytest.approx(by_hand, rel=1e-7)
    assert small.add1("z", test="Rao")["statistic"][1] == pytest.approx(by_hand, rel=1e-7)


def test_profile_intervals_of_coefficients_profile_theta_too() -> None:
    data = overdispersed()
    fit = negbin("y ~ x + z", data)
    low, high = fit.confint(of="z", method="profile").to_numpy()[0]
    cut = 3.841458820694124
    for end in (low, high):
        at = negbin("y ~ x + offset(shift)", data.assign(shift=end * data["z"]))
        assert 2 * (fit.loglik - at.loglik) == pytest.approx(cut, rel=1e-6)
    given = fit.given("theta").confint(of="z", method="profile").to_numpy()[0]
    assert abs(given - [low, high]).max() > 1e-5


def test_terms_are_dropped_added_and_selected_with_theta_estimated_again() -> None:
    data = overdispersed()
    fit = negbin("y ~ x + z + f", data)
    table = fit.drop1()
    for term, formula in (("x", "y ~ z + f"), ("z", "y ~ x + f"), ("f", "y ~ x + z")):
        small = negbin(formula, data)
        row = table.index.index(term)
        assert table["statistic"][row] == pytest.approx(2 * (fit.loglik - small.loglik), rel=1e-6)
        assert table["aic"][row] == pytest.approx(small.aic, rel=1e-9)
    assert negbin("y ~ x", data).add1("f")["aic"][1] == pytest.approx(negbin("y ~ x + f", data).aic, rel=1e-9)
    chosen = fit.step().fit
    assert chosen.shape is not None
    assert chosen.aic <= fit.aic
    other = fit.update(". ~ . - z")
    assert other.shape is not None
    assert other.aic == pytest.approx(negbin("y ~ x + f", data).aic, rel=1e-12)


def test_resamples_estimate_theta_again() -> None:
    data = overdispersed()
    fit = negbin("y ~ x", data)
    found = fit.bootstrap(60, seed=2, workers=1)
    held = fit.given("theta").bootstrap(60, seed=2, workers=1)
    assert np.isfinite(found.estimates).all()
    assert not np.allclose(found.estimates, held.estimates, rtol=1e-6)
    draws = fit.bootstrap(60, seed=2, workers=1, resample="parametric")
    assert np.isfinite(draws.estimates).all()
    assert np.isfinite(np.asarray(fit.stderror("jackknife"))).all()


# ---------------------------------------------------------------- the boundary


def test_the_test_of_poisson_is_half_of_chi_squared() -> None:
    fit = quine()
    found = fit.test_poisson()
    assert found.statistic == pytest.approx(REFERENCE["poisson_lr"], rel=1e-10)
    data = overdispersed(seed=11, rows=60, theta=8.0)
    weak = negbin("y ~ x", data)
    by_hand = 2 * (weak.loglik - glm("y ~ x", data, "poisson").loglik)
    assert weak.test_poisson().statistic == pytest.approx(by_hand, rel=1e-9)
    from scipy.stats import chi2

    assert weak.test_poisson().p_value == pytest.approx(0.5 * chi2.sf(by_hand, 1), rel=1e-9)
    assert "half chi-squared(0), half chi-squared(1)" in str(found)
    assert "Poisson: LR 1192.03" in str(fit)
    assert found.to_dict()["rows"][0]["statistic"] == found.statistic


def test_an_interval_that_holds_poisson_has_no_upper_end() -> None:
    rng = np.random.default_rng(4)
    fit = negbin("y ~ 1", {"y": rng.poisson(20, 60).astype(float)})
    assert fit.shape is not None
    assert fit.test_poisson().statistic < 3.84
    low, high = fit.shape.ends()
    assert 0 < low < fit.shape.value
    assert high == np.inf


@pytest.mark.parametrize("method", ["ml", "moments"])
def test_counts_that_vary_no_more_than_their_means_stop_clearly(method: Any) -> None:
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 60)
    for y in (rng.binomial(10, 0.8, 60).astype(float), np.full(60, 5.0), np.tile([4.0, 5.0, 6.0], 20)):
        with pytest.raises(DataError, match=r"theta of negative_binomial is infinite.*family=\"poisson\""):
            negbin("y ~ x", {"y": y, "x": x}, method=method)
    with pytest.raises(DataError, match="every count is 0"):
        negbin("y ~ x", {"y": np.zeros(60), "x": x}, method=method)
    with pytest.raises(DataError, match="is infinite"):  # every row its own mean
        negbin("y ~ f", {"y": [1.0, 7.0, 30.0], "f": ["a", "b", "c"]}, method=method)


@pytest.mark.parametrize("seed", range(12))
def test_the_stop_is_the_sign_of_a_sum_and_not_a_limit_of_iterations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = {"y": rng.poisson(6.0, 50).astype(float), "x": rng.normal(size=50)}
    poisson = glm("y ~ x", data, "poisson")
    y, mu = data["y"], np.asarray(poisson.fitted)
    if ((y - mu) ** 2 - y).sum() > 0:
        fit = negbin("y ~ x", data)
        assert fit.converged
        assert fit.loglik >= poisson.loglik
        assert fit.shape is not None
        assert np.isfinite(fit.shape.value)
    else:
        with pytest.raises(DataError, match="is infinite"):
            negbin("y ~ x", data)


def test_a_maximum_behind_a_slope_that_falls_at_poisson_is_found() -> None:
    """A few rows of large mean that vary too little outweigh many that vary too much."""
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.negative_binomial(1, 0.5, 400), np.tile([95, 100, 105], 4)]).astype(float)
    g = np.repeat(["small", "large"], [400, 12])
    poisson = glm("y ~ g", {"y": y, "g": g}, "poisson")
    mu = np.asarray(poisson.fitted)
    assert ((y - mu) ** 2 - y).sum() < 0
    fit = negbin("y ~ g", {"y": y, "g": g})
    assert fit.loglik > poisson.loglik
    assert fit.shape is not None
    grid = [
        negbin("y ~ g", {"y": y, "g": g}, theta=t).loglik for t in fit.shape.value * np.array([0.9, 1.0, 1.1])
    ]
    assert grid[1] == max(grid)


def test_theta_that_is_tiny_or_large_is_found() -> None:
    rng = np.random.default_rng(7)
    for theta in (0.02, 300.0):
        mean = np.exp(rng.normal(5.0, 0.3, 2000))
        y = rng.poisson(mean * rng.gamma(theta, 1 / theta, 2000)).astype(float)
        fit = negbin("y ~ 1", {"y": y}, offset=np.log(mean))
        assert fit.shape is not None
        assert abs(np.log(fit.shape.value / theta)) < 4 * fit.shape.std_error / fit.shape.value + 0.5
        near = [
            negbin("y ~ 1", {"y": y}, offset=np.log(mean), theta=fit.shape.value * c).loglik
            for c in (0.999, 1.0, 1.001)
        ]
        assert near[1] == max(near)


# ---------------------------------------------------------------- separation, streams, keeping


def test_a_separated_level_says_nothing_of_theta() -> None:
    data = overdispersed()
    with_zeros = data.assign(y=np.where(data["f"] == "c", 0.0, data["y"]))
    with pytest.warns(glmstat.SeparationWarning):
        fit = negbin("y ~ x + f", with_zeros)
    rest = negbin("y ~ x + f", data[data["f"] != "c"])
    assert fit.shape is not None
    assert rest.shape is not None
    assert fit.shape.value == pytest.approx(rest.shape.value, rel=1e-7)
    assert fit.loglik == pytest.approx(rest.loglik, rel=1e-9)


def test_aliased_columns_change_nothing() -> None:
    data = overdispersed()
    fit, twice = negbin("y ~ x", data), negbin("y ~ x + I(2 * x)", data)
    assert twice.shape is not None
    assert fit.shape is not None
    assert twice.shape.value == pytest.approx(fit.shape.value, rel=1e-9)
    assert twice.parameters == fit.parameters


@pytest.mark.parametrize("method", ["ml", "moments"])
def test_a_stream_gives_the_numbers_of_memory(
    method: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = overdispersed(rows=1500)
    data.to_parquet(tmp_path / "rows.parquet", row_group_size=211)
    words: dict[str, Any] = {"weights": "w", "method": method}
    memory = negbin("y ~ x + f", data, **words)
    monkeypatch.setattr("glmstat.frame.MEMORY", 0)
    control = Control(memory=1e-9)
    stream = negbin("y ~ x + f", str(tmp_path / "rows.parquet"), control=control, **words)
    assert stream.frame is not None
    assert stream.frame.large
    assert memory.shape is not None
    assert stream.shape is not None
    assert stream.shape.value == pytest.approx(memory.shape.value, rel=1e-8)
    np.testing.assert_allclose(np.asarray(stream.coef), np.asarray(memory.coef), rtol=1e-8)
    if method == "ml":
        assert stream.shape.confint().to_numpy() == pytest.approx(memory.shape.confint().to_numpy(), rel=1e-6)
        np.testing.assert_allclose(
            np.asarray(stream.stderror("joint")), np.asarray(memory.stderror("joint")), rtol=1e-7
        )
        assert stream.test_poisson().statistic == pytest.approx(memory.test_poisson().statistic, rel=1e-8)


@pytest.mark.parametrize("solver", ["ladder", "newton"])
def test_subsamples_lead_to_the_same_maximum(solver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = overdispersed(rows=6000)
    whole = negbin("y ~ x + z + f", data)
    monkeypatch.setattr(ModelFrame, "small", property(lambda self: False))
    monkeypatch.setattr("glmstat.frame.MEMORY", 0)
    found = negbin("y ~ x + z + f", data, control=Control(solver=solver))
    assert found.shape is not None
    assert whole.shape is not None
    assert found.shape.value == pytest.approx(whole.shape.value, rel=1e-8)
    np.testing.assert_allclose(np.asarray(found.coef), np.asarray(whole.coef), rtol=1e-7)
    np.testing.assert_allclose(np.asarray(found.stderror()), np.asarray(whole.stderror()), rtol=1e-6)
    assert found.loglik == pytest.approx(whole.loglik, rel=1e-10)
    assert found.null_deviance == pytest.approx(whole.null_deviance, rel=1e-8)


def test_a_saved_fit_has_the_same_numbers_and_estimates_again(tmp_path: Path) -> None:
    fit = quine(vcov="joint")
    fit.save(tmp_path / "fit.glm")
    loaded = glmstat.load(tmp_path / "fit.glm")
    assert loaded == fit
    assert str(loaded) == str(fit)
    assert loaded.aic == fit.aic
    assert loaded.shape is not None
    assert fit.shape is not None
    assert (loaded.shape.value, loaded.shape.std_error) == (fit.shape.value, fit.shape.std_error)
    assert loaded.shape.joint_std_error == fit.shape.joint_std_error
    assert loaded.test_poisson().statistic == fit.test_poisson().statistic
    again = loaded.refit(QUINE)
    assert again == fit
    small = loaded.update(SMALL, data=QUINE)
    assert small.shape is not None
    assert small.shape.value == pytest.approx(REFERENCE["small"]["theta"], rel=1e-9)
    assert glmstat.anova(small, loaded)["statistic"][1] == pytest.approx(REFERENCE["lr"], rel=1e-9)
    assert loaded.with_data(QUINE).drop1()["statistic"] == fit.drop1()["statistic"]
    assert pickle.loads(pickle.dumps(fit)) == fit


def test_moments_refuse_what_rests_on_a_likelihood() -> None:
    fit = quine(method="moments")
    assert fit.shape is not None
    assert fit.shape.estimator == "moments"
    for verb in (
        lambda: fit.aic,
        lambda: fit.anova(),
        lambda: fit.confint(method="profile"),
        lambda: fit.test("Sex[T.M] = 0", method="score"),
    ):
        with pytest.raises(ComparisonError, match=r'method="moments".*given\("theta"\)'):
            verb()
    for choice in (lambda: fit.shape.confint(), lambda: fit.test_poisson()):  # type: ignore[union-attr]
        with pytest.raises(ArgumentError, match=r"moments|maximum likelihood"):
            choice()
    with pytest.raises(ArgumentError, match='"joint" does not hold'):
        fit.with_vcov("joint")
    assert "theta by moments, the coefficients at the maximum for it" in str(fit)
    assert np.isfinite(np.asarray(fit.stderror("HC1"))).all()
    assert np.isfinite(fit.given("theta").aic)


# ---------------------------------------------------------------- words, bad input, small parts


def test_negbin_is_glm_with_the_family() -> None:
    data = overdispersed()
    assert negbin("y ~ x", data) == glm("y ~ x", data, "negative_binomial") == glm("y ~ x", data, "nb")
    known = negbin("y ~ x", data, theta=2)
    assert known == glm("y ~ x", data, NegativeBinomial(2))
    assert known.shape is None
    assert known.parameters == 2


def test_what_is_printed() -> None:
    fit = quine()
    text = str(fit)
    assert text.startswith("Negative binomial regression, log link")
    assert "theta 1.2749 (std_error 0.161, maximum likelihood)" in text
    assert "AIC 1109.15 (8 parameters)" in text
    assert fit.summary().to_dict()["family"] == "negative_binomial"
    assert fit.summary().to_dict()["shape"]["estimator"] == "ml"
    shape = fit.shape
    assert shape is not None
    assert "alpha = 1/theta" in str(shape)
    assert shape.to_frame().loc["alpha = 1/theta", "estimate"] == pytest.approx(1 / shape.value)
    assert shape.to_dict()["rows"][0]["estimate"] == shape.value
    polars = pytest.importorskip("polars")
    other = negbin("y ~ x", polars.DataFrame(overdispersed().to_dict(orient="list")))
    assert other.shape is not None
    assert other.shape.confint()["term"].to_list() == ["theta"]


def test_bad_input() -> None:
    data = overdispersed()
    with pytest.raises(ArgumentError, match="finite theta > 0"):
        negbin("y ~ x", data, theta=-1)
    for wrong in ("2", True, [1.0]):
        with pytest.raises(ArgumentError, match="theta must be a number > 0"):
            negbin("y ~ x", data, theta=wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"Unknown method: 'moment'.*moments"):
        negbin("y ~ x", data, method="moment")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="do not go together"):
        glm("y ~ x", data, "negative_binomial", method="firth")
    with pytest.raises(ArgumentError, match='method="moments" estimates theta'):
        glm("y ~ x", data, "poisson", method="moments")
    with pytest.raises(ArgumentError, match="absorbed effects"):
        negbin("y ~ x | f", data)
    for fit in (glm("y ~ x", data, "poisson"), negbin("y ~ x", data, theta=2)):
        assert fit.shape is None
        with pytest.raises(ArgumentError, match="test of Poisson"):
            fit.test_poisson()
        with pytest.raises(ArgumentError, match="has estimated nothing"):
            fit.given("theta")
        with pytest.raises(ArgumentError, match='vcov="joint"'):
            fit.stderror("joint")
        with pytest.raises(ArgumentError, match='vcov="joint"'):
            fit.update(vcov="joint")
    fit = negbin("y ~ x", data)
    assert fit.shape is not None
    with pytest.raises(ArgumentError, match="Unknown method: 'score'"):
        fit.shape.confint(method="score")
    with pytest.raises(ArgumentError, match="level"):
        fit.shape.confint(95)
    with pytest.raises(ComparisonError, match="different families"):
        glmstat.anova(negbin("y ~ 1", data, theta=2), fit)
    with pytest.raises(ArgumentError, match="estimated theta"):
        fit.given("p")
    with pytest.warns(ResponseWarning, match="should be counts"):
        negbin("y ~ x", data.assign(y=data["y"] + 0.5))


def test_a_loaded_fit_says_that_a_profile_needs_rows(tmp_path: Path) -> None:
    fit = negbin("y ~ x", overdispersed())
    fit.save(tmp_path / "fit.glm")
    loaded = glmstat.load(tmp_path / "fit.glm")
    assert loaded.shape is not None
    with pytest.raises(DataError, match="needs the rows"):
        loaded.shape.confint()
    assert "Wald on the log scale: the fit holds no rows" in str(loaded.shape)
    assert fit.shape is not None
    with_rows = loaded.shape.confint(data=overdispersed())
    np.testing.assert_allclose(np.asarray(with_rows), np.asarray(fit.shape.confint()), rtol=1e-9)


def test_derivatives_keep_their_digits_near_poisson() -> None:
    ratio = np.array([1e-12, 1e-6, 1e-3, 0.0199, 0.0201, 0.5, 3.0, 1e4])
    bend, bent = _bends(ratio)
    with mpmath.workdps(50):
        for r, h, k in zip(ratio, bend, bent, strict=True):
            exact = mpmath.mpf(float(r))
            known = (exact / (1 + exact) - mpmath.log1p(exact)) / exact**2
            slope = (2 * known + 1 / (1 + exact) ** 2) / exact
            assert h == pytest.approx(float(known), rel=1e-13)
            assert k == pytest.approx(float(slope), rel=1e-11)


@pytest.mark.parametrize("alpha", [0.01, 1.0, 30.0])
def test_sums_by_count_are_those_of_digammas(alpha: float) -> None:
    y, weights = np.array([0.0, 1.0, 5.0, 50.0, 3.0]), np.array([1.0, 2.0, 0.5, 1.0, 0.0])
    assert _of_counts(y, weights, alpha) == pytest.approx(_of_others(y, weights, alpha), rel=1e-9)


def test_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert quine().status == "converged"


def test_a_dispersion_beside_theta_scales_every_test() -> None:
    table = overdispersed()
    plain, scaled = (glmstat.negbin("y ~ x", table, dispersion=phi) for phi in (None, 2.0))
    one, two = (fit.test("x = 0", method="lr")["statistic"][0] for fit in (plain, scaled))
    assert two == pytest.approx(one / 2.0, rel=1e-9)
    narrow, wide = (fit.confint(method="profile").loc["x"].diff().iloc[1] for fit in (plain, scaled))
    assert wide / narrow == pytest.approx(np.sqrt(2.0), rel=0.05)
    assert "dispersion 2 (given)" in str(scaled.anova())


@pytest.mark.parametrize(("compat", "kind"), [("R", "classical"), ("statsmodels", "joint"), ("sas", "joint")])
def test_other_systems_have_their_own_covariance_beside_theta(compat: str, kind: str) -> None:
    fit = glmstat.negbin("y ~ x", overdispersed(), compat=compat)
    assert fit.covariance.kind == kind
    assert glmstat.negbin("y ~ x", overdispersed(), compat=compat, vcov="HC0").covariance.kind == "HC0"


@pytest.mark.parametrize(
    ("words", "instead"),
    [({"predictors": {"theta": "~ x"}}, "Leave predictors= out"), ({"method": "moments"}, 'method="ml"')],
)
def test_who_has_no_test_of_poisson_is_told_why(words, instead):
    draws = np.random.default_rng(1)
    x = draws.normal(size=80)
    fit = negbin("y ~ x", {"x": x, "y": draws.negative_binomial(1, 1 / (1 + np.exp(x)))}, **words)
    with pytest.raises(ArgumentError, match=instead):
        fit.test_poisson()
