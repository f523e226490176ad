"""Sums over blocks in a fixed tree: the same bits for any number of threads."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, Generic, Protocol, Self, TypeVar

__all__ = ["Addable", "Tree", "run_blocks", "run_tasks", "single_blas_thread", "sum_of_some", "tree_sum"]


class Addable(Protocol):
    """Anything whose partial results can be added."""

    def __add__(self, other: Self, /) -> Self: ...


S = TypeVar("S", bound=Addable)
T = TypeVar("T")


def tree_sum(parts: Iterable[S]) -> S:
    """Return the sum of the parts, added pairwise in an order that depends on their number alone.

    Parameters
    ----------
    parts : at least one addend, in block order; taken one by one, so at most log2(count) are held.

    >>> tree_sum([1, 2, 3, 4, 5])
    15
    """
    total = sum_of_some(parts)
    assert total is not None
    return total


def sum_of_some(parts: Iterable[S | None]) -> S | None:
    """Return the `tree_sum` of the parts that are not None; None where all are."""
    tree: Tree[S] = Tree()
    for part in parts:
        tree.add(part)
    return tree.total


class Tree(Generic[S]):
    """A `sum_of_some` that grows part by part, and that can stand still and go on.

    Parameters
    ----------
    count : parts that were taken in.
    pending : what they came to: sums of 2^level of them, with the level; at most log2(count).

    >>> half = Tree()
    >>> for part in (1, 2, 3):
    ...     half.add(part)
    >>> rest = Tree(*half.state)
    >>> rest.add(4)
    >>> rest.state, rest.total
    ((4, ((2, 10),)), 10)
    """

    def __init__(self, count: int = 0, pending: Iterable[tuple[int, S]] = ()) -> None:
        self.state = count, tuple(pending)

    def add(self, part: S | None) -> None:
        """Take in the next part; an interrupt leaves the state before it or the state after it."""
        count, pending = self.state
        if part is not None:
            left, level = list(pending), 0
            while left and left[-1][0] == level:
                part = left.pop()[1] + part
                level += 1
            pending = (*left, (level, part))
        self.state = count + 1, pending

    @property
    def count(self) -> int:
        """Parts that were taken in."""
        return self.state[0]

    @property
    def total(self) -> S | None:
        """The sum so far; None where every part was."""
        pending = [part for _, part in self.state[1]]
        if not pending:
            return None
        total = pending.pop()
        while pending:
            total = pending.pop() + total
        return total


def run_blocks(
    function: Callable[[int], S | None], count: int, workers: int | None = 1, tree: Tree[S] | None = None
) -> S | None:
    """Return the tree sum of `function(0) … function(count - 1)`, computed by `workers` threads.

    Parameters
    ----------
    tree : holds the sum of the first blocks, as many as it counts, and takes in the others.
    """
    tree = Tree() if tree is None else tree
    tasks = range(tree.count, count)
    return run_tasks(function, tasks, min(count, workers or os.cpu_count() or 1), tree)


def run_tasks(
    function: Callable[[T], S | None], tasks: Iterable[T], workers: int, tree: Tree[S] | None = None
) -> S | None:
    """Return the tree sum of `function(task)` in the order of the tasks, which are taken as they are needed.

    Parameters
    ----------
    workers : threads; 1 uses the caller's.
    tree : takes in the results; it may hold those of tasks before these.
    """
    tree = Tree() if tree is None else tree
    if workers <= 1:
        for task in tasks:
            tree.add(function(task))
        return tree.total
    with (
        ThreadPoolExecutor(workers) as pool,
        closing(_in_order(pool, function, tasks, 2 * workers)) as parts,
    ):
        for part in parts:
            tree.add(part)
    return tree.total


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[T], S | None], tasks: Iterable[T], ahead: int
) -> Generator[S | None]:
    waiting: deque[Future[S | None]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


class _Pin:
    """BLAS threads: the first to enter saves and pins them, the last to leave restores them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.controller: Any = None
        self.limiter: Any = None

    def enter(self) -> None:
        with self.lock:
            if self.users == 0:
                self._disown()
                self.limiter = self._controller().limit(limits=1, user_api="blas")
                self._disown()
            self.users += 1

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self._disown()
                self.limiter.restore_original_limits()
                self.limiter = None
                self._disown()

    def _disown(self) -> None:
        """Let any thread set the number: the one that restores it need not be the one that pinned it."""
        for library in self._controller().lib_controllers:
            clear = getattr(library, "clear_controlling_thread", None)  # threadpoolctl 3.8 and later
            if clear is not None:
                clear(force=True)

    def _controller(self) -> Any:
        if self.controller is None:
            import scipy.linalg.lapack  # noqa: F401
            from threadpoolctl import ThreadpoolController

            self.controller = ThreadpoolController()
        return self.controller


_PIN = _Pin()


def _renew_pin() -> None:
    global _PIN
    _PIN = _Pin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_pin)


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Run the body with one BLAS thread; leave the setting as it was found."""
    pin = _PIN
    pin.enter()
    try:
        yield
    finally:
        pin.leave()
