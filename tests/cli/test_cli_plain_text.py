"""Lines where rich is not installed are those of rich, but for colours."""

from __future__ import annotations

import string
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.cli.plain_text import PlainText
from textcnn.cli.terminal import TextLayout


@pytest.fixture(scope="module")
def layouts():
    """One with rich, one without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        rich = TextLayout()
        patch.setitem(sys.modules, "rich.console", None)
        plain = TextLayout()
    assert isinstance(plain.text("a"), PlainText)
    assert not isinstance(rich.text("a"), PlainText)
    return rich, plain


# Rich begins a line with a blank where it has broken a longer word before it.
TEXTS = st.lists(st.text(string.ascii_letters + ",.", min_size=1, max_size=20), max_size=30).map(" ".join)


@given(text=TEXTS, indent=st.integers(0, 50))
def test_wrapped_and_shortened(layouts, text, indent):
    wrapped, shortened = (
        [[str(line) for line in layout.wrapped(layout.text(text), indent)] for layout in layouts],
        [str(layout.shortened(text, indent)) for layout in layouts],
    )
    assert wrapped[0] == wrapped[1]
    assert shortened[0] == shortened[1]


def test_a_word_longer_than_a_line_is_broken_where_the_line_is_full(layouts):
    text = "a " + "b" * 25 + " c"
    for layout in layouts:
        assert [str(line) for line in layout.wrapped(layout.text(text), 70)] == [
            " " * 70 + part for part in ("a", "b" * 10, "b" * 10, "bbbbb c")
        ]


@given(items=st.lists(TEXTS, max_size=8), margin=st.integers(2, 30))
def test_rows(layouts, items, margin):
    rich, plain = ([str(line) for line in layout.row("a title", items, margin)] for layout in layouts)
    assert rich == plain


@given(text=TEXTS, width=st.integers(1, 40), right=st.booleans())
def test_cells(layouts, text, width, right):
    rich, plain = (layout.cell(text, width, right=right) for layout in layouts)
    assert rich == plain


def test_lines_are_printed(layouts, capsys):
    layouts[1].show(["a", *layouts[1].wrapped(layouts[1].text("b [c] \\[d]"))])
    assert capsys.readouterr().out == "a\nb [c] \\[d]\n"


def test_a_terminal_gives_its_width(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("COLUMNS", "40")
    assert TextLayout().width == 40
    monkeypatch.delenv("COLUMNS")
    assert TextLayout().width == 80
