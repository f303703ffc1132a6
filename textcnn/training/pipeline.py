"""Labelled texts to a trained model, in three stages: prepare, fit, package."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from textcnn import kernels
from textcnn.data.labelled import Labelled
from textcnn.data.soft_labels import SoftLabels, joined, without
from textcnn.errors import ConfigError, DataError, TrainingError, is_of_memory
from textcnn.inference.artifact import Artifact, digest_of, load_artifact, weight_shapes
from textcnn.inference.scorer import word_rows
from textcnn.settings.architectures import make_network
from textcnn.settings.config import to_json
from textcnn.settings.options import Settings
from textcnn.settings.training import TrainingConfig
from textcnn.targets import target_of
from textcnn.text.encoding import encode_texts
from textcnn.text.ngrams import collect_ngrams
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import Vocabulary
from textcnn.training._char_ngrams import WordNgrams, find_subwords, whole_rows
from textcnn.training._environment import Cores, environment, torch_threads
from textcnn.training._starting_words import coverage, initial_rows, read_words
from textcnn.training.group import ONE_PROCESS, TrainingGroup
from textcnn.training.identity import differences
from textcnn.training.progress import History, Progress
from textcnn.training.validation import adapted, held_out, validation_folds
from textcnn.vectors.neighbours import neighbours_of_probes

if TYPE_CHECKING:
    from textcnn.nn.base import TextNetwork
    from textcnn.training._batching import Examples
    from textcnn.training._fitting import Member

logger = logging.getLogger(__name__)

LARGEST_NETWORK = 2**32  # weights: a larger one is a typing error


@dataclass(frozen=True)
class Prepared:
    """All that training needs, made from texts and settings.

    Attributes:
        settings: with what the word vectors or the model to start from decide.
        classes: the labels, (K,).
        vocabulary: words of the training texts, and those of the vectors that are kept beside them.
        config: the training settings, with what the texts decide.
        training: the texts with labels to learn from.
        validation: the texts that choose the epoch; with folds these are the same.
        members: the networks to train, fresh or with the layers of the model to start from; the last is kept.
        facts: what the saved model keeps of this stage, as JSON.
        identity: what a run must have in common with a checkpoint to resume from it, as JSON.
    """

    settings: Settings
    classes: np.ndarray
    vocabulary: Vocabulary
    config: TrainingConfig
    training: Labelled
    validation: Labelled
    members: tuple[Member, ...]
    facts: dict[str, Any]
    identity: dict[str, Any]


class Trained(NamedTuple):
    """What training made.

    Attributes:
        artifact: the model.
        history: how training went.
        training: the texts with labels that it learned from.
        validation: the texts that chose the epoch; the same where these were divided into folds.
        probabilities: of the validation texts by a network that did not learn from them, (N, K).
    """

    artifact: Artifact
    history: History
    training: Labelled
    validation: Labelled
    probabilities: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """A trained network's outcome: its weights, how training went, and the probabilities of the validation texts."""

    weights: dict[str, np.ndarray]
    history: History
    probabilities: np.ndarray


def train_model(
    training: Labelled,
    classes: np.ndarray,
    settings: Settings,
    *,
    validation: Labelled | None = None,
    soft: SoftLabels | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    memory: dict[bytes, Any] | None = None,
    group: TrainingGroup = ONE_PROCESS,
) -> Trained:
    """Train a network.

    Args:
        training: the training texts; vocabulary and every choice come from them, and from `soft`, alone.
        classes: the labels in the order of their ids, (K,).
        settings: everything else.
        soft: texts with a teacher's probabilities, to learn from too (`textcnn.data.soft_labels.joined`). Those of
            validation texts are left out.
        validation: texts that choose the epoch; None divides `training` into folds, or holds out a stratified share.
        progress: receives how training goes.
        checkpoint: file that keeps the run after its epochs; the caller removes it when the model is saved.
        resume: continue from that file if it exists: the result has the bits of a run that was never stopped.
        memory: what may be kept from one call to the next where many train on the same texts; empty at first. The
            result has the same bits without it.
        group: the processes that train together, each of which calls this.

    Returns:
        The model with the weights of the best epoch, how training went, and the texts of each kind.

    Raises:
        DataError: no texts, one class, or too few examples of a class.
        VectorsError: the word vectors cannot be used.
        TrainingError: the loss is not finite, memory runs out, or another process has ended or has other texts.
        ModelError: the checkpoint, or the model to start from, cannot be used.
    """
    kernels.limit_spinning()  # before torch is loaded, if it is not
    progress = progress or Progress()
    prepared = prepare(training, classes, settings, validation=validation, soft=soft, progress=progress)
    fitted = fit(prepared, progress=progress, checkpoint=checkpoint, resume=resume, memory=memory, group=group)
    return package(prepared, fitted)


