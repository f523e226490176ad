"""Data sets that come as a table and a JSON card: list, describe, load."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glmstat.datasets.card import Card, Variable
from glmstat.datasets.generated import GENERATED
from glmstat.errors import ArgumentError, FileError, near

if TYPE_CHECKING:
    import pandas

_PACKAGE = Path(__file__).parents[1]
_INSTALLED = _PACKAGE / "_datasets"
_CHECKOUT = _PACKAGE.parent / "datasets"  # an editable install has no copy in the package


def load(name: str) -> pandas.DataFrame:
    """Return a data set as a pandas DataFrame.

    Parameters
    ----------
    name : as `list` gives it; upper and lower case mean the same.

    Returns
    -------
    DataFrame with the columns of the card: numbers, booleans, and categories whose levels stand in the order
    of the card. Missing values are NaN.

    Raises
    ------
    ArgumentError : there is no such data set, or it is drawn on demand, by `generate`.

    >>> load("trips").shape
    (40, 7)
    """
    import pandas

    card = describe(name)
    if card.name in GENERATED:
        raise ArgumentError(f"Not a table but drawn on demand: {name!r}. Use generate({card.name!r}).")
    text = (_folder() / f"{card.name}.csv").read_text(encoding="utf-8")
    _, *rows = csv.reader(text.splitlines())
    cells = zip(*rows, strict=True)
    return pandas.DataFrame(
        {column.name: _values(values, column) for column, values in zip(card.columns, cells, strict=True)}
    )


def _values(cells: Sequence[str], column: Variable) -> Any:
    if column.kind == "boolean":
        return [cell == "True" for cell in cells]
    if column.kind == "numeric":
        return _numbers(cells)
    import pandas

    ordered = column.kind == "ordered"
    return pandas.Categorical([cell or None for cell in cells], [*column.levels], ordered=ordered)


def _numbers(cells: Sequence[str]) -> NDArray[Any]:
    try:
        return np.array([int(cell) for cell in cells])
    except ValueError:
        return np.array([float(cell or "nan") for cell in cells])


def describe(name: str) -> Card:
    """Return the card of a data set: codebook, source, licence, canonical model and its numbers.

    Parameters
    ----------
    name : as `list` gives it, or as `generate` takes it; upper and lower case mean the same.

    Raises
    ------
    ArgumentError : there is no such data set.

    >>> describe("trips").call
    'glm("y ~ x + f + offset(log(t))", data, "poisson")'
    """
    names = (*_names(), *GENERATED)
    known = {word.casefold(): word for word in names}
    found = known.get(str(name).casefold())
    if found is None:
        hint = near(str(name), names) or f" Known: {', '.join(names)}."
        raise ArgumentError(f"Unknown data set: {name!r}.{hint}")
    return GENERATED[found].card if found in GENERATED else _card(found)


def list() -> dict[str, str]:
    """Return the names of the data sets that ship as tables, with their titles.

    >>> list()["ships"]
    'Damage to ships by waves'
    """
    return {name: _card(name).title for name in _names()}


@cache
def _folder() -> Path:
    for folder in (_INSTALLED, _CHECKOUT):
        if folder.is_dir():
            return folder
    raise FileError(
        f"The data sets are not where glmstat was installed: {_INSTALLED}. Install glmstat again."
    )


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted((path.stem for path in _folder().glob("*.json")), key=str.casefold))


@cache
def _card(name: str) -> Card:
    raw = json.loads((_folder() / f"{name}.json").read_text(encoding="utf-8"))
    licence = raw.pop("licence")
    columns = tuple(
        Variable(**column | {"levels": tuple(column.get("levels", ()))}) for column in raw.pop("columns")
    )
    note = raw.pop("note", "")
    return Card(
        name, licence_class=licence["class"], licence=licence["text"], columns=columns, note=note, **raw
    )
