"""A fit with one more term, on the same rows."""

from __future__ import annotations

import warnings
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from glmstat.call import asked_dispersion, frame_for
from glmstat.compute import Triangle
from glmstat.errors import ArgumentError, ComparisonError, DataError, GlmstatWarning, one_of
from glmstat.estimate import Estimate
from glmstat.formula.terms import Linear
from glmstat.inference.again import refit, whole_call
from glmstat.inference.covariance import as_covariance
from glmstat.inference.deviance.comparison import rows_beyond
from glmstat.inference.deviance.criterion import as_r
from glmstat.inference.deviance.difference import Outcome, by_deviance, by_score, by_wald
from glmstat.inference.deviance.nesting import nested
from glmstat.inference.deviance.scope import updated
from glmstat.inference.deviance.submodel import embedded
from glmstat.inference.hypothesis.rao import Scores
from glmstat.inference.restrict import Moments, Restricted
from glmstat.inference.score import moved_by
from glmstat.matrix import Array, Block
from glmstat.solve.absorb.fit import beside_at
from glmstat.solve.estimator import estimate_or_limit
from glmstat.triangular import triangle

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["NO_WALD", "Larger", "frame_with", "has_limit", "quiet_fit"]

NO_WALD = 'with it theta is infinite, and no Wald test is defined: see test="LRT"'

_ALIASED = 1e-10  # share of a weighted column's norm that the columns before it leave


class Larger:
    """The fit with one more term, on the same rows; fitted when asked for."""

    def __init__(self, fit: Fit, term: Linear) -> None:
        self.fit, self.term = fit, term
        self.formula = updated(fit, f". ~ . + {term}").text
        self.frame = frame_with(fit, self.formula)
        _check_same_rows(fit, self.frame, str(term))
        self._point: Restricted | None = None
        self.at_limit = False  # whether a Wald test met an infinite parameter beside the coefficients

    def _embedded(self, theta: Array) -> Array | None:
        """Coefficients (p,) of the larger model that give the predictor of those of the fit."""
        return embedded(self.fit.spec.design, self.frame.design, np.nan_to_num(theta))

    @property
    def point(self) -> Restricted:
        """The maximum of the likelihood."""
        if self._point is None:
            at_infinity = bool(self.fit.estimate.directions)
            try:
                estimate = self._estimate(None if at_infinity else self._embedded(self.fit.estimate.theta))
            except ArgumentError:  # rounding put the start outside the domain; the solver knows others
                estimate = self._estimate(None)
            self._point = Restricted(estimate.theta, estimate)
        return self._point

    def _estimate(self, start: Array | None) -> Estimate:
        spec = self.fit.spec
        return estimate_or_limit(
            spec.estimator,
            self.frame,
            spec.likelihood,
            start=start,
            control=spec.control,
            dispersion=asked_dispersion(spec.call, spec.likelihood),
        )

    def outcome(self, kind: str) -> Outcome:
        """Return the test of the term."""
        fit = self.fit
        if kind == "Rao":
            return self._score()
        if kind == "Wald":
            try:
                large = quiet_fit(fit, self.formula)
            except DataError:
                if not (has_limit(fit) and self.point.estimate.at_limit):
                    raise
                self.at_limit = True
                return Outcome(self.point.rank - fit.estimate.rank, nan, nan, nan)
            nesting = nested(fit, large)
            return by_wald(large, nesting.matrix, nesting.value)
        point = self.point
        largest = replace(fit, estimate=point.estimate)
        own = fit.estimate
        found = by_deviance(largest, (own.minimum, own.rank), (point.minimum, point.rank), kind)
        if fit.convention.selection == "scaled":
            return as_r(fit, found, kind, Restricted(fit.estimate.theta, fit.estimate), point)
        return found

    def _score(self) -> Outcome:
        """The score test from one triangle of the weighted columns and the working residuals."""
        fit, theta = self.fit, self._embedded(self.fit.estimate.theta)
        found = [self._embedded(direction) for direction in fit.estimate.directions]
        directions = tuple(each for each in found if each is not None)
        if theta is None or len(directions) < len(found):
            return Outcome(0, nan, nan, nan)
        frame, beside = self.frame, 0
        if fit.estimate.absorbed is not None:
            absorbed = fit.estimate.absorbed
            frame, explained = beside_at(frame, fit.spec.likelihood, theta, absorbed, directions)
            beside = absorbed.df
            if explained:
                return Outcome(0, nan, nan, nan)
        rank, scores = _scores(fit, frame, theta, directions)
        rank += beside
        if fit.status == "boundary":
            return Outcome(rank - fit.estimate.rank, nan, nan, nan)
        return by_score(fit, scores, rank - fit.estimate.rank)


