"""The variance power p of the Tweedie family, between 1 and 2."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from math import inf, isfinite, nan, sqrt
from typing import NamedTuple

import numpy as np

from glmstat.errors import DataError, ResponseWarning, outside
from glmstat.estimate import Estimate, Shape
from glmstat.families import Family, Tweedie
from glmstat.families.continuous import CLOSEST
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.solve.dispersion import positive_dispersion
from glmstat.solve.shape.heights import Heights
from glmstat.solve.shape.large import subsample
from glmstat.solve.shape.search import search
from glmstat.solve.shape.shaped import Fitting

__all__ = ["Power"]

LOW, HIGH = 1.01, 1.995  # where p is looked for; beyond it runs to its end
SCAN = (LOW, 1.015, 1.023, 1.035, 1.05, 1.08, 1.12, 1.18, 1.25, 1.35, 1.5, 1.65, 1.8, 1.9, 1.96, HIGH)
BETWEEN = SCAN.index(1.5)  # whose means serve for the first looks: the likelihood may have several maxima
RIVALS = 3  # of these that are followed
BELOW = 10.0  # by which a rival may lie below the highest, its means being others
APART = 0.01  # of maxima that are two
CLOSE = 4.0  # log-likelihoods by which a maximum may be lower and is worth a remark
WAVY = 1.2  # p below which every fit looks at all of them again
STEP = 3e-4  # of the differences that slopes are made of; half of it is their error in p
CURVED = 5e-3  # of those that the standard error is made of
SETTLED = 1e-5  # standard errors by which p may be off


class Look(NamedTuple):
    """Slope and curvature of the profile log-likelihood in p."""

    score: float
    information: float


@dataclass(frozen=True)
class Power:
    """p by maximum likelihood, with the coefficients and the dispersion at their maximum for each p.

    Source: Jørgensen (1987); Dunn & Smyth (2005), section 8.
    """

    name = "p"
    methods = ("ml",)

    def value(self, family: Family) -> float | None:
        """Return p; None where it is to be estimated."""
        return getattr(family, "p", None)

    def given(self, family: Family, value: float | None) -> Family:
        """Return the family with p."""
        return Tweedie(value, link=family.link)

    def bounds(self, family: Family) -> tuple[float, float]:
        """Return the least p above 1 that has a likelihood here, and 2."""
        return CLOSEST, 2.0

    def estimate(self, fitting: Fitting) -> Estimate:
        """Return the joint estimate of coefficients, dispersion and p.

        Raises
        ------
        DataError : p runs to 1 or to 2, or the likelihood has no maximum.
        """
        first = fitting.whole and self.value(fitting.family) is None
        zeros = fitting.frame.reduce(_Zeros.of) if first else None
        if zeros is not None and zeros.zeros == zeros.rows:
            raise DataError(
                "The response is 0 in every row: p cannot be estimated. Give p, as in tweedie(1.5)."
            )
        profile = _Profile(self, fitting)
        place = profile.top()
        if not isfinite(place):
            raise DataError(_no_maximum())
        ends = place <= LOW + 1e-6 or place >= HIGH - 1e-6
        if ends and fitting.whole:
            raise DataError(_at_end(place, zeros))
        found = profile.at(place)
        shape = Shape("p", place, nan, "ml") if ends or not fitting.whole else profile.shape(place)
        if fitting.whole and profile.rivals:
            rivals = (_rival(place, fall) for place, fall in profile.rivals.items())
            shape = replace(shape, notes=(*shape.notes, *rivals))
        if zeros is not None and not zeros.zeros:
            words = _no_zeros(zeros)
            warnings.warn(words, ResponseWarning, stacklevel=outside())
            shape = replace(shape, notes=(words, *shape.notes))
        return replace(found, shape=shape)

    def held(self, fitting: Fitting, value: float) -> Estimate:
        """Return the estimate of coefficients and dispersion with p held."""
        return _Profile(self, fitting).at(value)


class _Profile:
    """The log-likelihood at its maximum for each p."""

    def __init__(self, power: Power, fitting: Fitting) -> None:
        self.power, self.fitting = power, fitting
        self.seen: dict[float, Estimate] = {}
        self.rivals: dict[float, float] = {}
        self.first_coef = fitting.start
        given = fitting.dispersion
        phi = None if given is None or isinstance(given, str) else positive_dispersion(given)
        self.heights = Heights(fitting.frame, fitting.family.link, phi)

    def at(self, p: float) -> Estimate:
        """Return the fit for one p, from coefficients of the nearest p that was looked at."""
        if p not in self.seen:
            start = self.first_coef
            if self.seen:
                near = self.seen[min(self.seen, key=lambda other: abs(other - p))]
                start = np.nan_to_num(near.theta) if not near.directions else None
            found = self.fitting.by(self.power.given(self.fitting.family, p), start)
            self.seen[p] = replace(found, criterion=-2.0 * found.loglik, likelihood=_likelihood(found))
        return self.seen[p]

    def height(self, p: float) -> float:
        """Return the log-likelihood; -inf where it is not defined."""
        found = self.at(p).loglik
        return found if isfinite(found) else -inf

    def top(self) -> float:
        """Return p of the highest point; `LOW` or `HIGH` where it runs there, NaN where nothing is found."""
        first = self.power.value(self.fitting.family)
        firsts = [first] if first is not None and first >= WAVY else self._firsts(first)
        tops = [self._climbed(place) for place in firsts]
        tops = [place for place in tops if isfinite(place)]
        if not tops:
            return nan
        best = max(tops, key=self.height)
        below = {place: self.height(best) - self.height(place) for place in tops if abs(place - best) > APART}
        self.rivals = {place: fall for place, fall in below.items() if fall < CLOSE}
        return best

    def _climbed(self, first: float) -> float:
        """Return the top of the hill that a place lies on."""
        if first in (LOW, HIGH):
            inward = SCAN[1] if first == LOW else SCAN[-2]
            if self.height(first) >= self.height(inward):
                return first
            first = inward
        first = min(max(first, LOW + 2.0 * STEP), HIGH - 2.0 * STEP)
        if not isfinite(self.height(first)):
            return nan
        found = search(self._look, first, low=LOW, high=HIGH, tolerance=SETTLED, most=20)
        if found.settled:
            return found.place
        for end, inward in ((LOW, 1.0), (HIGH, -1.0)):
            if abs(found.place - end) < 0.01:
                rises = self.height(end) >= self.height(end + inward * 0.02)
                return end if rises else found.place
        return found.place if found.distance < 1e-2 else nan

    def _firsts(self, known: float | None) -> list[float]:
        """Return places on the hills that may be the highest, by a subsample of many rows."""
        some = subsample(self.fitting) if known is None else None
        if some is not None:
            profile = _Profile(self.power, some)
            place = profile.top()
            if isfinite(place):
                self.first_coef = np.nan_to_num(profile.at(place).theta)
                return [place]
        middle = known or SCAN[BETWEEN]
        powers = sorted({*SCAN, middle})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seen = self.at(middle)
        heights = np.nan_to_num(self.heights.at(seen, powers, hills=1), nan=-inf)
        padded = np.concatenate([[-inf], heights, [-inf]])
        hills = np.flatnonzero((heights >= padded[:-2]) & (heights > padded[2:]) & np.isfinite(heights))
        hills = [hill for hill in hills.tolist() if heights[hill] > heights.max() - BELOW]
        hills = sorted(hills, key=lambda hill: heights[hill], reverse=True)[:RIVALS]
        return [_vertex(powers, heights, hill) for hill in hills]

    def _look(self, p: float) -> Look:
        """The slope is that at held means, for these are at their maximum."""
        step = min(STEP, 0.5 * (p - 1.0), 0.5 * (2.0 - p))
        here = self.height(p)
        below, above = self.heights.at(self.at(p), (p - step, p + step)).tolist()
        return Look((above - below) / (2.0 * step), (2.0 * here - above - below) / step**2)

    def shape(self, p: float) -> Shape:
        """Return p with its standard error, and how the coefficients move with it."""
        step = min(CURVED, 0.25 * (p - 1.0), 0.25 * (2.0 - p))
        below, here, above = (self.at(place) for place in (p - step, p, p + step))
        bend = (2.0 * here.loglik - above.loglik - below.loglik) / step**2
        variance = 1.0 / bend if bend > 0 else nan
        along = (above.theta - below.theta) / (2.0 * step)
        numbers: dict[str, Array] = {
            "along": along,
            "variance": np.array(variance),
            "joint_std_error": np.array(sqrt(variance)),
        }
        return Shape("p", p, sqrt(variance), "ml", numbers)


def _vertex(powers: list[float], heights: Array, place: int) -> float:
    """The top of the parabola through three neighbours, or an end."""
    if place in (0, len(powers) - 1):
        return powers[place]
    x, y = powers[place - 1 : place + 2], heights[place - 1 : place + 2]
    left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
    bend = right - left
    top = 0.5 * (x[0] + x[1]) - left * 0.5 * (x[2] - x[0]) / bend if bend < 0 else x[1]
    return float(min(max(top, x[0]), x[2])) if isfinite(top) else x[1]


def _likelihood(found: Estimate) -> GLM:
    assert found.likelihood is not None
    return found.likelihood


class _Zeros(NamedTuple):
    """Numbers of rows and of zeros among them."""

    rows: int
    zeros: int

    @classmethod
    def of(cls, block: Block) -> _Zeros:
        used = block.total > 0
        return cls(int(used.sum()), int((used & (block.y == 0)).sum()))

    def __add__(self, other: object) -> _Zeros:
        assert isinstance(other, _Zeros)
        return _Zeros(self.rows + other.rows, self.zeros + other.zeros)


def _no_maximum() -> str:
    return (
        "p of the tweedie family has no estimate: the likelihood has no maximum for p between 1 and 2. "
        "Give p, as in tweedie(1.5)."
    )


def _rival(place: float, fall: float) -> str:
    where = "at the end p = 2" if place == HIGH else f"at p = {place:.4g}"
    return f"the log-likelihood has another maximum, {where}, lower by {fall:.2f}"


def _at_end(place: float, zeros: _Zeros | None) -> str:
    if place > 1.5:
        lacks = (
            "the response has no zeros" if zeros is not None and not zeros.zeros else "zeros hardly matter"
        )
        return (
            f"p of the tweedie family runs to 2, the gamma family: {lacks}. "
            'Use family="gamma" with the log link for positive responses, or give p, as in tweedie(1.9) or, '
            "for heavier tails, tweedie(2.5)."
        )
    return (
        "p of the tweedie family runs to 1: the variance grows with the mean as that of counts does, or "
        'amounts lie on multiples of one value. Use family="quasipoisson" or "negative_binomial" for counts, '
        "or give p, as in tweedie(1.1)."
    )


def _no_zeros(zeros: _Zeros) -> str:
    return (
        f"the response has no zeros among {zeros.rows:,} rows, though p between 1 and 2 gives them a "
        'probability: compare family="gamma", "inverse_gaussian" and tweedie(p) with p > 2 by AIC'
    )
