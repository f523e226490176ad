"""Names in a hypothesis: what a fit calls its coefficients and terms, and where they stand in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations
from math import pi
from typing import TYPE_CHECKING, NamedTuple

from glmstat.errors import ArgumentError, near, one_of
from glmstat.formula.tokens import shorten
from glmstat.inference.hypothesis.combination import FUNCTIONS

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["CONSTANTS", "SHOWN", "Names", "Token", "names_of", "scan"]

SHOWN = 12  # coefficients that a message lists
CONSTANTS = {"pi": pi}
_DEEPEST = 50  # brackets inside brackets, as in a formula
_PARTS = 4  # a term of more parts is known in its own order only
_WORD = re.compile(r"[^\W\d][\w.]*")
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_SIGN = re.compile(r"\*\*|==|[-+*/^(),;=\n\u2212]")
_REFUSED = {
    "<": "Hypotheses are equalities: write '='",
    ">": "Hypotheses are equalities: write '='",
    "!": "Hypotheses are equalities: write '='",
    "~": "Name coefficients, or a term",
    ":": "Name coefficients as the table of the fit does",
    "[": "Name coefficients as the table of the fit does",
}


class Token(NamedTuple):
    """A piece of a text: a number, a coefficient, a term, a function, or a sign; where it stands."""

    kind: str
    text: str
    start: int
    slots: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """Position after it."""
        return self.start + len(self.text)


@dataclass(frozen=True)
class Names:
    """What a text may name.

    Parameters
    ----------
    columns : the coefficients, in order.
    spellings : any other spelling of a coefficient → its slot.
    terms : spelling of a term → the slots of its coefficients.
    """

    columns: tuple[str, ...]
    spellings: Mapping[str, int] = field(default_factory=dict)
    terms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def known(self) -> dict[str, tuple[int, ...]]:
        """Every spelling → slots; coefficients win over terms."""
        found = dict(self.terms)
        found.update({name: (slot,) for name, slot in self.spellings.items()})
        found.update({name: (slot,) for slot, name in enumerate(self.columns)})
        return found

    @cached_property
    def coefficients(self) -> frozenset[str]:
        """Spellings that stand for one coefficient and not for a term."""
        return frozenset((*self.columns, *self.spellings))

    @cached_property
    def candidates(self) -> Mapping[str, list[tuple[str, str]]]:
        """Spellings by first letter, longest first, each with itself without blanks."""
        found: dict[str, list[tuple[str, str]]] = {}
        for name in sorted(self.known, key=len, reverse=True):
            found.setdefault(name[0], []).append((_squeezed(name), name))
        return found

    def at(self, text: str, start: int) -> Token | None:
        """Return the longest name that begins at a position of a text."""
        candidates = self.candidates.get(text[start])
        if candidates is None:
            return None
        rest = _squeezed(text[start:])
        for squeezed, name in candidates:
            match = re.compile(_pattern(name)).match(text, start) if rest.startswith(squeezed) else None
            if match:
                return self._token(name, match.group(), start)
        return None

    def quoted(self, text: str, start: int) -> Token:
        """Return the name in backticks at a position of a text."""
        end = text.find("`", start + 1)
        inside = text[start + 1 : end] if end > 0 else ""
        if inside not in self.known:
            raise self.unknown(inside or text[start:])
        return self._token(inside, text[start : end + 1], start)

    def unknown(self, name: str) -> ArgumentError:
        """Return the error for a name that is no coefficient."""
        listed = one_of(self.columns[:SHOWN]) + (", …" if len(self.columns) > SHOWN else "")
        return ArgumentError(
            f"No coefficient '{shorten(name)}' in the fit: coefficients are {listed}.{near(name, self.known)}"
        )

    def _token(self, name: str, text: str, start: int) -> Token:
        kind = "coefficient" if name in self.coefficients else "term"
        return Token(kind, text, start, self.known[name])


def names_of(fit: Fit) -> Names:
    """Return what a hypothesis about a fit may name: coefficients, and terms by any order of their parts."""
    spellings: dict[str, int] = {}
    terms: dict[str, tuple[int, ...]] = {}
    for predictor in fit.spec.design.predictors:
        for piece in predictor.pieces:
            slots = tuple(int(slot) for slot in predictor.slots[piece.slots])
            parts = piece.term.parts
            before = f"{predictor.name}:" if predictor.name in fit.spec.design.others else ""
            orders = permutations(parts) if len(parts) <= _PARTS else (parts,)
            for order in orders:
                terms.setdefault(before + ":".join(part.text for part in order), slots)
                terms.setdefault(before + ":".join(part.label for part in order), slots)
            for name, slot in zip(piece.columns, slots, strict=True):
                spelled = name
                for part in parts:
                    label = re.escape(part.label)
                    spelled = re.sub(rf"(^|:){label}(?=\[|:|$)", lambda m, p=part: m[1] + p.text, spelled)
                spellings.setdefault(spelled, slot)
    for predictor in ("", *(f"{name}:" for name in fit.spec.design.others)):
        terms.pop(predictor, None)  # the intercept
    return Names(fit.columns, spellings, terms)


def scan(text: str, names: Names) -> Iterator[Token]:
    """Yield the tokens of a text; a line end inside brackets is a blank."""
    position = depth = 0
    while position < len(text):
        letter = text[position]
        if letter.isspace() and (letter != "\n" or depth):
            position += 1
            continue
        token = names.at(text, position) or _other(text, position, names)
        depth += (token.text == "(") - (token.text == ")")
        if not 0 <= depth <= _DEEPEST:
            why = "closes nothing" if depth < 0 else "is nested too deep"
            raise ArgumentError(f"'{token.text}' {why}: position {position} of '{shorten(text)}'. Remove it.")
        yield token
        position = token.end
    if depth:
        raise ArgumentError(f"'(' is not closed: '{shorten(text)}'. Add ')'.")


def _other(text: str, start: int, names: Names) -> Token:
    """A token that no coefficient's name begins."""
    if text[start] == "`":
        return names.quoted(text, start)
    number, sign, word = (pattern.match(text, start) for pattern in (_NUMBER, _SIGN, _WORD))
    if number:
        return Token("number", number.group(), start)
    if sign:
        return Token("sign", sign.group(), start)
    if word:
        name, called = word.group(), text[word.end() :].lstrip().startswith("(")
        if called and name in FUNCTIONS:
            return Token("function", name, start)
        if name in CONSTANTS and not called:
            return Token("number", name, start)
        raise names.unknown(_whole_name(text, start))
    letter = text[start]
    if letter.isdigit():
        raise names.unknown(_whole_name(text, start))
    what = _REFUSED.get(letter, "Put a name that has it in backticks")
    raise ArgumentError(
        f"'{letter}' is not part of a hypothesis: position {start} of '{shorten(text)}'. {what}."
    )


