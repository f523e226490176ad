"""The log density of independent priors of coefficients, or of combinations of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from glmstat.matrix import Array, IntArray
from glmstat.priors import Prior

__all__ = ["LogPrior"]


def _none() -> Array:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class LogPrior:
    """The log density of values v = at + rows @ beta, each with a prior, without its constant.

    Parameters
    ----------
    rows : (r, p).
    at : (r,).
    location, scale : (r,).
    df : (r,) of t; infinite for the normal, NaN for laplace.
    sides : (r,) on which side of its location each value with a laplace prior is taken to lie, whatever it
        is: a smooth continuation; 0 leaves the prior out. None is by the value itself.
    """

    rows: Array = field(default_factory=lambda: np.zeros((0, 0)))
    at: Array = field(default_factory=_none)
    location: Array = field(default_factory=_none)
    scale: Array = field(default_factory=_none)
    df: Array = field(default_factory=_none)
    sides: Array | None = None

    @classmethod
    def of(cls, priors: Sequence[Prior], rows: Array, at: Array | None = None) -> LogPrior:
        """Return the density of some priors."""
        return cls(
            rows,
            np.zeros(len(priors)) if at is None else at,
            np.array([prior.location for prior in priors]),
            np.array([prior.scale for prior in priors]),
            np.array([prior.df for prior in priors]),
        )

    def within(self, origin: Array, basis: Array) -> LogPrior:
        """Return the density in coordinates of a subspace: beta = origin + basis @ coordinates."""
        return replace(self, rows=self.rows @ basis, at=self.at + self.rows @ origin)

    @cached_property
    def kinked(self) -> NDArray[np.bool_]:
        """Which priors have no derivative at their location (r,)."""
        return np.isnan(self.df)

    @cached_property
    def heavy(self) -> bool:
        """Whether the density is not log-concave."""
        return bool((np.isfinite(self.df) & (self.rows != 0).any(axis=1)).any())

    @cached_property
    def smooth_rows(self) -> IntArray:
        """Places of the priors with a curvature."""
        return np.flatnonzero(~self.kinked)

    def values(self, beta: Array) -> Array:
        """Return v (r,)."""
        return self.at + self.rows @ beta

    def total(self, values: Array) -> float:
        """Return the log density at v, without its constant."""
        z = (values - self.location) / self.scale
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            student = -0.5 * (self.df + 1.0) * np.log1p(z * z / self.df)
        parts = np.where(np.isinf(self.df), -0.5 * z * z, student)
        return float(np.where(self.kinked, -self._side(z) * z, parts).sum())

    def slope(self, values: Array) -> Array:
        """Return the derivative in each value (r,)."""
        z = (values - self.location) / self.scale
        return np.where(self.kinked, -self._side(z) / self.scale, -z * self.scale * self.majorant(values))

    def majorant(self, values: Array) -> Array:
        """Return the curvature (r,) of the quadratic below the log density that touches it at v; >= 0.

        It is the precision that an EM step gives each value.

        Source: Gelman, Jakulin, Pittau & Su (2008), section 3.
        """
        z = (values - self.location) / self.scale
        with np.errstate(invalid="ignore"):
            student = (self.df + 1.0) / (self.df + z * z)
        weight = np.where(np.isinf(self.df), 1.0, student)
        return np.where(self.kinked, 0.0, weight / self.scale**2)

    def curvature(self, values: Array) -> Array:
        """Return minus the second derivative in each value (r,); negative in the tails of t."""
        z = (values - self.location) / self.scale
        with np.errstate(invalid="ignore"):
            whole = self.df + z * z
            student = (self.df + 1.0) / whole * ((self.df - z * z) / whole)
        bend = np.where(np.isinf(self.df), 1.0, student)
        return np.where(self.kinked, 0.0, bend / self.scale**2)

    def _side(self, z: Array) -> Array:
        return np.sign(z) if self.sides is None else self.sides
