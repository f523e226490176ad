"""Columns as whole numbers: sums of them can be told apart, and found equal, without rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from glmstat.inference.exact.echelon import Rounded
from glmstat.matrix import Array, IntArray

__all__ = ["Lattice", "lattice"]

_LEAST = 2.0**-50  # error of a number between -1 and 1
_COMMON = 10**9  # largest denominator of all numbers of a column
_SURE = 0.05  # share of a step by which a number may be off it
_NEAR = (7, 5)  # digits that may be left of numbers that were rounded before
_CHANCE = 1e-6  # that numbers of no step look like multiples of one
_CLEAR = 10**4  # denominator up to which a step is no chance of rounding
_DIGITS = 10**12  # units of columns that have no step
_MOST = 2.0**58


@dataclass(frozen=True, eq=False)
class Lattice:
    """Columns that span what was asked for, in whole numbers.

    Parameters
    ----------
    fixed : (g, q) columns whose sums are conditioned on.
    free : (g, r) columns whose sums are tested, less what the fixed ones tell of them.
    cuts : (g, c) further columns in their span: those that were given, where they have a step.
    unit : of a single free column: what 1 of it is in the column as given; > 0.
    fixed_slack, free_slack : (q,), (r,) sums this close are the same; 0 for multiples of one step.
    digits : in which sums of columns without a step agree that count as equal, of fixed and of free ones;
        infinite where all have one.
    near : in how many digits numbers are multiples of a step; 0 where they are within rounding, or have none.
    """

    fixed: IntArray
    free: IntArray
    cuts: IntArray
    unit: float
    fixed_slack: IntArray
    free_slack: IntArray
    digits: tuple[float, float] = (math.inf, math.inf)
    near: tuple[int, int] = (0, 0)

    @property
    def exact_fixed(self) -> bool:
        """Whether the fixed columns are multiples of a step each."""
        return not self.fixed_slack.any()

    @property
    def exact_free(self) -> bool:
        """Whether the free columns are multiples of a step each."""
        return not self.free_slack.any()


@dataclass(frozen=True, eq=False)
class _Whole:
    """Columns (g, q) in whole numbers, and what `Lattice` says of them."""

    columns: IntArray
    slack: IntArray
    digits: float
    near: int


def lattice(fixed: Array, free: Array, total: int = 1) -> Lattice | None:
    """Return columns in whole numbers; None where the fixed ones span some of the free ones.

    Columns are first reduced by each other, the best known ones first: factors in any coding, polynomials and
    scaled columns become fractions by that, where they are fractions in any coding, and so do columns far
    from 0 beside a constant. Each number's error is known to be no more than rounding allows; a step is one
    that all numbers of a column are multiples of within it.

    Parameters
    ----------
    fixed : (g, q), maybe no column.
    free : (g, r), r >= 1.
    total : of all counts: that many numbers are added up.

    >>> found = lattice(np.ones((3, 1)), np.array([[0.1], [0.2], [0.4]]) + 1000)
    >>> (found.free - found.free[0]).ravel().tolist(), round(found.unit, 3), found.exact_free
    ([0, 1, 3], 0.1, True)
    """
    width = fixed.shape[1]
    places, others = np.arange(width), np.arange(width, width + free.shape[1])
    given = Rounded.of(fixed).beside(Rounded.of(free))
    steps, kept = given.reduced(places, fully=False)
    known = _whole(steps[kept], total)
    if known.slack.any():
        full, kept_full = given.reduced(places, fully=True)
        found = _whole(full[kept_full], total)
        known = known if found.slack.any() else found
    rest = steps[others]
    tested, order = rest.reduced(np.arange(len(rest)), fully=True)
    if len(order) < len(rest):
        return None
    whole = _whole(tested, total)
    column, numbers = whole.columns, rest.values[:, 0]
    unit = float(numbers @ column[:, 0] / np.square(column[:, 0].astype(float)).sum())
    return Lattice(
        known.columns,
        column if unit > 0 else -column,
        _cuts(given[places], total),
        abs(unit),
        known.slack,
        whole.slack,
        (known.digits, whole.digits),
        (known.near, whole.near),
    )


def _cuts(given: Rounded, total: int) -> IntArray:
    """Columns as they were given, those that have a small step."""
    sizes = np.abs(given.values).max(axis=0, initial=0)
    steps = [
        _step(values / size, errors / size) if size > 0 else None
        for values, errors, size in zip(given.values.T, given.errors.T, sizes, strict=True)
    ]
    clear = [j for j, step in enumerate(steps) if step is not None and step <= _CLEAR]
    chosen, size = given[np.array(clear, dtype=np.intp)], sizes[clear]
    return _whole(Rounded(chosen.values / size, chosen.errors / size), total).columns


def _whole(given: Rounded, total: int) -> _Whole:
    """Columns in whole numbers, none of which is much larger than 1 as given."""
    columns, slack = np.zeros(given.values.shape, dtype=np.int64), np.zeros(len(given), dtype=np.int64)
    digits, near = math.inf, 0
    for j, (values, errors) in enumerate(zip(given.values.T, given.errors.T, strict=True)):
        common = _step(values, errors)
        if common is None or common > _CLEAR:
            close = _near_step(values)
            if close is not None and (common is None or close[0] <= _CLEAR):
                common, near = close[0], min(near or close[1], close[1])
        if common is None:
            common = int(min(_DIGITS, _MOST / (max(np.abs(values).max(), 1.0) * max(total, 1))))
            slack[j] = math.ceil(max(total, 1) * (1.0 + 2.0 * common * float(errors.max())))
            digits = min(digits, max(math.floor(-math.log10(slack[j] / common)), 0))
        found = np.rint(values * common).astype(np.int64)
        columns[:, j] = found // (1 if slack[j] else max(int(np.gcd.reduce(found)), 1))
    return _Whole(columns, slack, digits, near)


def _step(values: Array, errors: Array) -> int | None:
    """A denominator that all numbers have within their errors; None where there is no small one."""
    errors = np.maximum(errors, _LEAST * np.maximum(1.0, np.abs(values)))
    common = 1
    while True:
        if common * float(errors.max()) > _SURE:
            return None
        off = np.abs(values * common - np.rint(values * common)) > 2.0 * common * errors
        if not off.any():
            return common
        place = int(np.argmax(off))
        value, error = Fraction(float(values[place])), Fraction(float(errors[place]))
        common = lcm(common, _simplest(value - error, value + error).denominator)
        if common > _COMMON:
            return None


def _near_step(values: Array) -> tuple[int, int] | None:
    """A denominator that all numbers have but for rounding, and to how many digits; None where any might."""
    for digits in _NEAR:
        near = 10.0**-digits
        common = _step(values, np.full(len(values), near))
        several = len(np.setdiff1d(np.round(values, digits - 1), (0.0, 1.0)))
        if common is not None and common * (2.0 * near * common) ** several <= _CHANCE:
            return common, digits
    return None


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of the least denominator from `low` to `high`.

    Source: Graham, Knuth & Patashnik (1994), Concrete mathematics, section 4.5.
    """
    whole = math.ceil(low)
    if whole <= high:
        return Fraction(whole)
    whole -= 1
    return whole + 1 / _simplest(1 / (high - whole), 1 / (low - whole))
