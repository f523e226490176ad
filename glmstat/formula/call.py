"""A callable of the formula language: its signature, its value, and how it learns from the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from glmstat.errors import FormulaError, near, one_of
from glmstat.formula.value import JSON, Value

__all__ = ["Function", "Gathered", "Learner", "Signature"]


@dataclass(frozen=True)
class Signature:
    """The arguments a function takes.

    Parameters
    ----------
    name : the function's name, for messages.
    parameters : names in order; of a variadic function, the one name its values go by.
    required : how many of them must be given.
    variadic : any number of positional values, no options.
    """

    name: str
    parameters: tuple[str, ...] = ("x",)
    required: int = 1
    variadic: bool = False

    def bind(self, values: tuple[Value, ...], options: Mapping[str, Value]) -> dict[str, Value]:
        """Return argument by parameter name; dots and capitals in an option's name do not matter.

        Raises
        ------
        FormulaError : too many, unknown, doubled or missing arguments.
        """
        if self.variadic:
            self._require(len(values) >= self.required and not options, "takes values only, at least one")
            return {self.parameters[0]: values}
        if len(values) > len(self.parameters):
            raise FormulaError(
                f"{self.name}() takes at most {len(self.parameters)} arguments: {len(values)} given. "
                f"They are {one_of(self.parameters)}."
            )
        named = dict(zip(self.parameters, values, strict=False))
        for option, value in options.items():
            word = option.replace(".", "_").lower()
            if word not in self.parameters:
                known = f"its arguments are {one_of(self.parameters)}.{near(word, self.parameters)}"
                raise FormulaError(f"{self.name}() has no argument '{option}': {known}")
            self._require(word not in named, f"got '{option}' twice")
            named[word] = value
        for word in self.parameters[: self.required]:
            self._require(word in named, f"needs its argument '{word}'")
        return named

    def _require(self, condition: bool, problem: str) -> None:
        if not condition:
            shown = "…" if self.variadic else one_of(self.parameters)
            raise FormulaError(f"{self.name}() {problem}: write {self.name}({shown}).")


@dataclass(frozen=True, eq=False)
class Gathered:
    """What blocks have taught a call so far: its total, its settings, the text of its data argument."""

    total: Any
    settings: Mapping[str, Value]
    text: str

    def __add__(self, other: Gathered) -> Gathered:
        """Return what both teach; the settings are the same by construction."""
        return Gathered(self.total + other.total, self.settings, self.text)


@dataclass(frozen=True)
class Learner:
    """How a function learns: sums over blocks, then a state that is plain JSON.

    Parameters
    ----------
    signature : the call's arguments; the data argument is "x".
    summarise : (data argument, text) -> an addend.
    conclude : (total, text, **settings) -> state.
    """

    signature: Signature
    summarise: Callable[[Value, str], Any]
    conclude: Callable[..., JSON]

    def gather(self, *values: Value, text: str = "its argument", **options: Value) -> Gathered:
        """Return what one block teaches; `values` and `options` are the call's evaluated arguments."""
        settings = self.signature.bind(values, options)
        return Gathered(self.summarise(settings.pop("x"), text), settings, text)

    def finish(self, gathered: Gathered) -> JSON:
        """Return the state: plain JSON, all that `apply` needs beside its data argument."""
        return self.conclude(gathered.total, gathered.text, **gathered.settings)


@dataclass(frozen=True)
class Function:
    """A function of the formula language.

    Parameters
    ----------
    signature : what it takes.
    body : value of a call: ``body(text=..., **arguments)``, or ``body(x, state, text)`` if it has a learner.
    learner : None unless the function is stateful.
    """

    signature: Signature
    body: Callable[..., Value]
    learner: Learner | None = None

    @property
    def name(self) -> str:
        """Name by which formulas call it."""
        return self.signature.name

    def apply(
        self, *values: Value, state: JSON | None = None, text: str = "its argument", **options: Value
    ) -> Value:
        """Return the value of a call.

        Parameters
        ----------
        values, options : evaluated arguments as written.
        state : what the learner's `finish` gave; only for stateful functions.
        text : the first argument as written, for messages.

        Raises
        ------
        FormulaError : arguments that do not fit, or a stateful function without its state.
        DataError : data that the function cannot take.
        """
        named = self.signature.bind(values, options)
        if self.learner is None:
            return self.body(text=text, **named)
        if state is None:
            raise FormulaError(
                f"{self.name}() learns from the data and cannot be used here: '{text}' has not been seen. "
                "Compute the column first."
            )
        return self.body(named["x"], state, text)
