"""What a network gains: its deviance out of fold beside that of the GLM without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from glmstat.array import Array, IntArray, quiet
from glmstat.errors import DataError
from glmstat.likelihood.base import GLM
from glmstat.table import Native
from glmstat.text.layout import count
from glmstat.text.listing import Listing

__all__ = ["Gain", "gain", "out_of_fold"]


@dataclass(frozen=True, eq=False, repr=False)
class Gain(Listing):
    """Deviances out of fold of a GLM and a network, and their difference, printed as a table.

    Parameters
    ----------
    difference : deviance of the GLM minus that of the network; positive where the network predicts better.
    std_error : of the difference, paired over rows or clusters.
    p_value : one-sided, of no gain.
    """

    difference: float = nan
    std_error: float = nan
    p_value: float = nan


def out_of_fold(folds: IntArray, refit: Callable[[NDArray[np.bool_]], Array]) -> Array:
    """Return predictors (n,), each by the fit to the rows of the other folds.

    Parameters
    ----------
    folds : (n,) number of each row's fold.
    refit : from the rows to fit, a mask (n,), to the predictors of all rows (n,).

    >>> y = np.array([1.0, 2.0, 3.0, 5.0])
    >>> out_of_fold(np.array([0, 0, 1, 1]), lambda used: np.full(4, y[used].mean())).tolist()
    [4.0, 4.0, 1.5, 1.5]
    """
    eta = np.full(len(folds), np.nan)
    for fold in np.unique(folds):
        held = folds == fold
        eta[held] = refit(~held)[held]
    return eta


def gain(
    likelihood: GLM,
    y: Array,
    weights: Array,
    network: Array,
    glm: Array,
    *,
    frequency: Array | None = None,
    clusters: IntArray | None = None,
    native: Native | None = None,
    title: tuple[str, ...] = (),
    folds: int | None = None,
) -> Gain:
    """Return the deviance that a network takes off that of the GLM, both out of fold.

    The difference D is a sum of n paired differences d; its variance is n/(n-1) sum (d - D/n)^2, of sums over
    clusters where rows are clustered. The test is one-sided: Student's t with n - 1 degrees of freedom. It
    is conditional on the fits: another seed or another cut into folds is another sample of networks.

    Parameters
    ----------
    likelihood : of the response.
    y, weights : (n,) responses and prior weights.
    network, glm : (n,) predictors of each row by fits that have not seen it, on the same folds.
    frequency : (n,) how often each row is counted; default once.
    clusters : (n,) number of each row's cluster; rows of one cluster are not independent.
    native : library of the frame that `to_frame` returns.
    title : lines above the table.
    folds : number of folds, for the note.

    Returns
    -------
    Gain, a table with rows glm, network and gain.

    Raises
    ------
    DataError : fewer than two rows or clusters.

    Source: Diebold & Mariano (1995), for independent rows; clusters: Liang & Zeger (1986).

    >>> from glmstat.families import Gaussian
    >>> y = np.array([1.0, 2.0, 3.0, 5.0, 8.0, 13.0])
    >>> found = gain(GLM(Gaussian()), y, np.ones(6), y + 0.5, np.full(6, y.mean()))
    >>> round(found.difference, 3), round(found.std_error, 3), round(found.p_value, 3)
    (99.833, 52.532, 0.058)
    """
    counts = np.ones(len(y)) if frequency is None else np.asarray(frequency, dtype=np.float64)
    used = (weights > 0) & (counts > 0)
    y, weights, counts = y[used], weights[used], counts[used]
    deviances = [counts * likelihood.deviance(y, eta[used][:, None], weights) for eta in (glm, network)]
    paired = deviances[0] - deviances[1]
    if clusters is None:
        units, centred = float(counts.sum()), _about_mean(paired, counts)
        what = "rows"
    else:
        groups = np.unique(clusters[used], return_inverse=True)[1]
        sums = np.asarray(np.bincount(groups, weights=paired), dtype=np.float64)
        units, centred, what = float(len(sums)), _about_mean(sums, np.ones(len(sums))), "clusters"
    if not units >= 2:
        raise DataError(f"gain needs at least two {what}: there is {units:.0f}. Use more data.")
    difference, std_error = float(paired.sum()), float(np.sqrt(units / (units - 1.0) * centred))
    statistic = difference / std_error if std_error > 0 else nan
    p_value = float(stdtr(units - 1.0, -statistic))
    totals = [float(deviance.sum()) for deviance in deviances]
    columns: dict[str, list[Any]] = {
        "deviance": [*totals, difference],
        "std_error": [None, None, std_error],
        "statistic": [None, None, statistic],
        "p_value": [None, None, p_value],
    }
    notes = _notes(totals, what, units, folds)
    heading = title or (f"Gain of the network out of fold · {count(int(counts.sum()), 'row')}",)
    rows = ("glm", "network", "gain")
    return Gain(heading, rows, columns, notes, native or Native(), "model", difference, std_error, p_value)


@quiet
def _about_mean(values: Array, counts: Array) -> float:
    """Sum of squares about the mean, of values (n,) that are sums of `counts` equal ones."""
    single = values / counts
    return float(counts @ np.square(single - values.sum() / counts.sum()))


def _notes(totals: list[float], what: str, units: float, folds: int | None) -> tuple[str, ...]:
    with np.errstate(all="ignore"):
        share = 100.0 * (totals[0] - totals[1]) / np.float64(totals[0])
    cut = "the same folds" if folds is None else f"the same {folds} folds"
    kept = (f"the gain is {share:.2g} % of the deviance of the GLM",) if np.isfinite(share) else ()
    return (
        f"each row by fits that have not seen it · GLM and network on {cut}",
        *kept,
        f"standard error paired over {units:,.0f} {what} · p-value one-sided, t({units - 1:g})",
    )
