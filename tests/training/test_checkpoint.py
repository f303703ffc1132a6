import dataclasses
import hashlib
import json
import logging
import math
import os
import re
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from textcnn.errors import ModelError
from textcnn.nn.kim import KimCNN
from textcnn.settings.config import KimConfig
from textcnn.settings.training import TrainingConfig
from textcnn.text.tokens import Encoded
from textcnn.training import _fitting
from textcnn.training._batching import Examples
from textcnn.training._checkpoint import Checkpoint
from textcnn.training._fitting import Fitting, Member
from textcnn.training.progress import Progress

MODEL = KimConfig(dimension=8, region_sizes=(1, 2), feature_maps=6)
CONFIG = TrainingConfig(learning_rate=0.02, batch_size=10, max_epochs=6, patience=6, device="cpu")


@pytest.fixture(autouse=True)
def after_every_epoch(monkeypatch):
    monkeypatch.setattr(_fitting, "SAVING", math.inf)


def corpus(seed):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(3, 9, size=60)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = generator.integers(5, 20, size=offsets[-1]).astype(np.int32)
    return Examples(Encoded(ids, offsets), generator.integers(0, 2, size=60))


def checkpoint(path, *, resume=False, identity=None, environment=None):
    return Checkpoint(path, identity or {"settings": [1, 2]}, environment or {"torch": "2.1"}, resume)


def run(config=CONFIG, keep=None, stop_after=None):
    """Train from the seed; `stop_after` epochs the run dies without cleaning up."""

    class Died(BaseException):
        pass

    class Killer(Progress):
        def epoch(self, epoch):
            if epoch.number == stop_after:
                raise Died

    torch.manual_seed(0)
    network = KimCNN(MODEL, vocabulary_size=20, classes=2)
    validation = corpus(1)
    member = Member(network, corpus(0), validation.texts, np.arange(len(validation.labels)))
    fitting = Fitting([member], validation.labels, config, classes=2, progress=Killer(), checkpoint=keep)
    try:
        history = fitting.run()
    except Died:
        return None, None
    return history, {name: weight.detach().clone() for name, weight in network.named_parameters()}


def without_times(history):
    return [dataclasses.replace(epoch, seconds=0, texts_per_second=0) for epoch in history.epochs]


@pytest.mark.parametrize("optimizer", ["adam", "adadelta", "adagrad"])
@pytest.mark.parametrize("stops", [(1,), (2, 5), (1, 2, 3, 4, 5)])
def test_a_resumed_run_has_the_bits_of_one_never_stopped(tmp_path, optimizer, stops):
    config = dataclasses.replace(CONFIG, optimizer=optimizer, learning_rate=None)
    history, weights = run(config)
    path = tmp_path / "c"
    for stop in stops:
        run(config, checkpoint(path, resume=True), stop_after=stop)
        torch.rand(7)  # the process that goes on has other randomness
    resumed, resumed_weights = run(config, checkpoint(path, resume=True))
    assert without_times(resumed) == without_times(history)
    assert resumed.best_epoch == history.best_epoch
    for name, weight in weights.items():
        assert torch.equal(weight, resumed_weights[name]), name


def test_without_resume_a_run_begins_anew(tmp_path):
    path = tmp_path / "c"
    run(keep=checkpoint(path), stop_after=2)
    history, _ = run(keep=checkpoint(path))
    assert len(history.epochs) == 6


def test_nothing_to_go_on_from(tmp_path):
    history, _ = run(keep=checkpoint(tmp_path / "c", resume=True))
    assert len(history.epochs) == 6


def test_a_finished_run_is_only_read(tmp_path):
    path = tmp_path / "c"
    history, weights = run(keep=checkpoint(path))
    again, again_weights = run(keep=checkpoint(path, resume=True))
    assert again.epochs == history.epochs
    assert all(torch.equal(weights[name], again_weights[name]) for name in weights)


@pytest.mark.parametrize(("share", "saved"), [(math.inf, 6), (1e-4, 1)])
def test_slow_checkpoints_are_rarer(tmp_path, monkeypatch, share, saved):
    monkeypatch.setattr(_fitting, "SAVING", share)
    times = []

    class Slow(Checkpoint):
        def save(self, tensors, state):
            times.append(len(state["epochs"]))
            time.sleep(0.01)

    run(keep=Slow(tmp_path / "c", {}, {}, resume=False))
    assert times == list(range(1, saved + 1))


def test_other_settings_are_refused(tmp_path):
    path = tmp_path / "c"
    run(keep=checkpoint(path), stop_after=1)
    with pytest.raises(ModelError) as error:
        run(keep=checkpoint(path, resume=True, identity={"settings": [1, 3]}))
    assert str(error.value) == (
        f"{path}: expected a checkpoint of this run, found one with other settings; "
        "use the settings and data of that run, or leave --resume out"
    )


def test_another_environment_is_told(tmp_path, caplog):
    path = tmp_path / "c"
    run(keep=checkpoint(path), stop_after=1)
    with caplog.at_level(logging.WARNING):
        run(keep=checkpoint(path, resume=True, environment={"torch": "2.2"}))
    assert "the checkpoint is from another environment ({'torch': '2.1'}, now {'torch': '2.2'})" in caplog.text


def test_files_that_are_no_checkpoint(tmp_path):
    path = tmp_path / "c"
    path.write_bytes(b"\x08\x00")
    with pytest.raises(ModelError) as error:
        run(keep=checkpoint(path, resume=True))
    assert str(error.value).startswith(f"{path}: expected a checkpoint, found another or a damaged file")


