"""Covariances of the coefficients: the table of recipes behind every `vcov=`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import Covariance
from glmstat.errors import ArgumentError, near, one_of
from glmstat.inference.score import at_infinity, finite_predictor, frame_of, whitened
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["ALIASES", "RECIPES", "Recipe", "as_covariance", "covariance_root", "label", "std_errors"]


@dataclass(frozen=True)
class Recipe:
    """One kind of covariance.

    Parameters
    ----------
    meat : the whitened meat L' (Σ u u') L (q, q) from (fit, L, data), L L' the inverse information for
        dispersion 1; None where the dispersion times the inverse information is the covariance itself.
    words : what the printed label says in brackets.
    """

    meat: Callable[[Fit, Array, Any], Array] | None
    words: str


RECIPES: Mapping[str, Recipe] = {
    "classical": Recipe(None, "{information} information"),
    "HC0": Recipe(whitened, "scores, no small-sample factor"),
}
ALIASES: Mapping[str, str] = {
    "nonrobust": "classical",
    "iid": "classical",
    "const": "classical",
    "eim": "classical",
}
_INFORMATION = ("expected", "observed")


def as_covariance(vcov: str | Covariance) -> Covariance:
    """Return the Covariance that a word, or an instance, stands for.

    Raises
    ------
    ArgumentError : no such kind.

    >>> as_covariance("iid")
    Covariance(kind='classical', information='expected')
    """
    if isinstance(vcov, Covariance):
        if vcov.information not in _INFORMATION:
            raise ArgumentError(
                f"Unknown information: {vcov.information!r} in Covariance. Known: {one_of(_INFORMATION)}."
            )
        as_covariance(vcov.kind)
        return vcov
    kind = ALIASES.get(vcov, vcov) if isinstance(vcov, str) else vcov
    if not isinstance(kind, str) or kind not in RECIPES:
        known = (*RECIPES, *ALIASES)
        raise ArgumentError(f"Unknown vcov: {vcov!r}. Known: {one_of(known)}.{near(str(vcov), known)}")
    return Covariance(kind)


def choose(fit: Fit, vcov: str | Covariance | None) -> Covariance:
    """Return the covariance that a verb's `vcov=` asks for; None is that of the fit.

    Raises
    ------
    ArgumentError : no such kind, or "classical" with sampling weights.
    """
    if vcov is None:
        return fit.covariance
    covariance = as_covariance(vcov)
    if covariance.kind == "classical" and fit.spec.call["sampling_weights"] is not None:
        raise ArgumentError('Sampling weights need a sandwich covariance: vcov is "classical". Use "HC0".')
    return covariance


def label(covariance: Covariance) -> str:
    """Return the covariance in words, as tables print it."""
    recipe = RECIPES[covariance.kind]
    words = recipe.words.format(information=covariance.information)
    observed = recipe.meat is not None and covariance.information == "observed"
    return f"{covariance.kind} ({words}{', observed information' if observed else ''})"


def covariance_root(fit: Fit, covariance: Covariance | None = None, data: Any = None) -> Array:
    """Return R (p, q) with R R' the covariance; rows of coefficients without one are NaN.

    Kept on the fit, so that a second table, and a saved fit, need no pass over the rows.
    """
    covariance = fit.covariance if covariance is None else covariance
    key = f"vcov {covariance.kind} {covariance.information}"
    if key not in fit.kept:
        root = np.ascontiguousarray(_root(fit, covariance, data))
        root.flags.writeable = False
        fit.kept[key] = root
    return fit.kept[key]


def std_errors(fit: Fit, covariance: Covariance | None = None, data: Any = None) -> Array:
    """Return the standard errors (p,)."""
    root = covariance_root(fit, covariance, data)
    size = np.abs(root).max(axis=1, initial=0.0)
    scaled = root / np.where(size > 0, size, 1.0)[:, None]  # squares of 1e200 would overflow
    return size * np.sqrt(np.einsum("ij,ij->i", scaled, scaled))


def _root(fit: Fit, covariance: Covariance, data: Any) -> Array:
    recipe, estimate = RECIPES[covariance.kind], fit.estimate
    inverse = estimate.information.inverse_root
    if estimate.convergence.status == "perfect fit" and estimate.dispersion.estimated:
        return np.full_like(inverse, np.nan)
    finite = np.isfinite(estimate.coef) & np.isfinite(inverse).all(axis=1)
    inverse = np.where(finite[:, None], inverse, 0.0)
    if covariance.information == "observed":
        inverse = inverse @ _observed(fit, inverse, data)
    if recipe.meat is None:
        root = np.sqrt(fit.dispersion) * inverse
    else:
        root = inverse @ _square_root(recipe.meat(fit, inverse, data))
    root[~finite] = np.nan
    return root


def _square_root(matrix: Array) -> Array:
    """R with R R' the matrix, which need not have full rank."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _observed(fit: Fit, root: Array, data: Any) -> Array:
    """M with root M M' root' the inverse of the observed information, root root' that of the expected."""
    likelihood, design, estimate = fit.spec.likelihood, fit.spec.design, fit.estimate

    def kernel(block: Block) -> Array:
        eta = finite_predictor(estimate, block.X, block.offset, design)
        observed = likelihood.rows(block.y, eta, block.total, information="observed").observed
        assert observed is not None
        signs = at_infinity(estimate, block.X, design)
        if signs is not None:
            observed = np.where((signs != 0).any(axis=1)[:, None, None], 0.0, observed)
        columns = [X.dot(root[part.slots]) for X, part in zip(block.X, design.predictors, strict=True)]
        total = np.zeros((root.shape[1],) * 2)
        for k, left in enumerate(columns):
            for j, right in enumerate(columns):
                total += (left * observed[:, k, j, None]).T @ right
        return total

    total = frame_of(fit, "The observed information", data).reduce(kernel)
    values, vectors = np.linalg.eigh(total)
    if values[0] <= 0:
        raise ArgumentError(
            "The observed information is not positive definite at the estimate: "
            f"smallest eigenvalue {values[0]:.2g}. Use information='expected'."
        )
    return vectors / np.sqrt(values)
