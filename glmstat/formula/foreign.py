"""Values on their way to the user's own functions and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from glmstat.data.source import Categorical
from glmstat.errors import FormulaError
from glmstat.formula.contrast import Contrast, is_table
from glmstat.formula.value import Basis, Value

__all__ = ["as_array", "as_value"]


def as_array(value: Value) -> Any:
    """What a user's function sees: of a factor its levels, row by row (missing is None); arrays of tables."""
    if isinstance(value, Categorical):
        return np.array([*value.levels, None], dtype=object)[value.codes]
    if isinstance(value, Basis):
        return value.columns.T
    if isinstance(value, Contrast) and value.matrix is not None:
        return np.array(value.matrix)
    return np.asarray(value) if is_table(value) else value


def as_value(result: Any, text: str) -> Value:
    """Value of what a user's function or code returned."""
    if isinstance(result, (Categorical, str, bool)):
        return result
    array = np.asarray(result)
    if array.dtype.kind in "iuf":
        return float(array) if array.ndim == 0 else array.astype(np.float64, copy=False)
    if array.dtype.kind == "b" and array.ndim == 1:
        return array
    if array.dtype.kind in "OU" and array.ndim == 1:
        return _from_labels(array, text)
    raise FormulaError(
        f"'{text}' gives {type(result).__name__}: it must give one number or text per row. Change it."
    )


def _from_labels(labels: Any, text: str) -> Categorical:
    present = {label for label in labels.tolist() if isinstance(label, str)}
    if any(label is not None and label not in present and label == label for label in labels.tolist()):
        raise FormulaError(f"'{text}' gives a mixture of types: it must give numbers, or texts. Change it.")
    levels = tuple(sorted(present))
    place: Iterator[int] = (levels.index(label) if label in present else -1 for label in labels.tolist())
    return Categorical(np.fromiter(place, dtype=np.intp, count=len(labels)), levels)
