"""What is added to the score: sums over blocks of the rows' hat values times derivatives of their means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glmstat.array import silence
from glmstat.matrix import Array, Block
from glmstat.workspace import Run, Workspace

__all__ = ["Adjustment", "adjustment"]


@dataclass(frozen=True, eq=False)
class Adjustment:
    """Sums of one pass, for dispersion 1.

    Parameters
    ----------
    score : (q,) what the score is adjusted by.
    shift : (q,) what each coefficient of the columns as given is moved by besides; 0 but for the median.
    deviance, pearson : totals at the point; NaN where they were not asked for.
    """

    score: Array
    shift: Array
    deviance: float = np.nan
    pearson: float = np.nan

    def __add__(self, other: Adjustment) -> Adjustment:
        return Adjustment(
            self.score + other.score,
            self.shift + other.shift,
            self.deviance + other.deviance,
            self.pearson + other.pearson,
        )


def adjustment(workspace: Workspace, gamma: Array, root: Array, method: str, *, facts: bool) -> Adjustment:
    """Return the adjustment of the score at gamma.

    With h the hat values, mu' and mu'' the derivatives of the mean in eta and g = d log V / d eta:
    "firth" and "median_br" add X'(h mu''/mu') / 2, "jeffreys" X'h(2 mu''/mu' - g) / 2. For the median each
    coefficient j moves by F_j' X'(h_j (g / 6 - mu''/(2 mu'))) besides, F the inverse information and h_j the
    share of the hat values that is along its column F_j.

    Parameters
    ----------
    root : L (q, q) with L L' the inverse of the expected information at gamma.
    method : "firth", "median_br", "jeffreys".
    facts : whether deviance and Pearson chi-squared are wanted.

    Source: Kosmidis, Kenne Pagui & Sartori (2020), Statistics and Computing 30, 43-59, equations 6 to 9.
    """
    columns, sizes = None, np.ones(workspace.size)
    if method == "median_br":
        across = workspace.scaling.times(root)  # rows T L: errors of the coefficients as given
        columns, sizes = root @ across.T, np.einsum("ij,ij->i", across, across)

    def kernel(block: Block) -> Adjustment:
        found = Adjustment(np.zeros(workspace.size), np.zeros(workspace.size), *([0.0] * 2 * facts))
        with silence():
            for run in workspace.runs(block, gamma):
                found = found + _of_run(workspace, run, root, method, columns, facts=facts)
        return found

    found = workspace.frame.reduce(kernel)
    return Adjustment(found.score, found.shift / sizes, found.deviance, found.pearson)


def _of_run(
    workspace: Workspace, run: Run, root: Array, method: str, columns: Array | None, *, facts: bool
) -> Adjustment:
    likelihood = workspace.likelihood
    family, eta = likelihood.family, run.eta[:, 0]
    rows = likelihood.rows(run.y, run.eta, run.weights, information="expected")
    assert rows.expected is not None
    information = np.where(run.weights > 0, rows.expected[:, 0, 0], 0.0)
    projected = root.T @ run.columns
    hat = information * np.einsum("ij,ij->j", projected, projected)
    bend = np.broadcast_to(family.link.relative(eta)[1], eta.shape)
    factor = 2.0 * bend - family.variance_growth(eta) if method == "jeffreys" else bend
    score = run.columns @ _product(0.5 * hat, factor)
    shift = np.zeros(workspace.size)
    if columns is not None:
        third = _product(information, family.variance_growth(eta) / 6.0 - 0.5 * bend)
        shift = (columns.T @ run.columns) ** 3 @ third
    if not facts:
        return Adjustment(score, shift)
    used = run.weights > 0
    deviance, pearson = (
        float(sums(run.y, run.eta, run.weights)[used].sum())
        for sums in (likelihood.deviance, likelihood.pearson)
    )
    return Adjustment(score, shift, deviance, pearson)


def _product(weights: Array, values: Array) -> Array:
    """Products, 0 where the weight is 0 though the value overflows."""
    return np.where(weights == 0.0, 0.0, weights * values)
