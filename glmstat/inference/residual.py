"""Residuals of the rows of a fit, with R's conventions for weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, near, one_of
from glmstat.inference.hat import hat_root, leverage
from glmstat.inference.predict import centre, constant, term_matrix, with_constant
from glmstat.inference.rows import Rows, Target, rows_of_fit
from glmstat.inference.score import linear_predictor
from glmstat.inference.statement import need_effects
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.likelihood.base import GLM

_FAR = 300.0  # a predictor near the limit of every link; its double is short of overflow

__all__ = [
    "RESIDUALS",
    "deletion_scale",
    "plain_residuals",
    "residual_rows",
    "residuals",
    "standardised",
    "studentised",
]


def _deviance(likelihood: GLM, y: Array, eta: Array, weights: Array) -> Array:
    size = np.sqrt(np.maximum(likelihood.deviance(y, eta, weights), 0.0))
    return np.copysign(size, likelihood.residual(y, eta))


def _pearson(likelihood: GLM, y: Array, eta: Array, weights: Array) -> Array:
    return np.copysign(np.sqrt(likelihood.pearson(y, eta, weights)), likelihood.residual(y, eta))


def _working(likelihood: GLM, y: Array, eta: Array, weights: Array) -> Array:
    return likelihood.working(y, eta)


def _response(likelihood: GLM, y: Array, eta: Array, weights: Array) -> Array:
    return likelihood.residual(y, eta)


RESIDUALS: Mapping[str, Callable[[GLM, Array, Array, Array], Array]] = {
    "deviance": _deviance,
    "pearson": _pearson,
    "working": _working,
    "response": _response,
}


def residuals(
    fit: Fit,
    type: str = "deviance",
    data: Any = None,
    *,
    standardized: bool = False,
    studentized: bool = False,
    to: Any = None,
    overwrite: bool = False,
) -> Any:
    """Return residuals of one type, or write them to a file; the words are those of `Fit.residuals`.

    Standardised: r / (φ (1 - h))^½ of the deviance or Pearson residual r, φ the dispersion of the fit.
    Studentised: sign(d) (d² + h p² / (1 - h))^½ of the deviance and Pearson residuals d and p, divided by
    the estimate of φ^½ without the row where the dispersion is estimated. Both are NaN where h is 1: the
    model fits that row whatever its response is.

    Raises
    ------
    ArgumentError : an unknown type, words that do not go together, or hat values of several predictors.

    Source: McCullagh & Nelder (1989), section 2.4; Williams (1987); numbers as R's residuals.glm,
    rstandard and rstudent.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}, "poisson")
    >>> residuals(fit, "pearson", standardized=True).round(3).tolist()
    [-0.075, 0.178, -0.044, -0.108, 0.103]
    """
    known = (*RESIDUALS, "partial")
    if type not in known:
        raise ArgumentError(f"Unknown type: {type!r}. Known: {one_of(known)}.{near(str(type), known)}")
    target = Target.of(fit, to, overwrite, data)
    facts = {"formula": fit.formula, "type": type}
    if standardized or studentized:
        rows = _scaled(fit, type, data, standardized=standardized, studentized=studentized)
        facts["scale"] = "standardized" if standardized else "studentized"
    elif type == "partial":
        return _partial(fit, data, target, facts)
    else:
        kind = RESIDUALS[type]
        rows = rows_of_fit(fit, "residuals", lambda block: residual_rows(fit, kind, block), data)
    if target is None:
        return rows.whole().series(type)
    return rows.write(target, lambda numbers, values: {type: values}, facts)


def _scaled(fit: Fit, type: str, data: Any, *, standardized: bool, studentized: bool) -> Rows:
    if standardized and studentized:
        raise ArgumentError("standardized=True and studentized=True exclude each other. Leave one out.")
    allowed = ("deviance", "pearson") if standardized else ("deviance",)
    if type not in allowed:
        word = "standardized" if standardized else "studentized"
        other = "" if standardized else "; they combine deviance and Pearson"
        raise ArgumentError(f"{word} residuals have type {' or '.join(allowed)}{other}: type is {type!r}.")
    word = "standardized" if standardized else "studentized"
    root = hat_root(fit, f"{word} residuals", f"Leave {word}= out.")

    def values(block: Block) -> Array:
        hat = leverage(fit, block, root).hat
        if standardized:
            return standardised(fit, residual_rows(fit, RESIDUALS[type], block), hat)
        deviance, pearson = (residual_rows(fit, kind, block) for kind in (_deviance, _pearson))
        return studentised(fit, deviance, pearson, hat, deletion_scale(fit, deviance, hat, block.total))

    return rows_of_fit(fit, "residuals", values, data)


def standardised(fit: Fit, residual: Array, hat: Array) -> Array:
    """Return residuals (n,) over their standard deviation for hat values (n,); NaN where that is 0."""
    with np.errstate(all="ignore"):
        return _finite(residual / np.sqrt(_dispersion(fit) * (1.0 - hat)))


def studentised(fit: Fit, deviance: Array, pearson: Array, hat: Array, scale: Array) -> Array:
    """Return the residuals (n,) of rows that are left out, from those of the fit.

    Parameters
    ----------
    deviance, pearson, hat : (n,).
    scale : square root of the dispersion without each row (n,), used where the dispersion is estimated.
    """
    with np.errstate(all="ignore"):
        size = np.sqrt(deviance**2 + hat * pearson**2 / (1.0 - hat))
        known = np.sqrt(fit.dispersion)
        return _finite(np.sign(deviance) * size / (scale if fit.estimate.dispersion.estimated else known))


def deletion_scale(fit: Fit, deviance: Array, hat: Array, weights: Array) -> Array:
    """Return the square root of deviance / df after leaving out each row, (n,), to first order.

    Parameters
    ----------
    deviance, hat : deviance residuals and hat values (n,).
    weights : (n,); leaving out a row of weight 0 changes nothing.

    Source: R's lm.influence, deviance residuals in the place of least squares'.
    """
    df = fit.df_residual
    with np.errstate(all="ignore"):
        lost = np.where(hat < 1.0, deviance**2 / (1.0 - hat), 0.0)
        without = np.sqrt((fit.deviance - lost) / (df - 1)) if df > 1 else np.full(len(hat), np.nan)
        whole = np.sqrt(fit.deviance / df) if df > 0 else np.nan
    return _finite(np.where(weights > 0, without, whole))


def _dispersion(fit: Fit) -> float:
    """The dispersion, NaN where it is the rounding error of a perfect fit."""
    perfect = fit.status == "perfect fit" and fit.estimate.dispersion.estimated
    return np.nan if perfect else fit.dispersion


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


def residual_rows(fit: Fit, kind: Callable[[GLM, Array, Array, Array], Array], block: Block) -> Array:
    """Return residuals of a block; in rows that separation predicts perfectly, their limit."""
    eta = linear_predictor(fit.estimate, block.X, block.offset, fit.spec.design)
    far = np.isinf(eta[:, 0])
    ends = np.sign(eta[far, 0])
    eta[far] = 0.0
    with np.errstate(all="ignore"):
        rows = kind(fit.spec.likelihood, block.y, eta, block.weights)
        if far.any():
            limit = _working_limit(fit.spec.likelihood, block.y[far], ends)
            rows[far] = limit if kind is _working else 0.0
    return rows


def plain_residuals(fit: Fit, block: Block) -> Array:
    """Return response less mean (n,) of a block; 0 in rows of weight 0 and in those predicted perfectly."""
    eta = linear_predictor(fit.estimate, block.X, block.offset, fit.spec.design)
    far = ~np.isfinite(eta[:, 0]) | (block.total == 0)
    eta[far] = 0.0
    return np.where(far, 0.0, fit.spec.likelihood.residual(block.y, eta))


def _working_limit(likelihood: GLM, y: Array, ends: Array) -> Array:
    """Limit of (y - mu) / mu' as the predictor runs to the end where mu is y."""
    near, far = (_working_at(likelihood, y, ends * size) for size in (_FAR, 2.0 * _FAR))
    vanishing, growing = np.abs(far) < 0.75 * np.abs(near), np.abs(far) > 1.5 * np.abs(near)
    return np.where(growing, np.copysign(np.inf, far), np.where(vanishing, 0.0, far))


def _working_at(likelihood: GLM, y: Array, eta: Array) -> Array:
    """(y - mu) / mu' where y is 0 or 1, from the slopes of the logarithms, which do not vanish."""
    tails = likelihood.family.link.tails(eta)
    return np.where(y == 0.0, -1.0 / tails.mean.slope, 1.0 / tails.complement.slope)


def _partial(fit: Fit, data: Any, target: Target | None, facts: Mapping[str, Any]) -> Any:
    need_effects(fit, 'Residuals of type "partial"', 'Take type="working".')
    names, matrix = term_matrix(fit)
    middle, matrix = centre(fit, data) @ matrix, matrix[fit.spec.design.predictors[0].slots]

    def values(block: Block) -> Array:
        return residual_rows(fit, _working, block)[:, None] + (block.X[0].dot(matrix) - middle)

    def columns(numbers: IntArray, found: Array) -> dict[str, Array]:
        return dict(zip(names, found.T, strict=True))

    rows = rows_of_fit(fit, "residuals", values, data, width=len(names))
    if target is not None:
        return rows.write(target, columns, {**facts, "constant": constant(fit)})
    whole = rows.whole()
    return with_constant(whole.table(columns(whole.numbers, whole.values)), constant(fit))
