"""What do Spark and Ray cost beside processes of `textcnn predict`, from Parquet to Parquet?

    pip install '.[spark,ray]'  # Spark needs Java 17 too
    python -m experiments.engines

A million texts in eight files, by one process with one thread, one with two, two processes with one thread and half of
the files each, Spark (`local[2]`) and Ray (two actors), in turns. Every run starts its own processes. Start-up is the
time until an engine's session or cluster is there, with the imports. Then the engine does the same again, which shows
what a job costs where the engine runs already (Spark's workers live on; Ray starts its actors for each job). All rows
are compared with the labels and probabilities of the plain predictor. Finished runs are kept: after --rounds 3,
--rounds 5 measures twice more.

The texts are words of the sample corpus in random order, or the lines of a file (--texts), again and again if they are
fewer. The model is one of the sample corpus with the default settings.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments import shared
from textcnn import TextCNNClassifier, load_corpus, load_model

HERE = Path(__file__).parent
PARTS = 8
CORES = 2
WORDS_PER_TEXT = 12
EQUAL = 1e-5  # probabilities that are no further apart
MANY = 10**9  # texts, on paper
PLAIN = {
    "textcnn predict, one thread": (1, 1),
    "textcnn predict, two threads": (1, CORES),
    "two processes of one thread": (CORES, 1),
}  # processes, and threads of each
ENGINES = {"Spark, local[2]": "spark_job", "Ray, two actors": "ray_job"}
BESIDE = "two processes of one thread"


def main() -> None:
    """Make what is missing, measure what is not in the results yet, print the tables."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--texts", type=Path, metavar="FILE", help="whose lines are the texts [made up]")
    parser.add_argument("--count", type=int, default=1_000_000, metavar="N", help="texts [1000000]")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="[3]")
    arguments = shared.parse(parser)
    path = arguments.output / "results.json"
    results = shared.read_json(path)
    if not arguments.show:
        settings = {"count": arguments.count, "texts": arguments.texts.name if arguments.texts else "made up"}
        if results and results["settings"] != settings:
            parser.error(f"expected the settings of {path}, {results['settings']}, found {settings}")
        work = arguments.work / "engines"
        machine = shared.machine() | {name: version(name) for name in ("pyspark", "ray")}
        results |= {"settings": settings, "machine": machine, "read": prepare(work, settings, arguments.texts)}
        expected = predicted_plainly(work)
        for turn in range(arguments.rounds):
            for name in (*PLAIN, *ENGINES):
                runs = results.setdefault("runs", {}).setdefault(name, [])
                if len(runs) == turn:
                    runs.append(measured(name, work, expected))
                    shared.write_json(path, results)
                    print(f"  {name}: {runs[-1]}", file=sys.stderr)
    print(markdown(results))


def prepare(work: Path, settings: dict[str, Any], lines: Path | None) -> int:
    """Train the model and write the texts if that is not done yet; return the bytes of their files."""
    work.mkdir(exist_ok=True)
    if not (work / "model").exists():
        corpus = load_corpus("sample")["train"]
        names = np.array(corpus.features["label"].names)
        TextCNNClassifier(device="cpu").fit(list(corpus["text"]), names[corpus["label"]]).save(work / "model")
    folder, mark = work / "texts", work / "texts.json"
    if shared.read_json(mark) != settings:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        texts = made_up() if lines is None else cycle(lines.read_text(encoding="utf-8").splitlines())
        bounds = np.linspace(0, settings["count"], PARTS + 1).astype(int).tolist()
        for part, (begin, end) in enumerate(pairwise(bounds)):
            table = pa.table({"id": range(begin, end), "text": list(islice(texts, end - begin))})
            pq.write_table(table, folder / f"part-{part}.parquet")
        shared.write_json(mark, settings)
    return size_of(folder)


def made_up() -> Iterator[str]:
    """Yield random texts without end."""
    generator = np.random.default_rng(0)
    words = np.array(sorted({word for text in load_corpus("sample")["train"]["text"] for word in text.split()}))
    while True:
        for row in words[generator.integers(0, len(words), size=(10_000, WORDS_PER_TEXT))].tolist():
            yield " ".join(row)


class Expected(NamedTuple):
    """The rows of the plain predictor: the texts with their ids, the labels, (N,), and probabilities, (N, K)."""

    texts: pa.Table
    labels: np.ndarray
    probabilities: np.ndarray


def predicted_plainly(work: Path) -> Expected:
    """Return what the plain predictor says of all texts."""
    texts, model = pq.read_table(work / "texts"), load_model(work / "model")
    return Expected(texts, model.predict(texts["text"]), model.predict_proba(texts["text"]))


