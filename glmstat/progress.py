"""A bar that shows how far a long loop has come."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from glmstat.errors import ArgumentError

__all__ = ["check_progress", "track"]

T = TypeVar("T")
PATIENCE = 2.0  # seconds before a bar appears that nobody asked for


def check_progress(show: bool | None) -> None:
    """Refuse a `progress=` that says neither yes nor no nor None.

    Raises
    ------
    ArgumentError : another value.
    """
    if not (show is None or isinstance(show, bool)):
        raise ArgumentError(
            f"progress must be True, False or None: {show!r}. None shows a bar if it takes long."
        )


def track(iterable: Iterable[T], total: int, what: str, show: bool | None = None) -> Iterator[T]:
    """Yield what `iterable` yields, with a bar on standard error.

    Parameters
    ----------
    total : number of items.
    what : word before the bar.
    show : True shows the bar, False does not; None does where standard error is a terminal and the loop
        takes more than two seconds.

    Raises
    ------
    ArgumentError : `show` is something else.

    >>> list(track(range(3), 3, "rows", show=False))
    [0, 1, 2]
    """
    check_progress(show)
    return _tracked(iterable, total, what, show)


def _tracked(iterable: Iterable[T], total: int, what: str, show: bool | None) -> Iterator[T]:
    if show is None and not sys.stderr.isatty():
        show = False
    if show is False:
        yield from iterable
        return
    from tqdm import tqdm

    delay = 0.0 if show else PATIENCE
    with tqdm(iterable, desc=what, total=total, delay=delay, leave=False, file=sys.stderr) as bar:
        yield from bar
