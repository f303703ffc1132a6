"""A saved model on the Hugging Face hub. No other files are fetched, and these are checked by their SHA-256."""

from __future__ import annotations

import re
from pathlib import Path

from textcnn.errors import ConfigError, ModelError
from textcnn.hub import REPOSITORY, fetched
from textcnn.inference.artifact import FILES, Artifact, check_config, load_artifact

_NAME = re.compile(r"(?P<repository>[^@]*)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def on_hub(name: str, revision: str | None = None) -> tuple[str, str | None] | None:
    """Return the repository and the revision that a name stands for; None for a local path.

    Whatever is there is a path. So is a name without a revision whose `user` is a folder here: it is misspelled.

    Args:
        name: a path, or `user/name` or `user/name@revision`.
        revision: one that is given beside the name.

    Raises:
        ConfigError: a revision is given twice, or beside a path.
    """
    found = _NAME.fullmatch(name)
    is_repository = found is not None and REPOSITORY.fullmatch(found["repository"]) and not Path(name).exists()
    if found is None or not is_repository:
        if revision is not None:
            raise ConfigError(
                f"expected user/name on the Hugging Face hub beside a revision ({revision}), found {name}"
            )
        return None
    repository, own = found["repository"], found["revision"]
    if None not in (own, revision):
        raise ConfigError(f"expected one revision of {repository}, found {own} and {revision}; leave one out")
    if own is None and revision is None and Path(repository.partition("/")[0]).exists():
        return None
    return repository, own or revision


def load_from_hub(repository: str, revision: str | None) -> Artifact:
    """Fetch and read a saved model; without a network, or with `HF_HUB_OFFLINE=1`, the one that was fetched last.

    Args:
        repository: `user/name`.
        revision: branch, tag or commit; None for the branch `main`.

    Raises:
        ConfigError: `huggingface_hub` is not installed.
        ModelError: it cannot be fetched, or is no model, or a damaged, altered or newer one.
    """
    config, *others = FILES
    folder = fetched(repository, [config], ModelError, revision=revision)
    check_config(folder, shown=Path(repository))  # before large files of another program are fetched
    fetched(repository, others, ModelError, revision=folder.name)  # of the same commit
    try:
        return load_artifact(folder)
    except ModelError as error:
        raise ModelError(
            f"{repository} on the Hugging Face hub: {error}; to fetch it again, remove {folder.parents[1]}"
        ) from None
