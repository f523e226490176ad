"""Rubin's rules: an estimate, its covariance, and what imputation adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from glmstat.matrix import Array

__all__ = ["Rubin", "barnard_rubin"]


@dataclass(frozen=True, eq=False)
class Rubin:
    """Estimates of m imputations and their combination.

    Parameters
    ----------
    estimates : (m, q) of each imputation.
    covariances : (m, q, q) of each imputation.
    df_complete : (q,) degrees of freedom of t if nothing were missing; infinite for the normal.

    Source: Rubin (1987), chapter 3; Barnard & Rubin (1999), Biometrika 86, 948-955.

    >>> two = Rubin(np.array([[1.0], [2.0]]), np.ones((2, 1, 1)), np.array([np.inf]))
    >>> float(two.total[0, 0]), round(float(two.proportion[0]), 4), round(float(two.df[0]), 4)
    (1.75, 0.4286, 5.4444)
    """

    estimates: Array
    covariances: Array
    df_complete: Array

    @property
    def count(self) -> int:
        """Number of imputations m."""
        return len(self.estimates)

    @cached_property
    def estimate(self) -> Array:
        """Mean of the estimates (q,)."""
        return self.estimates.mean(axis=0)

    @cached_property
    def within(self) -> Array:
        """Mean of the covariances (q, q)."""
        return self.covariances.mean(axis=0)

    @cached_property
    def between(self) -> Array:
        """Covariance of the estimates over imputations (q, q), divisor m - 1."""
        apart = self.estimates - self.estimate
        return apart.T @ apart / (self.count - 1)

    @cached_property
    def total(self) -> Array:
        """Within + (1 + 1/m) between (q, q)."""
        return self.within + (1.0 + 1.0 / self.count) * self.between

    @cached_property
    def increase(self) -> Array:
        """Relative increase in variance due to what is missing (q,): (1 + 1/m) between / within."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return (1.0 + 1.0 / self.count) * np.diag(self.between) / np.diag(self.within)

    @cached_property
    def proportion(self) -> Array:
        """Lambda (q,): the share of the total variance that is due to what is missing."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return (1.0 + 1.0 / self.count) * np.diag(self.between) / np.diag(self.total)

    @cached_property
    def df(self) -> Array:
        """Degrees of freedom of t (q,)."""
        return barnard_rubin(self.count, self.proportion, self.df_complete)

    @cached_property
    def missing(self) -> Array:
        """Fraction of missing information (q,): (increase + 2 / (df + 3)) / (increase + 1)."""
        return (self.increase + 2.0 / (self.df + 3.0)) / (self.increase + 1.0)

    @cached_property
    def std_error(self) -> Array:
        """Roots of the diagonal of the total covariance (q,)."""
        return np.sqrt(np.diag(self.total))

    def of(self, matrix: Array, df_complete: Array) -> Rubin:
        """Return the same for the combinations matrix @ coef, matrix (k, q)."""
        return Rubin(self.estimates @ matrix.T, matrix @ self.covariances @ matrix.T, df_complete)


def barnard_rubin(count: int, proportion: Array, df_complete: Array) -> Array:
    """Return the degrees of freedom of t after `count` imputations.

    1 / df = proportion² / (m - 1) + 1 / observed, observed = (c + 1) / (c + 3) c (1 - proportion) for
    complete-data degrees of freedom c; with infinite c those of Rubin (1987).

    Parameters
    ----------
    proportion : lambda (q,).
    df_complete : c (q,).

    Source: Barnard & Rubin (1999), equation 3.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        complete = np.where(np.isinf(df_complete), 1.0, df_complete)
        observed = (complete + 1.0) / (complete + 3.0) * complete * (1.0 - proportion)
        known = np.where(np.isinf(df_complete), 0.0, 1.0 / observed)
        return 1.0 / (np.square(proportion) / (count - 1) + known)
