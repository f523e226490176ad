"""Predictions: linear predictor, mean and terms, with standard errors and intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glmstat.errors import ArgumentError, DataError, ExtrapolationWarning, near, one_of, outside
from glmstat.formula.terms import Linear, Network, Term
from glmstat.inference.covariance import label, root_beside_infinite
from glmstat.inference.estimable import estimable, null_space
from glmstat.inference.reference import Reference, check_level, reference
from glmstat.inference.rows import ByRow, Named, Rows, Target, new_rows, of_fit, rows_of_fit
from glmstat.inference.score import frame_of, linear_predictor
from glmstat.inference.statement import need_effects, need_moments
from glmstat.inference.vcov.satterthwaite import applies
from glmstat.matrix import Array, Block, DesignMatrix, IntArray
from glmstat.table import noted

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = [
    "centre",
    "constant",
    "fitted",
    "mean_ends",
    "mean_of",
    "predict",
    "slope_of",
    "term_matrix",
]

TYPES = ("response", "link", "terms")
VERB = "predict without newdata"


def predict(
    fit: Fit,
    newdata: Any = None,
    *,
    type: str = "response",
    se_fit: bool = False,
    interval: str | None = None,
    level: float = 0.95,
    offset: Any = None,
    exposure: Any = None,
    new_levels: str = "raise",
    to: Any = None,
    overwrite: bool = False,
) -> Any:
    """Return predictions, or write them to a file; the words are those of `Fit.predict`.

    Source: R's predict.glm for standard errors and terms; end points transformed as in statsmodels.
    """
    _check(fit, type, interval, se_fit)
    check_level(level)
    given = {"offset": offset, "exposure": exposure}
    if newdata is None and (offset is not None or exposure is not None):
        raise ArgumentError("offset= and exposure= of predict belong to new rows. Give newdata=.")
    target = Target.of(fit, to, overwrite, newdata)
    if type == "terms":
        need_effects(fit, 'type="terms"', 'Take type="link"; fit.absorbed has the effects.')
        return _terms(fit, newdata, new_levels, given, target)
    with_se = se_fit or interval is not None
    if with_se:
        need_moments(fit)
        need_effects(fit, "The standard error of a prediction", "Leave se_fit= and interval= out.")
    place = _place(fit, type)
    rows = _moments(fit, newdata, new_levels, given, place, with_se=with_se, with_df=interval is not None)
    table = _Table(fit, type, se_fit, interval, level)
    facts = {"type": type, "vcov": label(fit)} | ({"level": level} if interval is not None else {})
    if target is not None:
        return rows.write(target, table.columns, {"formula": fit.formula, **facts}, table.finish)
    whole = rows.whole()
    columns = table.columns(whole.numbers, whole.values)
    table.finish()
    if not with_se:
        return ByRow(columns[type], whole.native).series(type)
    return noted(whole.table(columns), **facts)


class _Table:
    """Columns of predictions, made of some rows after the other, and the rows that can have none."""

    def __init__(self, fit: Fit, type: str, se_fit: bool, interval: str | None, level: float) -> None:
        self.fit, self.type, self.se_fit, self.interval, self.level = fit, type, se_fit, interval, level
        self.bad, self.beyond = Named(), Named()

    def columns(self, numbers: IntArray, values: Array) -> dict[str, Array]:
        """Return the columns of some rows, by name.

        Parameters
        ----------
        numbers : source row numbers (m,).
        values : what `_moments` gives (m, 4).
        """
        fit, mean = self.fit, self.type == "response"
        eta, se = values[:, 0], values[:, 1]
        self.bad = self.bad + Named.of(numbers[values[:, 2] == 0])
        if self.type in fit.spec.design.others:
            return self._parameter(values)
        if mean:
            low, high = fit.spec.likelihood.bounds
            beyond = (eta < low) | (eta > high)
            self.beyond = self.beyond + Named.of(numbers[beyond])
            eta = np.where(beyond, np.nan, eta)
        estimate = mean_of(fit, eta) if mean else eta
        if not self.se_fit and self.interval is None:
            return {self.type: estimate}
        columns = {"estimate": estimate}
        if self.se_fit:
            columns["std_error"] = slope_of(fit, eta) * se if mean else se
        if self.interval is not None:
            half = _quantile(fit, values[:, 3], self.level) * se
            ends = (eta - half, eta + half)
            columns["conf_low"], columns["conf_high"] = mean_ends(fit, *ends) if mean else ends
        return columns

    def _parameter(self, values: Array) -> dict[str, Array]:
        """The columns of a parameter with a predictor of its own, from its scale."""
        fit, eta, se = self.fit, values[:, 0], values[:, 1]
        link = fit.spec.likelihood.links[_place(fit, self.type)]
        with np.errstate(all="ignore"):
            if not self.se_fit and self.interval is None:
                return {self.type: link.mean(eta)}
            columns = {"estimate": link.mean(eta)}
            if self.se_fit:
                columns["std_error"] = np.abs(link.derivative(eta)) * se
            if self.interval is not None:
                half = _quantile(fit, values[:, 3], self.level) * se
                columns["conf_low"], columns["conf_high"] = link.mean(eta - half), link.mean(eta + half)
        return columns

    def finish(self) -> None:
        """Refuse rows that are not estimable; warn of means outside the family's domain."""
        refuse_non_estimable(self.bad)
        if self.beyond.count:
            family = self.fit.spec.likelihood.family.name
            warnings.warn(
                f"Mean outside the domain of {family}: {self.beyond.text}. "
                'There the prediction is NaN; type="link" shows the linear predictor.',
                ExtrapolationWarning,
                stacklevel=outside(),
            )


