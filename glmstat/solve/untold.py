"""By how much an information may be off after a last step that no pass followed."""

from __future__ import annotations

import numpy as np

from glmstat.matrix import Array
from glmstat.solve.chord import Climb, Step
from glmstat.solve.linear import Factored

__all__ = ["untold"]


def untold(climb: Climb, step: Step, observed: Array, root: Factored, limit: float) -> float:
    """Return what a last step changes in the information, relative to it, beyond what the subsample tells.

    The scores at both ends of the step before tell what that one changed along itself, for all rows: those
    of great leverage too, of which the subsample may have none. The last step changes as much less as it is
    shorter.

    Parameters
    ----------
    observed, root : information (q, q) of all rows where the step begins, and its factor.
    limit : below which the subsample is not asked.
    """
    if step.decrement <= climb.control.tolerance:  # no row moves more than that, and scores tell rounding
        return 0.0
    if not climb.steps:
        return float("inf")
    before, after = climb.steps[-1], step.reading
    moved = after.gamma - before.reading.gamma
    if not before.decrement > 0 or not moved.any():
        return 0.0
    size = float(np.sqrt(moved @ observed @ moved))
    share = 2.0 * step.decrement / before.decrement
    bend = before.reading.sums.score - after.sums.score - observed @ moved
    whole = share * _norm(root, bend) / size
    stand = climb.stand
    if whole <= limit or stand is None:
        return whole
    here = stand.sample.pass_(after.gamma, "both")
    own = here.expected if here.observed is None else here.observed
    if own is None:
        return whole
    known = stand.sample.pass_(before.reading.gamma, "none").score - here.score - own @ moved
    rest = bend - known * (climb.over.counts.weight / stand.weight)
    return min(share * _norm(root, rest) / size, whole)


def _norm(root: Factored, score: Array) -> float:
    return float(np.sqrt(max(score @ root.solve(score), 0.0)))
