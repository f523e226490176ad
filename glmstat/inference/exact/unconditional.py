"""Two proportions without conditioning on the total: Barnard's and Boschloo's tests."""

from __future__ import annotations

import math

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.exact.outcome import ALTERNATIVES, Asked, ExactTest
from glmstat.inference.exact.tails import TIED
from glmstat.matrix import Array

__all__ = ["two_proportions"]

_MOST_TABLES = 100_000
_POINTS = 50  # per trial: between two of them a probability rises by less than 5e-4 of the largest
_BESIDE = 1e-3  # share of the largest by which peaks of the grid may lie below it
_PEAKS, _FINER = 20, 5


def two_proportions(
    name: str, successes: tuple[int, int], trials: tuple[int, int], asked: Asked
) -> ExactTest:
    """Return the row of the difference of two proportions: second less first.

    Tables are ordered by the pooled score statistic (Barnard) or by Fisher's p-value (Boschloo), and the
    p-value is the largest probability, over the common proportion, of all as extreme as the observed one.

    Raises
    ------
    ArgumentError : too many tables.

    Source: Barnard (1947), Biometrika 34, 123-138; Boschloo (1970), Statistica Neerlandica 24, 1-35;
    Lydersen, Fagerland & Laake (2009), Statistics in Medicine 28, 1159-1175.
    """
    tables = (trials[0] + 1) * (trials[1] + 1)
    if tables > _MOST_TABLES:
        raise ArgumentError(
            f'test="{asked.test}" is too large to enumerate: {tables:,} tables of two groups of '
            f'{trials[0]:,} and {trials[1]:,}, at most {_MOST_TABLES:,}. Take test="fisher".'
        )
    two_sided = asked.alternative == "two-sided"
    sides = ALTERNATIVES if two_sided else (asked.alternative,)
    found = {side: _largest(_order(trials, asked.test or "", side), successes, trials) for side in sides}
    return ExactTest(
        name,
        "difference of proportions",
        "observed shares",
        successes[1] / trials[1] - successes[0] / trials[0],
        statistic=_statistic(trials)[successes] if asked.test == "barnard" else math.nan,
        p_value=found[asked.alternative],
        p_doubled=min(1.0, 2.0 * min(found["less"], found["greater"])) if two_sided else math.nan,
        tables=tables,
        test=asked.test or "",
    )


def _order(trials: tuple[int, int], test: str, side: str) -> Array:
    """A number for each table (n1 + 1, n2 + 1) that is small where the table is extreme."""
    if test == "barnard":
        statistic = _statistic(trials)
        return -np.abs(statistic) if side == "two-sided" else statistic * (1 if side == "less" else -1)
    return _fisher(trials, side)


def _statistic(trials: tuple[int, int]) -> Array:
    """The difference of proportions over its standard error under a common one; 0 where that is 0."""
    first, second = np.arange(trials[0] + 1)[:, None], np.arange(trials[1] + 1)
    common = (first + second) / sum(trials)
    error = np.sqrt(common * (1 - common) * (1 / trials[0] + 1 / trials[1]))
    difference = second / trials[1] - first / trials[0]
    return np.divide(difference, error, out=np.zeros_like(error), where=error > 0)


def _fisher(trials: tuple[int, int], side: str) -> Array:
    """Fisher's p-value of each table."""
    out = np.ones((trials[0] + 1, trials[1] + 1))
    logs = _log_choose(trials[0])[:, None] + _log_choose(trials[1])
    for total in range(sum(trials) + 1):
        second = np.arange(max(0, total - trials[0]), min(total, trials[1]) + 1)
        weights = logs[total - second, second]
        chances = np.exp(weights - weights.max())
        chances /= chances.sum()
        if side == "two-sided":
            p_values = [chances[chances <= own * (1 + TIED)].sum() for own in chances]
        else:
            p_values = np.cumsum(chances) if side == "less" else np.cumsum(chances[::-1])[::-1]
        out[total - second, second] = p_values
    return out


def _largest(order: Array, successes: tuple[int, int], trials: tuple[int, int]) -> float:
    """The largest probability, over the common proportion, of the tables as extreme as the observed one."""
    own = order[successes]
    chosen = (order <= own + TIED * abs(own)).astype(float)

    def probability(angle: Array) -> Array:
        first, second = (_binomial(size, np.sin(angle) ** 2) for size in trials)
        return np.einsum("ak,ak->k", first, chosen @ second)

    angles = np.linspace(0.0, np.pi / 2, _POINTS * sum(trials) + 1)
    heights = np.concatenate([probability(part) for part in np.array_split(angles, -(-len(angles) // 500))])
    best = float(heights.max())
    peaks = np.flatnonzero(heights >= best * (1 - _BESIDE))
    peaks = [k for k in peaks if heights[k] >= heights[max(k - 1, 0) : k + 2].max()]
    for k in peaks[:_PEAKS]:
        low, high = angles[max(k - 1, 0)], angles[min(k + 1, len(angles) - 1)]
        for _ in range(_FINER):
            part = np.linspace(low, high, 41)
            heights_here = probability(part)
            top = int(np.argmax(heights_here))
            low, high = part[max(top - 1, 0)], part[min(top + 1, 40)]
            best = max(best, float(heights_here[top]))
    return min(best, 1.0)


def _binomial(size: int, p: Array) -> Array:
    """Probabilities (size + 1, k) of each count."""
    from scipy.special import xlog1py, xlogy

    counts = np.arange(size + 1)[:, None]
    return np.exp(_log_choose(size)[:, None] + xlogy(counts, p) + xlog1py(size - counts, -p))


def _log_choose(size: int) -> Array:
    from scipy.special import gammaln

    counts = np.arange(size + 1)
    return gammaln(size + 1.0) - gammaln(counts + 1.0) - gammaln(size - counts + 1.0)
