"""Hidden layers with fixed weights: values, derivatives, arrays."""

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from glmstat import layers
from glmstat.errors import FileError
from glmstat.layers import Embedding, Layer, Tower, Towers
from tests.unit.towers import with_flat

SMOOTH = ("identity", "sigmoid", "tanh", "gauss", "gumbel", "softplus", "cauchit", "silu", "gelu", "sin")


def made(hidden=(4, 3), activation="tanh", embed=((2, 5, 2),), inputs=6, seed=1):
    rng = np.random.default_rng(seed)
    embeddings = tuple(Embedding(a, b, rng.normal(size=(b - a, k))) for a, b, k in embed)
    width = inputs + sum(k - (b - a) for a, b, k in embed)
    built = []
    for units in hidden:
        weights = rng.normal(size=(width, units)) / np.sqrt(width)
        built.append(Layer(weights, 0.5 * rng.normal(size=units), activation))
        width = units
    return Tower(rng.normal(size=inputs), rng.uniform(0.5, 2.0, inputs), embeddings, tuple(built))


def rows(tower, n=9, seed=2):
    return tower.centre + tower.scale * np.random.default_rng(seed).normal(size=(n, tower.inputs))


def test_values_are_those_written_out():
    tower = made()
    z = rows(tower)
    scaled = (z - tower.centre) / tower.scale
    embedded = np.hstack([scaled[:, :2], scaled[:, 2:5] @ tower.embeddings[0].matrix, scaled[:, 5:]])
    first, second = tower.layers
    h = np.tanh(embedded @ first.weights + first.bias)
    np.testing.assert_allclose(
        tower.features(z), np.tanh(h @ second.weights + second.bias), rtol=0, atol=1e-15
    )


def test_embeddings_take_the_place_of_their_columns():
    one, two = np.array([[1.0], [2.0]]), np.array([[10.0, 20.0], [30.0, 40.0]])
    tower = Tower(np.zeros(6), np.ones(6), ((4, 6, two), (1, 3, one)), ())
    z = np.array([[7.0, 0.0, 1.0, 8.0, 1.0, 0.0]])
    np.testing.assert_array_equal(tower.features(z), [[7.0, 2.0, 8.0, 10.0, 20.0]])
    assert tower.width == 5 and tower.parameters == 6


def test_inputs_are_cut_at_ten_standard_deviations_and_counted():
    tower = Tower(np.array([1.0, 0.0]), np.array([2.0, 1.0]), (), ())
    z = np.array([[21.0, 0.0], [21.1, 0.0], [-500.0, 11.0], [0.0, -10.0]])
    np.testing.assert_array_equal(tower.features(z), [[10, 0], [10, 0], [-10, 10], [-0.5, -10]])
    assert tower.clipped(z) == 2


@pytest.mark.parametrize("activation", SMOOTH)
def test_jacobian_is_the_derivative_of_the_features(activation):
    tower = made(activation=activation)
    z, v = rows(tower), np.random.default_rng(3).normal(size=tower.width)
    found = tower.jacobian(z, v)
    assert found.shape == (len(z), tower.parameters)
    step = 1e-5
    for place in range(tower.parameters):
        up, down = (tower.flat + sign * step * (np.arange(tower.parameters) == place) for sign in (1, -1))
        change = (with_flat(tower, up).features(z) - with_flat(tower, down).features(z)) @ v / (2 * step)
        np.testing.assert_allclose(found[:, place], change, atol=2e-9)


@pytest.mark.parametrize("hidden", [(5,), (4, 3), (3, 4, 2)])
@pytest.mark.parametrize("activation", ["tanh", "relu", "square"])
def test_jacobian_is_that_of_automatic_differentiation(hidden, activation):
    torch = pytest.importorskip("torch")
    tower = made(hidden, activation)
    z, v = rows(tower), np.random.default_rng(3).normal(size=tower.width)
    function = {"tanh": torch.tanh, "relu": torch.relu, "square": torch.square}[activation]
    parts = [torch.tensor(tower.embeddings[0].matrix, requires_grad=True)]
    for layer in tower.layers:
        parts += [torch.tensor(array, requires_grad=True) for array in (layer.weights, layer.bias)]
    scaled = torch.tensor((z - tower.centre) / tower.scale)
    for row, found in zip(scaled, tower.jacobian(z, v), strict=True):
        h = torch.cat([row[:2], row[2:5] @ parts[0], row[5:]])
        for weights, bias in zip(parts[1::2], parts[2::2], strict=True):
            h = function(h @ weights + bias)
        gradient = torch.autograd.grad(h @ torch.tensor(v), parts)
        np.testing.assert_allclose(found, torch.cat([g.ravel() for g in gradient]).numpy(), atol=1e-13)


