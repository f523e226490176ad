"""What the solver's verdict means for the reader: warnings where the answer may mislead, notes else."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from glmstat.errors import (
    BoundaryWarning,
    ConvergenceWarning,
    GlmstatWarning,
    Note,
    PerfectFitWarning,
    SeparationWarning,
    row_list,
)
from glmstat.estimate import Estimate, Separated

__all__ = ["headline", "infinite_terms", "remarks", "verdicts", "warn"]

_REMEDY = 'Take confint(method="profile"), or fit with method="firth"'


def warn(estimate: Estimate, columns: tuple[str, ...], stacklevel: int) -> None:
    """Raise the warnings of an estimate; `stacklevel` as seen by the caller."""
    for category, text in verdicts(estimate, columns):
        warnings.warn(text, category, stacklevel=stacklevel)


def verdicts(estimate: Estimate, columns: tuple[str, ...]) -> Iterator[tuple[type[GlmstatWarning], str]]:
    """Yield (class, words) of every warning that an estimate deserves."""
    end = estimate.convergence
    if end.status == "perfect fit":
        yield PerfectFitWarning, "Perfect fit: residuals are rounding error, so there are no standard errors."
    elif end.status == "boundary":
        where = f" in {_rows(end.bound_rows)}" if end.bound_rows else ""
        remedy = f" {_REMEDY}." if estimate.absorbed is None else ""
        yield BoundaryWarning, f"Mean at its bound{where}: Wald intervals are not valid here.{remedy}"
    elif end.status == "not converged":
        yield (
            ConvergenceWarning,
            f"Not converged: {end.reason}. The numbers are not the maximum of the likelihood.",
        )
    if estimate.directions:
        yield SeparationWarning, _separated(estimate, columns)
    elif end.separation == "undecided":
        named = ", ".join(end.runaway)
        words = (
            f"Separation, {named} beside the absorbed effects: these numbers are where the ascent stopped."
        )
        remedy = " Leave such columns out, or merge their levels."
        unknown = f"Separation is not excluded: some coefficients may be infinite. {_REMEDY}."
        yield SeparationWarning, words + remedy if named else unknown
    if estimate.absorbed is not None and not estimate.absorbed.exact:
        yield (
            GlmstatWarning,
            f"At least {estimate.absorbed.redundant:,} absorbed effects are redundant, perhaps more: "
            "df_residual may be too small, and AIC, BIC and an estimated dispersion too large, with its "
            "standard errors.",
        )


def headline(estimate: Estimate, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of all warnings: what stands on top of a summary."""
    return tuple(text for _, text in verdicts(estimate, columns))


def infinite_terms(estimate: Estimate, columns: tuple[str, ...]) -> str:
    """Return the infinite coefficients with their sign: 'g[T.b] → inf, x → -inf'."""
    sign = estimate.infinite
    return ", ".join(f"{columns[j]} → {'inf' if sign[j] > 0 else '-inf'}" for j in np.flatnonzero(sign))


def remarks(estimate: Estimate, *, sandwich: bool) -> tuple[Note, ...]:
    """Return the notes: aliased columns, limits of accuracy, several maxima, a forced covariance."""
    found = [Note("aliased", f"{name} is aliased: {reason}") for name, reason in estimate.aliased.items()]
    found += [Note("solver", text) for text in estimate.convergence.notes]
    found += [Note("absorbed", text) for text in _absorbed(estimate)]
    if sandwich:
        found.append(Note("vcov", "sampling weights: standard errors are those of a sandwich"))
    return tuple(found)


def _absorbed(estimate: Estimate) -> Iterator[str]:
    known = estimate.absorbed
    if known is None:
        return
    if known.levels_out:
        rows, levels = _count(known.rows_out, "row"), _count(known.levels_out, "level")
        yield f"left out {rows} of {levels} with an infinite effect: the response is all one way there"
    if known.single:
        verb = "has" if known.single == 1 else "have"
        yield f"{_count(known.single, 'level')} {verb} one row, which tells nothing of the coefficients"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _separated(estimate: Estimate, columns: tuple[str, ...]) -> str:
    rows = estimate.convergence.separated_rows
    where = f": {_rows(rows)} predicted perfectly" if rows else ""
    remedy = f"{_REMEDY}, or merge levels" if estimate.absorbed is None else "Merge or drop the level"
    return f"Separation, {infinite_terms(estimate, columns)}{where}. {remedy}."


def _rows(rows: Separated) -> str:
    return row_list(rows.rows, rows.count)
