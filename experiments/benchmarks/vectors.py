"""How fast a corpus's words are read from a word2vec binary of full size, and in how much memory.

    python -m experiments.benchmarks.vectors --gensim

Makes a file of 3,000,000 words of 300 numbers (3.6 GB, in the folder `--work`), reads it with textcnn and, if asked,
with gensim, each in a process of its own, and deletes it. Times are of a file in the page cache (a first, untimed
reading puts it there). Memory is the process's private memory at its peak, in a reading of its own; where the system
does not report it, the peak of the resident memory. `raw` only reads the file's bytes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments import shared

SEED = 0


def words_of(count: int) -> list[str]:
    """Return distinct words of about the length of real ones."""
    return [f"word_{index * 7}" for index in range(count)]


def wanted_of(count: int, wanted: int) -> list[str]:
    """Return the corpus's words: nine in ten are in the file, spread over it."""
    present = wanted * 9 // 10
    return [f"word_{index * count // present * 7}" for index in range(present)] + [
        f"missing_{index}" for index in range(wanted - present)
    ]


def make_file(path: Path, count: int, dimension: int) -> None:
    """Write a word2vec binary, vectors from a pool of 10,000 random ones."""
    pool = np.random.default_rng(SEED).normal(0, 0.2, (10_000, dimension)).astype("<f4")
    rows = [row.tobytes() for row in pool]
    words = words_of(count)
    with path.open("wb") as file:
        file.write(f"{count} {dimension}\n".encode())
        for start in range(0, count, len(rows)):
            block = zip(words[start : start + len(rows)], rows, strict=False)
            file.write(b"".join(word.encode() + b" " + row for word, row in block))


def private_megabytes() -> float | None:
    """Return the private memory of this process now, where /proc has it."""
    try:
        text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")) / 1024


def resident_peak_megabytes() -> float | None:
    """Return the most memory this process ever held, shared pages included, where the system reports it."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)


def peak_memory(work: Callable[[], object]) -> tuple[float | None, str]:
    """Return the peak of private memory during `work`, in MB, looked at every 10 ms."""
    peaks = [private_megabytes()]
    if peaks[0] is None:
        work()
        return resident_peak_megabytes(), "resident"
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peaks.append(private_megabytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        kept = work()  # still held when looked at last
        peaks.append(private_megabytes())
        del kept
    finally:
        done.set()
        watcher.join()
    return max(peak for peak in peaks if peak is not None), "private"


def reader(name: str, path: Path, wanted: list[str]) -> Callable[[], object]:
    """Return what is timed: the wanted rows of the file as a matrix."""
    if name == "textcnn":
        from textcnn.vectors import load_vectors

        return lambda: load_vectors(path, wanted).matrix
    if name == "raw":

        def read_all() -> None:
            with path.open("rb", buffering=0) as file:
                while file.read(1 << 18):
                    pass

        return read_all
    from gensim.models import KeyedVectors

    def read_with_gensim() -> tuple[object, np.ndarray]:
        vectors = KeyedVectors.load_word2vec_format(str(path), binary=True)
        return vectors, vectors[[word for word in wanted if word in vectors]]

    return read_with_gensim


def measure(name: str, path: Path, wanted: list[str], runs: int) -> dict[str, object]:
    """Time one reader in this process: seconds of each run, and the peak of memory."""
    work = reader(name, path, wanted)
    megabytes, kind = peak_memory(work)
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return {"reader": name, "seconds": seconds, "peak_megabytes": megabytes, "memory": kind}


def measured_apart(name: str, path: Path, arguments: argparse.Namespace, runs: int) -> dict[str, object]:
    """`measure` in a fresh process."""
    options = ["--words", str(arguments.words), "--dimension", str(arguments.dimension), "--runs", str(runs)]
    options += ["--wanted", str(arguments.wanted), "--measure", name, str(path)]
    command = [sys.executable, "-m", "experiments.benchmarks.vectors", *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def markdown(results: dict[str, Any]) -> str:
    """Return the table."""
    medians = {result["reader"]: statistics.median(result["seconds"]) for result in results["results"]}
    rows = []
    for result in results["results"]:
        name = result["reader"]
        ratio = f"{medians['gensim'] / medians[name]:.1f}x" if "gensim" in medians else "-"
        memory = "-" if result["peak_megabytes"] is None else f"{result['peak_megabytes']:,.0f} MB"
        rows.append((name, f"{medians[name]:.2f} s", f"{min(result['seconds']):.2f} s", memory, ratio))
    settings = results["settings"]
    what = f"{settings['wanted']:,} of {settings['words']:,} words x {settings['dimension']}"
    table = shared.table((what, "median", "best", "peak memory", "as fast as gensim"), rows)
    return f"{table}\n\n{shared.machine_line(results['machine'])}"


def main() -> None:
    """Make, measure, print."""
    parser = shared.make_parser(__doc__ or "", Path(__file__).parent)
    parser.add_argument("--words", type=int, default=3_000_000, help="words of the file [3000000]")
    parser.add_argument("--dimension", type=int, default=300, help="[300]")
    parser.add_argument("--wanted", type=int, default=20_000, help="words of the corpus (MR has about 19,000) [20000]")
    parser.add_argument("--runs", type=int, default=5, help="readings [5]")
    parser.add_argument("--gensim", action="store_true", help="time gensim's load_word2vec_format beside it")
    parser.add_argument("--gensim-runs", type=int, default=1, help="[1]")
    parser.add_argument("--measure", nargs=2, metavar=("READER", "FILE"), help=argparse.SUPPRESS)
    arguments = shared.parse(parser)
    if arguments.measure:
        name, file = arguments.measure
        wanted = wanted_of(arguments.words, arguments.wanted)
        print(json.dumps(measure(name, Path(file), wanted, arguments.runs)))
        return
    path = arguments.output / "vectors.json"
    if not arguments.show:
        with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            file = Path(folder) / "vectors.bin"
            make_file(file, arguments.words, arguments.dimension)
            results = [measured_apart(name, file, arguments, arguments.runs) for name in ("raw", "textcnn")]
            if arguments.gensim:
                results.append(measured_apart("gensim", file, arguments, arguments.gensim_runs))
        settings = {name: getattr(arguments, name) for name in ("words", "dimension", "wanted", "runs")}
        shared.write_json(path, {"machine": shared.machine(), "settings": settings, "results": results})
    print(markdown(shared.read_json(path)))


if __name__ == "__main__":
    main()
