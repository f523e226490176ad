"""Hidden layers with fixed weights: what a trained network makes of its inputs, in numpy or torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.activations import Activation, as_activation
from glmstat.array import Array, namespace
from glmstat.errors import FileError

__all__ = ["CLIP", "Embedding", "Layer", "Tower", "Towers"]

CLIP = 10.0  # standard deviations from the centre; beyond it an input stays where it is
_CELLS = 1 << 20  # of the widest layer in one chunk of rows: 8 MiB


class Embedding(NamedTuple):
    """Columns start:stop of the inputs, one per level, that a matrix (levels, k) takes the place of."""

    start: int
    stop: int
    matrix: Array


@dataclass(frozen=True, eq=False)
class Layer:
    """One hidden layer: activation(h W + b).

    Parameters
    ----------
    weights : W (inputs, width).
    bias : b (width,).
    activation : name of an activation, or of the link whose inverse it is.

    >>> layer = Layer(np.array([[1.0], [2.0]]), np.array([0.5]), "identity")
    >>> layer(np.array([[1.0, 1.0]]))
    array([[3.5]])
    """

    weights: Array
    bias: Array
    activation: str

    def __post_init__(self) -> None:
        weights, bias = _frozen(self.weights), _frozen(self.bias)
        assert weights.ndim == 2 and bias.shape == weights.shape[1:], "a layer has a bias for each unit"
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "bias", bias)
        object.__setattr__(self, "activation", as_activation(self.activation).name)

    @property
    def function(self) -> Activation:
        """The activation itself."""
        return as_activation(self.activation)

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return self.weights.size + self.bias.size

    def sums(self, h: Any) -> Any:
        """Return h W + b (n, width), what the activation is applied to."""
        return h @ _like(self.weights, h) + _like(self.bias, h)

    def __call__(self, h: Any) -> Any:
        """Return the values of the units (n, width) at the values h (n, inputs) of the layer before."""
        return self.function.value(self.sums(h))


class _Pass(NamedTuple):
    """What a pass through a tower leaves for the way back.

    scaled (n, d) standardised inputs; values: (n, ·) into each layer and out of the last; sums (n, ·).
    """

    scaled: Array
    values: list[Array]
    sums: list[Array]


@dataclass(frozen=True, eq=False)
class Tower:
    """Hidden layers on standardised inputs: the columns that a trained network adds to a design.

    Inputs are centred, scaled and cut at 10 standard deviations. Then the columns of each embedding are
    multiplied by its matrix, whose columns stand in their place; the other columns keep their order. Columns
    that are embedded are usually 0 and 1, with centre 0 and scale 1. Then come the layers.

    Parameters
    ----------
    centre, scale : (d,), one for each input.
    embeddings : (start, stop, matrix), columns start:stop of the inputs and a matrix (stop - start, k),
        without overlap; kept in the order of the columns.
    layers : from the inputs on.

    >>> layer = Layer(np.array([[1.0]]), np.array([0.0]), "tanh")
    >>> tower = Tower(np.array([40.0]), np.array([10.0]), (), (layer,))
    >>> tower.features(np.array([[50.0], [4000.0]])).round(4).tolist()
    [[0.7616], [1.0]]
    """

    centre: Array
    scale: Array
    embeddings: tuple[Embedding, ...]
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        centre, scale = _frozen(self.centre), _frozen(self.scale)
        assert centre.ndim == 1 and centre.shape == scale.shape, "centre and scale are given for each input"
        assert np.isfinite(centre).all() and (scale > 0).all(), "a scale is positive"
        object.__setattr__(self, "centre", centre)
        object.__setattr__(self, "scale", scale)
        embeddings = sorted((Embedding(*given) for given in self.embeddings), key=lambda given: given.start)
        frozen = tuple(Embedding(int(a), int(b), _frozen(matrix)) for a, b, matrix in embeddings)
        object.__setattr__(self, "embeddings", frozen)
        object.__setattr__(self, "layers", tuple(self.layers))
        self._check()

    def _check(self) -> None:
        end, width = 0, len(self.centre)
        for start, stop, matrix in self.embeddings:
            assert end <= start < stop <= len(self.centre) and len(matrix) == stop - start, "embedded columns"
            end, width = stop, width + matrix.shape[1] - (stop - start)
        for layer in self.layers:
            assert len(layer.weights) == width, "a layer takes what the layer before gives"
            width = layer.weights.shape[1]

    @property
    def inputs(self) -> int:
        """Number of inputs d."""
        return len(self.centre)

    @property
    def width(self) -> int:
        """Number of features: units of the last layer."""
        return self.layers[-1].weights.shape[1] if self.layers else self._embedded_width

    @property
    def parameters(self) -> int:
        """Number of weights and biases P, embeddings included."""
        return sum(given.matrix.size for given in self.embeddings) + sum(
            layer.parameters for layer in self.layers
        )

    @property
    def flat(self) -> Array:
        """All parameters (P,): the embeddings, then weights and bias of each layer; matrices row by row."""
        parts = [given.matrix.ravel() for given in self.embeddings]
        for layer in self.layers:
            parts += [layer.weights.ravel(), layer.bias]
        return np.concatenate(parts) if parts else np.zeros(0)

    @property
    def penalised(self) -> NDArray[np.bool_]:
        """Whether each parameter has a prior (P,), in the order of `flat`: all but the biases."""
        parts = [np.ones(given.matrix.size, dtype=bool) for given in self.embeddings]
        for layer in self.layers:
            parts += [np.ones(layer.weights.size, dtype=bool), np.zeros(layer.bias.size, dtype=bool)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)

    def features(self, inputs: Any) -> Any:
        """Return the values of the last layer (n, width), in chunks of rows for numpy.

        Parameters
        ----------
        inputs : array or tensor (n, d); a tensor gives a tensor of its type, on its device.
        """
        if not isinstance(inputs, np.ndarray):
            return self._forward(inputs)
        out = np.empty((len(inputs), self.width))
        for rows in self.chunks(len(inputs)):
            out[rows] = self._forward(inputs[rows])
        return out

    def clipped(self, inputs: Array) -> int:
        """Return the number of rows of inputs (n, d) with an input cut at 10 standard deviations."""
        far = np.zeros(len(inputs), dtype=bool)
        for column, centre, scale in zip(inputs.T, self.centre, self.scale, strict=True):
            far |= np.abs(column - centre) > CLIP * scale
        return int(far.sum())

    def jacobian(self, inputs: Array, v: Array) -> Array:
        """Return d (features @ v) / d flat, (n, P), by back-propagation in closed form.

        Parameters
        ----------
        inputs : (n, d); the caller chooses n so that n P numbers have room.
        v : output weights (width,).
        """
        scaled, values, sums = self._pass(np.asarray(inputs, dtype=np.float64))
        parts: list[Array] = []
        back = np.broadcast_to(np.asarray(v, dtype=np.float64), values[-1].shape)
        for place in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[place]
            delta = back * layer.function.derivative(sums[place])
            parts += [delta, _products(values[place], delta)]
            back = delta @ layer.weights.T
        parts += [
            _products(scaled[:, given.start : given.stop], back[:, columns])
            for given, columns in reversed(list(zip(self.embeddings, self._embedded_columns, strict=True)))
        ]
        return np.concatenate(parts[::-1], axis=1) if parts else np.zeros((len(inputs), 0))

    def chunks(self, rows: int) -> Iterator[slice]:
        """Yield runs of rows whose layers have room, of a size that depends on the tower alone."""
        widest = max(self.inputs, self._embedded_width, *(len(layer.bias) for layer in self.layers), 1)
        step = max(_CELLS // widest, 256)
        yield from (slice(start, min(start + step, rows)) for start in range(0, rows, step))

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        """Return all arrays by name: prefix.centre and .scale, prefix.E1, prefix.W1, prefix.b1 and so on."""
        arrays = {f"{prefix}.centre": self.centre, f"{prefix}.scale": self.scale}
        arrays |= {f"{prefix}.E{k}": given.matrix for k, given in enumerate(self.embeddings, 1)}
        for k, layer in enumerate(self.layers, 1):
            arrays |= {f"{prefix}.W{k}": layer.weights, f"{prefix}.b{k}": layer.bias}
        return arrays

    @property
    def facts(self) -> dict[str, Any]:
        """What the arrays do not say, as JSON values."""
        return {
            "activation": [layer.activation for layer in self.layers],
            "embedded": [[given.start, given.stop] for given in self.embeddings],
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], prefix: str, facts: Mapping[str, Any]) -> Tower:
        """Return the tower that `to_arrays(prefix)` and `facts` describe.

        Raises
        ------
        FileError : an array is missing, or the arrays do not fit each other.
        """
        try:
            embeddings = tuple(
                Embedding(start, stop, arrays[f"{prefix}.E{k}"])
                for k, (start, stop) in enumerate(facts["embedded"], 1)
            )
            layers = tuple(
                Layer(arrays[f"{prefix}.W{k}"], arrays[f"{prefix}.b{k}"], activation)
                for k, activation in enumerate(facts["activation"], 1)
            )
            return cls(arrays[f"{prefix}.centre"], arrays[f"{prefix}.scale"], embeddings, layers)
        except (AssertionError, LookupError, TypeError, ValueError) as error:
            raise FileError(
                f"The layers of a network cannot be read: {prefix!r} ({error}). Save the fit again."
            ) from error

    @property
    def _embedded_width(self) -> int:
        """Columns that the first layer takes."""
        return self.inputs + sum(
            given.matrix.shape[1] - (given.stop - given.start) for given in self.embeddings
        )

    @property
    def _embedded_columns(self) -> list[slice]:
        """Columns of the first layer's input that each embedding gives."""
        columns, shift = [], 0
        for start, stop, matrix in self.embeddings:
            columns.append(slice(start + shift, start + shift + matrix.shape[1]))
            shift += matrix.shape[1] - (stop - start)
        return columns

    def _scaled(self, inputs: Any) -> Any:
        scaled = (inputs - _like(self.centre, inputs)) / _like(self.scale, inputs)
        return namespace(inputs).clip(scaled, -CLIP, CLIP)

    def _embedded(self, scaled: Any) -> Any:
        if not self.embeddings:
            return scaled
        parts, end = [], 0
        for start, stop, matrix in self.embeddings:
            parts += [scaled[:, end:start], scaled[:, start:stop] @ _like(matrix, scaled)]
            end = stop
        return _beside([*parts, scaled[:, end:]])

    def _forward(self, inputs: Any) -> Any:
        h = self._embedded(self._scaled(inputs))
        for layer in self.layers:
            h = layer(h)
        return h

    def _pass(self, inputs: Array) -> _Pass:
        scaled = self._scaled(inputs)
        values, sums = [self._embedded(scaled)], []
        for layer in self.layers:
            sums.append(layer.sums(values[-1]))
            values.append(layer.function.value(sums[-1]))
        return _Pass(scaled, values, sums)


