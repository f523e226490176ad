"""Scores, bread and meat: all that a sandwich covariance is made of, for every likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import DataError
from glmstat.estimate import Estimate
from glmstat.matrix import Array, Block, DesignMatrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmstat.fit import Fit
    from glmstat.formula.design import Design
    from glmstat.frame import ModelFrame

__all__ = [
    "at_infinity",
    "bread",
    "check_unchanged",
    "finite_predictor",
    "frame_of",
    "gradient",
    "linear_predictor",
    "meat",
    "moved_by",
    "projected",
    "scores",
    "whitened",
]

# |x'd| below this share of Σ|x_j d_j| is rounding of a row that the direction does not move
_STILL = 1e-9
# sums in another order differ by rounding, changed data by more
_SAME = 1e-10


def frame_of(fit: Fit, verb: str, data: Any = None) -> ModelFrame:
    """Return the rows of a fit: those it holds, or those of `data`, checked to be the same.

    Raises
    ------
    DataError : the fit was loaded from a file and `data` is missing, or `data` are not those of the fit.
    """
    if data is not None:
        fit = fit.with_data(data)
    if fit.frame is None:
        raise DataError(
            f"{verb} needs the rows of the fit: a saved or copied fit may hold none. "
            "Give data=, or take with_data(data)."
        )
    if fit.frame.large and data is None:
        check_unchanged(fit, fit.frame)
    return fit.frame


def check_unchanged(fit: Fit, frame: ModelFrame) -> None:
    """Refuse rows that do not give the deviance of the fit: no copy is kept of large data.

    Raises
    ------
    DataError : data changed since the fit.
    """
    likelihood, design = fit.spec.likelihood, fit.spec.design

    def kernel(block: Block) -> float:
        eta = linear_predictor(fit.estimate, block.X, block.offset, design)
        rows = likelihood.deviance(block.y, eta, block.total)
        return float(rows[(block.total > 0) & np.isfinite(eta).all(axis=1)].sum())

    deviance = fit.estimate.deviance
    if abs(frame.reduce(kernel) - deviance) > _SAME * (abs(deviance) + fit.estimate.weight):
        raise DataError(
            "data changed since the fit: they give another deviance. Use refit(data) to fit them."
        )


def at_infinity(estimate: Estimate, matrices: Sequence[DesignMatrix], design: Design) -> Array | None:
    """Return the sign (n, K) of the first recession direction that moves each row, or None."""
    return moved_by(estimate.directions, matrices, design)


def moved_by(directions: Sequence[Array], matrices: Sequence[DesignMatrix], design: Design) -> Array | None:
    """Return the sign (n, K) of the first of some directions (p,) that moves each row, or None."""
    if not directions:
        return None
    signs = np.zeros((matrices[0].shape[0], len(matrices)))
    for k, (X, predictor) in enumerate(zip(matrices, design.predictors, strict=True)):
        for direction in directions:
            part = direction[predictor.slots]
            for rows, run in X.runs():
                move = part @ run
                move[np.abs(move) <= _STILL * (np.abs(part) @ np.abs(run))] = 0.0
                signs[rows, k] = np.where(signs[rows, k] == 0, np.sign(move), signs[rows, k])
    return signs


def finite_predictor(
    estimate: Estimate, matrices: Sequence[DesignMatrix], offset: Array, design: Design
) -> Array:
    """Return eta (n, K) of the finite part of the coefficients."""
    eta = np.array(offset, dtype=np.float64, order="F")
    theta = np.nan_to_num(estimate.theta)
    for k, (X, predictor) in enumerate(zip(matrices, design.predictors, strict=True)):
        eta[:, k] += X.dot(theta[predictor.slots])
    return eta


def linear_predictor(
    estimate: Estimate, matrices: Sequence[DesignMatrix], offset: Array, design: Design
) -> Array:
    """Return eta (n, K), signed infinity in rows that a recession direction moves."""
    eta = finite_predictor(estimate, matrices, offset, design)
    signs = at_infinity(estimate, matrices, design)
    if signs is not None:
        eta[signs != 0] = signs[signs != 0] * np.inf
    return eta


def gradient(fit: Fit, block: Block) -> Array:
    """Return the gradient (n, K) of one block for dispersion 1; 0 in rows that separation predicts perfectly.

    A row that counts several times has the gradient of one.
    """
    estimate, design = fit.estimate, fit.spec.design
    eta = finite_predictor(estimate, block.X, block.offset, design)
    slope = fit.spec.likelihood.rows(block.y, eta, block.weights, information="none").gradient
    signs = at_infinity(estimate, block.X, design)
    return slope if signs is None else np.where(signs != 0, 0.0, slope)


def projected(fit: Fit, block: Block, root: Array) -> Array:
    """Return the scores of one block for dispersion 1, times `root` (p, q): (n, q)."""
    slope = gradient(fit, block)
    out = np.zeros((len(block.y), root.shape[1]))
    for k, (X, predictor) in enumerate(zip(block.X, fit.spec.design.predictors, strict=True)):
        out += X.dot(root[predictor.slots]) * slope[:, k : k + 1]
    return out


def whitened(fit: Fit, root: Array, data: Any = None) -> Array:
    """Return root' (Σ u u') root for root (p, q), u the scores for dispersion 1, in one pass.

    Multiplying the rows before they are summed keeps the digits that X'WX of ill-conditioned columns loses.
    """

    def kernel(block: Block) -> Array:
        rows = projected(fit, block, root)
        counted = rows if block.frequency is None else rows * block.frequency[:, None]
        return counted.T @ rows

    return frame_of(fit, "A sandwich covariance", data).reduce(kernel)


def scores(fit: Fit, data: Any = None) -> Iterator[Array]:
    """Yield, block after block, the gradient (n, p) of each row's log-likelihood in the coefficients.

    Σ over predictors of gradient times X, divided by the dispersion, prior weights included; a row that
    counts several times (`freq_weights`) has the score of one.

    Parameters
    ----------
    fit : any fit.
    data : the data of the fit, where the fit holds none.

    Source: estfun of R's sandwich (Zeileis 2006).
    """
    frame = frame_of(fit, "scores", data)
    everything = np.eye(len(fit.estimate.theta))
    for block in frame.blocks():
        yield projected(fit, block, everything) / fit.dispersion


def bread(fit: Fit) -> Array:
    """Return n times the inverse information (p, p), dispersion included; NaN where there is none."""
    return fit.nobs * fit.dispersion * fit.estimate.information.inverse()


def meat(fit: Fit, data: Any = None) -> Array:
    """Return the mean of u u' over the rows (p, p), u the scores."""
    return whitened(fit, np.eye(len(fit.estimate.theta)), data) / (fit.nobs * fit.dispersion**2)
