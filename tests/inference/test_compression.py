import itertools

import numpy as np
import pytest

from textcnn import Model, TextCNNClassifier
from textcnn.errors import ConfigError
from textcnn.inference.artifact import load_artifact, save_artifact
from textcnn.inference.compression import _narrowed, compress, size_of
from textcnn.inference.scorer import word_rows
from textcnn.text.ngrams import words_of
from textcnn.text.vocabulary import FIRST_WORD

WORDS = [f"w{i}" for i in range(60)]


def texts_and_labels(number=300):
    """Texts of words as frequent as Zipf's law says, with labels that some words tell."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    rows = [rng.choice(len(WORDS), 8, p=shares / shares.sum()) for _ in range(number)]
    labels = [("few", "some", "many")[min((row % 5 == 0).sum(), 2)] for row in rows]
    return [" ".join(WORDS[i] for i in row) for row in rows], labels


SETTINGS = {
    "kim": {"dimension": 40, "feature_maps": 20},
    "few filters": {"dimension": 120, "feature_maps": 5, "region_sizes": (1, 2)},
    "average": {"dimension": 40, "feature_maps": 20, "pooling": "average"},
    "dcnn": {"arch": "dcnn", "dimension": 16, "feature_maps": (4, 6)},
    "stacked": {"arch": "stacked", "dimension": 40, "feature_maps": (16, 16)},
    "deep": {
        "arch": "stacked",
        "dimension": 40,
        "region_sizes": (3, 3, 3),
        "feature_maps": (16, 8, 12),
        "shortcut": True,
        "branches": (1, 3),
    },
}


@pytest.fixture(scope="module")
def models():
    X, y = texts_and_labels()
    common = {"max_epochs": 3, "device": "cpu", "validation_folds": 0}
    return {name: TextCNNClassifier(**common, **own).fit(X, y).model_ for name, own in SETTINGS.items()}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_smaller_model_gives_almost_the_same_answers(models, tmp_path, name, bits):
    X, _ = texts_and_labels()
    small = models[name].compress(bits=bits)
    assert size_of(small.artifact) < size_of(models[name].artifact)
    np.testing.assert_allclose(small.predict_proba(X), models[name].predict_proba(X), atol=0.05 if bits == 8 else 1e-3)
    save_artifact(small.artifact, tmp_path / "small")
    assert size_of(small.artifact) == sum(path.stat().st_size for path in (tmp_path / "small").iterdir())
    loaded = Model(load_artifact(tmp_path / "small"))
    np.testing.assert_array_equal(loaded.predict_proba(X), small.predict_proba(X))
    facts = loaded.artifact.training["compression"]
    assert facts["bits"] == bits
    assert facts["words"] == len(models[name].artifact.words)
    assert f"compressed: to numbers of {bits} bits" in (tmp_path / "small/README.md").read_text(encoding="utf-8")


def test_a_size_is_kept_by_leaving_out_the_last_words_and_the_weakest_ngrams(models):
    large = models["kim"].artifact
    assert compress(large).model.dimension == 40
    least = size_of(compress(_narrowed(large, 25)))
    assert list(compress(large, max_mb=least / 1e6).words) == list(large.words)  # fewer dimensions go first
    small = compress(large, max_mb=0.9 * least / 1e6)
    assert size_of(small) <= 0.9 * least
    number = len(small.words)
    assert 1 <= number < len(large.words)
    assert list(small.words) == list(large.words)[:number]

    def ngrams(artifact):
        size = len(artifact.words) + FIRST_WORD
        names = ["", "", *artifact.words]
        weights = artifact.weights["ngrams.weight"]
        centred = np.abs(weights - weights.mean(axis=1, keepdims=True)).max(axis=1)
        return {
            tuple(names[i] for i in words_of(int(key), size)): (factor, row, factor * strength)
            for key, factor, row, strength in zip(
                artifact.weights["ngrams.keys"], artifact.weights["ngrams.factors"], weights, centred, strict=True
            )
        }

    before, after = ngrams(large), ngrams(small)
    assert after.keys() < before.keys()
    steps = np.abs(large.weights["ngrams.weight"]).max(axis=0) / 127
    for words, (factor, row, _) in after.items():
        assert factor == pytest.approx(before[words][0], rel=0.02)
        np.testing.assert_allclose(row, before[words][1], atol=float(steps.max()))
    whole = {words for words in before if all(word in small.words for word in words)}
    weakest = min(before[words][2] for words in after)
    assert all(before[words][2] <= weakest + 1e-6 for words in whole - after.keys())


def test_a_size_that_no_model_has(models):
    with pytest.raises(ConfigError, match=r"max_mb: expected at least 0\.\d+, what the model takes with one word"):
        compress(models["kim"].artifact, max_mb=1e-3)
    with pytest.raises(ConfigError, match="bits: expected 8 or 16, found 4"):
        compress(models["kim"].artifact, bits=4)


@pytest.mark.parametrize("name", ["kim", "stacked"])
def test_fewer_dimensions_change_the_products_as_little_as_possible(models, name):
    artifact = models[name].artifact

    def products(artifact):
        rows = word_rows(artifact.model, artifact.weights)
        flat = artifact.weights["convolution.weight"].reshape(-1, rows[0].size).astype(np.float64)
        return rows.reshape(len(rows), -1) @ flat.T / np.sqrt(1 + np.arange(len(rows)))[:, None]

    whole = products(artifact)
    values = np.linalg.svd(whole, compute_uv=False)
    for dimension in (1, 5, 20):
        narrow = _narrowed(artifact, dimension)
        assert narrow.model.dimension == dimension
        error = np.linalg.norm(products(narrow) - whole)
        assert error == pytest.approx(np.linalg.norm(values[dimension:]), rel=1e-3, abs=1e-4 * values[0])
    assert _narrowed(artifact, 40) is artifact
    assert _narrowed(models["dcnn"].artifact, 2) is models["dcnn"].artifact


def test_several_channels_become_one(models, tmp_path):
    X, y = texts_and_labels()
    path = tmp_path / "vectors.txt"
    rng = np.random.default_rng(1)
    rows = [f"{word} " + " ".join(f"{x:.3f}" for x in rng.normal(size=60)) for word in WORDS]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    for filters, channels in itertools.product(("shared", "separate"), ("multichannel", "static")):
        settings = {"channels": channels, "multichannel_filters": filters, "feature_maps": 9, "device": "cpu"}
        fitted = TextCNNClassifier(max_epochs=1, validation_folds=0, vectors=path, **settings).fit(X, y)
        artifact = fitted.model_.artifact
        narrow = Model(_narrowed(artifact, 55))
        assert narrow.artifact.model.channels == ("static" if channels == "static" else "non-static")
        np.testing.assert_allclose(narrow.predict_proba(X), Model(artifact).predict_proba(X), atol=0.02)
        save_artifact(narrow.artifact, tmp_path / f"{filters}-{channels}")
