"""What the solver's verdict means for the reader: warnings where the answer may mislead, notes else."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

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

__all__ = ["Advice", "headline", "infinite_terms", "remarks", "verdicts", "warn"]


@dataclass(frozen=True)
class Advice:
    """What to do about a verdict, in sentences; "" where there is nothing.

    Parameters
    ----------
    separated, undecided, boundary : of infinite coefficients, of those that may be, of means at their bound.
    aim : what the numbers are not where the solver has not converged.
    """

    separated: str = ""
    undecided: str = ""
    boundary: str = ""
    aim: str = "the maximum of the likelihood"


NO_ADVICE = Advice()


def warn(estimate: Estimate, columns: tuple[str, ...], stacklevel: int, advice: Advice = NO_ADVICE) -> None:
    """Raise the warnings of an estimate; `stacklevel` as seen by the caller."""
    for category, text in verdicts(estimate, columns, advice):
        warnings.warn(text, category, stacklevel=stacklevel)


def verdicts(
    estimate: Estimate, columns: tuple[str, ...], advice: Advice = NO_ADVICE
) -> Iterator[tuple[type[GlmstatWarning], str]]:
    """Yield (class, words) of every warning that an estimate deserves.

    Parameters
    ----------
    advice : what may be done about it.
    """
    end = estimate.convergence
    if end.status == "perfect fit":
        yield PerfectFitWarning, "Perfect fit: residuals are rounding error, so there are no standard errors."
    elif end.status == "boundary":
        where = f" in {_rows(end.bound_rows)}" if end.bound_rows else ""
        words = f"Mean at its bound{where}: Wald intervals are not valid here. {advice.boundary}"
        yield BoundaryWarning, words.strip()
    elif end.status == "not converged":
        yield (
            ConvergenceWarning,
            f"Not converged: {end.reason}. The numbers are not {advice.aim}.",
        )
    if estimate.directions:
        yield SeparationWarning, _separated(estimate, columns, advice)
    elif end.separation == "separated":
        yield SeparationWarning, _shrunk(estimate)
    elif end.separation == "undecided":
        named = ", ".join(end.runaway)
        words = (
            f"Separation, {named} beside the absorbed effects: these numbers are where the ascent stopped."
        )
        remedy = " Leave such columns out, or merge their levels."
        unknown = f"Separation is not excluded: some coefficients may be infinite. {advice.undecided}"
        yield SeparationWarning, words + remedy if named else unknown.strip()
    if estimate.absorbed is not None and not estimate.absorbed.exact:
        yield (
            GlmstatWarning,
            f"At least {estimate.absorbed.redundant:,} absorbed effects are redundant, perhaps more: "
            "df_residual may be too small, and AIC, BIC and an estimated dispersion too large, with its "
            "standard errors.",
        )


def headline(estimate: Estimate, columns: tuple[str, ...], advice: Advice = NO_ADVICE) -> tuple[str, ...]:
    """Return the words of all warnings: what stands on top of a summary."""
    return tuple(text for _, text in verdicts(estimate, columns, advice))


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


def _separated(estimate: Estimate, columns: tuple[str, ...], advice: Advice) -> str:
    rows = estimate.convergence.separated_rows
    where = f": {_rows(rows)} predicted perfectly" if rows else ""
    remedy = advice.separated if estimate.absorbed is None else "Merge or drop the level."
    words = f"Separation, {infinite_terms(estimate, columns)}{where}. {remedy}".strip()
    return " ".join([words, *_diluted(estimate)])


def _diluted(estimate: Estimate) -> Iterator[str]:
    """Of a dispersion for which rows predicted perfectly are counted: what it would be without them."""
    phi, df = estimate.dispersion, estimate.df_beside_separated
    sums = {"pearson": estimate.pearson, "deviance": estimate.deviance}
    if phi.estimator in sums and 0 < df < estimate.df_residual:
        yield (
            f"These rows count in the {estimate.df_residual} degrees of freedom of the dispersion, "
            f"{phi.value:.3g}, as they do in R; without them it is {sums[phi.estimator] / df:.3g}."
        )


def _shrunk(estimate: Estimate) -> str:
    """Of finite estimates of separated rows: what is wrong with their dispersion."""
    rows = estimate.convergence.separated_rows
    where = f" of {_rows(rows)}" if rows else ""
    return (
        f"Separation{where}: their residuals are near 0 at finite estimates too, so the estimated "
        f"dispersion, {estimate.dispersion.value:.3g}, and standard errors with it are too small. "
        "Give dispersion=: 1 for responses of 0 and 1."
    )


def _rows(rows: Separated) -> str:
    return row_list(rows.rows, rows.count)
