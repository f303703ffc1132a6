import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn import TextCNNClassifier, load_model
from textcnn.errors import ConfigError, ModelError
from textcnn.inference import artifact as module
from textcnn.inference.artifact import Artifact, check_target, load_artifact, save_artifact, weight_shapes
from textcnn.settings.config import DCNNConfig, KimConfig, StackedConfig, TextConfig, from_json

MODEL = KimConfig(ngrams=0, dimension=4, region_sizes=(1, 2), feature_maps=3)
TRAINING = {
    "source": "x",
    "texts": 6,
    "labels": [2, 4],
    "settings": {"seed": 0, "class_weight": None, "freeze": []},
    "environment": {"python": "3.11", "threads": 2},
    "neighbours": {"good": [["bad", 0.5]]},
    "history": {
        "epochs": [{"number": 1, "training_loss": 0.5, "validation_loss": 0.25, "accuracy": 1.0, "best": True}],
    },
}
WORDS = ["good", "bad", "日本", "a b", "\n", '"']


def make(classes=("negative", "positive"), model=MODEL, seed=0):
    generator = np.random.default_rng(seed)
    shapes = weight_shapes(model, vocabulary_size=len(WORDS) + 2, classes=len(classes))
    weights = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return Artifact(
        TextConfig(),
        model,
        np.array(classes),
        WORDS,
        weights,
        {**TRAINING, "labels": list(range(len(classes)))},
        {"test": {"accuracy": 0.5, "examples": 4}},
    )


def assert_equal(left, right):
    assert (left.text, left.model, list(left.words)) == (right.text, right.model, list(right.words))
    assert left.classes.tolist() == right.classes.tolist()
    assert left.classes.dtype.kind == right.classes.dtype.kind
    assert left.training == right.training
    assert left.metrics == right.metrics
    assert left.weights.keys() == right.weights.keys()
    for name, weight in left.weights.items():
        np.testing.assert_array_equal(weight, right.weights[name])


@pytest.mark.parametrize("model", [MODEL, DCNNConfig(ngrams=0, dimension=8), StackedConfig(ngrams=0, dimension=8)])
@pytest.mark.parametrize("classes", [("a", "b", "ü"), (1, 2), (-1.5, 2.5), (False, True)])
def test_round_trip(tmp_path, classes, model):
    saved = make(classes, model)
    save_artifact(saved, tmp_path / "m")
    assert_equal(load_artifact(tmp_path / "m"), saved)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "README.md",
        "config.json",
        "metrics.json",
        "model.safetensors",
        "vocabulary.json",
    ]


@pytest.mark.parametrize("channels", ["rand", "static", "non-static", "multichannel"])
@pytest.mark.parametrize("filters", ["shared", "separate"])
def test_shapes_are_the_networks(channels, filters):
    import torch

    from textcnn.settings.architectures import make_network

    for config in (
        KimConfig(ngrams=0, dimension=4, region_sizes=(1, 2), feature_maps=3, pooling="k-max"),
        DCNNConfig(ngrams=0, dimension=8, region_sizes=(3, 2, 4), feature_maps=(2, 3, 5)),
        DCNNConfig(ngrams=0, dimension=8, region_sizes=(3,), feature_maps=(2,)),
        StackedConfig(ngrams=0, dimension=4, region_sizes=(3, 2), feature_maps=(2, 5)),
        StackedConfig(ngrams=0, dimension=4, region_sizes=(3, 2, 2, 1, 2), feature_maps=(2, 5, 2, 3, 4), shortcut=True),
        StackedConfig(ngrams=0, dimension=4, region_sizes=(3, 5), feature_maps=(2, 9), branches=(1, 3, 5)),
        StackedConfig(
            ngrams=0, dimension=4, region_sizes=(3, 3, 3), feature_maps=(2, 2, 8), branches=(1, 3), shortcut=True
        ),
    ):
        config = dataclasses.replace(config, channels=channels, multichannel_filters=filters)
        vectors = torch.zeros(7, config.dimension) if config.pretrained else None
        network = make_network(config, vocabulary_size=7, classes=2, vectors=vectors)
        shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        assert shapes == weight_shapes(config, vocabulary_size=7, classes=2)


