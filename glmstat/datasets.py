"""Small data sets that ship with glmstat, each with a card: provenance, licence, units, numbers to expect."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import ArgumentError, FileError, near

if TYPE_CHECKING:
    import pandas

__all__ = ["Card", "Variable", "describe", "list", "load"]

_INSTALLED = Path(__file__).parent / "_datasets"
_CHECKOUT = Path(__file__).parent.parent / "datasets"  # an editable install has no copy in the package


@dataclass(frozen=True)
class Variable:
    """One column of a data set.

    Parameters
    ----------
    name, description, unit : as the card says; the unit is empty where there is none.
    kind : "numeric", "boolean", "categorical" or "ordered".
    levels : of a categorical or ordered column, in order; the first is the reference.
    """

    name: str
    description: str
    unit: str
    kind: str
    levels: tuple[str, ...] = ()

    def __str__(self) -> str:
        unit = f" [{self.unit}]" if self.unit else ""
        levels = f": {', '.join(self.levels)}" if 0 < len(self.levels) <= 8 else ""
        return f"{self.name}  {self.description}{unit} ({self.kind}{levels})"


@dataclass(frozen=True, eq=False)
class Card:
    """What is known about a data set; printing it gives its codebook.

    Parameters
    ----------
    name, title, source : what it is and where it comes from.
    licence_class : "A" public domain, "B" factual table of a publication, "C" generated for glmstat.
    licence : the same in words.
    note : what to look out for.
    rows : number of rows.
    columns : the variables, in order.
    sha256 : checksum of the csv file.
    model : canonical model: verb, formula, family and further arguments by name.
    golden : numbers that R gives for this model, empty where none are recorded.
    certified : values certified by NIST, empty for other sets.
    """

    name: str
    title: str
    source: str
    licence_class: str
    licence: str
    note: str
    rows: int
    columns: tuple[Variable, ...]
    sha256: str
    model: Mapping[str, Any] = field(default_factory=dict)
    golden: Mapping[str, Any] = field(default_factory=dict)
    certified: Mapping[str, Any] = field(default_factory=dict)

    @property
    def call(self) -> str:
        """The canonical model as a call: 'glm("y ~ x", data, "poisson")'."""
        words = {
            word: value for word, value in self.model.items() if word not in ("verb", "formula", "family")
        }
        family = [f'"{self.model["family"]}"'] if "family" in self.model else []
        options = [f'{word}="{value}"' for word, value in words.items()]
        arguments = ", ".join([f'"{self.model["formula"]}"', "data", *family, *options])
        return f"{self.model['verb']}({arguments})"

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.title}",
            f"{self.rows} rows, {len(self.columns)} columns",
            *(f"  {column}" for column in self.columns),
            f"Source: {self.source}",
            f"Licence: {self.licence}",
        ]
        lines += [f"Note: {self.note}"] if self.note else []
        lines += [f"Model: {self.call}"] if self.model else []
        return "\n".join(lines)

    __repr__ = __str__


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
    ArgumentError : there is no such data set.

    >>> load("trips").shape
    (40, 7)
    """
    import pandas

    card = describe(name)
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
    name : as `list` gives it; upper and lower case mean the same.

    Raises
    ------
    ArgumentError : there is no such data set.

    >>> describe("trips").call
    'glm("y ~ x + f + offset(log(t))", data, "poisson")'
    """
    known = {word.casefold(): word for word in _names()}
    found = known.get(str(name).casefold())
    if found is None:
        hint = near(str(name), _names()) or f" Known: {', '.join(_names())}."
        raise ArgumentError(f"Unknown data set: {name!r}.{hint}")
    return _card(found)


def list() -> dict[str, str]:
    """Return the names of the data sets with their titles.

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
