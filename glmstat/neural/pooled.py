"""GLMs on learned features, fold by fold: `inference="crossfit"`.

In each fold a GLM is fitted to the targets, the other linear columns and the features that networks of the
response and of the targets learned on the other rows: double selection with learned features. Residualised
on everything else, the targets give one pooled score, in which the folds count by their information.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.compute import Triangle
from glmstat.control import Control
from glmstat.errors import ConvergenceWarning, DataError, NetworkWarning, SeparationWarning, outside
from glmstat.estimate import Convergence, Estimate, Null
from glmstat.frame import Coordinates, ModelFrame
from glmstat.matrix import Array, Block, Dense, IntArray
from glmstat.neural.beside import residuals, row_information, rows_of, solve_triangle, triangle_of
from glmstat.neural.instruments import Scored, score_estimate, score_frame
from glmstat.neural.nuisance import Learned, Nuisance
from glmstat.neural.overlap import check_overlap, warn_weak
from glmstat.neural.problem import Problem, Trained
from glmstat.solve.estimate import fit_estimate

__all__ = ["Pooled", "fit_pooled"]

SMALL = 0.1  # share of a network's largest singular value below which a direction of its features is dropped
ROWS = 20  # rows of a fold for each column of its GLM: below, a warning is due
LEAST_ROWS = 5  # below, an error
_STILL = 1e-9  # share of its terms below which a row's move is rounding
_SINGULAR = 1e-10  # least eigenvalue of the targets' information, in units of their own


@dataclass(frozen=True, eq=False)
class Pooled(Scored):
    """Targets' coefficients, pooled over GLMs of the folds; the instruments are residualised targets.

    Parameters
    ----------
    by_fold : (K, q) each fold's own; 0 where it does not determine one. Features of different folds have
        no common meaning, so that nothing else is pooled.
    directions : (K,) features in each GLM.
    left : (q,) weighted variance of each target given all other columns, as a share of its own.
    """

    by_fold: Array
    directions: IntArray
    left: Array


@dataclass(frozen=True, eq=False)
class _Fold:
    """The GLM of one fold.

    theta (q,), information (q, q) of the residualised targets, and for the rows inside (m,) their predictors,
    residualised targets (m, q) and whether separation predicts them perfectly.
    """

    theta: Array
    information: Array
    variance: Array
    estimate: Estimate
    eta: Array
    residual: Array
    certain: NDArray[np.bool_]


def fit_pooled(
    problem: Problem,
    targets: IntArray,
    nuisance: Nuisance,
    null: Null,
    control: Control | None = None,
    dispersion: Any = None,
) -> Pooled:
    """Return the targets' coefficients from GLMs on learned features, one in each fold.

    With A_k the information of fold k on the targets, other columns partialled out, and theta_k its estimate,
    theta = (sum A_k)^-1 sum A_k theta_k. The residual degrees of freedom lack the coefficients of every fold.

    Parameters
    ----------
    problem : rows, columns, networks and likelihood.
    targets : slots of the targets (q,), ascending.
    nuisance : folds and networks trained outside each.
    null : null model of the rows, for the record.
    control : of the solver.
    dispersion : as in `glm`, without "ml".

    Raises
    ------
    DataError : a fold with fewer than 5 rows for each column of its GLM, a target that is infinite in a
        fold, or that is determined by the other columns in every fold.

    Warns
    -----
    NetworkWarning : a fold with fewer than 20 rows for each column of its GLM.
    SeparationWarning : infinite coefficients of other columns; the rows that they predict perfectly do not
        count.
    ConvergenceWarning : a GLM that did not reach its maximum.

    Source: Belloni, Chernozhukov and Hansen (2014), double selection; pooling as Chernozhukov et al. (2018),
    Definition 3.2 (DML2).
    """
    control = Control() if control is None else control
    fits = [
        _fit_fold(problem, targets, learned, nuisance.folds, k, control)
        for k, learned in enumerate(nuisance.learned)
    ]
    _warn(fits)
    information = sum((fit.information for fit in fits), np.zeros((len(targets),) * 2))
    names = tuple(problem.frame.columns[slot] for slot in targets)
    _refuse_singular(names, information)
    variance = sum((fit.variance for fit in fits), np.zeros(len(targets)))
    left = 1.0 / (np.diag(np.linalg.inv(information)) * variance)
    check_overlap(names, left)
    warn_weak(names, left)
    moments = sum((fit.information @ fit.theta for fit in fits), np.zeros(len(targets)))
    theta = np.asarray(np.linalg.solve(information, moments), dtype=np.float64)
    frame = _frame(problem, names, theta, nuisance.folds, fits)
    estimate = score_estimate(
        frame,
        problem.likelihood,
        theta,
        information,
        _convergence(fits),
        null,
        sum(fit.estimate.rank for fit in fits),
        problem.frame.fingerprint,
        dispersion,
    )
    widths = [fit.estimate.rank - len(problem.linear) for fit in fits]
    return Pooled(theta, frame, estimate, np.array([fit.theta for fit in fits]), np.array(widths), left)


# ---------------------------------------------------------------- one fold


def _fit_fold(
    problem: Problem, targets: IntArray, learned: Learned, folds: IntArray, k: int, control: Control
) -> _Fold:
    frame, inside = problem.frame, folds == k
    basis = _basis(problem, learned, inside)
    _need_rows(problem, inside, k, basis.shape[1])

    def change(block: Block) -> Block:
        rows = inside[rows_of(frame, block)]
        whole = block.X[0].to_array()[rows]
        columns = np.zeros((len(problem.linear) + basis.shape[1], len(rows)))
        columns[: len(problem.linear), rows] = whole[:, problem.linear].T
        columns[len(problem.linear) :, rows] = (_features(problem, learned, whole) @ basis).T
        return replace(block, X=(Dense(columns),), weights=np.where(rows, block.weights, 0.0))

    own = frame.changed(change, _coordinates(problem, basis.shape[1]))
    estimate = fit_estimate(own, problem.likelihood, control=control)
    places = np.searchsorted(problem.linear, targets)
    _refuse_infinite(own.columns, estimate, places, k)
    return _residualised(problem, own, estimate, places, inside)


def _coordinates(problem: Problem, width: int) -> Coordinates:
    frame, linear = problem.frame, problem.linear
    names = (*(frame.columns[slot] for slot in linear), *(f"feature {j + 1}" for j in range(width)))
    where = np.flatnonzero(linear == (-1 if frame.intercept is None else frame.intercept))
    return Coordinates(names, int(where[0]) if len(where) else None, frame.has_offset)


def _features(problem: Problem, learned: Learned, columns: Array) -> Array:
    """Features of all networks, of the response and then of the targets, side by side (m, W)."""
    return np.column_stack(
        [part for nets in (learned.outcome, learned.target) for part in _hidden(problem, nets, columns)]
    )


def _hidden(problem: Problem, nets: Sequence[Trained], columns: Array) -> list[Array]:
    return [
        tower.features(columns[:, inputs.slots])
        for net in nets
        for inputs, tower in zip(problem.networks, net.towers, strict=True)
    ]


def _basis(problem: Problem, learned: Learned, inside: NDArray[np.bool_]) -> Array:
    """Directions of the features (W, r) that vary beside the linear columns, each with mean square 1.

    Features of the networks of the response, and of those of the targets, are first brought to the same size:
    what is small beside the largest is small within its own kind.
    """
    frame, width = problem.frame, len(problem.linear)
    weights = np.zeros(problem.rows)
    weights[inside] = _weights(problem, learned.predictor[inside], inside)

    def kernel(block: Block) -> Triangle:
        rows = rows_of(frame, block)
        some = inside[rows]
        whole = block.X[0].to_array()[some]
        stacked = np.column_stack([whole[:, problem.linear], _features(problem, learned, whole)])
        return triangle_of(stacked, weights[rows][some])

    left = residuals(frame.reduce(kernel).factor, width)
    first = sum(len(output) for net in learned.outcome for output in net.output)
    scale = np.ones(left.shape[1])
    for part in (slice(0, first), slice(first, None)):
        size = float(np.linalg.norm(left[:, part], 2)) if left[:, part].size else 0.0
        scale[part] = 1.0 / size if size > 0 else 0.0
    _, values, vectors = np.linalg.svd(left * scale, full_matrices=False)
    kept = values > SMALL * values.max(initial=0.0)
    return scale[:, None] * vectors[kept].T / values[kept] * np.sqrt(weights.sum())


def _weights(problem: Problem, eta: Array, inside: NDArray[np.bool_]) -> Array:
    """Expected information (m,) of the rows inside a fold, at their predictors (m,)."""
    return row_information(problem.likelihood, problem.y[inside, 0], eta, problem.weights[inside])


def _residualised(
    problem: Problem, own: ModelFrame, estimate: Estimate, places: IntArray, inside: NDArray[np.bool_]
) -> _Fold:
    """The targets less what all other columns of the fold's GLM say of them, at its weights."""
    chosen = [(block, inside[rows_of(own, block)]) for block in own.blocks()]
    columns = np.concatenate([block.X[0].to_array()[some] for block, some in chosen])
    eta = problem.offset[inside] + columns @ np.nan_to_num(estimate.theta)
    certain = np.zeros(len(eta), dtype=bool)
    for direction in estimate.directions:
        certain |= np.abs(columns @ direction) > _STILL * (np.abs(columns) @ np.abs(direction))
    weights = _weights(problem, eta, inside) * ~certain
    others = np.setdiff1d(np.arange(columns.shape[1]), places)
    factor = triangle_of(columns[:, [*others, *places]], weights).factor
    left = residuals(factor, len(others))
    residual = columns[:, places] - columns[:, others] @ solve_triangle(factor, len(others))
    theta = np.nan_to_num(estimate.theta[places])
    d = columns[:, places]
    spread = d - weights @ d / max(float(weights.sum()), 1e-300)
    return _Fold(theta, left.T @ left, weights @ np.square(spread), estimate, eta, residual, certain)


