"""Stepwise selection: single terms dropped and added until nothing is gained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from math import inf, isnan
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from glmstat.errors import ArgumentError, ComparisonError, Note, near, one_of
from glmstat.formula.terms import Linear, render
from glmstat.inference.covariance import is_robust
from glmstat.inference.deviance.comparison import DISPERSIONS, rows_beyond
from glmstat.inference.deviance.criterion import aic_words, criterion_value, dropped
from glmstat.inference.deviance.difference import (
    Inside,
    Outcome,
    columns_of,
    foot,
    heading,
    unused_vcov,
)
from glmstat.inference.deviance.larger import NO_WALD, Larger, frame_with, has_limit, quiet_fit
from glmstat.inference.deviance.rule import Rule, make_rule
from glmstat.inference.deviance.scope import addable, container, scope_terms, updated
from glmstat.inference.deviance.submodel import FitTerm, key, mean_terms, without
from glmstat.inference.restrict import Restricted
from glmstat.inference.selected import selection_note
from glmstat.inference.shown import Shown
from glmstat.inference.statement import need_neighbours
from glmstat.progress import track
from glmstat.remedies import advice
from glmstat.text.listing import Listing
from glmstat.text.number import figure
from glmstat.verdict import warn

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = ["Step", "step"]

_DIRECTIONS = ("both", "backward", "forward")
_GAIN = 1e-7  # R step: a criterion that falls by less did not fall


@dataclass(frozen=True, eq=False, repr=False)
class Step(Shown):
    """Where adding and dropping terms led, and the way there.

    Parameters
    ----------
    fit : the last fit, a fit of its formula like any other, with a note that its terms were selected.
    path : the steps: change, df, deviance, and the criterion that was compared.
    criterion : what was compared, in words.
    interrupted : whether the search was stopped from the keyboard; fit and path are those so far.
    """

    fit: Fit
    path: Listing
    criterion: str
    interrupted: bool = False

    def to_frame(self) -> Any:
        """Return the path in the caller's library."""
        return self.path.to_frame()

    def to_dict(self) -> dict[str, Any]:
        """Return the path as JSON values, with the formula that it led to and the criterion."""
        found = {"formula": self.fit.formula, "criterion": self.criterion, "interrupted": self.interrupted}
        return {**super().to_dict(), **found}

    def _shown(self) -> Listing:
        return self.path


