"""The dispersion and the log-likelihood at an estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from glmstat.compute import Counts, Facts
from glmstat.errors import ArgumentError
from glmstat.estimate import Dispersion
from glmstat.families import Gaussian, InverseGaussian
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block
from glmstat.solve.likeliest import Likeliest, has_exact, likeliest_dispersion
from glmstat.workspace import Workspace

__all__ = [
    "Saturated",
    "choose_dispersion",
    "log_likelihood",
    "positive_dispersion",
    "saturated_asks",
    "saturated_kernel",
    "saturated_sum",
]

Estimator = Literal["pearson", "deviance", "ml"]


class Saturated(NamedTuple):
    """The log-likelihood at mu = y for one dispersion, and its slope in the log of the dispersion."""

    value: float
    dispersion: float
    slope: float = 0.0

    def at(self, phi: float) -> float:
        """Return it for another dispersion."""
        return self.value + (self.slope * float(np.log(phi / self.dispersion)) if self.slope else 0.0)


def choose_dispersion(
    workspace: Workspace,
    gamma: Array,
    facts: Facts,
    counts: Counts,
    df_residual: int,
    asked: Estimator | float | None,
) -> Dispersion:
    """Return the dispersion: 1 where the family fixes it, else Pearson's, or what was asked for."""
    fixed = workspace.likelihood.family.dispersion
    if asked is None:
        asked = "pearson" if fixed is None else None
        if asked is None:
            return Dispersion(float(fixed or 1.0), "fixed")
    if not isinstance(asked, str):
        return Dispersion(positive_dispersion(asked), "given")
    if asked == "ml":
        if fixed is not None:
            raise ArgumentError(
                f"dispersion='ml' has nothing to maximise: the {workspace.likelihood.family.name} likelihood "
                "has dispersion 1. Use 'pearson' or 'deviance'."
            )
        return Dispersion(_most_likely(workspace, facts, counts), "ml")
    if asked not in ("pearson", "deviance"):
        raise ArgumentError(f"Unknown dispersion: {asked!r}. Known: pearson, deviance, ml, or a number > 0.")
    total = facts.pearson if asked == "pearson" else facts.deviance
    return Dispersion(total / df_residual if df_residual > 0 else np.nan, asked)


def positive_dispersion(value: float) -> float:
    """Return a dispersion that was given, as a number > 0.

    Raises
    ------
    ArgumentError : it is not.
    """
    numeric = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    number = float(value) if numeric else np.nan
    if not (np.isfinite(number) and number > 0):
        raise ArgumentError(f"dispersion must be > 0: {value!r}. Known words: pearson, deviance, ml.")
    return number


def log_likelihood(
    workspace: Workspace,
    facts: Facts,
    counts: Counts,
    dispersion: Dispersion,
    saturated: Saturated | None = None,
) -> float:
    """Return the log-likelihood, constants included, or NaN where the family has none.

    An estimated dispersion is replaced by the one that R's AIC plugs in, or by the likeliest; of a family
    without such a rule a given one stays.

    Parameters
    ----------
    saturated : the log-likelihood at mu = y where a pass has summed it already.
    """
    family = workspace.likelihood.family
    if not family.has_likelihood:
        return float("nan")
    phi = family.dispersion
    if phi is None:
        phi = family.loglik_dispersion(facts.deviance, counts.rows, counts.weight)
    if phi is None and dispersion.estimator == "given":
        return _loglik_at(workspace, facts.deviance, dispersion.value)
    if phi is None and counts.response == 0 and family.power != 0 and not facts.deviance > 0:
        return 0.0  # zeros alone, each of probability 1
    if phi is None:
        return _exact(workspace, facts, counts).loglik
    if saturated is not None and phi > 0:
        return saturated.at(phi) - facts.deviance / (2.0 * phi)
    return _loglik_at(workspace, facts.deviance, phi)


def _loglik_at(workspace: Workspace, deviance: float, phi: float, *, apart: bool = False) -> float:
    with np.errstate(all="ignore"):
        kernel = saturated_kernel(workspace.likelihood, phi, apart=apart)
        saturated = workspace.frame.reduce(kernel)
        return float(saturated - deviance / (2.0 * phi)) if phi > 0 else float("inf")


def saturated_asks(workspace: Workspace, guess: float) -> tuple[float, ...]:
    """Return the dispersions at which the saturated log-likelihood tells what it is at any, or none.

    Parameters
    ----------
    guess : the dispersion, where it is estimated.
    """
    family = workspace.likelihood.family
    if not family.has_likelihood:
        return ()
    if family.dispersion is not None:
        return (family.dispersion,)
    straight = family.name == "gaussian" and not family.user_defined  # linear in log(phi)
    return (guess, 2.0 * guess) if straight and 1e-200 < guess < 1e200 else ()


def saturated_sum(workspace: Workspace, phi: float) -> float:
    """Return the log-likelihood of all rows at mu = y, for one dispersion."""
    with np.errstate(all="ignore"):
        return workspace.frame.reduce(saturated_kernel(workspace.likelihood, phi))


def saturated_kernel(likelihood: GLM, phi: float, *, apart: bool = False) -> Callable[[Block], float]:
    """Return what gives the log-likelihood of the rows of a block at mu = y, for one dispersion.

    Parameters
    ----------
    apart : weights divide the dispersion of each row and do not multiply its log-likelihood.
    """

    def kernel(block: Block) -> float:
        weights, dispersion = block.weights, phi
        if apart and not (block.weights == 1.0).all():
            with np.errstate(divide="ignore"):
                weights, dispersion = np.ones(len(block.y)), phi / block.weights
        rows = likelihood.saturated(block.y, weights, dispersion)  # pyright: ignore[reportArgumentType]
        if block.frequency is not None:
            rows = rows * block.frequency
        used = block.total > 0
        return float(rows.sum() if used.all() else rows[used].sum())

    return kernel


def _most_likely(workspace: Workspace, facts: Facts, counts: Counts) -> float:
    """Phi that maximises the likelihood at the estimate, in which weights divide it as in the variance."""
    from scipy.optimize import minimize_scalar

    family = workspace.likelihood.family
    if not family.has_likelihood:
        raise ArgumentError(f"dispersion='ml' needs a likelihood: {family.text} has none. Use 'pearson'.")
    if has_exact(family):
        return _exact(workspace, facts, counts).dispersion
    if not facts.deviance > 0:
        return 0.0
    if type(family) in (Gaussian, InverseGaussian):
        return facts.deviance / counts.rows
    guess = np.log(facts.deviance / counts.weight)
    found = minimize_scalar(
        lambda log_phi: -_loglik_at(workspace, facts.deviance, float(np.exp(log_phi)), apart=True),
        bracket=(guess - 1.0, guess + 1.0),
        options={"xtol": 1e-12},
    )
    return float(np.exp(found.x))


def _exact(workspace: Workspace, facts: Facts, counts: Counts) -> Likeliest:
    return likeliest_dispersion(workspace, facts.deviance, facts.pearson / counts.weight, counts.rows)
