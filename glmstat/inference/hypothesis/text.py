"""Hypotheses as text: names of coefficients, arithmetic and "=" become equations in the coefficients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, permutations
from math import pi
from typing import TYPE_CHECKING, NamedTuple

from glmstat.errors import ArgumentError, near, one_of
from glmstat.formula.tokens import shorten
from glmstat.inference.hypothesis.combination import (
    FUNCTIONS,
    Coefficient,
    Function,
    Negative,
    Node,
    Number,
    Operation,
)

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Equation", "Hypothesis", "Names", "combination", "names_of", "read"]

_LONGEST = 20_000  # characters of a text
_DEEPEST = 50  # brackets inside brackets, as in a formula
_PARTS = 4  # a term of more parts is known in its own order only
_SHOWN = 12  # coefficients that a message lists
_WORD = re.compile(r"[^\W\d][\w.]*")
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_SIGN = re.compile(r"\*\*|==|[-+*/^(),;=\n\u2212]")
_SPELLED = {"**": "^", "==": "=", "\u2212": "-", ";": ",", "\n": ","}
_REFUSED = {
    "<": "Hypotheses are equalities: write '='",
    ">": "Hypotheses are equalities: write '='",
    "!": "Hypotheses are equalities: write '='",
    "~": "Name coefficients, or a term",
    ":": "Name coefficients as the table of the fit does",
    "[": "Name coefficients as the table of the fit does",
}
_CONSTANTS = {"pi": pi}


@dataclass(frozen=True)
class Equation:
    """Left side = right side.

    Parameters
    ----------
    left, right : expressions in the coefficients.
    text : as tables print it.
    of_term : whether a term's name stood for it.
    """

    left: Node
    right: Node
    text: str
    of_term: bool = False


@dataclass(frozen=True)
class Hypothesis:
    """Equations that hold together.

    Parameters
    ----------
    text : as tables print it.
    equations : one or more.
    """

    text: str
    equations: tuple[Equation, ...]


class Token(NamedTuple):
    """A piece of a text: a number, a coefficient, a term, a function, or a sign; where it stands."""

    kind: str
    text: str
    start: int
    slots: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """Position after it."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class Names:
    """What a text may name.

    Parameters
    ----------
    columns : the coefficients, in order.
    spellings : any other spelling of a coefficient → its slot.
    terms : spelling of a term → the slots of its coefficients.
    """

    columns: tuple[str, ...]
    spellings: Mapping[str, int] = field(default_factory=dict)
    terms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def known(self) -> dict[str, tuple[int, ...]]:
        """Every spelling → slots; coefficients win over terms."""
        found = dict(self.terms)
        found.update({name: (slot,) for name, slot in self.spellings.items()})
        found.update({name: (slot,) for slot, name in enumerate(self.columns)})
        return found

    @cached_property
    def coefficients(self) -> frozenset[str]:
        """Spellings that stand for one coefficient and not for a term."""
        return frozenset((*self.columns, *self.spellings))

    @cached_property
    def candidates(self) -> Mapping[str, list[tuple[str, str]]]:
        """Spellings by first letter, longest first, each with itself without blanks."""
        found: dict[str, list[tuple[str, str]]] = {}
        for name in sorted(self.known, key=len, reverse=True):
            found.setdefault(name[0], []).append((_squeezed(name), name))
        return found

    def at(self, text: str, start: int) -> Token | None:
        """Return the longest name that begins at a position of a text."""
        candidates = self.candidates.get(text[start])
        if candidates is None:
            return None
        rest = _squeezed(text[start:])
        for squeezed, name in candidates:
            match = re.compile(_pattern(name)).match(text, start) if rest.startswith(squeezed) else None
            if match:
                return self._token(name, match.group(), start)
        return None

    def quoted(self, text: str, start: int) -> Token:
        """Return the name in backticks at a position of a text."""
        end = text.find("`", start + 1)
        inside = text[start + 1 : end] if end > 0 else ""
        if inside not in self.known:
            raise self.unknown(inside or text[start:])
        return self._token(inside, text[start : end + 1], start)

    def unknown(self, name: str) -> ArgumentError:
        """Return the error for a name that is no coefficient."""
        listed = one_of(self.columns[:_SHOWN]) + (", …" if len(self.columns) > _SHOWN else "")
        return ArgumentError(
            f"No coefficient '{shorten(name)}' in the fit: coefficients are {listed}.{near(name, self.known)}"
        )

    def _token(self, name: str, text: str, start: int) -> Token:
        kind = "coefficient" if name in self.coefficients else "term"
        return Token(kind, text, start, self.known[name])


