"""Nuisances of the targets, out of fold: what the controls say of the predictor, and of each target.

With targets D, controls r, offset o and eta = o + D'theta + f(r), the nuisances are f and the weighted mean
m = E[wD | r] / E[w | r], w the weights of iteratively reweighted least squares. Both are learned on the rows
outside a fold and kept for the rows inside. The offset is part of no m. Targets are centred, so that results
do not depend on where their zero is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from glmstat.compute import Triangle
from glmstat.control import Control
from glmstat.data.reduce import tree_sum
from glmstat.errors import DataError
from glmstat.families import Gaussian
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, IntArray
from glmstat.neural.beside import columns_of, row_information, rows_of, solve_triangle, triangle_of
from glmstat.neural.folds import stream
from glmstat.neural.instruments import Score
from glmstat.neural.problem import Member, Problem, Trained, Training, refuse_interrupted
from glmstat.neural.starts import linear_predictor, linear_starts, null_deviance

__all__ = [
    "Learned",
    "Nuisance",
    "Plan",
    "Trainer",
    "learn_nuisances",
    "torch_trainer",
]

Trainer = Callable[..., tuple[Trained, ...]]  # one result for each member, as `torch_trainer` says
_Task = tuple[int, int]  # repetition and fold


@dataclass(frozen=True, eq=False)
class Plan:
    """How the nuisances are learned.

    Parameters
    ----------
    folds : for each repetition the fold of each row (n,).
    nets : networks for each fold, whose predictors are averaged.
    prior : precision of their prior.
    seed : of all random streams.
    training, control : settings.
    """

    folds: tuple[IntArray, ...]
    nets: int
    prior: float
    seed: int
    training: Training = field(default_factory=Training)
    control: Control = field(default_factory=Control)


@dataclass(frozen=True, eq=False)
class Learned:
    """Networks of one fold, trained on the rows outside it.

    Parameters
    ----------
    outcome : of the response.
    target : of the targets.
    """

    outcome: tuple[Trained, ...]
    target: tuple[Trained, ...]

    @property
    def predictor(self) -> Array:
        """Mean of the outcome networks' predictors (n,), offset included."""
        return _mean(self.outcome, lambda one: one.eta[:, 0])


@dataclass(frozen=True, eq=False)
class Nuisance:
    """Out-of-fold nuisances of one repetition.

    Parameters
    ----------
    folds : (n,) fold of each row.
    eta : (n,) predictor of the networks, offset included.
    linear : (n,) that of the linear model of the same rows.
    targets : slots of the targets (q,).
    centre : (q,) weighted means of the targets over all rows.
    f : (n,) predictor less offset and centred targets.
    m : (n, q) weighted means of the targets given the controls.
    start : (q,) the networks' own coefficients of the targets, averaged.
    outcome_r2 : share of the null deviance that the out-of-fold predictor explains.
    target_r2 : (q,) share of each target's weighted variance that m explains, out of fold.
    learned : the networks, fold by fold.
    """

    folds: IntArray
    eta: Array
    linear: Array
    targets: IntArray
    centre: Array
    f: Array
    m: Array
    start: Array
    outcome_r2: float
    target_r2: Array
    learned: tuple[Learned, ...] = field(repr=False, default=())

    @property
    def score(self) -> Score:
        """The orthogonal score that they make."""
        return Score(self.targets, self.f, self.m, self.centre)


def learn_nuisances(
    problem: Problem,
    targets: IntArray,
    plan: Plan,
    *,
    trainer: Trainer | None = None,
    progress: Any = None,
) -> tuple[Nuisance, ...]:
    """Return the out-of-fold nuisances of every repetition.

    All networks of all folds and repetitions are trained side by side: those of the response first, then
    those of the targets, with the weights that the former give.

    Parameters
    ----------
    problem : rows, linear columns, networks and likelihood of the response.
    targets : slots of the targets (q,), some of `problem.linear`, or none; both ascend.
    plan : folds and networks.
    trainer : what trains; None is `neural.train.train`, which needs torch.
    progress : passed to the trainer.

    Raises
    ------
    DataError : a target that the other linear columns determine, in all rows or outside a fold; one that is
        infinite in the linear model; a linear model that predicts every row perfectly.
    Interrupted : the user stopped a training; the next does not begin.
    DomainError : no linear predictor keeps every mean inside its domain.

    Warns
    -----
    SeparationWarning : the linear model of the rows outside a fold has infinite coefficients.
    ExtrapolationWarning : a column, such as a rare level, that the rows outside a fold do not determine.

    Source: Chernozhukov et al. (2018), Definitions 3.2 and 3.3; Liu, Zhang and Cai (2021) for the weights.
    """
    trainer = torch_trainer if trainer is None else trainer
    places = np.searchsorted(problem.linear, targets)
    tasks = [(rep, k) for rep, folds in enumerate(plan.folds) for k in range(int(folds.max()) + 1)]
    kept = [_held_in(plan, task) for task in tasks]
    starts = linear_starts(problem, targets, kept, [k for _, k in tasks], plan.control)
    outcome = _train(problem, plan, tasks, starts, None, "outcome", partial(trainer, progress=progress))
    target = _target_networks(problem, targets, plan, tasks, outcome, partial(trainer, progress=progress))
    learned = dict(zip(tasks, map(Learned, outcome, target), strict=True))
    coef, null = dict(zip(tasks, starts, strict=True)), null_deviance(problem, plan.control)
    return tuple(
        _assemble(
            problem,
            folds,
            [learned[task] for task in tasks if task[0] == rep],
            [coef[task] for task in tasks if task[0] == rep],
            places,
            null,
        )
        for rep, folds in enumerate(plan.folds)
    )