def step(
    fit: Fit,
    scope: str | Sequence[str] | Mapping[str, str] | None = None,
    *,
    direction: Literal["both", "backward", "forward"] = "both",
    criterion: str = "aic",
    alpha: float | None = None,
    test: str | None = None,
    k: float | None = None,
    max_steps: int = 1000,
    progress: bool | None = None,
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Step:
    """Return the fit that adding and dropping single terms leads to, and the way there.

    The words are those of `Fit.step`.

    Source: Chambers & Hastie (1992), section 6.1; numbers as R's step.

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9, 4], "x": [0, 1, 2, 3, 4, 2], "f": list("ababab")}
    >>> step(glmstat.glm("y ~ x + f", data, "poisson")).fit.formula
    'y ~ x'
    """
    need_neighbours(fit, "step()")
    fit = fit.with_vcov(vcov, data=data)
    rule = make_rule(fit, criterion, alpha, test, k)
    _check_words(direction, scope, max_steps)
    lower, upper = _bounds(fit, scope)
    _check_rows_stay(fit, lower, upper)
    search = _Search(fit, lower, upper, direction, rule, progress)
    interrupted = False
    try:
        for number in range(1, max_steps + 1):
            if not search.advance(number):
                break
    except KeyboardInterrupt:
        interrupted = True
    return search.result(interrupted)


class _Trial(NamedTuple):
    """One change: its words, the formula after it, the criterion or p-value, degrees of freedom, its test.

    `point` gives its estimate, where theta may be infinite.
    """

    words: str
    formula: str
    value: float
    df: int
    outcome: Outcome | None = None
    point: Callable[[], Restricted] | None = None


def _check_words(direction: str, scope: Any, max_steps: int) -> None:
    if direction not in _DIRECTIONS:
        known = f"{one_of(_DIRECTIONS)}.{near(str(direction), _DIRECTIONS)}"
        raise ArgumentError(f"Unknown direction: {direction!r}. Known: {known}")
    if direction == "forward" and scope is None:
        raise ArgumentError('direction="forward" needs a scope: the largest model. Write scope="~ . + z".')
    if not (isinstance(max_steps, int) and max_steps >= 1):
        raise ArgumentError(f"max_steps must be >= 1: {max_steps!r}. The default is 1000.")


def _bounds(
    fit: Fit, scope: str | Sequence[str] | Mapping[str, str] | None
) -> tuple[tuple[Linear, ...], tuple[Linear, ...]]:
    """Terms that stay, and terms that may be in the model."""
    here = tuple(term.term for term in mean_terms(fit))
    given: Mapping[str, Any] = {} if scope is None else {"upper": scope}
    if isinstance(scope, Mapping):
        given = scope
        unknown = [word for word in given if word not in ("lower", "upper")]
        if unknown:
            raise ArgumentError(f"Unknown part of scope: {unknown[0]!r}. Known: lower, upper.")
    lower = scope_terms(fit, given["lower"]) if "lower" in given else ()
    upper = scope_terms(fit, given["upper"]) if "upper" in given else here
    if "upper" in given and (beyond := _missing(lower, upper)):
        raise ArgumentError(
            f"scope: the upper model lacks terms of the lower: {beyond}. Name them in both, or in neither."
        )
    if absent := _missing(lower, here):
        raise ArgumentError(
            f"scope: the fit lacks terms of the lower model: {absent}. Start from a fit with them."
        )
    if outside := _missing(here, upper):
        raise ArgumentError(
            f"scope: the upper model lacks terms of the fit: {outside}. Write '. + …' to keep those of the "
            "fit, or start from a smaller fit."
        )
    return lower, upper


def _missing(terms: Sequence[Linear], among: Sequence[Linear]) -> str:
    """The terms that are not among others, in words."""
    known = {key(term) for term in among}
    return one_of([str(term) for term in terms if key(term) not in known])


def _check_rows_stay(fit: Fit, lower: Sequence[Linear], upper: Sequence[Linear]) -> None:
    """Refuse a scope in which some model would have other rows: the smallest has most, the largest fewest."""
    formula = fit.spec.design.formula
    parts = {part.text: Linear((part,)) for term in upper for part in term.parts}
    texts = [
        render(formula.response, (*((Linear(()),) if formula.intercept else ()), *terms, *formula.offsets))
        for terms in (tuple(lower), tuple(parts.values()))
    ]
    most, least = (frame_with(fit, text) for text in texts)
    lost = rows_beyond(most, least)
    if lost.count:
        names = [name for name in least.missing.by if name not in most.missing.by]
        raise ComparisonError(
            f"Rows would change along the way: {one_of(names)} missing in {lost.text}. "
            "Refit with subset=, or drop these rows first."
        )


class _Search:
    """The state of `step`: the present fit, and the path to it."""

    def __init__(
        self,
        fit: Fit,
        lower: Sequence[Linear],
        upper: Sequence[Linear],
        direction: str,
        rule: Rule,
        progress: bool | None,
    ) -> None:
        self.fit, self.rule, self.direction, self.progress = fit, rule, direction, progress
        self.stay = [key(term) for term in lower]
        self.upper = upper
        self.seen = {self._terms(fit)}
        self.changes, self.fits = ["start"], [fit]
        self.outcomes: list[Outcome] = []
        self.tried: list[Outcome] = []
        self.ending: tuple[str, ...] = ()
        self.untested: dict[str, None] = {}

    def advance(self, number: int) -> bool:
        """Take the best step; False where none is better."""
        best = self._best(f"step {number}")
        if best is None:
            return False
        if best.point is not None and best.point().estimate.at_limit:  # which is no fit of the family
            name = "p" if self.rule.tests else self.rule.name
            self.ending = (
                f"ended: after {best.words} theta is infinite, {name} {figure(best.value)}; "
                'family="poisson" goes on from there',
            )
            return False
        found = quiet_fit(self.fit, best.formula)
        if self._terms(found) in self.seen:
            return False
        self.fit = found
        self.seen.add(self._terms(found))
        self.changes.append(best.words)
        self.fits.append(found)
        if best.outcome is not None:
            self.outcomes.append(best.outcome)
        return True

    def _best(self, words: str) -> _Trial | None:
        drops, adds = self._drops(), self._adds()
        trials = list(track(self._trials(drops, adds), len(drops) + len(adds), words, self.progress))
        self.tried = [trial.outcome for trial in trials if trial.outcome is not None]
        usable = [trial for trial in trials if not isnan(trial.value)]
        empty = [trial for trial in usable if trial.words.startswith("-") and trial.df == 0]
        if empty:  # a term without columns of its own says nothing: the last goes first, as in R
            return empty[-1]
        if not self.rule.tests:
            limit = criterion_value(self.fit, self.fit.estimate, self.rule.k) - _GAIN
            return min((t for t in usable if t.value < limit), key=lambda t: t.value, default=None)
        weak = [t for t in usable if t.words.startswith("-") and t.value > self.rule.alpha]
        if weak:
            return max(weak, key=lambda t: t.value)
        strong = [t for t in usable if t.words.startswith("+") and t.value < self.rule.alpha]
        return min(strong, key=lambda t: t.value, default=None)

    def _drops(self) -> list[FitTerm]:
        if self.direction == "forward":
            return []
        terms = mean_terms(self.fit)
        free = [term for term in terms if container(term, terms) is None]
        return [term for term in free if not any(key(term.term) <= stay for stay in self.stay)]

    def _adds(self) -> list[Linear]:
        return [] if self.direction == "backward" else addable(self.fit, self.upper)

    def _trials(self, drops: Sequence[FitTerm], adds: Sequence[Linear]) -> Iterator[_Trial]:
        fit, rule, inside = self.fit, self.rule, Inside(self.fit, self.rule.test)
        shaped = has_limit(fit)
        for term in drops:
            rows = without(fit, [term])
            point = partial(inside.point, rows) if shaped else None
            words, formula = f"- {term.label}", updated(fit, f". ~ . - {term.term}").text
            if rule.tests:
                outcome = dropped(inside, rows)
                value = outcome.p_value if outcome.df > 0 else inf
                yield _Trial(words, formula, value, outcome.df, outcome, point)
            else:
                estimate = inside.point(rows).estimate
                df = fit.estimate.rank - estimate.rank
                value = criterion_value(fit, estimate, rule.k)
                yield _Trial(words, formula, value, df, None, point)
        for term in adds:
            larger = Larger(fit, term)
            point = partial(getattr, larger, "point") if shaped else None
            if rule.tests:
                outcome = larger.outcome(rule.test)
                if larger.at_limit:
                    self.untested[str(term)] = None
                yield _Trial(f"+ {term}", larger.formula, outcome.p_value, outcome.df, outcome, point)
            else:
                estimate = larger.point.estimate
                value, df = criterion_value(fit, estimate, rule.k), larger.point.rank - fit.estimate.rank
                yield _Trial(f"+ {term}", larger.formula, value, df, None, point)

    def _terms(self, fit: Fit) -> frozenset[frozenset[str]]:
        return frozenset(key(term.term) for term in mean_terms(fit))

    def result(self, interrupted: bool) -> Step:
        """Return what was found, with the last fit marked and its warnings given."""
        note = Note(
            "selection", f"terms were selected by {self.rule.words}: p-values and intervals ignore that"
        )
        others = tuple(note for note in self.fit.notes if note.kind != "selection")
        fit = replace(self.fit, notes=(*others, note))
        if len(self.fits) > 1:
            warn(fit.estimate, fit.columns, stacklevel=4, advice=advice(fit.spec, fit.estimate))
        return Step(fit, self._path(fit, interrupted), self.rule.words, interrupted)

    def _path(self, fit: Fit, interrupted: bool) -> Listing:
        ranks, deviances = [f.estimate.rank for f in self.fits], [f.deviance for f in self.fits]
        columns: dict[str, list[Any]] = {
            "df": [None, *(int(abs(b - a)) for a, b in pairwise(ranks))],
            "deviance": [None, *(b - a for a, b in pairwise(deviances))],
            "resid_df": [f.df_residual for f in self.fits],
            "resid_dev": deviances,
        }
        if self.rule.tests:
            columns |= columns_of([None, *self.outcomes], ("statistic", "p_value"))
            compared = self.rule.words
        else:
            columns[self.rule.name] = [criterion_value(f, f.estimate, self.rule.k) for f in self.fits]
            compared = f"{self.rule.name} = {aic_words(fit, self.rule.penalty)}"
        notes = [f"compared: {compared}", f"found: {' '.join(fit.formula.split())}", *self._foot(fit)]
        notes += self.ending
        if self.untested:
            notes.append(f"not tested, {', '.join(self.untested)}: {NO_WALD}")
        if interrupted:
            notes.append("interrupted: these are the steps so far")
        title = (
            heading(fit, f"Stepwise selection, {self.direction}"),
            " ".join(self.fits[0].formula.split()),
        )
        return Listing(title, tuple(self.changes), columns, tuple(notes), fit.native, "change")

    def _foot(self, fit: Fit) -> Iterator[str]:
        """The lines below: for tests distribution and covariance, for a criterion a covariance not used."""
        if self.rule.tests:
            found = fit.estimate.dispersion
            rule = f"dispersion: {DISPERSIONS[found.estimator]}, of each fit" if found.estimated else ""
            yield from foot(fit, self.rule.test, self.outcomes or self.tried, dispersion=rule)
            return
        if is_robust(fit):
            yield unused_vcov(fit, self.rule.name.upper())
        yield from selection_note(fit)
