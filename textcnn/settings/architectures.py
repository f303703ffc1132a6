"""The networks that there are: one entry each.

A new network needs its config (a dataclass on `NetworkConfig`), its module in `textcnn.nn` (on `TextNetwork`), its
scorer in `textcnn.inference` (on `Scorer`: the forward pass without torch, the shapes of its weights, and what exact
explanations need), and an entry here; to be exported, also its layers in `textcnn.export.networks`. All are named by
module and class or function, so that nothing is imported before it is used.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import Any

from textcnn.errors import ConfigError, quoted
from textcnn.settings.config import DCNNConfig, DPCNNConfig, KimConfig, NetworkConfig, StackedConfig


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A kind of network.

    Attributes:
        name: as in the keyword `arch` and the saved model.
        config: its settings.
        network: `module:class` of the `textcnn.nn.base.TextNetwork`.
        scorer: `module:class` of the `textcnn.inference.scorer.Scorer`.
        graph: `module:function` that adds its layers to an ONNX graph (`textcnn.export.networks`); None for a network
            that cannot be exported.
    """

    name: str
    config: type[NetworkConfig]
    network: str
    scorer: str
    graph: str | None = None

    def scorer_class(self) -> Any:
        """Import the scorer's class."""
        return pkgutil.resolve_name(self.scorer)


ARCHITECTURES: dict[str, Architecture] = {}


def register(architecture: Architecture) -> None:
    """Add a network to those that can be trained, saved, loaded and explained.

    Raises:
        ConfigError: the name or the config is taken.
    """
    taken = [one.name for one in ARCHITECTURES.values() if one.config is architecture.config]
    if architecture.name in ARCHITECTURES or taken:
        raise ConfigError(
            f"architecture {architecture.name}: expected a new name and a config of its own, found one taken"
        )
    ARCHITECTURES[architecture.name] = architecture


def architecture_named(name: Any) -> Architecture:
    """Return the architecture of that name.

    Raises:
        ConfigError: there is none.
    """
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise ConfigError(f"arch: expected one of {', '.join(ARCHITECTURES)}, found {quoted(name)}")
    return ARCHITECTURES[name]


def architecture_of(config: NetworkConfig) -> Architecture:
    """Return the architecture of a network's settings.

    Raises:
        ConfigError: it is not registered.
    """
    for architecture in ARCHITECTURES.values():
        if type(config) is architecture.config:
            return architecture
    raise ConfigError(f"expected the settings of {', '.join(ARCHITECTURES)}, found {type(config).__name__}")


def make_network(config: NetworkConfig, **inputs: Any) -> Any:
    """Return a fresh network of these settings; needs torch.

    Args:
        config: the settings.
        inputs: the further arguments of `textcnn.nn.base.TextNetwork`.
    """
    return pkgutil.resolve_name(architecture_of(config).network)(config, **inputs)


register(
    Architecture(
        name="kim",
        config=KimConfig,
        network="textcnn.nn.kim:KimCNN",
        scorer="textcnn.inference.kim_scorer:KimScorer",
        graph="textcnn.export.networks:kim",
    )
)
register(
    Architecture(
        name="dcnn",
        config=DCNNConfig,
        network="textcnn.nn.dcnn:DCNN",
        scorer="textcnn.inference.dcnn_scorer:DCNNScorer",
        graph="textcnn.export.networks:dcnn",
    )
)
register(
    Architecture(
        name="stacked",
        config=StackedConfig,
        network="textcnn.nn.stacked:StackedCNN",
        scorer="textcnn.inference.stacked_scorer:StackedScorer",
        graph="textcnn.export.networks:stacked",
    )
)
register(
    Architecture(
        name="dpcnn",
        config=DPCNNConfig,
        network="textcnn.nn.dpcnn:DPCNN",
        scorer="textcnn.inference.dpcnn_scorer:DPCNNScorer",
        graph="textcnn.export.networks:dpcnn",
    )
)
