"""DuckDB relations: queries that run again in every pass, for the columns that it reads."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from glmstat.data.arrow import ArrowPiece, Fields, NoColumns
from glmstat.data.columns import Kind, Level
from glmstat.data.cut import Piece
from glmstat.data.optional import need, reading
from glmstat.data.parquet import BATCH_ROWS
from glmstat.errors import DataError
from glmstat.table import Library

__all__ = ["RelationReader", "paths_in"]

_REMEDY = "Correct the query, or write its result to a Parquet file first"


class RelationReader:
    """A DuckDB relation.

    Rows of a table or file keep their order; those of a join or GROUP BY have one only with ORDER BY. A fit
    notices when passes differ, and says so.

    Parameters
    ----------
    relation : DuckDBPyRelation, as `duckdb.sql(query)` and `connection.sql(query)` return.
    """

    library: Library = "pandas"
    text = "The DuckDB relation"

    def __init__(self, relation: Any) -> None:
        need("pyarrow", "A DuckDB relation")
        self.relation: Any = relation
        with reading(self.text, *_errors(), remedy=_REMEDY):
            self.fields = Fields(_table(relation.limit(0)).schema)
            self.names = self.fields.names
            self.rows: int | None = self._count()
            levels = zip(relation.columns, map(_enum, relation.types), strict=True)
        self._declared = {name: found for name, found in levels if found is not None}

    def _count(self) -> int:
        return _table(self.relation.aggregate("count(*) AS rows")).column(0)[0].as_py()

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        return self.fields.kind(name)

    def declared(self, name: str) -> tuple[Level, ...] | None:
        """Return the levels of an ENUM, None of other text."""
        return self._declared.get(name)

    def pieces(self, columns: Sequence[str], workers: int = 1) -> Iterator[Piece]:
        """Yield record batches in the order of the relation."""
        import pyarrow

        if self.relation is None:
            raise DataError(
                "The DuckDB relation did not travel with the fit: its connection cannot. Fit again."
            )
        for name in columns:
            self.kind(name)
        with reading(self.text, pyarrow.ArrowException, *_errors(), remedy=_REMEDY):
            if not columns:
                yield NoColumns(self._count())
                return
            quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
            for batch in _batches(self.relation.project(quoted)):
                yield ArrowPiece(batch, self.fields)

    def stamp(self) -> Hashable:
        """Return None: nothing tells whether a query gives the same rows again."""
        return None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "relation": None}


def paths_in(relation: Any) -> list[str]:
    """Return the texts of a relation's query: paths are among them, those of views and tables are not."""
    return re.findall(r"'([^'\n]+)'", relation.sql_query()) if hasattr(relation, "sql_query") else []


def _table(relation: Any) -> Any:
    for word in ("to_arrow_table", "fetch_arrow_table", "arrow"):  # the first came with DuckDB 1.4
        if hasattr(relation, word):
            return getattr(relation, word)()
    raise AssertionError(type(relation))


def _batches(relation: Any) -> Any:
    for word in ("to_arrow_reader", "fetch_record_batch", "fetch_arrow_reader"):
        if hasattr(relation, word):
            return getattr(relation, word)(BATCH_ROWS)
    raise AssertionError(type(relation))


def _enum(kind: Any) -> tuple[Level, ...] | None:
    return tuple(dict(kind.children)["values"]) if kind.id == "enum" else None


def _errors() -> tuple[type[Exception], ...]:
    import duckdb

    return (duckdb.Error,)
