"""Verbs of fits with networks, with and without rows: what works, and what a refusal says."""

import copy
import json

import numpy as np
import pandas as pd
import pytest

from glmstat import Control, Training, glm, load, rglm
from glmstat.errors import ArgumentError, ComparisonError, DataError, FormulaError, NetworkWarning
from glmstat.neural.choices import read_choices

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::glmstat.errors.GlmstatWarning")

FORMULA = "y ~ x + nn(age, hidden=(3,))"
WORDS = {"folds": np.int64(2), "reps": np.int64(1), "nets": np.int32(1), "seed": np.uint8(3)}
WITHOUT = ["loaded", "copied"]


def same(left, right):
    pd.testing.assert_frame_equal(pd.DataFrame(left), pd.DataFrame(right), check_exact=True)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    n = 300
    x, age = rng.normal(size=n), rng.uniform(18, 80, n)
    y = rng.poisson(np.exp(0.3 * x + np.sin(age / 10)))
    return pd.DataFrame({"y": y, "x": x, "age": age, "flag": rng.uniform(size=n) < 0.5})


@pytest.fixture(scope="module")
def fits(data):
    training = Training(steps=np.int64(20))
    return {
        inference: rglm(FORMULA, data, "poisson", inference=inference, training=training, **WORDS)
        for inference in ("debiased", "none", "naive")
    }


@pytest.fixture(params=WITHOUT)
def without(request, fits, data, tmp_path):
    """A fit with its rows, and the same without."""
    if request.param == "loaded":
        fits["debiased"].save(tmp_path / "fit")
        return fits["debiased"], load(tmp_path / "fit")
    words = {**WORDS, "control": Control(memory=0)}
    fit = rglm(FORMULA, data, "poisson", training=Training(steps=20), **words)
    return fit, copy.deepcopy(fit)


def test_effects_take_the_rows_once(without, data):
    whole, fit = without
    assert fit.head.frame is None
    same(fit.effects("age", data=data).to_frame(), whole.effects("age").to_frame())
    assert str(fit.relativities(data=data)) == str(whole.relativities())
    assert np.isfinite(fit.effects("x", data=data).std_error).all()
    with pytest.raises(DataError, match="An average effect needs the rows"):
        fit.effects("age")


