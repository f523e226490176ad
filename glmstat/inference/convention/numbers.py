"""The numbers of a fit that conventions move, by name."""

from __future__ import annotations

from math import isinf, isnan
from typing import TYPE_CHECKING

from glmstat.errors import ComparisonError
from glmstat.inference.convention.scale import genmod_scale
from glmstat.inference.interval import wald

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Quantity", "differ", "numbers"]

Quantity = tuple[str, str]
"""What it is, and the default name of the coefficient; "" where it is none's."""

_COEFFICIENTS = {"estimate": "coef", "std_error": "se"}
_SAME = 1e-7  # share of a number below which a difference is rounding


def numbers(fit: Fit, level: float = 0.95) -> dict[Quantity, float]:
    """Return the numbers of a fit's table and of its foot.

    Coefficients go by their default names, so that those of fits with other names can be compared.

    Parameters
    ----------
    level : coverage of the intervals.
    """
    square = fit.convention.wald_statistic == "square"
    columns = wald(fit, level)._asdict()
    if square:
        columns["statistic"] = columns["statistic"] ** 2
    found: dict[Quantity, float] = {}
    for name, values in columns.items():
        word = _COEFFICIENTS.get(name, name)
        found |= {
            (word, term): float(value)
            for term, value in zip(fit.spec.design.default_columns, values.tolist(), strict=True)
        }
    return found | {(name, ""): value for name, value in _foot(fit).items()}


def _foot(fit: Fit) -> dict[str, float]:
    found = {"dispersion": fit.dispersion}
    scale = genmod_scale(fit) if fit.convention.scale == "genmod" else None
    if scale is not None:
        found["scale"] = scale
    try:
        found["loglik"] = fit.loglik
    except ComparisonError:
        return found
    found["parameters"] = float(fit.parameters)
    return found | {name: getattr(fit, name) for name in ("aic", "aicc", "bic")}


def differ(one: float | None, other: float | None) -> bool:
    """Return whether two numbers differ by more than rounding; a number differs from none."""
    if one is None or other is None:
        return one is not other
    if isnan(one) or isnan(other):
        return isnan(one) != isnan(other)
    if one == other:
        return False
    if isinf(one) or isinf(other):
        return True
    return not abs(one - other) <= _SAME * max(abs(one), abs(other))
