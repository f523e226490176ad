"""Cross-fitted estimates: nuisances out of fold, an estimate of each repetition, and the other prior."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.fit import Fit
from glmstat.inference.covariance import std_errors
from glmstat.neural.choices import CROSS_FITTED
from glmstat.neural.material import Material
from glmstat.neural.nuisance import Nuisance, Plan, learn_nuisances
from glmstat.neural.orthogonal import Orthogonal, fit_orthogonal
from glmstat.neural.pooled import Pooled, fit_pooled
from glmstat.neural.starts import refuse_aliased, refuse_infinite
from glmstat.neural.trained import say

__all__ = ["Moved", "by_orthogonal", "by_pooling", "check_targets", "learned", "other_prior"]

MOVED = 0.5  # standard errors: two priors further apart than that disagree by bias

Estimator = Callable[[Material, Nuisance], Orthogonal | Pooled]


@dataclass(frozen=True)
class Moved:
    """How far the estimates are from those under another prior, in standard errors (q,)."""

    names: tuple[str, ...]
    prior: float
    moved: Array
    own: bool

    @property
    def text(self) -> str:
        """In words."""
        pairs = zip(self.names[:5], self.moved, strict=False)
        sizes = ", ".join(f"{name} moves by {size:.2f}" for name, size in pairs)
        own = " (those of terms in proportion)" if self.own else ""
        return f"at prior {self.prior:g}{own} {sizes} standard errors"


def check_targets(material: Material) -> None:
    """Refuse, before anything is trained, what no training can help.

    Raises
    ------
    DataError : a linear model that predicts every row; of cross-fitting also a target that is infinite or
        that the other linear columns determine, and fewer rows than the folds need.
    """
    cross_fitted = material.choices.inference in CROSS_FITTED
    columns = [material.frame.columns[slot] for slot in material.layout.linear]
    refuse_infinite(material.linear, columns, material.layout.target_names if cross_fitted else ())
    if cross_fitted:
        refuse_aliased(material.problem, material.linear, material.layout.targets)
        material.folds(0)


def learned(
    material: Material, folds: tuple[IntArray, ...], prior: float | None = None
) -> tuple[Nuisance, ...]:
    """Return the nuisances of some repetitions, under the prior of the call or another one.

    Precisions that terms have of their own change in proportion.
    """
    choices, call, problem = material.choices, material.call, material.problem
    wanted = choices.precision if prior is None else prior
    if prior is not None and choices.precision > 0:
        scaled = [
            one if one.prior is None else replace(one, prior=one.prior * prior / choices.precision)
            for one in problem.networks
        ]
        problem = replace(problem, networks=tuple(scaled))
    plan = Plan(folds, choices.nets, wanted, choices.seed, choices.training, call["control"])
    return learn_nuisances(problem, material.layout.targets, plan, progress=call["progress"])


def by_orthogonal(material: Material, nuisance: Nuisance) -> Orthogonal:
    """Return the estimate of a repetition by the orthogonal score."""
    return fit_orthogonal(
        material.frame,
        material.likelihood,
        nuisance.score,
        nuisance.start,
        material.output.estimate.null,
        material.call["control"],
        material.call["dispersion"],
    )


def by_pooling(material: Material, nuisance: Nuisance) -> Pooled:
    """Return the estimate of a repetition by GLMs on learned features."""
    return fit_pooled(
        material.problem,
        material.layout.targets,
        nuisance,
        material.output.estimate.null,
        material.call["control"],
        material.call["dispersion"],
    )


def other_prior(
    material: Material, folds: IntArray, first: Orthogonal | Pooled, fit: Fit, estimate: Estimator
) -> Moved:
    """Return how far the first repetition moves under another prior, and warn where that is far."""
    prior = material.choices.other_prior
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say was said of the fit itself
        (nuisance,) = learned(material, (folds,), prior)
        other = estimate(material, nuisance)
    moved = np.abs(other.theta - first.theta) / std_errors(fit)
    own = any(network.prior is not None for network in material.layout.networks)
    found = Moved(material.layout.target_names, prior, moved, own)
    if moved.max(initial=0.0) > MOVED:
        say(
            f"The prior decides: {found.text}, more than {MOVED:g}. "
            "The networks bias the estimates: use more rows, or simpler networks."
        )
    return found
