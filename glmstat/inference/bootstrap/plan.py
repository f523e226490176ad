"""From the words of a bootstrap to what is drawn: checks, and what the rows of the fit teach the scheme."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from glmstat.call import Covariance, Variable
from glmstat.errors import ArgumentError, DataError, near, one_of
from glmstat.inference.bootstrap.blockwise import (
    BlockCases,
    BlockParametric,
    BlockWild,
    block_sizes,
    fitted_means,
)
from glmstat.inference.bootstrap.replicate import Clustered, Pivot, Sandwich, by_cluster
from glmstat.inference.bootstrap.scheme import (
    MULTIPLIERS,
    Clusters,
    Multipliers,
    Parametric,
    Residuals,
    Scheme,
    Scores,
    Wild,
)
from glmstat.inference.covariance import RECIPES
from glmstat.inference.hat import hat_root, leverage, one_predictor
from glmstat.inference.residual import plain_residuals
from glmstat.inference.rows import Stack
from glmstat.inference.score import projected
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
    rows : number of rows, each as often as it is counted.
    pivot : what studentised intervals divide by, None where there is nothing.
    pivot_text : the same in words.
    groups : the clusters, or None.
    way : what made them, as given.
    """

    scheme: Scheme | Scores
    text: str
    rows: int
    pivot: Pivot | None
    pivot_text: str
    groups: Grouping | None = None
    way: Variable = ""

    @property
    def units(self) -> int:
        """Number of rows, or clusters, that are drawn."""
        return self.rows if self.groups is None else self.groups.count


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
    drawn = resample == "parametric" and hasattr(fit.spec.likelihood, "simulate")
    if resample not in ("case", "cluster") and not drawn:
        one_predictor(fit, f"{resample} resampling", 'Use resample="case".')
    rows = fit.frame.reduce(_Rows.of)
    if rows.total < 2:
        raise DataError(f"A bootstrap needs 2 rows at least: the fit has {rows.total}.")
    groups = _groups(fit, resample, cluster)
    if groups is None and resample != "case" and rows.most > 1:
        raise ArgumentError(
            f"{resample} resampling draws one response per row: freq_weights count rows several times. "
            'Repeat the rows, or use resample="case".'
        )
    word, _, law = resample.partition(" ")
    if word == "wild":
        return _wild(fit, rows.total, groups, law)
    scheme, text = _PLAIN[word](fit, groups)
    pivot, pivot_text = _pivot(fit, groups)
    way = "" if groups is None else _ways(fit, cluster)[0]
    return Plan(scheme, text, rows.total, pivot, pivot_text, groups, way)


class _Rows(NamedTuple):
    """How many rows there are, each as often as it is counted, and how often the most frequent is."""

    total: int
    most: int

    @classmethod
    def of(cls, block: Block) -> _Rows:
        counts = block.counted
        return cls(int(counts.sum()), int(counts.max(initial=0.0)))

    def __add__(self, other: _Rows) -> _Rows:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Rows(self.total + other.total, max(self.most, other.most))


def _refuse_fit(fit: Fit) -> None:
    need_likelihood(fit, "A bootstrap", "bootstrap")
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


def _gather(frame: ModelFrame, values: Callable[[Block], Array]) -> Array:
    """Values (rows of the data,) of all blocks, 0 outside the fit."""
    out = np.zeros(frame.source.rows)
    found = frame.reduce(lambda block: Stack((values(block),))).values
    out[slice(None) if frame.rows_kept is None else frame.rows_kept] = found
    return out


def _counts(frame: ModelFrame) -> Array:
    return _gather(frame, lambda block: block.counted)


def _means(fit: Fit) -> Array:
    """Fitted means (rows of the data,), 0 outside the fit."""
    return _gather(_frame(fit), lambda block: fitted_means(fit, block))


def _frame(fit: Fit) -> ModelFrame:
    assert fit.frame is not None
    return fit.frame


def _streams(fit: Fit) -> bool:
    """Whether no array of all rows may be made."""
    return not _frame(fit).source.held


def _pivot(fit: Fit, groups: Grouping | None) -> tuple[Pivot | None, str]:
    """Whose standard errors each resample has, with its name."""
    if groups is not None:
        return Clustered(groups), "CR0"
    kind = fit.covariance.kind
    if kind in ("classical", "opg") or RECIPES[kind].summed == "rows":
        return Sandwich(fit.covariance), kind
    return None, kind


def _case(fit: Fit, groups: Grouping | None) -> tuple[Scheme, str]:
    return BlockCases(block_sizes(_frame(fit))), "rows with replacement"


def _cluster(fit: Fit, groups: Grouping | None) -> tuple[Scheme, str]:
    assert groups is not None
    return Clusters(groups), _by("whole clusters with replacement", groups)


