"""Verbs for profiles and resamples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmstat.call import Covariance
    from glmstat.fit import Fit
    from glmstat.inference.bootstrap.result import Bootstrap
    from glmstat.inference.profile.verb import Profile

__all__ = ["bootstrap", "profile"]


def profile(
    self: Fit,
    of: str | Sequence[str] | None = None,
    *,
    level: float = 0.95,
    statistic: Literal["deviance", "score"] = "deviance",
    points: int = 12,
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Profile:
    """Return the profile of the likelihood along coefficients or linear combinations of them.

    Parameters
    ----------
    of : names or combinations such as "x + f[T.b]"; default every coefficient.
    level : coverage of the intervals; the profile goes a little beyond them.
    statistic : "deviance" (likelihood ratio) or "score" (Rao).
    points : values on each side of the estimate.
    vcov : "classical": a profile assumes the variance of the family. That of the fit is not used.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Profile: print it for the intervals, or take `confint(level)`, `to_frame()` (a row per refit) and
    `plot()`. An end is infinite where no value is excluded, NaN where it could not be found.

    Raises
    ------
    ArgumentError : a name that is no coefficient, a perfect fit, a sandwich covariance, a score profile at
        the boundary.
    ComparisonError : sampling weights.

    Warns
    -----
    BoundaryWarning : the estimate lies on the boundary of the domain, or an end is its edge.
    ConvergenceWarning : an end could not be found; it is NaN.
    """
    from glmstat.inference.profile.verb import profile

    return profile(self, of, level=level, statistic=statistic, points=points, vcov=vcov, data=data)


def bootstrap(
    self: Fit,
    reps: int = 1999,
    *,
    resample: str = "case",
    cluster: Any = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    of: str | Sequence[str] | None = None,
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Bootstrap:
    """Return the estimates of many resamples, with standard errors and intervals of five types.

    Every resample has the design of the fit (knots, levels and scales are not learned again) and is fitted
    from its estimate. Ctrl-C keeps the resamples that are done.

    Parameters
    ----------
    reps : number of resamples, 2 or more; 40 for intervals at 95 %.
    resample : "case" (rows; a row that counts f times is f rows), "cluster" (whole clusters), "parametric"
        (responses drawn from the family), "residual" (standardised residuals), "wild" (residuals, or scores
        in one step, times random multipliers; "wild rademacher", "wild mammen" and "wild webb" choose these).
    cluster : variable whose groups are drawn as one; default that of the covariance.
    seed : >= 0; default a fresh one, which is printed.
    workers : processes; default chooses. Results have the same bits for any number.
    progress : whether a bar is shown; default where it takes long, in a terminal.
    of : coefficients or linear combinations ("x - z") that tables show; default every coefficient.
    vcov : covariance whose standard errors studentise; default that of the fit.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Bootstrap: print it, or take `summary(type, level)`, `confint(type, level)`, `vcov()`, `to_frame()` and
    `estimates` (reps, p).

    Raises
    ------
    ArgumentError : a way of resampling that does not exist or that family or weights do not allow.
    DataError : one row or cluster, or rows of the fit without a cluster.

    Warns
    -----
    ResampleWarning : fewer than 80 % of the resamples are usable.
    FewClustersWarning : fewer than 40 clusters are drawn from.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [1, 2, 3, 5, 9, 4, 2, 6], "x": [0, 1, 2, 3, 4, 2, 1, 3]}, "poisson")
    >>> fit.bootstrap(199, seed=1).confint("bca").index
    ('Intercept', 'x')
    """
    from glmstat.inference.bootstrap.resample import bootstrap

    return bootstrap(
        self,
        reps,
        resample=resample,
        cluster=cluster,
        seed=seed,
        workers=workers,
        progress=progress,
        of=of,
        vcov=vcov,
        data=data,
    )
