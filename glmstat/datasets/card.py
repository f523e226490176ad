"""What is known about a data set: its columns, where it comes from, its model and the numbers to expect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
    rows : number of rows; of a generated set, the default.
    columns : the variables, in order.
    sha256 : checksum of the csv file; empty for a generated set.
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
        rows = f"{self.rows} rows" if self.sha256 else f"{self.rows} rows or as many as asked for"
        lines = [
            f"{self.name}: {self.title}",
            f"{rows}, {len(self.columns)} columns",
            *(f"  {column}" for column in self.columns),
            f"Source: {self.source}",
            f"Licence: {self.licence}",
        ]
        lines += [f"Note: {self.note}"] if self.note else []
        lines += [f"Model: {self.call}"] if self.model else []
        return "\n".join(lines)

    __repr__ = __str__
