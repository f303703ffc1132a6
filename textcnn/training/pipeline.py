"""Labelled texts to a trained model: what the estimator and the command line share."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from textcnn.data.splits import stratified_split
from textcnn.errors import ConfigError, DataError, TrainingError
from textcnn.inference.artifact import Artifact, load_artifact, weight_shapes
from textcnn.inference.scorers import word_rows
from textcnn.metrics import evaluate, fit_temperature, softmax
from textcnn.settings.config import LARGEST, TrainingConfig, to_json
from textcnn.settings.options import Settings
from textcnn.text.encoding import encode_texts
from textcnn.text.ngrams import collect_ngrams
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD, build_vocabulary
from textcnn.training.progress import History, Progress
from textcnn.vectors import WordVectors, load_vectors, with_unseen_words
from textcnn.vectors.neighbours import neighbours_of_probes

if TYPE_CHECKING:
    from textcnn.nn.network import Network
    from textcnn.training._checkpoint import Checkpoint


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Texts with their classes.

    Attributes:
        texts: a column of strings.
        labels: class ids, (N,) int64.
        groups: rows that a split must keep together have the same number, (N,); or None.
    """

    texts: pa.ChunkedArray
    labels: np.ndarray
    groups: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Labelled:
        """The given rows."""
        groups = None if self.groups is None else self.groups[rows]
        return Labelled(self.texts.take(pa.array(rows)), self.labels[rows], groups)


def concatenate(parts: Sequence[Labelled]) -> Labelled:
    """The rows of all parts; each part's groups stay groups of their own."""
    texts = pa.chunked_array([chunk for part in parts for chunk in part.texts.chunks], parts[0].texts.type)
    groups = None
    if any(part.groups is not None for part in parts):
        kept = [np.arange(len(part.labels)) if part.groups is None else part.groups for part in parts]
        firsts = np.cumsum([0, *(group.max(initial=-1) + 1 for group in kept)])
        groups = np.concatenate([group + first for group, first in zip(kept, firsts, strict=False)])
    return Labelled(texts, np.concatenate([part.labels for part in parts]), groups)


