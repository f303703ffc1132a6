"""How many requests does `textcnn serve` answer, how fast, and what does replacing the model under load cost?

    pip install fasttext-wheel
    python -m experiments.serving

Models of the sample corpus: the default network, and behind the same server code fastText (uni- and bigrams), TF-IDF
with logistic regression, and a model that computes nothing, which shows what the server itself costs. A request has one
text of the sample's test texts and asks for all probabilities; each client keeps one connection and sends its next
request when it has the answer. Client and server are two processes on one machine and take turns with the others, so
that a slow moment affects all. Then the model is replaced again and again under load, by another target of a link and a
SIGHUP, a tenth of a second after the reload before; every answer must be that of one of the two models.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from experiments import shared
from experiments.serving.client import Load, request_of, run_load
from experiments.serving.models import OTHERS, FastText, Linear
from textcnn import TextCNNClassifier, load_corpus, load_model

HERE = Path(__file__).parent
CLIENTS = (1, 8, 32, 128)
COST = (1, 32)  # clients at which the server's processor time is shown
WORKERS = 2
WARM_UP = 0.3  # seconds
RELOADING = 32  # clients while the model is replaced
EQUAL = 1e-5  # probabilities that are no further apart
PAUSE = 0.1  # seconds between a reload and the next


def main() -> None:
    """Measure, print the tables."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="[3]")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="of a run [3]")
    parser.add_argument("--reloads", type=int, default=100, metavar="N", help="[100]")
    arguments = shared.parse(parser)
    path = arguments.output / "results.json"
    if not arguments.show:
        texts = train(arguments.work)
        results = {"machine": shared.machine(), "rounds": arguments.rounds, "seconds": arguments.seconds}
        results["load"] = by_turns(arguments.work, texts, arguments.rounds, arguments.seconds)
        results["reloads"] = [reload(arguments.work, texts, arguments.reloads, workers) for workers in (1, WORKERS)]
        shared.write_json(path, results)
    print(markdown(shared.read_json(path)))


def train(work: Path) -> list[str]:
    """Train and save what is not there yet; return the texts to send."""
    corpus = load_corpus("sample")
    texts, labels = list(corpus["train"]["text"]), np.array(corpus["train"]["label"])
    names = np.array(corpus["train"].features["label"].names)
    for seed in (0, 1):
        if not (work / f"textcnn-{seed}").exists():
            TextCNNClassifier(random_state=seed, device="cpu").fit(texts, names[labels]).save(work / f"textcnn-{seed}")
    for other, file in ((Linear, work / "TF-IDF + LR"), (FastText, work / "fastText")):
        if not file.exists():
            other.train(texts, labels, file)
    return list(corpus["test"]["text"])


@contextmanager
def serving(arguments: Sequence[str], on_line: Callable[[dict[str, Any]], None] = lambda line: None) -> Iterator[Any]:
    """Run a server; yields the process, with its `port`; its log goes to `on_line`."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process: Any = subprocess.Popen(
        [sys.executable, "-m", *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )
    started = threading.Event()

    def read() -> None:
        for line in process.stderr:
            entry = json.loads(line) if line.startswith("{") else {"message": line}
            if entry["message"] == "serving":
                process.port = int(entry["url"].rpartition(":")[2])
                started.set()
            on_line(entry)
        started.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        started.wait()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        if process.wait() != 0:
            raise RuntimeError(f"the server ended with {process.returncode}")
        reader.join()


def commands(work: Path) -> dict[str, list[str]]:
    """Return how each side is served."""
    ours = ["textcnn", "serve", "--port", "0", "-m", str(work / "textcnn-0")]
    others = {name: ["experiments.serving.models", name, str(work / name)] for name in OTHERS}
    return {"textcnn": ours, f"textcnn, {WORKERS} workers": [*ours, "--workers", str(WORKERS)], **others}


def measured(port: int, texts: Sequence[str], clients: int, seconds: float) -> Load:
    """Return what a server does under the load of some clients for some seconds."""
    requests = [request_of([text], f"127.0.0.1:{port}") for text in texts]
    deadline = time.perf_counter() + seconds
    return asyncio.run(run_load(port, requests, clients=clients, until=lambda: time.perf_counter() > deadline))


def cpu_seconds(port: int) -> float:
    """Return the processor time that a server has used, by its own metrics; several processes do not tell it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        found = re.search(r"^process_cpu_seconds_total (\S+)$", answer.read().decode(), re.MULTILINE)
    return 0.0 if found is None else float(found[1])


def by_turns(work: Path, texts: list[str], rounds: int, seconds: float) -> dict[str, dict[str, dict[str, float]]]:
    """Return the medians of each side's figures by the number of clients."""
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    for _ in range(rounds):
        for name, arguments in commands(work).items():
            with serving(arguments) as process:
                measured(process.port, texts, max(CLIENTS), WARM_UP)
                for clients in CLIENTS:
                    before = cpu_seconds(process.port)
                    figures = measured(process.port, texts, clients, seconds).figures()
                    used = cpu_seconds(process.port) - before
                    figures |= {"server_microseconds": 1e6 * used / figures["requests"]} if used else {}
                    runs.setdefault(name, {}).setdefault(str(clients), []).append(figures)
                    print(f"  {name}, {clients} clients: {figures}", file=sys.stderr)
    return {
        name: {
            clients: {key: statistics.median(run[key] for run in found) for key in found[0]}
            | {"failed": sum(run["failed"] for run in found)}
            for clients, found in cells.items()
        }
        for name, cells in runs.items()
    }


