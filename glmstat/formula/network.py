"""The text of `nn(...)` to a term: what goes in, and how its hidden layers are built."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from math import isfinite
from typing import Any

from glmstat.activations import as_activation
from glmstat.errors import FormulaError, near, one_of
from glmstat.formula.node import Expression
from glmstat.formula.syntax import Grammar, read
from glmstat.formula.terms import ACTIVATION, HIDDEN, Network
from glmstat.formula.tokens import Token, shorten, split_at

__all__ = ["MOST_LAYERS", "named", "read_network"]

MOST_LAYERS = 20
MOST_UNITS = 4_096
_WORDS = ("hidden", "activation", "skip", "prior", "name", "embed")
_NOT_YET = {"monotone": "monotone networks", "stochastic": "stochastic layers"}


def read_network(tokens: list[Token], source: str, grammar: Grammar) -> Network:
    """Return the term that ``nn(age, power, hidden=(32, 16), activation='tanh')`` writes.

    Parameters
    ----------
    tokens : of the whole call.
    source : the text of the formula.

    Raises
    ------
    FormulaError : no input, an unknown or doubled argument, or a value out of range, with the position.
    """
    where = f"position {tokens[0].start}"
    inside = tokens[2:-1]
    inputs: list[Expression] = []
    words: dict[str, Any] = {}
    for run in split_at(inside, ",") if inside else []:
        if len(run) > 1 and run[1].text == "=":
            word = run[0].text
            _check_word(word, words, where)
            words[word] = _literal(run, source, word)
        elif words or not run:
            raise FormulaError(f"nn() takes its inputs first, then arguments by name: {where}. Move them.")
        else:
            inputs.append(_input(run, source, grammar))
    if not inputs:
        raise FormulaError(f"nn() has no input: {where}. Name columns, as in nn(age, power).")
    if len(set(inputs)) < len(inputs):
        raise FormulaError(f"nn() names an input twice: {where}. Name it once.")
    hidden = _hidden(words.get("hidden", HIDDEN))
    return Network(
        tuple(inputs),
        hidden,
        _activations(words.get("activation", ACTIVATION), len(hidden)),
        _flag(words.get("skip", True)),
        _prior(words.get("prior")),
        _name(words.get("name", "")),
        _embeddings(words.get("embed"), inputs),
    )


def _input(run: list[Token], source: str, grammar: Grammar) -> Expression:
    if len(run) == 1 and run[0].kind in ("number", "text", "dot"):
        raise FormulaError(
            f"nn() takes columns as inputs: '{run[0].text}' at position {run[0].start}. Write nn(age, power)."
        )
    text = source[run[0].start : run[-1].end]
    widths = _literal_list(text)
    if widths is not None:
        raise FormulaError(
            f"nn() takes widths by name: {shorten(text)} at position {run[0].start}. "
            f"Write hidden={shorten(str(widths))}."
        )
    return read(run, source, grammar)


def _literal_list(text: str) -> tuple[Any, ...] | None:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return tuple(found) if isinstance(found, (tuple, list)) else None


def _check_word(word: str, words: Mapping[str, Any], where: str) -> None:
    if word in _NOT_YET:
        raise FormulaError(f"nn() has no {_NOT_YET[word]} yet: {where}. Leave out {word}=.")
    if word not in _WORDS:
        raise FormulaError(
            f"nn() has no argument '{word}': {where}. Its arguments are {one_of(_WORDS)}.{near(word, _WORDS)}"
        )
    if word in words:
        raise FormulaError(f"nn() got '{word}' twice: {where}. Give it once.")


def _literal(run: list[Token], source: str, word: str) -> Any:
    text = source[run[2].start : run[-1].end] if len(run) > 2 else ""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        shown = shorten(text) or "nothing"
        raise FormulaError(
            f"nn() needs a plain value for {word}=: got {shown} at position {run[0].start}. "
            "Write numbers, tuples and texts in quotes."
        ) from None


def _hidden(given: Any) -> tuple[int, ...]:
    widths = (given,) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(widths, Sequence) or not all(_is_width(width) for width in widths):
        raise FormulaError(
            f"hidden= of nn() takes widths from 1 to {MOST_UNITS:,}: got {shorten(repr(given))}. "
            "Write hidden=(32, 16)."
        )
    if len(widths) > MOST_LAYERS:
        raise FormulaError(
            f"hidden= of nn() has {len(widths)} layers: the limit is {MOST_LAYERS}. Use fewer."
        )
    return tuple(widths)


def _is_width(width: Any) -> bool:
    return isinstance(width, int) and not isinstance(width, bool) and 1 <= width <= MOST_UNITS


def _activations(given: Any, layers: int) -> tuple[str, ...]:
    names = (given,) * layers if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise FormulaError(
            f"activation= of nn() takes names: got {shorten(repr(given))}. Write activation='tanh'."
        )
    if len(names) != layers:
        raise FormulaError(
            f"activation= of nn() names {len(names)} layers, hidden= has {layers}: {shorten(repr(given))}. "
            "Give one name for all, or one for each layer."
        )
    return tuple(as_activation(name).name for name in names)


def _flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise FormulaError(f"skip= of nn() is True or False: got {shorten(repr(given))}.")
    return given


def _prior(given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not (isfinite(given) and given >= 0):
        raise FormulaError(f"prior= of nn() is a precision >= 0: got {shorten(repr(given))}. Write prior=10.")
    return float(given)


def _name(given: Any) -> str:
    if not isinstance(given, str) or (given and not given.isidentifier()):
        raise FormulaError(f"name= of nn() is a word: got {shorten(repr(given))}. Write name='shape'.")
    return given


def _embeddings(given: Any, inputs: Sequence[Expression]) -> tuple[tuple[str, int], ...]:
    if given is None:
        return ()
    texts = [part.text for part in inputs]
    if not isinstance(given, Mapping) or not all(_is_width(size) for size in given.values()):
        raise FormulaError(
            f"embed= of nn() maps inputs to dimensions: got {shorten(repr(given))}. "
            "Write embed={'region': 4}."
        )
    unknown = next((name for name in given if name not in texts), None)
    if unknown is not None:
        raise FormulaError(f"embed= of nn() names '{unknown}', which is no input: these are {one_of(texts)}.")
    return tuple((text, given[text]) for text in texts if text in given)


def named(networks: Sequence[Network]) -> tuple[Network, ...]:
    """Return the networks with the names nn1, nn2, … where they have none.

    Raises
    ------
    FormulaError : two networks of one name.
    """
    names = [network.name for network in networks if network.name]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FormulaError(f"Two networks are called '{twice}'. Give each a name= of its own.")
    free = (name for place in count(1) if (name := f"nn{place}") not in names)
    return tuple(network if network.name else replace(network, name=next(free)) for network in networks)
