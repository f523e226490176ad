"""From trained networks to the table that each `inference=` stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.call import Covariance, Spec
from glmstat.errors import outside
from glmstat.estimate import Estimate
from glmstat.fit import Fit
from glmstat.formula.design import Design
from glmstat.frame import ModelFrame
from glmstat.inference.again import LEARNED
from glmstat.inference.covariance import as_covariance, covariance_root
from glmstat.information import DenseInformation
from glmstat.likelihood.base import GLM
from glmstat.matrix import Block
from glmstat.network_fit import NetworkFit, OutOfFold
from glmstat.neural import lines, statements
from glmstat.neural.beside import restricted
from glmstat.neural.cross_fitted import Estimator, by_orthogonal, by_pooling, learned, other_prior
from glmstat.neural.folds import halves
from glmstat.neural.held_out import check_uncut
from glmstat.neural.instruments import target_design
from glmstat.neural.interval import kept_linear, whole_network
from glmstat.neural.material import Material
from glmstat.neural.nuisance import Nuisance
from glmstat.neural.output import Output, frozen
from glmstat.neural.split import count_dropped, fit_half, learn_half, split_lines
from glmstat.neural.trained import with_output
from glmstat.statement import Statement
from glmstat.verdict import warn

__all__ = ["TABLES", "stopped"]

COVERAGE = (
    "in simulations 95 % intervals of this kind covered 57 to 85 % (linear terms) and 60 to 62 % (means)"
)


def debiased(material: Material) -> Fit:
    """Return the fit whose table is that of the cross-fitted orthogonal score."""
    return _cross_fitted(material, by_orthogonal, statements.debiased)


def crossfit(material: Material) -> Fit:
    """Return the fit whose table pools GLMs on learned features, fold by fold."""
    return _cross_fitted(material, by_pooling, statements.crossfit)


def naive(material: Material) -> Fit:
    """Return the fit whose table takes the learned features as given."""
    slots = _shown(material)
    root = covariance_root(material.head)[slots]
    fit = _linear_table(material, slots, root, statements.naive((COVERAGE, *lines.training(material))))
    for kind in ("HC0", "HC1"):  # from scores of the whole output layer, not of the linear columns alone
        key = Covariance(kind).key
        fit.kept[key] = _read_only(covariance_root(material.head, Covariance(kind))[slots])
        fit.kept[f"{key} facts"] = material.head.kept[f"{key} facts"]
    return fit


def laplace(material: Material) -> Fit:
    """Return the fit whose table is the posterior of the linear coefficients."""
    targets, kept = material.layout.targets, kept_linear(material.head, material.layout)
    if not len(targets):
        return nothing(material)
    found = whole_network(material.head, material.record, material.layout)
    said = (f"{found.label}; {found.caution}", *lines.training(material))
    covariance = np.full((len(targets), len(targets)), np.nan)
    ours = np.isin(targets, kept)
    places = np.searchsorted(kept, targets[ours])
    covariance[np.ix_(ours, ours)] = found.linear[np.ix_(places, places)]
    values, vectors = np.linalg.eigh(np.nan_to_num(covariance))
    root = np.where(ours[:, None], vectors * np.sqrt(np.maximum(values, 0.0)), np.nan)
    return _linear_table(material, targets, root, statements.laplace(said))


def nothing(material: Material) -> Fit:
    """Return the fit without standard errors."""
    return _without_inference(material, lines.training(material))


def stopped(material: Material) -> Fit:
    """Return what there is when the user stopped the training: networks that predict, without inference."""
    return _without_inference(material, ("interrupted by the user: no inference", *lines.training(material)))


def _without_inference(material: Material, said: tuple[str, ...]) -> NetworkFit:
    slots = _shown(material)
    return _linear_table(material, slots, np.full((len(slots), 1), np.nan), statements.nothing(said))


def _shown(material: Material) -> IntArray:
    """Slots of a table as if of given features: the targets that were asked for, else all linear columns."""
    return material.layout.linear if material.choices.targets is None else material.layout.targets


def split(material: Material) -> Fit:
    """Return the fit of half of the rows on features learned on the other half."""
    choices, problem, call = material.choices, material.problem, material.call
    used = problem.weights > 0
    learning = halves(
        used,
        choices.seed,
        clusters=material.clusters,
        cluster=material.cluster_text,
        response=material.shares,
    )
    nets = learn_half(
        problem,
        learning,
        nets=1,  # features of several nets would stand in for each other
        prior=choices.precision,
        seed=choices.seed,
        training=choices.training,
        control=call["control"],
        progress=call["progress"],
    )
    design = material.layout.design.with_towers(frozen(material.layout, nets))
    frame, estimate = fit_half(
        material.frame.with_design(design),
        material.likelihood,
        learning,
        control=call["control"],
        dispersion=call["dispersion"],
    )
    warn(estimate, design.columns, stacklevel=outside())
    dropped = count_dropped(problem, nets)
    statement = statements.split(split_lines(learning, used, choices.seed, dropped))
    trained = with_output(material, nets, Output(frame, design, estimate), statement)
    # so that with_data() finds the halves again
    trained.head.kept[LEARNED] = _read_only(learning.astype(np.float64))
    return _table(trained, frame, estimate, statement, design)


def _read_only(values: Array) -> Array:
    values.flags.writeable = False
    return values


TABLES: Mapping[str, Callable[[Material], Fit]] = {
    "debiased": debiased,
    "crossfit": crossfit,
    "split": split,
    "naive": naive,
    "laplace": laplace,
    "none": nothing,
}


# ---------------------------------------------------------------- cross-fitting


def _cross_fitted(
    material: Material, estimate: Estimator, statement: Callable[[Sequence[str]], Statement]
) -> Fit:
    """The median over repetitions; without targets, what folds say of the networks."""
    if not len(material.layout.targets):
        return _held_out_only(material)
    folds = tuple(material.folds(repetition) for repetition in range(material.choices.reps))
    nuisances = learned(material, folds)
    found = [estimate(material, nuisance) for nuisance in nuisances]
    fit = _of_repetitions(material, found, statement, _out_of_fold(material, nuisances[0]))
    other = other_prior(material, folds[0], found[0], fit, estimate)
    return lines.with_lines(fit, lines.cross_fitted(material, nuisances, found, other))


def _held_out_only(material: Material) -> Fit:
    """The networks with predictions out of fold, where no coefficient is asked for."""
    said = ("no linear term that is no input of a network: nothing to infer", *lines.training(material))
    (nuisance,) = learned(material, (material.folds(0),))
    held = replace(material.record, out_of_fold=_out_of_fold(material, nuisance))
    return lines.with_lines(replace(_without_inference(material, said), record=held), said)


def _out_of_fold(material: Material, nuisance: Nuisance) -> OutOfFold:
    return OutOfFold(nuisance.eta, nuisance.linear, nuisance.folds, material.clusters)


def _of_repetitions(
    material: Material,
    found: Sequence[Any],
    statement: Callable[[Sequence[str]], Statement],
    out_of_fold: OutOfFold,
) -> NetworkFit:
    """The median of the repetitions, with the covariance that the call asks for."""
    said = statement(())
    fits = tuple(_table(material, one.frame, one.estimate, said) for one in found)
    theta = np.median([one.estimate.theta for one in found], axis=0)
    theta.flags.writeable = False
    first = replace(fits[0], record=replace(material.record, out_of_fold=out_of_fold))
    check_uncut(first, first.covariance)
    if len(fits) == 1:
        return first
    assert first.frame is not None
    deviance = _deviance(first.frame, material.likelihood, theta)
    estimate = replace(first.estimate, theta=theta, deviance=deviance)
    return replace(first, estimate=estimate, repetitions=fits, kept={})


def _deviance(frame: ModelFrame, likelihood: GLM, theta: Array) -> float:
    """Deviance of the rows of a frame at some coefficients."""

    def kernel(block: Block) -> float:
        eta = block.offset + block.X[0].dot(theta)[:, None]
        return float(likelihood.deviance(block.y, eta, block.total)[block.total > 0].sum())

    return frame.reduce(kernel)


def _table(
    material: Material,
    frame: ModelFrame,
    estimate: Estimate,
    statement: Statement,
    design: Design | None = None,
) -> NetworkFit:
    call, head = material.call, material.head
    design = target_design(material.layout.design, material.layout.targets) if design is None else design
    spec = Spec(
        call.without_data(), design, material.likelihood, call["control"], head.spec.library, statement
    )
    return NetworkFit(
        spec, estimate, _covariance(material, statement), head.notes, frame, head=head, record=material.record
    )


def _covariance(material: Material, statement: Statement) -> Covariance:
    """The covariance that the call asks for, else clusters, else the statement's own."""
    if material.call["vcov"] is not None:
        return as_covariance(material.call["vcov"])
    if material.cluster and "CR1" in statement.covariances:
        return Covariance("CR1", cluster=material.cluster)
    return Covariance(statement.covariances[0] if statement.covariances else "classical")


# ---------------------------------------------------------------- tables of the linear terms


def _linear_table(material: Material, slots: IntArray, root: Array, statement: Statement) -> NetworkFit:
    """Linear coefficients of the output layer, with a covariance given by its root (p, k)."""
    whole = material.output.estimate
    theta = np.array(whole.theta[slots])
    theta.flags.writeable = False
    phi = whole.dispersion.value
    names = [material.frame.columns[slot] for slot in slots]
    information = DenseInformation(
        np.eye(root.shape[1]), root / np.sqrt(phi), np.arange(len(slots)), len(slots)
    )
    estimate = replace(
        whole,
        theta=theta,
        directions=tuple(direction[slots] for direction in whole.directions),
        information=information,
        aliased={name: why for name, why in whole.aliased.items() if name in names},
        penalty=None,
    )
    frame = restricted(material.frame, slots, None)
    return _table(material, frame, estimate, statement, target_design(material.layout.design, slots))
