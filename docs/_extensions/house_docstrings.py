"""Turns the docstrings of this package into what numpydoc reads.

Ours are written to be read in the source: `name : what it is` on one line, source and example at the end
without a heading. numpydoc wants the description below the name, and a heading above each part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

HEADING = re.compile(r"^-{3,}$")
ENTRY = re.compile(r"^(\S[^:]*?) : (.*)$")
LISTS = {"Parameters", "Attributes", "Raises"}


def sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield (title, body) of every section; the first has no title."""
    title, body = "", []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if HEADING.match(following):
            yield title, body
            title, body = line, []
        elif not HEADING.match(line):
            body.append(line)
    yield title, body


def split_tail(body: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Part a section from the source and from the example behind it."""
    example = next((i for i, line in enumerate(body) if line.startswith(">>>")), len(body))
    source = next((i for i, line in enumerate(body[:example]) if line.startswith("Source: ")), example)
    return body[:source], body[source:example], body[example:]


def below(entries: list[str]) -> Iterator[str]:
    for line in entries:
        found = ENTRY.match(line)
        yield from (found[1], f"    {found[2]}") if found else (line,)


def rewritten(lines: list[str]) -> Iterator[str]:
    for title, whole in sections(lines):
        body, source, example = split_tail(whole)
        yield from (title, "-" * len(title)) if title else ()
        if title in LISTS:
            yield from below(body)
        elif title == "Returns":
            yield from (" ".join(filter(None, map(str.strip, body))), "")
        else:
            yield from body
        yield from ("", "Notes", "-----", *source) if source else ()
        yield from ("", "Examples", "--------", *example) if example else ()


def bars_escaped(line: str) -> str:
    """Keep |x| an absolute value: reStructuredText reads it as a substitution."""
    return line if line.startswith(">>>") else line.replace("|", r"\|")


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if name.startswith("glmstat"):
        lines[:] = [bars_escaped(line) for line in rewritten(lines)]


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True}
