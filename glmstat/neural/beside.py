"""Arrays that stand beside the rows of a frame: where a block's rows are in them, and sums with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from glmstat.compute import Triangle
from glmstat.frame import Coordinates, ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, IntArray
from glmstat.triangular import triangle

__all__ = [
    "arrays_of",
    "columns_of",
    "residuals",
    "restricted",
    "row_information",
    "rows_of",
    "solve_triangle",
    "triangle_of",
]

_DETERMINED = 1e-11  # share of a column's length that others leave: R's glm calls it aliased below


def rows_of(frame: ModelFrame, block: Block) -> Any:
    """Return where the rows of a block stand among all that enter: an index of arrays (n,)."""
    kept = frame.rows_kept
    run = np.arange(block.start, block.start + len(block.y)) if block.rows is None else block.rows
    if kept is None:
        return slice(block.start, block.start + len(block.y)) if block.rows is None else run
    return np.searchsorted(kept, run)


def columns_of(frame: ModelFrame, slots: IntArray) -> Array:
    """Return some columns of all rows (n, k)."""
    return np.concatenate([block.X[0].take(None, slots).to_array() for block in frame.blocks()])


class Arrays(NamedTuple):
    """Response, prior weights, weights with frequencies, and frequencies of all rows (n,)."""

    y: Array
    weights: Array
    total: Array
    frequency: Array


def arrays_of(frame: ModelFrame) -> Arrays:
    """Return what blocks hold beside columns and offset, of all rows."""
    found = [
        (
            block.y,
            block.weights,
            block.total,
            block.frequencies,
        )
        for block in frame.blocks()
    ]
    return Arrays(*map(np.concatenate, zip(*found, strict=True)))


def row_information(likelihood: GLM, y: Array, eta: Array, weights: Array) -> Array:
    """Return the expected information (n,) of each row in its predictor; 0 where there is none.

    Parameters
    ----------
    y, eta, weights : (n,).
    """
    expected = likelihood.rows(y, eta[:, None], weights, information="expected").expected
    assert expected is not None
    return np.where(np.isfinite(expected[:, 0, 0]), expected[:, 0, 0], 0.0)


def restricted(frame: ModelFrame, slots: IntArray, factor: Array | None) -> ModelFrame:
    """Return a frame of some columns, the weights of whose rows are multiplied by `factor` (n,)."""

    def change(block: Block) -> Block:
        weights = block.weights if factor is None else block.weights * factor[rows_of(frame, block)]
        return replace(block, X=(block.X[0].take(None, slots),), weights=weights)

    names = tuple(frame.columns[slot] for slot in slots)
    where = np.flatnonzero(slots == (-1 if frame.intercept is None else frame.intercept))
    return frame.changed(change, Coordinates(names, int(where[0]) if len(where) else None, frame.has_offset))


def triangle_of(columns: Array, weights: Array) -> Triangle:
    """Return R of some rows (m, k), each times the root of its weight; such triangles can be added."""
    return Triangle(triangle(columns * np.sqrt(weights)[:, None]))


def solve_triangle(factor: Array, width: int) -> Array:
    """Return the least squares coefficients (width, k) from R of [X, Y]; aliased ones share by least norm.

    Parameters
    ----------
    factor : R (width + k, width + k) of the QR factorisation of X (n, width) beside Y (n, k).
    width : columns of X.

    >>> solve_triangle(np.array([[2.0, 4.0], [0.0, 1.0]]), 1)
    array([[2.]])
    """
    size = np.linalg.norm(factor[:, :width], axis=0)
    scale = np.where(size > 0, size, 1.0)
    solution = np.linalg.lstsq(factor[:, :width] / scale, factor[:, width:], rcond=_DETERMINED)[0]
    return solution / scale[:, None]


def residuals(factor: Array, width: int) -> Array:
    """Return what X leaves of Y: columns (width + k, k) with the products of the rows' residuals.

    Parameters are those of `solve_triangle`.
    """
    return factor[:, width:] - factor[:, :width] @ solve_triangle(factor, width)
