from textcnn.errors import listed, nearest_names, one_line
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
