"""The information matrix in the coordinates it was summed in, and its inverse in those of the columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from glmstat.matrix import Array, IntArray
from glmstat.triangular import triangular_inverse

__all__ = ["DenseInformation"]

_MANY = 100  # coefficients from which a product of two matrices is worth avoiding
_FEW_ROWS = 4


@dataclass(frozen=True, eq=False)
class DenseInformation:
    """Information J of p coefficients for dispersion 1.

    Parameters
    ----------
    root : upper triangular R (q, q) with R'R the information in the q coordinates that can move.
    transform : T (k, q): coefficients of the k estimated columns = T times the coordinates (columns
        centred and scaled; fewer coordinates than columns where a boundary holds some of them).
    slots : places (k,) of the estimated columns among all p.
    size : p.
    """

    root: Array
    transform: Array
    slots: IntArray
    size: int

    @cached_property
    def inverse_root(self) -> Array:
        """L (p, q) with L L' the inverse information; rows of coefficients without one are NaN."""
        out = np.full((self.size, max(len(self.root), 1)), np.nan)
        if len(self.root):
            inverse = triangular_inverse(self.root)
            out[self.slots] = np.nan if inverse is None else _transformed(self.transform, inverse)
        out.flags.writeable = False
        return out

    def inverse(self) -> Array:
        """Return the inverse information (p, p), the covariance for dispersion 1."""
        with np.errstate(over="ignore", invalid="ignore"):
            inverse = self.inverse_root @ self.inverse_root.T
        inverse[self._without, :] = inverse[:, self._without] = np.nan
        return inverse

    @property
    def _without(self) -> IntArray:
        """Slots that have no information."""
        return np.setdiff1d(np.arange(self.size), self.slots)

    def matrix(self) -> Array:
        """Return the information (p, p) of the columns; NaN where a coefficient has none."""
        out = np.full((self.size, self.size), np.nan)
        back = np.linalg.solve(self.transform.T, self.root.T)
        out[np.ix_(self.slots, self.slots)] = back @ back.T
        return out


def _transformed(transform: Array, inverse: Array) -> Array:
    """Return T @ inverse, by rows where T is a diagonal but for few: scaling, and centring in one row."""
    if len(transform) != transform.shape[1] or len(transform) < _MANY:
        return transform @ inverse
    beside = transform.copy()
    np.fill_diagonal(beside, 0.0)
    rows = np.flatnonzero(beside.any(axis=1))
    if len(rows) > _FEW_ROWS:
        return transform @ inverse
    out = np.diag(transform)[:, None] * inverse
    out[rows] += beside[rows] @ inverse
    return out
