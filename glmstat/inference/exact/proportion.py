"""One proportion: its binomial tests and intervals."""

from __future__ import annotations

import math

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.exact.blyth_still import MOST_TRIALS, blyth_still
from glmstat.inference.exact.outcome import Asked, ExactTest, interval_words
from glmstat.inference.exact.tails import Support

__all__ = ["INTERVALS", "one_proportion"]

INTERVALS = ("clopper-pearson", "blyth-still")
_LARGE = 10_000_000  # trials whose probabilities fit into memory


def one_proportion(name: str, successes: int, trials: int, asked: Asked) -> tuple[ExactTest, str]:
    """Return the row of a proportion, and the line on its interval.

    Raises
    ------
    ArgumentError : a hypothesis that is no proportion, an interval that does not fit the other words.

    Source: Clopper & Pearson (1934), Biometrika 26, 404-413; mid-p Lancaster (1961), J. American Statistical
    Association 56, 223-234.
    """
    from scipy.special import expit, gammaln, logit

    null = 0.5 if asked.null is None else asked.null
    if not 0 < null < 1:
        raise ArgumentError(f"null must be a proportion between 0 and 1: got {asked.null!r}.")
    if trials > _LARGE:
        raise ArgumentError(f"{trials:,} trials are too many to enumerate. Take confint() or fit.test().")
    counts = np.arange(trials + 1)
    weights = -gammaln(counts + 1.0) - gammaln(trials - counts + 1.0)
    law = Support((counts - successes).astype(float), weights)
    test, theta = asked.test or "conditional", float(logit(null))
    tails = [law.tail(theta, side, asked.midp) for side in ("greater", "less")]
    two_sided = asked.alternative == "two-sided"
    if two_sided:
        p_value = law.two_sided(theta, test, asked.midp)
    else:
        p_value = tails[0] if asked.alternative == "greater" else tails[1]
    ends, words = _ends(successes, trials, law, asked)
    low, high = (float(expit(end)) for end in ends) if asked.midp else ends
    row = ExactTest(
        name,
        "proportion",
        f"share of {trials:,} trials",
        successes / trials,
        low if asked.ends[0] else 0.0,
        high if asked.ends[1] else 1.0,
        successes,
        p_value,
        min(1.0, 2.0 * min(tails)) if two_sided else math.nan,
        test=test,
    )
    return row, f"{interval_words(asked, words)} · hypothesis: proportion {null:g}"


def _ends(successes: int, trials: int, law: Support, asked: Asked) -> tuple[tuple[float, float], str]:
    """The ends, for mid-p as logits, and how they are made."""
    from scipy.special import betaincinv

    kind = asked.interval or "clopper-pearson"
    if kind == "blyth-still":
        if asked.midp or asked.alternative != "two-sided":
            raise ArgumentError(
                'interval="blyth-still" is two-sided and has no mid-p. Leave one of them out.'
            )
        if trials > MOST_TRIALS:
            raise ArgumentError(
                f'interval="blyth-still" is made for at most {MOST_TRIALS:,} trials: there are {trials:,}. '
                'Take "clopper-pearson".'
            )
        return blyth_still(successes, trials, asked.level), "Blyth–Still, by Casella's refinement"
    tail = asked.tail
    if asked.midp:
        ends = law.bound("greater", tail, midp=True).value, law.bound("less", tail, midp=True).value
        return ends, "both one-sided mid-p tests inverted"
    low = betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, trials - successes, 1.0 - tail) if successes < trials else 1.0
    return (float(low), float(high)), "Clopper–Pearson"
