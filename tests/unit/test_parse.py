"""Text to terms: the grammar, its agreement with formulaic and R, and the words of its errors."""

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmstat.errors import ArgumentError, FormulaError
from glmstat.formula.parse import parse, parse_expression, update_formula
from glmstat.formula.terms import Linear, Offset, render

CASES = Path(__file__).parents[1] / "reference" / "reference_glm.json"
COLUMNS = ("y", "x", "z", "t", "my col")


def terms(text, columns=None, **options):
    return [str(term) for term in parse(text, columns, **options).terms]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y ~ x", "1 x"),
        ("y ~ x + z", "1 x z"),
        ("y~x+z", "1 x z"),
        ("y ~ 1", "1"),
        ("y ~ 0", ""),
        ("y ~ -1", ""),
        ("y ~ x - 1", "x"),
        ("y ~ x + 0", "x"),
        ("y ~ 0 + f", "f"),
        ("y ~ +0 + f", "f"),
        ("y ~ x - 1 + 1", "1 x"),
        ("y ~ 0 + x - 0", "1 x"),
        ("y ~ x + x", "1 x"),
        ("y ~ x - x", "1"),
        ("y ~ x + z - x", "1 z"),
        ("y ~ x + -z + z", "1 x z"),
        ("y ~ a:b", "1 a:b"),
        ("y ~ b:a + a:b", "1 b:a"),
        ("y ~ a:a", "1 a"),
        ("y ~ a*b", "1 a b a:b"),
        ("y ~ a*b*c", "1 a b c a:b a:c b:c a:b:c"),
        ("y ~ a:b + c + a", "1 c a a:b"),
        ("y ~ (a + b)^2", "1 a b a:b"),
        ("y ~ (a + b)**2", "1 a b a:b"),
        ("y ~ (a + b)^9", "1 a b a:b"),
        ("y ~ (a+b+c)^2", "1 a b c a:b a:c b:c"),
        ("y ~ (a+b+c)^2 - a:b", "1 a b c a:c b:c"),
        ("y ~ a*b - b:a", "1 a b"),
        ("y ~ a - (a + a)", "1"),
        ("y ~ (a+b+c):d - a:d", "1 b:d c:d"),
        ("y ~ (a+b+c-b):d + b", "1 b a:d c:d"),
        ("y ~ a/b", "1 a a:b"),
        ("y ~ a/b/c", "1 a a:b a:b:c"),
        ("y ~ a/(b+c)", "1 a a:b a:c"),
        ("y ~ (a+b)/c", "1 a b a:b:c"),
        ("y ~ a + b %in% a", "1 a b:a"),
        ("y ~ a %in% b", "1 a:b"),
        ("y ~ a %in% (b+c)", "1 a:b:c"),
        ("y ~ (a+d) %in% (b+c)", "1 a:b:c d:b:c"),
        ("y ~ a*b %in% c", "1 a b:c a:b:c"),
        ("y ~ a:b %in% c", "1 a:b:c"),
        ("y ~ ((x))", "1 x"),
        ("y ~ \n x\n + z ", "1 x z"),
    ],
)
def test_algebra(text, expected):
    assert terms(text) == expected.split()


@pytest.mark.parametrize(
    "right", ["a*b", "a*b*c", "(a+b+c)^3", "a/b", "(a+b):c", "a/(b+c)/d", "a*(b+c):d - b:d:a"]
)
def test_algebra_is_that_of_formulaic(right):
    assert_as_formulaic(right)


