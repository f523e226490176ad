"""Arguments that are data: a column's name, an expression, or an array; each becomes a role of the frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from glmstat.data.columns import Column
from glmstat.data.source import BoolArray, Frame, Source
from glmstat.errors import ArgumentError, DataError
from glmstat.formula.check import Offence, offence
from glmstat.formula.expression import Environment, Expression, evaluate, parse_expression
from glmstat.formula.syntax import column
from glmstat.formula.value import Array, as_number

__all__ = [
    "WORDS",
    "Given",
    "Role",
    "Roles",
    "apart",
    "log_exposure",
    "number",
    "read_roles",
    "truth",
    "variable_roles",
]

WORDS = ("offset", "exposure", "weights", "freq_weights", "sampling_weights", "subset")


@dataclass(frozen=True)
class Given:
    """An argument that came as an array; its values stand in the source as the column `key`.

    Parameters
    ----------
    word : the argument's name.
    """

    word: str

    @property
    def key(self) -> str:
        """Name of the column; no formula can say it."""
        return f"{self.word}="

    @property
    def text(self) -> str:
        """How messages call it."""
        return self.word

    @property
    def names(self) -> tuple[str, ...]:
        """Columns it reads."""
        return (self.key,)


Role = Expression | Given


@dataclass(frozen=True)
class Roles:
    """What each data-like argument reads; None where it was not given.

    `beside` are the variables of the covariance: clusters, time order, strata.
    """

    offset: Role | None = None
    exposure: Role | None = None
    weights: Role | None = None
    freq_weights: Role | None = None
    sampling_weights: Role | None = None
    subset: Role | None = None
    beside: tuple[Role, ...] = ()

    @property
    def used(self) -> tuple[Role, ...]:
        """The roles that were given and whose rows must be present: all but the subset."""
        roles = (self.offset, self.exposure, self.weights, self.freq_weights, self.sampling_weights)
        return (*(role for role in roles if role is not None), *self.beside)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that the roles and the subset read."""
        given = self.used if self.subset is None else (*self.used, self.subset)
        return tuple(dict.fromkeys(name for role in given for name in role.names))


def read_roles(
    source: Source,
    arguments: Mapping[str, Any],
    *,
    allow_python: bool = False,
    functions: tuple[str, ...] = (),
    beside: Mapping[str, Any] | None = None,
) -> tuple[Roles, Source]:
    """Return the roles, and the source with the arrays among them as columns.

    Parameters
    ----------
    source : the data.
    arguments : what was given, by word; None is the same as leaving it out. A text is the name of a
        column before it is an expression.
    allow_python, functions : passed to the reader of expressions.
    beside : variables of the covariance by argument: text, `a:b` for every pair of values, or an array.

    Raises
    ------
    DataError : an array of another length or index than the data.
    ArgumentError : a word that is not a role.
    """
    read = partial(parse_expression, allow_python=allow_python, functions=functions)
    roles: dict[str, Role] = {}
    arrays: dict[str, Column] = {}
    for word, value in arguments.items():
        if word not in WORDS:
            raise ArgumentError(f"Unknown role: {word!r}. Roles are {', '.join(WORDS)}.")
        if isinstance(value, str):
            roles[word] = column(value) if value in source else read(value)
        elif value is not None:
            roles[word] = given = Given(word)
            arrays[given.key] = source.align_column(value, word)
    others: list[Role] = []
    for word, value in (beside or {}).items():
        if isinstance(value, str):
            others += variable_roles(source, value, allow_python=allow_python, functions=functions)
        else:
            others.append(given := Given(word))
            arrays[given.key] = source.align_column(value, word)
    return Roles(**roles, beside=tuple(others)), source.joined(arrays)


def variable_roles(
    source: Source, text: str, *, allow_python: bool = False, functions: tuple[str, ...] = ()
) -> list[Expression]:
    """Return what a variable of the covariance reads: one expression, or several for `a:b`."""
    if text in source:
        return [column(text)]
    return [
        column(part)
        if part in source
        else parse_expression(part, allow_python=allow_python, functions=functions)
        for part in apart(text, ":")
    ]


def apart(text: str, mark: str) -> list[str]:
    """Return the parts of a text between marks that stand outside brackets and quotes.

    >>> apart("a + f(b + c)", "+")
    ['a', 'f(b + c)']
    """
    parts, depth, quote, start = [], 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "`'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == mark and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]


def value_of(role: Role, environment: Environment) -> Any:
    """Return what a role reads in one block."""
    return environment.frame[role.key] if isinstance(role, Given) else evaluate(role, environment)


def number(role: Role, environment: Environment, user: str = "Arithmetic") -> Array:
    """Return a role or an expression as float64 (n,); a single number is repeated.

    Raises
    ------
    DataError : text, a factor, several columns, or an array of another length.
    """
    values = as_number(value_of(role, environment), role.text, user)
    if isinstance(values, float):
        return np.full(environment.frame.rows, values)
    return rows_checked(values, role.text, environment.frame)


def rows_checked(values: Any, text: str, frame: Frame) -> Any:
    """Return `values` if they have one entry per row."""
    if len(values) != frame.rows:
        raise DataError(
            f"Length of {text} differs from data: {len(values)} values, {frame.rows} rows. "
            "Give one value per row of data."
        )
    return values


def truth(role: Role, environment: Environment) -> BoolArray:
    """Return a subset as bool (n,)."""
    value = value_of(role, environment)
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        return rows_checked(value, role.text, environment.frame)
    raise DataError(f'subset must be true or false: {role.text} is not. Write a comparison, such as "t > 0".')


def log_exposure(role: Role, environment: Environment) -> tuple[Array, dict[str, Offence]]:
    """Return the logarithm of the exposure (n,), and the rows where it is not positive."""
    exposure = number(role, environment, "exposure")
    remedy = (
        f'Use subset="{role.text} > 0".'
        if isinstance(role, Expression)
        else "Correct it, or drop these rows."
    )
    bad = offence(~(exposure > 0), exposure, environment.frame, "exposure must be > 0", role.text, remedy)
    return (exposure if bad else np.log(exposure)), bad
