"""Factors as codes: columns that are never written out, for their products need sums by level only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.array import remembered
from glmstat.parts import Array, Factor, IntArray, Part, Product, write

__all__ = ["MANY_LEVELS", "Coded", "Coding", "coded", "is_coded"]

MANY_LEVELS = 16  # columns from which sums by level cost less than columns written out
_BESIDE = 8  # columns that may multiply the levels of one product
_CODING_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Coding:
    """What each level of a factor is in the factor's columns: A (levels, k).

    Parameters
    ----------
    levels : number of them.
    chosen : level (k,) of which each column is the indicator, or None.
    matrix : A where the columns are no indicators, else None.
    scale : of each column (k,), or None for 1.

    >>> Coding(3, np.array([1, 2])).levelled(np.array([5.0, 7.0]))
    array([0., 5., 7.])
    """

    levels: int
    chosen: IntArray | None
    matrix: Array | None = None
    scale: Array | None = None

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.chosen) if self.chosen is not None else self._matrix.shape[1]

    @property
    def _matrix(self) -> Array:
        assert self.matrix is not None
        return self.matrix

    def levelled(self, beta: Array) -> Array:
        """Return A beta, (levels,) or (levels, k)."""
        if self.chosen is None:
            return self._matrix @ beta
        out = np.zeros((self.levels, *beta.shape[1:]))
        out[self.chosen] = beta if self.scale is None else (beta.T * self.scale).T
        return out

    def collected(self, sums: Any) -> Any:
        """Return A' sums, (k,) or (k, m), for sums by level."""
        if self.chosen is None:
            return (sums.T @ self._matrix).T
        taken = sums[self.chosen]
        return taken if self.scale is None else (taken.T * self.scale).T

    def sized(self) -> Coding:
        """Return the coding with the absolute values of A."""
        if self.chosen is None:
            return replace(self, matrix=np.abs(self._matrix))
        return self if self.scale is None else replace(self, scale=np.abs(self.scale))

    def take(self, columns: IntArray) -> Coding:
        """Return the coding of some of the columns."""
        if len(columns) == self.width:
            return self
        if self.chosen is None:
            return replace(self, matrix=self._matrix[:, columns])
        scale = None if self.scale is None else self.scale[columns]
        return replace(self, chosen=self.chosen[columns], scale=scale)

    def moved(self, centre: Array, scale: Array) -> Coding:
        """Return the coding of (column - centre) * scale."""
        if not centre.any():
            if (scale == 1.0).all():
                return self
            if self.chosen is not None:
                return replace(self, scale=scale if self.scale is None else self.scale * scale)
        return Coding(self.levels, None, (self.levelled(np.eye(self.width)) - centre) * scale)


@dataclass(frozen=True, eq=False)
class Coded:
    """Columns of a factor, or of its products, in one block.

    Parameters
    ----------
    places : of the columns in the design (k,), rising.
    codes : level of each row (n,).
    coding : what a level is in the columns.
    multiplier : number that multiplies each row (n,), or None.
    """

    places: IntArray
    codes: IntArray
    coding: Coding
    multiplier: Array | None = None

    @cached_property
    def multiplied(self) -> bool:
        """Whether rows are multiplied."""
        return self.multiplier is not None

    def predictor(self, beta: Array) -> Array:
        """Return the columns times beta, (n,) or (n, k)."""
        out = np.take(self.coding.levelled(beta), self.codes, axis=0, mode="clip")
        if self.multiplier is not None:
            out = (out.T * self.multiplier).T
        return out

    def sums(self, values: Array) -> Array:
        """Return the sums by level of the multiplier times values (n,)."""
        if self.multiplier is not None:
            values = values * self.multiplier
        return np.bincount(self.codes, values, self.coding.levels).astype(np.float64, copy=False)

    def transposed(self, values: Array) -> Array:
        """Return the transposed columns times values (n,)."""
        return self.coding.collected(self.sums(values))


def is_coded(part: Part) -> bool:
    """Return whether a part is kept as codes: a question of the formula alone, the same in every block.

    >>> is_coded(Factor(np.array([0, 1]), np.eye(2))), is_coded(Factor(np.array([0, 1]), np.eye(50)))
    (False, True)
    """
    if isinstance(part, Factor):
        return part.width >= MANY_LEVELS
    if not isinstance(part, Product):
        return False
    factors, beside = _factors(part)
    if prod(one.width for one in factors) < MANY_LEVELS or prod(one.width for one in beside) > _BESIDE:
        return False
    if len(factors) == 1 or all(_indicator(one.coding) is not None for one in factors):
        return True
    return prod(one.coding.size for one in factors) <= _CODING_CELLS


