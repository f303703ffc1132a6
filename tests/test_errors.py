import pickle

import pytest

from textcnn.errors import LONGEST, DataError, listed, nearest_names, one_line, quoted, shortened
from textcnn.files import nearest_files


def test_nearest_names():
    assert nearest_names("smaple", ["sample", "mr", "trec"]) == "; nearest to 'smaple': sample"
    assert nearest_names("x", ["sample", "mr"]) == ""


def test_nearest_files(tmp_path):
    (tmp_path / "reviews.csv").touch()
    assert nearest_files(tmp_path / "revews.csv") == "; nearest to 'revews.csv': reviews.csv"
    assert nearest_files(tmp_path / "zzz") == ""
    assert nearest_files(tmp_path / "none" / "x.csv") == f", nor a folder {tmp_path / 'none'}"
    assert "nor a folder" in nearest_files(tmp_path / "a\0b" / "x.csv")


def test_one_line():
    assert one_line(ValueError("first\n  second.")) == "first second"


def test_long_lists_are_cut():
    assert listed(["negative", "positive"]) == "negative, positive"
    assert listed(range(8000), 3) == "0, 1, 2 and 7,997 more"


def test_what_is_quoted_is_shortened():
    assert quoted("a\nb") == "'a\\nb'"
    assert quoted(["a", 1]) == "['a', 1]"
    for value in ("x" * 10**6, ["x"] * 10**5, b"\0" * 10**6, "\x1b" * 1000):
        assert len(quoted(value)) <= 400
        assert " ... " in quoted(value)
    assert shortened("x" * 200) == "x" * 200
    assert shortened("begin" + "x" * 200 + "end").startswith("beginxx")
    assert shortened("begin" + "x" * 200 + "end").endswith("xxend")
    assert len(shortened("x" * 201)) == 200


def test_no_message_is_enormous():
    error = DataError(f"a.csv: expected a label, found {'x' * 10**6}; correct it")
    assert len(str(error)) == LONGEST
    assert str(error).startswith("a.csv: expected a label, found xxx")
    assert str(error).endswith("; correct it")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301
    with pytest.raises(DataError, match=r"^short$"):
        raise DataError("short")
