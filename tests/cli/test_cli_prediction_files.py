"""Several files to label, into one file or into a folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from textcnn import load_model
from textcnn.data.soft_labels import read_soft_labels

RECORD = ".textcnn-predict.json"


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Three partitions of 10 rows in the folder that the test runs in."""
    monkeypatch.chdir(tmp_path)
    for part in range(3):
        rows = {"n": range(10 * part, 10 * part + 10), "text": [f"what a fine film {part} {i}" for i in range(10)]}
        pq.write_table(pa.table({"n": pa.array(rows["n"], pa.int32()), "text": rows["text"]}), f"part-{part}.parquet")
    return tmp_path


def names(folder: Path | str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir() if path.name != RECORD)


@pytest.mark.parametrize("name", ["out.parquet", "out.pq", "out.PARQUET", "out.arrow", "out.feather"])
def test_the_form_follows_the_name(textcnn, model, parts, name):
    ended = textcnn("predict", "-m", model, "--input", "part-0.parquet", "--output", name)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    found = pq.read_table(name) if name[4] in "pP" else pa.feather.read_table(name)
    assert found.column_names == ["n", "text", "prediction", "probability", "note"]
    assert found.schema.field("n").type == pa.int32()
    assert found["prediction"].to_pylist() == load_model(model).predict(found["text"].to_pylist()).tolist()


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_table_needs_a_file(textcnn, model, parts, form):
    ended = textcnn("predict", "-m", model, "--format", form, "fine")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"Error: --format {form}: expected a file to write to, found stdout; name one with --output\n"
    assert textcnn("predict", "-m", model, "--format", form, "--output", "x", "fine", "dull").code == 0
    table = pq.read_table("x") if form == "parquet" else pa.feather.read_table("x")
    assert table["text"].to_pylist() == ["fine", "dull"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "arrow"])
def test_what_is_written_is_read_as_soft_labels(textcnn, model, parts, ending):
    args = ("predict", "-m", model, "--input", "part-1.parquet", "--proba", "--output", f"out.{ending}")
    assert textcnn(*args).code == 0
    predictor = load_model(model)
    found = read_soft_labels([f"out.{ending}"], predictor.classes_.tolist())
    expected = predictor.predict_proba(found.texts)
    assert found.probabilities == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.jsonl"])
def test_several_files_into_one(textcnn, model, parts, name):
    files = ("--input", "part-[12].parquet", "--input", "part-0.parquet")
    ended = textcnn("predict", "-m", model, *files, "--output", name)
    assert (ended.code, ended.err) == (0, "")
    if name.endswith("parquet"):
        numbers = pq.read_table(name)["n"].to_pylist()
    elif name.endswith("csv"):
        numbers = [int(line.split(",")[0]) for line in Path(name).read_text(encoding="utf-8").splitlines()[1:]]
    else:
        numbers = [json.loads(line)["n"] for line in Path(name).read_text(encoding="utf-8").splitlines()]
    assert numbers == [*range(10, 30), *range(10)]


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(textcnn, model, parts):
    shutil.copy("part-2.parquet", "part-[01].parquet")
    ended = textcnn("predict", "-m", model, "--input", "part-[01].parquet")
    assert ended.out.splitlines()[1].startswith('20,"what a fine film 2 0"')


def test_files_with_other_columns_are_named(textcnn, model, parts):
    pq.write_table(pa.table({"text": ["fine"], "m": [1]}), "part-1.parquet")
    for name in ("out.parquet", "out.csv"):
        ended = textcnn("predict", "-m", model, "--input", "part-*.parquet", "--output", name)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == (
            "Error: part-1.parquet: expected the columns ['n', 'text'] in all rows, found m too in later ones; write "
            "json\n"
        )
    pq.write_table(pa.table({"n": ["1"], "text": ["fine"]}), "part-1.parquet")
    ended = textcnn("predict", "-m", model, "--input", "part-*.parquet", "--output", "out.parquet")
    assert ended.err == (
        "Error: part-1.parquet: expected int32 in the column 'n' as in the rows before, found string; convert it, or "
        "write json\n"
    )
    assert names(".") == ["part-0.parquet", "part-1.parquet", "part-2.parquet"]
    assert textcnn("predict", "-m", model, "--input", "part-*.parquet", "--format", "json").code == 0


def test_a_missing_file_is_named_before_anything_is_written(textcnn, model, parts):
    for output in ("out.csv", "out/"):
        ended = textcnn("predict", "-m", model, "--input", "part-0.parquet", "--input", "none.csv", "--output", output)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "Error: expected a file, but there is no none.csv\n"
    assert names(".") == ["part-0.parquet", "part-1.parquet", "part-2.parquet"]


