"""Covariances under a sampling design: strata, primary sampling units, finite populations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from glmstat.errors import DataError
from glmstat.inference.score import frame_of, projected
from glmstat.inference.variable import Grouping, RowValues, grouping, values
from glmstat.inference.vcov.cluster import way_names
from glmstat.inference.vcov.group_sums import GroupSums, group_scores, in_runs, outer
from glmstat.inference.vcov.recipe import Facts, Recipe, Vcov, from_meat
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = ["SURVEY", "survey"]

_ALL = "all rows"  # what the one stratum is called where none are given
_SAMPLED = 1e-9  # relative slack of a population that is its own sample


class _Strata(NamedTuple):
    """Of H strata: number of units (H,), sum (H, q) and sum of products (H, q, q) of their scores."""

    labels: tuple[str, ...]
    units: Array
    sums: Array
    products: Array


def survey(fit: Fit, inverse: Array, covariance: Covariance, data: Any) -> Vcov:
    """Return the linearisation covariance of a stratified sample of clusters.

    Σ over strata of (1 - f) n / (n - 1) Σ over units of (u - ū)(u - ū)' between the inverse information,
    with n primary sampling units in the stratum, u the sum of the weighted scores of a unit, ū their mean
    in the stratum and f the sampled share of the stratum's units. Units are drawn with replacement where
    `fpc` is not given; where all of every stratum is sampled, a census, the covariance is 0. t has
    units - strata degrees of freedom (the summary of svyglm has k - 1 less).

    Units are the combinations of values of `cluster`, each row where it is not given; a row that counts f
    times is then f units. Rows of weight 0 are not units, so the rows of a fit with `subset` are taken for
    the whole sample. One pass, memory G q for G units.

    Parameters
    ----------
    fit, inverse, covariance, data : as in Recipe. `strata`, `cluster` and `fpc` of the covariance: fpc is
        the number of units in the population of the row's stratum, or, where no value is above 1, the
        sampled share of them.

    Raises
    ------
    DataError : a stratum with one unit, unless all of its population is sampled; units in more than one
        stratum; an fpc that varies within a stratum, is not positive, or says that more units were sampled
        than there are.

    Source: Binder (1983); numbers as R's survey (svyglm, svyrecvar with one stage, lonely.psu = "fail").
    """
    strata = grouping(fit, covariance.strata, "strata", data) if covariance.strata != "" else None
    if covariance.cluster:
        found = _by_unit(fit, inverse, covariance, strata, data)
    else:
        found = _by_row(fit, inverse, strata, data)
    shares = np.zeros(len(found.units))
    if covariance.fpc != "":
        shares = _shares(fit, found, strata, values(fit, covariance.fpc, "fpc", data), data)
    _refuse_single(found, shares)
    meat = np.zeros((inverse.shape[1],) * 2)
    for units, share, total, products in zip(found.units, shares, found.sums, found.products, strict=True):
        if share < 1:
            meat += (1.0 - share) * units / (units - 1.0) * (products - np.outer(total, total) / units)
    units, count = int(found.units.sum()), len(found.units)
    census = float(count > 0 and bool((shares >= 1).all()))
    return from_meat(inverse, meat, Facts(df=float(units - count), groups=(units, count), extra=census))


def _by_unit(fit: Fit, inverse: Array, covariance: Covariance, strata: Grouping | None, data: Any) -> _Strata:
    """Sums by stratum of the summed scores of named units, centred in two steps to keep the digits."""
    units = grouping(fit, covariance.cluster, "cluster", data)
    labels = (_ALL,) if strata is None else strata.labels
    place = np.zeros(units.count, dtype=np.intp)
    if strata is not None:
        place = _stratum_of_units(fit, units, strata, data)
    rows = group_scores(fit, inverse, [units], data)[0]
    count = np.bincount(place, minlength=len(labels)).astype(np.float64)
    centred = rows - _total(rows, place, len(labels))[place] / count[place, None]
    sums = np.zeros((len(labels), rows.shape[1]))
    products = _products(centred, place, len(labels))
    return _Strata(labels, count, sums, products)


def _by_row(fit: Fit, inverse: Array, strata: Grouping | None, data: Any) -> _Strata:
    """Sums by stratum of the scores of rows, each its own unit."""
    width = inverse.shape[1]
    labels = (_ALL,) if strata is None else strata.labels

    def kernel(block: Block) -> GroupSums:
        scores = projected(fit, block, inverse)
        counted = block.counted[:, None]

        def summed(rows: slice) -> Array:
            some = counted[rows] * scores[rows]
            return np.hstack([counted[rows], some, outer(some, scores[rows])])

        codes = np.zeros(len(scores), dtype=np.intp) if strata is None else strata.of(block)
        return in_runs(codes, summed, width)

    total = frame_of(fit, "A survey covariance", data).reduce(kernel).whole([len(labels)])[0]
    products = total[:, 1 + width :].reshape(-1, width, width)
    return _Strata(labels, total[:, 0], total[:, 1 : 1 + width], products)


def _total(rows: Array, codes: IntArray, count: int) -> Array:
    return GroupSums.of([codes], rows).whole([count])[0]


def _products(rows: Array, codes: IntArray, count: int) -> Array:
    """Σ r r' (count, q, q) of the rows (n, q) of each code."""
    width = rows.shape[1]
    sums = in_runs(codes, lambda some: outer(rows[some], rows[some]), width)
    return sums.whole([count])[0].reshape(-1, width, width)


