"""Wrong input to `rglm`: one clear error, or a warning with a name, with the place and what to do."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, Training, glm, load, rglm
from glmstat.errors import (
    ArgumentError,
    ColumnError,
    ComparisonError,
    DataError,
    DomainError,
    ExtrapolationWarning,
    FewClustersWarning,
    FileError,
    FormulaError,
    NetworkWarning,
    OverlapWarning,
)

N = 400
ROW = np.arange(N)
DRAWN = np.random.default_rng(0)
Z, W, X = DRAWN.normal(size=(3, N))
DATA = pd.DataFrame(
    {
        "y": DRAWN.poisson(1.0, N).astype(float),
        "x": X,
        "z": Z,
        "w": W,
        "t": 1.0 + ROW % 4,
        "g": np.array(list("abcde"))[ROW % 5],
        "constant": 1.0,
        "same": "a",
        "rare": np.where(ROW < 2, "r", "s"),
        "missing": np.where(ROW % 50 == 0, np.nan, W),
        "nothing": np.nan,
        "infinite": np.where(ROW == 7, np.inf, W),
        "day": pd.date_range("2024-01-01", periods=N),
        "twice": 2 * Z,
        "curve": Z**2 + 0.05 * W,
        "firm": ROW // 100,
        "shop": ROW // 4,
        "apart": (X > 0).astype(float),
        "far": np.r_[1e6, Z[1:]],
    }
)
FEW = "ignore:.*below 1,000:glmstat.errors.NetworkWarning"
QUICK = {"reps": 1, "nets": 1, "folds": 2, "training": Training(steps=20)}
NETWORK = "y ~ x + nn(z, w, hidden=(3,))"


def poisson(formula=NETWORK, data=DATA, family="poisson", **words):
    return rglm(formula, data, family, **{**QUICK, **words})


def refuses(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert text in str(caught.value)


# What stands in the formula: no torch is needed to refuse it -----------------------------------------------

ALONE = "nn() must stand alone between plus signs"
FORMULAS = [
    ("y ~ x:nn(z)", FormulaError, "nn() cannot take part in an interaction: 'x:nn(z"),
    ("y ~ x * nn(z)", FormulaError, "nn() cannot take part in an interaction: 'x:nn(z"),
    ("y ~ (x + nn(z))^2", FormulaError, "nn() cannot take part in an interaction: 'x:nn(z"),
    ("y ~ x / nn(z)", FormulaError, "nn() cannot take part in an interaction: 'x:nn(z"),
    ("y ~ x + log(nn(z))", FormulaError, f"{ALONE}: 'nn(z)' at position 12."),
    ("y ~ x + nn(nn(z))", FormulaError, f"{ALONE}: 'nn(z)' at position 11."),
    ("nn(z) ~ x", FormulaError, f"{ALONE}: 'nn(z)' at position 0."),
    ("y ~ x - nn(z)", FormulaError, "is taken away, not added: position 8. Leave it out of the formula"),
    ("y ~ x + nn(z) + nn(z)", FormulaError, "stands twice in the formula: position 16. Write it once."),
    ("y ~ x + nn(z", FormulaError, "'(' is not closed: position 10. Add ')'."),
    ("y ~ x + nn()", FormulaError, "nn() has no input: position 8. Name columns, as in nn(age, power)."),
    ("y ~ x + nn(hidden=(3,))", FormulaError, "nn() has no input: position 8."),
    ("y ~ x + nn(z, z)", FormulaError, "nn() names an input twice: position 8. Name it once."),
    ("y ~ x + nn(1)", FormulaError, "nn() takes columns as inputs: '1' at position 11."),
    ("y ~ x + nn(.)", FormulaError, "nn() takes columns as inputs: '.' at position 11."),
    ("y ~ x + nn('z')", FormulaError, "nn() takes columns as inputs: ''z'' at position 11."),
    ("y ~ x + nn(z:w)", FormulaError, "':' is not an operator here: position 12."),
    ("y ~ x + nn(offset(t))", FormulaError, "offset() must stand alone between plus signs"),
    ("y ~ x + nn(z, hidden=(3,), w)", FormulaError, "nn() takes its inputs first, then arguments by name"),
    (
        "y ~ x + nn(z, hidde=(3,))",
        FormulaError,
        "nn() has no argument 'hidde': position 8. Its arguments are",
    ),
    ("y ~ x + nn(z, hidde=(3,))", FormulaError, "Did you mean 'hidden'?"),
    ("y ~ x + nn(z, hidden=3, hidden=4)", FormulaError, "nn() got 'hidden' twice: position 8. Give it once."),
    ("y ~ x + nn(z, hidden=w)", FormulaError, "nn() needs a plain value for hidden=: got w at position 14."),
    (
        "y ~ x + nn(z, hidden=(0,))",
        FormulaError,
        "takes widths from 1 to 4,096: got (0,). Write hidden=(32, 16).",
    ),
    ("y ~ x + nn(z, hidden=-1)", FormulaError, "takes widths from 1 to 4,096: got -1."),
    ("y ~ x + nn(z, hidden='8')", FormulaError, "takes widths from 1 to 4,096: got '8'."),
    ("y ~ x + nn(z, hidden=(5000,))", FormulaError, "takes widths from 1 to 4,096: got (5000,)."),
    (
        f"y ~ nn(z, hidden={(2,) * 21})",
        FormulaError,
        "hidden= of nn() has 21 layers: the limit is 20.",
    ),
    ("y ~ x + nn(z, activation='tahn')", ArgumentError, "Unknown activation: 'tahn'."),
    ("y ~ x + nn(z, activation='tahn')", ArgumentError, "Did you mean 'tanh'?"),
    ("y ~ x + nn(z, activation='softmax')", ArgumentError, "Unknown activation: 'softmax'."),
    ("y ~ x + nn(z, activation=3)", FormulaError, "activation= of nn() takes names: got 3."),
    ("y ~ x + nn(z, hidden=4, activation=('logit', 'sqrt'))", FormulaError, "names 2 layers, hidden= has 1"),
    ("y ~ x + nn(z, skip=1)", FormulaError, "skip= of nn() is True or False: got 1."),
    ("y ~ x + nn(z, prior=-1)", FormulaError, "prior= of nn() is a precision >= 0: got -1. Write prior=10."),
    ("y ~ x + nn(z, name='1a')", FormulaError, "name= of nn() is a word: got '1a'. Write name='shape'."),
    ("y ~ nn(z, name='a') + nn(w, name='a')", FormulaError, "Two networks are called 'a'."),
    (
        "y ~ x + nn(z, embed={'g': 2})",
        FormulaError,
        "embed= of nn() names 'g', which is no input: these are z.",
    ),
    (
        "y ~ x + nn(g, embed={'g': 0})",
        FormulaError,
        "embed= of nn() maps inputs to dimensions: got {'g': 0}.",
    ),
    (
        "y ~ x + nn(z, embed={'z': 2})",
        ArgumentError,
        "embed= of nn() names 'z', which is no factor. Write C(z).",
    ),
    ("y ~ x + nn(z, monotone={'z': 1})", FormulaError, "nn() has no monotone networks yet: position 8."),
    ("y ~ x + nn(z, stochastic=True)", FormulaError, "nn() has no stochastic layers yet: position 8."),
    ("y ~ x + NN(z)", FormulaError, "`NN()` is not a formula function: position 8."),
]


@pytest.mark.parametrize(("formula", "error", "text"), FORMULAS)
def test_formulas_that_say_nothing(formula, error, text):
    refuses(lambda: poisson(formula), error, text)


def test_networks_are_terms_of_rglm_alone():
    words = "nn() is a term of rglm() alone: 'nn(z)' at position 8. Call rglm() instead of glm()"
    refuses(lambda: glm("y ~ x + nn(z)", DATA, "poisson"), FormulaError, words)
    refuses(lambda: glm("y ~ x", DATA, "poisson").extend("w"), FormulaError, "Write extend('nn(age, power)')")
    refuses(
        lambda: glm("y ~ x", DATA, "poisson").extend("nn(w)", nodes=3),
        ArgumentError,
        "extend() has no argument 'nodes'.",
    )


# Arguments -------------------------------------------------------------------------------------------------

TARGET = "targets names 'zz', which is no linear term beside the networks: these are x."
SEES_ALL = 'optimizer="lbfgs" sees all rows and a smooth objective'
ARGUMENTS = [
    ({"inference": "debias"}, ArgumentError, "Unknown inference: 'debias'. Known: debiased, crossfit, split"),
    ({"inference": "debias"}, ArgumentError, "Did you mean 'debiased'?"),
    ({"inference": None}, ArgumentError, "Unknown inference: None."),
    ({"targets": "zz"}, ArgumentError, TARGET),
    ({"targets": ["z"]}, ArgumentError, "targets names 'z', a function of a network's inputs"),
    ({"targets": []}, ArgumentError, "targets must name linear terms or columns: got []."),
    ({"targets": 3}, ArgumentError, "targets must name linear terms or columns: got 3."),
    ({"folds": 1}, ArgumentError, "folds must be a whole number >= 2: got 1."),
    ({"folds": 2.5}, ArgumentError, "folds must be a whole number >= 2: got 2.5."),
    ({"folds": "5"}, ArgumentError, "folds must be a whole number >= 2: got '5'."),
    ({"nets": 0}, ArgumentError, "nets must be a whole number >= 1: got 0."),
    ({"nets": True}, ArgumentError, "nets must be a whole number >= 1: got True."),
    ({"reps": 0}, ArgumentError, "reps must be a whole number >= 1: got 0."),
    ({"seed": "a"}, ArgumentError, "seed must be a whole number >= 0: got 'a'."),
    ({"seed": -1}, ArgumentError, "seed must be a whole number >= 0: got -1."),
    ({"prior": -1}, ArgumentError, 'prior must be a precision >= 0, or "cv": got -1.'),
    ({"prior": np.nan}, ArgumentError, 'prior must be a precision >= 0, or "cv": got nan.'),
    ({"prior": "CV"}, ArgumentError, "prior must be a precision >= 0, or \"cv\": got 'CV'."),
    ({"penalty": "l3"}, ArgumentError, "Unknown penalty: 'l3'. Known: l1, group."),
    ({"penalty": "l1", "training": Training("lbfgs")}, ArgumentError, SEES_ALL),
    (
        {"training": 3},
        ArgumentError,
        "training must be a Training: got int. Write training=Training(steps=500).",
    ),
    ({"control": "cpu"}, ArgumentError, "control must be a Control: got str. Write Control(...)."),
    ({"link": "nope"}, ArgumentError, "Unknown link: 'nope'."),
    ({"family": "poison"}, ArgumentError, "Did you mean 'poisson'?"),
    ({"vcov": "nope"}, ArgumentError, "Unknown vcov: 'nope'."),
    ({"compat": "S"}, ArgumentError, "Unknown compat: 'S'. Known: glmstat, R, stata, statsmodels, sas."),
    ({"cluster": "nope"}, ColumnError, "No column 'nope' in data"),
    ({"cluster": np.arange(5)}, DataError, "5 values, 400 rows. Give one value per row."),
    ({"offset": "nope"}, ColumnError, "No column 'nope' in data"),
    ({"exposure": "apart"}, DataError, "exposure must be > 0: apart is 0 in rows"),
    ({"weights": -DATA["t"]}, DataError, "weights must be >= 0"),
    ({"subset": "x > 99"}, DataError, "subset chooses none of the 400 rows"),
    ({"na_action": "omit"}, ArgumentError, "Unknown na_action: 'omit'."),
]


@pytest.mark.parametrize(("words", "error", "text"), ARGUMENTS, ids=str)
def test_arguments_out_of_range(words, error, text):
    refuses(lambda: poisson(**words), error, text)


@pytest.mark.parametrize("words", [{"inference": "debias"}, {"folds": 1}, {"seed": -1}, {"prior": -1}])
def test_arguments_are_read_where_no_network_is_left(words):
    for formula in ("y ~ x", "y ~ x + nn(z, hidden=())"):
        refuses(lambda formula=formula: poisson(formula, **words), ArgumentError, str(next(iter(words))))


# Data ------------------------------------------------------------------------------------------------------

COLUMNS = [
    ("y ~ x + nn(q)", {}, ColumnError, "No column 'q' in data: columns are y, x, z, w"),
    ("y ~ nn(constant)", {}, DataError, "Input 'constant' of nn1 is constant: 1 in every row that counts."),
    ("y ~ x + nn(z, constant)", {}, DataError, "Leave it out of nn()."),
    (
        "y ~ x + nn(t)",
        {"subset": "t == 2"},
        DataError,
        "Input 't' of nn1 is constant: 2 in every row that counts.",
    ),
    ("y ~ x + nn(t, name='age')", {"weights": "t * (t == 2)"}, DataError, "Input 't' of age is constant"),
    ("y ~ x + nn(same)", {}, DataError, "Factor 'same' has one level: a in every row."),
    ("y ~ x + nn(nothing)", {}, DataError, "No row is left: dropped 400 of 400 rows: nothing 400 missing."),
    (
        "y ~ x + nn(missing)",
        {"na_action": "raise"},
        DataError,
        "Values are missing: missing in rows 0, 50, 100",
    ),
    ("y ~ x + nn(infinite)", {}, DataError, "Data must be finite: infinite is inf in row 7 (1 row)."),
    ("y ~ x + nn(z, day)", {}, DataError, "Column 'day' holds dates or times."),
    ("I(-y) ~ x + nn(z)", {}, DomainError, "Poisson response must be >= 0"),
]


@pytest.mark.parametrize(("formula", "words", "error", "text"), COLUMNS)
def test_inputs_that_cannot_be_used(formula, words, error, text):
    refuses(lambda: poisson(formula, **words), error, text)


def test_data_without_rows():
    refuses(lambda: poisson(data=DATA.head(0)), DataError, "data has no rows. Check how it was filtered.")


@pytest.mark.filterwarnings(FEW)
def test_missing_inputs_drop_their_rows_and_the_fit_says_so():
    pytest.importorskip("torch")
    fit = poisson("y ~ x + nn(missing, hidden=3)")
    assert fit.nobs == N - 8 and "dropped 8 of 400 rows: missing 8 missing" in str(fit)
    assert np.isnan(fit.predict(DATA)[0]) and np.isfinite(fit.predict(DATA)[1])


# What cross-fitting needs ----------------------------------------------------------------------------------

torch_only = pytest.mark.usefixtures("torch")


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


FOLDED = [
    (NETWORK, {"folds": 200}, DataError, "folds=200 needs at least 1,000 rows: 400 enter the fit."),
    (NETWORK, {"subset": "shop < 3"}, DataError, "12 enter the fit. Use more rows, or glm() without nn()."),
    (NETWORK, {"cluster": "firm", "folds": 5}, DataError, "folds=5 needs at least 5 clusters: 'firm' has 4."),
    (
        NETWORK,
        {"vcov": "HC3"},
        ArgumentError,
        'vcov "HC3" does not hold for inference="debiased". Known: HC0',
    ),
    (NETWORK, {"vcov": "HAC"}, ArgumentError, 'vcov "HAC" does not hold for inference="debiased".'),
    (
        NETWORK,
        {"vcov": "bootstrap"},
        ArgumentError,
        'vcov "bootstrap" does not hold for inference="debiased".',
    ),
    (NETWORK, {"vcov": "CR2 ~ shop"}, ArgumentError, 'vcov "CR2" does not hold for inference="debiased".'),
    (
        "y ~ twice + nn(z, hidden=3)",
        {},
        DataError,
        "Target 'twice' is determined by its controls: they leave",
    ),
    (
        "y ~ twice + nn(z, hidden=3)",
        {},
        DataError,
        "Leave it out of targets=, or take what determines it out",
    ),
]


@torch_only
@pytest.mark.filterwarnings(FEW)
@pytest.mark.parametrize(("formula", "words", "error", "text"), FOLDED)
def test_what_cross_fitting_cannot_do(formula, words, error, text):
    refuses(lambda: poisson(formula, **words), error, text)


@torch_only
@pytest.mark.filterwarnings(FEW)
def test_clusters_that_folds_have_cut_are_refused_afterwards():
    fit = poisson()
    words = "Clusters are cut by the folds: 4 of 4 clusters of 'firm' have rows in several folds"
    refuses(lambda: fit.with_vcov("~firm"), ArgumentError, words)
    refuses(lambda: fit.with_vcov("~firm"), ArgumentError, "Give cluster='firm' in the call of the model.")


@torch_only
def test_a_device_that_is_not_here(torch, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refuses(
        lambda: poisson(inference="none", control=Control(device="cuda")),
        ArgumentError,
        "torch finds no device 'cuda' here",
    )


# What is answered with a warning ---------------------------------------------------------------------------


def caught(call):
    """The warnings of a call: (class, words)."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    return [(one.category, str(one.message)) for one in seen]