# ---------------------------------------------------------------- all folds


def _frame(
    problem: Problem, names: Sequence[str], theta: Array, folds: IntArray, fits: Sequence[_Fold]
) -> ModelFrame:
    """The rows with residualised targets as columns; without those that separation predicts perfectly."""
    eta, residual = np.empty(problem.rows), np.empty((problem.rows, len(theta)))
    counts = np.ones(problem.rows)
    for k, fit in enumerate(fits):
        inside = folds == k
        eta[inside], residual[inside], counts[inside] = fit.eta, fit.residual, ~fit.certain
    frame = problem.frame
    if not counts.all():
        frame = frame.changed(
            lambda block: replace(block, weights=block.weights * counts[rows_of(problem.frame, block)])
        )
    return score_frame(
        frame,
        names,
        theta,
        lambda block: residual[rows_of(problem.frame, block)],
        lambda block: eta[rows_of(problem.frame, block)],
    )


def _convergence(fits: Sequence[_Fold]) -> Convergence:
    """The worst of the folds."""
    ends = [fit.estimate.convergence for fit in fits]
    lost = next((end for end in ends if end.status == "not converged"), None)
    return Convergence(
        status="converged" if lost is None else "not converged",
        reason="" if lost is None else lost.reason,
        separation="not needed",
        decrement=max(end.decrement for end in ends),
        iterations=max(end.iterations for end in ends),
        halvings=sum(end.halvings for end in ends),
        r_criterion=0.0,
        trace=(),
    )


