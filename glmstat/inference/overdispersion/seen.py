"""What the tests of overdispersion read of the rows, in one pass."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from glmstat.families.count_variance import BinomialVariance, NegativeBinomialVariance
from glmstat.families.power_variance import PowerVariance
from glmstat.inference.hat import hat_root, leverage
from glmstat.inference.score import finite_predictor, moved_by
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["BINOMIAL", "NEGATIVE_BINOMIAL", "POISSON", "Direction", "Seen", "kind_of", "look"]

POISSON, BINOMIAL, NEGATIVE_BINOMIAL = "poisson", "binomial", "negative_binomial"


def kind_of(fit: Fit) -> str:
    """Return which variance of counts the family has, "" where it has another."""
    kernel = fit.spec.likelihood.family.kernel
    if isinstance(kernel, NegativeBinomialVariance):
        return NEGATIVE_BINOMIAL
    if isinstance(kernel, BinomialVariance):
        return BINOMIAL
    return POISSON if isinstance(kernel, PowerVariance) and kernel.power == 1.0 else ""


@dataclass(frozen=True)
class Direction:
    """Sums of a score test against Var(y) = V / w (1 + tau g).

    Parameters
    ----------
    score : Σ a t, t the surplus of the squared residual, corrected for the coefficients being estimated.
    variance : Σ a² Var(t).
    slope : Σ a g V / w, by which the score is divided to estimate tau.
    """

    score: float = 0.0
    variance: float = 0.0
    slope: float = 0.0

    def __add__(self, other: Direction) -> Direction:
        return Direction(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def statistic(self) -> float:
        """Standard normal where the family's variance holds; NaN where no row tells."""
        return float(self.score / np.sqrt(self.variance)) if self.variance > 0 else float("nan")

    @property
    def estimate(self) -> float:
        """Tau, the one step from 0 that the score tells."""
        return self.score / self.slope if self.slope > 0 else float("nan")


@dataclass(frozen=True)
class Seen:
    """Sums over the rows that count.

    Parameters
    ----------
    rows : those that tell, each as often as its frequency says.
    proportional : the direction g = 1: variance times a factor.
    quadratic : the direction w mu² / V, of counts with a gamma mean; trials - 1 for beta-binomial shares.
    regression : cross products (3, 3) of 1, w mu and Σ (e² - y) / mu, of counts.
    between : rows whose response is neither 0 nor 1.
    """

    rows: float
    proportional: Direction
    quadratic: Direction
    regression: Array
    between: float

    def __add__(self, other: Seen) -> Seen:
        return Seen(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def look(fit: Fit, frame: ModelFrame, kind: str) -> Seen:
    """Return the sums of one pass.

    With e = y - mu, V the variance function and w the weight of a row, t = e² - V / w - V' e / w has mean 0,
    variance (V / w)² (2 + V'' / w), and no correlation with e: that coefficients are estimated changes its
    sums by no more than their mean, -h V / w (1 + V'' / 2 w) with h the hat value of the row, which is added
    back. A direction g weighs t by a = g (V / w) / Var(t).

    Source: Dean & Lawless (1989), JASA 84, 467-472, and Dean (1992), JASA 87, 451-457: this is the common
    form of their statistics; moments of natural exponential families: Morris (1982), Annals of Statistics 10.
    """
    likelihood, design, estimate = fit.spec.likelihood, fit.spec.design, fit.estimate
    family, root = likelihood.family, hat_root(fit, "overdispersion()", "Take goodness_of_fit().")

    def kernel(block: Block) -> Seen:
        eta = finite_predictor(estimate, block.X, block.offset, design)
        used = block.total > 0
        signs = moved_by(estimate.directions, block.X, design)
        if signs is not None:
            used = used & (signs == 0).all(axis=1)
        hat = leverage(fit, block, root).hat[used]
        y, w, counts = block.y[used], block.weights[used], block.frequencies[used]
        mu = likelihood.mean(eta)[used]
        e = likelihood.residual(block.y, eta)[used]
        V = family.variance(mu)
        bend = _second_derivative(kind, fit) / w
        surplus = e**2 - V / w - family.variance_derivative(mu) * e / w
        spread = (V / w) ** 2 * (2.0 + bend)
        surplus = surplus + 0.5 * hat * (V / w) * (2.0 + bend)
        tells = (spread > 0) & (w > (1.0 if kind == BINOMIAL else 0.0))
        ways = (np.ones(len(y)), w - 1.0 if kind == BINOMIAL else w * mu**2 / np.where(V > 0, V, 1.0))
        known = ((V / w)[tells], surplus[tells], spread[tells], counts[tells])
        proportional, quadratic = (_direction(g[tells], *known) for g in ways)
        regression = np.zeros((3, 3))
        if kind == POISSON:
            m = (w * mu)[tells]
            rows = np.column_stack([np.ones(len(m)), m, (((w * e) ** 2 - w * y)[tells]) / m])
            regression = (rows * counts[tells][:, None]).T @ rows
        between = float(counts[(y != 0.0) & (y != 1.0)].sum())
        return Seen(float(counts[tells].sum()), proportional, quadratic, regression, between)

    return frame.reduce(kernel)


def _second_derivative(kind: str, fit: Fit) -> float:
    """V'' of the variance function."""
    kernel = fit.spec.likelihood.family.kernel
    if isinstance(kernel, NegativeBinomialVariance):
        return 2.0 / kernel.theta
    return -2.0 if kind == BINOMIAL else 0.0


def _direction(g: Array, variance: Array, surplus: Array, spread: Array, counts: Array) -> Direction:
    a = g * variance / spread
    return Direction(
        float(counts @ (a * surplus)), float(counts @ (a**2 * spread)), float(counts @ (a * g * variance))
    )
