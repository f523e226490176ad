"""What a kind of covariance is made of, and the facts that its label prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = ["Facts", "Recipe", "Vcov", "from_meat", "square_root"]

_ROUNDING = 1e-10  # share of the largest eigenvalue below which a negative one is rounding


class Facts(NamedTuple):
    """Numbers about a covariance that a reader should know; NaN where they do not apply.

    Parameters
    ----------
    factor : what the meat was multiplied by.
    df : degrees of freedom of t; infinite for z, NaN for the rule by dispersion.
    groups : number of clusters, one per way; periods; or sampling units and strata.
    lag, bandwidth : of a kernel.
    reps : usable resamples.
    repaired : number of negative eigenvalues that were put to 0.
    extra : whatever else the words of a kind print.
    """

    factor: float = 1.0
    df: float = nan
    groups: tuple[int, ...] = ()
    lag: float = nan
    bandwidth: float = nan
    reps: float = nan
    repaired: float = 0.0
    extra: float = nan

    def to_array(self) -> Array:
        """Return the numbers in one array."""
        plain = (self.factor, self.df, self.lag, self.bandwidth, self.reps, self.repaired, self.extra)
        return np.array([*plain, *self.groups], dtype=np.float64)

    @classmethod
    def from_array(cls, numbers: Array) -> Facts:
        """Return the facts that `to_array` wrote."""
        factor, df, lag, bandwidth, reps, repaired, extra = numbers[:7].tolist()
        groups = tuple(int(count) for count in numbers[7:])
        return cls(factor, df, groups, lag, bandwidth, reps, repaired, extra)


class Vcov(NamedTuple):
    """A covariance: `root` R (p, k) with R R' the covariance, and the facts about it."""

    root: Array
    facts: Facts = Facts()


@dataclass(frozen=True)
class Recipe:
    """One kind of covariance.

    Parameters
    ----------
    make : the covariance from (fit, inverse, covariance, data); `inverse` is L (p, q) with L L' the
        inverse information for dispersion 1, expected or observed as the covariance says, 0 in the rows
        of coefficients that have none.
    words : what the printed label says in brackets, from (covariance, facts).
    robust : whether it holds without the variance that the family says.
    takes : arguments of Covariance, beside kind, information and small_sample, that have a meaning here.
    small_sample : whether `small_sample=` selects a factor.
    informed : whether the information is part of it.
    check : refuses arguments that have no meaning, before any row is read.
    summed : over what its meat sums scores, where a score test can use it: "rows", "clusters", or "".
    timed : whether the text behind ~ is the variable of time, not of clusters.
    refits : whether it takes many fits, so that it is made only when asked for.
    """

    make: Callable[[Fit, Array, Covariance, Any], Vcov]
    words: Callable[[Covariance, Facts], str]
    robust: bool = True
    takes: tuple[str, ...] = ()
    small_sample: bool = False
    informed: bool = True
    check: Callable[[Covariance], object] | None = None
    summed: Literal["rows", "clusters", ""] = ""
    timed: bool = False
    refits: bool = False


def square_root(matrix: Array) -> tuple[Array, int]:
    """Return R with R R' the matrix (q, q), and how many eigenvalues were negative beyond rounding.

    A matrix that is not positive semi-definite is replaced by the nearest that is.
    """
    if not np.isfinite(matrix).all():
        return np.full_like(matrix, np.nan), 0
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    negative = int(np.sum(values < -_ROUNDING * np.abs(values).max(initial=0.0)))
    return vectors * np.sqrt(np.maximum(values, 0.0)), negative


def from_meat(inverse: Array, meat: Array, facts: Facts | None = None) -> Vcov:
    """Return the covariance L M L' from L (p, q) and the whitened meat M (q, q) = L' (Σ u u') L.

    The factor of the facts multiplies it; negative eigenvalues are put to 0 and counted.
    """
    facts = Facts() if facts is None else facts
    root, negative = square_root(facts.factor * meat)
    return Vcov(inverse @ root, facts._replace(repaired=float(negative)))
