"""The command line as whole processes: a million sentences beside fastText, peak memory, and the cost to start.

    pip install fasttext-wheel
    python -m experiments.benchmarks.command --data-dir DATA

What is made on the way (about 700 MB, in the folder `--work`) is used again: a million distinct sentences cut from
IMDB's reviews, and a model of each program, trained on IMDB's labelled reviews with its default settings (textcnn reads
400 tokens of a review and keeps words that occur five times). DATA holds IMDB's original files. Both predict the
sentences from a text file into one, with as many threads as the machine has cores: textcnn through its command line,
fastText, whose Python package has no command, by a process that reads lines, predicts them in lists and writes labels.
Times include starting Python and loading the model.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from experiments import shared
from experiments.benchmarks.common import by_turns, keep, ratios, times
from textcnn import load_corpus, load_model

HERE = Path(__file__).parent
SENTENCES = 1_000_000
FEW = 10_000
FASTTEXT = (sys.executable, "-m", "experiments.benchmarks.command", "--fasttext")
LINES = 16_384  # that fastText predicts at a time
TRAIN = ("--max-length", "400", "--min-count", "5")
TIMER = """
import json, os, subprocess, sys, time
begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
if status:
    sys.exit(1)
seconds = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}))
"""
SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+|(?:<br />)+")


def main() -> None:
    """Make what is missing, measure, print tables."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of IMDB's original files")
    parser.add_argument("--runs", type=int, default=3, help="turns [3]")
    parser.add_argument("--fasttext", nargs=3, type=Path, metavar=("MODEL", "IN", "OUT"), help=argparse.SUPPRESS)
    arguments = shared.parse(parser)
    if arguments.fasttext:
        predict_with_fasttext(*arguments.fasttext)
        return
    path = arguments.output / "command.json"
    if not arguments.show:
        if arguments.data_dir is None:
            parser.error("expected --data-dir, or --show")
        results = {
            "accuracy": {
                "textcnn": train_textcnn(arguments),
                "fasttext": train_fasttext(arguments),
                "compressed": compress_textcnn(arguments),
            },
            **sentences(arguments),
            "memory": memory(arguments),
            "start": start(arguments),
        }
        keep(path, results)
    print(markdown(shared.read_json(path)))


def model_of(program: str, folder: Path) -> Path:
    """Return where a program's model is kept."""
    return folder / {"textcnn": "imdb-model", "compressed": "imdb-small", "fasttext": "imdb.fasttext"}[program]


def train_textcnn(arguments: argparse.Namespace) -> float:
    """Train by the command line; return the test accuracy on IMDB."""
    model = model_of("textcnn", arguments.work)
    if not model.exists():
        run("train", "imdb", "--data-dir", arguments.data_dir, "-o", str(model), *TRAIN)
    return json.loads((model / "metrics.json").read_text())["test"]["accuracy"]


def compress_textcnn(arguments: argparse.Namespace) -> float:
    """Compress the model to numbers of 8 bits; return the test accuracy on IMDB."""
    model = model_of("compressed", arguments.work)
    if not model.exists():
        run("compress", str(model_of("textcnn", arguments.work)), "-o", str(model))
    test = load_corpus("imdb", data_dir=arguments.data_dir)["test"]
    names = test.features["label"].names
    predicted = load_model(model).predict(test["text"][:])
    return sum(names[label] == found for label, found in zip(test["label"], predicted, strict=True)) / len(test)


def train_fasttext(arguments: argparse.Namespace) -> float:
    """Train fastText; return the test accuracy on IMDB.

    Case and punctuation are as in textcnn, which fastText's manual recommends.
    """
    import fasttext

    model = model_of("fasttext", arguments.work)
    corpus = load_corpus("imdb", data_dir=arguments.data_dir)
    for split in ("train", "test"):
        part = corpus[split].shuffle(seed=0)  # fastText learns in the order of the file, and IMDB's is by class
        with (arguments.work / f"{split}.fasttext").open("w", encoding="utf-8") as file:
            for text, label in zip(part["text"], part["label"], strict=True):
                file.write(f"__label__{label} {separated(text)}\n")
    if not model.exists():
        fasttext.train_supervised(str(arguments.work / "train.fasttext"), thread=os.cpu_count(), verbose=0).save_model(
            str(model)
        )
    return fasttext.load_model(str(model)).test(str(arguments.work / "test.fasttext"))[1]


def separated(text: str) -> str:
    """Return a text in lower case, with spaces between words and punctuation marks."""
    return " ".join(re.findall(r"\w+(?:['’]\w+)*|[^\w\s]", text.lower()))


def predict_with_fasttext(model: Path, source: Path, target: Path) -> None:
    """Label a file's lines."""
    import fasttext

    fasttext.FastText.eprint = lambda *_, **__: None
    predictor = fasttext.load_model(str(model))
    with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as out:
        while part := [line.rstrip("\n") for line in islice(lines, LINES)]:
            labels, _ = predictor.predict(part)
            out.write("".join(f"{label[0]}\n" for label in labels))


