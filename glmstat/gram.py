"""Weighted products Z'WZ of a block: of columns written run by run, and of codes by sums over levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glmstat.coded import Coded
from glmstat.parts import Array, Constant
from glmstat.pieces import Piece, Split

__all__ = ["LevelGram", "Products", "level_gram"]

CROSS_CELLS = 10_000_000  # cells of a table of two factors from which it is kept sparse
_CHUNK_CELLS = 1_000_000
_SMALLEST = 1e-290  # weight from which the residual over its root cannot overflow


class Products:
    """Sums of weighted products of the written columns of a block, and of their score."""

    def __init__(self, width: int, rows: int, grams: int) -> None:
        self.score = np.zeros(width)
        self.grams = [np.zeros((width, width)) for _ in range(grams)]
        self._scaled = np.zeros((-4 * (-(width + 1) // 4), rows))  # BLAS is fastest at multiples of 4

    def add_score(self, pieces: list[Piece], gradient: Array) -> None:
        """Add Z'gradient."""
        for columns, values in pieces:
            self.score[columns] += values @ gradient

    def add(self, pieces: list[Piece], gradient: Array | None, *weights: Array) -> float | None:
        """Add Z'WZ for each of some weights (m,) and Z'gradient, in one product with the first of them.

        Returns
        -------
        The sum of the gradient's squares over the first weights; None where one of these is not positive.
        """
        squares = None
        for number, weight in enumerate(weights):
            one = gradient if number == 0 else None
            if weight.min(initial=np.inf) > _SMALLEST:
                found = self._add(pieces, number, np.sqrt(weight), one)
                squares = found if number == 0 else squares
            else:
                self._add_any(pieces, number, weight, one)
        return squares

    def _add(
        self, pieces: list[Piece], number: int, root: Array, gradient: Array | None, sign: float = 1.0
    ) -> float | None:
        width, length = len(self.score), len(root)
        scaled = self._scaled[:, :length]
        for columns, values in pieces:
            np.multiply(values, root, out=scaled[columns])
        if gradient is not None:
            np.divide(gradient, root, out=scaled[width])
        product = scaled @ scaled.T  # BLAS sees one matrix and does half the work
        gram = product[:width, :width]
        self.grams[number] += gram if sign > 0 else -gram
        if gradient is None:
            return None
        self.score += product[:width, width]
        return float(product[width, width])

    def _add_any(self, pieces: list[Piece], number: int, weight: Array, gradient: Array | None) -> None:
        """Weights that may be 0 or negative, as observed information is off its maximum."""
        self._add(pieces, number, np.sqrt(np.maximum(weight, 0.0)), None)
        below = np.flatnonzero(weight < 0.0)
        if len(below):
            rows = [Piece(columns, values[:, below]) for columns, values in pieces]
            self._add(rows, number, np.sqrt(-weight[below]), None, -1.0)
        if gradient is not None:
            self.add_score(pieces, gradient)


@dataclass(frozen=True, eq=False)
class LevelGram:
    """Z'WZ before factors are coded: products of the written columns, and sums by level.

    Two of different blocks can be added; `matrix` gives Z'WZ of all columns.

    Parameters
    ----------
    plain : Z'WZ of the written columns (d, d).
    mixed : of each factor, sums by level of the written columns (levels, d).
    own : of each factor, sums by level (levels,) of its squared multipliers.
    crossed : of each pair of factors, sums by pair of levels, sparse where these are very many; by level
        (levels,) where both are of the same codes.
    split : the columns, of any block.
    """

    plain: Array
    mixed: tuple[Array, ...]
    own: tuple[Array, ...]
    crossed: tuple[Any, ...]
    split: Split

    def __add__(self, other: LevelGram) -> LevelGram:
        return LevelGram(
            self.plain + other.plain,
            tuple(map(np.add, self.mixed, other.mixed)),
            tuple(map(np.add, self.own, other.own)),
            tuple(a + b for a, b in zip(self.crossed, other.crossed, strict=True)),
            self.split,
        )

    def matrix(self) -> Array:
        """Return Z'WZ (q, q)."""
        split, width = self.split, self.split.width
        out = np.zeros((width, width))
        out[np.ix_(split.places, split.places)] = self.plain
        for one, mixed, own in zip(split.coded, self.mixed, self.own, strict=True):
            beside = one.coding.collected(mixed)
            out[np.ix_(one.places, split.places)] = beside
            out[np.ix_(split.places, one.places)] = beside.T
            _put_diagonal(out, one, one, own)
        for (first, second), crossed in zip(_pairs(split.coded), self.crossed, strict=True):
            if crossed.ndim == 1:
                _put_diagonal(out, first, second, crossed)
                continue
            table = first.coding.collected(crossed)
            table = second.coding.collected(table.T)
            table = table.toarray() if not isinstance(table, np.ndarray) else table
            out[np.ix_(second.places, first.places)] = table
            out[np.ix_(first.places, second.places)] = table.T
        return out


