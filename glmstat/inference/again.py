"""Fits of a changed call, and fits that get their rows back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from glmstat.call import Call, Covariance, NotKept, changes, frame_for, functions
from glmstat.errors import ArgumentError, ComparisonError, DataError, one_of
from glmstat.fit import Fit
from glmstat.formula.parse import update_formula
from glmstat.frame import ModelFrame, beside_effects
from glmstat.inference.covariance import as_covariance, settled_for
from glmstat.inference.score import check_unchanged
from glmstat.matrix import Array, Block
from glmstat.network_fit import NetworkFit

__all__ = [
    "LEARNED",
    "beside",
    "changed_formula",
    "check_whole",
    "refit",
    "source_of",
    "update",
    "whole_call",
    "with_data",
    "without_learned",
]

# what a fit keeps (n,) whose features were learned on some of its rows: 1 there, where the weight is 0
LEARNED = "learned on"


def refit(fit: Fit, words: Mapping[str, Any]) -> Fit:
    """Return the fit of the same call with some arguments changed; those that are KEEP stay.

    So does the covariance that the fit carries, and, on the same data, the note that terms were selected.
    Networks are trained again, from the seed of the call.

    Raises
    ------
    ComparisonError : an output layer by itself, which is no model of its own.
    """
    check_whole(fit, "refit() or update()")
    call = whole_call(fit, {"data": source_of(fit), **changes(words)})
    model = getattr(import_module(f"glmstat.model.{call.model}"), call.model)
    new = model(**call.arguments)
    given = changes(words)
    if "vcov" not in given and _carries(fit, new):
        new = replace(new, covariance=fit.covariance)
    if "data" not in given:
        new = replace(new, notes=(*new.notes, *(note for note in fit.notes if note.kind == "selection")))
    return new


def _carries(fit: Fit, new: Fit) -> bool:
    """Whether a fit has a covariance that its call does not say, and that a new fit can have."""
    if isinstance(fit, NetworkFit):
        statement = new.spec.statement
        known = () if statement is None else statement.covariances
        return fit.covariance != new.covariance and fit.covariance.kind in known
    return fit.covariance != settled_for(fit, fit.spec.call["vcov"])


def update(fit: Fit, words: Mapping[str, Any]) -> Fit:
    """Return `refit` where a lone dot in the formula stands for the old side, as R's update."""
    given = changes(words)
    if "formula" in given:
        given["formula"] = changed_formula(fit, given["formula"], networks=fit.spec.call.model == "rglm")
    if "family" in given:
        given.setdefault("link", None)
    return refit(fit, given)


def changed_formula(fit: Fit, text: str, *, networks: bool) -> str:
    """Return the formula of a fit changed by a text in which dots stand for what was there.

    Parameters
    ----------
    networks : whether nn() is a term.
    """
    old, python = fit.spec.design.formula, fit.spec.call["allow_python"]
    known = functions(fit.spec.design.context)
    absorbing = fit.spec.call.model == "glm" and not networks
    return update_formula(
        old, text, allow_python=python, functions=known, networks=networks, absorbing=absorbing
    ).text


def check_whole(fit: Fit, what: str) -> None:
    """Refuse the output layer of a network, whose call is that of the whole network.

    Raises
    ------
    ComparisonError : the fit to take instead.
    """
    if fit.spec.design.towers and not isinstance(fit, NetworkFit):
        raise ComparisonError(
            f"{what} would train the network again: this fit is its output layer alone. "
            "Take the fit of rglm, and as_glm() of the result."
        )


def source_of(fit: Fit) -> Any:
    """Return the data that a fit holds, or None."""
    holder = fit.head if isinstance(fit, NetworkFit) else fit
    return None if holder.frame is None else holder.frame.source


def with_data(fit: Fit, words: Mapping[str, Any]) -> Fit:
    """Return the fit holding its rows and arrays again, checked to be those of the fit.

    Of a fit with networks the output layer gets them; the table does where it is that of the same columns,
    else its scores are not made again.
    """
    if isinstance(fit, NetworkFit):
        head = with_data(fit.head, words)
        frame = head.frame if fit.columns == head.columns else fit.frame
        return replace(fit, head=head, frame=frame, spec=replace(fit.spec, call=head.spec.call))
    call = whole_call(fit, changes(words), spared=("cluster",))
    frame = frame_for(call, fit.spec.likelihood, beside(call))
    design = frame.design.with_towers(fit.spec.design.towers) if fit.spec.design.towers else frame.design
    other = fit.estimate.fingerprint and frame.fingerprint != fit.estimate.fingerprint
    if other or design.columns != fit.columns:
        raise DataError("data are not those of the fit: response or rows differ. Fit them by refit(data).")
    frame = frame.with_design(design) if fit.spec.design.towers else frame
    frame = beside_effects(without_learned(fit, frame), fit.estimate)
    kept = {name: values for name, values in fit.kept.items() if _holds(name, values)}
    whole = replace(fit, frame=frame, spec=replace(fit.spec, call=call.without_data()), kept=kept)
    check_unchanged(whole, frame)
    return whole


def beside(call: Call) -> dict[str, Any]:
    """Return the variables beside the model of a call: rows in which they are missing do not enter."""
    covariance = Covariance() if call["vcov"] is None else as_covariance(call["vcov"])
    given = call["cluster"]
    ways = () if given is None or isinstance(given, NotKept) else Covariance("CR1", cluster=given).cluster
    return {**covariance.variables, **{f"fold cluster {place}": way for place, way in enumerate(ways)}}


def without_learned(fit: Fit, frame: ModelFrame) -> ModelFrame:
    """Return a frame whose rows have weight 0 where the features of a fit were learned on them apart."""
    if LEARNED not in fit.kept:
        return frame
    mask = np.zeros(frame.source.rows, dtype=bool)
    mask[slice(None) if frame.rows_kept is None else frame.rows_kept] = fit.kept[LEARNED] != 0

    def change(block: Block) -> Block:
        place = slice(block.start, block.start + len(block.y)) if block.rows is None else block.rows
        return replace(block, weights=np.where(mask[place], 0.0, block.weights))

    return frame.changed(change)


def _holds(name: str, values: Array) -> bool:
    """Whether something kept holds for any data with this response: of a covariance that it has no value."""
    return not name.startswith("vcov ") or name.endswith(" facts") or bool(np.isnan(values).all())


def whole_call(fit: Fit, words: Mapping[str, Any], spared: tuple[str, ...] = ()) -> Call:
    """Return the call with changed arguments, if nothing that it needs is lost; `spared` may be."""
    call = fit.spec.call.changed(**words)
    if isinstance(call["start"], NotKept):  # the maximum is the same from everywhere
        call = call.changed(start=None)
    lost = [
        word for word, value in call.arguments.items() if isinstance(value, NotKept) and word not in spared
    ]
    if lost:
        were = "was an array" if len(lost) == 1 else "were arrays"
        again = ", ".join(f"{word}=…" for word in lost)
        raise ArgumentError(
            f"{one_of(lost)} {were}, which this fit does not hold. Take with_data(data, {again}) first."
        )
    if call["data"] is None:
        raise DataError("This fit holds no rows: it was saved or copied without. Give data=.")
    return call
