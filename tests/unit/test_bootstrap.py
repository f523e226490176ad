"""The bootstrap: R's intervals from the same resamples, closed forms, same bits, and interruptions."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.call import Covariance
from glmstat.errors import ArgumentError, DataError, FewClustersWarning, Note, ResampleWarning
from glmstat.inference.bootstrap import processes
from glmstat.inference.bootstrap.interval import order_quantile
from glmstat.inference.bootstrap.plan import RESAMPLES, plan
from glmstat.inference.bootstrap.replicate import Job, Replicate
from glmstat.inference.bootstrap.resample import bootstrap
from glmstat.inference.bootstrap.result import Bootstrap, targets
from glmstat.inference.bootstrap.scheme import MULTIPLIERS, Scores, Wild, place
from glmstat.solve.estimate import fit_estimate

pytestmark = pytest.mark.filterwarnings("ignore::glmstat.errors.FewClustersWarning")
HERE = Path(__file__).parent
D = pd.read_csv(HERE / "data" / "features_check_data.csv").assign(firm=np.repeat(np.arange(8), 5))
R = json.loads((HERE.parent / "reference" / "inference" / "bootstrap.json").read_text())
COUNTS = "y ~ x + f + offset(log(t))"
# relative standard error of a variance from many normal resamples is sqrt(2 / reps); five of them are allowed
REPS = 600
VARIANCE = 5.0 * (2.0 / REPS) ** 0.5


@pytest.fixture(scope="module")
def poisson():
    return glm(COUNTS, D, "poisson")


@pytest.fixture(scope="module")
def linear():
    return glm("g ~ x + f", D, weights="w")


def given(fit, estimates, errors=None, own=None, kinds=None) -> Bootstrap:
    """A bootstrap of resamples that came from elsewhere."""
    estimates = np.asarray(estimates, dtype=float)
    errors = np.full_like(estimates, np.nan) if errors is None else np.asarray(errors)
    own = np.full(estimates.shape[1], np.nan) if own is None else np.asarray(own)
    kinds = np.zeros(len(estimates), dtype=np.int8) if kinds is None else kinds
    chosen = targets(fit, None)
    return Bootstrap(fit, plan(fit, "case"), 0, len(estimates), chosen, estimates, errors, own, kinds)


def spread(drawn: Bootstrap) -> Any:
    return np.asarray(drawn.vcov())


# ---------------------------------------------------------------- R's numbers


def test_a_resample_is_fitted_as_r_fits_its_rows(poisson):
    for counts, coef, errors in zip(R["counts"][:60], R["replicates"], R["std_errors"], strict=False):
        drawn = np.array(counts, dtype=float)
        frame = poisson.frame.changed(lambda b, drawn=drawn: replace(b, frequency=drawn))
        estimate = fit_estimate(frame, poisson.spec.likelihood, start=poisson.estimate.theta)
        np.testing.assert_allclose(estimate.coef, coef, rtol=1e-9, atol=1e-11)
        inverse = np.sqrt(np.diag(estimate.information.inverse()))
        np.testing.assert_allclose(inverse, errors, rtol=1e-7)  # R's weights are one step behind


@pytest.mark.parametrize("case", R["intervals"], ids=lambda c: f"{c['coefficient']} {c['level']}")
def test_intervals_equal_boot_ci_of_the_same_resamples(poisson, case):
    drawn = given(poisson, R["replicates"], R["std_errors"], R["std_error"])
    names = {"(Intercept)": "Intercept", "x": "x", "fb": "f[T.b]"}
    for kind in ("normal", "basic", "percentile", "bca", "studentized"):
        table = drawn.confint(kind, case["level"], of=names[case["coefficient"]])
        np.testing.assert_allclose([table["conf_low"][0], table["conf_high"][0]], case[kind], rtol=1e-9)


def test_summary_equals_boots_bias_and_standard_error(poisson):
    table = given(poisson, R["replicates"]).summary()
    np.testing.assert_allclose(table["bias"], R["bias"], rtol=1e-8)
    np.testing.assert_allclose(table["std_error"], R["bootstrap_error"], rtol=1e-10)


@pytest.mark.parametrize("kind", ["case", "cluster"])
def test_standard_errors_lie_near_those_of_r(poisson, kind):
    drawn = bootstrap(poisson, REPS, resample=kind, cluster="firm" if kind == "cluster" else None, seed=5)
    np.testing.assert_allclose(drawn.summary()["std_error"], R["resampled"][kind], rtol=0.5 * VARIANCE)


def _times(scheme, fit, rng):
    return np.concatenate([block.frequency for block in scheme.frame(fit.frame, rng).blocks()])


# ---------------------------------------------------------------- closed forms


@pytest.mark.parametrize("weights", [None, "n"])
def test_case_resampling_of_a_mean_has_the_variance_of_the_sample(weights):
    data = pd.DataFrame({"y": [1.0, 4.0, 2.0, 8.0, 5.0, 7.0], "n": [3, 1, 0, 2, 4, 2]})
    y = data["y"] if weights is None else np.repeat(data["y"], data["n"])
    drawn = bootstrap(glm("y ~ 1", data, freq_weights=weights), REPS, seed=1)
    closed = np.var(y) / len(y)
    assert drawn.plan.units == len(y)
    assert spread(drawn)[0, 0] == pytest.approx(closed, rel=VARIANCE)
    assert drawn.estimates.mean() == pytest.approx(np.mean(y), abs=5.0 * (closed / REPS) ** 0.5)


def test_frequencies_are_drawn_as_expanded_rows():
    counts = np.array([3, 1, 0, 2, 4])
    fit = glm("y ~ 1", {"y": [1.0, 4.0, 2.0, 8.0, 5.0], "n": counts}, freq_weights="n")
    scheme = plan(fit, "case").scheme
    draws = np.zeros((4000, 5))
    for k in range(4000):
        for block in scheme.frame(fit.frame, np.random.default_rng(k)).blocks():
            draws[k, place(block)] = block.frequency
    assert (draws.sum(axis=1) == 10).all()
    np.testing.assert_allclose(draws.mean(axis=0), counts, atol=5.0 * (2.4 / 4000) ** 0.5)
    np.testing.assert_allclose(draws.var(axis=0), counts * (1.0 - counts / 10.0), rtol=0.12)


def test_rows_of_weight_zero_are_not_drawn():
    data = D.assign(v=np.where(D.index < 4, 0.0, D["w"]))
    drawn = bootstrap(glm("g ~ x + f", data, weights="v"), 60, seed=2)
    without = bootstrap(glm("g ~ x + f", data[4:], weights="v"), 60, seed=2)
    assert drawn.plan.units == 36
    np.testing.assert_allclose(drawn.estimates, without.estimates, rtol=1e-10)


def test_parametric_resampling_of_a_linear_model_has_the_classical_covariance(linear):
    drawn = bootstrap(linear, REPS, resample="parametric", seed=3)
    np.testing.assert_allclose(np.diag(spread(drawn)), np.diag(linear.vcov()), rtol=VARIANCE)


@pytest.mark.parametrize(
    ("formula", "family", "words"),
    [
        (COUNTS, "poisson", {}),
        ("s / 10 ~ x", "binomial", {"weights": np.full(len(D), 10.0)}),
        ("g ~ x", "gamma", {"link": "log"}),
    ],
)
def test_parametric_standard_errors_lie_near_the_classical(formula, family, words):
    fit = glm(formula, D, family, **words)
    drawn = bootstrap(fit, 300, resample="parametric", seed=4)
    np.testing.assert_allclose(drawn.summary()["std_error"], fit.stderror(), rtol=0.2)


def test_residual_resampling_has_the_covariance_of_modified_residuals(linear):
    X = np.column_stack([np.ones(len(D)), D["x"], D["f"] == "b"])
    w = D["w"].to_numpy()
    inverse = np.linalg.inv(X.T * w @ X)
    hat = w * np.einsum("ij,jk,ik->i", X, inverse, X)
    modified = np.sqrt(w) * (D["g"] - X @ np.asarray(linear.coef)) / np.sqrt(1.0 - hat)
    drawn = bootstrap(linear, REPS, resample="residual", seed=5)
    assert isinstance(drawn.plan.text, str) and "modified" in drawn.plan.text
    np.testing.assert_allclose(spread(drawn).diagonal(), np.var(modified) * inverse.diagonal(), rtol=VARIANCE)


def test_residual_resampling_of_a_glm_stays_in_its_domain_or_is_refused(poisson):
    with pytest.raises(ArgumentError, match=r"poisson family does not have \(>= 0\): in \d+ of 40 rows"):
        bootstrap(poisson, 50, resample="residual", seed=1)
    tight = glm("y ~ x", {"y": [98, 105, 101, 110, 120, 118], "x": [0, 1, 2, 3, 4, 5]}, "poisson")
    drawn = bootstrap(tight, 50, resample="residual", seed=1)
    assert drawn.usable == 50 and "Pearson" in drawn.plan.text


def test_wild_covariance_over_all_signs_is_hc0():
    data = D[:8]
    fit = glm("g ~ x", data, weights="w")
    scheme = plan(fit, "wild").scheme
    assert isinstance(scheme, Wild)
    moves = []
    for signs in itertools.product((-1.0, 1.0), repeat=8):
        frame = scheme.multiplied(fit.frame, np.array(signs))
        estimate = fit_estimate(frame, fit.spec.likelihood, start=fit.estimate.theta)
        moves.append(estimate.coef - fit.estimate.coef)
    X, w = np.column_stack([np.ones(8), data["x"]]), data["w"].to_numpy()
    bread = np.linalg.inv(X.T * w @ X)
    scores = X * (w * (data["g"] - X @ np.asarray(fit.coef))).to_numpy()[:, None]
    np.testing.assert_allclose(
        np.transpose(moves) @ moves / 256, bread @ (scores.T @ scores) @ bread, rtol=1e-8
    )


@pytest.mark.parametrize("model", ["gaussian", "poisson"])
def test_clustered_wild_covariance_over_all_signs_is_cr0(model, poisson, linear):
    fit = {"gaussian": linear, "poisson": poisson}[model]
    scheme = plan(fit, "wild", "firm").scheme
    moves = []
    for signs in itertools.product((-1.0, 1.0), repeat=8):
        if isinstance(scheme, Scores):
            moves.append(scheme.multiplied(np.array(signs))[0])
        else:
            frame = scheme.multiplied(fit.frame, np.array(signs))
            estimate = fit_estimate(frame, fit.spec.likelihood, start=fit.estimate.theta)
            moves.append(estimate.coef - fit.estimate.coef)
    exact = np.array(R["wild"][model]["clustered"])
    np.testing.assert_allclose(np.transpose(moves) @ moves / 256, exact, rtol=1e-8, atol=1e-12)


def test_wild_scores_have_hc0_in_expectation(poisson):
    scheme = plan(poisson, "wild").scheme
    np.testing.assert_allclose(
        scheme.root @ (scheme.rows.T @ scheme.rows) @ scheme.root.T, R["wild"]["poisson"]["HC0"], rtol=1e-8
    )
    drawn = bootstrap(poisson, REPS, resample="wild mammen", seed=6)
    np.testing.assert_allclose(spread(drawn).diagonal(), np.diag(R["wild"]["poisson"]["HC0"]), rtol=VARIANCE)


@pytest.mark.parametrize(("name", "third"), [("rademacher", 0.0), ("mammen", 1.0), ("webb", 0.0)])
def test_multipliers_have_mean_0_and_variance_1(name, third):
    law = MULTIPLIERS[name]
    moments = [np.dot(law.chances, np.power(law.values, k)) for k in range(4)]
    np.testing.assert_allclose(moments, [1.0, 0.0, 1.0, third], atol=1e-12)
    draws = law.draw(np.random.default_rng(1), 60_000)
    np.testing.assert_allclose([np.mean(draws == v) for v in law.values], law.chances, atol=0.01)


def test_a_cluster_drawn_twice_is_two_clusters(linear):
    drawn = plan(linear, "cluster", "firm")
    rng = np.random.default_rng(3)
    times = drawn.scheme.draw(np.random.default_rng(3)).astype(int)
    frame = drawn.scheme.frame(linear.frame, rng)
    estimate = fit_estimate(frame, linear.spec.likelihood)
    root = drawn.pivot(replace(linear, estimate=estimate, frame=frame, kept={}), frame)
    parts = [D[D["firm"] == g] for g in range(8) for _ in range(times[g])]
    X, y, w, copy = [], [], [], []
    for number, part in enumerate(parts):
        X.append(np.column_stack([np.ones(5), part["x"], part["f"] == "b"]))
        y.append(part["g"])
        w.append(part["w"])
        copy.append(np.full(5, number))
    X, y, w, copy = map(np.concatenate, (X, y, w, copy))
    bread = np.linalg.inv(X.T * w @ X)
    scores = X * (w * (y - X @ (bread @ (X.T * w @ y))))[:, None]
    sums = np.array([scores[copy == number].sum(axis=0) for number in range(8)])
    np.testing.assert_allclose(root @ root.T, bread @ sums.T @ sums @ bread, rtol=1e-8)


def test_studentised_intervals_use_the_covariance_of_the_fit(linear):
    drawn = bootstrap(linear.with_vcov("HC3"), 60, seed=1)
    counts = _times(drawn.plan.scheme, linear, Job(linear, drawn.plan.scheme, None, np.eye(3), 1).rng(7))
    again = glm("g ~ x + f", D, weights="w", freq_weights=counts)
    np.testing.assert_allclose(drawn.estimates[7], again.coef, rtol=1e-10)
    np.testing.assert_allclose(drawn.std_errors[7], again.stderror("HC3"), rtol=1e-8)
    np.testing.assert_allclose(drawn.std_error, linear.stderror("HC3"), rtol=1e-10)
    assert "HC3" in str(drawn.confint("studentized"))


# ---------------------------------------------------------------- same bits, on any number of cores


@pytest.mark.parametrize("kind", ["case", "parametric"])
def test_any_number_of_workers_gives_the_same_bits(poisson, kind):
    here, apart = (bootstrap(poisson, 120, resample=kind, seed=9, workers=n) for n in (1, 2))
    assert here.estimates.tobytes() == apart.estimates.tobytes()
    assert here.std_errors.tobytes() == apart.std_errors.tobytes()


def test_a_drawn_seed_repeats_the_result(poisson):
    first = bootstrap(poisson, 20)
    assert f"seed {first.seed}" in str(first)
    assert np.array_equal(first.estimates, bootstrap(poisson, 20, seed=first.seed).estimates)
    assert not np.array_equal(first.estimates, bootstrap(poisson, 20).estimates)


def test_more_resamples_begin_with_the_same_ones(poisson):
    few, many = (bootstrap(poisson, n, seed=4).estimates for n in (10, 25))
    assert np.array_equal(few, many[:10])


def test_what_does_not_travel_is_computed_here():
    fit = glm("g ~ x + shift(x)", D, context={"shift": lambda v: (v - 1) ** 2})
    here, apart = (bootstrap(fit, 40, seed=9, workers=n) for n in (1, 2))
    assert np.array_equal(here.estimates, apart.estimates)


def test_large_data_are_read_in_every_pass():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=700_000)})
    data["y"], data["g"] = rng.normal(size=len(data)), np.arange(len(data)) % 30
    fit = glm("y ~ x + I(x ** 2)", data)
    assert fit.frame.large
    for words in ({}, {"resample": "cluster", "cluster": "g"}, {"resample": "wild"}):
        drawn = bootstrap(fit, 3, seed=1, **words)
        assert np.isfinite(drawn.std_errors).all() and drawn.usable == 3


# ---------------------------------------------------------------- interruption


def stop() -> Any:
    raise KeyboardInterrupt


def stop_at(monkeypatch, number: int) -> None:
    whole = Job.__call__

    def call(self, asked):
        return stop() if asked == number else whole(self, asked)

    monkeypatch.setattr(Job, "__call__", call)
    monkeypatch.setattr(
        "glmstat.inference.bootstrap.resample._START", np.inf
    )  # one interpreter, however slow the machine is


@pytest.mark.parametrize("workers", [1, None])
def test_ctrl_c_keeps_what_is_done(monkeypatch, poisson, workers):
    stop_at(monkeypatch, 45)
    drawn = bootstrap(poisson, 200, seed=1, workers=workers)
    assert drawn.interrupted and drawn.reps == 45
    assert "interrupted: 45 of 200 resamples" in str(drawn)
    monkeypatch.undo()
    assert np.array_equal(drawn.estimates, bootstrap(poisson, 45, seed=1).estimates)


def test_ctrl_c_before_anything_is_done_is_not_held_back(monkeypatch, poisson):
    stop_at(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        bootstrap(poisson, 200, seed=1)


def test_ctrl_c_ends_the_workers(monkeypatch, poisson):
    started, start = [], processes._start
    monkeypatch.setattr(processes, "_start", lambda: started.append(start()) or started[-1])
    whole, calls = Job.__call__, itertools.count()
    monkeypatch.setattr(Job, "__call__", lambda job, n: whole(job, n) if next(calls) < 20 else stop())
    drawn = bootstrap(poisson, 400, seed=1, workers=2)
    assert drawn.interrupted and drawn.reps >= 20
    assert len(started) == 1 and started[0].returncode is not None


def test_a_worker_that_dies_costs_nothing_but_time(monkeypatch, poisson):
    start = processes._start

    def short_lived():
        process = start()
        process.kill()
        return process

    monkeypatch.setattr(processes, "_start", short_lived)
    drawn = bootstrap(poisson, 60, seed=1, workers=2)
    assert np.array_equal(drawn.estimates, bootstrap(poisson, 60, seed=1, workers=1).estimates)


SCRIPT = """
import numpy, glmstat
from glmstat.inference.bootstrap.resample import bootstrap
rng = numpy.random.default_rng(1)
data = {"x": rng.normal(size=200), "y": rng.poisson(2.0, size=200).astype(float)}
fit = glmstat.glm("y ~ x", data, "poisson")
print("ready", flush=True)
drawn = bootstrap(fit, 1_000_000, seed=1, workers=2)
print(drawn.interrupted, drawn.usable == drawn.reps, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_a_script_without_a_guard_is_interrupted_without_a_trace(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    root = str(HERE.parents[1])
    script = subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert script.stdout is not None
    assert script.stdout.readline() == "ready\n"
    time.sleep(2.5)
    script.send_signal(signal.SIGINT)
    out, err = script.communicate(timeout=30)
    assert (out, err, script.returncode) == ("True True\n", "", 0)


# ---------------------------------------------------------------- resamples that are not usable


RARE = pd.DataFrame({"y": [1, 4, 2, 3, 5, 2, 6, 3, 4, 2], "f": [*"aaaabbbbb", "c"]})


def test_lost_levels_are_counted_and_left_out():
    with pytest.warns(ResampleWarning, match=r"of 300 resamples not usable: \d+ aliased"):
        drawn = bootstrap(glm("y ~ f", RARE, "poisson"), 300, seed=1)
    lost = drawn.counts["aliased"]
    assert lost / 300 == pytest.approx(0.9**10, abs=0.14)
    assert np.isnan(drawn.estimates[drawn.kinds == 3]).all()
    assert np.isfinite(drawn.estimates[drawn.kinds == 0]).all()
    assert np.isfinite(np.asarray(drawn.vcov())).all()


SPARSE = pd.DataFrame({"y": [0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1], "x": range(12)})


def separating() -> Bootstrap:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResampleWarning)
        return bootstrap(glm("y ~ x", SPARSE, "binomial"), 300, seed=1)


def test_separated_resamples_enter_percentiles_as_infinite():
    drawn = separating()
    apart = drawn.kinds == 1
    assert apart.sum() > 10 and np.isinf(drawn.estimates[apart]).any(axis=1).all()
    table = drawn.confint(of="x")
    usable = drawn.estimates[~np.isnan(drawn.estimates[:, 1]), 1]
    share = np.mean(np.isposinf(usable))
    assert (table["conf_high"][0] == np.inf) == (share > 0.025)
    assert np.isfinite(drawn.confint("studentized", of="x")["conf_high"][0])
    assert "separated" in str(drawn) and np.isfinite(drawn.summary()["std_error"]).all()


def test_nothing_usable_is_one_clear_error_and_loses_nothing():
    data = pd.DataFrame({"y": [1, 4, 2, 3, 5, 2, 6, 3], "f": list("abcdefgh")})
    with pytest.warns(ResampleWarning):
        drawn = bootstrap(glm("y ~ f", data, "poisson"), 50, seed=1)
    assert drawn.usable == 0 and drawn.estimates.shape == (50, 8)
    assert "no intervals: " in str(drawn)
    with pytest.raises(ArgumentError, match=r"2 usable resamples: there are 0 of 50\. .*\.estimates"):
        drawn.vcov()
    with pytest.raises(ArgumentError, match=r"needs 40 usable resamples: there are 0"):
        drawn.confint()


def test_aliased_and_infinite_coefficients_of_the_fit_stay_what_they_are():
    data = D.assign(z=2.0 * D["x"])
    drawn = bootstrap(glm("g ~ x + z", data), 60, seed=1)
    assert drawn.usable == 60
    for kind in ("percentile", "basic", "bca", "studentized", "normal"):
        table = drawn.confint(kind)
        assert np.isnan(table["conf_low"]).tolist() == [False, False, True], kind
    split = pd.DataFrame({"y": [0, 1, 0, 1, 1, 0, 1, 1, 1, 1], "f": list("aaaaaabbbb"), "x": range(10)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = bootstrap(glm("y ~ f", split, "binomial"), 80, seed=1)
    assert drawn.confint()["conf_high"][1] == np.inf
    assert np.isnan(drawn.confint("bca")["conf_high"][1])
    str(drawn)


# ---------------------------------------------------------------- the covariance


def test_vcov_bootstrap_is_the_covariance_of_the_resamples(poisson):
    drawn = bootstrap(poisson, 80, seed=7, resample="cluster", cluster="firm")
    robust = poisson.with_vcov(Covariance("bootstrap", cluster="firm", reps=80, seed=7))
    np.testing.assert_allclose(robust.vcov(), spread(drawn), rtol=1e-12)
    again = glm(COUNTS, D, "poisson", vcov=Covariance("bootstrap", cluster="firm", reps=80, seed=7))
    assert np.array_equal(again.vcov(), robust.vcov())
    assert "8 clusters drawn with replacement, 80 resamples, seed 7, few clusters" in " ".join(
        str(robust).split()
    )
    assert "rows drawn with replacement, 999 resamples, seed 0" in str(poisson.summary("bootstrap"))


def test_vcov_bootstrap_says_how_many_resamples_are_usable():
    fit = glm("y ~ f", RARE, "poisson")
    with pytest.warns(ResampleWarning):
        text = str(fit.summary(Covariance("bootstrap", reps=60)))
    assert "usable of 60 resamples" in " ".join(text.split())


def test_an_interrupted_covariance_is_of_what_is_done_and_says_so(monkeypatch, poisson):
    stop_at(monkeypatch, 30)
    fit, choice = replace(poisson, kept={}), Covariance("bootstrap", reps=5000, seed=1)
    with pytest.warns(ResampleWarning, match=r"interrupted, 30 of 5,000 resamples are done and used.*seed="):
        table = fit.vcov(choice)
    np.testing.assert_allclose(table, spread(bootstrap(poisson, 30, seed=1)), rtol=1e-12)
    text = " ".join(str(fit.summary(choice)).split())
    assert "rows drawn with replacement, 30 of 5,000 resamples, interrupted, seed 1" in text


def test_an_interruption_at_once_leaves_no_covariance(monkeypatch, poisson):
    stop_at(monkeypatch, 1)
    fit = replace(poisson, kept={})
    with pytest.raises(KeyboardInterrupt):
        fit.vcov(Covariance("bootstrap", seed=1))
    assert not fit.kept


def test_resamples_at_a_boundary_start_again_where_the_estimate_lies_outside():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    data = {"x": x, "b": (rng.random(40) < np.minimum(1.0, np.exp(-0.6 + 0.4 * x))).astype(int)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = glm("b ~ x", data, "binomial", link="log")
    assert fit.status == "boundary"
    drawn = bootstrap(fit, 60, seed=1)
    assert drawn.usable == 60
    job = Job(fit, drawn.plan.scheme, None, np.eye(2), 1)
    for number in (3, 17, 40):
        cold = fit_estimate(job.scheme.frame(fit.frame, job.rng(number)), fit.spec.likelihood)
        np.testing.assert_allclose(drawn.estimates[number], cold.coef, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::glmstat.errors.GlmstatWarning")
def test_infinite_order_statistics_are_ends_and_never_nan():
    inf = np.inf
    for draws, shares, ends in (
        ([-inf, -inf, 1.0, 2.0], (0.5, 0.5), (-inf, 1.0)),
        ([-inf, -inf, inf, inf], (0.5, 0.5), (-inf, inf)),
        ([1.0, 2.0, inf, inf], (0.5, 0.5), (2.0, inf)),
        ([-inf, -inf, -inf, 2.0], (0.5, 0.5), (-inf, -inf)),
    ):
        found = [order_quantile(np.array(draws), share, upper=k == 1)[0] for k, share in enumerate(shares)]
        assert tuple(found) == ends
    data = pd.DataFrame({"b": [0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0], "f": list("aaaaaaabbbbcccc")})
    fit = glm("b ~ f", data, "binomial")
    assert np.isinf(fit.estimate.coef).tolist() == [False, True, True]
    table = bootstrap(fit, 99, seed=1).summary("percentile")
    assert not np.isnan(table["conf_low"]).any() and not np.isnan(table["conf_high"]).any()
    assert table["conf_low"][0] == -inf
    assert np.isnan(table["bias"]).tolist() == [False, True, True]
    assert "infinite in the fit: f[T.b], f[T.c]" in " ".join(str(table).split())


# ---------------------------------------------------------------- tables and bad input


def test_tables_say_what_was_done(poisson):
    drawn = bootstrap(poisson, 60, seed=1, of=["x"])
    text = str(drawn)
    for words in ("rows with replacement", "60 resamples of 40 rows", "seed 1", "95 % percentile"):
        assert words in text
    assert drawn.summary().index == ("x",) and drawn.std_errors.shape == (60, 1)
    assert list(drawn.summary().columns) == ["estimate", "bias", "std_error", "conf_low", "conf_high"]
    assert drawn.confint("bca", 0.9, of=["f[T.b]", "x"]).index == ("f[T.b]", "x")
    with pytest.raises(ArgumentError, match="no standard error of Intercept"):
        drawn.confint("studentized", of="Intercept")
    frame = drawn.to_frame()
    assert frame.shape == (60, 4) and set(frame["resample"]) == {"usable"}
    assert not drawn.estimates.flags.writeable
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "<table" in drawn._repr_html_()


def test_linear_combinations(poisson):
    drawn = bootstrap(poisson, 60, seed=1, of=["x", "f[T.b] - x"])
    draws = drawn.estimates[:, 2] - drawn.estimates[:, 1]
    assert drawn.summary()["std_error"][1] == pytest.approx(draws.std(ddof=1))
    contrast = np.array([0.0, -1.0, 1.0])
    assert drawn.std_error[1] == pytest.approx((contrast @ np.asarray(poisson.vcov()) @ contrast) ** 0.5)
    for kind in ("percentile", "basic", "bca", "studentized", "normal"):
        one, both = drawn.confint(kind, of="f[T.b] - x"), drawn.confint(kind)
        assert one["conf_low"][0] == both["conf_low"][1]
    assert np.isfinite(drawn.confint("bca", of="x + Intercept")["conf_low"][0])


def test_wild_is_named_for_what_it_is(poisson, linear):
    assert "no refit" in plan(poisson, "wild").text
    clustered = plan(poisson, "wild", "firm").text
    assert "Webb" in clustered and "8 clusters by firm" in clustered
    assert "Rademacher" in plan(linear, "wild").text and "refit" not in plan(linear, "wild").text
    assert "Mammen" in plan(linear, "wild mammen").text


def test_few_clusters_are_drawn_with_a_warning(linear):
    with pytest.warns(FewClustersWarning, match="'firm' has 8, and below 40"):
        bootstrap(linear, 5, resample="cluster", cluster="firm", seed=1)
    with pytest.warns(FewClustersWarning, match=r'or vcov="CR2 ~ firm"\.'):
        bootstrap(linear, 5, resample="cluster", cluster="firm", seed=1)
    with pytest.warns(FewClustersWarning, match=r'or vcov=Covariance\("CR2", cluster=…\)\.'):
        bootstrap(linear, 5, resample="cluster", cluster=D["firm"].to_numpy(), seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bootstrap(linear, 5, resample="wild", cluster="firm", seed=1)


def test_rows_drawn_from_a_clustered_fit_are_noted(linear):
    clustered = replace(linear, covariance=Covariance("CR1", cluster="firm"))
    text = " ".join(str(bootstrap(clustered, 50, seed=1)).split())
    assert 'rows of a cluster by firm are drawn as if independent: see resample="cluster"' in text


def test_clusters_of_the_covariance_are_the_default(linear):
    assert plan(replace(linear, covariance=Covariance("HC0", cluster="firm")), "cluster").units == 8


def test_few_resamples_have_errors_but_no_intervals(poisson):
    drawn = bootstrap(poisson, 30, seed=1)
    table = drawn.summary()
    assert np.isfinite(table["std_error"]).all() and np.isnan(table["conf_low"]).all()
    assert "needs 40 usable resamples: there are 30" in " ".join(str(table).split())
    with pytest.raises(ArgumentError, match="needs 200 usable resamples"):
        drawn.confint(level=0.99)
    assert np.isfinite(drawn.confint("normal")["conf_low"]).all()


def test_extreme_ends_are_named(poisson):
    estimates = poisson.estimate.coef + np.linspace(-1.0, 9.0, 45)[:, None]
    assert "most extreme resample: Intercept, x, f[T.b]" in str(given(poisson, estimates).confint("bca"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"reps": 1}, r"reps must be a whole number >= 2: 1\."),
        ({"reps": 10.0}, "reps must be a whole number"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"seed": "a"}, "seed must be a whole number >= 0: 'a'"),
        ({"workers": 0}, "workers must be a whole number >= 1"),
        ({"resample": "cases"}, "Unknown resample: 'cases'.*Did you mean 'case'"),
        ({"resample": "cluster"}, "needs clusters"),
        ({"cluster": "firm"}, 'no use with resample="case"'),
        ({"resample": "cluster", "cluster": ["firm", "f"]}, "clusters in one way"),
        ({"resample": "cluster", "cluster": "firm + f"}, "clusters in one way"),
        ({"of": "z"}, "z"),
        ({"of": "x * f"}, "f"),
        ({"reps": 2, "of": "exp(x)"}, "not linear"),
        ({"progress": "x"}, "progress must be True, False or None: 'x'"),
        ({"vcov": "HC9"}, "Unknown vcov: 'HC9'"),
    ],
)
def test_bad_input_is_one_clear_error(words, message):
    fit = glm("g ~ x", D.assign(one=1))
    with pytest.raises(ArgumentError, match=message):
        bootstrap(fit, **{"reps": 5, **words})


def test_bad_clusters_are_data_errors_with_a_remedy_of_the_verb():
    data = D.assign(one=1, lost=np.where(D.index == 3, np.nan, 1.0 * D.index))
    fit = glm("g ~ x", data)
    with pytest.raises(DataError, match="two or more: cluster 'one' has 1 "):
        bootstrap(fit, 5, resample="cluster", cluster="one")
    with pytest.raises(
        DataError, match=r"cluster 'lost' is missing in row 3 .*subset= in the call"
    ) as caught:
        bootstrap(fit, 5, resample="cluster", cluster="lost")
    assert "vcov=" not in str(caught.value)


def test_vcov_studentises(linear):
    drawn = linear.bootstrap(60, seed=3, vcov="HC3")
    table = linear.with_vcov("HC3").bootstrap(60, seed=3).confint("studentized")
    assert drawn.confint("studentized")["conf_low"] == table["conf_low"]
    assert drawn.plan.pivot_text == "HC3"
    assert linear.bootstrap(60, seed=3).confint("studentized")["conf_low"] != table["conf_low"]


def test_it_prints_in_every_way_that_a_listing_does(poisson):
    drawn = bootstrap(poisson, 60, seed=1)
    assert drawn.ascii() == drawn.summary().ascii() and drawn.ascii().isascii()
    assert drawn.to_dict() == drawn.summary().to_dict()
    assert drawn._repr_html_() == drawn.summary()._repr_html_()
    assert repr(drawn) == str(drawn.summary())


def test_a_selected_fit_is_marked(poisson):
    note = Note("selection", "terms were selected by AIC: p-values and intervals ignore that")
    drawn = bootstrap(replace(poisson, notes=(*poisson.notes, note)), 60, seed=1)
    for table in (drawn.summary(), drawn.confint()):
        assert "terms were selected by AIC" in " ".join(str(table).split())


def test_schemes_of_one_predictor_refuse_several(linear):
    design = linear.spec.design
    two = replace(linear, spec=replace(linear.spec, design=replace(design, predictors=design.predictors * 2)))
    for resample in ("parametric", "residual", "wild"):
        with pytest.raises(ArgumentError, match=rf"{resample} resampling: .*one predictor, this one has 2"):
            plan(two, resample)


@pytest.mark.parametrize(
    ("fit", "resample", "message"),
    [
        (lambda: glm("g ~ x", D, sampling_weights="w"), "case", "sampling weights"),
        (lambda: glm("y ~ x", D, "quasipoisson"), "parametric", "cannot simulate"),
        (lambda: glm("y ~ x", D, "poisson", weights="w"), "parametric", "no prior weights"),
        (lambda: glm("y ~ x", D, "poisson", dispersion="pearson"), "parametric", "dispersion 1: that of"),
        (lambda: glm("g ~ x", D, freq_weights="s"), "residual", "freq_weights count rows several times"),
        (lambda: glm("g ~ x", D, freq_weights="s"), "wild", "freq_weights count rows several times"),
    ],
)
def test_what_a_fit_does_not_allow_is_refused(fit, resample, message):
    with pytest.raises(ArgumentError, match=message):
        bootstrap(fit(), 50, resample=resample)


def test_unknown_interval_types_and_levels(poisson):
    drawn = bootstrap(poisson, 50, seed=1)
    with pytest.raises(ArgumentError, match=r"Unknown type: 'perc'.*percentile"):
        drawn.confint("perc")
    with pytest.raises(ArgumentError, match="level must lie"):
        drawn.confint(level=95)
    for level in (2, 0, "x"):
        with pytest.raises(ArgumentError, match="level must lie"):
            drawn.summary(level=level)
    other = bootstrap(replace(poisson, covariance=Covariance("HAC", order="t")), 50, seed=1)
    with pytest.raises(ArgumentError, match="under HAC there are none"):
        other.confint("studentized")


def test_every_word_has_a_plan(linear):
    for word in RESAMPLES:
        assert plan(linear, word, "firm" if word == "cluster" else None).units in (8, 40)
    assert isinstance(Job(linear, plan(linear, "case").scheme, None, np.eye(3), 1)(0), Replicate)


def test_an_infinite_estimate_has_no_standard_error_and_ends_from_resamples_that_determine_it():
    x, k = np.arange(1.0, 11.0), np.repeat([0.0, 1.0], [7, 3])
    y = np.array([0, 1, 0, 1, 0, 1, 1, 1, 1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = glm("y ~ x + k", {"y": y, "x": x, "k": k}, "binomial")
        drawn = bootstrap(fit, 99, seed=1)
    table = drawn.summary()
    assert np.isnan(table["std_error"]).tolist() == [False, False, True]
    assert np.isnan(drawn.vcov().to_numpy()[2, 2])
    assert table["conf_low"][2] == table["conf_high"][2] == np.inf
    scheme, opened = drawn.plan.scheme, 0
    job = Job(fit, scheme, None, np.eye(3), 1)
    for number in np.flatnonzero(drawn.kinds == 1):  # an order of x that tells y leaves k free to be anything
        times = _times(scheme, fit, job.rng(int(number)))
        zeros, ones = (x[(times > 0) & (k == 0) & (y == value)] for value in (0, 1))
        if not (len(zeros) and len(ones)) or zeros.max() < ones.min():
            assert np.isnan(drawn.estimates[number, 2]), number
            opened += 1
    assert opened and np.isnan(drawn.estimates[drawn.kinds == 1, 2]).sum() == opened
    assert f"k ({opened})" in str(drawn)
    assert np.isposinf(drawn.estimates[drawn.kinds == 0, 2]).all()


def test_an_infinite_estimate_that_few_resamples_determine_leaves_the_others_their_intervals():
    fit = glm("y ~ x", SPARSE, "binomial")
    estimates = np.random.default_rng(1).normal(size=(100, 2))
    estimates[:90, 1] = np.nan
    far = replace(fit, estimate=replace(fit.estimate, directions=(np.array([0.0, 1.0]),)))
    table = given(far, estimates).confint()
    assert np.isnan(table["conf_low"]).tolist() == [False, True]