def fitted(fit: Fit) -> Any:
    """Return the means of the rows of the fit."""

    def values(block: Block) -> Array:
        return mean_of(fit, linear_predictor(fit.estimate, block.X, block.offset, fit.spec.design)[:, 0])

    return of_fit(fit, "fitted", values).series("fitted")


def _place(fit: Fit, type: str) -> int:
    """The predictor that a type is about."""
    names = [predictor.name for predictor in fit.spec.design.predictors]
    return names.index(type) if type in fit.spec.design.others else 0


def _check(fit: Fit, type: str, interval: str | None, se_fit: bool) -> None:
    known = (*TYPES, *fit.spec.design.others)
    if type not in known:
        raise ArgumentError(f"Unknown type: {type!r}. Known: {one_of(known)}.{near(str(type), known)}")
    if interval not in (None, "confidence"):
        raise ArgumentError(
            f"Unknown interval: {interval!r}. Known: confidence.{near(str(interval), ['confidence'])}"
        )
    if type == "terms" and (se_fit or interval):
        raise ArgumentError(
            'Standard errors go with type="link" or "response": type is "terms". Leave out se_fit.'
        )


def _quantile(fit: Fit, df: Array, level: float) -> Array:
    """Quantile of each row's interval."""
    known = reference(fit)
    return Reference(df, known.text, known.normal_ends).quantile(level)


def _moments(
    fit: Fit,
    newdata: Any,
    new_levels: str,
    given: dict[str, Any],
    place: int,
    *,
    with_se: bool,
    with_df: bool,
) -> Rows:
    """Linear predictor, its standard error, whether it is estimable, degrees of freedom of t: (n, 4)."""
    design = fit.spec.design.alone(place)
    root = root_beside_infinite(fit) if with_se else np.zeros((len(fit.columns), 0))
    unknown = np.flatnonzero(np.isnan(root).any(axis=1) & ~np.isnan(fit.estimate.theta))
    slots = design.predictors[0].slots
    known, unknown = np.nan_to_num(root)[slots], np.flatnonzero(np.isin(slots, unknown))

    def values(X: tuple[DesignMatrix, ...], offset: Array) -> Array:
        out = np.full((len(offset), 4), np.nan)
        out[:, 0] = linear_predictor(fit.estimate, X, offset, design)[:, 0]
        if with_se:
            out[:, 1] = np.sqrt(X[0].row_norms(known))
            out[_touched(X[0], unknown) | np.isinf(out[:, 0]), 1] = np.nan
        good = estimable(fit, X, design)
        out[:, 2] = 1.0 if good is None else good
        if with_df and len(out):
            out[:, 3] = reference(fit, _combinations(fit, X[0], slots)).df
        return out

    if newdata is None:
        _prepare(fit, with_df=with_df)
        own = slice(place, place + 1)
        return rows_of_fit(fit, VERB, lambda block: values(block.X[own], block.offset[:, own]), width=4)
    return new_rows(fit, newdata, values, new_levels=new_levels, place=place, **given)


def _prepare(fit: Fit, *, with_df: bool) -> None:
    """Compute what values of rows rest on, so that no pass over the rows starts another."""
    if fit.estimate.aliased:
        null_space(fit)
    if with_df and applies(fit.covariance):
        reference(fit, np.zeros((1, len(fit.columns))))


def _combinations(fit: Fit, X: DesignMatrix, slots: IntArray) -> Array:
    """The combinations of coefficients that rows are, written out only where degrees of freedom differ."""
    if applies(fit.covariance):
        out = np.zeros((X.shape[0], len(fit.columns)))
        out[:, slots] = np.nan_to_num(X.to_array())
        return out
    return np.zeros((X.shape[0], 0))


