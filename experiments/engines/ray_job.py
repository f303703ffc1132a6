"""Predict a folder of Parquet by Ray Data, twice: `python -m experiments.engines.ray_job MODEL TEXTS OUT`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import ray

from textcnn.ray import predict

PARTS = 8


def main(model: str, texts: str, out: Path) -> None:
    """Write the rows to OUT/rows and OUT/again/rows, and the times at which each was done to OUT/times.json."""
    ray.init(num_cpus=4, include_dashboard=False)  # two for the actors, two for reading and writing
    times = {"start": time.time()}
    for name, folder in (("job", out), ("again", out / "again")):
        rows = ray.data.read_parquet(texts).repartition(PARTS)  # Ray reads small files as one block, for one actor
        predict(rows, model, concurrency=(2, 2)).write_parquet(str(folder / "rows"))
        times[name] = time.time()
    (out / "times.json").write_text(json.dumps(times))
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
