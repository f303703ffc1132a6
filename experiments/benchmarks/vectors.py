"""How fast a corpus's words are read from a word2vec binary of full size, and in how much memory.

Makes a file of 3,000,000 words of 300 numbers (3.6 GB) in the folder given, reads it with textcnn and,
if asked, with gensim, each in a process of its own, and deletes it again:

    python experiments/benchmarks/vectors.py FOLDER --gensim --output vectors.json

Times are of a file in the page cache (a first, untimed reading brings it there). Memory is the
process's private memory at its peak, in a reading of its own; where the system does not tell it, the
peak of the resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SEED = 0


def words_of(count: int) -> list[str]:
    """Distinct words of about the length of real ones."""
    return [f"word_{index * 7}" for index in range(count)]


def wanted_of(count: int, wanted: int) -> list[str]:
    """The corpus's words: nine in ten are in the file, spread over it."""
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
    """The private memory of this process now, where /proc tells it."""
    try:
        text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")) / 1024


def resident_peak_megabytes() -> float | None:
    """The most memory this process ever held, shared pages included, where the system tells it."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)


def peak_memory(work: Callable[[], object]) -> tuple[float | None, str]:
    """The peak of private memory during `work`, in MB, looked at every 10 ms."""
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
    """What is timed: the wanted rows of the file as a matrix."""
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
    options += ["--wanted", str(arguments.wanted), "--measure", name]
    command = [sys.executable, __file__, str(path), *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def show(results: list[dict], gigabytes: float) -> None:
    """Print the table."""
    print(f"{'reader':<10}{'median s':>10}{'best s':>10}{'GB/s':>8}{'peak MB':>10}{'times gensim':>14}")
    medians = {result["reader"]: statistics.median(result["seconds"]) for result in results}
    for result in results:
        name, median = result["reader"], medians[result["reader"]]
        ratio = f"{medians['gensim'] / median:.1f}x" if "gensim" in medians else "-"
        memory = "-" if result["peak_megabytes"] is None else f"{result['peak_megabytes']:,.0f}"
        best = min(result["seconds"])
        print(f"{name:<10}{median:>10.2f}{best:>10.2f}{gigabytes / median:>8.2f}{memory:>10}{ratio:>14}")


def main() -> None:
    """Parse, make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the file is made; it needs 3.7 GB")
    parser.add_argument("--words", type=int, default=3_000_000)
    parser.add_argument("--dimension", type=int, default=300)
    parser.add_argument("--wanted", type=int, default=20_000, help="words of the corpus (MR has about 19,000)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--gensim", action="store_true", help="time gensim's load_word2vec_format beside it")
    parser.add_argument("--gensim-runs", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    parser.add_argument("--measure", choices=["textcnn", "raw", "gensim"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        wanted = wanted_of(arguments.words, arguments.wanted)
        print(json.dumps(measure(arguments.measure, arguments.folder, wanted, arguments.runs)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "vectors.bin"
        make_file(path, arguments.words, arguments.dimension)
        gigabytes = path.stat().st_size / 1e9
        results = [measured_apart(name, path, arguments, arguments.runs) for name in ("raw", "textcnn")]
        if arguments.gensim:
            results.append(measured_apart("gensim", path, arguments, arguments.gensim_runs))
    print(f"{arguments.words:,} words x {arguments.dimension}, {gigabytes:.2f} GB, {arguments.wanted:,} wanted")
    show(results, gigabytes)
    if arguments.output:
        machine = {"system": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()}
        settings = {name: getattr(arguments, name) for name in ("words", "dimension", "wanted", "runs")}
        report = {"machine": machine, "numpy": np.__version__, "settings": settings, "results": results}
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
