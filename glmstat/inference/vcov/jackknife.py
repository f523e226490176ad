"""Covariance of the coefficients from fits that leave out one row, or one cluster, at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from glmstat.compute import triangle
from glmstat.errors import ArgumentError, ConvergenceWarning, DataError, GlmstatError, outside
from glmstat.inference.determined import determined
from glmstat.inference.influence.deletion import without_cluster, without_row
from glmstat.inference.nearby import fit_nearby
from glmstat.inference.rows import Stack
from glmstat.inference.score import frame_of
from glmstat.inference.variable import grouping
from glmstat.inference.vcov.cluster import way_names
from glmstat.inference.vcov.recipe import Facts, Recipe, Vcov
from glmstat.matrix import Array, Block
from glmstat.progress import track

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit
    from glmstat.frame import ModelFrame

__all__ = ["JACKKNIFE", "jackknife"]


def jackknife(fit: Fit, inverse: Array, covariance: Covariance, data: Any = None) -> Vcov:
    """Return (G - 1) / G Σ (b_g - b)(b_g - b)', b_g the coefficients without row or cluster g, b their mean.

    Every b_g is a maximum likelihood estimate, found from the coefficients of the fit: G fits for G rows or
    clusters. A row that counts f times stands for f rows, any of which is left out. t has G - 1 degrees of
    freedom with clusters; without, the distribution is that of the classical covariance.

    Ctrl-C raises KeyboardInterrupt, and the finished estimates stay on the fit: the same call goes on from
    there. Part of the units make no covariance, so there is none before all are done.

    Parameters
    ----------
    fit, inverse, covariance, data : as in Recipe. `cluster` of the covariance, of which several are taken
        together, is what is left out as a whole.

    Raises
    ------
    ArgumentError : the fit did not converge; no clusters, of data that are read block by block.
    DataError : fewer than two usable estimates, or one cluster.

    Warns
    -----
    ConvergenceWarning : estimates that do not exist without some row or cluster are left out of the sum.

    Source: Tukey (1958); centre and factor as R's sandwich, vcovJK, and Stata's vce(jackknife).
    """
    if fit.status == "not converged":
        raise ArgumentError(
            "The jackknife leaves rows out of a maximum of the likelihood: the fit did not converge. "
            "Fit it again first."
        )
    frame = frame_of(fit, "jackknife", data)
    units = _clusters(fit, covariance, data) if covariance.cluster else _rows(frame)
    frame = frame.reading(units.names)
    finite = np.isfinite(fit.estimate.coef) & (np.abs(inverse).max(axis=1, initial=0.0) > 0)
    found = _replicates(fit, frame, units, finite, f"{covariance.key} unfinished")
    used = ~np.isnan(found).any(axis=1)
    times, total = units.times[used], float(units.times.sum())
    count = float(times.sum())
    if count < 2:
        raise DataError(
            f"jackknife needs two usable estimates or more: there are {count:,.0f} of {total:,.0f}. "
            'Use "HC3" or "CR3".'
        )
    if count < total:
        warnings.warn(_lost(covariance, total - count, total), ConvergenceWarning, stacklevel=outside())
    centred = found[used] - times @ found[used] / count
    factor = (count - 1.0) / count
    upper = triangle(np.sqrt(factor * times)[:, None] * centred)
    root = np.zeros((len(finite), max(1, len(upper))))
    root[finite, : len(upper)] = upper.T
    groups = (int(total),) if covariance.cluster else ()
    df = count - 1.0 if covariance.cluster else nan
    return Vcov(root, Facts(factor=factor, df=df, groups=groups, reps=count))


class _Units(NamedTuple):
    """What is left out in turn: changes of blocks, for how many equal units, and what columns they read."""

    changes: list[Callable[[Block], Block]]
    times: Array
    names: tuple[str, ...] = ()


def _clusters(fit: Fit, covariance: Covariance, data: Any) -> _Units:
    groups = grouping(fit, covariance.cluster, "cluster", data)
    if groups.count < 2:
        raise DataError(
            f"jackknife needs two clusters or more: {groups.text} has {groups.count}. Leave cluster= out."
        )
    changes = [without_cluster(groups, code) for code in range(groups.count)]
    return _Units(changes, np.ones(groups.count), groups.names)


def _rows(frame: ModelFrame) -> _Units:
    """Rows of positive weight, each as often as it counts."""
    if not frame.source.held:
        raise ArgumentError(
            "The jackknife fits once without each row: the data are read block by block, in many passes for "
            'each fit. Use "HC3", which approximates it in one pass, or clusters: "jackknife ~ firm".'
        )

    def kernel(block: Block) -> Stack:
        used = block.total > 0
        counts = block.frequencies[used]
        return Stack((np.column_stack([block.source_rows(used).astype(np.float64), counts]),))

    rows, times = frame.reduce(kernel).values.T
    return _Units([without_row(int(row)) for row in rows], times)


def _replicates(fit: Fit, frame: ModelFrame, units: _Units, finite: Any, unfinished: str) -> Array:
    """Coefficients (G, m) without each unit; a row of NaN where there is no estimate of all of them.

    What an interruption leaves is kept on the fit under the name `unfinished`, and taken up again.
    """
    out = np.full((len(units.changes), int(finite.sum())), np.nan)
    before = fit.kept.get(unfinished, out[:0])
    first = done = len(before)
    out[:first] = before
    try:
        for change in track(units.changes[first:], len(out) - first, "jackknife"):
            coef = _coefficients(fit, frame.changed(change))
            if coef is not None:
                out[done] = coef[finite]
            done += 1
    except KeyboardInterrupt:
        fit.kept[unfinished] = _read_only(out[:done])
        raise KeyboardInterrupt(
            f"jackknife: {done:,} of {len(out):,} estimates are done and kept. "
            "The same call goes on from there."
        ) from None
    fit.kept.pop(unfinished, None)
    out[~np.isfinite(out).all(axis=1)] = np.nan
    return out


def _read_only(values: Array) -> Array:
    values = values.copy()
    values.flags.writeable = False
    return values


def _coefficients(fit: Fit, frame: ModelFrame) -> Array | None:
    """The coefficients (p,) on some rows; None where there is no maximum."""
    start = None if fit.estimate.directions else np.nan_to_num(fit.estimate.theta)
    try:  # coefficients do not depend on the dispersion
        estimate = fit_nearby(fit, frame, start, dispersion=1.0)
        if estimate.convergence.status == "not converged":
            return None
        return determined(fit, frame, estimate)
    except GlmstatError:
        return None


def _lost(covariance: Covariance, lost: float, total: float) -> str:
    what = "clusters" if covariance.cluster else "rows"
    return (
        f"The jackknife leaves out {lost:,.0f} of {total:,.0f} {what}: without one of them a coefficient is "
        "infinite, aliased or not found, and its standard error is too small. Merge or drop the level of a "
        f'factor, or use "{"CR3" if covariance.cluster else "HC3"}".'
    )


def _words(covariance: Covariance, facts: Facts) -> str:
    """What tables say about the covariance."""
    which = "one row"
    if covariance.cluster:
        count = f"one of {facts.groups[0]:,} clusters" if facts.groups else "a cluster"
        which = f"{count} of {' and '.join(way_names(covariance))}"
    return (
        f"{facts.reps:,.0f} estimates without {which} about their mean, factor (G-1)/G = {facts.factor:.5g}"
    )


JACKKNIFE: Mapping[str, Recipe] = {
    "jackknife": Recipe(jackknife, _words, takes=("cluster",), informed=False, refits=True),
}
