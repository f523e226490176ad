"""The profile of the likelihood along coefficients and their linear combinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.hypothesis.linear import Linear, linear
from glmstat.inference.profile.curve import Kind, Point
from glmstat.inference.profile.ends import Ends, classical, facts, height, intervals, traced
from glmstat.inference.reference import check_level
from glmstat.inference.shown import Shown
from glmstat.text.listing import Listing
from glmstat.text.number import percent

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Profile", "profile"]


@dataclass(frozen=True, eq=False, repr=False)
class Profile(Shown):
    """Profiles of one or more combinations of the coefficients.

    Parameters
    ----------
    fit : whose likelihood it is.
    statistic : "deviance" (likelihood ratio) or "score" (Rao).
    level : of the intervals.
    linear : the combinations.
    curves : the points of each, by value.
    ends : the intervals.

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9, 8], "x": [0, 1, 2, 3, 4, 5]}
    >>> print(glmstat.glm("y ~ x", data, "poisson").profile("x"))
    Profile of the deviance, 95 % intervals
    y ~ x
    <BLANKLINE>
       estimate  conf_low  conf_high
    x    0.3867    0.1506     0.6481
    <BLANKLINE>
    deviance · cut: normal 1.96
    """

    fit: Fit
    statistic: Kind
    level: float
    linear: Linear
    curves: tuple[tuple[Point, ...], ...]
    ends: Ends

    @property
    def terms(self) -> tuple[str, ...]:
        """The combinations as text."""
        return self.linear.texts

    @property
    def notes(self) -> tuple[str, ...]:
        """What was compared with what, and what a reader of the intervals should know."""
        return (*facts(self.fit, self.statistic, self.level), *self.ends.notes)

    def confint(self, level: float | None = None) -> Any:
        """Return the intervals as a table conf_low, conf_high, exact at any level.

        Parameters
        ----------
        level : coverage; default that of the profile. Another costs a few refits more.
        """
        from glmstat.inference.interval import labelled

        ends = self.ends
        if level is not None and check_level(level) != self.level:
            ends = intervals(self.fit, self.linear, level, self.statistic, self.curves)
        notes = (*facts(self.fit, self.statistic, level or self.level), *ends.notes)
        return labelled(self.fit, self.terms, {"conf_low": ends.low, "conf_high": ends.high}, notes)

    def to_frame(self) -> Any:
        """Return the profiles in the caller's library, a row per point.

        Returns
        -------
        Table with columns term, value, statistic (signed root; compare with normal or t quantiles),
        deviance (of the refit, for dispersion 1) and coef[...], the coefficients of the refit.
        """
        from glmstat.table import frame

        pairs = [
            (term, point) for term, curve in zip(self.terms, self.curves, strict=True) for point in curve
        ]
        columns = {
            "term": [term for term, _ in pairs],
            "value": np.array([point.value for _, point in pairs]),
            "statistic": np.array([point.statistic for _, point in pairs]),
            "deviance": np.array([point.deviance for _, point in pairs]),
        }
        coef = np.array([point.coef for _, point in pairs]).reshape(len(pairs), len(self.fit.columns))
        columns.update({f"coef[{name}]": coef[:, slot] for slot, name in enumerate(self.fit.columns)})
        return frame(columns, replace(self.fit.native, index=None))

    def plot(self, ax: Any = None) -> Any:
        """Return the matplotlib axes of a plot: statistic against value, cut and interval marked.

        Parameters
        ----------
        ax : axes to draw in, one per combination; default a new figure.

        Raises
        ------
        DependencyError : matplotlib is not installed.
        """
        from glmstat.report.plot.profile import plot

        return plot(self, ax)

    def listing(self) -> Listing:
        """Return the intervals as a printed table."""
        values = (self.linear.estimates(self.fit), self.ends.low, self.ends.high)
        names = ("estimate", "conf_low", "conf_high")
        columns = {name: column.tolist() for name, column in zip(names, values, strict=True)}
        what = height(self.fit, self.statistic)
        title = (f"Profile of the {what}, {percent(self.level)} intervals", self.fit.formula)
        return Listing(title, self.terms, columns, self.notes, self.fit.native)

    def __len__(self) -> int:
        return len(self.terms)

    def _shown(self) -> Listing:
        return self.listing()


def profile(
    fit: Fit,
    of: str | Sequence[str] | None = None,
    *,
    level: float = 0.95,
    statistic: Kind = "deviance",
    points: int = 12,
    vcov: Any = None,
    data: Any = None,
) -> Profile:
    """Return the profile of the likelihood along coefficients or linear combinations of them.

    Each point is a refit with the combination held at a value, started from its neighbours; the ends of the
    intervals are roots found to about twelve digits, not interpolated.

    Parameters
    ----------
    of : names or combinations such as "x + f[T.b]"; default every coefficient.
    level : coverage of the intervals; the profile goes a little beyond them.
    statistic : "deviance" or "score" (Rao's, at the refit). Divided by the dispersion of the fit, and cut at
        Student's quantile, where the dispersion is estimated; at the normal quantile with compat="R".
    points : values on each side of the estimate.
    vcov : "classical" or nothing: no other covariance has a part in a profile.
    data : the data of the fit, where the fit holds none.

    Raises
    ------
    ComparisonError : sampling weights.
    ArgumentError : a perfect fit; a name that is no coefficient; a sandwich covariance.

    Warns
    -----
    BoundaryWarning : the estimate lies on the boundary of the domain, or an end is its edge.
    ConvergenceWarning : an end could not be found; it is NaN.

    Source: Venables & Ripley (2002), section 8.4; score: Rao (1948), as R's confint(test = "Rao").
    """
    if isinstance(points, bool) or not isinstance(points, int) or points < 1:
        raise ArgumentError(f"points must be a whole number >= 1: {points!r}. The default is 12.")
    fit = classical(fit, vcov, "A profile", 'confint(method="wald")')
    found = traced(fit, linear(fit, of), level, statistic, points=points, data=data)
    return Profile(found.fit, found.kind, level, found.linear, found.points, found.ends)
