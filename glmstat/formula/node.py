"""What an expression is made of: a closed set of operations, so that a formula cannot do anything else."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glmstat.data.source import Categorical, Frame
from glmstat.errors import ColumnError, FormulaError, GlmstatError, near
from glmstat.formula.contrast import Contrast, is_table
from glmstat.formula.foreign import as_value
from glmstat.formula.functions import FUNCTIONS
from glmstat.formula.value import JSON, Value

__all__ = [
    "CONSTANTS",
    "Binary",
    "Call",
    "Comparison",
    "Environment",
    "Expression",
    "Literal",
    "Name",
    "Node",
    "Python",
    "Sequence",
    "Unary",
    "Word",
    "unknown_name",
]

# names that stand for a number where neither the data nor the context has them
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "np.pi": math.pi, "Inf": math.inf, "np.inf": math.inf}


@dataclass(frozen=True)
class Expression:
    """One factor of a formula, read and checked, without data.

    Parameters
    ----------
    text : canonical text, such as ``I(x ** 2)``; reads back to the same expression.
    names : columns or entries of the context that it uses, in order of appearance.
    tree : what it computes.
    operands : the expressions that `tree` computes with.
    column : the name, if it is nothing but a name.
    functions : functions of the context that it calls.
    python : whether something in it is code that only ``allow_python=True`` may run.

    Expressions are equal when their texts are.
    """

    text: str
    names: tuple[str, ...] = field(compare=False)
    tree: Node = field(compare=False, repr=False)
    operands: tuple[Expression, ...] = field(default=(), compare=False, repr=False)
    column: str | None = field(default=None, compare=False, repr=False)
    functions: tuple[str, ...] = field(default=(), compare=False, repr=False)
    python: bool = False

    @property
    def label(self) -> str:
        """What names its columns in a design: the bare column name, else the text."""
        return self.text if self.column is None else self.column

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Literal:
    """A number, a text, True, False or None."""

    constant: float | str | bool | None


@dataclass(frozen=True)
class Name:
    """A column, an entry of the context, or a constant."""

    name: str


@dataclass(frozen=True)
class Word:
    """A registered function that is named and not called, such as `contr.sum`."""

    name: str


@dataclass(frozen=True)
class Sequence:
    """A tuple or a list."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Unary:
    """Sign or negation: + - ~."""

    symbol: str
    operand: Expression


@dataclass(frozen=True)
class Binary:
    """Arithmetic, `&` or `|`, of two operands."""

    symbol: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Comparison:
    """A chain such as ``0 < x <= 1``: true where every link is."""

    symbols: tuple[str, ...]
    members: tuple[Expression, ...]


@dataclass(frozen=True)
class Call:
    """A call of a registered function, or of a function of the context."""

    function: str
    arguments: tuple[Expression, ...]
    options: tuple[tuple[str, Expression], ...]
    text: str

    @property
    def is_stateful(self) -> bool:
        """Whether the function learns from data."""
        known = FUNCTIONS.get(self.function)
        return known is not None and known.learner is not None


@dataclass(frozen=True)
class Python:
    """Code of a trusted user.

    Parameters
    ----------
    code : what Python runs.
    names : (identifier in the code, name that it stands for).
    calls : (identifier in the code, call of the formula language that it stands for).
    """

    code: str
    names: tuple[tuple[str, str], ...]
    calls: tuple[tuple[str, Expression], ...] = ()


Node = Literal | Name | Word | Sequence | Unary | Binary | Comparison | Call | Python


@dataclass(frozen=True, eq=False)
class Environment:
    """Where names find their values: a block of rows, the caller's context, what the data taught.

    Parameters
    ----------
    frame : columns of the rows to compute.
    context : numbers, texts, lists, arrays and functions by name; a 1-d array with one value per row of the
        data is cut to the rows of the frame.
    states : state of each stateful call, by its text.
    """

    frame: Frame
    context: Mapping[str, Any] = field(default_factory=dict)
    states: Mapping[str, JSON] = field(default_factory=dict)

    def lookup(self, name: str) -> Value:
        """Value of a name: a column, else an entry of the context, else a constant.

        Raises
        ------
        ColumnError : there is no such name.
        """
        if name in self.frame:
            return self.frame[name]
        if name in self.context:
            return self._given(name, self.context[name])
        if name in CONSTANTS:
            return CONSTANTS[name]
        raise unknown_name(name, self.frame.names, self.context)

    def _given(self, name: str, value: Any) -> Value:
        if isinstance(value, (str, bool, tuple, list, Categorical, Mapping, Contrast)) or is_table(value):
            return value
        if isinstance(value, (int, float, np.number)):
            return float(value)
        if callable(value):
            raise FormulaError(f"'{name}' is a function of the context: it is used as a value. Call it.")
        array = np.asarray(value)
        if array.ndim == 1 and len(array) == self.frame.holder.rows:
            return as_value(array[self.frame.numbers], name)
        return array


def unknown_name(name: str, columns: Collection[str], context: Mapping[str, Any]) -> GlmstatError:
    """Error for a name that nothing has; `x.y` beside a column `x` is told as attribute access."""
    owner = name.split(".")[0]
    if owner != name and (owner in columns or owner in context):
        return FormulaError(
            f"Attribute access is not allowed in a formula: '{name}'. Compute the column first, "
            "or pass allow_python=True if you trust the text."
        )
    listed = list(columns)
    shown = ", ".join(listed[:20]) + (", …" if len(listed) > 20 else "")
    return ColumnError(f"No column '{name}' in data: columns are {shown}.{near(name, [*listed, *context])}")
