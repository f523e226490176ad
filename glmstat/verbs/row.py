"""Verbs with a value per row: predictions, residuals, influence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

    from glmstat.call import Covariance
    from glmstat.fit import Fit

__all__ = ["influence", "predict", "residuals"]


def predict(
    self: Fit,
    newdata: Any = None,
    *,
    type: str = "response",
    se_fit: bool = False,
    interval: str | None = None,
    level: float = 0.95,
    offset: Any = None,
    exposure: Any = None,
    new_levels: str = "raise",
    vcov: str | Covariance | None = None,
    data: Any = None,
    to: str | PathLike[str] | None = None,
    overwrite: bool = False,
) -> Any:
    """Return predictions for new rows, in their order, on their index; or write them to a file.

    The offset is evaluated again from `newdata`. Rows with missing values are NaN. Rows that are read block
    by block give as many numbers in memory as they are, unless they go to a file: then memory does not grow.

    Parameters
    ----------
    newdata : data of any form that a fit takes, with the columns of the right side; default the rows of
        the fit.
    type : "response" (the mean), "link" (the linear predictor) or "terms" (each term's part of it,
        centred at its mean over the rows of the fit, as R); of a parameter with a formula its name: "theta".
    se_fit : add the standard error; for the mean by the delta method.
    interval : "confidence" adds conf_low and conf_high, for the mean transformed from the link scale.
    level : coverage of the interval.
    offset, exposure : as many values as rows, where those of the fit were arrays.
    new_levels : "raise", "na" (NaN), or "reference" for levels that the fit has not seen.
    vcov, data : as in `vcov`.
    to : path of a Parquet file that the predictions are written to, with a column `row` that counts the
        rows of the data from 0; it stands in its place when all of it is written. Of rows of the fit with
        missing values there are NaN where its `na_action` was "exclude".
    overwrite : replace a file of that name, but never one that the fit or `newdata` is read from.

    Returns
    -------
    A series named by `type`; a table estimate[, std_error][, conf_low, conf_high] if more is asked
    for; a table with a column per term for "terms". With `to`, what was written: path, rows and columns.

    Raises
    ------
    ColumnError : a column, or that of the offset, is not in `newdata`.
    DataError : an unseen level, or a row that the aliased columns make non-estimable.
    FileError : a file that is there already or is read, another ending than .parquet, no room.
    """
    from glmstat.inference.predict import predict

    return predict(
        self.with_vcov(vcov, data=data),
        newdata,
        type=type,
        se_fit=se_fit,
        interval=interval,
        level=level,
        offset=offset,
        exposure=exposure,
        new_levels=new_levels,
        to=to,
        overwrite=overwrite,
    )


def residuals(
    self: Fit,
    type: str = "deviance",
    *,
    standardized: bool = False,
    studentized: bool = False,
    data: Any = None,
    to: str | PathLike[str] | None = None,
    overwrite: bool = False,
) -> Any:
    """Return residuals of the rows of the fit, on the caller's index; or write them to a file.

    Parameters
    ----------
    type : "deviance", "pearson" (both with the square root of the prior weight), "working",
        "response" (both without), or "partial": a table, working residuals plus each term.
    standardized : divided by their standard deviation sqrt(phi (1 - h)), as R's rstandard.
    studentized : with the dispersion of the fit without the row, as R's rstudent.
    data : the data of the fit, where the fit holds none.
    to, overwrite : as in `predict`.
    """
    from glmstat.inference.residual import residuals

    words = {"standardized": standardized, "studentized": studentized, "to": to, "overwrite": overwrite}
    return residuals(self, type, data, **words)


def influence(
    self: Fit,
    *,
    by: Any = None,
    data: Any = None,
    to: str | PathLike[str] | None = None,
    overwrite: bool = False,
) -> Any:
    """Return what each row, or each cluster, does to the fit; or write that of the rows to a file.

    Parameters
    ----------
    by : variable whose groups are left out as one, a name, expression or array, or several of which each
        combination is a group; default each row.
    data : the data of the fit, where the fit holds none.
    to, overwrite : as in `predict`; the columns are those of `to_frame()`.

    Returns
    -------
    Influence: print it, or take `to_frame()`, `cooks`, `hat`, `dfbeta`, `dfbetas`, `flagged`, and
    `deletion("exact")` for the fits without each row or cluster.

    Raises
    ------
    ArgumentError : a model with several predictors, or `by` that is no variable.
    ColumnError, DataError : a name that the data do not have, rows without a value, one group.
    """
    from glmstat.inference.influence.verb import influence

    return influence(self, data=data, by=by, to=to, overwrite=overwrite)
