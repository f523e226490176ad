"""Linear combinations of the coefficients, as a verb's `of=` names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.estimable import null_space
from glmstat.inference.hypothesis.combination import Number, affine
from glmstat.inference.hypothesis.names import names_of
from glmstat.inference.hypothesis.text import Equation, read
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Linear", "linear"]

_SHARE = 1e-8  # of its size: below, a combination does not move along the aliased directions


@dataclass(frozen=True, eq=False)
class Linear:
    """m combinations: matrix @ coef.

    Parameters
    ----------
    texts : as tables print them.
    matrix : (m, p); a row of NaN is an aliased coefficient.
    """

    texts: tuple[str, ...]
    matrix: Array

    def estimates(self, fit: Fit) -> Array:
        """Return the estimates (m,): infinite where separation moves them, NaN where aliased."""
        out = np.nan_to_num(self.matrix) @ np.nan_to_num(fit.estimate.theta)
        moved = np.zeros(len(out), dtype=bool)
        for direction in fit.estimate.directions:
            move = np.nan_to_num(self.matrix) @ direction
            size = np.abs(np.nan_to_num(self.matrix)) @ np.abs(direction)
            first = ~moved & (np.abs(move) > 1e-9 * size)
            out[first] = np.copysign(np.inf, move[first])
            moved |= first
        out[np.isnan(self.matrix).any(axis=1)] = np.nan
        return out


def linear(fit: Fit, of: str | Sequence[str] | None = None) -> Linear:
    """Return the combinations that `of` names: coefficients, terms, arithmetic; None is every coefficient.

    Raises
    ------
    ArgumentError : a name that is no coefficient, an expression that is not linear, has a constant or
        compares, or a combination that aliased columns leave open.
    """
    if of is None:
        return Linear(fit.columns, _single(fit, range(len(fit.columns))))
    texts = [of] if isinstance(of, str) else list(of) if isinstance(of, Iterable) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ArgumentError(f'of must name coefficients or combinations: got {of!r}. Write of="x".')
    labels: list[str] = []
    rows: list[Array] = []
    for text in texts:
        for label, row in _rows(fit, text):
            labels.append(label)
            rows.append(row)
    return Linear(tuple(labels), np.vstack(rows))


def _rows(fit: Fit, text: str) -> list[tuple[str, Array]]:
    if text in fit.columns:
        return [(text, _single(fit, [fit.columns.index(text)])[0])]
    return [_row(fit, equation) for equation in read(text, names_of(fit)).equations]


def _row(fit: Fit, equation: Equation) -> tuple[str, Array]:
    label = equation.text.removesuffix(" = 0")
    if equation.right != Number(0.0):
        raise ArgumentError(f"of= takes no '=': '{equation.text}'. Write the combination alone.")
    form = affine(equation.left)
    if form is None:
        raise ArgumentError(f"'{label}' is not linear in the coefficients. Use test() for the delta method.")
    row = np.zeros(len(fit.columns))
    for slot, weight in form.weights.items():
        row[slot] = weight
    if form.constant != 0 or not row.any():
        why = "has a constant" if row.any() else "has no coefficient left"
        raise ArgumentError(f"'{label}' {why}: an interval is of coefficients times numbers. Leave it out.")
    used = np.flatnonzero(row)
    if len(used) == 1 and row[used[0]] == 1.0:
        return label, _single(fit, [int(used[0])])[0]
    return label, _estimable(fit, label, row)


def _single(fit: Fit, slots: Sequence[int]) -> Array:
    """A row per coefficient; NaN where it is aliased."""
    matrix = np.zeros((len(slots), len(fit.columns)))
    matrix[np.arange(len(slots)), list(slots)] = 1.0
    matrix[np.isnan(fit.estimate.theta)[list(slots)]] = np.nan
    return matrix


def _estimable(fit: Fit, label: str, row: Array) -> Array:
    """The row with nothing at aliased coefficients, if all solutions agree on it."""
    if not row[np.isnan(fit.estimate.theta)].any():
        return row
    space = null_space(fit)
    if (np.abs(row @ space) > _SHARE * (np.abs(row) @ np.abs(space))).any():
        names = ", ".join(fit.estimate.aliased)
        raise ArgumentError(f"'{label}' cannot be estimated: {names} is aliased. Leave it out.")
    return np.where(np.isnan(fit.estimate.theta), 0.0, row)
