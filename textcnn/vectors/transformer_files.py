"""Where the files of a pretrained transformer are, in a folder or on the Hugging Face hub.

Weights are read from safetensors files alone: other checkpoints are pickles, which can run code. A folder is never
looked up on the network; of a model on the hub the newest version is fetched, or with ``HF_HUB_OFFLINE=1``, or without
a network, the one fetched last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textcnn.errors import ConfigError, TextCNNError
from textcnn.files import nearest_files
from textcnn.hub import fetched, quietly

LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""How `from_pretrained` is called with the folder."""

_HUB_NAME = re.compile(r"(?:[\w-][\w.-]*/)?[\w-][\w.-]*", re.ASCII)
_HUB_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # settings, tokenizers, weights; nothing that can run code


def check_transformer(name: str, error: type[TextCNNError]) -> None:
    """Check what can be checked of a transformer before it is loaded.

    Args:
        name: A folder that `save_pretrained` wrote, or a name on the Hugging Face hub.
        error: What is raised if it is neither.

    Raises:
        ConfigError: `transformers` is not installed.
        TextCNNError: It is no folder of a model, and cannot be a name on the hub.
    """
    if find_spec("transformers") is None:
        raise ConfigError(
            "expected the library transformers, which runs it, found none; install it: pip install 'textcnn[teacher]'"
        )
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").exists():
            raise error(
                f"{name}: expected the folder of a transformers model, found no config.json there; "
                "give the folder that save_pretrained wrote"
            )
    elif path.exists():
        raise error(f"{name}: expected the folder of a transformers model, found a file; give its folder")
    elif not _HUB_NAME.fullmatch(name):
        raise error(
            f"{name}: expected the folder of a transformers model, found nothing there{nearest_files(path)}; "
            "check the path, or give a name on the Hugging Face hub"
        )


def transformer_folder(name: str, error: type[TextCNNError]) -> str:
    """Return the folder of a transformer's files, which are fetched from the hub if `name` is no folder.

    Args:
        name: As of `check_transformer`.
        error: What is raised if they cannot be fetched.
    """
    return name if Path(name).is_dir() else str(fetched(name, _HUB_FILES, error))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the messages, warnings and progress bars of the libraries from the user."""
    from transformers.utils import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with quietly():
            yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
