"""Formulas from strangers: what could run code or exhaust the machine is refused, quickly and in words."""

import builtins
import sys
import time

import pytest

from glmstat.errors import ColumnError, FormulaError, GlmstatError
from glmstat.formula.expression import columns_needed, parse_expression
from glmstat.formula.parse import Limits, parse

ATTRIBUTE = "Attribute access is not allowed in a formula"
DUNDER = "A name that begins with two underscores is not allowed"
SUBSCRIPT = "A subscript is not allowed"
COMPREHENSION = "A comprehension is not allowed"
LAMBDA = "A lambda is not allowed"
PREFIX = "A text with a prefix is not allowed"
CALLED = "Calling a value is not allowed"
BRACES = "Python code in braces is not allowed"
NO_FUNCTION = "is not a formula function"
OPT_IN = "allow_python=True"

INJECTIONS = [
    ("x.__class__", ATTRIBUTE),
    ("x.__class__.__mro__", ATTRIBUTE),
    ("x.__class__.__bases__[0].__subclasses__()", ATTRIBUTE),
    ("x.to_csv('/tmp/stolen')", ATTRIBUTE),
    ("x.map(print)", ATTRIBUTE),
    ("x.values.tofile('/tmp/stolen')", ATTRIBUTE),
    ("I(x).real", ATTRIBUTE),
    ("log(x).__reduce__()", ATTRIBUTE),
    ("I('a'.join(x))", ATTRIBUTE),
    ("I((x).real)", ATTRIBUTE),
    ("`x`.real", ATTRIBUTE),
    ("os.system('id')", ATTRIBUTE),
    ("sys.modules", ATTRIBUTE),
    ("__import__('os')", DUNDER),
    ("__import__('os').system('id')", DUNDER),
    ("__builtins__", DUNDER),
    ("__loader__", DUNDER),
    ("log.__globals__", ATTRIBUTE),
    ("np.__builtins__", ATTRIBUTE),
    ("np.load('x.npy')", NO_FUNCTION),
    ("np.fromfile('/etc/passwd')", NO_FUNCTION),
    ("np.lib.format.open_memmap('x')", ATTRIBUTE),
    ("np.random.seed(1)", ATTRIBUTE),
    ("contr.custom(x)", NO_FUNCTION),
    ("open('/etc/passwd')", NO_FUNCTION),
    ("eval('1')", NO_FUNCTION),
    ("exec('1')", NO_FUNCTION),
    ("compile('1', '', 'eval')", NO_FUNCTION),
    ("getattr(x, 'real')", NO_FUNCTION),
    ("setattr(x, 'a', 1)", NO_FUNCTION),
    ("globals()", NO_FUNCTION),
    ("vars()", NO_FUNCTION),
    ("type(x)", NO_FUNCTION),
    ("print(x)", NO_FUNCTION),
    ("input()", NO_FUNCTION),
    ("breakpoint()", NO_FUNCTION),
    ("exit()", NO_FUNCTION),
    ("x[0]", SUBSCRIPT),
    ("x[::-1]", SUBSCRIPT),
    ("log(x)[0]", SUBSCRIPT),
    ("I(x[0])", SUBSCRIPT),
    ("c(1, 2)[0]", SUBSCRIPT),
    ("I(lambda: 0)", LAMBDA),
    ("I(lambda x: x)", LAMBDA),
    ("I((lambda: 0)())", LAMBDA),
    ("I([a for a in x])", COMPREHENSION),
    ("I({a for a in x})", COMPREHENSION),
    ("I({a: 1 for a in x})", COMPREHENSION),
    ("I(sum(a for a in x))", NO_FUNCTION),
    ("I(x if x else x)", "A conditional expression is not allowed"),
    ("I((y := x))", "An assignment is not allowed"),
    ("I(*x)", "An unpacking is not allowed"),
    ("I(**x)", "An unpacking is not allowed"),
    ("I(f'{x}')", PREFIX),
    ("I(b'x')", PREFIX),
    ("I(1j)", "'1j' is not a number"),
    ("I(...)", "Not an expression"),
    ("I(x @ x)", "This operator is not allowed"),
    ("I(x << 2)", "Not an expression"),
    ("I(x is x)", "'is' is not an operator of a formula"),
    ("I(yield x)", "An operator is missing between 'yield' and 'x'"),
    ("I(await x)", "This is not allowed"),
    ("I({'a': x})", "A dictionary is not allowed"),
    ("I(log)(x)", CALLED),
    ("I(x)(x)", CALLED),
    ("I('a'(x))", CALLED),
    ("{x + 1}", BRACES),
    ("{__import__('os').getpid()}", BRACES),
    ("{open('/etc/passwd')}", BRACES),
    ("log(x); import os", "';' is not an operator"),
    ("log(x)\nimport os", "An operator is missing"),
    ("log(x) # comment", "'#' is not an operator"),
    ("log(x) \\\n x", "'\\' is not an operator"),
    ("log(x) $ x", "'$' is not an operator"),
    ("log(x)\x00", "U+0000 (control character) is not part of a formula"),
    ("l\u03bfg(x)", "Did you mean log()?"),
    ("\uff45\uff56\uff41\uff4c(x)", NO_FUNCTION),
    ("x\u202e", "U+202E (right-to-left override) is not part of a formula"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "words"), INJECTIONS, ids=[attack for attack, _ in INJECTIONS])
