"""The same function of many numbers on several cores, each in an interpreter of its own."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import TypeVar

__all__ = ["cores", "on_processes"]

T = TypeVar("T")


def cores() -> int:
    """Return the number of cores that this process may use."""
    from joblib import cpu_count

    return cpu_count()


def on_processes(
    function: Callable[[int], T], numbers: Sequence[int], workers: int
) -> Generator[tuple[int, T], None, None]:
    """Yield (number, function(number)) in no order; close it to end the workers.

    Workers that have answered everything wait for the next call. From the first worker that was killed, and
    the first number whose answer is an error or does not travel, the rest is left out.

    Parameters
    ----------
    function : sent to the workers; nothing is yielded where it does not travel.
    numbers : what it is called with.
    workers : interpreters at work at the same time, 2 or more; this one waits for them.
    """
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
    one = delayed(_numbered)
    answers: Generator[tuple[int, T], None, None] | None = None
    try:
        with _without_ctrl_c():
            answers = parallel(one(function, number) for number in numbers)
        for answer in answers:  # noqa: UP028 - delegation would close it where its warning is seen
            yield answer
    except Exception:  # the caller, who computes what is left out, meets it again or does without
        return
    finally:
        if answers is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # says that answers are lost
                answers.close()


def _numbered(function: Callable[[int], T], number: int) -> tuple[int, T]:
    return number, function(number)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start nothing in the body that Ctrl-C reaches: it goes to the caller alone, who then ends the workers."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
