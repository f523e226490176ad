"""Every code block of README.md and docs/ runs, and prints what the page says it prints.

The blocks of a page share their names and run from top to bottom in an empty folder:

- `python`: what it prints equals the `text` block right after it;
- `python approx`: the same words, and numbers that are near: those of trained networks are not the same bits
  on every processor;
- `pycon`: a session as doctest reads it, errors included;
- `console` and `sh`: each `glmstat …` command runs in this process; its output equals the lines below it
  in a `console` block, or the `text` block after a `sh` block.
"""

import contextlib
import doctest
import io
import re
import shlex
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from glmstat.report.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|/|\s)glmstat (?P<arguments>(?:fit|datasets|--).*)$")


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    line: int
    expected: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = [(m.group(1), m.group(2), text.count("\n", 0, m.start()) + 2, m) for m in FENCE.finditer(text)]
    return [
        Block(language, code, line, output_after(text, match, after))
        for (language, code, line, match), after in zip_longest(found, found[1:])
        if language != "text"
    ]


def output_after(text: str, match: re.Match[str], after: Any) -> str | None:
    """Return the `text` block that stands right after a block, with nothing but blank lines between."""
    if after is None or after[0] != "text" or text[match.end() : after[3].start()].strip():
        return None
    return after[1]


class Terminal(io.StringIO):
    encoding = "utf-8"


def captured(action: Any) -> str:
    with contextlib.redirect_stdout(Terminal()) as out:
        action()
    return out.getvalue()


def plain(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def run_python(block: Block, names: dict[str, Any], page: Path) -> None:
    code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
    printed = captured(lambda: exec(code, names))
    assert plain(printed) == plain(block.expected or "")


def run_approximately(block: Block, names: dict[str, Any], page: Path) -> None:
    code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
    printed = captured(lambda: exec(code, names)).split()
    expected = (block.expected or "").split()
    apart = [(one, other) for one, other in zip_longest(printed, expected) if not near(one, other)]
    assert not apart, f"{apart}\n{' '.join(printed)}"


NUMBER = re.compile(r"-?[\d,]*\.?\d+(?:e-?\d+)?")


def near(one: str | None, other: str | None) -> bool:
    """Whether two words are equal but for numbers, and these within a quarter of each other or both small."""
    if one is None or other is None or NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(_near(*(float(text.replace(",", "")) for text in pair)) for pair in pairs)


def _near(one: float, other: float) -> bool:
    size = max(abs(one), abs(other))
    return abs(one - other) <= 0.25 * size + 0.02


def run_session(block: Block, names: dict[str, Any], page: Path) -> None:
    test = doctest.DocTestParser().get_doctest(block.code, {}, page.name, str(page), block.line - 1)
    test.globs = names
    report = io.StringIO()
    doctest.DocTestRunner(verbose=False).run(test, out=report.write, clear_globs=False)
    assert report.getvalue() == ""


def run_commands(block: Block, names: dict[str, Any], page: Path) -> None:
    sections = [block.code + (block.expected or "")] if block.language == "sh" else block.code.split("\n$ ")
    for section in sections:
        head, _, rest = section.removeprefix("$ ").replace("\\\n", " ").partition("\n")
        if found := COMMAND.search(head):
            arguments = shlex.split(found["arguments"])
            assert plain(captured(lambda arguments=arguments: run_main(arguments))) == plain(rest)


def run_main(arguments: list[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(arguments)


RUN = {
    "python": run_python,
    "python approx": run_approximately,
    "pycon": run_session,
    "console": run_commands,
    "sh": run_commands,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language in RUN:
            RUN[block.language](block, names, page)


def test_readme_shows_what_its_command_prints():
    first = next(block for block in blocks(ROOT / "README.md") if block.language == "sh")
    assert COMMAND.search(first.code.strip())
    assert first.expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_have_a_language(page: Path):
    assert [block.line for block in blocks(page) if not block.language] == []
