"""A fit in one file: arrays as safetensors, everything else as JSON in its header. No rows, no code."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import Call, Covariance, NotKept, Spec, Values
from glmstat.control import Control
from glmstat.errors import ArgumentError, FileError, GlmstatError, Note
from glmstat.estimate import Convergence, Dispersion, Estimate, Null, Pass, Separated
from glmstat.families import Family, as_family
from glmstat.fit import Fit
from glmstat.formula.contrast import Contrast, as_contrast
from glmstat.formula.design import Design
from glmstat.formula.expression import Expression
from glmstat.information import DenseInformation
from glmstat.likelihood.base import GLM
from glmstat.links import Link
from glmstat.matrix import Array
from glmstat.probe import check_probes, family_probe, function_probes

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["SCHEMA", "load", "save"]

SCHEMA = 1  # raised when an older reader could not read the file
KEY = "glmstat"
_BLANK = "0" * 64
_LARGEST_HEADER = 100_000_000  # bytes; the limit of the format itself
_LARGEST_ARRAY = 10_000  # elements of a context array written into the header

Tensors = Mapping[str, Any]


def save(fit: Fit, path: str | PathLike[str], context: tuple[str, ...] = ()) -> None:
    """Write a fit to one file, in one step; the words are those of `Fit.save`.

    Raises
    ------
    FileError : no path, something user-defined that `context` does not name, or Python in the formula.
    """
    from safetensors.numpy import save as serialise

    target = _file(path)
    spec = _spec(fit, context)
    text = json.dumps({"checksum": _BLANK, "schema": SCHEMA, "spec": _finite(spec)}, allow_nan=False)
    raw = serialise(_tensors(fit), metadata={KEY: text})
    digest = hashlib.sha256(raw).hexdigest()
    _replace(target, raw.replace(_BLANK.encode(), digest.encode(), 1))


def load(path: str | PathLike[str], *, context: Mapping[str, Any] | None = None) -> Fit:
    """Return the fit that `Fit.save` wrote: it predicts the same bits and prints the same summary.

    Nothing in the file is executed: the formula is read again by the safe evaluator.

    Parameters
    ----------
    path : of the file.
    context : what the file names but does not hold: user-defined families, links and functions, by name.

    Raises
    ------
    FileError : a file that is damaged, foreign, or written by a newer version; a name not in `context`, or
        one that stands for something else than when the fit was saved.
    """
    raw = _file(path).read_bytes()
    text = _header(raw, path)
    try:
        written = json.loads(text)
        newer = written["schema"] > SCHEMA
        checksum = str(written["checksum"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    if newer:
        raise FileError(f"File written by a newer glmstat: {path}. Update glmstat to read it.")
    if hashlib.sha256(raw.replace(checksum.encode(), _BLANK.encode(), 1)).hexdigest() != checksum:
        raise _damaged(path)
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialise

    try:
        return _fit(_restored(written["spec"]), deserialise(raw), dict(context or {}))
    except GlmstatError:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _damaged(path) from error


def _damaged(path: object) -> FileError:
    return FileError(
        f"File is damaged: {path}. Its checksum or contents are not what was saved; save the fit again."
    )


def _header(raw: bytes, path: object) -> str:
    """The JSON text of the header, or an error for a file that is not ours."""
    size = int.from_bytes(raw[:8], "little")
    foreign = FileError(f"Not a file of glmstat, or a damaged one: {path}. load() reads what Fit.save wrote.")
    if len(raw) < 8 or size > min(len(raw) - 8, _LARGEST_HEADER):
        raise foreign
    try:
        return str(json.loads(raw[8 : 8 + size])["__metadata__"][KEY])
    except (ValueError, KeyError, TypeError) as error:
        raise foreign from error


def _file(path: str | PathLike[str]) -> Path:
    """The path, if it can be that of a file."""
    if not os.fspath(path):
        raise FileError('path is empty: "". Give the name of a file.')
    found = Path(path)
    if found.is_dir():
        raise IsADirectoryError(errno.EISDIR, "A folder, not a file", str(found))
    return found


def _replace(path: Path, raw: bytes) -> None:
    """Write beside the target, flush to disk, and put it in the target's place: all or nothing."""
    if not path.parent.exists():
        raise FileNotFoundError(errno.ENOENT, "No such folder", str(path.parent))
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        if error.filename is not None:  # the file asked for, not the hidden one
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        if beside.parent.is_dir():
            beside.unlink(missing_ok=True)


