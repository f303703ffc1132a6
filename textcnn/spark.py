"""Predictions in Spark: a pandas UDF from a column of texts to a column of predictions. Needs the extra `spark`."""

# No `from __future__ import annotations`: Spark reads the kind of a UDF from its annotations, as objects.

from collections.abc import Callable, Iterator
from os import PathLike
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.errors import ConfigError
from textcnn.inference.decisions import Decisions, rounded
from textcnn.inference.prediction_columns import numbers, prediction_columns
from textcnn.inference.predictor import Scores
from textcnn.model import Model, load_model
from textcnn.targets import ONE_CLASS
from textcnn.text.columns import strings

if TYPE_CHECKING:
    from pyspark.sql import Column

_TYPES = {"U": "string", "i": "bigint", "u": "bigint", "f": "double", "b": "boolean"}  # of labels


def predict_udf(model: str | PathLike[str] | Model, *, proba: bool = False) -> Callable[..., "Column"]:
    """Return a pandas UDF from a column of texts to predictions, for the active Spark session, or a new one.

    A prediction is a struct of `prediction` and `probability`, arrays where a text may have several labels; with
    `proba` of `probabilities`, a map from each class to its probability; and of `note`, which is `empty`, `unknown`
    (the model knows none of the text's words) or nothing. These are the columns that `textcnn predict` writes. All
    fields are null where the text is.

    The model is broadcast, and each Python worker loads it once; over Spark Connect, which has no broadcasts, it is a
    part of the query, and each task loads it. Workers need textcnn, but not torch. They have as many threads as a task
    has cores (`spark.task.cpus`): one, unless that is changed.

    Args:
        model: a saved model's folder, `user/name` on the Hugging Face hub, or a loaded model.
        proba: give the probability of every class.

    Raises:
        ConfigError: pyspark or pandas is not installed, or there is no Java to start a session with.
        ModelError: there is no such model, or it is damaged or newer.

    Example:
        >>> frame.select("*", predict_udf("textcnn-model")("text").alias("predicted")).select("*", "predicted.*")
    """
    try:
        import pandas as pd
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import pandas_udf
    except ImportError as error:
        missing, _, _ = str(error.name).partition(".")
        raise ConfigError(
            f"spark: expected the library {missing}, which is not installed; install it: pip install 'textcnn[spark]'"
        ) from None
    loaded = model if isinstance(model, Model) else load_model(model)
    try:
        session = SparkSession.builder.getOrCreate()
    except PySparkRuntimeError as error:
        if "JAVA_GATEWAY_EXITED" not in str(error):
            raise
        raise ConfigError(
            "spark: expected Java, in which Spark runs, found none that starts; install Java 17, or name its folder by "
            "JAVA_HOME"
        ) from None
    connected = not hasattr(session, "sparkContext")  # over Spark Connect
    shared: Any = SimpleNamespace(value=loaded) if connected else session.sparkContext.broadcast(loaded)

    def predictions(columns: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for texts in columns:
            yield _predicted(shared.value, pa.array(texts, from_pandas=True), proba=proba).to_pandas(
                integer_object_nulls=True, maps_as_pydicts="strict"
            )

    return pandas_udf(predictions, _struct_of(loaded, proba=proba))


def _struct_of(model: Model, *, proba: bool) -> str:
    """Return the type of a prediction, as Spark writes it."""
    label, number = _TYPES[model.classes_.dtype.kind], "double"
    if model.target is not ONE_CLASS:
        label, number = f"array<{label}>", f"array<{number}>"
    probabilities = "probabilities map<string, double>, " if proba else ""
    return f"prediction {label}, probability {number}, {probabilities}note string"


def _predicted(model: Model, texts: pa.Array | pa.ChunkedArray, *, proba: bool) -> pa.Table:
    """Return the predictions of N texts as columns, null where a text is."""
    scores = model.scores(texts.drop_null())
    columns = prediction_columns(Decisions.of(model), scores)
    if proba:
        note = columns.pop("note")
        columns |= {"probabilities": _maps(model, scores), "note": note}
    there = texts.is_valid()
    rows = pc.if_else(there, pc.subtract(pc.cumulative_sum(there.cast(pa.int64())), 1), None)
    return pa.table(columns).take(rows)


def _maps(model: Model, scores: Scores) -> pa.MapArray:
    """Return each text's probabilities by class, (N,)."""
    texts, classes = scores.probabilities.shape
    names = strings([str(label) for label in model.classes_])
    return pa.MapArray.from_arrays(
        numbers(np.arange(0, texts * classes + 1, classes, dtype=np.int32)),
        names.take(numbers(np.tile(np.arange(classes), texts))),
        numbers(rounded(scores.probabilities).ravel()),
    )
