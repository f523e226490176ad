from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import glm, links, load
from glmstat.families import Custom, Gamma, Interval
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
    for verb in (other.refit, lambda rows: other.residuals(data=rows), other.with_data):
        with pytest.raises(glmstat.ArgumentError, match=r"offset was an array.*with_data\(data, offset=…\)"):
            verb(data)


@pytest.mark.parametrize(
    "arrays",
    [
        {"offset": "o"},
        {"exposure": "t"},
        {"weights": "w", "offset": "o"},
        {"freq_weights": "w"},
        {"sampling_weights": "w"},
        {"subset": "late"},
    ],
    ids="-".join,
)
def test_arrays_given_again_bring_back_every_verb(arrays, data, path):
    data = data.assign(o=np.log(data.t), late=data.t > 0.8)
    given = {word: data[name].to_numpy() for word, name in arrays.items()}
    fit = glm("y ~ x", data, "poisson", start=np.array([0.0, 0.0]), **given)
    whole = saved(fit, path).with_data(data, **given)
    np.testing.assert_array_equal(whole.residuals(), fit.residuals())
    np.testing.assert_allclose(whole.vcov("HC0"), fit.vcov("HC0"), rtol=1e-12)
    np.testing.assert_allclose(whole.refit().coef, fit.coef, rtol=1e-9)
    wrong = {word: data[name].to_numpy()[::-1] for word, name in arrays.items()}
    with pytest.raises(glmstat.DataError):
        load(path).with_data(data, **wrong)


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
    with pytest.raises(glmstat.FileError, match=r"cannot be written: .*\(disk full\)"):
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


@pytest.mark.parametrize(
    "words",
    [
        {"family": Gamma(link="log")},
        {"family": Custom("cubic", lambda mu: mu**3.01, link="log")},
        {"family": Custom("cubic", lambda mu: mu**3, link="sqrt")},
        {"family": Custom("cubic", lambda mu: mu**3, link="log", domain=Interval(0.0, 99.0))},
        {"family": Custom("cubic", lambda mu: mu**3, link="log", dispersion=1.0)},
        {"family": Custom("third", lambda mu: mu**3, link="log")},
        {"family": "gamma"},
    ],
    ids=["class", "variance", "link", "domain", "dispersion", "name", "word"],
)
def test_another_family_under_the_name_is_refused(words, data, path):
    own = Custom("cubic", lambda mu: mu**3, link="log")
    glm("g ~ x", data, own).save(path, context=("cubic",))
    assert load(path, context={"cubic": Custom("cubic", lambda mu: mu * mu * mu, link="log")}).converged
    with pytest.raises(glmstat.FileError, match="'cubic' is not what it was"):
        load(path, context={"cubic": words["family"]})


def shifted_log(shift):
    return links.Custom(
        "shifted",
        lambda mu: np.log(mu + shift),
        lambda eta: np.exp(eta) - shift,
        np.exp,
        np.exp,
        means=(0.0, np.inf),
    )


def test_another_link_under_the_name_is_refused(data, path):
    glm("g ~ x", data, "gamma", link=shifted_log(0.5)).save(path, context=("shifted",))
    assert load(path, context={"shifted": shifted_log(0.5)}).converged
    for other in (shifted_log(0.25), "log"):
        with pytest.raises(glmstat.FileError, match="'shifted' is not what it was"):
            load(path, context={"shifted": other})


def test_another_function_under_the_name_is_refused(data, path):
    fit = glm("y ~ h(x)", data, "poisson", context={"h": lambda v: 2 * v})
    fit.save(path, context=("h",))
    assert load(path, context={"h": lambda v: v + v}) == fit
    for other in (lambda v: 3 * v, lambda v: v.no_such, np.sum):
        with pytest.raises(glmstat.FileError, match="'h' is not what it was"):
            load(path, context={"h": other})


def test_functions_that_cannot_be_compared_are_trusted(data, path):
    rng = np.random.default_rng(1)
    context = {"h": lambda v, w: v * w, "noise": lambda v: v + 1e-9 * rng.normal(size=len(v))}
    fit = glm("y ~ h(x, t) + noise(t)", data, "poisson", context=context)
    fit.save(path, context=("h", "noise"))
    assert load(path, context=context) == fit


@pytest.mark.parametrize(
    ("formula", "words", "named"),
    [
        ("y ~ x.clip(0)", {}, "x.clip(0)"),
        ("y ~ scale(x.clip(0)) + f", {}, "scale(x.clip(0))"),
        ("y.clip(0) ~ x", {}, "y.clip(0)"),
        ("y ~ x + offset(t.clip(1))", {}, "t.clip(1)"),
        ("y ~ x", {"exposure": "t.clip(1)"}, "t.clip(1)"),
        ("y ~ x", {"weights": "t.clip(1)"}, "t.clip(1)"),
        ("y ~ x", {"subset": "t.clip(0) > 1"}, "t.clip(0) > 1"),
    ],
)
def test_python_in_a_formula_cannot_be_saved(formula, words, named, data, path):
    fit = glm(formula, data, "poisson", allow_python=True, **words)
    with pytest.raises(glmstat.FileError) as refused:
        fit.save(path)
    assert "cannot hold Python" in str(refused.value)
    assert f"'{named}'" in str(refused.value)
    assert not path.exists()


