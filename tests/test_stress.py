"""Many processes at one path: every result is one writer's whole, and every reader finds a model."""

import multiprocessing
import time

import numpy as np
import pytest

from textcnn.files import written_whole
from textcnn.inference.artifact import Artifact, load_artifact, save_artifact, weight_shapes
from textcnn.settings.config import KimConfig, TextConfig

CONTEXT = multiprocessing.get_context("spawn")
MODEL = KimConfig(dimension=2, region_sizes=(1,), feature_maps=2, ngrams=0)
PROCESSES, ROUNDS, LOADS = 8, 25, 1000
LIMIT = 120  # seconds


def make(seed):
    """A model all of whose parts say which writer's it is."""
    shapes = weight_shapes(MODEL, vocabulary_size=4, classes=2)
    weights = {name: np.full(shape, seed, np.float32) for name, shape in shapes.items()}
    classes = np.array([f"a{seed}", f"b{seed}"])
    return Artifact(TextConfig(), MODEL, classes, [f"v{seed}", f"w{seed}"], weights, {"source": str(seed)})


def check(artifact):
    [seed] = {float(value) for weight in artifact.weights.values() for value in weight.ravel()}
    assert artifact.classes.tolist() == [f"a{seed:g}", f"b{seed:g}"]
    assert list(artifact.words) == [f"v{seed:g}", f"w{seed:g}"]
    assert artifact.training["source"] == f"{seed:g}"


def save_often(path, seed, failures):
    try:
        for _ in range(ROUNDS):
            save_artifact(make(seed), path, overwrite=True)
    except Exception as error:
        failures.put(f"writer {seed}: {type(error).__name__}: {error}")


def load_often(path, failures):
    try:
        for _ in range(LOADS):
            check(load_artifact(path))
    except Exception as error:
        failures.put(f"reader: {type(error).__name__}: {error}")


def write_often(path, seed, failures):
    try:
        for _ in range(ROUNDS):
            with written_whole(path) as file:
                for _ in range(20):
                    file.write(bytes([seed]) * 5000)
    except Exception as error:
        failures.put(f"writer {seed}: {type(error).__name__}: {error}")


def run(jobs):
    """Run functions with arguments, each in a process of its own; what went wrong."""
    failures = CONTEXT.Queue()
    processes = [CONTEXT.Process(target=function, args=(*args, failures)) for function, *args in jobs]
    for process in processes:
        process.start()
    deadline = time.monotonic() + LIMIT
    for process in processes:
        process.join(max(deadline - time.monotonic(), 0))
        if process.is_alive():
            process.kill()
            pytest.fail(f"not done in {LIMIT} seconds")
    found = []
    while not failures.empty():
        found.append(failures.get())
    return found


def test_savers_and_readers_of_one_model(tmp_path):
    path = tmp_path / "m"
    save_artifact(make(99), path)
    jobs = [(save_often, path, seed) for seed in range(PROCESSES)] + [(load_often, path)] * 2
    assert run(jobs) == []
    check(load_artifact(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]
    assert not [entry.name for entry in path.iterdir() if entry.name.startswith(".")]


def test_savers_of_a_new_model(tmp_path):
    path = tmp_path / "m"
    assert run([(save_often, path, seed) for seed in range(PROCESSES)]) == []
    check(load_artifact(path))


def test_writers_of_one_file(tmp_path):
    path = tmp_path / "out.bin"
    assert run([(write_often, path, seed) for seed in range(PROCESSES)]) == []
    content = path.read_bytes()
    assert len(content) == 100_000
    assert len(set(content)) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.bin"]
