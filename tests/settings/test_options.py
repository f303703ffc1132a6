import dataclasses

import numpy as np
import pytest

from textcnn import TextCNNClassifier
from textcnn.errors import ConfigError
from textcnn.settings.architectures import ARCHITECTURES
from textcnn.settings.config import DCNNConfig, KimConfig, StackedConfig, TextConfig
from textcnn.settings.options import Settings, all_settings, make_settings, ordered_class_weights
from textcnn.settings.presets import PRESETS, preset_keywords
from textcnn.settings.training import TrainingConfig


def test_every_field_is_a_setting():
    table = all_settings()
    for component, kind in (("text", TextConfig), ("training", TrainingConfig)):
        fields = {field.name for field in dataclasses.fields(kind)}
        assert {setting.name for setting in table.values() if setting.component == component} == fields
    fields = {field.name for one in ARCHITECTURES.values() for field in dataclasses.fields(one.config)}
    assert {setting.name for setting in table.values() if setting.component == "model"} == fields
    assert len({setting.flag for setting in table.values()}) == len(table)


def test_the_estimators_defaults_are_the_settings():
    keywords = TextCNNClassifier().get_params()
    assert keywords.pop("vectors") is keywords.pop("init_from") is None
    assert keywords.pop("max_words") is None
    assert keywords.pop("trust_pickle") is False
    assert keywords.pop("verbose") == 0
    assert keywords == {keyword: setting.default for keyword, setting in all_settings().items()}


def test_the_defaults_are_those_of_the_configs():
    assert make_settings({}) == Settings(vector_dimension=None)
    assert make_settings({"arch": "dcnn"}).model == DCNNConfig()
    assert make_settings({"arch": "stacked"}).model == StackedConfig()
    assert make_settings({"batch_size": np.int64(7), "region_sizes": np.array([2, 3])}) == Settings(
        model=KimConfig(region_sizes=(2, 3)), training=TrainingConfig(batch_size=7)
    )


@pytest.mark.parametrize(
    ("keyword", "part"),
    [
        ("region_sizes", "[kim 3,4,5; dcnn 7,5; stacked 3,3; dpcnn 1,3,5]"),
        ("dimension", "[kim 300; dcnn 48; stacked 300; dpcnn 300]"),
        ("pooling", "For kim: "),
        ("activation", "For kim, stacked and dpcnn: "),
        ("max_norm", "[3, dcnn 0]"),
    ],
)
def test_the_help_says_what_depends_on_the_architecture(keyword, part):
    assert part in all_settings()[keyword].help


def test_channels_follow_the_vectors(tmp_path):
    assert make_settings({}).model == KimConfig(channels="rand")
    settings = make_settings({"channels": None}, vectors=tmp_path)
    assert settings.model.channels == "non-static"
    assert settings.vector_dimension is None
    assert make_settings({"dimension": 50}, vectors=tmp_path).vector_dimension == 50


@pytest.mark.parametrize(
    ("keywords", "vectors", "parts"),
    [
        ({"channels": "static"}, None, ("channels static", "--vectors FILE")),
        ({"channels": "rand"}, "file", ("channels rand", "static, non-static or multichannel")),
        ({"arch": "dcnn", "pooling": "average"}, None, ("pooling", "dcnn", "'average'")),
        ({"k_top": 7}, None, ("k_top", "kim", "7")),
        ({"shortcut": True}, None, ("shortcut", "kim", "True")),
        ({"arch": "dpcnn", "branches": (1, 3)}, None, ("branches", "dpcnn", "(1, 3)")),
        ({"arch": "rnn"}, None, ("arch", "kim, dcnn, stacked", "'rnn'")),
        ({"arch": ["kim"]}, None, ("arch", "kim, dcnn, stacked")),
        ({"arch": "dcnn", "precision": "bf16"}, None, ("precision", "fp32", "dcnn", "'bf16'")),
        ({"regions": 3}, None, ("regions", "setting")),
    ],
)
def test_settings_that_contradict_each_other(keywords, vectors, parts):
    with pytest.raises(ConfigError) as error:
        make_settings(keywords, vectors=vectors)
    assert all(part in str(error.value) for part in parts), error.value


def test_presets_are_differences_from_the_defaults():
    sst2 = make_settings(preset_keywords("kalchbrenner2014", "sst2"))
    assert sst2.model == DCNNConfig(dimension=48, region_sizes=(7, 5), feature_maps=(6, 14), k_top=4, ngrams=0)
    trec = make_settings(preset_keywords("kalchbrenner2014", "trec"))
    assert (trec.model.region_sizes, trec.model.feature_maps, trec.model.k_top) == ((8,), (5,), 4)
    kim = make_settings(preset_keywords("kim2014", "trec"))
    assert (kim.model, kim.text) == (KimConfig(ngrams=0), TextConfig(tokenizer="kim", lowercase=False))
    assert (kim.training.optimizer, kim.training.batch_size) == ("adadelta", 50)
    for name, corpora in PRESETS.items():
        for corpus in [*corpora, "mine"]:
            make_settings(preset_keywords(name, corpus))
            assert TextCNNClassifier.from_preset(name, corpus, batch_size=7).batch_size == 7
    with pytest.raises(ConfigError, match="best, kim2014, kalchbrenner2014.*'worst'"):
        TextCNNClassifier.from_preset("worst")


def test_the_best_preset_is_the_same_for_every_corpus():
    assert {str(preset_keywords("best", corpus)) for corpus in (None, "imdb", "sst1", "trec", "reviews.csv")} == {
        str(PRESETS["best"][None])
    }


def test_class_weights_by_label():
    assert ordered_class_weights({"b": 2, "a": 1}, ["a", "b"]) == (1, 2)
    assert ordered_class_weights("balanced", ["a"]) == "balanced"
    for weights in ({"a": 1}, {"a": 1, "b": 2, "c": 3}, (1, 2)):
        with pytest.raises(ConfigError, match="class_weight"):
            ordered_class_weights(weights, ["a", "b"])