def measured(name: str, work: Path, expected: Expected) -> dict[str, float]:
    """Return the seconds of one run, and the bytes that it wrote, once its rows are checked."""
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    figures = run_plain(work, out, *PLAIN[name]) if name in PLAIN else run_engine(work, out, ENGINES[name])
    for folder in (out, *([out / "again"] if name in ENGINES else [])):
        check(pq.read_table(sorted(folder.glob("rows*/*.parquet"))), expected, name)
    figures["written"] = size_of(*out.glob("rows*"))
    shutil.rmtree(out)
    return figures


def run_plain(work: Path, out: Path, processes: int, threads: int) -> dict[str, float]:
    """Run `textcnn predict` in some processes, which share the files."""
    parts = sorted((work / "texts").glob("*.parquet"))
    begin = time.perf_counter()
    running = []
    for number in range(processes):
        command = ["predict", "-m", str(work / "model"), "--output", f"{out}/rows-{number}/"]
        for part in parts[number::processes]:
            command += ["--input", str(part)]
        running.append(start(["textcnn", *command], out / f"{number}.log", OMP_NUM_THREADS=str(threads)))
    finish(running, out)
    return {"total": time.perf_counter() - begin}


def run_engine(work: Path, out: Path, module: str) -> dict[str, float]:
    """Run an engine's job; return its seconds in total (less the second job's), of start-up, and of both jobs."""
    began = time.time()
    command = [f"experiments.engines.{module}", str(work / "model"), str(work / "texts"), str(out)]
    finish([start(command, out / "engine.log", PYSPARK_PYTHON=sys.executable)], out)
    ended = time.time()
    times = json.loads((out / "times.json").read_text())
    again = times["again"] - times["job"]
    return {
        "total": ended - began - again,
        "start": times["start"] - began,
        "job": times["job"] - times["start"],
        "again": again,
    }


def start(module: Sequence[str], log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a module of Python; what it says goes to a file."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *module], env={**os.environ, **environment}, stdout=file, stderr=file
        )


def finish(running: Sequence[subprocess.Popen[bytes]], out: Path) -> None:
    """Wait for processes; raise SystemExit if one fails, and leave what it said."""
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit(f"expected all processes to succeed, found a failure; see the logs in {out}")


def check(rows: pa.Table, expected: Expected, name: str) -> None:
    """Raise SystemExit unless rows are those of the plain predictor, one by one."""
    rows = rows.sort_by("id")
    same = all(rows[column].combine_chunks() == expected.texts[column].combine_chunks() for column in ("id", "text"))
    second, best = np.sort(expected.probabilities, axis=1)[:, -2:].T
    other = (rows["prediction"].to_numpy() != expected.labels) & (best - second > EQUAL)
    apart = np.abs(rows["probability"].to_numpy() - best).max()
    if not same or other.any() or apart > EQUAL:
        raise SystemExit(f"{name}: expected the plain predictor's rows, found {other.sum()} other labels, {apart=}")


def size_of(*folders: Path) -> int:
    """Return the bytes of the Parquet files in folders."""
    return sum(path.stat().st_size for folder in folders for path in folder.glob("*.parquet"))


def markdown(results: dict[str, Any]) -> str:
    """Return the tables: what was measured, and what a billion texts would cost."""
    count = results["settings"]["count"]
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in results["runs"].items()
    }
    beside, rounds = medians[BESIDE]["total"], min(map(len, results["runs"].values()))
    rows, paper = [], []
    for name, each in medians.items():
        own = [f"{each['start']:.1f}", f"{count / each['again']:,.0f}"] if "start" in each else ["", ""]
        cores = 1 if name == "textcnn predict, one thread" else CORES
        rate = count / each.get("again", each["total"])
        over = each["total"] - beside
        rows.append([name, f"{each['total']:.1f}", f"{count / each['total']:,.0f}", *own, f"{over:+.1f}"])
        hours = MANY / rate * cores / 3600
        paper.append([name, f"10^9 / {rate:,.0f} x {cores} / 3,600 = {hours:.1f}"])
        for size in (results["read"] / count, each["written"] / count):
            paper[-1].append(f"{size:.0f} x 10^9 = {size * MANY / 1e9:,.0f} GB")
    header = [f"{count:,} texts, Parquet to Parquet", "seconds", "texts/s", "start-up, seconds", "texts/s, again"]
    costs = ["10^9 texts, on paper", "core-hours: texts / (texts/s) x cores / 3,600", "read: bytes/text", "written"]
    machine = results["machine"]
    notes = [
        shared.machine_line(machine),
        f"PySpark {machine['pyspark']}, Ray {machine['ray']}; medians of {rounds} round{'s' * (rounds > 1)}.",
    ]
    tables = [shared.table([*header, "seconds over two processes"], rows), shared.table(costs, paper)]
    return "\n\n".join([*tables, "\n".join(notes)])


if __name__ == "__main__":
    main()
