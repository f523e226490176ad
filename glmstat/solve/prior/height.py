"""The log posterior of coefficients and dispersion together, by which modes are compared."""

from __future__ import annotations

import numpy as np

from glmstat.compute import Counts
from glmstat.matrix import Array
from glmstat.solve.dispersion import saturated_kernel
from glmstat.solve.prior.workspace import Posterior

__all__ = ["log_posterior"]


def log_posterior(workspace: Posterior, beta: Array, deviance: float, counts: Counts) -> float:
    """Return log-likelihood plus log prior at coefficients and dispersion, without the prior's constant.

    Weights divide the dispersion of their rows. Where the family has no density of its own with a
    dispersion the extended quasi-likelihood stands in its place.

    Parameters
    ----------
    workspace : its `phi` is the dispersion.
    beta : (q,) of its columns.
    deviance : there, for dispersion 1.

    Source: Nelder & Pregibon (1987), Biometrika 74, 221-232, for the extended quasi-likelihood.
    """
    phi, family = workspace.phi, workspace.likelihood.family
    prior = workspace.prior.total(workspace.values(workspace.to_gamma(beta)))
    if family.dispersion is None and family.has_likelihood and not family.user_defined:
        kernel = saturated_kernel(workspace.likelihood, phi, apart=family.name != "tweedie")
        with np.errstate(all="ignore"):
            scale = workspace.frame.reduce(kernel)
    else:
        scale = -0.5 * counts.rows * float(np.log(phi))
    return scale - 0.5 * deviance / phi + prior
