"""What a formula names beside columns: arrays with a value per row become columns, the rest stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from glmstat.data.source import Source
from glmstat.formula.contrast import is_table
from glmstat.formula.expression import Environment
from glmstat.formula.roles import Given, Role
from glmstat.formula.value import Value

__all__ = ["Scope", "split_context"]


class Scope(Environment):
    """An environment whose context holds constants only.

    An array of three knots is not cut to the rows of new data that happen to be three.
    """

    def lookup(self, name: str) -> Value:
        """Value of a name: a column, else an entry of the context, else a constant."""
        if name not in self.frame and isinstance(self.context.get(name), np.ndarray):
            return self.context[name]
        return super().lookup(name)


def split_context(
    source: Source, asked: Iterable[Role], context: Mapping[str, Any]
) -> tuple[Source, dict[str, Any]]:
    """Return the source with the row-wise entries as columns, and the other entries that are used.

    Parameters
    ----------
    source : the data; its columns hide entries of the same name.
    asked : all that is evaluated.
    context : as the caller gave it.
    """
    if not context:
        return source, {}
    used = {name for role in asked for name in (*role.names, *_functions(role))}
    columns, kept = {}, {}
    for name, value in context.items():
        if name not in used or name in source:
            continue
        if _is_row_wise(value, source.rows):
            columns[name] = source.align_column(value, name)
        else:
            kept[name] = value
    return source.joined(columns), {name: _constant(value) for name, value in kept.items()}


def _functions(role: Role) -> tuple[str, ...]:
    return () if isinstance(role, Given) else role.functions


def _is_row_wise(value: Any, rows: int) -> bool:
    if callable(value) or isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__len__"):
        return False
    return len(value) == rows and len(getattr(value, "shape", (rows,))) == 1


def _constant(value: Any) -> Any:
    """Return an array-like entry as an array; tables keep their labels, the rest is as it is."""
    if (
        callable(value)
        or isinstance(value, (str, bytes, Mapping, list, tuple))
        or is_table(value)
        or not hasattr(value, "__len__")
    ):
        return value
    return np.asarray(value)
