"""The certificate in print: one line of verdict, digits by coefficient, and how the solvers went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import floor, inf, isfinite, isnan, nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glmstat.inference.covariance import is_perfect
from glmstat.inference.shown import Shown
from glmstat.inference.verify.numbers import Numbers, disagreements
from glmstat.inference.verify.reading import Rowwise
from glmstat.inference.verify.second import Second
from glmstat.matrix import Array
from glmstat.text.layout import count
from glmstat.text.listing import Listing
from glmstat.triangular import triangular_inverse

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Certificate", "Measured"]

_DEVIANCE = 1e-8  # share of a deviance that its sum may be from the fit's
_CLOSE = 1e-6  # standard errors that a coefficient may be from the maximum, or from the second solver's
_ROUNDED = 30.0  # times what rounding alone may do
_EPS = float(np.finfo(np.float64).eps)
_DIGITS = 15.95  # of a double: -log10 of its rounding
_SHOWN = 12  # digits of agreement from which on more are rounding, and print as "12+"
_SILENT = 1e-9  # below which a relative score, or a distance, prints as "< 1e-9"


@dataclass(frozen=True, eq=False)
class Measured:
    """What the rows say at the estimate.

    Parameters
    ----------
    score : (k,) |U| over the sum of the absolute values that U is a sum of.
    decrement : how far any coefficient could still move, in standard errors.
    std_error : (k,) from the weighted rows by QR.
    rounding : (k,) what rounding each number of the data to a double does to a coefficient, in size.
    condition : of the weighted columns, each of length 1; its square is that of the scaled information.
    deviance : from the rows.
    unit : what of a deviance is rounding, where residuals are; `slack` where they are not.
    unit_error : (k,) standard errors for dispersion 1.
    penalty : what is made least besides the deviance.
    df : residual degrees of freedom.
    held_off : coefficients at the kink of a prior that do not belong there.
    numbers : log-likelihood and Pearson's statistic; None where a mean lies at its bound.
    """

    score: Array
    decrement: float
    std_error: Array
    rounding: Array
    condition: float
    deviance: float
    unit: float
    unit_error: Array
    slack: float = 0.0
    penalty: float = 0.0
    df: float = nan
    held_off: tuple[str, ...] = ()
    numbers: Numbers | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Certificate(Shown):
    """What a fit's numbers rest on: the rows, and a second solver that took another road.

    Parameters
    ----------
    fit : that is certified.
    measured : score, condition and rounding at the estimate.
    second : the second solver's end; None where there is none.
    rows : what both were read from.
    reason : why there is no second maximum to compare with; "" where there is one.
    directions : whether each direction of recession, along which coefficients are infinite, is one.
    """

    fit: Fit
    measured: Measured
    second: Second | None
    rows: Rowwise
    reason: str
    directions: tuple[bool, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the coefficients that are estimated and finite."""
        return tuple(self.fit.columns[slot] for slot in self.rows.slots)

    @property
    def coef(self) -> Array:
        """Coefficients of the fit (k,)."""
        return np.nan_to_num(self.fit.estimate.theta)[self.rows.slots]

    @property
    def second_coef(self) -> Array:
        """Coefficients of the second solver (k,); NaN where there is none."""
        if self.second is None or self.reason:
            return np.full(len(self.columns), np.nan)
        return self.second.beta * self.rows.scale

    @cached_property
    def digits(self) -> Array:
        """Digits in which the coefficients of both solvers agree (k,)."""
        return _agreement(self.coef, self.second_coef)

    @cached_property
    def apart(self) -> Array:
        """Distance of the two solvers in standard errors (k,); NaN where these are rounding."""
        if is_perfect(self.fit):
            return np.full(len(self.columns), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.abs(self.coef - self.second_coef) / self.measured.std_error

    @cached_property
    def zero(self) -> NDArray[np.bool_]:
        """Which coefficients are 0 but for rounding (k,): they have no digits, only an error."""
        return np.abs(self.coef) <= _ROUNDED * self.measured.rounding

    @cached_property
    def trusted(self) -> Array:
        """Digits of each coefficient that may be trusted (k,).

        What rounding the data leaves of them, and no more than both solvers agree in. Digits of a coefficient
        below a millionth of its standard error are those of that error; NaN where it is 0 but for rounding
        and has none.
        """
        size = np.abs(self.coef)
        if not is_perfect(self.fit):
            error = np.nan_to_num(self.measured.std_error)
            size = np.where(size < _CLOSE * error, error, size)
        with np.errstate(divide="ignore", invalid="ignore"):
            left = -np.log10(self.measured.rounding / size)
            agreed = -np.log10(np.abs(self.coef - self.second_coef) / size)
        left = np.clip(np.nan_to_num(left, nan=0.0, posinf=_DIGITS), 0.0, _DIGITS)
        if not self.reason:
            left = np.minimum(left, np.clip(np.nan_to_num(agreed, nan=_DIGITS, posinf=_DIGITS), 0.0, _DIGITS))
        return np.where(self.zero & (size == np.abs(self.coef)), np.nan, left)

    @property
    def deviance_digits(self) -> float:
        """Digits in which the deviance of the fit, and that of the second solver, agree; NaN without one."""
        return (
            float("nan")
            if self.second is None or self.reason
            else self._same_deviance(self.second.reading.deviance)
        )

    @property
    def error_digits(self) -> float:
        """Digits in which standard errors of the fit and of the second solver agree, at the worst."""
        if self.second is None or self.reason or is_perfect(self.fit):
            return float("nan")
        ours = np.linalg.norm(self.fit.estimate.information.inverse_root[self.rows.slots], axis=1)
        inverse = triangular_inverse(self.second.reading.root)
        if inverse is None:
            return 0.0
        return float(np.min(_agreement(ours, np.linalg.norm(inverse, axis=1) * self.rows.scale)))

    @property
    def decrement(self) -> float:
        """How far any coefficient could still move, in standard errors, by the score of the rows."""
        return self.measured.decrement

    @property
    def condition(self) -> float:
        """Condition number of the weighted columns, each of length 1."""
        return self.measured.condition

    @cached_property
    def objections(self) -> tuple[str, ...]:
        """What speaks against the numbers, in words; () where nothing does."""
        return tuple(self._objections())

    @property
    def verified(self) -> bool:
        """Whether nothing speaks against the numbers, and a second solver came to the same."""
        return not self.objections and (not self.reason or not self.columns)

    @property
    def verdict(self) -> str:
        """One line in plain words."""
        if self.objections:
            return f"NOT verified: {'; '.join(self.objections)}"
        trust = self._trust
        if not self.columns:
            return f"Verified: {self.reason}, and the likelihood nowhere falls on the way"
        if self.reason:
            return f"The {self._score} is 0 where it should be: {trust}. No second {self._end}: {self.reason}"
        return f"Verified: two solvers agree, {trust}"

    @property
    def _score(self) -> str:
        return getattr(self.rows.beyond, "words", "score")

    @property
    def _end(self) -> str:
        return "root" if self._score == "adjusted score" else "maximum"

    @property
    def _trust(self) -> str:
        if np.isnan(self.trusted).all():
            return "every coefficient is 0 but for rounding"
        worst = int(np.nanargmin(self.trusted))
        least = floor(self.trusted[worst])
        of = "" if len(self.columns) == 1 else f", {self.columns[worst]} the fewest"
        trust = f"about {count(least, 'digit')} may be trusted{of}"
        return f"{_SHOWN} digits or more may be trusted" if least >= _SHOWN else trust

    def _same_deviance(self, other: float) -> float:
        ours, unit = self.fit.deviance, self.measured.unit
        return float(_agreement(np.array([ours + unit]), np.array([other + unit]))[0])

    def _objections(self) -> Iterator[str]:
        measured, fit = self.measured, self.fit
        if fit.status == "not converged":
            yield f"the fit has not converged ({fit.estimate.convergence.reason})"
        if not isfinite(measured.condition):
            yield "the columns are collinear to rounding"
            return
        perfect = is_perfect(fit)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(measured.rounding / measured.std_error, nan=inf)
        allowed = max(_CLOSE, _ROUNDED * float(ratio.max(initial=0.0)))
        if not perfect and not measured.decrement <= allowed:
            yield (
                f"the {self._score} is not 0, coefficients can still move by {measured.decrement:.2g} "
                "standard errors"
            )
        if fit.estimate.penalty is None and not perfect and not self._near_deviance(measured.deviance):
            yield f"the rows have deviance {measured.deviance:.8g}, the fit says {fit.deviance:.8g}"
        if not perfect and measured.numbers is not None:
            yield from self._against_rows(measured)
        if measured.held_off:
            yield f"at the kink of their prior, where the rows push them off: {', '.join(measured.held_off)}"
        if not all(self.directions):
            yield "coefficients are called infinite, and the likelihood falls on their way"
        if self.second is not None:
            yield from self._against_second(allowed, perfect=perfect)

    def _against_rows(self, measured: Measured) -> Iterator[str]:
        """Standard errors, dispersion and log-likelihood that the rows do not bear out."""
        assert measured.numbers is not None
        inverse = self.fit.estimate.information.inverse_root[self.rows.slots]
        with np.errstate(divide="ignore", invalid="ignore"):
            largest = np.abs(inverse).max(axis=1, initial=0.0)
            ratio = np.linalg.norm(inverse / largest[:, None], axis=1) * (largest / measured.unit_error)
        off = np.abs(np.nan_to_num(ratio, nan=inf) - 1.0)
        if len(off) and not off.max() <= max(_CLOSE, _ROUNDED * _EPS * measured.condition**2):
            worst = int(np.argmax(off))
            yield (
                f"standard errors of the fit are not those of the rows: that of {self.columns[worst]} is "
                f"{ratio[worst]:.4g} times theirs"
            )
        yield from disagreements(self.fit, measured.numbers, measured.slack, measured.df)

    def _near_deviance(self, other: float) -> bool:
        return abs(other - self.fit.deviance) <= _DEVIANCE * abs(self.fit.deviance) + self.measured.slack

    def _against_second(self, allowed: float, *, perfect: bool) -> Iterator[str]:
        second = self.second
        assert second is not None
        if self.reason:
            gain = self.measured.deviance + self.measured.penalty - second.reading.height
            if gain > _CLOSE * (1.0 + abs(self.measured.deviance)):
                yield "the second solver, though it did not converge, found a likelier point"
        elif perfect:
            close = np.abs(self.coef - self.second_coef) <= _CLOSE * np.abs(self.coef).max(initial=0.0)
            if not close.all():
                yield "the second solver has other coefficients"
        elif not (self.apart <= allowed).all():
            lower = second.reading.height < self.measured.deviance + self.measured.penalty
            why = ", and is the likelier" if lower else ""
            far = float(np.nanmax(self.apart))
            yield f"the second solver ended {far:.2g} standard errors away{why}"

    def _shown(self) -> Listing:
        rows, width = count(self.fit.nobs, "row"), count(len(self.columns), "coefficient")
        head = f"Numerical certificate · {rows} · {width}"
        columns = {
            "estimate": self.coef.tolist(),
            "std_error": (
                [np.nan] * len(self.coef) if is_perfect(self.fit) else self.measured.std_error.tolist()
            ),
            "digits": [_digits_text(value) for value in self.digits],
            "apart": [_small_text(value) for value in self.apart],
            "score": [_small_text(value) for value in self.measured.score],
            "trusted": [_digits_text(value) for value in self.trusted],
        }
        title = (head, " ".join(self.fit.formula.split()), self.verdict)
        infinite = self.fit.estimate.infinite[self.rows.slots] != 0
        names = [
            f"{name} (finite part)" if part else name
            for name, part in zip(self.columns, infinite, strict=True)
        ]
        return Listing(title, tuple(names), columns, tuple(self._notes()), self.fit.native)

    def _notes(self) -> Iterator[str]:
        measured, end, second = self.measured, self.fit.estimate.convergence, self.second
        yield (
            f"{self._score}: coefficients can still move by {_small_text(measured.decrement)} standard errors"
            f" · condition of the weighted columns {measured.condition:.3g}"
        )
        if second is not None and not self.reason:
            agreed = f"deviance agrees in {_digits_text(self.deviance_digits)} digits"
            if not isnan(self.error_digits):
                agreed += f" · standard errors in {_digits_text(self.error_digits)}"
            yield agreed
            steps = f"{count(second.iterations, 'iteration')}, {count(second.halvings, 'step-halving')}"
            yield f"second solver: {second.road} from the family's start, {steps}"
        steps = f"{count(end.iterations, 'iteration')}, {count(end.halvings, 'step-halving')}"
        if self.zero.any():
            named = [
                f"{name} (error below {error:.0e})" if error > 0 else name
                for name, zero, error in zip(self.columns, self.zero, self.measured.rounding, strict=True)
                if zero
            ]
            yield f"0 but for rounding: {', '.join(named)}"
        yield f"fit: {steps} · status {self.fit.status} · separation: {end.separation}{self._held}"
        shape = self.fit.estimate.shape
        if shape is not None and shape.name == "theta":
            yield (
                "theta: its score, too, is 0"
                if not self.objections
                else "theta: its score was looked at, too"
            )
        elif shape is not None:
            yield f"{shape.name} of the family is taken as it is: the certificate is of the coefficients"
        yield f"rows read: {self.rows_read:,} by the fit, {self.rows_read_again:,} by the certificate"

    @property
    def _held(self) -> str:
        if not self.directions:
            return ""
        return ", directions hold on all rows" if all(self.directions) else ", directions do not hold"

    @property
    def rows_read(self) -> int:
        """Rows that the solver of the fit read, each pass counted."""
        return sum(one.rows for one in self.fit.estimate.convergence.trace)

    @property
    def rows_read_again(self) -> int:
        """Rows that the certificate read, each pass counted."""
        return sum(self.rows.passes) + len(self.directions) * self.rows.frame.rows


def _agreement(one: Array, two: Array) -> Array:
    """Digits in which numbers agree: -log10 of their distance relative to the larger."""
    size = np.maximum(np.abs(one), np.abs(two))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -np.log10(np.abs(one - two) / size)
    found = np.where(one == two, _DIGITS, found)
    return np.where(np.isnan(one) | np.isnan(two), np.nan, np.clip(found, 0.0, _DIGITS))


def _digits_text(value: float) -> str:
    return "" if isnan(value) else f"{_SHOWN}+" if value >= _SHOWN else f"{floor(value)}"


def _small_text(value: float) -> str:
    return (
        "" if isnan(value) else f"< {_SILENT:.0e}".replace("e-0", "e-") if value < _SILENT else f"{value:.2g}"
    )
