"""Which levels enter: those that rows take, less those whose effect is infinite, with their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.compute import Counts
from glmstat.data.passes import bare
from glmstat.data.source import MemorySource
from glmstat.errors import DataError
from glmstat.formula.behind import role
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, IntArray

__all__ = ["Levels", "Numbered", "ends", "number_levels"]

Codes = NDArray[np.int64]
TABLE = 4_000_000  # combinations of levels that are numbered by a table


class Infinite(NamedTuple):
    """Levels with an infinite effect: their numbers in order, the sign of each, and the round it went out."""

    codes: Codes
    signs: Array
    rounds: Codes


@dataclass(frozen=True, eq=False)
class Numbered:
    """The levels of one factor that have an effect to estimate, numbered without gaps.

    Parameters
    ----------
    place : of the factor in the formula.
    cells : (L,) their numbers in the frame's codes, in order.
    counts : (L,) rows of each.
    infinite : the levels left out.
    lost : numbers of levels whose rows are all left out for another factor's sake.
    table : place of each number of a level; None where that is searched for, empty where it is the number.
    known : places (n,) of all rows of the source, where they are kept.
    """

    place: int
    cells: Codes
    counts: Codes
    infinite: Infinite
    lost: Codes
    table: Codes | None
    known: NDArray[np.signedinteger[Any]] | None = None

    def codes(self, block: Block) -> Codes:
        """Return the places (n,) of the rows' levels; -1 where that has none."""
        if self.known is not None:
            return self.known[_places(block)].astype(np.int64)
        assert block.roles is not None
        codes = block.roles[role(self.place)]
        if self.table is not None:
            return self.table[codes] if len(self.table) else codes
        found = np.minimum(np.searchsorted(self.cells, codes), len(self.cells) - 1)
        return np.where(self.cells[found] == codes, found, -1)

    @property
    def whole(self) -> bool:
        """Whether every row has a place."""
        return self.table is not None and not len(self.table)


@dataclass(frozen=True, eq=False)
class Levels:
    """The factors, the one with most levels first, and totals of the rows that enter.

    Parameters
    ----------
    counts : of rows, weights and response.
    rows_out : rows of infinite effects.
    """

    factors: tuple[Numbered, ...]
    counts: Counts
    rows_out: int

    @property
    def single(self) -> int:
        """Number of levels with one row."""
        return sum(int((factor.counts == 1).sum()) for factor in self.factors)


@dataclass(frozen=True, eq=False)
class _Tally:
    """Rows by level: all, and those whose predictor may go to plus and to minus infinity.

    `codes` are the levels met, in order; None where they are 0, 1, 2, …
    """

    codes: Codes | None
    rows: Codes

    def __add__(self, other: _Tally) -> _Tally:
        if self.codes is None or other.codes is None:
            return _Tally(None, self.rows + other.rows)
        codes, places = np.unique(np.concatenate([self.codes, other.codes]), return_inverse=True)
        both = np.concatenate([self.rows, other.rows], axis=1)
        rows = [np.bincount(places, row, len(codes)).astype(np.int64) for row in both]
        return _Tally(codes, np.array(rows))

    @classmethod
    def of(cls, codes: Codes, size: int, masks: Sequence[NDArray[np.bool_]]) -> _Tally:
        met = None
        if size > TABLE:
            met, codes = np.unique(codes, return_inverse=True)
            size = len(met)
        return cls(met, np.array([_count(codes, size, mask) for mask in masks]))


def _count(codes: Codes, size: int, mask: NDArray[np.bool_]) -> Codes:
    if mask.all():
        return np.bincount(codes, minlength=size)
    return np.bincount(codes, mask, size).astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Seen:
    tallies: tuple[_Tally, ...]
    counts: Counts
    rows: int

    def __add__(self, other: _Seen) -> _Seen:
        tallies = tuple(a + b for a, b in zip(self.tallies, other.tallies, strict=True))
        return _Seen(tallies, self.counts + other.counts, self.rows + other.rows)


