"""Training beside another busy process: by as many threads as the defaults choose, by one, and by one for each core.

    python -m experiments.benchmarks.busy --data-dir DATA

Three epochs of MR by the command line; a side's figure is the median of its epochs, that of the table the median of the
runs. The other process counts without end.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments import shared
from experiments.benchmarks.common import by_turns

HERE = Path(__file__).parent
CORES = os.cpu_count() or 1
SIDES = {"the defaults": None, "one thread": 1, "a thread for each core": CORES}


def main() -> None:
    """Measure, save and print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the original files of MR")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs [5]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "busy.json"
    if not arguments.show:
        results: dict[str, Any] = {"machine": shared.machine(), "threads": {}}
        for name, others in (("idle", 0), ("one core is busy", 1)):
            with busy(others):
                chosen: list[int] = []
                sides = {side: training(arguments.data_dir, threads, chosen) for side, threads in SIDES.items()}
                results[name] = by_turns(sides, runs=arguments.runs, warm_up=0)
                results["threads"][name] = chosen
        shared.write_json(path, results)
    print(markdown(shared.read_json(path)))


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep some cores busy."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def training(data_dir: str, threads: int | None, chosen: list[int]) -> Callable[[], float]:
    """Return a function that trains by so many threads, None for the defaults, and returns the texts per second.

    Args:
        data_dir: of MR.
        threads: how many.
        chosen: gets the number that the defaults chose.
    """
    environment = {**os.environ, **({} if threads is None else {"OMP_NUM_THREADS": str(threads)})}

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            command = ["train", "mr", "--data-dir", data_dir, "--epochs", "3", "--no-report", "-o", str(model)]
            subprocess.run(
                [sys.executable, "-m", "textcnn", *command], check=True, capture_output=True, env=environment
            )
            saved = json.loads((model / "config.json").read_text(encoding="utf-8"))["training"]
        if threads is None:
            chosen.append(saved["environment"]["threads"])
        return statistics.median(epoch["texts_per_second"] for epoch in saved["history"]["epochs"])

    return run


def markdown(results: dict[str, Any]) -> str:
    """Return the table."""
    rows = []
    for name, chosen in results["threads"].items():
        figures = results[name]
        median = [
            f"{statistics.median(figures[side]):,.0f} ({min(figures[side]):,.0f}-{max(figures[side]):,.0f})"
            for side in SIDES
        ]
        rows.append([name, *median, ", ".join(map(str, chosen))])
    header = ["texts/s", *SIDES, "threads that the defaults chose, run by run"]
    return f"{shared.table(header, rows)}\n\n{shared.machine_line(results['machine'])}"


if __name__ == "__main__":
    main()
