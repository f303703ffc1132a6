"""A model is loaded from the hub: only its files, checked, once for each version, and never for a local name."""

from __future__ import annotations

import os
import pickle
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from local_hub import TOKEN

from textcnn import ConfigError, ModelError, load_model
from textcnn.inference.from_hub import on_hub

FETCHED = ["config.json", "metrics.json", "model.safetensors", "vocabulary.json"]


def message(kind, *args, **options):
    with pytest.raises(kind) as caught:
        load_model(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Marker:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("mark",)


def test_nothing_but_a_models_files_is_fetched(hub, model, contents):
    others = {"pytorch_model.bin": pickle.dumps(Marker()), "model.py": b"raise SystemExit", "old/config.json": b"{}"}
    hub.add("user/name", {**contents, **others})
    np.testing.assert_array_equal(load_model("user/name").predict_proba(["so"]), model.predict_proba(["so"]))
    assert hub.fetched() == FETCHED[:2] + FETCHED[3:]  # the weights come from where the hub redirects to
    assert sorted(path.name for path in Path("cache").glob("*/snapshots/*/**/*")) == FETCHED
    assert not Path("mark").exists()


def test_a_version_is_fetched_once(hub, contents):
    hub.add("user/name", contents)
    load_model("user/name")
    hub.requests.clear()
    load_model("user/name")
    assert {path.rpartition("/")[0] for _, path in hub.requests} == {"/api/models/user/name/revision"}
    hub.alter("user/name", "README.md", b"A card that was edited on the hub.")
    hub.requests.clear()
    load_model("user/name")  # of the new version, whose other files are there already
    assert hub.fetched() == []


def test_all_files_are_of_one_version(hub, contents, scored_contents, monkeypatch):
    """Another model is published after the first file was fetched."""
    hub.add("user/name", contents)
    from textcnn.inference import from_hub

    check = from_hub.check_config

    def publish_another(*args, **options):
        check(*args, **options)
        hub.repositories["user/name"].commit("main", scored_contents)

    monkeypatch.setattr(from_hub, "check_config", publish_another)
    assert "source" not in load_model("user/name").artifact.training
    monkeypatch.undo()


@pytest.fixture
def scored_contents(model, tmp_path):
    """The files of another model."""
    import dataclasses

    from textcnn import Model

    Model(dataclasses.replace(model.artifact, training={"source": "others"})).save(tmp_path / "other")
    return {path.name: path.read_bytes() for path in (tmp_path / "other").iterdir()}


def test_revisions(hub, contents, scored_contents):
    repository = hub.add("user/name", contents)
    first = repository.branches["main"]
    repository.commit("main", scored_contents, "another")
    assert load_model("user/name").artifact.training["source"] == "others"
    assert "source" not in load_model("user/name", revision=first).artifact.training
    assert "source" not in load_model(f"user/name@{first}").artifact.training
    assert message(ModelError, "user/name@v2") == (
        "expected the revision v2 of user/name on the Hugging Face hub, but there is none; give a branch, a tag or a "
        "commit of it"
    )
    assert message(ConfigError, "user/name@main", revision=first) == (
        f"expected one revision of user/name, found main and {first}; leave one out"
    )


def test_local_names_make_no_network_call(hub, contents, no_network):
    for folder in ("user/name", "user/name@main", "plain", "user.name/model-1"):
        Path(folder).mkdir(parents=True)
        for name, content in contents.items():
            Path(folder, name).write_bytes(content)
        assert load_model(folder).predict(["so"])
        assert load_model(Path(folder)).predict(["so"])
    found = message(ModelError, "user/nmae")  # its folder is here: a misspelled path
    assert found.startswith("user/nmae: expected a saved model, found nothing there; nearest to 'nmae': name")
    assert found.endswith("; train one first (textcnn train), or give user/nmae@main for one on the Hugging Face hub")
    paths = ("name", "/other/name", "other/name/more", "~/name", "other/", "a b/c", "a/b--c", "./a/b", Path("a/b"))
    for path in paths:
        assert message(ModelError, path).startswith(f"{Path(path)}: expected a saved model, found nothing there")
    for path in ("plain", Path("other/name")):
        assert message(ConfigError, path, revision="main") == (
            f"expected user/name on the Hugging Face hub beside a revision (main), found {path}"
        )
    assert no_network == []
    assert hub.requests == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user/name", ("user/name", None)),
        ("User-1/na.me_2", ("User-1/na.me_2", None)),
        ("user/name@v1.0", ("user/name", "v1.0")),
        ("user/name@refs/pr/1", ("user/name", "refs/pr/1")),
        ("here/name@main", ("here/name", "main")),
        ("here/name", None),
        ("user/name@", None),
        ("user/name@a@b", None),
        ("user/name@\0", None),
        ("user/name\0", None),
        ("-user/name", None),
        ("user/name.", None),
        ("üser/name", None),
    ],
)
def test_names(name, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    assert on_hub(name) == expected


def test_without_a_network(hub, contents, no_network, monkeypatch):
    assert message(ModelError, "user/name") == (
        "user/name: expected a folder or a model on the hub, found no such folder, and cannot reach the Hugging Face "
        "hub (no network here); check the path or the network"
    )
    assert no_network
    monkeypatch.undo()


def test_what_was_fetched_is_read_without_a_network(hub, model, contents, monkeypatch):
    hub.add("user/name", contents)
    load_model("user/name")
    expected = model.predict_proba(["so"])
    with monkeypatch.context() as patched:
        for name in ("create_connection", "getaddrinfo"):
            patched.setattr(socket, name, lambda *_, **__: 1 / 0)
        patched.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        np.testing.assert_array_equal(load_model("user/name").predict_proba(["so"]), expected)
        assert message(ModelError, "user/other") == (
            "user/other: expected a folder or a model on the hub, found no such folder, and HF_HUB_OFFLINE is set, and "
            "it was not fetched before; check the path or the network"
        )
    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "connect", refusing)
        np.testing.assert_array_equal(load_model("user/name").predict_proba(["so"]), expected)


