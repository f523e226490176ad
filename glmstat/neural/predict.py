"""Predictions, residuals and features of a fit with networks."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.array import Array
from glmstat.errors import ArgumentError, ExtrapolationWarning, near, one_of, outside, row_list
from glmstat.formula.design import Design
from glmstat.formula.newdata import NewRows
from glmstat.inference.predict import mean_ends, mean_of, slope_of
from glmstat.inference.reference import check_level
from glmstat.inference.residual import RESIDUALS
from glmstat.inference.rows import ByRow, of_fit
from glmstat.inference.score import frame_of
from glmstat.matrix import Block, DesignMatrix
from glmstat.neural.beside import columns_of, rows_of
from glmstat.neural.held_out import calibration, need_out_of_fold
from glmstat.neural.interval import kept_linear, need_rows
from glmstat.neural.laplace import Laplace
from glmstat.neural.layout import Layout, read_layout
from glmstat.table import noted

if TYPE_CHECKING:
    from glmstat.network_fit import NetworkFit

__all__ = ["features", "predict", "residuals", "warn_outside"]

TYPES = ("response", "link", "terms", "features")
INTERVALS = ("confidence", "prediction")


def predict(
    fit: NetworkFit,
    newdata: Any,
    *,
    type: str,
    se_fit: bool,
    interval: str | None,
    level: float,
    offset: Any,
    exposure: Any,
    new_levels: str,
    oof: bool,
) -> Any:
    """Return predictions; the words are those of `NetworkFit.predict`."""
    _check(type, interval, se_fit)
    check_level(level)
    if oof:
        return _held_out(fit, newdata, type, se_fit=se_fit, interval=interval)
    if newdata is None:
        need_rows(fit.head, "predict() without newdata")
    else:
        warn_outside(fit, newdata, offset=offset, exposure=exposure, new_levels=new_levels)
    if type == "features":
        return features(fit, newdata)
    words = {"offset": offset, "exposure": exposure, "new_levels": new_levels}
    if not se_fit and interval is None:
        return fit.head.predict(newdata, type=type, **words)
    rows = _moments(fit, newdata, words, with_se=se_fit or interval == "confidence")
    return _table(fit, newdata, rows, type, se_fit=se_fit, interval=interval, level=level)


def _check(type: str, interval: str | None, se_fit: bool) -> None:
    if type not in TYPES:
        raise ArgumentError(f"Unknown type: {type!r}. Known: {one_of(TYPES)}.{near(str(type), TYPES)}")
    if interval is not None and interval not in INTERVALS:
        hint = near(str(interval), INTERVALS)
        raise ArgumentError(f"Unknown interval: {interval!r}. Known: {one_of(INTERVALS)}.{hint}")
    if type in ("terms", "features") and (se_fit or interval):
        raise ArgumentError(
            f'Standard errors go with type="link" or "response": type is "{type}". Leave out se_fit.'
        )
    if interval == "prediction" and type == "link":
        raise ArgumentError('A prediction interval is one of the response. Use type="response".')


def _moments(fit: NetworkFit, newdata: Any, words: dict[str, Any], *, with_se: bool) -> ByRow:
    """Predictor, its standard error, and weight of each row (n, 3)."""
    head, theta = fit.head, np.nan_to_num(fit.head.estimate.theta)
    raw = head.spec.design.untrained
    layout = read_layout(raw, None)
    found = fit.laplace if with_se else None

    if newdata is None:
        return _own_moments(fit, layout, raw, theta, found)
    trained: NewRows = head.spec.design.new_rows(newdata, **words)
    plain: NewRows = raw.new_rows(newdata, **words)
    eta = trained.fill(lambda X, added: X[0].dot(theta) + added[:, 0])
    out = np.column_stack([eta, np.zeros(len(eta)), np.ones(len(eta))])
    if found is not None:
        out[:, 1] = plain.fill(lambda X, added: _std_errors(found, layout, fit, X[0].to_array()))
    return ByRow(out, trained.native)


def _weightless(fit: NetworkFit, newdata: Any) -> str:
    """What is said of new rows, whose weights or trials are not known."""
    call, response = fit.spec.call, fit.spec.design.formula.response
    weighted = call["weights"] is not None or (response is not None and response.kind == "counts")
    return "; new rows have weight 1" if newdata is not None and weighted else ""


def _own_moments(fit: NetworkFit, layout: Layout, raw: Design, theta: Array, found: Laplace | None) -> ByRow:
    """The same of the rows of the fit."""
    frame = need_rows(fit.head, "predict() without newdata")
    columns = columns_of(frame.with_design(raw), np.arange(len(raw.columns)))
    se = np.zeros(len(columns)) if found is None else _std_errors(found, layout, fit, columns)

    def values(block: Block) -> Array:
        eta = block.X[0].dot(theta) + block.offset[:, 0]
        return np.column_stack([eta, se[rows_of(frame, block)], block.weights])

    return of_fit(fit.head, "predict without newdata", values, width=3)


def _std_errors(found: Laplace, layout: Layout, fit: NetworkFit, columns: Array) -> Array:
    linear = kept_linear(fit.head, layout)
    return found.std_error(columns[:, linear], [columns[:, one.slots] for one in layout.networks])


def _table(
    fit: NetworkFit,
    newdata: Any,
    rows: ByRow,
    type: str,
    *,
    se_fit: bool,
    interval: str | None,
    level: float,
) -> Any:
    eta, se, weights = rows.values.T
    head = fit.head
    estimate = mean_of(head, eta) if type == "response" else eta
    columns, facts = {"estimate": estimate}, {"type": type}
    if se_fit:
        columns["std_error"] = slope_of(head, eta) * se if type == "response" else se
    if se_fit or interval == "confidence":
        facts |= {"interval": f"{fit.laplace.label}; {fit.laplace.caution}"}
    if interval == "confidence":
        half = fit.laplace.quantile(level) * se
        ends = (eta - half, eta + half)
        columns["conf_low"], columns["conf_high"] = mean_ends(head, *ends) if type == "response" else ends
    if interval == "prediction":
        calibrated = calibration(fit, level)
        columns["conf_low"], columns["conf_high"] = calibrated.interval(eta, weights)
        facts |= {"interval": f"{calibrated.label}{_weightless(fit, newdata)}"}
    if interval is not None:
        facts |= {"level": level}
    return noted(rows.table(columns), **facts)


def _held_out(fit: NetworkFit, newdata: Any, type: str, *, se_fit: bool, interval: str | None) -> Any:
    held = need_out_of_fold(fit, "oof=True")
    if newdata is not None or se_fit or interval is not None or type not in ("response", "link"):
        raise ArgumentError(
            'oof=True predicts the rows of the fit, by type="response" or "link" alone. Leave the rest out.'
        )
    eta = held.network
    values = mean_of(fit.head, eta) if type == "response" else eta
    frame = need_rows(fit.head, "predict(oof=True)")
    return of_fit(fit.head, "predict(oof=True)", lambda block: values[rows_of(frame, block)]).series(type)


def residuals(fit: NetworkFit, type: str, *, oof: bool, data: Any) -> Any:
    """Return residuals; the words are those of `NetworkFit.residuals`."""
    if not oof:
        return fit.head.residuals(type, data=data)
    if type not in RESIDUALS:
        raise ArgumentError(
            f"Unknown type: {type!r}. Known: {one_of(tuple(RESIDUALS))}.{near(str(type), RESIDUALS)}"
        )
    held = need_out_of_fold(fit, "oof=True")
    head = fit.head if data is None else fit.head.with_data(data)
    frame = frame_of(head, "residuals(oof=True)")

    def values(block: Block) -> Array:
        eta = held.network[rows_of(frame, block)][:, None]
        return RESIDUALS[type](head.spec.likelihood, block.y, eta, block.weights)

    return of_fit(head, "residuals(oof=True)", values).series(type)


def features(fit: NetworkFit, newdata: Any) -> Any:
    """Return the features as a table; the words are those of `NetworkFit.features`."""
    design = fit.head.spec.design
    pieces = design.networks.values()
    slots = np.concatenate([np.arange(piece.slots.start, piece.slots.stop) for piece in pieces])
    names = [design.columns[slot] for slot in slots]

    def values(X: tuple[DesignMatrix, ...], offset: Array) -> Array:
        return X[0].take(None, slots).to_array()

    if newdata is None:
        need_rows(fit.head, "features() without newdata")
        rows = of_fit(fit.head, "features", lambda block: values(block.X, block.offset), width=len(slots))
    else:
        opened = design.new_rows(newdata)
        rows = ByRow(opened.fill(values), opened.native)
    return rows.table(dict(zip(names, rows.values.T, strict=True)))


def warn_outside(fit: NetworkFit, newdata: Any, **words: Any) -> None:
    """Warn of rows whose inputs lie outside the range of the rows of the fit."""
    raw = fit.head.spec.design.untrained
    layout = read_layout(raw, None)
    names = raw.columns
    rows = raw.new_rows(newdata, **words)

    def values(X: tuple[DesignMatrix, ...], offset: Array) -> Array:
        columns = X[0].to_array()
        out = np.zeros((len(offset), len(layout.networks)))
        for place, one in enumerate(layout.networks):
            low, high = fit.record.ranges[one.name]
            slack = 1e-9 * (high - low)
            seen = columns[:, one.slots]
            beyond = (seen < low - slack) | (seen > high + slack)
            out[:, place] = np.where(beyond.any(axis=1), beyond.argmax(axis=1) + 1, 0)
        return out

    found = np.nan_to_num(rows.fill(values))
    where = np.flatnonzero(found.any(axis=1))
    if not len(where):
        return
    place = int(np.flatnonzero(found[where[0]])[0])
    name = names[layout.networks[place].slots[int(found[where[0], place]) - 1]].partition(".")[2]
    warnings.warn(
        f"Inputs outside the range of the fit: '{name}' in {row_list(where, len(where))}. "
        "There a network says what its activations say, not what data say.",
        ExtrapolationWarning,
        stacklevel=outside(),
    )
