"""Which columns are aliased: R's rule on the triangle of the weighted design, with the reason in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from glmstat.matrix import Array, IntArray
from glmstat.solve.linear import factor
from glmstat.workspace import Workspace

__all__ = ["Rank", "full_rank", "settle_rank"]

TOLERANCE = 1e-11  # R's glm: min(1e-7, epsilon / 1000) at its default epsilon
DOUBT = 1e-12  # a squared ratio: below it a pivot of the Gram is rounding of either sign
NEAR = 1e-8


@dataclass(frozen=True, eq=False)
class Rank:
    """Places of the columns to keep, reasons of the others by place, and remarks on near-collinear ones."""

    kept: IntArray
    reasons: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def full_rank(gram: Array) -> bool:
    """Whether every ordered pivot of the Gram, relative to its diagonal, is clearly above rounding."""
    found = factor(gram)
    if found is None:
        return False
    return bool((np.square(np.diag(found.root)) > DOUBT * np.diag(gram)).all())


def settle_rank(workspace: Workspace, names: Sequence[str]) -> Rank:
    """Return the columns that R's rule keeps, and why the others go.

    A column goes when what the kept earlier ones leave of it is below 1e-11 of its norm. One pass of the
    original columns, reduced by QR, so that ratios down to 1e-15 are resolved.

    Source: R's glm (LINPACK dqrdc2), applied to the p × p triangle.
    """
    plain = workspace.uncentred()
    triangle = plain.design_triangle()
    norms = np.linalg.norm(triangle, axis=0)
    kept, reasons, notes = [], {}, []
    basis = np.zeros((len(triangle), 0))
    for place, column in enumerate(triangle.T):
        left = _leftover(basis, column)
        ratio = np.linalg.norm(left) / norms[place] if norms[place] > 0 else 0.0
        if ratio < TOLERANCE:
            reasons[place] = _reason(triangle, norms, kept, place, names, plain.scale)
            continue
        if ratio < NEAR:
            words = _combination(triangle, norms, kept, place, names, plain.scale)
            notes.append(f"{names[place]} is {words} up to {ratio:.0e} of its size")
        kept.append(place)
        basis = np.column_stack([basis, left / np.linalg.norm(left)])
    return Rank(np.array(kept, dtype=np.intp), reasons, tuple(notes))


def _leftover(basis: Array, column: Array) -> Array:
    left = column - basis @ (basis.T @ column)
    return left - basis @ (basis.T @ left)


def _reason(
    triangle: Array, norms: Array, kept: list[int], place: int, names: Sequence[str], scale: Array
) -> str:
    if norms[place] == 0:
        return _empty(names[place])
    words = _combination(triangle, norms, kept, place, names, scale)
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
    triangle: Array, norms: Array, kept: list[int], place: int, names: Sequence[str], scale: Array
) -> str:
    """The column as a combination of the kept ones before it, in words."""
    left, *_ = np.linalg.lstsq(triangle[:, kept] / norms[kept], triangle[:, place] / norms[place], rcond=None)
    used = [
        (k, c * norms[place] / norms[k] * scale[k] / scale[place])
        for k, c in zip(kept, left, strict=True)
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
    if name == "Intercept":
        return f"{sign} {size:g}"
    return f"{sign} {name}" if size == 1 else f"{sign} {size:g}*{name}"
