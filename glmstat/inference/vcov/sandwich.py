"""Covariances from the scores of single rows: HC0 to HC5, and the outer product of gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from glmstat.errors import ArgumentError, row_list
from glmstat.estimate import Separated
from glmstat.inference.hat import defined, hat_root, leverage
from glmstat.inference.score import frame_of, whitened
from glmstat.inference.statement import need_effects
from glmstat.inference.vcov.recipe import Facts, Recipe, Vcov, from_meat
from glmstat.inference.vcov.small_sample import meant_for
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = ["SANDWICH", "hc", "opg"]

# 1 - h is rounding to half of its digits; R's sandwich warns from here on
_CERTAIN = 1.0 - np.sqrt(np.finfo(np.float64).eps)
_SINGULAR = 1e-13  # share of the largest eigenvalue below which the scores do not span the coefficients
_NOTHING = 1e-20  # share of their expectation, the dispersion, below which squared scores are rounding

Exponent = Callable[[Array, float], Array]


def _linear(share: Array, largest: float) -> Array:
    return np.ones_like(share)


def _squared(share: Array, largest: float) -> Array:
    return np.full_like(share, 2.0)


def _hc4(share: Array, largest: float) -> Array:
    return np.minimum(4.0, share)


def _hc4m(share: Array, largest: float) -> Array:
    return np.minimum(1.0, share) + np.minimum(1.5, share)


def _hc5(share: Array, largest: float) -> Array:
    return 0.5 * np.minimum(share, max(4.0, 0.7 * largest))


# kind → exponent d of u u' / (1 - h)^d from h divided by its mean, and from the largest of these
DISCOUNTS: Mapping[str, Exponent] = {
    "HC2": _linear,
    "HC3": _squared,
    "HC4": _hc4,
    "HC4m": _hc4m,
    "HC5": _hc5,
}
_WORDS = {
    "HC0": "scores",
    "HC1": "scores",
    "HC2": "scores / (1-h)^(1/2)",
    "HC3": "scores / (1-h)",
    "HC4": "scores / (1-h)^(d/2), d = min(4, h / mean h)",
    "HC4m": "scores / (1-h)^(d/2), d = min(1, h / mean h) + min(1.5, h / mean h)",
    "HC5": "scores / (1-h)^(d/4), d = min(h / mean h, max(4, 0.7 max h / mean h))",
}


class _Meat(NamedTuple):
    """A whitened meat (q, q), and the rows that leave nothing to estimate their variance from."""

    matrix: Array
    certain: Separated

    def __add__(self, other: _Meat) -> _Meat:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Meat(self.matrix + other.matrix, self.certain + other.certain)


class _Largest(NamedTuple):
    hat: float

    def __add__(self, other: _Largest) -> _Largest:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self if self.hat >= other.hat else other


def hc(fit: Fit, inverse: Array, covariance: Covariance, data: Any) -> Vcov:
    """Return the sandwich of the scores u of single rows, Σ u u' / (1 - h)^d between two breads.

    h are the hat values of the expected information, whatever the bread; d is 0 for HC0 and HC1, 1 for
    HC2, 2 for HC3 and depends on h divided by its mean for HC4, HC4m and HC5. Rows count as often as their
    frequency says; rows of weight 0 do not count.

    Raises
    ------
    ArgumentError : a hat value of 1 (HC2 to HC5: the row is fitted whatever it is, so that its variance
        is unknown), several predictors or a boundary (HC2 to HC5), or no residual degrees of freedom (HC1).

    Source: MacKinnon & White (1985); Cribari-Neto (2004), Cribari-Neto & da Silva (2011), Cribari-Neto,
    Souza & Vasconcellos (2007); numbers as vcovHC of R's sandwich (Zeileis 2006).
    """
    factor = _factor(fit, covariance)
    if not inverse.any():
        return Vcov(inverse, Facts(factor=factor))
    discounted = covariance.kind in DISCOUNTS
    meat = _discounted(fit, inverse, covariance.kind, data) if discounted else whitened(fit, inverse, data)
    return from_meat(inverse, meat, Facts(factor=factor))


def opg(fit: Fit, inverse: Array, covariance: Covariance, data: Any) -> Vcov:
    """Return the inverse of Σ u u', u the scores with the dispersion of the fit.

    Raises
    ------
    ArgumentError : the scores do not span the coefficients, as with fewer rows than coefficients.

    Source: Berndt, Hall, Hall & Hausman (1974). R's vcovOPG has another dispersion where that is estimated.
    """
    from glmstat.inference.covariance import is_perfect

    need_effects(fit, 'vcov "opg"', 'Use "HC0" or "HC1".')
    if not inverse.any() or is_perfect(fit):
        return Vcov(inverse)
    values, vectors = np.linalg.eigh(whitened(fit, inverse, data))
    if not (values[0] > _SINGULAR * len(values) * values[-1] and values[0] > _NOTHING * fit.dispersion):
        raise ArgumentError(
            'vcov "opg" is not defined: the scores of the rows do not span the coefficients. Use "classical".'
        )
    return Vcov(fit.dispersion * inverse @ (vectors / np.sqrt(values)))


def _discounted(fit: Fit, inverse: Array, kind: str, data: Any) -> Array:
    """L' (Σ u u' / (1 - h)^d) L for L = inverse (p, q)."""
    defined(fit, kind, 'Use "HC0" or "jackknife".')
    root, exponent, mean = hat_root(fit), DISCOUNTS[kind], fit.estimate.rank / fit.nobs
    frame = frame_of(fit, "A sandwich covariance", data)
    same, largest = np.array_equal(root, inverse), np.nan
    if kind == "HC5":
        highest = frame.reduce(lambda block: _Largest(leverage(fit, block, root).hat.max(initial=0.0)))
        largest = highest.hat / mean

    def kernel(block: Block) -> _Meat:
        rows = leverage(fit, block, root)
        certain = rows.hat > _CERTAIN
        left = np.where(certain, 1.0, 1.0 - rows.hat)
        scaled = rows.gradient * left ** (-0.5 * exponent(rows.hat / mean, largest))
        projected = (rows.projected if same else block.X[0].dot(inverse)) * scaled[:, None]
        counted = projected if block.frequency is None else projected * block.frequency[:, None]
        named = Separated.named(block.source_rows(certain))
        return _Meat(counted.T @ projected, named)

    meat = frame.reduce(kernel)
    if meat.certain.count:
        where = row_list(meat.certain.rows, meat.certain.count)
        raise ArgumentError(
            f'vcov "{kind}" is not defined: hat value 1 in {where}, '
            'which the model fits whatever their response is. Drop them, or use "HC1".'
        )
    return meat.matrix


def _factor(fit: Fit, covariance: Covariance) -> float:
    """What the meat is multiplied by."""
    kind, preset = covariance.kind, covariance.small_sample
    if kind == "HC0" and preset == "default" and fit.convention.row_factor == "n/(n-1)":
        return fit.nobs / (fit.nobs - 1)
    if kind not in ("HC0", "HC1") or preset == "statsmodels" or (kind == "HC0" and preset != "stata"):
        return 1.0
    lost = fit.nobs - fit.df_residual
    if preset == "stata" and not _least_squares(fit):
        lost = 1
    return fit.nobs / (fit.nobs - lost)


def _least_squares(fit: Fit) -> bool:
    family = fit.spec.likelihood.family
    return family.name == "gaussian" and family.link.name == "identity"


def _hc_words(covariance: Covariance, facts: Facts) -> str:
    words = _WORDS[covariance.kind]
    if facts.factor == 1.0:
        return f"{words}, no small-sample factor"
    rule = "Stata's factor" if covariance.small_sample == "stata" else "factor n/(n-k)"
    rule = "factor n/(n-1)" if (covariance.kind, covariance.small_sample) == ("HC0", "default") else rule
    return f"{words}, {rule} = {facts.factor:.4g}"


def _opg_words(covariance: Covariance, facts: Facts) -> str:
    return "inverse of the scores' outer products"


SANDWICH: Mapping[str, Recipe] = {
    "opg": Recipe(opg, _opg_words, robust=False, informed=False),
    "HC0": Recipe(
        hc, _hc_words, small_sample=True, check=meant_for("sandwich", "stata", "statsmodels"), summed="rows"
    ),
    "HC1": Recipe(hc, _hc_words, small_sample=True, summed="rows"),
    **{kind: Recipe(hc, _hc_words, summed="rows") for kind in DISCOUNTS},
}
