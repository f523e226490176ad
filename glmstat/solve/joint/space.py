"""A model frame of K predictors seen through whitened columns, and the sums over its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from glmstat.accumulate import without_empty
from glmstat.array import silence
from glmstat.compute import Largest, Sums
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import Several
from glmstat.matrix import Array, Block, DesignMatrix, IntArray, run_length
from glmstat.solve.rank import Rank, rank_of
from glmstat.solve.scaling import power_of_two
from glmstat.triangular import triangle as reduced
from glmstat.triangular import triangular_inverse
from glmstat.workspace import Need

__all__ = ["Look", "Run", "Space", "open_space"]


class Run(NamedTuple):
    """A run of rows: whitened columns (q_k, m) of each predictor, predictors (m, K), weights (m,)."""

    rows: slice
    columns: tuple[Array, ...]
    eta: Array
    y: Array
    weights: Array


class Part(NamedTuple):
    """What one predictor is: which of its columns are in use, which coordinates move it, and how."""

    own: IntArray
    places: IntArray
    matrix: Array


@dataclass(frozen=True)
class Look:
    """What a step does to the rows.

    Parameters
    ----------
    step : largest change of a predictor; its source row in `row`.
    terms : largest |predictor| plus the change: rounding is relative to it.
    """

    step: float = 0.0
    row: int = -1
    terms: float = 0.0

    def __add__(self, other: Look) -> Look:
        wider = self if self.step >= other.step else other
        return Look(wider.step, wider.row, max(self.terms, other.terms))


@dataclass(frozen=True, eq=False)
class Space:
    """Coordinates gamma in which the columns of all predictors have a unit Gram: coef = transform @ gamma.

    Parameters
    ----------
    transform : (p, q); 0 in the rows of aliased columns.
    back : (q, p) with back @ transform the identity.
    rank : which columns are in use, and why the others are not.
    size : largest absolute value of each column (p,).
    parts : one for each predictor.
    """

    frame: ModelFrame
    likelihood: Several
    transform: Array
    back: Array
    rank: Rank
    size: Array
    parts: tuple[Part, ...]
    _kept: dict[int, tuple[Array, ...]] = field(default_factory=dict, init=False, repr=False)

    @property
    def width(self) -> int:
        """Number of coordinates."""
        return self.transform.shape[1]

    def to_coef(self, gamma: Array) -> Array:
        """Return the coefficients (p,), 0 where aliased."""
        return self.transform @ gamma

    def runs(self, block: Block, gamma: Array) -> Iterator[Run]:
        """Yield the runs of a block with their predictors."""
        total, step = block.total, run_length(max(self.width, 1))
        for start in range(0, len(block.y), step):
            rows = slice(start, min(start + step, len(block.y)))
            columns = self._columns(block, rows)
            eta = np.array(block.offset[rows], order="F")
            for k, (part, own) in enumerate(zip(self.parts, columns, strict=True)):
                eta[:, k] += gamma[part.places] @ own
            yield Run(rows, columns, eta, block.y[rows], total[rows])

    def _columns(self, block: Block, rows: slice) -> tuple[Array, ...]:
        if not self.frame.small:
            return self._made(block, rows)
        kept = self._kept.get(block.number)
        if kept is None:
            kept = self._kept[block.number] = self._made(block, slice(0, len(block.y)))
        return tuple(columns[:, rows] for columns in kept)

    def _made(self, block: Block, rows: slice) -> tuple[Array, ...]:
        pairs = zip(self.parts, block.X, strict=True)
        return tuple(part.matrix.T @ _filled(X, rows)[part.own] for part, X in pairs)

    def pass_(self, gamma: Array, need: Need) -> Sums:
        """Return objective and score at some coordinates, and the information asked for."""
        return self.frame.reduce(lambda block: self._quiet_sums(block, gamma, need))

    def _quiet_sums(self, block: Block, gamma: Array, need: Need) -> Sums:
        with silence():  # a step that was too long may overflow
            return self._sums(block, gamma, need)

    def _sums(self, block: Block, gamma: Array, need: Need) -> Sums:
        wanted = {"expected": need in ("expected", "both"), "observed": need in ("observed", "both")}
        grams = {word: np.zeros((self.width, self.width)) for word, asked in wanted.items() if asked}
        objective = magnitude = 0.0
        score = np.zeros(self.width)
        for run in self.runs(block, gamma):
            rows = self.likelihood.rows(run.y, run.eta, run.weights, information=need)
            rows = without_empty(rows, run.weights)
            objective += float(rows.objective.sum())
            magnitude += float(np.abs(rows.objective).sum())
            for k, part in enumerate(self.parts):
                score[part.places] += run.columns[k] @ rows.gradient[:, k]
            for word, gram in grams.items():
                self._add_gram(gram, run, getattr(rows, word))
        return Sums(objective, magnitude, score, grams.get("expected"), grams.get("observed"))

    def _add_gram(self, gram: Array, run: Run, cells: Array) -> None:
        for k, left in enumerate(self.parts):
            for j, right in enumerate(self.parts[: k + 1]):
                weight = cells[:, k, j]
                if not weight.any():
                    continue
                product = (run.columns[k] * weight) @ run.columns[j].T
                gram[np.ix_(left.places, right.places)] += product
                if j < k:
                    gram[np.ix_(right.places, left.places)] += product.T

    def look(self, gamma: Array, delta: Array) -> Look:
        """Return how far a step moves the predictors."""
        return self.frame.reduce(lambda block: self._look(block, gamma, delta))

    def _look(self, block: Block, gamma: Array, delta: Array) -> Look:
        found = Look()
        for run in self.runs(block, gamma):
            used = run.weights > 0
            if not used.any():
                continue
            moves = self.moves(run, delta)
            size = np.where(used, moves.max(axis=1), 0.0)
            place = int(np.argmax(size))
            terms = float((np.abs(run.eta) + moves)[used].max())
            row = block.source_row(run.rows.start + place)
            found = found + Look(float(size[place]), row, terms)
        return found

    def moves(self, run: Run, delta: Array) -> Array:
        """Return |change of the predictors| of a run (m, K)."""
        pairs = zip(self.parts, run.columns, strict=True)
        return np.abs(np.column_stack([delta[part.places] @ columns for part, columns in pairs]))

    def projected(self, target: Any) -> Array:
        """Return the coordinates (q,) whose predictors are nearest to given ones, in least squares.

        Parameters
        ----------
        target : from a block, the predictors wanted (n, K); NaN where none is.
        """

        def kernel(block: Block) -> Array:
            wanted, total = target(block), np.zeros(self.width)
            for run in self.runs(block, np.zeros(self.width)):
                gap = np.nan_to_num(wanted[run.rows] - run.eta)
                for k, part in enumerate(self.parts):
                    total[part.places] += run.columns[k] @ (run.weights * gap[:, k])
            return total

        return self.frame.reduce(kernel)


def _filled(X: DesignMatrix, rows: slice) -> Array:
    run = np.empty((X.shape[1], rows.stop - rows.start))
    X.fill(run, rows.start, rows.stop)
    return run


@dataclass(frozen=True, eq=False)
class _Triangles:
    """R of the columns of each predictor."""

    factors: tuple[Array, ...]

    def __add__(self, other: _Triangles) -> _Triangles:
        pairs = zip(self.factors, other.factors, strict=True)
        return _Triangles(tuple(_triangle(np.vstack(pair)) for pair in pairs))


def open_space(frame: ModelFrame, likelihood: Several) -> Space:
    """Return the coordinates of a frame: its columns scaled, aliased ones left out, the others whitened."""
    names, slots = frame.columns, frame.slots
    size = frame.reduce(lambda block: _largest(block, slots, len(names))).size
    scale = power_of_two(size)
    factors = frame.reduce(lambda block: _triangles(block, slots, scale)).factors
    whole = _triangle(np.vstack([_placed(R, own, len(names)) for R, own in zip(factors, slots, strict=True)]))
    rank = rank_of(whole, names, scale)
    root = _triangle(whole[:, rank.kept])
    inverse = triangular_inverse(root) if len(root) else root
    assert inverse is not None
    transform, back = np.zeros((len(names), len(root))), np.zeros((len(root), len(names)))
    transform[rank.kept] = scale[rank.kept, None] * inverse
    back[:, rank.kept] = root / scale[rank.kept]
    parts = tuple(_part(transform, own) for own in slots)
    return Space(frame, likelihood, transform, back, rank, size, parts)


def _part(transform: Array, slots: IntArray) -> Part:
    own = transform[slots]
    used, places = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
    return Part(used, places, np.ascontiguousarray(own[np.ix_(used, places)]))


def _placed(factor: Array, slots: IntArray, width: int) -> Array:
    out = np.zeros((len(factor), width))
    out[:, slots] = factor
    return out


def _triangle(rows: Array) -> Array:
    """R of some rows (m, q), of no columns too."""
    return reduced(rows) if rows.shape[1] else np.zeros((0, 0))


def _largest(block: Block, slots: tuple[IntArray, ...], width: int) -> Largest:
    size, used = np.zeros(width), block.total > 0
    for X, own in zip(block.X, slots, strict=True):
        for rows, run in X.runs():
            largest = np.abs(run[:, used[rows]]).max(axis=1, initial=0.0)
            size[own] = np.maximum(size[own], largest)
    return Largest(size)


def _triangles(block: Block, slots: tuple[IntArray, ...], scale: Array) -> _Triangles:
    root, factors = np.sqrt(block.total), []
    for X, own in zip(block.X, slots, strict=True):
        factor = np.zeros((0, len(own)))
        for rows, run in X.runs():
            factor = _triangle(np.vstack([factor, (run * scale[own, None] * root[rows]).T]))
        factors.append(factor)
    return _Triangles(tuple(factors))
