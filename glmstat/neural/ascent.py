"""The steps of a training: Adam, on all members at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import cos, pi
from typing import Any

import numpy as np

from glmstat.array import Array
from glmstat.data.torch import load_torch
from glmstat.neural.batches import Batch, Feed, open_feed
from glmstat.neural.loss import Loss, Spread
from glmstat.neural.network import Stack
from glmstat.neural.problem import Problem, Training
from glmstat.neural.proximal import Shrinkage
from glmstat.neural.setup import Setup
from glmstat.progress import track

__all__ = ["Course", "Curve", "State", "descend"]

WARM_UP = 20
BETAS = (0.9, 0.99)
TINY = 1e-8
LONGEST = 10.0  # norm of a gradient
FOUND, FORCED = 0.3, 0.6  # share of the steps at which a penalty sets in, and is in full force
POINTS = 60  # of a learning curve
WINDOW = 50  # batches that a dispersion is made of


@dataclass(frozen=True)
class Course:
    """How long, how fast, how many rows at a time."""

    training: Training
    steps: int
    rate: float
    batch: int

    @classmethod
    def of(cls, problem: Problem, training: Training, steps: int | None = None) -> Course:
        """Return the course for so many rows; `steps` in place of its own."""
        own = training.steps_for(problem.rows) if steps is None else steps
        return cls(training, own, training.rate_for(problem.rows), training.rows_of_step(problem.rows))

    def slower(self) -> Course:
        """Return the course at half the rate."""
        return replace(self, rate=0.5 * self.rate)

    def rate_at(self, step: int) -> float:
        """Return the learning rate: a rise over the first steps, then a cosine to 0."""
        warm = min(WARM_UP, self.steps // 5)
        if step < warm:
            return self.rate * (step + 1) / warm
        return self.rate * 0.5 * (1.0 + cos(pi * (step - warm) / max(1, self.steps - warm)))

    def share_at(self, step: int) -> float:
        """Return how much of a penalty on the first layers is in force: none until the shape is found."""
        return min(1.0, max(0.0, (step / self.steps - FOUND) / (FORCED - FOUND)))

    @property
    def every(self) -> int:
        """Steps between two points of the learning curve."""
        return max(1, self.steps // POINTS)


@dataclass(eq=False)
class State:
    """What a member has come to: parameters (P,), learning curve, dispersion (Q,)."""

    flat: Array
    history: dict[str, Array]
    dispersion: Array
    interrupted: bool

    @property
    def finite(self) -> bool:
        """Whether training has kept to finite numbers."""
        return bool(np.isfinite(self.flat).all() and np.isfinite(self.history["train"]).all())


@dataclass(eq=False)
class Curve:
    """Points of the learning curves of M members, and the best parameters so far."""

    best: Any
    lowest: Any
    recent: list[Any] = field(default_factory=list)
    points: list[tuple[Any, ...]] = field(default_factory=list)

    def note(self, step: int, flat: Any, train: Any, held_out: Any, rate: float, weighted: Any) -> None:
        """Add a point, and keep the parameters where the objective, averaged since the last, is lower."""
        torch = load_torch()
        self.points.append((step, train, held_out, rate, (flat * flat * weighted).sum(1).sqrt()))
        mean = torch.stack(self.recent).mean(0)
        self.recent.clear()
        better = mean < self.lowest
        self.lowest = torch.where(better, mean, self.lowest)
        self.best = torch.where(better[:, None], flat, self.best)

    def histories(self, members: int) -> list[dict[str, Array]]:
        """Return the curve of each member."""
        steps = np.array([point[0] for point in self.points], dtype=np.float64)
        rates = np.array([point[3] for point in self.points])
        train, held_out, size = (
            np.array([point[place].double().cpu().numpy() for point in self.points]).reshape(-1, members)
            for place in (1, 2, 4)
        )
        return [
            {
                "step": steps,
                "train": train[:, m],
                "held_out": held_out[:, m],
                "learning_rate": rates,
                "weight_size": size[:, m],
            }
            for m in range(members)
        ]


class _Descent:
    """Adam on the parameters of M members."""

    def __init__(self, setups: Sequence[Setup], course: Course, device: Any, dtype: Any) -> None:
        self.torch = load_torch()
        self.setups, self.course = tuple(setups), course
        self.feed: Feed = open_feed(setups, course.batch, device, dtype)
        self.loss = Loss.of(setups, self.feed.norm)
        flat = np.stack([setup.start for setup in setups])
        self.flat = self.torch.as_tensor(flat).to(device, dtype)
        problem = setups[0].problem
        self.stack = Stack(self.flat, setups[0].layout, problem.networks)
        totals = np.array([[setup.norm] for setup in setups])
        decay = np.stack([setup.decay() for setup in setups])
        self.decay = self.torch.as_tensor(decay / totals).to(device, dtype)
        self.weighted = self.torch.as_tensor(setups[0].layout.weighted).to(device, dtype)
        free = np.stack([setup.free() for setup in setups])
        self.free = None if free.all() else self.torch.as_tensor(free).to(device, dtype)
        self.first, self.second = self.torch.zeros_like(self.flat), self.torch.zeros_like(self.flat)
        lowest = self.torch.full((len(setups),), np.inf, dtype=self.torch.float64, device=device)
        self.curve = Curve(self.flat.clone(), lowest)
        self.spread: Spread | None = None
        self.shrink = Shrinkage.of(setups, course.training, device)

    def step(self, number: int) -> None:
        """Take one step of every member."""
        batch, course = next(self.feed.batches), self.course
        out = self.stack.forward(batch.z)
        value, slope = self.loss.slopes(out, batch)
        gradient = self.stack.gradient(out, slope)
        rate, coupled = course.rate_at(number), course.training.optimizer == "adam"
        pull = self.decay * self.flat
        penalty = 0.0 if self.shrink is None else self.shrink.value(self.flat)
        self.curve.recent.append(value + 0.5 * (pull * self.flat).sum(1) + penalty)
        if number % course.every == 0 or number == course.steps - 1:
            self._note(number, out, batch, rate)
        self._refresh(number, out, batch)
        if coupled:
            gradient += pull
        if self.free is not None:
            gradient *= self.free
        gradient *= (LONGEST / gradient.norm(dim=1, keepdim=True)).clamp_(max=1.0)
        size = self._adam(gradient, number)
        if self.shrink is not None:
            self.shrink.level(size)
        self.flat.addcdiv_(self.first, size, value=-rate / (1.0 - BETAS[0] ** (number + 1)))
        if not coupled:  # the prior's own step, in the metric of Adam's: the maximum stays where it is
            self.flat.div_(1.0 + rate * self.decay / size)
        if self.shrink is not None:
            self.shrink.apply(self.flat, size, rate * course.share_at(number))

    def _adam(self, gradient: Any, number: int) -> Any:
        """Update both moments; return the root of the second, corrected for its start."""
        self.first.lerp_(gradient, 1.0 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1.0 - BETAS[1])
        correction = (1.0 - BETAS[1] ** (number + 1)) ** 0.5
        return self.second.sqrt().div_(correction).add_(TINY)

    def _note(self, number: int, out: Any, batch: Batch, rate: float) -> None:
        held_out = self.torch.full((len(self.setups),), np.nan, dtype=self.torch.float64)
        feed = self.feed
        if feed.held_out is not None:
            with self.torch.no_grad():
                seen = out if feed.full else self.stack.forward(feed.held_out.z)
            held_out = self.loss.deviance(seen, feed.held_out)
        train = self.loss.deviance(out, batch)
        self.curve.note(number, self.flat, train, held_out, rate, self.weighted)

    def _refresh(self, number: int, out: Any, batch: Batch) -> None:
        """Renew the dispersion after each of three quarters of the steps, from the last batches."""
        if self.loss.objective.family.dispersion is not None or self.course.steps < 4:
            return
        quarter = self.course.steps // 4
        window = 1 if self.feed.full else min(WINDOW, quarter)
        place = number % quarter
        if number >= 4 * quarter or number // quarter > 2 or place < quarter - window:
            return
        found = self.loss.spread(out, batch)
        self.spread = found if self.spread is None else self.spread + found
        if place == quarter - 1:
            phi = self.spread.dispersion(self.setups)[:, None, :]
            self.loss = replace(self.loss, phi=self.torch.as_tensor(phi).to(self.flat.device))
            self.spread = None

    def states(self, interrupted: bool) -> list[State]:
        """Return what every member has come to; the best so far where training was interrupted."""
        if interrupted:
            self.flat.copy_(self.curve.best)
        phi = self.loss.phi[:, 0].cpu().numpy()
        curves = self.curve.histories(len(self.setups))
        return [
            State(flat, curve, own.copy(), interrupted)
            for flat, curve, own in zip(self.stack.numbers(), curves, phi, strict=True)
        ]


def descend(
    setups: Sequence[Setup], course: Course, device: Any, dtype: Any, progress: bool | None
) -> list[State]:
    """Return what Adam makes of some members, all in one loop.

    Parameters
    ----------
    setups, course : the members, and how long and how fast.
    device, dtype : of the tensors.
    progress : whether a bar shows.
    """
    descent, interrupted = _Descent(setups, course, device, dtype), course.steps == 0
    try:
        for number in track(range(course.steps), course.steps, "training", progress):
            descent.step(number)
    except KeyboardInterrupt:
        interrupted = True
    return descent.states(interrupted)
