"""One addend of a right side, such as ``(a + b)^2`` or ``a/b``, as products of its operands.

formulaic's parser gives the tree (precedence, grouping); the sets of terms are made here, so that their
number is known, and capped, before they exist. Its operators mean what they mean in R.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import Any

from glmstat.errors import FormulaError

__all__ = ["FIRST", "expand"]

FIRST = 0x4E00  # operands are written as single letters from here on: the tokenizer's cost is per character
_WORK = 75  # factors written into products, per term that the limit allows
# a term by the bits of its operands; the operands in the order written
Terms = dict[int, tuple[int, ...]]


@lru_cache(maxsize=512)
def expand(shape: str, most: int) -> tuple[tuple[int, ...], ...]:
    """Terms of an addend; operand k is the letter ``chr(FIRST + k)``.

    Parameters
    ----------
    shape : operands, brackets, whole powers and + - * / : ^ %in%.
    most : number of terms allowed.

    Returns
    -------
    Operands of each term, in the order in which they first appear.

    Raises
    ------
    FormulaError : more terms than allowed.

    >>> a, b = chr(FIRST), chr(FIRST + 1)
    >>> expand(f"({a}+{b})^2", 2000)
    ((0,), (1,), (0, 1))
    """
    return tuple(_Expansion(most).terms(_parser().get_ast(shape)).values())


@lru_cache(maxsize=1)
def _parser() -> Any:
    from formulaic.parser import DefaultFormulaParser  # 0.5 s: only when a formula has interactions

    parser = DefaultFormulaParser(include_intercept=False)
    for operator in parser.operator_resolver.operator_table["in"]:
        operator.precedence = 250  # R: %in% binds tighter than * and /, looser than :
    return parser


class _Expansion:
    """Evaluates a tree bottom-up, counting the factors it writes into products."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.work = 0

    def terms(self, root: Any) -> Terms:
        """Terms of a tree; a stack of its own, since a sum of 2,000 operands is a tree 2,000 deep."""
        waiting: list[tuple[Any, bool]] = [(root, False)]
        done: list[Any] = []
        while waiting:
            node, ready = waiting.pop()
            if not hasattr(node, "operator"):
                done.append(self.operand(node.token))
            elif ready:
                count = len(node.args)
                arguments = done[-count:]
                done[-count:] = [self.apply(node.operator.symbol, arguments)]
            else:
                waiting.append((node, True))
                waiting.extend((argument, False) for argument in reversed(node.args))
        return done[0]

    def operand(self, token: str) -> Any:
        if token.isdecimal():
            return int(token)
        place = ord(token) - FIRST
        return {1 << place: (place,)}

    def apply(self, symbol: str, arguments: list[Any]) -> Terms:
        if len(arguments) == 1:
            return arguments[0]
        left, right = arguments
        if symbol == "+":
            found = left | right if len(right) > len(left) else _append(left, right)
        elif symbol == "-":
            found = _without(left, right)
        elif symbol in ("^", "**"):
            found = self.power(left, right)
        elif symbol == "*":
            found = left | right | self.products(left, right)
        elif symbol == ":":
            found = self.products(left, right)
        elif symbol == "/":
            found = left | self.products(self.together(left), right)
        else:
            found = self.products(left, self.together(right))
        if len(found) > self.most:
            raise self.too_many()
        return found

    def products(self, left: Terms, right: Terms) -> Terms:
        self.spend(_size(left) * len(right) + len(left) * _size(right))
        found: Terms = {}
        for key, term in left.items():
            for other, factors in right.items():
                if key | other not in found:
                    found[key | other] = term + tuple(factor for factor in factors if factor not in term)
        return found

    def power(self, terms: Terms, exponent: int) -> Terms:
        found, newest = dict(terms), terms
        for _ in range(exponent - 1):
            newest = {key: term for key, term in self.products(newest, terms).items() if key not in found}
            if not newest:
                break
            found |= newest
            if len(found) > self.most:
                raise self.too_many()
        return found

    def together(self, terms: Terms) -> Terms:
        """The one term that has every operand of all of them."""
        self.spend(_size(terms))
        key = reduce(lambda all_, one: all_ | one, terms, 0)
        return {key: tuple(dict.fromkeys(factor for term in terms.values() for factor in term))}

    def spend(self, work: int) -> None:
        self.work += work
        if self.work > _WORK * self.most:
            raise self.too_many()

    def too_many(self) -> FormulaError:
        return FormulaError(
            f"Formula is too large when expanded: the limit is {self.most:,} terms. "
            "Write fewer variables inside powers and products."
        )


def _size(terms: Terms) -> int:
    return sum(map(len, terms.values()))


def _append(left: Terms, right: Terms) -> Terms:
    """Terms of both, without copying the longer left one."""
    for key, term in right.items():
        left.setdefault(key, term)
    return left


def _without(left: Terms, right: Terms) -> Terms:
    for key in right:
        left.pop(key, None)
    return left
