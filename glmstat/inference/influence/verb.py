"""Influence: what the fit would be without a row, or without a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import fdtr, fdtri

from glmstat.call import Covariance, Values, Variable
from glmstat.data.parquet_writer import Written
from glmstat.errors import ArgumentError, DataError
from glmstat.inference.hat import (
    at_boundary,
    hat_root,
    known_coefficients,
    leverage,
    one_predictor,
    without_information,
)
from glmstat.inference.influence.change import moved
from glmstat.inference.influence.clusters import Deletions, cluster_rows, deletions
from glmstat.inference.influence.result import BoolArray, Influence, row_columns
from glmstat.inference.residual import RESIDUALS, deletion_scale, residual_rows, standardised, studentised
from glmstat.inference.rows import Rows, Target, rows_of_fit
from glmstat.inference.score import frame_of
from glmstat.inference.statement import need_effects
from glmstat.inference.variable import REMEDY, Grouping, grouping
from glmstat.matrix import Array, Block, IntArray
from glmstat.table import Native

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["ROW_MEASURES", "influence"]

ROW_MEASURES = (
    *("hat", "sigma", "std_resid_deviance", "std_resid_pearson", "student_resid"),
    *("cooks", "dffits", "covratio"),
)
_SIGNS = {
    "change": "decreasing link: dfbeta and dfbetas have the sign of the change, R's the opposite",
    "opposite": "decreasing link: dfbeta and dfbetas have the opposite sign of the change, as in R",
}
_BY_ROW = "cooks of Pearson, the others of deviance residuals, to first order, as R's influence.measures"
_EDGE = (
    "no hat values, nor what rests on them, where a mean lies at the boundary of its domain: "
    'deletion("exact") fits again'
)
_UNSOLVED = "no hat values, nor what rests on them: the solver ended where the fit has no standard errors"


def influence(
    fit: Fit,
    data: Any = None,
    by: Variable | Sequence[Variable] | None = None,
    to: Any = None,
    overwrite: bool = False,
) -> Influence | Written:
    """Return what each row, or each cluster, does to the fit, in one pass over the rows; or write it.

    Parameters
    ----------
    data : the data of the fit, where the fit holds none.
    by : names, expressions or arrays that group the rows; the deletion of whole clusters then, to first
        order: (J - J_g)⁻¹ U_g, of information J and score U.
    to, overwrite : a Parquet file that the rows of `to_frame()` go to, in two passes.

    Raises
    ------
    ArgumentError : a model with several predictors, or `by` that is no name, expression or array.
    ColumnError, DataError : `by` is not there, has missing values, or makes one group of all rows.

    Source: Belsley, Kuh & Welsch (1980), Pregibon (1981), Williams (1987); numbers of rows as R's
    influence.measures, rstandard and rstudent.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}, "poisson")
    >>> influence(fit).cooks.round(4).tolist()
    [0.0017, 0.0078, 0.0003, 0.002, 0.0192]
    """
    if data is not None:
        fit = fit.with_data(data)
    need_effects(fit, "influence()", "Take residuals(), or write the factors as terms.")
    target = Target.of(fit, to, overwrite)
    if by is None:
        return _of_rows(fit) if target is None else _write_rows(fit, target)
    if target is not None:
        raise ArgumentError("to= writes the influence of rows: by= groups them. Take to_frame() of clusters.")
    return _of_clusters(fit, by)


# ---------------------------------------------------------------- rows


@dataclass(frozen=True, eq=False)
class _Measured:
    """What rows do to a fit, made of the values of some of them.

    Parameters
    ----------
    nothing : why there are no hat values, "" where there are.
    deviations : standard errors of the coefficients for dispersion 1 (p,), NaN where unknown.
    """

    fit: Fit
    root: Array
    known: BoolArray
    nothing: str
    deviations: Array

    @classmethod
    def of(cls, fit: Fit) -> _Measured:
        root, known = _root(fit), known_coefficients(fit)
        deviations = np.where(known, np.linalg.norm(root, axis=1), np.nan)
        return cls(fit, root, known, _nothing(fit), deviations)

    def rows(self) -> Rows:
        """Return measures, sign, frequency and changes of the rows, not yet computed."""
        width = len(ROW_MEASURES) + 2 + len(self.known)

        def values(block: Block) -> Array:
            if self.nothing:
                return _no_values(block, width)
            return _row_values(self.fit, block, self.root, self.known)

        return rows_of_fit(self.fit, "influence", values, width=width)

    def total(self) -> int:
        """Return the number of rows with a hat value, by a pass."""
        if self.nothing:
            return 0

        def kernel(block: Block) -> float:
            used = leverage(self.fit, block, self.root).hat > 0
            return float(block.frequencies[used].sum())

        return round(frame_of(self.fit, "influence").reduce(kernel))

    def split(self, values: Array) -> tuple[dict[str, Array], Array, Array]:
        """Return measures, changes and changes in standard errors from the values of rows (m, …)."""
        measures, dfbeta = dict(zip(ROW_MEASURES, values.T, strict=False)), values[:, len(ROW_MEASURES) + 2 :]
        with np.errstate(all="ignore"):
            dfbetas = dfbeta / (measures["sigma"][:, None] * self.deviations)
        dfbetas[~np.isfinite(dfbetas)] = np.nan
        return measures, dfbeta, dfbetas

    def flags(
        self, measures: Mapping[str, Array], dfbetas: Array, total: int
    ) -> tuple[dict[str, BoolArray], tuple[str, ...]]:
        """Return the marks of rows by measure, and the rules in words, for `total` rows with a hat value."""
        if self.nothing:
            return {"hat": np.zeros(len(dfbetas), dtype=bool)}, (self.nothing,)
        flags, rules = _row_flags(measures, dfbetas, total, self.fit.estimate.rank)
        return flags, (*rules, _BY_ROW, *_held(self.fit))


def _held(fit: Fit) -> Iterator[str]:
    """The parameter of the family that stays where it is."""
    shape = fit.estimate.shape
    if shape is not None:
        yield f'{shape.name} held at its estimate; deletion("exact") estimates it without each row'


def _of_rows(fit: Fit) -> Influence:
    measured = _Measured.of(fit)
    rows = measured.rows().whole()
    measures, dfbeta, dfbetas = measured.split(rows.values)
    falling, counts = rows.values[:, len(ROW_MEASURES)], rows.values[:, len(ROW_MEASURES) + 1]
    total = round(float(counts[measures["hat"] > 0].sum()))
    flags, notes = measured.flags(measures, dfbetas, total)
    if (falling == 1).any():
        notes = (*notes, _SIGNS[fit.convention.dfbeta])
    labels = rows.native.index if rows.native.index is not None else rows.numbers
    inside = ~np.isnan(counts)
    return Influence(
        *(fit, "row", labels, rows.numbers, measures, dfbeta, dfbetas, flags, notes, rows.native, inside)
    )


def _write_rows(fit: Fit, target: Target) -> Written:
    measured = _Measured.of(fit)
    total = measured.total()

    def columns(numbers: IntArray, values: Array) -> dict[str, Any]:
        measures, dfbeta, dfbetas = measured.split(values)
        flags, _ = measured.flags(measures, dfbetas, total)
        return row_columns(fit.columns, measures, dfbeta, dfbetas, np.any(list(flags.values()), axis=0))

    facts = {"formula": fit.formula, "unit": "row", "sign": fit.convention.dfbeta}
    return measured.rows().write(target, columns, facts)


def _root(fit: Fit) -> Array:
    """L (p, q) of `hat_root`; nothing at a boundary, where no row has a hat value."""
    one_predictor(fit, "influence", 'Take vcov="jackknife", or refit without the rows by subset=.')
    if not _nothing(fit):
        return hat_root(fit)
    return np.zeros((len(fit.columns), 0))


def _nothing(fit: Fit) -> str:
    """Why there are no hat values, "" where there are."""
    if at_boundary(fit):
        return _EDGE
    return _UNSOLVED if without_information(fit) else ""


def _no_values(block: Block, width: int) -> Array:
    """What `_row_values` gives where there are no hat values."""
    out = np.full((len(block.y), width), np.nan)
    out[:, len(ROW_MEASURES) + 1] = block.frequencies
    return out


def _row_values(fit: Fit, block: Block, root: Array, known: BoolArray) -> Array:
    """Measures, whether the link falls, frequency, and dfbeta of the rows of a block."""
    rows = leverage(fit, block, root)
    hat, rank = rows.hat, fit.estimate.rank
    deviance, pearson = (residual_rows(fit, RESIDUALS[kind], block) for kind in ("deviance", "pearson"))
    scale = deletion_scale(fit, deviance, hat, block.total)
    left, falling = 1.0 - hat, rows.gradient * deviance < 0
    used = np.where(falling, -deviance, deviance) if fit.convention.dfbeta == "change" else deviance
    out = np.empty((len(hat), len(ROW_MEASURES) + 2 + len(known)))
    with np.errstate(all="ignore"):
        deviations = np.sqrt(fit.deviance / fit.df_residual) if fit.df_residual > 0 else np.nan
        columns = (
            hat,
            scale,
            standardised(fit, deviance, hat),
            standardised(fit, pearson, hat),
            studentised(fit, deviance, pearson, hat, scale),
            (pearson / left) ** 2 * hat / (fit.dispersion * rank),
            deviance * np.sqrt(hat) / (scale * left),
            (scale / deviations) ** (2 * rank) / left,
            falling,
            block.frequencies,
        )
        out[:, : len(columns)] = np.column_stack(columns)
        step = rows.projected * (np.sqrt(rows.information) * used / left)[:, None]
    out[~np.isfinite(out)] = np.nan
    out[:, len(columns) :] = moved(rows, step, root, known)
    return out


def _row_flags(
    measures: Mapping[str, Array], dfbetas: Array, n: int, k: int
) -> tuple[dict[str, BoolArray], tuple[str, ...]]:
    """Marks of R's influence.measures (m,), and the rules in words."""
    blank = np.zeros(len(dfbetas), dtype=bool)
    if n <= k or k == 0:
        return {"hat": blank}, (f"nothing is flagged: {n} rows with hat > 0, {k} coefficients",)
    fits, ratio, hat = 3.0 * np.sqrt(k / (n - k)), 3.0 * k / (n - k), 3.0 * k / n
    with np.errstate(invalid="ignore"):
        flags = {
            "hat": measures["hat"] > hat,
            "cooks": fdtr(k, n - k, measures["cooks"]) > 0.5,
            "dffits": np.abs(measures["dffits"]) > fits,
            "covratio": np.abs(1.0 - measures["covratio"]) > ratio,
            "dfbetas": (np.abs(dfbetas) > 1.0).any(axis=1),
        }
    rules = (
        f"flagged: hat > 3k/n = {hat:.3g} · cooks > median of F({k}, {n - k}) = {_median(k, n):.3g}"
        f" · |dffits| > 3 (k/(n-k))^½ = {fits:.3g} · |1 - covratio| > 3k/(n-k) = {ratio:.3g}"
        " · any |dfbetas| > 1"
    )
    return flags, (rules,)


