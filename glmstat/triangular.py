"""Triangular factors straight from LAPACK: small fits cannot afford the checks around them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import lapack

from glmstat.matrix import Array

__all__ = [
    "cholesky",
    "cholesky_solve",
    "reciprocal_condition",
    "triangle",
    "triangular_inverse",
    "triangular_solve",
]

_lapack: Any = lapack  # its names are made at import and unknown to type checkers


def cholesky(matrix: Array, *, overwrite: bool = False) -> Array | None:
    """Return the upper triangular R with R'R = matrix, or None where it is not positive definite.

    Parameters
    ----------
    overwrite : whether R may take the place of the matrix, as it does where columns lie together.
    """
    root, failed = _lapack.dpotrf(matrix, clean=1, overwrite_a=overwrite)
    return None if failed else root


def cholesky_solve(root: Array, right: Array) -> Array:
    """Return the solution x of R'R x = right."""
    return _lapack.dpotrs(root, right)[0]


def reciprocal_condition(root: Array, norm: float) -> float:
    """Return an estimate of 1 / condition of R'R, whose 1-norm is given."""
    return float(_lapack.dpocon(root, norm)[0])


def triangular_inverse(root: Array) -> Array | None:
    """Return R⁻¹, or None where R is singular."""
    if not root.size:  # LAPACK refuses an order of 0
        return root
    inverse, failed = _lapack.dtrtri(root)
    return None if failed else inverse


def triangular_solve(root: Array, right: Array) -> Array:
    """Return the solution x of R x = right."""
    return _lapack.dtrtrs(root, right)[0] if root.size else right


def triangle(rows: Array) -> Array:
    """Return the upper triangular R (q, q) of the QR factorisation of rows (m, q)."""
    width = rows.shape[1]
    if len(rows) < width:
        rows = np.vstack([rows, np.zeros((width - len(rows), width))])
    return np.triu(_lapack.dgeqrf(rows)[0][:width])