def _whole_name(text: str, start: int) -> str:
    """What a reader meant as one name: up to the next operator outside brackets."""
    depth = 0
    for place in range(start, len(text)):
        letter = text[place]
        depth += (letter in "([") - (letter in ")]")
        if depth < 0 or (depth == 0 and letter in "+-*/^=,;\n<> \u2212"):
            return text[start:place]
    return text[start:]


def _squeezed(text: str) -> str:
    """A text without blanks, `**` as `^`: what a name and its spelling in a hypothesis have in common."""
    return "".join(text.split()).replace("**", "^")


def _pattern(name: str) -> str:
    """A pattern of a name: blanks are free beside a colon and inside brackets, `^` is `**`."""
    out, depth, end = [], 0, len(name)
    for piece in re.finditer(r"\w+|\s+|\*\*|[^\w\s]", name):
        text = piece.group()
        depth -= text in ")]"
        free = depth > 0 or text == ":"
        if text.isspace():
            out.append(r"\s*" if depth > 0 and not _between_words(name, piece) else re.escape(text))
        elif free or (text in ")]" and depth == 0):
            out.append(r"\s*" + (r"(?:\*\*|\^)" if text == "**" else re.escape(text)))
            out.append(r"\s*" if text == ":" else "")
        else:
            out.append(re.escape(text))
        depth += text in "(["
    after = r"(?![\w.])" if re.match(r"[\w.]", name[end - 1]) else ""
    return "".join(out) + after + r"(?!\s*[:\[(])"


def _between_words(name: str, blank: re.Match[str]) -> bool:
    before, after = name[blank.start() - 1 : blank.start()], name[blank.end() : blank.end() + 1]
    return bool(re.fullmatch(r"\w\w", before + after))
