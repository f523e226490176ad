"""The same function of many numbers on several cores, each in an interpreter of its own."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from threading import Thread
from typing import Any, TypeVar

__all__ = ["cores", "on_processes"]

T = TypeVar("T")


def cores() -> int:
    """Return the number of cores that this process may use."""
    _prepare()
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
    _prepare()
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
    one = delayed(_numbered)
    answers: Any = None
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


def _prepare() -> None:
    """Import joblib in a thread of its own, where Ctrl-C does not leave half a module behind."""
    thread = Thread(target=_import)
    thread.start()
    thread.join()


def _import() -> None:
    import_module("joblib")
    if sys.platform != "win32":
        resource_tracker = import_module("multiprocessing.resource_tracker")
        resource_tracker.ensure_running()  # its start lets Ctrl-C through again in the thread that starts it


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start workers that Ctrl-C never reaches; the caller, who then ends them, hears of it after the body."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
