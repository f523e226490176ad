"""Tokens in Python's spelling: R's words and operators rewritten, every other name behind an alias."""

from __future__ import annotations

import keyword
import math
import re
from itertools import pairwise

from glmstat.errors import FormulaError
from glmstat.formula.tokens import RESERVED, Token, shorten

__all__ = ["RefusedError", "alias", "check_word", "refuse", "spell", "why_unreadable"]

_OPERATOR = {
    "^": "**",
    "%in%": "in",
    "%%": "%",
    "%/%": "//",
    "&": "and",
    "&&": "and",
    "|": "or",
    "||": "or",
    "!": "not",
}
_FOREIGN = frozenset("#;$?\\")  # the first would hide what follows it from Python's parser
_CONSTANT = {"TRUE": "True", "FALSE": "False", "NULL": "None"}
_ESCAPE = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


class RefusedError(FormulaError):
    """Text that the allow-list refuses and that `allow_python=True` would run; never leaves this package."""


def refuse(what: str, text: str) -> RefusedError:
    """Error that names what is refused and how to opt in."""
    return RefusedError(
        f"{what} is not allowed in a formula: '{shorten(text)}'. "
        "Compute the column first, or pass allow_python=True if you trust the text."
    )


def spell(tokens: list[Token]) -> tuple[str, dict[str, str], dict[int, int]]:
    """Python's spelling of the tokens, names by alias, and source position by position in it."""
    pieces: list[str] = []
    names: dict[str, str] = {}
    starts: dict[int, int] = {}
    length = 0
    for index, token in enumerate(tokens):
        piece = _piece(token, index, tokens, names)
        starts[length] = token.start
        pieces.append(piece)
        length += len(piece) + 1
    return " ".join(pieces), names, starts


def _piece(token: Token, index: int, tokens: list[Token], names: dict[str, str]) -> str:
    if token.kind == "number":
        return _number(token)
    before = tokens[index - 1] if index else None
    if token.kind == "text":
        if before and before.kind == "word" and before.end == token.start:
            raise refuse("A text with a prefix", before.text + token.text)
        return ascii(_unescape(token))
    if token.kind == "operator" and token.text in _FOREIGN:
        raise RefusedError(
            f"'{token.text}' is not an operator: position {token.start}. Write the name alone."
        )
    if token.kind == "operator":
        return _OPERATOR.get(token.text, token.text)
    if token.kind == "quoted":
        return alias(token.name, names)
    if token.kind != "word":
        return token.text
    after = tokens[index + 1] if index + 1 < len(tokens) else None
    if before and token.text.startswith(".") and before.end == token.start:
        return token.text
    if after and after.text == "=":
        return token.text.replace(".", "_")
    if token.text in RESERVED:
        return _CONSTANT.get(token.text, token.text)
    if keyword.iskeyword(token.text) and (_is_operand(before) or _begins_operand(after)):
        return token.text
    check_word(token)
    simple = token.text.isascii() and token.text.isidentifier() and "__" not in token.text
    return token.text if simple and not keyword.iskeyword(token.text) else alias(token.text, names)


def alias(name: str, names: dict[str, str]) -> str:
    """Identifier for a name that Python could not read; no word of a formula begins with two underscores."""
    identifier = f"__{len(names)}"
    names[identifier] = name
    return identifier


def _number(token: Token) -> str:
    digits = token.text.rstrip("L")
    if digits.isdecimal() and len(digits) < 300:
        return str(int(digits))
    if math.isinf(float(digits)):
        raise FormulaError(f"Number is too large: position {token.start}. Rescale the column first.")
    return repr(float(digits))


def _unescape(token: Token) -> str:
    def plain(match: re.Match[str]) -> str:
        if match.group(1) not in _ESCAPE:
            raise FormulaError(
                f"Escape '{match.group()}' is not known: position {token.start}. Write '\\\\' for '\\'."
            )
        return _ESCAPE[match.group(1)]

    return re.sub(r"\\(.)", plain, token.text[1:-1])


def check_word(token: Token) -> None:
    """Refuse names of Python's own machinery, unless they stand in backticks."""
    if token.kind == "quoted":
        return
    if ".__" in token.text:
        raise refuse("Attribute access", token.text)
    if token.text.startswith("__"):
        raise refuse("A name that begins with two underscores", token.text)


def _is_operand(token: Token | None) -> bool:
    return token is not None and token.kind in {"word", "quoted", "number", "text", "close"}


def _begins_operand(token: Token | None) -> bool:
    return token is not None and (token.kind in {"word", "quoted", "number", "text"} or token.text == ":")


def why_unreadable(tokens: list[Token], source: str) -> FormulaError:
    """Error for text that does not parse: the first place where two tokens do not fit."""
    for token in tokens:
        if token.text in {"=", ":=", "@", ":"}:
            meant = "Write '==' to compare." if token.text == "=" else "Write the column's name alone."
            return RefusedError(f"'{token.text}' is not an operator here: position {token.start}. {meant}")
    for left, right in pairwise(tokens):
        if _is_operand(left) and right.kind in {"word", "quoted", "number", "text"}:
            return RefusedError(
                f"An operator is missing between '{shorten(left.text)}' and '{shorten(right.text)}': "
                f"position {right.start}. Write one, or put a name with spaces in backticks."
            )
    last = tokens[-1]
    if last.kind == "operator":
        return FormulaError(f"The text ends after '{last.text}': position {last.start}. Complete it.")
    text = shorten(source[tokens[0].start : last.end])
    return RefusedError(
        f"Not an expression: '{text}' at position {tokens[0].start}. Check its operators and commas."
    )
