"""Polars LazyFrames, collected batch by batch; a LazyFrame's own files are read for the columns used."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from glmstat.data.arrow import ArrowPiece, Fields, NoColumns
from glmstat.data.columns import Kind, Level
from glmstat.data.cut import Piece
from glmstat.data.optional import need, reading
from glmstat.data.parquet import BATCH_ROWS
from glmstat.table import Library

__all__ = ["LazyReader", "paths_in"]

_REMEDY = "Correct the query, or collect it first"


class LazyReader:
    """A Polars LazyFrame.

    Its rows have the order that Polars keeps (`maintain_order`); after a join or `group_by` that keeps none,
    passes may differ, and a fit says so.

    Parameters
    ----------
    lazy : polars LazyFrame.
    """

    library: Library = "polars"
    text = "The LazyFrame"

    def __init__(self, lazy: Any) -> None:
        need("pyarrow", "A LazyFrame")
        self.lazy = lazy
        with reading(self.text, *_errors(), remedy=_REMEDY):
            schema = lazy.collect_schema()
            self.fields = Fields(_arrow(_empty(schema)).schema)
            self.names = self.fields.names
            self.rows: int | None = self._count()

    def _count(self) -> int:
        import polars

        return int(self.lazy.select(polars.len()).collect().item())

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        return self.fields.kind(name)

    def declared(self, name: str) -> tuple[Level, ...] | None:
        """Return the levels of an Enum, None of other text."""
        import polars

        kind = self.lazy.collect_schema()[name]
        return tuple(kind.categories) if isinstance(kind, polars.Enum) else None

    def pieces(self, columns: Sequence[str], workers: int = 1) -> Iterator[Piece]:
        """Yield batches in order; Polars decodes them with threads of its own."""
        for name in columns:
            self.kind(name)
        with reading(self.text, *_errors(), remedy=_REMEDY):
            if not columns:
                yield NoColumns(self._count())
                return
            for frame in _frames(self.lazy.select(list(columns))):
                yield from (ArrowPiece(batch, self.fields) for batch in _arrow(frame).to_batches())

    def stamp(self) -> Hashable:
        """Return None: nothing tells whether a query gives the same rows again."""
        return None


def paths_in(lazy: Any) -> list[str]:
    """Return the paths that a LazyFrame's plan shows: of a scan of several files the first."""
    if type(lazy).__name__ != "LazyFrame":
        return []
    shown = re.findall(r"\bSCAN \[([^\]\n]*)\]", lazy.explain(optimized=False))
    return [name.strip() for names in shown for name in names.split(", ") if not name.startswith("...")]


def _empty(schema: Any) -> Any:
    import polars

    return polars.DataFrame(schema=schema)


def _arrow(frame: Any) -> Any:
    """The Arrow table of a frame; its text in place, where this Polars can."""
    import polars

    newest = getattr(polars, "CompatLevel", None)
    return frame.to_arrow() if newest is None else frame.to_arrow(compat_level=newest.newest())


def _frames(lazy: Any) -> Iterator[Any]:
    if not hasattr(lazy, "collect_batches"):  # Polars of 2024 has no batches: its result is held whole
        yield lazy.collect()
        return
    yield from lazy.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True, lazy=True)


def _errors() -> tuple[type[Exception], ...]:
    import polars

    return (polars.exceptions.PolarsError,)
