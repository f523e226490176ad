"""What `rglm` must equal: `glm` without hidden layers and with linear ones, and itself said another way."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from glmstat import Control, Training, datasets, glm, load, rglm
from glmstat.activations import ACTIVATIONS
from glmstat.errors import ArgumentError
from tests.unit.pairs import pairs, rows

ONE = {"nets": 1, "inference": "none"}
EXACT = {**ONE, "training": Training("lbfgs"), "control": Control(dtype="float64"), "prior": 0}
SHORT = {**ONE, "training": Training(steps=60)}
PLACES = ("inner", "outer", "port")


def network(formula, data, family="gaussian", **words):
    """A fit by rglm, where torch is installed."""
    pytest.importorskip("torch")
    return rglm(formula, data, family, **words)


def exact(formula, data, family="gaussian", **words):
    """Trained without a prior to the maximum, in double precision."""
    return network(formula, data, family, **{**EXACT, **words})


def bent(family="poisson", n=300, seed=4):
    """A predictor with a bend in z and v, an effect of x, a factor and an exposure."""
    rng = np.random.default_rng(seed)
    z, v, x = rng.uniform(-2, 2, (3, n))
    place = rng.integers(0, 3, n)
    t = rng.uniform(0.5, 2.0, n)
    eta = 0.4 * x + np.sin(1.5 * z) + 0.3 * v * z + 0.3 * place - 0.2
    y = {
        "gaussian": lambda: eta + 0.5 * rng.standard_normal(n),
        "poisson": lambda: rng.poisson(t * np.exp(eta)).astype(float),
        "binomial": lambda: (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "gamma": lambda: rng.gamma(4.0, 1 / 4, n) / (0.3 + 1 / (1 + np.exp(-eta))),
        "inverse_gaussian": lambda: rng.wald(1 / np.sqrt(0.3 + 1 / (1 + np.exp(-eta))), 5.0),
    }[family]()
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "z": z,
            "v": v,
            "t": t,
            "place": np.array(PLACES)[place],
            "w": 1.0 + np.arange(n) % 3,
        }
    )


def multiplied_out(fit, name="nn1"):
    """Intercept and slopes that identity layers, standardisation and the output layer are: W_z = prod W_l."""
    head = fit.as_glm()
    weights = np.nan_to_num(head.coef.filter(like=f"{name}.").to_numpy())
    (tower,) = head.spec.design.towers[name].towers
    slopes, constants = np.diag(1 / tower.scale), -tower.centre / tower.scale
    for layer in tower.layers:
        slopes, constants = slopes @ layer.weights, constants @ layer.weights + layer.bias
    return np.r_[head.coef["Intercept"] + constants @ weights, slopes @ weights]


# Without hidden layers -------------------------------------------------------------------------------------

PLAIN = [
    ("y ~ nn(z, hidden=())", "y ~ z", "gaussian", {}),
    ("y ~ x + nn(z, v, hidden=())", "y ~ x + z + v", "poisson", {}),
    ("y ~ x + nn(z, hidden=()) + offset(log(t))", "y ~ x + z + offset(log(t))", "poisson", {"vcov": "HC3"}),
    ("y ~ nn(z, hidden=()) + x", "y ~ x + z", "poisson", {"exposure": "t", "weights": "w"}),
    ("y ~ nn(z, place, hidden=())", "y ~ z + place", "poisson", {"link": "sqrt", "freq_weights": "w"}),
    ("y ~ nn(z, hidden=()) + nn(v, hidden=())", "y ~ z + v", "poisson", {"offset": "0.1 * x"}),
    (
        "y ~ C(place) * x + nn(z, hidden=())",
        "y ~ C(place) + x + C(place):x + z",
        "negative_binomial(2)",
        {},
    ),
    ("y ~ 0 + x + nn(z, hidden=())", "y ~ 0 + x + z", "gaussian", {"subset": "t > 1"}),
    ("I(y > 1) ~ nn(z, hidden=(), activation='logit')", "I(y > 1) ~ z", "binomial", {"link": "cloglog"}),
    ("I(y + 0.5) ~ nn(z, hidden=())", "I(y + 0.5) ~ z", "gamma", {"link": "log", "dispersion": "deviance"}),
    ("y ~ x + z", "y ~ x + z", "quasipoisson", {}),
]


@pytest.mark.parametrize(("formula", "plain", "family", "words"), PLAIN, ids=[case[0] for case in PLAIN])
def test_without_hidden_layers_it_is_glm(formula, plain, family, words):
    """Not near: the same fit, the same numbers and words, whatever is asked of networks."""
    data = bent()
    fit = glm(plain, data, family, **words)
    for own in ({}, {"inference": "naive", "folds": 3, "nets": 1, "reps": 1, "seed": 7, "prior": 2.0}):
        found = rglm(formula, data, family, **words, **own)
        assert type(found) is type(fit) and found == fit
        assert str(found) == str(fit) and found.spec.call.model == "glm"
        assert np.array_equal(found.coef, fit.coef) and np.array_equal(found.vcov(), fit.vcov())
        assert str(found.anova()) == str(fit.anova())
        assert np.array_equal(found.predict(data), fit.predict(data))


# With identity layers, trained -----------------------------------------------------------------------------


@pytest.mark.parametrize("pair", list(pairs()), ids="-".join)
def test_trained_identity_layers_are_glm(pair):
    """Behind wide layers the output layer finds the maximum; narrow ones get directions from training."""
    data = rows(*pair)
    fit = glm("y ~ x0 + x1 + x2 + offset(o)", data, pair[0], link=pair[1], weights="w")
    se, size = fit.summary().to_frame()["std_error"].to_numpy(), np.abs(fit.predict(type="link")).max()
    for hidden, near in (((16, 8), 1e-8), ((2,), 1e-6)):
        net = exact(
            f"y ~ nn(x0, x1, x2, hidden={hidden}, activation='identity', skip=False) + offset(o)",
            data, pair[0], link=pair[1], weights="w",
        )  # fmt: skip
        assert net.deviance == pytest.approx(fit.deviance, rel=1e-8)
        np.testing.assert_allclose(net.predict(type="link"), fit.predict(type="link"), atol=near * size)
        np.testing.assert_allclose(net.as_glm().fitted, fit.fitted, rtol=near)
        assert np.abs((multiplied_out(net) - fit.coef) / se).max() < near
        collapsed = net.collapse()
        assert collapsed.formula.replace(" ", "") == "y~x0+x1+x2+offset(o)"
        np.testing.assert_allclose(collapsed.coef, fit.coef, rtol=1e-8)
        np.testing.assert_allclose(collapsed.vcov(), fit.vcov(), rtol=1e-8)
        assert collapsed.deviance == pytest.approx(fit.deviance, rel=1e-8)


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("embed", ["", ", embed={'place': 2}"])
def test_identity_layers_collapse_whatever_is_beside_them(skip, embed):
    data = bent()
    text = f"nn(z, place, hidden=(6, 4), activation='identity', skip={skip}, prior=0{embed})"
    words = {"weights": "w", "exposure": "t"}
    fit = glm("y ~ x + z + place", data, "poisson", **words)
    net = exact(f"y ~ x + {text}", data, "poisson", **{**words, "prior": 10})
    assert net.deviance == pytest.approx(fit.deviance, rel=1e-8)
    collapsed = net.collapse()
    assert list(collapsed.coef.index) == list(fit.coef.index)
    np.testing.assert_allclose(collapsed.coef, fit.coef, rtol=1e-8)
    np.testing.assert_allclose(collapsed.vcov(), fit.vcov(), rtol=1e-8)
    assert not str(collapsed).startswith(str(net).splitlines()[0])
    assert "identity activations, no prior" in str(collapsed)


def test_a_prior_is_refused_or_the_collapse_says_that_it_refits():
    data = bent("gaussian")
    net = network("y ~ nn(z, v, hidden=(3,), activation='identity', skip=False)", data, prior=10.0, **SHORT)
    with pytest.raises(ArgumentError, match=r"the prior of nn1 is 10. Use collapse\(refit=True\)"):
        net.collapse()
    again = net.collapse(refit=True)
    assert np.array_equal(again.coef, glm("y ~ z + v", data).coef)
    assert "refitted by maximum likelihood: nn1 had a prior" in str(again)
    assert again.deviance == glm("y ~ z + v", data).deviance < net.deviance


@pytest.mark.parametrize(
    ("text", "named"),
    [("nn(z, hidden=(3, 2), activation=('identity', 'logit'))", "layer 2 of nn1 is sigmoid"),
     ("nn(z, hidden=(3, 2), activation=('relu', 'identity'))", "layer 1 of nn1 is relu"),
     ("nn(z, activation='identity') + nn(v, hidden=4, name='bend')", "layer 1 of bend is tanh")],
)  # fmt: skip
def test_the_layer_that_is_not_linear_is_named(text, named):
    net = network(f"y ~ x + {text}", bent(), "poisson", prior=0, **SHORT)
    for refit in (False, True):
        with pytest.raises(ArgumentError, match=named):
            net.collapse(refit=refit)


# Demonstrations, on data that were drawn and on data that were observed ------------------------------------

PENGUINS = "flipper_length_mm", "bill_length_mm", "bill_depth_mm"
DEMONSTRATED = {
    "drawn, linear": (lambda: bent("gaussian"), "y", ("x", "z", "v"), "gaussian"),
    "drawn, logistic": (lambda: bent("binomial"), "y", ("x", "z", "v"), "binomial"),
    "penguins, linear": (lambda: datasets.load("penguins"), "body_mass_g", PENGUINS, "gaussian"),
    "infert, logistic": (
        lambda: datasets.load("infert"),
        "case",
        ("age", "spontaneous", "induced"),
        "binomial",
    ),
}
demonstrated = pytest.mark.parametrize("name", list(DEMONSTRATED))


def demonstration(name):
    make, y, inputs, family = DEMONSTRATED[name]
    return make(), y, inputs, family


@demonstrated
def test_networks_without_hidden_layers_are_linear_and_logistic_regression(name):
    """Trained: by the loop that trains hidden layers, from zero coefficients."""
    pytest.importorskip("torch")
    from glmstat.neural.problem import Member, Problem
    from glmstat.neural.train import train

    data, y, inputs, family = demonstration(name)
    fit = glm(f"{y} ~ {' + '.join(inputs)}", data, family)
    problem = Problem(fit.frame, np.arange(4), (), fit.spec.likelihood)
    member = Member(np.random.SeedSequence(1), np.zeros((4, 1)), prior=0.0)
    (trained,) = train(problem, [member], Training("lbfgs"), Control(dtype="float64"))
    np.testing.assert_allclose(trained.linear[:, 0], fit.coef, rtol=1e-6)
    deviance = fit.spec.likelihood.deviance(problem.y[:, 0], trained.eta, problem.weights)
    assert deviance.sum() == pytest.approx(fit.deviance, rel=1e-6)


@demonstrated
def test_a_deep_linear_network_collapses(name):
    data, y, inputs, family = demonstration(name)
    fit = glm(f"{y} ~ {' + '.join(inputs)}", data, family)
    text = f"nn({', '.join(inputs)}, hidden=(8, 5, 4), activation='identity', skip=False)"
    net = exact(f"{y} ~ {text}", data, family)
    np.testing.assert_allclose(multiplied_out(net), fit.coef, rtol=1e-8)
    collapsed = net.collapse()
    np.testing.assert_allclose(collapsed.coef, fit.coef, rtol=1e-8)
    np.testing.assert_allclose(collapsed.vcov(), fit.vcov(), rtol=1e-8)
    np.testing.assert_array_equal(collapsed.confint(), fit.confint())


@demonstrated
def test_hidden_layers_are_features_of_a_linear_model(name):
    """`glm` on the table of features, by whoever wants: the same output layer, the same predictions."""
    data, y, inputs, family = demonstration(name)
    data = data.dropna(subset=[y, *inputs])
    net = exact(f"{y} ~ nn({', '.join(inputs)}, hidden=(4, 2), skip=False)", data, family, **SHORT)
    columns = net.features().set_axis(["h1", "h2"], axis=1).assign(**{y: data[y]})
    fit = glm(f"{y} ~ h1 + h2", columns, family)
    np.testing.assert_allclose(net.as_glm().coef, fit.coef, rtol=1e-8)
    np.testing.assert_allclose(net.refit_output().coef, fit.coef, rtol=1e-8)
    np.testing.assert_allclose(net.predict(data), fit.predict(columns), rtol=1e-8)
    assert net.deviance == pytest.approx(fit.deviance, rel=1e-8)


@pytest.mark.parametrize("name", [name for name in DEMONSTRATED if "linear" in name])
def test_assumptions_are_checked_on_the_collapsed_model(name):
    data, y, inputs, _ = demonstration(name)
    net = exact(f"{y} ~ nn({', '.join(inputs)}, hidden=(3,), activation='identity', skip=False)", data)
    found = net.collapse().check()
    expected = glm(f"{y} ~ {' + '.join(inputs)}", data).check()
    pd.testing.assert_frame_equal(found.to_frame(), expected.to_frame(), rtol=1e-8)
    assert found.doubtful == expected.doubtful


# Totals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nets", [1, 2])
@pytest.mark.parametrize(
    ("family", "formula"),
    [("gaussian", ""), ("binomial", ""), ("poisson", " + offset(log(t))"), ("gamma", ""),
     ("inverse_gaussian", "")],
)  # fmt: skip
def test_fitted_totals_are_the_observed_ones(family, formula, nets):
    """Canonical links with an intercept, which has no prior: sum of w (y - mu) = 0, for one net or more."""
    data = bent(family)
    text = "y ~ x + nn(z, v, hidden=(8,))" + formula
    net = network(text, data, family, weights="w", **{**SHORT, "nets": nets})
    apart = data["w"] * (data["y"] - net.predict())
    assert abs(apart.sum()) < 1e-6 * (data["w"] * data["y"].abs()).sum()
    if family == "poisson":
        for of in ("x", "z"):  # every linear column is free of the prior, skip connections too
            assert abs(apart @ data[of]) < 1e-6 * (data["w"] * data["y"]).sum()


# Seeds and rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inference", ["debiased", "crossfit", "split", "naive", "laplace", "none"])
@pytest.mark.filterwarnings("ignore::glmstat.errors.NetworkWarning", "ignore::glmstat.errors.OverlapWarning")
def test_same_seed_same_bits(inference):
    data = bent()
    text = "y ~ x + nn(z, v, hidden=(3,)) + offset(log(t))"
    words = {"folds": 2, "reps": 1, "nets": 2, "training": Training(steps=20), "inference": inference}
    first, again, other = (network(text, data, "poisson", **words, seed=seed) for seed in (5, 5, 6))
    assert first == again and str(first) == str(again)
    for verb in ("coef", "predict", "features", "vcov"):
        one, two, three = (getattr(fit, verb) for fit in (first, again, other))
        if verb == "vcov" and inference == "none":
            continue
        if verb != "coef":
            one, two, three = one(), two(), three()
        assert np.array_equal(one, two, equal_nan=True) and not np.array_equal(one, three, equal_nan=True)


def test_rows_of_new_data_stand_alone():
    data, new = bent(), bent(seed=8)
    net = network("y ~ x + place + nn(z, v, hidden=(5,)) + offset(log(t))", data, "poisson", **SHORT)
    inside = new[(new["z"].abs() < 1.9) & (new["v"].abs() < 1.9)]
    shuffled = inside.sample(frac=1.0, random_state=1)
    for type in ("response", "link"):
        found = net.predict(shuffled, type=type)
        assert found.index.equals(shuffled.index)
        np.testing.assert_allclose(found[inside.index], net.predict(inside, type=type), rtol=1e-12)
    one = inside.iloc[[3]]
    np.testing.assert_allclose(net.predict(one), net.predict(inside)[one.index], rtol=1e-12)


def test_weights_are_repetitions():
    """Of rows that every step sees: the same path of training, the same table."""
    data = bent()
    twice = data.loc[data.index.repeat(data["w"].astype(int))].reset_index(drop=True)
    text = "y ~ x + nn(z, v, hidden=(4,)) + offset(log(t))"
    words = {**SHORT, "control": Control(dtype="float64")}
    repeated = network(text, twice, "poisson", **words)
    for word in ("freq_weights", "weights"):
        weighted = network(text, data, "poisson", **{word: "w"}, **words)
        np.testing.assert_allclose(weighted.as_glm().coef, repeated.as_glm().coef, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(weighted.predict(data), repeated.predict(data), rtol=1e-6)
        assert weighted.deviance == pytest.approx(repeated.deviance, rel=1e-9)


# Compositions ----------------------------------------------------------------------------------------------

OF_TORCH = {"sigmoid": "sigmoid", "tanh": "tanh", "sin": "sin", "square": "square", "exp": "exp"}
OF_TORCH_NN = {"relu": "relu", "silu": "silu", "gelu": "gelu", "softplus": "softplus"}
PREDICT = """
import sys, json, numpy as np, pandas as pd
sys.modules["torch"] = None
import glmstat
data = pd.read_json(sys.argv[1])
print(json.dumps({name: glmstat.load(f"{sys.argv[2]}/{name}").predict(data, type="link").tolist()
                  for name in sys.argv[3:]}))
