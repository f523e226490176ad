"""Rows on their way to a step: all of them, random batches of a table in memory, or of blocks that pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.data.torch import load_torch, shuffled_blocks, shuffled_rows
from glmstat.layers import CLIP
from glmstat.neural.setup import Setup, arranged, column_order

__all__ = ["Batch", "Feed", "fixed_rows", "open_feed"]

CHECKED = 4096  # rows held out that a learning curve of batches looks at


class Batch(NamedTuple):
    """Rows of a step for M members: z (M, B, D), y and offset (M, B, Q); weights and frequency (M, B, 1)."""

    z: Any
    y: Any
    offset: Any
    weights: Any
    frequency: Any


@dataclass(frozen=True, eq=False)
class Feed:
    """Where batches come from.

    Parameters
    ----------
    batches : without end.
    norm : (M, 1, 1) what the sum over a batch is divided by.
    held_out : rows for the learning curve, with the weights that were held out; None where there are none.
    full : whether a batch holds all rows.
    """

    batches: Iterator[Batch]
    norm: Any
    held_out: Batch | None
    full: bool


@dataclass(frozen=True, eq=False)
class _Table:
    """Vectors of all rows on the device, in double precision, one for each member where they differ."""

    y: Any
    offset: Any
    weights: Any
    frequency: Any

    @classmethod
    def of(cls, setups: Sequence[Setup], device: Any) -> _Table:
        problem = setups[0].problem
        weights = np.stack([setup.weights for setup in setups])
        return cls(*(_double(part, device) for part in (problem.y, problem.base, weights, problem.frequency)))

    def batch(self, z: Any, rows: Any) -> Batch:
        """The rows (M, B) with their standardised columns."""
        weights = self.weights.gather(1, rows)
        return Batch(z, self.y[rows], self.offset[rows], weights[..., None], self.frequency[rows][..., None])


def open_feed(setups: Sequence[Setup], batch: int, device: Any, dtype: Any) -> Feed:
    """Return where the batches of some members come from.

    Parameters
    ----------
    setups : the members; one alone where the design is streamed.
    batch : rows of a step; all of them where it is the number of rows.
    device, dtype : of the tensors.
    """
    problem = setups[0].problem
    table = _Table.of(setups, device)
    norm = _double([setup.norm for setup in setups], device)[:, None, None]
    if batch >= problem.rows:
        return _full_feed(setups, table, norm, device, dtype)
    norm = norm * _double([batch / len(setup.rows) for setup in setups], device)[:, None, None]
    held_out = _held_out(setups, device, dtype)
    if problem.streamed:
        (setup,) = setups
        return Feed(_streamed(setup, table, batch, device, dtype), norm, held_out, False)
    return Feed(_sampled(setups, table, batch, device, dtype), norm, held_out, False)


def _full_feed(setups: Sequence[Setup], table: _Table, norm: Any, device: Any, dtype: Any) -> Feed:
    problem = setups[0].problem
    values = np.concatenate(list(arranged(problem)))
    z = _stacked([standardised(setup, values) for setup in setups], device, dtype)
    count, rows = len(setups), problem.rows
    vectors = (
        table.y.expand(count, rows, -1), table.offset.expand(count, rows, -1),
        table.weights[..., None], table.frequency[:, None].expand(count, rows, 1),
    )  # fmt: skip
    whole = Batch(z, *vectors)
    held = [setup.held_out for setup in setups]
    weights = np.stack([np.zeros(rows) if part is None else part for part in held])[..., None]
    held_out = whole._replace(weights=_double(weights, device)) if weights.any() else None
    return Feed(_forever(whole), norm, held_out, True)


def _forever(whole: Batch) -> Iterator[Batch]:
    while True:
        yield whole


def _sampled(setups: Sequence[Setup], table: _Table, batch: int, device: Any, dtype: Any) -> Iterator[Batch]:
    """Batches from a table in memory, each member's in its own order."""
    torch = load_torch()
    centre, scale = setups[0].centre, setups[0].scale  # any: they only keep the digits of single precision
    parts = [((values - centre) / scale) for values in arranged(setups[0].problem)]
    table_z = torch.as_tensor(np.concatenate(parts)).to(device, dtype)
    middle = _stacked([((setup.centre - centre) / scale)[None] for setup in setups], device, dtype)
    factor = _stacked([(scale / setup.scale)[None] for setup in setups], device, dtype)
    same = all(np.array_equal(s.centre, centre) and np.array_equal(s.scale, scale) for s in setups)
    linear = setups[0].layout.columns[0].stop
    orders = [shuffled_rows(_order(setup), setup.rows, batch) for setup in setups]
    while True:
        rows = torch.from_numpy(np.stack([next(order) for order in orders])).to(device)
        z = table_z[rows]
        if not same:
            z.sub_(middle).mul_(factor)
        z[..., linear:].clamp_(-CLIP, CLIP)
        yield table.batch(z, rows)