WARNED = [
    (NETWORK, {}, NetworkWarning, "400 rows: below 1,000 estimates beside a network keep a bias"),
    (NETWORK, {"cluster": "firm"}, FewClustersWarning, "Few clusters for CR1: 'firm' has 4"),
    (
        "y ~ curve + nn(z, hidden=16)",
        {"training": Training(steps=400)},
        OverlapWarning,
        "of curve (weighted variance)",
    ),
    (
        "y ~ x + nn(far, hidden=3)",
        {"inference": "none"},
        NetworkWarning,
        "over 10 standard deviations from its mean",
    ),
]


@torch_only
@pytest.mark.parametrize(("formula", "words", "category", "text"), WARNED)
def test_what_may_mislead_is_a_warning_with_a_name(formula, words, category, text):
    found = caught(lambda: poisson(formula, **words))
    assert [text in said for kind, said in found if kind is category] == [True]


@torch_only
def test_rows_that_the_linear_model_predicts_perfectly_leave_nothing_to_learn():
    with pytest.raises(DataError, match="the linear model predicts every row perfectly"):
        poisson("apart ~ x + nn(z, hidden=3)", family="binomial", inference="none")


@torch_only
def test_training_that_runs_far_off_is_an_error():
    with pytest.raises(ArgumentError, match="Training ran off: the deviance of a row went from"):
        poisson("y ~ x + nn(z)", inference="none", training=Training(steps=50, learning_rate=1e6))


