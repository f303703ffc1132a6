"""How many words of the training texts have vectors is reported, and files that fit none are refused."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from textcnn import TextCNNClassifier
from textcnn.errors import VectorsError

LOGGER = "textcnn.training._starting_words"
LABELS = ["good", "bad"] * 20
SETTINGS = {"channels": "static", "feature_maps": 2, "max_epochs": 1}


@pytest.fixture
def english(tmp_path):
    """A file with vectors of three words."""
    path = tmp_path / "en.vec"
    path.write_text("3 4\nthe 1 0 0 1\nof 0 1 0 1\nand 0 0 1 1\n")
    return path


def fitted(texts, **settings):
    return TextCNNClassifier(**SETTINGS, **settings).fit(texts, LABELS).model_.artifact.training["vectors"]


@pytest.mark.parametrize("unseen", [0, 20_000])
def test_vectors_of_none_of_the_training_words_are_refused(english, unseen):
    with pytest.raises(VectorsError) as caught:
        fitted(["schöne warme Suppe", "üble kalte Suppe"] * 20, vectors=english, unseen_words=unseen)
    message = str(caught.value)
    assert str(english) in message
    assert "none of" in message
    assert "5 " in message  # distinct words
    assert "language" in message
    assert "\n" not in message


@pytest.mark.parametrize(("missing", "level"), [(19, logging.INFO), (20, logging.WARNING)])
def test_vectors_of_under_a_twentieth_of_the_training_words_get_a_warning(english, caplog, missing, level):
    texts = [" ".join(["the", *(f"wort{i}" for i in range(missing))])] * 40
    with caplog.at_level(logging.INFO, LOGGER):
        assert fitted(texts, vectors=english) == {"found": 1, "words": missing + 1, "unseen": 2}
    [record] = [record for record in caplog.records if record.name == LOGGER]
    assert record.levelno == level
    message = record.getMessage()
    assert str(english) in message
    assert f" 1 of the training texts' {missing + 1} " in message
    assert ("language" in message) == (level == logging.WARNING)


def test_vectors_in_memory_are_named(caplog):
    models = pytest.importorskip("gensim.models")
    keyed = models.KeyedVectors(2)
    keyed.add_vectors(["the", "of"], np.ones((2, 2), np.float32))
    with pytest.raises(VectorsError, match="^KeyedVectors: "):
        fitted(["schön warm", "übel kalt"] * 20, vectors=keyed)
    with caplog.at_level(logging.INFO, LOGGER):
        fitted(["the soup", "of soup"] * 20, vectors=keyed)
    assert any(message.startswith("KeyedVectors has") for message in caplog.messages)
