"""The road of `rglm`: rows, networks, output layer, and the table that `inference=` asks for."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.call import Call, Covariance, frame_for, read_formula
from glmstat.convention import as_convention
from glmstat.data.source import open_source
from glmstat.errors import ArgumentError, NetworkWarning, one_of_a_kind, outside
from glmstat.estimate import Estimate
from glmstat.fit import Fit
from glmstat.formula.terms import render
from glmstat.frame import ModelFrame
from glmstat.inference.covariance import as_covariance
from glmstat.likelihood.base import GLM
from glmstat.network_fit import Record
from glmstat.neural import statements
from glmstat.neural.beside import restricted
from glmstat.neural.choices import CROSS_FITTED, PRIORS, Choices, read_choices
from glmstat.neural.folds import make_folds, stream
from glmstat.neural.layout import Layout, check_inputs, input_ranges, read_layout
from glmstat.neural.linear import linear_fit
from glmstat.neural.manifest import versions
from glmstat.neural.nuisance import torch_trainer
from glmstat.neural.output import Output, fit_output
from glmstat.neural.problem import Member, Problem, Trained
from glmstat.solve.estimate import fit_estimate
from glmstat.statement import Statement

__all__ = ["Material", "fit_network", "precision", "with_output"]

FEW_ROWS = 1_000
RUNAWAY = 2.0  # times the first deviance: no prior alone makes a network so much worse
OWN = (
    "inference",
    "targets",
    "folds",
    "nets",
    "reps",
    "seed",
    "prior",
    "penalty",
    "training",
    "cluster",
    "progress",
)


@dataclass(frozen=True, eq=False)
class Material:
    """What every inference starts from.

    Parameters
    ----------
    call, choices, likelihood : what was asked.
    frame, layout : rows and columns before training.
    linear : the model without hidden layers.
    ranges : least and largest value of each input, by network.
    cluster : what keeps rows together in folds, or ().
    nets : the networks that predict.
    trained : their output layer, the same as a fit, and how they came about.
    """

    call: Call
    choices: Choices
    likelihood: GLM
    frame: ModelFrame
    layout: Layout
    linear: Estimate
    ranges: Mapping[str, Array]
    cluster: tuple[Any, ...] = ()
    nets: tuple[Trained, ...] = ()
    trained: tuple[Output, Fit, Record] | None = None

    @property
    def output(self) -> Output:
        """The output layer."""
        assert self.trained is not None
        return self.trained[0]

    @property
    def head(self) -> Fit:
        """The output layer as a fit."""
        assert self.trained is not None
        return self.trained[1]

    @property
    def record(self) -> Record:
        """How the networks came about."""
        assert self.trained is not None
        return self.trained[2]

    @property
    def glm(self) -> Fit:
        """The model without hidden layers as a fit."""
        return linear_fit(self.call, self.likelihood, self.frame, self.layout, self.linear)

    @property
    def problem(self) -> Problem:
        """The rows and columns, as training takes them."""
        return Problem(self.frame, self.layout.linear, self.layout.networks, self.likelihood)

    def member(self, seed: np.random.SeedSequence, weights: Array | None = None) -> Member:
        """Return a training from the linear model, with the prior of the call."""
        start = np.nan_to_num(self.linear.theta)[:, None]
        return Member(seed, start, weights, precision(self.choices))


def fit_network(call: Call, likelihood: GLM) -> Fit:
    """Return the fit of a formula with networks; without hidden layers it is that of `glm`."""
    as_convention(call["compat"])
    choices = read_choices(call)
    plain = _without_networks(call)
    if plain is not None:
        return _as_glm(call, plain)
    if call["sampling_weights"] is not None:
        raise ArgumentError("rglm has no sampling weights. Use weights=, or glm().")
    covariance = as_covariance(call["vcov"] if call["vcov"] is not None else Covariance())
    cluster = _ways(call["cluster"]) or covariance.cluster
    if len(cluster) > 1:
        raise ArgumentError(
            f"Folds keep clusters of one kind together: {len(cluster)} are given. "
            'Give one cluster=, or their combination "a:b".'
        )
    beside = {**covariance.variables, **({"cluster": cluster[0]} if cluster else {})}
    material = prepare(call, choices, likelihood, beside, cluster)
    from glmstat.neural.tables import TABLES

    return one_of_a_kind(lambda: TABLES[choices.inference](material))


def prepare(
    call: Call, choices: Choices, likelihood: GLM, beside: Mapping[str, Any], cluster: tuple[Any, ...]
) -> Material:
    """Return the rows, the networks trained on all of them, and their output layer."""
    frame = frame_for(call, likelihood, beside)
    layout = read_layout(frame.design, choices.targets)
    ranges = input_ranges(frame, layout)
    check_inputs(layout, ranges)
    linear = fit_estimate(
        restricted(frame, layout.linear, None),
        likelihood,
        control=call["control"],
        dispersion=call["dispersion"],
    )
    if call["prior"] == "cv":
        choices = _by_held_out(call, choices, likelihood, frame, layout, linear)
    material = Material(call, choices, likelihood, frame, layout, linear, ranges, cluster)
    if choices.inference == "split":
        return material
    members = [material.member(stream(choices.seed, "network", net)) for net in range(choices.nets)]
    nets = torch_trainer(
        material.problem, members, choices.training, call["control"], progress=call["progress"]
    )
    _refuse_runaway(nets, choices)
    output = fit_output(frame, layout, likelihood, nets, call)
    return with_output(material, nets, output, statements.output_layer())


def with_output(
    material: Material, nets: Sequence[Trained], output: Output, statement: Statement
) -> Material:
    """Return the material with networks that are trained, and warn of what their training met."""
    call = material.call.without_data()
    head = output.fit(call, material.likelihood, statement)
    _warn(material.frame, nets, material.choices, material.layout.targets)
    record = _record(material.layout, nets, material.ranges)
    return replace(material, nets=tuple(nets), trained=(output, head, record))


def precision(choices: Choices) -> float:
    """Return the precision of the prior, known once held-out rows have chosen it."""
    assert choices.prior is not None
    return choices.prior


def _ways(given: Any) -> tuple[Any, ...]:
    return Covariance("CR1", cluster=given).cluster if given is not None else ()


def _without_networks(call: Call) -> str | None:
    """The formula as `glm` reads it, where no network has a hidden layer; else None."""
    formula = read_formula(call, open_source(call["data"]).names)
    if formula.networks:
        return None
    return render(formula.response, formula.terms) if "nn" in formula.text else formula.text


def _as_glm(call: Call, formula: str) -> Fit:
    from glmstat.model.glm import glm

    words = {word: value for word, value in call.arguments.items() if word not in OWN}
    vcov = words.pop("vcov")
    if vcov is None and call["cluster"] is not None:
        vcov = Covariance("CR1", cluster=call["cluster"])
    return glm(**{**words, "formula": formula, "vcov": "classical" if vcov is None else vcov})


def _by_held_out(
    call: Call, choices: Choices, likelihood: GLM, frame: ModelFrame, layout: Layout, linear: Estimate
) -> Choices:
    """The prior among 3, 10 and 30 with the least deviance of held-out rows."""
    problem = Problem(frame, layout.linear, layout.networks, likelihood)
    binomial = problem.y[:, 0] if likelihood.family.name == "binomial" else None
    folds = make_folds(problem.weights > 0, choices.folds, choices.seed, 10_000, response=binomial)
    start, inside = np.nan_to_num(linear.theta)[:, None], (folds != 0).astype(np.float64)
    members = [
        Member(stream(choices.seed, "network", 10_000, net), start, inside, prior)
        for prior in PRIORS
        for net in range(choices.nets)
    ]
    nets = torch_trainer(problem, members, choices.training, call["control"], progress=call["progress"])
    outside_fold, losses = folds == 0, []
    for place in range(len(PRIORS)):
        group = nets[place * choices.nets : (place + 1) * choices.nets]
        eta = np.mean([net.eta for net in group], axis=0)
        rows = likelihood.deviance(problem.y[:, 0], eta, problem.weights)
        losses.append(float(rows[outside_fold].sum()))
    return replace(choices, prior=PRIORS[int(np.argmin(losses))])


def _refuse_runaway(nets: Sequence[Trained], choices: Choices) -> None:
    """Refuse networks that end further from the data than their random weights began.

    Raises
    ------
    ArgumentError : the learning rate.
    """
    for net in nets:
        train = net.history["train"]
        if not net.interrupted and len(train) > 1 and not train[-1] <= RUNAWAY * max(train[0], train.min()):
            rate = max(net.history["learning_rate"])
            raise ArgumentError(
                f"Training ran off: the deviance of a row went from {train[0]:.3g} to {train[-1]:.3g}. "
                f"Give a smaller rate than {rate:g}: Training(learning_rate={rate / 10:g})."
            )


def _warn(frame: ModelFrame, nets: Sequence[Trained], choices: Choices, targets: IntArray) -> None:
    asked = choices.inference in CROSS_FITTED and len(targets)
    if frame.rows < FEW_ROWS and asked:
        _say(
            f"{frame.rows:,} rows: below {FEW_ROWS:,} estimates beside a network keep a bias of up to their "
            "standard error. Compare with the glm, and see the line on the other prior."
        )
    if any(net.interrupted for net in nets):
        _say("Training was interrupted: the best state so far is used.")
    if choices.training.optimizer == "lbfgs" and choices.training.steps is None:
        most = choices.training.steps_for(frame.rows)
        if any(net.history["step"][-1] >= most for net in nets):
            _say(
                f"L-BFGS used all its {most:,} steps: the objective may still fall. Give Training(steps=...)."
            )
    if nets[0].clipped:
        _say(f"{nets[0].clipped:,} rows have an input over 10 standard deviations from its mean: cut there.")


def _say(text: str) -> None:
    warnings.warn(text, NetworkWarning, stacklevel=outside())


def _continued(values: Array, steps: int) -> Array:
    """A history (m,) of a net that arrived early: its last value up to the last step of the others."""
    return np.concatenate([values, np.full(steps - len(values), values[-1] if len(values) else np.nan)])


def _record(layout: Layout, nets: Sequence[Trained], ranges: Mapping[str, Array]) -> Record:
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
        {network.name: first.prior[place] for place, network in enumerate(layout.networks)},
        float(np.mean([net.dispersion[0] for net in nets])),
        float(first.unit[0]),
        ranges,
        history,
        spread,
        {"versions": versions()},
    )
