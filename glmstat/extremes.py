"""Largest and least values of a step over the rows of a run."""

from __future__ import annotations

import numpy as np

from glmstat.accumulate import Look
from glmstat.compute import Extremes
from glmstat.likelihood.base import Rows
from glmstat.matrix import Array, Block
from glmstat.pieces import Split

__all__ = ["certificate", "room", "row_extremes", "terms_of"]


def row_extremes(look: Look, move: Array, block: Block) -> Extremes:
    """Return the largest step and the largest predictor of a run, over the rows that count."""
    used = look.weights > 0
    if not used.any():
        return Extremes()
    size, eta = np.abs(move), np.abs(look.eta[:, 0])
    if not used.all():
        size, eta = np.where(used, size, 0.0), np.where(used, eta, 0.0)
    place = int(size.argmax())
    row = int(block.source_row(look.rows.start + place))
    return Extremes(step=float(size[place]), row=row, eta=float(eta.max()))


def terms_of(split: Split, look: Look, gamma: Array, block: Block) -> float:
    """Return the largest sum of |x_j gamma_j| over the rows of a run that count."""
    sums, size = np.abs(block.offset[look.rows, 0]), np.abs(gamma)
    for columns, values in look.pieces:
        sums += size[split.places[columns]] @ np.abs(values)
    for one in split.coded:
        added = one.coding.sized().levelled(size[one.places])[one.codes[look.rows]]
        sums += added if one.multiplier is None else added * np.abs(one.multiplier[look.rows])
    return float(sums[look.weights > 0].max(initial=0.0))


def room(edges: tuple[Array, Array], move: Array, weights: Array) -> dict[str, float]:
    """Return how far the step can go before a mean leaves its domain, and the least distance to the edge."""
    used = weights > 0
    low, high = (np.ravel(edge)[used] for edge in edges)
    move = move[used]
    reach = np.where(move < 0, low / -move, np.where(move > 0, high / move, np.inf))
    return {
        "room": float(reach.min(initial=np.inf)),
        "slack": float(np.minimum(low, high).min(initial=np.inf)),
    }


def certificate(values: Rows, signs: Array, move: Array, weights: Array) -> dict[str, float]:
    """Return the multipliers of the bound rows after the linearised step; all > 0 prove a finite maximum."""
    bound = (signs != 0) & (weights > 0)
    if not bound.any():
        return {}
    information = values.observed if values.observed is not None else values.expected
    assert information is not None
    multiplier = np.abs(values.gradient[bound, 0])
    left = multiplier - information[bound, 0, 0] * signs[bound] * move[bound]
    return {
        "margin": float((left / multiplier).min()),
        "least": float(multiplier.min()),
        "largest": float(multiplier.max()),
    }
