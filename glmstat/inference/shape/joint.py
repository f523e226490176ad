"""The covariance of the coefficients with a parameter of the family estimated beside them."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.score import frame_of
from glmstat.inference.vcov.recipe import Facts, Recipe, Vcov
from glmstat.matrix import Array
from glmstat.solve.joint.estimator import Joint
from glmstat.solve.shape.estimator import ShapeEstimated

if TYPE_CHECKING:
    from glmstat.call import Covariance
    from glmstat.estimate import Estimate, Shape
    from glmstat.fit import Fit
    from glmstat.likelihood.base import GLM
    from glmstat.solve.estimator import Estimator

__all__ = ["JOINT", "joint_direction", "need_shape"]

_KEPT = "joint direction"  # among what a fit keeps: d coef / d log theta (p,), then the variance of log theta


def joint_direction(fit: Fit, data: Any = None) -> tuple[Array, float]:
    """Return how the coefficients move with the parameter, and its variance, by the joint information.

    With the parameter on any scale psi: d coef / d psi (p,), 0 where a coefficient has no standard error,
    and the variance of psi. The covariance of the coefficients is then that for a known parameter, by the
    observed information, plus the outer square of the first times the second.

    Raises
    ------
    ArgumentError : nothing was estimated beside the coefficients, or not by maximum likelihood.
    DataError : the fit holds no rows.
    """
    shape, estimator = need_shape(fit.estimate, fit.spec.estimator, fit.spec.likelihood)
    if "along" in shape.numbers:
        return np.asarray(shape.numbers["along"]), float(np.ravel(shape.numbers["variance"])[0])
    if _KEPT not in fit.kept:
        fit.kept[_KEPT] = _direction(fit, estimator, data)
        fit.kept[_KEPT].flags.writeable = False
    kept = fit.kept[_KEPT]
    return kept[:-1], float(kept[-1])


def need_shape(
    estimate: Estimate, estimator: Estimator | None, likelihood: GLM
) -> tuple[Shape, ShapeEstimated]:
    """Return the parameter that was estimated by maximum likelihood, and how.

    Raises
    ------
    ArgumentError : there is none.
    """
    shape = estimate.shape
    if isinstance(estimator, Joint):
        raise ArgumentError(
            'vcov="joint" is that of a parameter without a formula of its own. With predictors= all '
            'coefficients are estimated together already: use "oim" for their observed information.'
        )
    if shape is None or not isinstance(estimator, ShapeEstimated):
        raise ArgumentError(
            'vcov="joint" is that of coefficients and a parameter of the family estimated with them: '
            f'{likelihood.family.name} has none here. Use "classical".'
        )
    if shape.estimator != "ml":
        raise ArgumentError(
            f'vcov="joint" needs {shape.name} by maximum likelihood: it was estimated by {shape.estimator}. '
            'Fit with method="ml".'
        )
    return shape, estimator


def _direction(fit: Fit, estimator: ShapeEstimated, data: Any) -> Array:
    """The direction (p,) and the variance behind it, from one more pass for the observed information."""
    root = _known_root(fit, data)
    rows = frame_of(fit, "The joint information", data)
    mixed, own = estimator.shaped.mixed(rows, fit.spec.likelihood.family, fit.estimate)
    along = root @ (root.T @ mixed) / fit.dispersion
    left = own - float(mixed @ along)
    variance = 1.0 / left if left > 0 else np.nan
    return np.append(along, variance)


def _known_root(fit: Fit, data: Any) -> Array:
    """L (p, q) with L L' the covariance by the observed information of the coefficients alone.

    Infinite coefficients have their rows: with others they say what is finite.
    """
    from glmstat.inference.covariance import observed_root

    return np.sqrt(fit.dispersion) * observed_root(fit, fit.estimate.informed_root, data)


def _joint(fit: Fit, inverse: Array, covariance: Covariance, data: Any) -> Vcov:
    along, variance = joint_direction(fit, data)
    if not isfinite(variance):
        raise ArgumentError(
            'vcov="joint" is not defined: the joint observed information is not positive definite. '
            'Use "classical".'
        )
    return Vcov(np.column_stack([_known_root(fit, data), along * np.sqrt(variance)]))


def _words(covariance: Covariance, facts: Facts) -> str:
    return "observed information of the coefficients and the family's parameter"


JOINT = {"joint": Recipe(_joint, _words, robust=False, informed=False)}
