"""Variables beside the model: clusters, time order, strata; read from the rows of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from glmstat.call import Values, Variable
from glmstat.data.source import Frame, MemorySource
from glmstat.errors import DataError
from glmstat.formula.missing import frame_of as rows_of
from glmstat.formula.roles import apart
from glmstat.inference.distinct import Combinations, is_numeric
from glmstat.inference.reading import Reading, read
from glmstat.inference.score import frame_of
from glmstat.matrix import Array, Block, IntArray

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["REMEDY", "Grouping", "RowValues", "grouping", "refuse_changed", "split_ways", "values"]

# what to do about rows without a value: for a covariance, which the model can know of, and for other verbs
_AS_VCOV = "Give vcov= in the call of the model, which leaves these rows out of the fit too, or use subset=."
REMEDY = "Fit without these rows: subset= in the call of the model. Or give them a value."

V = TypeVar("V", Array, IntArray, covariant=True)


class _Reader(Protocol[V]):
    """What gives each row of a block its value."""

    def of(self, block: Block) -> V:
        """Return the values (n,) of a block's rows."""
        ...


@dataclass(frozen=True, eq=False)
class _Held(_Reader[V]):
    """Values of all rows of the data."""

    values: V

    def of(self, block: Block) -> V:
        """Return those of a block's rows."""
        return self.values[_place(block)]


@dataclass(frozen=True, eq=False)
class _Codes(_Reader[IntArray]):
    """Codes made in each block from the values of its rows."""

    reading: Reading
    found: Combinations

    def of(self, block: Block) -> IntArray:
        """Return the codes (n,) of a block's rows; rows of weight 0 need no group of their own.

        Raises
        ------
        DataError : a row that counts has a value that no row had.
        """
        codes = self.found.codes(self.reading.values(block.frame))
        unknown = codes < 0
        if (unknown & (block.total > 0)).any():
            raise DataError(f"data changed since {self.reading.word} was read. Fit them again.")
        return np.where(unknown, 0, codes)


@dataclass(frozen=True, eq=False)
class _Numbers(_Reader[Array]):
    """Numbers evaluated in each block."""

    reading: Reading

    def of(self, block: Block) -> Array:
        """Return the numbers (n,) of a block's rows."""
        value = self.reading.values(block.frame)[0]
        assert isinstance(value, np.ndarray)
        return value


@dataclass(frozen=True, eq=False)
class _Places(_Reader[Array]):
    """Codes as numbers."""

    codes: _Codes

    def of(self, block: Block) -> Array:
        """Return the codes (n,) of a block's rows."""
        return self.codes.of(block).astype(np.float64)


@dataclass(frozen=True, eq=False)
class RowValues:
    """A value for each row of the fit.

    Parameters
    ----------
    text : what it is, for messages.
    reader : gives sortable numbers; of text and categories the place among the levels.
    """

    text: str
    reader: _Reader[Array]

    def of(self, block: Block) -> Array:
        """Return the values (n,) of a block's rows."""
        return self.reader.of(block)


@dataclass(frozen=True, eq=False)
class Grouping:
    """A group for each row of the fit.

    Parameters
    ----------
    text : what groups the rows, for messages and labels.
    reader : gives codes from 0 to `count` - 1. Rows of weight 0 make no group of their own.
    labels : (count,) what each group is called.
    """

    text: str
    reader: _Reader[IntArray]
    labels: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of groups with a row of positive weight."""
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the data that a pass reads for it."""
        return self.reader.reading.names if isinstance(self.reader, _Codes) else ()

    @property
    def codes(self) -> IntArray:
        """Codes (rows of the source,) of data in memory; -1 in rows that are not in the fit.

        Raises
        ------
        DataError : the data are read block by block, so no such array is held.
        """
        if not isinstance(self.reader, _Held):
            raise DataError(
                f"Groups by '{self.text}' of all rows at once: the data are read block by block. "
                "Read them into memory first."
            )
        return self.reader.values

    def of(self, block: Block) -> IntArray:
        """Return the codes (n,) of a block's rows."""
        return self.reader.of(block)


