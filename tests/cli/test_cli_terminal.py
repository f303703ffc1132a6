"""Lines for a terminal: widths, colours, and texts that would steer it."""

from __future__ import annotations

import io
import json
import re
import sys

import numpy as np
import pytest
from rich.cells import cell_len

from textcnn.cli.explanations import lines
from textcnn.cli.terminal import TextLayout, neutralize, safe_stream
from textcnn.explain.counterfactual import Counterfactual, Edit
from textcnn.explain.explanation import Explanation
from textcnn.explain.results import EXACT, Features, Word

HOSTILE = "w\x1b[2J\tgood \x1b]0;title\x07 \x9b31m \u202egnp.exe\u202c \u2066a\u2069 b\rc"
SAFE = "w\ufffd[2J good \ufffd]0;title\ufffd \ufffd31m \ufffdgnp.exe\ufffd \ufffda\ufffd b c"


class _Terminal(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(_Bytes(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        return self.buffer.getvalue().decode()


class _Bytes(io.BytesIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def terminal(monkeypatch):
    """Makes stdout a terminal of 60 columns."""

    def make():
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "60")
        screen = _Terminal()
        monkeypatch.setattr(sys, "stdout", screen)
        return screen

    return make


def explained(text, scores, unknown=()):
    """An explanation of two classes, `no` and the predicted `yes`, with a score per word."""
    spans = [(match.start(), match.end()) for match in re.finditer(r"\S+", text)]
    words = tuple(Word(text[a:b], a, b, i not in unknown) for i, (a, b) in enumerate(spans))
    parts = np.array(scores, float).reshape(-1, 1) * [[-1, 1]]
    begin = np.arange(max(len(words) - 1, 0))
    features = Features(begin, begin + 2, begin * 0 + 2, begin, begin + 1.0, parts[:-1])
    classes = np.array(["no", "yes"])
    logits = parts.sum(axis=0)
    return Explanation(
        text, words, classes, 1, np.array([0.25, 0.75]), logits, parts, np.zeros(2), features, EXACT, 0.0
    )


EXPLANATION = explained("not  good\nfilm at all", [-3, 5, 0.5, 1, 0], unknown={4})
CHANGE = Counterfactual((Edit(5, 9, "good", "bad"),), "not bad film at all", "no", 0.9, 7)


def plain(shown):
    return [line.plain for line in shown]


def test_an_explanation():
    shown = lines(EXPLANATION, CHANGE)
    assert plain(shown) == [
        "yes  0.7500",
        "  not good film at all",
        "  words for       good +5.00   at +1.00   film +0.50",
        "  words against   not -3.00",
        "  n-grams for     good\nfilm +5.00   at all +1.00   film at +0.50".replace("\n", " "),
        "  n-grams against not good -3.00",
        "  total           words +3.50, bias +0.00: +3.50 for yes over the mean of all",
        "                  classes (exact)",
        f"  smallest found  {CHANGE.phrase()}",
    ]


def test_words_for_and_against_differ_without_colour():
    styles = {
        EXPLANATION.text.replace("\n", " ").replace("  ", " ")[s.start - 2 : s.end - 2]: s.style
        for s in lines(EXPLANATION)[1].spans
    }
    assert styles["good"] == "bold green underline"
    assert styles["not"] == "bold red reverse"
    assert styles["at"] == "green underline"
    assert styles["all"] == "dim"


@pytest.mark.parametrize(
    "text", ["", "word " * 300, "x" * 500, "这部电影非常糟糕 " * 20, "no\u00a0break", "e\u0301 好 " * 40]
)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_and_break_at_spaces(monkeypatch, text, width):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = plain(lines(explained(text, np.ones(len(text.split())))))
    assert max(map(cell_len, shown)) <= width
    assert "".join(text.split()) in "".join("".join(shown).split())
    words = set(text.split())
    if max(map(cell_len, words), default=0) < width / 2:
        body = [line for line in shown[1:] if line.startswith("  ") and line[2:3].strip() and line.split()[0] in words]
        assert all(word in words for line in body for word in line.split())


def test_the_width_is_80_where_there_is_no_terminal(capsys):
    assert TextLayout().width == 80


def test_colours_follow_the_terminal_and_its_variables(terminal, monkeypatch):
    screen = terminal()
    TextLayout().show(lines(EXPLANATION))
    assert "\x1b[1;4;32mgood" in screen.shown()
    assert "\x1b[1;7;31mnot" in screen.shown()
    monkeypatch.setenv("NO_COLOR", "1")
    screen = terminal()
    TextLayout().show(lines(EXPLANATION))
    assert "\x1b[1;4mgood" in screen.shown()
    assert "\x1b[1;7mnot" in screen.shown()
    assert not re.search(r"3[0-7]m", screen.shown())


def test_colours_can_be_forced(monkeypatch, capsys):
    TextLayout().show(lines(EXPLANATION))
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    TextLayout().show(lines(EXPLANATION))
    assert "good" in capsys.readouterr().out.split("\x1b[1;4;32m")[1]


def test_a_text_does_not_steer_the_terminal(terminal):
    screen = terminal()
    layout = TextLayout()
    shown = lines(explained(HOSTILE, np.ones(len(HOSTILE.split()))), layout=layout)
    assert SAFE in " ".join(line.plain.strip() for line in shown)
    assert neutralize(HOSTILE.replace("\r", "")) == SAFE.replace("[2J ", "[2J\t").replace("b c", "bc")
    stream = safe_stream(sys.stdout.buffer)
    for byte in HOSTILE.encode():  # characters may come in pieces
        stream.write(bytes([byte]))
    stream.flush()
    assert screen.shown() == SAFE.replace("[2J ", "[2J\t").replace("b c", "b\ufffdc")


def test_files_and_pipes_get_the_text_as_it_is(capsys):
    assert neutralize(HOSTILE) == HOSTILE
    stream = io.BytesIO()
    assert safe_stream(stream) is stream
    shown = plain(lines(explained("\x1b[2J \u202ea", [1, 1])))
    assert shown[1] == "  \x1b[2J \u202ea"


@pytest.mark.parametrize("form", ["text", "csv", "json"])
def test_predict_is_safe_on_a_terminal(terminal, model, form):
    from textcnn.cli import cli

    screen = terminal()
    cli.main(["predict", "-m", str(model), "--format", form, HOSTILE], standalone_mode=False)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", screen.shown())
    assert "gnp.exe" in screen.shown()
    if form == "json":
        assert "\ufffd" in json.loads(screen.shown())["text"]


def test_a_long_example_ends_after_a_word(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    assert TextLayout().shortened("some words and more of them", 2).plain == "  some words and ..."
    assert TextLayout().shortened("1: " + "x" * 50, 2).plain == "  1: " + "x" * 11 + " ..."
    assert TextLayout().shortened("short", 2).plain == "  short"


@pytest.mark.parametrize(
    "args",
    [
        ["explain", "-m", "{model}", "What a fine and dull film, number 2! " * 3, "--counterfactual"],
        ["data"],
        ["data", "trec"],
        ["data", "{reviews}"],
        ["filters", "{reviews}", "-m", "{model}"],
        ["evaluate", "{reviews}", "-m", "{model}"],
        ["compare", "{model}", "{model}", "{reviews}"],
    ],
)
def test_every_command_fits_a_terminal_of_60_columns(terminal, model, reviews, args):
    from textcnn.cli import cli

    screen = terminal()
    given = [arg.format(model=model, reviews=reviews) for arg in args]
    cli.main(given, standalone_mode=False)
    narrow = re.sub(r"\x1b\[[\d;]*m", "", screen.shown())
    screen = terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "1000")
        cli.main(given, standalone_mode=False)
    wide = re.sub(r"\x1b\[[\d;]*m", "", screen.shown())
    assert max(map(cell_len, narrow.splitlines())) <= 60
    assert {*narrow.split()} - {"..."} <= {*wide.split()}  # no word is cut


def test_train_fits_a_terminal_of_60_columns(terminal, monkeypatch, reviews, tiny, tmp_path):
    from textcnn.cli import cli

    screen = terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.chdir(tmp_path)
    cli.main(["train", str(reviews), "--no-report", *tiny], standalone_mode=False)
    cli.main(["train", str(reviews), "--cv", "2", *tiny], standalone_mode=False)
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen.shown()).replace("\r", "\n").splitlines()
    assert max(cell_len(line) for line in shown if "/" not in line) <= 60
    assert re.search("^fold  2 of 2  accuracy", "\n".join(shown), re.MULTILINE)
