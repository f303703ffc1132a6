"""More training of a trained model: an epoch on further texts of the known classes, with the words that they bring."""

from __future__ import annotations

import dataclasses

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.inference.artifact import Artifact
from textcnn.settings.architectures import make_network
from textcnn.settings.training import TrainingConfig
from textcnn.text.encoding import encode_texts
from textcnn.text.ngrams import collect_ngrams
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import FIRST_WORD, Vocabulary, count_words
from textcnn.training.progress import Progress


def learn_more(
    initial: Artifact, part: Labelled, config: TrainingConfig, *, progress: Progress | None = None
) -> Artifact:
    """Train a model for one epoch on further texts.

    Words and n-grams that the model does not know are added: new words begin at random, new n-grams at a weight of 0.
    What it knows stays, thresholds and temperature too; its scores, which are of the model before, are left out. As
    with `partial_fit` of scikit-learn's linear models, nothing is held out and no epoch is chosen.

    Args:
        initial: the model, which stays as it is.
        part: further texts, with the ids of the model's classes.
        config: the training settings.
        progress: receives how training goes.

    Returns:
        The model after the epoch.

    Raises:
        ConfigError: settings that the network or this machine cannot follow.
        TrainingError: the loss is not finite.
    """
    import torch

    from textcnn.nn.randomness import DrawingFrom
    from textcnn.training._batching import Examples
    from textcnn.training._char_ngrams import find_subwords, whole_rows
    from textcnn.training._loop import Trainer
    from textcnn.training.pipeline import check_ngrams
    from textcnn.training.transfer import old_ngrams, start

    found, _ = count_words(Tokenizer(initial.text).columns(part.texts))
    known = set(initial.words)
    words = [*initial.words, *(word for word in found if word not in known)]
    size = {"vocabulary_size": len(words) + FIRST_WORD, "classes": len(initial.classes)}
    check_ngrams(initial.model.ngrams, size["vocabulary_size"])
    tokenizer, vocabulary = Tokenizer(initial.text), Vocabulary(words)
    encoded = encode_texts(part.texts, tokenizer, vocabulary)
    ngrams = None
    if initial.model.ngrams:
        new = collect_ngrams(encoded, part.labels, order=initial.model.ngrams, **size)
        old = old_ngrams(initial, words), initial.weights["ngrams.factors"]
        keys, first = np.unique(np.concatenate([old[0], new[0]]), return_index=True)  # of equal ones the old
        ngrams = torch.from_numpy(keys), torch.from_numpy(np.concatenate([old[1], new[1]])[first])
    subwords = find_subwords(initial.model, tokenizer, vocabulary, [part.texts], seen=len(words), initial=initial)
    rows = torch.zeros(size["vocabulary_size"], initial.model.dimension) if initial.model.pretrained else None
    generator = torch.Generator().manual_seed(config.seed)
    with DrawingFrom(generator):
        network = make_network(
            initial.model,
            vectors=rows,
            ngrams=ngrams,
            subwords=None if subwords is None else subwords.of_network(),
            **size,
        )
    network.dropout.generator = generator
    start(network, initial, words, initial.classes, None, config)
    config = dataclasses.replace(config, schedule="constant")  # of how many epochs it is one, nobody knows
    trainer = Trainer(network, config, classes=size["classes"], progress=progress or Progress(), target=initial.target)
    trainer.train_epoch(1, Examples(encoded, part.labels, part.weights))
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    weights = whole_rows(initial.model, weights, words)
    counts = initial.target.counts(part.labels, size["classes"])
    texts, labels = initial.training.get("texts") or 0, initial.training.get("labels") or [0] * size["classes"]
    training = {
        **{name: fact for name, fact in initial.training.items() if name != "compression"},  # its numbers move
        "texts": texts + len(part),
        "labels": (np.array(labels) + counts).tolist(),
    }
    return dataclasses.replace(initial, words=words, weights=weights, training=training, metrics={}, compression=None)