def test_a_formula_without_python_is_saved_and_not_trusted(data, path):
    other = saved(glm("y ~ x", data, "poisson", allow_python=True), path)
    np.testing.assert_array_equal(other.predict(data), glm("y ~ x", data, "poisson").predict(data))
    with pytest.raises(glmstat.GlmstatError, match="not allowed"):
        other.update(". ~ x.clip(0)", data=data)


def test_paths_that_cannot_be_files_are_named(fit, tmp_path):
    for name in ("", "a\0b", b"fit"):
        with pytest.raises(glmstat.FileError, match="path must name a file"):
            fit.save(name)
        with pytest.raises(glmstat.FileError, match="path must name a file"):
            load(name)
    for folder in (tmp_path, "."):
        with pytest.raises(glmstat.FileError, match="A folder, not a file"):
            fit.save(folder)
    (tmp_path / "file").write_text("")
    for name in ("none", "file"):
        with pytest.raises(glmstat.FileError, match=f"No such folder: .*{name}. Make it first"):
            fit.save(tmp_path / name / "fit")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_fit_is_saved_though_its_file_was_moved(data, path, tmp_path):
    rows, elsewhere = tmp_path / "rows.parquet", tmp_path / "moved.parquet"
    data.reset_index(drop=True).to_parquet(rows)
    fit = glm("y ~ x + f", rows, "poisson", control=glmstat.Control(memory=0))
    rows.rename(elsewhere)
    with pytest.raises(glmstat.DataError, match=r"is gone.*with_data\(path\)"):
        fit.vcov("HC0")
    loaded = saved(fit, path)
    assert loaded == fit
    assert str(loaded.summary()) == str(fit.summary())
    whole = fit.with_data(elsewhere)
    assert np.isfinite(np.asarray(whole.vcov("HC0"))).all()
    os.utime(elsewhere, (1, 1))
    with pytest.raises(glmstat.DataError, match=r"changed since it was opened.*with_data\(path\)"):
        whole.vcov("HC1")


@pytest.mark.parametrize(
    "contrasts", ["sum", {"f": "sum"}, {"f": [[-2.0, 1.0], [5.0, 0.0], [1.0, 1.0]]}], ids=str
)
def test_contrasts_are_those_of_the_fit_when_it_is_fitted_again(data, tmp_path, contrasts):
    fit = glm("y ~ x + f", data, "poisson", contrasts=contrasts)
    fit.save(tmp_path / "fit")
    again = load(tmp_path / "fit").refit(data)
    assert again == fit
    assert list(again.coef.index) == list(fit.coef.index)


def test_a_model_without_coefficients_is_saved_too(tmp_path):
    fit = glm("y ~ 0 + offset(log(t))", {"y": [1, 2, 3, 4], "t": [1.0, 2, 2, 1]}, "poisson")
    fit.save(tmp_path / "fit")
    assert load(tmp_path / "fit") == fit


def test_a_file_of_the_first_schema_still_loads():
    """The file was written by the version before networks, from these rows."""
    rows = {"y": [1, 2, 0, 3, 5, 9, 4, 2], "x": [0.0, 1, 2, 3, 4, 5, 2.5, 1.5]}
    rows |= {"f": list("abababab"), "t": [1.0, 2, 1, 2, 1, 2, 1, 2]}
    old = load(Path(__file__).parent / "data" / "fit_schema1.safetensors")
    fit = glm(FORMULA, rows, "poisson", vcov="HC0")
    np.testing.assert_allclose(old.coef, fit.coef, rtol=1e-12)
    np.testing.assert_allclose(old.stderror(), fit.stderror(), rtol=1e-12)
    assert str(old.summary()) == str(fit.summary())
    assert old.refit(rows).coef.equals(fit.coef)


def test_a_plain_fit_needs_the_first_schema_only(fit, path):
    """So that the version before networks reads it: neither a new number nor words that it does not know."""
    fit.save(path)
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    written = json.loads(header["__metadata__"]["glmstat"])
    assert written["schema"] == 1
    assert set(written["spec"]["arguments"]["control"]) == {"tolerance", "max_iterations", "workers"}
    assert "statement" not in written["spec"]


def test_settings_of_training_are_kept(data, path):
    control = glmstat.Control(dtype="float64")
    assert saved(glm("y ~ x", data, "poisson", control=control), path).spec.control == control
