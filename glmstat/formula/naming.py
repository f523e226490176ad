"""What other systems call the coefficients of a formula."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from glmstat.array import Array
from glmstat.data.source import Level
from glmstat.formula.contrast import coding
from glmstat.formula.expression import Expression
from glmstat.formula.piece import Coded, Piece
from glmstat.formula.schema import BASIS, FACTOR, Encoding
from glmstat.formula.terms import Linear
from glmstat.formula.value import level_label

__all__ = ["INTERCEPTS", "STYLES", "Group", "column_names"]

INTERCEPTS = ("Intercept", "(Intercept)", "_cons")


@dataclass(frozen=True)
class Cell:
    """What one part of a term gives to the name of a column.

    Parameters
    ----------
    part : the part.
    kind : "number", "basis", "level" (an indicator), or the kind of contrast.
    label : of the column, as in the square brackets of the default names.
    level : that of an indicator.
    place : of the level among the levels, or of the column among those of the part, from 1.
    neighbours : labels of all levels.
    """

    part: Expression
    kind: str
    label: str = ""
    level: Level | None = None
    place: int = 0
    neighbours: tuple[str, ...] = ()

    @property
    def default(self) -> str:
        """The part of the default name."""
        return f"{self.part.label}[{self.label}]" if self.label else self.part.label


class Group(NamedTuple):
    """The terms of one predictor.

    Parameters
    ----------
    pieces : the terms; networks keep their names.
    text : the formula: R names the parts of an interaction in the order in which they first stand there.
    prefix : what stands before the names of a predictor besides the mean: "theta:".
    """

    pieces: Sequence[Piece]
    text: str
    prefix: str = ""


def column_names(groups: Sequence[Group], parts: Mapping[str, Encoding], style: str) -> tuple[str, ...]:
    """Return the names of the columns of some terms in a style.

    Names that would be those of two columns stay as they are by default.

    Parameters
    ----------
    groups : the terms of each predictor.
    parts : what each part of a term is.
    style : a word of `Convention.names`.
    """
    default = [name for group in groups for piece in group.pieces for name in piece.columns]
    if style not in STYLES:
        return tuple(default)
    names = [name for group in groups for name in _group_names(group, parts, style)]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    return tuple(old if new in twice else new for old, new in zip(default, names, strict=True))


def _group_names(group: Group, parts: Mapping[str, Encoding], style: str) -> Iterator[str]:
    intercept, join = STYLES[style]
    if join is _r:
        join = partial(_r_ordered, _places(group.pieces, group.text))
    for piece in group.pieces:
        if isinstance(piece.term, Linear) and piece.towers is None:
            yield from (group.prefix + name for name in _names(piece, piece.term, parts, intercept, join))
        else:
            yield from piece.columns


def _names(
    piece: Piece,
    term: Linear,
    parts: Mapping[str, Encoding],
    intercept: str,
    join: Callable[[list[Cell]], str],
) -> Iterator[str]:
    known = {part.text: part for part in term.parts}
    for group in piece.groups:
        if not group:
            yield intercept
            continue
        cells = [_cells(known[text], parts[text], (text, matrix)) for text, matrix in group]
        for found in product(*reversed(cells)):
            yield join(list(reversed(found)))


def _cells(part: Expression, encoding: Encoding, coded: Coded) -> list[Cell]:
    if encoding.kind == BASIS:
        return [Cell(part, "basis", label, None, k) for k, label in enumerate(encoding.labels, 1)]
    if encoding.kind != FACTOR:
        return [Cell(part, "number")]
    matrix, levels = coded[1], encoding.levels
    assert matrix is not None
    labels = tuple(map(level_label, levels))
    numbered = list(enumerate(levels, 1))
    if _is_full(matrix, encoding):
        return [Cell(part, "level", labels[k - 1], level, k) for k, level in numbered]
    names = coding(levels, encoding.contrast, False, ordered=encoding.ordered, text=part.text)[1]
    if encoding.is_treatment:
        used = set(names)
        kept = [(k, level) for k, level in numbered if f"T.{labels[k - 1]}" in used]
        return [Cell(part, "level", f"T.{labels[k - 1]}", level, k) for k, level in kept]
    kind = "poly" if encoding.contrast is None or encoding.contrast.kind == "R" else encoding.contrast.kind
    return [Cell(part, kind, name, None, k, labels) for k, name in enumerate(names, 1)]


def _is_full(matrix: Array, encoding: Encoding) -> bool:
    """Whether each level has a column; a matrix of the user's may be as wide."""
    if matrix.shape[1] < len(matrix):
        return False
    given = encoding.contrast is not None and encoding.contrast.kind == "custom"
    return not given or np.array_equal(matrix, np.eye(len(matrix)))


# ---------------------------------------------------------------- R


def _places(pieces: Sequence[Piece], text: str) -> dict[str, int]:
    """Where each part first stands in the formula."""
    found: dict[str, int] = {}
    text = _squeezed(text)
    outside = _outside_calls(text)
    for part in (part for piece in pieces for part in piece.term.parts):
        spelled = re.escape(_squeezed(part.label))
        match = re.search(rf"(?<![\w.]){spelled}(?![\w.(\[])", text if part.column is None else outside)
        found.setdefault(part.text, match.start() if match else len(text))
    return found


