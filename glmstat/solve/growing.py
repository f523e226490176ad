"""Maxima at infinity that no certificate covers: a linear predictor that the data no longer determine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glmstat.information import BorderedInformation, Information
from glmstat.matrix import Array, Block
from glmstat.workspace import Workspace

__all__ = ["growing_row"]

LOST = 1e4  # standard errors of a predictor, in its own size, from which nothing is known of it


class _Widest(NamedTuple):
    ratio: float = 0.0
    row: int = -1

    def __add__(self, other: _Widest) -> _Widest:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self if self.ratio >= other.ratio else other


def growing_row(
    workspace: Workspace, gamma: Array, information: Information, dispersion: float, size: float
) -> int | None:
    """Return the source row whose predictor has a standard error beyond all sense, or None.

    Where a mean runs to the end of its range at infinity (gaussian with log or inverse link), the score
    vanishes with the information: the decrement calls that converged, the standard error does not.

    Parameters
    ----------
    size : the size of a predictor of the response, beside which errors are measured.
    """
    if not workspace.size or workspace.likelihood.family.link.name == "identity":
        return None
    if not isinstance(information, BorderedInformation) and len(information.root) < workspace.size:
        return None
    scale = np.sqrt(dispersion) if np.isfinite(dispersion) else 1.0
    if not workspace.frame.small:
        errors = information.lengths()
        if not np.isfinite(errors).all():
            return None
        largest = workspace.extremes(errors, np.zeros_like(errors), "none").terms  # sum of |x| times errors
        if scale * largest <= LOST * size:
            return None
    inverse = information.unscaled()
    if inverse is None or not np.isfinite(inverse).all():
        return None

    def kernel(block: Block) -> _Widest:
        found = _Widest()
        with np.errstate(all="ignore"):
            for run in workspace.runs(block, gamma):
                error = scale * np.sqrt(np.square(inverse.T @ run.columns).sum(axis=0))
                ratio = np.where(run.weights > 0, error / np.maximum(np.abs(run.eta[:, 0]), size), 0.0)
                place = int(ratio.argmax())
                found = found + _Widest(float(ratio[place]), block.source_row(run.rows.start + place))
        return found

    widest = workspace.frame.reduce(kernel)
    return widest.row if widest.ratio > LOST else None
