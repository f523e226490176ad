"""Blyth and Still's intervals for a proportion: acceptance regions of the fewest counts, inverted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from glmstat.inference.exact.tails import crossing

__all__ = ["MOST_TRIALS", "blyth_still"]

MOST_TRIALS = 10_000  # each end is a root: beyond, Clopper and Pearson's interval is as short


@dataclass
class _Event:
    """Where a count leaves the acceptance region, one enters it, or both, as the proportion grows.

    Parameters
    ----------
    leaves, enters : the counts, or None.
    low, high : between which proportions that may be; one point but where both happen at once.
    """

    leaves: int | None
    enters: int | None
    low: float
    high: float


def blyth_still(successes: int, trials: int, level: float) -> tuple[float, float]:
    """Return the ends of the interval.

    A proportion's acceptance region are consecutive counts, as few as hold `level`; both its ends grow with
    the proportion, and regions of p and 1 - p mirror each other. Where one count replaces another anywhere in
    a range, the middle of the range is taken, as Blyth and Still do.

    Parameters
    ----------
    trials : 1 to MOST_TRIALS.

    Source: Blyth & Still (1983), J. American Statistical Association 78, 108-116; Casella (1986), Canadian J.
    Statistics 14, 113-129.

    >>> [round(end, 3) for end in blyth_still(5, 10, 0.95)]
    [0.222, 0.778]
    """
    lower = _lower_ends(trials, level)
    return lower[successes], 1.0 - lower[trials - successes]


@lru_cache(maxsize=8)
def _lower_ends(trials: int, level: float) -> tuple[float, ...]:
    """The lower ends for 0 to `trials` successes; the upper ones mirror them."""
    lower = [math.nan] * (trials + 1)
    lower[0] = 0.0
    for event in _monotone(_events(trials, level)):
        place = (event.low + event.high) / 2
        if event.enters is not None:
            lower[event.enters] = place
        if event.leaves is not None:
            lower[trials - event.leaves] = 1.0 - place
    return tuple(lower)


def _events(trials: int, level: float) -> list[_Event]:
    """What happens to the region from proportion 0 to 1/2."""
    first, last, events = 0, 0, list[_Event]()
    while first + last < trials:
        end = _last_valid(first, last, trials, level)
        shrunk = _first_valid(first + 1, last, trials, level)
        moved = _first_valid(first + 1, last + 1, trials, level)
        if shrunk <= end:
            events.append(_Event(first, None, shrunk, shrunk))
            first += 1
        elif first + last + 1 == trials and end >= 0.5:
            events.append(_Event(first, last + 1, 0.5, 0.5))
            break
        elif moved <= end and first + last + 1 < trials:
            events.append(_Event(first, last + 1, moved, min(end, 0.5)))
            first, last = first + 1, last + 1
        else:
            events.append(_Event(None, last + 1, end, end))
            last += 1
    return events


def _monotone(events: list[_Event]) -> list[_Event]:
    """The events with ranges that keep the order of lower ends, and of upper ones."""
    for kind in ("leaves", "enters"):
        ordered = [event for event in events if getattr(event, kind) is not None]
        for before, after in pairwise(ordered):
            after.low = max(after.low, before.low)
        for before, after in pairwise(reversed(ordered)):
            after.high = min(after.high, before.high)
    return events


def _coverage(first: int, last: int, trials: int, p: float) -> float:
    """P(first <= X <= last)."""
    from scipy.special import bdtr

    below = 0.0 if first == 0 else bdtr(first - 1, trials, p)
    return float(bdtr(last, trials, p) - below)


def _peak(first: int, last: int, trials: int) -> float:
    """The proportion that gives a region 0 < first <= last < trials most probability."""
    from scipy.special import gammaln

    def log_choose(k: int) -> float:
        return -gammaln(k + 1) - gammaln(trials - k)

    slope = (log_choose(first - 1) - log_choose(last)) / (last - first + 1)
    return 1.0 / (1.0 + math.exp(-slope))


def _first_valid(first: int, last: int, trials: int, level: float) -> float:
    """The least proportion at which a region holds `level`; infinite where none does."""
    if first > last:
        return math.inf
    if first == 0:
        return 0.0
    peak = 1.0 if last == trials else _peak(first, last, trials)
    return _root(first, last, trials, level, 0.0, peak)


def _last_valid(first: int, last: int, trials: int, level: float) -> float:
    """The greatest proportion at which a region holds `level`."""
    if last == trials:
        return 1.0
    peak = 0.0 if first == 0 else _peak(first, last, trials)
    return _root(first, last, trials, level, peak, 1.0)


def _root(first: int, last: int, trials: int, level: float, low: float, high: float) -> float:
    def excess(p: float) -> float:
        return _coverage(first, last, trials, p) - level

    if max(excess(low), excess(high)) < 0:
        return math.inf
    return crossing(excess, low, high, 1e-15)
