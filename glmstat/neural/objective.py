"""The objective of a training: the family's own log-likelihood, finite wherever a network may lead."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from glmstat.array import Array, namespace, quiet
from glmstat.families import Family
from glmstat.likelihood.base import GLM
from glmstat.links import CLogLog, LogLog, Softplus

__all__ = ["Objective", "dispersion", "limits", "unit"]

REACH = 20.0  # predictors of exponential means end so far from their centre
ROOM = 1e-2  # share of the mean distance to a bound that stays between the bound and every predictor
NARROW = 1e-6  # the same where the maximum itself is wanted


@dataclass(frozen=True, eq=False)
class Objective:
    """Log-likelihood of rows and its slope in eta, for numpy arrays and torch tensors of any shape.

    Between `low` and `high` it is the family's. Beyond, it goes on as the straight line or the parabola that
    touches it there, so that value and slope stay finite and point back inside.

    Parameters
    ----------
    family : with its link.
    low, high : where the predictor is held, numbers or arrays that broadcast; None where it is free.
    curved : whether it goes on as a parabola.

    >>> from glmstat.families import Poisson
    >>> inside = Objective(Poisson(), -20.0, 20.0, False)
    >>> inside.slopes(np.array([1.0]), np.array([25.0]))[1].round() == 1.0 - np.exp(20.0).round()
    array([ True])
    """

    family: Family
    low: Any
    high: Any
    curved: bool

    @quiet
    def slopes(self, y: Any, eta: Any) -> tuple[Any, Any]:
        """Return objective and gradient of each row, for unit weight and dispersion.

        Parameters
        ----------
        y, eta : response and predictor, of shapes that broadcast.
        """
        inner = self.held(eta)
        found = self._call(
            lambda y, eta: self.family.slopes(y, eta, "expected" if self.curved else "none")[:3], y, inner
        )
        objective, gradient, expected = found
        if self.low is None:
            return objective, gradient
        beyond = eta - inner
        objective = objective + gradient * beyond
        if self.curved:
            pull = expected * beyond
            objective, gradient = objective - 0.5 * pull * beyond, gradient - pull
        return objective, gradient

    def held(self, eta: Any) -> Any:
        """Return eta between its limits."""
        return eta if self.low is None else namespace(eta).clip(eta, self.low, self.high)

    @quiet
    def deviance(self, y: Any, eta: Any) -> Any:
        """Return the unit deviance of each row, at the nearest eta inside."""
        return self._call(self.family.deviance, y, self.held(eta))

    @quiet
    def pearson(self, y: Any, eta: Any) -> Any:
        """Return (y - mu)**2 / V(mu) of each row, at the nearest eta inside."""
        family = self.family
        return self._call(lambda y, eta: family.kernel.pearson(y, eta, family.link), y, self.held(eta))

    def _call(self, function: Any, y: Any, eta: Any) -> Any:
        """Call a function of the family; the user's own know numpy arrays only."""
        if isinstance(eta, np.ndarray) or not self.family.user_defined:
            return function(y, eta)
        found = function(y.cpu().numpy(), eta.cpu().numpy())
        if isinstance(found, tuple):
            return tuple(None if part is None else eta.new_tensor(part) for part in found)
        return eta.new_tensor(found)


def limits(likelihood: GLM, eta: Array, weights: Array, narrow: bool) -> tuple[float, float, bool]:
    """Return where predictors are held, and whether the objective goes on as a parabola there.

    Parameters
    ----------
    eta : (n, Q) predictors to start from.
    weights : (n,) rows of weight 0 do not count.
    narrow : hold them next to the bound only.

    >>> from glmstat.families import Gamma
    >>> limits(GLM(Gamma()), np.array([[1.0], [3.0]]), np.ones(2), False)
    (0.02, inf, True)
    """
    link = likelihood.family.link
    eta = eta[weights > 0]
    low, high = likelihood.bounds
    if (low, high) == (-inf, inf) and link.exponent is not None and link.exponent < 0:
        low, high = (0.0 if eta.min() > 0 else -inf), (0.0 if eta.max() < 0 else inf)  # one side of the pole
    if (low, high) != (-inf, inf):
        return low + _room(eta - low, narrow), high - _room(high - eta, narrow), True
    if link.exponent == 0.0 or isinstance(link, CLogLog | LogLog):
        centre = float(eta.mean())
        return centre - REACH, centre + REACH, False
    if isinstance(link, Softplus):  # exponential to the left
        return min(float(eta.min()), 0.0) - REACH, inf, False
    return -inf, inf, False


def _room(distance: Array, narrow: bool) -> float:
    """What is kept between a bound and the predictors at these distances from it."""
    if not np.isfinite(distance).all():
        return 0.0
    least = float(distance.min())
    share = NARROW if narrow else ROOM
    return min(share * float(distance.mean()), 0.5 * least) if least > 0 else share * float(distance.mean())


def dispersion(family: Family, pearson: Array, null: Array, rows: float, used: int) -> Array:
    """Return the dispersion of each output (Q,): Pearson's, 1 where the family knows it.

    Parameters
    ----------
    pearson : (Q,) sums of Pearson's residuals squared.
    null : (Q,) those of a constant mean; the dispersion is not less than 1e-8 of theirs.
    rows : how many.
    used : degrees of freedom that are spent.

    >>> from glmstat.families import Gaussian
    >>> dispersion(Gaussian(), np.array([9.0]), np.array([20.0]), 10, 1)
    array([1.])
    """
    if family.dispersion is not None:
        return np.full(len(pearson), float(family.dispersion))
    least = np.where(null > 0, 1e-8 * null / rows, 1.0)
    return np.maximum(pearson / max(rows - used, 1.0), least)


@quiet
def unit(family: Family, eta: Array, weights: Array, phi: Array, rows: float) -> Array:
    """Return the size of a predictor (Q,): 1 where link and mean have no unit, else the noise on its scale.

    With it a network learns the same whatever the unit of the response, or of the weights.

    Parameters
    ----------
    eta : (n, Q) predictors to start from.
    weights : (n,).
    phi : (Q,) dispersion, which grows with the weights.
    rows : number of observations, each as often as its frequency says.

    >>> from glmstat.families import Gaussian
    >>> unit(Gaussian(), np.zeros((3, 1)), np.full(3, 10.0), np.array([40.0]), 3)
    array([2.])
    """
    link = family.link
    if link.exponent == 0.0 or np.isfinite(link.means).all():
        return np.ones(eta.shape[1])
    expected = family.slopes(link.mean(eta), eta, "expected").expected
    noise = np.sqrt(phi * rows / (weights[:, None] * expected).sum(0))
    return np.where(np.isfinite(noise) & (noise > 0), noise, 1.0)
