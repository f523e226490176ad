"""Rows of a fit by distinct columns: the counts that an exact distribution is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, DataError
from glmstat.inference.rows import Named
from glmstat.inference.score import frame_of
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["MOST_GROUPS", "Groups", "groups_of"]

MOST_GROUPS = 20_000
_WHOLE = 1e-6  # R's binom.test takes counts this far from whole numbers


@dataclass(frozen=True, eq=False)
class Groups:
    """Counts by distinct row of the design.

    Parameters
    ----------
    X : (g, p) the distinct rows.
    offset : (g,); of counts per exposure the log of the summed exposure.
    count : (g,) successes, or events.
    trials : (g,) trials of successes; 0 where counts have no bound.
    bad : rows whose counts are not whole numbers.
    """

    X: Array
    offset: Array
    count: Array
    trials: Array
    bad: Named

    def __add__(self, other: Groups) -> Groups:
        return _united(
            np.vstack([self.X, other.X]),
            np.append(self.offset, other.offset),
            np.append(self.count, other.count),
            np.append(self.trials, other.trials),
            self.bad + other.bad,
        )

    def __len__(self) -> int:
        return len(self.count)

    @property
    def bounded(self) -> bool:
        """Whether counts are successes of trials."""
        return bool((self.trials > 0).any())

    @property
    def observed(self) -> IntArray:
        """The counts (g,) as whole numbers."""
        return np.rint(self.count).astype(np.int64)


def groups_of(fit: Fit, data: Any = None) -> Groups:
    """Return the counts of a binomial or Poisson fit by distinct rows of its columns, aliased ones left out.

    Raises
    ------
    DataError : counts or trials that are not whole numbers, or too many distinct rows.
    """
    frame = frame_of(fit, "exact()", data)
    columns = np.flatnonzero(~np.isnan(fit.estimate.theta))
    counts = fit.spec.likelihood.family.name == "poisson"

    def kernel(block: Block) -> Groups:
        return _of_block(block, columns, counts)

    groups = frame.reduce(kernel)
    if groups.bad.count:
        what = "counts" if counts else "successes and trials"
        raise DataError(
            f"exact() needs whole numbers: {what} are not in {groups.bad.text}. Correct them, "
            "or take fit.test()."
        )
    order = np.lexsort(np.vstack([groups.offset, groups.X.T[::-1]]))
    return Groups(
        groups.X[order], groups.offset[order], groups.count[order], groups.trials[order], groups.bad
    )


def _of_block(block: Block, columns: IntArray, counts: bool) -> Groups:
    used = block.total > 0
    X = block.X[0].to_array()[used][:, columns]
    total = block.total[used]
    count, offset = block.y[used] * total, block.offset[used, 0]
    whole = np.abs(count - np.rint(count)) <= _WHOLE
    if not counts:
        whole &= np.abs(total - np.rint(total)) <= _WHOLE
    bad = Named.of(block.numbers[used][~whole])
    if counts:
        offset = offset + np.log(total)
    return _united(X, offset, np.rint(count), np.zeros(len(X)) if counts else np.rint(total), bad)


def _united(X: Array, offset: Array, count: Array, trials: Array, bad: Named) -> Groups:
    """Rows of the same columns as one: exposures add up, chances of other offsets stay apart."""
    bounded = bool((trials > 0).any())
    keys = np.column_stack([X, offset]) if bounded else X
    distinct, place = np.unique(keys + 0.0, axis=0, return_inverse=True)
    if len(distinct) > MOST_GROUPS:
        raise ArgumentError(
            f"exact() is for few distinct rows of the design: there are more than {MOST_GROUPS:,}. "
            "Take fit.test() or confint(method='profile')."
        )
    place, size = place.ravel(), len(distinct)

    def summed(values: Array) -> Array:
        return np.bincount(place, values, size).astype(np.float64)

    if bounded:
        return Groups(distinct[:, :-1], distinct[:, -1], summed(count), summed(trials), bad)
    with np.errstate(divide="ignore"):
        return Groups(distinct, np.log(summed(np.exp(offset))), summed(count), summed(trials), bad)
