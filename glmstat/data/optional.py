"""Packages that only some data need, imported when they are first used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from glmstat.errors import DataError, DependencyError

__all__ = ["need", "reading"]


def need(package: str, purpose: str) -> Any:
    """Return a package.

    Parameters
    ----------
    package : "pyarrow", "pyarrow.csv".
    purpose : what needs it, for the message.

    Raises
    ------
    DependencyError : it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise DependencyError(
            f"{purpose} needs {name}: it is not installed. Run pip install 'glmstat[stream]'."
        ) from error


@contextmanager
def reading(
    text: str, *kinds: type[Exception], remedy: str = "Write it again, or leave it out"
) -> Iterator[None]:
    """Turn the errors of a library that reads `text` into one of ours, in its first line of words.

    Raises
    ------
    DataError : the body raised OSError or one of `kinds`.
    """
    try:
        yield
    except DataError:
        raise
    except (OSError, *kinds) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0].rstrip(".") if lines else type(error).__name__
        raise DataError(f"{text} cannot be read: {reason}. {remedy}.") from None
