"""What stateful calls learn from the data: one pass per depth of nesting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmstat.data.reduce import run_blocks
from glmstat.data.source import BoolArray, Frame, MemorySource
from glmstat.formula.context import Scope
from glmstat.formula.expression import Expression, StatefulCall, gather, stateful_calls
from glmstat.formula.functions import FUNCTIONS
from glmstat.formula.missing import BLOCK_ROWS, frame_of, gap
from glmstat.formula.value import JSON

__all__ = ["learn_calls"]


@dataclass(frozen=True, eq=False)
class _Lessons:
    """What one block teaches several calls, by text."""

    found: Mapping[str, Any]

    def __add__(self, other: _Lessons) -> _Lessons:
        return _Lessons({text: lesson + other.found[text] for text, lesson in self.found.items()})


def learn_calls(
    expressions: Iterable[Expression],
    source: MemorySource,
    chosen: BoolArray | None,
    context: Mapping[str, Any],
    workers: int | None = 1,
) -> dict[str, JSON]:
    """Return the state of every stateful call, by its text.

    Each learns from the rows that subset chose and in which its own columns are present, whatever else is
    missing there; one pass over the data per depth of nesting.

    Parameters
    ----------
    expressions : parts, offsets and roles in which calls may stand.
    source : the data.
    chosen : mask of the rows that subset chose, or None for all.
    context : numbers, arrays and functions.
    workers : threads.
    """
    calls = {call.text: call for expression in expressions for call in stateful_calls(expression)}
    states: dict[str, JSON] = {}
    for depth in sorted({call.depth for call in calls.values()}):
        level = [call for call in calls.values() if call.depth == depth]
        lessons = _reduce(_teacher(level, source, chosen, context, dict(states)), source.rows, workers)
        for call in level:
            states[call.text] = _state(call, lessons.found[call.text])
    return states


def _teacher(
    calls: list[StatefulCall],
    source: MemorySource,
    chosen: BoolArray | None,
    context: Mapping[str, Any],
    states: Mapping[str, JSON],
) -> Callable[[int, int], _Lessons]:
    def teach(start: int, stop: int) -> _Lessons:
        frame = frame_of(source, chosen, start, stop)
        found = {}
        with np.errstate(all="ignore"):
            for call in calls:
                present = _present(frame, [name for argument in call.arguments for name in argument.names])
                found[call.text] = gather(call, Scope(present, context, states))
        return _Lessons(found)

    return teach


def _present(frame: Frame, names: Iterable[str]) -> Frame:
    """Rows of a block in which none of the columns is missing."""
    absent = [mask for name in names if name in frame and (mask := gap(frame, name)) is not None]
    return frame.take(~np.logical_or.reduce(absent)) if absent else frame


def _state(call: StatefulCall, lesson: Any) -> JSON:
    learner = FUNCTIONS[call.function].learner
    assert learner is not None
    return learner.finish(lesson)


def _reduce(function: Callable[[int, int], Any], rows: int, workers: int | None) -> Any:
    def one(number: int) -> Any:
        return function(number * BLOCK_ROWS, min((number + 1) * BLOCK_ROWS, rows))

    return run_blocks(one, -(-rows // BLOCK_ROWS), workers)
