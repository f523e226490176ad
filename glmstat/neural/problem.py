"""What is asked of the training of networks, and what comes back: arrays only, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isfinite
from typing import Literal, get_args

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.errors import ArgumentError, near, one_of
from glmstat.frame import ModelFrame
from glmstat.layers import Tower
from glmstat.likelihood.base import GLM
from glmstat.matrix import Block

__all__ = [
    "STREAMED",
    "Inputs",
    "Interrupted",
    "Member",
    "Optimizer",
    "Penalty",
    "Problem",
    "Trained",
    "Training",
    "is_dead",
    "refuse_interrupted",
]

Optimizer = Literal["adam", "adamw", "lbfgs"]
Penalty = Literal["l1", "group"]

FULL_BATCH = 5_000  # rows up to which every step sees all of them
STREAMED = 50_000_000  # cells of a design that is never held whole
DEAD = 1e-3  # of the predictor's unit: a network that adds less than that says nothing


class Interrupted(Exception):
    """The user stopped networks that inference needs: what they have come to is no nuisance."""


@dataclass(frozen=True)
class Training:
    """How networks are trained; the defaults depend on the number of rows.

    Parameters
    ----------
    optimizer : "adam"; "adamw", where the prior shrinks the weights in a step of its own, towards the same
        maximum; or "lbfgs", which goes to the maximum in double precision, for networks that are linear.
    steps : gradient steps. None: 300 with all rows in a step, else as many as show a million rows, and each
        row ten times; for "lbfgs" at most 3000.
    learning_rate : largest size of a step, reached after 20 steps and falling to 0 along a cosine. None: 0.02
        with all rows in a step, else 0.005. For "lbfgs" the first step of a line search, 1.
    batch : rows of a step. None: all up to 5,000 rows, else 1,024.
    penalty : None; "l1" on every weight of the first layer, or "group" on all weights of an input together,
        which drops inputs.
    strength : factor of that penalty, in units of the log-likelihood. None: the root of the number of rows,
        times 1/2 for "l1" and 1/4 for "group".

    Raises
    ------
    ArgumentError : a word that does not exist, or a number out of range.

    Source: Kingma and Ba (2015), Adam; Loshchilov and Hutter (2017, 2019), cosine rates and AdamW;
    Nocedal and Wright (2006), Numerical Optimization, ch. 7 (L-BFGS); Parikh and Boyd (2014), Proximal
    Algorithms.

    >>> Training().rows_of_step(2_000), Training().rows_of_step(100_000)
    (2000, 1024)
    """

    optimizer: Optimizer = "adam"
    steps: int | None = None
    learning_rate: float | None = None
    batch: int | None = None
    penalty: Penalty | None = None
    strength: float | None = None

    def __post_init__(self) -> None:
        _word("optimizer", self.optimizer, get_args(Optimizer))
        if self.penalty is not None:
            _word("penalty", self.penalty, get_args(Penalty))
        for name in ("steps", "batch"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ArgumentError(
                    f"{name} must be a whole number >= 1: {value!r}. Leave it out for the default."
                )
            object.__setattr__(self, name, int(value))
        for name in ("learning_rate", "strength"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value > 0):
                raise ArgumentError(f"{name} must be a number > 0: {value!r}. Leave it out for the default.")
        if self.optimizer == "lbfgs" and (self.penalty is not None or self.batch is not None):
            raise ArgumentError(
                'optimizer="lbfgs" sees all rows and a smooth objective: batch or penalty is given. '
                'Leave them out, or use "adam".'
            )

    def rows_of_step(self, rows: int) -> int:
        """Return how many of `rows` rows a step sees."""
        if self.optimizer == "lbfgs":
            return rows
        if self.batch is None:
            return rows if rows <= FULL_BATCH else 1_024
        return min(self.batch, rows)

    def steps_for(self, rows: int) -> int:
        """Return the number of steps on `rows` rows."""
        if self.steps is not None:
            return self.steps
        if self.optimizer == "lbfgs":
            return 3_000
        batch = self.rows_of_step(rows)
        return 300 if batch == rows else -(-max(1_000_000, 10 * rows) // batch)

    def rate_for(self, rows: int) -> float:
        """Return the largest learning rate on `rows` rows."""
        if self.learning_rate is not None:
            return self.learning_rate
        if self.optimizer == "lbfgs":
            return 1.0
        return 0.02 if self.rows_of_step(rows) == rows else 0.005


def _word(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ArgumentError(f"Unknown {name}: {value!r}. Known: {one_of(known)}.{near(str(value), known)}")


@dataclass(frozen=True, eq=False)
class Inputs:
    """One network of a problem.

    Parameters
    ----------
    name : what messages call it.
    slots : columns of the frame that enter it (d,).
    hidden, activation : width and activation of each layer; () adds nothing hidden.
    embed : (start, stop, size), positions in `slots` whose columns are the levels of a factor, to be replaced
        by `size` learned numbers.
    prior : precision of the normal prior of its weights; None leaves it to the member.
    """

    name: str
    slots: IntArray
    hidden: tuple[int, ...]
    activation: tuple[str, ...]
    embed: tuple[tuple[int, int, int], ...] = ()
    prior: float | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows, columns and a likelihood to train networks for.

    Parameters
    ----------
    frame : the rows; its columns are linear columns and raw inputs.
    linear : columns that enter linearly (p,), the intercept among them.
    networks : what is added to them.
    likelihood : of the response.
    response : (n, Q) in place of the frame's response and offset; one output for each column. None: the
        frame's, with its offset.

    The arrays are made when they are asked for; `X` only where it has room.
    """

    frame: ModelFrame
    linear: IntArray
    networks: tuple[Inputs, ...]
    likelihood: GLM
    response: Array | None = None

    @property
    def rows(self) -> int:
        """Number of rows n, those of weight 0 among them."""
        return self.frame.rows

    @property
    def outputs(self) -> int:
        """Number of outputs Q."""
        return 1 if self.response is None else self.response.shape[1]

    @property
    def streamed(self) -> bool:
        """Whether the design is too large to be held."""
        return self.rows * len(self.frame.columns) > STREAMED

    @cached_property
    def X(self) -> Array:
        """All columns of the frame (n, P)."""
        return self._joined(lambda block: block.X[0].to_array())

    @cached_property
    def y(self) -> Array:
        """Response (n, Q)."""
        return self._joined(lambda block: block.y)[:, None] if self.response is None else self.response

    @cached_property
    def offset(self) -> Array:
        """What is added to the predictors (n,); zeros under a response of its own."""
        if self.response is not None or not self.frame.has_offset:
            return np.zeros(self.rows)
        return self._joined(lambda block: block.offset[:, 0])

    @cached_property
    def shift(self) -> Array:
        """What is kept out of single precision (Q,): mean responses under the identity link, else 0."""
        total = float(self.weights.sum())
        if (
            self.likelihood.family.link.name != "identity"
            or self.frame.intercept not in self.linear
            or not total
        ):
            return np.zeros(self.outputs)
        return self.weights @ (self.y - self.offset[:, None]) / total

    @property
    def base(self) -> Array:
        """What is added to the predictors in training (n, Q): the offset and the shift."""
        return self.offset[:, None] + self.shift

    @cached_property
    def weights(self) -> Array:
        """What multiplies each row's log-likelihood (n,), frequencies included."""
        return self._joined(lambda block: block.total)

    @cached_property
    def frequency(self) -> Array:
        """How often each row is counted (n,)."""
        return self._joined(lambda block: block.frequencies)

    def _joined(self, part: Callable[[Block], Array]) -> Array:
        return np.concatenate([part(block) for block in self.frame.blocks()])


