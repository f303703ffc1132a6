import dataclasses

import numpy as np
import pytest
import torch

from textcnn.metrics import softmax
from textcnn.nn.kim import KimCNN
from textcnn.settings.config import KimConfig
from textcnn.settings.training import TrainingConfig
from textcnn.text.ngrams import collect_ngrams
from textcnn.text.tokens import Encoded, offsets_of
from textcnn.text.vocabulary import UNKNOWN
from textcnn.training._batching import Examples
from textcnn.training._checkpoint import Checkpoint
from textcnn.training._fitting import Fitting, Member, members_of, mix
from textcnn.training._linear import solve
from textcnn.training._loop import predict_logits
from textcnn.training.progress import Progress

V = 40
MODEL = KimConfig(dimension=8, region_sizes=(1, 2), feature_maps=6, dropout=0.2)
CONFIG = TrainingConfig(learning_rate=0.02, batch_size=10, max_epochs=4, device="cpu", monitor="loss")


def corpus(seed, texts=60, classes=2):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(2, 8, size=texts)
    ids = generator.integers(6, V, size=lengths.sum()).astype(np.int32)
    labels = generator.integers(0, classes, size=texts)
    ids[offsets_of(lengths)[:-1]] = np.where(generator.random(texts) < 0.8, 2 + labels, 5)
    return Examples(Encoded(ids, offsets_of(lengths)), labels)


def network_of(examples, classes=2):
    torch.manual_seed(0)
    found = collect_ngrams(examples.texts, examples.labels, classes=classes, order=2, vocabulary_size=V)
    return KimCNN(MODEL, vocabulary_size=V, classes=classes, ngrams=tuple(map(torch.from_numpy, found)))


def fold_rows(count=60, folds=3):
    return [np.arange(i, count, folds) for i in range(folds)]


def fitted(config=CONFIG, checkpoint=None, progress=None, folds=3):
    examples = corpus(0)
    members = members_of([examples], fold_rows(folds=folds), network_of, hide_words=True)
    fitting = Fitting(
        members, examples.labels, config, classes=2, progress=progress or Progress(), checkpoint=checkpoint
    )
    return fitting, fitting.run()


def test_networks_side_by_side_have_the_bits_of_one_after_the_other():
    before = torch.get_num_threads()
    weights = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        fitting, _ = fitted()
        weights.append([p for member in fitting.members[:-1] for p in member.network.parameters()])
    torch.set_num_threads(before)
    assert all(torch.equal(*pair) for pair in zip(*weights, strict=True))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_mixed_network_has_the_mixed_logits(share):
    examples = corpus(0)
    network = network_of(examples)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.1)
    own = predict_logits(network, examples.texts, classes=2)
    linear = solve(network.ngrams, examples)
    other = linear.logits(examples.texts)
    mix(network, linear, np.array([share], np.float32))
    mixed = predict_logits(network, examples.texts, classes=2)
    np.testing.assert_allclose(mixed, (1 - share) * own + share * other, rtol=1e-3, atol=1e-3)


def test_each_fold_is_scored_by_a_network_that_has_not_seen_it():
    examples, folds = corpus(0), fold_rows()
    members = members_of([examples], folds, network_of, hide_words=True)
    assert [len(member.rows) for member in members] == [20, 20, 20, 0]
    for member, rows in zip(members, folds, strict=False):
        assert member.rows.tolist() == rows.tolist()
        assert member.training.labels.tolist() == examples.labels[np.setdiff1d(np.arange(60), rows)].tolist()
        unseen = ~np.isin(member.scored.ids, member.training.texts.ids)
        assert (member.scored.ids[unseen] == UNKNOWN).all()
        assert (member.scored.lengths == examples.texts.lengths[rows]).all()
    assert members[-1].training.labels.tolist() == examples.labels.tolist()


def test_the_probabilities_are_of_the_fold_networks_in_the_best_epoch():
    fitting, history = fitted(dataclasses.replace(CONFIG, max_epochs=1))
    expected = np.zeros((60, 2), np.float32)
    for member in fitting.members[:-1]:
        linear = solve(member.network.ngrams, member.training)
        own = predict_logits(member.network, member.scored, classes=2)
        other = linear.logits(member.scored)
        share = history.linear_share
        expected[member.rows] = softmax(((1 - share) * own + share * other).astype(np.float32), 1.0)
    np.testing.assert_allclose(fitting.best.probabilities, expected, atol=1e-5)


def test_the_network_alone_is_kept_only_if_it_is_clearly_better():
    fitting, _ = fitted(dataclasses.replace(CONFIG, max_epochs=1))
    labels = fitting.labels
    right, wrong = np.eye(2)[labels] * 4, np.eye(2)[1 - labels] * 4
    assert fitting._choose(right, wrong)[0] == 0.0
    assert fitting._choose(wrong, right)[0] == 0.5
    noise = np.random.default_rng(0).normal(size=(60, 2))
    assert fitting._choose(noise, noise + 0.01)[0] == 0.5
    share, probabilities = fitting._choose(noise.copy(), None)
    assert share == 0.0
    np.testing.assert_allclose(probabilities, softmax(noise, 1.0))


def test_of_equal_scores_the_smaller_loss_is_kept():
    _, history = fitted(dataclasses.replace(CONFIG, monitor="accuracy", max_epochs=8, patience=8))
    best = max(history.epochs, key=lambda epoch: (epoch.accuracy, -epoch.validation_loss))
    assert history.best_epoch == best.number


class Died(BaseException):
    pass


class Killer(Progress):
    def __init__(self, after):
        self.after = after

    def epoch(self, epoch):
        if epoch.number == self.after:
            raise Died


def test_folds_resume_to_the_same_bits(tmp_path):
    whole, history = fitted()
    path = tmp_path / "c"
    for stop in (1, 3):
        with pytest.raises(Died):
            fitted(checkpoint=Checkpoint(path, {}, {}, True), progress=Killer(stop))
    again, resumed = fitted(checkpoint=Checkpoint(path, {}, {}, True))
    assert (resumed.best_epoch, resumed.linear_share) == (history.best_epoch, history.linear_share)
    for name, weight in whole.network.named_parameters():
        assert torch.equal(weight, dict(again.network.named_parameters())[name]), name
    assert (whole.best.probabilities == again.best.probabilities).all()


def test_a_held_out_share_is_scored_by_the_one_network():
    training, validation = corpus(0), corpus(1)
    [member] = members_of([training, validation], [], network_of, hide_words=True)
    assert isinstance(member, Member)
    assert member.training is training
    assert (member.scored.ids == validation.texts.ids).all()
