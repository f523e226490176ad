"""The file itself: bytes with a checksum, written in one step, and JSON with all numbers."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.data.target import as_path, replacing
from glmstat.errors import FileError

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["Tensors", "damaged", "read", "write"]

KEY = "glmstat"
_BLANK = "0" * 64
_LARGEST_HEADER = 100_000_000  # bytes; the limit of the format itself

Tensors = Mapping[str, Any]


def write(path: Path, schema: int, spec: Mapping[str, Any], tensors: Tensors) -> None:
    """Write JSON and arrays to one file, in one step.

    Parameters
    ----------
    path : of the file.
    schema : the least number whose readers can read it.
    spec : JSON values, and floats that need not be finite.
    tensors : arrays by name.

    Raises
    ------
    FileError : no room, or no permission; what was there is still there.
    """
    from safetensors.numpy import save as serialise

    text = json.dumps({"checksum": _BLANK, "schema": schema, "spec": _finite(spec)}, allow_nan=False)
    arrays = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    raw = serialise(arrays, metadata={KEY: text})
    digest = hashlib.sha256(raw).hexdigest()
    with replacing(path) as file:
        file.write(raw.replace(_BLANK.encode(), digest.encode(), 1))


def read(path: str | PathLike[str], newest: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON and the arrays, read-only, that `write` wrote.

    Parameters
    ----------
    path : of the file.
    newest : largest schema that can be read.

    Raises
    ------
    FileError : a file that is damaged, foreign, or of a newer schema.
    """
    found = as_path(path)
    if found.is_dir():
        raise IsADirectoryError(errno.EISDIR, "A folder, not a file", str(found))
    raw = found.read_bytes()
    text = _header(raw, path)
    try:
        written = json.loads(text)
        newer = written["schema"] > newest
        checksum = str(written["checksum"])
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path) from error
    if newer:
        raise FileError(f"File written by a newer glmstat: {path}. Update glmstat to read it.")
    if hashlib.sha256(raw.replace(checksum.encode(), _BLANK.encode(), 1)).hexdigest() != checksum:
        raise damaged(path)
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialise

    try:
        spec, tensors = dict(_restored(written["spec"])), deserialise(raw)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(path) from error
    for values in tensors.values():
        values.flags.writeable = False
    return spec, tensors


def damaged(path: object) -> FileError:
    """Return the error for a file whose contents are not what was saved."""
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


def _finite(value: Any) -> Any:
    """The same with NaN and infinities as words, which JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
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
