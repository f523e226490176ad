"""Texts that differ where values do: of arguments, of what a pass asks, of columns in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from glmstat.data.columns import Categorical, Times
from glmstat.data.source import MemorySource

__all__ = ["column_digest", "described", "digest"]

_DEPTH = 12
_SHORT = 200  # characters of an argument that are shown as they are


def digest(*values: Any) -> str:
    """Return a text that differs where values do.

    Numbers, text, arrays, series, collections, functions (by their code and what they enclose) and data
    classes are read; of a frame or a source only that it is there.

    >>> digest(1, "a", [2.0]) == digest(1, "a", [2.0]), digest(1) == digest(1.0)
    (True, False)
    """
    known = hashlib.blake2b(digest_size=16)
    for value in values:
        _feed(known, value, _DEPTH)
    return known.hexdigest()


def described(value: Any) -> str:
    """Return an argument as written where that is short, else its type and digest."""
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        text = repr(value)
        return text if len(text) <= _SHORT else f"{text[:_SHORT]}… ({digest(value)})"
    if isinstance(value, (list, tuple)) and all(isinstance(entry, (str, int, float)) for entry in value):
        text = repr(list(value))
        if len(text) <= _SHORT:
            return text
    return f"{type(value).__name__} {digest(value)}"


def column_digest(source: MemorySource, name: str) -> str:
    """Return a text that differs where the values of a column do; made block by block."""
    known = hashlib.blake2b(digest_size=16)
    column = source.column(name)
    known.update(f"{column.kind} {column.levels!r}".encode())
    if isinstance(column, Times):
        known.update(np.ascontiguousarray(column.sorted.codes).data)
        known.update(repr(column.sorted.levels).encode())
        return known.hexdigest()
    for frame in source.frames():
        values, absent = frame[name], frame.missing(name)
        array = values.codes if isinstance(values, Categorical) else values
        known.update(np.ascontiguousarray(array).data)
        if absent is not None:
            known.update(np.packbits(absent).data)
    return known.hexdigest()


def _feed(known: Any, value: Any, depth: int) -> None:
    kind = type(value)
    known.update(f"<{kind.__module__}.{kind.__qualname__}>".encode())
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, slice, range, np.generic)):
        known.update(repr(value).encode())
    elif isinstance(value, np.ndarray):
        _feed_array(known, value)
    elif depth > 0:
        for part in _parts(value):
            _feed(known, part, depth - 1)


def _feed_array(known: Any, array: Any) -> None:
    known.update(f"{array.dtype.str} {array.shape}".encode())
    plain = array.dtype.kind in "biufcmMSU"
    known.update(np.ascontiguousarray(array).tobytes() if plain else repr(array.tolist()).encode())


def _parts(value: Any) -> tuple[Any, ...]:
    """What a value is made of."""
    if isinstance(value, Mapping):
        return tuple(part for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple)):
        return tuple(value)
    if isinstance(value, (set, frozenset)):
        return tuple(sorted(map(repr, value)))
    if isinstance(value, type):
        return value.__module__, value.__qualname__
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    if isinstance(value, MethodType):
        return value.__func__, value.__self__
    if isinstance(value, FunctionType):
        cells = tuple(_content(cell) for cell in value.__closure__ or ())
        return value.__module__, value.__qualname__, value.__code__, value.__defaults__, cells
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, value.co_consts
    if hasattr(value, "map_reduce"):  # a source
        return ()
    if hasattr(value, "reduce") and hasattr(value, "change"):  # a frame: what it makes of its rows
        return (value.change,)
    if is_dataclass(value):
        return tuple(getattr(value, one.name) for one in fields(value) if not one.name.startswith("_"))
    if hasattr(value, "to_numpy"):
        return value.to_numpy(), np.asarray(value.index) if hasattr(value, "index") else None
    return ()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is not filled yet
        return None
