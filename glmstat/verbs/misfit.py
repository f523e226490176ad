"""The verb that asks what a fit may have missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmstat.call import Covariance
    from glmstat.fit import Fit
    from glmstat.inference.misfit.result import ScoreTests

__all__ = ["score_test_nn"]


def score_test_nn(
    self: Fit,
    *variables: str,
    method: str = "omnibus",
    activation: str = "tanh",
    vcov: str | Covariance | None = None,
    seed: int = 1,
    units: int = 128,
    data: Any = None,
) -> ScoreTests:
    """Return score tests of whether a network of some variables would find what the fit has missed.

    Nothing is trained: columns that a network could learn are chosen before the responses are seen, cleared
    of the columns of the fit, and their scores U compared with the covariance of U where nothing is missing.
    An offset is part of the predictor and no variable. What the columns of the fit span is dropped; df is
    what is left.

    Parameters
    ----------
    variables : names of columns, or expressions such as "log(age)"; numbers are standardised over the rows of
        the fit, factors enter with all levels. Default all columns that the terms read.
    method : "reset" (square and cube of the predictor), "terasvirta" or "quadratic" (the variables where the
        fit lacks them, squares, cross products), "lwg" (Lee, White and Granger: 3 leading components of 10
        logistic units), "kernel" (|U|² over many units), "omnibus" (RESET, quadratic and both kernels, by
        Cauchy combination), "all" (these and "lwg").
    activation : of method "kernel": "tanh" or "relu".
    vcov : "HC0" asks of the family only that its mean is right, "~firm" that clusters are independent too,
        "classical" trusts its variance; kinds with factors for small samples count without them. Default the
        clusters of the fit's covariance, else "HC0", but "classical" for quasi-likelihoods.
    seed : of the weights of units, which depend on no data.
    units : number of units of a kernel; powers of two spread best.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Table with a row per test: statistic, df, p_value; `p_value` is that of the last row, the omnibus test. A
    kernel's statistic is |U|² over its mean, its df the effective number of its weights. Where the dispersion
    is estimated, "classical" tests are those of the auxiliary regression: F, exact for the gaussian family.

    Raises
    ------
    ArgumentError : no variable, an unknown word, a model with several predictors.
    ColumnError, DataError : a name that the data do not have; missing, infinite or constant values.
    ComparisonError : a fit without residuals or with a mean at its bound, a covariance that is no sum over
        rows or clusters, directions that the fit spans or that are too many.

    Source: Ramsey (1969); Lee, White & Granger (1993), J. Econometrics 56, 269-290; Teräsvirta, Lin & Granger
    (1993), J. Time Series Analysis 14, 209-220; Boos (1992) for HC0; Lugannani & Rice (1980); Liu & Xie
    (2020).

    >>> import glmstat
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 60)
    >>> fit = glmstat.glm("y ~ x", {"y": np.round(3 * x**2 + np.sin(37 * x), 2), "x": x})
    >>> bool(fit.score_test_nn("x").p_value < 0.01)
    True
    """
    from glmstat.inference.misfit.verb import score_test_nn

    return score_test_nn(
        self,
        variables,
        method=method,
        activation=activation,
        vcov=vcov,
        seed=seed,
        units=units,
        data=data,
    )
