"""Where the solver starts: R's first weighted least squares, the null model, or a point between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glmstat.compute import Sums
from glmstat.errors import ArgumentError, DomainError
from glmstat.matrix import Array, IntArray
from glmstat.solve.linear import Factored, factor
from glmstat.workspace import Need, Workspace

__all__ = [
    "Start",
    "given_coefficients",
    "inside",
    "needed",
    "null_start",
    "start_at",
    "starting_points",
    "weighted_start",
]


@dataclass(frozen=True, eq=False)
class Start:
    """A point and the sums of a pass there, None where the likelihood is not finite."""

    gamma: Array
    sums: Sums | None

    @property
    def objective(self) -> float:
        """The objective, -inf where it is not finite."""
        return -np.inf if self.sums is None else self.sums.objective


def given_coefficients(start: Array, width: int, slots: IntArray | None = None) -> Array:
    """Return coefficients (p,) that were given to start from.

    Parameters
    ----------
    width : p.
    slots : of those that must be numbers; None where any may be unknown.

    Raises
    ------
    ArgumentError : another length, or no numbers.
    """
    given = np.asarray(start, dtype=np.float64)
    if given.shape != (width,) or (slots is not None and not np.isfinite(given[slots]).all()):
        raise ArgumentError(
            f"start must be {width} finite numbers, one per coefficient: got shape {given.shape}."
        )
    return given


def needed(workspace: Workspace) -> Need:
    """Return the information a step needs: observed where the objective is concave, else both."""
    return "observed" if workspace.concave else "both"


def weighted_start(sums: Sums, found: Factored | None = None) -> Array | None:
    """Return the coefficients of R's first weighted least squares from the sums of `start_pass`.

    Parameters
    ----------
    found : the factor of its information, where that is known.
    """
    assert sums.expected is not None
    found = factor(sums.expected) if found is None else found
    return None if found is None or not np.isfinite(sums.score).all() else found.solve(sums.score)


def null_start(workspace: Workspace, intercept: float) -> Array | None:
    """Return the null model's coefficients, or None where it has none that are finite."""
    if workspace.intercept is None or not np.isfinite(intercept):
        return None
    start = np.zeros(workspace.size)
    start[workspace.intercept] = intercept
    return start


def inside(workspace: Workspace, gamma: Array) -> bool:
    """Whether every mean lies strictly inside its domain."""
    if not workspace.likelihood.bounded:
        return True
    return workspace.extremes(gamma, np.zeros_like(gamma), "none").slack > 0


def starting_points(workspace: Workspace, first: Array | None, null: Array | None) -> list[Start]:
    """Return the point to start from, and a second one where the likelihood may have several maxima.

    The first is the better of `first` (weighted least squares, or the fit of a subsample), the null
    model and the points between them.
    """
    if workspace.size == 0:
        return [start_at(workspace, np.zeros(0))]
    if null is None and not workspace.likelihood.bounded:
        null = np.zeros(workspace.size)
    best = Start(np.zeros(workspace.size), None) if first is None else start_at(workspace, first)
    floor = -np.inf if null is None else _objective(workspace, null)
    if best.objective < floor and null is not None:
        best = _between(workspace, null, first, floor)
    if best.sums is None:
        best = _feasible(workspace)
    if workspace.likelihood.concave or null is None or best.gamma is null or not np.isfinite(floor):
        return [best]
    return [best, start_at(workspace, null)]


def _objective(workspace: Workspace, gamma: Array) -> float:
    if not inside(workspace, gamma):
        return -np.inf
    sums = workspace.pass_(gamma, "none")
    return sums.objective if sums.finite else -np.inf


def start_at(workspace: Workspace, gamma: Array) -> Start:
    """Return the point with its sums; an objective of -inf says that a mean leaves its domain."""
    if not inside(workspace, gamma):
        return Start(gamma, None)
    sums = workspace.pass_(gamma, needed(workspace))
    return Start(gamma, sums if sums.finite else None)


def _between(workspace: Workspace, null: Array, first: Array | None, floor: float) -> Start:
    likelihood = workspace.likelihood
    if first is not None and (likelihood.bounded or not likelihood.concave):
        for halvings in range(1, 13):
            point = start_at(workspace, null + 0.5**halvings * (first - null))
            if point.objective > floor:
                return point
    return start_at(workspace, null)


def _feasible(workspace: Workspace) -> Start:
    """Return coefficients well inside the domain of a bounded link.

    Raises
    ------
    DomainError : there are none.
    """
    from glmstat.solve.feasible import widest_interior

    point = start_at(workspace, widest_interior(workspace))
    if point.sums is not None:
        return point
    raise DomainError(
        "No coefficients were found at which the likelihood is finite: start values and null model fail. "
        "Give start=, or use another link."
    )
