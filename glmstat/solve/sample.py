"""A bounded number of named rows, chosen by a score: what the linear programmes see of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glmstat.matrix import Array, Block, IntArray
from glmstat.workspace import Workspace

__all__ = ["Chosen", "choose_rows", "scatter"]

Rule = Callable[[Block, slice, Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Chosen:
    """Rows with the lowest scores: constraints (m, q), scores (m,), offsets (m,), source rows (m,)."""

    rows: Array
    scores: Array
    sides: Array
    numbers: IntArray
    limit: int

    def __add__(self, other: Chosen) -> Chosen:
        rows, scores = np.vstack([self.rows, other.rows]), np.concatenate([self.scores, other.scores])
        sides = np.concatenate([self.sides, other.sides])
        best = np.argsort(scores, kind="stable")[: self.limit]
        numbers = np.concatenate([self.numbers, other.numbers])
        return Chosen(rows[best], scores[best], sides[best], numbers[best], self.limit)


def choose_rows(workspace: Workspace, rule: Rule, limit: int) -> Chosen:
    """Return the `limit` constraints with the lowest scores.

    Parameters
    ----------
    rule : block, rows of the run, columns (q, m), weights (m,) → signs (m,) by which rows are multiplied
        (0 leaves a row out) and scores (m,).
    """

    def kernel(block: Block) -> Chosen:
        nothing = np.zeros(0)
        found = Chosen(np.zeros((0, workspace.size)), nothing, nothing, nothing.astype(np.intp), limit)
        for run in workspace.runs(block, np.zeros(workspace.size)):
            signs, scores = rule(block, run.rows, run.columns, run.weights)
            places = np.flatnonzero(signs)
            best = places[np.argsort(scores[places], kind="stable")[:limit]]
            rows = run.columns[:, best].T * signs[best, None]
            numbers = block.source_rows(run.rows.start + best)
            found = found + Chosen(rows, scores[best], block.offset[run.rows, 0][best], numbers, limit)
        return found

    return workspace.frame.reduce(kernel)


def scatter(block: Block, rows: slice) -> NDArray[np.float64]:
    """A score that spreads the choice evenly and reproducibly over the rows of the source (m,)."""
    numbers = block.source_rows(np.arange(rows.start, rows.stop)).astype(np.uint64)
    mixed = (numbers + np.uint64(1)) * np.uint64(
        0x9E3779B97F4A7C15
    )  # golden-ratio hashing, Knuth vol. 3 §6.4
    return (mixed >> np.uint64(11)).astype(np.float64)
