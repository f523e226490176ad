"""Of the recession directions, one that moves every row that any moves, with few columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glmstat.matrix import Array

__all__ = ["simplest_direction"]

SEEN = 1e-7


def simplest_direction(rows: Array, basis: Array, direction: Array, first: int | None) -> Array | None:
    """Return a direction (q,) that moves every row it can, in as few columns as dropping one by one leaves.

    Parameters
    ----------
    rows : constraints (m, q), of which the direction lowers none.
    basis : directions (q, k) that no free row sees.
    first : place of the intercept, which is dropped last.
    """
    moved = _movable(rows, basis, direction)
    widest = _without(rows, moved, basis, [])
    if widest is None:
        return None
    dropped: list[int] = []
    for place in np.flatnonzero(np.abs(widest) > 0)[::-1]:
        found = None if place == first else _without(rows, moved, basis, [*dropped, int(place)])
        if found is not None:
            dropped.append(int(place))
            widest = found
    size = np.abs(widest).max()
    return widest / size if size > 0 else None


def _movable(rows: Array, basis: Array, direction: Array) -> NDArray[np.bool]:
    """The rows that some direction moves: where min(a'd, 1), summed, can be 1."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack

    count, width = len(rows), basis.shape[1]
    limits = hstack([csr_array(-(rows @ basis)), eye_array(count)])
    cost = np.append(np.zeros(width), -np.ones(count))
    bounds = [(None, None)] * width + [(0.0, 1.0)] * count
    found = linprog(cost, A_ub=limits, b_ub=np.zeros(count), bounds=bounds, method="highs-ds")
    if found.x is None:
        return rows @ direction > SEEN
    return found.x[width:] > 0.5


def _without(rows: Array, moved: NDArray[np.bool], basis: Array, dropped: list[int]) -> Array | None:
    """A direction that moves these rows and leaves the dropped columns at 0, or None."""
    from scipy.optimize import linprog

    found = linprog(
        np.zeros(basis.shape[1]),
        A_ub=-(rows @ basis),
        b_ub=-moved.astype(np.float64),
        A_eq=basis[dropped],
        b_eq=np.zeros(len(dropped)),
        bounds=(None, None),
        method="highs-ds",
    )
    if found.x is None:
        return None
    direction = basis @ found.x
    direction[dropped] = 0.0
    return direction
