"""Training with character n-grams: folds, resuming, transfer, further texts, distillation's probabilities."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from textcnn import TextCNNClassifier
from textcnn.data.labelled import Labelled
from textcnn.errors import ConfigError
from textcnn.inference.codes import BUCKETS
from textcnn.inference.predictor import Predictor
from textcnn.settings.config import KimConfig
from textcnn.settings.options import Settings
from textcnn.settings.training import TrainingConfig
from textcnn.text.subwords import hash_ngrams
from textcnn.training._char_ngrams import own_rows, whole_rows
from textcnn.training._loop import predict_logits
from textcnn.training.pipeline import fit, package, prepare
from textcnn.training.progress import Progress

SIZES = (3, 4)
MODEL = KimConfig(ngrams=2, dimension=8, region_sizes=(1, 2), feature_maps=6, char_ngrams=SIZES)
TRAINING = TrainingConfig(max_epochs=3, batch_size=10, device="cpu", validation_folds=2)
STEMS = {0: ["bad", "poor", "dull"], 1: ["good", "fine", "great"]}
CLASSES = np.array(["no", "yes"])


def corpus(seed=0, count=60, endings=("", "ly", "ness")):
    """Texts whose words are stems with endings, so that many are in one text alone."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    texts = [
        " ".join(
            f"{generator.choice(STEMS[label])}{generator.choice(endings)}{n}" for n in generator.integers(0, 30, 4)
        )
        for label in labels.tolist()
    ]
    return Labelled(pa.chunked_array([texts]), labels)


def prepared(training=TRAINING, validation=None, data=None, **settings):
    settings = Settings(model=MODEL, training=training, **settings)
    return prepare(data or corpus(), CLASSES, settings, validation=validation, progress=Progress())


def trained(**arguments):
    ready = prepared(**arguments)
    return package(ready, fit(ready, progress=Progress())).artifact


def test_words_that_a_fold_has_not_seen_keep_their_ngrams():
    ready = prepared()
    whole = ready.members[-1].training.texts
    everything = len(ready.vocabulary)  # no other words are in the texts
    for member in ready.members[:-1]:
        ids = whole.take(member.rows).ids
        seen = np.isin(ids, member.training.texts.ids)
        assert not seen.all()
        np.testing.assert_array_equal(member.scored.ids, np.where(seen, ids, ids + everything))


def test_validation_words_have_ngrams_alone():
    validation = corpus(seed=1, endings=("ish",))
    ready = prepared(dataclasses.replace(TRAINING, validation_folds=0), validation)
    [member] = ready.members
    assert (member.scored.ids >= len(ready.vocabulary)).all()
    buckets = np.unique(hash_ngrams(ready.vocabulary.words, *SIZES)[0])
    assert member.network.channels.subwords.buckets.tolist() == buckets.tolist()  # of the training texts alone
    artifact = package(ready, fit(ready, progress=Progress())).artifact
    predictor = Predictor(artifact)
    logits = predict_logits(member.network, member.scored, classes=2)
    np.testing.assert_allclose(predictor.logits(predictor.encode_ids(validation.texts)), logits, atol=1e-5)


def test_training_words_that_the_vocabulary_lacks_teach_their_ngrams():
    text = dataclasses.replace(Settings().text, max_size=5)
    ready = prepared(text=text)
    assert (ready.members[-1].training.texts.ids >= len(ready.vocabulary)).any()
    words = {word for one in corpus().texts.to_pylist() for word in one.split()}
    assert len(ready.vocabulary.words) == 5
    buckets = ready.members[-1].network.channels.subwords.buckets.tolist()
    assert buckets == np.unique(hash_ngrams(sorted(words), *SIZES)[0]).tolist()


def test_it_learns_from_ngrams():
    artifact = trained(training=dataclasses.replace(TRAINING, max_epochs=15, patience=15, learning_rate=0.01))
    other = corpus(seed=5, endings=("ish",))
    found = Predictor(artifact).predict(other.texts)
    assert (found == CLASSES[other.labels]).mean() > 0.9


def test_rows_are_put_together_and_taken_apart():
    artifact = trained()
    assert artifact.weights["channels.subwords.weight"].any()
    own = own_rows(artifact)
    again = whole_rows(artifact.model, own, artifact.words)
    np.testing.assert_allclose(again["channels.tuned"], artifact.weights["channels.tuned"], atol=1e-6)
    assert np.abs(own["channels.tuned"] - artifact.weights["channels.tuned"]).max() > 1e-4


def test_a_resumed_run_has_the_same_bits(tmp_path):
    class Stop(Progress):
        def epoch(self, epoch):
            raise KeyError

    ready = prepared()
    with pytest.raises(KeyError):
        fit(ready, progress=Stop(), checkpoint=tmp_path / "run")
    resumed = fit(prepared(), progress=Progress(), checkpoint=tmp_path / "run", resume=True)
    once = fit(prepared(), progress=Progress())
    assert once.weights.keys() == resumed.weights.keys()
    for name, weight in once.weights.items():
        np.testing.assert_array_equal(weight, resumed.weights[name], err_msg=name)