def prepare(
    training: Labelled,
    classes: np.ndarray,
    settings: Settings,
    *,
    validation: Labelled | None,
    progress: Progress,
    soft: SoftLabels | None = None,
) -> Prepared:
    """Split, build the vocabulary, encode, read word vectors, collect n-grams and make the network.

    Arguments and errors as in `train_model`. Initial weights and dropout draw from a generator of the network's own.
    """
    cores = Cores()
    from textcnn.training._batching import Examples
    from textcnn.training._fitting import members_of
    from textcnn.training.transfer import adopt, start

    initial = None if settings.init_from is None else load_artifact(settings.init_from)
    if initial is not None:
        settings = adopt(settings, initial)
    names = [str(label) for label in classes]
    if len(classes) < 2:
        what = target_of(training.labels).plural
        raise DataError(f"expected two {what} or more, found {len(classes)}: {', '.join(names) or 'none'}")
    given = validation is not None
    more = 0 if soft is None else max(0, len(soft) - len(training))  # unless few of the training texts have soft labels
    config = adapted(settings.training, training.labels, given=given, more=more)
    folds: list[np.ndarray] = []
    if validation is None and config.validation_folds:
        folds, validation = validation_folds(training, config), training
    elif validation is None:
        training, validation = held_out(training, config, names)
    learned, probabilities, counted = training, None, None
    if soft is not None:
        both = joined(
            training,
            without(soft, [] if folds else [validation]),
            temperature=config.teacher_temperature,
            gold_weight=config.gold_weight,
        )
        learned, probabilities = both.texts, both.probabilities
        counted = {"alone": both.alone, "with_label": both.with_label}
    vocabulary, vectors, seen = read_words(learned, settings, progress)
    if vectors is not None:
        model = dataclasses.replace(settings.model, dimension=vectors.dimension)
        settings = dataclasses.replace(settings, model=model)
    tokenizer = Tokenizer(settings.text)
    parts = [(learned, probabilities), *([] if folds else [(validation, None)])]
    columns = [part.texts for part, _ in parts]
    subwords = find_subwords(settings.model, tokenizer, vocabulary, columns, seen=seen, initial=initial)
    everything = vocabulary if subwords is None else subwords.vocabulary
    examples = [
        Examples(encode_texts(part.texts, tokenizer, everything), part.labels, part.weights, wanted)
        for part, wanted in parts
    ]
    rows = initial_rows(settings, vocabulary, vectors)
    taken: list[dict[str, Any]] = []

    def make(part: Examples) -> TextNetwork:
        network = _make_network(settings, vocabulary, len(classes), part, rows, subwords)
        if initial is not None:
            taken.append(start(network, initial, vocabulary.words, classes, vectors, settings.training))
        return network

    hide_words = vectors is None and initial is None
    members = members_of(examples, folds, make, hide_words=hide_words, hidden=len(everything) if subwords else None)
    facts = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "settings": to_json(settings.training),
        "held_out": not given,  # the validation texts
        "folds": len(folds),
        "texts": len(learned),
        "labels": target_of(learned.labels).counts(learned.labels, len(classes)).tolist(),
        "soft_labels": counted,
        "initial": taken[-1] if taken else None,
        "vectors": None if vectors is None else coverage(vectors, seen),
        "neighbours": _neighbours(members[-1].network, settings, vocabulary.words),
        "environment": environment(settings.training.device, cores=cores, networks=len(members)),
    }
    identity = _identity(settings, everything.words, examples, None if vectors is None else vectors.matrix)
    identity["folds"] = hashlib.sha256(b"".join(rows.tobytes() for rows in folds)).hexdigest()
    identity["model to start from"] = None if initial is None else digest_of(initial)
    return Prepared(
        settings=settings,
        classes=np.asarray(classes),
        vocabulary=vocabulary,
        config=config,
        training=training,
        validation=validation,
        members=members,
        facts=facts,
        identity=identity,
    )


def fit(
    prepared: Prepared,
    *,
    progress: Progress,
    checkpoint: Path | None = None,
    resume: bool = False,
    memory: dict[bytes, Any] | None = None,
    group: TrainingGroup = ONE_PROCESS,
) -> Fitted:
    """Train the network until early stopping ends it; arguments and errors as in `train_model`."""
    from textcnn.training._checkpoint import Checkpoint
    from textcnn.training._fitting import Fitting

    different = differences(prepared.identity, json.loads(group.first(json.dumps(prepared.identity))))
    if different:
        raise TrainingError(
            f"expected the same texts and settings in each process, found other {', '.join(different)} in process "
            f"{group.rank} than in process 0; give all the same files and options"
        )
    own = prepared.facts["environment"]
    if group.size > 1:  # which sum in another order
        own["processes"] = group.size
    keep: Checkpoint | None = None
    if checkpoint is not None:
        keep = Checkpoint(checkpoint, prepared.identity, own, resume, group)
    fitting = Fitting(
        prepared.members,
        prepared.validation.labels,
        prepared.config,
        classes=len(prepared.classes),
        progress=progress,
        checkpoint=keep,
        memory=memory,
        group=group,
    )
    try:
        with torch_threads(own["threads"]):
            history = fitting.run()
    except (RuntimeError, MemoryError) as error:
        if is_of_memory(error):
            raise TrainingError(
                "expected memory enough for a batch, found too little; use a smaller batch size, "
                "a smaller network, or cut long texts (--max-length)"
            ) from error
        raise
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in fitting.network.state_dict().items()}
    weights = whole_rows(prepared.settings.model, weights, prepared.vocabulary.words)
    return Fitted(weights, history, fitting.best.probabilities)