"""


def torch_link(fit, data, inputs):
    """The predictor by torch: its own functions where it has them, else the package's on tensors."""
    torch = pytest.importorskip("torch")
    head = fit.as_glm()
    (tower,) = head.spec.design.towers["nn1"].towers
    own = {name: getattr(torch, word) for name, word in OF_TORCH.items()}
    own |= {name: getattr(torch.nn.functional, word) for name, word in OF_TORCH_NN.items()}
    h = torch.as_tensor(((data[inputs] - tower.centre) / tower.scale).to_numpy().copy())
    for layer in tower.layers:
        sums = torch.nn.functional.linear(
            h, torch.as_tensor(layer.weights.T.copy()), torch.as_tensor(layer.bias.copy())
        )
        h = own.get(layer.activation, layer.function.value)(sums)
    coef = head.coef
    linear = coef["Intercept"] + data[inputs].to_numpy() @ coef[inputs].to_numpy()
    return linear + h.numpy() @ coef.filter(like="nn1.").to_numpy()


def test_every_activation_predicts_the_same_in_torch_and_without_it(tmp_path):
    """Trained in float32, saved, loaded where torch cannot be imported."""
    data, inputs, fits = bent("gaussian", 120), ["z", "v"], {}
    for name in (*ACTIVATIONS, "power(1/3)"):
        text = f"y ~ nn(z, v, hidden=(3, 2), activation=('{name}', 'tanh'))"
        fits[name] = network(text, data, **{**SHORT, "training": Training(steps=15)})
        assert fits[name].deviance < fits[name].null_deviance
        fits[name].save(tmp_path / name.replace("/", " "))
    data.to_json(tmp_path / "data.json", double_precision=15)
    names = [name.replace("/", " ") for name in fits]
    command = [sys.executable, "-c", PREDICT, str(tmp_path / "data.json"), str(tmp_path), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    for name, fit in fits.items():
        expected = torch_link(fit, data, inputs)
        np.testing.assert_allclose(fit.predict(type="link"), expected, rtol=1e-9, atol=1e-10, err_msg=name)
        found = loaded[name.replace("/", " ")]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("embed", [False, True])
def test_factors_enter_by_level(embed):
    """By indicators of all levels, or by learned numbers that are looked up: both by hand."""
    data = bent("gaussian")
    word = ", embed={'place': 2}" if embed else ""
    net = network(f"y ~ nn(z, place, hidden=(4,), skip=False{word})", data, **SHORT)
    (tower,) = net.as_glm().spec.design.towers["nn1"].towers
    codes = pd.Categorical(data["place"], categories=sorted(PLACES)).codes
    z = (data["z"].to_numpy() - tower.centre[0]) / tower.scale[0]
    if embed:
        ((start, stop, matrix),) = tower.embeddings
        assert (start, stop, matrix.shape) == (1, 4, (3, 2))
        h = np.column_stack([z, matrix[codes]])
    else:
        assert tower.embeddings == () and tower.inputs == 4
        np.testing.assert_array_equal(tower.centre[1:], 0.0)
        np.testing.assert_array_equal(tower.scale[1:], 1.0)
        h = np.column_stack([z, np.eye(3)[codes]])
    (layer,) = tower.layers
    features = np.tanh(h @ layer.weights + layer.bias)
    np.testing.assert_allclose(net.features(), features, rtol=1e-10)
    coef = net.as_glm().coef.to_numpy()
    np.testing.assert_allclose(net.predict(), coef[0] + features @ coef[1:], rtol=1e-10)


def test_networks_add():
    data = bent()
    text = (
        "y ~ x + nn(z, hidden=(4,)) + nn(v, place, hidden=(3, 2), skip=False, name='where') + offset(log(t))"
    )
    net = network(text, data, "poisson", **SHORT)
    assert list(net.as_glm().coef.index) == [
        "Intercept", "x", "z", "nn1.h1", "nn1.h2", "nn1.h3", "nn1.h4", "where.h1", "where.h2",
    ]  # fmt: skip
    terms = net.predict(type="terms")
    assert terms.shape[1] == 3
    total = terms.sum(axis=1) + terms.attrs["constant"] + np.log(data["t"])
    np.testing.assert_allclose(total, net.predict(type="link"), rtol=1e-10, atol=1e-12)
    assert list(net.features().columns) == ["nn1.h1", "nn1.h2", "nn1.h3", "nn1.h4", "where.h1", "where.h2"]
    moved = data.assign(v=data["v"].sample(frac=1.0, random_state=2).to_numpy())
    again = net.predict(moved, type="terms")
    assert np.array_equal(again.iloc[:, :2], terms.iloc[:, :2])
    assert not np.array_equal(again.iloc[:, 2], terms.iloc[:, 2])


def test_without_a_skip_inputs_enter_the_network_alone():
    net = network("y ~ x + nn(z, v, hidden=(2,), skip=False)", bent(), "poisson", **SHORT)
    assert list(net.as_glm().coef.index) == ["Intercept", "x", "nn1.h1", "nn1.h2"]
    assert list(net.coef.index) == ["Intercept", "x"]


def test_deeper_layers_are_means_of_their_links():
    text = "y ~ nn(z, v, hidden=(8, 4), activation=('logit', 'sqrt'), skip=False)"
    net = network(text, bent(), "poisson", **SHORT)
    first, second = net.as_glm().spec.design.towers["nn1"].towers[0].layers
    assert (first.activation, second.activation) == ("sigmoid", "square")
    assert first.weights.shape == (2, 8) and second.weights.shape == (8, 4)
    assert (net.features() >= 0).all(axis=None)


# Offsets ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::glmstat.errors.NetworkWarning")
@pytest.mark.parametrize("inference", ["none", "debiased", "split"])
def test_an_offset_is_never_lost(inference):
    data = bent()
    words = {**SHORT, "inference": inference, "folds": 2, "reps": 1, "training": Training(steps=20)}
    text = "y ~ x + nn(z, v, hidden=(3,))"
    said = [
        network(f"{text} + offset(log(t))", data, "poisson", **words),
        network(text, data, "poisson", offset="log(t)", **words),
        network(text, data, "poisson", offset=np.log(data["t"].to_numpy()), **words),
        network(text, data, "poisson", exposure="t", **words),
        network(text, data, "poisson", exposure=data["t"].to_numpy(), **words),
    ]
    new = {2: {"offset": np.log(2 * data["t"])}, 4: {"exposure": 2 * data["t"]}}
    doubled = data.assign(t=2 * data["t"])
    for place, fit in enumerate(said):
        np.testing.assert_allclose(fit.coef, said[0].coef, rtol=1e-10)
        np.testing.assert_allclose(fit.predict(), said[0].predict(), rtol=1e-10)
        twice = fit.predict(doubled, **new.get(place, {}))
        np.testing.assert_allclose(twice, 2 * fit.predict(), rtol=1e-12)
        if inference != "split":
            assert fit.predict().sum() == pytest.approx(data["y"].sum(), rel=1e-6)
    without = network(text, data, "poisson", **words)
    assert not np.allclose(without.coef, said[0].coef, rtol=1e-3)


def test_an_offset_is_a_known_part_of_the_predictor():
    """Gaussian: an offset o is the response less o."""
    data = bent("gaussian")
    text = "nn(z, v, hidden=(4,))"
    words = {**SHORT, "control": Control(dtype="float64")}
    added = network(f"y ~ x + {text} + offset(2 * x)", data, **words)
    taken = network(f"I(y - 2 * x) ~ x + {text}", data, **words)
    np.testing.assert_allclose(added.as_glm().coef, taken.as_glm().coef, rtol=1e-6)
    np.testing.assert_allclose(added.predict() - 2 * data["x"], taken.predict(), rtol=1e-6)


def test_a_saved_fit_says_the_same(tmp_path):
    data = bent()
    fit = network("y ~ x + place + nn(z, v, hidden=(3,)) + offset(log(t))", data, "poisson", **SHORT)
    fit.save(tmp_path / "fit.safetensors")
    found = load(tmp_path / "fit.safetensors")
    assert found == fit and str(found) == str(fit)
    assert np.array_equal(found.predict(data), fit.predict(data))
