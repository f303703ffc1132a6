"""Training draws from generators of its own: runs at once are as runs alone, those of the process stay as they were."""

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pyarrow as pa
import pytest
import torch

from textcnn.data.labelled import Labelled
from textcnn.errors import ModelError
from textcnn.settings.options import make_settings
from textcnn.training.pipeline import train_model
from textcnn.training.progress import Progress

CLASSES = np.array(["bad", "good"])
SMALL = {"dimension": 8, "max_epochs": 2, "batch_size": 10, "device": "cpu"}
NETWORKS = {
    "kim": {"arch": "kim", "feature_maps": 6},
    "dcnn": {"arch": "dcnn", "feature_maps": (2, 3), "dropout": 0.3},
    "stacked": {"arch": "stacked", "feature_maps": (4, 4), "channels": "rand"},
}


def corpus():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, size=120)
    texts = [f"{CLASSES[label]} " + " ".join(f"w{w}" for w in generator.integers(0, 40, size=9)) for label in labels]
    return Labelled(pa.chunked_array([texts]), labels)


def train(seed, progress=None, **keywords):
    settings = make_settings({**SMALL, **keywords, "random_state": seed})
    artifact = train_model(corpus(), CLASSES, settings, progress=progress).artifact
    return {name: weight.tobytes() for name, weight in artifact.weights.items()}


@pytest.mark.parametrize("network", NETWORKS)
def test_runs_in_threads_have_the_bits_of_runs_alone(network):
    class Together(Progress):
        """Every batch of a run begins with one of the other runs."""

        def batch(self, **figures):
            barrier.wait(60)

    barrier = Barrier(4)
    alone = [train(seed, **NETWORKS[network]) for seed in range(4)]
    assert alone[0] != alone[1]
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(train, seed, Together(), **NETWORKS[network]) for seed in range(4)]
    assert [run.result() for run in runs] == alone


@pytest.mark.parametrize("network", NETWORKS)
def test_random_numbers_of_the_process_are_left_alone(network):
    def states():
        kind, keys, *rest = np.random.get_state()
        return random.getstate(), (kind, keys.tobytes(), *rest), torch.get_rng_state().numpy().tobytes()

    torch.manual_seed(1)
    before = states()
    first = train(0, **NETWORKS[network])
    assert states() == before
    torch.manual_seed(2)
    torch.rand(3)
    assert train(0, **NETWORKS[network]) == first


def test_random_numbers_are_left_alone_by_a_run_that_fails():
    class Stop(Progress):
        def batch(self, **figures):
            assert torch.equal(torch.get_rng_state(), before)
            raise ModelError("stop")

    before = torch.get_rng_state()
    with pytest.raises(ModelError, match="stop"):
        train(0, Stop())
    assert torch.equal(torch.get_rng_state(), before)
