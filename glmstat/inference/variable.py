"""Variables beside the model: clusters, time order, strata; read from the rows of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import Values, Variable, functions
from glmstat.data.columns import Times
from glmstat.data.source import Categorical, MemorySource, Source
from glmstat.errors import DataError, row_list
from glmstat.formula.context import Scope, split_context
from glmstat.formula.expression import columns_needed
from glmstat.formula.missing import frame_of as rows_of
from glmstat.formula.roles import Given, Role, apart, value_of, variable_roles
from glmstat.formula.states import learn_calls
from glmstat.formula.value import level_label
from glmstat.inference.score import frame_of
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["REMEDY", "Grouping", "RowValues", "grouping", "refuse_changed", "split_ways", "values"]

# what to do about rows without a value: for a covariance, which the model can know of, and for other verbs
_AS_VCOV = "Give vcov= in the call of the model, which leaves these rows out of the fit too, or use subset=."
REMEDY = "Fit without these rows: subset= in the call of the model. Or give them a value."


@dataclass(frozen=True, eq=False)
class RowValues:
    """A value for each row of the data; NaN in rows that are not in the fit.

    Parameters
    ----------
    text : what it is, for messages.
    numbers : (rows of the source,) sortable numbers; of text and categories the place among the levels.
    """

    text: str
    numbers: Array

    def of(self, block: Block) -> Array:
        """Return the values (n,) of a block's rows."""
        return self.numbers[_place(block)]


@dataclass(frozen=True, eq=False)
class Grouping:
    """A group for each row of the data.

    Parameters
    ----------
    text : what groups the rows, for messages and labels.
    codes : (rows of the source,) from 0 to `count` - 1; -1 in rows that are not in the fit. Rows of weight 0
        make no group of their own.
    labels : (count,) what each group is called.
    """

    text: str
    codes: IntArray
    labels: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of groups with a row of positive weight."""
        return len(self.labels)

    def of(self, block: Block) -> IntArray:
        """Return the codes (n,) of a block's rows."""
        return self.codes[_place(block)]


def grouping(
    fit: Fit,
    variables: Variable | Sequence[Variable],
    word: str = "cluster",
    data: Any = None,
    *,
    remedy: str = _AS_VCOV,
) -> Grouping:
    """Return the groups that one variable, or each combination of values of several, makes of the rows.

    Parameters
    ----------
    variables : names, expressions or `Values`; "a:b" is the combination of both.
    word : the argument, for messages.
    data : the data of the fit, where the fit holds none.
    remedy : what to do about missing values, for messages.

    Raises
    ------
    ColumnError : a name that the data do not have.
    DataError : missing values in rows of the fit, an array of another length, or data changed since the fit.
    """
    given = (variables,) if isinstance(variables, (str, Values)) else tuple(variables)
    frame = frame_of(fit, _need(word), data)
    read = [one for variable in given for one in _read(fit, frame, variable, word, remedy)]
    kept = np.arange(frame.source.rows) if frame.rows_kept is None else frame.rows_kept
    weighted = np.concatenate([block.total > 0 for block in frame.blocks()])
    codes, parts = np.zeros(len(kept), dtype=np.intp), []
    for text, value in read:
        labels, own = _levels(value)
        codes = codes * len(labels) + own
        parts.append((text, labels))
    used, codes = _compact(codes, weighted)
    out = np.full(frame.source.rows, -1, dtype=np.intp)
    out[kept] = codes
    return Grouping(":".join(text for text, _ in parts), out, _labels(used, [labels for _, labels in parts]))


def values(fit: Fit, variable: Variable, word: str, data: Any = None) -> RowValues:
    """Return the values of a variable as numbers that sort as it does; arguments as `grouping`.

    Raises
    ------
    ColumnError, DataError : as `grouping`.
    """
    frame = frame_of(fit, _need(word), data)
    read = _read(fit, frame, variable, word, _AS_VCOV)
    if len(read) > 1:
        raise DataError(f"{word} must be one variable: it is '{variable}'. Give one column or expression.")
    text, value = read[0]
    out = np.full(frame.source.rows, np.nan)
    kept = slice(None) if frame.rows_kept is None else frame.rows_kept
    out[kept] = value.codes if isinstance(value, Categorical) else np.asarray(value, dtype=np.float64)
    return RowValues(text, out)


