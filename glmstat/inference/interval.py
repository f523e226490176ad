"""Intervals of coefficients and their combinations, and Wald tests of zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from glmstat.errors import ArgumentError, BoundaryWarning, near, one_of
from glmstat.inference.covariance import covariance_root, label, std_errors
from glmstat.inference.hypothesis.linear import Linear, linear
from glmstat.inference.hypothesis.wald import without_covariance
from glmstat.inference.reference import Reference, check_level, reference
from glmstat.inference.selected import selection_note
from glmstat.matrix import Array
from glmstat.remedies import advice
from glmstat.table import frame
from glmstat.text.number import percent
from glmstat.verdict import verdicts

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Wald", "confint", "labelled", "wald"]

METHODS = ("wald", "profile", "score")


class Wald(NamedTuple):
    """Arrays (p,), one value per coefficient: what a table of coefficients shows."""

    estimate: Array
    std_error: Array
    statistic: Array
    p_value: Array
    conf_low: Array
    conf_high: Array


def wald(fit: Fit, level: float = 0.95, of: Linear | None = None, known: Reference | None = None) -> Wald:
    """Return estimates, standard errors, tests of zero and intervals of coefficients or combinations.

    Statistic and p-value use Student's t with `df_residual` where the dispersion is estimated and the
    normal otherwise; so do the intervals, unless the convention cuts them at normal quantiles.

    Parameters
    ----------
    level : coverage of the intervals.
    of : m combinations; default the p coefficients.
    known : the distribution of the coefficients' statistics, where it was asked for already.

    Source: McCullagh & Nelder (1989), section 4.4; numbers as R's summary.glm and confint.default.
    """
    if of is None:
        estimate, se, known = fit.estimate.coef, std_errors(fit), known or reference(fit)
    else:
        estimate, se = of.estimates(fit), _combined_errors(fit, of.matrix)
        known = reference(fit, np.nan_to_num(of.matrix))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, estimate / se, np.nan)
        half = known.quantile(level) * se
        low, high = estimate - half, estimate + half
    return Wald(estimate, se, statistic, known.p_value(statistic), low, high)


def _combined_errors(fit: Fit, matrix: Array) -> Array:
    """Standard errors (m,) of combinations; NaN where they contain a coefficient without one."""
    root = covariance_root(fit)
    without = np.any(np.isnan(root), axis=1)
    moved = np.nan_to_num(matrix) @ np.where(without[:, None], 0.0, root)
    touches = np.any(matrix[:, without] != 0, axis=1)
    return np.where(touches, np.nan, np.linalg.norm(moved, axis=1))


def confint(
    fit: Fit,
    level: float = 0.95,
    *,
    of: str | Sequence[str] | None = None,
    method: str = "wald",
    eform: bool = False,
    vcov: Any = None,
    data: Any = None,
) -> Any:
    """Return intervals as a table; the words are those of `Fit.confint`.

    Raises
    ------
    ArgumentError : an unknown method, a covariance with a method that has no use for it.
    """
    from glmstat.inference.eform import ratio_name

    check_level(level)
    if method not in METHODS:
        raise ArgumentError(
            f"Unknown method: {method!r}. Known: {one_of(METHODS)}.{near(str(method), METHODS)}"
        )
    if not isinstance(eform, bool | np.bool_):
        raise ArgumentError(f"eform must be True or False: got {eform!r}.")
    if eform:
        ratio_name(fit)
    ends = _wald_ends if method == "wald" else _profile_ends
    chosen, low, high, notes = ends(fit, level, of, method, vcov, data)
    columns = {"conf_low": low, "conf_high": high}
    if eform:
        columns, notes = _ratios(fit, chosen, columns, notes)
    return labelled(fit, chosen.texts, columns, notes)


def labelled(fit: Fit, labels: Sequence[str], columns: Mapping[str, Array], notes: Sequence[str] = ()) -> Any:
    """Return columns (m,) as a table with labels: index, or column `term`; notes in pandas' `attrs`."""
    if fit.native.library != "pandas":
        return frame({"term": list(labels), **columns}, fit.native)
    table = frame(columns, fit.native, index=list(labels))
    table.attrs["notes"] = list(notes)
    return table


Ends = tuple[Linear, Array, Array, tuple[str, ...]]


def _wald_ends(fit: Fit, level: float, of: Any, method: str, vcov: Any, data: Any) -> Ends:
    fit = fit.with_vcov(vcov, data=data)
    chosen = linear(fit, of)
    table = wald(fit, level, None if of is None else chosen)
    known = reference(fit, None if of is None else np.nan_to_num(chosen.matrix))
    used = "z" if known.normal_ends else known.text
    kind = "Wald" if fit.spec.statement is None else fit.spec.statement.interval
    note = f"{percent(level)} {kind} intervals, {used} · vcov: {label(fit)}"
    told = verdicts(fit.estimate, fit.columns, advice(fit.spec, fit.estimate))
    at_bound = [text for kind, text in told if kind is BoundaryWarning]
    reasons = [reason] if (reason := without_covariance(fit)) else []
    return chosen, table.conf_low, table.conf_high, (note, *reasons, *at_bound, *selection_note(fit))


def _profile_ends(fit: Fit, level: float, of: Any, method: str, vcov: Any, data: Any) -> Ends:
    from glmstat.inference.profile.ends import classical, facts, intervals

    fit = classical(fit, vcov, f'method="{method}"', 'method="wald"')
    statistic = "score" if method == "score" else "deviance"
    chosen = linear(fit, of)
    ends = intervals(fit, chosen, level, statistic, data=data, depth=6)
    return chosen, ends.low, ends.high, (*facts(fit, statistic, level), *ends.notes)


def _ratios(
    fit: Fit, chosen: Linear, ends: Mapping[str, Array], notes: tuple[str, ...]
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The estimates and ends exponentiated, under the name of the ratio."""
    from glmstat.inference.eform import baseline_notes, ratio_column, ratio_name

    with np.errstate(over="ignore"):
        columns = {ratio_column(fit): np.exp(chosen.estimates(fit))}
        columns |= {name: np.exp(end) for name, end in ends.items()}
    baselines = baseline_notes(fit, chosen.texts)
    return columns, (f"{ratio_name(fit)}: exp(coefficient)", *baselines, *notes)
