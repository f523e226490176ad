"""Responses simulated from the prior or from the posterior, at the rows of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from glmstat.errors import ArgumentError, ComparisonError
from glmstat.inference.covariance import covariance_root, label
from glmstat.inference.rows import rows_of_fit
from glmstat.inference.score import frame_of
from glmstat.inference.shown import Shown
from glmstat.matrix import Array, Block
from glmstat.table import frame
from glmstat.text.listing import Listing
from glmstat.text.number import figure

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Predictive", "predictive"]

Kind = Literal["prior", "posterior"]
STATISTICS = ("mean", "sd", "min", "max", "zeros")
_CUTS = (0.025, 0.5, 0.975)
_CELLS = 2_000_000  # predictors held at a time
_MOST = 25_000_000  # responses that are returned at once
_SURE = 1e15  # mean from which the spread of a count is beyond its digits


@dataclass(frozen=True, eq=False, repr=False)
class Predictive(Shown):
    """Simulated responses by what they have in common with the observed ones.

    Parameters
    ----------
    fit : whose rows they are of.
    kind : "prior" or "posterior": where the coefficients come from.
    seed : of the draws.
    coef : (draws, p) coefficients; 0 where aliased.
    statistics : by name, each (draws,): mean, sd, min, max and share of zeros of the response over rows.
    observed : the same of the observed response.
    """

    fit: Fit
    kind: Kind
    seed: int
    coef: Array
    statistics: Mapping[str, Array]
    observed: Mapping[str, float]

    @property
    def draws(self) -> int:
        """Number of simulated responses."""
        return len(self.coef)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was drawn, and what could not be."""
        phi = self.fit.estimate.dispersion
        lines = [f"{self.draws:,} draws · seed {self.seed}"]
        if self.kind == "posterior":
            lines.append(f"coefficients: {label(self.fit)}")
        if phi.estimator != "fixed":
            lines.append(f"dispersion {figure(phi.value)}, that of the fit in every draw: it has no prior")
        if self.fit.spec.call["weights"] is not None and phi.estimator == "fixed" and not self._has_trials:
            lines.append("weights= do not enter the draws: they are no part of the distribution of a count")
        lost = int(np.isnan(self.statistics["mean"]).sum())
        if lost:
            lines.append(f"{lost:,} draws have a mean outside the domain of the family, and no response")
        return tuple(lines)

    def to_frame(self) -> Any:
        """Return a row per draw in the caller's library: the statistics, and the coefficients as coef[…]."""
        named = {f"coef[{name}]": self.coef[:, k] for k, name in enumerate(self.fit.columns)}
        return frame({**self.statistics, **named}, replace(self.fit.native, index=None))

    def responses(self, data: Any = None) -> Any:
        """Return the simulated responses, a row per row of the fit and a column per draw: "1", "2", ….

        Parameters
        ----------
        data : the data of the fit, where the fit holds none.

        Raises
        ------
        ArgumentError : frequency weights, whose rows are many responses; too many to hold.
        """
        fit = self.fit
        if fit.spec.call["freq_weights"] is not None:
            raise ArgumentError("With freq_weights a row is several responses. Write the rows out.")
        if fit.nobs * self.draws > _MOST:
            raise ArgumentError(
                f"{fit.nobs:,} rows times {self.draws:,} draws are too many to hold. Ask for "
                f"{max(_MOST // max(fit.nobs, 1), 1):,} draws, or use the statistics."
            )

        def values(block: Block) -> Array:
            out = np.full((len(block.y), self.draws), np.nan)
            inside = np.flatnonzero(block.counted)
            for draw, y in _simulated(fit, self.coef, self.seed, block):
                out[inside, draw] = y
            return out

        found = rows_of_fit(fit, "responses()", values, data, width=self.draws).whole()
        return found.table({str(k + 1): found.values[:, k] for k in range(self.draws)})

    def listing(self) -> Listing:
        """Return observed and simulated statistics as a printed table."""
        names = [name for name in STATISTICS if name != "zeros" or self._has_zeros]
        ends = {word: [] for word in ("low_2.5", "median", "high_97.5")}
        for name in names:
            values = self.statistics[name][~np.isnan(self.statistics[name])]
            drawn = np.quantile(values, _CUTS, method="inverted_cdf") if len(values) else None
            cut = (np.nan,) * 3 if drawn is None else drawn
            for column, value in zip(ends.values(), cut, strict=True):
                column.append(float(value))
        columns = {"observed": [self.observed[name] for name in names], **ends}
        title = (f"Response simulated from the {self.kind}", self.fit.formula)
        return Listing(title, tuple(names), columns, self.notes, self.fit.native, "statistic")

    @property
    def _has_trials(self) -> bool:
        return self.fit.spec.likelihood.family.name == "binomial"

    @property
    def _has_zeros(self) -> bool:
        return self.observed["zeros"] > 0 or bool(np.nansum(self.statistics["zeros"]) > 0)

    def _shown(self) -> Listing:
        return self.listing()


def predictive(fit: Fit, kind: Kind, draws: int, seed: int | None, data: Any) -> Predictive:
    """Return simulated responses; the words are those of `Fit.prior_predictive`."""
    name = f"{kind}_predictive()"
    _check(fit, name, draws, seed)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    coef = _of_prior(fit, draws, rng) if kind == "prior" else _of_posterior(fit, draws, rng)
    held = frame_of(fit, name, data)
    total = held.reduce(lambda block: _tally(fit, coef, seed, block))
    named = dict(zip(STATISTICS, total.statistics(), strict=True))
    statistics = {word: values[1:].copy() for word, values in named.items()}
    observed = {word: float(values[0]) for word, values in named.items()}
    return Predictive(fit, kind, seed, coef, statistics, observed)


