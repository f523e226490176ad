"""Residuals of the rows of a fit, with R's conventions for weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, near, one_of
from glmstat.inference.predict import centre, constant, term_matrix, with_constant
from glmstat.inference.rows import of_fit
from glmstat.inference.score import linear_predictor
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.likelihood.base import GLM

_FAR = 300.0  # a predictor near the limit of every link; its double is short of overflow

__all__ = ["RESIDUALS", "residuals"]


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


def residuals(fit: Fit, type: str = "deviance", data: Any = None) -> Any:
    """Return residuals of one type; the words are those of `Fit.residuals`.

    Source: McCullagh & Nelder (1989), section 2.4; weights as R's residuals.glm.
    """
    known = (*RESIDUALS, "partial")
    if type not in known:
        raise ArgumentError(f"Unknown type: {type!r}. Known: {one_of(known)}.{near(str(type), known)}")
    if type == "partial":
        return _partial(fit, data)
    kind = RESIDUALS[type]
    return of_fit(fit, "residuals", lambda block: _rows(fit, kind, block), data).series(type)


def _rows(fit: Fit, kind: Callable[[GLM, Array, Array, Array], Array], block: Block) -> Array:
    """Residuals of a block; in rows that separation predicts perfectly, their limit."""
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


def _working_limit(likelihood: GLM, y: Array, ends: Array) -> Array:
    """Limit of (y - mu) / mu' as the predictor runs to the end where mu is y."""
    near, far = (_working_at(likelihood, y, ends * size) for size in (_FAR, 2.0 * _FAR))
    vanishing, growing = np.abs(far) < 0.75 * np.abs(near), np.abs(far) > 1.5 * np.abs(near)
    return np.where(growing, np.copysign(np.inf, far), np.where(vanishing, 0.0, far))


def _working_at(likelihood: GLM, y: Array, eta: Array) -> Array:
    """(y - mu) / mu' where y is 0 or 1, from the slopes of the logarithms, which do not vanish."""
    tails = likelihood.family.link.tails(eta)
    return np.where(y == 0.0, -1.0 / tails.mean.slope, 1.0 / tails.complement.slope)


def _partial(fit: Fit, data: Any) -> Any:
    names, matrix = term_matrix(fit)
    middle = centre(fit, data) @ matrix

    def values(block: Block) -> Array:
        return _rows(fit, _working, block)[:, None] + (block.X[0].dot(matrix) - middle)

    rows = of_fit(fit, "residuals", values, data, width=len(names))
    return with_constant(rows.table(dict(zip(names, rows.values.T, strict=True))), constant(fit))
