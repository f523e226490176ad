"""What a link is: eta of a mean, the mean at eta, derivatives, and both tails of a probability."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import Any, NamedTuple

import numpy as np

from glmstat.array import namespace, quiet

__all__ = ["Link", "Side", "Tails", "log_complement_exp"]


class Side(NamedTuple):
    """A probability F(eta) with what log-likelihoods need of it.

    `value` is F, `log` is log F, `slope` is |d log F / d eta|, `curvature` is -d2 log F / d eta2.
    The slope has the sign of d mu / d eta.
    """

    value: Any
    log: Any
    slope: Any
    curvature: Any


class Tails(NamedTuple):
    """A mean mu and its complement 1 - mu, each without cancellation."""

    mean: Side
    complement: Side


class Link(ABC):
    """A link function g with its inverse and derivatives, elementwise on numpy arrays or torch tensors.

    Attributes
    ----------
    name : as given to `link=`.
    means : open interval of the means that the link can map.
    exponent : k where eta = mu ** k, 0 for the logarithm, None for other links.
    user_defined : True for a link made of the user's functions.
    """

    name: str
    means: tuple[float, float] = (-inf, inf)
    exponent: float | None = None
    user_defined: bool = False

    @abstractmethod
    def eta(self, mu: Any) -> Any:
        """Return the predictor g(mu)."""

    @abstractmethod
    def mean(self, eta: Any) -> Any:
        """Return the mean at the predictor, kept inside the open interval `means`."""

    @abstractmethod
    def derivative(self, eta: Any) -> Any:
        """Return d mu / d eta."""

    @abstractmethod
    def second_derivative(self, eta: Any) -> Any:
        """Return d2 mu / d eta2."""

    def complement(self, eta: Any) -> Any:
        """Return 1 - mean(eta), for a probability link without cancellation."""
        return self.tails(eta).complement.value

    @quiet
    def log_mean(self, eta: Any) -> Any:
        """Return log(mean(eta)), exact where the mean itself underflows."""
        return namespace(eta).log(self.mean(eta))

    @quiet
    def relative(self, eta: Any) -> tuple[Any, Any]:
        """Return mu'/mu and mu''/mu', where mu' is d mu / d eta; they stay finite where mu overflows."""
        slope = self.derivative(eta)
        return slope / self.mean(eta), self.second_derivative(eta) / slope

    @quiet
    def tails(self, eta: Any) -> Tails:
        """Return mean and complement with their logarithms and log-derivatives."""
        xp = namespace(eta)
        mean, slope, bend = self.mean(eta), self.derivative(eta), self.second_derivative(eta)
        rest = 1.0 - mean
        rise, fall = slope / mean, slope / rest
        return Tails(
            Side(mean, xp.log(mean), rise, rise * rise - bend / mean),
            Side(rest, xp.log(rest), fall, fall * fall + bend / rest),
        )

    @quiet
    def bounds(self, low: float, high: float) -> tuple[float, float]:
        """Return the open interval of predictors whose means lie between `low` and `high`."""
        ends = np.array([max(low, self.means[0]), min(high, self.means[1])])
        lower, upper = sorted(float(end) for end in self.eta(ends))
        return lower, upper

    @property
    def text(self) -> str:
        """Spelling that `link=` reads back."""
        return self.name


def log_complement_exp(x: Any) -> Any:
    """Return log(1 - exp(x)) for x < 0, to full relative accuracy.

    Source: Maechler (2012), Accurately computing log(1 - exp(-|a|)).
    """
    xp = namespace(x)
    near_one = x > -0.6931471805599453
    far = xp.where(near_one, -1.0, x)  # keeps the branch not taken, and its gradient, finite
    return xp.where(near_one, xp.log(-xp.expm1(x)), xp.log1p(-xp.exp(far)))
