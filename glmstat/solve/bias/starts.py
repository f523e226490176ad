"""Where adjusted scores are first evaluated: the maximum likelihood estimate of slightly smoothed rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glmstat.control import Control
from glmstat.errors import GlmstatError
from glmstat.frame import ModelFrame
from glmstat.matrix import Array, Block
from glmstat.solve.estimate import fit_estimate
from glmstat.solve.rank import Rank
from glmstat.workspace import Workspace

__all__ = ["smoothed_start"]

NEAR = 1e-4  # decrement: a start need not be exact
STEPS = 100
_PROPORTIONS = ("binomial", "quasibinomial")
_COUNTS = ("poisson", "quasipoisson", "negative_binomial", "tweedie")


def smoothed_start(
    workspace: Workspace, rank: Rank, frame: ModelFrame, rows: int, control: Control
) -> Array | None:
    """Return the maximum likelihood estimate (q,) of rows moved off the edge of their domain, None for none.

    Each proportion gets size / rows trials more, half of them successes; each count size / (2 rows) more.
    Adjusted scores may have several roots: from here scoring ends where brglm2 ends.

    Parameters
    ----------
    workspace : of the columns that are not aliased, whose coordinates are returned.
    rows : that count.

    Source: the starting values of `brglmFit` in R's brglm2 (Kosmidis).
    """
    likelihood = workspace.likelihood
    share, name = workspace.size / max(rows, 1), likelihood.family.name

    def change(block: Block) -> Block:
        if name in _COUNTS:
            return replace(block, y=block.y + 0.5 * share)
        used = block.weights > 0
        weights = np.where(used, block.weights + share, 0.0)
        with np.errstate(all="ignore"):
            y = np.where(used, (block.weights * block.y + 0.5 * share) / weights, block.y)
        return replace(block, y=y, weights=weights)

    looser = replace(control, tolerance=max(control.tolerance, NEAR), max_iterations=STEPS, checkpoint=None)
    moved = frame.changed(change) if name in (*_PROPORTIONS, *_COUNTS) else frame
    try:
        found = fit_estimate(moved, likelihood, control=looser).coef[rank.kept]
    except GlmstatError:
        return None
    return workspace.to_gamma(found) if np.isfinite(found).all() else None