def test_a_folder_has_a_file_for_each_input_file_in_its_form(textcnn, model, parts):
    Path("a.tsv").write_text("text\tn\nfine\t1\n", encoding="utf-8")
    Path("b.jsonl").write_text('{"text": "fine"}\n', encoding="utf-8")
    Path("c.txt").write_text("fine\n", encoding="utf-8")
    pa.feather.write_feather(pa.table({"text": ["fine"]}), "d.feather")
    files = [arg for name in ("a.tsv", "b.jsonl", "c.txt", "d.feather", "part-*.parquet") for arg in ("--input", name)]
    ended = textcnn("predict", "-m", model, *files, "--output", "out/")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    outputs = ["a.csv", "b.jsonl", "c.txt", "d.feather", "part-0.parquet", "part-1.parquet", "part-2.parquet"]
    assert names("out") == outputs
    assert Path("out/a.csv").read_text(encoding="utf-8").startswith('"text","n","prediction","probability","note"\n')
    assert Path("out/c.txt").read_text(encoding="utf-8").endswith("\tfine\n")
    assert "prediction" in pa.feather.read_table("out/d.feather").column_names
    assert pq.read_table("out/part-2.parquet")["n"].to_pylist() == [*range(20, 30)]
    # A folder that is there needs no slash, and the form may be another.
    Path("more").mkdir()
    ended = textcnn("predict", "-m", model, *files[2:8], "--output", "more", "--format", "csv")
    assert (ended.code, ended.err) == (0, "")
    assert names("more") == ["b.csv", "c.csv", "d.csv"]


def test_a_run_goes_on_where_it_was_ended(textcnn, model, parts):
    args = ("predict", "-m", model, "--input", "part-*.parquet", "--output", "out/")
    whole = Path("part-1.parquet").read_bytes()
    Path("part-1.parquet").write_bytes(whole[:-4])
    ended = textcnn(*args)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: expected an intact Parquet file, but part-1.parquet cannot be read: ")
    assert names("out") == ["part-0.parquet"]
    Path("part-1.parquet").write_bytes(whole)
    os.utime("out/part-0.parquet", (0, 0))
    ended = textcnn(*args)
    assert (ended.code, ended.err) == (
        2,
        "Error: out: expected an empty folder, found 1 of 3 files finished; choose another folder, go on (--resume) or "
        "replace them (--overwrite)\n",
    )
    ended = textcnn(*args, "--resume")
    assert (ended.code, ended.out, ended.err) == (0, "", "1 of 3 files are finished\n")
    assert names("out") == ["part-0.parquet", "part-1.parquet", "part-2.parquet"]
    assert Path("out/part-0.parquet").stat().st_mtime == 0
    assert textcnn(*args, "--resume").err == "3 of 3 files are finished\n"
    assert textcnn(*args, "--overwrite").code == 0
    assert Path("out/part-0.parquet").stat().st_mtime > 0
    # One that replaces files goes on with its own alone.
    Path("part-1.parquet").write_bytes(whole[:-4])
    assert textcnn(*args, "--overwrite", "--proba").code == 2
    assert names("out") == ["part-0.parquet"]
    Path("part-1.parquet").write_bytes(whole)
    assert textcnn(*args, "--resume", "--proba").err == "1 of 3 files are finished\n"
    schemas = [pq.read_schema(f"out/part-{part}.parquet") for part in range(3)]
    assert schemas[0] == schemas[1] == schemas[2]
    assert "probability:positive" in schemas[0].names


def test_a_run_goes_on_only_with_the_same_model_and_options(textcnn, model, parts, reviews, tiny):
    args = ("predict", "--input", "part-*.parquet", "--output", "out/")
    assert textcnn(*args, "-m", model).code == 0
    content = Path("out/part-0.parquet").read_bytes()
    for more, what in (
        (("--proba",), "--proba"),
        (("--threshold", "positive=0.9"), "--threshold"),
        (("--label-separator", "|"), "--label-separator"),
        (("--text-column", "text"), "--text-column"),
    ):
        ended = textcnn(*args, "-m", model, *more, "--resume")
        assert (ended.code, ended.err) == (
            2,
            f"Error: out: expected to go on with the same model and options, found another {what}; give the same, or "
            "replace the files (--overwrite)\n",
        )
    assert textcnn("train", reviews, "-o", "other", *tiny, "--seed", "7").code == 0
    assert "found another model" in textcnn(*args, "-m", "other", "--resume").err
    assert Path("out/part-0.parquet").read_bytes() == content
    ended = textcnn(*args, "-m", model, "--threshold", "positive=0.9", "--overwrite")
    assert (ended.code, ended.err) == (0, "")
    ended = textcnn(*args, "-m", model, "--threshold", "positive=0.9", "--resume")
    assert (ended.code, ended.err) == (0, "3 of 3 files are finished\n")


