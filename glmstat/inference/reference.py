"""The one place that decides between z and t, chi-squared and F."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtr, ndtri, stdtr, stdtrit

from glmstat.errors import ArgumentError
from glmstat.inference.covariance import facts, is_robust
from glmstat.inference.vcov.satterthwaite import applies, hotelling, satterthwaite
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Joint", "Reference", "check_level", "chi_squared_p_value", "f_p_value", "joint", "reference"]


@dataclass(frozen=True, eq=False)
class Reference:
    """The distribution of Wald statistics of single combinations of coefficients.

    Parameters
    ----------
    df : (m,) degrees of freedom of t; infinite for the normal.
    text : as tables print it: "z", "t(37)".
    normal_ends : whether intervals are cut at normal quantiles all the same.
    """

    df: Array
    text: str
    normal_ends: bool = False

    @cached_property
    def _normal(self) -> bool:
        """Whether every statistic is compared with the normal."""
        return bool(np.isinf(self.df).all())

    def p_value(self, statistic: Array) -> Array:
        """Return the two-sided p-values (m,) of statistics (m,)."""
        tail = -np.abs(statistic)
        if self._normal:
            return 2.0 * ndtr(tail)
        return 2.0 * np.where(
            np.isinf(self.df), ndtr(tail), stdtr(np.where(np.isinf(self.df), 1.0, self.df), tail)
        )

    def quantile(self, level: float) -> Array:
        """Return what standard errors are multiplied by (m,) to give half an interval of coverage `level`."""
        upper = 0.5 + 0.5 * check_level(level)
        if self._normal:
            return np.full(len(self.df), ndtri(upper))
        normal = np.isinf(self.df) | self.normal_ends
        ends = stdtrit(np.where(normal | ~(self.df > 0), 1.0, self.df), upper)
        return np.where(normal, ndtri(upper), np.where(self.df > 0, ends, np.nan))


@dataclass(frozen=True)
class Joint:
    """A joint Wald test: F(m, df) where df is finite, else chi-squared(m).

    Parameters
    ----------
    statistic : F, or the chi-squared.
    df : (m,) or (m, denominator).
    """

    statistic: float
    df: tuple[float, ...]
    p_value: float

    @property
    def text(self) -> str:
        """As tables print it."""
        if len(self.df) == 1:
            return f"chi-squared({self.df[0]:g})"
        return f"F({self.df[0]:g}, {self.df[1]:.4g})"


def check_level(level: float) -> float:
    """Return `level` if it is a probability strictly between 0 and 1."""
    if isinstance(level, bool) or not (isinstance(level, (int, float)) and 0 < level < 1):
        raise ArgumentError(f"level must lie strictly between 0 and 1: {level!r}. The default is 0.95.")
    return float(level)


def reference(fit: Fit, combinations: Array | None = None) -> Reference:
    """Return the distribution of Wald statistics under the covariance that a fit carries.

    Student's t with `df_residual` where the dispersion is estimated and normal otherwise; under clusters t
    with their number - 1, for CR2 and CR3 with Satterthwaite's degrees of freedom of each combination.

    Parameters
    ----------
    combinations : (m, p), one row per statistic; default each coefficient.
    """
    count = len(fit.columns) if combinations is None else len(combinations)
    ends = fit.convention.wald_quantile == "normal"
    if _has_variance(fit) and applies(fit.covariance):
        df = satterthwaite(fit, np.eye(count) if combinations is None else combinations)
        return Reference(df, _satterthwaite_text(df))
    df = _df(fit)
    text = "z" if np.isinf(df) else f"t({df:g})"
    return Reference(np.full(count, df), text, ends)


def joint(fit: Fit, matrix: Array, wald: float) -> Joint:
    """Return the joint test of m restrictions from their Wald statistic.

    Parameters
    ----------
    matrix : (m, p) of full row rank: the restrictions.
    wald : (R b - r)' (R V R')^-1 (R b - r).
    """
    count = len(matrix)
    if applies(fit.covariance) and _has_variance(fit):
        df, factor = hotelling(fit, matrix)
        return Joint(wald * factor, (count, df), f_p_value(wald * factor, count, df))
    df = _df(fit)
    if np.isinf(df):
        return Joint(wald, (count,), chi_squared_p_value(wald, count))
    return Joint(wald / count, (count, df), f_p_value(wald / count, count, df))


def chi_squared_p_value(statistic: float, df: float) -> float:
    """Return the upper tail of chi-squared(df); 1 where nothing was tested (df 0)."""
    return float(chdtrc(df, max(statistic, 0.0))) if df > 0 else float("nan")


def f_p_value(statistic: float, df: float, df_residual: float) -> float:
    """Return the upper tail of F(df, df_residual)."""
    if not (df > 0 and df_residual > 0):
        return float("nan")
    if np.isinf(df_residual):
        return chi_squared_p_value(statistic * df, df)
    return float(fdtrc(df, df_residual, max(statistic, 0.0)))


def _df(fit: Fit) -> float:
    """Degrees of freedom of t for every combination; infinite for the normal."""
    by_t = fit.estimate.dispersion.estimated and fit.convention.wald == "t"
    by_dispersion = float(fit.df_residual) if by_t else np.inf
    if fit.covariance.kind == "classical":
        return by_dispersion
    known = facts(fit)
    if fit.convention.sandwich == "normal" and is_robust(fit):
        return np.inf
    return by_dispersion if np.isnan(known.df) else known.df


def _has_variance(fit: Fit) -> bool:
    return not (fit.status == "perfect fit" and fit.estimate.dispersion.estimated)


def _satterthwaite_text(df: Array) -> str:
    known = df[np.isfinite(df)]
    if not len(known):
        return "t, Satterthwaite df"
    low, high = f"{known.min():.3g}", f"{known.max():.3g}"
    return f"t, Satterthwaite df {low}" + (f" to {high}" if high != low else "")
