"""Hypotheses as text: names of coefficients, arithmetic and "=" become equations in the coefficients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from glmstat.errors import ArgumentError, one_of
from glmstat.formula.tokens import shorten
from glmstat.inference.hypothesis.combination import Coefficient, Function, Negative, Node, Number, Operation
from glmstat.inference.hypothesis.names import CONSTANTS, SHOWN, Names, Token, scan

__all__ = ["Equation", "Hypothesis", "combination", "read"]

_LONGEST = 20_000  # characters of a text
_SPELLED = {"**": "^", "==": "=", "\u2212": "-", ";": ","}


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
    clauses = list(_clauses(list(scan(text, names)), text))
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


def _clauses(tokens: list[Token], text: str) -> Iterator[list[Token]]:
    """Yield the runs of tokens between commas, semicolons and line ends; an empty line is none.

    Raises
    ------
    ArgumentError : nothing before, between or after commas.
    """
    lines = [_split(line, ",") for line in _split(tokens, "\n") if line]
    if not any(part for parts in lines for part in parts):
        raise ArgumentError(f'The hypothesis is empty: {text!r}. Write "x = 0", or the name of a term.')
    for number, parts in enumerate(lines, start=1):
        if len(parts) > 1 and not parts[-1] and number < len(lines):
            parts.pop()  # a comma at the end of a line
        if not all(parts):
            raise ArgumentError(f"A part of '{shorten(text)}' is empty: a comma stands alone. Remove it.")
        yield from parts


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
            f"Coefficients are {one_of(names.columns[:SHOWN])}."
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
    return CONSTANTS[token.text] if token.text in CONSTANTS else float(token.text)


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
            inside = one_of([self.names.columns[slot] for slot in token.slots[:SHOWN]])
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
