"""A new network needs its config, its network, its scorer and one entry: this one has them here."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from textcnn import TextCNNClassifier, load_model
from textcnn.data.labelled import Labelled
from textcnn.errors import ConfigError
from textcnn.inference.scorer import Scorer
from textcnn.nn.base import TextNetwork
from textcnn.nn.lookup import LookupConvolution
from textcnn.run import train_and_save
from textcnn.settings import architectures
from textcnn.settings._fields import documented, option
from textcnn.settings.architectures import Architecture, architecture_named, register
from textcnn.settings.config import KimConfig, NetworkConfig
from textcnn.settings.options import Settings, all_settings, make_settings
from textcnn.text.columns import as_column

TEXTS = ["a good film", "good fun", "a bad film", "bad jokes"] * 10
LABELS = np.array([1, 1, 0, 0] * 10)


@documented
@dataclass(frozen=True, kw_only=True)
class SquareConfig(NetworkConfig):
    """The mean of squared responses."""

    maps: int = option(4, "Filters.", least=1)

    @property
    def features(self):
        return self.maps


class SquareNetwork(TextNetwork):
    def __init__(self, config, **inputs):
        super().__init__(config, **inputs)
        dimension = self.channels.count * config.dimension
        self.convolution = LookupConvolution(
            dimension=dimension, region_sizes=config.region_sizes[:1], feature_maps=config.maps, padding="wide"
        )
        torch.nn.init.uniform_(self.convolution.weight, -0.5, 0.5)

    def penultimate(self, words, inverse, lengths):
        [(responses, counts)] = self.convolution(words.flatten(1), inverse, lengths)  # (B, P, F)
        real = torch.arange(responses.shape[1]) < counts[:, None]
        return (responses * real[:, :, None]).square().sum(dim=1) / counts.clamp(min=1)[:, None]


class SquareScorer(Scorer):
    @staticmethod
    def weight_shapes(config):
        columns = config.dimension * config.channel_count
        return {
            "convolution.weight": (config.region_sizes[0], config.maps, columns),
            "convolution.bias": (1, config.maps),
        }

    def penultimate(self, ids):
        return np.square(self.window_sums(ids) + self.bias[0]).mean(axis=1)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(architectures, "ARCHITECTURES", dict(architectures.ARCHITECTURES))
    monkeypatch.setattr("textcnn.settings.options.ARCHITECTURES", architectures.ARCHITECTURES)
    register(
        Architecture(
            name="square",
            config=SquareConfig,
            network=f"{__name__}:SquareNetwork",
            scorer=f"{__name__}:SquareScorer",
        )
    )


def test_it_trains_saves_loads_predicts_and_explains(tmp_path):
    settings = make_settings({"arch": "square", "dimension": 6, "maps": 5, "max_epochs": 30, "learning_rate": 0.02})
    assert settings.model == SquareConfig(dimension=6, maps=5)
    run = train_and_save({"train": Labelled(as_column(TEXTS), LABELS)}, ["no", "yes"], tmp_path / "m", settings)
    model = load_model(tmp_path / "m")
    assert model.architecture == "square"
    np.testing.assert_array_equal(model.predict_proba(TEXTS), run.model.predict_proba(TEXTS))
    assert model.score(TEXTS, np.array(["no", "yes"])[LABELS]) == 1.0
    assert model.encode(TEXTS[:3]).shape == (3, 5)
    [explanation] = model.explain(["a good film"])
    assert explanation.method == "integrated gradients"
    assert explanation.gap < 0.05
    assert run.report == tmp_path / "m" / "report.html"
    resumed = Settings(model=settings.model, training=settings.training, init_from=tmp_path / "m")
    again = train_and_save({"train": Labelled(as_column(TEXTS), LABELS)}, ["no", "yes"], tmp_path / "n", resumed)
    assert again.model.architecture == "square"


def test_the_estimator_and_the_flags_know_it():
    classifier = TextCNNClassifier(arch="square", dimension=6, max_epochs=2).fit(TEXTS, LABELS)
    assert classifier.model_.artifact.model == SquareConfig(dimension=6)
    setting = all_settings()["maps"]
    assert (setting.flag, setting.default, setting.help) == ("--maps", 4, "For square: filters.")
    with pytest.raises(ConfigError, match="maps.*kim"):
        make_settings({"maps": 7})


def test_no_network_is_taken_for_another():
    with pytest.raises(ConfigError, match="arch: expected one of kim, dcnn, stacked, dpcnn, square, found 'round'"):
        architecture_named("round")

    @dataclass(frozen=True, kw_only=True)
    class OtherConfig(KimConfig):
        pass

    with pytest.raises(ConfigError, match="found OtherConfig"):
        architectures.architecture_of(OtherConfig())
    with pytest.raises(ConfigError, match="square"):
        register(Architecture(name="square", config=OtherConfig, network="a:B", scorer="a:C"))
    with pytest.raises(ConfigError, match="other"):
        register(Architecture(name="other", config=SquareConfig, network="a:B", scorer="a:C"))
