"""The result of `Fit.influence`: measures of each row or cluster, and what deleting them does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import ArgumentError, near, one_of
from glmstat.inference.hat import (
    at_boundary,
    not_at_boundary,
    without_information,
)
from glmstat.inference.influence.change import row_steps
from glmstat.inference.influence.deletion import (
    Deletion,
    Refits,
    refits,
    unit_frame,
    unit_words,
    without_cluster,
    without_row,
)
from glmstat.inference.shown import Shown
from glmstat.inference.variable import Grouping
from glmstat.matrix import Array, Block, IntArray
from glmstat.table import Native
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["METHODS", "Influence", "row_columns"]

METHODS = ("one-step", "exact")
_SHOWN = 10  # rows of the printed table
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class Influence(Shown):
    """How much each row, or each cluster, moves the fit. `str` shows those that move it most.

    Rows: `hat`, `sigma` (square root of the dispersion without the row, from deviances), `std_resid_deviance`
    and `std_resid_pearson`, `student_resid`, `cooks`, `dffits`, `covratio`. Clusters: `rows`, `hat` (sum of
    the rows'), `cooks`. NaN where the model fits a row whatever its response is, and all of them where a mean
    lies at the boundary of its domain: `deletion("exact")` needs none of them.

    Parameters
    ----------
    fit : with its rows.
    unit : "row", or what groups the rows.
    labels : (m,) the caller's labels of the rows, or names of the clusters.
    places : (m,) source rows, or numbers of the clusters.
    measures : name → (m,).
    dfbeta : (m, p) coefficients of the fit less those without the row, of deviance residuals as R; of
        clusters, the one-step change. Where the link decreases R's sign is opposite: so it is with
        compat="R", and then only.
    dfbetas : (m, p) the same in standard errors: of rows with `sigma` as R, of clusters with the
        dispersion of the fit.
    flags : measure → (m,) whether it marks the row, by the rules of R's influence.measures.
    notes : rules and definitions in words.
    native : library and labels of `to_frame`.
    inside : (m,) whether the fit has the row or cluster.
    clusters : the groups, where the units are clusters.
    """

    fit: Fit
    unit: str
    labels: Any
    places: IntArray
    measures: Mapping[str, Array]
    dfbeta: Array
    dfbetas: Array
    flags: Mapping[str, BoolArray]
    notes: tuple[str, ...]
    native: Native = field(repr=False)
    inside: BoolArray = field(repr=False)
    clusters: Grouping | None = field(default=None, repr=False)

    def __getattr__(self, name: str) -> Array:
        measures = self.__dict__.get("measures", {})
        if name in measures:
            return measures[name]
        raise AttributeError(f"Influence has no {name!r}. Known: {one_of(tuple(measures))}.")

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def flagged(self) -> BoolArray:
        """Whether any measure marks the row or cluster (m,)."""
        return np.any(list(self.flags.values()), axis=0)

    def to_frame(self) -> Any:
        """Return measures, changes of each coefficient (`dfbeta_x`, `dfbetas_x`) and `flagged`, a table.

        Rows have the caller's index; clusters are the index in pandas, else a first column `cluster`.
        """
        columns = row_columns(self.fit.columns, self.measures, self.dfbeta, self.dfbetas, self.flagged)
        return unit_frame(columns, self.native, None if self.clusters is None else self.labels)

    def largest(self, rows: int = _SHOWN) -> Listing:
        """Return the flagged rows or clusters with the largest Cook's distances; if none is, the largest."""
        flagged = np.flatnonzero(self.flagged)
        chosen = flagged if len(flagged) else np.flatnonzero(~np.isnan(self.measures["hat"]))
        size = np.nan_to_num(self.measures["cooks"][chosen], nan=np.inf)
        top = chosen[np.argsort(-size, kind="stable")][:rows]
        shown = [
            name for name in self.measures if name not in ("sigma", "std_resid_deviance", "std_resid_pearson")
        ]
        columns: dict[str, Sequence[Any]] = {name: self.measures[name][top].tolist() for name in shown}
        columns["flagged by"] = [self._marks(place) for place in top]
        head = (f"Influence of each {unit_words(self.unit, self.clusters is not None)}", self.fit.formula)
        count = (
            f"{len(flagged):,} of {len(self):,} flagged; shown are the {len(top):,} with the largest cooks"
        )
        notes = self.notes if at_boundary(self.fit) or without_information(self.fit) else (count, *self.notes)
        labels = tuple(str(self.labels[place]) for place in top)
        name = "row" if self.clusters is None else "cluster"
        return Listing(head, labels, columns, notes, Native(self.native.library), name)

    def deletion(
        self, method: str = "exact", *, of: Sequence[int] | None = None, progress: bool | None = None
    ) -> Deletion:
        """Return the coefficients without each row or cluster.

        Parameters
        ----------
        method : "exact" fits again, from the estimate on; "one-step" is the first step of that fit, from
            scores and hat values: exact for least squares.
        of : which, as positions in the table; default all. A row that counts f times loses one of them.
        progress : show a bar; None shows one on a terminal if it takes more than two seconds.
            Interrupting keeps what is done.

        Raises
        ------
        ArgumentError : an unknown method, positions outside the table, or the first step from an estimate
            at the boundary.

        Source: Pregibon (1981).
        """
        if method not in METHODS:
            raise ArgumentError(
                f"Unknown method: {method!r}. Known: {one_of(METHODS)}.{near(str(method), METHODS)}"
            )
        chosen = self._chosen(of)
        coef, infinite = self.fit.estimate.coef, np.isinf(self.fit.estimate.coef)
        if method == "one-step":
            not_at_boundary(self.fit, "One-step deletion", 'Take deletion("exact").')
            change = row_steps(self.fit) if self.clusters is None else self.dfbeta
            change = np.where(infinite, np.nan, change[chosen])
            status = ("one step",) * len(chosen)
            cooks = self.measures["cooks"][chosen]
            done = Refits(coef - change, change, cooks, status, ())
        else:
            changes = [self._without(place) for place in chosen]
            names = () if self.clusters is None else self.clusters.names
            done = refits(self.fit, changes, self.unit, progress=progress, names=names)
        chosen = chosen[: len(done.status)]
        labels = [self.labels[place] for place in chosen]
        native = self.native.take(chosen) if self.clusters is None else self.native
        clustered = self.clusters is not None
        return Deletion(self.fit, method, self.unit, clustered, labels, *done, native)

    def _without(self, place: int) -> Callable[[Block], Block]:
        if self.clusters is None:
            return without_row(int(self.places[place]))
        return without_cluster(self.clusters, int(self.places[place]))

    def _chosen(self, of: Sequence[int] | None) -> IntArray:
        if of is None:
            return np.flatnonzero(self.inside)
        chosen = np.asarray(of)
        inside = chosen.dtype.kind in "iu" and ((chosen >= 0) & (chosen < len(self))).all()
        if chosen.ndim != 1 or not (inside or chosen.size == 0):
            raise ArgumentError(f"of must list positions in the table, from 0 to {len(self) - 1}: {of!r}.")
        return chosen.astype(np.intp)

    def _marks(self, place: int) -> str:
        return ", ".join(name for name, marked in self.flags.items() if marked[place])

    def _shown(self) -> Listing:
        return self.largest()


def row_columns(
    names: Sequence[str], measures: Mapping[str, Array], dfbeta: Array, dfbetas: Array, flagged: BoolArray
) -> dict[str, Any]:
    """Return the columns of the table of an influence: measures, changes of each coefficient, flags."""
    return {
        **measures,
        **{f"dfbeta_{name}": column for name, column in zip(names, dfbeta.T, strict=True)},
        **{f"dfbetas_{name}": column for name, column in zip(names, dfbetas.T, strict=True)},
        "flagged": flagged,
    }
