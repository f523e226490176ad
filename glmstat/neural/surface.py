"""Average predictions of a network as functions of one column, with the covariance of the averages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from glmstat.array import Array, quiet
from glmstat.errors import ArgumentError
from glmstat.links import Link
from glmstat.neural.laplace import Laplace

__all__ = [
    "Averages",
    "Column",
    "Evaluated",
    "Surface",
    "accumulated",
    "combined",
    "dependence",
    "ends_of",
    "spread",
]


class Evaluated(NamedTuple):
    """Rows of data as a model with networks sees them.

    eta (n,); X (n, p) linear columns; inputs: (n, d) for each network.
    """

    eta: Array
    X: Array
    inputs: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Surface:
    """Predictions of a model on some rows, as a function of their columns.

    Parameters
    ----------
    design : from new values (n,) of some columns to the rows with these values in place of their own.
    link : of the model.
    weights : (n,) shares of the rows in an average; any positive numbers.
    laplace : covariance of the parameters; None where there is none, and hence no band.
    """

    design: Callable[[Mapping[str, Any]], Evaluated]
    link: Link
    weights: Array
    laplace: Laplace | None = None


@dataclass(frozen=True, eq=False)
class Column:
    """A column of the data whose effect is asked for.

    Parameters
    ----------
    name : in the data.
    values : (n,) numbers, or labels, of the rows of the surface.
    levels : of a factor, in order; None for numbers.
    """

    name: str
    values: Any
    levels: tuple[Any, ...] | None = None

    def filled(self, value: Any) -> Any:
        """Return one value for all rows (n,)."""
        if self.levels is None:
            return np.full(len(self.values), float(value))
        out = np.empty(len(self.values), dtype=object)
        out[:] = value
        return out


class Averages(NamedTuple):
    """Values of k averages and their covariance (k, k), NaN where none is known."""

    value: Array
    covariance: Array


def spread(column: Column, points: int) -> tuple[Any, ...]:
    """Levels of a factor; for numbers all values, or quantiles where they are many."""
    if column.levels is not None:
        return column.levels
    if isinstance(points, bool) or not isinstance(points, (int, np.integer)) or points < 2:
        raise ArgumentError(f"points must be a whole number >= 2: {points!r}. The default is 20.")
    values = np.asarray(column.values, dtype=np.float64)
    known = np.unique(values)
    if len(known) > points:
        # values that occur: a whole number stays one
        known = np.unique(np.quantile(values, np.linspace(0.0, 1.0, points), method="nearest"))
    return tuple(known.tolist())


def dependence(surface: Surface, column: Column, values: Sequence[Any], scale: str) -> Averages:
    """Weighted means of predictions with the column at each value in all rows."""
    shares = (surface.weights / surface.weights.sum())[None]
    sums = [_sums(surface, {column.name: column.filled(value)}, shares, scale) for value in values]
    gradients = None if surface.laplace is None else np.vstack([gradient for _, gradient in sums])
    return _with_covariance(surface, np.concatenate([value for value, _ in sums]), gradients)


def accumulated(
    surface: Surface, column: Column, scale: str, points: int
) -> tuple[tuple[float, ...], Averages]:
    """Accumulated local effects at the edges of the bins, about their weighted mean."""
    if column.levels is not None:
        raise ArgumentError(
            f'method="ale" needs a numeric column: {column.name!r} is a factor. Use method="pdp".'
        )
    edges = np.array(spread(column, points))
    if len(edges) < 2:
        raise ArgumentError(
            f'Column {column.name!r} is constant: method="ale" has no bins. Choose another column.'
        )
    values = np.asarray(column.values, dtype=np.float64)
    bins = np.clip(np.searchsorted(edges, values, side="left"), 1, len(edges) - 1)
    inside = (bins == np.arange(1, len(edges))[:, None]) * surface.weights
    totals = inside.sum(axis=1)
    shares = inside / np.where(totals > 0, totals, 1.0)[:, None]
    upper, lower = (_sums(surface, {column.name: edges[place]}, shares, scale) for place in (bins, bins - 1))
    sums = np.tril(np.ones((len(edges), len(edges) - 1)), -1)
    middle = (totals / totals.sum()) @ (0.5 * (sums[1:] + sums[:-1]))
    contrast = sums - middle
    gradients = None if surface.laplace is None else contrast @ (upper[1] - lower[1])
    return tuple(edges.tolist()), _with_covariance(surface, contrast @ (upper[0] - lower[0]), gradients)


def _sums(surface: Surface, replaced: Mapping[str, Any], weights: Array, scale: str) -> tuple[Array, Array]:
    """Weighted sums (k,) of eta, or of the mean, over rows with new values, and their gradients (k, P)."""
    rows = surface.design(replaced)
    predictions, slopes = rows.eta, np.ones(len(rows.eta))
    if scale == "response":
        with np.errstate(all="ignore"):
            predictions, slopes = surface.link.mean(rows.eta), surface.link.derivative(rows.eta)
    values = weights @ predictions
    if surface.laplace is None:
        return values, np.zeros((len(values), 0))
    return values, surface.laplace.wide.gradient(rows.X, rows.inputs, weights * slopes)


def _with_covariance(surface: Surface, values: Array, gradients: Array | None) -> Averages:
    if surface.laplace is None or gradients is None:
        return Averages(values, np.full((len(values), len(values)), np.nan))
    return Averages(values, surface.laplace.covariance(gradients))


def combined(averages: Averages, contrast: Array) -> Averages:
    """Linear combinations of averages; one that is no difference at all has no error."""
    if np.isnan(averages.covariance).all():
        return Averages(contrast @ averages.value, averages.covariance)
    covariance = contrast @ averages.covariance @ contrast.T
    still = ~contrast.any(axis=1)
    covariance[still] = 0.0
    covariance[:, still] = 0.0
    return Averages(contrast @ averages.value, covariance)


@quiet
def ends_of(surface: Surface, averages: Averages, level: float, *, bent: bool) -> tuple[Array, Array]:
    """Ends of the pointwise intervals; where `bent`, made on the link scale of the average."""
    half = np.sqrt(np.maximum(np.diagonal(averages.covariance), 0.0))
    half = half * (np.nan if surface.laplace is None else surface.laplace.quantile(level))
    if not bent:
        return averages.value - half, averages.value + half
    eta = surface.link.eta(averages.value)
    reach = half / np.abs(surface.link.derivative(eta))
    ends = np.sort([surface.link.mean(eta - reach), surface.link.mean(eta + reach)], axis=0)
    return ends[0], ends[1]
