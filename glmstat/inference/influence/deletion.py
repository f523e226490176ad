"""Fits without a row or a cluster: what influence measures approximate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from glmstat.call import Covariance
from glmstat.errors import GlmstatError
from glmstat.inference.determined import determined, loses_column
from glmstat.inference.hat import at_boundary
from glmstat.inference.nearby import fit_nearby
from glmstat.inference.score import frame_of
from glmstat.inference.shown import Shown
from glmstat.inference.variable import Grouping
from glmstat.matrix import Array, Block
from glmstat.progress import track
from glmstat.table import Native, frame
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Deletion", "Refits", "refits", "unit_frame", "unit_words", "without_cluster", "without_row"]

_SHOWN = 10  # rows of the printed table


class Refits(NamedTuple):
    """What the fits without each unit gave, m of them: fewer than asked for after an interruption."""

    coef: Array
    change: Array
    cooks: Array
    status: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Deletion(Shown):
    """Coefficients without each of some rows or clusters. `str` shows those that change them most.

    Parameters
    ----------
    fit : with everything.
    method : "exact" or "one-step".
    unit : "row", or what groups the rows.
    clustered : whether the units are clusters.
    labels : (m,).
    coef : (m, p) coefficients without the unit; NaN where they have no value then, or the rows that are
        left do not determine them, infinite where separation begins.
    change : (m, p) coefficients of the fit less these.
    cooks : (m,) change' J change / (p φ), J and φ information and dispersion of the fit; NaN at a boundary,
        where J has no value.
    status : (m,) how each fit ended: words of `Fit.status`, "aliased" where a coefficient of the fit has no
        value without the unit, or "failed".
    notes : what went wrong.
    native : library and labels of `to_frame`.
    """

    fit: Fit
    method: str
    unit: str
    clustered: bool
    labels: Sequence[Any]
    coef: Array
    change: Array
    cooks: Array
    status: tuple[str, ...]
    notes: tuple[str, ...]
    native: Native = field(repr=False)

    def __len__(self) -> int:
        return len(self.status)

    def to_frame(self) -> Any:
        """Return status, cooks, and value and change of each coefficient (`dfbeta_x`), as a table."""
        names = self.fit.columns
        columns = {
            "status": list(self.status),
            "cooks": self.cooks,
            **dict(zip(names, self.coef.T, strict=True)),
            **{f"dfbeta_{name}": column for name, column in zip(names, self.change.T, strict=True)},
        }
        return unit_frame(columns, self.native, self.labels if self.clustered else None)

    def largest(self, rows: int = _SHOWN) -> Listing:
        """Return the units that change the coefficients most, and the coefficient that they change most.

        At a boundary there is no Cook's distance: there it is the largest change, in classical standard
        errors, that counts.
        """
        from glmstat.inference.covariance import std_errors

        errors = std_errors(self.fit, Covariance())
        with np.errstate(all="ignore"):
            moved = np.nan_to_num(np.abs(self.change) / errors, nan=-1.0, posinf=np.inf)
        moved[np.isnan(self.coef) & np.isfinite(self.fit.estimate.coef)] = np.inf
        edge = at_boundary(self.fit)
        size = moved.max(axis=1, initial=-1.0) if edge else np.nan_to_num(self.cooks, nan=np.inf)
        top = np.argsort(-size, kind="stable")[:rows]
        terms = moved.argmax(axis=1) if moved.shape[1] else np.zeros(len(moved), dtype=int)
        columns: dict[str, Sequence[Any]] = {
            "status": [self.status[place] for place in top],
            "cooks": self.cooks[top].tolist(),
        }
        if moved.shape[1]:
            columns["most moved"] = [self.fit.columns[terms[place]] for place in top]
            columns["from"] = [float(self.fit.estimate.coef[terms[place]]) for place in top]
            columns["to"] = [float(self.coef[place, terms[place]]) for place in top]
        word = unit_words(self.unit, self.clustered)
        head = (f"Deletion of each {word}, {self.method}", self.fit.formula)
        what = "change of a coefficient in standard errors" if edge else "cooks"
        count = f"shown are the {len(top):,} of {len(self):,} with the largest {what}"
        labels = tuple(str(self.labels[place]) for place in top)
        return Listing(head, labels, columns, (count, *self.notes), Native(self.native.library), "unit")

    def _shown(self) -> Listing:
        return self.largest()


def unit_frame(columns: Mapping[str, Any], native: Native, clusters: Sequence[Any] | None) -> Any:
    """Return columns as a table labelled by the caller's rows, or by clusters."""
    if clusters is None:
        return frame(columns, native)
    if native.library == "pandas":
        import pandas

        return frame(columns, native, index=pandas.Index(list(clusters), name="cluster"))
    return frame({"cluster": list(clusters), **columns}, native)


