"""Sums of rows by group, and what clustered covariances sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.data.reduce import single_blas_thread
from glmstat.inference.score import at_infinity, finite_predictor, frame_of, projected
from glmstat.inference.variable import Grouping
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = [
    "GroupSums",
    "equal_sizes",
    "expected_information",
    "group_leverages",
    "group_scores",
    "in_runs",
    "one_thread",
    "outer",
    "products_by_group",
]

_CELLS = 2_000_000  # numbers of row-wise products held at once


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums over the rows of each group, for one or several ways of grouping; they can be added.

    Parameters
    ----------
    codes : for each way, the sorted codes (g,) of the groups that occur.
    values : for each way, their sums (g, m).
    """

    codes: tuple[IntArray, ...]
    values: tuple[Array, ...]

    @classmethod
    def of(cls, codes: Sequence[IntArray], rows: Array) -> GroupSums:
        """Return the sums of rows (n, m) by the codes (n,) of each way.

        >>> GroupSums.of([np.array([1, 0, 1])], np.array([[1.0], [2.0], [4.0]])).values
        (array([[2.],
               [5.]]),)
        """
        parts = [_sorted_sums(way, rows) for way in codes]
        return cls(tuple(part[0] for part in parts), tuple(part[1] for part in parts))

    def __add__(self, other: GroupSums) -> GroupSums:
        pairs = zip(self.codes, self.values, other.codes, other.values, strict=True)
        parts = [_merged(*pair) for pair in pairs]
        return GroupSums(tuple(part[0] for part in parts), tuple(part[1] for part in parts))

    def whole(self, counts: Sequence[int]) -> list[Array]:
        """Return the sums (count, m) of all groups of each way, 0 for those that do not occur."""
        out = []
        for codes, values, count in zip(self.codes, self.values, counts, strict=True):
            out.append(np.zeros((count, values.shape[1])))
            out[-1][codes] = values
        return out


def group_scores(fit: Fit, root: Array, ways: Sequence[Grouping], data: Any = None) -> list[Array]:
    """Return the scores for dispersion 1, times root (p, q), summed by group: (G, q) for each way.

    One pass, memory G q for each way. A row that counts f times is f rows of its group.
    """

    def kernel(block: Block) -> GroupSums:
        rows = projected(fit, block, root)
        counted = rows if block.frequency is None else rows * block.frequency[:, None]
        return GroupSums.of([way.of(block) for way in ways], counted)

    sums = frame_of(fit, "A covariance by groups", data).reduce(kernel)
    return sums.whole([way.count for way in ways])


def group_leverages(fit: Fit, root: Array, way: Grouping, data: Any = None) -> Array:
    """Return S (G, q, q), S_j = L'J_j L with J_j the expected information of a group and L = root (p, q).

    Each group's share of the information: they add up to 1. One pass, memory some times G q q.
    """
    predictors, width = fit.spec.design.predictors, root.shape[1]
    frame = frame_of(fit, "A covariance by groups", data)

    def kernel(block: Block) -> GroupSums:
        columns = [X.dot(root[part.slots]) for X, part in zip(block.X, predictors, strict=True)]
        information = expected_information(fit, block)
        if block.frequency is not None:
            information = information * block.frequency[:, None, None]
        lefts = [_weighted(columns, information[:, :, j]) for j in range(len(columns))]
        return products_by_group(way.of(block), lefts, columns)

    with one_thread(frame.rows * width):
        total = frame.reduce(kernel).whole([way.count])[0]
    return total.reshape(way.count, width, width)


def _weighted(columns: Sequence[Array], weights: Array) -> Array:
    """Σ of the columns (n, q) of each predictor times its weights (n, K)."""
    total = columns[0] * weights[:, :1]
    for place in range(1, len(columns)):
        total += columns[place] * weights[:, place, None]
    return total


def products_by_group(codes: IntArray, lefts: Sequence[Array], rights: Sequence[Array]) -> GroupSums:
    """Return, for the rows of each code, the symmetric part of Σ left'right of pairs (n, q): (g, q q)."""
    names, own = np.unique(codes, return_inverse=True)
    width = rights[0].shape[1]
    total = np.zeros((len(names), width, width))
    for groups, places in equal_sizes(own, max(1, _CELLS // (width * max(1, len(rights))))):
        found = sum(
            np.swapaxes(left[places], 1, 2) @ right[places] for left, right in zip(lefts, rights, strict=True)
        )
        total[groups] = 0.5 * (found + np.swapaxes(found, 1, 2))
    return GroupSums((names,), (total.reshape(len(names), width * width),))


def equal_sizes(codes: IntArray, cells: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield groups (g,) of one size m at a time and the places of their rows (g, m), g m about `cells`."""
    order = np.argsort(codes, kind="stable")
    names, starts, sizes = np.unique(codes[order], return_index=True, return_counts=True)
    for size in np.unique(sizes).tolist():
        chosen = np.flatnonzero(sizes == size)
        step = max(1, cells // size)
        for start in range(0, len(chosen), step):
            some = chosen[start : start + step]
            yield names[some], order[starts[some][:, None] + np.arange(size)]


def one_thread(cells: int) -> AbstractContextManager[None]:
    """Return the context of many small products of matrices; little data are not worth it."""
    return single_blas_thread() if cells > _CELLS else nullcontext()


def expected_information(fit: Fit, block: Block) -> Array:
    """Return the expected information (n, K, K) of each row; 0 where separation predicts it perfectly.

    A row that counts several times has the information of one.
    """
    estimate, design = fit.estimate, fit.spec.design
    eta = finite_predictor(estimate, block.X, block.offset, design)
    expected = fit.spec.likelihood.rows(block.y, eta, block.weights, information="expected").expected
    assert expected is not None
    signs = at_infinity(estimate, block.X, design)
    return expected if signs is None else np.where((signs != 0).any(axis=1)[:, None, None], 0.0, expected)


def outer(left: Array, right: Array) -> Array:
    """Return the products (n, q q) of each row of two matrices (n, q)."""
    return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)


def in_runs(codes: IntArray, products: Callable[[slice], Array], width: int) -> GroupSums:
    """Return the sums by group of `products(rows)` (n, m), made for few rows at once: m is about width²."""
    step = max(1, _CELLS // max(1, width * width))
    names, places = np.unique(codes, return_inverse=True)
    total = None
    for start in range(0, len(codes), step):
        rows = slice(start, start + step)
        some, sums = _sorted_sums(places[rows], products(rows))
        total = np.zeros((len(names), sums.shape[1])) if total is None else total
        total[some] += sums
    assert total is not None
    return GroupSums((names,), (total,))


def _sorted_sums(codes: IntArray, rows: Array) -> tuple[IntArray, Array]:
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return ordered[starts], np.add.reduceat(rows[order], starts, axis=0)


def _merged(
    codes: IntArray, values: Array, other_codes: IntArray, other_values: Array
) -> tuple[IntArray, Array]:
    if np.array_equal(codes, other_codes):
        return codes, values + other_values
    both = np.sort(np.concatenate([codes, other_codes]), kind="stable")  # two sorted runs: merged, not sorted
    both = both[np.diff(both, prepend=-1) > 0]
    total = np.zeros((len(both), values.shape[1]))
    total[np.searchsorted(both, codes)] = values
    total[np.searchsorted(both, other_codes)] += other_values
    return both, total
