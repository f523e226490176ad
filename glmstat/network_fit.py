"""The result of `rglm`: a table that holds, and the network that predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from glmstat.errors import ComparisonError, GlmstatError
from glmstat.fit import Fit
from glmstat.matrix import Array, IntArray
from glmstat.verbs import network

if TYPE_CHECKING:
    from glmstat.neural.laplace import Laplace

__all__ = ["NetworkFit", "OutOfFold", "Record"]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictors of rows by networks that did not see them, and by the linear model on the same folds.

    Parameters
    ----------
    network, linear : eta (n,), offset included.
    fold : (n,) fold of each row.
    cluster : (n,) cluster of each row, or None.
    """

    network: Array
    linear: Array
    fold: IntArray
    cluster: IntArray | None = None


@dataclass(frozen=True, eq=False)
class Record:
    """How the networks of a fit came about; with the call, all that is needed to train them again.

    Parameters
    ----------
    prior : precision of the weights, for each network by name.
    dispersion, unit : of the training objective: output weights have precision prior / unit**2.
    ranges : least and largest value (2, d) of the inputs of each network, by name.
    history : learning curve: "step", "train", "held_out", "learning_rate", "weight_size", one row per step
        and, but for the step and the rate, one column per net.
    seed_sd : root mean square over rows of the difference of nets that differ in their seed only; no
        standard error. NaN with one net.
    facts : numbers that the lines below the table print, by name.
    out_of_fold : where rows were predicted by networks that did not see them.
    """

    prior: Mapping[str, float]
    dispersion: float
    unit: float
    ranges: Mapping[str, Array]
    history: Mapping[str, Array] = field(repr=False)
    seed_sd: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    out_of_fold: OutOfFold | None = field(default=None, repr=False)


def _refused(what: str) -> Callable[..., Any]:
    """Return a verb that says why it does not hold for a network."""

    def verb(self: NetworkFit, *arguments: Any, **words: Any) -> Any:
        from glmstat.inference.statement import need_likelihood

        need_likelihood(self, what)

    verb.__name__ = what
    verb.__doc__ = f"Refused: {what} does not hold beside a learned network."
    return verb


@dataclass(frozen=True, eq=False, repr=False)
class NetworkFit(Fit):
    """A GLM with networks among its terms.

    Coefficients, covariance, intervals and tests are those of the statement that `inference=` chose;
    predictions, residuals, deviance and log-likelihood are those of the network with its output layer.

    Parameters
    ----------
    head : the output layer, a penalised GLM in the linear columns and the learned features.
    record : how the networks were trained.
    """

    head: Fit = field(kw_only=True)
    record: Record = field(kw_only=True)

    @property
    def has_laplace(self) -> bool:
        """Whether the output layer has the prior of training, on the rows of the training."""
        statement = self.spec.statement
        return statement is None or statement.name != "split"

    @cached_property
    def laplace(self) -> Laplace:
        """Covariance of the predictor under the prior of training."""
        if not self.has_laplace:
            raise ComparisonError(
                'An error of the mean does not hold for inference="split": its output layer has no prior, on '
                'other rows than the features. Use another inference=, such as "debiased".'
            )
        from glmstat.neural.interval import whole_network

        return whole_network(self.head, self.record)

    @property
    def deviance(self) -> float:
        """Deviance of the network on the rows it was trained on."""
        return self.head.deviance

    @property
    def loglik(self) -> float:
        """Log-likelihood of the network on the rows it was trained on, penalty not counted."""
        return self.head.estimate.loglik

    @property
    def edf(self) -> float:
        """Effective number of parameters of the network under its prior; of several nets their mean."""
        return self.laplace.edf

    @property
    def null_deviance(self) -> float:
        """Deviance of intercept and offset."""
        return self.head.null_deviance

    @property
    def fitted(self) -> Any:
        """Means (n,) of the rows of the fit, by the network."""
        return self.head.fitted

    @property
    def parameters(self) -> int:
        """Refused, and with it AIC and BIC: weights under a prior are no parameters to count."""
        return _refused("A count of parameters, AIC or BIC,")(self)

    def __eq__(self, other: object) -> bool:
        same = super().__eq__(other)
        return same and self.head == other.head if isinstance(other, NetworkFit) else same

    def __getstate__(self) -> dict[str, Any]:
        if self.frame is not None and self.frame.large:
            from glmstat.inference.covariance import covariance_root
            from glmstat.neural.held_out import keep_calibration

            with suppress(GlmstatError):  # a copy without rows has no scores to make it of
                covariance_root(self)
                keep_calibration(self)
        return super().__getstate__()

    __hash__ = Fit.__hash__
    with_vcov = network.with_vcov
    score_test_nn = network.score_test_nn
    predict = network.predict
    residuals = network.residuals
    features = network.features
    effects = network.effects
    relativities = network.relativities
    gain = network.gain
    learning_curve = network.learning_curve
    as_glm = network.as_glm
    refit_output = network.refit_output
    collapse = network.collapse
    manifest = network.manifest
    anova = _refused("anova")
    drop1 = _refused("drop1")
    add1 = _refused("add1")
    step = _refused("step")
    profile = _refused("A profile")
    bootstrap = _refused("A bootstrap of the table")
    influence = _refused("influence")
    information_criteria = _refused("An information criterion")
    goodness_of_fit = _refused("A goodness-of-fit test")
    check = _refused("check")
    exact = _refused("exact")
