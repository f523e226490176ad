"""Fits with networks in files, copies and pickles: the same bits, no rows, no torch."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import textwrap
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, Training, load, rglm
from glmstat.network_fit import NetworkFit, OutOfFold, Record

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::glmstat.errors.GlmstatWarning")

FORMULA = "y ~ d + f + nn(z, w, f, hidden=(3, 2), embed={'f': 2}) + offset(log(t))"
WORDS = {"family": "poisson", "folds": 2, "reps": 2, "training": Training(steps=25)}
EVERY = ("debiased", "split", "naive", "laplace", "none")
TYPES = ("response", "link", "terms", "features")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    n = 260
    z, w, t = rng.normal(size=n), rng.uniform(size=n), rng.uniform(0.5, 2.0, size=n)
    d, f = 0.5 * z + rng.normal(size=n), rng.choice(list("abc"), n)
    y = rng.poisson(t * np.exp(0.3 * d + 0.5 * np.sin(2 * z)))
    firm = rng.integers(0, 30, n)
    found = pd.DataFrame({"y": y, "d": d, "z": z, "w": w, "f": f, "t": t, "firm": firm})
    found.loc[[3, 50], "w"] = np.nan
    return found.set_index(pd.Index(np.arange(n) + 100, name="row"))


@pytest.fixture(scope="module")
def fits(data):
    return {inference: rglm(FORMULA, data, inference=inference, **WORDS) for inference in EVERY}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.safetensors"


def saved(fit, path, **words):
    fit.save(path)
    return load(path, **words)


def header(path):
    raw = path.read_bytes()
    return json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])


def same(left, right):
    pd.testing.assert_frame_equal(pd.DataFrame(left), pd.DataFrame(right), check_exact=True)


@pytest.mark.parametrize("inference", EVERY)
def test_a_loaded_fit_has_the_same_numbers_and_words(inference, fits, data, path):
    fit = fits[inference]
    other = saved(fit, path)
    assert type(other) is type(fit)
    assert other == fit
    assert other.head == fit.head
    assert str(other.summary()) == str(fit.summary())
    assert str(other.as_glm().summary()) == str(fit.as_glm().summary())
    if inference != "none":
        same(other.vcov(), fit.vcov())
        same(other.confint(0.9), fit.confint(0.9))
    assert (other.deviance, other.loglik) == (fit.deviance, fit.loglik)
    for kind in TYPES:
        same(other.predict(data, type=kind), fit.predict(data, type=kind))
    assert other.manifest() == fit.manifest()
    assert str(other.learning_curve()) == str(fit.learning_curve())


def test_tests_and_prediction_intervals_need_no_rows(fits, data, path):
    fit = fits["debiased"]
    other = saved(fit, path)
    assert str(other.test("d = 0.2")) == str(fit.test("d = 0.2"))
    same(other.predict(data, interval="prediction"), fit.predict(data, interval="prediction"))
    same(other.summary("classical").to_frame(), fit.summary("classical").to_frame())


@pytest.mark.parametrize("inference", EVERY)
def test_data_given_again_bring_back_what_needs_rows(inference, fits, data, path):
    fit, other = fits[inference], saved(fits[inference], path)
    with pytest.raises(glmstat.DataError, match="data"):
        other.features()
    whole = other.with_data(data)
    if inference != "split":
        with pytest.raises(glmstat.DataError, match="data"):
            other.predict(interval="confidence")
        same(whole.predict(data, interval="confidence"), fit.predict(data, interval="confidence"))
        same(whole.predict(se_fit=True), fit.predict(se_fit=True))
    same(whole.residuals(), fit.residuals())
    same(whole.features(), fit.features())
    same(whole.effects("z").to_frame(), fit.effects("z").to_frame())
    if inference == "debiased":
        same(whole.residuals(oof=True), fit.residuals(oof=True))
        assert str(whole.gain()) == str(fit.gain())
        assert str(other.gain(data=data)) == str(fit.gain())
    with pytest.raises(glmstat.DataError, match="not those of the fit"):
        other.with_data(data.iloc[::-1])


def test_scores_of_the_table_are_not_in_the_file(fits, data, path):
    other = saved(fits["debiased"], path)
    for fit in (other, other.with_data(data)):
        with pytest.raises(glmstat.DataError, match=r"scores of the table.*refit\(data\)"):
            fit.summary("HC1")
    with pytest.raises(glmstat.DataError, match="scores of the table"):
        other.vcov("~firm", data=data)


def test_covariances_made_before_saving_are_in_the_file(fits, path):
    clustered = rglm("y ~ d + nn(z, hidden=(2,))", fits["none"].head.frame.source, cluster="firm", **WORDS)
    other = saved(clustered, path)
    assert other.covariance.cluster == ("firm",)
    same(other.vcov(), clustered.vcov())
    fit = fits["debiased"].with_vcov("HC1")
    same(saved(fit, path).vcov(), fit.vcov())


def test_a_split_table_takes_every_covariance_with_its_rows(fits, data, path):
    fit, other = fits["split"], saved(fits["split"], path)
    same(other.with_data(data).vcov("HC1"), fit.vcov("HC1"))
    same(other.vcov("~firm", data=data), fit.vcov("~firm"))


def test_naive_errors_are_those_of_the_output_layer(fits, path):
    fit = fits["naive"]
    for found in (fit, saved(fit, path)):
        for kind in ("classical", "HC0", "HC1"):
            whole = fit.as_glm().stderror(kind)
            np.testing.assert_allclose(found.stderror(kind), whole[list(fit.columns)], rtol=1e-12)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda fit: pickle.loads(pickle.dumps(fit))])
@pytest.mark.parametrize("inference", EVERY)
def test_copies_have_the_same_bits(inference, copied, fits, data):
    fit = fits[inference]
    other = copied(fit)
    assert other == fit
    assert str(other.summary()) == str(fit.summary())
    words = {} if inference == "split" else {"interval": "confidence"}
    same(other.predict(data, **words), fit.predict(data, **words))
    if inference in ("debiased", "split"):
        same(other.vcov("HC1"), fit.vcov("HC1"))


def test_a_loaded_fit_is_fitted_again(fits, data, path):
    other = saved(fits["debiased"], path)
    assert other.refit(data) == fits["debiased"]
    assert other.with_data(data).refit() == fits["debiased"]


def test_targets_and_arrays_of_the_call(data, path):
    words = {**WORDS, "targets": ["d"], "inference": "debiased"}
    fit = rglm("y ~ d + f + nn(z, hidden=(2,))", data, offset=np.log(data.t), **words)
    other = saved(fit, path)
    with pytest.raises(glmstat.ArgumentError, match=r"offset was an array"):
        other.with_data(data)
    whole = other.with_data(data, offset=np.log(data.t))
    assert whole.refit() == fit
    same(other.predict(data, offset=np.log(data.t)), fit.predict(data, offset=np.log(data.t)))


def test_no_rows_of_the_data_are_in_the_file(fits, data, path):
    """Arrays as long as the rows are predictors and folds only; sizes of residuals are in their own order."""
    fits["debiased"].save(path)
    raw, kept = path.read_bytes(), len(data) - 2
    entries = {name: entry for name, entry in header(path).items() if name != "__metadata__"}
    per_row = {name for name, entry in entries.items() if kept in entry["shape"]}
    assert per_row <= {f"out of fold {name}" for name in ("network", "linear", "fold")} | {
        "table kept calibration"
    }
    for name in ("d", "z", "w", "t"):
        assert data[name].to_numpy()[:2].tobytes() not in raw


def test_damage_anywhere_is_refused(fits, path):
    fits["debiased"].save(path)
    raw = path.read_bytes()
    for place in range(0, len(raw), max(1, len(raw) // 120)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(glmstat.FileError):
            load(path)
    path.write_bytes(raw[:-1])
    with pytest.raises(glmstat.FileError):
        load(path)


def test_contents_that_do_not_hold_together_are_refused(fits, path):
    """A file with a right checksum, whose parts were changed all the same."""
    from glmstat.persist.file import read, write

    fits["none"].save(path)
    spec, tensors = read(path, 2)
    for name in ("head nn1.net1.W1", "head theta", "head nn1.net1.b2", "head penalty", "table root"):
        for other in ({}, {name: tensors[name][:-1]}):
            rest = {key: value for key, value in tensors.items() if key != name}
            if name == "head penalty" and not other:
                continue  # a fit may have none
            write(path, 2, spec, {**rest, **other})
            with pytest.raises(glmstat.FileError):
                load(path)
    for part in ("head", "record", "design"):
        write(path, 2, {**spec, part: {}}, tensors)
        with pytest.raises(glmstat.FileError):
            load(path)


def test_a_newer_file_is_refused(fits, path):
    fits["none"].save(path)
    assert json.loads(header(path)["__metadata__"]["glmstat"])["schema"] == 2
    path.write_bytes(path.read_bytes().replace(rb"\"schema\": 2", rb"\"schema\": 3"))
    with pytest.raises(glmstat.FileError, match="newer"):
        load(path)


def test_the_output_layer_is_saved_by_itself(fits, data, path):
    for fit in (fits["none"].as_glm(), fits["none"].refit_output(vcov="HC0"), fits["split"].as_glm()):
        other = saved(fit, path)
        assert type(other) is glmstat.fit.Fit
        assert other == fit
        assert str(other.summary()) == str(fit.summary())
        same(other.predict(data, type="terms"), fit.predict(data, type="terms"))
        same(other.with_data(data).residuals(), fit.residuals())
        np.testing.assert_array_equal(other.estimate.edf, fit.estimate.edf)


def test_functions_of_the_user_are_refused_by_name(data, path):
    context = {"double": lambda v: 2 * v}
    words = {**WORDS, "inference": "none", "context": context}
    fit = rglm("y ~ double(d) + nn(double(z), hidden=(2,))", data, **words)
    with pytest.raises(glmstat.FileError, match="context entry: 'double'"):
        fit.save(path)
    fit.save(path, context=("double",))
    assert load(path, context=context) == fit
    with pytest.raises(glmstat.FileError, match="'double' is not what it was"):
        load(path, context={"double": lambda v: 3 * v})


def test_arrays_of_clusters_are_not_in_the_file(data, path):
    fit = rglm("y ~ d + nn(z, hidden=(2,))", data, cluster=data.firm, **WORDS)
    with pytest.raises(glmstat.FileError, match="array that cluster= was given"):
        fit.save(path)
    other = saved(fit.with_vcov("HC0"), path)
    same(other.with_data(data).residuals(), fit.residuals())
    with pytest.raises(glmstat.ArgumentError, match="cluster was an array"):
        other.refit(data)


def test_loading_and_predicting_need_no_torch(fits, data, tmp_path):
    """In a process where importing torch fails."""
    fit = fits["debiased"]
    fit.save(tmp_path / "fit")
    data.to_pickle(tmp_path / "data")
    program = """
        import sys
        sys.modules["torch"] = None
        import pathlib
        import numpy as np, pandas, glmstat
        folder = pathlib.Path(sys.argv[1])
        fit, data = glmstat.load(folder / "fit"), pandas.read_pickle(folder / "data")
        for kind in ("response", "link", "terms", "features"):
            np.save(folder / f"{kind}.npy", fit.predict(data, type=kind))
        np.save(folder / "interval.npy", fit.predict(data, interval="prediction"))
        whole = fit.with_data(data)
        np.save(folder / "mean.npy", whole.predict(data, interval="confidence"))
        printed = str(fit.summary()) + str(whole.gain()) + str(fit.manifest())
        (folder / "table").write_text(printed, "utf-8")
        try:
            fit.refit(data)
        except glmstat.errors.DependencyError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "glmstat[neural]" in done.stdout
    for kind in TYPES:
        np.testing.assert_array_equal(np.load(tmp_path / f"{kind}.npy"), fit.predict(data, type=kind))
    interval = fit.predict(data, interval="prediction")
    np.testing.assert_array_equal(np.load(tmp_path / "interval.npy"), interval)
    mean = fit.predict(data, interval="confidence")
    np.testing.assert_array_equal(np.load(tmp_path / "mean.npy"), mean)
    printed = str(fit.summary()) + str(fit.gain()) + str(fit.manifest())
    assert (tmp_path / "table").read_text("utf-8") == printed


