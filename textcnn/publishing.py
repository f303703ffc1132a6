"""A model on the Hugging Face hub: its files, its card with what the author says of it, and a picture of its scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textcnn.errors import ModelError
from textcnn.hub import check_library, published
from textcnn.inference.artifact import Artifact, artifact_files
from textcnn.inference.card import Publication
from textcnn.report.card_picture import card_picture

_PICTURE = "scores.png"


def publish(
    artifact: Artifact,
    name: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
    token: str | None = None,
    license: str | None = None,  # noqa: A002 (the hub's name)
    language: str | Sequence[str] = (),
    datasets: str | Sequence[str] = (),
) -> str:
    """Publish a model; see `textcnn.Model.push_to_hub`."""
    check_library()
    picture = card_picture(artifact.metrics)
    publication = Publication(
        name=name,
        license=license,
        language=_listed(language),
        datasets=_listed(datasets),
        picture=(_PICTURE, picture[1]) if picture else None,
    )
    contents = artifact_files(artifact, Path(name), publication)
    if picture:
        contents[_PICTURE] = picture[0]
    message = commit_message or "Upload a model of textcnn"
    return published(name, contents, ModelError, message=message, private=private, revision=revision, token=token)


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else [*names]
