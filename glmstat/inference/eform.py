"""Exponentiated coefficients: which ratio they are, for which families and links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.interval import Wald

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.formula.design import Predictor
    from glmstat.formula.piece import Piece

__all__ = [
    "baseline_name",
    "baseline_notes",
    "exponentiated",
    "ratio_column",
    "ratio_name",
    "ratio_notes",
]

_LISTED = 8  # baselines that a line names
COUNTS = ("poisson", "quasipoisson", "negative_binomial")
SHARES = ("binomial", "quasibinomial")
_REASONS = {
    "identity": "its coefficients are differences of means",
    "inverse": "its coefficients add to 1 / mean",
    "inverse_squared": "its coefficients add to 1 / mean squared",
    "sqrt": "its coefficients add to the square root of the mean",
    "power": "its coefficients add to a power of the mean",
    "softplus": "its coefficients add to a mean that is large, and multiply one that is small",
    "atanh": "its coefficients are half the log odds ratios",
    "probit": "its coefficients are differences of normal quantiles",
    "cauchit": "its coefficients are differences of Cauchy quantiles",
    "loglog": "its coefficients multiply the cumulative hazard of the other outcome",
    "log_complement": "its coefficients multiply the probability of the other outcome",
}
_BASELINES = {
    "odds ratio": "odds",
    "risk ratio": "risk",
    "hazard ratio": "cumulative hazard",
    "rate ratio": "rate",
    "mean ratio": "mean",
}


def ratio_name(fit: Fit) -> str:
    """Return what exp(coefficient) is: "odds ratio", "rate ratio" and so on.

    Logit link: odds ratio. Log link: risk ratio for shares, rate ratio for counts (with an exposure or
    without: then per row), mean ratio else. Complementary log-log link for shares: hazard ratio, of discrete
    or grouped time.

    Raises
    ------
    ArgumentError : the link gives no ratio.
    """
    family = fit.spec.likelihood.family
    link, name = family.link.name, family.name
    if link == "logit":
        return "odds ratio"
    if link == "cloglog" and name in SHARES:
        return "hazard ratio"
    if link == "log":
        return "risk ratio" if name in SHARES else "rate ratio" if name in COUNTS else "mean ratio"
    why = _REASONS.get(link, "what its coefficients multiply is not known")
    raise ArgumentError(
        f"exp(coefficient) is not a ratio with the {family.link.text.replace('_', ' ')} link: {why}. "
        "Leave eform= out."
    )


def ratio_column(fit: Fit) -> str:
    """Return the ratio as the name of a column: "odds_ratio"."""
    return ratio_name(fit).replace(" ", "_")


def baseline_name(fit: Fit) -> str:
    """Return what exp(Intercept) is: "baseline odds", "baseline rate"."""
    return f"baseline {_BASELINES[ratio_name(fit)]}"


def baseline_notes(fit: Fit, shown: Sequence[str]) -> tuple[str, ...]:
    """Return a line that names the baselines among the terms shown: exp of them is no ratio.

    The intercept; without one, the columns of factors coded in full, one for each level or cell. Of a further
    predictor what its ratios are too: exp of them is no ratio of means.
    """
    first, *others = fit.spec.design.predictors
    words = [(first, baseline_name(fit), ""), *((one, one.name, f"ratio of {one.name}s") for one in others)]
    lines: list[str] = []
    for predictor, baseline, ratio in words:
        own = [fit.columns[slot] for slot in predictor.slots if fit.columns[slot] in shown]
        bases = [name for name in _baselines(fit, predictor) if name in own]
        lines += _named(bases, baseline)
        lines += _named([name for name in own if name not in bases], ratio) if ratio else []
    return tuple(lines)


def _named(names: Sequence[str], words: str) -> Iterator[str]:
    more = f", … ({len(names)} coefficients)" if len(names) > _LISTED else ""
    if names:
        yield f"{', '.join(names[:_LISTED])}{more}: {words}"


def _baselines(fit: Fit, predictor: Predictor) -> Iterator[str]:
    groups = [group for piece in predictor.pieces for group in piece.groups]
    for piece in predictor.pieces:
        names = [fit.columns[slot] for slot in predictor.slots[piece.slots]]
        if () in piece.groups:
            yield from names
        elif () not in groups:
            yield from _cells(piece, names)


def _cells(piece: Piece, names: Sequence[str]) -> Iterator[str]:
    """The columns that indicate a level or a cell of levels."""
    place = 0
    for group in piece.groups:
        codings = [coding for _, coding in group if coding is not None]
        if len(codings) < len(group):  # a number is a part of the whole term
            return
        width = prod(coding.shape[1] for coding in codings)
        if all(np.array_equal(coding, np.eye(len(coding))) for coding in codings):
            yield from names[place : place + width]
        place += width


def exponentiated(fit: Fit, table: Wald) -> Wald:
    """Return estimates and ends exponentiated, standard errors by the delta method.

    Statistic and p-value stay those of the coefficient, which is 0 where the ratio is 1.

    Raises
    ------
    ArgumentError : the link gives no ratio.
    """
    ratio_name(fit)
    with np.errstate(over="ignore", invalid="ignore"):
        estimate = np.exp(table.estimate)
        return table._replace(
            estimate=estimate,
            std_error=estimate * table.std_error,
            conf_low=np.exp(table.conf_low),
            conf_high=np.exp(table.conf_high),
        )


def ratio_notes(fit: Fit) -> tuple[str, ...]:
    """Return the lines under a table of ratios: what is shown, and which rows are baselines."""
    shown = f"estimate: {ratio_name(fit)}, exp(coefficient) · std_error: delta method"
    tests = "statistic, p_value: of the coefficient (ratio = 1)"
    return (f"{shown} · {tests}", *baseline_notes(fit, fit.columns))
