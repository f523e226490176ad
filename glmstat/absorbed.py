"""Absorbed effects of a fit: what a level adds to the predictor, and columns with the effects taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import FileError
from glmstat.formula.behind import role
from glmstat.matrix import Array, Block, Dense, DesignMatrix, IntArray

__all__ = ["Absorbed", "Effect", "Partialled"]

Codes = NDArray[np.int64]
_ARRAYS = ("cells", "values", "means", "counts", "rounds", "free")
_FREE = 1e-6  # sum of `free` that is rounding


@dataclass(frozen=True, eq=False)
class Effect:
    """The effects of one absorbed factor.

    Parameters
    ----------
    text : as the formula writes it.
    cells : (L,) numbers of the levels that rows take, in order: those of `AbsorbedFactor.codes`.
    values : (L,) what each adds to the predictor; infinite where all its rows are 0, or all are 1; NaN where
        all its rows are left out for another level's sake.
    means : (p, L) what is taken out of each column in the rows of a level; 0 for aliased columns.
    counts : (L,) rows that have the level and enter.
    rounds : (L,) when a level with infinite effect was left out, from 1 on; 0 for others. Where levels of a
        row pull to both sides the first wins.
    free : (L,) what may be added to the effects beyond a constant of each factor, and changes no row of the
        fit: where a new row's sum over the factors is not 0 the effects do not determine its predictor.
    """

    text: str
    cells: IntArray
    values: Array
    means: Array
    counts: IntArray
    rounds: IntArray
    free: Array

    def places(self, codes: Codes) -> Codes:
        """Return the places (n,) of numbers of levels among the cells; -1 where they are not."""
        if len(self.cells) == self.cells[-1] + 1:
            return np.where((codes >= 0) & (codes < len(self.cells)), codes, -1)
        found = np.minimum(np.searchsorted(self.cells, codes), len(self.cells) - 1)
        return np.where(self.cells[found] == codes, found, -1)


@dataclass(frozen=True, eq=False)
class Absorbed:
    """All that a fit absorbed.

    Parameters
    ----------
    effects : one for each factor, in the order written.
    redundant : effects that follow from the others.
    exact : whether `redundant` is counted, and not a lower bound.
    rows_out, levels_out : rows of infinite effects, left out, and how many levels these are.
    single : levels with one row.
    far : what stands for an infinite effect in the rows of the fit: the mean there is 0, or 1.
    """

    effects: tuple[Effect, ...]
    redundant: int
    exact: bool = True
    rows_out: int = 0
    levels_out: int = 0
    single: int = 0
    far: Mapping[float, float] | None = None

    @property
    def levels(self) -> int:
        """Number of effects, those that are infinite or unknown not counted."""
        return sum(int(np.isfinite(effect.values).sum()) for effect in self.effects)

    @property
    def df(self) -> int:
        """Degrees of freedom that the effects use."""
        return self.levels - self.redundant

    def added(self, codes: Sequence[Codes]) -> Array:
        """Return what effects add to the predictor of rows (n,); NaN where a level is not known."""
        places = [effect.places(numbers) for effect, numbers in zip(self.effects, codes, strict=True)]
        return self.sums(places)

    def sums(self, places: Sequence[Codes]) -> Array:
        """Return what effects add to the predictor (n,) of rows whose levels have these places."""
        total = np.zeros(len(places[0]))
        first, far = np.full(len(total), np.iinfo(np.int64).max), np.zeros(len(total))
        for effect, at in zip(self.effects, places, strict=True):
            found = np.append(effect.values, np.nan)[at]
            infinite = np.isinf(found)
            total += np.where(infinite, 0.0, found)
            rounds = np.append(effect.rounds, 0)[at]
            sooner = infinite & (rounds < first)
            first[sooner], far[sooner] = rounds[sooner], found[sooner]
        moved = far != 0.0
        return np.where(moved, far, total) if moved.any() else total

    def estimable(self, codes: Sequence[Codes]) -> NDArray[np.bool_]:
        """Return whether the effects determine the predictors (n,) of rows with known levels.

        Where factors fall apart into sets of rows that no shared level joins, each set has its own constant:
        a row with levels of two sets could get any predictor. An infinite effect is the limit in any case.
        """
        places = [effect.places(numbers) for effect, numbers in zip(self.effects, codes, strict=True)]
        total, good = np.zeros(len(places[0])), np.zeros(len(places[0]), dtype=bool)
        for effect, at in zip(self.effects, places, strict=True):
            total += np.append(effect.free, 0.0)[at]
            good |= ~np.isfinite(np.append(effect.values, np.nan)[at])
        return good | (np.abs(total) <= _FREE)

    def change(self, theta: Array) -> Callable[[Block], Block]:
        """Return what makes a frame's blocks those of the coefficients alone, at the estimate.

        From each column its means over the levels, under the weights of the estimate, are taken; the offset
        gets what they and the effects add. So the predictor is that of the fit, scores and information of
        the columns are those beside the effects, and rows that were left out have weight 0.

        Parameters
        ----------
        theta : (p,) coefficients; NaN counts as 0.
        """
        return _Change(self, np.nan_to_num(theta))

    def undo(self, theta: Array) -> Callable[[Block], Block]:
        """Return what gives changed blocks their columns and offset again, but for rounding."""
        return _Change(self, np.nan_to_num(theta), -1.0)

    @property
    def facts(self) -> dict[str, Any]:
        """What is no array, as plain JSON."""
        words = ("redundant", "exact", "rows_out", "levels_out", "single")
        return {
            "texts": [effect.text for effect in self.effects],
            "far": [list(pair) for pair in (self.far or {}).items()],
            **{word: getattr(self, word) for word in words},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], facts: Mapping[str, Any], width: int) -> Absorbed:
        """Return the effects that `to_arrays` and `facts` wrote.

        Raises
        ------
        ValueError : arrays of other shapes.
        FileError : several factors, written before it was known which predictors effects determine.
        """
        effects = []
        for number, text in enumerate(facts["texts"]):
            found = {name: arrays[f"absorbed {number} {name}"] for name in _ARRAYS if name != "free"}
            size = len(found["cells"])
            found["free"] = arrays.get(f"absorbed {number} free")
            if found["free"] is None and len(facts["texts"]) > 1:
                raise FileError(
                    "The file was written by an earlier version of glmstat, which did not keep what the "
                    f"absorbed {' + '.join(facts['texts'])} determine. Fit and save again."
                )
            found["free"] = np.zeros(size) if found["free"] is None else found["free"]
            if found["means"].shape != (width, size) or len(found["values"]) != size:
                raise ValueError(f"effects of {text} where {size} levels were expected")
            effects.append(Effect(text, **found))
        others = {word: value for word, value in facts.items() if word not in ("texts", "far")}
        return cls(tuple(effects), far=dict(map(tuple, facts["far"])), **others)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the effects as arrays by name."""
        return {
            f"absorbed {number} {name}": np.ascontiguousarray(getattr(effect, name))
            for number, effect in enumerate(self.effects)
            for name in _ARRAYS
        }


