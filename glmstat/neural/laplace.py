"""Intervals of the mean of a network: the full generalised Gauss-Newton matrix with the prior of training.

A network beside linear columns is a nonlinear regression in P parameters. With J = d eta / d parameters,
W the weights of iteratively reweighted least squares for dispersion 1, and D the precisions of the prior
(0 for biases and linear columns), H = J'WJ + phi D, and eta at new rows has variance phi J0 H^-1 J0'.

The mean of M networks that were trained on the same rows gets the mean of their covariances. That is its
variance where the members move together, and an upper bound of it where they do not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack
from scipy.special import ndtri, stdtrit

from glmstat.array import Array
from glmstat.errors import ArgumentError
from glmstat.neural.wide import Hidden, Wide
from glmstat.triangular import triangle, triangular_inverse

__all__ = ["DIRECT", "ROWS", "Hidden", "Laplace", "Wide", "laplace"]

DIRECT = 5_000  # parameters up to which H itself is factored: 200 MB
ROWS = 5_000  # rows up to which the matrix of rows takes its place
_DETERMINED = 1e-11  # share of a squared column, not explained by others, below which it is rounding
_FREE = 1e-6  # share of the rows that must be left as degrees of freedom: less is rounding

_lapack: Any = lapack  # names made at import and unknown to type checkers
_blas: Any = blas


class _Inverse(ABC):
    """What H^-1 makes of gradients G (k, P), and its trace with J'WJ."""

    edf: float

    @abstractmethod
    def covariance(self, gradients: Array) -> Array:
        """Return G H^-1 G' (k, k)."""

    @abstractmethod
    def variance(self, gradients: Array) -> Array:
        """Return the diagonal of G H^-1 G' (k,)."""

    @abstractmethod
    def linear(self) -> Array:
        """Return the block of H^-1 of the linear columns (p, p)."""


@dataclass(frozen=True, eq=False)
class Laplace:
    """The covariance of eta under the Laplace approximation of a network with its prior.

    Parameters
    ----------
    wide : the model.
    inverses : of H, for each member of the ensemble.
    dispersion : phi that the covariance is scaled with.
    df : degrees of freedom of t; infinite where the dispersion is known.
    dual : whether the matrix of rows stood in for H.
    """

    wide: Wide
    inverses: tuple[_Inverse, ...]
    dispersion: float
    df: float
    dual: bool

    @property
    def edf(self) -> float:
        """Effective number of parameters, the trace of H^-1 J'WJ; the mean over members."""
        return _edf(self.inverses)

    @property
    def label(self) -> str:
        """What was computed, for the line below a table."""
        priors = " and ".join(dict.fromkeys(f"{network.prior:g}" for network in self.wide.networks))
        how = " through the matrix of rows" if self.dual else ""
        size = f"{self.wide.member(0).parameters:,} parameters" + (f", prior {priors}" if priors else "")
        mean = f", mean of {len(self.inverses)} nets" if len(self.inverses) > 1 else ""
        return f"full generalised Gauss-Newton{how}, {size}{mean}"

    @property
    def caution(self) -> str:
        """What the interval is not, for the line below a table."""
        return (
            "approximate (Laplace): rows independent, with the variance that the family says; "
            "does not include bias of the network"
        )

    @cached_property
    def linear(self) -> Array:
        """Covariance of the coefficients of the linear columns (p, p)."""
        return self.dispersion * np.mean([inverse.linear() for inverse in self.inverses], axis=0)

    def std_error(self, X: Array, inputs: Sequence[Array]) -> Array:
        """Return the standard error of eta at new rows (n,).

        Parameters
        ----------
        X : linear columns (n, p).
        inputs : (n, d) for each network.
        """
        out = np.empty(len(X))
        for rows in self.wide.chunks(len(X)):
            gradients = self.wide.jacobian(X[rows], [z[rows] for z in inputs])
            variances = [
                inverse.variance(self.wide.of_member(place, gradients))
                for place, inverse in enumerate(self.inverses)
            ]
            out[rows] = np.mean(variances, axis=0)
        return np.sqrt(self.dispersion * out)

    def covariance(self, gradients: Array) -> Array:
        """Return the covariance (k, k) of k functions of the parameters with gradients (k, P)."""
        covariances = [
            inverse.covariance(self.wide.of_member(place, gradients))
            for place, inverse in enumerate(self.inverses)
        ]
        return self.dispersion * np.mean(covariances, axis=0)

    def quantile(self, level: float) -> float:
        """Return what standard errors are multiplied by to give half an interval of coverage `level`."""
        upper = 0.5 + 0.5 * level
        return float(ndtri(upper) if self.df == inf else stdtrit(self.df, upper))