def _median(k: int, n: int) -> float:
    return float(fdtri(k, n - k, 0.5))


# ---------------------------------------------------------------- clusters


def _variables(by: Any) -> tuple[Variable, ...]:
    """The variables that `by` names or holds."""
    several = isinstance(by, (tuple, list))
    empty = (isinstance(by, str) and not by.strip()) or (several and not len(by))
    if empty or not (isinstance(by, (str, Values)) or hasattr(by, "__len__")):
        raise ArgumentError(
            f"by must be names, expressions or arrays: {by!r}. Write by='firm' with the name of a column, or "
            "leave it out for the rows."
        )
    return Covariance(cluster=by).cluster


def _of_clusters(fit: Fit, by: Variable | Sequence[Variable]) -> Influence:
    groups = grouping(fit, _variables(by), "by", remedy=REMEDY)
    if groups.count < 2:
        raise DataError(
            f"Clusters must be two or more: by '{groups.text}' has {groups.count} in the rows of the fit. "
            "Leave by= out, or use another variable."
        )
    root, known, nothing = _root(fit), known_coefficients(fit), _nothing(fit)
    found = _no_deletions(fit, groups) if nothing else deletions(fit, groups, root)
    rows, hat, cooks, change, alone = found
    change[:, ~known] = np.nan
    deviations = np.sqrt(fit.dispersion) * np.linalg.norm(root, axis=1)
    with np.errstate(all="ignore"):
        dfbetas = change / deviations
    n, k = fit.nobs, fit.estimate.rank
    with np.errstate(invalid="ignore"):
        marked = fdtr(k, n - k, cooks) > 0.5 if n > k > 0 else np.zeros(len(cooks), dtype=bool)
        flags = {"cooks": marked, "dfbetas": (np.abs(dfbetas) > 1.0).any(axis=1)}
    notes = ["one-step deletion of whole clusters · dfbetas in standard errors of the fit, classical"]
    if nothing:
        notes = [nothing]
    elif n > k > 0:
        notes.append(f"flagged: cooks > median of F({k}, {n - k}) = {_median(k, n):.3g} · any |dfbetas| > 1")
    if alone.any():
        one = alone.sum() == 1
        notes.append(
            f"{alone.sum():,} of {groups.count:,} clusters {'is' if one else 'are'} all there is about some "
            f"coefficient, which has no value without {'it' if one else 'them'}"
        )
    measures = {"rows": rows, "hat": hat, "cooks": cooks}
    native = Native(fit.native.library)
    places = np.arange(groups.count)
    return Influence(
        fit,
        groups.text,
        groups.labels,
        places,
        measures,
        change,
        dfbetas,
        flags,
        tuple(notes),
        native,
        np.ones(groups.count, dtype=bool),
        groups,
    )


def _no_deletions(fit: Fit, groups: Grouping) -> Deletions:
    """What `deletions` gives where there are no hat values."""
    blank = np.full(groups.count, np.nan)
    change = np.full((groups.count, len(fit.columns)), np.nan)
    return Deletions(cluster_rows(fit, groups), blank, blank, change, np.zeros(groups.count, dtype=bool))
