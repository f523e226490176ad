"""The same function of many numbers on several cores, each in an interpreter of its own.

Workers are plain interpreters at the end of a pipe: nothing is forked, so threads of the caller do no harm,
and the caller's script is not run again, so it needs no guard.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

__all__ = ["cores", "on_processes", "serve"]

T = TypeVar("T")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CHUNK = 32  # numbers handed over at once: few enough that progress is seen
_PATIENCE = 0.2  # seconds after which a wait looks for Ctrl-C, which Windows does not bring by itself


def cores() -> int:
    """Return the number of cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def on_processes(
    function: Callable[[int], T], numbers: Sequence[int], workers: int
) -> Generator[tuple[int, T], None, None]:
    """Yield (number, function(number)) in no order; close it to end the workers.

    The caller's own interpreter is one of the workers. What a worker takes and does not answer, because it
    was killed or does not know a class that only the caller's script defines, is left out.

    Parameters
    ----------
    function : picklable, sent once to each worker; what does not travel is computed here alone.
    numbers : what it is called with.
    workers : interpreters at work at the same time, this one among them.
    """
    size = max(1, min(_CHUNK, len(numbers) // (4 * workers)))
    todo: SimpleQueue[Sequence[int]] = SimpleQueue()
    for start in range(0, len(numbers), size):
        todo.put(numbers[start : start + size])
    done: SimpleQueue[list[tuple[int, Any]] | None] = SimpleQueue()
    job = _pickled(function)
    processes = _started(workers - 1) if job else []
    for process in processes:
        Thread(target=_feed, args=(process, job, todo, done), daemon=True).start()
    try:
        working = len(processes)
        while working or not todo.empty():
            own = _next(todo)
            for number in own:
                yield number, function(number)
            with suppress(Empty):
                while working:
                    answer = done.get(timeout=0.0 if own else _PATIENCE)
                    working -= answer is None
                    yield from answer or ()
    finally:
        for process in processes:
            _end(process)


def _pickled(function: Any) -> bytes:
    """The function as bytes; none where it does not travel."""
    try:
        return pickle.dumps(function, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # lambdas and classes of the caller's fail each with an error of its own
        return b""


def _next(todo: SimpleQueue[Sequence[int]]) -> Sequence[int]:
    try:
        return todo.get_nowait()
    except Empty:
        return ()


def _started(count: int) -> list[subprocess.Popen[bytes]]:
    """Workers; none where Python is part of another programme, and no interpreter to start is known."""
    if not sys.executable:
        return []
    try:
        return [_start() for _ in range(count)]
    except OSError:
        return []


def _start() -> subprocess.Popen[bytes]:
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
    # Ctrl-C goes to the caller alone, who then ends the workers
    group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **dict.fromkeys(_THREADS, "1")},
        creationflags=group,
        start_new_session=group == 0,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _feed(
    process: subprocess.Popen[bytes],
    job: bytes,
    todo: SimpleQueue[Sequence[int]],
    done: SimpleQueue[list[tuple[int, Any]] | None],
) -> None:
    """Hand over numbers and take answers until there are none left or the worker is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError, Empty):
        process.stdin.write(job)
        while True:
            numbers = todo.get_nowait()
            process.stdin.write(pickle.dumps(list(numbers)))
            process.stdin.flush()
            done.put(pickle.load(process.stdout))
    done.put(None)


def serve() -> None:
    """Answer numbers from standard input until it closes: what a worker does."""
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a user's function prints must not mix with the answers
    with suppress(EOFError):
        function = pickle.load(incoming)
        while True:
            numbers = pickle.load(incoming)
            outgoing.write(pickle.dumps([(number, function(number)) for number in numbers]))
            outgoing.flush()
