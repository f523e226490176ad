"""What a formula expression can be worth, and the checks every function makes of its arguments.

A value is one of: ``float`` (a literal, or a number of the context), ``str``, ``bool``, a tuple of these,
an array of n rows (float64 or bool), a `Basis` (k columns of n rows), a `Categorical`,
a `glmstat.formula.contrast.Contrast`, or a registered function named but not called (`contr.sum`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmstat.array import Array
from glmstat.data.columns import LARGEST_WHOLE, Categorical, Level
from glmstat.errors import DataError, FormulaError, one_of

__all__ = [
    "JSON",
    "Array",
    "Basis",
    "Value",
    "as_categorical",
    "as_flag",
    "as_levels",
    "as_number",
    "as_numbers",
    "as_whole",
    "level_label",
    "match_level",
    "refuse_merged",
]

JSON = Any
Value = Any  # one of the types in the module's docstring

MOST_COLUMNS = 1_000  # of one call: more would not fit a block in memory


@dataclass(frozen=True, eq=False)
class Basis:
    """Several numeric columns made by one call, such as `poly(x, 2)`.

    Parameters
    ----------
    columns : (k, n) array, one row per column of the design.
    labels : k texts; the column is named ``expression[label]``.
    """

    columns: Array
    labels: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of rows, n."""
        return self.columns.shape[1]


def level_label(level: Level) -> str:
    """Return the text of a level inside a column name.

    Whole numbers print without a decimal point, as an integer column's levels do.

    >>> [level_label(level) for level in ("a", 2.0, 2.5, True)]
    ['a', '2', '2.5', 'True']
    """
    if isinstance(level, (str, bool)):
        return str(level)
    whole = abs(level) < LARGEST_WHOLE and float(level).is_integer()
    return str(int(level)) if whole else repr(float(level))


def match_level(wanted: Any, levels: Sequence[Level]) -> Level | None:
    """Return the level that a user means: the equal one, else the one that prints the same, else None.

    >>> match_level("6", (4.0, 6.0, 8.0))
    6.0
    """
    if not isinstance(wanted, (str, bool, int, float, np.number)):
        return None
    if wanted in levels:
        return levels[levels.index(wanted)]
    shown = level_label(wanted if isinstance(wanted, (str, bool)) else float(wanted))
    return next((level for level in levels if level_label(level) == shown), None)


def as_number(value: Value, text: str = "its argument", user: str = "Arithmetic") -> float | Array:
    """Return a value as float, or as a float64 array of n rows; booleans count 0 and 1.

    Parameters
    ----------
    value : any value; an array keeps its memory when it is float64 already.
    text : what the user wrote for it.
    user : who asks, first word of the message.

    Raises
    ------
    DataError : text, a categorical, or a basis of several columns.

    >>> as_number(True)
    1.0
    """
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fiub":
        return value.astype(np.float64, copy=False)
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        return float(value)
    raise DataError(f"{user} needs numbers: {_describe(value, text)}")


def _describe(value: Value, text: str) -> str:
    if isinstance(value, Categorical):
        shown = one_of([level_label(level) for level in value.levels[:5]])
        dots = ", …" if len(value.levels) > 5 else ""
        return f"'{text}' is categorical with levels {shown}{dots}. Use a numeric column."
    if isinstance(value, Basis):
        return f"'{text}' has {len(value.labels)} columns. Use one column."
    if isinstance(value, str):
        return f"{value!r} is text. Write a column name without quotes, or a number."
    return f"'{text}' is {type(value).__name__}. Use a numeric column or a number."


def as_categorical(value: Value, text: str = "its argument", user: str = "A factor") -> Categorical:
    """Return a value as `Categorical`: numbers and booleans by their sorted distinct values; NaN is missing.

    Raises
    ------
    DataError : a basis of several columns, a single number or text, or numbers of 2^53 or more.

    >>> as_categorical(np.array([2.0, 1.0, 2.0])).levels
    (1.0, 2.0)
    """
    if isinstance(value, Categorical):
        return value
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise DataError(f"{user} needs a column: '{text}' is not one. Name a column of the data.")
    if value.dtype == np.bool_:
        return Categorical(value.astype(np.intp), (False, True))
    numbers = value.astype(np.float64, copy=False)
    present = ~np.isnan(numbers)
    levels, codes = np.unique(numbers[present], return_inverse=True)
    refuse_merged(levels, text)
    full = np.full(len(numbers), -1, dtype=np.intp)
    full[present] = codes
    return Categorical(full, tuple(levels.tolist()))


def refuse_merged(values: Array, text: str) -> None:
    """Refuse to tell rows apart by numbers that may be several whole numbers each.

    Parameters
    ----------
    values : distinct numbers.
    text : what the user wrote for them.

    Raises
    ------
    DataError : a finite one of 2^53 or more.

    >>> refuse_merged(np.array([1.0, 2.0**52, np.inf]), "id")
    """
    with np.errstate(invalid="ignore"):
        size = np.abs(values)
        large = size[(size >= LARGEST_WHOLE) & (size < np.inf)]
    if len(large):
        raise DataError(
            f"Rows are told apart by numbers of 2^53 or more, which float64 merges with their neighbours: "
            f"'{text}' has some of about {large[0]:.3g}. Convert it to text."
        )


def as_flag(value: Value, name: str, user: str) -> bool:
    """Return True or False for an option of a function, else raise FormulaError."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise FormulaError(f"{user}() needs {name} to be True or False: it is {_show(value)}. Write {name}=True.")


def as_whole(value: Value, name: str, user: str, least: int = 1, most: int = MOST_COLUMNS) -> int:
    """Return a whole number from least to most for an option of a function, else raise FormulaError."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if is_number and float(value).is_integer() and least <= value <= most:
        return int(value)
    raise FormulaError(
        f"{user}() needs {name} to be a whole number from {least} to {most:,}: it is {_show(value)}. "
        f"Write {name}={max(least, 1)}, for example."
    )


def as_numbers(value: Value, name: str, user: str) -> tuple[float, ...]:
    """Return an option of a function as a tuple of floats, from a number, list, tuple or array."""
    items = np.ravel(value).tolist() if isinstance(value, np.ndarray) else value
    items = items if isinstance(items, Sequence) and not isinstance(items, str) else [items]
    if all(isinstance(item, (int, float)) and not math.isnan(item) for item in items):
        return tuple(float(item) for item in items)
    raise FormulaError(
        f"{user}() needs {name} to be numbers: it is {_show(value)}. Write {name}=[1, 2], for example."
    )


def as_levels(value: Value, name: str, user: str) -> tuple[Level, ...]:
    """Return an option of a function as a tuple of distinct levels, from a list, tuple or array."""
    items = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(i, (str, bool, int, float)) for i in items):
        raise FormulaError(
            f"{user}() needs {name} to be a list: it is {_show(value)}. Write {name}=['a', 'b'], for example."
        )
    if len(set(items)) < len(items):
        raise FormulaError(f"{user}() has a level twice: {name}={_show(value)}. Name each level once.")
    return tuple(item if isinstance(item, (str, bool)) else float(item) for item in items)


def _show(value: Value) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.size} values"
    if isinstance(value, (Categorical, Basis)):
        return "a column"
    if isinstance(value, float) and value.is_integer():
        return level_label(value)
    return repr(value) if isinstance(value, (str, bool, int, float, list, tuple)) else type(value).__name__
