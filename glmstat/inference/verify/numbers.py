"""What a fit says beside its coefficients, once more from the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.array import silence
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.inference.verify.reading import Rowwise

__all__ = ["Numbers", "disagreements", "numbers_of"]

_CLOSE = 1e-6
_THETA = 1e-5  # standard errors of theta that it may be from its maximum
_ROUNDING = 1e-8  # share of the sizes of rows that their sum may be off
_ROUNDED = 64.0 * float(np.finfo(np.float64).eps)  # of the terms that the log-likelihood of a row is made of


@dataclass(frozen=True)
class Numbers:
    """Sums over rows.

    Parameters
    ----------
    pearson : sum of w (y - mu)² / V(mu).
    loglik, error : log-likelihood by closed densities, and what rounding may do to it; NaN where the family
        has none here.
    theta : score of the negative binomial's theta.
    """

    pearson: float
    loglik: float
    error: float
    theta: float = 0.0

    def __add__(self, other: Numbers) -> Numbers:
        return Numbers(
            self.pearson + other.pearson,
            self.loglik + other.loglik,
            self.error + other.error,
            self.theta + other.theta,
        )


def numbers_of(fit: Fit, rows: Rowwise, beta: Array, deviance: float) -> Numbers:
    """Return the sums at coefficients, in one pass.

    Parameters
    ----------
    beta : (k,) of the scaled columns.
    deviance : of the rows, of which the dispersion in the log-likelihood is made.
    """
    family = fit.spec.likelihood.family
    density = None if family.user_defined or _sampled(fit) else _DENSITIES.get(family.name)
    shaped, phi = fit.estimate.shape is not None and family.name == "negative_binomial", family.dispersion
    if phi is None and density is not None:
        phi = deviance / (fit.estimate.rows if family.name == "gaussian" else fit.estimate.weight)
        density = density if phi > 0 else None
    unit = 1.0 if phi is None else phi

    def kernel(block: Block) -> Numbers:
        total = Numbers(0.0, 0.0, 0.0)
        with silence():
            for part, columns in block.X[0].runs():
                run = columns[rows.slots] * rows.scale[:, None]
                counted = rows.weights(block, part, run)
                eta = rows.eta(block, part, columns, beta)
                mu = np.asarray(family.link.mean(eta))
                y, used = block.y[part], counted > 0
                pearson = np.where(used, counted * np.square(y - mu) / family.variance(mu), 0.0)
                loglik = error = np.nan
                if density is not None:
                    weights = block.weights[part][used]
                    times = 1.0 if block.frequency is None else block.frequency[part][used]
                    each = times * density(y[used], mu[used], weights, unit, family)
                    sizes = (np.abs(y) + np.abs(mu))[used] * (1.0 + np.abs(np.log(np.abs(mu[used]))))
                    loglik = float(each.sum())
                    error = _ROUNDING * float(np.abs(each).sum())
                    error += _ROUNDED * float(sizes @ (times * weights)) / unit
                theta = float(_theta(y, mu, family) @ np.where(used, counted, 0.0)) if shaped else 0.0
                total += Numbers(float(pearson.sum()), loglik, error, theta)
        return total

    return rows.reduce(kernel)


def disagreements(fit: Fit, numbers: Numbers, unit: float, df: float) -> Iterator[str]:
    """Yield what the fit says and the rows do not, in words.

    Parameters
    ----------
    unit : what of a deviance is rounding.
    df : residual degrees of freedom; NaN where they are not known.
    """
    estimate = fit.estimate
    if not _near(estimate.pearson, numbers.pearson, unit):
        yield f"the rows have Pearson's statistic {numbers.pearson:.8g}, the fit says {estimate.pearson:.8g}"
    wanted = _dispersion(fit, numbers, df)
    if wanted is not None and not _near(estimate.dispersion.value, wanted, unit / max(df, 1.0)):
        yield f"the rows have dispersion {wanted:.8g}, the fit says {estimate.dispersion.value:.8g}"
    scale = fit.deviance / estimate.weight if fit.spec.likelihood.family.dispersion is None else 1.0
    error = numbers.error + (unit / scale if scale > 0 else np.inf)
    yield from _shape(fit, numbers)
    if np.isfinite(numbers.loglik) and not abs(estimate.loglik - numbers.loglik) <= error:
        yield f"the rows have log-likelihood {numbers.loglik:.8g}, the fit says {estimate.loglik:.8g}"


def _shape(fit: Fit, numbers: Numbers) -> Iterator[str]:
    shape = fit.estimate.shape
    if shape is None or shape.name != "theta" or shape.estimator != "ml":
        return
    move = abs(numbers.theta) * shape.std_error
    if move > _THETA:
        yield f"the score of theta is not 0, it can still move by {move:.2g} standard errors"


def _near(told: float, found: float, unit: float) -> bool:
    return not np.isfinite(found) or not np.isfinite(told) or abs(told - found) <= _CLOSE * abs(found) + unit


def _dispersion(fit: Fit, numbers: Numbers, df: float) -> float | None:
    """The dispersion by the rule that the fit names; None for rules that are no ratio of sums."""
    estimate, family = fit.estimate, fit.spec.likelihood.family
    rule = estimate.dispersion.estimator
    if rule == "fixed":
        return family.dispersion
    if rule == "given":
        given = fit.spec.call["dispersion"]
        return float(given) if isinstance(given, (int, float, np.number)) else None
    if not df > 0:
        return None
    total = {"pearson": numbers.pearson, "deviance": fit.deviance}.get(rule)
    beside_prior = fit.spec.estimator is not None and fit.spec.estimator.kind == "prior"
    least = 1.0 if beside_prior and estimate.dispersion.value == 1.0 else 0.0  # of counts, less counts as 1
    return None if total is None else max(total / df, least)


def _sampled(fit: Fit) -> bool:
    return fit.spec.call["sampling_weights"] is not None


def _gaussian(y: Array, mu: Array, weights: Array, phi: float, family: Any) -> Array:
    return 0.5 * (np.log(weights / (2.0 * np.pi * phi)) - weights * np.square(y - mu) / phi)


def _poisson(y: Array, mu: Array, weights: Array, phi: float, family: Any) -> Array:
    from scipy.special import gammaln, xlogy

    return weights * (xlogy(y, mu) - mu - gammaln(y + 1.0))


def _binomial(y: Array, mu: Array, weights: Array, phi: float, family: Any) -> Array:
    from scipy.special import gammaln, xlog1py, xlogy

    trials, count = np.rint(weights), np.rint(weights * y)
    ways = gammaln(trials + 1.0) - gammaln(count + 1.0) - gammaln(trials - count + 1.0)
    return ways + xlogy(count, mu) + xlog1py(trials - count, -mu)


def _gamma(y: Array, mu: Array, weights: Array, phi: float, family: Any) -> Array:
    from scipy.special import gammaln

    shape = 1.0 / phi
    return weights * (shape * np.log(shape * y / mu) - shape * y / mu - np.log(y) - gammaln(shape))


def _inverse_gaussian(y: Array, mu: Array, weights: Array, phi: float, family: Any) -> Array:
    return -0.5 * weights * (np.log(2.0 * np.pi * phi * y**3) + np.square(y - mu) / (phi * y * mu**2))


def _negative_binomial(y: Array, mu: Array, weights: Array, phi: float, family: Any) -> Array:
    from scipy.special import gammaln, xlogy

    theta = float(family.theta)
    ways = gammaln(y + theta) - gammaln(theta) - gammaln(y + 1.0)
    return weights * (ways + xlogy(y, mu / (theta + mu)) - theta * np.log1p(mu / theta))


def _theta(y: Array, mu: Array, family: Any) -> Array:
    """The derivative of each row's log density in theta."""
    from scipy.special import digamma

    theta = float(family.theta)
    gap = (mu - y) / (theta + mu)
    return digamma(y + theta) - digamma(theta) - np.log1p(mu / theta) + gap


_DENSITIES: dict[str, Callable[[Array, Array, Array, float, Any], Array]] = {
    "gaussian": _gaussian,
    "poisson": _poisson,
    "binomial": _binomial,
    "gamma": _gamma,
    "inverse_gaussian": _inverse_gaussian,
    "negative_binomial": _negative_binomial,
}
