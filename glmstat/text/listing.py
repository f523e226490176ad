"""A table in print: what every verb but the summary returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, isfinite, isinf, isnan, log10
from typing import Any

import numpy as np

from glmstat.table import Native, frame, noted
from glmstat.text.layout import PAD, RIGHT, WIDTH, Spell, html_lines, plain_letters, row, wrapped
from glmstat.text.letters import printable
from glmstat.text.number import coefficient_texts, common_decimals, figure, p_text, statistic_text

__all__ = ["Listing"]

_SCALED = ("estimate", "bias", "std_error", "conf_low", "conf_high", "value")
_STATISTICS = ("statistic", "F", "z", "t")
_ENDS = ["conf_low", "conf_high"]  # stand together
_LEAST = 12  # letters of a label that should stand beside its numbers
_COUNTS = ("rows", "nobs", "parameters")


@dataclass(frozen=True, eq=False, repr=False)
class Listing:
    """A table with the lines above and below it. `str` gives text of at most 80 columns where it can.

    Parameters
    ----------
    title : lines above the table.
    index : a label per row.
    columns : name → values, one per row: numbers, texts, or None and NaN for an empty cell.
    notes : lines below: what was used (kind, factor, distribution, estimator); wrapped where too long.
    native : library of the frame that `to_frame` returns.
    index_name : what the labels are.

    >>> print(Listing(("Tests",), ("x",), {"statistic": [2.391], "p_value": [0.0168]}, ("z",), Native()))
    Tests
    <BLANKLINE>
       statistic  p_value
    x       2.39    0.017
    <BLANKLINE>
    z
    """

    title: tuple[str, ...]
    index: tuple[str, ...]
    columns: Mapping[str, Sequence[Any]]
    notes: tuple[str, ...]
    native: Native
    index_name: str = "term"

    def __post_init__(self) -> None:
        assert self.index_name not in self.columns, f"two columns would be called {self.index_name}"
        frozen = {name: tuple(values) for name, values in self.columns.items()}
        object.__setattr__(self, "columns", frozen)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, name: str) -> list[Any]:
        return list(self.columns[name])

    def __str__(self) -> str:
        return "\n".join(map(printable, self._lines(str)))

    def __repr__(self) -> str:
        return str(self)

    def ascii(self) -> str:
        """Return the text in ASCII."""
        return "\n".join(self._lines(plain_letters))

    def to_frame(self) -> Any:
        """Return the table in the caller's library; labels are the index in pandas, else a first column.

        In pandas `attrs["notes"]` holds the lines below the table.
        """
        columns = {name: _values(values) for name, values in self.columns.items()}
        if self.native.library == "pandas":
            import pandas

            table = frame(columns, self.native, index=pandas.Index(self.index, name=self.index_name))
            return noted(table, notes=list(self.notes))
        return frame({self.index_name: list(self.index), **columns}, self.native)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that is printed as JSON values: NaN as None, infinities as "inf", "-inf"."""
        rows = zip(self.index, *self.columns.values(), strict=True)
        names = (self.index_name, *self.columns)
        return {
            "title": list(self.title),
            "rows": [dict(zip(names, map(_json, cells), strict=True)) for cells in rows],
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        header = "".join(
            f'<th style="{RIGHT};border-bottom:1px solid">{escape(name)}</th>' for name in ("", *self.columns)
        )
        body = "".join(
            f'<tr><th style="text-align:left;{PAD}">{escape(name)}</th>'
            + "".join(f'<td style="{RIGHT}">{escape(text)}</td>' for text in texts)
            + "</tr>"
            for name, texts in zip(self.index, self._cells(), strict=True)
        )
        table = f"<thead><tr>{header}</tr></thead><tbody>{body}</tbody>"
        head, foot = html_lines(self.title), html_lines(self.notes)
        return f'<div>{head}<table style="border-collapse:collapse;margin:.6em 0">{table}</table>{foot}</div>'

    def _lines(self, spell: Spell) -> Iterator[str]:
        for text in self.title:
            yield from wrapped(text, spell)
        yield ""
        yield from self._table(spell)
        if self.notes:
            yield ""
        for text in self.notes:
            yield from wrapped(text, spell)

    def _table(self, spell: Spell) -> Iterator[str]:
        """The lines of the table: fewer digits, then several panels of columns, where it is too wide."""
        labels = [spell(name) for name in self.index]
        sheet = self._laid_out(spell, alike=True)
        if sheet.width + max(map(len, labels), default=0) > WIDTH:
            shorter = self._laid_out(spell, alike=False)
            sheet = shorter if shorter.width < sheet.width else sheet
        for place, panel in enumerate(self._panels(sheet, labels)):
            if place:
                yield ""
            yield from sheet.lines(panel, labels)

    def _laid_out(self, spell: Spell, *, alike: bool) -> _Sheet:
        names = tuple(spell(name) for name in self.columns)
        cells = [tuple(map(spell, texts)) for texts in self._cells(alike=alike)]
        widths = [max([len(name), *(len(texts[k]) for texts in cells)]) for k, name in enumerate(names)]
        return _Sheet(names, cells, widths)

    def _panels(self, sheet: _Sheet, labels: list[str]) -> list[list[int]]:
        """Places of the columns of each panel; the texts that name a row stand in every one."""
        places = list(range(len(sheet.names)))
        shortest = min(map(len, labels), default=0)
        if sheet.width + min(shortest, _LEAST) <= WIDTH:
            return [places]
        keys = [k for k, values in enumerate(self.columns.values()) if _names_rows(values)]
        margin = min(max(map(len, labels), default=0), WIDTH // 3)
        room = WIDTH - margin - sum(sheet.widths[k] + 2 for k in keys)
        panels: list[list[int]] = [[]]
        left = room
        for k in places:
            if k in keys:
                continue
            if panels[-1] and sheet.widths[k] + 2 > left:
                low = panels[-1][-1:]
                together = len(panels[-1]) > 1 and [sheet.names[j] for j in (*low, k)] == _ENDS
                panels[-1] = panels[-1][:-1] if together else panels[-1]
                panels.append(low if together else [])
                left = room - sum(sheet.widths[j] + 2 for j in panels[-1])
            panels[-1].append(k)
            left -= sheet.widths[k] + 2
        return [sorted([*keys, *panel]) for panel in panels]

    def _cells(self, *, alike: bool = True) -> list[tuple[str, ...]]:
        """The texts of each row; where `alike`, all rows have the same number of decimals."""
        errors = [float(e) for e in self.columns.get("std_error", ()) if _is_number(e)]
        decimals = common_decimals(errors) if alike else None
        scale = self._scale()
        texts = [_column(name, values, decimals, scale) for name, values in self.columns.items()]
        return list(zip(*texts, strict=True)) if texts else [() for _ in self.index]

    def _scale(self) -> list[float]:
        """A standard error per row, by which the digits of estimates and ends are chosen."""
        errors = self.columns.get("std_error")
        if errors is not None:
            return [float(error) if _is_number(error) else np.nan for error in errors]
        low, high = self.columns.get("conf_low"), self.columns.get("conf_high")
        if low is None or high is None:
            return [np.nan] * len(self.index)
        return [
            float(b - a) / 4 if _is_number(a) and _is_number(b) else np.nan
            for a, b in zip(low, high, strict=True)
        ]


@dataclass(frozen=True)
class _Sheet:
    """The texts of a table: names of columns, cells row by row, widths of columns."""

    names: tuple[str, ...]
    cells: list[tuple[str, ...]]
    widths: list[int]

    @property
    def width(self) -> int:
        """Columns of text beside the labels."""
        return sum(self.widths) + 2 * len(self.widths)

    def lines(self, places: list[int], labels: list[str]) -> Iterator[str]:
        """Yield the lines of some columns; a label that finds no room has lines of its own."""
        widths = [self.widths[k] for k in places]
        room = WIDTH - sum(widths) - 2 * len(widths)
        margin = max((len(label) for label in labels if len(label) <= room), default=0)
        yield row("", [self.names[k] for k in places], widths, margin)
        for label, texts in zip(labels, self.cells, strict=True):
            shown = [texts[k] for k in places]
            if len(label) > margin:
                yield from wrapped(label)
                label = ""
            if label or any(shown):
                yield row(label, shown, widths, margin)


def _names_rows(values: Sequence[Any]) -> bool:
    return len(values) > 0 and all(isinstance(value, str) for value in values)


def _column(name: str, values: Sequence[Any], decimals: int | None, scale: list[float]) -> list[str]:
    if name in _SCALED:
        return [_scaled(value, error, decimals) for value, error in zip(values, scale, strict=True)]
    return [_text(name, value) for value in values]


def _scaled(value: Any, error: float, decimals: int | None) -> str:
    if not _is_number(value) or isnan(value):
        return "" if value is None or _is_number(value) else str(value)
    if isinf(value) or not 0 < error < float("inf"):
        return "0" if value == 0 else f"{value:.5g}"
    if decimals is None and value != 0:
        decimals = max(0, 3 - floor(log10(error)))
    return coefficient_texts((float(value),), error, decimals)[0]


def _text(name: str, value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else ""
    if not _is_number(value) or isnan(value):
        return "" if _is_number(value) else str(value)
    if name.startswith("p_"):
        return p_text(float(value))
    if name in _STATISTICS:
        return statistic_text(float(value))
    if (
        name in _COUNTS
        or name == "df"
        or name.endswith(("_df", "df_"))
        or isinstance(value, (int, np.integer))
    ):
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:.1f}"
    return figure(float(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _values(values: Sequence[Any]) -> Any:
    """An array of numbers where all cells are numbers or empty, else the list itself."""
    cells = list(values)
    if all(value is None or _is_number(value) for value in cells):
        whole = all(isinstance(value, (int, np.integer)) for value in cells)
        return np.array(
            [np.nan if value is None else value for value in cells], dtype=int if whole else float
        )
    return [None if _is_number(value) and isnan(value) else value for value in cells]


def _json(value: Any) -> Any:
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else "inf" if value > 0 else "-inf"
    return value
