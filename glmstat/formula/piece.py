"""Terms after learning: which columns each makes, what they are called, and how rows become numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.data.source import Categorical, Level
from glmstat.errors import DataError, FormulaError
from glmstat.formula.contrast import coding
from glmstat.formula.expression import Expression
from glmstat.formula.rank_coding import Group, plan_groups
from glmstat.formula.schema import BASIS, FACTOR, Encoding
from glmstat.formula.terms import Linear, Network
from glmstat.formula.value import Array, Basis, Value, level_label
from glmstat.layers import Towers
from glmstat.matrix import Columns, Constant, Factor, Hidden, Numeric, Part, Product, Wide

__all__ = [
    "COLUMN_LIMIT",
    "MISSING",
    "NEW",
    "Piece",
    "build_pieces",
    "columns_of",
    "network_pieces",
    "recode",
]

COLUMN_LIMIT = 20_000
MISSING, NEW = -1, -2  # codes of a row without level, and of a level that the fit has not seen
_CACHED_COLUMNS = 1_000  # pieces of larger designs are made anew: their codings are too big to keep

Coded = tuple[str, Array | None]
"""One part of a group of columns: its text, and the coding (levels, k) of a factor."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One term after learning.

    Parameters
    ----------
    term : the term.
    columns : names of its columns.
    slots : their places in the predictor.
    groups : sets of adjacent columns, each the product of coded parts; () is the intercept.
    towers : of a network that is trained, its hidden layers: the columns are their last units, computed
        from those of the groups.
    """

    term: Linear | Network
    columns: tuple[str, ...]
    slots: slice
    groups: tuple[tuple[Coded, ...], ...]
    towers: Towers | None = None

    @property
    def linear(self) -> Linear:
        """The term of a piece that is no network: one that can be dropped or coded anew."""
        assert isinstance(self.term, Linear)
        return self.term


def recode(value: Value, levels: tuple[Level, ...], text: str) -> NDArray[np.signedinteger[Any]]:
    """Return the codes (n,) of a factor's rows in `levels`.

    Parameters
    ----------
    value : a factor, or bool (n,).
    levels : those of the fit.
    text : the factor's expression, for messages.

    Returns
    -------
    Codes; MISSING where there is no level, NEW where `levels` do not have it.

    Raises
    ------
    DataError : numbers, where the fit had levels.

    >>> recode(Categorical(np.array([0, 1, -1]), ("b", "z")), ("a", "b"), "f")
    array([ 1, -2, -1], dtype=int32)
    """
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        value = Categorical(value.view(np.int8), (False, True))  # pyright: ignore[reportArgumentType]
    elif isinstance(value, np.ndarray) and np.isnan(value).all():
        return np.full(len(value), MISSING)
    if not isinstance(value, Categorical):
        shown = ", ".join(level_label(level) for level in levels[:5])
        raise DataError(
            f"'{text}' is a number here, a factor in the fit: its levels are {shown}. Convert it first."
        )
    if value.levels is levels or value.levels == levels:
        return value.codes
    return _places(value.levels, levels)[value.codes]


@lru_cache(maxsize=128)
def _places(old: tuple[Any, ...], new: tuple[Any, ...]) -> NDArray[np.int32]:
    place = {level: code for code, level in enumerate(new)}
    return np.array(
        [*(place.get(level, NEW) for level in old), MISSING], dtype=np.int32
    )  # code -1 finds the last


def build_pieces(
    terms: tuple[Linear, ...], parts: Mapping[str, Encoding], *, absorbing: bool = False
) -> tuple[Piece, ...]:
    """Return the terms with their columns named, coded and numbered.

    Parameters
    ----------
    terms : in the order of the formula.
    parts : what each part of a term is.
    absorbing : whether absorbed effects hold the intercept: factors are coded as beside one.

    Raises
    ------
    FormulaError : more than 20,000 columns; found before any is made.
    """
    if absorbing:
        return _behind_intercept(build_pieces((Linear(()), *terms), parts))
    for term in terms:
        _check_width(prod(parts[part.text].width(full=True) for part in term.parts), terms)
    width = sum(len(part.levels) + len(part.labels) for part in parts.values())
    build = _cached_pieces if width <= _CACHED_COLUMNS else _pieces
    return build(terms, tuple(parts.items()))


def _behind_intercept(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces without the intercept, numbered anew."""
    moved = ((piece.slots.start - 1, piece.slots.stop - 1) for piece in pieces[1:])
    return tuple(replace(piece, slots=slice(*ends)) for piece, ends in zip(pieces[1:], moved, strict=True))


def _check_width(width: int, terms: Sequence[Linear]) -> None:
    if width > COLUMN_LIMIT:
        widest = ", ".join(str(term) for term in terms if len(term.parts) > 1) or ", ".join(map(str, terms))
        raise FormulaError(
            f"The formula makes more than {COLUMN_LIMIT:,} columns: at least {width:,}, see {widest[:200]}. "
            "Merge levels, leave out an interaction, or let glm absorb the factor: 'y ~ x | g'."
        )


