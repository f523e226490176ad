"""Factors for small samples of clustered covariances: one table of whose rule is which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Literal, NamedTuple

from glmstat.errors import ArgumentError, near, one_of

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = [
    "PRESETS",
    "Factors",
    "Preset",
    "check_preset",
    "cluster_factors",
    "factor_words",
    "meant_for",
]


@dataclass(frozen=True)
class Preset:
    """Whose factor multiplies the sum over clusters.

    Parameters
    ----------
    rows : when CR1 counts rows and coefficients too, (n - 1) / (n - k): "never", "always", or "gaussian"
        (the identity link of that family only).
    ways : with several ways of clustering, G of "each" intersection of ways in its own part of the sum, or
        the G of the way that has the "fewest" clusters in all of them.
    clusters : whether there is a factor at all.
    """

    rows: Literal["never", "always", "gaussian"]
    ways: Literal["each", "fewest"]
    clusters: bool = True


PRESETS: Mapping[str, Preset] = {
    "default": Preset("never", "each"),
    "sandwich": Preset("never", "each"),  # vcovCL of a glm
    "stata": Preset("gaussian", "each"),  # vce(cluster) of ML estimators; regress
    "statsmodels": Preset("always", "each"),  # cov_type="cluster"
    "fixest": Preset("always", "fewest"),  # ssc(adj = TRUE, cluster.adj = TRUE, cluster.df = "min")
    "none": Preset("never", "each", clusters=False),  # PROC GENMOD's REPEATED: empirical errors
}


class Factors(NamedTuple):
    """What multiplies the part of each intersection of ways.

    Parameters
    ----------
    each : one factor per intersection.
    common : the factor where all are equal, else NaN.
    rows : (n - 1) / (n - k), or NaN where it is not part of them.
    """

    each: tuple[float, ...]
    common: float
    rows: float


def check_preset(covariance: Covariance) -> Preset:
    """Return whose factor a covariance asks for.

    Raises
    ------
    ArgumentError : no such preset.

    >>> from glmstat.call import Covariance
    >>> check_preset(Covariance("CR1", "firm", "fixest")).ways
    'fewest'
    """
    word = covariance.small_sample
    if word not in PRESETS:
        known = tuple(PRESETS)
        raise ArgumentError(
            f"Unknown small_sample: {word!r} in Covariance. Known: {one_of(known)}.{near(str(word), known)}"
        )
    return PRESETS[word]


def meant_for(*presets: str) -> Callable[[Covariance], None]:
    """Return what refuses every preset but the default and those for which a kind has a number of its own."""

    def check(covariance: Covariance) -> None:
        word, kind = covariance.small_sample, covariance.kind
        if word not in ("default", *presets):
            raise ArgumentError(
                f"small_sample={word!r} has no factor for {kind}. Known: {one_of(('default', *presets))}."
            )

    return check


def cluster_factors(fit: Fit, covariance: Covariance, counts: Sequence[int], nested: int = 0) -> Factors:
    """Return the factors of a clustered covariance.

    CR0: 1. CR1: G / (G - 1), times (n - 1) / (n - k) where the preset counts rows. CR1S: both, always. n
    counts rows as often as their frequency says, k is the number of estimated coefficients, absorbed effects
    among them; fixest does not count the effects of factors that are nested in clusters.

    Parameters
    ----------
    counts : number of clusters of each intersection of ways, single ways first.
    nested : parameters that the preset does not count.

    Raises
    ------
    ArgumentError : no such preset, or as many coefficients as rows where these are counted.

    Source: R's sandwich 3.0 (vcovCL) and fixest (ssc), Stata's _robust, statsmodels' cov_cluster.
    """
    preset, kind = check_preset(covariance), covariance.kind
    if covariance.small_sample == "default":
        preset = PRESETS[fit.convention.cluster_factor]
    if kind not in ("CR1", "CR1S") or (kind == "CR1" and not preset.clusters):
        return Factors((1.0,) * len(counts), 1.0, nan)
    rows = _rows_factor(fit, nested) if kind == "CR1S" or _counts_rows(fit, preset) else nan
    fewest = min(counts[: len(covariance.cluster)])
    used = [fewest if preset.ways == "fewest" else count for count in counts]
    each = tuple(count / (count - 1) * (1.0 if rows != rows else rows) for count in used)
    return Factors(each, each[0] if len(set(each)) == 1 else nan, rows)


def factor_words(factor: float, rows: float) -> str:
    """Return the factor as labels print it.

    Parameters
    ----------
    factor : the common factor; NaN where each intersection of ways has its own.
    rows : (n - 1) / (n - k), or NaN where it is not part of it.

    >>> factor_words(8 / 7, nan)
    'factor G/(G-1) = 1.143'
    >>> factor_words(nan, 39 / 37)
    'factor G/(G-1) (n-1)/(n-k), own G in each sum'
    """
    if factor == 1.0 and rows != rows:
        return "no small-sample factor"
    rule = "G/(G-1)" if rows != rows else "G/(G-1) (n-1)/(n-k)"
    return f"factor {rule}, own G in each sum" if factor != factor else f"factor {rule} = {factor:.4g}"


def _counts_rows(fit: Fit, preset: Preset) -> bool:
    family = fit.spec.likelihood.family
    linear = family.name == "gaussian" and family.link.name == "identity"
    return preset.rows == "always" or (preset.rows == "gaussian" and linear)


def _rows_factor(fit: Fit, nested: int) -> float:
    rows, rank = fit.nobs, fit.estimate.rank - nested
    if rows <= rank:
        raise ArgumentError(
            f"(n - 1) / (n - k) needs more rows than coefficients: {rows} and {rank}. "
            'Use CR1 with small_sample="default", or fewer terms.'
        )
    return (rows - 1) / (rows - rank)
