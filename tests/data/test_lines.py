from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from textcnn.data import lines
from textcnn.data.lines import split_lines

TEXTS = st.text(st.sampled_from("aé\n\n\r\r\x85\u2028 😀"), max_size=40) | st.text()


def naive(data: bytes) -> list[str]:
    parts = data.split(b"\n")
    if parts[-1] == b"":
        parts.pop()
    return [part.removesuffix(b"\r").decode() for part in parts]


@given(TEXTS)
def test_lines_equal_a_naive_split(text):
    data = text.encode()
    found = split_lines(data)
    found.validate(full=True)
    assert found.type == pa.string()
    assert found.to_pylist() == naive(data)


def test_other_line_breaks_stay():
    assert split_lines("a\x85b\u2028c\x0bd\re\n".encode()).to_pylist() == ["a\x85b\u2028c\x0bd\re"]


def test_large_offsets_where_needed(monkeypatch):
    monkeypatch.setattr(lines, "_INT32_MAX", 3)
    found = split_lines(b"ab\r\n\nc\nd")
    found.validate(full=True)
    assert found.type == pa.large_string()
    assert found.to_pylist() == ["ab", "", "c", "d"]
