"""The networks beside one another: accuracy, and texts per second.

    python -m experiments.networks --data-dir DATA

Every network has its default settings, without outside text, and three seeds on the corpora's usual splits. Prediction
is of the test texts, ten times over, from strings to labels: the median of five turns.
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
CORPORA = ("mr", "trec")
SEEDS = (0, 1, 2)
TURNS, TIMES = 5, 10
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
    """Train what is missing, measure, and print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "results.json"
    results: dict[str, Any] = shared.read_json(path) or {}
    if not arguments.show:
        for corpus in CORPORA:
            for name, options in NETWORKS.items():
                cell = results.setdefault(corpus, {}).setdefault(name, {"runs": {}})
                for seed in SEEDS:
                    if str(seed) not in cell["runs"]:
                        folder = folder_of(arguments.work, corpus, name, seed)
                        cell["runs"][str(seed)] = train(corpus, arguments.data_dir, folder, seed, options)
                        results["machine"] = shared.machine()
                        shared.write_json(path, results)
        for corpus in CORPORA:
            test = load_corpus(corpus, data_dir=arguments.data_dir)["test"]
            for name in NETWORKS:
                rate = speed(folder_of(arguments.work, corpus, name, 0), list(test["text"]) * TIMES)
                results[corpus][name]["texts_per_second"] = rate
        shared.write_json(path, results)
    print(markdown(results))


def folder_of(work: Path, corpus: str, name: str, seed: int) -> Path:
    """Return where a model is saved."""
    return work / f"networks-{corpus}-{name.replace(', ', '-').replace(' ', '-')}-{seed}"


def train(corpus: str, data_dir: str, folder: Path, seed: int, options: tuple[str, ...]) -> dict[str, float]:
    """Train a network by the command line, and return its scores."""
    command = ["train", corpus, "--data-dir", data_dir, "--seed", str(seed), "-o", str(folder), *options]
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
    """Return the table."""
    header = ["network"]
    for corpus in CORPORA:
        name = shared.NAMES[corpus]
        header += [f"{name}: validation, %", "test, %", "texts/s"]
    rows = []
    for network in NETWORKS:
        row = [network]
        for corpus in CORPORA:
            cell = results[corpus][network]
            runs = list(cell["runs"].values())
            row += [shared.spread([run[split] for run in runs]) for split in ("validation", "test")]
            row.append(f"{cell['texts_per_second']:,.0f}")
        rows.append(row)
    return f"{shared.table(header, rows)}\n\n{shared.machine_line(results['machine'])}"


if __name__ == "__main__":
    main()
