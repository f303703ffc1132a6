"""Checkpoints: all that a run needs to go on as if it had never been stopped, in one file.

The file is a SHA-256 and safetensors after it: weights, the best weights, the optimiser's state and
torch's randomness, with JSON as their metadata. It is replaced whole after each epoch, so that a
crash at any moment leaves the last one readable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from textcnn.errors import ModelError
from textcnn.files import written_whole

FORMAT, VERSION = "textcnn checkpoint", "2"


_DIGEST = hashlib.sha256().digest_size


def differences(identity: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """Names of what is not alike in a run and in one that was kept as JSON."""
    identity = json.loads(json.dumps(identity))  # as JSON keeps it: tuples are lists there
    return sorted(name for name in identity if kept.get(name) != identity[name])


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is kept between epochs.

    Attributes:
        path: the file.
        identity: what must be the same for a run to go on: settings and a hash of the data, as JSON.
        environment: what the bits depend on besides; a difference is worth a warning.
        resume: go on from the file if it is there.
    """

    path: Path
    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    resume: bool

    def save(self, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
        """Replace the file.

        Raises:
            ModelError: it cannot be written.
        """
        from safetensors.torch import save as to_bytes

        head = {"identity": self.identity, "environment": self.environment, "state": state}
        content = to_bytes(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            {"format": FORMAT, "version": VERSION, "head": json.dumps(head)},
        )
        content = hashlib.sha256(content).digest() + content
        try:
            with written_whole(self.path) as file:
                file.write(content)
        except OSError as error:
            raise ModelError(f"{self.path}: could not write the checkpoint: {error.strerror or error}") from error

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, Any]] | None:
        """Tensors, state and the environment of the run that wrote them; None if there is nothing to go on from.

        Raises:
            ModelError: the file is no checkpoint, or one of other settings or data.
        """
        from safetensors.torch import load as from_bytes

        if not self.resume or not self.path.exists():
            return None
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise ModelError(f"{self.path}: could not read the checkpoint: {error.strerror or error}") from None
        digest, content = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(content).digest() != digest:
            raise ModelError(
                f"{self.path}: expected a checkpoint, found another or a damaged file; "
                "remove it, or train anew (--overwrite)"
            )
        # The content is what `save` wrote, to the bit.
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size])["__metadata__"]
        if metadata["version"] != VERSION:
            raise ModelError(
                f"{self.path}: expected version {VERSION} of the format, found {metadata['version']!r}; "
                "go on with the textcnn that wrote it"
            )
        tensors = from_bytes(content)
        head = json.loads(metadata["head"])
        different = differences(self.identity, head["identity"])
        if different:
            raise ModelError(
                f"{self.path}: expected a checkpoint of this run, found one with other {', '.join(different)}; "
                "use the settings and data of that run, or leave --resume out"
            )
        return tensors, head["state"], head["environment"]

    def remove(self) -> None:
        """Delete the file once the model is saved."""
        self.path.unlink(missing_ok=True)
