"""Schemes that hold no number per row: what a row draws follows from the seed and its block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.inference.bootstrap.scheme import BlockDraws, Multipliers
from glmstat.inference.residual import plain_residuals
from glmstat.inference.score import linear_predictor
from glmstat.inference.variable import Grouping
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["BlockCases", "BlockParametric", "BlockWild", "block_sizes", "fitted_means"]


@dataclass(frozen=True, eq=False)
class _Sizes:
    found: Mapping[int, int]

    def __add__(self, other: _Sizes) -> _Sizes:
        return _Sizes({**self.found, **other.found})


def block_sizes(frame: ModelFrame) -> dict[int, int]:
    """Return how many rows each block counts, by its number, in one pass."""
    return dict(frame.reduce(lambda block: _Sizes({block.number: int(block.counted.sum())})).found)


def fitted_means(fit: Fit, block: Block) -> Array:
    """Return the fitted means (n,) of a block."""
    eta = linear_predictor(fit.estimate, block.X, block.offset, fit.spec.design)
    return fit.spec.likelihood.mean(eta)


@dataclass(frozen=True, eq=False)
class BlockCases:
    """Rows drawn with replacement: first how many of each block, then which of its rows.

    Parameters
    ----------
    sizes : rows that each block counts, by its number.
    """

    sizes: Mapping[int, int]

    def frame(self, frame: ModelFrame, rng: np.random.Generator) -> ModelFrame:
        """Return the rows with the drawn numbers as their frequencies."""
        total = sum(self.sizes.values())
        shares = np.array(list(self.sizes.values())) / total
        drawn = dict(zip(self.sizes, rng.multinomial(total, shares).tolist(), strict=True))
        draws = BlockDraws.of(rng)

        def change(block: Block) -> Block:
            counts, times, own = block.counted, drawn[block.number], draws.of_block(block)
            inside = np.flatnonzero(counts)
            if counts.max(initial=0.0) > 1:
                frequency = np.zeros(len(counts))
                frequency[inside] = own.multinomial(times, counts[inside] / counts.sum())
            else:
                chosen = inside[own.integers(0, max(len(inside), 1), times)]
                frequency = np.bincount(chosen, minlength=len(counts))
            return replace(block, frequency=frequency.astype(np.float64))

        return frame.changed(change)


@dataclass(frozen=True, eq=False)
class BlockParametric:
    """Responses drawn from the distribution of the family at the fitted means.

    Parameters
    ----------
    fit : whose means they are.
    """

    fit: Fit

    def frame(self, frame: ModelFrame, rng: np.random.Generator) -> ModelFrame:
        """Return the rows with drawn responses."""
        fit, draws = self.fit, BlockDraws.of(rng)
        model: Any = fit.spec.likelihood
        several = len(fit.spec.design.predictors) > 1

        def change(block: Block) -> Block:
            eta = linear_predictor(fit.estimate, block.X, block.offset, fit.spec.design)
            inside, own = block.counted > 0, draws.of_block(block)
            y = np.array(model.mean(eta))
            if several:
                y[inside] = model.simulate(own, eta[inside])
            else:
                y[inside] = model.family.simulate(own, y[inside], block.weights[inside], fit.dispersion)
            return replace(block, y=y)

        return frame.changed(change)


@dataclass(frozen=True, eq=False)
class BlockWild:
    """Fitted means plus each row's own residual times a random multiplier, one per row or cluster.

    Parameters
    ----------
    fit : whose means and residuals they are.
    multipliers : their distribution.
    groups : the clusters; None where each row has its own multiplier.
    """

    fit: Fit
    multipliers: Multipliers
    groups: Grouping | None

    def frame(self, frame: ModelFrame, rng: np.random.Generator) -> ModelFrame:
        """Return the rows with drawn responses."""
        fit, each = self.fit, self._each(rng)

        def change(block: Block) -> Block:
            return replace(block, y=fitted_means(fit, block) + plain_residuals(fit, block) * each(block))

        return (frame if self.groups is None else frame.reading(self.groups.names)).changed(change)

    def _each(self, rng: np.random.Generator) -> Callable[[Block], Array]:
        """The multipliers (n,) of a block."""
        law, groups = self.multipliers, self.groups
        if groups is None:
            draws = BlockDraws.of(rng)
            return lambda block: law.draw(draws.of_block(block), len(block.y))
        drawn = law.draw(rng, groups.count)
        return lambda block: drawn[groups.of(block)]
