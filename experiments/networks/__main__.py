"""The networks beside one another: accuracy, and texts per second.

    textcnn vectors imdb --unsupervised --data-dir DATA --architecture skip-gram -o vectors.bin
    python -m experiments.networks --data-dir DATA --vectors vectors.bin

Every network has its default layers, or those named, batches of 50, and the corpora's usual splits; on IMDB also word
vectors of its unlabelled reviews. Prediction is of the test texts (of the short ones ten times over), from strings to
labels: the median of five turns.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from experiments import shared
from textcnn import load_corpus, load_model

HERE = Path(__file__).parent
SEEDS = {"mr": (0, 1, 2), "trec": (0, 1, 2), "sst2": (0, 1, 2), "imdb": (0,)}
TABLES = (("mr", "trec"), ("sst2", "imdb", "imdb with vectors"))
TIMES = {"mr": 10, "trec": 10, "sst2": 10, "imdb": 1}
TURNS = 5
BATCHES = ("--batch-size", "50")
NETWORKS: dict[str, tuple[str, ...]] = {
    "Kim": (),
    "DCNN": ("--arch", "dcnn"),
    "stacked, 2 layers": ("--arch", "stacked"),
    "stacked, 5 layers": (
        "--arch",
        "stacked",
        *("--region-sizes", "3,3,3,3,3"),
        "--feature-maps",
        "100,100,100,100,100",
    ),
    "residual, 5 layers": (
        *("--arch", "stacked", "--shortcut", "--region-sizes", "3,3,3,3,3"),
        *("--feature-maps", "100,100,100,100,100"),
    ),
    "inception, 3 layers": (
        *("--arch", "stacked", "--branches", "1,3,5", "--region-sizes", "3,5,5"),
        *("--feature-maps", "90,90,90"),
    ),
    "DPCNN": ("--arch", "dpcnn"),
}


def main() -> None:
    """Train what is missing, measure, and print the tables."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--vectors", metavar="FILE", help="word vectors of IMDB's reviews")
    arguments = shared.parse(parser, "data-dir", "vectors")
    path = arguments.output / "results.json"
    results: dict[str, Any] = shared.read_json(path) or {}
    if not arguments.show:
        for column in (column for columns in TABLES for column in columns):
            corpus, *with_vectors = column.split(" with ")
            for name, options in NETWORKS.items():
                cell = results.setdefault(column, {}).setdefault(name, {"runs": {}})
                more = ("--data-dir", arguments.data_dir, *(("--vectors", arguments.vectors) if with_vectors else ()))
                for seed in map(str, SEEDS[corpus]):
                    folder = folder_of(arguments.work, column, name, seed)
                    if seed not in cell["runs"]:
                        cell["runs"][seed] = train(corpus, folder, seed, (*options, *more))
                    if not with_vectors and "texts_per_second" not in cell:
                        test = list(load_corpus(corpus, data_dir=arguments.data_dir)["test"]["text"])
                        cell["texts_per_second"] = speed(folder, test * TIMES[corpus])
                    results["machine"] = shared.machine()
                    shared.write_json(path, results)
    print(markdown(results))


def folder_of(work: Path, column: str, name: str, seed: str) -> Path:
    """Return where a model is saved."""
    return work / f"networks-{column}-{name}-{seed}".replace(", ", "-").replace(" ", "-")


def train(corpus: str, folder: Path, seed: str, options: tuple[str, ...]) -> dict[str, float]:
    """Train a network by the command line, and return its scores."""
    command = ["train", corpus, "--seed", seed, "-o", str(folder), *BATCHES, *options]
    subprocess.run([sys.executable, "-m", "textcnn", *command, "--no-report", "--overwrite"], check=True)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {split: metrics[split]["accuracy"] for split in ("validation", "test")}


def speed(folder: Path, texts: list[str]) -> float:
    """Return the texts per second of a model, warm."""
    model = load_model(folder)
    model.predict(texts)
    seconds = []
    for _ in range(TURNS):
        begin = time.perf_counter()
        model.predict(texts)
        seconds.append(time.perf_counter() - begin)
    return len(texts) / statistics.median(seconds)


def markdown(results: dict[str, Any]) -> str:
    """Return the tables."""
    return "\n\n".join([*(table(results, columns) for columns in TABLES), shared.machine_line(results["machine"])])


def table(results: dict[str, Any], columns: tuple[str, ...]) -> str:
    """Return a table of some corpora."""
    header = ["network"]
    for column in columns:
        corpus, *more = column.split(" ", 1)
        header += [
            f"{' '.join([shared.NAMES[corpus], *more])}: validation, %",
            "test, %",
            *([] if more else ["texts/s"]),
        ]
    rows = []
    for network in NETWORKS:
        row = [network]
        for column in columns:
            cell = results[column][network]
            runs = list(cell["runs"].values())
            row += [shared.spread([run[split] for run in runs]) for split in ("validation", "test")]
            if "texts_per_second" in cell:
                row.append(f"{cell['texts_per_second']:,.0f}")
        rows.append(row)
    return shared.table(header, rows)


if __name__ == "__main__":
    main()
