"""Likelihood-ratio statistics where the likelihood is only a working one: Rao and Scott's correction."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glmstat.errors import ComparisonError
from glmstat.inference.hypothesis.wald import spread
from glmstat.inference.reference import chi_squared_p_value, f_p_value, joint
from glmstat.inference.restrict import default_root
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["RaoScott", "rao_scott"]


class RaoScott(NamedTuple):
    """A corrected likelihood ratio.

    Parameters
    ----------
    statistic : chi-squared, or F where the covariance has finite degrees of freedom.
    df, df_residual : Satterthwaite's degrees of freedom, those of the covariance (infinite: chi-squared).
    weights : (m,) eigenvalues: the statistic is a sum of that many chi-squared(1) with these weights.
    """

    statistic: float
    df: float
    df_residual: float
    p_value: float
    weights: Array

    @property
    def text(self) -> str:
        """The distribution, as tables print it."""
        if self.df_residual == inf:
            return f"chi-squared({self.df:.4g})"
        return f"F({self.df:.4g}, {self.df_residual:.4g})"


def rao_scott(fit: Fit, matrix: Array, working: float) -> RaoScott:
    """Return the Rao–Scott test from the working likelihood ratio for dispersion 1.

    The weights are the eigenvalues of (R V0 R')^-1 (R V R'), V0 the inverse information for dispersion 1
    and V the covariance of the fit; the second-order (Satterthwaite) correction matches mean and variance.

    Parameters
    ----------
    matrix : R (m, p).
    working : deviance of the restricted fit less that of the fit.

    Raises
    ------
    ComparisonError : a covariance that gives the hypothesis no variance.

    Source: Rao & Scott (1984), Annals of Statistics 12, 46-60; Lumley & Scott (2014); numbers as
    regTermTest(method = "LRT", lrt.approximation = "satterthwaite") of R's survey.
    """
    model, robust = matrix @ default_root(fit), spread(fit, matrix, "Rao–Scott")
    inverse = np.linalg.pinv(model)  # (q, m): inverse' inverse = (R V0 R')^-1
    values = np.linalg.svd(inverse @ robust, compute_uv=False)[: len(matrix)]
    weights = np.asarray(values, dtype=np.float64) ** 2
    mean = float(weights.mean())
    if not mean > 0:
        raise ComparisonError(
            'Rao–Scott is not defined: the covariance gives the hypothesis no variance. Use method="lr".'
        )
    excess = float((weights**2).mean()) / mean**2  # 1 + squared coefficient of variation
    df = len(matrix) / excess
    known = joint(fit, matrix, 0.0).df
    if len(known) == 1:
        statistic = working / (mean * excess)
        return RaoScott(statistic, df, inf, chi_squared_p_value(statistic, df), weights)
    statistic = working / float(weights.sum())
    return RaoScott(statistic, df, known[1], f_p_value(statistic, df, known[1]), weights)
