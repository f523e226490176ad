"""Variables beside the model, evaluated in any rows of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import Values, Variable, functions
from glmstat.data.beside import with_columns
from glmstat.data.columns import BoolArray, Categorical, Column
from glmstat.data.cut import Part
from glmstat.data.source import Frame, Source
from glmstat.errors import DataError
from glmstat.formula.context import Scope, split_context
from glmstat.formula.expression import columns_needed
from glmstat.formula.roles import Given, Role, value_of, variable_roles
from glmstat.formula.states import learn_calls
from glmstat.formula.value import JSON
from glmstat.inference.distinct import Combinations, Moments
from glmstat.inference.rows import Named
from glmstat.matrix import Array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["Lesson", "Reading", "read"]

Value = Array | Categorical | Moments


@dataclass(frozen=True, eq=False)
class Lesson:
    """What some rows teach: combinations of values, where all are there, and rows without a value by text.

    Parameters
    ----------
    found : the combinations in rows of positive weight; None where there are none.
    lost : the first such rows, and how many there are.
    """

    found: Combinations | None
    lost: Mapping[str, Named]

    def __add__(self, other: Lesson) -> Lesson:
        if self.found is None or other.found is None:
            found = self.found or other.found
        else:
            found = self.found + other.found
        texts, none = {**self.lost, **other.lost}, Named()
        return Lesson(found, {text: self.lost.get(text, none) + other.lost.get(text, none) for text in texts})

    def check(self, word: str, remedy: str) -> None:
        """Refuse rows without a value.

        Raises
        ------
        DataError : which.
        """
        for text, rows in self.lost.items():
            raise DataError(f"{word} '{text}' is missing in {rows.text} of the fit. {remedy}")


@dataclass(frozen=True, eq=False)
class Reading:
    """One variable or several, and all that their values in some rows follow from.

    Parameters
    ----------
    word : the argument, for messages.
    roles : what is evaluated.
    context, calls : constants and functions, and what stateful calls learned.
    columns : arrays (n,) that the data do not hold, by name.
    """

    word: str
    roles: tuple[Role, ...]
    context: Mapping[str, Any]
    calls: Mapping[str, JSON]
    columns: Mapping[str, Column]

    @property
    def texts(self) -> tuple[str, ...]:
        """The variables, for messages and labels."""
        return tuple(self.word if isinstance(role, Given) else role.text for role in self.roles)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the data that are read."""
        names = dict.fromkeys(name for role in self.roles for name in role.names)
        return tuple(name for name in names if name not in self.columns)

    def scope(self, rows: Frame) -> Scope:
        """Return where the variables find their values in some rows."""
        return Scope(with_columns(rows, self.columns), self.context, self.calls)

    def values(self, rows: Frame) -> list[Value]:
        """Return the value of each variable: numbers, codes or times (n,)."""
        scope = self.scope(rows)
        return [_value(role, scope) for role in self.roles]

    def lesson(self, rows: Frame, weighted: BoolArray) -> Lesson:
        """Return what some rows teach, those of positive weight (n,) about groups."""
        scope = self.scope(rows)
        lost: dict[str, Named] = {}
        values = []
        for role, text in zip(self.roles, self.texts, strict=True):
            absent = {
                text if isinstance(role, Given) else name.rstrip("="): mask
                for name in role.names
                if name in scope.frame and (mask := scope.frame.missing(name)) is not None
            }
            value = _value(role, scope)
            values.append(value)
            for name, mask in {**absent, text: _missing(value)}.items():
                if mask.any():
                    lost[name] = Named.of(rows.numbers[np.flatnonzero(mask)])
        if lost or not weighted.any():
            return Lesson(None, lost)
        return Lesson(Combinations.of([_taken(value, weighted) for value in values]), lost)


def _value(role: Role, scope: Scope) -> Value:
    name = role.key if isinstance(role, Given) else role.column
    if name is not None and name in scope.frame and scope.frame.kind(name) == "time":
        return _moments(scope.frame, name)
    value = value_of(role, scope)
    if isinstance(value, Categorical):
        return value
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise DataError(f"{role.text} is not one value per row. Give a column, or an expression in columns.")
    return value.astype(np.float64)


def _moments(rows: Frame, name: str) -> Moments:
    import pandas

    column, start, stop = rows.holder.column(name), rows.start, rows.stop
    while isinstance(column, Part):
        column, start, stop = column.column, column.start + start, column.start + stop
    values = pandas.Index(pandas.Series(column.raw[start:stop]))  # type: ignore[attr-defined]
    return Moments(values if rows.chosen is None else values[rows.chosen])


def _taken(value: Value, rows: BoolArray) -> Value:
    return value[rows] if isinstance(value, np.ndarray) else value.take(rows)


def _missing(value: Value) -> BoolArray:
    if isinstance(value, Moments):
        return value.missing()
    return value.codes < 0 if isinstance(value, Categorical) else np.isnan(value)


def read(fit: Fit, frame: ModelFrame, variables: Sequence[Variable], word: str) -> tuple[Reading, Source]:
    """Return how variables are read, and the data with the arrays among them beside their own columns.

    Raises
    ------
    ColumnError : a name that the data do not have.
    DataError : an array of another length than the data.
    """
    source, roles, context = frame.source, list[Role](), fit.spec.call["context"] or {}
    columns: dict[str, Column] = {}
    for number, variable in enumerate(variables):
        if isinstance(variable, Values):
            given = Given(word if not number else f"{word} {number}")
            columns[given.key] = source.align_column(variable.array, word)
            roles.append(given)
        else:
            python = bool(fit.spec.call["allow_python"])
            roles += variable_roles(source, variable, allow_python=python, functions=functions(context))
    whole, rest = split_context(source, roles, context)
    columns |= {name: source.align_column(context[name], name) for name in whole.names if name not in source}
    whole = source.joined(columns)
    for role in roles:
        if not isinstance(role, Given) and role.column is None:
            columns_needed(role, whole.names, rest)
    expressions = [role for role in roles if not isinstance(role, Given) and role.column is None]
    calls = learn_calls(expressions, whole, frame.selection.asked, rest) if expressions else {}
    return Reading(word, tuple(roles), rest, calls, columns), whole
