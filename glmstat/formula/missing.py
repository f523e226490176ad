"""Which rows enter: first those that subset chooses, then those of them where nothing used is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glmstat.data.source import BLOCK_ROWS, BoolArray, Frame, MemorySource
from glmstat.errors import ArgumentError, DataError, row_list
from glmstat.formula.check import Offence, merge, offence, raise_first
from glmstat.formula.expression import Environment
from glmstat.formula.roles import Role, truth

if TYPE_CHECKING:
    from glmstat.formula.rule import Rule

__all__ = [
    "NAMED",
    "MissingReport",
    "Selection",
    "check_na_action",
    "choose",
    "cuts",
    "frame_of",
    "gap",
    "infinite",
    "look",
    "masked",
    "nothing_left",
    "refused",
    "select",
]

NAMED = 6  # rows that a message names


@dataclass(frozen=True)
class MissingReport:
    """How many rows each variable cost.

    Parameters
    ----------
    rows : rows that subset chose.
    dropped : how many of them have a missing value.
    by : missing rows by variable; a row may be missing in several.

    >>> MissingReport(153, 42, {"Ozone": 37, "Solar_R": 7}).text
    'dropped 42 of 153 rows: Ozone 37, Solar_R 7 missing'
    """

    rows: int
    dropped: int = 0
    by: Mapping[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The report in words."""
        listed = ", ".join(f"{name} {count:,}" for name, count in self.by.items())
        return f"dropped {self.dropped:,} of {self.rows:,} rows: {listed} missing"


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows that enter: of data in memory as masks (n,), None keeps all; of others as a rule.

    Parameters
    ----------
    chosen : rows that subset chooses.
    kept : those of them without missing values.
    report : what was lost.
    rule : of data that are not in memory; their masks are made block by block.
    """

    chosen: BoolArray | None
    kept: BoolArray | None
    report: MissingReport
    rule: Rule | None = None

    def asked(self, frame: Frame) -> Frame:
        """Return the rows of a whole block that subset chose."""
        return masked(frame, self.chosen) if self.rule is None else self.rule.asked(frame)

    def entering(self, frame: Frame) -> Frame:
        """Return the rows of a whole block that enter."""
        return masked(frame, self.kept) if self.rule is None else self.rule.entering(frame)

    def without(self, rows: BoolArray) -> Selection:
        """Return the selection less some complete rows, as if subset had not chosen them; mask (n,)."""
        chosen = ~rows if self.chosen is None else self.chosen & ~rows
        kept = ~rows if self.kept is None else self.kept & ~rows
        report = replace(self.report, rows=self.report.rows - int(np.count_nonzero(rows)))
        return Selection(chosen, kept, report)


@dataclass(frozen=True, eq=False)
class _Part:
    """One block's share of a selection."""

    kept: BoolArray | None
    counts: Mapping[str, int]
    odd: frozenset[str]  # columns whose sum is not finite


def check_na_action(na_action: str) -> None:
    """Refuse an unknown `na_action`.

    Raises
    ------
    ArgumentError : it is none of "drop", "exclude", "raise".
    """
    if na_action not in ("drop", "exclude", "raise"):
        raise ArgumentError(f"Unknown na_action: {na_action!r}. Known: drop, exclude, raise.")


def cuts(rows: int, size: int = BLOCK_ROWS) -> Iterator[tuple[int, int]]:
    """Yield the runs (start, stop) of `size` rows."""
    for start in range(0, rows, size):
        yield start, min(start + size, rows)


def masked(frame: Frame, keep: BoolArray | None) -> Frame:
    """Return those rows of a whole block that a mask (n,) over all rows keeps."""
    if keep is None:
        return frame
    kept = keep[frame.run]
    return frame if kept.all() else frame.take(kept)


def frame_of(source: MemorySource, keep: BoolArray | None, start: int, stop: int) -> Frame:
    """Return those of the rows start:stop that `keep` keeps."""
    return masked(source.frame(start, stop), keep)


def gap(frame: Frame, name: str) -> BoolArray | None:
    """Return where a column is missing (n,), or None."""
    return look(frame, name)[0]


def look(frame: Frame, name: str) -> tuple[BoolArray | None, bool]:
    """Return where a column is missing (n,), or None, and whether some of its numbers may be infinite.

    The sum of a float column tells most of the time that neither is so.
    """
    values = None if frame.kind(name) == "time" else frame[name]
    if not isinstance(values, np.ndarray) or values.dtype == np.bool_:
        return frame.missing(name), False
    if math.isfinite(np.add.reduce(values)):
        return None, False
    return frame.missing(name), True


