"""From the data and the question to a design: rows chosen, states, levels and response learned, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from glmstat.convention import Convention
from glmstat.data.source import BoolArray, Frame, Kind, MemorySource, Source
from glmstat.errors import ArgumentError, DataError, FormulaError, Note
from glmstat.families import Family
from glmstat.formula.behind import LevelSurvey, survey_levels
from glmstat.formula.check import Offences, merge, raise_first
from glmstat.formula.context import Scope, split_context
from glmstat.formula.design import Design, build_design, parts_of
from glmstat.formula.expression import Expression, columns_needed, evaluate
from glmstat.formula.missing import (
    MissingReport,
    Selection,
    check_na_action,
    choose,
    frame_of,
    select,
)
from glmstat.formula.offset import OffsetPart, offset_parts, sum_added
from glmstat.formula.piece import recode
from glmstat.formula.response import ResponseCoding, ResponseSurvey, learn_response, survey_response
from glmstat.formula.roles import Given, Role, Roles
from glmstat.formula.rule import Lost, Rule, look_for_gaps
from glmstat.formula.schema import FACTOR, Encoding, Schema
from glmstat.formula.states import every_row, learn_calls
from glmstat.formula.survey import PartSurvey, by_convention, survey_parts, used_levels, with_contrasts
from glmstat.formula.terms import Formula, Response
from glmstat.formula.value import JSON, Array, Value
from glmstat.formula.weights import Weights, read_weights

__all__ = ["Examined", "Whole", "examine"]


class Whole(NamedTuple):
    """All rows of small data that enter: value of each part by its text, offset (n, K), weights."""

    frame: Frame
    values: Mapping[str, Value]
    offset: Array
    weights: Weights


@dataclass(frozen=True, eq=False)
class Examined:
    """What one look at the data gives.

    Parameters
    ----------
    source : the data with the arrays of roles and context as columns.
    design : the recipe.
    selection : the rows that enter.
    notes, doubts : for the reader, and for warnings.
    whole : small data in one piece, else None.
    """

    source: Source
    design: Design
    selection: Selection
    notes: tuple[Note, ...]
    doubts: Offences
    whole: Whole | None


@dataclass(frozen=True, eq=False)
class _Question:
    """What is asked of the data, before any row is read."""

    formula: Formula
    response: Response
    parts: Mapping[str, Expression]
    added: tuple[tuple[OffsetPart, ...], ...]
    roles: Roles
    family: Family
    event: Any

    @property
    def offsets(self) -> tuple[OffsetPart, ...]:
        """All that is added to some predictor."""
        return tuple(part for own in self.added for part in own)

    @property
    def read(self) -> list[Expression | Given]:
        """Everything that is evaluated, but the subset."""
        offsets = [part.role for part in self.offsets if part.word == "formula"]
        levels = self.formula.levels.values()
        return [*self.response.expressions, *self.parts.values(), *levels, *offsets, *self.roles.used]


@dataclass(frozen=True, eq=False)
class _Seen:
    """What blocks tell; adds up."""

    parts: Mapping[str, PartSurvey]
    absorbed: Mapping[str, LevelSurvey]
    response: ResponseSurvey
    offences: Offences
    weighted: int
    rows: int
    lost: Lost | None = None

    def __add__(self, other: _Seen) -> _Seen:
        lost = self.lost + other.lost if self.lost is not None and other.lost is not None else None
        if not self.rows or not other.rows:
            return replace(self if self.rows else other, lost=lost)
        return _Seen(
            {text: survey + other.parts[text] for text, survey in self.parts.items()},
            {text: survey + other.absorbed[text] for text, survey in self.absorbed.items()},
            self.response + other.response,
            merge(self.offences, other.offences),
            self.weighted + other.weighted,
            self.rows + other.rows,
            lost,
        )

    def check(self) -> None:
        """Raise what no row may do."""
        for survey in (*self.parts.values(), *self.absorbed.values()):
            raise_first(survey.offences)
        raise_first(self.offences)
        raise_first(self.response.offences)
        if not self.weighted:
            raise DataError("weights are 0 in every row: nothing to fit. Give some row a positive weight.")


_NOTHING = _Seen({}, {}, ResponseSurvey("number"), {}, 0, 0)


def examine(
    source: Source,
    formula: Formula,
    roles: Roles,
    family: Family,
    *,
    contrasts: Any,
    context: Mapping[str, Any],
    event: Any,
    na_action: str,
    workers: int | None,
    memory: float,
    convention: Convention,
    others: Mapping[str, Formula],
) -> Examined:
    """Return the design that the data taught, and what was seen on the way; parameters as `model_frame`."""
    question = _question(formula, roles, family, event, others)
    asked = question.read if roles.subset is None else [*question.read, roles.subset]
    source, context = split_context(source, asked, context)
    names = _names(question.read, source, context)
    selection = _select(question, source, names, context, na_action)
    calls = _calls(question, source, selection, context, workers)
    whole, seen = _look(question, source, selection, context, calls, workers, memory)
    if selection.rule is not None:
        lost = _lost(seen)
        report = lost.report(names, na_action)
        gaps = tuple(name for name in names if name in lost.by or source.kind(name) != "numeric")
        selection = replace(selection, report=report, rule=replace(selection.rule, gaps=gaps))
    seen.check()
    encodings, dropped = used_levels(seen.parts)
    entered, selection = selection, _without_idle(question, source, selection, context, calls, encodings)
    if selection is not entered:
        whole, _ = _look(question, source, selection, context, calls, workers, memory)
    if contrasts is not None:
        encodings = with_contrasts(encodings, question.parts, contrasts)
    encodings = by_convention(encodings, convention)
    coding = learn_response(question.response, seen.response, family, event, convention.event)
    kinds: dict[str, Kind] = {name: source.kind(name) for name in _right_names(question) if name in source}
    absorbed = {text: survey.taken() for text, survey in seen.absorbed.items()}
    schema = Schema(kinds, encodings, calls, coding, selection.report, absorbed)
    further = {name: (one, own) for (name, one), own in zip(others.items(), question.added[1:], strict=True)}
    design = build_design(
        formula, schema, question.added[0], context, naming=convention.names, others=further
    )
    width = len(design.columns) + len(formula.absorbed)
    if whole is not None and whole.frame.rows * width * 8.0 > memory:
        whole = None
    notes = (*_notes(source, entered, dropped, coding), *_idle_notes(entered, selection))
    return Examined(source, design, selection, notes, seen.response.doubts, whole)


def _question(
    formula: Formula, roles: Roles, family: Family, event: Any, others: Mapping[str, Formula]
) -> _Question:
    if formula.response is None:
        raise FormulaError(f"Formula has no response: '{formula.text}'. Write it left of '~'.")
    if roles.exposure is not None and family.link.name != "log":
        raise ArgumentError(
            f'exposure needs a log link: link is {family.link.name}. Use offset=, or link="log".'
        )
    added = (offset_parts(formula, roles), *(offset_parts(other) for other in others.values()))
    parts = parts_of(formula, others)
    return _Question(formula, formula.response, parts, added, roles, family, event)


def _names(asked: Iterable[Role], source: Source, context: Mapping[str, Any]) -> list[str]:
    """Columns that are read, each once; a name that is nowhere is an error."""
    names: dict[str, None] = {}
    for role in asked:
        if not isinstance(role, Given) and (role.column is None or role.column not in source):
            names.update(dict.fromkeys(columns_needed(role, source.names, context)))
        else:
            names[role.names[0]] = None
    return list(names)


def _select(
    question: _Question, source: Source, names: list[str], context: Mapping[str, Any], na_action: str
) -> Selection:
    """Rows that enter: masks of data in memory, for which gaps are counted now; a rule for others."""
    check_na_action(na_action)
    subset, calls = question.roles.subset, {}
    if subset is not None:
        _names([subset], source, context)
        expressions = [] if isinstance(subset, Given) else [subset]
        frequency = question.roles.freq_weights
        calls = learn_calls(expressions, source, every_row, context, frequency=frequency)
    if not isinstance(source, MemorySource):
        return Selection(None, None, MissingReport(0), Rule(tuple(names), subset, context, calls))
    if subset is None:
        return select(source, names, None, na_action)
    masks = [choose(subset, Scope(frame, context, calls)) for frame in source.frames()]
    return select(source, names, np.concatenate(masks), na_action)


def _right_names(question: _Question) -> list[str]:
    levels = question.formula.levels.values()
    roles = [*question.parts.values(), *levels, *(part.role for part in question.offsets)]
    return list(dict.fromkeys(name for role in roles if not isinstance(role, Given) for name in role.names))


def _calls(
    question: _Question,
    source: Source,
    selection: Selection,
    context: Mapping[str, Any],
    workers: int | None,
) -> dict[str, JSON]:
    expressions = [role for role in question.read if isinstance(role, Expression) and role.column is None]
    return learn_calls(expressions, source, selection.asked, context, workers, question.roles.freq_weights)


def _look(
    question: _Question,
    source: Source,
    selection: Selection,
    context: Mapping[str, Any],
    calls: Mapping[str, JSON],
    workers: int | None,
    memory: float,
) -> tuple[Whole | None, _Seen]:
    """Look at all rows: in one piece, whose values are kept, or block by block."""
    read = len(question.parts) + len(question.formula.levels)
    cells = source.rows * max(1, read) if source.held else np.inf
    if isinstance(source, MemorySource) and 8.0 * cells <= memory:
        return _see(question, Scope(frame_of(source, selection.kept, 0, source.rows), context, calls))

    def one(frame: Frame, number: int) -> _Seen:
        lost, entering = None, frame
        if selection.rule is None:
            entering = selection.entering(frame)
        else:
            lost, entering = look_for_gaps(selection.rule, frame)
        with np.errstate(all="ignore"):
            seen = _see(question, Scope(entering, context, calls))[1] if entering.rows else _NOTHING
        return seen if lost is None else replace(seen, lost=lost)

    columns = [*_names(question.read, source, context), *_subset_names(question, source)]
    seen = source.map_reduce(one, columns, workers=workers)
    assert seen is not None
    return None, seen


def _subset_names(question: _Question, source: Source) -> list[str]:
    subset = question.roles.subset
    return [] if subset is None else [name for name in subset.names if name in source]


def _lost(seen: _Seen) -> Lost:
    assert seen.lost is not None
    return seen.lost


def _see(question: _Question, environment: Scope) -> tuple[Whole, _Seen]:
    weights, wrong = read_weights(question.roles, environment)
    values, parts = survey_parts(question.parts, environment, weights.counted)
    absorbed = survey_levels(question.formula.levels, environment, weights.counted)
    offset, offences = sum_added(question.added, environment)
    response = survey_response(question.response, environment, question.family, question.event, weights.prior)
    whole = Whole(environment.frame, values, offset, weights)
    rows, offences = environment.frame.rows, merge(offences, wrong)
    return whole, _Seen(parts, absorbed, response, offences, weights.positive(rows), rows)


def _without_idle(
    question: _Question,
    source: Source,
    selection: Selection,
    context: Mapping[str, Any],
    calls: Mapping[str, JSON],
    encodings: Mapping[str, Encoding],
) -> Selection:
    """Leave out rows of frequency 0 for which a factor has no level: they have no place in the design."""
    factors = {text: part for text, part in question.parts.items() if encodings[text].kind == FACTOR}
    if question.roles.freq_weights is None or not factors:
        return selection

    def idle(frame: Frame) -> BoolArray | None:
        environment = Scope(frame, context, calls)
        counted = read_weights(question.roles, environment)[0].counted
        if counted is None:
            return None
        codes = [
            recode(evaluate(part, environment), encodings[text].levels, text)
            for text, part in factors.items()
        ]
        lost = np.logical_or.reduce([code < 0 for code in codes]) & ~counted
        return lost if lost.any() else None

    if isinstance(source, MemorySource):
        lost = np.zeros(source.rows, dtype=bool)
        for whole in source.frames():
            frame = selection.entering(whole)
            found = idle(frame)
            if found is not None:
                lost[frame.numbers[found]] = True
        return selection.without(lost) if lost.any() else selection

    def count(frame: Frame, number: int) -> int:
        found = idle(selection.entering(frame))
        return 0 if found is None else int(found.sum())

    total = source.map_reduce(count, _names(question.read, source, context)) or 0
    if not total or selection.rule is None:
        return selection
    report = replace(selection.report, rows=selection.report.rows - total)
    return Selection(None, None, report, replace(selection.rule, idle=idle))


def _idle_notes(before: Selection, after: Selection) -> list[Note]:
    lost = before.report.rows - after.report.rows
    text = f"left out {lost:,} row{'s' * (lost != 1)} of frequency 0: a factor has no level there"
    return [Note("subset", text)] if lost else []


def _notes(
    source: Source, selection: Selection, dropped: Mapping[str, Sequence[str]], coding: ResponseCoding
) -> tuple[Note, ...]:
    notes = []
    report = selection.report
    if report.rows < source.rows:
        notes.append(Note("subset", f"subset chose {report.rows:,} of {source.rows:,} rows"))
    if report.dropped:
        notes.append(Note("missing", report.text))
    for text, levels in dropped.items():
        shown = ", ".join(levels[:10]) + (", …" if len(levels) > 10 else "")
        notes.append(Note("levels", f"{text}: unused levels dropped: {shown}"))
    if coding.modelled is not None:
        notes.append(Note("event", f"modelled: {coding.modelled}"))
    return tuple(notes)