def number_levels(frame: ModelFrame, likelihood: GLM) -> Levels:
    """Return the levels that enter a fit.

    A level all of whose rows are at an end of the domain (0 for counts, 0 or 1 for shares) has an infinite
    effect, which fits them exactly: it is left out with its rows, again until there is none.

    Raises
    ------
    DataError : no row is left, or a factor has a level for each row.
    """
    factors = frame.design.absorbed
    raw = _raw(frame) if isinstance(frame.source, MemorySource) and frame.large else None
    nothing = np.zeros(0, dtype=np.int64)
    out, turn = [Infinite(nothing, np.zeros(0), nothing) for _ in factors], 0
    first: _Seen | None = None
    signs = [sign for sign in ends(likelihood).values() if sign]
    while True:
        gone = [each.codes for each in out]
        seen = frame.reduce(lambda block, gone=gone: _see(frame, likelihood, block, gone, raw))
        first = seen if first is None else first
        if not seen.counts.rows:
            raise _nothing_left(frame, likelihood, first)
        found = [_infinite(tally, signs) for tally in seen.tallies]
        if not any(len(codes) for codes, _ in found):
            break
        turn += 1
        out = [_joined(old, *new, turn) for old, new in zip(out, found, strict=True)]
    numbered = [
        _numbered(k, *each, out[k]) for k, each in enumerate(zip(first.tallies, seen.tallies, strict=True))
    ]
    _refuse_saturated(frame, numbered, seen.rows, first.rows)
    if raw is not None:
        numbered = [_kept(factor, codes) for factor, codes in zip(numbered, raw, strict=True)]
    numbered.sort(key=lambda factor: -len(factor.cells))
    return Levels(tuple(numbered), seen.counts, first.rows - seen.rows)


def ends(likelihood: GLM) -> dict[float, float]:
    """Return the sign of the infinite predictor of a response of 0 and of 1; 0 where there is none."""
    cone = likelihood.cone(np.array([0.0, 1.0]), np.ones(2))
    signs = (0.0, 0.0) if cone is None else cone.bound[:, 0, 0].tolist()
    return dict(zip((0.0, 1.0), signs, strict=True))


def _places(block: Block) -> slice | IntArray:
    """Places of a block's rows in the source."""
    return slice(block.start, block.start + len(block.y)) if block.rows is None else block.rows


def _raw(frame: ModelFrame) -> list[NDArray[np.signedinteger[Any]]]:
    """The codes of all rows of the source, by factor, in the smallest integers."""
    sizes = [
        np.int16 if f.size < 2**15 else np.int32 if f.size < 2**31 else np.int64
        for f in frame.design.absorbed
    ]
    raw = [np.full(frame.source.rows, -1, dtype=size) for size in sizes]

    def kernel(block: Block) -> int:
        assert block.roles is not None
        for number, codes in enumerate(raw):
            codes[_places(block)] = block.roles[role(number)]
        return 0

    # a kernel that writes: nobody may answer this pass from what an earlier run summed
    replace(frame, joined=bare(frame.joined)).reduce(kernel)
    return raw


def _kept(factor: Numbered, raw: NDArray[np.signedinteger[Any]]) -> Numbered:
    """The factor with the places of all rows."""
    if factor.table is None:
        found = np.minimum(np.searchsorted(factor.cells, raw), len(factor.cells) - 1)
        places = np.where(factor.cells[found] == raw, found, -1)
        return replace(factor, known=places.astype(np.int32 if len(factor.cells) < 2**31 else np.int64))
    if len(factor.table):  # rows that do not enter have -1, which finds the last
        raw = np.append(factor.table, -1).astype(raw.dtype)[raw]
    return replace(factor, known=raw)


