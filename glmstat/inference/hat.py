"""Hat values: how much each row's response moves its own fitted value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import ArgumentError
from glmstat.inference.rows import ByRow, of_fit
from glmstat.inference.score import at_infinity, finite_predictor
from glmstat.inference.statement import need_effects
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = [
    "Leverage",
    "at_boundary",
    "defined",
    "hat_root",
    "hat_values",
    "known_coefficients",
    "leverage",
    "not_at_boundary",
    "one_predictor",
    "touched",
    "without_information",
]

_ONE = 1.0 - 10.0 * np.finfo(np.float64).eps  # from here on R's lm.influence calls a hat value 1
_STILL = 1e-8  # share of a standard error below which a coefficient does not move with a direction


class Leverage(NamedTuple):
    """What the rows of a block give to hat values and to the deletion of rows.

    projected (n, q): X L, with L L' the inverse of the expected information for dispersion 1. gradient
    (n,) and information (n,) of each row in its linear predictor, weights included. hat (n,).
    """

    projected: Array
    gradient: Array
    information: Array
    hat: Array


def hat_values(fit: Fit, data: Any = None) -> ByRow:
    """Return the diagonal h of W^½ X (X'WX)⁻¹ X' W^½, W the expected information, on the caller's index.

    Σh is the number of coefficients. Rows of weight 0, and rows that separation predicts perfectly, have
    h = 0. A row that counts f times is f equal rows: its h is that of one of them.

    Parameters
    ----------
    fit : a fit with one linear predictor.
    data : the data of the fit, where the fit holds none.

    Raises
    ------
    ArgumentError : a model with several predictors, or a mean at the boundary of its domain.

    Source: Pregibon (1981); numbers as R's hatvalues.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}, "poisson")
    >>> hat_values(fit).values.round(3).tolist()
    [0.376, 0.33, 0.25, 0.261, 0.784]
    """
    need_effects(fit, "Hat values", "Take residuals(), or write the factors as terms.")
    root = hat_root(fit)
    return of_fit(fit, "Hat values", lambda block: leverage(fit, block, root).hat, data)


def hat_root(
    fit: Fit, what: str = "Hat values", remedy: str = 'Take influence().deletion("exact").'
) -> Array:
    """Return L (p, q), L L' the inverse expected information; 0 in rows of coefficients without one.

    All of it is NaN where the coefficients solve nothing and no information is known.

    Parameters
    ----------
    what, remedy : what a refusal names, and what it offers.

    Raises
    ------
    ArgumentError : a model with several predictors, or a mean at the boundary of its domain.
    """
    defined(fit, what, remedy)
    estimate = fit.estimate
    return estimate.information.inverse_root if without_information(fit) else estimate.informed_root


def defined(fit: Fit, what: str, remedy: str) -> None:
    """Refuse what has no hat values: rows of several predictors have a hat matrix instead.

    Raises
    ------
    ArgumentError : a model with several predictors, absorbed effects, or a mean at the boundary of its
        domain.
    """
    one_predictor(fit, what, remedy)
    not_at_boundary(fit, what, remedy)
    need_effects(fit, what, remedy)


def at_boundary(fit: Fit) -> bool:
    """Return whether a mean lies at the boundary of its domain, where the weight of its row is infinite."""
    return fit.status == "boundary"


def without_information(fit: Fit) -> bool:
    """Return whether the solver ended where no information is known: no hat value has a number then."""
    inverse = fit.estimate.information.inverse_root
    return bool(inverse.size) and not np.isfinite(inverse).any()


def not_at_boundary(fit: Fit, what: str, remedy: str) -> None:
    """Refuse what rests on the leverage of rows where that has no value.

    Raises
    ------
    ArgumentError : a mean at the boundary of its domain.
    """
    if at_boundary(fit):
        raise ArgumentError(f"{what}: not defined where a mean lies at the boundary of its domain. {remedy}")


def one_predictor(fit: Fit, what: str, remedy: str) -> None:
    """Refuse what has no meaning for rows of several predictors.

    Raises
    ------
    ArgumentError : a model with several predictors.
    """
    count = len(fit.spec.design.predictors)
    if count != 1:
        raise ArgumentError(f"{what}: defined for models with one predictor, this one has {count}. {remedy}")


def known_coefficients(fit: Fit) -> NDArray[np.bool_]:
    """Return whether each coefficient is estimated and finite (p,)."""
    return np.isfinite(fit.estimate.coef)


def touched(directions: Array, root: Array) -> NDArray[np.bool_]:
    """Return whether coefficients move (m, p) with unit directions (m, q) of X L, L = root (p, q)."""
    return np.abs(directions @ root.T) > _STILL * np.linalg.norm(root, axis=1)


def leverage(fit: Fit, block: Block, root: Array) -> Leverage:
    """Return projected columns, gradient, information and hat values of one block, L = root (p, q)."""
    estimate, design = fit.estimate, fit.spec.design
    eta = finite_predictor(estimate, block.X, block.offset, design)
    rows = fit.spec.likelihood.rows(block.y, eta, block.weights, information="expected")
    assert rows.expected is not None
    out = block.total == 0
    signs = at_infinity(estimate, block.X, design)
    if signs is not None:
        out |= (signs != 0).any(axis=1)
    gradient = np.where(out, 0.0, rows.gradient[:, 0])
    information = np.where(out, 0.0, rows.expected[:, 0, 0])
    projected = block.X[0].dot(root)
    hat = information * np.einsum("ij,ij->i", projected, projected)
    return Leverage(projected, gradient, information, np.where(hat > _ONE, 1.0, hat))
