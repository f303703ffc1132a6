"""What the experiments share: arguments, the machine, the linear baseline's name, Markdown tables, JSON and plots."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BASELINE = "TF-IDF + LR"  # `textcnn.report.baselines.linear`
NAMES = {
    "mr": "MR",
    "trec": "TREC",
    "imdb": "IMDB",
    "sst1": "SST-1",
    "sst2": "SST-2",
    "subj": "Subj",
    "cr": "CR",
    "mpqa": "MPQA",
}  # of the corpora, as the papers write them


def make_parser(description: str, folder: Path) -> argparse.ArgumentParser:
    """Return a parser with the options of every experiment.

    Args:
        description: the module's docstring, whose first line is shown.
        folder: where the committed results are.
    """
    name = Path(sys.argv[0])
    module = name.parent.name if name.stem == "__main__" else f"benchmarks.{name.stem}"
    parser = argparse.ArgumentParser(f"python -m experiments.{module}", description=description.splitlines()[0])
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        default=folder,
        help="folder of results and pictures [where they are committed]",
    )
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", default=Path("work"), help="folder of what is made on the way [work]"
    )
    parser.add_argument("--show", action="store_true", help="run nothing: print and draw the results in the folder")
    return parser


def parse(parser: argparse.ArgumentParser, *required: str) -> argparse.Namespace:
    """Parse the command line; `required` names the options that a run needs and `--show` does not."""
    arguments = parser.parse_args()
    missing = [name for name in required if getattr(arguments, name.replace("-", "_")) in (None, [])]
    if missing and not arguments.show:
        parser.error(f"expected {', '.join(missing)}, or --show")
    for folder in (arguments.output, *([] if arguments.show else [arguments.work])):
        folder.mkdir(parents=True, exist_ok=True)
    return arguments


def train_fasttext(texts: Sequence[str], labels: Sequence[Any], *, order: int, **settings: Any) -> Any:
    """Return a fastText model, trained by one thread.

    Args:
        texts: words and punctuation between spaces.
        labels: theirs, without spaces.
        order: seed of the order of the texts: fastText learns in that of its file, and a corpus's is often by class.
        settings: keywords of `fasttext.train_supervised`.
    """
    import numpy as np
    from fasttext import train_supervised

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        rows = np.random.default_rng(order).permutation(len(texts))
        path.write_text("".join(f"__label__{labels[i]} {texts[i]}\n" for i in rows), encoding="utf-8")
        return train_supervised(str(path), thread=1, verbose=0, **settings)


def machine() -> dict[str, Any]:
    """Return what figures may depend on: the machine and the versions."""
    import numpy as np
    import torch

    import textcnn

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "system": platform.system(),
        "python": platform.python_version(),
        "textcnn": textcnn.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    try:
        text = subprocess.run(["lscpu"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("Model name")), "")


def machine_line(found: Mapping[str, Any] | None) -> str:
    """Return a machine as one line, to be printed below a table."""
    if not found:
        return "Machine: not recorded."
    processor = found.get("processor") or found.get("machine") or ""
    vectors = {"AVX512": "AVX-512"}.get(found.get("vectors", ""), found.get("vectors", ""))
    parts = [f"{processor} ({vectors})" if vectors else processor, f"{found['cores']} cores"]
    if "threads" in found:
        parts.append(f"{found['threads']} thread" + ("s" if str(found["threads"]) != "1" else ""))
    parts.append(f"Python {found['python']}")
    if "torch" in found:
        parts.append(f"torch {found['torch']}")
    return f"Machine: {', '.join(part for part in parts if part)}."


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("|" + "".join(f" {cell} |" if cell else " |" for cell in line) for line in lines)


def spread(scores: Sequence[float], digits: int = 1, scale: float = 100) -> str:
    """Return mean and range of scores in per cent; the score alone where there is one."""
    percent = [scale * score for score in scores]
    mean = f"{statistics.mean(percent):.{digits}f}"
    return mean if len(percent) == 1 else f"{mean} ({min(percent):.{digits}f}-{max(percent):.{digits}f})"


def read_json(path: Path) -> dict[str, Any]:
    """Return the results kept in a file, {} if there are none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_json(path: Path, results: Mapping[str, Any]) -> None:
    """Keep results as JSON."""
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def pyplot() -> Any:
    """Return matplotlib's pyplot, drawing to files."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def save_plot(figure: Any, path: Path) -> None:
    """Write a figure; the same figure gives the same bytes with the same matplotlib."""
    figure.savefig(path, dpi=120, metadata={"Software": None})
