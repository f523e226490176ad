"""What out-of-fold predictions are good for: the gain, prediction intervals, honest residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import Covariance, NotKept
from glmstat.errors import ArgumentError, DataError
from glmstat.inference.score import frame_of
from glmstat.inference.variable import grouping
from glmstat.neural import gain as gains
from glmstat.neural.beside import arrays_of
from glmstat.neural.conformal import Conformal, Sizes, calibrated, calibration_sizes
from glmstat.neural.folds import check_clusters
from glmstat.neural.interval import need_rows

if TYPE_CHECKING:
    from glmstat.network_fit import NetworkFit, OutOfFold

__all__ = [
    "calibration",
    "check_uncut",
    "clusters_of",
    "gain",
    "keep_calibration",
    "need_out_of_fold",
    "need_scores",
]

_SIZES, _WHOLE = "calibration", "calibration of counts"


def need_out_of_fold(fit: NetworkFit, what: str) -> OutOfFold:
    """Return the out-of-fold predictors of a fit.

    Raises
    ------
    ArgumentError : the fit was not cross-fitted.
    """
    held = fit.record.out_of_fold
    if held is None:
        statement = fit.spec.statement
        name = "none" if statement is None else statement.name
        raise ArgumentError(
            f'{what} needs rows that the networks did not see: inference is "{name}". '
            'Use rglm(..., inference="debiased").'
        )
    return held


def check_uncut(fit: NetworkFit, covariance: Covariance) -> None:
    """Refuse clusters that the folds of a fit cut.

    Raises
    ------
    ArgumentError : rows of one cluster lie in several folds.
    """
    held = fit.record.out_of_fold
    if held is None or not covariance.cluster or fit.frame is None:
        return
    for way in covariance.cluster:
        found, kept = grouping(fit, way), fit.frame.rows_kept
        codes = found.codes if kept is None else found.codes[kept]
        check_clusters(held.fold.astype(np.int64), codes.astype(np.int64), found.text)


def need_scores(fit: NetworkFit, covariance: Covariance) -> None:
    """Refuse a covariance that a fit without the scores of its table cannot make.

    Raises
    ------
    DataError : the fit was loaded from a file, or copied without rows.
    """
    scored = fit.columns != fit.head.columns and covariance.kind != "classical"
    if scored and fit.frame is None and covariance.key not in fit.kept:
        raise DataError(
            f'vcov "{covariance.kind}" needs the scores of the table, which a file does not hold. '
            "Fit again by refit(data), or take with_vcov() before saving."
        )


def clusters_of(fit: NetworkFit) -> Covariance | None:
    """Return a covariance by the clusters of a fit, of its table or of its folds; None without any."""
    given = fit.spec.call["cluster"]
    if fit.covariance.cluster or given is None or isinstance(given, NotKept):
        return fit.covariance if fit.covariance.cluster else None
    return Covariance("CR1", cluster=given)


def calibration(fit: NetworkFit, level: float) -> Conformal:
    """Return the calibration of prediction intervals on the out-of-fold rows."""
    need_out_of_fold(fit, "A prediction interval")
    keep_calibration(fit)
    if _SIZES not in fit.kept:
        need_rows(fit.head, "A prediction interval")
    sizes, counts = fit.kept[_SIZES].T
    found = Sizes(sizes, counts, bool(fit.kept[_WHOLE][0]))
    return calibrated(fit.spec.likelihood.family, found, level=level, dispersion=fit.head.dispersion)


def keep_calibration(fit: NetworkFit) -> None:
    """Keep the sizes of out-of-fold residuals on the fit, where it holds rows: a file needs no others."""
    held = fit.record.out_of_fold
    if held is None or fit.head.frame is None or _SIZES in fit.kept:
        return
    rows = arrays_of(frame_of(fit.head, "A prediction interval"))
    found = calibration_sizes(
        fit.spec.likelihood.family,
        rows.y,
        held.network,
        rows.weights,
        dispersion=fit.head.dispersion,
        frequency=rows.frequency,
    )
    for name, values in ((_SIZES, np.column_stack([found.sizes, found.counts])), (_WHOLE, [found.whole])):
        kept = np.array(values, dtype=np.float64)
        kept.flags.writeable = False
        fit.kept[name] = kept


def gain(fit: NetworkFit, data: Any = None) -> gains.Gain:
    """Return the gain of the networks; the words are those of `NetworkFit.gain`."""
    held = need_out_of_fold(fit, "gain()")
    rows = arrays_of(frame_of(fit.head if data is None else fit.head.with_data(data), "gain()"))
    clusters = held.cluster
    return gains.gain(
        fit.spec.likelihood,
        rows.y,
        rows.weights,
        held.network,
        held.linear,
        frequency=rows.frequency,
        clusters=None if clusters is None else np.asarray(clusters, dtype=np.int64),
        native=fit.native,
        folds=int(held.fold.max()) + 1,
    )
