"""B-splines and natural cubic splines with R's bases: `bs` and `ns`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from glmstat.array import Array
from glmstat.errors import DataError, ExtrapolationWarning, FormulaError
from glmstat.formula.call import Function, Learner, Signature
from glmstat.formula.stateful import Values, as_column, nothing_to_learn, summary_of
from glmstat.formula.value import JSON, Basis, Value, as_flag, as_numbers, as_whole

__all__ = ["SPLINES", "bspline", "bspline_derivative"]

CUBIC = 3
MOST_DEGREE = 20
PIVOT = 0.25  # R bs: where between boundary and first knot the Taylor series outside starts


def bspline(knots: Array, degree: int, x: Array) -> Array:
    """Return all B-splines on a knot sequence at points inside it.

    Parameters
    ----------
    knots : (k + degree + 1,) sorted, boundary knots repeated degree + 1 times.
    degree : of the pieces, >= 0.
    x : (n,) points within the boundary knots; the right one belongs to the last piece.

    Returns
    -------
    (k, n) values; each column sums to 1.

    Source: de Boor (1978), algorithm BSPLVB.

    >>> bspline(np.array([0.0, 0.0, 1.0, 1.0]), 1, np.array([0.25])).ravel()
    array([0.75, 0.25])
    """
    last = np.searchsorted(knots, knots[-1], side="left") - 1
    first = np.searchsorted(knots, knots[0], side="right") - 1
    piece = np.clip(np.searchsorted(knots, x, side="right") - 1, first, last)
    values = [np.ones_like(x)]
    for order in range(1, degree + 1):
        carried = np.zeros_like(x)
        for r in range(order):
            right, left = knots[piece + r + 1], knots[piece + r + 1 - order]
            share = values[r] / (right - left)
            values[r] = carried + (right - x) * share
            carried = (x - left) * share
        values.append(carried)
    return _scattered(values, piece - degree, len(knots) - degree - 1)


def _scattered(values: list[Array], first: NDArray[np.intp], size: int) -> Array:
    """Put the r-th of each point's values into row first + r."""
    full = np.zeros((size, len(first)))
    columns = np.arange(len(first))
    for r, value in enumerate(values):
        full[first + r, columns] = value
    return full


def bspline_derivative(knots: Array, degree: int, x: Array, order: int) -> Array:
    """Return the derivatives of all B-splines, (k, n); order 0 is the B-splines themselves."""
    if order == 0:
        return bspline(knots, degree, x)
    lower = bspline_derivative(knots, degree - 1, x, order - 1)
    width = knots[degree:] - knots[: len(knots) - degree]
    slope = degree * lower / np.where(width > 0, width, math.inf)[:, None]
    return slope[:-1] - slope[1:]


def _conclude(
    name: str,
    values: Values,
    text: str,
    df: Value = None,
    knots: Value = None,
    degree: Value = float(CUBIC),
    intercept: Value = False,
    boundary_knots: Value = None,
) -> JSON:
    degree, intercept = (
        as_whole(degree, "degree", name, most=MOST_DEGREE),
        as_flag(intercept, "intercept", name),
    )
    x = values.joined()
    if x.size == 0:
        raise nothing_to_learn(name, text)
    low, high = _boundary(name, x, text, boundary_knots)
    if knots is not None and df is not None:
        raise FormulaError(f"{name}() takes df or knots: both are given. Leave one out.")
    if knots is not None:
        inner = _inner(name, sorted(as_numbers(knots, "knots", name)), low, high)
    elif df is not None:
        within = x[(x >= low) & (x <= high)]
        if within.size == 0:
            raise nothing_to_learn(name, text, "value between its boundary knots")
        inner = _quantiles(within, _count(name, df, degree, intercept))
    else:
        inner = []
    return {"degree": degree, "knots": inner, "boundary": [low, high], "intercept": intercept}


def _boundary(name: str, x: Array, text: str, given: Value) -> tuple[float, float]:
    ends = [float(x.min()), float(x.max())] if given is None else as_numbers(given, "Boundary_knots", name)
    low, high = min(ends), max(ends)
    if low < high and len(ends) == 2 and math.isfinite(high - low):
        return low, high
    if given is None:
        raise DataError(f"{name}() needs a column that varies: '{text}' is constant. Drop the term.")
    raise FormulaError(
        f"{name}() needs two different numbers as Boundary_knots: {list(ends)} given. "
        "Write Boundary_knots=[0, 1]."
    )


def _inner(name: str, knots: list[float], low: float, high: float) -> list[float]:
    outside = [knot for knot in knots if not low < knot < high]
    if outside:
        raise FormulaError(
            f"{name}() needs knots inside the boundary knots {low:g} and {high:g}: {outside[0]:g} is not. "
            "Drop it, or give Boundary_knots=."
        )
    return knots