@dataclass(frozen=True, eq=False)
class _Change:
    """The change of a block; a class, so that it can be pickled."""

    absorbed: Absorbed
    theta: Array
    sign: float = 1.0

    def __call__(self, block: Block) -> Block:
        assert block.roles is not None
        effects, (whole,) = self.absorbed.effects, block.X
        places = [effect.places(block.roles[role(k)]) for k, effect in enumerate(effects)]
        added = self.absorbed.sums(places)
        out = ~np.isfinite(added)
        if out.any():
            added[out] = self._far(added[out])
        for effect, at in zip(effects, places, strict=True):
            added += np.append(self.theta @ effect.means, 0.0)[at]
        means = tuple(
            np.column_stack([self.sign * effect.means, np.zeros(len(effect.means))]) for effect in effects
        )
        matrix = Partialled(whole, tuple(places), means)
        offset = np.array(block.offset, order="F")
        offset[:, 0] += self.sign * added
        changed = matrix.dense() if isinstance(whole, Dense) else matrix
        weights = np.where(out, 0.0, block.weights) if out.any() else block.weights
        return replace(block, X=(changed,), offset=offset, weights=weights)

    def _far(self, values: Array) -> Array:
        known = self.absorbed.far or {}
        found = np.zeros(len(values))
        for sign in (-1.0, 1.0):
            found[values == sign * np.inf] = known.get(sign, 0.0)
        return found


@dataclass(frozen=True, eq=False)
class Partialled(DesignMatrix):
    """Columns of another matrix less their means over levels.

    Parameters
    ----------
    whole : the matrix (n, p).
    places : (n,) of the levels, by factor.
    means : (p, L) by factor.
    """

    whole: DesignMatrix
    places: tuple[Codes, ...]
    means: tuple[Array, ...]

    @property
    def shape(self) -> tuple[int, int]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(n, p)."""
        return self.whole.shape

    def fill(self, out: Array, start: int, stop: int) -> None:
        """Write the run and take the means off."""
        self.whole.fill(out, start, stop)
        for at, means in zip(self.places, self.means, strict=True):
            run = at[start:stop]
            for column, mean in zip(out, means, strict=True):
                column -= mean[run]

    def dense(self) -> Dense:
        """Return the same matrix with its numbers written out."""
        values = np.empty((self.shape[1], self.shape[0]))
        self.fill(values, 0, self.shape[0])
        return Dense(values)
