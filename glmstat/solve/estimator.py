"""How coefficients are estimated where that is not by maximum likelihood in them alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, Protocol

from glmstat.control import Control
from glmstat.errors import DataError
from glmstat.estimate import Estimate
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, IntArray
from glmstat.solve.estimate import fit_estimate
from glmstat.statement import Statement

if TYPE_CHECKING:
    from glmstat.formula.design import Design

__all__ = ["Asked", "Estimator", "NoFinite", "Within", "estimate_by", "estimate_or_limit"]


class NoFinite(DataError):
    """A parameter beside the coefficients has no finite estimate.

    Parameters
    ----------
    message : why, and what to do.
    limit : what the model is in the limit, where that is a distribution too.
    """

    def __init__(self, message: str, limit: Estimate | None = None) -> None:
        super().__init__(message)
        self.limit = limit


@dataclass(frozen=True)
class Asked:
    """What a call says of the estimator.

    Parameters
    ----------
    method : "ml", or the name of another.
    prior : of the coefficients; None where there is none.
    predictors : formulas of the predictors besides the mean's, by name.
    """

    method: str = "ml"
    prior: Any = None
    predictors: Mapping[str, str] | None = None


@dataclass(frozen=True, eq=False)
class Within:
    """A subspace of the coefficients of a frame: coef = origin + basis @ free.

    Parameters
    ----------
    frame : the rows with all columns and their own offset.
    origin : (p,).
    basis : (p, q).
    kept : slots of the columns that are not aliased; None where that is not known.
    dispersion : at which the model stands; NaN where that is not known.
    """

    frame: ModelFrame
    origin: Array
    basis: Array
    kept: IntArray | None = None
    dispersion: float = nan


class Estimator(Protocol):
    """One way to estimate the coefficients of a frame; every refit of a fit goes the same way."""

    @property
    def kind(self) -> str:
        """Its name among the estimators, as saved files have it."""
        ...

    def estimate(
        self,
        frame: ModelFrame,
        likelihood: GLM,
        *,
        start: Array | None = None,
        control: Control | None = None,
        dispersion: Any = None,
        within: Within | None = None,
    ) -> Estimate:
        """Return the estimate of a frame.

        Parameters
        ----------
        start, control, dispersion : as in `fit_estimate`.
        within : where the frame's columns are coordinates of a subspace: its columns as the model has them.
        """
        ...

    def statement(self, estimate: Estimate, design: Design) -> Statement | None:
        """Return what the table says; None where it is that of a maximum of the likelihood."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        ...


def estimate_by(
    estimator: Estimator | None,
    frame: ModelFrame,
    likelihood: GLM,
    *,
    start: Array | None = None,
    control: Control | None = None,
    dispersion: Any = None,
    within: Within | None = None,
) -> Estimate:
    """Return the estimate of a frame: by an estimator, or by maximum likelihood where there is none.

    Raises
    ------
    DataError : a parameter beside the coefficients is infinite.
    """
    if estimator is None:
        return fit_estimate(frame, likelihood, start=start, control=control, dispersion=dispersion)
    try:
        return estimator.estimate(
            frame, likelihood, start=start, control=control, dispersion=dispersion, within=within
        )
    except NoFinite as error:
        raise DataError(str(error)) from None


def estimate_or_limit(
    estimator: Estimator | None, frame: ModelFrame, likelihood: GLM, **arguments: Any
) -> Estimate:
    """Return `estimate_by`; where a parameter beside the coefficients is infinite, the limit of the model.

    For refits, whose numbers are compared: -2 log-likelihood and coefficients have their limits there.

    Raises
    ------
    GlmstatError : as `estimate_by`, where there is no limit.
    """
    if estimator is None:
        return estimate_by(None, frame, likelihood, **arguments)
    try:
        return estimator.estimate(frame, likelihood, **arguments)
    except NoFinite as error:
        if error.limit is None:
            raise DataError(str(error)) from None
        return error.limit
