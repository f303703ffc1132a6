import dataclasses

import numpy as np
import pytest
import torch

from textcnn.errors import ConfigError, TrainingError
from textcnn.metrics import softmax
from textcnn.nn.kim import KimCNN
from textcnn.settings.config import KimConfig
from textcnn.settings.training import TrainingConfig
from textcnn.text.tokens import Encoded
from textcnn.training._batching import Examples
from textcnn.training._fitting import Fitting, Member
from textcnn.training._loop import Trainer, loss_weights, predict_logits
from textcnn.training.devices import choose_device
from textcnn.training.progress import Progress

SMALL = KimConfig(dimension=8, region_sizes=(1, 2), feature_maps=6, dropout=0.2)
FAST = TrainingConfig(schedule="constant", learning_rate=0.02, batch_size=10, max_epochs=6, device="cpu")


def corpus(seed, texts=80):
    """Random texts: those of class 1 contain the word 3, those of class 0 the word 4."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(3, 9, size=texts)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = generator.integers(5, 20, size=offsets[-1]).astype(np.int32)
    labels = generator.integers(0, 2, size=texts)
    ids[offsets[:-1] + generator.integers(0, lengths)] = np.where(labels == 1, 3, 4)
    return Examples(Encoded(ids, offsets), labels)


class Single:
    """A run of one network."""

    def __init__(self, network, config, progress):
        self.model, self.config, self.progress = network, config, progress

    def run(self, training, validation):
        member = Member(self.model, training, validation.texts, np.arange(len(validation.labels)))
        return Fitting([member], validation.labels, self.config, classes=2, progress=self.progress).run()


def make(config=FAST, seed=0, progress=None, model=SMALL):
    torch.manual_seed(seed)
    return Single(KimCNN(model, vocabulary_size=20, classes=2), config, progress or Progress())


def probabilities_of(network, texts):
    return softmax(predict_logits(network, texts, classes=2), 1.0)


def weights(trainer):
    return {name: parameter.detach().clone() for name, parameter in trainer.model.named_parameters()}


@pytest.mark.parametrize("optimizer", ["adam", "adadelta", "adagrad"])
def test_it_learns(optimizer):
    rate = {"adam": 0.02, "adadelta": 5.0, "adagrad": 0.2}[optimizer]
    trainer = make(dataclasses.replace(FAST, optimizer=optimizer, learning_rate=rate, max_epochs=20, patience=20))
    history = trainer.run(corpus(0), corpus(1))
    assert history.epochs[history.best_epoch - 1].accuracy > 0.9


def test_the_same_seed_gives_the_same_bits():
    runs = []
    for _ in range(2):
        trainer = make()
        runs.append((trainer.run(corpus(0), corpus(1)).best_epoch, weights(trainer)))
    assert runs[0][0] == runs[1][0]
    for name, weight in runs[0][1].items():
        assert torch.equal(weight, runs[1][1][name]), name


def test_the_weights_of_the_best_epoch_are_kept():
    epochs = []

    class Recorder(Progress):
        def epoch(self, epoch):
            epochs.append(((epoch.accuracy, -epoch.validation_loss), weights(trainer)))

    trainer = make(progress=Recorder())
    history = trainer.run(corpus(0), corpus(1))
    best = max(range(len(epochs)), key=lambda i: epochs[i][0])  # ties go to the smaller loss
    assert history.best_epoch == best + 1
    for name, weight in weights(trainer).items():
        assert torch.equal(weight, epochs[best][1][name])


def test_the_monitor_chooses_the_best_epoch():
    training, validation = corpus(0), corpus(1)
    for monitor in ("loss", "macro_f1"):
        history = make(dataclasses.replace(FAST, monitor=monitor)).run(training, validation)
        values = [(0 if monitor == "loss" else e.macro_f1, -e.validation_loss) for e in history.epochs]
        assert history.best_epoch == values.index(max(values)) + 1


def test_training_ends_when_the_patience_is_used_up():
    history = make(dataclasses.replace(FAST, max_epochs=50, patience=2)).run(corpus(0), corpus(1))
    assert len(history.epochs) == history.best_epoch + 2


def test_reported_scores_are_those_of_the_model():
    trainer = make()
    validation = corpus(1)
    history = trainer.run(corpus(0), validation)
    probabilities = probabilities_of(trainer.model, validation.texts)
    best = history.epochs[history.best_epoch - 1]
    assert best.accuracy == (probabilities.argmax(axis=1) == validation.labels).mean()
    expected = torch.nn.functional.nll_loss(torch.tensor(probabilities).log(), torch.tensor(validation.labels))
    assert best.validation_loss == pytest.approx(expected.item(), rel=1e-5)


def test_the_maximum_norm_holds_after_every_step():
    class Check(Progress):
        def batch(self, **kwargs):
            assert trainer.model.softmax.weight.norm(dim=1).max() <= 0.1 * (1 + 1e-6)

    trainer = make(dataclasses.replace(FAST, max_norm=0.125), progress=Check())  # dropout 0.2: 0.125 (1 - 0.2)
    trainer.run(corpus(0), corpus(1))
    unbounded = make()
    unbounded.run(corpus(0), corpus(1))
    assert unbounded.model.softmax.weight.norm(dim=1).max() > 0.1


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_the_learning_rate_of_each_step(monkeypatch, schedule):
    rates = []
    step = Trainer.step

    def noted(self, *args):
        rates.extend({part.optimizer.learning_rate for part in self.optimizer.parts.values()})
        return step(self, *args)

    monkeypatch.setattr(Trainer, "step", noted)
    config = dataclasses.replace(FAST, schedule=schedule, max_epochs=4, patience=4)
    make(config).run(corpus(0, texts=30), corpus(1))  # of 3 steps each
    falling = [0.02 * (1 - done / 12) for done in range(12)]
    assert rates == pytest.approx(falling if schedule == "linear" else [0.02] * 12)


def test_ctrl_c_keeps_the_best_weights_so_far(caplog):
    class Interrupt(Progress):
        def batch(self, *, epoch, texts, loss):
            if epoch == 3:
                raise KeyboardInterrupt

    trainer = make(progress=Interrupt())
    history = trainer.run(corpus(0), corpus(1))
    assert history.interrupted
    assert len(history.epochs) == 2
    reference = make(dataclasses.replace(FAST, max_epochs=2))
    reference.run(corpus(0), corpus(1))
    for name, weight in weights(trainer).items():
        assert torch.equal(weight, weights(reference)[name])
    assert f"epoch {history.best_epoch}" in caplog.text


def test_ctrl_c_before_the_end_of_the_first_epoch():
    class Interrupt(Progress):
        def batch(self, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(progress=Interrupt()).run(corpus(0), corpus(1))


def test_a_loss_that_is_not_finite_ends_training():
    trainer = make(dataclasses.replace(FAST, learning_rate=1e30, max_norm=0))
    with pytest.raises(TrainingError, match=r"finite loss, found .* epoch 1, step \d+; .*learning rate \(now 1e\+30\)"):
        trainer.run(corpus(0), corpus(1))


def test_class_weights_shift_the_probabilities():
    training, validation = corpus(0), corpus(1)

    def mean_of_class_1(config):
        trainer = make(config)
        trainer.run(training, validation)
        return probabilities_of(trainer.model, validation.texts)[:, 1].mean()

    short = dataclasses.replace(FAST, max_epochs=1)
    assert mean_of_class_1(dataclasses.replace(short, class_weight=(1.0, 20.0))) > mean_of_class_1(short)
    labels = training.labels.copy()
    labels[:60] = 0
    balanced = dataclasses.replace(FAST, class_weight="balanced")
    counts = np.bincount(labels)
    weights = loss_weights(dataclasses.replace(training, labels=labels), balanced, 2)
    assert weights.tolist() == pytest.approx((80 / (2 * counts))[labels].tolist())


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ConfigError, match="device: .*found 'cuda:99'"):
        choose_device("cuda:99")
    with pytest.raises(ConfigError, match="device: .*found 'cuda:x'"):
        choose_device("cuda:x")
