import json
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from textcnn import kernels, load_model
from textcnn.errors import ModelError

GOLDEN = Path(__file__).parent.parent / "golden"
FOLDERS = sorted(path.parent for path in GOLDEN.glob("*/scores.json"))


def test_there_are_golden_models():
    assert {folder.name.partition("-")[0] for folder in FOLDERS} >= {"v4"}


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "numpy"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_saved_model_of_any_version_gives_the_probabilities_that_it_gave(folder, compiled, monkeypatch):
    if compiled and not kernels.compiled:
        pytest.skip("no compiled loops here")
    monkeypatch.setattr(kernels, "compiled", compiled)
    expected = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    model = load_model(folder)
    np.testing.assert_allclose(model.predict_proba(expected["texts"]), expected["probabilities"], atol=1e-5)
    one_by_one = np.concatenate([model.predict_proba([text]) for text in expected["texts"]])
    np.testing.assert_allclose(one_by_one, expected["probabilities"], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        *((name, "dimension", 2 * 10**9) for name in ("v4-kim", "v4-dcnn", "v4-stacked")),
        ("v4-kim", "feature_maps", 10**9),
        ("v4-kim", "region_sizes", [10**9]),
        *((name, "feature_maps", [10**9, 2]) for name in ("v4-dcnn", "v4-stacked")),
        *((name, "region_sizes", [10**9, 2]) for name in ("v4-dcnn", "v4-stacked")),
        ("v4-kim", "k", 10**9),  # which max pooling does not use
        ("v4-kim-k-max", "k", 10**9),
        ("v4-dcnn", "k_top", 10**9),
        ("v4-stacked", "pool_size", 4 * 10**8),
    ],
)
def test_a_huge_setting_is_refused_or_does_no_harm(tmp_path, name, setting, value):
    shutil.copytree(GOLDEN / name, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    assert setting in config["model"]
    config["model"][setting] = value
    path.write_text(json.dumps(config))
    if (name, setting) not in (("v4-kim", "k"), ("v4-stacked", "pool_size")):
        with pytest.raises(ModelError, match="expected arrays of the shapes"):
            load_model(tmp_path / "model")
        return
    model = load_model(tmp_path / "model")
    tracemalloc.start()
    model.predict(["a fine film"])
    model.encode(["a fine film"])
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
