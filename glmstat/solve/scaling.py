"""Centre and scale of the columns: exactly invertible, chosen so that no square overflows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from glmstat.compute import Largest
from glmstat.data.reduce import Addable
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, Dense, IntArray, run_length
from glmstat.whole import CELLS
from glmstat.workspace import Rowwise, Workspace

__all__ = ["open_workspace", "power_of_two"]

S = TypeVar("S", bound=Addable)
RUNS, RUN = 16, 256  # of the first block, where no better rows tell the size of the columns


@dataclass(frozen=True, eq=False)
class _Total:
    rows: int
    total: Array

    def __add__(self, other: _Total) -> _Total:
        return _Total(self.rows + other.rows, self.total + other.total)


@dataclass(frozen=True)
class _FirstRows:
    """Some rows of the first block of a frame, standing for the whole."""

    block: Block
    small: bool = False

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        return kernel(self.block)


def _spread(block: Block) -> Block:
    """A few short runs of a block, their columns written out."""
    total = len(block.y)
    starts = range(0, total, max(total // RUNS, RUN))
    runs = [slice(start, min(start + RUN, total)) for start in starts]
    values = np.empty((block.X[0].shape[1], sum(run.stop - run.start for run in runs)))
    place = 0
    for run in runs:
        width = run.stop - run.start
        block.X[0].fill(values[:, place : place + width], run.start, run.stop)
        place += width
    rows = np.concatenate([np.arange(run.start, run.stop) for run in runs])
    total_weight = block.total[rows]
    return Block(0, (Dense(values),), block.y[rows], block.offset[rows], total_weight)


def open_workspace(
    frame: ModelFrame, likelihood: GLM, penalty: Array | None = None, seen: Rowwise | None = None
) -> Workspace:
    """Return the frame seen through columns centred at their mean and scaled by a power of two.

    Large frames take mean and size from some of their rows: the choice moves no result, it only keeps
    the sums well conditioned.

    Parameters
    ----------
    seen : those rows; None takes the first block.
    """
    width = len(frame.columns)
    once = _at_once(frame) if frame.small else None
    if once is not None:
        centre, scale = once
        return Workspace(
            frame, likelihood, np.arange(width), width, centre, scale, frame.intercept, penalty=penalty
        )
    nothing = np.zeros(width)
    plain = Workspace(
        frame, likelihood, np.arange(width), width, nothing, np.ones(width), frame.intercept, penalty=penalty
    )
    device = getattr(frame, "device", None)
    if device is not None and not frame.small:
        plain = replace(plain, device=device)
    if not frame.small:
        coded = frame.coded
        if seen is not None:
            return _by_some(plain, seen, coded)
        block = frame.block(0)
        return _by_written(plain, block) if len(coded) else _by_some(plain, _FirstRows(_spread(block)), coded)
    scale = power_of_two(plain.frame.reduce(lambda block: _largest(plain, block)).size)
    scaled = replace(plain, scale=scale)
    return scaled if plain.intercept is None else replace(scaled, centre=_means(scaled))


def _at_once(frame: ModelFrame) -> tuple[Array, Array] | None:
    """Centre and scale of the columns of a few rows that are kept in one piece and all count."""
    kept = getattr(frame, "kept", None)
    matrix = kept[0].X[0] if kept is not None and len(kept) == 1 else None
    if kept is None or not isinstance(matrix, Dense) or matrix.values.size > CELLS:
        return None
    if not matrix.values.size or not kept[0].total.all():
        return None
    values = matrix.values
    scale = power_of_two(np.abs(values).max(axis=1, initial=0.0))
    if frame.intercept is None:
        return np.zeros(len(values)), scale
    centre = (values * scale[:, None]).sum(axis=1) / values.shape[1] / scale
    centre[frame.intercept] = 0.0
    return centre, scale


def _by_written(plain: Workspace, block: Block) -> Workspace:
    """The same by the first block where many columns are codes: these are never written out."""
    split = block.X[0].split()
    places = split.places
    starts = range(0, len(block.y), max(len(block.y) // RUNS, RUN))
    runs = [slice(start, min(start + RUN, len(block.y))) for start in starts]
    rows = np.concatenate([np.arange(run.start, run.stop) for run in runs])
    values, buffer = np.empty((len(places), len(rows))), split.buffer(RUN)
    for run, place in zip(runs, range(0, len(rows), RUN), strict=True):
        for columns, written in split.pieces(run, buffer):
            values[columns, place : place + written.shape[1]] = written
    some = Block(0, (Dense(values),), block.y[rows], block.offset[rows], block.total[rows])
    width = len(places)
    few = replace(
        plain,
        columns=np.arange(width),
        width=width,
        centre=np.zeros(width),
        scale=np.ones(width),
        intercept=None if plain.intercept is None else int(np.searchsorted(places, plain.intercept)),
        penalty=None,
    )
    found = _by_some(few, _FirstRows(some), np.zeros(0, dtype=np.intp))
    centre, scale = np.zeros(plain.size), np.ones(plain.size)
    centre[places], scale[places] = found.centre, found.scale
    return replace(plain, centre=centre, scale=scale)


def _by_some(plain: Workspace, seen: Rowwise, coded: IntArray) -> Workspace:
    """Scale only columns whose squares could overflow, centre only those far from 0 for their spread."""
    sample = replace(plain, frame=seen)
    size = seen.reduce(lambda block: _largest(sample, block)).size
    size[coded] = 1.0
    scale = power_of_two(np.where((size > 1e-60) & (size < 1e60), 1.0, size))
    if plain.intercept is None:
        return replace(plain, scale=scale)
    scaled = replace(sample, scale=scale)
    centre = _means(scaled)
    centred = replace(scaled, centre=centre)
    spread = seen.reduce(lambda block: _largest(centred, block)).size
    one_level = (spread == 0.0) & (np.abs(centre) <= 1.0)  # of a factor, in all of the rows seen
    near = (np.abs(centre) * scale < 8.0 * spread) | one_level
    centre = np.where(near, 0.0, centre)  # another array: blocks may know their columns by the one before
    centre[coded] = 0.0
    return replace(plain, centre=centre, scale=scale)


def _means(scaled: Workspace) -> Array:
    sums = scaled.frame.reduce(lambda block: _total(scaled, block))
    centre = sums.total / max(sums.rows, 1) / scaled.scale
    assert scaled.intercept is not None
    centre[scaled.intercept] = 0.0
    return centre


def power_of_two(size: Array) -> Array:
    """Return about 1 / size as powers of two; 1 where the size is 0."""
    _, exponent = np.frexp(np.where(size > 0, size, 1.0))
    return np.ldexp(1.0, np.minimum(1 - exponent, 1023))


def _largest(workspace: Workspace, block: Block) -> Largest:
    """Size of each column; 1 for those that stay codes, which are neither centred nor scaled."""
    split, size = workspace.split(block), np.ones(workspace.size)
    size[split.places] = 0.0
    for rows, pieces in split.runs(len(block.y), run_length(split.plain)):
        for columns, values in pieces:
            places = split.places[columns]
            found = np.abs(_used(values, block.total[rows])).max(axis=1, initial=0.0)
            size[places] = np.maximum(size[places], found)
    return Largest(size)


def _total(workspace: Workspace, block: Block) -> _Total:
    """Sum of each column; 0 for those that stay codes."""
    split, total, count = workspace.split(block), np.zeros(workspace.size), 0
    for rows, pieces in split.runs(len(block.y), run_length(split.plain)):
        weights = block.total[rows]
        for columns, values in pieces:
            total[split.places[columns]] += _used(values, weights).sum(axis=1)
        count += int(np.count_nonzero(weights > 0))
    return _Total(count, total)


def _used(columns: Array, weights: Array) -> Array:
    return columns if weights.all() else columns[:, weights > 0]