def laplace(
    networks: Sequence[Hidden],
    X: Array,
    inputs: Sequence[Array],
    weights: Array,
    *,
    dispersion: float = 1.0,
    pearson: float | None = None,
    rows: float | None = None,
) -> Laplace:
    """Return the covariance of eta of a model with networks, biased as its prior made it.

    Parameters
    ----------
    networks : with the prior that they were trained with: another one gives wrong intervals.
    X : linear columns of the rows of the fit (n, p), of full rank; the intercept is one of them.
    inputs : (n, d) for each network.
    weights : w mu'^2 / V (n,) at the fitted eta, for dispersion 1.
    dispersion : phi that the network was trained with: the prior is N(0, 1/tau) beside likelihood / phi.
    pearson : Pearson's chi-squared of the fit; where given, the covariance is scaled with
        pearson / (rows - edf), and intervals use Student's t.
    rows : number of observations; default n.

    Raises
    ------
    ArgumentError : more than 5,000 parameters and rows, or no residual degrees of freedom.

    Source: MacKay (1992), A practical Bayesian framework for backpropagation networks; Gauss-Newton in place
    of the Hessian: Immer, Korzepa & Bauer (2021). With no network: McCullagh & Nelder (1989), section 4.4.

    >>> X = np.column_stack([np.ones(4), np.arange(4.0)])
    >>> found = laplace((), X, (), np.ones(4))
    >>> found.linear.round(3).tolist(), round(found.edf, 6)
    ([[0.7, -0.3], [-0.3, 0.2]], 2.0)
    """
    wide = Wide(X.shape[1], tuple(networks))
    size = wide.member(0).parameters
    dual = size > DIRECT
    if dual:
        _check_dual(wide, size, len(X))
    kind = _ByRows if dual else _ByParameters
    inverses: list[_Inverse] = []
    for place in range(wide.members):
        member = wide.member(place)
        inverses.append(kind(member, X, tuple(inputs), weights, dispersion * member.precision))
    if pearson is None:
        return Laplace(wide, tuple(inverses), dispersion, inf, dual)
    count = len(X) if rows is None else rows
    edf = _edf(inverses)
    df = count - edf
    if not df > _FREE * count:
        raise ArgumentError(
            f"No residual degrees of freedom: {edf:.1f} effective parameters, {len(X):,} rows. "
            "Take fewer hidden units, or a larger prior."
        )
    return Laplace(wide, tuple(inverses), pearson / df, df, dual)


def _edf(inverses: Sequence[_Inverse]) -> float:
    return sum(inverse.edf for inverse in inverses) / len(inverses)


def _check_dual(wide: Wide, size: int, rows: int) -> None:
    if rows > ROWS:
        raise ArgumentError(
            f"The interval of the mean needs a matrix too large: {size:,} parameters of a network, {rows:,} "
            f"rows. Take at most {DIRECT:,} parameters or {ROWS:,} rows: fewer hidden units."
        )
    if any(network.prior <= 0 for network in wide.networks):
        raise ArgumentError(
            f"The interval of the mean needs a prior > 0: a network has {size:,} parameters. "
            "Take fewer hidden units, or prior=10."
        )


