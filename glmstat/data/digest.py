"""Texts that differ where values do: of arguments, of what a pass asks, of columns in memory."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from glmstat.data.columns import Categorical, Times
from glmstat.data.source import MemorySource

__all__ = ["Undescribed", "column_digest", "described", "digest"]

_DEPTH = 100
_PLAIN = (bool, int, float, complex, str, bytes, slice, range, np.generic)
_SHORT = 200  # characters of an argument that are shown as they are


class Undescribed(TypeError):
    """A value of which nothing tells what it holds; its type."""


def digest(*values: Any) -> str:
    """Return a text that differs where values do.

    Numbers, text, arrays, series, collections, functions (by their code, what they enclose and what they
    read of their module), data classes and other objects (by their attributes) are read; of a frame or a
    source only that it is there.

    >>> digest(1, "a", [2.0]) == digest(1, "a", [2.0]), digest(1) == digest(1.0)
    (True, False)
    """
    return _Digest(strict=False).of(*values)


def described(value: Any) -> str:
    """Return an argument as written where that is short, else its type and digest.

    Raises
    ------
    Undescribed : something in it cannot be described, such as a file or a generator.
    """
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        text = repr(value)
        return text if len(text) <= _SHORT else f"{text[:_SHORT]}… ({digest(value)})"
    if isinstance(value, (list, tuple)) and all(isinstance(entry, (str, int, float)) for entry in value):
        text = repr(list(value))
        if len(text) <= _SHORT:
            return text
    return f"{type(value).__name__} {_Digest(strict=True).of(value)}"


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


class _Digest:
    """Feeds values and what they are made of into a hash; each object once.

    Parameters
    ----------
    strict : whether an object that cannot be described is refused.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.known = hashlib.blake2b(digest_size=16)
        self.seen: dict[int, tuple[int, Any]] = {}  # what is fed lives on, so that no other has its id

    def of(self, *values: Any) -> str:
        """Return the text."""
        for value in values:
            self.feed(value, _DEPTH)
        return self.known.hexdigest()

    def feed(self, value: Any, depth: int) -> None:
        """Take in a value."""
        kind = type(value)
        self.known.update(f"<{kind.__module__}.{kind.__qualname__}>".encode())
        if value is None or isinstance(value, _PLAIN):
            self.known.update(repr(value).encode())
        elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
            _feed_array(self.known, value)
        elif id(value) in self.seen:
            self.known.update(f"#{self.seen[id(value)][0]}".encode())
        elif depth > 0:
            if not isinstance(value, tuple):  # which tuples are one is for Python to choose
                self.seen[id(value)] = len(self.seen), value
            for part in self._parts(value):
                self.feed(part, depth - 1)
        elif self.strict:
            raise Undescribed(kind.__name__)

    def _parts(self, value: Any) -> tuple[Any, ...]:
        parts = _parts(value)
        if parts is not None:
            return parts
        try:
            return _state(value)
        except Exception as error:  # whatever the object's own methods raise
            if self.strict:
                raise Undescribed(type(value).__name__) from error
            return ()


def _feed_array(known: Any, array: Any) -> None:
    known.update(f"{array.dtype.str} {array.shape}".encode())
    plain = array.dtype.kind in "biufcmMSU"
    known.update(np.ascontiguousarray(array).tobytes() if plain else repr(array.tolist()).encode())


def _parts(value: Any) -> tuple[Any, ...] | None:
    """What a value is made of; None of a kind that is not known here."""
    if isinstance(value, Mapping):
        return tuple(part for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple)):
        return tuple(value)
    if isinstance(value, (set, frozenset)):
        return tuple(sorted(map(repr, value)))
    if isinstance(value, np.ndarray):
        return value.shape, value.tolist()
    if isinstance(value, ModuleType):
        return (value.__name__,)
    if isinstance(value, type):
        return value.__module__, value.__qualname__, _body(value)
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    if isinstance(value, MethodType):
        return value.__func__, value.__self__
    if isinstance(value, BuiltinFunctionType):
        return value.__module__, value.__qualname__, value.__self__
    if isinstance(value, FunctionType):
        return _function(value)
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, value.co_consts
    if hasattr(value, "map_reduce"):  # a source
        return ()
    if hasattr(value, "reduce") and hasattr(value, "change"):  # a frame: what it makes of its rows
        return (value.change,)
    if is_dataclass(value):
        equal = [one.name for one in fields(value) if one.compare and not one.name.startswith("_")]
        held = tuple(getattr(value, name) for name in equal)
        return (*held, *([type(value)] if _is_own(type(value).__module__) else []))
    if hasattr(value, "to_numpy"):
        return value.to_numpy(), np.asarray(value.index) if hasattr(value, "index") else None
    return () if type(value).__module__.partition(".")[0] == "glmstat" else None


def _state(value: Any) -> tuple[Any, ...]:
    """What an object holds: its attributes, else what it would be copied by."""
    kind = type(value)
    if isinstance(value, np.ufunc):
        homes = [sys.modules.get(name) for name in ("numpy", "scipy.special")]
        if not any(getattr(home, value.__name__, None) is value for home in homes):
            raise TypeError(value)
        return (value.__name__,)
    attributes = dict(getattr(value, "__dict__", {}))
    for one in kind.__mro__:
        slots = vars(one).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                attributes[name] = getattr(value, name)
    if attributes:
        return kind, attributes
    copied = value.__reduce_ex__(4)
    return kind, *(list(part) if isinstance(part, Iterator) else part for part in copied)


def _function(value: FunctionType) -> tuple[Any, ...]:
    """What a function is made of: code, defaults, what it encloses and reads of the user's modules."""
    cells = tuple(_content(cell) for cell in value.__closure__ or ())
    made = (
        value.__module__,
        value.__qualname__,
        value.__code__,
        value.__defaults__,
        value.__kwdefaults__,
        cells,
    )
    wrapped = vars(value)
    if not _is_own(value.__module__):
        return made, wrapped
    found: dict[str, Any] = {}
    for name in _names(value.__code__):
        if name in value.__globals__:
            found[name] = read = value.__globals__[name]
            if isinstance(read, ModuleType) and _is_own(read.__name__):
                inside = [word for word in value.__code__.co_names if word in vars(read)]
                found.update({f"{name}.{word}": getattr(read, word) for word in inside})
    return made, wrapped, found


def _names(code: CodeType) -> list[str]:
    """Names that some code, and the code inside it, reads from its module."""
    import dis

    found = [one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    inside = [name for part in code.co_consts if isinstance(part, CodeType) for name in _names(part)]
    return sorted({*found, *inside})


def _body(kind: type) -> tuple[Any, ...]:
    """What the user's own classes among the bases of a class define."""
    own = [one for one in kind.__mro__ if _is_own(one.__module__)]
    return tuple((one.__qualname__, name, _read(part)) for one in own for name, part in vars(one).items())


def _read(part: Any) -> Any:
    """What an attribute of a class does or holds; None of those that Python makes."""
    part = getattr(part, "fget", None) or getattr(part, "__func__", part)
    return part if isinstance(part, (FunctionType, list, tuple, dict, np.ndarray, *_PLAIN)) else None


def _is_own(module: str | None) -> bool:
    """Whether a module is the user's: no part of Python, glmstat or an installed package."""
    root = (module or "").partition(".")[0]
    if root in ("", "glmstat", "builtins") or root in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(module or ""), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is not filled yet
        return None
