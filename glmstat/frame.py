"""The rows of a fit, once: which enter, what they are, and sums over them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from glmstat.array import silence
from glmstat.convention import CONVENTIONS, Convention
from glmstat.copies import Copies, Fingerprint, Held, ones
from glmstat.data.passes import Passes
from glmstat.data.reduce import Addable, run_blocks, single_blas_thread, tree_sum
from glmstat.data.source import BLOCK_ROWS, BoolArray, Frame, MemorySource, Source
from glmstat.errors import Note, ResponseWarning
from glmstat.estimate import Estimate
from glmstat.formula.behind import RowLevels
from glmstat.formula.design import Design
from glmstat.formula.learning import Whole, examine
from glmstat.formula.missing import MissingReport, Selection
from glmstat.formula.roles import Roles, read_roles
from glmstat.formula.rule import Lost, Rule, look_for_gaps
from glmstat.formula.terms import Formula
from glmstat.formula.weights import Weights, read_weights
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, Block, Columns, Dense, IntArray
from glmstat.pieces import Split

if TYPE_CHECKING:
    from glmstat.device import Device

__all__ = ["Coordinates", "ModelFrame", "beside_effects", "model_frame"]

S = TypeVar("S", bound=Addable)
THREADED_CELLS = 1_000_000  # from here on several threads gain more than they cost
THREADED_COLUMNS = 64  # runs of fewer columns are so short that threads mostly hand over Python's lock
MEMORY = 16e6  # bytes: two million numbers
_BLAS_CELLS = 8_000  # below, BLAS uses one thread by itself


@dataclass(frozen=True)
class Coordinates:
    """What a solver needs to know of the columns of a frame whose blocks were changed.

    Parameters
    ----------
    columns : their names.
    intercept : place of the column of ones, or None.
    has_offset : whether anything is added to the predictors.
    slots : places of the columns of each of several predictors; None where all have all.
    """

    columns: tuple[str, ...]
    intercept: int | None
    has_offset: bool
    slots: tuple[tuple[int, ...], ...] | None = None


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
    reads : further columns of the data that a change reads.
    device : where the solver's sums over the rows of a large frame are made; None makes them here.
    """

    source: Source
    design: Design
    roles: Roles
    selection: Selection
    notes: tuple[Note, ...]
    na_action: str
    workers: int | None
    joined: Source = field(repr=False)
    kept: tuple[Block, ...] | None = field(default=None, repr=False)
    change: Callable[[Block], Block] | None = field(default=None, repr=False)
    coordinates: Coordinates | None = None
    reads: tuple[str, ...] = ()
    device: Device | None = None
    _held: Held | None = field(default=None, init=False, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.design.columns if self.coordinates is None else self.coordinates.columns

    @property
    def coded(self) -> IntArray:
        """Places of the columns that kernels keep as codes of levels."""
        split = self._split
        return (
            np.zeros(0, dtype=np.intp)
            if split is None
            else np.setdiff1d(np.arange(split.width), split.places)
        )

    @property
    def stored(self) -> int:
        """Numbers of a row that a copy of it holds: of the columns, one for each factor that stays codes."""
        split = self._split
        return len(self.columns) if split is None else split.plain + len(split.coded)

    @property
    def _split(self) -> Split | None:
        """How kernels read the columns; None where all are written out."""
        if self.kept is not None:
            return None
        if self.change is not None or self.coordinates is not None:
            return self.block(0).X[0].split()
        if self.design.written == len(self.design.columns):
            return None
        return self.design.outline[0].split()

    @property
    def intercept(self) -> int | None:
        """Place of the column of ones, or None."""
        return self.design.intercept if self.coordinates is None else self.coordinates.intercept

    @property
    def slots(self) -> tuple[IntArray, ...]:
        """Places of the columns of each predictor among all."""
        predictors, now = self.design.predictors, self.coordinates
        if now is None:
            return tuple(predictor.slots for predictor in predictors)
        if now.slots is None:
            return tuple(np.arange(len(now.columns)) for _ in predictors)
        return tuple(np.array(own, dtype=np.intp) for own in now.slots)

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

    def reading(self, names: Iterable[str]) -> ModelFrame:
        """Return the frame with further columns of the data read in each pass."""
        return replace(self, reads=tuple(dict.fromkeys((*self.reads, *names))))

    def with_design(self, design: Design) -> ModelFrame:
        """Return a frame of the same rows with the columns of another design of the same parts."""
        changed = replace(self, design=design, kept=None, coordinates=None)
        if self.kept is None:
            return changed
        blocks = [_dense(block) for block in changed.blocks()]
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

    @cached_property
    def rows(self) -> int:
        """Number of rows that enter, those of weight 0 among them."""
        return self.missing.rows - self.missing.dropped

    @cached_property
    def rows_kept(self) -> IntArray | None:
        """Source rows that enter, or None for all; of data that are not in memory a pass finds them."""
        if self.selection.rule is not None and self.rows < self.source.rows:
            return self._numbers_of(self.selection.entering)
        return _places(self.selection.kept)

    @cached_property
    def rows_asked(self) -> IntArray | None:
        """Source rows that subset chose, those with missing values among them; None for all."""
        if self.selection.rule is not None and self.missing.rows < self.source.rows:
            return self._numbers_of(self.selection.asked)
        return _places(self.selection.chosen)

    def _numbers_of(self, rows: Callable[[Frame], Frame]) -> IntArray:
        found = [rows(frame).numbers for frame in self.joined.frames(self.names)]
        numbers = np.concatenate(found)
        numbers.flags.writeable = False
        return numbers

    @property
    def random_access(self) -> bool:
        """Whether blocks can be had in any order without reading those before them."""
        return self.kept is not None or isinstance(self.joined, MemorySource)

    @cached_property
    def fingerprint(self) -> str:
        """A text that differs where the response or the rows that enter do, however they are stored."""
        if self.change is not None:
            return ""  # of other numbers in the rows of a large frame; a pass would tell nothing
        return self.reduce(Fingerprint.of).text

    def known_fingerprint(self, found: Fingerprint) -> None:
        """Note the fingerprint that a pass of something else has summed too."""
        self.__dict__.setdefault("fingerprint", found.text)

    def reread(self) -> str:
        """Return the fingerprint of the data as they are now; only for frames that hold copies."""
        return replace(self, kept=None).fingerprint

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns of the data that a pass reads."""
        response = self.design.formula.response
        design = self.design
        parts = [*design.parts.values(), *design.levels.values(), *(part.role for part in design.offsets)]
        read = [*parts, *(() if response is None else response.expressions)]
        known = [name for role in read for name in role.names]
        names = dict.fromkeys([*known, *self.roles.names, *self.reads])
        return tuple(name for name in names if name in self.joined)

    @property
    def count(self) -> int:
        """Number of blocks."""
        return len(self._numbers) if self.kept is None else len(self.kept)

    def block(self, number: int) -> Block:
        """Return one block, 0 ≤ number < count; of data that are not in memory by reading all before it."""
        if self.kept is not None:
            return self.kept[number]
        if not isinstance(self.joined, MemorySource):
            return next(islice(self.blocks(), number, None))
        size = block_rows(self.design.written)
        place = self._numbers[number]
        made = self.made(self.joined.frame(place * size, (place + 1) * size), place)
        assert made is not None
        return made

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in the order of their rows."""
        if self.kept is not None:
            yield from self.kept
            return
        yield from (block for _, block in self.whole_blocks() if block is not None)

    def whole_blocks(self) -> Iterator[tuple[Frame, Block | None]]:
        """Yield every block of the data of a large frame, and what enters of it: None where no row does."""
        frames = self.joined.frames(self.names, block_rows=block_rows(self.design.written))
        for number, frame in enumerate(frames):
            with np.errstate(all="ignore"):
                made = self._make(frame, number)
            yield frame, made

    @property
    def passes(self) -> Passes | None:
        """Who watches the passes over the rows; None once the fit is made."""
        return getattr(self.joined, "passes", None)

    def sample(self, runs: Sequence[slice]) -> tuple[Block, ...]:
        """Return copies of those rows of some runs that enter, factors of many levels as codes.

        There is one block for each run that has any, or one for all of them where there are codes.

        Parameters
        ----------
        runs : of source row numbers, in order.
        """
        return self.reduce(lambda block: Copies.of(block, runs)).gathered

    @property
    def source_rows(self) -> int:
        """Number of rows of the data, those that do not enter among them."""
        return self.source.rows

    def reduce(self, kernel: Callable[[Block], S]) -> S:
        """Return the sum of `kernel(block)` over all blocks.

        Blocks and the order of the sum depend on data and formula alone: the same bits for any number of
        threads, and wherever the data are.

        Parameters
        ----------
        kernel : without side effects: it may run in another process, or twice.
        """
        if self.kept is not None and self.rows * (len(self.design.columns) + 1) <= _BLAS_CELLS:
            if len(self.kept) == 1:
                return kernel(self.kept[0])
            return _whole(tree_sum(kernel(block) for block in self.kept))
        cells = self.rows * len(self.design.columns)
        with single_blas_thread():
            if self.kept is not None:
                kept = self.kept
                return _whole(
                    run_blocks(lambda number: kernel(kept[number]), len(kept), self._threads(cells))
                )
            size, threads = block_rows(self.design.written), self._threads(cells)
            run = _Run(self, kernel)
            return _whole(self.joined.map_reduce(run, self.names, block_rows=size, workers=threads))

    def check_gaps(self) -> None:
        """Refuse data that are not in memory and lack values now that they had; a pass looks for them.

        Raises
        ------
        DataError : they changed, unnoticed by size and time of their files.
        """
        rule = self.selection.rule
        if rule is not None and rule.gaps is not None and self.kept is None:
            found = self.joined.map_reduce(partial(_gaps, rule), self.names)
            if found is not None:
                found.check_gaps(rule.gaps)

    def _threads(self, cells: int) -> int:
        if cells <= THREADED_CELLS or (self.workers is None and self.design.written < THREADED_COLUMNS):
            return 1
        return self.workers or os.cpu_count() or 1

    @cached_property
    def _numbers(self) -> list[int]:
        """Places of the runs of source rows in which some row enters."""
        size, kept = block_rows(self.design.written), self.selection.kept
        count = -(-self.source.rows // size)
        if kept is None:
            return list(range(count))
        return [place for place in range(count) if kept[place * size : (place + 1) * size].any()]

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Keep what blocks of data in memory cost to make, as far as it takes little room, until the end."""
        if self._held is not None:  # by who asked before, until the end of that
            yield
            return
        if self.kept is None and self.change is None and self.random_access and not self.design.absorbed:
            self.__dict__["_held"] = Held()
        try:
            yield
        finally:
            self.__dict__["_held"] = None

    def made(self, whole: Frame, number: int) -> Block | None:
        """Return the rows of a whole block that enter, as numbers; None where none does."""
        held = self._held
        if held is None or whole.chosen is not None:
            return self._make(whole, number)
        known = held.blocks.get(number)
        if known is None:
            block = self._make(whole, number)
            if block is not None:
                held.keep(block)
            return block
        if known.y is not None and known.offset is not None:
            return Block(
                number, known.X, known.y, known.offset, known.weights, start=whole.run.start, frame=whole
            )
        environment = self.design.environment(whole)
        offset = self.design.offset(environment) if known.offset is None else known.offset
        y = known.y
        if y is None:
            y, _ = _response(self.design, whole, read_weights(self.roles, environment)[0])
        return Block(number, known.X, y, offset, known.weights, start=whole.run.start, frame=whole)

    def _make(self, whole: Frame, number: int) -> Block | None:
        """The rows of a whole block that enter, as numbers; None where none does."""
        frame = self.selection.entering(whole)
        if not frame.rows:
            return None
        X, offset = self.design.matrices(frame)
        weights = read_weights(self.roles, self.design.environment(frame))[0]
        rows = None if frame.chosen is None else frame.numbers
        y, total = _response(self.design, frame, weights)
        levels = _levels(self.design, frame)
        made = Block(
            number, X, y, offset, total, weights.frequency, rows, frame.run.start, levels, frame=frame
        )
        return made if self.change is None else self.change(made)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for block in self.kept or ():
            _freeze(block)


@dataclass(frozen=True, eq=False)
class _Run:
    """A kernel on the blocks of a frame; a class, so that it can be sent elsewhere."""

    frame: ModelFrame
    kernel: Callable[[Block], Any]

    def __call__(self, whole: Frame, number: int) -> Any:
        block = self.frame.made(whole, number)
        return None if block is None else self.kernel(block)


def _gaps(rule: Rule, frame: Frame, number: int) -> Lost:
    return look_for_gaps(rule, frame)[0]


def _whole(total: S | None) -> S:
    assert total is not None  # a frame without rows is refused when it is made
    return total


def beside_effects(frame: ModelFrame, estimate: Estimate) -> ModelFrame:
    """Return the frame as the coefficients see it: less what absorbed effects take of the columns."""
    if estimate.absorbed is None:
        return frame
    return frame.changed(estimate.absorbed.change(estimate.theta))


def block_rows(columns: int) -> int:
    """Return the rows of a block that writes out so many columns: a property of the formula, not the machine.

    >>> block_rows(20), block_rows(1000)
    (65536, 2048)
    """
    if columns < 64:
        return BLOCK_ROWS
    return max(1024, 1 << int(np.log2(4e6 / columns)))


def model_frame(
    source: Source,
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
    memory: float = MEMORY,
    beside: Mapping[str, Any] | None = None,
    convention: Convention | None = None,
    others: Mapping[str, Formula] | None = None,
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
    memory : bytes up to which the columns that are used are copied.
    beside : variables of the covariance by argument; rows in which they are missing do not enter.
    convention : codes factors and responses, and names columns, where nothing else says how.
    others : formulas of the predictors besides the mean's, by name.

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
    others = others or {}
    source = _held_if_small(source, (formula, *others.values()), memory)
    roles, joined = read_roles(source, given, allow_python=allow_python, functions=functions, beside=beside)
    with silence():
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
            memory=memory,
            convention=convention or CONVENTIONS["glmstat"],
            others=others,
        )
        kept = None if seen.whole is None else _keep(seen.design, seen.whole)
    doubt = next(iter(seen.doubts.values()), None)
    if doubt is not None:
        warnings.warn(doubt.message, ResponseWarning, stacklevel=5)
    return ModelFrame(
        source, seen.design, roles, seen.selection, seen.notes, na_action, workers, seen.source, kept
    )


def _held_if_small(source: Source, formulas: Sequence[Formula], memory: float) -> Source:
    """The source in memory, where what the formula reads fits."""
    if source.held or not memory:
        return source
    read = [part for one in formulas for part in (*one.parts.values(), *one.offsets)]
    read += [part for one in formulas if one.response is not None for part in one.response.expressions]
    names = [name for name in dict.fromkeys(name for part in read for name in part.names) if name in source]
    return source.collect(names) if 8.0 * source.rows * max(1, len(names)) <= memory else source


def _response(design: Design, frame: Frame, weights: Weights) -> tuple[Array, Array]:
    """Response and weights of some rows (n,); the trials behind a share multiply the weights."""
    coding, response = design.schema.response, design.formula.response
    assert coding is not None and response is not None
    y, trials = coding.values(response, design.environment(frame))
    total = (
        ones(frame.rows) if weights.prior is None and weights.sampling is None else weights.total(frame.rows)
    )
    return y, total if trials is None else total * trials


def _levels(design: Design, frame: Frame) -> RowLevels | None:
    """Codes (n,) of the levels whose effects are absorbed, by role."""
    return RowLevels(design.absorbed, design.environment(frame)) if design.absorbed else None


def _keep(design: Design, whole: Whole) -> tuple[Block, ...]:
    """Copy the rows of small data into blocks."""
    frame, size = whole.frame, block_rows(design.written)
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
