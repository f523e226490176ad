"""The left side: numbers, an event out of levels, or counts of successes and failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from glmstat.data.source import Categorical, Frame, Level
from glmstat.errors import ArgumentError, DataError, DomainError, FormulaError, one_of
from glmstat.families import Family
from glmstat.formula.check import Offences, finite, merge, offence
from glmstat.formula.expression import Environment, evaluate
from glmstat.formula.roles import number, rows_checked
from glmstat.formula.terms import Response
from glmstat.formula.value import JSON, Array, Basis, level_label, match_level

__all__ = ["ResponseCoding", "ResponseSurvey", "learn_response", "survey_response"]

_WHOLE = 1e-7  # R dpois: a count this far from a whole number, relative to max(1, count), is none
_WHOLE_SUCCESSES = 1e-3  # R binomial()$initialize
_COUNTED = frozenset(("poisson", "negative_binomial"))


@dataclass(frozen=True)
class ResponseCoding:
    """How the left side becomes numbers.

    Parameters
    ----------
    kind : "number" (as it is), "event" (1 where the response is `event`, else 0) or "counts" (successes
        over trials; the trials multiply the weights).
    text : the left side.
    event : the level counted as 1.
    modelled : what the mean is, in words, where that is not plain: "P(y == 'yes')".
    """

    kind: Literal["number", "event", "counts"]
    text: str
    event: Level | None = None
    modelled: str | None = None

    def values(self, response: Response, environment: Environment) -> tuple[Array, Array | None]:
        """Return y (n,) and the trials (n,), or None where each row is one trial."""
        if self.kind == "counts":
            return _share(*(number(part, environment, "cbind()") for part in response.expressions))
        value = _single(response, environment)
        if self.kind == "event":
            return _is_event(value, self.event).astype(np.float64), None
        return _as_float(value), None

    def to_json(self) -> JSON:
        """Return plain JSON."""
        return {"kind": self.kind, "text": self.text, "event": self.event, "modelled": self.modelled}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> ResponseCoding:
        """Return the coding that `to_json` wrote."""
        return cls(**plain)


@dataclass(frozen=True, eq=False)
class ResponseSurvey:
    """What blocks tell about the response.

    Parameters
    ----------
    kind : "number", "boolean", "factor" or "counts".
    counts : rows by level, of a factor or of true and false.
    events : rows in which the named event happens, or that have trials.
    offences : rows outside the family's domain.
    doubts : rows that the family takes but does not expect.
    """

    kind: Literal["number", "boolean", "factor", "counts"]
    counts: Mapping[Level, int] = field(default_factory=dict)
    events: int = 0
    offences: Offences = field(default_factory=dict)
    doubts: Offences = field(default_factory=dict)

    def __add__(self, other: ResponseSurvey) -> ResponseSurvey:
        counts = {
            level: self.counts.get(level, 0) + other.counts.get(level, 0)
            for level in {**self.counts, **other.counts}
        }
        return ResponseSurvey(
            self.kind,
            counts,
            self.events + other.events,
            merge(self.offences, other.offences),
            merge(self.doubts, other.doubts),
        )


def survey_response(
    response: Response, environment: Environment, family: Family, event: Level | None, weights: Array | None
) -> ResponseSurvey:
    """Return what one block tells about the response.

    Parameters
    ----------
    response : the left side.
    environment : the rows that enter.
    family : its domain is checked.
    event : the level that `event=` names.
    weights : prior weights (n,), for the trials behind shares.
    """
    event = _one_level(event)
    if response.kind == "counts":
        return _survey_counts(response, environment, family, event)
    value = _single(response, environment)
    if isinstance(value, Categorical):
        held = np.bincount(value.codes, minlength=len(value.levels)).tolist()
        return ResponseSurvey("factor", dict(zip(value.levels, held, strict=True)))
    if value.dtype == np.bool_:
        happened = int(np.count_nonzero(value))
        if family.binary:
            return ResponseSurvey("boolean", {False: len(value) - happened, True: happened})
    if event is not None:
        return ResponseSurvey("number", events=int(np.count_nonzero(_is_event(value, _as_typed(event)))))
    return _survey_numbers(_as_float(value), response.text, environment.frame, family, weights)


def _survey_numbers(
    y: Array, text: str, frame: Frame, family: Family, weights: Array | None
) -> ResponseSurvey:
    offences = finite(y, text, frame) or _outside(y, text, frame, family)
    doubts: Offences = {}
    if not offences:
        if family.name in _COUNTED:
            doubts = _not_whole(y, text, frame, family, _WHOLE, "counts")
        elif family.name == "binomial":
            successes = y if weights is None else y * weights
            doubts = _not_whole(successes, text, frame, family, _WHOLE_SUCCESSES, "shares of whole numbers")
    return ResponseSurvey("number", offences=offences, doubts=doubts)


def _not_whole(
    counts: Array, text: str, frame: Frame, family: Family, tolerance: float, what: str
) -> Offences:
    """Rows whose counts are further from a whole number than R allows."""
    away = np.abs(counts - np.rint(counts))
    scale = np.maximum(np.abs(counts), 1.0) if what == "counts" else 1.0
    bad = away > tolerance * scale
    if not bad.any():
        return {}
    shown = text if what == "counts" else f"{text} times weights"
    rule = f"{_title(family)} response should be {what}"
    remedy = (
        f'Use family="quasi{family.name}" if it is meant.'
        if family.name != "negative_binomial"
        else "Check the data."
    )
    return offence(bad, counts, frame, rule, shown, remedy)


def _outside(y: Array, text: str, frame: Frame, family: Family) -> Offences:
    bad = family.domain.outside(y)
    if bad is None:
        return {}
    rule = f"{_title(family)} response must be {family.domain.text}"
    return offence(np.asarray(bad, dtype=np.bool_), y, frame, rule, text, _remedy(family), DomainError)


def _remedy(family: Family) -> str:
    if family.binary:
        return "Write counts as cbind(successes, failures), or shares with weights= the trials."
    return 'Drop or correct it, or use family="gaussian".'


def _survey_counts(
    response: Response, environment: Environment, family: Family, event: Level | None
) -> ResponseSurvey:
    if not family.binary:
        raise FormulaError(
            f"cbind() on the left needs a binomial family: family is {family.name}. Use one column."
        )
    if event is not None:
        raise ArgumentError(
            f"event= names a level: {response.text} has none. Put the successes first in cbind()."
        )
    frame, offences, doubts = environment.frame, {}, {}
    trials = np.zeros(frame.rows)
    for part in response.expressions:
        counts = number(part, environment, "cbind()")
        trials += counts
        remedy = "Write cbind(successes, failures)."
        bad = finite(counts, part.text, frame) or offence(
            counts < 0, counts, frame, "Counts must be >= 0", part.text, remedy, DomainError
        )
        offences = merge(offences, bad)
        if not bad and family.name == "binomial":
            doubts = merge(doubts, _not_whole(counts, part.text, frame, family, _WHOLE_SUCCESSES, "counts"))
    return ResponseSurvey("counts", {}, int(np.count_nonzero(trials)), offences, doubts)


def learn_response(
    response: Response,
    survey: ResponseSurvey,
    family: Family,
    event: Level | None,
    usual: Literal["first", "second"] = "second",
) -> ResponseCoding:
    """Return how the response becomes numbers, given what all rows tell.

    R's rule: the first level is failure. With more than two levels, `event` must name the one that counts.

    Parameters
    ----------
    usual : which of two levels counts as 1 where `event` does not say.

    Raises
    ------
    DataError : levels where the family needs numbers, one level only, or an event that never happens.
    ArgumentError : `event` for a family that has none, or more than two levels without it.
    """
    text, event = response.text, _one_level(event)
    if event is not None and not family.binary:
        raise ArgumentError(f"event= needs a binomial family: family is {family.name}. Leave event= out.")
    if survey.kind == "counts":
        if not survey.events:
            raise DataError(f"No row has a trial: {text} is 0 in every row. Give counts > 0.")
        return ResponseCoding("counts", text, modelled=f"share of {response.expressions[0].text} in {text}")
    if survey.kind == "number":
        if event is None:
            return ResponseCoding("number", text)
        if not survey.events:
            raise DataError(
                f"event={_shown(event)} never happens: {text} never takes that value. Name another."
            )
        named = _as_typed(event)
        return ResponseCoding("event", text, named, f"P({text} == {_shown(named)})")
    if not family.binary:
        shown = one_of([level_label(level) for level in list(survey.counts)[:5]])
        raise DataError(
            f'{_title(family)} response must be numbers: {text} has levels {shown}. Use family="binomial".'
        )
    if survey.kind == "boolean":
        chosen = usual == "second" if event is None else _event(survey.counts, event, text)
        return ResponseCoding("event", text, chosen, f"P({text})" if chosen else f"P(not {text})")
    chosen = _event(survey.counts, event, text, usual)
    return ResponseCoding("event", text, chosen, f"P({text} == {_shown(chosen)})")


def _event(counts: Mapping[Level, int], event: Level | None, text: str, usual: str = "second") -> Level:
    """The level that counts as 1: the one named, else the usual one of two."""
    used = [level for level, count in counts.items() if count]
    listed = one_of([_shown(level) for level in used[:8]]) + (", …" if len(used) > 8 else "")
    if event is not None:
        named = match_level(event, used)
        if named is None:
            raise DataError(f"event={_shown(event)} never happens: {text} takes {listed}. Name one of these.")
        return named
    if len(used) == 1:
        raise DataError(f"Response has one level: {text} is {listed} in every row. Name the event: event=.")
    if len(used) > 2:
        raise ArgumentError(
            f"Response has {len(used)} levels: {text} takes {listed}. Name the event: event=."
        )
    return used[1 if usual == "second" else 0]


def _single(response: Response, environment: Environment) -> Any:
    """Value of a left side of one column: float64 or bool (n,), or a factor."""
    value = evaluate(response.expressions[0], environment)
    if isinstance(value, (float, bool)):
        return np.full(environment.frame.rows, value)
    if isinstance(value, Basis):
        raise FormulaError(
            f"Response must be one column: {response.text} has {len(value.labels)}. Write one, or cbind()."
        )
    return rows_checked(value, response.text, environment.frame)


def _share(successes: Array, failures: Array) -> tuple[Array, Array]:
    trials = successes + failures
    return np.divide(successes, trials, out=np.zeros_like(trials), where=trials > 0), trials


def _is_event(value: NDArray[Any] | Categorical, event: Level | None) -> NDArray[np.bool_]:
    if isinstance(value, Categorical):
        hit = np.array([level == event for level in value.levels], dtype=bool)
        return hit[value.codes]
    return np.asarray(value == event)


def _one_level(event: Any) -> Level | None:
    event = event.item() if isinstance(event, np.generic) else event
    if event is None or isinstance(event, (str, bool, int, float)):
        return event
    raise ArgumentError(
        f"event must be one level: got {type(event).__name__}. Write event='yes', or a number."
    )


def _as_typed(event: Level) -> Level:
    """A number written as text, as the command line does; anything else as it is."""
    try:
        return float(event) if isinstance(event, str) else event
    except ValueError:
        return event


def _as_float(value: NDArray[Any]) -> Array:
    return value.astype(np.float64, copy=False)


def _shown(level: Level) -> str:
    return repr(level) if isinstance(level, str) else level_label(level)


def _title(family: Family) -> str:
    return family.name.replace("_", " ").capitalize()
