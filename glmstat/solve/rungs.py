"""Evenly spread subsamples of the rows of a large frame, held in memory: the rungs of a ladder."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from glmstat.data.reduce import Addable, tree_sum
from glmstat.matrix import Array, Block, run_length
from glmstat.pieces import times
from glmstat.solve.gathered import gathered
from glmstat.workspace import Workspace

__all__ = ["Moves", "Sampled", "SampledFrame", "moves", "spread_runs", "take_rungs"]

S = TypeVar("S", bound=Addable)
RUN = 2048  # rows of a run: what one page of a file or one run of a pass holds
SHORT = 64  # the same where factors have many levels, whose rows may lie together
RUNS = 16  # in the last rung at least, so that sorted rows are seen from end to end
SHARE = 0.1  # of the rows in the last rung
CELLS = 1_500_000  # numbers that the last rung may hold, 12 MB; up to twice that from 30 columns on
MANY = 2_500_000  # rows beyond which up to twice that spare a pass over all of them
ENOUGH = 50  # rows for each coefficient, below which an information of a subsample says too little
FIRST = 8  # runs of the last rung for each run of the first
SEED = 2048


class SampledFrame(Protocol):
    """What the ladder needs of a frame: its size, and some of its rows."""

    @property
    def rows(self) -> int:
        """Number of rows that enter."""
        ...

    @property
    def source_rows(self) -> int:
        """Number of rows of the data."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        ...

    @property
    def stored(self) -> int:
        """Numbers of a row that a copy of it holds."""
        ...

    @property
    def intercept(self) -> int | None:
        """Place of the column of ones, or None."""
        ...

    @property
    def has_offset(self) -> bool:
        """Whether anything is added to the predictors."""
        ...

    def sample(self, runs: Sequence[slice]) -> tuple[Block, ...]:
        """Return blocks of the rows that enter, of some runs of the data."""
        ...


@dataclass(frozen=True, eq=False)
class Sampled:
    """Blocks in memory, standing for a frame. `small` keeps their columns centred and scaled too."""

    blocks: tuple[Block, ...]
    small: bool

    @cached_property
    def rows(self) -> int:
        """Number of rows."""
        return sum(len(block.y) for block in self.blocks)

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        """Return the sum of `kernel(block)` over all blocks."""
        return tree_sum(kernel(block) for block in self.blocks)


def take_rungs(frame: SampledFrame, *, forced: bool = False) -> tuple[Sampled, ...]:
    """Return the subsamples to climb by, smallest first; none where the rows are too few for the columns.

    The first rung is part of the last, so that one reading of the data gives both.

    Parameters
    ----------
    forced : whether subsamples of a handful of rows will do, as tests of small data need.
    """
    width = len(frame.columns)
    wanted = _rows_wanted(frame.rows, width, frame.stored, forced)
    if wanted is None or not frame.rows or not width:
        return ()
    share = frame.source_rows / frame.rows
    run = SHORT if frame.stored < width else RUN
    runs = spread_runs(frame.source_rows, min(int(wanted * share), frame.source_rows), run)
    blocks = list(frame.sample(runs))
    rows = sum(len(block.y) for block in blocks)
    if rows < min(wanted, ENOUGH * width) / 2:
        return ()
    if frame.stored < width:
        return (Sampled(tuple(blocks), small=False),)
    starts, chosen = [run.start for run in runs], {run.start for run in _some(runs)}
    own = (starts[bisect_right(starts, block.source_row(0)) - 1] for block in blocks)
    some = [block for block, run in zip(blocks, own, strict=True) if run in chosen]
    first, last = Sampled(gathered(some), small=True), Sampled(gathered(blocks), small=False)
    few = first.rows < ENOUGH * width or first.rows > rows // 3
    return (last,) if few else (first, last)


def _rows_wanted(rows: int, width: int, stored: int, forced: bool) -> int | None:
    cells = int(CELLS * min(max(1.0, width / 30, rows / MANY), 2.0))
    wanted = min(int(SHARE * rows), cells // (stored + 3))
    if wanted >= ENOUGH * width:
        return wanted
    if ENOUGH * width * (stored + 3) <= cells and ENOUGH * width <= 0.3 * rows:
        return ENOUGH * width
    return max(rows // 2, 1) if forced and rows // 2 > 2 * width else None


def spread_runs(total: int, wanted: int, most: int = RUN) -> list[slice]:
    """Return runs of adjacent rows, one drawn inside each of equal strata of `total` rows.

    The draw has a fixed seed: the same rows every time, and no stride that a cycle in the data could meet.

    >>> [(run.start // 25_000, run.stop - run.start) for run in spread_runs(100_000, 8_000)][::4]
    [(0, 500), (1, 500), (2, 500), (3, 500)]
    """
    length = max(1, min(most, wanted // RUNS))
    count = max(1, wanted // length)
    draws = np.random.PCG64(SEED).random_raw(count) >> np.uint64(11)  # 53 bits, the same on every machine
    edges = [total * place // count for place in range(count + 1)]
    starts = [
        low + int(draw) * (max(high - low - length, 0) + 1) // 2**53
        for low, high, draw in zip(edges[:-1], edges[1:], draws.tolist(), strict=True)
    ]
    return [slice(start, min(start + length, total)) for start in starts]


def _some(runs: list[slice]) -> list[slice]:
    """One of every few runs, at a place that changes."""
    groups = range(0, len(runs) - FIRST + 1, FIRST)
    draws = np.random.PCG64(SEED + 1).random_raw(max(len(groups), 1)) % np.uint64(FIRST)
    return [runs[group + int(draw)] for group, draw in zip(groups, draws.tolist(), strict=False)]


class Moves(NamedTuple):
    """How far a step moves the predictors of some rows: sums of squares and fourth powers, and the most."""

    weight: float = 0.0
    squares: float = 0.0
    fourths: float = 0.0
    largest: float = 0.0

    def __add__(self, other: Moves) -> Moves:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Moves(
            self.weight + other.weight,
            self.squares + other.squares,
            self.fourths + other.fourths,
            max(self.largest, other.largest),
        )

    @property
    def typical(self) -> float:
        """Root mean square: what the step changes in the information, relative to it."""
        return float(np.sqrt(self.squares / self.weight)) if self.weight > 0 else 0.0

    @property
    def curved(self) -> float:
        """Root of fourth powers over squares: what a Newton step leaves of its decrement, twice that."""
        return float(np.sqrt(self.fourths / self.squares)) if self.squares > 0 else 0.0


def moves(sample: Workspace, delta: Array) -> Moves:
    """Return how far a step moves the predictors of a subsample."""

    def kernel(block: Block) -> Moves:
        found, weights = Moves(), block.total
        split = sample.split(block)
        written, by_codes = delta[split.places], split.by_codes(delta)
        for rows, pieces in split.runs(len(block.y), run_length(split.plain)):
            move = times(written, pieces) if pieces else np.zeros(rows.stop - rows.start)
            move, weight = np.square(move if by_codes is None else move + by_codes[rows]), weights[rows]
            most = np.sqrt(move[weight > 0].max(initial=0.0))
            squares = weight * move
            found = found + Moves(
                float(weight.sum()), float(squares.sum()), float(squares @ move), float(most)
            )
        return found

    return sample.frame.reduce(kernel)
