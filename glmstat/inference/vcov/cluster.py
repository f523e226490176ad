"""Clustered covariances: sums of scores by group, adjusted for leverage or by a factor.

With several ways of clustering the sum over intersections may have negative eigenvalues. They are put to 0 in
the whitened meat L'ML, L L' the inverse information: in units of the standard errors that the model says. So
the repair does not depend on how columns are scaled or coded, and tests of a factor do not depend on its
reference level. That of R's vcovCL(fix = TRUE) takes the eigenvalues of the covariance itself, which depend
on the units of the columns, and gives other numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from glmstat.call import Values, Variable
from glmstat.errors import ArgumentError, DataError, FewClustersWarning, outside
from glmstat.inference.absorbed import nested_levels
from glmstat.inference.hat import at_boundary
from glmstat.inference.statement import need_effects
from glmstat.inference.variable import Grouping, grouping
from glmstat.inference.vcov.group_sums import group_scores
from glmstat.inference.vcov.leverage_adjusted import adjusted, as_vcovcl
from glmstat.inference.vcov.recipe import Facts, Recipe, Vcov, from_meat
from glmstat.inference.vcov.small_sample import check_preset, cluster_factors, factor_words, meant_for
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = [
    "CLUSTER",
    "FEW",
    "adjusted_for",
    "clusters",
    "few",
    "information_change",
    "variance_pieces",
    "way_names",
]

MOST_WAYS = 8  # 255 intersections
FEW = 40  # clusters below which t and normal quantiles mislead: Cameron & Miller (2015), section VI
KEPT = 20_000_000  # numbers for Satterthwaite's degrees of freedom that a fit keeps
_LAST: WeakKeyDictionary[Fit, tuple[str, Array]] = WeakKeyDictionary()  # more of them, of one covariance


def information_change(fit: Fit, covariance: Covariance) -> Array:
    """Return M (q, q) with L M L' the inverse information of the bread, L the root of the expected one."""
    kept = fit.kept.get(f"{covariance.key} change")
    if kept is None:
        return np.eye(fit.estimate.information.inverse_root.shape[1])
    return kept @ kept.T


def variance_pieces(fit: Fit, covariance: Covariance, data: Any = None) -> tuple[Array, Array]:
    """Return K and N (G, q, q) of `Adjusted` for CR2 or CR3 by one variable.

    Kept on the fit unless they are more than 2e7 numbers; of larger ones those of the last call are held as
    long as its fit lives, others are passes over the rows.
    """
    key = _pieces_key(covariance)
    if key in fit.kept:
        return fit.kept[key][0], fit.kept[key][1]
    known, pieces = _LAST.get(fit, ("", None))
    if known != key or pieces is None:
        _LAST.clear()
        way = grouping(fit, covariance.cluster, data=data)
        pieces = adjusted(fit, fit.estimate.informed_root, way, covariance.kind, data).pieces
        assert pieces is not None
        _LAST[fit] = (key, pieces)
    return pieces[0], pieces[1]


def way_names(covariance: Covariance) -> tuple[str, ...]:
    """Return what each way of clustering is called in labels and messages."""
    names = [str(way) if isinstance(way, Values) else way.strip() for way in covariance.cluster]
    return tuple(names)


def _pieces_key(covariance: Covariance) -> str:
    return f"{covariance.key} pieces"


def _keep(fit: Fit, key: str, array: Array) -> Array:
    if array.size <= KEPT:
        array.flags.writeable = False
        fit.kept[key] = array
    return array


# ---------------------------------------------------------------- ways


def _intersections(fit: Fit, covariance: Covariance, data: Any) -> tuple[list[Grouping], list[int]]:
    """Groupings by every intersection of ways, single ways first, and their signs.

    Source: Cameron, Gelbach & Miller (2011), inclusion and exclusion.
    """
    ways = covariance.cluster
    if not ways:
        raise ArgumentError(
            f'{covariance.kind} needs clusters: none are given. Write "{covariance.kind} ~ firm".'
        )
    subsets = [subset for size in range(1, len(ways) + 1) for subset in combinations(ways, size)]
    groups = [grouping(fit, subset, data=data) for subset in subsets]
    for one in groups[: len(ways)]:
        if one.count < 2:
            raise DataError(
                f"Clusters must be two or more: cluster '{one.text}' has {one.count} in the rows of the fit. "
                'Use another variable, or vcov="HC3".'
            )
    return groups, [1 if len(subset) % 2 else -1 for subset in subsets]


def adjusted_for(way: Variable, kind: str = "CR2") -> str:
    """Return how one writes a covariance with the same clusters; CR2 is what few clusters need."""
    given = f'Covariance("{kind}", cluster=…)' if isinstance(way, Values) else f'"{kind} ~ {way}"'
    return f"vcov={given}"


def _warn_few(fit: Fit, covariance: Covariance, groups: Sequence[Grouping]) -> None:
    """Warn of fewer than 40 clusters; CR2 and CR3 with Satterthwaite's df do not need it."""
    fewest, way = min(zip(groups, covariance.cluster, strict=False), key=lambda pair: pair[0].count)
    if fewest.count >= FEW:
        return
    better = f"{adjusted_for(way)}, with its Satterthwaite degrees of freedom"
    if at_boundary(fit):
        better = 'the kind "jackknife"'
    warnings.warn(
        f"Few clusters for {covariance.kind}: '{fewest.text}' has {fewest.count}, and below {FEW} standard "
        f"errors tend to be too small. Use {better}.",
        FewClustersWarning,
        stacklevel=outside(),
    )


# ---------------------------------------------------------------- recipes