def _pieces(terms: tuple[Linear, ...], parts: tuple[tuple[str, Encoding], ...]) -> tuple[Piece, ...]:
    encodings = dict(parts)
    factors = frozenset(text for text, encoding in parts if encoding.kind == FACTOR)
    plan = plan_groups(tuple(tuple(part.text for part in term.parts) for term in terms), factors)
    _check_width(
        sum(_width(term, groups, encodings) for term, groups in zip(terms, plan, strict=True)), terms
    )
    pieces, place = [], 0
    for term, groups in zip(terms, plan, strict=True):
        made = [_group(term, group, encodings) for group in groups]
        columns = tuple(name for _, names in made for name in names)
        slots = slice(place, place := place + len(columns))
        pieces.append(Piece(term, columns, slots, tuple(coded for coded, _ in made)))
    return tuple(pieces)


_cached_pieces = lru_cache(maxsize=128)(_pieces)


def network_pieces(
    terms: Iterable[Network], parts: Mapping[str, Encoding], place: int, towers: Mapping[str, Towers]
) -> tuple[Piece, ...]:
    """Return the networks with their columns named and numbered from `place` on.

    A network that is trained has the units of its last hidden layer as columns, another one its inputs,
    factors with a column for each level.

    Parameters
    ----------
    terms : in the order of the formula.
    parts : what each input is.
    towers : hidden layers of the trained networks, by name.
    """
    pieces = []
    for term in terms:
        made = [_group(term, ((k, True),), parts) for k in range(len(term.parts))]
        trained = towers.get(term.name)
        inputs = tuple(f"{term.name}.{name}" for _, names in made for name in names)
        columns = inputs if trained is None else _unit_names(term.name, trained)
        slots = slice(place, place := place + len(columns))
        pieces.append(Piece(term, columns, slots, tuple(coded for coded, _ in made), trained))
    return tuple(pieces)


def _unit_names(name: str, towers: Towers) -> tuple[str, ...]:
    """Names of the features: "nn1.h3", or "nn1.net2.h3" where several nets stand side by side."""
    several = len(towers.towers) > 1
    return tuple(
        f"{name}.net{net}.h{unit}" if several else f"{name}.h{unit}"
        for net, tower in enumerate(towers.towers, 1)
        for unit in range(1, tower.width + 1)
    )


def _width(term: Linear, groups: Iterable[Group], encodings: Mapping[str, Encoding]) -> int:
    return sum(
        prod(encodings[term.parts[place].text].width(full=full) for place, full in group) for group in groups
    )


def _group(
    term: Linear | Network, group: Group, encodings: Mapping[str, Encoding]
) -> tuple[tuple[Coded, ...], list[str]]:
    if not group:
        return (), ["Intercept"]
    coded, labels = [], []
    for place, full in group:
        part = term.parts[place]
        matrix, names = _columns(part, encodings[part.text], full)
        coded.append((part.text, matrix))
        labels.append(names)
    return tuple(coded), [":".join(reversed(names)) for names in product(*reversed(labels))]


def _columns(part: Expression, encoding: Encoding, full: bool) -> tuple[Array | None, list[str]]:
    """Coding of a part (None unless it is a factor) and the names of its columns."""
    if encoding.kind == BASIS:
        return None, [f"{part.label}[{label}]" for label in encoding.labels]
    if encoding.kind != FACTOR:
        return None, [part.label]
    if len(encoding.levels) < 2 and not full:
        level = "".join(map(level_label, encoding.levels))
        raise DataError(
            f"Factor '{part.text}' has one level: {level} in every row. Leave it out, or use more rows."
        )
    matrix, labels = coding(
        encoding.levels, encoding.contrast, full, ordered=encoding.ordered, text=part.text
    )
    if not matrix.flags.owndata:
        matrix = np.array(matrix)
    matrix.flags.writeable = False
    return matrix, [f"{part.label}[{label}]" for label in labels]


def columns_of(
    pieces: Iterable[Piece], values: Mapping[str, Value], parts: Mapping[str, Encoding], rows: int
) -> Columns:
    """Return the design matrix of `rows` rows from the values of its parts.

    Parameters
    ----------
    pieces : the terms.
    values : value of each part by its text; a factor's codes (n,) already those of its encoding.
    parts : encodings by text.
    rows : n.
    """
    made: dict[tuple[str, int], Part] = {}

    def part_of(text: str, coding: Array | None) -> Part:
        key = text, id(coding)
        if key not in made:
            made[key] = _part(values[text], coding, rows)
        return made[key]

    columns: list[Part] = []
    for piece in pieces:
        own: list[Part] = []
        for group in piece.groups:
            if len(group) == 1:
                own.append(part_of(*group[0]))
            else:
                own.append(Product(tuple(part_of(*coded) for coded in group)) if group else Constant())
        columns += own if piece.towers is None else [Hidden(tuple(own), piece.towers)]
    return Columns(rows, tuple(columns))


def _part(value: Value, coding: Array | None, rows: int) -> Part:
    if coding is not None:
        return Factor(value, coding)
    if isinstance(value, Basis):
        return Wide(value.columns)
    return Numeric(np.full(rows, value) if isinstance(value, (float, bool)) else value)
