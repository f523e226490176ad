"""Columns of numbers that are stored with rounding, reduced by each other; their errors are kept beside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glmstat.matrix import Array, IntArray

__all__ = ["Rounded"]

_EPS = float(np.finfo(np.float64).eps)
_ULPS = 16.0  # in units of a column's largest number: what was computed is further off than what was typed
_EXACT = 2.0**53


@dataclass(frozen=True, eq=False)
class Rounded:
    """Columns, and how far each number may be from the one that is meant.

    Parameters
    ----------
    values, errors : (g, q); whole numbers have no error.
    """

    values: Array
    errors: Array

    @classmethod
    def of(cls, columns: Array) -> Rounded:
        """Return columns as a program hands them over: off by some units in the last place of the largest."""
        errors = np.zeros_like(columns)
        some = (np.abs(columns - np.rint(columns)) > 0).any(axis=0) | (np.abs(columns) >= _EXACT).any(axis=0)
        errors[:, some] = _ULPS * _EPS * np.abs(columns[:, some]).max(axis=0, initial=0)
        return cls(columns.astype(np.float64), errors)

    def __getitem__(self, columns: IntArray | slice) -> Rounded:
        return Rounded(self.values[:, columns], self.errors[:, columns])

    def __len__(self) -> int:
        return self.values.shape[1]

    def beside(self, other: Rounded) -> Rounded:
        """Return these columns, then others."""
        return Rounded(np.hstack([self.values, other.values]), np.hstack([self.errors, other.errors]))

    def spread(self, among: IntArray) -> IntArray:
        """Return which of some columns have a number that is not rounding, the best known ones first."""
        sizes, noise = (np.abs(part[:, among]).max(axis=0, initial=0) for part in (self.values, self.errors))
        kept = np.any(np.abs(self.values[:, among]) > self.errors[:, among], axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            clear = np.where(noise > 0, sizes / noise, np.inf)
        order = np.lexsort([sizes, -clear])
        return among[order][kept[order]]

    def cleared(self, row: int, column: int, others: IntArray) -> Rounded:
        """Return a column with 1 in a row, and others with 0 there, less their multiples of it."""
        values, errors = self.values.copy(), self.errors.copy()
        own, error = values[row, column], errors[row, column]
        one = values[:, column] / own
        one_error = (errors[:, column] + np.abs(one) * error) / abs(own) + _rounding(one)
        one[row], one_error[row] = 1.0, 0.0
        values[:, column], errors[:, column] = one, one_error
        times, times_error = values[row, others].copy(), errors[row, others].copy()
        product = one[:, None] * times
        rest = values[:, others] - product
        errors[:, others] += np.abs(times) * one_error[:, None] + np.abs(one)[:, None] * times_error
        errors[:, others] += _rounding(product) + _rounding(rest)
        rest[np.abs(rest) <= errors[:, others]] = 0.0
        values[:, others] = rest
        values[row, others] = errors[row, others] = 0.0
        return Rounded(values, errors)

    def reduced(self, among: IntArray, *, fully: bool) -> tuple[Rounded, IntArray]:
        """Return the columns after elimination, and which of some, in order, were no combination of others.

        Each of them is 1 in a row of its own, in which later ones, and all columns that are not among them,
        are 0; fully reduced, earlier ones too.
        """
        found, done = self, list[int]()
        while True:
            left = found.spread(np.setdiff1d(among, done))
            if not len(left):
                return found, np.array(done, dtype=np.intp)
            column = int(left[0])
            row = int(np.argmax(np.abs(found.values[:, column])))
            out = [column] if fully else [column, *done]
            others = np.setdiff1d(np.arange(len(found)), out)
            found = found.cleared(row, column, others)
            done.append(column)


def _rounding(values: Array) -> Array:
    """What rounding does to results of arithmetic: nothing to whole numbers."""
    whole = (values == np.rint(values)) & (np.abs(values) < _EXACT)
    return np.where(whole, 0.0, _EPS * np.abs(values))