def _squeezed(text: str) -> str:
    return "".join(text.split()).replace("**", "^").replace('"', "'")


def _outside_calls(text: str) -> str:
    """The text with blanks in the place of what stands between the brackets of functions."""
    letters, calls = list(text), []
    for place, letter in enumerate(text):
        if letter == "(":
            calls.append(place > 0 and (text[place - 1].isalnum() or text[place - 1] in "._"))
        elif letter == ")" and calls:
            calls.pop()
        if any(calls):
            letters[place] = " "
    return "".join(letters)


def _r_ordered(places: Mapping[str, int], cells: list[Cell]) -> str:
    return _r(sorted(cells, key=lambda cell: places[cell.part.text]))


def _r(cells: list[Cell]) -> str:
    return ":".join(
        (_r_text(cell.part.text) if cell.part.column is None else _r_symbol(cell.part.column))
        + _r_label(cell)
        for cell in cells
    )


def _r_label(cell: Cell) -> str:
    if cell.kind == "level":
        if isinstance(cell.level, bool):
            return str(cell.level).upper()
        return _plain(cell)
    if cell.kind in ("sum", "helmert"):
        return str(cell.place)
    if cell.kind == "sdif":
        return f"{cell.neighbours[cell.place]}-{cell.neighbours[cell.place - 1]}"
    return cell.label


def _plain(cell: Cell) -> str:
    """The level without the decimals of a whole number."""
    level = cell.level
    whole = isinstance(level, float) and level.is_integer()
    return str(int(level)) if whole else level_label(level)  # pyright: ignore[reportArgumentType]


_R_WORDS = (
    (re.compile(r"\s*\*\*\s*"), "^"),
    (re.compile(r"\s*/\s*"), "/"),
    (re.compile(r"(?<![=<>!])=(?!=)"), " = "),
    (re.compile(r"\bTrue\b"), "TRUE"),
    (re.compile(r"\bFalse\b"), "FALSE"),
    (re.compile(r"\bnp\."), ""),
    (re.compile(r"\["), "c("),
    (re.compile(r"\]"), ")"),
)


_R_SYMBOL = re.compile(r"(?:[^\W\d_]|\.(?!\d))[\w.]*")
_R_RESERVED = re.compile(
    r"if|else|repeat|while|function|for|in|next|break|TRUE|FALSE|NULL|Inf|NaN|NA(_(integer|real|complex|character)_)?"
)


def _r_symbol(column: str) -> str:
    """A column as R writes it: in backticks where it is no name of R's."""
    plain = _R_SYMBOL.fullmatch(column) is not None and _R_RESERVED.fullmatch(column) is None
    return column if plain else f"`{column}`"


def _r_text(text: str) -> str:
    """An expression as R writes it: I(x^2), relevel(f, "b")."""
    pieces = re.split(r"('[^']*')", text)
    for place, piece in enumerate(pieces):
        if place % 2:
            pieces[place] = f'"{piece[1:-1]}"'
            continue
        for pattern, word in _R_WORDS:
            piece = pattern.sub(word, piece)
        pieces[place] = piece
    return "".join(pieces)


# ---------------------------------------------------------------- Stata, SAS, statsmodels


def _stata(cells: list[Cell]) -> str:
    alone = len(cells) == 1
    factors = [f"{_stata_level(cell)}.{cell.part.label}" for cell in cells if cell.kind == "level"]
    others = [cell.default for cell in cells if cell.kind != "level"]
    return "#".join([*factors, *(others if alone else (f"c.{name}" for name in others))])


def _stata_level(cell: Cell) -> int:
    """The value of a whole number, else the place that `encode` gives."""
    level = cell.level
    if isinstance(level, bool | int) or (isinstance(level, float) and level.is_integer()):
        return int(level)
    return cell.place


def _sas(cells: list[Cell]) -> str:
    names = "*".join(cell.part.label if cell.kind == "level" else cell.default for cell in cells)
    return " ".join([names, *(_plain(cell) for cell in cells if cell.kind == "level")])


_PATSY = {".L": ".Linear", ".Q": ".Quadratic", ".C": ".Cubic"}


def _statsmodels(cells: list[Cell]) -> str:
    return ":".join(map(_patsy, cells))


def _patsy(cell: Cell) -> str:
    if cell.kind == "basis" and cell.label == str(cell.place):
        return f"{cell.part.label}[{cell.place - 1}]"
    if cell.kind == "poly":
        return f"{cell.part.label}{_PATSY.get(cell.label, cell.label)}"
    return cell.default


# style → the intercept, and what makes a name of the cells of a column
STYLES: Mapping[str, tuple[str, Callable[[list[Cell]], str]]] = {
    "R": ("(Intercept)", _r),
    "stata": ("_cons", _stata),
    "sas": ("Intercept", _sas),
    "statsmodels": ("Intercept", _statsmodels),
}
