"""The rule of prior="weak": normal priors, scaled by the spread of the columns and of the response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.priors import Normal
from glmstat.solve.null import null_intercept
from glmstat.solve.scaling import open_workspace

__all__ = ["WEAK", "Scales", "scales_of"]

WEAK = "weak"
WIDTH = 2.5  # rstanarm's default_prior_coef; Gelman et al. (2008) for logistic models
_STILL = 1e-12  # share of its mean below which the spread of a column is rounding


@dataclass(frozen=True, eq=False)
class _Moments:
    """Weight, mean and sum of squares about the mean, of each column and last of the response."""

    weight: float
    mean: Array
    squares: Array

    def __add__(self, other: _Moments) -> _Moments:
        weight = self.weight + other.weight
        if weight == 0:
            return self
        share, apart = other.weight / weight, other.mean - self.mean
        squares = self.squares + other.squares + apart * apart * (self.weight * share)
        return _Moments(weight, self.mean + share * apart, squares)


@dataclass(frozen=True, eq=False)
class Scales:
    """What the rule needs of the rows.

    Parameters
    ----------
    means, spreads : mean and standard deviation of each column; 0 where it is constant.
    unit : the unit of the linear predictor: 1, or the response's standard deviation there.
    centre : predictor of the model with the intercept alone.
    """

    means: Mapping[str, float]
    spreads: Mapping[str, float]
    unit: float
    centre: float

    def mean(self, name: str) -> float:
        """Return the mean of a column."""
        return self.means[name]

    def of_column(self, name: str) -> Normal:
        """Return the prior of a coefficient."""
        return Normal(0.0, WIDTH * self.unit / (self.spreads[name] or 1.0))

    def of_intercept(self) -> Normal:
        """Return the prior of the predictor at the means of the columns."""
        return Normal(self.centre, WIDTH * self.unit)

    def rule_of_column(self, name: str) -> str:
        """Return how the scale came about, in words."""
        spread = self.spreads[name]
        return f"scale {self._factor()}{f' / sd {spread:.4g}' if spread else ''}"

    def rule_of_intercept(self) -> str:
        """Return the same of the intercept."""
        where = "the null model's" if self.centre else "0"
        return f"scale {self._factor()}, location {where}"

    def _factor(self) -> str:
        return f"{WIDTH:g}" if self.unit == 1.0 else f"{WIDTH:g} * {self.unit:.4g}"


def scales_of(likelihood: GLM, frame: ModelFrame) -> Scales:
    """Return what the rule needs, from one pass over the rows that enter.

    Moments are weighted by prior weights and frequencies, with the sum of the weights as divisor: grouped
    trials, repeated rows and frequencies have the prior of the rows written out.

    Source: Goodrich, Gabry, Ali & Brilleman, rstanarm (2.21), for the rule; Gelman et al. (2008).
    """
    link = likelihood.family.link
    identity = link.name == "identity"
    found = frame.reduce(lambda block: _moments(block, less_offset=identity))
    with np.errstate(all="ignore"):
        spread = np.sqrt(found.squares / found.weight) if found.weight else np.zeros_like(found.squares)
    spread = np.where(spread > _STILL * np.abs(found.mean), spread, 0.0)
    workspace = open_workspace(frame, likelihood)
    null = null_intercept(workspace, workspace.counts(), has_offset=frame.has_offset)
    centre = float(null) if np.isfinite(null) else 0.0
    unit = 1.0
    if link.exponent:  # the predictor has the response's unit
        with np.errstate(all="ignore"):
            slope = 1.0 if identity else 1.0 / abs(float(link.derivative(link.eta(found.mean[-1:]))[0]))
        size = float(spread[-1]) * slope
        unit = size if np.isfinite(size) and size > 0 else 1.0
    names = frame.columns
    return Scales(
        dict(zip(names, found.mean.tolist(), strict=False)),
        dict(zip(names, spread.tolist(), strict=False)),
        unit,
        centre,
    )


def _moments(block: Block, *, less_offset: bool) -> _Moments:
    total = block.total
    weight, width = float(total.sum()), block.X[0].shape[1]
    mean, squares = np.zeros(width + 1), np.zeros(width + 1)
    if not weight:
        return _Moments(0.0, mean, squares)
    response = block.y - block.offset[:, 0] if less_offset else block.y
    response = np.where(total > 0, response, 0.0)
    mean[-1] = total @ response / weight
    squares[-1] = total @ np.square(response - mean[-1])
    found = _Moments(0.0, mean[:-1], squares[:-1])
    for rows, columns in block.X[0].runs():
        counted = total[rows]
        own = float(counted.sum())
        if own:
            middle = columns @ counted / own
            found = found + _Moments(own, middle, np.square(columns - middle[:, None]) @ counted)
    return _Moments(weight, np.append(found.mean, mean[-1]), np.append(found.squares, squares[-1]))
