"""Fits under linear restrictions of the coefficients, and the sums of a fit at any coefficients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.estimate import Estimate
from glmstat.frame import Coordinates, ModelFrame
from glmstat.inference.nearby import fit_nearby
from glmstat.inference.score import frame_of, moved_by
from glmstat.inference.statement import need_likelihood
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, Combined, Dense, DesignMatrix, IntArray
from glmstat.solve.estimator import Within

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Moments", "Restricted", "Restriction", "Subspace", "moments"]

_DEPENDENT = 1e-10  # share of a row's largest entry below which elimination leaves rounding


@dataclass(frozen=True, eq=False)
class Restriction:
    """Linear restrictions: matrix @ coef = value.

    Parameters
    ----------
    matrix : (m, p).
    value : (m,).
    texts : one per row, as tables print it.
    """

    matrix: Array
    value: Array
    texts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Restricted:
    """The maximum of the likelihood under restrictions.

    Parameters
    ----------
    theta : (p,) finite part of the coefficients; 0 where aliased.
    estimate : of the free coordinates: deviance, loglik, rank, convergence, dispersion.
    directions : recession directions (p,): where one is not 0 a coefficient is infinite.
    """

    theta: Array
    estimate: Estimate
    directions: tuple[Array, ...] = ()

    @property
    def deviance(self) -> float:
        """Deviance under the restrictions."""
        return self.estimate.deviance

    @property
    def minimum(self) -> float:
        """What the fit made least, under the restrictions."""
        return self.estimate.minimum

    @property
    def rank(self) -> int:
        """Number of estimated coordinates."""
        return self.estimate.rank


class Subspace:
    """All coefficients with matrix @ coef = value, for any value: the model can be fitted there.

    One coefficient of each independent restriction is expressed by the others, so that most columns stay
    as they are: coef = origin(value) + basis @ free. Coefficients that are aliased in the fit stay 0.

    Parameters
    ----------
    fit : whose likelihood, rows, offset and weights stay.
    matrix : (m, p) of full row rank, 0 at aliased coefficients.

    Raises
    ------
    ArgumentError : rows that depend on each other.
    """

    def __init__(self, fit: Fit, matrix: Array) -> None:
        need_likelihood(fit, "A restricted fit", "ratio", "profile")
        self.fit_ = fit
        self.frame = frame_of(fit, "A restricted fit")
        held = np.eye(len(fit.columns))[np.isnan(fit.estimate.theta)]
        whole = np.vstack([np.asarray(matrix, dtype=np.float64), held])
        reduced, self._combine, pivots = _eliminate(whole, _sizes(fit))
        self.pivots = pivots
        self.free: IntArray = np.setdiff1d(np.arange(reduced.shape[1]), pivots)
        self.basis = np.zeros((reduced.shape[1], len(self.free)))
        self.basis[self.free, np.arange(len(self.free))] = 1.0
        self.basis[pivots] = -reduced[:, self.free]
        self.basis.flags.writeable = False

    def origin(self, value: Array) -> Array:
        """Return the coefficients (p,) of the subspace whose free coordinates are 0."""
        out = np.zeros(len(self.basis))
        given = np.asarray(value, dtype=np.float64)
        out[self.pivots] = self._combine[:, : len(given)] @ given
        return out

    def fit(self, value: Array, start: Array | None = None) -> Restricted:
        """Return the maximum of the likelihood with matrix @ coef = value.

        Parameters
        ----------
        value : (m,).
        start : coefficients (p,) near which to start; default those of the fit.
        """
        origin = self.origin(value)
        free = None if len(self.free) == 0 else self._start(start)
        estimate = self._estimate(origin, free)
        theta = origin + self.basis @ np.nan_to_num(estimate.theta)
        directions = tuple(self.basis @ np.nan_to_num(direction) for direction in estimate.directions)
        return Restricted(theta, estimate, directions)

    def _estimate(self, origin: Array, free: Array | None) -> Estimate:
        estimate = self.fit_.estimate
        kept = np.flatnonzero(~np.isnan(estimate.theta))
        within = Within(self.frame, origin, self.basis, kept, estimate.dispersion.value)
        return fit_nearby(
            self.fit_, self._moved(origin), free, dispersion=_held_dispersion(self.fit_), within=within
        )

    def _start(self, start: Array | None) -> Array | None:
        if start is None and self.fit_.estimate.directions:
            return None
        given = self.fit_.estimate.theta if start is None else start
        return np.nan_to_num(given)[self.free]

    def _moved(self, origin: Array) -> ModelFrame:
        """The reduced frame with the part of the origin added to the offset."""
        if not origin.any():
            return self._reduced
        design = self.fit_.spec.design

        def change(block: Block) -> Block:
            offset = np.array(block.offset, order="F")
            for k, predictor in enumerate(design.predictors):
                offset[:, k] += block.X[k].dot(origin[predictor.slots])
            return replace(block, offset=offset)

        if self.frame.kept is None:
            return self.frame.changed(lambda block: self._narrow(change(block)), self._coordinates)
        offsets = {block.number: change(block).offset for block in self.frame.kept}
        moved = self._reduced.changed(lambda block: replace(block, offset=offsets[block.number]))
        return replace(moved, coordinates=replace(self._coordinates, has_offset=True))

    @cached_property
    def _reduced(self) -> ModelFrame:
        return self.frame.changed(self._narrow, self._coordinates)

    def _narrow(self, block: Block) -> Block:
        design = self.fit_.spec.design
        matrices = tuple(
            self._combined(X, predictor.slots, own)
            for X, predictor, own in zip(block.X, design.predictors, self._own, strict=True)
        )
        return replace(block, X=matrices)

    @cached_property
    def _own(self) -> tuple[IntArray, ...]:
        """The coordinates that move each predictor; all of one that is alone."""
        predictors = self.fit_.spec.design.predictors
        if len(predictors) == 1:
            return (np.arange(len(self.free)),)
        return tuple(np.flatnonzero(self.basis[one.slots].any(axis=0)) for one in predictors)

    def _combined(self, X: DesignMatrix, slots: IntArray, own: IntArray) -> DesignMatrix:
        """X times its rows of the basis; a copy for small frames, a selection where nothing is combined."""
        basis = self.basis[np.ix_(slots, own)]
        held = np.flatnonzero(np.isin(slots, self.pivots))
        if not basis[held].any():
            return X.take(None, np.flatnonzero(~np.isin(slots, self.pivots)))
        combined = Combined(X, basis)
        return combined.dense() if isinstance(X, Dense) else combined

    @cached_property
    def _coordinates(self) -> Coordinates:
        columns, intercept = self.fit_.columns, self.fit_.spec.design.intercept
        place = None
        if intercept is not None and intercept in self.free:
            at = int(np.flatnonzero(self.free == intercept)[0])
            alone = not self.basis[self.pivots, at].any()
            place = at if alone else None
        slots = tuple(tuple(own.tolist()) for own in self._own) if len(self._own) > 1 else None
        return Coordinates(tuple(columns[slot] for slot in self.free), place, self.frame.has_offset, slots)


def _held_dispersion(fit: Fit) -> float | None:
    """The dispersion that a posterior has along its profile: that of its mode."""
    estimator, phi = fit.spec.estimator, fit.estimate.dispersion
    return phi.value if estimator is not None and estimator.kind == "prior" and phi.estimated else None


def _sizes(fit: Fit) -> Array:
    """Standard errors for dispersion 1 (p,): the unit in which a coefficient of a restriction is large."""
    root = fit.estimate.information.inverse_root
    size = np.sqrt(np.einsum("ij,ij->i", root, root))
    return np.where(np.isfinite(size) & (size > 0), size, 1.0)


def _eliminate(matrix: Array, sizes: Array) -> tuple[Array, Array, IntArray]:
    """Reduced echelon form C @ matrix with unit columns at the pivots, C (m, m), and the pivots (m,)."""
    left = np.array(matrix)
    combine, pivots = np.eye(len(left)), np.zeros(len(left), dtype=np.intp)
    tolerance = _DEPENDENT * np.abs(left * sizes).max(axis=1, initial=0.0)
    for place in range(len(left)):
        pivot = int(np.argmax(np.abs(left[place]) * sizes))
        if not np.abs(left[place, pivot]) * sizes[pivot] > tolerance[place]:
            raise ArgumentError("Restrictions depend on each other: one follows from the others. Drop it.")
        factor = left[place, pivot]
        left[place] /= factor
        combine[place] /= factor
        for other in range(len(left)):
            if other != place and left[other, pivot] != 0:
                share = left[other, pivot]
                left[other] -= share * left[place]
                combine[other] -= share * combine[place]
                left[other, pivot] = 0.0
        pivots[place] = pivot
    return left, combine, pivots


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums at some coefficients, for dispersion 1, in the coordinates of L (p, q).

    Parameters
    ----------
    score : (q,) L'U.
    information : (q, q) L'JL, J the expected information.
    meat : (q, q) L'(Σ u u')L.
    """

    score: Array
    information: Array
    meat: Array

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.score + other.score, self.information + other.information, self.meat + other.meat)


