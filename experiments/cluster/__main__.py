"""Training by several machines: one process and two measured here, up to 64 machines computed from what is measured.

    python -m experiments.cluster --data-dir DATA

DATA holds the original files of MR and IMDB (`textcnn data` lists them). A network with the default settings is trained
on a corpus by one process and by two, of one thread each, which exchange over this machine's loopback device (gloo).

Then N machines are computed. A step of a batch takes

    T(N) = C(N) + 2 (N - 1) (S / (N b) + L) + (N - 1) (I / b + L) + (N - 1) (16 / b + L)

seconds: C(N) is the time of a step without exchanges, measured here as the first of N processes, with its share of the
batch and all rows that the N touch; then come the sum of the gradients by a ring of all machines, S bytes, and two
gathers of the row ids, I bytes of each machine, and of their numbers. S and I are measured, too. b is the bandwidth of
the network, L what a message takes however short it is: 50 microseconds. The speed-up is C(1) / T(N): it is of the
steps, which one machine takes with the same batch. What each run does once, reading and the linear model of n-grams, is
not in it, nor are the validation texts, which the machines share.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments import shared
from experiments.cluster.worker import CASES

BATCHES = (50, 400, 3200)
MACHINES = (2, 4, 8, 16, 32, 64)
NETWORKS = (1, 10, 25)  # Gbit/s
LATENCY = 50e-6  # seconds a message
COUNTS = 16  # bytes: how many ids of each of two tables follow
STEPS = 20


def main() -> None:
    """Measure, compute, print the tables."""
    parser = shared.make_parser(__doc__ or "", Path(__file__).parent)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="only these [all]")
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, metavar="N", help="[50 400 3200]")
    parser.add_argument("--runs", type=int, default=3, help="turns [3]")
    parser.add_argument("--texts", type=int, metavar="N", help="train on N texts, for a trial [all]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "results.json"
    if not arguments.show:
        cases = {
            case: {str(batch): measure(case, batch, arguments) for batch in arguments.batches}
            for case in arguments.cases
        }
        shared.write_json(path, {"machine": shared.machine() | {"threads": 1}, "cases": cases})
    print(markdown(shared.read_json(path)))


def measure(case: str, batch: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a corpus with a batch size: of one process, of two, and as one of many."""
    options = ["--data-dir", arguments.data_dir, "--case", case, "--batch", str(batch)]
    if arguments.texts is not None:
        options += ["--texts", str(arguments.texts)]
    turns: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for turn in range(arguments.runs):
        for processes, found in turns.items():
            found.append(run(processes, options, arguments.work))
            print(f"{case}, batch {batch}, run {turn + 1}, processes {processes}: {found[-1]}", file=sys.stderr)
    one, two = (
        {name: statistics.median(turn[name] for turn in found) for name in found[0]} for found in turns.values()
    )
    sizes = [str(size) for size in (1, *MACHINES)]
    alone = run(
        1, [*options, "--machines", *sizes, "--steps", str(STEPS), "--runs", str(arguments.runs)], arguments.work
    )
    return {**alone, "one": one, "two": two}


def run(processes: int, options: list[str], work: Path) -> dict[str, Any]:
    """Run a worker in one process or, by torchrun, in several, of one thread each; return its figures."""
    path = work / "cluster.json"
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    subprocess.run(
        [sys.executable, *(launcher if processes > 1 else []), "-m", "experiments.cluster.worker", str(path), *options],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def step_seconds(step: dict[str, float], machines: int, gigabits: float) -> float:
    """Return T(N) of the module's docstring."""
    bandwidth = gigabits * 1e9 / 8  # bytes a second
    others = machines - 1
    gradients = 2 * others * (step["gradients"] / (machines * bandwidth) + LATENCY)
    ids = others * ((step["ids"] - COUNTS) / bandwidth + LATENCY) + others * (COUNTS / bandwidth + LATENCY)
    return step["seconds"] + gradients + ids


def markdown(results: dict[str, Any]) -> str:
    """Return the tables."""
    measured, computed = [], []
    for case, batches in results["cases"].items():
        for batch, found in batches.items():
            one, two = found["one"], found["two"]
            measured.append(
                (
                    case,
                    f"{int(batch):,}",
                    f"{one['seconds']:.2f}",
                    f"{two['seconds']:.2f}",
                    f"{one['seconds'] / two['seconds']:.2f}x",
                    f"{two['exchange_seconds'] / two['seconds']:.0%}",
                    f"{two['gradients'] / 1e6:.2f} MB",
                    f"{two['ids'] / 1e3:.1f} kB",
                )
            )
            alone = found["as_one_of"]
            for gigabits in NETWORKS:
                speed_ups = (
                    alone["1"]["seconds"] / step_seconds(alone[str(machines)], machines, gigabits)
                    for machines in MACHINES
                )
                computed.append((case, f"{int(batch):,}", f"{gigabits}", *(f"{value:.2f}x" for value in speed_ups)))
    header = ("corpus", "batch", "one process, s a pass", "two", "speed-up", "of it in exchanges")
    first = shared.table((*header, "gradients a step", "ids a step"), measured)
    second = shared.table(("corpus", "batch", "Gbit/s", *(f"{machines} machines" for machines in MACHINES)), computed)
    return f"{first}\n\n{second}\n\n{shared.machine_line(results['machine'])}"


if __name__ == "__main__":
    main()
