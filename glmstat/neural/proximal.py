"""Proximal steps: penalties with a corner at 0, which set weights of the first layer to exactly 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from glmstat.data.torch import load_torch
from glmstat.neural.problem import Training
from glmstat.neural.setup import Setup, Slot

__all__ = ["Shrinkage"]

STRENGTH = {"l1": 0.5, "group": 0.25}  # times the root of the number of rows


@dataclass(frozen=True, eq=False)
class Shrinkage:
    """What pulls weights of first layers towards 0 after a step of Adam, in the metric of that step.

    Parameters
    ----------
    slots : first layers.
    strength : (M, 1, 1) factor of the penalty, per unit weight.
    group : whether all weights of an input are one group, else each stands alone.

    Source: Yuan and Lin (2006), Model selection and estimation in regression with grouped variables;
    Parikh and Boyd (2014), Proximal Algorithms.
    """

    slots: tuple[Slot, ...]
    strength: Any
    group: bool

    @classmethod
    def of(cls, setups: Sequence[Setup], training: Training, device: Any) -> Shrinkage | None:
        """Return the shrinkage that a training asks for, or None."""
        slots = tuple(slot for slot in setups[0].layout.slots if slot.kind == "first")
        if training.penalty is None or not slots:
            return None
        own = training.strength
        factors = [
            (STRENGTH[training.penalty] * sqrt(s.count) if own is None else own) / s.norm for s in setups
        ]
        strength = load_torch().as_tensor(np.array(factors)[:, None, None]).to(device)
        return cls(slots, strength, training.penalty == "group")

    def level(self, size: Any) -> None:
        """Give all weights of a group the same length of step, their mean, in place.

        Parameters
        ----------
        size : (M, P) by which Adam divides its step.
        """
        for slot in self.slots if self.group else ():
            metric = size[:, slot.start : slot.stop].unflatten(1, slot.shape)
            metric.copy_(metric.mean(2, keepdim=True).expand_as(metric))

    def apply(self, flat: Any, size: Any, rate: float) -> None:
        """Shrink parameters (M, P) in place.

        Parameters
        ----------
        size : (M, P) by which Adam divides its step, level in a group.
        rate : learning rate of the step, times the share of the penalty that is in force.
        """
        for slot in self.slots:
            weights = flat[:, slot.start : slot.stop].unflatten(1, slot.shape)
            metric = size[:, slot.start : slot.stop].unflatten(1, slot.shape)
            step = (rate * self.strength).to(flat.dtype)
            if self.group:
                step = step * sqrt(slot.shape[1]) / metric[:, :, :1]
                length = weights.norm(dim=2, keepdim=True).clamp_(min=1e-30)
            else:
                step, length = step / metric, weights.abs().clamp_(min=1e-30)
            weights.mul_((1.0 - step / length).clamp_(min=0.0))

    def value(self, flat: Any) -> Any:
        """Return the penalty (M,), per unit weight."""
        total = 0.0
        for slot in self.slots:
            weights = flat[:, slot.start : slot.stop].unflatten(1, slot.shape)
            one = (
                sqrt(slot.shape[1]) * weights.norm(dim=2).sum(1) if self.group else weights.abs().sum((1, 2))
            )
            total = total + one * self.strength[:, 0, 0]
        return total
