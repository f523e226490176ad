"""Schemes of resampling: what is drawn, and what a drawn number makes of the rows of a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from glmstat.inference.score import projected
from glmstat.inference.variable import Grouping
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.families import Family
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = [
    "MULTIPLIERS",
    "BlockDraws",
    "Clusters",
    "Multipliers",
    "Parametric",
    "Residuals",
    "Scheme",
    "Scores",
    "Wild",
    "once",
    "place",
]

ONCE = "counted once"
_MOST = 2**63 - 1


class Scheme(Protocol):
    """A way of drawing resamples of the rows of a fit."""

    def frame(self, frame: ModelFrame, rng: np.random.Generator) -> ModelFrame:
        """Return the rows of one resample."""
        ...


def once(block: Block) -> Array:
    """Return how often each row was counted (n,) before whole clusters were drawn."""
    return block.counted if block.roles is None else block.roles[ONCE]


def place(block: Block) -> slice | IntArray:
    """Return where the rows of a block stand among those of the data."""
    return slice(block.start, block.start + len(block.y)) if block.rows is None else block.rows


def _responding(frame: ModelFrame, y: Array) -> ModelFrame:
    return frame.changed(lambda block: replace(block, y=y[place(block)]))


@dataclass(frozen=True)
class BlockDraws:
    """Streams of random numbers of the blocks of one resample."""

    seed: int

    @classmethod
    def of(cls, rng: np.random.Generator) -> BlockDraws:
        """Return those of the resample that a stream belongs to."""
        return cls(int(rng.integers(_MOST)))

    def of_block(self, block: Block) -> np.random.Generator:
        """Return the stream of one block."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(block.number,)))


@dataclass(frozen=True, eq=False)
class Clusters:
    """Whole clusters drawn with replacement, as many as there are.

    Parameters
    ----------
    groups : the clusters.
    """

    groups: Grouping

    def frame(self, frame: ModelFrame, rng: np.random.Generator) -> ModelFrame:
        """Return the rows with the frequency of their cluster."""
        times, groups = self.draw(rng), self.groups

        def change(block: Block) -> Block:
            counts = block.counted
            return replace(block, frequency=times[groups.of(block)] * counts, roles={ONCE: counts})

        return frame.reading(groups.names).changed(change)

    def draw(self, rng: np.random.Generator) -> Array:
        """Return how often each cluster is drawn."""
        drawn = rng.integers(0, self.groups.count, self.groups.count)
        return np.bincount(drawn, minlength=self.groups.count).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Parametric:
    """Responses drawn from the distribution of the family at the fitted means.

    Parameters
    ----------
    family, dispersion : of the fit.
    mean : (rows of the data,), 0 outside the fit.
    """

    family: Family
    dispersion: float
    mean: Array

    def frame(self, frame: ModelFrame, rng: np.random.Generator) -> ModelFrame:
        """Return the rows with drawn responses."""
        draws = BlockDraws.of(rng)

        def change(block: Block) -> Block:
            y, inside = np.array(self.mean[place(block)]), block.counted > 0
            y[inside] = self.family.simulate(
                draws.of_block(block), y[inside], block.weights[inside], self.dispersion
            )
            return replace(block, y=y)

        return frame.changed(change)


@dataclass(frozen=True, eq=False)
class Residuals:
    """Fitted means plus standardised residuals drawn with replacement.

    Parameters
    ----------
    mean, size : (rows of the data,) mean, and square root of variance function over weight.
    residuals : (m,) centred residuals of equal variance.
    """

    mean: Array
    size: Array
    residuals: Array

    def frame(self, frame: ModelFrame, rng: np.random.Generator) -> ModelFrame:
        """Return the rows with drawn responses."""
        drawn = rng.integers(0, len(self.residuals), len(self.mean))
        return _responding(frame, self.mean + self.size * self.residuals[drawn])


@dataclass(frozen=True)
class Multipliers:
    """A distribution of mean 0 and variance 1 that residuals or scores are multiplied by.

    Parameters
    ----------
    name : as printed.
    values, chances : what is drawn, and how probably.
    """

    name: str
    values: tuple[float, ...]
    chances: tuple[float, ...]

    def draw(self, rng: np.random.Generator, number: int) -> Array:
        """Return independent draws."""
        edges = np.cumsum(self.chances)[:-1]
        return np.array(self.values)[np.searchsorted(edges, rng.random(number), side="right")]


