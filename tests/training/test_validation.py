import logging

import numpy as np
import pyarrow as pa
import pytest

from textcnn.data.labelled import Labelled
from textcnn.errors import DataError
from textcnn.settings.training import FEW, FOLDS, MANY, RARE, TrainingConfig
from textcnn.training.validation import adapted, held_out, validation_folds


def labelled(labels, texts=None):
    texts = [f"text {i}" for i in range(len(labels))] if texts is None else texts
    return Labelled(pa.chunked_array([pa.array(texts, pa.large_string())]), np.asarray(labels))


@pytest.mark.parametrize(
    ("counts", "monitor", "folds"),
    [
        ((50, 50), "loss", FOLDS),
        ((FEW // 2, FEW // 2 - 1), "loss", FOLDS),
        ((FEW // 2, FEW // 2), "accuracy", 0),
        ((90, 10), "macro_f1", FOLDS),
        ((4000, RARE - 1), "macro_f1", FOLDS),
        ((4000, RARE), "macro_f1", 0),
        ((4000, 50, 50), "macro_f1", 0),
        ((MANY, 50), "macro_f1", 0),
        ((89, 10), "loss", FOLDS),
        ((1, 1), "loss", 2),
    ],
)
def test_what_the_texts_decide(counts, monitor, folds):
    labels = np.repeat(np.arange(len(counts)), counts)
    found = adapted(TrainingConfig(), labels, given=False)
    assert (found.monitor, found.validation_folds) == (monitor, folds)
    assert adapted(TrainingConfig(), labels, given=True).validation_folds == 0


@pytest.mark.parametrize(
    ("texts", "more", "schedule", "epochs"),
    [
        (1999, 0, "constant", 25),
        (2000, 0, "linear", 16),
        (1999, 8001, "linear", 4),
        (5000, 0, "linear", 7),
        (11_334, 0, "linear", 3),
        (10**6, 0, "linear", 3),
    ],
)
def test_the_learning_rate_falls_over_fewer_epochs_the_more_texts_there_are(texts, more, schedule, epochs):
    found = adapted(TrainingConfig(), np.arange(texts) % 2, given=True, more=more)
    assert (found.schedule, found.max_epochs) == (schedule, epochs)


def test_given_epochs_and_schedules_are_kept():
    labels = np.arange(5000) % 2
    assert adapted(TrainingConfig(max_epochs=40), labels, given=True).max_epochs == 40
    assert adapted(TrainingConfig(schedule="constant"), labels, given=True).max_epochs == 25
    assert adapted(TrainingConfig(schedule="linear"), labels[:100], given=True).max_epochs == 16


@pytest.mark.parametrize(
    ("texts", "more", "batch", "rate"),
    [
        (1999, 0, 50, 1e-3),
        (5000, 0, 50, 1e-3),
        (1999, 8001, 100, 1e-3 * 2**0.5),
        (20_000, 0, 200, 2e-3),
        (10**6, 0, 200, 2e-3),
    ],
)
def test_batches_and_their_learning_rate_grow_with_the_texts(texts, more, batch, rate):
    found = adapted(TrainingConfig(), np.arange(texts) % 2, given=True, more=more)
    assert (found.batch, found.rate) == (batch, pytest.approx(rate))


@pytest.mark.parametrize(
    ("given", "batch", "rate"),
    [
        ({"batch_size": 30}, 30, 1e-3),
        ({"learning_rate": 3e-4}, 50, 3e-4),
        ({"schedule": "constant"}, 50, 1e-3),
        ({"optimizer": "adadelta"}, 50, 1.0),
        ({"schedule": "linear", "max_epochs": 2}, 200, 2e-3),
    ],
)
def test_batches_stay_where_a_setting_goes_with_them(given, batch, rate):
    found = adapted(TrainingConfig(**given), np.arange(20_000) % 2, given=True)
    assert (found.batch, found.rate) == (batch, pytest.approx(rate))


def test_settings_go_before_the_texts():
    labels = np.repeat([0, 1], [90, 10])
    found = adapted(TrainingConfig(monitor="accuracy", validation_folds=0), labels, given=False)
    assert (found.monitor, found.validation_folds) == ("accuracy", 0)
    assert adapted(TrainingConfig(validation_folds=7), labels, given=False).validation_folds == 7


def test_the_monitor_of_unbalanced_classes_is_said(caplog):
    with caplog.at_level(logging.INFO, "textcnn"):
        adapted(TrainingConfig(), np.repeat([0, 1], [900, 20]), given=False)
    assert "macro-F1, since the largest class has 900 texts and the smallest 20" in caplog.text


def test_folds_have_every_text_once_and_equal_ones_together():
    texts = [f"text {i // 3}" for i in range(60)]
    labels = np.arange(60) // 3 % 2
    folds = validation_folds(labelled(labels, texts), TrainingConfig(validation_folds=4))
    assert sorted(np.concatenate(folds).tolist()) == list(range(60))
    for rows in folds:
        inside = {texts[row] for row in rows}
        assert sum(text in inside for text in texts) == len(rows)


def test_texts_of_one_group_cannot_be_divided():
    data = labelled([0, 1] * 10)
    grouped = Labelled(data.texts, data.labels, groups=np.zeros(20, np.int64))
    with pytest.raises(DataError, match="found one group"):
        validation_folds(grouped, TrainingConfig(validation_folds=4))
    with pytest.raises(DataError, match="two training texts or more, found 1"):
        adapted(TrainingConfig(), np.array([0]), given=False)


def test_equal_texts_of_few_distinct_ones_stay_together():
    texts = [f"text {i % 6}" for i in range(30)]
    folds = validation_folds(labelled([i % 6 // 3 for i in range(30)], texts), TrainingConfig(validation_folds=4))
    for rows in folds:
        inside = {texts[row] for row in rows}
        assert sum(text in inside for text in texts) == len(rows)


@pytest.mark.parametrize("seed", range(10))
def test_a_held_out_share_divides_no_group(seed):
    labels = np.array([0, 1] * 10 + [2])
    groups = np.append(np.arange(20) // 2, 0)  # the only text of class 2 is in the first group
    data = labelled(labels)
    training, validation = held_out(
        Labelled(data.texts, labels, groups), TrainingConfig(seed=seed, validation_share=0.3), ["a", "b", "c"]
    )
    assert not set(training.groups) & set(validation.groups)
    assert 2 in training.labels


def test_a_class_of_one_text_is_in_one_fold():
    labels = [0] * 10 + [1] * 10 + [2]
    folds = validation_folds(labelled(labels), TrainingConfig(validation_folds=4))
    assert sum(20 in rows for rows in folds) == 1


def test_a_class_of_one_text_keeps_it_in_training(caplog):
    data = labelled([0] * 10 + [1] * 10 + [2])
    training, validation = held_out(data, TrainingConfig(), ["a", "b", "c"])
    assert sorted(validation.labels.tolist()) == [0, 1]
    assert np.bincount(training.labels).tolist() == [9, 9, 1]
    assert "c: one text or group each, which is learned from and not validated" in caplog.text
    with pytest.raises(DataError, match="found one each"):
        held_out(labelled([0, 1, 2]), TrainingConfig(), ["a", "b", "c"])
