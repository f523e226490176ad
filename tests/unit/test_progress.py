"""The bar of long loops."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator

import pytest

from glmstat import progress
from glmstat.errors import ArgumentError
from glmstat.progress import track


class Terminal(io.StringIO):
    """Standard error that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_nothing_is_printed_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    assert list(track(range(5), 5, "rows")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr() == ("", "")


def test_bar_on_request(capsys: pytest.CaptureFixture[str]):
    assert list(track(iter("abc"), 3, "refits", show=True)) == ["a", "b", "c"]
    out, err = capsys.readouterr()
    assert out == ""
    assert "refits" in err
    assert "/3" in err


@pytest.mark.parametrize("show", [None, False])
def test_short_loops_on_a_terminal_print_nothing(monkeypatch: pytest.MonkeyPatch, show: bool | None):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert len(list(track(range(100), 100, "rows", show=show))) == 100
    assert screen.getvalue() == ""


def test_long_loops_on_a_terminal_print(monkeypatch: pytest.MonkeyPatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE", 1e-9)
    for _ in track(range(3), 3, "rows"):
        time.sleep(0.12)  # bars are drawn ten times a second
    assert "rows" in screen.getvalue()


def test_an_error_inside_the_loop_passes_through():
    def broken() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(track(broken(), 2, "rows", show=True))


@pytest.mark.parametrize("show", ["x", 1, 0, "True"])
def test_other_answers_are_refused_before_the_loop(show: object):
    with pytest.raises(ArgumentError, match="progress must be True, False or None"):
        track(range(3), 3, "rows", show=show)  # pyright: ignore[reportArgumentType]
