"""Which convention moves which number between a fit and what another system prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from typing import Any

from glmstat.convention import Convention, as_convention
from glmstat.errors import ComparisonError
from glmstat.fit import Fit
from glmstat.inference.convention.numbers import Quantity, differ, numbers
from glmstat.inference.convention.remarks import remarks
from glmstat.inference.convention.under import differences, under
from glmstat.inference.convention.words import ELSEWHERE, FIELDS, in_words
from glmstat.inference.statement import need_likelihood
from glmstat.text.layout import count
from glmstat.text.listing import Listing

__all__ = ["Difference", "explain_difference"]

_TABLE = dict.fromkeys(("statistic", "p_value", "conf_low", "conf_high"), ("coef", "se"))
_MADE_OF = {**_TABLE, **dict.fromkeys(("aic", "aicc", "bic"), ("loglik",))}
_SCALED = ("score", "likelihood_ratio", "selection")  # move nothing where the dispersion is known


@dataclass(frozen=True, eq=False, repr=False)
class Difference(Listing):
    """The numbers that another system prints otherwise: here, there, and the conventions that move them.

    Parameters
    ----------
    moved : convention → the quantities that it moves alone.
    there : the fit under the other conventions.
    through : the column `convention` as it is printed: what moves a number that stands above it by its name.
    """

    moved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    there: Fit | None = None

    through: tuple[str, ...] = ()

    def _cells(self, *, alike: bool = True) -> list[tuple[str, ...]]:
        rows = zip(self["here"], self["there"], self.through, strict=True)
        return [(_six_digits(here), _six_digits(there), words) for here, there, words in rows]


def explain_difference(fit: Fit, system: Any) -> Difference:
    """Return what another system prints of the same model, and which of its conventions moves which number.

    The fit is looked at under the record of the other system, then with one choice after the other moved
    alone; a number is ascribed to the choices that move it. What no choice moves alone is ascribed to those
    without which it would not be what it is there.

    Parameters
    ----------
    system : "R", "stata", "statsmodels", "sas" or "glmstat", or a Convention.

    Raises
    ------
    ArgumentError : an unknown system.
    ComparisonError : no maximum of a likelihood: `prior=`, a bias-reducing method, a network's output.
    DataError : the fit holds no rows, and the other system's choices need them.
    """
    record = as_convention(system)
    _refuse(fit)
    comparison = _Comparison(fit, record)
    rows = comparison.rows
    columns = {
        "here": [comparison.here.get(row) for row in rows],
        "there": [comparison.there.get(row) for row in rows],
        "convention": [", ".join(comparison.movers[row]) for row in rows],
    }
    shown = [comparison.text(row) for row in rows]
    moved = {
        name: tuple(text for row, text in zip(rows, shown, strict=True) if name in comparison.movers[row])
        for name in comparison.fields
    }
    ours, theirs = fit.convention.described or "glmstat", record.described or "glmstat"
    title = (f"{ours} and {theirs}: {count(len(rows), 'number')} differ", fit.spec.design.text)
    return Difference(
        title,
        tuple(shown),
        columns,
        tuple(comparison.notes(moved)),
        fit.native,
        "quantity",
        {name: found for name, found in moved.items() if found},
        comparison.other,
        tuple(comparison.through(row) for row in rows),
    )


def _refuse(fit: Fit) -> None:
    statement = fit.spec.statement
    if statement is not None and statement.argument:
        raise ComparisonError(
            f"explain_difference() is not defined for {statement.choice}: the conventions are those of "
            "maximum likelihood and quasi-likelihood fits. Leave it out to see what they move."
        )
    need_likelihood(fit, "explain_difference()")


class _Comparison:
    """A fit here and there, and with one choice moved at a time."""

    def __init__(self, fit: Fit, record: Convention) -> None:
        self.fit, self.record = fit, record
        self.fields = differences(fit.convention, record)
        self.other = under(fit, record)
        self.here, self.there = numbers(fit), numbers(self.other)
        self.rows = [one for one in dict.fromkeys((*self.here, *self.there)) if self._differs(self.here, one)]
        self.movers = self._ascribed()

    def _differs(self, found: Mapping[Quantity, float], row: Quantity) -> bool:
        return differ(found.get(row), self.there.get(row))

    def _ascribed(self) -> dict[Quantity, tuple[str, ...]]:
        """The choices that move each row alone, less those that another choice there makes idle."""
        alone = self._moving(self._one_moved(), self.here)
        several = [row for row, names in alone.items() if len(names) != 1]
        needed = self._moving(self._one_left(), self.there) if several else alone
        idle = {row: tuple(one for one in alone[row] if one not in needed[row]) for row in several}
        jointly = {names: numbers(self._without(names)) for names in set(idle.values()) if names}
        for row, names in idle.items():
            if names and not self._differs(jointly[names], row):
                alone[row] = tuple(one for one in alone[row] if one not in names)
        return {row: names or needed[row] for row, names in alone.items()}

    def _moving(
        self, changed: Iterable[tuple[str, Mapping[Quantity, float]]], usual: Mapping[Quantity, float]
    ) -> dict[Quantity, tuple[str, ...]]:
        """The choices that move each row from its usual value."""
        moving: dict[Quantity, tuple[str, ...]] = dict.fromkeys(self.rows, ())
        for name, found in changed if self.rows else ():
            for row in self.rows:
                if differ(found.get(row), usual.get(row)):
                    moving[row] = (*moving[row], name)
        return moving

    def _one_moved(self) -> Iterator[tuple[str, dict[Quantity, float]]]:
        here = self.fit.convention
        for name in self.fields:
            if name != "names":
                changed = replace(here, **{name: getattr(self.record, name)})
                yield name, numbers(under(self.fit, changed))

    def _one_left(self) -> Iterator[tuple[str, dict[Quantity, float]]]:
        for name in self.fields:
            if name != "names":
                yield name, numbers(self._without((name,)))

    def _without(self, names: tuple[str, ...]) -> Fit:
        """The fit there, but for some choices."""
        here = self.fit.convention
        return under(self.fit, replace(self.record, **{name: getattr(here, name) for name in names}))

    def text(self, row: Quantity) -> str:
        """What a row is called: "aic", "se x"."""
        what, term = row
        if not term:
            return what
        for fit in (self.fit, self.other):
            names = dict(zip(fit.spec.design.default_columns, fit.columns, strict=True))
            if term in names:
                return f"{what} {names[term]}"
        return f"{what} {term}"

    def through(self, row: Quantity) -> str:
        """What moves a row; the numbers of the table that it is made of in the place of what moves these."""
        what, term = row
        left, words = list(self.movers[row]), []
        for part in _MADE_OF.get(what, ()):
            known = self.movers.get((part, term), ())
            if any(name in left for name in known):
                words.append(part)
                left = [name for name in left if name not in known]
        return ", ".join((*words, *left))

    def notes(self, moved: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """The lines below the table."""
        if not self.rows:
            yield "nothing differs in the table of coefficients and its foot"
        here, there = self.fit.convention, self.record
        yield from (in_words(name, here, there) for name in self.fields if moved.get(name))
        yield from self._names()
        yield from self._modelled()
        yield from self._elsewhere(moved)
        for fit, place in ((self.fit, "here"), (self.other, "there")):
            yield from (
                f"no standard errors {place}: {note.text}" for note in fit.notes if note.kind == "vcov"
            )
        system = self.record.title
        yield from (f"{system}: {text}" for text in remarks(self.fit, self.record.name))

    def _names(self) -> Iterator[str]:
        ours, theirs = (
            dict(zip(fit.spec.design.default_columns, fit.columns, strict=True))
            for fit in (self.fit, self.other)
        )
        pairs = [f"{ours[one]} → {theirs[one]}" for one in ours if one in theirs and ours[one] != theirs[one]]
        if pairs:
            yield f"names: {FIELDS['names'].stem} {', '.join(pairs)}"

    def _modelled(self) -> Iterator[str]:
        ours, theirs = self.fit.spec.design.modelled, self.other.spec.design.modelled
        if ours != theirs:
            yield f"modelled: {ours} here, {theirs} there"

    def _elsewhere(self, moved: Mapping[str, Sequence[str]]) -> Iterator[str]:
        known = not self.fit.estimate.dispersion.estimated
        silent = [
            name
            for name in self.fields
            if name in ELSEWHERE and not moved.get(name) and not (known and name in _SCALED)
        ]
        if silent:
            yield "moves other verbs: " + ", ".join(f"{name} ({ELSEWHERE[name]})" for name in silent)


def _six_digits(value: float | None) -> str:
    if value is None or isnan(value):
        return ""
    return f"{value:.6g}"
