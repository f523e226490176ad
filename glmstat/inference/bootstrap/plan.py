"""From the words of a bootstrap to what is drawn: checks, and what the rows of the fit teach the scheme."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import Covariance, Variable
from glmstat.errors import ArgumentError, DataError, near, one_of
from glmstat.inference.bootstrap.replicate import Clustered, Pivot, Sandwich, by_cluster
from glmstat.inference.bootstrap.scheme import (
    MULTIPLIERS,
    Cases,
    Clusters,
    Counts,
    Multipliers,
    Parametric,
    Residuals,
    Scheme,
    Scores,
    Wild,
    place,
)
from glmstat.inference.covariance import RECIPES
from glmstat.inference.hat import hat_root, leverage, one_predictor
from glmstat.inference.score import linear_predictor, projected
from glmstat.inference.statement import need_likelihood
from glmstat.inference.variable import REMEDY, Grouping, grouping, split_ways
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["RESAMPLES", "Plan", "plan"]

RESAMPLES = ("case", "cluster", "parametric", "residual", "wild", *(f"wild {name}" for name in MULTIPLIERS))
_FEW = 10  # clusters below which signs alone have too few combinations
_ONE = 1.0 - 1e-10  # hat values from here on leave no residual to learn from


@dataclass(frozen=True, eq=False)
class Plan:
    """What a bootstrap draws.

    Parameters
    ----------
    scheme : how.
    text : the same in words.
    counts : (rows of the data,) how often each row is counted; 0 where it is not in the fit.
    pivot : what studentised intervals divide by, None where there is nothing.
    pivot_text : the same in words.
    groups : the clusters, or None.
    way : what made them, as given.
    """

    scheme: Scheme | Scores
    text: str
    counts: Counts
    pivot: Pivot | None
    pivot_text: str
    groups: Grouping | None = None
    way: Variable = ""

    @property
    def units(self) -> int:
        """Number of rows, or clusters, that are drawn."""
        return int(self.counts.sum()) if self.groups is None else self.groups.count


def plan(fit: Fit, resample: str, cluster: Any = None) -> Plan:
    """Return what a bootstrap of a fit that holds its rows draws.

    Raises
    ------
    ArgumentError : an unknown word, or a way of resampling that the fit or its weights do not allow.
    DataError : one row, or one cluster.
    """
    if resample not in RESAMPLES:
        raise ArgumentError(
            f"Unknown resample: {resample!r}. Known: {one_of(RESAMPLES)}.{near(str(resample), RESAMPLES)}"
        )
    _refuse_fit(fit)
    assert fit.frame is not None
    if resample not in ("case", "cluster"):
        one_predictor(fit, f"{resample} resampling", 'Use resample="case".')
    counts = _gather(fit.frame, _counted, np.int64)
    if counts.sum() < 2:
        raise DataError(f"A bootstrap needs 2 rows at least: the fit has {counts.sum()}.")
    groups = _groups(fit, resample, cluster)
    if groups is None and resample != "case" and counts.max() > 1:
        raise ArgumentError(
            f"{resample} resampling draws one response per row: freq_weights count rows several times. "
            'Repeat the rows, or use resample="case".'
        )
    word, _, law = resample.partition(" ")
    if word == "wild":
        return _wild(fit, counts, groups, law)
    scheme, text = _PLAIN[word](fit, counts, groups)
    pivot, pivot_text = _pivot(fit, counts, groups)
    way = "" if groups is None else _ways(fit, cluster)[0]
    return Plan(scheme, text, counts, pivot, pivot_text, groups, way)


def _refuse_fit(fit: Fit) -> None:
    need_likelihood(fit, "A bootstrap")
    if fit.spec.call["sampling_weights"] is not None:
        raise ArgumentError(
            "A bootstrap of rows ignores the design of the survey: the fit has sampling weights. "
            'Use vcov="survey".'
        )
    if fit.status == "not converged":
        raise ArgumentError(
            "A bootstrap starts from the maximum of the likelihood: the fit did not converge. "
            "Fit it again first."
        )


def _groups(fit: Fit, resample: str, cluster: Any) -> Grouping | None:
    """The clusters of schemes that have some: those given, or those of the covariance of the fit."""
    if resample != "cluster" and not resample.startswith("wild"):
        if cluster is not None:
            raise ArgumentError(
                f'cluster= has no use with resample="{resample}". Use resample="cluster" or "wild".'
            )
        return None
    ways = _ways(fit, cluster)
    if not ways:
        if resample != "cluster":
            return None
        raise ArgumentError(
            'resample="cluster" needs clusters. Write cluster="firm" with the name of a column.'
        )
    first, *others = ways
    if others or (isinstance(first, str) and len(split_ways(first)) > 1):
        raise ArgumentError(
            "A bootstrap draws clusters in one way: cluster= names several. "
            'Write "firm:year" for their combinations.'
        )
    groups = grouping(fit, first, remedy=REMEDY)
    if groups.count < 2:
        raise DataError(
            f"Clusters must be two or more: cluster '{groups.text}' has 1 in the rows of the fit. "
            "Use another variable."
        )
    return groups


def _ways(fit: Fit, cluster: Any) -> tuple[Variable, ...]:
    return fit.covariance.cluster if cluster is None else Covariance(cluster=cluster).cluster


def _counted(block: Block) -> Array:
    counts = np.ones(len(block.y)) if block.frequency is None else block.frequency
    return np.where(block.total > 0, counts, 0.0)


def _gather(frame: ModelFrame, values: Callable[[Block], Array], kind: Any = np.float64) -> Any:
    """Values (rows of the data,) of all blocks, 0 outside the fit."""
    out = np.zeros(frame.source.rows, dtype=kind)

    def kernel(block: Block) -> int:
        out[place(block)] = values(block)
        return 0

    frame.reduce(kernel)
    return out


def _means(fit: Fit) -> Array:
    """Fitted means (rows of the data,), 0 outside the fit."""
    assert fit.frame is not None
    likelihood, design = fit.spec.likelihood, fit.spec.design
    return _gather(
        fit.frame,
        lambda block: likelihood.mean(linear_predictor(fit.estimate, block.X, block.offset, design)),
    )


def _pivot(fit: Fit, counts: Counts, groups: Grouping | None) -> tuple[Pivot | None, str]:
    """Whose standard errors each resample has, with its name."""
    if groups is not None:
        return Clustered(counts, groups.codes, groups.count), "CR0"
    kind = fit.covariance.kind
    if kind in ("classical", "opg") or RECIPES[kind].summed == "rows":
        return Sandwich(fit.covariance), kind
    return None, kind


def _case(fit: Fit, counts: Counts, groups: Grouping | None) -> tuple[Scheme, str]:
    return Cases(counts), "rows with replacement"


def _cluster(fit: Fit, counts: Counts, groups: Grouping | None) -> tuple[Scheme, str]:
    assert groups is not None
    return Clusters(counts, groups.codes, groups.count), _by("whole clusters with replacement", groups)


def _by(text: str, groups: Grouping | None) -> str:
    return text if groups is None else f"{text}, {groups.count} clusters by {groups.text}"


def _parametric(fit: Fit, counts: Counts, groups: Grouping | None) -> tuple[Scheme, str]:
    family = fit.spec.likelihood.family
    assert fit.frame is not None
    weights = _gather(fit.frame, lambda block: block.weights)
    inside = np.flatnonzero(counts)
    _refuse_weights(fit, weights[inside])
    scheme = Parametric(family, fit.dispersion, _means(fit), weights, inside)
    few = inside[:1]
    family.simulate(np.random.default_rng(0), scheme.mean[few], weights[few], fit.dispersion)
    return scheme, f"responses from the {family.name} distribution at the fitted means"


def _refuse_weights(fit: Fit, weights: Array) -> None:
    """Refuse what the distribution of a family of fixed dispersion knows nothing of."""
    family = fit.spec.likelihood.family
    instead = 'Use resample="case" or "wild".'
    if family.dispersion is None:
        return
    if fit.dispersion != family.dispersion:
        raise ArgumentError(
            f"The {family.name} distribution has dispersion {family.dispersion:g}: "
            f"that of the fit is {fit.dispersion:.4g}. {instead}"
        )
    whole = np.rint(weights) if family.name == "binomial" else np.ones_like(weights)
    if not np.array_equal(whole, weights):
        what = "whole numbers of trials" if family.name == "binomial" else "no prior weights"
        raise ArgumentError(f"Draws from the {family.name} distribution need {what}. {instead}")


def _residual(fit: Fit, counts: Counts, groups: Grouping | None) -> tuple[Scheme, str]:
    assert fit.frame is not None
    likelihood, root = fit.spec.likelihood, hat_root(fit, "residual resampling", 'Use resample="case".')
    weights, mean = _gather(fit.frame, lambda block: block.weights), _means(fit)
    hat = _gather(fit.frame, lambda block: leverage(fit, block, root).hat)
    residual = _plain_residuals(fit)
    inside = counts > 0
    size = np.zeros(len(mean))
    with np.errstate(all="ignore"):
        size[inside] = np.sqrt(likelihood.family.variance(mean[inside]) / weights[inside])
        learned = inside & (hat < _ONE) & (size > 0)
        pool = residual[learned] / (size * np.sqrt(1.0 - hat))[learned]
    if len(pool) < 2:
        raise ArgumentError('No residuals are left to draw from: every row fits itself. Use resample="case".')
    scheme = Residuals(mean, size, pool - pool.mean())
    _refuse_domain(fit, scheme, inside)
    kind = "modified residuals" if _linear(fit) else "standardised Pearson residuals"
    return scheme, f"{kind} with replacement, centred"


def _refuse_domain(fit: Fit, scheme: Residuals, inside: Any) -> None:
    """Refuse where some residual would carry some mean out of the domain of the response."""
    family = fit.spec.likelihood.family
    for end in (scheme.residuals.min(), scheme.residuals.max()):
        out = family.domain.outside((scheme.mean + scheme.size * end)[inside])
        if out is not None:
            raise ArgumentError(
                f"Residual resampling gives responses that the {family.name} family does not have "
                f"({family.domain.text}): in {int(out.sum()):,} of {int(inside.sum()):,} rows. "
                'Use resample="parametric", "wild" or "case".'
            )


def _plain_residuals(fit: Fit) -> Array:
    """Response less mean (rows of the data,); 0 outside the fit and in rows predicted perfectly."""
    assert fit.frame is not None
    likelihood, design = fit.spec.likelihood, fit.spec.design

    def values(block: Block) -> Array:
        eta = linear_predictor(fit.estimate, block.X, block.offset, design)
        far = ~np.isfinite(eta[:, 0]) | (block.total == 0)
        eta[far] = 0.0
        return np.where(far, 0.0, likelihood.residual(block.y, eta))

    return _gather(fit.frame, values)


_PLAIN: dict[str, Callable[[Fit, Counts, Grouping | None], tuple[Scheme, str]]] = {
    "case": _case,
    "cluster": _cluster,
    "parametric": _parametric,
    "residual": _residual,
}


def _wild(fit: Fit, counts: Counts, groups: Grouping | None, law: str) -> Plan:
    few = groups is not None and groups.count < _FEW
    multipliers = MULTIPLIERS[law or ("webb" if few else "rademacher")]
    if not _linear(fit):
        text = f"wild score (one step, no refit), scores times {multipliers.name} multipliers"
        name = "HC0" if groups is None else "CR0"
        scores = _scores(fit, counts, multipliers, groups)
        return Plan(scores, _by(text, groups), counts, None, f"{name} of the drawn scores", groups)
    pivot, name = _pivot(fit, counts, groups)
    if groups is None and not fit.covariance.kind.startswith("HC"):
        pivot, name = Sandwich(Covariance("HC0")), "HC0"
    codes, number = (None, len(counts)) if groups is None else (groups.codes, groups.count)
    scheme = Wild(_means(fit), _plain_residuals(fit), multipliers, codes, number)
    text = _by(f"wild, residuals times {multipliers.name} multipliers", groups)
    return Plan(scheme, text, counts, pivot, name, groups)


def _scores(fit: Fit, counts: Counts, multipliers: Multipliers, groups: Grouping | None) -> Scores:
    assert fit.frame is not None
    root, units = _finite_root(fit), int(counts.sum()) if groups is None else groups.count
    if groups is not None:
        return Scores(root, _cluster_scores(fit, counts, groups, root), multipliers, units, units)
    if fit.frame.large:
        return Scores(root, None, multipliers, len(counts), units)
    rows = np.concatenate([projected(fit, block, root) for block in fit.frame.blocks()])
    used = np.concatenate([block.total > 0 for block in fit.frame.blocks()])
    return Scores(root, rows[used], multipliers, units, units)


def _finite_root(fit: Fit) -> Array:
    inverse = fit.estimate.information.inverse_root
    return np.where(np.isfinite(inverse), inverse, 0.0)


def _cluster_scores(fit: Fit, counts: Counts, groups: Grouping, root: Array) -> Array:
    """Whitened scores summed by cluster (clusters, q)."""
    assert fit.frame is not None

    def kernel(block: Block) -> Array:
        rows = projected(fit, block, root) * counts[place(block), None]
        return by_cluster(rows, groups.of(block), groups.count)

    return fit.frame.reduce(kernel)


def _linear(fit: Fit) -> bool:
    family = fit.spec.likelihood.family
    return family.power == 0 and family.link.name == "identity"