def test_a_model_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "m"
    save_artifact(make(), path)
    with pytest.raises(ModelError) as error:
        save_artifact(make(seed=1), path)
    assert str(error.value) == f"{path}: a model is there already; choose another name or replace it (--overwrite)"
    save_artifact(make(seed=1), path, overwrite=True)
    assert_equal(load_artifact(path), make(seed=1))
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_other_peoples_files_are_never_replaced(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for name, found in (
        ("notes", "expected a new folder or a saved model, found a folder of other files; choose another"),
        ("file", "expected a folder to save the model in, found a file; choose another name"),
        ("no/where", f"expected the folder {tmp_path / 'no'} to exist; create it first"),
    ):
        with pytest.raises(ModelError) as error:
            check_target(tmp_path / name, overwrite=True)
        assert str(error.value) == f"{tmp_path / name}: {found}"
    (tmp_path / "empty").mkdir()
    save_artifact(make(), tmp_path / "empty")
    assert_equal(load_artifact(tmp_path / "empty"), make())


@pytest.fixture
def saved(tmp_path):
    save_artifact(make(), tmp_path / "m")
    return tmp_path / "m"


def test_nothing_there(tmp_path):
    with pytest.raises(ModelError) as error:
        load_artifact(tmp_path / "x")
    assert str(error.value) == (
        f"{tmp_path / 'x'}: expected a saved model, found nothing there; train one first (textcnn train)"
    )
    (tmp_path / "f").write_text("")
    with pytest.raises(ModelError) as error:
        load_artifact(tmp_path / "f")
    assert str(error.value) == f"{tmp_path / 'f'}: expected the folder of a saved model, found a file"


@pytest.mark.parametrize("name", ["model.safetensors", "vocabulary.json", "metrics.json"])
def test_every_flipped_byte_is_seen(saved, name):
    content = (saved / name).read_bytes()
    for place in range(0, len(content), max(1, len(content) // 40)):
        damaged = bytearray(content)
        damaged[place] ^= 1
        (saved / name).write_bytes(damaged)
        with pytest.raises(ModelError) as error:
            load_artifact(saved)
        assert str(error.value).startswith(f"{saved / name}: expected the SHA-256 that config.json names")


def test_every_flipped_bit_of_the_config_is_seen(saved):
    path, model = saved / "config.json", make()
    content = path.read_bytes()
    passed = []
    for number in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[number // 8] ^= 1 << number % 8
        try:
            module._parse_config(bytes(damaged), saved)
        except ModelError as error:
            if number % 199:  # the others through the whole of loading
                continue
            path.write_bytes(damaged)
            with pytest.raises(ModelError) as whole:
                load_artifact(saved)
            assert str(whole.value) == str(error)  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
        else:
            passed.append(bytes(damaged))
    assert len(passed) < 10
    for damaged in passed:
        path.write_bytes(damaged)
        assert_equal(load_artifact(saved), model)


def test_an_edited_config(saved):
    path = saved / "config.json"
    content = path.read_text(encoding="utf-8")
    config = json.loads(content)
    assert list(config)[-1] == "sha256"
    path.write_text(json.dumps(config), encoding="utf-8")  # white space and the order of fields mean nothing
    assert_equal(load_artifact(saved), make())
    path.write_text(content.replace('"temperature": 1.0', '"temperature": 2.0'), encoding="utf-8")
    with pytest.raises(ModelError) as error:
        load_artifact(saved)
    assert str(error.value) == (
        f"{path}: expected the content whose SHA-256 it names, found another: the file is damaged or was edited; copy "
        "the model again or train it again, or remove the field 'sha256' if you edited the file on purpose"
    )
    del config["sha256"]
    config["temperature"] = 2.0
    path.write_text(json.dumps(config), encoding="utf-8")
    loaded = load_artifact(saved)
    assert loaded.temperature == 2.0
    save_artifact(loaded, saved, overwrite=True)
    assert "sha256" in path.read_text(encoding="utf-8")
    assert load_artifact(saved).temperature == 2.0


def test_facts_that_json_changes_do_not_change_the_hash(tmp_path):
    training = {10: (1, 2), 9: np.float64(0.1), "b": 1e16, "a": -0.0, True: "ü\u2028\U0001f600"}
    save_artifact(dataclasses.replace(make(), training=training), tmp_path / "m")
    assert load_artifact(tmp_path / "m").training["10"] == [1, 2]


def test_metrics_are_not_parsed_to_predict(saved, monkeypatch):
    from textcnn.inference import _saved_metrics

    parsed = []
    parse = _saved_metrics.parse
    monkeypatch.setattr(_saved_metrics, "parse", lambda *args: parsed.append(args) or parse(*args))
    model = load_model(saved)
    model.predict_proba(["good bad"])
    assert not parsed
    assert model.artifact.metrics["test"]["accuracy"] == 0.5
    assert dict(model.artifact.metrics) == make().metrics
    assert len(parsed) == 1


def test_a_whole_confusion_matrix_of_an_older_model_is_read(saved):
    figures = {"accuracy": 0.5, "examples": 4, "confusion": [[1, 2], [0, 1]]}
    rewrite(saved, "metrics.json", json.dumps({"test": figures}).encode())
    cells = {"label": [0, 0, 1], "predicted": [0, 1, 1], "texts": [1, 2, 1]}
    model = load_model(saved)
    assert model.artifact.metrics["test"]["confusion"] == cells
    model.save(saved, overwrite=True)
    assert load_artifact(saved).metrics["test"]["confusion"] == cells


def test_metrics_of_many_classes_are_small(tmp_path):
    from textcnn.metrics import evaluate

    classes = 1500
    truth, generator = np.arange(3000) % classes, np.random.default_rng(0)
    figures = evaluate(truth, np.eye(classes, dtype=np.float32)[generator.permutation(truth)], ["x"] * classes)
    save_artifact(dataclasses.replace(make(range(classes)), metrics={"test": figures}), tmp_path / "m")
    assert (tmp_path / "m" / "metrics.json").stat().st_size < 1_000_000
    assert (tmp_path / "m" / "README.md").stat().st_size < 10_000
    assert load_artifact(tmp_path / "m").metrics["test"] == figures
    assert len(load_model(tmp_path / "m")._repr_html_()) < 2000


def test_missing_files(saved):
    (saved / "vocabulary.json").unlink()
    with pytest.raises(ModelError) as error:
        load_artifact(saved)
    assert str(error.value) == f"{saved / 'vocabulary.json'}: could not read it: No such file or directory"
    (saved / "config.json").unlink()
    with pytest.raises(ModelError) as error:
        load_artifact(saved)
    assert str(error.value) == f"{saved}: expected the folder of a saved model, found a folder without config.json"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"format": "other"}, ("a model of textcnn", "another program")),
        ({"version": 99}, ("version 4", "99", "newer textcnn", "upgrade")),
        ({"version": 1, "textcnn": "0.0.1"}, ("version 4", "1", "older textcnn", "0.0.1")),
        ({"version": "4"}, ("version", "'4'")),
        ({"version": True}, ("version", "True")),
        ({"files": None}, ("SHA-256", "'files'")),
        ({"architecture": "rnn"}, ("arch", "kim, dcnn, stacked", "'rnn'")),
        ({"architecture": ["kim"]}, ("arch", "kim, dcnn, stacked")),
        ({"text": {"lowercase": []}}, ("text", "lowercase", "[]")),
        ({"text": {"stemmer": "porter"}}, ("text", "stemmer")),
        ({"version": "x\n" * 1000}, ("version", "x\\nx")),
        ({"version": 1, "textcnn": ["x\n"] * 1000}, ("version", "older textcnn")),
        ({"sha512": 5}, ("fields of a model alone", "'sha512'")),
    ],
)
def test_configs_that_are_refused(saved, change, parts):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    write_config(saved, {**config, **change})
    with pytest.raises(ModelError) as error:
        load_artifact(saved)
    assert str(error.value).startswith(f"{saved / 'config.json'}: ")
    assert all(part in str(error.value) for part in parts), error.value
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


