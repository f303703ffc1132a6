from __future__ import annotations

import gzip
import re

import pytest

from textcnn.vectors import load_vectors
from textcnn.vectors._reading import first_words

gensim = pytest.importorskip("gensim")
TINY = ("--dimension", 4, "--epochs", 2, "--workers", 1)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "vectors.bin"


def test_vectors_of_a_file_with_labels(textcnn, reviews, output):
    ended = textcnn("vectors", reviews, "-o", output, *TINY)
    assert ended.code == 0
    assert [line.rpartition(" (")[0] for line in ended.err.splitlines()] == [
        "reading texts",
        "epoch 1 of 2",
        "epoch 2 of 2",
    ]
    time = ended.out.splitlines()[3]
    assert time.startswith("time        ")
    assert time.endswith(" s with 1 worker")
    assert ended.out.replace(time, "TIME").replace(str(output), "FILE") == (
        "words       13 that occur 5 times or more, of 73\n"
        "dimension   4\n"
        "texts       60, 480 tokens\n"
        "TIME\n"
        "seed        0\n"
        f"size        {output.stat().st_size} bytes\n"
        "saved       FILE\n"
    )
    assert {"film", "fine", "dull", "what"} < set(first_words(output, 99))


def test_several_files_without_labels(textcnn, tmp_path, output):
    (tmp_path / "a.txt").write_text("good film\n\ngood book\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("schönes Buch\n".encode()))
    (tmp_path / "c.csv").write_text("id,review\n1,good song\n2,\n")
    files = [tmp_path / name for name in ("a.txt", "b.txt.gz", "c.csv")]
    ended = textcnn("vectors", *files, "-o", output, "--min-count", 1, "--keep-case", *TINY)
    assert ended.code == 0
    assert first_words(output, 99) == ["good", "Buch", "book", "film", "schönes", "song"]
    assert "texts       6, 8 tokens\n" in ended.out


def test_only_training_texts_of_a_folder_are_read(textcnn, tmp_path, output):
    for split in ("train", "validation", "test"):
        lines = "".join(f"{word} {split},{word}\n" for word in ("good", "bad"))
        (tmp_path / f"{split}.csv").write_text("text,label\n" + lines)
    assert textcnn("vectors", tmp_path, "-o", output, "--min-count", 1, *TINY).code == 0
    assert first_words(output, 99) == ["train", "bad", "good"]
    ended = textcnn("vectors", "--info", output, tmp_path)
    assert "  distinct  3 of 3 (100.0%)\n  tokens    4 of 4 (100.0%)\n" in ended.out


def test_only_training_texts_of_a_named_corpus_are_read(textcnn, output):
    ended = textcnn("vectors", "sample", "-o", output, *TINY)
    assert ended.code == 0
    assert "texts       1,000, " in ended.out


def test_the_same_bits_with_one_worker(textcnn, reviews, output):
    assert textcnn("vectors", reviews, "-o", output, *TINY).code == 0
    bits = output.read_bytes()
    assert textcnn("vectors", reviews, "-o", output, "--overwrite", *TINY).code == 0
    assert output.read_bytes() == bits
    ended = textcnn("vectors", reviews, "-o", output, "--overwrite", *TINY, "--workers", 2)
    seed = next(line for line in ended.out.splitlines() if line.startswith("seed        0, not reproducible"))
    assert "--workers 1" in seed


def test_a_model_trains_on_the_vectors(textcnn, reviews, output, tmp_path):
    assert textcnn("vectors", reviews, "-o", output, *TINY).code == 0
    model = ("--feature-maps", 4, "--epochs", 2, "--device", "cpu", "-o", tmp_path / "model")
    ended = textcnn("train", reviews, "--vectors", output, "--channels", "static", *model)
    assert ended.code == 0
    assert "vectors     13 of " in ended.out


def test_a_file_is_described(textcnn, tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("good 1 0\nfine 0.9 0.1\nbad -1 0\n")
    (tmp_path / "texts.txt").write_text("Good film\nfine film, fine\n")
    ended = textcnn("vectors", "--info", path, tmp_path / "texts.txt", "--near", "good", "--near", "zzz")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.replace(str(tmp_path), "FOLDER") == (
        "file        FOLDER/glove.txt, 31 bytes\n"
        "format      GloVe text\n"
        "words       3\n"
        "dimension   2\n"
        "\n"
        "nearest neighbours among the first 3 words, with cosines\n"
        "  good: fine 0.99, bad -1.00\n"
        "  zzz: not in the file\n"
        "\n"
        "coverage of FOLDER/texts.txt (training texts)\n"
        "  distinct  2 of 4 (50.0%)\n"
        "  tokens    3 of 6 (50.0%)\n"
        "  missing   film 2, ',' 1\n"
    )


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ["-o FILE", "--info FILE", "found neither"]),
        (("mr",), ["-o FILE", "--info FILE", "found neither"]),
        (("-o", "x.bin"), ["expected a SOURCE of texts, found none"]),
        (("-o", "x.bin", "--info", "y.bin"), ["expected -o or --info, found both"]),
        (
            ("mr", "-o", "x.bin", "--near", "good"),
            ["--near: expected --info FILE with it, found none; leave it out, or add that"],
        ),
        (
            ("mr", "-o", "x.bin", "--max-words", "0"),
            ["--max-words: expected --info FILE or --join with it, found neither; leave it out, or add that"],
        ),
        (("mr", "-o", "x.bin", "--trust-pickle"), ["--trust-pickle: expected --info FILE or --join with it"]),
        (("mr", "-o", "x.bin", "--more-words", "x"), ["--more-words: expected --from-transformer MODEL with it"]),
        (("--info", "y.bin", "--window", "3"), ["expected --window or --info, found both; leave one out"]),
        (("--info", "y.bin", "--join"), ["expected --info or --join, found both; leave one out"]),
        (
            ("mr", "-o", "x.bin", "--from-transformer", "y", "--seed", "0"),
            ["expected --seed or --from-transformer, found both; leave one out"],
        ),
        (
            ("mr", "-o", "x.bin", "--from-transformer", "y", "--near", "good"),
            ["expected --near or --from-transformer, found both; leave one out"],
        ),
        (("-o", "x.bin", "--from-transformer", "y"), ["expected a SOURCE of texts, found none"]),
        (("mr", "--from-transformer", "y"), ["-o FILE", "--info FILE", "found neither"]),
        (("sample", "-o", "x.bin", "--from-transformer", "./y"), ["./y: expected the folder of a transformers model"]),
        (
            ("sample", "-o", "x.bin", "--from-transformer", "./y", "--more-words", "none.txt"),
            ["found 'none.txt'"],
        ),
        (("-o", "x.bin", "--join"), ["expected two files of word vectors or more to join, found none"]),
        (("y", "-o", "x.bin", "--join"), ["expected two files of word vectors or more to join, found y"]),
        (("y", "z", "-o", "x.bin", "--join"), ["y: expected a word-vector file, found nothing there"]),
        (
            ("y", "z", "-o", "x.bin", "--join", "--keep-case"),
            ["expected --lowercase/--keep-case or --join, found both; leave one out"],
        ),
        (("y", "z", "-o", "x.bin", "--join", "--text-column", "a"), ["expected --text-column or --join, found both"]),
        (("mr", "-o", "x.bin", "--unsupervised"), ["--unsupervised: expected imdb among the SOURCEs, found none"]),
        (("mr", "imdb", "sst2", "-o", "x.bin"), ["expected mr or sst2, found both"]),
        (
            ("sample", "-o", "x.bin", "--dimension", "0"),
            ["--dimension: expected a whole number from 1 to 10,000, found 0"],
        ),
        (
            ("sample", "-o", "x.bin", "--min-count", "0"),
            ["--min-count: expected a whole number from 1 to 1,000,000,000,000, found 0"],
        ),
        (
            ("sample", "-o", "x.bin", "--min-count", "99999", "--dimension", "2"),
            ["occur 99999 times or more", "found none among 2,989 words", "--min-count"],
        ),
        (("--info", "none.bin"), ["none.bin: expected a word-vector file, found nothing there"]),
        (
            ("--info", "none.bin", "--max-words", "0"),
            ["none.bin: expected a word-vector file, found nothing there"],
        ),
    ],
)
def test_mistakes_are_one_line_and_code_2(textcnn, tmp_path, monkeypatch, arguments, parts):
    monkeypatch.chdir(tmp_path)
    ended = textcnn("vectors", *arguments)
    assert (ended.code, ended.out) == (2, "")
    line = ended.err.splitlines()[-1]
    assert line.startswith("Error: ")
    assert [part for part in parts if part not in line] == []
    assert list(tmp_path.iterdir()) == []


