"""Linear models that networks start from, of all rows and of those outside a fold, and what they refuse."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from glmstat.control import Control
from glmstat.errors import DataError, ExtrapolationWarning, SeparationWarning, outside
from glmstat.estimate import Estimate
from glmstat.frame import Coordinates
from glmstat.matrix import Array, Block, Dense, IntArray
from glmstat.neural.beside import restricted, rows_of
from glmstat.neural.problem import Problem
from glmstat.solve.estimate import fit_estimate
from glmstat.verdict import infinite_terms

__all__ = ["linear_predictor", "linear_starts", "null_deviance", "refuse_aliased", "refuse_infinite"]


def linear_starts(
    problem: Problem, targets: IntArray, kept: Sequence[Array], folds: Sequence[int], control: Control
) -> list[Array]:
    """Return linear coefficients (p, 1) of the rows outside each fold, NaN where these do not determine them.

    Parameters
    ----------
    problem : its linear columns.
    targets : slots of those whose coefficients are wanted (q,).
    kept : (n,) for each fold, what multiplies the weights of rows.
    folds : the number of each.
    control : of the solver.

    Raises
    ------
    DataError : see `refuse_aliased`, for all rows and for those outside a fold, and `refuse_infinite`.

    Warns
    -----
    SeparationWarning : infinite coefficients of other columns, or of the targets outside a fold.
    ExtrapolationWarning : columns that the rows outside a fold do not determine.
    """
    names = [problem.frame.columns[slot] for slot in problem.linear]
    wanted = [problem.frame.columns[slot] for slot in targets]
    whole = _linear_fit(problem, None, control)
    refuse_aliased(problem, whole, targets)
    refuse_infinite(whole, names, wanted)
    fits = [_linear_fit(problem, factor, control) for factor in kept]
    still = [[name for name in fit.aliased if name not in whole.aliased] for fit in fits]
    for fit, lost, k in zip(fits, still, folds, strict=True):
        _refuse_still(wanted, lost, k)
        _refuse_certain(fit, names, f" of the rows outside fold {k + 1}")
    _warn_still(still)
    found = [whole] if whole.directions else fits
    _warn_separated([[names[slot] for slot in np.flatnonzero(fit.infinite)] for fit in found])
    return [fit.theta[:, None] for fit in fits]


def refuse_aliased(problem: Problem, whole: Estimate, targets: IntArray) -> None:
    """Refuse targets that the other linear columns determine.

    Parameters
    ----------
    problem : with the names of its columns.
    whole : linear model of all rows.
    targets : slots (q,).

    Raises
    ------
    DataError : the first of them.
    """
    names = [problem.frame.columns[slot] for slot in targets]
    aliased = [name for name in names if name in whole.aliased]
    if aliased:
        reason = whole.aliased[aliased[0]]
        raise DataError(
            f"Target '{aliased[0]}' is determined by the other linear columns: {reason}. "
            "Drop one of them, or leave it out of targets=."
        )


def refuse_infinite(linear: Estimate, columns: Sequence[str], targets: Sequence[str]) -> None:
    """Refuse targets that separation makes infinite, and rows that it predicts perfectly, all of them.

    Networks are held by their prior, the linear terms beside them by nothing: where the linear model has no
    maximum, the model with networks has none either, and what a training comes to depends on its length.

    Parameters
    ----------
    linear : linear model of all rows.
    columns : names of its coefficients (p,).
    targets : names of those that are wanted; none where only the second is asked.

    Raises
    ------
    DataError : the target, or the coefficients that predict all rows.
    """
    infinite = [name for name, sign in zip(columns, linear.infinite, strict=True) if sign and name in targets]
    if infinite:
        raise DataError(
            f"Separation: target '{infinite[0]}' is infinite in the linear model "
            f"({infinite_terms(linear, tuple(columns))}), and networks do not make it finite. "
            + (
                "It predicts every row perfectly: take it out of the formula."
                if _certain(linear)
                else "Merge its level with another, or leave it out of targets=."
            )
        )
    _refuse_certain(linear, columns, "")


def _certain(linear: Estimate) -> bool:
    """Whether separation leaves no row from which anything could be learned."""
    return bool(linear.directions) and not len(linear.information.slots)


def _refuse_certain(linear: Estimate, columns: Sequence[str], where: str) -> None:
    if _certain(linear):
        raise DataError(
            f"Separation: the linear model{where} predicts every row perfectly "
            f"({infinite_terms(linear, tuple(columns))}), so that nothing is left to learn. "
            + ("Use fewer folds." if where else "Check the response, and the linear terms.")
        )


def null_deviance(problem: Problem, control: Control) -> float:
    """Return the deviance of a constant and the offset."""

    def change(block: Block) -> Block:
        return replace(block, X=(Dense(np.ones((1, len(block.y)))),))

    constant = Coordinates(("Intercept",), 0, problem.frame.has_offset)
    return fit_estimate(problem.frame.changed(change, constant), problem.likelihood, control=control).deviance


def linear_predictor(problem: Problem, folds: IntArray, coef: Sequence[Array]) -> Array:
    """Return the predictor (n,) of each row by the linear model of the other folds.

    Parameters
    ----------
    folds : (n,) the fold of each row.
    coef : (p, 1) for each fold, NaN where aliased.
    """
    known = np.nan_to_num(np.column_stack(coef))

    def predictor(block: Block) -> Array:
        columns = block.X[0].take(None, problem.linear).to_array()
        fold = folds[rows_of(problem.frame, block)]
        return block.offset[:, 0] + np.einsum("ij,ij->i", columns, known.T[fold])

    return np.concatenate([predictor(block) for block in problem.frame.blocks()])


def _linear_fit(problem: Problem, factor: Array | None, control: Control) -> Estimate:
    frame = restricted(problem.frame, problem.linear, factor)
    return fit_estimate(frame, problem.likelihood, control=control)


def _refuse_still(targets: Sequence[str], lost: Sequence[str], k: int) -> None:
    found = [name for name in targets if name in lost]
    if found:
        raise DataError(
            f"Target '{found[0]}' is determined by the other linear columns in the rows outside fold "
            f"{k + 1}. Merge its level with another, use fewer folds, or leave it out of targets=."
        )


def _warn_still(still: Sequence[Sequence[str]]) -> None:
    """Warn of columns that the rows outside a fold do not determine."""
    names, count = _named(still)
    if count:
        warnings.warn(
            f"Columns that rows outside a fold do not determine: {names} ({count} of {len(still)} folds). "
            "Their coefficients are 0 there. Merge levels, or use fewer folds.",
            ExtrapolationWarning,
            stacklevel=outside(),
        )


def _warn_separated(moving: Sequence[Sequence[str]]) -> None:
    """Warn of infinite coefficients in the linear models of the rows outside a fold, or of all rows."""
    names, count = _named(moving)
    where = "all rows" if len(moving) == 1 else f"the rows outside a fold ({count} of {len(moving)} folds)"
    if count:
        warnings.warn(
            f"Separation, {names} infinite in the linear model of {where}: the nuisances are extreme. "
            "Merge levels, or use fewer folds.",
            SeparationWarning,
            stacklevel=outside(),
        )


def _named(lists: Sequence[Sequence[str]], most: int = 3) -> tuple[str, int]:
    """The first names of some lists, and how many lists have any."""
    names = list(dict.fromkeys(name for one in lists for name in one))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more, sum(map(bool, lists))
