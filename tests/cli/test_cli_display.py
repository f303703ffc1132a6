"""Progress on stderr."""

from __future__ import annotations

import io
import re
import sys

import pytest

from textcnn.cli.display import clock, make_counter, make_display, make_progress, say


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch):
    """Makes stderr a terminal."""

    def make():
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "80")
        made = _Screen()
        monkeypatch.setattr(sys, "stderr", made)
        return made

    return make


def plain(screen):
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen.getvalue())


def test_steps_are_lines_in_a_log(capsys):
    with make_display(lines=True) as display:
        display.show("reading texts", 0.1)
        display.show("reading texts", 0.9)
        display.show("training", 0.0)
    with make_display() as display:
        display.show("reading texts", 0.5)
        display.say("a line")
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"reading texts \(\d+ s\)\ntraining \(\d+ s\)\na line\n", err)


def test_steps_are_a_bar_on_a_terminal(screen):
    made = screen()
    with make_display(lines=True) as display:
        display.show("reading\x1b[2J texts", 0.0)
        display.show("reading\x1b[2J texts", 0.5)
        display.bars.refresh()
        display.say("a line [of] figures\x07")
        display.show("training", None, "17 words")
        display.bars.refresh()
    shown = plain(made)
    assert re.search(r"reading\ufffd\[2J texts [━╸╺]+ +50%  \d:\d\d elapsed, \d:\d\d left", shown)
    assert "a line [of] figures\ufffd" in shown
    assert re.search(r"training [━╸╺]+ 17 words", shown)


def test_a_count_is_shown_beside_a_file_alone(screen, tmp_path):
    made = screen()
    with make_counter("texts", _Screen()) as advance:
        advance(5)
    assert made.getvalue() == ""
    with make_counter("texts", io.BytesIO()) as advance:
        advance(1000)
        advance(234)
    assert re.search(r"1,234 texts  [\d,]+/s", plain(made))


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (187, "3:07"), (6000, "100:00")])
def test_a_clock(seconds, shown):
    assert clock(seconds) == shown


LINE = "epoch  1  loss 0.6535  validation: loss 0.6506  accuracy 0.6500  8,957/s  best"


@pytest.mark.parametrize("columns", [30, 60, 80, 200])
def test_lines_on_a_terminal_break_between_figures(screen, monkeypatch, columns):
    made = screen()
    monkeypatch.setenv("COLUMNS", str(columns))
    say(LINE)
    with make_display() as display:
        display.say(LINE)
    lines = [line.rstrip() for line in plain(made).splitlines() if "━" not in line and line.strip()]
    assert max(map(len, lines)) <= columns
    figures = [figure for line in lines for figure in re.split("  +", line.strip())]
    assert figures == 2 * re.split("  +", LINE)
    say("words " * 50)
    assert set(plain(made).split()) >= {"words"}
    assert not re.search(r"\bwor?\b|\brds\b", plain(made))


def test_lines_in_a_log_are_whole(capsys):
    say(f"{LINE}\x1b")
    assert capsys.readouterr().err == f"{LINE}\x1b\n"


@pytest.mark.parametrize("columns", [50, 60, 80])
def test_the_bar_is_not_cut(screen, monkeypatch, columns):
    made = screen()
    monkeypatch.setenv("COLUMNS", str(columns))
    with make_display() as display:
        display.show("epoch 12", 0.5, "loss 0.2062  17,078/s  0:00 left at most  accuracy 0.6600")
        display.bars.refresh()
    assert "…" not in plain(made)
    assert "loss 0.2062" in plain(made)
    assert ("left at most" in plain(made)) == (columns >= 60)


def test_a_step_of_unknown_length_is_announced(screen, capsys):
    with make_progress() as progress:
        progress.stage("reading vectors", 0.5)
        progress.stage("writing the report", None)
    assert capsys.readouterr().err == "writing the report\n"
    made = screen()
    with make_progress() as progress:
        progress.stage("writing the report", None)
        progress.display.bars.refresh()
        with progress.display.paused():
            before = len(made.getvalue())
            progress.display.bars.refresh()
    assert "writing the report" in plain(made)
    assert before
