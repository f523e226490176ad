"""Training by gradient steps: networks beside linear terms, for the family's own likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glmstat.array import Array
from glmstat.control import Control
from glmstat.data.torch import load_torch, open_device, threads
from glmstat.errors import DomainError
from glmstat.neural.ascent import Course, State, descend
from glmstat.neural.climb import climb
from glmstat.neural.problem import Member, Problem, Trained, Training
from glmstat.neural.setup import Layout, Setup, make_layout, prepare

__all__ = ["train"]

GROUP_CELLS = 100_000_000  # of inputs and hidden units that a group of members has in memory


def train(
    problem: Problem,
    members: Sequence[Member],
    training: Training,
    control: Control,
    *,
    progress: bool | None = None,
) -> tuple[Trained, ...]:
    """Return what each member learns.

    Each member minimises, over its own rows, the sum of weight times minus log-likelihood over the
    dispersion, plus half its prior's precision times the squared weights and output weights; biases and
    linear coefficients are free. The dispersion, where the family has one, is Pearson's of the linear fit at
    first, and of the current fit from a quarter, a half and three quarters of the steps on.

    Parameters
    ----------
    problem : rows, columns, likelihood.
    members : each with its seed, rows, prior and linear start.
    training : how.
    control : device, dtype and number of threads (one where none is given).
    progress : whether a bar shows; None where it takes long, on a terminal.

    Returns
    -------
    One `Trained` for each member. The same seeds give the same bits with one thread. Where the user
    interrupts, members have their best state so far and say so.

    Raises
    ------
    DependencyError : torch is not installed.
    ArgumentError : the device does not exist here.
    DomainError : the loss is not finite, at half the learning rate either.

    Source: Kingma and Ba (2015), Adam; MacKay (1992), A practical Bayesian framework for backpropagation
    networks (prior and dispersion).

    >>> Training().rows_of_step(100_000), Training().steps_for(100_000)
    (1024, 977)
    """
    device = open_device(control.device)
    layout = make_layout(problem)
    with threads(control.workers or 1):
        done: list[Trained] = []
        stopped = False
        for group in _groups(problem, members, training, layout):
            setups = [prepare(problem, member, training, layout) for member in group]
            found = _trained(setups, training, device, control, progress, stopped)
            stopped = stopped or any(one.interrupted for one in found)
            done += found
    return tuple(done)


def _groups(
    problem: Problem, members: Sequence[Member], training: Training, layout: Layout
) -> list[Sequence[Member]]:
    """Members that are trained at the same time."""
    width = layout.columns[-1].stop + sum(sum(network.hidden) for network in problem.networks)
    rows = training.rows_of_step(problem.rows)
    alone = training.optimizer == "lbfgs" or (problem.streamed and rows < problem.rows)
    size = 1 if alone else max(1, GROUP_CELLS // max(1, rows * width))
    return [members[start : start + size] for start in range(0, len(members), size)]


def _trained(
    setups: Sequence[Setup],
    training: Training,
    device: Any,
    control: Control,
    progress: bool | None,
    stopped: bool,
) -> list[Trained]:
    """Train some members; those whose loss is lost, once more at half the rate."""
    course = Course.of(setups[0].problem, training, steps=0 if stopped else None)
    dtype = getattr(load_torch(), control.dtype)

    def run(some: Sequence[Setup], course: Course) -> list[State]:
        if training.optimizer == "lbfgs":
            return climb(some, course, device, progress)
        return descend(some, course, device, dtype, progress)

    found = run(setups, course)
    lost = [place for place, state in enumerate(found) if not state.finite]
    if lost:
        stopped = stopped or any(state.interrupted for state in found)
        slower = replace(course.slower(), steps=0) if stopped else course.slower()
        again = run([setups[place] for place in lost], slower)
        for place, state in zip(lost, again, strict=True):
            found[place] = state
            if not state.finite:
                _refuse(course)
    return [
        _result(setup, state.flat, state.history, state.dispersion, state.interrupted or stopped)
        for setup, state in zip(setups, found, strict=True)
    ]


def _refuse(course: Course) -> None:
    raise DomainError(
        f"The loss of a network is not finite: learning rate {course.rate:g} and {course.rate / 2:g}. "
        "Give a lower learning_rate or a larger prior, and look for extreme values of response and offset."
    )


def _result(setup: Setup, flat: Array, history: dict[str, Array], phi: Array, interrupted: bool) -> Trained:
    """Parameters as arrays on the scale of the data, and predictors of all rows in double precision."""
    linear, hidden, clipped = setup.predict(flat)
    eta = linear + hidden
    held = setup.objective.held(eta)
    return Trained(
        linear=setup.linear(flat),
        towers=setup.towers(flat),
        output=setup.output(flat),
        eta=held,
        history=history,
        dispersion=phi,
        unit=setup.unit,
        prior=tuple(setup.prior(place) for place in range(len(setup.problem.networks))),
        clipped=clipped,
        outside=int((held != eta).any(1).sum()),
        interrupted=interrupted,
        spread=_spread(hidden / setup.unit, setup.weights),
    )


def _spread(values: Array, weights: Array) -> float:
    """Largest weighted standard deviation of some columns (n, Q)."""
    weights = weights / weights.sum()
    return float(np.sqrt(weights @ np.square(values - weights @ values)).max())
