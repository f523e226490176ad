"""Tokens to an `Expression`: the allow-list of what a formula may say, and the canonical text of it."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from glmstat.errors import ArgumentError, FormulaError, near
from glmstat.formula.contrast import CONTRASTS, WORDS
from glmstat.formula.embedded import embed
from glmstat.formula.functions import FUNCTIONS
from glmstat.formula.node import (
    Binary,
    Call,
    Comparison,
    Expression,
    Literal,
    Name,
    Node,
    Sequence,
    Unary,
    Word,
)
from glmstat.formula.spelling import RefusedError, check_word, refuse, spell, why_unreadable
from glmstat.formula.tokens import DEFAULT_LIMITS, RESERVED, Limits, Token, quote, scan, shorten

__all__ = ["SPECIAL", "Grammar", "column", "make_grammar", "read"]


class Grammar(NamedTuple):
    """What a text may use beside the data.

    Parameters
    ----------
    functions : names of the functions in the caller's context.
    allow_python : whether what is refused in a factor is kept as Python code.
    limits : caps.
    networks : whether nn() is a term.
    absorbing : whether effects may stand behind `|`.
    """

    functions: tuple[str, ...] = ()
    allow_python: bool = False
    limits: Limits = DEFAULT_LIMITS
    networks: bool = False
    absorbing: bool = False


def make_grammar(
    functions: tuple[str, ...],
    allow_python: bool,
    limits: Limits,
    networks: bool = False,
    absorbing: bool = False,
) -> Grammar:
    """Grammar of what a caller asks for.

    Raises
    ------
    ArgumentError : `allow_python` that is neither True nor False.
    """
    if not isinstance(allow_python, bool):
        raise ArgumentError(
            f"allow_python must be True or False: it is {shorten(repr(allow_python))}. "
            "Write allow_python=True only for formulas that you trust."
        )
    return Grammar(functions, allow_python, limits, networks, absorbing)


# calls that are terms, not values: they stand alone between plus signs
SPECIAL: Mapping[str, str] = {
    "offset": "offset() must stand alone between plus signs",
    "cbind": "cbind() belongs on the left side, alone",
    "nn": "nn() must stand alone between plus signs",
}
_DEPTH = 4  # operators nested in one expression, per bracket that Limits.nesting allows
_SYMBOL: Mapping[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.UAdd: "+",
    ast.USub: "-",
    ast.Not: "~",
    ast.Invert: "~",
    ast.And: "&",
    ast.Or: "|",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_REFUSED: Mapping[type[ast.AST], str] = {
    ast.Attribute: "Attribute access",
    ast.Subscript: "A subscript",
    ast.Lambda: "A lambda",
    ast.ListComp: "A comprehension",
    ast.SetComp: "A comprehension",
    ast.DictComp: "A comprehension",
    ast.GeneratorExp: "A comprehension",
    ast.NamedExpr: "An assignment",
    ast.IfExp: "A conditional expression",
    ast.Starred: "An unpacking",
    ast.Dict: "A dictionary",
    ast.Set: "A set",
}
_DOTTED = frozenset({"np", "contr", "as"})  # first words of registered names with a dot in them
_CLOSED = (ast.Call, ast.Attribute, ast.Subscript, ast.ListComp, ast.List)  # their text needs no brackets
# how tightly the printed text holds together; a looser operand is put in brackets
_TIGHT = {"|": 1, "&": 2, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6, "**": 8}
_COMPARED, _MEMBER, _SIGN, _ATOM = 0, 5, 7, 9


def column(name: str) -> Expression:
    """Expression that is nothing but a column.

    >>> column("my x")
    Expression(text='`my x`', names=('my x',), python=False)
    """
    return Expression(quote(name), (name,), Name(name), column=name)


def read(tokens: list[Token], source: str, grammar: Grammar) -> Expression:
    """Expression that a run of tokens writes.

    Parameters
    ----------
    tokens : from `scan`, not empty.
    source : the text they come from.
    grammar : functions of the context, and whether Python is allowed.

    Raises
    ------
    FormulaError : what the allow-list does not have, with its position and what to do.

    >>> from glmstat.formula.tokens import scan
    >>> text = "I(x^2 + `my z`)"
    >>> read(scan(text), text, Grammar()).text
    'I(x ** 2 + `my z`)'
    """
    try:
        return _read(tokens, source, grammar)
    except RefusedError as error:
        if not grammar.allow_python:
            raise FormulaError(str(error)) from None
        return embed(tokens, source, lambda text: _read_text(text, grammar))


def _read(tokens: list[Token], source: str, grammar: Grammar) -> Expression:
    first = tokens[0]
    if first.text == "{":
        raise refuse("Python code in braces", source[first.start : tokens[-1].end])
    if len(tokens) == 1 and (first.kind == "quoted" or (first.kind == "word" and first.text not in RESERVED)):
        check_word(first)
        return column(first.name)
    if len(tokens) > grammar.limits.terms:
        raise FormulaError(
            f"Expression is too long: {len(tokens):,} names and signs at position {first.start}. "
            f"The limit is {grammar.limits.terms:,}: compute the column first."
        )
    text, names, starts = spell(tokens)
    try:
        tree = ast.parse(text, mode="eval").body
        _check_depth(tree, grammar)
        return _Reader(names, starts, grammar, tokens, source).expression(tree)
    except FormulaError:
        raise
    except (RecursionError, MemoryError):
        raise _too_deep(grammar) from None
    except (SyntaxError, ValueError):
        raise why_unreadable(tokens, source) from None


def _read_text(text: str, grammar: Grammar) -> Expression:
    return read(scan(text, grammar.limits), text, grammar)


def _check_depth(tree: ast.AST, grammar: Grammar) -> None:
    """Refuse a tree that recursion could not walk; goes level by level, so it cannot overflow itself."""
    level: list[ast.AST] = [tree]
    for _ in range(_DEPTH * grammar.limits.nesting):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise _too_deep(grammar)


def _too_deep(grammar: Grammar) -> FormulaError:
    most = _DEPTH * grammar.limits.nesting
    return FormulaError(
        f"Expression is nested too deep: the limit is {most} operators. Compute a column first."
    )


class _Reader:
    """Turns Python's tree into ours; a node that is not on the list is refused, or left to Python."""

    def __init__(
        self,
        names: Mapping[str, str],
        starts: Mapping[int, int],
        grammar: Grammar,
        tokens: list[Token],
        source: str,
    ) -> None:
        self.tokens = tokens
        self.source = source
        self.names = names
        self.starts = starts
        self.grammar = grammar
        self.readers: dict[type[ast.AST], Callable[[Any], Expression]] = {
            ast.Constant: self.constant,
            ast.Name: self.name,
            ast.UnaryOp: self.unary,
            ast.BinOp: self.binary,
            ast.BoolOp: self.logical,
            ast.Compare: self.comparison,
            ast.Call: self.call,
            ast.Tuple: self.sequence,
            ast.List: self.sequence,
        }

    def expression(self, node: ast.AST) -> Expression:
        try:
            return self.allowed(node)
        except RefusedError:
            if (
                not self.grammar.allow_python
                or not isinstance(node, ast.expr)
                or isinstance(node, ast.Starred)
            ):
                raise
            return self.python(node)

    def python(self, node: ast.expr) -> Expression:
        """Leave a refused node to Python, as it was typed: R's operators would mean something else."""
        end = node.end_col_offset or 0
        inside = [
            token
            for place, token in zip(self.starts, self.tokens, strict=True)
            if node.col_offset <= place < end
        ]
        found = embed(inside, self.source, lambda text: _read_text(text, self.grammar))
        if isinstance(node, _CLOSED) or found.text.startswith("{"):
            return found
        return replace(found, text=f"({found.text})")

    def allowed(self, node: ast.AST) -> Expression:
        reader = self.readers.get(type(node))
        if reader is None:
            raise refuse(_REFUSED.get(type(node), "This"), self.original(node))
        if type(getattr(node, "op", ast.Add())) not in _SYMBOL:
            raise refuse("This operator", self.original(node))
        return reader(node)

    def original(self, node: ast.AST) -> str:
        """Python's text of a node with the user's names in it."""
        return re.sub(
            r"\b__\d+\b", lambda match: self.names.get(match.group(), match.group()), ast.unparse(node)
        )

    def position(self, node: Any) -> int:
        return self.starts.get(node.col_offset, 0)

    def constant(self, node: ast.Constant) -> Expression:
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif not (value is None or isinstance(value, (bool, float, str))):
            raise refuse("This constant", repr(value))
        return Expression(repr(node.value), (), Literal(value))

    def name(self, node: ast.Name) -> Expression:
        name = self.names.get(node.id, node.id)
        if name.startswith("contr.") and name in CONTRASTS:
            return Expression(name, (), Word(name))
        return column(name)

    def unary(self, node: ast.UnaryOp) -> Expression:
        symbol = _SYMBOL[type(node.op)]
        operand = self.expression(node.operand)
        return _join(f"{symbol}{_bracket(operand, _SIGN)}", Unary(symbol, operand), (operand,))

    def binary(self, node: ast.BinOp) -> Expression:
        symbol = _SYMBOL[type(node.op)]
        return self.pair(symbol, self.expression(node.left), self.expression(node.right))

    def logical(self, node: ast.BoolOp) -> Expression:
        symbol = _SYMBOL[type(node.op)]
        found = self.expression(node.values[0])
        for value in node.values[1:]:
            found = self.pair(symbol, found, self.expression(value))
        return found

    def pair(self, symbol: str, left: Expression, right: Expression) -> Expression:
        least = _TIGHT[symbol]
        if symbol == "**":
            first, second = _bracket(left, _ATOM), _bracket(right, _SIGN)
        else:
            first, second = _bracket(left, least), _bracket(right, least + 1)
        return _join(f"{first} {symbol} {second}", Binary(symbol, left, right), (left, right))

    def comparison(self, node: ast.Compare) -> Expression:
        unknown = next((op for op in node.ops if type(op) not in _SYMBOL), None)
        if unknown is not None:
            raise FormulaError(f"'is' is not an operator of a formula: '{self.original(node)}'. Write ==.")
        members = tuple(self.expression(item) for item in (node.left, *node.comparators))
        symbols = tuple(_SYMBOL[type(op)] for op in node.ops)
        text = _bracket(members[0], _MEMBER)
        for symbol, member in zip(symbols, members[1:], strict=True):
            text += f" {symbol} {_bracket(member, _MEMBER)}"
        return _join(text, Comparison(symbols, members), members)

    def sequence(self, node: ast.Tuple | ast.List) -> Expression:
        items = tuple(self.expression(item) for item in node.elts)
        inside = ", ".join(item.text for item in items)
        comma = "," if len(items) == 1 else ""
        text = f"[{inside}]" if isinstance(node, ast.List) else f"({inside}{comma})"
        return _join(text, Sequence(items), items)

    def call(self, node: ast.Call) -> Expression:
        function = self.callee(node)
        arguments = tuple(self.argument(function, i, item) for i, item in enumerate(node.args))
        options = tuple(
            (self.option(word, node), self.argument(function, 1, word.value)) for word in node.keywords
        )
        operands = (*arguments, *(value for _, value in options))
        if function == "I" and options:
            raise FormulaError(
                f"'=' does not compare: position {self.position(node)}. Write == in I(), or I(x)."
            )
        if function in FUNCTIONS:
            FUNCTIONS[function].signature.bind(arguments, dict(options))
        elif any(operand.python for operand in operands):
            raise refuse("Python code", self.original(node))  # an argument may be what no formula knows
        inside = ", ".join(
            (*(a.text for a in arguments), *(f"{word}={value.text}" for word, value in options))
        )
        text = f"{quote(function)}({inside})"
        given = () if function in FUNCTIONS else (function,)
        return _join(text, Call(function, arguments, options, text), operands, given)

    def argument(self, function: str, index: int, node: ast.AST) -> Expression:
        """Read an argument; behind the first one of C(), a contrast may go by its word alone."""
        if function == "C" and index and isinstance(node, ast.Name):
            name = self.names.get(node.id, node.id)
            if name in CONTRASTS:
                return Expression(name, (), Word(name))
            if name in WORDS:
                return Expression(name, (), Literal(name))
        return self.expression(node)

    def option(self, word: ast.keyword, node: ast.Call) -> str:
        if word.arg is None:
            raise refuse("An unpacking", self.original(node))
        if sum(other.arg == word.arg for other in node.keywords) > 1:
            raise FormulaError(
                f"Argument '{word.arg}' is given twice: '{shorten(self.original(node))}'. Give it once."
            )
        return word.arg

    def callee(self, node: ast.Call) -> str:
        if not isinstance(node.func, ast.Name):
            raise refuse(_REFUSED.get(type(node.func), "Calling a value"), self.original(node))
        name = self.names.get(node.func.id, node.func.id)
        if name in self.grammar.functions and (name in FUNCTIONS or name in SPECIAL):
            raise FormulaError(
                f"`{name}()` is a formula function and a function of the context: "
                f"position {self.position(node)}. Give yours another name."
            )
        if name in SPECIAL:
            raise FormulaError(
                f"{SPECIAL[name]}: '{shorten(self.original(node))}' at position {self.position(node)}."
            )
        if name in FUNCTIONS or name in self.grammar.functions:
            return name
        raise self.unknown(name, self.position(node), node)

    def unknown(self, name: str, position: int, node: ast.Call) -> FormulaError:
        guess = (
            near(name, [*FUNCTIONS, *SPECIAL, *self.grammar.functions]).replace("'", "").replace("?", "()?")
        )
        foreign = "." in name or hasattr(builtins, name)
        if name.count(".") > 1 or ("." in name and not guess and name.split(".")[0] not in _DOTTED):
            return refuse("Attribute access", self.original(node))
        message = f"`{name}()` is not a formula function: position {position}."
        if guess and not foreign:
            return FormulaError(message + guess)
        give = f"Compute the column first, give the function in context={{'{name}': …}}"
        return RefusedError(f"{message}{guess} {give}, or pass allow_python=True if you trust the text.")


def _join(
    text: str, tree: Node, operands: tuple[Expression, ...], functions: tuple[str, ...] = ()
) -> Expression:
    names = tuple(dict.fromkeys(name for operand in operands for name in operand.names))
    called = tuple(dict.fromkeys([*functions, *(name for operand in operands for name in operand.functions)]))
    python = any(operand.python for operand in operands)
    return Expression(text, names, tree, operands, functions=called, python=python)


def _bracket(expression: Expression, least: int) -> str:
    return expression.text if _tightness(expression.tree) >= least else f"({expression.text})"


def _tightness(tree: Node) -> int:
    if isinstance(tree, Binary):
        return _TIGHT[tree.symbol]
    if isinstance(tree, Comparison):
        return _COMPARED
    return _SIGN if isinstance(tree, Unary) else _ATOM
