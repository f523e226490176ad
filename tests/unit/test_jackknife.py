"""The jackknife against refits by R's glm, and what it does where an estimate is lost."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import Control, Covariance, Fit, glm
from glmstat.errors import ArgumentError, BoundaryWarning, ConvergenceWarning, DataError
from glmstat.inference.covariance import covariance_root, facts, label
from glmstat.inference.influence.deletion import refits, without_row
from glmstat.inference.vcov import jackknife as recipe

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "jackknife.json").read_text("utf-8"))
D = pd.read_csv(HERE / "data" / "features_check_data.csv").assign(n=[1, 3, 2, 0] * 10)


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(HERE.parent / "reference" / "data" / f"{name}.csv")


CASES: dict[str, tuple[Callable[[], Fit], str]] = {
    "poisson": (lambda: glm("y ~ x + f + offset(log(t))", D, "poisson"), ""),
    "gamma_weights": (lambda: glm("g ~ x + f", D, "gamma", link="log", weights="w"), ""),
    "counted": (lambda: glm("y ~ x + f", D, "poisson", freq_weights="n"), ""),
    "binomial_clusters": (
        lambda: glm("cbind(incidence, size - incidence) ~ period", table("cbpp"), "binomial"),
        "herd",
    ),
    "gaussian_clusters": (lambda: glm("Reaction ~ Days", table("sleepstudy")), "Subject"),
}


def vcov(fit: Fit, cluster: Any = ()) -> Any:
    root = covariance_root(fit, Covariance("jackknife", cluster=cluster))
    return root @ root.T


@pytest.mark.parametrize("name", list(R))
def test_as_refits_by_r(name: str):
    fit, cluster = CASES[name][0](), CASES[name][1]
    found, wanted = vcov(fit, cluster), np.array(R[name]["vcov"])
    np.testing.assert_allclose(
        found[np.triu_indices(len(found))], wanted, rtol=1e-8, atol=1e-9 * np.abs(wanted).max()
    )
    known = facts(fit, Covariance("jackknife", cluster=cluster))
    assert known.reps == R[name]["count"]
    assert known.factor == (known.reps - 1) / known.reps


def test_of_a_mean_is_the_variance_over_n():
    y = np.array([1.0, 4.0, 4.5, 9.0, 2.0])
    fit = glm("y ~ 1", {"y": y})
    assert vcov(fit)[0, 0] == pytest.approx(y.var(ddof=1) / 5, rel=1e-13)


def test_distribution_and_words():
    rows = glm("y ~ x", D, "poisson", vcov="jackknife")
    clusters = glm("y ~ x", D, "poisson", vcov="jackknife ~ f:n")
    assert np.isnan(facts(rows).df)
    assert facts(clusters).df == 4 - 1
    assert label(rows) == "jackknife (40 estimates without one row about their mean, factor (G-1)/G = 0.975)"
    assert "without one of 4 clusters of f:n about their mean" in label(clusters)


def lonely() -> pd.DataFrame:
    """One row of level c: without it, its coefficient is not determined."""
    return D.assign(f=["c", *D["f"][1:]])


def test_lost_estimates_are_left_out_with_a_warning():
    fit = glm("y ~ x + f", lonely(), "poisson")
    with pytest.warns(ConvergenceWarning, match="leaves out 1 of 40 rows: .* aliased"):
        root = covariance_root(fit, Covariance("jackknife"))
    assert np.isfinite(root).all()
    assert facts(fit, Covariance("jackknife")).reps == 39


def test_separated_replicates_are_left_out():
    data = {"y": [0, 0, 1, 0, 1, 1, 1], "x": [0.0, 1, 1.5, 2, 3, 4, 5]}
    fit = glm("y ~ x", data, "binomial")
    with pytest.warns(ConvergenceWarning, match="infinite"):
        assert facts(fit, Covariance("jackknife")).reps < 7


@pytest.mark.filterwarnings("ignore::glmstat.errors.SeparationWarning")
def test_infinite_and_aliased_coefficients_have_no_variance():
    data = pd.DataFrame(
        {"y": [0, 0, 0, *[1, 0, 1, 1, 0] * 3], "f": list("aaa" + 15 * "b"), "x": np.arange(18.0) % 4}
    )
    data["z"] = 2 * data["x"]
    fit = glm("y ~ x + z + f", data, "binomial")
    found = vcov(fit)
    finite = np.isfinite(fit.estimate.coef)
    assert 0 < finite.sum() < 4
    assert np.isfinite(found[np.ix_(finite, finite)]).all()
    assert np.isnan(np.diag(found)[~finite]).all()


@pytest.mark.filterwarnings("ignore::glmstat.errors.GlmstatWarning")
def test_too_few():
    with pytest.raises(DataError, match="needs two"):
        glm("y ~ x", D, "poisson").stderror(Covariance("jackknife", cluster=np.ones(40)))
    alone = glm("y ~ f", {"y": [1, 3, 0, 2], "f": list("abcc")}, "poisson")
    with pytest.raises(DataError, match="two usable estimates or more: there are 1 of 4"):
        alone.stderror("jackknife")


def test_words_without_a_use_are_refused():
    given: list[dict[str, Any]] = [
        {"lag": 2},
        {"small_sample": "stata"},
        {"information": "observed"},
        {"order": "t"},
    ]
    for words in given:
        with pytest.raises(ArgumentError, match="jackknife"):
            glm("y ~ x", D, "poisson").stderror(Covariance("jackknife", **words))


def test_finished_estimates_are_kept_and_used(monkeypatch: pytest.MonkeyPatch):
    choice, own, calls = Covariance("jackknife", cluster="n"), recipe._coefficients, []

    def third(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return own(*arguments)

    fit, whole = glm("y ~ x", D, "poisson"), glm("y ~ x", D, "poisson")
    monkeypatch.setattr(recipe, "_coefficients", third)
    with pytest.raises(
        KeyboardInterrupt, match=r"2 of 4 estimates are done and kept\. The same call goes on"
    ):
        fit.summary(choice)
    assert choice.key not in fit.kept
    assert np.isfinite(fit.stderror("HC0")).all()
    calls[:] = [None] * 3
    again = fit.vcov(choice)
    assert len(calls) == 3 + 2
    assert not any("unfinished" in name for name in fit.kept)
    np.testing.assert_array_equal(again, whole.vcov(choice))


def test_at_a_boundary_every_row_can_be_left_out():
    rng = np.random.default_rng(1)
    x = rng.normal(size=40)
    data = pd.DataFrame({"x": x, "b": (rng.random(40) < np.minimum(1.0, np.exp(-0.6 + 0.4 * x))).astype(int)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fit = glm("b ~ x", data, "binomial", link="log")
        cold = np.array([glm("b ~ x", data.drop(i), "binomial", link="log").coef for i in range(40)])
    assert fit.status == "boundary"
    centred = cold - cold.mean(axis=0)
    np.testing.assert_allclose(fit.vcov("jackknife"), 39 / 40 * centred.T @ centred, rtol=1e-5)
    found = refits(fit, [without_row(row) for row in range(40)], "row", progress=False)
    assert "failed" not in found.status
    np.testing.assert_allclose(found.coef, cold, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::glmstat.errors.GlmstatWarning")
def test_where_all_coefficients_are_infinite_none_has_a_variance():
    fit = glm("y ~ x", {"y": [0, 0, 0, 1, 1, 1], "x": [1.0, 2, 3, 4, 5, 6]}, "binomial")
    assert np.isnan(fit.stderror("jackknife")).all()
    assert np.isnan(fit.confint(vcov="jackknife")).all(axis=None)


@pytest.mark.filterwarnings("ignore::glmstat.errors.ConvergenceWarning")
def test_a_fit_that_did_not_converge_is_named():
    fit = glm("y ~ x", D, "poisson", control=Control(max_iterations=1))
    assert fit.status == "not converged"
    with pytest.raises(ArgumentError, match="the fit did not converge"):
        fit.vcov("jackknife")


def test_large_frames_give_the_same():
    data = pd.concat([D] * 2000, ignore_index=True).assign(k=np.arange(80_000) % 7)
    fit = glm("y ~ x", data, "poisson")
    assert fit.frame is not None
    found = vcov(fit, "k")
    small = [
        glm("y ~ x", data[data["k"] != k].reset_index(drop=True), "poisson").estimate.coef for k in range(7)
    ]
    wanted = np.cov(np.array(small).T, ddof=0) * 6
    np.testing.assert_allclose(found, wanted, rtol=1e-7)
