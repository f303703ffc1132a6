from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textcnn import load_model
from textcnn.cli.predict import command
from textcnn.cli.writers import FORMATS

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and pipes")
TEXTS = ["What a fine film!", "", "What a dull, dull meal", "\N{GRINNING FACE} naïve", 'she said "fine"']


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def expected(model):
    """The labels and probabilities of `TEXTS`."""
    predictor = load_model(model)
    return list(zip(predictor.predict(TEXTS).tolist(), predictor.predict_proba(TEXTS).max(axis=1), strict=True))


def as_text(expected, texts=TEXTS) -> str:
    return "".join(f"{label}\t{p:.4f}\t{text}\n" for (label, p), text in zip(expected, texts, strict=True))


@contextlib.contextmanager
def running(*args: object, **streams: object) -> Iterator[subprocess.Popen[bytes]]:
    """`textcnn predict` as a process of its own, ended at last in any case."""
    command = [sys.executable, "-m", "textcnn", "predict", *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **streams) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def test_the_forms_are_those_of_the_writer():
    (form,) = (parameter for parameter in command.params if parameter.name == "form")
    assert tuple(form.type.choices) == FORMATS


def test_texts_as_arguments(textcnn, model, expected):
    ended = textcnn("predict", "-m", model, *TEXTS)
    assert (ended.code, ended.out, ended.err) == (0, as_text(expected), "")


def test_the_name_of_a_file_is_no_text(textcnn, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("reviews.csv").write_text("text\nfine\n")
    Path("a fine film.").touch()
    Path("fine").touch()
    ended = textcnn("predict", "-m", model, "fine", "reviews.csv")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "Error: expected a text, found the name of a file: reviews.csv; read it with --input reviews.csv, "
        "or give the name as a text on stdin\n"
    )
    assert "the name of a file: reviews.csv; give its lines" in textcnn("explain", "-m", model, "reviews.csv").err
    assert textcnn("predict", "-m", model, stdin=b"reviews.csv").out.endswith("reviews.csv\n")
    for text in ("a fine film.", "fine", "none.csv", "x." * 3000, "\0.a"):
        assert textcnn("predict", "-m", model, text).code == 0


def test_lines_on_stdin(textcnn, model, expected):
    ended = textcnn("predict", "-m", model, stdin="\n".join(TEXTS).encode())
    assert (ended.code, ended.out, ended.err) == (0, as_text(expected), "")


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ("\r\n".join(TEXTS).encode() + b"\r\n", ()),
        (b"\xef\xbb\xbf" + "\n".join(TEXTS).encode(), ()),
        ("\n".join(TEXTS).encode("utf-16"), ("--encoding", "utf-16")),
    ],
    ids=["windows", "mark", "utf-16"],
)
def test_other_forms_of_lines(textcnn, model, expected, data, options):
    assert textcnn("predict", "-m", model, *options, stdin=data).out == as_text(expected)


def test_an_empty_stdin_has_no_rows(textcnn, model):
    assert (textcnn("predict", "-m", model).code, textcnn("predict", "-m", model).out) == (0, "")
    assert textcnn("predict", "-m", model, "--format", "json").out == ""
    assert textcnn("predict", "-m", model, "--format", "csv").out == '"text","prediction","probability","note"\n'


def test_a_closed_stdin_is_one_line(textcnn, model):
    ended = textcnn("predict", "-m", model, stdin=None)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: expected texts as arguments, on stdin or in a file (--input), found none")


