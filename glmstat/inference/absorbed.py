"""Absorbed effects: their table, what they add to new rows, and which of them lie inside clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.data.source import Level, MemorySource
from glmstat.errors import ArgumentError, DataError
from glmstat.formula.behind import AbsorbedFactor, role
from glmstat.formula.expression import Environment, evaluate
from glmstat.formula.missing import cuts
from glmstat.formula.newdata import NewRows
from glmstat.formula.piece import NEW
from glmstat.formula.value import level_label
from glmstat.inference.rows import Named
from glmstat.inference.score import frame_of
from glmstat.inference.variable import Grouping
from glmstat.matrix import Array, Block
from glmstat.table import frame

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["absorbed", "nested_levels", "summary_lines", "with_effects"]

_SHOWN = 5


def absorbed(fit: Fit) -> dict[str, Any]:
    """Return the effects of each absorbed factor as a table; the words are those of `Fit.absorbed`."""
    known = fit.estimate.absorbed
    if known is None:
        return {}
    tables = {}
    for factor, effect in zip(fit.spec.design.absorbed, known.effects, strict=True):
        labels = factor.labels(effect.cells)
        parts = [part.label for part in factor.term.parts]
        levels = {name: _printed(values) for name, values in zip(parts, labels, strict=True)}
        columns = {**levels, "effect": np.array(effect.values), "rows": np.array(effect.counts)}
        native = fit.native
        tables[factor.text] = frame(columns, replace(native, index=None))
    return tables


def _printed(levels: tuple[Level, ...]) -> NDArray[Any]:
    """Levels as a column; whole numbers without a decimal point."""
    values = np.array(levels)
    whole = values.dtype == np.float64 and np.abs(values).max() < 2**53 and not (values % 1).any()
    return values.astype(np.int64) if whole else values


def summary_lines(fit: Fit) -> list[str]:
    """Return what a summary says of the absorbed effects."""
    known = fit.estimate.absorbed
    if known is None:
        return []
    sizes = [int(np.isfinite(effect.values).sum()) for effect in known.effects]
    listed = " · ".join(f"{e.text} {size:,} levels" for e, size in zip(known.effects, sizes, strict=True))
    redundant = (
        f", {known.redundant:,} redundant{'' if known.exact else ' or more'}" if known.redundant else ""
    )
    return [f"absorbed: {listed} ({known.df:,} df{redundant})"]


# ---------------------------------------------------------------- new rows


class _Unseen(NamedTuple):
    """Levels that the fit has not seen: how many rows, and the first of them in words."""

    rows: int
    shown: tuple[str, ...]

    def __add__(self, other: _Unseen) -> _Unseen:  # pyright: ignore[reportIncompatibleMethodOverride]
        shown = tuple(dict.fromkeys(self.shown + other.shown))
        return _Unseen(self.rows + other.rows, shown[: _SHOWN + 1])


def with_effects(fit: Fit, rows: NewRows, policy: str) -> NewRows:
    """Return new rows whose predictor gets the effects of their levels.

    Parameters
    ----------
    policy : "raise" refuses levels that the fit has not seen, "na" leaves their rows out.

    Raises
    ------
    DataError : a new level, or levels that no rows of the fit join.
    ArgumentError : "reference" where there is one: absorbed factors have no reference level.
    """
    known, design = fit.estimate.absorbed, fit.spec.design
    if known is None:
        return rows
    source, complete = rows.source, rows.mask
    assert isinstance(source, MemorySource) and complete is not None
    added, mask = np.full(source.rows, np.nan), complete.copy()
    unseen, loose = [_Unseen(0, ()) for _ in design.absorbed], Named()
    for start, stop in cuts(source.rows):
        chosen = np.flatnonzero(complete[start:stop])
        environment = design.environment(source.frame(start, stop).take(chosen))
        codes = [factor.codes(environment) for factor in design.absorbed]
        for k, factor in enumerate(design.absorbed):
            new = (codes[k] == NEW) | ((known.effects[k].places(codes[k]) < 0) & (codes[k] >= 0))
            unseen[k] = unseen[k] + _unseen(factor, environment, new)
        found = known.added(codes)
        loose = loose + Named.of(start + chosen[~np.isnan(found) & ~known.estimable(codes)])
        added[start:stop][chosen] = found
        mask[start:stop][chosen] = ~np.isnan(found)
    _check_seen(fit, unseen, policy)
    _check_joined(fit, loose)
    return replace(rows, mask=mask, added=added, ready=None)


def _check_joined(fit: Fit, loose: Named) -> None:
    if loose.count:
        names = " + ".join(factor.text for factor in fit.spec.design.absorbed)
        raise DataError(
            f"Prediction is not estimable: {loose.text}. No rows of the fit join their levels of {names}, "
            "so that any difference of these effects fits as well. Drop these rows."
        )


def _unseen(factor: AbsorbedFactor, environment: Environment, new: NDArray[np.bool_]) -> _Unseen:
    places = np.flatnonzero(new)
    if not len(places):
        return _Unseen(0, ())
    first = places[: 20 * _SHOWN]
    parts = []
    for part in factor.term.parts:
        value = evaluate(part, environment)
        if isinstance(value, np.ndarray):
            parts.append([level_label(level) for level in value[first].tolist()])
        else:
            parts.append([level_label(value.levels[code]) for code in value.codes[first].tolist()])
    shown = tuple(dict.fromkeys(":".join(labels) for labels in zip(*parts, strict=True)))
    return _Unseen(len(places), shown[: _SHOWN + 1])


def _check_seen(fit: Fit, unseen: list[_Unseen], policy: str) -> None:
    for factor, found in zip(fit.spec.design.absorbed, unseen, strict=True):
        if not found.rows or policy == "na":
            continue
        if policy == "reference":
            raise ArgumentError(
                f"Absorbed factor '{factor.text}' has no reference level: new_levels=\"reference\" cannot "
                'stand for new ones. Use new_levels="na".'
            )
        listed = ", ".join(f"'{label}'" for label in found.shown[:_SHOWN])
        dots = ", …" if len(found.shown) > _SHOWN else ""
        raise DataError(
            f"'{factor.text}' has level{'s' * (len(found.shown) > 1)} {listed}{dots}, not seen in the fit: "
            f'{found.rows:,} row{"s" * (found.rows != 1)}. Use new_levels="na".'
        )


# ---------------------------------------------------------------- clusters


class _Ends:
    """Least and largest group of the rows of each level; adding keeps the more extreme."""

    def __init__(self, low: Array, high: Array) -> None:
        self.low, self.high = low, high

    def __add__(self, other: _Ends) -> _Ends:
        return _Ends(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


def nested_levels(fit: Fit, groups: list[Grouping], data: Any = None) -> int:
    """Return the degrees of freedom of factors all of whose levels lie in one cluster each.

    A level less than there are, for every factor that is nested in some way of clustering.

    Source: fixest's ssc(K.fixef = "nonnested").
    """
    known = fit.estimate.absorbed
    if known is None:
        return 0
    rows, total = frame_of(fit, "A clustered covariance", data), 0
    for number, effect in enumerate(known.effects):
        for group in groups:
            ends = rows.reduce(lambda block, n=number, e=effect, g=group: _ends(block, n, e, g))
            if (ends.low >= ends.high).all():
                total += int(np.isfinite(effect.values).sum()) - 1
                break
    return total


def _ends(block: Block, number: int, effect: Any, group: Grouping) -> _Ends:
    assert block.roles is not None
    size = len(effect.cells)
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    at, own = effect.places(block.roles[role(number)]), group.of(block)
    used = (at >= 0) & (own >= 0) & (block.total > 0)
    np.minimum.at(low, at[used], own[used])
    np.maximum.at(high, at[used], own[used])
    return _Ends(low, high)
