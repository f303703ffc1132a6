import json
from pathlib import Path

import numpy as np
import pytest

from textcnn import kernels, load_model

FOLDERS = sorted(path.parent for path in (Path(__file__).parent.parent / "golden").glob("*/scores.json"))


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
