"""The orthogonal score of some coefficients, given nuisances, as a fit of instruments.

Targets D (centred), nuisances f and m, offset o; eta = o + D'theta + f, e = D - m. With u and w the row's
score and information factors at theta, theta solves S = sum e u (y - mu) = 0, whose derivatives in f and in
m have mean 0 at the truth (Neyman orthogonality). A = sum e w D' is its expected Jacobian, C = sum e w e'.

The columns E~ = E C^-1 A and the offset o + D'theta + f - E~'theta give a GLM with the same scores, up to a
matrix, whose information A'C^-1 A is symmetric. So every sandwich of the fit is A^-1 B A^-T with its own B,
and the classical covariance is phi A^-1 C A^-T.

Source: Chernozhukov et al. (2018); Liu, Zhang and Cai (2021) for logistic models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.control import Control
from glmstat.errors import DomainError, row_list
from glmstat.estimate import Convergence, Null, Separated
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.neural.instruments import Score, Scored, score_estimate, score_frame
from glmstat.neural.overlap import (
    Overlap,
    check_information,
    check_overlap,
    share_idle,
    share_left,
    squares,
    warn_weak,
)

__all__ = ["Orthogonal", "fit_orthogonal", "median_covariance", "median_theta"]

_TOLERANCE = 1e-10  # standard errors that the last step may have
_CAP = 1.0  # most that a step moves the predictor of a row with a typical residual target
_ROUNDING = 1e-14
_HALVINGS = 30


@dataclass(frozen=True, eq=False)
class Orthogonal(Scored):
    """The estimate that solves an orthogonal score.

    Parameters
    ----------
    overlap : how much the controls leave of the targets.
    """

    overlap: Overlap


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums at one theta: S (q,), A, C and the meat B (q, q); and the rows without a mean."""

    score: Array
    jacobian: Array
    gram: Array
    meat: Array
    lost: Separated

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(
            self.score + other.score,
            self.jacobian + other.jacobian,
            self.gram + other.gram,
            self.meat + other.meat,
            self.lost + other.lost,
        )

    @cached_property
    def step(self) -> Array:
        """Newton's step A^-1 S."""
        return _solution(self.jacobian, self.score)

    @cached_property
    def std_error(self) -> Array:
        """Roots of the diagonal of A^-1 B A^-T (q,)."""
        half = _solution(self.jacobian, self.meat)
        return np.sqrt(np.maximum(np.diag(_solution(self.jacobian, half.T)), 0.0))

    def size(self, score: Array) -> float:
        """Return s'C^-1 s of a score s, in units of its variance here."""
        return float(score @ _solution(self.gram, score))


def _solution(matrix: Array, right: Array) -> Array:
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.full_like(right, np.nan)


def fit_orthogonal(
    frame: ModelFrame,
    likelihood: GLM,
    score: Score,
    start: Array,
    null: Null,
    control: Control | None = None,
    dispersion: Any = None,
) -> Orthogonal:
    """Return the coefficients that solve the orthogonal score, by Newton's method.

    Parameters
    ----------
    frame : rows, whose columns hold the targets.
    likelihood : of the response.
    score : targets and nuisances.
    start : (q,) first coefficients.
    null : null model of the rows, for the record.
    control : `max_iterations` and `tolerance`.
    dispersion : as in `glm`, without "ml".

    Raises
    ------
    DataError : a target that its controls determine, or of which rows tell nothing at the root.
    DomainError : the nuisances give a predictor without a mean.

    Warns
    -----
    OverlapWarning : controls leave less than 5 % of a target's weighted variance.
    """
    control = Control() if control is None else control
    names = tuple(frame.columns[slot] for slot in score.slots)
    first = _moments(frame, likelihood, score, start)
    _refuse_lost(first, likelihood)
    check_overlap(names, share_left(frame, likelihood, score, start, first.jacobian))
    theta, at, convergence = _solve(frame, likelihood, score, start, first, control)
    left = share_left(frame, likelihood, score, theta, at.jacobian)
    check_overlap(names, left)
    check_information(names, left)
    warn_weak(names, left)
    half = np.linalg.solve(at.gram, at.jacobian)  # C^-1 A
    changed = score_frame(
        frame,
        names,
        theta,
        lambda block: score.residual(frame, block) @ half,
        lambda block: score.predictor(frame, block, theta),
    )
    estimate = score_estimate(
        changed,
        likelihood,
        theta,
        at.jacobian.T @ half,
        convergence,
        null,
        len(theta),
        frame.fingerprint,
        dispersion,
    )
    return Orthogonal(theta, changed, estimate, Overlap(left, share_idle(frame, score)))


def median_theta(thetas: Array) -> Array:
    """Return the median of each coefficient over repetitions (R, q).

    >>> median_theta(np.array([[1.0, 0.0], [2.0, 5.0], [9.0, 1.0]])).tolist()
    [2.0, 1.0]
    """
    return np.asarray(np.median(thetas, axis=0), dtype=np.float64)


