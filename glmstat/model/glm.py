"""Generalised linear models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from glmstat.call import Call, Covariance
from glmstat.control import Control
from glmstat.convention import Convention
from glmstat.families import Family
from glmstat.fit import Fit, fit_model
from glmstat.likelihood.base import as_likelihood
from glmstat.links import Link

__all__ = ["glm"]


def glm(
    formula: str,
    data: Any,
    family: str | Family | type[Family] = "gaussian",
    *,
    link: str | Link | type[Link] | None = None,
    offset: Any = None,
    exposure: Any = None,
    weights: Any = None,
    freq_weights: Any = None,
    sampling_weights: Any = None,
    subset: Any = None,
    na_action: Literal["drop", "exclude", "raise"] = "drop",
    contrasts: Any = None,
    context: Any = None,
    predictors: Mapping[str, str] | None = None,
    prior: Any = None,
    method: Literal["ml", "moments", "firth", "median_br", "jeffreys"] = "ml",
    vcov: str | Covariance = "classical",
    dispersion: float | Literal["pearson", "deviance", "ml"] | None = None,
    event: Any = None,
    compat: str | Convention = "glmstat",
    start: Any = None,
    allow_python: bool = False,
    control: Control = Control(),
) -> Fit:
    """Return the maximum likelihood fit of a generalised linear model.

    g(mu) = offset + X coef, Var(y) = dispersion V(mu) / weights.

    Every data-like argument is the name of a column, an expression in columns, or an array with a value
    per row (names and expressions only where the data are Dask's); a row with a missing value in any of
    them is left out of all.

    Parameters
    ----------
    formula : response ~ terms, in R's or formulaic's spelling. The response is an expression, or
        `cbind(successes, failures)`; `offset(log(t))` adds log(t) with coefficient 1. Factors behind a bar,
        `y ~ x | firm + year`, have an effect for each level that is no coefficient: `fit.absorbed`.
    data : in memory a pandas or Polars DataFrame, pyarrow Table, or mapping of arrays (n rows); read block by
        block a file, folder, pattern or list of files, Parquet or CSV, a pyarrow Dataset, any Arrow stream, a
        Polars LazyFrame, DuckDB relation, or function that returns an iterator of batches; or a Dask
        DataFrame, whose partitions are summed where they lie.
    family : name ("poisson", "negative_binomial(2)", "tweedie(1.6)"), class or instance; theta of
        "negative_binomial" and p of "tweedie" are estimated.
    link : name ("log", "power(1/3)"), class or instance; default the family's, as in R.
    offset : (n,) added to the linear predictor, on top of any in the formula.
    exposure : (n,) > 0; its logarithm is an offset. Needs the log link.
    weights : (n,) >= 0, prior weights: the variance of a row is divided by its weight; for proportions
        the number of trials.
    freq_weights : (n,) whole numbers: how often each row is counted, as if repeated.
    sampling_weights : (n,) >= 0, inverse sampling probabilities: standard errors are HC0, and
        log-likelihood and AIC are refused.
    subset : (n,) true for the rows to use; applied before levels, knots and scales are learned.
    na_action : rows with missing values are left out ("drop"), left out but NaN in results per row
        ("exclude"), or refused ("raise").
    contrasts : coding by column: {"f": "sum"}, or a matrix (levels, columns).
    context : numbers, arrays and functions that the formula may name besides columns.
    predictors : formulas of the family's other parameters: {"theta": "~ z"}; on the log scale.
    prior : of the coefficients: "weak" (scaled by the spread of the columns), or a mapping from columns,
        terms and "*" (all but the intercept) to priors: {"x": normal(0, 2.5), "f": "t(3, 0, 1)"}, on the
        scale of the coefficient; the table is that of the posterior's mode.
    method : "ml"; bias reduction "firth" (of the mean), "median_br", "jeffreys" (the maximum penalised by
        Jeffreys' prior), finite under separation; "moments" for theta of negative_binomial.
    vcov : what standard errors come from: "classical", a kind ("HC3"), clusters ("~firm + year"), both
        ("CR2 ~ firm"), or a Covariance. Rows in which its variables are missing are left out.
    dispersion : default 1 for binomial, Poisson and negative binomial, else "pearson"; "deviance", "ml",
        or a number. Under bias reduction the default is its adjusted score's root where the family has one.
    event : the level of a text, categorical or boolean response whose probability is modelled; default
        the second of two.
    compat : "glmstat", or another system whose choices are taken: "R", "stata", "statsmodels", "sas" (names,
        reference level, dispersion, likelihood, AIC, standard errors, quantiles), or a `Convention`.
        `explain_difference` says what they move; what the call asks for itself goes before them.
    start : (p,) coefficients to start from, or a mapping by name; default the solver's own.
    allow_python : evaluate what the formula language refuses as Python. Only for formulas you trust.
    control : how it is computed: tolerance, solver, threads, memory, checkpoints, progress.

    Returns
    -------
    Fit, converged or not: a fit that is separated, at a boundary or not converged carries the status and
    warns.

    Raises
    ------
    FormulaError, ColumnError, DataError, DomainError, ArgumentError : wrong input, each with the place.

    Source: McCullagh & Nelder (1989); conventions as R's glm.

    >>> import glmstat
    >>> data = {"y": [2, 3, 6, 7, 8, 9, 10, 12, 15], "x": [-1, -1, 0, 0, 0, 0, 1, 1, 1]}
    >>> fit = glmstat.glm("y ~ x", data, "poisson")
    >>> print(round(fit.coef["x"], 4), round(fit.deviance, 4))
    0.6698 2.9387
    """
    return fit_model(Call("glm", dict(locals())), as_likelihood(family, link))
