"""The columns that score tests add to a fit: powers, products, and units of networks with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import expit

from glmstat.inference.misfit.sobol import normal_points
from glmstat.matrix import Array, IntArray

if TYPE_CHECKING:
    from glmstat.inference.misfit.variables import Standardised

__all__ = ["ACTIVATIONS", "KERNEL", "LWG", "QUADRATIC", "RESET", "Directions", "Powers", "Products", "Units"]

RESET, QUADRATIC, LWG, KERNEL = "RESET", "quadratic", "Lee–White–Granger", "kernel"
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda values: np.maximum(values, 0.0),
}
_LWG_UNITS, _LWG_RANGE = 10, 2.0  # Lee, White & Granger (1993), section 3


class Powers(NamedTuple):
    """Square and cube of the predictor."""

    width: int = 2

    def __call__(self, eta: Array, Z: Array) -> Array:
        """Return the columns (n, 2) for predictor (n,) and variables (n, d), standardised."""
        return np.column_stack([eta**2, eta**3])


@dataclass(frozen=True, eq=False)
class Products:
    """The variables, their squares and their cross products.

    Parameters
    ----------
    left, right : (m,) places of what is multiplied. Products of two levels of one factor are in the span of
        its indicators, and left out.
    """

    left: IntArray
    right: IntArray
    variables: int

    @classmethod
    def of(cls, inputs: Standardised) -> Products:
        """Return the products of standardised variables."""
        left, right = np.triu_indices(len(inputs.variable))
        same = inputs.variable[left] == inputs.variable[right]
        kept = ~same | inputs.numeric[left]
        return cls(left[kept], right[kept], len(inputs.variable))

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.variables + len(self.left)

    def __call__(self, eta: Array, Z: Array) -> Array:
        """Return the columns (n, m)."""
        return np.hstack([Z, Z[:, self.left] * Z[:, self.right]])


@dataclass(frozen=True, eq=False)
class Units:
    """Hidden units with weights that no data have seen.

    Parameters
    ----------
    weights : (d + 1, m), the last row the biases.
    """

    weights: Array
    activation: Callable[[Array], Array]

    @classmethod
    def kernel(cls, variables: int, units: int, activation: str, seed: int) -> Units:
        """Return units with normal weights of variance 1/d, biases of variance 1, spread evenly."""
        weights = np.array(normal_points(units, variables + 1, seed).T)
        weights[:-1] /= np.sqrt(variables)
        return cls(weights, ACTIVATIONS[activation])

    @classmethod
    def lee_white_granger(cls, variables: int, seed: int) -> Units:
        """Return ten logistic units with weights uniform on (-2, 2)."""
        rng = np.random.default_rng(seed)
        return cls(rng.uniform(-_LWG_RANGE, _LWG_RANGE, (variables + 1, _LWG_UNITS)), expit)

    @property
    def width(self) -> int:
        """Number of units."""
        return self.weights.shape[1]

    def __call__(self, eta: Array, Z: Array) -> Array:
        """Return the columns (n, m)."""
        return self.activation(Z @ self.weights[:-1] + self.weights[-1])


Directions = Powers | Products | Units
