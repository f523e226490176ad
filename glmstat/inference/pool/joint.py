"""Joint tests of multiply imputed data: pooled Wald (D1) and pooled statistics (D2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isinf

import numpy as np

from glmstat.errors import ComparisonError
from glmstat.inference.pool.rubin import Rubin
from glmstat.matrix import Array

__all__ = ["Pooling", "pooled_ratio", "pooled_statistics", "pooled_wald"]

_SMALL = 4.0  # k (m - 1) up to which the degrees of freedom have a form of their own


@dataclass(frozen=True)
class Pooling:
    """A statistic to be compared with F(df, denominator).

    Parameters
    ----------
    statistic : may be negative for D2, which says that nothing speaks against the hypothesis.
    increase : average relative increase in variance.
    rule : how the denominator's degrees of freedom were made.
    """

    statistic: float
    df: int
    denominator: float
    increase: float
    rule: str


def pooled_wald(rubin: Rubin, value: Array) -> Pooling:
    """Return D1 of estimate = value (k,): Wald with the mean covariance, made wider by one factor.

    One restriction is tested by the total variance with the degrees of freedom of Barnard and Rubin, as
    in tables of coefficients. Several have those of Reiter (2007) where the complete data have finite
    degrees of freedom, else those of Li, Raghunathan and Rubin (1991).

    Source: Li, Raghunathan & Rubin (1991), JASA 86, 1065-1073; Reiter (2007), Biometrika 94, 502-508. As
    mitml's testModels(method = "D1").
    """
    count, restrictions = rubin.estimates.shape
    difference = rubin.estimate - value
    if restrictions == 1:
        statistic = float(difference[0] ** 2 / rubin.total[0, 0])
        return Pooling(statistic, 1, float(rubin.df[0]), float(rubin.increase[0]), "Barnard-Rubin")
    size = np.sqrt(np.diag(rubin.within))
    scaled = rubin.within / np.outer(size, size)
    if not np.linalg.cond(scaled) < 1e14:
        raise ComparisonError(
            "D1 is not defined: the covariance of the restrictions is singular. Test fewer at once."
        )
    spread = np.linalg.solve(scaled, rubin.between / np.outer(size, size))
    increase = (1.0 + 1.0 / count) * float(np.trace(spread)) / restrictions
    wald = float((difference / size) @ np.linalg.solve(scaled, difference / size))
    denominator, rule = _denominator(count, restrictions, increase, float(rubin.df_complete.min()))
    return Pooling(wald / restrictions / (1.0 + increase), restrictions, denominator, increase, rule)


def pooled_statistics(statistics: Sequence[float], restrictions: int) -> Pooling:
    """Return D2, which needs nothing but the chi-squared statistics of the imputations.

    Source: Li, Meng, Raghunathan & Rubin (1991), Statistica Sinica 1, 65-92.

    >>> found = pooled_statistics([4.0, 9.0], 1)
    >>> round(found.statistic, 4), round(found.denominator, 4)
    (2.4286, 5.4444)
    """
    count, values = len(statistics), np.asarray(statistics, dtype=np.float64)
    increase = (1.0 + 1.0 / count) * float(np.var(np.sqrt(values), ddof=1))
    shrunk = values.mean() / restrictions - (count + 1) / (count - 1) * increase
    denominator = inf if increase == 0 else (count - 1) * (1.0 + 1.0 / increase) ** 2
    denominator *= restrictions ** (-3.0 / count)
    rule = "Li, Meng, Raghunathan & Rubin"
    return Pooling(float(shrunk / (1.0 + increase)), restrictions, denominator, increase, rule)


def pooled_ratio(own: float, pooled: float, count: int, restrictions: int) -> Pooling:
    """Return D3 from likelihood-ratio statistics.

    Parameters
    ----------
    own : mean over imputations, each at its own estimates.
    pooled : mean over imputations, all at the pooled estimates.

    Source: Meng & Rubin (1992), Biometrika 79, 103-111.
    """
    found = (count + 1) / (restrictions * (count - 1)) * (own - pooled)
    increase = max(found, 0.0)
    denominator, rule = _denominator(count, restrictions, increase, inf)
    if found < 0:
        rule = f"infinite, for the relative increase in variance is negative, {found:.3g}, and taken as 0"
    return Pooling(pooled / restrictions / (1.0 + increase), restrictions, denominator, increase, rule)


def _denominator(count: int, restrictions: int, increase: float, complete: float) -> tuple[float, str]:
    t = float(restrictions * (count - 1))
    if t > _SMALL and not isinf(complete):
        found = _reiter(t, increase, complete)
        if found is not None:
            return found, "Reiter"
    if increase == 0:
        return complete, "complete data"
    if t > _SMALL:
        df = 4.0 + (t - 4.0) * (1.0 + (1.0 - 2.0 / t) / increase) ** 2
    else:
        df = 0.5 * t * (1.0 + 1.0 / restrictions) * (1.0 + 1.0 / increase) ** 2
    return min(df, complete), "Li, Raghunathan & Rubin"


def _reiter(t: float, increase: float, complete: float) -> float | None:
    """Degrees of freedom of Reiter (2007), or None where the complete data have too few for his expansion."""
    a = increase * t / (t - 2.0)
    observed = (complete + 1.0) / (complete + 3.0) * complete
    c0, c1, c2 = 1.0 / (t - 4.0), observed - 2.0 * (1.0 + a), observed - 4.0 * (1.0 + a)
    if not c2 > 0:
        return None
    z = 1.0 / c2 + c0 * (
        a**2 * c1 / ((1.0 + a) ** 2 * c2)
        + 8.0 * a**2 * c1 / ((1.0 + a) * c2**2)
        + 4.0 * a**2 / ((1.0 + a) * c2)
        + 4.0 * a**2 / (c2 * c1)
        + 16.0 * a**2 * c1 / c2**3
        + 8.0 * a**2 / c2**2
    )
    return 4.0 + 1.0 / z
