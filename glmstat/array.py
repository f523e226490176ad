"""One namespace of elementwise functions for numpy arrays and torch tensors."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from functools import lru_cache, wraps
from importlib import import_module
from types import TracebackType
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = [
    "EPSILON",
    "TINY",
    "Array",
    "IntArray",
    "Namespace",
    "namespace",
    "quiet",
    "remembered",
    "silence",
    "stirling_error",
]

P = ParamSpec("P")
T = TypeVar("T")

Array: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Elementwise: TypeAlias = Callable[..., Any]


def remembered(function: Callable[[NDArray[Any]], T]) -> Callable[[NDArray[Any]], T]:
    """Return a function of an array that is computed once for each array, as long as that lives."""
    seen: dict[int, tuple[weakref.ref[NDArray[Any]], T]] = {}

    @wraps(function)
    def known(array: NDArray[Any]) -> T:
        key, found = id(array), seen.get(id(array))
        if found is not None and found[0]() is array:
            return found[1]
        value = function(array)
        seen[key] = weakref.ref(array, lambda _: seen.pop(key, None)), value
        return value

    return known


EPSILON = float(np.finfo(np.float64).eps)
TINY = float(np.finfo(np.float64).tiny)

_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


class silence:
    """A context in which numpy tells of no overflow, no division by 0 and no NaN.

    As `np.errstate(all="ignore")`, but functions that are `quiet` know that they need not ask for it again:
    that costs as much as their arithmetic on a few rows.

    >>> with silence():
    ...     float(np.log(np.array([0.0]))[0])
    -inf
    """

    _token: Token[bool]

    def __enter__(self) -> None:
        self._errors = np.errstate(all="ignore")
        self._errors.__enter__()
        self._token = _SILENT.set(True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _SILENT.reset(self._token)
        self._errors.__exit__(kind, error, trace)


def quiet(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function with its numpy arithmetic in `silence`."""

    @wraps(function)
    def silent(*arguments: P.args, **options: P.kwargs) -> T:
        if _SILENT.get():
            return function(*arguments, **options)
        with silence():
            return function(*arguments, **options)

    return silent


@dataclass(frozen=True)
class Namespace:
    """The functions that links, families and likelihoods are written in."""

    abs: Elementwise
    arctan2: Elementwise
    clip: Elementwise
    erfcx: Elementwise
    exp: Elementwise
    expm1: Elementwise
    gammaln: Elementwise
    log: Elementwise
    log1p: Elementwise
    ndtri: Elementwise
    ones_like: Elementwise
    sin: Elementwise
    sqrt: Elementwise
    tan: Elementwise
    tanh: Elementwise
    where: Elementwise
    zeros_like: Elementwise


def _clip(x: Any, low: Any, high: Any) -> Any:
    """As numpy's own, without what it spends on words and types."""
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


NUMPY = Namespace(
    abs=np.abs,
    arctan2=np.arctan2,
    clip=_clip,
    erfcx=special.erfcx,
    exp=np.exp,
    expm1=np.expm1,
    gammaln=special.gammaln,
    log=np.log,
    log1p=np.log1p,
    ndtri=special.ndtri,
    ones_like=np.ones_like,
    sin=np.sin,
    sqrt=np.sqrt,
    tan=np.tan,
    tanh=np.tanh,
    where=np.where,
    zeros_like=np.zeros_like,
)


@lru_cache(maxsize=1)
def _torch_namespace() -> Namespace:
    torch: Any = import_module("torch")

    return Namespace(
        abs=torch.abs,
        arctan2=torch.arctan2,
        clip=torch.clamp,
        erfcx=torch.special.erfcx,
        exp=torch.exp,
        expm1=torch.expm1,
        gammaln=torch.lgamma,
        log=torch.log,
        log1p=torch.log1p,
        ndtri=torch.special.ndtri,
        ones_like=torch.ones_like,
        sin=torch.sin,
        sqrt=torch.sqrt,
        tan=torch.tan,
        tanh=torch.tanh,
        where=torch.where,
        zeros_like=torch.zeros_like,
    )


def namespace(x: Any) -> Namespace:
    """Return the functions for `x`: torch's for a tensor, numpy's for everything else.

    Parameters
    ----------
    x : array, tensor or number.

    Returns
    -------
    Namespace whose functions take and give arrays of the kind of `x`.

    >>> float(namespace(2.0).log1p(0.0))
    0.0
    """
    if type(x) is not np.ndarray and type(x).__module__.partition(".")[0] == "torch":
        return _torch_namespace()
    return NUMPY


@quiet
def stirling_error(x: Any) -> Any:
    """Return log(x!) minus Stirling's formula, (x + 1/2) log x - x + log(2 pi)/2.

    It keeps the log densities of huge counts exact, where log-gamma terms of size x log x cancel.

    Parameters
    ----------
    x : array of positive numbers.

    Returns
    -------
    Array like `x`; 0 where `x` is 0, by convention.

    Source: Loader (2000), Fast and accurate computation of binomial probabilities.

    >>> round(float(stirling_error(np.array([10.0]))[0]), 12)
    0.008330563433
    """
    xp = namespace(x)
    safe = xp.where(x > 0, x, 1.0)
    inverse = 1.0 / safe
    square = inverse * inverse
    tail = 1 / 1260 - square * (1 / 1680 - square * (1 / 1188 - square * 691 / 360360))
    series = inverse * (1 / 12 - square * (1 / 360 - square * tail))
    direct = xp.gammaln(safe + 1.0) - (safe + 0.5) * xp.log(safe) + safe - 0.9189385332046727
    return xp.where(x > 0, xp.where(safe > 16.0, series, direct), 0.0)
