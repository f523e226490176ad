"""The three kinds of weights: prior, sampling, and frequencies; read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from glmstat.data.source import BoolArray, Frame, IntArray
from glmstat.formula.check import Offences, finite, merge, offence
from glmstat.formula.context import Scope
from glmstat.formula.expression import Environment
from glmstat.formula.roles import Role, Roles, number
from glmstat.formula.value import JSON, Array

__all__ = ["Repeats", "Weights", "read_weights"]

_MOST = 2.0**53  # above, float64 has no place for every whole number


class Weights(NamedTuple):
    """Weights of some rows (n,); None where they were not given.

    prior : divide the variance. sampling : as prior in the estimate. frequency : how often a row is counted.
    """

    prior: Array | None
    sampling: Array | None
    frequency: Array | None

    def total(self, rows: int) -> Array:
        """Return the product of prior and sampling weights (n,)."""
        if self.prior is None:
            return np.ones(rows) if self.sampling is None else self.sampling
        return self.prior if self.sampling is None else self.prior * self.sampling

    @property
    def counted(self) -> BoolArray | None:
        """Return which rows are counted at all (n,), or None for every one."""
        return None if self.frequency is None or self.frequency.all() else self.frequency != 0

    def positive(self, rows: int) -> int:
        """Return how many rows have a positive weight."""
        given = [weights for weights in self if weights is not None]
        return int(np.count_nonzero(np.prod(given, axis=0))) if given else rows


class Repeats(NamedTuple):
    """How often rows are counted.

    role : freq_weights. context : what it may name beside columns. calls : the states of its own calls.
    """

    role: Role
    context: Mapping[str, Any]
    calls: Mapping[str, JSON]

    def counts(self, frame: Frame) -> IntArray | None:
        """Return the frequencies (n,), 0 where they are missing; None where they are not frequencies."""
        found = number(self.role, Scope(frame, self.context, self.calls), "freq_weights")
        found = np.where(np.isnan(found), 0.0, found)
        good = (found >= 0) & (found <= _MOST) & (found == np.rint(found))
        return found.astype(np.int64) if good.all() else None


def read_weights(roles: Roles, environment: Environment) -> tuple[Weights, Offences]:
    """Return the weights of one block, and the rows in which they are not weights."""
    found: list[Array | None] = []
    offences: Offences = {}
    for word in ("weights", "sampling_weights", "freq_weights"):
        role: Role | None = getattr(roles, word)
        values = None if role is None else number(role, environment, word)
        if role is not None and values is not None:
            offences = merge(offences, _check(values, word, role.text, environment))
        found.append(values)
    return Weights(*found), offences


def _check(values: Array, word: str, text: str, environment: Environment) -> Offences:
    frame = environment.frame
    bad = finite(values, text, frame)
    if bad:
        return bad
    if np.minimum.reduce(values, initial=0.0) < 0:
        remedy = "Correct them, or drop the rows with subset=."
        return offence(values < 0, values, frame, f"{word} must be >= 0", text, remedy)
    if word == "freq_weights" and not np.array_equal(values, np.rint(values)):
        remedy = "Frequencies count rows; use weights= for anything else."
        return offence(
            values != np.rint(values), values, frame, "freq_weights must be whole numbers", text, remedy
        )
    return {}
