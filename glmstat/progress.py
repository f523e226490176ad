"""Bars that show how far long work has come: a loop, or one pass over the rows after another."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from glmstat.errors import ArgumentError

__all__ = ["Meter", "check_progress", "track"]

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


class Meter:
    """A bar for passes over rows, one after another; it appears once the work has taken a while.

    Parameters
    ----------
    show : True shows the bar at once, False does not; None does where standard error is a terminal, after two
        seconds.

    Raises
    ------
    ArgumentError : `show` is something else.

    >>> meter = Meter(False)
    >>> meter.begin("pass 1", 1000)
    >>> meter.reach(500)
    >>> meter.close()
    """

    def __init__(self, show: bool | None = None) -> None:
        check_progress(show)
        self._off = show is False or (show is None and not sys.stderr.isatty())
        self._patience = 0.0 if show else PATIENCE
        self._since = time.monotonic()
        self._what, self._total = "", None
        self._bar: Any = None

    def begin(self, what: str, total: int | None) -> None:
        """Start a pass.

        Parameters
        ----------
        what : words before the bar.
        total : rows of the pass; None where nobody knows yet.
        """
        self._what, self._total = what, total
        if self._bar is not None:
            self._bar.reset(total)
            self._bar.set_description(what, refresh=False)

    def reach(self, rows: int) -> None:
        """Show that so many rows of the pass are done."""
        if self._off:
            return
        if self._bar is None:
            if time.monotonic() - self._since < self._patience:
                return
            from tqdm import tqdm

            self._bar = tqdm(
                desc=self._what,
                total=self._total,
                unit=" rows",
                unit_scale=True,
                leave=False,
                file=sys.stderr,
            )
        if rows > self._bar.n:
            self._bar.update(rows - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        self._off = True
        if self._bar is not None:
            self._bar.close()
