"""Where a joint ascent starts: a model of the first predictor, and levels of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np

from glmstat.array import silence
from glmstat.compute import Sums
from glmstat.control import Control
from glmstat.errors import ArgumentError, DomainError, GlmstatError
from glmstat.estimate import Estimate
from glmstat.frame import Coordinates, ModelFrame
from glmstat.likelihood.base import GLM, Several
from glmstat.matrix import Array, Block, IntArray
from glmstat.solve.estimate import fit_estimate
from glmstat.solve.joint.space import Space
from glmstat.solve.separation import weightless
from glmstat.solve.start import given_coefficients

__all__ = ["First", "Point", "first_model", "given_start", "held_starts", "own_starts"]


class First:
    """The model of the first predictor alone, as the joint one needs it.

    Parameters
    ----------
    frame : of all predictors.
    estimate : of the columns of the first.
    """

    def __init__(self, frame: ModelFrame, estimate: Estimate) -> None:
        self.frame, self.estimate = frame, estimate
        self.slots: IntArray = frame.slots[0]
        self.theta = np.nan_to_num(estimate.theta)

    @property
    def directions(self) -> tuple[Array, ...]:
        """Recession directions of all columns (p,)."""
        return tuple(self._placed(direction) for direction in self.estimate.directions)

    def _placed(self, values: Array) -> Array:
        out = np.zeros(len(self.frame.columns))
        out[self.slots] = values
        return out

    def eta(self, block: Block) -> Array:
        """Return its predictor (n,)."""
        return block.X[0].dot(self.theta) + block.offset[:, 0]

    def left(self) -> ModelFrame:
        """Return the frame in which rows that a direction moves have weight 0."""
        return weightless(self.frame, self.estimate.directions)


def first_model(frame: ModelFrame, model: GLM, control: Control) -> First:
    """Return the maximum of a model of the first predictor, infinite coefficients found."""
    slots = frame.slots[0]
    names = tuple(frame.columns[slot] for slot in slots)
    place = None if frame.intercept is None else int(np.searchsorted(slots, frame.intercept))
    if place is not None and (place == len(slots) or slots[place] != frame.intercept):
        place = None
    alone = frame.changed(_only_first, Coordinates(names, place, frame.has_offset))
    return First(frame, fit_estimate(alone, model, control=control))


def _only_first(block: Block) -> Block:
    return replace(block, X=block.X[:1], offset=block.offset[:, :1])


Point = tuple[Array, Sums]
"""Coordinates with their sums."""


def own_starts(space: Space, likelihood: Several, first: First) -> list[Point]:
    """Return the point to start from, and a second one: the likelihood may have several maxima.

    The first predictor is that of its own model, the others are one number each, the likeliest of some; in
    the second point they are the last of these.

    Raises
    ------
    DomainError : no point with a finite likelihood.
    """
    levels = np.array(likelihood.levels)
    objectives = space.frame.reduce(lambda block: _objectives(block, likelihood, first, levels))
    objectives = np.where(np.isfinite(objectives), objectives, -np.inf)
    order = np.argsort(-objectives, kind="stable").tolist()
    best = next(filter(None, (_point(space, first, levels[place]) for place in order)), None)
    if best is not None:
        other = None if order[0] == len(levels) - 1 else _point(space, first, levels[-1])
        return [best] if other is None else [best, other]
    raise DomainError(
        "No coefficients were found at which the likelihood is finite. Give start=, or use another link."
    )


def held_starts(space: Space, likelihood: Several, control: Control) -> Iterator[Point]:
    """Yield a start for each level of the other predictors: the first one at its maximum for these."""
    for level in likelihood.levels:
        with suppress(GlmstatError):
            model = likelihood.held(level)
            first = None if model is None else first_model(space.frame, model, control)
            at = None if first is None or first.directions else _point(space, first, np.array(level))
            if at is not None:
                yield at


def _point(space: Space, first: First, level: Array) -> Point | None:
    gamma = space.projected(_targets(first, level))
    sums = space.pass_(gamma, "observed")
    return (gamma, sums) if sums.finite else None


def _targets(first: First, level: Array) -> Callable[[Block], Array]:
    def target(block: Block) -> Array:
        return np.column_stack([first.eta(block), *(np.full(len(block.y), value) for value in level)])

    return target


def _objectives(block: Block, likelihood: Several, first: First, levels: Array) -> Array:
    eta, total = first.eta(block), block.total
    used, found = total > 0, np.empty(len(levels))
    for place, level in enumerate(levels):
        predictors = np.column_stack([eta, *(np.full(len(eta), value) for value in level)])
        with silence():
            rows = likelihood.rows(block.y, predictors, total, information="none")
        found[place] = rows.objective[used].sum()
    return found


def given_start(space: Space, start: Array) -> Point:
    """Return the coordinates of coefficients that were given, with their sums.

    Raises
    ------
    ArgumentError : another length, or no likelihood there.
    """
    given = given_coefficients(start, len(space.transform), space.rank.kept)
    gamma = space.back @ np.nan_to_num(given)
    sums = space.pass_(gamma, "observed")
    if not sums.finite:
        raise ArgumentError("start gives a mean outside the domain of the family. Leave start= out.")
    return gamma, sums
