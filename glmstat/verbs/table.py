"""Verbs whose result rests on a covariance: tables of coefficients, standard errors and intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glmstat.table import noted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmstat.call import Covariance
    from glmstat.fit import Fit
    from glmstat.report.summary import Summary

__all__ = ["confint", "stderror", "summary", "vcov", "with_vcov"]


def vcov(self: Fit, vcov: str | Covariance | None = None, *, data: Any = None) -> Any:
    """Return the covariance of the coefficients as a labelled table.

    Parameters
    ----------
    vcov : a kind ("HC3"), clusters ("~firm + year"), both ("CR2 ~ firm") or a Covariance; default that
        of the fit.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Table (p, p); NaN for coefficients that are aliased or infinite, inf for what is beyond float64.

    Raises
    ------
    ComparisonError : a fit of `rglm` that was asked for no inference.
    """
    import numpy as np

    from glmstat.inference.covariance import covariance_root, label
    from glmstat.inference.statement import need_errors

    need_errors(self, "A covariance")
    fit = self.with_vcov(vcov, data=data)
    root = covariance_root(fit)
    with np.errstate(over="ignore", invalid="ignore"):
        square = root @ root.T
    table = fit.by_term(dict(zip(fit.columns, square, strict=True)))
    return noted(table, vcov=label(fit))


def stderror(self: Fit, vcov: str | Covariance | None = None, *, data: Any = None) -> Any:
    """Return the standard errors by name; parameters as `vcov`."""
    from glmstat.inference.covariance import label, std_errors
    from glmstat.inference.statement import need_errors

    need_errors(self, "A standard error")
    fit = self.with_vcov(vcov, data=data)
    return noted(fit.by_name("std_error", std_errors(fit)), vcov=label(fit))


def confint(
    self: Fit,
    level: float = 0.95,
    *,
    of: str | Sequence[str] | None = None,
    method: str = "wald",
    eform: bool = False,
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Any:
    """Return confidence intervals as a table with columns conf_low and conf_high.

    Parameters
    ----------
    level : coverage. Quantiles are Student's with `df_residual` where the dispersion is estimated (with
        clusters - 1 where the covariance is clustered), else normal; always normal with compat="R", as
        confint.default, and with that of the other systems.
    of : names of coefficients or combinations such as "x + f[T.b]"; default every coefficient.
    method : "wald", "profile" (likelihood ratio; of the posterior where there are priors) or "score"; the
        last two assume the variance of the family, and take no `vcov`.
    eform : exponentiate: odds, rate, hazard or mean ratios.
    vcov, data : as in `vcov`.

    Raises
    ------
    ArgumentError : a name that is no coefficient, or ratios where the link has none.
    ComparisonError : a profile with sampling weights; a fit of `rglm` that was asked for no inference.
    """
    from glmstat.inference.interval import confint
    from glmstat.inference.statement import need_errors

    need_errors(self, "A confidence interval")
    return confint(self, level, of=of, method=method, eform=eform, vcov=vcov, data=data)


def summary(
    self: Fit,
    vcov: str | Covariance | None = None,
    *,
    level: float = 0.95,
    eform: bool = False,
    data: Any = None,
) -> Summary:
    """Return the table of coefficients with what one needs to read it; print it.

    Parameters
    ----------
    vcov, data : as in `vcov`.
    level : coverage of the intervals.
    eform : show exp(coefficient): odds, rate, hazard or mean ratios.
    """
    from glmstat.report.summary import summary

    return summary(self.with_vcov(vcov, data=data), level, eform=eform)


def with_vcov(self: Fit, vcov: str | Covariance | None, *, data: Any = None) -> Fit:
    """Return the same fit with another covariance in every table; parameters as `vcov`."""
    from glmstat.inference.covariance import choose, covariance_root

    fit, covariance = self if data is None else self.with_data(data), choose(self, vcov)
    if covariance == self.covariance:
        return fit
    covariance_root(fit, covariance)
    return replace(fit, covariance=covariance)
