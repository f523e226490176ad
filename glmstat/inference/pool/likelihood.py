"""Likelihood-ratio statistics of multiply imputed data, at own and at pooled estimates."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING

import numpy as np

from glmstat.errors import ComparisonError, one_of
from glmstat.inference.pool.joint import Pooling, pooled_ratio
from glmstat.inference.restrict import Subspace
from glmstat.inference.score import frame_of
from glmstat.inference.statement import need_effects, need_likelihood
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["pooled_likelihood_ratio"]

_SAME = 1e-13  # share of the deviance that is rounding of its sum
_SCALED = ("gaussian", "inverse_gaussian")  # loglik = -n/2 log phi - deviance / (2 phi) + what y alone says


def pooled_likelihood_ratio(fits: Sequence[Fit], matrix: Array, value: Array) -> tuple[Pooling, str]:
    """Return D3 of matrix @ coef = value, and a remark on the restricted fits.

    Each imputation is fitted under the restrictions; coefficients of both models, and their maximum
    likelihood dispersions where these are estimated, are averaged, and each imputation's likelihood is
    taken at the averages: a refit and two passes for each.

    Raises
    ------
    ComparisonError : no likelihood in the coefficients, and a dispersion, that can be averaged.

    Source: Meng & Rubin (1992), Biometrika 79, 103-111.
    """
    for fit in fits:
        _refuse(fit, fits[0])
    restricted = [Subspace(fit, matrix).fit(value) for fit in fits]
    ended = [
        str(number)
        for number, one in enumerate(restricted, 1)
        if one.estimate.convergence.status != "converged" or one.directions
    ]
    if any(one.directions for one in restricted):
        raise ComparisonError(
            f"D3 is not defined: under the hypothesis imputation {one_of(ended)} has infinite coefficients. "
            'Use method="D1".'
        )
    large = np.mean([fit.estimate.theta for fit in fits], axis=0)
    small = np.mean([one.theta for one in restricted], axis=0)
    own = [(fit.deviance, one.deviance) for fit, one in zip(fits, restricted, strict=True)]
    pooled = [(deviance_at(fit, large), deviance_at(fit, small)) for fit in fits]
    if not np.isfinite(pooled).all():
        raise ComparisonError(
            "D3 is not defined: at the pooled coefficients a mean leaves its domain in some imputation. "
            'Use method="D1".'
        )
    known = _is_known(fits[0])
    at_own, at_pooled = _fixed(fits[0].dispersion, own, pooled) if known else _scaled(fits, own, pooled)
    if abs(at_own - at_pooled) <= _SAME * (
        fits[0].nobs + max(large for large, _ in own) / fits[0].dispersion
    ):
        at_pooled = at_own
    remark = f"restricted fit of imputation {one_of(ended)} has not converged" if ended else ""
    return pooled_ratio(at_own, at_pooled, len(fits), len(matrix)), remark


def deviance_at(fit: Fit, theta: Array) -> float:
    """Return the deviance of a fit's rows at coefficients (p,), for dispersion 1, in one pass."""
    likelihood, design = fit.spec.likelihood, fit.spec.design

    def kernel(block: Block) -> float:
        eta = np.array(block.offset, order="F")
        for k, (X, predictor) in enumerate(zip(block.X, design.predictors, strict=True)):
            eta[:, k] += X.dot(theta[predictor.slots])
        edges = likelihood.slack(eta)
        used = block.total > 0
        if edges is not None and not all((edge[used] > 0).all() for edge in edges):
            return float("inf")
        return float(likelihood.deviance(block.y, eta, block.total)[used].sum())

    return frame_of(fit, "D3").reduce(kernel)


def _fixed(
    phi: float, own: list[tuple[float, float]], pooled: list[tuple[float, float]]
) -> tuple[float, float]:
    return tuple(  # pyright: ignore[reportReturnType]
        float(np.mean([small - large for large, small in pairs])) / phi for pairs in (own, pooled)
    )


def _scaled(
    fits: Sequence[Fit], own: list[tuple[float, float]], pooled: list[tuple[float, float]]
) -> tuple[float, float]:
    rows = fits[0].nobs
    large, small = (float(np.mean([pair[k] for pair in own])) / rows for k in (0, 1))
    at_own = np.mean([rows * log(restricted / full) for full, restricted in own])
    at_pooled = np.mean([rows * log(small / large) + other / small - full / large for full, other in pooled])
    return float(at_own), float(at_pooled)


def _is_shrunk(fit: Fit) -> bool:
    """Whether a prior, or adjusted scores, keep the coefficients from the maximum of the likelihood."""
    call = fit.spec.call
    return fit.estimate.penalty is not None or call["prior"] is not None or call["method"] not in (None, "ml")


def _is_known(fit: Fit) -> bool:
    """Whether the dispersion is no parameter."""
    return not fit.estimate.dispersion.estimated


def _refuse(fit: Fit, first: Fit) -> None:
    need_likelihood(fit, "D3")
    need_effects(fit, "D3", 'Use method="D1".')
    family, reason = fit.spec.likelihood.family, ""
    if fit.spec.call["sampling_weights"] is not None:
        reason = "rows with sampling weights are not independent draws"
    elif _is_shrunk(fit):
        reason = "the coefficients are not at a maximum of the likelihood"
    elif not family.has_likelihood:
        reason = f"the {family.name} family has no likelihood"
    elif fit.spec.design.others:
        reason = f"{one_of(tuple(fit.spec.design.others))} is estimated in each imputation"
    elif fit.estimate.shape is not None or family.text != first.spec.likelihood.family.text:
        reason = "the family's own parameter is estimated in each imputation"
    elif not _is_known(fit) and family.dispersion is not None:
        reason = f"the dispersion is estimated, that of the {family.name} likelihood is 1"
    elif not _is_known(fit) and family.name not in _SCALED:
        reason = f"the dispersion of the {family.name} family is estimated, and has no closed form"
    if reason:
        raise ComparisonError(f'D3 is not defined: {reason}. Use method="D1" or "D2".')
