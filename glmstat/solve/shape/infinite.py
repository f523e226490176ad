"""Theta that is infinite: what is said of it, and the Poisson distribution that is the model there."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np

from glmstat.estimate import Estimate, Shape
from glmstat.solve.estimator import NoFinite
from glmstat.solve.shape.counts import Excess

__all__ = ["no_finite_theta"]


def no_finite_theta(seen: Excess, poisson: Estimate, *, moments: bool) -> NoFinite:
    """Return the refusal of counts that do not vary more than Poisson counts, with the limit of the model.

    Parameters
    ----------
    seen : how far the variance lies above the mean.
    poisson : the Poisson fit.
    """
    if seen.response == 0:
        return NoFinite(
            "theta of negative_binomial cannot be estimated: every count is 0. There is nothing to fit."
        )
    df = poisson.df_beside_separated
    pearson = f"Pearson's chi-squared of the Poisson fit is {seen.pearson:.4g} on {df} df"
    why = (
        f"{pearson}, not above them"
        if moments
        else f"no finite theta is likelier, for the counts do not vary more than their means ({pearson})"
        if seen.pearson <= df
        else f"no finite theta is likelier ({pearson}, which few rows or their weights make large)"
    )
    return NoFinite(
        f"theta of negative_binomial is infinite: {why}. The negative binomial is the Poisson distribution "
        'there. Use family="poisson".',
        _limit(poisson, moments),
    )


def _limit(poisson: Estimate, moments: bool) -> Estimate:
    """The Poisson estimate as that of a negative binomial."""
    numbers = {"poisson": np.array(poisson.loglik)}
    shape = Shape("theta", inf, nan, "moments" if moments else "ml", numbers)
    return replace(poisson, criterion=-2.0 * poisson.loglik, shape=shape)
