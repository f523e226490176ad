"""Numbers per row: of the fit, or of new data, in the caller's order, library and labels, or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.data.parquet_writer import Written, check_parquet, write_parquet
from glmstat.data.source import open_memory
from glmstat.data.target import refuse_read
from glmstat.errors import row_list
from glmstat.fit import sources
from glmstat.inference.score import frame_of
from glmstat.matrix import Array, Block, DesignMatrix, IntArray
from glmstat.table import Native, frame, series

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["ByRow", "Named", "Rows", "Stack", "Target", "new_rows", "of_fit", "rows_of_fit", "rows_shown"]

_NAMED = 6  # rows that a message names
Predictors = Callable[[tuple[DesignMatrix, ...], Array], Array]
Part = tuple[IntArray, Array]
"""Source row numbers (m,) and values (m,) or (m, q) of some rows."""


@dataclass(frozen=True, eq=False)
class ByRow:
    """Values (n,) or (n, q), and the rows that they belong to.

    Parameters
    ----------
    values : one row each.
    native : library and labels.
    places : source row numbers (n,); None where they run on from 0.
    """

    values: Array
    native: Native
    places: IntArray | None = None

    @property
    def numbers(self) -> IntArray:
        """Source row numbers (n,)."""
        return np.arange(len(self.values)) if self.places is None else self.places

    def series(self, name: str) -> Any:
        """Return the values as a series of the caller's library."""
        return series(self.values, self.native, name)

    def table(self, columns: Mapping[str, Array]) -> Any:
        """Return columns (n,) as a table of the caller's library."""
        return frame(columns, self.native)


@dataclass(frozen=True)
class Named:
    """The first of some rows, and how many there are; those of more rows can be added.

    >>> both = Named.of(np.array([3, 8])) + Named.of(np.array([9]))
    >>> both.text
    'rows 3, 8, 9 (3 rows)'
    """

    rows: tuple[int, ...] = ()
    count: int = 0

    @classmethod
    def of(cls, numbers: IntArray) -> Named:
        """Return the first of source row numbers (m,), and their number."""
        return cls(tuple(numbers[:_NAMED].tolist()), len(numbers))

    @property
    def text(self) -> str:
        """The rows in words."""
        return row_list(self.rows, self.count)

    def __add__(self, other: Named) -> Named:
        return Named((self.rows + other.rows)[:_NAMED], self.count + other.count)


@dataclass(frozen=True, eq=False)
class Stack:
    """Arrays one under the other: those of a block, to which those of later blocks are added."""

    parts: tuple[Array, ...]

    def __add__(self, other: Stack) -> Stack:
        return Stack(self.parts + other.parts)

    @property
    def values(self) -> Array:
        """All of them, as one array."""
        return self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)


@dataclass(frozen=True, eq=False)
class Rows:
    """Values of many rows, not yet computed: all at once in memory, or part by part.

    Parameters
    ----------
    whole : all of them.
    parts : the same, in order, few at a time.
    """

    whole: Callable[[], ByRow]
    parts: Callable[[], Iterator[Part]]

    def write(
        self,
        target: Target,
        columns: Callable[[IntArray, Array], Mapping[str, Any]],
        facts: Mapping[str, Any],
        finish: Callable[[], None] = lambda: None,
    ) -> Written:
        """Write the columns that the values of each part make; memory does not grow with the rows.

        Parameters
        ----------
        target : the file.
        columns : from row numbers and values of a part.
        facts : kept in the file.
        finish : raises what was found to be wrong, before the file stands in its place.
        """

        def blocks() -> Iterator[tuple[IntArray, Mapping[str, Any]]]:
            for numbers, values in self.parts():
                yield numbers, columns(numbers, values)
            finish()

        return write_parquet(target.path, blocks(), overwrite=target.overwrite, facts=facts)


