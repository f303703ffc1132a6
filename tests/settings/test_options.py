import dataclasses

import pytest

from textcnn import TextCNNClassifier
from textcnn.errors import ConfigError
from textcnn.settings.config import DCNNConfig, KimConfig, StackedConfig, TextConfig, TrainingConfig
from textcnn.settings.options import OPTIONS, make_settings
from textcnn.settings.presets import PRESETS, RECIPE, preset_keywords

KEYWORDS = TextCNNClassifier().get_params()
del KEYWORDS["vectors"], KEYWORDS["init_from"]


def test_every_field_has_an_option():
    for component, kind in (("text", TextConfig), ("training", TrainingConfig)):
        fields = {field.name for field in dataclasses.fields(kind)}
        assert {option.field for option in OPTIONS if option.component == component} == fields
    fields = {field.name for kind in (KimConfig, DCNNConfig, StackedConfig) for field in dataclasses.fields(kind)}
    assert {option.field for option in OPTIONS if option.component == "model"} == fields
    assert len({option.flag for option in OPTIONS}) == len({option.keyword for option in OPTIONS}) == len(OPTIONS)


def test_channels_follow_the_vectors(tmp_path):
    free = {**KEYWORDS, "channels": None, "dimension": None}
    assert make_settings(free, vectors=None).model == KimConfig(channels="rand", ngrams=2)
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


def test_defaults_are_the_components_and_the_recipe():
    settings = make_settings(KEYWORDS, vectors=None)
    training = TrainingConfig(vector_norm=RECIPE["vector_norm"])
    assert (settings.text, settings.model, settings.training) == (TextConfig(), KimConfig(ngrams=2), training)
    settings = make_settings({**KEYWORDS, "arch": "dcnn"}, vectors=None)
    assert (settings.model, settings.training) == (DCNNConfig(ngrams=2), dataclasses.replace(training, max_norm=0.0))
    assert {name: KEYWORDS[name] for name in RECIPE} == RECIPE


def test_presets_hold_the_papers_settings():
    sst2 = make_settings({**KEYWORDS, **preset_keywords("kalchbrenner2014", "sst2")}, vectors=None)
    assert sst2.model == DCNNConfig(dimension=48, region_sizes=(7, 5), feature_maps=(6, 14), k_top=4)
    trec = make_settings({**KEYWORDS, **preset_keywords("kalchbrenner2014", "trec")}, vectors=None)
    assert (trec.model.region_sizes, trec.model.feature_maps, trec.model.k_top) == ((8,), (5,), 4)
    kim = make_settings({**KEYWORDS, **preset_keywords("kim2014", "trec")}, vectors=None)
    assert (kim.model, kim.text) == (KimConfig(), TextConfig(tokenizer="kim", lowercase=False))
    assert (kim.training.optimizer, kim.training.batch_size, kim.training.max_norm) == ("adadelta", 50, 3.0)
    for name, corpora in PRESETS.items():
        for corpus in [*corpora, "mine"]:
            make_settings({**KEYWORDS, **preset_keywords(name, corpus)}, vectors=None)
            assert TextCNNClassifier.from_preset(name, corpus, batch_size=7).batch_size == 7
    with pytest.raises(ConfigError) as error:
        TextCNNClassifier.from_preset("worst")
    assert str(error.value) == "preset: expected one of best, kim2014, kalchbrenner2014, found 'worst'"


def test_settings_of_another_architecture():
    with pytest.raises(ConfigError) as error:
        make_settings({**KEYWORDS, "arch": "dcnn", "pooling": "average"}, vectors=None)
    assert str(error.value) == "pooling: the architecture dcnn has no such setting, found 'average'; leave it out"
    with pytest.raises(ConfigError) as error:
        make_settings({**KEYWORDS, "k_top": 7}, vectors=None)
    assert str(error.value) == "k_top: the architecture kim has no such setting, found 7; leave it out"
    with pytest.raises(ConfigError) as error:
        make_settings({**KEYWORDS, "arch": "rnn"}, vectors=None)
    assert str(error.value) == "arch: expected one of kim, dcnn, stacked, found 'rnn'"
