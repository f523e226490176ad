"""A link made of the user's own functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, TypeAlias

import numpy as np

from glmstat.array import Array, quiet
from glmstat.errors import ArgumentError
from glmstat.links.base import Link

__all__ = ["Custom", "call_vectorised"]

Function: TypeAlias = Callable[[Any], Any]

TRIAL = np.array([0.25, 0.5, 0.625])
STEP = 6e-6  # cube root of the double epsilon, for central differences


@dataclass(frozen=True, init=False)
class Custom(Link):
    """A link made of the user's functions of arrays.

    The functions are tried on a few means when the link is made: they must be vectorised, `mean` must
    undo `eta`, and the derivatives must agree with differences.

    Parameters
    ----------
    name : word for messages and the summary.
    eta, mean : g(mu) and its inverse.
    derivative, second_derivative : d mu / d eta and d2 mu / d eta2, functions of eta.
    means : open interval of the means that the link can map.

    Raises
    ------
    ArgumentError : a function that is not vectorised, or that does not fit the others.

    >>> cube = Custom(
    ...     "cube", lambda mu: mu**3, np.cbrt, lambda e: e ** (-2 / 3) / 3, lambda e: -2 / 9 * e ** (-5 / 3)
    ... )
    >>> round(float(cube.mean(8.0)), 12)
    2.0
    """

    name: str
    functions: tuple[Function, Function, Function, Function]
    means: tuple[float, float] = (-inf, inf)
    user_defined = True

    def __init__(
        self,
        name: str,
        eta: Function,
        mean: Function,
        derivative: Function,
        second_derivative: Function,
        means: tuple[float, float] = (-inf, inf),
    ) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "functions", (eta, mean, derivative, second_derivative))
        object.__setattr__(self, "means", means)
        self._try()

    def eta(self, mu: Any) -> Any:
        """Return the user's g(mu)."""
        return self.functions[0](mu)

    def mean(self, eta: Any) -> Any:
        """Return the user's inverse of g."""
        return self.functions[1](eta)

    def derivative(self, eta: Any) -> Any:
        """Return the user's d mu / d eta."""
        return self.functions[2](eta)

    def second_derivative(self, eta: Any) -> Any:
        """Return the user's d2 mu / d eta2."""
        return self.functions[3](eta)

    @quiet
    def _try(self) -> None:
        words = ("eta", "mean", "derivative", "second_derivative")
        eta, mean, derivative, second = (
            _Trial(self.name, word, function) for word, function in zip(words, self.functions, strict=True)
        )
        means = _inside(*self.means)
        at = eta(means)
        step = STEP * np.maximum(np.abs(at), 1.0)
        mean.expect(at, means, "is not the inverse of eta", 1e-8)
        derivative.expect(
            at, (mean(at + step) - mean(at - step)) / (2 * step), "is not the derivative of mean", 1e-4
        )
        slopes = (derivative(at + step) - derivative(at - step)) / (2 * step)
        second.expect(at, slopes, "is not the derivative of derivative", 1e-4)


def _inside(low: float, high: float) -> Array:
    """A few means of the interval; those of (0, 1) suit every family."""
    if np.isfinite(low) and np.isfinite(high):
        return low + TRIAL * (high - low)
    if np.isfinite(low):
        return low + TRIAL
    return high - TRIAL if np.isfinite(high) else TRIAL


@dataclass(frozen=True)
class _Trial:
    link: str
    word: str
    function: Function

    def __call__(self, x: Array) -> Array:
        return call_vectorised(self.function, x, f"{self.word} of link '{self.link}'")

    def expect(self, x: Array, wanted: Array, what: str, tolerance: float) -> None:
        got = self(x)
        wrong = ~(np.abs(got - wanted) <= tolerance * (1.0 + np.abs(wanted)))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ArgumentError(
                f"{self.word} of link '{self.link}' {what}: at {x[row]:.6g} it is {got[row]:.6g}, "
                f"expected {wanted[row]:.6g}. Correct the function."
            )


def call_vectorised(function: Function, x: Array, what: str) -> Array:
    """Return function(x), or say that it must work on whole arrays.

    Parameters
    ----------
    function : the user's function of one array.
    x : (n,) array to try it on.
    what : how the message names the function.

    Raises
    ------
    ArgumentError : it fails on an array, or returns another shape.
    """
    try:
        value = np.asarray(function(x), dtype=np.float64)
    except Exception as error:
        raise ArgumentError(
            f"{what} must take and return arrays: it fails on {len(x)} numbers ({error}). "
            "Use numpy functions, np.exp and not math.exp, np.where and not if."
        ) from error
    if value.shape != x.shape:
        raise ArgumentError(
            f"{what} must return one number for each it is given: {len(x)} went in, "
            f"shape {value.shape} came out. Use numpy functions on the whole array."
        )
    return value
