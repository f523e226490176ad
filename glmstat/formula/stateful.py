"""Functions that learn from the data: what they sum over blocks, and the plain JSON they remember.

A `Learner` has two steps. ``gather(x, ..., text="x")`` of one block gives a `Gathered`; those of several
blocks add up with ``+``; ``finish(gathered)`` gives the state, plain JSON. Applying the function later needs
its data argument and the state, nothing else, so that new rows are treated exactly as the old ones were.
Values that are not finite teach nothing.

==================================  ==================================================================
call                                state
==================================  ==================================================================
scale, standardize, center          ``{"center": float | null, "scale": float | null}``
poly                                ``{"degree": int, "raw": bool, "alpha": [...], "norm2": [...]}``
bs, ns                              ``{"degree": int, "knots": [...], "boundary": [low, high],
                                    "intercept": bool}``
cut                                 ``{"breaks": [...], "labels": [...] | null, "right": bool,
                                    "include_lowest": bool, "ordered": bool}``; infinite breaks are
                                    the texts "-Inf" and "Inf"
C, factor, as.factor, relevel       ``{"levels": [...], "labels": [...] | null, "ordered": bool,
                                    "contrast": Contrast.to_json() | null}``
==================================  ==================================================================

`alpha` and `norm2` are those of R's `poly`. Levels are JSON texts, numbers or booleans in the order of the
coding, reference first; those that no row takes are kept (the schema drops them). A categorical made from
a state has the state's levels in the state's order; a level that the state does not know is put behind them,
so that whoever reads the categorical can name it and count its rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glmstat.array import EPSILON, Array
from glmstat.errors import DataError
from glmstat.formula.call import Function, Learner, Signature
from glmstat.formula.value import JSON, Basis, Value, as_flag, as_number, as_whole

__all__ = [
    "STATEFUL",
    "Extent",
    "Moments",
    "Values",
    "as_column",
    "nothing_to_learn",
    "recurrence",
    "summary_of",
]

ROUNDING = 4 * EPSILON  # a standard deviation below it, relative to the mean, is rounding error
MOST_DEGREE = 100  # the recurrence has lost orthogonality long before
WIDEST_EXPONENT = 270  # powers of ten that |p|^2 may reach, with room for n below 1.8e308


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations; exact to rounding however the rows are split.

    The mean is `mean` + `rest`: what rounding takes off the mean would weigh on the squares of many blocks.

    Source: Chan, Golub, LeVeque (1983), pairwise combination.
    """

    count: int
    mean: float
    rest: float
    squares: float

    @classmethod
    def of(cls, values: Array) -> Moments:
        """Return the moments of the finite values of one block."""
        values = _finite(values)
        if values.size == 0:
            return cls(0, 0.0, 0.0, 0.0)
        mean = float(values.mean())
        centred = values - mean
        drift = float(centred.sum())
        squares = float(centred @ centred) - drift * drift / values.size
        return cls(values.size, mean, drift / values.size, max(squares, 0.0))

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of rows."""
        count = self.count + other.count
        if count == 0:
            return self
        gap = (other.mean - self.mean) + (other.rest - self.rest)
        squares = self.squares + other.squares + gap * gap * (self.count * other.count / count)
        mean, rest = _two_sum(self.mean, self.rest + gap * (other.count / count))
        return Moments(count, mean, rest, squares)


def _two_sum(a: float, b: float) -> tuple[float, float]:
    """Return a + b rounded, and what rounding took off (Knuth)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


@dataclass(frozen=True, eq=False)
class Values:
    """The finite values themselves, block by block, for what no short sum can tell (quantiles)."""

    parts: tuple[Array, ...]

    @classmethod
    def of(cls, values: Array) -> Values:
        """Return the finite values of one block."""
        return cls((_finite(values),))

    def __add__(self, other: Values) -> Values:
        """Return the values of both."""
        return Values(self.parts + other.parts)

    def joined(self) -> Array:
        """Return all values in row order, float64 (n,)."""
        return self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)


@dataclass(frozen=True)
class Extent:
    """Smallest and largest finite value; (inf, -inf) when there is none."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Array) -> Extent:
        """Return the extent of one block."""
        values = _finite(values)
        return cls(float(values.min(initial=math.inf)), float(values.max(initial=-math.inf)))

    def __add__(self, other: Extent) -> Extent:
        """Return the extent of both."""
        return Extent(min(self.low, other.low), max(self.high, other.high))


def _finite(values: Array) -> Array:
    finite = np.isfinite(values)
    return values if finite.all() else values[finite]


def as_column(value: Value, text: str, user: str) -> Array:
    """Return a value as float64 (n,); a lone number is no column."""
    numbers = as_number(value, text, f"{user}()")
    if not isinstance(numbers, np.ndarray):
        raise DataError(f"{user}() needs a column: '{text}' is one number. Name a column of the data.")
    return numbers


def summary_of(user: str, total: type[Moments] | type[Values] | type[Extent]) -> Callable[[Value, str], Any]:
    """Return the `summarise` of a function that learns from the numbers of one column."""

    def summarise(value: Value, text: str) -> Moments | Values | Extent:
        return total.of(as_column(value, text, user))

    return summarise


def nothing_to_learn(user: str, text: str, lacking: str = "finite value") -> DataError:
    """Return the error of a call whose argument has no value to learn from."""
    return DataError(f"{user}() has nothing to learn from: '{text}' has no {lacking}. Drop the term.")


def _setting(value: Value, name: str) -> bool | float:
    """Return True or False, or the number given instead of the learned one."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else as_flag(value, name, "scale")


