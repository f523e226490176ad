"""Last digits of a linear model: residuals in doubled precision, coefficients as sums of two numbers."""

from __future__ import annotations

import numpy as np

from glmstat.compute import Sums, Triangle
from glmstat.matrix import Array, Block
from glmstat.solve.linear import factor
from glmstat.triangular import triangle, triangular_solve
from glmstat.workspace import Workspace

__all__ = ["refine_linear"]

SPLIT = 134217729.0  # 2**27 + 1, Dekker (1971)


def refine_linear(workspace: Workspace, beta: Array, *, qr: bool) -> Array:
    """Return the least-squares coefficients (q,) of the columns as given, to their last digits.

    They are corrected until a correction stops shrinking.

    Source: Björck (1996), section 2.9.3: iterative refinement with residuals in higher precision.
    """
    high, low, last = beta.copy(), np.zeros_like(beta), np.inf
    for _ in range(4):
        step = _correction(workspace, high, low, qr)
        size = float(np.abs(step / workspace.scale).max(initial=0.0))
        if not size < 0.5 * last:
            break
        total, error = _two_sum(high, step)
        high, low = _two_sum(total, error + low)
        last = size
    return high


def _correction(workspace: Workspace, high: Array, low: Array, qr: bool) -> Array:
    with np.errstate(all="ignore"):
        if qr:
            factors = workspace.frame.reduce(lambda block: _stacked(workspace, block, high, low)).factor
            size = workspace.size
            gamma = triangular_solve(factors[:size, :size], factors[:size, size])
        else:
            sums = workspace.frame.reduce(lambda block: _normal(workspace, block, high, low))
            found = None if sums.expected is None else factor(sums.expected)
            gamma = np.full(workspace.size, np.nan) if found is None else found.solve(sums.score)
    return workspace.transform @ gamma


def _normal(workspace: Workspace, block: Block, high: Array, low: Array) -> Sums:
    score, gram = np.zeros(workspace.size), np.zeros((workspace.size, workspace.size))
    residual, total = _residual(workspace, block, high, low), block.total
    for rows, columns in workspace.columns_of(block):
        score += columns @ (total[rows] * residual[rows])
        gram += (columns * total[rows]) @ columns.T
    return Sums(0.0, 0.0, score, gram)


def _stacked(workspace: Workspace, block: Block, high: Array, low: Array) -> Triangle:
    factor_so_far = np.zeros((0, workspace.size + 1))
    residual, total = _residual(workspace, block, high, low), block.total
    for rows, columns in workspace.columns_of(block):
        root = np.sqrt(total[rows])
        stack = np.column_stack([(columns * root).T, root * residual[rows]])
        factor_so_far = triangle(np.vstack([factor_so_far, stack]))
    return Triangle(factor_so_far)


def _residual(workspace: Workspace, block: Block, high: Array, low: Array) -> Array:
    """Y - offset - X beta, accumulated in doubled precision and rounded once (n,)."""
    matrix = workspace.matrix(block)
    columns = np.empty((workspace.size, len(block.y)))
    matrix.fill(columns, 0, len(block.y))
    total, error = _two_sum(block.y, -block.offset[:, 0])
    for column, b, rest in zip(columns, high, low, strict=True):
        product, lost = _two_product(column, b)
        total, more = _two_sum(total, -product)
        error = error + (more - lost - column * rest)
    return total + error


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: Array, b: float) -> tuple[Array, Array]:
    product = a * b
    a_high, b_high = a * SPLIT, b * SPLIT
    a_high, b_high = a_high - (a_high - a), b_high - (b_high - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
