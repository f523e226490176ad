"""Verbs that give another fit, or keep one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmstat.call import KEEP

if TYPE_CHECKING:
    from os import PathLike

    from glmstat.fit import Fit

__all__ = ["refit", "save", "update", "with_data"]


def with_data(
    self: Fit,
    data: Any,
    *,
    offset: Any = KEEP,
    exposure: Any = KEEP,
    weights: Any = KEEP,
    freq_weights: Any = KEEP,
    sampling_weights: Any = KEEP,
    subset: Any = KEEP,
) -> Fit:
    """Return the same fit holding its rows again, after loading or copying it without.

    Parameters
    ----------
    data : the data of the fit.
    offset, exposure, weights, freq_weights, sampling_weights, subset : as in the call, where they were
        arrays: these are not kept. What is left out stays.

    Raises
    ------
    ArgumentError : an array of the call is not given again.
    DataError : `data` or the arrays are not those of the fit.
    """
    words = {name: value for name, value in locals().items() if name != "self"}
    from glmstat.inference.again import with_data

    return with_data(self, words)


def refit(self: Fit, data: Any = KEEP, *, weights: Any = KEEP, offset: Any = KEEP, subset: Any = KEEP) -> Fit:
    """Return the same model fitted to other data, or with other weights, offset or subset.

    Parameters
    ----------
    data : default the rows of the fit.
    weights, offset, subset : as in the call; what is left out stays.
    """
    from glmstat.inference.again import refit

    return refit(self, {"data": data, "weights": weights, "offset": offset, "subset": subset})


def update(
    self: Fit,
    formula: str = KEEP,
    *,
    data: Any = KEEP,
    family: Any = KEEP,
    link: Any = KEEP,
    weights: Any = KEEP,
    offset: Any = KEEP,
    exposure: Any = KEEP,
    subset: Any = KEEP,
    vcov: Any = KEEP,
    dispersion: Any = KEEP,
    compat: Any = KEEP,
    predictors: Any = KEEP,
    prior: Any = KEEP,
    method: Any = KEEP,
) -> Fit:
    """Return the fit of a changed call; what is left out stays.

    Parameters
    ----------
    formula : new formula, in which a lone `.` stands for what stood on that side: `". ~ . + z"`.
    data, family, link, weights, offset, exposure, subset, vcov, dispersion, compat, predictors, prior :
        as in the call. A new family without `link` takes its own default link. Networks are trained again,
        with the other arguments of `rglm` as they were.
    method : as in the call.

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}
    >>> glmstat.glm("y ~ 1", data, "poisson").update(". ~ . + x").columns
    ('Intercept', 'x')
    """
    words = {name: value for name, value in locals().items() if name != "self"}
    from glmstat.inference.again import update

    return update(self, words)


def save(self: Fit, path: str | PathLike[str], *, context: tuple[str, ...] = ()) -> None:
    """Write the fit, without its rows, to one file that `glmstat.load` reads.

    Of networks the weights are kept, and out-of-fold predictors; the scores of a cross-fitted table are not,
    so another `vcov` must be taken before.

    Parameters
    ----------
    path : of the file; it is replaced in one step, or not at all, and never one of the data.
    context : names of user-defined families, links and context entries that the file cannot hold and
        that `load(path, context={...})` will be given.

    Raises
    ------
    FileError : no place for a file, or one of the data; something user-defined that `context` does not
        name, or Python in the formula.
    """
    from glmstat.persist import save

    save(self, path, context)