def package(prepared: Prepared, fitted: Fitted) -> Trained:
    """Put all that a prediction needs together, with the temperature and the scores of the validation texts."""
    labels = prepared.validation.labels
    target = target_of(labels)
    logits = target.logits(fitted.probabilities)
    temperature = target.fit_temperature(logits, labels)
    probabilities = target.probabilities(logits, temperature)
    thresholds = target.fit_thresholds(labels, probabilities)
    names = [str(label) for label in prepared.classes]
    # Before calibration, which hides a loss that has diverged; thresholds are of calibrated probabilities.
    doubted = fitted.probabilities if thresholds is None else probabilities
    if warning := target.doubt(labels, doubted, names, thresholds):
        logger.warning("validation: %s; try other settings, such as a smaller learning rate", warning)
    artifact = Artifact(
        text=prepared.settings.text,
        model=prepared.settings.model,
        classes=prepared.classes,
        words=prepared.vocabulary.words,
        weights=fitted.weights,
        training={**prepared.facts, "history": fitted.history.to_json()},
        metrics={"validation": target.evaluate(labels, probabilities, names, thresholds)},
        temperature=temperature,
        target=target,
        thresholds=thresholds,
    )
    return Trained(artifact, fitted.history, prepared.training, prepared.validation, probabilities)


def _make_network(
    settings: Settings,
    vocabulary: Vocabulary,
    classes: int,
    training: Examples,
    rows: np.ndarray | None,
    subwords: WordNgrams | None,
) -> TextNetwork:
    """Return a fresh network, with the n-grams of the training texts in its bag."""
    import torch

    from textcnn.nn.randomness import DrawingFrom

    size = {"vocabulary_size": len(vocabulary), "classes": classes}
    order = settings.model.ngrams
    check_ngrams(order, len(vocabulary))
    _check_size(settings, **size, buckets=0 if subwords is None else len(subwords.buckets))
    ngrams = None
    if order:
        found = collect_ngrams(
            training.texts, training.labels, classes=classes, order=order, vocabulary_size=len(vocabulary)
        )
        ngrams = tuple(map(torch.from_numpy, found))
    generator = torch.Generator().manual_seed(settings.training.seed)
    with DrawingFrom(generator):
        network: TextNetwork = make_network(
            settings.model,
            vectors=None if rows is None else torch.from_numpy(rows),
            ngrams=ngrams,
            subwords=None if subwords is None else subwords.of_network(),
            **size,
        )
    network.dropout.generator = generator  # it draws on where the weights ended
    bias = target_of(training.labels).initial_bias(training.labels)
    if bias is not None:
        with torch.no_grad():
            network.softmax.bias.copy_(torch.from_numpy(bias))
    return network


def check_ngrams(order: int, vocabulary_size: int) -> None:
    """Raise ConfigError if the numbers of n-grams would not be distinct in 63 bits."""
    if vocabulary_size**order >= 1 << 63:
        raise ConfigError(
            f"ngrams: expected {order - 1} at most for a vocabulary of {vocabulary_size:,} words, found {order}; "
            "use shorter ones or a smaller vocabulary"
        )


def _check_size(settings: Settings, **size: int) -> None:
    """Raise ConfigError for a network of more weights than can be meant."""
    shapes = weight_shapes(settings.model, **size)
    weights = sum(math.prod(shape) for shape in shapes.values())
    if weights > LARGEST_NETWORK:
        raise ConfigError(
            f"expected a network of up to {LARGEST_NETWORK:,} weights, found one of {weights:,}; "
            "use a smaller dimension, fewer feature maps or a smaller vocabulary"
        )


def _neighbours(
    network: TextNetwork, settings: Settings, words: Sequence[str]
) -> dict[str, list[tuple[str, float]]] | None:
    """Return the neighbours of a few words before training; None where rows start at random."""
    if not settings.model.pretrained and settings.init_from is None:
        return None
    tables = {f"channels.{name}": x.detach().numpy() for name, x in network.channels.state_dict().items()}
    return neighbours_of_probes(word_rows(settings.model, whole_rows(settings.model, tables, words)), words)


def _identity(
    settings: Settings, words: Sequence[str], examples: Sequence[Examples], matrix: np.ndarray | None
) -> dict[str, Any]:
    """Return what a run must have in common with a checkpoint to resume from it."""
    data = hashlib.sha256("\0".join(words).encode())
    for part in examples:
        for array in (part.texts.ids, part.texts.offsets, part.labels, part.weights, part.probabilities):
            data.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return {
        **settings.identity(),
        "data": data.hexdigest(),
        "word vectors": None if matrix is None else hashlib.sha256(matrix.tobytes()).hexdigest(),
    }