def test_a_folder_of_other_files_stays_as_it_is(textcnn, model, parts):
    args = ("predict", "-m", model, "--input", "part-*.parquet", "--format", "csv", "--output")
    before = {path: path.read_bytes() for path in parts.iterdir()}
    for more in ((), ("--overwrite",), ("--resume",)):
        ended = textcnn(*args, f"{parts}/", *more)
        assert (ended.code, ended.err) == (
            2,
            f"Error: {parts}: expected an empty folder, or one with the files of an earlier run alone, found "
            "'part-0.parquet' and 2 more; choose another\n",
        )
    assert {path: path.read_bytes() for path in parts.iterdir()} == before
    args = (*args[:5], "--output")
    assert textcnn(*args, "out/").code == 0
    ended = textcnn("predict", "-m", model, "--input", "out/part-*.parquet", "--output", "out/", "--overwrite")
    assert (ended.code, ended.err) == (
        2,
        "Error: out/part-0.parquet: expected a file other than the input; choose another --output\n",
    )
    assert names("out") == ["part-0.parquet", "part-1.parquet", "part-2.parquet"]
    Path("out/notes.md").touch()
    for more in (("--overwrite",), ("--resume",)):
        assert "found 'notes.md'; choose another" in textcnn(*args, "out/", *more).err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--input", "a/x.csv", "--input", "b/x.tsv", "--output", "out/"],
            "expected input files of different names, found a/x.csv and b/x.tsv, both for out/x.csv; rename one",
        ),
        (
            ["--input", "a/x.csv", "--output", "no/out/"],
            "no/out: expected the folder {tmp}/no to exist; create it first",
        ),
        (
            ["--input", "a/x.csv", "--output", "a/x.csv/"],
            "a/x.csv: expected a folder, found a file; choose another name",
        ),
        (
            ["--output", "out/", "fine"],
            "out/: expected files to read, found none; name them with --input, or an output file",
        ),
        (
            ["--input", "a/x.csv", "--output", "out.csv", "--resume"],
            "--resume: expected a folder to write to, found none; give one (--output FOLDER/)",
        ),
        (
            ["--input", "a/x.csv", "--output", "out/", "--resume", "--overwrite"],
            "expected --resume or --overwrite, found both; leave one out",
        ),
        (
            ["--input", "a/x.csv", "--output", "out/", "--format", "json", "--escape-formulas"],
            "--escape-formulas: expected CSV to write, found json; leave it out",
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(textcnn, model, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    for folder, mark in (("a", ","), ("b", "\t")):
        Path(folder).mkdir()
        Path(folder, f"x.{'csv' if mark == ',' else 'tsv'}").write_text(f"text{mark}n\nfine{mark}1\n", encoding="utf-8")
    ended = textcnn("predict", "-m", model, *args)
    assert (ended.code, ended.out, ended.err) == (2, "", f"Error: {message.format(tmp=tmp_path)}\n")
    assert names(".") == ["a", "b"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals and pipes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_leaves_whole_files_and_goes_on(textcnn, model, parts, number):
    os.mkfifo("part-1.txt")
    for name in ("part-0.txt", "part-2.txt"):
        Path(name).write_text("fine\n", encoding="utf-8")
    args = ("predict", "-m", str(model), "--format", "csv")
    for name in ("part-0.txt", "part-1.txt", "part-2.txt"):
        args += ("--input", name)
    command = [sys.executable, "-m", "textcnn", *args, "--output", "out/"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        with Path("part-1.txt").open("wb") as lines:  # returns once the other end is read
            lines.write(b"fine\n")
            lines.flush()
            time.sleep(1)  # until it waits for more: an import may swallow the signal
            process.send_signal(number)
            assert process.wait() == (130 if number == signal.SIGINT else -number)
        timer.cancel()
    left = names("out")
    assert left[-1:] == ["part-0.csv"]
    assert [name[-5:] for name in left[:-1]] == ([] if number == signal.SIGINT else [".part"])
    Path("part-1.txt").unlink()
    Path("part-1.txt").write_text("dull\n", encoding="utf-8")
    ended = textcnn(*args, "--output", "out/", "--resume")
    assert (ended.code, ended.err) == (0, "1 of 3 files are finished\n")
    assert names("out")[-3:] == ["part-0.csv", "part-1.csv", "part-2.csv"]