names = st.sampled_from("abcde")
trees = st.recursive(
    names,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "*", ":", "/"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(inner, st.integers(1, 3)).map(lambda t: f"({t[0]})^{t[1]}"),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_any_algebra_is_that_of_formulaic(right):
    assert_as_formulaic(right)


def assert_as_formulaic(right):
    from formulaic.parser import DefaultFormulaParser

    found = DefaultFormulaParser().get_terms(right)
    expected = sorted((set(map(str, term.factors)) - {"1"} for term in found), key=len)
    ours = [{part.text for part in term.parts} for term in parse(f"y ~ {right}").linear]
    assert sorted(map(sorted, ours)) == sorted(map(sorted, expected))
    assert [len(term) for term in ours] == sorted(len(term) for term in ours)


def test_reference_cases_name_their_columns_by_our_texts():
    cases = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    assert len(cases) > 30
    for case in cases:
        labels = {part.label for term in parse(case["formula"]).linear for part in term.parts}
        for name in case["coef_order"]:
            for part in name.split(":") if name != "Intercept" else []:
                assert part.split("[")[0] in labels, (case["id"], name)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("I(x^2)", "I(x ** 2)"),
        ("I(x**2)", "I(x ** 2)"),
        ("I(1/Girth**2)", "I(1 / Girth ** 2)"),
        ("I(2*wt)", "I(2 * wt)"),
        ("log( x )", "log(x)"),
        ("log (x)", "log(x)"),
        ("np.log(x)", "np.log(x)"),
        ("as.factor(g)", "as.factor(g)"),
        ("C(Age,contr.poly)", "C(Age, contr.poly)"),
        ('C(g, contr.treatment(base="b"))', "C(g, contr.treatment(base='b'))"),
        ("C(g, Treatment('b'))", "C(g, Treatment('b'))"),
        ("C(g, Sum)", "C(g, Sum)"),
        ("C(g, sum)", "C(g, sum)"),
        ("bs(e,df=5)", "bs(e, df=5)"),
        ("ns(x, Boundary.knots=c(0, 1))", "ns(x, Boundary_knots=c(0, 1))"),
        ("cut(x, c(-Inf, 0, 10L), right=FALSE)", "cut(x, c(-Inf, 0, 10), right=False)"),
        ('relevel(g, ref = "b")', "relevel(g, ref='b')"),
        ("I((a+b)*c)", "I((a + b) * c)"),
        ("I(a-(b-c))", "I(a - (b - c))"),
        ("I((a-b)-c)", "I(a - b - c)"),
        ("I((-x)**2)", "I((-x) ** 2)"),
        ("I(-x**2)", "I(-x ** 2)"),
        ("I(2**-x)", "I(2 ** -x)"),
        ("I(x>1 & z<2)", "I((x > 1) & (z < 2))"),
        ("I((x>1) && z<2 || !w)", "I((x > 1) & (z < 2) | ~w)"),
        ("I(x > 1 and not z < 2)", "I((x > 1) & ~(z < 2))"),
        ("I(0<x<=1)", "I(0 < x <= 1)"),
        ("I(g %in% c('a','b'))", "I(g in c('a', 'b'))"),
        ("I(g not in ('a',))", "I(g not in ('a',))"),
        ("I(x %% 2 + x %/% 2)", "I(x % 2 + x // 2)"),
        ("log(`my col`)", "log(`my col`)"),
        ("I(1e3*x)", "I(1000.0 * x)"),
    ],
)
def test_canonical_text(written, canonical):
    (part,) = parse(f"y ~ 0 + {written}").linear[0].parts
    assert part.text == canonical
    assert parse(f"y ~ 0 + {canonical}").linear[0].parts == (part,)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("y ~ `my col`", ["my col"]),
        ("y ~ log(`my col`)", ["my col"]),
        ("y ~ x.1 + Sepal.Length + .x", ["x.1", "Sepal.Length", ".x"]),
        ("y ~ naïve + größe:कीमत + 年齢", ["naïve", "年齢", "größe", "कीमत"]),
        ("y ~ log(größe)", ["größe"]),
        ("y ~ class + factor(class) + log(lambda) + I(if + 1)", ["class", "lambda", "if"]),
        ("y ~ `TRUE` + `a b`:`c:d`", ["TRUE", "a b", "c:d"]),
        ("y ~ a__b + log(a__b) + `__index__`", ["a__b", "__index__"]),
        ("y ~ log + C(log) + I(I) + s + C(s) + C", ["log", "I", "s", "C"]),
        ("y ~ C(g, contr.sum) + C(h, M)", ["g", "h", "M"]),
        ("y ~ log(x) + log(log)", ["x", "log"]),
    ],
)
def test_names_are_columns_as_the_data_have_them(text, names):
    assert list(parse(text).names)[1:] == names


def test_a_name_is_bare_where_it_reads_back():
    formula = parse("y ~ .", ("y", "x.1", "my col", "größe", "TRUE", "1st", "__x", "in", "a-b"))
    assert [str(term) for term in formula.terms[1:]] == [
        "x.1",
        "`my col`",
        "größe",
        "`TRUE`",
        "`1st`",
        "`__x`",
        "`in`",
        "`a-b`",
    ]
    assert parse(formula.text).terms == formula.terms
    assert formula.terms[2].parts[0].label == "my col"


