import dataclasses
import json

import pytest

from textcnn.config import (
    OPTIONS,
    KimConfig,
    TextConfig,
    TrainingConfig,
    from_json,
    make_settings,
    to_json,
)
from textcnn.errors import ConfigError

KEYWORDS = {
    option.keyword: getattr(
        {"text": TextConfig(), "model": KimConfig(), "training": TrainingConfig()}[option.component], option.field
    )
    for option in OPTIONS
}


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (KimConfig, {"channels": "x"}, "channels: expected one of rand, static, non-static, multichannel, found 'x'"),
        (KimConfig, {"dropout": 1}, "dropout: expected a number at least 0 and below 1, found 1"),
        (KimConfig, {"dropout": float("nan")}, "dropout: expected a number at least 0 and below 1, found nan"),
        (KimConfig, {"dimension": 2.5}, "dimension: expected a whole number at least 1, found 2.5"),
        (KimConfig, {"feature_maps": True}, "feature_maps: expected a whole number at least 1, found True"),
        (KimConfig, {"region_sizes": ()}, "region_sizes: expected whole numbers such as (3, 4, 5), found ()"),
        (KimConfig, {"region_sizes": (3, 0)}, "region_sizes: expected a whole number at least 1, found 0"),
        (TextConfig, {"min_count": 0}, "min_count: expected a whole number at least 1, found 0"),
        (TextConfig, {"max_size": -1}, "max_size: expected a whole number at least 1, found -1"),
        (TrainingConfig, {"learning_rate": 0}, "learning_rate: expected a number above 0, found 0"),
        (TrainingConfig, {"learning_rate": float("inf")}, "learning_rate: expected a number above 0, found inf"),
        (TrainingConfig, {"validation_share": 1}, "validation_share: expected a number above 0 and below 1, found 1"),
        (TrainingConfig, {"class_weight": "x"}, "class_weight: expected one of balanced, found 'x'"),
        (TrainingConfig, {"class_weight": (1.0, -1)}, "class_weight: expected a number above 0, found -1"),
        (TrainingConfig, {"seed": -1}, "seed: expected a whole number at least 0 and below 4294967296, found -1"),
        (TrainingConfig, {"device": "tpu"}, "device: expected auto, cpu, cuda or cuda:N, found 'tpu'"),
    ],
)
def test_values_out_of_range(kind, values, message):
    with pytest.raises(ConfigError) as error:
        kind(**values)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "config",
    [
        TextConfig(tokenizer="kim", max_size=5),
        KimConfig(region_sizes=(2, 7), channels="static"),
        TrainingConfig(class_weight=(1.0, 2.0), learning_rate=0.5),
    ],
)
def test_json_round_trip(config):
    assert from_json(type(config), json.loads(json.dumps(to_json(config))), where="x") == config


def test_json_that_is_not_the_settings():
    with pytest.raises(ConfigError, match="^f.json: expected the settings .*'tokenizer'.*, found \\['a'\\]$"):
        from_json(TextConfig, {"a": 1}, where="f.json")
    with pytest.raises(ConfigError, match="^f.json: min_count: expected a whole number at least 1, found 0$"):
        from_json(TextConfig, {**to_json(TextConfig()), "min_count": 0}, where="f.json")


def test_every_field_has_an_option():
    for component, kind in (("text", TextConfig), ("model", KimConfig), ("training", TrainingConfig)):
        fields = {field.name for field in dataclasses.fields(kind)}
        assert {option.field for option in OPTIONS if option.component == component} == fields
    assert len({option.flag for option in OPTIONS}) == len({option.keyword for option in OPTIONS}) == len(OPTIONS)


def test_channels_follow_the_vectors(tmp_path):
    free = {**KEYWORDS, "channels": None, "dimension": None}
    assert make_settings(free, vectors=None).model == KimConfig(channels="rand")
    settings = make_settings(free, vectors=tmp_path)
    assert settings.model.channels == "non-static"
    assert settings.vector_dimension is None
    assert make_settings({**free, "dimension": 50}, vectors=tmp_path).vector_dimension == 50


def test_contradictory_settings(tmp_path):
    with pytest.raises(ConfigError) as error:
        make_settings({**KEYWORDS, "channels": "static"}, vectors=None)
    assert str(error.value) == (
        "channels static: expected a file of word vectors, found none; "
        "give one (--vectors FILE) or use the channels rand"
    )
    with pytest.raises(ConfigError) as error:
        make_settings({**KEYWORDS, "channels": "rand"}, vectors=tmp_path)
    assert str(error.value) == (
        "channels rand: expected no word vectors, found a file of them; "
        "leave the file out or use static, non-static or multichannel"
    )


def test_step_sizes():
    assert TrainingConfig().step_size == 1e-3
    assert TrainingConfig(optimizer="adadelta").step_size == 1.0
    assert TrainingConfig(learning_rate=0.5).step_size == 0.5
