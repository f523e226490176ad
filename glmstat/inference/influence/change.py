"""Changes of the coefficients without each row, to first order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glmstat.inference.hat import Leverage, hat_root, known_coefficients, leverage, touched
from glmstat.inference.rows import of_fit
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["moved", "row_steps"]

BoolArray = NDArray[np.bool_]


def moved(rows: Leverage, step: Array, root: Array, known: BoolArray) -> Array:
    """Return changes (n, p) of the coefficients from whitened steps (n, q).

    A row with h = 1 is all there is about a direction: coefficients that it touches have no value without
    it, the others do not change.
    """
    only = rows.hat == 1.0
    change = np.where(only[:, None], 0.0, step) @ root.T
    if only.any():
        with np.errstate(invalid="ignore"):
            direction = rows.projected[only] * np.sqrt(rows.information[only])[:, None]
            change[only] = np.where(touched(direction, root), np.nan, 0.0)
    change[:, ~known] = np.nan
    return change


def row_steps(fit: Fit) -> Array:
    """Return the first step (n, p) from the estimate to the fit without each row shown, sign reversed."""
    root, known = hat_root(fit), known_coefficients(fit)

    def values(block: Block) -> Array:
        rows = leverage(fit, block, root)
        with np.errstate(all="ignore"):
            step = rows.projected * (rows.gradient / (1.0 - rows.hat))[:, None]
        return moved(rows, step, root, known)

    return of_fit(fit, "influence", values, width=len(known)).values
