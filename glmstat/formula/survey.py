"""One look at the rows that enter: what each part is, which levels are taken, which rows break a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from glmstat.convention import Convention
from glmstat.data.source import BoolArray, Categorical, Frame, Level
from glmstat.errors import ArgumentError
from glmstat.formula.check import Offences, finite, merge, offence
from glmstat.formula.contrast import Contrast, as_contrast
from glmstat.formula.expression import Environment, Expression, evaluate
from glmstat.formula.roles import rows_checked
from glmstat.formula.schema import BASIS, FACTOR, NUMBER, Encoding
from glmstat.formula.value import Basis, Value, as_number, level_label

__all__ = ["PartSurvey", "by_convention", "survey_parts", "used_levels", "with_contrasts", "without_level"]

_NUMBER = Encoding(NUMBER)


@dataclass(frozen=True, eq=False)
class PartSurvey:
    """What blocks tell about one part of a term.

    Parameters
    ----------
    encoding : what it is, with all levels met or declared.
    counts : rows per level (L,), of a factor.
    offences : rows where it has no value.
    """

    encoding: Encoding
    counts: Any = None
    offences: Offences = field(default_factory=dict)

    def __add__(self, other: PartSurvey) -> PartSurvey:
        offences = merge(self.offences, other.offences)
        if self.counts is None:
            return replace(self, offences=offences)
        mine, theirs = self.encoding.levels, other.encoding.levels
        if mine == theirs:
            return PartSurvey(self.encoding, self.counts + other.counts, offences)
        levels = _joined(mine, theirs)
        held = dict(zip(mine, self.counts.tolist(), strict=True))
        for level, count in zip(theirs, other.counts.tolist(), strict=True):
            held[level] = held.get(level, 0) + count
        return PartSurvey(
            replace(self.encoding, levels=levels), np.array([held[level] for level in levels]), offences
        )


def _joined(left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Level, ...]:
    known = set(left)
    levels = left + tuple(level for level in right if level not in known)
    in_order = all(a < b for side in (left, right) for a, b in pairwise(side))
    return tuple(sorted(levels)) if in_order else levels


def survey_parts(
    parts: Mapping[str, Expression], environment: Environment, counted: BoolArray | None = None
) -> tuple[dict[str, Value], dict[str, PartSurvey]]:
    """Return the value of each part in one block, and what it tells; both by the part's text.

    Only rows that are `counted` teach levels, and need one; None counts all.
    """
    values: dict[str, Value] = {}
    surveys: dict[str, PartSurvey] = {}
    for text, part in parts.items():
        value = evaluate(part, environment)
        values[text], surveys[text] = _survey(part, value, environment.frame, counted)
    return values, surveys


def _survey(
    part: Expression, value: Value, frame: Frame, counted: BoolArray | None
) -> tuple[Value, PartSurvey]:
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1:
        offences = {} if part.column is not None else finite(value, part.text, frame)
        return rows_checked(value, part.text, frame), PartSurvey(_NUMBER, offences=offences)
    if isinstance(value, np.ndarray) and value.dtype == np.bool_ and value.ndim == 1:
        value = Categorical(rows_checked(value, part.text, frame).view(np.int8), (False, True))
    if isinstance(value, Categorical):
        return rows_checked(value, part.text, frame), _survey_factor(value, part.text, frame, counted)
    if isinstance(value, Basis):
        return value, PartSurvey(
            Encoding(BASIS, value.labels), offences=finite(value.columns, part.text, frame)
        )
    constant = as_number(value, part.text, "A term")
    constants = np.full(frame.rows, constant)
    return constants, PartSurvey(_NUMBER, offences=finite(constants, part.text, frame))


def _survey_factor(value: Categorical, text: str, frame: Frame, counted: BoolArray | None) -> PartSurvey:
    encoding = Encoding(FACTOR, (), value.levels, value.ordered, value.contrast)
    present, offences = value.codes >= 0, {}
    if not present.all():
        offences = without_level(~present if counted is None else counted & ~present, text, frame)
    taught = present if counted is None else present & counted
    codes = value.codes if taught.all() else value.codes[taught]
    return PartSurvey(encoding, np.bincount(codes, minlength=len(value.levels)), offences)


def without_level(bad: BoolArray, text: str, frame: Frame, remedy: str = "or use subset=") -> Offences:
    """Return the offence of a factor that has no level in the rows where `bad` (n,) is true.

    Parameters
    ----------
    text : the factor's expression.
    remedy : what may be done instead of widening its breaks.
    """
    rule, nothing = "A factor needs a level in every row", np.full(len(bad), np.nan)
    return offence(bad, nothing, frame, rule, text, f"Widen its breaks or levels, {remedy}.")


def used_levels(surveys: Mapping[str, PartSurvey]) -> tuple[dict[str, Encoding], dict[str, list[str]]]:
    """Return the encodings with the levels that rows take, and the labels of the levels dropped."""
    encodings, dropped = {}, {}
    for text, survey in surveys.items():
        encoding = survey.encoding
        if encoding.kind == FACTOR and not survey.counts.all():
            held = list(zip(encoding.levels, survey.counts.tolist(), strict=True))
            dropped[text] = [level_label(level) for level, count in held if not count]
            encoding = replace(encoding, levels=tuple(level for level, count in held if count))
        encodings[text] = encoding
    return encodings, dropped


def by_convention(encodings: Mapping[str, Encoding], convention: Convention) -> dict[str, Encoding]:
    """Return the encodings with a convention's contrasts for the factors whose contrasts nothing names."""
    poly, last = convention.ordered == "poly", convention.reference == "last"
    changed = dict(encodings)
    for text, encoding in encodings.items() if poly or last else ():
        if encoding.kind != FACTOR or encoding.contrast is not None or len(encoding.levels) < 2:
            continue
        if poly and encoding.ordered:
            changed[text] = replace(encoding, contrast=Contrast("poly"))
        elif last:
            changed[text] = replace(encoding, contrast=Contrast("treatment", base=encoding.levels[-1]))
    return changed


def with_contrasts(
    encodings: Mapping[str, Encoding], parts: Mapping[str, Expression], contrasts: Any
) -> dict[str, Encoding]:
    """Return the encodings with the contrasts that the argument asks for.

    Parameters
    ----------
    contrasts : None, a word for all factors ("sum", "R"), or {name: word or matrix}, where a name is a
        column's or a part's. What C() asked for inside the formula stands.

    Raises
    ------
    ArgumentError : a name that is no factor of the formula.
    """
    if contrasts is not None and not isinstance(contrasts, (str, Mapping)):
        found = f"got {type(contrasts).__name__}"
        raise ArgumentError(
            f"contrasts must be a word or a mapping by column: {found}. Write contrasts={{'f': 'sum'}}."
        )
    changed = dict(encodings)
    factors = {text: parts[text] for text, encoding in encodings.items() if encoding.kind == FACTOR}
    wanted = contrasts if isinstance(contrasts, Mapping) else {text: contrasts for text in factors}
    for name, value in wanted.items():
        contrast = as_contrast(value, f"contrasts[{name!r}]")
        found = [
            text for text, part in factors.items() if name in (text, part.label) or part.names == (name,)
        ]
        if not found:
            known = f"factors are {', '.join(factors)}" if factors else "it has no factor"
            raise ArgumentError(
                f"contrasts names {name!r}, which is not a factor of the formula: {known}. Use C({name})."
            )
        for text in found:
            if changed[text].contrast is None:
                changed[text] = replace(changed[text], contrast=contrast)
    return changed