def test_copies_of_large_fits_hold_no_rows(data, path):
    """A fit of data that are not copied: its pickle has what was computed, its file the same."""
    for inference in ("debiased", "split"):
        words = {**WORDS, "control": Control(memory=0)}
        fit = rglm("y ~ d + nn(z, hidden=(2,))", data, inference=inference, **words)
        other = pickle.loads(pickle.dumps(fit))
        assert fit.head.frame.large
        assert other.frame is None
        assert other.head.frame is None
        assert str(other.summary()) == str(fit.summary()) == str(saved(other, path).summary())
        whole = saved(other, path).with_data(data)
        words = {} if inference == "split" else {"interval": "confidence"}
        same(whole.predict(data, **words), fit.predict(data, **words))
        same(other.vcov("classical"), fit.vcov("classical"))
        if inference == "split":
            same(whole.vcov("HC1"), fit.vcov("HC1"))


def test_every_fact_of_a_fit_is_in_the_file():
    """A new field must be written too: then add it here."""
    record = {"prior", "dispersion", "unit", "ranges", "history", "seed_sd", "facts", "out_of_fold"}
    assert {field.name for field in fields(Record)} == record
    assert {field.name for field in fields(OutOfFold)} == {"network", "linear", "fold", "cluster"}
    own = {"spec", "estimate", "covariance", "notes", "frame", "kept", "repetitions", "head", "record"}
    assert {field.name for field in fields(NetworkFit)} == own
