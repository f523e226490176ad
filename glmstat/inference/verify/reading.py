"""What the rows say at some coefficients: score, weighted rows by QR, deviance, and how rounding enters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np

from glmstat.array import silence
from glmstat.data.reduce import Addable
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM, Rows
from glmstat.matrix import Array, Block, IntArray
from glmstat.triangular import triangle, triangular_inverse
from glmstat.workspace import moved

__all__ = ["Reading", "Rowwise"]

S = TypeVar("S", bound=Addable)
Weighing = Literal["expected", "observed"]
_LEAST = 0.05  # share of the expected information below which an observed one gives no ascent
_FIXED = 1e-7  # share of a row's length below which its part in the loose coordinates is rounding


@dataclass(frozen=True, eq=False)
class Reading:
    """Sums over rows at coefficients b of k columns; adding two adds the rows behind them.

    Parameters
    ----------
    score : (k,) gradient of the log-likelihood for dispersion 1, less the pull of a penalty.
    size : (k,) sum of the absolute values that the score is a sum of.
    factor : (k + 1, k + 1) triangle of the rows sqrt(W) x, the working residual behind them.
    deviance : infinite where a mean leaves its domain.
    terms : sum of W (Σ|x b|)²: the square of what predictors are sums of, weighted.
    rows : that were read.
    penalty : what is made least besides the deviance; NaN where the score is the slope of nothing.
    """

    score: Array
    size: Array
    factor: Array
    deviance: float
    terms: float
    rows: int
    penalty: float = 0.0

    @property
    def height(self) -> float:
        """What is made least; NaN where that is nothing."""
        return self.deviance + self.penalty

    def __add__(self, other: Reading) -> Reading:
        return Reading(
            self.score + other.score,
            self.size + other.size,
            triangle(np.vstack([self.factor, other.factor])),
            self.deviance + other.deviance,
            self.terms + other.terms,
            self.rows + other.rows,
            self.penalty + other.penalty,
        )

    @property
    def root(self) -> Array:
        """R (k, k) with R'R the information."""
        return self.factor[:-1, :-1]

    @cached_property
    def steps(self) -> tuple[Array, ...]:
        """The step (k,) by the working residuals, and by the score; () where R is singular.

        They are the same but for rounding: residuals keep more digits of ill-conditioned columns, the score
        those of rows whose weight is next to nothing.

        Source: Björck (1996), Numerical methods for least squares problems, section 6.6.5.
        """
        with silence():
            inverse = triangular_inverse(self.root)
            if inverse is None:
                return ()
            found = (inverse @ self.factor[:-1, -1], inverse @ (inverse.T @ self.score))
        return tuple(step for step in found if np.isfinite(step).all())

    @cached_property
    def decrement(self) -> float:
        """Length of the shorter step in the metric of the information; infinite without one."""
        with silence():
            lengths = [float(np.linalg.norm(self.root @ step)) for step in self.steps]
        return min((length for length in lengths if length >= 0), default=float("inf"))