def _check(fit: Fit, name: str, draws: int, seed: int | None) -> None:
    if fit.spec.estimator is None or fit.spec.estimator.kind != "prior":
        raise ComparisonError(f'{name} needs a fit with priors. Fit with prior=, such as prior="weak".')
    if isinstance(draws, bool) or not isinstance(draws, Integral) or draws < 1:
        raise ArgumentError(f"draws must be a whole number >= 1: {draws!r}. The default is 1000.")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0):
        raise ArgumentError(f"seed must be a whole number >= 0: {seed!r}.")


def _of_prior(fit: Fit, draws: int, rng: np.random.Generator) -> Array:
    """Coefficients (draws, p) from the priors.

    Raises
    ------
    ComparisonError : coefficients without a prior.
    """
    priors: Any = fit.spec.estimator
    used = np.flatnonzero(~np.isnan(fit.estimate.theta))
    known = {one.name for one in priors.priors}
    flat = [fit.columns[slot] for slot in used if fit.columns[slot] not in known]
    if flat:
        raise ComparisonError(
            f"prior_predictive() draws every coefficient from its prior: {', '.join(flat)} without one would "
            'be anything. Give a prior, as in prior={"Intercept": normal(0, 2.5), …}.'
        )
    own = [one for one in priors.priors if one.name in {fit.columns[slot] for slot in used}]
    values = np.column_stack([one.prior.draw(rng, draws) for one in own])
    rows = np.array([one.row(fit.columns)[used] for one in own])
    coef = np.zeros((draws, len(fit.columns)))
    coef[:, used] = np.linalg.solve(rows, values.T).T
    return coef


def _of_posterior(fit: Fit, draws: int, rng: np.random.Generator) -> Array:
    """Coefficients (draws, p) from the normal approximation to the posterior.

    Raises
    ------
    ComparisonError : coefficients without one.
    """
    root = covariance_root(fit)
    without = np.isnan(root).any(axis=1) & ~np.isnan(fit.estimate.theta)
    if without.any():
        names = ", ".join(fit.columns[slot] for slot in np.flatnonzero(without))
        raise ComparisonError(
            f"posterior_predictive() draws from the normal approximation, which {names} does not have: at "
            "the kink of a laplace prior, at a bound, or infinite. Use a normal or t prior."
        )
    steps = rng.standard_normal((draws, root.shape[1])) @ np.nan_to_num(root).T
    return np.nan_to_num(fit.estimate.theta) + steps


def _simulated(fit: Fit, coef: Array, seed: int, block: Block) -> Any:
    """Yield (draw, responses of the rows that count), a row as often as it is counted."""
    counts = block.counted
    rows = np.repeat(np.arange(len(counts)), counts.astype(np.intp))
    likelihood, step = fit.spec.likelihood, max(_CELLS // max(len(counts), 1), 1)
    low, high = likelihood.bounds
    for first in range(0, len(coef), step):
        eta = block.X[0].dot(np.ascontiguousarray(coef[first : first + step].T)) + block.offset[:, :1]
        for place, values in enumerate(eta[rows].T):
            rng = np.random.default_rng(
                np.random.SeedSequence(seed, spawn_key=(1, first + place, block.number))
            )
            inside = (values >= low) & (values <= high)
            with np.errstate(all="ignore"):
                y = likelihood.mean(np.where(inside, values, np.nan)[:, None]).reshape(len(values))
            drawn = inside & (y < _SURE)
            y[drawn] = likelihood.family.simulate(rng, y[drawn], block.weights[rows][drawn], fit.dispersion)
            y[~inside] = np.nan
            yield first + place, y


@dataclass(frozen=True, eq=False)
class _Tally:
    """Rows, and of each response its mean, squares about it, ends and zeros; the first is observed."""

    rows: int
    mean: Array
    squares: Array
    low: Array
    high: Array
    zeros: Array

    def __add__(self, other: _Tally) -> _Tally:
        if not other.rows or not self.rows:
            return self if self.rows else other
        rows, apart = self.rows + other.rows, other.mean - self.mean
        with np.errstate(invalid="ignore", over="ignore"):
            squares = self.squares + other.squares + apart**2 * (self.rows * other.rows / rows)
            mean = self.mean + apart * (other.rows / rows)
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return _Tally(rows, mean, squares, low, high, self.zeros + other.zeros)

    def statistics(self) -> tuple[Array, ...]:
        """Return the statistics in the order of their names."""
        with np.errstate(invalid="ignore"):
            sd = np.sqrt(self.squares / max(self.rows - 1, 1))
        return self.mean, sd, self.low, self.high, self.zeros / max(self.rows, 1)


def _tally(fit: Fit, coef: Array, seed: int, block: Block) -> _Tally:
    counts = block.counted
    observed = np.repeat(block.y, counts.astype(np.intp))
    found = np.zeros((5, len(coef) + 1))
    if len(observed):
        found[:, 0] = _numbers(observed)
        for draw, y in _simulated(fit, coef, seed, block):
            found[:, draw + 1] = _numbers(y)
    return _Tally(len(observed), *found)


def _numbers(y: Array) -> tuple[float, ...]:
    with np.errstate(invalid="ignore", over="ignore"):
        mean = float(y.mean())
        squares = float(np.square(y - mean).sum())
    return mean, squares, float(y.min()), float(y.max()), float(np.count_nonzero(y == 0))
