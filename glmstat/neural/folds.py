"""Which rows are held out together, and the random streams of a fit: functions of the seed alone."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import ArgumentError, DataError
from glmstat.matrix import Array, IntArray

__all__ = ["LEAST", "check_clusters", "halves", "make_folds", "stream"]

Purpose = Literal["folds", "outcome", "target", "halves", "network", "rows"]

LEAST = 5  # rows that a fold must hold: below, an out-of-fold R2 says nothing
_TRAINED = 2  # rows for each linear column that a fold must leave


def stream(seed: int, purpose: Purpose, *place: int) -> np.random.SeedSequence:
    """Return the random stream of one part of a fit: of no other part, thread or block of rows.

    Parameters
    ----------
    seed : of the fit.
    purpose : what is drawn.
    place : repetition, fold and network, as far as they apply.

    >>> stream(1, "folds", 0).generate_state(1) == stream(1, "folds", 1).generate_state(1)
    array([False])
    """
    return np.random.SeedSequence(seed, spawn_key=(get_args(Purpose).index(purpose), *place))


def make_folds(
    used: NDArray[np.bool_],
    count: int,
    seed: int,
    repetition: int = 0,
    *,
    clusters: IntArray | None = None,
    cluster: str = "cluster",
    response: Array | None = None,
    columns: int = 0,
) -> IntArray:
    """Return the fold of each row (n,), 0 to count - 1.

    Clusters, or single rows, are put in order of their events and sizes, those that are alike by chance,
    and dealt to the folds: `count` at a time, one to each fold by chance. So folds differ by at most one
    row, and by one event; with clusters by at most the largest of them.

    Parameters
    ----------
    used : whether each row counts (n,): has a weight > 0.
    count : number of folds.
    seed, repetition : of the random stream.
    clusters : (n,) codes: rows of one code stay together. None: rows are independent.
    cluster : what groups the rows, for messages.
    response : (n,) shares of a binomial family, whose events are spread evenly over the folds; None for
        others.
    columns : linear columns of the model, which the rows outside a fold must determine.

    Raises
    ------
    ArgumentError : fewer than two folds.
    DataError : fewer rows, clusters or events than the folds need.

    >>> make_folds(np.ones(10, dtype=bool), 2, seed=1).tolist()
    [0, 1, 1, 0, 1, 0, 0, 1, 0, 1]
    """
    _check_count(count)
    _check_rows(int(used.sum()), count, columns)
    rng = np.random.default_rng(stream(seed, "folds", repetition))
    return _dealt(used, count, rng, clusters, cluster, response)


def halves(
    used: NDArray[np.bool_],
    seed: int,
    *,
    clusters: IntArray | None = None,
    cluster: str = "cluster",
    response: Array | None = None,
) -> NDArray[np.bool_]:
    """Return which rows learn the features (n,), half of them; the others are for the coefficients.

    Parameters are those of `make_folds`.

    Raises
    ------
    DataError : fewer rows, clusters or events than two halves need.

    >>> int(halves(np.ones(10, dtype=bool), seed=1).sum())
    5
    """
    _check_rows(int(used.sum()), 2, 0, "inference='split'")
    rng = np.random.default_rng(stream(seed, "halves"))
    return _dealt(used, 2, rng, clusters, cluster, response, "inference='split'") == 0


def check_clusters(folds: IntArray, clusters: IntArray, cluster: str) -> None:
    """Refuse a covariance by clusters that the folds cut.

    The scores of such a cluster rest on networks that have seen other rows of it.

    Parameters
    ----------
    folds : (n,) fold of each row.
    clusters : (n,) codes; rows with a code below 0 are in no cluster.
    cluster : what groups the rows, for messages.

    Raises
    ------
    ArgumentError : a cluster has rows in several folds.

    >>> check_clusters(np.array([0, 0, 1]), np.array([4, 4, 7]), "firm")
    """
    inside = clusters >= 0
    pairs = np.unique(np.column_stack([clusters[inside], folds[inside]]), axis=0)
    names, seen = np.unique(pairs[:, 0], return_counts=True)
    cut = int(np.sum(seen > 1))
    if cut:
        raise ArgumentError(
            f"Clusters are cut by the folds: {cut:,} of {len(names):,} clusters of '{cluster}' have rows in "
            f"several folds, so that the networks have seen rows of a held-out cluster. "
            f"Give cluster='{cluster}' in the call of the model."
        )


def _check_count(count: int) -> None:
    whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
    if not whole or count < 2:
        raise ArgumentError(f"folds must be a whole number >= 2: {count!r}. The default is 5.")


def _check_rows(rows: int, count: int, columns: int, asked: str = "") -> None:
    asked = asked or f"folds={count}"
    least = max(LEAST * count, -(-_TRAINED * columns * count // (count - 1)))
    if rows < least:
        why = f" with {columns} linear columns" if least > LEAST * count else ""
        remedy = "Use more rows, or glm() without nn()."
        raise DataError(f"{asked} needs at least {least:,} rows{why}: {rows:,} enter the fit. {remedy}")


def _dealt(
    used: NDArray[np.bool_],
    count: int,
    rng: np.random.Generator,
    clusters: IntArray | None,
    cluster: str,
    response: Array | None,
    asked: str = "",
) -> IntArray:
    asked = asked or f"folds={count}"
    names, codes = (None, np.arange(len(used))) if clusters is None else _compact(clusters)
    units = len(used) if names is None else len(names)
    size = np.bincount(codes, used, units)
    if names is not None:
        _check_units(int(np.sum(size > 0)), count, asked, cluster)
    events = np.zeros(units) if response is None else np.bincount(codes, used * response, units)
    if response is not None:
        _check_events(used, response, codes, units, count, asked, "rows" if names is None else cluster)
    order = np.lexsort((rng.permutation(units), -size, -events))
    hands = np.tile(np.arange(count), (-(-units // count), 1))
    fold = np.empty(units, dtype=np.intp)
    fold[order] = rng.permuted(hands, axis=1).ravel()[:units]
    return fold[codes]


def _compact(codes: IntArray) -> tuple[IntArray, IntArray]:
    names, places = np.unique(codes, return_inverse=True)
    return names, places.ravel()


def _check_units(units: int, count: int, asked: str, cluster: str) -> None:
    if units < count:
        raise DataError(
            f"{asked} needs at least {count} clusters: '{cluster}' has {units}. "
            "Use fewer folds, or clusters of fewer rows."
        )


def _check_events(
    used: NDArray[np.bool_],
    response: Array,
    codes: IntArray,
    units: int,
    count: int,
    asked: str,
    cluster: str,
) -> None:
    """Refuse folds that would hold out every event, or every non-event."""
    for sign, has in (("> 0", response > 0), ("< 1", response < 1)):
        found = int(np.sum(np.bincount(codes, used & has, units) > 0))
        if found < count:
            what = "rows" if cluster == "rows" else f"clusters of '{cluster}'"
            raise DataError(
                f"{asked} needs at least {count} {what} with a response {sign}: {found} have one. "
                "Use fewer folds, or more rows."
            )