def _warn(fits: Sequence[_Fold]) -> None:
    separated = [fit for fit in fits if fit.estimate.directions]
    if separated:
        rows = sum(int(fit.certain.sum()) for fit in separated)
        warnings.warn(
            f"Separation in {len(separated)} of {len(fits)} folds: the GLM on learned features predicts "
            f"{rows:,} rows perfectly, which tell nothing of the targets. Merge levels, or use fewer folds.",
            SeparationWarning,
            stacklevel=outside(),
        )
    short = [fit.estimate for fit in fits if fit.estimate.rows < ROWS * fit.estimate.rank]
    if short:
        least = min(short, key=lambda one: one.rows / one.rank)
        warnings.warn(
            f"crossfit needs {ROWS} rows for each column in every fold: {len(short)} of {len(fits)} have "
            f'fewer, as few as {least.rows:,} for {least.rank} columns. Use inference="debiased", fewer '
            "folds, or narrower networks.",
            NetworkWarning,
            stacklevel=outside(),
        )
    lost = [fit for fit in fits if fit.estimate.convergence.status == "not converged"]
    if lost:
        warnings.warn(
            f"Not converged in {len(lost)} of {len(fits)} folds: {lost[0].estimate.convergence.reason}. "
            'Use inference="debiased".',
            ConvergenceWarning,
            stacklevel=outside(),
        )


# ---------------------------------------------------------------- refusals


def _need_rows(problem: Problem, inside: NDArray[np.bool_], k: int, width: int) -> None:
    rows = int((inside & (problem.weights > 0)).sum())
    linear = len(problem.linear)
    if rows < LEAST_ROWS * (linear + width):
        raise DataError(
            f"crossfit needs {LEAST_ROWS} rows for each column in every fold: fold {k + 1} has {rows:,} rows "
            f'for {linear} linear columns and {width} learned ones. Use inference="debiased", fewer folds, '
            "or narrower networks."
        )


def _refuse_infinite(names: Sequence[str], estimate: Estimate, places: IntArray, k: int) -> None:
    infinite = [names[place] for place in places if estimate.infinite[place]]
    if infinite:
        raise DataError(
            f"Separation in fold {k + 1}: target '{infinite[0]}' is infinite in its GLM. "
            'Use inference="debiased", fewer folds, or merge its levels.'
        )


def _refuse_singular(names: Sequence[str], information: Array) -> None:
    size = np.sqrt(np.diag(information))
    alone = int(np.argmin(size))
    if size[alone] > 0:
        values, vectors = np.linalg.eigh(information / np.outer(size, size))
        if values[0] > _SINGULAR:
            return
        alone = int(np.argmax(np.abs(vectors[:, 0])))
    raise DataError(
        f"Target '{names[alone]}' is determined by the other columns of every fold's GLM. "
        "Leave it out of targets=, or use fewer folds."
    )