@pytest.mark.parametrize(
    ("text", "expressions", "kind"),
    [
        ("y ~ x", ["y"], "single"),
        ("log(y) ~ x", ["log(y)"], "single"),
        ("s/n ~ x", ["s / n"], "single"),
        ("y1 + y2 ~ x", ["y1 + y2"], "single"),
        ("y > 3 ~ x", ["y > 3"], "single"),
        ("I(numdead/n) ~ x", ["I(numdead / n)"], "single"),
        ("`my y` ~ x", ["`my y`"], "single"),
        ("cbind(s, n - s) ~ x", ["s", "n - s"], "counts"),
        ("cbind(s,f)~x", ["s", "f"], "counts"),
        ("cbind ~ x", ["cbind"], "single"),
    ],
)
def test_left_side_is_one_expression_or_counts(text, expressions, kind):
    response = parse(text).response
    assert [expression.text for expression in response.expressions] == expressions
    assert response.kind == kind
    assert parse(f"{response.text} ~ 1").response == response


def test_left_side_may_be_absent():
    assert parse("~ x").response is None
    assert str(parse("~ x")) == "~ x"


def test_dot_is_every_other_column():
    assert terms("y ~ .", COLUMNS) == ["1", "x", "z", "t", "`my col`"]
    every = ["1", "x", "z", "t", "`my col`", "offset(log(t))"]
    assert terms("log(y) ~ . + offset(log(t))", COLUMNS) == every, "R too keeps what an offset uses"
    assert terms("y ~ . - z", COLUMNS) == ["1", "x", "t", "`my col`"]
    assert terms("y ~ . - t + offset(log(t))", COLUMNS) == ["1", "x", "z", "`my col`", "offset(log(t))"]
    assert terms("y ~ .^2 - .", ("y", "a", "b")) == ["1", "a:b"]
    assert terms("y ~ a*.", ("y", "a", "b")) == ["1", "a", "b", "a:b"]
    assert terms("cbind(s, f) ~ . - 1", ("s", "f", "x")) == ["x"]
    assert str(parse("y ~ .", ("y", "a", "b"))) == "y ~ a + b"