def _spec(fit: Fit, named: tuple[str, ...]) -> dict[str, Any]:
    estimate, spec = fit.estimate, fit.spec
    _check_python(fit)
    _check_context(spec.call["context"], named)
    likelihood = _likelihood(spec.likelihood.family, named)
    arguments = {word: value for word, value in spec.call.json.items() if word != "context"}
    return {
        "model": spec.call.model,
        "arguments": {**arguments, "vcov": _covariance(fit) if _holds_arrays(spec) else arguments["vcov"]},
        "contrasts": _contrasts(spec.call["contrasts"]),
        "design": spec.design.to_json(),
        "likelihood": likelihood,
        "probes": {
            "family": family_probe(spec.likelihood.family) if likelihood["own"] else {},
            "functions": function_probes(spec.design.context),
        },
        "library": spec.library,
        "covariance": _covariance(fit),
        "notes": [[note.kind, note.text] for note in fit.notes],
        "estimate": {
            **{word: getattr(estimate, word) for word in _SCALARS},
            "null": asdict(estimate.null),
            "dispersion": asdict(estimate.dispersion),
            "aliased": dict(estimate.aliased),
            "convergence": asdict(estimate.convergence),
        },
    }


def _covariance(fit: Fit) -> dict[str, Any]:
    """The covariance as JSON; arrays of the caller's are rows, which a file does not hold."""
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


def _contrasts(given: Any) -> Any:
    """The argument as JSON: a word, or each contrast written out."""
    if not isinstance(given, Mapping):
        return given
    found = {name: as_contrast(value, f"contrasts[{name!r}]") for name, value in given.items()}
    return {name: None if contrast is None else contrast.to_json() for name, contrast in found.items()}


def _given_contrasts(written: Any) -> Any:
    if not isinstance(written, Mapping):
        return written
    return {name: None if value is None else Contrast.from_json(value) for name, value in written.items()}


_SCALARS = ("rows", "weight", "fingerprint", "loglik", "deviance", "pearson", "df_residual")


def _likelihood(family: Family, named: tuple[str, ...]) -> dict[str, Any]:
    """What `_family` reads back; refuses by name what is the user's own and not named."""
    own = [_named(family.link)] if _is_foreign(family.link) else []
    if _is_foreign(family) or (family.user_defined and not family.link.user_defined):
        own.append(_named(family))
    _refuse(own, named, "family or link")
    return {
        "family": _named(family) if _named(family) in own else family.text,
        "link": _named(family.link) if _named(family.link) in own else family.link.text,
        "own": own,
    }


def _is_foreign(part: Family | Link) -> bool:
    """Whether a family or link comes from the user's own class or functions."""
    return type(part).__module__.partition(".")[0] != "glmstat" or (
        isinstance(part, Link) and part.user_defined
    )


def _named(part: Family | Link) -> str:
    """The class of the user's own, else the name that its maker was given."""
    return part.name if part.user_defined else type(part).__name__


def _family(written: Mapping[str, Any], context: Mapping[str, Any]) -> Family:
    for name in written["own"]:
        _given(name, context)
    family = context.get(written["family"], written["family"])
    return as_family(
        family, None if isinstance(family, Family) else context.get(written["link"], written["link"])
    )


def _given(name: str, context: Mapping[str, Any]) -> Any:
    if name not in context:
        raise FileError(
            f"The file needs '{name}', which it cannot hold. Give load(path, context={{'{name}': ...}})."
        )
    return context[name]


def _check_context(context: Mapping[str, Any] | None, named: tuple[str, ...]) -> None:
    """Refuse what is no number, word or small array: the file holds no code and no rows."""
    for name, value in (context or {}).items():
        if callable(value) or np.size(value) > _LARGEST_ARRAY:
            _refuse([name], named, "context entry")


def _check_python(fit: Fit) -> None:
    """Refuse code that only `allow_python=True` may run: a file never hands it on."""
    for expression in _expressions(fit):
        if expression.python:
            raise FileError(
                f"A file cannot hold Python of a formula: '{expression.text}'. Compute the column first and "
                "name it in the formula."
            )


def _expressions(fit: Fit) -> Iterator[Expression]:
    design, response = fit.spec.design, fit.spec.design.formula.response
    roles = [part.role for part in design.offsets]
    if fit.frame is not None:
        roles += [*fit.frame.roles.used, fit.frame.roles.subset]
    for found in (*design.parts.values(), *(response.expressions if response else ()), *roles):
        if isinstance(found, Expression):
            yield found


def _refuse(names: list[str], named: tuple[str, ...], what: str) -> None:
    for name in names:
        if name not in named:
            raise FileError(
                f"A file cannot hold a user-defined {what}: '{name}'. Name it in save(path, "
                f"context=('{name}',)) and give it to load(path, context={{'{name}': ...}})."
            )