def _count(name: str, df: Value, degree: int, intercept: bool) -> int:
    """Return how many inner knots give df columns."""
    fixed = (1 if name == "ns" else degree) + intercept
    df = as_whole(df, "df", name)
    if df < fixed:
        raise FormulaError(f"{name}() needs df >= {fixed} here: df is {df}. Write df={fixed}.")
    return df - fixed


def _quantiles(x: Array, count: int) -> list[float]:
    if count == 0:
        return []
    return np.quantile(x, np.linspace(0, 1, count + 2)[1:-1]).tolist()


def _sequence(state: JSON) -> Array:
    """Return the knot sequence: boundary knots degree + 1 times, inner knots between them."""
    low, high = state["boundary"]
    times = state["degree"] + 1
    return np.array([low] * times + state["knots"] + [high] * times)


def _evaluated(state: JSON, x: Array, order: int, toward: float) -> Array:
    """Return all B-splines (k, n), beyond the boundary continued by their Taylor polynomials of an order.

    The polynomials start `toward` of the way from the boundary knot to the next one.
    """
    knots, degree = _sequence(state), state["degree"]
    low, high = state["boundary"]
    below, above = x < low, x > high
    outside = below | above
    if not outside.any():
        return bspline(knots, degree, x)
    basis = np.empty((len(knots) - degree - 1, len(x)))
    basis[:, ~outside] = bspline(knots, degree, x[~outside])
    for rows, end, following in ((below, low, knots[degree + 1]), (above, high, knots[-degree - 2])):
        pivot = (1 - toward) * end + toward * following
        basis[:, rows] = _taylor(knots, degree, x[rows], pivot, order)
    return basis


def _taylor(knots: Array, degree: int, x: Array, pivot: float, order: int) -> Array:
    point, step = np.array([pivot]), x - pivot
    total = np.zeros((len(knots) - degree - 1, len(x)))
    for power in range(order, -1, -1):  # Horner
        total = total * step + bspline_derivative(knots, degree, point, power) / math.factorial(power)
    return total


def _labelled(columns: Array) -> Basis:
    return Basis(columns, tuple(str(place + 1) for place in range(len(columns))))


def _bs(value: Value, state: JSON, text: str) -> Basis:
    x = as_column(value, text, "bs")
    low, high = state["boundary"]
    with np.errstate(all="ignore"):
        if (x < low).any() or (x > high).any():
            warnings.warn(
                f"bs() is extrapolating: '{text}' leaves the boundary knots {low:g} and {high:g}. "
                "Outside them it is a polynomial and soon far off; ns() goes on in straight lines.",
                ExtrapolationWarning,
                stacklevel=2,
            )
        basis = _evaluated(state, x, state["degree"], PIVOT)
    return _labelled(basis if state["intercept"] else basis[1:])


def _ns(value: Value, state: JSON, text: str) -> Basis:
    x = as_column(value, text, "ns")
    with np.errstate(all="ignore"):
        basis = _evaluated(state, x, 1, 0.0)
    skipped = 0 if state["intercept"] else 1
    natural = _natural(tuple(_sequence(state)), skipped)
    columns = np.zeros((natural.shape[0], len(x)))
    for weights, column in zip(natural.T, basis[skipped:], strict=True):
        columns += weights[:, None] * column  # not @: a row's bits must not depend on the rows beside it
    return _labelled(columns)


@lru_cache(maxsize=64)
def _natural(knots: tuple[float, ...], skipped: int) -> Array:
    """Return the (k - 2, k) orthonormal rows that B-splines without curvature at both ends combine by.

    They are what R's `ns` takes: the last columns of Q in the QR decomposition of the two constraints.
    """
    sequence = np.array(knots)
    ends = sequence[[0, -1]]
    constraints = bspline_derivative(sequence, CUBIC, ends, 2)[skipped:]
    rows = np.eye(len(constraints))
    for place in range(2):
        axis = _householder(constraints[:, place], place)
        constraints = constraints - np.outer(axis, axis @ constraints)
        rows = rows - np.outer(axis, axis @ rows)
    return rows[2:]


def _householder(column: Array, place: int) -> Array:
    """Return v, |v|^2 = 2: I - vv' clears a column below a place."""
    axis = np.where(np.arange(len(column)) >= place, column, 0.0)
    axis[place] += math.copysign(float(np.linalg.norm(axis)), axis[place])
    return axis * (math.sqrt(2) / float(np.linalg.norm(axis)))


def _spline(name: str, parameters: tuple[str, ...], body: Callable[..., Basis]) -> Function:
    signature = Signature(name, parameters)
    return Function(signature, body, Learner(signature, summary_of(name, Values), partial(_conclude, name)))


SPLINES: dict[str, Function] = {
    "bs": _spline("bs", ("x", "df", "knots", "degree", "intercept", "boundary_knots"), _bs),
    "ns": _spline("ns", ("x", "df", "knots", "intercept", "boundary_knots"), _ns),
}
"""The functions of this module by name."""
