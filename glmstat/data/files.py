"""Paths, folders and patterns as lists of data files."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from glmstat.errors import DataError, near, one_of

__all__ = ["PARQUET", "Files", "files_named", "find_files", "lacking", "paths_of"]

PARQUET = (".parquet", ".pq")
CSV = (".csv", ".csv.gz", ".csv.bz2", ".csv.zst", ".tsv", ".tsv.gz")
KNOWN = (*PARQUET, *CSV)


class Files:
    """Files of one format, in the order in which they are read.

    Parameters
    ----------
    paths : absolute.
    text : what messages call them together.
    format : "parquet" or "csv".
    given : the folders and patterns that they were found by.
    """

    def __init__(self, paths: Sequence[Path], text: str, format: str, given: Sequence[Path] = ()) -> None:
        self.paths = tuple(paths)
        self.text = text
        self.format = format
        self.given = tuple(given)

    def holds(self, path: Path) -> bool:
        """Return whether a path leads to one of the files, by whatever name."""
        try:
            facts = path.stat()
        except OSError:
            return False
        return any(_same(facts, one) for one in self.paths)

    def taken_by(self, path: Path) -> Path | None:
        """Return the folder or pattern that finds a file at a path, if there was one; None for none."""
        names = {Path(os.path.realpath(path.parent)) / path.name, Path(os.path.realpath(path))}
        return next((one for one in self.given for name in names if _finds(one, name)), None)

    def stamp(self) -> Hashable:
        """Return size and time of each file.

        Raises
        ------
        DataError : a file is gone.
        """
        found = []
        for path in self.paths:
            try:
                facts = path.stat()
            except OSError:
                raise DataError(
                    f"File '{path.name}' is gone: it was there before. Fit it again; or take "
                    "fit.with_data(path) where it is now."
                ) from None
            found.append((str(path), facts.st_size, facts.st_mtime_ns))
        return tuple(found)


def paths_of(data: Any) -> list[str] | None:
    """Return an argument as paths, None where it is none.

    Parameters
    ----------
    data : a Path; text that has the suffix of a data file, a separator or a wildcard, or that names what
        is there; or a list of such.
    """
    if isinstance(data, (str, Path)):
        return [str(data)] if _looks_like_path(data) else None
    if (
        not isinstance(data, (list, tuple))
        or not data
        or not all(isinstance(one, (str, Path)) for one in data)
    ):
        return None
    return [str(one) for one in data] if all(map(_looks_like_path, data)) else None


def _looks_like_path(text: str | Path) -> bool:
    if isinstance(text, Path):
        return True
    if "\n" in text or re.search(r"~(\s|$)", text):  # several lines, or a formula in the wrong place
        return False
    if text.lower().endswith(KNOWN) or any(mark in text for mark in "*?/\\"):
        return True
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # longer than a name may be, or with a zero byte
        return False


def find_files(paths: Sequence[str]) -> Files:
    """Return the files behind paths: of a folder and of a pattern by name, of a list as it is given.

    Raises
    ------
    DataError : nothing is there, a file that is there twice, files of two formats, or that hold no table.
    """
    found = [path for text in paths for path in _expand(text)]
    _refuse_twice(found)
    formats = {_format(path): path for path in reversed(found)}
    if len(formats) > 1:
        names = " and ".join(f"'{path.name}'" for path in formats.values())
        raise DataError(f"Files have different formats: {names}. Give files of one format.")
    text = f"'{paths[0]}'" if len(paths) == 1 else f"The list of {len(paths)} paths"
    given = [path for path in map(_absolute, paths) if not path.is_file()]
    return Files(found, f"'{found[0].name}'" if len(found) == 1 else text, next(iter(formats)), given)


def files_named(names: Sequence[str]) -> Files:
    """Return the files, folders and patterns that a query names, as they are there or not."""
    paths = [_absolute(name) for name in names if name and "://" not in name and "\0" not in name]
    found = [path for path in paths if path.is_file()]
    given = [path for path in paths if path.is_dir() or _has_wildcard(str(path))]
    return Files(found, "The query", "parquet", given)


def _absolute(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _refuse_twice(paths: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for path in paths:
        file = path.resolve()
        if file in seen:
            raise DataError(
                f"File '{path.name}' is named twice: its rows would count twice. Name every file once."
            )
        seen.add(file)


def _expand(text: str) -> list[Path]:
    if "://" in text:
        raise DataError(
            f"'{text}' is not on this machine: only paths are opened by name. "
            "Give pyarrow.dataset.dataset(...) of it."
        )
    path = _absolute(text)
    if path.is_dir():
        return _in_folder(path, text)
    if path.is_file():
        return [path]
    if path.exists():
        raise DataError(f"'{text}' cannot be read again and again: it is no file. Write it to one first.")
    if _has_wildcard(text):
        return _by_pattern(str(path), text)
    raise _nothing(path, text)


def _in_folder(folder: Path, text: str) -> list[Path]:
    found = sorted(_data_files(folder), key=lambda path: path.relative_to(folder).parts)
    parts = {part for path in found for part in path.relative_to(folder).parts[:-1] if "=" in part}
    if parts:
        raise DataError(
            f"Folder '{text}' keeps columns in names of folders: '{min(parts)}'. "
            'Give pyarrow.dataset.dataset(path, partitioning="hive").'
        )
    if not found:
        raise DataError(f"Folder '{text}' has no data files: known are {one_of(KNOWN)}. Check the path.")
    return found


def _data_files(folder: Path) -> list[Path]:
    """Files with a known suffix, in subfolders too; names that begin with a dot or a bar are not data."""
    paths = (path for path in folder.rglob("*") if _is_data(path.relative_to(folder)))
    return [path for path in paths if path.is_file()]


def _is_data(inner: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in inner.parts)
    return not hidden and inner.name.lower().endswith(KNOWN)


def _by_pattern(pattern: str, text: str) -> list[Path]:
    root = Path(pattern).anchor
    found = sorted(path for path in Path(root).glob(pattern.removeprefix(root)) if path.is_file())
    if not found:
        raise DataError(f"No file matches '{text}': nothing to read. Check the pattern.")
    return found


def _has_wildcard(text: str) -> bool:
    return any(mark in text for mark in "*?[")


def _finds(given: Path, path: Path) -> bool:
    """Whether a folder or pattern finds a file; the path has no links in it."""
    parts = given.parts
    if given.is_dir() or not _has_wildcard(str(given)):
        root = Path(os.path.realpath(given))
        return path.is_relative_to(root) and _is_data(path.relative_to(root))
    fixed = next(place for place, part in enumerate(parts) if _has_wildcard(part))
    root = Path(os.path.realpath(Path(*parts[:fixed])))
    return path.is_relative_to(root) and _matches(path.relative_to(root).parts, parts[fixed:])


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not (parts and pattern):
        return not parts and all(one == "**" for one in pattern)
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or _matches(parts[1:], pattern)
    return fnmatch(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _same(facts: os.stat_result, path: Path) -> bool:
    try:
        return os.path.samestat(facts, path.stat())
    except OSError:  # it is gone
        return False


def _nothing(path: Path, text: str) -> DataError:
    parent = path.parent
    while not parent.is_dir():
        path, parent = parent, parent.parent
    close = near(path.name, [other.name for other in parent.iterdir()])
    where = f"folder '{parent}' has no '{path.name}'"
    return DataError(f"No such file: '{text}', {where}. Check the path.{close}")


def _format(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(PARQUET):
        return "parquet"
    if name.endswith(CSV):
        return "csv"
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    raise DataError(
        f"'{path.name}' is no data file that is known: suffixes are {one_of(KNOWN)}. "
        "Read it into a data frame, or give pyarrow.dataset.dataset(path, format=...)."
    )


def lacking(column: str, file: str, other: str | None) -> DataError:
    """Return the error of a file that lacks a column, which another one has."""
    has = "none" if other is None else f"'{other}'"
    return DataError(
        f"Column '{column}' is not in every file: '{file}' lacks it, {has} has it. "
        "Leave one of the files out, or add the column."
    )
