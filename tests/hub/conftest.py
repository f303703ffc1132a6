from __future__ import annotations

import pytest
from local_hub import Hub, serving

from textcnn import TextCNNClassifier


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub, the only one that is reached; an empty folder and cache; nobody has logged in."""
    monkeypatch.chdir(tmp_path)
    with serving(Hub()) as running:
        constants = {
            "ENDPOINT": running.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": running.address + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
            "HF_HUB_DISABLE_XET": True,  # else LFS files take another way, over Rust
            "HF_HUB_OFFLINE": False,
        }
        for name, value in constants.items():
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield running


@pytest.fixture(scope="session")
def model():
    """A small model."""
    texts = ["a good film", "good fun for all", "a bad film", "bad jokes and no fun"] * 12
    small = {"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 2}
    return TextCNNClassifier(**small).fit(texts, ["positive", "positive", "negative", "negative"] * 12).model_


@pytest.fixture
def contents(model, tmp_path):
    """The files of the model's folder."""
    model.save(tmp_path / "saved")
    return {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()}
