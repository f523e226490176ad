"""Bias-reduced estimates: of a frame, of a subspace of a model, and what a table says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.estimate import Convergence, Dispersion, Estimate
from glmstat.families import Family
from glmstat.frame import ModelFrame
from glmstat.information import DenseInformation
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array
from glmstat.solve.bias.ascent import Climb
from glmstat.solve.bias.dispersion import Spread, spread_of, unit_adjusted
from glmstat.solve.bias.problem import Point, Problem
from glmstat.solve.bias.roots import Root, find_root
from glmstat.solve.bias.starts import smoothed_start
from glmstat.solve.bias.words import statement
from glmstat.solve.estimate import (
    Found,
    at_work,
    begin,
    estimate_at,
    fit_estimate,
    totals,
    usable_null,
)
from glmstat.solve.estimator import Asked, Within
from glmstat.solve.maximum import Maximum, moved_rows
from glmstat.solve.newton import Ascent
from glmstat.solve.scaling import open_workspace
from glmstat.solve.separation import found_direction
from glmstat.workspace import Workspace

if TYPE_CHECKING:
    from glmstat.formula.design import Design
    from glmstat.statement import Statement

__all__ = ["BiasReduced"]

FEW = 200_000  # cells up to which smoothed rows are fitted first, and other roots looked for
UNADJUSTED = "the adjustment is 0, the coefficients are those of maximum likelihood"


@dataclass(frozen=True)
class BiasReduced:
    """Estimates that solve adjusted scores.

    Parameters
    ----------
    method : "firth" (mean bias), "median_br" (median bias), "jeffreys" (posterior mode, Jeffreys' prior).
    ratio : whether the adjusted score is the slope of a penalised likelihood: under Jeffreys' prior, and for
        "firth" with a canonical link.
    unit : whether the scores are adjusted for dispersion 1.

    Source: Firth (1993), Biometrika 80, 27-38; Kosmidis & Firth (2009), Biometrika 96, 793-804; Kosmidis,
    Kenne Pagui & Sartori (2020), Statistics and Computing 30, 43-59; numbers as R's brglm2.
    """

    method: str
    ratio: bool = True
    unit: bool = True

    kind = "bias"
    of_columns = True  # the penalty is made of the columns of the model

    @classmethod
    def asked(cls, asked: Asked, likelihood: GLM, frame: ModelFrame) -> BiasReduced:
        """Return the estimator that a call asks for.

        Raises
        ------
        ArgumentError : sampling weights, or median bias without a third moment.
        """
        words, family = f'method="{asked.method}"', likelihood.family
        if frame.roles.sampling_weights is not None:
            raise ArgumentError(
                f"{words} does not go with sampling_weights=: the bias that it reduces is that of "
                "independent rows. Use weights= or freq_weights=, or leave method= out."
            )
        if asked.method == "median_br" and not _has_skewness(family):
            raise ArgumentError(
                f"{words} needs a distribution, for its third moment: the {family.name} family has none. "
                'Use method="firth".'
            )
        ratio = asked.method == "jeffreys" or (asked.method == "firth" and likelihood.canonical)
        return cls(asked.method, ratio, unit_adjusted(family))

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
        """Return the estimate of a frame; in a subspace, with the penalty of all columns of the model."""
        asked = within.dispersion if within is not None and not self.unit else dispersion
        control = control or Control()
        reason = _unadjusted_because(self.method, likelihood.family)
        if reason:
            return self._unadjusted(frame, likelihood, start, control, asked, reason)
        with at_work(frame):
            whole = open_workspace(frame, likelihood)
            counts, intercept = totals(whole, frame, None)
            workspace, rank, points = begin(whole, frame, intercept, start, None)
            spread = spread_of(frame, likelihood, counts.rows, workspace.size, self.method, asked)
            problem = self._problem(workspace, spread, within)
            few = start is None and frame.rows * workspace.size <= FEW
            smoothed = smoothed_start(workspace, rank, frame, counts.rows, control) if few else None
            starts = _distinct(
                smoothed, *(point.gamma for point in points), usable_null(workspace, intercept)
            )
            root = find_root(problem, starts, control, frame.rows, look=few)
            end = root.end
            ascent = _as_ascent(root, workspace, control.tolerance)
            found = Found(workspace, rank, Maximum(ascent), counts, intercept, None)
            known = spread.rule in ("adjusted", "ml")
            estimate = estimate_at(frame, found, end.point.phi if known and end.point.phi > 0 else asked)
            if estimate.convergence.status == "not converged":
                estimate = replace(estimate, information=_nothing(estimate), loglik=np.nan)
            convergence = _told(estimate.convergence, root)
            if self.unit and estimate.dispersion.estimated and few and within is None:
                convergence = _separated(workspace, convergence)
            return replace(
                estimate,
                dispersion=_known(spread, end.point.phi) if known else estimate.dispersion,
                criterion=_criterion(problem, end.point, estimate.deviance) if self.ratio else None,
                convergence=convergence,
            )

    def _unadjusted(
        self, frame: ModelFrame, likelihood: GLM, start: Array | None, control: Control, asked: Any, why: str
    ) -> Estimate:
        """The estimate where the adjustment of the coefficients is 0."""
        estimate = fit_estimate(frame, likelihood, start=start, control=control, dispersion=asked)
        spread = spread_of(frame, likelihood, estimate.rows, estimate.rank, self.method, asked)
        notes = (*estimate.convergence.notes, f"{why}: {UNADJUSTED}")
        estimate = replace(estimate, convergence=replace(estimate.convergence, notes=notes))
        if spread.rule != "adjusted":
            return estimate
        with at_work(frame):
            return replace(estimate, dispersion=_known(spread, spread.at(estimate.deviance, np.nan)))

    def _problem(self, workspace: Workspace, spread: Spread, within: Within | None) -> Problem:
        if within is None:
            nothing = np.zeros(workspace.size)
            return Problem(workspace, self.method, spread, self.ratio, nothing)
        whole = open_workspace(within.frame, workspace.likelihood)
        if within.kept is not None and len(within.kept) < whole.size:
            whole = whole.kept(within.kept)
        origin = whole.to_gamma(within.origin[whole.columns])
        back = within.basis[np.ix_(whole.columns, workspace.columns)] @ workspace.transform
        basis = np.array([whole.to_gamma(column) for column in back.T]).reshape(-1, whole.size).T
        return Problem(whole, self.method, spread, self.ratio, origin, basis)

    def statement(self, estimate: Estimate, design: Design) -> Statement:
        """Return what the table says."""
        return statement(self.method, estimate, ratio=self.ratio, unit=self.unit)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> BiasReduced:
        """Return the estimator that `to_json` wrote."""
        return cls(**plain)


def _unadjusted_because(method: str, family: Family) -> str:
    """Why the adjustment is 0, "" where it is not: of a linear mean, or of an information without eta."""
    exponent, power = family.link.exponent, family.power
    if method == "firth":
        return "identity link" if exponent == 1.0 else ""
    flat = method == "jeffreys" and exponent is not None and 2.0 - 2.0 * exponent == power
    return "the information does not depend on the coefficients" if flat else ""


def _nothing(estimate: Estimate) -> DenseInformation:
    """An information without numbers: of coefficients that solve nothing there are no standard errors."""
    slots = np.flatnonzero(np.isfinite(estimate.theta))
    size = len(slots)
    return DenseInformation(np.full((size, size), np.nan), np.eye(size), slots, len(estimate.theta))


def _separated(workspace: Workspace, convergence: Convergence) -> Convergence:
    """The end, with the rows that are separated: their residuals tell nothing of the dispersion."""
    direction = found_direction(workspace)
    if direction is None:
        return convergence
    whole = np.zeros(workspace.width)
    whole[workspace.columns] = direction
    return replace(convergence, separation="separated", separated_rows=moved_rows(workspace, [whole]))


def _has_skewness(family: Family) -> bool:
    """Whether the third cumulant is that of an exponential family with this variance."""
    return family.has_likelihood or family.name == "tweedie"


def _distinct(*places: Array | None) -> list[Array]:
    """The places that there are, each once."""
    found: list[Array] = []
    for place in places:
        if place is not None and not any(np.array_equal(place, one) for one in found):
            found.append(place)
    return found


def _as_ascent(root: Root, workspace: Workspace, tolerance: float) -> Ascent:
    end: Climb = root.end
    point: Point = end.point
    return Ascent(
        workspace,
        point.place,
        point.objective,
        point.magnitude,
        end.ending,
        point.decrement,
        "finite",
        tuple(end.trace),
        root.iterations,
        end.halvings,
        floor=end.floor,
        tolerance=tolerance,
    )


def _known(spread: Spread, phi: float) -> Dispersion:
    return Dispersion(phi, "ml" if spread.rule == "ml" else "adjusted")


def _criterion(problem: Problem, point: Point, deviance: float) -> float:
    """-2 times the penalised likelihood, for dispersion 1 and up to a constant of the model."""
    return deviance - point.phi * problem.log_information(problem.gamma(point.place))


def _told(convergence: Convergence, root: Root) -> Convergence:
    """The end in words of adjusted scores; whether the likelihood has a finite maximum was not asked."""
    reason, end = convergence.reason, root.end
    notes = (*convergence.notes, root.note) if root.note else convergence.notes
    if convergence.status == "not converged":
        steps = "1 iteration" if root.iterations == 1 else f"{root.iterations} iterations"
        reason = f"{steps} did not reach a root of the adjusted score"
        if end.edge:
            reason = "the adjusted score has no root found inside the domain: a mean reaches its edge"
        elif end.ending == "stuck":
            reason = (
                f"no step comes nearer to a root of the adjusted score, decrement {end.point.decrement:.1e}"
            )
    return replace(convergence, separation="not needed", reason=reason, notes=notes)
