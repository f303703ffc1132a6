"""Predictions in Ray Data: a dataset of texts with the columns that `textcnn predict` writes. Needs the extra `ray`."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data.table_columns import TextColumn, joined_texts, pick_columns
from textcnn.errors import ConfigError, DataError, quoted
from textcnn.inference.decisions import Decisions
from textcnn.inference.prediction_columns import no_scores, prediction_columns
from textcnn.inference.predictor import PIECE
from textcnn.model import Model, load_model

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.data import Dataset

_DATASET = "the dataset"  # in messages


def predict(
    dataset: Dataset,
    model: str | PathLike[str] | Model,
    *,
    text_column: TextColumn = None,
    proba: bool = False,
    concurrency: int | tuple[int, int] | None = None,
) -> Dataset:
    """Return a dataset with the predictions of its texts beside its columns.

    The columns are those that `textcnn predict` writes to Parquet: `prediction` and `probability`, with `proba` also
    `probability:NAME` for each class, and `note`. A missing text counts as an empty one. The model is put in the object
    store once; actors read it from there, have one thread each and do not import torch. Ray starts a lost actor again
    and repeats what it had not finished. As with Ray Data's own methods nothing is computed before the rows are asked
    for; only the dataset's columns are, for which Ray may read a first block.

    Args:
        dataset: with a column of texts.
        model: a saved model's folder, `user/name` on the Hugging Face hub, or a loaded model.
        text_column: of the texts, or several, which are joined by a blank; None for a usual name, such as `text`.
        proba: give the probability of every class.
        concurrency: the most actors, or the least and the most: Ray starts more than the least while they have work
            and reading and writing have processors too. None for no limit.

    Raises:
        ConfigError: `ray[data]` is not installed.
        DataError: the dataset has no such column of texts, or one that has the name of a prediction's.
        ModelError: there is no such model, or it is damaged or newer.
    """
    try:
        import ray
        from ray.data import ActorPoolStrategy
    except ImportError:
        raise ConfigError(
            "ray: expected the library ray[data], which is not installed; install it: pip install 'textcnn[ray]'"
        ) from None
    loaded = model if isinstance(model, Model) else load_model(model)
    schema = dataset.schema()
    names = [] if schema is None else schema.names  # a dataset without rows may have none
    texts = pick_columns(names, text_column, path=_DATASET, need_label=False).texts
    if isinstance(schema.base_schema, pa.Schema):  # of pandas' columns the types are not known
        joined_texts(schema.base_schema.empty_table(), texts, path=_DATASET)
    added = prediction_columns(Decisions.of(loaded, proba=proba), no_scores(len(loaded.classes_)))
    taken = [name for name in added if name in names]
    if taken:
        raise DataError(
            f"expected a dataset without the column {quoted(taken[0])}, which a prediction is written to; rename or "
            "drop it"
        )
    least, most = concurrency if isinstance(concurrency, tuple) else (1, concurrency)
    return dataset.map_batches(
        _Predictions,
        fn_constructor_args=(ray.put(loaded), texts, proba),
        batch_format="pyarrow",
        batch_size=PIECE,
        compute=ActorPoolStrategy(min_size=least, max_size=most),
        num_cpus=1,
    )


class _Predictions:
    """An actor that adds the columns of predictions to batches of rows.

    Args:
        model: in the object store.
        texts: the columns of the texts.
        proba: whether to give the probability of every class.
    """

    def __init__(self, model: ObjectRef[Model], texts: tuple[str, ...], proba: bool) -> None:
        import ray

        self._model: Model = ray.get(model)
        self._texts = texts
        self._decisions = Decisions.of(self._model, proba=proba)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Return rows with the columns of their predictions."""
        texts = pc.fill_null(joined_texts(rows, self._texts, path=_DATASET), "")
        for name, column in prediction_columns(self._decisions, self._model.scores(texts)).items():
            rows = rows.append_column(name, column)
        return rows
