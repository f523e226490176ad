"""A clock that tells how long each pass took."""

from __future__ import annotations

import time

__all__ = ["Lap"]


class Lap:
    """Seconds since it was asked last, or made.

    >>> lap = Lap()
    >>> 0.0 <= lap.seconds() < 60.0
    True
    """

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds since the last call."""
        before, self._since = self._since, time.perf_counter()
        return self._since - before
