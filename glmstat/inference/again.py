"""Fits of a changed call, and fits that get their rows back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from glmstat.call import Call, NotKept, changes, frame_for, functions
from glmstat.errors import ArgumentError, DataError, one_of
from glmstat.fit import Fit
from glmstat.formula.parse import update_formula
from glmstat.inference.covariance import as_covariance
from glmstat.inference.score import check_unchanged
from glmstat.matrix import Array

__all__ = ["refit", "update", "whole_call", "with_data"]


def refit(fit: Fit, words: Mapping[str, Any]) -> Fit:
    """Return the fit of the same call with some arguments changed; those that are KEEP stay.

    So does the covariance that the fit carries, and, on the same data, the note that terms were selected.
    """
    data = None if fit.frame is None else fit.frame.source
    call = whole_call(fit, {"data": data, **changes(words)})
    model = getattr(import_module(f"glmstat.model.{call.model}"), call.model)
    new = model(**call.arguments)
    given = changes(words)
    if "vcov" not in given and fit.covariance != as_covariance(fit.spec.call["vcov"]):
        new = replace(new, covariance=fit.covariance)
    if "data" not in given:
        new = replace(new, notes=(*new.notes, *(note for note in fit.notes if note.kind == "selection")))
    return new


def update(fit: Fit, words: Mapping[str, Any]) -> Fit:
    """Return `refit` where a lone dot in the formula stands for the old side, as R's update."""
    given = changes(words)
    if "formula" in given:
        old, python = fit.spec.design.formula, fit.spec.call["allow_python"]
        known = functions(fit.spec.design.context)
        new = update_formula(old, given["formula"], allow_python=python, functions=known)
        given["formula"] = new.text
    if "family" in given:
        given.setdefault("link", None)
    return refit(fit, given)


def with_data(fit: Fit, words: Mapping[str, Any]) -> Fit:
    """Return the fit holding its rows and arrays again, checked to be those of the fit."""
    call = whole_call(fit, changes(words))
    frame = frame_for(call, fit.spec.likelihood, as_covariance(call["vcov"]).variables)
    if frame.fingerprint != fit.estimate.fingerprint or frame.design.columns != fit.columns:
        raise DataError("data are not those of the fit: response or rows differ. Fit them by refit(data).")
    kept = {name: values for name, values in fit.kept.items() if _holds(name, values)}
    whole = replace(fit, frame=frame, spec=replace(fit.spec, call=call.without_data()), kept=kept)
    check_unchanged(whole, frame)
    return whole


def _holds(name: str, values: Array) -> bool:
    """Whether something kept holds for any data with this response: of a covariance that it has no value."""
    return not name.startswith("vcov ") or name.endswith(" facts") or bool(np.isnan(values).all())


def whole_call(fit: Fit, words: Mapping[str, Any]) -> Call:
    """Return the call with changed arguments, if nothing that it needs is lost."""
    call = fit.spec.call.changed(**words)
    if isinstance(call["start"], NotKept):  # the maximum is the same from everywhere
        call = call.changed(start=None)
    lost = [word for word, value in call.arguments.items() if isinstance(value, NotKept)]
    if lost:
        were = "was an array" if len(lost) == 1 else "were arrays"
        again = ", ".join(f"{word}=…" for word in lost)
        raise ArgumentError(
            f"{one_of(lost)} {were}, which this fit does not hold. Take with_data(data, {again}) first."
        )
    if call["data"] is None:
        raise DataError("This fit holds no rows: it was saved or copied without. Give data=.")
    return call
