"""Verbs of fits with priors: responses simulated from the prior and from the posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.inference.predictive import Predictive

__all__ = ["posterior_predictive", "prior_predictive"]


def prior_predictive(
    self: Fit, draws: int = 1000, *, seed: int | None = None, data: Any = None
) -> Predictive:
    """Return responses simulated from the priors, at the rows of the fit: what the priors believe of y.

    Each draw takes every coefficient from its prior, and a response of every row from the family. An
    estimated dispersion has no prior: it is that of the fit.

    Parameters
    ----------
    draws : number of simulated responses.
    seed : whole number >= 0; None draws one, which is printed. The same seed gives the same bits wherever the
        data are.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Predictive: mean, sd, least, largest and share of zeros of each simulated response beside the observed;
    `to_frame()` has a row per draw, `responses()` the responses themselves.

    Raises
    ------
    ComparisonError : a fit without priors, or coefficients without one, named.
    ArgumentError : draws or seed that are no such number; a family that cannot simulate.

    Source: Box (1980); Gabry, Simpson, Vehtari, Betancourt & Gelman (2019), section 3.

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}
    >>> fit = glmstat.glm("y ~ x", data, "poisson", prior="weak")
    >>> fit.prior_predictive(200, seed=1).draws
    200
    """
    from glmstat.inference.predictive import predictive

    return predictive(self, "prior", draws, seed, data)


def posterior_predictive(
    self: Fit, draws: int = 1000, *, seed: int | None = None, data: Any = None
) -> Predictive:
    """Return responses simulated from the posterior, at the rows of the fit: does the model give such data.

    Coefficients are drawn from Laplace's approximation to the posterior; parameters and returns as
    `prior_predictive`.

    Raises
    ------
    ComparisonError : a fit without priors, or coefficients at the kink of a laplace prior.
    ArgumentError : draws or seed that are no such number; a family that cannot simulate.

    Source: Gelman et al. (2013), Bayesian Data Analysis, section 6.3.
    """
    from glmstat.inference.predictive import predictive

    return predictive(self, "posterior", draws, seed, data)
