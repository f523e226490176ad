"""Totals of a pass: what kernels return and solvers see. Adding two is all that ever happens to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from glmstat.gram import LevelGram
from glmstat.matrix import Array, Block
from glmstat.triangular import triangle

__all__ = ["Counts", "Extremes", "Facts", "Largest", "Sums", "Tally", "Totals", "Triangle"]

FEW = 1024  # values of a response that are worth a table
HANDFUL = 12  # values that are counted one by one in less time than by a table


@dataclass(frozen=True, eq=False)
class Sums:
    """Totals of one pass: objective (log-likelihood without its constant), score and information."""

    objective: float
    magnitude: float
    score: Array
    expected: Array | None = None
    observed: Array | None = None

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.objective + other.objective,
            self.magnitude + other.magnitude,
            self.score + other.score,
            None if self.expected is None or other.expected is None else self.expected + other.expected,
            None if self.observed is None or other.observed is None else self.observed + other.observed,
        )

    def penalised(self, penalty: Array, gamma: Array) -> Sums:
        """Return the sums less gamma'S gamma / 2, and what that does to score and information."""
        pull = penalty @ gamma
        return Sums(
            self.objective - 0.5 * float(gamma @ pull),
            self.magnitude,
            self.score - pull,
            None if self.expected is None else self.expected + penalty,
            None if self.observed is None else self.observed + penalty,
        )

    @property
    def information(self) -> Array | None:
        """The expected information where there is one, else the observed."""
        return self.observed if self.expected is None else self.expected

    @property
    def finite(self) -> bool:
        """Whether the pass met only numbers."""
        return bool(np.isfinite(self.objective) and np.isfinite(self.score).all())


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums of a pass before factors are coded: objective, score and Grams as blocks have them.

    `facts` are there where they were asked for, their `null` being the objective of the null model.
    """

    objective: float
    magnitude: float
    score: Array
    grams: tuple[Array | LevelGram, ...]
    facts: Facts | None = None

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.objective + other.objective,
            self.magnitude + other.magnitude,
            self.score + other.score,
            tuple(_added(a, b) for a, b in zip(self.grams, other.grams, strict=True)),
            None if self.facts is None or other.facts is None else self.facts + other.facts,
        )

    def matrices(self) -> tuple[Array, ...]:
        """Return the Grams of all columns (q, q)."""
        return tuple(gram.matrix() if isinstance(gram, LevelGram) else gram for gram in self.grams)


def _added(one: Array | LevelGram, other: Array | LevelGram) -> Array | LevelGram:
    if isinstance(one, LevelGram):
        assert isinstance(other, LevelGram)
        return one + other
    assert not isinstance(other, LevelGram)
    return one + other


class Extremes(NamedTuple):
    """Largest and least values over rows of one step; addition keeps the more extreme.

    step : largest |x'delta|; its source row in `row`. eta : largest |eta|. terms : largest sum of
    |x_j gamma_j|. room : how far the step can go before a mean leaves its domain. slack : least
    distance to the edge. margin : least relative multiplier that is left on a bound row, with the
    least and largest multiplier.
    """

    step: float = 0.0
    row: int = -1
    eta: float = 0.0
    terms: float = 0.0
    room: float = np.inf
    slack: float = np.inf
    margin: float = np.inf
    least: float = np.inf
    largest: float = 0.0

    def __add__(self, other: Extremes) -> Extremes:  # pyright: ignore[reportIncompatibleMethodOverride]
        wider = self if self.step >= other.step else other
        return Extremes(
            wider.step,
            wider.row,
            max(self.eta, other.eta),
            max(self.terms, other.terms),
            min(self.room, other.room),
            min(self.slack, other.slack),
            min(self.margin, other.margin),
            min(self.least, other.least),
            max(self.largest, other.largest),
        )


class Counts(NamedTuple):
    """Totals of response and weights: rows with weight > 0 (frequencies counted), w, wy, and sizes."""

    rows: int = 0
    weight: float = 0.0
    response: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def __add__(self, other: Counts) -> Counts:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Counts(
            self.rows + other.rows,
            self.weight + other.weight,
            self.response + other.response,
            min(self.low, other.low),
            max(self.high, other.high),
        )


@dataclass(frozen=True, eq=False)
class Tally:
    """Weights summed by response, where that is a few whole numbers from 0 on.

    Parameters
    ----------
    sums : sum of the weights (k,) of the rows whose response is 0, 1, …; None where there are others.
    plain : whether every row weighs 1 and counts once.
    """

    sums: Array | None
    plain: bool = True

    @classmethod
    def of(cls, block: Block) -> Tally:
        """Return the tally of one block."""
        y, plain = block.y, block.unweighted
        top = float(y.max(initial=-np.inf))
        if not (top < FEW and y.min() >= 0.0):
            return cls(None)
        if plain and top <= HANDFUL:
            found = [np.count_nonzero(y == value) for value in range(int(top) + 1)]
            return cls(np.array(found, dtype=np.float64) if sum(found) == len(y) else None)
        whole = y.astype(np.intp)
        if not np.array_equal(whole, y):
            return cls(None)
        return cls(np.bincount(whole, None if plain else block.total).astype(np.float64), plain)

    def __add__(self, other: Tally) -> Tally:
        if self.sums is None or other.sums is None:
            return Tally(None)
        short, long = sorted((self.sums, other.sums), key=len)
        total = long.copy()
        total[: len(short)] += short
        return Tally(total, self.plain and other.plain)


class Facts(NamedTuple):
    """Totals at the estimate: deviance, Pearson chi-squared, deviance of the null model."""

    deviance: float
    pearson: float
    null: float

    def __add__(self, other: Facts) -> Facts:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Facts(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True, eq=False)
class Triangle:
    """R of a QR factorisation of all rows so far; adding two stacks them and factors again."""

    factor: Array

    def __add__(self, other: Triangle) -> Triangle:
        return Triangle(triangle(np.vstack([self.factor, other.factor])))


@dataclass(frozen=True, eq=False)
class Largest:
    """Largest absolute value of each column (p,); adding takes the larger."""

    size: Array

    def __add__(self, other: Largest) -> Largest:
        return Largest(np.maximum(self.size, other.size))