def reload(work: Path, texts: list[str], times: int, workers: int) -> dict[str, Any]:
    """Replace the model under load, and return what became of the requests and whose answers they got."""
    models = [load_model(work / f"textcnn-{seed}") for seed in (0, 1)]
    link, new = work / "current", work / "new"
    expected = np.array([model.predict_proba(texts) for model in models])
    apart = np.flatnonzero(np.abs(expected[0] - expected[1]).max(axis=1) > 100 * EQUAL)
    texts, expected = [texts[row] for row in apart], expected[:, apart]
    answers: list[tuple[int, bytes]] = []
    reloaded = threading.Semaphore(0)

    def on_line(entry: dict[str, Any]) -> None:
        if entry["message"] == "reloaded":
            reloaded.release()

    def replace(process: subprocess.Popen[str]) -> None:
        for turn in range(times):
            time.sleep(PAUSE)
            new.symlink_to(f"textcnn-{(turn + 1) % 2}")
            new.replace(link)
            process.send_signal(signal.SIGHUP)
            for _ in range(workers):
                reloaded.acquire()
        done.set()

    done = threading.Event()
    new.symlink_to("textcnn-0")
    new.replace(link)
    arguments = ["textcnn", "serve", "--port", "0", "-m", str(link), "--workers", str(workers)]
    with serving(arguments, on_line) as process:
        measured(process.port, texts, RELOADING, WARM_UP)
        requests = [request_of([text], "127.0.0.1") for text in texts]
        threading.Thread(target=replace, args=(process,), daemon=True).start()
        load = asyncio.run(
            run_load(process.port, requests, clients=RELOADING, until=done.is_set, keep=lambda *a: answers.append(a))
        )
    found = load.figures()
    counts = whose(answers, expected)
    print(f"  {workers} workers, {times} reloads: {found}, {counts}, {load.failed[:3]}", file=sys.stderr)
    return {"workers": workers, "reloads": times, "clients": RELOADING, **found, "answers": counts}


def whose(answers: Sequence[tuple[int, bytes]], expected: np.ndarray) -> list[int]:
    """Return how many answers are those of each model.

    Args:
        answers: the number of a text, and the body of the answer.
        expected: the models' probabilities, (models, texts, classes).

    Raises:
        RuntimeError: one is that of neither model.
    """
    counts = [0] * len(expected)
    for number, body in answers:
        (prediction,) = json.loads(body)["predictions"]
        found = [prediction["probabilities"][name] for name in ("negative", "positive")]
        same = np.flatnonzero(np.abs(expected[:, number] - found).max(axis=1) < EQUAL)
        if len(same) != 1:
            raise RuntimeError(f"expected the answer of one of the models to text {number}, found {found}")
        counts[same[0]] += 1
    return counts


def markdown(results: dict[str, Any]) -> str:
    """Return the tables."""
    rows = [
        [name, *(f"{cells[str(c)]['rate']:,.0f}" for c in CLIENTS)]
        + [f"{cells[str(c)]['p50']:.1f} / {cells[str(c)]['p99']:.1f}" for c in CLIENTS]
        + [
            ", ".join(
                f"{cells[str(c)]['server_microseconds']:.0f}" for c in COST if "server_microseconds" in cells[str(c)]
            )
        ]
        for name, cells in results["load"].items()
    ]
    header = ["model", *(f"{c} client{'s' * (c > 1)}, requests/s" for c in CLIENTS)]
    header += [f"{c}, ms p50 / p99" for c in CLIENTS]
    header += [f"server, microseconds a request at {' and '.join(map(str, COST))}"]
    cells = [cell for side in results["load"].values() for cell in side.values()]
    costs = [cell["client_microseconds"] for cell in cells]
    failed = sum(cell["failed"] for cell in cells)
    reloads = [
        [
            *(f"{run[key]:,}" for key in ("workers", "reloads", "requests", "failed")),
            " / ".join(f"{count:,}" for count in run["answers"]),
            f"{run['rate']:,.0f}",
            f"{run['p50']:.1f} / {run['p99']:.1f}",
        ]
        for run in results["reloads"]
    ]
    heads = ["workers", "reloads", "requests", "failed", "answers of either model", "requests/s", "ms p50 / p99"]
    return (
        f"{shared.table(header, rows)}\n\nThe client costs {min(costs):.0f}-{max(costs):.0f} microseconds of processor "
        f"time a request; {failed} requests failed.\n\n{shared.table(heads, reloads)}\n\n"
        f"{shared.machine_line(results['machine'])}"
    )


if __name__ == "__main__":
    main()
