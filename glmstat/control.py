"""How a fit is computed: the settings that do not change what is estimated."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from glmstat.errors import ArgumentError, near, one_of

__all__ = ["Control"]

SOLVERS = ("auto", "newton", "ladder")
DTYPES = ("float32", "float64")
MOST_WORKERS = 1_024  # more are no machine's, but a number that means something else
DEVICES = ("cpu", "cuda", "xpu")  # those of torch that have double precision


@dataclass(frozen=True)
class Control:
    """Settings of the solver.

    Parameters
    ----------
    tolerance : largest Newton decrement, in standard errors, at which a fit counts as converged.
        The default 1e-8 leaves 13 or more correct digits after the last step.
    max_iterations : steps after which the solver gives up with status "not converged"; those of subsamples
        do not count.
    workers : threads that share the blocks of a large fit; None uses every core where the design is
        wide enough to gain by it. The result has the same bits for any number. Networks are trained by one
        thread unless a number is given; their last bits depend on it.
    device : where networks are trained, and where `glm` makes the sums of data that are not copied: "cpu", or
        "cuda", "cuda:1" and so on, which need torch. Estimates agree with those of "cpu" to about 12 digits.
    dtype : numbers that networks are trained in, "float32" or "float64".
    solver : "newton" sums the information of all rows at every step; "ladder" climbs by subsamples first,
        goes on by steps that sum the score alone and sums the information of all rows once (twice or more
        where factors have many levels), or returns to "newton" where a guard says no. "auto" is "ladder" for
        data that are not copied, of 2,000,000 numbers or more, and needs `max_iterations` of 12 or more. The
        maximum and the promise of `tolerance` are the same. Standard errors come from an information one
        short step before the maximum, whose change along that step is measured: their error is of the order
        of 1e-7, and of 1e-9 with a tolerance of 1e-12, with no bound that is proved; those of "newton" are
        accurate to 1e-8, and as those of "ladder" where data of 2,000,000 numbers or more are not copied.
    memory : bytes up to which the columns in use are copied and kept; beyond, each pass reads the data. The
        default 16e6 is 2,000,000 numbers; 0 keeps none. Of larger files the last 120e6 bytes, or `memory`
        where that is more, stay decoded until the fit is made.
    checkpoint : path of a file in which the state is kept after each pass, so that a fit that was killed goes
        on from there; None keeps none.
    progress : whether a bar on standard error shows the passes; None shows it in a terminal, where it takes
        long.
    precision : numbers that a device other than "cpu" is sent and multiplies. "float64" loses nothing.
        "float32" halves what is sent: columns keep 7 digits, and so do the products of the information, where
        no column is nearly collinear; score and likelihood are summed in float64. Coefficients move by about
        1e-7 of their standard errors, times the root of their variance inflation, and these by 1e-7 of
        themselves.

    Raises
    ------
    ArgumentError : a value out of range, or a word that does not exist.

    >>> Control(tolerance=1e-10).max_iterations
    100
    """

    tolerance: float = 1e-8
    max_iterations: int = 100
    workers: int | None = None
    device: str = "cpu"
    dtype: str = "float32"
    solver: Literal["auto", "newton", "ladder"] = "auto"
    memory: float = 16e6
    checkpoint: str | os.PathLike[str] | None = None
    progress: bool | None = None
    precision: Literal["float64", "float32"] = "float64"

    def __post_init__(self) -> None:
        for word, value in vars(self).items():
            object.__setattr__(self, word, _plain(value))
        if not (_is_number(self.tolerance) and 0 < self.tolerance <= 1e-2):
            raise ArgumentError(f"tolerance must lie in (0, 0.01]: {self.tolerance!r}. The default is 1e-8.")
        if not (_is_whole(self.max_iterations) and self.max_iterations >= 1):
            raise ArgumentError(
                f"max_iterations must be a whole number >= 1: {self.max_iterations!r}. The default is 100."
            )
        if not (self.workers is None or (_is_whole(self.workers) and 1 <= self.workers <= MOST_WORKERS)):
            raise ArgumentError(
                f"workers must be a whole number from 1 to {MOST_WORKERS:,}: {self.workers!r}. "
                "Leave it out to use every core."
            )
        for word, value in (("dtype", self.dtype), ("precision", self.precision)):
            if value not in DTYPES:
                raise ArgumentError(
                    f"Unknown {word}: {value!r}. Known: {one_of(DTYPES)}.{near(str(value), DTYPES)}"
                )
        if not re.fullmatch(r"cpu(:0)?|(cuda|xpu)(:\d+)?", str(self.device)):
            meant = str(self.device).lower().startswith(("gpu", "nvidia"))
            raise ArgumentError(
                f"Unknown device: {self.device!r}. Known: {one_of(DEVICES)}, with a number as in 'cuda:1'."
                + (" 'cuda' is a GPU of NVIDIA." if meant else near(str(self.device), DEVICES))
            )
        self._check_large()

    def _check_large(self) -> None:
        """Refuse settings of large fits that say nothing."""
        if self.solver not in SOLVERS:
            raise ArgumentError(
                f"Unknown solver: {self.solver!r}. Known: {one_of(SOLVERS)}.{near(str(self.solver), SOLVERS)}"
            )
        if not (_is_number(self.memory) and self.memory >= 0):
            raise ArgumentError(
                f"memory must be a number of bytes, >= 0: {self.memory!r}. The default is 16e6."
            )
        if not (self.checkpoint is None or _is_path(self.checkpoint)):
            raise ArgumentError(
                f"checkpoint must be the path of a file: {self.checkpoint!r}. Leave it out to keep none."
            )
        if not (self.progress is None or isinstance(self.progress, bool)):
            raise ArgumentError(
                f"progress must be True, False or None: {self.progress!r}. None shows a bar if it takes long."
            )


def _plain(value: Any) -> Any:
    """Return a number of numpy as Python's, and a path as text."""
    if isinstance(value, np.generic):
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
