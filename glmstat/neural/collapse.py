"""Networks whose activations are all identity: the linear model that they are.

Layers h -> h W + b are one map z -> z W_z + b_z with W_z = W_1 ... W_L and b_z the sum over l of
b_l W_(l+1) ... W_L; rows are cases, so products run from the inputs on. With output weights v, with
standardisation undone and the skip connection added, the coefficient of an input is W_z v / scale plus that
of its own column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glmstat.array import Array
from glmstat.errors import ArgumentError, Note
from glmstat.layers import Tower, Towers

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Affine", "Deep", "affine", "coefficients", "collapse", "refuse_curved"]


class Affine(NamedTuple):
    """z -> z @ slopes + constants: slopes (d, width), constants (width,)."""

    slopes: Array
    constants: Array


@dataclass(frozen=True, eq=False)
class Deep:
    """A network of a fit, as it is to be collapsed.

    Parameters
    ----------
    name : "nn1".
    towers : its hidden layers.
    output : weights of the features in eta (width,), for all towers.
    columns : names of its inputs' columns (d,).
    prior : precision of its weights; 0 for none.
    """

    name: str
    towers: Towers
    output: Array
    columns: tuple[str, ...]
    prior: float = 0.0


def affine(tower: Tower) -> Affine:
    """Return the map from inputs as given to features, of a tower of identity layers.

    It holds where no input is cut at 10 standard deviations from its centre.

    >>> from glmstat.layers import Layer
    >>> first = Layer(np.array([[2.0, 1.0]]), np.array([0.0, 1.0]), "identity")
    >>> second = Layer(np.array([[1.0], [3.0]]), np.array([0.5]), "identity")
    >>> found = affine(Tower(np.array([10.0]), np.array([4.0]), (), (first, second)))
    >>> found.slopes.tolist(), found.constants.tolist()
    ([[1.25]], [-9.0])
    """
    slopes = np.diag(1.0 / tower.scale)
    for start, stop, matrix in reversed(tower.embeddings):
        slopes = np.hstack([slopes[:, :start], slopes[:, start:stop] @ matrix, slopes[:, stop:]])
    constants = -tower.centre @ slopes
    for layer in tower.layers:
        slopes, constants = slopes @ layer.weights, constants @ layer.weights + layer.bias
    return Affine(slopes, constants)


def coefficients(
    networks: Sequence[Deep], linear: Mapping[str, float], *, intercept: str = "Intercept"
) -> dict[str, float]:
    """Return the coefficients of the linear model that the networks and the linear columns are.

    Parameters
    ----------
    networks : all activations identity.
    linear : coefficient of each linear column by name, skip connections among them.
    intercept : name of the intercept, to which the constants are added.

    Returns
    -------
    Coefficient of each column, on the scale of the data: linear columns first, then inputs that are none.

    Raises
    ------
    ArgumentError : a layer that is not linear, which is named.
    """
    refuse_curved(networks)
    total = dict(linear)
    for network in networks:
        for tower, columns in zip(network.towers, network.towers.slices, strict=True):
            slopes, constants = affine(tower)
            moved = slopes @ network.output[columns]
            total[intercept] = total.get(intercept, 0.0) + float(constants @ network.output[columns])
            for name, slope in zip(network.columns, moved.tolist(), strict=True):
                total[name] = total.get(name, 0.0) + slope
    return total


def refuse_curved(networks: Sequence[Deep]) -> None:
    """Refuse the first layer whose activation is not identity, by name."""
    for network in networks:
        for tower in network.towers:
            for place, layer in enumerate(tower.layers, 1):
                if layer.activation != "identity":
                    raise ArgumentError(
                        "A network collapses where all its activations are identity: "
                        f"layer {place} of {network.name} is {layer.activation}. "
                        "Use as_glm() for its output layer, or effects() for what it does."
                    )


def collapse(networks: Sequence[Deep], fit: Callable[[], Fit], *, refit: bool = False) -> Fit:
    """Return the GLM of the collapsed formula, with its classical inference.

    Without a prior the network is that GLM, whose maximum likelihood fit is the exact one of both. With a
    prior it is another, shrunk model: the GLM is then a new fit, and a note says so.

    Parameters
    ----------
    networks : all activations identity.
    fit : makes the GLM of the linear columns and the inputs of the networks.
    refit : whether to return the GLM of a network with a prior.

    Returns
    -------
    Fit with one more note.

    Raises
    ------
    ArgumentError : a layer that is not linear, which is named; a prior, unless `refit`.
    """
    refuse_curved(networks)
    shrunk = [network for network in networks if network.prior > 0]
    if shrunk and not refit:
        first = shrunk[0]
        raise ArgumentError(
            "A network with a prior is no maximum likelihood fit: "
            f"the prior of {first.name} is {first.prior:g}. "
            "Use collapse(refit=True) for the GLM without it, or train with prior=0."
        )
    found = fit()
    names = ", ".join(network.name for network in networks)
    text = (
        f"refitted by maximum likelihood: {names} had a prior, which shrinks these coefficients"
        if shrunk
        else f"the linear model that {names} is: identity activations, no prior"
    )
    return replace(found, notes=(*found.notes, Note("collapsed", text)))
