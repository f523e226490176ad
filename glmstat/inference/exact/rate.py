"""One rate: Poisson tests of a count and its exposure, and intervals."""

from __future__ import annotations

import math

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.exact.outcome import Asked, ExactTest, interval_words
from glmstat.inference.exact.tails import TIED, root

__all__ = ["INTERVALS", "one_rate"]

INTERVALS = ("garwood",)


def one_rate(name: str, events: int, exposure: float, asked: Asked) -> tuple[ExactTest, str]:
    """Return the row of a rate, and the line on its interval.

    Raises
    ------
    ArgumentError : a hypothesis that is no rate.

    Source: Garwood (1936), Biometrika 28, 437-442; tests as R's poisson.test.
    """
    null = 1.0 if asked.null is None else asked.null
    if not 0 < null < math.inf:
        raise ArgumentError(f"null must be a rate > 0: got {asked.null!r}.")
    mean, test = null * exposure, asked.test or "conditional"
    tails = [_tail(events, mean, side, asked.midp) for side in ("greater", "less")]
    two_sided = asked.alternative == "two-sided"
    if two_sided:
        p_value = _two_sided(events, mean, test, asked.midp)
    else:
        p_value = tails[0] if asked.alternative == "greater" else tails[1]
    low, high = _ends(events, asked)
    words = "both one-sided mid-p tests inverted" if asked.midp else "Garwood"
    row = ExactTest(
        name,
        "rate",
        f"events per exposure, {exposure:.6g} in all",
        events / exposure,
        low / exposure if asked.ends[0] else 0.0,
        high / exposure if asked.ends[1] else math.inf,
        events,
        p_value,
        min(1.0, 2.0 * min(tails)) if two_sided else math.nan,
        test=test,
    )
    return row, f"{interval_words(asked, words)} · hypothesis: rate {null:g}"


def _tail(events: int, mean: float, side: str, midp: bool) -> float:
    """P(X >= events) or P(X <= events), less half P(X = events) by mid-p."""
    from scipy.special import gammainc, gammaincc

    half = 0.5 * float(_chance(np.array([events]), mean)[0]) if midp else 0.0
    if side == "less":
        return float(gammaincc(events + 1, mean)) - half
    return (float(gammainc(events, mean)) if events else 1.0) - half


def _chance(counts: np.ndarray, mean: float) -> np.ndarray:
    from scipy.special import gammaln, xlogy

    return np.exp(xlogy(counts, mean) - mean - gammaln(counts + 1.0))


def _two_sided(events: int, mean: float, test: str, midp: bool) -> float:
    """The observed tail, and the other from the first count that is as far out."""
    own = _chance(np.array([events]), mean)[0]
    if events == mean:
        return 1.0 - (0.5 * own if midp else 0.0)
    if events < mean:
        counts = np.arange(math.ceil(mean), math.ceil(2 * mean + 20 * math.sqrt(mean) + 100))
        beyond = _as_far(counts, events, mean, test, own)
        p_value = _tail(events, mean, "less", midp=False)
        p_value += _tail(int(counts[beyond][0]), mean, "greater", midp=False) if beyond.any() else 0.0
    else:
        counts = np.arange(math.floor(mean) + 1)
        beyond = _as_far(counts, events, mean, test, own)
        p_value = _tail(events, mean, "greater", midp=False)
        p_value += _tail(int(counts[beyond][-1]), mean, "less", midp=False) if beyond.any() else 0.0
    return min(p_value - (0.5 * own if midp else 0.0), 1.0)


def _as_far(counts: np.ndarray, events: int, mean: float, test: str, own: float) -> np.ndarray:
    if test == "score":
        return np.abs(counts - mean) >= abs(events - mean) * (1 - TIED)
    return _chance(counts, mean) <= own * (1 + TIED)


def _ends(events: int, asked: Asked) -> tuple[float, float]:
    """Ends of the mean count."""
    from scipy.special import gammainccinv, gammaincinv

    tail = asked.tail
    if asked.midp:

        def end(side: str) -> float:
            sign = 1.0 if side == "greater" else -1.0
            at = root(lambda log: sign * (_tail(events, math.exp(log), side, midp=True) - tail), 1.0)
            return math.exp(at)

        return (end("greater") if events else 0.0), end("less")
    return (float(gammaincinv(events, tail)) if events else 0.0), float(gammainccinv(events + 1, tail))
