"""Networks beside linear columns as one wide model: its parameters, their priors, and its derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from glmstat.array import Array
from glmstat.layers import Towers

__all__ = ["Hidden", "Wide"]

_CELLS = 1 << 22  # of J in one chunk of rows: 32 MB


@dataclass(frozen=True, eq=False)
class Hidden:
    """One network of a model: its hidden layers, output weights and prior.

    M networks of an ensemble stand side by side; their output weights are those of the mean of the members,
    1/M of each member's own.

    Parameters
    ----------
    towers : M of them.
    output : weights of the features in eta (width,), for all towers.
    prior : tau, precision of each weight of a member; 0 for none.
    unit : size of eta in which the output weights have that prior: their precision is tau / unit^2.
    """

    towers: Towers
    output: Array
    prior: float
    unit: float = 1.0

    def __post_init__(self) -> None:
        assert self.output.shape == (self.towers.width,), "an output weight for each feature"

    @property
    def parameters(self) -> int:
        """Hidden weights and biases, and output weights."""
        return self.towers.parameters + self.towers.width

    @property
    def precision(self) -> Array:
        """Precision of a member's prior of each parameter, hidden ones first; 0 for biases."""
        hidden = np.where(self.towers.penalised, self.prior, 0.0)
        return np.concatenate([hidden, np.full(self.towers.width, self.prior / self.unit**2)])

    def member(self, place: int) -> Hidden:
        """Return one network of the ensemble with its own output weights, M times those in the mean."""
        own = len(self.towers) * self.output[self.towers.slices[place]]
        return Hidden(Towers((self.towers.towers[place],)), own, self.prior, self.unit)

    def jacobian(self, inputs: Array) -> Array:
        """Return d eta / d parameters (n, P) at inputs (n, d)."""
        return np.hstack([self.towers.jacobian(inputs, self.output), self.towers.features(inputs)])


@dataclass(frozen=True, eq=False)
class Wide:
    """A linear predictor of linear columns and networks: X beta + sum of h(z) v.

    Parameters
    ----------
    linear : number of linear columns.
    networks : none, one or several.
    """

    linear: int
    networks: tuple[Hidden, ...]

    def __post_init__(self) -> None:
        assert len({len(network.towers) for network in self.networks}) < 2, "as many towers in each network"

    @property
    def members(self) -> int:
        """Number of networks in the ensemble, M."""
        return len(self.networks[0].towers) if self.networks else 1

    def member(self, place: int) -> Wide:
        """Return the model of one network of each ensemble."""
        return Wide(self.linear, tuple(network.member(place) for network in self.networks))

    def of_member(self, place: int, gradients: Array) -> Array:
        """Return gradients (k, P_m) in a member's parameters, from those (k, P) of the mean of the members.

        Its hidden weights count for 1/M in the mean; its output weights are counted as its own.
        """
        parts, end = [gradients[:, : self.linear]], self.linear
        for network in self.networks:
            towers = network.towers.towers
            start = end + sum(tower.parameters for tower in towers[:place])
            hidden = gradients[:, start : start + towers[place].parameters]
            output = gradients[:, end + network.towers.parameters :][:, network.towers.slices[place]]
            parts += [len(towers) * hidden, output]
            end += network.parameters
        return np.hstack(parts)

    @property
    def parameters(self) -> int:
        """Coefficients, weights and biases."""
        return self.linear + sum(network.parameters for network in self.networks)

    @property
    def precision(self) -> Array:
        """Precision of a member's prior of each parameter; 0 for coefficients and biases."""
        return np.concatenate([np.zeros(self.linear), *(network.precision for network in self.networks)])

    def jacobian(self, X: Array, inputs: Sequence[Array]) -> Array:
        """Return d eta / d parameters (n, P): linear columns first.

        Parameters
        ----------
        X : linear columns (n, p).
        inputs : (n, d) for each network.
        """
        pairs = zip(self.networks, inputs, strict=True)
        return np.hstack([X, *(network.jacobian(z) for network, z in pairs)])

    def chunks(self, rows: int) -> Iterator[slice]:
        """Yield runs of rows whose derivatives have room."""
        step = max(_CELLS // max(self.parameters, 1), 1)
        yield from (slice(start, min(start + step, rows)) for start in range(0, rows, step))

    def gradient(self, X: Array, inputs: Sequence[Array], weights: Array) -> Array:
        """Return weights @ jacobian (k, P): the gradients of k weighted sums of eta over rows.

        Parameters
        ----------
        weights : (k, n).
        """
        total = np.zeros((len(weights), self.parameters))
        for rows in self.chunks(len(X)):
            total += weights[:, rows] @ self.jacobian(X[rows], [z[rows] for z in inputs])
        return total
