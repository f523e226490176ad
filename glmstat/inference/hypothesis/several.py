"""Tests adjusted for their number: p-values, and intervals where they can hold together."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan
from typing import TYPE_CHECKING

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.hypothesis.multiplicity import (
    SINGLE_STEP,
    MaxT,
    adjusted,
    correlation,
    simultaneous_level,
)
from glmstat.inference.hypothesis.outcome import Test, covariance_of
from glmstat.inference.hypothesis.wald import spread
from glmstat.inference.reference import reference
from glmstat.text.layout import count

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["adjust"]


def adjust(fit: Fit, rows: list[Test], word: str, level: float) -> tuple[list[Test], list[str], str]:
    """Return tests adjusted over the hypotheses, each kind of test for itself.

    Parameters
    ----------
    word : of `ADJUSTMENTS`, or "single-step".
    level : coverage of all intervals together, where the word has such intervals.

    Returns
    -------
    The tests, what was done in words, and what to say of the intervals.
    """
    if word == "none":
        return rows, [], ""
    out = [replace(row, p_unadjusted=row.p_value) for row in rows]
    remarks: dict[str, list[str]] = {}
    for name in dict.fromkeys(row.name for row in rows):
        places = [place for place, row in enumerate(out) if row.name == name and not isnan(row.p_value)]
        if not places:
            continue
        make = _single_step if word == SINGLE_STEP else _by_p_value
        changed, remark = make(fit, [out[place] for place in places], word, level)
        remarks.setdefault(remark, []).append(name)
        for place, row in zip(places, changed, strict=True):
            out[place] = row
    words = (
        list(remarks)
        if len(remarks) == 1
        else [f"{remark} ({', '.join(names)})" for remark, names in remarks.items()]
    )
    together = word in (SINGLE_STEP, "bonferroni", "sidak")
    return out, words, " simultaneous" if together else ", not adjusted"


def _by_p_value(fit: Fit, rows: list[Test], word: str, level: float) -> tuple[list[Test], str]:
    p_values = adjusted(np.array([row.p_value for row in rows]), word)
    each = simultaneous_level(level, len(rows), word)
    out = [replace(row, p_value=float(p)) for row, p in zip(rows, p_values, strict=True)]
    if each != level:
        out = [_at_level(fit, row, each) for row in out]
    return out, f"p-values adjusted: {word}, {count(len(rows), 'test')}"


def _at_level(fit: Fit, row: Test, level: float) -> Test:
    """A row with its interval at another level."""
    if isnan(row.std_error) or row.combination is None:
        return row
    known = reference(covariance_of(fit, row), row.combination[None])
    return _with_half(row, float(known.quantile(level)[0]) * row.std_error)


def _with_half(row: Test, half: float) -> Test:
    return replace(row, conf_low=row.estimate - half, conf_high=row.estimate + half)


def _single_step(fit: Fit, rows: list[Test], word: str, level: float) -> tuple[list[Test], str]:
    """P-values and intervals from the distribution of the largest statistic of all."""
    combinations = [row.combination for row in rows if row.combination is not None]
    if len(combinations) < len(rows) or any(isnan(row.std_error) for row in rows):
        raise ArgumentError(
            f'adjust="{word}" needs one restriction per hypothesis and method="wald". Use "holm" for others.'
        )
    fit, matrix = covariance_of(fit, rows[0]), np.array(combinations)
    df = float(reference(fit, matrix).df.min())
    largest = MaxT(correlation(spread(fit, matrix)), df)
    pairs = [largest.p_value(row.statistic) for row in rows]
    width, error = largest.quantile(level)
    error = max(error, *(one for _, one in pairs))
    out = [
        _with_half(replace(row, p_value=p), width * row.std_error)
        for row, (p, _) in zip(rows, pairs, strict=True)
    ]
    law = "normal" if df == inf else f"t({df:.4g})"
    precision = "" if error == 0 else f", numerical error of p below {error:.1g}"
    return out, f"p-values adjusted: single-step, {count(len(rows), 'test')}, multivariate {law}{precision}"
