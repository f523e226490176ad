"""`Fit.verify`: the estimate held against the rows, and against a second solver."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.array import silence
from glmstat.errors import ArgumentError
from glmstat.inference.hat import at_boundary, one_predictor
from glmstat.inference.score import frame_of
from glmstat.inference.statement import need_effects, need_likelihood
from glmstat.inference.verify.beyond import Pull, beyond_of, held_off
from glmstat.inference.verify.certificate import Certificate, Measured
from glmstat.inference.verify.cone import runs_along
from glmstat.inference.verify.numbers import numbers_of
from glmstat.inference.verify.reading import Reading, Rowwise
from glmstat.inference.verify.second import Second, second_solver
from glmstat.matrix import Array
from glmstat.solve.scaling import open_workspace
from glmstat.triangular import triangular_inverse

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["verify"]

_LOWER = 1e-6  # share of what is made least by which another maximum is lower
_EPS = float(np.finfo(np.float64).eps)
VERB = "verify()"


def verify(fit: Fit, data: Any = None) -> Certificate:
    """Return the certificate; the words are those of `Fit.verify`.

    Raises
    ------
    ArgumentError : absorbed effects, several predictors, or no coefficient.
    ComparisonError : coefficients that solve no score that is known here.

    Source: Higham (2002), Accuracy and stability of numerical algorithms, chapters 7 and 20; Green (1984) for
    iteratively reweighted least squares.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}, "poisson")
    >>> verify(fit).verified
    True
    """
    frame = _frame(fit, data)
    with silence():
        return _certificate(fit, frame)


def _certificate(fit: Fit, frame: ModelFrame) -> Certificate:
    rows = _rows(fit, frame)
    if not len(rows.slots):
        return _all_infinite(fit, frame, rows)
    theta = np.nan_to_num(fit.estimate.theta)[rows.slots] / rows.scale
    here = rows.at(theta)
    phi = _dispersion(fit, here)
    edge = at_boundary(fit)
    pull = rows.beyond if isinstance(rows.beyond, Pull) else None
    kinked = pull is not None and bool(pull.prior.kinked.any())
    second = None if edge or kinked else second_solver(rows, phi)
    reason = ""
    if kinked:
        reason = "the posterior has kinks, which it does not know"
    elif edge:
        reason = "a mean lies at its bound, which holds the coefficients that move it"
    elif second is None:
        reason = "it found no start"
    elif not second.converged:
        reason = f"it did not converge in {second.iterations} steps"
    elif _another(fit, second, here):
        reason = "it ended at another one, which is lower"
    directions = [runs_along(fit, frame, k) for k in range(len(fit.estimate.directions))]
    measured = replace(_measured(fit, rows, theta, here, phi), penalty=here.penalty)
    if not edge:
        measured = replace(
            measured, numbers=numbers_of(fit, rows, theta, here.deviance), df=_df(fit, rows, theta)
        )
    if pull is not None and kinked:
        scale = open_workspace(frame, fit.spec.likelihood).scale
        measured = replace(measured, held_off=held_off(fit, rows, pull, lambda slots: scale[slots]))
    return Certificate(fit, measured, second, rows, reason, tuple(directions))


def _df(fit: Fit, rows: Rowwise, theta: Array) -> float:
    if isinstance(rows.beyond, Pull):
        return fit.estimate.rows - rows.beyond.effective(rows, theta)
    return float(fit.estimate.df_residual)


def _another(fit: Fit, second: Second, here: Reading) -> bool:
    """Whether the second solver ended at a lower maximum of a posterior that may have several."""
    if not isinstance(beyond_of(fit), Pull):
        return False
    return second.reading.height > here.height + _LOWER * (1.0 + abs(here.height))


def _all_infinite(fit: Fit, frame: ModelFrame, rows: Rowwise) -> Certificate:
    """The certificate where every coefficient is infinite: of directions, and of the rows that are left."""
    nothing = np.zeros(0)
    here = rows.at(nothing)
    unit = _EPS * fit.estimate.weight
    measured = Measured(nothing, 0.0, nothing, nothing, 1.0, here.deviance, unit, nothing, _slack(here, unit))
    directions = [runs_along(fit, frame, k) for k in range(len(fit.estimate.directions))]
    return Certificate(fit, measured, None, rows, "every coefficient is infinite", tuple(directions))


def _dispersion(fit: Fit, here: Reading) -> float:
    """The dispersion; where residuals are rounding, that of the predictor's rounding."""
    least = (8.0 * _EPS) ** 2 * here.terms / max(here.rows, 1)
    return max(fit.dispersion, least) if np.isfinite(fit.dispersion) else max(1.0, least)


