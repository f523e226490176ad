"""What every ascent to a mode of a posterior shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from glmstat.compute import Counts, Facts
from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.families import Family
from glmstat.families.count_variance import BinomialVariance
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.solve.dispersion import choose_dispersion
from glmstat.solve.null import null_intercept
from glmstat.solve.prior.density import LogPrior
from glmstat.solve.prior.workspace import Posterior, posterior
from glmstat.solve.rank import Rank, full_rank, settle_rank
from glmstat.solve.scaling import open_workspace
from glmstat.solve.start import given_coefficients, null_start

__all__ = ["Road"]

WHOLE = 1e-7  # how far a count may be from a whole number


@dataclass(frozen=True, eq=False)
class Road:
    """What every ascent to a mode shares.

    Parameters
    ----------
    workspace : the columns that are not aliased, with the prior, for dispersion 1.
    intercept, null : of the null model, as a number and as coefficients, or None.
    given : coefficients that the call starts from.
    asked : estimator or value of the dispersion, as in `fit_estimate`.
    """

    frame: ModelFrame
    workspace: Posterior
    rank: Rank
    counts: Counts
    intercept: float
    null: Array | None
    given: Array | None
    control: Control
    asked: Any

    @cached_property
    def fixed(self) -> float | None:
        """The dispersion where it is not estimated."""
        own = self.workspace.likelihood.family.dispersion
        if self.asked is None:
            return own
        if isinstance(self.asked, str):
            return None
        nothing = Facts(np.nan, np.nan, np.nan)
        return choose_dispersion(self.workspace, np.zeros(0), nothing, self.counts, 1, self.asked).value

    @cached_property
    def least(self) -> float:
        """The least that an estimated dispersion counts as: 1 of counts and of 0/1 rows, else 0.

        Rows that a prior holds back from infinite coefficients fit better the less it weighs: a dispersion
        without a bound would fall to 0 with them.

        Source: Burnham & Anderson (2002), Model Selection and Multimodel Inference, section 2.5, for 1.
        """
        counted = self.fixed is None and _of_counts(self.workspace.likelihood.family)
        return float(counted and not self.frame.reduce(_not_whole))

    def pearson(self, beta: Array) -> float:
        """Return Pearson's dispersion at coefficients (q,), 1 where it is no positive number."""
        total = self.workspace.facts(self.workspace.to_gamma(beta), None).pearson
        value = total / (self.spare if self.spare > 0 else max(self.counts.rows, 1))
        return max(value, self.least) if np.isfinite(value) and value > 0 else 1.0

    @property
    def spare(self) -> int:
        """Rows less columns in use."""
        return self.counts.rows - self.workspace.size

    @classmethod
    def open(
        cls,
        frame: ModelFrame,
        likelihood: GLM,
        prior: LogPrior,
        start: Array | None,
        control: Control,
        asked: Any,
    ) -> Road:
        """Return the road through the rows of a frame."""
        whole = posterior(open_workspace(frame, likelihood), prior, 1.0)
        counts = whole.counts()
        intercept = null_intercept(whole, counts, has_offset=frame.has_offset)
        rank, workspace = _settled(whole, frame)
        given = None if start is None else np.nan_to_num(given_coefficients(start, whole.width))[rank.kept]
        null = null_start(workspace, intercept)
        return cls(frame, workspace, rank, counts, intercept, null, given, control, asked)


def _of_counts(family: Family) -> bool:
    """Whether the variance is that of counts or of successes, where the dispersion is 1."""
    return family.dispersion is not None or family.power == 1.0 or isinstance(family.kernel, BinomialVariance)


def _not_whole(block: Block) -> int:
    """How many responses are no whole numbers, neither themselves nor times their weights."""
    y, times = block.y, block.y * block.weights
    away = np.minimum(np.abs(y - np.rint(y)), np.abs(times - np.rint(times)))
    return int(np.count_nonzero((away > WHOLE * np.maximum(np.abs(y), 1.0)) & (block.total > 0)))


def _settled(whole: Posterior, frame: ModelFrame) -> tuple[Rank, Posterior]:
    """Which columns are aliased: those that neither the rows nor a curved prior tell from others."""
    gram = whole.start_pass().expected
    assert gram is not None
    plain = whole.with_prior(replace(whole.prior, df=np.where(whole.prior.kinked, np.inf, whole.prior.df)))
    if not whole.size or (not whole.prior.kinked.any() and full_rank(gram)):
        return Rank(np.arange(whole.size)), whole
    rank = settle_rank(whole, frame.columns)
    apart = rank if not whole.prior.kinked.any() else settle_rank(plain, frame.columns)
    if len(apart.kept) > len(rank.kept):
        name = frame.columns[int(np.setdiff1d(apart.kept, rank.kept)[0])]
        place = frame.columns.index(name)
        raise ArgumentError(
            f"A laplace prior does not determine {name} beside the others ({rank.reasons[place]}). "
            "Drop a column, or give one a normal prior."
        )
    kept = whole if len(rank.kept) == whole.size else _kept(whole, rank)
    return rank, kept


def _kept(whole: Posterior, rank: Rank) -> Posterior:
    found = whole.kept(rank.kept)
    assert isinstance(found, Posterior)
    return found