def _factors(part: Product) -> tuple[list[Factor], list[Part]]:
    factors = [one for one in part.parts if isinstance(one, Factor)]
    return factors, [one for one in part.parts if not isinstance(one, Factor)]


def coded(part: Part, place: int, rows: int, whole: dict[tuple[int, ...], IntArray]) -> list[Coded]:
    """Return the columns of a part, which stand at `place` and further on, as codes.

    Parameters
    ----------
    part : a factor or a product with factors.
    place : of its first column in the design.
    rows : of the block.
    whole : codes made so far by the factors that they are of; parts of one factor share theirs.
    """
    if isinstance(part, Factor):
        codes, coding = _joined([part], whole)
        return [Coded(np.arange(place, place + part.width), codes, coding)]
    assert isinstance(part, Product)
    factors, beside = _factors(part)
    steps = np.cumprod([1, *(one.width for one in part.parts)])[:-1]
    own = [step for step, one in zip(steps, part.parts, strict=True) if isinstance(one, Factor)]
    others = [step for step, one in zip(steps, part.parts, strict=True) if not isinstance(one, Factor)]
    codes, coding = _joined(factors, whole)
    places = place + _crossed([(step, one.width) for step, one in zip(own, factors, strict=True)])
    if not beside:
        return [Coded(places, codes, coding)]
    out = []
    columns = [_columns(one, rows) for one in beside]
    for chosen in product(*(range(one.width) for one in beside)):
        shift = sum(step * number for step, number in zip(others, chosen, strict=True))
        multiplier = prod((values[number] for values, number in zip(columns, chosen, strict=True)), start=1.0)
        out.append(Coded(places + shift, codes, coding, np.asarray(multiplier)))
    return out


def _columns(part: Part, rows: int) -> Array:
    out = np.empty((part.width, rows))
    write((part,), out, 0, rows)
    return out


def _crossed(sides: Sequence[tuple[int, int]]) -> IntArray:
    """Places of the products of columns, the first side's fastest, from (distance, width) of each side."""
    places = np.zeros(1, np.intp)
    for step, width in sides:
        places = (places + step * np.arange(width)[:, None]).ravel()
    return places


def _joined(factors: Sequence[Factor], whole: dict[tuple[int, ...], IntArray]) -> tuple[IntArray, Coding]:
    """Codes and coding of the combinations of levels."""
    coding = _coding(factors[0].coding)
    key = tuple(id(factor.codes) for factor in factors)
    known = whole.get(key)
    codes = known if known is not None else _whole(factors[0].codes)
    for factor in factors[1:]:
        if known is None:
            codes = codes + coding.levels * _whole(factor.codes)
        coding = _both(coding, _coding(factor.coding))
    whole[key] = codes
    return codes, coding


def _both(first: Coding, second: Coding) -> Coding:
    levels = first.levels * second.levels
    if first.chosen is not None and second.chosen is not None:
        return Coding(levels, (first.chosen + first.levels * second.chosen[:, None]).ravel())
    whole = (one.levelled(np.eye(one.width)) for one in (second, first))
    return Coding(levels, None, np.asarray(np.kron(*whole), np.float64))


def _whole(codes: NDArray[Any]) -> IntArray:
    return np.ascontiguousarray(codes, dtype=np.intp)


def _coding(matrix: Array) -> Coding:
    chosen = _indicator(matrix)
    return Coding(len(matrix), chosen, None if chosen is not None else matrix)


@remembered  # a coding is looked through once, not in every block
def _indicator(matrix: Array) -> IntArray | None:
    """Level (k,) of which each column is the indicator, none twice; None where they are no indicators."""
    if np.count_nonzero(matrix) != matrix.shape[1]:
        return None
    levels, columns = np.nonzero(matrix)
    chosen = np.zeros(matrix.shape[1], np.intp)
    chosen[columns] = levels
    once = len(np.unique(columns)) == len(np.unique(levels)) == len(columns)
    return chosen if once and bool((matrix[levels, columns] == 1.0).all()) else None
