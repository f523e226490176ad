"""The arguments of `rglm` beside those of every model, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal, get_args

import numpy as np

from glmstat.call import Call
from glmstat.errors import ArgumentError, near, one_of
from glmstat.neural.problem import Training

__all__ = ["CROSS_FITTED", "PRIORS", "Choices", "Inference", "read_choices"]

Inference = Literal["debiased", "crossfit", "split", "naive", "laplace", "none"]
CROSS_FITTED = ("debiased", "crossfit")
PRIORS = (3.0, 10.0, 30.0)  # what prior="cv" tries
PRIOR, UNDERSMOOTHED = 10.0, 5.0


@dataclass(frozen=True)
class Choices:
    """What was chosen for networks and the inference beside them.

    Parameters
    ----------
    inference : what the table of coefficients says.
    targets : columns or terms whose coefficients are wanted; None is every linear one.
    folds, nets, reps : of cross-fitting; nets are averaged everywhere.
    seed : of all random numbers.
    prior : precision of the weights; None where held-out rows decide.
    training : the recipe.
    """

    inference: Inference
    targets: tuple[str, ...] | None
    folds: int
    nets: int
    reps: int
    seed: int
    prior: float | None
    training: Training

    @property
    def precision(self) -> float:
        """The prior, known once held-out rows have chosen it."""
        assert self.prior is not None
        return self.prior

    @property
    def other_prior(self) -> float:
        """The prior that estimates are compared with."""
        return PRIOR if self.prior == UNDERSMOOTHED else UNDERSMOOTHED


def read_choices(call: Call) -> Choices:
    """Return the choices of a call.

    Raises
    ------
    ArgumentError : a word that does not exist, or a number out of range.
    """
    inference = call["inference"]
    known = get_args(Inference)
    if inference not in known:
        raise ArgumentError(
            f"Unknown inference: {inference!r}. Known: {one_of(known)}.{near(str(inference), known)}"
        )
    if inference == "split" and call["targets"] is not None:
        raise ArgumentError(
            'inference="split" tells of every coefficient: targets are given. Leave them out.'
        )
    training = _training(call["training"], call["penalty"])
    if inference == "laplace" and training.penalty is not None:
        raise ArgumentError(
            f'inference="laplace" knows the normal prior only: penalty is "{training.penalty}". Leave it out.'
        )
    return Choices(
        inference,
        _targets(call["targets"]),
        _whole("folds", call["folds"], 2),
        _whole("nets", call["nets"], 1),
        _whole("reps", call["reps"], 1),
        _whole("seed", call["seed"], 0),
        _prior(call["prior"], inference),
        training,
    )


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(f"{name} must be a whole number >= {least}: got {value!r}.")
    return int(value)


def _targets(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f"targets must name linear terms or columns: got {given!r}. Write targets=['x'], or leave it out."
        )
    return tuple(dict.fromkeys(names))


def _prior(given: Any, inference: str) -> float | None:
    if given == "cv":
        return None
    if given is None:
        return UNDERSMOOTHED if inference in (*CROSS_FITTED, "laplace") else PRIOR
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not (isfinite(given) and given >= 0):
        raise ArgumentError(
            f'prior must be a precision >= 0, or "cv": got {given!r}. Leave it out for the default.'
        )
    return float(given)


def _training(given: Any, penalty: Any) -> Training:
    if given is not None and not isinstance(given, Training):
        raise ArgumentError(
            f"training must be a Training: got {type(given).__name__}. Write training=Training(steps=500)."
        )
    training = given or Training()
    if penalty is None:
        return training
    if training.penalty not in (None, penalty):
        raise ArgumentError("penalty is given twice, in training= and beside it. Give it once.")
    return replace(training, penalty=penalty)
