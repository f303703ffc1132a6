from __future__ import annotations

import numpy as np
import pytest
from starlette.testclient import TestClient

from textcnn import TextCNNClassifier, load_model
from textcnn.serving import make_app

TEXTS = ["a good film", "good fun for all", "a bad film", "bad jokes and no fun"] * 12
LABELS = np.array(["yes", "yes", "no", "no"] * 12)
TOPICS = [["film"], ["fun"], ["film", "bad"], ["bad", "fun"]] * 12
SMALL = {"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 4, "learning_rate": 0.02}


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """Folders of saved models: `one`, `other` (of the same classes) and `several` labels."""
    path = tmp_path_factory.mktemp("served")
    TextCNNClassifier(**SMALL).fit(TEXTS, LABELS).save(path / "one")
    TextCNNClassifier(**SMALL, random_state=7).fit(TEXTS[:20], LABELS[:20]).save(path / "other")
    TextCNNClassifier(**SMALL).fit(TEXTS, TOPICS).save(path / "several")
    return path


@pytest.fixture(scope="session")
def model(served):
    return load_model(served / "one")


@pytest.fixture(scope="session")
def app(served):
    return make_app(served / "one")


@pytest.fixture(scope="session")
def client(app):
    return TestClient(app)
