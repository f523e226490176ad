"""Effects of one column on the predictions of a network, averaged over rows, with bands.

Partial dependence sets the column to a value in every row and averages. Accumulated local effects add up the
mean changes of the rows that lie between two values, so that no row is moved far from where it was. Both
are weighted sums of eta over rows, whose gradients in the parameters give their covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from glmstat.array import Array
from glmstat.errors import ArgumentError, near, one_of
from glmstat.neural.drawn import Drawn
from glmstat.neural.surface import (
    Averages,
    Column,
    Surface,
    accumulated,
    combined,
    dependence,
    ends_of,
    spread,
)
from glmstat.table import Native, frame
from glmstat.text.listing import Listing
from glmstat.text.number import percent

__all__ = ["METHODS", "RATIO_LINKS", "Effects", "average", "ratios", "together"]

METHODS = ("pdp", "ale")
SCALES = ("response", "link")
_NAMES = {"pdp": "Partial dependence", "ale": "Accumulated local effects"}
RATIO_LINKS = ("log", "logit", "cloglog")


@dataclass(frozen=True, eq=False, repr=False)
class Effects(Drawn):
    """The effect of one column: an average prediction, or a ratio of them, for each of its values.

    `plot()` draws it with its pointwise band, levels of a factor as points.

    Parameters
    ----------
    name : of the column.
    kind : "pdp", "ale" or "relativity".
    scale : what the estimates are: "link", "response", or the name of a ratio.
    values : the values of the column: numbers, or levels.
    estimate, std_error, conf_low, conf_high : (k,); NaN where there is no covariance.
    level : of the pointwise band.
    rows : number of rows averaged over.
    rug : values of the rows where the column is numeric, for the plot.
    notes : lines below the table.
    native : library of the frame.
    base : the value with relativity 1; None where the estimates are no ratios.
    """

    drawing: ClassVar = "effects"
    name: str
    kind: str
    scale: str
    values: tuple[Any, ...]
    estimate: Array
    std_error: Array
    conf_low: Array
    conf_high: Array
    level: float
    rows: int
    rug: Array | None
    notes: tuple[str, ...]
    native: Native
    base: Any = None

    @property
    def banded(self) -> bool:
        """Whether there are bands."""
        return bool(np.isfinite(self.std_error).any())

    def to_frame(self) -> Any:
        """Return value, estimate, std_error, conf_low and conf_high in the caller's library, by value."""
        columns = {"value": list(self.values), **self._columns()}
        return frame(columns, replace(self.native, index=None))

    def listing(self) -> Listing:
        """Return the effects as a printed table."""
        kind = "Relativities" if self.kind == "relativity" else _NAMES[self.kind]
        title = (f"{kind} of {self.name}, {self.scale.replace('_', ' ')} scale · {self.rows:,} rows",)
        if self.kind == "relativity":
            title = (f"{kind} of {self.name}: {self.scale.replace('_', ' ')} · {self.rows:,} rows",)
        labels = tuple(_text(value) for value in self.values)
        columns = {name: column.tolist() for name, column in self._columns().items()}
        index = "value" if self.name in columns else self.name
        return Listing(title, labels, columns, self.notes, self.native, index)

    def _columns(self) -> dict[str, Array]:
        shown = {"estimate": self.estimate}
        if self.banded:
            shown |= {"std_error": self.std_error, "conf_low": self.conf_low, "conf_high": self.conf_high}
        return shown


def average(
    surface: Surface,
    column: Column,
    *,
    method: str = "pdp",
    scale: str = "response",
    points: int = 20,
    level: float = 0.95,
    native: Native | None = None,
) -> Effects:
    """Return the effect of a column on the predictions, averaged over the rows of a surface.

    Parameters
    ----------
    surface : the model on some rows.
    column : whose effect is asked for.
    method : "pdp", partial dependence, an average prediction for each value; or "ale", accumulated local
        effects, changes about their mean 0, for a number that is tied to other columns.
    scale : "response" or "link".
    points : values of a numeric column, at quantiles; all of them where there are fewer.
    level : coverage of the pointwise band, of the mean as trained: bias of the network is not in it.
    native : library of the frame.

    Returns
    -------
    Effects, which prints as a table and has `to_frame()` and `plot()`.

    Raises
    ------
    ArgumentError : an unknown word, accumulated local effects of a factor or of a constant column.

    Source: Friedman (2001), section 8.2; Apley & Zhu (2020), Visualizing the effects of predictor variables.

    >>> from glmstat.links import Log
    >>> from glmstat.neural.surface import Evaluated
    >>> age = np.array([20.0, 30.0, 40.0, 50.0])
    >>> none = np.zeros((4, 0))
    >>> def design(new):
    ...     return Evaluated(0.01 * new.get("age", age), none, ())
    >>> found = average(Surface(design, Log(), np.ones(4)), Column("age", age), scale="link")
    >>> print(found)
    Partial dependence of age, link scale · 4 rows
    <BLANKLINE>
        estimate
    20       0.2
    30       0.3
    40       0.4
    50       0.5
    <BLANKLINE>
    predictions with age set to a value in every row, averaged
    """
    _one_of("method", method, METHODS)
    _one_of("type", scale, SCALES)
    if method == "ale":
        values, averages = accumulated(surface, column, scale, points)
    else:
        values = spread(column, points)
        averages = dependence(surface, column, values, scale)
    how = (
        f"predictions with {column.name} set to a value in every row, averaged"
        if method == "pdp"
        else f"mean changes of rows between two values of {column.name}, added up, about their mean"
    )
    ends = ends_of(surface, averages, level, bent=scale == "response" and method == "pdp")
    return _result(surface, column, method, scale, values, averages, ends, level, (how,), native)


