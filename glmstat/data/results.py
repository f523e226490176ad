"""Results of passes as bytes, and back: sums over rows and what they hold, and nothing else.

A file that comes from elsewhere must not run code. What is read may name classes of results and the makers of
numpy's arrays; none of them does anything but hold what it is given.
"""

from __future__ import annotations

import io
import pickle
import sys
from typing import Any

import numpy as np

__all__ = ["dumped", "loaded"]

# Modules whose classes stand inside results without being sums themselves.
_PARTS = (
    "copies",
    "data.columns",
    "errors",
    "formula.contrast",
    "formula.schema",
    "formula.value",
    "matrix",
    "parts",
)
_PLAIN = {
    "builtins": ("bytearray", "complex", "frozenset", "range", "set", "slice"),
    "collections": ("Counter", "OrderedDict"),
    "fractions": ("Fraction",),
    "numpy": ("dtype", "ndarray"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
    "numpy.core.numeric": ("_frombuffer",),
}
_HOOKS = ("__post_init__", "__setstate__", "__del__", "__call__", "__getattr__")


def dumped(value: Any) -> bytes | None:
    """Return a result as bytes; None where something in it is no result, such as a function.

    >>> loaded(dumped((1, np.ones(2)))), dumped(print)
    ((1, array([1., 1.])), None)
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, protocol=5).dump(value)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None
    return buffer.getvalue()


def loaded(raw: bytes) -> Any:
    """Return the result that `dumped` wrote.

    Raises
    ------
    pickle.UnpicklingError : something in it is no result.
    """
    return _Unpickler(io.BytesIO(raw)).load()


class _Pickler(pickle.Pickler):
    """Writes what `_Unpickler` reads, and refuses the rest."""

    def reducer_override(self, obj: Any) -> Any:
        kind = obj if isinstance(obj, type) else type(obj)
        if isinstance(obj, (np.ndarray, np.generic, np.dtype)):
            return NotImplemented
        if kind.__module__ in _PLAIN and kind.__qualname__ in _PLAIN[kind.__module__]:
            return NotImplemented
        if _is_result(kind):
            return NotImplemented
        if callable(obj) and getattr(obj, "__name__", "") in _PLAIN.get(getattr(obj, "__module__", ""), ()):
            return NotImplemented
        raise pickle.PicklingError(f"no result: {kind.__qualname__}")


class _Unpickler(pickle.Unpickler):
    """Knows numbers, arrays and the classes of results; finds nothing else by name."""

    def find_class(self, module: str, name: str) -> Any:
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        if module.startswith("glmstat.") and "." not in name and module in sys.modules:
            found = getattr(sys.modules[module], name, None)
            if isinstance(found, type) and found.__module__ == module and _is_result(found):
                return found
        raise pickle.UnpicklingError(f"{module}.{name}")


def _is_result(kind: type) -> bool:
    """Whether a class is one of sums over rows, or of what they hold; none does anything when it is made."""
    module = kind.__module__
    if not module.startswith("glmstat."):
        return False
    if module == "glmstat.errors":
        return issubclass(kind, Exception)
    own = [one for one in kind.__mro__ if one.__module__.startswith("glmstat.")]
    if any(hook in vars(one) for one in own for hook in _HOOKS):
        return False
    return any("__add__" in vars(one) for one in own) or module.removeprefix("glmstat.") in _PARTS