class _ByParameters(_Inverse):
    """H itself, P x P: linear columns made orthonormal, then a pivoted Cholesky factor of the rest.

    A parameter that the rows and the prior do not determine beside others (the bias of a dead unit, or of
    an identity layer beside the intercept) is held where it is; no variance of eta at the rows depends on it.
    """

    def __init__(self, wide: Wide, X: Array, inputs: tuple[Array, ...], weights: Array, ridge: Array) -> None:
        p = wide.linear
        self._whiten = _whitening(X, weights)
        cross, gram = self._sums(wide, X, inputs, weights)
        gram[np.diag_indices_from(gram)] += ridge[p:]
        size = np.sqrt(np.diagonal(gram))
        scale = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
        if gram.size:
            gram = _blas.dsyrk(-1.0, cross, trans=1, beta=1.0, c=gram, overwrite_c=1)
        gram *= scale
        gram *= scale[:, None]
        root, self._kept = _pivoted(gram)
        self._cross, self._scale, self._root = cross[:, self._kept], scale[self._kept], root
        self._root_inverse = _inverse(root)
        spread = np.sum(self._root_inverse**2, axis=1) * self._scale**2
        self.edf = float(p + len(self._kept) - spread @ ridge[p:][self._kept])

    def _sums(self, wide: Wide, X: Array, inputs: tuple[Array, ...], weights: Array) -> tuple[Array, Array]:
        """Q'WJ (p, P) with the orthonormal linear columns Q, and the upper triangle of J'WJ (P, P)."""
        p, size = wide.linear, wide.parameters - wide.linear
        cross, gram = np.zeros((p, size)), np.zeros((size, size), order="F")
        if not size:
            return cross, gram
        for rows in wide.chunks(len(X)):
            values = wide.jacobian(X[rows], [z[rows] for z in inputs])
            values *= np.sqrt(weights[rows])[:, None]
            hidden = np.ascontiguousarray(values[:, p:])
            cross += (values[:, :p] @ self._whiten).T @ hidden
            gram = _blas.dsyrk(1.0, hidden.T, beta=1.0, c=gram, overwrite_c=1)
        return cross, gram

    def _parts(self, gradients: Array) -> tuple[Array, Array]:
        """Rows of a root of G H^-1 G': linear part (k, p) and the rest (k, ·)."""
        p = len(self._whiten)
        linear = gradients[:, :p] @ self._whiten
        rest = (gradients[:, p:][:, self._kept] - linear @ self._cross) * self._scale
        return linear, _lapack.dtrtrs(self._root, rest.T, trans=1)[0].T if rest.size else rest

    def covariance(self, gradients: Array) -> Array:
        """Return G H^-1 G' (k, k)."""
        linear, rest = self._parts(gradients)
        return linear @ linear.T + rest @ rest.T

    def variance(self, gradients: Array) -> Array:
        """Return the diagonal of G H^-1 G' (k,)."""
        return sum((np.einsum("ij,ij->i", part, part) for part in self._parts(gradients)), start=np.zeros(()))

    def linear(self) -> Array:
        """Return the block of H^-1 of the linear columns (p, p)."""
        moved = (self._cross * self._scale) @ self._root_inverse
        return self._whiten @ (np.eye(len(moved)) + moved @ moved.T) @ self._whiten.T