EPOCH = TRAINING["history"]["epochs"][0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source", 5),
        ("texts", "6"),
        ("texts", True),
        ("labels", []),
        ("labels", [1, 2, 3]),
        ("labels", "ab"),
        ("settings", []),
        ("settings", {"freeze": [[1]]}),
        ("settings", {"class_weight": [1.0]}),
        ("environment", "x"),
        ("environment", {"torch": {}}),
        ("neighbours", {"good": ["bad"]}),
        ("neighbours", {"good": [["bad", "near"]]}),
        ("history", []),
        ("history", {"epochs": {}}),
        ("history", {"epochs": [{}]}),
        ("history", {"epochs": [{**EPOCH, "best": False}]}),
        ("history", {"epochs": [{**EPOCH, "accuracy": "1"}]}),
        ("history", {"epochs": [{**EPOCH, "training_loss": 1e300}]}),
    ],
)
def test_facts_of_training_that_are_refused(saved, key, value):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    config["training"][key] = value
    write_config(saved, config)
    with pytest.raises(ModelError) as error:
        load_artifact(saved)
    assert f"config.json: training.{key}" in str(error.value)
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)


def test_facts_of_training_may_be_missing(saved):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    for training in ({}, dict.fromkeys(TRAINING), {"other": [{"x": None}]}):
        write_config(saved, {**config, "training": training})
        assert load_artifact(saved).training == training
        assert "trained on" not in TextCNNClassifier.load(saved).model_._repr_html_()