@pytest.mark.parametrize("place", ["term", "offset", "interaction", "response", "expression"])
def test_injections_are_refused(attack, words, place):
    reads = {
        "term": lambda: parse(f"y ~ {attack}"),
        "offset": lambda: parse(f"y ~ x + offset({attack})"),
        "interaction": lambda: parse(f"y ~ z*{attack}"),
        "response": lambda: parse(f"{attack} ~ x"),
        "expression": lambda: parse_expression(attack),
    }
    with pytest.raises(GlmstatError) as caught:
        needed(reads[place]())
    message = str(caught.value)
    assert isinstance(caught.value, FormulaError)
    assert OPT_IN in message or "not allowed" not in message
    if place in ("term", "expression"):
        assert words in message
    assert caught.value.__cause__ is None


def needed(found):
    """Names as a model looks them up: a name that is left over is no column."""
    expressions = [found]
    if hasattr(found, "terms"):
        parts = [part for term in found.linear for part in term.parts]
        offsets = [offset.expression for offset in found.offsets]
        expressions = [*found.response.expressions, *parts, *offsets]
    for expression in expressions:
        columns_needed(expression, ("x", "y", "z", "sys"), {})


def test_nothing_runs(monkeypatch):
    ran = []
    for name in ("eval", "exec", "open", "__import__", "print", "input"):
        original = getattr(builtins, name)
        monkeypatch.setattr(
            builtins, name, lambda *a, _name=name, _f=original, **k: ran.append(_name) or _f(*a, **k)
        )
    for attack, _ in INJECTIONS:
        with pytest.raises(GlmstatError):
            needed(parse_expression(f"I({attack})"))
    assert set(ran) <= {"__import__"}  # the interpreter's own imports


def test_names_that_only_look_dangerous_are_columns():
    for text in ("eval", "os", "`x.__class__`", "`__import__`", "open + exec", "lambda"):
        assert parse(f"y ~ {text}").terms


def many(count, sign="+"):
    return sign.join(f"v{i}" for i in range(count))