@torch_only
@pytest.mark.parametrize("inference", ["debiased", "crossfit"])
@pytest.mark.parametrize(
    ("formula", "family", "named"),
    [
        ("apart ~ x + nn(z, hidden=3)", "binomial", "x"),
        ("y ~ rare + nn(z, hidden=3)", "poisson", "rare[T.s]"),
        ("I(y * (g != 'a')) ~ C(g == 'a') + nn(z, hidden=3)", "poisson", "C(g == 'a')[T.True]"),
    ],
)
def test_separated_targets_are_refused_before_anything_is_trained(formula, family, named, inference):
    data = DATA.assign(y=np.where(ROW < 2, 0.0, DATA["y"]))
    with pytest.raises(DataError, match=f"Separation: target '{re.escape(named)}' is infinite in the linear"):
        poisson(formula, data, family, inference=inference)


@torch_only
def test_training_that_runs_off_is_an_error():
    words = {"inference": "none", "training": Training(steps=30, learning_rate=1e30)}
    with pytest.raises(DomainError, match="not finite: learning rate"):
        poisson("y ~ x + nn(z, w, hidden=(3, 3), activation='square')", **words)


# Afterwards ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit():
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NetworkWarning)
        return poisson("y ~ x + g + nn(z, w, hidden=(3,)) + offset(log(t))")


