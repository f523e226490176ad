"""Python inside a formula, for callers who trust the text: only what the formula language refuses."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Mapping

from glmstat.errors import FormulaError
from glmstat.formula.functions import FUNCTIONS
from glmstat.formula.node import Expression, Python
from glmstat.formula.spelling import alias
from glmstat.formula.tokens import Token, partners, shorten

__all__ = ["embed"]


def embed(tokens: list[Token], source: str, read: Callable[[str], Expression]) -> Expression:
    """Return the expression of code that the caller trusts: the text as typed, backtick names by alias.

    Parameters
    ----------
    read : reads the text of a formula call inside the code, which stays with the interpreter.

    Raises
    ------
    FormulaError : text that is not Python, or a call that would have to learn inside the code.
    """
    typed = source[tokens[0].start : tokens[-1].end]
    braces = tokens[0].text == "{" and partners(tokens).get(0) == len(tokens) - 1
    names: dict[str, str] = {}
    code = re.sub(r"`([^`]+)`", lambda match: alias(match.group(1), names), typed[1:-1] if braces else typed)
    try:
        tree = ast.parse(f"({code.strip()})", mode="eval").body
        spelled = _typed(tree, names)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"Not Python code: '{shorten(typed)}' ({error}). Correct it.") from None
    calls = _Calls(names, _bound(tree), read)
    code = ast.unparse(calls.visit_parts(tree))
    free = tuple((name, names.get(name, name)) for name in _used(tree) if name not in calls.own)
    operands = tuple(calls.found.values())
    used = dict.fromkeys([*(name for _, name in free), *(name for call in operands for name in call.names)])
    called = dict.fromkeys(name for call in operands for name in call.functions)
    return Expression(
        f"{{{spelled}}}" if braces else spelled,
        tuple(used),
        Python(code, free, tuple(calls.found.items())),
        operands,
        functions=tuple(called),
        python=True,
    )


def _typed(tree: ast.AST, names: Mapping[str, str]) -> str:
    """Return Python's text of a tree, aliases as the names in backticks."""

    def written(match: re.Match[str]) -> str:
        return f"`{names[match.group()]}`" if match.group() in names else match.group()

    return re.sub(r"\b__\d+\b", written, ast.unparse(tree))


def _bound(tree: ast.AST) -> frozenset[str]:
    """Return the names that code gives a meaning itself."""
    nodes = list(ast.walk(tree))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return frozenset(stored | {node.arg for node in nodes if isinstance(node, ast.arg)})


def _used(tree: ast.AST) -> list[str]:
    return list(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))


class _Calls(ast.NodeTransformer):
    """Takes calls of formula functions out of Python code: they learn from data, as everywhere.

    `found` has each by the identifier in its place; `own` are those identifiers and the names of the code.
    """

    def __init__(
        self, names: Mapping[str, str], bound: frozenset[str], read: Callable[[str], Expression]
    ) -> None:
        self.names = names
        self.bound = bound
        self.read = read
        self.found: dict[str, Expression] = {}

    @property
    def own(self) -> frozenset[str]:
        return self.bound.union(self.found)

    def visit_parts(self, tree: ast.expr) -> ast.AST:
        """Return the code without the calls in it; the outermost one was refused, and stays."""
        if isinstance(tree, ast.Call) and self.is_formula(tree):
            self.check(tree)
        return self.generic_visit(tree)

    def is_formula(self, node: ast.Call) -> bool:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        return name in FUNCTIONS and name not in self.bound and not hasattr(builtins, name)

    def check(self, node: ast.Call) -> None:
        """Refuse to learn from what only Python knows."""
        assert isinstance(node.func, ast.Name)
        if FUNCTIONS[node.func.id].learner is not None:
            raise FormulaError(
                f"{node.func.id}() learns from the data, and cannot do so inside this Python code: "
                f"'{shorten(_typed(node, self.names))}'. Compute the column first."
            )

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if not self.is_formula(node):
            return self.generic_visit(node)
        if not self.bound.isdisjoint(_used(node)):
            self.check(node)
            return self.generic_visit(node)
        text = _typed(node, self.names)
        identifier = f"__call{len(self.found)}"
        self.found[identifier] = self.read(text)
        return ast.Name(identifier, ast.Load())
