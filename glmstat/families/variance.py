"""What every family is computed from: the contract of a variance function, and its shared arithmetic."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from glmstat.array import namespace
from glmstat.links import Link

__all__ = ["Information", "Slopes", "Variance", "divergence", "log_series", "wants"]

Information: TypeAlias = Literal["none", "expected", "observed", "both"]


class Slopes(NamedTuple):
    """Objective of each row with its derivatives in eta; information is minus the second derivative."""

    objective: Any
    gradient: Any
    expected: Any = None
    observed: Any = None


class Variance(Protocol):
    """What a family needs of its variance function, elementwise, for unit weight and dispersion."""

    def value(self, mu: Any) -> Any:
        """Return V(mu)."""
        ...

    def derivative(self, mu: Any) -> Any:
        """Return V'(mu)."""
        ...

    def growth(self, eta: Any, link: Link) -> Any:
        """Return d log V(mu) / d eta, without cancellation."""
        ...

    def unit_deviance(self, y: Any, mu: Any) -> Any:
        """Return twice the integral of (y - t)/V(t) from mu to y."""
        ...

    def deviance(self, y: Any, eta: Any, link: Link) -> Any:
        """Return the unit deviance from the predictor, exact in the tails."""
        ...

    def residual(self, y: Any, eta: Any, link: Link) -> Any:
        """Return y - mu without cancellation."""
        ...

    def pearson(self, y: Any, eta: Any, link: Link) -> Any:
        """Return (y - mu)**2 / V(mu)."""
        ...

    def slopes(self, y: Any, eta: Any, link: Link, information: Information) -> Slopes:
        """Return objective, gradient and information in eta."""
        ...

    def canonical(self, link: Link) -> bool:
        """Return whether observed and expected information are equal."""
        ...

    def concave(self, link: Link) -> bool:
        """Return whether the objective is proved concave in eta for every response."""
        ...


def wants(information: Information) -> tuple[bool, bool]:
    """Return whether the expected and the observed information are asked for."""
    return information in ("expected", "both"), information in ("observed", "both")


def log_series(v: Any) -> Any:
    """Return log((1 + v)/(1 - v)) - 2 v for |v| < 0.1, by its series."""
    square = v * v
    total = 2 / 17
    for term in (15, 13, 11, 9, 7, 5, 3):
        total = total * square + 2 / term
    return total * square * v


def divergence(y: Any, mu: Any, log_mu: Any, difference: Any) -> Any:
    """Return y log(y/mu) + mu - y, to full relative accuracy for y near mu and for mu near 0.

    Parameters
    ----------
    y, mu : response >= 0 and mean > 0.
    log_mu : log(mu), exact where mu underflows.
    difference : y - mu, without cancellation.

    Source: Loader (2000), deviance term bd0.
    """
    xp = namespace(mu)
    v = difference / (y + mu)
    out = xp.log(xp.where(y > 0, y, 1.0))
    out -= log_mu
    out *= y
    out -= difference
    near = xp.abs(v) < 0.1
    if isinstance(out, np.ndarray) and out.ndim and not (near.size and near.all()):
        rows = np.flatnonzero(near)  # few of many: a series of all would cost more than the logarithm
        v, y, difference = v[rows], np.broadcast_to(y, out.shape)[rows], difference[rows]
        out[rows] = difference * v + y * log_series(v)
        return out
    return xp.where(near, difference * v + y * log_series(v), out)
