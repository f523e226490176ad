"""Independence of neighbouring rows: the Durbin-Watson test."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.linalg import eigh
from scipy.special import ndtr

from glmstat.inference.check.finding import DOUBT, Checked, Finding, Part
from glmstat.inference.check.quadratic import sign_probabilities
from glmstat.matrix import Array, Block

__all__ = ["durbin_watson"]

_EXACT = 1_000  # rows up to which the eigenvalues of the exact distribution are computed
_FEWEST = 3  # residual degrees of freedom below which the statistic hardly varies


def durbin_watson(checked: Checked) -> Finding:
    """Return Σ (e_t - e_(t-1))² / Σ e_t² of the Pearson residuals in the order of the rows; two-sided.

    Up to 1,000 rows the p-value is that of the exact distribution for normal errors, a ratio of quadratic
    forms; beyond, of a normal one with its exact mean and variance. Frequencies count as repetition, one row
    after the other; rows of weight 0 are passed over.

    Source: Durbin & Watson (1950, 1951), Biometrika 37 and 38; numbers as lmtest::dwtest with
    alternative = "two.sided".
    """
    name, assumption = "Durbin-Watson", "independence"
    if checked.silent:
        return Finding(name, assumption, checked.silent)

    def kernel(block: Block) -> _Run:
        return _Run.of(checked.part(block))

    run = checked.frame.reduce(kernel)
    statistic = float(run.first[-1, -1]) / checked.fit.pearson
    if checked.fit.df_residual < _FEWEST:
        return Finding(name, assumption, "not checked: too few residual degrees of freedom", statistic)
    exact = checked.rows <= _EXACT
    p_value = _exact(checked, statistic) if exact else _normal(checked, run, statistic)
    doubtful = p_value < DOUBT
    alike = "alike" if statistic < 2.0 else "opposite"
    said = f'doubtful, neighbouring residuals are {alike}; vcov="NW ~ time", or clusters, do without it'
    words = said if doubtful else "nothing speaks against it, if the rows are in the order of time or place"
    law = "exact" if exact else "normal approximation"
    method = f"Durbin-Watson: two-sided, {law}, rows in the order of the data"
    return Finding(name, assumption, words, statistic, nan, p_value, method, doubtful)


@dataclass(frozen=True, eq=False)
class _Run:
    """Rows one after the other, and sums over them; adding two joins them.

    Parameters
    ----------
    first : (q, q) sum of products of first differences.
    second : (q, q) sum of products of 2 r_t - r_(t-1) - r_(t+1) over rows with both neighbours.
    head, tail : the two rows, or one, at either end (2, q).
    """

    first: Array
    second: Array
    head: Array
    tail: Array

    @classmethod
    def of(cls, part: Part) -> _Run:
        """Return the weighted columns and the residual of rows; more than three equal ones add nothing."""
        rows = np.column_stack([part.whitened * np.sqrt(part.weights)[:, None], part.residual])
        rows = np.repeat(rows, np.minimum(part.counts, 3.0).astype(np.intp), axis=0)
        steps = np.diff(rows, axis=0)
        bends = np.diff(steps, axis=0)
        return cls(steps.T @ steps, bends.T @ bends, rows[:2], rows[-2:])

    def __add__(self, other: _Run) -> _Run:
        if not len(self.tail) or not len(other.head):
            return other if not len(self.tail) else self
        seam = np.vstack([self.tail, other.head])
        middle = len(self.tail)
        step = seam[middle] - seam[middle - 1]
        bends = np.diff(seam, 2, axis=0)
        return _Run(
            self.first + other.first + np.outer(step, step),
            self.second + other.second + bends.T @ bends,
            np.vstack([self.head, other.head])[:2],
            np.vstack([self.tail, other.tail])[-2:],
        )

    @property
    def second_with_ends(self) -> Array:
        """The sum of second differences with the rows at both ends, which have one neighbour."""
        ends = np.vstack([np.diff(self.head, axis=0), np.diff(self.tail, axis=0)])
        return self.second + ends.T @ ends


def _normal(checked: Checked, run: _Run, statistic: float) -> float:
    rows, df = checked.rows, checked.fit.df_residual
    first, second = run.first[:-1, :-1], run.second_with_ends[:-1, :-1]
    trace = 2.0 * (rows - 1) - np.trace(first)
    squares = 2.0 * (3 * rows - 4) - 2.0 * np.trace(second) + np.sum(first * first)
    mean = trace / df
    variance = 2.0 * (squares - trace * mean) / (df * (df + 2.0))
    return float(2.0 * ndtr(-abs(statistic - mean) / np.sqrt(variance)))


def _exact(checked: Checked, statistic: float) -> float:
    parts = [checked.part(block) for block in checked.frame.blocks()]
    columns = [
        np.repeat(part.whitened * np.sqrt(part.weights)[:, None], part.counts.round().astype(np.intp), axis=0)
        for part in parts
    ]
    design = np.vstack(columns)
    rest = np.linalg.qr(design, mode="complete")[0][:, design.shape[1] :]
    steps = np.diff(rest, axis=0)
    eigenvalues = eigh(steps.T @ steps, eigvals_only=True, check_finite=False)
    return min(1.0, 2.0 * min(sign_probabilities(np.asarray(eigenvalues) - statistic)))
