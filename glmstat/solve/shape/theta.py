"""Theta of the negative binomial family: the variance is mu + mu^2 / theta."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from math import exp, inf, log, nan, sqrt
from typing import NamedTuple

import numpy as np

from glmstat.errors import DataError
from glmstat.estimate import Estimate, Shape
from glmstat.families import Family, NegativeBinomial, Poisson
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.solve.ending import steps_of
from glmstat.solve.estimate import fit_near
from glmstat.solve.shape.counts import Excess, Pearson, cross, excess, pearson, slopes
from glmstat.solve.shape.large import Near, approach
from glmstat.solve.shape.search import Found, search
from glmstat.solve.shape.shaped import Fitting

__all__ = ["Theta"]

PRECISE = 1e-9  # standard errors by which log theta may be off
LARGE = 10.0  # times the tolerance of the coefficients for many rows: it moves these by far less
ROUNDING = 1e-13  # share of the parts of a sum below which it is no excess but rounding
FLAT = 1e-4  # mean / theta from which on it is asked whether theta is infinite
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
        self.looks: list[tuple[float, Look]] = []
        self.passed: list[Estimate] = []

    def estimate(self) -> Estimate:
        fitting = self.fitting
        with fitting.frame.holding() if fitting.frame.large else nullcontext():
            moments = fitting.method == "moments"
            first = self._begin(moments)
            look = self._moments if moments else self._likelihood
            tolerance = PRECISE if self.near is None else LARGE * fitting.control.tolerance
            return self._finished(search(look, first, tolerance=tolerance), moments)

    # ------------------------------------------------------------ where to begin

    def _begin(self, moments: bool) -> float:
        """Log theta to begin with, and coefficients."""
        known, self.start = self.theta.value(self.fitting.family), self.fitting.start
        if known is not None:
            return log(known)
        self.near = None if moments or self.start is not None else approach(self.fitting)
        if self.near is None:
            return log(self._first(moments))
        self.start = self.near.coef
        return self.near.place

    def _first(self, moments: bool) -> float:
        """Theta that suits the means of the Poisson fit, whose coefficients are a start."""
        found = self._poisson(moments)
        self.start = np.nan_to_num(found.theta)
        if moments:
            return exp(search(lambda place: self._pearson(place, found), self._guess, tolerance=1e-2).place)
        return exp(search(lambda place: self._slopes(place, found), self._guess, tolerance=1e-2).place)

    def _poisson(self, moments: bool) -> Estimate:
        """The Poisson fit, of counts whose variance lies above the mean."""
        if self.poisson is None:
            fitting = self.fitting
            family = Poisson(link=fitting.family.link)
            start = None if fitting.start is None else self.start
            self.poisson = fitting.by(family, start)
            self.passed.append(self.poisson)
            seen = excess(fitting.frame, family, self.poisson)
            df = self.poisson.df_residual
            self._guess = seen.guess
            enough = seen.pearson > df > 0 if moments else seen.score > ROUNDING * seen.size
            if not enough and (moments or not self._higher()):
                raise _not_overdispersed(seen, df, moments)
        return self.poisson

    def _higher(self) -> bool:
        """Whether some finite theta is likelier than Poisson, though theta that is large is not."""
        poisson = self.poisson
        assert poisson is not None
        if not poisson.deviance > 0 or poisson.df_residual <= 0:
            return False
        mean = max(self._mean, 1e-3)
        for ratio in (0.03, 0.3, 1.0, 3.0, 10.0):
            seen = self._slopes(log(mean / ratio), poisson)
            if seen.score < 0:  # the likelihood rises again towards a smaller theta
                rival = self.theta.held(self.fitting, mean / ratio)
                self._guess = log(mean / ratio)
                if rival.loglik > poisson.loglik:
                    return True
        return False

    @cached_property
    def _mean(self) -> float:
        """The mean response."""
        response, weight = self.fitting.frame.reduce(_totals)
        return float(response / weight) if weight else nan

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
        df = estimate.df_residual
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
        if exp(-place) * self._mean < FLAT:
            self._poisson(self.fitting.method == "moments")
        return found

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

    def _likelihood(self, place: float) -> Look:
        return self._noted(place, self._slopes(place, self._at(place)))

    def _moments(self, place: float) -> Look:
        return self._noted(place, self._pearson(place, self._at(place)))

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
        end, before = estimate.convergence, () if self.near is None else self.near.trace
        end = replace(
            end,
            iterations=steps_of(before) + sum(one.convergence.iterations for one in self.passed),
            halvings=sum(one.convergence.halvings for one in self.passed),
            trace=(*before, *(step for one in self.passed for step in one.convergence.trace)),
        )
        if not found.settled and found.distance > 1e-6 and end.status == "converged":
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


def _distance(score: float, information: float) -> float:
    return abs(score) / sqrt(information) if information > 0 else inf


def _not_overdispersed(seen: Excess, df: int, moments: bool) -> DataError:
    if seen.response == 0:
        return DataError(
            "theta of negative_binomial cannot be estimated: every count is 0. There is nothing to fit."
        )
    ratio = f"{seen.pearson / df:.4g}" if df > 0 else f"{seen.pearson:.4g} / {df}"
    why = (
        f"Pearson's chi-squared of the Poisson fit is {seen.pearson:.4g} on {df} df"
        if moments
        else "the counts do not vary more than their means"
    )
    return DataError(
        f"theta of negative_binomial is infinite: {why} (Pearson / df of the Poisson fit: {ratio}), and the "
        'negative binomial is the Poisson distribution there. Use family="poisson".'
    )