def _scores(fit: Fit, frame: ModelFrame, theta: Array, directions: tuple[Array, ...]) -> tuple[int, Scores]:
    """Rank of the columns of a frame, and the scores at `theta` where J = 1, without forming J.

    Parameters
    ----------
    directions : of recession (p,); rows that one moves are predicted perfectly and count nothing.
    """
    factor = _triangle(fit, frame, theta, directions)
    basis = _orthonormal(factor[:, :-1])
    root = np.asarray(np.linalg.pinv(basis.T @ factor[:, :-1]), dtype=np.float64)
    size = basis.shape[1]
    unknown = np.full((size, size), nan)  # the meat takes another pass, and no test here asks for it
    scores = Scores(Moments(basis.T @ factor[:, -1], np.eye(size), unknown), root)
    if not directions:
        return size, scores
    return _orthonormal(_triangle(fit, frame, theta, directions, whole=True)[:, :-1]).shape[1], scores


def _triangle(
    fit: Fit, frame: ModelFrame, theta: Array, directions: tuple[Array, ...], *, whole: bool = False
) -> Array:
    """Triangle (p + 1, p + 1) of [weighted columns, working residual]; with `whole` moved rows weigh 1."""
    likelihood, design = fit.spec.likelihood, frame.design
    width = len(theta)

    def kernel(block: Block) -> Triangle:
        eta = np.array(block.offset, order="F")
        for k, (X, predictor) in enumerate(zip(block.X, design.predictors, strict=True)):
            eta[:, k] += X.dot(theta[predictor.slots])
        rows = likelihood.rows(block.y, eta, block.total, information="expected")
        values, vectors = np.linalg.eigh(rows.expected)
        root = np.sqrt(np.maximum(values, 0.0))
        signs = moved_by(directions, block.X, design)
        if signs is not None:
            root[(signs != 0).any(axis=1)] = float(whole)
        turned = np.einsum("nkj,nk->nj", vectors, rows.gradient)
        residual = np.divide(turned, root, out=np.zeros_like(turned), where=root > 0)
        factor = np.zeros((width + 1, width + 1))
        for j in range(eta.shape[1]):
            for k, (X, predictor) in enumerate(zip(block.X, design.predictors, strict=True)):
                share = root[:, j] * vectors[:, k, j]
                for at, run in X.runs():
                    out = np.zeros((run.shape[1], width + 1))
                    out[:, predictor.slots] = run.T * share[at, None]
                    if k == 0:
                        out[:, -1] = residual[at, j]
                    factor = triangle(np.vstack([factor, out]))
        return Triangle(factor)

    return frame.reduce(kernel).factor


def _orthonormal(columns: Array) -> Array:
    """An orthonormal basis of the columns, each taken where those before it leave something."""
    basis, sizes = np.zeros((len(columns), 0)), np.linalg.norm(columns, axis=0)
    for column, size in zip(columns.T, sizes, strict=True):
        left = column - basis @ (basis.T @ column)
        left = left - basis @ (basis.T @ left)
        if np.linalg.norm(left) > _ALIASED * size:
            basis = np.column_stack([basis, left / np.linalg.norm(left)])
    return basis


def frame_with(fit: Fit, formula: str) -> ModelFrame:
    """Return the rows of the call of a fit with another formula; what they warn of, the fit has said."""
    source = None if fit.frame is None else fit.frame.source
    call = whole_call(fit, {"data": source, "formula": formula, "start": None})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlmstatWarning)
        return frame_for(call, fit.spec.likelihood, as_covariance(call["vcov"]).variables)


def has_limit(fit: Fit) -> bool:
    """Return whether a parameter beside the coefficients is estimated, which may be infinite in a refit."""
    estimator = fit.spec.estimator
    return estimator is not None and estimator.kind in ("shape", "joint")


def quiet_fit(fit: Fit, formula: str) -> Fit:
    """Return the fit of another formula with the same covariance; its warnings are the caller's to give."""
    source = None if fit.frame is None else fit.frame.source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlmstatWarning)
        found = refit(fit, {"data": source, "formula": formula, "start": None})
    return replace(found, covariance=fit.covariance)


def _check_same_rows(fit: Fit, frame: ModelFrame, term: str) -> None:
    assert fit.frame is not None
    lost = rows_beyond(fit.frame, frame)
    if lost.count:
        new = [name for name in frame.missing.by if name not in fit.frame.missing.by]
        raise ComparisonError(
            f"Missing values of {one_of(new) or term} in {lost.text} that the fit uses: the "
            "models would have different rows. Refit with subset=, or drop these rows first."
        )
