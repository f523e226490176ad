"""The result of a fit, and the one road that every model takes to it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import Call, Covariance, Spec, asked_dispersion, frame_for, start_values
from glmstat.convention import Convention, as_convention
from glmstat.data.passes import Passes, bare
from glmstat.data.source import Source
from glmstat.errors import ComparisonError, CovarianceWarning, GlmstatError, Note, outside
from glmstat.estimate import Estimate, Status
from glmstat.estimators import choose_estimator
from glmstat.frame import ModelFrame, beside_effects
from glmstat.likelihood.base import GLM
from glmstat.likelihood.several import with_predictors
from glmstat.matrix import Array
from glmstat.remedies import advice
from glmstat.solve.estimator import estimate_by
from glmstat.table import Native, frame, series
from glmstat.verbs import again, hypothesis, interval, misfit, network, parameter, prior, row, table
from glmstat.verbs import check as checks
from glmstat.verbs import convention as conventions
from glmstat.verbs import exact as exacts
from glmstat.verdict import remarks, warn

if TYPE_CHECKING:
    from glmstat.inference.shape.estimated import EstimatedShape

__all__ = ["Covariance", "Fit", "Spec", "fit_model", "sources"]


def fit_model(call: Call, likelihood: GLM) -> Fit:
    """Return the fit of a model: the road from the arguments to the result, the same for every model."""
    from glmstat.inference.covariance import RECIPES, as_covariance, need_robust, settled_by
    from glmstat.inference.statement import check_covered

    record = as_convention(call["compat"])
    likelihood = with_predictors(likelihood, call["predictors"])
    asked = as_covariance(call["vcov"])
    sampled, usual = call["sampling_weights"] is not None, asked == Covariance()
    if sampled and not usual:
        need_robust(asked)
    with Passes() as passes:
        frame = frame_for(call, likelihood, asked.variables, passes)
        passes.settle(frame.design.columns, frame.large)
        start = start_values(call["start"], frame.design.columns, frame.design.default_columns)
        estimator = choose_estimator(call, likelihood, frame)
        estimate = estimate_by(
            estimator,
            frame,
            likelihood,
            start=start,
            control=call["control"],
            dispersion=asked_dispersion(call, likelihood),
        )
        likelihood = estimate.likelihood or likelihood
        statement = None if estimator is None else estimator.statement(estimate, frame.design)
        if statement is not None:
            check_covered(statement, asked)
        kept = _without_checkpoint(call.without_data())
        library = frame.source.native.library
        spec = Spec(kept, frame.design, likelihood, kept["control"], library, statement, estimator)
        covariance = settled_by(spec, estimate, call["vcov"], record)
        if covariance.kind == "joint":
            from glmstat.inference.shape.joint import need_shape

            need_shape(estimate, estimator, likelihood)
        warn(estimate, frame.design.columns, stacklevel=4, advice=advice(spec, estimate))
        notes = (*frame.notes, *remarks(estimate, sandwich=sampled and usual))
        frame = beside_effects(frame, estimate)
        fit = _freeze(Fit(spec, estimate, covariance, notes, frame))
        plain = covariance.kind == "classical" and covariance.information == "expected"
        if not plain and not RECIPES[covariance.kind].refits:
            fit = _with_covariance(fit)
        if record.likelihood_dispersion != "own":
            _keep_likelihood(fit)
    return _unwatched(fit, frame)


def _keep_likelihood(fit: Fit) -> None:
    """Evaluate the log-likelihood where the convention says, while the rows are at hand."""
    from glmstat.inference.likelihood import loglik

    with suppress(ComparisonError):
        loglik(fit)


def sources(fit: Fit) -> tuple[Source, ...]:
    """Return where the rows of a fit are read from; nothing of a fit without rows."""
    frames = (fit.frame, getattr(getattr(fit, "head", None), "frame", None))
    return tuple(frame.source for frame in frames if frame is not None)


def _without_checkpoint(call: Call) -> Call:
    """The call as other fits take it over: a checkpoint belongs to one of them."""
    control = call["control"]
    return call if control.checkpoint is None else call.changed(control=replace(control, checkpoint=None))


def _unwatched(fit: Fit, frame: ModelFrame) -> Fit:
    """The fit with its rows free of the watch over its passes."""
    source, joined = bare(frame.source), bare(frame.joined)
    if source is frame.source and joined is frame.joined:
        return fit
    freed = copy(frame)
    freed.__dict__.update(source=source, joined=joined)
    return replace(fit, frame=freed)


def _with_covariance(fit: Fit) -> Fit:
    """The fit with its covariance made; where that is not defined, without standard errors but a note."""
    from glmstat.inference.covariance import covariance_root, undefined

    try:
        covariance_root(fit)
    except GlmstatError as error:
        fit.kept.update(undefined(fit))
        warnings.warn(f"No standard errors: {error}", CovarianceWarning, stacklevel=outside())
        return replace(fit, notes=(*fit.notes, Note("vcov", str(error))))
    return fit


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A fitted model. Frozen: whatever changes it returns another.

    Facts are properties, choices are methods. Two fits are equal when their numbers are.

    Parameters
    ----------
    spec : what was fitted.
    estimate : the numbers of the solver.
    covariance : what `vcov`, tables and intervals use unless told otherwise.
    notes : what a reader should know: rows dropped, event modelled, aliased columns.
    frame : the rows, or None after loading from a file.
    kept : what verbs computed, so that the next need not.
    repetitions : the fits whose median this one is, where it is one.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}, "poisson")
    >>> fit.nobs, fit.df_residual, fit.status
    (5, 3, 'converged')
    """

    spec: Spec
    estimate: Estimate
    covariance: Covariance
    notes: tuple[Note, ...] = ()
    frame: ModelFrame | None = None
    kept: dict[str, Array] = field(default_factory=dict)
    repetitions: tuple[Fit, ...] = ()

    @property
    def formula(self) -> str:
        """Text of the formula, as given."""
        return self.spec.design.formula.text

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self.spec.design.columns

    @property
    def native(self) -> Native:
        """Library of the tables that the fit returns."""
        return Native(self.spec.library, None) if self.frame is None else self.frame.source.native

    @property
    def convention(self) -> Convention:
        """Record of the choices that `compat=` selected."""
        return as_convention(self.spec.call["compat"])

    @property
    def coef(self) -> Any:
        """Coefficients by name; NaN where aliased, signed infinity where separated."""
        return self.by_name("estimate", self.estimate.coef)

    @property
    def nobs(self) -> int:
        """Rows with weight > 0, each counted as often as its frequency says."""
        return self.estimate.rows

    @property
    def df_residual(self) -> int:
        """`nobs` less the number of estimated coefficients."""
        return self.estimate.df_residual

    @property
    def df_null(self) -> int:
        """Residual degrees of freedom of the null model."""
        return self.estimate.null.df

    @property
    def deviance(self) -> float:
        """Sum of the weighted unit deviances, for dispersion 1."""
        return self.estimate.deviance

    @property
    def null_deviance(self) -> float:
        """Deviance of the model with intercept (if there is one) and offset only."""
        return self.estimate.null.deviance

    @property
    def pearson(self) -> float:
        """Pearson's chi-squared."""
        return self.estimate.pearson

    @property
    def dispersion(self) -> float:
        """Phi in Var(y) = phi V(mu) / w; `estimate.dispersion` says how it came about."""
        return self.estimate.dispersion.value

    @property
    def loglik(self) -> float:
        """Log-likelihood, constant included; NaN where the family has none. As R's `logLik`."""
        from glmstat.inference.likelihood import loglik

        return loglik(self)

    @property
    def parameters(self) -> int:
        """Parameters that AIC and BIC count: coefficients, a dispersion and a shape where there are.

        With compat="stata" or "statsmodels" no dispersion, with "stata" no shape.
        """
        from glmstat.inference.likelihood import parameters

        return parameters(self.estimate, self.spec.likelihood, self.convention)

    @property
    def aic(self) -> float:
        """-2 loglik + 2 `parameters`, as R; with compat="stata" that for each row."""
        total = 2.0 * self.parameters - 2.0 * self.loglik
        return total / self.nobs if self.convention.aic == "per row" else total

    @property
    def bic(self) -> float:
        """-2 loglik + log(`nobs`) `parameters`, as R; with compat="stata" that of the deviance."""
        loglik = self.loglik
        if self.convention.bic == "deviance" and math.isfinite(loglik):
            return self.deviance - math.log(self.nobs) * self.df_residual
        return math.log(self.nobs) * self.parameters - 2.0 * loglik

    @property
    def aicc(self) -> float:
        """AIC + 2 k (k + 1) / (n - k - 1), k = `parameters`, n = `nobs`; NaN where n <= k + 1."""
        k, spare = self.parameters, self.nobs - self.parameters - 1
        return 2.0 * k - 2.0 * self.loglik + 2.0 * k * (k + 1) / spare if spare > 0 else math.nan

    @property
    def status(self) -> Status:
        """How the solver ended: "converged", "perfect fit", "separated", "boundary" or "not converged"."""
        return self.estimate.convergence.status

    @property
    def converged(self) -> bool:
        """Whether the solver reached the maximum, finite or not."""
        return self.status != "not converged"

    @property
    def fitted(self) -> Any:
        """Means (n,) of the rows of the fit, on the caller's index."""
        from glmstat.inference.predict import fitted

        return fitted(self)

    @property
    def absorbed(self) -> dict[str, Any]:
        """Effects of each factor behind `|`, by its text, as a table of levels, `effect` and `rows`.

        The first factor's effects carry the level of the predictor; those of every other one have mean 0 over
        the rows of the fit (of two factors, in each set of rows that shared levels hold together). An effect
        is infinite where the response of all its rows lies at one end of its domain: those rows are left out.
        """
        from glmstat.inference.absorbed import absorbed

        return absorbed(self)

    @property
    def shape(self) -> EstimatedShape | None:
        """The parameter of the family that was estimated (theta, p); None where there is none."""
        from glmstat.inference.shape.estimated import estimated_shape

        return estimated_shape(self)

    vcov = table.vcov
    stderror = table.stderror
    confint = table.confint
    summary = table.summary
    with_vcov = table.with_vcov
    predict = row.predict
    residuals = row.residuals
    influence = row.influence
    test = hypothesis.test
    anova = hypothesis.anova
    drop1 = hypothesis.drop1
    add1 = hypothesis.add1
    step = hypothesis.step
    information_criteria = hypothesis.information_criteria
    goodness_of_fit = hypothesis.goodness_of_fit
    test_poisson = parameter.test_poisson
    check = checks.check
    overdispersion = checks.overdispersion
    verify = checks.verify
    explain_difference = conventions.explain_difference
    exact = exacts.exact
    score_test_nn = misfit.score_test_nn
    profile = interval.profile
    bootstrap = interval.bootstrap
    prior_predictive = prior.prior_predictive
    posterior_predictive = prior.posterior_predictive
    with_data = again.with_data
    refit = again.refit
    update = again.update
    given = parameter.given
    extend = network.extend
    save = again.save

    def by_term(self, columns: Mapping[str, Array]) -> Any:
        """Return columns (p,) as a table with the names of the coefficients: index, or column `term`."""
        if self.native.library == "pandas":
            return frame(columns, self.native, index=self.columns)
        return frame({"term": self.columns, **columns}, self.native)

    def by_name(self, name: str, values: Array) -> Any:
        """Return values (p,) by the names of the coefficients: a series, or a table with column `term`."""
        if self.native.library == "pandas":
            return series(values, Native("pandas", list(self.columns)), name)
        return self.by_term({name: values})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fit):
            return NotImplemented
        return self.columns == other.columns and all(map(_equal, _numbers(self), _numbers(other)))

    def __hash__(self) -> int:
        return hash((self.columns, self.estimate.fingerprint, self.deviance))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _freeze(self)

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "kept": dict(self.kept)}
        if self.frame is not None and self.frame.large:
            state["frame"] = None
            state["spec"] = replace(self.spec, call=self.spec.call.without_arrays())
        return state

    def __repr__(self) -> str:
        from glmstat.report.summary import title

        return "\n".join(title(self))

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def _freeze(fit: Fit) -> Fit:
    """The fit, its arrays read-only; pickling loses that."""
    information = fit.estimate.information
    arrays = (fit.estimate.theta, *fit.estimate.directions, *information.arrays)
    for array in (*arrays, *list(fit.kept.values())):
        array.flags.writeable = False
    return fit


def _numbers(fit: Fit) -> tuple[Any, ...]:
    estimate, null = fit.estimate, fit.estimate.null
    information = estimate.information
    return (
        *(estimate.coef, estimate.theta, information.root, information.transform),
        *(estimate.rows, estimate.weight, estimate.df_residual, estimate.loglik, estimate.deviance),
        *(null.deviance, null.df, estimate.pearson, estimate.dispersion.value),
    )


def _equal(left: Any, right: Any) -> bool:
    return np.array_equal(left, right, equal_nan=True)
