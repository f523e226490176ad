"""Score tests of linear restrictions: Rao's, and the generalised one that does not trust the variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glmstat.errors import ComparisonError
from glmstat.inference.covariance import RECIPES
from glmstat.inference.hypothesis.wald import wald_statistic
from glmstat.inference.restrict import Moments, Restricted, default_root, moments
from glmstat.inference.score import frame_of, moved_by
from glmstat.inference.variable import grouping
from glmstat.inference.vcov.group_sums import GroupSums
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["Scores", "coordinates", "generalised_statistic", "rao_statistic", "scores_at"]

_SINGULAR = 1e-14  # share of the largest eigenvalue below which one is rounding


class Scores(NamedTuple):
    """Score, information and meat at a restricted estimate, in coordinates that make J near 1.

    Parameters
    ----------
    root : L (p, q) with L L' near the inverse of the information J.
    """

    sums: Moments
    root: Array


def scores_at(fit: Fit, restricted: Restricted) -> Scores:
    """Return the sums of the larger model at the restricted estimate.

    In the coordinates of the fit, in one pass; where these are not those of all columns (a separated fit, a
    mean at its bound), in coordinates made from the information at the restricted estimate, in two. Rows
    that separation predicts perfectly in the restricted fit too count nothing, and take their coordinates
    with them.

    Raises
    ------
    ComparisonError : a mean of the restricted fit lies at its bound; an information that is singular.
    """
    if restricted.estimate.convergence.status == "boundary":
        raise ComparisonError(
            'A score test is not defined: a mean of the restricted fit lies at its bound. Use method="lr".'
        )
    root, frame = coordinates(fit, restricted), _rows(fit, restricted)
    return _scaled(_moments(fit, restricted, root, frame), root)


def _moments(fit: Fit, restricted: Restricted, root: Array, frame: ModelFrame | None) -> Moments:
    """The sums at a restricted estimate, with its own shape of the family where that is estimated."""
    likelihood = restricted.estimate.likelihood
    return moments(
        fit, restricted.theta, root, frame, directions=restricted.directions, likelihood=likelihood
    )


def _rows(fit: Fit, restricted: Restricted) -> ModelFrame | None:
    """The rows beside the effects of the restricted fit; None where nothing is absorbed: those of the fit."""
    absorbed = restricted.estimate.absorbed
    if absorbed is None:
        return None
    from glmstat.solve.absorb.fit import beside_at

    rows, likelihood = frame_of(fit, "A score test"), fit.spec.likelihood
    return beside_at(rows, likelihood, restricted.theta, absorbed, restricted.directions)[0]


def coordinates(fit: Fit, restricted: Restricted) -> Array:
    """Return L (p, q) with L L' near the inverse information at a restricted estimate.

    Raises
    ------
    ComparisonError : an information that is singular.
    """
    return default_root(fit) if _whole(fit) else _root_at(fit, restricted)


def _whole(fit: Fit) -> bool:
    """Whether the root of the fit's inverse information spans all columns that are not aliased."""
    root = fit.estimate.information.inverse_root
    known = int(np.isfinite(root).all(axis=1).sum())
    regular = fit.status != "boundary" and not fit.estimate.directions
    return regular and known == root.shape[1] == fit.estimate.rank


def _root_at(fit: Fit, restricted: Restricted) -> Array:
    """L (p, q) with L L' the inverse information at the restricted estimate, in the columns that move."""
    root = np.eye(len(fit.columns))[:, _moving(fit, restricted)]
    frame = _rows(fit, restricted)
    found = _scaled(_moments(fit, restricted, root, frame), root)
    information = found.sums.information
    if not np.isfinite(information).all():
        raise _singular()
    values, vectors = np.linalg.eigh(information)
    kept = values > _SINGULAR * values.max(initial=0.0)
    if not (kept.all() or restricted.directions):  # at infinity: what only the rows gone could tell says 0
        raise _singular()
    return found.root @ (vectors[:, kept] / np.sqrt(values[kept]))


