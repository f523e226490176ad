"""Records of the choices that move numbers; `compat=` selects one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from glmstat.errors import ArgumentError, near, one_of

__all__ = ["CONVENTIONS", "Convention", "as_convention"]


@dataclass(frozen=True)
class Convention:
    """One system's choices.

    Parameters
    ----------
    name : as given to `compat=`.
    wald_quantile : distribution that cuts Wald intervals: "dispersion" uses t where the dispersion
        is estimated and normal otherwise; "normal" always uses the normal, as R's `confint.default`.
    sandwich : distribution of tests under a sandwich covariance: "t" with the degrees of freedom of its
        kind, as the page on covariances says, or "normal", as R's `coeftest` of a GLM.
    score : distribution of score tests where the dispersion is estimated: "F" or "chi_squared", as R's anova.
    likelihood_ratio : the same for likelihood-ratio tests.
    selection : what drop1, add1 and step compare where the dispersion is estimated: "aic", or "scaled", the
        deviance over a dispersion, as R's.
    dfbeta : its sign where the link decreases: that of the "change", or the "opposite", as R's `dfbeta`.
    """

    name: str
    wald_quantile: Literal["dispersion", "normal"] = "dispersion"
    sandwich: Literal["t", "normal"] = "t"
    score: Literal["F", "chi_squared"] = "F"
    likelihood_ratio: Literal["F", "chi_squared"] = "F"
    selection: Literal["aic", "scaled"] = "aic"
    dfbeta: Literal["change", "opposite"] = "change"


CONVENTIONS = {
    record.name: record
    for record in (
        Convention("glmstat"),
        Convention(
            "R",
            wald_quantile="normal",
            sandwich="normal",
            score="chi_squared",
            likelihood_ratio="chi_squared",
            selection="scaled",
            dfbeta="opposite",
        ),
    )
}


def as_convention(name: str) -> Convention:
    """Return the record called `name`."""
    if name not in CONVENTIONS:
        known = one_of(tuple(CONVENTIONS))
        raise ArgumentError(f"Unknown compat: {name!r}. Known: {known}.{near(str(name), CONVENTIONS)}")
    return CONVENTIONS[name]