def _put_diagonal(out: Array, first: Coded, second: Coded, sums: Array) -> None:
    """Write A' diag(sums) B, and its transpose, for two codings A and B of the same levels."""
    one, other = first.coding, second.coding
    if one.chosen is None or other.chosen is None:
        table = one.collected(sums[:, None] * other.levelled(np.eye(other.width)))
        out[np.ix_(first.places, second.places)] = table
        out[np.ix_(second.places, first.places)] = table.T
        return
    column = np.full(one.levels, -1)
    column[other.chosen] = np.arange(other.width)
    found = column[one.chosen]
    rows, columns = np.flatnonzero(found >= 0), found[found >= 0]
    values = sums[one.chosen[rows]]
    values = values if one.scale is None else values * one.scale[rows]
    values = values if other.scale is None else values * other.scale[columns]
    out[first.places[rows], second.places[columns]] = values
    out[second.places[columns], first.places[rows]] = values


def _pairs(coded: tuple[Coded, ...]) -> list[tuple[Coded, Coded]]:
    return [(first, second) for k, first in enumerate(coded) for second in coded[k + 1 :]]


def level_gram(split: Split, weight: Array, plain: Array) -> LevelGram:
    """Return Z'WZ of a block by sums over levels.

    Parameters
    ----------
    split : its columns.
    weight : of its rows (n,).
    plain : Z'WZ of the columns that are written, which runs have added up.
    """
    by_multiplier = [weight if one.multiplier is None else weight * one.multiplier for one in split.coded]
    own = tuple(one.sums(values) for one, values in zip(split.coded, by_multiplier, strict=True))
    return LevelGram(
        plain,
        _mixed(split, by_multiplier, own),
        own,
        tuple(
            _crossed(first, second, by_multiplier[k])
            for k, first in enumerate(split.coded)
            for second in split.coded[k + 1 :]
        ),
        Split(split.width, split.places, (), tuple(_without_rows(one) for one in split.coded)),
    )


def _without_rows(one: Coded) -> Coded:
    """What remains of the columns when their rows are summed."""
    return Coded(one.places, one.codes[:0], one.coding)


def _crossed(first: Coded, second: Coded, values: Array) -> Any:
    if second.multiplier is not None:
        values = values * second.multiplier
    if first.codes is second.codes:
        return np.bincount(first.codes, values, first.coding.levels)
    shape = first.coding.levels, second.coding.levels
    if shape[0] * shape[1] > CROSS_CELLS:
        from scipy.sparse import coo_array

        return coo_array((values, (first.codes, second.codes)), shape).tocsr()
    codes = first.codes * shape[1]
    codes += second.codes
    return np.bincount(codes, values, shape[0] * shape[1]).reshape(shape)


def _mixed(split: Split, by_multiplier: list[Array], own: tuple[Array, ...]) -> tuple[Array, ...]:
    """Sums by level of every written column."""
    ones = _ones(split)
    out = tuple(np.zeros((one.coding.levels, split.plain), order="F") for one in split.coded)
    rows = len(by_multiplier[0])
    step = max(4096, _CHUNK_CELLS // max(split.written, 1))
    plain = next((k for k, one in enumerate(split.coded) if one.multiplier is None), None)
    for part, pieces in split.runs(rows, step):
        for columns, values in pieces:
            for place, column in enumerate(values, columns.start):
                if place in ones:
                    continue
                shared = None if plain is None else by_multiplier[plain][part] * column
                for one, weight, sums in zip(split.coded, by_multiplier, out, strict=True):
                    product = shared if one.multiplier is None else weight[part] * column
                    sums[:, place] += np.bincount(one.codes[part], product, one.coding.levels)
    for place in ones:
        for one, weight, sums, known in zip(split.coded, by_multiplier, out, own, strict=True):
            whole = known if one.multiplier is None else np.bincount(one.codes, weight, one.coding.levels)
            sums[:, place] = whole
    return out


def _ones(split: Split) -> set[int]:
    """Places of the columns of ones among those that are written."""
    return {
        source.columns.start + place.start - source.buffer.start
        for source in split.sources
        for place, part in source.parts
        if isinstance(part, Constant)
    }
