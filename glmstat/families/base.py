"""What a family is: a variance function with a link, and the constants of its likelihood."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np

from glmstat.array import Array, quiet
from glmstat.errors import ArgumentError, near, one_of
from glmstat.families.variance import Information, Slopes, Variance
from glmstat.links import Link, as_link

__all__ = ["Family", "Interval", "on_counts"]


@dataclass(frozen=True)
class Interval:
    """The values that a response may take.

    Parameters
    ----------
    low, high : ends; infinite where there is none.
    low_inclusive, high_inclusive : whether the end itself is allowed.

    >>> Interval(0.0, low_inclusive=True).text
    '>= 0'
    """

    low: float = -inf
    high: float = inf
    low_inclusive: bool = False
    high_inclusive: bool = False

    @property
    def text(self) -> str:
        """Words for a message: '>= 0', '> 0', 'between 0 and 1'."""
        if self.low == -inf and self.high == inf:
            return "finite"
        if self.high == inf:
            return f"{'>=' if self.low_inclusive else '>'} {self.low:g}"
        if self.low == -inf:
            return f"{'<=' if self.high_inclusive else '<'} {self.high:g}"
        ends = "" if self.low_inclusive and self.high_inclusive else ", ends excluded"
        return f"between {self.low:g} and {self.high:g}{ends}"

    def contains(self, y: Any) -> Any:
        """Return, for each value, whether it lies inside; False for NaN and infinities."""
        above = y >= self.low if self.low_inclusive else y > self.low
        below = y <= self.high if self.high_inclusive else y < self.high
        return above & below

    def outside(self, y: Array) -> Array | None:
        """Return which values lie outside, or None where all are inside; two passes over `y`."""
        if y.size == 0 or (self.contains(y.min()) and self.contains(y.max())):
            return None
        return ~self.contains(y)


class Family(ABC):
    """A distribution of the response: frozen, elementwise on numpy arrays or torch tensors.

    Subclasses are frozen dataclasses with a `link` field and a `kernel`, their variance function.

    Attributes
    ----------
    link : the link in use; a name or a class is understood when the family is made.
    kernel : the variance function, with all that follows from it.
    name : as given to `family=`.
    title : first words of the summary.
    domain : the values that the response may take.
    links : names of the links allowed; None for all.
    dispersion : 1.0 where it is known, None where it is estimated.
    attainable : ends of the domain that a mean may approach while the likelihood stays finite.
    has_likelihood : whether log-likelihood and AIC exist.
    binary : whether booleans, text and categories may be the response.
    counts_dispersion : 1 where AIC counts the dispersion as a parameter, else 0.
    """

    link: Link
    kernel: Variance
    name: str
    title: str
    domain: Interval
    links: tuple[str, ...] | None = None
    dispersion: float | None = None
    attainable: tuple[float, ...] = ()
    has_likelihood: bool = True
    binary: bool = False
    counts_dispersion: int = 0

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the parameters that are still to be estimated."""
        return ()

    def __post_init__(self) -> None:
        link = as_link(self.link)
        object.__setattr__(self, "link", link)
        allowed = self.links
        if allowed is not None and link.name not in allowed and not link.user_defined:
            raise ArgumentError(
                f"The {self.name} family does not take the {link.name} link: "
                f"its links are {one_of(allowed)}.{near(link.name, allowed)}"
            )

    @property
    def text(self) -> str:
        """Spelling that `family=` reads back."""
        return self.name

    @property
    def user_defined(self) -> bool:
        """Whether the user's own functions are part of the family or its link."""
        return self.link.user_defined

    @property
    def power(self) -> float | None:
        """Exponent p where V(mu) = mu**p, else None."""
        return getattr(self.kernel, "power", None)

    @quiet
    def variance(self, mu: Any) -> Any:
        """Return V(mu); Var(y) = dispersion * V(mu) / weight."""
        return self.kernel.value(mu)

    @quiet
    def variance_derivative(self, mu: Any) -> Any:
        """Return dV/dmu."""
        return self.kernel.derivative(mu)

    @quiet
    def variance_growth(self, eta: Any) -> Any:
        """Return d log V(mu) / d eta."""
        return self.kernel.growth(eta, self.link)

    @quiet
    def unit_deviance(self, y: Any, mu: Any) -> Any:
        """Return the deviance of each row for unit weight, >= 0, and 0 where y = mu."""
        return self.kernel.unit_deviance(y, mu)

    @quiet
    def deviance(self, y: Any, eta: Any) -> Any:
        """Return the unit deviance from the predictor: exact where the mean rounds to 0 or 1."""
        return self.kernel.deviance(y, eta, self.link)

    @quiet
    def objective(self, y: Any, eta: Any) -> Any:
        """Return the log-likelihood of rows, unit weight and dispersion, without what depends on y alone."""
        return self.kernel.slopes(y, eta, self.link, "none").objective

    @quiet
    def slopes(self, y: Any, eta: Any, information: Information = "both") -> Slopes:
        """Return objective, gradient and information in eta of each row, for unit weight and dispersion."""
        return self.kernel.slopes(y, eta, self.link, information)

    @abstractmethod
    def start(self, y: Any, weights: Any) -> Any:
        """Return R's first means, inside the domain."""

    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return the log-likelihood of rows at mu = y.

        The log-likelihood at other means is this minus weight * unit deviance / (2 dispersion).
        """
        return np.full(len(y), nan)

    def simulate(self, rng: np.random.Generator, mu: Array, weights: Array, dispersion: float) -> Array:
        """Return one draw of the response for each row."""
        raise ArgumentError(
            f"The {self.name} family cannot simulate: it has no distribution. Use one that has."
        )

    def loglik_dispersion(self, deviance: float, rows: float, weight: float) -> float | None:
        """Return the dispersion at which the log-likelihood is evaluated, as R's AIC does.

        None where that is the one of greatest likelihood, which no formula gives.
        """
        return 1.0

    def dispersion_moments(self, weights: Array, dispersion: float) -> tuple[Array, Array, Array] | None:
        """Return what the score of the dispersion is made of, (n,) each; None where there is none.

        Let a(zeta) be the part of -2 log density that holds zeta = -weight / dispersion and no mean:
        weight a' (the mean of the weighted unit deviance), weight**2 a'' and weight**3 times the third
        derivative.

        Source: Kosmidis & Firth (2009), section 4.
        """
        return None

    def whole(self, y: Array, weights: Array) -> Array | None:
        """Return what should be whole numbers (counts, successes), or None."""
        return None


def on_counts(function: Callable[[Array], Array], y: Array) -> Array:
    """Return function(y), evaluated once for each distinct count where that is cheaper.

    Parameters
    ----------
    function : elementwise function of one array.
    y : (n,) numbers >= 0.
    """
    if len(y) < 1024:
        return function(y)
    top = float(y.max())
    if not 0 <= top <= len(y) / 2:
        return function(y)
    counts = y.astype(np.intp)
    if not np.array_equal(counts, y):
        return function(y)
    return function(np.arange(int(top) + 1, dtype=np.float64))[counts]
