"""Which rows of a block enter, where no mask over all rows is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glmstat.data.source import BoolArray, Frame
from glmstat.errors import DataError, row_list
from glmstat.formula.check import Offences, merge, raise_first
from glmstat.formula.context import Scope
from glmstat.formula.missing import NAMED, MissingReport, choose, gap, infinite, look, nothing_left, refused
from glmstat.formula.roles import Role
from glmstat.formula.value import JSON

__all__ = ["Lost", "Rule", "look_for_gaps"]

Named = tuple[tuple[int, ...], int]
"""The first few source rows, and how many there are."""


@dataclass(frozen=True, eq=False)
class Rule:
    """What chooses rows: all that a block needs to tell which of its own enter.

    Parameters
    ----------
    names : the columns whose values must be present.
    subset : the condition, or None.
    scope : what it may name beside columns, and the states of its calls.
    idle : places of complete rows that leave none the less, because a factor has no level there.
    gaps : those columns that every pass looks at, since a value is missing somewhere or a look costs nothing;
        None before all rows were looked at.
    """

    names: tuple[str, ...]
    subset: Role | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    calls: Mapping[str, JSON] = field(default_factory=dict)
    idle: Callable[[Frame], BoolArray | None] | None = None
    gaps: tuple[str, ...] | None = None

    def asked(self, frame: Frame) -> Frame:
        """Return the rows of a block that subset chooses."""
        if self.subset is None:
            return frame
        chosen = choose(self.subset, Scope(frame, self.context, self.calls))
        return frame if chosen.all() else frame.take(chosen)

    def entering(self, frame: Frame) -> Frame:
        """Return those of them that enter."""
        frame = self.asked(frame)
        names = self.names if self.gaps is None else self.gaps
        return self.left(frame, [mask for name in names if (mask := gap(frame, name)) is not None])

    def left(self, asked: Frame, absent: Sequence[BoolArray]) -> Frame:
        """Return those of the chosen rows that enter, by masks (n,) of where columns are missing."""
        frame = asked.take(~np.logical_or.reduce(absent)) if absent else asked
        idle = None if self.idle is None else self.idle(frame)
        return frame if idle is None else frame.take(~idle)


@dataclass(frozen=True, eq=False)
class Lost:
    """What one block of data that are not in memory loses; adds up.

    Parameters
    ----------
    rows, asked, left : rows of the block, those that subset chose, those that enter.
    by : the first rows without a value, and how many, by column.
    odd : rows that enter with an infinite value.
    """

    rows: int
    asked: int
    left: int
    by: Mapping[str, Named]
    odd: Offences

    def __add__(self, other: Lost) -> Lost:
        nothing: Named = ((), 0)
        pairs = {
            name: (self.by.get(name, nothing), other.by.get(name, nothing))
            for name in {**self.by, **other.by}
        }
        return Lost(
            self.rows + other.rows,
            self.asked + other.asked,
            self.left + other.left,
            {name: ((a[0] + b[0])[:NAMED], a[1] + b[1]) for name, (a, b) in pairs.items()},
            merge(self.odd, other.odd),
        )

    def report(self, names: Sequence[str], na_action: str) -> MissingReport:
        """Return the report, if a row is left and every one of them is as it should be.

        Raises
        ------
        DataError : as `select`.
        """
        by = {name: self.by[name] for name in names if name in self.by}
        counts = sorted(
            ((name.rstrip("="), count) for name, (_, count) in by.items()), key=lambda item: -item[1]
        )
        report = MissingReport(self.asked, self.asked - self.left, dict(counts))
        if na_action == "raise" and report.dropped:
            listed = [f"{name.rstrip('=')} in {row_list(rows, count)}" for name, (rows, count) in by.items()]
            raise refused(listed)
        if not self.left:
            raise nothing_left(self.rows, report)
        raise_first(self.odd)
        return report

    def check_gaps(self, known: Sequence[str]) -> None:
        """Refuse rows that lack a value, or are infinite, in a column where all rows had one.

        Raises
        ------
        DataError : the data changed since all rows were looked at.
        """
        raise_first(self.odd)
        for name, (rows, count) in self.by.items():
            if name not in known:
                raise DataError(
                    f"Column '{name.rstrip('=')}' changed since it was first read: its value is missing in "
                    f"{row_list(rows, count)}. Fit the data again."
                )


def look_for_gaps(rule: Rule, frame: Frame) -> tuple[Lost, Frame]:
    """Return what a whole block loses, and the rows that enter."""
    asked, absent, doubtful = rule.asked(frame), {}, []
    for name in rule.names:
        mask, numbers = look(asked, name)
        if numbers:
            doubtful.append(name)
        if mask is not None and mask.any():
            absent[name] = mask
    entering, odd, by = rule.left(asked, list(absent.values())), {}, {}
    for name in doubtful:
        values = entering[name]
        assert isinstance(values, np.ndarray)
        odd = merge(odd, infinite(values, name, entering))
    for name, mask in absent.items():
        rows = asked.numbers[mask]
        by[name] = (tuple(rows[:NAMED].tolist()), len(rows))
    return Lost(frame.rows, asked.rows, entering.rows, by, odd), entering
