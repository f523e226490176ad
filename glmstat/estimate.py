"""What a solver returns: numbers that no choice of the reader's can change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glmstat.absorbed import Absorbed
from glmstat.information import Information
from glmstat.likelihood.base import GLM
from glmstat.matrix import Array, IntArray

__all__ = [
    "Convergence",
    "Dispersion",
    "Estimate",
    "Null",
    "Pass",
    "PassKind",
    "Separated",
    "Shape",
    "Status",
]

NAMED = 8  # rows that a fit keeps by number
PassKind = Literal["information", "score", "sample", "start", "certificate", "extremes"]
Status = Literal["converged", "perfect fit", "separated", "boundary", "not converged"]


@dataclass(frozen=True)
class Dispersion:
    """The factor phi in Var(y) = phi V(mu) / w, and how it came about: "adjusted" by its adjusted score."""

    value: float
    estimator: Literal["fixed", "pearson", "deviance", "ml", "adjusted", "given"]

    @property
    def estimated(self) -> bool:
        """Whether tests use t and F instead of z and chi-squared."""
        return self.estimator in ("pearson", "deviance", "ml", "adjusted")


@dataclass(frozen=True)
class Null:
    """The model with the intercept (if the model has one) and the offset only."""

    deviance: float
    df: int


@dataclass(frozen=True)
class Pass:
    """One pass of the solver over rows: what it found there, and the step that was taken from there.

    Parameters
    ----------
    deviance : before the step; that of all rows as a subsample estimates it where `kind` is "sample".
    decrement : how far any coefficient could move, in standard errors, as the direction's information tells.
    step : share of the direction that was taken; 0 where none was.
    halvings : passes that the step was shortened in.
    direction : the information it came from: "newton", "observed", "modified", "QR", or "chord" (that of an
        earlier pass or of a subsample).
    kind : what was summed: "information", "score" (and no information), "sample" (the information of a
        subsample), "start" (the sums of a first weighted least squares), "certificate" (whether the maximum
        is finite), "extremes" (how far a step may go).
    rows : how many rows were read.
    seconds : since the pass before; no part of what makes two passes equal.
    """

    deviance: float
    decrement: float
    step: float
    halvings: int
    direction: str
    kind: PassKind = "information"
    rows: int = 0
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Separated:
    """Rows predicted perfectly by infinite coefficients, or held at a bound.

    Parameters
    ----------
    rows : the first few.
    count : how many.
    counted : the sum of their frequencies, where these are rows of separation.
    """

    rows: tuple[int, ...] = ()
    count: int = 0
    counted: float = 0.0

    def __add__(self, other: Separated) -> Separated:
        rows = (self.rows + other.rows)[:NAMED]
        return Separated(rows, self.count + other.count, self.counted + other.counted)

    @classmethod
    def named(cls, rows: IntArray, counted: float = 0.0) -> Separated:
        """Return the record of some source rows."""
        return cls(tuple(rows[:NAMED].tolist()), len(rows), counted)


@dataclass(frozen=True)
class Convergence:
    """How the solver ended.

    `decrement` is the largest distance, in standard errors, that any coefficient could still move;
    `r_criterion` is the last relative change of the deviance, R's measure, recorded and not used.
    `trace` has an entry for every pass over rows that decided something. `ladder` says how the ascent by
    subsamples ended: "reached the maximum", or why plain Newton went on; empty where there was none.
    `runaway` names coefficients that ran to infinity where separation is undecided: "s → -inf".
    `readings` counts how often the data were read up to the estimate, what is no step among it: to find the
    rows, the levels of text, a start; 0 for a few rows in memory. It is no part of what makes two fits equal.
    """

    status: Status
    reason: str
    separation: Literal["finite", "separated", "undecided", "not needed"]
    decrement: float
    iterations: int
    halvings: int
    r_criterion: float
    trace: tuple[Pass, ...]
    notes: tuple[str, ...] = ()
    bound_rows: Separated | None = None
    separated_rows: Separated | None = None
    ladder: str = ""
    runaway: tuple[str, ...] = ()
    readings: int = field(default=0, compare=False)


@dataclass(frozen=True, eq=False)
class Shape:
    """A parameter of the family that was estimated beside the coefficients.

    Parameters
    ----------
    name : "theta", "p".
    value : estimate.
    std_error : NaN where there is none.
    estimator : how it was estimated: "ml", "moments".
    numbers : what belongs to it by name: the joint covariance, log-likelihoods, an interval.
    notes : lines that the summary prints.
    """

    name: str
    value: float
    std_error: float
    estimator: Literal["ml", "moments"]
    numbers: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Estimate:
    """The maximum of the likelihood, or of what an estimator puts in its place.

    Parameters
    ----------
    theta : finite part of the coefficients (p,), NaN where aliased.
    directions : recession directions (p,), in order: a coefficient is infinite where one is not 0.
    rows : rows that count (weight > 0, frequencies counted); separated rows among them.
    weight : sum of the weights.
    information : expected information at the estimate for dispersion 1.
    loglik : log-likelihood with the family's plug-in dispersion, constant included; NaN if there is none.
    aliased : column name to the reason in words.
    absorbed : effects that are no coefficients, where the formula has some.
    criterion : what was made least, up to a constant that models within this one share, where that is not the
        deviance: -2 times a penalised log-likelihood, or one in which a shape was estimated too.
    likelihood : with the shape that was estimated; None where nothing was.
    shape : that parameter.
    """

    theta: Array
    directions: tuple[Array, ...]
    rows: int
    weight: float
    fingerprint: str
    information: Information
    loglik: float
    deviance: float
    null: Null
    pearson: float
    dispersion: Dispersion
    aliased: Mapping[str, str]
    convergence: Convergence
    df_residual: int
    penalty: Array | None = None
    absorbed: Absorbed | None = None
    criterion: float | None = None
    likelihood: GLM | None = None
    shape: Shape | None = None

    @property
    def minimum(self) -> float:
        """What was made least: its differences between models within each other are likelihood ratios."""
        return self.deviance if self.criterion is None else self.criterion

    @property
    def unit(self) -> float:
        """What differences of `minimum` are divided by: the dispersion, or 1 where that is in them."""
        return 1.0 if self.profiled else self.dispersion.value

    @property
    def profiled(self) -> bool:
        """Whether `minimum` is -2 log-likelihood at a shape's maximum, and the dispersion's unless given."""
        if self.shape is None or self.likelihood is None:
            return False
        return self.likelihood.family.dispersion is None

    @property
    def df_beside_separated(self) -> int:
        """Residual degrees of freedom of the rows that infinite coefficients do not predict perfectly."""
        rows = self.convergence.separated_rows
        if not self.directions or rows is None:
            return self.df_residual
        infinite = int(np.count_nonzero(~np.isnan(self.theta))) - len(self.information.root)
        return self.df_residual - round(rows.counted) + infinite

    @property
    def at_limit(self) -> bool:
        """Whether a parameter beside the coefficients is infinite: what only refits may come to."""
        shape = self.shape
        return bool(np.isinf(self.theta).any()) or (shape is not None and bool(np.isinf(shape.value)))

    @cached_property
    def informed(self) -> NDArray[np.bool_]:
        """Which coefficients (p,) the rows say something of: not those that are aliased or held at infinity.

        Infinite ones are among them where, with others, they say what is finite in the rows that are not
        separated.
        """
        return np.asarray(np.isfinite(self.information.inverse_root).all(axis=1))

    @property
    def informed_root(self) -> Array:
        """L (p, q) with L L' the inverse information for dispersion 1, 0 in rows that are not informed."""
        return np.where(self.informed[:, None], self.information.inverse_root, 0.0)

    @cached_property
    def infinite(self) -> Array:
        """Sign of the first direction that moves each coefficient (p,); 0 where it is finite."""
        sign = np.zeros_like(self.theta)
        for direction in self.directions:
            sign = np.where(sign == 0, np.sign(direction), sign)
        return sign

    @cached_property
    def coef(self) -> Array:
        """Coefficients (p,): NaN where aliased, signed infinity where a direction is not 0."""
        with np.errstate(invalid="ignore"):
            coef = np.where(self.infinite != 0, self.infinite * np.inf, self.theta)
        coef.flags.writeable = False
        return coef

    @cached_property
    def free(self) -> IntArray:
        """Slots of the coefficients that have a standard error."""
        return np.flatnonzero(np.isfinite(self.coef))

    @cached_property
    def rank(self) -> int:
        """Number of coefficients that are not aliased, and of absorbed effects that are not redundant."""
        return int(np.sum(~np.isnan(self.theta))) + (0 if self.absorbed is None else self.absorbed.df)

    @property
    def edf(self) -> Array:
        """Effective degrees of freedom of each coefficient (p,): the diagonal of (J + S)⁻¹ J."""
        own = np.where(np.isnan(self.theta), 0.0, 1.0)
        if self.penalty is None:
            return own
        root = np.nan_to_num(self.information.inverse_root)
        return own - np.einsum("ij,ij->i", root @ (root.T @ self.penalty), np.eye(len(own)))