def _moving(fit: Fit, restricted: Restricted) -> IntArray:
    """The columns less one for each direction in which separation moves the restricted fit too.

    No row that is left moves in these directions, nor does the hypothesis: any of their columns can go.
    """
    left = [np.array(direction) for direction in restricted.directions]
    gone = np.isnan(fit.estimate.theta)
    for place, direction in enumerate(left):
        pivot = int(np.argmax(np.abs(direction)))
        gone[pivot] = True
        for other in left[place + 1 :]:
            other -= other[pivot] / direction[pivot] * direction
    return np.flatnonzero(~gone)


def _scaled(sums: Moments, root: Array) -> Scores:
    """The sums in units in which the information has a diagonal of 1."""
    size = np.sqrt(np.diag(sums.information))
    size = np.where(size > 0, size, 1.0)
    outer = np.outer(size, size)
    return Scores(Moments(sums.score / size, sums.information / outer, sums.meat / outer), root / size)


def rao_statistic(scores: Scores) -> float:
    """Return U' J^-1 U for dispersion 1.

    Source: Rao (1948); numbers as R's anova(test = "Rao").
    """
    return float(scores.sums.score @ _solved(scores, scores.sums.score))


def generalised_statistic(fit: Fit, scores: Scores, matrix: Array, restricted: Restricted) -> float:
    """Return d' (R J^-1 B J^-1 R')^-1 d, d = R J^-1 U, with B the meat of the kind of covariance.

    No factor for small samples; the dispersion cancels.

    Parameters
    ----------
    matrix : R (m, p).

    Raises
    ------
    ComparisonError : a covariance that is no sum over rows or over clusters of one way; one cluster.

    Source: Boos (1992), The American Statistician 46, 327-333.
    """
    combined = matrix @ scores.root
    bread = _solved(scores, combined.T).T
    kind, ways = fit.covariance.kind, fit.covariance.cluster
    if RECIPES[kind].summed == "rows":
        meat = scores.sums.meat
    elif RECIPES[kind].summed == "clusters" and len(ways) == 1:
        meat = _cluster_meat(fit, scores.root, restricted)
    else:
        raise ComparisonError(
            f"A robust score test is not defined under vcov {kind}. Use HC0 to HC5 or one way of clusters."
        )
    values, vectors = np.linalg.eigh(meat)
    half = bread @ (vectors * np.sqrt(np.maximum(values, 0.0)))
    return wald_statistic(half, bread @ scores.sums.score)


def _solved(scores: Scores, right: Array) -> Array:
    try:
        return np.asarray(np.linalg.solve(scores.sums.information, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise _singular() from None


def _singular() -> ComparisonError:
    return ComparisonError(
        "A score test is not defined: the information at the restricted estimate is singular. "
        'Use method="lr".'
    )


def _cluster_meat(fit: Fit, root: Array, restricted: Restricted) -> Array:
    """Σ over clusters of the outer square of L' times their summed scores."""
    likelihood, design = restricted.estimate.likelihood or fit.spec.likelihood, fit.spec.design
    groups, theta = grouping(fit, fit.covariance.cluster), np.nan_to_num(restricted.theta)
    if groups.count < 2:  # the statistic of one sum is 1, whatever the data
        raise ComparisonError(
            f"A robust score test is not defined: fewer than two clusters, '{groups.text}' has "
            f'{groups.count} in the rows of the fit. Use another variable, or vcov="HC3".'
        )

    def kernel(block: Block) -> GroupSums:
        eta = np.array(block.offset, order="F")
        for k, (X, predictor) in enumerate(zip(block.X, design.predictors, strict=True)):
            eta[:, k] += X.dot(theta[predictor.slots])
        gradient = likelihood.rows(block.y, eta, block.total, information="none").gradient
        signs = moved_by(restricted.directions, block.X, design)
        if signs is not None:
            gradient = np.where((signs != 0).any(axis=1)[:, None], 0.0, gradient)
        rows = np.zeros((len(block.y), root.shape[1]))
        for k, (X, predictor) in enumerate(zip(block.X, design.predictors, strict=True)):
            rows += X.dot(root[predictor.slots]) * gradient[:, k : k + 1]
        return GroupSums.of([groups.of(block)], rows)

    frame = _rows(fit, restricted) or frame_of(fit, "A score test")
    sums = frame.reduce(kernel).values[0]
    return sums.T @ sums
