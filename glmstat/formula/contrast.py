"""Contrasts: how the L levels of a factor become columns.

`coding` gives the matrix of a factor and the labels of its columns; a column is named ``part[label]``.
A `Contrast` is what `C(x, ...)` or ``contrasts={"f": ...}`` asked for; as JSON it is
``{"kind": word}`` with, where given, "base": level, "matrix": rows, "scores": [...],
"labels": [...], "levels": [...].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmstat.array import Array
from glmstat.data.columns import Level
from glmstat.errors import DataError, FormulaError, near, one_of
from glmstat.formula.call import Function, Signature
from glmstat.formula.value import JSON, Value, as_numbers, level_label, match_level

__all__ = ["CONTRASTS", "WORDS", "Contrast", "as_contrast", "coding", "is_table"]

WORDS = ("treatment", "sum", "helmert", "poly", "sdif")
SYNONYMS = {"diff": "sdif", "simple": "treatment", "deviation": "sum"}
LARGEST_POLY = 95  # R contr.poly: beyond it the columns are not accurate enough


@dataclass(frozen=True)
class Contrast:
    """A way to code a factor, before its levels are known.

    Parameters
    ----------
    kind : one of `WORDS`, "R" (treatment, but poly for ordered factors), or "custom".
    base : reference level of treatment contrasts; None is the first.
    matrix : rows of a custom matrix, one per level.
    scores : distances between levels, for poly; None is 1, 2, …, L.
    labels : names of the columns of a custom matrix; None numbers them.
    levels : the level that each row of a custom matrix is of; None is their order.
    """

    kind: str
    base: Level | None = None
    matrix: tuple[tuple[float, ...], ...] | None = None
    scores: tuple[float, ...] | None = None
    labels: tuple[str, ...] | None = None
    levels: tuple[Level, ...] | None = None

    def to_json(self) -> JSON:
        """Return the contrast as plain JSON."""
        fields = {word: getattr(self, word) for word in ("base", "scores", "labels", "levels")}
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in fields.items() if v is not None}
        if self.matrix is not None:
            plain["matrix"] = [list(row) for row in self.matrix]
        return {"kind": self.kind, **plain}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Contrast:
        """Return the contrast that `to_json` wrote.

        >>> Contrast.from_json(Contrast("treatment", base="b").to_json()).base
        'b'
        """
        matrix, *rest = (plain.get(name) for name in ("matrix", "scores", "labels", "levels"))
        return cls(
            plain["kind"],
            plain.get("base"),
            None if matrix is None else _rows(matrix),
            *(None if value is None else tuple(value) for value in rest),
        )


def _rows(matrix: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix)


def as_contrast(value: Any, text: str = "C()") -> Contrast | None:
    """Return the contrast that a word, a matrix or a mapping of columns asks for; None stays None.

    Parameters
    ----------
    value : word of `WORDS` (also "R", and with "contr." before it), Contrast, (L, k) numbers
        (array, nested lists), a data frame of them (its index names the levels, its columns the
        coefficients), or {label: column of L numbers}.
    text : where it was asked for, for messages.

    Raises
    ------
    FormulaError : an unknown word, or a matrix that is not one.

    >>> as_contrast("contr.sum").kind
    'sum'
    """
    if value is None or isinstance(value, Contrast):
        return value
    if isinstance(value, str):
        return _named(value, text)
    return _custom(value, text)


def _named(word: str, text: str) -> Contrast:
    plain = word.removeprefix("contr.")
    plain = plain if plain == "R" else plain.lower()
    plain = SYNONYMS.get(plain, plain)
    if plain in WORDS or plain == "R":
        return Contrast(plain)
    known = (*WORDS, "R")
    raise FormulaError(f"'{word}' is not a contrast: {text}. Known: {one_of(known)}.{near(plain, known)}")


def _custom(value: Any, text: str) -> Contrast:
    labels = _column_labels(value, text)
    try:
        matrix = np.asarray(_plain(value), dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise FormulaError(
            f"A contrast is a word or a matrix of numbers: {text}. Use one of {one_of(WORDS)}, "
            "or one row of numbers per level."
        )
    return Contrast("custom", matrix=_rows(matrix.tolist()), labels=labels, levels=_row_levels(value, text))


def is_table(value: Any) -> bool:
    """Return whether a value is a data frame, of any library."""
    return hasattr(value, "columns") and hasattr(value, "shape")


def _plain(value: Any) -> Any:
    """Return the rows of a matrix, however it is given."""
    return np.array(list(value.values())).T if isinstance(value, Mapping) else value


def _column_labels(value: Any, text: str) -> tuple[str, ...] | None:
    if isinstance(value, Mapping):
        return tuple(map(str, value))
    if not is_table(value) or list(value.columns) == list(range(len(value.columns))):
        return None
    labels = tuple(map(str, value.columns))
    if len(set(labels)) < len(labels):
        raise FormulaError(
            f"A contrast matrix has two columns of one name: {text} has {one_of(labels)}. Rename one."
        )
    return labels


def _row_levels(value: Any, text: str) -> tuple[Level, ...] | None:
    """Return the index of a pandas frame, or the one that all columns of a mapping share."""
    labelled = list(value.values()) if isinstance(value, Mapping) else [value] if is_table(value) else []
    found = {tuple(one.index.tolist()) for one in labelled if hasattr(getattr(one, "index", None), "tolist")}
    if len(found) > 1:
        raise FormulaError(
            f"The columns of a contrast matrix have different indexes: {text}. Give them in one data frame."
        )
    return found.pop() if found else None


def coding(
    levels: tuple[Level, ...],
    contrast: Contrast | None,
    full: bool,
    *,
    ordered: bool = False,
    text: str = "the factor",
) -> tuple[Array, tuple[str, ...]]:
    """Return the columns that stand for each level, and the labels of those columns.

    Parameters
    ----------
    levels : the L levels in order.
    contrast : None is treatment with the first level as reference, ordered or not.
    full : one indicator per level, whatever the contrast (a factor beside no intercept).
    ordered : whether the factor is; only contrast "R" asks.
    text : the factor's expression, for messages.

    Returns
    -------
    matrix (L, k), k = L if full, else L - 1 or the width of a custom matrix; k labels, such as "T.b".
    A factor of one level has no columns unless full.

    Raises
    ------
    DataError : a reference that is no level, a matrix or scores of another length than the levels,
        a matrix whose rows are named after something else.

    >>> coding(("a", "b", "c"), None, False)[1]
    ('T.b', 'T.c')
    """
    names = tuple(level_label(level) for level in levels)
    if full:
        return np.eye(len(levels)), names
    contrast = contrast or Contrast("treatment")
    if contrast.kind == "custom":
        return _custom_coding(levels, contrast, text)
    if len(levels) < 2:
        return np.zeros((len(levels), 0)), ()
    if contrast.kind == "treatment":
        return _treatment(levels, names, contrast.base, text)
    if contrast.kind == "R" and not ordered:
        return _treatment(levels, names, None, text)
    if contrast.kind in ("poly", "R"):
        return _poly(names, contrast.scores, text)
    return _CODINGS[contrast.kind](names)


def _treatment(
    levels: tuple[Level, ...], names: tuple[str, ...], base: Level | None, text: str
) -> tuple[Array, tuple[str, ...]]:
    found = levels[0] if base is None else match_level(base, levels)
    if base is not None and found is None:
        known = f"Its levels are {one_of(names)}.{near(level_label(base), names)}"
        raise DataError(f"The reference {level_label(base)!r} is not a level: {text}. {known}")
    place = levels.index(found)
    matrix = np.zeros((len(levels), len(levels) - 1))  # pages without a 1 are never touched
    columns = np.arange(len(levels) - 1)
    matrix[columns + (columns >= place), columns] = 1.0
    return matrix, tuple(f"T.{name}" for i, name in enumerate(names) if i != place)


def _sum(names: tuple[str, ...]) -> tuple[Array, tuple[str, ...]]:
    k = len(names) - 1
    return np.vstack([np.eye(k), -np.ones(k)]), tuple(f"S.{name}" for name in names[:-1])


def _helmert(names: tuple[str, ...]) -> tuple[Array, tuple[str, ...]]:
    k = len(names) - 1
    matrix = np.triu(-np.ones((k + 1, k)))
    matrix[np.arange(1, k + 1), np.arange(k)] = np.arange(1.0, k + 1)
    return matrix, tuple(f"H.{name}" for name in names[1:])


def _sdif(names: tuple[str, ...]) -> tuple[Array, tuple[str, ...]]:
    size = len(names)
    step = np.arange(1.0, size)
    matrix = np.where(np.arange(size)[:, None] >= step, step, step - size) / size
    return matrix, tuple(f"D.{name}" for name in names[1:])


_CODINGS: Mapping[str, Callable[[tuple[str, ...]], tuple[Array, tuple[str, ...]]]] = {
    "sum": _sum,
    "helmert": _helmert,
    "sdif": _sdif,
}


def _poly(
    names: tuple[str, ...], scores: tuple[float, ...] | None, text: str
) -> tuple[Array, tuple[str, ...]]:
    size = len(names)
    if size > LARGEST_POLY:
        raise DataError(
            f"Polynomial contrasts stop at {LARGEST_POLY} levels: {text} has {size}. Use poly() of a number."
        )
    points = np.arange(1.0, size + 1) if scores is None else np.asarray(scores)
    if len(points) != size or len(np.unique(points)) != size:
        raise DataError(
            f"Scores must be as many distinct numbers as levels: {text} has {size} levels and "
            f"{len(points)} scores. Give one score per level."
        )
    labels = [".L", ".Q", ".C"] + [f"^{degree}" for degree in range(4, size)]
    return _orthonormal(points), tuple(labels[: size - 1])


def _orthonormal(points: Array) -> Array:
    """Return orthonormal polynomials of degrees 1 … L - 1 at L points, leading coefficients positive."""
    size = len(points)
    centred = (points - points.mean()) / np.ptp(points)
    found = np.zeros((size, size))
    found[:, 0] = 1 / np.sqrt(size)
    for degree in range(1, size):
        column = centred * found[:, degree - 1]
        for _ in range(2):  # once more: the first projection leaves rounding behind
            column -= found[:, :degree] @ (found[:, :degree].T @ column)
        found[:, degree] = column / np.linalg.norm(column)
    return found[:, 1:]


def _custom_coding(levels: tuple[Level, ...], contrast: Contrast, text: str) -> tuple[Array, tuple[str, ...]]:
    matrix = np.array(contrast.matrix)
    if len(matrix) != len(levels):
        raise DataError(
            f"The contrast matrix has {len(matrix)} rows: {text} has {len(levels)} levels "
            f"({one_of([level_label(level) for level in levels])}). Give one row per level."
        )
    labels = contrast.labels or tuple(str(k + 1) for k in range(matrix.shape[1]))
    return matrix[_order(levels, contrast.levels, text)], labels


def _order(levels: tuple[Level, ...], given: tuple[Level, ...] | None, text: str) -> list[int]:
    """Return the row of the matrix that each level has."""
    by_position = list(range(len(levels)))
    if given is None:
        return by_position
    place = {match_level(label, levels): row for row, label in enumerate(given)}
    if None not in place and len(place) == len(levels):
        return [place[level] for level in levels]
    if list(given) == by_position and all(isinstance(level, str) for level in levels):
        return by_position  # an index that pandas made
    raise DataError(
        f"The rows of the contrast matrix are not the levels: {text} has levels "
        f"{one_of([level_label(level) for level in levels])}, the matrix {one_of(list(map(str, given)))}. "
        "Name each level once in its index."
    )


def _treatment_value(text: str, base: Value = None, reference: Value = None) -> Contrast:
    return Contrast("treatment", base=reference if base is None else base)


def _poly_value(text: str, scores: Value = None) -> Contrast:
    return Contrast("poly", scores=None if scores is None else as_numbers(scores, "scores", "contr.poly"))


def _plain_value(kind: str) -> Callable[..., Contrast]:
    return lambda text: Contrast(kind)


def _entry(name: str, kind: str) -> Function:
    if kind == "treatment":
        return Function(Signature(name, ("base", "reference"), 0), _treatment_value)
    if kind == "poly":
        return Function(Signature(name, ("scores",), 0), _poly_value)
    return Function(Signature(name, (), 0), _plain_value(kind))


CONTRASTS: dict[str, Function] = {
    name: _entry(name, kind)
    for kind, names in {
        "treatment": ("contr.treatment", "Treatment"),
        "sum": ("contr.sum", "Sum"),
        "helmert": ("contr.helmert", "Helmert"),
        "poly": ("contr.poly", "Poly"),
        "sdif": ("contr.sdif", "contr.diff", "Diff"),
    }.items()
    for name in names
}
"""The functions of this module by name: what stands behind the comma of `C(x, ...)`."""
