"""Other fits from a fit with networks: extended, updated, with another output layer, collapsed."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, Training, glm, rglm

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::glmstat.errors.GlmstatWarning")

QUICK = {"folds": 2, "reps": 1, "training": Training(steps=25)}
EXACT = {
    "training": Training(optimizer="lbfgs"),
    "control": Control(dtype="float64"),
    "inference": "none",
    "nets": 2,
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    n = 240
    z, w, t = rng.normal(size=n), rng.normal(size=n), rng.uniform(0.5, 2.0, size=n)
    d, f = 0.5 * z + rng.normal(size=n), rng.choice(list("abc"), n)
    eta = 0.3 * d + 0.4 * z - 0.2 * w + 0.3 * (f == "b")
    y, won = rng.poisson(t * np.exp(eta)), rng.uniform(size=n) < 1 / (1 + np.exp(-eta))
    firm = rng.integers(0, 40, n)
    cost = np.exp(eta) * rng.gamma(2.0, 0.5, n)
    columns = {"y": y, "won": won, "cost": cost, "d": d, "z": z, "w": w, "f": f, "t": t, "firm": firm}
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def fit(data):
    return rglm("y ~ d + nn(z, w, hidden=(3,)) + offset(log(t))", data, "poisson", **QUICK)


# ---------------------------------------------------------------- extend, update, refit


def test_extend_is_rglm_of_the_longer_formula(fit, data):
    base = glm("y ~ d + offset(log(t))", data, "poisson")
    assert base.extend("nn(z, w, hidden=(3,))", **QUICK) == fit
    whole = base.with_data(data).extend("nn(z, w, hidden=(3,))", data=data, **QUICK)
    assert whole == fit


def test_extend_keeps_the_rows_and_words_of_the_call(data):
    words = {"weights": "t", "subset": "d > -1", "offset": np.log(data.t), "exposure": None}
    base = glm("y ~ d", data, "poisson", **words)
    found = base.extend("nn(z, hidden=(2,))", **QUICK)
    assert found == rglm("y ~ d + nn(z, hidden=(2,))", data, "poisson", **words, **QUICK)
    assert found.nobs == base.nobs


def test_extend_keeps_clusters_together(data):
    base = glm("y ~ d", data, "poisson", vcov="~firm")
    found = base.extend("nn(z, hidden=(2,))", **QUICK)
    assert found.covariance.cluster == ("firm",)
    fold = found.record.out_of_fold.fold
    assert (pd.Series(fold).groupby(data.firm).nunique() == 1).all()
    found = base.with_vcov("CR2 ~ firm").extend("nn(z, hidden=(2,))", **QUICK)
    assert found.covariance == glmstat.Covariance("CR1", cluster="firm")


def test_extend_takes_text(fit, data):
    with pytest.raises(
        glmstat.ArgumentError, match=r"extend\(\) takes a network to add, as text: got DataFrame"
    ):
        fit.extend(data)


def test_extend_refuses_what_is_no_network(fit, data):
    base = glm("y ~ d", data, "poisson")
    for term in ("z", "nn(z, hidden=())", "nn(z) + w"):
        with pytest.raises(glmstat.FormulaError, match="takes networks"):
            base.extend(term)
    with pytest.raises(glmstat.ArgumentError, match=r"no argument 'fold'.*Did you mean 'folds'"):
        base.extend("nn(z)", fold=3)
    with pytest.raises(glmstat.ArgumentError, match="no argument 'family'"):
        base.extend("nn(z)", family="gamma")
    with pytest.raises(glmstat.ArgumentError, match="sampling weights"):
        glm("y ~ d", data, "poisson", sampling_weights="t").extend("nn(z)")
    with pytest.raises(glmstat.ComparisonError, match="output layer alone"):
        fit.as_glm().extend("nn(t)")


def test_update_adds_and_takes_away_networks(fit, data):
    both = fit.update(". ~ . + nn(t, hidden=(2,))")
    assert both == fit.extend("nn(t, hidden=(2,))")
    assert [network.name for network in both.spec.design.formula.networks] == ["nn1", "nn2"]
    plain = fit.update(". ~ . - nn(z, w, hidden=(3,))")
    assert plain == glm("y ~ d + offset(log(t))", data, "poisson")


def test_update_takes_another_family(fit, data):
    found = fit.update(family="negative_binomial(3)")
    again = rglm(fit.formula, data, "negative_binomial(3)", **QUICK)
    assert found == again


def test_refit_keeps_the_covariance_that_the_fit_carries(fit, data):
    assert fit.refit() == fit
    assert fit.with_vcov("HC1").refit().covariance.kind == "HC1"
    half = fit.refit(data.iloc[:120])
    assert half == rglm(fit.formula, data.iloc[:120], "poisson", **QUICK)
    for verb in (fit.as_glm().refit, lambda: fit.refit_output().update(". ~ . + w")):
        with pytest.raises(glmstat.ComparisonError, match="output layer alone"):
            verb()


# ---------------------------------------------------------------- the output layer


def test_refit_output_is_the_glm_of_the_features(fit, data):
    """The same numbers as `glm` with the features as columns of the data."""
    features = fit.features()
    table = data.assign(**{name.replace(".", "_"): features[name] for name in features})
    columns = " + ".join(["d", "z", "w", *(name.replace(".", "_") for name in features)])
    for family, vcov in (("poisson", "classical"), ("negative_binomial(2)", "HC0")):
        plain = glm(f"y ~ {columns} + offset(log(t))", table, family, vcov=vcov)
        found = fit.refit_output(family=family, vcov=vcov)
        np.testing.assert_allclose(found.coef, plain.coef, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found.stderror(), plain.stderror(), rtol=1e-6)
        assert found.deviance == pytest.approx(plain.deviance, rel=1e-12)


def test_refit_output_says_what_it_is(fit, data):
    found = fit.refit_output()
    assert "not valid" in str(found.summary())
    with pytest.raises(glmstat.ComparisonError, match="naive"):
        found.test("d = 0")
    with pytest.raises(glmstat.DomainError, match="Binomial response"):
        fit.refit_output(family="binomial")
    with pytest.raises(glmstat.ArgumentError, match="HC3"):
        fit.refit_output(vcov="HC3")


def test_refit_output_of_a_split_leaves_the_learning_rows_out(data):
    fit = rglm("y ~ d + nn(z, hidden=(3,))", data, "poisson", inference="split", **QUICK)
    found = fit.refit_output()
    assert found.nobs == fit.nobs < len(data)
    np.testing.assert_allclose(found.coef, fit.coef, rtol=1e-9)


# ---------------------------------------------------------------- collapse


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(
    ("response", "family"), [("cost", "gaussian"), ("won", "binomial"), ("y", "poisson"), ("cost", "gamma")]
)
def test_a_linear_network_is_the_glm(response, family, skip, data):
    """Classical inference of `glm`; the weights multiplied out say the same predictors."""
    link = "log" if family == "gamma" else None
    network = f"nn(z, w, hidden=(3, 2), activation='identity', skip={skip})"
    fit = rglm(f"{response} ~ d + {network}", data, family, link=link, prior=0, **EXACT)
    found = fit.collapse()
    assert found == glm(f"{response} ~ d + z + w", data, family, link=link)
    assert found.spec.statement is None
    notes = [note.text for note in found.notes if note.kind == "collapsed"]
    assert "identity activations, no prior" in notes[0]
    assert float(notes[1].split()[-1]) < 1e-8


def test_factors_offsets_and_missing_intercepts_collapse(data):
    network = "nn(z, f, hidden=(4,), activation='identity', skip=False)"
    fit = rglm(f"y ~ 0 + {network} + offset(log(t))", data, "poisson", prior=0, **EXACT)
    found = fit.collapse()
    assert found == glm("y ~ z + f + offset(log(t))", data, "poisson")
    assert float(found.notes[-1].text.split()[-1]) < 1e-8


def test_collapse_refuses_by_name(fit, data):
    mixed = "nn(z, hidden=(2, 2), activation=('identity', 'tanh'), name='shape')"
    with pytest.raises(glmstat.ArgumentError, match="layer 2 of shape is tanh"):
        rglm(f"y ~ d + {mixed}", data, "poisson", inference="none", **QUICK).collapse()
    linear = "nn(z, hidden=(2,), activation='identity')"
    shrunk = rglm(f"y ~ d + {linear}", data, "poisson", inference="none", **QUICK)
    with pytest.raises(glmstat.ArgumentError, match=r"prior of nn1 is 10.*refit=True"):
        shrunk.collapse()
    found = shrunk.collapse(refit=True)
    assert found == glm("y ~ d + z", data, "poisson")
    assert "had a prior" in found.notes[-2].text


# ---------------------------------------------------------------- manifest, learning curve


def test_the_manifest_is_plain_json_of_what_made_the_fit(fit, data):
    found = fit.manifest()
    text = json.dumps(found, allow_nan=False)
    assert found == json.loads(text)
    again = rglm("y ~ d + nn(z, w, hidden=(3,)) + offset(log(t))", data, "poisson", **QUICK)
    assert again.manifest() == found
    assert found["arguments"]["training"]["steps"] == 25
    assert found["versions"]["torch"] and found["versions"]["numpy"] == np.__version__
    other = rglm("y ~ d + nn(z, w, hidden=(3,)) + offset(log(t))", data, "poisson", seed=2, **QUICK)
    assert other.manifest()["weights"] != found["weights"]
    assert other.manifest()["fingerprint"] == found["fingerprint"]


def test_functions_of_the_user_stand_in_the_manifest_by_name(data):
    words = {**QUICK, "inference": "none", "context": {"double": lambda v: 2 * v}}
    fit = rglm("y ~ d + nn(double(z), hidden=(2,))", data, "poisson", **words)
    assert fit.manifest()["arguments"]["context"] == ["double"]
    assert "0x" not in json.dumps(fit.manifest())


def test_nets_that_arrive_at_different_steps_have_one_curve(data):
    fit = rglm("y ~ d + nn(z, hidden=(2,), activation='identity')", data, "poisson", prior=0, **EXACT)
    table = fit.learning_curve().to_frame()
    assert set(table["network"]) == {"net1", "net2"}
    assert table["train"].notna().all()
