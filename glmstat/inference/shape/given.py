"""A fit whose estimated parameter of the family is taken as known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from glmstat.errors import ArgumentError, Note
from glmstat.text.number import figure

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["given"]


def given(fit: Fit, name: str) -> Fit:
    """Return the fit with the parameter held; the words are those of `Fit.given`."""
    shape = fit.estimate.shape
    if shape is None or shape.name != name:
        known = "nothing" if shape is None else shape.name
        raise ArgumentError(f"given({name!r}): this fit has estimated {known} beside its coefficients.")
    family = fit.spec.likelihood.family
    call = fit.spec.call.changed(family=family, link=None, method="ml")
    note = Note(
        "given", f"{name} taken as known: {figure(shape.value)}, as estimated with these coefficients"
    )
    return replace(
        fit,
        spec=replace(fit.spec, call=call, estimator=None, statement=None),
        estimate=replace(fit.estimate, shape=None, criterion=None, likelihood=None),
        notes=(*fit.notes, note),
        kept={key: values for key, values in fit.kept.items() if not key.startswith("joint")},
    )
