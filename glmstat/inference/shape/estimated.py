"""A parameter of the family that was estimated: its errors, its intervals, and how they came about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, inf, isfinite, isinf, log, nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit, ndtri

from glmstat.errors import ArgumentError, ComparisonError, one_of
from glmstat.inference.profile.crossing import Crossing, crossing
from glmstat.inference.reference import check_level
from glmstat.inference.score import frame_of
from glmstat.inference.shape.joint import joint_direction
from glmstat.solve.shape.estimator import ShapeEstimated
from glmstat.table import frame, noted
from glmstat.text.layout import count
from glmstat.text.listing import Listing
from glmstat.text.number import percent

if TYPE_CHECKING:
    from glmstat.estimate import Shape
    from glmstat.fit import Fit

__all__ = ["ESTIMATORS", "EstimatedShape", "estimated_shape", "estimates_theta", "shape_lines"]

_EDGE = 1e-6  # share of a range within which a value is its end
METHODS = ("profile", "wald")
ESTIMATORS = {"ml": "maximum likelihood", "moments": "moments"}


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedShape:
    """A parameter of the family that was estimated with the coefficients: theta, p.

    Parameters
    ----------
    fit : whose it is.

    >>> import glmstat
    >>> data = {"y": [0, 1, 0, 9, 2, 14, 3, 30], "x": [0, 0, 1, 1, 2, 2, 3, 3]}
    >>> shape = glmstat.negbin("y ~ x", data).shape
    >>> print(f"{shape.name} {shape.value:.4f}, standard error {shape.std_error:.4f}")
    theta 0.9195, standard error 0.5966
    """

    fit: Fit

    @property
    def _shape(self) -> Shape:
        shape = self.fit.estimate.shape
        assert shape is not None
        return shape

    @property
    def _estimator(self) -> ShapeEstimated:
        estimator = self.fit.spec.estimator
        assert isinstance(estimator, ShapeEstimated)
        return estimator

    @property
    def name(self) -> str:
        """What it is called."""
        return self._shape.name

    @property
    def value(self) -> float:
        """The estimate."""
        return self._shape.value

    @property
    def estimator(self) -> str:
        """How it was estimated: "ml" or "moments"."""
        return self._shape.estimator

    @property
    def std_error(self) -> float:
        """Standard error from the observed information of the parameter at the fitted means, as R's glm.nb.

        NaN where the parameter was not estimated by maximum likelihood, and with sampling weights.
        """
        return nan if self._sampled else self._shape.std_error

    @property
    def _sampled(self) -> bool:
        return self.fit.spec.call["sampling_weights"] is not None

    def _check_not_sampled(self, what: str) -> None:
        if self._sampled:
            raise ComparisonError(
                f"{what} of {self.name} is not defined with sampling weights: rows are not independent draws"
                f"{self._instead}"
            )

    @property
    def _instead(self) -> str:
        """What has a sandwich error of the parameter."""
        if self.name != "theta":
            return "."
        return (
            '. predictors={"theta": "~ 1"} makes log theta a coefficient, whose error is that of a sandwich.'
        )

    @property
    def joint_std_error(self) -> float:
        """Standard error from the joint observed information of coefficients and parameter, as Stata's nbreg.

        Raises
        ------
        DataError : the fit holds no rows.
        ArgumentError : the parameter was not estimated by maximum likelihood.
        ComparisonError : sampling weights.
        """
        self._check_not_sampled("A standard error")
        known = self._shape.numbers.get("joint_std_error")
        if known is not None:
            return float(np.ravel(known)[0])
        _, variance = joint_direction(self.fit)
        return self.value * sqrt(variance)

    def confint(self, level: float = 0.95, *, method: str = "profile", data: Any = None) -> Any:
        """Return the interval as a table of one row.

        Parameters
        ----------
        level : coverage.
        method : "profile": the values that a likelihood ratio test does not reject, coefficients at their
            maximum for each; "wald": estimate times exp(± z std_error / estimate).
        data : the data of the fit, where the fit holds none.

        Returns
        -------
        Table with conf_low and conf_high; an end is infinite where no value is rejected.

        Raises
        ------
        ArgumentError : an unknown method; a parameter that was not estimated by maximum likelihood.
        ComparisonError : sampling weights.

        Source: Venzon & Moolgavkar (1988), Applied Statistics 37.
        """
        low, high = self.ends(level, method=method, data=data)
        columns = {"conf_low": np.array([low]), "conf_high": np.array([high])}
        if self.fit.native.library != "pandas":
            return frame({"term": [self.name], **columns}, self.fit.native)
        words = {"profile": "profile likelihood", "wald": "Wald, on the log scale"}[method]
        return noted(
            frame(columns, self.fit.native, index=[self.name]), notes=[f"{percent(level)} {words} interval"]
        )

    def ends(self, level: float = 0.95, *, method: str = "profile", data: Any = None) -> tuple[float, float]:
        """Return the ends of the interval; parameters as `confint`."""
        upper = 0.5 + 0.5 * check_level(level)
        if method not in METHODS:
            raise ArgumentError(f"Unknown method: {method!r}. Known: {one_of(METHODS)}.")
        if self._shape.estimator != "ml":
            raise ArgumentError(
                f"{self.name} has no interval: it was estimated by {ESTIMATORS[self._shape.estimator]}. "
                'Fit with method="ml".'
            )
        self._check_not_sampled("An interval")
        cut = float(ndtri(upper))
        if method == "wald":
            half = cut * self.std_error / self.value
            return self.value * exp(-half), self.value * exp(half)
        return _Profile(self, data).ends(cut)

    def _listing(self) -> Listing:
        fit, certain = self.fit, self._shape.estimator == "ml" and not self._sampled
        by_profile, ends = certain and fit.frame is not None, (nan, nan)
        if certain:
            ends = self.ends(method="profile" if by_profile else "wald")
        columns: dict[str, list[Any]] = {
            "estimate": [self.value],
            "std_error": [self.std_error],
            "conf_low": [ends[0]],
            "conf_high": [ends[1]],
        }
        index = [self.name]
        if self.name == "theta":
            index.append("alpha = 1/theta")
            below = (1.0 / ends[1] if ends[1] else nan), (1.0 / ends[0] if ends[0] else inf)
            alpha = 1.0 / self.value, self.std_error / self.value**2, *below
            for name, number in zip(columns, alpha, strict=True):
                columns[name].append(number)
        family = fit.spec.family
        return Listing(
            (f"{family.title}: {self.name} · {count(fit.nobs, 'row')}", " ".join(fit.formula.split())),
            tuple(index),
            columns,
            tuple(self._notes(by_profile)),
            fit.native,
        )

    def _notes(self, by_profile: bool) -> Iterator[str]:
        if self._shape.estimator != "ml":
            yield f"{self.name} by {ESTIMATORS[self._shape.estimator]}: no standard error, no interval"
            return
        if self._sampled:
            yield (
                "maximum pseudo-likelihood: sampling weights leave no standard error, no interval"
                f"{self._instead}"
            )
            return
        words = "profile likelihood" if by_profile else "Wald on the log scale: the fit holds no rows"
        yield f"maximum likelihood · intervals: 95 % {words}"
        if self.name == "theta":
            yield "std_error: observed information of theta at the fitted means"
        yield from self._shape.notes

    def __str__(self) -> str:
        return str(self._listing())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._listing()._repr_html_()

    def ascii(self) -> str:
        """Return the text in ASCII."""
        return self._listing().ascii()

    def to_frame(self) -> Any:
        """Return the table in the caller's library."""
        return self._listing().to_frame()

    def to_dict(self) -> dict[str, Any]:
        """Return everything that is printed as JSON values."""
        return self._listing().to_dict()


