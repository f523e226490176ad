"""A point well inside the domain of a bounded link, by linear programming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glmstat.errors import DomainError, row_list
from glmstat.matrix import Array, Block
from glmstat.solve.sample import Chosen, choose_rows, scatter
from glmstat.workspace import Workspace

__all__ = ["widest_interior"]

ROUNDS = 60


def widest_interior(workspace: Workspace) -> Array:
    """Return coefficients that keep every linear predictor as far from its edge as they can, up to 1.

    Raises
    ------
    DomainError : no coefficients give a mean inside the domain.
    """
    if not workspace.likelihood.bounded:
        raise DomainError("No likelihood where the fit starts: it overflows. Check offset= and exposure=.")
    limit = max(4000, 20 * workspace.size)
    lows, highs = _nearest(workspace, None, 1.0, limit), _nearest(workspace, None, -1.0, limit)
    rows, sides = np.vstack([lows.rows, highs.rows]), np.concatenate([lows.sides, highs.sides])
    point = np.zeros(workspace.size)
    for _ in range(ROUNDS):
        point, distance = _programme(rows, sides)
        if distance <= 0:
            break
        worst = [_nearest(workspace, point, sign, 4 * workspace.size) for sign in (1.0, -1.0)]
        if not any(len(found.rows) for found in worst):
            return point
        rows = np.vstack([rows, *(found.rows for found in worst)])
        sides = np.concatenate([sides, *(found.sides for found in worst)])
    raise DomainError(
        f"No coefficients give every mean a value inside its domain: {_culprits(workspace, point)}. "
        "Use a link that accepts every linear predictor, or change the offset."
    )


def _culprits(workspace: Workspace, point: Array) -> str:
    """The rows that are left outside at the best point."""
    outside = [_nearest(workspace, point, side, 1000).numbers for side in (1.0, -1.0)]
    return row_list(np.unique(np.concatenate(outside)).tolist())


def _nearest(workspace: Workspace, point: Array | None, side: float, limit: int) -> Chosen:
    """Constraints of one edge (side 1: lower, -1: upper): a spread of rows, or those the point violates."""

    def rule(block: Block, rows: slice, columns: Array, weights: Array) -> tuple[Array, Array]:
        room = _room(workspace, block, side)[rows]
        bounded = np.isfinite(room) & (weights > 0)
        if point is None:
            return np.where(bounded, side, 0.0), scatter(block, rows)
        left = room + side * (point @ columns)
        return np.where(bounded & (left <= 0), side, 0.0), left

    found = choose_rows(workspace, rule, limit)
    return found if not len(found.rows) else _with_sides(workspace, found, side)


def _with_sides(workspace: Workspace, found: Chosen, side: float) -> Chosen:
    edges = workspace.likelihood.slack(found.sides[:, None])
    assert edges is not None
    return replace(found, sides=np.ravel(edges[0 if side > 0 else 1]))


def _room(workspace: Workspace, block: Block, side: float) -> Array:
    edges = workspace.likelihood.slack(block.offset)
    assert edges is not None
    return np.ravel(edges[0 if side > 0 else 1])


def _programme(rows: Array, sides: Array) -> tuple[Array, float]:
    """Maximise t with sides + rows b >= t and t <= 1."""
    from scipy.optimize import linprog

    width = rows.shape[1]
    cost = np.append(np.zeros(width), -1.0)
    limits = np.column_stack([-rows, np.ones(len(rows))])
    bounds = [(-1e8, 1e8)] * width + [(None, 1.0)]
    found = linprog(cost, A_ub=limits, b_ub=sides, bounds=bounds, method="highs-ds")
    return (np.zeros(width), 0.0) if found.x is None else (found.x[:-1], float(found.x[-1]))
