"""Sums of one block as its runs are passed: score and Grams, of written columns and of codes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glmstat.compute import Totals
from glmstat.gram import Products, level_gram
from glmstat.likelihood.base import Rows
from glmstat.matrix import Array
from glmstat.pieces import Piece, Split

__all__ = ["Accumulator", "Look", "without_empty"]


class Look(NamedTuple):
    """A run of rows whose columns stay where they are."""

    rows: slice
    pieces: list[Piece]
    eta: Array
    y: Array
    weights: Array


class Accumulator:
    """Sums of one block: objective and magnitude, score, and as many Grams as asked for."""

    def __init__(self, split: Split, rows: int, step: int, grams: int) -> None:
        self.objective = self.magnitude = 0.0
        self.split = split
        self.products = Products(split.plain, min(step, rows) if grams else 0, grams)
        coded = bool(split.coded)
        self.gradient = np.empty(rows) if coded else None
        self.weights = [np.empty(rows) for _ in range(grams)] if coded else []

    def add(self, look: Look, gradient: Array, *weights: Array) -> float | None:
        """Add a run: what codes need is kept to the end of the block.

        Returns
        -------
        The sum of the gradient's squares over the first weights, where these were added and are positive.
        """
        if self.gradient is not None:
            self.gradient[look.rows] = gradient
            for kept, weight in zip(self.weights, weights, strict=True):
                kept[look.rows] = weight
        if weights:
            return self.products.add(look.pieces, gradient, *weights)
        self.products.add_score(look.pieces, gradient)
        return None

    def totals(self) -> Totals:
        """Return the sums of the block."""
        split, products = self.split, self.products
        if self.gradient is None:
            return Totals(self.objective, self.magnitude, products.score, tuple(products.grams))
        score = np.zeros(split.width)
        score[split.places] = products.score
        for one in split.coded:
            score[one.places] = one.transposed(self.gradient)
        pairs = zip(self.weights, products.grams, strict=True)
        grams = tuple(level_gram(split, weight, gram) for weight, gram in pairs)
        return Totals(self.objective, self.magnitude, score, grams)


def without_empty(rows: Rows, weights: Array) -> Rows:
    """Return the rows; those of weight 0 count nothing, whatever their linear predictor."""
    if weights.all():
        return rows
    empty = weights == 0
    rows.objective[empty] = 0.0
    rows.gradient[empty] = 0.0
    for information in (rows.expected, rows.observed):
        if information is not None:
            information[empty] = 0.0
    return rows
