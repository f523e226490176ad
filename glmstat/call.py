"""The arguments of a model function: as given, and as far as they can be written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.control import Control
from glmstat.data.source import open_source
from glmstat.errors import ArgumentError
from glmstat.formula.parse import parse
from glmstat.frame import ModelFrame, model_frame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array
from glmstat.table import Library

if TYPE_CHECKING:
    from glmstat.formula.design import Design

__all__ = [
    "KEEP",
    "ROLES",
    "Call",
    "Covariance",
    "NotKept",
    "Spec",
    "changes",
    "frame_for",
    "start_values",
]

ROLES = ("offset", "exposure", "weights", "freq_weights", "sampling_weights")


class _Keep:
    def __repr__(self) -> str:
        return "KEEP"


KEEP: Any = _Keep()  # an argument of refit and update that stays as it was


@dataclass(frozen=True)
class NotKept:
    """An argument that was an array: what is written down of it is that it was there."""


def changes(words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are not KEEP."""
    return {word: value for word, value in words.items() if value is not KEEP}


@dataclass(frozen=True)
class Covariance:
    """A choice of covariance of the coefficients.

    Parameters
    ----------
    kind : "classical" (dispersion times the inverse information) or "HC0" (sandwich of the scores).
    information : which information is inverted: "expected", as R does, or "observed".

    >>> Covariance("HC0")
    Covariance(kind='HC0', information='expected')
    """

    kind: str = "classical"
    information: str = "expected"


@dataclass(frozen=True, eq=False)
class Call:
    """The arguments of a model function as given.

    Parameters
    ----------
    model : name of the function.
    arguments : its arguments by name.
    """

    model: str
    arguments: Mapping[str, Any]

    def __getitem__(self, word: str) -> Any:
        return self.arguments.get(word)

    def changed(self, **words: Any) -> Call:
        """Return the call with other arguments."""
        return Call(self.model, {**self.arguments, **words})

    @property
    def json(self) -> dict[str, Any]:
        """What can be written down: words and numbers; arrays as {"array": length}."""
        return {word: _written(value) for word, value in self.arguments.items() if word != "data"}

    def without_data(self) -> Call:
        """Return the call without its data."""
        return Call(self.model, {word: value for word, value in self.arguments.items() if word != "data"})

    def without_arrays(self) -> Call:
        """Return the call with a mark in the place of every array."""
        roles = (*ROLES, "subset", "start")
        kept = {
            word: NotKept() if word in roles and _is_array(v) else v for word, v in self.arguments.items()
        }
        return Call(self.model, kept)


def _is_array(value: Any) -> bool:
    return not isinstance(value, (str, bool, int, float, type(None)))


def _written(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _written(entry) for key, entry in value.items()}
    if isinstance(value, (Control, Covariance)):
        return asdict(value)
    if isinstance(value, NotKept):
        return {"array": None}
    if hasattr(value, "__len__"):
        return {"array": len(value)}
    return str(value)


@dataclass(frozen=True, eq=False)
class Spec:
    """What was fitted: enough to predict, and to fit again on other data.

    Parameters
    ----------
    call : the arguments, without the data.
    design : formula and all that the data taught it.
    likelihood : family and link.
    control : settings of the solver.
    library : "pandas", "polars", … : what tables come back in.
    """

    call: Call
    design: Design
    likelihood: GLM
    control: Control
    library: Library = "pandas"


def frame_for(call: Call, likelihood: GLM) -> ModelFrame:
    """Return the model frame that a call asks for."""
    _check_kinds(call)
    source = open_source(call["data"])
    formula = parse(
        call["formula"], source.names, allow_python=call["allow_python"], functions=functions(call["context"])
    )
    return model_frame(
        source,
        formula,
        {word: call[word] for word in ROLES},
        likelihood,
        contrasts=call["contrasts"],
        context=call["context"],
        event=call["event"],
        na_action=call["na_action"],
        subset=call["subset"],
        allow_python=call["allow_python"],
        workers=call["control"].workers,
    )


def _check_kinds(call: Call) -> None:
    context, control = call["context"], call["control"]
    if context is not None and not isinstance(context, Mapping):
        found = type(context).__name__
        raise ArgumentError(
            f"context must be a mapping from names to values: got {found}. Write context={{'c': 18}}."
        )
    if not isinstance(control, Control):
        raise ArgumentError(f"control must be a Control: got {type(control).__name__}. Write Control(...).")


def functions(context: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the names of the functions in a context."""
    return tuple(sorted(name for name, value in (context or {}).items() if callable(value)))


def start_values(start: Any, columns: tuple[str, ...]) -> Array | None:
    """Return the coefficients (p,) to start from: a sequence, or a mapping or series by name.

    Raises
    ------
    ArgumentError : names or length that are not those of the coefficients.
    """
    if start is None:
        return None
    if isinstance(start, Mapping) or hasattr(start, "to_dict"):
        named = dict(start if isinstance(start, Mapping) else start.to_dict())
        missing = [name for name in columns if name not in named]
        if missing or len(named) != len(columns):
            raise ArgumentError(
                f"start must name every coefficient once: {', '.join(columns)}. Got: {list(named)}."
            )
        start = [named[name] for name in columns]
    values = np.asarray(start, dtype=np.float64)
    if values.shape != (len(columns),) or not np.isfinite(values).all():
        raise ArgumentError(
            f"start needs {len(columns)} finite values, one per coefficient ({', '.join(columns)}): "
            f"got shape {values.shape}. Leave it out to let the solver choose."
        )
    return values
