"""What is added to a predictor: `offset()` in the formula, and the arguments offset= and exposure=."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from glmstat.formula.check import Offences, finite, merge
from glmstat.formula.expression import Environment
from glmstat.formula.roles import Given, Role, Roles, log_exposure, number
from glmstat.formula.terms import Formula
from glmstat.formula.value import JSON, Array

__all__ = ["OffsetPart", "offset_parts", "sum_added", "sum_offsets"]


@dataclass(frozen=True)
class OffsetPart:
    """One addend of a predictor.

    Parameters
    ----------
    word : where it was written: in the formula, or as the argument of that name. The logarithm of an
        exposure is added, anything else as it is.
    role : what it reads.
    """

    word: Literal["formula", "offset", "exposure"]
    role: Role

    @property
    def text(self) -> str:
        """What is added, in words."""
        if isinstance(self.role, Given):
            return f"{self.word}= (array)"
        return f"log({self.role.text})" if self.word == "exposure" else self.role.text

    @property
    def place(self) -> str:
        """Where it was written, for messages: "offset(log(t))", "exposure='t'"."""
        return f"offset({self.role.text})" if self.word == "formula" else f"{self.word}={self.role.text!r}"

    def values(self, environment: Environment) -> tuple[Array, Offences]:
        """Return what is added to each row (n,), and the rows where that is not a number."""
        if self.word == "exposure":
            return log_exposure(self.role, environment)
        added = number(self.role, environment, "An offset")
        return added, finite(added, self.role.text, environment.frame)

    def to_json(self) -> JSON:
        """Return plain JSON; an array is not kept."""
        return {"word": self.word, "text": None if isinstance(self.role, Given) else self.role.text}


def offset_parts(formula: Formula, roles: Roles | None = None) -> tuple[OffsetPart, ...]:
    """Return all that is added to the predictor, in the formula first; the roles add to the mean's alone."""
    parts = [OffsetPart("formula", term.expression) for term in formula.offsets]
    if roles is None:
        return tuple(parts)
    if roles.offset is not None:
        parts.append(OffsetPart("offset", roles.offset))
    if roles.exposure is not None:
        parts.append(OffsetPart("exposure", roles.exposure))
    return tuple(parts)


def sum_added(added: Sequence[Iterable[OffsetPart]], environment: Environment) -> tuple[Array, Offences]:
    """Return what is added to each of K predictors (n, K), and the rows where that is not a number."""
    total, found = np.empty((environment.frame.rows, len(added)), order="F"), {}
    for column, parts in enumerate(added):
        total[:, column], offences = sum_offsets(parts, environment)
        found = merge(found, offences)
    return total, found


def sum_offsets(parts: Iterable[OffsetPart], environment: Environment) -> tuple[Array, Offences]:
    """Return what the parts add to each row (n,), and the rows where that is not a number."""
    total, found = np.zeros(environment.frame.rows), {}
    for part in parts:
        added, offences = part.values(environment)
        total += added
        found = merge(found, offences)
    return total, found
