"""Intervals for a new response by split conformal prediction, for every family.

The score of a row is the size of its residual under a model that has not seen it. Among n + 1 exchangeable
rows the new one's score is at most the k-th smallest of the n others, k = ceil((n + 1) level), with
probability k / (n + 1) where scores have no ties, and at least that where they have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, inf, isinf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammainc, gammaincc, log_ndtr, ndtr, ndtri, pdtr, pdtrc

from glmstat.array import Array, quiet
from glmstat.errors import ArgumentError, near, one_of
from glmstat.families import Family
from glmstat.likelihood.base import GLM

__all__ = ["SCORES", "Conformal", "Sizes", "calibrated", "calibration_sizes", "conformal"]

SCORES = ("deviance", "pit")
_STEPS = 60  # bisections of a bracket of 1, 2, 4 …: 2**-60 of it is below rounding
_FARTHEST = 700.0  # in units of the chart: exp(700) is still a double

Tails = Callable[[Family, Array, Array, Array, float], tuple[Array, Array]]


@dataclass(frozen=True)
class Conformal:
    """The size of residuals that a share `level` of new rows does not exceed.

    Parameters
    ----------
    family : with its link.
    score : "deviance" or "pit".
    level : coverage.
    quantile : largest size of a residual inside the interval; infinite where there are too few rows.
    rows : number of calibration rows.
    dispersion : phi, which the probability integral transform needs.
    whole : whether responses are counts, or proportions of whole numbers of trials.
    """

    family: Family
    score: str
    level: float
    quantile: float
    rows: int
    dispersion: float
    whole: bool

    @property
    def label(self) -> str:
        """What was used, for the line below a table."""
        kind = "deviance residuals" if self.score == "deviance" else "probability integral transforms"
        short = "; too few rows for this level: the interval is the whole domain"
        return f"split conformal on {kind} of {self.rows:,} rows out of fold" + short * isinf(self.quantile)

    @property
    def guarantee(self) -> float:
        """Coverage k / (n + 1) on average over calibration rows, exact for scores without ties."""
        rank = ceil((self.rows + 1) * self.level - 1e-9)
        return 1.0 if rank > self.rows else rank / (self.rows + 1)

    @quiet
    def interval(self, eta: Array, weights: Array | None = None) -> tuple[Array, Array]:
        """Return the lowest and highest response (n,) inside; NaN where eta is.

        Both ends are inside. For counts they are counts that can occur, for proportions k / trials; at least
        the likeliest of them is inside.

        Parameters
        ----------
        eta : (n,) predictors of the new rows, offset included.
        weights : (n,) of the new rows, for the binomial family the trials; default 1.
        """
        weights = np.ones(len(eta)) if weights is None else weights
        low, high = (self._end(eta, weights, side) for side in (-1.0, 1.0))
        if self.whole:
            low, high = self._on_lattice(low, high, eta, weights)
        missing = np.isnan(eta)
        return np.where(missing, np.nan, low), np.where(missing, np.nan, high)

    @quiet
    def contains(self, y: Array, eta: Array, weights: Array) -> NDArray[np.bool_]:
        """Return whether responses (n,) have a residual that is not larger than the quantile."""
        sizes = np.abs(_signed(self.family, self.score, self.dispersion, y, eta, weights))
        return sizes <= self.quantile * (1.0 + 1e-12)

    def _end(self, eta: Array, weights: Array, side: float) -> Array:
        """The response on one side of the mean whose residual has the size of the quantile."""
        mean, domain = self.family.link.mean(eta), self.family.domain
        edge = domain.low if side < 0 else domain.high
        if isinf(self.quantile):
            return np.full(len(eta), edge)
        chart = _chart(self.family, mean, side)

        def beyond(t: Array) -> NDArray[np.bool_]:
            return ~self.contains(chart(t), eta, weights)

        inner, outer = np.zeros(len(eta)), _bracket(beyond, np.ones(len(eta)))
        for _ in range(_STEPS):
            middle = 0.5 * (inner + outer)
            out = beyond(middle)
            inner, outer = np.where(out, inner, middle), np.where(out, middle, outer)
        found = chart(inner)
        if isinf(edge):
            return found
        inclusive = domain.low_inclusive if side < 0 else domain.high_inclusive
        at_edge = self.contains(np.full(len(eta), edge), eta, weights) if inclusive else False
        return np.where(at_edge, edge, found)

    def _on_lattice(self, low: Array, high: Array, eta: Array, weights: Array) -> tuple[Array, Array]:
        """Ends moved to whole numbers; where none is inside, the nearest to the mean by its residual."""
        trials = np.rint(weights) if self.family.name == "binomial" else np.ones(len(eta))
        mean = trials * self.family.link.mean(eta)
        top = np.where(self.family.name == "binomial", trials, inf)

        def inside(count: Array) -> NDArray[np.bool_]:
            return (count >= 0) & (count <= top) & self.contains(count / trials, eta, weights)

        first, last = np.ceil(trials * low - 1e-9), np.floor(trials * high + 1e-9)
        first = np.where(inside(first - 1), first - 1, np.where(inside(first), first, first + 1))
        last = np.where(inside(last + 1), last + 1, np.where(inside(last), last, last - 1))
        below, above = np.floor(mean), np.minimum(np.floor(mean) + 1, top)
        sizes = [
            np.abs(_signed(self.family, self.score, self.dispersion, k / trials, eta, weights))
            for k in (below, above)
        ]
        likeliest = np.where(sizes[0] <= sizes[1], below, above)
        empty = ~(first <= last)
        first, last = np.where(empty, likeliest, first), np.where(empty, likeliest, last)
        return np.maximum(first, 0.0) / trials, np.minimum(last, top) / trials


def conformal(
    family: Family,
    y: Array,
    eta: Array,
    weights: Array,
    *,
    level: float = 0.95,
    score: str = "deviance",
    dispersion: float = 1.0,
    frequency: Array | None = None,
) -> Conformal:
    """Return the calibration of prediction intervals on rows that their predictor has not seen.

    Parameters
    ----------
    family : with its link.
    y, weights : (n,) responses and prior weights (binomial: trials); rows of weight 0 are left out.
    eta : (n,) predictors out of fold, offset included.
    level : coverage.
    score : "deviance", sizes of deviance residuals, for every family; "pit", of normal scores of the
        probability integral transform (in the middle of the jump for counts), where the family has a law.
    dispersion : phi of that law.
    frequency : (n,) whole numbers of equal rows behind each; default 1.

    Returns
    -------
    Conformal, whose `interval(eta)` are the ends for new rows.

    Raises
    ------
    ArgumentError : an unknown score, or a family without a law for "pit".

    Source: Papadopoulos et al. (2002); Lei et al. (2018), Distribution-free predictive inference for
    regression, theorem 2.2.

    >>> from glmstat.families import Gaussian
    >>> y = np.arange(-9.0, 10.0)
    >>> found = conformal(Gaussian(), y, np.zeros(19), np.ones(19), level=0.9)
    >>> [round(float(end[0]), 6) for end in found.interval(np.array([100.0]))], found.guarantee
    ([91.0, 109.0], 0.9)
    """
    found = calibration_sizes(
        family, y, eta, weights, score=score, dispersion=dispersion, frequency=frequency
    )
    return calibrated(family, found, level=level, score=score, dispersion=dispersion)


class Sizes(NamedTuple):
    """Sizes of residuals of calibration rows, all that an interval needs of them.

    sizes (m,) ascending, without repeats; counts (m,) rows of each; whole: whether responses are counts.
    """

    sizes: Array
    counts: Array
    whole: bool


@quiet
def calibration_sizes(
    family: Family,
    y: Array,
    eta: Array,
    weights: Array,
    *,
    score: str = "deviance",
    dispersion: float = 1.0,
    frequency: Array | None = None,
) -> Sizes:
    """Return the sizes of residuals of rows that their predictor has not seen; arguments as `conformal`."""
    if score not in SCORES:
        raise ArgumentError(f"Unknown score: {score!r}. Known: {one_of(SCORES)}.{near(str(score), SCORES)}")
    if score == "pit" and family.name not in _TAILS:
        raise ArgumentError(f'The {family.name} family has no law for score="pit". Use score="deviance".')
    used = (weights > 0) & ~np.isnan(eta)
    y, eta, weights = y[used], eta[used], weights[used]
    counts = np.ones(len(y)) if frequency is None else np.asarray(frequency, dtype=np.float64)[used]
    sizes = np.abs(_signed(family, score, dispersion, y, eta, weights))
    whole = family.whole(y, weights)
    lattice = whole is not None and bool((np.abs(whole - np.rint(whole)) < 1e-9 * (1.0 + weights)).all())
    if family.name == "binomial":
        lattice = lattice and bool((weights == np.rint(weights)).all())
    known, places = np.unique(sizes, return_inverse=True)
    times = np.asarray(np.bincount(places, weights=counts, minlength=len(known)), dtype=np.float64)
    return Sizes(known, times, lattice)


def calibrated(
    family: Family, found: Sizes, *, level: float = 0.95, score: str = "deviance", dispersion: float = 1.0
) -> Conformal:
    """Return the calibration that the sizes of residuals give; arguments as `conformal`."""
    quantile = _quantile(found.sizes, found.counts, level)
    return Conformal(family, score, level, quantile, int(found.counts.sum()), dispersion, found.whole)


def _quantile(sizes: Array, counts: Array, level: float) -> float:
    """The ceil((n + 1) level)-th smallest of ascending sizes; infinite where it is beyond the last."""
    rank = ceil((counts.sum() + 1) * level - 1e-9)
    if not 1 <= rank <= counts.sum():
        return inf
    return float(sizes[np.searchsorted(np.cumsum(counts), rank - 0.5)])


def _chart(family: Family, mean: Array, side: float) -> Callable[[Array], Array]:
    """Responses on one side of the mean by a number t >= 0: sums, factors, or shares of the way to 1 or 0."""
    domain = family.domain
    if isinf(domain.low):
        return lambda t: mean + side * np.expm1(t)
    if isinf(domain.high):
        return lambda t: mean * np.exp(side * t)
    edge = domain.low if side < 0 else domain.high
    return lambda t: edge + (mean - edge) * np.exp(-t)


def _bracket(beyond: Callable[[Array], NDArray[np.bool_]], t: Array) -> Array:
    """A t beyond the end for every row, or the farthest."""
    while True:
        short = ~beyond(t) & (t < _FARTHEST)
        if not short.any():
            return t
        t = np.where(short, np.minimum(2.0 * t, _FARTHEST), t)


@quiet
def _signed(family: Family, score: str, dispersion: float, y: Array, eta: Array, weights: Array) -> Array:
    """Residuals (n,), increasing in y."""
    model, column = GLM(family), eta[:, None]
    if score == "deviance":
        size = np.sqrt(np.maximum(model.deviance(y, column, weights), 0.0))
        return np.copysign(size, model.residual(y, column))
    lower, upper = _TAILS[family.name](family, y, family.link.mean(eta), weights, dispersion)
    return np.where(lower < upper, ndtri(lower), -ndtri(upper))


def _gaussian(family: Family, y: Array, mu: Array, weights: Array, phi: float) -> tuple[Array, Array]:
    z = (y - mu) * np.sqrt(weights / phi)
    return ndtr(z), ndtr(-z)


def _gamma(family: Family, y: Array, mu: Array, weights: Array, phi: float) -> tuple[Array, Array]:
    shape = weights / phi
    return gammainc(shape, shape * y / mu), gammaincc(shape, shape * y / mu)


def _inverse_gaussian(family: Family, y: Array, mu: Array, weights: Array, phi: float) -> tuple[Array, Array]:
    """Distribution function of Chhikara & Folks (1974)."""
    root, shape = np.sqrt(weights / (phi * y)), weights / (phi * mu)
    near, far = root * (y / mu - 1.0), root * (y / mu + 1.0)
    reflected = np.exp(2.0 * shape + log_ndtr(-far))
    return ndtr(near) + reflected, np.maximum(ndtr(-near) - reflected, 0.0)


def _poisson(family: Family, y: Array, mu: Array, weights: Array, phi: float) -> tuple[Array, Array]:
    k = np.floor(y)
    before = np.where(k > 0, pdtr(np.maximum(k - 1, 0), mu), 0.0)
    after = np.where(k > 0, pdtrc(np.maximum(k - 1, 0), mu), 1.0)
    return 0.5 * (before + pdtr(k, mu)), 0.5 * (after + pdtrc(k, mu))


def _binomial(family: Family, y: Array, mu: Array, weights: Array, phi: float) -> tuple[Array, Array]:
    trials = np.rint(weights)
    k = np.floor(trials * y + 1e-9)
    before = np.where(k > 0, betainc(trials - k + 1, np.maximum(k, 1), 1.0 - mu), 0.0)
    after = np.where(k > 0, betainc(np.maximum(k, 1), trials - k + 1, mu), 1.0)
    left = np.maximum(trials - k, 1)
    below = np.where(k < trials, betainc(left, k + 1, 1.0 - mu), 1.0)
    above = np.where(k < trials, betainc(k + 1, left, mu), 0.0)
    return 0.5 * (before + below), 0.5 * (after + above)


def _negative_binomial(
    family: Family, y: Array, mu: Array, weights: Array, phi: float
) -> tuple[Array, Array]:
    theta = float(getattr(family, "theta", np.nan))
    p, q = theta / (theta + mu), mu / (theta + mu)
    k = np.floor(y)
    at = betainc(theta, k + 1, p), betainc(k + 1, theta, q)
    before = np.where(k > 0, betainc(theta, np.maximum(k, 1), p), 0.0)
    after = np.where(k > 0, betainc(np.maximum(k, 1), theta, q), 1.0)
    return 0.5 * (before + at[0]), 0.5 * (after + at[1])


_TAILS: Mapping[str, Tails] = {
    "gaussian": _gaussian,
    "gamma": _gamma,
    "inverse_gaussian": _inverse_gaussian,
    "poisson": _poisson,
    "binomial": _binomial,
    "negative_binomial": _negative_binomial,
}