def median_covariance(thetas: Array, covariances: Array, theta: Array) -> Array:
    """Return the covariance of a median over repetitions: V + (t - theta)(t - theta)' of one of them.

    t and V are its estimate and covariance. It is the repetition whose matrix has the median spectral norm,
    the larger of the middle two if their number is even. Norms are taken in units of the median standard
    errors, so that units of columns do not matter. With one coefficient it is the median of the variances,
    enlarged by the spread.

    Parameters
    ----------
    thetas : (R, q).
    covariances : (R, q, q).
    theta : (q,) their median.

    Source: Chernozhukov et al. (2018), Definition 3.3.

    >>> thetas, covariances = np.array([[1.0], [2.0], [4.0]]), np.array([[[1.0]], [[1.0]], [[1.0]]])
    >>> median_covariance(thetas, covariances, np.array([2.0]))
    array([[2.]])
    """
    apart = thetas - theta
    wide = covariances + apart[:, :, None] * apart[:, None, :]
    unit = np.sqrt(np.median(np.diagonal(wide, axis1=1, axis2=2), axis=0))
    unit = np.where(unit > 0, unit, 1.0)
    norms = np.linalg.norm(wide / np.outer(unit, unit), ord=2, axis=(1, 2))
    return wide[np.argsort(norms, kind="stable")[len(norms) // 2]]


# ---------------------------------------------------------------- sums


def _moments(frame: ModelFrame, likelihood: GLM, score: Score, theta: Array) -> _Moments:
    def kernel(block: Block) -> _Moments:
        eta = score.predictor(frame, block, theta)
        rows = likelihood.rows(block.y, eta[:, None], block.weights, information="expected")
        assert rows.expected is not None
        used = block.total > 0
        lost = used & ~_valid(likelihood, eta, rows.gradient[:, 0])
        gradient = np.where(used & ~lost, rows.gradient[:, 0], 0.0)
        weight = np.where(used & ~lost, rows.expected[:, 0, 0], 0.0)
        times = block.frequencies
        e = score.residual(frame, block)
        psi = e * gradient[:, None]
        weighted = (e * (weight * times)[:, None]).T
        return _Moments(
            times @ psi,
            weighted @ score.targets(block),
            weighted @ e,
            (psi * times[:, None]).T @ psi,
            Separated.named(block.source_rows(lost)),
        )

    return frame.reduce(kernel)


def _valid(likelihood: GLM, eta: Array, gradient: Array) -> NDArray[np.bool_]:
    """Whether rows have a mean (n,)."""
    edges = likelihood.slack(eta[:, None])
    inside = np.isfinite(eta) & np.isfinite(gradient)
    return inside if edges is None else inside & (np.minimum(*edges)[:, 0] > 0)


# ---------------------------------------------------------------- Newton


def _solve(
    frame: ModelFrame, likelihood: GLM, score: Score, start: Array, first: _Moments, control: Control
) -> tuple[Array, _Moments, Convergence]:
    """The root of the score, the sums there, and how it was reached."""
    theta, at, iterations, halvings = start, first, 0, 0
    longest = _CAP / np.sqrt(squares(frame, score)[0])

    def sums(theta: Array) -> _Moments:
        return _moments(frame, likelihood, score, theta)

    while iterations < control.max_iterations and not _arrived(at, theta):
        shorter = min(1.0, float((longest / np.maximum(np.abs(at.step), 1e-300)).min()))
        found, halved = _halved(sums, at, theta, shorter * at.step)
        iterations, halvings = iterations + 1, halvings + halved
        if found is None:
            break
        theta, at = found
    return theta, at, _convergence(at, iterations, halvings, control)


def _arrived(at: _Moments, theta: Array) -> bool:
    step = np.abs(at.step)
    return bool(((step <= _TOLERANCE * at.std_error) | (step <= _ROUNDING * np.abs(theta))).all())


def _halved(
    sums: Callable[[Array], _Moments], at: _Moments, theta: Array, step: Array
) -> tuple[tuple[Array, _Moments] | None, int]:
    """The point after a step, halved until the score is smaller, and the sums there; None where none is."""
    size = at.size(at.score)
    for halvings in range(_HALVINGS):
        new = sums(theta + step)
        if not new.lost.count and at.size(new.score) < size:
            return (theta + step, new), halvings
        step = 0.5 * step
    return None, _HALVINGS


def _convergence(at: _Moments, iterations: int, halvings: int, control: Control) -> Convergence:
    moved = np.abs(at.step) / np.where(at.std_error > 0, at.std_error, np.inf)
    decrement = float(moved.max(initial=0.0))
    done = decrement <= control.tolerance
    return Convergence(
        status="converged" if done else "not converged",
        reason="" if done else f"{iterations} iterations did not find a root of the orthogonal score",
        separation="not needed",
        decrement=decrement,
        iterations=iterations,
        halvings=halvings,
        r_criterion=0.0,
        trace=(),
    )


# ---------------------------------------------------------------- refusals


def _refuse_lost(at: _Moments, likelihood: GLM) -> None:
    if at.lost.count:
        family = likelihood.family
        raise DomainError(
            f"Out-of-fold predictors without a mean for the {family.link.name} link: "
            f"{row_list(at.lost.rows, at.lost.count)}. Use a link whose means are always defined."
        )