ROW = {"name": "a", "precision": 0.5, "recall": 1, "f1": 0, "support": 3}
WRONG_FIGURES = [
    {"macro_f1": "0.5"},
    {"macro_f1": 1.5},
    {"log_loss": True},
    {"majority": []},
    {"classes": [ROW]},
    {"classes": [ROW, {**ROW, "name": 1}]},
    {"classes": [ROW, {**ROW, "support": 0.5}]},
    {"classes": [ROW, {**ROW, "f1": None}]},
    {"classes": {"a": ROW, "b": ROW}},
    {"confusion": 5},
    {"confusion": {}},
    {"confusion": {"label": [0], "predicted": [0], "texts": [1, 2]}},
    {"confusion": {"label": [0], "predicted": [2], "texts": [1]}},
    {"confusion": {"label": [0], "predicted": [-1], "texts": [1]}},
    {"confusion": {"label": [0], "predicted": [1], "texts": ["1"]}},
    {"confusion": [[1, 0]]},
    {"confusion": [[1, 0], [1]]},
    {"confusion": [[1, 0], [-1, 1]]},
    {"confusion": [[1, 0], [0.5, 1]]},
    {"confusion": [["1", "0"], ["1", "1"]]},
    {"confusion": [[{}, 0], [0, 1]]},
]


@pytest.mark.parametrize(
    "metrics",
    [
        [],
        {"test": 1},
        {"test": {}},
        {"test": {"accuracy": "0.5", "examples": 4}},
        {"test": {"accuracy": 2, "examples": 4}},
        {"test": {"accuracy": 0.5, "examples": 0.5}},
        {"test": {"accuracy": 0.5, "examples": -1}},
        *({"test": {"accuracy": 0.5, "examples": 4, **wrong}} for wrong in WRONG_FIGURES),
    ],
)
def test_metrics_that_are_refused(saved, metrics):
    rewrite(saved, "metrics.json", json.dumps(metrics).encode())
    artifact = load_artifact(saved)  # they are parsed when they are asked for
    for _ in range(2):
        with pytest.raises(ModelError, match=r"metrics\.json: (test|metrics)[a-z_1.]*: expected .*, found"):
            len(artifact.metrics)
    with pytest.raises(ModelError, match=r"metrics\.json"):
        save_artifact(artifact, saved.with_name("again"))
    assert not saved.with_name("again").exists()


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", '"1"', "true", "0", "-1.0", "1e-320"])
def test_temperatures_that_are_refused(saved, literal):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    write_config(saved, config)
    content = (saved / "config.json").read_text(encoding="utf-8")
    (saved / "config.json").write_text(content.replace('"temperature": 1.0', f'"temperature": {literal}'))
    with pytest.raises(ModelError, match="config.json: expected .*finite .*, found"):
        load_artifact(saved)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("float", "[1.0, NaN]"),
        ("float", "[1.0, 1e999]"),
        ("float", "[1, 2]"),
        ("int", "[-1, 9223372036854775808]"),
        ("int", "[1, 18446744073709551616]"),
        ("int", "[true, false]"),
        ("str", '["a", "\\ud800"]'),
        ("str", '["a", "b\\u0000"]'),
        ("str", '["a", "a"]'),
    ],
)
def test_classes_that_are_refused(saved, kind, values):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    config["classes"] = {"type": kind, "values": "VALUES"}
    del config["sha256"]
    content = json.dumps(config).replace('"VALUES"', values)
    (saved / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="config.json: expected .*, found"):
        load_artifact(saved)