def _touched(X: DesignMatrix, columns: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether each row has a value other than 0 in some of the columns."""
    out = np.zeros(X.shape[0], dtype=bool)
    if len(columns):
        for rows, run in X.runs():
            out[rows] = (run[columns] != 0).any(axis=0)
    return out


def refuse_non_estimable(bad: Named) -> None:
    """Refuse rows whose prediction depends on the solution.

    Raises
    ------
    DataError : which.
    """
    if bad.count:
        raise DataError(
            f"Prediction is not estimable: {bad.text}. There the aliased columns are not the "
            "combination of the others that they were in the fit. Drop these rows, or the aliased terms."
        )


def mean_of(fit: Fit, eta: Array) -> Array:
    """Return means (n,); at infinity the limit itself, not the nearest number inside the domain."""
    with np.errstate(all="ignore"):
        mean = fit.spec.likelihood.mean(eta[:, None]).reshape(len(eta))
    far = np.isinf(eta)
    if far.any():
        low, high = fit.spec.likelihood.family.link.means
        mean = np.where(far, np.where(mean < 0.5, low, high), mean)
    return np.where(np.isnan(eta), np.nan, mean)


def slope_of(fit: Fit, eta: Array) -> Array:
    """Return |d mu / d eta| (n,)."""
    with np.errstate(all="ignore"):
        return np.abs(fit.spec.likelihood.family.link.derivative(eta))


def mean_ends(fit: Fit, low: Array, high: Array) -> tuple[Array, Array]:
    """Return means at both ends of an interval of eta, in order; one outside the domain goes to its edge."""
    ends = [mean_of(fit, np.clip(end, *fit.spec.likelihood.bounds)) for end in (low, high)]
    return np.minimum(*ends), np.maximum(*ends)


def centre(fit: Fit, data: Any = None) -> Array:
    """Return the mean (p,) of every column of the mean over the rows of the fit; kept.

    0 without an intercept, as R, and in the columns of other predictors.
    """
    if "centre" not in fit.kept:
        middle = _centre(fit, data)
        middle.flags.writeable = False
        fit.kept["centre"] = middle
    return fit.kept["centre"]


def _centre(fit: Fit, data: Any) -> Array:
    if fit.spec.design.intercept is None:
        return np.zeros(len(fit.columns))

    def kernel(block: Block) -> Array:
        counts = block.frequencies
        return np.append(block.X[0].transpose_dot(counts), counts.sum())

    total = frame_of(fit, "The mean of each term", data).reduce(kernel)
    out = np.zeros(len(fit.columns))
    out[fit.spec.design.predictors[0].slots] = total[:-1] / total[-1]
    return out


def term_matrix(fit: Fit) -> tuple[tuple[str, ...], Array]:
    """Return the terms' names and T (p, q): X T are the terms' parts of the linear predictor."""
    if fit.estimate.directions:
        raise ArgumentError(
            "Terms are not defined where coefficients are infinite. Merge or drop the level first."
        )
    formula = fit.spec.design.formula
    pieces = [piece for piece in fit.spec.design.predictors[0].pieces if piece.term.parts]
    owners: dict[Term, Term] = {skip: _owner(skip, formula.networks) for skip in formula.skips}
    names = list(dict.fromkeys(str(owners.get(piece.term, piece.term)) for piece in pieces))
    matrix = np.zeros((len(fit.columns), len(names)))
    theta = np.nan_to_num(fit.estimate.theta)
    for piece in pieces:
        matrix[piece.slots, names.index(str(owners.get(piece.term, piece.term)))] = theta[piece.slots]
    return tuple(names), matrix


def _owner(skip: Linear, networks: Sequence[Network]) -> Network:
    """The network whose input also enters linearly, so that both are one term."""
    return next(network for network in networks if network.skip and skip.parts[0] in network.inputs)


def constant(fit: Fit) -> float:
    """Return what centring took from the terms: their sum plus this is eta without the offset."""
    return float(centre(fit) @ np.nan_to_num(fit.estimate.theta))


def _terms(fit: Fit, newdata: Any, new_levels: str, given: dict[str, Any], target: Target | None) -> Any:
    names, matrix = term_matrix(fit)
    design = fit.spec.design.alone(0)
    middle, bad = centre(fit) @ matrix, [Named()]
    matrix = matrix[design.predictors[0].slots]

    def values(X: tuple[DesignMatrix, ...], offset: Array) -> Array:
        good = estimable(fit, X, design)
        flags = np.ones(len(offset)) if good is None else good
        return np.column_stack([X[0].dot(matrix) - middle, flags])

    def columns(numbers: IntArray, found: Array) -> dict[str, Array]:
        bad[0] = bad[0] + Named.of(numbers[found[:, -1] == 0])
        return dict(zip(names, found.T, strict=False))

    if newdata is None:
        _prepare(fit, with_df=False)
        rows = rows_of_fit(fit, VERB, lambda block: values(block.X[:1], block.offset), width=len(names) + 1)
    else:
        rows = new_rows(fit, newdata, values, new_levels=new_levels, **given)
    if target is not None:
        facts = {"formula": fit.formula, "type": "terms", "constant": constant(fit)}
        return rows.write(target, columns, facts, lambda: refuse_non_estimable(bad[0]))
    whole = rows.whole()
    found = columns(whole.numbers, whole.values)
    refuse_non_estimable(bad[0])
    return with_constant(whole.table(found), constant(fit))


def with_constant(table: Any, value: float) -> Any:
    """Return the table with R's attribute `constant`, where its library has attributes."""
    if hasattr(table, "attrs"):
        table.attrs["constant"] = value
    return table
