"""The arguments of a call as JSON: what can be written down of them, and what is refused by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from glmstat.call import Call, Covariance, NotKept, Spec, Values
from glmstat.control import Control
from glmstat.convention import Convention
from glmstat.errors import FileError
from glmstat.families import Family, as_family
from glmstat.fit import Fit
from glmstat.formula.contrast import Contrast, as_contrast
from glmstat.formula.expression import Expression
from glmstat.links import Link

__all__ = [
    "check_saveable",
    "later_settings",
    "read_arguments",
    "read_family",
    "write_arguments",
    "write_contrasts",
    "write_covariance",
    "write_likelihood",
]

_LARGEST_ARRAY = 10_000  # elements of a context array written into the header
_FIRST = ("tolerance", "max_iterations", "workers")  # the settings that schema 1 knows


def check_saveable(fit: Fit, named: tuple[str, ...]) -> None:
    """Refuse what a file cannot hold: Python in the formula, code and rows in the context.

    Parameters
    ----------
    named : names that `load` will be given again.

    Raises
    ------
    FileError : the name.
    """
    for expression in _expressions(fit):
        if expression.python:
            raise FileError(
                f"A file cannot hold Python of a formula: '{expression.text}'. Compute the column first and "
                "name it in the formula."
            )
    for name, value in (fit.spec.call["context"] or {}).items():
        if callable(value) or np.size(value) > _LARGEST_ARRAY:
            _refuse([name], named, "context entry")


def _expressions(fit: Fit) -> Iterator[Expression]:
    design, response = fit.spec.design, fit.spec.design.formula.response
    roles = [part.role for part in design.offsets]
    if fit.frame is not None:
        roles += [*fit.frame.roles.used, fit.frame.roles.subset]
    for found in (*design.parts.values(), *(response.expressions if response else ()), *roles):
        if isinstance(found, Expression):
            yield found


# ---------------------------------------------------------------- arguments


def write_arguments(fit: Fit) -> dict[str, Any]:
    """Return the arguments of the call as JSON, arrays as a mark."""
    call = fit.spec.call
    plain = {word: value for word, value in call.json.items() if word != "context"}
    if call["training"] is not None:
        plain["training"] = asdict(call["training"])
    later = later_settings(call["control"])
    plain["control"] = {word: plain["control"][word] for word in (*_FIRST, *later)}
    return plain | {"vcov": write_covariance(fit) if _holds_arrays(fit.spec) else plain["vcov"]}


def later_settings(control: Control) -> list[str]:
    """Return the settings that schema 1 does not know and that are not the defaults."""
    default = asdict(Control())
    return [word for word, value in asdict(control).items() if word not in _FIRST and value != default[word]]


def read_arguments(written: Mapping[str, Any], contrasts: Any) -> dict[str, Any]:
    """Return the arguments that `write_arguments` wrote, but for context and family."""
    found = {word: NotKept() if _is_mark(value) else value for word, value in written.items()}
    vcov = written["vcov"]
    found |= {
        "vcov": Covariance(**vcov) if isinstance(vcov, dict) else found["vcov"],
        "control": Control(**written["control"]),
        "contrasts": _read_contrasts(contrasts),
        "allow_python": False,
    }
    own: Any = found.get("compat")
    if isinstance(own, dict):
        found["compat"] = Convention(**own)
    if written.get("training") is not None:
        from glmstat.neural.problem import Training

        found["training"] = Training(**written["training"])
    return found


def _is_mark(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"array"}


def write_covariance(fit: Fit) -> dict[str, Any]:
    """Return the covariance of a fit as JSON.

    Raises
    ------
    FileError : it rests on an array of the caller's: these are rows, which a file does not hold.
    """
    for word, variable in fit.covariance.variables.items():
        if isinstance(variable, Values):
            raise FileError(
                f"A file cannot hold the array that {word.split()[0]}= was given. Name a column of the data, "
                'or take with_vcov("classical") first.'
            )
    return fit.covariance.json


def _holds_arrays(spec: Spec) -> bool:
    given = spec.call["vcov"]
    return isinstance(given, Covariance) and any(
        isinstance(variable, Values) for variable in given.variables.values()
    )


def write_contrasts(call: Call) -> Any:
    """Return the contrasts of a call as JSON: a word, or each one written out."""
    given = call["contrasts"]
    if not isinstance(given, Mapping):
        return given
    found = {name: as_contrast(value, f"contrasts[{name!r}]") for name, value in given.items()}
    return {name: None if contrast is None else contrast.to_json() for name, contrast in found.items()}


def _read_contrasts(written: Any) -> Any:
    if not isinstance(written, Mapping):
        return written
    return {name: None if value is None else Contrast.from_json(value) for name, value in written.items()}


# ---------------------------------------------------------------- family and link


def write_likelihood(family: Family, named: tuple[str, ...]) -> dict[str, Any]:
    """Return what `read_family` reads back.

    Raises
    ------
    FileError : a family or link of the user's own that is not among `named`.
    """
    own = [_named(family.link)] if _is_foreign(family.link) else []
    if _is_foreign(family) or (family.user_defined and not family.link.user_defined):
        own.append(_named(family))
    _refuse(own, named, "family or link")
    return {
        "family": _named(family) if _named(family) in own else family.text,
        "link": _named(family.link) if _named(family.link) in own else family.link.text,
        "own": own,
    }


def read_family(written: Mapping[str, Any], context: Mapping[str, Any]) -> Family:
    """Return the family that `write_likelihood` wrote; what is the user's own comes from `context`.

    Raises
    ------
    FileError : a name that `context` lacks.
    """
    for name in written["own"]:
        if name not in context:
            raise FileError(
                f"The file needs '{name}', which it cannot hold. Give load(path, context={{'{name}': ...}})."
            )
    family = context.get(written["family"], written["family"])
    return as_family(
        family, None if isinstance(family, Family) else context.get(written["link"], written["link"])
    )


def _is_foreign(part: Family | Link) -> bool:
    """Whether a family or link comes from the user's own class or functions."""
    return type(part).__module__.partition(".")[0] != "glmstat" or (
        isinstance(part, Link) and part.user_defined
    )


def _named(part: Family | Link) -> str:
    """The class of the user's own, else the name that its maker was given."""
    return part.name if part.user_defined else type(part).__name__


def _refuse(names: list[str], named: tuple[str, ...], what: str) -> None:
    for name in names:
        if name not in named:
            raise FileError(
                f"A file cannot hold a user-defined {what}: '{name}'. Name it in save(path, "
                f"context=('{name}',)) and give it to load(path, context={{'{name}': ...}})."
            )
