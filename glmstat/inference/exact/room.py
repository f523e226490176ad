"""How much some rows can add to sums that are given: what keeps a network small."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.matrix import Array, IntArray

__all__ = ["Problem", "Room", "bounds", "plain", "tight"]

_SLACK = 1e-5  # of a linear programme's optimum, in units of the column's largest number
_STEPS = 12  # after which linear programmes are solved, two for each column
_COARSE = 10**6  # of a column: beyond, sums are too fine for a range to leave any out
_FAR = 2.0**61


@dataclass(frozen=True, eq=False)
class Problem:
    """All tables of counts with given sums.

    Parameters
    ----------
    observed : (g,) counts of the observed table.
    fixed : (g, q) columns whose sums are those of the observed table.
    cuts : (g, c) columns in their span.
    most : (g,) the largest count of each row.
    offset : (g,) added to the predictor of each row.
    trials : (g,) of successes; 0 for counts without bound.
    slack : (q,) sums of fixed columns this close are the same; None where equal ones alone are.
    """

    observed: IntArray
    fixed: IntArray
    cuts: IntArray
    most: IntArray
    offset: Array
    trials: Array
    slack: IntArray | None = None

    @cached_property
    def loose(self) -> IntArray:
        """How close sums of `columns` must be (q + c,)."""
        slack = np.zeros(self.fixed.shape[1], dtype=np.int64) if self.slack is None else self.slack
        return np.append(slack, np.zeros(self.cuts.shape[1], dtype=np.int64))

    @cached_property
    def order(self) -> IntArray:
        """The rows in the order in which a network takes them: alike ones together."""
        return np.lexsort(self.fixed.T[::-1]) if self.fixed.size else np.arange(len(self.observed))

    @property
    def columns(self) -> IntArray:
        """Fixed columns and cuts (g, q + c), rows in the order of the network."""
        return np.hstack([self.fixed, self.cuts])[self.order]


@dataclass(frozen=True, eq=False)
class Room:
    """Least and largest sum (g, q + c) of the columns over the rows after each step of a network."""

    low: IntArray
    high: IntArray


def plain(problem: Problem) -> Room:
    """Return what the rows after each step can add, each row and column by itself."""
    columns, most = problem.columns, problem.most[problem.order][:, None]
    ends = np.where(columns < 0, columns * most, 0), np.where(columns > 0, columns * most, 0)
    return Room(*(end.sum(axis=0) - np.cumsum(end, axis=0) for end in ends))


def tight(problem: Problem) -> Room:
    """Return what the rows after each step can add while all sums hold, but for whole numbers.

    Linear programmes tell it after a few steps; between them what the rows in between can add is allowed for.
    """
    room, columns = plain(problem), problem.columns
    low, high, steps = room.low.copy(), room.high.copy(), len(columns)
    rest = np.cumsum(columns[::-1] * problem.observed[problem.order][::-1, None], axis=0)[::-1]
    chosen = np.unique(np.linspace(0, steps - 2, min(steps - 1, _STEPS)).astype(int)) if steps > 1 else []
    for number in chosen:
        for j in np.flatnonzero(np.abs(columns).max(axis=0) < _COARSE).tolist():
            least, largest = _range_after(problem, columns, number, j)
            low[number, j] = min(max(low[number, j], least), rest[number + 1, j])
            high[number, j] = max(min(high[number, j], largest), rest[number + 1, j])
    least, largest = -np.diff(room.low, axis=0), -np.diff(room.high, axis=0)
    for number in range(steps - 2, -1, -1):
        low[number] = np.maximum(low[number], low[number + 1] + least[number])
        high[number] = np.minimum(high[number], high[number + 1] + largest[number])
    for number in range(1, steps):
        low[number] = np.maximum(low[number], low[number - 1] - largest[number - 1])
        high[number] = np.minimum(high[number], high[number - 1] - least[number - 1])
    return Room(low, high)


def _range_after(problem: Problem, columns: IntArray, number: int, j: int) -> tuple[int, int]:
    """Least and largest sum of a column over the rows after a step, in tables of any numbers."""
    from scipy.optimize import linprog

    own, most = problem.observed[problem.order], problem.most[problem.order]
    fixed = columns[:, : problem.fixed.shape[1]] / np.maximum(np.abs(problem.fixed).max(axis=0), 1)
    unit = max(int(np.abs(columns[:, j]).max()), 1)
    goal = np.where(np.arange(len(own)) > number, columns[:, j] / unit, 0.0)
    limits, ends = np.column_stack([np.zeros(len(own)), most]), []
    for sign in (1, -1):
        found = linprog(sign * goal, A_eq=fixed.T, b_eq=own @ fixed, bounds=limits)
        ends.append(sign * float(found.fun) if found.status == 0 else -sign * np.inf)
    least, largest = (ends[0] - _SLACK) * unit, (ends[1] + _SLACK) * unit
    return int(np.ceil(max(least, -_FAR))), int(np.floor(min(largest, _FAR)))


def bounds(observed: IntArray, fixed: IntArray) -> IntArray:
    """Return the largest count (g,) of each row in a table of counts with the sums of the observed one.

    Raises
    ------
    ArgumentError : there is none.
    """
    from scipy.optimize import linprog

    columns = fixed / np.maximum(np.abs(fixed).max(axis=0, initial=0), 1)
    most = np.zeros(len(observed), dtype=np.int64)
    for group in range(len(observed)):
        goal = -(np.arange(len(observed)) == group).astype(float)
        found = linprog(goal, A_eq=columns.T, b_eq=observed @ columns) if fixed.size else None
        if found is None or found.status != 0:
            raise ArgumentError(
                "Counts have no bound in the exact distribution: nothing that it conditions on adds them up. "
                "Keep the intercept in the formula, and test another term."
            )
        most[group] = max(int(np.floor(-found.fun + _SLACK)), int(observed[group]))
    return most
