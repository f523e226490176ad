"""Which columns are aliased: R's rule on the triangle of the weighted design, with the reason in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from glmstat.formula.naming import INTERCEPTS
from glmstat.matrix import Array, IntArray
from glmstat.solve.linear import Factored, factor
from glmstat.triangular import triangular_solve
from glmstat.workspace import Workspace

__all__ = ["Rank", "full_rank", "rank_of", "settle_rank"]

TOLERANCE = 1e-11  # R's glm: min(1e-7, epsilon / 1000) at its default epsilon
DOUBT = 1e-12  # a squared ratio: below it a pivot of the Gram is rounding of either sign
NEAR = 1e-8


@dataclass(frozen=True, eq=False)
class Rank:
    """Places of the columns to keep, reasons of the others by place, and remarks on near-collinear ones."""

    kept: IntArray
    reasons: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def full_rank(gram: Array, found: Factored | None = None) -> bool:
    """Whether every ordered pivot of the Gram, relative to its diagonal, is clearly above rounding.

    Parameters
    ----------
    found : its factor, where that is known.
    """
    found = factor(gram) if found is None else found
    if found is None:
        return False
    return bool((found.pivots > DOUBT * gram.diagonal()).all())


def settle_rank(workspace: Workspace, names: Sequence[str]) -> Rank:
    """Return the columns that R's rule keeps, and why the others go.

    A column goes when what the kept earlier ones leave of it is below 1e-11 of its norm. One pass of the
    original columns, reduced by QR, so that ratios down to 1e-15 are resolved.

    Source: R's glm (LINPACK dqrdc2), applied to the p × p triangle.
    """
    plain = workspace.uncentred()
    return rank_of(plain.design_triangle(), names, plain.scale)


def rank_of(triangle: Array, names: Sequence[str], scale: Array) -> Rank:
    """Return `settle_rank` from the triangle (q, q) of columns times their scale (q,)."""
    norms = np.linalg.norm(triangle, axis=0)
    kept, reasons, notes = _Kept(len(triangle)), {}, []
    for place, column in enumerate(triangle.T):
        unit = column / norms[place] if norms[place] > 0 else column
        left, shares = kept.leftover(unit)
        ratio = float(np.linalg.norm(left))
        if ratio >= NEAR:
            kept.append(place, left, shares)
            continue
        words = _combination(kept, shares, norms, place, names, scale)
        if ratio >= TOLERANCE:
            notes.append(f"{names[place]} is {words} up to {ratio:.0e} of its size")
            kept.append(place, left, shares)
        else:
            reasons[place] = _reason(words) if norms[place] > 0 else _empty(names[place])
    return Rank(np.array(kept.places, dtype=np.intp), reasons, tuple(notes))


class _Kept:
    """The columns kept so far, each of length 1: an orthonormal basis of them, and what they are in it."""

    def __init__(self, size: int) -> None:
        self.places: list[int] = []
        self._basis = np.zeros((size, size))  # a row for each vector, so that the first k lie together
        self._root = np.zeros((size, size))

    def leftover(self, column: Array) -> tuple[Array, Array]:
        """Return what the kept columns leave of a column, and its parts along their basis."""
        basis = self._basis[: len(self.places)]
        first = basis @ column
        left = column - first @ basis
        again = basis @ left
        return left - again @ basis, first + again

    def append(self, place: int, left: Array, shares: Array) -> None:
        """Keep a column."""
        count, length = len(self.places), np.linalg.norm(left)
        self._basis[count] = left / length
        self._root[:count, count], self._root[count, count] = shares, length
        self.places.append(place)

    def coefficients(self, shares: Array) -> Array:
        """Return the combination of the kept columns that has these parts along their basis."""
        count = len(self.places)
        return triangular_solve(self._root[:count, :count], shares) if count else shares


def _reason(words: str) -> str:
    return f"constant, {words} in every row" if _is_number(words) else f"= {words}"


def _is_number(words: str) -> bool:
    try:
        float(words)
    except ValueError:
        return False
    return True


def _empty(name: str) -> str:
    parts = [part.replace("[T.", "=").replace("[", "=").rstrip("]") for part in name.split(":")]
    return f"no observation with {', '.join(parts)}" if "[" in name else "0 in every row"


def _combination(
    kept: _Kept, shares: Array, norms: Array, place: int, names: Sequence[str], scale: Array
) -> str:
    """The column as a combination of the kept ones before it, in words."""
    used = [
        (k, c * norms[place] / norms[k] * scale[k] / scale[place])
        for k, c in zip(kept.places, kept.coefficients(shares), strict=True)
        if abs(c) > 1e-8
    ]
    if not used:
        return "0"
    if len(used) > 6:
        return "a combination of " + ", ".join(names[k] for k, _ in used[:6]) + ", …"
    text = " ".join(_addend(names[k], float(f"{value:.7g}")) for k, value in used)
    return text.removeprefix("+ ") if text.startswith("+ ") else "-" + text.removeprefix("- ")


def _addend(name: str, value: float) -> str:
    sign, size = ("-" if value < 0 else "+"), abs(value)
    if name in INTERCEPTS:
        return f"{sign} {size:g}"
    return f"{sign} {name}" if size == 1 else f"{sign} {size:g}*{name}"