@dataclass(frozen=True, eq=False)
class Towers:
    """Networks side by side on the same inputs: their features stand beside each other.

    An ensemble of M networks is one wide network.

    Parameters
    ----------
    towers : one or more, with the same number of inputs.

    >>> layer = Layer(np.array([[1.0]]), np.array([0.0]), "tanh")
    >>> tower = Tower(np.array([0.0]), np.array([1.0]), (), (layer,))
    >>> Towers((tower, tower)).labels
    ('net1.h1', 'net2.h1')
    """

    towers: tuple[Tower, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "towers", tuple(self.towers))
        assert self.towers and len({tower.inputs for tower in self.towers}) == 1, "towers share their inputs"

    def __len__(self) -> int:
        return len(self.towers)

    def __iter__(self) -> Iterator[Tower]:
        return iter(self.towers)

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.towers[0].inputs

    @property
    def width(self) -> int:
        """Number of features of all towers."""
        return sum(tower.width for tower in self.towers)

    @property
    def parameters(self) -> int:
        """Number of weights and biases of all towers."""
        return sum(tower.parameters for tower in self.towers)

    @property
    def flat(self) -> Array:
        """All parameters, tower after tower."""
        return np.concatenate([tower.flat for tower in self.towers])

    @property
    def penalised(self) -> NDArray[np.bool_]:
        """Whether each parameter has a prior, in the order of `flat`."""
        return np.concatenate([tower.penalised for tower in self.towers])

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the features: h1, h2 …, or net1.h1 … where there are several towers."""
        if len(self.towers) == 1:
            return tuple(f"h{k + 1}" for k in range(self.width))
        return tuple(f"net{m}.h{k + 1}" for m, tower in enumerate(self.towers, 1) for k in range(tower.width))

    @property
    def slices(self) -> tuple[slice, ...]:
        """Columns of the features that belong to each tower."""
        ends = np.cumsum([0, *(tower.width for tower in self.towers)]).tolist()
        return tuple(slice(a, b) for a, b in pairwise(ends))

    def features(self, inputs: Any) -> Any:
        """Return the features (n, width) of inputs (n, d), tower after tower."""
        if not isinstance(inputs, np.ndarray):
            return _beside([tower.features(inputs) for tower in self.towers])
        out = np.empty((len(inputs), self.width))
        for tower, columns in zip(self.towers, self.slices, strict=True):
            out[:, columns] = tower.features(inputs)
        return out

    def clipped(self, inputs: Array) -> int:
        """Return the largest number of rows that a tower cuts at 10 standard deviations."""
        return max(tower.clipped(inputs) for tower in self.towers)

    def jacobian(self, inputs: Array, v: Array) -> Array:
        """Return d (features @ v) / d flat, (n, P), v the output weights (width,) of all towers."""
        pairs = zip(self.towers, self.slices, strict=True)
        return np.concatenate([tower.jacobian(inputs, v[columns]) for tower, columns in pairs], axis=1)

    def to_arrays(self, prefix: str) -> dict[str, Array]:
        """Return all arrays by name, those of tower m as prefix.net{m}.W1 and so on."""
        named = (tower.to_arrays(f"{prefix}.net{m}") for m, tower in enumerate(self.towers, 1))
        return {name: array for arrays in named for name, array in arrays.items()}

    @property
    def facts(self) -> list[dict[str, Any]]:
        """What the arrays do not say, as JSON values, tower by tower."""
        return [tower.facts for tower in self.towers]

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, Array], prefix: str, facts: Sequence[Mapping[str, Any]]
    ) -> Towers:
        """Return the towers that `to_arrays(prefix)` and `facts` describe.

        Raises
        ------
        FileError : an array is missing, or the arrays do not fit each other.
        """
        towers = tuple(
            Tower.from_arrays(arrays, f"{prefix}.net{m}", known) for m, known in enumerate(facts, 1)
        )
        if not towers:
            raise FileError(f"The layers of a network cannot be read: {prefix!r} has none. Save it again.")
        return cls(towers)


def _frozen(values: Any) -> Array:
    """A read-only copy in double precision, unless it is one already."""
    array = np.asarray(values, dtype=np.float64)
    if array.flags.writeable or not array.flags.c_contiguous or array.base is not None:
        array = array.copy()
        array.flags.writeable = False
    return array


def _like(array: Array, other: Any) -> Any:
    """The array as what `other` is: itself for numpy, a tensor of the same type and device for torch."""
    return array if isinstance(other, np.ndarray) else other.new_tensor(array)


def _beside(parts: Sequence[Any]) -> Any:
    """Columns of all parts beside each other, for arrays and tensors."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis=1)
    whole = parts[0].new_empty((len(parts[0]), sum(part.shape[1] for part in parts)))
    end = 0
    for part in parts:
        whole[:, end : end + part.shape[1]] = part
        end += part.shape[1]
    return whole


def _products(h: Array, delta: Array) -> Array:
    """Products of each row's inputs and deltas (n, inputs * width), as `flat` orders a weight matrix."""
    return (h[:, :, None] * delta[:, None, :]).reshape(len(h), -1)
