"""Scores of clusters adjusted for their leverage: CR2 and CR3.

In whitened rows: Z = W^(1/2) X L with W the expected information of each row, L L' the inverse information,
so that Z'Z = I, and e the Pearson residuals, so that Z'e are the scores. Of cluster j, S_j = Z_j'Z_j.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ellipj, ellipk, ellipkm1

from glmstat.errors import ArgumentError
from glmstat.inference.hat import not_at_boundary
from glmstat.inference.score import finite_predictor, frame_of, gradient
from glmstat.inference.variable import Grouping
from glmstat.inference.vcov.group_sums import (
    GroupSums,
    equal_sizes,
    expected_information,
    group_leverages,
    group_scores,
    one_thread,
    products_by_group,
)
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["POWERS", "Adjusted", "adjusted", "as_vcovcl"]

POWERS = {"CR2": -0.5, "CR3": -1.0}
_SINGULAR = 1e-10  # 1 less a leverage below which the cluster alone determines a direction
_SMALL = 0.9  # sum of the eigenvalues of leverages that are far from singular
_CHUNK = 1_000_000  # numbers of the matrices of clusters that are worked on at once
_GATHERED = 20_000_000  # numbers of whitened rows held at once
_LARGEST = 200_000_000  # the same of one cluster, where no row need be in memory
_CACHED = 20_000  # numbers of whitened rows that are worked on at once
_CERTAIN = 1e-4  # eigenvalue, of at most 1, from which its inverse root has 12 digits
_DIGITS = 37.0  # natural logarithm of 1e16
_EVEN = 1e-12  # relative spread of the variances below which they are one


class Adjusted(NamedTuple):
    """Of G clusters: adjusted scores, and what the model says about their variance.

    Parameters
    ----------
    scores : h (G, q).
    pieces : (2, G, q, q), or None where only the scores were asked for.
    """

    scores: Array
    pieces: Array | None

    @property
    def variance(self) -> Array:
        """K (G, q, q): variance of h_j where rows are independent, had the coefficients been known."""
        assert self.pieces is not None
        return self.pieces[0]

    @property
    def overlap(self) -> Array:
        """N (G, q, q): h_j moves by N_j d when the coefficients move by L d."""
        assert self.pieces is not None
        return self.pieces[1]


def adjusted(
    fit: Fit, root: Array, way: Grouping, kind: str, data: Any = None, *, pieces: bool = True
) -> Adjusted:
    """Return the adjusted scores of clusters for CR2 or CR3.

    CR3: h_j = (I - S_j)^(-1) Z_j'e_j, the step of the coefficients when the cluster is left out. CR2:
    h_j = Z_j' B_j^(-1/2) T_j e_j with B_j = T_j (I - Z_j Z_j') T_j and T_j the diagonal matrix of the
    variances of the rows, of the response and for dispersion 1; their sum of squares has the expectation
    that the model says. Where all variances are equal, and in models other than GLMs or with several
    predictors, this is (I - S_j)^(-1/2) Z_j'e_j. Directions that a cluster alone determines are left out:
    generalised inverses.

    Memory 2 G q q with the pieces; for CR2 with unequal variances the rows are gathered by cluster, in as
    many passes as keep these small but for a cluster that is large alone.

    Raises
    ------
    ArgumentError : a mean at the boundary of its domain; for CR2 with unequal variances a cluster of more
        rows than fit in memory, where data are read block by block.

    Source: Bell & McCaffrey (2002); Pustejovsky & Tipton (2018); numbers as R's
    clubSandwich (vcovCR of a glm).
    """
    not_at_boundary(fit, kind, 'Use "CR1" or "jackknife".')
    one = len(fit.spec.design.predictors) == 1
    if kind == "CR2" and one and isinstance(fit.spec.likelihood, GLM) and not _even(fit, data):
        return _gathered(fit, root, way, data, pieces)
    leverages = group_leverages(fit, root, way, data)
    scores = group_scores(fit, root, [way], data)[0]
    found = np.empty((2, *leverages.shape)) if pieces else None
    with one_thread(leverages.size):
        for some in _chunks(leverages):
            power = _function(leverages[some], POWERS[kind])
            scores[some] = np.einsum("gij,gj->gi", power, scores[some])
            if found is not None:
                found[1, some] = power @ leverages[some]
                found[0, some] = found[1, some] @ power
    return Adjusted(scores, found)


def _chunks(matrices: Array) -> list[slice]:
    """Runs of clusters whose matrices (G, q, q) are few numbers."""
    step = max(1, _CHUNK // max(1, matrices.shape[-1] ** 2))
    return [slice(start, start + step) for start in range(0, len(matrices), step)]


def as_vcovcl(fit: Fit, root: Array, way: Grouping, kind: str, data: Any = None) -> Array:
    """Return the adjusted scores (G, q) that the types HC2 (for CR2) and HC3 (for CR3) of vcovCL take.

    X'(I - H)^a W r with a = -1/2 or -1, H = X (X'WX)^(-1) X'W and r the working residuals. With H' in the
    place of H, and -1, these are the scores of CR3; they differ where the weights W of a cluster do.

    Raises
    ------
    ArgumentError : a model with several predictors, or a mean at the boundary of its domain.

    Source: numbers as R's sandwich 3.0 (vcovCL).
    """
    if len(fit.spec.design.predictors) > 1:
        raise ArgumentError(
            f'{kind} with small_sample="sandwich" needs a model with one predictor. Leave small_sample out.'
        )
    not_at_boundary(fit, kind, 'Use "CR1" or "jackknife".')
    size, design = root.shape[1], fit.spec.design
    frame = frame_of(fit, "A covariance by groups", data)

    def kernel(block: Block) -> _ByCluster:
        codes, columns = way.of(block), block.X[0].dot(root[design.predictors[0].slots])
        often = block.counted
        slope, weight = often * gradient(fit, block)[:, 0], expected_information(fit, block)[:, 0, 0]
        return _ByCluster(
            *(
                products_by_group(codes, [factor[:, None] * columns], [columns])
                for factor in (often, often * weight)
            ),
            *(GroupSums.of([codes], factor[:, None] * columns) for factor in (slope, slope * weight)),
        )

    with one_thread(frame.rows * size):
        sums = [part.whole([way.count])[0] for part in frame.reduce(kernel)]
        plain, leverages = (products.reshape(way.count, size, size) for products in sums[:2])
        scores, weighted = sums[2:]
        for some in _chunks(leverages):
            moved = _beyond(leverages[some], POWERS[kind]) @ weighted[some][:, :, None]
            scores[some] += (plain[some] @ moved)[:, :, 0]
    return scores


class _ByCluster(NamedTuple):
    """Of clusters: X'X and X'WX, and the sums of the scores and of their products with the weights."""

    plain: GroupSums
    leverages: GroupSums
    scores: GroupSums
    weighted: GroupSums

    def __add__(self, other: _ByCluster) -> _ByCluster:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _ByCluster(*(a + b for a, b in zip(self, other, strict=True)))


def _function(leverages: Array, power: float) -> Array:
    """(I - S)^power (G, q, q) for power < 0, or its generalised inverse."""
    if power == -1.0 and _are_small(leverages):
        return np.asarray(np.linalg.inv(np.eye(leverages.shape[1]) - leverages), dtype=np.float64)
    values, vectors = np.linalg.eigh(leverages)
    rest = 1.0 - values
    free = rest > _SINGULAR
    factors = np.where(free, np.where(free, rest, 1.0) ** power, 0.0)
    return (vectors * factors[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def _are_small(leverages: Array) -> bool:
    """Whether every I - S is far from singular."""
    return float(np.trace(leverages, axis1=1, axis2=2).max(initial=0.0)) < _SMALL


def _beyond(leverages: Array, power: float) -> Array:
    """F with (I - Z Z')^power = I + Z F Z' where Z'Z is S: ((1 - s)^power - 1) / s of the eigenvalues s."""
    if power == -1.0 and _are_small(leverages):
        return np.asarray(np.linalg.inv(np.eye(leverages.shape[1]) - leverages), dtype=np.float64)
    values, vectors = np.linalg.eigh(0.5 * (leverages + np.swapaxes(leverages, -1, -2)))
    rest = 1.0 - values
    free = rest > _SINGULAR
    side = np.sqrt(np.where(free, rest, 1.0))
    if power == 0.5:
        factors = -1.0 / (1.0 + np.where(free, side, 0.0))
    else:
        factors = np.where(free, 1.0 / side**2 if power == -1.0 else 1.0 / (side * (1.0 + side)), -1.0)
    return (vectors * factors[..., None, :]) @ np.swapaxes(vectors, -1, -2)


# ---------------------------------------------------------------- rows gathered by cluster


def _even(fit: Fit, data: Any) -> bool:
    """Whether all rows have the same variance."""

    def kernel(block: Block) -> _Range:
        found = _variance(fit, block)[block.total > 0]
        return _Range(found.min(initial=np.inf), found.max(initial=-np.inf))

    span = frame_of(fit, "A covariance by groups", data).reduce(kernel)
    return span.high - span.low <= _EVEN * span.high


def _variance(fit: Fit, block: Block) -> Array:
    """Variance (n,) of the response of each row, for dispersion 1."""
    likelihood = fit.spec.likelihood
    mean = likelihood.mean(finite_predictor(fit.estimate, block.X, block.offset, fit.spec.design))
    with np.errstate(divide="ignore", invalid="ignore"):
        return likelihood.family.variance(mean) / block.weights


class _Range(NamedTuple):
    """Smallest and largest value; adding takes both."""

    low: float
    high: float

    def __add__(self, other: _Range) -> _Range:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Range(min(self.low, other.low), max(self.high, other.high))


class _Rows(NamedTuple):
    """Whitened rows: cluster (n,), Z (n, q), e (n,) and the variance of the response (n,)."""

    codes: IntArray
    Z: Array
    e: Array
    variance: Array

    def of(self, places: IntArray) -> tuple[Array, Array, Array]:
        """Z, e and variance at some places, of any shape."""
        return self.Z[places], self.e[places], self.variance[places]


@dataclass(frozen=True, eq=False)
class _Parts:
    """Rows of one block after the other."""

    parts: tuple[_Rows, ...]

    def __add__(self, other: _Parts) -> _Parts:
        return _Parts(self.parts + other.parts)

    @property
    def rows(self) -> _Rows:
        """All of them together."""
        return _Rows(*(np.concatenate(column) for column in zip(*self.parts, strict=True)))


def _gathered(fit: Fit, root: Array, way: Grouping, data: Any, pieces: bool) -> Adjusted:
    width = root.shape[1]
    scores = np.zeros((way.count, width))
    found = np.zeros((2, way.count, width, width)) if pieces else None
    frame = frame_of(fit, "A covariance by groups", data)
    sizes = frame.reduce(lambda block: np.bincount(way.of(block)[block.total > 0], minlength=way.count))
    if not frame.source.held and sizes.max() * (width + 3) > _LARGEST:
        raise ArgumentError(
            f"CR2 takes all rows of a cluster at once: '{way.text}' {way.labels[int(sizes.argmax())]} has "
            f'{sizes.max():,}, of data that are read block by block. Use "CR3" or "CR1".'
        )
    for first, last in _batches(sizes, _GATHERED // (width + 3)):

        def kernel(block: Block, first: int = first, last: int = last) -> _Parts:
            return _Parts((_whitened_rows(fit, block, root, way.of(block), first, last),))

        rows = frame.reduce(kernel).rows
        with one_thread(rows.Z.size):
            for codes, places in equal_sizes(rows.codes, _CACHED // width):
                Z, e, variance = rows.of(places)
                Y = _bell_mccaffrey(Z, variance)
                back = np.swapaxes(Y, 1, 2)
                scores[codes] = np.einsum("gmi,gm->gi", Y, e)
                if found is not None:
                    found[0, codes], found[1, codes] = back @ Y, back @ Z
    return Adjusted(scores, found)


def _batches(sizes: IntArray, most: int) -> Iterator[tuple[int, int]]:
    """Runs first:last of clusters with about `most` rows in all."""
    number = (np.cumsum(sizes) - 1) // max(most, 1)
    edges = np.flatnonzero(np.diff(number, prepend=-1))
    yield from zip(edges.tolist(), [*edges[1:].tolist(), len(sizes)], strict=True)


def _whitened_rows(fit: Fit, block: Block, root: Array, codes: IntArray, first: int, last: int) -> _Rows:
    """The rows of clusters first:last in a block; f equal rows are one with √f Z and √f e."""
    information = expected_information(fit, block)[:, 0, 0]
    variance = _variance(fit, block)
    used = (block.total > 0) & (information > 0) & (variance > 0) & (codes >= first) & (codes < last)
    size = np.sqrt(information[used])
    often = 1.0 if block.frequency is None else np.sqrt(block.frequency[used])
    columns = block.X[0].dot(root[fit.spec.design.predictors[0].slots])[used]
    residual = gradient(fit, block)[used, 0] / size
    return _Rows(codes[used], columns * (size * often)[:, None], residual * often, variance[used])


def _bell_mccaffrey(Z: Array, variance: Array) -> Array:
    """Y with h = Y'e, K = Y'Y and N = Y'Z, of g clusters of m rows: Y, Z (g, m, q), variance (g, m)."""
    scale = variance / variance.max(axis=1, keepdims=True)
    if Z.shape[1] <= Z.shape[2]:
        values, vectors = np.linalg.eigh(_adjustment(scale, Z))
        if values.min() > _CERTAIN:
            back = np.swapaxes(vectors, 1, 2) @ Z / np.sqrt(values)[:, :, None]
            return scale[:, :, None] * (vectors @ back)
    values, vectors = np.linalg.eigh(np.swapaxes(Z, 1, 2) @ Z)
    rest = 1.0 - values
    alone = rest <= _SINGULAR
    count = int(alone.sum(axis=1).max())
    size = values.shape[1]
    null = Z @ (vectors * alone[:, None, :])[:, :, size - count :] / scale[:, :, None]
    low = scale.min(axis=1) ** 2 * np.where(alone, 1.0, rest).min(axis=1)
    return _times_inverse_root(scale, Z, _orthonormal(null), np.minimum(low, 1.0))


def _adjustment(scale: Array, Z: Array) -> Array:
    """B (g, m, m) = T (I - Z Z') T, T = diag(scale)."""
    sized = scale[:, :, None] * Z
    squares = -sized @ np.swapaxes(sized, 1, 2)
    every = np.arange(Z.shape[1])
    squares[:, every, every] += scale**2
    return squares


def _orthonormal(vectors: Array) -> Array:
    """Orthonormal vectors (g, m, r) with the span of the given ones; zeros stay."""
    values, rotation = np.linalg.eigh(np.swapaxes(vectors, 1, 2) @ vectors)
    used = values > 0
    return vectors @ (rotation * np.where(used, np.where(used, values, 1.0) ** -0.5, 0.0)[:, None, :])


def _times_inverse_root(scale: Array, Z: Array, null: Array, low: Array) -> Array:
    """T B^(-1/2) Z (g, m, q) with B = T (I - Z Z') T, T = diag(scale), 0 < scale <= 1.

    B^(-1/2) = 2/π ∫ (B + t²)^(-1) dt over t > 0, by a rule whose error falls geometrically and whose every
    term is a diagonal matrix less one of rank q: no matrix is m wide. `null` (g, m, r) are the eigenvectors
    of B to eigenvalue 0; they are put to 1 and taken off after. The others lie from `low` (g,) to 1.

    Source: Hale, Higham & Trefethen (2008), method 3.
    """
    size = Z.shape[2]
    U = np.concatenate([scale[:, :, None] * Z, null], axis=2)
    shifts, weights = _nodes(low)
    runs = _runs(Z)
    inner = np.zeros((len(shifts), len(Z), U.shape[2], U.shape[2] + size))
    for run in runs:
        both = np.concatenate([U[:, run], Z[:, run]], axis=2)
        for place, t in enumerate(shifts):
            inner[place] += np.swapaxes(U[:, run] * _resolvent(scale[:, run], t), 1, 2) @ both
    middle = np.diag(np.r_[np.ones(size), -np.ones(null.shape[2])])
    inner = np.linalg.solve(middle - inner[..., : U.shape[2]], inner[..., U.shape[2] :])
    total = -null @ (np.swapaxes(null, 1, 2) @ Z)
    for run in runs:
        for t, weight, part in zip(shifts, weights, inner, strict=True):
            diagonal = weight[:, None, None] * _resolvent(scale[:, run], t)
            total[:, run] += diagonal * (Z[:, run] + U[:, run] @ part)
    return scale[:, :, None] * total


def _resolvent(scale: Array, t: Array) -> Array:
    """1 / (scale² + t²) (g, m, 1)."""
    return (1.0 / (scale**2 + t[:, None] ** 2))[:, :, None]


def _runs(Z: Array) -> list[slice]:
    """Runs of the rows of Z (g, m, q), so short that they stay in the processor's cache."""
    step = max(1, _CACHED // max(1, len(Z) * Z.shape[2]))
    return [slice(start, start + step) for start in range(0, Z.shape[1], step)]


def _nodes(low: Array) -> tuple[Array, Array]:
    """Shifts t and weights (k, g) with Σ weight (B + t²)^(-1) = B^(-1/2), eigenvalues from low (g,) to 1.

    t = √low sc(u) at equidistant u; sc at the upper half of the u from its symmetry.
    """
    width = ellipkm1(low)
    rate = 2.0 * np.pi * ellipk(np.minimum(low, 0.99)) / width
    half = max(4, int(np.ceil(0.5 * _DIGITS / rate.min())))
    u = (np.arange(half) + 0.5)[:, None] / (2 * half) * width
    sine, cosine, *_ = ellipj(u, 1.0 - low)
    lower = sine / cosine
    sc = np.vstack([lower, 1.0 / (np.sqrt(low) * lower)])
    weight = width / (np.pi * half) * np.sqrt(low * (1.0 + sc**2) * (1.0 + low * sc**2))
    return np.sqrt(low) * sc, weight
