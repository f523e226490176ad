"""The columns of a block as kernels read them: views where they lie, runs written out, factors as codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from glmstat.coded import Coded
from glmstat.parts import Array, Chosen, Constant, IntArray, Numeric, Part, Wide

__all__ = ["Piece", "Split", "arranged", "of_array", "times"]

_VIEWED = 4  # columns from which a view costs less than a copy beside others


class Piece(NamedTuple):
    """Columns of a run: which of those that are written, and their values (k, m)."""

    columns: slice
    values: Array


class _Source(NamedTuple):
    """Columns that are viewed, or written by parts at `places` of a buffer."""

    columns: slice
    values: Array | None
    parts: tuple[tuple[slice, Part], ...] = ()
    buffer: slice = slice(0, 0)


@dataclass(frozen=True, eq=False)
class Split:
    """The columns of a block: `places` (d,) are written or viewed run by run, `coded` never.

    Parameters
    ----------
    width : number of columns.
    places : of the columns that are written or viewed, rising.
    sources : where these come from.
    coded : the others.
    centre, scale : of some rows of the buffer: z = (x - centre) * scale.
    """

    width: int
    places: IntArray
    sources: tuple[_Source, ...]
    coded: tuple[Coded, ...] = ()
    centre: tuple[tuple[int, float], ...] = ()
    scale: tuple[tuple[int, float], ...] = ()

    @property
    def plain(self) -> int:
        """Number of columns that are written or viewed."""
        return len(self.places)

    @property
    def written(self) -> int:
        """Number of columns that are written."""
        return self.sources[-1].buffer.stop if self.sources else 0

    def runs(self, rows: int, step: int) -> Iterator[tuple[slice, list[Piece]]]:
        """Yield runs of rows with their pieces; these are only to be read, and until the next run."""
        if step >= rows and not self.written:
            yield (
                slice(0, rows),
                [Piece(one.columns, one.values) for one in self.sources if one.values is not None],
            )
            return
        buffer = self.buffer(min(step, rows))
        for start in range(0, rows, step):
            part = slice(start, min(start + step, rows))
            yield part, self.pieces(part, buffer)

    def buffer(self, rows: int) -> Array:
        """Return room for the columns that are written, with those of ones in place."""
        buffer = np.empty((self.written, rows))
        for source in self.sources:
            for place, part in source.parts:
                if isinstance(part, Constant):
                    buffer[place] = 1.0
        return buffer

    def pieces(self, rows: slice, buffer: Array) -> list[Piece]:
        """Return the pieces of a run, in the buffer where they are written."""
        start, stop = rows.start, rows.stop
        length = stop - start
        out = []
        for columns, values, parts, place in self.sources:
            if values is not None:
                out.append(Piece(columns, values[:, start:stop]))
                continue
            for at, part in parts:
                if not isinstance(part, Constant):
                    part.fill(buffer[at, :length], start, stop)
            out.append(Piece(columns, buffer[place, :length]))
        for at, centre in self.centre:
            buffer[at, :length] -= centre
        for at, scale in self.scale:
            buffer[at, :length] *= scale
        return out

    def by_codes(self, beta: Array) -> Array | None:
        """Return what the coded columns add to the predictors (n,), or None where there are none."""
        total = None
        for one in self.coded:
            added = one.predictor(beta[one.places])
            total = added if total is None else np.add(total, added, out=total)
        return total


def times(beta: Array, pieces: Sequence[Piece]) -> Array:
    """Return beta Z, (m,) or (k, m), of the pieces of a run, at least one, for beta (d,) or (k, d).

    >>> times(np.array([2.0]), [Piece(slice(0, 1), np.array([[1.0, 3.0]]))])
    array([2., 6.])
    """
    columns, values = pieces[0]
    out = beta[..., columns] @ values
    for columns, values in pieces[1:]:
        out += beta[..., columns] @ values
    return out


def of_array(values: Array) -> Split:
    """Return the columns of an array (q, n), all viewed.

    >>> of_array(np.zeros((3, 10))).plain
    3
    """
    width = len(values)
    return Split(width, np.arange(width), (_Source(slice(0, width), values),))


def arranged(
    width: int,
    places: IntArray,
    parts: Sequence[Part],
    coded: Sequence[Coded] = (),
    centre: Array | None = None,
    scale: Array | None = None,
) -> Split:
    """Return the columns that parts make, centred and scaled.

    Parameters
    ----------
    width : of the design.
    places : of the columns of `parts` in it (d,).
    parts : side by side.
    coded : columns that stay codes; those with a multiplier can be scaled, not centred.
    centre, scale : of all columns (width,), or None where nothing is done.
    """
    centre = np.zeros(width) if centre is None else centre
    scale = np.ones(width) if scale is None else scale
    as_is = ((centre[places] == 0.0) & (scale[places] == 1.0)).tolist()
    sources: list[_Source] = []
    at = column = 0
    for wide, group in _groups(parts):
        columns = slice(column, column + sum(part.width for part in group))
        column = columns.stop
        values = _viewed(group) if wide else None
        if values is not None and all(as_is[columns]):
            sources.append(_Source(columns, values, (), slice(at, at)))
            continue
        begin, placed, of = at, [], columns.start
        for part in group:
            own = slice(of, of + part.width)
            if isinstance(part, Constant) and not all(as_is[own]):
                part = Chosen(part, np.zeros(1, np.intp))  # no longer ones, so written anew in each run
            placed.append((slice(at, at + part.width), part))
            at, of = at + part.width, own.stop
        sources.append(_Source(columns, None, tuple(placed), slice(begin, at)))
    rows = [
        (source.buffer.start + k, places[source.columns.start + k])
        for source in sources
        for k in range(source.buffer.stop - source.buffer.start)
        if not as_is[source.columns.start + k]
    ]
    return Split(
        width,
        places,
        tuple(sources),
        tuple(_moved(one, centre, scale) for one in coded),
        tuple((row, float(centre[place])) for row, place in rows if centre[place] != 0.0),
        tuple((row, float(scale[place])) for row, place in rows if scale[place] != 1.0),
    )


def _groups(parts: Sequence[Part]) -> list[tuple[bool, list[Part]]]:
    """Parts that are read as one, and whether they are columns of numbers, enough to be viewed.

    The formula alone decides, so that sums have the same bits wherever the columns lie.
    """
    out: list[tuple[bool, list[Part]]] = []
    for numbers, run in groupby(parts, key=lambda part: isinstance(part, (Numeric, Wide))):
        group = list(run)
        wide = numbers and sum(part.width for part in group) >= _VIEWED
        if out and not wide and not out[-1][0]:
            out[-1][1].extend(group)
        else:
            out.append((wide, group))
    return out


def _viewed(group: Sequence[Part]) -> Array | None:
    """The values of columns that can be read where they lie, all in one array."""
    part = group[0]
    if len(group) > 1 or not isinstance(part, Wide) or part.values.dtype != np.float64:
        return None
    return part.values


def _moved(one: Coded, centre: Array, scale: Array) -> Coded:
    coding = one.coding.moved(centre[one.places], scale[one.places])
    return one if coding is one.coding else Coded(one.places, one.codes, coding, one.multiplier)
