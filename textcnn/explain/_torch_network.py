"""A saved model as a torch network, for explanations that need gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textcnn.errors import ConfigError
from textcnn.inference.artifact import Artifact
from textcnn.settings.architectures import make_network
from textcnn.text.vocabulary import FIRST_WORD

if TYPE_CHECKING:
    from textcnn.nn.base import TextNetwork


def as_network(artifact: Artifact) -> TextNetwork:
    """Return the model as a network of the words that it knows, in evaluation mode.

    Raises:
        ConfigError: torch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise ConfigError(
            "explain: expected the library torch, which finds the gradients of this network and is not installed; "
            "install it: pip install torch"
        ) from None

    from textcnn.nn.base import tensor_of
    from textcnn.nn.randomness import DrawingFrom

    tables = {
        name: tensor_of(array)
        for name, array in artifact.weights.items()
        if not name.startswith("channels.subwords.")  # words' rows have them
    }
    with DrawingFrom(torch.Generator()):  # weights that are replaced at once
        network: TextNetwork = make_network(
            artifact.model,
            vocabulary_size=len(artifact.words) + FIRST_WORD,
            classes=len(artifact.classes),
            vectors=next((tables[name] for name in ("channels.fixed", "channels.tuned") if name in tables), None),
            ngrams=(tables["ngrams.keys"], tables["ngrams.factors"]) if artifact.model.ngrams else None,
        )
    network.load_state_dict(tables)
    return network.eval()
