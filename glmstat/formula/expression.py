"""Expressions: read from text, computed on rows, and asked for the calls in them that learn from data."""

from __future__ import annotations

import builtins
import copyreg
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from glmstat.errors import FormulaError
from glmstat.formula import operators
from glmstat.formula.foreign import as_array, as_value
from glmstat.formula.functions import FUNCTIONS
from glmstat.formula.node import (
    CONSTANTS,
    Binary,
    Call,
    Comparison,
    Environment,
    Expression,
    Literal,
    Name,
    Python,
    Sequence,
    Unary,
    Word,
    unknown_name,
)
from glmstat.formula.syntax import Grammar, make_grammar, read
from glmstat.formula.tokens import DEFAULT_LIMITS, Limits, scan
from glmstat.formula.value import Value

__all__ = [
    "Environment",
    "Expression",
    "StatefulCall",
    "columns_needed",
    "evaluate",
    "gather",
    "parse_expression",
    "stateful_calls",
    "unknown_name",
]


def parse_expression(
    text: str,
    *,
    allow_python: bool = False,
    functions: tuple[str, ...] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> Expression:
    """Expression that a text writes; a text seen before costs nothing.

    Parameters
    ----------
    text : one expression, such as ``"log(t)"``; `+` and `*` are arithmetic here.
    allow_python : run what the allow-list refuses as Python code, for texts that you wrote; the rest stays
        with the formula language.
    functions : names of functions that the context has.
    limits : caps on the text.

    Raises
    ------
    FormulaError : what a formula may not say, with its position and what to do.
    ArgumentError : `allow_python` that is neither True nor False.

    >>> parse_expression("log(t)^2 + 1").text
    'log(t) ** 2 + 1'
    """
    if not isinstance(text, str):
        raise FormulaError(f"An expression must be a text: it is {type(text).__name__}. Write it in quotes.")
    return _parsed(text, make_grammar(functions, allow_python, limits))


@lru_cache(maxsize=512)
def _parsed(text: str, grammar: Grammar) -> Expression:
    tokens = scan(text, grammar.limits)
    if not tokens:
        raise FormulaError("Expression is empty: there is no text. Write a column name or an expression.")
    return read(tokens, text, grammar)


def _reread(text: str, functions: tuple[str, ...], python: bool) -> Expression:
    return _parsed(text, Grammar(functions, python, _READ_BEFORE))


def _reduce(expression: Expression) -> tuple[Callable[..., Expression], tuple[Any, ...]]:
    """Pickle and copy by text: it reads back, however deep the tree."""
    if isinstance(expression.tree, (Literal, Word)):  # a bare word, as in C(x, sum), would read as a column
        return Expression, (expression.text, expression.names, expression.tree)
    return _reread, (expression.text, expression.functions, expression.python)


_READ_BEFORE = Limits(length=10**9, nesting=10**3, terms=10**9)
copyreg.pickle(Expression, _reduce)


def evaluate(expression: Expression, environment: Environment) -> Value:
    """Value of an expression in the rows of the environment's frame.

    Parameters
    ----------
    expression : from `parse` or `parse_expression`.
    environment : data, context and learned states.

    Returns
    -------
    float64 or bool (n,), Categorical, Basis, or a single number or text when nothing in it depends on rows.
    What cannot be computed from present values is NaN or inf: the caller names the rows.

    Raises
    ------
    ColumnError : a name that neither data nor context has.
    DataError, FormulaError : operands or arguments that do not fit.

    >>> from glmstat.data.source import open_source
    >>> frame = open_source({"x": [1, 2, 3]}).frame()
    >>> evaluate(parse_expression("I(x^2) > 3"), Environment(frame))
    array([False,  True,  True])
    """
    if expression.column is not None:
        return environment.lookup(expression.column)
    with np.errstate(all="ignore"):
        return _value(expression, environment)


def _value(expression: Expression, environment: Environment) -> Value:
    if expression.column is not None:
        return environment.lookup(expression.column)
    tree = expression.tree
    return _VALUES[type(tree)](tree, environment)


def _literal(tree: Literal, environment: Environment) -> Value:
    return tree.constant


def _name(tree: Name, environment: Environment) -> Value:
    return environment.lookup(tree.name)


def _word(tree: Word, environment: Environment) -> Value:
    return FUNCTIONS[tree.name]


def _sequence(tree: Sequence, environment: Environment) -> Value:
    return tuple(_value(item, environment) for item in tree.items)


def _unary(tree: Unary, environment: Environment) -> Value:
    value = _value(tree.operand, environment)
    if tree.symbol == "~":
        return operators.invert(value, tree.operand.text)
    return operators.signed(tree.symbol, value, tree.operand.text)


def _binary(tree: Binary, environment: Environment) -> Value:
    apply = operators.combine if tree.symbol in "&|" else operators.arithmetic
    left, right = _value(tree.left, environment), _value(tree.right, environment)
    return apply(tree.symbol, left, right, tree.left.text, tree.right.text)


def _comparison(tree: Comparison, environment: Environment) -> Value:
    values = [_value(member, environment) for member in tree.members]
    texts = [member.text for member in tree.members]
    truth: Any = True
    for i, symbol in enumerate(tree.symbols):
        truth = truth & operators.compare(symbol, values[i], values[i + 1], texts[i], texts[i + 1])
    return truth


def _arguments(
    call: Call | StatefulCall, environment: Environment
) -> tuple[list[Value], dict[str, Value], dict[str, str]]:
    """Positional values, options, and the text of the first argument for the function's messages."""
    values = [_value(argument, environment) for argument in call.arguments]
    options = {name: _value(option, environment) for name, option in call.options}
    first = call.arguments[0] if call.arguments else dict(call.options).get("x")
    return values, options, {} if first is None else {"text": first.text}


def _call(tree: Call, environment: Environment) -> Value:
    values, options, text = _arguments(tree, environment)
    known = FUNCTIONS.get(tree.function)
    if known is not None and known.learner is not None:
        return known.apply(*values, state=environment.states.get(tree.text), **text, **options)
    if known is not None:
        return known.apply(*values, **text, **options)
    function = environment.context.get(tree.function)
    if not callable(function):
        raise _no_function(tree.function, tree.text)
    given = {name: as_array(option) for name, option in options.items()}
    return as_value(function(*map(as_array, values), **given), tree.text)


def _python(tree: Python, environment: Environment) -> Value:
    scope = _python_scope(tree, environment)
    try:
        result = eval(tree.code, scope)  # only an expression read with allow_python=True has such a tree
    except Exception as error:
        raise FormulaError(
            f"Python code failed: '{tree.code}' gave {type(error).__name__}: {error}."
        ) from error
    return as_value(result, tree.code)


def _python_scope(tree: Python, environment: Environment) -> dict[str, Any]:
    """What the names of trusted code stand for: columns, entries of the context, formula functions."""
    scope: dict[str, Any] = {"np": np}
    for alias, name in tree.names:
        if name in environment.frame:
            scope[alias] = as_array(environment.frame[name])
        elif name in environment.context:
            scope[alias] = environment.context[name]
        elif name in FUNCTIONS and not _is_python(name):
            scope[alias] = FUNCTIONS[name].apply
    scope.update((alias, as_array(_value(call, environment))) for alias, call in tree.calls)
    return scope


_VALUES: Mapping[type, Callable[[Any, Environment], Value]] = {
    Literal: _literal,
    Name: _name,
    Word: _word,
    Sequence: _sequence,
    Unary: _unary,
    Binary: _binary,
    Comparison: _comparison,
    Call: _call,
    Python: _python,
}


class StatefulCall(NamedTuple):
    """A call that must learn from data before it can be computed.

    Parameters
    ----------
    depth : 0 if its arguments need nothing learned, else one more than theirs.
    text : canonical text, the key of its state.
    function : name in `FUNCTIONS`.
    arguments : positional arguments.
    options : arguments by name.
    """

    depth: int
    text: str
    function: str
    arguments: tuple[Expression, ...]
    options: tuple[tuple[str, Expression], ...] = ()


def stateful_calls(expression: Expression) -> list[StatefulCall]:
    """Return the calls inside an expression that learn from data, innermost first, each text once.

    >>> [call[:2] for call in stateful_calls(parse_expression("scale(scale(x) + log(z))"))]
    [(0, 'scale(x)'), (1, 'scale(scale(x) + log(z))')]
    """
    if expression.column is not None:
        return []
    found: dict[str, StatefulCall] = {}
    _collect(expression, found)
    return sorted(found.values(), key=lambda call: call.depth)


def _collect(expression: Expression, found: dict[str, StatefulCall]) -> int:
    """Depth that a call around this expression would have."""
    tree = expression.tree
    depth = max((_collect(operand, found) for operand in expression.operands), default=0)
    if isinstance(tree, Call) and tree.is_stateful:
        found[tree.text] = StatefulCall(depth, tree.text, tree.function, tree.arguments, tree.options)
        return depth + 1
    return depth


def gather(call: StatefulCall, environment: Environment) -> Any:
    """What one block of rows teaches a stateful call: add these over blocks, then `finish` them.

    >>> from glmstat.data.source import open_source
    >>> (call,) = stateful_calls(parse_expression("center(x)"))
    >>> gathered = gather(call, Environment(open_source({"x": [1.0, 3.0]}).frame()))
    >>> FUNCTIONS["center"].learner.finish(gathered)["center"]
    2.0
    """
    learner = FUNCTIONS[call.function].learner
    if learner is None:
        raise FormulaError(f"{call.function}() learns nothing from data: '{call.text}'. Evaluate it.")
    with np.errstate(all="ignore"):
        values, options, text = _arguments(call, environment)
        return learner.gather(*values, **text, **options)


def columns_needed(
    expression: Expression, columns: Collection[str], context: Mapping[str, Any]
) -> tuple[str, ...]:
    """Columns of the data that an expression uses, in order of appearance.

    Parameters
    ----------
    expression : the expression.
    columns : names of the columns of the data.
    context : what the caller gave beside the data.

    Raises
    ------
    ColumnError : a name that is neither a column, nor in the context, nor a constant.
    FormulaError : what looks like attribute access, or a function that the context lacks.

    >>> columns_needed(parse_expression("cos(2 * pi * x / period)"), ["x", "y"], {"period": 12})
    ('x',)
    """
    for name in expression.functions:
        if not callable(context.get(name)):
            raise _no_function(name, expression.text)
    needed: list[str] = []
    for name in expression.names:
        if name in columns:
            needed.append(name)
        elif not (name in context or name in CONSTANTS or (expression.python and _is_known(name))):
            raise unknown_name(name, columns, context)
    return tuple(needed)


def _is_known(name: str) -> bool:
    return _is_python(name) or name in FUNCTIONS


def _is_python(name: str) -> bool:
    return name == "np" or hasattr(builtins, name)


def _no_function(name: str, text: str) -> FormulaError:
    return FormulaError(f"Function '{name}' is missing: '{text}'. Give it in context={{'{name}': …}}.")
