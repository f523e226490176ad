"""The rows of a fit, once: which enter, what they are, and sums over them."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from glmstat.data.reduce import Addable, run_blocks, single_blas_thread, tree_sum
from glmstat.data.source import BoolArray, Frame, MemorySource
from glmstat.errors import Note, ResponseWarning
from glmstat.estimate import Estimate
from glmstat.formula.behind import RowLevels
from glmstat.formula.design import Design
from glmstat.formula.learning import Whole, examine
from glmstat.formula.missing import BLOCK_ROWS, MissingReport, Selection, frame_of
from glmstat.formula.roles import Roles, read_roles
from glmstat.formula.terms import Formula
from glmstat.formula.weights import Weights, read_weights
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, Columns, Dense, IntArray

__all__ = ["Coordinates", "ModelFrame", "beside_effects", "model_frame"]

S = TypeVar("S", bound=Addable)
THREADED_CELLS = 1_000_000  # from here on several threads gain more than they cost
THREADED_COLUMNS = 64  # runs of fewer columns are so short that threads mostly hand over Python's lock
_BLAS_CELLS = 8_000  # below, BLAS uses one thread by itself


@dataclass(frozen=True)
class Coordinates:
    """What a solver needs to know of the columns of a frame whose blocks were changed.

    Parameters
    ----------
    columns : their names.
    intercept : place of the column of ones, or None.
    has_offset : whether anything is added to the predictors.
    """

    columns: tuple[str, ...]
    intercept: int | None
    has_offset: bool


@dataclass(frozen=True, eq=False)
class ModelFrame:
    """The rows that enter a fit, and the one way to pass over them.

    Parameters
    ----------
    source : the data as the caller gave them.
    design : what makes numbers of them.
    roles : what offset, exposure, weights and subset read.
    selection : which rows enter.
    notes : what a reader should know: rows dropped, unused levels, event modelled.
    na_action : "drop", "exclude" (results per row are NaN where rows were dropped) or "raise".
    workers : threads of a large frame; None uses every core.
    joined : `source` with the arrays of roles and context beside its columns.
    kept : the blocks of a small frame; None where each pass makes them from the data.
    change : what is done to every block of a large frame, where it stands for other numbers.
    coordinates : the columns after such a change.
    """

    source: MemorySource
    design: Design
    roles: Roles
    selection: Selection
    notes: tuple[Note, ...]
    na_action: str
    workers: int | None
    joined: MemorySource = field(repr=False)
    kept: tuple[Block, ...] | None = field(default=None, repr=False)
    change: Callable[[Block], Block] | None = field(default=None, repr=False)
    coordinates: Coordinates | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.design.columns if self.coordinates is None else self.coordinates.columns

    @property
    def intercept(self) -> int | None:
        """Place of the column of ones, or None."""
        return self.design.intercept if self.coordinates is None else self.coordinates.intercept

    @property
    def has_offset(self) -> bool:
        """Whether anything is added to the predictors."""
        return self.design.has_offset if self.coordinates is None else self.coordinates.has_offset

    def changed(self, change: Callable[[Block], Block], coordinates: Coordinates | None = None) -> ModelFrame:
        """Return a frame of the same rows with other numbers in them.

        Parameters
        ----------
        change : a block with the same rows from each block, the same one every time; a large frame calls
            it in every pass.
        coordinates : what the columns are, where there are others.
        """
        now = self.coordinates if coordinates is None else coordinates
        if self.kept is not None:
            return replace(self, kept=tuple(map(change, self.kept)), coordinates=now)
        before = self.change
        both = change if before is None else lambda block: change(before(block))
        return replace(self, change=both, coordinates=now)

    def with_design(self, design: Design) -> ModelFrame:
        """Return a frame of the same rows with the columns of another design of the same parts."""
        changed = replace(self, design=design, kept=None, coordinates=None)
        if self.kept is None:
            return changed
        blocks = [_dense(changed._make(number)) for number in range(changed.count)]
        return replace(changed, kept=tuple(map(_freeze, blocks)))

    @property
    def missing(self) -> MissingReport:
        """Rows lost by variable."""
        return self.selection.report

    @property
    def small(self) -> bool:
        """Whether the used columns were copied."""
        return self.kept is not None

    @property
    def large(self) -> bool:
        """Whether each pass reads the caller's data."""
        return self.kept is None

    @property
    def rows(self) -> int:
        """Number of rows that enter, those of weight 0 among them."""
        return self.missing.rows - self.missing.dropped

    @cached_property
    def rows_kept(self) -> IntArray | None:
        """Source rows that enter, or None for all."""
        return _places(self.selection.kept)

    @cached_property
    def rows_asked(self) -> IntArray | None:
        """Source rows that subset chose, those with missing values among them; None for all."""
        return _places(self.selection.chosen)

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of the response, and of the rows that enter if not all do."""
        if self.change is not None:
            return ""  # of other numbers in the rows of a large frame; a pass would tell nothing
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(np.ascontiguousarray(block.y).data)
        if self.rows_kept is not None:
            digest.update(self.rows_kept.astype(np.int64).data)
        return digest.hexdigest()

    def reread(self) -> str:
        """Return the fingerprint of the data as they are now; only for frames that hold copies."""
        digest = hashlib.sha256()
        for number in range(self.count):
            digest.update(np.ascontiguousarray(self._make(number).y).data)
        if self.rows_kept is not None:
            digest.update(self.rows_kept.astype(np.int64).data)
        return digest.hexdigest()

    @property
    def count(self) -> int:
        """Number of blocks."""
        return len(self._numbers) if self.kept is None else len(self.kept)

    def block(self, number: int) -> Block:
        """Return one block, 0 ≤ number < count."""
        if self.kept is not None:
            return self.kept[number]
        made = self._make(number)
        return made if self.change is None else self.change(made)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in the order of their rows."""
        return (self.block(number) for number in range(self.count))

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        """Return the sum of `kernel(block)` over all blocks.

        Blocks and the order of the sum depend on data and formula alone: the same bits for any number of
        threads.
        """
        if self.kept is not None and self.rows * (len(self.design.columns) + 1) <= _BLAS_CELLS:
            return tree_sum(kernel(block) for block in self.kept)
        cells = self.rows * len(self.design.columns)
        with single_blas_thread():
            return run_blocks(lambda number: kernel(self.block(number)), self.count, self._threads(cells))

    def _threads(self, cells: int) -> int:
        if cells <= THREADED_CELLS or (self.workers is None and len(self.design.columns) < THREADED_COLUMNS):
            return 1
        return self.workers or os.cpu_count() or 1

    @cached_property
    def _numbers(self) -> list[int]:
        """Places of the runs of source rows in which some row enters."""
        size, kept = block_rows(len(self.design.columns)), self.selection.kept
        count = -(-self.source.rows // size)
        if kept is None:
            return list(range(count))
        return [place for place in range(count) if kept[place * size : (place + 1) * size].any()]

    def _make(self, number: int) -> Block:
        size = block_rows(len(self.design.columns))
        start = self._numbers[number] * size
        frame = frame_of(self.joined, self.selection.kept, start, min(start + size, self.source.rows))
        X, offset = self.design.matrices(frame)
        weights = read_weights(self.roles, self.design.environment(frame))[0]
        rows = None if frame.chosen is None else frame.numbers
        y, total = _response(self.design, frame, weights)
        levels = _levels(self.design, frame)
        return Block(number, X, y, offset, total, weights.frequency, rows, start, levels)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for block in self.kept or ():
            _freeze(block)


def beside_effects(frame: ModelFrame, estimate: Estimate) -> ModelFrame:
    """Return the frame as the coefficients see it: less what absorbed effects take of the columns."""
    if estimate.absorbed is None:
        return frame
    return frame.changed(estimate.absorbed.change(estimate.theta))


def block_rows(columns: int) -> int:
    """Return the rows of a block: a property of the formula, never of the machine.

    >>> block_rows(20), block_rows(1000)
    (65536, 2048)
    """
    if columns < 64:
        return BLOCK_ROWS
    return max(1024, 1 << int(np.log2(4e6 / columns)))


def model_frame(
    source: MemorySource,
    formula: Formula,
    arguments: Mapping[str, Any],
    likelihood: GLM,
    *,
    contrasts: Any = None,
    context: Mapping[str, Any] | None = None,
    event: Any = None,
    na_action: str = "drop",
    subset: Any = None,
    allow_python: bool = False,
    workers: int | None = None,
    beside: Mapping[str, Any] | None = None,
) -> ModelFrame:
    """Return the rows of a fit, checked, with the design that they taught.

    The order: subset, missing values, states of stateful calls, levels, domain of the response.

    Parameters
    ----------
    source, formula : the data and what is asked of them.
    arguments : offset, exposure, weights, freq_weights, sampling_weights by word: a column's name, an
        expression or an array; None or left out where not given.
    likelihood : its family's domain is checked.
    contrasts : None, a word for all factors, or {column: word or matrix}.
    context : what formula and arguments may name beside columns.
    event : level of the response that counts as 1.
    na_action : "drop", "exclude" or "raise".
    subset : which rows enter: a condition, a boolean column or array; None for all.
    allow_python : passed to the reader of expressions.
    workers : threads; None uses every core.
    beside : variables of the covariance by argument; rows in which they are missing do not enter.

    Raises
    ------
    ColumnError : a name that is nowhere.
    DataError : values that are infinite, not numbers, or missing under "raise"; no row left.
    DomainError : a response outside the family's domain.
    ArgumentError : words that do not exist or cannot be combined.

    Warns
    -----
    ResponseWarning : counts that are not whole numbers.
    """
    context = context or {}
    functions = tuple(sorted(name for name, value in context.items() if callable(value)))
    given = {**arguments, "subset": subset}
    roles, joined = read_roles(source, given, allow_python=allow_python, functions=functions, beside=beside)
    with np.errstate(all="ignore"):
        seen = examine(
            joined,
            formula,
            roles,
            likelihood.family,
            contrasts=contrasts,
            context=context,
            event=event,
            na_action=na_action,
            workers=workers,
        )
        kept = None if seen.whole is None else _keep(seen.design, seen.whole)
    doubt = next(iter(seen.doubts.values()), None)
    if doubt is not None:
        warnings.warn(doubt.message, ResponseWarning, stacklevel=5)
    return ModelFrame(
        source, seen.design, roles, seen.selection, seen.notes, na_action, workers, seen.source, kept
    )


def _response(design: Design, frame: Frame, weights: Weights) -> tuple[Array, Array]:
    """Response and weights of some rows (n,); the trials behind a share multiply the weights."""
    coding, response = design.schema.response, design.formula.response
    assert coding is not None and response is not None
    y, trials = coding.values(response, design.environment(frame))
    total = weights.total(frame.rows)
    return y, total if trials is None else total * trials


def _levels(design: Design, frame: Frame) -> RowLevels | None:
    """Codes (n,) of the levels whose effects are absorbed, by role."""
    return RowLevels(design.absorbed, design.environment(frame)) if design.absorbed else None


def _keep(design: Design, whole: Whole) -> tuple[Block, ...]:
    """Copy the rows of small data into blocks."""
    frame, size = whole.frame, block_rows(len(design.columns))
    X = [matrix.dense() for matrix in design.assemble(design.coded(whole.values), frame.rows)]
    y, weights = _response(design, frame, whole.weights)
    frequency = whole.weights.frequency
    rows = None if frame.chosen is None else frame.numbers
    copied = None if frequency is None else np.array(frequency)
    levels = _levels(design, frame)
    levels = None if levels is None else dict(levels)
    block = Block(0, tuple(X), np.array(y), whole.offset, np.array(weights), copied, rows, 0, levels)
    if frame.rows <= size:
        return (_freeze(block),)
    return tuple(_freeze(_cut(block, number, size)) for number in range(-(-frame.rows // size)))


def _dense(block: Block) -> Block:
    """A block whose columns are written out."""
    return replace(block, X=tuple(X.dense() if isinstance(X, Columns) else X for X in block.X))


def _cut(whole: Block, number: int, size: int) -> Block:
    part = slice(number * size, (number + 1) * size)
    return Block(
        number,
        tuple(Dense(X.values[:, part]) for X in whole.X if isinstance(X, Dense)),
        whole.y[part],
        whole.offset[part],
        whole.weights[part],
        None if whole.frequency is None else whole.frequency[part],
        None if whole.rows is None else whole.rows[part],
        number * size,
        None if whole.roles is None else {name: values[part] for name, values in whole.roles.items()},
    )


def _places(mask: BoolArray | None) -> IntArray | None:
    """Row numbers where a mask is true, read-only; None for all rows."""
    if mask is None:
        return None
    places = np.flatnonzero(mask)
    places.flags.writeable = False
    return places


def _freeze(block: Block) -> Block:
    """Make the arrays of a block read-only."""
    matrices = [X.values for X in block.X if isinstance(X, Dense)]
    roles = () if block.roles is None else block.roles.values()
    for values in (block.y, block.offset, block.weights, block.frequency, block.rows, *matrices, *roles):
        if values is not None:
            values.flags.writeable = False
    return block
