"""What a training starts from: moments of the rows of a member, its linear fit, random weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.activations import as_activation
from glmstat.array import Array, IntArray
from glmstat.layers import Embedding, Layer, Tower
from glmstat.neural.objective import Objective, dispersion, limits, unit
from glmstat.neural.problem import Inputs, Member, Problem, Training

__all__ = ["Layout", "Setup", "Slot", "make_layout", "prepare"]

FLATTER = ("sigmoid", "gauss", "gumbel", "loglog", "cauchit", "softplus")  # than tanh at 0, without a gate
Kind = Literal["linear", "embedding", "first", "weights", "bias", "output"]


class Slot(NamedTuple):
    """Where one array of parameters stands in the vector of all: start:stop, with its shape.

    `network` is the place of its network, -1 for the linear coefficients.
    """

    kind: Kind
    network: int
    start: int
    stop: int
    shape: tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """All parameters of a member in one vector: linear, then network by network from the inputs on.

    Parameters
    ----------
    slots : in their order; those of a network without layers are missing.
    columns : runs of the arranged columns: the linear ones, then those of each network.
    """

    slots: tuple[Slot, ...]
    columns: tuple[slice, ...]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.slots[-1].stop

    def of(self, network: int) -> list[Slot]:
        """Return the slots of one network."""
        return [slot for slot in self.slots if slot.network == network]

    @cached_property
    def weighted(self) -> NDArray[np.bool_]:
        """Which parameters have a prior (P,): all but biases and linear coefficients."""
        out = np.zeros(self.size, dtype=bool)
        for slot in self.slots:
            out[slot.start : slot.stop] = slot.kind not in ("linear", "bias")
        return out

    def take(self, flat: Array, slot: Slot) -> Array:
        """Return one array of the parameters (size,)."""
        return flat[slot.start : slot.stop].reshape(slot.shape)


def make_layout(problem: Problem) -> Layout:
    """Return where the parameters of a problem stand.

    Parameters
    ----------
    problem : its networks with at least one hidden layer have parameters besides the linear ones.
    """
    slots: list[Slot] = []

    def add(kind: Kind, network: int, shape: tuple[int, int]) -> None:
        start = slots[-1].stop if slots else 0
        slots.append(Slot(kind, network, start, start + shape[0] * shape[1], shape))

    columns = [slice(0, len(problem.linear))]
    add("linear", -1, (len(problem.linear), problem.outputs))
    for place, network in enumerate(problem.networks):
        start = columns[-1].stop
        columns.append(slice(start, start + len(network.slots)))
        if not network.hidden:
            continue
        width = len(network.slots)
        for first, last, size in sorted(network.embed):
            add("embedding", place, (last - first, size))
            width += size - (last - first)
        for depth, units in enumerate(network.hidden):
            add("weights" if depth else "first", place, (width, units))
            add("bias", place, (1, units))
            width = units
        add("output", place, (width, problem.outputs))
    return Layout(tuple(slots), tuple(columns))


@dataclass(frozen=True, eq=False)
class Setup:
    """One member, ready to be trained.

    Parameters
    ----------
    problem, member, layout : what is trained.
    weights : (n,) weights of the rows in the objective, 0 where held out.
    centre, scale : of the arranged columns (D,); z = (x - centre) / scale.
    intercept : place of the constant among the linear columns, or None.
    eta : (n, Q) predictors to start from.
    null : (Q,) Pearson's sum of squares at a constant mean.
    dispersion, unit : (Q,).
    objective : with the limits of this member.
    start : (P,) parameters in the order of the layout.
    """

    problem: Problem
    member: Member
    layout: Layout
    weights: Array
    centre: Array
    scale: Array
    intercept: int | None
    null: Array
    dispersion: Array
    unit: Array
    objective: Objective
    start: Array = field(default_factory=lambda: np.zeros(0))

    @cached_property
    def rows(self) -> IntArray:
        """Numbers of the rows that count."""
        return np.flatnonzero(self.weights > 0)

    @cached_property
    def held_out(self) -> Array | None:
        """Weights of the rows that were held out (n,), or None where there is none."""
        given = self.member.weights
        out = np.zeros(0) if given is None else np.where(given == 0, self.problem.weights, 0.0)
        return out if out.any() else None

    @cached_property
    def count(self) -> float:
        """Number of rows that count, frequencies included."""
        return float(self.problem.frequency[self.rows].sum())

    @cached_property
    def norm(self) -> float:
        """What the objective is divided by: all weights, or rows where the dispersion grows with weights."""
        known = self.problem.likelihood.family.dispersion is not None
        return float(self.weights.sum()) if known else self.count

    @cached_property
    def aliased(self) -> NDArray[np.bool_]:
        """Linear coefficients that stay 0, (p,)."""
        return np.asarray(np.isnan(self.member.start).any(1))

    def prior(self, network: int) -> float:
        """Return the precision of the weights of a network."""
        own = self.problem.networks[network].prior
        return self.member.prior if own is None else own

    def decay(self) -> Array:
        """Return the precision of every parameter (P,): none for biases and linear coefficients."""
        out = np.zeros(self.layout.size)
        for slot in self.layout.slots[1:]:
            out[slot.start : slot.stop] = self.prior(slot.network)
        return np.where(self.layout.weighted, out, 0.0)

    def free(self) -> Array:
        """Return 1 for parameters that are trained, 0 for aliased coefficients (P,)."""
        out = np.ones(self.layout.size)
        linear = self.layout.slots[0]
        out[linear.start : linear.stop].reshape(linear.shape)[self.aliased] = 0.0
        return out

    def linear(self, flat: Array) -> Array:
        """Return the coefficients (p, Q) of the columns as given from those of centred, scaled columns."""
        inner = self.layout.take(flat, self.layout.slots[0]) * self.unit
        beta = inner / self.scale[self.layout.columns[0], None]
        if self.intercept is not None:
            centre = self.centre[self.layout.columns[0]]
            beta[self.intercept] += self.problem.shift - centre @ beta  # the constant's own centre is 0
        return beta

    def inner(self, beta: Array) -> Array:
        """Return the coefficients of centred and scaled columns from those of the columns as given."""
        inner = beta * self.scale[self.layout.columns[0], None]
        if self.intercept is not None:
            inner[self.intercept] += self.centre[self.layout.columns[0]] @ beta - self.problem.shift
        return inner / self.unit

    def towers(self, flat: Array) -> tuple[Tower, ...]:
        """Return the networks with these parameters (P,)."""
        return tuple(self._tower(flat, place) for place in range(len(self.problem.networks)))

    def _tower(self, flat: Array, place: int) -> Tower:
        network, columns = self.problem.networks[place], self.layout.columns[place + 1]
        slots = self.layout.of(place)
        arrays = {
            kind: [self.layout.take(flat, slot) for slot in slots if slot.kind == kind]
            for kind in ("embedding", "first", "weights", "bias")
        }
        embeddings = tuple(
            Embedding(first, last, matrix)
            for (first, last, _), matrix in zip(
                sorted(network.embed), arrays["embedding"], strict=bool(slots)
            )
        )
        weights = arrays["first"] + arrays["weights"]
        layers = tuple(
            Layer(matrix, bias[0], name)
            for matrix, bias, name in zip(weights, arrays["bias"], network.activation, strict=bool(slots))
        )
        return Tower(self.centre[columns], self.scale[columns], embeddings, layers)

    def output(self, flat: Array) -> tuple[Array, ...]:
        """Return the output weights (width, Q) of each network; zeros where it has no hidden layer."""
        found = {
            slot.network: self.layout.take(flat, slot) * self.unit
            for slot in self.layout.slots
            if slot.kind == "output"
        }
        zeros = ((len(network.slots), self.problem.outputs) for network in self.problem.networks)
        return tuple(found.get(place, np.zeros(shape)) for place, shape in enumerate(zeros))

    def predict(self, flat: Array) -> tuple[Array, Array, int]:
        """Return linear part (n, Q) with offset, hidden part (n, Q), and the number of clipped rows."""
        beta, towers, output = self.linear(flat), self.towers(flat), self.output(flat)
        linear, hidden, clipped = [], [], 0
        for values in arranged(self.problem):
            linear.append(values[:, self.layout.columns[0]] @ beta)
            sums, far = np.zeros_like(linear[-1]), np.zeros(len(values), dtype=bool)
            for tower, weights, columns in zip(towers, output, self.layout.columns[1:], strict=True):
                if tower.layers:
                    inputs = values[:, columns]
                    sums += tower.features(inputs) @ weights
                    far |= (np.abs((inputs - tower.centre) / tower.scale) > 10.0).any(1)
            hidden.append(sums)
            clipped += int(far.sum())
        return np.concatenate(linear) + self.problem.offset[:, None], np.concatenate(hidden), clipped


def arranged(problem: Problem) -> Iterator[Array]:
    """Yield the columns of each block in the order in which networks read them: linear, then inputs."""
    order = column_order(problem)
    for block in problem.frame.blocks():
        yield block.X[0].to_array()[:, order]


def column_order(problem: Problem) -> IntArray:
    """Return the arranged columns as columns of the frame (D,)."""
    return np.concatenate([problem.linear, *(network.slots for network in problem.networks)]).astype(np.int64)


def prepare(problem: Problem, member: Member, training: Training, layout: Layout) -> Setup:
    """Return a member with its moments, dispersion, limits and first parameters.

    Parameters
    ----------
    problem, member, training, layout : what is trained, and how.
    """
    family, weights = problem.likelihood.family, problem.weights
    weights = weights if member.weights is None else weights * member.weights
    intercept = _place(problem)
    centre, scale = _moments(problem, weights, layout, intercept)
    eta = np.concatenate(
        [values[:, layout.columns[0]] @ _finite(member.start) for values in arranged(problem)]
    )
    eta += problem.offset[:, None]
    low, high, curved = limits(problem.likelihood, eta, weights, training.optimizer == "lbfgs")
    free = (low, high) == (-np.inf, np.inf)
    objective = Objective(family, None if free else low, None if free else high, curved)
    null, phi = _dispersion(problem, objective, eta, weights, int((~np.isnan(member.start)).any(1).sum()))
    used = weights > 0
    setup = Setup(
        problem, member, layout, weights, centre, scale, intercept, null, phi,
        unit(family, objective.held(eta)[used], weights[used], phi, problem.frequency[used].sum()), objective,
    )  # fmt: skip
    return replace(setup, start=_first(setup))


def _finite(beta: Array) -> Array:
    return np.where(np.isfinite(beta), beta, 0.0)


def _place(problem: Problem) -> int | None:
    found = np.flatnonzero(problem.linear == problem.frame.intercept)
    return int(found[0]) if problem.frame.intercept is not None and len(found) else None


def _moments(problem: Problem, weights: Array, layout: Layout, intercept: int | None) -> tuple[Array, Array]:
    """Centre and scale of the arranged columns (D,) over rows with weight; indicators stay as they are."""
    size, first, end = layout.columns[-1].stop, None, 0
    sums, squares, binary, total = np.zeros(size), np.zeros(size), np.ones(size, dtype=bool), weights.sum()
    for values in arranged(problem):
        a = weights[end : end + len(values)]
        end += len(values)
        first = values[0].copy() if first is None else first
        binary &= ((values == 0.0) | (values == 1.0)).all(0)
        moved = values - first
        sums += a @ moved
        squares += a @ (moved * moved)
    assert first is not None
    mean = sums / total
    spread = np.sqrt(np.maximum(squares / total - mean * mean, 0.0))
    centre = first + mean
    root = np.sqrt(spread * spread + centre * centre)
    plain = binary & (np.arange(size) >= layout.columns[0].stop)
    constant = spread <= 1e-12 * root
    linear = np.arange(size) < layout.columns[0].stop
    if intercept is None:
        centre = np.where(linear, 0.0, centre)
        spread = np.where(linear, root, spread)
        constant &= ~linear
    else:
        centre[intercept] = 0.0
        constant[intercept] = True
    return np.where(plain, 0.0, centre), np.where(plain | constant | (spread == 0.0), 1.0, spread)


def _dispersion(
    problem: Problem, objective: Objective, eta: Array, weights: Array, used: int
) -> tuple[Array, Array]:
    """Pearson's sum of squares at a constant mean (Q,), and the dispersion at the start (Q,)."""
    family, rows = objective.family, weights > 0
    a, y = weights[rows, None], problem.y[rows]
    mean = (a * y).sum(0) / a.sum()
    with np.errstate(all="ignore"):  # no variance where every response is at the edge of the family
        null = np.nan_to_num((a * (y - mean) ** 2 / family.variance(mean + np.zeros_like(y))).sum(0))
    pearson = (a * objective.pearson(y, eta[rows])).sum(0)
    return null, dispersion(family, pearson, null, float(problem.frequency[rows].sum()), used)


