"""A bar that shows how far a long loop has come."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["track"]

T = TypeVar("T")
PATIENCE = 2.0  # seconds before a bar appears that nobody asked for


def track(iterable: Iterable[T], total: int, what: str, show: bool | None = None) -> Iterator[T]:
    """Yield what `iterable` yields, with a bar on standard error.

    Parameters
    ----------
    total : number of items.
    what : word before the bar.
    show : True shows the bar, False does not; None does where standard error is a terminal and the loop
        takes more than two seconds.

    >>> list(track(range(3), 3, "rows", show=False))
    [0, 1, 2]
    """
    if show is None and not sys.stderr.isatty():
        show = False
    if show is False:
        yield from iterable
        return
    from tqdm import tqdm

    delay = 0.0 if show else PATIENCE
    with tqdm(iterable, desc=what, total=total, delay=delay, leave=False, file=sys.stderr) as bar:
        yield from bar
