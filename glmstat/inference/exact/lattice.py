"""Columns as whole numbers: sums of them can be told apart, and found equal, without rounding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import cast

import numpy as np

from glmstat.matrix import Array, IntArray

__all__ = ["Lattice", "lattice"]

_LOST = 1e-9  # share of a column that is left of one that others span
_NEAR = 1e-10  # distance of a number from the fraction that it is taken for
_DENOMINATOR = 10**6  # of that fraction
_COMMON = 10**9  # of all fractions of a column
_DIGITS = 10**10  # units of columns that have no such fractions


@dataclass(frozen=True, eq=False)
class Lattice:
    """Columns that span what was asked for, in whole numbers.

    Parameters
    ----------
    fixed : (g, q) columns whose sums are conditioned on.
    free : (g, r) columns whose sums are tested, less what the fixed ones tell of them.
    cuts : (g, c) further columns in their span: those that were given, where they are fractions.
    unit : of a single free column: what 1 of it is in the column as given; > 0.
    exact_fixed, exact_free : whether these are the columns but for a factor, and not rounded.
    """

    fixed: IntArray
    free: IntArray
    cuts: IntArray
    unit: float
    exact_fixed: bool
    exact_free: bool


def lattice(fixed: Array, free: Array) -> Lattice | None:
    """Return columns in whole numbers; None where the fixed ones span some of the free ones.

    Columns are first combined so that some rows of them are those of a unit matrix: factors in any coding,
    polynomials and scaled columns become fractions by that, where they are fractions in any coding. What
    does not is rounded to 10 digits.

    Parameters
    ----------
    fixed : (g, q), maybe no column.
    free : (g, r), r >= 1.

    >>> found = lattice(np.ones((3, 1)), np.array([[0.1], [0.2], [0.4]]))
    >>> (found.free - found.free[0]).ravel().tolist(), round(found.unit, 3), found.exact_free
    ([0, 1, 3], 0.1, True)
    """
    known, pivots = _reduced(fixed)
    rest = free - known @ free[pivots]
    rest[np.abs(rest) <= _LOST * np.abs(free).max(axis=0)] = 0.0
    basis, places = _reduced(rest)
    if len(places) < free.shape[1]:
        return None
    whole, _, exact_fixed = _whole(known)
    tested, steps, exact_free = _whole(basis)
    unit = float(rest[places[0], 0] * steps[0])
    given = fixed[:, [_common(column) is not None for column in fixed.T]]
    cuts = _whole(given)[0]
    return Lattice(whole, tested if unit > 0 else -tested, cuts, abs(unit), exact_fixed, exact_free)


def _reduced(columns: Array) -> tuple[Array, IntArray]:
    """Columns of the same span that are a unit matrix in some rows, and these rows."""
    if not columns.any():
        return columns[:, :0], np.zeros(0, dtype=np.intp)
    from scipy.linalg import qr

    scaled = columns / np.maximum(np.abs(columns).max(axis=0), np.finfo(float).tiny)
    triangle, order = cast("tuple[Array, IntArray]", qr(scaled.T, mode="r", pivoting=True))
    sizes = np.abs(np.diagonal(triangle))
    pivots = np.sort(order[: int((sizes > _LOST * sizes[0]).sum())]).astype(np.intp)
    return scaled @ np.linalg.pinv(scaled[pivots]), pivots


def _whole(columns: Array) -> tuple[IntArray, list[float], bool]:
    """Columns in whole numbers, what 1 is in each, and whether none was rounded."""
    out = np.zeros(columns.shape, dtype=np.int64)
    steps, exact = [], True
    for j, column in enumerate(columns.T):
        common = _common(column)
        exact &= common is not None
        found = np.rint(column * (common or _DIGITS)).astype(np.int64)
        factor = int(np.gcd.reduce(found)) or 1
        out[:, j] = found // factor
        steps.append(factor / (common or _DIGITS))
    return out, steps, exact


def _common(column: Array) -> int | None:
    """A denominator of all numbers of a column; None where they have no small one."""
    common = 1
    for value in np.unique(column).tolist():
        if abs(value * common - round(value * common)) <= _NEAR * common:
            continue
        common = lcm(common, Fraction(value).limit_denominator(_DENOMINATOR).denominator)
        if common > _COMMON:
            return None
    near = np.abs(column - np.rint(column * common) / common) <= _NEAR
    return common if near.all() else None