def test_half_characters_in_a_model(saved):
    rewrite(saved, "vocabulary.json", b'["\\ud83d\\ude00", "b", "c", "d", "e", "f"]')  # a pair is whole
    assert load_artifact(saved).words[0] == "\U0001f600"
    rewrite(saved, "vocabulary.json", b'["\\uD800", "b", "c", "d", "e", "f"]')
    with pytest.raises(ModelError, match=r"vocabulary.json: .*lone surrogate.*ud800"):
        load_artifact(saved)
    rewrite(saved, "vocabulary.json", b'["\xed\xa0\x80", "b", "c", "d", "e", "f"]')
    with pytest.raises(ModelError, match="vocabulary.json: expected JSON"):
        load_artifact(saved)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"classes": np.array(["a", "b\ud800"])}, r"config\.json: .*lone surrogate.*'b\\ud800'"),
        ({"words": ["\udfff", *WORDS[1:]]}, r"vocabulary\.json: .*lone surrogate.*'\\udfff'"),
        ({"training": {"source": "x\ud800"}}, r"config\.json: .*lone surrogate"),
        ({"temperature": float("nan")}, r"config\.json: .*finite"),
        ({"metrics": {"test": {"accuracy": float("inf"), "examples": 4}}}, r"metrics\.json: .*finite"),
    ],
)
def test_what_no_file_can_hold(tmp_path, change, part):
    with pytest.raises(ModelError, match=part) as error:
        save_artifact(dataclasses.replace(make(), **change), tmp_path / "m")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("number", [3e38, -2e12, float("inf"), float("nan")])
def test_numbers_whose_sums_are_not_finite(saved, number):
    from safetensors.numpy import load, save

    weights = {name: weight.copy() for name, weight in make().weights.items()}
    weights["channels.tuned"][3, 1] = number
    with pytest.raises(ModelError, match=r"model\.safetensors: .*finite numbers.*channels\.tuned"):
        save_artifact(dataclasses.replace(make(), weights=weights), saved, overwrite=True)
    assert_equal(load_artifact(saved), make())
    content = load((saved / "model.safetensors").read_bytes()) | weights
    rewrite(saved, "model.safetensors", save(content))
    with pytest.raises(ModelError, match=r"model\.safetensors: .*finite numbers.*channels\.tuned"):
        load_artifact(saved)


def test_a_name_of_weights_that_is_not_utf_8(saved):
    content = (saved / "model.safetensors").read_bytes()
    rewrite(saved, "model.safetensors", content.replace(b"softmax.bias", b"softmax.\xff\xfe\xfd\xfc"))
    with pytest.raises(ModelError, match=r"model\.safetensors: expected safetensors"):
        load_artifact(saved)


def test_a_missing_setting_takes_its_default(saved):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    del config["text"]["unseen_words"], config["model"]["k"], config["model"]["padding"]
    write_config(saved, config)
    assert_equal(load_artifact(saved), make())


@pytest.mark.parametrize(
    "keys", [[-5], [1], [0, 9], [2, 2], [9, 3], [8 * 3 + 1], [8 * 8 * 8 * 3], [2**62], [3 * 8 * 8 + 4]]
)
def test_numbers_of_no_ngram(tmp_path, keys):
    model = dataclasses.replace(MODEL, ngrams=2)
    weights = make(model=MODEL).weights | {
        "ngrams.keys": np.array(keys, np.int64),
        "ngrams.factors": np.ones(len(keys), np.float32),
        "ngrams.weight": np.ones((len(keys), 2), np.float32),
    }
    save_artifact(dataclasses.replace(make(), model=model, weights=weights), tmp_path / "m")
    with pytest.raises(ModelError, match="ngrams.keys"):
        load_artifact(tmp_path / "m")


