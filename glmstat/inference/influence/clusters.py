"""Clusters left out of a fit to first order, from their scores and their share of the information."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.inference.hat import leverage, touched
from glmstat.inference.score import frame_of
from glmstat.inference.variable import Grouping
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Deletions", "cluster_rows", "deletions"]

_HELD = 4_000_000  # numbers of the clusters' matrices that one pass sums
_ALL = 1.0 - 1e-8  # share of the information from which a cluster is all there is about a direction


class Deletions(NamedTuple):
    """What the fit loses with each of m clusters.

    rows (m,), sum of their hat values (m,), Cook's distance (m,), change of the coefficients (m, p), and
    whether some coefficient has no value without the cluster (m,).
    """

    rows: Array
    hat: Array
    cooks: Array
    change: Array
    alone: NDArray[np.bool_]


class _Parts(NamedTuple):
    """Sums over the rows of some clusters: rows (m,), whitened score (m, q) and information (m, q, q)."""

    rows: Array
    score: Array
    information: Array

    def __add__(self, other: _Parts) -> _Parts:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Parts(*(a + b for a, b in zip(self, other, strict=True)))


def deletions(fit: Fit, groups: Grouping, root: Array) -> Deletions:
    """Return the first step (J - J_g)⁻¹ U_g from the estimate to the fit without each cluster, sign reversed.

    U_g and J_g are the cluster's score and information, J that of all rows; Cook's distance is the squared
    length of the step in J, per coefficient and dispersion.

    Parameters
    ----------
    groups : the clusters.
    root : L (p, q) of `hat_root`.

    Source: Pregibon (1981), for one row; Preisser & Qaqish (1996), for clusters.
    """
    parts = [_deletions(part, root, fit) for part in _sums(fit, groups, root)]
    return Deletions(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def cluster_rows(fit: Fit, groups: Grouping) -> Array:
    """Return the number of rows (m,) of each cluster, as often as their frequency says."""

    def kernel(block: Block) -> Array:
        codes = groups.of(block)
        counts = block.frequencies
        inside = (codes >= 0) & (block.total > 0)
        return np.bincount(codes[inside], counts[inside], groups.count).astype(np.float64)

    return frame_of(fit, "influence").reduce(kernel)


def _sums(fit: Fit, groups: Grouping, root: Array) -> Iterator[_Parts]:
    """Yield the sums of as many clusters at a time as one pass can hold."""
    held, width = frame_of(fit, "influence"), root.shape[1]
    step = max(1, _HELD // (width * width))
    for first in range(0, groups.count, step):
        last = min(first + step, groups.count)

        def kernel(block: Block, first: int = first, last: int = last) -> _Parts:
            return _block_sums(fit, block, root, groups.of(block) - first, last - first)

        yield held.reduce(kernel)


def _block_sums(fit: Fit, block: Block, root: Array, codes: IntArray, count: int) -> _Parts:
    width = root.shape[1]
    out = _Parts(np.zeros(count), np.zeros((count, width)), np.zeros((count, width, width)))
    inside = np.flatnonzero((codes >= 0) & (codes < count) & (block.total > 0))
    order = inside[np.argsort(codes[inside], kind="stable")]
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    rows = leverage(fit, block, root)
    counts = block.frequencies
    for chosen in np.split(order, starts[1:]) if len(order) else ():
        place = codes[chosen[0]]
        projected, counted = rows.projected[chosen], counts[chosen]
        out.rows[place] = counted.sum()
        out.score[place] = projected.T @ (counted * rows.gradient[chosen])
        out.information[place] = (projected.T * (counted * rows.information[chosen])) @ projected
    return out


def _deletions(part: _Parts, root: Array, fit: Fit) -> Deletions:
    values, vectors = np.linalg.eigh(part.information)
    alone = values > _ALL
    turned = np.einsum("gij,gi->gj", vectors, part.score)
    step = np.where(alone, 0.0, turned / np.where(alone, 1.0, 1.0 - values))
    change = np.einsum("gij,gj->gi", vectors, step) @ root.T
    with np.errstate(all="ignore"):
        cooks = np.sum(step**2, axis=1) / (fit.dispersion * fit.estimate.rank)
    for group in np.flatnonzero(alone.any(axis=1)):
        change[group, touched(vectors[group][:, alone[group]].T, root).any(axis=0)] = np.nan
        cooks[group] = np.nan
    hat = np.trace(part.information, axis1=1, axis2=2)
    return Deletions(part.rows, hat, cooks, change, np.asarray(alone.any(axis=1)))
