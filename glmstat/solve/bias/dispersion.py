"""The dispersion that belongs to coefficients while the score is adjusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.families import Family
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.solve.dispersion import positive_dispersion

__all__ = ["Spread", "spread_of", "unit_adjusted"]

Rule = Literal["one", "given", "adjusted", "ml", "pearson", "deviance"]
WIDEST = 400.0  # of the logarithm, about its first guess
FEW = 4096  # values of the weights that are worth a table
_WORDS = ("pearson", "deviance", "ml")


def unit_adjusted(family: Family) -> bool:
    """Return whether scores are adjusted for dispersion 1, as those of proportions and counts are."""
    return family.dispersion is not None or family.name in ("quasibinomial", "quasipoisson")


class _Moments(NamedTuple):
    """Sums of `Family.dispersion_moments` over rows."""

    first: float
    second: float
    third: float

    def __add__(self, other: _Moments) -> _Moments:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Moments(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True, eq=False)
class _Weights:
    """The weights that occur, and how many rows have them; None where there are too many."""

    values: Array | None
    counts: Array

    @classmethod
    def of(cls, block: Block) -> _Weights:
        used = block.counted > 0
        values, places = np.unique(block.weights[used], return_inverse=True)
        return cls(values, np.bincount(places, block.counted[used], len(values)).astype(np.float64)).few

    @property
    def few(self) -> _Weights:
        return self if self.values is None or len(self.values) <= FEW else _Weights(None, np.zeros(0))

    def __add__(self, other: _Weights) -> _Weights:
        if self.values is None or other.values is None:
            return _Weights(None, np.zeros(0))
        values, places = np.unique(np.append(self.values, other.values), return_inverse=True)
        counts = np.bincount(places, np.append(self.counts, other.counts), len(values))
        return _Weights(values, counts.astype(np.float64)).few


@dataclass(frozen=True, eq=False)
class Spread:
    """The dispersion as a function of the totals at some coefficients.

    Parameters
    ----------
    rule : "one" (adjusted as if 1), "given", "adjusted" (the root of its own adjusted score), "ml",
        "pearson", "deviance".
    value : where it is given.
    method : of the coefficients, which decides the adjustment of the dispersion.
    rank : number of coefficients.
    """

    frame: ModelFrame
    family: Family
    rule: Rule
    value: float
    method: str
    rank: int
    df: int

    @property
    def fixed(self) -> bool:
        """Whether it does not depend on the coefficients."""
        return self.rule in ("one", "given")

    def at(self, deviance: float, pearson: float) -> float:
        """Return the dispersion: 0 where the residuals are, NaN where its score has no root."""
        if self.fixed:
            return self.value
        if self.rule in ("pearson", "deviance"):
            return (pearson if self.rule == "pearson" else deviance) / self.df
        return self._root(deviance) if deviance > 0 else 0.0

    def _root(self, deviance: float) -> float:
        """Where the adjusted score of the dispersion is 0."""
        from scipy.optimize import brentq

        if not np.isfinite(deviance):
            return np.nan
        middle = float(np.log(deviance / max(self.df, 1)))
        low, high = (self._far(middle, side, deviance) for side in (-1.0, 1.0))
        if not np.isfinite(low + high):
            return np.nan
        found: Any = brentq(self._score, low, high, args=(deviance,), xtol=1e-14)
        return float(np.exp(found))

    def _far(self, middle: float, side: float, deviance: float) -> float:
        """Where the score has the sign that it has at the far end of one side; NaN for nowhere."""
        step = 1.0
        while step < WIDEST:
            score = self._score(middle + side * step, deviance)
            if not np.isfinite(score):
                return np.nan
            if score * side <= 0:
                return middle + side * step
            step *= 2.0
        return np.nan

    def _score(self, log_phi: float, deviance: float) -> float:
        """The adjusted score of phi, times phi.

        Source: Kosmidis, Kenne Pagui & Sartori (2020), section 4; for Jeffreys' prior of phi as brglm2.
        """
        phi = float(np.exp(log_phi))
        with np.errstate(all="ignore"):
            sums = self._sums(phi)
            return self._adjusted(phi, sums, deviance)

    def _adjusted(self, phi: float, sums: _Moments, deviance: float) -> float:
        score = (deviance - sums.first) / (2.0 * phi)
        if self.rule == "ml":
            return score
        skew = sums.third / (2.0 * phi * sums.second)
        if self.method == "median_br":
            return score + 0.5 * self.rank + skew / 3.0
        return score + skew + (0.5 * (self.rank - 2) if self.method == "firth" else -0.5 * (self.rank + 4))

    def prior(self, phi: float) -> float:
        """Return the logarithm of Jeffreys' prior without what the coefficients' information for phi 1 adds.

        NaN where the dispersion is not at the root of the score that this prior adjusts.
        """
        if self.method != "jeffreys" or self.rule != "adjusted":
            return np.nan
        return 0.5 * float(np.log(self._sums(phi).second)) - (2.0 + 0.5 * self.rank) * float(np.log(phi))

    def _sums(self, phi: float) -> _Moments:
        known = self._weights
        if known.values is None:
            return self.frame.reduce(self._kernel(phi))
        return _Moments(*(float(known.counts @ part) for part in self._moments(known.values, phi)))

    def _moments(self, weights: Array, phi: float) -> tuple[Array, Array, Array]:
        found = self.family.dispersion_moments(weights, phi)
        assert found is not None
        return found

    def _kernel(self, phi: float) -> Callable[[Block], _Moments]:
        def kernel(block: Block) -> _Moments:
            counts = block.counted
            return _Moments(*(float(counts @ part) for part in self._moments(block.weights, phi)))

        return kernel

    @cached_property
    def _weights(self) -> _Weights:
        return self.frame.reduce(_Weights.of)


def spread_of(frame: ModelFrame, likelihood: GLM, rows: int, rank: int, method: str, asked: Any) -> Spread:
    """Return the rule of the dispersion that a call asks for.

    Parameters
    ----------
    rows : that count.
    asked : None, "pearson", "deviance", "ml" or a number > 0.

    Raises
    ------
    ArgumentError : no residual degree of freedom to estimate a dispersion from, or "ml" without a likelihood.
    """
    family, df = likelihood.family, rows - rank
    rule, value = _rule(family, asked)
    if rule not in ("one", "given") and df <= 0:
        raise ArgumentError(
            f"Bias reduction needs the dispersion: {rows} rows leave none beside {rank} coefficients. "
            "Give dispersion=, or leave terms out."
        )
    return Spread(frame, family, rule, value, method, rank, df)


def _rule(family: Family, asked: Any) -> tuple[Rule, float]:
    if unit_adjusted(family):
        return "one", 1.0
    estimable = family.dispersion_moments(np.ones(1), 1.0) is not None
    if asked is None:
        return ("adjusted" if estimable else "pearson"), np.nan
    if asked == "ml" and not estimable:
        raise ArgumentError(
            'dispersion="ml" beside bias reduction needs the likelihood of the dispersion: the '
            f'{family.name} family has none. Use "pearson".'
        )
    if isinstance(asked, str):
        return (asked if asked in _WORDS else "pearson"), np.nan
    return "given", positive_dispersion(asked)
