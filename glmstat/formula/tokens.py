"""Formula text cut into tokens, with the caps that keep any text cheap to read."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from glmstat.errors import FormulaError

__all__ = ["DEFAULT_LIMITS", "Limits", "Token", "partners", "quote", "scan", "shorten", "split_at"]


class Limits(NamedTuple):
    """Caps on a formula, checked before anything is expanded.

    Parameters
    ----------
    length : characters of the text.
    nesting : brackets inside brackets.
    terms : terms after expansion.
    columns : columns of the design.
    """

    length: int = 20_000
    nesting: int = 50
    terms: int = 2_000
    columns: int = 20_000


DEFAULT_LIMITS = Limits()


class Token(NamedTuple):
    """A piece of the text: its kind, its characters, and where it starts (from 0)."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Position after the last character."""
        return self.start + len(self.text)

    @property
    def name(self) -> str:
        """Column that a word or a backtick name stands for."""
        return self.text[1:-1] if self.kind == "quoted" else self.text


_PATTERN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?L?(?![\w.]))
      | (?P<word>\.?(?:[A-Za-z_]|[^\x00-\x7f\s])(?:[A-Za-z0-9_.]|[^\x00-\x7f\s])*)
      | (?P<quoted>`[^`]+`)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<dot>\.)
      | (?P<open>[(\[{])
      | (?P<close>[)\]}])
      | (?P<operator>\*\*|==|!=|<=|>=|//|&&|\|\||:=|%in%|%/%|%%|[-+*/^:~|&!<>=,%@$?;\#\\])""",
    re.VERBOSE,
)
_TOKENS = 6  # names and signs of a formula, per term that the limit allows
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_WORD = re.compile(r"\.?(?:[A-Za-z_]|[^\x00-\x7f\s])(?:[A-Za-z0-9_.]|[^\x00-\x7f\s])*")
# what word processors put in the place of an ASCII sign, by code point
_LOOKS_LIKE = {
    **dict.fromkeys((0x2212, 0x2013, 0x2014), "-"),
    **dict.fromkeys((0xD7, 0x2217), "*"),
    **dict.fromkeys((0x223C, 0x2DC), "~"),
    **dict.fromkeys((0x201C, 0x201D, 0x2018, 0x2019), "a straight quote"),
}
# words that the grammar reads as something other than a column
RESERVED = frozenset({"and", "or", "not", "in", "is", "True", "False", "None", "TRUE", "FALSE", "NULL"})


def scan(source: str, limits: Limits = DEFAULT_LIMITS) -> list[Token]:
    """Tokens of a text, without white space.

    Parameters
    ----------
    source : a formula, or one expression.
    limits : caps on length and nesting.

    Returns
    -------
    Tokens in order, brackets balanced.

    Raises
    ------
    FormulaError : not a text, too long, nested too deep, unbalanced brackets, or an unknown character.

    >>> [token.text for token in scan("log(x) + `my z`")]
    ['log', '(', 'x', ')', '+', '`my z`']
    """
    if not isinstance(source, str):
        raise FormulaError(f"A formula must be a text: it is {type(source).__name__}. Write it in quotes.")
    if len(source) > limits.length:
        raise FormulaError(
            f"Formula is too long: {len(source):,} characters, and the limit is {limits.length:,}. "
            "Put many columns into the data and write '.'."
        )
    tokens, position = [], 0
    while position < len(source):
        match = _PATTERN.match(source, position)
        if match is None:
            raise _unreadable(source, position)
        kind = match.lastgroup or ""
        if kind != "space":
            tokens.append(Token(kind, match.group(), position))
            if kind == "word" and not match.group().isascii():
                _check_letters(tokens[-1])
        position = match.end()
    most = _TOKENS * limits.terms
    if len(tokens) > most:
        raise FormulaError(
            f"Formula is too long: {len(tokens):,} names and signs, and the limit is {most:,}. "
            "Put many columns into the data and write '.'."
        )
    partners(tokens, limits.nesting)
    return tokens


def partners(tokens: list[Token], nesting: int = DEFAULT_LIMITS.nesting) -> dict[int, int]:
    """Index of the closing bracket for the index of each opening one.

    >>> partners(scan("(a + (b))"))
    {3: 5, 0: 6}
    """
    found: dict[int, int] = {}
    stack: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind == "open":
            stack.append(index)
            if len(stack) > nesting:
                raise FormulaError(
                    f"Formula is nested too deep: position {token.start}. "
                    f"The limit is {nesting} brackets: compute a column first."
                )
        elif token.kind == "close":
            if not stack:
                raise FormulaError(
                    f"'{token.text}' closes nothing: position {token.start}. Remove it, or open a bracket."
                )
            opener = tokens[stack[-1]]
            if _CLOSER[opener.text] != token.text:
                raise FormulaError(
                    f"'{opener.text}' is closed by '{token.text}': position {token.start}. "
                    f"Close it with '{_CLOSER[opener.text]}'."
                )
            found[stack.pop()] = index
    if stack:
        opener = tokens[stack[-1]]
        raise FormulaError(
            f"'{opener.text}' is not closed: position {opener.start}. Add '{_CLOSER[opener.text]}'."
        )
    return found


def split_at(tokens: list[Token], separator: str) -> list[list[Token]]:
    """Runs of tokens between the separators that stand outside all brackets.

    >>> [len(run) for run in split_at(scan("f(a, b), c"), ",")]
    [6, 1]
    """
    runs: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and token.kind == "operator" and token.text == separator:
            runs.append([])
        else:
            runs[-1].append(token)
    return runs


def quote(name: str) -> str:
    """A column name as a formula writes it: bare where that reads back, else in backticks.

    >>> quote("x.1"), quote("my x")
    ('x.1', '`my x`')
    """
    if "`" in name:
        raise FormulaError(
            f"Column {name!r} has a backtick in its name: a formula cannot write it. Rename it."
        )
    dunder = name.startswith("__") or ".__" in name
    bare = (
        _WORD.fullmatch(name)
        and name not in RESERVED
        and not dunder
        and (name.isascii() or all(map(_is_letter, name)))
    )
    return name if bare else f"`{name}`"


