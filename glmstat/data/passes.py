"""The passes of one fit over its data: counted, shown, kept in a journal, and stopped in good order."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import inf, isfinite
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from glmstat.control import Control
from glmstat.data.columns import Array, Column, Kind, Level
from glmstat.data.frame import Frame
from glmstat.data.reduce import Addable, Tree
from glmstat.data.source import BLOCK_ROWS, MemorySource, Source
from glmstat.errors import FileError, FitInterrupted, GlmstatError
from glmstat.progress import Meter
from glmstat.table import Native

if TYPE_CHECKING:
    from glmstat.data.journal import Facts, Journal

__all__ = ["Passes", "bare"]

S = TypeVar("S", bound=Addable)
FEW = 4096  # rows in memory that are over before anybody could watch
DECODED = 120e6  # bytes of a file's last rows that stay decoded until the fit is made, at least
INTERVAL = 5.0  # seconds between two notes of partial sums
_SHARE = 20.0  # a note is followed by so many times the time that it took


class Passes:
    """Watches over the passes of one fit; a context, at whose end all files are closed.

    >>> from glmstat.data.source import open_source
    >>> with Passes() as passes:
    ...     source = passes.watch(open_source({"x": range(5000)}), Control(), dict)
    ...     total = source.map_reduce(lambda frame, number: float(frame["x"].sum()), ["x"])
    >>> total, passes.number
    (12497500.0, 1)
    """

    def __init__(self) -> None:
        self.number = 0  # passes done
        self.journal: Journal | None = None
        self.columns: tuple[str, ...] = ()
        self.noted: tuple[Array, float] | None = None
        self._control: Control | None = None
        self._keeps = False
        self._first = 0  # the first pass that is kept
        self._facts: Callable[[], Mapping[str, str]] = dict
        self._meter: Meter | None = None
        self._now: _Now[Any] | None = None
        self._due = 0.0
        self._told: set[str] = set()
        self._digests: dict[str, str] = {}
        self._decoded: Source | None = None  # keeps rows until the end

    def watch(self, source: Source, control: Control, facts: Callable[[], Mapping[str, str]]) -> Source:
        """Return the source with its passes watched; a few rows in memory as they are.

        Parameters
        ----------
        control : says whether passes are shown and kept.
        facts : arguments of the call by name, as texts, with the `version`; asked for where passes are kept.

        Raises
        ------
        FileError : no file can be where `control.checkpoint` says, or the data are read from there.
        """
        if source.held and source.rows <= FEW:
            return source
        if control.checkpoint is not None:
            from glmstat.data.target import check_target, refuse_read

            refuse_read(check_target(control.checkpoint, "checkpoint"), source)
        self._meter, self._facts, self._control = Meter(control.progress), facts, control
        self._keeps = control.checkpoint is not None and not source.held
        self._keep_rows(source, max(control.memory, DECODED) if control.memory else 0.0)
        return _watched(source, self)

    def _keep_rows(self, source: Source, room: float) -> None:
        """Let a source that decodes its rows keep so many bytes of them, from pass to pass."""
        keep = getattr(source, "keep", None)
        if keep is not None:
            keep(room)
            self._decoded = source if room else None

    def settle(self, columns: tuple[str, ...], large: bool) -> None:
        """Note that the rows were looked at: passes over data in memory are kept from here on, if large."""
        self.columns = columns
        if self._control is not None and self._control.checkpoint is not None:
            self._keeps = large
            if self.journal is None:
                self._first = self.number

    def note(self, coef: Array, decrement: float) -> None:
        """Note where the solver stands: coefficients (p,), and the Newton decrement of the last step."""
        self.noted = coef, decrement

    def run(
        self,
        source: Source,
        map: Callable[[Frame, int], S | None],
        columns: Sequence[str],
        block_rows: int,
        workers: int | None,
    ) -> S | None:
        """Return what `source.map_reduce` does: from the journal, where it holds the pass."""
        if self._meter is None:
            return source.map_reduce(map, columns, block_rows=block_rows, workers=workers)
        now: _Now[S] = _Now(self, source, block_rows)
        if self._keeps:
            now.request = _asked(columns, block_rows, map)
            now.columns = tuple(columns)
            found = self._find(now)
            if found is not None and found.blocks < 0 and not found.lost:
                self.number += 1
                return found.value
            now.known = found is not None and found.blocks < 0
            if found is not None and found.blocks > 0:
                now.state = found.blocks, tuple(found.value)
        self._meter.begin(self._title, now.rows)
        self._now, self._due = now, time.monotonic() + INTERVAL
        try:
            tree = {"tree": now} if hasattr(source, "reader") or source.held else {}
            total = source.map_reduce(map, columns, block_rows=block_rows, workers=workers, **tree)
        except Exception as error:
            if not isinstance(error, GlmstatError):
                error.add_note(f"This was in pass {self.number + 1} of a fit over its data.")
            raise
        if self._keeps and not now.known:
            self._keep(now, -1, total)
        self._now = None
        self.number += 1
        return total

    def after_block(self, now: _Now[Any]) -> None:
        """Show and keep what the blocks so far came to, where it is time."""
        assert self._meter is not None
        done = now.count * now.block_rows
        self._meter.reach(done if now.rows is None else min(done, now.rows))
        if self._keeps and time.monotonic() >= self._due:
            self._keep_part(now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = isinstance(error, KeyboardInterrupt)
        if stopped and self._keeps and self._now is not None:
            with suppress(FileError):
                self._keep_part(self._now)
        if self._meter is not None:
            self._meter.close()
            self._meter = None
        if self._decoded is not None:
            self._keep_rows(self._decoded, 0.0)
        kept = self.journal is not None
        if self.journal is not None:
            self.journal.close()
            self.journal = None
        if stopped:
            raise self._interrupted(kept) from error

    @property
    def _title(self) -> str:
        return f"pass {self.number + 1}{self._decrement}"

    @property
    def _decrement(self) -> str:
        """The decrement in words, where a step was taken."""
        decrement = inf if self.noted is None else self.noted[1]
        return f", decrement {decrement:.0e}" if isfinite(decrement) else ""

    def _find(self, now: _Now[Any]) -> Any:
        """What the journal holds of the pass to come; what follows another pass is cut off."""
        if self.journal is None:
            from glmstat.data.journal import Journal

            assert self._control is not None and self._control.checkpoint is not None
            facts = _facts(self._facts(), now.source, now.columns)
            self.journal = Journal(str(self._control.checkpoint), facts)
            self._recall(now, self.journal.learned())
        found = self.journal.find(self.number - self._first)
        if found is not None and found.request != now.request:
            self.journal.forget(self.number - self._first)
            self._told.clear()
            found = None
        return found

    def _keep(self, now: _Now[Any], count: int, value: Any) -> None:
        from glmstat.data.journal import Record

        assert self.journal is not None
        learned = self._learned(now)
        self.journal.keep(self.number - self._first, Record(now.request, learned, count, value))
        if count < 0:
            self._told.update(learned.get("levels", ()))

    def _keep_part(self, now: _Now[Any]) -> None:
        count, pending = now.state
        if self.journal is None or not count or now.known:
            return
        began = time.monotonic()
        self._keep(now, count, pending)
        ended = time.monotonic()
        self._due = ended + max(INTERVAL, _SHARE * (ended - began))

    def _learned(self, now: _Now[Any]) -> dict[str, Any]:
        """What is known of the data: levels and rows of a stream, digests of columns in memory."""
        if now.source.held:
            return {"columns": {name: self._digest(now.source, name) for name in now.columns}}
        known = now.source.known
        levels = {name: levels for name, levels in dict(known.levels).items() if name not in self._told}
        return {"rows": known.rows, "levels": levels, "marks": dict(known.marks)}

    def _recall(self, now: _Now[Any], learned: Mapping[str, Any]) -> None:
        """Refuse other data than those of the file, and give the source what it learned in an earlier run."""
        assert self.journal is not None
        from glmstat.data.journal import changed

        for name, digest in learned.get("columns", {}).items():
            if name not in now.source or self._digest(now.source, name) != digest:
                raise changed(self.journal.path, f"Column '{name}' has other values")
        if "rows" not in learned or now.source.held:
            return
        if _stamp(now.source) is None:
            self._read_again(now, learned)
        known = now.source.known
        if None not in (known.rows, learned["rows"]) and known.rows != learned["rows"]:
            raise changed(self.journal.path, f"{known.rows:,} rows, {learned['rows']:,} before")
        known.rows = learned["rows"] if known.rows is None else known.rows
        known.marks.update(learned["marks"])
        for name, levels in learned["levels"].items():
            known.levels.setdefault(name, levels)
            self._told.add(name)

    def _read_again(self, now: _Now[Any], learned: Mapping[str, Any]) -> None:
        """Compare the columns of the file with those of data that have no stamp, in a pass of its own."""
        assert self.journal is not None and self._meter is not None
        from glmstat.data.journal import changed

        names = list(dict.fromkeys([*learned["marks"], *learned["levels"]]))
        missing = [name for name in names if name not in now.source]
        if missing:
            raise changed(self.journal.path, f"No column '{missing[0]}'")
        if not names:
            return
        self._meter.begin("comparing the data with the checkpoint", now.rows)
        now.source.map_reduce(_nothing, names, block_rows=now.block_rows)
        known = now.source.known
        for name in names:
            same = name not in learned["levels"] or known.levels.get(name) == learned["levels"][name]
            if not same or learned["marks"].get(name, known.marks.get(name)) != known.marks.get(name):
                raise changed(self.journal.path, f"Column '{name}' has other values")

    def _digest(self, source: Any, name: str) -> str:
        made = self._digests.get(name)
        if made is None:
            from glmstat.data.digest import column_digest

            made = self._digests[name] = column_digest(source, name)
        return made

    def _interrupted(self, kept: bool) -> FitInterrupted:
        done = f"after {self.number} pass{'es' * (self.number != 1)}" if self.number else "in its first pass"
        ways, coef = [], None
        if self.noted is not None and len(self.noted[0]) == len(self.columns):
            coef = dict(zip(self.columns, self.noted[0].tolist(), strict=True))
            done += self._decrement
            ways.append("start from the best coefficients so far, start=error.coef")
        if kept and self._control is not None:
            ways.insert(0, f"repeat the call, which goes on from {self._control.checkpoint}")
        remedy = f" To go on, {'; or '.join(ways)}." if ways else " Repeat the call."
        return FitInterrupted(f"Fit interrupted {done}.{remedy}", coef)


class _Now(Tree[S]):
    """The pass that is being made, and its sums so far."""

    def __init__(self, passes: Passes, source: Source, block_rows: int) -> None:
        super().__init__()
        self.passes, self.block_rows = passes, block_rows
        self.source: Any = source
        self.request, self.known = "", False
        self.columns: tuple[str, ...] = ()

    @property
    def rows(self) -> int | None:
        """Rows of the source, where they are known."""
        known = getattr(self.source, "known", None)
        if known is not None:
            return known.rows
        return self.source.rows if self.source.held else None

    def add(self, part: S | None) -> None:
        """Take in the sums of a block."""
        super().add(part)
        self.passes.after_block(self)


class _Memory(MemorySource):
    """Data in memory, their passes watched."""

    def __init__(self, inner: MemorySource, passes: Passes) -> None:
        super().__init__(inner.names, inner.rows, inner.column, inner.native, inner.origin)
        self.inner, self.passes = inner, passes

    def joined(self, columns: Mapping[str, Column]) -> MemorySource:
        return _Memory(self.inner.joined(columns), self.passes) if columns else self

    def without(self, names: Iterable[str]) -> MemorySource:
        return _Memory(self.inner.without(names), self.passes)

    def map_reduce(
        self,
        map: Callable[[Frame, int], S | None],
        columns: Sequence[str] = (),
        *,
        block_rows: int = BLOCK_ROWS,
        workers: int | None = 1,
        tree: Tree[S] | None = None,
    ) -> S | None:
        return self.passes.run(self.inner, map, columns, block_rows, workers)

    def __reduce__(self) -> Any:
        return bare, (self.inner,)


class _Watched:
    """Data that are not in memory, their passes watched."""

    held = False

    def __init__(self, inner: Source, passes: Passes) -> None:
        self.inner, self.passes = inner, passes

    @property
    def names(self) -> tuple[str, ...]:
        return self.inner.names

    @property
    def rows(self) -> int:
        return self.inner.rows

    @property
    def native(self) -> Native:
        return self.inner.native

    def __contains__(self, name: object) -> bool:
        return name in self.inner

    def kind(self, name: str) -> Kind:
        return self.inner.kind(name)

    def levels(self, name: str) -> tuple[Level, ...]:
        return self.inner.levels(name)

    def joined(self, columns: Mapping[str, Column]) -> Source:
        return _Watched(self.inner.joined(columns), self.passes)

    def without(self, names: Iterable[str]) -> Source:
        return _Watched(self.inner.without(names), self.passes)

    def align_column(self, value: Any, what: str) -> Column:
        return self.inner.align_column(value, what)

    def collect(self, names: Iterable[str]) -> MemorySource:
        return self.inner.collect(names)

    def frames(self, columns: Sequence[str] = (), *, block_rows: int = BLOCK_ROWS) -> Iterator[Frame]:
        return self.inner.frames(columns, block_rows=block_rows)

    def map_reduce(
        self,
        map: Callable[[Frame, int], S | None],
        columns: Sequence[str] = (),
        *,
        block_rows: int = BLOCK_ROWS,
        workers: int | None = 1,
    ) -> S | None:
        return self.passes.run(self.inner, map, columns, block_rows, workers)

    def __reduce__(self) -> Any:
        return bare, (self.inner,)


def _watched(source: Source, passes: Passes) -> Source:
    return _Memory(source, passes) if isinstance(source, MemorySource) else _Watched(source, passes)


def bare(source: Source) -> Source:
    """Return a source without the watch over its passes."""
    return source.inner if isinstance(source, (_Memory, _Watched)) else source


def _facts(call: Mapping[str, str], source: Source, columns: Sequence[str]) -> Facts:
    """By what the fit is known: the call, and what tells one set of data from another."""
    from glmstat.data.digest import digest
    from glmstat.data.journal import Facts

    words = dict(call)
    version = words.pop("version", "")
    if source.held:
        return Facts(version, words, {"number of rows": f"{source.rows:,}"})
    stream: Any = source
    rows = stream.reader.rows if hasattr(stream, "reader") else source.rows
    data = {} if rows is None else {"number of rows": f"{rows:,}"}
    stamp = _stamp(source)
    if stamp is None:
        return Facts(version, words, {**data, "digest of the first rows": _first(source, columns)})
    return Facts(version, words, {**data, f"stamp of {stream.reader.text}": digest(stamp)})


def _stamp(source: Source) -> Hashable:
    """What changes when the data do; None where nothing can tell."""
    stream: Any = source
    return stream.reader.stamp() if hasattr(stream, "reader") else None


def _nothing(frame: Frame, number: int) -> None:
    """Read a block for what its source notes of it."""


def _asked(columns: Sequence[str], block_rows: int, map: Callable[..., Any]) -> str:
    """A text that differs where what a pass asks of the data does."""
    from glmstat.data.digest import digest

    return digest(sorted(columns), block_rows, map)


def _first(source: Source, columns: Sequence[str]) -> str:
    """A digest of the first block, where nothing else tells whether the data are the same."""
    from glmstat.data.digest import digest

    for frame in source.frames(columns):
        return digest([frame[name] for name in columns if frame.kind(name) != "time"])
    return ""
