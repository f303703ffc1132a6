"""The commands where only numpy, pyarrow, safetensors and click are installed."""

from __future__ import annotations

import configparser
import csv
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from textcnn.cli import _PACKAGES, main

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)")
MISSING = (
    *("datasets", "gensim", "huggingface_hub", "jinja2", "markupsafe", "matplotlib", "pandas", "rich", "scipy"),
    *("sklearn", "torch", "transformers", "yaml"),
)
REFUSE = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
"""
ROWS = [("What a fine film, number 1!", "positive"), ("", "negative"), ("zebra", "negative"), ("dull", "negative")]


def without_libraries(code: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run code in a Python that finds none of the libraries."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", REFUSE + code], input=stdin, capture_output=True, env=environment, check=False
    )


def slim(*args: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return without_libraries(
        f"sys.argv = {['textcnn', *map(str, args)]!r}\nfrom textcnn.cli import main\nmain()", stdin
    )


@pytest.fixture
def files(tmp_path):
    """The same texts in files of every form, by their endings."""
    table = pa.table({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]})
    lines = "".join(f"{text}\n" for text, _ in ROWS)
    paths = {name: tmp_path / f"in.{name}" for name in ("csv", "tsv", "csv.gz", "jsonl", "txt", "parquet", "arrow")}
    for name in ("csv", "tsv"):
        with paths[name].open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter="," if name == "csv" else "\t").writerows([("text", "label"), *ROWS])
    paths["csv.gz"].write_bytes(gzip.compress(paths["csv"].read_bytes()))
    rows = ({"text": text, "label": label} for text, label in ROWS)
    paths["jsonl"].write_text("".join(f"{row}\n".replace("'", '"') for row in rows), encoding="utf-8")
    paths["txt"].write_text(lines, encoding="utf-8")
    pq.write_table(table, paths["parquet"])
    pa.feather.write_feather(table, str(paths["arrow"]))
    return paths


def same(ended, textcnn, *args, stdin=b"") -> None:
    """Check that a command printed what it prints with all libraries."""
    full = textcnn(*args, stdin=stdin)
    assert (ended.returncode, ended.stderr.decode()) == (full.code, full.err)
    # The last bits of a number may differ between processes.
    found, expected = (NUMBER.split(out) for out in (ended.stdout.decode(), full.out))
    assert found[::2] == expected[::2]
    np.testing.assert_allclose(np.array(found[1::2], float), np.array(expected[1::2], float), rtol=1e-5, atol=1e-6)
    assert full.code == 0
    assert full.out


def test_help():
    ended = slim("--help")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"\n  evaluate " in ended.stdout


def test_predict_texts_and_lines(textcnn, model):
    args = ("predict", "-m", model, "--proba", "what a fine film", "")
    same(slim(*args), textcnn, *args)
    lines = b"what a fine film\ndull\n"
    same(slim("predict", "-m", model, stdin=lines), textcnn, "predict", "-m", model, stdin=lines)


@pytest.mark.parametrize("form", ["csv", "tsv", "csv.gz", "jsonl", "txt", "parquet", "arrow"])
def test_predict_files(textcnn, model, files, form):
    args = ("predict", "-m", model, "--input", files[form])
    same(slim(*args), textcnn, *args)


def test_predict_writes_tables(textcnn, model, files, tmp_path):
    args = ("predict", "-m", model, "--input", files["parquet"], "--proba", "--output")
    assert textcnn(*args, tmp_path / "full.parquet").code == 0
    for name, read in (("slim.parquet", pq.read_table), ("slim.arrow", pa.feather.read_table)):
        ended = slim(*args, tmp_path / name)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
        assert read(tmp_path / name).equals(pq.read_table(tmp_path / "full.parquet"))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_evaluate_files(textcnn, model, files, form):
    rows = pq.read_table(files["parquet"]).filter(pa.array([text != "" for text, _ in ROWS]))
    pq.write_table(rows, files["parquet"])
    with files["csv"].open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *(row for row in ROWS if row[0])])
    for args in (("evaluate", files[form], "-m", model), ("evaluate", files[form], "-m", model, "--json")):
        same(slim(*args), textcnn, *args)


def test_evaluate_several_labels(textcnn, tmp_path, tiny):
    texts = tmp_path / "topics.csv"
    rows = (f"{word} number {i},{label}\n" for i in range(20) for word, label in (("food", "a"), ("both", "a;b")))
    texts.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    ended = textcnn("train", texts, "--label-separator", ";", "-o", tmp_path / "model", *tiny)
    assert ended.code == 0, ended.err
    args = ("evaluate", texts, "--label-separator", ";", "-m", tmp_path / "model")
    full, found = textcnn(*args), slim(*args)
    assert found.stdout.decode() == full.out
    assert found.stderr.decode().splitlines()[-1:] == full.err.splitlines()[-1:]


EXPLAINED = ("What a fine film, and what a dull meal, and what a fine song, and so on", "zebra")


def test_explain(textcnn, model):
    same(slim("explain", "-m", model, *EXPLAINED), textcnn, "explain", "-m", model, *EXPLAINED)


def test_explanations_as_json(textcnn, model):
    args = ("explain", "-m", model, *EXPLAINED, "--format", "json")
    ended, full = slim(*args), textcnn(*args)
    assert (ended.returncode, ended.stderr) == (full.code, b"") == (0, b"")
    lines = zip(ended.stdout.decode().splitlines(), full.out.splitlines(), strict=True)
    for found, expected in ((json.loads(one), json.loads(other)) for one, other in lines):
        # The order of parts that are almost equal may differ with the last bits.
        assert {key: type(value) for key, value in found.items()} == {key: type(v) for key, v in expected.items()}
        assert (found["text"], found["prediction"]) == (expected["text"], expected["prediction"])
        np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-5)
        np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-5)


def test_the_library(model):
    code = f"""
