"""Predict a folder of Parquet in Spark, twice: `python -m experiments.engines.spark_job MODEL TEXTS OUT`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

from textcnn.spark import predict_udf


def main(model: str, texts: str, out: Path) -> None:
    """Write the rows to OUT/rows and OUT/again/rows, and the times at which each was done to OUT/times.json."""
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    times = {"start": time.time()}
    for name, folder in (("job", out), ("again", out / "again")):
        predicted = predict_udf(model)("text").alias("predicted")
        rows = session.read.parquet(texts).select("*", predicted).select("id", "text", "predicted.*")
        rows.write.parquet(str(folder / "rows"))
        times[name] = time.time()
    (out / "times.json").write_text(json.dumps(times))
    session.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