MISSING = {
    "interval": (lambda fit, new: fit.predict(new, interval="confidence"), "The covariance of the predictor"),
    "se_fit": (lambda fit, new: fit.predict(new, se_fit=True), "The covariance of the predictor"),
    "edf": (lambda fit, new: fit.edf, "The covariance of the predictor"),
    "features": (lambda fit, new: fit.features(), "features() without newdata"),
    "predict": (lambda fit, new: fit.predict(), "predict() without newdata"),
    "terms": (lambda fit, new: fit.predict(type="terms"), "predict() without newdata"),
    "units": (lambda fit, new: fit.predict(type="features"), "predict() without newdata"),
    "oof": (lambda fit, new: fit.predict(oof=True), "predict(oof=True)"),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_needs_rows_says_how_to_give_them(case, fits, data, tmp_path):
    call, what = MISSING[case]
    fits["debiased"].save(tmp_path / "fit")
    fit = load(tmp_path / "fit")
    said = (
        f"{what} needs the rows of the fit: a saved or copied fit may hold none. "
        "Take fit.with_data(data) first."
    )
    with pytest.raises(DataError) as caught:
        call(fit, data)
    assert str(caught.value) == said
    call(fit.with_data(data), data)


def test_out_of_fold_values_of_a_fit_without_rows(without, data):
    whole, fit = without
    with pytest.raises(DataError, match=r"residuals\(oof=True\) needs the rows of the fit.*Give data="):
        fit.residuals(oof=True)
    same(fit.residuals(oof=True, data=data), whole.residuals(oof=True))
    same(fit.with_data(data).predict(oof=True), whole.predict(oof=True))


def test_what_is_not_kept_needs_no_rows(without, data):
    whole, fit = without
    same(fit.predict(data), whole.predict(data))
    same(fit.features(data), whole.features(data))


def test_score_tests_say_what_they_test(fits, data):
    """The model that they test is the GLM with the skip written out, and their numbers are its."""
    found = fits["debiased"].score_test_nn()
    plain = glm("y ~ x + age", data, "poisson").score_test_nn("age")
    assert found.title == plain.title
    assert found.title[1] == "y ~ x + age"
    np.testing.assert_allclose(found["p_value"], plain["p_value"], rtol=1e-6)


def test_the_formula_of_a_network_without_skip(data):
    fit = rglm(
        "y ~ x + nn(age, hidden=(2,), skip=False)",
        data,
        "poisson",
        inference="none",
        training=Training(steps=5),
    )
    assert fit.score_test_nn().title[1] == "y ~ x"


@pytest.mark.parametrize("words", [{"se_fit": True}, {"interval": "confidence"}])
def test_an_output_layer_warns_of_errors_of_predictions(words, fits, data):
    fit = fits["naive"]
    for head in (fit.as_glm(), fit.refit_output()):
        with pytest.warns(NetworkWarning, match="output layer alone are too small"):
            head.predict(data, **words)
        assert np.isfinite(head.predict(data)).all()
    assert np.isfinite(np.asarray(fit.predict(data, **words))).all()


def test_without_inference_there_are_no_standard_errors(fits):
    fit = fits["none"]
    for verb in (fit.vcov, fit.stderror, fit.confint):
        with pytest.raises(ComparisonError, match=r'does not exist for inference="none".*debiased'):
            verb()
    assert "estimates for prediction, no inference" in str(fit.summary())
    assert list(fits["naive"].confint().columns) == ["conf_low", "conf_high"]


def test_numbers_of_numpy_are_whole_numbers(fits, tmp_path):
    fit = fits["debiased"]
    choices = read_choices(fit.spec.call)
    assert {type(value) for value in (choices.folds, choices.nets, choices.reps, choices.seed)} == {int}
    assert type(Training(steps=np.int64(5), batch=np.int16(7)).batch) is int
    json.dumps(fit.manifest())
    fit.save(tmp_path / "fit")
    assert load(tmp_path / "fit") == fit


@pytest.mark.parametrize("wrong", [True, np.True_, 2.0, np.float64(2)])
def test_flags_and_fractions_are_no_whole_numbers(wrong, data):
    with pytest.raises(ArgumentError, match="steps must be a whole number"):
        Training(steps=wrong)
    with pytest.raises(ArgumentError, match="folds must be a whole number"):
        rglm(FORMULA, data, "poisson", folds=wrong)


def test_words_name_the_argument(fits, data):
    with pytest.raises(ArgumentError, match=r"Unknown type: 'terms'\. Known: response, link"):
        fits["none"].effects("age", type="terms")
    for text in ("(3, 2)", "(3,2)", "[3, 2]"):
        with pytest.raises(FormulaError, match=r"widths by name: .* at position 12. Write hidden=\(3, 2\)"):
            rglm(f"y ~ nn(age, {text})", data, "poisson")
    inputs = "y ~ nn((age + x), hidden=(2,))"
    assert rglm(inputs, data, "poisson", inference="none", training=Training(steps=2)).head.nobs == 300


def test_relativities_have_one_line_for_their_bases(data):
    text = "y ~ x + flag + nn(age, hidden=(2,))"
    fit = rglm(text, data, "poisson", inference="none", training=Training(steps=5))
    table = fit.relativities(points=4)
    lines = [note for note in table.notes if "relative to" in note]
    assert len(lines) == 1
    assert lines[0].startswith("each relative to its base: ")
    bases = dict(part.split(" = ") for part in lines[0].partition(": ")[2].split(", "))
    assert list(bases) == list(fit.spec.design.formula.parts)
    assert bases["flag"] == "False"
    assert table["estimate"].count(1.0) == 3
    assert all(f"{name} = {value}" in table.index for name, value in bases.items())
    grid = np.unique(np.quantile(data.age, np.linspace(0, 1, 4), method="nearest"))
    assert sum(label.startswith("age") for label in table.index) == len(grid)
    assert float(bases["age"]) == pytest.approx(grid[np.abs(grid - data.age.median()).argmin()], rel=1e-4)
