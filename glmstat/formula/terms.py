"""The terms of a formula: frozen, hashable, without data; each one's text reads back to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from glmstat.formula.node import Expression

__all__ = ["Absorb", "Formula", "Linear", "Network", "Offset", "Response", "Term", "render"]


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


HIDDEN, ACTIVATION = (32, 16), "tanh"  # of a network that says nothing of them


@dataclass(frozen=True)
class Network:
    """A learned function of its inputs, added to the predictor: hidden layers under a linear output.

    Parameters
    ----------
    inputs : expressions.
    hidden : widths of the hidden layers, from the inputs on; () is a linear term.
    activation : name of each layer's activation, an inverse link.
    skip : whether the inputs enter linearly besides.
    prior : precision of the normal prior of its weights; None leaves it to the call.
    name : what its features are called by: "nn1".
    embed : input and dimension of each factor that is embedded.
    """

    inputs: tuple[Expression, ...]
    hidden: tuple[int, ...]
    activation: tuple[str, ...]
    skip: bool = True
    prior: float | None = None
    name: str = field(default="", compare=False)
    embed: tuple[tuple[str, int], ...] = ()

    @property
    def parts(self) -> tuple[Expression, ...]:
        """Its inputs."""
        return self.inputs

    @property
    def names(self) -> tuple[str, ...]:
        """Columns, or entries of the context, that it uses."""
        return tuple(dict.fromkeys(name for part in self.inputs for name in part.names))

    def __str__(self) -> str:
        same = len(set(self.activation)) == 1
        words = [] if self.hidden == HIDDEN else [f"hidden={self.hidden}"]
        if set(self.activation) != {ACTIVATION}:
            words += [f"activation={self.activation[0]!r}" if same else f"activation={self.activation}"]
        words += [] if self.skip else ["skip=False"]
        words += [] if self.prior is None else [f"prior={self.prior:g}"]
        words += [] if re.fullmatch(r"(nn\d+)?", self.name) else [f"name={self.name!r}"]
        words += [f"embed={dict(self.embed)}"] if self.embed else []
        return f"nn({', '.join((*(part.text for part in self.inputs), *words))})"


@dataclass(frozen=True)
class Absorb:
    """An effect for each level of a factor, kept out of the table of coefficients: an addend behind `|`.

    Parameters
    ----------
    parts : expressions whose values are levels, numbers too; of several parts each combination is a level.
    """

    parts: tuple[Expression, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Columns, or entries of the context, that it uses."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.names))

    def __str__(self) -> str:
        return ":".join(part.text for part in self.parts)


Term = Linear | Offset | Network | Absorb


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
    terms : the intercept first, then linear terms by degree and as written, then networks, then offsets,
        then absorbed effects; where there are any, these hold the intercept.
    """

    text: str
    response: Response | None
    terms: tuple[Term, ...]

    @cached_property
    def linear(self) -> tuple[Linear, ...]:
        """Terms with coefficients."""
        return tuple(term for term in self.terms if isinstance(term, Linear))

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """Terms that are learned."""
        return tuple(term for term in self.terms if isinstance(term, Network))

    @cached_property
    def skips(self) -> tuple[Linear, ...]:
        """Linear terms of the inputs of networks that are not written, in the order of the networks."""
        written, networks = self.linear, self.networks
        wanted = (Linear((part,)) for network in networks if network.skip for part in network.inputs)
        return tuple(term for term in dict.fromkeys(wanted) if term not in written)

    @cached_property
    def parts(self) -> dict[str, Expression]:
        """The parts of all terms with columns, by text."""
        terms = (*self.linear, *self.networks)
        return {part.text: part for term in terms for part in term.parts}

    @cached_property
    def offsets(self) -> tuple[Offset, ...]:
        """Offsets, in the order written; they are added up."""
        return tuple(term for term in self.terms if isinstance(term, Offset))

    @cached_property
    def absorbed(self) -> tuple[Absorb, ...]:
        """Effects behind `|`, in the order written."""
        return tuple(term for term in self.terms if isinstance(term, Absorb))

    @cached_property
    def levels(self) -> dict[str, Expression]:
        """The parts of absorbed effects, by text."""
        return {part.text: part for term in self.absorbed for part in term.parts}

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
    behind = " + ".join(str(term) for term in terms if isinstance(term, Absorb))
    before = [term for term in terms if not isinstance(term, Absorb)]
    shown = [str(term) for term in before if term != Linear(())]
    if len(shown) == len(before) and not behind:
        shown.insert(0, "0")
    text = f"{response or ''} ~ {' + '.join(shown) or '1'}".lstrip()
    return f"{text} | {behind}" if behind else text
