"""The functions a formula may call: one entry each in `FUNCTIONS`.

How to use an entry (schema.py and expression.py rely on this):

- ``FUNCTIONS[name]`` is a `Function`; ``function.apply(*values, state=None, text="x", **options)`` gives a
  value. `values` and `options` are the evaluated arguments as written (numbers are floats, lists are tuples
  or lists); `text` is what the user wrote for the first argument and serves messages only.
- An option's name may be written with dots or capitals: ``Boundary_knots``, ``include.lowest``.
- ``function.learner is not None`` marks a stateful function (scale, center, standardize, poly, bs, ns, cut,
  C, factor, as.factor, relevel). It needs `state`::

      gathered = function.learner.gather(*values, text="x", **options)    # one block; blocks add with +
      state = function.learner.finish(gathered)                          # plain JSON, see stateful.py
      value = function.apply(*values, state=state, text="x", **options)   # these rows or new ones

  `finish` takes only what `gather` gave: settings travel inside.
- A registered name that is not called (``contr.sum`` in ``C(x, contr.sum)``) evaluates to its `Function`.
- ``C``, ``factor``, ``relevel`` and ``cut`` give a `Categorical`, whose ``contrast`` is a `Contrast` or None;
  its levels are the state's, unseen ones behind them. ``cut`` gives code -1 outside its breaks.
- ``poly``, ``bs``, ``ns`` give a `Basis`; everything else a float or a float64 / bool array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from glmstat.array import Array
from glmstat.data.columns import Categorical
from glmstat.errors import FormulaError
from glmstat.formula.call import Function, Gathered, Learner, Signature
from glmstat.formula.contrast import CONTRASTS
from glmstat.formula.factor import FACTORS
from glmstat.formula.spline import SPLINES
from glmstat.formula.stateful import STATEFUL
from glmstat.formula.value import Value, as_number, as_whole

__all__ = ["FUNCTIONS", "Function", "Gathered", "Learner", "Signature"]


def _elementwise(name: str, operation: Callable[[Any], Any]) -> Function:
    user = f"{name}()"

    def body(x: Value, text: str) -> float | Array:
        number = as_number(x, text, user)
        with np.errstate(all="ignore"):
            return _plain(operation(number))

    return Function(Signature(name), body)


def _plain(value: Any) -> float | Array:
    return value if isinstance(value, np.ndarray) else float(value)


def _log(x: Value, text: str, base: Value = None) -> float | Array:
    number = as_number(x, text, "log()")
    with np.errstate(all="ignore"):
        value = np.log(number)
        return _plain(value if base is None else value / np.log(as_number(base, "base", "log()")))


def _round(x: Value, text: str, digits: Value = 0.0) -> float | Array:
    return _plain(
        np.round(as_number(x, text, "round()"), as_whole(digits, "digits", "round", least=0, most=15))
    )


def _extreme(name: str, operation: Callable[[Any, Any], Any]) -> Function:
    def body(values: tuple[Value, ...], text: str) -> float | Array:
        result = as_number(values[0], text, f"{name}()")
        for value in values[1:]:
            result = operation(result, as_number(value, "another argument", f"{name}()"))
        return _plain(result)

    return Function(Signature(name, ("values",), variadic=True), body)


def _choose(test: Value, yes: Value, no: Value, text: str) -> float | Array | Categorical:
    """Return `yes` where the test holds, else `no`; two texts make a categorical."""
    chosen = np.asarray(as_number(test, text, "ifelse()")) != 0
    if isinstance(yes, str) and isinstance(no, str):
        levels = tuple(sorted({yes, no}))
        return Categorical(np.where(chosen, levels.index(yes), levels.index(no)), levels)
    yes, no = as_number(yes, "yes", "ifelse()"), as_number(no, "no", "ifelse()")
    return _plain(np.where(chosen, yes, no))


def _combine(values: tuple[Value, ...], text: str) -> tuple[Value, ...]:
    flat = [value if isinstance(value, (tuple, list)) else (value,) for value in values]
    return tuple(chain.from_iterable(flat))


def _left_only(text: str, values: tuple[Value, ...]) -> Value:
    raise FormulaError(
        f"cbind() belongs on the left side: cbind({text}, …). Write cbind(success, failure) ~ x."
    )


_ELEMENTWISE: Mapping[str, Callable[[Any], Any]] = {
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "floor": np.floor,
    "ceil": np.ceil,
}

_PLAIN: Mapping[str, Function] = {
    "log": Function(Signature("log", ("x", "base")), _log),
    **{name: _elementwise(name, operation) for name, operation in _ELEMENTWISE.items()},
    "round": Function(Signature("round", ("x", "digits")), _round),
    "minimum": _extreme("minimum", np.minimum),
    "maximum": _extreme("maximum", np.maximum),
    "where": Function(Signature("where", ("test", "yes", "no"), 3), _choose),
}

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        **_PLAIN,
        **{f"np.{name}": function for name, function in _PLAIN.items()},
        "ceiling": _elementwise("ceiling", np.ceil),
        "pmin": _extreme("pmin", np.minimum),
        "pmax": _extreme("pmax", np.maximum),
        "ifelse": Function(Signature("ifelse", ("test", "yes", "no"), 3), _choose),
        "I": Function(Signature("I"), lambda x, text: x),
        "c": Function(Signature("c", ("values",), variadic=True), _combine),
        "cbind": Function(Signature("cbind", ("values",), variadic=True), _left_only),
        **STATEFUL,
        **SPLINES,
        **FACTORS,
        **CONTRASTS,
    }
)
"""Every function a formula may call, by the name it is called by."""
