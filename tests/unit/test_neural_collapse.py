"""Networks of identity layers, as the linear models that they are."""

import numpy as np
import pytest

import glmstat
from glmstat.errors import ArgumentError
from glmstat.layers import Embedding, Layer, Tower, Towers
from glmstat.neural.collapse import Deep, affine, coefficients, collapse


def tower(inputs=3, hidden=(4, 2), activation="identity", embed=(), seed=1):
    rng = np.random.default_rng(seed)
    embeddings = tuple(Embedding(a, b, rng.normal(size=(b - a, k))) for a, b, k in embed)
    width, layers = inputs + sum(k - (b - a) for a, b, k in embed), []
    for place, units in enumerate(hidden):
        word = activation[place] if isinstance(activation, tuple) else activation
        layers.append(Layer(rng.normal(size=(width, units)), rng.normal(size=units), word))
        width = units
    return Tower(50.0 * rng.normal(size=inputs), rng.uniform(1, 9, inputs), embeddings, tuple(layers))


def deep(towers, prior=0.0, name="nn1", columns=("a", "b", "c")):
    towers = Towers(towers)
    return Deep(name, towers, np.random.default_rng(8).normal(size=towers.width), columns, prior)


def near(given, n=6):
    return given.centre + given.scale * np.random.default_rng(2).uniform(-3, 3, (n, given.inputs))


@pytest.mark.parametrize("hidden", [(), (1,), (4, 2), (3, 5, 2)])
@pytest.mark.parametrize("embed", [(), ((0, 2, 1),), ((0, 1, 2), (1, 3, 1))])
def test_the_map_is_that_of_the_layers(hidden, embed):
    given = tower(hidden=hidden, embed=embed)
    z = near(given)
    slopes, constants = affine(given)
    np.testing.assert_allclose(z @ slopes + constants, given.features(z), rtol=1e-11, atol=1e-11)


def test_coefficients_give_the_predictor_of_network_and_skip():
    """Two networks, one an ensemble, on shared inputs beside linear columns."""
    one, two = deep((tower(), tower(seed=4))), deep((tower(2, seed=5),), name="nn2", columns=("c", "d"))
    linear = {"Intercept": 0.7, "a": 2.0, "x": -1.0}
    z = near(one.towers.towers[0])
    new = near(two.towers.towers[0], 6)
    data = {
        "Intercept": np.ones(6),
        "x": np.arange(6.0),
        **dict(zip("abc", z.T, strict=True)),
        "d": new[:, 1],
    }
    shared = np.column_stack([data["c"], data["d"]])
    expected = sum(value * data[name] for name, value in linear.items())
    for network, inputs in ((one, z), (two, shared)):
        for given, columns in zip(network.towers, network.towers.slices, strict=True):
            slopes, constants = affine(given)
            expected = expected + (inputs @ slopes + constants) @ network.output[columns]
    found = coefficients([one, two], linear)
    assert list(found) == ["Intercept", "a", "x", "b", "c", "d"]
    np.testing.assert_allclose(sum(found[name] * data[name] for name in found), expected, rtol=1e-10)


def test_least_squares_through_a_network_is_least_squares():
    """Output weights fitted on identity features of full rank: the coefficients of the GLM itself."""
    rng = np.random.default_rng(7)
    data = {name: 5.0 + 2.0 * rng.normal(size=80) for name in "abc"}
    data["y"] = data["a"] - 0.5 * data["b"] + rng.normal(size=80)
    z = np.column_stack([data[name] for name in "abc"])
    layers = tuple(Layer(rng.normal(size=(3, 3)), rng.normal(size=3), "identity") for _ in range(2))
    given = Tower(z.mean(axis=0), z.std(axis=0), (), layers)
    head = np.column_stack([np.ones(80), given.features(z)])
    solved = np.linalg.lstsq(head, data["y"], rcond=None)[0]
    network = Deep("nn1", Towers((given,)), solved[1:], ("a", "b", "c"))
    fit = glmstat.glm("y ~ a + b + c", data)
    found = coefficients([network], {"Intercept": solved[0]})
    np.testing.assert_allclose([found[name] for name in fit.coef.index], fit.coef, rtol=1e-9, atol=1e-10)
    collapsed = collapse([network], lambda: fit)
    np.testing.assert_array_equal(collapsed.vcov(), fit.vcov())
    assert "identity activations, no prior" in collapsed.notes[-1].text


def test_the_first_curved_layer_is_named():
    networks = [deep((tower(),)), deep((tower(activation=("identity", "tanh")),), name="nn2")]
    for verb in (lambda: collapse(networks, lambda: None), lambda: coefficients(networks, {})):
        with pytest.raises(ArgumentError, match="layer 2 of nn2 is tanh"):
            verb()


def test_a_prior_is_refused_or_the_refit_is_said():
    data = {"y": [1.0, 2.0, 4.0, 3.0], "a": [0.0, 1.0, 2.0, 3.0]}
    network = deep((tower(1),), prior=10.0, columns=("a",))
    with pytest.raises(ArgumentError, match=r"the prior of nn1 is 10. Use collapse\(refit=True\)"):
        collapse([network], lambda: glmstat.glm("y ~ a", data))
    fit = collapse([network], lambda: glmstat.glm("y ~ a", data), refit=True)
    assert "refitted by maximum likelihood: nn1 had a prior" in str(fit)