def _tensors(fit: Fit) -> dict[str, Any]:
    from glmstat.inference.covariance import covariance_root
    from glmstat.inference.estimable import null_space
    from glmstat.inference.predict import centre

    estimate, information = fit.estimate, fit.estimate.information
    covariance_root(fit)
    if fit.frame is not None:
        centre(fit)
        if estimate.aliased:
            null_space(fit)
    arrays = {
        "theta": estimate.theta,
        "directions": np.array(estimate.directions).reshape(len(estimate.directions), len(estimate.theta)),
        "root": information.root,
        "transform": information.transform,
        "slots": information.slots.astype(np.int64),
        **{f"kept {name}": values for name, values in fit.kept.items() if _goes_along(fit, name)},
    }
    return {name: np.ascontiguousarray(values) for name, values in arrays.items()}


def _goes_along(fit: Fit, name: str) -> bool:
    """Whether something kept is written: of covariances that of the fit only."""
    return not name.startswith("vcov ") or name.startswith(fit.covariance.key)


def _fit(written: Mapping[str, Any], tensors: Tensors, given: dict[str, Any]) -> Fit:
    arguments = {word: _argument(value) for word, value in written["arguments"].items()}
    family, design = _family(written["likelihood"], given), _design(written["design"], given)
    check_probes(written.get("probes", {}), written["likelihood"]["own"], family, design.context)
    arguments |= {
        "context": dict(design.context) or None,
        "family": family,
        "link": family.link,
        "vcov": Covariance(**written["arguments"]["vcov"])
        if isinstance(arguments["vcov"], dict)
        else arguments["vcov"],
        "control": Control(**written["arguments"]["control"]),
        "contrasts": _given_contrasts(written["contrasts"]),
        "allow_python": False,
    }
    spec = Spec(
        Call(written["model"], arguments), design, GLM(family), arguments["control"], written["library"]
    )
    kept = {
        name.removeprefix("kept "): values for name, values in tensors.items() if name.startswith("kept ")
    }
    for values in tensors.values():
        values.flags.writeable = False
    notes = tuple(Note(*note) for note in written["notes"])
    estimate = _estimate(written["estimate"], tensors, len(design.columns))
    return Fit(spec, estimate, Covariance(**written["covariance"]), notes, None, kept)


def _design(written: Mapping[str, Any], given: Mapping[str, Any]) -> Design:
    try:
        return Design.from_json(written, context=given)
    except ArgumentError as error:
        raise FileError(f"The file cannot be read without its functions: {error}") from error


def _argument(value: Any) -> Any:
    return NotKept() if isinstance(value, dict) and set(value) == {"array"} else value


def _estimate(written: Mapping[str, Any], tensors: Tensors, size: int) -> Estimate:
    theta, slots = tensors["theta"], tensors["slots"]
    directions, root, transform = tensors["directions"], tensors["root"], tensors["transform"]
    _expect(theta, (size,))
    _expect(directions, (len(directions), size))
    _expect(root, (len(root), len(root)))
    _expect(transform, (len(slots), len(root)))
    _expect(slots, (len(slots),), "i")
    if len(slots) and not (slots.min() >= 0 and slots.max() < size):
        raise ValueError("slots out of range")
    end = written["convergence"]
    convergence = Convergence(
        **{
            **end,
            "trace": tuple(Pass(**step) for step in end["trace"]),
            "notes": tuple(end["notes"]),
            "bound_rows": _separated(end["bound_rows"]),
            "separated_rows": _separated(end["separated_rows"]),
        }
    )
    return Estimate(
        theta=theta,
        directions=tuple(directions),
        information=DenseInformation(root, transform, slots.astype(np.intp), size),
        **{word: written[word] for word in _SCALARS},
        null=Null(**written["null"]),
        dispersion=Dispersion(**written["dispersion"]),
        aliased=written["aliased"],
        convergence=convergence,
    )


def _separated(written: Mapping[str, Any] | None) -> Separated | None:
    return None if written is None else Separated(tuple(written["rows"]), written["count"])


def _expect(array: Array, shape: tuple[int, ...], kind: str = "f") -> None:
    if array.shape != shape or array.dtype.kind != kind or array.dtype.itemsize != 8:
        raise ValueError(f"array {array.shape} {array.dtype} where {shape} was expected")


def _finite(value: Any) -> Any:
    """The same with NaN and infinities as words, which JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return {"float": str(value)} if isinstance(value, float) and not isfinite(value) else value


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"float"}:
            return float(value["float"])
        return {key: _restored(entry) for key, entry in value.items()}
    return [_restored(entry) for entry in value] if isinstance(value, list) else value