def shorten(text: str, width: int = 60) -> str:
    """Text for a message: one line, cut in the middle where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 20]} … {line[-16:]}"


def _is_letter(character: str) -> bool:
    """Whether a character may stand in a bare name: letters, digits and marks of any script, `_` and `.`."""
    return character.isalnum() or character in "_." or unicodedata.category(character) in {"Mn", "Mc", "Pc"}


def _check_letters(token: Token) -> None:
    """Refuse symbols that look like operators or cannot be seen."""
    for offset, character in enumerate(token.text):
        if not _is_letter(character):
            raise FormulaError(_strange(character, token.start + offset))


def _strange(character: str, position: int) -> str:
    name = unicodedata.name(character, "control character").lower()
    twin = _LOOKS_LIKE.get(ord(character))
    meant = f"Write {twin} instead." if twin else "Put a column name that has it in backticks."
    return f"Character U+{ord(character):04X} ({name}) is not part of a formula: position {position}. {meant}"


def _unreadable(source: str, position: int) -> FormulaError:
    character = source[position]
    if character in "\"'":
        return FormulaError(f"Text is not closed: position {position}. Add {character}.")
    if character == "`":
        return FormulaError(f"Backtick name is empty or not closed: position {position}. Add a backtick.")
    if character.isdigit() or character == ".":
        word = re.match(r"[\w.]*", source[position:])
        return FormulaError(
            f"'{shorten(word.group() if word else character)}' is not a number: position {position}. "
            "Put a column name that begins with a digit in backticks."
        )
    return FormulaError(_strange(character, position))
