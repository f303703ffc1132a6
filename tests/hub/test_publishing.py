"""A model is published on the hub and loaded from there."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json

import numpy as np
import pytest
from local_hub import TOKEN

from textcnn import ConfigError, Model, ModelError, TextCNNClassifier, load_model

TEXTS = ["not bad at all", "a waste of a good cast", "", "日本 🎉"]
FILES = ["README.md", "config.json", "metrics.json", "model.safetensors", "vocabulary.json"]
FIGURES = {
    "examples": 40,
    "accuracy": 0.75,
    "macro_f1": 0.5,
    "log_loss": 1.5,
    "majority": 0.5,
    "classes": [
        {"name": name, "precision": 0.5, "recall": 0.25, "f1": 0.5, "support": 20} for name in ("negative", "positive")
    ],
    "confusion": {"label": [0, 1, 1], "predicted": [0, 0, 1], "texts": [20, 10, 10]},
}


@pytest.fixture
def scored(model):
    """The model with the source and the scores that a run of `textcnn train` gives it."""
    training = {**model.artifact.training, "source": "user/films"}
    return Model(dataclasses.replace(model.artifact, training=training, metrics={"test": FIGURES}))


def message(kind, model, *args, **options):
    with pytest.raises(kind) as caught:
        model.push_to_hub(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def header(card):
    from huggingface_hub import ModelCard

    return ModelCard(card.decode()).data


def test_a_model_comes_back_as_it_was(hub, model):
    where = model.push_to_hub("user/name", token=TOKEN)
    repository = hub.repositories["user/name"]
    assert where == f"{hub.address}/user/name/commit/{repository.branches['main']}"
    assert repository.messages == ["initial commit", "Upload a model of textcnn"]
    assert not repository.private
    loaded = load_model("user/name")
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert loaded.artifact.training == json.loads(json.dumps(model.artifact.training))
    assert loaded.artifact.words == model.artifact.words
    assert loaded.artifact.text == model.artifact.text
    for name, weight in model.artifact.weights.items():
        np.testing.assert_array_equal(loaded.artifact.weights[name], weight)


def test_several_labels_come_back(hub):
    several = TextCNNClassifier(dimension=8, feature_maps=4, max_epochs=2)
    several.fit(["good fun", "a bad film", "good but bad"] * 10, [["good"], ["bad"], ["bad", "good"]] * 10)
    several.model_.push_to_hub("user/several", token=TOKEN)
    loaded = load_model("user/several")
    assert loaded.predict(TEXTS) == several.predict(TEXTS)
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), several.predict_proba(TEXTS))


def test_what_is_written_is_what_its_hashes_say(hub, scored):
    scored.push_to_hub("user/name", token=TOKEN)
    files = hub.files("user/name")
    assert sorted(files) == sorted([".gitattributes", *FILES, "scores.png"])
    hashes = json.loads(files["config.json"])["files"]
    assert sorted(hashes) == [name for name in FILES if name != "config.json"]
    assert hashes == {name: hashlib.sha256(files[name]).hexdigest() for name in hashes}
    assert files["model.safetensors"] in hub.stored.values()  # by Git LFS


def test_what_the_card_says(hub, scored):
    scored.push_to_hub(
        "user/name", token=TOKEN, license="mit", language="en", datasets=["user/films", "user/more-films"]
    )
    card = hub.files("user/name")["README.md"]
    found = header(card)
    assert (found.license, found.language, found.datasets) == ("mit", ["en"], ["user/films", "user/more-films"])
    assert (found.library_name, found.pipeline_tag, found.model_name) == (
        "textcnn",
        "text-classification",
        "user/name",
    )
    assert found.tags == ["text-classification", "convolutional-neural-network", "kim"]
    assert [(one.metric_type, one.metric_value, one.dataset_split) for one in found.eval_results] == [
        ("accuracy", 0.75, "test"),
        ("f1", 0.5, "test"),
    ]
    text = card.decode()
    assert 'textcnn predict -m user/name "a text"' in text
    assert 'load_model("user/name").predict(["a text"])' in text
    caption = "Confusion matrix on test, 40 texts (a row per true class)"
    assert f"![{caption}](scores.png)" in text
    assert "FOLDER" not in text
    assert "Before you publish" not in text


def test_what_the_author_does_not_say_is_left_out(hub, model):
    unscored = Model(dataclasses.replace(model.artifact, metrics={}))
    unscored.push_to_hub("user/name", token=TOKEN)
    assert sorted(hub.files("user/name")) == [".gitattributes", *FILES]
    found = header(hub.files("user/name")["README.md"])
    assert (found.license, found.language, found.datasets, found.eval_results) == (None, None, None, None)
    assert b"scores.png" not in hub.files("user/name")["README.md"]


def test_the_picture_is_one(hub, scored):
    from matplotlib.image import imread

    scored.push_to_hub("user/name", token=TOKEN)
    picture = imread(io.BytesIO(hub.files("user/name")["scores.png"]))
    assert picture.shape[:2] == (480, 672)
    assert np.ptp(picture[..., 0]) > 0.5


def test_a_private_repository(hub, model, monkeypatch):
    model.push_to_hub("user/secret", private=True, token=TOKEN)
    assert hub.repositories["user/secret"].private
    with pytest.raises(ModelError, match="there is no user/secret, or it is not public"):
        load_model("user/secret")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    np.testing.assert_array_equal(load_model("user/secret").predict_proba(TEXTS), model.predict_proba(TEXTS))


def test_the_token_of_the_environment(hub, model, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    model.push_to_hub("user/name")
    assert "config.json" in hub.files("user/name")


def test_a_branch_and_a_message(hub, model, scored):
    model.push_to_hub("user/name", token=TOKEN, commit_message="the first")
    first = hub.repositories["user/name"].branches["main"]
    for each in (model, scored):  # the second time the branch is there
        each.push_to_hub("user/name", token=TOKEN, revision="try/two", commit_message="another")
    repository = hub.repositories["user/name"]
    assert repository.messages == ["initial commit", "the first", "another", "another"]
    assert repository.branches["main"] == first
    assert load_model("user/name@try/two").artifact.training["source"] == "user/films"
    assert load_model("user/name", revision="try/two").artifact.training["source"] == "user/films"
    assert "source" not in load_model("user/name").artifact.training
    assert "source" not in load_model(f"user/name@{first}").artifact.training


def test_other_files_stay(hub, model):
    hub.add("user/name", {"notes.txt": b"notes", "README.md": b"old"})
    model.push_to_hub("user/name", token=TOKEN)
    files = hub.files("user/name")
    assert files["notes.txt"] == b"notes"
    assert files["README.md"].startswith(b"---\nlibrary_name: textcnn\n")


def test_one_line_says_why_it_is_not_taken(hub, model):
    refused = (
        "user/name: expected someone who may write there, but the Hugging Face hub refused it (HTTP 401); log in (hf "
        "auth login) or give another token"
    )
    assert message(ModelError, model, "user/name") == refused
    assert message(ModelError, model, "user/name", token="hf_other") == refused  # noqa: S106
    assert hub.repositories == {}
    license_refused = message(ModelError, model, "user/name", token=TOKEN, license="My own!")
    assert license_refused == (
        'user/name: the Hugging Face hub did not take it: Invalid metadata in README.md. - "license" must be one of '
        "the known ones; try again"
    )


@pytest.mark.parametrize("name", ["name", "./user/name", "user/name/more", "user/", "us er/name", "user/na--me", ""])
def test_a_name_that_the_hub_does_not_allow(hub, model, name):
    assert message(ConfigError, model, name, token=TOKEN) == (
        f"expected user/name on the Hugging Face hub, found {name!r}"
    )
    assert hub.requests == []


def test_without_a_network_and_offline(hub, model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert message(ModelError, model, "user/name", token=TOKEN).startswith(
        "user/name: the Hugging Face hub did not take it: "
    )
    assert hub.requests == []


def test_without_the_library(model, monkeypatch):
    monkeypatch.setattr("textcnn.hub.find_spec", lambda _: None)
    assert message(ConfigError, model, "user/name") == (
        "expected the library huggingface_hub, which speaks with the Hugging Face hub, found none; install it: "
        "pip install huggingface_hub"
    )