def _by(text: str, groups: Grouping | None) -> str:
    return text if groups is None else f"{text}, {groups.count} clusters by {groups.text}"


def _parametric(fit: Fit, groups: Grouping | None) -> tuple[Scheme, str]:
    family, frame = fit.spec.likelihood.family, _frame(fit)
    _refuse_weights(fit, frame)
    if len(fit.spec.design.predictors) > 1:
        return BlockParametric(fit), f"responses from the {family.name} distribution at the fitted predictors"

    def one(block: Block) -> Stack:
        rows = np.flatnonzero(block.counted)[:1]
        return Stack((np.column_stack([fitted_means(fit, block), block.weights])[rows],))

    mean, weights = frame.reduce(one).values[:1].T
    family.simulate(np.random.default_rng(0), mean, weights, fit.dispersion)  # refuses what it cannot draw
    text = f"responses from the {family.name} distribution at the fitted means"
    if _streams(fit):
        return BlockParametric(fit), text
    return Parametric(family, fit.dispersion, _means(fit)), text


def _refuse_weights(fit: Fit, frame: ModelFrame) -> None:
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
    trials = family.name == "binomial"

    def odd(block: Block) -> int:
        weights = block.weights[block.counted > 0]
        return int(np.sum(weights != (np.rint(weights) if trials else 1.0)))

    if frame.reduce(odd):
        what = "whole numbers of trials" if trials else "no prior weights"
        raise ArgumentError(f"Draws from the {family.name} distribution need {what}. {instead}")


def _residual(fit: Fit, groups: Grouping | None) -> tuple[Scheme, str]:
    frame = _frame(fit)
    if _streams(fit):
        raise ArgumentError(
            "Residual resampling draws from the residuals of all rows: the data are read block by block. "
            'Use resample="case", "wild" or "parametric".'
        )
    likelihood, root = fit.spec.likelihood, hat_root(fit, "residual resampling", 'Use resample="case".')
    weights, mean = _gather(frame, lambda block: block.weights), _means(fit)
    hat = _gather(frame, lambda block: leverage(fit, block, root).hat)
    residual = _gather(frame, lambda block: plain_residuals(fit, block))
    inside = _counts(frame) > 0
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


_PLAIN: dict[str, Callable[[Fit, Grouping | None], tuple[Scheme, str]]] = {
    "case": _case,
    "cluster": _cluster,
    "parametric": _parametric,
    "residual": _residual,
}


def _wild(fit: Fit, rows: int, groups: Grouping | None, law: str) -> Plan:
    few = groups is not None and groups.count < _FEW
    multipliers = MULTIPLIERS[law or ("webb" if few else "rademacher")]
    if not _linear(fit):
        text = f"wild score (one step, no refit), scores times {multipliers.name} multipliers"
        name = "HC0" if groups is None else "CR0"
        scores = _scores(fit, rows, multipliers, groups)
        return Plan(scores, _by(text, groups), rows, None, f"{name} of the drawn scores", groups)
    pivot, name = _pivot(fit, groups)
    if groups is None and not fit.covariance.kind.startswith("HC"):
        pivot, name = Sandwich(Covariance("HC0")), "HC0"
    text = _by(f"wild, residuals times {multipliers.name} multipliers", groups)
    if _streams(fit):
        return Plan(BlockWild(fit, multipliers, groups), text, rows, pivot, name, groups)
    residual = _gather(_frame(fit), lambda block: plain_residuals(fit, block))
    codes, number = (None, len(residual)) if groups is None else (groups.codes, groups.count)
    scheme = Wild(_means(fit), residual, multipliers, codes, number)
    return Plan(scheme, text, rows, pivot, name, groups)


def _scores(fit: Fit, rows: int, multipliers: Multipliers, groups: Grouping | None) -> Scores:
    frame, root = _frame(fit), _finite_root(fit)
    if groups is not None:
        found = _cluster_scores(fit, groups, root)
        return Scores(root, found, multipliers, groups.count, groups.count)
    if frame.large:
        return Scores(root, None, multipliers, 0, rows)
    whitened = frame.reduce(lambda block: Stack((projected(fit, block, root)[block.total > 0],))).values
    return Scores(root, whitened, multipliers, 0, rows)


def _finite_root(fit: Fit) -> Array:
    inverse = fit.estimate.information.inverse_root
    return np.where(np.isfinite(inverse), inverse, 0.0)


def _cluster_scores(fit: Fit, groups: Grouping, root: Array) -> Array:
    """Whitened scores summed by cluster (clusters, q)."""

    def kernel(block: Block) -> Array:
        rows = projected(fit, block, root) * block.counted[:, None]
        return by_cluster(rows, groups.of(block), groups.count)

    return _frame(fit).reduce(kernel)


def _linear(fit: Fit) -> bool:
    family = fit.spec.likelihood.family
    return family.power == 0 and family.link.name == "identity"
