"""Rows that break a rule, added up over blocks so that the message can count them all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.data.source import Frame
from glmstat.errors import DataError, GlmstatError, row_list

__all__ = ["Offence", "Offences", "finite", "merge", "offence", "raise_first"]

_SHOWN = 6  # one more than a message lists


@dataclass(frozen=True)
class Offence:
    """Rows whose values break one rule.

    Parameters
    ----------
    error : class to raise.
    rule : what must hold: "exposure must be > 0".
    text : the expression whose values break it.
    remedy : what to do, a sentence.
    value : the first offending value.
    rows, total : the first offending source rows, and how many there are.
    """

    error: type[GlmstatError]
    rule: str
    text: str
    remedy: str
    value: Any
    rows: tuple[int, ...]
    total: int

    def __add__(self, other: Offence) -> Offence:
        """Return the offending rows of both, those of the left block first."""
        return replace(self, rows=(self.rows + other.rows)[:_SHOWN], total=self.total + other.total)

    @property
    def message(self) -> str:
        """The sentence for the user."""
        value = f"{self.value:.6g}" if isinstance(self.value, float) else repr(self.value)
        return f"{self.rule}: {self.text} is {value} in {row_list(self.rows, self.total)}. {self.remedy}"


Offences = Mapping[str, Offence]
"""Offences of a block by rule and text, in the order in which they were looked for."""


def offence(
    bad: NDArray[np.bool_],
    values: NDArray[Any],
    frame: Frame,
    rule: str,
    text: str,
    remedy: str,
    error: type[GlmstatError] = DataError,
) -> dict[str, Offence]:
    """Return the offence of the rows where `bad` (n,) is true; empty if there are none."""
    places = np.flatnonzero(bad)
    if not len(places):
        return {}
    shown = places[:_SHOWN]
    rows = tuple(frame.numbers[shown].tolist())
    found = Offence(error, rule, text, remedy, float(values[places[0]]), rows, len(places))
    return {f"{rule}: {text}": found}


def finite(values: NDArray[np.float64], text: str, frame: Frame) -> dict[str, Offence]:
    """Return the offence of an expression that is NaN or infinite where its data are present."""
    if math.isfinite(np.add.reduce(values, axis=None)):
        return {}
    rule, remedy = "A formula must give finite numbers", "Correct the data, or drop these rows."
    if values.ndim == 1:
        return offence(np.logical_not(np.isfinite(values)), values, frame, rule, text, remedy)
    bad = np.logical_not(np.isfinite(values).all(axis=0))
    return offence(bad, np.add.reduce(values, axis=0), frame, rule, text, remedy)


def merge(left: Offences, right: Offences) -> Offences:
    """Return the offences of both blocks."""
    if not right:
        return left
    joined = dict(left)
    for key, found in right.items():
        joined[key] = joined[key] + found if key in joined else found
    return joined


def raise_first(offences: Offences) -> None:
    """Raise the first offence, if there is one."""
    for found in offences.values():
        raise found.error(found.message)
