"""The information matrix in the coordinates it was summed in, and its inverse in those of the columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from glmstat.eliminated import Eliminated
from glmstat.matrix import Array, IntArray
from glmstat.triangular import triangular_inverse

__all__ = ["BorderedInformation", "DenseInformation", "Information", "Scaling"]

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

    @property
    def arrays(self) -> tuple[Array | IntArray, ...]:
        """What it is made of."""
        return self.root, self.transform, self.slots

    def unscaled(self) -> Array | None:
        """Return L (q, q) with L L' the inverse of the information in the q coordinates, or None."""
        return triangular_inverse(self.root)

    def lengths(self) -> Array:
        """Return the roots of the diagonal of that inverse (q,); NaN where there is none."""
        inverse = self.unscaled()
        return np.full(len(self.root), np.nan) if inverse is None else np.linalg.norm(inverse, axis=1)

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


@dataclass(frozen=True, eq=False)
class Scaling:
    """T = diag(scale), less `beside` in one row: what scaling, and centring by an intercept, does.

    Parameters
    ----------
    scale : (q,).
    row : of the intercept, or None.
    beside : (q,).
    """

    scale: Array
    row: int | None
    beside: Array

    def dense(self) -> Array:
        """Return T (q, q)."""
        out = np.diag(self.scale)
        if self.row is not None:
            out[self.row] -= self.beside
        return out

    def times(self, values: Array) -> Array:
        """Return T values, for (q,) or (q, k)."""
        out = (values.T * self.scale).T
        if self.row is not None:
            out[self.row] -= self.beside @ values
        return out

    def of_row(self) -> Array:
        """Return the row of the intercept (q,)."""
        assert self.row is not None
        out = -self.beside
        out[self.row] += self.scale[self.row]
        return out


@dataclass(frozen=True, eq=False)
class BorderedInformation:
    """Information of p coefficients for dispersion 1, many of which exclude each other.

    What has p² numbers is made when it is asked for: standard errors need none of it.

    Parameters
    ----------
    eliminated : root of the information in the coordinates of the k estimated columns.
    scaling : T (k, k): coefficients = T times the coordinates.
    slots : places (k,) of the estimated columns among all p.
    size : p.
    """

    eliminated: Eliminated
    scaling: Scaling
    slots: IntArray
    size: int

    @property
    def root(self) -> Array:
        """The upper triangular root, of the coordinates in the order of elimination."""
        return self.eliminated.dense()

    @property
    def transform(self) -> Array:
        """T of the coordinates in the order of elimination."""
        return self.scaling.dense()[:, self.eliminated.order]

    @property
    def arrays(self) -> tuple[Array | IntArray, ...]:
        """What it is made of."""
        root, scaling = self.eliminated, self.scaling
        return root.own, root.beside, root.rest, scaling.scale, scaling.beside, self.slots

    def unscaled(self) -> Array | None:
        """Return L (q, q) with L L' the inverse of the information in the q coordinates, or None."""
        return self.eliminated.inverse()

    def lengths(self) -> Array:
        """Return the roots of the diagonal of that inverse (q,); NaN where there is none."""
        return self.eliminated.sizes()

    @cached_property
    def sizes(self) -> Array:
        """Roots of the diagonal of the inverse information (p,); NaN where a coefficient has none."""
        out, own = np.full(self.size, np.nan), self.lengths() * np.abs(self.scaling.scale)
        if self.scaling.row is not None:
            own[self.scaling.row] = self.eliminated.size_of(self.scaling.of_row())
        out[self.slots] = own
        out.flags.writeable = False
        return out

    @cached_property
    def inverse_root(self) -> Array:
        """L (p, q) with L L' the inverse information; rows of coefficients without one are NaN."""
        inverse = self.eliminated.inverse()
        if inverse is not None:
            inverse = self.scaling.times(inverse)
        if inverse is None or len(self.slots) < self.size:
            out = np.full((self.size, len(self.eliminated)), np.nan)
            if inverse is not None:
                out[self.slots] = inverse
            inverse = out
        inverse.flags.writeable = False
        return inverse

    def inverse(self) -> Array:
        """Return the inverse information (p, p), the covariance for dispersion 1."""
        return self._dense.inverse()

    def matrix(self) -> Array:
        """Return the information (p, p) of the columns; NaN where a coefficient has none."""
        return self._dense.matrix()

    @property
    def _dense(self) -> DenseInformation:
        return DenseInformation(self.root, self.transform, self.slots, self.size)


Information = DenseInformation | BorderedInformation


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
