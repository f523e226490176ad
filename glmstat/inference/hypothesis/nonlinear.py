"""Nonlinear functions of the coefficients: the delta method, and Fieller's interval of a ratio."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from glmstat.errors import ArgumentError
from glmstat.inference.hypothesis.combination import (
    Affine,
    Negative,
    Node,
    Operation,
    affine,
    evaluate,
    slots,
)
from glmstat.inference.hypothesis.resolve import Nonlinear
from glmstat.inference.hypothesis.wald import refuse_infinite, spread
from glmstat.inference.reference import reference
from glmstat.matrix import Array

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Fieller", "Ratio", "delta", "fieller", "ratio_of"]


class Ratio(NamedTuple):
    """Two linear forms, one above the other; `weights @ coef + constant` each."""

    top: Array
    top_constant: float
    bottom: Array
    bottom_constant: float


class Fieller(NamedTuple):
    """A ratio, its Wald test and its interval.

    Parameters
    ----------
    estimate : of the ratio.
    statistic, p_value : of top - value * bottom = 0, which needs no approximation of the ratio.
    low, high : ends; infinite where every value of that side is inside.
    inside : False where the values between `gap` are the only ones outside.
    gap : (from, to) of the values outside, where they are an interval; else NaN.
    text : the reference distribution.
    combination : (p,) gradient of top - value * bottom.
    """

    estimate: float
    statistic: float
    p_value: float
    low: float
    high: float
    gap: tuple[float, float]
    text: str
    combination: Array


def delta(fit: Fit, hypothesis: Nonlinear) -> tuple[Array, Array]:
    """Return values (m,) and gradients (m, p) at the estimate: all that the delta method needs.

    Raises
    ------
    ComparisonError : a coefficient in it is infinite.
    ArgumentError : an expression without a value or slope at the estimate.
    """
    used = np.zeros(len(fit.columns), dtype=bool)
    used[sorted(frozenset().union(*map(slots, hypothesis.nodes)))] = True
    refuse_infinite(fit, used, "The delta method")
    coef = np.nan_to_num(fit.estimate.theta)
    pairs = [evaluate(node, coef) for node in hypothesis.nodes]
    for (value, gradient), node, text in zip(pairs, hypothesis.nodes, hypothesis.texts, strict=True):
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            where = ", ".join(f"{fit.columns[slot]} = {coef[slot]:.6g}" for slot in sorted(slots(node)))
            raise ArgumentError(
                f"'{text}' has no value or no slope at the estimate: {where}. Write a function that has."
            )
        if not gradient.any():
            raise ArgumentError(
                f"'{text}' does not change with any coefficient at the estimate. Leave it out."
            )
    return np.array([value for value, _ in pairs]), np.array([gradient for _, gradient in pairs])


def ratio_of(node: Node, count: int) -> Ratio | None:
    """Return the linear forms of an expression that is one over the other, or None.

    Parameters
    ----------
    count : number of coefficients.

    >>> from glmstat.inference.hypothesis.combination import Coefficient, Number
    >>> ratio_of(Operation("-", Operation("/", Coefficient(0), Coefficient(1)), Number(2.0)), 2).top
    array([ 1., -2.])
    """
    if isinstance(node, Negative):
        inner = ratio_of(node.operand, count)
        return None if inner is None else _scaled(inner, -1.0)
    if not isinstance(node, Operation):
        return None
    left, right = affine(node.left), affine(node.right)
    if node.symbol == "/":
        if left is not None and right is not None:
            return Ratio(*_vector(left, count), *_vector(right, count))
        inner = ratio_of(node.left, count)
        number = None if right is None or right.weights else right.constant
        return None if inner is None or not number else _scaled(inner, 1.0 / number)
    for side, other in ((node.left, right), (node.right, left)):
        inner = ratio_of(side, count)
        if inner is not None and other is not None and not other.weights:
            return _changed(inner, node.symbol, other.constant, first=side is node.left)
    return None


def fieller(fit: Fit, ratio: Ratio, value: float, level: float) -> Fieller:
    """Return the test of ratio = value, and all values that the same test does not reject at 1 - level.

    That set is an interval, all numbers, or all but an interval; ends are honest about it.

    Parameters
    ----------
    value : of the ratio under the hypothesis.
    level : coverage.

    Source: Fieller (1954), JRSS B 16, 175-185.
    """
    coef = np.nan_to_num(fit.estimate.theta)
    top, bottom = ratio.top @ coef + ratio.top_constant, ratio.bottom @ coef + ratio.bottom_constant
    parts = spread(fit, np.vstack([ratio.top, ratio.bottom]))
    vtt, vtb, vbb = parts[0] @ parts[0], parts[0] @ parts[1], parts[1] @ parts[1]
    estimate = top / bottom
    at_estimate = reference(fit, (ratio.top - estimate * ratio.bottom)[None])
    squared = float(at_estimate.quantile(level)[0]) ** 2
    a, b, c = bottom**2 - squared * vbb, top * bottom - squared * vtb, top**2 - squared * vtt
    low, high, gap = _solve(a, b, c)
    combination = ratio.top - value * ratio.bottom
    error = np.sqrt(vtt - 2.0 * value * vtb + value**2 * vbb)
    statistic = (top - value * bottom) / error if error > 0 else nan
    of_value = reference(fit, combination[None])
    p_value = float(of_value.p_value(np.array([statistic]))[0])
    return Fieller(float(estimate), statistic, p_value, low, high, gap, of_value.text, combination)


def _solve(a: float, b: float, c: float) -> tuple[float, float, tuple[float, float]]:
    """Ends of {r: a r² - 2 b r + c <= 0}, and what lies outside where that is an interval."""
    inner = b * b - a * c
    if a > 0:
        far = b + np.copysign(np.sqrt(max(inner, 0.0)), b)  # the root without cancellation
        roots = sorted((far / a, c / far if far != 0 else 0.0))
        return float(roots[0]), float(roots[1]), (nan, nan)
    if inner <= 0:
        return -inf, inf, (nan, nan)
    if a == 0:
        return (c / (2.0 * b), inf, (nan, nan)) if b > 0 else (-inf, c / (2.0 * b), (nan, nan))
    far = b + np.copysign(np.sqrt(inner), b)
    roots = sorted((far / a, c / far))
    return -inf, inf, (float(roots[0]), float(roots[1]))


def _vector(form: Affine, count: int) -> tuple[Array, float]:
    weights = np.zeros(count)
    for slot, weight in form.weights.items():
        weights[slot] = weight
    return weights, form.constant


def _scaled(ratio: Ratio, factor: float) -> Ratio:
    return Ratio(factor * ratio.top, factor * ratio.top_constant, ratio.bottom, ratio.bottom_constant)


def _changed(ratio: Ratio, symbol: str, number: float, *, first: bool) -> Ratio | None:
    """A ratio times, plus or minus a number; `first`: the ratio stands left."""
    if symbol == "*":
        return _scaled(ratio, number)
    if symbol not in "+-":
        return None
    sign = -1.0 if symbol == "-" else 1.0
    signed, constant = (ratio, sign * number) if first else (_scaled(ratio, sign), number)
    return Ratio(
        signed.top + constant * signed.bottom,
        signed.top_constant + constant * signed.bottom_constant,
        signed.bottom,
        signed.bottom_constant,
    )
