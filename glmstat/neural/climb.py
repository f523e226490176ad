"""Training to the maximum: L-BFGS with a strong Wolfe line search, all rows, double precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glmstat.data.torch import load_torch
from glmstat.neural.ascent import Course, Curve, State
from glmstat.neural.batches import open_feed
from glmstat.neural.loss import Loss
from glmstat.neural.network import Stack
from glmstat.neural.setup import Setup
from glmstat.progress import track

__all__ = ["climb"]

CHUNK = 25  # iterations between two looks
MEMORY = 60  # pairs of steps and gradients
STILL = 1e-15  # relative change of the objective that is none
FLAT = 1e-11  # largest slope, per unit weight, at a maximum
REFRESHED = 3  # times that the dispersion is renewed


class _Climb:
    """L-BFGS on the parameters of one member."""

    def __init__(self, setup: Setup, course: Course, device: Any) -> None:
        self.torch = torch = load_torch()
        self.setup, self.course = setup, course
        double = torch.float64
        feed = open_feed([setup], setup.problem.rows, device, double)
        self.batch, self.held_out = next(feed.batches), feed.held_out
        self.loss = Loss.of([setup], feed.norm)
        self.flat = torch.as_tensor(setup.start[None].copy()).to(device).requires_grad_(True)
        self.stack = Stack(self.flat, setup.layout, setup.problem.networks)
        self.decay = torch.as_tensor(setup.decay() / setup.norm).to(device)
        self.free = torch.as_tensor(setup.free()).to(device)
        self.weighted = torch.as_tensor(setup.layout.weighted).to(device, double)
        self.curve = Curve(self.flat.detach().clone(), torch.full((1,), np.inf, dtype=double, device=device))
        self.taken = 0

    def objective(self) -> Any:
        """Return the objective, and leave its gradient in `flat.grad`."""
        with self.torch.enable_grad():
            out = self.stack.forward(self.batch.z)
            value, slope = self.loss.slopes(out, self.batch)
            gradient = self.stack.gradient(out, slope)
        flat = self.flat.detach()
        self.flat.grad = (gradient + self.decay * flat) * self.free
        return value.sum() + 0.5 * (self.decay * flat * flat).sum()

    def run(self, progress: bool | None) -> None:
        """Climb until the slope is flat, the objective stands still twice, or the steps are used up."""
        steps, optimizer, still, last = self.course.steps, self._optimizer(), 0, np.inf
        for _ in track(range(-(-steps // CHUNK)), -(-steps // CHUNK), "training", progress):
            value = float(optimizer.step(self.objective))  # the value before the chunk
            now = float(self._note())
            slope = float(self.flat.grad.abs().max())
            if not np.isfinite(now) or slope < FLAT:
                return
            still = still + 1 if min(value, last) - now <= STILL * abs(now) else 0
            if still == 2:
                return
            if still:
                optimizer = self._optimizer()
            last = now

    def refresh(self) -> None:
        """Renew the dispersion from the current fit."""
        with self.torch.no_grad():
            out = self.stack.forward(self.batch.z)
        phi = self.loss.spread(out, self.batch).dispersion([self.setup])[:, None, :]
        self.loss = replace(self.loss, phi=self.torch.as_tensor(phi).to(self.flat.device))

    @property
    def depends_on_dispersion(self) -> bool:
        """Whether another dispersion would move the maximum."""
        return self.loss.objective.family.dispersion is None and bool(self.decay.any())

    def _optimizer(self) -> Any:
        return self.torch.optim.LBFGS(
            [self.flat], lr=self.course.rate, max_iter=CHUNK, max_eval=4 * CHUNK, history_size=MEMORY,
            tolerance_grad=FLAT, tolerance_change=1e-17, line_search_fn="strong_wolfe",
        )  # fmt: skip

    def _note(self) -> Any:
        """Add a point to the learning curve; return the objective."""
        value = self.objective()
        with self.torch.no_grad():
            out = self.stack.forward(self.batch.z)
        train = self.loss.deviance(out, self.batch)
        nothing = self.torch.full((1,), np.nan, dtype=self.torch.float64)
        held_out = nothing if self.held_out is None else self.loss.deviance(out, self.held_out)
        self.taken += CHUNK
        self.curve.recent.append(value[None])
        self.curve.note(self.taken, self.flat.detach(), train, held_out, self.course.rate, self.weighted)
        return value

    def state(self, interrupted: bool) -> State:
        """Return the parameters with the best objective."""
        flat = self.curve.best[0].cpu().numpy().copy()
        phi = self.loss.phi[0, 0].cpu().numpy().copy()
        return State(flat, self.curve.histories(1)[0], phi, interrupted)


def climb(setups: Sequence[Setup], course: Course, device: Any, progress: bool | None) -> list[State]:
    """Return what L-BFGS makes of some members, one after the other.

    Parameters
    ----------
    setups, course : the members, and the largest number of steps.
    device : where tensors live; they are of double precision.
    progress : whether a bar shows.

    Source: Nocedal and Wright (2006), Numerical Optimization, ch. 3 and 7.
    """
    states: list[State] = []
    interrupted = course.steps == 0
    for setup in setups:
        course = replace(course, steps=0) if interrupted else course
        climber = _Climb(setup, course, device)
        try:
            climber.run(progress)
            for _ in range(REFRESHED if climber.depends_on_dispersion and course.steps else 0):
                climber.refresh()
                climber.curve.lowest.fill_(np.inf)
                climber.run(progress)
        except KeyboardInterrupt:
            interrupted = True
        states.append(climber.state(interrupted))
    return states
