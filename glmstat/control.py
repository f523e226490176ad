"""How a fit is computed: the settings that do not change what is estimated."""

from __future__ import annotations

import re
from dataclasses import dataclass

from glmstat.errors import ArgumentError, near, one_of

__all__ = ["Control"]

DTYPES = ("float32", "float64")
DEVICES = ("cpu", "cuda", "xpu")  # those of torch that have double precision


@dataclass(frozen=True)
class Control:
    """Settings of the solver.

    Parameters
    ----------
    tolerance : largest Newton decrement, in standard errors, at which a fit counts as converged.
        The default 1e-8 leaves 13 or more correct digits after the last step.
    max_iterations : passes after which the solver gives up with status "not converged".
    workers : threads that share the blocks of a large fit; None uses every core where the design is
        wide enough to gain by it. The result has the same bits for any number. Networks are trained by one
        thread unless a number is given; their last bits depend on it.
    device : where networks are trained: "cpu", or "cuda", "cuda:1" and so on.
    checkpoint : path of a file in which the state is kept after each pass, so that a fit that was killed goes
        on from there; None keeps none.
    progress : whether a bar on standard error shows the passes; None shows it in a terminal, where it takes
        long.
    dtype : numbers that networks are trained in, "float32" or "float64"; sums over rows are always float64.

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
    memory: float = 16e6
    checkpoint: str | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        if not 0 < self.tolerance <= 1e-2:
            raise ArgumentError(f"tolerance must lie in (0, 0.01]: {self.tolerance!r}. The default is 1e-8.")
        if self.max_iterations < 1:
            raise ArgumentError(f"max_iterations must be >= 1: {self.max_iterations!r}. The default is 100.")
        if self.workers is not None and self.workers < 1:
            raise ArgumentError(f"workers must be >= 1: {self.workers!r}. Leave it out to use every core.")
        if self.dtype not in DTYPES:
            raise ArgumentError(
                f"Unknown dtype: {self.dtype!r}. Known: {one_of(DTYPES)}.{near(str(self.dtype), DTYPES)}"
            )
        if not re.fullmatch(rf"({'|'.join(DEVICES)})(:\d+)?", str(self.device)):
            raise ArgumentError(
                f"Unknown device: {self.device!r}. Known: {one_of(DEVICES)}, with a number as in 'cuda:1'."
                f"{near(str(self.device), DEVICES)}"
            )
