"""Which columns of a design are linear, which enter networks, and which are the targets of inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glmstat.array import Array, IntArray
from glmstat.errors import ArgumentError, DataError, near, one_of
from glmstat.formula.design import Design
from glmstat.formula.node import Expression
from glmstat.formula.piece import Piece
from glmstat.formula.terms import Linear, Network
from glmstat.frame import ModelFrame
from glmstat.matrix import Block
from glmstat.neural.problem import Inputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Layout", "check_inputs", "input_ranges", "network_inputs", "read_layout", "taken_over"]


@dataclass(frozen=True, eq=False)
class Layout:
    """The columns of a design whose networks are not trained yet: linear ones, then inputs.

    Parameters
    ----------
    design : of the training.
    linear : slots of written linear terms and of skips (p,).
    networks : the inputs of each network.
    targets : slots whose coefficients are wanted (q,), among the linear ones.
    """

    design: Design
    linear: IntArray
    networks: tuple[Inputs, ...]
    targets: IntArray

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(self.design.columns[slot] for slot in self.targets)


def read_layout(design: Design, wanted: tuple[str, ...] | None) -> Layout:
    """Return the layout of a design with networks.

    Parameters
    ----------
    wanted : columns or terms whose coefficients are wanted; None is every written one but the intercept.

    Raises
    ------
    ArgumentError : a name that is no linear column or term.
    """
    pieces = design.predictors[0].pieces
    linear = [piece for piece in pieces if isinstance(piece.term, Linear)]
    networks = [piece for piece in pieces if isinstance(piece.term, Network)]
    return Layout(
        design,
        _slots(linear),
        tuple(_inputs(piece, piece.term) for piece in networks if isinstance(piece.term, Network)),
        _targets(design, linear, wanted),
    )


def _slots(pieces: Iterable[Piece]) -> IntArray:
    found = [np.arange(piece.slots.start, piece.slots.stop) for piece in pieces]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _inputs(piece: Piece, term: Network) -> Inputs:
    embed, start = [], 0
    sizes = dict(term.embed)
    for group, part in zip(piece.groups, term.inputs, strict=True):
        ((_, coding),) = group
        width = 1 if coding is None else coding.shape[1]
        if part.text in sizes:
            if coding is None:
                raise ArgumentError(
                    f"embed= of nn() names '{part.text}', which is no factor. Write C({part.text})."
                )
            embed.append((start, start + width, sizes[part.text]))
        start += width
    return Inputs(
        term.name,
        np.arange(piece.slots.start, piece.slots.stop),
        term.hidden,
        term.activation,
        tuple(embed),
        term.prior,
    )


def _targets(design: Design, linear: Sequence[Piece], wanted: tuple[str, ...] | None) -> IntArray:
    skips, taken = set(design.formula.skips), {piece.term for piece in taken_over(design)}
    named = [piece for piece in linear if piece.term.parts and piece.term not in skips]
    written = [piece for piece in named if piece.term not in taken]
    if wanted is None:
        return _slots(written)
    found: list[int] = []
    for name in wanted:
        matched = _matched(design, written, name)
        if not matched and name != "Intercept" and _matched(design, linear, name):
            raise ArgumentError(
                f"targets names {name!r}, a function of a network's inputs: the network takes its place, and "
                "its coefficient is not determined. Leave its columns out of nn(), or it out of targets=."
            )
        if not matched:
            known = [str(piece.term) for piece in written]
            raise ArgumentError(
                f"targets names {name!r}, which is no linear term beside the networks: these are "
                f"{one_of(known) or 'none'}.{near(name, known)}"
            )
        found += matched
    return np.array(sorted(set(found)), dtype=np.int64)


def taken_over(design: Design) -> list[Piece]:
    """Return the written linear terms that are functions of a network's inputs, which takes their place."""
    written = set(design.formula.linear)
    read = [set(network.names) for network in design.formula.networks]
    pieces = [piece for piece in design.predictors[0].pieces if piece.term in written and piece.term.parts]
    return [piece for piece in pieces if any(names.issuperset(piece.term.names) for names in read)]


def network_inputs(design: Design) -> tuple[Expression, ...]:
    """Return the inputs of all networks of a design."""
    return tuple(dict.fromkeys(part for term in design.formula.networks for part in term.inputs))


def _matched(design: Design, pieces: Iterable[Piece], name: str) -> list[int]:
    plain = name.replace(" ", "")
    for piece in pieces:
        slots = list(range(piece.slots.start, piece.slots.stop))
        labels = {str(piece.term).replace(" ", ""), ":".join(part.label for part in piece.term.parts)}
        if plain in labels:
            return slots
        for slot in slots:
            if design.columns[slot] == name:
                return [slot]
    return []


@dataclass(frozen=True, eq=False)
class _Range:
    """Least and largest values (2, d); adds up."""

    ends: Array

    def __add__(self, other: _Range) -> _Range:
        low, high = np.minimum(self.ends[0], other.ends[0]), np.maximum(self.ends[1], other.ends[1])
        return _Range(np.stack([low, high]))


def input_ranges(frame: ModelFrame, layout: Layout) -> dict[str, Array]:
    """Return the least and largest value (2, d) of each network's inputs, over the rows that count."""

    def kernel(block: Block) -> _Range:
        low, high = np.full(block.X[0].shape[1], np.inf), np.full(block.X[0].shape[1], -np.inf)
        for rows, run in block.X[0].runs():
            used = run[:, block.total[rows] > 0]
            np.minimum(low, used.min(axis=1, initial=np.inf), out=low)
            np.maximum(high, used.max(axis=1, initial=-np.inf), out=high)
        return _Range(np.stack([low, high]))

    ends = frame.reduce(kernel).ends
    return {network.name: ends[:, network.slots] for network in layout.networks}


def check_inputs(layout: Layout, ranges: dict[str, Array]) -> None:
    """Refuse inputs that do not vary.

    Raises
    ------
    DataError : the name of the input.
    """
    for network in layout.networks:
        low, high = ranges[network.name]
        still = np.flatnonzero(~(high > low))
        if len(still):
            name = layout.design.columns[network.slots[still[0]]].partition(".")[2]
            raise DataError(
                f"Input '{name}' of {network.name} is constant: {low[still[0]]:g} in every row that counts. "
                "Leave it out of nn()."
            )
