"""From trained networks to the table that each `inference=` stands for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.call import Covariance, Spec
from glmstat.errors import NetworkWarning, outside
from glmstat.estimate import Estimate
from glmstat.fit import Fit
from glmstat.formula.design import Design
from glmstat.frame import ModelFrame
from glmstat.inference.again import LEARNED
from glmstat.inference.covariance import as_covariance, covariance_root, std_errors
from glmstat.inference.statement import check_covered
from glmstat.inference.variable import grouping
from glmstat.information import DenseInformation
from glmstat.likelihood.base import GLM
from glmstat.matrix import Block
from glmstat.network_fit import NetworkFit, OutOfFold
from glmstat.neural import lines, statements
from glmstat.neural.beside import restricted
from glmstat.neural.choices import CROSS_FITTED
from glmstat.neural.folds import halves, make_folds
from glmstat.neural.held_out import check_uncut
from glmstat.neural.instruments import target_design
from glmstat.neural.interval import kept_linear, whole_network
from glmstat.neural.lines import Moved
from glmstat.neural.nuisance import Nuisance, Plan, learn_nuisances
from glmstat.neural.orthogonal import Orthogonal, fit_orthogonal
from glmstat.neural.output import Output, frozen
from glmstat.neural.road import Material, precision, with_output
from glmstat.statement import Statement
from glmstat.verdict import warn

__all__ = ["TABLES"]

MOVED = 0.5  # standard errors: two priors further apart than that disagree by bias
COVERAGE = (
    "in simulations 95 % intervals of this kind covered 57 to 85 % (linear terms) and 60 to 62 % (means)"
)


def debiased(material: Material) -> Fit:
    """Return the fit whose table is that of the cross-fitted orthogonal score."""
    if not len(material.layout.targets):
        return nothing(material)
    clusters, name = _clusters(material)
    folds = _folds(material, clusters, name)
    nuisances = _learned(material, folds)
    found = [_orthogonal(material, nuisance) for nuisance in nuisances]
    fit = _of_repetitions(material, found, statements.debiased, _out_of_fold(nuisances[0], clusters))
    other = _other_prior(material, folds[:1], found[0], fit)
    said = lines.debiased(material, nuisances, found, other)
    return lines.with_lines(fit, said)


def crossfit(material: Material) -> Fit:
    """Return the fit whose table pools GLMs on learned features, fold by fold."""
    from glmstat.neural.pooled import fit_pooled

    if not len(material.layout.targets):
        return nothing(material)
    clusters, name = _clusters(material)
    folds = _folds(material, clusters, name)
    nuisances = _learned(material, folds)
    found = [
        fit_pooled(material.problem, material.layout.targets, nuisance, material.output.estimate.null)
        for nuisance in nuisances
    ]
    fit = _of_repetitions(material, found, statements.crossfit, _out_of_fold(nuisances[0], clusters))
    return lines.with_lines(fit, (*lines.cross_fitted(material, nuisances), *lines.training(material)))


def naive(material: Material) -> Fit:
    """Return the fit whose table takes the learned features as given."""
    slots = material.layout.linear
    root = covariance_root(material.head)[slots]
    fit = _linear_table(material, slots, root, statements.naive((COVERAGE, *lines.training(material))))
    for kind in (
        "HC0",
        "HC1",
    ):  # scores of the whole output layer, which the linear columns alone do not give
        key = Covariance(kind).key
        fit.kept[key] = _read_only(covariance_root(material.head, Covariance(kind))[slots])
        fit.kept[f"{key} facts"] = material.head.kept[f"{key} facts"]
    return fit


def laplace(material: Material) -> Fit:
    """Return the fit whose table is the posterior of the linear coefficients."""
    found = whole_network(material.head, material.record, material.layout)
    said = (f"{found.label}; {found.caution}", *lines.training(material))
    targets, kept = material.layout.targets, kept_linear(material.head, material.layout)
    if not len(targets):
        return nothing(material)
    covariance = np.full((len(targets), len(targets)), np.nan)
    ours = np.isin(targets, kept)
    places = np.searchsorted(kept, targets[ours])
    covariance[np.ix_(ours, ours)] = found.linear[np.ix_(places, places)]
    values, vectors = np.linalg.eigh(np.nan_to_num(covariance))
    root = np.where(ours[:, None], vectors * np.sqrt(np.maximum(values, 0.0)), np.nan)
    return _linear_table(material, targets, root, statements.laplace(said))


def nothing(material: Material) -> Fit:
    """Return the fit without standard errors."""
    slots = material.layout.linear
    root = np.full((len(slots), 1), np.nan)
    said = lines.training(material)
    if material.choices.inference != "none":
        said = ("no linear term that is no input of a network: nothing to infer", *said)
    fit = _linear_table(material, slots, root, statements.nothing(said))
    if material.choices.inference not in CROSS_FITTED:
        return fit
    clusters, name = _clusters(material)
    (nuisance,) = _learned(material, _folds(material, clusters, name)[:1])
    held = replace(material.record, out_of_fold=_out_of_fold(nuisance, clusters))
    return lines.with_lines(replace(fit, record=held), said)


def split(material: Material) -> Fit:
    """Return the fit of half of the rows on features learned on the other half."""
    from glmstat.neural.split import fit_half, learn_half, split_lines

    choices, problem, call = material.choices, material.problem, material.call
    clusters, name = _clusters(material)
    used = problem.weights > 0
    learning = halves(used, choices.seed, clusters=clusters, cluster=name, response=_shares(material))
    nets = learn_half(
        problem,
        learning,
        nets=1,  # features of several nets would stand in for each other
        prior=precision(choices),
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
    statement = statements.split(split_lines(learning, used, choices.seed))
    trained = with_output(material, nets, Output(frame, design, estimate), statement)
    trained.head.kept[LEARNED] = _read_only(
        learning.astype(np.float64)
    )  # so that with_data() finds the halves again
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


def _shares(material: Material) -> Array | None:
    """The response of a binomial family (n,), whose events folds spread evenly; None for others."""
    return material.problem.y[:, 0] if material.likelihood.family.name == "binomial" else None


def _clusters(material: Material) -> tuple[IntArray | None, str]:
    """What keeps rows together (n,), and its name."""
    if not material.cluster:
        return None, ""
    found = grouping(material.glm, material.cluster, "cluster")
    kept = material.frame.rows_kept
    return (found.codes if kept is None else found.codes[kept]).astype(np.int64), found.text


def _folds(material: Material, clusters: IntArray | None, name: str) -> tuple[IntArray, ...]:
    choices, problem = material.choices, material.problem
    return tuple(
        make_folds(
            problem.weights > 0,
            choices.folds,
            choices.seed,
            repetition,
            clusters=clusters,
            cluster=name,
            response=_shares(material),
            columns=len(material.layout.linear),
        )
        for repetition in range(choices.reps)
    )


def _learned(
    material: Material, folds: tuple[IntArray, ...], prior: float | None = None
) -> tuple[Nuisance, ...]:
    """The nuisances of some repetitions, under the prior of the call or another one."""
    choices, call = material.choices, material.call
    wanted = precision(choices) if prior is None else prior
    plan = Plan(folds, choices.nets, wanted, choices.seed, choices.training, call["control"])
    return learn_nuisances(material.problem, material.layout.targets, plan, progress=call["progress"])


def _orthogonal(material: Material, nuisance: Nuisance) -> Orthogonal:
    return fit_orthogonal(
        material.frame,
        material.likelihood,
        nuisance.score,
        nuisance.start,
        material.output.estimate.null,
        material.call["control"],
        material.call["dispersion"],
    )


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
    return replace(first, estimate=replace(first.estimate, theta=theta, deviance=deviance), repetitions=fits)


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
        asked = as_covariance(material.call["vcov"])
        check_covered(statement, asked)
        return asked
    if material.cluster and "CR1" in statement.covariances:
        return Covariance("CR1", cluster=material.cluster)
    return Covariance(statement.covariances[0] if statement.covariances else "classical")


def _other_prior(material: Material, folds: tuple[IntArray, ...], first: Orthogonal, fit: Fit) -> Moved:
    """The first repetition again, with the other prior."""
    prior = material.choices.other_prior
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say was said of the fit itself
        (nuisance,) = _learned(material, folds, prior)
        other = _orthogonal(material, nuisance)
    moved = np.abs(other.theta - first.theta) / std_errors(fit)
    found = Moved(prior, moved)
    if moved.max(initial=0.0) > MOVED:
        warnings.warn(
            f"The prior decides: {found.text}, more than {MOVED:g}. "
            "The networks bias the estimates: use more rows, or simpler networks.",
            NetworkWarning,
            stacklevel=outside(),
        )
    return found


def _out_of_fold(nuisance: Nuisance, clusters: IntArray | None) -> OutOfFold:
    return OutOfFold(nuisance.eta, nuisance.linear, nuisance.folds, clusters)


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
