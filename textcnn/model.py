"""`Model`: a trained model and all that it can do, from labels to explanations, without the training data."""

from __future__ import annotations

import html
import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.errors import ConfigError, DataError
from textcnn.explain.explanation import Explanation, explain
from textcnn.inference.artifact import load_artifact
from textcnn.inference.predictor import Predictor
from textcnn.settings.architectures import architecture_of
from textcnn.targets import ONE_CLASS
from textcnn.text.columns import Texts, as_column

if TYPE_CHECKING:
    from sklearn.utils import Tags

    from textcnn.explain.counterfactual import Counterfactual
    from textcnn.explain.feature_graph import FeatureGraph
    from textcnn.explain.filter_responses import Filter
    from textcnn.report.figures import Figures

logger = logging.getLogger(__name__)


class Model(Predictor):
    """A trained model: predicts, scores, explains, and writes its page.

    It works in scikit-learn's scorers and, frozen, in `CalibratedClassifierCV(FrozenEstimator(model))`.

    Args:
        artifact: the model as plain data (`textcnn.inference.artifact.Artifact`).

    Attributes:
        classes_: the labels, (K,).
        artifact: settings, vocabulary, weights, and how the model was trained.

    Example:
        >>> model = load_model("textcnn-model")
        >>> model.predict(["not bad at all"])
        array(['positive'], dtype='<U8')
    """

    @property
    def architecture(self) -> str:
        """The name of the network's architecture."""
        return architecture_of(self.artifact.model).name

    def decision_function(self, texts: Texts) -> np.ndarray:
        """Return the logits, (N, K); with two classes the second's less the first's, (N,), as scikit-learn does."""
        logits = self.logits(self.encode_ids(texts))
        two = logits.shape[1] == 2 and self.target is ONE_CLASS
        return logits[:, 1] - logits[:, 0] if two else logits

    def predict_log_proba(self, texts: Texts) -> np.ndarray:
        """Return the logarithm of `predict_proba`, (N, K)."""
        return np.log(self.predict_proba(texts))

    def encode(self, texts: Texts) -> np.ndarray:
        """Return the features of the penultimate layer, a vector for each text, (N, features) float32.

        The softmax layer's logits are linear in them; the bag of n-grams has no part in them. Errors as in `predict`.
        """
        return self.features(self.encode_ids(texts))

    transform = encode

    def score(self, texts: Texts, labels: Any) -> float:
        """Return the accuracy on labelled texts: the share with the right class, or all labels right.

        Raises:
            DataError: texts or labels are not what they should be, or a label is none of `classes_`.
        """
        column = as_column(texts)
        ids = self.label_ids(labels, len(column))
        return float(self.target.right(ids, self.decide(self.predict_proba(column))).mean())

    def evaluate(self, texts: Texts, labels: Any) -> dict[str, Any]:
        """Return all figures on labelled texts. Errors as in `score`.

        They are those of `textcnn.metrics.evaluate`, or of `textcnn.targets.SEVERAL_LABELS.evaluate`. If they show that
        the model has learned nothing, a warning is logged.
        """
        column = as_column(texts)
        return self.figures_of(self.label_ids(labels, len(column)), self.predict_proba(column))

    def figures_of(self, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
        """Return the figures of `evaluate` from labels as `label_ids` returns them, and probabilities, (N, K)."""
        names, thresholds = [str(label) for label in self.classes_], self.artifact.thresholds
        if warning := self.target.doubt(labels, probabilities, names, thresholds):
            logger.warning("%s", warning)
        return self.target.evaluate(labels, probabilities, names, thresholds)

    def explain(self, texts: Texts) -> list[Explanation]:
        """Explain each text's label: parts of the logits by word, n-gram and feature.

        Exact for Kim's network with ReLU or no activation; integrated gradients, which need torch, for the others.

        Raises:
            DataError: a bare string, a missing value, or something that is not text.
        """
        return explain(self, texts)

    def counterfactual(self, text: str, *, budget: float = 1.0) -> Counterfactual | None:
        """Find a small change of a text that flips its label, or None (`textcnn.explain.counterfactual`).

        Args:
            text: what to change.
            budget: seconds for changes of two words.
        """
        from textcnn.explain.counterfactual import counterfactual

        return counterfactual(self, text, budget_seconds=budget)

    def filters(
        self, texts: Texts, *, layer: int = 1, most: int = 10, ngrams: int = 5, word: str | None = None
    ) -> list[Filter]:
        """Describe the filters of a layer, the most important first (`textcnn.explain.filter_responses`).

        Args:
            texts: where to look for the n-grams that each filter picks.
            layer: 1 for the filters over the words, which are the only layer of `kim` and the region embedding of
                `dpcnn`; then each convolution in its order, of which an inception module is one.
            most: how many filters.
            ngrams: how many n-grams of each.
            word: order the filters of the first layer by their response to this word.

        Raises:
            ConfigError: the model does not know the word, or has no such layer; a word and a layer above the first; or
                torch, which such a layer needs, is not installed.
            DataError: no text is long enough to reach the layer.
        """
        from textcnn.explain.filter_responses import describe_filters

        return describe_filters(self, as_column(texts), layer=layer, most=most, ngrams=ngrams, word=word)

    def feature_graph(self, text: str, *, place: tuple[int, int] | None = None) -> FeatureGraph:
        """Return the graph that a DCNN induces over a sentence (Kalchbrenner et al. 2014, section 4).

        Args:
            text: the sentence.
            place: map and row of the last layer; None takes those that weigh most for the predicted class.

        Raises:
            ConfigError: the model is no DCNN, or has no such map or row.
        """
        from textcnn.explain.feature_graph import feature_graph

        return feature_graph(self, text, place)

    def report(
        self,
        path: Path | str,
        texts: Texts,
        labels: Any,
        *,
        training: tuple[Texts, Any] | None = None,
        source: str = "texts",
        split: str = "all",
        overwrite: bool = False,
    ) -> Figures:
        """Write a page on how well the model does on labelled texts, and on what it fails.

        Args:
            path: the HTML file to write.
            texts: to score.
            labels: theirs.
            training: texts and labels that the model learned from, for a linear baseline; None leaves it out.
            source: what the texts are, for the page.
            split: which part of it they are.
            overwrite: replace the file if it exists.

        Returns:
            The figures on the page.

        Raises:
            DataError: texts or labels are not what they should be, or the file exists or cannot be written.
        """
        from textcnn.files import check_output
        from textcnn.report.page import write_report

        check_output(Path(path), overwrite=overwrite, error=DataError)
        pairs = [(texts, labels)] + ([training] if training is not None else [])
        columns = [as_column(x) for x, _ in pairs]
        ids = [self.label_ids(y, len(x)) for x, (_, y) in zip(columns, pairs, strict=True)]
        scored, *others = [Labelled(x, y) for x, y in zip(columns, ids, strict=True)]
        return write_report(self, Path(path), scored, others[0] if others else None, source=source, split=split)

    def to_onnx(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write the model as an ONNX file, and beside it how texts become ids (`textcnn.export.onnx_files`).

        Args:
            path: the file, whose name ends in `.onnx`; the other one's ends in `.json`.
            overwrite: replace files that exist.

        Raises:
            ConfigError: onnx is not installed, or the model cannot be exported.
            ModelError: another name, or a file exists.
        """
        from textcnn.export.onnx_files import to_onnx

        to_onnx(self, Path(path), overwrite=overwrite)

    def compress(self, *, bits: int = 8, max_mb: float | None = None) -> Model:
        """Return a smaller model that gives almost the same answers (`textcnn.inference.compression.compress`).

        Args:
            bits: of a number, 8 or 16.
            max_mb: the most megabytes that the saved model may take; None keeps all words and n-grams.

        Raises:
            ConfigError: another number of bits, or `max_mb` is too little.
        """
        from textcnn.inference.compression import compress

        return Model(compress(self.artifact, bits=bits, max_mb=max_mb))

    def push_to_hub(
        self,
        name: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        commit_message: str | None = None,
        token: str | None = None,
        license: str | None = None,  # noqa: A002 (the hub's name)
        language: str | Sequence[str] = (),
        datasets: str | Sequence[str] = (),
    ) -> str:
        """Publish the model on the Hugging Face hub, in one commit; `load_model(name)` then loads it anywhere.

        Beside the files of a saved model there are its card, which replaces one that is there, and a picture of its
        scores. They show the words of its training texts, and these texts' source as it was named.

        Args:
            name: `user/name`; the repository is created if it does not exist.
            private: whether a repository that is created is private; None leaves that to the hub, whose default for
                users is public.
            revision: the branch, which is created if it does not exist; None for `main`.
            commit_message: of the commit; None for a usual one.
            token: of a user who may write there; None for the one who has logged in (`hf auth login`, `HF_TOKEN`).
            license: of the model, for the card: `mit`, `apache-2.0` ...
            language: of the texts, for the card: an ISO 639 code such as `en`, or several.
            datasets: name of the data on the hub, for the card, or several.

        Returns:
            The address of the commit.

        Raises:
            ConfigError: `huggingface_hub` is not installed, or the hub allows no such name.
            ModelError: the hub cannot be reached, or does not take it.
        """
        from textcnn.publishing import publish

        return publish(
            self.artifact,
            name,
            private=private,
            revision=revision,
            commit_message=commit_message,
            token=token,
            license=license,
            language=language,
            datasets=datasets,
        )

    def __repr__(self) -> str:
        return f"<textcnn model: {self.architecture}, {len(self.artifact.words):,} words, classes {self._shown(4)}>"

    def _shown(self, most: int) -> str:
        """Return the classes, of more than `most` the first."""
        classes = [str(label) for label in self.classes_]
        return ", ".join(classes if len(classes) <= most else [*classes[: most - 1], f"... {len(classes):,} in all"])

    def _repr_html_(self) -> str:
        """Return a small card for notebooks."""
        rows = {
            "architecture": self.architecture,
            "classes": self._shown(20),
            "words": f"{len(self.artifact.words):,}",
            "trained on": self.artifact.training.get("source") or "",
        }
        for split, figures in self.artifact.metrics.items():
            key, name = self.target.headline
            rows[f"{split} {name}"] = f"{figures.get(key, 0):.4f} ({figures['examples']:,} texts)"
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in rows.items()
            if value
        )
        return f"<table><caption>textcnn model</caption>{cells}</table>"

    def fit(self, X: Any, y: Any = None) -> Model:  # noqa: N803 (scikit-learn's name)
        """Raise TypeError: a model is trained already. scikit-learn takes objects with this method for estimators."""
        raise TypeError(
            "expected a classifier to fit, found a trained model; use TextCNNClassifier, or FrozenEstimator"
        )

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(multi_label=self.target is not ONE_CLASS),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )


def load_model(path: str | PathLike[str], *, revision: str | None = None) -> Model:
    """Load a saved model; needs neither torch nor the training data.

    Args:
        path: the model's folder. A string that is no local path may also be `user/name` or `user/name@revision` on the
            Hugging Face hub, from where the model's files are fetched, once for each version.
        revision: of a model on the hub: branch, tag or commit; None for the branch `main`.

    Raises:
        ConfigError: a revision of a local model, or one given twice, or `huggingface_hub` is not installed.
        ModelError: `path` is no model, or a damaged, altered or newer one, or cannot be fetched.

    Example:
        >>> model = load_model("textcnn-model")
        >>> model.predict(["not bad at all"])
        array(['positive'], dtype='<U8')
    """
    if isinstance(path, str):
        from textcnn.inference.from_hub import load_from_hub, on_hub

        found = on_hub(path, revision)
        if found is not None:
            return Model(load_from_hub(*found))
    elif revision is not None:
        raise ConfigError(f"expected user/name on the Hugging Face hub beside a revision ({revision}), found {path}")
    return Model(load_artifact(path))