def moments(
    fit: Fit,
    theta: Array,
    root: Array | None = None,
    frame: ModelFrame | None = None,
    directions: tuple[Array, ...] = (),
    likelihood: GLM | None = None,
) -> Moments:
    """Return score, expected information and meat at the coefficients `theta` (p,), in one pass.

    Parameters
    ----------
    theta : finite coefficients; NaN counts as 0.
    root : L (p, q); default that of the fit's inverse information, 0 where a coefficient has none.
    frame : default that of the fit.
    directions : of recession (p,); rows that one moves are predicted perfectly and count nothing.
    likelihood : default that of the fit; another where a restricted fit has another shape.
    """
    frame = frame_of(fit, "A score test") if frame is None else frame
    likelihood, design = likelihood or fit.spec.likelihood, fit.spec.design
    theta, root = np.nan_to_num(theta), default_root(fit) if root is None else root

    def kernel(block: Block) -> Moments:
        eta = np.array(block.offset, order="F")
        for k, (X, predictor) in enumerate(zip(block.X, design.predictors, strict=True)):
            eta[:, k] += X.dot(theta[predictor.slots])
        rows = likelihood.rows(block.y, eta, block.weights, information="expected")
        counts = block.frequencies
        signs = moved_by(directions, block.X, design)
        if signs is not None:
            counts = np.where((signs != 0).any(axis=1), 0.0, counts)
        parts = [X.dot(root[p.slots]) for X, p in zip(block.X, design.predictors, strict=True)]
        scores = sum(part * rows.gradient[:, k : k + 1] for k, part in enumerate(parts))
        information = sum(
            (left * (counts * rows.expected[:, k, j])[:, None]).T @ right
            for k, left in enumerate(parts)
            for j, right in enumerate(parts)
        )
        return Moments(counts @ scores, np.asarray(information), (scores * counts[:, None]).T @ scores)

    return frame.reduce(kernel)


def default_root(fit: Fit) -> Array:
    """Return L (p, q) with L L' the inverse information for dispersion 1; 0 where there is none."""
    return np.nan_to_num(fit.estimate.information.inverse_root)
