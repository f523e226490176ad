"""The result of a bootstrap: estimates of all resamples, and what is read off them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, near, one_of
from glmstat.frame import block_rows
from glmstat.inference.bootstrap.interval import TYPES, Interval, Sample, interval
from glmstat.inference.bootstrap.plan import Plan
from glmstat.inference.bootstrap.replicate import KINDS, Kinds, by_cluster, combine
from glmstat.inference.bootstrap.scheme import Residuals
from glmstat.inference.hypothesis.linear import linear
from glmstat.inference.interval import check_level
from glmstat.inference.score import projected
from glmstat.inference.selected import selection_note
from glmstat.inference.shown import Shown
from glmstat.matrix import Array, Block
from glmstat.table import frame
from glmstat.text.listing import Listing
from glmstat.triangular import triangle

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Bootstrap", "Targets", "targets"]

_ENDLESS = {"separated", "theta infinite"}  # kinds with infinite estimates
_TITLES = {
    "percentile": "percentile",
    "basic": "basic",
    "bca": "BCa",
    "studentized": "studentised",
    "normal": "normal, bias corrected",
}


@dataclass(frozen=True, eq=False)
class Targets:
    """Numbers that intervals are wanted for: names (m,) and combinations C (m, p) of the coefficients."""

    names: tuple[str, ...]
    matrix: Array


def targets(fit: Fit, of: str | Sequence[str] | None) -> Targets:
    """Return the coefficients or linear combinations that `of` names; every coefficient where it is None.

    Raises
    ------
    ArgumentError : a name that no coefficient has, or an expression that is not linear.
    """
    if of is None:
        return Targets(fit.columns, np.eye(len(fit.columns)))
    chosen = linear(fit, of)
    return Targets(chosen.texts, chosen.matrix)


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap(Shown):
    """Resamples of a fit. Frozen; printing it shows `summary()`.

    Parameters
    ----------
    fit : what was resampled.
    plan : what was drawn.
    seed : with it the same call gives the same bits, on any number of cores.
    asked : number of resamples asked for; fewer are there after an interruption.
    targets : what has a standard error in every resample.
    estimates : (reps, p) coefficients; signed infinity where a resample separates, NaN where its separated
        rows do not determine the coefficient, and in resamples that did not converge, failed, or lost a
        column.
    std_errors : (reps, m) standard errors of the targets under the covariance of the fit.
    std_error : (m,) the same of the fit itself.
    kinds : (reps,) place of each resample's kind among "usable", "separated", "theta infinite",
        "not converged", "aliased", "failed".
    reason : why the first failed resample failed.

    >>> import glmstat
    >>> from glmstat.inference.bootstrap.resample import bootstrap
    >>> data = {"y": [1, 2, 3, 5, 9, 4, 2, 6], "x": [0, 1, 2, 3, 4, 2, 1, 3]}
    >>> drawn = bootstrap(glmstat.glm("y ~ x", data), 99, resample="residual", seed=1)
    >>> drawn.reps, drawn.estimates.shape
    (99, (99, 2))
    """

    fit: Fit
    plan: Plan
    seed: int
    asked: int
    targets: Targets
    estimates: Array
    std_errors: Array
    std_error: Array
    kinds: Kinds
    reason: str = ""

    @property
    def reps(self) -> int:
        """Number of resamples done."""
        return len(self.estimates)

    @property
    def interrupted(self) -> bool:
        """Whether fewer resamples were done than asked for."""
        return self.reps < self.asked

    @property
    def counts(self) -> Mapping[str, int]:
        """How many resamples there are of each kind."""
        return {kind: int(np.sum(self.kinds == number)) for number, kind in enumerate(KINDS)}

    @property
    def usable(self) -> int:
        """Number of resamples with a finite estimate of every coefficient that the fit has one of."""
        return self.counts["usable"]

    def confint(
        self, type: str = "percentile", level: float = 0.95, *, of: str | Sequence[str] | None = None
    ) -> Listing:
        """Return intervals as a table with columns estimate, conf_low, conf_high.

        Infinite estimates of resamples that separate take part as they are in percentile, basic and BCa
        intervals; studentised and normal intervals leave them out. Resamples that do not determine a
        number take no part in its interval.

        Parameters
        ----------
        type : "percentile", "basic", "bca" (acceleration from the influence values J⁻¹u of the drawn
            rows or clusters), "studentized" (each resample divided by its own standard error) or "normal"
            (bias corrected).
        level : coverage.
        of : coefficients or linear combinations ("x - z"); default what the bootstrap was asked for.

        Raises
        ------
        ArgumentError : an unknown type or name, too few usable resamples for the level, or no standard
            errors to studentise by.

        Source: quantiles as Davison & Hinkley (1997), equation 5.8, and R's boot.ci.
        """
        chosen = self.targets if of is None else targets(self.fit, of)
        ends = self._intervals(type, check_level(level), chosen)
        columns = {
            "estimate": combine(chosen.matrix, self.fit.estimate.coef),
            "conf_low": [end.low for end in ends],
            "conf_high": [end.high for end in ends],
        }
        notes = self._notes(type, level, chosen, ends)
        return Listing(self._title, chosen.names, columns, notes, self.fit.native)

    def summary(self, type: str = "percentile", level: float = 0.95) -> Listing:
        """Return estimate, bias, standard error and interval of each number; print it.

        Bias and standard error are those of the resamples with finite estimates, and empty where the
        estimate of the fit is infinite. The ends are empty where there are too few resamples. Parameters
        as `confint`.
        """
        chosen = self.targets
        draws = self._draws(chosen)
        finite = np.isfinite(draws)
        estimate = combine(chosen.matrix, self.fit.estimate.coef)
        level = check_level(level)
        _check_type(type)
        try:
            ends, short = self._intervals(type, level, chosen), ""
        except ArgumentError as error:
            ends, short = [Interval(np.nan, np.nan)] * len(estimate), f"no intervals: {error}"
        columns = {
            "estimate": estimate,
            "bias": [
                _mean(draws[finite[:, j], j]) - value if np.isfinite(value) else np.nan
                for j, value in enumerate(estimate)
            ],
            "std_error": [
                _spread(draws[finite[:, j], j]) if np.isfinite(value) else np.nan
                for j, value in enumerate(estimate)
            ],
            "conf_low": [end.low for end in ends],
            "conf_high": [end.high for end in ends],
        }
        notes = self._notes(type, level, chosen, ends)
        if short:
            notes = (notes[0], short, *notes[2:])
        return Listing(self._title, chosen.names, columns, notes, self.fit.native)

    def vcov(self) -> Any:
        """Return the covariance (p, p) of the usable resamples as a labelled table.

        Raises
        ------
        ArgumentError : fewer than 2 usable resamples.
        """
        root = self.root()
        root[~np.isfinite(self.fit.estimate.coef)] = np.nan
        return self.fit.by_term(dict(zip(self.fit.columns, root @ root.T, strict=True)))

    def root(self) -> Array:
        """Return R (p, k) with R R' the covariance of the usable resamples; 0 for coefficients without one.

        Raises
        ------
        ArgumentError : fewer than 2 usable resamples.
        """
        usable = self.estimates[self.kinds == 0]
        if len(usable) < 2:
            raise ArgumentError(
                f"A covariance needs 2 usable resamples: there are {len(usable)} of {self.reps:,}. "
                f"{self.unusable} All are in .estimates and .kinds."
            )
        usable = np.where(np.isfinite(self.fit.estimate.coef), usable, 0.0)
        centred = usable - usable.mean(axis=0)
        return triangle(centred).T / np.sqrt(len(usable) - 1.0)

    def to_frame(self) -> Any:
        """Return the estimates as a table with a row per resample, its kind in the last column."""
        columns = dict(zip(self.fit.columns, self.estimates.T, strict=True))
        words = [KINDS[int(kind)] for kind in self.kinds]
        return frame({**columns, "resample": words}, type(self.fit.native)(self.fit.native.library))

    def _shown(self) -> Listing:
        return self.summary()

    def _draws(self, chosen: Targets) -> Array:
        return combine(chosen.matrix, self.estimates)

    def _intervals(self, type: str, level: float, chosen: Targets) -> list[Interval]:
        _check_type(type)
        draws, errors, own = self._draws(chosen), *self._errors(type, chosen)
        skewness = self._acceleration(chosen) if type == "bca" else np.full(len(chosen.names), np.nan)
        estimate = combine(chosen.matrix, self.fit.estimate.coef)
        samples = map(Sample, estimate, own, draws.T, errors.T, skewness)
        return [interval(type, sample, level) for sample in samples]

    def _errors(self, type: str, chosen: Targets) -> tuple[Array, Array]:
        """Standard errors of the resamples (reps, m) and of the fit (m,)."""
        nothing = np.full((self.reps, len(chosen.names)), np.nan)
        if type != "studentized":
            return nothing, nothing[0]
        if not np.isfinite(self.std_error).any():
            raise ArgumentError(
                f"Studentised intervals need standard errors of every resample: under {self.plan.pivot_text} "
                'there are none. Give vcov="HC3" or resample="cluster" in the bootstrap, or type="bca" here.'
            )
        known = [row.tobytes() for row in self.targets.matrix]
        places = [known.index(row) if (row := one.tobytes()) in known else -1 for one in chosen.matrix]
        if -1 in places:
            name = chosen.names[places.index(-1)]
            raise ArgumentError(
                f"Resamples have no standard error of {name}. Give of= in the call of bootstrap too."
            )
        return self.std_errors[:, places], self.std_error[places]

    def _acceleration(self, chosen: Targets) -> Array:
        """Σ L³ / (6 (Σ L²)^1.5) over influence values L = C J⁻¹u of rows or clusters, one per target."""
        fit, groups = self.fit, self.plan.groups
        assert fit.frame is not None
        inverse = fit.estimate.information.inverse_root
        inverse = np.where(np.isfinite(inverse), inverse, 0.0)
        back = inverse.T @ chosen.matrix.T

        def kernel(block: Block) -> Array:
            values = projected(fit, block, inverse) @ back
            times = block.counted[:, None]
            if groups is not None:
                return by_cluster(values * times, groups.of(block), groups.count)
            return np.vstack([(times * values**2).sum(axis=0), (times * values**3).sum(axis=0)])

        total = fit.frame.reduce(kernel)
        squares, cubes = total if groups is None else np.vstack([(total**k).sum(axis=0) for k in (2, 3)])
        with np.errstate(all="ignore"):
            return cubes / (6.0 * squares**1.5)

    @cached_property
    def _title(self) -> tuple[str, ...]:
        return (f"Bootstrap: {self.plan.text}", self.fit.formula)

    def _notes(self, type: str, level: float, chosen: Targets, ends: Sequence[Interval]) -> tuple[str, ...]:
        unit = "rows" if self.plan.groups is None else "clusters"
        notes = [
            f"{self.reps:,} resamples of {self.plan.units:,} {unit} · seed {self.seed}",
            f"intervals: {100 * level:g} % {_TITLES[type]}{self._extra(type)}",
        ]
        names = [name for name, end in zip(chosen.names, ends, strict=True) if end.extreme]
        if names:
            notes.append(f"an end is the most extreme resample: {one_of(names)}; more reps are needed")
        infinite = np.isinf(combine(chosen.matrix, self.fit.estimate.coef))
        names = [name for name, far in zip(chosen.names, infinite, strict=True) if far]
        if names:
            notes.append(
                f'infinite in the fit: {one_of(names)}; fit.confint(method="profile") has its finite end'
            )
        ways = self.fit.covariance.cluster
        if ways and self.plan.groups is None:
            notes.append(
                f'rows of a cluster by {ways[0]} are drawn as if independent: see resample="cluster"'
            )
        if self._cut_apart:
            notes.append(
                "rows are left out: the draws of a seed depend on whether data are copied, see Control"
            )
        if self.interrupted:
            notes.append(f"interrupted: {self.reps:,} of {self.asked:,} resamples")
        if self.unusable:
            notes.append(self.unusable)
        lost = self._undetermined(chosen)
        if lost:
            notes.append(f"not determined in separated resamples, which its interval leaves out: {lost}")
        return (*notes, *selection_note(self.fit))

    @property
    def _cut_apart(self) -> bool:
        """Whether rows of the same data lie in other blocks, which draw them, where they are copied."""
        frame, drawn = (
            self.fit.frame,
            self.plan.groups is None and not isinstance(self.plan.scheme, Residuals),
        )
        if frame is None or not drawn or frame.rows == frame.source.rows:
            return False
        return frame.source.rows > block_rows(frame.design.written)

    def _undetermined(self, chosen: Targets) -> str:
        """Names of numbers that resamples with an estimate do not determine, and in how many."""
        draws = self._draws(chosen)[self.kinds <= KINDS.index("theta infinite")]
        wanted = ~np.isnan(combine(chosen.matrix, self.fit.estimate.coef))
        counts = np.where(wanted, np.isnan(draws).sum(axis=0), 0)
        return ", ".join(
            f"{name} ({count:,})" for name, count in zip(chosen.names, counts, strict=True) if count
        )

    def _extra(self, type: str) -> str:
        if type == "studentized":
            return f", standard errors {self.plan.pivot_text}"
        return ", acceleration from influence values" if type == "bca" else ""

    @property
    def unusable(self) -> str:
        """How many resamples of which kind are not usable, in a sentence; empty where all are."""
        rest = {kind: count for kind, count in self.counts.items() if count and kind != "usable"}
        if not rest:
            return ""
        parts = ", ".join(f"{count:,} {kind}" for kind, count in rest.items())
        why = f" (first failure: {self.reason})" if self.reason else ""
        infinite = " Infinite estimates take part in percentiles." if _ENDLESS & set(rest) else ""
        return f"{self.reps - self.usable:,} of {self.reps:,} resamples not usable: {parts}{why}.{infinite}"


def _check_type(type: str) -> None:
    if type not in TYPES:
        raise ArgumentError(f"Unknown type: {type!r}. Known: {one_of(TYPES)}.{near(str(type), TYPES)}")


def _mean(draws: Array) -> float:
    return float(draws.mean()) if len(draws) else np.nan


def _spread(draws: Array) -> float:
    return float(draws.std(ddof=1)) if len(draws) > 1 else np.nan
