"""Which terms a scope names, and which of them can be dropped or added."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glmstat.call import functions
from glmstat.errors import ArgumentError, near, one_of
from glmstat.formula.parse import update_formula
from glmstat.formula.terms import Formula, Linear
from glmstat.inference.deviance.submodel import FitTerm, contains, fit_terms, key, mean_terms

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Scope", "addable", "container", "scope_terms", "to_add", "to_drop", "updated"]

Scope = str | Sequence[str] | None
_OFFSET_AWAY = re.compile(r"-\s*offset\s*\(")


def scope_terms(fit: Fit, scope: Scope) -> tuple[Linear, ...]:
    """Return the terms that a scope names; '.' stands for those of the fit.

    Raises
    ------
    ArgumentError : not a formula; another response or offset than the fit has, or no intercept.
    """
    given = list(scope) if isinstance(scope, (list, tuple)) else [scope]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        raise ArgumentError(f'scope must be a formula or a list of terms: {scope!r}. Write ". + z".')
    text = " + ".join(texts)
    left, _, side = text.partition("~") if "~" in text else ("", "", text)
    if not side.strip():
        raise ArgumentError('scope names no term. Write ". + z".')
    asked = updated(fit, f"{left} ~ {side}")
    _check_terms_only(fit, asked, side)
    return tuple(term for term in asked.linear if term.parts)


def _check_terms_only(fit: Fit, asked: Formula, side: str) -> None:
    """Refuse a scope that changes more than the terms: its response, offset or intercept would be ignored."""
    here = fit.spec.design.formula
    if asked.response != here.response:
        texts = [part.text if part is not None else "nothing" for part in (asked.response, here.response)]
        raise ArgumentError(
            f"scope has the response {texts[0]}, the fit {texts[1]}: likelihoods of different responses "
            "cannot be compared. Leave out the left side."
        )
    other = [str(offset) for offset in asked.offsets if offset not in here.offsets]
    if other or _OFFSET_AWAY.search(side):
        named = one_of(other) or one_of([str(offset) for offset in here.offsets])
        raise ArgumentError(
            f"scope changes the offset: {named}. The offset of the fit is in every model: leave it out, or "
            "take update(…) and compare by anova(…)."
        )
    if here.intercept and not asked.intercept:
        raise ArgumentError(
            f"scope takes the intercept away: '{side.strip()}'. It is in every model: name terms alone, or "
            "take update(…) and compare by anova(…)."
        )


def updated(fit: Fit, text: str) -> Formula:
    """Return the formula of a fit changed by a text in which '.' stands for what was there."""
    call, design = fit.spec.call, fit.spec.design
    return update_formula(
        design.formula,
        text,
        allow_python=call["allow_python"],
        functions=functions(design.context),
        absorbing=call.model == "glm",
    )


def to_drop(fit: Fit, scope: Scope) -> list[FitTerm]:
    """Return the terms of a scope, by default all, that no other term of the fit contains.

    Raises
    ------
    ArgumentError : no term, one that the fit lacks, or one that another contains.
    """
    terms = fit_terms(fit)
    free = [term for term in terms if not container(term, terms)]
    if scope is None:
        return free
    if (other := _of_other(fit, scope, terms)) is not None:
        return [other]
    terms = mean_terms(fit)
    found, named = [], scope_terms(fit, scope)
    if not named:
        known = one_of([term.label for term in terms]) or "none"
        raise ArgumentError(f"scope names no term: {scope!r}. The terms of the fit are {known}.")
    for asked in named:
        term = next((term for term in terms if key(term.term) == key(asked)), None)
        if term is None:
            known = [term.label for term in fit_terms(fit)]
            raise ArgumentError(
                f"The fit has no term '{asked}': its terms are {one_of(known)}.{near(str(asked), known)}"
            )
        if (outer := container(term, terms)) is not None:
            raise ArgumentError(
                f"'{asked}' cannot be dropped while '{outer.label}' contains it. "
                f"Drop '{outer.label}' first, or test it by anova(type=\"III\")."
            )
        found.append(term)
    return found


def _of_other(fit: Fit, scope: Scope, terms: Sequence[FitTerm]) -> FitTerm | None:
    """The term of a further predictor that a scope names by its label: "theta:z"."""
    if not isinstance(scope, str) or not fit.spec.design.others:
        return None
    free = [term for term in terms if term.predictor and not container(term, terms)]
    asked = scope.rpartition("~")[2].strip()
    return next((term for term in free if term.label == asked), None)


def container(term: FitTerm, terms: Sequence[FitTerm]) -> FitTerm | None:
    """Return a term to which another is marginal, or None."""
    same = (other for other in terms if other.predictor == term.predictor)
    return next((other for other in same if contains(other.term, term.term)), None)


def to_add(fit: Fit, scope: Scope) -> list[Linear]:
    """Return the terms of a scope that can be added to a fit.

    Raises
    ------
    ArgumentError : there is none.
    """
    if scope is None:
        raise ArgumentError('add1 needs a scope: the terms to try. Write ". + z + s".')
    found = addable(fit, scope_terms(fit, scope))
    if not found:
        raise ArgumentError(f"scope has no term that the fit does not have: {scope!r}. Name one.")
    return found


def addable(fit: Fit, scope: Sequence[Linear]) -> list[Linear]:
    """Return the terms of a scope that the fit lacks, but for those that contain another of these."""
    present = {key(term.term) for term in mean_terms(fit)}
    absent = [term for term in scope if key(term) not in present]
    return [term for term in absent if not any(contains(term, other) for other in absent)]
