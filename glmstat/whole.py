"""Sums over a few rows that are kept in one piece: what a pass over blocks gives, without its machinery."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np

from glmstat.compute import Extremes, Sums
from glmstat.extremes import certificate, room
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block

__all__ = ["CELLS", "Need", "Whole"]

Need = Literal["none", "expected", "observed", "both"]
CELLS = 8_000  # numbers up to which calling arithmetic costs more than the arithmetic
_SMALLEST = 1e-290  # weight from which the residual over its root cannot overflow


class Whole:
    """Rows that all count, with their columns centred and scaled; numbers to the bit those of a pass.

    Parameters
    ----------
    columns : (q, n).
    block : the rows.
    """

    def __init__(self, columns: Array, block: Block) -> None:
        self.columns, self.block = columns, block
        self.y, self.offset, self.weights = block.y, block.offset[:, 0], block.total
        self._unequal = None if block.unweighted else block.total
        width = len(columns)
        self._scaled = np.zeros((-4 * (-(width + 1) // 4), columns.shape[1]))

    def sums(self, likelihood: GLM, gamma: Array, need: Need) -> Sums | None:
        """Return objective, score and information at gamma; None where a weight is not well above 0."""
        eta = (gamma @ self.columns + self.offset)[:, None]
        rows = likelihood.rows(self.y, eta, self._unequal, information=need)
        objective, gradient = rows.objective, rows.gradient[:, 0]
        value, magnitude = float(objective.sum()), float(np.abs(objective).sum())
        if need == "none":
            return Sums(value, magnitude, self.columns @ gradient)
        first, second = (rows.observed if need == "observed" else rows.expected), rows.observed
        product = self._product(first[:, 0, 0], gradient)
        if product is None:
            return None
        width = len(self.columns)
        gram, score = product[:width, :width] + 0.0, product[:width, width] + 0.0
        if need != "both":
            return Sums(value, magnitude, score, *((gram, None) if need == "expected" else (None, gram)))
        if likelihood.canonical:
            return Sums(value, magnitude, score, gram, gram)
        product = self._product(second[:, 0, 0], None)
        return None if product is None else Sums(value, magnitude, score, gram, product[:width, :width] + 0.0)

    def extremes(self, likelihood: GLM, gamma: Array, delta: Array, need: Need) -> Extremes:
        """Return the largest and least values over the rows of the step delta from gamma."""
        move, eta = delta @ self.columns, gamma @ self.columns + self.offset
        size = np.abs(move)
        place = int(size.argmax())
        more: dict[str, float] = {}
        if need == "none":
            terms = np.abs(self.offset) + np.abs(gamma) @ self._sizes
            more["terms"] = float(terms.max(initial=0.0))
        edges = likelihood.slack(eta[:, None])
        if edges is not None:
            more |= room(edges, move, self.weights)
        signs = None if need == "none" else self._signs(likelihood)
        if signs is not None:
            rows = likelihood.rows(self.y, eta[:, None], self._unequal, information=need)
            more |= certificate(rows, signs, move, self.weights)
        step, row = float(size[place]), self.block.source_row(place)
        return Extremes() + Extremes(step=step, row=row, eta=float(np.abs(eta).max()), **more)

    @cached_property
    def _sizes(self) -> Array:
        return np.abs(self.columns)

    def _signs(self, likelihood: GLM) -> Array | None:
        cone = likelihood.cone(self.y, self.weights)
        return None if cone is None else cone.bound[:, 0, 0]

    def _product(self, weight: Array, gradient: Array | None) -> Array | None:
        """Z'WZ, with Z'gradient beside it."""
        if not weight.min() > _SMALLEST:
            return None
        scaled, width, root = self._scaled, len(self.columns), np.sqrt(weight)
        np.multiply(self.columns, root, out=scaled[:width])
        if gradient is not None:
            np.divide(gradient, root, out=scaled[width])
        return scaled @ scaled.T