def test_tensors_give_tensors_with_the_same_values():
    torch = pytest.importorskip("torch")
    towers = Towers((made(), made(seed=5)))
    z = rows(towers.towers[0])
    found = towers.features(torch.tensor(z))
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), towers.features(z), atol=1e-14)
    assert towers.features(torch.tensor(z, dtype=torch.float32)).dtype == torch.float32


def test_chunks_change_nothing(monkeypatch):
    tower = made()
    z = rows(tower, 700)
    whole = tower.features(z)
    monkeypatch.setattr(layers, "_CELLS", 1)
    assert len(list(tower.chunks(700))) == 3
    np.testing.assert_allclose(tower.features(z), whole, atol=1e-15)
    assert tower.features(z[:0]).shape == (0, 3)


def test_towers_stand_side_by_side():
    towers = Towers((made((2,)), made((3,), seed=4)))
    z = rows(towers.towers[0])
    first, second = towers
    np.testing.assert_array_equal(towers.features(z), np.hstack([first.features(z), second.features(z)]))
    assert towers.labels == ("net1.h1", "net1.h2", "net2.h1", "net2.h2", "net2.h3")
    assert Towers((first,)).labels == ("h1", "h2")
    v = np.arange(5.0)
    sides = [first.jacobian(z, v[:2]), second.jacobian(z, v[2:])]
    np.testing.assert_array_equal(towers.jacobian(z, v), np.hstack(sides))
    assert len(towers.flat) == towers.parameters == first.parameters + second.parameters
    assert towers.clipped(z) == 0


def test_all_but_biases_have_a_prior():
    tower = made((4,), embed=())
    assert tower.penalised.tolist() == [True] * 24 + [False] * 4
    without = with_flat(tower, np.where(tower.penalised, 0.0, tower.flat))
    assert not without.layers[0].weights.any() and without.layers[0].bias.all()


def test_arrays_cannot_be_changed():
    weights = np.ones((1, 1))
    layer = Layer(weights, np.zeros(1), "tanh")
    weights[0, 0] = 5.0
    assert layer.weights[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0, 0] = 2.0


def test_arrays_and_facts_make_the_same_towers():
    towers = Towers((made(activation="logit"), made((2, 2), "relu", embed=())))
    arrays = load(save({name: np.array(array) for name, array in towers.to_arrays("fold1.nn1").items()}))
    again = Towers.from_arrays(arrays, "fold1.nn1", json.loads(json.dumps(towers.facts)))
    z = rows(towers.towers[0])
    np.testing.assert_array_equal(again.features(z), towers.features(z))
    assert "fold1.nn1.net2.W1" in arrays and towers.facts[0]["activation"] == ["sigmoid", "sigmoid"]


@pytest.mark.parametrize("lost", ["nn1.net1.W2", "nn1.net1.centre", "nn1.net1.E1"])
def test_a_lost_array_is_named(lost):
    towers = Towers((made(),))
    arrays = {name: array for name, array in towers.to_arrays("nn1").items() if name != lost}
    with pytest.raises(FileError, match=lost.replace(".", r"\.")):
        Towers.from_arrays(arrays, "nn1", towers.facts)


def test_arrays_that_do_not_fit_are_refused():
    towers = Towers((made(),))
    arrays = towers.to_arrays("nn1") | {"nn1.net1.W2": np.ones((7, 3))}
    with pytest.raises(FileError, match="cannot be read"):
        Towers.from_arrays(arrays, "nn1", towers.facts)
    with pytest.raises(FileError, match="has none"):
        Towers.from_arrays({}, "nn1", [])
