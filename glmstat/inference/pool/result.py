"""Fits of multiply imputed data as one result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isinf
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.covariance import label
from glmstat.inference.eform import baseline_notes, exponentiated, ratio_column, ratio_notes
from glmstat.inference.hypothesis.linear import linear
from glmstat.inference.interval import Wald
from glmstat.inference.pool.hypothesis import PooledTests, pooled_terms, pooled_tests
from glmstat.inference.pool.rubin import Rubin
from glmstat.inference.reference import Reference, check_level
from glmstat.inference.reference import reference as reference_of
from glmstat.inference.shown import Shown
from glmstat.matrix import Array
from glmstat.table import noted
from glmstat.text.layout import count
from glmstat.text.listing import Listing
from glmstat.text.number import percent

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Pooled"]


@dataclass(frozen=True, eq=False, repr=False)
class Pooled(Shown):
    """Fits of multiply imputed data, combined by Rubin's rules. Prints as its summary.

    Parameters
    ----------
    fits : one for each imputation.
    rubin : the combination: within, between and total covariance, relative increase, lambda, fraction of
        missing information, degrees of freedom, for each coefficient.
    asked : complete-data degrees of freedom that were given; None where they are those of the fits.
    """

    fits: tuple[Fit, ...]
    rubin: Rubin
    asked: float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self.fits[0].columns

    @property
    def nobs(self) -> int:
        """Rows of each imputation."""
        return self.fits[0].nobs

    @property
    def coef(self) -> Any:
        """Pooled coefficients by name: the mean over imputations."""
        return self.fits[0].by_name("estimate", self.rubin.estimate)

    @property
    def stderror(self) -> Any:
        """Standard errors by name, of the total covariance."""
        return self.fits[0].by_name("std_error", self.rubin.std_error)

    @property
    def vcov(self) -> Any:
        """Total covariance as a labelled table: within + (1 + 1/m) between."""
        table = self.fits[0].by_term(dict(zip(self.columns, self.rubin.total, strict=True)))
        return noted(table, vcov=self.covariance)

    @property
    def covariance(self) -> str:
        """The covariance of each fit, as tables print it; its own numbers where fits differ in them."""
        labels = tuple(dict.fromkeys(label(fit) for fit in self.fits))
        return labels[0] if len(labels) == 1 else self.fits[0].covariance.kind

    def confint(
        self, level: float = 0.95, *, of: str | Sequence[str] | None = None, eform: bool = False
    ) -> Any:
        """Return intervals as a table with columns conf_low and conf_high.

        Parameters
        ----------
        level : coverage; quantiles are Student's with the pooled degrees of freedom.
        of : names or combinations such as "x + f[T.b]"; default every coefficient.
        eform : exponentiate: odds, rate, hazard or mean ratios, in a first column too.

        Raises
        ------
        ArgumentError : eform= with a link whose coefficients are no logarithms of ratios.
        """
        check_level(level)
        asked = linear(self.fits[0], of)
        columns = _numbers(self.rubin if of is None else self.combined(asked.matrix), level)
        ends: dict[str, Any] = {name: columns[name] for name in ("conf_low", "conf_high")}
        notes: tuple[str, ...] = ()
        if _checked(eform):
            ends = {ratio_column(self.fits[0]): columns["estimate"], **ends}
            ends = {name: _exp(values) for name, values in ends.items()}
            notes = baseline_notes(self.fits[0], asked.texts)
        if of is None:
            return noted(self.fits[0].by_term(ends), notes=list(notes))
        return Listing((), asked.texts, ends, notes, self.fits[0].native).to_frame()

    def combined(self, matrix: Array) -> Rubin:
        """Return Rubin's rules for the combinations matrix @ coef, matrix (k, p)."""
        return self.rubin.of(matrix, complete_df(self.fits, self.asked, matrix))

    def summary(self, level: float = 0.95, *, eform: bool = False) -> Listing:
        """Return the table of coefficients: estimate, error, t, degrees of freedom, interval; print it.

        Parameters
        ----------
        level : coverage of the intervals.
        eform : show exp(coefficient): odds, rate, hazard or mean ratios, standard errors by the delta method.

        Raises
        ------
        ArgumentError : eform= with a link whose coefficients are no logarithms of ratios.
        """
        table = self._table(level, eform=eform)
        columns = {name: table[name] for name in table.columns if name not in ("riv", "lambda", "fmi")}
        return replace(table, columns=columns)

    def tidy(self, level: float = 0.95, *, eform: bool = False) -> Any:
        """Return the whole table in the caller's library.

        Parameters
        ----------
        level : coverage of the intervals.
        eform : as of `summary`; pooled are the coefficients, not their ratios.

        Returns
        -------
        A row for each coefficient: estimate, std_error, statistic, df, p_value, conf_low, conf_high, riv
        (relative increase in variance), lambda (share of the variance due to what is missing), fmi (fraction
        of missing information).
        """
        return self._table(level, eform=eform).to_frame()

    def _table(self, level: float, *, eform: bool) -> Listing:
        columns, notes = _numbers(self.rubin, check_level(level)), tuple(self._notes(level))
        if _checked(eform):
            wald = exponentiated(self.fits[0], Wald(*(columns[name] for name in Wald._fields)))
            columns, notes = {**columns, **wald._asdict()}, (*ratio_notes(self.fits[0]), *notes)
        return Listing(self._title, self.columns, columns, notes, self.fits[0].native)

    def test(self, hypothesis: Any, *, method: str = "D1") -> PooledTests:
        """Return joint tests of linear hypotheses about the coefficients.

        Parameters
        ----------
        hypothesis : as of `Fit.test`: "x = 0, z = 0" is one joint hypothesis, a term's name stands for all
            its coefficients = 0; a list of texts is as many separate tests.
        method : "D1" (Wald, estimates and covariance pooled: Li, Raghunathan & Rubin 1991), "D2" (the Wald
            statistics of the imputations, combined; coarse: Li, Meng, Raghunathan & Rubin 1991) or "D3"
            (likelihood ratio: Meng & Rubin 1992; needs the rows, and refits).

        Returns
        -------
        Table with a row for each hypothesis: F statistic, df, df_denominator, p_value, riv.

        Raises
        ------
        ArgumentError : an unknown method; a hypothesis that cannot be read, or is not linear.
        ComparisonError : D3 where the coefficients are no maximum of a likelihood.
        """
        return pooled_tests(self, hypothesis, method)

    def terms(self, *, method: str = "D1") -> PooledTests:
        """Return a test of every term given all others: that all its coefficients are 0.

        Parameters
        ----------
        method : as of `test`.
        """
        return pooled_terms(self, method)

    def _shown(self) -> Listing:
        return self.summary()

    @property
    def _title(self) -> tuple[str, ...]:
        family = self.fits[0].spec.family
        rows = f"{count(self.nobs, 'row')} · {count(len(self.fits), 'imputation')}"
        named = f"{family.title}, {family.link.text.replace('_', ' ')} link"
        return (f"{named} · {rows}", self.fits[0].spec.design.text)

    def _notes(self, level: float) -> Iterator[str]:
        yield f"pooled by Rubin's rules · intervals: {percent(level)} Wald, t"
        yield f"df: {self._rule}"
        low, high = self.rubin.missing.min(), self.rubin.missing.max()
        yield f"fraction of missing information {low:.3f} to {high:.3f}"
        yield f"vcov of each imputation: {self.covariance}"
        shapes = [fit.estimate.shape for fit in self.fits if fit.estimate.shape is not None]
        if shapes:
            values = [shape.value for shape in shapes]
            yield f"{shapes[0].name} estimated in each imputation: {min(values):.5g} to {max(values):.5g}"
        ended = [str(place) for place, fit in enumerate(self.fits, 1) if not fit.converged]
        if ended:
            yield f"not converged: imputation {', '.join(ended)}"

    @property
    def _rule(self) -> str:
        """How degrees of freedom came about."""
        if self.asked is not None and isinf(self.asked):
            return "Rubin (1987), complete data by z"
        if self.asked is not None:
            return f"Barnard-Rubin, complete data {self.asked:g} (given)"
        low, high = self.rubin.df_complete.min(), self.rubin.df_complete.max()
        shown = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        by_z = bool(np.isinf(reference_of(self.fits[0]).df).all())
        said = "df_residual; each fit alone has z" if by_z else "the df of each fit's own t"
        return f"Barnard-Rubin, complete data {shown} ({said})"


