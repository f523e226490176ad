"""Text to `Formula`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from glmstat.errors import FormulaError
from glmstat.formula.behind import read_absorbed, split_bar
from glmstat.formula.expression import parse_expression
from glmstat.formula.right import Dot, check_model, read_terms
from glmstat.formula.syntax import Grammar, column, make_grammar, read
from glmstat.formula.terms import Absorb, Formula, Linear, Response, Term, render
from glmstat.formula.tokens import DEFAULT_LIMITS, Limits, Token, partners, scan, shorten, split_at

__all__ = ["Limits", "parse", "parse_expression", "update_formula"]


def parse(
    text: str,
    columns: Sequence[str] | None = None,
    *,
    allow_python: bool = False,
    functions: tuple[str, ...] = (),
    limits: Limits = DEFAULT_LIMITS,
    networks: bool = False,
    absorbing: bool = False,
) -> Formula:
    """Formula that a text writes; a text seen before costs nothing.

    Parameters
    ----------
    text : ``response ~ terms``, or ``~ terms``.
    columns : names of the columns of the data; only '.' asks, which is those that the left side does not use.
    allow_python : run what the allow-list refuses as Python code, for texts that you wrote.
    functions : names of functions that the context has.
    limits : caps on length, nesting and number of terms, checked before anything is expanded.
    networks : whether nn() is a term.
    absorbing : whether effects may stand behind `|`.

    Raises
    ------
    FormulaError : what a formula may not say, with its position and what to do.
    ArgumentError : `allow_python` that is neither True nor False.

    Source: operators as in R's formula; Wilkinson and Rogers (1973).

    >>> [str(term) for term in parse("y ~ x * f + offset(log(t))").terms]
    ['1', 'x', 'f', 'x:f', 'offset(log(t))']
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula must be a text: it is {type(text).__name__}. Write it in quotes.")
    known = tuple(columns) if columns is not None and "." in text else None
    return _parse(text, known, make_grammar(functions, allow_python, limits, networks, absorbing))


@lru_cache(maxsize=256)
def _parse(text: str, columns: tuple[str, ...] | None, grammar: Grammar) -> Formula:
    left, right = _sides(scan(text, grammar.limits), text)
    right, behind = split_bar(right, text, grammar)
    response = _response(left, text, grammar) if left else None
    absorbed = read_absorbed(behind, text, grammar)

    def dot() -> Dot:
        if columns is None:
            raise FormulaError(f"'.' needs data to stand for: '{shorten(text)}'. Name the columns.")
        taken = {name for side in (response, *absorbed) if side for name in side.names}
        others = tuple(Linear((column(name),)) for name in columns if name not in taken)
        if not others:
            raise FormulaError(
                f"'.' stands for no column: '{shorten(text)}' uses all of them. Write 1 instead."
            )
        return Dot(others, columns=frozenset(columns))

    terms = _with_absorbed(read_terms(right, text, grammar, dot), absorbed)
    written_out = any(token.kind == "dot" for token in right)
    return Formula(render(response, terms) if written_out else _one_line(text), response, terms)


def update_formula(
    old: Formula,
    text: str,
    *,
    allow_python: bool = False,
    functions: tuple[str, ...] = (),
    limits: Limits = DEFAULT_LIMITS,
    networks: bool = False,
    absorbing: bool = False,
) -> Formula:
    """Formula changed by a text in which '.' stands for what was there.

    Parameters
    ----------
    old : the formula to change.
    text : such as ``". ~ . + z"``, ``"log(.) ~ . - x"`` or ``"~ . - offset(t)"``; without a left side the old
        response stays. Offsets and networks stay wherever '.' stands on the right, unless taken away.
        Absorbed effects stay unless others are written behind `|`; `| 0` takes them away.
    networks : whether nn() is a term.
    absorbing : whether effects may stand behind `|`.

    Raises
    ------
    FormulaError : as `parse`; also to take away what is not there.

    Source: R update.formula; offsets can be removed here, which R leaves in.

    >>> str(update_formula(parse("y ~ x + offset(t)"), "log(.) ~ . + z - offset(t)"))
    'log(y) ~ x + z'
    """
    grammar = make_grammar(functions, allow_python, limits, networks, absorbing)
    left, right = _sides(scan(text, limits), text)
    right, behind = split_bar(right, text, grammar)
    nothing = behind is not None and [token.text for token in behind] == ["0"]
    absorbed = () if nothing else old.absorbed if behind is None else read_absorbed(behind, text, grammar)
    response = _substituted(old.response, left, text, grammar)
    intercept = old.intercept or bool(old.absorbed)
    terms = read_terms(
        right, text, grammar, lambda: Dot(old.linear, (*old.networks, *old.offsets), intercept)
    )
    terms = _with_absorbed(terms, absorbed)
    return Formula(render(response, terms), response, terms)


def _with_absorbed(terms: tuple[Term, ...], absorbed: tuple[Absorb, ...]) -> tuple[Term, ...]:
    """The terms with the absorbed effects, which hold the intercept."""
    return (*(term for term in terms if term != Linear(())), *absorbed) if absorbed else terms


def _substituted(old: Response | None, left: list[Token], text: str, grammar: Grammar) -> Response | None:
    """The left side with the old response in place of '.'."""
    if not left or [token.kind for token in left] == ["dot"]:
        return old
    pieces, position = [], left[0].start
    for token in left:
        if token.kind == "dot":
            if old is None or old.kind == "counts":
                raise FormulaError(
                    f"'.' cannot be part of the new response: position {token.start}. Write it out."
                )
            pieces += [text[position : token.start], f"({old.text})"]
            position = token.end
    new = "".join([*pieces, text[position : left[-1].end]])
    return _response(scan(new, grammar.limits), new, grammar)


def _sides(tokens: list[Token], text: str) -> tuple[list[Token], list[Token]]:
    """Tokens left and right of the tilde."""
    sides = split_at(tokens, "~")
    if not tokens:
        raise FormulaError("Formula is empty: there is no text. Write response ~ terms, such as y ~ x.")
    if len(sides) == 1:
        raise FormulaError(f"Formula has no '~': '{shorten(text)}'. Write response ~ terms, such as y ~ x.")
    if len(sides) > 2:
        raise FormulaError(f"Formula has more than one '~': '{shorten(text)}'. Write response ~ terms.")
    if not sides[1]:
        raise FormulaError(
            f"The right side is empty: '{shorten(text)}'. Write 1 there for an intercept alone."
        )
    return sides[0], sides[1]


def _response(tokens: list[Token], text: str, grammar: Grammar) -> Response:
    head = tokens[0]
    is_call = len(tokens) > 2 and head.kind == "word" and partners(tokens).get(1) == len(tokens) - 1
    if is_call:
        check_model(head, tokens, text, grammar)
    if any(token.kind == "dot" for token in tokens):
        raise FormulaError(f"'.' cannot be the response: '{shorten(text)}'. Name its column.")
    if is_call and head.text == "cbind":
        return _counts(tokens, text, grammar)
    expression = read(tokens, text, grammar)
    if not expression.names:
        raise FormulaError(f"The response uses no column: '{expression.text}'. Name one.")
    return Response((expression,))


def _counts(tokens: list[Token], text: str, grammar: Grammar) -> Response:
    runs = split_at(tokens[2:-1], ",")
    if len(runs) != 2 or not all(runs):
        raise FormulaError(
            f"cbind() takes successes and failures: '{shorten(text)}'. Write cbind(s, n - s) ~ x."
        )
    successes, failures = (read(run, text, grammar) for run in runs)
    return Response((successes, failures), "counts")


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.strip().splitlines())
