"""Where the ascent by subsamples goes back to plain Newton, what it counts, and the rows that it sees."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import glmstat.frame
from glmstat import Control, glm
from glmstat.solve.rungs import take_rungs
from glmstat.solve.scaling import open_workspace
from tests.unit.framed import framed
from tests.unit.rows import likelihood

STREAM = Control(memory=0, solver="ladder")


def misleading():
    """A gaussian response with log link, sorted so that its far rows lie in no subsample."""
    rng = np.random.default_rng(95)
    n, p = int(rng.integers(20_000, 60_000)), int(rng.integers(1, 5))
    columns = {}
    for j in range(p):
        drawn = [rng.normal(size=n), rng.exponential(size=n), rng.standard_t(3, n)]
        columns[f"x{j}"] = rng.choice([*drawn, (rng.random(n) < 0.02) * 1.0, rng.lognormal(0, 1, n)])
    eta = rng.normal() * 0.5 + sum(rng.normal() * 0.4 * x / x.std() for x in columns.values())
    eta = np.clip(eta, -6, 6)
    y = np.exp(eta) + rng.normal(size=n)
    return pd.DataFrame({**columns, "y": y}).sort_values("x0", ignore_index=True)


def newton_correction(data, coef):
    """The next Newton step of a gaussian model with log link, in standard errors."""
    Z = np.column_stack([np.ones(len(data)), data.drop(columns="y")])
    y, mu = data["y"].to_numpy(), np.exp(Z @ coef)
    observed = (Z * (mu * (2 * mu - y))[:, None]).T @ Z
    expected = (Z * (mu * mu)[:, None]).T @ Z
    errors = np.sqrt(np.diag(np.linalg.inv(expected)) * np.sum((y - mu) ** 2) / (len(y) - Z.shape[1]))
    return np.linalg.solve(observed, Z.T @ (mu * (y - mu))) / errors


def test_a_point_below_the_null_model_is_no_start():
    data = misleading()
    fit = glm("y ~ x0 + x1 + x2", data, "gaussian", link="log", control=STREAM)
    end = fit.estimate.convergence
    assert end.ladder == "all rows have their maximum far from that of the subsample"
    assert end.iterations <= 12 and not fit.notes
    assert np.abs(newton_correction(data, np.asarray(fit.coef))).max() < 1e-7


def test_an_ascent_leaves_qr_where_the_information_is_well_conditioned_again():
    data = misleading()
    far = [0.9, 0.14, 0.35, -1.2]
    fit = glm("y ~ x0 + x1 + x2", data, "gaussian", link="log", start=far, control=Control(memory=0))
    trace = [step.direction for step in fit.estimate.convergence.trace]
    assert "QR" in trace and trace[-1] == "observed"
    assert np.abs(newton_correction(data, np.asarray(fit.coef))).max() < 1e-7


@pytest.mark.parametrize(
    ("rows", "block"), [(3_000, 50), (9_000, 300), (20_000, 1_024), (40_000, 777), (60_000, 4_096)]
)
@pytest.mark.parametrize("what", ["all", "dropped", "subset", "weights"])
def test_runs_across_the_ends_of_blocks_keep_their_own_rows(rows, block, what, monkeypatch):
    monkeypatch.setattr(glmstat.frame, "block_rows", lambda columns: block)
    rng = np.random.default_rng(rows)
    x, z = rng.normal(size=rows), rng.choice(["a", "b", "c"], rows)
    weight = np.where(rng.random(rows) < 0.3, 0.0, rng.uniform(0.5, 2, rows))
    data = pd.DataFrame({"x": x, "z": z, "w": weight, "y": rng.poisson(np.exp(0.3 * x + 0.2 * (z == "b")))})
    if what == "dropped":
        data.loc[rng.random(rows) < 0.2, "x"] = np.nan
    words = {"subset": {"subset": "x < 1"}, "weights": {"weights": "w"}}.get(what, {})
    ladder, newton = (
        glm("y ~ x + z", data, "poisson", control=Control(memory=0, solver=solver), **words)
        for solver in ("ladder", "newton")
    )
    assert ladder.estimate.convergence.ladder == "reached the maximum"
    errors = np.asarray(newton.stderror())
    assert np.abs((np.asarray(ladder.coef) - newton.coef) / errors).max() < 1e-8
    np.testing.assert_allclose(ladder.stderror(), errors, rtol=3e-6)
    assert ladder.null_deviance == pytest.approx(newton.null_deviance, rel=1e-12)


@pytest.mark.parametrize("block", [64, 300, 1_000])
def test_a_rung_sums_what_its_rows_say(block, monkeypatch):
    monkeypatch.setattr(glmstat.frame, "block_rows", lambda columns: block)
    rng = np.random.default_rng(block)
    data = {"x": rng.normal(size=20_000), "z": rng.normal(size=20_000), "y": rng.poisson(1.0, 20_000)}
    frame = framed("y ~ x + z", data, memory=0)
    model, beta = likelihood("poisson"), np.array([0.1, 0.2, -0.1])
    for rung in take_rungs(frame, forced=True):
        workspace = replace(open_workspace(frame, model, None, rung), frame=rung)
        numbers = [one.number for one in rung.blocks]
        assert len(set(numbers)) == len(numbers)
        rows = np.concatenate([one.source_rows(slice(None)) for one in rung.blocks])
        Z = np.column_stack([np.ones(len(rows)), data["x"][rows], data["z"][rows]])
        score = workspace.pass_(workspace.to_gamma(beta), "none").score
        wanted = workspace.transform.T @ (Z.T @ (data["y"][rows] - np.exp(Z @ beta)))
        np.testing.assert_allclose(score, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_iterations_are_counted_up_to_the_limit(limit):
    rng = np.random.default_rng(6)
    x = rng.normal(size=500)
    data = {"x": x, "y": (rng.random(500) < 1 / (1 + np.exp(1 - 2 * x))).astype(float)}
    with pytest.warns(glmstat.errors.GlmstatWarning):
        fit = glm("y ~ x", data, "binomial", control=Control(max_iterations=limit, tolerance=1e-12))
    end = fit.estimate.convergence
    assert end.status == "not converged" and end.iterations == limit
    assert end.reason.startswith(f"{limit} iteration")


def test_the_trace_says_what_each_pass_cost_and_how_often_the_data_were_read():
    rng = np.random.default_rng(7)
    data = {"x": rng.normal(size=9_000), "y": rng.poisson(1.0, 9_000)}
    for solver in ("ladder", "newton"):
        fits = [glm("y ~ x", data, "poisson", control=Control(memory=0, solver=solver)) for _ in range(2)]
        end = fits[0].estimate.convergence
        passes = [step for step in end.trace if step.kind != "sample"]
        assert all(step.seconds > 0.0 for step in end.trace)
        assert len(passes) < end.readings <= len(passes) + 8
        assert fits[0] == fits[1] and end == fits[1].estimate.convergence
        assert "second" not in str(fits[0].summary())


def test_the_limit_holds_for_the_ladder_and_newton_together(monkeypatch):
    for place in ("ladder", "estimate"):
        monkeypatch.setattr(f"glmstat.solve.{place}.PASSES", 1)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40_960, 5))
    y = (rng.random(40_960) < 1 / (1 + np.exp(7.0 - x @ [0.3, -0.3, 0.2, 0.1, 0.4]))).astype(float)
    data = {**{f"x{k}": column for k, column in enumerate(x.T)}, "y": y}
    formula = "y ~ " + " + ".join(list(data)[:-1])
    ends = []
    for limit in (2, 3, 100):
        control = Control(memory=0, solver="ladder", max_iterations=limit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ends.append(glm(formula, data, "binomial", control=control).estimate.convergence)
    assert "too slowly" in ends[2].ladder and ends[2].status == "converged" and ends[2].iterations > 3
    assert [end.iterations for end in ends[:2]] == [2, 3]
    assert ends[1].reason == "3 iterations did not reach the maximum"


@pytest.mark.parametrize("seed", [7, 9, 10])
def test_the_null_deviance_is_that_of_the_root_of_its_score(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=8_000)
    t = rng.normal(0, rng.uniform(0.3, 1), 8_000)
    y = (rng.random(8_000) < -np.expm1(-np.exp(-1 + 0.3 * x + t))).astype(float)
    low, high = -12.0, 6.0
    for _ in range(100):
        b = 0.5 * (low + high)
        e = np.exp(b + t)
        low, high = (b, high) if np.sum(np.where(y > 0, e / np.expm1(e), -e)) > 0 else (low, b)
    wanted = -2 * np.sum(np.where(y > 0, np.log(-np.expm1(-e)), -e))
    fit = glm("y ~ x + offset(t)", {"x": x, "t": t, "y": y}, "binomial", link="cloglog", control=STREAM)
    assert fit.estimate.convergence.ladder == "reached the maximum"
    assert fit.null_deviance == pytest.approx(wanted, rel=3e-14)