_ROOT5 = 5.0**0.5
_WEBB = tuple(sign * size**0.5 for sign in (-1.0, 1.0) for size in (1.5, 1.0, 0.5))
MULTIPLIERS: Mapping[str, Multipliers] = {
    "rademacher": Multipliers("Rademacher", (-1.0, 1.0), (0.5, 0.5)),
    "mammen": Multipliers(
        "Mammen",
        ((1.0 - _ROOT5) / 2.0, (1.0 + _ROOT5) / 2.0),
        ((_ROOT5 + 1.0) / (2.0 * _ROOT5), (_ROOT5 - 1.0) / (2.0 * _ROOT5)),
    ),
    "webb": Multipliers("Webb", _WEBB, (1.0 / 6.0,) * 6),
}


@dataclass(frozen=True, eq=False)
class Wild:
    """Fitted means plus each row's own residual times a random multiplier, one per row or cluster.

    Parameters
    ----------
    mean, residual : (rows of the data,), 0 outside the fit.
    multipliers : their distribution.
    codes : (rows of the data,) cluster of each row; None where each row has its own multiplier.
    number : of clusters, or rows.
    """

    mean: Array
    residual: Array
    multipliers: Multipliers
    codes: IntArray | None
    number: int

    def frame(self, frame: ModelFrame, rng: np.random.Generator) -> ModelFrame:
        """Return the rows with drawn responses."""
        if self.codes is not None:
            return self.multiplied(frame, self.multipliers.draw(rng, self.number))
        law, draws = self.multipliers, BlockDraws.of(rng)

        def change(block: Block) -> Block:
            each, rows = law.draw(draws.of_block(block), len(block.y)), place(block)
            return replace(block, y=self.mean[rows] + self.residual[rows] * each)

        return frame.changed(change)

    def multiplied(self, frame: ModelFrame, multipliers: Array) -> ModelFrame:
        """Return the rows with the responses that some multipliers make."""
        each = multipliers if self.codes is None else multipliers[self.codes]
        return _responding(frame, self.mean + self.residual * each)


@dataclass(frozen=True, eq=False)
class Scores:
    """One Newton step from the estimate with scores times random multipliers; nothing is fitted again.

    Parameters
    ----------
    root : L (p, q), L L' the inverse information for dispersion 1.
    rows : whitened scores L'u (units, q), one row per row or cluster; None where each pass computes them.
    multipliers : their distribution.
    number : of clusters; 0 where each row has a multiplier of its own, which its block draws.
    units : number of rows or clusters.

    Source: Kline & Santos (2012).
    """

    root: Array
    rows: Array | None
    multipliers: Multipliers
    number: int
    units: int

    def step(self, fit: Fit, frame: ModelFrame, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return a drawn step L Σ v z (p,) and the root (p, q) of its own sandwich covariance."""
        if self.number:
            return self.multiplied(self.multipliers.draw(rng, self.number))
        law, draws = self.multipliers, BlockDraws.of(rng)

        def drawn(block: Block) -> Array:
            return law.draw(draws.of_block(block), len(block.y))

        if self.rows is None:
            return self._moved(self._sums(fit, frame, drawn))
        return self.multiplied(np.concatenate([drawn(block)[block.total > 0] for block in frame.blocks()]))

    def multiplied(self, multipliers: Array) -> tuple[Array, Array]:
        """Return the step that multipliers of the rows that are held make, and the root of its covariance."""
        assert self.rows is not None
        return self._moved(_moments(self.rows * multipliers[:, None]))

    def own(self, fit: Fit, frame: ModelFrame) -> Array:
        """Return the root of the covariance of the scores themselves."""
        if self.rows is not None:
            return self.multiplied(np.ones(len(self.rows)))[1]
        return self._moved(self._sums(fit, frame, lambda block: np.ones(len(block.y))))[1]

    def _moved(self, total: Array) -> tuple[Array, Array]:
        move, meat = total[0], total[1:]
        meat = meat - np.outer(move, move) / self.units
        values, vectors = np.linalg.eigh(meat)
        return self.root @ move, self.root @ (vectors * np.sqrt(np.maximum(values, 0.0)))

    def _sums(self, fit: Fit, frame: ModelFrame, multipliers: Callable[[Block], Array]) -> Array:
        def kernel(block: Block) -> Array:
            often = 1.0 if block.frequency is None else block.frequency[:, None]
            return _moments(projected(fit, block, self.root) * multipliers(block)[:, None] * often)

        return frame.reduce(kernel)


def _moments(rows: Array) -> Array:
    """The sum of rows (q,) above the sum of their products (q, q)."""
    return np.vstack([rows.sum(axis=0), rows.T @ rows])
