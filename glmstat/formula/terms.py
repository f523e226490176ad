"""The terms of a formula: frozen, hashable, without data; each one's text reads back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from glmstat.formula.node import Expression

__all__ = ["Formula", "Linear", "Offset", "Response", "Term", "render"]


@dataclass(frozen=True)
class Linear:
    """Columns with coefficients: the product of its parts.

    Parameters
    ----------
    parts : expressions; () is the intercept, (a, b) is a:b.
    """

    parts: tuple[Expression, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Columns, or entries of the context, that it uses."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.names))

    def __str__(self) -> str:
        return ":".join(part.text for part in self.parts) or "1"


@dataclass(frozen=True)
class Offset:
    """A value added to the predictor, with coefficient 1."""

    expression: Expression

    @property
    def names(self) -> tuple[str, ...]:
        """Columns, or entries of the context, that it uses."""
        return self.expression.names

    def __str__(self) -> str:
        return f"offset({self.expression.text})"


Term = Linear | Offset


@dataclass(frozen=True)
class Response:
    """The left side.

    Parameters
    ----------
    expressions : one, or successes and failures.
    kind : "single", or "counts" for ``cbind(successes, failures)``.
    """

    expressions: tuple[Expression, ...]
    kind: Literal["single", "counts"] = "single"

    @property
    def names(self) -> tuple[str, ...]:
        """Columns, or entries of the context, that it uses."""
        return tuple(dict.fromkeys(name for expression in self.expressions for name in expression.names))

    @property
    def text(self) -> str:
        """The left side as a formula writes it."""
        inside = ", ".join(expression.text for expression in self.expressions)
        return f"cbind({inside})" if self.kind == "counts" else inside

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Formula:
    """A formula, read.

    Parameters
    ----------
    text : reads back to the same formula without data ('.' is written out).
    response : the left side, or None.
    terms : the intercept first, then linear terms by degree and as written, then offsets.
    """

    text: str
    response: Response | None
    terms: tuple[Term, ...]

    @property
    def linear(self) -> tuple[Linear, ...]:
        """Terms with coefficients."""
        return tuple(term for term in self.terms if isinstance(term, Linear))

    @property
    def offsets(self) -> tuple[Offset, ...]:
        """Offsets, in the order written; they are added up."""
        return tuple(term for term in self.terms if isinstance(term, Offset))

    @property
    def intercept(self) -> bool:
        """Whether there is an intercept."""
        return bool(self.terms) and self.terms[0] == Linear(())

    @property
    def names(self) -> tuple[str, ...]:
        """Columns, or entries of the context, that any part uses, response first."""
        sides = (*((self.response,) if self.response else ()), *self.terms)
        return tuple(dict.fromkeys(name for side in sides for name in side.names))

    def __str__(self) -> str:
        return self.text


def render(response: Response | None, terms: tuple[Term, ...]) -> str:
    """Text of a formula from its parts.

    >>> from glmstat.formula.parse import parse
    >>> formula = parse("y ~ a*b - 1 + offset(t)")
    >>> render(formula.response, formula.terms)
    'y ~ 0 + a + b + a:b + offset(t)'
    """
    shown = [str(term) for term in terms if term != Linear(())]
    if len(shown) == len(terms):
        shown.insert(0, "0")
    return f"{response or ''} ~ {' + '.join(shown) or '1'}".lstrip()