def train_model(
    training: Labelled,
    classes: np.ndarray,
    settings: Settings,
    *,
    validation: Labelled | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> tuple[Artifact, History]:
    """Train a network.

    Args:
        training: the training texts; vocabulary and every choice come from them alone.
        classes: the labels, one a class, (K,).
        settings: everything else.
        validation: texts that choose the epoch; None holds out a stratified share of `training`.
        progress: is told how it goes.
        checkpoint: file that keeps the run after each epoch; the caller removes it when the model is saved.
        resume: go on from that file if it is there: the result has the bits of a run never stopped.

    Returns:
        The model with the weights of the best epoch, and how training went.

    Raises:
        DataError: no texts, one class, or too few examples of a class.
        VectorsError: the word vectors cannot be used.
        TrainingError: the loss is not finite.
        ModelError: the checkpoint cannot be used.
    """
    import torch

    from textcnn.training._checkpoint import Checkpoint
    from textcnn.training._loop import choose_device
    from textcnn.training.transfer import adopt, start

    progress = progress or Progress()
    seed = settings.training.seed
    initial = None if settings.init_from is None else load_artifact(settings.init_from)
    if initial is not None:
        settings = adopt(settings, initial)
    names = [str(label) for label in classes]
    if len(classes) < 2:
        raise DataError(f"expected two classes or more, found {len(classes)}: {', '.join(names) or 'none'}")
    if validation is None:
        training, validation = held_out(training, settings.training, names)
    vocabulary = build_vocabulary(training.texts, settings.text)
    seen = len(vocabulary.words)
    if settings.vectors is not None:
        vocabulary = with_unseen_words(vocabulary, settings.vectors, settings.text)
    vectors = _read_vectors(settings, vocabulary.words, progress)
    if vectors is not None:
        model = dataclasses.replace(settings.model, dimension=vectors.dimension)
        settings = dataclasses.replace(settings, model=model)
    tokenizer = Tokenizer(settings.text)
    encoded = [(encode_texts(part.texts, tokenizer, vocabulary), part.labels) for part in (training, validation)]
    matrix = None
    if initial is not None and settings.model.pretrained:
        matrix = np.zeros((len(vocabulary), settings.model.dimension), np.float32)  # `start` fills it
    elif initial is None and vectors is not None:
        matrix = _initial_vectors(vectors, settings.training)
    ngrams = None
    if settings.model.ngrams:
        check_ngrams(settings.model.ngrams, len(vocabulary))
        ngrams = collect_ngrams(
            *encoded[0], classes=len(classes), order=settings.model.ngrams, vocabulary_size=len(vocabulary)
        )
    environment = _environment(torch.__version__, torch.get_num_threads(), str(choose_device(settings.training.device)))
    keep = None
    if checkpoint is not None:
        identity = _identity(settings, vocabulary.words, encoded, None if vectors is None else vectors.matrix)
        identity["model to start from"] = None if initial is None else digest_of(initial)
        keep = Checkpoint(checkpoint, identity, environment, resume)
    cuda = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        network = _network(settings, len(vocabulary), len(classes), matrix, ngrams)
        taken = (
            None if initial is None else start(network, initial, vocabulary.words, classes, vectors, settings.training)
        )
        before = _neighbours(network, settings, vocabulary.words)
        weights, history, probabilities = _train(network, encoded, len(classes), settings, progress, keep)
    # The logits, but for what they have in common.
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    temperature = fit_temperature(logits, validation.labels)
    artifact = Artifact(
        text=settings.text,
        model=settings.model,
        classes=np.asarray(classes),
        words=vocabulary.words,
        weights=weights,
        training={
            "settings": to_json(settings.training),
            "history": history.to_json(),
            "texts": len(training.labels),
            "labels": np.bincount(training.labels, minlength=len(classes)).tolist(),
            "initial": taken,
            "vectors": None if vectors is None else _found(vectors, seen),
            "neighbours": before,
            "environment": environment,
        },
        metrics={"validation": evaluate(validation.labels, softmax(logits, temperature), names)},
        temperature=temperature,
    )
    return artifact, history


def held_out(training: Labelled, config: TrainingConfig, names: Sequence[str]) -> tuple[Labelled, Labelled]:
    """Training texts in those to learn from and a stratified share to choose the epoch by.

    Raises:
        DataError: too few examples of a class.
    """
    parts = stratified_split(training.labels, config.validation_share, config.seed, groups=training.groups, names=names)
    return training.take(parts[0]), training.take(parts[1])


def _neighbours(
    network: Network, settings: Settings, words: Sequence[str]
) -> dict[str, list[tuple[str, float]]] | None:
    """Neighbours of a few words before training; None where rows start at random."""
    if not settings.model.pretrained and settings.init_from is None:
        return None
    tables = {f"channels.{name}": x.detach().numpy() for name, x in network.channels.state_dict().items()}
    return neighbours_of_probes(word_rows(settings.model, tables), words)


def _read_vectors(settings: Settings, words: Sequence[str], progress: Progress) -> WordVectors | None:
    if settings.vectors is None:
        return None
    return load_vectors(
        settings.vectors,
        words,
        dimension=settings.vector_dimension,
        progress=lambda done: progress.stage("reading vectors", done),
    )


def _found(vectors: WordVectors, seen: int) -> dict[str, int]:
    """How many of the training texts' words have vectors, and how many other words were kept."""
    return {"found": int(vectors.found[:seen].sum()), "words": seen, "unseen": len(vectors.found) - seen}


def _initial_vectors(vectors: WordVectors, config: TrainingConfig) -> np.ndarray:
    """Rows of the whole vocabulary, (V, D): padding and the unknown word at zero."""
    matrix = vectors.filled(np.random.default_rng(config.seed), norm=config.vector_norm)
    return np.concatenate([np.zeros((FIRST_WORD, matrix.shape[1]), np.float32), matrix])


def check_ngrams(order: int, vocabulary_size: int) -> None:
    """Raise ConfigError if the numbers of n-grams would not be distinct in 63 bits."""
    if vocabulary_size**order >= 1 << 63:
        raise ConfigError(
            f"ngrams: expected {order - 1} at most for a vocabulary of {vocabulary_size:,} words, found {order}; "
            "use shorter ones or a smaller vocabulary"
        )


def _network(
    settings: Settings,
    vocabulary_size: int,
    classes: int,
    matrix: np.ndarray | None,
    ngrams: tuple[np.ndarray, ...] | None,
) -> Network:
    """A fresh network."""
    import torch

    from textcnn.nn.network import make_network

    _check_size(settings, vocabulary_size, classes)
    vectors = None if matrix is None else torch.from_numpy(matrix)
    bag = None if ngrams is None else (torch.from_numpy(ngrams[0]), torch.from_numpy(ngrams[1]))
    size = {"vocabulary_size": vocabulary_size, "classes": classes}
    return make_network(settings.model, vectors=vectors, ngrams=bag, **size)


def _train(
    model: Network,
    encoded: list[tuple[Encoded, np.ndarray]],
    classes: int,
    settings: Settings,
    progress: Progress,
    checkpoint: Checkpoint | None,
) -> tuple[dict[str, np.ndarray], History, np.ndarray]:
    """Weights of the best epoch, the history, and the probabilities of the validation texts."""
    from textcnn.training._loop import Trainer, predict_probabilities

    trainer = Trainer(model, settings.training, classes=classes, progress=progress, checkpoint=checkpoint)
    try:
        history = trainer.run(*encoded)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or "allocate" in str(error) or "out of memory" in str(error):
            raise TrainingError(
                "expected memory enough for a batch, found too little; use a smaller batch size, "
                "a smaller network, or cut long texts (--max-length)"
            ) from error
        raise
    probabilities = predict_probabilities(model, encoded[1][0], classes=classes)
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    return weights, history, probabilities


def _check_size(settings: Settings, vocabulary_size: int, classes: int) -> None:
    """Raise ConfigError for a network of more numbers than a slip of the hand explains."""
    shapes = weight_shapes(settings.model, vocabulary_size=vocabulary_size, classes=classes)
    numbers = sum(math.prod(shape) for shape in shapes.values())
    if numbers > LARGEST:
        raise ConfigError(
            f"expected a network of up to {LARGEST:,} weights, found one of {numbers:,}; use a smaller dimension, "
            "fewer feature maps or a smaller vocabulary"
        )


def _identity(
    settings: Settings, words: Sequence[str], encoded: list[tuple[Encoded, np.ndarray]], matrix: np.ndarray | None
) -> dict[str, Any]:
    """What must be alike for a run to go on from a checkpoint."""
    data = hashlib.sha256("\0".join(words).encode())
    for texts, labels in encoded:
        for array in (texts.ids, texts.offsets, labels):
            data.update(np.ascontiguousarray(array).tobytes())
    return {
        **settings.identity(),
        "data": data.hexdigest(),
        "word vectors": None if matrix is None else hashlib.sha256(matrix.tobytes()).hexdigest(),
    }


def digest_of(initial: Artifact) -> str:
    """A hash of a model's words and weights."""
    data = hashlib.sha256("\0".join(initial.words).encode())
    for name in sorted(initial.weights):
        data.update(initial.weights[name].tobytes())
    return data.hexdigest()


def _environment(torch_version: str, threads: int, device: str) -> dict[str, str | int]:
    """What a run's bits depend on besides its seed."""
    return {
        "python": platform.python_version(),
        "torch": torch_version,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "threads": threads,
        "device": device,
    }