def test_offsets_are_terms_of_their_own():
    formula = parse("y ~ offset(log(t)) + x + offset(z)")
    assert formula.terms == (Linear(()), *parse("y ~ 0 + x").linear, *formula.offsets)
    assert [offset.expression.text for offset in formula.offsets] == ["log(t)", "z"]
    assert all(isinstance(offset, Offset) for offset in formula.offsets)
    assert terms("y ~ (x + offset(t))") == ["1", "x", "offset(t)"]
    assert terms("y ~ offset") == ["1", "offset"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Formula is empty"),
        ("   ", "Formula is empty"),
        ("y x", "Formula has no '~': 'y x'. Write response ~ terms"),
        ("y = x", "Formula has no '~'"),
        ("y ~ x ~ z", "Formula has more than one '~'"),
        ("y ~", "The right side is empty: 'y ~'. Write 1"),
        ("~", "The right side is empty"),
        ("y ~ x +", "The formula ends after '+': position 6. Add a term."),
        ("y ~ x:", "The formula ends after ':': position 5."),
        ("y ~ -", "The formula ends after '-': position 4."),
        ("y ~ * x", "Nothing stands before '*': position 4."),
        ("y ~ x + * z", "Nothing stands before '*': position 8."),
        ("y ~ x * -z", "Nothing stands before '-': position 8."),
        ("y ~ (-x)", "Nothing stands before '-': position 5."),
        ("y ~ x - -z", "Two minus signs follow each other: position 8."),
        ("y ~ x z", "An operator is missing before 'z': position 6."),
        ("y ~ my col + x", "put a name with spaces in backticks"),
        ("y ~ x (z)", "`x()` is not a formula function: position 4."),
        ("y ~ (x) z", "An operator is missing before 'z': position 8."),
        ("y ~ ()", "Nothing stands before ')': position 5."),
        ("y ~ (x + )", "Nothing stands before ')': position 9."),
        ("y ~ (x", "'(' is not closed: position 4. Add ')'."),
        ("y ~ x)", "')' closes nothing: position 5."),
        ("y ~ log(x]", "'(' is closed by ']': position 9. Close it with ')'."),
        ("y ~ log(x", "'(' is not closed: position 7."),
        ("y ~ 'x", "Text is not closed: position 4."),
        ("y ~ `x", "Backtick name is empty or not closed: position 4."),
        ("y ~ ``", "Backtick name is empty or not closed: position 4."),
        ("y ~ 2", "Number 2 cannot be a term: position 4."),
        ("y ~ 2*x", "Number 2 cannot be a term: position 4."),
        ("y ~ x:1", "Number 1 cannot be a term: position 6."),
        ("y ~ 1*x", "put arithmetic into I()"),
        ("y ~ (x + 0)", "0 inside brackets: position 9."),
        ("y ~ 2x", "'2x' is not a number: position 4."),
        ("y ~ x^z", "A power must be a whole number: position 6."),
        ("y ~ x^2.5", "A power must be one whole number from 1 on: position 6."),
        ("y ~ x^0", "A power must be one whole number from 1 on"),
        ("y ~ x^-1", "A power must be a whole number: position 6."),
        ("y ~ x^2^2", "A power must be one whole number"),
        ("y ~ 'x'", "is not a term: position 4. Write a column name without quotes"),
        ("y ~ [x]", "'[' is not a term: position 4."),
        (
            "y ~ x == 'a'",
            "'==' is not an operator between terms: position 6. Put what is computed into I(), as in I(",
        ),
        ("y ~ x > 3", "as in I(x > 3)"),
        ("y ~ x = 3", "'=' is not an operator: position 6. Write ~ behind the response, == to compare."),
        ("y ~ I(x = 3)", "'=' does not compare: position 4. Write =="),
        ("y ~ x %% 2", "'%%' is not an operator between terms: position 6."),
        ("y ~ df$x", "'$' is not an operator: position 6. Write the column's name alone."),
        ("y ~ x, z", "',' is not an operator: position 5."),
        ("y ~ x − z", "U+2212 (minus sign) is not part of a formula: position 6. Write - instead."),
        ("y ~ x\u200b", "U+200B (zero width space) is not part of a formula: position 5."),
        ("y ~ x + offse(t)", "`offse()` is not a formula function: position 8. Did you mean offset()?"),
        ("y ~ lgo(x)", "`lgo()` is not a formula function: position 4. Did you mean log()?"),
        ("y ~ zzz(x)", "`zzz()` is not a formula function: position 4. Compute the column first"),
        ("offse(y) ~ x", "`offse()` is not a formula function: position 0."),
        (
            "y ~ x * offset(t)",
            "offset() cannot take part in an interaction: 'x:offset(t)'. Write `+ offset(t)`.",
        ),
        ("y ~ x:offset(t)", "offset() cannot take part in an interaction: 'x:offset(t)'"),
        ("y ~ offset(t)/x", "offset() cannot take part in an interaction"),
        ("y ~ x %in% offset(t)", "offset() cannot take part in an interaction"),
        ("y ~ (x + offset(t))^2", "offset() cannot take part in an interaction: 'x:offset(t)'"),
        ("y ~ offset(t)^2", "offset() cannot take part in an interaction"),
        ("y ~ x - offset(t)", "offset(t) is taken away, not added: position 8."),
        ("y ~ offset(t) - offset(t)", "offset(t) is taken away, not added: position 16."),
        ("y ~ -(x + offset(t))", "offset(t) is taken away, not added"),
        ("y ~ (x - offset(t))", "offset(t) is taken away, not added"),
        ("y ~ offset(t) + offset( t )", "offset(t) stands twice in the formula: position 16."),
        ("y ~ offset()", "offset() takes one expression: 'offset()'."),
        ("y ~ offset(t, x)", "offset() takes one expression: 'offset(t, x)'."),
        ("y ~ log(offset(t))", "offset() must stand alone between plus signs: 'offset(t)' at position 8."),
        ("offset(y) ~ x", "offset() must stand alone"),
        ("y ~ cbind(a, b)", "cbind() belongs on the left side, alone"),
        ("log(cbind(a, b)) ~ x", "cbind() belongs on the left side, alone"),
        ("cbind(s) ~ x", "cbind() takes successes and failures"),
        ("cbind(s, f, n) ~ x", "cbind() takes successes and failures"),
        ("1 ~ x", "The response uses no column: '1'."),
        ("'y' ~ x", "The response uses no column"),
        (". ~ x", "'.' cannot be the response"),
        ("y ~ .", "'.' needs data to stand for"),
        ("y ~ log(.)", "Not an expression: 'log(.)' at position 4."),
        ("y ~ x - w", "'w' is taken away and was never there: position 8."),
        ("y ~ a*b - a:c", "'c' is taken away and was never there: position 12."),
        ("y ~ -x", "'x' is taken away and was never there"),
        ("y ~ s(x)", "glm has no smooth terms: 's(x)' at position 4. Use bs(), ns() or poly()."),
        ("y ~ te(x, z)", "glm has no smooth terms"),
        ("y ~ nn(x, hidden=(8, 8))", "nn() is a term of rglm() alone"),
        ("y ~ x + strata(g)", "glm has no strata"),
        ("y ~ (1 | g)", "glm has no random effects: '|' in brackets, position 7."),
        ("y ~ (x || g)", "glm has no random effects"),
        ("y ~ x | firm", "glm has no part behind '|': position 6."),
        ("Surv(t, d) ~ x", "glm has no survival times: 'Surv(t, d)' at position 0."),
        ("y ~ scale(x, foo=3)", "scale() has no argument 'foo'"),
        ("y ~ log()", "log() needs its argument 'x'"),
        ("y ~ log(x, 2, 3)", "log() takes at most 2 arguments: 3 given."),
        ("y ~ bs(x, df=3, df=4)", "Argument 'df' is given twice"),
        ("y ~ log(x,,z)", "Not an expression: 'log(x,,z)'"),
        ("y ~ I(x +)", "Not an expression: 'I(x +)'"),
        ("y ~ I(x z)", "An operator is missing between 'x' and 'z': position 8."),
        ("y ~ I(x := 3)", "An assignment is not allowed"),
        ("y ~ I(1e999 * x)", "Number is too large: position 6."),
        ("y ~ I(x == '\\d')", "Escape '\\d' is not known"),
    ],
)
def test_errors_name_place_and_remedy(text, words):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert type(caught.value) is FormulaError
    assert str(caught.value).endswith((".", "?"))