def split_ways(text: str) -> tuple[str, ...]:
    """Return the ways of clustering that a text names: 'firm + year' → ('firm', 'year')."""
    return tuple(apart(text, "+"))


def _need(word: str) -> str:
    return f"{word}="


def _place(block: Block) -> Any:
    return slice(block.start, block.start + len(block.y)) if block.rows is None else block.rows


def _read(fit: Fit, frame: ModelFrame, variable: Variable, word: str, remedy: str) -> list[tuple[str, Any]]:
    """The parts of a variable: text and values over the rows of the fit, none of them missing."""
    refuse_changed(frame)
    source, context, roles = _source(fit, frame, variable, word)
    expressions = [role for role in roles if not isinstance(role, Given) and role.column is None]
    calls = learn_calls(expressions, source, frame.selection.asked, context) if expressions else {}
    assert isinstance(source, MemorySource)
    scope = Scope(rows_of(source, frame.selection.kept, 0, source.rows), context, calls)
    found = []
    for role in roles:
        text = word if isinstance(role, Given) else role.text
        for name in role.names:
            absent = scope.frame.missing(name) if name in scope.frame else None
            _refuse_missing(absent, scope, name.rstrip("="), word, remedy)
        value = _column(role, scope)
        lost = value.codes < 0 if isinstance(value, Categorical) else np.isnan(value)
        _refuse_missing(lost if lost.any() else None, scope, text, word, remedy)
        found.append((text, value))
    return found


def _source(
    fit: Fit, frame: ModelFrame, variable: Variable, word: str
) -> tuple[Source, dict[str, Any], list[Role]]:
    if isinstance(variable, Values):
        given = Given(word)
        column = frame.source.align_column(variable.array, word)
        return frame.source.joined({given.key: column}), {}, [given]
    call = fit.spec.call
    context = call["context"] or {}
    python, known = bool(call["allow_python"]), functions(context)
    roles: list[Role] = list(variable_roles(frame.source, variable, allow_python=python, functions=known))
    source, rest = split_context(frame.source, roles, context)
    for role in roles:
        if not isinstance(role, Given) and role.column is None:
            columns_needed(role, source.names, rest)
    return source, rest, roles


def _column(role: Role, scope: Scope) -> Any:
    name = role.key if isinstance(role, Given) else role.column
    whole = scope.frame.holder.column(name) if name is not None and name in scope.frame else None
    value = whole.sorted.take(scope.frame.numbers) if isinstance(whole, Times) else value_of(role, scope)
    if isinstance(value, Categorical):
        return value
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        text = role.text
        raise DataError(f"{text} is not one value per row. Give a column, or an expression in columns.")
    return value.astype(np.float64)


def refuse_changed(frame: ModelFrame) -> None:
    """Refuse a source whose response is not that of the copies that a small frame holds.

    Raises
    ------
    DataError : data changed since the fit.
    """
    if frame.small and frame.change is None and frame.reread() != frame.fingerprint:
        raise DataError(
            "data changed since the fit: the response is another. Use refit(data) to fit them, or data=."
        )


def _refuse_missing(absent: Any, scope: Scope, text: str, word: str, remedy: str) -> None:
    if absent is None:
        return
    rows = scope.frame.numbers[np.flatnonzero(absent)]
    raise DataError(f"{word} '{text}' is missing in {row_list(rows, len(rows))} of the fit. {remedy}")


def _levels(value: Any) -> tuple[tuple[str, ...], IntArray]:
    """Labels of the values that occur or are declared, and the code of each row."""
    if isinstance(value, Categorical):
        return tuple(level_label(level) for level in value.levels), value.codes.astype(np.intp)
    known, codes = np.unique(value, return_inverse=True)
    return tuple(level_label(float(level)) for level in known), codes.astype(np.intp)


def _compact(codes: IntArray, weighted: Any) -> tuple[IntArray, IntArray]:
    """The codes with a row of positive weight, and each row's place among them; 0 for other rows."""
    used = np.unique(codes[weighted])
    place = np.minimum(np.searchsorted(used, codes), len(used) - 1)
    return used, np.where(used[place] == codes, place, 0)


def _labels(used: IntArray, levels: list[tuple[str, ...]]) -> tuple[str, ...]:
    rest, parts = used.copy(), []
    for labels in reversed(levels):
        rest, own = np.divmod(rest, len(labels))
        parts.append([labels[place] for place in own])
    return tuple(":".join(names) for names in zip(*reversed(parts), strict=True))