def ratios(
    surface: Surface,
    column: Column,
    *,
    base: Any = None,
    ratio: str = "ratio",
    points: int = 8,
    level: float = 0.95,
    native: Native | None = None,
) -> Effects:
    """Return exp of the differences of the mean predictor from its value at a base, for each value.

    Parameters
    ----------
    surface : the model on some rows; its link is log, logit or complementary log-log.
    column : whose values are compared.
    base : the value with relativity 1; default the first level of a factor, of numbers the value of the table
        next to the median.
    ratio : what the ratio is called, as "rate ratio".
    points : values of a numeric column, at quantiles.
    level : coverage of the pointwise intervals.
    native : library of the frame.

    Returns
    -------
    Effects of kind "relativity".

    Raises
    ------
    ArgumentError : the link gives no ratio, or the factor has no such level.

    >>> from glmstat.links import Log
    >>> from glmstat.neural.surface import Evaluated
    >>> region = np.array(["a", "b", "a", "b"], dtype=object)
    >>> def design(new):
    ...     given = new.get("region", region)
    ...     return Evaluated(np.where(given == "b", np.log(1.25), 0.0), np.zeros((4, 0)), ())
    >>> surface = Surface(design, Log(), np.ones(4))
    >>> ratios(surface, Column("region", region, ("a", "b"))).estimate.round(6).tolist()
    [1.0, 1.25]
    """
    if surface.link.name not in RATIO_LINKS:
        raise ArgumentError(
            f"Relativities are ratios: the link is {surface.link.text.replace('_', ' ')}. "
            f'Use effects("{column.name}").'
        )
    values = spread(column, points)
    base = _base(surface, column, values, base)
    if base not in values:
        values = tuple(sorted((*values, base)))
    averages = dependence(surface, column, values, "link")
    contrast = np.eye(len(values))
    contrast[:, values.index(base)] -= 1.0
    differences = combined(averages, contrast)
    low, high = ends_of(surface, differences, level, bent=False)
    with np.errstate(over="ignore"):
        ends = np.exp(low), np.exp(high)
        estimate = np.exp(differences.value)
        scaled = Averages(estimate, differences.covariance * np.outer(estimate, estimate))
    notes = (_relative(column.name, base), "exp of differences of the mean predictor, over all rows")
    notes = notes if surface.laplace is None else (*notes, "std_error: delta method")
    found = _result(surface, column, "relativity", ratio, values, scaled, ends, level, notes, native)
    return replace(found, base=base)


def together(found: Sequence[Effects], title: str = "Relativities") -> Listing:
    """Return the effects of several columns as one printed table, a row for each value.

    Parameters
    ----------
    found : effects of one kind; the notes that all share are printed once, their bases in one line.
    title : line above the table.
    """
    labels = tuple(f"{one.name} = {_text(value)}" for one in found for value in one.values)
    names = ("estimate", "std_error", "conf_low", "conf_high")
    shown = names if any(one.banded for one in found) else names[:1]
    columns = {name: np.concatenate([getattr(one, name) for one in found]).tolist() for name in shown}
    every = dict.fromkeys(note for one in found for note in one.notes if note not in _own_base(one))
    shared = [note for note in every if all(note in one.notes for one in found)]
    bases = ", ".join(f"{one.name} = {_text(one.base)}" for one in found if one.base is not None)
    lines = [f"each relative to its base: {bases}"] if bases else []
    notes = (*lines, *(note for note in every if note not in shared), *shared)
    native = found[0].native if found else Native()
    return Listing((title,), labels, columns, notes, native, "value")


def _result(
    surface: Surface,
    column: Column,
    kind: str,
    scale: str,
    values: tuple[Any, ...],
    averages: Averages,
    ends: tuple[Array, Array],
    level: float,
    notes: tuple[str, ...],
    native: Native | None,
) -> Effects:
    laplace = surface.laplace
    if laplace is not None:
        notes = (*notes, f"{percent(level)} pointwise intervals: {laplace.label}", laplace.caution)
    rug = None if column.levels is not None else np.array(column.values, dtype=np.float64)
    errors = np.sqrt(np.maximum(np.diagonal(averages.covariance), 0.0))
    return Effects(
        column.name, kind, scale, values, averages.value, errors, *ends, level,
        len(surface.weights), rug, notes, native or Native(),
    )  # fmt: skip


def _one_of(name: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise ArgumentError(f"Unknown {name}: {word!r}. Known: {one_of(known)}.{near(str(word), known)}")


def _text(value: Any) -> str:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return f"{value:.5g}" if number else str(value)


def _relative(name: str, base: Any) -> str:
    return f"relative to {name} = {_text(base)}"


def _own_base(one: Effects) -> tuple[str, ...]:
    """The note that says the base of one column."""
    return () if one.base is None else (_relative(one.name, one.base),)


def _base(surface: Surface, column: Column, values: Sequence[Any], base: Any) -> Any:
    """The value with relativity 1; of numbers the one of the grid that is nearest to the median."""
    if column.levels is not None:
        if base is not None and base not in column.levels:
            known = [str(level) for level in column.levels]
            raise ArgumentError(
                f"base must be a level of {column.name!r}: {base!r}. Known: {one_of(known)}."
                f"{near(str(base), known)}"
            )
        return column.levels[0] if base is None else base
    if base is not None:
        return float(base)
    numbers = np.asarray(column.values, dtype=np.float64)
    order = np.argsort(numbers, kind="stable")
    share = np.cumsum(surface.weights[order])
    median = float(numbers[order][np.searchsorted(share, 0.5 * share[-1])])
    return min(values, key=lambda value: abs(value - median))
