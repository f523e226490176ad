"""Last digits of a linear model: residuals in doubled precision, coefficients as sums of two numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glmstat.compute import Triangle
from glmstat.matrix import Array, Block
from glmstat.triangular import cholesky_solve, reciprocal_condition, triangle, triangular_solve
from glmstat.workspace import Workspace

__all__ = ["refine_linear"]

SPLIT = 134217729.0  # 2**27 + 1, Dekker (1971)
Correction = Callable[[Array, Array], Array]


def refine_linear(workspace: Workspace, beta: Array) -> Array:
    """Return the least-squares coefficients (q,) of the columns as given, to their last digits.

    They are corrected until a correction stops shrinking. The score is summed in doubled precision and
    solved for by the triangle of the design, unless that is too ill conditioned for its own square.

    Source: Björck (1996), section 2.9.3: iterative refinement with residuals in higher precision.
    """
    high, low, last = beta.copy(), np.zeros_like(beta), np.inf
    with np.errstate(all="ignore"):
        correct = _by_score(workspace) or _by_rows(workspace)
        for _ in range(6):
            step = correct(high, low)
            size = float(np.abs(step / workspace.scale).max(initial=0.0))
            if not size < 0.5 * last:
                break
            total, error = _two_sum(high, step)
            high, low = _two_sum(total, error + low)
            last = size
    return high


def _by_score(workspace: Workspace) -> Correction | None:
    """Corrections (R'R)⁻¹ Z'Wr, or None where R'R is singular to working precision."""
    root = workspace.design_triangle()
    norm = float(np.abs(root.T @ root).sum(axis=0).max())
    if not (np.abs(np.diag(root)) > 0).all() or reciprocal_condition(root, norm) < 1e-13:
        return None

    def correct(high: Array, low: Array) -> Array:
        score = workspace.frame.reduce(lambda block: _Doubled(*_score(workspace, block, high, low)))
        return workspace.transform @ cholesky_solve(root, workspace.transform.T @ (score.high + score.low))

    return correct


def _by_rows(workspace: Workspace) -> Correction:
    """Corrections R⁻¹ Q'r from the rows themselves."""

    def correct(high: Array, low: Array) -> Array:
        factors = workspace.frame.reduce(lambda block: _stacked(workspace, block, high, low)).factor
        size = workspace.size
        return workspace.transform @ triangular_solve(factors[:size, :size], factors[:size, size])

    return correct


@dataclass(frozen=True, eq=False)
class _Doubled:
    """A vector as the sum of two."""

    high: Array
    low: Array

    def __add__(self, other: _Doubled) -> _Doubled:
        total, error = _two_sum(self.high, other.high)
        return _Doubled(total, error + self.low + other.low)


def _score(workspace: Workspace, block: Block, high: Array, low: Array) -> tuple[Array, Array]:
    """X'W(y - offset - X beta) of the columns as given, in doubled precision."""
    columns, residual, rest = _residual(workspace, block, high, low)
    weighted, lost = _two_product(residual, block.total)
    product, error = _two_product(columns, weighted)
    return _sum(product, error + columns * (lost + block.total * rest))


def _sum(values: Array, rest: Array) -> tuple[Array, Array]:
    """Sum of values + rest along the last axis, in halves."""
    while values.shape[-1] > 1:
        half = values.shape[-1] // 2
        total, error = _two_sum(values[..., :half], values[..., half : 2 * half])
        more = error + rest[..., :half] + rest[..., half : 2 * half]
        values = np.concatenate([total, values[..., 2 * half :]], axis=-1)
        rest = np.concatenate([more, rest[..., 2 * half :]], axis=-1)
    return values[..., 0], rest[..., 0]


def _stacked(workspace: Workspace, block: Block, high: Array, low: Array) -> Triangle:
    factor = np.zeros((0, workspace.size + 1))
    _, residual, rest = _residual(workspace, block, high, low)
    total = block.total
    for rows, columns in workspace.columns_of(block):
        root = np.sqrt(total[rows])
        stack = np.column_stack([(columns * root).T, root * (residual[rows] + rest[rows])])
        factor = triangle(np.vstack([factor, stack]))
    return Triangle(factor)


def _residual(workspace: Workspace, block: Block, high: Array, low: Array) -> tuple[Array, Array, Array]:
    """The columns as given (q, n), and y - offset - X beta as the sum of two vectors (n,)."""
    matrix = workspace.matrix(block)
    columns = np.empty((workspace.size, len(block.y)))
    matrix.fill(columns, 0, len(block.y))
    total, error = _two_sum(block.y, -block.offset[:, 0])
    for column, b, rest in zip(columns, high, low, strict=True):
        product, lost = _two_product(column, b)
        total, more = _two_sum(total, -product)
        error = error + (more - lost - column * rest)
    return columns, *_two_sum(total, error)


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: Array, b: Array | float) -> tuple[Array, Array]:
    product = a * b
    a_high, b_high = a * SPLIT, b * SPLIT
    a_high, b_high = a_high - (a_high - a), b_high - (b_high - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