TOO_LONG = "Formula is too long"
TOO_DEEP = "nested too deep"
TOO_LARGE = "Formula is too large when expanded: the limit is 2,000 terms"
TOO_MANY = "Formula has too many terms: the limit is 2,000"
EXHAUSTION = {
    "length": ("y ~ " + "x" * 30_000, TOO_LONG),
    "spaces": ("y ~ " + " " * 30_000 + "x", TOO_LONG),
    "signs": ("y ~ " + "+" * 19_000 + "x", TOO_LONG),
    "tildes": ("~" * 19_000, TOO_LONG),
    "brackets": ("y ~ " + "(" * 5_000 + "x" + ")" * 5_000, TOO_DEEP),
    "open brackets": ("y ~ " + "(" * 10_000, TOO_DEEP),
    "calls": ("y ~ " + "I(" * 60 + "x" + ")" * 60, TOO_DEEP),
    "power of a sum": (f"y ~ ({many(26)})^13", TOO_LARGE),
    "square of many": (f"y ~ ({many(63)})^2", TOO_LARGE),
    "product of many": (f"y ~ {many(40, '*')}", TOO_LARGE),
    "products again": ("y ~ " + "*".join([f"({many(10)})^10"] * 100), TOO_LARGE),
    "slashes": (f"y ~ {many(2_500, '/')}", TOO_LARGE),
    "colons": (f"y ~ {many(2_500, ':')}", TOO_LARGE),
    "nested": (f"y ~ {many(1_900, '%in%')}", TOO_LARGE),
    "sum": (f"y ~ {many(2_100)}", TOO_MANY),
    "the same products": ("y ~ " + "+".join(["a*b*c*d*e*f*g*h*i*j"] * 400), TOO_MANY),
    "long expression": (f"y ~ I({many(2_500)})", "Expression is too long"),
    "deep expression": (f"y ~ I({many(900)})", TOO_DEEP),
    "minus signs": ("y ~ I(" + "-" * 1_900 + "x)", TOO_DEEP),
    "nots": ("y ~ I(" + "!" * 1_900 + "x)", TOO_DEEP),
    "powers": (f"y ~ I({many(900, '**')})", TOO_DEEP),
    "huge exponent": ("y ~ (a + b)^" + "9" * 5_000, "A power must be one whole number"),
    "huge number": ("y ~ I(" + "9" * 5_000 + ")", "Number is too large"),
    "quotes": ("y ~ " + '"' * 9_999, "Text is not closed"),
    "backticks": ("y ~ " + "`" * 9_999, "Backtick name is empty or not closed"),
    "digits": ("y ~ " + "1" * 9_999 + "x", "is not a number"),
}


@pytest.mark.parametrize("name", EXHAUSTION)
def test_resources_are_capped(name):
    text, words = EXHAUSTION[name]
    parse("y ~ a*b")  # formulaic is loaded
    started = time.process_time()
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert time.process_time() - started < 5.0
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (f"y ~ {many(1_999)}", 2_000),
        (f"y ~ ({many(62)})^2", 1_954),
        (f"y ~ ({many(10)})^10", 1_024),
        (f"y ~ ({many(8)})^999", 256),
        (f"y ~ {many(10, '*')}", 1_024),
        (f"y ~ ({many(1_500)}):z", 1_501),
        ("y ~ " + "(" * 49 + "a + b" + ")^9" * 49, 4),
        ("y ~ " + "I(" * 49 + "x" + ")" * 49, 2),
        ("y ~ I(9**9**9)", 2),
        ("y ~ C(g, levels=[" + ", ".join(f"'{i}'" for i in range(900)) + "])", 2),
    ],
    ids=str,
)  # fmt: skip
def test_large_formulas_that_are_meant_are_read(text, count):
    started = time.process_time()
    assert len(parse(text).terms) == count
    assert time.process_time() - started < 1.5  # the first of them loads formulaic


def test_limits_are_the_callers_to_set():
    small = Limits(length=30, nesting=2, terms=3)
    for text, words in {
        "y ~ " + "x" * 40: "the limit is 30",
        "y ~ (((x)))": "The limit is 2 brackets",
        "y ~ a + b + c + d": "the limit is 3",
        "y ~ a*b*c": "the limit is 3 terms",
    }.items():
        with pytest.raises(FormulaError) as caught:
            parse(text, limits=small)
        assert words in str(caught.value)
    assert len(parse("y ~ " + many(2_500), limits=Limits(terms=3_000)).terms) == 2_501


def test_recursion_limit_of_a_deep_caller_is_respected():
    def deep(left):
        return parse("y ~ I(" + many(190) + ")") if left == 0 else deep(left - 1)

    depth = sys.getrecursionlimit() - 400
    with pytest.raises(FormulaError):
        deep(depth)


def test_an_unknown_name_is_a_column_error():
    with pytest.raises(ColumnError, match="No column 'eval' in data"):
        needed(parse("y ~ eval"))
