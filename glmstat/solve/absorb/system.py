"""Solutions of the effects' part of the information, the largest factor eliminated exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.matrix import Array
from glmstat.solve.absorb.sums import Bordered, Cross
from glmstat.solve.linear import Factored, factor

__all__ = ["DENSE", "ENOUGH", "PRECISION", "Redundant", "System", "conjugate_gradients"]

DENSE = 3_000  # effects of the other factors up to which their Schur complement is factored
PRECISION = 1e-13  # of conjugate gradients, relative to the right side, where the last digits count
ENOUGH = 1e-5  # the same for a step of the ascent, whose error the next one corrects
STEPS = 3_000


@dataclass(frozen=True, eq=False)
class Redundant:
    """Effects that follow from the others, whatever the weights.

    Parameters
    ----------
    count : how many.
    exact : whether that is counted; else a lower bound.
    pins : places among the effects of all factors but the first that may be held at 0; () where none are.
    sets : set of rows that each level of the first two factors belongs to; None where all are one.
    """

    count: int
    exact: bool
    pins: NDArray[np.intp]
    sets: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None


@dataclass(frozen=True, eq=False)
class System:
    """M z = r for the information M of the effects, which is singular: one of its solutions.

    All solutions add the same to the predictors of the rows.

    Parameters
    ----------
    first : (L,) weights of the largest factor's levels, the diagonal of its block.
    rest : weights of the other factors' levels (R,), in a row.
    border : (L, R) cross table of the largest factor with the others.
    inner : (R, R) cross tables among the others, their weights on the diagonal.
    redundant : effects that may be held at 0.
    precision : of solutions that are reached by iteration.
    """

    first: Array
    rest: Array
    border: Cross
    inner: Cross
    redundant: Redundant
    precision: float = PRECISION

    @classmethod
    def of(cls, information: Bordered, redundant: Redundant, precision: float = PRECISION) -> System:
        """Return the system of an information."""
        first, *others = (_positive(weights) for weights in information.weights)
        count = len(others)
        rest = np.concatenate(others) if others else np.zeros(0)
        border = _beside(information.crosses[:count]) if others else np.zeros((len(first), 0))
        inner = _inner(others, information.crosses[count:])
        return cls(first, rest, border, inner, redundant, precision)

    @cached_property
    def _shares(self) -> Cross:
        """The cross table (L, R) divided by the weights of its rows."""
        if isinstance(self.border, np.ndarray):
            return self.border / self.first[:, None]
        from scipy import sparse

        return sparse.csr_array(sparse.diags_array(1.0 / self.first) @ self.border)

    @cached_property
    def schur(self) -> Array:
        """The information (R, R) of the other factors, the largest eliminated."""
        eliminated = self.border.T @ self._shares
        inner = self.inner if isinstance(self.inner, np.ndarray) else self.inner.toarray()
        out = inner - (eliminated if isinstance(eliminated, np.ndarray) else eliminated.toarray())
        return 0.5 * (out + out.T)

    @cached_property
    def _free(self) -> NDArray[np.intp]:
        return np.setdiff1d(np.arange(len(self.rest)), self.redundant.pins)

    @cached_property
    def _factored(self) -> Factored:
        """The factor of the Schur complement; where rounding leaves it none, with a longer diagonal."""
        free = self._free
        schur = self.schur[np.ix_(free, free)]
        found, ridge = factor(schur), 1e-14
        while found is None:
            schur[np.diag_indices(len(free))] += ridge * self.rest[free]
            found, ridge = factor(schur), 100.0 * ridge
        return found

    def solve(self, right: Sequence[Array]) -> tuple[Array, ...]:
        """Return z, by factor, for right sides (m, L) by factor that M can reach."""
        own = right[0] / self.first
        if not len(self.rest):
            return (own,)
        other = np.concatenate(list(right[1:]), axis=1) - _times(right[0], self._shares)
        if len(self.rest) <= DENSE:
            found = self._dense(other)
        else:
            found, _ = conjugate_gradients(self.image, self.diagonal, other, self.precision)
        own = own - _times(found, self._shares.T)
        ends = np.cumsum([each.shape[1] for each in right[1:]])[:-1]
        return (own, *np.split(found, ends, axis=1))

    def _dense(self, right: Array) -> Array:
        out = np.zeros(right.shape)
        if len(self._free):
            out[:, self._free] = self._factored.solve(np.ascontiguousarray(right[:, self._free].T)).T
        return out

    @cached_property
    def diagonal(self) -> Array:
        """The diagonal of the Schur complement, nowhere less than rounding."""
        eliminated = self.border * self._shares
        sums = np.asarray(eliminated.sum(axis=0)).ravel()
        return np.maximum(self.rest - sums, 1e-10 * self.rest)

    def image(self, effects: Array) -> Array:
        """Return the Schur complement times rows (m, R)."""
        return _times(effects, self.inner) - _times(_times(effects, self._shares.T), self.border)


def conjugate_gradients(
    image: Callable[[Array], Array], diagonal: Array, right: Array, precision: float
) -> tuple[Array, bool]:
    """Return solutions (m, R) for right sides, in step, and whether all reached their precision.

    Parameters
    ----------
    image : the matrix times rows (m, R).
    diagonal : of the matrix.
    """
    out, left = np.zeros(right.shape), right.copy()
    scaled = left / diagonal
    direction, size = scaled.copy(), np.einsum("ij,ij->i", left, scaled)
    goal = size * precision**2
    for _ in range(STEPS):
        going = size > goal
        if not going.any():
            return out, True
        image_of = image(direction)
        bend = np.einsum("ij,ij->i", direction, image_of)
        going &= bend > 0
        length = _ratio(going, size, bend)
        out += length * direction
        left -= length * image_of
        scaled = left / diagonal
        before, size = size, np.where(going, np.einsum("ij,ij->i", left, scaled), 0.0)
        direction = scaled + _ratio(going, size, before) * direction
    return out, False


def _ratio(going: NDArray[np.bool_], top: Array, bottom: Array) -> Array:
    """Quotients (m, 1) of the right sides that go on, 0 for the others."""
    return np.divide(top, bottom, out=np.zeros(len(top)), where=going)[:, None]


def _times(rows: Array, table: Any) -> Array:
    """Rows (m, a) times a table (a, b)."""
    if isinstance(table, np.ndarray):
        return rows @ table
    return np.ascontiguousarray((table.T @ rows.T).T)


def _positive(weights: Array) -> Array:
    """Weights by level; one that has underflowed stands for a level that cannot move."""
    return np.where(weights > 0, weights, 1.0)


def _beside(tables: Sequence[Cross]) -> Cross:
    if all(isinstance(table, np.ndarray) for table in tables):
        return np.hstack(list(tables))
    from scipy import sparse

    return sparse.hstack([sparse.csr_array(table) for table in tables], format="csr")


def _inner(weights: list[Array], crosses: Sequence[Cross]) -> Cross:
    sizes = [len(each) for each in weights]
    starts = np.cumsum([0, *sizes])
    if sum(sizes) <= DENSE:
        out = np.diag(np.concatenate(weights)) if weights else np.zeros((0, 0))
        for (f, g), table in zip(_pairs(len(sizes)), crosses, strict=True):
            rows, columns = slice(starts[f], starts[f + 1]), slice(starts[g], starts[g + 1])
            out[rows, columns] = table if isinstance(table, np.ndarray) else table.toarray()
            out[columns, rows] = out[rows, columns].T
        return out
    from scipy import sparse

    blocks: list[list[Any]] = [[None] * len(sizes) for _ in sizes]
    for place, each in enumerate(weights):
        blocks[place][place] = sparse.diags_array(each)
    for (f, g), table in zip(_pairs(len(sizes)), crosses, strict=True):
        blocks[f][g], blocks[g][f] = sparse.csr_array(table), sparse.csr_array(table.T)
    return sparse.block_array(blocks, format="csr")


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(f, g) for f in range(count) for g in range(f + 1, count)]
