"""One resample: drawn by its number, fitted from the estimate of the fit, with its own standard errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import GlmstatError
from glmstat.estimate import Estimate
from glmstat.inference.bootstrap.scheme import Scheme, Scores, once
from glmstat.inference.determined import determined, loses_column
from glmstat.inference.nearby import fit_nearby
from glmstat.inference.score import projected
from glmstat.inference.variable import Grouping
from glmstat.inference.vcov.recipe import square_root
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.call import Covariance
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = [
    "KINDS",
    "Answer",
    "Clustered",
    "Job",
    "Kinds",
    "Pivot",
    "Replicate",
    "Sandwich",
    "by_cluster",
    "combine",
]

Kinds = NDArray[np.int8]
KINDS = ("usable", "separated", "theta infinite", "not converged", "aliased", "failed")
_USABLE, _SEPARATED, _LIMIT, _NOT_CONVERGED, _ALIASED, _FAILED = range(6)

Pivot = Callable[["Fit", "ModelFrame"], Array]


class Replicate(NamedTuple):
    """Numbers of one resample: coefficients (p,), standard errors (m,), place of its kind in KINDS.

    Coefficients are NaN where the resample does not determine them.
    """

    coef: Array
    std_error: Array
    kind: int
    reason: str = ""


Answer = tuple[int, Replicate]


@dataclass(frozen=True)
class Sandwich:
    """Roots of a covariance that needs nothing beside the rows: classical, or scores of rows.

    Parameters
    ----------
    covariance : its choice.
    """

    covariance: Covariance

    def __call__(self, fit: Fit, frame: ModelFrame) -> Array:
        """Return R (p, k) with R R' the covariance of a fit on some rows."""
        from glmstat.inference.covariance import covariance_root

        return covariance_root(fit, self.covariance)


@dataclass(frozen=True, eq=False)
class Clustered:
    """Roots of the sandwich of clusters' scores (CR0), in which a cluster drawn twice is two clusters.

    Parameters
    ----------
    groups : the clusters.
    """

    groups: Grouping

    def __call__(self, fit: Fit, frame: ModelFrame) -> Array:
        """Return R (p, k) with R R' the covariance of a fit on some rows."""
        inverse, groups = fit.estimate.information.inverse_root, self.groups
        inverse = np.where(np.isfinite(inverse), inverse, 0.0)

        def kernel(block: Block) -> Array:
            rows = projected(fit, block, inverse)
            single = rows * once(block)[:, None]
            drawn = single if block.frequency is None else rows * block.frequency[:, None]
            return by_cluster(np.hstack([single, drawn]), groups.of(block), groups.count)

        single, drawn = np.hsplit(frame.reduce(kernel), 2)
        return inverse @ square_root(drawn.T @ single)[0]


def by_cluster(rows: Array, codes: IntArray, number: int) -> Array:
    """Return the sum of the rows (n, q) of each cluster, (number, q)."""
    inside = codes >= 0
    out = np.zeros((number, rows.shape[1]))
    for slot, column in enumerate(rows.T):
        out[:, slot] = np.bincount(codes[inside], column[inside], number)
    return out


def combine(matrix: Array, values: Array) -> Array:
    """Return linear combinations (…, m) of values (…, p) that may be infinite or NaN where not used."""
    out = np.zeros((*values.shape[:-1], len(matrix)))
    with np.errstate(invalid="ignore"):
        for row, weights in enumerate(matrix):
            used = np.flatnonzero(weights)
            out[..., row] = values[..., used] @ weights[used]
    return out


@dataclass(frozen=True, eq=False)
class Job:
    """Resamples by their number: the same numbers in whatever order and wherever they are computed.

    Parameters
    ----------
    fit : the fit, holding its rows.
    scheme : how resamples are drawn.
    pivot : what studentised intervals divide by; None for nothing.
    targets : C (m, p), combinations of the coefficients with a standard error.
    seed : of all resamples; each has a stream of its own, spawned by its number.
    """

    fit: Fit
    scheme: Scheme | Scores
    pivot: Pivot | None
    targets: Array
    seed: int

    def __call__(self, number: int) -> Replicate:
        """Return the numbers of one resample."""
        try:
            with np.errstate(all="ignore"):
                return self._replicate(self.rng(number))
        except (GlmstatError, ArithmeticError, np.linalg.LinAlgError) as error:
            return Replicate(*self._nothing, _FAILED, str(error))

    def rng(self, number: int) -> np.random.Generator:
        """Return the stream of random numbers of one resample."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(number,)))

    def std_error(self, root: Array, estimate: Array) -> Array:
        """Return the standard errors (m,) from the root (p, k) of a covariance; NaN where not finite."""
        finite = np.isfinite(estimate) & np.isfinite(root).all(axis=1)
        sizes = np.linalg.norm(self.targets[:, finite] @ root[finite], axis=1)
        sizes[(self.targets[:, ~finite] != 0).any(axis=1)] = np.nan
        return sizes

    @property
    def _nothing(self) -> tuple[Array, Array]:
        return np.full(self.targets.shape[1], np.nan), np.full(len(self.targets), np.nan)

    def _replicate(self, rng: np.random.Generator) -> Replicate:
        assert self.fit.frame is not None
        if isinstance(self.scheme, Scores):
            move, root = self.scheme.step(self.fit, self.fit.frame, rng)
            coef = self.fit.estimate.coef + move
            return Replicate(coef, self.std_error(root, coef), _USABLE)
        frame = self.scheme.frame(self.fit.frame, rng)
        estimate = self._estimate(frame)
        if loses_column(self.fit, estimate):
            return Replicate(*self._nothing, _ALIASED, estimate.convergence.reason)
        if estimate.convergence.status == "not converged":
            return Replicate(*self._nothing, _NOT_CONVERGED, estimate.convergence.reason)
        coef = determined(self.fit, frame, estimate)
        lost = np.isfinite(self.fit.estimate.coef) & ~np.isfinite(coef)
        of_mean = np.isin(np.arange(len(lost)), self.fit.spec.design.predictors[0].slots)
        kind = _SEPARATED if lost[of_mean].any() else _LIMIT if lost.any() else _USABLE
        if self.pivot is None:
            return Replicate(coef, self._nothing[1], kind)
        root = self.pivot(replace(self.fit, estimate=estimate, frame=frame, kept={}), frame)
        return Replicate(coef, self.std_error(root, coef), kind)

    def _estimate(self, frame: ModelFrame) -> Estimate:
        return fit_nearby(self.fit, frame, np.nan_to_num(self.fit.estimate.theta))