def names_of(fit: Fit) -> Names:
    """Return what a hypothesis about a fit may name: coefficients, and terms by any order of their parts."""
    spellings: dict[str, int] = {}
    terms: dict[str, tuple[int, ...]] = {}
    for predictor in fit.spec.design.predictors:
        for piece in predictor.pieces:
            slots = tuple(int(slot) for slot in predictor.slots[piece.slots])
            parts = piece.term.parts
            orders = permutations(parts) if len(parts) <= _PARTS else (parts,)
            for order in orders:
                terms.setdefault(":".join(part.text for part in order), slots)
                terms.setdefault(":".join(part.label for part in order), slots)
            for name, slot in zip(piece.columns, slots, strict=True):
                spelled = name
                for part in parts:
                    label = re.escape(part.label)
                    spelled = re.sub(rf"(^|:){label}(?=\[|:|$)", lambda m, p=part: m[1] + p.text, spelled)
                spellings.setdefault(spelled, slot)
    terms.pop("", None)  # the intercept
    return Names(fit.columns, spellings, terms)


def read(text: str, names: Names) -> Hypothesis:
    """Return the equations that a text says.

    Parameters
    ----------
    text : equations between commas, semicolons or line ends; "x - z" is "x - z = 0", "a = b = c" two
        equations; a term's name is each of its coefficients = 0.
    names : what it may name.

    Raises
    ------
    ArgumentError : a name that is no coefficient, no coefficient at all, or text that cannot be read.

    >>> hypothesis = read("x = z, 2*x == 1", Names(("Intercept", "x", "z")))
    >>> [equation.text for equation in hypothesis.equations]
    ['x = z', '2*x = 1']
    """
    if len(text) > _LONGEST:
        raise ArgumentError(f"The hypothesis is too long: {len(text):,} characters. Give a matrix.")
    if not text.strip():
        raise ArgumentError('The hypothesis is empty: nothing to test. Write "x = 0", or the name of a term.')
    clauses = [clause for clause in _split(list(_scan(text, names)), ",") if clause]
    if not clauses:
        raise ArgumentError(f'The hypothesis is empty: {text!r}. Write "x = 0", or the name of a term.')
    equations = tuple(equation for clause in clauses for equation in _equations(clause, text, names))
    return Hypothesis(", ".join(_source(clause, text) for clause in clauses), equations)


def combination(weights: Iterable[float], value: float, names: Sequence[str]) -> Equation:
    """Return the equation of a row of a matrix: weights @ coef = value.

    >>> combination([0.0, 1.0, -2.0], 0.5, ("Intercept", "x", "z")).text
    'x - 2*z = 0.5'
    """
    left: Node | None = None
    text = ""
    for slot, weight in enumerate(weights):
        if weight == 0:
            continue
        size = abs(weight)
        sign = ("-" if weight < 0 else "") if left is None else (" - " if weight < 0 else " + ")
        text += sign + ("" if size == 1 else f"{size:.6g}*") + names[slot]
        addend: Node = Operation("*", Number(float(weight)), Coefficient(slot))
        left = addend if left is None else Operation("+", left, addend)
    if left is None:
        raise ArgumentError("A row of the hypothesis matrix is 0: it restricts nothing. Leave it out.")
    return Equation(left, Number(float(value)), f"{text} = {value:.6g}")


def _squeezed(text: str) -> str:
    """A text without blanks, `**` as `^`: what a name and its spelling in a hypothesis have in common."""
    return "".join(text.split()).replace("**", "^")


