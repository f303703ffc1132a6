"""Large files: a million lines predicted, a Parquet of three million rows trained on, with time and peak memory.

    python experiments/scale/run.py FOLDER --output experiments/scale/results.json

FOLDER takes the files that are made (about 600 MB, deleted afterwards). Texts are words of the
sample corpus in random order, so scores mean nothing here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textcnn import load_corpus

WORDS_A_TEXT = 12
BATCH = 100_000
SMALL = ("--dimension", "50", "--feature-maps", "25", "--batch-size", "1000", "--epochs", "1")


def main() -> None:
    """Make the files, run the commands, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=3_000_000)
    arguments = parser.parse_args()
    results = {"machine": {"cores": os.cpu_count(), "python": platform.python_version()}, "runs": []}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        model = folder / "model"
        run("train", "sample", "-o", str(model))
        for lines in (arguments.lines // 100, arguments.lines):
            path = folder / f"{lines}.txt"
            with path.open("w", encoding="utf-8") as file:
                for texts, _ in batches(lines):
                    file.write("\n".join(texts) + "\n")
            figures = run(
                *("predict", "-m", str(model), "--input", str(path)),
                *("--output", str(folder / "out.csv"), "--overwrite"),
            )
            with (folder / "out.csv").open("rb") as file:
                written = sum(1 for _ in file) - 1
            if written != lines:
                raise SystemExit(f"expected {lines} rows, found {written}")
            results["runs"].append({"what": "predict a text file", "texts": lines, **figures})
        path = folder / "train.parquet"
        schema = pa.schema({"text": pa.string(), "label": pa.string()})
        with pq.ParquetWriter(path, schema) as writer:
            for texts, labels in batches(arguments.rows):
                writer.write_table(pa.table({"text": texts, "label": labels}, schema))
        figures = run("train", str(path), "-o", str(folder / "large"), *SMALL)
        results["runs"].append({"what": "train on Parquet, one epoch", "texts": arguments.rows, **figures})
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=2) + "\n")
    print("| what | texts | seconds | texts/s | peak memory |")
    print("| --- | --- | --- | --- | --- |")
    for row in results["runs"]:
        rate = row["texts"] / row["seconds"]
        print(f"| {row['what']} | {row['texts']:,} | {row['seconds']:.0f} | {rate:,.0f} | {row['peak_mb']:,.0f} MB |")


def batches(texts: int) -> Iterator[tuple[list[str], list[str]]]:
    """Random texts and labels, so many in all."""
    generator = np.random.default_rng(0)
    words = np.array(sorted({word for text in load_corpus("sample")["train"]["text"] for word in text.split()}))
    for begin in range(0, texts, BATCH):
        size = min(BATCH, texts - begin)
        rows = words[generator.integers(0, len(words), size=(size, WORDS_A_TEXT))]
        labels = np.array(["negative", "positive"])[generator.integers(0, 2, size=size)]
        yield [" ".join(row) for row in rows.tolist()], labels.tolist()


def run(*command: str) -> dict[str, float]:
    """A `textcnn` command's wall time and peak resident memory."""
    print("textcnn", *command, file=sys.stderr)
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "textcnn", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"expected the command to succeed, found the status {status}")
    return {"seconds": time.perf_counter() - begin, "peak_mb": usage.ru_maxrss / 1024}


if __name__ == "__main__":
    main()
