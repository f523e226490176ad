"""Other data as rows of a design: the offset evaluated again, missing values marked, new levels refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from glmstat.data.source import BoolArray, Frame, IntArray, Kind, MemorySource, Source, open_source
from glmstat.errors import ArgumentError, ColumnError, DataError, near, one_of
from glmstat.formula.check import Offences, finite, merge, raise_first
from glmstat.formula.expression import Environment, Expression, evaluate
from glmstat.formula.missing import cuts, frame_of, gap
from glmstat.formula.offset import OffsetPart, sum_added
from glmstat.formula.piece import MISSING, NEW
from glmstat.formula.roles import Given, Roles, read_roles
from glmstat.formula.schema import FACTOR, Encoding, Schema
from glmstat.formula.survey import without_level
from glmstat.formula.value import Array, Basis, Value, level_label
from glmstat.matrix import DesignMatrix
from glmstat.table import Native

__all__ = ["NewRows", "Recipe", "open_rows"]


class Recipe(Protocol):
    """What new rows need of a design."""

    @property
    def schema(self) -> Schema:
        """What the data of the fit taught."""
        ...

    @property
    def context(self) -> Mapping[str, Any]:
        """What the formula names beside columns."""
        ...

    @property
    def parts(self) -> dict[str, Expression]:
        """The parts of the terms by text."""
        ...

    @property
    def levels(self) -> dict[str, Expression]:
        """The parts of absorbed effects by text."""
        ...

    @property
    def added(self) -> tuple[tuple[OffsetPart, ...], ...]:
        """What the fit added to each predictor."""
        ...

    def environment(self, frame: Frame) -> Environment:
        """Return where expressions find their values."""
        ...

    def values(self, environment: Environment) -> dict[str, Value]:
        """Return the value of each part; of a factor its codes."""
        ...

    def assemble(self, values: Mapping[str, Value], rows: int) -> tuple[DesignMatrix, ...]:
        """Return the matrices of K predictors."""
        ...


Rows = tuple[tuple[DesignMatrix, ...], Array]
"""Matrices (m, p_k) and offset (m, K) of complete rows."""


Filling = Callable[[tuple[DesignMatrix, ...], Array], Array]
"""Given the matrices (m, p_k) and the offset (m, K) of some rows, gives (m,) or (m, q)."""


@dataclass(frozen=True, eq=False)
class NewRows:
    """Rows of other data, as a design sees them.

    Parameters
    ----------
    recipe : the design.
    source : the data, with arrays joined.
    offsets : what is added to each predictor.
    names : columns that are read.
    policy : what becomes of levels that the fit has not seen.
    native : library and labels of the data.
    mask : of data in memory, the rows in which nothing is missing (n,).
    ready : the complete rows, where they fit in one block.
    added : (n,) what effects beside the columns add to the predictor; None for nothing.
    """

    recipe: Recipe
    source: Source
    offsets: tuple[tuple[OffsetPart, ...], ...]
    names: tuple[str, ...]
    policy: str
    native: Native
    mask: BoolArray | None = None
    ready: Rows | None = None
    added: Array | None = None

    def fill(self, function: Filling) -> Array:
        """Return `function(X, offset)` of every complete row, NaN in the others: (n,) or (n, q).

        Raises
        ------
        DataError : of data that are not in memory, what `open_rows` refuses of others.
        """
        if self.mask is None:
            return np.concatenate([values for _, values in self.parts(function)])
        out: Array | None = None
        for numbers, values in self.parts(function):
            out = np.empty((self.source.rows, *values.shape[1:])) if out is None else out
            out[numbers] = values
        assert out is not None
        return out

    def parts(self, function: Filling) -> Iterator[tuple[IntArray, Array]]:
        """Yield row numbers and `function(X, offset)` of block after block, as `fill`.

        Data that are not in memory are checked as they pass: what is wrong is raised after the last block.
        """
        if self.mask is None:
            yield from self._passing(function)
            return
        for start, stop in _runs(self.source.rows):
            X, offset = self.ready or self._block(start, stop)
            if self.added is not None:
                offset = offset + self.added[start:stop][self.mask[start:stop], None]
            yield np.arange(start, stop), _spread(function(X, offset), self.mask[start:stop])

    def _block(self, start: int, stop: int) -> Rows:
        assert isinstance(self.source, MemorySource) and self.mask is not None
        environment = self.recipe.environment(frame_of(self.source, self.mask, start, stop))
        offset = sum_added(self.offsets, environment)[0]
        return _assembled(self.recipe, self.recipe.values(environment), offset)

    def _passing(self, function: Filling) -> Iterator[tuple[IntArray, Array]]:
        total: _Look | None = None
        for frame in _frames(self.source, self.names):
            with np.errstate(all="ignore"):
                look = _look(self.recipe, frame, self.names, self.offsets, self.policy)
            seen = replace(look, masks=(), seen=None)
            total = seen if total is None else total + seen
            if not _is_wrong(total, self.policy):
                assert look.seen is not None
                yield frame.numbers, _spread(function(*_assembled(self.recipe, *look.seen)), look.masks[0])
        assert total is not None
        _check(total, self.recipe, self.policy)


def open_rows(recipe: Recipe, newdata: Any, given: Mapping[str, Any], policy: str) -> NewRows:
    """Return new rows, checked; parameters and errors as `Design.new_rows`."""
    if policy not in ("raise", "na", "reference"):
        raise ArgumentError(f"Unknown new_levels: {policy!r}. Known: raise, na, reference.")
    source = open_source(newdata, "newdata", least=0).without(recipe.context)
    roles, joined = read_roles(source, given)
    first, *more = recipe.added
    added = (_offsets(first, roles, source), *more)
    names = tuple(_names(recipe, joined, added))
    rows = NewRows(recipe, joined, added, names, policy, source.native)
    if not isinstance(joined, MemorySource):
        return rows
    with np.errstate(all="ignore"):
        looks = [
            _look(recipe, joined.frame(start, stop), names, added, policy)
            for start, stop in _runs(joined.rows)
        ]
    total = sum(looks[1:], start=looks[0])
    _check(total, recipe, policy)
    ready = None if total.seen is None else _assembled(recipe, *total.seen)
    return replace(rows, mask=np.concatenate(total.masks), ready=ready)


def _is_wrong(look: _Look, policy: str) -> bool:
    return bool(look.offences) or (policy == "raise" and bool(look.new))


def _check(look: _Look, recipe: Recipe, policy: str) -> None:
    raise_first(look.offences)
    if policy == "raise":
        _refuse_new_levels(look.new, recipe.schema.parts)


def _spread(made: Array, complete: BoolArray) -> Array:
    """Values of the complete rows, NaN in the others."""
    if complete.all():
        return made
    out = np.full((len(complete), *made.shape[1:]), np.nan)
    out[complete] = made
    return out


def _frames(source: Source, names: tuple[str, ...]) -> Iterator[Frame]:
    """The blocks of the data; of no rows one that is empty, so that it gives results of no rows."""
    empty = True
    for frame in source.frames(names):
        empty = False
        yield frame
    if empty:
        text = np.array([], dtype=str)
        kinds = {name: source.kind(name) for name in names}
        columns = {
            name: text if kind in ("categorical", "ordered") else text.astype(float)
            for name, kind in kinds.items()
        }
        yield from (open_source(columns, least=0).collect(names).frame(),)


def _runs(rows: int) -> list[tuple[int, int]]:
    """Runs of rows; of no rows one that is empty, so that it gives results of no rows."""
    return list(cuts(rows)) or [(0, 0)]


def _offsets(fitted: tuple[OffsetPart, ...], roles: Roles, source: Source) -> tuple[OffsetPart, ...]:
    """Offsets of the fit, those given again in the place of its arguments."""
    written = [part for part in fitted if part.word == "formula"]
    own = [part for part in fitted if part.word != "formula"]
    new: list[OffsetPart] = []
    if roles.offset is not None:
        new.append(OffsetPart("offset", roles.offset))
    if roles.exposure is not None:
        new.append(OffsetPart("exposure", roles.exposure))
    if new and not own:
        raise ArgumentError(
            f"predict got {new[0].word}=, but the fit had neither offset= nor exposure=. Leave it out."
        )
    words = {part.word for part in new}
    kept = [] if new and len(own) == 1 else [part for part in own if part.word not in words]
    for part in kept:
        if isinstance(part.role, Given):
            raise DataError(
                f"predict needs {part.word}= again: that of the fit was an array. "
                f"Give {source.rows:,} values, one per row."
            )
    return (*written, *kept, *new)


def _names(recipe: Recipe, source: Source, added: tuple[tuple[OffsetPart, ...], ...]) -> list[str]:
    """Columns that the rows need; each must be there, and of a kind like that in the fit."""
    names: dict[str, None] = {}
    kinds = recipe.schema.kinds
    for text, part in (*recipe.parts.items(), *recipe.levels.items()):
        _require(part.names, kinds, source, "" if part.column is not None else f" for {text}")
        names.update(dict.fromkeys(part.names))
    for offset in (part for parts in added for part in parts):
        _require(offset.role.names, kinds, source, f" for {offset.place}")
        names.update(dict.fromkeys(offset.role.names))
    return [name for name in names if name in source]


def _require(names: tuple[str, ...], kinds: Mapping[str, Kind], source: Source, purpose: str) -> None:
    for name in names:
        if name in kinds and name not in source:
            hint = near(name, source.names)
            raise ColumnError(f"predict needs column '{name}'{purpose}: not in newdata.{hint}")


@dataclass(frozen=True, eq=False)
class _Look:
    """What blocks of new data tell.

    Parameters
    ----------
    masks : complete rows, block by block.
    new : rows per new level, by part.
    offences : rows that break a rule.
    seen : of one block, the values of the parts and the offset of its complete rows.
    """

    masks: tuple[BoolArray, ...]
    new: Mapping[str, Mapping[Any, int]]
    offences: Offences
    seen: tuple[Mapping[str, Value], Array] | None

    def __add__(self, other: _Look) -> _Look:
        new = {text: Counter(self.new.get(text, {})) for text in {**self.new, **other.new}}
        for text, counts in other.new.items():
            new[text].update(counts)
        return _Look(self.masks + other.masks, new, merge(self.offences, other.offences), None)


def _look(
    recipe: Recipe,
    frame: Frame,
    names: Sequence[str],
    added: tuple[tuple[OffsetPart, ...], ...],
    policy: str,
) -> _Look:
    complete = np.ones(frame.rows, dtype=bool)
    for name in names:
        absent = gap(frame, name)
        if absent is not None:
            complete &= ~absent
    present = frame if complete.all() else frame.take(complete)
    environment = recipe.environment(present)
    values = recipe.values(environment)
    offset, offences = sum_added(added, environment)
    new: dict[str, Mapping[Any, int]] = {}
    coded = np.ones(present.rows, dtype=bool)
    for text, value in values.items():
        if recipe.schema.parts[text].kind != FACTOR:
            offences = merge(offences, _finite(value, text, present))
            continue
        if (value == NEW).any():
            new[text] = _levels_of(evaluate(recipe.parts[text], environment), value == NEW)
        if policy != "na":
            remedy = 'or use new_levels="na"'
            offences = merge(offences, without_level(value == MISSING, text, present, remedy))
        coded &= value >= 0 if policy == "na" else value != MISSING
    if not coded.all():
        complete[complete] = coded
        values, offset = {text: _taken(value, coded) for text, value in values.items()}, offset[coded]
    return _Look((complete,), new, offences, (values, offset))


def _taken(value: Value, rows: BoolArray) -> Value:
    if isinstance(value, Basis):
        return Basis(value.columns[:, rows], value.labels)
    return value[rows] if isinstance(value, np.ndarray) else value


def _assembled(recipe: Recipe, values: Mapping[str, Value], added: Array) -> Rows:
    return recipe.assemble(_with_references(values, recipe.schema.parts), len(added)), added


def _finite(value: Value, text: str, frame: Frame) -> Offences:
    numbers = value.columns if isinstance(value, Basis) else value
    return (
        finite(numbers.astype(np.float64, copy=False), text, frame) if isinstance(numbers, np.ndarray) else {}
    )


def _levels_of(value: Value, rows: BoolArray) -> dict[Any, int]:
    """How many of the rows take each level."""
    if isinstance(value, np.ndarray):
        return dict(Counter(value[rows].tolist()))
    counts = np.bincount(value.codes[rows], minlength=len(value.levels)).tolist()
    return {level: count for level, count in zip(value.levels, counts, strict=True) if count}


def _refuse_new_levels(new: Mapping[str, Mapping[Any, int]], parts: Mapping[str, Encoding]) -> None:
    for text, counts in new.items():
        shown = ", ".join(f"'{level_label(level)}'" for level in list(counts)[:5]) + (
            ", …" if len(counts) > 5 else ""
        )
        word, total = ("level" if len(counts) == 1 else "levels"), sum(counts.values())
        known = [level_label(level) for level in parts[text].levels]
        raise DataError(
            f"Column '{text}' has {word} {shown}, not seen in the fit: {total:,} row{'s' * (total != 1)}. "
            f'Known levels: {one_of(known[:10])}{", …" if len(known) > 10 else ""}. Use new_levels="na".'
        )


def _with_references(values: Mapping[str, Value], parts: Mapping[str, Encoding]) -> dict[str, Value]:
    """Codes with the reference level in the place of new ones."""
    done = dict(values)
    for text, value in values.items():
        encoding = parts[text]
        if encoding.kind == FACTOR and len(value) and np.minimum.reduce(value) < 0:
            done[text] = np.where(value == NEW, encoding.levels.index(encoding.reference), value)
    return done
