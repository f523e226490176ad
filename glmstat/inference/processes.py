"""The same function of many numbers on several cores, each in an interpreter of its own."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from threading import Thread, current_thread, main_thread
from typing import TypeVar

__all__ = ["cores", "on_processes"]

T = TypeVar("T")


def cores() -> int:
    """Return the number of cores that this process may use."""
    _load("joblib")
    from joblib import cpu_count

    return cpu_count()


def on_processes(
    function: Callable[[int], T], numbers: Sequence[int], workers: int
) -> Generator[tuple[int, T], None, None]:
    """Yield (number, function(number)) in no order; close it to end the workers.

    Workers that have answered everything wait a while for the next call. Once a worker was killed, or an
    answer is an error or does not travel, what is not answered yet is left out.

    Parameters
    ----------
    function : sent to the workers; nothing is yielded where it does not travel.
    numbers : what it is called with.
    workers : interpreters at work at the same time, 2 or more; this one waits for them.
    """
    _load("joblib")
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
    one = delayed(_numbered)
    answers: Generator[tuple[int, T], None, None] | None = None
    try:
        with _without_ctrl_c():
            answers = parallel(one(function, number) for number in numbers)
        for answer in answers:  # noqa: UP028 - it is to be closed below, where its warning is not seen
            yield answer
    except Exception:  # the caller computes what is left out, and meets there what is wrong with it
        return
    finally:
        if answers is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that answers are lost
                answers.close()


def _numbered(function: Callable[[int], T], number: int) -> tuple[int, T]:
    return number, function(number)


def _load(module: str) -> None:
    """Import in a thread of its own, where Ctrl-C does not leave half a module behind."""
    thread = Thread(target=import_module, args=(module,))
    thread.start()
    thread.join()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start workers that Ctrl-C does not reach: the caller ends them. For these milliseconds it is lost."""
    before = signal.getsignal(signal.SIGINT)
    if before is None or current_thread() is not main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
