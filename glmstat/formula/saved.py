"""Formula, offsets and context as plain JSON; nothing that is read back can run code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from glmstat.errors import ArgumentError, FormulaError
from glmstat.formula.contrast import Contrast, as_contrast, is_table
from glmstat.formula.expression import parse_expression
from glmstat.formula.offset import OffsetPart
from glmstat.formula.roles import Given
from glmstat.formula.terms import Absorb, Formula, Linear, Network, Offset, Response, Term
from glmstat.formula.value import JSON

__all__ = ["read_context", "read_formula", "read_offset", "write_context", "write_formula"]


def write_formula(formula: Formula) -> JSON:
    """Return a formula as JSON: its text as given, and every part by its canonical text."""
    response = formula.response
    return {
        "text": formula.text,
        "response": response
        and {"kind": response.kind, "parts": [part.text for part in response.expressions]},
        "terms": [_write_term(term) for term in formula.terms],
    }


def _write_term(term: Term) -> JSON:
    if isinstance(term, Offset):
        return {"offset": term.expression.text}
    if isinstance(term, Absorb):
        return {"absorb": [part.text for part in term.parts]}
    if isinstance(term, Network):
        plain = {field.name: getattr(term, field.name) for field in fields(term)}
        return {"network": {**plain, "inputs": [part.text for part in term.inputs]}}
    return {"linear": [part.text for part in term.parts]}


def read_formula(plain: Mapping[str, Any], functions: tuple[str, ...]) -> Formula:
    """Return the formula that `write_formula` wrote; `functions` are those of the context."""
    response = plain["response"]
    if response is not None:
        parts = tuple(parse_expression(text, functions=functions) for text in response["parts"])
        response = Response(parts, response["kind"])
    return Formula(plain["text"], response, tuple(_read_term(term, functions) for term in plain["terms"]))


def _read_term(plain: Mapping[str, Any], functions: tuple[str, ...]) -> Term:
    if "offset" in plain:
        return Offset(parse_expression(plain["offset"], functions=functions))
    if "network" in plain:
        return _read_network(plain["network"], functions)
    if "absorb" in plain:
        return Absorb(tuple(parse_expression(text, functions=functions) for text in plain["absorb"]))
    return Linear(tuple(parse_expression(text, functions=functions) for text in plain["linear"]))


def _read_network(plain: Mapping[str, Any], functions: tuple[str, ...]) -> Network:
    inputs = tuple(parse_expression(text, functions=functions) for text in plain["inputs"])
    embed = tuple((text, size) for text, size in plain["embed"])
    lists = {"hidden": tuple(plain["hidden"]), "activation": tuple(plain["activation"])}
    return Network(**{**plain, **lists, "inputs": inputs, "embed": embed})


def read_offset(plain: Mapping[str, Any], functions: tuple[str, ...]) -> OffsetPart:
    """Return the offset that `OffsetPart.to_json` wrote."""
    word, text = plain["word"], plain["text"]
    return OffsetPart(word, Given(word) if text is None else parse_expression(text, functions=functions))


def write_context(context: Mapping[str, Any]) -> JSON:
    """Return the context as JSON: values where JSON has them, of functions the names."""
    return {name: _write_entry(value) for name, value in context.items()}


def _write_entry(value: Any) -> JSON:
    if callable(value):
        return {"function": None}
    if isinstance(value, Mapping):
        return {"mapping": {str(key): _write_entry(entry) for key, entry in value.items()}}
    if isinstance(value, (str, bool, type(None))):
        return {"value": value}
    if isinstance(value, (int, float, np.number)):
        return {"value": float(value)}
    if isinstance(value, Contrast) or is_table(value):
        return _write_table(value)
    return {"array": np.asarray(value).tolist()}


def _write_table(value: Any) -> JSON:
    """Return a table of numbers as the contrast it may be, with its labels; another one as an array."""
    try:
        contrast = as_contrast(value)
    except FormulaError:
        contrast = None
    return {"array": np.asarray(value).tolist()} if contrast is None else {"contrast": contrast.to_json()}


def read_context(plain: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context that `write_context` wrote, entries given again in the place of written ones.

    Raises
    ------
    ArgumentError : a function that is not given again.
    """
    lost = [name for name, entry in plain.items() if "function" in entry and not callable(given.get(name))]
    if lost:
        shown = ", ".join(f"{name!r}: …" for name in lost)
        raise ArgumentError(
            f"Functions are not kept in a file: {', '.join(lost)}. Give context={{{shown}}} again."
        )
    return {name: given[name] if name in given else _read_entry(entry) for name, entry in plain.items()}


def _read_entry(plain: Mapping[str, Any]) -> Any:
    if "mapping" in plain:
        return {key: _read_entry(entry) for key, entry in plain["mapping"].items()}
    if "contrast" in plain:
        return Contrast.from_json(plain["contrast"])
    return np.array(plain["array"]) if "array" in plain else plain["value"]
