import dataclasses
import json

import pytest

from textcnn.errors import ConfigError
from textcnn.settings.config import DCNNConfig, KimConfig, StackedConfig, TextConfig, from_json, to_json
from textcnn.settings.training import TrainingConfig


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (KimConfig, {"channels": "x"}, "channels: expected one of rand, static, non-static, multichannel, found 'x'"),
        (KimConfig, {"dropout": 1}, "dropout: expected a number at least 0 and below 1, found 1"),
        (KimConfig, {"dropout": float("nan")}, "dropout: expected a number at least 0 and below 1, found nan"),
        (KimConfig, {"dimension": 2.5}, "dimension: expected a whole number at least 1, found 2.5"),
        (KimConfig, {"feature_maps": True}, "feature_maps: expected a whole number at least 1, found True"),
        (KimConfig, {"char_ngrams": (3, 11)}, "char_ngrams: expected a whole number above 0 and below 11, found 11"),
        (
            KimConfig,
            {"char_ngrams": 3},
            "char_ngrams: expected the lengths of the shortest and the longest n-grams such as 3-5, (3, 5) in Python, "
            "found (3,)",
        ),
        (KimConfig, {"region_sizes": ()}, "region_sizes: expected whole numbers such as (3, 4, 5), found ()"),
        (KimConfig, {"region_sizes": (3, 0)}, "region_sizes: expected a whole number at least 1, found 0"),
        (
            DCNNConfig,
            {"region_sizes": (7,)},
            "feature_maps: expected one number for each of the 1 region sizes, found (6, 14)",
        ),
        (
            DCNNConfig,
            {"dimension": 30},
            "dimension: expected a multiple of 4, since each of the 2 layers folds the rows in pairs, found 30",
        ),
        *(
            (
                StackedConfig,
                {"shortcut": True, "region_sizes": sizes, "feature_maps": sizes},
                "region_sizes: expected 3, 5, 7 or another odd number of layers with a shortcut around each pair after "
                f"the first, found {sizes}",
            )
            for sizes in ((3,), (3, 3), (3, 3, 3, 3))
        ),
        *(
            (
                StackedConfig,
                {"branches": (1, 5), "region_sizes": sizes, "feature_maps": (100,) * len(sizes)},
                f"region_sizes: expected 5, the largest of the branches, for each layer after the first, found {sizes}",
            )
            for sizes in ((5,), (5, 3), (3, 5, 3))
        ),
        (
            StackedConfig,
            {"branches": (1, 2, 3), "feature_maps": (100, 100)},
            "feature_maps: expected multiples of 3, the number of branches, for the layers after the first, "
            "found (100, 100)",
        ),
        (StackedConfig, {"branches": (3, 0)}, "branches: expected a whole number above 0, found 0"),
        (StackedConfig, {"shortcut": "yes"}, "shortcut: expected True or False, found 'yes'"),
        (DCNNConfig, {"k_top": 0}, "k_top: expected a whole number at least 1, found 0"),
        (
            TrainingConfig,
            {"l2": (0.1, 0.2)},
            "l2: expected one number, or one for each of the 3 layers (embeddings, convolution, softmax), found 2",
        ),
        (
            TrainingConfig,
            {"max_epochs": 10**400},
            "max_epochs: expected a whole number up to 4,294,967,296, found a larger one",
        ),
        (TrainingConfig, {"l2": -1}, "l2: expected a number at least 0, found -1"),
        (TrainingConfig, {"l2": (0, 1, "x")}, "l2: expected a number at least 0, found 'x'"),
        (TrainingConfig, {"max_norm": -1}, "max_norm: expected a number at least 0, found -1"),
        (TextConfig, {"min_count": 0}, "min_count: expected a whole number at least 1, found 0"),
        (TextConfig, {"max_size": -1}, "max_size: expected a whole number at least 1, found -1"),
        (TrainingConfig, {"learning_rate": 0}, "learning_rate: expected a number above 0, found 0"),
        (TrainingConfig, {"learning_rate": float("inf")}, "learning_rate: expected a number above 0, found inf"),
        (TrainingConfig, {"validation_share": 1}, "validation_share: expected a number above 0 and below 1, found 1"),
        (TrainingConfig, {"class_weight": "x"}, "class_weight: expected balanced or a number above 0, found 'x'"),
        (TrainingConfig, {"class_weight": (1.0, -1)}, "class_weight: expected balanced or a number above 0, found -1"),
        (TrainingConfig, {"seed": -1}, "seed: expected a whole number at least 0 and below 4294967296, found -1"),
        (TrainingConfig, {"device": "tpu"}, "device: expected auto, cpu, cuda or cuda:N, found 'tpu'"),
    ],
)
def test_values_out_of_range(kind, values, message):
    with pytest.raises(ConfigError) as error:
        kind(**values)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "config",
    [
        TextConfig(tokenizer="kim", max_size=5),
        KimConfig(region_sizes=(2, 7), channels="static"),
        DCNNConfig(region_sizes=8, feature_maps=5),
        StackedConfig(region_sizes=(3, 3, 3), feature_maps=(4, 4, 4), shortcut=True, branches=(1, 3)),
        TrainingConfig(class_weight=(1.0, 2.0), learning_rate=0.5),
    ],
)
def test_json_round_trip(config):
    assert from_json(type(config), json.loads(json.dumps(to_json(config))), where="x") == config


def test_a_missing_setting_takes_its_default():
    assert from_json(TextConfig, {"min_count": 3}, where="x") == TextConfig(min_count=3)
    assert from_json(TextConfig, {}, where="x") == TextConfig()


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"a": 1, "min_count": 2}, ("f.json", "tokenizer", "'a'] beside them")),
        ({"min_count": 0}, ("f.json: min_count", "at least 1", "0")),
        ({"lowercase": []}, ("f.json: lowercase", "True or False", "[]")),
        ({"lowercase": 1}, ("f.json: lowercase", "True or False", "1")),
        ([], ("f.json", "object of settings", "[]")),
    ],
)
def test_json_that_is_not_the_settings(values, parts):
    with pytest.raises(ConfigError) as error:
        from_json(TextConfig, values, where="f.json")
    assert all(part in str(error.value) for part in parts), error.value


def test_learning_rates():
    assert TrainingConfig().rate == 1e-3
    assert TrainingConfig(optimizer="adadelta").rate == 1.0
    assert TrainingConfig(learning_rate=0.5).rate == 0.5


def test_the_docstring_describes_every_field():
    for kind in (TextConfig, KimConfig, DCNNConfig, StackedConfig, TrainingConfig):
        for field in dataclasses.fields(kind):
            assert f"        {field.name}: " in kind.__doc__
