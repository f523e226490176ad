"""What one check says, and the rows that checks read."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glmstat.inference.hat import hat_root
from glmstat.inference.score import finite_predictor
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["DOUBT", "Checked", "Finding", "Part"]

DOUBT = 0.05  # a p-value below which a line says that an assumption is doubtful


@dataclass(frozen=True)
class Finding:
    """One line of the table, and one below it.

    Parameters
    ----------
    check : label of the row.
    statistic, df, p_value : NaN where there is none.
    assumption : the assumption in two words.
    words : what the numbers say of it, in a line; "" where another line says it.
    method : how the test was made.
    doubtful : whether the numbers speak against the assumption.
    """

    check: str
    assumption: str
    words: str
    statistic: float = nan
    df: float = nan
    p_value: float = nan
    method: str = ""
    doubtful: bool = False


class Part(NamedTuple):
    """Rows of a block that count: Pearson residuals, weights, frequencies (m,), whitened columns (m, r).

    The whitened columns are X L with L L' the inverse of X'WX: times the square root of the weights, and
    counted as often as the frequencies say, they are orthonormal.
    """

    residual: Array
    weights: Array
    counts: Array
    whitened: Array


@dataclass(frozen=True, eq=False)
class Checked:
    """A gaussian fit with identity link and its rows.

    Parameters
    ----------
    fit, frame : the fit, and the rows that give it.
    root : L (p, r); 0 in rows of aliased coefficients.
    """

    fit: Fit
    frame: ModelFrame
    root: Array

    @classmethod
    def of(cls, fit: Fit, frame: ModelFrame) -> Checked:
        """Return the fit with the root of its inverse information."""
        return cls(fit, frame, hat_root(fit, "check()", "Take residuals().")[:, : fit.estimate.rank])

    @property
    def rows(self) -> int:
        """Rows, each as often as its frequency says."""
        return self.fit.nobs

    @property
    def variance(self) -> float:
        """Mean square of the Pearson residuals."""
        return self.fit.pearson / self.rows

    @property
    def silent(self) -> str:
        """Why the residuals say nothing, or "" where they do."""
        if self.fit.df_residual <= 0:
            return "not checked: no residual degrees of freedom"
        if self.fit.status == "perfect fit":
            return "not checked: the residuals are rounding error"
        return ""

    def part(self, block: Block) -> Part:
        """Return the rows of a block that count."""
        eta = finite_predictor(self.fit.estimate, block.X, block.offset, self.fit.spec.design)[:, 0]
        used = block.total > 0
        counts = block.frequencies
        residual = np.sqrt(block.weights[used]) * (block.y - eta)[used]
        return Part(residual, block.weights[used], counts[used], block.X[0].dot(self.root)[used])
