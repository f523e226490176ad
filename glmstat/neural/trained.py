"""The networks that predict: their prior, their training on all rows, and what it met."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from glmstat.array import Array
from glmstat.errors import ArgumentError, NetworkWarning, outside
from glmstat.network_fit import Record
from glmstat.neural.choices import CROSS_FITTED, PRIORS, Choices
from glmstat.neural.folds import stream
from glmstat.neural.manifest import versions
from glmstat.neural.material import Material
from glmstat.neural.nuisance import torch_trainer
from glmstat.neural.output import Output, fit_output
from glmstat.neural.problem import Trained, is_dead
from glmstat.neural.statements import output_layer
from glmstat.statement import Statement

__all__ = ["prior_by_held_out", "say", "train_all", "with_output"]

FEW_ROWS = 1_000
RUNAWAY = 2.0  # times the first deviance: no prior alone makes a network so much worse
_HELD_OUT = 10_000  # the repetition whose folds choose the prior: none of those that cross-fit


def train_all(material: Material) -> Material:
    """Return the material with networks trained on all rows, and their output layer.

    Raises
    ------
    ArgumentError : a training that ran off.
    """
    call, choices = material.call, material.choices
    members = [material.member(stream(choices.seed, "network", net)) for net in range(choices.nets)]
    nets = torch_trainer(
        material.problem, members, choices.training, call["control"], progress=call["progress"]
    )
    _refuse_runaway(nets)
    output = fit_output(material.frame, material.layout, material.likelihood, nets, call)
    return with_output(material, nets, output, output_layer())


def with_output(
    material: Material, nets: Sequence[Trained], output: Output, statement: Statement
) -> Material:
    """Return the material with networks that are trained, and warn of what their training met."""
    head = output.fit(material.call.without_data(), material.likelihood, statement)
    _warn(material, nets)
    return replace(material, nets=tuple(nets), trained=(output, head, _record(material, nets)))


def prior_by_held_out(material: Material) -> Choices:
    """Return the choices with the prior among 3, 10 and 30 that has the least deviance of held-out rows.

    Folds keep clusters together; one net is trained for each fold and prior.
    """
    choices, problem, call = material.choices, material.problem, material.call
    folds = material.folds(_HELD_OUT)
    members = [
        material.member(stream(choices.seed, "network", _HELD_OUT, k), (folds != k) * 1.0, prior)
        for prior in PRIORS
        for k in range(choices.folds)
    ]
    nets = torch_trainer(problem, members, choices.training, call["control"], progress=call["progress"])
    if any(net.interrupted for net in nets):
        raise KeyboardInterrupt
    losses = []
    for place in range(len(PRIORS)):
        group = nets[place * choices.folds : (place + 1) * choices.folds]
        eta = np.column_stack([net.eta[:, 0] for net in group])[np.arange(len(folds)), folds]
        rows = material.likelihood.deviance(problem.y[:, 0], eta[:, None], problem.weights)
        losses.append(float(rows[problem.weights > 0].sum()))
    return replace(choices, prior=PRIORS[int(np.argmin(losses))])


def say(text: str) -> None:
    """Warn of what a network adds to an answer."""
    warnings.warn(text, NetworkWarning, stacklevel=outside())


def _refuse_runaway(nets: Sequence[Trained]) -> None:
    """Refuse networks that end further from the data than their random weights began."""
    for net in nets:
        train = net.history["train"]
        if not net.interrupted and len(train) > 1 and not train[-1] <= RUNAWAY * max(train[0], train.min()):
            rate = max(net.history["learning_rate"])
            raise ArgumentError(
                f"Training ran off: the deviance of a row went from {train[0]:.3g} to {train[-1]:.3g}. "
                f"Give a smaller rate than {rate:g}: Training(learning_rate={rate / 10:g})."
            )


def _warn(material: Material, nets: Sequence[Trained]) -> None:
    choices, rows = material.choices, material.frame.rows
    if any(net.interrupted for net in nets):
        say("Training was interrupted: the best state so far is kept, without inference.")
    if rows < FEW_ROWS and choices.inference in CROSS_FITTED and len(material.layout.targets):
        say(
            f"{rows:,} rows: below {FEW_ROWS:,} estimates beside a network keep a bias of up to their "
            "standard error. Compare with the glm, and see the line on the other prior."
        )
    if all(is_dead(net) for net in nets):
        say(
            "The networks learned nothing: their prior outweighs what the rows tell, and the fit is that of "
            f"the glm. Give a smaller prior than {choices.precision:g}, tanh units, or fewer layers."
        )
    if choices.training.optimizer == "lbfgs" and choices.training.steps is None:
        most = choices.training.steps_for(rows)
        if any(net.history["step"][-1] >= most for net in nets):
            say(
                f"L-BFGS used all its {most:,} steps: the objective may still fall. Give Training(steps=...)."
            )
    if nets[0].clipped:
        say(f"{nets[0].clipped:,} rows have an input over 10 standard deviations from its mean: cut there.")


def _continued(values: Array, steps: int) -> Array:
    """A history (m,) of a net that arrived early: its last value up to the last step of the others."""
    return np.concatenate([values, np.full(steps - len(values), values[-1] if len(values) else np.nan)])


def _record(material: Material, nets: Sequence[Trained]) -> Record:
    first = nets[0]
    longest = max(nets, key=lambda net: len(net.history["step"])).history
    history = {
        name: values
        if name in ("step", "learning_rate")
        else np.column_stack([_continued(net.history[name], len(values)) for net in nets])
        for name, values in longest.items()
    }
    etas = np.column_stack([net.eta[:, 0] for net in nets])
    spread = float(np.sqrt(np.mean(np.var(etas, axis=1, ddof=1)))) if len(nets) > 1 else float("nan")
    return Record(
        {network.name: first.prior[place] for place, network in enumerate(material.layout.networks)},
        float(np.mean([net.dispersion[0] for net in nets])),
        float(first.unit[0]),
        material.ranges,
        history,
        spread,
        {"versions": versions(), "interrupted": any(net.interrupted for net in nets)},
    )