@dataclass(frozen=True, eq=False)
class Member:
    """One training of the networks of a problem.

    Parameters
    ----------
    seed : of the first weights and the order of rows.
    start : linear coefficients (p, Q) to start from; a row that is NaN stays 0.
    weights : (n,) multiplies the weights of rows; 0 holds a row out. None: ones.
    prior : precision of the normal prior of weights and output weights, where a network has none of its own.
    """

    seed: np.random.SeedSequence
    start: Array
    weights: Array | None = None
    prior: float = 10.0


@dataclass(frozen=True, eq=False)
class Trained:
    """What a member has learned, in double precision.

    Parameters
    ----------
    linear : (p, Q) coefficients of the linear columns as the frame gives them.
    towers : one for each network.
    output : (width, Q) for each network: output weights on its features.
    eta : (n, Q) predictors of all rows, offset included, kept where the mean is defined; those of rows of
        weight 0 are out of sample.
    history : "step", "train" and "held_out" (deviance per unit weight), "learning_rate", "weight_size".
    dispersion : (Q,) of the training objective.
    unit : (Q,) size of the predictor in which output weights have the prior: their precision is
        prior / unit**2; 1 for the log link and links of probabilities.
    prior : precision for each network.
    clipped : rows with an input more than 10 standard deviations from its mean.
    outside : rows whose predictor was moved to where the mean is defined.
    interrupted : whether training was stopped early by the user.
    spread : weighted standard deviation of what all networks together add to the predictor, in its unit, the
        largest over outputs; infinite where it is not known.
    """

    linear: Array
    towers: tuple[Tower, ...]
    output: tuple[Array, ...]
    eta: Array
    history: Mapping[str, Array] = field(repr=False)
    dispersion: Array
    unit: Array
    prior: tuple[float, ...]
    clipped: int = 0
    outside: int = 0
    interrupted: bool = False
    spread: float = inf

    @property
    def features(self) -> int:
        """Number of features of all networks together."""
        return sum(len(weights) for weights in self.output)


def is_dead(trained: Trained) -> bool:
    """Return whether networks with hidden layers add a constant only, so that the fit is the linear model.

    The prior has a mode of its own at 0: weights that shrink together take from each other the slope of the
    loss, and none comes back.

    Parameters
    ----------
    trained : what a member has learned.
    """
    return any(tower.layers for tower in trained.towers) and trained.spread < DEAD


def refuse_interrupted(trained: Sequence[Trained]) -> tuple[Trained, ...]:
    """Return the members of a training that came to its end.

    Raises
    ------
    Interrupted : one of them did not.
    """
    if any(one.interrupted for one in trained):
        raise Interrupted("Training of networks out of fold was stopped.")
    return tuple(trained)