def _conclude_scale(
    moments: Moments, text: str, center: Value = True, scale: Value = True, ddof: Value = 1.0
) -> JSON:
    center, scale = _setting(center, "center"), _setting(scale, "scale")
    if moments.count == 0:
        raise nothing_to_learn("scale", text)
    mean = moments.mean + moments.rest
    origin = (mean if center is True else center) or 0.0
    if scale is True:
        free = moments.count - as_whole(ddof, "ddof", "scale", least=0)
        gap = (moments.mean - origin) + moments.rest
        squares = moments.squares + moments.count * gap * gap
        scale = math.sqrt(squares / max(free, 1))  # without a centre: the root mean square, as R
    if scale is not False and not ROUNDING * abs(mean) < abs(scale) < math.inf:
        raise DataError(f"scale() cannot divide by {scale:.2g}: '{text}' does not vary. Drop the term.")
    return {"center": None if center is False else origin, "scale": None if scale is False else scale}


def _conclude_center(moments: Moments, text: str) -> JSON:
    return _conclude_scale(moments, text, scale=False)


def _scale(value: Value, state: JSON, text: str) -> float | Array:
    x = as_number(value, text, "scale()")
    with np.errstate(all="ignore"):
        if state["center"] is not None:
            x = x - state["center"]
        return x if state["scale"] is None else x / state["scale"]


def _conclude_poly(values: Values, text: str, degree: Value = 1.0, raw: Value = False) -> JSON:
    degree, raw = as_whole(degree, "degree", "poly", most=MOST_DEGREE), as_flag(raw, "raw", "poly")
    if raw:
        return {"degree": degree, "raw": True, "alpha": [], "norm2": []}
    x = values.joined()
    distinct = len(np.unique(x))
    if distinct == 0:
        raise nothing_to_learn("poly", text)
    if distinct <= degree:
        raise DataError(
            f"poly() of degree {degree} needs {degree + 1} distinct values: '{text}' has {distinct}. "
            "Lower the degree."
        )
    if 2 * degree * abs(math.log10(float(np.ptp(x)))) > WIDEST_EXPONENT:
        raise DataError(
            f"poly() of degree {degree} leaves the range of numbers: '{text}' spans {np.ptp(x):.2g}. "
            "Divide it by a constant first."
        )
    alpha, norm2 = recurrence(x, degree)
    return {"degree": degree, "raw": False, "alpha": alpha, "norm2": norm2}


def recurrence(x: Array, degree: int) -> tuple[list[float], list[float]]:
    """Return alpha (degree,) and norm2 (degree + 2,) of the polynomials orthogonal over x, as R's `poly`.

    p_0 = 1, p_1 = x - alpha_1, p_{j+1} = (x - alpha_{j+1}) p_j - (norm2_{j+1} / norm2_j) p_{j-1};
    norm2 starts with 1 and n, then |p_1|^2, |p_2|^2, ...

    Source: Stieltjes procedure (Gautschi 2004, section 2.2).
    """
    middle = float(x.mean())
    z = x - middle  # near 0, so that the alphas lose nothing to the location of x
    before, now = np.zeros_like(z), np.ones_like(z)
    alpha: list[float] = []
    norm2 = [1.0, float(z.size)]
    for _ in range(degree):
        shift = float(z @ (now * now)) / norm2[-1]
        before, now = now, (z - shift) * now - (norm2[-1] / norm2[-2]) * before
        alpha.append(middle + shift)
        norm2.append(float(now @ now))
    return alpha, norm2


def _poly(value: Value, state: JSON, text: str) -> Basis:
    x = as_column(value, text, "poly")
    labels = tuple(str(power) for power in range(1, state["degree"] + 1))
    with np.errstate(all="ignore"):
        if state["raw"]:
            return Basis(np.stack([x**power for power in range(1, state["degree"] + 1)]), labels)
        return Basis(_orthogonal(x, state["alpha"], state["norm2"]), labels)


def _orthogonal(x: Array, alpha: list[float], norm2: list[float]) -> Array:
    columns = np.empty((len(alpha), len(x)))
    before, now = np.zeros_like(x), np.ones_like(x)
    for power, shift in enumerate(alpha):
        before, now = now, (x - shift) * now - (norm2[power + 1] / norm2[power]) * before
        np.divide(now, math.sqrt(norm2[power + 2]), out=columns[power])
    return columns


def _learning(
    name: str,
    parameters: tuple[str, ...],
    total: type[Moments] | type[Values],
    conclude: Callable[..., JSON],
    body: Callable[..., Value],
) -> Function:
    signature = Signature(name, parameters)
    return Function(signature, body, Learner(signature, summary_of(name, total), conclude))


STATEFUL: dict[str, Function] = {
    "scale": _learning("scale", ("x", "center", "scale", "ddof"), Moments, _conclude_scale, _scale),
    "standardize": _learning(
        "standardize", ("x", "center", "scale", "ddof"), Moments, _conclude_scale, _scale
    ),
    "center": _learning("center", ("x",), Moments, _conclude_center, _scale),
    "poly": _learning("poly", ("x", "degree", "raw"), Values, _conclude_poly, _poly),
}
"""The functions of this module by name."""