def unit_words(unit: str, clustered: bool) -> str:
    """Return what is left out, for titles."""
    return f"cluster of {unit}" if clustered else "row"


def without_row(row: int) -> Callable[[Block], Block]:
    """Return what takes a source row out of its block, once where it counts several times."""

    def change(block: Block) -> Block:
        places = np.flatnonzero(block.numbers == row)
        if not len(places):
            return block
        if block.frequency is None:
            return replace(block, weights=_put(block.weights, places, 0.0))
        fewer = np.maximum(block.frequency[places] - 1.0, 0.0)
        return replace(block, frequency=_put(block.frequency, places, fewer))

    return change


def without_cluster(groups: Grouping, code: int) -> Callable[[Block], Block]:
    """Return what takes the rows of a cluster out of a block."""

    def change(block: Block) -> Block:
        places = np.flatnonzero(groups.of(block) == code)
        return replace(block, weights=_put(block.weights, places, 0.0)) if len(places) else block

    return change


def refits(
    fit: Fit,
    changes: Sequence[Callable[[Block], Block]],
    unit: str,
    *,
    progress: bool | None,
    names: Sequence[str] = (),
) -> Refits:
    """Return the fits of changed rows, each from the estimate on; an interruption keeps what is done.

    Parameters
    ----------
    changes : what is done to every block, one for each fit.
    unit : what the bar counts.
    progress : show it; None shows it on a terminal if it takes more than two seconds.
    names : columns of the data that the changes read.
    """
    held, coef = frame_of(fit, "The deletion of rows").reading(names), fit.estimate.coef
    found: list[tuple[Array, str, str]] = []
    interrupted = False
    try:
        for change in track(changes, len(changes), f"without each {unit}", progress):
            one = _refit(fit, held.changed(change))
            found.append(one)
    except KeyboardInterrupt:
        interrupted = True
    changed = np.array([values for values, _, _ in found]).reshape(len(found), len(coef))
    with np.errstate(invalid="ignore"):
        moved = coef - changed
    notes = [f"interrupted: {len(found):,} of {len(changes):,} are done"] if interrupted else []
    failures = [why for _, _, why in found if why]
    if failures:
        notes.append(f"{len(failures):,} failed, the first because: {failures[0]}")
    status = tuple(status for _, status, _ in found)
    return Refits(changed, moved, _cooks(fit, moved), status, tuple(notes))


def _refit(fit: Fit, held: Any) -> tuple[Array, str, str]:
    """Coefficients, status and reason of failure."""
    start = None if fit.estimate.directions else np.nan_to_num(fit.estimate.theta)
    try:
        estimate = fit_nearby(fit, held, start)
        coef = determined(fit, held, estimate)
    except GlmstatError as error:
        return np.full(len(fit.columns), np.nan), "failed", str(error)
    if not estimate.rows:
        return np.full(len(fit.columns), np.nan), "failed", "no row is left."
    return coef, "aliased" if loses_column(fit, estimate) else estimate.convergence.status, ""


def _cooks(fit: Fit, change: Array) -> Array:
    """Change' J change / (p φ) of each row of changes (m, p); NaN where a coefficient has no value."""
    known = np.isfinite(fit.estimate.coef)
    root = fit.estimate.information.inverse_root[known]
    out = np.full(len(change), np.nan)
    whole = np.isfinite(change[:, known]).all(axis=1)
    if len(root) and root.shape[0] == root.shape[1] and np.isfinite(root).all():
        step = np.linalg.solve(root, change[whole][:, known].T)
        with np.errstate(all="ignore"):
            out[whole] = np.sum(step**2, axis=0) / (fit.dispersion * fit.estimate.rank)
    return out


def _put(values: Array, places: Any, new: Any) -> Array:
    out = np.array(values, dtype=np.float64)
    out[places] = new
    return out