def cut_sentences(data_dir: str) -> Iterator[str]:
    """Yield IMDB's sentences, each once."""
    seen = set()
    corpus = load_corpus("imdb", data_dir=data_dir, unsupervised=True)
    for split in corpus.values():
        for text in split["text"]:
            for sentence in SENTENCE_ENDS.split(text):
                sentence = " ".join(sentence.split())
                if sentence and sentence not in seen:
                    seen.add(sentence)
                    yield sentence


def lines(arguments: argparse.Namespace, count: int) -> Path:
    """Return a file of N sentences."""
    path = arguments.work / f"{count}.txt"
    if not path.exists():
        chosen = list(islice(cut_sentences(arguments.data_dir), count))
        if len(chosen) < count:
            raise SystemExit(f"expected {count:,} distinct sentences, found {len(chosen):,}")
        path.write_text("\n".join(chosen) + "\n", encoding="utf-8")
    return path


def sentences(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure a million sentences from file to file, in sentences per second, also with the compressed model."""
    source, target = lines(arguments, SENTENCES), arguments.work / "labels.txt"
    # fastText reads words between spaces: it gets its sentences prepared, outside the time.
    prepared = arguments.work / "prepared.txt"
    if not prepared.exists():
        with source.open(encoding="utf-8") as file, prepared.open("w", encoding="utf-8") as out:
            out.writelines(separated(line) + "\n" for line in file)
    model = str(model_of("fasttext", arguments.work))

    def textcnn(program: str) -> float:
        figures = run("predict", "-m", str(model_of(program, arguments.work)), *files(source, target))
        return SENTENCES / figures["seconds"]

    def fasttext() -> float:
        figures = timed(*FASTTEXT, model, str(prepared), str(target))
        return SENTENCES / figures["seconds"]

    sides = {name: partial(textcnn, name) for name in ("textcnn", "compressed")} | {"fasttext": fasttext}
    figures = by_turns(sides, runs=arguments.runs, warm_up=1)
    return {
        "sentences": {**ratios(figures, "textcnn", "fasttext"), "runs": figures},
        "compressed": ratios(figures, "compressed", "fasttext"),
    }


def files(source: Path, target: Path) -> tuple[str, ...]:
    """Return the options of `textcnn predict`."""
    return ("--input", str(source), "--output", str(target), "--overwrite")


def memory(arguments: argparse.Namespace) -> dict[str, float]:
    """Measure the peak resident memory of `textcnn predict`, in MB."""
    peaks = {}
    for count in (FEW, SENTENCES):
        options = files(lines(arguments, count), arguments.work / "labels.txt")
        figures = [run("predict", "-m", str(model_of("textcnn", arguments.work)), *options) for _ in range(3)]
        peaks[f"{count:,}"] = sorted(figure["peak_mb"] for figure in figures)[1]
    return {**peaks, "ratio": peaks[f"{SENTENCES:,}"] / peaks[f"{FEW:,}"]}


def start(arguments: argparse.Namespace) -> dict:
    """Measure CPU seconds of short commands, beside importing torch."""
    model = str(model_of("textcnn", arguments.work))
    sides = {
        "import torch": lambda: timed(sys.executable, "-c", "import torch")["cpu"],
        "textcnn predict": lambda: run("predict", "-m", model, "not bad at all")["cpu"],
        "textcnn --help": lambda: run("--help")["cpu"],
    }
    figures = by_turns(sides, runs=5)
    return {name: ratios(figures, name, "import torch") for name in sides}


def run(*command: str) -> dict[str, float]:
    """Run a `textcnn` command; return its figures."""
    return timed(sys.executable, "-m", "textcnn", *command)


def timed(*command: str) -> dict[str, float]:
    """Run a process; return its wall and CPU seconds and its peak resident memory."""
    # Through a small process: a new one's peak begins with the memory of the one that starts it.
    process = subprocess.run([sys.executable, "-c", TIMER, *command], stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        raise SystemExit(f"expected {' '.join(command)} to succeed, found the status {process.returncode}")
    return json.loads(process.stdout)


def markdown(results: dict[str, Any]) -> str:
    """Return the tables."""
    speed, accuracy = results["sentences"], results["accuracy"]
    rows = [
        ("textcnn predict", f"{speed['side']:,.0f}", times(speed, 2), f"{100 * accuracy['textcnn']:.1f}"),
        (
            "textcnn predict, compressed model",
            f"{results['compressed']['side']:,.0f}",
            times(results["compressed"], 2),
            f"{100 * accuracy['compressed']:.1f}",
        ),
        ("fastText", f"{speed['baseline']:,.0f}", "1x", f"{100 * accuracy['fasttext']:.1f}"),
    ]
    header = ("1,000,000 sentences, file to file", "sentences/s", "ratio (range)", "IMDB test accuracy")
    peaks = results["memory"]
    of_memory = [(name, f"{peak:,.0f} MB") for name, peak in peaks.items() if name != "ratio"]
    of_memory.append(("ratio", f"{peaks['ratio']:.2f}x"))
    of_start = [(name, f"{each['side']:.2f} s", f"{each['ratio']:.2f}x") for name, each in results["start"].items()]
    tables = [
        shared.table(header, rows),
        shared.table(("lines predicted", "peak memory"), of_memory),
        shared.table(("whole process", "CPU", "of importing torch"), of_start),
    ]
    return "\n\n".join([*tables, shared.machine_line(results["machine"])])


if __name__ == "__main__":
    main()
