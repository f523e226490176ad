"""Files that are written for the user: where one may stand; it is whole, or not there; no data are lost."""

from __future__ import annotations

import io
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from glmstat.data.files import Files, files_named, find_files, paths_of
from glmstat.errors import FileError

__all__ = ["as_path", "check_target", "refuse_read", "replacing", "unwritten"]

_REMEDY = "Make room or give another path."
_INSIDE = ("reader", "inner", "origin", "files", "dataset", "relation", "lazy", "data")  # of our own sources
_SHOWN = 40  # characters of a file's name in that of the file beside it


def as_path(path: Any, word: str = "path") -> Path:
    """Return what was given as a path.

    Parameters
    ----------
    word : the argument, for the message.

    Raises
    ------
    FileError : it is none, empty, or has a zero byte.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise FileError(f"{word} must name a file: {path!r}. Give its path.")
    return Path(text)


def check_target(path: Any, word: str = "path") -> Path:
    """Return the path of a file to be written, before any work is done; a link stands for what it names.

    Parameters
    ----------
    word : the argument, for the message.

    Raises
    ------
    FileError : no path, no such folder; a folder, a device or a pipe; a place that cannot be looked at.
    """
    given = as_path(path, word)
    with _telling(given):
        place = _place(given)
        for folder in (given.parent, place.parent):
            if not folder.is_dir():
                raise FileError(f"No such folder: {folder}. Make it first.")
        try:
            mode = place.stat().st_mode
        except FileNotFoundError:
            return given
    if stat.S_ISDIR(mode):
        raise FileError(f"A folder, not a file: {given}. Give the path of a file in it.")
    if not stat.S_ISREG(mode):
        raise FileError(f"A device or a pipe, not a file: {given}. Give the path of a file.")
    return given


def refuse_read(path: Path, *data: Any) -> None:
    """Refuse to write a file that data are read from, or that would be read with them from then on.

    Parameters
    ----------
    data : sources, or data as given; of functions nobody knows what they read, of queries what they name.

    Raises
    ------
    FileError : the path is that of a data file, by whatever name, or of a new one among them.
    """
    for files in filter(None, map(_files_of, data)):
        if files.holds(path):
            raise FileError(f"The file that is read cannot be written: {path}. Give another name.")
        taken = files.taken_by(path)
        if taken is not None:
            raise FileError(
                f"File would be read as data: {path}, with '{taken}'. Give a path that is not in it."
            )


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to, which stands at `path` when the body is done; else nothing is changed.

    Raises
    ------
    FileError : it cannot be written; errors of the body come as they are.
    """
    place = _place(path)
    beside = place.with_name(f".{place.name[:_SHOWN]}.{secrets.token_hex(8)}.tmp")
    try:
        with _telling(path):
            file = io.BufferedWriter(_Telling(beside, path))
        try:
            yield file
            with _telling(path):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with suppress(OSError, FileError):  # told before
                file.close()
        with _telling(path):
            beside.replace(place)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def unwritten(error: OSError, path: object, what: str = "File", remedy: str = _REMEDY) -> FileError:
    """Return the error of a file that the system does not let be written."""
    return FileError(f"{what} cannot be written: {path} ({error.strerror or error}). {remedy}")


class _Telling(io.FileIO):
    """A new file whose errors name the file that was asked for; what is read meanwhile has its own."""

    def __init__(self, beside: Path, path: Path) -> None:
        super().__init__(beside, "xb")
        self.path = path

    def write(self, raw: Any) -> int:
        with _telling(self.path):
            return super().write(raw)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritten(error, path) from error


def _place(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _files_of(data: Any) -> Files | None:
    """The files behind a source, or behind data as given; None where there are none that are known."""
    if data is None or isinstance(data, Files):
        return data
    root = type(data).__module__.partition(".")[0]
    if root == "glmstat":
        inside = (getattr(data, word, None) for word in _INSIDE)
        return _files_of(next((one for one in inside if one is not None), None))
    if root == "narwhals":
        return _files_of(data.to_native())
    if root in _NAMED:
        return files_named(_NAMED[root](data))
    paths = paths_of(data)
    return None if paths is None else find_files(paths)


def _in_polars(data: Any) -> Sequence[str]:
    from glmstat.data.polars import paths_in

    return paths_in(data)


def _in_duckdb(data: Any) -> Sequence[str]:
    from glmstat.data.duckdb import paths_in

    return paths_in(data)


def _in_dask(data: Any) -> Sequence[str]:
    from glmstat.data.dask import paths_in

    return paths_in(data)


_NAMED: Mapping[str, Callable[[Any], Sequence[str]]] = {
    "polars": _in_polars,
    "duckdb": _in_duckdb,
    "_duckdb": _in_duckdb,
    "dask": _in_dask,
    "pyarrow": lambda data: getattr(data, "files", ()),
}
