"""What the solver sees: rows of objective, gradient and information in the predictors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from typing import Any, NamedTuple, Protocol

import numpy as np

from glmstat.array import Array, quiet, silence
from glmstat.families import Family, Information, as_family
from glmstat.links import Link, Log

__all__ = ["GLM", "Cone", "Information", "Likelihood", "Rows", "Several", "as_likelihood"]


class Rows(NamedTuple):
    """One run of n rows in K predictors, weights included, for dispersion 1.

    objective (n,), gradient (n, K), expected and observed information (n, K, K) or None where not
    asked for; the same array twice where they are equal.
    """

    objective: Any
    gradient: Any
    expected: Any
    observed: Any


class Cone(NamedTuple):
    """Directions of eta in which a row's likelihood never falls.

    bound (n, m, K): m vectors a per row; a direction d of eta must have a'd >= 0. Zero where unused.
    free (n,): rows whose eta must not move at all.
    """

    bound: Array
    free: Any


class Likelihood(Protocol):
    """A model of the rows in K predictors; everything else of a fit follows from sums of its rows.

    Residuals, hat values and what is made of them need one predictor and a family: they are those of GLM.
    """

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the K predictors."""
        ...

    @property
    def concave(self) -> bool:
        """Whether the objective is concave in eta."""
        ...

    @property
    def canonical(self) -> bool:
        """Whether observed and expected information are equal."""
        ...

    def rows(self, y: Any, eta: Any, weights: Any, *, information: Information) -> Rows:
        """Return objective, gradient and information."""
        ...

    def slack(self, eta: Any) -> tuple[Any, Any] | None:
        """Return the distances to the lower and upper edge of eta, or None where it has none."""
        ...

    def cone(self, y: Any, weights: Any) -> Cone | None:
        """Return the bound and free rows, or None where no optimum lies at infinity."""
        ...

    def start(self, y: Any, weights: Any) -> Any:
        """Return first predictors (n, K), NaN where a row has none."""
        ...

    def mean(self, eta: Any) -> Any:
        """Return what predict shows."""
        ...

    def deviance(self, y: Any, eta: Any, weights: Any) -> Any:
        """Return the deviance of each row (n,), >= 0 and for dispersion 1."""
        ...

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest valid predictor; infinite where there is none."""
        ...


class Several(Likelihood, Protocol):
    """A likelihood of several predictors, as the joint solver needs it."""

    @property
    def family(self) -> Family:
        """What the mean is modelled by, its further parameters open."""
        ...

    @property
    def links(self) -> tuple[Link, ...]:
        """The link of each predictor."""
        ...

    @property
    def first(self) -> GLM:
        """A model of the first predictor alone: where a fit starts, and whose infinite maxima are its own."""
        ...

    @property
    def levels(self) -> tuple[tuple[float, ...], ...]:
        """Values of the K - 1 further predictors of which the likeliest are a start."""
        ...

    def held(self, level: tuple[float, ...]) -> GLM | None:
        """Return the model of the first predictor alone for one level of the others, if that is a GLM."""
        ...

    def constant(self, y: Any, weights: Any) -> Any:
        """Return what the log-likelihood of each row has that depends on no predictor (n,)."""
        ...

    def pearson(self, y: Any, eta: Any, weights: Any) -> Any:
        """Return weight * (y - mean)**2 / variance of each row (n,)."""
        ...

    def at_limit(self, eta: Any) -> Any:
        """Return the sign of the infinity that a predictor has as good as reached (n, K), 0 elsewhere."""
        ...

    def unlimited(self, predictor: str, sign: int) -> tuple[str, str]:
        """Return what it says of the rows that a predictor is infinite, and what to do."""
        ...


@dataclass(frozen=True)
class GLM:
    """The likelihood of a generalised linear model: a family in one predictor.

    Parameters
    ----------
    family : with its link.

    >>> from glmstat.families import Poisson
    >>> model = GLM(Poisson())
    >>> rows = model.rows(np.array([2.0]), np.array([[0.0]]), np.array([1.0]), information="expected")
    >>> float(rows.gradient[0, 0]), float(rows.expected[0, 0, 0])
    (1.0, 1.0)
    """

    family: Family
    predictors = ("mean",)

    @cached_property
    def canonical(self) -> bool:
        """Whether the link is the family's canonical one."""
        return self.family.kernel.canonical(self.family.link)

    @cached_property
    def concave(self) -> bool:
        """Whether the objective is proved concave in eta for every response of the domain."""
        return self.family.kernel.concave(self.family.link)

    @property
    def constant_information(self) -> bool:
        """Whether the expected information of a row does not depend on eta."""
        power = self.family.power
        return power is not None and self.family.link.exponent == 1.0 - power / 2.0

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Open interval of valid predictors."""
        return self.family.link.bounds(self.family.domain.low, self.family.domain.high)

    @property
    def bounded(self) -> bool:
        """Whether some predictors give no valid mean."""
        return self.bounds != (-inf, inf)

    @property
    def links(self) -> tuple[Link, ...]:
        """The link of each predictor."""
        return (self.family.link,)

    @property
    def null_power(self) -> float | None:
        """Power p for which the intercept-only model with offset has a closed form, else None."""
        return self.family.power if type(self.family.link) is Log else None

    @quiet
    def rows(self, y: Any, eta: Any, weights: Any, *, information: Information) -> Rows:
        """Return objective, gradient and information of n rows.

        Parameters
        ----------
        y, weights : (n,); None for weights that are all 1.
        eta : (n, 1).
        information : which of the two to return; for a canonical link both are one array.
        """
        canonical = self.canonical
        wanted: Information = "expected" if canonical and information != "none" else information
        objective, gradient, expected, observed = self.family.slopes(y, eta[:, 0], wanted)
        expected = None if expected is None else _weighted(weights, expected, y)[:, None, None]
        observed = None if observed is None else _weighted(weights, observed, y)[:, None, None]
        if canonical:
            observed = expected
        gradient = _weighted(weights, gradient, y)[:, None]
        return Rows(_weighted(weights, objective, y), gradient, expected, observed)

    def slack(self, eta: Any) -> tuple[Any, Any] | None:
        """Return (eta - lowest, highest - eta), each (n, 1), or None where every predictor is valid."""
        if not self.bounded:
            return None
        low, high = self.bounds
        return eta - low, high - eta

    def cone(self, y: Any, weights: Any) -> Cone | None:
        """Return the rows at an end of the domain that eta can approach at infinity.

        `bound` (n, 1, 1) holds the sign of that infinity, 0 on other rows and where the weight is 0.
        """
        low, high = self._limits
        if not low and not high:
            return None
        sign = np.where(y == 0.0, low, 0.0) + np.where(y == 1.0, high, 0.0)
        sign[weights == 0] = 0.0
        return Cone(sign[:, None, None], (sign == 0.0) & (weights > 0))

    @cached_property
    def _limits(self) -> tuple[float, float]:
        """Sign of the infinite predictor at mean 0 and at mean 1, 0 where there is none."""
        with silence():
            ends = self.family.link.eta(np.array([0.0, 1.0]))
        signs = np.where(np.abs(ends) > 1e15, np.sign(ends), 0.0)  # cauchit's infinity is tan(pi / 2), 1.6e16
        low, high = (
            sign if end in self.family.attainable else 0.0
            for sign, end in zip(signs, (0.0, 1.0), strict=True)
        )
        return float(low), float(high)

    @quiet
    def start(self, y: Any, weights: Any) -> Any:
        """Return R's first predictors g(mu0), (n, 1), NaN where they are not finite."""
        eta = self.family.link.eta(self.family.start(y, weights))
        return np.where(np.isfinite(eta), eta, np.nan)[:, None]

    @quiet
    def mean(self, eta: Any) -> Any:
        """Return the means (n,) at predictors (n, 1)."""
        return self.family.link.mean(eta[:, 0])

    @quiet
    def residual(self, y: Any, eta: Any) -> Any:
        """Return y - mu (n,), without cancellation."""
        return self.family.kernel.residual(y, eta[:, 0], self.family.link)

    @quiet
    def working(self, y: Any, eta: Any) -> Any:
        """Return the working residuals (y - mu) / (d mu/d eta), (n,)."""
        return self.residual(y, eta) / self.family.link.derivative(eta[:, 0])

    @quiet
    def deviance(self, y: Any, eta: Any, weights: Any) -> Any:
        """Return the weighted deviance of each row (n,), exact in the tails."""
        return weights * self._exact_at_mean(self.family.deviance(y, eta[:, 0]), y, eta)

    @quiet
    def pearson(self, y: Any, eta: Any, weights: Any) -> Any:
        """Return weight * (y - mu)**2 / V(mu) of each row (n,)."""
        rows = self.family.kernel.pearson(y, eta[:, 0], self.family.link)
        return weights * self._exact_at_mean(rows, y, eta)

    def _exact_at_mean(self, rows: Any, y: Any, eta: Any) -> Any:
        """Return 0 where y is its mean at the end of the domain, of which formulas make 0 / 0."""
        if not isinstance(rows, np.ndarray) or np.isfinite(rows.sum()):
            return rows
        return np.where(np.isnan(rows) & (self.residual(y, eta) == 0.0), 0.0, rows)

    def saturated(self, y: Array, weights: Array, dispersion: float) -> Array:
        """Return each row's log-likelihood at mu = y (n,)."""
        return self.family.saturated(y, weights, dispersion)


def _weighted(weights: Any, values: Any, y: Any) -> Any:
    """Values of rows, or one of all, times their weights, None where all are 1."""
    if weights is not None:
        return weights * values
    return values if np.ndim(values) else np.full(len(y), values)


def as_likelihood(family: str | Family | type[Family], link: str | Link | type[Link] | None = None) -> GLM:
    """Return the likelihood of a family, as `as_family` reads it; one named before is the same again.

    >>> as_likelihood("poisson") is as_likelihood("poisson")
    True
    """
    if isinstance(family, str) and (link is None or isinstance(link, str)):
        return _named(family, link)
    return GLM(as_family(family, link))


@lru_cache(maxsize=64)
def _named(family: str, link: str | None) -> GLM:
    return GLM(as_family(family, link))
