"""`glmstat.pool`: fits of multiply imputed data, combined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.covariance import covariance_root
from glmstat.inference.pool.alike import check_alike
from glmstat.inference.pool.result import Pooled, complete_df
from glmstat.inference.pool.rubin import Rubin

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["pool"]


def pool(fits: Iterable[Fit], *, df_complete: float | None = None) -> Pooled:
    """Return the combination of fits of the same model to multiply imputed data.

    Rubin's rules: the estimate is the mean over imputations, its covariance the mean of the fits' own
    covariances plus (1 + 1/m) times the covariance of the estimates. Tests and intervals use t with the
    degrees of freedom of Barnard and Rubin (1999).

    Parameters
    ----------
    fits : two or more, one for each imputed data set, each with the covariance that it carries (`vcov=`).
    df_complete : degrees of freedom of t if nothing were missing. Default: those of each fit's own t, and
        `df_residual` where the fit's own tests are by z, as R's mice: then tests are a little cautious in
        small samples. `float("inf")` gives the degrees of freedom of Rubin (1987).

    Returns
    -------
    Pooled, which prints as a table of coefficients, and has `test`, `terms`, `confint`, `tidy`.

    Raises
    ------
    ArgumentError : fewer than two fits, what is no fit, or df_complete that is not > 0.
    ComparisonError : fits of different rows, terms, families, links, weights or covariances; a fit with
        aliased or infinite coefficients, or a mean at its bound.

    Warns
    -----
    ConvergenceWarning : a fit that has not converged.

    Source: Rubin (1987); Barnard & Rubin (1999), Biometrika 86, 948-955. Numbers as mice's `pool`.

    >>> import glmstat
    >>> imputed = [{"y": [1, 2, 3, 5, 9, y], "x": [0, 1, 2, 3, 4, 5]} for y in (8, 12, 14)]
    >>> pooled = glmstat.pool([glmstat.glm("y ~ x", data, "poisson") for data in imputed])
    >>> [round(float(error), 4) for error in pooled.stderror]
    [0.5176, 0.145]
    """
    given: tuple[Any, ...] = tuple(fits) if isinstance(fits, Iterable) else (fits,)
    check_alike(given)
    if df_complete is not None and not _is_df(df_complete):
        raise ArgumentError(
            f"df_complete must be a number > 0 or infinite: got {df_complete!r}. Leave it out."
        )
    roots = [covariance_root(fit) for fit in given]
    rubin = Rubin(
        np.array([fit.estimate.theta for fit in given]),
        np.array([root @ root.T for root in roots]),
        complete_df(given, df_complete),
    )
    return Pooled(given, rubin, None if df_complete is None else float(df_complete))


def _is_df(given: Any) -> bool:
    number = isinstance(given, (int, float, np.integer, np.floating)) and not isinstance(given, bool)
    return number and bool(given > 0)