def _pattern(name: str) -> str:
    """A pattern of a name: blanks are free beside a colon and inside brackets, `^` is `**`."""
    out, depth, end = [], 0, len(name)
    for piece in re.finditer(r"\w+|\s+|\*\*|[^\w\s]", name):
        text = piece.group()
        depth -= text in ")]"
        free = depth > 0 or text == ":"
        if text.isspace():
            out.append(r"\s*" if depth > 0 and not _between_words(name, piece) else re.escape(text))
        elif free or (text in ")]" and depth == 0):
            out.append(r"\s*" + (r"(?:\*\*|\^)" if text == "**" else re.escape(text)))
            out.append(r"\s*" if text == ":" else "")
        else:
            out.append(re.escape(text))
        depth += text in "(["
    after = r"(?![\w.])" if re.match(r"[\w.]", name[end - 1]) else ""
    return "".join(out) + after + r"(?!\s*[:\[(])"


def _between_words(name: str, blank: re.Match[str]) -> bool:
    before, after = name[blank.start() - 1 : blank.start()], name[blank.end() : blank.end() + 1]
    return bool(re.fullmatch(r"\w\w", before + after))


def _scan(text: str, names: Names) -> Iterator[Token]:
    """Yield the tokens of a text; a line end inside brackets is a blank."""
    position = depth = 0
    while position < len(text):
        letter = text[position]
        if letter.isspace() and (letter != "\n" or depth):
            position += 1
            continue
        token = names.at(text, position) or _other(text, position, names)
        depth += (token.text == "(") - (token.text == ")")
        if not 0 <= depth <= _DEEPEST:
            why = "closes nothing" if depth < 0 else "is nested too deep"
            raise ArgumentError(f"'{token.text}' {why}: position {position} of '{shorten(text)}'. Remove it.")
        yield token
        position = token.end
    if depth:
        raise ArgumentError(f"'(' is not closed: '{shorten(text)}'. Add ')'.")


def _other(text: str, start: int, names: Names) -> Token:
    """A token that no coefficient's name begins."""
    if text[start] == "`":
        return names.quoted(text, start)
    number, sign, word = (pattern.match(text, start) for pattern in (_NUMBER, _SIGN, _WORD))
    if number:
        return Token("number", number.group(), start)
    if sign:
        return Token("sign", sign.group(), start)
    if word:
        name, called = word.group(), text[word.end() :].lstrip().startswith("(")
        if called and name in FUNCTIONS:
            return Token("function", name, start)
        if name in _CONSTANTS and not called:
            return Token("number", name, start)
        raise names.unknown(_whole_name(text, start))
    letter = text[start]
    if letter.isdigit():
        raise names.unknown(_whole_name(text, start))
    what = _REFUSED.get(letter, "Put a name that has it in backticks")
    raise ArgumentError(
        f"'{letter}' is not part of a hypothesis: position {start} of '{shorten(text)}'. {what}."
    )


def _whole_name(text: str, start: int) -> str:
    """What a reader meant as one name: up to the next operator outside brackets."""
    depth = 0
    for place in range(start, len(text)):
        letter = text[place]
        depth += (letter in "([") - (letter in ")]")
        if depth < 0 or (depth == 0 and letter in "+-*/^=,;\n<> \u2212"):
            return text[start:place]
    return text[start:]


def _sign(token: Token) -> str:
    return _SPELLED.get(token.text, token.text) if token.kind == "sign" else ""


def _split(tokens: list[Token], sign: str) -> list[list[Token]]:
    """Runs of tokens between the signs outside brackets."""
    runs: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and _sign(token) == sign:
            runs.append([])
        else:
            runs[-1].append(token)
    return runs


def _source(tokens: list[Token], text: str) -> str:
    """The text of some tokens, blanks and equality signs made plain."""
    pieces = [tokens[0].text]
    for before, token in pairwise(tokens):
        gap = " " if before.end < token.start else ""
        spaced = _sign(token) == "=" or _sign(before) == "="
        pieces.append((" " if spaced else gap) + ("=" if _sign(token) == "=" else token.text))
    return " ".join("".join(pieces).split())


