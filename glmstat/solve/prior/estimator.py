"""Coefficients at the mode of their posterior, with Laplace's approximation around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.estimate import Estimate, Null
from glmstat.formula.design import Design
from glmstat.frame import ModelFrame
from glmstat.information import DenseInformation
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array
from glmstat.solve.dispersion import log_likelihood
from glmstat.solve.ending import how_it_ended
from glmstat.solve.estimate import at_work, left_open
from glmstat.solve.estimator import Asked, Within
from glmstat.solve.growing import growing_row
from glmstat.solve.linear import factor
from glmstat.solve.prior.choice import Assigned, assign
from glmstat.solve.prior.density import LogPrior
from glmstat.solve.prior.highest import find_highest
from glmstat.solve.prior.joint import At, is_perfect
from glmstat.solve.prior.road import Road
from glmstat.solve.prior.words import statement
from glmstat.solve.prior.workspace import Posterior
from glmstat.statement import Statement

__all__ = ["MaximumPosterior"]


@dataclass(frozen=True)
class MaximumPosterior:
    """The mode of the posterior of the coefficients.

    Parameters
    ----------
    priors : of the coefficients that have one.
    spelled : the argument as written.
    """

    priors: tuple[Assigned, ...]
    spelled: str

    @property
    def kind(self) -> str:
        """Its name among the estimators."""
        return "prior"

    @classmethod
    def asked(cls, asked: Asked, likelihood: GLM, frame: ModelFrame) -> MaximumPosterior:
        """Return the estimator that a call asks for.

        Raises
        ------
        ArgumentError : as `assign`; sampling weights.
        """
        if frame.roles.sampling_weights is not None:
            raise ArgumentError(
                "prior= does not go with sampling_weights: a weighted sample has no likelihood, and so no "
                "posterior. Leave one out."
            )
        spelled = f'prior="{asked.prior}"' if isinstance(asked.prior, str) else "prior={…}"
        return cls(assign(asked.prior, likelihood, frame), spelled)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> MaximumPosterior:
        """Return the estimator that `to_json` wrote."""
        return cls(tuple(map(Assigned.from_json, plain["priors"])), plain["spelled"])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"priors": [one.to_json() for one in self.priors], "spelled": self.spelled}

    def density(self, columns: tuple[str, ...]) -> LogPrior:
        """Return the log density of the coefficients of some columns."""
        rows = np.array([one.row(columns) for one in self.priors])
        return LogPrior.of([one.prior for one in self.priors], rows)

    def statement(self, estimate: Estimate, design: Design) -> Statement:
        """Return what the table says."""
        return statement(self.priors, self.spelled, estimate, design)

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
        """Return the mode of the posterior; parameters as `Estimator.estimate`.

        Raises
        ------
        ArgumentError : laplace priors that cannot tell columns apart.
        """
        prior = self.density(frame.columns if within is None else within.frame.columns)
        if within is not None:
            prior = prior.within(within.origin, within.basis)
        with at_work(frame):
            road = Road.open(frame, likelihood, prior, start, control or Control(), dispersion)
            return _estimate(road, find_highest(road, thorough=within is None))


def _estimate(road: Road, found: At) -> Estimate:
    mode, point, counts, frame = found.mode, found.point, road.counts, road.frame
    workspace = found.workspace
    theta = np.full(workspace.width, np.nan)
    theta[workspace.columns] = mode.beta
    theta.flags.writeable = False
    if found.dispersion.estimated:
        found = replace(found, dispersion=replace(found.dispersion, value=_value(found, workspace)))
    interior = mode.maximum.interior
    bound = interior is not None and interior.active.count > 0  # the posterior is cut off there
    root = None if bound else factor(found.information)
    information = DenseInformation(
        np.full((point.size, point.size), np.nan) if root is None else root.triangle,
        point.transform,
        point.columns,
        point.width,
    )
    null, perfect = _null(road), is_perfect(road, found)
    df_residual = counts.rows - ceil(found.effective - 1e-6)
    growing = None
    if len(point.flat) and mode.maximum.ascent.certified == "not needed" and not mode.maximum.directions:
        growing = growing_row(point, found.gamma, information, found.dispersion.value, 1.0)
    rank = replace(road.rank, notes=(*road.rank.notes, *left_open(frame, workspace, mode.maximum)))
    if mode.held:
        rank = road.rank
    convergence = how_it_ended(mode.maximum, rank, perfect, found.facts, df_residual, growing)
    why = _why_not(found, root is None and not bound, perfect)
    if why and convergence.status in ("converged", "not converged"):
        convergence = replace(convergence, status="not converged", reason=why)
    convergence = replace(convergence, notes=(*convergence.notes, *_notes(found)))
    if road.control.solver == "ladder":
        convergence = replace(convergence, ladder="priors take Newton's method")
    passes = getattr(frame, "passes", None)
    if passes is not None:
        convergence = replace(convergence, readings=passes.number)
    log_prior = workspace.prior.total(workspace.prior.values(np.nan_to_num(theta)))
    return Estimate(
        theta=theta,
        directions=mode.maximum.directions,
        rows=counts.rows,
        weight=counts.weight,
        fingerprint=frame.fingerprint,
        information=information,
        loglik=log_likelihood(point, found.facts, counts, found.dispersion),
        deviance=found.facts.deviance,
        null=null,
        pearson=found.facts.pearson,
        dispersion=found.dispersion,
        aliased={frame.columns[place]: why for place, why in road.rank.reasons.items()},
        convergence=convergence,
        df_residual=df_residual,
        criterion=found.facts.deviance - 2.0 * workspace.phi * log_prior,
    )


def _value(found: At, workspace: Posterior) -> float:
    """The dispersion of the mode; the estimate by it differs by rounding."""
    return workspace.phi if found.settled and found.dispersion.value > 0 else found.dispersion.value


def _null(road: Road) -> Null:
    has = road.frame.intercept is not None
    at = road.intercept if has else 0.0
    finite = np.isfinite(at)
    deviance = road.workspace.facts(np.zeros(road.workspace.size), at).null if finite else 0.0
    return Null(deviance, road.counts.rows - int(has))


def _why_not(found: At, singular: bool, perfect: bool) -> str:
    if found.dispersion.estimated and not found.dispersion.value > 0 and not perfect:
        return "no rows are left to estimate the dispersion (give dispersion=)"
    if not found.settled:
        return "dispersion and coefficients did not settle on each other (give dispersion=)"
    if not found.mode.settled:
        return "which coefficients stay at the location of their laplace prior did not settle"
    return "the posterior bends upwards where the ascent ended" if singular else ""


def _notes(found: At) -> list[str]:
    notes = []
    if found.gap is not None:
        joint = ", each with its own dispersion," if found.dispersion.estimated else ""
        notes.append(
            f"the posterior has several modes: their log densities{joint} differ by {found.gap:.6g}; the "
            "highest found is reported"
        )
    if found.dispersion.estimator in ("pearson", "deviance"):
        notes.append(
            f"dispersion at the mode, over the rows less {found.effective:.4g} effective coefficients"
        )
    if found.below is not None:
        notes.append(
            f"dispersion: its estimate, {found.below:.4g}, is below 1, that of independent counts or 0/1 "
            "rows, and counts as 1 (dispersion= gives another)"
        )
    return notes