def _streamed(setup: Setup, table: _Table, batch: int, device: Any, dtype: Any) -> Iterator[Batch]:
    """Batches of one member from blocks that are read as they are needed."""
    torch, problem = load_torch(), setup.problem
    order, starts = column_order(problem), block_starts(setup)
    for rows, values in shuffled_blocks(_order(setup), problem.frame, starts, setup.weights, order, batch):
        z = torch.as_tensor(standardised(setup, values)).to(device, dtype)[None]
        yield table.batch(z, torch.from_numpy(rows).to(device)[None])


def _order(setup: Setup) -> np.random.Generator:
    """The member's stream for the order of rows, beside that of its weights."""
    seed = setup.member.seed
    return np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 1)))


def block_starts(setup: Setup) -> IntArray:
    """Return the number of the first row of each block, and of the row after the last."""
    return np.cumsum([0, *(len(block.y) for block in setup.problem.frame.blocks())])


def standardised(setup: Setup, values: Array) -> Array:
    """Return the arranged columns (n, D) as the member sees them: inputs of networks cut at 10."""
    z = (values - setup.centre) / setup.scale
    inputs = z[:, setup.layout.columns[0].stop :]
    np.clip(inputs, -CLIP, CLIP, out=inputs)
    return z


def _held_out(setups: Sequence[Setup], device: Any, dtype: Any) -> Batch | None:
    """Some rows that each member holds out, evenly spaced."""
    held = [setup.held_out for setup in setups]
    if any(weights is None for weights in held):
        return None
    places = [np.flatnonzero(weights) for weights in held if weights is not None]
    size = min(CHECKED, *(len(rows) for rows in places))
    chosen = [rows[np.linspace(0, len(rows) - 1, size).astype(np.int64)] for rows in places]
    return fixed_rows(setups, chosen, device, dtype)


def fixed_rows(setups: Sequence[Setup], chosen: Sequence[IntArray], device: Any, dtype: Any) -> Batch:
    """Return a batch of given rows, with the weights of the table.

    Parameters
    ----------
    chosen : for each member its row numbers, ascending and equally many.
    """
    problem = setups[0].problem
    found: list[list[Array]] = [[] for _ in setups]
    end = 0
    for values in arranged(problem):
        for rows, parts in zip(chosen, found, strict=True):
            inside = rows[(rows >= end) & (rows < end + len(values))] - end
            parts.append(values[inside])
        end += len(values)
    z = [standardised(setup, np.concatenate(parts)) for setup, parts in zip(setups, found, strict=True)]
    rows = np.stack(chosen)
    vectors = (problem.y[rows], problem.base[rows])
    rest = (problem.weights[rows][..., None], problem.frequency[rows][..., None])
    return Batch(_stacked(z, device, dtype), *(_double(part, device) for part in (*vectors, *rest)))


def _stacked(parts: Sequence[Array], device: Any, dtype: Any) -> Any:
    return load_torch().as_tensor(np.stack(parts)).to(device, dtype)


def _double(values: Any, device: Any) -> Any:
    torch = load_torch()
    return torch.as_tensor(np.array(values, dtype=np.float64)).to(device)
