"""Results in the caller's library: pandas, Polars or Arrow, on the caller's row labels where it has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Library", "Native", "frame", "noted", "row_labels", "series"]

Library = Literal["pandas", "polars", "pyarrow"]


@dataclass(frozen=True, eq=False)
class Native:
    """Which library the caller uses, and the labels of his rows.

    Parameters
    ----------
    library : "pandas", "polars" or "pyarrow". Mappings and DuckDB relations get pandas back.
    index : the pandas Index of the data, or None.
    """

    library: Library = "pandas"
    index: Any = None

    def take(self, rows: NDArray[Any]) -> Native:
        """Return the same with the labels of some rows (positions or a mask)."""
        return self if self.index is None else Native(self.library, self.index[rows])


def series(values: NDArray[Any], like: Native, name: str | None = None) -> Any:
    """Return the values (n,) as a series of the caller's library, on the caller's index.

    Parameters
    ----------
    values : array (n,), copied.
    like : library and index; an index of another length than n is left out.
    name : name of the series.

    Returns
    -------
    pandas Series, Polars Series or pyarrow ChunkedArray.

    >>> series(np.array([1.0, 2.0]), Native(), "mu").to_list()
    [1.0, 2.0]
    """
    if like.library == "pandas":
        import pandas

        return pandas.Series(np.array(values), index=_labels(like.index, len(values)), name=name)
    import narwhals.stable.v2 as nw

    return nw.new_series(name or "", np.array(values), backend=like.library).to_native()


def frame(columns: Mapping[str, NDArray[Any] | Sequence[Any]], like: Native, index: Any = None) -> Any:
    """Return the columns as a data frame of the caller's library.

    Parameters
    ----------
    columns : name → array or list (n,), copied.
    like : library and index; an index of another length than n is left out.
    index : row labels in place of the caller's; libraries without row labels leave them out.

    Returns
    -------
    pandas DataFrame, Polars DataFrame or pyarrow Table.

    >>> frame({"estimate": [0.5], "std_error": [0.1]}, Native(), index=["x"]).loc["x", "estimate"]
    np.float64(0.5)
    """
    copies = {name: _copy(values) for name, values in columns.items()}
    if like.library == "pandas":
        import pandas

        rows = len(next(iter(copies.values()), ()))
        return pandas.DataFrame(copies, index=_labels(like.index, rows) if index is None else index)
    import narwhals.stable.v2 as nw

    return nw.from_dict(copies, backend=like.library).to_native()


def row_labels(rows: int) -> Any:
    """Return the labels of rows that have none but their numbers: a pandas RangeIndex."""
    import pandas

    return pandas.RangeIndex(rows)


def noted(table: Any, **facts: Any) -> Any:
    """Return a table or series with facts about it in `attrs`, where its library has attributes.

    >>> noted(series(np.array([1.0]), Native()), vcov="HC3").attrs
    {'vcov': 'HC3'}
    """
    if hasattr(table, "attrs"):
        table.attrs.update(facts)
    return table


def _labels(index: Any, rows: int) -> Any:
    return index if index is not None and len(index) == rows else None


def _copy(values: NDArray[Any] | Sequence[Any]) -> NDArray[Any] | list[Any]:
    return np.array(values) if isinstance(values, np.ndarray) else list(values)
