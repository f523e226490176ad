"""Effects and relativities of the columns that a fit with networks reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from glmstat.array import Array
from glmstat.data.columns import Categorical, Column, Kind, Level, Values
from glmstat.data.source import Frame, MemorySource, Source
from glmstat.errors import ArgumentError, ColumnError, near, one_of
from glmstat.formula.schema import FACTOR
from glmstat.inference.eform import ratio_name
from glmstat.inference.reference import check_level
from glmstat.inference.score import frame_of
from glmstat.neural import surface as surfaces
from glmstat.neural.average import RATIO_LINKS, Effects, average, ratios, together
from glmstat.neural.beside import arrays_of
from glmstat.neural.interval import kept_linear
from glmstat.neural.layout import read_layout
from glmstat.text.layout import count
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.network_fit import NetworkFit

__all__ = ["Effects", "effects", "relativities"]

ROWS = 5_000  # averages over more tell no more


def effects(
    fit: NetworkFit, variable: str, *, method: str, type: str, points: int, level: float, data: Any = None
) -> Effects:
    """Return the effect of one column; the words are those of `NetworkFit.effects`.

    Raises
    ------
    ColumnError : a column that no term reads.
    ArgumentError : a column of times, or an unknown word.
    """
    check_level(level)
    rows = _Rows.of(fit, data)
    return average(
        rows.surface(),
        rows.column(variable),
        method=method,
        scale=type,
        points=points,
        level=level,
        native=fit.native,
    )


def relativities(fit: NetworkFit, *, points: int, level: float, data: Any = None) -> Listing:
    """Return the relativities of all columns; the words are those of `NetworkFit.relativities`.

    Raises
    ------
    ArgumentError : a link under which effects are no ratios.
    """
    check_level(level)
    link = fit.spec.likelihood.family.link
    if link.name not in RATIO_LINKS:
        raise ArgumentError(
            f"Relativities are ratios: the link is {link.text.replace('_', ' ')}. Use effects(variable)."
        )
    rows, ratio = _Rows.of(fit, data), ratio_name(fit)
    surface = rows.surface()
    found = [
        ratios(surface, rows.column(name), ratio=ratio, points=points, level=level, native=fit.native)
        for name in rows.names
    ]
    return together(found, f"Relativities: {ratio} · {count(len(rows.weights), 'row')}")


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some rows of a fit, whose columns can be set to other values.

    Parameters
    ----------
    fit : with its networks.
    frame : the rows (m) of the data, none of whose values is missing.
    weights : (m,) how often each is counted.
    """

    fit: NetworkFit
    frame: Frame
    weights: Array

    @classmethod
    def of(cls, fit: NetworkFit, data: Any = None) -> _Rows:
        """Return the rows of a fit that have weight, evenly spread ones where they are many."""
        fit = fit if data is None else cast("NetworkFit", fit.with_data(data))
        rows = frame_of(fit.head, "An average effect")
        arrays = arrays_of(rows)
        counted = np.flatnonzero(arrays.total > 0)
        spread = np.linspace(0, len(counted) - 1, min(ROWS, len(counted))).round().astype(np.intp)
        chosen = counted[spread]
        source = chosen if rows.rows_kept is None else np.asarray(rows.rows_kept)[chosen]
        return cls(fit, _memory(rows.joined).frame().take(source), arrays.frequency[chosen])

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the data that the terms read."""
        parts = self.fit.head.spec.design.parts.values()
        return tuple(dict.fromkeys(name for part in parts for name in part.names if name in self.frame))

    def column(self, name: str) -> surfaces.Column:
        """Return a column by name; numbers that enter as factors only have levels.

        Raises
        ------
        ColumnError : no term reads it.
        ArgumentError : it holds times.
        """
        if name not in self.names:
            raise ColumnError(
                f"No column {name!r} in the terms: they read {one_of(self.names)}."
                f"{near(str(name), self.names)}"
            )
        kind, values = self.frame.kind(name), self.frame[name]
        if kind == "time":
            raise ArgumentError(f"Column {name!r} holds times. Make a number of it first, as days.")
        if isinstance(values, Categorical):
            seen = np.unique(values.codes)
            labels = np.array([*values.levels, None], dtype=object)[values.codes]
            return surfaces.Column(name, labels, tuple(values.levels[code] for code in seen))
        if kind == "boolean":
            return surfaces.Column(name, values.astype(object), (False, True))
        design = self.fit.head.spec.design
        uses = [text for text, part in design.parts.items() if name in part.names]
        coded = all(design.schema.parts[text].kind == FACTOR for text in uses)
        levels = tuple(np.unique(values).tolist()) if coded else None
        return surfaces.Column(name, values, levels)

    def surface(self) -> surfaces.Surface:
        """Return the predictions on these rows as a function of their columns."""
        head = self.fit.head
        raw = head.spec.design.untrained
        layout, theta = read_layout(raw, None), np.nan_to_num(head.estimate.theta)
        linear = kept_linear(head, layout)

        def design(replaced: Mapping[str, Any]) -> surfaces.Evaluated:
            frame = self._with(replaced)
            X, offset = head.spec.design.matrices(frame)
            columns = raw.matrices(frame)[0][0].to_array()
            inputs = tuple(columns[:, one.slots] for one in layout.networks)
            return surfaces.Evaluated(X[0].dot(theta) + offset[:, 0], columns[:, linear], inputs)

        laplace = self.fit.laplace if self.fit.has_laplace else None
        return surfaces.Surface(design, head.spec.likelihood.family.link, self.weights, laplace)

    def _with(self, replaced: Mapping[str, Any]) -> Frame:
        """The rows with other values in some columns."""

        def read(name: str) -> Column:
            old, kind = self.frame[name], self.frame.kind(name)
            new = old if name not in replaced else _like(replaced[name], old)
            return _Held(new, kind, old.levels if isinstance(old, Categorical) else ())

        rows = self.frame.rows
        return MemorySource(self.frame.names, rows, read, self.fit.native).frame()


def _memory(source: Source) -> MemorySource:
    return source.collect(source.names)


@dataclass(frozen=True, eq=False)
class _Held:
    """A column of values without gaps."""

    data: Values
    kind: Kind
    levels: tuple[Level, ...]

    def values(self, start: int, stop: int) -> Values:
        """Return the values of a run."""
        return self.data.take(np.arange(start, stop))

    def missing(self, start: int, stop: int) -> None:
        """Return None: no value is missing."""
        return

    def __len__(self) -> int:
        return len(self.data)


def _like(values: NDArray[Any], old: Values) -> Values:
    """Values of a column in the form that the column has."""
    if isinstance(old, Categorical):
        places = {level: code for code, level in enumerate(old.levels)}
        codes = np.array([places[value] for value in values], dtype=np.intp)
        return Categorical(codes, old.levels, old.ordered, old.contrast)
    return values.astype(np.bool_) if old.dtype == np.bool_ else values.astype(np.float64)
