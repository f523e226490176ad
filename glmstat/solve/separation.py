"""Separation decided exactly: a linear programme over a few rows, widened until it speaks for all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import qr

from glmstat.frame import ModelFrame
from glmstat.matrix import Array, Block, IntArray
from glmstat.solve.sample import choose_rows, scatter
from glmstat.solve.simplest import simplest_direction
from glmstat.workspace import Workspace, moved

__all__ = ["Undecided", "found_direction", "has_cone", "separating_direction", "weightless"]

TOLERANCE = 1e-9
EVERY_ROW = 4000  # constraints up to which the programme simply takes every bound row
ROUNDS = 60


class Undecided(Exception):
    """The programme reached its limit of rounds."""


def has_cone(workspace: Workspace) -> bool:
    """Whether the maximum may lie at infinity along a direction that the columns span."""
    return (
        workspace.size > 0
        and (workspace.flat is None or len(workspace.flat) > 0)
        and workspace.likelihood.cone(np.ones(1), np.ones(1)) is not None
    )


def separating_direction(workspace: Workspace) -> Array | None:
    """Return a recession direction d (q,) of the columns as given, or None where the maximum is finite.

    Along d the likelihood never falls and somewhere rises for ever: bound rows need a'd >= 0, free rows
    x'd = 0; the estimate is infinite if and only if some d does that and moves a row.

    Raises
    ------
    Undecided : more rounds than the limit.

    Source: Albert & Anderson (1984); Konis (2007); for counts Correia, Guimarães & Zylkin (2019).
    """
    if workspace.flat is not None and len(workspace.flat) < workspace.size:
        return _among(workspace, workspace.flat)
    plain = workspace.uncentred()
    basis = _null_space(plain.design_triangle(free_only=True))
    if basis.shape[1] == 0:
        return None
    rows = _first_rows(plain)
    for _ in range(ROUNDS):
        direction = _programme(rows, basis)
        if direction is None:
            hidden = _unseen(rows, basis)
            more = None if hidden is None else _seeing(plain, hidden)
        else:
            more = _violated(plain, direction)
            if more is None:
                return _clean(_simpler(plain, rows, basis, direction)) * plain.scale
        if more is None:
            return None
        rows = np.vstack([rows, more])
    raise Undecided


def found_direction(workspace: Workspace) -> Array | None:
    """Return `separating_direction` where there is one and the programme finds it, else None."""
    try:
        return separating_direction(workspace) if has_cone(workspace) else None
    except Undecided:
        return None


def _among(workspace: Workspace, flat: IntArray) -> Array | None:
    """A direction of the columns without a prior: along any other the prior falls without end."""
    direction = np.zeros(workspace.size)
    found = separating_direction(workspace.kept(flat)) if len(flat) else None
    direction[flat] = 0.0 if found is None else found
    return None if found is None else direction


def _simpler(workspace: Workspace, rows: Array, basis: Array, direction: Array) -> Array:
    """The direction with fewer columns, if it holds for all rows."""
    simple = simplest_direction(rows, basis, direction, workspace.intercept)
    return direction if simple is None or _violated(workspace, simple) is not None else simple


def _null_space(triangle: Array) -> Array:
    """Basis (q, k) of the directions that no free row sees."""
    norms = np.linalg.norm(triangle, axis=0)
    scaled = triangle / np.where(norms > 0, norms, 1.0)
    if not scaled.any():
        return np.eye(len(norms))
    factored: Any = qr(scaled, mode="economic", pivoting=True)
    _, upper, order = factored
    rank = int(np.sum(np.abs(np.diag(upper)) > TOLERANCE))
    solved = np.linalg.solve(upper[:rank, :rank], upper[:rank, rank:])
    basis = np.zeros((len(norms), len(norms) - rank))
    basis[order[:rank]] = -solved
    basis[order[rank:]] = np.eye(len(norms) - rank)
    basis = basis / np.where(norms > 0, norms, 1.0)[:, None]
    return basis / np.abs(basis).max(axis=0, initial=1e-300)


def _first_rows(workspace: Workspace) -> Array:
    limit = max(EVERY_ROW, 20 * workspace.size)
    chosen = [
        choose_rows(workspace, lambda *run, s=s: _of_sign(workspace, s, *run), limit // 2)
        for s in (1.0, -1.0)
    ]
    return np.vstack([c.rows for c in chosen])


def _signs(workspace: Workspace, block: Block) -> Array:
    cone = workspace.likelihood.cone(block.y, block.total)
    return np.zeros(len(block.y)) if cone is None else cone.bound[:, 0, 0]


def _of_sign(
    workspace: Workspace, sign: float, block: Block, rows: slice, columns: Array, weights: Array
) -> tuple[Array, Array]:
    signs = _signs(workspace, block)[rows]
    return np.where((signs == sign) & (weights > 0), signs, 0.0), scatter(block, rows)


def _programme(rows: Array, basis: Array) -> Array | None:
    """Return the d of the basis, |d_j| <= 1 and rows d >= 0, with the largest sum; None if that is 0."""
    from scipy.optimize import linprog

    constraints = rows @ basis
    limits = np.vstack([-constraints, basis, -basis])
    sides = np.concatenate([np.zeros(len(rows)), np.ones(2 * len(basis))])
    found = linprog(-constraints.sum(axis=0), A_ub=limits, b_ub=sides, bounds=(None, None), method="highs-ds")
    if found.x is None:
        raise Undecided
    direction = basis @ found.x
    return direction if (rows @ direction).max(initial=0.0) > 1e-7 else None


def _unseen(rows: Array, basis: Array) -> Array | None:
    """A direction of the basis that no row of the programme sees, or None."""
    _, values, vectors = np.linalg.svd(np.vstack([rows @ basis, np.zeros((1, basis.shape[1]))]))
    rank = int(np.sum(values > TOLERANCE * max(values.max(initial=0.0), 1.0)))
    return None if rank == basis.shape[1] else basis @ vectors[-1]


def _seeing(workspace: Workspace, hidden: Array) -> Array | None:
    """Rows that the hidden direction moves, or None."""

    def rule(block: Block, rows: slice, columns: Array, weights: Array) -> tuple[Array, Array]:
        size = np.abs(hidden @ columns)
        signs = np.where((size > 1e-7) & (weights > 0), _signs(workspace, block)[rows], 0.0)
        return signs, -size

    chosen = choose_rows(workspace, rule, 4 * workspace.size)
    return chosen.rows if len(chosen.rows) else None


def _violated(workspace: Workspace, direction: Array) -> Array | None:
    """The bound rows that the direction lowers most, or None."""

    def rule(block: Block, rows: slice, columns: Array, weights: Array) -> tuple[Array, Array]:
        signs = _signs(workspace, block)[rows]
        rise = signs * (direction @ columns)
        lowered = (rise < -1e-7) & (weights > 0)
        return np.where(lowered, signs, 0.0), rise

    chosen = choose_rows(workspace, rule, 4 * workspace.size)
    return chosen.rows if len(chosen.rows) else None


def _clean(direction: Array) -> Array:
    return np.where(np.abs(direction) < 1e-7 * np.abs(direction).max(), 0.0, direction)


def weightless(frame: ModelFrame, directions: tuple[Array, ...]) -> ModelFrame:
    """Return the frame with weight 0 in the rows that directions of recession (p,) move."""
    if not directions:
        return frame

    def change(block: Block) -> Block:
        rows = slice(0, len(block.y))
        gone = np.any([moved(direction, block.X[0], rows) != 0 for direction in directions], axis=0)
        return replace(block, weights=np.where(gone, 0.0, block.weights))

    return frame.changed(change)
