"""What the rows say at some coefficients: score, weighted rows by QR, deviance, and how rounding enters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from glmstat.array import silence
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM, Rows
from glmstat.matrix import Array, Block, IntArray
from glmstat.triangular import triangle, triangular_inverse
from glmstat.workspace import moved

__all__ = ["Reading", "Rowwise"]

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
    """

    score: Array
    size: Array
    factor: Array
    deviance: float
    terms: float
    rows: int

    def __add__(self, other: Reading) -> Reading:
        return Reading(
            self.score + other.score,
            self.size + other.size,
            triangle(np.vstack([self.factor, other.factor])),
            self.deviance + other.deviance,
            self.terms + other.terms,
            self.rows + other.rows,
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
    """

    frame: ModelFrame
    likelihood: GLM
    slots: IntArray
    scale: Array
    directions: tuple[Array, ...] = ()
    penalty: Array | None = None
    loose: Array | None = None

    def at(self, beta: Array, weighing: Weighing = "expected") -> Reading:
        """Return the sums at coefficients (k,), in one pass.

        Parameters
        ----------
        weighing : whose information weighs the rows; "observed" is nowhere less than a twentieth of the
            expected, so that steps ascend.
        """
        found = self.frame.reduce(lambda block: self._block(block, beta, weighing))
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
                weights = self._weights(block, rows, run)
                y, eta = block.y[rows], (beta @ run + block.offset[rows, 0])[:, None]
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

    def _weights(self, block: Block, rows: slice, run: Array) -> Array:
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