NEW = DATA.head(20)


def test_inputs_outside_the_range_of_the_fit_are_said(fit):
    (found,) = caught(lambda: fit.predict(NEW.assign(z=50.0)))
    assert found[0] is ExtrapolationWarning
    assert found[1].startswith("Inputs outside the range of the fit: 'z' in rows 0, 1, 2, 3, 4, … (20 rows).")
    assert caught(lambda: fit.predict(NEW)) == []


LATER = [
    (
        lambda fit: fit.predict(NEW.drop(columns="z")),
        ColumnError,
        "predict needs column 'z': not in newdata.",
    ),
    (
        lambda fit: fit.predict(NEW.drop(columns="t")),
        ColumnError,
        "predict needs column 't' for offset(log(t))",
    ),
    (
        lambda fit: fit.predict(NEW.assign(g="q")),
        DataError,
        "Column 'g' has level 'q', not seen in the fit: 20 rows.",
    ),
    (lambda fit: fit.predict(NEW.assign(z="a")), DataError, "A term needs numbers: 'z' is categorical"),
    (lambda fit: fit.predict(NEW.assign(z=np.inf)), DataError, "z is inf in rows 0, 1, 2, 3, 4"),
    (
        lambda fit: fit.predict(NEW, type="mean"),
        ArgumentError,
        "Unknown type: 'mean'. Known: response, link, terms",
    ),
    (lambda fit: fit.predict(NEW, interval="mean"), ArgumentError, "Known: confidence, prediction."),
    (lambda fit: fit.predict(NEW, oof=True), ArgumentError, "oof=True predicts the rows of the fit"),
    (lambda fit: fit.predict(NEW, type="terms", se_fit=True), ArgumentError, "Standard errors go with"),
    (
        lambda fit: fit.predict(NEW, interval="confidence", level=2),
        ArgumentError,
        "strictly between 0 and 1: 2",
    ),
    (lambda fit: fit.effects("q"), ColumnError, "No column 'q' in the terms: they read x, g, z, w."),
    (lambda fit: fit.effects("z", method="shap"), ArgumentError, "Unknown method: 'shap'. Known: pdp, ale."),
    (lambda fit: fit.with_vcov("HC3"), ArgumentError, 'vcov "HC3" does not hold for inference="debiased".'),
    (lambda fit: fit.collapse(), ArgumentError, "layer 1 of nn1 is tanh. Use as_glm()"),
    (
        lambda fit: fit.refit_output(family="binomial"),
        DomainError,
        "Binomial response must be between 0 and 1",
    ),
    (lambda fit: fit.test("z"), ArgumentError, "No coefficient 'z' in the fit: coefficients are x, g[T.b]"),
    (lambda fit: fit.test("x", method="lr"), ComparisonError, "rejects true hypotheses far too often."),
    (lambda fit: fit.test("x", method="score"), ComparisonError, 'does not hold for inference="debiased"'),
    (lambda fit: fit.aic, ComparisonError, 'does not hold for inference="debiased"'),
    (lambda fit: glmstat.anova(fit, fit), ComparisonError, 'does not hold for inference="debiased"'),
]