@dataclass(frozen=True, eq=False)
class Rowwise:
    """The rows of a fit through some of its columns as they are given, but for powers of two: not centred.

    Parameters
    ----------
    slots : of the k columns.
    scale : (k,) powers of two, which keep squares finite; coefficients are those of columns times scale.
    directions : of recession (p,); rows that one moves are left out.
    penalty : S (k, k) of the scaled columns, or None.
    loose : (k, q) directions that no mean at its bound moves with; None where none is. Rows that it does
        not move are left out.
    beyond : what is added to the sums: the adjustment of a score, or a prior.
    rest : (p,) coefficients that are held, 0 for all others; None where none is.
    passes : one entry for each time that the rows were read.
    """

    frame: ModelFrame
    likelihood: GLM
    slots: IntArray
    scale: Array
    directions: tuple[Array, ...] = ()
    penalty: Array | None = None
    loose: Array | None = None
    beyond: Callable[[Rowwise, Array, Reading], Reading] | None = None
    rest: Array | None = None
    passes: list[int] = field(default_factory=list)

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        """Return the sum of a kernel over all blocks."""
        self.passes.append(self.frame.rows)
        return self.frame.reduce(kernel)

    def at(self, beta: Array, weighing: Weighing = "expected") -> Reading:
        """Return the sums at coefficients (k,), in one pass.

        Parameters
        ----------
        weighing : whose information weighs the rows; "observed" is nowhere less than a twentieth of the
            expected, so that steps ascend.
        """
        found = self.reduce(lambda block: self._block(block, beta, weighing))
        if self.beyond is not None:
            return self.beyond(self, beta, found)
        if self.penalty is None:
            return found
        values, vectors = np.linalg.eigh(self.penalty)
        root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
        pull = self.penalty @ beta
        return Reading(
            found.score - pull,
            found.size + np.abs(pull),
            triangle(np.vstack([found.factor, np.column_stack([root, -root @ beta])])),
            found.deviance + float(beta @ pull),
            found.terms + float(np.square(root @ beta).sum()),
            found.rows,
        )

    def _block(self, block: Block, beta: Array, weighing: Weighing) -> Reading:
        width = len(self.slots)
        score, size, factor = np.zeros(width), np.zeros(width), np.zeros((width + 1,) * 2)
        deviance = terms = 0.0
        with silence():
            for rows, columns in block.X[0].runs():
                run = columns[self.slots] * self.scale[:, None]
                weights = self.weights(block, rows, run)
                y, eta = block.y[rows], self.eta(block, rows, columns, beta)[:, None]
                deviance += self._deviance(y, eta, weights)
                values = self.likelihood.rows(y, eta, weights, information="both")
                weight, slope = _weighed(values, weights, weighing)
                each = run * slope
                score += each.sum(axis=1)
                size += np.abs(each).sum(axis=1)
                terms += float(weight @ np.square(np.abs(beta) @ np.abs(run)))
                root = np.sqrt(weight)
                behind = np.where(root > 0, slope / np.where(root > 0, root, 1.0), 0.0)
                stack = np.column_stack([(run * root).T, behind])
                stack[~np.isfinite(stack).all(axis=1)] = 0.0
                factor = triangle(np.vstack([factor, stack]))
        return Reading(score, size, factor, deviance, terms, len(block.y))

    def eta(self, block: Block, rows: slice, columns: Array, beta: Array) -> Array:
        """Return the predictor (n,) of some rows, whose columns (p, n) are those of the design."""
        held = 0.0 if self.rest is None else self.rest @ columns
        return beta @ (columns[self.slots] * self.scale[:, None]) + block.offset[rows, 0] + held

    def observed(self, beta: Array) -> Array:
        """Return the observed information (k, k) of the rows."""

        def kernel(block: Block) -> Array:
            total = np.zeros((len(beta), len(beta)))
            with silence():
                for rows, columns in block.X[0].runs():
                    run = columns[self.slots] * self.scale[:, None]
                    weights = self.weights(block, rows, run)
                    eta = self.eta(block, rows, columns, beta)[:, None]
                    values = self.likelihood.rows(block.y[rows], eta, weights, information="both")
                    assert values.observed is not None
                    total += (run * np.where(weights > 0, values.observed[:, 0, 0], 0.0)) @ run.T
            return total

        return self.reduce(kernel)

    def weights(self, block: Block, rows: slice, run: Array) -> Array:
        """Return what rows count (n,); 0 for those that are left out.

        Parameters
        ----------
        run : (k, n) the scaled columns of the rows.
        """
        weights = block.total[rows]
        for direction in self.directions:
            weights = np.where(moved(direction, block.X[0], rows) != 0, 0.0, weights)
        if self.loose is not None:
            still = np.linalg.norm(self.loose.T @ run, axis=0) <= _FIXED * np.linalg.norm(run, axis=0)
            weights = np.where(still, 0.0, weights)
        return weights

    def _deviance(self, y: Array, eta: Array, weights: Array) -> float:
        used, edges = weights > 0, self.likelihood.slack(eta)
        if edges is not None and not all((edge[used] > 0).all() for edge in edges):
            return float("inf")
        found = self.likelihood.deviance(y, eta, weights)[used].sum()
        return float(found) if np.isfinite(found) else float("inf")


def _weighed(values: Rows, weights: Array, weighing: Weighing) -> tuple[Array, Array]:
    """Weights and gradients of rows (n,); 0 where a row counts nothing."""

    def plain(part: Any) -> Array:
        return np.where(weights > 0, part, 0.0)

    weight = plain(values.expected[:, 0, 0])
    if weighing == "observed":
        weight = np.maximum(plain(values.observed[:, 0, 0]), _LEAST * weight)
    return np.maximum(weight, 0.0), plain(values.gradient[:, 0])
