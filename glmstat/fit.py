"""The result of a fit, and the one road that every model takes to it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat import verbs
from glmstat.call import KEEP, Call, Covariance, Spec, frame_for, start_values
from glmstat.convention import Convention, as_convention
from glmstat.errors import CovarianceWarning, GlmstatError, Note, outside
from glmstat.estimate import Estimate, Status
from glmstat.frame import ModelFrame
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array
from glmstat.solve.estimate import fit_estimate
from glmstat.table import Native, frame, series
from glmstat.verdict import remarks, warn

if TYPE_CHECKING:
    from os import PathLike

    from glmstat.report.summary import Summary

__all__ = ["Covariance", "Fit", "Spec", "fit_model"]

LATER = ("classical", "bootstrap", "jackknife")  # cost nothing, or many fits: made when first asked for


def fit_model(call: Call, likelihood: GLM) -> Fit:
    """Return the fit of a model: the road from the arguments to the result, the same for every model."""
    from glmstat.inference.covariance import as_covariance

    as_convention(call["compat"])
    covariance = as_covariance(call["vcov"])
    frame = frame_for(call, likelihood, covariance.variables)
    start = start_values(call["start"], frame.design.columns)
    estimate = fit_estimate(
        frame, likelihood, start=start, control=call["control"], dispersion=call["dispersion"]
    )
    warn(estimate, frame.design.columns, stacklevel=4)
    forced = call["sampling_weights"] is not None and covariance.kind == "classical"
    if forced:
        covariance = replace(covariance, kind="HC0")
    notes = (*frame.notes, *remarks(estimate, sandwich=forced))
    spec = Spec(call.without_data(), frame.design, likelihood, call["control"], frame.source.native.library)
    fit = _freeze(Fit(spec, estimate, covariance, notes, frame))
    return fit if covariance.kind in LATER else _with_covariance(fit)


def _with_covariance(fit: Fit) -> Fit:
    """The fit with its covariance made; where that is not defined, without standard errors but a note."""
    from glmstat.inference.covariance import covariance_root
    from glmstat.inference.vcov.recipe import Facts

    try:
        covariance_root(fit)
    except GlmstatError as error:
        fit.kept[fit.covariance.key] = np.full((len(fit.columns), 1), np.nan)
        fit.kept[f"{fit.covariance.key} facts"] = Facts().to_array()
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
        return self._series("estimate", self.estimate.coef)

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
        """Parameters that AIC and BIC count: coefficients, and the dispersion of families that have one."""
        return self.estimate.rank + self.spec.likelihood.family.counts_dispersion

    @property
    def aic(self) -> float:
        """-2 loglik + 2 `parameters`, as R."""
        return 2.0 * self.parameters - 2.0 * self.loglik

    @property
    def bic(self) -> float:
        """-2 loglik + log(`nobs`) `parameters`, as R."""
        return math.log(self.nobs) * self.parameters - 2.0 * self.loglik

    @property
    def aicc(self) -> float:
        """AIC + 2 k (k + 1) / (n - k - 1), k = `parameters`, n = `nobs`; NaN where n <= k + 1."""
        spare = self.nobs - self.parameters - 1
        return self.aic + 2.0 * self.parameters * (self.parameters + 1) / spare if spare > 0 else math.nan

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

    def vcov(self, vcov: str | Covariance | None = None, *, data: Any = None) -> Any:
        """Return the covariance of the coefficients as a labelled table.

        Parameters
        ----------
        vcov : a kind ("HC3"), clusters ("~firm + year"), both ("CR2 ~ firm") or a Covariance; default that
            of the fit.
        data : the data of the fit, where the fit holds none.

        Returns
        -------
        Table (p, p); NaN for coefficients that are aliased or infinite.
        """
        from glmstat.inference.covariance import covariance_root

        root = covariance_root(self.with_vcov(vcov, data=data))
        return self.by_term(dict(zip(self.columns, root @ root.T, strict=True)))

    def stderror(self, vcov: str | Covariance | None = None, *, data: Any = None) -> Any:
        """Return the standard errors by name; parameters as `vcov`."""
        from glmstat.inference.covariance import std_errors

        return self._series("std_error", std_errors(self.with_vcov(vcov, data=data)))

    def confint(
        self,
        level: float = 0.95,
        *,
        of: str | Sequence[str] | None = None,
        method: str = "wald",
        eform: bool = False,
        vcov: str | Covariance | None = None,
        data: Any = None,
    ) -> Any:
        """Return confidence intervals as a table with columns conf_low and conf_high.

        Parameters
        ----------
        level : coverage. Quantiles are Student's with `df_residual` where the dispersion is estimated (with
            clusters - 1 where the covariance is clustered), else normal; always normal with compat="R", as
            confint.default.
        of : names of coefficients or combinations such as "x + f[T.b]"; default every coefficient.
        method : "wald", "profile" (likelihood ratio) or "score"; the last two assume the variance of the
            family, and take no `vcov`.
        eform : exponentiate: odds, rate, hazard or mean ratios.
        vcov, data : as in `vcov`.

        Raises
        ------
        ArgumentError : a name that is no coefficient, or ratios where the link has none.
        ComparisonError : a profile with sampling weights.
        """
        from glmstat.inference.interval import confint

        return confint(self, level, of=of, method=method, eform=eform, vcov=vcov, data=data)

    def predict(
        self,
        newdata: Any = None,
        *,
        type: str = "response",
        se_fit: bool = False,
        interval: str | None = None,
        level: float = 0.95,
        offset: Any = None,
        exposure: Any = None,
        new_levels: str = "raise",
        vcov: str | Covariance | None = None,
        data: Any = None,
    ) -> Any:
        """Return predictions for new rows, in their order, on their index.

        The offset is evaluated again from `newdata`. Rows with missing values are NaN.

        Parameters
        ----------
        newdata : table with the columns of the right side; default the rows of the fit.
        type : "response" (the mean), "link" (the linear predictor) or "terms" (each term's part of it,
            centred at its mean over the rows of the fit, as R).
        se_fit : add the standard error; for the mean by the delta method.
        interval : "confidence" adds conf_low and conf_high, for the mean transformed from the link scale.
        level : coverage of the interval.
        offset, exposure : as many values as rows, where those of the fit were arrays.
        new_levels : "raise", "na" (NaN), or "reference" for levels that the fit has not seen.
        vcov, data : as in `vcov`.

        Returns
        -------
        A series named by `type`; a table estimate[, std_error][, conf_low, conf_high] if more is asked
        for; a table with a column per term for "terms".

        Raises
        ------
        ColumnError : a column, or that of the offset, is not in `newdata`.
        DataError : an unseen level, or a row that the aliased columns make non-estimable.
        """
        from glmstat.inference.predict import predict

        return predict(
            self.with_vcov(vcov, data=data),
            newdata,
            type=type,
            se_fit=se_fit,
            interval=interval,
            level=level,
            offset=offset,
            exposure=exposure,
            new_levels=new_levels,
        )

    def residuals(
        self,
        type: str = "deviance",
        *,
        standardized: bool = False,
        studentized: bool = False,
        data: Any = None,
    ) -> Any:
        """Return residuals of the rows of the fit, on the caller's index.

        Parameters
        ----------
        type : "deviance", "pearson" (both with the square root of the prior weight), "working",
            "response" (both without), or "partial": a table, working residuals plus each term.
        standardized : divided by their standard deviation sqrt(phi (1 - h)), as R's rstandard.
        studentized : with the dispersion of the fit without the row, as R's rstudent.
        data : the data of the fit, where the fit holds none.
        """
        from glmstat.inference.residual import residuals

        return residuals(self, type, data, standardized=standardized, studentized=studentized)

    def summary(
        self,
        vcov: str | Covariance | None = None,
        *,
        level: float = 0.95,
        eform: bool = False,
        data: Any = None,
    ) -> Summary:
        """Return the table of coefficients with what one needs to read it; print it.

        Parameters
        ----------
        vcov, data : as in `vcov`.
        level : coverage of the intervals.
        eform : show exp(coefficient): odds, rate, hazard or mean ratios.
        """
        from glmstat.report.summary import summary

        return summary(self.with_vcov(vcov, data=data), level, eform=eform)

    def with_vcov(self, vcov: str | Covariance | None, *, data: Any = None) -> Fit:
        """Return the same fit with another covariance in every table; parameters as `vcov`."""
        from glmstat.inference.covariance import choose, covariance_root

        fit, covariance = self if data is None else self.with_data(data), choose(self, vcov)
        if covariance == self.covariance:
            return fit
        covariance_root(fit, covariance)
        return replace(fit, covariance=covariance)

    def with_data(
        self,
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

    def refit(self, data: Any = KEEP, *, weights: Any = KEEP, offset: Any = KEEP, subset: Any = KEEP) -> Fit:
        """Return the same model fitted to other data, or with other weights, offset or subset.

        Parameters
        ----------
        data : default the rows of the fit.
        weights, offset, subset : as in the call; what is left out stays.
        """
        from glmstat.inference.again import refit

        return refit(self, {"data": data, "weights": weights, "offset": offset, "subset": subset})

    def update(
        self,
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
    ) -> Fit:
        """Return the fit of a changed call; what is left out stays.

        Parameters
        ----------
        formula : new formula, in which a lone `.` stands for what stood on that side: `". ~ . + z"`.
        data, family, link, weights, offset, exposure, subset, vcov, dispersion : as in the call. A new
            family without `link` takes its own default link.

        >>> import glmstat
        >>> data = {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}
        >>> glmstat.glm("y ~ 1", data, "poisson").update(". ~ . + x").columns
        ('Intercept', 'x')
        """
        words = {name: value for name, value in locals().items() if name != "self"}
        from glmstat.inference.again import update

        return update(self, words)

    def save(self, path: str | PathLike[str], *, context: tuple[str, ...] = ()) -> None:
        """Write the fit, without its rows, to one file that `glmstat.load` reads.

        Parameters
        ----------
        path : of the file; it is replaced in one step, or not at all.
        context : names of user-defined families, links and context entries that the file cannot hold and
            that `load(path, context={...})` will be given.

        Raises
        ------
        FileError : no path, something user-defined that `context` does not name, or Python in the formula.
        """
        from glmstat.persist import save

        save(self, path, context)

    test = verbs.test
    anova = verbs.anova
    drop1 = verbs.drop1
    add1 = verbs.add1
    step = verbs.step
    profile = verbs.profile
    bootstrap = verbs.bootstrap
    influence = verbs.influence
    information_criteria = verbs.information_criteria
    goodness_of_fit = verbs.goodness_of_fit

    def by_term(self, columns: Mapping[str, Array]) -> Any:
        """Return columns (p,) as a table with the names of the coefficients: index, or column `term`."""
        if self.native.library == "pandas":
            return frame(columns, self.native, index=self.columns)
        return frame({"term": self.columns, **columns}, self.native)

    def _series(self, name: str, values: Array) -> Any:
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
        state = dict(self.__dict__)
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
    arrays = (fit.estimate.theta, *fit.estimate.directions, information.root, information.transform)
    for array in (*arrays, information.slots, *fit.kept.values()):
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
