"""Networks of several members side by side in torch: one tensor operation serves all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glmstat.activations import as_activation
from glmstat.data.torch import load_torch
from glmstat.neural.problem import Inputs
from glmstat.neural.setup import Layout, Slot

__all__ = ["Stack"]


class Stack:
    """The parameters of M members, with a leading member dimension, and the way from rows to predictors.

    Parameters
    ----------
    flat : tensor (M, P), one row of parameters for each member in the order of the layout; it is changed in
        place by whoever trains, and the stack sees the change.
    layout : where each array of parameters stands.
    networks : what they belong to.
    """

    def __init__(self, flat: Any, layout: Layout, networks: Sequence[Inputs]) -> None:
        self.torch = load_torch()
        self.flat = flat
        self.layout = layout
        self.networks = tuple(networks)
        self.leaves = [self._view(slot) for slot in layout.slots]
        self.groups = [
            [leaf for slot, leaf in zip(layout.slots, self.leaves, strict=True) if slot.network == place]
            for place in range(len(self.networks))
        ]
        self.activations = [
            [as_activation(name).value for name in network.activation] for network in self.networks
        ]

    def _view(self, slot: Slot) -> Any:
        """The array of a slot for all members (M, rows, columns), a leaf on the memory of `flat`."""
        part = self.flat.detach()[:, slot.start : slot.stop]
        return part.unflatten(1, slot.shape).requires_grad_(True)

    def forward(self, z: Any) -> Any:
        """Return the predictors in units of their noise (M, n, Q), without offset.

        Parameters
        ----------
        z : (M, n, D) arranged columns, standardised.
        """
        out = self.torch.bmm(z[..., self.layout.columns[0]], self.leaves[0])
        for place, network in enumerate(self.networks):
            if network.hidden:
                out = self._hidden(place, z[..., self.layout.columns[place + 1]], out)
        return out

    def _hidden(self, place: int, h: Any, out: Any) -> Any:
        """Return out (M, n, Q) plus what one network adds at its inputs h (M, n, d)."""
        leaves = iter(self.groups[place])
        h = self._embedded(h, sorted(self.networks[place].embed), leaves)
        for activation in self.activations[place]:
            weights, bias = next(leaves), next(leaves)
            h = activation(self.torch.baddbmm(bias, h, weights))
        return self.torch.baddbmm(out, h, next(leaves))

    def _embedded(self, h: Any, embed: Sequence[tuple[int, int, int]], leaves: Any) -> Any:
        """Return the inputs with the columns of factors replaced by what is learned for their levels."""
        if not embed:
            return h
        parts, end = [], 0
        for start, stop, _ in embed:
            parts += [h[..., end:start], self.torch.bmm(h[..., start:stop], next(leaves))]
            end = stop
        return self.torch.cat([*parts, h[..., end:]], dim=2)

    def gradient(self, out: Any, slope: Any) -> Any:
        """Return the gradient in all parameters (M, P) from that in the predictors.

        Parameters
        ----------
        out : what `forward` gave.
        slope : (M, n, Q) derivative of the objective in `out`.
        """
        parts = self.torch.autograd.grad(out, self.leaves, slope)
        return self.torch.cat([part.flatten(1) for part in parts], dim=1)

    def numbers(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the parameters as an array (M, P) of double precision."""
        return self.flat.detach().cpu().double().numpy().copy()