def grouping(
    fit: Fit,
    variables: Variable | Sequence[Variable],
    word: str = "cluster",
    data: Any = None,
    *,
    remedy: str = _AS_VCOV,
    several: bool = True,
) -> Grouping:
    """Return the groups that one variable, or each combination of values of several, makes of the rows.

    Codes of data in memory are held; those of other data are made in each block, from a table of the values
    that occur, which one pass unites.

    Parameters
    ----------
    variables : names, expressions or `Values`; "a:b" is the combination of both.
    word : the argument, for messages.
    data : the data of the fit, where the fit holds none.
    remedy : what to do about missing values, for messages.
    several : whether combinations of several variables are meant; their codes do not sort as values do.

    Raises
    ------
    ColumnError : a name that the data do not have.
    DataError : missing values in rows of the fit, an array of another length, or data changed since the fit.
    """
    given = (variables,) if isinstance(variables, (str, Values)) else tuple(variables)
    frame = frame_of(fit, _need(word), data)
    reading, found, rows = _look(fit, frame, given, word, remedy)
    found.check(reading.texts)
    if not several:
        _refuse_several(reading, given[0])
    text = ":".join(reading.texts)
    if rows is None:
        return Grouping(text, _Codes(reading, found), found.labels)
    codes = np.full(frame.source.rows, -1, dtype=np.intp)
    codes[rows.numbers] = np.maximum(found.codes(reading.values(rows)), 0)
    return Grouping(text, _Held(codes), found.labels)


def values(fit: Fit, variable: Variable, word: str, data: Any = None) -> RowValues:
    """Return the values of a variable as numbers that sort as it does; arguments as `grouping`.

    Raises
    ------
    ColumnError, DataError : as `grouping`.
    """
    frame = frame_of(fit, _need(word), data)
    reading, found, rows = _look(fit, frame, (variable,), word, _AS_VCOV)
    _refuse_several(reading, variable)
    text = reading.texts[0]
    if rows is None:
        codes = _Codes(reading, found)
        return RowValues(text, _Numbers(reading) if is_numeric(found.tables[0]) else _Places(codes))
    numbers, value = np.full(frame.source.rows, np.nan), reading.values(rows)[0]
    numbers[rows.numbers] = value if isinstance(value, np.ndarray) else found.tables[0].codes(value)
    return RowValues(text, _Held(numbers))


def _look(
    fit: Fit, frame: ModelFrame, variables: Sequence[Variable], word: str, remedy: str
) -> tuple[Reading, Combinations, Frame | None]:
    """How variables are read, the combinations of their values, and the rows of data in memory."""
    refuse_changed(frame)
    reading, source = read(fit, frame, variables, word)
    rows = None
    if isinstance(source, MemorySource):
        rows = rows_of(source, frame.selection.kept, 0, source.rows)
        lesson = reading.lesson(rows, np.concatenate([block.total > 0 for block in frame.blocks()]))
    else:
        lesson = frame.reduce(lambda block: reading.lesson(block.frame, block.total > 0))
    lesson.check(word, remedy)
    assert lesson.found is not None  # a fit has rows that count
    return reading, lesson.found, rows


def _refuse_several(reading: Reading, variable: Variable) -> None:
    if len(reading.roles) > 1:
        raise DataError(
            f"{reading.word} must be one variable: it is '{variable}'. Give one column or expression."
        )


def split_ways(text: str) -> tuple[str, ...]:
    """Return the ways of clustering that a text names: 'firm + year' → ('firm', 'year')."""
    return tuple(apart(text, "+"))


def _need(word: str) -> str:
    return f"{word}="


def _place(block: Block) -> Any:
    return slice(block.start, block.start + len(block.y)) if block.rows is None else block.rows


def refuse_changed(frame: ModelFrame) -> None:
    """Refuse a source whose response is not that of the copies that a small frame holds.

    Raises
    ------
    DataError : data changed since the fit.
    """
    if frame.small and frame.change is None and frame.reread() != frame.fingerprint:
        raise DataError(
            "data changed since the fit: the response is another. Use refit(data) to fit them, or data=."
        )
