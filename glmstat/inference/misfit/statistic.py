"""Score and covariance of columns that a fit does not have, cleared of the columns that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glmstat.data.reduce import tree_sum
from glmstat.errors import ComparisonError
from glmstat.inference.hypothesis.rao import Scores, coordinates, rao_statistic
from glmstat.inference.hypothesis.wald import wald_statistic
from glmstat.inference.misfit.directions import Directions
from glmstat.inference.misfit.variables import Standardised, counted
from glmstat.inference.restrict import Moments, Restricted
from glmstat.inference.score import finite_predictor
from glmstat.inference.variable import Grouping
from glmstat.inference.vcov.group_sums import GroupSums
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = [
    "Added",
    "Independent",
    "added_scores",
    "classical_statistic",
    "independent",
    "is_spanned",
    "robust_statistic",
    "weights_of",
]

_CELLS = 1 << 20  # of the added columns that are held at once: 8 MiB
_SPANNED = 1e-16  # share of a column's squares below which those that the fit's columns leave are rounding
_SINGULAR = 1e-12  # share of the meat's largest eigenvalue below which one is rounding
_DEPENDENT = 1e-10  # share of the largest eigenvalue of correlations below which one is rounding


@dataclass(frozen=True, eq=False)
class Added:
    """Sums of m added columns G at the estimate, for dispersion 1.

    Parameters
    ----------
    moments : of G~ = G - X (X'WX)⁻¹ X'WG: score G~'u, information G~'WG~, meat Σ g g' of rows or clusters.
    size : (m,) diagonal of G'WG: what there was before the fit's columns were taken out.
    """

    moments: Moments
    size: Array

    def __add__(self, other: Added) -> Added:
        return Added(self.moments + other.moments, self.size + other.size)


class _Cross(NamedTuple):
    """X'WX and X'WG in the coordinates of the fit."""

    own: Array
    other: Array

    def __add__(self, other: _Cross) -> _Cross:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Cross(self.own + other.own, self.other + other.other)


@dataclass(frozen=True, eq=False)
class _Sums:
    """What one pass gives for every set of columns, and their scores by cluster."""

    sets: tuple[Added, ...]
    clusters: GroupSums | None

    def __add__(self, other: _Sums) -> _Sums:
        sets = tuple(a + b for a, b in zip(self.sets, other.sets, strict=True))
        both = None if self.clusters is None or other.clusters is None else self.clusters + other.clusters
        return _Sums(sets, both)


class _Run(NamedTuple):
    """Some rows: columns of the fit in its coordinates, added columns, and what each row has.

    Parameters
    ----------
    score, information : (n,) of a row that counts once.
    times : (n,) how often it counts.
    codes : (n,) clusters.
    """

    X: Array
    G: list[Array]
    score: Array
    information: Array
    times: Array
    codes: IntArray | None


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a fit beside the columns that are added."""

    fit: Fit
    inputs: Standardised
    columns: tuple[Directions, ...]
    clusters: Grouping | None
    root: Array

    @property
    def widths(self) -> list[int]:
        """Number of columns of each set."""
        return [one.width for one in self.columns]

    def runs(self, block: Block) -> Iterator[_Run]:
        """Yield the rows of a block, few at a time."""
        fit, design = self.fit, self.fit.spec.design
        eta = finite_predictor(fit.estimate, block.X, block.offset, design)
        rows = fit.spec.likelihood.rows(block.y, eta, block.weights, information="expected")
        used = counted(fit, block)
        times = used.astype(np.float64) if block.frequency is None else np.where(used, block.frequency, 0.0)
        score, information = (
            np.where(used, part, 0.0) for part in (rows.gradient[:, 0], rows.expected[:, 0, 0])
        )
        X, predictor = block.X[0].dot(self.root), self.inputs.predictor(eta[:, 0], used)
        variables = self.inputs.columns(block, used)
        codes = None if self.clusters is None else self.clusters.of(block)
        step = max(1, _CELLS // (sum(self.widths) + len(self.inputs.variable)))
        for start in range(0, len(times), step):
            some = slice(start, start + step)
            Z = variables(some)
            yield _Run(
                X[some],
                [one(predictor[some], Z) for one in self.columns],
                score[some],
                information[some],
                times[some],
                None if codes is None else codes[some],
            )


def added_scores(
    fit: Fit, inputs: Standardised, sets: Mapping[str, Directions], clusters: Grouping | None
) -> dict[str, Added]:
    """Return the sums of several sets of added columns, in two passes over the rows.

    The information is the expected one: it is that of the mean alone, which is all that a robust test trusts.
    Rows that separation predicts perfectly count nothing.

    Parameters
    ----------
    clusters : whose scores are added up before they are squared; None for single rows.

    Raises
    ------
    ComparisonError : an information that is singular.
    """
    estimate = fit.estimate
    root = coordinates(fit, Restricted(np.nan_to_num(estimate.theta), estimate, estimate.directions))
    rows = _Rows(fit, inputs, tuple(sets.values()), clusters, root)
    cross = inputs.frame.reduce(lambda block: tree_sum(map(_crossed, rows.runs(block))))
    ends = np.cumsum(rows.widths)[:-1]
    share = np.asarray(np.linalg.lstsq(cross.own, cross.other, rcond=None)[0], dtype=np.float64)
    shares = np.split(share, ends, axis=1)
    sums = inputs.frame.reduce(lambda block: tree_sum(_summed(run, shares) for run in rows.runs(block)))
    if sums.clusters is None:
        return dict(zip(sets, sums.sets, strict=True))
    by_set = np.split(sums.clusters.values[0], ends, axis=1)
    return {
        name: replace(one, moments=replace(one.moments, meat=scores.T @ scores))
        for name, one, scores in zip(sets, sums.sets, by_set, strict=True)
    }


def _crossed(run: _Run) -> _Cross:
    left = (run.X * (run.times * run.information)[:, None]).T
    return _Cross(left @ run.X, left @ np.hstack(run.G))


def _summed(run: _Run, shares: Sequence[Array]) -> _Sums:
    cleared = [G - run.X @ share for G, share in zip(run.G, shares, strict=True)]
    sets = tuple(_added(run, G, left) for G, left in zip(run.G, cleared, strict=True))
    if run.codes is None:
        return _Sums(sets, None)
    scores = np.hstack(cleared) * (run.times * run.score)[:, None]
    return _Sums(sets, GroupSums.of([run.codes], scores))


def _added(run: _Run, G: Array, left: Array) -> Added:
    """Sums of one set: G as it was, and what the columns of the fit leave of it."""
    weights = run.times * run.information
    scores = left * run.score[:, None]
    meat = np.zeros((G.shape[1],) * 2) if run.codes is not None else (scores * run.times[:, None]).T @ scores
    moments = Moments(run.times @ scores, (left * weights[:, None]).T @ left, meat)
    return Added(moments, weights @ G**2)


class Independent(NamedTuple):
    """Combinations of added columns that are uncorrelated under the model: G~ basis has information 1."""

    basis: Array
    scores: Scores

    @property
    def rank(self) -> int:
        """Their number: the degrees of freedom of a test."""
        return self.basis.shape[1]


def independent(added: Added, leading: int | None = None) -> Independent:
    """Return the combinations of columns of which the fit's columns leave something.

    Parameters
    ----------
    leading : how many, those of most variance among the standardised columns; default all.
    """
    information = added.moments.information
    left = np.diag(information)
    kept = np.flatnonzero(left > _SPANNED * added.size)
    size = np.sqrt(left[kept])
    values, vectors = np.linalg.eigh(information[np.ix_(kept, kept)] / np.outer(size, size))
    used = np.flatnonzero(values > _DEPENDENT * values.max(initial=0.0))
    used = used if leading is None else used[max(0, len(used) - leading) :]
    basis = np.zeros((len(left), len(used)))
    basis[kept] = vectors[:, used] / np.sqrt(values[used]) / size[:, None]
    score, meat = basis.T @ added.moments.score, basis.T @ added.moments.meat @ basis
    return Independent(basis, Scores(Moments(score, np.eye(len(used)), meat), basis))


def is_spanned(added: Added) -> bool:
    """Return whether the columns of the fit leave nothing of the added ones."""
    return not np.trace(added.moments.information) > _SPANNED * added.size.sum()


def classical_statistic(found: Independent) -> float:
    """Return U' J^-1 U for dispersion 1."""
    return rao_statistic(found.scores)


def robust_statistic(found: Independent) -> float:
    """Return U' B^-1 U, B the meat.

    Raises
    ------
    ComparisonError : a meat that is singular.
    """
    values, vectors = np.linalg.eigh(found.scores.sums.meat)
    rank = int(np.sum(values > _SINGULAR * values.max(initial=0.0)))
    if rank < found.rank:
        raise ComparisonError(
            f'the covariance of {found.rank} scores has rank {rank}. Use more clusters, or vcov="classical".'
        )
    return wald_statistic(vectors * np.sqrt(np.maximum(values, 0.0)), found.scores.sums.score)


def weights_of(matrix: Array) -> Array:
    """Return the weights (m,) of the chi-squared sum that |U|² is, U normal with this covariance (m, m)."""
    return np.maximum(np.linalg.eigvalsh(matrix), 0.0)
