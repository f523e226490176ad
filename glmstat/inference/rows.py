"""Numbers per row: of the fit, or of new data, in the caller's order, library and labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.inference.score import frame_of
from glmstat.matrix import Array, Block, DesignMatrix
from glmstat.table import Native, frame, series

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.frame import ModelFrame

__all__ = ["ByRow", "new_rows", "of_fit"]

Predictors = Callable[[tuple[DesignMatrix, ...], Array], Array]


@dataclass(frozen=True, eq=False)
class ByRow:
    """Values (n,) or (n, q) and the labels of the rows that they belong to."""

    values: Array
    native: Native

    def series(self, name: str) -> Any:
        """Return the values as a series of the caller's library."""
        return series(self.values, self.native, name)

    def table(self, columns: Mapping[str, Array]) -> Any:
        """Return columns (n,) as a table of the caller's library."""
        return frame(columns, self.native)


def of_fit(
    fit: Fit, verb: str, values: Callable[[Block], Array], data: Any = None, *, width: int | None = None
) -> ByRow:
    """Return `values(block)`, (m,) or (m, width), of every row of the fit.

    Rows dropped for missing values are left out, or NaN if `na_action` was "exclude".
    """
    rows = frame_of(fit, verb, data)
    out = np.full(rows.source.rows if width is None else (rows.source.rows, width), np.nan)

    def kernel(block: Block) -> int:
        place = slice(block.start, block.start + len(block.y)) if block.rows is None else block.rows
        out[place] = values(block)
        return 0

    rows.reduce(kernel)
    shown = rows_shown(rows)
    native = rows.source.native
    return ByRow(out, native) if shown is None else ByRow(out[shown], native.take(shown))


def rows_shown(frame: ModelFrame) -> Any:
    """Return the source rows that results per row have, or None for all."""
    return frame.rows_kept if frame.na_action != "exclude" else frame.rows_asked


def new_rows(
    fit: Fit, newdata: Any, values: Predictors, *, offset: Any, exposure: Any, new_levels: str
) -> ByRow:
    """Return `values(X, offset)` of every new row; NaN where something is missing."""
    rows = fit.spec.design.new_rows(newdata, offset=offset, exposure=exposure, new_levels=new_levels)
    if fit.estimate.absorbed is not None:
        from glmstat.inference.absorbed import with_effects

        rows = with_effects(fit, rows, new_levels)
    return ByRow(rows.fill(values), rows.native)
