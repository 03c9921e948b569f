"""Progress: a line each ten seconds where it is piped, one bar on a terminal, nothing of it on standard output."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import pytest

from landing import progress
from landing.progress import Progress, say, span, tracked, words_aside


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    screen = Terminal()
    monkeypatch.setattr(progress, "error_stream", lambda: screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    return screen


def shown(screen: str) -> str:
    """The last line as it stands on the screen, and what was printed before it."""
    return "\n".join(line.rpartition("\r\x1b[2K")[2] for line in screen.split("\n"))


def test_a_pipe_gets_a_line_each_ten_seconds_with_the_time_left(capsys) -> None:
    clock = Clock()
    with Progress("checking", 100, clock=clock) as work:
        for _ in range(50):
            clock.now_s += 1.0
            work.step()
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines() == [
        "checking: 10/100, 90 s left".replace("90 s", "2 min"),
        "checking: 20/100, 80 s left",
        "checking: 30/100, 70 s left",
        "checking: 40/100, 60 s left",
        "checking: 50/100, 50 s left",
    ]


def test_short_work_says_nothing(capsys) -> None:
    assert list(tracked("verify", "abc", 3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_work_that_goes_on_counts_from_where_it_was(capsys) -> None:
    clock = Clock()
    with Progress("campaign", 100, done=80, clock=clock) as work:
        clock.now_s = 10.0
        work.step(10, "scene 9: landed")
    assert capsys.readouterr().err == "campaign: 90/100, 10 s left; scene 9: landed\n"


def test_work_of_another_program_shows_that_it_goes_on(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "LINE_S", 0.02)
    with Progress("resolving"):
        time.sleep(0.15)
    assert capsys.readouterr().err.splitlines()[:2] == ["resolving: 0 s"] * 2


def test_a_terminal_has_one_bar_which_goes_away(terminal, capsys) -> None:
    clock = Clock()
    with Progress("a" * 80, 4, clock=clock) as work:
        clock.now_s += 1.0
        work.step()
        assert shown(terminal.getvalue()) == ("[######..................] " + "a" * 80)[:59]
        with Progress("inner", 2, clock=clock) as inner:
            clock.now_s += 1.0
            work.step()  # hidden behind the inner one
            inner.step()
            assert shown(terminal.getvalue()) == "[############............] inner: 1/2, 1 s left"
    assert shown(terminal.getvalue()) == "" and "\n" not in terminal.getvalue()
    assert not progress._open


def test_lines_of_the_result_do_not_tear_the_bar(terminal, capsys) -> None:
    clock = Clock()
    with Progress("work", 2, clock=clock) as work:
        clock.now_s += 1.0
        work.step()
        say("epoch 1: \x1b[31mred")
        assert terminal.getvalue().endswith("\r\x1b[2K")
    assert capsys.readouterr().out == "epoch 1: \\x1b[31mred\n"


@pytest.mark.parametrize("end", [io.StringIO, Terminal])
def test_a_reader_that_has_gone_does_not_end_the_work(end, monkeypatch) -> None:
    gone = end()
    gone.close()
    monkeypatch.setattr(gone, "isatty", lambda: end is Terminal, raising=False)
    monkeypatch.setattr(sys, "stderr", gone)
    clock = Clock()
    with Progress("work", 2, clock=clock) as work:
        clock.now_s += 11.0
        work.step()


def test_an_error_closes_it(capsys) -> None:
    with pytest.raises(KeyError), Progress("work", 2):
        raise KeyError
    assert not progress._open


def test_spans() -> None:
    assert [span(s) for s in (-1, 0.4, 89, 90, 5399, 5400, 36000)] == [
        "0 s",
        "0 s",
        "89 s",
        "2 min",
        "90 min",
        "1.5 h",
        "10.0 h",
    ]


def test_words_step_aside_for_json(capsys) -> None:
    with words_aside():
        say("a word")
    with words_aside(False):
        say("another")
    assert capsys.readouterr() == ("another\n", "a word\n")


def test_progress_is_seen_while_decoders_are_kept_quiet() -> None:
    code = (
        "import os, sys\nfrom landing import progress\nfrom landing.terminal import quiet_decoders\n"
        "progress.LINE_S = 0.0\n"
        "with quiet_decoders(), progress.Progress('looking', 2) as work:\n"
        "    work.step()\n    os.write(2, b'noise of a library')\n    print('noise', file=sys.stderr)\n"
        "print('after', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == "looking: 1/2, 0 s left\nafter\n"
