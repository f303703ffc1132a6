"""Large files: a million lines predicted, a Parquet file of three million rows trained on, with time and peak memory.

    python -m experiments.scale

The files made on the way (about 600 MB) are deleted afterwards. Texts are words of the sample corpus in random order,
so scores mean nothing here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments import shared
from textcnn import load_corpus

WORDS_PER_TEXT = 12
BATCH = 100_000
SMALL = ("--dimension", "50", "--feature-maps", "25", "--batch-size", "1000", "--epochs", "1")


def main() -> None:
    """Make the files, run the commands, print a table."""
    parser = shared.make_parser(__doc__ or "", Path(__file__).parent)
    parser.add_argument("--lines", type=int, default=1_000_000, help="to predict [1000000]")
    parser.add_argument("--rows", type=int, default=3_000_000, help="to train on [3000000]")
    arguments = shared.parse(parser)
    path = arguments.output / "results.json"
    if not arguments.show:
        with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            runs = measure(Path(folder), arguments.lines, arguments.rows)
        shared.write_json(path, {"machine": shared.machine(), "runs": runs})
    print(markdown(shared.read_json(path)))


def measure(folder: Path, lines: int, rows: int) -> list[dict[str, Any]]:
    """Predict a hundredth of the lines and all of them, and train on the rows."""
    runs = []
    model = folder / "model"
    run("train", "sample", "-o", str(model))
    for count in (lines // 100, lines):
        path = folder / f"{count}.txt"
        with path.open("w", encoding="utf-8") as file:
            for texts, _ in batches(count):
                file.write("\n".join(texts) + "\n")
        out = folder / "out.csv"
        figures = run("predict", "-m", str(model), "--input", str(path), "--output", str(out), "--overwrite")
        with out.open("rb") as file:
            written = sum(1 for _ in file) - 1
        if written != count:
            raise SystemExit(f"expected {count} rows, found {written}")
        runs.append({"what": "predict a text file", "texts": count, **figures})
    path = folder / "train.parquet"
    schema = pa.schema({"text": pa.string(), "label": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for texts, labels in batches(rows):
            writer.write_table(pa.table({"text": texts, "label": labels}, schema))
    figures = run("train", str(path), "-o", str(folder / "large"), *SMALL)
    return [*runs, {"what": "train on Parquet, one epoch", "texts": rows, **figures}]


def markdown(results: dict[str, Any]) -> str:
    """Return the table."""
    rows = [
        (
            run["what"],
            f"{run['texts']:,}",
            f"{run['seconds']:.0f}",
            f"{run['texts'] / run['seconds']:,.0f}",
            f"{run['peak_mb']:,.0f} MB",
        )
        for run in results["runs"]
    ]
    table = shared.table(("what", "texts", "seconds", "texts/s", "peak memory"), rows)
    return f"{table}\n\n{shared.machine_line(results['machine'])}"


def batches(texts: int) -> Iterator[tuple[list[str], list[str]]]:
    """Yield N random texts and labels in total."""
    generator = np.random.default_rng(0)
    words = np.array(sorted({word for text in load_corpus("sample")["train"]["text"] for word in text.split()}))
    for begin in range(0, texts, BATCH):
        size = min(BATCH, texts - begin)
        rows = words[generator.integers(0, len(words), size=(size, WORDS_PER_TEXT))]
        labels = np.array(["negative", "positive"])[generator.integers(0, 2, size=size)]
        yield [" ".join(row) for row in rows.tolist()], labels.tolist()


def run(*command: str) -> dict[str, float]:
    """Run a `textcnn` command; return its wall time and peak resident memory."""
    print("textcnn", *command, file=sys.stderr)
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "textcnn", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"expected the command to succeed, found the status {status}")
    return {"seconds": time.perf_counter() - begin, "peak_mb": usage.ru_maxrss / 1024}


if __name__ == "__main__":
    main()
