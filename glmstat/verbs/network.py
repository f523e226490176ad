"""Verbs of fits with networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from glmstat.errors import ArgumentError

if TYPE_CHECKING:
    from glmstat.call import Covariance
    from glmstat.fit import Fit
    from glmstat.inference.misfit.result import ScoreTests
    from glmstat.network_fit import NetworkFit
    from glmstat.neural.curve import LearningCurve
    from glmstat.neural.effects import Effects
    from glmstat.neural.gain import Gain
    from glmstat.text.listing import Listing

__all__ = [
    "as_glm",
    "collapse",
    "effects",
    "extend",
    "features",
    "gain",
    "learning_curve",
    "manifest",
    "predict",
    "refit_output",
    "relativities",
    "residuals",
    "score_test_nn",
    "with_vcov",
]


def extend(self: Fit, term: str, **words: Any) -> Fit:
    """Return the same model with a network beside its terms, by `rglm`.

    Parameters
    ----------
    term : what is added: ``"nn(age, power)"``.
    words : arguments of `rglm`: inference, folds, nets, seed, prior and so on.

    Returns
    -------
    NetworkFit; family, link, offset, weights and subset are those of this fit.

    Raises
    ------
    ArgumentError : `term` is no text.
    FormulaError : a term that is no network.
    DataError : the fit holds no rows; take `with_data(data)` first.
    """
    if not isinstance(term, str):
        raise ArgumentError(
            f"extend() takes a network to add, as text: got {type(term).__name__}. "
            "Write extend('nn(age, power)'), or refit(data) for other rows."
        )
    from glmstat.neural.again import extend

    return extend(self, term, words)


def with_vcov(self: NetworkFit, vcov: str | Covariance | None, *, data: Any = None) -> NetworkFit:
    """Return the same fit with another covariance in every table.

    Parameters
    ----------
    vcov, data : as in `vcov`.

    Raises
    ------
    ArgumentError : a kind that the statement of the fit does not cover, or clusters that the folds cut.
    DataError : a kind that is not in the file that the fit was loaded from.
    """
    from glmstat.inference.covariance import choose
    from glmstat.neural.held_out import check_uncut, need_scores
    from glmstat.verbs.table import with_vcov

    need_scores(self, choose(self, vcov))
    chosen = choose(self, vcov)
    if chosen != self.covariance:
        check_uncut(self, chosen)
    return cast("NetworkFit", with_vcov(self, vcov, data=data))


def score_test_nn(
    self: NetworkFit,
    *variables: str,
    method: str = "omnibus",
    activation: str = "tanh",
    vcov: str | Covariance | None = None,
    seed: int = 1,
    units: int = 128,
    data: Any = None,
) -> ScoreTests:
    """Return score tests of whether the GLM without the networks misses anything; as that of a GLM.

    Parameters
    ----------
    variables : default the inputs of the networks.
    method, activation, vcov, seed, units, data : as for a GLM.
    """
    from glmstat.neural.held_out import clusters_of
    from glmstat.neural.layout import network_inputs
    from glmstat.neural.linear import without_networks

    names = variables or tuple(part.text for part in network_inputs(self.spec.design))
    glm = without_networks(self, data)
    if vcov is None:
        vcov = clusters_of(self)
    return glm.score_test_nn(*names, method=method, activation=activation, vcov=vcov, seed=seed, units=units)


def predict(
    self: NetworkFit,
    newdata: Any = None,
    *,
    type: str = "response",
    se_fit: bool = False,
    interval: str | None = None,
    level: float = 0.95,
    offset: Any = None,
    exposure: Any = None,
    new_levels: str = "raise",
    oof: bool = False,
) -> Any:
    """Return predictions of the network for new rows, in their order, on their index.

    The offset is evaluated again from `newdata`. Rows with missing values are NaN.

    Parameters
    ----------
    newdata : table with the columns of the right side; default the rows of the fit.
    type : "response" (the mean), "link" (the predictor), "terms" (each term's part, centred; a network's
        with its skip) or "features" (the units of the last hidden layers).
    se_fit : add the standard error of the mean or predictor, by the full generalised Gauss-Newton matrix.
    interval : "confidence" for the mean: approximate (Laplace), without the bias of the network;
        "prediction" for a new response: split conformal, from out-of-fold rows.
    level, offset, exposure, new_levels : as for a GLM.
    oof : predict each row of the fit by networks that did not see it.

    Returns
    -------
    A series named by `type`; a table with estimate[, std_error][, conf_low, conf_high] where more is asked
    for; a table with a column per term or feature.

    Raises
    ------
    ColumnError : a column, or that of the offset, is not in `newdata`.
    DataError : an unseen level; a fit without rows where they are needed: take `with_data(data)` first.
    ArgumentError : out-of-fold predictions of a fit that was not cross-fitted.

    Warns
    -----
    ExtrapolationWarning : inputs outside the range of the rows of the fit.

    Source: MacKay (1992) for the interval of the mean; Lei et al. (2018) for split conformal intervals.
    """
    from glmstat.neural.predict import predict

    return predict(
        self,
        newdata,
        type=type,
        se_fit=se_fit,
        interval=interval,
        level=level,
        offset=offset,
        exposure=exposure,
        new_levels=new_levels,
        oof=oof,
    )


def residuals(self: NetworkFit, type: str = "deviance", *, oof: bool = False, data: Any = None) -> Any:
    """Return residuals of the rows of the fit from the network, on the caller's index.

    Parameters
    ----------
    type : "deviance", "pearson", "working" or "response", as those of a GLM.
    oof : from networks that did not see the row.
    data : the data of the fit, where the fit holds none.

    Raises
    ------
    ArgumentError : out-of-fold residuals of a fit that was not cross-fitted.
    """
    from glmstat.neural.predict import residuals

    return residuals(self, type, oof=oof, data=data)


def features(self: NetworkFit, newdata: Any = None) -> Any:
    """Return what the last hidden layers make of rows: a table with columns "nn1.h1", "nn1.h2", ….

    They are known up to order, sign and rotation only: another seed gives others.

    Parameters
    ----------
    newdata : default the rows of the fit.

    Raises
    ------
    DataError : rows of a fit that holds none; take `with_data(data)` first.
    """
    from glmstat.neural.predict import features

    return features(self, newdata)


def effects(
    self: NetworkFit,
    variable: str,
    *,
    method: Literal["pdp", "ale"] = "pdp",
    type: Literal["response", "link"] = "response",
    points: int = 20,
    level: float = 0.95,
    data: Any = None,
) -> Effects:
    """Return what the mean, or its predictor, does along one variable, with bands.

    Averages are over the rows of the fit, or over 5,000 evenly spread ones where there are more.

    Parameters
    ----------
    variable : a column that the terms read.
    method : "pdp" sets it in every row and averages; "ale" adds up local differences, which leaves out
        combinations that the data do not have.
    type : scale of the effect.
    points : values of a numeric variable, at quantiles.
    level : coverage of the bands, pointwise: approximate (Laplace), without the bias of the network.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Effects: print it, or take `to_frame()` and `plot()`.

    Raises
    ------
    ColumnError : a column that no term reads.

    Source: Friedman (2001) for partial dependence; Apley & Zhu (2020) for accumulated local effects.
    """
    from glmstat.neural.effects import effects

    return effects(self, variable, method=method, type=type, points=points, level=level, data=data)


def relativities(self: NetworkFit, *, points: int = 8, level: float = 0.95, data: Any = None) -> Listing:
    """Return each variable's mean relative to its base, as insurers tabulate them.

    The base of a factor is its first level, of a number the value of the table next to its median.

    Parameters
    ----------
    points : values of a numeric variable, at quantiles.
    level : coverage of the intervals, as those of `effects`.
    data : the data of the fit, where the fit holds none.

    Raises
    ------
    ArgumentError : a link under which effects are no ratios.
    """
    from glmstat.neural.effects import relativities

    return relativities(self, points=points, level=level, data=data)


def gain(self: NetworkFit, *, data: Any = None) -> Gain:
    """Return how much the network gains: out-of-fold deviance beside that of the GLM on the same folds.

    Parameters
    ----------
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Gain: difference of the deviances, its paired standard error over rows or clusters, one-sided p-value.

    Raises
    ------
    ArgumentError : a fit that was not cross-fitted.
    """
    from glmstat.neural.held_out import gain

    return gain(self, data)


def learning_curve(self: NetworkFit) -> LearningCurve:
    """Return how training went: step, objective, held-out deviance, learning rate, size of the weights.

    Returns
    -------
    LearningCurve: print it, or take `to_frame()` and `plot()`.
    """
    from glmstat.neural.curve import learning_curve

    return learning_curve(self)


def as_glm(self: NetworkFit) -> Fit:
    """Return the output layer as a fit: a penalised GLM in the linear columns and the learned features.

    Its standard errors take the features as given: its table says so, and of its predictions it gives none.
    """
    return self.head


def refit_output(
    self: NetworkFit, *, family: Any = None, link: Any = None, vcov: str | Covariance = "classical"
) -> Fit:
    """Return a GLM, without penalty, in the linear columns and the features of this network.

    Parameters
    ----------
    family, link : of the new output layer; default those of the fit.
    vcov : its covariance, features taken as given.
    """
    from glmstat.neural.again import refit_output

    return refit_output(self, family, link, vcov)


def collapse(self: NetworkFit, *, refit: bool = False) -> Fit:
    """Return the GLM that a network with identity activations is, with its classical inference.

    Parameters
    ----------
    refit : fit the GLM even where a prior made the network another model.

    Raises
    ------
    ArgumentError : a layer that is not linear, which is named; a prior, unless `refit`.

    Source: W_z = W_L ... W_1, Golub & Van Loan (2013) for the products.
    """
    from glmstat.neural.again import collapse

    return collapse(self, refit=refit)


def manifest(self: NetworkFit) -> dict[str, Any]:
    """Return what is needed to make this fit again: call, seeds, versions, prior, facts; plain JSON."""
    from glmstat.neural.manifest import manifest

    return manifest(self)