class _ByRows(_Inverse):
    """The matrix of rows, n x n, in place of H: the same numbers by the Woodbury identity.

    With K = J D^-1 J' over the parameters with a prior and F the columns without one, eta is a Gaussian
    process with covariance K and free coefficients of F. Rows are multiplied by the roots of their weights.
    """

    def __init__(self, wide: Wide, X: Array, inputs: tuple[Array, ...], weights: Array, ridge: Array) -> None:
        _whitening(X, weights)
        self._wide, used = wide, weights > 0
        self._X, self._inputs = X[used], tuple(z[used] for z in inputs)
        self._root_weights = np.sqrt(weights[used])
        self._free = np.flatnonzero(ridge == 0)
        self._held = np.flatnonzero(ridge > 0)
        self._spread = 1.0 / ridge[self._held]
        count = len(self._X)
        matrix = np.eye(count, order="F")
        for rows in wide.chunks(count):
            matrix[rows] += self._with_rows(self._rows(rows)[:, self._held] * self._spread)
        self._root = _lapack.dpotrf(matrix, clean=1, overwrite_a=1)[0]
        free = np.vstack([self._rows(rows)[:, self._free] for rows in wide.chunks(count)])
        self._moved = self._solved(free)
        self._whiten, self._kept = _leading(self._moved, wide.linear)
        basis = self._moved[:, self._kept] @ self._whiten
        # tr(W^-1 P) over the rows: what the smoother leaves of each
        root_inverse = _inverse(self._root)
        left = np.sum(root_inverse**2) - np.sum(_lapack.dtrtrs(self._root, basis)[0] ** 2)
        self._basis = basis
        self.edf = float(count - left)

    def _rows(self, rows: slice) -> Array:
        """Derivatives of some rows of the fit, times the roots of their weights."""
        values = self._wide.jacobian(self._X[rows], [z[rows] for z in self._inputs])
        return values * self._root_weights[rows][:, None]

    def _with_rows(self, scaled: Array) -> Array:
        """G D^-1 J' (k, n) of gradients divided by the prior (k, held)."""
        parts = [scaled @ self._rows(rows)[:, self._held].T for rows in self._wide.chunks(len(self._X))]
        return np.hstack(parts)

    def _solved(self, right: Array) -> Array:
        """R^-T right."""
        return _lapack.dtrtrs(self._root, right, trans=1)[0]

    def _parts(self, gradients: Array) -> tuple[Array, Array, Array]:
        """Prior (k, held), what the rows explain of it (k, n), and the free part (k, ·), as roots."""
        prior = gradients[:, self._held] * np.sqrt(self._spread)
        explained = self._solved(self._with_rows(gradients[:, self._held] * self._spread).T).T
        free = gradients[:, self._free[self._kept]] @ self._whiten - explained @ self._basis
        return prior, explained, free

    def covariance(self, gradients: Array) -> Array:
        """Return G H^-1 G' (k, k)."""
        prior, explained, free = self._parts(gradients)
        return prior @ prior.T - explained @ explained.T + free @ free.T

    def variance(self, gradients: Array) -> Array:
        """Return the diagonal of G H^-1 G' (k,)."""
        prior, explained, free = (np.einsum("ij,ij->i", part, part) for part in self._parts(gradients))
        return np.maximum(prior - explained, 0.0) + free

    def linear(self) -> Array:
        """Return the block of H^-1 of the linear columns (p, p)."""
        rows = self._whiten[: self._wide.linear]
        return rows @ rows.T


def _whitening(X: Array, weights: Array) -> Array:
    """R^-1 (p, p) that makes sqrt(W) X R^-1 orthonormal, from the QR factors of the rows."""
    size = np.sqrt(np.square(X).T @ weights)
    if not X.shape[1]:
        return np.zeros((0, 0))
    root = triangle(np.sqrt(weights)[:, None] * X / np.where(size > 0, size, 1.0))
    inverse = triangular_inverse(root) if np.abs(np.diagonal(root)).min() > _DETERMINED else None
    if inverse is None:
        raise ArgumentError(
            "The linear columns are not of full rank in the rows that have weight. Leave aliased columns out."
        )
    return inverse / size[:, None]


def _pivoted(gram: Array) -> tuple[Array, NDArray[np.intp]]:
    """Upper triangular R (r, r) of the columns kept, with R'R = gram[kept, kept], from its upper triangle."""
    if not gram.size or np.diagonal(gram).max() <= _DETERMINED:
        return np.zeros((0, 0)), np.zeros(0, dtype=np.intp)
    root, order, rank, _ = _lapack.dpstrf(np.asfortranarray(gram), tol=_DETERMINED)
    kept = np.asarray(order[:rank], dtype=np.intp) - 1
    return np.asfortranarray(np.triu(root[:rank, :rank])), kept


def _leading(columns: Array, first: int) -> tuple[Array, NDArray[np.intp]]:
    """R^-1 of the independent ones of columns (n, m), the first ones kept in any case, and their places."""
    size = np.linalg.norm(columns, axis=0)
    scaled = columns / np.where(size > 0, size, 1.0)
    lead = np.linalg.qr(scaled[:, :first])[0]
    rest = scaled[:, first:] - lead @ (lead.T @ scaled[:, first:])
    _, chosen = _pivoted(rest.T @ rest)
    kept = np.concatenate([np.arange(first), first + np.sort(chosen)])
    root = triangle(scaled[:, kept])
    return _inverse(root) / size[kept][:, None], kept


def _inverse(root: Array) -> Array:
    inverse = triangular_inverse(root) if root.size else np.zeros((0, 0))
    assert inverse is not None, "the factor is of full rank"
    return np.triu(inverse)
