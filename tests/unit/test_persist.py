from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import glm, load
from glmstat.families import Custom
from tests.unit.sample import frame

FORMULA = "y ~ scale(x) + f + offset(log(t))"


@pytest.fixture(scope="module")
def data():
    return frame()


@pytest.fixture(scope="module")
def fit(data):
    return glm(FORMULA, data, "poisson")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.safetensors"


def saved(fit, path, **words):
    fit.save(path)
    return load(path, **words)


def test_a_loaded_fit_has_the_same_numbers_and_words(fit, data, path):
    other = saved(fit, path)
    assert other == fit
    assert str(other.summary()) == str(fit.summary())
    for words in ({"se_fit": True, "interval": "confidence"}, {"type": "link"}, {"type": "terms"}):
        pd.testing.assert_frame_equal(
            pd.DataFrame(other.predict(data, **words)),
            pd.DataFrame(fit.predict(data, **words)),
            check_exact=True,
        )


@pytest.mark.parametrize(
    "call",
    [
        {"formula": "g ~ x", "family": "gamma", "link": "power(1/3)"},
        {"formula": "y ~ poly(x, 2) * f", "family": "negative_binomial(1.7)", "vcov": "HC0"},
        {"formula": "won ~ bs(x, df=4)", "family": "binomial", "link": "cloglog", "na_action": "exclude"},
        {"formula": "g ~ x", "family": "tweedie(1.55)", "sampling_weights": "w"},
        {"formula": "y ~ x + double", "family": "poisson", "freq_weights": "w", "compat": "R"},
    ],
    ids=lambda call: call["family"],
)
def test_every_kind_of_fit_comes_back(call, data, path):
    data = data.assign(double=2 * data.x)
    fit = glm(data=data, **call)
    other = saved(fit, path)
    assert other == fit
    assert str(other.summary()) == str(fit.summary())
    np.testing.assert_array_equal(other.predict(data, se_fit=True), fit.predict(data, se_fit=True))


def test_infinite_coefficients_come_back(data, path):
    with pytest.warns(glmstat.SeparationWarning):
        fit = glm("y ~ f", data.assign(y=np.where(data.f == "c", 0, data.y)), "poisson")
    other = saved(fit, path)
    assert other == fit
    np.testing.assert_array_equal(other.predict(data), fit.predict(data))


def test_verbs_that_need_rows_ask_for_data(fit, data, path):
    other = saved(fit, path)
    for verb in (
        lambda: other.residuals(),
        lambda: other.vcov("HC0"),
        lambda: other.fitted,
        lambda: other.refit(),
    ):
        with pytest.raises(glmstat.DataError, match="data"):
            verb()
    np.testing.assert_array_equal(other.residuals(data=data), fit.residuals())
    np.testing.assert_allclose(other.vcov("HC0", data=data), fit.vcov("HC0"), rtol=1e-12)
    assert other.refit(data) == fit
    with pytest.raises(glmstat.DataError, match="not those of the fit"):
        other.residuals(data=data.iloc[::-1])


def test_arrays_are_asked_for_again(data, path):
    fit = glm("y ~ x", data, "poisson", offset=np.log(data.t))
    other = saved(fit, path)
    with pytest.raises(glmstat.GlmstatError, match="offset"):
        other.predict(data)
    np.testing.assert_array_equal(other.predict(data, offset=np.log(data.t)), fit.fitted)
    with pytest.raises(glmstat.ArgumentError, match="offset was an array"):
        other.refit(data)


def test_no_rows_are_in_the_file(fit, path):
    fit.save(path)
    raw = path.read_bytes()
    assert len(raw) < 20_000
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert all(40 not in entry["shape"] for name, entry in header.items() if name != "__metadata__")


def test_damage_anywhere_is_refused(fit, path):
    fit.save(path)
    raw = path.read_bytes()
    for place in range(0, len(raw), max(1, len(raw) // 150)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(glmstat.FileError):
            load(path)
    for length in (0, 5, 8, 100, len(raw) - 1):
        path.write_bytes(raw[:length])
        with pytest.raises(glmstat.FileError):
            load(path)


def test_foreign_and_newer_files_are_refused(fit, path):
    from safetensors.numpy import save_file

    save_file({"a": np.ones(2)}, path)
    with pytest.raises(glmstat.FileError, match="Not a file of glmstat"):
        load(path)
    fit.save(path)
    path.write_bytes(path.read_bytes().replace(rb"\"schema\": 1", rb"\"schema\": 9"))
    with pytest.raises(glmstat.FileError, match="newer"):
        load(path)


def test_a_failed_save_leaves_the_old_file(fit, path, monkeypatch):
    fit.save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        fit.with_vcov("HC0").save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_functions_of_the_user_are_refused_by_name(data, path):
    double = {"double": lambda v: 2 * v, "cutoff": 1.5}
    fit = glm("y ~ double(x) + I(t > cutoff)", data, "poisson", context=double)
    with pytest.raises(glmstat.FileError, match="context entry: 'double'"):
        fit.save(path)
    fit.save(path, context=("double",))
    with pytest.raises(glmstat.FileError, match=r"without its functions.*double"):
        load(path)
    assert load(path, context=double) == fit
    np.testing.assert_array_equal(load(path, context=double).predict(data), fit.fitted)


def test_families_of_the_user_are_refused_by_name(data, path):
    own = Custom("cubic", lambda mu: mu**3, link="log")
    fit = glm("g ~ x", data, own)
    with pytest.raises(glmstat.FileError, match="family or link: 'cubic'"):
        fit.save(path)
    fit.save(path, context=("cubic",))
    with pytest.raises(glmstat.FileError, match="needs 'cubic'"):
        load(path)
    np.testing.assert_array_equal(load(path, context={"cubic": own}).predict(data), fit.predict(data))


def test_python_in_a_formula_is_not_inherited(data, path):
    fit = glm("y ~ x.clip(0)", data, "poisson", allow_python=True)
    fit.save(path)
    with pytest.raises(glmstat.GlmstatError, match="not allowed"):
        load(path).predict(data)