def test_json_and_its_additions(textcnn, model, expected):
    rows = [json.loads(line) for line in textcnn("predict", "-m", model, "--format", "json", *TEXTS).out.splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert [row["prediction"] for row in rows] == [label for label, _ in expected]
    assert [row["probability"] for row in rows] == pytest.approx([p for _, p in expected], abs=1e-6)
    ended = textcnn("predict", "-m", model, "--format", "json", "--proba", "--top-k", "9", TEXTS[0])
    row = json.loads(ended.out)
    assert list(row) == ["text", "prediction", "probability", "top", "probabilities"]
    assert [entry["label"] for entry in row["top"]] == sorted(
        row["probabilities"], key=row["probabilities"].get, reverse=True
    )
    assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_every_format_of_file_keeps_rows_and_columns(textcnn, model, expected, tmp_path):
    table = pa.table({"n": [f"{i:03}" for i in range(5)], "review": TEXTS, "x": [0.5, None, 1.5, 2.5, 3.5]})
    records = table.to_pylist()
    paths = [tmp_path / name for name in ("a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz")]
    for path, delimiter in zip(paths[:2], ",\t", strict=True):
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, list(records[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
            rows.writeheader()
            rows.writerows(records)
    paths[2].write_text("".join(json.dumps(row) + "\n" for row in records), encoding="utf-8")
    pq.write_table(table, paths[3])
    paths[4].write_bytes(gzip.compress(paths[0].read_bytes()))
    for path in paths:
        ended = textcnn("predict", "-m", model, "--input", path)
        assert (ended.code, ended.err) == (0, "")
        rows = list(csv.DictReader(io.StringIO(ended.out)))
        assert list(rows[0]) == ["n", "review", "x", "prediction", "probability", "note"]
        for row, record, (label, p) in zip(rows, records, expected, strict=True):
            assert (row["n"], row["review"], row["prediction"]) == (record["n"], record["review"], label)
            assert row["x"] == ("" if record["x"] is None else str(record["x"]))
            assert float(row["probability"]) == pytest.approx(p, abs=1e-6)
        ended = textcnn("predict", "-m", model, "--input", path, "--format", "text")
        assert ended.out == as_text(expected)


def test_a_file_of_lines(textcnn, model, expected, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8", newline="\r\n")
    assert textcnn("predict", "-m", model, "--input", path).out == as_text(expected)


def test_rows_match_over_many_batches(textcnn, model, tmp_path):
    path, out = tmp_path / "many.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(f'{{"n": {i}, "text": "fine {i}"}}\n' for i in range(40_000)), encoding="utf-8")
    assert textcnn("predict", "-m", model, "--input", path, "--output", out).code == 0
    with out.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert [(row["n"], row["text"]) for row in rows] == [(i, f"fine {i}") for i in range(40_000)]


def test_a_missing_text_is_an_empty_one(textcnn, model, expected, tmp_path):
    path = tmp_path / "missing.csv"
    path.write_text("n,text\n1,\n2,\n", encoding="utf-8")
    rows = list(csv.reader(io.StringIO(textcnn("predict", "-m", model, "--input", path).out)))
    assert [row[:3] for row in rows[1:]] == [["1", "", expected[1][0]], ["2", "", expected[1][0]]]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("out.csv", '"n","text","prediction","probability","note"'),
        ("out.jsonl", '{"n": "1", "text": "fine", "prediction": "'),
        ("out.JSON", '{"n": "1", "text": "fine", "prediction": "'),
        ("out.txt", r"\w+\t0\.\d{4}\tfine"),
        ("out", '"n","text","prediction","probability","note"'),
    ],
)
def test_the_form_follows_the_name(textcnn, model, tmp_path, name, first):
    path = tmp_path / "in.csv"
    path.write_text("n,text\n1,fine\n", encoding="utf-8")
    ended = textcnn("predict", "-m", model, "--input", path, "--output", tmp_path / name)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert re.match(first, (tmp_path / name).read_text(encoding="utf-8"))
    assert names(tmp_path) == ["in.csv", name]


def test_an_output_is_replaced_only_with_overwrite(textcnn, model, tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("kept", encoding="utf-8")
    ended = textcnn("predict", "-m", model, "--output", path, "fine")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"Error: {path}: the file exists")
    assert "--overwrite" in ended.err
    assert path.read_text(encoding="utf-8") == "kept"
    assert textcnn("predict", "-m", model, "--output", path, "--overwrite", "fine").code == 0
    assert path.read_text(encoding="utf-8").endswith("\tfine\n")
    assert names(tmp_path) == ["out.txt"]


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["-m", "{tmp}/none"], ["{tmp}/none: expected a saved model", "textcnn train"]),
        (["-m", "{tmp}"], ["{tmp}: expected", "saved model", "config.json"]),
        (["fine", "--input", "{tmp}/in.csv"], ["expected texts or --input, found both"]),
        (["fine", "--text-column", "n"], ["--text-column: expected a file with columns, found none", "--input FILE"]),
        (
            ["--input", "{tmp}/in.csv", "--text-column", "txt"],
            ["['txt']", "['n', 'text']", "{tmp}/in.csv", "nearest to 'txt': text", "--text-column"],
        ),
        (["--input", "{tmp}/inn.csv"], ["expected a file", "{tmp}/inn.csv", "in.csv"]),
        (["--input", "{tmp}"], ["expected a file, found the folder {tmp}"]),
        (
            ["--input", "{tmp}/in.csv", "--output", "{tmp}/in.csv", "--overwrite"],
            ["{tmp}/in.csv: expected a file other than the input", "--output"],
        ),
        (["fine", "--output", "{tmp}"], ["{tmp}: expected a file", "found a folder"]),
        (["fine", "--output", "{tmp}/none/out.txt"], ["{tmp}/none/out.txt: expected the folder {tmp}/none"]),
        (
            ["fine", "--output", "{tmp}/out.xlsx"],
            ["{tmp}/out.xlsx: expected a name that ends in .csv, .json, .jsonl, .ndjson, .txt, .parquet", "--format"],
        ),
        (["--encoding", "utf-9"], ["encoding", "utf-8", "found 'utf-9'"]),
        (["fine", "f\udcffne"], ["expected text as arguments, found bytes"]),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(textcnn, model, tmp_path, args, parts):
    (tmp_path / "in.csv").write_text("n,text\n1,fine\n", encoding="utf-8")
    if "-m" not in args:
        args = ["-m", str(model), *args]
    ended = textcnn("predict", *[arg.replace("{tmp}", str(tmp_path)) for arg in args])
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    for part in parts:
        assert part.replace("{tmp}", str(tmp_path)) in ended.err
    assert names(tmp_path) == ["in.csv"]
    assert (tmp_path / "in.csv").read_text(encoding="utf-8") == "n,text\n1,fine\n"


def test_bytes_in_another_encoding_are_one_line(textcnn, model):
    ended = textcnn("predict", "-m", model, stdin="gut\nschön\n".encode("latin-1"))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    for part in ("UTF-8", "stdin", "0xf6", "line 2", "--encoding"):
        assert part in ended.err


@pytest.mark.parametrize(
    ("form", "taken"),
    [
        ("csv", "probability"),
        ("json", "prediction"),
        ("csv", "probability_2"),
        ("json", "top"),
        ("json", "probabilities"),
    ],
)
def test_a_column_that_a_prediction_is_written_to_is_refused_at_once(textcnn, model, tmp_path, form, taken):
    path, out = tmp_path / "in.csv", tmp_path / "out"
    path.write_text(f"text,{taken}\nfine,1\n", encoding="utf-8")
    args = ("predict", "-m", model, "--input", path, "--output", out, "--top-k", "2", "--proba", "--format")
    ended = textcnn(*args, form)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"Error: {path}: expected an input without the column {taken!r}")
    assert ended.err.count("\n") == 1
    assert not out.exists()
    assert textcnn(*args, "text").code == 0