def _equations(clause: list[Token], text: str, names: Names) -> Iterator[Equation]:
    """Yield the equations of a text without separators."""
    sides = _split(clause, "=")
    if not all(sides):
        raise ArgumentError(f"A side of '=' is empty: '{_source(clause, text)}'. Complete it.")
    if not any(token.kind in ("coefficient", "term") for token in clause):
        raise ArgumentError(
            f"No coefficient in '{_source(clause, text)}': nothing to test. "
            f"Coefficients are {one_of(names.columns[:_SHOWN])}."
        )
    term = _lone_term(sides)
    if term is not None:
        for slot in term.slots:
            yield Equation(Coefficient(slot), Number(0.0), f"{names.columns[slot]} = 0", of_term=True)
        return
    nodes = [_Reader(side, text, names).whole() for side in sides]
    if len(sides) == 1:
        yield Equation(nodes[0], Number(0.0), f"{_source(clause, text)} = 0")
    for (left, first), (right, second) in pairwise(zip(nodes, sides, strict=True)):
        yield Equation(left, right, f"{_source(first, text)} = {_source(second, text)}")


def _lone_term(sides: list[list[Token]]) -> Token | None:
    """The term of "f" or "f = 0"."""
    if len(sides[0]) != 1 or sides[0][0].kind != "term" or len(sides) > 2:
        return None
    if len(sides) == 2 and not (
        len(sides[1]) == 1 and sides[1][0].kind == "number" and _number(sides[1][0]) == 0
    ):
        return None
    return sides[0][0]


def _number(token: Token) -> float:
    return _CONSTANTS[token.text] if token.text in _CONSTANTS else float(token.text)


class _Reader:
    """Arithmetic of one side, by precedence: + -, then * /, then sign, then ^ from the right."""

    def __init__(self, tokens: list[Token], text: str, names: Names) -> None:
        self.tokens, self.text, self.names, self.place = tokens, text, names, 0

    def whole(self) -> Node:
        """Return the expression; all tokens must be used."""
        node = self._sum()
        if self.place < len(self.tokens):
            token = self.tokens[self.place]
            raise self._unreadable(f"An operator is missing before '{token.text}'", token)
        return node

    def _peek(self) -> str:
        return _sign(self.tokens[self.place]) if self.place < len(self.tokens) else ""

    def _take(self) -> Token:
        if self.place == len(self.tokens):
            raise self._unreadable("The text ends too early", self.tokens[-1])
        self.place += 1
        return self.tokens[self.place - 1]

    def _unreadable(self, what: str, token: Token) -> ArgumentError:
        where = f"position {token.start} of '{shorten(self.text)}'"
        return ArgumentError(f"{what}: {where}. Check operators and brackets.")

    def _sum(self) -> Node:
        node = self._product()
        while self._peek() in ("+", "-"):
            node = Operation(_sign(self._take()), node, self._product())
        return node

    def _product(self) -> Node:
        node = self._signed()
        while self._peek() in ("*", "/"):
            node = Operation(_sign(self._take()), node, self._signed())
        return node

    def _signed(self) -> Node:
        negative = False
        while self._peek() in ("+", "-"):
            negative ^= _sign(self._take()) == "-"
        node = self._power()
        return Negative(node) if negative else node

    def _power(self) -> Node:
        node = self._atom()
        if self._peek() != "^":
            return node
        self._take()
        return Operation("^", node, self._signed())

    def _atom(self) -> Node:
        token = self._take()
        if token.kind == "number":
            return Number(_number(token))
        if token.kind == "coefficient" or (token.kind == "term" and len(token.slots) == 1):
            return Coefficient(token.slots[0])
        if token.kind == "term":
            inside = one_of([self.names.columns[slot] for slot in token.slots[:_SHOWN]])
            raise ArgumentError(
                f"'{token.text}' is a term with {len(token.slots)} coefficients: {inside}. "
                "Name one of them in an expression."
            )
        if token.kind == "function":
            return Function(token.text, self._bracket())
        if token.text == "(":
            self.place -= 1
            return self._bracket()
        raise self._unreadable(f"'{token.text}' stands where a number or a name should", token)

    def _bracket(self) -> Node:
        self._take()
        node = self._sum()
        token = self._take()
        if token.text != ")":
            raise self._unreadable(f"'{token.text}' stands where ')' should", token)
        return node