@dataclass(frozen=True)
class Target:
    """A file that results per row go to."""

    path: Path
    overwrite: bool

    @classmethod
    def of(cls, fit: Fit, to: Any, overwrite: bool, data: Any = None) -> Target | None:
        """Return the target of a verb's words; None where results come back in memory.

        Parameters
        ----------
        to, overwrite : as given.
        data : what is read beside the rows of the fit: new rows, or its data given again.

        Raises
        ------
        FileError : as `check_parquet` and `refuse_read`.
        """
        if to is None:
            return None
        path = check_parquet(to, overwrite=True)
        refuse_read(path, data, *sources(fit))
        check_parquet(to, overwrite=overwrite)
        return cls(path, overwrite)


def of_fit(
    fit: Fit, verb: str, values: Callable[[Block], Array], data: Any = None, *, width: int | None = None
) -> ByRow:
    """Return `values(block)`, (m,) or (m, width), of every row of the fit.

    Rows dropped for missing values are left out, or NaN if `na_action` was "exclude".
    """
    return rows_of_fit(fit, verb, values, data, width=width).whole()


def rows_of_fit(
    fit: Fit, verb: str, values: Callable[[Block], Array], data: Any = None, *, width: int | None = None
) -> Rows:
    """Return what `of_fit` returns, not yet computed."""
    held = frame_of(fit, verb, data)

    def whole() -> ByRow:
        found = held.reduce(lambda block: Stack((values(block),)))
        made = found.values
        shown = rows_shown(held)
        rows = held.source.rows if shown is None else len(shown)
        return ByRow(_among(made, held, shown, rows), _labels(held, shown), shown)

    def parts() -> Iterator[Part]:
        if held.small:
            found = whole()
            yield found.numbers, found.values
            return
        for rows, block in held.whole_blocks():
            asked = held.selection.asked(rows).numbers if held.na_action == "exclude" else None
            made = None if block is None else values(block)
            if asked is None and block is not None and made is not None:
                yield block.numbers, made
            elif asked is not None and len(asked):
                out = np.full(len(asked) if width is None else (len(asked), width), np.nan)
                if block is not None:
                    out[np.searchsorted(asked, block.numbers)] = made
                yield asked, out

    return Rows(whole, parts)


def _among(values: Array, held: ModelFrame, shown: IntArray | None, rows: int) -> Array:
    """Values of the rows that enter among those that are shown, NaN in the others."""
    if len(values) == rows:
        return values
    kept = held.rows_kept
    assert kept is not None
    out = np.full((rows, *values.shape[1:]), np.nan)
    out[kept if shown is None else np.searchsorted(shown, kept)] = values
    return out


def _labels(held: ModelFrame, shown: IntArray | None) -> Native:
    """Library and labels; of data that are read block by block, the row numbers where some are left out."""
    native = held.source.native
    if shown is None:
        return native
    if native.index is None and not held.source.held and native.library == "pandas":
        import pandas

        return Native("pandas", pandas.Index(shown))
    return native.take(shown)


def rows_shown(frame: ModelFrame) -> IntArray | None:
    """Return the source rows that results per row have, or None for all."""
    return frame.rows_kept if frame.na_action != "exclude" else frame.rows_asked


def new_rows(
    fit: Fit,
    newdata: Any,
    values: Predictors,
    *,
    offset: Any,
    exposure: Any,
    new_levels: str,
    place: int = 0,
) -> Rows:
    """Return `values(X, offset)` of every new row, not yet computed; NaN where something is missing.

    Parameters
    ----------
    place : of the predictor whose X and offset are meant: only what it needs is read.
    """
    if fit.estimate.absorbed is not None:
        newdata = open_memory(newdata, "newdata", least=0)
    design = fit.spec.design.alone(place)
    rows = design.new_rows(newdata, offset=offset, exposure=exposure, new_levels=new_levels)
    if fit.estimate.absorbed is not None:
        from glmstat.inference.absorbed import with_effects

        rows = with_effects(fit, rows, new_levels)

    def whole() -> ByRow:
        return ByRow(rows.fill(values), rows.native)

    return Rows(whole, lambda: rows.parts(values))