@pytest.mark.parametrize(("call", "error", "text"), LATER, ids=[text for _, _, text in LATER])
def test_questions_without_an_answer(fit, call, error, text):
    refuses(lambda: call(fit), error, text)


@pytest.mark.parametrize(
    "verb",
    [
        "anova",
        "drop1",
        "add1",
        "step",
        "profile",
        "bootstrap",
        "influence",
        "check",
        "goodness_of_fit",
        "overdispersion",
        "verify",
    ],
)
def test_verbs_of_a_likelihood_say_why_they_are_refused(fit, verb):
    refuses(
        lambda: getattr(fit, verb)(),
        ComparisonError,
        'does not hold for inference="debiased": its coefficients are no maximum of a likelihood',
    )


@pytest.mark.parametrize(
    ("inference", "reason"),
    [("naive", "the features were learned on the same rows"), ("none", "it was not asked for")],
)
def test_fits_that_were_not_cross_fitted_say_what_they_cannot(torch, inference, reason):
    fit = poisson(inference=inference)
    refuses(
        lambda: fit.test("x"), ComparisonError, f'A test does not hold for inference="{inference}": {reason}'
    )
    for call in (fit.gain, lambda: fit.residuals(oof=True), lambda: fit.predict(interval="prediction")):
        refuses(call, ArgumentError, f'needs rows that the networks did not see: inference is "{inference}"')


def test_relativities_are_ratios(torch):
    fit = poisson(family="gaussian", inference="none")
    refuses(
        fit.relativities,
        ArgumentError,
        "Relativities are ratios: the link is identity.",
    )


def test_files_that_are_not_what_was_saved(fit, tmp_path):
    path = tmp_path / "fit.safetensors"
    fit.save(path)
    raw = path.read_bytes()
    schema = re.search(rb'\\"schema\\": \d+', raw)
    assert schema is not None
    changes = {
        "newer": raw.replace(schema[0], schema[0][:-1] + b"9"),
        "damaged": raw[:-20] + bytes([raw[-20] ^ 1]) + raw[-19:],
    }
    for word, content in changes.items():
        path.write_bytes(content)
        refuses(lambda: load(path), FileError, word)