def _stratum_of_units(fit: Fit, units: Grouping, strata: Grouping, data: Any) -> IntArray:
    """The stratum (G,) of each unit."""

    def kernel(block: Block) -> _Span:
        used = block.total > 0
        return _Span.of(units.of(block)[used], strata.of(block)[used], units.count)

    span = frame_of(fit, "A survey covariance", data).reduce(kernel)
    astray = np.flatnonzero(span.low != span.high)
    if len(astray):
        first = astray[0]
        low, high = (strata.labels[int(end[first])] for end in (span.low, span.high))
        raise DataError(
            f"Sampling units lie in one stratum each: '{units.text}' {units.labels[first]} is in "
            f"'{strata.text}' {low} and {high}. "
            f"If units are numbered within strata, use cluster=('{strata.text}', '{units.text}')."
        )
    return span.low.astype(np.intp)


class _Span(NamedTuple):
    """Smallest and largest value (G,) in the rows of each group; infinite where it has none."""

    low: Array
    high: Array

    @classmethod
    def of(cls, codes: IntArray, given: Array | IntArray, count: int) -> _Span:
        """Return the span of the values (n,) of rows with codes (n,)."""
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, codes, given)
        np.maximum.at(high, codes, given)
        return cls(low, high)

    def __add__(self, other: _Span) -> _Span:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Span(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


def _shares(fit: Fit, found: _Strata, strata: Grouping | None, fpc: RowValues, data: Any) -> Array:
    """The sampled share (H,) of the units in the population of each stratum."""

    def kernel(block: Block) -> _Span:
        used = block.total > 0
        codes = np.zeros(int(used.sum()), dtype=np.intp) if strata is None else strata.of(block)[used]
        return _Span.of(codes, fpc.of(block)[used], len(found.units))

    span = frame_of(fit, "A survey covariance", data).reduce(kernel)
    astray = np.flatnonzero(span.low != span.high)
    if len(astray):
        _refuse_varying(fpc, strata, found.labels[int(astray[0])])
    population = span.low
    if not (population > 0).all():
        place = int(np.flatnonzero(~(population > 0))[0])
        where = _named(strata, found.labels[place])
        raise DataError(
            f"fpc must be > 0: '{fpc.text}' is {population[place]:g} in {where}. "
            "Give the size of the population, or the sampled share."
        )
    if (population <= 1).all():
        return population
    over = np.flatnonzero(found.units > population * (1.0 + _SAMPLED))
    if len(over):
        place = int(over[0])
        raise DataError(
            f"fpc is smaller than the sample: '{fpc.text}' is {population[place]:g} in "
            f"{_named(strata, found.labels[place])}, which has {found.units[place]:g} units. "
            "Give the number of units in the population."
        )
    return np.asarray(np.minimum(found.units / population, 1.0), dtype=np.float64)


def _refuse_varying(fpc: RowValues, strata: Grouping | None, label: str) -> None:
    raise DataError(
        f"fpc is one number in each stratum: '{fpc.text}' varies in {_named(strata, label)}. "
        "Give the size of the stratum's population in every row."
    )


def _refuse_single(found: _Strata, shares: Array) -> None:
    single = np.flatnonzero((found.units < 2) & (shares < 1))
    if not len(single):
        return
    names = ", ".join(found.labels[place] for place in single[:5].tolist())
    many = "stratum has" if len(single) == 1 else "strata have"
    dots = ", …" if len(single) > 5 else ""
    raise DataError(
        f"A stratum needs two sampling units or more: {len(single)} {many} one: {names}{dots}. "
        "Merge it with a similar one in strata=."
    )


def _named(strata: Grouping | None, label: str) -> str:
    return label if strata is None else f"'{strata.text}' {label}"


def _words(covariance: Covariance, facts: Facts) -> str:
    by = f" of {':'.join(way_names(covariance))}" if covariance.cluster else ""
    sampled = f"sampling units{by}"
    if facts.groups:
        units, strata = facts.groups
        sampled = f"{units:,} {sampled} in {'1 stratum' if strata == 1 else f'{strata:,} strata'}"
    corrected = ", finite population" if covariance.fpc != "" else ""
    census = ", census: no sampling error" if facts.extra == 1 else ""
    return f"linearisation, {sampled}{corrected}{census}"


SURVEY: Mapping[str, Recipe] = {"survey": Recipe(survey, _words, takes=("cluster", "strata", "fpc"))}
