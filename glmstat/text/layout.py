"""Lines of at most 80 columns, and the same as HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from textwrap import wrap

from glmstat.text.letters import in_ascii, printable

__all__ = ["PAD", "RIGHT", "WIDTH", "Spell", "count", "html_lines", "plain_letters", "row", "wrapped"]

WIDTH = 80
PAD = "padding:.1em .6em"
RIGHT = f"text-align:right;{PAD}"

Spell = Callable[[str], str]


def wrapped(text: str, spell: Spell = str) -> list[str]:
    """Return lines of at most 80 columns, broken between facts if possible, else between words.

    Parameters
    ----------
    text : facts with " · " between them.
    spell : what replaces letters, before the lines are laid out.

    >>> wrapped("a fact · another")
    ['a fact · another']
    """
    whole = spell(text)
    if len(whole) <= WIDTH:
        return [whole]
    lines: list[str] = []
    for fact in map(spell, text.split(" · ")):
        if lines and len(lines[-1]) + 3 + len(fact) <= WIDTH:
            lines[-1] += f"{spell(' · ')}{fact}"
        else:
            lines.append(fact)
    return [
        piece for line in lines for piece in wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    ]


def row(name: str, texts: Sequence[str], widths: Sequence[int], margin: int) -> str:
    """Return one line of a table: the name, then each text at the right of its column."""
    return "  ".join([name.ljust(margin), *map(str.rjust, texts, widths)]).rstrip()


def count(number: int, word: str) -> str:
    """Return a number with its word in singular or plural.

    >>> count(1, "row"), count(2500, "row")
    ('1 row', '2,500 rows')
    """
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def plain_letters(text: str) -> str:
    """Return the text in ASCII, without what would move the cursor."""
    return in_ascii(printable(text))


def html_lines(lines: Iterable[str]) -> str:
    """Return lines as HTML."""
    return "".join(f'<div style="white-space:pre-wrap">{escape(line)}</div>' for line in lines)
