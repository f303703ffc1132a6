"""`TextCNNClassifier`: the whole toolkit as a scikit-learn classifier."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.exceptions
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets

from textcnn.data.checks import doubts
from textcnn.data.labelled import Labelled
from textcnn.errors import DataError, TextCNNError, listed, quoted
from textcnn.explain.explanation import Explanation
from textcnn.inference.class_ids import as_labels
from textcnn.inference.label_sets import as_label_sets, is_several
from textcnn.model import Model, load_model
from textcnn.settings.options import Settings, all_settings, make_settings, ordered_class_weights
from textcnn.settings.presets import preset_keywords
from textcnn.targets import ONE_CLASS
from textcnn.text.columns import Texts, as_column
from textcnn.training.given import checked_groups, checked_weights, taught_texts, validation_texts
from textcnn.training.increments import learn_more
from textcnn.training.pipeline import train_model
from textcnn.training.progress import PrintedProgress, Progress

logger = logging.getLogger(__name__)


class NotFittedError(TextCNNError, sklearn.exceptions.NotFittedError):
    """The classifier was asked to predict before it was fitted."""


class TextCNNClassifier(ClassifierMixin, BaseEstimator):
    """A convolutional text classifier: strings in, labels out, one class a text or any number of labels.

    Follows scikit-learn: the settings are stored as they are and validated in `fit`. All of them but those below are
    fields of `KimConfig`, `DCNNConfig`, `StackedConfig`, `DPCNNConfig`, `TextConfig` and `TrainingConfig`, which
    describe them (`textcnn.settings`); None means the default that depends on the architecture or the vectors.

    Args:
        arch: `kim`, `dcnn`, `stacked` or `dpcnn`.
        vectors: file of word vectors (word2vec, GloVe or fastText), or gensim's `KeyedVectors`.
        max_words: number of words of the file of word vectors to read, from the first; None reads all.
        trust_pickle: read a vectors file in gensim's own form, which is unpickled and can run code.
        init_from: folder of a saved model to start from (`textcnn.training.transfer`), whose settings are then taken.
        class_weight: None, `balanced`, or a mapping of every label to its weight.
        random_state: an integer gives the same bits on the same machine; None or a `RandomState` draws a seed.
        verbose: 1 prints a line per epoch of `fit`, as in a notebook one may want; 0 nothing.

    Attributes:
        classes_: the labels, sorted, (K,); those of a matrix in the order of its columns.
        indicator_: whether `y` was a matrix of 0 and 1, which `predict` then returns too.
        history_: how training went (`textcnn.training.progress.History`).
        model_: the trained model (`textcnn.Model`).

    Example:
        >>> texts = ["good fun", "a bad film"] * 20
        >>> classifier = TextCNNClassifier(max_epochs=5).fit(texts, ["positive", "negative"] * 20)
        >>> classifier.predict(["such fun"])
        array(['positive'], dtype='<U8')
    """

    def __init__(
        self,
        *,
        arch: str = "kim",
        channels: str | None = None,
        vectors: Any = None,
        multichannel_filters: str = "shared",
        dimension: int | None = None,
        ngrams: int = 2,
        char_ngrams: tuple[int, ...] = (),
        region_sizes: tuple[int, ...] | None = None,
        feature_maps: int | tuple[int, ...] | None = None,
        activation: str = "relu",
        padding: str = "wide",
        pooling: str = "max",
        k: int = 3,
        k_top: int = 4,
        pool_size: int = 2,
        global_pooling: str = "max",
        shortcut: bool = False,
        branches: tuple[int, ...] = (),
        blocks: int = 4,
        dropout: float = 0.5,
        tokenizer: str = "unicode",
        lowercase: bool = True,
        min_count: int = 1,
        max_size: int | None = None,
        max_length: int | None = None,
        unseen_words: int = 20_000,
        optimizer: str = "adam",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        schedule: str | None = None,
        max_epochs: int | None = None,
        patience: int = 3,
        monitor: str | None = None,
        max_norm: float | None = None,
        l2: float | tuple[float, ...] = 0.0,
        class_weight: str | Mapping[Any, float] | None = None,
        validation_share: float = 0.1,
        validation_folds: int | None = None,
        teacher_temperature: float = 1.0,
        gold_weight: float = 0.5,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        precision: str = "fp32",
        freeze: tuple[str, ...] = (),
        vector_norm: float = 5.0,
        init_from: str | Path | None = None,
        max_words: int | None = None,
        trust_pickle: bool = False,
        verbose: int = 0,
    ) -> None:
        self.arch = arch
        self.channels = channels
        self.vectors = vectors
        self.multichannel_filters = multichannel_filters
        self.dimension = dimension
        self.ngrams = ngrams
        self.char_ngrams = char_ngrams
        self.region_sizes = region_sizes
        self.feature_maps = feature_maps
        self.activation = activation
        self.padding = padding
        self.pooling = pooling
        self.k = k
        self.k_top = k_top
        self.pool_size = pool_size
        self.global_pooling = global_pooling
        self.shortcut = shortcut
        self.branches = branches
        self.blocks = blocks
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
        self.schedule = schedule
        self.max_epochs = max_epochs
        self.patience = patience
        self.monitor = monitor
        self.max_norm = max_norm
        self.l2 = l2
        self.class_weight = class_weight
        self.validation_share = validation_share
        self.validation_folds = validation_folds
        self.teacher_temperature = teacher_temperature
        self.gold_weight = gold_weight
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.freeze = freeze
        self.vector_norm = vector_norm
        self.init_from = init_from
        self.max_words = max_words
        self.trust_pickle = trust_pickle
        self.verbose = verbose

    @classmethod
    def from_preset(cls, name: str, corpus: str | None = None, **settings: Any) -> TextCNNClassifier:
        """Return a classifier with the settings of a preset.

        Args:
            name: `best`, `kim2014` or `kalchbrenner2014` (`textcnn.settings.presets`).
            corpus: a named corpus that the paper has settings of its own for.
            settings: override those of the preset.

        Raises:
            ConfigError: there is no such preset.
        """
        return cls(**{**preset_keywords(name, corpus), **settings})

    @classmethod
    def load(cls, path: str | PathLike[str]) -> TextCNNClassifier:
        """Return a fitted classifier from a saved model; its settings are those of the model.

        `fit` trains a new model with these settings (what is not saved, such as the file of word vectors, is left out).

        Args:
            path: the model's folder.

        Raises:
            ModelError: `path` is no model, or a damaged, altered or newer one.
        """
        artifact = (model := load_model(path)).artifact
        trained = artifact.training.get("settings") or {}
        saved = {"arch": {}, "text": vars(artifact.text), "model": vars(artifact.model), "training": trained}
        keywords: dict[str, Any] = {
            keyword: tuple(value) if isinstance(value, list) else value
            for keyword, setting in all_settings().items()
            if (value := saved[setting.component].get(setting.name)) is not None
        }
        keywords["arch"] = model.architecture
        if isinstance(keywords.get("class_weight"), tuple):
            keywords["class_weight"] = dict(zip(artifact.classes.tolist(), keywords["class_weight"], strict=True))
        classifier = cls(**keywords)
        classifier.model_, classifier.classes_, classifier.indicator_ = model, artifact.classes, False
        return classifier

    def fit(
        self,
        X: Texts,  # noqa: N803 (scikit-learn's name)
        y: Any,
        *,
        classes: Any = None,
        labels: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        validation_data: tuple[Texts, Any] | None = None,
        progress: Progress | None = None,
        checkpoint: str | PathLike[str] | None = None,
        resume: bool = False,
    ) -> TextCNNClassifier:
        """Train on labelled texts, or on a teacher's probabilities.

        With `classes`, `y` holds probabilities. Those of a text that has a label too are averaged with it
        (`gold_weight`). Texts are held out only among those with labels; if no text has one, the most probable class
        of each counts as its label there.

        Ctrl-C after the first epoch keeps the best weights so far (`history_.interrupted`). What makes the validation
        scores doubtful is logged as warnings (`textcnn.data.checks.doubts`).

        Args:
            X: N strings: a list, numpy array, pandas Series, Arrow array or other iterable.
            y: their labels, N. Where a text has any number of labels: lists of such, or a matrix of 0 and 1, dense or
                sparse, (N, K), as scikit-learn's `MultiLabelBinarizer` makes.
            classes: the class of each column of `y`, (K,), where `y` holds probabilities, (N, K); the row of a text
                that has none is NaN.
            labels: beside probabilities, the texts' labels in a form as of `y`; None for a text without one.
            sample_weight: weights of the texts in the loss, N numbers from 0 on; their scale does not matter.
            groups: rows of one group stay together where texts are held out for validation or divided into folds, N.
            validation_data: texts and labels that choose the epoch; None divides X into folds, or holds out a share.
            progress: receives how training goes, in the place of what `verbose` prints.
            checkpoint: file that keeps the run after its epochs, and is left when it ends.
            resume: continue from that file if it exists.

        Raises:
            ConfigError: a setting is out of range.
            DataError: texts, labels, weights or groups are not what they should be.
            VectorsError: the word vectors cannot be used.
            TrainingError: the loss is not finite, or memory runs out.
            ModelError: the model to start from, or the checkpoint, cannot be used.
        """
        texts = as_column(X, what="X")
        weights, groups = checked_weights(sample_weight, len(texts)), checked_groups(groups, len(texts))
        self.indicator_, soft = False, None
        if classes is not None:
            self.classes_, training, soft, gold = taught_texts(
                texts, y, classes, labels, groups=groups, weights=weights
            )
        elif labels is not None:
            raise DataError("labels: expected classes and probabilities as y beside them, found none; give labels as y")
        elif is_several(y):
            self.classes_, sets, self.indicator_ = as_label_sets(y, len(texts))
            training = Labelled(texts, sets, groups, weights)
        else:
            found = as_labels(y, len(texts))
            check_classification_targets(found)
            self.classes_, ids = np.unique(found, return_inverse=True)
            training = Labelled(texts, ids, groups, weights)
        settings = self._settings()
        if soft is not None and not gold:  # what stands for a label where texts are held out is no second opinion
            settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, gold_weight=0.0))
        several = training.labels.ndim == 2
        validation = None
        if validation_data is not None:
            validation = validation_texts(*validation_data, self.classes_, several=several)
        parts = {"train": training} | ({} if validation is None else {"validation": validation})
        for line in doubts(parts, self.classes_.tolist()):
            logger.warning("%s", line)
        trained = train_model(
            training,
            self.classes_,
            settings,
            validation=validation,
            soft=soft,
            progress=progress or (PrintedProgress() if self.verbose else None),
            checkpoint=None if checkpoint is None else Path(checkpoint),
            resume=resume,
        )
        self.model_, self.history_ = Model(trained.artifact), trained.history
        return self

    def partial_fit(
        self,
        X: Texts,  # noqa: N803
        y: Any,
        classes: Any = None,
        *,
        sample_weight: Any = None,
    ) -> TextCNNClassifier:
        """Train on further texts of the known classes (`textcnn.training.increments.learn_more`).

        The first call is one of `fit`: give it as many texts as there are, so that an epoch, the temperature and the
        linear model of n-grams can be chosen and solved. Each later one is an epoch on its texts alone, with the words
        that they bring; call it several times, or with texts of all classes mixed, rather than class by class.

        Args:
            X: texts, as in `fit`.
            y: their labels, as in `fit`; in later calls only such as the first one had.
            classes: all classes, which the first call's labels must have: for callers of scikit-learn's interface.
            sample_weight: weights of the texts in the loss, N numbers from 0 on.

        Raises:
            DataError: a label that is none of `classes_`, or `classes` that the first call's labels are not; and as
                `fit`.
            ConfigError, VectorsError, TrainingError: as in `fit`.
        """
        if not hasattr(self, "model_"):
            self.fit(X, y, sample_weight=sample_weight)
            if classes is not None and set(np.asarray(classes).tolist()) != set(self.classes_.tolist()):
                found = listed([quoted(label) for label in self.classes_.tolist()])
                del self.model_
                raise DataError(f"classes: expected those that the first texts have ({found}), found others")
            return self
        texts = as_column(X, what="X")
        model, own = self.model_, checked_weights(sample_weight, len(texts))
        part = Labelled(texts, model.label_ids(y, len(texts)), weights=own)
        self.model_ = Model(learn_more(model.artifact, part, self._settings().training))
        return self

    def predict(self, X: Texts) -> Any:  # noqa: N803
        """Return the label of each text, values of `classes_`, (N,); errors as in `Model.predict`.

        Of several labels: lists of such, or a matrix of 0 and 1, (N, K), as `fit` was given.
        """
        model = self._fitted()
        return model.decide(model.predict_proba(X)).astype(np.int64) if self.indicator_ else model.predict(X)

    def score(self, X: Texts, y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """Return the accuracy: the share of texts with the right class, or all labels right.

        Args:
            X: texts.
            y: their labels, in a form that `fit` takes.
            sample_weight: weights of the texts, (N,).
        """
        if self._fitted().target is ONE_CLASS:
            return float(super().score(X, y, sample_weight))
        texts = as_column(X)
        model = self._fitted()
        right = model.target.right(model.label_ids(y, len(texts)), model.decide(model.predict_proba(texts)))
        return float(np.average(right, weights=sample_weight))

    def predict_proba(self, X: Texts) -> np.ndarray:  # noqa: N803
        """Return the probabilities of each class, in the order of `classes_`, (N, K)."""
        return self._fitted().predict_proba(X)

    def predict_log_proba(self, X: Texts) -> np.ndarray:  # noqa: N803
        """Return the logarithm of `predict_proba`, (N, K)."""
        return self._fitted().predict_log_proba(X)

    def decision_function(self, X: Texts) -> np.ndarray:  # noqa: N803
        """Return the logits, (N, K); with two classes the second's less the first's, (N,)."""
        return self._fitted().decision_function(X)

    def transform(self, X: Texts) -> np.ndarray:  # noqa: N803
        """Return the features of the penultimate layer, (N, features) (`Model.encode`)."""
        return self._fitted().encode(X)

    def explain(self, X: Texts) -> list[Explanation]:  # noqa: N803
        """Explain each text's label (`Model.explain`)."""
        return self._fitted().explain(X)

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Save the model as a folder that `textcnn.load_model` and the command line read.

        Raises:
            ModelError: something is at `path` already, or it cannot be written.
        """
        self._fitted().save(Path(path), overwrite=overwrite)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        return tags

    def _fitted(self) -> Model:
        if not hasattr(self, "model_"):
            raise NotFittedError("expected a fitted TextCNNClassifier, found one that was not; call fit first")
        return self.model_

    def _settings(self) -> Settings:
        """Return the settings of a run."""
        return make_settings(
            self._keywords(),
            vectors=Path(self.vectors) if isinstance(self.vectors, (str, PathLike)) else self.vectors,
            trust_pickle=self.trust_pickle,
            max_words=self.max_words,
            init_from=None if self.init_from is None else Path(self.init_from),
        )

    def _keywords(self) -> dict[str, Any]:
        """Return the settings by keyword, with what the labels and the random state decide."""
        # Networks registered beside ours may have other settings.
        keywords = {keyword: getattr(self, keyword) for keyword in all_settings() if hasattr(self, keyword)}
        keywords["class_weight"] = ordered_class_weights(self.class_weight, self.classes_.tolist())
        if not isinstance(self.random_state, (int, np.integer)):
            keywords["random_state"] = int(check_random_state(self.random_state).randint(2**31))
        return keywords