def test_a_zero_vector_and_a_limit_are_described(textcnn, tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("good 1 0\nfine 0.9 0.1\nzero 0 0\nbad -1 0\n")
    ended = textcnn("vectors", "--info", path, "--near", "zero", "--near", "bad", "--max-words", 3)
    assert ended.code == 0
    assert "\nwords       3 (--max-words)\n" in ended.out
    assert "  zero: has a zero vector, so no neighbours\n  bad: not in the words read\n" in ended.out
    ended = textcnn("vectors", "--info", path, "--max-words", 0)
    assert (ended.code, ended.err) == (2, "Error: --max-words: expected a whole number of at least 1, found 0\n")


def test_vectors_that_hardly_differ_get_a_warning(textcnn, tmp_path):
    (tmp_path / "same.txt").write_text("".join(f"w{i} 1 2 {i % 2 / 50}\n" for i in range(40)))
    ended = textcnn("vectors", "--info", tmp_path / "same.txt")
    assert "warning the vectors of the first 40 words are almost the same (mean cosine 1.00)" in " ".join(
        ended.out.split()
    )


def test_a_pickle_is_not_loaded_unless_trusted(textcnn, tmp_path):
    keyed = gensim.models.KeyedVectors(2)
    keyed.add_vectors(["good", "fine"], [[1, 0], [1, 1]])
    path = tmp_path / "x.kv"
    keyed.save(str(path))
    ended = textcnn("vectors", "--info", path, "--near", "good")
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert "--trust-pickle" in ended.err
    ended = textcnn("vectors", "--info", path, "--near", "good", "--trust-pickle")
    assert ended.code == 0
    assert "format      gensim KeyedVectors\n" in ended.out
    assert "  good: fine 0.71\n" in ended.out


def test_a_word_of_a_file_cannot_steer_the_terminal(textcnn, tmp_path):
    (tmp_path / "odd.txt").write_text("good 1 0\n\x1b[2Jfine 1 1\n")
    ended = textcnn("vectors", "--info", tmp_path / "odd.txt", "--near", "good")
    assert "\x1b" not in ended.out
    assert "[2Jfine' 0.71" in ended.out


@pytest.mark.parametrize(("terminal", "width"), [(False, 79), (True, 50), (True, 120)])
def test_lines_fit_the_terminal(textcnn, tmp_path, monkeypatch, terminal, width):
    words = [f"{'abcdefghij' * 2}{i}" for i in range(9)]
    (tmp_path / "long.txt").write_text("".join(f"{word} 1 {i}\n" for i, word in enumerate(words)))
    monkeypatch.setenv("COLUMNS", str(width))
    ended = textcnn("vectors", "--info", tmp_path / "long.txt", "--near", words[0])
    longest = max(len(line) for line in ended.out.splitlines()[5:])
    assert width - 27 < longest <= width


def test_a_file_that_is_there_is_kept(textcnn, reviews, output):
    output.write_bytes(b"old")
    ended = textcnn("vectors", reviews, "-o", output, *TINY)
    assert ended.code == 2
    assert ended.err.startswith(f"Error: {output}: ")
    assert "--overwrite" in ended.err
    assert output.read_bytes() == b"old"


def test_a_column_that_is_not_there(textcnn, reviews, output):
    ended = textcnn("vectors", reviews, "-o", output, "--text-column", "body", *TINY)
    assert ended.code == 2
    line = ended.err.splitlines()[-1]
    assert line.startswith("Error: ")
    for part in ("['body']", "['id', 'text', 'label']", str(reviews), "--text-column"):
        assert part in line
    assert not output.exists()


def test_vectors_of_a_transformer(textcnn, reviews, tiny_bert, tmp_path, output):
    (tmp_path / "more.txt").write_text("Goodish\nfilm\n日\n")
    made = ("vectors", reviews, "--from-transformer", tiny_bert, "--dimension", 4, "-o", output)
    ended = textcnn(*made, "--text-column", "text", "--more-words", tmp_path / "more.txt")
    assert ended.code == 0
    assert [line.rpartition(" (")[0] for line in ended.err.splitlines()] == [
        "loading the encoder",
        "reading texts",
        "encoding words",
    ]
    lines = ended.out.splitlines()
    assert re.fullmatch(r"dimension   4 of 16, with \d\d\.\d% of the variance", lines[2])
    assert re.fullmatch(r"time        \d+ s", lines[4])
    assert " ".join(" ".join(lines[:2]).split()) == (  # of the numbers it knows 0 alone
        "words 14 that occur once or more, of 73, and 1 of --more-words; 60 left out, which the transformer does "
        "not know"
    )
    assert lines[3] == "texts       60, 480 tokens"
    assert lines[5:] == [f"size        {output.stat().st_size} bytes", f"saved       {output}"]
    assert first_words(output, 99)[-1] == "goodish"
    bits = output.read_bytes()
    ended = textcnn(*made, "--overwrite", "--min-count", 20)
    assert ended.out.startswith("words       7 that occur 20 times or more, of 73\n")
    ended = textcnn(*made, "--overwrite", "--text-column", "text", "--more-words", tmp_path / "more.txt")
    assert output.read_bytes() == bits
    ended = textcnn(*made, "--overwrite", "--dimension", 17)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == (
        f"Error: --dimension: expected at most 16, the length of the hidden states of {tiny_bert}, found 17"
    )


def test_joined_files(textcnn, tmp_path, output):
    a, b = tmp_path / "a.txt", tmp_path / "b.txt"
    a.write_text("good 3 4\nbad 0 1\n")
    b.write_text("fine 1 1 1\ngood 0 0 2\n")
    ended = textcnn("vectors", "--join", a, b, "-o", output)
    assert ended.code == 0
    assert [line.rpartition(" (")[0] for line in ended.err.splitlines()] == [f"reading {a}", f"reading {b}", "writing"]
    assert " ".join(ended.out.replace(str(tmp_path), "FOLDER").split()) == (
        "words 3, of which all files have 1 dimension 5 "
        "part FOLDER/a.txt: 2 words x 2, multiplied by 0.2 part FOLDER/b.txt: 2 words x 3, multiplied by 0.5 "
        f"time 0 s size {output.stat().st_size} bytes saved FOLDER/vectors.bin"
    )
    assert load_vectors(output, ["good"]).matrix[0].tolist() == pytest.approx([0.6, 0.8, 0, 0, 1])
    assert textcnn("vectors", "--join", a, b, "-o", output, "--overwrite", "--max-words", 2).code == 0
    ended = textcnn("vectors", "--join", a, b, "-o", output)
    assert (ended.code, ended.out) == (2, "")
    assert "--overwrite" in ended.err


def test_help_names_every_group(textcnn):
    ended = textcnn("vectors", "--help")
    assert ended.code == 0
    for group in ("Output:", "Description:", "Joining:", "Transformer:", "Data:", "Text:", "Training:"):
        assert f"\n{group}\n" in ended.out


def test_the_words_match_those_of_the_model(textcnn, reviews, output):
    assert textcnn("vectors", reviews, "-o", output, "--min-count", 1, *TINY).code == 0
    assert load_vectors(output, ["film", "number", "!", ","]).coverage == 1


def test_training_words_without_vectors_get_an_error_or_a_warning(textcnn, tmp_path, caplog):
    english = tmp_path / "en.vec"
    english.write_text("3 2\nthe 1 0\nof 0 1\nand 1 1\n", encoding="utf-8")
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "schöne Suppe,gut\nkalte Suppe,schlecht\n" * 20, encoding="utf-8")
    args = ("train", rows, "--vectors", english, "--epochs", 1, "--feature-maps", 2, "-o")
    ended = textcnn(*args, tmp_path / "model")
    assert ended.code == 2
    assert "none of their 3 distinct words" in " ".join(ended.err.split())
    assert not (tmp_path / "model").exists()
    others = " ".join(f"wort{i}" for i in range(40))
    rows.write_text("text,label\n" + f"the {others},gut\nof {others},schlecht\n" * 20, encoding="utf-8")
    ended = textcnn(*args, tmp_path / "model")
    assert ended.code == 0, ended.err
    assert "2 of the training texts' 42 distinct words (4.8%)" in caplog.text


def test_a_misspelt_file_is_reported_before_an_output_that_is_there(textcnn, tmp_path):
    (tmp_path / "reviews.csv").touch()
    ended = textcnn("vectors", tmp_path / "reviws.csv", "-o", tmp_path / "reviews.csv")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "nearest to 'reviws.csv': reviews.csv" in ended.err