def choose(subset: Role, environment: Environment) -> BoolArray:
    """Return which rows of a block subset chooses; none where its own columns are missing."""
    frame, chosen = environment.frame, truth(subset, environment)
    for name in subset.names:
        absent = gap(frame, name) if name in frame else None
        if absent is not None:
            chosen = chosen & ~absent
    return chosen


def select(
    source: MemorySource, names: Sequence[str], chosen: BoolArray | None, na_action: str = "drop"
) -> Selection:
    """Return the rows that enter a fit.

    Parameters
    ----------
    source : the data, with arrays joined.
    names : the columns whose values must be present.
    chosen : the rows (n,) that subset chose, or None for all.
    na_action : "drop" and "exclude" leave out rows with missing values, "raise" refuses them.

    Raises
    ------
    DataError : missing values under "raise", infinite ones in a row that enters, or no row left.
    ArgumentError : an unknown `na_action`.
    """
    check_na_action(na_action)
    chosen = None if chosen is None or chosen.all() else chosen
    parts = [_select(source.frame(start, stop), names, chosen) for start, stop in cuts(source.rows)]
    kept = _joined([part.kept for part in parts], source.rows)
    report = _report(source, names, parts, chosen, kept)
    if na_action == "raise" and report.dropped:
        raise refused(_missing_in(source, names, chosen))
    if report.dropped == report.rows:
        raise nothing_left(source.rows, report)
    odd = frozenset[str]().union(*(part.odd for part in parts))
    if odd:
        _refuse_infinite(source, kept, [name for name in names if name in odd])
    return Selection(chosen, kept, report)


def _select(frame: Frame, names: Iterable[str], whole: BoolArray | None) -> _Part:
    chosen = None if whole is None else whole[frame.run]
    kept, counts, odd = chosen, {}, []
    for name in names:
        absent, doubtful = look(frame, name)
        if doubtful:
            odd.append(name)
        if absent is not None:
            lost = absent if chosen is None else absent & chosen
            counts[name] = int(np.count_nonzero(lost))
            kept = ~absent if kept is None else kept & ~absent
    return _Part(kept, counts, frozenset(odd))


def _joined(masks: list[BoolArray | None], rows: int) -> BoolArray | None:
    if all(mask is None for mask in masks):
        return None
    whole = [
        np.ones(stop - start, dtype=bool) if mask is None else mask
        for mask, (start, stop) in zip(masks, cuts(rows), strict=True)
    ]
    joined = whole[0] if len(whole) == 1 else np.concatenate(whole)
    return None if joined.all() else joined


def _report(
    source: MemorySource,
    names: Sequence[str],
    parts: list[_Part],
    chosen: BoolArray | None,
    kept: BoolArray | None,
) -> MissingReport:
    rows = source.rows if chosen is None else int(np.count_nonzero(chosen))
    left = source.rows if kept is None else int(np.count_nonzero(kept))
    counts = {name: sum(part.counts.get(name, 0) for part in parts) for name in names} if left < rows else {}
    by = sorted(
        ((name.rstrip("="), count) for name, count in counts.items() if count), key=lambda item: -item[1]
    )
    return MissingReport(rows, rows - left, dict(by))


def _missing_in(source: MemorySource, names: Sequence[str], chosen: BoolArray | None) -> list[str]:
    listed = []
    for name in names:
        absent = source.frame().missing(name)
        absent = absent if absent is None or chosen is None else absent & chosen
        if absent is not None and absent.any():
            rows = np.flatnonzero(absent)
            listed.append(f"{name.rstrip('=')} in {row_list(rows[:NAMED], len(rows))}")
    return listed


def refused(listed: list[str]) -> DataError:
    """Return the error of rows with missing values under na_action="raise"."""
    return DataError(f'Values are missing: {"; ".join(listed)}. Use na_action="drop", or fill them first.')


def nothing_left(rows: int, report: MissingReport) -> DataError:
    """Return the error of data of which no row enters."""
    if not report.rows:
        return DataError(f"subset chooses none of the {rows:,} rows: nothing to fit. Correct subset=.")
    return DataError(f"No row is left: {report.text}. Leave out a variable, or fill its values first.")


def _refuse_infinite(source: MemorySource, kept: BoolArray | None, names: list[str]) -> None:
    found: Mapping[str, Offence] = {}
    for start, stop in cuts(source.rows):
        frame = frame_of(source, kept, start, stop)
        for name in names:
            values = frame[name]
            assert isinstance(values, np.ndarray)
            found = merge(found, infinite(values, name, frame))
    raise_first(found)


def infinite(values: NDArray[Any], name: str, frame: Frame) -> Mapping[str, Offence]:
    """Return the offence of a column's infinite values (n,) in rows that enter."""
    remedy = "Correct the data, or drop the rows with subset=."
    return offence(np.isinf(values), values, frame, "Data must be finite", name.rstrip("="), remedy)
