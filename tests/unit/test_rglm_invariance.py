"""What must not change an rglm fit: units, constants, scale of weights; and what must not leak or be cut."""

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

from glmstat import ComparisonError, NetworkWarning, Training, datasets, rglm
from glmstat.neural import material

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::glmstat.errors.NetworkWarning")

FORMULA = "y ~ d + nn(z1, z2, z3, z4, z5, hidden=(8,))"
FAST = {"nets": 1, "reps": 1, "folds": 3, "training": Training(steps=120)}


@pytest.fixture(scope="module")
def data():
    return datasets.generate("confounded", 600, seed=3, family="gaussian")


@pytest.fixture(scope="module")
def fit(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rglm(FORMULA, data, **FAST)


def told(one):
    return float(one.coef["d"]), float(one.stderror()["d"]), one.gain().difference


def test_large_constants_of_response_and_target_change_nothing(fit, data):
    moved = rglm(FORMULA, data.assign(y=data.y + 1e7, d=data.d + 1e7), **FAST)
    assert told(moved) == pytest.approx(told(fit), rel=1e-3)


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_the_unit_of_the_response_changes_units_only(fit, data, unit):
    estimate, error, gain = told(rglm(FORMULA, data.assign(y=data.y * unit), **FAST))
    assert (estimate / unit, error / unit, gain / unit**2) == pytest.approx(told(fit), rel=1e-3)


@pytest.mark.parametrize("constant", [1e-3, 1e3])
def test_a_constant_weight_changes_nothing_where_the_dispersion_is_estimated(fit, data, constant):
    estimate, error, gain = told(rglm(FORMULA, data.assign(w=constant), weights="w", **FAST))
    assert (estimate, error, gain / constant) == pytest.approx(told(fit), rel=1e-3)


def test_targets_of_many_trials_are_learned_as_well_as_of_few(data):
    rng = np.random.default_rng(1)
    shares = []
    for trials in (5, 10_000):
        counted = data.assign(k=rng.binomial(trials, 1 / (1 + np.exp(-0.5 * data.d))), m=trials)
        one = rglm("cbind(k, m - k) ~ d + nn(z1, z2, z5, hidden=(8,))", counted, "binomial", **FAST)
        line = next(text for text in one.spec.statement.lines if text.startswith("out-of-fold R2"))
        shares.append(float(line.rpartition(" ")[2]))
    assert shares[1] > 0.5 * shares[0] > 0.1


def test_repetitions_and_their_median_have_covariances_of_their_own(data):
    words = {**FAST, "reps": 3}
    asked, untouched = rglm(FORMULA, data, **words), rglm(FORMULA, data, **words)
    alone = asked.repetitions[0].vcov("HC1").to_numpy()
    assert np.array_equal(asked.vcov("HC1"), untouched.vcov("HC1"))
    assert not np.array_equal(asked.vcov("HC1"), alone)


def test_a_function_of_inputs_is_no_target(data):
    found = rglm("y ~ d + I(z1 ** 2) + I(z1 > 0) + nn(z1, z2, hidden=(4,))", data, **FAST)
    assert found.columns == ("d",)
    assert "functions of a network's inputs" in str(found).replace("\n  ", " ")


def test_the_prior_is_chosen_without_cutting_clusters(data, monkeypatch):
    """Folds that choose the prior are dealt by the same function as those that cross-fit."""
    seen, dealt = [], material.make_folds

    def recorded(*arguments, **words):
        folds = dealt(*arguments, **words)
        seen.append((folds, words["clusters"]))
        return folds

    monkeypatch.setattr(material, "make_folds", recorded)
    firms = data.assign(firm=np.arange(len(data)) % 60)
    rglm(FORMULA, firms, cluster="firm", prior="cv", **FAST)
    assert len(seen) >= 2
    for folds, clusters in seen:
        pairs = np.unique(np.column_stack([clusters, folds]), axis=0)
        assert len(pairs) == 60


def test_a_prior_of_a_term_moves_with_that_of_the_call(data):
    """A network that its own prior holds at the glm is not said to be indifferent to the prior."""
    formula = "y ~ d + nn(z1, z2, z3, z4, z5, hidden=(8,), prior=30)"
    found = rglm(formula, data, **FAST)
    text = next(line for line in found.spec.statement.lines if line.startswith("prior check"))
    assert "(those of terms in proportion)" in text
    assert "moves by 0.00" not in text


def test_the_interval_of_the_mean_is_refused_where_the_output_layer_has_no_prior(data):
    found = rglm(FORMULA, data, inference="split", **FAST)
    with pytest.raises(ComparisonError, match='does not hold for inference="split"'):
        found.predict(data.head(3), interval="confidence")
    assert np.isnan(found.effects("z1", points=3).std_error).all()


def test_warnings_are_one_of_a_kind(data):
    with pytest.warns(NetworkWarning) as seen:
        rglm(FORMULA, data, inference="crossfit", **FAST)
    assert [one.category for one in seen].count(NetworkWarning) == 1


SCRIPT = """
import sys, warnings
import torch
import glmstat
data = glmstat.datasets.generate("confounded", 600, seed=3, family="gaussian")
print("ready", flush=True)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    fit = glmstat.rglm("y ~ d + nn(z1, z2, hidden=(8,))", data, nets=1, reps=1,
                       training=glmstat.Training(steps=200_000))
print([str(one.message) for one in seen])
print(fit)
print(fit.manifest()["facts"]["interrupted"])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
def test_interruption_keeps_the_best_state_and_says_so():
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    try:
        process.wait(timeout=6)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "Training was interrupted" in out
    assert "interrupted by the user: no inference" in out and "interrupted after" in out
    assert 'inference="none"' in out
    assert out.rstrip().endswith("True")