def test_an_older_version_is_upgraded(saved, monkeypatch):
    def upgrade(config):
        text = dict(config["text"])
        return {**config, "text": {"lowercase": text.pop("lower"), **text}}

    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    config["text"]["lower"] = config["text"].pop("lowercase")
    write_config(saved, {**config, "version": 3})
    monkeypatch.setattr(module, "UPGRADES", {3: upgrade})
    assert_equal(load_artifact(saved), make())


def test_settings_and_weights_must_fit(saved):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    config["model"]["feature_maps"] = 4
    write_config(saved, config)
    with pytest.raises(ModelError, match="expected arrays of the shapes .* found"):
        load_artifact(saved)
    config["model"]["feature_maps"] = "x"
    write_config(saved, config)
    with pytest.raises(
        ModelError, match="expected the settings of a model, found a fault in model: feature_maps: expected"
    ):
        load_artifact(saved)
    (saved / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"config.json: expected JSON, found something else$"):
        load_artifact(saved)


def test_loading_and_predicting_imports_no_heavy_library(saved):
    code = (
        "import sys, textcnn; m = textcnn.load_model(sys.argv[1]); m.predict(['good bad']);"
        "print([n for n in ('torch', 'sklearn', 'datasets', 'gensim', 'pandas', 'scipy') if n in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert out.stdout == "[]\n"


def write_config(folder, config):
    """Replace the config by an edited one, without the hash of itself."""
    content = json.dumps({name: value for name, value in config.items() if name != "sha256"})
    (folder / "config.json").write_text(content, encoding="utf-8")


def rewrite(folder, name, content):
    """Replace a file of a model and its hash in the config."""
    (folder / name).write_bytes(content)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["files"][name] = hashlib.sha256(content).hexdigest()
    write_config(folder, config)


def with_bag():
    """A model with a bag of n-grams."""
    size = len(WORDS) + 2
    keys = np.array([2, 5, 2 * size + 3, 7 * size + 2], np.int64)
    weights = {
        "ngrams.keys": keys,
        "ngrams.factors": np.ones(4, np.float32),
        "ngrams.weight": np.ones((4, 2), np.float32),
    }
    return dataclasses.replace(make(), model=dataclasses.replace(MODEL, ngrams=2), weights=make().weights | weights)


@pytest.fixture(scope="module", params=[make, with_bag], ids=["network", "bag"])
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "m"
    save_artifact(request.param(), path)
    return path


def load_copy(folder, change):
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "m"
        shutil.copytree(folder, copy)
        change(copy)
        with contextlib.suppress(ModelError):
            model = load_model(copy)
            assert "textcnn model" in repr(model)
            assert "textcnn model" in model._repr_html_()
            assert set(TextCNNClassifier.load(copy).classes_) == set(model.classes_)
            assert len(model.predict(["good a b", ""])) == 2
            model.save(copy.with_name("again"))
            assert_equal(load_artifact(copy.with_name("again")), model.artifact)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150)
@given(
    name=st.sampled_from(["config.json", "model.safetensors", "vocabulary.json", "metrics.json"]), content=st.binary()
)
def test_any_bytes_load_or_are_refused(folder, name, content):
    load_copy(folder, lambda copy: (copy / name).write_bytes(content))
    if name != "config.json":
        load_copy(folder, lambda copy: rewrite(copy, name, content))


@settings(max_examples=150)
@given(name=st.sampled_from(["vocabulary.json", "metrics.json"]), value=JSON)
def test_any_json_loads_or_is_refused(folder, name, value):
    load_copy(folder, lambda copy: rewrite(copy, name, json.dumps(value).encode()))


