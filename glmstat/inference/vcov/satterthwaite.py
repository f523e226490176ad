"""Degrees of freedom of tests with a bias-reduced clustered covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import ArgumentError
from glmstat.inference.covariance import covariance_root, facts
from glmstat.inference.vcov.cluster import adjusted_for, information_change, variance_pieces
from glmstat.inference.vcov.group_sums import one_thread
from glmstat.inference.vcov.leverage_adjusted import POWERS
from glmstat.matrix import Array, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = ["applies", "hotelling", "satterthwaite"]

_CELLS = 1_000_000  # numbers held at once for many combinations of some clusters
_CROSSED = 4_000_000  # numbers held at once of sums over all clusters
_MOST = 1e12  # combinations x clusters x directions squared: minutes


class _Pieces(NamedTuple):
    """Of m combinations and G clusters: how each cluster enters the variance of the estimate.

    The adjusted scores of the clusters in the direction of combination s have, under the model's variance,
    the covariances diag(D_ss) - B_s B_s'; of two combinations P_st = diag(D_st) - B_s B_t'.

    c : (m, q), directions. a : (m, G, q), K c, so that D_st = a_s'c_t. b : (m, G, q), N'c: the rows of B.
    """

    c: Array
    a: Array
    b: Array

    def diagonal(self, s: int, t: int) -> Array:
        """D_st (G,)."""
        return self.a[s] @ self.c[t]

    def trace(self, s: int, t: int) -> float:
        """Trace of P_st."""
        return float(np.sum(self.diagonal(s, t)) - np.sum(self.b[s] * self.b[t]))

    def traces(self) -> Array:
        """Traces of all P_st (m, m)."""
        every = range(len(self.c))
        return np.array([[self.trace(s, t) for t in every] for s in every])

    def combined(self, matrix: Array) -> _Pieces:
        """The pieces of linear combinations, the rows of a matrix (k, m)."""
        return _Pieces(matrix @ self.c, np.tensordot(matrix, self.a, 1), np.tensordot(matrix, self.b, 1))

    def squares(self, s: int, t: int) -> float:
        """Trace of P_ss P_tt."""
        return self._trace((s, s), (t, t))

    def products(self, s: int, t: int) -> float:
        """Trace of P_st P_st."""
        return self._trace((s, t), (s, t))

    def _trace(self, left: tuple[int, int], right: tuple[int, int]) -> float:
        """Trace of P_gh P_ij without a matrix that is G wide."""
        (g, h), (i, j) = left, right
        first, second = self.diagonal(g, h), self.diagonal(i, j)
        crossed = first @ _by_group(self.b[i], self.b[j]) + second @ _by_group(self.b[g], self.b[h])
        return float(first @ second - crossed + np.sum((self.b[h].T @ self.b[i]) * (self.b[g].T @ self.b[j])))


def _pieces(model: _Model, directions: Array) -> _Pieces:
    """The pieces of some directions (m, q)."""
    a = np.einsum("gij,mj->mgi", model.variance, directions, optimize=True)
    b = np.einsum("gji,mj->mgi", model.overlap, directions, optimize=True)
    return _Pieces(directions, a, b)


class _Moments(NamedTuple):
    """Of m directions, sums over clusters: trace (m,) and squares of the diagonal, and B'B (m, q, q).

    In the words of `_Pieces`: trace of P_ss, the part Σ D² - 2 Σ D |b|² of the trace of its square, whose
    rest is |B'B|².
    """

    trace: Array
    squares: Array
    crossed: Array

    def degrees_of_freedom(self) -> Array:
        """Squared trace over the trace of the square (m,) of each P_ss; NaN without variance."""
        squares = self.squares + np.einsum("mij,mij->m", self.crossed, self.crossed)
        good = (self.trace > 0) & (squares > 0)
        return np.where(good, self.trace, np.nan) ** 2 / np.where(good, squares, 1.0)


def _moments(directions: Array, variance: Array, overlap: Array) -> _Moments:
    """Sums over the clusters of K and N (G, q, q), few clusters at once, for directions (m, q)."""
    count, width = directions.shape
    total = _Moments(np.zeros(count), np.zeros(count), np.zeros((count, width, width)))
    step = max(1, _CELLS // max(1, count * width))
    for start in range(0, len(variance), step):
        some = slice(start, start + step)
        diagonal = np.einsum("gim,mi->mg", variance[some] @ directions.T, directions)
        rows = np.ascontiguousarray(np.moveaxis(np.swapaxes(overlap[some], 1, 2) @ directions.T, 2, 0))
        size = np.einsum("mgi,mgi->mg", rows, rows)
        total.trace[:] += (diagonal - size).sum(axis=1)
        total.squares[:] += ((diagonal - 2.0 * size) * diagonal).sum(axis=1)
        total.crossed[:] += np.swapaxes(rows, 1, 2) @ rows
    return total


class _Model(NamedTuple):
    """What the degrees of freedom of any combination follow from.

    known : (p,), coefficients with a variance. root : (p, q), combinations to directions. variance, overlap :
    K and N (G, q, q) of the clusters.
    """

    known: NDArray[np.bool_]
    root: Array
    variance: Array
    overlap: Array

    def directions(self, combinations: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Directions (m, q) of combinations (m, p), and which have only known coefficients."""
        usable = ~(combinations[:, ~self.known] != 0).any(axis=1)
        return np.where(usable[:, None], combinations, 0.0) @ self.root, usable

    def degrees_of_freedom(self, combinations: Array) -> Array:
        """The degrees of freedom (m,) of t for combinations (m, p)."""
        directions, known = self.directions(combinations)
        out = np.full(len(known), np.nan)
        step = max(1, _CROSSED // max(1, self.root.shape[1] ** 2))
        with one_thread(self.variance.size):
            for start in range(0, len(known), step):
                some = slice(start, start + step)
                out[some] = _moments(directions[some], self.variance, self.overlap).degrees_of_freedom()
        return np.where(known, out, np.nan)


def applies(covariance: Covariance) -> bool:
    """Return whether degrees of freedom by Satterthwaite exist: CR2 or CR3 with one way of clustering.

    >>> from glmstat.call import Covariance
    >>> applies(Covariance("CR2", "firm")), applies(Covariance("CR2", ("firm", "year")))
    (True, False)
    """
    one = len(covariance.cluster) == 1
    return covariance.kind in POWERS and one and covariance.small_sample != "sandwich"


def satterthwaite(fit: Fit, combinations: Array, data: Any = None) -> Array:
    """Return the degrees of freedom of t for linear combinations of the coefficients.

    2 E(V)² / Var(V) of the estimated variance V = Σ (adjusted scores)², under the variance that the model
    says. Those of the coefficients are kept on the fit. No pass over the rows where the fit keeps the
    leverages of its clusters. Time G q² for each different combination.

    Parameters
    ----------
    fit : its covariance is CR2 or CR3 by one variable.
    combinations : (m, p).
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Array (m,); NaN for a combination with an aliased or infinite coefficient, or without variance.

    Raises
    ------
    ArgumentError : the covariance is of another kind, or the time for all combinations would be hours.

    Source: Bell & McCaffrey (2002); Pustejovsky & Tipton (2018); numbers as R's clubSandwich
    (coef_test, test = "Satterthwaite").

    >>> import glmstat
    >>> table = {"y": [1, 2, 4, 3, 6, 5, 9, 8], "x": [1, 2, 3, 4, 5, 6, 7, 8], "g": list("aabbccdd")}
    >>> fit = glmstat.glm("y ~ x", table, "poisson", vcov="CR2 ~ g")
    >>> satterthwaite(fit, np.eye(2)).round(2)
    array([1.65, 1.79])
    """
    _need_one_way(fit.covariance)
    different, places = _different(combinations)
    count = len(fit.columns)
    kept = fit.kept.get(_df_key(fit.covariance))
    used = different != 0
    if kept is not None and bool((used.sum(axis=1) == 1).all()):
        return kept[used.argmax(axis=1)][places]
    _refuse_long(fit, len(different), data)
    found = _model(fit, data).degrees_of_freedom(different)
    if np.array_equal(combinations, np.eye(count)):
        kept = found[places]
        kept.flags.writeable = False
        fit.kept[_df_key(fit.covariance)] = kept
    return found[places]


def hotelling(fit: Fit, matrix: Array, data: Any = None) -> tuple[float, float]:
    """Return the denominator df and the factor that make F of a Wald statistic.

    With eta the degrees of freedom of the Wishart distribution that approximates the estimated covariance
    of the m combinations, (eta - m + 1) / (eta m) times the Wald statistic is F(m, eta - m + 1).

    Parameters
    ----------
    fit, data : as `satterthwaite`.
    matrix : (m, p), of rank m.

    Returns
    -------
    eta - m + 1 and (eta - m + 1) / (eta m), at least 0; a df of 0 or less gives no p-value. NaN where a
    coefficient is aliased or infinite.

    Raises
    ------
    ArgumentError : the covariance is of another kind.

    Source: Tipton & Pustejovsky (2015); numbers as R's clubSandwich (Wald_test, test = "HTZ").
    """
    _need_one_way(fit.covariance)
    model = _model(fit, data)
    directions, known = model.directions(matrix)
    if not known.all():
        return np.nan, np.nan
    count, pieces = len(known), _pieces(model, directions)
    pieces = pieces.combined(_inverse_root(pieces.traces()))
    every = [(s, t) for s in range(count) for t in range(count)]
    variance = sum(pieces.products(s, t) + pieces.squares(s, t) for s, t in every)
    if not variance > 0:
        return np.nan, np.nan
    eta = count * (count + 1) / variance
    return float(eta - count + 1), float(max(eta - count + 1, 0.0) / (eta * count))


def _different(combinations: Array) -> tuple[Array, IntArray]:
    """The different rows, and which of them each row is."""
    rows = combinations + 0.0  # -0 is 0
    different, places = np.unique(rows, axis=0, return_inverse=True)
    return different, places.reshape(-1)


def _df_key(covariance: Covariance) -> str:
    return f"{covariance.key} df"


def _refuse_long(fit: Fit, count: int, data: Any) -> None:
    """Refuse so many different combinations that their degrees of freedom take more than minutes."""
    covariance, width = fit.covariance, fit.estimate.information.inverse_root.shape[1]
    clusters = max(facts(fit, covariance, data).groups, default=0)
    if count > len(fit.columns) and float(count) * clusters * width**2 > _MOST:
        raise ArgumentError(
            f"Degrees of freedom for each row take too long: {covariance.kind}, {count:,} different rows, "
            f"{clusters:,} clusters, {width:,} coefficients. "
            f"Use {adjusted_for(covariance.cluster[0], 'CR1')}, or fewer rows."
        )


def _need_one_way(covariance: Covariance) -> None:
    if not applies(covariance):
        raise ArgumentError(
            f"Satterthwaite degrees of freedom need CR2 or CR3 by one variable: vcov is {covariance.kind}. "
            'Use vcov="CR2 ~ firm".'
        )


def _model(fit: Fit, data: Any) -> _Model:
    covariance = fit.covariance
    covariance_root(fit, covariance, data)
    root = fit.estimate.informed_root
    known = np.isfinite(fit.estimate.coef) & (root != 0).any(axis=1)
    variance, overlap = variance_pieces(fit, covariance, data)
    return _Model(known, root @ information_change(fit, covariance), variance, overlap)


def _inverse_root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    good = values > 1e-12 * values.max(initial=0.0)
    return (vectors * np.where(good, np.where(good, values, 1.0) ** -0.5, 0.0)) @ vectors.T


def _by_group(left: Array, right: Array) -> Array:
    """(G,) from two (G, q)."""
    return np.einsum("gi,gi->g", left, right)
