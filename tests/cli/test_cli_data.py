from __future__ import annotations

import re

import pytest

from textcnn.data import corpus_names


def test_the_corpora_are_listed(textcnn):
    ended = textcnn("data")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert [
        line.split()[0] for line in lines if line and not line.startswith((" ", "Describe", "--"))
    ] == corpus_names()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "sample    Sample of opinion sentences: 2 classes, 1,000 train, 200 test"


@pytest.mark.parametrize("name", corpus_names())
def test_a_named_corpus_is_described_without_its_files(textcnn, name):
    ended = textcnn("data", name)
    assert ended.code == 0
    head = ended.out.partition("\n\n")[0]
    titles = re.findall(r"^(\w+) ", head, re.MULTILINE)
    assert titles[:7] == ["name", "origin", "terms", "protocol", "classes", "texts", "files"]
    assert titles[7:] == ([] if name == "sample" else ["hub"])
    assert max(map(len, ended.out.splitlines())) <= 80
    assert ("\ntrain: " in ended.out) == (name == "sample")


def test_a_file_is_described(textcnn, reviews):
    assert textcnn("data", reviews).out == (
        "\ntrain: 60 texts, 480 tokens, 73 distinct\n"
        "  tokens per text: 8 to 8, median 8, 90% up to 8\n"
        "  negative: 30 (50.0%)\n"
        "  positive: 30 (50.0%)\n"
        "\nexamples:\n"
        "  positive: What a fine film, number 0!\n"
        "  negative: What a dull meal, number 1!\n"
        "  positive: What a fine hotel, number 2!\n"
    )


def test_a_long_example_is_cut_within_80_columns(textcnn, tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_text('{"text": "%s", "label": 1}\n{"text": "a\\nb", "label": 0}\n' % ("x" * 500), encoding="utf-8")
    lines = textcnn("data", path).out.splitlines()
    assert lines[-2:] == ["  1: " + "x" * 71 + " ...", "  0: a b"]
    assert len(lines[-2]) == 80


def test_columns_can_be_named(textcnn, tmp_path):
    path = tmp_path / "named.tsv"
    path.write_text("a\tb\nyes\tone two\nno\tthree\n", encoding="utf-8")
    ended = textcnn("data", path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    for part in ("['text', 'label']", "['a', 'b']", str(path), "--text-column", "--label-column"):
        assert part in ended.err
    ended = textcnn("data", path, "--text-column", "b", "--label-column", "a")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-2:] == ["  yes: one two", "  no: three"]


def test_an_unknown_source_is_one_line(textcnn):
    ended = textcnn("data", "tre")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: expected a corpus")
    for part in (", ".join(corpus_names()), "found 'tre'", "trec\n"):
        assert part in ended.err
    assert ended.err.count("\n") == 1


def test_a_corpus_without_its_files_is_one_line(textcnn, tmp_path):
    ended = textcnn("data", "trec", "--data-dir", tmp_path)
    assert ended.code == 2
    assert re.fullmatch(r"Error: [^\n]+\n", ended.err)
    assert str(tmp_path) in ended.err