PATHS = [("version",), ("architecture",), ("text",), ("model",), ("classes",), ("training",), ("files",), ("format",)]
PATHS += [("classes", "type"), ("classes", "values"), ("files", "vocabulary.json")]
PATHS += [("temperature",), *(("training", key) for key in TRAINING), ("training", "history", "epochs")]
PATHS += [("training", "history", "epochs", 0, key) for key in TRAINING["history"]["epochs"][0]]
PATHS += [("training", "settings", "class_weight"), ("training", "neighbours", "good")]
PATHS += [("text", field.name) for field in dataclasses.fields(TextConfig)]
PATHS += [("model", field.name) for field in dataclasses.fields(KimConfig)]


@settings(max_examples=300)
@given(path=st.sampled_from(PATHS), value=JSON)
def test_any_setting_loads_or_is_refused(folder, path, value):
    def change(copy):
        config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
        inner = config
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        write_config(copy, config)

    load_copy(folder, change)


def leaves(value, path=()):
    """The paths of everything in a JSON object."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from leaves(inner, (*path, key))


def test_every_field_of_another_type_loads_or_is_refused(folder):
    original = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = dict(original)
    del config["sha256"]
    fields = {**dataclasses.asdict(TextConfig()), **dataclasses.asdict(MODEL)}
    for path in leaves(config):
        for value in (None, True, 0, -1, 2.5, 10**30, "x", "", "\ud800", [], {}, [[]], {"a": [1]}):
            changed = json.loads(json.dumps(config))
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            try:
                parsed = module._parse_config(json.dumps(changed).encode(), folder)
                text = from_json(TextConfig, parsed["text"], where="text")
                model = from_json(KimConfig, parsed["model"], where="model")
            except ModelError as error:
                assert "\n" not in str(error)  # noqa: PT017
                continue
            except ConfigError:
                assert path[0] in ("text", "model")
                continue
            for name, found in {**vars(text), **vars(model)}.items():
                assert fields[name] is None or isinstance(found, (type(fields[name]), int)), (path, value)
                assert isinstance(found, bool) == isinstance(fields[name], bool), (path, value)


@settings(max_examples=150)
@given(path=st.sampled_from([("test",), ("other",), ("test", "accuracy"), ("test", "examples")]), value=JSON)
def test_any_metric_loads_or_is_refused(folder, path, value):
    metrics = {"test": {"accuracy": 0.5, "examples": 4}}
    inner = metrics["test"] if len(path) == 2 else metrics
    inner[path[-1]] = value
    load_copy(folder, lambda copy: rewrite(copy, "metrics.json", json.dumps(metrics).encode()))


@settings(max_examples=150)
@given(place=st.integers(0, 4000), byte=st.integers(0, 255))
def test_any_damaged_weights_load_or_are_refused(folder, place, byte):
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[place % len(content)] = byte
    load_copy(folder, lambda copy: rewrite(copy, "model.safetensors", bytes(content)))


def test_a_model_is_saved_through_a_link(saved, tmp_path):
    (tmp_path / "link").symlink_to(saved, target_is_directory=True)
    for seed in (1, 2, 3):
        save_artifact(make(seed=seed), tmp_path / "link", overwrite=True)
        assert_equal(load_artifact(saved), make(seed=seed))
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "m"]


def test_this_folder_is_a_model(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(saved)
    assert_equal(load_artifact("."), make())
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    check_target(Path(), overwrite=False)


def test_a_link_to_a_model_is_a_model(saved, tmp_path):
    (tmp_path / "link").symlink_to(saved, target_is_directory=True)
    assert_equal(load_artifact(tmp_path / "link"), make())


def test_a_model_that_an_older_textcnn_moved_aside_is_named(tmp_path):
    save_artifact(make(), tmp_path / ".m.old")
    with pytest.raises(ModelError, match=r"\.m\.old: rename it"):
        load_artifact(tmp_path / "m")


def test_the_page_on_the_model_before_goes(tmp_path):
    save_artifact(make(), tmp_path / "m")
    (tmp_path / "m" / "report.html").write_text("old")
    (tmp_path / "m" / "notes.txt").write_text("mine")
    save_artifact(make(seed=1), tmp_path / "m", overwrite=True)
    assert not (tmp_path / "m" / "report.html").exists()
    assert (tmp_path / "m" / "notes.txt").read_text() == "mine"
