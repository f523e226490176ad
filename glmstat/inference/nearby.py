"""Fits of changed rows, from a point near which their maximum is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmstat.call import asked_dispersion
from glmstat.errors import ArgumentError
from glmstat.estimate import Estimate
from glmstat.matrix import Array
from glmstat.solve.estimator import Within, estimate_or_limit

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["fit_nearby"]


def fit_nearby(
    fit: Fit,
    frame: ModelFrame,
    start: Array | None,
    *,
    dispersion: Any = None,
    within: Within | None = None,
) -> Estimate:
    """Return the estimate of the model of a fit on some rows.

    A start that lies outside the domain of these rows, or from which the solver does not arrive, costs time
    and nothing else: the solver goes again from its own.

    Parameters
    ----------
    start : coefficients of the frame's columns to start from; None leaves the choice to the solver.
    dispersion : its value; default as the call of the fit says.
    within : where the columns are coordinates of a subspace: the columns as the fit has them.

    Raises
    ------
    GlmstatError : as `fit_estimate`, from the solver's own start.
    """
    if dispersion is None:
        dispersion = asked_dispersion(fit.spec.call, fit.spec.likelihood)
    arguments = {"control": fit.spec.control, "dispersion": dispersion, "within": within}
    how, likelihood = fit.spec.estimator, fit.spec.likelihood
    if start is not None:
        try:
            found = estimate_or_limit(how, frame, likelihood, start=start, **arguments)
        except ArgumentError:
            found = None
        if found is not None and found.convergence.status != "not converged":
            return found
    return estimate_or_limit(how, frame, likelihood, **arguments)
