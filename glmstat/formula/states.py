"""What stateful calls learn from the data: one pass per depth of nesting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmstat.data.source import BLOCK_ROWS, Frame, IntArray, MemorySource, Source
from glmstat.formula.context import Scope
from glmstat.formula.expression import Expression, StatefulCall, gather, stateful_calls
from glmstat.formula.functions import FUNCTIONS
from glmstat.formula.missing import gap
from glmstat.formula.roles import Role
from glmstat.formula.value import JSON
from glmstat.formula.weights import Repeats

__all__ = ["Rows", "every_row", "learn_calls"]

Rows = Callable[[Frame], Frame]
"""Which rows of a whole block are meant."""


def every_row(frame: Frame) -> Frame:
    """Return all rows of a block."""
    return frame


@dataclass(frozen=True, eq=False)
class _Lessons:
    """What one block teaches several calls, by text."""

    found: Mapping[str, Any]

    def __add__(self, other: _Lessons) -> _Lessons:
        return _Lessons({text: lesson + other.found[text] for text, lesson in self.found.items()})


def learn_calls(
    expressions: Iterable[Expression],
    source: Source,
    rows: Rows,
    context: Mapping[str, Any],
    workers: int | None = 1,
    frequency: Role | None = None,
) -> dict[str, JSON]:
    """Return the state of every stateful call, by its text.

    Each learns from the rows that subset chose and in which its own columns are present, whatever else is
    missing there; one pass over the data per depth of nesting. A row teaches as often as it is counted.

    Parameters
    ----------
    expressions : parts, offsets and roles in which calls may stand.
    source : the data.
    rows : those of a whole block that subset chose.
    context : numbers, arrays and functions.
    workers : threads.
    frequency : how often each row is counted; what it learns itself, it learns from rows counted once.
    """
    calls = {call.text: call for expression in expressions for call in stateful_calls(expression)}
    states: dict[str, JSON] = {}
    if not calls:
        return states
    repeats = None if frequency is None else _repeats(frequency, source, rows, context)
    columns = [name for call in calls.values() for argument in call.arguments for name in argument.names]
    columns = [name for name in dict.fromkeys(columns) if name in source]
    for depth in sorted({call.depth for call in calls.values()}):
        level = [call for call in calls.values() if call.depth == depth]
        teach = _teacher(level, rows, context, dict(states), repeats)
        if isinstance(source, MemorySource) and source.rows <= BLOCK_ROWS:
            lessons = teach(source.frame(), 0)
        else:
            lessons = source.map_reduce(teach, columns, workers=workers)
        assert lessons is not None
        for call in level:
            states[call.text] = _state(call, lessons.found[call.text])
    return states if repeats is None else {**states, **repeats.calls}


def _repeats(frequency: Role, source: Source, rows: Rows, context: Mapping[str, Any]) -> Repeats | None:
    """The frequencies; None where no row is counted, which the look at the rows refuses in words."""
    own = learn_calls([frequency], source, rows, context) if isinstance(frequency, Expression) else {}
    repeats = Repeats(frequency, context, own)

    def counted(frame: Frame, number: int) -> int:
        counts = repeats.counts(rows(frame))
        return int(counts is None or bool(counts.any()))

    return repeats if source.map_reduce(counted, list(frequency.names)) else None


def _teacher(
    calls: list[StatefulCall],
    rows: Rows,
    context: Mapping[str, Any],
    states: Mapping[str, JSON],
    repeats: Repeats | None,
) -> Callable[[Frame, int], _Lessons]:
    def teach(frame: Frame, number: int) -> _Lessons:
        frame = rows(frame)
        found = {}
        with np.errstate(all="ignore"):
            for call in calls:
                present = _present(frame, [name for argument in call.arguments for name in argument.names])
                counts = None if repeats is None else repeats.counts(present)
                found[call.text] = _repeated(
                    lambda rows, call=call: gather(call, Scope(rows, context, states)), present, counts
                )
        return _Lessons(found)

    return teach


def _repeated(learn: Callable[[Frame], Any], frame: Frame, counts: IntArray | None) -> Any:
    """What rows teach that are counted several times.

    Lessons add up, so a row counted 2^b times needs b doublings, not 2^b copies: Horner's rule on the bits.
    """
    if counts is None:
        return learn(frame)
    bits = int(np.max(counts, initial=0)).bit_length()
    lesson = learn(frame.take(counts >> max(bits - 1, 0) > 0))
    for bit in reversed(range(bits - 1)):
        lesson = lesson + lesson + learn(frame.take((counts >> bit) % 2 == 1))
    return lesson


def _present(frame: Frame, names: Iterable[str]) -> Frame:
    """Rows of a block in which none of the columns is missing."""
    absent = [mask for name in names if name in frame and (mask := gap(frame, name)) is not None]
    return frame.take(~np.logical_or.reduce(absent)) if absent else frame


def _state(call: StatefulCall, lesson: Any) -> JSON:
    learner = FUNCTIONS[call.function].learner
    assert learner is not None
    return learner.finish(lesson)