def test_a_bad_row_leaves_the_old_output(textcnn, model, tmp_path):
    path, out = tmp_path / "in.jsonl", tmp_path / "out.csv"
    path.write_text('{"text": "fine"}\n' * 200_000 + "fine\n", encoding="utf-8")
    out.write_text("kept", encoding="utf-8")
    ended = textcnn("predict", "-m", model, "--input", path, "--output", out, "--overwrite")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: expected a JSON object")
    assert f"line 200001 of {path}" in ended.err
    assert ended.err.count("\n") == 1
    assert names(tmp_path) == ["in.jsonl", "out.csv"]
    assert out.read_text(encoding="utf-8") == "kept"


def test_lines_are_answered_as_they_come(model):
    with running("-m", model, stdin=subprocess.PIPE) as process:
        for text in (b"fine", b"dull"):
            process.stdin.write(text + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().rstrip().endswith(b"\t" + text)
        process.stdin.write(b"no newline")
        process.stdin.close()
        assert process.stdout.read().rstrip().endswith(b"\tno newline")
        assert process.stderr.read() == b""
        assert process.wait() == 0


@POSIX
def test_a_reader_that_leaves_is_no_error(model, tmp_path):
    (tmp_path / "in.txt").write_text("fine\n" * 100_000, encoding="utf-8")
    with running("-m", model, "--input", tmp_path / "in.txt") as process:
        assert process.stdout.readline().endswith(b"\tfine\n")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


@POSIX
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_half_written_output(model, tmp_path, number, code):
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    os.mkfifo(source)
    with running("-m", model, "--input", source, "--output", out) as process:
        with source.open("wb") as lines:  # returns once the other end is read
            lines.write(b"fine\n")
            lines.flush()
            assert [name[-5:] for name in names(tmp_path)] == [".part", "n.txt"]
            time.sleep(1)  # until it waits for more: an import may swallow the signal
            process.send_signal(number)
            assert process.wait() == code
        assert process.stdout.read() == b""
        assert process.stderr.read() == (b"\nError: interrupted\n" if number == signal.SIGINT else b"")
    assert names(tmp_path) == ["in.txt"]


@POSIX
def test_ctrl_c_while_waiting_for_lines(model):
    with running("-m", model, stdin=subprocess.PIPE) as process:
        process.stdin.write(b"fine\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\tfine\n")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read() == b"\nError: interrupted\n"


def labelled(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_file_without_a_header_is_written_with_one(textcnn, model, tmp_path, expected):
    source = tmp_path / "in.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([i, text] for i, text in enumerate(TEXTS))
    arguments = ("predict", "-m", model, "--input", source, "--no-header", "--text-column", "2")
    rows = labelled(textcnn(*arguments).out)
    assert [(row["1"], row["2"]) for row in rows] == [(str(i), text) for i, text in enumerate(TEXTS)]
    assert [row["prediction"] for row in rows] == [label for label, _ in expected]
    rows = [json.loads(line) for line in textcnn(*arguments, "--format", "json").out.splitlines()]
    assert [row["2"] or "" for row in rows] == TEXTS
    for column in ("0", "3", "text"):
        ended = textcnn(*arguments[:-1], column)
        assert ended.code == 2
        assert "only ['1', '2'] were found" in ended.err
        assert "by number from 1" in ended.err
        assert ended.err.count("\n") == 1


def test_fields_are_read_as_written(textcnn, model, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text('text,n\n"What a fine film,1\n', encoding="utf-8")
    ended = textcnn("predict", "-m", model, "--input", source)
    assert ended.code == 2
    assert "--quoting none" in ended.err
    [row] = labelled(textcnn("predict", "-m", model, "--input", source, "--quoting", "none").out)
    assert (row["text"], row["n"], row["prediction"]) == ('"What a fine film', "1", "positive")


def test_joined_columns_are_labelled_as_one_text(textcnn, model, tmp_path, expected):
    source = tmp_path / "in.csv"
    source.write_text('title,body\nWhat a,fine film!\n,\nWhat a dull,""\n,meal\n', encoding="utf-8")
    arguments = ("predict", "-m", model, "--input", source, "--text-column", "title,body")
    rows = labelled(textcnn(*arguments).out)
    joined = ["What a fine film!", "", "What a dull", "meal"]
    assert [row["prediction"] for row in rows] == load_model(model).predict(joined).tolist()
    assert [row["title"] for row in rows] == ["What a", "", "What a dull", ""]
    assert [line.split("\t")[2] for line in textcnn(*arguments, "--format", "text").out.splitlines()] == joined


@pytest.mark.parametrize(
    "option", [("--no-header",), ("--quoting", "none"), ("--delimiter", ";"), ("--text-column", "a")]
)
def test_options_on_columns_need_a_file(textcnn, model, option):
    ended = textcnn("predict", "-m", model, *option, "a text")
    assert ended.code == 2
    assert f"{option[0]}: expected a file with columns, found none" in ended.err


def test_formulas_are_escaped_where_asked_for(textcnn, model, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("=id,text\n+1-2,=1+1\n-5,@SUM(A1)\n", encoding="utf-8")
    rows = labelled(textcnn("predict", "-m", model, "--input", source).out)
    assert [(row["=id"], row["text"]) for row in rows] == [("+1-2", "=1+1"), ("-5", "@SUM(A1)")]
    rows = labelled(textcnn("predict", "-m", model, "--input", source, "--escape-formulas").out)
    assert [(row["'=id"], row["text"]) for row in rows] == [("'+1-2", "'=1+1"), ("-5", "'@SUM(A1)")]
    ended = textcnn("predict", "-m", model, "a text", "--escape-formulas")
    assert ended.code == 2
    assert "--escape-formulas: expected CSV to write, found text; leave it out" in ended.err


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_the_output_of_an_earlier_run_can_be_labelled_again(textcnn, model, tmp_path, ending):
    first = tmp_path / f"first.{ending}"
    arguments = ("predict", "-m", model, "--format", "csv" if ending == "csv" else "json", "--top-k", "2")
    first.write_text(textcnn(*arguments, *TEXTS).out, encoding="utf-8")
    ended = textcnn(*arguments, "--input", first)
    assert ended.code == 2
    assert "'prediction'" in ended.err
    assert "--replace-columns" in ended.err
    again = textcnn(*arguments, "--input", first, "--replace-columns")
    assert again.code == 0
    if ending == "csv":
        assert labelled(again.out) == labelled(first.read_text(encoding="utf-8"))
    else:
        assert again.out == first.read_text(encoding="utf-8")


def test_the_column_of_texts_is_never_replaced(textcnn, model, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("note,n\na fine film,1\n", encoding="utf-8")
    ended = textcnn("predict", "-m", model, "--input", source, "--text-column", "note", "--replace-columns")
    assert ended.code == 2
    assert "expected texts in another column than 'note'" in ended.err


def test_lines_of_stdin_that_arrive_in_many_parts(textcnn, model, monkeypatch):
    lines = "\ufeffwhat a fine film\n\nwhat a dull meal, naïve\nlast".encode()
    whole = textcnn("predict", "-m", model, stdin=lines)
    assert whole.code == 0
    for size in (1, 3, 20):
        monkeypatch.setattr("textcnn.cli.stdin._READ", size)
        assert textcnn("predict", "-m", model, stdin=lines) == whole
        wrong = textcnn("predict", "-m", model, stdin=lines + b"\n\xff")
        assert "the byte 0xff in line 5" in wrong.err
