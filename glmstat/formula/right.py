"""The right side of a formula: addends and signs, the intercept, '.', offsets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from glmstat.errors import FormulaError
from glmstat.formula.algebra import FIRST, expand
from glmstat.formula.network import named, read_network
from glmstat.formula.node import Expression
from glmstat.formula.syntax import Grammar, read
from glmstat.formula.terms import Linear, Network, Offset, Term
from glmstat.formula.tokens import Token, partners, shorten, split_at

__all__ = ["Dot", "check_model", "read_terms"]

Factor = Expression | Offset | Network
_REPEATS = 20  # how often a formula may write all its terms again
_FOREIGN = frozenset("$@?;#\\,")
ALGEBRA = frozenset({"+", "-", "*", "/", ":", "^", "**", "%in%"})
# terms of models that this formula may one day have
OTHER_MODELS: Mapping[str, str] = {
    "s": "smooth terms",
    "te": "smooth terms",
    "ti": "smooth terms",
    "t2": "smooth terms",
    "strata": "strata",
    "cluster": "cluster terms",
    "frailty": "frailty terms",
    "Surv": "survival times",
}
_INSTEAD: Mapping[str, str] = {
    "smooth terms": "Use bs(), ns() or poly().",
    "cluster terms": "Take clusters into account in the covariance.",
}


class Dot(NamedTuple):
    """What '.' stands for: the other columns, or the formula that is updated.

    `alone` are the offsets and networks, which stay wherever '.' stands. `columns` are all columns of the
    data: each may be taken away, even one that '.' leaves out by itself.
    """

    linear: tuple[Linear, ...]
    alone: tuple[Offset | Network, ...] = ()
    intercept: bool = True
    columns: frozenset[str] = frozenset()


class Item(NamedTuple):
    """An operand, sign, operator or bracket of the right side.

    `kind` is atom, dot, number, operator, open or close; `atom` numbers the factor of an atom.
    """

    kind: str
    text: str
    start: int
    atom: int = -1


@dataclass
class _Atoms:
    """The factors of a right side, numbered; equal texts are one factor."""

    factors: list[Factor] = field(default_factory=list)
    numbers: dict[Factor, int] = field(default_factory=dict)

    def number(self, factor: Factor) -> int:
        found = self.numbers.setdefault(factor, len(self.factors))
        if found == len(self.factors):
            self.factors.append(factor)
        return found


def read_terms(
    tokens: list[Token], source: str, grammar: Grammar, dot: Callable[[], Dot]
) -> tuple[Term, ...]:
    """Terms of a right side: the intercept, linear terms by degree, offsets.

    Parameters
    ----------
    tokens : of the right side, not empty.
    source : the text of the formula.
    grammar : functions of the context, and whether Python is allowed.
    dot : what '.' stands for; called only where there is one.
    """
    atoms = _Atoms()
    items = _items(tokens, source, grammar, atoms)
    _check_order(items)
    stands_for = Dot(())
    if any(item.kind == "dot" for item in items):
        stands_for = dot()
    total = _Total(atoms, stands_for, grammar.limits.terms, intercept=stands_for.intercept)
    if any(item.kind == "dot" for item in items):
        total.alone.update(dict.fromkeys(map(atoms.number, stands_for.alone)))
    for sign, addend in _addends(items):
        total.add(sign, addend)
    total.check_removed(items)
    return total.terms()


@dataclass
class _Total:
    """The sum of the addends read so far."""

    atoms: _Atoms
    dot: Dot
    most: int
    intercept: bool
    linear: dict[frozenset[int], tuple[int, ...]] = field(default_factory=dict)
    alone: dict[int, None] = field(default_factory=dict)
    work: int = 0

    def add(self, sign: str, addend: list[Item]) -> None:
        first = addend[0]
        if len(addend) == 1 and first.kind == "number":
            self.intercept = (first.text == "1") == (sign == "+")
            return
        found = [(first.atom,)] if len(addend) == 1 and first.kind == "atom" else self.expanded(addend)
        self.check_alone(sign, addend, found)
        for term in found:
            self.merge(sign, term, first)
        self.work += len(found)
        if len(self.linear) > self.most or self.work > _REPEATS * self.most:
            raise FormulaError(f"Formula has too many terms: the limit is {self.most:,}. Use fewer columns.")

    def merge(self, sign: str, term: tuple[int, ...], first: Item) -> None:
        alone = term[0] if _is_alone(self.atoms.factors[term[0]]) else None
        if alone is None and sign == "+":
            self.linear.setdefault(frozenset(term), term)
        elif alone is None:
            self.linear.pop(frozenset(term), None)
        elif sign == "-":
            del self.alone[alone]
        elif alone in self.alone:
            text = str(self.atoms.factors[alone])
            raise FormulaError(f"{text} stands twice in the formula: position {first.start}. Write it once.")
        else:
            self.alone[alone] = None

    def expanded(self, addend: list[Item]) -> list[tuple[int, ...]]:
        """Terms of an addend with operators; formulaic sees its shape, one letter per factor."""
        if len(addend) == 1:  # a dot
            return [tuple(map(self.atoms.number, term.parts)) for term in self.dot.linear if term.parts]
        letters: dict[int, str] = {}

        def letter(atom: int) -> str:
            return letters.setdefault(atom, chr(FIRST + len(letters)))

        def written(item: Item) -> str:
            if item.kind == "atom":
                return letter(item.atom)
            if item.kind != "dot":
                return item.text
            sums = (
                ":".join(letter(self.atoms.number(part)) for part in term.parts) for term in self.dot.linear
            )
            return f"({'+'.join(text for text in sums if text)})"

        shape = "".join(map(written, addend))
        places = list(letters)
        return [tuple(places[k] for k in term) for term in expand(shape, self.most)]

    def check_alone(self, sign: str, addend: list[Item], found: list[tuple[int, ...]]) -> None:
        factors = self.atoms.factors
        meant = {item.atom for item in addend if item.kind == "atom" and _is_alone(factors[item.atom])}
        if not meant:
            return
        crossed = next((term for term in found if len(term) > 1 and not meant.isdisjoint(term)), None)
        if crossed or any(item.kind == "operator" and item.text not in "+-" for item in addend):
            text = ":".join(str(factors[atom]) for atom in crossed or meant)
            whole = factors[min(meant.intersection(crossed or meant))]
            word = "offset()" if isinstance(whole, Offset) else "nn()"
            raise FormulaError(
                f"{word} cannot take part in an interaction: '{shorten(text)}'. Write `+ {whole}`."
            )
        kept = {term[0] for term in found} if sign == "+" else set(self.alone)
        if sign == "-" and len(addend) == 1 and not self.dot.alone:
            kept = set()
        for atom in meant - kept:
            raise FormulaError(
                f"{factors[atom]} is taken away, not added: position {addend[0].start}. "
                "Leave it out of the formula, or write + before it."
            )

    def check_removed(self, items: list[Item]) -> None:
        """A factor written once, and in no term, was taken from where it never was: a slip of the pen."""
        present = {atom for term in self.linear for atom in term} | set(self.alone)
        present |= {self.atoms.number(part) for term in self.dot.linear for part in term.parts}
        present |= set(map(self.atoms.number, self.dot.alone))
        count = Counter(item.atom for item in items if item.kind == "atom")
        for item in items:
            if item.kind == "atom" and count[item.atom] == 1 and item.atom not in present:
                factor = self.atoms.factors[item.atom]
                if isinstance(factor, Expression) and factor.column in self.dot.columns:
                    continue
                raise FormulaError(
                    f"'{factor}' is taken away and was never there: position {item.start}. Leave it out."
                )

    def terms(self) -> tuple[Term, ...]:
        factors = self.atoms.factors
        linear = [Linear(())] if self.intercept else []
        by_degree = sorted(self.linear.values(), key=len)
        linear += [
            Linear(tuple(part for atom in term if isinstance(part := factors[atom], Expression)))
            for term in by_degree
        ]
        networks = [found for atom in self.alone if isinstance(found := factors[atom], Network)]
        plain = [Linear((part,)) for found in networks if not found.hidden for part in found.inputs]
        linear += [term for term in dict.fromkeys(plain) if term not in linear]
        networks = [found for found in networks if found.hidden]
        offsets = [found for atom in self.alone if isinstance(found := factors[atom], Offset)]
        return (*linear, *named(networks), *offsets)


def _is_alone(factor: Factor) -> bool:
    """Whether a factor stands alone between plus signs."""
    return isinstance(factor, (Offset, Network))


def _items(tokens: list[Token], source: str, grammar: Grammar, atoms: _Atoms) -> list[Item]:
    closing = partners(tokens)
    items: list[Item] = []
    index = depth = 0
    while index < len(tokens):
        token = tokens[index]
        if token.kind in {"word", "quoted"} or token.text == "{":
            end = _atom_end(tokens, index, closing)
            factor = _factor(tokens[index:end], source, grammar)
            items.append(Item("atom", token.text, token.start, atoms.number(factor)))
            index = end
            continue
        if token.kind == "text" or token.text == "[":
            raise FormulaError(
                f"'{shorten(token.text)}' is not a term: position {token.start}. "
                "Write a column name without quotes or brackets."
            )
        if token.kind == "operator" and token.text not in ALGEBRA:
            model = "rglm" if grammar.networks else "glm"
            raise _no_operator(token, depth, tokens, source, model)
        depth += (token.kind == "open") - (token.kind == "close")
        items.append(Item(token.kind, token.text, token.start))
        index += 1
    return items


def _atom_end(tokens: list[Token], index: int, closing: Mapping[int, int]) -> int:
    """Index behind a name and what is applied to it: call, subscript, attribute."""
    if tokens[index].text == "{":
        index = closing[index]
    index += 1
    while index < len(tokens):
        token = tokens[index]
        if token.text in ("(", "["):
            index = closing[index] + 1
        elif token.kind == "word" and token.text.startswith(".") and token.start == tokens[index - 1].end:
            index += 1
        else:
            break
    return index


def _factor(tokens: list[Token], source: str, grammar: Grammar) -> Factor:
    head = tokens[0]
    if len(tokens) > 1 and head.kind == "word":
        check_model(head, tokens, source, grammar)
        whole = partners(tokens).get(1) == len(tokens) - 1
        if head.text == "offset" and whole:
            return _offset(tokens, source, grammar)
        if head.text == "nn" and whole and "nn" not in grammar.functions:
            return _network(tokens, source, grammar)
    return read(tokens, source, grammar)


def _network(tokens: list[Token], source: str, grammar: Grammar) -> Network:
    if not grammar.networks:
        text = shorten(source[tokens[0].start : tokens[-1].end])
        raise FormulaError(
            f"nn() is a term of rglm() alone: '{text}' at position {tokens[0].start}. "
            "Call rglm() instead of glm(), or fit.extend()."
        )
    return read_network(tokens, source, grammar)


def _offset(tokens: list[Token], source: str, grammar: Grammar) -> Offset:
    inside = tokens[2:-1]
    if not inside or len(split_at(inside, ",")) > 1:
        text = shorten(source[tokens[0].start : tokens[-1].end])
        raise FormulaError(f"offset() takes one expression: '{text}'. Write offset(log(t)), for example.")
    return Offset(read(inside, source, grammar))


def check_model(head: Token, tokens: list[Token], source: str, grammar: Grammar) -> None:
    """Refuse a call that is a term of another model."""
    what = OTHER_MODELS.get(head.text)
    if what is None or head.text in grammar.functions:
        return
    text = shorten(source[head.start : tokens[-1].end])
    instead = _INSTEAD.get(what, "Remove it.")
    raise FormulaError(f"glm has no {what}: '{text}' at position {head.start}. {instead}")


def _no_operator(token: Token, depth: int, tokens: list[Token], source: str, model: str) -> FormulaError:
    where = f"position {token.start}"
    if token.text in ("|", "||") and depth:
        return FormulaError(
            f"{model} has no random effects: '{token.text}' in brackets, {where}. Use the group as a factor."
        )
    if token.text in ("|", "||"):
        return FormulaError(
            f"{model} has no part behind '{token.text}': {where}. Put its terms between plus signs."
        )
    if token.text == "=":
        return FormulaError(f"'=' is not an operator: {where}. Write ~ behind the response, == to compare.")
    if token.text in _FOREIGN:
        return FormulaError(f"'{token.text}' is not an operator: {where}. Write the column's name alone.")
    typed = shorten(source[tokens[0].start : tokens[-1].end], 40)
    remedy = f"Put what is computed into I(), as in I({typed})."
    return FormulaError(f"'{token.text}' is not an operator between terms: {where}. {remedy}")


def _check_order(items: list[Item]) -> None:
    """Operands and operators must take turns; numbers are the intercept, or a power."""
    before: Item | None = None
    depth = 0
    for index, item in enumerate(items):
        after = items[index + 1] if index + 1 < len(items) else None
        opens = before is None or before.kind in ("operator", "open")
        if before is not None and before.text in ("^", "**") and item.kind != "number":
            raise FormulaError(
                f"A power must be a whole number: position {item.start}. Write (a + b)^2, or I(x^2)."
            )
        if item.kind == "number":
            _check_number(item, before, after, depth)
        if opens and item.kind == "operator":
            _check_sign(item, before)
        elif opens and item.kind == "close":
            raise FormulaError(f"Nothing stands before ')': position {item.start}. Complete it or remove it.")
        elif not opens and item.kind not in ("operator", "close"):
            raise FormulaError(
                f"An operator is missing before '{shorten(item.text)}': position {item.start}. "
                "Write + or :, or put a name with spaces in backticks."
            )
        depth += (item.kind == "open") - (item.kind == "close")
        before = item
    if before is not None and before.kind == "operator":
        raise FormulaError(f"The formula ends after '{before.text}': position {before.start}. Add a term.")


def _check_sign(item: Item, before: Item | None) -> None:
    if before is not None and before.text == "-" and item.text == "-":
        raise FormulaError(f"Two minus signs follow each other: position {item.start}. Write one sign.")
    plus = item.text == "+" or (item.text == "-" and (before is None or before.text == "+"))
    if not plus or (before is not None and before.kind == "operator" and before.text not in "+-"):
        raise FormulaError(
            f"Nothing stands before '{item.text}': position {item.start}. Add a term or remove it."
        )


def _check_number(item: Item, before: Item | None, after: Item | None, depth: int) -> None:
    if before is not None and before.text in ("^", "**"):
        whole = item.text.rstrip("L")
        if (
            whole.isdecimal()
            and len(whole) < 10
            and int(whole)
            and not (after is not None and after.text in ("^", "**"))
        ):
            return
        raise FormulaError(
            f"A power must be one whole number from 1 on: position {item.start}. Write (a + b)^2."
        )
    signs = all(beside is None or beside.text in ("+", "-", "(", ")") for beside in (before, after))
    if item.text not in ("0", "1") or not signs:
        raise FormulaError(
            f"Number {shorten(item.text)} cannot be a term: position {item.start}. "
            "0 and 1 stand alone, for the intercept; put arithmetic into I()."
        )
    if depth:
        raise FormulaError(
            f"{item.text} inside brackets: position {item.start}. Put the intercept outside of them."
        )


def _addends(items: list[Item]) -> list[tuple[str, list[Item]]]:
    """Sign and items of each addend outside all brackets."""
    found: list[tuple[str, list[Item]]] = []
    sign, depth, current = "+", 0, []
    for item in items:
        depth += (item.kind == "open") - (item.kind == "close")
        if depth == 0 and item.kind == "operator" and item.text in "+-":
            if current:
                found.append((sign, current))
                sign, current = item.text, []
            elif item.text == "-":
                sign = "-"
        else:
            current.append(item)
    return [*found, (sign, current)]
