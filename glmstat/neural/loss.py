"""Objective of a step for several members at once, with its slope, deviances and dispersion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmstat.array import Array
from glmstat.data.torch import load_torch
from glmstat.neural.batches import Batch
from glmstat.neural.objective import Objective, dispersion
from glmstat.neural.setup import Setup

__all__ = ["Loss", "Spread"]


@dataclass(frozen=True, eq=False)
class Loss:
    """Minus the mean log-likelihood of rows over the dispersion, for M members.

    Parameters
    ----------
    setups : the members.
    objective : with limits (M, 1, 1).
    unit, phi : (M, 1, Q).
    norm : (M, 1, 1) what sums over rows are divided by.
    """

    setups: tuple[Setup, ...]
    objective: Objective
    unit: Any
    phi: Any
    norm: Any

    @classmethod
    def of(cls, setups: Sequence[Setup], norm: Any) -> Loss:
        """Return the loss at the dispersions that the members start from."""
        first = setups[0].objective
        device = norm.device
        free = all(setup.objective.low is None for setup in setups)
        low = None if free else _column([_or(setup.objective.low, -np.inf) for setup in setups], device)
        high = None if free else _column([_or(setup.objective.high, np.inf) for setup in setups], device)
        objective = Objective(first.family, low, high, first.curved)
        phi = np.stack([setup.dispersion for setup in setups])[:, None, :]
        unit = np.stack([setup.unit for setup in setups])[:, None, :]
        torch = load_torch()
        return cls(
            tuple(setups), objective, torch.as_tensor(unit).to(device), torch.as_tensor(phi).to(device), norm
        )

    def eta(self, out: Any, batch: Batch) -> Any:
        """Return the predictors (M, B, Q) in double precision."""
        return self.unit * out.detach().double() + batch.offset

    def slopes(self, out: Any, batch: Batch) -> tuple[Any, Any]:
        """Return the loss (M,) and its slope in `out` (M, B, Q).

        Parameters
        ----------
        out : (M, B, Q) what the stack gives.
        batch : its rows.
        """
        objective, gradient = self.objective.slopes(batch.y, self.eta(out, batch))
        factor = batch.weights / (self.phi * self.norm)
        return -(factor * objective).sum((1, 2)), (-(factor * self.unit) * gradient).to(out.dtype)

    def deviance(self, out: Any, batch: Batch) -> Any:
        """Return the mean deviance per unit weight (M,); of several outputs, each over its dispersion."""
        rows = self.objective.deviance(batch.y, self.eta(out, batch))
        if rows.shape[2] > 1:
            rows = rows / self.phi
        return (batch.weights * rows).sum((1, 2)) / (batch.weights.sum((1, 2)) * rows.shape[2])

    def spread(self, out: Any, batch: Batch) -> Spread:
        """Return what the dispersion is made of, in the rows of a batch."""
        counted = (batch.weights > 0) * batch.frequency
        pearson = self.objective.pearson(batch.y, self.eta(out, batch))
        return Spread((batch.weights * pearson).sum(1), counted.sum((1, 2)))


@dataclass(frozen=True, eq=False)
class Spread:
    """Pearson's sums of squares (M, Q) of some rows, and how many they are (M,)."""

    pearson: Any
    rows: Any

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.pearson + other.pearson, self.rows + other.rows)

    def dispersion(self, setups: Sequence[Setup]) -> Array:
        """Return the dispersions (M, Q), from all rows of a member in proportion."""
        shares = (self.pearson / self.rows[:, None]).cpu().numpy()
        return np.stack(
            [
                dispersion(
                    setup.objective.family,
                    share * setup.count,
                    setup.null,
                    setup.count,
                    int((~setup.aliased).sum()),
                )
                for setup, share in zip(setups, shares, strict=True)
            ]
        )


def _or(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)


def _column(values: Sequence[float], device: Any) -> Any:
    return load_torch().as_tensor(np.array(values)[:, None, None]).to(device)