def _frame(fit: Fit, data: Any) -> ModelFrame:
    """The rows, unless the fit is of a kind that no such certificate holds for."""
    need_effects(fit, VERB, "Write the factors as terms, as in y ~ x + C(firm).")
    one_predictor(fit, VERB, "Compare it with a fit from another start=.")
    if beyond_of(fit) is None:
        need_likelihood(fit, VERB)
    if np.isnan(fit.estimate.theta).all():
        raise ArgumentError(f"{VERB} has nothing to certify: the model has no coefficient that is estimated.")
    fit = fit if data is None else fit.with_data(data)
    return frame_of(fit, VERB) if fit.frame is None else fit.frame


def _rows(fit: Fit, frame: ModelFrame) -> Rowwise:
    information, estimate = fit.estimate.information, fit.estimate
    slots = information.slots
    scale = open_workspace(frame, fit.spec.likelihood).scale[slots]
    penalty = estimate.penalty
    if penalty is not None:
        penalty = penalty[np.ix_(slots, slots)] * scale * scale[:, None]
    loose = np.nan_to_num(information.inverse_root[slots]) / scale[:, None] if at_boundary(fit) else None
    beyond, rest = beyond_of(fit), np.nan_to_num(estimate.theta)
    rest[slots] = 0.0
    return Rowwise(
        frame,
        fit.spec.likelihood,
        slots,
        scale,
        estimate.directions,
        penalty,
        loose,
        beyond,
        rest if isinstance(beyond, Pull) and rest.any() else None,
    )


def _slack(here: Reading, unit: float) -> float:
    """What rounding of predictors does to the deviance: times the residual of each row, and squared."""
    return unit + 16.0 * _EPS * float(np.sqrt(here.terms * abs(here.deviance)))


def _measured(fit: Fit, rows: Rowwise, theta: Array, here: Reading, phi: float) -> Measured:
    """The score, the condition of the information, and what rounding can do to the coefficients."""
    loose, unit = rows.loose, (8.0 * _EPS) ** 2 * here.terms + _EPS * fit.estimate.weight
    root, score = here.root, here.score
    if isinstance(rows.beyond, Pull) and loose is None:
        own = rows.beyond.root(rows, theta)
        root = np.full_like(root, np.nan) if own is None else own
    relative = np.abs(here.score) / np.where(here.size > 0, here.size, 1.0)
    if loose is not None and not loose.any():  # every coefficient is held by a mean at its bound
        nothing = np.full(len(theta), np.nan)
        rounding = _EPS * np.abs(theta) * rows.scale
        return Measured(nothing, 0.0, nothing, rounding, 1.0, fit.deviance, unit, nothing, unit)
    if loose is not None:
        factor = root @ loose
        root, score = np.linalg.qr(factor, mode="r"), loose.T @ score
    sizes = np.linalg.norm(root, axis=0)
    sizes = np.where(sizes > 0, sizes, 1.0)
    values = np.linalg.svd(root / sizes, compute_uv=False) if np.isfinite(root).all() else np.zeros(0)
    condition = float(values[0] / values[-1]) if len(values) and values[-1] > 0 else np.inf
    inverse = triangular_inverse(root / sizes)
    if inverse is None or not np.isfinite(inverse).all():
        nothing = np.full(len(theta), np.nan)
        return Measured(
            nothing, np.inf, nothing, nothing, np.inf, here.deviance, unit, nothing, _slack(here, unit)
        )
    inverse = inverse / sizes[:, None]
    decrement = float(np.linalg.norm(inverse.T @ score) / np.sqrt(phi))
    inverse = inverse if loose is None else loose @ inverse
    errors = np.linalg.norm(inverse, axis=1)
    size = errors * np.sqrt(here.terms) + np.abs(inverse) @ (np.abs(inverse).T @ here.size)
    rounding = _EPS * size / np.sqrt(here.rows)  # errors of rows are as often up as down
    std_error = np.sqrt(phi) * errors * rows.scale
    if loose is not None:
        relative = np.full(len(theta), np.nan)
    return Measured(
        relative,
        decrement,
        std_error,
        rounding * rows.scale,
        condition,
        here.deviance,
        unit,
        errors * rows.scale,
        _slack(here, unit),
    )