def _check_ways(covariance: Covariance) -> None:
    """Refuse more ways than the intersections that one can sum over."""
    ways = len(covariance.cluster)
    if ways > MOST_WAYS:
        raise ArgumentError(
            f"{covariance.kind} sums over every intersection of the ways of clustering: "
            f"{ways} ways are given, {MOST_WAYS} are the most. Name fewer."
        )


def _check_adjusted(covariance: Covariance) -> None:
    _check_ways(covariance)
    meant_for("sandwich")(covariance)


def _factored(fit: Fit, inverse: Array, covariance: Covariance, data: Any) -> Vcov:
    """Sum of products of the clusters' scores times a factor; one pass, memory G q for each intersection."""
    check_preset(covariance)
    groups, signs = _intersections(fit, covariance, data)
    scores = group_scores(fit, inverse, groups, data)
    _warn_few(fit, covariance, groups)
    return _vcov(fit, inverse, covariance, groups, signs, scores)


def _adjusted(fit: Fit, inverse: Array, covariance: Covariance, data: Any) -> Vcov:
    """The same without a factor, of scores that are adjusted for the leverage of their cluster."""
    need_effects(fit, covariance.kind, 'Use "CR1" or "jackknife".')
    groups, signs = _intersections(fit, covariance, data)
    root, change = _leverage_root(fit, inverse, covariance)
    if covariance.small_sample == "sandwich":
        scores = [as_vcovcl(fit, root, one, covariance.kind, data) for one in groups]
        _warn_few(fit, covariance, groups)
    else:
        keep = len(groups) == 1 and 2 * groups[0].count * root.shape[1] ** 2 <= KEPT
        found = [adjusted(fit, root, one, covariance.kind, data, pieces=keep) for one in groups]
        scores = [one.scores for one in found]
        if keep and found[0].pieces is not None:
            _keep(fit, _pieces_key(covariance), found[0].pieces)
    return _vcov(fit, inverse, covariance, groups, signs, [rows @ change for rows in scores])


def _leverage_root(fit: Fit, inverse: Array, covariance: Covariance) -> tuple[Array, Array]:
    """Root L (p, q) in which leverages are taken, and K with L K the given inverse root; K is kept.

    Leverages are those of the expected information, whichever the bread inverts, as hat values are.
    """
    if covariance.information == "expected":
        return inverse, np.eye(inverse.shape[1])
    root = fit.estimate.informed_root
    change: Array = np.asarray(np.linalg.lstsq(root, inverse, rcond=None)[0], dtype=np.float64)
    return root, _keep(fit, f"{covariance.key} change", change)


def _vcov(
    fit: Fit,
    inverse: Array,
    covariance: Covariance,
    groups: Sequence[Grouping],
    signs: Sequence[int],
    scores: Sequence[Array],
) -> Vcov:
    """The covariance from the summed, adjusted scores of every intersection of ways."""
    nested = 0
    if covariance.small_sample == "fixest":
        nested = nested_levels(fit, list(groups[: len(covariance.cluster)]))
    factors = cluster_factors(fit, covariance, [one.count for one in groups], nested)
    meat = np.zeros((inverse.shape[1],) * 2)
    for sign, factor, rows in zip(signs, factors.each, scores, strict=True):
        meat += sign * factor * (rows.T @ rows)
    counts = tuple(one.count for one in groups[: len(covariance.cluster)])
    cooked = from_meat(inverse, meat)
    return cooked._replace(
        facts=cooked.facts._replace(
            factor=factors.common, df=float(min(counts) - 1), groups=counts, extra=factors.rows
        )
    )


# ---------------------------------------------------------------- words


def clusters(counts: Sequence[int]) -> str:
    """Return how many clusters there are, one number for each way.

    >>> clusters((8,)), clusters((1200, 50))
    ('8 clusters', '1,200 and 50 clusters')
    """
    if not counts:
        return "clusters"
    *most, last = (f"{count:,}" for count in counts)
    return f"{', '.join(most)} and {last} clusters" if most else f"{last} clusters"


def few(counts: Sequence[int]) -> str:
    """Return what labels add where a warning has said it once: that standard errors tend to be too small.

    >>> few((50, 8)), few((50,))
    (', few clusters', '')
    """
    return ", few clusters" if min(counts, default=FEW) < FEW else ""


def _factored_words(covariance: Covariance, facts: Facts) -> str:
    by = " and ".join(way_names(covariance))
    return f"by {by}, {clusters(facts.groups)}, {factor_words(facts.factor, facts.extra)}{few(facts.groups)}"


def _adjusted_words(covariance: Covariance, facts: Facts) -> str:
    by = " and ".join(way_names(covariance))
    plain = covariance.small_sample == "sandwich"
    if plain:
        how = "as vcovCL type " + {"CR2": "HC2", "CR3": "HC3"}[covariance.kind]
    else:
        how = {"CR2": "scores / sqrt(1-h)", "CR3": "scores / (1-h)"}[covariance.kind]
    return f"by {by}, {clusters(facts.groups)}, {how}{few(facts.groups) if plain else ''}"


CLUSTER: Mapping[str, Recipe] = {
    "CR0": Recipe(_factored, _factored_words, takes=("cluster",), check=_check_ways, summed="clusters"),
    **{
        kind: Recipe(
            _factored,
            _factored_words,
            takes=("cluster",),
            small_sample=True,
            check=_check_ways,
            summed="clusters",
        )
        for kind in ("CR1", "CR1S")
    },
    **{
        kind: Recipe(
            _adjusted,
            _adjusted_words,
            takes=("cluster",),
            small_sample=True,
            check=_check_adjusted,
            summed="clusters",
        )
        for kind in ("CR2", "CR3")
    },
}
