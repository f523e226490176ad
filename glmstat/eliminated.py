"""Roots of matrices in which many columns exclude each other: their block, a diagonal, is eliminated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from glmstat.matrix import Array, IntArray
from glmstat.triangular import cholesky, cholesky_solve, triangular_inverse

__all__ = ["Eliminated", "eliminate", "exclusive", "reciprocal_of_swept"]

_LEAST = 32  # columns that exclude each other from which it is worth while to eliminate them
_ROWS = 128  # whose absolute values are summed at a time


@dataclass(frozen=True, eq=False)
class Eliminated:
    """R with R'R = J, upper triangular once the columns of a run, whose block of J is a diagonal, come first.

    In that order R = [[diag(own), beside], [0, rest]].

    Parameters
    ----------
    run : the columns (m of them) that exclude each other.
    own, beside, rest : the parts (m,), (m, r) and (r, r) of R.
    """

    run: slice
    own: Array
    beside: Array
    rest: Array

    def __len__(self) -> int:
        return len(self.own) + len(self.rest)

    @property
    def pivots(self) -> Array:
        """What the columns before leave of each column's square (q,), in the order of J."""
        return self._joined(np.square(self.own), np.square(self.rest.diagonal()))

    @property
    def order(self) -> IntArray:
        """Places of the columns of J (q,) in the order in which R is triangular."""
        begin, end, _ = self.run.indices(len(self))
        return np.r_[begin:end, 0:begin, end : len(self)]

    def solve(self, right: Array) -> Array:
        """Return J⁻¹ right, which is one column (q,) or several (q, k)."""
        own = self.own if right.ndim == 1 else self.own[:, None]
        first, others = self._parted(right)
        first = first / own
        others = cholesky_solve(self.rest, others - self.beside.T @ first)
        return self._joined((first - self.beside @ others) / own, others)

    def times(self, vector: Array) -> Array:
        """Return R vector."""
        first, others = self._parted(vector)
        return np.concatenate([self.own * first + self.beside @ others, self.rest @ others])

    def scale(self, size: Array) -> None:
        """Become the root of diag(size) J diag(size)."""
        first, others = self._parted(size)
        self.own[:] *= first
        self.beside[:] *= others
        self.rest[:] *= others

    def dense(self) -> Array:
        """Return R (q, q), upper triangular, its columns in the order of `order`."""
        count = len(self.own)
        out = np.zeros((len(self),) * 2)
        np.fill_diagonal(out[:count, :count], self.own)
        out[:count, count:], out[count:, count:] = self.beside, self.rest
        return out

    @cached_property
    def _inverse(self) -> tuple[Array, Array] | None:
        """The parts (m, r) and (r, r) of R⁻¹ beside 1 / own."""
        rest = triangular_inverse(self.rest)
        if rest is None:
            return None
        above = self.beside @ rest
        above /= -self.own[:, None]
        return above, rest

    def inverse(self) -> Array | None:
        """Return L (q, q) with L L' = J⁻¹, rows in the order of J; None where R is singular."""
        if self._inverse is None:
            return None
        above, rest = self._inverse
        count, (begin, end, _) = len(self.own), self.run.indices(len(self))
        out = np.zeros((len(self),) * 2)
        np.fill_diagonal(out[begin:end, :count], 1.0 / self.own)
        out[begin:end, count:] = above
        out[:begin, count:], out[end:, count:] = rest[:begin], rest[begin:]
        return out

    def sizes(self) -> Array:
        """Return the roots of the diagonal of J⁻¹ (q,); NaN where R is singular."""
        if self._inverse is None:
            return np.full(len(self), np.nan)
        above, rest = self._inverse
        first = np.hypot(1.0 / self.own, np.sqrt(np.einsum("ij,ij->i", above, above)))
        return self._joined(first, np.sqrt(np.einsum("ij,ij->i", rest, rest)))

    def size_of(self, weights: Array) -> float:
        """Return the root of weights' J⁻¹ weights."""
        if self._inverse is None:
            return float("nan")
        above, rest = self._inverse
        first, others = self._parted(weights)
        return float(
            np.hypot(np.linalg.norm(first / self.own), np.linalg.norm(first @ above + others @ rest))
        )

    def _parted(self, values: Array) -> tuple[Array, Array]:
        begin, end, _ = self.run.indices(len(values))
        return values[begin:end], np.concatenate([values[:begin], values[end:]])

    def _joined(self, first: Array, others: Array) -> Array:
        begin = self.run.start
        return np.concatenate([others[:begin], first, others[begin:]])