def _first(setup: Setup) -> Array:
    """Linear coefficients of the start, and random weights from the member's own stream (P,)."""
    layout, rng = setup.layout, np.random.default_rng(setup.member.seed)
    flat = np.zeros(layout.size)
    linear = layout.slots[0]
    flat[linear.start : linear.stop] = setup.inner(_finite(setup.member.start)).ravel()
    gains = [_gains(network) for network in setup.problem.networks]
    for slot in layout.slots[1:]:
        size = slot.stop - slot.start
        sd = {"embedding": 1.0, "bias": 0.5}.get(slot.kind, 1.0 / sqrt(slot.shape[0]))
        if slot.kind in ("first", "weights"):
            sd *= next(gains[slot.network])
        flat[slot.start : slot.stop] = sd * rng.standard_normal(size)
    return _inside(setup, flat)


def _gains(network: Inputs) -> Iterator[float]:
    """What multiplies the first weights of each layer: 1 for tanh, more for what is flatter at 0.

    A layer of slope s at 0 passes on s of what it gets. With weights as small as those of tanh its signal is
    lost before the prior has let go of it, and all weights go to 0, where the prior has a mode of its own.
    """
    for name in network.activation:
        function = as_activation(name)
        yield 1.0 / float(function.derivative(np.zeros(1))[0]) if function.name in FLATTER else 1.0


def _inside(setup: Setup, flat: Array) -> Array:
    """Shrink the output weights so that every predictor starts inside its limits."""
    if setup.objective.low is None or not setup.objective.curved:
        return flat
    linear, hidden, _ = setup.predict(flat)
    linear, hidden = linear[setup.rows], hidden[setup.rows]
    room = np.where(hidden < 0, linear - setup.objective.low, setup.objective.high - linear)
    share = 0.5 * np.maximum(room, 0.0) / np.maximum(np.abs(hidden), 1e-300)
    factor = min(1.0, float(share.min()))
    for slot in setup.layout.slots:
        if slot.kind == "output":
            flat[slot.start : slot.stop] *= factor
    return flat