@pytest.mark.parametrize("text", [None, 3, b"y ~ x", ["y ~ x"], {"y": 1}])
def test_a_formula_is_a_text(text):
    with pytest.raises(FormulaError, match="A formula must be a text: it is"):
        parse(text)


def test_dot_without_a_column_left():
    with pytest.raises(FormulaError, match=r"'\.' stands for no column"):
        parse("y ~ .", ("y",))
    with pytest.raises(FormulaError, match="backtick in its name"):
        parse("y ~ .", ("y", "a`b"))
    with pytest.raises(FormulaError, match="'zz' is taken away and was never there"):
        parse("y ~ . - zz", COLUMNS)


@pytest.mark.parametrize(
    ("old", "change", "new"),
    [
        ("y ~ x", ". ~ . + z", "y ~ x + z"),
        ("y ~ x", "~ . + z", "y ~ x + z"),
        ("y ~ x + offset(t)", ". ~ . + z", "y ~ x + z + offset(t)"),
        ("y ~ x + offset(t)", ". ~ . - offset(t)", "y ~ x"),
        ("y ~ x + offset(log(t))", ". ~ . - offset( log(t) ) + offset(w)", "y ~ x + offset(w)"),
        ("y ~ x + z", ". ~ . - x", "y ~ z"),
        ("y ~ x", ". ~ z", "y ~ z"),
        ("y ~ x + offset(t)", ". ~ z", "y ~ z"),
        ("y ~ a + b - 1", ". ~ .^2", "y ~ 0 + a + b + a:b"),
        ("y ~ a + b", "log(.) ~ .:z", "log(y) ~ a:z + b:z"),
        ("y ~ a - 1", ". ~ . + 1", "y ~ a"),
        ("y ~ a", ". ~ . - 1", "y ~ 0 + a"),
        ("y ~ a + offset(t)", ". ~ .^2 + b", "y ~ a + b + offset(t)"),
        ("y ~ a*b", ". ~ . - a:b", "y ~ a + b"),
        ("y ~ a", "sqrt(. + 1) ~ .", "sqrt(y + 1) ~ a"),
        ("cbind(s, f) ~ a", ". ~ . + b", "cbind(s, f) ~ a + b"),
        ("y ~ a", "z ~ .", "z ~ a"),
        ("y ~ a", "cbind(., n) ~ .", "cbind(y, n) ~ a"),
        ("y ~ x", ". ~ 1", "y ~ 1"),
        ("y ~ `my x`", ". ~ . + I(`my x`^2)", "y ~ `my x` + I(`my x` ** 2)"),
        ("y ~ 1 + offset(t)", ". ~ .", "y ~ 1 + offset(t)"),
    ],
)
def test_update(old, change, new):
    changed = update_formula(parse(old), change)
    assert parse(changed.text).terms == changed.terms
    assert (changed.response, changed.terms) == (parse(new).response, parse(new).terms)