import textcnn
model = textcnn.load_model({str(model)!r})
print(model.predict(["what a fine film"])[0], model.predict_proba(["what a fine film"]).shape)
print(model.explain(["what a fine film"])[0].method, *sorted({set(MISSING)!r} & set(sys.modules)))
"""
    ended = without_libraries(code)
    assert ended.stderr == b""
    assert ended.stdout.decode().splitlines() == ["positive (1, 2)", "exact"]


@pytest.fixture(scope="module")
def dcnn(tmp_path_factory, reviews):
    from click.testing import CliRunner

    from textcnn.cli import cli

    path = tmp_path_factory.mktemp("dcnn") / "model"
    args = ["train", str(reviews), "-o", str(path), "--preset", "kalchbrenner2014", "--epochs", "1", "--no-report"]
    assert CliRunner().invoke(cli, args, catch_exceptions=False).exit_code == 0
    return path


NEEDS_TORCH = (
    "explain: expected the library torch, which finds the gradients of this network and is not installed; "
    "install it: pip install torch"
)


def test_explanations_that_need_torch_say_so(dcnn):
    code = f"""
import textcnn
try:
    textcnn.load_model({str(dcnn)!r}).explain(["a text"])
except textcnn.ConfigError as error:
    print(error)
"""
    assert without_libraries(code).stdout.decode() == f"{NEEDS_TORCH}\n"
    ended = slim("explain", "-m", dcnn, "a text")
    assert (ended.returncode, ended.stdout, ended.stderr.decode()) == (2, b"", f"Error: {NEEDS_TORCH}\n")


@pytest.mark.parametrize(
    ("args", "library"),
    [
        (["train", "sample", "-o", "{tmp}/new"], "torch"),
        (["explain", "-m", "{model}", "--format", "html", "fine"], "jinja2"),
        (["report", "sample", "-m", "{model}", "-o", "{tmp}/report.html"], "scikit-learn"),
        (["compare", "{model}", "{model}", "{tmp}/in.csv"], "scipy"),
        (["vectors", "{tmp}/in.csv", "--min-count", "1", "-o", "{tmp}/vectors.bin"], "gensim"),
        (["evaluate", "user/name", "-m", "{model}"], "datasets"),
    ],
)
def test_a_missing_library_is_one_line(model, tmp_path, args, library):
    (tmp_path / "in.csv").write_text("text,label\nfine,positive\ndull,negative\n", encoding="utf-8")
    ended = slim(*(arg.format(tmp=tmp_path, model=model) for arg in args))
    message = f"Error: expected the library {library}, which is not installed; install it: pip install {library}"
    assert (ended.returncode, ended.stderr.decode().splitlines()[-1]) == (2, message)
    assert b"Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_every_library_that_is_required_is_known_by_its_module():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    required = {line.partition(">")[0] for line in settings["options"]["install_requires"].split()}
    if not required:
        pytest.skip("the package is tested without its sources")
    assert {*_PACKAGES.values(), "click"} == required


@pytest.mark.parametrize("name", ["torch._C", "textcnn.nothing"])
def test_a_broken_library_keeps_its_traceback(monkeypatch, name):
    def fail(path: object) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("textcnn.model.load_model", fail)
    monkeypatch.setattr(sys, "argv", ["textcnn", "predict", "a text"])
    with pytest.raises(ModuleNotFoundError):
        main()
