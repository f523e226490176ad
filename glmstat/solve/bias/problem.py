"""The adjusted score at any coefficients, of a model or of a subspace of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glmstat.compute import Sums
from glmstat.matrix import Array
from glmstat.solve.bias.adjustment import adjustment
from glmstat.solve.bias.dispersion import Spread
from glmstat.solve.dispersion import saturated_sum
from glmstat.solve.linear import factor
from glmstat.solve.start import inside
from glmstat.triangular import triangular_inverse, triangular_solve
from glmstat.workspace import Workspace

__all__ = ["Point", "Problem"]


@dataclass(frozen=True, eq=False)
class Point:
    """The adjusted score at some coordinates.

    Parameters
    ----------
    place : u (k,).
    root : R (k, k), R'R the expected information in u for dispersion 1.
    white : (k,) the adjusted score in standard errors: its length is the decrement.
    step : (k,) of Fisher scoring.
    objective : of the likelihood, for dispersion 1; `magnitude` the sum of the sizes of its rows.
    deviance : NaN where the dispersion does not depend on it.
    penalised : objective + phi log|information| / 2, whose slope the adjusted score is; NaN where it is of
        nothing.
    """

    place: Array
    root: Array
    white: Array
    step: Array
    phi: float
    objective: float
    magnitude: float
    penalised: float
    deviance: float

    @property
    def decrement(self) -> float:
        """How far any coefficient could move, in standard errors."""
        return float(np.linalg.norm(self.white))


@dataclass(frozen=True, eq=False)
class Problem:
    """Adjusted scores of a workspace in coordinates u: gamma = origin + basis @ u.

    Parameters
    ----------
    workspace : of all columns that hat values are made of.
    basis : (q, k); None for the coefficients themselves.
    spread : of the dispersion.
    ratio : whether the adjusted score is the slope of a penalised likelihood.
    """

    workspace: Workspace
    method: str
    spread: Spread
    ratio: bool
    origin: Array
    basis: Array | None = None

    def gamma(self, place: Array) -> Array:
        """Return the coefficients at u."""
        return self.origin + (place if self.basis is None else self.basis @ place)

    def moved(self, step: Array) -> Array:
        """Return how far a step in u moves the coefficients as given."""
        return self.workspace.transform @ (step if self.basis is None else self.basis @ step)

    def at(self, place: Array) -> Point | None:
        """Return the adjusted score at u, by two passes; None where it has no value."""
        workspace, gamma = self.workspace, self.gamma(place)
        if not np.isfinite(gamma).all() or not inside(workspace, gamma):
            return None
        sums = workspace.pass_(gamma, "expected")
        if not sums.finite or sums.expected is None or not np.isfinite(sums.expected).all():
            return None
        whole = factor(sums.expected)
        inverse = None if whole is None else triangular_inverse(whole.triangle)
        if whole is None or inverse is None:
            return None
        found = adjustment(workspace, gamma, inverse, self.method, facts=not self.spread.fixed)
        phi = self.spread.at(found.deviance, found.pearson)
        if not np.isfinite(phi):
            return None
        score = sums.score + phi * (found.score + sums.expected @ workspace.to_gamma(found.shift))
        height = float(np.log(np.diag(whole.triangle)).sum()) if self.ratio else np.nan
        return self._point(place, sums, sums.expected, score, phi, height, found.deviance)

    def _point(
        self,
        place: Array,
        sums: Sums,
        information: Array,
        score: Array,
        phi: float,
        height: float,
        deviance: float,
    ) -> Point | None:
        if self.basis is not None:
            score, information = self.basis.T @ score, self.basis.T @ information @ self.basis
        found = factor(information)
        if found is None or not np.isfinite(score).all():
            return None
        root = found.triangle
        back = triangular_inverse(root)
        if back is None:
            return None
        white = back.T @ score
        step = triangular_solve(root, white)
        scale = np.sqrt(max(phi, 1e-300))
        penalised = sums.objective + phi * height
        return Point(
            place, root, white / scale, step, phi, sums.objective, sums.magnitude, penalised, deviance
        )

    def height(self, point: Point) -> float:
        """Return the logarithm of what the adjusted score is the slope of, NaN where it is of nothing.

        The dispersion is one of its arguments where that is estimated under Jeffreys' prior.
        """
        if not self.ratio or point.phi <= 0:
            return np.nan
        if self.spread.fixed:
            return point.penalised / point.phi
        own = self.spread.prior(point.phi)
        if not np.isfinite(own):
            return np.nan
        likeliest = saturated_sum(self.workspace, point.phi) - point.deviance / (2.0 * point.phi)
        return likeliest + own + 0.5 * self.log_information(self.gamma(point.place))

    def log_information(self, gamma: Array) -> float:
        """Return log|information| of the columns as given, for dispersion 1."""
        expected = self.workspace.pass_(gamma, "expected").expected
        found = None if expected is None else factor(expected)
        if found is None:
            return np.nan
        size = np.log(np.abs(self.workspace.scale)).sum()
        return 2.0 * float(np.log(np.diag(found.triangle)).sum() - size)