class _Profile:
    """The log-likelihood along the parameter, everything else at its maximum."""

    def __init__(self, shape: EstimatedShape, data: Any) -> None:
        fit = shape.fit
        self.shape, self.estimator = shape, shape._estimator
        rows = frame_of(fit, f"A profile interval of {shape.name}", data)
        self.fitting = self.estimator.fitting(
            rows,
            fit.spec.likelihood,
            start=None if fit.estimate.directions else np.nan_to_num(fit.estimate.theta),
            control=fit.spec.control,
            dispersion=fit.spec.call["dispersion"],
        )
        self.low, self.high = self.estimator.shaped.bounds(fit.spec.likelihood.family)

    def ends(self, cut: float) -> tuple[float, float]:
        """Return both ends for a cut of the signed root."""
        middle, scale = self._inward(self.shape.value), self._scale()
        noise = 1e-15 * abs(self.shape.fit.estimate.minimum)

        def excess(place: float) -> float:
            return self._fall(place) - cut * cut

        found = [
            crossing(excess, middle, -cut * cut, side * scale * cut, noise=noise) for side in (-1.0, 1.0)
        ]
        return self._end(found[0]), self._end(found[1])

    def _scale(self) -> float:
        """A standard error on the scale of the search."""
        shape, step = self.shape, 1e-4 * self.shape.value
        slope = (self._inward(shape.value + step) - self._inward(shape.value - step)) / (2.0 * step)
        size = shape.std_error * slope
        return size if isfinite(size) and size > 0 else 1.0

    def _fall(self, place: float) -> float:
        value = self._outward(place)
        if isfinite(self.high):  # beyond, the likelihood is that of the end, but for rounding
            edge = _EDGE * (self.high - self.low)
            value = min(max(value, self.low + edge), self.high - edge)
        if not self.low < value < self.high:
            return nan
        found = self.estimator.shaped.held(self.fitting, value)
        if found.convergence.status == "not converged" or found.criterion is None:
            return nan
        return found.criterion - self.shape.fit.estimate.minimum

    def _inward(self, value: float) -> float:
        if isinf(self.high):
            return log(value - self.low)
        return float(logit((value - self.low) / (self.high - self.low)))

    def _outward(self, place: float) -> float:
        if isinf(self.high):
            return self.low + exp(min(place, 700.0))
        return float(self.low + (self.high - self.low) * expit(place))

    def _end(self, end: Crossing) -> float:
        if isinf(end.value):
            return self.high if end.value > 0 else self.low
        return self._outward(end.value) if isfinite(end.value) else nan


def estimated_shape(fit: Fit) -> EstimatedShape | None:
    """Return the parameter of the family that a fit has estimated; None where there is none."""
    return None if fit.estimate.shape is None else EstimatedShape(fit)


def shape_lines(fit: Fit) -> Iterator[str]:
    """Yield what a summary says of an estimated parameter."""
    from glmstat.inference.shape.boundary import summary_line

    shape = fit.estimate.shape
    if shape is None:
        return
    size = EstimatedShape(fit).std_error
    known = f"std_error {size:.4g}, " if isfinite(size) else ""
    parts = [f"{shape.name} {shape.value:.5g} ({known}{ESTIMATORS[shape.estimator]})", *summary_line(fit)]
    yield " · ".join(parts)
    yield from shape.notes


def estimates_theta(fit: Fit) -> bool:
    """Return whether theta of the family, or a formula for it, was estimated from the counts of the fit."""
    held = any(note.kind == "given" for note in fit.notes)
    return held or fit.estimate.shape is not None or bool(fit.spec.design.others)
