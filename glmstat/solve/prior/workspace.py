"""The rows of a frame with a prior of their coefficients: a posterior, to the solver."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular

from glmstat.compute import Sums
from glmstat.matrix import Array, IntArray
from glmstat.solve.prior.density import LogPrior
from glmstat.triangular import triangle
from glmstat.workspace import Need, Workspace

__all__ = ["Posterior", "posterior"]


@dataclass(frozen=True, eq=False)
class Posterior(Workspace):
    """A workspace whose objective is the log-likelihood for dispersion 1 plus phi times the log prior.

    Its expected information has the prior's majorant, which is never negative; its observed information the
    prior's own curvature.

    Parameters
    ----------
    prior : of the coefficients of all columns as given.
    phi : the dispersion.
    """

    prior: LogPrior = field(default_factory=LogPrior)
    phi: float = 1.0

    @property
    def concave(self) -> bool:
        """Whether the objective is, in the coefficients."""
        return super().concave and not self.prior.heavy

    @property
    def dispersion(self) -> float:
        """The dispersion of the objective."""
        return self.phi

    @property
    def flat(self) -> IntArray:
        """Places, among the columns in use, of those that have no prior."""
        return np.flatnonzero(~(self.prior.rows[:, self.columns] != 0).any(axis=0))

    @cached_property
    def map(self) -> Array:
        """What a step of gamma does to the values that have priors (r, q)."""
        return self.prior.rows[:, self.columns] @ self.transform

    def with_prior(self, prior: LogPrior) -> Posterior:
        """Return the same rows with another prior, their columns not made again."""
        other = replace(self, prior=prior)
        other._kept.update(self._kept)
        other._splits.update(self._splits)
        return other

    def values(self, gamma: Array) -> Array:
        """Return the values (r,) that have priors."""
        return self.prior.at + self.map @ gamma

    def curved(self, weights: Array) -> Array:
        """Return phi times M'WM (q, q) for weights (r,)."""
        return self.phi * ((self.map.T * weights) @ self.map)

    def pass_(self, gamma: Array, need: Need) -> Sums:
        """One pass: objective and score, and the information asked for, those of the prior among them."""
        sums, values = self.by_rows(gamma, need), self.values(gamma)
        value = self.phi * self.prior.total(values)
        majorant = curvature = None
        if sums.expected is not None:
            majorant = sums.expected + self.curved(self.prior.majorant(values))
        if sums.observed is not None:
            curvature = sums.observed + self.curved(self.prior.curvature(values))
        return Sums(
            sums.objective + value,
            sums.magnitude + abs(value),
            sums.score + self.pull(values),
            majorant,
            curvature,
        )

    def by_rows(self, gamma: Array, need: Need) -> Sums:
        """Return the sums of a pass without the prior."""
        return super().pass_(gamma, need)

    def pull(self, values: Array) -> Array:
        """Return the score of the prior (q,), times phi."""
        return self.phi * (self.map.T @ self.prior.slope(values))

    def start_pass(self, *, tails: bool = True) -> Sums:
        """Weighted least squares as of the rows alone, with the prior's majorant at its location.

        Parameters
        ----------
        tails : whether t priors have a part in it.
        """
        sums, prior = super().start_pass(), self.prior
        assert sums.expected is not None
        weights = np.where(prior.kinked, 1.0 / prior.scale**2, prior.majorant(prior.location))
        weights = weights if tails else np.where(np.isfinite(prior.df), 0.0, weights)
        score = sums.score + self.phi * (self.map.T @ (weights * (prior.location - prior.at)))
        return Sums(0.0, 0.0, score, sums.expected + self.curved(weights))

    def triangle(self, gamma: Array, need: Need) -> Array:
        """R (q + 1, q + 1) of the rows and of the prior's majorant, with the working residual."""
        values, width = self.values(gamma), self.size
        rows = np.sqrt(self.phi * self.prior.majorant(values))[:, None] * self.map
        own = np.column_stack([rows, np.zeros(len(rows))])
        by_rows = super().triangle(gamma, need)
        if not np.isfinite(by_rows).all():
            return by_rows
        stacked = triangle(np.vstack([by_rows, own]))
        root = stacked[:width, :width]
        if (np.diag(root) != 0).all():
            stacked[:width, width] += solve_triangular(root, self.pull(values), trans=1)
        return stacked

    def design_triangle(self, *, free_only: bool = False) -> Array:
        """R (q, q) of the rows with weight and of the priors that have a curvature."""
        prior = self.prior
        weights = np.sqrt(self.phi * prior.majorant(prior.location))
        return triangle(
            np.vstack([super().design_triangle(free_only=free_only), weights[:, None] * self.map])
        )


def posterior(workspace: Workspace, prior: LogPrior, phi: float) -> Posterior:
    """Return the workspace of a frame with a prior."""
    return Posterior(
        workspace.frame,
        workspace.likelihood,
        workspace.columns,
        workspace.width,
        workspace.centre,
        workspace.scale,
        workspace.intercept,
        workspace.directions,
        device=workspace.device,
        prior=prior,
        phi=phi,
    )