def test_a_flipped_bit_is_seen(tmp_path):
    path = tmp_path / "c"
    run(keep=checkpoint(path), stop_after=1)
    content = bytearray(path.read_bytes())
    for place in range(0, len(content), len(content) // 20):
        damaged = content.copy()
        damaged[place] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="found another or a damaged file"):
            run(keep=checkpoint(path, resume=True))


def test_a_newer_checkpoint_is_told(tmp_path, monkeypatch):
    path = tmp_path / "c"
    with monkeypatch.context() as patch:
        patch.setattr("textcnn.training._checkpoint.VERSION", "9")
        run(keep=checkpoint(path), stop_after=1)
    with pytest.raises(ModelError) as error:
        run(keep=checkpoint(path, resume=True))
    assert str(error.value).startswith(f"{path}: expected version 5 of the format, found '9'")


def test_a_truncated_checkpoint(tmp_path):
    path = tmp_path / "c"
    run(keep=checkpoint(path), stop_after=1)
    content = path.read_bytes()
    for size in (0, 7, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(ModelError, match="found another or a damaged file"):
            run(keep=checkpoint(path, resume=True))


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "c"
    run(keep=checkpoint(path), stop_after=2)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(ModelError) as error:
            run(keep=checkpoint(path, resume=True))
    assert str(error.value) == f"{path}: could not write the checkpoint: No space left on device"
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
    history, _ = run(keep=checkpoint(path, resume=True))
    assert len(history.epochs) == 6


def rewritten(path, tensors=lambda tensors: None, head=lambda head: None, raw=None):
    """Change a checkpoint's contents, with a hash that is right."""
    content = path.read_bytes()[:-32]
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    arrays, state = load(content), json.loads(metadata["head"])
    tensors(arrays)
    head(state)
    content = save(arrays, {**metadata, "head": json.dumps(state)}) if raw is None else raw(content)
    path.write_bytes(content + hashlib.sha256(content).digest())


ADAM = "0.optimizer.channels.tuned"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda t: t[f"{ADAM}/last"].fill_(10**6), f"{ADAM}/last"),
        (lambda t: t[f"{ADAM}/last"].fill_(-1), f"{ADAM}/last"),
        (lambda t: t[f"{ADAM}/steps"].fill_(10**6), f"{ADAM}/steps"),
        (lambda t: t[f"{ADAM}/steps"].fill_(-1), f"{ADAM}/steps"),
        (lambda t: t.pop("0.model.softmax.bias"), "0.model.softmax.bias"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra"),
        (lambda t: t.update({"best.softmax.bias": torch.zeros(9)}), "best.softmax.bias"),
        (lambda t: t.update({"0.model.softmax.bias": t["0.model.softmax.bias"].double()}), "0.model.softmax.bias"),
        (lambda t: t.update({f"{ADAM}/steps": torch.tensor([1.0])}), f"{ADAM}/steps"),
        (lambda t: t["0.randomness.cpu"].fill_(255), "random"),
    ],
)
def test_tensors_with_a_right_hash_are_checked(tmp_path, change, part):
    path = tmp_path / "c"
    run(keep=checkpoint(path), stop_after=2)
    rewritten(path, tensors=change)
    with pytest.raises(ModelError, match=re.escape(part)):
        run(keep=checkpoint(path, resume=True))


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.pop("identity"),
        lambda head: head.pop("state"),
        lambda head: head.update(environment=[]),
        lambda head: head["state"].update(epochs=[]),
        lambda head: head["state"].update(epochs={"a": 1}),
        lambda head: head["state"]["epochs"][0].update(number=7),
        lambda head: head["state"]["epochs"][0].update(accuracy="high"),
        lambda head: head["state"]["epochs"][0].update(seconds=1),
        lambda head: head["state"]["epochs"][0].update(colour="red"),
        lambda head: head["state"]["epochs"][1].pop("best"),
        lambda head: head["state"]["best"].update(epoch=9),
        lambda head: head["state"]["best"].update(epoch=True),
        lambda head: head["state"]["best"].update(score=None),
        lambda head: head["state"]["best"].pop("loss"),
        lambda head: head["state"]["best"].update(colour="red"),
        lambda head: head["state"].update(best=[1]),
        lambda head: head["state"].update(generators="PCG64"),
        lambda head: head["state"].update(generators=[]),
        lambda head: head["state"]["generators"][0].update(state={"state": -1, "inc": 2**200}),
        lambda head: head["state"]["generators"][0].pop("state"),
    ],
)
def test_a_state_with_a_right_hash_is_checked(tmp_path, change):
    path = tmp_path / "c"
    run(keep=checkpoint(path), stop_after=2)
    rewritten(path, head=change)
    with pytest.raises(ModelError, match="c: expected"):
        run(keep=checkpoint(path, resume=True))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), keep_size=st.booleans())
def test_any_bytes_with_a_right_hash_are_refused(tmp_path, content, keep_size):
    path = tmp_path / "c"
    if not path.exists():
        run(keep=checkpoint(path), stop_after=1)
        (tmp_path / "right").write_bytes(path.read_bytes())
    path.write_bytes((tmp_path / "right").read_bytes())
    rewritten(path, raw=lambda right: right[:8] * keep_size + content)
    with pytest.raises(ModelError, match="c: expected"):
        run(keep=checkpoint(path, resume=True))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_checkpoint(tmp_path):
    os.mkfifo(tmp_path / "c")
    with pytest.raises(ModelError, match="plain file"):
        run(keep=checkpoint(tmp_path / "c", resume=True))