@pytest.mark.parametrize(
    ("old", "change", "words"),
    [
        ("y ~ x", ". ~ . - z", "'z' is taken away and was never there"),
        ("y ~ x", ". ~ . - offset(t)", "offset(t) is taken away, not added"),
        ("y ~ x + offset(t)", ". ~ . + offset(t)", "offset(t) stands twice"),
        ("cbind(s, f) ~ x", "log(.) ~ .", "'.' cannot be part of the new response"),
        ("y ~ x", "z", "Formula has no '~'"),
    ],
)
def test_update_refuses(old, change, words):
    with pytest.raises(FormulaError) as caught:
        update_formula(parse(old), change)
    assert words in str(caught.value)


ROUND_TRIP = [
    "y ~ a*b - 1 + offset(log(t))",
    "log(y) ~ I(x^2):`my z` + C(g, contr.sum)",
    "cbind(s, f) ~ 1",
    "~ x",
]


@pytest.mark.parametrize("text", ROUND_TRIP)
def test_formula_survives_print_pickle_and_copy(text):
    formula = parse(text)
    assert parse(render(formula.response, formula.terms)).terms == formula.terms
    for copied in (pickle.loads(pickle.dumps(formula)), copy.deepcopy(formula)):
        assert copied == formula
        assert hash(copied) == hash(formula)
        assert str(copied) == text


@settings(max_examples=60, deadline=None)
@given(st.lists(trees, min_size=1, max_size=3), st.booleans(), st.booleans())
def test_any_formula_reads_back(addends, intercept, offset):
    parts = [*addends, *(["offset(log(t))"] if offset else [])]
    formula = parse(f"y ~ {int(intercept)} + {' + '.join(parts)}")
    assert parse(render(formula.response, formula.terms)).terms == formula.terms


def test_a_text_seen_before_costs_nothing():
    assert parse("y ~ cached + text") is parse("y ~ cached + text")
    assert parse("y ~ .", ("y", "a")).names == ("y", "a")
    assert parse("y ~ .", ("y", "b")).names == ("y", "b")


def test_sums_do_not_load_formulaic():
    code = "import sys\nfrom glmstat.formula.parse import parse\n"
    code += "parse('y ~ x + f + log(z) + offset(log(t)) - 1')\n"
    code += "sys.exit(any(name in sys.modules for name in ('formulaic', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_functions_of_the_context():
    formula = parse("y ~ clip(x) + offset(rate(t))", functions=("clip", "rate"))
    assert formula.linear[1].parts[0].functions == ("clip",)
    assert formula.names == ("y", "x", "t")
    with pytest.raises(FormulaError, match="Did you mean clip"):
        parse("y ~ clp(x)", functions=("clip",))
    with pytest.raises(FormulaError, match="Give yours another name"):
        parse("y ~ log(x)", functions=("log",))
    assert terms("y ~ s(x)", functions=("s",)) == ["1", "s(x)"]


@pytest.mark.parametrize("flag", [1, 0, "yes", None, np.bool_(True)], ids=repr)
def test_allow_python_is_true_or_false(flag):
    readers = (
        lambda: parse("y ~ x", allow_python=flag),
        lambda: parse_expression("x", allow_python=flag),
        lambda: update_formula(parse("y ~ x"), ". ~ . + z", allow_python=flag),
    )
    for reader in readers:
        with pytest.raises(ArgumentError, match="allow_python must be True or False"):
            reader()