def refusing(*_):
    raise OSError("no network here")


def test_an_interrupted_fetch_is_told_offline(hub, contents, monkeypatch):
    hub.add("user/name", contents)
    load_model("user/name")
    next(Path("cache").glob("*/snapshots/*/model.safetensors")).unlink()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = message(ModelError, "user/name")
    # Older versions of the client do not notice.
    assert "it was not fetched before" in found or "model.safetensors: could not read it" in found
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert load_model("user/name").predict(["so"])


def test_no_repository_and_a_private_one(hub, contents, monkeypatch):
    missing = (
        "expected a model on the Hugging Face hub, but there is no user/name, or it is not public; correct the name or "
        "log in to the hub; for a folder, give its path"
    )
    assert message(ModelError, "user/name") == missing
    hub.add("user/name", contents, private=True)
    assert message(ModelError, "user/name") == missing
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert load_model("user/name").predict(["so"])


def test_a_repository_of_another_program(hub, contents, caplog):
    weights = {"model.safetensors": b"gigabytes", "pytorch_model.bin": b"gigabytes"}
    hub.add("user/bert", {**weights, "config.json": b'{"model_type": "bert"}'})
    assert message(ModelError, "user/bert") == (
        "user/bert/config.json: expected a model of textcnn, found a file of another program"
    )
    assert hub.fetched() == ["config.json"]
    hub.add("user/empty", {})
    assert message(ModelError, "user/empty") == "user/empty: expected a model of textcnn, found no config.json"
    hub.add("user/newer", {"config.json": b'{"format": "textcnn", "version": 99}'})
    assert "a newer textcnn saved it" in message(ModelError, "user/newer")
    hub.add("user/half", {"config.json": contents["config.json"]})
    assert "could not read it: No such file" in message(ModelError, "user/half")
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["model.safetensors", "vocabulary.json", "metrics.json"])
def test_a_file_that_was_altered(hub, contents, name):
    hub.add("user/name", {**contents, name: contents[name][:-1] + b" "})
    cache = Path("cache/models--user--name").absolute()
    found = message(ModelError, "user/name")
    assert found.startswith(f"user/name on the Hugging Face hub: {cache}")
    assert found.endswith(
        f"{name}: expected the SHA-256 that config.json names, found another: the file is damaged or was edited; "
        f"copy the model again or train it again; to fetch it again, remove {cache}"
    )
    hub.alter("user/name", name, contents[name])
    assert load_model("user/name").predict(["so"])


def test_a_copy_that_was_damaged_here_comes_whole_again(hub, contents):
    hub.add("user/name", contents)
    load_model("user/name")
    file = next(Path("cache").glob("*/snapshots/*/model.safetensors"))
    file.resolve().write_bytes(b"damaged")
    cache = message(ModelError, "user/name").rpartition("remove ")[2]
    shutil.rmtree(cache)
    assert load_model("user/name").predict(["so"])


def test_a_config_that_was_altered(hub, contents):
    hub.add("user/name", {**contents, "config.json": contents["config.json"].replace(b'"negative"', b'"positive"', 1)})
    assert message(ModelError, "user/name").startswith(
        "user/name/config.json: expected the content whose SHA-256 it names, found another"
    )


def test_golden_models(hub):
    """Models that older versions saved, with the hashes that they have."""
    for folder in sorted((Path(__file__).parents[1] / "golden").glob("v*")):
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        hub.add(f"user/{folder.name}", files)
        found, expected = load_model(f"user/{folder.name}"), load_model(folder)
        np.testing.assert_array_equal(found.predict_proba(["good film"]), expected.predict_proba(["good film"]))


def test_without_the_library(hub, monkeypatch, no_network):
    monkeypatch.setattr("textcnn.hub.find_spec", lambda _: None)
    assert message(ConfigError, "user/name") == (
        "expected the library huggingface_hub, which speaks with the Hugging Face hub, found none; install it: "
        "pip install huggingface_hub"
    )
    assert no_network == []
