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

# a predictor at which log and logit have reached their limit, short of overflow
_FAR = 700.0

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
    eta[far] = np.copysign(_FAR, eta[far])
    with np.errstate(all="ignore"):
        rows = kind(fit.spec.likelihood, block.y, eta, block.weights)
    if kind is not _working:
        rows[far] = 0.0
    return rows


def _partial(fit: Fit, data: Any) -> Any:
    names, matrix = term_matrix(fit)
    middle = centre(fit, data) @ matrix

    def values(block: Block) -> Array:
        return _rows(fit, _working, block)[:, None] + (block.X[0].dot(matrix) - middle)

    rows = of_fit(fit, "residuals", values, data, width=len(names))
    return with_constant(rows.table(dict(zip(names, rows.values.T, strict=True))), constant(fit))
