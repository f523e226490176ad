"""Letters that a reader's terminal can show."""

from __future__ import annotations

__all__ = ["in_ascii", "printable", "shows"]

_ASCII = str.maketrans({"·": "-", "→": "->", "…": "...", "²": "2", "–": "-", "−": "-", "�": "?"})


def printable(text: str) -> str:
    """Return the text with a mark in the place of letters that would move the cursor."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def in_ascii(text: str) -> str:
    r"""Return the text in ASCII: dots and arrows by their likes, other letters by their numbers.

    >>> in_ascii("x → ∞ · 3 rows")
    'x -> \\u221e - 3 rows'
    """
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def shows(stream: object, text: str) -> bool:
    """Return whether a stream can encode the text."""
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
