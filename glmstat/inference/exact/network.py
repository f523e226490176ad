"""The tables with given sums as paths of a network: one step for each distinct row of the design."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import GlmstatError
from glmstat.inference.exact.room import Problem, Room
from glmstat.matrix import Array, IntArray

__all__ = ["Network", "TooLarge", "network"]

_MOST = 2**62


class TooLarge(GlmstatError):
    """The network has more arcs than allowed.

    Parameters
    ----------
    arcs : how many were counted.
    steps, of : after how many distinct rows, of how many.
    """

    def __init__(self, arcs: int, steps: int, of: int) -> None:
        super().__init__(f"{arcs:,} arcs after {steps:,} of {of:,} distinct rows")


@dataclass(frozen=True, eq=False)
class _Step:
    """The arcs of one distinct row, in the order of the nodes that they lead to.

    Parameters
    ----------
    group : place of the row.
    source : (a,) node of the step before.
    count : (a,) what is counted in the row.
    starts : (m,) first arc of each node.
    """

    group: int
    source: NDArray[np.int32]
    count: NDArray[np.int32]
    starts: IntArray

    @cached_property
    def node(self) -> NDArray[np.int32]:
        """The node (a,) that each arc leads to."""
        sizes = np.diff(np.append(self.starts, len(self.source)))
        return np.repeat(np.arange(len(self.starts), dtype=np.int32), sizes)


@dataclass(frozen=True, eq=False)
class Network:
    """Every table with the sums of the observed one is a path from the root to one of the ends.

    Parameters
    ----------
    steps : one for each distinct row.
    ends : (k, r) sums of the free columns at each end; without free columns one end.
    offset : (g,) added to the predictor of each row.
    trials : (g,) of successes; 0 for counts without bound.

    Source: Mehta & Patel (1983), J. American Statistical Association 78, 427-434; Hirji, Mehta & Patel
    (1987), 82, 1110-1117.
    """

    steps: tuple[_Step, ...]
    ends: IntArray
    offset: Array
    trials: Array

    def log_weights(self, slope: Array | float = 0.0) -> Array:
        """Return log Σ of the weights (k,) of the tables of each end.

        Parameters
        ----------
        slope : (g,) what is added to the predictor of each row.
        """
        *_, last = self._forward(self.offset + slope)
        return last

    @property
    def tables(self) -> float:
        """Number of tables; infinite beyond the range of float64."""
        total = np.ones(1)
        for step in self.steps:
            total = np.add.reduceat(total[step.source], step.starts)
        return float(total.sum())

    def draw(self, columns: Array, slope: Array, reps: int, seed: int) -> Array:
        """Return the sums (reps, r) of columns (g, r) in independent tables; of a network with one end.

        Parameters
        ----------
        slope : (g,) added to the predictors.
        seed : the same uniform numbers for the same seed, whatever the slope.
        """
        random = np.random.default_rng(seed)
        node = np.zeros(reps, dtype=np.intp)
        sums = np.zeros((reps, columns.shape[1]))
        logs = list(self._forward(self.offset + slope))
        for step, (before, after) in zip(reversed(self.steps), reversed(list(pairwise(logs))), strict=True):
            chance = self._chances(step, self.offset + slope, before, after)
            whole = np.cumsum(chance)
            base = np.append(0.0, whole)[step.starts]
            reach = np.append(base[1:], whole[-1]) - base
            found = np.searchsorted(whole, base[node] + random.random(reps) * reach[node], side="right")
            last = np.append(step.starts[1:], len(chance)) - 1
            found = np.clip(found, step.starts[node], last[node])
            sums += step.count[found][:, None] * columns[step.group]
            node = step.source[found]
        return sums

    def moments(self, columns: Array, slope: Array) -> tuple[Array, Array]:
        """Return mean (r,) and covariance (r, r) of the sums of columns (g, r); of a network with one end."""
        width = columns.shape[1]
        mean, square = np.zeros((1, width)), np.zeros((1, width, width))
        logs = list(self._forward(self.offset + slope))
        for step, (before, after) in zip(self.steps, pairwise(logs), strict=True):
            chance = self._chances(step, self.offset + slope, before, after)
            moved = mean[step.source] + step.count[:, None] * columns[step.group]
            centre = np.add.reduceat(chance[:, None] * moved, step.starts)
            away = moved - centre[step.node]
            spread = square[step.source] + away[:, :, None] * away[:, None, :]
            mean, square = centre, np.add.reduceat(chance[:, None, None] * spread, step.starts)
        return mean[0], square[0]

    def extremes(self, column: IntArray) -> tuple[int, int]:
        """Return the least and the largest sum of a column (g,) in any table; of a network with one end."""
        low, high = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        for step in self.steps:
            move = step.count * column[step.group]
            low = np.minimum.reduceat(low[step.source] + move, step.starts)
            high = np.maximum.reduceat(high[step.source] + move, step.starts)
        return int(low[0]), int(high[0])

    def _forward(self, predictor: Array) -> Iterator[Array]:
        """Yield the log weight of all ways to each node of each step, that of the root first."""
        logs = np.zeros(1)
        yield logs
        for step in self.steps:
            each = logs[step.source] + self._weights(step, predictor)
            top = np.maximum.reduceat(each, step.starts)
            logs = top + np.log(np.add.reduceat(np.exp(each - top[step.node]), step.starts))
            yield logs

    def _weights(self, step: _Step, predictor: Array) -> Array:
        """The log weight (a,) of each arc."""
        from scipy.special import gammaln

        counts = np.arange(int(step.count.max()) + 1.0)
        trials = self.trials[step.group]
        ways = -gammaln(counts + 1.0)
        if trials > 0:
            ways += gammaln(trials + 1.0) - gammaln(trials - counts + 1.0)
        return (ways + counts * predictor[step.group])[step.count]

    def _chances(self, step: _Step, predictor: Array, before: Array, after: Array) -> Array:
        """The chance of each arc, given the node that it leads to."""
        return np.exp(before[step.source] + self._weights(step, predictor) - after[step.node])


def network(
    problem: Problem, free: IntArray, room: Room, limit: int, slack: IntArray | None = None
) -> Network:
    """Return the network of all tables whose sums of the fixed columns are those of the observed one.

    Parameters
    ----------
    free : (g, r) columns whose sums tell ends apart.
    room : how much the rows after each step can still add.
    limit : of arcs.
    slack : (r,) sums of the free columns this close are the same; None where equal ones alone are.

    Raises
    ------
    TooLarge : more arcs.
    """
    width, steps, arcs = problem.fixed.shape[1], list[_Step](), 0
    columns = np.hstack([problem.fixed, problem.cuts])
    target, loose = problem.observed @ columns, problem.loose
    slack = np.zeros(free.shape[1], dtype=np.int64) if slack is None else slack
    given, told = (
        np.zeros((1, columns.shape[1]), dtype=np.int64),
        np.zeros((1, free.shape[1]), dtype=np.int64),
    )
    for number, group in enumerate(problem.order):
        least = target - given - room.high[number] - loose
        largest = target - given - room.low[number] + loose
        first, last = _range(columns[group], least, largest, int(problem.most[group]))
        sizes = np.maximum(last - first + 1, 0)
        arcs += int(sizes.sum())
        if arcs > limit:
            raise TooLarge(arcs, number + 1, len(problem.order))
        source = np.repeat(np.arange(len(given)), sizes)
        count = np.arange(len(source)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + first[source]
        given = given[source] + count[:, None] * columns[group]
        told = told[source] + count[:, None] * free[group]
        _merge(given[:, :width], loose[:width])
        _merge(told, slack)
        code = _codes(np.hstack([given[:, :width], told]))
        place = np.argsort(code, kind="stable")
        code = code[place]
        starts = np.flatnonzero(np.append(True, code[1:] != code[:-1]))
        steps.append(_Step(int(group), source[place].astype(np.int32), count[place].astype(np.int32), starts))
        given, told = given[place[starts]], told[place[starts]]
    return Network(tuple(steps), told, problem.offset, problem.trials)


def _range(row: IntArray, least: IntArray, largest: IntArray, most: int) -> tuple[IntArray, IntArray]:
    """First and last count (n,) of a row that adds between `least` and `largest` (n, c) to each column."""
    first = np.zeros(len(least), dtype=np.int64)
    last = np.full(len(least), most, dtype=np.int64)
    for j, step in enumerate(row.tolist()):
        low, high = (least[:, j], largest[:, j]) if step >= 0 else (-largest[:, j], -least[:, j])
        if step == 0:
            last[(low > 0) | (high < 0)] = -1
        else:
            first = np.maximum(first, -((-low) // abs(step)))
            last = np.minimum(last, high // abs(step))
    return first, last


def _merge(sums: IntArray, slack: IntArray) -> None:
    """Set sums (n, c) that differ by rounding to one of them, in place."""
    for j in np.flatnonzero(slack).tolist():
        values, place = np.unique(sums[:, j], return_inverse=True)
        first = np.flatnonzero(np.append(True, np.diff(values) > slack[j]))
        sums[:, j] = values[np.repeat(first, np.diff(np.append(first, len(values))))][place.ravel()]


def _codes(columns: IntArray) -> IntArray:
    """One number (n,) for each row, the same where all columns are."""
    code, span = np.zeros(len(columns), dtype=np.int64), 1
    for column in columns.T:
        column = column - column.min(initial=0)
        width = int(column.max(initial=0)) + 1
        if span * width > _MOST:
            code, span = np.unique(code, return_inverse=True)[1], len(code)
        if span * width > _MOST:
            column, width = np.unique(column, return_inverse=True)[1], len(column)
        code, span = code * width + column, span * width
    return code