def exclusive(matrix: Array) -> slice | None:
    """Return the longest run of columns whose block of a symmetric matrix is a diagonal, to the bit.

    None where it is short; one column at least is left out. Levels of a factor are such a run, as long as
    they are not centred.

    >>> exclusive(np.eye(40)), exclusive(np.ones((40, 40)))
    (slice(0, 39, None), None)
    """
    edges = [0, *(np.flatnonzero(matrix.diagonal(1)) + 1).tolist(), len(matrix)]
    found = slice(0, 0)
    for begin, end in pairwise(edges):
        if end - begin > max(found.stop - found.start, _LEAST - 1):
            run = _longest(matrix[begin:end, begin:end])
            if run.stop - run.start > found.stop - found.start:
                found = slice(begin + run.start, begin + run.stop)
    found = slice(found.start, min(found.stop, found.start + len(matrix) - 1))
    return found if found.stop - found.start >= _LEAST else None


def _longest(block: Array) -> slice:
    places = np.arange(len(block))
    met = np.tril(block != 0.0, -1)
    last = np.where(met.any(axis=1), places[-1] - met[:, ::-1].argmax(axis=1), -1)
    begin = np.maximum.accumulate(last) + 1  # of the longest run that ends with each column
    end = int((places - begin).argmax())
    return slice(int(begin[end]), end + 1)


def eliminate(matrix: Array, size: Array, run: slice) -> tuple[Eliminated, float] | None:
    """Return the root of J with a unit diagonal, and the reciprocal condition of that J; None if it has none.

    Parameters
    ----------
    matrix : J (q, q) as it is.
    size : roots of its diagonal (q,).
    run : columns whose block of it is a diagonal.
    """
    begin, end, _ = run.indices(len(size))
    others = np.r_[0:begin, end : len(size)]
    beside = matrix[begin:end][:, others]
    beside /= size[begin:end, None]
    beside /= size[others]
    rest = matrix[np.ix_(others, others)] / size[others] / size[others, None]
    root = cholesky(rest - beside.T @ beside)
    if root is None:
        return None
    found = Eliminated(slice(begin, end), np.ones(end - begin), beside, root)
    norm = _norm(beside, 1.0, np.abs(rest).sum(axis=0))
    return found, _reciprocal(norm, found.solve, len(size))


def reciprocal_of_swept(found: Eliminated) -> float:
    """Return the reciprocal condition of J with its first column swept out, 0 where that would cancel.

    Parameters
    ----------
    found : the root of J with a unit diagonal; the first column is none of its run.
    """
    rest = found.rest.T @ found.rest + found.beside.T @ found.beside
    first, others = found.beside[:, 0], rest[0, 1:]
    left, beyond = 1.0 - first * first, 1.0 - others * others
    if min(left.min(initial=1.0), beyond.min(initial=1.0)) < 0.5:
        return 0.0
    left, beyond = np.sqrt(left), np.sqrt(beyond)
    share = np.abs(first) / left
    across = np.outer(first, -others)
    across += found.beside[:, 1:]
    across /= left[:, None]
    across /= beyond
    corner = np.abs((rest[1:, 1:] - np.outer(others, others)) / beyond / beyond[:, None])
    norm = _norm(across, 1.0 + share * (share.sum() - share), corner.sum(axis=0))
    size = found._joined(left, np.r_[0.0, beyond])
    return _reciprocal(norm, lambda right: size * found.solve(size * right), len(size))


def _norm(beside: Array, first: Array | float, others: Array) -> float:
    """1-norm of [[D, B], [B', C]], from B and what the columns of D and C have in sum."""
    rows, columns = np.zeros(len(beside)), others.copy()
    for start in range(0, len(beside), _ROWS):
        size = np.abs(beside[start : start + _ROWS])
        rows[start : start + _ROWS] = size.sum(axis=1)
        columns += size.sum(axis=0)
    return float(max((rows + first).max(), columns.max(initial=0.0)))


def _reciprocal(norm: float, solve: Callable[[Array], Array], length: int) -> float:
    """Return 1 / (norm times an estimate of the 1-norm of a symmetric inverse).

    Source: Higham (2002), Accuracy and Stability of Numerical Algorithms, algorithm 15.1.
    """
    point = np.full(length, 1.0 / length)
    found = solve(point)
    signs, largest = np.copysign(1.0, found), float(np.abs(found).sum())
    for _ in range(4):
        slope = solve(signs)
        place = int(np.abs(slope).argmax())
        if np.abs(slope[place]) <= slope @ point:
            break
        point = np.zeros(length)
        point[place] = 1.0
        found = solve(point)
        size, turned = float(np.abs(found).sum()), np.copysign(1.0, found)
        if size <= largest:
            break
        largest = size
        if np.array_equal(turned, signs):
            break
        signs = turned
    waves = (1.0 + np.arange(length) / max(length - 1, 1)) * (-1.0) ** np.arange(length)
    largest = max(largest, 2.0 * float(np.abs(solve(waves)).sum()) / (3.0 * length))
    return 1.0 / (norm * largest) if norm * largest > 0 else 0.0