def complete_df(fits: Sequence[Fit], asked: float | None, matrix: Array | None = None) -> Array:
    """Return the degrees of freedom of t if nothing were missing, of coefficients or combinations (k, p).

    Those of each fit's own t (`df_residual`, clusters - 1, Satterthwaite's), their mean where imputations
    differ; `df_residual` where the fit's own tests are by z.
    """
    rows = len(fits[0].columns) if matrix is None else len(matrix)
    if asked is not None:
        return np.full(rows, asked)
    own = [reference_of(fit, matrix).df for fit in fits]
    known = [np.where(np.isinf(df), fit.df_residual, df) for fit, df in zip(fits, own, strict=True)]
    return np.mean(known, axis=0)


def _checked(eform: Any) -> bool:
    if not isinstance(eform, bool | np.bool_):
        raise ArgumentError(f"eform must be True or False: got {eform!r}.")
    return bool(eform)


def _exp(values: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.exp(values)


def _numbers(rubin: Rubin, level: float) -> dict[str, Any]:
    """The columns of a table."""
    estimate, error = rubin.estimate, rubin.std_error
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(error > 0, estimate / error, np.nan)
    known = Reference(np.where(rubin.df > 0, rubin.df, np.nan), "t")
    half = known.quantile(level) * error
    return {
        "estimate": estimate,
        "std_error": error,
        "statistic": statistic,
        "df": rubin.df,
        "p_value": known.p_value(statistic),
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "riv": rubin.increase,
        "lambda": rubin.proportion,
        "fmi": rubin.missing,
    }