@pytest.mark.parametrize("freeze", [(), ("embeddings",)])
def test_a_model_to_start_from(tmp_path, freeze):
    first = trained()
    Predictor(first).save(tmp_path / "model")
    training = dataclasses.replace(TRAINING, max_epochs=1, freeze=freeze, validation_folds=0)
    ready = prepared(training, data=corpus(seed=3, endings=("ly", "ish")), init_from=tmp_path / "model")
    [member] = ready.members
    buckets = member.network.channels.subwords.buckets.numpy()
    assert set(first.weights[BUCKETS].tolist()) < set(buckets.tolist())
    rows = dict(zip(buckets.tolist(), member.network.channels.subwords.weight.detach().numpy(), strict=True))
    for bucket, row in zip(first.weights[BUCKETS].tolist(), first.weights["channels.subwords.weight"], strict=True):
        np.testing.assert_array_equal(rows.pop(bucket), row)
    assert not np.any([*rows.values()])
    shared = [word for word in ready.vocabulary.words if word in first.words]
    before = dict(zip(first.words, first.weights["channels.tuned"][2:], strict=True))
    own = {name: tensor.detach().numpy().copy() for name, tensor in member.network.state_dict().items()}
    found = whole_rows(MODEL, own, ready.vocabulary.words)
    places = [ready.vocabulary.words.index(word) + 2 for word in shared]
    np.testing.assert_allclose(found["channels.tuned"][places], [before[word] for word in shared], atol=1e-6)
    after = package(ready, fit(ready, progress=Progress())).artifact
    for name in ("channels.subwords.weight", "channels.tuned"):
        assert np.allclose(after.weights[name], found[name], atol=1e-6) == bool(freeze), name


def test_another_model_s_ngrams(tmp_path):
    Predictor(trained()).save(tmp_path / "model")
    settings = Settings(model=dataclasses.replace(MODEL, char_ngrams=(2, 4)), init_from=tmp_path / "model")
    with pytest.raises(
        ConfigError, match=r"^char_ngrams: expected \(3, 4\) as in the model to start from, found \(2, 4\)"
    ):
        prepare(corpus(), CLASSES, settings, validation=None, progress=Progress())


def test_further_texts():
    data = corpus()
    arguments = {"dimension": 8, "region_sizes": (1,), "feature_maps": 4, "max_epochs": 2, "char_ngrams": SIZES}
    classifier = TextCNNClassifier(**arguments).fit(data.texts, CLASSES[data.labels])
    before = classifier.model_.artifact
    new = corpus(seed=9, endings=("ish",))
    after = classifier.partial_fit(new.texts, CLASSES[new.labels]).model_.artifact
    assert set(before.weights[BUCKETS].tolist()) < set(after.weights[BUCKETS].tolist())
    kept = np.isin(after.weights[BUCKETS], before.weights[BUCKETS])
    near = after.weights["channels.subwords.weight"][kept] - before.weights["channels.subwords.weight"]
    assert np.abs(near).max() < 0.1


def test_vectors_are_where_words_start(tmp_path):
    words = corpus().texts.to_pylist()[0].split()
    rows = np.random.default_rng(0).normal(size=(len(words), 8))
    lines = [f"{len(words)} 8", *(f"{word} {' '.join(map(str, row))}" for word, row in zip(words, rows, strict=True))]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    settings = Settings(
        model=dataclasses.replace(MODEL, channels="multichannel"),
        training=dataclasses.replace(TRAINING, vector_norm=0.0),
        vectors=tmp_path / "vectors.txt",
    )
    ready = prepare(corpus(), CLASSES, settings, validation=None, progress=Progress())
    channels = ready.members[-1].network.channels
    ids = torch.tensor([ready.vocabulary.words.index(word) + 2 for word in words])
    np.testing.assert_allclose(channels(ids).detach()[:, 0], 2 * rows, rtol=1e-5)
    package(ready, fit(ready, progress=Progress()))


def test_channels_that_do_not_move():
    with pytest.raises(
        ConfigError, match=r"^char_ngrams: expected channels that are trained, as n-grams are, found stat"
    ):
        dataclasses.replace(MODEL, channels="static")


@pytest.mark.parametrize("sizes", [(3,), (5, 3), (1, 2, 3)])
def test_lengths_that_are_none(sizes):
    with pytest.raises(ConfigError, match="^char_ngrams: expected the lengths of the shortest and the longest n-grams"):
        dataclasses.replace(MODEL, char_ngrams=sizes)


def test_the_penalty_moves_every_row():
    weights = [
        trained(training=dataclasses.replace(TRAINING, max_epochs=1, l2=l2)).weights["channels.subwords.weight"]
        for l2 in (0.0, 0.5)
    ]
    assert np.abs(weights[1]).sum() < np.abs(weights[0]).sum()
