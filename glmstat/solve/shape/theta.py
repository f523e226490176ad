"""Theta of the negative binomial family: the variance is mu + mu^2 / theta."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from math import exp, inf, log, nan, sqrt
from typing import NamedTuple

import numpy as np

from glmstat.compute import Largest
from glmstat.estimate import Estimate, Pass, Shape
from glmstat.families import Family, NegativeBinomial, Poisson
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.solve.ending import steps_of
from glmstat.solve.estimate import fit_near
from glmstat.solve.estimator import NoFinite
from glmstat.solve.shape.counts import Pearson, cross, excess, pearson, slopes
from glmstat.solve.shape.infinite import no_finite_theta
from glmstat.solve.shape.large import Near, approach
from glmstat.solve.shape.search import REACH, Found, search
from glmstat.solve.shape.shaped import Fitting

__all__ = ["Theta"]

PRECISE = 1e-9  # standard errors by which log theta may be off
LARGE = 10.0  # times the tolerance of the coefficients for many rows: it moves these by far less
ROUNDING = 1e-13  # share of the parts of a sum below which it is no excess but rounding
FLAT = 1e-4  # mean / theta from which on it is asked whether theta is infinite
SETTLED = 1e-6  # standard errors from its root at which rounding may leave log theta
LEAST = 0.01  # theta, relative to a mean below 1, at which the ways down to small theta end
NARROW = 1.1  # log theta between looks for another maximum
FARTHEST = -80.0  # log theta
APART = (0.3, 3.0)  # a secant's curvature over the one at given means, beyond which it is not believed


class Look(NamedTuple):
    """What one theta says, its coefficients at their maximum, in log theta.

    Parameters
    ----------
    score, information : of the log-likelihood; for moments what is to be 0, and how it falls.
    distance : to the root, in standard errors.
    estimate : the coefficients.
    own : information at given means.
    """

    score: float
    information: float
    distance: float
    estimate: Estimate
    own: float


@dataclass(frozen=True)
class Theta:
    """The size of the negative binomial, by maximum likelihood or by moments.

    Source: Lawless (1987), Canadian Journal of Statistics 15; Venables & Ripley (2002), section 7.4; moments:
    Breslow (1984), Applied Statistics 33.
    """

    name = "theta"
    methods = ("ml", "moments")

    def value(self, family: Family) -> float | None:
        """Return theta; None where it is to be estimated."""
        return getattr(family, "theta", None)

    def given(self, family: Family, value: float | None) -> Family:
        """Return the family with theta."""
        return NegativeBinomial(value, link=family.link)

    def bounds(self, family: Family) -> tuple[float, float]:
        """Return 0 and infinity."""
        return 0.0, inf

    def estimate(self, fitting: Fitting) -> Estimate:
        """Return the joint estimate of coefficients and theta.

        Raises
        ------
        DataError : the variance does not lie above the mean, so that theta is infinite.
        """
        return _Ascent(self, fitting).estimate()

    def held(self, fitting: Fitting, value: float) -> Estimate:
        """Return the estimate of the coefficients with theta held."""
        found = fitting.by(self.given(fitting.family, value), fitting.start)
        return replace(found, criterion=-2.0 * found.loglik)

    def mixed(self, frame: ModelFrame, family: Family, estimate: Estimate) -> tuple[Array, float]:
        """Return the derivative of the score (p,) in log theta, and the information of log theta."""
        theta = self.value(family)
        assert theta is not None
        alpha, seen = 1.0 / theta, slopes(frame, family, estimate, theta)
        return cross(frame, family, estimate, theta), -alpha * (alpha * seen.second + seen.first)


class _Ascent:
    """The way to one estimate."""

    def __init__(self, theta: Theta, fitting: Fitting) -> None:
        self.theta, self.fitting = theta, fitting
        self.poisson: Estimate | None = None
        self.near: Near | None = None
        self.before: tuple[Pass, ...] = ()
        self.looks: list[tuple[float, Look]] = []
        self.passed: list[Estimate] = []

    def estimate(self) -> Estimate:
        fitting = self.fitting
        with fitting.frame.holding() if fitting.frame.large else nullcontext():
            moments = fitting.method == "moments"
            if moments:
                return self._finished(self._searched(self._moments, moments), moments)
            try:
                found = self._searched(self._likelihood, moments)
            except NoFinite:
                found = None
            return self._finished(self._likeliest(found), moments)

    def _searched(self, look: Callable[[float], Look], moments: bool) -> Found[Look]:
        first = self._begin(moments)
        tolerance = PRECISE if self.near is None else LARGE * self.fitting.control.tolerance
        return search(look, first, tolerance=tolerance)

    # ------------------------------------------------------------ which of several maxima

    def _likeliest(self, found: Found[Look] | None) -> Found[Look]:
        """What was found, or the likeliest of all maxima where it may not be that.

        Raises
        ------
        NoFinite : Poisson is as likely as the likeliest finite theta.
        """
        if found is not None and _reached(found):
            if self.poisson is None and not self.fitting.frame.small:
                return found
            poisson = self._poisson().loglik
            if found.looked.estimate.loglik >= poisson - ROUNDING * abs(poisson):
                return found
        poisson = self._poisson()
        if found is None and not (poisson.deviance > 0 and poisson.df_residual > 0):
            raise no_finite_theta(self.excess, poisson, moments=False)
        known = [each for each in (*self._maxima(), found) if each is not None]
        known = [each for each in known if _reached(each)] or known
        best = max(known, key=_loglik, default=None)
        if best is None or not _loglik(best) > poisson.loglik:
            raise no_finite_theta(self.excess, poisson, moments=False)
        return best

    def _maxima(self) -> Iterator[Found[Look]]:
        """Yield the maxima in theta on the way down from Poisson, the coefficients at their own for each."""
        self.near = None
        stride = NARROW if self.fitting.frame.small else REACH
        place = log(10.0 * max(self.fitting.frame.reduce(_largest).size[0], 1.0))
        self.looks, self.start = [], np.nan_to_num(self._poisson().theta)
        above = self._seen(place)
        while place > FARTHEST and (place > self._lowest or above.score < 0):
            place -= stride
            below = self._seen(place)
            if above.score < 0 < below.score:
                yield self._between(place, place + stride)
            above = below

    def _between(self, low: float, high: float) -> Found[Look]:
        """The maximum between two places; the looks at it are not kept."""
        kept, self.looks = self.looks, self.looks[-2:]
        found = search(self._seen, 0.5 * (low + high), low=low, high=high, tolerance=PRECISE)
        self.looks = kept
        return found

    # ------------------------------------------------------------ where to begin

    def _begin(self, moments: bool) -> float:
        """Log theta to begin with, and coefficients."""
        known, self.start = self.theta.value(self.fitting.family), self.fitting.start
        if known is not None:
            return log(known)
        self.near = None if moments or self.start is not None else approach(self.fitting)
        if self.near is None:
            return log(self._first(moments))
        self.start, self.before = self.near.coef, self.near.trace
        return self.near.place

    def _first(self, moments: bool) -> float:
        """Theta that suits the means of the Poisson fit, whose coefficients are a start."""
        found = self._overdispersed(moments)
        self.start = np.nan_to_num(found.theta)
        look = self._pearson if moments else self._slopes
        place = search(lambda place: look(place, found), self.excess.guess, tolerance=1e-2).place
        return exp(place) if moments else exp(max(place, self._lowest))

    def _poisson(self) -> Estimate:
        """The Poisson fit."""
        if self.poisson is None:
            family = Poisson(link=self.fitting.family.link)
            self.poisson = self.fitting.by(family, None if self.fitting.start is None else self.start)
            self.passed.append(self.poisson)
            self.excess = excess(self.fitting.frame, family, self.poisson)
        return self.poisson

    def _overdispersed(self, moments: bool) -> Estimate:
        """The Poisson fit, of counts whose variance lies above the mean.

        Raises
        ------
        NoFinite : it does not.
        """
        poisson = self._poisson()
        seen, df = self.excess, poisson.df_beside_separated
        if not (seen.pearson > df > 0 if moments else seen.score > ROUNDING * seen.size):
            raise no_finite_theta(seen, poisson, moments=moments)
        return poisson

    @cached_property
    def _mean(self) -> float:
        """The mean response."""
        response, weight = self.fitting.frame.reduce(_totals)
        return float(response / weight) if weight else nan

    @property
    def _lowest(self) -> float:
        """Log theta below which nothing is looked for before the likelihood asks for it."""
        return log(LEAST * min(1.0, self._mean)) if self._mean > 0 else log(LEAST)

    # ------------------------------------------------------------ what one theta says

    def _slopes(self, place: float, estimate: Estimate) -> Look:
        theta = exp(place)
        seen = slopes(self.fitting.frame, self.fitting.family, estimate, theta)
        alpha = 1.0 / theta
        score = -alpha * seen.first
        information = -alpha * (alpha * seen.second + seen.first)
        return Look(score, information, _distance(score, information), estimate, information)

    def _pearson(self, place: float, estimate: Estimate) -> Look:
        fitting = self.fitting
        seen: Pearson = pearson(fitting.frame, fitting.family, estimate, exp(place))
        df = estimate.df_beside_separated
        far = abs(df - seen.value) / sqrt(2.0 * max(df, 1))
        return Look(df - seen.value, seen.slope, far, estimate, nan)

    def _at(self, place: float) -> Estimate:
        """The coefficients for one theta, from a start on the line through the last two."""
        start = self.start
        if len(self.looks) > 1:
            (before, one), (last, two) = self.looks[-2:]
            along = (two.estimate.theta - one.estimate.theta) / (last - before)
            start = np.nan_to_num(two.estimate.theta + along * (place - last))
        elif self.looks:
            start = np.nan_to_num(self.looks[-1][1].estimate.theta)
        family = self.theta.given(self.fitting.family, exp(place))
        found = self._by_rung(family, start) or self.fitting.by(family, start)
        self.passed.append(found)
        return found

    def _not_flat(self, place: float, moments: bool) -> None:
        """Ask whether theta is infinite, where it is large."""
        if exp(-place) * self._mean < FLAT:
            self._overdispersed(moments)

    def _by_rung(self, family: Family, start: Array | None) -> Estimate | None:
        """The same by the subsample of a large frame that led near; None where it does not lead there."""
        near, fitting = self.near, self.fitting
        if near is None or start is None:
            return None
        likelihood = GLM(family)
        found = fit_near(
            fitting.frame,
            likelihood,
            near.rung,
            start,
            near.verdict,
            control=fitting.control,
            dispersion=fitting.dispersion,
        )
        return None if found is None else replace(found, likelihood=likelihood)

    def _seen(self, place: float) -> Look:
        return self._noted(place, self._slopes(place, self._at(place)))

    def _likelihood(self, place: float) -> Look:
        look = self._seen(place)
        self._not_flat(place, moments=False)
        return look

    def _moments(self, place: float) -> Look:
        look = self._noted(place, self._pearson(place, self._at(place)))
        self._not_flat(place, moments=True)
        return look

    def _noted(self, place: float, look: Look) -> Look:
        """The look with the curvature that the last two tell, the coefficients' share of it among that."""
        if self.looks:
            before, last = self.looks[-1]
            apart = (last.score - look.score) / (place - before)
            if look.information > 0 and APART[0] < apart / look.information < APART[1]:
                far = abs(place - before) * sqrt(look.information)
                look = look._replace(information=apart) if far > 1e-5 else look
        self.looks.append((place, look))
        return look

    # ------------------------------------------------------------ what was found

    def _finished(self, found: Found[Look], moments: bool) -> Estimate:
        estimate, value = found.looked.estimate, exp(found.place)
        own = found.looked.own
        size = value / sqrt(own) if own > 0 else nan
        numbers: dict[str, Array] = {}
        if self.poisson is not None:
            numbers["poisson"] = np.array(self.poisson.loglik)
        end = estimate.convergence
        end = replace(
            end,
            iterations=steps_of(self.before) + sum(one.convergence.iterations for one in self.passed),
            halvings=sum(one.convergence.halvings for one in self.passed),
            trace=(*self.before, *(step for one in self.passed for step in one.convergence.trace)),
        )
        if not found.settled and found.distance > SETTLED and end.status == "converged":
            end = replace(
                end,
                status="not converged",
                reason=f"theta is {found.distance:.1e} standard errors from its root",
            )
        return replace(
            estimate,
            criterion=-2.0 * estimate.loglik,
            convergence=end,
            shape=Shape("theta", value, size, "moments" if moments else "ml", numbers),
        )


def _totals(block: Block) -> Array:
    weights = block.total
    return np.array([weights @ block.y, weights.sum()])


def _largest(block: Block) -> Largest:
    return Largest(np.array([block.y[block.total > 0].max(initial=0.0)]))


def _loglik(found: Found[Look]) -> float:
    return found.looked.estimate.loglik


def _reached(found: Found[Look]) -> bool:
    return found.settled or found.distance <= SETTLED


def _distance(score: float, information: float) -> float:
    return abs(score) / sqrt(information) if information > 0 else inf
