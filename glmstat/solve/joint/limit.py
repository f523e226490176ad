"""Predictors that run to infinity in some rows: which, where, and by which columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from glmstat.errors import row_list
from glmstat.estimate import Separated
from glmstat.matrix import Array, Block
from glmstat.solve.estimator import NoFinite
from glmstat.solve.joint.ascent import Ascent

__all__ = ["extreme", "infinite", "limits", "refuse_limits"]

MOVING = 1e-3  # change of a predictor by a last step that is no rounding


class _Limits:
    """Rows whose predictor k has reached an infinity, and still moves there: sign → rows."""

    def __init__(self, found: dict[tuple[int, int], Separated]) -> None:
        self.found = found

    def __add__(self, other: _Limits) -> _Limits:
        merged = dict(self.found)
        for key, rows in other.found.items():
            merged[key] = merged[key] + rows if key in merged else rows
        return _Limits(merged)


def limits(ascent: Ascent, least: float = MOVING) -> dict[tuple[int, int], Separated]:
    """Return the rows in which a predictor has run to an infinity, by its place and the sign.

    Parameters
    ----------
    least : how far the last step moves such a row.
    """
    space = ascent.space
    if not space.width:
        return {}

    def kernel(block: Block) -> _Limits:
        found = _Limits({})
        for run in space.runs(block, ascent.gamma):
            signs = space.likelihood.at_limit(run.eta)
            moving = space.moves(run, ascent.delta) >= least
            signs = np.where((run.weights > 0)[:, None] & moving, signs, 0.0)
            for k in range(signs.shape[1]):
                for sign in (1, -1):
                    rows = block.source_rows(run.rows.start + np.flatnonzero(signs[:, k] == sign))
                    if len(rows):
                        found = found + _Limits({(k, sign): Separated.named(rows)})
        return found

    return space.frame.reduce(kernel).found


def refuse_limits(ascent: Ascent) -> None:
    """Refuse a predictor that has no finite maximum in some rows.

    Raises
    ------
    NoFinite : which, its columns and rows.
    """
    found = limits(ascent)
    if not found:
        return
    (k, sign), rows = next(iter(found.items()))
    space, name = ascent.space, ascent.space.likelihood.predictors[k]
    columns = [space.frame.columns[slot] for slot in np.flatnonzero(_moving(ascent, k, 0.1))]
    why, remedy = space.likelihood.unlimited(name, sign)
    end, where = "infinity" if sign > 0 else "0", row_list(rows.rows, rows.count)
    raise NoFinite(f"{name} runs to {end} in {where}, by {', '.join(columns)}: {why}. {remedy}.")


def infinite(ascent: Ascent) -> Array:
    """Return the sign (p,) of each coefficient that runs to infinity with a predictor; 0 of others."""
    out = np.zeros(len(ascent.space.frame.columns))
    for k, _ in limits(ascent):
        out += np.sign(_moving(ascent, k, MOVING))
    return out


def _moving(ascent: Ascent, k: int, least: float) -> Array:
    """The last step (p,) of the coefficients of predictor k; 0 below a share of the largest."""
    space = ascent.space
    step = space.to_coef(ascent.delta)
    size, own = np.abs(step * space.size), np.zeros(len(step), dtype=bool)
    own[space.frame.slots[k]] = True
    return np.where(own & (size > least * size[own].max(initial=0.0)), step, 0.0)


def extreme(ascent: Ascent) -> Iterator[str]:
    """Yield remarks on rows where a predictor is finite and as good as infinite."""
    for (k, sign), rows in limits(ascent, 0.0).items():
        name, size = ascent.space.likelihood.predictors[k], "infinite" if sign > 0 else "0"
        yield f"{name} is as good as {size} in {row_list(rows.rows, rows.count)}"