def _target_networks(
    problem: Problem,
    targets: IntArray,
    plan: Plan,
    tasks: Sequence[_Task],
    outcome: Sequence[tuple[Trained, ...]],
    trainer: Callable[..., tuple[Trained, ...]],
) -> Sequence[tuple[Trained, ...]]:
    """The networks of the targets, with the weights that those of the response give; none without targets."""
    if not len(targets):
        return [()] * len(tasks)
    second = _target_problem(problem, targets)
    weights = [_target_weights(problem, plan, task, own) for task, own in zip(tasks, outcome, strict=True)]
    starts = [_least_squares(second, weight) for weight in weights]
    return _train(second, plan, tasks, starts, weights, "target", trainer)


def torch_trainer(
    problem: Problem,
    members: Sequence[Member],
    training: Training,
    control: Control,
    *,
    progress: Any = None,
) -> tuple[Trained, ...]:
    """Return what `neural.train.train` returns, torch imported now: one result for each member.

    Raises
    ------
    DependencyError : torch is not installed.
    """
    from glmstat.neural.train import train

    return train(problem, members, training, control, progress=progress)


def _mean(members: Sequence[Trained], part: Callable[[Trained], Array]) -> Array:
    return tree_sum(part(one) for one in members) / len(members)


# ---------------------------------------------------------------- networks


def _held_in(plan: Plan, task: _Task) -> Array:
    """1 in rows outside the fold, 0 inside (n,)."""
    rep, k = task
    return (plan.folds[rep] != k).astype(np.float64)


def _train(
    problem: Problem,
    plan: Plan,
    tasks: Sequence[_Task],
    starts: Sequence[Array],
    weights: Sequence[Array] | None,
    purpose: Literal["outcome", "target"],
    trainer: Callable[..., tuple[Trained, ...]],
) -> list[tuple[Trained, ...]]:
    """The networks of each task."""
    kept = [_held_in(plan, task) for task in tasks] if weights is None else weights
    members = [
        Member(stream(plan.seed, purpose, *task, net), start, weight, plan.prior)
        for task, start, weight in zip(tasks, starts, kept, strict=True)
        for net in range(plan.nets)
    ]
    trained = refuse_interrupted(trainer(problem, members, plan.training, plan.control))
    return [tuple(trained[i : i + plan.nets]) for i in range(0, len(trained), plan.nets)]


def _target_problem(problem: Problem, targets: IntArray) -> Problem:
    others = np.setdiff1d(problem.linear, targets)
    return Problem(
        problem.frame, others, problem.networks, GLM(Gaussian()), columns_of(problem.frame, targets)
    )


def _target_weights(problem: Problem, plan: Plan, task: _Task, outcome: Sequence[Trained]) -> Array:
    """What multiplies the rows' weights in the fit of the targets (n,), 1 in the mean; 0 in the fold."""
    eta = _mean(outcome, lambda one: one.eta[:, 0])
    kept = _held_in(plan, task)
    weights = row_information(problem.likelihood, problem.y[:, 0], eta, np.ones(problem.rows)) * kept
    total = float(problem.weights @ weights)
    if not total > 0:
        raise DataError(
            f"No row outside fold {task[1] + 1} carries information at the predictor of its networks. "
            "Use a larger prior, or fewer folds."
        )
    return weights * (float(problem.weights @ kept) / total)


def _least_squares(problem: Problem, weights: Array) -> Array:
    """Coefficients (p, q) of the targets on the other linear columns, with the weights given."""
    frame, width = problem.frame, len(problem.linear)

    def kernel(block: Block) -> Triangle:
        rows = rows_of(frame, block)
        linear = block.X[0].take(None, problem.linear).to_array()
        return triangle_of(np.column_stack([linear, problem.y[rows]]), block.total * weights[rows])

    return solve_triangle(frame.reduce(kernel).factor, width)


# ---------------------------------------------------------------- out of fold


def _assemble(
    problem: Problem,
    folds: IntArray,
    learned: Sequence[Learned],
    coef: Sequence[Array],
    places: IntArray,
    null: float,
) -> Nuisance:
    """The predictions for each fold by the networks of the others."""
    targets = columns_of(problem.frame, problem.linear[places])
    eta, m = np.empty(problem.rows), np.empty_like(targets)
    own = np.array([_mean(networks.outcome, lambda one: one.linear[places, 0]) for networks in learned])
    for k, networks in enumerate(learned):
        inside = folds == k
        eta[inside] = networks.predictor[inside]
        if networks.target:
            m[inside] = _mean(networks.target, lambda one: one.eta)[inside]
    weights = row_information(problem.likelihood, problem.y[:, 0], eta, problem.weights)
    centre = np.average(targets, axis=0, weights=weights)
    deviance = problem.likelihood.deviance(problem.y[:, 0], eta[:, None], problem.weights)
    explained = 1.0 - float(deviance[problem.weights > 0].sum()) / null if null > 0 else np.nan
    return Nuisance(
        folds=folds,
        eta=eta,
        linear=linear_predictor(problem, folds, coef),
        targets=problem.linear[places],
        centre=centre,
        f=eta - problem.offset - np.einsum("ij,ij->i", targets - centre, own[folds]),
        m=m,
        start=own.mean(axis=0),
        outcome_r2=explained,
        target_r2=_explained(targets - centre, m - centre, weights),
        learned=tuple(learned),
    )


def _explained(targets: Array, m: Array, weights: Array) -> Array:
    """Share of the weighted variance of each centred target that m explains (q,)."""
    with np.errstate(all="ignore"):
        return 1.0 - weights @ np.square(targets - m) / (weights @ np.square(targets))
