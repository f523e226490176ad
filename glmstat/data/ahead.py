"""Iterators that threads of their own run, a few items ahead of who takes them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from queue import Empty, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

__all__ = ["together"]

T = TypeVar("T")
_ITEMS = 2  # of each iterator, held ready


def together(sources: Sequence[Iterable[T]]) -> Generator[tuple[T, ...]]:
    """Yield the items of several iterables side by side, each made by its own thread.

    Parameters
    ----------
    sources : of one length; an exception of any is raised here, and the others are left.

    >>> list(together([range(2), "ab"]))
    [(0, 'a'), (1, 'b')]
    """
    runners = [_Runner(source) for source in sources]
    try:
        while True:
            items = [runner.take() for runner in runners]
            if any(len(item) == 0 for item in items):
                return
            yield tuple(item[0] for item in items)
    finally:
        for runner in runners:
            runner.stop()


class _Runner(Generic[T]):
    def __init__(self, source: Iterable[T]) -> None:
        self.source = source
        self.ready: Queue[tuple[T, ...] | BaseException] = Queue(_ITEMS)
        self.stopped = Event()
        self.thread = Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for item in self.source:
                self.ready.put((item,))
                if self.stopped.is_set():
                    return
            self.ready.put(())
        except BaseException as error:  # whatever it is, it belongs to the one who waits
            self.ready.put(error)

    def take(self) -> tuple[T, ...]:
        """Return the next item in a tuple, or an empty one at the end."""
        found = self.ready.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def stop(self) -> None:
        """End the thread, and wait until it has let go of what it reads."""
        self.stopped.set()
        while self.thread.is_alive():
            try:
                self.ready.get_nowait()
            except Empty:
                self.thread.join(0.01)
