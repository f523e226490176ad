"""Expressions in the coefficients: a closed set of operations, with values and exact gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from glmstat.matrix import Array

__all__ = [
    "FUNCTIONS",
    "Affine",
    "Coefficient",
    "Function",
    "Negative",
    "Node",
    "Number",
    "Operation",
    "affine",
    "evaluate",
    "slots",
]


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True)
class Coefficient:
    """The coefficient in a slot."""

    slot: int


@dataclass(frozen=True)
class Negative:
    """Minus its operand."""

    operand: Node


@dataclass(frozen=True)
class Operation:
    """Two operands and one of + - * / ^."""

    symbol: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Function:
    """A function of `FUNCTIONS`, called."""

    name: str
    operand: Node


_ROUNDING = 1e-13  # share of what cancels in a gradient below which nothing is left

Node = Number | Coefficient | Negative | Operation | Function
Scalar = Callable[[float], float]


class Affine(NamedTuple):
    """A constant plus weights times coefficients, by slot."""

    constant: float
    weights: Mapping[int, float]


def _expit_slope(x: float) -> float:
    return expit(x) * expit(-x)


def _logit_slope(x: float) -> float:
    return 1.0 / (x * (1.0 - x))


def _absolute_slope(x: float) -> float:
    return np.sign(x) if x != 0 else np.nan


# function and derivative; both see numpy scalars, so that what is undefined is NaN or infinite
FUNCTIONS: Mapping[str, tuple[Scalar, Scalar]] = {
    "exp": (np.exp, np.exp),
    "expm1": (np.expm1, np.exp),
    "log": (np.log, np.reciprocal),
    "log1p": (np.log1p, lambda x: 1.0 / (1.0 + x)),
    "log2": (np.log2, lambda x: 1.0 / (x * np.log(2.0))),
    "log10": (np.log10, lambda x: 1.0 / (x * np.log(10.0))),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "expit": (expit, _expit_slope),
    "plogis": (expit, _expit_slope),
    "logit": (logit, _logit_slope),
    "qlogis": (logit, _logit_slope),
    "tanh": (np.tanh, lambda x: 1.0 - np.tanh(x) ** 2),
    "abs": (np.abs, _absolute_slope),
}


def slots(node: Node) -> frozenset[int]:
    """Return the slots of the coefficients in an expression.

    >>> sorted(slots(Operation("/", Coefficient(2), Coefficient(0))))
    [0, 2]
    """
    if isinstance(node, Number):
        return frozenset()
    if isinstance(node, Coefficient):
        return frozenset((node.slot,))
    if isinstance(node, Operation):
        return slots(node.left) | slots(node.right)
    return slots(node.operand)


def affine(node: Node) -> Affine | None:
    """Return an expression as constant and weights, or None where its form is not linear.

    >>> affine(Operation("*", Number(2.0), Operation("-", Coefficient(1), Number(3.0))))
    Affine(constant=-6.0, weights={1: 2.0})
    """
    if isinstance(node, Number):
        return Affine(node.value, {})
    if isinstance(node, Coefficient):
        return Affine(0.0, {node.slot: 1.0})
    if not slots(node):
        return Affine(evaluate(node, np.zeros(0))[0], {})
    if isinstance(node, Negative):
        inner = affine(node.operand)
        return None if inner is None else _times(inner, -1.0)
    return _affine_operation(node) if isinstance(node, Operation) else None


def _affine_operation(node: Operation) -> Affine | None:
    left, right = affine(node.left), affine(node.right)
    if left is None or right is None:
        return None
    if node.symbol in "+-":
        sign = 1.0 if node.symbol == "+" else -1.0
        both = {
            slot: left.weights.get(slot, 0.0) + sign * right.weights.get(slot, 0.0)
            for slot in {**left.weights, **right.weights}
        }
        return Affine(left.constant + sign * right.constant, both)
    if node.symbol == "*" and not left.weights:
        return _times(right, left.constant)
    if node.symbol == "*" and not right.weights:
        return _times(left, right.constant)
    if node.symbol == "/" and not right.weights and right.constant != 0:
        divided = {slot: weight / right.constant for slot, weight in left.weights.items()}
        return Affine(left.constant / right.constant, divided)
    return left if node.symbol == "^" and right == Affine(1.0, {}) else None


def _times(form: Affine, factor: float) -> Affine:
    return Affine(factor * form.constant, {slot: factor * weight for slot, weight in form.weights.items()})


def evaluate(node: Node, coef: Array) -> tuple[float, Array]:
    """Return value and gradient (p,) at coefficients (p,); NaN or infinite where there is none.

    Forward-mode differentiation: every operation carries value and gradient along, and the size of what
    cancels in the gradient; what is left of that but rounding is 0.

    >>> value, gradient = evaluate(Function("exp", Coefficient(0)), np.array([0.0, 1.0]))
    >>> float(value), gradient.tolist()
    (1.0, [1.0, 0.0])
    """
    with np.errstate(all="ignore"):
        found = _dual(node, np.asarray(coef, dtype=np.float64))
        rounding = np.isfinite(found.size) & (np.abs(found.gradient) <= _ROUNDING * found.size)
        return float(found.value), np.where(rounding, 0.0, found.gradient)


class _Dual(NamedTuple):
    """Value and gradient (p,) of an expression; size: the gradient with all its addends positive."""

    value: np.float64
    gradient: Array
    size: Array


def _dual(node: Node, coef: Array) -> _Dual:
    if isinstance(node, Number):
        return _Dual(np.float64(node.value), np.zeros(len(coef)), np.zeros(len(coef)))
    if isinstance(node, Coefficient):
        gradient = np.zeros(len(coef))
        gradient[node.slot] = 1.0
        return _Dual(coef[node.slot], gradient, gradient)
    if isinstance(node, Operation):
        return _dual_operation(node.symbol, _dual(node.left, coef), _dual(node.right, coef))
    inner = _dual(node.operand, coef)
    if isinstance(node, Negative):
        return _Dual(-inner.value, -inner.gradient, inner.size)
    function, slope = FUNCTIONS[node.name]
    factor = slope(inner.value)
    gradient, size = _chain(factor, inner.gradient), _chain(abs(factor), inner.size)
    return _Dual(np.float64(function(inner.value)), gradient, size)


def _dual_operation(symbol: str, left: _Dual, right: _Dual) -> _Dual:
    a, b = left.value, right.value
    value, by_left, by_right = _slopes(symbol, a, b)
    return _Dual(
        value,
        _chain(by_left, left.gradient) + _chain(by_right, right.gradient),
        _chain(abs(by_left), left.size) + _chain(abs(by_right), right.size),
    )


def _slopes(symbol: str, a: np.float64, b: np.float64) -> tuple[np.float64, float, float]:
    """The value of an operation and its derivatives by either operand."""
    if symbol == "+":
        return a + b, 1.0, 1.0
    if symbol == "-":
        return a - b, 1.0, -1.0
    if symbol == "*":
        return a * b, b, a
    if symbol == "/":
        return a / b, 1.0 / b, -a / (b * b)
    power = a**b
    return power, b * a ** (b - 1.0), power * np.log(a)


def _chain(slope: float, gradient: Array) -> Array:
    """Slope times gradient; a slope that is not defined does no harm where nothing depends on it."""
    return np.where(gradient == 0, 0.0, slope * gradient)
