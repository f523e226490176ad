"""What the operators of an expression do to its values: arithmetic, comparison, membership, logic."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.data.columns import LARGEST_WHOLE, Categorical
from glmstat.errors import DataError
from glmstat.formula.value import Value, as_number, level_label, refuse_merged

__all__ = ["arithmetic", "combine", "compare", "invert", "signed"]

_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
_COMPARISON: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?")  # written as an approximate number
Truth = NDArray[np.bool_] | np.bool_ | bool


def arithmetic(symbol: str, left: Value, right: Value, left_text: str, right_text: str) -> Value:
    """Value of ``left symbol right`` in float64; overflow is inf, never an integer of any size.

    Parameters
    ----------
    symbol : one of + - * / // % **.
    left, right : numbers or columns of numbers.
    left_text, right_text : as written, for messages.

    >>> float(arithmetic("**", 2.0, 10.0, "2", "10"))
    1024.0
    """
    return _ARITHMETIC[symbol](_real(left, left_text), _real(right, right_text))


def signed(symbol: str, value: Value, text: str) -> Value:
    """Value of ``+value`` or ``-value``."""
    if isinstance(value, float):
        return -value if symbol == "-" else value
    return -_real(value, text) if symbol == "-" else _real(value, text)


def compare(symbol: str, left: Value, right: Value, left_text: str, right_text: str) -> Truth:
    """Truth of ``left symbol right`` row by row; a missing level compares as false.

    Parameters
    ----------
    symbol : one of == != < <= > >=, in, not in.
    left, right : numbers, columns, a factor and one of its levels; behind `in`, a list.
    left_text, right_text : as written, for messages.

    >>> f = Categorical(np.array([0, 1, -1]), ("a", "b"))
    >>> compare("!=", f, "a", "f", "'a'")
    array([False,  True, False])
    """
    if symbol in ("in", "not in"):
        found = _contains(left, right, left_text, right_text)
        return found if symbol == "in" else _present(left) & np.logical_not(found)
    if isinstance(left, Categorical):
        return _compare_level(symbol, left, right, left_text, right_text)
    if isinstance(right, Categorical):
        return _compare_level(_MIRRORED[symbol], right, left, right_text, left_text)
    if isinstance(left, str) or isinstance(right, str):
        raise DataError(
            f"Text is compared with a number: '{left_text} {symbol} {right_text}'. "
            "Compare a factor with text, a number with a number."
        )
    numbers = _real(left, left_text), _real(right, right_text)
    _refuse_near(*numbers, left_text, right_text)
    return _COMPARISON[symbol](*numbers)


def _refuse_near(left: Any, right: Any, left_text: str, right_text: str) -> None:
    """Refuse to compare numbers that are the same only because float64 merged them with their neighbours."""
    sides = (left, left_text), (right, right_text)
    if any(
        np.ndim(side) == 0 and (abs(side) < LARGEST_WHOLE or _FLOAT.fullmatch(text)) for side, text in sides
    ):
        return
    columns = [text for side, text in sides if np.ndim(side)]
    if columns:
        refuse_merged(np.where(left == right, right, 0.0), columns[0])


def combine(symbol: str, left: Value, right: Value, left_text: str, right_text: str) -> Truth:
    """Truth of ``left & right`` or ``left | right`` row by row."""
    first, second = _truth(left, left_text), _truth(right, right_text)
    return first & second if symbol == "&" else first | second


def invert(value: Value, text: str) -> Truth:
    """Truth of ``not value`` row by row."""
    return np.logical_not(_truth(value, text))


def _contains(item: Value, members: Value, item_text: str, members_text: str) -> Truth:
    members = members.tolist() if isinstance(members, np.ndarray) else members
    if not isinstance(members, (tuple, list)):
        raise DataError(
            f"'in' needs a list: '{item_text} in {members_text}'. Write {item_text} in ('a', 'b')."
        )
    found: Truth = np.zeros(len(item), dtype=bool) if isinstance(item, (np.ndarray, Categorical)) else False
    for member in members:
        if isinstance(item, np.ndarray) and isinstance(member, float):
            _refuse_near(item, member, item_text, members_text)
        found = found | compare("==", item, member, item_text, repr(member))
    return found


def _present(item: Value) -> Truth:
    return item.codes >= 0 if isinstance(item, Categorical) else True


def _real(value: Value, text: str) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return value
    number = as_number(value, text)
    return np.float64(number) if isinstance(number, float) else number


def _truth(value: Value, text: str) -> Truth:
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, np.ndarray) and value.dtype == np.bool_):
        return value
    raise DataError(
        f"'and', 'or' and 'not' need true or false: '{text}' is neither. Write {text} != 0, for example."
    )


def _compare_level(symbol: str, factor: Categorical, level: Value, text: str, level_text: str) -> Truth:
    if not isinstance(level, (str, bool, int, float, np.number, np.bool_)):
        raise DataError(
            f"A factor is compared with one of its levels: '{text} {symbol} {level_text}'. Name a level."
        )
    if factor.levels and isinstance(level, str) != isinstance(factor.levels[0], str):
        shown = ", ".join(level_label(known) for known in factor.levels[:5])
        wanted = "a number" if isinstance(level, str) else "text in quotes"
        raise DataError(
            f"Factor '{text}' has levels {shown}: it is compared with {level_text}. Write {wanted}."
        )
    if symbol in ("==", "!="):
        hits = np.array([_COMPARISON[symbol](known, level) for known in factor.levels], dtype=bool)
    else:
        hits = _beside(symbol, factor, level, text, level_text)
    return np.append(hits, False)[factor.codes]  # code -1 finds the False at the end


def _beside(symbol: str, factor: Categorical, level: Value, text: str, level_text: str) -> NDArray[np.bool_]:
    if not factor.ordered:
        raise DataError(f"Factor '{text}' has no order: '{text} {symbol} {level_text}'. Use ==, != or in.")
    if level not in factor.levels:
        shown = ", ".join(level_label(known) for known in factor.levels[:5])
        raise DataError(
            f"Factor '{text}' has no level {level_text}: its levels are {shown}. Name one of them."
        )
    return np.asarray(_COMPARISON[symbol](np.arange(len(factor.levels)), factor.levels.index(level)))
