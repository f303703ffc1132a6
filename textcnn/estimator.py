"""`TextCNNClassifier`: the whole toolkit as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.exceptions
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets

from textcnn.errors import ConfigError, DataError, TextCNNError
from textcnn.explain.results import Explanation
from textcnn.model import Model
from textcnn.settings.options import OPTIONS, make_settings
from textcnn.settings.presets import preset_keywords
from textcnn.text.columns import as_column
from textcnn.training.pipeline import Labelled, train_model
from textcnn.training.progress import Progress


class NotFittedError(TextCNNError, sklearn.exceptions.NotFittedError):
    """The classifier was asked to predict before it was fitted."""


class TextCNNClassifier(ClassifierMixin, BaseEstimator):
    """A convolutional text classifier: strings in, labels out.

    Follows scikit-learn: the settings are stored as they are and validated in `fit`.

    Args:
        arch: `kim`, `dcnn` or `stacked`.
        channels: `rand`, `static`, `non-static` or `multichannel`; None is `rand` without and
            `non-static` with `vectors`.
        vectors: file of word vectors (word2vec, GloVe or fastText form).
        random_state: an integer gives the same bits on the same machine; None or a
            `RandomState` draws a seed.
        class_weight: None, `balanced`, or a mapping of every label to its weight.
        init_from: folder of a saved model to start from (`textcnn.training.transfer`), whose settings are then taken.
        freeze: layers that stay as they are, `embeddings` and `convolution`.

    All other settings: `textcnn.settings.config` (`KimConfig`, `DCNNConfig`, `StackedConfig`,
    `TextConfig`, `TrainingConfig`);
    None means the architecture's own default.

    Attributes:
        classes_: the labels, sorted, (K,).
        history_: how training went (`textcnn.training.progress.History`).
        model_: the trained model (`textcnn.model.Model`).

    Example:
        >>> classifier = TextCNNClassifier(max_epochs=5).fit(texts, labels)
        >>> classifier.predict(["not bad at all"])
    """

    def __init__(
        self,
        *,
        arch: str = "kim",
        channels: str | None = None,
        vectors: str | Path | None = None,
        multichannel_filters: str = "shared",
        dimension: int | None = None,
        ngrams: int = 2,
        region_sizes: tuple[int, ...] | None = None,
        feature_maps: int | tuple[int, ...] | None = None,
        activation: str = "relu",
        padding: str = "wide",
        pooling: str = "max",
        k: int = 3,
        k_top: int = 4,
        pool_size: int = 2,
        global_pooling: str = "max",
        dropout: float = 0.5,
        tokenizer: str = "unicode",
        lowercase: bool = True,
        min_count: int = 1,
        max_size: int | None = None,
        max_length: int | None = None,
        unseen_words: int = 20_000,
        optimizer: str = "adam",
        learning_rate: float | None = None,
        batch_size: int = 50,
        max_epochs: int = 25,
        patience: int = 5,
        monitor: str = "accuracy",
        max_norm: float | None = None,
        l2: float | tuple[float, ...] = 0.0,
        class_weight: str | Mapping[Any, float] | None = None,
        validation_share: float = 0.1,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        precision: str = "fp32",
        freeze: tuple[str, ...] = (),
        vector_norm: float = 5.0,
        init_from: str | Path | None = None,
    ) -> None:
        self.arch = arch
        self.channels = channels
        self.vectors = vectors
        self.multichannel_filters = multichannel_filters
        self.dimension = dimension
        self.ngrams = ngrams
        self.region_sizes = region_sizes
        self.feature_maps = feature_maps
        self.activation = activation
        self.padding = padding
        self.pooling = pooling
        self.k = k
        self.k_top = k_top
        self.pool_size = pool_size
        self.global_pooling = global_pooling
        self.dropout = dropout
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.min_count = min_count
        self.max_size = max_size
        self.max_length = max_length
        self.unseen_words = unseen_words
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.monitor = monitor
        self.max_norm = max_norm
        self.l2 = l2
        self.class_weight = class_weight
        self.validation_share = validation_share
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.freeze = freeze
        self.vector_norm = vector_norm
        self.init_from = init_from

    @classmethod
    def from_preset(cls, name: str, corpus: str | None = None, **settings: Any) -> TextCNNClassifier:
        """A classifier with a paper's settings.

        Args:
            name: `kim2014` or `kalchbrenner2014`.
            corpus: a named corpus that the paper has settings of its own for.
            settings: go before those of the paper.

        Raises:
            ConfigError: there is no such preset.
        """
        return cls(**{**preset_keywords(name, corpus), **settings})

    def fit(
        self,
        X: object,  # noqa: N803 (scikit-learn's name)
        y: object,
        *,
        validation_data: tuple[object, object] | None = None,
        groups: Any = None,
        progress: Progress | None = None,
    ) -> TextCNNClassifier:
        """Train on labelled texts.

        Ctrl-C after the first epoch keeps the best weights so far (`history_.interrupted`).

        Args:
            X: strings: a list, numpy array, pandas Series, Arrow array or other iterable, N.
            y: their labels, N.
            validation_data: texts and labels that choose the epoch; None holds out
                `validation_share` of X.
            groups: rows of one group stay together when validation texts are held out, N.
            progress: is told how training goes.

        Raises:
            ConfigError: a setting is out of range.
            DataError: texts or labels are not what they should be.
            VectorsError: the word vectors cannot be used.
            TrainingError: the loss is not finite.
            ModelError: the model to start from cannot be read.
        """
        texts = as_column(X, what="X")
        labels = _labels(y, len(texts))
        self.classes_, ids = np.unique(labels, return_inverse=True)
        keywords = {option.keyword: getattr(self, option.keyword) for option in OPTIONS}
        keywords["class_weight"] = self._class_weight()
        if not isinstance(self.random_state, (int, np.integer)):
            keywords["random_state"] = int(check_random_state(self.random_state).randint(2**31))
        vectors, init_from = (None if path is None else Path(path) for path in (self.vectors, self.init_from))
        settings = make_settings(keywords, vectors=vectors, init_from=init_from)
        if groups is not None and np.shape(groups) != (len(texts),):
            raise DataError(
                f"groups: expected one for each of the {len(texts)} texts, found the shape {np.shape(groups)}"
            )
        artifact, self.history_ = train_model(
            Labelled(texts, ids, None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]),
            self.classes_,
            settings,
            validation=None if validation_data is None else self._validation(*validation_data),
            progress=progress,
        )
        self.model_ = Model(artifact)
        return self

    def predict(self, X: object) -> np.ndarray:  # noqa: N803
        """The label of each text, values of `classes_`, (N,); errors as in `Model.predict`."""
        return self._fitted().predict(X)

    def predict_proba(self, X: object) -> np.ndarray:  # noqa: N803
        """Probabilities of each class, in the order of `classes_`, (N, K)."""
        return self._fitted().predict_proba(X)

    def explain(self, X: object) -> list[Explanation]:  # noqa: N803
        """Why each text gets its label (`Model.explain`)."""
        return self._fitted().explain(X)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save the model as a folder that `textcnn.load_model` and the command line read.

        Raises:
            ModelError: something is at `path` already, or it cannot be written.
        """
        self._fitted().save(path, overwrite=overwrite)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def _fitted(self) -> Model:
        if not hasattr(self, "model_"):
            raise NotFittedError("expected a fitted TextCNNClassifier, found one that was not; call fit first")
        return self.model_

    def _validation(self, X: object, y: object) -> Labelled:  # noqa: N803
        texts = as_column(X, what="validation X")
        labels = _labels(y, len(texts), "validation ")
        ids = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        if (self.classes_[ids] != labels).any():
            found = labels[self.classes_[ids] != labels][0]
            raise DataError(f"validation y: expected labels seen in training {self.classes_.tolist()}, found {found!r}")
        return Labelled(texts, ids)

    def _class_weight(self) -> str | tuple[float, ...] | None:
        """Weights in the order of the classes."""
        if self.class_weight is None or isinstance(self.class_weight, str):
            return self.class_weight
        if not isinstance(self.class_weight, Mapping):
            raise ConfigError(f"class_weight: expected None, 'balanced' or a mapping, found {self.class_weight!r}")
        if set(self.class_weight) != set(self.classes_.tolist()):
            raise ConfigError(
                f"class_weight: expected a weight for each of {self.classes_.tolist()}, found {dict(self.class_weight)}"
            )
        return tuple(float(self.class_weight[label]) for label in self.classes_.tolist())


def _labels(y: object, texts: int, what: str = "") -> np.ndarray:
    """Labels as an array of one type, (N,); `what` goes before the arguments' names in errors."""
    # A list keeps its own types: numpy would make strings of "a" and 1, and a number of a missing label.
    labels = np.array(y, dtype=object) if isinstance(y, (list, tuple)) else np.asarray(y)
    if labels.ndim != 1 or len(labels) != texts:
        raise DataError(f"{what}y: expected one label for each of the {texts} texts, found the shape {labels.shape}")
    if labels.dtype == object:
        kinds = {type(label) for label in labels}
        if len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise DataError(f"{what}y: expected labels of one type, none missing, found {names}")
        labels = np.array(labels.tolist())
    if texts == 0:
        raise DataError(f"{what}X: expected labelled texts, found none")
    if labels.dtype.kind not in "Uiubf":
        raise DataError(f"{what}y: expected labels that are strings, numbers or booleans, found {labels.dtype}")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError(f"{what}y: expected labels, none missing, found {labels[~np.isfinite(labels)][0]}")
    check_classification_targets(labels)
    return labels