def _see(
    frame: ModelFrame,
    likelihood: GLM,
    block: Block,
    out: list[Codes],
    raw: list[NDArray[np.signedinteger[Any]]] | None,
) -> _Seen:
    if raw is None:
        assert block.roles is not None
        codes = [block.roles[role(k)] for k in range(len(out))]
    else:
        codes = [each[_places(block)].astype(np.int64) for each in raw]
    used = block.total > 0
    for numbers, gone in zip(codes, out, strict=True):
        if len(gone):
            used &= ~_among(numbers, gone)
    known = ends(likelihood)
    masks = [used, *(used & (block.y == end) for end, sign in known.items() if sign)]
    tallies = tuple(
        _Tally.of(numbers, factor.size, masks)
        for numbers, factor in zip(codes, frame.design.absorbed, strict=True)
    )
    return _Seen(tallies, _counts(block, used), int(np.count_nonzero(used)))


def _among(numbers: Codes, gone: Codes) -> NDArray[np.bool_]:
    found = np.minimum(np.searchsorted(gone, numbers), len(gone) - 1)
    return gone[found] == numbers


def _counts(block: Block, used: NDArray[np.bool_]) -> Counts:
    if not used.any():
        return Counts()
    rows = np.count_nonzero(used) if block.frequency is None else float(block.frequency[used].sum())
    y, weights = (block.y, block.total) if used.all() else (block.y[used], block.total[used])
    return Counts(int(rows), float(weights.sum()), float(weights @ y), float(y.min()), float(y.max()))


def _infinite(tally: _Tally, signs: Sequence[float]) -> tuple[Codes, Array]:
    """The levels whose rows all go one way, and which."""
    sign = np.zeros(tally.rows.shape[1])
    for rows, way in zip(tally.rows[1:], signs, strict=True):
        sign[(rows == tally.rows[0]) & (rows > 0)] = way
    places = np.flatnonzero(sign)
    return (places if tally.codes is None else tally.codes[places]), sign[places]


def _joined(old: Infinite, codes: Codes, signs: Array, turn: int) -> Infinite:
    rounds = np.full(len(codes), turn, dtype=np.int64)
    codes, signs = np.concatenate([old.codes, codes]), np.concatenate([old.signs, signs])
    order = np.argsort(codes)
    return Infinite(codes[order], signs[order], np.concatenate([old.rounds, rounds])[order])


def _numbered(place: int, first: _Tally, last: _Tally, infinite: Infinite) -> Numbered:
    rows, met = last.rows[0], np.flatnonzero(first.rows[0])
    left = np.flatnonzero(rows)
    if last.codes is None or first.codes is None:
        lost = np.setdiff1d(np.setdiff1d(met, left), infinite.codes)
        table = np.full(len(rows), -1, dtype=np.int64)
        table[left] = np.arange(len(left))
        whole = len(left) == len(rows)
        return Numbered(place, left, rows[left], infinite, lost, table[:0] if whole else table)
    cells = last.codes[left]
    lost = np.setdiff1d(np.setdiff1d(first.codes[met], cells), infinite.codes)
    return Numbered(place, cells, rows[left], infinite, lost, None)


def _nothing_left(frame: ModelFrame, likelihood: GLM, first: _Seen) -> DataError:
    names = " + ".join(factor.text for factor in frame.design.absorbed)
    if not first.rows:
        return DataError("No row has a positive weight: nothing to fit. Correct the weights.")
    values = ", or ".join(f"all {end:.0f}" for end, sign in ends(likelihood).items() if sign)
    return DataError(
        f"No row is left: all {first.rows:,} have levels of {names} with one value of the response only "
        f"({values}), whose effects are infinite. Absorb fewer factors, or merge levels."
    )


def _refuse_saturated(frame: ModelFrame, factors: list[Numbered], rows: int, entered: int) -> None:
    gone = "" if rows == entered else f" that are left of {entered:,}, those with infinite effects left out"
    for factor in factors:
        if len(factor.cells) == rows and rows > 1:
            text = frame.design.absorbed[factor.place].text
            raise DataError(
                f"'{text}' has a level for each of the {rows:,} rows{gone}: its effects fit every row "
                "exactly, and nothing is left to estimate. Name a factor with repeated levels behind '|'."
            )
