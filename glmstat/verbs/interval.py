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
    """Return the estimates of many resamples of the rows, for standard errors and intervals.

    Every resample has the design of the fit: knots, levels and scales are not learned again. It is fitted
    from the estimate of the fit. Ctrl-C keeps the resamples that are done.

    Parameters
    ----------
    reps : number of resamples, 2 or more. 1999 puts the ends of 90, 95 and 99 % intervals on order
        statistics.
    resample : "case": rows with replacement, with their prior weights; rows of weight 0 are not drawn, and a
        row that counts f times (`freq_weights`) is f rows. "cluster": whole clusters. "parametric": responses
        drawn from the family's distribution at the fitted means. "residual": fitted means plus residuals
        r / sqrt(V(mu) (1 - h) / w), centred, drawn with replacement. "wild": each row's own residual, or
        cluster of residuals, times a random multiplier; models other than linear ones with identity link
        multiply the scores and take one Newton step instead of a refit. Multipliers are Rademacher's signs,
        and Webb's six points where there are fewer than 10 clusters; "wild rademacher", "wild mammen" and
        "wild webb" choose.
    cluster : name, expression or array of the clusters of "cluster" and "wild"; default those of the fit's
        covariance.
    seed : whole number >= 0; None draws one, which is printed. The same seed gives the same bits for any
        number of workers, and draws the same rows wherever the data are; where rows are left out of many
        blocks, those of data that are copied are others than those of data that each pass reads.
    workers : processes; 1 computes here. None takes as many as there are cores where that saves time.
        Fits too large to hold copies of their rows are computed here, with threads.
    progress : show a bar; None shows one on a terminal if it takes more than two seconds.
    of : coefficients or linear combinations ("x - z") that tables show; default every coefficient.
    vcov : covariance whose standard errors studentise, and whose clusters are the default; default that of
        the fit.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Bootstrap with `estimates` (reps, p), `confint`, `vcov`, `summary`, `to_frame`.

    Raises
    ------
    ArgumentError : an unknown word, fewer than 2 resamples, a seed that is not a whole number, sampling
        weights, or a way of resampling that the family does not allow.
    DataError : one row, one cluster, or a row without a cluster.

    Warns
    -----
    ResampleWarning : fewer than 80 % of the resamples are usable.
    FewClustersWarning : fewer than 40 clusters are drawn from.

    Source: Davison & Hinkley (1997), sections 5, 6.2 and 7.2; Kline & Santos (2012) for scores.

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
